#include <cstddef>

#include "kernels/loss.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/loss_forward_f64.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/loss-inl.hpp"
#include "kernels/loss_sums-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

using namespace losses;

template <class Member>
HWY_NOINLINE void LossForwardRun(const double* t, const double* p, const double* v, double* out,
                                 size_t n, double a, double b) {
  const LossConstants<hn::ScalableTag<double>> c(hn::ScalableTag<double>(), a, b);
  if constexpr (HasThird<Member>()) {
    const auto f = [&c](auto d, auto x, auto y, auto z)
                       HWY_ATTR { return Member::Forward(d, x, y, z, c); };
    MapRun<1>(n, out, f, t, p, v);
  } else {
    const auto f = [&c](auto d, auto x, auto y) HWY_ATTR { return Member::Forward(d, x, y, c); };
    MapRun<2>(n, out, f, t, p);
  }
}

void LossForwardF64(nn::Loss kind, const double* t, const double* p, const double* v, double* out,
                    size_t n, double a, double b) {
  VisitLoss(kind, [&](auto member) { LossForwardRun<decltype(member)>(t, p, v, out, n, a, b); });
}

double LossSumF64(const double* x, size_t n) {
  return SumOf(x, n);
}

void LossScaleF64(const double* x, const double* f, double scale, double* out, size_t n) {
  ScaleBy(x, f, scale, out, n);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(LossForwardF64);
HWY_EXPORT(LossSumF64);
HWY_EXPORT(LossScaleF64);

void loss_forward(nn::Loss kind, const double* t, const double* p, const double* v, double* out,
                  Index n, double a, double b) {
  HWY_DYNAMIC_DISPATCH(LossForwardF64)(kind, t, p, v, out, static_cast<size_t>(n), a, b);
}
double loss_sum(const double* x, Index n) {
  return HWY_DYNAMIC_DISPATCH(LossSumF64)(x, static_cast<size_t>(n));
}
void loss_scale(const double* x, const double* f, double scale, double* out, Index n) {
  HWY_DYNAMIC_DISPATCH(LossScaleF64)(x, f, scale, out, static_cast<size_t>(n));
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
