#pragma once

#include "lamina/core/array.hpp"
#include "lamina/nn/activation.hpp"
#include "lamina/nn/types.hpp"

/// Transposed convolution over 1, 2 and 3 spatial axes: each element of x spreads a kernel over the
/// result. It is the gradient of a convolution with respect to its input, with a bias.
///
///   out[n, o, p] = act(bias[o] + sum over c, t and the q with q * stride + t * dilation - padding
///                                = p of x[n, c, q] * weight[c, o, t])
///
/// x        (N, C, spatial...), or (N, spatial..., C) for DataFormat::NHWC; without N: one sample;
///          without N and C: a single map
/// weight   (C, O / groups, kernel...) in both formats; for a single map (kernel...)
/// bias     (O) or absent
/// returns  as x, with O channels and extents
///          (in - 1) * stride + dilation * (kernel - 1) + 1 + output_padding - padding before and
///          behind; with PaddingMode::same(): in * stride
///
/// Padding is what is cut off the result, so that the options of a convolution give back the shape
/// of its input; output_padding, below stride or below dilation, says which of the possible extents
/// that was. float and double; any strides. In place: no, out must not overlap an input.
/// Error(DimensionMismatch): ranks, channels, bias length, an empty spatial axis, a result without
/// extent, shape of out. Error(InvalidOperation): stride, dilation or groups < 1, negative padding,
/// output_padding out of range or with PaddingMode::same(), no kernel elements, channels not
/// divisible by groups, overlap. Numerics: each sum is a matrix product's (see matmul); the same
/// bits on any number of threads. NaN and infinities propagate as IEEE 754 says. Memory: as for the
/// input gradient of conv. Dumoulin and Visin 2016.
namespace lamina::nn {

template <int Rank>
struct ConvTransposeOptions {
  [[no_unique_address]] lamina::detail::ByName by_name = lamina::detail::ByName();
  PerAxis<Rank> stride = 1;
  PaddingMode padding = {};
  PerAxis<Rank> output_padding = 0;
  PerAxis<Rank> dilation = 1;
  Index groups = 1;
  DataFormat format = DataFormat::NCHW;
  Activation activation = Activation::Identity;  ///< applied to the result while it is in the cache
  ActivationParams activation_params = {};
};
using ConvTranspose1dOptions = ConvTransposeOptions<1>;
using ConvTranspose2dOptions = ConvTransposeOptions<2>;
using ConvTranspose3dOptions = ConvTransposeOptions<3>;

/// Transposed convolution of sequences: x (N, C, L), (C, L) or (L). Gradients:
/// conv_transpose1d_backward_input, _weight, conv_backward_bias. Same as
/// torch.nn.functional.conv_transpose1d, ONNX ConvTranspose.
template <class T>
void conv_transpose1d_into(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias, MutArg<T> out,
                           const ConvTranspose1dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv_transpose1d(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias,
                                        const ConvTranspose1dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv_transpose1d(const View<T>& x, ViewArg<T> weight,
                                        const ConvTranspose1dOptions& options = {}) {
  return conv_transpose1d(x, weight, View<T>(), options);
}
template <class T>
[[nodiscard]] Array<T> conv_transpose1d(const View<T>& x, ViewArg<T> weight, PerAxis<1> stride) {
  return conv_transpose1d(x, weight, View<T>(), {.stride = stride});
}

/// Transposed convolution of images: x (N, C, H, W), (C, H, W) or (H, W). Gradients:
/// conv_transpose2d_backward_input, _weight, conv_backward_bias. Same as
/// torch.nn.functional.conv_transpose2d, ONNX ConvTranspose, NumRS2 conv_transpose2d_batched.
template <class T>
void conv_transpose2d_into(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias, MutArg<T> out,
                           const ConvTranspose2dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv_transpose2d(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias,
                                        const ConvTranspose2dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv_transpose2d(const View<T>& x, ViewArg<T> weight,
                                        const ConvTranspose2dOptions& options = {}) {
  return conv_transpose2d(x, weight, View<T>(), options);
}
template <class T>
[[nodiscard]] Array<T> conv_transpose2d(const View<T>& x, ViewArg<T> weight, PerAxis<2> stride) {
  return conv_transpose2d(x, weight, View<T>(), {.stride = stride});
}

/// Transposed convolution of volumes: x (N, C, D, H, W), (C, D, H, W) or (D, H, W). Gradients:
/// conv_transpose3d_backward_input, _weight, conv_backward_bias. Same as
/// torch.nn.functional.conv_transpose3d, ONNX ConvTranspose.
template <class T>
void conv_transpose3d_into(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias, MutArg<T> out,
                           const ConvTranspose3dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv_transpose3d(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias,
                                        const ConvTranspose3dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv_transpose3d(const View<T>& x, ViewArg<T> weight,
                                        const ConvTranspose3dOptions& options = {}) {
  return conv_transpose3d(x, weight, View<T>(), options);
}
template <class T>
[[nodiscard]] Array<T> conv_transpose3d(const View<T>& x, ViewArg<T> weight, PerAxis<3> stride) {
  return conv_transpose3d(x, weight, View<T>(), {.stride = stride});
}

/// conv_transpose2d on (N, C, H, W), padding the same on both sides of an axis. Same as NumRS2
/// conv_transpose2d_batched.
template <class T>
[[nodiscard]] Array<T> conv_transpose2d_batched(const View<T>& x, ViewArg<T> weight,
                                                ViewArg<T> bias, PerAxis<2> stride,
                                                PerAxis<2> padding, PerAxis<2> output_padding,
                                                PerAxis<2> dilation);

// ---------------------------------------------------------------- gradients
//
// dy has the shape of the forward result before the activation: with options.activation other than
// Identity, apply activation_backward first (Error(InvalidOperation) otherwise). The gradient of
// the bias is conv_backward_bias(dy, format).

/// dx = sum over o, t of dy * weight, a convolution of dy; of shape x_shape.
template <class T>
void conv_transpose1d_backward_input_into(const View<T>& dy, ViewArg<T> weight, MutArg<T> dx,
                                          const ConvTranspose1dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv_transpose1d_backward_input(const View<T>& dy, ViewArg<T> weight,
                                                       const Shape& x_shape,
                                                       const ConvTranspose1dOptions& options = {});
template <class T>
void conv_transpose2d_backward_input_into(const View<T>& dy, ViewArg<T> weight, MutArg<T> dx,
                                          const ConvTranspose2dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv_transpose2d_backward_input(const View<T>& dy, ViewArg<T> weight,
                                                       const Shape& x_shape,
                                                       const ConvTranspose2dOptions& options = {});
template <class T>
void conv_transpose3d_backward_input_into(const View<T>& dy, ViewArg<T> weight, MutArg<T> dx,
                                          const ConvTranspose3dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv_transpose3d_backward_input(const View<T>& dy, ViewArg<T> weight,
                                                       const Shape& x_shape,
                                                       const ConvTranspose3dOptions& options = {});
/// dweight = sum over n, q of x * dy, of shape weight_shape.
template <class T>
void conv_transpose1d_backward_weight_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dweight,
                                           const ConvTranspose1dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv_transpose1d_backward_weight(const View<T>& dy, ViewArg<T> x,
                                                        const Shape& weight_shape,
                                                        const ConvTranspose1dOptions& options = {});
template <class T>
void conv_transpose2d_backward_weight_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dweight,
                                           const ConvTranspose2dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv_transpose2d_backward_weight(const View<T>& dy, ViewArg<T> x,
                                                        const Shape& weight_shape,
                                                        const ConvTranspose2dOptions& options = {});
template <class T>
void conv_transpose3d_backward_weight_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dweight,
                                           const ConvTranspose3dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv_transpose3d_backward_weight(const View<T>& dy, ViewArg<T> x,
                                                        const Shape& weight_shape,
                                                        const ConvTranspose3dOptions& options = {});

}  // namespace lamina::nn
