#include <cstddef>

#include "kernels/loss_rows.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/loss_rows_f32.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/loss_rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

ExpSum ExpSumRowF32(const float* x, size_t n, float* exps) {
  return losses::ExpSumOf(x, n, exps);
}
void ExpSumFewF32(const float* x, size_t n, Index rows, ExpSums& result) {
  losses::ExpSumFew(x, n, rows, result);
}
RowLoss RowLossF32(const ClassRow<float>& row) {
  return losses::RowLossOf(row);
}
void RowBackwardF32(const ClassRow<float>& row, double g, double weight, float* dx) {
  losses::RowBackward(row, g, weight, dx);
}
void RowBackwardTargetF32(const ClassRow<float>& row, double g, float* dt) {
  losses::RowBackwardTarget(row, g, dt);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(ExpSumRowF32);
HWY_EXPORT(ExpSumFewF32);
HWY_EXPORT(RowLossF32);
HWY_EXPORT(RowBackwardF32);
HWY_EXPORT(RowBackwardTargetF32);

ExpSum exp_sum_row(const float* x, Index n, float* exps) {
  return HWY_DYNAMIC_DISPATCH(ExpSumRowF32)(x, static_cast<size_t>(n), exps);
}
void exp_sum_few(const float* x, Index n, Index rows, ExpSums& result) {
  HWY_DYNAMIC_DISPATCH(ExpSumFewF32)(x, static_cast<size_t>(n), rows, result);
}
RowLoss row_loss(const ClassRow<float>& row) {
  return HWY_DYNAMIC_DISPATCH(RowLossF32)(row);
}
void row_backward(const ClassRow<float>& row, double g, double weight, float* dx) {
  HWY_DYNAMIC_DISPATCH(RowBackwardF32)(row, g, weight, dx);
}
void row_backward_target(const ClassRow<float>& row, double g, float* dt) {
  HWY_DYNAMIC_DISPATCH(RowBackwardTargetF32)(row, g, dt);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
