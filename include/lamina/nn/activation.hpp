#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <utility>

#include "lamina/core/array.hpp"
#include "lamina/nn/activation_table.hpp"

namespace lamina::nn {

/// Parameters of an activation in the order of its table row, e.g. {0.2} or {.a = 0.2}. Absent
/// ones have the table's defaults.
struct ActivationParams {
  std::optional<double> a = std::nullopt;
  std::optional<double> b = std::nullopt;
};

/// Which form of gelu is meant: the exact one by the error function, or the older one by tanh.
enum class GeluApproximation : std::uint8_t { None, Tanh };

// ---------------------------------------------------------------- by enumerator

/// Applies an activation to each element.
///
///   out[i] = f(x[i])   with f and its parameters from kActivationTable
///
/// x and out of any one shape, any strides, float or double. In place: yes, out may be the same
/// view as x. Error(DimensionMismatch): x not defined, shapes differ. Error(InvalidOperation): a
/// parameter outside its domain or one too many; out overlaps x in part or is a broadcast view.
/// Gradient: activation_backward. Numerics: error bounds are in docs/activation.md; NaN gives NaN,
/// infinities give the limit, results that are denormal are not flushed.
template <std::floating_point T>
void activation_into(const View<T>& x, MutArg<T> out, Activation kind,
                     const ActivationParams& params = {});
template <std::floating_point T>
[[nodiscard]] Array<T> activation(const View<T>& x, Activation kind,
                                  const ActivationParams& params = {});

/// Gradient of an activation.
///
///   dx[i] = dy[i] * f'(x[i])
///
/// dy, x and dx of one shape; x is what went into the activation. In place: yes, dx may be the same
/// view as dy or x. Errors as for activation. Numerics: at a kink the derivative is the one that
/// PyTorch takes (docs/activation.md); NaN in x gives NaN; where the derivative is 0 on a flat
/// side, dx is 0 whatever dy.
template <std::floating_point T>
void activation_backward_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dx, Activation kind,
                              const ActivationParams& params = {});
template <std::floating_point T>
[[nodiscard]] Array<T> activation_backward(const View<T>& dy, ViewArg<T> x, Activation kind,
                                           const ActivationParams& params = {});

/// Applies an activation to an array or view in place.
template <std::floating_point T>
void activation_inplace(const MutView<T>& x, Activation kind, const ActivationParams& params = {}) {
  activation_into<T>(x, x, kind, params);
}
template <std::floating_point T>
void activation_inplace(Array<T>& x, Activation kind, const ActivationParams& params = {}) {
  activation_into<T>(x, x, kind, params);
}

/// What the named functions below take: a View, MutView or Array of float or double, or anything
/// else for which activation(x, kind, params) exists, such as a variable of a tape.
template <class X>
concept ActivationArgument = requires(const X& x, Activation kind, const ActivationParams& params) {
  activation(x, kind, params);
};
/// What the in-place forms take: an Array or a MutView.
template <class X>
concept ActivationTarget = requires(X& x, Activation kind) {
  activation_inplace(x, kind);
};

namespace detail {
/// x, if it has two axes.
template <class X>
const X& as_matrix(const X& x, std::string_view operation) {
  if (x.rank() != 2) {
    lamina::detail::throw_rank(operation, "x", 2, x.shape());
  }
  return x;
}
[[nodiscard]] constexpr Activation gelu_kind(GeluApproximation approximate) noexcept {
  return approximate == GeluApproximation::Tanh ? Activation::GeluTanh : Activation::Gelu;
}
}  // namespace detail

// ---------------------------------------------------------------- by name
//
// Each has the forms f(x), f_into(x, out), f_inplace(x) and f_backward(dy, x), parameters behind;
// shapes, errors and numerics as for activation above. The f_2d forms of the guide demand a matrix:
// Error(DimensionMismatch) otherwise.

/// The argument itself.
///
///   f(x) = x
///
/// Same as torch.nn.Identity, ONNX Identity.
template <ActivationArgument X>
[[nodiscard]] auto identity(const X& x) {
  return activation(x, Activation::Identity);
}
template <std::floating_point T>
void identity_into(const View<T>& x, MutArg<T> out) {
  activation_into(x, out, Activation::Identity);
}
template <ActivationTarget X>
void identity_inplace(X&& x) {
  activation_inplace(x, Activation::Identity);
}
template <std::floating_point T>
[[nodiscard]] Array<T> identity_backward(const View<T>& dy, ViewArg<T> x) {
  return activation_backward(dy, x, Activation::Identity);
}

/// Rectified linear unit (Nair and Hinton 2010).
///
///   f(x) = max(0, x),  f'(x) = 1 if x > 0 else 0
///
/// Same as torch.nn.functional.relu, ONNX Relu, NumRS2 relu (which turns NaN into 0).
template <ActivationArgument X>
[[nodiscard]] auto relu(const X& x) {
  return activation(x, Activation::Relu);
}
template <std::floating_point T>
void relu_into(const View<T>& x, MutArg<T> out) {
  activation_into(x, out, Activation::Relu);
}
template <ActivationTarget X>
void relu_inplace(X&& x) {
  activation_inplace(x, Activation::Relu);
}
template <std::floating_point T>
[[nodiscard]] Array<T> relu_backward(const View<T>& dy, ViewArg<T> x) {
  return activation_backward(dy, x, Activation::Relu);
}
template <ActivationArgument X>
[[nodiscard]] auto relu_2d(const X& x) {
  return relu(detail::as_matrix(x, "relu_2d"));
}

/// Leaky rectified linear unit (Maas, Hannun and Ng 2013).
///
///   f(x) = x if x > 0 else alpha x,  f'(x) = 1 if x > 0 else alpha
///
/// alpha >= 0. Same as torch.nn.functional.leaky_relu, ONNX LeakyRelu, NumRS2 leaky_relu.
template <ActivationArgument X>
[[nodiscard]] auto leaky_relu(const X& x, double alpha = 0.01) {
  return activation(x, Activation::LeakyRelu, {alpha});
}
template <std::floating_point T>
void leaky_relu_into(const View<T>& x, MutArg<T> out, double alpha = 0.01) {
  activation_into(x, out, Activation::LeakyRelu, {alpha});
}
template <ActivationTarget X>
void leaky_relu_inplace(X&& x, double alpha = 0.01) {
  activation_inplace(x, Activation::LeakyRelu, {alpha});
}
template <std::floating_point T>
[[nodiscard]] Array<T> leaky_relu_backward(const View<T>& dy, ViewArg<T> x, double alpha = 0.01) {
  return activation_backward(dy, x, Activation::LeakyRelu, {alpha});
}
template <ActivationArgument X>
[[nodiscard]] auto leaky_relu_2d(const X& x, double alpha = 0.01) {
  return leaky_relu(detail::as_matrix(x, "leaky_relu_2d"), alpha);
}

/// Exponential linear unit (Clevert, Unterthiner and Hochreiter 2015).
///
///   f(x) = x if x > 0 else alpha (exp(x) - 1),  f'(x) = 1 if x > 0 else alpha exp(x)
///
/// alpha > 0. Precise for x near 0 too. Same as torch.nn.functional.elu, ONNX Elu, NumRS2 elu.
template <ActivationArgument X>
[[nodiscard]] auto elu(const X& x, double alpha = 1.0) {
  return activation(x, Activation::Elu, {alpha});
}
template <std::floating_point T>
void elu_into(const View<T>& x, MutArg<T> out, double alpha = 1.0) {
  activation_into(x, out, Activation::Elu, {alpha});
}
template <ActivationTarget X>
void elu_inplace(X&& x, double alpha = 1.0) {
  activation_inplace(x, Activation::Elu, {alpha});
}
template <std::floating_point T>
[[nodiscard]] Array<T> elu_backward(const View<T>& dy, ViewArg<T> x, double alpha = 1.0) {
  return activation_backward(dy, x, Activation::Elu, {alpha});
}
template <ActivationArgument X>
[[nodiscard]] auto elu_2d(const X& x, double alpha = 1.0) {
  return elu(detail::as_matrix(x, "elu_2d"), alpha);
}

/// Self-normalizing exponential linear unit (Klambauer et al. 2017).
///
///   f(x) = lambda (x if x > 0 else alpha (exp(x) - 1))
///
/// lambda 1.0507009873554805, alpha 1.6732632423543772. Same as torch.nn.functional.selu, ONNX
/// Selu, NumRS2 selu.
template <ActivationArgument X>
[[nodiscard]] auto selu(const X& x) {
  return activation(x, Activation::Selu);
}
template <std::floating_point T>
void selu_into(const View<T>& x, MutArg<T> out) {
  activation_into(x, out, Activation::Selu);
}
template <ActivationTarget X>
void selu_inplace(X&& x) {
  activation_inplace(x, Activation::Selu);
}
template <std::floating_point T>
[[nodiscard]] Array<T> selu_backward(const View<T>& dy, ViewArg<T> x) {
  return activation_backward(dy, x, Activation::Selu);
}
template <ActivationArgument X>
[[nodiscard]] auto selu_2d(const X& x) {
  return selu(detail::as_matrix(x, "selu_2d"));
}

/// Continuously differentiable exponential linear unit (Barron 2017).
///
///   f(x) = x if x > 0 else alpha (exp(x / alpha) - 1),  f'(x) = 1 if x > 0 else exp(x / alpha)
///
/// alpha > 0. Same as torch.nn.functional.celu, ONNX Celu.
template <ActivationArgument X>
[[nodiscard]] auto celu(const X& x, double alpha = 1.0) {
  return activation(x, Activation::Celu, {alpha});
}
template <std::floating_point T>
void celu_into(const View<T>& x, MutArg<T> out, double alpha = 1.0) {
  activation_into(x, out, Activation::Celu, {alpha});
}
template <ActivationTarget X>
void celu_inplace(X&& x, double alpha = 1.0) {
  activation_inplace(x, Activation::Celu, {alpha});
}
template <std::floating_point T>
[[nodiscard]] Array<T> celu_backward(const View<T>& dy, ViewArg<T> x, double alpha = 1.0) {
  return activation_backward(dy, x, Activation::Celu, {alpha});
}

/// Logistic function.
///
///   f(x) = 1 / (1 + exp(-x)),  f'(x) = f(x) f(-x)
///
/// Both tails keep their relative precision. Same as torch.sigmoid, ONNX Sigmoid, NumRS2 sigmoid.
template <ActivationArgument X>
[[nodiscard]] auto sigmoid(const X& x) {
  return activation(x, Activation::Sigmoid);
}
template <std::floating_point T>
void sigmoid_into(const View<T>& x, MutArg<T> out) {
  activation_into(x, out, Activation::Sigmoid);
}
template <ActivationTarget X>
void sigmoid_inplace(X&& x) {
  activation_inplace(x, Activation::Sigmoid);
}
template <std::floating_point T>
[[nodiscard]] Array<T> sigmoid_backward(const View<T>& dy, ViewArg<T> x) {
  return activation_backward(dy, x, Activation::Sigmoid);
}
template <ActivationArgument X>
[[nodiscard]] auto sigmoid_2d(const X& x) {
  return sigmoid(detail::as_matrix(x, "sigmoid_2d"));
}

/// Hyperbolic tangent.
///
///   f(x) = tanh(x),  f'(x) = 1 - tanh(x)^2
///
/// Same as torch.tanh, ONNX Tanh, NumRS2 tanh.
template <ActivationArgument X>
[[nodiscard]] auto tanh(const X& x) {
  return activation(x, Activation::Tanh);
}
template <std::floating_point T>
void tanh_into(const View<T>& x, MutArg<T> out) {
  activation_into(x, out, Activation::Tanh);
}
template <ActivationTarget X>
void tanh_inplace(X&& x) {
  activation_inplace(x, Activation::Tanh);
}
template <std::floating_point T>
[[nodiscard]] Array<T> tanh_backward(const View<T>& dy, ViewArg<T> x) {
  return activation_backward(dy, x, Activation::Tanh);
}
template <ActivationArgument X>
[[nodiscard]] auto tanh_2d(const X& x) {
  return tanh(detail::as_matrix(x, "tanh_2d"));
}

/// Sigmoid-weighted linear unit (Hendrycks and Gimpel 2016), also called swish.
///
///   f(x) = x s,  f'(x) = s (1 + x (1 - s)),  s = 1 / (1 + exp(-x))
///
/// -inf gives the limit -0 (PyTorch: NaN). Same as torch.nn.functional.silu, ONNX Swish with alpha
/// 1, NumRS2 silu.
template <ActivationArgument X>
[[nodiscard]] auto silu(const X& x) {
  return activation(x, Activation::Silu);
}
template <std::floating_point T>
void silu_into(const View<T>& x, MutArg<T> out) {
  activation_into(x, out, Activation::Silu);
}
template <ActivationTarget X>
void silu_inplace(X&& x) {
  activation_inplace(x, Activation::Silu);
}
template <std::floating_point T>
[[nodiscard]] Array<T> silu_backward(const View<T>& dy, ViewArg<T> x) {
  return activation_backward(dy, x, Activation::Silu);
}
template <ActivationArgument X>
[[nodiscard]] auto silu_2d(const X& x) {
  return silu(detail::as_matrix(x, "silu_2d"));
}

/// Another name of silu (Ramachandran, Zoph and Le 2017). Same as NumRS2 swish.
template <ActivationArgument X>
[[nodiscard]] auto swish(const X& x) {
  return activation(x, Activation::Silu);
}
template <std::floating_point T>
void swish_into(const View<T>& x, MutArg<T> out) {
  activation_into(x, out, Activation::Silu);
}
template <ActivationTarget X>
void swish_inplace(X&& x) {
  activation_inplace(x, Activation::Silu);
}
template <std::floating_point T>
[[nodiscard]] Array<T> swish_backward(const View<T>& dy, ViewArg<T> x) {
  return activation_backward(dy, x, Activation::Silu);
}
template <ActivationArgument X>
[[nodiscard]] auto swish_2d(const X& x) {
  return swish(detail::as_matrix(x, "swish_2d"));
}

/// Mish (Misra 2019).
///
///   f(x) = x tanh(log(1 + exp(x)))
///
/// -inf gives the limit -0 (PyTorch: NaN). Same as torch.nn.functional.mish, ONNX Mish, NumRS2
/// mish.
template <ActivationArgument X>
[[nodiscard]] auto mish(const X& x) {
  return activation(x, Activation::Mish);
}
template <std::floating_point T>
void mish_into(const View<T>& x, MutArg<T> out) {
  activation_into(x, out, Activation::Mish);
}
template <ActivationTarget X>
void mish_inplace(X&& x) {
  activation_inplace(x, Activation::Mish);
}
template <std::floating_point T>
[[nodiscard]] Array<T> mish_backward(const View<T>& dy, ViewArg<T> x) {
  return activation_backward(dy, x, Activation::Mish);
}
template <ActivationArgument X>
[[nodiscard]] auto mish_2d(const X& x) {
  return mish(detail::as_matrix(x, "mish_2d"));
}

/// Gaussian error linear unit (Hendrycks and Gimpel 2016).
///
///   f(x) = x Phi(x),  f'(x) = Phi(x) + x phi(x)
///   GeluApproximation::Tanh: f(x) = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
///
/// Phi and phi are the distribution and density of the standard normal. The left tail keeps its
/// relative precision; -inf gives the limit -0 (PyTorch: NaN). Exact unless told otherwise, as the
/// guide's headline formula (NumRS2's gelu is always the tanh form). Same as
/// torch.nn.functional.gelu, ONNX Gelu.
template <ActivationArgument X>
[[nodiscard]] auto gelu(const X& x, GeluApproximation approximate = GeluApproximation::None) {
  return activation(x, detail::gelu_kind(approximate));
}
template <std::floating_point T>
void gelu_into(const View<T>& x, MutArg<T> out,
               GeluApproximation approximate = GeluApproximation::None) {
  activation_into(x, out, detail::gelu_kind(approximate));
}
template <ActivationTarget X>
void gelu_inplace(X&& x, GeluApproximation approximate = GeluApproximation::None) {
  activation_inplace(x, detail::gelu_kind(approximate));
}
template <std::floating_point T>
[[nodiscard]] Array<T> gelu_backward(const View<T>& dy, ViewArg<T> x,
                                     GeluApproximation approximate = GeluApproximation::None) {
  return activation_backward(dy, x, detail::gelu_kind(approximate));
}
template <ActivationArgument X>
[[nodiscard]] auto gelu_2d(const X& x, GeluApproximation approximate = GeluApproximation::None) {
  return gelu(detail::as_matrix(x, "gelu_2d"), approximate);
}

/// gelu in its tanh form: gelu(x, GeluApproximation::Tanh).
template <ActivationArgument X>
[[nodiscard]] auto gelu_tanh(const X& x) {
  return activation(x, Activation::GeluTanh);
}
template <std::floating_point T>
void gelu_tanh_into(const View<T>& x, MutArg<T> out) {
  activation_into(x, out, Activation::GeluTanh);
}
template <ActivationTarget X>
void gelu_tanh_inplace(X&& x) {
  activation_inplace(x, Activation::GeluTanh);
}
template <std::floating_point T>
[[nodiscard]] Array<T> gelu_tanh_backward(const View<T>& dy, ViewArg<T> x) {
  return activation_backward(dy, x, Activation::GeluTanh);
}

/// Smooth form of relu (Dugas et al. 2001).
///
///   f(x) = log(1 + exp(beta x)) / beta,  f'(x) = 1 / (1 + exp(-beta x))
///   and f(x) = x, f'(x) = 1 where beta x > threshold
///
/// beta > 0. Same as torch.nn.functional.softplus, ONNX Softplus, NumRS2 softplus.
template <ActivationArgument X>
[[nodiscard]] auto softplus(const X& x, double beta = 1.0, double threshold = 20.0) {
  return activation(x, Activation::Softplus, {beta, threshold});
}
template <std::floating_point T>
void softplus_into(const View<T>& x, MutArg<T> out, double beta = 1.0, double threshold = 20.0) {
  activation_into(x, out, Activation::Softplus, {beta, threshold});
}
template <ActivationTarget X>
void softplus_inplace(X&& x, double beta = 1.0, double threshold = 20.0) {
  activation_inplace(x, Activation::Softplus, {beta, threshold});
}
template <std::floating_point T>
[[nodiscard]] Array<T> softplus_backward(const View<T>& dy, ViewArg<T> x, double beta = 1.0,
                                         double threshold = 20.0) {
  return activation_backward(dy, x, Activation::Softplus, {beta, threshold});
}
template <ActivationArgument X>
[[nodiscard]] auto softplus_2d(const X& x, double beta = 1.0, double threshold = 20.0) {
  return softplus(detail::as_matrix(x, "softplus_2d"), beta, threshold);
}

/// relu, cut off at 6 (Krizhevsky 2010).
///
///   f(x) = min(max(0, x), 6),  f'(x) = 1 if 0 < x < 6 else 0
///
/// Same as torch.nn.functional.relu6, ONNX Clip from 0 to 6.
template <ActivationArgument X>
[[nodiscard]] auto relu6(const X& x) {
  return activation(x, Activation::Relu6);
}
template <std::floating_point T>
void relu6_into(const View<T>& x, MutArg<T> out) {
  activation_into(x, out, Activation::Relu6);
}
template <ActivationTarget X>
void relu6_inplace(X&& x) {
  activation_inplace(x, Activation::Relu6);
}
template <std::floating_point T>
[[nodiscard]] Array<T> relu6_backward(const View<T>& dy, ViewArg<T> x) {
  return activation_backward(dy, x, Activation::Relu6);
}

/// Clips to an interval.
///
///   f(x) = min(max(x, min), max),  f'(x) = 1 if min < x < max else 0
///
/// min <= max. Same as torch.nn.functional.hardtanh, ONNX Clip.
template <ActivationArgument X>
[[nodiscard]] auto hardtanh(const X& x, double min = -1.0, double max = 1.0) {
  return activation(x, Activation::HardTanh, {min, max});
}
template <std::floating_point T>
void hardtanh_into(const View<T>& x, MutArg<T> out, double min = -1.0, double max = 1.0) {
  activation_into(x, out, Activation::HardTanh, {min, max});
}
template <ActivationTarget X>
void hardtanh_inplace(X&& x, double min = -1.0, double max = 1.0) {
  activation_inplace(x, Activation::HardTanh, {min, max});
}
template <std::floating_point T>
[[nodiscard]] Array<T> hardtanh_backward(const View<T>& dy, ViewArg<T> x, double min = -1.0,
                                         double max = 1.0) {
  return activation_backward(dy, x, Activation::HardTanh, {min, max});
}

/// Piecewise linear sigmoid (Courbariaux, Bengio and David 2015).
///
///   f(x) = min(max(0, alpha x + beta), 1),  f'(x) = alpha if 0 < alpha x + beta < 1 else 0
///
/// The defaults are PyTorch's; ONNX has alpha 0.2. Same as torch.nn.functional.hardsigmoid, ONNX
/// HardSigmoid.
template <ActivationArgument X>
[[nodiscard]] auto hardsigmoid(const X& x, double alpha = 1.0 / 6.0, double beta = 0.5) {
  return activation(x, Activation::HardSigmoid, {alpha, beta});
}
template <std::floating_point T>
void hardsigmoid_into(const View<T>& x, MutArg<T> out, double alpha = 1.0 / 6.0,
                      double beta = 0.5) {
  activation_into(x, out, Activation::HardSigmoid, {alpha, beta});
}
template <ActivationTarget X>
void hardsigmoid_inplace(X&& x, double alpha = 1.0 / 6.0, double beta = 0.5) {
  activation_inplace(x, Activation::HardSigmoid, {alpha, beta});
}
template <std::floating_point T>
[[nodiscard]] Array<T> hardsigmoid_backward(const View<T>& dy, ViewArg<T> x,
                                            double alpha = 1.0 / 6.0, double beta = 0.5) {
  return activation_backward(dy, x, Activation::HardSigmoid, {alpha, beta});
}

/// Piecewise form of silu (Howard et al. 2019).
///
///   f(x) = x min(max(0, x + 3), 6) / 6,  f'(x) = 0 if x <= -3, 1 if x >= 3, else x / 3 + 1 / 2
///
/// Same as torch.nn.functional.hardswish, ONNX HardSwish.
template <ActivationArgument X>
[[nodiscard]] auto hardswish(const X& x) {
  return activation(x, Activation::HardSwish);
}
template <std::floating_point T>
void hardswish_into(const View<T>& x, MutArg<T> out) {
  activation_into(x, out, Activation::HardSwish);
}
template <ActivationTarget X>
void hardswish_inplace(X&& x) {
  activation_inplace(x, Activation::HardSwish);
}
template <std::floating_point T>
[[nodiscard]] Array<T> hardswish_backward(const View<T>& dy, ViewArg<T> x) {
  return activation_backward(dy, x, Activation::HardSwish);
}

/// A sigmoid with polynomial tails (Turian, Bergstra and Bengio 2009).
///
///   f(x) = x / (1 + |x|),  f'(x) = 1 / (1 + |x|)^2
///
/// Infinities give the limits -1 and 1 (PyTorch: NaN). Same as torch.nn.functional.softsign, ONNX
/// Softsign.
template <ActivationArgument X>
[[nodiscard]] auto softsign(const X& x) {
  return activation(x, Activation::Softsign);
}
template <std::floating_point T>
void softsign_into(const View<T>& x, MutArg<T> out) {
  activation_into(x, out, Activation::Softsign);
}
template <ActivationTarget X>
void softsign_inplace(X&& x) {
  activation_inplace(x, Activation::Softsign);
}
template <std::floating_point T>
[[nodiscard]] Array<T> softsign_backward(const View<T>& dy, ViewArg<T> x) {
  return activation_backward(dy, x, Activation::Softsign);
}

/// Replaces what does not pass a threshold.
///
///   f(x) = x if x > threshold else value,  f'(x) = 1 if x > threshold else 0
///
/// Same as torch.nn.functional.threshold; with value 0, ONNX ThresholdedRelu.
template <ActivationArgument X>
[[nodiscard]] auto threshold(const X& x, double threshold_value = 0.0, double value = 0.0) {
  return activation(x, Activation::Threshold, {threshold_value, value});
}
template <std::floating_point T>
void threshold_into(const View<T>& x, MutArg<T> out, double threshold_value = 0.0,
                    double value = 0.0) {
  activation_into(x, out, Activation::Threshold, {threshold_value, value});
}
template <ActivationTarget X>
void threshold_inplace(X&& x, double threshold_value = 0.0, double value = 0.0) {
  activation_inplace(x, Activation::Threshold, {threshold_value, value});
}
template <std::floating_point T>
[[nodiscard]] Array<T> threshold_backward(const View<T>& dy, ViewArg<T> x,
                                          double threshold_value = 0.0, double value = 0.0) {
  return activation_backward(dy, x, Activation::Threshold, {threshold_value, value});
}

/// Logarithm of the logistic function.
///
///   f(x) = -log(1 + exp(-x)),  f'(x) = 1 / (1 + exp(x))
///
/// Same as torch.nn.functional.logsigmoid.
template <ActivationArgument X>
[[nodiscard]] auto logsigmoid(const X& x) {
  return activation(x, Activation::LogSigmoid);
}
template <std::floating_point T>
void logsigmoid_into(const View<T>& x, MutArg<T> out) {
  activation_into(x, out, Activation::LogSigmoid);
}
template <ActivationTarget X>
void logsigmoid_inplace(X&& x) {
  activation_inplace(x, Activation::LogSigmoid);
}
template <std::floating_point T>
[[nodiscard]] Array<T> logsigmoid_backward(const View<T>& dy, ViewArg<T> x) {
  return activation_backward(dy, x, Activation::LogSigmoid);
}

/// Sets small elements to 0 (Donoho and Johnstone 1994).
///
///   f(x) = x if |x| > lambda else 0,  f'(x) = 1 if |x| > lambda else 0
///
/// lambda >= 0. Same as torch.nn.functional.hardshrink, ONNX Shrink with bias 0.
template <ActivationArgument X>
[[nodiscard]] auto hardshrink(const X& x, double lambda = 0.5) {
  return activation(x, Activation::HardShrink, {lambda});
}
template <std::floating_point T>
void hardshrink_into(const View<T>& x, MutArg<T> out, double lambda = 0.5) {
  activation_into(x, out, Activation::HardShrink, {lambda});
}
template <ActivationTarget X>
void hardshrink_inplace(X&& x, double lambda = 0.5) {
  activation_inplace(x, Activation::HardShrink, {lambda});
}
template <std::floating_point T>
[[nodiscard]] Array<T> hardshrink_backward(const View<T>& dy, ViewArg<T> x, double lambda = 0.5) {
  return activation_backward(dy, x, Activation::HardShrink, {lambda});
}

/// Moves elements towards 0 (Donoho and Johnstone 1994).
///
///   f(x) = sign(x) max(|x| - lambda, 0),  f'(x) = 1 if |x| > lambda else 0
///
/// lambda >= 0. Same as torch.nn.functional.softshrink, ONNX Shrink with bias lambda.
template <ActivationArgument X>
[[nodiscard]] auto softshrink(const X& x, double lambda = 0.5) {
  return activation(x, Activation::SoftShrink, {lambda});
}
template <std::floating_point T>
void softshrink_into(const View<T>& x, MutArg<T> out, double lambda = 0.5) {
  activation_into(x, out, Activation::SoftShrink, {lambda});
}
template <ActivationTarget X>
void softshrink_inplace(X&& x, double lambda = 0.5) {
  activation_inplace(x, Activation::SoftShrink, {lambda});
}
template <std::floating_point T>
[[nodiscard]] Array<T> softshrink_backward(const View<T>& dy, ViewArg<T> x, double lambda = 0.5) {
  return activation_backward(dy, x, Activation::SoftShrink, {lambda});
}

/// What tanh takes away.
///
///   f(x) = x - tanh(x),  f'(x) = tanh(x)^2
///
/// Keeps its relative precision near 0, where the difference would cancel. Same as
/// torch.nn.functional.tanhshrink.
template <ActivationArgument X>
[[nodiscard]] auto tanhshrink(const X& x) {
  return activation(x, Activation::TanhShrink);
}
template <std::floating_point T>
void tanhshrink_into(const View<T>& x, MutArg<T> out) {
  activation_into(x, out, Activation::TanhShrink);
}
template <ActivationTarget X>
void tanhshrink_inplace(X&& x) {
  activation_inplace(x, Activation::TanhShrink);
}
template <std::floating_point T>
[[nodiscard]] Array<T> tanhshrink_backward(const View<T>& dy, ViewArg<T> x) {
  return activation_backward(dy, x, Activation::TanhShrink);
}

/// Exponential function.
///
///   f(x) = exp(x),  f'(x) = exp(x)
///
/// Same as torch.exp, ONNX Exp.
template <ActivationArgument X>
[[nodiscard]] auto exp(const X& x) {
  return activation(x, Activation::Exp);
}
template <std::floating_point T>
void exp_into(const View<T>& x, MutArg<T> out) {
  activation_into(x, out, Activation::Exp);
}
template <ActivationTarget X>
void exp_inplace(X&& x) {
  activation_inplace(x, Activation::Exp);
}
template <std::floating_point T>
[[nodiscard]] Array<T> exp_backward(const View<T>& dy, ViewArg<T> x) {
  return activation_backward(dy, x, Activation::Exp);
}

/// Sigmoid form of gelu (Hendrycks and Gimpel 2016).
///
///   f(x) = x / (1 + exp(-alpha x))
///
/// alpha > 0. -inf gives the limit -0. Same as ONNX Runtime's QuickGelu.
template <ActivationArgument X>
[[nodiscard]] auto quick_gelu(const X& x, double alpha = 1.702) {
  return activation(x, Activation::QuickGelu, {alpha});
}
template <std::floating_point T>
void quick_gelu_into(const View<T>& x, MutArg<T> out, double alpha = 1.702) {
  activation_into(x, out, Activation::QuickGelu, {alpha});
}
template <ActivationTarget X>
void quick_gelu_inplace(X&& x, double alpha = 1.702) {
  activation_inplace(x, Activation::QuickGelu, {alpha});
}
template <std::floating_point T>
[[nodiscard]] Array<T> quick_gelu_backward(const View<T>& dy, ViewArg<T> x, double alpha = 1.702) {
  return activation_backward(dy, x, Activation::QuickGelu, {alpha});
}

}  // namespace lamina::nn
