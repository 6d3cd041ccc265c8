#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "lamina/core/index.hpp"
#include "lamina/export.hpp"

namespace lamina {

/// 64-byte aligned, uninitialised memory; nullptr for 0 bytes. Blocks of 2 MiB and more start on a
/// 2 MiB boundary and ask for huge pages. Throws std::bad_alloc.
///
/// Freed blocks are kept for reuse: small ones (below 64 KiB, up to 1 MiB in all) by the thread
/// that freed them, large ones by the process up to the limit of set_memory_cache_limit(). So a
/// large result that replaces one of the same size costs no page faults. Under AddressSanitizer
/// nothing is kept.
[[nodiscard]] LAMINA_EXPORT void* allocate_bytes(std::size_t bytes);
/// Gives memory of allocate_bytes back; `bytes` as it was asked for. nullptr is allowed.
LAMINA_EXPORT void release_bytes(void* memory, std::size_t bytes) noexcept;

/// Bytes of large blocks that are kept for reuse now.
[[nodiscard]] LAMINA_EXPORT std::size_t memory_cache_bytes();
/// The most that is kept. At the start 1 GiB, or an eighth of the memory of this machine or cgroup
/// if that is less.
[[nodiscard]] LAMINA_EXPORT std::size_t memory_cache_limit();
/// Sets the most that is kept, and frees what is above it, the longest unused first. 0: keep
/// nothing.
LAMINA_EXPORT void set_memory_cache_limit(std::size_t bytes);
/// Returns all kept large blocks, and the small ones of this thread, to the system.
LAMINA_EXPORT void trim_memory();

/// Calls of allocate_bytes with more than 0 bytes since the start, in all threads: the same before
/// and after code that allocates nothing.
[[nodiscard]] LAMINA_EXPORT std::uint64_t allocation_count() noexcept;
/// How many of these got memory from the system, not from what was kept.
[[nodiscard]] LAMINA_EXPORT std::uint64_t system_allocation_count() noexcept;

/// Owns `size` uninitialised elements of a trivial type. Movable, not copyable.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(Index size)
      : data_(static_cast<T*>(allocate_bytes(bytes_of(size)))), size_(size) {}
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { release_bytes(data_, bytes_of(size_)); }

  [[nodiscard]] T* data() const noexcept { return data_; }
  [[nodiscard]] Index size() const noexcept { return size_; }

 private:
  /// What no memory has, where the product would wrap around.
  [[nodiscard]] static constexpr std::size_t bytes_of(Index size) noexcept {
    constexpr std::size_t kMost = ~std::size_t{0};
    const auto count = static_cast<std::size_t>(size);
    return count > kMost / sizeof(T) ? kMost : count * sizeof(T);
  }

  T* data_ = nullptr;
  Index size_ = 0;
};

}  // namespace lamina
