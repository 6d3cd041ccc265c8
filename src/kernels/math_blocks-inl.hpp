// What vector mathematics is made of: polynomials, limits that keep NaN, powers of two.

#if defined(LAMINA_KERNELS_MATH_BLOCKS_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_MATH_BLOCKS_INL_HPP_
#undef LAMINA_KERNELS_MATH_BLOCKS_INL_HPP_
#else
#define LAMINA_KERNELS_MATH_BLOCKS_INL_HPP_
#endif

#include "hwy/highway.h"

#include <cstddef>
#include <cstdint>

// AVX-512 scales by a power of two, saturating and rounding denormals, in one instruction.
#undef LAMINA_MATH_AVX512
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
#define LAMINA_MATH_AVX512 1
#else
#define LAMINA_MATH_AVX512 0
#endif

// x86 Min and Max return their second operand when either is NaN.
#undef LAMINA_MATH_X86_MINMAX
#if HWY_ARCH_X86 && HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR
#define LAMINA_MATH_X86_MINMAX 1
#else
#define LAMINA_MATH_X86_MINMAX 0
#endif

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Sum of c[i] * x^i by pairs (Estrin's scheme): a chain of dependent operations that is only
/// logarithmic in the degree.
template <class D, size_t kCount, class V = hn::Vec<D>>
HWY_INLINE V SumByPairs(D d, V x, const V (&c)[kCount]) {
  if constexpr (kCount == 1) {
    return c[0];
  } else {
    V pairs[(kCount + 1) / 2];
    HWY_UNROLL(8)  // in registers even where the compiler would rather loop
    for (size_t i = 0; i + 1 < kCount; i += 2) {
      pairs[i / 2] = hn::MulAdd(c[i + 1], x, c[i]);
    }
    if constexpr (kCount % 2 == 1) {
      pairs[kCount / 2] = c[kCount - 1];
    }
    return SumByPairs(d, hn::Mul(x, x), pairs);
  }
}

/// c0 + c1 x + c2 x^2 + ... Single precision by Horner's scheme, which has the fewest operations;
/// double, with its high degrees, by pairs after the first term, which is added last for accuracy.
template <class D, class V = hn::Vec<D>, class... C>
HWY_INLINE V Polynomial(D d, V x, double c0, C... higher) {
  const V c[] = {hn::Set(d, static_cast<hn::TFromD<D>>(higher))...};
  const V first = hn::Set(d, static_cast<hn::TFromD<D>>(c0));
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    V sum = c[sizeof...(C) - 1];
    HWY_UNROLL(16)
    for (size_t i = sizeof...(C) - 1; i != 0; --i) {
      sum = hn::MulAdd(sum, x, c[i - 1]);
    }
    return hn::MulAdd(sum, x, first);
  } else {
    return hn::MulAdd(SumByPairs(d, x, c), x, first);
  }
}

/// The greater of x and `low`; NaN where x is NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V AtLeast(D /*d*/, V x, V low) {
#if LAMINA_MATH_X86_MINMAX
  return hn::Max(low, x);
#else
  return hn::IfThenElse(hn::Lt(x, low), low, x);
#endif
}

/// The lesser of x and `high`; NaN where x is NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V AtMost(D /*d*/, V x, V high) {
#if LAMINA_MATH_X86_MINMAX
  return hn::Min(high, x);
#else
  return hn::IfThenElse(hn::Gt(x, high), high, x);
#endif
}

/// v where x is not NaN, x where it is.
template <class V>
HWY_INLINE V KeepNaN(V x, V v) {
  return hn::IfThenElse(hn::IsNaN(x), x, v);
}

#if LAMINA_MATH_AVX512
template <size_t N>
HWY_INLINE hn::Vec128<float, N> ScalePow2(hn::Vec128<float, N> v, hn::Vec128<float, N> n) {
  return hn::Vec128<float, N>{_mm_scalef_ps(v.raw, n.raw)};
}
template <size_t N>
HWY_INLINE hn::Vec128<double, N> ScalePow2(hn::Vec128<double, N> v, hn::Vec128<double, N> n) {
  return hn::Vec128<double, N>{_mm_scalef_pd(v.raw, n.raw)};
}
HWY_INLINE hn::Vec256<float> ScalePow2(hn::Vec256<float> v, hn::Vec256<float> n) {
  return hn::Vec256<float>{_mm256_scalef_ps(v.raw, n.raw)};
}
HWY_INLINE hn::Vec256<double> ScalePow2(hn::Vec256<double> v, hn::Vec256<double> n) {
  return hn::Vec256<double>{_mm256_scalef_pd(v.raw, n.raw)};
}
HWY_INLINE hn::Vec512<float> ScalePow2(hn::Vec512<float> v, hn::Vec512<float> n) {
  return hn::Vec512<float>{_mm512_scalef_ps(v.raw, n.raw)};
}
HWY_INLINE hn::Vec512<double> ScalePow2(hn::Vec512<double> v, hn::Vec512<double> n) {
  return hn::Vec512<double>{_mm512_scalef_pd(v.raw, n.raw)};
}
#endif

/// v * 2^n, rounded once, for integral n in about [-240, 240] (float) or [-1100, 1100] (double).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V MulPow2(D d, V v, V n) {
#if LAMINA_MATH_AVX512
  (void)d;
  return ScalePow2(v, n);
#else
  // 2^n in two factors whose exponents are half of n each, so that neither over- nor underflows.
  using T = hn::TFromD<D>;
  const hn::RebindToUnsigned<D> du;
  using TU = hn::TFromD<decltype(du)>;
  constexpr bool kF32 = sizeof(T) == 4;
  constexpr int kMantissaBits = kF32 ? 23 : 52;
  // Adding 1.5 * 2^mantissa leaves the integer n + 2 * bias in the low bits.
  constexpr T kShift = kF32 ? T(12582912.0 + 254.0) : T(6755399441055744.0 + 2046.0);
  const auto biased = hn::And(hn::BitCast(du, hn::Add(n, hn::Set(d, kShift))),
                              hn::Set(du, kF32 ? TU{0x3FF} : TU{0xFFF}));
  const auto half = hn::ShiftRight<1>(biased);
  const auto rest = hn::Sub(biased, half);
  return hn::Mul(hn::Mul(v, hn::BitCast(d, hn::ShiftLeft<kMantissaBits>(half))),
                 hn::BitCast(d, hn::ShiftLeft<kMantissaBits>(rest)));
#endif
}

/// 2^n for integral n within the normal exponents.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Pow2(D d, V n) {
#if LAMINA_MATH_AVX512
  return ScalePow2(hn::Set(d, hn::TFromD<D>(1)), n);
#else
  using T = hn::TFromD<D>;
  const hn::RebindToUnsigned<D> du;
  constexpr bool kF32 = sizeof(T) == 4;
  constexpr T kShift = kF32 ? T(12582912.0 + 127.0) : T(6755399441055744.0 + 1023.0);
  return hn::BitCast(
      d, hn::ShiftLeft < kF32 ? 23 : 52 > (hn::BitCast(du, hn::Add(n, hn::Set(d, kShift)))));
#endif
}

/// low such that t * t = high + low, for high = Mul(t, t).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V SquareLow(D d, V t, V high) {
#if HWY_NATIVE_FMA
  (void)d;
  return hn::MulSub(t, t, high);
#else
  // Dekker's product: the upper half of t has an exact square.
  using T = hn::TFromD<D>;
  const V c = hn::Mul(t, hn::Set(d, sizeof(T) == 4 ? T(4097.0) : T(134217729.0)));
  const V upper = hn::Sub(c, hn::Sub(c, t));
  const V lower = hn::Sub(t, upper);
  const V cross = hn::Mul(upper, lower);
  return hn::Add(hn::Mul(lower, lower),
                 hn::Add(hn::Add(cross, cross), hn::Sub(hn::Mul(upper, upper), high)));
#endif
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_MATH_BLOCKS_INL_HPP_
