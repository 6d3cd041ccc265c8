#pragma once

#include "lamina/core/index.hpp"
#include "lamina/nn/activation_table.hpp"

namespace lamina::kernels {

/// y[i] = f(x[i]) for i < n, f being the activation `kind` with parameters a and b (those of the
/// table, or the caller's). y may be x; any other overlap is an error of the caller. `stream`:
/// stores go around the caches.
void activation_forward(nn::Activation kind, const float* x, float* y, Index n, double a, double b,
                        bool stream = false);
void activation_forward(nn::Activation kind, const double* x, double* y, Index n, double a,
                        double b, bool stream = false);

/// dx[i] = dy[i] * f'(x[i]) for i < n. dx may be x or dy.
void activation_backward(nn::Activation kind, const float* x, const float* dy, float* dx, Index n,
                         double a, double b, bool stream = false);
void activation_backward(nn::Activation kind, const double* x, const double* dy, double* dx,
                         Index n, double a, double b, bool stream = false);

}  // namespace lamina::kernels
