#pragma once

#include "lamina/core/array.hpp"
#include "lamina/core/view.hpp"
#include "lamina/export.hpp"

namespace lamina::nn {

/// Along which axis, and how sharply. The same options go to an operation and to its gradient.
struct SoftmaxOptions {
  int axis = -1;             ///< -1 is the last
  double temperature = 1.0;  ///< x is divided by it: above 1 flatter, below 1 sharper
};

/// Softmax along one axis: positive numbers that sum to 1.
///
///   y_i = exp(x_i / t) / sum_j exp(x_j / t)
///
/// x         (any shape of rank 1 or more)      returns the shape of x
/// In place: softmax_into(x, x).  Gradient: softmax_backward, from the output y.
/// Errors: DimensionMismatch for an empty axis or an `out` of another shape; IndexOutOfBounds for
/// the axis; InvalidOperation for a temperature that is not positive and finite, for an `out` that
/// overlaps x in part. Zero rows of a nonempty axis are legal.
/// Numerics: the largest element is subtracted first, so nothing overflows. Relative error within
/// (4 + |x_i - max| / t) ULP; long sums are cut into blocks. A NaN or a +inf makes its whole row
/// NaN, and so does a row of nothing but -inf; other -inf entries get 0.
/// As torch.nn.functional.softmax, ONNX Softmax (opset 13), numrs2::nn::softmax.
template <class T>
void softmax_into(const View<T>& x, MutArg<T> out, const SoftmaxOptions& options = {});
template <class T>
[[nodiscard]] Array<T> softmax(const View<T>& x, const SoftmaxOptions& options = {});

/// Softmax of a matrix along axis 1 (each row) or 0 (each column). Error(DimensionMismatch) unless
/// x has rank 2; otherwise as softmax.
template <class T>
[[nodiscard]] Array<T> softmax_2d(const View<T>& x, int axis = 1);

/// dx of softmax, from dy and the output y (not the input x).
///
///   dx_i = y_i * (dy_i - sum_j dy_j y_j) / t
///
/// dy, y, dx  one shape.  In place: dx may be dy or y.
/// Errors: as softmax; DimensionMismatch if the shapes differ. Numerics: NaN propagates in its row.
/// As torch's _softmax_backward_data.
template <class T>
void softmax_backward_into(const View<T>& dy, ViewArg<T> y, MutArg<T> dx,
                           const SoftmaxOptions& options = {});
template <class T>
[[nodiscard]] Array<T> softmax_backward(const View<T>& dy, ViewArg<T> y,
                                        const SoftmaxOptions& options = {});

/// Logarithm of softmax along one axis, exact where softmax itself underflows.
///
///   y_i = x_i / t - log sum_j exp(x_j / t)
///
/// Shapes, in place, errors, NaN and infinities: as softmax; a -inf among finite entries stays
/// -inf.  Gradient: log_softmax_backward, from the output y.
/// Numerics: computed as (x_i - max) / t - log(sum); absolute error within a few ULP of
/// max(1, |y_i|).
/// As torch.nn.functional.log_softmax, ONNX LogSoftmax (opset 13), numrs2::nn::log_softmax.
template <class T>
void log_softmax_into(const View<T>& x, MutArg<T> out, const SoftmaxOptions& options = {});
template <class T>
[[nodiscard]] Array<T> log_softmax(const View<T>& x, const SoftmaxOptions& options = {});

/// Log-softmax of a matrix along axis 1 (each row) or 0 (each column). Error(DimensionMismatch)
/// unless x has rank 2; otherwise as log_softmax.
template <class T>
[[nodiscard]] Array<T> log_softmax_2d(const View<T>& x, int axis = 1);

/// dx of log_softmax, from dy and the output y (not the input x).
///
///   dx_i = (dy_i - exp(y_i) * sum_j dy_j) / t
///
/// dy, y, dx  one shape.  In place: dx may be dy or y.
/// Errors and NaN: as softmax_backward. As torch's _log_softmax_backward_data.
template <class T>
void log_softmax_backward_into(const View<T>& dy, ViewArg<T> y, MutArg<T> dx,
                               const SoftmaxOptions& options = {});
template <class T>
[[nodiscard]] Array<T> log_softmax_backward(const View<T>& dy, ViewArg<T> y,
                                            const SoftmaxOptions& options = {});

/// Softmax of -x: the smallest element gets the largest share. Everything else as softmax, except
/// that a -inf makes its row NaN and a +inf gets 0.
///
///   y_i = exp(-x_i / t) / sum_j exp(-x_j / t)
///
/// Gradient: softmin_backward, from the output y.  As torch.nn.functional.softmin.
template <class T>
void softmin_into(const View<T>& x, MutArg<T> out, const SoftmaxOptions& options = {});
template <class T>
[[nodiscard]] Array<T> softmin(const View<T>& x, const SoftmaxOptions& options = {});

/// dx of softmin, from dy and the output y: the negated softmax_backward.
///
///   dx_i = -y_i * (dy_i - sum_j dy_j y_j) / t
///
/// Shapes, in place and errors: as softmax_backward.
template <class T>
void softmin_backward_into(const View<T>& dy, ViewArg<T> y, MutArg<T> dx,
                           const SoftmaxOptions& options = {});
template <class T>
[[nodiscard]] Array<T> softmin_backward(const View<T>& dy, ViewArg<T> y,
                                        const SoftmaxOptions& options = {});

}  // namespace lamina::nn
