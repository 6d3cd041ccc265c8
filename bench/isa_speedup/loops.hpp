#pragma once

#include <cstddef>

// What someone without a library writes, compiled three times (CMakeLists.txt): as scalar code,
// with the compiler's vectorizer for this CPU, and with leave to reorder and approximate
// arithmetic.

namespace lamina::bench {

template <class T>
struct Loops {
  void (*relu)(const T* x, T* y, std::size_t n);
  void (*sigmoid)(const T* x, T* y, std::size_t n);
  void (*gelu)(const T* x, T* y, std::size_t n);
  void (*add)(const T* a, const T* b, T* y, std::size_t n);
  /// c (n, n) = a b, the three loops in the order that reads rows.
  void (*matmul)(const T* a, const T* b, T* c, std::size_t n);
};

namespace scalar {
Loops<float> loops_f32();
Loops<double> loops_f64();
}  // namespace scalar
namespace vectorized {
Loops<float> loops_f32();
Loops<double> loops_f64();
}  // namespace vectorized
namespace fast_math {
Loops<float> loops_f32();
Loops<double> loops_f64();
}  // namespace fast_math

}  // namespace lamina::bench
