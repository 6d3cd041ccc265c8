#pragma once

#include <cstdint>

#include "lamina/core/index.hpp"
#include "lamina/nn/loss_table.hpp"

namespace lamina::kernels {

/// With respect to which array a loss is differentiated.
enum class LossInput : std::uint8_t { Prediction, Target, Third };

/// out[i] = loss(t[i], p[i], v[i]) for i < n; a and b are the parameters of the table. v is nullptr
/// unless the loss has a third array. out may be t, p or v.
void loss_forward(nn::Loss kind, const float* t, const float* p, const float* v, float* out,
                  Index n, double a, double b);
void loss_forward(nn::Loss kind, const double* t, const double* p, const double* v, double* out,
                  Index n, double a, double b);

/// out[i] = the derivative of loss(t[i], p[i], v[i]) with respect to `input`; otherwise likewise.
void loss_backward(nn::Loss kind, LossInput input, const float* t, const float* p, const float* v,
                   float* out, Index n, double a, double b);
void loss_backward(nn::Loss kind, LossInput input, const double* t, const double* p,
                   const double* v, double* out, Index n, double a, double b);

/// The sum of x, accumulated in double.
[[nodiscard]] double loss_sum(const float* x, Index n);
[[nodiscard]] double loss_sum(const double* x, Index n);
/// out[i] = x[i] * scale * f[i], f = 1 if nullptr. out may be x or f.
void loss_scale(const float* x, const float* f, double scale, float* out, Index n);
void loss_scale(const double* x, const double* f, double scale, double* out, Index n);

}  // namespace lamina::kernels
