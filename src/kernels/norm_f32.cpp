#include "kernels/norm.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/norm_f32.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/norm-inl.hpp"
#include "kernels/norm_backward-inl.hpp"
#include "kernels/norm_columns-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {

void NormGroupsF32(const NormArgs<float>& args) {
  NormGroups(args);
}
void NormGroupsBackwardF32(const NormBackwardArgs<float>& args) {
  NormGroupsBackward(args);
}
void NormColumnMomentsF32(const NormColumnArgs<float>& args) {
  NormColumnMoments(args);
}
void NormColumnApplyF32(const NormColumnArgs<float>& args) {
  NormColumnApply(args);
}
void NormColumnBackwardSumsF32(const NormColumnArgs<float>& args) {
  NormColumnBackwardSums(args);
}
void NormColumnBackwardApplyF32(const NormColumnArgs<float>& args) {
  NormColumnBackwardApply(args);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(NormGroupsF32);
HWY_EXPORT(NormGroupsBackwardF32);
HWY_EXPORT(NormColumnMomentsF32);
HWY_EXPORT(NormColumnApplyF32);
HWY_EXPORT(NormColumnBackwardSumsF32);
HWY_EXPORT(NormColumnBackwardApplyF32);

void norm_groups(const NormArgs<float>& args) {
  HWY_DYNAMIC_DISPATCH(NormGroupsF32)(args);
}
void norm_groups_backward(const NormBackwardArgs<float>& args) {
  HWY_DYNAMIC_DISPATCH(NormGroupsBackwardF32)(args);
}
void norm_column_moments(const NormColumnArgs<float>& args) {
  HWY_DYNAMIC_DISPATCH(NormColumnMomentsF32)(args);
}
void norm_column_apply(const NormColumnArgs<float>& args) {
  HWY_DYNAMIC_DISPATCH(NormColumnApplyF32)(args);
}
void norm_column_backward_sums(const NormColumnArgs<float>& args) {
  HWY_DYNAMIC_DISPATCH(NormColumnBackwardSumsF32)(args);
}
void norm_column_backward_apply(const NormColumnArgs<float>& args) {
  HWY_DYNAMIC_DISPATCH(NormColumnBackwardApplyF32)(args);
}

}  // namespace lamina::kernels
#endif
