#include "lamina/nn/normalization.hpp"

#include "lamina/autograd/ops_normalization.hpp"
#include "modules.hpp"

namespace lamina::python {

namespace {

/// Arrays of either element type that are written into.
struct Targets {
  MutView<float> f32;
  MutView<double> f64;
  template <class T>
  [[nodiscard]] const MutView<T>& as() const {
    if constexpr (std::is_same_v<T, float>) {
      return f32;
    } else {
      return f64;
    }
  }
};

Targets read_target(Call& call, std::string_view parameter, Type type) {
  return type == Type::Float32 ? Targets{call.target<float>(parameter), {}}
                               : Targets{{}, call.target<double>(parameter)};
}

template <class T>
std::tuple<Array<T>, Array<T>, Array<T>> all_three(nn::NormGradients<T>&& gradients) {
  return {std::move(gradients.dx), std::move(gradients.dgamma), std::move(gradients.dbeta)};
}

constexpr const char* kFormula = R"(

    y = (x - mean) / sqrt(variance + eps) gamma + beta

)";

void def_layer_norm(Module& nn) {
  nn.def("layer_norm(x, gamma=None, beta=None, eps=1e-05, axes=0, *, out=None) -> Recorded",
         std::string("Normalizes over the last axes of each position of the others.") + kFormula +
             R"(x           (..., F)
gamma, beta (F), which may be several axes, or None
axes        how many axes F is where gamma and beta are None; 0: one
returns     as x

Gradients: layer_norm_backward. torch.nn.functional.layer_norm. Ba, Kiros and Hinton 2016.)",
         [](Call& call) {
           Operand x = call.array("x");
           Operand gamma = call.array("gamma");
           Operand beta = call.array("beta");
           const double eps = call.number("eps");
           const int axes = call.axis("axes");
           return record(
               call, std::tie(x, gamma, beta),
               [&](const auto& a, const auto& g, const auto& b) {
                 return nn::layer_norm(a, g, b, eps, axes);
               },
               [&](const auto& a, const auto& g, const auto& b, const auto& out) {
                 nn::layer_norm_into(a, out, g, b, eps, axes);
               });
         });
  nn.def("layer_norm_backward(dy, x, gamma=None, eps=1e-05, axes=0) -> tuple[Array, Array, Array]",
         "Gradients of layer_norm: (dx, dgamma, dbeta).\n\ndy, x   one shape\n"
         "returns dx as x; dgamma and dbeta as gamma is, or would be",
         [](Call& call) {
           Operand dy = call.array("dy");
           Operand x = call.array("x");
           Operand gamma = call.array("gamma");
           const double eps = call.number("eps");
           const int axes = call.axis("axes");
           return compute(call, std::tie(dy, x, gamma),
                          [&](const auto& d, const auto& a, const auto& g) {
                            return all_three(nn::layer_norm_backward(d, a, g, eps, axes));
                          });
         });
  nn.def("rms_norm(x, gamma=None, eps=1e-05, axes=0, *, out=None) -> Recorded", R"(
Divides by the root of the mean square over the last axes.

    y = x / sqrt(mean(x^2) + eps) gamma

x       (..., F)
gamma   (F), which may be several axes, or None
axes    how many axes F is where gamma is None; 0: one
returns as x

Gradients: rms_norm_backward. torch.nn.functional.rms_norm. Zhang and Sennrich 2019.)",
         [](Call& call) {
           Operand x = call.array("x");
           Operand gamma = call.array("gamma");
           const double eps = call.number("eps");
           const int axes = call.axis("axes");
           return record(
               call, std::tie(x, gamma),
               [&](const auto& a, const auto& g) { return nn::rms_norm(a, g, eps, axes); },
               [&](const auto& a, const auto& g, const auto& out) {
                 nn::rms_norm_into(a, out, g, eps, axes);
               });
         });
  nn.def("rms_norm_backward(dy, x, gamma=None, eps=1e-05, axes=0) -> tuple[Array, Array]",
         "Gradients of rms_norm: (dx, dgamma).", [](Call& call) {
           Operand dy = call.array("dy");
           Operand x = call.array("x");
           Operand gamma = call.array("gamma");
           const double eps = call.number("eps");
           const int axes = call.axis("axes");
           return compute(call, std::tie(dy, x, gamma),
                          [&](const auto& d, const auto& a, const auto& g) {
                            auto gradients = nn::rms_norm_backward(d, a, g, eps, axes);
                            return std::tuple(std::move(gradients.dx), std::move(gradients.dgamma));
                          });
         });
}

/// batch_norm and its forms that demand a rank.
void def_batch_norm_form(Module& nn, const std::string& name, int lowest, int highest,
                         const std::string& shapes) {
  nn.def(
      name + "(x, gamma=None, beta=None, eps=1e-05, data_format=\"NCHW\", *, out=None) -> Recorded",
      "Normalizes each channel over the whole batch, with the batch's own statistics." +
          std::string(kFormula) + "x           " + shapes +
          "; channels last for \"NHWC\"\ngamma, beta (C) or None\nreturns     as x\n\n"
          "Gradients: batch_norm_backward. Ioffe and Szegedy 2015.",
      [lowest, highest](Call& call) {
        Operand x = call.array("x");
        Operand gamma = call.array("gamma");
        Operand beta = call.array("beta");
        const double eps = call.number("eps");
        const DataFormat format = call.data_format();
        const int rank = x.shape().rank();
        check(rank >= lowest && rank <= highest, ErrorKind::DimensionMismatch, call.name(),
              "x has shape ", x.shape(), ", rank ", lowest, " to ", highest, " is needed");
        return record(
            call, std::tie(x, gamma, beta),
            [&](const auto& a, const auto& g, const auto& b) {
              return nn::batch_norm(a, g, b, eps, format);
            },
            [&](const auto& a, const auto& g, const auto& b, const auto& out) {
              nn::batch_norm_into(a, out, g, b, eps, format);
            });
      });
}

void def_batch_norm(Module& nn) {
  def_batch_norm_form(nn, "batch_norm", 2, kMaxRank, "(N, C, ...)");
  def_batch_norm_form(nn, "batch_norm_1d", 2, 3, "(N, C) or (N, C, L)");
  def_batch_norm_form(nn, "batch_norm_2d", 4, 4, "(N, C, H, W)");
  def_batch_norm_form(nn, "batch_norm_3d", 5, 5, "(N, C, D, H, W)");
  nn.def(
      "batch_norm_training(x, running_mean, running_var, gamma=None, beta=None, eps=1e-05, "
      "momentum=0.1, data_format=\"NCHW\", *, out=None) -> Recorded",
      R"(
batch_norm that also keeps running statistics for inference.

    running = (1 - momentum) running + momentum batch

x                         (N, C, ...)
running_mean, running_var (C), NumPy arrays that are changed
gamma, beta               (C) or None
returns                   as x

Gradients: batch_norm_backward. torch.nn.functional.batch_norm with training=True.)",
      [](Call& call) {
        Operand x = call.array("x");
        Operand gamma = call.array("gamma");
        Operand beta = call.array("beta");
        const Type type = call.common_type({&x, &gamma, &beta});
        const Targets mean = read_target(call, "running_mean", type);
        const Targets variance = read_target(call, "running_var", type);
        const nn::BatchNormOptions options{call.number("eps"), call.number("momentum"),
                                           call.data_format()};
        return record(
            call, std::tie(x, gamma, beta),
            [&](const auto& a, const auto& g, const auto& b) {
              using T = ElementOf<decltype(a)>;
              return nn::batch_norm_training(a, mean.as<T>(), variance.as<T>(), g, b, options);
            },
            [&](const auto& a, const auto& g, const auto& b, const auto& out) {
              using T = ElementOf<decltype(a)>;
              nn::batch_norm_training_into(a, out, mean.as<T>(), variance.as<T>(), g, b, options);
            });
      });
  nn.def(
      "batch_norm_inference(x, mean, var, gamma=None, beta=None, eps=1e-05, "
      "data_format=\"NCHW\", *, out=None) -> Recorded",
      R"(
batch_norm with given statistics: y = (x - mean) / sqrt(var + eps) gamma + beta.

x           (N, C, ...)
mean, var   (C)
gamma, beta (C) or None
returns     as x

Gradients: batch_norm_inference_backward. torch.nn.functional.batch_norm with training=False.)",
      [](Call& call) {
        Operand x = call.array("x");
        Operand mean = call.array("mean");
        Operand variance = call.array("var");
        Operand gamma = call.array("gamma");
        Operand beta = call.array("beta");
        const double eps = call.number("eps");
        const DataFormat format = call.data_format();
        call.refuse_recorded({&mean, &variance});
        return record(
            call, std::tie(x, mean, variance, gamma, beta),
            [&](const auto& a, const auto& m, const auto& v, const auto& g, const auto& b) {
              return nn::batch_norm_inference(a, value_of(m), value_of(v), g, b, eps, format);
            },
            [&](const auto& a, const auto& m, const auto& v, const auto& g, const auto& b,
                const auto& out) {
              nn::batch_norm_inference_into(a, out, m, v, g, b, eps, format);
            });
      });
  nn.def(
      "batch_norm_backward(dy, x, gamma=None, eps=1e-05, data_format=\"NCHW\") -> "
      "tuple[Array, Array, Array]",
      "Gradients of batch_norm and batch_norm_training: (dx, dgamma, dbeta).", [](Call& call) {
        Operand dy = call.array("dy");
        Operand x = call.array("x");
        Operand gamma = call.array("gamma");
        const double eps = call.number("eps");
        const DataFormat format = call.data_format();
        return compute(call, std::tie(dy, x, gamma),
                       [&](const auto& d, const auto& a, const auto& g) {
                         return all_three(nn::batch_norm_backward(d, a, g, eps, format));
                       });
      });
  nn.def(
      "batch_norm_inference_backward(dy, x, mean, var, gamma=None, eps=1e-05, "
      "data_format=\"NCHW\") -> tuple[Array, Array, Array]",
      "Gradients of batch_norm_inference: (dx, dgamma, dbeta). mean and var are constants.",
      [](Call& call) {
        Operand dy = call.array("dy");
        Operand x = call.array("x");
        Operand mean = call.array("mean");
        Operand variance = call.array("var");
        Operand gamma = call.array("gamma");
        const double eps = call.number("eps");
        const DataFormat format = call.data_format();
        return compute(
            call, std::tie(dy, x, mean, variance, gamma),
            [&](const auto& d, const auto& a, const auto& m, const auto& v, const auto& g) {
              return all_three(nn::batch_norm_inference_backward(d, a, m, v, g, eps, format));
            });
      });
}

void def_other_norms(Module& nn) {
  nn.def(
      "group_norm(x, groups, gamma=None, beta=None, eps=1e-05, data_format=\"NCHW\", *, out=None) "
      "-> Recorded",
      std::string("Normalizes `groups` equal parts of the channels of each sample.") + kFormula +
          R"(x           (N, C, ...)
gamma, beta (C) or None
returns     as x

Gradients: group_norm_backward. torch.nn.functional.group_norm. Wu and He 2018.)",
      [](Call& call) {
        Operand x = call.array("x");
        Operand gamma = call.array("gamma");
        Operand beta = call.array("beta");
        const Index groups = call.index("groups");
        const double eps = call.number("eps");
        const DataFormat format = call.data_format();
        return record(
            call, std::tie(x, gamma, beta),
            [&](const auto& a, const auto& g, const auto& b) {
              return nn::group_norm(a, groups, g, b, eps, format);
            },
            [&](const auto& a, const auto& g, const auto& b, const auto& out) {
              nn::group_norm_into(a, groups, out, g, b, eps, format);
            });
      });
  nn.def(
      "group_norm_backward(dy, x, groups, gamma=None, eps=1e-05, data_format=\"NCHW\") -> "
      "tuple[Array, Array, Array]",
      "Gradients of group_norm: (dx, dgamma, dbeta).", [](Call& call) {
        Operand dy = call.array("dy");
        Operand x = call.array("x");
        Operand gamma = call.array("gamma");
        const Index groups = call.index("groups");
        const double eps = call.number("eps");
        const DataFormat format = call.data_format();
        return compute(call, std::tie(dy, x, gamma),
                       [&](const auto& d, const auto& a, const auto& g) {
                         return all_three(nn::group_norm_backward(d, a, groups, g, eps, format));
                       });
      });
  nn.def(
      "instance_norm(x, eps=1e-05, gamma=None, beta=None, data_format=\"NCHW\", *, out=None) -> "
      "Recorded",
      std::string("Normalizes each channel of each sample; of a matrix, each row.") + kFormula +
          R"(x           (N, C, ...), or (rows, F) without gamma and beta
gamma, beta (C) or None
returns     as x

Gradients: instance_norm_backward. torch.nn.functional.instance_norm. Ulyanov et al. 2016.)",
      [](Call& call) {
        Operand x = call.array("x");
        Operand gamma = call.array("gamma");
        Operand beta = call.array("beta");
        const double eps = call.number("eps");
        const DataFormat format = call.data_format();
        return record(
            call, std::tie(x, gamma, beta),
            [&](const auto& a, const auto& g, const auto& b) {
              return nn::instance_norm(a, eps, g, b, format);
            },
            [&](const auto& a, const auto& g, const auto& b, const auto& out) {
              nn::instance_norm_into(a, out, eps, g, b, format);
            });
      });
  nn.def(
      "instance_norm_backward(dy, x, eps=1e-05, gamma=None, data_format=\"NCHW\") -> "
      "tuple[Array, Array, Array]",
      "Gradients of instance_norm: (dx, dgamma, dbeta); the last two are empty for a matrix.",
      [](Call& call) {
        Operand dy = call.array("dy");
        Operand x = call.array("x");
        Operand gamma = call.array("gamma");
        const double eps = call.number("eps");
        const DataFormat format = call.data_format();
        return compute(call, std::tie(dy, x, gamma),
                       [&](const auto& d, const auto& a, const auto& g) {
                         return all_three(nn::instance_norm_backward(d, a, eps, g, format));
                       });
      });
}

}  // namespace

void def_normalization(Module& nn) {
  def_layer_norm(nn);
  def_batch_norm(nn);
  def_other_norms(nn);
}

}  // namespace lamina::python
