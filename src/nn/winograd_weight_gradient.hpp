#pragma once

#include "nn/conv_core.hpp"

namespace lamina::nn::detail {

/// True where Winograd's algorithm is expected to be faster than the sum over positions.
[[nodiscard]] bool winograd_gradient_pays(const ConvShape& shape);

/// dw = dy * x^T, (O, C, 9), or false, and nothing written, where an element of dy or x is not
/// finite or so large that a transform could overflow, or the channels or the positions of a line
/// of one are not adjacent.
template <class T>
[[nodiscard]] bool winograd_weight_gradient(const ConvShape& shape, const ConvImage<const T>& dy,
                                            const ConvImage<const T>& x, T* dw);

/// The bytes of its workspace with so many threads.
template <class T>
[[nodiscard]] Index winograd_gradient_bytes(const ConvShape& shape, Index threads);

}  // namespace lamina::nn::detail
