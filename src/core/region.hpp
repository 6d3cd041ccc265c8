#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <limits>
#include <mutex>
#include <utility>

#include "lamina/core/function_ref.hpp"
#include "lamina/core/index.hpp"

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace lamina::detail {

/// True in the pool's threads and in bodies: parallel_for runs inline there.
extern constinit thread_local bool inside_region;

/// Rounding and denormal modes of this thread. Results must not depend on which thread computes, so
/// the pool's threads take over those of the caller.
inline std::uint32_t float_control() {
#if defined(__SSE__)
  return _mm_getcsr() & ~0x3Fu;  // without the exception flags
#elif defined(__aarch64__)
  std::uint64_t value;
  asm volatile("mrs %0, fpcr" : "=r"(value));
  return static_cast<std::uint32_t>(value);  // the upper half is reserved
#else
  return 0;
#endif
}

inline void set_float_control([[maybe_unused]] std::uint32_t value) {
#if defined(__SSE__)
  _mm_setcsr(value);
#elif defined(__aarch64__)
  asm volatile("msr fpcr, %0" ::"r"(std::uint64_t{value}));
#endif
}

class FloatControlScope {
 public:
  explicit FloatControlScope(std::uint32_t wanted) : old_(float_control()), wanted_(wanted) {
    if (old_ != wanted_) {
      set_float_control(wanted_);
    }
  }
  FloatControlScope(const FloatControlScope&) = delete;
  FloatControlScope& operator=(const FloatControlScope&) = delete;
  ~FloatControlScope() {
    if (old_ != wanted_) {
      set_float_control(old_);
    }
  }

 private:
  std::uint32_t old_;
  std::uint32_t wanted_;
};

/// The exception of the lowest chunk that threw.
class FirstError {
 public:
  /// Called in a catch block. `failed` is the begin of the lowest chunk that threw so far.
  void record(Index begin, std::atomic<Index>& failed) noexcept {
    const std::lock_guard lock(mutex_);
    if (begin < failed.load(std::memory_order_relaxed)) {
      failed.store(begin, std::memory_order_relaxed);
      error_ = std::current_exception();
    }
  }

  /// Empty unless record() was called; forgets it.
  [[nodiscard]] std::exception_ptr take() noexcept { return std::exchange(error_, nullptr); }

 private:
  std::mutex mutex_;
  std::exception_ptr error_;
};

/// Chunks are handed out in units, some sixteen to each thread: enough to level out uneven chunks,
/// and the cost of taking one does not depend on how small the grain is.
constexpr Index kUnitsPerThread = 16;

constexpr Index kNone = std::numeric_limits<Index>::max();

/// One parallel_for call. It is handed out in units: some chunks that follow each other.
struct Region {
  Index n;
  Index grain;
  Index unit;  // elements, a multiple of grain
  FunctionRef<void(Index, Index)> body;
  std::uint32_t control;

  /// Cuts the range into `threads` * kUnitsPerThread units at most; returns how many.
  Index make_units(Index chunks, Index threads) {
    const Index most = threads * kUnitsPerThread;
    if (chunks <= most) {
      unit = grain;
      return chunks;
    }
    unit = ((chunks - 1) / most + 1) * grain;
    return (n - 1) / unit + 1;
  }

  template <class F>
  void for_chunks(Index begin, Index end, const F& run) const {
    while (begin < end) {
      const Index chunk_end = end - begin < grain ? end : begin + grain;
      if (!run(begin, chunk_end)) {
        return;
      }
      begin = chunk_end;
    }
  }

  void run_unit(Index index, std::atomic<Index>& failed, FirstError& error) const noexcept {
    const Index begin = index * unit;
    const Index end = n - begin < unit ? n : begin + unit;
    for_chunks(begin, end, [&](Index chunk, Index chunk_end) {
      if (chunk > failed.load(std::memory_order_relaxed)) {
        return false;
      }
      try {
        body(chunk, chunk_end);
      } catch (...) {
        error.record(chunk, failed);
      }
      return true;
    });
  }

  void run_inline() const {
    for_chunks(0, n, [&](Index chunk, Index chunk_end) {
      body(chunk, chunk_end);
      return true;
    });
  }
};

}  // namespace lamina::detail
