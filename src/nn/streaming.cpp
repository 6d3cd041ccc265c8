#include "nn/streaming.hpp"

#include <algorithm>
#include <cstddef>

#include "lamina/core/simd.hpp"

namespace lamina::nn::detail {

Index map_streaming_bytes() {
  static const Index kBytes = [] {
    constexpr std::size_t kUsual = std::size_t{32} << 20;  // of a desktop, where it is not known
    const std::size_t l3 = simd::detect_simd_capabilities().l3_bytes;
    return static_cast<Index>(l3 == 0 ? kUsual : l3);
  }();
  return kBytes;
}

Index streaming_bytes() {
  // Where many cores share a processor, the cache that it reports may be that of all of them, of
  // which a core reaches so much at most.
  return std::min(map_streaming_bytes(), Index{32} << 20);
}

}  // namespace lamina::nn::detail
