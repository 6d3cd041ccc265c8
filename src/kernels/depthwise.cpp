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
void DepthwisePositionF32(const DepthwisePosition<float>& a) {
  DepthwisePositionRun(a);
}
void DepthwisePositionF64(const DepthwisePosition<double>& a) {
  DepthwisePositionRun(a);
}
float StridedDotF32(const float* x, Index step, const float* y, Index n) {
  return StridedDot(x, step, y, n);
}
double StridedDotF64(const double* x, Index step, const double* y, Index n) {
  return StridedDot(x, step, y, n);
}
void MultiplyAccumulateF32(const float* x, const float* y, float* sum, Index n) {
  MultiplyAccumulate(x, y, sum, n);
}
void MultiplyAccumulateF64(const double* x, const double* y, double* sum, Index n) {
  MultiplyAccumulate(x, y, sum, n);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(DepthwiseLineF32);
HWY_EXPORT(DepthwiseLineF64);
HWY_EXPORT(DepthwisePositionF32);
HWY_EXPORT(DepthwisePositionF64);
HWY_EXPORT(StridedDotF32);
HWY_EXPORT(StridedDotF64);
HWY_EXPORT(MultiplyAccumulateF32);
HWY_EXPORT(MultiplyAccumulateF64);

void depthwise_line(const DepthwiseLine<float>& line) {
  HWY_DYNAMIC_DISPATCH(DepthwiseLineF32)(line);
}
void depthwise_line(const DepthwiseLine<double>& line) {
  HWY_DYNAMIC_DISPATCH(DepthwiseLineF64)(line);
}
void depthwise_position(const DepthwisePosition<float>& position) {
  HWY_DYNAMIC_DISPATCH(DepthwisePositionF32)(position);
}
void depthwise_position(const DepthwisePosition<double>& position) {
  HWY_DYNAMIC_DISPATCH(DepthwisePositionF64)(position);
}
float strided_dot(const float* x, Index x_step, const float* y, Index n) {
  return HWY_DYNAMIC_DISPATCH(StridedDotF32)(x, x_step, y, n);
}
double strided_dot(const double* x, Index x_step, const double* y, Index n) {
  return HWY_DYNAMIC_DISPATCH(StridedDotF64)(x, x_step, y, n);
}
void multiply_accumulate(const float* x, const float* y, float* sum, Index n) {
  HWY_DYNAMIC_DISPATCH(MultiplyAccumulateF32)(x, y, sum, n);
}
void multiply_accumulate(const double* x, const double* y, double* sum, Index n) {
  HWY_DYNAMIC_DISPATCH(MultiplyAccumulateF64)(x, y, sum, n);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
