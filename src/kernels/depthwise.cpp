#include "kernels/depthwise.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/depthwise-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

void DepthwiseLineF32(const DepthwiseLine<float>& a) {
  DepthwiseLineRun(a);
}
void DepthwiseLineF64(const DepthwiseLine<double>& a) {
  DepthwiseLineRun(a);
}
float StridedDotF32(const float* x, Index step, const float* y, Index n) {
  return StridedDot(x, step, y, n);
}
double StridedDotF64(const double* x, Index step, const double* y, Index n) {
  return StridedDot(x, step, y, n);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(DepthwiseLineF32);
HWY_EXPORT(DepthwiseLineF64);
HWY_EXPORT(StridedDotF32);
HWY_EXPORT(StridedDotF64);

void depthwise_line(const DepthwiseLine<float>& line) {
  HWY_DYNAMIC_DISPATCH(DepthwiseLineF32)(line);
}
void depthwise_line(const DepthwiseLine<double>& line) {
  HWY_DYNAMIC_DISPATCH(DepthwiseLineF64)(line);
}
float strided_dot(const float* x, Index x_step, const float* y, Index n) {
  return HWY_DYNAMIC_DISPATCH(StridedDotF32)(x, x_step, y, n);
}
double strided_dot(const double* x, Index x_step, const double* y, Index n) {
  return HWY_DYNAMIC_DISPATCH(StridedDotF64)(x, x_step, y, n);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
