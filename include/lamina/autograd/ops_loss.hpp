#pragma once

#include <optional>

#include "lamina/autograd/var.hpp"
#include "lamina/nn/loss.hpp"

// The losses of nn/loss*.hpp on variables, recorded. Formulas, shapes, reductions and errors are
// those of the functions on arrays. y_true may be an array, a constant then, or a variable, which
// gets its gradient too.

namespace lamina::nn {

/// LossOptions with a third array that may have a gradient.
template <class T>
struct VarLossOptions {
  std::optional<double> a = std::nullopt;
  std::optional<double> b = std::nullopt;
  View<T> weight{};
  Var<T> third{};
};

/// Any loss of kLossTable; gradients for y_pred, y_true and the third array.
template <class T>
[[nodiscard]] Var<T> elementwise_loss(Loss kind, autograd::VarArg<T> y_true, const Var<T>& y_pred,
                                      ReductionMode mode = ReductionMode::Mean,
                                      const VarLossOptions<std::type_identity_t<T>>& options = {});

template <class T>
[[nodiscard]] Var<T> mse_loss(autograd::VarArg<T> y_true, const Var<T>& y_pred,
                              ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::Mse, y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Var<T> mse_loss_2d(autograd::VarArg<T> y_true, const Var<T>& y_pred,
                                 ReductionMode mode = ReductionMode::Mean) {
  (void)y_true.var().value().template dims<2>("mse_loss_2d", "y_true");
  return mse_loss(y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Var<T> mae_loss(autograd::VarArg<T> y_true, const Var<T>& y_pred,
                              ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::Mae, y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Var<T> l1_loss(autograd::VarArg<T> y_true, const Var<T>& y_pred,
                             ReductionMode mode = ReductionMode::Mean) {
  return mae_loss(y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Var<T> huber_loss(autograd::VarArg<T> y_true, const Var<T>& y_pred,
                                double delta = 1.0, ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::Huber, y_true, y_pred, mode, {.a = delta});
}
template <class T>
[[nodiscard]] Var<T> smooth_l1_loss(autograd::VarArg<T> y_true, const Var<T>& y_pred,
                                    ReductionMode mode = ReductionMode::Mean, double beta = 1.0) {
  return elementwise_loss(Loss::SmoothL1, y_true, y_pred, mode, {.a = beta});
}
template <class T>
[[nodiscard]] Var<T> log_cosh_loss(autograd::VarArg<T> y_true, const Var<T>& y_pred,
                                   ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::LogCosh, y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Var<T> poisson_nll_loss(autograd::VarArg<T> y_true, const Var<T>& y_pred,
                                      ReductionMode mode = ReductionMode::Mean,
                                      const PoissonNllOptions& options = {}) {
  return elementwise_loss(options.log_input ? Loss::PoissonNllLog : Loss::PoissonNll, y_true,
                          y_pred, mode, {.a = options.epsilon, .b = options.full ? 1.0 : 0.0});
}
/// Gradients for y_true, y_pred and variance.
template <class T>
[[nodiscard]] Var<T> gaussian_nll_loss(autograd::VarArg<T> y_true, const Var<T>& y_pred,
                                       autograd::VarArg<T> variance,
                                       ReductionMode mode = ReductionMode::Mean,
                                       const GaussianNllOptions& options = {}) {
  return elementwise_loss(
      Loss::GaussianNll, y_true, y_pred, mode,
      {.a = options.epsilon, .b = options.full ? 1.0 : 0.0, .third = variance.var()});
}

template <class T>
[[nodiscard]] Var<T> binary_cross_entropy(
    autograd::VarArg<T> y_true, const Var<T>& y_pred, ReductionMode mode = ReductionMode::Mean,
    const BinaryCrossEntropyOptions<std::type_identity_t<T>>& options = {}) {
  return elementwise_loss(Loss::BinaryCrossEntropy, y_true, y_pred, mode,
                          {.a = options.epsilon, .weight = options.weight});
}
template <class T>
[[nodiscard]] Var<T> bce_with_logits(
    autograd::VarArg<T> y_true, const Var<T>& logits, ReductionMode mode = ReductionMode::Mean,
    const BceWithLogitsOptions<std::type_identity_t<T>>& options = {}) {
  return elementwise_loss(
      detail::bce_kind(options), y_true, logits, mode,
      {.weight = options.weight,
       .third = options.pos_weight.defined() ? Var<T>(options.pos_weight) : Var<T>()});
}
template <class T>
[[nodiscard]] Var<T> focal_loss(autograd::VarArg<T> y_true, const Var<T>& y_pred,
                                double alpha = 0.25, double gamma = 2.0,
                                ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::Focal, y_true, y_pred, mode, {.a = alpha, .b = gamma});
}
template <class T>
[[nodiscard]] Var<T> focal_loss_with_logits(autograd::VarArg<T> y_true, const Var<T>& logits,
                                            double alpha = 0.25, double gamma = 2.0,
                                            ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::FocalWithLogits, y_true, logits, mode, {.a = alpha, .b = gamma});
}
template <class T>
[[nodiscard]] Var<T> kl_div_loss(autograd::VarArg<T> y_true, const Var<T>& y_pred,
                                 ReductionMode mode = ReductionMode::Mean,
                                 const KlDivOptions& options = {});
template <class T>
[[nodiscard]] Var<T> hinge_loss(autograd::VarArg<T> y_true, const Var<T>& y_pred,
                                ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::Hinge, y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Var<T> squared_hinge_loss(autograd::VarArg<T> y_true, const Var<T>& y_pred,
                                        ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::SquaredHinge, y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Var<T> soft_margin_loss(autograd::VarArg<T> y_true, const Var<T>& y_pred,
                                      ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::SoftMargin, y_true, y_pred, mode);
}
/// Gradients for y_true, x1 and x2.
template <class T>
[[nodiscard]] Var<T> margin_ranking_loss(autograd::VarArg<T> y_true, const Var<T>& x1,
                                         autograd::VarArg<T> x2, double margin = 0.0,
                                         ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::MarginRanking, y_true, x1, mode, {.a = margin, .third = x2.var()});
}

/// From logits and integer labels; gradient for the logits.
template <class T>
[[nodiscard]] Var<T> cross_entropy(
    const View<std::int64_t>& y_true, const Var<T>& logits,
    const CrossEntropyOptions<std::type_identity_t<T>>& options = {});
/// From logits and target distributions; gradients for both.
template <class T>
[[nodiscard]] Var<T> cross_entropy(
    autograd::VarArg<T> y_true, const Var<T>& logits,
    const CrossEntropyOptions<std::type_identity_t<T>>& options = {});

/// From probabilities and integer labels; gradient for y_pred.
template <class T>
[[nodiscard]] Var<T> sparse_categorical_cross_entropy(
    const View<std::int64_t>& y_true, const Var<T>& y_pred,
    ReductionMode mode = ReductionMode::Mean,
    const ClassLossOptions<std::type_identity_t<T>>& options = {});
/// From probabilities and target distributions; gradients for both.
template <class T>
[[nodiscard]] Var<T> categorical_cross_entropy(
    autograd::VarArg<T> y_true, const Var<T>& y_pred, ReductionMode mode = ReductionMode::Mean,
    const ClassLossOptions<std::type_identity_t<T>>& options = {});
/// From log-probabilities and integer labels; gradient for log_probs.
template <class T>
[[nodiscard]] Var<T> nll_loss(const View<std::int64_t>& y_true, const Var<T>& log_probs,
                              ReductionMode mode = ReductionMode::Mean,
                              const ClassLossOptions<std::type_identity_t<T>>& options = {});

}  // namespace lamina::nn
