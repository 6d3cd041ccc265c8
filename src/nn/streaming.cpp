#include "nn/streaming.hpp"

#include <algorithm>
#include <cstddef>

#include "lamina/core/simd.hpp"

namespace lamina::nn::detail {

Index streaming_bytes() {
  static const Index kBytes = [] {
    // What a desktop has, and what a core of a server reaches at most: where many cores share a
    // processor, the cache that it reports may be that of all of them.
    constexpr std::size_t kUsual = std::size_t{32} << 20;
    const std::size_t l3 = simd::detect_simd_capabilities().l3_bytes;
    return static_cast<Index>(l3 == 0 ? kUsual : std::min(l3, kUsual));
  }();
  return kBytes;
}

}  // namespace lamina::nn::detail
