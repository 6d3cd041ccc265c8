#pragma once

#include "nn/conv_core.hpp"

namespace lamina::nn::detail {

/// A 3 x 3 convolution with stride 1 of images: what both directions of one have in common.
struct WinogradProblem {
  Index images = 1;
  Index in_channels = 1, out_channels = 1;
  Index in_height = 1, in_width = 1, out_height = 1, out_width = 1;
  Index padding_height = 0, padding_width = 0;  ///< before; less than 3
  bool gradient = false;  ///< of the input: x is dy, and the weights (in, out, 9) are turned over
  Index tile = 4;         ///< F(4 x 4) or, for small images, F(2 x 2)
};

/// The problem in one direction; images of 0 where Winograd's algorithm does not serve it.
[[nodiscard]] WinogradProblem winograd_problem(const ConvShape& shape, bool gradient);

/// True where Winograd's algorithm is expected to be faster than the direct product.
[[nodiscard]] bool winograd_pays(const WinogradProblem& problem);

/// The bytes of its workspace: the transformed weights, and the tiles of `threads` threads.
template <class T>
[[nodiscard]] Index winograd_bytes(const WinogradProblem& problem, Index threads);

/// The weights as they are multiplied, for repeated use; empty where one is not finite or too
/// large.
template <class T>
[[nodiscard]] Buffer<T> winograd_transformed(const WinogradProblem& problem, const T* weights);

/// y = finish(bias + weights * x), or false, and nothing written, where an element of x or a weight
/// is not finite or so large that a transform could overflow. `transformed` is nullptr or made of
/// the weights by winograd_transformed.
template <class T>
[[nodiscard]] bool winograd_convolution(const WinogradProblem& problem, const ConvImage<const T>& x,
                                        const T* weights, const T* transformed, const T* bias,
                                        const ConvImage<T>& y, const GemmFinish<T>& finish);

}  // namespace lamina::nn::detail
