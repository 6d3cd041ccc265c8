// A plug-in that contains the library: process_test.cpp opens and closes it.

#include <atomic>

#include "lamina/core/memory.hpp"
#include "lamina/core/parallel.hpp"

extern "C" __attribute__((visibility("default"))) int compute() {
  lamina::set_num_threads(3);
  const lamina::Buffer<float> buffer(100);
  std::atomic<int> sum{0};
  lamina::parallel_for(100, 1,
                       [&](lamina::Index begin, lamina::Index) { sum += static_cast<int>(begin); });
  return sum;
}
