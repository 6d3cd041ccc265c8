#include "kernels/dropout.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dropout.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/dropout-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {

void DropoutKeep(const DropoutStream& stream, bool* keep, Index count) {
  dropout_words::Keep(stream, keep, count);
}
void DropoutF32(const DropoutStream& stream, const DropoutValues<float>& values, const float* x,
                float* out, bool* keep, Index count) {
  dropout_words::Draw(stream, values, x, out, keep, count);
}
void DropoutF64(const DropoutStream& stream, const DropoutValues<double>& values, const double* x,
                double* out, bool* keep, Index count) {
  dropout_words::Draw(stream, values, x, out, keep, count);
}
void DropoutMaskedF32(const DropoutValues<float>& values, const float* x, const bool* keep,
                      float* out, Index count) {
  dropout_words::Masked(values, x, keep, out, count);
}
void DropoutMaskedF64(const DropoutValues<double>& values, const double* x, const bool* keep,
                      double* out, Index count) {
  dropout_words::Masked(values, x, keep, out, count);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(DropoutKeep);
HWY_EXPORT(DropoutF32);
HWY_EXPORT(DropoutF64);
HWY_EXPORT(DropoutMaskedF32);
HWY_EXPORT(DropoutMaskedF64);

void dropout_keep(const DropoutStream& stream, bool* keep, Index count) {
  HWY_DYNAMIC_DISPATCH(DropoutKeep)(stream, keep, count);
}
void dropout(const DropoutStream& stream, const DropoutValues<float>& values, const float* x,
             float* out, bool* keep, Index count) {
  HWY_DYNAMIC_DISPATCH(DropoutF32)(stream, values, x, out, keep, count);
}
void dropout(const DropoutStream& stream, const DropoutValues<double>& values, const double* x,
             double* out, bool* keep, Index count) {
  HWY_DYNAMIC_DISPATCH(DropoutF64)(stream, values, x, out, keep, count);
}
void dropout_masked(const DropoutValues<float>& values, const float* x, const bool* keep,
                    float* out, Index count) {
  HWY_DYNAMIC_DISPATCH(DropoutMaskedF32)(values, x, keep, out, count);
}
void dropout_masked(const DropoutValues<double>& values, const double* x, const bool* keep,
                    double* out, Index count) {
  HWY_DYNAMIC_DISPATCH(DropoutMaskedF64)(values, x, keep, out, count);
}

}  // namespace lamina::kernels
#endif
