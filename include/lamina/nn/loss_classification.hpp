#pragma once

#include <cstdint>
#include <optional>

#include "lamina/core/array.hpp"
#include "lamina/nn/types.hpp"

namespace lamina::nn {

/// Options of the losses over classes.
template <class T>
struct ClassLossOptions {
  View<T> weight{};  ///< (C): what each class counts
  /// Rows with this label count nothing, whatever their scores; it need not be a class.
  std::optional<std::int64_t> ignore_index = std::nullopt;
  double label_smoothing = 0.0;  ///< this share of each target is spread evenly over all classes
  double epsilon = 1e-7;         ///< probabilities are at least this; 0 leaves them alone
};

/// Options of cross_entropy.
template <class T>
struct CrossEntropyOptions {
  ReductionMode mode = ReductionMode::Mean;
  View<T> weight{};  ///< (C): what each class counts
  /// Rows with this label count nothing, whatever their scores; it need not be a class.
  std::optional<std::int64_t> ignore_index = std::nullopt;
  double label_smoothing = 0.0;  ///< this share of each target is spread evenly over all classes
};

/// Cross entropy of logits and integer labels, fused: softmax and logarithm in one pass over each
/// row, no array in between.
///
///   loss(row) = -sum_c q_c log softmax(logits)_c,   q_c = weight_c ((1 - s) [c = label] + s / C)
///
/// y_true (...) in 0 ... C-1, logits (..., C), any strides      returns () for Mean and Sum, (...)
/// for None. Mean divides by the sum of weight[label] over the rows that are not ignored, and is 0
/// if that is 0. Of one row, logits (C), y_true has rank 0.
/// Error(IndexOutOfBounds) for a label outside its range, with its position;
/// Error(DimensionMismatch) for shapes that do not fit; Error(InvalidOperation) for label_smoothing
/// outside [0, 1].
/// Gradient: cross_entropy_backward. Numerics: sums in double, exact tails (no clamping); NaN in a
/// row gives NaN, in an ignored row nothing.
/// torch.nn.functional.cross_entropy, ONNX SoftmaxCrossEntropyLoss.
template <class T>
[[nodiscard]] Array<T> cross_entropy(
    const View<std::int64_t>& y_true, const View<T>& logits,
    const CrossEntropyOptions<std::type_identity_t<T>>& options = {});
/// The same with target distributions in place of labels: y_true (..., C), not necessarily summing
/// to 1; a target of 0 counts nothing even where the logit is -inf. Mean divides by the number of
/// rows. Error(InvalidOperation) if ignore_index is set.
/// Gradient: cross_entropy_backward, cross_entropy_backward_true. Szegedy et al. 2016,
/// arXiv:1512.00567 (label smoothing).
template <class T>
[[nodiscard]] Array<T> cross_entropy(
    const View<T>& y_true, ViewArg<T> logits,
    const CrossEntropyOptions<std::type_identity_t<T>>& options = {});

/// A loss and its gradient for dy = 1.
template <class T>
struct LossAndGradient {
  Array<T> loss;
  Array<T> gradient;
};

/// cross_entropy and its gradient with respect to the logits in one pass over the rows: what a
/// training step wants. For Mean and Sum the gradient is that of the loss; for None, of the sum of
/// the losses. Arguments, errors and numerics as cross_entropy and cross_entropy_backward; loss and
/// gradient must not overlap anything. In place: no.
template <class T>
void cross_entropy_with_gradient_into(
    const View<std::int64_t>& y_true, const View<T>& logits, MutArg<T> loss, MutArg<T> gradient,
    const CrossEntropyOptions<std::type_identity_t<T>>& options = {});
template <class T>
void cross_entropy_with_gradient_into(
    const View<T>& y_true, ViewArg<T> logits, MutArg<T> loss, MutArg<T> gradient,
    const CrossEntropyOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] LossAndGradient<T> cross_entropy_with_gradient(
    const View<std::int64_t>& y_true, const View<T>& logits,
    const CrossEntropyOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] LossAndGradient<T> cross_entropy_with_gradient(
    const View<T>& y_true, ViewArg<T> logits,
    const CrossEntropyOptions<std::type_identity_t<T>>& options = {});

/// Gradient of cross_entropy with respect to the logits: softmax sum(q) - q, times dy, which has
/// the shape of the loss. Errors as cross_entropy.
template <class T>
[[nodiscard]] Array<T> cross_entropy_backward(
    const View<T>& dy, const View<std::int64_t>& y_true, ViewArg<T> logits,
    const CrossEntropyOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] Array<T> cross_entropy_backward(
    const View<T>& dy, ViewArg<T> y_true, ViewArg<T> logits,
    const CrossEntropyOptions<std::type_identity_t<T>>& options = {});
/// With respect to the target distributions.
template <class T>
[[nodiscard]] Array<T> cross_entropy_backward_true(
    const View<T>& dy, ViewArg<T> y_true, ViewArg<T> logits,
    const CrossEntropyOptions<std::type_identity_t<T>>& options = {});
/// Into `out`, which may be logits.
template <class T>
void cross_entropy_backward_into(const View<T>& dy, const View<std::int64_t>& y_true,
                                 ViewArg<T> logits, MutArg<T> out,
                                 const CrossEntropyOptions<std::type_identity_t<T>>& options = {});

template <class T>
void cross_entropy_backward_into(const View<T>& dy, ViewArg<T> y_true, ViewArg<T> logits,
                                 MutArg<T> out,
                                 const CrossEntropyOptions<std::type_identity_t<T>>& options = {});

/// Cross entropy of probabilities and integer labels: -log(max(y_pred[label], epsilon)).
///
/// y_true (...) in 0 ... C-1, y_pred (..., C), rows not normalized      returns () or (...).
/// Mean, weight, ignore_index, label_smoothing, errors: as cross_entropy; also
/// Error(InvalidOperation) for epsilon outside [0, 1).
/// Gradient: sparse_categorical_cross_entropy_backward, 0 where y_pred < epsilon.
/// Prefer cross_entropy from logits: it has no epsilon and its gradient never vanishes.
/// Keras SparseCategoricalCrossentropy, NumRS2 sparse_categorical_cross_entropy.
template <class T>
[[nodiscard]] Array<T> sparse_categorical_cross_entropy(
    const View<std::int64_t>& y_true, const View<T>& y_pred,
    ReductionMode mode = ReductionMode::Mean,
    const ClassLossOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] Array<T> sparse_categorical_cross_entropy_backward(
    const View<T>& dy, const View<std::int64_t>& y_true, ViewArg<T> y_pred,
    ReductionMode mode = ReductionMode::Mean,
    const ClassLossOptions<std::type_identity_t<T>>& options = {});

/// Cross entropy of probabilities and target distributions: -sum_c y_true_c log(max(y_pred_c,
/// epsilon)).
///
/// y_true, y_pred (..., C)      returns () or (...). Mean divides by the number of rows. A target
/// of 0 counts nothing. Options and errors as sparse_categorical_cross_entropy; ignore_index is an
/// Error(InvalidOperation). Gradient: categorical_cross_entropy_backward, _backward_true.
/// Keras CategoricalCrossentropy, NumRS2 categorical_cross_entropy.
template <class T>
[[nodiscard]] Array<T> categorical_cross_entropy(
    const View<T>& y_true, ViewArg<T> y_pred, ReductionMode mode = ReductionMode::Mean,
    const ClassLossOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] Array<T> categorical_cross_entropy_backward(
    const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred,
    ReductionMode mode = ReductionMode::Mean,
    const ClassLossOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] Array<T> categorical_cross_entropy_backward_true(
    const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred,
    ReductionMode mode = ReductionMode::Mean,
    const ClassLossOptions<std::type_identity_t<T>>& options = {});

/// Negative log-likelihood: -weight[label] log_probs[label], for the output of log_softmax.
///
/// y_true (...) in 0 ... C-1, log_probs (..., C)      returns () or (...). Mean, options (epsilon
/// has no part in it) and errors: as cross_entropy. Gradient: nll_loss_backward.
/// torch.nn.functional.nll_loss, ONNX NegativeLogLikelihoodLoss, NumRS2 nll_loss.
template <class T>
[[nodiscard]] Array<T> nll_loss(const View<std::int64_t>& y_true, const View<T>& log_probs,
                                ReductionMode mode = ReductionMode::Mean,
                                const ClassLossOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] Array<T> nll_loss_backward(
    const View<T>& dy, const View<std::int64_t>& y_true, ViewArg<T> log_probs,
    ReductionMode mode = ReductionMode::Mean,
    const ClassLossOptions<std::type_identity_t<T>>& options = {});

// The losses, and the gradients with respect to target distributions, into memory of its own.

template <class T>
void cross_entropy_into(const View<std::int64_t>& y_true, const View<T>& logits, MutArg<T> out,
                        const CrossEntropyOptions<std::type_identity_t<T>>& options = {});
template <class T>
void cross_entropy_into(const View<T>& y_true, ViewArg<T> logits, MutArg<T> out,
                        const CrossEntropyOptions<std::type_identity_t<T>>& options = {});
template <class T>
void cross_entropy_backward_true_into(
    const View<T>& dy, ViewArg<T> y_true, ViewArg<T> logits, MutArg<T> out,
    const CrossEntropyOptions<std::type_identity_t<T>>& options = {});
template <class T>
void sparse_categorical_cross_entropy_into(
    const View<std::int64_t>& y_true, const View<T>& y_pred, MutArg<T> out,
    ReductionMode mode = ReductionMode::Mean,
    const ClassLossOptions<std::type_identity_t<T>>& options = {});
template <class T>
void categorical_cross_entropy_into(const View<T>& y_true, ViewArg<T> y_pred, MutArg<T> out,
                                    ReductionMode mode = ReductionMode::Mean,
                                    const ClassLossOptions<std::type_identity_t<T>>& options = {});
template <class T>
void categorical_cross_entropy_backward_true_into(
    const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred, MutArg<T> out,
    ReductionMode mode = ReductionMode::Mean,
    const ClassLossOptions<std::type_identity_t<T>>& options = {});
template <class T>
void nll_loss_into(const View<std::int64_t>& y_true, const View<T>& log_probs, MutArg<T> out,
                   ReductionMode mode = ReductionMode::Mean,
                   const ClassLossOptions<std::type_identity_t<T>>& options = {});

// Gradients with respect to the scores, into `out`, which may be the scores.

template <class T>
void sparse_categorical_cross_entropy_backward_into(
    const View<T>& dy, const View<std::int64_t>& y_true, ViewArg<T> y_pred, MutArg<T> out,
    ReductionMode mode = ReductionMode::Mean,
    const ClassLossOptions<std::type_identity_t<T>>& options = {});
template <class T>
void categorical_cross_entropy_backward_into(
    const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred, MutArg<T> out,
    ReductionMode mode = ReductionMode::Mean,
    const ClassLossOptions<std::type_identity_t<T>>& options = {});
template <class T>
void nll_loss_backward_into(const View<T>& dy, const View<std::int64_t>& y_true,
                            ViewArg<T> log_probs, MutArg<T> out,
                            ReductionMode mode = ReductionMode::Mean,
                            const ClassLossOptions<std::type_identity_t<T>>& options = {});

}  // namespace lamina::nn
