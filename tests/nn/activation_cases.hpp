#pragma once

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "lamina/nn/activation.hpp"

namespace lamina::test {

/// What is expected of one activation with one choice of parameters. The formulas are written in
/// extended precision, in the form that is exact in the tails, and share no code with the library.
struct ActivationCase {
  nn::Activation kind;
  nn::ActivationParams params{};
  long double (*value)(long double x, long double a, long double b);
  long double (*slope)(long double x, long double a, long double b);
  double ulp = 1;        ///< bound on the error of the value, relative...
  double epsilons = 0;   ///< ... and absolute
  double slope_ulp = 2;  ///< the same for the slope
  double slope_epsilons = 0;
  /// More ULP on the left, where the rounding of an exponent z costs |z| relative errors.
  long double (*tail_ulp)(long double x, long double a) = nullptr;
  std::vector<double> kinks{};   ///< where the slope jumps
  double at_minus_infinity = 0;  ///< limits of value and slope
  double at_plus_infinity = 0;
  double slope_at_minus_infinity = 0;
  double slope_at_plus_infinity = 0;
};

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

inline long double logistic(long double x) {
  return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}
inline long double softplus_of(long double z) {
  return std::fmax(z, 0.0L) + std::log1p(std::exp(-std::fabs(z)));
}
inline long double normal_cdf(long double x) {
  return 0.5L * std::erfc(-x / std::numbers::sqrt2_v<long double>);
}
inline long double normal_density(long double x) {
  return std::exp(-x * x / 2) * std::numbers::inv_sqrtpi_v<long double> /
         std::numbers::sqrt2_v<long double>;
}
inline long double mish_gate(long double x) {
  return std::tanh(softplus_of(x));
}
inline constexpr long double kGeluScale = 1.595769121605730711759784239737527474L;  // 2 sqrt(2/pi)
inline long double gelu_argument(long double x) {
  return kGeluScale * (x + 0.044715L * x * x * x);
}
inline long double gelu_argument_slope(long double x) {
  return kGeluScale * (1 + 3 * 0.044715L * x * x);
}
inline constexpr long double kSeluAlpha = 1.6732632423543772848170429916717L;
inline constexpr long double kSeluLambda = 1.0507009873554804934193349852946L;
/// x - tanh(x) = (x cosh x - sinh x) / cosh x, whose series has positive terms only.
inline long double tanh_shrink(long double x) {
  if (std::fabs(x) > 2) return x - std::tanh(x);
  long double sum = 0;
  long double term = x;  // x^(2k+1) / (2k+1)!
  for (int k = 1; k < 30; ++k) {
    term *= x * x / (2.0L * k * (2 * k + 1));
    sum += 2 * k * term;
  }
  return sum / std::cosh(x);
}

inline const std::vector<ActivationCase>& activation_cases() {
  using A = nn::Activation;
  using L = long double;
  static const std::vector<ActivationCase> cases{
      {.kind = A::Identity,
       .value = [](L x, L, L) { return x; },
       .slope = [](L, L, L) { return 1.0L; },
       .ulp = 0,
       .slope_ulp = 0,
       .at_minus_infinity = -kInfinity,
       .at_plus_infinity = kInfinity,
       .slope_at_minus_infinity = 1,
       .slope_at_plus_infinity = 1},
      {.kind = A::Relu,
       .value = [](L x, L, L) { return x > 0 ? x : 0; },
       .slope = [](L x, L, L) { return x > 0 ? 1.0L : 0; },
       .ulp = 0,
       .slope_ulp = 0,
       .kinks = {0},
       .at_plus_infinity = kInfinity,
       .slope_at_plus_infinity = 1},
      {.kind = A::LeakyRelu,
       .value = [](L x, L a, L) { return x > 0 ? x : a * x; },
       .slope = [](L x, L a, L) { return x > 0 ? 1 : a; },
       .kinks = {0},
       .at_minus_infinity = -kInfinity,
       .at_plus_infinity = kInfinity,
       .slope_at_minus_infinity = 0.01,
       .slope_at_plus_infinity = 1},
      {.kind = A::LeakyRelu,
       .params = {0.3},
       .value = [](L x, L a, L) { return x > 0 ? x : a * x; },
       .slope = [](L x, L a, L) { return x > 0 ? 1 : a; },
       .kinks = {0},
       .at_minus_infinity = -kInfinity,
       .at_plus_infinity = kInfinity,
       .slope_at_minus_infinity = 0.3,
       .slope_at_plus_infinity = 1},
      {.kind = A::Elu,
       .value = [](L x, L a, L) { return x > 0 ? x : a * std::expm1(x); },
       .slope = [](L x, L a, L) { return x > 0 ? 1 : a * std::exp(x); },
       .ulp = 2.5,
       .at_minus_infinity = -1,
       .at_plus_infinity = kInfinity,
       .slope_at_plus_infinity = 1},
      {.kind = A::Elu,
       .params = {0.7},
       .value = [](L x, L a, L) { return x > 0 ? x : a * std::expm1(x); },
       .slope = [](L x, L a, L) { return x > 0 ? 1 : a * std::exp(x); },
       .ulp = 3.5,
       .slope_ulp = 3,
       .kinks = {0},
       .at_minus_infinity = -0.7,
       .at_plus_infinity = kInfinity,
       .slope_at_plus_infinity = 1},
      {.kind = A::Selu,
       .value = [](L x, L, L) { return kSeluLambda * (x > 0 ? x : kSeluAlpha * std::expm1(x)); },
       .slope = [](L x, L, L) { return kSeluLambda * (x > 0 ? 1 : kSeluAlpha * std::exp(x)); },
       .ulp = 3.5,
       .slope_ulp = 3,
       .kinks = {0},
       .at_minus_infinity = static_cast<double>(-kSeluLambda * kSeluAlpha),
       .at_plus_infinity = kInfinity,
       .slope_at_plus_infinity = static_cast<double>(kSeluLambda)},
      {.kind = A::Celu,
       .value = [](L x, L a, L) { return x > 0 ? x : a * std::expm1(x / a); },
       .slope = [](L x, L a, L) { return x > 0 ? 1 : std::exp(x / a); },
       .ulp = 2.5,
       .at_minus_infinity = -1,
       .at_plus_infinity = kInfinity,
       .slope_at_plus_infinity = 1},
      {.kind = A::Celu,
       .params = {2.5},
       .value = [](L x, L a, L) { return x > 0 ? x : a * std::expm1(x / a); },
       .slope = [](L x, L a, L) { return x > 0 ? 1 : std::exp(x / a); },
       .ulp = 4.5,
       .slope_ulp = 3,
       .tail_ulp = [](L x, L a) { return 2 * std::fabs(x / a); },
       .at_minus_infinity = -2.5,
       .at_plus_infinity = kInfinity,
       .slope_at_plus_infinity = 1},
      {.kind = A::Sigmoid,
       .value = [](L x, L, L) { return logistic(x); },
       .slope = [](L x, L, L) { return logistic(x) * logistic(-x); },
       .ulp = 3,
       .slope_ulp = 5,
       .at_plus_infinity = 1},
      {.kind = A::Tanh,
       .value = [](L x, L, L) { return std::tanh(x); },
       .slope = [](L x, L, L) { return 4 * logistic(2 * x) * logistic(-2 * x); },
       .ulp = 3,
       .slope_ulp = 5,
       .at_minus_infinity = -1,
       .at_plus_infinity = 1},
      {.kind = A::Silu,
       .value = [](L x, L, L) { return x * logistic(x); },
       .slope = [](L x, L, L) { return logistic(x) * (1 + x * logistic(-x)); },
       .ulp = 3.5,
       .slope_ulp = 6,
       .slope_epsilons = 1,
       .at_plus_infinity = kInfinity,
       .slope_at_plus_infinity = 1},
      {.kind = A::Mish,
       .value = [](L x, L, L) { return x * mish_gate(x); },
       .slope =
           [](L x, L, L) {
             const L gate = mish_gate(x);
             return gate + x * (1 - gate * gate) * logistic(x);
           },
       .ulp = 5,
       .slope_ulp = 6,
       .slope_epsilons = 1.5,
       .at_plus_infinity = kInfinity,
       .slope_at_plus_infinity = 1},
      {.kind = A::Gelu,
       .value = [](L x, L, L) { return x * normal_cdf(x); },
       .slope = [](L x, L, L) { return normal_cdf(x) + x * normal_density(x); },
       .ulp = 7,
       .slope_ulp = 7,
       .slope_epsilons = 2,
       .at_plus_infinity = kInfinity,
       .slope_at_plus_infinity = 1},
      {.kind = A::GeluTanh,
       .value = [](L x, L, L) { return x * logistic(gelu_argument(x)); },
       .slope =
           [](L x, L, L) {
             const L z = gelu_argument(x);
             return logistic(z) * (1 + x * gelu_argument_slope(x) * logistic(-z));
           },
       .ulp = 5,
       .slope_ulp = 8,
       .slope_epsilons = 3,
       .tail_ulp = [](L x, L) { return 3 * std::fabs(gelu_argument(x)); },
       .at_plus_infinity = kInfinity,
       .slope_at_plus_infinity = 1},
      {.kind = A::Softplus,
       .value = [](L x, L a, L b) { return a * x > b ? x : softplus_of(a * x) / a; },
       .slope = [](L x, L a, L b) { return a * x > b ? 1 : logistic(a * x); },
       .ulp = 3.5,
       .slope_ulp = 4,
       .kinks = {20},
       .at_plus_infinity = kInfinity,
       .slope_at_plus_infinity = 1},
      {.kind = A::Softplus,
       .params = {3.0, 7.0},
       .value = [](L x, L a, L b) { return a * x > b ? x : softplus_of(a * x) / a; },
       .slope = [](L x, L a, L b) { return a * x > b ? 1 : logistic(a * x); },
       .ulp = 5,
       .slope_ulp = 5,
       .tail_ulp = [](L x, L a) { return std::fabs(a * x); },
       .kinks = {7.0 / 3.0},
       .at_plus_infinity = kInfinity,
       .slope_at_plus_infinity = 1},
      {.kind = A::Relu6,
       .value = [](L x, L, L) { return x < 0   ? 0
                                       : x > 6 ? 6
                                               : x; },
       .slope = [](L x, L, L) { return x > 0 && x < 6 ? 1.0L : 0; },
       .ulp = 0,
       .slope_ulp = 0,
       .kinks = {0, 6},
       .at_plus_infinity = 6},
      {.kind = A::HardTanh,
       .value = [](L x, L a, L b) { return x < a   ? a
                                           : x > b ? b
                                                   : x; },
       .slope = [](L x, L a, L b) { return x > a && x < b ? 1.0L : 0; },
       .ulp = 0,
       .slope_ulp = 0,
       .kinks = {-1, 1},
       .at_minus_infinity = -1,
       .at_plus_infinity = 1},
      {.kind = A::HardTanh,
       .params = {-0.5, 2.25},
       .value = [](L x, L a, L b) { return x < a   ? a
                                           : x > b ? b
                                                   : x; },
       .slope = [](L x, L a, L b) { return x > a && x < b ? 1.0L : 0; },
       .ulp = 0,
       .slope_ulp = 0,
       .kinks = {-0.5, 2.25},
       .at_minus_infinity = -0.5,
       .at_plus_infinity = 2.25},
      {.kind = A::HardSigmoid,
       .value = [](L x, L a, L b) { return std::fmin(std::fmax(a * x + b, 0.0L), 1.0L); },
       .slope = [](L x, L a, L b) { return a * x + b > 0 && a * x + b < 1 ? a : 0; },
       .ulp = 1,
       .epsilons = 0.5,
       .slope_ulp = 1,
       .kinks = {-3, 3},
       .at_plus_infinity = 1},
      {.kind = A::HardSigmoid,
       .params = {0.25, 0.75},
       .value = [](L x, L a, L b) { return std::fmin(std::fmax(a * x + b, 0.0L), 1.0L); },
       .slope = [](L x, L a, L b) { return a * x + b > 0 && a * x + b < 1 ? a : 0; },
       .ulp = 1,
       .epsilons = 0.5,
       .slope_ulp = 1,
       .kinks = {-3, 1},
       .at_plus_infinity = 1},
      {.kind = A::HardSwish,
       .value = [](L x, L, L) { return x * std::fmin(std::fmax(x + 3, 0.0L), 6.0L) / 6; },
       .slope = [](L x, L, L) { return x <= -3  ? 0
                                       : x >= 3 ? 1
                                                : x / 3 + 0.5L; },
       .ulp = 2.5,
       .slope_ulp = 2,
       .slope_epsilons = 0.5,
       .kinks = {-3, 3},
       .at_plus_infinity = kInfinity,
       .slope_at_plus_infinity = 1},
      {.kind = A::Softsign,
       .value = [](L x, L, L) { return x / (1 + std::fabs(x)); },
       .slope = [](L x, L, L) { return 1 / ((1 + std::fabs(x)) * (1 + std::fabs(x))); },
       .ulp = 1.5,
       .slope_ulp = 3.5,
       .at_minus_infinity = -1,
       .at_plus_infinity = 1},
      {.kind = A::Threshold,
       .value = [](L x, L a, L b) { return x > a ? x : b; },
       .slope = [](L x, L a, L) { return x > a ? 1.0L : 0; },
       .ulp = 0,
       .slope_ulp = 0,
       .kinks = {0},
       .at_plus_infinity = kInfinity,
       .slope_at_plus_infinity = 1},
      {.kind = A::Threshold,
       .params = {0.5, -2.0},
       .value = [](L x, L a, L b) { return x > a ? x : b; },
       .slope = [](L x, L a, L) { return x > a ? 1.0L : 0; },
       .ulp = 0,
       .slope_ulp = 0,
       .kinks = {0.5},
       .at_minus_infinity = -2,
       .at_plus_infinity = kInfinity,
       .slope_at_plus_infinity = 1},
      {.kind = A::LogSigmoid,
       .value = [](L x, L, L) { return -softplus_of(-x); },
       .slope = [](L x, L, L) { return logistic(-x); },
       .ulp = 3.5,
       .slope_ulp = 3,
       .at_minus_infinity = -kInfinity,
       .slope_at_minus_infinity = 1},
      {.kind = A::HardShrink,
       .value = [](L x, L a, L) { return std::fabs(x) > a ? x : 0; },
       .slope = [](L x, L a, L) { return std::fabs(x) > a ? 1.0L : 0; },
       .ulp = 0,
       .slope_ulp = 0,
       .kinks = {-0.5, 0.5},
       .at_minus_infinity = -kInfinity,
       .at_plus_infinity = kInfinity,
       .slope_at_minus_infinity = 1,
       .slope_at_plus_infinity = 1},
      {.kind = A::SoftShrink,
       .value = [](L x, L a, L) { return std::copysign(std::fmax(std::fabs(x) - a, 0.0L), x); },
       .slope = [](L x, L a, L) { return std::fabs(x) > a ? 1.0L : 0; },
       .ulp = 0.5,
       .slope_ulp = 0,
       .kinks = {-0.5, 0.5},
       .at_minus_infinity = -kInfinity,
       .at_plus_infinity = kInfinity,
       .slope_at_minus_infinity = 1,
       .slope_at_plus_infinity = 1},
      {.kind = A::TanhShrink,
       .value = [](L x, L, L) { return tanh_shrink(x); },
       .slope = [](L x, L, L) { return std::tanh(x) * std::tanh(x); },
       .ulp = 10,
       .slope_ulp = 8,
       .at_minus_infinity = -kInfinity,
       .at_plus_infinity = kInfinity,
       .slope_at_minus_infinity = 1,
       .slope_at_plus_infinity = 1},
      {.kind = A::Exp,
       .value = [](L x, L, L) { return std::exp(x); },
       .slope = [](L x, L, L) { return std::exp(x); },
       .ulp = 1.5,
       .slope_ulp = 1.5,
       .at_plus_infinity = kInfinity,
       .slope_at_plus_infinity = kInfinity},
      {.kind = A::QuickGelu,
       .value = [](L x, L a, L) { return x * logistic(a * x); },
       .slope = [](L x, L a, L) { return logistic(a * x) * (1 + a * x * logistic(-a * x)); },
       .ulp = 4,
       .slope_ulp = 7,
       .slope_epsilons = 1,
       .tail_ulp = [](L x, L a) { return std::fabs(a * x); },
       .at_plus_infinity = kInfinity,
       .slope_at_plus_infinity = 1},
      {.kind = A::QuickGelu,
       .params = {0.01},
       .value = [](L x, L a, L) { return x * logistic(a * x); },
       .slope = [](L x, L a, L) { return logistic(a * x) * (1 + a * x * logistic(-a * x)); },
       .ulp = 4,
       .slope_ulp = 7,
       .slope_epsilons = 1,
       .tail_ulp = [](L x, L a) { return std::fabs(a * x); },
       .at_plus_infinity = kInfinity,
       .slope_at_plus_infinity = 1},
  };
  return cases;
}

}  // namespace lamina::test
