#pragma once

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// Copies `bytes` with stores that go past the caches, for results too large to stay there: the old
/// contents of the cache lines need not be read first. Call stream_fence() before another thread
/// reads them.
void stream_copy(const void* from, void* to, Index bytes);
void stream_fence();

}  // namespace lamina::kernels
