#pragma once

#include "lamina/core/index.hpp"

// Stores that go around the caches: for results that are too large to be found there later.

namespace lamina::kernels {

/// Copies n elements, with stores around the caches where `to` is aligned. Call stream_fence() when
/// all is written.
void stream_copy(const float* from, float* to, Index n);
void stream_copy(const double* from, double* to, Index n);

/// What was streamed before is seen by other threads before what is written after.
void stream_fence();

}  // namespace lamina::kernels
