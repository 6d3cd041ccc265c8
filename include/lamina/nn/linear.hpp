#pragma once

#include "lamina/core/array.hpp"

namespace lamina::nn {

/// Matrix product over the last two axes.
///
///   out[..., i, j] = sum over k of a[..., i, k] * b[..., k, j]
///
/// a (..., M, K)   b (..., K, N)   returns (..., M, N). Leading axes broadcast as in NumPy. A
/// vector a (K) is a row, a vector b (K) a column, and that axis is absent from the result. float
/// and double; any strides. In place: no, out must not overlap a or b. Error(DimensionMismatch):
/// rank 0, K differs, leading axes do not broadcast, shape of out. Error(InvalidOperation): out
/// overlaps a or b. Gradient: matmul_backward_a, matmul_backward_b. Numerics: |error| <= n u sum|a
/// b|, u half an epsilon, n = min(K, 512) + K / 256 + 5; with up to eight rows or columns n = K
/// + 5. The same bits on any number of threads. K = 0 gives zeros. NaN and infinities propagate as
/// IEEE 754 says; no product is skipped. Same as torch.matmul, numpy.matmul, ONNX MatMul, NumRS2
/// simd_matmul_f32.
template <class T>
void matmul_into(const View<T>& a, ViewArg<T> b, MutArg<T> out);
template <class T>
[[nodiscard]] Array<T> matmul(const View<T>& a, ViewArg<T> b);

/// Gradient of matmul to a.
///
///   da = dy b^T, summed over the axes along which a was broadcast
///
/// dy has the shape of the result, da that of a. Errors and numerics as for matmul.
template <class T>
void matmul_backward_a_into(const View<T>& dy, ViewArg<T> b, MutArg<T> da);
template <class T>
[[nodiscard]] Array<T> matmul_backward_a(const View<T>& dy, ViewArg<T> b, const Shape& a_shape);

/// Gradient of matmul to b.
///
///   db = a^T dy, summed over the axes along which b was broadcast
///
/// dy has the shape of the result, db that of b. Errors and numerics as for matmul.
template <class T>
void matmul_backward_b_into(const View<T>& dy, ViewArg<T> a, MutArg<T> db);
template <class T>
[[nodiscard]] Array<T> matmul_backward_b(const View<T>& dy, ViewArg<T> a, const Shape& b_shape);

/// Fully connected layer.
///
///   out = x weight^T + bias
///
/// x (..., in)   weight (out, in)   bias (out) or absent   returns (..., out).
/// float and double; any strides. In place: no, out must not overlap an input.
/// Error(DimensionMismatch): rank 0 or number of features. Error(InvalidOperation): overlap.
/// Gradient: linear_backward_input, linear_backward_weight, linear_backward_bias.
/// Numerics: as matmul.
/// Same as torch.nn.functional.linear, ONNX Gemm with transB = 1.
template <class T>
void linear_into(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias, MutArg<T> out);
template <class T>
[[nodiscard]] Array<T> linear(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias = {});

/// dx = dy weight.   dy (..., out)   weight (out, in)   returns (..., in).
/// Errors and numerics as for linear.
template <class T>
void linear_backward_input_into(const View<T>& dy, ViewArg<T> weight, MutArg<T> dx);
template <class T>
[[nodiscard]] Array<T> linear_backward_input(const View<T>& dy, ViewArg<T> weight);

/// dweight = dy^T x, summed over all leading axes.   dy (..., out)   x (..., in)   returns (out,
/// in). Errors and numerics as for linear, with K the number of rows.
template <class T>
void linear_backward_weight_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dweight);
template <class T>
[[nodiscard]] Array<T> linear_backward_weight(const View<T>& dy, ViewArg<T> x);

/// dbias = sum of dy over all leading axes.   dy (..., out)   returns (out).
/// Errors and numerics as for linear, with K the number of rows.
template <class T>
void linear_backward_bias_into(const View<T>& dy, MutArg<T> dbias);
template <class T>
[[nodiscard]] Array<T> linear_backward_bias(const View<T>& dy);

}  // namespace lamina::nn
