#include "kernels/ctc.hpp"

#include <cstddef>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/ctc.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/map-inl.hpp"
#include "kernels/math-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

void CtcStep(const double* last, const double* emit, const double* skip, double* next, size_t n) {
  const auto step = [](auto d, auto a, auto b, auto c, auto allowed, auto e) HWY_ATTR {
    const auto nothing = hn::Set(d, -std::numeric_limits<double>::infinity());
    const auto two_back = hn::Add(c, allowed);
    const auto greatest = hn::Max(a, hn::Max(b, two_back));
    // If all are -inf, so is the sum; a NaN among them is neither.
    const auto none =
        hn::And(hn::Eq(a, nothing), hn::And(hn::Eq(b, nothing), hn::Eq(two_back, nothing)));
    const auto sum =
        hn::Add(Exp(d, hn::Sub(a, greatest)),
                hn::Add(Exp(d, hn::Sub(b, greatest)), Exp(d, hn::Sub(two_back, greatest))));
    return hn::Add(e, hn::IfThenElse(none, nothing, hn::Add(greatest, Log(d, sum))));
  };
  MapRun<1>(n, next, step, last, last - 1, last - 2, skip, emit);
}

void CtcShare(const double* forward, const double* backward, const double* emit, double total,
              double* share, size_t n) {
  const auto f = [total](auto d, auto a, auto b, auto e) HWY_ATTR {
    const auto nothing = hn::Set(d, -std::numeric_limits<double>::infinity());
    const auto log_share = hn::Sub(hn::Add(a, hn::Sub(b, e)), hn::Set(d, total));
    return hn::IfThenZeroElse(hn::Eq(e, nothing), Exp(d, log_share));
  };
  MapRun<1>(n, share, f, forward, backward, emit);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(CtcStep);
HWY_EXPORT(CtcShare);

void ctc_step(const double* last, const double* emit, const double* skip, double* next, Index n) {
  HWY_DYNAMIC_DISPATCH(CtcStep)(last, emit, skip, next, static_cast<size_t>(n));
}
void ctc_share(const double* forward, const double* backward, const double* emit, double total,
               double* share, Index n) {
  HWY_DYNAMIC_DISPATCH(CtcShare)(forward, backward, emit, total, share, static_cast<size_t>(n));
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
