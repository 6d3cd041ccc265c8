#pragma once

#include <cstdint>

#include "lamina/core/array.hpp"

namespace lamina::testing {

/// Numbers in [-2, 2) that look random but are the same everywhere; `seed` makes others.
template <class T>
Array<T> values(const Shape& shape, std::uint32_t seed) {
  std::uint32_t state = seed * 2654435761u + 12345u;
  Array<T> result = Array<T>::empty(shape);
  for (T& value : result) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<T>(static_cast<double>(state >> 8) / 4194304.0 - 2.0);
  }
  return result;
}

/// The same, each at least `distance` away from 0: for functions with a kink there.
template <class T>
Array<T> values_off_zero(const Shape& shape, std::uint32_t seed, double distance = 0.05) {
  Array<T> result = values<T>(shape, seed);
  for (T& value : result) {
    value += static_cast<T>(value < 0 ? -distance : distance);
  }
  return result;
}

}  // namespace lamina::testing
