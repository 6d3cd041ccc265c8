#include "lamina/layers/activation.hpp"
#include "lamina/layers/attention.hpp"
#include "lamina/layers/conv.hpp"
#include "lamina/layers/dropout.hpp"
#include "lamina/layers/embedding.hpp"
#include "lamina/layers/linear.hpp"
#include "lamina/layers/normalization.hpp"
#include "lamina/layers/pooling.hpp"
#include "lamina/layers/recurrent.hpp"
#include "lamina/layers/sequential.hpp"
#include "modules.hpp"

namespace lamina::python {

namespace {

/// What a layer of Python holds: one of C++, of either element type.
template <class T>
using Held = std::shared_ptr<layers::Module<T>>;
struct Layer {
  std::variant<Held<float>, Held<double>> module;
};

const Layer& read_layer(const Call& call) {
  const py::handle given = call.object("layer");
  if (!py::isinstance<Layer>(given)) {
    throw_type_error(call.place("layer"), "is no layer");
  }
  return py::cast<const Layer&>(given);
}

/// f(element) makes the layer: std::make_shared<layers::Linear<T>>(...).
template <class F>
py::object make(const Call& call, const F& f) {
  if (call.dtype() == Type::Float32) {
    return py::cast(Layer{Held<float>(released([&] { return f(float()); }))});
  }
  return py::cast(Layer{Held<double>(released([&] { return f(double()); }))});
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

template <int Rank>
nn::PoolOptions<Rank> pool_options(const Call& call) {
  constexpr std::size_t kAxes = Rank;
  nn::PoolOptions<Rank> options;
  if (call.has("stride")) {
    options.stride = call.each<kAxes>("stride");
  }
  options.padding = call.padding("padding", Rank);
  options.dilation = call.each<kAxes>("dilation");
  options.ceil_mode = call.flag("ceil_mode");
  options.format = call.data_format();
  return options;
}

/// Pooling layers of one rank.
template <int Rank, template <class> class Max, template <class> class Avg,
          template <class> class Lp, template <class> class AdaptiveAvg,
          template <class> class AdaptiveMax>
void def_pooling_layers(Module& module) {
  constexpr std::size_t kAxes = Rank;
  const std::string rank = std::to_string(Rank) + "d";
  const std::string window =
      "stride=None, padding=0, dilation=1, ceil_mode=False, data_format=\"NCHW\"";
  module.def("MaxPool" + rank + "(kernel, " + window + ", *, dtype=\"float32\") -> Layer",
             "nn.max_pool" + rank + " as a layer. torch.nn.MaxPool" + rank + ".", [](Call& call) {
               const std::array<Index, kAxes> kernel = call.each<kAxes>("kernel");
               const nn::PoolOptions<Rank> options = pool_options<Rank>(call);
               return make(call,
                           [&]<class T>(T) { return std::make_shared<Max<T>>(kernel, options); });
             });
  module.def("AvgPool" + rank + "(kernel, " + window +
                 ", count_include_pad=True, divisor=0, *, dtype=\"float32\") -> Layer",
             "nn.avg_pool" + rank + " as a layer. torch.nn.AvgPool" + rank + ".", [](Call& call) {
               const std::array<Index, kAxes> kernel = call.each<kAxes>("kernel");
               const nn::PoolOptions<Rank> shared = pool_options<Rank>(call);
               nn::AvgPoolOptions<Rank> options;
               options.stride = shared.stride;
               options.padding = shared.padding;
               options.dilation = shared.dilation;
               options.ceil_mode = shared.ceil_mode;
               options.format = shared.format;
               options.count_include_pad = call.flag("count_include_pad");
               options.divisor = call.index("divisor");
               return make(call,
                           [&]<class T>(T) { return std::make_shared<Avg<T>>(kernel, options); });
             });
  module.def("LpPool" + rank + "(p, kernel, " + window + ", *, dtype=\"float32\") -> Layer",
             "nn.lp_pool" + rank + " as a layer. torch.nn.LPPool" + rank + ".", [](Call& call) {
               const double p = call.number("p");
               const std::array<Index, kAxes> kernel = call.each<kAxes>("kernel");
               const nn::PoolOptions<Rank> options = pool_options<Rank>(call);
               return make(call,
                           [&]<class T>(T) { return std::make_shared<Lp<T>>(p, kernel, options); });
             });
  for (const bool max : {false, true}) {
    const std::string name = std::string(max ? "AdaptiveMaxPool" : "AdaptiveAvgPool") + rank;
    module.def(name + "(extents, data_format=\"NCHW\", *, dtype=\"float32\") -> Layer",
               std::string(max ? "nn.adaptive_max_pool" : "nn.adaptive_avg_pool") + rank +
                   " as a layer. torch.nn." + name + ".",
               [max](Call& call) {
                 const std::array<Index, kAxes> extents = call.each<kAxes>("extents");
                 const DataFormat format = call.data_format();
                 return make(call, [&]<class T>(T) -> Held<T> {
                   if (max) {
                     return std::make_shared<AdaptiveMax<T>>(extents, format);
                   }
                   return std::make_shared<AdaptiveAvg<T>>(extents, format);
                 });
               });
  }
}

void def_global_pooling_layers(Module& module) {
  for (const bool max : {false, true}) {
    module.def(std::string(max ? "GlobalMaxPool" : "GlobalAvgPool") +
                   "(keep_dims=False, data_format=\"NCHW\", *, dtype=\"float32\") -> Layer",
               std::string(max ? "nn.global_max_pool" : "nn.global_avg_pool") +
                   " as a layer: (N, C, spatial...) to (N, C).",
               [max](Call& call) {
                 const nn::GlobalPoolOptions options{call.flag("keep_dims"), call.data_format()};
                 return make(call, [&]<class T>(T) -> Held<T> {
                   if (max) {
                     return std::make_shared<layers::GlobalMaxPool<T>>(options);
                   }
                   return std::make_shared<layers::GlobalAvgPool<T>>(options);
                 });
               });
  }
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

void def_attention_layers(Module& module) {
  module.def(
      "Embedding(rows, features, generator=None, padding_index=None, *, dtype=\"float32\") -> "
      "Layer",
      "Rows of a table that is trained, by integers: nn.embedding. torch.nn.Embedding.",
      [](Call& call) {
        const Index rows = call.index("rows");
        const Index features = call.index("features");
        Generator& generator = call.generator();
        const nn::EmbeddingOptions options{call.optional_index("padding_index")};
        return make(call, [&]<class T>(T) {
          return std::make_shared<layers::Embedding<T>>(rows, features, generator, options);
        });
      });
  module.def(
      "MultiheadAttention(features, heads, generator=None, *, key_heads=0, key_features=0, "
      "bias=True, causal=False, init=\"xavier_uniform\", dropout=0.0, dtype=\"float32\") -> Layer",
      "Attention of x (..., L, features) to itself, or to a context. "
      "torch.nn.MultiheadAttention.\n\n"
      "key_heads     heads of keys and values, a divisor of the heads; 0: as many\n"
      "key_features  features of the context; 0: as x\ncausal        of a call without "
      "context\ndropout       of the weights, in training only",
      [](Call& call) {
        const Index features = call.index("features");
        const Index heads = call.index("heads");
        Generator& generator = call.generator();
        const layers::MultiheadAttentionOptions options{
            call.index("key_heads"), call.index("key_features"), call.flag("bias"),
            call.flag("causal"),     weight_init(call),          call.number("dropout")};
        return make(call, [&]<class T>(T) {
          return std::make_shared<layers::MultiheadAttention<T>>(features, heads, generator,
                                                                 options);
        });
      });
}

nn::RnnActivation rnn_activation(const Call& call) {
  return call.choice<nn::RnnActivation>(
      "activation", {{"tanh", nn::RnnActivation::Tanh}, {"relu", nn::RnnActivation::Relu}});
}

/// RNN, LSTM and GRU; `option` is what one of them has alone.
template <template <class> class L>
void def_recurrent_layer(Module& module, const std::string& name, const std::string& option) {
  module.def(
      name +
          "(features, hidden, generator=None, *, layers=1, bias=True, batch_first=False, "
          "direction=\"forward\", dropout=0.0" +
          option + ", dtype=\"float32\") -> Layer",
      name +
          " over sequences. Called with x (steps, N, features) it gives the outputs y; run() the "
          "final states too. torch.nn." +
          name +
          ".\n\nbatch_first  x and y are (N, steps, ...)\n"
          "direction    \"forward\", \"reverse\" or \"both\"\n"
          "dropout      between the layers, in training only",
      [](Call& call) {
        const Index features = call.index("features");
        const Index hidden = call.index("hidden");
        Generator& generator = call.generator();
        layers::RecurrentLayerOptions options;
        options.layers = call.index("layers");
        options.bias = call.flag("bias");
        options.batch_first = call.flag("batch_first");
        options.direction = call.choice<nn::RecurrentDirection>(
            "direction", {{"forward", nn::RecurrentDirection::Forward},
                          {"reverse", nn::RecurrentDirection::Reverse},
                          {"both", nn::RecurrentDirection::Both}});
        options.dropout = call.number("dropout");
        if (call.has_parameter("activation")) {
          options.activation = rnn_activation(call);
        }
        if (call.has_parameter("reset_after")) {
          options.reset_after = call.flag("reset_after");
        }
        return make(call, [&]<class T>(T) {
          return std::make_shared<L<T>>(features, hidden, generator, options);
        });
      });
}

template <template <class> class L>
void def_recurrent_cell(Module& module, const std::string& name, const std::string& option) {
  module.def(
      name + "(features, hidden, generator=None, *, bias=True" + option +
          ", dtype=\"float32\") -> Layer",
      "One step of " + name.substr(0, name.size() - 4) +
          ", called with x (N, features) and the state, which is zeros if left out. torch.nn." +
          name + ".",
      [](Call& call) {
        const Index features = call.index("features");
        const Index hidden = call.index("hidden");
        Generator& generator = call.generator();
        layers::RecurrentCellLayerOptions options;
        options.bias = call.flag("bias");
        if (call.has_parameter("activation")) {
          options.activation = rnn_activation(call);
        }
        if (call.has_parameter("reset_after")) {
          options.reset_after = call.flag("reset_after");
        }
        return make(call, [&]<class T>(T) {
          return std::make_shared<L<T>>(features, hidden, generator, options);
        });
      });
}

void def_recurrent_layers(Module& module) {
  const std::string activation = ", activation=\"tanh\"";
  const std::string reset = ", reset_after=True";
  def_recurrent_layer<layers::RNN>(module, "RNN", activation);
  def_recurrent_layer<layers::LSTM>(module, "LSTM", "");
  def_recurrent_layer<layers::GRU>(module, "GRU", reset);
  def_recurrent_cell<layers::RNNCell>(module, "RNNCell", activation);
  def_recurrent_cell<layers::LSTMCell>(module, "LSTMCell", "");
  def_recurrent_cell<layers::GRUCell>(module, "GRUCell", reset);
}

template <class T>
py::object results(Var<T>&& y) {
  return to_python(std::move(y));
}
template <class R>
py::object results(R&& result) {
  if constexpr (requires {
                  result.y;
                  result.c;
                }) {
    return py::make_tuple(to_python(std::move(result.y)), to_python(std::move(result.h)),
                          to_python(std::move(result.c)));
  } else if constexpr (requires { result.y; }) {
    return py::make_tuple(to_python(std::move(result.y)), to_python(std::move(result.h)));
  } else {
    return py::make_tuple(to_python(std::move(result.h)), to_python(std::move(result.c)));
  }
}

/// Calls `f(module, variables...)` with the operands as variables of the layer's type.
template <class F, class... O>
py::object call_layer(const Layer& layer, const F& f, O&... operands) {
  return std::visit(
      [&]<class T>(const Held<T>& module) {
        [[maybe_unused]] const auto check_type = [](const Operand& operand) {
          if (operand.has_type() && operand.type() != kType<T>) {
            throw_type_error(operand.place(), "is " + std::string(to_string(operand.type())) +
                                                  ", the layer's weights are " +
                                                  std::string(to_string(kType<T>)));
          }
        };
        (check_type(operands), ...);
        (operands.template prepare<T>(), ...);
        return results(released([&] { return f(*module, operands.template variable<T>()...); }));
      },
      layer.module);
}

/// The layer that Python says it is: its classes call the right function.
template <class L, class T>
L& as(layers::Module<T>& held) {
  auto* layer = dynamic_cast<L*>(&held);
  check(layer != nullptr, ErrorKind::InvalidOperation, "layer", held.name(),
        " cannot be called like this");
  return *layer;
}

void def_calls(Module& module) {
  module.def("forward(layer, x) -> Tensor", "", [](Call& call) {
    Operand x = call.array("x");
    return call_layer(
        read_layer(call),
        [&]<class T>(layers::Module<T>& held, const Var<T>& input) {
          auto* layer = dynamic_cast<layers::Layer<T>*>(&held);
          check(layer != nullptr, ErrorKind::InvalidOperation, "forward", held.name(),
                " does not go from one variable to one");
          return layer->forward(input);
        },
        x);
  });
  module.def("forward_indices(layer, indices) -> Tensor", "", [](Call& call) {
    const Integers indices = call.integers("indices");
    return call_layer(read_layer(call), [&]<class T>(layers::Module<T>& held) {
      return as<layers::Embedding<T>>(held).forward(indices.view());
    });
  });
  module.def(
      "forward_context(layer, x, context, mask=None, *, causal=False, causal_offset=0, scale=None, "
      "bias=None, key_lengths=None, dropout=0.0, generator=None) -> Tensor",
      "", [](Call& call) {
        Operand x = call.array("x");
        Operand context = call.array("context");
        Operand bias = call.array("bias");
        const AttentionArguments arguments(call);
        call.refuse_recorded({&bias});
        return call_layer(
            read_layer(call),
            [&]<class T>(layers::Module<T>& held, const Var<T>& a, const Var<T>& b,
                         const Var<T>& c) {
              return as<layers::MultiheadAttention<T>>(held).forward(
                  a, b, arguments.options(value_of(c)));
            },
            x, context, bias);
      });
}

void def_recurrent_calls(Module& module) {
  for (const bool gru : {false, true}) {
    module.def(std::string(gru ? "run_gru" : "run_rnn") +
                   "(layer, x, h0=None, lengths=None) -> tuple[Tensor, Tensor]",
               "", [gru](Call& call) {
                 Operand x = call.array("x");
                 Operand h0 = call.array("h0");
                 const Integers lengths = call.integers("lengths");
                 return call_layer(
                     read_layer(call),
                     [&]<class T>(layers::Module<T>& held, const Var<T>& a, const Var<T>& h) {
                       return gru ? as<layers::GRU<T>>(held).run(a, h, lengths.view())
                                  : as<layers::RNN<T>>(held).run(a, h, lengths.view());
                     },
                     x, h0);
               });
    module.def(std::string(gru ? "step_gru" : "step_rnn") + "(layer, x, h=None) -> Tensor", "",
               [gru](Call& call) {
                 Operand x = call.array("x");
                 Operand state = call.array("h");
                 return call_layer(
                     read_layer(call),
                     [&]<class T>(layers::Module<T>& held, const Var<T>& a, const Var<T>& h) {
                       return gru ? as<layers::GRUCell<T>>(held)(a, h)
                                  : as<layers::RNNCell<T>>(held)(a, h);
                     },
                     x, state);
               });
  }
  module.def("run_lstm(layer, x, h0=None, c0=None, lengths=None) -> tuple[Tensor, Tensor, Tensor]",
             "", [](Call& call) {
               Operand x = call.array("x");
               Operand h0 = call.array("h0");
               Operand c0 = call.array("c0");
               const Integers lengths = call.integers("lengths");
               return call_layer(
                   read_layer(call),
                   [&]<class T>(layers::Module<T>& held, const Var<T>& a, const Var<T>& h,
                                const Var<T>& c) {
                     return as<layers::LSTM<T>>(held).run(a, h, c, lengths.view());
                   },
                   x, h0, c0);
             });
  module.def("step_lstm(layer, x, h=None, c=None) -> tuple[Tensor, Tensor]", "", [](Call& call) {
    Operand x = call.array("x");
    Operand h = call.array("h");
    Operand c = call.array("c");
    return call_layer(
        read_layer(call),
        [&]<class T>(layers::Module<T>& held, const Var<T>& a, const Var<T>& b, const Var<T>& d) {
          return as<layers::LSTMCell<T>>(held)(a, b, d);
        },
        x, h, c);
  });
}

template <class T>
py::list named(const std::vector<autograd::NamedVar<T>>& variables) {
  py::list list;
  for (const autograd::NamedVar<T>& one : variables) {
    list.append(py::make_tuple(one.name, py::cast(Tensor{one.var})));
  }
  return list;
}

void def_contents(Module& module) {
  module.def("parameters(layer) -> list[tuple[str, Tensor]]", "", [](Call& call) -> py::object {
    return std::visit([](const auto& held) { return named(held->parameters()); },
                      read_layer(call).module);
  });
  module.def("buffers(layer) -> list[tuple[str, Tensor]]", "", [](Call& call) -> py::object {
    return std::visit([](const auto& held) { return named(held->buffers()); },
                      read_layer(call).module);
  });
  module.def("train(layer, training) -> None", "", [](Call& call) -> py::object {
    const bool training = call.flag("training");
    std::visit([&](const auto& held) { held->train(training); }, read_layer(call).module);
    return py::none();
  });
  module.def("name(layer) -> str", "", [](Call& call) -> py::object {
    return py::str(
        std::visit([](const auto& held) { return held->name(); }, read_layer(call).module));
  });
}

}  // namespace

void def_layers(py::module_& root) {
  py::class_<Layer>(root, "Layer", "A layer of C++; lamina.layers wraps it.");
  Module calls(root.def_submodule("layer"), "lamina._core.layer");
  def_calls(calls);
  def_recurrent_calls(calls);
  def_contents(calls);
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
  def_pooling_layers<1, layers::MaxPool1d, layers::AvgPool1d, layers::LpPool1d,
                     layers::AdaptiveAvgPool1d, layers::AdaptiveMaxPool1d>(module);
  def_pooling_layers<2, layers::MaxPool2d, layers::AvgPool2d, layers::LpPool2d,
                     layers::AdaptiveAvgPool2d, layers::AdaptiveMaxPool2d>(module);
  def_pooling_layers<3, layers::MaxPool3d, layers::AvgPool3d, layers::LpPool3d,
                     layers::AdaptiveAvgPool3d, layers::AdaptiveMaxPool3d>(module);
  def_global_pooling_layers(module);
  def_normalization_layers(module);
  def_dropout_layers(module);
  def_attention_layers(module);
  def_recurrent_layers(module);
}

}  // namespace lamina::python
