#pragma once

#include <cstdint>

#include "lamina/core/array.hpp"
#include "lamina/nn/pooling.hpp"
#include "lamina/nn/types.hpp"

/// Pooling to extents that are given: adaptive, and global, to one number for each channel.
///
///   y[n, c, o] = pool over i from floor(o * in / out) to ceil((o + 1) * in / out) of x[n, c, i]
///
/// on each spatial axis; windows overlap where out does not divide in, and repeat elements where it
/// is larger.
///
/// x        (N, C, spatial...), or (N, spatial..., C) for DataFormat::NHWC; without N: one sample;
///          without N and C: a single map
///
/// float and double; any strides. In place: no, out must not overlap x. Error(DimensionMismatch):
/// rank, shape of out or indices. Error(InvalidOperation): an output extent < 1, a spatial axis of
/// x without elements, overlap. NaN as in nn/pooling.hpp. The same bits on any number of threads.
namespace lamina::nn {

namespace detail {
template <class T, int Rank>
void adaptive_pool_into(bool max, const View<T>& x, const MutView<T>& out,
                        const MutView<std::int64_t>* indices, DataFormat format);
template <class T, int Rank>
[[nodiscard]] MaxPoolResult<T> adaptive_pool(bool max, const View<T>& x,
                                             const PerAxis<Rank>& extents, bool with_indices,
                                             DataFormat format);
template <class T, int Rank>
void adaptive_max_pool_backward_into(const View<T>& dy, const View<T>& x, const MutView<T>& dx,
                                     DataFormat format);
template <class T, int Rank>
[[nodiscard]] Array<T> adaptive_max_pool_backward(const View<T>& dy, const View<T>& x,
                                                  DataFormat format);
template <class T, int Rank>
void adaptive_avg_pool_backward_into(const View<T>& dy, const MutView<T>& dx, DataFormat format);
template <class T, int Rank>
[[nodiscard]] Array<T> adaptive_avg_pool_backward(const View<T>& dy, const Shape& x_shape,
                                                  DataFormat format);
}  // namespace detail

/// The mean of each window; of _into, out's shape says the extents. Gradient:
/// adaptive_avg_pool2d_backward. Numerics: as avg_pool2d. As
/// torch.nn.functional.adaptive_avg_pool2d, NumRS2 adaptive_avg_pool2d, whose windows end at the
/// floor: adaptive_avg_pool2d(x, {4, 4}).
template <class T>
void adaptive_avg_pool1d_into(const View<T>& x, MutArg<T> out,
                              DataFormat format = DataFormat::NCHW) {
  detail::adaptive_pool_into<T, 1>(false, x, out, nullptr, format);
}
template <class T>
[[nodiscard]] Array<T> adaptive_avg_pool1d(const View<T>& x, const PerAxis<1>& extents,
                                           DataFormat format = DataFormat::NCHW) {
  return detail::adaptive_pool<T, 1>(false, x, extents, false, format).values;
}
template <class T>
void adaptive_avg_pool2d_into(const View<T>& x, MutArg<T> out,
                              DataFormat format = DataFormat::NCHW) {
  detail::adaptive_pool_into<T, 2>(false, x, out, nullptr, format);
}
template <class T>
[[nodiscard]] Array<T> adaptive_avg_pool2d(const View<T>& x, const PerAxis<2>& extents,
                                           DataFormat format = DataFormat::NCHW) {
  return detail::adaptive_pool<T, 2>(false, x, extents, false, format).values;
}
template <class T>
void adaptive_avg_pool3d_into(const View<T>& x, MutArg<T> out,
                              DataFormat format = DataFormat::NCHW) {
  detail::adaptive_pool_into<T, 3>(false, x, out, nullptr, format);
}
template <class T>
[[nodiscard]] Array<T> adaptive_avg_pool3d(const View<T>& x, const PerAxis<3>& extents,
                                           DataFormat format = DataFormat::NCHW) {
  return detail::adaptive_pool<T, 3>(false, x, extents, false, format).values;
}

/// dx: each element collects dy / elements of the windows that hold it.
template <class T>
void adaptive_avg_pool1d_backward_into(const View<T>& dy, MutArg<T> dx,
                                       DataFormat format = DataFormat::NCHW) {
  detail::adaptive_avg_pool_backward_into<T, 1>(dy, dx, format);
}
template <class T>
[[nodiscard]] Array<T> adaptive_avg_pool1d_backward(const View<T>& dy, const Shape& x_shape,
                                                    DataFormat format = DataFormat::NCHW) {
  return detail::adaptive_avg_pool_backward<T, 1>(dy, x_shape, format);
}
template <class T>
void adaptive_avg_pool2d_backward_into(const View<T>& dy, MutArg<T> dx,
                                       DataFormat format = DataFormat::NCHW) {
  detail::adaptive_avg_pool_backward_into<T, 2>(dy, dx, format);
}
template <class T>
[[nodiscard]] Array<T> adaptive_avg_pool2d_backward(const View<T>& dy, const Shape& x_shape,
                                                    DataFormat format = DataFormat::NCHW) {
  return detail::adaptive_avg_pool_backward<T, 2>(dy, x_shape, format);
}
template <class T>
void adaptive_avg_pool3d_backward_into(const View<T>& dy, MutArg<T> dx,
                                       DataFormat format = DataFormat::NCHW) {
  detail::adaptive_avg_pool_backward_into<T, 3>(dy, dx, format);
}
template <class T>
[[nodiscard]] Array<T> adaptive_avg_pool3d_backward(const View<T>& dy, const Shape& x_shape,
                                                    DataFormat format = DataFormat::NCHW) {
  return detail::adaptive_avg_pool_backward<T, 3>(dy, x_shape, format);
}

/// The greatest element of each window, and where it is, as max_pool2d and
/// max_pool2d_with_indices say. Gradients: adaptive_max_pool2d_backward; with the indices:
/// max_pool2d_backward. As torch.nn.functional.adaptive_max_pool2d.
template <class T>
void adaptive_max_pool1d_into(const View<T>& x, MutArg<T> out,
                              DataFormat format = DataFormat::NCHW) {
  detail::adaptive_pool_into<T, 1>(true, x, out, nullptr, format);
}
template <class T>
[[nodiscard]] Array<T> adaptive_max_pool1d(const View<T>& x, const PerAxis<1>& extents,
                                           DataFormat format = DataFormat::NCHW) {
  return detail::adaptive_pool<T, 1>(true, x, extents, false, format).values;
}
template <class T>
void adaptive_max_pool1d_with_indices_into(const View<T>& x, MutArg<T> out,
                                           const MutView<std::int64_t>& indices,
                                           DataFormat format = DataFormat::NCHW) {
  detail::adaptive_pool_into<T, 1>(true, x, out, &indices, format);
}
template <class T>
[[nodiscard]] MaxPoolResult<T> adaptive_max_pool1d_with_indices(
    const View<T>& x, const PerAxis<1>& extents, DataFormat format = DataFormat::NCHW) {
  return detail::adaptive_pool<T, 1>(true, x, extents, true, format);
}
template <class T>
void adaptive_max_pool2d_into(const View<T>& x, MutArg<T> out,
                              DataFormat format = DataFormat::NCHW) {
  detail::adaptive_pool_into<T, 2>(true, x, out, nullptr, format);
}
template <class T>
[[nodiscard]] Array<T> adaptive_max_pool2d(const View<T>& x, const PerAxis<2>& extents,
                                           DataFormat format = DataFormat::NCHW) {
  return detail::adaptive_pool<T, 2>(true, x, extents, false, format).values;
}
template <class T>
void adaptive_max_pool2d_with_indices_into(const View<T>& x, MutArg<T> out,
                                           const MutView<std::int64_t>& indices,
                                           DataFormat format = DataFormat::NCHW) {
  detail::adaptive_pool_into<T, 2>(true, x, out, &indices, format);
}
template <class T>
[[nodiscard]] MaxPoolResult<T> adaptive_max_pool2d_with_indices(
    const View<T>& x, const PerAxis<2>& extents, DataFormat format = DataFormat::NCHW) {
  return detail::adaptive_pool<T, 2>(true, x, extents, true, format);
}
template <class T>
void adaptive_max_pool3d_into(const View<T>& x, MutArg<T> out,
                              DataFormat format = DataFormat::NCHW) {
  detail::adaptive_pool_into<T, 3>(true, x, out, nullptr, format);
}
template <class T>
[[nodiscard]] Array<T> adaptive_max_pool3d(const View<T>& x, const PerAxis<3>& extents,
                                           DataFormat format = DataFormat::NCHW) {
  return detail::adaptive_pool<T, 3>(true, x, extents, false, format).values;
}
template <class T>
void adaptive_max_pool3d_with_indices_into(const View<T>& x, MutArg<T> out,
                                           const MutView<std::int64_t>& indices,
                                           DataFormat format = DataFormat::NCHW) {
  detail::adaptive_pool_into<T, 3>(true, x, out, &indices, format);
}
template <class T>
[[nodiscard]] MaxPoolResult<T> adaptive_max_pool3d_with_indices(
    const View<T>& x, const PerAxis<3>& extents, DataFormat format = DataFormat::NCHW) {
  return detail::adaptive_pool<T, 3>(true, x, extents, true, format);
}

/// dx: each element of dy goes to where the maximum of its window is in x.
template <class T>
void adaptive_max_pool1d_backward_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dx,
                                       DataFormat format = DataFormat::NCHW) {
  detail::adaptive_max_pool_backward_into<T, 1>(dy, x, dx, format);
}
template <class T>
[[nodiscard]] Array<T> adaptive_max_pool1d_backward(const View<T>& dy, ViewArg<T> x,
                                                    DataFormat format = DataFormat::NCHW) {
  return detail::adaptive_max_pool_backward<T, 1>(dy, x, format);
}
template <class T>
void adaptive_max_pool2d_backward_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dx,
                                       DataFormat format = DataFormat::NCHW) {
  detail::adaptive_max_pool_backward_into<T, 2>(dy, x, dx, format);
}
template <class T>
[[nodiscard]] Array<T> adaptive_max_pool2d_backward(const View<T>& dy, ViewArg<T> x,
                                                    DataFormat format = DataFormat::NCHW) {
  return detail::adaptive_max_pool_backward<T, 2>(dy, x, format);
}
template <class T>
void adaptive_max_pool3d_backward_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dx,
                                       DataFormat format = DataFormat::NCHW) {
  detail::adaptive_max_pool_backward_into<T, 3>(dy, x, dx, format);
}
template <class T>
[[nodiscard]] Array<T> adaptive_max_pool3d_backward(const View<T>& dy, ViewArg<T> x,
                                                    DataFormat format = DataFormat::NCHW) {
  return detail::adaptive_max_pool_backward<T, 3>(dy, x, format);
}

// ---------------------------------------------------------------- global

struct GlobalPoolOptions {
  bool keep_dims = false;  ///< spatial axes stay, with extent 1
  DataFormat format = DataFormat::NCHW;
};

namespace detail {
// rank 0: what the rank of x says, see global_avg_pool.
template <class T>
void global_pool_into(bool max, const View<T>& x, const MutView<T>& out, int rank,
                      const GlobalPoolOptions& options);
template <class T>
[[nodiscard]] Array<T> global_pool(bool max, const View<T>& x, int rank,
                                   const GlobalPoolOptions& options);
template <class T>
void global_avg_pool_backward_into(const View<T>& dy, const MutView<T>& dx, int rank,
                                   const GlobalPoolOptions& options);
template <class T>
[[nodiscard]] Array<T> global_avg_pool_backward(const View<T>& dy, const Shape& x_shape, int rank,
                                                const GlobalPoolOptions& options);
template <class T>
void global_max_pool_backward_into(const View<T>& dy, const View<T>& x, const MutView<T>& dx,
                                   int rank, const GlobalPoolOptions& options);
template <class T>
[[nodiscard]] Array<T> global_max_pool_backward(const View<T>& dy, const View<T>& x, int rank,
                                                const GlobalPoolOptions& options);
}  // namespace detail

/// The mean of each channel: (N, C, spatial...) -> (N, C), a sample -> (C), a single map -> one
/// number, of rank 0. In the form without 1d, 2d or 3d, x is a single map if its rank is 1 or 2,
/// otherwise a batch. Gradient: global_avg_pool_backward. Numerics: as mean. As
/// adaptive_avg_pool2d(x, 1), ONNX GlobalAveragePool (keep_dims), NumRS2 global_avg_pool.
template <class T>
void global_avg_pool_into(const View<T>& x, MutArg<T> out, const GlobalPoolOptions& options = {}) {
  detail::global_pool_into<T>(false, x, out, 0, options);
}
template <class T>
[[nodiscard]] Array<T> global_avg_pool(const View<T>& x, const GlobalPoolOptions& options = {}) {
  return detail::global_pool<T>(false, x, 0, options);
}
template <class T>
void global_avg_pool1d_into(const View<T>& x, MutArg<T> out,
                            const GlobalPoolOptions& options = {}) {
  detail::global_pool_into<T>(false, x, out, 1, options);
}
template <class T>
[[nodiscard]] Array<T> global_avg_pool1d(const View<T>& x, const GlobalPoolOptions& options = {}) {
  return detail::global_pool<T>(false, x, 1, options);
}
template <class T>
void global_avg_pool2d_into(const View<T>& x, MutArg<T> out,
                            const GlobalPoolOptions& options = {}) {
  detail::global_pool_into<T>(false, x, out, 2, options);
}
template <class T>
[[nodiscard]] Array<T> global_avg_pool2d(const View<T>& x, const GlobalPoolOptions& options = {}) {
  return detail::global_pool<T>(false, x, 2, options);
}
template <class T>
void global_avg_pool3d_into(const View<T>& x, MutArg<T> out,
                            const GlobalPoolOptions& options = {}) {
  detail::global_pool_into<T>(false, x, out, 3, options);
}
template <class T>
[[nodiscard]] Array<T> global_avg_pool3d(const View<T>& x, const GlobalPoolOptions& options = {}) {
  return detail::global_pool<T>(false, x, 3, options);
}

/// The greatest element of each channel, likewise. Gradient: global_max_pool_backward. As
/// adaptive_max_pool2d(x, 1), ONNX GlobalMaxPool (keep_dims), NumRS2 global_max_pool, which refuses
/// infinities.
template <class T>
void global_max_pool_into(const View<T>& x, MutArg<T> out, const GlobalPoolOptions& options = {}) {
  detail::global_pool_into<T>(true, x, out, 0, options);
}
template <class T>
[[nodiscard]] Array<T> global_max_pool(const View<T>& x, const GlobalPoolOptions& options = {}) {
  return detail::global_pool<T>(true, x, 0, options);
}
template <class T>
void global_max_pool1d_into(const View<T>& x, MutArg<T> out,
                            const GlobalPoolOptions& options = {}) {
  detail::global_pool_into<T>(true, x, out, 1, options);
}
template <class T>
[[nodiscard]] Array<T> global_max_pool1d(const View<T>& x, const GlobalPoolOptions& options = {}) {
  return detail::global_pool<T>(true, x, 1, options);
}
template <class T>
void global_max_pool2d_into(const View<T>& x, MutArg<T> out,
                            const GlobalPoolOptions& options = {}) {
  detail::global_pool_into<T>(true, x, out, 2, options);
}
template <class T>
[[nodiscard]] Array<T> global_max_pool2d(const View<T>& x, const GlobalPoolOptions& options = {}) {
  return detail::global_pool<T>(true, x, 2, options);
}
template <class T>
void global_max_pool3d_into(const View<T>& x, MutArg<T> out,
                            const GlobalPoolOptions& options = {}) {
  detail::global_pool_into<T>(true, x, out, 3, options);
}
template <class T>
[[nodiscard]] Array<T> global_max_pool3d(const View<T>& x, const GlobalPoolOptions& options = {}) {
  return detail::global_pool<T>(true, x, 3, options);
}

/// dx = dy / elements of the channel, everywhere in it. dy has the shape of the result, with or
/// without the axes of extent 1.
template <class T>
void global_avg_pool_backward_into(const View<T>& dy, MutArg<T> dx,
                                   const GlobalPoolOptions& options = {}) {
  detail::global_avg_pool_backward_into<T>(dy, dx, 0, options);
}
template <class T>
[[nodiscard]] Array<T> global_avg_pool_backward(const View<T>& dy, const Shape& x_shape,
                                                const GlobalPoolOptions& options = {}) {
  return detail::global_avg_pool_backward<T>(dy, x_shape, 0, options);
}
template <class T>
void global_avg_pool1d_backward_into(const View<T>& dy, MutArg<T> dx,
                                     const GlobalPoolOptions& options = {}) {
  detail::global_avg_pool_backward_into<T>(dy, dx, 1, options);
}
template <class T>
[[nodiscard]] Array<T> global_avg_pool1d_backward(const View<T>& dy, const Shape& x_shape,
                                                  const GlobalPoolOptions& options = {}) {
  return detail::global_avg_pool_backward<T>(dy, x_shape, 1, options);
}
template <class T>
void global_avg_pool2d_backward_into(const View<T>& dy, MutArg<T> dx,
                                     const GlobalPoolOptions& options = {}) {
  detail::global_avg_pool_backward_into<T>(dy, dx, 2, options);
}
template <class T>
[[nodiscard]] Array<T> global_avg_pool2d_backward(const View<T>& dy, const Shape& x_shape,
                                                  const GlobalPoolOptions& options = {}) {
  return detail::global_avg_pool_backward<T>(dy, x_shape, 2, options);
}
template <class T>
void global_avg_pool3d_backward_into(const View<T>& dy, MutArg<T> dx,
                                     const GlobalPoolOptions& options = {}) {
  detail::global_avg_pool_backward_into<T>(dy, dx, 3, options);
}
template <class T>
[[nodiscard]] Array<T> global_avg_pool3d_backward(const View<T>& dy, const Shape& x_shape,
                                                  const GlobalPoolOptions& options = {}) {
  return detail::global_avg_pool_backward<T>(dy, x_shape, 3, options);
}
/// dx = dy where the channel's maximum is (of equals, the first), 0 elsewhere.
template <class T>
void global_max_pool_backward_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dx,
                                   const GlobalPoolOptions& options = {}) {
  detail::global_max_pool_backward_into<T>(dy, x, dx, 0, options);
}
template <class T>
[[nodiscard]] Array<T> global_max_pool_backward(const View<T>& dy, ViewArg<T> x,
                                                const GlobalPoolOptions& options = {}) {
  return detail::global_max_pool_backward<T>(dy, x, 0, options);
}
template <class T>
void global_max_pool1d_backward_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dx,
                                     const GlobalPoolOptions& options = {}) {
  detail::global_max_pool_backward_into<T>(dy, x, dx, 1, options);
}
template <class T>
[[nodiscard]] Array<T> global_max_pool1d_backward(const View<T>& dy, ViewArg<T> x,
                                                  const GlobalPoolOptions& options = {}) {
  return detail::global_max_pool_backward<T>(dy, x, 1, options);
}
template <class T>
void global_max_pool2d_backward_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dx,
                                     const GlobalPoolOptions& options = {}) {
  detail::global_max_pool_backward_into<T>(dy, x, dx, 2, options);
}
template <class T>
[[nodiscard]] Array<T> global_max_pool2d_backward(const View<T>& dy, ViewArg<T> x,
                                                  const GlobalPoolOptions& options = {}) {
  return detail::global_max_pool_backward<T>(dy, x, 2, options);
}
template <class T>
void global_max_pool3d_backward_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dx,
                                     const GlobalPoolOptions& options = {}) {
  detail::global_max_pool_backward_into<T>(dy, x, dx, 3, options);
}
template <class T>
[[nodiscard]] Array<T> global_max_pool3d_backward(const View<T>& dy, ViewArg<T> x,
                                                  const GlobalPoolOptions& options = {}) {
  return detail::global_max_pool_backward<T>(dy, x, 3, options);
}

}  // namespace lamina::nn
