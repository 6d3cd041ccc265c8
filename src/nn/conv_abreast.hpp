#pragma once

// Convolution of small images of few channels: a vector holds one position of as many images as it
// has lanes. So no lane is idle where lines end, each load is a whole line of the cache, and a
// gradient leaves out what lies above and below dy. Two passes turn the images, in and out.

#include "nn/conv_core.hpp"

namespace lamina::nn::detail {

/// Multiply-adds for each element that is turned, at least.
inline constexpr Index kLeastWork = 32;
/// Blocks of images from which on each is one thread's.
inline constexpr Index kManyBlocks = 4;

/// True where images in the lanes are possible and their arrays small.
template <class T>
[[nodiscard]] bool abreast_serves(const ConvShape& shape, bool gradient,
                                  const ConvImage<const T>& x);

/// True where this is the way to go for images of the given strides, forward or the input gradient.
template <class T>
[[nodiscard]] bool abreast_pays(const ConvShape& shape, bool gradient, const ConvImage<const T>& x);

/// y = finish(bias + w * x), or with `gradient` y = finish(bias + w^T * x) for x = dy. y is
/// contiguous, channels first.
template <class T>
void abreast_convolution(const ConvShape& shape, bool gradient, const ConvImage<const T>& x,
                         const T* w, const T* bias, const ConvImage<T>& y,
                         const GemmFinish<T>& finish);

template <class T>
[[nodiscard]] Index abreast_bytes(const ConvShape& shape, bool gradient, Index threads);

/// The same for the weight gradient.
template <class T>
[[nodiscard]] bool abreast_gradient_pays(const ConvShape& shape, const ConvImage<const T>& dy,
                                         const ConvImage<const T>& x);
template <class T>
void abreast_weight_gradient(const ConvShape& shape, const ConvImage<const T>& dy,
                             const ConvImage<const T>& x, T* dw);
/// Parts of the images that have sums of their own.
template <class T>
[[nodiscard]] Index abreast_gradient_parts(const ConvShape& shape);
template <class T>
[[nodiscard]] Index abreast_gradient_bytes(const ConvShape& shape, Index threads);

}  // namespace lamina::nn::detail
