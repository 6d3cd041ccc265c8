#include "lamina/core/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include "core/cpu_limits.hpp"
#include "core/simd_state.hpp"
#include "lamina/core/error.hpp"

namespace lamina {

namespace {

constexpr int kMaxThreads = 1024;
/// Chunks are handed out in units, some sixteen to each thread: enough to level out uneven chunks,
/// and the cost of taking one does not depend on how small the grain is.
constexpr Index kUnitsPerThread = 16;
constexpr auto kSpinTime = std::chrono::microseconds(50);

/// True in pool threads and in bodies: parallel_for runs inline there.
thread_local bool inside_region = false;

void cpu_relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  asm volatile("yield" ::: "memory");
#endif
}

/// Rounding and denormal modes of this thread. Results must not depend on which thread computes, so
/// the pool's threads take over those of the caller.
std::uint64_t float_control() {
#if defined(__x86_64__)
  return __builtin_ia32_stmxcsr() & ~0x3Fu;  // without the exception flags
#elif defined(__aarch64__)
  std::uint64_t value;
  asm volatile("mrs %0, fpcr" : "=r"(value));
  return value;
#else
  return 0;
#endif
}

void set_float_control([[maybe_unused]] std::uint64_t value) {
#if defined(__x86_64__)
  __builtin_ia32_ldmxcsr(static_cast<unsigned>(value));
#elif defined(__aarch64__)
  asm volatile("msr fpcr, %0" ::"r"(value));
#endif
}

class FloatControlScope {
 public:
  explicit FloatControlScope(std::uint64_t wanted) : old_(float_control()), wanted_(wanted) {
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
  std::uint64_t old_;
  std::uint64_t wanted_;
};

class InsideRegion {
 public:
  InsideRegion() : old_(inside_region) { inside_region = true; }
  InsideRegion(const InsideRegion&) = delete;
  InsideRegion& operator=(const InsideRegion&) = delete;
  ~InsideRegion() { inside_region = old_; }

 private:
  bool old_;
};

/// Yields true until `limit` has passed, pausing the core between the calls.
class Spin {
 public:
  explicit Spin(std::chrono::nanoseconds limit) : limit_(limit) {}
  bool again() {
    if (limit_ <= std::chrono::nanoseconds::zero()) {
      return false;
    }
    if (++count_ % 64 == 0) {  // reading the clock costs as much as many polls
      const auto now = std::chrono::steady_clock::now();
      if (count_ == 64) {
        start_ = now;
      } else if (now - start_ > limit_) {
        return false;
      }
    }
    cpu_relax();
    return true;
  }

 private:
  std::chrono::nanoseconds limit_;
  std::chrono::steady_clock::time_point start_;
  unsigned count_ = 0;
};

/// One parallel_for call: the range, its cut, and the first error. Lives on the caller's stack.
class Region {
 public:
  Region(Index n, Index grain, Index chunks, FunctionRef<void(Index, Index)> body)
      : n_(n), grain_(grain), chunks_(chunks), body_(body) {}

  /// Groups the chunks into units for `threads` threads; the number of units.
  Index make_units(Index threads, Index units_per_thread) {
    const Index wanted = threads * units_per_thread;
    chunks_per_unit_ = chunks_ / wanted + (chunks_ % wanted != 0 ? 1 : 0);
    return chunks_ / chunks_per_unit_ + (chunks_ % chunks_per_unit_ != 0 ? 1 : 0);
  }

  void run_unit(Index unit) noexcept {
    const Index first = unit * chunks_per_unit_;
    const Index count = std::min(chunks_per_unit_, chunks_ - first);
    for (Index chunk = first; chunk < first + count; ++chunk) {
      if (chunk > failed_.load(std::memory_order_relaxed)) {
        return;
      }
      try {
        run_chunk(chunk);
      } catch (...) {
        record(chunk);
      }
    }
  }

  void run_inline() const {
    for (Index chunk = 0; chunk < chunks_; ++chunk) {
      run_chunk(chunk);
    }
  }

  void rethrow() const {
    if (error_) {
      std::rethrow_exception(error_);
    }
  }

  [[nodiscard]] std::uint64_t control() const { return control_; }

 private:
  void run_chunk(Index chunk) const {
    const Index begin = chunk * grain_;
    body_(begin, n_ - begin < grain_ ? n_ : begin + grain_);
  }

  void record(Index chunk) noexcept {
    const std::lock_guard lock(mutex_);
    if (chunk < failed_.load(std::memory_order_relaxed)) {
      failed_.store(chunk, std::memory_order_relaxed);
      error_ = std::current_exception();
    }
  }

  Index n_;
  Index grain_;
  Index chunks_;
  Index chunks_per_unit_ = 1;
  FunctionRef<void(Index, Index)> body_;
  std::uint64_t control_ = float_control();
  std::atomic<Index> failed_{std::numeric_limits<Index>::max()};
  std::mutex mutex_;
  std::exception_ptr error_;
};

/// The threads. Every thread has a slot holding a range of units; it takes units from the front of
/// its own slot, then from the others'. The caller has slot 0, and waits only for units that others
/// have taken: a thread that is late costs nothing.
///
/// Why it is correct: a unit is taken by a compare-and-swap on a slot, and slots are filled after
/// region_ is set; so whoever holds a unit sees the region it belongs to. The region ends only when
/// all taken units have been counted in done_, so it stays valid as long as anybody holds a unit.
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

  /// To be called by the thread that acquired the pool.
  void run(Region& region, int threads) {
    if (threads != wanted_) {
      restart(threads);
    }
    const auto slots = static_cast<Index>(slots_.size());
    const Index units = region.make_units(slots, kUnitsPerThread);
    const Index parts = std::min(slots, units);
    region_ = &region;
    done_.store(0, std::memory_order_relaxed);
    for (Index part = 0; part < parts; ++part) {
      slots_[static_cast<std::size_t>(part)].units.store(
          pack(units * part / parts, units * (part + 1) / parts), std::memory_order_release);
    }
    epoch_.store(epoch_.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
    wake(static_cast<int>(parts) - 1);
    const std::uint32_t own = take_units(0);
    wait_for(static_cast<std::uint32_t>(units) - own);
  }

  /// Ends the threads. Units taken are finished, others are left to the caller.
  void stop() {
    stop_.store(true, std::memory_order_release);
    epoch_.store(epoch_.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
    signal_.fetch_add(1, std::memory_order_release);
    signal_.notify_all();
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }

  /// Called in the child of a fork: the threads do not exist here.
  void abandon(Pool* older) {
    abandoned_.store(true, std::memory_order_relaxed);
    older_ = older;
  }

  [[nodiscard]] bool owns_this_thread() const {
    return std::any_of(threads_.begin(), threads_.end(), [](const std::thread& thread) {
      return thread.get_id() == std::this_thread::get_id();
    });
  }

 private:
  struct alignas(128) Slot {              // two lines: prefetchers fetch pairs
    std::atomic<std::uint64_t> units{0};  // first unit not taken, and the end
  };

  static std::uint64_t pack(Index first, Index end) {
    return static_cast<std::uint64_t>(first) << 32 | static_cast<std::uint64_t>(end);
  }

  void restart(int threads) {
    stop();
    stop_.store(false, std::memory_order_relaxed);
    wanted_ = threads;
    spin_time_ = threads <= detail::available_cpus() ? kSpinTime : std::chrono::nanoseconds(0);
    slots_ = std::vector<Slot>(static_cast<std::size_t>(threads));
    const std::uint64_t epoch = epoch_.load(std::memory_order_relaxed);
    try {
      threads_.reserve(slots_.size());
      for (std::size_t slot = 1; slot < slots_.size(); ++slot) {
        threads_.emplace_back([this, slot, epoch] { work(slot, epoch); });
      }
    } catch (const std::system_error&) {
      // The system has no more threads to give. The slots of the missing ones are served by those
      // that are there.
    }
  }

  bool take(Slot& slot, Index& unit) {
    std::uint64_t units = slot.units.load(std::memory_order_relaxed);
    while ((units >> 32) < (units & 0xFFFFFFFF)) {
      if (slot.units.compare_exchange_weak(units, units + (std::uint64_t{1} << 32),
                                           std::memory_order_acquire, std::memory_order_relaxed)) {
        unit = static_cast<Index>(units >> 32);
        return true;
      }
    }
    return false;
  }

  std::uint32_t take_units(std::size_t own) {
    std::uint32_t count = 0;
    Index unit = 0;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      const std::size_t other = own + i;
      Slot& slot = slots_[other < slots_.size() ? other : other - slots_.size()];
      while (take(slot, unit)) {
        const FloatControlScope control(region_->control());
        region_->run_unit(unit);
        ++count;
      }
    }
    return count;
  }

  void work(std::size_t slot, std::uint64_t epoch) {
    inside_region = true;
    for (;;) {
      epoch = await_change(epoch);
      if (stop_.load(std::memory_order_acquire)) {
        return;
      }
      const std::uint32_t count = take_units(slot);
      if (abandoned_.load(std::memory_order_relaxed)) {
        return;  // the body forked and this is the child
      }
      if (count != 0) {
        done_.fetch_add(count, std::memory_order_seq_cst);
        if (caller_parked_.load(std::memory_order_seq_cst)) {
          done_.notify_one();
        }
      }
    }
  }

  std::uint64_t await_change(std::uint64_t epoch) {
    Spin spin(spin_time_);
    do {
      const std::uint64_t now = epoch_.load(std::memory_order_acquire);
      if (now != epoch) {
        return now;
      }
    } while (spin.again());
    for (;;) {
      const std::uint32_t signal = signal_.load(std::memory_order_acquire);
      sleepers_.fetch_add(1, std::memory_order_seq_cst);
      // Either this load sees a new epoch, or its writer sees the sleeper and changes signal_.
      if (epoch_.load(std::memory_order_seq_cst) == epoch) {
        signal_.wait(signal, std::memory_order_acquire);
      }
      sleepers_.fetch_sub(1, std::memory_order_seq_cst);
      const std::uint64_t now = epoch_.load(std::memory_order_acquire);
      if (now != epoch) {
        return now;
      }
    }
  }

  /// Sees to it that `wanted` threads are awake.
  void wake(int wanted) {
    const int sleepers = sleepers_.load(std::memory_order_seq_cst);
    const int missing = wanted - (static_cast<int>(threads_.size()) - sleepers);
    if (sleepers == 0 || missing <= 0) {
      return;
    }
    signal_.fetch_add(1, std::memory_order_release);
    if (missing >= sleepers) {
      signal_.notify_all();
    } else {
      for (int i = 0; i < missing; ++i) {
        signal_.notify_one();
      }
    }
  }

  void wait_for(std::uint32_t units) {
    Spin spin(spin_time_);
    do {
      if (done_.load(std::memory_order_acquire) == units) {
        return;
      }
    } while (spin.again());
    check(!abandoned_.load(std::memory_order_relaxed), ErrorKind::InvalidOperation, "parallel_for",
          "the process was forked inside a body, and the threads that held the other chunks do not "
          "exist in the child");
    caller_parked_.store(true, std::memory_order_seq_cst);
    for (;;) {
      const std::uint32_t done = done_.load(std::memory_order_seq_cst);
      if (done == units) {
        break;
      }
      done_.wait(done, std::memory_order_acquire);
    }
    caller_parked_.store(false, std::memory_order_relaxed);
  }

  // Written by the caller, polled by the threads.
  alignas(128) std::atomic<std::uint64_t> epoch_{0};
  std::atomic<bool> stop_{false};
  std::atomic<std::uint32_t> signal_{0};
  Region* region_ = nullptr;
  // Written by the threads, polled by the caller.
  alignas(128) std::atomic<std::uint32_t> done_{0};
  std::atomic<bool> caller_parked_{false};
  std::atomic<int> sleepers_{0};
  // Mostly read.
  alignas(128) std::atomic<bool> busy_{false};
  std::atomic<bool> abandoned_{false};
  int wanted_ = 0;
  std::chrono::nanoseconds spin_time_{0};
  std::vector<Slot> slots_;
  std::vector<std::thread> threads_;
  Pool* older_ = nullptr;
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
    if (pool == nullptr || pool->owns_this_thread()) {
      return;  // exit() called by a body: its thread cannot wait for itself
    }
    if (pool->try_acquire()) {
      pool->stop();
    }
    // Otherwise another thread computes on while the process exits; the pool is left to it. Its
    // memory stays in any case: such a thread may be about to look at it.
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

/// The first number of `text`, which may be a list ("4,2" in OMP_NUM_THREADS); 0 if it has none
/// that can be used.
int parse_threads(std::string_view text, bool list) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) {
    text.remove_prefix(1);
  }
  int value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
  while (!rest.empty() && std::isspace(static_cast<unsigned char>(rest.front())) != 0) {
    rest.remove_prefix(1);
  }
  const bool ends = rest.empty() || (list && rest.front() == ',');
  return status == std::errc() && ends && value >= 1 && value <= kMaxThreads ? value : 0;
}

ThreadChoice default_choice() {
  if (const char* text = std::getenv("LAMINA_NUM_THREADS"); text != nullptr && *text != '\0') {
    const int threads = parse_threads(text, false);
    check(threads != 0, ErrorKind::InvalidOperation, "LAMINA_NUM_THREADS",
          "expected a number from 1 to ", kMaxThreads, ", got \"", text, '"');
    return {threads, "LAMINA_NUM_THREADS=" + std::string(text)};
  }
  std::string ignored;
  if (const char* text = std::getenv("OMP_NUM_THREADS"); text != nullptr && *text != '\0') {
    if (const int threads = parse_threads(text, true); threads != 0) {
      return {threads, "OMP_NUM_THREADS=" + std::string(text)};
    }
    ignored = "; OMP_NUM_THREADS=" + std::string(text) + " is no usable number";
  }
  const int cpus = std::min(detail::available_cpus(), kMaxThreads);
  std::string reason = std::to_string(cpus) + (cpus == 1 ? " CPU" : " CPUs") + " may be used";
  int threads = cpus;
  if (const auto quota = detail::cgroup_limits().cpus) {
    const int limit = static_cast<int>(std::ceil(std::min(*quota, double{kMaxThreads})));
    std::ostringstream text;
    text << *quota;
    reason += ", the cgroup quota is " + text.str() + " CPUs";
    threads = std::max(1, std::min(cpus, limit));
  } else {
    reason += ", no cgroup quota";
  }
  return {threads, reason + ignored};
}

/// Read once: the environment and the cgroup are those of the start. An error is not kept, so that
/// it is reported again.
const ThreadChoice& initial_choice() {
  static const ThreadChoice choice = default_choice();
  return choice;
}

int own_threads() {
  const int threads = set_threads.load(std::memory_order_relaxed);
  return threads != 0 ? threads : initial_choice().threads;
}

void run_on(Executor& executor, Region& region, Index chunks) {
  constexpr Index kTasksPerThread = 4;
  const Index threads = std::clamp(executor.concurrency(), 1, kMaxThreads);
  const Index tasks = region.make_units(threads, kTasksPerThread);
  if (threads == 1 || chunks == 1) {
    region.run_inline();
    return;
  }
  std::atomic<Index> done{0};
  executor.run(tasks, [&](Index task) {
    const InsideRegion inside;
    const FloatControlScope control(region.control());
    region.run_unit(task);
    done.fetch_add(1, std::memory_order_release);
  });
  const Index ran = done.load(std::memory_order_acquire);
  check(ran == tasks, ErrorKind::InvalidOperation, "parallel_for", "the executor ran ", ran, " of ",
        tasks, " tasks");
  region.rethrow();
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
  const Index chunks = n / grain + (n % grain != 0 ? 1 : 0);
  Region region(n, grain, chunks, body);
  if (inside_region || closed.load(std::memory_order_relaxed)) {
    region.run_inline();
    return;
  }
  const InsideRegion inside;
  if (Executor* executor = current_executor.load(std::memory_order_acquire)) {
    run_on(*executor, region, chunks);
    return;
  }
  const int threads = own_threads();
  Pool* threads_of_process = threads > 1 ? &pool() : nullptr;
  if (threads_of_process == nullptr || !threads_of_process->try_acquire()) {
    region.run_inline();
    return;
  }
  struct Release {
    Pool& held;
    ~Release() { held.release(); }
  };
  {
    const Release release{*threads_of_process};
    threads_of_process->run(region, threads);
  }
  region.rethrow();
}

int num_threads() {
  if (const Executor* executor = current_executor.load(std::memory_order_acquire)) {
    return std::clamp(executor->concurrency(), 1, kMaxThreads);
  }
  return own_threads();
}

void set_num_threads(int threads) {
  check(threads >= 1 && threads <= kMaxThreads, ErrorKind::InvalidOperation, "set_num_threads",
        "threads must be from 1 to ", kMaxThreads, ", got ", threads);
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
