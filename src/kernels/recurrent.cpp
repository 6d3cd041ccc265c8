#include "kernels/recurrent.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/recurrent.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/recurrent-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {

void StepForwardF32(RecurrentCell cell, const RecurrentStep<float>& step) {
  StepForward(cell, step);
}
void StepForwardF64(RecurrentCell cell, const RecurrentStep<double>& step) {
  StepForward(cell, step);
}
void StepResetF32(const RecurrentStep<float>& step) {
  StepReset(step);
}
void StepResetF64(const RecurrentStep<double>& step) {
  StepReset(step);
}
void StepBackwardF32(RecurrentCell cell, const RecurrentGradientStep<float>& step) {
  StepBackward(cell, step);
}
void StepBackwardF64(RecurrentCell cell, const RecurrentGradientStep<double>& step) {
  StepBackward(cell, step);
}
void StepResetBackwardF32(const RecurrentGradientStep<float>& step) {
  StepResetBackward(step);
}
void StepResetBackwardF64(const RecurrentGradientStep<double>& step) {
  StepResetBackward(step);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(StepForwardF32);
HWY_EXPORT(StepForwardF64);
HWY_EXPORT(StepResetF32);
HWY_EXPORT(StepResetF64);
HWY_EXPORT(StepBackwardF32);
HWY_EXPORT(StepBackwardF64);
HWY_EXPORT(StepResetBackwardF32);
HWY_EXPORT(StepResetBackwardF64);

void recurrent_step(RecurrentCell cell, const RecurrentStep<float>& step) {
  HWY_DYNAMIC_DISPATCH(StepForwardF32)(cell, step);
}
void recurrent_step(RecurrentCell cell, const RecurrentStep<double>& step) {
  HWY_DYNAMIC_DISPATCH(StepForwardF64)(cell, step);
}
void recurrent_reset(const RecurrentStep<float>& step) {
  HWY_DYNAMIC_DISPATCH(StepResetF32)(step);
}
void recurrent_reset(const RecurrentStep<double>& step) {
  HWY_DYNAMIC_DISPATCH(StepResetF64)(step);
}
void recurrent_gradient(RecurrentCell cell, const RecurrentGradientStep<float>& step) {
  HWY_DYNAMIC_DISPATCH(StepBackwardF32)(cell, step);
}
void recurrent_gradient(RecurrentCell cell, const RecurrentGradientStep<double>& step) {
  HWY_DYNAMIC_DISPATCH(StepBackwardF64)(cell, step);
}
void recurrent_reset_gradient(const RecurrentGradientStep<float>& step) {
  HWY_DYNAMIC_DISPATCH(StepResetBackwardF32)(step);
}
void recurrent_reset_gradient(const RecurrentGradientStep<double>& step) {
  HWY_DYNAMIC_DISPATCH(StepResetBackwardF64)(step);
}

}  // namespace lamina::kernels
#endif
