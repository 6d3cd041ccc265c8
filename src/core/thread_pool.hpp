#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

#include "core/region.hpp"
#include "lamina/core/index.hpp"

namespace lamina::detail {

/// The threads. Each has a slot: a range of units and a copy of the region they belong to. A thread
/// takes units from the front of its own slot, then from the others'. The caller has slot 0, and
/// waits only for units that others have taken: a thread that is late costs nothing.
///
/// Why it is correct: a unit is taken by a compare-and-swap on a slot, and a slot's range is stored
/// after its region; so whoever takes a unit sees the region it belongs to. The call returns when
/// all units that others took are counted as done, so a region stays as long as anybody holds a
/// unit.
///
/// Why it is quick: a slot is one cache line. It goes from the caller to the thread that polls it,
/// and back with the count of what was done.
class Pool {
 public:
  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() { stop(); }

  [[nodiscard]] bool try_acquire() {
    return !busy_.load(std::memory_order_relaxed) &&
           !busy_.exchange(true, std::memory_order_acquire);
  }
  void release() { busy_.store(false, std::memory_order_release); }

  /// To be called by the thread that acquired the pool. Returns the first error.
  std::exception_ptr run(Region region, Index chunks, int threads);

  /// Ends the threads. Units taken are finished, others are left to the caller.
  void stop();

  /// Called in the child of a fork: the threads do not exist here.
  void abandon(Pool* older) {
    abandoned_.store(true, std::memory_order_relaxed);
    older_ = older;
  }

 private:
  struct Line {
    std::atomic<std::uint64_t> units{0};  // the first one not taken, and the end
    std::atomic<std::uint64_t> done{0};   // by this thread since it started; only it writes
    Region region{0, 1, 1, [](Index, Index) {}, 0};
  };
  static_assert(sizeof(Line) <= 64);
  // Two cache lines apart, since prefetchers fetch pairs of lines.
  struct alignas(128) Slot : Line {};

  static std::uint64_t pack(Index first, Index end) {
    return static_cast<std::uint64_t>(first) << 32 | static_cast<std::uint64_t>(end);
  }
  static bool any(std::uint64_t units) { return (units >> 32) < (units & 0xFFFFFFFF); }

  void restart(int threads);
  static bool take(Slot& slot, Index& unit);
  /// Runs units until none is left to take; calls `taken` after taking each.
  template <class Taken>
  void take_units(std::size_t own, const Taken& taken);

  /// What a thread does until stop().
  void work(std::size_t own);
  /// Returns when there may be units to take; false: the thread is to end.
  bool await_work(std::size_t own);
  [[nodiscard]] bool any_units() const;
  /// Sees to it that `wanted` threads are awake.
  void wake(int wanted);
  [[nodiscard]] bool others_done() const;
  void wait_for_others();

  // Touched by the caller alone.
  alignas(128) std::atomic<bool> busy_{false};
  int wanted_ = 0;
  std::uint64_t expected_ = 0;  // sum of all `done`
  // Mostly read.
  alignas(128) std::atomic<bool> stop_{false};
  std::atomic<bool> abandoned_{false};
  std::atomic<bool> caller_parked_{false};
  std::atomic<int> sleepers_{0};
  std::atomic<std::uint32_t> work_signal_{0};
  std::atomic<std::uint32_t> done_signal_{0};
  std::atomic<Index> failed_{kNone};
  bool may_spin_ = false;
  std::vector<Slot> slots_;
  FirstError error_;
  std::vector<std::thread> threads_;
  Pool* older_ = nullptr;
};

}  // namespace lamina::detail
