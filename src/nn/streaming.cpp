#include "nn/streaming.hpp"

#include <cstddef>

#include "lamina/core/simd.hpp"

namespace lamina::nn::detail {

Index streaming_bytes() {
  static const Index kBytes = [] {
    // Where it cannot be found out: what a desktop has.
    constexpr std::size_t kUsual = std::size_t{32} << 20;
    const std::size_t l3 = simd::detect_simd_capabilities().l3_bytes;
    return static_cast<Index>(l3 == 0 ? kUsual : l3);
  }();
  return kBytes;
}

}  // namespace lamina::nn::detail
