#include "kernels/multiply.hpp"

#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/multiply.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/map-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

template <class T>
void MultiplyRun(const T* a, const T* b, T* y, size_t n) {
  MapRun(
      n, y, [](auto, auto v, auto w) HWY_ATTR { return hn::Mul(v, w); }, a, b);
}
void MultiplyF32(const float* a, const float* b, float* y, size_t n) {
  MultiplyRun(a, b, y, n);
}
void MultiplyF64(const double* a, const double* b, double* y, size_t n) {
  MultiplyRun(a, b, y, n);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(MultiplyF32);
HWY_EXPORT(MultiplyF64);

void multiply(const float* a, const float* b, float* y, Index n) {
  HWY_DYNAMIC_DISPATCH(MultiplyF32)(a, b, y, static_cast<size_t>(n));
}
void multiply(const double* a, const double* b, double* y, Index n) {
  HWY_DYNAMIC_DISPATCH(MultiplyF64)(a, b, y, static_cast<size_t>(n));
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
