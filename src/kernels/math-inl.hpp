// Vector mathematics over a Highway tag D, for float and double lanes, on every target.
//
// Each function covers the whole range: results that are denormal are rounded, not flushed;
// infinities and zeros give the limit; NaN gives NaN. The bounds are in units in the last place
// (ULP) and hold for results in the normal range; a denormal result is within 1 step of the exact
// value more than that. tests/kernels/math_test.cpp checks them against higher precision.
//
// Polynomials and rational functions were fitted for lamina by the Remez algorithm in 40-digit
// arithmetic, for least relative error of the whole function. Reduction constants are the usual
// ln 2 = hi + lo, with enough trailing zeros in hi that n * hi is exact.

#if defined(LAMINA_KERNELS_MATH_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_MATH_INL_HPP_
#undef LAMINA_KERNELS_MATH_INL_HPP_
#else
#define LAMINA_KERNELS_MATH_INL_HPP_
#endif

#include "hwy/highway.h"

#include <cstddef>
#include <cstdint>

#include "kernels/math_blocks-inl.hpp"
#include "kernels/pieces-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// ---------------------------------------------------------------- exponential

/// exp(x) = exp(r) * 2^n with |r| <= 0.35 and n integral.
template <class V>
struct ExpSplit {
  V r;
  V n;
};

/// Rounds x * factor to an integer, for results below 2^21.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V NearestMultiple(D d, V x, double factor) {
  using T = hn::TFromD<D>;
  const V shift = hn::Set(d, sizeof(T) == 4 ? T(12582912.0) : T(6755399441055744.0));
  return hn::Sub(hn::MulAdd(x, hn::Set(d, static_cast<T>(factor)), shift), shift);
}

constexpr double kLog2E = 1.442695040888963407;
/// ln 2 = Ln2High + Ln2Low, where n * Ln2High is exact.
template <class T>
constexpr T Ln2High() {
  return sizeof(T) == 4 ? T(0.693359375) : T(6.93147180369123816490e-01);
}
template <class T>
constexpr T Ln2Low() {
  return sizeof(T) == 4 ? T(-2.12194440054690583e-4) : T(1.90821492927058770002e-10);
}

/// For |x| up to about 170 (float) or 1000 (double).
template <class D, class V = hn::Vec<D>>
HWY_INLINE ExpSplit<V> SplitExp(D d, V x) {
  using T = hn::TFromD<D>;
  const V n = NearestMultiple(d, x, kLog2E);
  const V r = hn::NegMulAdd(n, hn::Set(d, Ln2High<T>()), x);
  return {hn::NegMulAdd(n, hn::Set(d, Ln2Low<T>()), r), n};
}

/// exp(sign * r) for |r| <= 0.35; relative error of the polynomial below 2^-28 or 2^-57.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpReduced(D d, V r, double sign = 1) {
  const double s = sign;
  const double s2 = s * s;
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    return Polynomial(d, r, 1.0, s, s2 * 4.999999404e-01, s2 * s * 1.666651517e-01,
                      s2 * s2 * 4.166844487e-02, s2 * s2 * s * 8.369433694e-03,
                      s2 * s2 * s2 * 1.381408307e-03);
  } else {
    const double s4 = s2 * s2;
    const double s8 = s4 * s4;
    return Polynomial(d, r, 1.0, s, s2 * 5.00000000000001221e-01, s2 * s * 1.66666666666663882e-01,
                      s4 * 4.16666666665188382e-02, s4 * s * 8.33333333350585147e-03,
                      s4 * s2 * 1.38888889470078830e-03, s4 * s2 * s * 1.98412694906236202e-04,
                      s8 * 2.48014892568876537e-05, s8 * s * 2.75575927609558981e-06,
                      s8 * s2 * 2.76317226740963006e-07, s8 * s2 * s * 2.50005224994508331e-08);
  }
}

/// exp(r) - 1 for |r| <= 0.35, within 1 ULP.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpM1Reduced(D d, V r) {
  V q;
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    q = Polynomial(d, r, 4.999999404e-01, 1.666651517e-01, 4.166844487e-02, 8.369433694e-03,
                   1.381408307e-03);
  } else {
    q = Polynomial(d, r, 5.00000000000001221e-01, 1.66666666666663882e-01, 4.16666666665188382e-02,
                   8.33333333350585147e-03, 1.38888889470078830e-03, 1.98412694906236202e-04,
                   2.48014892568876537e-05, 2.75575927609558981e-06, 2.76317226740963006e-07,
                   2.50005224994508331e-08);
  }
  return hn::MulAdd(hn::Mul(r, r), q, r);
}

/// Where exp(x) and x * exp(x) are certainly 0.
template <class T>
constexpr T ExpLowest() {
  return sizeof(T) == 4 ? T(-112) : T(-760);
}
/// Where exp(x) is certainly infinite.
template <class T>
constexpr T ExpHighest() {
  return sizeof(T) == 4 ? T(90) : T(711);
}

/// Sixteen floats to a vector have roots of 2 at hand: then n is a multiple of 1/16 or 1/32, r so
/// small that the polynomial needs three terms or two, and exp costs a quarter less.
template <class D>
constexpr bool HasRoots() {
  return HasTables<D>();
}

/// 2^(j / 32)
alignas(64) constexpr float kRoots32[32] = {
    1.0F,        1.02189715F, 1.04427378F, 1.0671404F,  1.09050773F, 1.11438674F, 1.13878863F,
    1.16372486F, 1.18920712F, 1.21524736F, 1.24185781F, 1.26905096F, 1.29683955F, 1.32523664F,
    1.35425555F, 1.38390988F, 1.41421356F, 1.44518081F, 1.47682615F, 1.50916443F, 1.54221083F,
    1.57598085F, 1.61049033F, 1.64575548F, 1.68179283F, 1.7186193F,  1.75625216F, 1.79470908F,
    1.83400809F, 1.87416763F, 1.91520656F, 1.95714412F};
/// 2^(j / 16)
alignas(64) constexpr float kRoots[16] = {1.0F,        1.04427378F, 1.09050773F, 1.13878863F,
                                          1.18920712F, 1.24185781F, 1.29683955F, 1.35425555F,
                                          1.41421356F, 1.47682615F, 1.54221083F, 1.61049033F,
                                          1.68179283F, 1.75625216F, 1.83400809F, 1.91520656F};
#if LAMINA_MATH_AVX512
/// 2^(j / 16), where j is in the lowest four bits.
HWY_INLINE hn::Vec512<float> RootAt(hn::Vec512<float> j) {
  return LookUp(kRoots, j);
}
#endif

/// What exp is for. Where there are roots, Rough has one step of the reduction, which costs another
/// |x| / 20 ULP, and Factor two terms of the polynomial, which costs another ULP.
enum class ExpUse { Value, Rough, Factor };

/// n, a multiple of 1/16 (or 1/32 for Factor) near x * factor, and the root 2^(fraction of n).
template <class V>
struct RootSplit {
  V n;
  V root;
};

template <ExpUse kUse, class D, class V = hn::Vec<D>>
HWY_INLINE RootSplit<V> SplitRoot(D d, V x, double factor) {
  // Adding 1.5 * 2^19 or 2^18 rounds; 16 n or 32 n is in the low bits.
  const V shift = hn::Set(d, kUse == ExpUse::Factor ? 393216.0F : 786432.0F);
  const V sum = hn::MulAdd(x, hn::Set(d, static_cast<float>(factor)), shift);
  if constexpr (kUse == ExpUse::Factor) {
    return {hn::Sub(sum, shift), LookUp(kRoots32, sum)};
  } else {
    return {hn::Sub(sum, shift), RootAt(sum)};
  }
}

/// exp(sign * r) with the root.
template <ExpUse kUse, class D, class V = hn::Vec<D>>
HWY_INLINE V TimesRoot(D d, V root, V r, double sign = 1) {
  const double s = sign;
  V slope;
  if constexpr (kUse == ExpUse::Factor) {
    slope = Polynomial(d, r, s * 1.00001466, s * s * 0.5);
  } else {
    slope = Polynomial(d, r, s, s * s * 5.00019942e-01, s * s * s * 1.66670198e-01);
  }
  return hn::MulAdd(hn::Mul(root, r), slope, root);
}

/// exp(x) = exp(r) * 2^n in parts, for x from ExpLowest to ExpHighest.
template <class D, ExpUse kUse = ExpUse::Value>
class ExpParts {
  using T = hn::TFromD<D>;
  using V = hn::Vec<D>;
  static constexpr bool kRoots = HasRoots<D>();

 public:
  HWY_INLINE ExpParts(D d, V x) {
    if constexpr (kRoots) {
      const RootSplit<V> split = SplitRoot<kUse>(d, x, kLog2E);
      root_ = split.root;
      n_ = split.n;
      if constexpr (kUse == ExpUse::Rough) {
        r_ = hn::NegMulAdd(n_, hn::Set(d, T(0.693147180559945309)), x);
      } else {
        r_ = hn::NegMulAdd(n_, hn::Set(d, Ln2High<T>()), x);
        r_ = hn::NegMulAdd(n_, hn::Set(d, Ln2Low<T>()), r_);
      }
    } else {
      const ExpSplit<V> split = SplitExp(d, x);
      r_ = split.r;
      n_ = split.n;
      root_ = hn::Set(d, T(1));
    }
  }
  /// v * 2^n, where Mantissa() or a multiple of it is v.
  HWY_INLINE V Scale(D d, V v) const { return MulPow2(d, v, n_); }
  /// exp(r), with the root.
  HWY_INLINE V Mantissa(D d) const {
    if constexpr (kRoots) {
      return TimesRoot<kUse>(d, root_, r_);
    } else {
      return ExpReduced(d, r_);
    }
  }
  HWY_INLINE V Value(D d) const { return Scale(d, Mantissa(d)); }
  /// 2^n, with the root.
  HWY_INLINE V Power(D d) const { return Scale(d, root_); }
  /// v * 2^n, with the root.
  HWY_INLINE V TimesPower(D d, V v) const { return Scale(d, kRoots ? hn::Mul(v, root_) : v); }
  /// exp(-r): exp(x) = Power() / Inverse().
  HWY_INLINE V Inverse(D d) const {
    if constexpr (kRoots) {
      static_assert(kUse == ExpUse::Value);
      return Polynomial(d, r_, 1.0, -1.0, 5.00019942e-01, -1.66670198e-01);
    } else {
      return ExpReduced(d, r_, -1);
    }
  }

 private:
  V r_;
  V n_;
  V root_;
};

/// exp(x). 1.5 ULP.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Exp(D d, V x) {
  using T = hn::TFromD<D>;
  x = AtMost(d, AtLeast(d, x, hn::Set(d, ExpLowest<T>())), hn::Set(d, ExpHighest<T>()));
  return ExpParts<D>(d, x).Value(d);
}

/// exp(x) for x <= 0. 1.5 ULP.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpOfNegative(D d, V x) {
  return ExpParts<D>(d, AtLeast(d, x, hn::Set(d, ExpLowest<hn::TFromD<D>>()))).Value(d);
}

/// exp(x) for x <= 0 that is a rounded difference. 1.5 ULP and |x| / 20 beside the |x| / 2 that the
/// rounding costs.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpOfDifference(D d, V x) {
  return ExpParts<D, ExpUse::Rough>(d, AtLeast(d, x, hn::Set(d, ExpLowest<hn::TFromD<D>>())))
      .Value(d);
}

/// exp(x) - 1 for x in [-40, 0]. 2.5 ULP.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpM1OfNegative(D d, V x) {
  const ExpSplit<V> split = SplitExp(d, x);
  const V power = Pow2(d, split.n);
  return hn::MulAdd(power, ExpM1Reduced(d, split.r), hn::Sub(power, hn::Set(d, hn::TFromD<D>(1))));
}

/// exp(x) - 1. 2.5 ULP.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpM1(D d, V x) {
  using T = hn::TFromD<D>;
  const V clamped = AtMost(d, AtLeast(d, x, hn::Set(d, T(-40))), hn::Set(d, ExpHighest<T>()));
  const ExpSplit<V> split = SplitExp(d, clamped);
  // 2^n * (p + (1 - 2^-n)); from n = 60 on, 2^-n no longer counts.
  const V inverse = Pow2(d, hn::Neg(hn::Min(split.n, hn::Set(d, T(60)))));
  const V rest = hn::Sub(hn::Set(d, T(1)), inverse);
  const V y = MulPow2(d, hn::Add(ExpM1Reduced(d, split.r), rest), split.n);
  return hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, y);  // keeps -0
}

// ---------------------------------------------------------------- logarithm

/// n * ln 2 + log(1 + f) for f in [sqrt(1/2) - 1, sqrt(2) - 1].
template <class D, class V = hn::Vec<D>>
HWY_INLINE V LogJoin(D d, V f, V n) {
  using T = hn::TFromD<D>;
  const V high = hn::Set(d, Ln2High<T>());
  const V low = hn::Set(d, Ln2Low<T>());
  if constexpr (sizeof(T) == 4) {
    // log(1 + f) = f + f^2 q(f)
    const V q =
        Polynomial(d, f, -0.5, 3.333333135e-01, -2.500082254e-01, 2.000123411e-01, -1.662329733e-01,
                   1.420151591e-01, -1.316055208e-01, 1.276358366e-01, -7.636065781e-02);
    const V correction = hn::MulAdd(hn::Mul(f, f), q, hn::Mul(n, low));
    return hn::MulAdd(n, high, hn::Add(f, correction));
  } else {
    // 2 atanh(s) = 2 s + s^3 R(s^2) with s = f / (2 + f), and 2 s = f - s f.
    const V half_square = hn::Mul(hn::Mul(f, f), hn::Set(d, T(0.5)));
    const V s = hn::Div(f, hn::Add(f, hn::Set(d, T(2))));
    const V z = hn::Mul(s, s);
    const V r =
        Polynomial(d, z, 6.66666666666673513e-01, 3.99999999994111455e-01, 2.85714287432586533e-01,
                   2.22221984757514507e-01, 1.81835697787788769e-01, 1.53139017055427373e-01,
                   1.47975274435763304e-01);
    const V correction = hn::MulAdd(n, low, hn::Mul(s, hn::MulAdd(z, r, half_square)));
    return hn::MulAdd(n, high, hn::Sub(f, hn::Sub(half_square, correction)));
  }
}

/// Exponent n and f with x = 2^n * (1 + f), for positive normal x.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void LogSplit(D d, V x, V& f, V& n) {
  using T = hn::TFromD<D>;
  constexpr bool kF32 = sizeof(T) == 4;
  const hn::RebindToUnsigned<D> du;
  using TU = hn::TFromD<decltype(du)>;
  constexpr int kMantissaBits = kF32 ? 23 : 52;
  // Subtracting the bits of sqrt(1/2) makes the mantissa carry into the exponent at sqrt(2).
  const auto root_half =
      hn::Set(du, kF32 ? TU{0x3F3504F3} : static_cast<TU>(0x3FE6A09E667F3BCDull));
  const auto one = hn::BitCast(du, hn::Set(d, T(1)));
  const auto bits = hn::Add(hn::BitCast(du, x), hn::Sub(one, root_half));
  const auto exponent = hn::ShiftRight<kMantissaBits>(bits);
  const auto mantissa = hn::And(bits, hn::Set(du, (TU{1} << kMantissaBits) - 1));
  f = hn::Sub(hn::BitCast(d, hn::Add(mantissa, root_half)), hn::Set(d, T(1)));
  // An integer below 2^mantissa becomes a number by or-ing it into 2^mantissa.
  const V base = hn::Set(d, kF32 ? T(8388608.0) : T(4503599627370496.0));
  const V base_and_bias = hn::Set(d, kF32 ? T(8388608.0 + 127.0) : T(4503599627370496.0 + 1023.0));
  n = hn::Sub(hn::BitCast(d, hn::Or(exponent, hn::BitCast(du, base))), base_and_bias);
}

/// log(x); -inf at 0, NaN below. 1 ULP.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Log(D d, V x) {
  using T = hn::TFromD<D>;
  constexpr bool kF32 = sizeof(T) == 4;
  const V infinity = hn::Inf(d);
  const V zero = hn::Zero(d);
  const auto tiny = hn::Lt(x, hn::Set(d, kF32 ? T(1.17549435e-38) : T(2.2250738585072014e-308)));
  const V scaled = hn::IfThenElse(
      tiny, hn::Mul(x, hn::Set(d, kF32 ? T(16777216.0) : T(18014398509481984.0))), x);
  V f;
  V n;
  LogSplit(d, scaled, f, n);
  n = hn::Sub(n, hn::IfThenElseZero(tiny, hn::Set(d, kF32 ? T(24) : T(54))));
  V y = LogJoin(d, f, n);
  y = hn::IfThenElse(hn::Eq(x, infinity), infinity, y);
  y = hn::IfThenElse(hn::Eq(x, zero), hn::Neg(infinity), y);
  y = hn::IfThenElse(hn::Lt(x, zero), hn::NaN(d), y);
  return KeepNaN(x, y);
}

/// log(1 + x); -inf at -1, NaN below. 1.5 ULP.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Log1P(D d, V x) {
  using T = hn::TFromD<D>;
  const V one = hn::Set(d, T(1));
  const V infinity = hn::Inf(d);
  const V u = hn::Add(one, x);
  V f;
  V n;
  LogSplit(d, u, f, n);
  // What rounding 1 + x lost, in units of f. For large u it no longer counts (and 2^-n would
  // underflow), for x > 1 it is taken from the other side.
  const V lost =
      hn::IfThenElse(hn::Gt(x, one), hn::Sub(one, hn::Sub(u, x)), hn::Sub(x, hn::Sub(u, one)));
  const V power = Pow2(d, hn::Neg(hn::Min(n, hn::Set(d, T(100)))));
  f = hn::MulAdd(hn::IfThenElseZero(hn::Lt(u, hn::Set(d, T(1e20))), lost), power, f);
  V y = LogJoin(d, f, n);
  y = hn::IfThenElse(hn::Eq(x, infinity), infinity, y);
  y = hn::IfThenElse(hn::Eq(u, hn::Zero(d)), hn::Neg(infinity), y);
  y = hn::IfThenElse(hn::Lt(u, hn::Zero(d)), hn::NaN(d), y);
  // Where x is so small that log(1 + x) = x, also keeps denormals and -0.
  y = hn::IfThenElse(hn::Lt(hn::Abs(x), hn::Set(d, sizeof(T) == 4 ? T(1e-9) : T(1e-18))), x, y);
  return KeepNaN(x, y);
}

/// log(1 + x) for x in [0, 1]. 2.5 ULP.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Log1POfUnit(D d, V x) {
  // x - x^2 * top / bottom
  V top;
  V bottom;
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    top = Polynomial(d, x, 0.5, 4.610764384e-01, 7.657050341e-02);
    bottom = Polynomial(d, x, 1.0, 1.588818550e+00, 7.123708129e-01, 8.038934320e-02);
  } else {
    top =
        Polynomial(d, x, 4.99999999999999944e-01, 1.15425182284769101e+00, 9.43222292759456904e-01,
                   3.26503796839279159e-01, 4.45651124920615621e-02, 1.67861598177303033e-03);
    bottom = Polynomial(d, x, 1.0, 2.97517031236202278e+00, 3.36989146042866983e+00,
                        1.81201674440351534e+00, 4.68930449966559026e-01, 5.19165866494233491e-02,
                        1.70406908304204362e-03);
  }
  return hn::NegMulAdd(hn::Mul(x, x), hn::Div(top, bottom), x);
}

// ---------------------------------------------------------------- logistic and hyperbolic

/// 1 / (1 + exp(-x)). 3 ULP.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Sigmoid(D d, V x) {
  using T = hn::TFromD<D>;
  x = AtMost(d, AtLeast(d, x, hn::Set(d, ExpLowest<T>())), hn::Set(d, T(40)));
  // exp(x) = 2^n exp(r): 2^n / (2^n + exp(-r)) is the same, and exact in the left tail.
  const ExpParts<D> exp(d, x);
  const V power = exp.Power(d);
  return hn::Div(power, hn::Add(power, exp.Inverse(d)));
}

/// tanh(x). 3 ULP.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Tanh(D d, V x) {
  using T = hn::TFromD<D>;
  if constexpr (HasTables<D>()) {
    // From 9.02 on it rounds to 1.
    const V a = AtMost(d, hn::Abs(x), hn::Set(d, T(9.25)));
    const V u = hn::Add(a, hn::Set(d, T(0.625)));
    // The bit of 2 is set where u >= 2.
    const V t = hn::Sub(a, hn::And(u, hn::Set(d, T(2))));
    return hn::CopySignToAbs(Piecewise(d, kTanhPieces, t, u), x);
  } else {
    // With m = exp(-2|x|) - 1: tanh |x| = -m / (2 + m).
    const V z = AtLeast(d, hn::Mul(hn::Abs(x), hn::Set(d, T(-2))), hn::Set(d, T(-40)));
    const V m = ExpM1OfNegative(d, z);
    return hn::CopySign(hn::Div(m, hn::Add(m, hn::Set(d, T(2)))), x);
  }
}

// ---------------------------------------------------------------- error function, normal tail

/// exp(t^2 / 2) * Phi(-t) for t >= 0 (half the scaled complementary error function of t / sqrt 2);
/// relative error below 2^-27 for t <= 14.6 (float), 2^-59 for t <= 39 (double).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ScaledNormalTail(D d, V t) {
  V top;
  V bottom;
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    top = Polynomial(d, t, 0.5, 4.384958446e-01, 1.833841503e-01, 4.068351164e-02, 4.123788327e-03);
    bottom = Polynomial(d, t, 1.0, 1.674876690e+00, 1.203121662e+00, 4.698640406e-01,
                        1.019848213e-01, 1.033668686e-02);
  } else {
    top = Polynomial(d, t, 0.5, 8.27946810632162800e-01, 6.79644443429219258e-01,
                     3.57372945587517032e-01, 1.32060284128456579e-01, 3.56727044477322675e-02,
                     7.12408949419197392e-03, 1.03992927777018010e-03, 1.06598682791760684e-04,
                     6.97796628415367891e-06, 2.24258742074047634e-07);
    bottom = Polynomial(d, t, 1.0, 2.45377818206719134e+00, 2.81712061396476487e+00,
                        2.00155536421114988e+00, 9.80180959671996033e-01, 3.48354693871692878e-01,
                        9.19899436895787181e-02, 1.81235231538310650e-02, 2.62420729906680771e-03,
                        2.67765405624800345e-04, 1.74911675873112624e-05, 5.62133303715860243e-07);
  }
  return hn::Div(top, bottom);
}

/// Where Phi(-t) and t * Phi(-t) are certainly 0.
template <class T>
constexpr T NormalTailEnd() {
  return sizeof(T) == 4 ? T(14.6) : T(39);
}

/// v * exp(-scale * t^2), scale being 1/2 or 1, with the rounding error of the square made good.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V TimesGaussian(D d, V v, V t, double scale) {
  using T = hn::TFromD<D>;
  const V square = hn::Mul(t, t);
  V n;
  V root;
  if constexpr (HasRoots<D>()) {
    const RootSplit<V> split = SplitRoot<ExpUse::Factor>(d, square, -scale * kLog2E);
    n = split.n;
    root = split.root;
  } else {
    n = NearestMultiple(d, square, -scale * kLog2E);
  }
  // t^2 + n ln2 / scale, so that exp(-scale * rest) is what 2^n leaves.
  const V high = hn::MulAdd(n, hn::Set(d, static_cast<T>(Ln2High<T>() / scale)), square);
  const V low =
      hn::MulAdd(n, hn::Set(d, static_cast<T>(Ln2Low<T>() / scale)), SquareLow(d, t, square));
  const V rest = hn::Add(high, low);
  if constexpr (HasRoots<D>()) {
    return MulPow2(d, hn::Mul(v, TimesRoot<ExpUse::Factor>(d, root, rest, -scale)), n);
  } else {
    return MulPow2(d, hn::Mul(v, ExpReduced(d, rest, -scale)), n);
  }
}

/// t * Phi(-t) for t from 0 to NormalTailEnd.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V TimesNormalTail(D d, V t) {
  if constexpr (HasTables<D>()) {
    // Beyond 13.125 the result is denormal, the last piece does.
    const V u = AtMost(d, hn::Add(t, hn::Set(d, 0.875F)), hn::Set(d, 13.5F));
    return TimesGaussian(d, Piecewise(d, kTailPieces, t, u), t, 0.5);
  } else {
    return TimesGaussian(d, hn::Mul(t, ScaledNormalTail(d, t)), t, 0.5);
  }
}

/// erfc(a) for a >= 0.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ErfcOfPositive(D d, V a) {
  using T = hn::TFromD<D>;
  a = AtMost(d, a, hn::Set(d, sizeof(T) == 4 ? T(10.32) : T(27.57)));
  const V tail = ScaledNormalTail(d, hn::Mul(a, hn::Set(d, T(1.41421356237309504880))));
  return TimesGaussian(d, hn::Add(tail, tail), a, 1.0);
}

/// 1 - erf(x), relative precision kept in the right tail. 7 ULP.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Erfc(D d, V x) {
  const V y = ErfcOfPositive(d, hn::Abs(x));
  return hn::IfNegativeThenElse(x, hn::Sub(hn::Set(d, hn::TFromD<D>(2)), y), y);
}

/// erf(x). 3 ULP.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Erf(D d, V x) {
  using T = hn::TFromD<D>;
  const V a = hn::Abs(x);
  const V one = hn::Set(d, T(1));
  const V z = hn::Mul(a, a);
  V ratio;  // erf(a) / a
  if constexpr (sizeof(T) == 4) {
    ratio = Polynomial(d, z, 1.128379107e+00, -3.761262596e-01, 1.128358543e-01, -2.685381286e-02,
                       5.188327283e-03, -8.010188467e-04, 7.853835268e-05);
  } else {
    ratio = Polynomial(d, z, 1.12837916709551256e+00, -3.76126389031837483e-01,
                       1.12837916709548569e-01, -2.68661706450729031e-02, 5.22397762478095471e-03,
                       -8.54832697874712477e-04, 1.20553310370750038e-04, -1.49255935110154183e-05,
                       1.64609728817931064e-06, -1.63500258942379698e-07, 1.46578842566791327e-08,
                       -1.13656826245275971e-09, 5.94528925737588274e-11);
  }
  const V y = hn::IfThenElse(hn::Lt(a, one), hn::Mul(a, ratio), hn::Sub(one, ErfcOfPositive(d, a)));
  return hn::CopySignToAbs(y, x);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_MATH_INL_HPP_
