#include "lamina/core/memory.hpp"

#include <new>

namespace lamina {

namespace {
constexpr std::align_val_t kAlignment{64};
}

void* allocate_bytes(std::size_t bytes) {
  return bytes == 0 ? nullptr : ::operator new(bytes, kAlignment);
}

void release_bytes(void* memory, std::size_t /*bytes*/) noexcept {
  ::operator delete(memory, kAlignment);
}

}  // namespace lamina
