#pragma once

#include <string_view>

#include "lamina/nn/activation.hpp"

namespace lamina::nn::detail {

/// The parameters in force: those given, the table's defaults for the rest.
struct ActivationNumbers {
  double a;
  double b;
};

/// Checks kind and parameters. Error(InvalidOperation) naming `operation`.
template <class T>
[[nodiscard]] ActivationNumbers resolve_activation(Activation kind, const ActivationParams& given,
                                                   std::string_view operation);

/// Error(InvalidOperation) if there is no such activation.
void check_activation(Activation kind);

}  // namespace lamina::nn::detail
