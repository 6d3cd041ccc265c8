#include <cstddef>

#include "kernels/activation.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation_forward_f64.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/activation-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

template <class Member>
HWY_NOINLINE void ActivationForwardRun(const double* x, double* y, size_t n, double a, double b,
                                       bool stream) {
  const ActivationConstants<hn::ScalableTag<double>> c(hn::ScalableTag<double>(), a, b);
  MapTo<Member>(
      stream, n, y, [&c](auto d, auto v) HWY_ATTR { return Member::Forward(d, v, c); }, x);
}

void ActivationForwardF64(nn::Activation kind, const double* x, double* y, size_t n, double a,
                          double b, bool stream) {
  VisitActivation(
      kind, [&](auto member) { ActivationForwardRun<decltype(member)>(x, y, n, a, b, stream); });
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(ActivationForwardF64);

void activation_forward(nn::Activation kind, const double* x, double* y, Index n, double a,
                        double b, bool stream) {
  HWY_DYNAMIC_DISPATCH(ActivationForwardF64)(kind, x, y, static_cast<size_t>(n), a, b, stream);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
