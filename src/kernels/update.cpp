#include "kernels/update.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/update.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/update-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {

void UpdateF32(const UpdateRun<float>& run, const UpdatePreparation& preparation,
               const UpdateStep& step) {
  std::visit(update_rules::Runner<float>{run, preparation}, step);
}
void UpdateF64(const UpdateRun<double>& run, const UpdatePreparation& preparation,
               const UpdateStep& step) {
  std::visit(update_rules::Runner<double>{run, preparation}, step);
}
void AxpyF32(float alpha, const float* x, float* y, Index count) {
  update_rules::Axpy(alpha, x, y, count);
}
void AxpyF64(double alpha, const double* x, double* y, Index count) {
  update_rules::Axpy(alpha, x, y, count);
}
void ScaleF32(float factor, const float* x, float* out, Index count) {
  update_rules::Scale(factor, x, out, count);
}
void ScaleF64(double factor, const double* x, double* out, Index count) {
  update_rules::Scale(factor, x, out, count);
}
double SumOfSquaresF32(const float* x, Index count) {
  return update_rules::SumOfSquares(x, count);
}
double SumOfSquaresF64(const double* x, Index count) {
  return update_rules::SumOfSquares(x, count);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(UpdateF32);
HWY_EXPORT(UpdateF64);
HWY_EXPORT(AxpyF32);
HWY_EXPORT(AxpyF64);
HWY_EXPORT(ScaleF32);
HWY_EXPORT(ScaleF64);
HWY_EXPORT(SumOfSquaresF32);
HWY_EXPORT(SumOfSquaresF64);

void update(const UpdateRun<float>& run, const UpdatePreparation& preparation,
            const UpdateStep& step) {
  HWY_DYNAMIC_DISPATCH(UpdateF32)(run, preparation, step);
}
void update(const UpdateRun<double>& run, const UpdatePreparation& preparation,
            const UpdateStep& step) {
  HWY_DYNAMIC_DISPATCH(UpdateF64)(run, preparation, step);
}
void axpy(float alpha, const float* x, float* y, Index count) {
  HWY_DYNAMIC_DISPATCH(AxpyF32)(alpha, x, y, count);
}
void axpy(double alpha, const double* x, double* y, Index count) {
  HWY_DYNAMIC_DISPATCH(AxpyF64)(alpha, x, y, count);
}
void scale(float factor, const float* x, float* out, Index count) {
  HWY_DYNAMIC_DISPATCH(ScaleF32)(factor, x, out, count);
}
void scale(double factor, const double* x, double* out, Index count) {
  HWY_DYNAMIC_DISPATCH(ScaleF64)(factor, x, out, count);
}
double sum_of_squares(const float* x, Index count) {
  return HWY_DYNAMIC_DISPATCH(SumOfSquaresF32)(x, count);
}
double sum_of_squares(const double* x, Index count) {
  return HWY_DYNAMIC_DISPATCH(SumOfSquaresF64)(x, count);
}

}  // namespace lamina::kernels
#endif
