#include "lamina/core/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include "core/region.hpp"
#include "core/simd_state.hpp"
#include "core/thread_choice.hpp"
#include "core/thread_pool.hpp"
#include "lamina/core/error.hpp"

namespace lamina {

namespace {

using detail::FirstError;
using detail::Pool;
using detail::Region;

class InsideRegion {
 public:
  InsideRegion() : old_(std::exchange(detail::inside_region, true)) {}
  InsideRegion(const InsideRegion&) = delete;
  InsideRegion& operator=(const InsideRegion&) = delete;
  ~InsideRegion() { detail::inside_region = old_; }

 private:
  bool old_;
};

/// The pool of this process, made when first needed; a fork leaves the child without one.
std::atomic<Pool*> current_pool{nullptr};
std::atomic<bool> closed{false};
std::atomic<Executor*> current_executor{nullptr};
std::atomic<int> set_threads{0};

#if defined(__unix__) || defined(__APPLE__)
// Kept reachable for leak checkers; its memory cannot be given back, the threads' stacks are gone.
Pool* abandoned_pools = nullptr;

void after_fork_in_child() {
  Pool* pool = current_pool.exchange(nullptr, std::memory_order_relaxed);
  if (pool != nullptr) {
    pool->abandon(abandoned_pools);
    abandoned_pools = pool;
  }
}
#endif

/// Registers the fork handler when the library is loaded, and ends the threads before its code goes
/// away, be it at exit or when a plug-in is closed.
struct Lifetime {
  Lifetime() {
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork(nullptr, nullptr, after_fork_in_child);
#endif
  }
  Lifetime(const Lifetime&) = delete;
  Lifetime& operator=(const Lifetime&) = delete;
  ~Lifetime() {
    closed.store(true, std::memory_order_relaxed);
    Pool* pool = current_pool.load(std::memory_order_acquire);
    if (pool != nullptr && pool->try_acquire()) {
      pool->stop();
    }
    // Otherwise a body called exit(), or another thread computes on meanwhile: the pool is left to
    // it. Its memory stays in any case, since such a thread may be about to look at it.
  }
};
const Lifetime lifetime;

Pool& pool() {
  Pool* now = current_pool.load(std::memory_order_acquire);
  if (now == nullptr) {
    auto made = std::make_unique<Pool>();
    if (current_pool.compare_exchange_strong(now, made.get(), std::memory_order_acq_rel)) {
      now = made.release();
    }
  }
  return *now;
}

/// Read once: the environment and the cgroup are those of the start. An error is not kept, so that
/// it is reported again.
const ThreadChoice& initial_choice() {
  static const ThreadChoice choice = detail::default_thread_choice();
  return choice;
}

int own_threads() {
  const int threads = set_threads.load(std::memory_order_relaxed);
  return threads != 0 ? threads : initial_choice().threads;
}

void run_on(Executor& executor, Region& region, Index chunks) {
  const Index threads = std::clamp(executor.concurrency(), 1, detail::kMaxThreads);
  if (threads == 1) {
    region.run_inline();
    return;
  }
  const Index units = region.make_units(chunks, threads);
  std::atomic<Index> failed{detail::kNone};
  std::atomic<Index> done{0};
  FirstError error;
  executor.run(units, [&](Index unit) {
    const InsideRegion inside;
    const detail::FloatControlScope control(region.control);
    region.run_unit(unit, failed, error);
    done.fetch_add(1, std::memory_order_release);
  });
  const Index ran = done.load(std::memory_order_acquire);
  check(ran == units, ErrorKind::InvalidOperation, "parallel_for", "the executor ran ", ran, " of ",
        units, " tasks");
  if (const std::exception_ptr first = error.take()) {
    std::rethrow_exception(first);
  }
}

}  // namespace

void parallel_for(Index n, Index grain, FunctionRef<void(Index, Index)> body) {
  check(grain >= 1, ErrorKind::InvalidOperation, "parallel_for", "grain must be at least 1, got ",
        grain);
  check(n >= 0, ErrorKind::InvalidOperation, "parallel_for", "n must not be negative, got ", n);
  simd::detail::ensure_target();
  if (n <= grain) {
    if (n > 0) {
      body(0, n);
    }
    return;
  }
  const Index chunks = (n - 1) / grain + 1;
  Region region{n, grain, grain, body, detail::float_control()};
  if (detail::inside_region || closed.load(std::memory_order_relaxed)) {
    region.run_inline();
    return;
  }
  const InsideRegion inside;
  if (Executor* executor = current_executor.load(std::memory_order_acquire)) {
    run_on(*executor, region, chunks);
    return;
  }
  const int threads = own_threads();
  Pool* own = threads > 1 ? &pool() : nullptr;
  if (own == nullptr || !own->try_acquire()) {
    region.run_inline();
    return;
  }
  struct Release {
    Pool* pool;
    ~Release() { pool->release(); }
  };
  const Release release{own};
  if (const std::exception_ptr first = own->run(region, chunks, threads)) {
    std::rethrow_exception(first);
  }
}

int num_threads() {
  if (const Executor* executor = current_executor.load(std::memory_order_acquire)) {
    return std::clamp(executor->concurrency(), 1, detail::kMaxThreads);
  }
  return own_threads();
}

void set_num_threads(int threads) {
  check(threads >= 1 && threads <= detail::kMaxThreads, ErrorKind::InvalidOperation,
        "set_num_threads", "threads must be from 1 to ", detail::kMaxThreads, ", got ", threads);
  set_threads.store(threads, std::memory_order_relaxed);
}

ThreadChoice thread_choice() {
  if (current_executor.load(std::memory_order_acquire) != nullptr) {
    return {num_threads(), "the application's executor"};
  }
  if (const int threads = set_threads.load(std::memory_order_relaxed); threads != 0) {
    return {threads, "set_num_threads(" + std::to_string(threads) + ")"};
  }
  return initial_choice();
}

Executor::~Executor() = default;

void set_executor(Executor* executor) noexcept {
  current_executor.store(executor, std::memory_order_release);
}

}  // namespace lamina
