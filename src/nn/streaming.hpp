#pragma once

// Results beyond the caches.
//
// A store to memory that is not in a cache first reads the line, then writes it: half of the
// traffic of a large result is for nothing. Stores that go around the caches spare the reading, but
// for a result that fits a cache they are a loss, as the next operation finds nothing there.

#include <algorithm>

#include "kernels/stream.hpp"
#include "lamina/core/index.hpp"

namespace lamina::nn::detail {

/// Bytes of a result above which it is streamed: the last-level cache of a core, 32 MiB at most.
[[nodiscard]] Index streaming_bytes();

/// The same for element-wise functions, which wait in the L1 on their way and do not read ahead
/// meanwhile: all of the last-level cache that the machine reports.
[[nodiscard]] Index map_streaming_bytes();

/// Elements that wait in the L1 for being streamed.
inline constexpr Index kStreamBlock = 512;

/// True if a contiguous result of so many elements is to be streamed.
template <class T>
[[nodiscard]] bool is_streamed(Index size) {
  // No result of less needs the question.
  constexpr Index kNever = Index{1} << 20;
  return size > kNever && size * static_cast<Index>(sizeof(T)) >= streaming_bytes();
}

/// The same for the result of an element-wise function.
template <class T>
[[nodiscard]] bool is_map_streamed(Index size) {
  return is_streamed<T>(size) && size * static_cast<Index>(sizeof(T)) >= map_streaming_bytes();
}

/// Runs kernel(block, x..., n) for blocks of at most kStreamBlock elements and streams them to
/// `out`. Any x may be `out` itself.
template <class T, class Kernel, class... In>
void map_streamed(T* out, const Kernel& kernel, Index size, const In*... x) {
  alignas(64) T block[kStreamBlock];
  for (Index i = 0; i < size; i += kStreamBlock) {
    const Index n = std::min(kStreamBlock, size - i);
    kernel(static_cast<T*>(block), (x + i)..., n);
    kernels::stream_copy(block, out + i, n);
  }
  kernels::stream_fence();
}

}  // namespace lamina::nn::detail
