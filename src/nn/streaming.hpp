#pragma once

// Results beyond the caches.
//
// A store to memory that is not in a cache first reads the line, then writes it: half of the
// traffic of a large result is for nothing. Stores that go around the caches spare the reading, but
// for a result that fits a cache they are a loss, as the next operation finds nothing there.

#include "lamina/core/index.hpp"

namespace lamina::nn::detail {

/// Bytes of a result above which it is streamed: the last-level cache of a core, 32 MiB at most.
[[nodiscard]] Index streaming_bytes();

/// True if a contiguous result of so many elements is to be streamed.
template <class T>
[[nodiscard]] bool is_streamed(Index size) {
  // No result of less needs the question.
  constexpr Index kNever = Index{1} << 20;
  return size > kNever && size * static_cast<Index>(sizeof(T)) >= streaming_bytes();
}

}  // namespace lamina::nn::detail
