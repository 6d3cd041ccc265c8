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
#include <utility>
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
/// To wake a sleeping thread costs the caller some 10 us and takes 20, so a thread waits awake
/// first: for kSpinTime without giving its core up, until kStayTime letting others run.
constexpr auto kSpinTime = std::chrono::microseconds(30);
constexpr auto kStayTime = std::chrono::microseconds(300);

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
std::uint32_t float_control() {
#if defined(__x86_64__)
  return __builtin_ia32_stmxcsr() & ~0x3Fu;  // without the exception flags
#elif defined(__aarch64__)
  std::uint64_t value;
  asm volatile("mrs %0, fpcr" : "=r"(value));
  return static_cast<std::uint32_t>(value);  // the upper half is reserved
#else
  return 0;
#endif
}

void set_float_control([[maybe_unused]] std::uint32_t value) {
#if defined(__x86_64__)
  __builtin_ia32_ldmxcsr(value);
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

class InsideRegion {
 public:
  InsideRegion() : old_(inside_region) { inside_region = true; }
  InsideRegion(const InsideRegion&) = delete;
  InsideRegion& operator=(const InsideRegion&) = delete;
  ~InsideRegion() { inside_region = old_; }

 private:
  bool old_;
};

/// Waits awake between polls, until again() is false. With `allowed` false it is so at once.
class Spin {
 public:
  explicit Spin(bool allowed) : allowed_(allowed) {}

  bool again() {
    if (!allowed_) {
      return false;
    }
    ++count_;
    if (at_clock()) {
      const auto now = std::chrono::steady_clock::now();
      if (count_ == kPolls) {
        start_ = now;
      }
      if (now - start_ > kStayTime) {
        return false;
      }
      if (now - start_ > kSpinTime) {
        std::this_thread::yield();
      }
    }
    cpu_relax();
    return true;
  }
  /// At times: reading the clock costs as much as many polls.
  [[nodiscard]] bool at_clock() const { return count_ % kPolls == 0 && count_ != 0; }

 private:
  static constexpr unsigned kPolls = 32;
  bool allowed_;
  std::chrono::steady_clock::time_point start_;
  unsigned count_ = 0;
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
  std::exception_ptr run(Region region, Index chunks, int threads) {
    if (threads != wanted_) {
      restart(threads);
    }
    const auto slots = static_cast<Index>(slots_.size());
    const Index units = region.make_units(chunks, slots);
    const Index parts = std::min(slots, units);
    for (Index part = 1; part < parts; ++part) {
      Slot& slot = slots_[static_cast<std::size_t>(part)];
      slot.region = region;
      slot.units.store(pack(units * part / parts, units * (part + 1) / parts),
                       std::memory_order_release);
    }
    // The first unit is the caller's without asking. The exchange keeps the stores above from
    // passing the load of sleepers_ below.
    slots_[0].region = region;
    slots_[0].units.exchange(pack(1, units / parts), std::memory_order_seq_cst);
    wake(static_cast<int>(parts) - 1);
    region.run_unit(0, failed_, error_);
    expected_ += static_cast<std::uint64_t>(units - 1);
    take_units(0, [&](const Region&) { --expected_; });
    wait_for_others();
    if (failed_.load(std::memory_order_relaxed) == kNone) [[likely]] {
      return nullptr;
    }
    failed_.store(kNone, std::memory_order_relaxed);
    return error_.take();
  }

  /// Ends the threads. Units taken are finished, others are left to the caller.
  void stop() {
    stop_.store(true, std::memory_order_seq_cst);
    work_signal_.fetch_add(1, std::memory_order_seq_cst);
    work_signal_.notify_all();
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

  void restart(int threads) {
    stop();
    stop_.store(false, std::memory_order_relaxed);
    wanted_ = threads;
    may_spin_ = threads <= detail::available_cpus();
    slots_ = std::vector<Slot>(static_cast<std::size_t>(threads));
    expected_ = 0;
    try {
      threads_.reserve(slots_.size());
      for (std::size_t slot = 1; slot < slots_.size(); ++slot) {
        threads_.emplace_back([this, slot] { work(slot); });
      }
    } catch (const std::system_error&) {
      // The system has no more threads to give. The slots of the missing ones are served by those
      // that are there.
    }
  }

  static bool take(Slot& slot, Index& unit) {
    std::uint64_t units = slot.units.load(std::memory_order_relaxed);
    while (any(units)) {
      if (slot.units.compare_exchange_weak(units, units + (std::uint64_t{1} << 32),
                                           std::memory_order_acquire, std::memory_order_relaxed)) {
        unit = static_cast<Index>(units >> 32);
        return true;
      }
    }
    return false;
  }

  /// Runs units until none is left to take; calls `taken` after taking each.
  template <class Taken>
  void take_units(std::size_t own, const Taken& taken) {
    Index unit = 0;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      const std::size_t other = own + i;
      Slot& slot = slots_[other < slots_.size() ? other : other - slots_.size()];
      while (take(slot, unit)) {
        taken(slot.region);
        slot.region.run_unit(unit, failed_, error_);
      }
    }
  }

  void work(std::size_t own) {
    inside_region = true;
    std::uint32_t control = float_control();
    std::uint64_t done = 0;
    while (await_work(own)) {
      const std::uint64_t before = done;
      take_units(own, [&](const Region& region) {
        ++done;
        if (control != region.control) {
          control = region.control;
          set_float_control(control);
        }
      });
      if (abandoned_.load(std::memory_order_relaxed)) {
        return;  // the body forked and this is the child
      }
      if (done != before) {
        slots_[own].done.store(done, std::memory_order_seq_cst);
        // Either this load sees the caller parked, or the caller saw the store above.
        if (caller_parked_.load(std::memory_order_seq_cst)) {
          done_signal_.fetch_add(1, std::memory_order_release);
          done_signal_.notify_one();
        }
      }
    }
  }

  /// Returns when there may be units to take; false: the thread is to end.
  bool await_work(std::size_t own) {
    const std::atomic<std::uint64_t>& units = slots_[own].units;
    Spin spin(may_spin_);
    do {
      if (any(units.load(std::memory_order_relaxed))) {
        return true;
      }
      // The own slot may have been emptied by others while this thread was held up.
      if (spin.at_clock() && (stop_.load(std::memory_order_relaxed) || any_units())) {
        return !stop_.load(std::memory_order_acquire);
      }
    } while (spin.again());
    const std::uint32_t signal = work_signal_.load(std::memory_order_acquire);
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    // Either these loads see new units, or their writer sees the sleeper and changes the signal.
    if (!any(units.load(std::memory_order_seq_cst)) && !stop_.load(std::memory_order_seq_cst)) {
      work_signal_.wait(signal, std::memory_order_acquire);
    }
    sleepers_.fetch_sub(1, std::memory_order_seq_cst);
    return !stop_.load(std::memory_order_acquire);
  }

  [[nodiscard]] bool any_units() const {
    return std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) {
      return any(slot.units.load(std::memory_order_relaxed));
    });
  }

  /// Sees to it that `wanted` threads are awake.
  void wake(int wanted) {
    const int sleepers = sleepers_.load(std::memory_order_seq_cst);
    if (sleepers == 0) {
      return;
    }
    const int missing = wanted - (static_cast<int>(threads_.size()) - sleepers);
    if (missing <= 0) {
      return;
    }
    work_signal_.fetch_add(1, std::memory_order_release);
    if (missing >= sleepers) {
      work_signal_.notify_all();
    } else {
      for (int i = 0; i < missing; ++i) {
        work_signal_.notify_one();
      }
    }
  }

  [[nodiscard]] bool others_done() const {
    std::uint64_t sum = 0;
    for (std::size_t slot = 1; slot < slots_.size(); ++slot) {
      sum += slots_[slot].done.load(std::memory_order_seq_cst);
    }
    return sum == expected_;
  }

  void wait_for_others() {
    Spin spin(may_spin_);
    do {
      if (others_done()) {
        return;
      }
    } while (spin.again());
    check(!abandoned_.load(std::memory_order_relaxed), ErrorKind::InvalidOperation, "parallel_for",
          "the process was forked inside a body, and the threads that held the other chunks do not "
          "exist in the child");
    caller_parked_.store(true, std::memory_order_seq_cst);
    for (;;) {
      const std::uint32_t signal = done_signal_.load(std::memory_order_acquire);
      if (others_done()) {
        break;
      }
      done_signal_.wait(signal, std::memory_order_acquire);
    }
    caller_parked_.store(false, std::memory_order_relaxed);
  }

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
  const Index threads = std::clamp(executor.concurrency(), 1, kMaxThreads);
  if (threads == 1) {
    region.run_inline();
    return;
  }
  const Index units = region.make_units(chunks, threads);
  std::atomic<Index> failed{kNone};
  std::atomic<Index> done{0};
  FirstError error;
  executor.run(units, [&](Index unit) {
    const InsideRegion inside;
    const FloatControlScope control(region.control);
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
  Region region{n, grain, grain, body, float_control()};
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
