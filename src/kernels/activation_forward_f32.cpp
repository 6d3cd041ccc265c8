#include <cstddef>

#include "kernels/activation.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation_forward_f32.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/activation-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

template <class Member>
HWY_NOINLINE void ActivationForwardRun(const float* x, float* y, size_t n, double a, double b,
                                       bool stream) {
  using D = hn::ScalableTag<float>;
  const ActivationConstants<D> c(D(), a, b);
  MapTo<Member, ForwardUnroll<Member, D>()>(
      stream, n, y, [&c](auto d, auto v) HWY_ATTR { return Member::Forward(d, v, c); }, x);
}

void ActivationForwardF32(nn::Activation kind, const float* x, float* y, size_t n, double a,
                          double b, bool stream) {
  VisitActivation(
      kind, [&](auto member) { ActivationForwardRun<decltype(member)>(x, y, n, a, b, stream); });
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(ActivationForwardF32);

void activation_forward(nn::Activation kind, const float* x, float* y, Index n, double a, double b,
                        bool stream) {
  HWY_DYNAMIC_DISPATCH(ActivationForwardF32)(kind, x, y, static_cast<size_t>(n), a, b, stream);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
