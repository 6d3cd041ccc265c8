#pragma once

// Element-wise update of parameters from their gradients, and the sums that go with it. No fused
// multiply-add is used: every target gives the same bits.

#include <array>
#include <variant>

#include "lamina/core/index.hpp"

namespace lamina::kernels {

inline constexpr int kMaxUpdateSlots = 3;

/// A run of elements. A slot is the state that a rule keeps for each element.
template <class T>
struct UpdateRun {
  T* parameter = nullptr;
  const T* gradient = nullptr;
  std::array<T*, kMaxUpdateSlots> slots{};
  Index count = 0;
};

/// What all rules do first: g = sign * gradient + weight_decay * p, p = shrink * p.
struct UpdatePreparation {
  double sign = 1;
  double weight_decay = 0;
  double shrink = 1;
};

// The numbers of one step; slots and formulas are in update-inl.hpp.
struct SgdStep {
  double rate, momentum, gain;  // gain: 1 - dampening, 1 at the first step
  bool nesterov, has_momentum;
};
struct AdamStep {
  double rate, beta1, beta2, scale, epsilon;  // rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t)
  bool amsgrad;
};
struct AdamaxStep {
  double rate, beta1, beta2, epsilon;  // rate / (1 - beta1^t)
};
struct RadamStep {
  double rate, beta1, beta2, scale, epsilon;  // scale < 0: not adaptive yet
};
struct RmspropStep {
  double rate, alpha, momentum, epsilon;
  bool centered, has_momentum;
};
struct AdagradStep {
  double rate, epsilon;
};
struct AdadeltaStep {
  double rate, rho, epsilon;
};
struct LionStep {
  double rate, beta1, beta2;
};
using UpdateStep = std::variant<SgdStep, AdamStep, AdamaxStep, RadamStep, RmspropStep, AdagradStep,
                                AdadeltaStep, LionStep>;

void update(const UpdateRun<float>& run, const UpdatePreparation& preparation,
            const UpdateStep& step);
void update(const UpdateRun<double>& run, const UpdatePreparation& preparation,
            const UpdateStep& step);

/// y += alpha * x
void axpy(float alpha, const float* x, float* y, Index count);
void axpy(double alpha, const double* x, double* y, Index count);
/// out = factor * x; out may be x.
void scale(float factor, const float* x, float* out, Index count);
void scale(double factor, const double* x, double* out, Index count);
/// Sum of x * x, carried on in double.
[[nodiscard]] double sum_of_squares(const float* x, Index count);
[[nodiscard]] double sum_of_squares(const double* x, Index count);

}  // namespace lamina::kernels
