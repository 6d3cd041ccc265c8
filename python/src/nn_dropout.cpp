#include "lamina/nn/dropout.hpp"

#include "lamina/autograd/ops_dropout.hpp"
#include "lamina/nn/init.hpp"
#include "modules.hpp"

namespace lamina::python {

namespace {

/// Forward and backward of one kind of dropout: f(x, p, training, generator, format).
template <class F, class B>
void def_kind(Module& nn, const std::string& name, bool has_format, const std::string& doc,
              const F& forward, const B& backward) {
  const std::string format = has_format ? ", data_format=\"NCHW\"" : "";
  nn.def(name + "(x, p, training=True, generator=None" + format + ", *, out=None) -> Recorded",
         doc +
             "\n\np         probability, 0 to 1\ntraining  False: the result is x\n"
             "generator a lamina.Generator; None: the module's own, see lamina.seed\n"
             "returns   as x\n\nGradient: " +
             name + "_backward.",
         [=](Call& call) {
           Operand x = call.array("x");
           const double p = call.number("p");
           const bool training = call.flag("training");
           Generator& generator = call.generator();
           const DataFormat layout = has_format ? call.data_format() : DataFormat::NCHW;
           return record(call, std::tie(x),
                         [&](const auto& a) { return forward(a, p, training, generator, layout); });
         });
  nn.def(name + "_backward(dy, p, training, before" + format + ", *, out=None) -> Array",
         "Gradient of " + name +
             ".\n\ndy      as the result\nbefore  the generator as it was before the forward call: "
             "generator.copy()\nreturns as dy",
         [=](Call& call) {
           Operand dy = call.array("dy");
           const double p = call.number("p");
           const bool training = call.flag("training");
           const Generator before = call.generator("before");
           const DataFormat layout = has_format ? call.data_format() : DataFormat::NCHW;
           return compute(call, std::tie(dy),
                          [&](const auto& d) { return backward(d, p, training, before, layout); });
         });
}

/// Dropout of an array that also writes the mask.
template <class T>
py::object with_mask(Call& call, Operand& x, double p, bool training, Generator& generator) {
  x.prepare<T>();
  const MutView<bool> mask = call.target<bool>("mask");
  if (call.has_out()) {
    const MutView<T> out = call.target<T>("out");
    released([&] { nn::dropout_into(x.view<T>(), out, p, training, generator, mask); });
    return py::reinterpret_borrow<py::object>(call.object("out"));
  }
  return to_python(released([&] {
    Array<T> out = Array<T>::empty(x.shape());
    nn::dropout_into(x.view<T>(), out, p, training, generator, mask);
    return out;
  }));
}

void def_plain_dropout(Module& nn) {
  nn.def("dropout(x, p, training=True, generator=None, *, mask=None, out=None) -> Recorded", R"(
Sets each element to 0 with probability p and scales the others up.

    out = x / (1 - p) where kept, otherwise 0

x         any shape
p         probability, 0 to 1
training  False: the result is x
generator a lamina.Generator; None: the module's own, see lamina.seed
mask      a NumPy array of bool that receives True where kept, or None
returns   as x

Gradient: dropout_backward. torch.nn.functional.dropout. Srivastava et al. 2014.)",
         [](Call& call) {
           Operand x = call.array("x");
           const double p = call.number("p");
           const bool training = call.flag("training");
           Generator& generator = call.generator();
           if (call.has("mask")) {
             call.refuse_recorded({&x});
             return call.common_type({&x}) == Type::Float32
                        ? with_mask<float>(call, x, p, training, generator)
                        : with_mask<double>(call, x, p, training, generator);
           }
           return record(
               call, std::tie(x),
               [&](const auto& a) { return nn::dropout(a, p, training, generator); },
               [&](const auto& a, const auto& out) {
                 nn::dropout_into(a, out, p, training, generator);
               });
         });
  nn.def("dropout_backward(dy, p, training, before, *, out=None) -> Array",
         "Gradient of dropout.\n\ndy      as the result\n"
         "before  the generator as it was before the forward call: generator.copy()\n"
         "returns as dy",
         [](Call& call) {
           Operand dy = call.array("dy");
           const double p = call.number("p");
           const bool training = call.flag("training");
           const Generator before = call.generator("before");
           return compute(call, std::tie(dy), [&](const auto& d) {
             return nn::dropout_backward(d, p, training, before);
           });
         });
  nn.def("dropout_2d(x, p, training=True, generator=None, *, out=None) -> Recorded",
         "dropout of a matrix.", [](Call& call) {
           Operand x = call.array("x");
           const double p = call.number("p");
           const bool training = call.flag("training");
           Generator& generator = call.generator();
           return record(call, std::tie(x),
                         [&](const auto& a) { return nn::dropout_2d(a, p, training, generator); });
         });
  nn.def("dropout_mask(shape, p, training=True, generator=None, *, out=None) -> Array",
         "The mask that dropout of this shape uses at this position of the generator: True where "
         "kept.",
         [](Call& call) {
           const Shape shape = call.shape("shape");
           const double p = call.number("p");
           const bool training = call.flag("training");
           Generator& generator = call.generator();
           return call.deliver(
               released([&] { return nn::dropout_mask(shape, p, training, generator); }));
         });
  nn.def(
      "apply_dropout_mask(x, mask, p, *, out=None) -> Array",
      "dropout with a mask given: x / (1 - p) where it is True, otherwise 0.\n\nx       any shape"
      "\nmask    bool, broadcasts to that\nreturns as x",
      [](Call& call) {
        Operand x = call.array("x");
        const Mask mask = call.mask("mask");
        const double p = call.number("p");
        return compute(call, std::tie(x),
                       [&](const auto& a) { return nn::apply_dropout_mask(a, mask.view(), p); });
      });
}

/// An initial weight: f(T(), shape, generator).
template <class F>
void def_initial(Module& nn, const std::string& name, const std::string& options,
                 const std::string& doc, const F& f) {
  nn.def(name + "(shape, generator=None" + options + ", *, dtype=\"float32\", out=None) -> Array",
         doc + "\n\nshape   (out, in, kernel...)\nreturns an array of that shape and `dtype`",
         [f](Call& call) {
           const Shape shape = call.shape("shape");
           Generator& generator = call.generator();
           const auto options_of = f(call);
           return create(call, [&](auto element) { return options_of(element, shape, generator); });
         });
}

nn::KaimingOptions kaiming(const Call& call) {
  return {call.choice<nn::FanMode>("mode", {{"in", nn::FanMode::In}, {"out", nn::FanMode::Out}}),
          call.number("negative_slope")};
}

void def_initial_weights(Module& nn) {
  def_initial(nn, "xavier_uniform", ", gain=1.0",
              "Uniform on [-a, a], a = gain sqrt(6 / (fan_in + fan_out)). Glorot and Bengio 2010.",
              [](const Call& call) {
                return [gain = call.number("gain")]<class T>(T, const Shape& s, Generator& g) {
                  return nn::xavier_uniform<T>(s, g, gain);
                };
              });
  def_initial(nn, "xavier_normal", ", gain=1.0",
              "Normal with deviation gain sqrt(2 / (fan_in + fan_out)). Glorot and Bengio 2010.",
              [](const Call& call) {
                return [gain = call.number("gain")]<class T>(T, const Shape& s, Generator& g) {
                  return nn::xavier_normal<T>(s, g, gain);
                };
              });
  const std::string options = ", mode=\"in\", negative_slope=0.0";
  def_initial(
      nn, "kaiming_uniform", options,
      "Uniform on [-a, a], a = gain sqrt(3 / fan), gain = sqrt(2 / (1 + negative_slope^2)), "
      "fan that of `mode`. He et al. 2015.",
      [](const Call& call) {
        return [o = kaiming(call)]<class T>(T, const Shape& s, Generator& g) {
          return nn::kaiming_uniform<T>(s, g, o);
        };
      });
  def_initial(nn, "kaiming_normal", options,
              "Normal with deviation gain / sqrt(fan), gain and fan as kaiming_uniform. He et al. "
              "2015.",
              [](const Call& call) {
                return [o = kaiming(call)]<class T>(T, const Shape& s, Generator& g) {
                  return nn::kaiming_normal<T>(s, g, o);
                };
              });
  def_initial(nn, "lecun_uniform", "",
              "Uniform on [-a, a], a = sqrt(3 / fan_in). LeCun et al. 1998.", [](const Call&) {
                return []<class T>(T, const Shape& s, Generator& g) {
                  return nn::lecun_uniform<T>(s, g);
                };
              });
  def_initial(nn, "lecun_normal", "", "Normal with deviation 1 / sqrt(fan_in). LeCun et al. 1998.",
              [](const Call&) {
                return []<class T>(T, const Shape& s, Generator& g) {
                  return nn::lecun_normal<T>(s, g);
                };
              });
  nn.def("fan_of(weight) -> tuple[int, int]",
         "(fan_in, fan_out) of a weight of shape `weight`, (out, in, kernel...): how many inputs "
         "and outputs one unit touches.",
         [](Call& call) {
           const nn::Fan fan = nn::fan_of(call.shape("weight"));
           return py::object(py::make_tuple(fan.in, fan.out));
         });
}

}  // namespace

void def_dropout(Module& nn) {
  def_plain_dropout(nn);
  def_kind(
      nn, "spatial_dropout", true,
      "Dropout of whole channels of a sample.\n\nx         (N, C, ...), or (positions, C). Tompson "
      "et "
      "al. 2015.",
      [](const auto& x, double p, bool training, Generator& generator, DataFormat format) {
        return nn::spatial_dropout(x, p, training, generator, format);
      },
      [](const auto& dy, double p, bool training, const Generator& before, DataFormat format) {
        return nn::spatial_dropout_backward(dy, p, training, before, format);
      });
  def_kind(
      nn, "drop_path", false,
      "Dropout of whole samples, positions of axis 0.\n\nx         (N, ...). Huang et al. 2016.",
      [](const auto& x, double p, bool training, Generator& generator, DataFormat) {
        return nn::drop_path(x, p, training, generator);
      },
      [](const auto& dy, double p, bool training, const Generator& before, DataFormat) {
        return nn::drop_path_backward(dy, p, training, before);
      });
  def_kind(
      nn, "alpha_dropout", false,
      "Dropout that keeps mean 0 and variance 1, for networks of selu units.\n\nx         any "
      "shape. "
      "Klambauer et al. 2017.",
      [](const auto& x, double p, bool training, Generator& generator, DataFormat) {
        return nn::alpha_dropout(x, p, training, generator);
      },
      [](const auto& dy, double p, bool training, const Generator& before, DataFormat) {
        return nn::alpha_dropout_backward(dy, p, training, before);
      });
  def_initial_weights(nn);
}

}  // namespace lamina::python
