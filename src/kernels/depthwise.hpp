#pragma once

// Depthwise convolution: each channel with a kernel of its own, so there is no sum over channels
// for a matrix product to work on.

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// Where one tap of the line looks: x[base + step * i] for i in [begin, end), padding elsewhere.
struct DepthwiseTap {
  Index base = 0;
  Index begin = 0, end = 0;
};

/// One line of output of one channel, positions adjacent in memory:
///   y[i] = bias + sum over lines l and taps t of weights[l * taps + t] * lines[l][base_t + step *
///   i]
template <class T>
struct DepthwiseLine {
  const T* const* lines = nullptr;  ///< source lines, elements adjacent
  const T* weights = nullptr;
  Index line_count = 0;
  const DepthwiseTap* taps = nullptr;
  Index tap_count = 0;
  Index step = 1;
  T bias = T(0);
  T* y = nullptr;
  Index positions = 0;
};

void depthwise_line(const DepthwiseLine<float>& line);
void depthwise_line(const DepthwiseLine<double>& line);

/// sum over i < n of x[i * x_step] * y[i], in an order that depends on n alone.
[[nodiscard]] float strided_dot(const float* x, Index x_step, const float* y, Index n);
[[nodiscard]] double strided_dot(const double* x, Index x_step, const double* y, Index n);

}  // namespace lamina::kernels
