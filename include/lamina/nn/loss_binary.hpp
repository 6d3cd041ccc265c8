#pragma once

#include "lamina/nn/loss_elementwise.hpp"

// Losses of yes-or-no targets, of margins, and between distributions, element by element. Each is a
// member of `kLossTable`: shapes, reductions, errors and numerics are those of elementwise_loss.
// `f_backward(dy, ...)` is the gradient of y_pred, `f_backward_true` that of y_true.
namespace lamina::nn {

template <class T>
struct BinaryCrossEntropyOptions {
  View<T> weight{};       ///< multiplies each element's loss; broadcast to the shape of y_true
  double epsilon = 1e-7;  ///< y_pred is clamped to [epsilon, 1 - epsilon]; 0 leaves it alone
};

/// Binary cross entropy of probabilities: -y_true log(q) - (1 - y_true) log(1 - q), q being y_pred
/// clamped to [epsilon, 1 - epsilon]. With epsilon 0 and y_true 0 or 1, the term that counts 0 is
/// 0 even where its logarithm is infinite.
/// Shapes, errors: see elementwise_loss; also Error(InvalidOperation) unless 0 <= epsilon < 1/2.
/// Gradient: binary_cross_entropy_backward; 0 where y_pred was clamped. Prefer bce_with_logits: it
/// needs no clamping and its gradient never vanishes.
/// torch.nn.functional.binary_cross_entropy (which clamps logarithms at -100), Keras
/// BinaryCrossentropy, NumRS2 binary_cross_entropy.
template <class T>
[[nodiscard]] Array<T> binary_cross_entropy(
    const View<T>& y_true, ViewArg<T> y_pred, ReductionMode mode = ReductionMode::Mean,
    const BinaryCrossEntropyOptions<std::type_identity_t<T>>& options = {}) {
  return elementwise_loss(Loss::BinaryCrossEntropy, y_true, y_pred, mode,
                          {.a = options.epsilon, .weight = options.weight});
}
template <class T>
[[nodiscard]] Array<T> binary_cross_entropy_backward(
    const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred,
    ReductionMode mode = ReductionMode::Mean,
    const BinaryCrossEntropyOptions<std::type_identity_t<T>>& options = {}) {
  return elementwise_loss_backward(Loss::BinaryCrossEntropy, dy, y_true, y_pred, mode,
                                   {.a = options.epsilon, .weight = options.weight});
}
template <class T>
[[nodiscard]] Array<T> binary_cross_entropy_backward_true(
    const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred,
    ReductionMode mode = ReductionMode::Mean,
    const BinaryCrossEntropyOptions<std::type_identity_t<T>>& options = {}) {
  return elementwise_loss_backward_true(Loss::BinaryCrossEntropy, dy, y_true, y_pred, mode,
                                        {.a = options.epsilon, .weight = options.weight});
}

template <class T>
struct BceWithLogitsOptions {
  View<T> weight{};      ///< multiplies each element's loss; broadcast to the shape of y_true
  View<T> pos_weight{};  ///< multiplies the part of positive targets; broadcast likewise
};

namespace detail {
template <class T>
Loss bce_kind(const BceWithLogitsOptions<T>& options) {
  return options.pos_weight.defined() ? Loss::BceWithLogitsPosWeight : Loss::BceWithLogits;
}
template <class T>
LossOptions<T> bce_options(const BceWithLogitsOptions<T>& options) {
  return {.weight = options.weight, .third = options.pos_weight};
}
}  // namespace detail

/// Binary cross entropy of logits, exact in both tails:
/// pos_weight y_true log(1 + exp(-x)) + (1 - y_true) log(1 + exp(x)).
/// Shapes, errors: see elementwise_loss. Gradient: bce_with_logits_backward, _backward_true.
/// torch.nn.functional.binary_cross_entropy_with_logits, NumRS2 bce_with_logits.
template <class T>
[[nodiscard]] Array<T> bce_with_logits(
    const View<T>& y_true, ViewArg<T> logits, ReductionMode mode = ReductionMode::Mean,
    const BceWithLogitsOptions<std::type_identity_t<T>>& options = {}) {
  return elementwise_loss(detail::bce_kind(options), y_true, logits, mode,
                          detail::bce_options(options));
}
template <class T>
[[nodiscard]] Array<T> bce_with_logits_backward(
    const View<T>& dy, ViewArg<T> y_true, ViewArg<T> logits,
    ReductionMode mode = ReductionMode::Mean,
    const BceWithLogitsOptions<std::type_identity_t<T>>& options = {}) {
  return elementwise_loss_backward(detail::bce_kind(options), dy, y_true, logits, mode,
                                   detail::bce_options(options));
}
template <class T>
[[nodiscard]] Array<T> bce_with_logits_backward_true(
    const View<T>& dy, ViewArg<T> y_true, ViewArg<T> logits,
    ReductionMode mode = ReductionMode::Mean,
    const BceWithLogitsOptions<std::type_identity_t<T>>& options = {}) {
  return elementwise_loss_backward_true(detail::bce_kind(options), dy, y_true, logits, mode,
                                        detail::bce_options(options));
}

/// Focal loss of probabilities: binary cross entropy times a (1 - s)^gamma, with s = y_pred for
/// y_true 1 and 1 - y_pred for 0, a = alpha and 1 - alpha likewise; for targets between, cross
/// entropy, s and a are each interpolated. y_pred is clamped to [1e-7, 1 - 1e-7]. gamma 0 gives
/// balanced cross entropy.
/// Shapes, errors: see elementwise_loss; also Error(InvalidOperation) unless 0 <= alpha <= 1 and
/// gamma >= 0. Gradient: focal_loss_backward, _backward_true. Prefer focal_loss_with_logits.
/// NumRS2 focal_loss. Lin et al. 2017, arXiv:1708.02002.
template <class T>
[[nodiscard]] Array<T> focal_loss(const View<T>& y_true, ViewArg<T> y_pred, double alpha = 0.25,
                                  double gamma = 2.0, ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::Focal, y_true, y_pred, mode, {.a = alpha, .b = gamma});
}
template <class T>
[[nodiscard]] Array<T> focal_loss_backward(const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred,
                                           double alpha = 0.25, double gamma = 2.0,
                                           ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward(Loss::Focal, dy, y_true, y_pred, mode, {.a = alpha, .b = gamma});
}
template <class T>
[[nodiscard]] Array<T> focal_loss_backward_true(const View<T>& dy, ViewArg<T> y_true,
                                                ViewArg<T> y_pred, double alpha = 0.25,
                                                double gamma = 2.0,
                                                ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward_true(Loss::Focal, dy, y_true, y_pred, mode,
                                        {.a = alpha, .b = gamma});
}

/// focal_loss of sigmoid(logits), exact in both tails.
/// Shapes, errors: as focal_loss. Gradient: focal_loss_with_logits_backward, _backward_true.
/// torchvision.ops.sigmoid_focal_loss.
template <class T>
[[nodiscard]] Array<T> focal_loss_with_logits(const View<T>& y_true, ViewArg<T> logits,
                                              double alpha = 0.25, double gamma = 2.0,
                                              ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::FocalWithLogits, y_true, logits, mode, {.a = alpha, .b = gamma});
}
template <class T>
[[nodiscard]] Array<T> focal_loss_with_logits_backward(const View<T>& dy, ViewArg<T> y_true,
                                                       ViewArg<T> logits, double alpha = 0.25,
                                                       double gamma = 2.0,
                                                       ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward(Loss::FocalWithLogits, dy, y_true, logits, mode,
                                   {.a = alpha, .b = gamma});
}
template <class T>
[[nodiscard]] Array<T> focal_loss_with_logits_backward_true(
    const View<T>& dy, ViewArg<T> y_true, ViewArg<T> logits, double alpha = 0.25,
    double gamma = 2.0, ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward_true(Loss::FocalWithLogits, dy, y_true, logits, mode,
                                        {.a = alpha, .b = gamma});
}

struct KlDivOptions {
  bool log_prediction = false;  ///< y_pred holds logarithms of probabilities (as PyTorch's input)
  bool log_target = false;      ///< y_true too
  bool batch_mean = false;      ///< Mean divides by the extent of axis 0, not by the elements
  double epsilon = 1e-10;       ///< added to probabilities before their logarithm is taken
};

/// Kullback-Leibler divergence, element by element: y_true log((y_true + epsilon) / (y_pred +
/// epsilon)), 0 where y_true is 0. Of logarithms there is no epsilon.
/// Shapes, errors: see elementwise_loss; also Error(InvalidOperation) if epsilon < 0, and
/// Error(DimensionMismatch) for batch_mean of rank 0. Mean divides by the number of elements, which
/// is not the mean divergence of the rows: that is batch_mean.
/// Gradient: kl_div_loss_backward, _backward_true.
/// torch.nn.functional.kl_div (input and target swapped, log_prediction), NumRS2 kl_div_loss.
/// Kullback and Leibler 1951.
template <class T>
[[nodiscard]] Array<T> kl_div_loss(const View<T>& y_true, ViewArg<T> y_pred,
                                   ReductionMode mode = ReductionMode::Mean,
                                   const KlDivOptions& options = {});
template <class T>
[[nodiscard]] Array<T> kl_div_loss_backward(const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred,
                                            ReductionMode mode = ReductionMode::Mean,
                                            const KlDivOptions& options = {});
template <class T>
[[nodiscard]] Array<T> kl_div_loss_backward_true(const View<T>& dy, ViewArg<T> y_true,
                                                 ViewArg<T> y_pred,
                                                 ReductionMode mode = ReductionMode::Mean,
                                                 const KlDivOptions& options = {});

/// Hinge loss: max(0, 1 - y_true y_pred), y_true -1 or 1.
/// Shapes, errors: see elementwise_loss. Gradient: hinge_loss_backward, _backward_true; 0 at the
/// kink. Keras Hinge, NumRS2 hinge_loss. Cortes and Vapnik 1995.
template <class T>
[[nodiscard]] Array<T> hinge_loss(const View<T>& y_true, ViewArg<T> y_pred,
                                  ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::Hinge, y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Array<T> hinge_loss_backward(const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred,
                                           ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward(Loss::Hinge, dy, y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Array<T> hinge_loss_backward_true(const View<T>& dy, ViewArg<T> y_true,
                                                ViewArg<T> y_pred,
                                                ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward_true(Loss::Hinge, dy, y_true, y_pred, mode);
}

/// max(0, 1 - y_true y_pred)^2, y_true -1 or 1.
/// Shapes, errors: see elementwise_loss. Gradient: squared_hinge_loss_backward, _backward_true.
/// Keras SquaredHinge.
template <class T>
[[nodiscard]] Array<T> squared_hinge_loss(const View<T>& y_true, ViewArg<T> y_pred,
                                          ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::SquaredHinge, y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Array<T> squared_hinge_loss_backward(const View<T>& dy, ViewArg<T> y_true,
                                                   ViewArg<T> y_pred,
                                                   ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward(Loss::SquaredHinge, dy, y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Array<T> squared_hinge_loss_backward_true(const View<T>& dy, ViewArg<T> y_true,
                                                        ViewArg<T> y_pred,
                                                        ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward_true(Loss::SquaredHinge, dy, y_true, y_pred, mode);
}

/// log(1 + exp(-y_true y_pred)), y_true -1 or 1, without overflow.
/// Shapes, errors: see elementwise_loss. Gradient: soft_margin_loss_backward, _backward_true.
/// torch.nn.functional.soft_margin_loss.
template <class T>
[[nodiscard]] Array<T> soft_margin_loss(const View<T>& y_true, ViewArg<T> y_pred,
                                        ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::SoftMargin, y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Array<T> soft_margin_loss_backward(const View<T>& dy, ViewArg<T> y_true,
                                                 ViewArg<T> y_pred,
                                                 ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward(Loss::SoftMargin, dy, y_true, y_pred, mode);
}
template <class T>
[[nodiscard]] Array<T> soft_margin_loss_backward_true(const View<T>& dy, ViewArg<T> y_true,
                                                      ViewArg<T> y_pred,
                                                      ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward_true(Loss::SoftMargin, dy, y_true, y_pred, mode);
}

/// Which of two scores should be the greater: max(0, -y_true (x1 - x2) + margin), y_true 1 for x1
/// and -1 for x2.
///
/// y_true, x1 (...), x2 broadcasts to that. Errors: see elementwise_loss.
/// Gradient: margin_ranking_loss_backward_x1, _backward_x2, _backward_true.
/// torch.nn.functional.margin_ranking_loss (target last).
template <class T>
[[nodiscard]] Array<T> margin_ranking_loss(const View<T>& y_true, ViewArg<T> x1, ViewArg<T> x2,
                                           double margin = 0.0,
                                           ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss(Loss::MarginRanking, y_true, x1, mode, {.a = margin, .third = x2});
}
template <class T>
[[nodiscard]] Array<T> margin_ranking_loss_backward_x1(const View<T>& dy, ViewArg<T> y_true,
                                                       ViewArg<T> x1, ViewArg<T> x2,
                                                       double margin = 0.0,
                                                       ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward(Loss::MarginRanking, dy, y_true, x1, mode,
                                   {.a = margin, .third = x2});
}
template <class T>
[[nodiscard]] Array<T> margin_ranking_loss_backward_x2(const View<T>& dy, ViewArg<T> y_true,
                                                       ViewArg<T> x1, ViewArg<T> x2,
                                                       double margin = 0.0,
                                                       ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward_third(Loss::MarginRanking, dy, y_true, x1, mode,
                                         {.a = margin, .third = x2});
}
template <class T>
[[nodiscard]] Array<T> margin_ranking_loss_backward_true(const View<T>& dy, ViewArg<T> y_true,
                                                         ViewArg<T> x1, ViewArg<T> x2,
                                                         double margin = 0.0,
                                                         ReductionMode mode = ReductionMode::Mean) {
  return elementwise_loss_backward_true(Loss::MarginRanking, dy, y_true, x1, mode,
                                        {.a = margin, .third = x2});
}

}  // namespace lamina::nn
