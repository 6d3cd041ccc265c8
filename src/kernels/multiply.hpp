#pragma once

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// y[i] = a[i] * b[i]. y may be a or b.
void multiply(const float* a, const float* b, float* y, Index n);
void multiply(const double* a, const double* b, double* y, Index n);

}  // namespace lamina::kernels
