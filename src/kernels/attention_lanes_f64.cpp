#include "kernels/attention_lanes.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention_lanes_f64.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/attention_lanes-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {

Index AttentionLanesF64() {
  return kPanelWidth<double> / 2;
}
void PackQueriesF64(const double* x, Index row_stride, Index col_stride, Index count,
                    Index features, double scale, double* q) {
  PackQueries(x, row_stride, col_stride, count, features, scale, q);
}
void AttentionPassF64(const AttentionPanel<double>& panel, const AttentionKeys<double>& keys) {
  AttentionPass(panel, keys);
}
void FinishPanelF64(const AttentionPanel<double>& panel, Index count, double* out,
                    Index row_stride) {
  FinishPanel(panel, count, out, row_stride);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(AttentionLanesF64);
HWY_EXPORT(PackQueriesF64);
HWY_EXPORT(AttentionPassF64);
HWY_EXPORT(FinishPanelF64);

Index attention_lanes_f64() {
  return HWY_DYNAMIC_DISPATCH(AttentionLanesF64)();
}
void attention_pack_queries(const double* x, Index row_stride, Index col_stride, Index count,
                            Index features, double scale, double* q) {
  HWY_DYNAMIC_DISPATCH(PackQueriesF64)(x, row_stride, col_stride, count, features, scale, q);
}
void attention_pass(const AttentionPanel<double>& panel, const AttentionKeys<double>& keys) {
  HWY_DYNAMIC_DISPATCH(AttentionPassF64)(panel, keys);
}
void attention_finish(const AttentionPanel<double>& panel, Index count, double* out,
                      Index row_stride) {
  HWY_DYNAMIC_DISPATCH(FinishPanelF64)(panel, count, out, row_stride);
}

}  // namespace lamina::kernels
#endif
