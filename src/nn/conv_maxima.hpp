#pragma once

// A convolution and the max pooling behind it, in blocks of two by two, with or without a ReLU
// between them, as one operation for small images of few channels (see conv_abreast.hpp). Two lines
// of the convolution at a time are computed, and pooled from the L1: neither its result nor the
// gradient of that is ever written to memory, and what has to be turned is a quarter.

#include <cstdint>

#include "lamina/core/memory.hpp"
#include "lamina/nn/conv.hpp"

namespace lamina::nn::detail {

/// Where the maxima were, for the gradient: see kernels/lane_pool.hpp.
struct ConvMaximaPlaces {
  Buffer<std::uint8_t> taps;
  Index lanes = 0;  ///< of a vector when they were found
  bool relu = false;
};

template <class T>
struct ConvMaxima {
  Array<T> values;
  ConvMaximaPlaces places;
};

/// Whether this is the way to go, by shapes and strides alone: results are the same with and
/// without gradients. The errors of conv2d.
template <class T>
[[nodiscard]] bool conv_maxima_pay(const View<T>& x, const View<T>& weight, const View<T>& bias,
                                   const Conv2dOptions& options);

/// max_pool2d(conv2d(x, weight, bias, options), 2), with `relu` of relu() of that; bias may be
/// undefined. Only where it pays. No places unless `with_places`.
template <class T>
[[nodiscard]] ConvMaxima<T> conv_maxima(const View<T>& x, const View<T>& weight,
                                        const View<T>& bias, const Conv2dOptions& options,
                                        bool relu, bool with_places);

/// Its gradients, those of contiguous dx, dweight and dbias that are defined.
template <class T>
void conv_maxima_backward(const View<T>& dy, const View<T>& x, const View<T>& weight,
                          const ConvMaximaPlaces& places, const Conv2dOptions& options,
                          const MutView<T>& dx, const MutView<T>& dweight, const MutView<T>& dbias);

}  // namespace lamina::nn::detail
