#pragma once

#include "nn/conv_core.hpp"

namespace lamina::nn::detail {

/// One input channel a group: the matrix product would have a single row of taps to work on.
[[nodiscard]] inline bool is_depthwise(const ConvShape& shape) {
  return shape.in_group() == 1 && shape.groups > 1;
}

/// Weights (channels, taps) as (taps, channels), which channels last reads.
template <class T>
[[nodiscard]] Buffer<T> depthwise_by_tap(const T* w, Index channels, Index taps);

/// As conv_forward and conv_weight_gradient; by_tap is null or what depthwise_by_tap gave.
template <class T>
void depthwise_forward(const ConvShape& shape, const ConvImage<const T>& x, const T* w,
                       const T* bias, const ConvImage<T>& y, const GemmFinish<T>& finish,
                       const T* by_tap);
/// As conv_input_gradient, or false, and nothing done, where it has no kernel of its own: several
/// kernels a channel, volumes and mixed formats.
template <class T>
[[nodiscard]] bool depthwise_input_gradient(const ConvShape& shape, const ConvImage<const T>& dy,
                                            const T* w, const T* bias, const ConvImage<T>& dx,
                                            const GemmFinish<T>& finish);
template <class T>
void depthwise_weight_gradient(const ConvShape& shape, const ConvImage<const T>& dy,
                               const ConvImage<const T>& x, T* dw);

}  // namespace lamina::nn::detail
