#include <cstddef>

#include "kernels/loss_rows.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/loss_rows_f64.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/loss_rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

ExpSum ExpSumRowF64(const double* x, size_t n, double* exps) {
  return losses::ExpSumOf(x, n, exps);
}
void ExpSumFewF64(const double* x, size_t n, Index rows, ExpSums& result) {
  losses::ExpSumFew(x, n, rows, result);
}
RowLoss RowLossF64(const ClassRow<double>& row) {
  return losses::RowLossOf(row);
}
void RowBackwardF64(const ClassRow<double>& row, double g, double weight, double* dx) {
  losses::RowBackward(row, g, weight, dx);
}
void RowBackwardTargetF64(const ClassRow<double>& row, double g, double* dt) {
  losses::RowBackwardTarget(row, g, dt);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(ExpSumRowF64);
HWY_EXPORT(ExpSumFewF64);
HWY_EXPORT(RowLossF64);
HWY_EXPORT(RowBackwardF64);
HWY_EXPORT(RowBackwardTargetF64);

ExpSum exp_sum_row(const double* x, Index n, double* exps) {
  return HWY_DYNAMIC_DISPATCH(ExpSumRowF64)(x, static_cast<size_t>(n), exps);
}
void exp_sum_few(const double* x, Index n, Index rows, ExpSums& result) {
  HWY_DYNAMIC_DISPATCH(ExpSumFewF64)(x, static_cast<size_t>(n), rows, result);
}
RowLoss row_loss(const ClassRow<double>& row) {
  return HWY_DYNAMIC_DISPATCH(RowLossF64)(row);
}
void row_backward(const ClassRow<double>& row, double g, double weight, double* dx) {
  HWY_DYNAMIC_DISPATCH(RowBackwardF64)(row, g, weight, dx);
}
void row_backward_target(const ClassRow<double>& row, double g, double* dt) {
  HWY_DYNAMIC_DISPATCH(RowBackwardTargetF64)(row, g, dt);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
