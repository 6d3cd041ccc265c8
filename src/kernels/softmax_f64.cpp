#include "kernels/softmax.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax_f64.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/softmax-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {

void SoftmaxRowsF64(const SoftmaxArgs<double>& args) {
  Dispatch<RowKernel>(args);
}
void SoftmaxBlocksF64(const SoftmaxArgs<double>& args, SoftmaxBlock* blocks) {
  ReadBlocks(args, blocks);
}
void SoftmaxFinishF64(const SoftmaxArgs<double>& args, double max, double of_sum) {
  FinishBlocks(args, max, of_sum);
}
void SoftmaxColumnsF64(const SoftmaxArgs<double>& args) {
  Dispatch<ColumnKernel>(args);
}
void SoftmaxBackwardRowsF64(const SoftmaxBackwardArgs<double>& args) {
  DispatchBackward<RowKernel>(args);
}
double SoftmaxBackwardSumF64(const SoftmaxBackwardArgs<double>& args) {
  return BackwardSumOf(args);
}
void SoftmaxBackwardFinishF64(const SoftmaxBackwardArgs<double>& args, double sum) {
  BackwardFinishOf(args, sum);
}
void SoftmaxBackwardColumnsF64(const SoftmaxBackwardArgs<double>& args) {
  DispatchBackward<ColumnKernel>(args);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(SoftmaxRowsF64);
HWY_EXPORT(SoftmaxBlocksF64);
HWY_EXPORT(SoftmaxFinishF64);
HWY_EXPORT(SoftmaxColumnsF64);
HWY_EXPORT(SoftmaxBackwardRowsF64);
HWY_EXPORT(SoftmaxBackwardSumF64);
HWY_EXPORT(SoftmaxBackwardFinishF64);
HWY_EXPORT(SoftmaxBackwardColumnsF64);

void softmax_rows(const SoftmaxArgs<double>& args) {
  HWY_DYNAMIC_DISPATCH(SoftmaxRowsF64)(args);
}
void softmax_blocks(const SoftmaxArgs<double>& args, SoftmaxBlock* blocks) {
  HWY_DYNAMIC_DISPATCH(SoftmaxBlocksF64)(args, blocks);
}
void softmax_finish(const SoftmaxArgs<double>& args, double max, double of_sum) {
  HWY_DYNAMIC_DISPATCH(SoftmaxFinishF64)(args, max, of_sum);
}
void softmax_columns(const SoftmaxArgs<double>& args) {
  HWY_DYNAMIC_DISPATCH(SoftmaxColumnsF64)(args);
}
void softmax_backward_rows(const SoftmaxBackwardArgs<double>& args) {
  HWY_DYNAMIC_DISPATCH(SoftmaxBackwardRowsF64)(args);
}
double softmax_backward_sum(const SoftmaxBackwardArgs<double>& args) {
  return HWY_DYNAMIC_DISPATCH(SoftmaxBackwardSumF64)(args);
}
void softmax_backward_finish(const SoftmaxBackwardArgs<double>& args, double sum) {
  HWY_DYNAMIC_DISPATCH(SoftmaxBackwardFinishF64)(args, sum);
}
void softmax_backward_columns(const SoftmaxBackwardArgs<double>& args) {
  HWY_DYNAMIC_DISPATCH(SoftmaxBackwardColumnsF64)(args);
}

}  // namespace lamina::kernels
#endif
