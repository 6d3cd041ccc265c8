#pragma once

#include <cstddef>
#include <utility>

#include "lamina/core/index.hpp"
#include "lamina/export.hpp"

namespace lamina {

/// 64-byte aligned, uninitialised memory; nullptr for 0 bytes. Throws std::bad_alloc.
[[nodiscard]] LAMINA_EXPORT void* allocate_bytes(std::size_t bytes);
/// Gives memory of allocate_bytes back; `bytes` as it was asked for.
LAMINA_EXPORT void release_bytes(void* memory, std::size_t bytes) noexcept;

/// Owns `size` uninitialised elements of a trivial type. Movable, not copyable.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(Index size)
      : data_(static_cast<T*>(allocate_bytes(static_cast<std::size_t>(size) * sizeof(T)))),
        size_(size) {}
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { release_bytes(data_, static_cast<std::size_t>(size_) * sizeof(T)); }

  [[nodiscard]] T* data() const noexcept { return data_; }
  [[nodiscard]] Index size() const noexcept { return size_; }

 private:
  T* data_ = nullptr;
  Index size_ = 0;
};

}  // namespace lamina
