#include "core/thread_pool.hpp"

#include <algorithm>
#include <chrono>
#include <system_error>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <signal.h>
#endif

#include "core/cpu_limits.hpp"
#include "lamina/core/error.hpp"

namespace lamina::detail {

constinit thread_local bool inside_region = false;

namespace {

void cpu_relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  asm volatile("yield" ::: "memory");
#endif
}

/// To wake a sleeping thread costs the caller some 10 us and takes 20, so a thread waits awake
/// first: for kSpinTime without giving its core up, until kStayTime letting others run.
constexpr auto kSpinTime = std::chrono::microseconds(30);
constexpr auto kStayTime = std::chrono::microseconds(300);

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

/// Threads started meanwhile leave the application's signals to its own threads. Signals of errors
/// and profilers go where they arise.
class QuietSignals {
 public:
  QuietSignals() {
#if defined(__unix__) || defined(__APPLE__)
    sigset_t quiet;
    sigfillset(&quiet);
    for (const int signal :
         {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGXCPU, SIGPROF}) {
      sigdelset(&quiet, signal);
    }
    changed_ = pthread_sigmask(SIG_SETMASK, &quiet, &old_) == 0;
#endif
  }
  QuietSignals(const QuietSignals&) = delete;
  QuietSignals& operator=(const QuietSignals&) = delete;
  ~QuietSignals() {
#if defined(__unix__) || defined(__APPLE__)
    if (changed_) {
      pthread_sigmask(SIG_SETMASK, &old_, nullptr);
    }
#endif
  }

#if defined(__unix__) || defined(__APPLE__)
 private:
  sigset_t old_;
  bool changed_ = false;
#endif
};

}  // namespace

bool Pool::take(Slot& slot, Index& unit) {
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

template <class Taken>
void Pool::take_units(std::size_t own, const Taken& taken) {
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

std::exception_ptr Pool::run(Region region, Index chunks, int threads) {
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

void Pool::stop() {
  stop_.store(true, std::memory_order_seq_cst);
  work_signal_.fetch_add(1, std::memory_order_seq_cst);
  work_signal_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

void Pool::restart(int threads) {
  stop();
  stop_.store(false, std::memory_order_relaxed);
  wanted_ = 0;  // for the case that there is no memory
  may_spin_ = threads <= available_cpus();
  slots_ = std::vector<Slot>(static_cast<std::size_t>(threads));
  expected_ = 0;
  threads_.reserve(slots_.size());
  const QuietSignals quiet;
  try {
    for (std::size_t slot = 1; slot < slots_.size(); ++slot) {
      threads_.emplace_back([this, slot] { work(slot); });
    }
  } catch (const std::system_error&) {
    // The system has no more threads to give. The slots of the missing ones are served by those
    // that are there.
  }
  wanted_ = threads;
}

void Pool::work(std::size_t own) {
  inside_region = true;
#if defined(__linux__)
  pthread_setname_np(pthread_self(), "lamina");  // for debuggers and top
#endif
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
      slots_[own].done.exchange(done, std::memory_order_seq_cst);
      // Either this load sees the caller parked, or the caller saw the count. (Exchanges, since
      // QEMU does not order a store before a later load, as it should for ARM.)
      if (caller_parked_.load(std::memory_order_seq_cst)) {
        done_signal_.fetch_add(1, std::memory_order_seq_cst);
        done_signal_.notify_one();
      }
    }
  }
}

bool Pool::await_work(std::size_t own) {
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
  if (!any_units() && !stop_.load(std::memory_order_seq_cst)) {
    work_signal_.wait(signal, std::memory_order_acquire);
  }
  sleepers_.fetch_sub(1, std::memory_order_seq_cst);
  return !stop_.load(std::memory_order_acquire);
}

bool Pool::any_units() const {
  return std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) {
    return any(slot.units.load(std::memory_order_seq_cst));
  });
}

void Pool::wake(int wanted) {
  const int sleepers = sleepers_.load(std::memory_order_seq_cst);
  if (sleepers == 0) {
    return;
  }
  const int missing = wanted - (static_cast<int>(threads_.size()) - sleepers);
  if (missing <= 0) {
    return;
  }
  work_signal_.fetch_add(1, std::memory_order_seq_cst);
  if (missing >= sleepers) {
    work_signal_.notify_all();
  } else {
    for (int i = 0; i < missing; ++i) {
      work_signal_.notify_one();
    }
  }
}

bool Pool::others_done() const {
  std::uint64_t sum = 0;
  for (std::size_t slot = 1; slot < slots_.size(); ++slot) {
    sum += slots_[slot].done.load(std::memory_order_seq_cst);
  }
  return sum == expected_;
}

void Pool::wait_for_others() {
  Spin spin(may_spin_);
  do {
    if (others_done()) {
      return;
    }
  } while (spin.again());
  check(!abandoned_.load(std::memory_order_relaxed), ErrorKind::InvalidOperation, "parallel_for",
        "the process was forked inside a body, and the threads that held the other chunks do not "
        "exist in the child");
  caller_parked_.exchange(true, std::memory_order_seq_cst);
  for (;;) {
    const std::uint32_t signal = done_signal_.load(std::memory_order_acquire);
    if (others_done()) {
      break;
    }
    done_signal_.wait(signal, std::memory_order_acquire);
  }
  caller_parked_.store(false, std::memory_order_relaxed);
}

}  // namespace lamina::detail
