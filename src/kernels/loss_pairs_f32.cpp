#include <cstddef>

#include "kernels/loss_pairs.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/loss_pairs_f32.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/loss_pairs-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

PairSums PairSumsF32(const float* x1, const float* x2, size_t n) {
  return losses::PairSumsOf(x1, x2, n);
}
double PowerSumF32(const float* x1, const float* x2, size_t n, double p, double epsilon) {
  return losses::PowerSumOf(x1, x2, n, p, epsilon);
}
void PowerSlopeF32(const float* x1, const float* x2, size_t n, double p, double epsilon,
                   double scale, float* out) {
  losses::AddPowerSlope(x1, x2, n, p, epsilon, scale, out);
}
void CombineF32(double a, const float* x1, double b, const float* x2, size_t n, float* out) {
  losses::Combine(a, x1, b, x2, n, out);
}
double HingeSumF32(const float* x, size_t n, double add, bool squared) {
  return losses::HingeSumOf(x, n, add, squared);
}
double HingeSlopeF32(const float* x, size_t n, double add, bool squared, double scale, float* out) {
  return losses::AddHingeSlope(x, n, add, squared, scale, out);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(PairSumsF32);
HWY_EXPORT(PowerSumF32);
HWY_EXPORT(PowerSlopeF32);
HWY_EXPORT(CombineF32);
HWY_EXPORT(HingeSumF32);
HWY_EXPORT(HingeSlopeF32);

PairSums pair_sums(const float* x1, const float* x2, Index n) {
  return HWY_DYNAMIC_DISPATCH(PairSumsF32)(x1, x2, static_cast<size_t>(n));
}
double power_sum(const float* x1, const float* x2, Index n, double p, double epsilon) {
  return HWY_DYNAMIC_DISPATCH(PowerSumF32)(x1, x2, static_cast<size_t>(n), p, epsilon);
}
void add_power_slope(const float* x1, const float* x2, Index n, double p, double epsilon,
                     double scale, float* out) {
  HWY_DYNAMIC_DISPATCH(PowerSlopeF32)(x1, x2, static_cast<size_t>(n), p, epsilon, scale, out);
}
void combine(double a, const float* x1, double b, const float* x2, Index n, float* out) {
  HWY_DYNAMIC_DISPATCH(CombineF32)(a, x1, b, x2, static_cast<size_t>(n), out);
}
double hinge_sum(const float* x, Index n, double add, bool squared) {
  return HWY_DYNAMIC_DISPATCH(HingeSumF32)(x, static_cast<size_t>(n), add, squared);
}
double add_hinge_slope(const float* x, Index n, double add, bool squared, double scale,
                       float* out) {
  return HWY_DYNAMIC_DISPATCH(HingeSlopeF32)(x, static_cast<size_t>(n), add, squared, scale, out);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
