#include "isa_speedup/loops.hpp"

#include <cmath>

namespace lamina::bench::LAMINA_LOOPS {

namespace {

template <class T>
void relu(const T* __restrict x, T* __restrict y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    y[i] = x[i] > 0 ? x[i] : T(0);
  }
}

template <class T>
void sigmoid(const T* __restrict x, T* __restrict y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    y[i] = 1 / (1 + std::exp(-x[i]));
  }
}

template <class T>
void gelu(const T* __restrict x, T* __restrict y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    y[i] = x[i] / 2 * (1 + std::erf(x[i] * T(0.70710678118654752)));
  }
}

template <class T>
void add(const T* __restrict a, const T* __restrict b, T* __restrict y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    y[i] = a[i] + b[i];
  }
}

template <class T>
void matmul(const T* __restrict a, const T* __restrict b, T* __restrict c, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      c[i * n + j] = 0;
    }
    for (std::size_t k = 0; k < n; ++k) {
      for (std::size_t j = 0; j < n; ++j) {
        c[i * n + j] += a[i * n + k] * b[k * n + j];
      }
    }
  }
}

template <class T>
Loops<T> all() {
  return {relu<T>, sigmoid<T>, gelu<T>, add<T>, matmul<T>};
}

}  // namespace

Loops<float> loops_f32() {
  return all<float>();
}
Loops<double> loops_f64() {
  return all<double>();
}

}  // namespace lamina::bench::LAMINA_LOOPS
