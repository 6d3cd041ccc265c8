#pragma once

// Convolution of few channels, channels first. A band of an image is copied with its padding; for
// each tap a vector of positions is then loaded from where it lies in the copy, and meets the
// weights of several channels. There is no gathered matrix, which for few channels costs more than
// the product. The input gradient with stride 1 is the same with the kernel turned over.

#include "nn/conv_core.hpp"

namespace lamina::nn::detail {

/// What positions see, padding included, is not much more than the image: it can be copied.
[[nodiscard]] bool copies_little(const ConvShape& shape, bool gradient);

/// True where this is the way to go: by shape alone.
template <class T>
[[nodiscard]] bool direct_pays(const ConvShape& shape, bool gradient);

/// y = finish(bias + w * x), or with `gradient` y = finish(bias + w^T * x) for x = dy. y is
/// contiguous, channels first.
template <class T>
void direct_convolution(const ConvShape& shape, bool gradient, const ConvImage<const T>& x,
                        const T* w, const T* bias, const ConvImage<T>& y,
                        const GemmFinish<T>& finish);

/// The same with channels last, forward: a band is a copy of its lines, of which each step of the
/// sum takes one element for each of several positions, and outputs are in the lanes.
template <class T>
[[nodiscard]] bool direct_last_pays(const ConvShape& shape, const ConvImage<const T>& x);
template <class T>
void direct_last_convolution(const ConvShape& shape, const ConvImage<const T>& x, const T* w,
                             const T* bias, const ConvImage<T>& y, const GemmFinish<T>& finish);
template <class T>
[[nodiscard]] Index direct_last_bytes(const ConvShape& shape, int threads);

template <class T>
[[nodiscard]] Index direct_bytes(const ConvShape& shape, bool gradient, int threads);

}  // namespace lamina::nn::detail
