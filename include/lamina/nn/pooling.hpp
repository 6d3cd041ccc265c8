#pragma once

#include <cstdint>
#include <limits>

#include "lamina/core/array.hpp"
#include "lamina/nn/types.hpp"

/// Pooling: each output is the greatest element, the mean, or the p-norm of a window of x.
///
///   y[n, c, o] = pool over taps t of x[n, c, o * stride + t * dilation - padding]
///
/// x        (N, C, spatial...), or (N, spatial..., C) for DataFormat::NHWC; without N: one sample;
///          without N and C: a single map
/// kernel   extents of the window: one for each spatial axis, or one number for all
/// returns  as x, with extents (in + padding before and behind - dilation * (kernel - 1) - 1)
///          / stride + 1, rounded down, or with ceil_mode up; then a last window that would start
///          behind x and its padding in front is dropped
///
/// float and double; any strides. In place: no, out must not overlap x. Padding holds nothing: it
/// is never the maximum, and adds 0 to sums.
/// Error(DimensionMismatch): rank, a window larger than the padded x, shape of out or indices.
/// Error(InvalidOperation): kernel, stride or dilation < 1, negative padding, padding as large as
/// the window, a spatial axis of x without elements, overlap.
/// The same bits on any number of threads. Names with 1d, 2d and 3d differ in the number of spatial
/// axes: L; H, W; D, H, W.
namespace lamina::nn {

/// A stride that is the window's extent: windows side by side.
inline constexpr Index kStrideOfKernel = std::numeric_limits<Index>::min();

template <int Rank>
struct PoolOptions {
  [[no_unique_address]] lamina::detail::ByName by_name = lamina::detail::ByName();
  PerAxis<Rank> stride = kStrideOfKernel;
  PaddingMode padding = {};
  PerAxis<Rank> dilation = 1;
  bool ceil_mode = false;  ///< the last window may reach behind the padded x
  DataFormat format = DataFormat::NCHW;
};
using Pool1dOptions = PoolOptions<1>;
using Pool2dOptions = PoolOptions<2>;
using Pool3dOptions = PoolOptions<3>;

template <int Rank>
struct AvgPoolOptions {
  [[no_unique_address]] lamina::detail::ByName by_name = lamina::detail::ByName();
  PerAxis<Rank> stride = kStrideOfKernel;
  PaddingMode padding = {};
  PerAxis<Rank> dilation = 1;
  bool ceil_mode = false;
  DataFormat format = DataFormat::NCHW;
  bool count_include_pad = true;  ///< elements of padding count for the mean
  Index divisor = 0;              ///< divide by this instead of the count; 0: by the count
};
using AvgPool1dOptions = AvgPoolOptions<1>;
using AvgPool2dOptions = AvgPoolOptions<2>;
using AvgPool3dOptions = AvgPoolOptions<3>;

/// Maxima, and where they are: positions in the flattened spatial axes of x, as in PyTorch (h * W +
/// w in an image).
template <class T>
struct MaxPoolResult {
  Array<T> values;
  Array<std::int64_t> indices;
};

namespace detail {
template <class T, int Rank>
void max_pool_into(const View<T>& x, const PerAxis<Rank>& kernel, const MutView<T>& out,
                   const MutView<std::int64_t>* indices, const PoolOptions<Rank>& options);
template <class T, int Rank>
[[nodiscard]] MaxPoolResult<T> max_pool(const View<T>& x, const PerAxis<Rank>& kernel,
                                        bool with_indices, const PoolOptions<Rank>& options);
template <class T, int Rank>
void max_pool_backward_into(const View<T>& dy, const View<T>& x, const PerAxis<Rank>& kernel,
                            const MutView<T>& dx, const PoolOptions<Rank>& options);
template <class T, int Rank>
[[nodiscard]] Array<T> max_pool_backward(const View<T>& dy, const View<T>& x,
                                         const PerAxis<Rank>& kernel,
                                         const PoolOptions<Rank>& options);
template <class T, int Rank>
void max_pool_backward_into(const View<T>& dy, const View<std::int64_t>& indices,
                            const MutView<T>& dx, DataFormat format);
template <class T, int Rank>
[[nodiscard]] Array<T> max_pool_backward(const View<T>& dy, const View<std::int64_t>& indices,
                                         const Shape& x_shape, DataFormat format);
template <class T, int Rank>
void avg_pool_into(const View<T>& x, const PerAxis<Rank>& kernel, const MutView<T>& out,
                   const AvgPoolOptions<Rank>& options);
template <class T, int Rank>
[[nodiscard]] Array<T> avg_pool(const View<T>& x, const PerAxis<Rank>& kernel,
                                const AvgPoolOptions<Rank>& options);
template <class T, int Rank>
void avg_pool_backward_into(const View<T>& dy, const PerAxis<Rank>& kernel, const MutView<T>& dx,
                            const AvgPoolOptions<Rank>& options);
template <class T, int Rank>
[[nodiscard]] Array<T> avg_pool_backward(const View<T>& dy, const Shape& x_shape,
                                         const PerAxis<Rank>& kernel,
                                         const AvgPoolOptions<Rank>& options);
template <class T, int Rank>
void lp_pool_into(const View<T>& x, double p, const PerAxis<Rank>& kernel, const MutView<T>& out,
                  const PoolOptions<Rank>& options);
template <class T, int Rank>
[[nodiscard]] Array<T> lp_pool(const View<T>& x, double p, const PerAxis<Rank>& kernel,
                               const PoolOptions<Rank>& options);
template <class T, int Rank>
void lp_pool_backward_into(const View<T>& dy, const View<T>& x, const View<T>& y, double p,
                           const PerAxis<Rank>& kernel, const MutView<T>& dx,
                           const PoolOptions<Rank>& options);
template <class T, int Rank>
[[nodiscard]] Array<T> lp_pool_backward(const View<T>& dy, const View<T>& x, const View<T>& y,
                                        double p, const PerAxis<Rank>& kernel,
                                        const PoolOptions<Rank>& options);
}  // namespace detail

// ---------------------------------------------------------------- maximum

/// The greatest element of each window; NaN if it has one. A window of nothing but padding gives
/// -inf. Gradient: max_pool2d_backward. As torch.nn.functional.max_pool2d, ONNX MaxPool, NumRS2
/// max_pool2d, which skips NaN: max_pool2d(x, {2, 2}, {2, 2}).
template <class T>
void max_pool1d_into(const View<T>& x, const PerAxis<1>& kernel, MutArg<T> out,
                     const Pool1dOptions& options = {}) {
  detail::max_pool_into<T, 1>(x, kernel, out, nullptr, options);
}
template <class T>
[[nodiscard]] Array<T> max_pool1d(const View<T>& x, const PerAxis<1>& kernel,
                                  const Pool1dOptions& options = {}) {
  return detail::max_pool<T, 1>(x, kernel, false, options).values;
}
template <class T>
[[nodiscard]] Array<T> max_pool1d(const View<T>& x, const PerAxis<1>& kernel,
                                  const PerAxis<1>& stride) {
  return max_pool1d(x, kernel, {.stride = stride});
}
template <class T>
void max_pool2d_into(const View<T>& x, const PerAxis<2>& kernel, MutArg<T> out,
                     const Pool2dOptions& options = {}) {
  detail::max_pool_into<T, 2>(x, kernel, out, nullptr, options);
}
template <class T>
[[nodiscard]] Array<T> max_pool2d(const View<T>& x, const PerAxis<2>& kernel,
                                  const Pool2dOptions& options = {}) {
  return detail::max_pool<T, 2>(x, kernel, false, options).values;
}
template <class T>
[[nodiscard]] Array<T> max_pool2d(const View<T>& x, const PerAxis<2>& kernel,
                                  const PerAxis<2>& stride) {
  return max_pool2d(x, kernel, {.stride = stride});
}
template <class T>
void max_pool3d_into(const View<T>& x, const PerAxis<3>& kernel, MutArg<T> out,
                     const Pool3dOptions& options = {}) {
  detail::max_pool_into<T, 3>(x, kernel, out, nullptr, options);
}
template <class T>
[[nodiscard]] Array<T> max_pool3d(const View<T>& x, const PerAxis<3>& kernel,
                                  const Pool3dOptions& options = {}) {
  return detail::max_pool<T, 3>(x, kernel, false, options).values;
}
template <class T>
[[nodiscard]] Array<T> max_pool3d(const View<T>& x, const PerAxis<3>& kernel,
                                  const PerAxis<3>& stride) {
  return max_pool3d(x, kernel, {.stride = stride});
}

/// The same with the indices of the maxima: of equals the first, of NaNs the last in row-major
/// order, as in PyTorch; -1 for a window of nothing but padding. Error(Unsupported): float windows
/// that span 2^31 elements of memory. As torch max_pool2d(return_indices=True); ONNX counts indices
/// through the whole of x.
template <class T>
void max_pool1d_with_indices_into(const View<T>& x, const PerAxis<1>& kernel, MutArg<T> out,
                                  const MutView<std::int64_t>& indices,
                                  const Pool1dOptions& options = {}) {
  detail::max_pool_into<T, 1>(x, kernel, out, &indices, options);
}
template <class T>
[[nodiscard]] MaxPoolResult<T> max_pool1d_with_indices(const View<T>& x, const PerAxis<1>& kernel,
                                                       const Pool1dOptions& options = {}) {
  return detail::max_pool<T, 1>(x, kernel, true, options);
}
template <class T>
void max_pool2d_with_indices_into(const View<T>& x, const PerAxis<2>& kernel, MutArg<T> out,
                                  const MutView<std::int64_t>& indices,
                                  const Pool2dOptions& options = {}) {
  detail::max_pool_into<T, 2>(x, kernel, out, &indices, options);
}
template <class T>
[[nodiscard]] MaxPoolResult<T> max_pool2d_with_indices(const View<T>& x, const PerAxis<2>& kernel,
                                                       const Pool2dOptions& options = {}) {
  return detail::max_pool<T, 2>(x, kernel, true, options);
}
template <class T>
void max_pool3d_with_indices_into(const View<T>& x, const PerAxis<3>& kernel, MutArg<T> out,
                                  const MutView<std::int64_t>& indices,
                                  const Pool3dOptions& options = {}) {
  detail::max_pool_into<T, 3>(x, kernel, out, &indices, options);
}
template <class T>
[[nodiscard]] MaxPoolResult<T> max_pool3d_with_indices(const View<T>& x, const PerAxis<3>& kernel,
                                                       const Pool3dOptions& options = {}) {
  return detail::max_pool<T, 3>(x, kernel, true, options);
}

/// dx: each element of dy goes to where the maximum was. With x, which finds the maxima again, or
/// with the indices of any max pooling, max_pool2d_with_indices or adaptive, and x's shape.
/// dy (as the result)   dx (as x). Error(IndexOutOfBounds): an index beyond x; -1 is nowhere.
template <class T>
void max_pool1d_backward_into(const View<T>& dy, ViewArg<T> x, const PerAxis<1>& kernel,
                              MutArg<T> dx, const Pool1dOptions& options = {}) {
  detail::max_pool_backward_into<T, 1>(dy, x, kernel, dx, options);
}
template <class T>
[[nodiscard]] Array<T> max_pool1d_backward(const View<T>& dy, ViewArg<T> x,
                                           const PerAxis<1>& kernel,
                                           const Pool1dOptions& options = {}) {
  return detail::max_pool_backward<T, 1>(dy, x, kernel, options);
}
template <class T>
[[nodiscard]] Array<T> max_pool1d_backward(const View<T>& dy, const View<std::int64_t>& indices,
                                           const Shape& x_shape,
                                           DataFormat format = DataFormat::NCHW) {
  return detail::max_pool_backward<T, 1>(dy, indices, x_shape, format);
}
template <class T>
void max_pool1d_backward_into(const View<T>& dy, const View<std::int64_t>& indices, MutArg<T> dx,
                              DataFormat format = DataFormat::NCHW) {
  detail::max_pool_backward_into<T, 1>(dy, indices, dx, format);
}
template <class T>
void max_pool2d_backward_into(const View<T>& dy, ViewArg<T> x, const PerAxis<2>& kernel,
                              MutArg<T> dx, const Pool2dOptions& options = {}) {
  detail::max_pool_backward_into<T, 2>(dy, x, kernel, dx, options);
}
template <class T>
[[nodiscard]] Array<T> max_pool2d_backward(const View<T>& dy, ViewArg<T> x,
                                           const PerAxis<2>& kernel,
                                           const Pool2dOptions& options = {}) {
  return detail::max_pool_backward<T, 2>(dy, x, kernel, options);
}
template <class T>
[[nodiscard]] Array<T> max_pool2d_backward(const View<T>& dy, const View<std::int64_t>& indices,
                                           const Shape& x_shape,
                                           DataFormat format = DataFormat::NCHW) {
  return detail::max_pool_backward<T, 2>(dy, indices, x_shape, format);
}
template <class T>
void max_pool2d_backward_into(const View<T>& dy, const View<std::int64_t>& indices, MutArg<T> dx,
                              DataFormat format = DataFormat::NCHW) {
  detail::max_pool_backward_into<T, 2>(dy, indices, dx, format);
}
template <class T>
void max_pool3d_backward_into(const View<T>& dy, ViewArg<T> x, const PerAxis<3>& kernel,
                              MutArg<T> dx, const Pool3dOptions& options = {}) {
  detail::max_pool_backward_into<T, 3>(dy, x, kernel, dx, options);
}
template <class T>
[[nodiscard]] Array<T> max_pool3d_backward(const View<T>& dy, ViewArg<T> x,
                                           const PerAxis<3>& kernel,
                                           const Pool3dOptions& options = {}) {
  return detail::max_pool_backward<T, 3>(dy, x, kernel, options);
}
template <class T>
[[nodiscard]] Array<T> max_pool3d_backward(const View<T>& dy, const View<std::int64_t>& indices,
                                           const Shape& x_shape,
                                           DataFormat format = DataFormat::NCHW) {
  return detail::max_pool_backward<T, 3>(dy, indices, x_shape, format);
}
template <class T>
void max_pool3d_backward_into(const View<T>& dy, const View<std::int64_t>& indices, MutArg<T> dx,
                              DataFormat format = DataFormat::NCHW) {
  detail::max_pool_backward_into<T, 3>(dy, indices, dx, format);
}

// ---------------------------------------------------------------- mean

/// The mean of each window: its sum divided by the number of its elements, those in the padding
/// included unless told otherwise, those behind it never; or by options.divisor.
/// Error(InvalidOperation) also for a divisor < 0. Gradient: avg_pool2d_backward. Numerics: sums in
/// T, column by column, then one division. As torch.nn.functional.avg_pool2d, ONNX AveragePool
/// (which does not include padding unless told), NumRS2 avg_pool2d.
template <class T>
void avg_pool1d_into(const View<T>& x, const PerAxis<1>& kernel, MutArg<T> out,
                     const AvgPool1dOptions& options = {}) {
  detail::avg_pool_into<T, 1>(x, kernel, out, options);
}
template <class T>
[[nodiscard]] Array<T> avg_pool1d(const View<T>& x, const PerAxis<1>& kernel,
                                  const AvgPool1dOptions& options = {}) {
  return detail::avg_pool<T, 1>(x, kernel, options);
}
template <class T>
[[nodiscard]] Array<T> avg_pool1d(const View<T>& x, const PerAxis<1>& kernel,
                                  const PerAxis<1>& stride) {
  return avg_pool1d(x, kernel, {.stride = stride});
}
template <class T>
void avg_pool2d_into(const View<T>& x, const PerAxis<2>& kernel, MutArg<T> out,
                     const AvgPool2dOptions& options = {}) {
  detail::avg_pool_into<T, 2>(x, kernel, out, options);
}
template <class T>
[[nodiscard]] Array<T> avg_pool2d(const View<T>& x, const PerAxis<2>& kernel,
                                  const AvgPool2dOptions& options = {}) {
  return detail::avg_pool<T, 2>(x, kernel, options);
}
template <class T>
[[nodiscard]] Array<T> avg_pool2d(const View<T>& x, const PerAxis<2>& kernel,
                                  const PerAxis<2>& stride) {
  return avg_pool2d(x, kernel, {.stride = stride});
}
template <class T>
void avg_pool3d_into(const View<T>& x, const PerAxis<3>& kernel, MutArg<T> out,
                     const AvgPool3dOptions& options = {}) {
  detail::avg_pool_into<T, 3>(x, kernel, out, options);
}
template <class T>
[[nodiscard]] Array<T> avg_pool3d(const View<T>& x, const PerAxis<3>& kernel,
                                  const AvgPool3dOptions& options = {}) {
  return detail::avg_pool<T, 3>(x, kernel, options);
}
template <class T>
[[nodiscard]] Array<T> avg_pool3d(const View<T>& x, const PerAxis<3>& kernel,
                                  const PerAxis<3>& stride) {
  return avg_pool3d(x, kernel, {.stride = stride});
}

/// dx: each element collects dy / divisor of the windows that hold it.
template <class T>
void avg_pool1d_backward_into(const View<T>& dy, const PerAxis<1>& kernel, MutArg<T> dx,
                              const AvgPool1dOptions& options = {}) {
  detail::avg_pool_backward_into<T, 1>(dy, kernel, dx, options);
}
template <class T>
[[nodiscard]] Array<T> avg_pool1d_backward(const View<T>& dy, const Shape& x_shape,
                                           const PerAxis<1>& kernel,
                                           const AvgPool1dOptions& options = {}) {
  return detail::avg_pool_backward<T, 1>(dy, x_shape, kernel, options);
}
template <class T>
void avg_pool2d_backward_into(const View<T>& dy, const PerAxis<2>& kernel, MutArg<T> dx,
                              const AvgPool2dOptions& options = {}) {
  detail::avg_pool_backward_into<T, 2>(dy, kernel, dx, options);
}
template <class T>
[[nodiscard]] Array<T> avg_pool2d_backward(const View<T>& dy, const Shape& x_shape,
                                           const PerAxis<2>& kernel,
                                           const AvgPool2dOptions& options = {}) {
  return detail::avg_pool_backward<T, 2>(dy, x_shape, kernel, options);
}
template <class T>
void avg_pool3d_backward_into(const View<T>& dy, const PerAxis<3>& kernel, MutArg<T> dx,
                              const AvgPool3dOptions& options = {}) {
  detail::avg_pool_backward_into<T, 3>(dy, kernel, dx, options);
}
template <class T>
[[nodiscard]] Array<T> avg_pool3d_backward(const View<T>& dy, const Shape& x_shape,
                                           const PerAxis<3>& kernel,
                                           const AvgPool3dOptions& options = {}) {
  return detail::avg_pool_backward<T, 3>(dy, x_shape, kernel, options);
}

// ---------------------------------------------------------------- p-norm

/// The p-norm of each window, (sum of |x|^p)^(1/p). Error(InvalidOperation) also unless p is
/// finite and at least 1. Gradient: lp_pool2d_backward. Numerics: as avg_pool2d; |x|^p must not
/// overflow. As torch.nn.functional.lp_pool2d for even p (for odd p that sums x^p with its sign,
/// and with ceil_mode it enlarges the windows at the edge), ONNX LpPool.
template <class T>
void lp_pool1d_into(const View<T>& x, double p, const PerAxis<1>& kernel, MutArg<T> out,
                    const Pool1dOptions& options = {}) {
  detail::lp_pool_into<T, 1>(x, p, kernel, out, options);
}
template <class T>
[[nodiscard]] Array<T> lp_pool1d(const View<T>& x, double p, const PerAxis<1>& kernel,
                                 const Pool1dOptions& options = {}) {
  return detail::lp_pool<T, 1>(x, p, kernel, options);
}
template <class T>
void lp_pool2d_into(const View<T>& x, double p, const PerAxis<2>& kernel, MutArg<T> out,
                    const Pool2dOptions& options = {}) {
  detail::lp_pool_into<T, 2>(x, p, kernel, out, options);
}
template <class T>
[[nodiscard]] Array<T> lp_pool2d(const View<T>& x, double p, const PerAxis<2>& kernel,
                                 const Pool2dOptions& options = {}) {
  return detail::lp_pool<T, 2>(x, p, kernel, options);
}
template <class T>
void lp_pool3d_into(const View<T>& x, double p, const PerAxis<3>& kernel, MutArg<T> out,
                    const Pool3dOptions& options = {}) {
  detail::lp_pool_into<T, 3>(x, p, kernel, out, options);
}
template <class T>
[[nodiscard]] Array<T> lp_pool3d(const View<T>& x, double p, const PerAxis<3>& kernel,
                                 const Pool3dOptions& options = {}) {
  return detail::lp_pool<T, 3>(x, p, kernel, options);
}

/// dx_i = sign(x_i) |x_i|^(p-1) times the sum of dy / y^(p-1) of the windows that hold it; y is the
/// result. A window of zeros hands on nothing.
template <class T>
void lp_pool1d_backward_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> y, double p,
                             const PerAxis<1>& kernel, MutArg<T> dx,
                             const Pool1dOptions& options = {}) {
  detail::lp_pool_backward_into<T, 1>(dy, x, y, p, kernel, dx, options);
}
template <class T>
[[nodiscard]] Array<T> lp_pool1d_backward(const View<T>& dy, ViewArg<T> x, ViewArg<T> y, double p,
                                          const PerAxis<1>& kernel,
                                          const Pool1dOptions& options = {}) {
  return detail::lp_pool_backward<T, 1>(dy, x, y, p, kernel, options);
}
template <class T>
void lp_pool2d_backward_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> y, double p,
                             const PerAxis<2>& kernel, MutArg<T> dx,
                             const Pool2dOptions& options = {}) {
  detail::lp_pool_backward_into<T, 2>(dy, x, y, p, kernel, dx, options);
}
template <class T>
[[nodiscard]] Array<T> lp_pool2d_backward(const View<T>& dy, ViewArg<T> x, ViewArg<T> y, double p,
                                          const PerAxis<2>& kernel,
                                          const Pool2dOptions& options = {}) {
  return detail::lp_pool_backward<T, 2>(dy, x, y, p, kernel, options);
}
template <class T>
void lp_pool3d_backward_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> y, double p,
                             const PerAxis<3>& kernel, MutArg<T> dx,
                             const Pool3dOptions& options = {}) {
  detail::lp_pool_backward_into<T, 3>(dy, x, y, p, kernel, dx, options);
}
template <class T>
[[nodiscard]] Array<T> lp_pool3d_backward(const View<T>& dy, ViewArg<T> x, ViewArg<T> y, double p,
                                          const PerAxis<3>& kernel,
                                          const Pool3dOptions& options = {}) {
  return detail::lp_pool_backward<T, 3>(dy, x, y, p, kernel, options);
}

}  // namespace lamina::nn
