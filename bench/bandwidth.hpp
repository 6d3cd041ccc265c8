#pragma once

#include <cstddef>

namespace lamina::bench {

// What moves memory fastest on the widest vectors of this CPU, on one thread: the yardstick of
// everything that computes little. Addresses aligned to 64 bytes, sizes multiples of 512.

/// Reads all of it in four streams; what it returns depends on all that was read.
bool read_memory(const void* source, std::size_t bytes);
/// Copies with ordinary stores.
void copy_memory(const void* source, void* target, std::size_t bytes);
/// Copies with stores that go around the caches.
void stream_memory(const void* source, void* target, std::size_t bytes);

}  // namespace lamina::bench
