#pragma once

#include <cstdint>

#include "lamina/core/memory.hpp"
#include "lamina/nn/pooling.hpp"

namespace lamina::nn::detail {

/// Where the maxima of a pooling were, for its gradient: a byte each where the windows are blocks
/// of two by two, else indices as max_pool gives them.
struct MaxPoolPlaces {
  Buffer<std::uint8_t> taps;
  Array<std::int64_t> indices;
};

template <class T>
struct PlacedMaxima {
  Array<T> values;
  MaxPoolPlaces places;
};

/// Values as max_pool with indices gives them.
template <class T, int Rank>
[[nodiscard]] PlacedMaxima<T> max_pool_places(const View<T>& x, const PerAxis<Rank>& kernel,
                                              const PoolOptions<Rank>& options);

/// max_pool_backward with these places.
template <class T, int Rank>
[[nodiscard]] Array<T> max_pool_backward(const View<T>& dy, const MaxPoolPlaces& places,
                                         const Shape& x_shape, DataFormat format);

}  // namespace lamina::nn::detail
