// What all losses do with their numbers: sums in double, and scaling.

#if defined(LAMINA_KERNELS_LOSS_SUMS_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_LOSS_SUMS_INL_HPP_
#undef LAMINA_KERNELS_LOSS_SUMS_INL_HPP_
#else
#define LAMINA_KERNELS_LOSS_SUMS_INL_HPP_
#endif

#include "hwy/highway.h"

#include "kernels/map-inl.hpp"
#include "kernels/math-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {
namespace losses {

/// Adds the lanes of x to `sums` in double: float lanes as two halves.
template <class D, class DD = hn::ScalableTag<double>>
HWY_INLINE void AddAsDouble(D d, hn::Vec<D> x, hn::Vec<DD>& low, hn::Vec<DD>& high) {
  const DD dd;
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    (void)d;
    (void)high;
    low = hn::Add(low, x);
  } else {
    const hn::Half<D> dh;
    low = hn::Add(low, hn::PromoteTo(dd, hn::LowerHalf(dh, x)));
    high = hn::Add(high, hn::PromoteTo(dd, hn::UpperHalf(dh, x)));
  }
}

template <class T>
HWY_INLINE double SumOf(const T* x, size_t n) {
  const hn::ScalableTag<T> d;
  const hn::ScalableTag<double> dd;
  const size_t lanes = hn::Lanes(d);
  auto s0 = hn::Zero(dd);
  auto s1 = s0;
  auto s2 = s0;
  auto s3 = s0;
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    AddAsDouble(d, hn::LoadU(d, x + i), s0, s1);
    AddAsDouble(d, hn::LoadU(d, x + i + lanes), s2, s3);
  }
  if (i + lanes <= n) {
    AddAsDouble(d, hn::LoadU(d, x + i), s0, s1);
    i += lanes;
  }
  if (i < n) {
    AddAsDouble(d, LoadFirst(d, x + i, n - i), s2, s3);
  }
  return hn::GetLane(hn::SumOfLanes(dd, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
}

template <class T>
HWY_INLINE void ScaleBy(const T* x, const T* f, double scale, T* out, size_t n) {
  const auto s = hn::Set(hn::ScalableTag<T>(), static_cast<T>(scale));
  if (f == nullptr) {
    MapRun(
        n, out, [s](auto /*d*/, auto v) HWY_ATTR { return hn::Mul(v, s); }, x);
  } else {
    const auto both = [s](auto /*d*/, auto v, auto w)
                          HWY_ATTR { return hn::Mul(v, hn::Mul(w, s)); };
    MapRun(n, out, both, x, f);
  }
}

}  // namespace losses
}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_LOSS_SUMS_INL_HPP_
