#pragma once

#include "lamina/core/array.hpp"
#include "lamina/nn/pad.hpp"
#include "lamina/nn/types.hpp"

/// Unfolding: the windows that a convolution looks at, as the columns (or rows) of a matrix, and
/// folding, its adjoint. A convolution is the weight as a matrix times the unfolded image; conv2d
/// and its relatives do that without ever writing the matrix.
///
///   unfold   columns[n, c * taps + t, p] = x[n, c, p * stride + t * dilation - padding]
///   fold     x[n, c, i] = sum of columns[n, c * taps + t, p] over all t, p that look at i
///
/// x        (N, C, spatial...), or (N, spatial..., C) for DataFormat::NHWC; without N: one sample;
///          without N and C: a single map
/// columns  NCHW: (N, C * taps, L); NHWC: (N, L, taps * C), a row for each window; without N for a
///          sample or a map. L positions, taps = product of the kernel
///
/// float and double; any strides. In place: no. fold is exactly the gradient of unfold and the
/// other way round: elements in several windows are summed, not averaged.
/// Error(DimensionMismatch): ranks, a kernel larger than the padded input, columns that do not fit
/// the extents. Error(InvalidOperation): stride, dilation or kernel < 1, negative padding. The same
/// bits on any number of threads.
namespace lamina::nn {

template <int Rank>
struct UnfoldOptions {
  [[no_unique_address]] lamina::detail::ByName by_name = lamina::detail::ByName();
  PerAxis<Rank> stride = 1;
  PaddingMode padding = {};
  PerAxis<Rank> dilation = 1;
  DataFormat format = DataFormat::NCHW;
  PaddingValue padding_value = PaddingValue::Zero;
};
using Unfold1dOptions = UnfoldOptions<1>;
using Unfold2dOptions = UnfoldOptions<2>;
using Unfold3dOptions = UnfoldOptions<3>;

/// Gradient: fold1d, 2d, 3d. Same as torch.nn.functional.unfold (2-d).
template <class T>
void unfold1d_into(const View<T>& x, PerAxis<1> kernel, MutArg<T> out,
                   const Unfold1dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> unfold1d(const View<T>& x, PerAxis<1> kernel,
                                const Unfold1dOptions& options = {});
template <class T>
void unfold2d_into(const View<T>& x, PerAxis<2> kernel, MutArg<T> out,
                   const Unfold2dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> unfold2d(const View<T>& x, PerAxis<2> kernel,
                                const Unfold2dOptions& options = {});
template <class T>
void unfold3d_into(const View<T>& x, PerAxis<3> kernel, MutArg<T> out,
                   const Unfold3dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> unfold3d(const View<T>& x, PerAxis<3> kernel,
                                const Unfold3dOptions& options = {});

/// `extents` are the spatial extents of the result. Gradient: unfold1d, 2d, 3d. Same as
/// torch.nn.functional.fold (2-d), ONNX Col2Im.
template <class T>
void fold1d_into(const View<T>& columns, PerAxis<1> extents, PerAxis<1> kernel, MutArg<T> out,
                 const Unfold1dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> fold1d(const View<T>& columns, PerAxis<1> extents, PerAxis<1> kernel,
                              const Unfold1dOptions& options = {});
template <class T>
void fold2d_into(const View<T>& columns, PerAxis<2> extents, PerAxis<2> kernel, MutArg<T> out,
                 const Unfold2dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> fold2d(const View<T>& columns, PerAxis<2> extents, PerAxis<2> kernel,
                              const Unfold2dOptions& options = {});
template <class T>
void fold3d_into(const View<T>& columns, PerAxis<3> extents, PerAxis<3> kernel, MutArg<T> out,
                 const Unfold3dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> fold3d(const View<T>& columns, PerAxis<3> extents, PerAxis<3> kernel,
                              const Unfold3dOptions& options = {});

/// unfold2d of a batch (N, C, H, W) as one matrix (C * taps, N * L), or for DataFormat::NHWC
/// (N * L, taps * C). Gradient: col2im. Same as NumRS2 im2col.
template <class T>
void im2col_into(const View<T>& x, PerAxis<2> kernel, MutArg<T> out,
                 const Unfold2dOptions& options);
template <class T>
[[nodiscard]] Array<T> im2col(const View<T>& x, PerAxis<2> kernel, const Unfold2dOptions& options);
/// NumRS2's parameters; padding the same on both sides of an axis.
template <class T>
[[nodiscard]] Array<T> im2col(const View<T>& x, PerAxis<2> kernel, PerAxis<2> stride = 1,
                              PerAxis<2> padding = 0, PerAxis<2> dilation = 1) {
  return im2col(x, kernel,
                {.stride = stride,
                 .padding = PaddingMode::symmetric(padding[0], padding[1]),
                 .dilation = dilation});
}

/// The adjoint of im2col: a batch of x_shape from such a matrix. Gradient: im2col. NumRS2's col2im
/// divides by the number of windows instead, which is no gradient. col2im_into takes
/// x_shape from `out`.
template <class T>
void col2im_into(const View<T>& columns, PerAxis<2> kernel, MutArg<T> out,
                 const Unfold2dOptions& options);
template <class T>
[[nodiscard]] Array<T> col2im(const View<T>& columns, const Shape& x_shape, PerAxis<2> kernel,
                              const Unfold2dOptions& options);
template <class T>
[[nodiscard]] Array<T> col2im(const View<T>& columns, const Shape& x_shape, PerAxis<2> kernel,
                              PerAxis<2> stride = 1, PerAxis<2> padding = 0,
                              PerAxis<2> dilation = 1) {
  return col2im(columns, x_shape, kernel,
                {.stride = stride,
                 .padding = PaddingMode::symmetric(padding[0], padding[1]),
                 .dilation = dilation});
}

}  // namespace lamina::nn
