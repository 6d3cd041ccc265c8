#pragma once

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// y[i] = x[i] if x[i] > 0 else slope[i] * x[i]. y may be x.
void prelu_forward(const float* x, const float* slope, float* y, Index n);
void prelu_forward(const double* x, const double* slope, double* y, Index n);

/// dx[i] = dy[i] if x[i] > 0 else slope[i] * dy[i]. dx may be x or dy.
void prelu_backward_input(const float* x, const float* slope, const float* dy, float* dx, Index n);
void prelu_backward_input(const double* x, const double* slope, const double* dy, double* dx,
                          Index n);

/// What each element adds to the slope's gradient: 0 if x[i] > 0 else x[i] * dy[i].
void prelu_backward_slope(const float* x, const float* dy, float* term, Index n);
void prelu_backward_slope(const double* x, const double* dy, double* term, Index n);

}  // namespace lamina::kernels
