#pragma once

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// Sums over a pair of rows, in double.
struct PairSums {
  double product;  ///< of x1 x2
  double square1;
  double square2;
};
[[nodiscard]] PairSums pair_sums(const float* x1, const float* x2, Index n);
[[nodiscard]] PairSums pair_sums(const double* x1, const double* x2, Index n);

/// The sum of |x1 - x2 + epsilon|^p, p > 0.
[[nodiscard]] double power_sum(const float* x1, const float* x2, Index n, double p, double epsilon);
[[nodiscard]] double power_sum(const double* x1, const double* x2, Index n, double p,
                               double epsilon);
/// out[i] += scale |e|^(p - 1) sign(e), e = x1[i] - x2[i] + epsilon; 0 where e is 0.
void add_power_slope(const float* x1, const float* x2, Index n, double p, double epsilon,
                     double scale, float* out);
void add_power_slope(const double* x1, const double* x2, Index n, double p, double epsilon,
                     double scale, double* out);

/// out = a x1 + b x2. out may be x1 or x2.
void combine(double a, const float* x1, double b, const float* x2, Index n, float* out);
void combine(double a, const double* x1, double b, const double* x2, Index n, double* out);

/// The sum of max(0, x + add), or of its squares.
[[nodiscard]] double hinge_sum(const float* x, Index n, double add, bool squared);
[[nodiscard]] double hinge_sum(const double* x, Index n, double add, bool squared);
/// out[i] += scale times the derivative of that with respect to x[i]; returns the sum of what was
/// added.
double add_hinge_slope(const float* x, Index n, double add, bool squared, double scale, float* out);
double add_hinge_slope(const double* x, Index n, double add, bool squared, double scale,
                       double* out);

}  // namespace lamina::kernels
