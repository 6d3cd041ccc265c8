#include <cstddef>

#include "kernels/loss_pairs.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/loss_pairs_f64.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/loss_pairs-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

PairSums PairSumsF64(const double* x1, const double* x2, size_t n) {
  return losses::PairSumsOf(x1, x2, n);
}
double PowerSumF64(const double* x1, const double* x2, size_t n, double p, double epsilon) {
  return losses::PowerSumOf(x1, x2, n, p, epsilon);
}
void PowerSlopeF64(const double* x1, const double* x2, size_t n, double p, double epsilon,
                   double scale, double* out) {
  losses::AddPowerSlope(x1, x2, n, p, epsilon, scale, out);
}
void CombineF64(double a, const double* x1, double b, const double* x2, size_t n, double* out) {
  losses::Combine(a, x1, b, x2, n, out);
}
double HingeSumF64(const double* x, size_t n, double add, bool squared) {
  return losses::HingeSumOf(x, n, add, squared);
}
double HingeSlopeF64(const double* x, size_t n, double add, bool squared, double scale,
                     double* out) {
  return losses::AddHingeSlope(x, n, add, squared, scale, out);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(PairSumsF64);
HWY_EXPORT(PowerSumF64);
HWY_EXPORT(PowerSlopeF64);
HWY_EXPORT(CombineF64);
HWY_EXPORT(HingeSumF64);
HWY_EXPORT(HingeSlopeF64);

PairSums pair_sums(const double* x1, const double* x2, Index n) {
  return HWY_DYNAMIC_DISPATCH(PairSumsF64)(x1, x2, static_cast<size_t>(n));
}
double power_sum(const double* x1, const double* x2, Index n, double p, double epsilon) {
  return HWY_DYNAMIC_DISPATCH(PowerSumF64)(x1, x2, static_cast<size_t>(n), p, epsilon);
}
void add_power_slope(const double* x1, const double* x2, Index n, double p, double epsilon,
                     double scale, double* out) {
  HWY_DYNAMIC_DISPATCH(PowerSlopeF64)(x1, x2, static_cast<size_t>(n), p, epsilon, scale, out);
}
void combine(double a, const double* x1, double b, const double* x2, Index n, double* out) {
  HWY_DYNAMIC_DISPATCH(CombineF64)(a, x1, b, x2, static_cast<size_t>(n), out);
}
double hinge_sum(const double* x, Index n, double add, bool squared) {
  return HWY_DYNAMIC_DISPATCH(HingeSumF64)(x, static_cast<size_t>(n), add, squared);
}
double add_hinge_slope(const double* x, Index n, double add, bool squared, double scale,
                       double* out) {
  return HWY_DYNAMIC_DISPATCH(HingeSlopeF64)(x, static_cast<size_t>(n), add, squared, scale, out);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
