#pragma once

#include "lamina/nn/activation_any.hpp"

// Activations by name that are curves, most of them made of exponentials: elu and its relatives,
// sigmoid, tanh, silu, gelu, softplus ...
//
// Each has the forms f(x), f_into(x, out), f_inplace(x) and f_backward(dy, x), parameters behind;
// shapes, errors and numerics as for activation in nn/activation_any.hpp. The f_2d forms of the
// guide demand a matrix: Error(DimensionMismatch) otherwise.

namespace lamina::nn {

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
