// a^b = exp(b log a) with the logarithm in two parts, so that large products lose no digits.

#if defined(LAMINA_KERNELS_POW_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_POW_INL_HPP_
#undef LAMINA_KERNELS_POW_INL_HPP_
#else
#define LAMINA_KERNELS_POW_INL_HPP_
#endif

#include <limits>

#include "hwy/highway.h"
#include "kernels/math-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// high + low, low being at most half a unit in the last place of high.
template <class V>
struct TwoParts {
  V high;
  V low;
};

/// a * b without error, for factors whose halves neither over- nor underflow.
template <class D, class V = hn::Vec<D>>
HWY_INLINE TwoParts<V> ExactProduct(D d, V a, V b) {
  const V high = hn::Mul(a, b);
#if HWY_NATIVE_FMA
  (void)d;
  return {high, hn::MulSub(a, b, high)};
#else
  // Dekker 1971: the halves of a and b have exact products.
  const V factor = hn::Set(d, hn::TFromD<D>(134217729.0));
  const V ca = hn::Mul(a, factor);
  const V cb = hn::Mul(b, factor);
  const V a1 = hn::Sub(ca, hn::Sub(ca, a));
  const V b1 = hn::Sub(cb, hn::Sub(cb, b));
  const V a2 = hn::Sub(a, a1);
  const V b2 = hn::Sub(b, b1);
  const V cross = hn::Add(hn::Sub(hn::Mul(a1, b1), high), hn::Mul(a1, b2));
  return {high, hn::Add(hn::Add(cross, hn::Mul(a2, b1)), hn::Mul(a2, b2))};
#endif
}

/// log(x) of doubles x > 0 to about 2^-63 of itself; -inf of 0, inf of inf.
template <class D, class V = hn::Vec<D>>
HWY_INLINE TwoParts<V> LogInTwoParts(D d, V x) {
  const V one = hn::Set(d, 1.0);
  const V two = hn::Set(d, 2.0);
  const auto tiny = hn::Lt(x, hn::Set(d, 2.2250738585072014e-308));
  V f;
  V n;
  LogSplit(d, hn::IfThenElse(tiny, hn::Mul(x, hn::Set(d, 18014398509481984.0)), x), f, n);
  n = hn::Sub(n, hn::IfThenElseZero(tiny, hn::Set(d, 54.0)));
  // log(1 + f) = 2 atanh(s) = 2 s + s^3 (2/3 + 2/5 s^2 + ...) with s = f / (2 + f) = high + low.
  const V bottom = hn::Add(two, f);
  const V bottom_low = hn::Sub(f, hn::Sub(bottom, two));
  const V inverse = hn::Div(one, bottom);
  const V s = hn::Mul(f, inverse);
  const TwoParts<V> back = ExactProduct(d, s, bottom);
  const V rest = hn::Sub(hn::Sub(hn::Sub(f, back.high), back.low), hn::Mul(s, bottom_low));
  const V s_low = hn::Mul(rest, inverse);
  TwoParts<V> z = ExactProduct(d, s, s);
  z.low = hn::MulAdd(hn::Add(s, s), s_low, z.low);
  const V q =
      hn::Mul(z.high, Polynomial(d, z.high, 2.0 / 5, 2.0 / 7, 2.0 / 9, 2.0 / 11, 2.0 / 13, 2.0 / 15,
                                 2.0 / 17, 2.0 / 19, 2.0 / 21, 2.0 / 23, 2.0 / 25));
  // 2/3 in two parts.
  const V third = hn::Set(d, 0.66666666666666663);
  const V r = hn::Add(third, q);
  const V r_low = hn::Add(hn::Add(hn::Sub(third, r), q), hn::Set(d, 3.7007434154171886e-17));
  TwoParts<V> u = ExactProduct(d, z.high, r);
  u.low = hn::Add(u.low, hn::MulAdd(z.high, r_low, hn::Mul(z.low, r)));
  TwoParts<V> t = ExactProduct(d, s, u.high);
  t.low = hn::Add(t.low, hn::MulAdd(s, u.low, hn::Mul(s_low, u.high)));
  const V twice = hn::Add(s, s);
  const V sum = hn::Add(twice, t.high);
  const V sum_low =
      hn::Add(hn::Add(hn::Sub(twice, sum), t.high), hn::Add(hn::Add(s_low, s_low), t.low));
  // n ln 2 is greater than what it is added to, or 0.
  const V whole = hn::Mul(n, hn::Set(d, Ln2High<double>()));
  const V high = hn::Add(whole, sum);
  const V low = hn::Add(hn::Add(hn::Sub(whole, high), sum),
                        hn::MulAdd(n, hn::Set(d, Ln2Low<double>()), sum_low));
  const auto zero = hn::Eq(x, hn::Zero(d));
  const auto limit = hn::Or(zero, hn::Eq(x, hn::Inf(d)));
  const V end = hn::IfThenElse(zero, hn::Neg(hn::Inf(d)), x);
  return {hn::IfThenElse(limit, end, high), hn::IfThenZeroElse(limit, low)};
}

/// |x|^y of doubles, but for what SignAndLimits adds.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V PowOfMagnitude(D d, V x, V y) {
  const TwoParts<V> log = LogInTwoParts(d, x);
  const TwoParts<V> product = ExactProduct(d, y, log.high);
  const V low = hn::MulAdd(y, log.low, product.low);
  const V clamped = AtMost(d, AtLeast(d, product.high, hn::Set(d, ExpLowest<double>())),
                           hn::Set(d, ExpHighest<double>()));
  // Beyond the ends, and where the halves of y overflow, it does not matter and may be no number.
  const V rest = hn::IfThenElseZero(hn::Lt(hn::Abs(low), hn::Set(d, 1.0)), low);
  const ExpSplit<V> split = SplitExp(d, clamped);
  return MulPow2(d, ExpReduced(d, hn::Add(split.r, rest)), split.n);
}

/// The sign of x^y from the power of |x|, and what IEEE 754 (9.2.1) says of 0, 1, infinities, NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V SignAndLimits(D d, V x, V y, V power) {
  using T = hn::TFromD<D>;
  const V one = hn::Set(d, T(1));
  const V zero = hn::Zero(d);
  const V half = hn::Mul(y, hn::Set(d, T(0.5)));
  const auto integer = hn::Eq(hn::Floor(y), y);
  const auto even = hn::Eq(hn::Floor(half), half);
  const V nan = hn::Set(d, std::numeric_limits<T>::quiet_NaN());
  // Powers of a negative number: signed where y is odd, none where it is no integer.
  const V sign = hn::IfThenZeroElse(hn::Or(even, hn::Not(integer)), hn::And(x, hn::SignBit(d)));
  V result = hn::Or(power, sign);
  const auto finite_negative = hn::And(hn::Lt(x, zero), hn::Gt(x, hn::Neg(hn::Inf(d))));
  result = hn::IfThenElse(hn::AndNot(integer, finite_negative), nan, result);
  result = KeepNaN(y, KeepNaN(x, result));
  const auto minus_one = hn::And(hn::Eq(x, hn::Neg(one)), hn::Eq(hn::Abs(y), hn::Inf(d)));
  const auto is_one = hn::Or(hn::Or(hn::Eq(x, one), hn::Eq(y, zero)), minus_one);
  return hn::IfThenElse(is_one, one, result);
}

/// x^y. 1 ULP.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Pow(D d, V x, V y) {
  const V magnitude = hn::Abs(x);
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    return SignAndLimits(d, x, y, PowOfMagnitude(d, magnitude, y));
  } else {
    // In double the plain formula is exact enough for float.
    const hn::Half<D> h;
    const hn::Rebind<double, decltype(h)> w;
    const auto part = [&](auto base, auto exponent) HWY_ATTR {
      const auto log = Log(w, hn::PromoteTo(w, base));
      const auto power = Exp(w, hn::Mul(hn::PromoteTo(w, exponent), log));
      const auto result = hn::DemoteTo(h, power);
#if HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR
      // Here what is too large becomes the largest float: scaled back it becomes infinite.
      const auto scaled = hn::DemoteTo(h, hn::Mul(power, hn::Set(w, 0x1p-64)));
      return hn::IfThenElse(hn::Gt(scaled, hn::Set(h, 1.0F)), hn::Mul(scaled, hn::Set(h, 0x1p64F)),
                            result);
#else
      return result;
#endif
    };
    const auto lower = part(hn::LowerHalf(h, magnitude), hn::LowerHalf(h, y));
    const auto upper = part(hn::UpperHalf(h, magnitude), hn::UpperHalf(h, y));
    return SignAndLimits(d, x, y, hn::Combine(d, upper, lower));
  }
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_POW_INL_HPP_
