#include "kernels/stream.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stream.cpp"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/stream-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
void StreamF32(const float* from, float* to, Index n) {
  StreamRun(from, to, n);
}
void StreamF64(const double* from, double* to, Index n) {
  StreamRun(from, to, n);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(StreamF32);
HWY_EXPORT(StreamF64);

void stream_copy(const float* from, float* to, Index n) {
  HWY_DYNAMIC_DISPATCH(StreamF32)(from, to, n);
}
void stream_copy(const double* from, double* to, Index n) {
  HWY_DYNAMIC_DISPATCH(StreamF64)(from, to, n);
}

void stream_fence() {
  hwy::FlushStream();
}

}  // namespace lamina::kernels
#endif
