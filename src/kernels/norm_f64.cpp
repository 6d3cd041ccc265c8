#include "kernels/norm.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/norm_f64.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/norm-inl.hpp"
#include "kernels/norm_backward-inl.hpp"
#include "kernels/norm_columns-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {

void NormGroupsF64(const NormArgs<double>& args) {
  NormGroups(args);
}
void NormGroupsBackwardF64(const NormBackwardArgs<double>& args) {
  NormGroupsBackward(args);
}
void NormColumnMomentsF64(const NormColumnArgs<double>& args) {
  NormColumnMoments(args);
}
void NormColumnApplyF64(const NormColumnArgs<double>& args) {
  NormColumnApply(args);
}
void NormColumnBackwardSumsF64(const NormColumnArgs<double>& args) {
  NormColumnBackwardSums(args);
}
void NormColumnBackwardApplyF64(const NormColumnArgs<double>& args) {
  NormColumnBackwardApply(args);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(NormGroupsF64);
HWY_EXPORT(NormGroupsBackwardF64);
HWY_EXPORT(NormColumnMomentsF64);
HWY_EXPORT(NormColumnApplyF64);
HWY_EXPORT(NormColumnBackwardSumsF64);
HWY_EXPORT(NormColumnBackwardApplyF64);

void norm_groups(const NormArgs<double>& args) {
  HWY_DYNAMIC_DISPATCH(NormGroupsF64)(args);
}
void norm_groups_backward(const NormBackwardArgs<double>& args) {
  HWY_DYNAMIC_DISPATCH(NormGroupsBackwardF64)(args);
}
void norm_column_moments(const NormColumnArgs<double>& args) {
  HWY_DYNAMIC_DISPATCH(NormColumnMomentsF64)(args);
}
void norm_column_apply(const NormColumnArgs<double>& args) {
  HWY_DYNAMIC_DISPATCH(NormColumnApplyF64)(args);
}
void norm_column_backward_sums(const NormColumnArgs<double>& args) {
  HWY_DYNAMIC_DISPATCH(NormColumnBackwardSumsF64)(args);
}
void norm_column_backward_apply(const NormColumnArgs<double>& args) {
  HWY_DYNAMIC_DISPATCH(NormColumnBackwardApplyF64)(args);
}

}  // namespace lamina::kernels
#endif
