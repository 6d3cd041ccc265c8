#include <cstddef>

#include "kernels/loss.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/loss_backward_f64.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/loss-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

using namespace losses;

template <class Member, LossInput kInput>
HWY_NOINLINE void LossBackwardRun(const double* t, const double* p, const double* v, double* out,
                                  size_t n, double a, double b) {
  const LossConstants<hn::ScalableTag<double>> c(hn::ScalableTag<double>(), a, b);
  if constexpr (HasThird<Member>()) {
    const auto f = [&c](auto d, auto x, auto y, auto z)
                       HWY_ATTR { return Slope<Member, kInput>(d, c, x, y, z); };
    MapRun<1>(n, out, f, t, p, v);
  } else if constexpr (kInput != LossInput::Third) {
    const auto f = [&c](auto d, auto x, auto y)
                       HWY_ATTR { return Slope<Member, kInput>(d, c, x, y); };
    MapRun<1>(n, out, f, t, p);
  }
}

void LossBackwardF64(nn::Loss kind, LossInput input, const double* t, const double* p,
                     const double* v, double* out, size_t n, double a, double b) {
  VisitLoss(kind, [&](auto member) {
    using Member = decltype(member);
    switch (input) {
      case LossInput::Prediction:
        return LossBackwardRun<Member, LossInput::Prediction>(t, p, v, out, n, a, b);
      case LossInput::Target:
        return LossBackwardRun<Member, LossInput::Target>(t, p, v, out, n, a, b);
      case LossInput::Third:
        return LossBackwardRun<Member, LossInput::Third>(t, p, v, out, n, a, b);
    }
  });
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(LossBackwardF64);

void loss_backward(nn::Loss kind, LossInput input, const double* t, const double* p,
                   const double* v, double* out, Index n, double a, double b) {
  HWY_DYNAMIC_DISPATCH(LossBackwardF64)(kind, input, t, p, v, out, static_cast<size_t>(n), a, b);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
