#pragma once

#include <cstdint>

#include "lamina/core/array.hpp"
#include "lamina/nn/activation.hpp"
#include "lamina/nn/pad.hpp"
#include "lamina/nn/types.hpp"

/// Convolution (cross-correlation: kernels are not flipped) over 1, 2 and 3 spatial axes.
///
///   out[n, o, p] = act(bias[o] + sum over c, t of x[n, c, p * stride + t * dilation - padding]
///                                                  * weight[o, c, t])
///
/// x        (N, C, spatial...), or (N, spatial..., C) for DataFormat::NHWC; without N: one sample;
///          without N and C: a single map
/// weight   (O, C / groups, kernel...) in both formats; for a single map (kernel...)
/// bias     (O) or absent
/// returns  as x, with O channels and extents
///          (in + padding before and behind - dilation * (kernel - 1) - 1) / stride + 1, rounded
///          down
///
/// float and double; any strides. In place: no, out must not overlap an input.
/// Error(DimensionMismatch): ranks, channels, bias length, a kernel larger than the padded input,
/// shape of out. Error(InvalidOperation): stride, dilation or groups < 1, negative padding, no
/// kernel elements, channels not divisible by groups, overlap. Numerics: each sum is a matrix
/// product's (see matmul), with C / groups * kernel elements terms; the same bits on any number of
/// threads. NaN and infinities propagate as IEEE 754 says. 3 x 3 kernels of many channels take
/// Winograd's algorithm, see set_winograd.
namespace lamina::nn {

/// How a convolution is computed.
enum class ConvAlgorithm : std::uint8_t {
  Auto,    ///< Winograd's algorithm where it is faster and allowed (see set_winograd)
  Direct,  ///< always the sum of products as written
};

/// Lets convolutions with ConvAlgorithm::Auto use Winograd's algorithm F(4 x 4, 3 x 3), or F(2 x 2,
/// 3 x 3) for small images, in the whole process; they may at the start. It serves 3 x 3 kernels
/// with stride and dilation 1, no groups, from 32 channels on both sides and 12 tiles on, and their
/// input gradients, and weight gradients from 48 tiles of 4 x 4 on. The error is larger: against
/// the exact result at most 64 eps sqrt(9 C) max|x| max|w|, where the direct sum has 8, and it
/// depends on all elements of a tile of 6 x 6 (4 x 4); of a weight gradient at most 32 eps sqrt(P)
/// max|x| max|dy| with P positions of all images. Where an element, or the root of the sum of the
/// squares of weights, is above 1e14 or not a number, the direct sum is taken.
LAMINA_EXPORT void set_winograd(bool allowed);
[[nodiscard]] LAMINA_EXPORT bool winograd_allowed();

template <int Rank>
struct ConvOptions {
  [[no_unique_address]] lamina::detail::ByName by_name = lamina::detail::ByName();
  PerAxis<Rank> stride = 1;
  PaddingMode padding = {};
  PerAxis<Rank> dilation = 1;
  Index groups = 1;
  DataFormat format = DataFormat::NCHW;
  PaddingValue padding_value = PaddingValue::Zero;
  Activation activation = Activation::Identity;  ///< applied to the result while it is in the cache
  ActivationParams activation_params = {};
  ConvAlgorithm algorithm = ConvAlgorithm::Auto;
};
using Conv1dOptions = ConvOptions<1>;
using Conv2dOptions = ConvOptions<2>;
using Conv3dOptions = ConvOptions<3>;

/// Convolution of sequences: x (N, C, L), (C, L) or (L). Gradients: conv1d_backward_input, _weight,
/// _bias. Same as torch.nn.functional.conv1d, ONNX Conv, NumRS2 conv1d.
template <class T>
void conv1d_into(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias, MutArg<T> out,
                 const Conv1dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv1d(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias,
                              const Conv1dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv1d(const View<T>& x, ViewArg<T> weight,
                              const Conv1dOptions& options = {}) {
  return conv1d(x, weight, View<T>(), options);
}
/// The guide's form: stride alone.
template <class T>
[[nodiscard]] Array<T> conv1d(const View<T>& x, ViewArg<T> weight, PerAxis<1> stride) {
  return conv1d(x, weight, View<T>(), {.stride = stride});
}

/// Convolution of images: x (N, C, H, W), (C, H, W) or (H, W). Gradients: conv2d_backward_input,
/// _weight, _bias. Same as torch.nn.functional.conv2d, ONNX Conv, NumRS2 conv2d, conv2d_batched,
/// grouped_conv2d.
template <class T>
void conv2d_into(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias, MutArg<T> out,
                 const Conv2dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv2d(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias,
                              const Conv2dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv2d(const View<T>& x, ViewArg<T> weight,
                              const Conv2dOptions& options = {}) {
  return conv2d(x, weight, View<T>(), options);
}
/// The guide's form: strides of height and width alone.
template <class T>
[[nodiscard]] Array<T> conv2d(const View<T>& x, ViewArg<T> weight, PerAxis<2> stride) {
  return conv2d(x, weight, View<T>(), {.stride = stride});
}

/// Convolution of volumes: x (N, C, D, H, W), (C, D, H, W) or (D, H, W). Gradients:
/// conv3d_backward_input, _weight, _bias. Same as torch.nn.functional.conv3d, ONNX Conv.
template <class T>
void conv3d_into(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias, MutArg<T> out,
                 const Conv3dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv3d(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias,
                              const Conv3dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv3d(const View<T>& x, ViewArg<T> weight,
                              const Conv3dOptions& options = {}) {
  return conv3d(x, weight, View<T>(), options);
}
template <class T>
[[nodiscard]] Array<T> conv3d(const View<T>& x, ViewArg<T> weight, PerAxis<3> stride) {
  return conv3d(x, weight, View<T>(), {.stride = stride});
}

// ---------------------------------------------------------------- the guide's other names

/// conv2d with the same padding on all four sides. Same as NumRS2 conv2d_with_padding.
template <class T>
[[nodiscard]] Array<T> conv2d_with_padding(const View<T>& x, ViewArg<T> weight, PerAxis<2> stride,
                                           Index padding) {
  return conv2d(x, weight, {.stride = stride, .padding = padding});
}
/// Each channel with kernels of its own: weight (C * multiplier, 1, R, S), options.groups is set to
/// C. For a single map as in the guide: conv2d. Gradients: depthwise_conv2d_backward_input,
/// _weight, conv_backward_bias. Same as torch conv2d with groups = C, NumRS2 depthwise_conv2d and
/// depthwise_conv2d_batched.
template <class T>
void depthwise_conv2d_into(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias, MutArg<T> out,
                           const Conv2dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> depthwise_conv2d(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias,
                                        const Conv2dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> depthwise_conv2d(const View<T>& x, ViewArg<T> weight,
                                        const Conv2dOptions& options = {}) {
  return depthwise_conv2d(x, weight, View<T>(), options);
}
/// The guide's form: strides alone.
template <class T>
[[nodiscard]] Array<T> depthwise_conv2d(const View<T>& x, ViewArg<T> weight, PerAxis<2> stride) {
  return depthwise_conv2d(x, weight, View<T>(), {.stride = stride});
}
/// depthwise_conv2d, then a 1 x 1 convolution with `pointwise` (O, C * multiplier, 1, 1) and bias.
/// Gradients: separable_conv2d_backward.
template <class T>
void separable_conv2d_into(const View<T>& x, ViewArg<T> depthwise, ViewArg<T> pointwise,
                           ViewArg<T> bias, MutArg<T> out, const Conv2dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> separable_conv2d(const View<T>& x, ViewArg<T> depthwise,
                                        ViewArg<T> pointwise, ViewArg<T> bias = {},
                                        const Conv2dOptions& options = {});
/// conv2d on (N, C, H, W), padding the same on both sides of an axis. Same as NumRS2
/// conv2d_batched.
template <class T>
[[nodiscard]] Array<T> conv2d_batched(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias,
                                      PerAxis<2> stride, PerAxis<2> padding, PerAxis<2> dilation);
/// depthwise_conv2d on (N, C, H, W). Same as NumRS2 depthwise_conv2d_batched.
template <class T>
[[nodiscard]] Array<T> depthwise_conv2d_batched(const View<T>& x, ViewArg<T> weight,
                                                PerAxis<2> stride, PerAxis<2> padding);
/// conv2d in groups. Same as NumRS2 grouped_conv2d.
template <class T>
[[nodiscard]] Array<T> grouped_conv2d(const View<T>& x, ViewArg<T> weight, Index groups,
                                      PerAxis<2> stride, PerAxis<2> padding);

// ---------------------------------------------------------------- gradients
//
// dy has the shape of the forward result before the activation: with options.activation other than
// Identity, apply activation_backward first (Error(InvalidOperation) otherwise).

/// dx = sum over o, t of dy * weight, of shape x_shape.
template <class T>
void conv1d_backward_input_into(const View<T>& dy, ViewArg<T> weight, MutArg<T> dx,
                                const Conv1dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv1d_backward_input(const View<T>& dy, ViewArg<T> weight,
                                             const Shape& x_shape,
                                             const Conv1dOptions& options = {});
template <class T>
void conv2d_backward_input_into(const View<T>& dy, ViewArg<T> weight, MutArg<T> dx,
                                const Conv2dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv2d_backward_input(const View<T>& dy, ViewArg<T> weight,
                                             const Shape& x_shape,
                                             const Conv2dOptions& options = {});
template <class T>
void conv3d_backward_input_into(const View<T>& dy, ViewArg<T> weight, MutArg<T> dx,
                                const Conv3dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv3d_backward_input(const View<T>& dy, ViewArg<T> weight,
                                             const Shape& x_shape,
                                             const Conv3dOptions& options = {});
template <class T>
void depthwise_conv2d_backward_input_into(const View<T>& dy, ViewArg<T> weight, MutArg<T> dx,
                                          const Conv2dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> depthwise_conv2d_backward_input(const View<T>& dy, ViewArg<T> weight,
                                                       const Shape& x_shape,
                                                       const Conv2dOptions& options = {});
/// dweight = sum over n, p of dy * x, of shape weight_shape.
template <class T>
void conv1d_backward_weight_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dweight,
                                 const Conv1dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv1d_backward_weight(const View<T>& dy, ViewArg<T> x,
                                              const Shape& weight_shape,
                                              const Conv1dOptions& options = {});
template <class T>
void conv2d_backward_weight_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dweight,
                                 const Conv2dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv2d_backward_weight(const View<T>& dy, ViewArg<T> x,
                                              const Shape& weight_shape,
                                              const Conv2dOptions& options = {});
template <class T>
void conv3d_backward_weight_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dweight,
                                 const Conv3dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> conv3d_backward_weight(const View<T>& dy, ViewArg<T> x,
                                              const Shape& weight_shape,
                                              const Conv3dOptions& options = {});
template <class T>
void depthwise_conv2d_backward_weight_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dweight,
                                           const Conv2dOptions& options = {});
template <class T>
[[nodiscard]] Array<T> depthwise_conv2d_backward_weight(const View<T>& dy, ViewArg<T> x,
                                                        const Shape& weight_shape,
                                                        const Conv2dOptions& options = {});

/// dbias = sum over n, p of dy: (O). dy (N, O, spatial...) or (N, spatial..., O).
template <class T>
void conv_backward_bias_into(const View<T>& dy, MutArg<T> dbias,
                             DataFormat format = DataFormat::NCHW);
template <class T>
[[nodiscard]] Array<T> conv_backward_bias(const View<T>& dy, DataFormat format = DataFormat::NCHW);

template <class T>
struct SeparableConv2dGradients {
  Array<T> dx, ddepthwise, dpointwise;
};
/// Gradients of separable_conv2d, of the shapes of x, depthwise and pointwise; the depthwise result
/// is computed again. That of the bias is conv_backward_bias. A result that is not defined is not
/// computed.
template <class T>
void separable_conv2d_backward_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> depthwise,
                                    ViewArg<T> pointwise, MutArg<T> dx, MutArg<T> ddepthwise,
                                    MutArg<T> dpointwise, const Conv2dOptions& options = {});
template <class T>
[[nodiscard]] SeparableConv2dGradients<T> separable_conv2d_backward(
    const View<T>& dy, ViewArg<T> x, ViewArg<T> depthwise, ViewArg<T> pointwise,
    const Conv2dOptions& options = {});

// ---------------------------------------------------------------- scratch memory

/// What a convolution computes.
enum class ConvPass : std::uint8_t { Forward, BackwardInput, BackwardWeight };

/// Bytes of scratch memory, beside arguments and result, that a convolution of contiguous arrays of
/// T takes at most on num_threads() threads. Errors as for the convolution.
template <class T>
[[nodiscard]] Index conv1d_workspace_bytes(const Shape& x, const Shape& weight,
                                           const Conv1dOptions& options = {},
                                           ConvPass pass = ConvPass::Forward);
template <class T>
[[nodiscard]] Index conv2d_workspace_bytes(const Shape& x, const Shape& weight,
                                           const Conv2dOptions& options = {},
                                           ConvPass pass = ConvPass::Forward);
template <class T>
[[nodiscard]] Index conv3d_workspace_bytes(const Shape& x, const Shape& weight,
                                           const Conv3dOptions& options = {},
                                           ConvPass pass = ConvPass::Forward);

}  // namespace lamina::nn
