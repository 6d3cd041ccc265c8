#include "kernels/attention_lanes.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention_lanes_f32.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/attention_lanes-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {

Index AttentionLanesF32() {
  return kPanelWidth<float> / 2;
}
void PackQueriesF32(const float* x, Index row_stride, Index col_stride, Index count, Index features,
                    float scale, float* q) {
  PackQueries(x, row_stride, col_stride, count, features, scale, q);
}
void AttentionPassF32(const AttentionPanel<float>& panel, const AttentionKeys<float>& keys) {
  AttentionPass(panel, keys);
}
void FinishPanelF32(const AttentionPanel<float>& panel, Index count, float* out, Index row_stride) {
  FinishPanel(panel, count, out, row_stride);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(AttentionLanesF32);
HWY_EXPORT(PackQueriesF32);
HWY_EXPORT(AttentionPassF32);
HWY_EXPORT(FinishPanelF32);

Index attention_lanes_f32() {
  return HWY_DYNAMIC_DISPATCH(AttentionLanesF32)();
}
void attention_pack_queries(const float* x, Index row_stride, Index col_stride, Index count,
                            Index features, float scale, float* q) {
  HWY_DYNAMIC_DISPATCH(PackQueriesF32)(x, row_stride, col_stride, count, features, scale, q);
}
void attention_pass(const AttentionPanel<float>& panel, const AttentionKeys<float>& keys) {
  HWY_DYNAMIC_DISPATCH(AttentionPassF32)(panel, keys);
}
void attention_finish(const AttentionPanel<float>& panel, Index count, float* out,
                      Index row_stride) {
  HWY_DYNAMIC_DISPATCH(FinishPanelF32)(panel, count, out, row_stride);
}

}  // namespace lamina::kernels
#endif
