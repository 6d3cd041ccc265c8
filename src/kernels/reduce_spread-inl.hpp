// Gradients of reductions: what is spread over the elements that were reduced.

#if defined(LAMINA_KERNELS_REDUCE_SPREAD_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_REDUCE_SPREAD_INL
#undef LAMINA_KERNELS_REDUCE_SPREAD_INL
#else
#define LAMINA_KERNELS_REDUCE_SPREAD_INL
#endif

#include "hwy/highway.h"
#include "kernels/math-inl.hpp"
#include "kernels/reduce.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// sign(x), and x itself where it is 0 or NaN.
template <class D, class V>
HWY_INLINE V SignOf(D d, V x) {
  const V one = hn::CopySign(hn::Set(d, hn::TFromD<D>(1)), x);
  return hn::IfThenElse(hn::Gt(hn::Abs(x), hn::Zero(d)), one, x);
}

struct FillSpread {
  template <class D, class V>
  static HWY_INLINE V Apply(D /*d*/, V /*x*/, V a, V /*b*/) {
    return a;
  }
};
struct LinearSpread {
  template <class D, class V>
  static HWY_INLINE V Apply(D /*d*/, V x, V a, V b) {
    return hn::Mul(a, hn::Sub(x, b));
  }
};
struct SignSpread {
  template <class D, class V>
  static HWY_INLINE V Apply(D d, V x, V a, V /*b*/) {
    return hn::Mul(a, SignOf(d, x));
  }
};
struct WhereEqualSpread {
  template <class D, class V>
  static HWY_INLINE V Apply(D /*d*/, V x, V a, V b) {
    return hn::IfThenElseZero(hn::Eq(x, b), a);
  }
};
struct SignWhereEqualSpread {
  template <class D, class V>
  static HWY_INLINE V Apply(D d, V x, V a, V b) {
    return hn::IfThenElseZero(hn::Eq(hn::Abs(x), b), hn::Mul(a, SignOf(d, x)));
  }
};
struct ExpSpread {
  template <class D, class V>
  static HWY_INLINE V Apply(D d, V x, V a, V b) {
    return hn::Mul(a, Exp(d, hn::Sub(x, b)));
  }
};

template <class S, class T>
HWY_INLINE void Spread(const SpreadArgs<T>& s) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  for (Index r = 0; r < s.rows; ++r) {
    const T* x = s.x + r * s.stride;
    T* dx = s.dx + r * s.stride;
    V a = hn::Set(d, s.per_column ? T(0) : s.a[r]);
    V b = hn::Set(d, s.per_column ? T(0) : s.b[r]);
    Index j = 0;
    for (; j + lanes <= s.width; j += lanes) {
      if (s.per_column) {
        a = hn::LoadU(d, s.a + j);
        b = hn::LoadU(d, s.b + j);
      }
      hn::StoreU(S::Apply(d, hn::LoadU(d, x + j), a, b), d, dx + j);
    }
    if (j < s.width) {
      const Index count = s.width - j;
      if (s.per_column) {
        a = LoadTail(d, s.a + j, count);
        b = LoadTail(d, s.b + j, count);
      }
      StoreTail(d, S::Apply(d, LoadTail(d, x + j, count), a, b), dx + j, count);
    }
  }
}

template <class T>
void SpreadOf(const SpreadArgs<T>& a) {
  switch (a.step) {
    case SpreadStep::Fill:
      return Spread<FillSpread>(a);
    case SpreadStep::Linear:
      return Spread<LinearSpread>(a);
    case SpreadStep::Sign:
      return Spread<SignSpread>(a);
    case SpreadStep::WhereEqual:
      return Spread<WhereEqualSpread>(a);
    case SpreadStep::SignWhereEqual:
      return Spread<SignWhereEqualSpread>(a);
    case SpreadStep::Exp:
      return Spread<ExpSpread>(a);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
