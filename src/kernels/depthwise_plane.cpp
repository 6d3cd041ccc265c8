#include "kernels/depthwise_plane.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_plane.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/depthwise_last-inl.hpp"
#include "kernels/depthwise_plane-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

void DepthwisePlaneF32(const DepthwisePlane<float>& a) {
  DepthwisePlaneRun(a);
}
void DepthwisePlaneF64(const DepthwisePlane<double>& a) {
  DepthwisePlaneRun(a);
}
void DepthwisePlaneSumsF32(const DepthwisePlaneSums<float>& a) {
  DepthwisePlaneSumsRun(a);
}
void DepthwisePlaneSumsF64(const DepthwisePlaneSums<double>& a) {
  DepthwisePlaneSumsRun(a);
}
void DepthwiseLastLineF32(const DepthwiseLastLine<float>& a) {
  DepthwiseLastLineRun(a);
}
void DepthwiseLastLineF64(const DepthwiseLastLine<double>& a) {
  DepthwiseLastLineRun(a);
}
void DepthwiseLastBandF32(const DepthwiseLastBand<float>& a) {
  DepthwiseLastBandRun(a);
}
void DepthwiseLastBandF64(const DepthwiseLastBand<double>& a) {
  DepthwiseLastBandRun(a);
}
void DepthwiseLastSumsF32(const DepthwiseLastSums<float>& a) {
  DepthwiseLastSumsRun(a);
}
void DepthwiseLastSumsF64(const DepthwiseLastSums<double>& a) {
  DepthwiseLastSumsRun(a);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(DepthwisePlaneF32);
HWY_EXPORT(DepthwisePlaneF64);
HWY_EXPORT(DepthwisePlaneSumsF32);
HWY_EXPORT(DepthwisePlaneSumsF64);
HWY_EXPORT(DepthwiseLastLineF32);
HWY_EXPORT(DepthwiseLastLineF64);
HWY_EXPORT(DepthwiseLastBandF32);
HWY_EXPORT(DepthwiseLastBandF64);
HWY_EXPORT(DepthwiseLastSumsF32);
HWY_EXPORT(DepthwiseLastSumsF64);

void depthwise_plane(const DepthwisePlane<float>& plane) {
  HWY_DYNAMIC_DISPATCH(DepthwisePlaneF32)(plane);
}
void depthwise_plane(const DepthwisePlane<double>& plane) {
  HWY_DYNAMIC_DISPATCH(DepthwisePlaneF64)(plane);
}
void depthwise_plane_sums(const DepthwisePlaneSums<float>& sums) {
  HWY_DYNAMIC_DISPATCH(DepthwisePlaneSumsF32)(sums);
}
void depthwise_plane_sums(const DepthwisePlaneSums<double>& sums) {
  HWY_DYNAMIC_DISPATCH(DepthwisePlaneSumsF64)(sums);
}
void depthwise_last_line(const DepthwiseLastLine<float>& line) {
  HWY_DYNAMIC_DISPATCH(DepthwiseLastLineF32)(line);
}
void depthwise_last_line(const DepthwiseLastLine<double>& line) {
  HWY_DYNAMIC_DISPATCH(DepthwiseLastLineF64)(line);
}
void depthwise_last_band(const DepthwiseLastBand<float>& band) {
  HWY_DYNAMIC_DISPATCH(DepthwiseLastBandF32)(band);
}
void depthwise_last_band(const DepthwiseLastBand<double>& band) {
  HWY_DYNAMIC_DISPATCH(DepthwiseLastBandF64)(band);
}
void depthwise_last_sums(const DepthwiseLastSums<float>& sums) {
  HWY_DYNAMIC_DISPATCH(DepthwiseLastSumsF32)(sums);
}
void depthwise_last_sums(const DepthwiseLastSums<double>& sums) {
  HWY_DYNAMIC_DISPATCH(DepthwiseLastSumsF64)(sums);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
