#include <cstddef>

#include "kernels/activation.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation_backward_f64.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/activation-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

template <class Member>
HWY_NOINLINE void ActivationBackwardRun(const double* x, const double* dy, double* dx, size_t n,
                                        double a, double b, bool stream) {
  const ActivationConstants<hn::ScalableTag<double>> c(hn::ScalableTag<double>(), a, b);
  MapTo<Member>(
      stream, n, dx, [&c](auto d, auto v, auto w) HWY_ATTR { return Member::Backward(d, v, w, c); },
      x, dy);
}

void ActivationBackwardF64(nn::Activation kind, const double* x, const double* dy, double* dx,
                           size_t n, double a, double b, bool stream) {
  VisitActivation(kind, [&](auto member) {
    ActivationBackwardRun<decltype(member)>(x, dy, dx, n, a, b, stream);
  });
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(ActivationBackwardF64);

void activation_backward(nn::Activation kind, const double* x, const double* dy, double* dx,
                         Index n, double a, double b, bool stream) {
  HWY_DYNAMIC_DISPATCH(ActivationBackwardF64)
  (kind, x, dy, dx, static_cast<size_t>(n), a, b, stream);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
