#pragma once

#include "call.hpp"
#include "lamina/nn/activation_table.hpp"

// One function for each family of functions, called when the module is imported.

namespace lamina::python {

/// The activation that a parameter names. ValueError for a name that is none.
[[nodiscard]] nn::Activation activation_kind(const Call& call, std::string_view parameter);

/// What stands in the padding.
[[nodiscard]] nn::PaddingValue padding_value(const Call& call,
                                             std::string_view parameter = "padding_value");

void def_activations(Module& nn);
void def_linear(Module& nn);
void def_convolutions(Module& nn);

}  // namespace lamina::python
