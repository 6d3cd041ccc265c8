#pragma once

#include "call.hpp"
#include "lamina/nn/activation_table.hpp"
#include "lamina/nn/attention.hpp"

// One function for each family of functions, called when the module is imported.

namespace lamina::python {

/// The activation that a parameter names. ValueError for a name that is none.
[[nodiscard]] nn::Activation activation_kind(const Call& call, std::string_view parameter);

/// What stands in the padding.
[[nodiscard]] nn::PaddingValue padding_value(const Call& call,
                                             std::string_view parameter = "padding_value");

/// The options of attention, as Python gives them.
class AttentionArguments {
 public:
  explicit AttentionArguments(const Call& call);
  template <class T>
  [[nodiscard]] nn::AttentionOptions<T> options(const View<T>& bias) const {
    return {.causal = causal_,
            .causal_offset = causal_offset_,
            .scale = scale_,
            .mask = is_numeric_ ? numeric_.view() : mask_.view(),
            .bias = bias,
            .key_lengths = lengths_.view(),
            .dropout = dropout_,
            .generator = generator_};
  }

 private:
  Mask mask_;
  Array<bool> numeric_;
  bool is_numeric_ = false;
  Integers lengths_;
  bool causal_;
  Index causal_offset_;
  std::optional<double> scale_;
  double dropout_;
  Generator* generator_;
};

/// The Tensor that an object must be.
[[nodiscard]] const Tensor& tensor_of(py::handle object, const Place& place);

void def_activations(Module& nn);
void def_arithmetic(Module& nn);
void def_attention(Module& nn);
void def_class_losses(Module& nn);
void def_convolutions(Module& nn);
void def_dropout(Module& nn);
void def_linear(Module& nn);
void def_losses(Module& nn);
void def_multi_head_attention(py::module_& root, Module& nn);
void def_normalization(Module& nn);
void def_pooling(Module& nn);
void def_recurrent(Module& nn);
void def_reductions(Module& nn);
void def_simd_operations(Module& nn);
void def_softmax(Module& nn);
void def_transposed_convolutions(Module& nn);

void def_files(py::module_& root);
void def_layers(py::module_& root);
void def_optim(py::module_& root, Module& nn);
void def_random(Module& root);
void def_system(Module& root, Module& nn);
void def_tensor(py::module_& root);

}  // namespace lamina::python
