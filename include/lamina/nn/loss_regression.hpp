#pragma once

#include "lamina/nn/loss_elementwise.hpp"

// Losses of real-valued predictions. Each is a member of `kLossTable`: shapes, reductions, errors
// and numerics are those of elementwise_loss. `f_backward(dy, ...)` is the gradient of y_pred,
// `f_backward_true` that of y_true. Every result has the accuracy of a few ULP per element.
namespace lamina::nn {

/// Mean squared error: (y_pred - y_true)^2.
/// Shapes, errors: see elementwise_loss. Gradient: mse_loss_backward: 2 (y_pred - y_true).
/// torch.nn.functional.mse_loss, NumRS2 mse_loss.
template <class T>
[[nodiscard]] Array<T> mse_loss(const View<T>& y_true, ViewArg<T> y_pred,
                                ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::Mse, y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Array<T> mse_loss_backward(const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred,
                                         ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward(Loss::Mse, dy, y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Array<T> mse_loss_backward_true(const View<T>& dy, ViewArg<T> y_true,
                                              ViewArg<T> y_pred,
                                              ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward_true(Loss::Mse, dy, y_true, y_pred, mode);
}
/// mse_loss of matrices, under NumRS2's name. Error(DimensionMismatch) for other ranks.
template <class T>
[[nodiscard]] Array<T> mse_loss_2d(const View<T>& y_true, ViewArg<T> y_pred,
                                   ReductionMode mode = ReductionMode::Mean) {
  (void)y_true.template dims<2>("mse_loss_2d", "y_true");
  return mse_loss(y_true, y_pred, mode);
}

/// Mean absolute error: |y_pred - y_true|. The gradient at 0 is 0.
/// Shapes, errors: see elementwise_loss. Gradient: mae_loss_backward.
/// torch.nn.functional.l1_loss, NumRS2 mae_loss.
template <class T>
[[nodiscard]] Array<T> mae_loss(const View<T>& y_true, ViewArg<T> y_pred,
                                ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::Mae, y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Array<T> mae_loss_backward(const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred,
                                         ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward(Loss::Mae, dy, y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Array<T> mae_loss_backward_true(const View<T>& dy, ViewArg<T> y_true,
                                              ViewArg<T> y_pred,
                                              ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward_true(Loss::Mae, dy, y_true, y_pred, mode);
}
/// mae_loss under PyTorch's name.
template <class T>
[[nodiscard]] Array<T> l1_loss(const View<T>& y_true, ViewArg<T> y_pred,
                               ReductionMode mode = ReductionMode::Mean) {
  return mae_loss(y_true, y_pred, mode);
}

template <class T>
[[nodiscard]] Array<T> l1_loss_backward(const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred,
                                        ReductionMode mode = ReductionMode::Mean) {
  return mae_loss_backward(dy, y_true, y_pred, mode);
}

/// With e = y_pred - y_true: e^2 / 2 for |e| <= delta, else delta (|e| - delta / 2).
/// Shapes, errors: see elementwise_loss; also Error(InvalidOperation) unless delta > 0.
/// Gradient: huber_loss_backward: e clamped to [-delta, delta].
/// torch.nn.functional.huber_loss, NumRS2 huber_loss. Huber 1964.
template <class T>
[[nodiscard]] Array<T> huber_loss(const View<T>& y_true, ViewArg<T> y_pred, double delta = 1.0,
                                  ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::Huber, y_true, y_pred, mode, {.a = delta});
}
template <class T>
[[nodiscard]] Array<T> huber_loss_backward(const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred,
                                           double delta = 1.0,
                                           ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward(Loss::Huber, dy, y_true, y_pred, mode, {.a = delta});
}
template <class T>
[[nodiscard]] Array<T> huber_loss_backward_true(const View<T>& dy, ViewArg<T> y_true,
                                                ViewArg<T> y_pred, double delta = 1.0,
                                                ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward_true(Loss::Huber, dy, y_true, y_pred, mode, {.a = delta});
}

/// With e = y_pred - y_true: e^2 / (2 beta) for |e| < beta, else |e| - beta / 2; beta 0 is
/// mae_loss. Shapes, errors: see elementwise_loss; also Error(InvalidOperation) if beta < 0.
/// Gradient: smooth_l1_loss_backward.
/// torch.nn.functional.smooth_l1_loss, NumRS2 smooth_l1_loss (beta 1). Girshick 2015,
/// arXiv:1504.08083.
template <class T>
[[nodiscard]] Array<T> smooth_l1_loss(const View<T>& y_true, ViewArg<T> y_pred,
                                      ReductionMode mode = ReductionMode::Mean, double beta = 1.0) {
  return elementwise_loss(Loss::SmoothL1, y_true, y_pred, mode, {.a = beta});
}
template <class T>
[[nodiscard]] Array<T> smooth_l1_loss_backward(const View<T>& dy, ViewArg<T> y_true,
                                               ViewArg<T> y_pred,
                                               ReductionMode mode = ReductionMode::Mean,
                                               double beta = 1.0) {
  return elementwise_loss_backward(Loss::SmoothL1, dy, y_true, y_pred, mode, {.a = beta});
}
template <class T>
[[nodiscard]] Array<T> smooth_l1_loss_backward_true(const View<T>& dy, ViewArg<T> y_true,
                                                    ViewArg<T> y_pred,
                                                    ReductionMode mode = ReductionMode::Mean,
                                                    double beta = 1.0) {
  return elementwise_loss_backward_true(Loss::SmoothL1, dy, y_true, y_pred, mode, {.a = beta});
}

/// log(cosh(y_pred - y_true)), without overflow at large and without cancellation at small errors.
/// Shapes, errors: see elementwise_loss. Gradient: log_cosh_loss_backward: tanh(y_pred - y_true).
/// Keras LogCosh.
template <class T>
[[nodiscard]] Array<T> log_cosh_loss(const View<T>& y_true, ViewArg<T> y_pred,
                                     ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::LogCosh, y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Array<T> log_cosh_loss_backward(const View<T>& dy, ViewArg<T> y_true,
                                              ViewArg<T> y_pred,
                                              ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward(Loss::LogCosh, dy, y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Array<T> log_cosh_loss_backward_true(const View<T>& dy, ViewArg<T> y_true,
                                                   ViewArg<T> y_pred,
                                                   ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward_true(Loss::LogCosh, dy, y_true, y_pred, mode);
}

struct PoissonNllOptions {
  bool log_input = true;  ///< y_pred is the logarithm of the rate
  bool full = false;      ///< add Stirling's log(y_true!) where y_true > 1
  double epsilon = 1e-8;  ///< keeps log(y_pred + epsilon) finite; without log_input only
};

/// Negative log-likelihood of counts: exp(y_pred) - y_true y_pred, or, without log_input,
/// y_pred - y_true log(y_pred + epsilon).
/// Shapes, errors: see elementwise_loss; also Error(InvalidOperation) if epsilon < 0.
/// Gradient: poisson_nll_loss_backward. torch.nn.functional.poisson_nll_loss.
template <class T>
[[nodiscard]] Array<T> poisson_nll_loss(const View<T>& y_true, ViewArg<T> y_pred,
                                        ReductionMode mode = ReductionMode::Mean,
                                        const PoissonNllOptions& options = {}) {
  return elementwise_loss(options.log_input ? Loss::PoissonNllLog : Loss::PoissonNll, y_true,
                          y_pred, mode, {.a = options.epsilon, .b = options.full ? 1.0 : 0.0});
}
template <class T>
[[nodiscard]] Array<T> poisson_nll_loss_backward(const View<T>& dy, ViewArg<T> y_true,
                                                 ViewArg<T> y_pred,
                                                 ReductionMode mode = ReductionMode::Mean,
                                                 const PoissonNllOptions& options = {}) {
  return elementwise_loss_backward(options.log_input ? Loss::PoissonNllLog : Loss::PoissonNll, dy,
                                   y_true, y_pred, mode,
                                   {.a = options.epsilon, .b = options.full ? 1.0 : 0.0});
}
template <class T>
[[nodiscard]] Array<T> poisson_nll_loss_backward_true(const View<T>& dy, ViewArg<T> y_true,
                                                      ViewArg<T> y_pred,
                                                      ReductionMode mode = ReductionMode::Mean,
                                                      const PoissonNllOptions& options = {}) {
  return elementwise_loss_backward_true(options.log_input ? Loss::PoissonNllLog : Loss::PoissonNll,
                                        dy, y_true, y_pred, mode,
                                        {.a = options.epsilon, .b = options.full ? 1.0 : 0.0});
}

struct GaussianNllOptions {
  bool full = false;      ///< add log(2 pi) / 2
  double epsilon = 1e-6;  ///< least variance; below it the variance has no gradient
};

/// Negative log-likelihood of a normal distribution whose mean and variance are predicted:
/// (log v + (y_pred - y_true)^2 / v) / 2 with v = max(variance, epsilon).
/// y_true, y_pred (...); variance broadcasts to that. Errors: see elementwise_loss; also
/// Error(InvalidOperation) if epsilon < 0. Gradient: gaussian_nll_loss_backward, _backward_true,
/// _backward_variance (of the shape of y_true). torch.nn.functional.gaussian_nll_loss. Nix and
/// Weigend 1994.
template <class T>
[[nodiscard]] Array<T> gaussian_nll_loss(const View<T>& y_true, ViewArg<T> y_pred,
                                         ViewArg<T> variance,
                                         ReductionMode mode = ReductionMode::Mean,
                                         const GaussianNllOptions& options = {}) {
  return elementwise_loss(Loss::GaussianNll, y_true, y_pred, mode,
                          {.a = options.epsilon, .b = options.full ? 1.0 : 0.0, .third = variance});
}
template <class T>
[[nodiscard]] Array<T> gaussian_nll_loss_backward(const View<T>& dy, ViewArg<T> y_true,
                                                  ViewArg<T> y_pred, ViewArg<T> variance,
                                                  ReductionMode mode = ReductionMode::Mean,
                                                  const GaussianNllOptions& options = {}) {
  return elementwise_loss_backward(
      Loss::GaussianNll, dy, y_true, y_pred, mode,
      {.a = options.epsilon, .b = options.full ? 1.0 : 0.0, .third = variance});
}
template <class T>
[[nodiscard]] Array<T> gaussian_nll_loss_backward_true(const View<T>& dy, ViewArg<T> y_true,
                                                       ViewArg<T> y_pred, ViewArg<T> variance,
                                                       ReductionMode mode = ReductionMode::Mean,
                                                       const GaussianNllOptions& options = {}) {
  return elementwise_loss_backward_true(
      Loss::GaussianNll, dy, y_true, y_pred, mode,
      {.a = options.epsilon, .b = options.full ? 1.0 : 0.0, .third = variance});
}
template <class T>
[[nodiscard]] Array<T> gaussian_nll_loss_backward_variance(const View<T>& dy, ViewArg<T> y_true,
                                                           ViewArg<T> y_pred, ViewArg<T> variance,
                                                           ReductionMode mode = ReductionMode::Mean,
                                                           const GaussianNllOptions& options = {}) {
  return elementwise_loss_backward_third(
      Loss::GaussianNll, dy, y_true, y_pred, mode,
      {.a = options.epsilon, .b = options.full ? 1.0 : 0.0, .third = variance});
}

}  // namespace lamina::nn
