#pragma once

// Local response normalization: each element is divided by a power of a sum of squares over
// neighboring channels. The squares come with rows (or, where channels are neighbors, elements) of
// zeros around them, so that every window is whole.

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// Element i of a run sums from[i], from[i + stride] ... over `size` channels.
template <class T>
struct Window {
  const T* from = nullptr;
  Index stride = 0;
  Index size = 0;
};

template <class T>
struct ResponseArgs {
  Window<T> window;  ///< of squares
  T alpha = 0;       ///< already divided by size
  T beta = 0;
  T k = 0;
  const T* x = nullptr;
  const T* dy = nullptr;
  T* y = nullptr;     ///< forward: x s^-beta; backward: dy s^-beta
  T* term = nullptr;  ///< backward: dy x s^(-beta - 1)
  Index n = 0;
};

void local_response(const ResponseArgs<float>& args);
void local_response(const ResponseArgs<double>& args);
void local_response_terms(const ResponseArgs<float>& args);
void local_response_terms(const ResponseArgs<double>& args);
/// dx = part - factor * x * (sum over the window).
void local_response_finish(const float* part, const float* x, const Window<float>& terms,
                           float factor, float* dx, Index n);
void local_response_finish(const double* part, const double* x, const Window<double>& terms,
                           double factor, double* dx, Index n);

}  // namespace lamina::kernels
