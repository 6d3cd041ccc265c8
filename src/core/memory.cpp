#include "lamina/core/memory.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <mutex>
#include <new>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <sys/mman.h>
#endif

#include "core/cpu_limits.hpp"
#include "core/simd_state.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LAMINA_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define LAMINA_ASAN 1
#endif

namespace lamina {

namespace {

#if defined(LAMINA_ASAN)
constexpr bool kKeepBlocks = false;  // a kept block would hide a use after free
#else
constexpr bool kKeepBlocks = true;
#endif

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kLarge = std::size_t{64} << 10;
[[maybe_unused]] constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kMaxThreadCache = std::size_t{1} << 20;

std::atomic<std::uint64_t> allocations{0};
std::atomic<std::uint64_t> system_allocations{0};

/// Sizes are rounded up so that blocks can be reused for similar sizes: to one of 2^kStepBits steps
/// within each power of two.
template <int kStepBits>
struct SizeClass {
  std::size_t index;
  std::size_t bytes;

  /// `bytes` is at least 1 and counts in units of `unit`.
  static SizeClass of(std::size_t bytes, std::size_t unit) {
    const std::size_t units = (bytes + unit - 1) / unit;
    constexpr std::size_t kSteps = std::size_t{1} << kStepBits;
    if (units <= kSteps) {
      return {units - 1, units * unit};
    }
    const int shift = static_cast<int>(std::bit_width(units - 1)) - 1 - kStepBits;
    const std::size_t step = ((units - 1) >> shift) + 1;  // kSteps < step <= 2 kSteps
    return {static_cast<std::size_t>(shift) * kSteps + step - 1, (step << shift) * unit};
  }
};

using SmallClass = SizeClass<2>;  // up to 25 % more than asked for
using LargeClass = SizeClass<3>;  // up to 12.5 % more; pages never touched cost nothing

void* system_allocate(std::size_t bytes) {
  system_allocations.fetch_add(1, std::memory_order_relaxed);
#if (defined(__unix__) || defined(__APPLE__)) && !defined(LAMINA_ASAN)
  if (bytes >= kHugePage) {
    // Twice the alignment is mapped and what sticks out is given back.
    void* mapped = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) {
      throw std::bad_alloc();
    }
    auto* const begin = static_cast<unsigned char*>(mapped);
    const std::size_t head =
        (kHugePage - reinterpret_cast<std::uintptr_t>(begin) % kHugePage) % kHugePage;
    if (head != 0) {
      munmap(begin, head);
    }
    munmap(begin + head + bytes, kHugePage - head);
#if defined(MADV_HUGEPAGE)
    madvise(begin + head, bytes, MADV_HUGEPAGE);
#endif
    return begin + head;
  }
#endif
  return ::operator new (bytes, std::align_val_t{kAlignment});
}

void system_release(void* memory, std::size_t bytes) noexcept {
#if (defined(__unix__) || defined(__APPLE__)) && !defined(LAMINA_ASAN)
  if (bytes >= kHugePage) {
    munmap(memory, bytes);
    return;
  }
#endif
  static_cast<void>(bytes);
  ::operator delete (memory, std::align_val_t{kAlignment});
}

/// What a kept block holds in its own first bytes.
struct FreeBlock {
  FreeBlock* next;   // in its class, most recently freed first
  FreeBlock* prev;   // large blocks only, as the rest
  FreeBlock* older;  // among all kept blocks, by time of release
  FreeBlock* newer;
  std::size_t size_class;
  std::size_t bytes;
  const void* owner;  // large blocks only: the thread that released it
};
static_assert(sizeof(FreeBlock) <= kAlignment);

std::size_t default_limit() {
  std::uint64_t memory = detail::physical_memory();
  if (const auto limit = detail::cgroup_limits().memory) {
    memory = memory == 0 ? *limit : std::min(memory, *limit);
  }
  constexpr std::uint64_t kMost = std::uint64_t{1} << 30;
  return static_cast<std::size_t>(memory == 0 ? kMost : std::min(kMost, memory / 8));
}

/// A place that only this thread has.
thread_local constinit char thread_mark = 0;

/// Kept blocks of 64 KiB and more, for the whole process.
class LargeCache {
 public:
  constexpr LargeCache() = default;

  void* take(const LargeClass& size) {
    const std::lock_guard lock(mutex_);
    find_limit();
    // One that this thread had lies in its core's caches.
    constexpr int kLooks = 8;
    FreeBlock* block = classes_[size.index];
    FreeBlock* own = block;
    for (int i = 0; i < kLooks && own != nullptr && own->owner != &thread_mark; ++i) {
      own = own->next;
    }
    if (own != nullptr && own->owner == &thread_mark) {
      block = own;
    }
    if (block != nullptr) {
      unlink(block);
    }
    return block;
  }

  void keep(void* memory, const LargeClass& size) noexcept {
    FreeBlock* surplus = nullptr;
    {
      const std::lock_guard lock(mutex_);
      link(new (memory)
               FreeBlock{nullptr, nullptr, nullptr, nullptr, size.index, size.bytes, &thread_mark});
      surplus = shrink(limit_);
    }
    release_all(surplus);
  }

  void set_limit(std::size_t bytes) {
    FreeBlock* surplus = nullptr;
    {
      const std::lock_guard lock(mutex_);
      limit_ = bytes;
      limit_known_ = true;
      surplus = shrink(bytes);
    }
    release_all(surplus);
  }

  void clear() noexcept {
    FreeBlock* surplus = nullptr;
    {
      const std::lock_guard lock(mutex_);
      surplus = shrink(0);
    }
    release_all(surplus);
  }

  std::size_t kept() {
    const std::lock_guard lock(mutex_);
    return kept_;
  }

  std::size_t current_limit() {
    const std::lock_guard lock(mutex_);
    find_limit();
    return limit_;
  }

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  void find_limit() {
    if (!limit_known_) [[unlikely]] {
      limit_ = default_limit();
      limit_known_ = true;
    }
  }

  void link(FreeBlock* block) {
    FreeBlock*& first = classes_[block->size_class];
    block->next = first;
    if (first != nullptr) {
      first->prev = block;
    }
    first = block;
    block->older = newest_;
    (newest_ != nullptr ? newest_->newer : oldest_) = block;
    newest_ = block;
    kept_ += block->bytes;
  }

  void unlink(FreeBlock* block) {
    (block->prev != nullptr ? block->prev->next : classes_[block->size_class]) = block->next;
    if (block->next != nullptr) {
      block->next->prev = block->prev;
    }
    (block->older != nullptr ? block->older->newer : oldest_) = block->newer;
    (block->newer != nullptr ? block->newer->older : newest_) = block->older;
    kept_ -= block->bytes;
  }

  /// Takes out the oldest blocks above `limit`, chained by `next`: to be freed without the lock.
  FreeBlock* shrink(std::size_t limit) {
    FreeBlock* surplus = nullptr;
    while (kept_ > limit) {
      FreeBlock* block = oldest_;
      unlink(block);
      block->next = surplus;
      surplus = block;
    }
    return surplus;
  }

  static void release_all(FreeBlock* block) noexcept {
    while (block != nullptr) {
      FreeBlock* next = block->next;
      system_release(block, block->bytes);
      block = next;
    }
  }

  static constexpr std::size_t kClasses = 8 * 52;
  std::mutex mutex_;
  std::array<FreeBlock*, kClasses> classes_{};
  FreeBlock* oldest_ = nullptr;
  FreeBlock* newest_ = nullptr;
  std::size_t kept_ = 0;
  std::size_t limit_ = 0;
  bool limit_known_ = false;
};

/// Never destroyed: arrays with static lifetime give their memory back late.
constinit LargeCache large_cache;

#if defined(__unix__) || defined(__APPLE__)
/// Another thread may hold the lock when this one forks.
const int fork_handlers = pthread_atfork([] { large_cache.lock(); }, [] { large_cache.unlock(); },
                                         [] { large_cache.unlock(); });
#endif

/// Kept blocks below 64 KiB, for one thread: no locks.
struct SmallCache {
  static constexpr std::size_t kClasses = 44;
  std::array<FreeBlock*, kClasses> classes{};
  std::size_t kept = 0;
  bool closed = false;  // the thread is ending; its destructors may still free arrays

  void clear() noexcept {
    for (std::size_t i = 0; i < kClasses; ++i) {
      while (FreeBlock* block = classes[i]) {
        classes[i] = block->next;
        system_release(block, 0);
      }
    }
    kept = 0;
  }
};
static_assert(sizeof(SmallCache) < 1024);

thread_local constinit SmallCache small_cache;

struct SmallCacheEnd {
  bool armed = false;
  SmallCacheEnd() = default;
  SmallCacheEnd(const SmallCacheEnd&) = delete;
  SmallCacheEnd& operator=(const SmallCacheEnd&) = delete;
  ~SmallCacheEnd() {
    small_cache.closed = true;
    small_cache.clear();
  }
};
thread_local SmallCacheEnd small_cache_end;

void* allocate_small(std::size_t bytes) {
  const SmallClass size = SmallClass::of(bytes, kAlignment);
  SmallCache& cache = small_cache;
  if (FreeBlock* block = cache.classes[size.index]) {
    cache.classes[size.index] = block->next;
    cache.kept -= size.bytes;
    return block;
  }
  return system_allocate(size.bytes);
}

void release_small(void* memory, std::size_t bytes) noexcept {
  const SmallClass size = SmallClass::of(bytes, kAlignment);
  SmallCache& cache = small_cache;
  if (cache.closed || cache.kept + size.bytes > kMaxThreadCache) {
    system_release(memory, size.bytes);
    return;
  }
  if (cache.kept == 0) {
    small_cache_end.armed = true;  // first use: the destructor will run when the thread ends
  }
  auto* block = static_cast<FreeBlock*>(memory);
  block->next = cache.classes[size.index];
  cache.classes[size.index] = block;
  cache.kept += size.bytes;
}

}  // namespace

void* allocate_bytes(std::size_t bytes) {
  if (bytes == 0) {
    return nullptr;
  }
  if (bytes > (std::size_t{1} << 48)) {  // rounding must not overflow
    throw std::bad_alloc();
  }
  simd::detail::ensure_target();
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (!kKeepBlocks) {
    return system_allocate(bytes);
  }
  if (bytes < kLarge) {
    return allocate_small(bytes);
  }
  const LargeClass size = LargeClass::of(bytes, kLarge);
  if (void* block = large_cache.take(size)) {
    return block;
  }
  try {
    return system_allocate(size.bytes);
  } catch (const std::bad_alloc&) {
    large_cache.clear();
    return system_allocate(size.bytes);
  }
}

void release_bytes(void* memory, std::size_t bytes) noexcept {
  if (memory == nullptr) {
    return;
  }
  if (!kKeepBlocks) {
    system_release(memory, bytes);
  } else if (bytes < kLarge) {
    release_small(memory, bytes);
  } else {
    large_cache.keep(memory, LargeClass::of(bytes, kLarge));
  }
}

std::size_t memory_cache_bytes() {
  return large_cache.kept();
}

std::size_t memory_cache_limit() {
  return large_cache.current_limit();
}

void set_memory_cache_limit(std::size_t bytes) {
  large_cache.set_limit(bytes);
}

void trim_memory() {
  large_cache.clear();
  small_cache.clear();
}

std::uint64_t allocation_count() noexcept {
  return allocations.load(std::memory_order_relaxed);
}

std::uint64_t system_allocation_count() noexcept {
  return system_allocations.load(std::memory_order_relaxed);
}

}  // namespace lamina
