#pragma once

#include "lamina/core/array.hpp"
#include "lamina/nn/types.hpp"

namespace lamina::nn {

struct LocalResponseOptions {
  double alpha = 1e-4;
  double beta = 0.75;
  double k = 1;
  DataFormat format = DataFormat::NCHW;
};

/// Divides each element by a power of the mean square of its neighbors in the channels.
///
///   y_c = x_c / (k + alpha / size * sum of x_j^2)^beta,
///   j from c - size / 2 to c + (size - 1) / 2, as far as there are such channels
///
/// x, out (N, C, ...) or, with NHWC, (N, ..., C); rank 2 or more, any strides. In place: out may be
/// x. Gradient: local_response_norm_backward.
/// Errors: DimensionMismatch for the rank and for an out of another shape; InvalidOperation for a
/// size below 1, for an out that overlaps x in part or is a broadcast view.
/// Numerics: NaN and infinities reach the elements whose window holds them.
/// torch.nn.functional.local_response_norm. ONNX LRN differs for even sizes: its window then starts
/// one channel later. Krizhevsky, Sutskever, Hinton 2012.
template <class T>
void local_response_norm_into(const View<T>& x, Index size, MutArg<T> out,
                              const LocalResponseOptions& options = {});
template <class T>
[[nodiscard]] Array<T> local_response_norm(const View<T>& x, Index size,
                                           const LocalResponseOptions& options = {});

/// dx of local_response_norm; s is the bracket, the sum is over the j whose window holds c.
///
///   dx_c = dy_c s_c^-beta - 2 alpha beta / size * x_c * sum of dy_j x_j s_j^(-beta - 1)
///
/// dy, x, dx  one shape. In place: dx may be dy or x.
template <class T>
void local_response_norm_backward_into(const View<T>& dy, ViewArg<T> x, Index size, MutArg<T> dx,
                                       const LocalResponseOptions& options = {});
template <class T>
[[nodiscard]] Array<T> local_response_norm_backward(const View<T>& dy, ViewArg<T> x, Index size,
                                                    const LocalResponseOptions& options = {});

}  // namespace lamina::nn
