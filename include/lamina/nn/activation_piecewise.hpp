#pragma once

#include "lamina/nn/activation_any.hpp"

// Activations by name that are made of pieces, nearly all of them straight: relu and its relatives,
// hard forms of smooth functions, thresholds and shrinkage.
//
// Each has the forms f(x), f_into(x, out), f_inplace(x) and f_backward(dy, x), parameters behind;
// shapes, errors and numerics as for activation in nn/activation_any.hpp. The f_2d forms of the
// guide demand a matrix: Error(DimensionMismatch) otherwise.

namespace lamina::nn {

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

}  // namespace lamina::nn
