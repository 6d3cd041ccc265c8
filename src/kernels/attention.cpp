#include "kernels/attention.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/attention-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {

void SoftmaxTileF32(const OnlineSoftmax<float>& args) {
  SoftmaxTile(args);
}
void SoftmaxTileF64(const OnlineSoftmax<double>& args) {
  SoftmaxTile(args);
}
void ApplyRulesF32(const AttentionRules<float>& rules) {
  ApplyRules(rules);
}
void ApplyRulesF64(const AttentionRules<double>& rules) {
  ApplyRules(rules);
}
void GradientTileF32(const AttentionGradientTile<float>& tile) {
  GradientTile(tile);
}
void GradientTileF64(const AttentionGradientTile<double>& tile) {
  GradientTile(tile);
}
void ScaleRowsF32(const float* x, Index stride, Index rows, Index cols, const float* factor,
                  float* out, Index out_stride) {
  ScaleRows(x, stride, rows, cols, factor, out, out_stride);
}
void ScaleRowsF64(const double* x, Index stride, Index rows, Index cols, const double* factor,
                  double* out, Index out_stride) {
  ScaleRows(x, stride, rows, cols, factor, out, out_stride);
}
bool AllFiniteF32(const float* x, Index n) {
  return AllFinite(x, n);
}
bool AllFiniteF64(const double* x, Index n) {
  return AllFinite(x, n);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(SoftmaxTileF32);
HWY_EXPORT(SoftmaxTileF64);
HWY_EXPORT(ApplyRulesF32);
HWY_EXPORT(ApplyRulesF64);
HWY_EXPORT(GradientTileF32);
HWY_EXPORT(GradientTileF64);
HWY_EXPORT(ScaleRowsF32);
HWY_EXPORT(ScaleRowsF64);
HWY_EXPORT(AllFiniteF32);
HWY_EXPORT(AllFiniteF64);

void online_softmax(const OnlineSoftmax<float>& args) {
  HWY_DYNAMIC_DISPATCH(SoftmaxTileF32)(args);
}
void online_softmax(const OnlineSoftmax<double>& args) {
  HWY_DYNAMIC_DISPATCH(SoftmaxTileF64)(args);
}
void attention_rules(const AttentionRules<float>& rules) {
  HWY_DYNAMIC_DISPATCH(ApplyRulesF32)(rules);
}
void attention_rules(const AttentionRules<double>& rules) {
  HWY_DYNAMIC_DISPATCH(ApplyRulesF64)(rules);
}
void attention_gradient(const AttentionGradientTile<float>& tile) {
  HWY_DYNAMIC_DISPATCH(GradientTileF32)(tile);
}
void attention_gradient(const AttentionGradientTile<double>& tile) {
  HWY_DYNAMIC_DISPATCH(GradientTileF64)(tile);
}
void scale_rows(const float* x, Index stride, Index rows, Index cols, const float* factor,
                float* out, Index out_stride) {
  HWY_DYNAMIC_DISPATCH(ScaleRowsF32)(x, stride, rows, cols, factor, out, out_stride);
}
void scale_rows(const double* x, Index stride, Index rows, Index cols, const double* factor,
                double* out, Index out_stride) {
  HWY_DYNAMIC_DISPATCH(ScaleRowsF64)(x, stride, rows, cols, factor, out, out_stride);
}
bool all_finite(const float* x, Index n) {
  return HWY_DYNAMIC_DISPATCH(AllFiniteF32)(x, n);
}
bool all_finite(const double* x, Index n) {
  return HWY_DYNAMIC_DISPATCH(AllFiniteF64)(x, n);
}

}  // namespace lamina::kernels
#endif
