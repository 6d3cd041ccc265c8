#pragma once

#include <atomic>

#include "lamina/export.hpp"

namespace lamina::simd::detail {

extern std::atomic<bool> ready;
void choose_target();

/// Obeys LAMINA_SIMD before the first kernel runs; throws Error if it names no usable target.
inline void ensure_target() {
  if (!ready.load(std::memory_order_acquire)) [[unlikely]] {
    choose_target();
  }
}

}  // namespace lamina::simd::detail
