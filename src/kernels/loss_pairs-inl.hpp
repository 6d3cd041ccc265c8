// Sums over pairs of rows, for losses of embeddings and of margins between classes.

#if defined(LAMINA_KERNELS_LOSS_PAIRS_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_LOSS_PAIRS_INL_HPP_
#undef LAMINA_KERNELS_LOSS_PAIRS_INL_HPP_
#else
#define LAMINA_KERNELS_LOSS_PAIRS_INL_HPP_
#endif

#include "hwy/highway.h"

#include "kernels/loss-inl.hpp"
#include "kernels/loss_pairs.hpp"
#include "kernels/loss_sums-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {
namespace losses {

/// Calls f(d, x...) for the vectors of rows of length n; lanes beyond the end hold 0.
template <class T, class F, class... In>
HWY_INLINE void EachOf(size_t n, const F& f, const In*... x) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    f(lanes, hn::LoadU(d, x + i)...);
  }
  if (i < n) {
    f(n - i, LoadFirst(d, x + i, n - i)...);
  }
}

/// A sum of vectors of T in double.
template <class T>
struct WideSum {
  using D = hn::ScalableTag<T>;
  using DD = hn::ScalableTag<double>;
  HWY_INLINE WideSum() : low(hn::Zero(DD())), high(hn::Zero(DD())) {}
  HWY_INLINE void Add(hn::Vec<D> v) { AddAsDouble(D(), v, low, high); }
  /// Adds a b, products of floats exact.
  HWY_INLINE void AddProduct(hn::Vec<D> a, hn::Vec<D> b) {
    const DD dd;
    if constexpr (sizeof(T) == 8) {
      low = hn::MulAdd(a, b, low);
    } else {
      const hn::Half<D> dh;
      low = hn::MulAdd(hn::PromoteTo(dd, hn::LowerHalf(dh, a)),
                       hn::PromoteTo(dd, hn::LowerHalf(dh, b)), low);
      high = hn::MulAdd(hn::PromoteTo(dd, hn::UpperHalf(dh, a)),
                        hn::PromoteTo(dd, hn::UpperHalf(dh, b)), high);
    }
  }
  HWY_INLINE double Total() const { return hn::GetLane(hn::SumOfLanes(DD(), hn::Add(low, high))); }
  hn::Vec<DD> low;
  hn::Vec<DD> high;
};

/// 1 - cosine of similar rows cancels, so the products must be better than T.
template <class T>
HWY_INLINE PairSums PairSumsOf(const T* x1, const T* x2, size_t n) {
  WideSum<T> product;
  WideSum<T> square1;
  WideSum<T> square2;
  EachOf<T>(
      n,
      [&](size_t /*count*/, auto a, auto b) HWY_ATTR {
        product.AddProduct(a, b);
        square1.AddProduct(a, a);
        square2.AddProduct(b, b);
      },
      x1, x2);
  return {product.Total(), square1.Total(), square2.Total()};
}

/// |e|^p for p > 0; 0 at 0.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Power(D d, V abs, double p) {
  if (p == 1) {
    return abs;
  }
  if (p == 2) {
    return hn::Mul(abs, abs);
  }
  return Exp(d, hn::Mul(Const(d, p), Log(d, abs)));
}

template <class T>
HWY_INLINE double PowerSumOf(const T* x1, const T* x2, size_t n, double p, double epsilon) {
  const hn::ScalableTag<T> d;
  WideSum<T> sum;
  const auto shift = Const(d, epsilon);
  EachOf<T>(
      n,
      [&](size_t count, auto a, auto b) HWY_ATTR {
        const auto e = hn::Abs(hn::Add(hn::Sub(a, b), shift));
        sum.Add(hn::IfThenElseZero(hn::FirstN(d, count), Power(d, e, p)));
      },
      x1, x2);
  return sum.Total();
}

template <class T>
HWY_INLINE void AddPowerSlope(const T* x1, const T* x2, size_t n, double p, double epsilon,
                              double scale, T* out) {
  const auto slope = [=](auto d, auto a, auto b, auto sum) HWY_ATTR {
    const auto e = hn::Add(hn::Sub(a, b), Const(d, epsilon));
    const auto magnitude = p == 1 ? Const(d, 1) : Power(d, hn::Abs(e), p - 1);
    const auto signed_power =
        hn::IfThenZeroElse(hn::Eq(e, hn::Zero(d)), hn::CopySign(magnitude, e));
    return hn::MulAdd(Const(d, scale), KeepNaN(e, signed_power), sum);
  };
  MapRun<1>(n, out, slope, x1, x2, static_cast<const T*>(out));
}

template <class T>
HWY_INLINE void Combine(double a, const T* x1, double b, const T* x2, size_t n, T* out) {
  const auto sum = [=](auto d, auto u, auto v)
                       HWY_ATTR { return hn::MulAdd(Const(d, a), u, hn::Mul(Const(d, b), v)); };
  MapRun<2>(n, out, sum, x1, x2);
}

template <class T>
HWY_INLINE double HingeSumOf(const T* x, size_t n, double add, bool squared) {
  const hn::ScalableTag<T> d;
  WideSum<T> sum;
  const auto shift = Const(d, add);
  EachOf<T>(
      n,
      [&](size_t count, auto v) HWY_ATTR {
        const auto h = PositivePart(d, hn::Add(v, shift));
        sum.Add(hn::IfThenElseZero(hn::FirstN(d, count), squared ? hn::Mul(h, h) : h));
      },
      x);
  return sum.Total();
}

template <class T>
HWY_INLINE double AddHingeSlope(const T* x, size_t n, double add, bool squared, double scale,
                                T* out) {
  const hn::ScalableTag<T> d;
  WideSum<T> total;
  const auto shift = Const(d, add);
  const auto factor = Const(d, squared ? 2 * scale : scale);
  size_t i = 0;
  EachOf<T>(
      n,
      [&](size_t count, auto v, auto sum) HWY_ATTR {
        const auto h = hn::Add(v, shift);
        const auto active =
            hn::IfThenElseZero(hn::Gt(h, hn::Zero(d)), squared ? hn::Mul(factor, h) : factor);
        const auto slope = hn::IfThenElseZero(hn::FirstN(d, count), KeepNaN(h, active));
        total.Add(slope);
        const auto result = hn::Add(sum, slope);
        if (count < hn::Lanes(d)) {
          StoreFirst(d, result, out + i, count);
        } else {
          hn::StoreU(result, d, out + i);
        }
        i += count;
      },
      x, static_cast<const T*>(out));
  return total.Total();
}

}  // namespace losses
}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_LOSS_PAIRS_INL_HPP_
