#pragma once

// Numbers for tests: repeatable, and the same on every platform.

#include <cstdint>

#include "lamina/core/array.hpp"

namespace lamina::test {

/// Uniform numbers in [low, high).
template <class T>
Array<T> uniform_numbers(const Shape& shape, std::uint64_t seed, double low = -2, double high = 2) {
  Array<T> x = Array<T>::empty(shape);
  std::uint64_t state = seed * 0x9E3779B97F4A7C15U + 0x243F6A8885A308D3U;
  for (Index i = 0; i < x.size(); ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    const double unit = static_cast<double>(state >> 11) * 0x1p-53;
    x.data()[i] = static_cast<T>(low + (high - low) * unit);
  }
  return x;
}

}  // namespace lamina::test
