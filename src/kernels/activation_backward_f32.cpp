#include <cstddef>

#include "kernels/activation.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation_backward_f32.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/activation-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

template <class Member>
HWY_NOINLINE void ActivationBackwardRun(const float* x, const float* dy, float* dx, size_t n,
                                        double a, double b, bool stream) {
  const ActivationConstants<hn::ScalableTag<float>> c(hn::ScalableTag<float>(), a, b);
  MapTo<Member>(
      stream, n, dx, [&c](auto d, auto v, auto w) HWY_ATTR { return Member::Backward(d, v, w, c); },
      x, dy);
}

void ActivationBackwardF32(nn::Activation kind, const float* x, const float* dy, float* dx,
                           size_t n, double a, double b, bool stream) {
  VisitActivation(kind, [&](auto member) {
    ActivationBackwardRun<decltype(member)>(x, dy, dx, n, a, b, stream);
  });
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(ActivationBackwardF32);

void activation_backward(nn::Activation kind, const float* x, const float* dy, float* dx, Index n,
                         double a, double b, bool stream) {
  HWY_DYNAMIC_DISPATCH(ActivationBackwardF32)
  (kind, x, dy, dx, static_cast<size_t>(n), a, b, stream);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
