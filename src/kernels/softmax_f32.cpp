#include "kernels/softmax.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax_f32.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/softmax-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {

void SoftmaxRowsF32(const SoftmaxArgs<float>& args) {
  Dispatch<RowKernel>(args);
}
void SoftmaxBlocksF32(const SoftmaxArgs<float>& args, SoftmaxBlock* blocks) {
  ReadBlocks(args, blocks);
}
void SoftmaxFinishF32(const SoftmaxArgs<float>& args, double max, double of_sum) {
  FinishBlocks(args, max, of_sum);
}
void SoftmaxColumnsF32(const SoftmaxArgs<float>& args) {
  Dispatch<ColumnKernel>(args);
}
void SoftmaxBackwardRowsF32(const SoftmaxBackwardArgs<float>& args) {
  DispatchBackward<RowKernel>(args);
}
double SoftmaxBackwardSumF32(const SoftmaxBackwardArgs<float>& args) {
  return BackwardSumOf(args);
}
void SoftmaxBackwardFinishF32(const SoftmaxBackwardArgs<float>& args, double sum) {
  BackwardFinishOf(args, sum);
}
void SoftmaxBackwardColumnsF32(const SoftmaxBackwardArgs<float>& args) {
  DispatchBackward<ColumnKernel>(args);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(SoftmaxRowsF32);
HWY_EXPORT(SoftmaxBlocksF32);
HWY_EXPORT(SoftmaxFinishF32);
HWY_EXPORT(SoftmaxColumnsF32);
HWY_EXPORT(SoftmaxBackwardRowsF32);
HWY_EXPORT(SoftmaxBackwardSumF32);
HWY_EXPORT(SoftmaxBackwardFinishF32);
HWY_EXPORT(SoftmaxBackwardColumnsF32);

void softmax_rows(const SoftmaxArgs<float>& args) {
  HWY_DYNAMIC_DISPATCH(SoftmaxRowsF32)(args);
}
void softmax_blocks(const SoftmaxArgs<float>& args, SoftmaxBlock* blocks) {
  HWY_DYNAMIC_DISPATCH(SoftmaxBlocksF32)(args, blocks);
}
void softmax_finish(const SoftmaxArgs<float>& args, double max, double of_sum) {
  HWY_DYNAMIC_DISPATCH(SoftmaxFinishF32)(args, max, of_sum);
}
void softmax_columns(const SoftmaxArgs<float>& args) {
  HWY_DYNAMIC_DISPATCH(SoftmaxColumnsF32)(args);
}
void softmax_backward_rows(const SoftmaxBackwardArgs<float>& args) {
  HWY_DYNAMIC_DISPATCH(SoftmaxBackwardRowsF32)(args);
}
double softmax_backward_sum(const SoftmaxBackwardArgs<float>& args) {
  return HWY_DYNAMIC_DISPATCH(SoftmaxBackwardSumF32)(args);
}
void softmax_backward_finish(const SoftmaxBackwardArgs<float>& args, double sum) {
  HWY_DYNAMIC_DISPATCH(SoftmaxBackwardFinishF32)(args, sum);
}
void softmax_backward_columns(const SoftmaxBackwardArgs<float>& args) {
  HWY_DYNAMIC_DISPATCH(SoftmaxBackwardColumnsF32)(args);
}

}  // namespace lamina::kernels
#endif
