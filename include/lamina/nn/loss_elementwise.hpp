#pragma once

#include <optional>

#include "lamina/core/array.hpp"
#include "lamina/nn/loss_table.hpp"
#include "lamina/nn/types.hpp"

namespace lamina::nn {

/// What a loss of the table takes beside its two arrays.
template <class T>
struct LossOptions {
  std::optional<double> a = std::nullopt;  ///< first parameter; the table's default if absent
  std::optional<double> b = std::nullopt;
  View<T> weight{};  ///< multiplies each element's loss; broadcast to the shape of y_true
  View<T> third{};   ///< the third array of those losses that have one; broadcast likewise
};

/// Any loss of `kLossTable`, between arrays of one shape.
///
/// y_true, y_pred (...)      returns () for Mean and Sum, (...) for None
/// Mean divides by the number of elements; of none it is 0. Sums are accumulated in double, in an
/// order that does not depend on the number of threads. NaN anywhere gives NaN.
/// Error(DimensionMismatch) for shapes that differ or do not broadcast, Error(InvalidOperation) for
/// parameters outside their domain or arrays missing.
/// Gradient: elementwise_loss_backward, _backward_true, _backward_third.
template <class T>
[[nodiscard]] Array<T> elementwise_loss(Loss kind, const View<T>& y_true, ViewArg<T> y_pred,
                                        ReductionMode mode = ReductionMode::Mean,
                                        const LossOptions<std::type_identity_t<T>>& options = {});
/// Likewise into `out`, which for None may be y_true or y_pred.
template <class T>
void elementwise_loss_into(Loss kind, const View<T>& y_true, ViewArg<T> y_pred, MutArg<T> out,
                           ReductionMode mode = ReductionMode::Mean,
                           const LossOptions<std::type_identity_t<T>>& options = {});

/// Gradients for dy of the shape of the loss: with respect to y_pred, to y_true, and to the third
/// array, each of the shape of y_true. Parameters as in the forward call. `out` may be y_true or
/// y_pred, and for None dy.
template <class T>
[[nodiscard]] Array<T> elementwise_loss_backward(
    Loss kind, const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred,
    ReductionMode mode = ReductionMode::Mean,
    const LossOptions<std::type_identity_t<T>>& options = {});
template <class T>
void elementwise_loss_backward_into(Loss kind, const View<T>& dy, ViewArg<T> y_true,
                                    ViewArg<T> y_pred, MutArg<T> out,
                                    ReductionMode mode = ReductionMode::Mean,
                                    const LossOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] Array<T> elementwise_loss_backward_true(
    Loss kind, const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred,
    ReductionMode mode = ReductionMode::Mean,
    const LossOptions<std::type_identity_t<T>>& options = {});
template <class T>
void elementwise_loss_backward_true_into(Loss kind, const View<T>& dy, ViewArg<T> y_true,
                                         ViewArg<T> y_pred, MutArg<T> out,
                                         ReductionMode mode = ReductionMode::Mean,
                                         const LossOptions<std::type_identity_t<T>>& options = {});
template <class T>
void elementwise_loss_backward_third_into(Loss kind, const View<T>& dy, ViewArg<T> y_true,
                                          ViewArg<T> y_pred, MutArg<T> out,
                                          ReductionMode mode = ReductionMode::Mean,
                                          const LossOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] Array<T> elementwise_loss_backward_third(
    Loss kind, const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred,
    ReductionMode mode = ReductionMode::Mean,
    const LossOptions<std::type_identity_t<T>>& options = {});

}  // namespace lamina::nn
