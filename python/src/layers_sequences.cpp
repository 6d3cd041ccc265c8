#include "lamina/layers/attention.hpp"
#include "lamina/layers/embedding.hpp"
#include "lamina/layers/recurrent.hpp"
#include "layers.hpp"

namespace lamina::python {

namespace {

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

/// What one kind of layer or cell has alone.
template <class Options>
void read_kind(const Call& call, Options& options) {
  if (call.has_parameter("activation")) {
    options.activation = call.choice<nn::RnnActivation>(
        "activation", {{"tanh", nn::RnnActivation::Tanh}, {"relu", nn::RnnActivation::Relu}});
  }
  if (call.has_parameter("reset_after")) {
    options.reset_after = call.flag("reset_after");
  }
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
        read_kind(call, options);
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
        read_kind(call, options);
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

}  // namespace

void def_sequence_layers(Module& module) {
  def_attention_layers(module);
  def_recurrent_layers(module);
}

}  // namespace lamina::python
