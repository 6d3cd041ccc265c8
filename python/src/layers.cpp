#include "layers.hpp"

#include "lamina/layers/activation.hpp"
#include "lamina/layers/conv.hpp"
#include "lamina/layers/dropout.hpp"
#include "lamina/layers/normalization.hpp"
#include "lamina/layers/sequential.hpp"

namespace lamina::python {

const Layer& read_layer(const Call& call) {
  const py::handle given = call.object("layer");
  if (!py::isinstance<Layer>(given)) {
    throw_type_error(call.place("layer"), "is no layer");
  }
  return py::cast<const Layer&>(given);
}

layers::WeightInit weight_init(const Call& call) {
  using layers::WeightInit;
  return call.choice<WeightInit>("init", {{"fan_in_uniform", WeightInit::FanInUniform},
                                          {"kaiming_uniform", WeightInit::KaimingUniform},
                                          {"kaiming_normal", WeightInit::KaimingNormal},
                                          {"xavier_uniform", WeightInit::XavierUniform},
                                          {"xavier_normal", WeightInit::XavierNormal},
                                          {"lecun_uniform", WeightInit::LecunUniform},
                                          {"lecun_normal", WeightInit::LecunNormal},
                                          {"zeros", WeightInit::Zeros}});
}

namespace {

constexpr const char* kWeights = R"(
generator  draws the initial weights; None: the module's own, see lamina.seed
init       "fan_in_uniform" (PyTorch's), "kaiming_uniform", "kaiming_normal", "xavier_uniform",
           "xavier_normal", "lecun_uniform", "lecun_normal" or "zeros")";

void def_linear_layer(Module& module) {
  module.def(
      "Linear(in_features, out_features, generator=None, *, bias=True, init=\"fan_in_uniform\", "
      "dtype=\"float32\") -> Layer",
      std::string(
          "x weight^T + bias, (..., in_features) to (..., out_features). torch.nn.Linear.\n") +
          kWeights,
      [](Call& call) {
        const Index in = call.index("in_features");
        const Index out = call.index("out_features");
        Generator& generator = call.generator();
        const layers::LinearOptions options{call.flag("bias"), weight_init(call)};
        return make(call, [&]<class T>(T) {
          return std::make_shared<layers::Linear<T>>(in, out, generator, options);
        });
      });
}

template <template <class> class L, int Rank>
void def_conv_layer(Module& module, const std::string& name, const std::string& shape) {
  module.def(
      name +
          "(in_channels, out_channels, kernel, generator=None, *, stride=1, padding=0, dilation=1, "
          "groups=1, data_format=\"NCHW\", padding_value=\"zero\", bias=True, "
          "init=\"fan_in_uniform\", dtype=\"float32\") -> Layer",
      "Convolution of " + shape + ", as nn.conv" + std::to_string(Rank) + "d. torch.nn.Conv" +
          std::to_string(Rank) + "d.\n" + kWeights,
      [](Call& call) {
        constexpr std::size_t kAxes = Rank;
        const Index in = call.index("in_channels");
        const Index out = call.index("out_channels");
        const std::array<Index, kAxes> kernel = call.each<kAxes>("kernel");
        Generator& generator = call.generator();
        layers::ConvLayerOptions<Rank> options;
        options.conv.stride = call.each<kAxes>("stride");
        options.conv.padding = call.padding("padding", Rank);
        options.conv.dilation = call.each<kAxes>("dilation");
        options.conv.groups = call.index("groups");
        options.conv.format = call.data_format();
        options.conv.padding_value = padding_value(call);
        options.bias = call.flag("bias");
        options.init = weight_init(call);
        return make(call, [&]<class T>(T) {
          return std::make_shared<L<T>>(in, out, kernel, generator, options);
        });
      });
}

template <template <class> class L, int Rank>
void def_transposed_layer(Module& module, const std::string& name, const std::string& shape) {
  module.def(name +
                 "(in_channels, out_channels, kernel, generator=None, *, stride=1, padding=0, "
                 "output_padding=0, dilation=1, groups=1, data_format=\"NCHW\", bias=True, "
                 "init=\"fan_in_uniform\", dtype=\"float32\") -> Layer",
             "Transposed convolution of " + shape + ", as nn.conv_transpose" +
                 std::to_string(Rank) + "d. torch.nn.ConvTranspose" + std::to_string(Rank) +
                 "d.\n" + kWeights,
             [](Call& call) {
               constexpr std::size_t kAxes = Rank;
               const Index in = call.index("in_channels");
               const Index out = call.index("out_channels");
               const std::array<Index, kAxes> kernel = call.each<kAxes>("kernel");
               Generator& generator = call.generator();
               layers::ConvTransposeLayerOptions<Rank> options;
               options.conv.stride = call.each<kAxes>("stride");
               options.conv.padding = call.padding("padding", Rank);
               options.conv.output_padding = call.each<kAxes>("output_padding");
               options.conv.dilation = call.each<kAxes>("dilation");
               options.conv.groups = call.index("groups");
               options.conv.format = call.data_format();
               options.bias = call.flag("bias");
               options.init = weight_init(call);
               return make(call, [&]<class T>(T) {
                 return std::make_shared<L<T>>(in, out, kernel, generator, options);
               });
             });
}

void def_depthwise_layer(Module& module) {
  module.def(
      "DepthwiseConv2d(channels, kernel, generator=None, *, stride=1, padding=0, dilation=1, "
      "data_format=\"NCHW\", padding_value=\"zero\", bias=True, init=\"fan_in_uniform\", "
      "multiplier=1, dtype=\"float32\") -> Layer",
      std::string("Convolution of each channel of (N, C, H, W) with `multiplier` kernels of its "
                  "own.\n") +
          kWeights,
      [](Call& call) {
        const Index channels = call.index("channels");
        const std::array<Index, 2> kernel = call.each<2>("kernel");
        Generator& generator = call.generator();
        const Index multiplier = call.index("multiplier");
        layers::Conv2dLayerOptions options;
        options.conv.stride = call.each<2>("stride");
        options.conv.padding = call.padding("padding", 2);
        options.conv.dilation = call.each<2>("dilation");
        options.conv.format = call.data_format();
        options.conv.padding_value = padding_value(call);
        options.bias = call.flag("bias");
        options.init = weight_init(call);
        return make(call, [&]<class T>(T) {
          return std::make_shared<layers::DepthwiseConv2d<T>>(channels, kernel, generator, options,
                                                              multiplier);
        });
      });
}

struct ActivationName {
  const char* layer;
  nn::Activation kind;
};
constexpr ActivationName kActivationLayers[] = {
    {"ReLU", nn::Activation::Relu},
    {"LeakyReLU", nn::Activation::LeakyRelu},
    {"ELU", nn::Activation::Elu},
    {"SELU", nn::Activation::Selu},
    {"CELU", nn::Activation::Celu},
    {"Sigmoid", nn::Activation::Sigmoid},
    {"Tanh", nn::Activation::Tanh},
    {"SiLU", nn::Activation::Silu},
    {"Mish", nn::Activation::Mish},
    {"GELU", nn::Activation::Gelu},
    {"GELUTanh", nn::Activation::GeluTanh},
    {"Softplus", nn::Activation::Softplus},
    {"ReLU6", nn::Activation::Relu6},
    {"Hardtanh", nn::Activation::HardTanh},
    {"Hardsigmoid", nn::Activation::HardSigmoid},
    {"Hardswish", nn::Activation::HardSwish},
    {"Softsign", nn::Activation::Softsign},
    {"LogSigmoid", nn::Activation::LogSigmoid},
    {"Hardshrink", nn::Activation::HardShrink},
    {"Softshrink", nn::Activation::SoftShrink},
    {"Tanhshrink", nn::Activation::TanhShrink},
};

void def_activation_layers(Module& module) {
  for (const ActivationName& row : kActivationLayers) {
    const std::string function(nn::activation_row(row.kind).name);
    module.def(
        std::string(row.layer) + "(a=None, b=None, *, dtype=\"float32\") -> Layer",
        "nn." + function +
            " as a layer. a and b are its parameters, in its order; None: its "
            "defaults.",
        [kind = row.kind](Call& call) {
          const nn::ActivationParams params{call.optional_number("a"), call.optional_number("b")};
          return make(call, [&]<class T>(T) {
            return std::make_shared<layers::Activate<T>>(kind, params);
          });
        });
  }
  module.def(
      "Activate(kind, a=None, b=None, *, dtype=\"float32\") -> Layer",
      "The activation that `kind` names as a layer.", [](Call& call) {
        const nn::Activation kind = activation_kind(call, "kind");
        const nn::ActivationParams params{call.optional_number("a"), call.optional_number("b")};
        return make(
            call, [&]<class T>(T) { return std::make_shared<layers::Activate<T>>(kind, params); });
      });
  module.def("PReLU(channels=1, slope=0.25, *, dtype=\"float32\") -> Layer",
             "x where x > 0, otherwise slope x, with one slope or one a channel that is trained. "
             "torch.nn.PReLU.",
             [](Call& call) {
               const Index channels = call.index("channels");
               const double slope = call.number("slope");
               return make(call, [&]<class T>(T) {
                 return std::make_shared<layers::PReLU<T>>(channels, slope);
               });
             });
  for (const bool logarithm : {false, true}) {
    module.def(std::string(logarithm ? "LogSoftmax" : "Softmax") +
                   "(axis=-1, temperature=1.0, *, dtype=\"float32\") -> Layer",
               logarithm ? "nn.log_softmax as a layer." : "nn.softmax as a layer.",
               [logarithm](Call& call) {
                 const nn::SoftmaxOptions options{call.axis("axis"), call.number("temperature")};
                 return make(call, [&]<class T>(T) -> Held<T> {
                   if (logarithm) {
                     return std::make_shared<layers::LogSoftmax<T>>(options);
                   }
                   return std::make_shared<layers::Softmax<T>>(options);
                 });
               });
  }
  module.def("Flatten(first=1, *, dtype=\"float32\") -> Layer",
             "All axes from `first` on as one. torch.nn.Flatten.", [](Call& call) {
               const int first = call.axis("first");
               return make(call,
                           [&]<class T>(T) { return std::make_shared<layers::Flatten<T>>(first); });
             });
}

void def_normalization_layers(Module& module) {
  for (const bool rms : {false, true}) {
    module.def(std::string(rms ? "RMSNorm" : "LayerNorm") +
                   "(shape, eps=1e-05, affine=True, *, dtype=\"float32\") -> Layer",
               std::string(rms ? "nn.rms_norm" : "nn.layer_norm") +
                   " over the last axes, which have extents `shape`. torch.nn." +
                   (rms ? "RMSNorm." : "LayerNorm.") + "\n\naffine  with a weight that is trained",
               [rms](Call& call) {
                 const Shape shape = call.shape("shape");
                 const layers::LayerNormOptions options{call.number("eps"), call.flag("affine")};
                 return make(call, [&]<class T>(T) -> Held<T> {
                   if (rms) {
                     return std::make_shared<layers::RMSNorm<T>>(shape, options);
                   }
                   return std::make_shared<layers::LayerNorm<T>>(shape, options);
                 });
               });
  }
  for (const int rank : {1, 2, 3}) {
    module.def("BatchNorm" + std::to_string(rank) +
                   "d(channels, eps=1e-05, momentum=0.1, affine=True, data_format=\"NCHW\", *, "
                   "dtype=\"float32\") -> Layer",
               "nn.batch_norm with running statistics, which are used after eval(). torch.nn."
               "BatchNorm" +
                   std::to_string(rank) + "d.",
               [rank](Call& call) {
                 const Index channels = call.index("channels");
                 const layers::BatchNormLayerOptions options{
                     call.number("eps"), call.number("momentum"), call.flag("affine"),
                     call.data_format()};
                 return make(call, [&]<class T>(T) -> Held<T> {
                   if (rank == 1) {
                     return std::make_shared<layers::BatchNorm1d<T>>(channels, options);
                   }
                   if (rank == 2) {
                     return std::make_shared<layers::BatchNorm2d<T>>(channels, options);
                   }
                   return std::make_shared<layers::BatchNorm3d<T>>(channels, options);
                 });
               });
  }
  module.def(
      "GroupNorm(groups, channels, eps=1e-05, affine=True, data_format=\"NCHW\", *, "
      "dtype=\"float32\") -> Layer",
      "nn.group_norm as a layer. torch.nn.GroupNorm.", [](Call& call) {
        const Index groups = call.index("groups");
        const Index channels = call.index("channels");
        const layers::GroupNormOptions options{call.number("eps"), call.flag("affine"),
                                               call.data_format()};
        return make(call, [&]<class T>(T) {
          return std::make_shared<layers::GroupNorm<T>>(groups, channels, options);
        });
      });
  module.def(
      "InstanceNorm(channels, eps=1e-05, affine=False, data_format=\"NCHW\", *, "
      "dtype=\"float32\") -> Layer",
      "nn.instance_norm as a layer. torch.nn.InstanceNorm2d.", [](Call& call) {
        const Index channels = call.index("channels");
        const layers::InstanceNormOptions options{call.number("eps"), call.flag("affine"),
                                                  call.data_format()};
        return make(call, [&]<class T>(T) {
          return std::make_shared<layers::InstanceNorm<T>>(channels, options);
        });
      });
  module.def(
      "LocalResponseNorm(size, alpha=0.0001, beta=0.75, k=1.0, data_format=\"NCHW\", *, "
      "dtype=\"float32\") -> Layer",
      "nn.local_response_norm as a layer. torch.nn.LocalResponseNorm.", [](Call& call) {
        const Index size = call.index("size");
        const nn::LocalResponseOptions options{call.number("alpha"), call.number("beta"),
                                               call.number("k"), call.data_format()};
        return make(call, [&]<class T>(T) {
          return std::make_shared<layers::LocalResponseNorm<T>>(size, options);
        });
      });
}

template <template <class> class L>
void def_dropout_layer(Module& module, const std::string& name, const std::string& function) {
  module.def(name + "(p, generator=None, *, dtype=\"float32\") -> Layer",
             "nn." + function +
                 " in training, nothing after eval(). torch.nn.Dropout.\n\n"
                 "generator  the layer's own is split from it; None: the module's, see lamina.seed",
             [](Call& call) {
               const double p = call.number("p");
               Generator& generator = call.generator();
               return make(call, [&]<class T>(T) { return std::make_shared<L<T>>(p, generator); });
             });
}

void def_dropout_layers(Module& module) {
  def_dropout_layer<layers::Dropout>(module, "Dropout", "dropout");
  def_dropout_layer<layers::DropPath>(module, "DropPath", "drop_path");
  def_dropout_layer<layers::AlphaDropout>(module, "AlphaDropout", "alpha_dropout");
  module.def(
      "SpatialDropout(p, generator=None, data_format=\"NCHW\", *, dtype=\"float32\") -> Layer",
      "nn.spatial_dropout in training, nothing after eval(). torch.nn.Dropout2d.", [](Call& call) {
        const double p = call.number("p");
        Generator& generator = call.generator();
        const DataFormat format = call.data_format();
        return make(call, [&]<class T>(T) {
          return std::make_shared<layers::SpatialDropout<T>>(p, generator, format);
        });
      });
}

}  // namespace

void def_layers(py::module_& root) {
  py::class_<Layer>(root, "Layer", "A layer of C++; lamina.layers wraps it.");
  Module calls(root.def_submodule("layer"), "lamina._core.layer");
  def_layer_calls(calls);
  Module module(root.def_submodule("layers"), "lamina.layers");
  def_linear_layer(module);
  def_conv_layer<layers::Conv1d, 1>(module, "Conv1d", "(N, C, L)");
  def_conv_layer<layers::Conv2d, 2>(module, "Conv2d", "(N, C, H, W)");
  def_conv_layer<layers::Conv3d, 3>(module, "Conv3d", "(N, C, D, H, W)");
  def_transposed_layer<layers::ConvTranspose1d, 1>(module, "ConvTranspose1d", "(N, C, L)");
  def_transposed_layer<layers::ConvTranspose2d, 2>(module, "ConvTranspose2d", "(N, C, H, W)");
  def_transposed_layer<layers::ConvTranspose3d, 3>(module, "ConvTranspose3d", "(N, C, D, H, W)");
  def_depthwise_layer(module);
  def_activation_layers(module);
  def_pooling_layers(module);
  def_normalization_layers(module);
  def_dropout_layers(module);
  def_sequence_layers(module);
}

}  // namespace lamina::python
