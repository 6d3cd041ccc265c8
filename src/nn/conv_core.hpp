#pragma once

// The three products behind every convolution, on raw pointers over three spatial axes. 1-d and 2-d
// convolutions are volumes with extents of 1; both data formats are strides; transposed convolution
// is the input gradient.

#include <array>

#include "nn/gemm.hpp"

namespace lamina::nn::detail {

/// An image batch: where element (n, c, d, h, w) lies.
template <class T>
struct ConvImage {
  T* data = nullptr;
  Index image_stride = 0, channel_stride = 0;
  std::array<Index, 3> strides{};
};

struct ConvShape {
  Index images = 1;
  Index in_channels = 1, out_channels = 1, groups = 1;
  std::array<Index, 3> in{1, 1, 1}, out{1, 1, 1}, kernel{1, 1, 1};
  std::array<Index, 3> stride{1, 1, 1}, dilation{1, 1, 1}, padding{0, 0, 0};  // padding: before
  bool winograd = false;  ///< Winograd's algorithm may be used

  [[nodiscard]] Index in_group() const { return in_channels / groups; }
  [[nodiscard]] Index out_group() const { return out_channels / groups; }
  [[nodiscard]] Index taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  [[nodiscard]] Index in_positions() const { return in[0] * in[1] * in[2]; }
  [[nodiscard]] Index out_positions() const { return out[0] * out[1] * out[2]; }
};

/// Weights made ready for repeated use, see conv_weights.hpp.
template <class T>
struct PreparedWeights;

/// y = finish(bias + w * x). w (O, C / groups, taps) contiguous, and what was prepared of it, if
/// anything; y contiguous in either format.
template <class T>
void conv_forward(const ConvShape& shape, const ConvImage<const T>& x, const T* w, const T* bias,
                  const ConvImage<T>& y, const GemmFinish<T>& finish,
                  const PreparedWeights<T>* prepared = nullptr);

/// Prepares the weights w of an x whose strides are given; its data is not read.
template <class T>
[[nodiscard]] PreparedWeights<T> prepare_weights(const ConvShape& shape,
                                                 const ConvImage<const T>& x, bool channels_last,
                                                 const T* w);

/// dx = finish(bias + w^T * dy): the input gradient, and the transposed convolution. bias (C) or
/// nullptr; dx contiguous in either format.
template <class T>
void conv_input_gradient(const ConvShape& shape, const ConvImage<const T>& dy, const T* w,
                         const T* bias, const ConvImage<T>& dx, const GemmFinish<T>& finish);

/// dw = dy * x^T, (O, C / groups, taps) contiguous.
template <class T>
void conv_weight_gradient(const ConvShape& shape, const ConvImage<const T>& dy,
                          const ConvImage<const T>& x, T* dw);

/// Bytes of scratch memory that these take at most with so many threads, for contiguous arrays.
template <class T>
[[nodiscard]] Index conv_forward_bytes(const ConvShape& shape, bool channels_last, int threads);
template <class T>
[[nodiscard]] Index conv_input_gradient_bytes(const ConvShape& shape, bool channels_last,
                                              int threads);
template <class T>
[[nodiscard]] Index conv_weight_gradient_bytes(const ConvShape& shape, bool channels_last,
                                               int threads);

}  // namespace lamina::nn::detail
