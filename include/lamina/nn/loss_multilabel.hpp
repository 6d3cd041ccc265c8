#pragma once

#include <cstdint>

#include "lamina/core/array.hpp"
#include "lamina/nn/types.hpp"

// Losses over rows of classes that compare scores with margins, or allow several labels a row.
namespace lamina::nn {

template <class T>
struct MultiMarginOptions {
  int p = 1;            ///< 1, or 2 for squared margins
  double margin = 1.0;  ///< by which the label's score should lead
  View<T> weight{};     ///< (C): multiplies the loss of rows with this label
};

/// Multi-class hinge loss: sum over c other than the label of max(0, margin - x[label] + x[c])^p,
/// divided by C.
///
/// y_true (...) in 0 ... C-1, x (..., C)      returns () for Mean (over rows) and Sum, (...) for
/// None. Error(IndexOutOfBounds) for a label outside its range; Error(InvalidOperation) unless p is
/// 1 or 2; Error(DimensionMismatch) for shapes that do not fit.
/// Gradient: multi_margin_loss_backward. torch.nn.functional.multi_margin_loss. Crammer and Singer
/// 2001.
/// In place: no.
template <class T>
void multi_margin_loss_into(const View<std::int64_t>& y_true, const View<T>& x, MutArg<T> out,
                            ReductionMode mode = ReductionMode::Mean,
                            const MultiMarginOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] Array<T> multi_margin_loss(
    const View<std::int64_t>& y_true, const View<T>& x, ReductionMode mode = ReductionMode::Mean,
    const MultiMarginOptions<std::type_identity_t<T>>& options = {});
template <class T>
void multi_margin_loss_backward_into(
    const View<T>& dy, const View<std::int64_t>& y_true, ViewArg<T> x, MutArg<T> dx,
    ReductionMode mode = ReductionMode::Mean,
    const MultiMarginOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] Array<T> multi_margin_loss_backward(
    const View<T>& dy, const View<std::int64_t>& y_true, ViewArg<T> x,
    ReductionMode mode = ReductionMode::Mean,
    const MultiMarginOptions<std::type_identity_t<T>>& options = {});

/// Multi-label hinge loss: the sum over labels l and classes c that are no labels of
/// max(0, 1 - x[l] + x[c]), divided by C.
///
/// y_true (..., C): labels of each row, distinct, ended by -1; what follows is not looked at.
/// x (..., C)      returns () or (...). Error(IndexOutOfBounds) for a label outside its range;
/// Error(InvalidOperation) for a label that stands twice in a row; Error(DimensionMismatch) for
/// shapes that differ. Gradient: multi_label_margin_loss_backward.
/// torch.nn.functional.multilabel_margin_loss.
template <class T>
void multi_label_margin_loss_into(const View<std::int64_t>& y_true, const View<T>& x, MutArg<T> out,
                                  ReductionMode mode = ReductionMode::Mean);
template <class T>
[[nodiscard]] Array<T> multi_label_margin_loss(const View<std::int64_t>& y_true, const View<T>& x,
                                               ReductionMode mode = ReductionMode::Mean);
template <class T>
void multi_label_margin_loss_backward_into(const View<T>& dy, const View<std::int64_t>& y_true,
                                           ViewArg<T> x, MutArg<T> dx,
                                           ReductionMode mode = ReductionMode::Mean);
template <class T>
[[nodiscard]] Array<T> multi_label_margin_loss_backward(const View<T>& dy,
                                                        const View<std::int64_t>& y_true,
                                                        ViewArg<T> x,
                                                        ReductionMode mode = ReductionMode::Mean);

/// Multi-label cross entropy: bce_with_logits, the mean over the classes of each row.
///
/// y_true (..., C) of 0 and 1, logits (..., C), weight (C) multiplies each class
/// returns () for Mean (over rows) and Sum, (...) for None. Errors as bce_with_logits.
/// Gradient: multi_label_soft_margin_loss_backward.
/// torch.nn.functional.multilabel_soft_margin_loss.
template <class T>
void multi_label_soft_margin_loss_into(const View<T>& y_true, ViewArg<T> logits, MutArg<T> out,
                                       ReductionMode mode = ReductionMode::Mean,
                                       ViewArg<T> weight = {});
template <class T>
[[nodiscard]] Array<T> multi_label_soft_margin_loss(const View<T>& y_true, ViewArg<T> logits,
                                                    ReductionMode mode = ReductionMode::Mean,
                                                    ViewArg<T> weight = {});
template <class T>
void multi_label_soft_margin_loss_backward_into(const View<T>& dy, ViewArg<T> y_true,
                                                ViewArg<T> logits, MutArg<T> dx,
                                                ReductionMode mode = ReductionMode::Mean,
                                                ViewArg<T> weight = {});
template <class T>
[[nodiscard]] Array<T> multi_label_soft_margin_loss_backward(
    const View<T>& dy, ViewArg<T> y_true, ViewArg<T> logits,
    ReductionMode mode = ReductionMode::Mean, ViewArg<T> weight = {});

}  // namespace lamina::nn
