#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lamina::nn {

/// Every activation of the family, in the order of `kActivationTable`.
enum class Activation : std::uint8_t {
  Identity,
  Relu,
  LeakyRelu,
  Elu,
  Selu,
  Celu,
  Sigmoid,
  Tanh,
  Silu,
  Mish,
  Gelu,
  GeluTanh,
  Softplus,
  Relu6,
  HardTanh,
  HardSigmoid,
  HardSwish,
  Softsign,
  Threshold,
  LogSigmoid,
  HardShrink,
  SoftShrink,
  TanhShrink,
  Exp,
  QuickGelu,
};

/// Which numbers a parameter may be; a number outside is an InvalidOperation error. NaN never may.
enum class ParameterDomain : std::uint8_t { Any, NotNegative, Positive, AtLeastPrevious };

/// One parameter of an activation.
struct ActivationParameter {
  std::string_view name{};
  double default_value = 0;
  ParameterDomain domain = ParameterDomain::Any;
};

/// What is known about one activation.
struct ActivationRow {
  Activation kind;
  std::string_view name;  ///< the C++ function's name
  std::string_view onnx;  ///< ONNX operator that it maps to, or empty
  int parameter_count;
  std::array<ActivationParameter, 2> parameters;
  std::string_view formula;
  std::string_view source;  ///< who introduced it
};

// clang-format off
inline constexpr std::array kActivationTable{
    ActivationRow{Activation::Identity, "identity", "Identity", 0, {}, "x", ""},
    ActivationRow{Activation::Relu, "relu", "Relu", 0, {},
                  "max(0, x)", "Nair and Hinton 2010"},
    ActivationRow{Activation::LeakyRelu, "leaky_relu", "LeakyRelu", 1,
                  {{{"alpha", 0.01, ParameterDomain::NotNegative}}},
                  "x if x > 0 else alpha x", "Maas, Hannun and Ng 2013"},
    ActivationRow{Activation::Elu, "elu", "Elu", 1,
                  {{{"alpha", 1.0, ParameterDomain::Positive}}},
                  "x if x > 0 else alpha (exp(x) - 1)", "Clevert, Unterthiner and Hochreiter 2015"},
    ActivationRow{Activation::Selu, "selu", "Selu", 0, {},
                  "1.0507 (x if x > 0 else 1.6733 (exp(x) - 1))", "Klambauer et al. 2017"},
    ActivationRow{Activation::Celu, "celu", "Celu", 1,
                  {{{"alpha", 1.0, ParameterDomain::Positive}}},
                  "x if x > 0 else alpha (exp(x / alpha) - 1)", "Barron 2017"},
    ActivationRow{Activation::Sigmoid, "sigmoid", "Sigmoid", 0, {},
                  "1 / (1 + exp(-x))", ""},
    ActivationRow{Activation::Tanh, "tanh", "Tanh", 0, {},
                  "tanh(x)", ""},
    ActivationRow{Activation::Silu, "silu", "Swish", 0, {},
                  "x / (1 + exp(-x))", "Hendrycks and Gimpel 2016; Ramachandran, Zoph and Le 2017"},
    ActivationRow{Activation::Mish, "mish", "Mish", 0, {},
                  "x tanh(log(1 + exp(x)))", "Misra 2019"},
    ActivationRow{Activation::Gelu, "gelu", "Gelu", 0, {},
                  "x Phi(x) = x / 2 (1 + erf(x / sqrt 2))", "Hendrycks and Gimpel 2016"},
    ActivationRow{Activation::GeluTanh, "gelu_tanh", "Gelu", 0, {},
                  "x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))", "Hendrycks and Gimpel 2016"},
    ActivationRow{Activation::Softplus, "softplus", "Softplus", 2,
                  {{{"beta", 1.0, ParameterDomain::Positive}, {"threshold", 20.0}}},
                  "log(1 + exp(beta x)) / beta if beta x <= threshold else x", "Dugas et al. 2001"},
    ActivationRow{Activation::Relu6, "relu6", "Clip", 0, {},
                  "min(max(0, x), 6)", "Krizhevsky 2010"},
    ActivationRow{Activation::HardTanh, "hardtanh", "Clip", 2,
                  {{{"min", -1.0}, {"max", 1.0, ParameterDomain::AtLeastPrevious}}},
                  "min(max(x, min), max)", "Collobert 2004"},
    ActivationRow{Activation::HardSigmoid, "hardsigmoid", "HardSigmoid", 2,
                  {{{"alpha", 1.0 / 6.0}, {"beta", 0.5}}},
                  "min(max(0, alpha x + beta), 1)", "Courbariaux, Bengio and David 2015"},
    ActivationRow{Activation::HardSwish, "hardswish", "HardSwish", 0, {},
                  "x min(max(0, x + 3), 6) / 6", "Howard et al. 2019"},
    ActivationRow{Activation::Softsign, "softsign", "Softsign", 0, {},
                  "x / (1 + |x|)", "Turian, Bergstra and Bengio 2009"},
    ActivationRow{Activation::Threshold, "threshold", "ThresholdedRelu", 2,
                  {{{"threshold", 0.0}, {"value", 0.0}}},
                  "x if x > threshold else value", ""},
    ActivationRow{Activation::LogSigmoid, "logsigmoid", "", 0, {},
                  "-log(1 + exp(-x))", ""},
    ActivationRow{Activation::HardShrink, "hardshrink", "Shrink", 1,
                  {{{"lambda", 0.5, ParameterDomain::NotNegative}}},
                  "x if |x| > lambda else 0", "Donoho and Johnstone 1994"},
    ActivationRow{Activation::SoftShrink, "softshrink", "Shrink", 1,
                  {{{"lambda", 0.5, ParameterDomain::NotNegative}}},
                  "sign(x) max(|x| - lambda, 0)", "Donoho and Johnstone 1994"},
    ActivationRow{Activation::TanhShrink, "tanhshrink", "", 0, {},
                  "x - tanh(x)", ""},
    ActivationRow{Activation::Exp, "exp", "Exp", 0, {},
                  "exp(x)", ""},
    ActivationRow{Activation::QuickGelu, "quick_gelu", "QuickGelu", 1,
                  {{{"alpha", 1.702, ParameterDomain::Positive}}},
                  "x / (1 + exp(-alpha x))", "Hendrycks and Gimpel 2016"},
};
// clang-format on

static_assert(
    [] {
      for (std::size_t i = 0; i < kActivationTable.size(); ++i) {
        if (static_cast<std::size_t>(kActivationTable[i].kind) != i) return false;
      }
      return true;
    }(),
    "a row of kActivationTable stands at its enumerator's place");

/// The row of one activation.
[[nodiscard]] constexpr const ActivationRow& activation_row(Activation kind) {
  return kActivationTable[static_cast<std::size_t>(kind)];
}

/// The C++ function's name, e.g. "leaky_relu".
[[nodiscard]] constexpr std::string_view to_string(Activation kind) {
  return activation_row(kind).name;
}

}  // namespace lamina::nn
