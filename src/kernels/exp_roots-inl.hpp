// The exponential of softmax, for vectors that have a table of doubles in two registers.

#if defined(LAMINA_KERNELS_EXP_ROOTS_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_EXP_ROOTS_INL_HPP_
#undef LAMINA_KERNELS_EXP_ROOTS_INL_HPP_
#else
#define LAMINA_KERNELS_EXP_ROOTS_INL_HPP_
#endif

#include "hwy/highway.h"
#include "kernels/math-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Eight doubles to a vector have the sixteenth roots of 2 in two registers.
template <class D>
constexpr bool HasDoubleRoots() {
  return LAMINA_MATH_AVX512 != 0 && sizeof(hn::TFromD<D>) == 8 && hn::MaxLanes(D()) == 8;
}

#if LAMINA_MATH_AVX512
alignas(64) constexpr double kDoubleRoots[16] = {1.0,
                                                 1.0442737824274138,
                                                 1.0905077326652577,
                                                 1.1387886347566916,
                                                 1.189207115002721,
                                                 1.241857812073484,
                                                 1.2968395546510096,
                                                 1.3542555469368927,
                                                 1.4142135623730951,
                                                 1.4768261459394993,
                                                 1.5422108254079407,
                                                 1.6104903319492543,
                                                 1.681792830507429,
                                                 1.7562521603732995,
                                                 1.8340080864093424,
                                                 1.9152065613971474};
/// 2^(j / 16), where j is in the lowest four bits.
HWY_INLINE hn::Vec512<double> RootAt(hn::Vec512<double> j) {
  return hn::Vec512<double>{_mm512_permutex2var_pd(
      _mm512_load_pd(kDoubleRoots), _mm512_castpd_si512(j.raw), _mm512_load_pd(kDoubleRoots + 8))};
}
#endif

/// ExpOfDifference, where there are double roots with five multiply-adds fewer. 1.5 ULP.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpWithRoots(D d, V x) {
  if constexpr (HasDoubleRoots<D>()) {
    x = AtLeast(d, x, hn::Set(d, ExpLowest<double>()));
    // Adding 1.5 * 2^48 rounds to a sixteenth; the integer 16 n is in the low bits.
    const V shift = hn::Set(d, 422212465065984.0);
    const V sum = hn::MulAdd(x, hn::Set(d, kLog2E), shift);
    const V root = RootAt(sum);
    const V n = hn::Sub(sum, shift);
    V r = hn::NegMulAdd(n, hn::Set(d, Ln2High<double>()), x);
    r = hn::NegMulAdd(n, hn::Set(d, Ln2Low<double>()), r);
    // (exp(r) - 1) / r for |r| <= ln 2 / 32; the error of exp(r) is below 2^-56.
    const V slope = Polynomial(d, r, 1.0000000000000007, 0.5000000000000001, 0.16666666664208724,
                               0.04166666666359425, 0.008333473002881155, 0.001388906347556763);
    return MulPow2(d, hn::MulAdd(hn::Mul(root, r), slope, root), n);
  } else {
    return ExpOfDifference(d, x);
  }
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_EXP_ROOTS_INL_HPP_
