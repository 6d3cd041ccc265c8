#pragma once

#include <cstdint>

namespace lamina {

/// Signed everywhere: sizes, positions and strides (in elements, possibly negative).
using Index = std::int64_t;

/// Highest rank of an array.
inline constexpr int kMaxRank = 8;

/// a / b rounded up, for a >= 0 and b > 0.
[[nodiscard]] constexpr Index ceil_div(Index a, Index b) noexcept {
  return (a + b - 1) / b;
}

}  // namespace lamina
