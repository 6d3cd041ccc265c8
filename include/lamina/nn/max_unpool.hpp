#pragma once

#include <cstdint>

#include "lamina/core/array.hpp"
#include "lamina/nn/pooling.hpp"
#include "lamina/nn/types.hpp"

namespace lamina::nn {

template <int Rank>
struct UnpoolOptions {
  [[no_unique_address]] lamina::detail::ByName by_name = lamina::detail::ByName();
  PerAxis<Rank> stride = kStrideOfKernel;
  PaddingMode padding = {};
  /// Extents of the result; 0: (in - 1) * stride + kernel - padding before and behind.
  PerAxis<Rank> output_extents = 0;
  DataFormat format = DataFormat::NCHW;
};
using Unpool1dOptions = UnpoolOptions<1>;
using Unpool2dOptions = UnpoolOptions<2>;
using Unpool3dOptions = UnpoolOptions<3>;

namespace detail {
template <class T, int Rank>
void max_unpool_into(const View<T>& x, const View<std::int64_t>& indices, const MutView<T>& out,
                     DataFormat format);
template <class T, int Rank>
[[nodiscard]] Array<T> max_unpool(const View<T>& x, const View<std::int64_t>& indices,
                                  const PerAxis<Rank>& kernel, const UnpoolOptions<Rank>& options);
template <class T, int Rank>
void max_unpool_backward_into(const View<T>& dy, const View<std::int64_t>& indices,
                              const MutView<T>& dx, DataFormat format);
template <class T, int Rank>
[[nodiscard]] Array<T> max_unpool_backward(const View<T>& dy, const View<std::int64_t>& indices,
                                           DataFormat format);
}  // namespace detail

/// Puts the maxima that max pooling found back where they were, zeros elsewhere.
///
///   y[n, c, indices[n, c, i]] = x[n, c, i]
///
/// x, indices  (N, C, spatial...) or as format says; a sample or a single map too. indices as
///             max_pool2d_with_indices gives them; where two are equal the last one counts, -1 is
///             nowhere.
/// returns     as x, with options.output_extents, or those that pooling with this kernel, stride
///             and padding comes from; of _into, out's shape says them
///
/// float and double; any strides. In place: no. Error(DimensionMismatch): rank, shapes.
/// Error(IndexOutOfBounds): an index beyond the result. Error(InvalidOperation): kernel, stride or
/// an extent < 1, PaddingMode::same() without output_extents, overlap. Gradient:
/// max_unpool2d_backward. As torch.nn.functional.max_unpool2d, ONNX MaxUnpool (which counts indices
/// through the whole result).
template <class T>
void max_unpool1d_into(const View<T>& x, const View<std::int64_t>& indices, MutArg<T> out,
                       DataFormat format = DataFormat::NCHW) {
  detail::max_unpool_into<T, 1>(x, indices, out, format);
}
template <class T>
[[nodiscard]] Array<T> max_unpool1d(const View<T>& x, const View<std::int64_t>& indices,
                                    const PerAxis<1>& kernel, const Unpool1dOptions& options = {}) {
  return detail::max_unpool<T, 1>(x, indices, kernel, options);
}
template <class T>
void max_unpool2d_into(const View<T>& x, const View<std::int64_t>& indices, MutArg<T> out,
                       DataFormat format = DataFormat::NCHW) {
  detail::max_unpool_into<T, 2>(x, indices, out, format);
}
template <class T>
[[nodiscard]] Array<T> max_unpool2d(const View<T>& x, const View<std::int64_t>& indices,
                                    const PerAxis<2>& kernel, const Unpool2dOptions& options = {}) {
  return detail::max_unpool<T, 2>(x, indices, kernel, options);
}
template <class T>
void max_unpool3d_into(const View<T>& x, const View<std::int64_t>& indices, MutArg<T> out,
                       DataFormat format = DataFormat::NCHW) {
  detail::max_unpool_into<T, 3>(x, indices, out, format);
}
template <class T>
[[nodiscard]] Array<T> max_unpool3d(const View<T>& x, const View<std::int64_t>& indices,
                                    const PerAxis<3>& kernel, const Unpool3dOptions& options = {}) {
  return detail::max_unpool<T, 3>(x, indices, kernel, options);
}

/// dx[n, c, i] = dy[n, c, indices[n, c, i]].
template <class T>
void max_unpool1d_backward_into(const View<T>& dy, const View<std::int64_t>& indices, MutArg<T> dx,
                                DataFormat format = DataFormat::NCHW) {
  detail::max_unpool_backward_into<T, 1>(dy, indices, dx, format);
}
template <class T>
[[nodiscard]] Array<T> max_unpool1d_backward(const View<T>& dy, const View<std::int64_t>& indices,
                                             DataFormat format = DataFormat::NCHW) {
  return detail::max_unpool_backward<T, 1>(dy, indices, format);
}
template <class T>
void max_unpool2d_backward_into(const View<T>& dy, const View<std::int64_t>& indices, MutArg<T> dx,
                                DataFormat format = DataFormat::NCHW) {
  detail::max_unpool_backward_into<T, 2>(dy, indices, dx, format);
}
template <class T>
[[nodiscard]] Array<T> max_unpool2d_backward(const View<T>& dy, const View<std::int64_t>& indices,
                                             DataFormat format = DataFormat::NCHW) {
  return detail::max_unpool_backward<T, 2>(dy, indices, format);
}
template <class T>
void max_unpool3d_backward_into(const View<T>& dy, const View<std::int64_t>& indices, MutArg<T> dx,
                                DataFormat format = DataFormat::NCHW) {
  detail::max_unpool_backward_into<T, 3>(dy, indices, dx, format);
}
template <class T>
[[nodiscard]] Array<T> max_unpool3d_backward(const View<T>& dy, const View<std::int64_t>& indices,
                                             DataFormat format = DataFormat::NCHW) {
  return detail::max_unpool_backward<T, 3>(dy, indices, format);
}

}  // namespace lamina::nn
