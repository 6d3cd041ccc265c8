// Element-wise arithmetic: one struct a member, with its function and its derivatives.

#if defined(LAMINA_KERNELS_ARITHMETIC_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_ARITHMETIC_INL
#undef LAMINA_KERNELS_ARITHMETIC_INL
#else
#define LAMINA_KERNELS_ARITHMETIC_INL
#endif

#include "hwy/highway.h"
#include "kernels/arithmetic.hpp"
#include "kernels/map-inl.hpp"
#include "kernels/math-inl.hpp"
#include "kernels/pow-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// 1, -1, or x itself where it is 0 or NaN.
template <class D, class V>
HWY_INLINE V SignOfElement(D d, V x) {
  const V one = hn::CopySign(hn::Set(d, hn::TFromD<D>(1)), x);
  return hn::IfThenElse(hn::Gt(hn::Abs(x), hn::Zero(d)), one, x);
}

// ---------------------------------------------------------------- two elements

struct AddOp : Light {
  template <class D, class V>
  static HWY_INLINE V Apply(D /*d*/, V a, V b) {
    return hn::Add(a, b);
  }
  template <class D, class V>
  static HWY_INLINE V BackwardA(D /*d*/, V dy, V /*a*/, V /*b*/) {
    return dy;
  }
  template <class D, class V>
  static HWY_INLINE V BackwardB(D /*d*/, V dy, V /*a*/, V /*b*/) {
    return dy;
  }
};
struct SubOp : Light {
  template <class D, class V>
  static HWY_INLINE V Apply(D /*d*/, V a, V b) {
    return hn::Sub(a, b);
  }
  template <class D, class V>
  static HWY_INLINE V BackwardA(D /*d*/, V dy, V /*a*/, V /*b*/) {
    return dy;
  }
  template <class D, class V>
  static HWY_INLINE V BackwardB(D /*d*/, V dy, V /*a*/, V /*b*/) {
    return hn::Neg(dy);
  }
};
struct MulOp : Light {
  template <class D, class V>
  static HWY_INLINE V Apply(D /*d*/, V a, V b) {
    return hn::Mul(a, b);
  }
  template <class D, class V>
  static HWY_INLINE V BackwardA(D /*d*/, V dy, V /*a*/, V b) {
    return hn::Mul(dy, b);
  }
  template <class D, class V>
  static HWY_INLINE V BackwardB(D /*d*/, V dy, V a, V /*b*/) {
    return hn::Mul(dy, a);
  }
};
struct DivOp {
  template <class D, class V>
  static HWY_INLINE V Apply(D /*d*/, V a, V b) {
    return hn::Div(a, b);
  }
  template <class D, class V>
  static HWY_INLINE V BackwardA(D /*d*/, V dy, V /*a*/, V b) {
    return hn::Div(dy, b);
  }
  template <class D, class V>
  static HWY_INLINE V BackwardB(D /*d*/, V dy, V a, V b) {
    return hn::Neg(hn::Mul(hn::Div(dy, b), hn::Div(a, b)));
  }
};
/// dy for the winner, half of it where the two are equal, 0 for the loser.
template <class D, class V, class M>
HWY_INLINE V WinnersShare(D d, V dy, M wins, M ties) {
  const V half = hn::Mul(dy, hn::Set(d, hn::TFromD<D>(0.5)));
  return hn::IfThenElse(wins, dy, hn::IfThenElseZero(ties, half));
}
struct MaximumOp : Light {
  // Highway's Max may lose a NaN.
  template <class D, class V>
  static HWY_INLINE V Apply(D /*d*/, V a, V b) {
    const V greater = hn::IfThenElse(hn::IsNaN(b), b, hn::Max(a, b));
    return hn::IfThenElse(hn::IsNaN(a), a, greater);
  }
  template <class D, class V>
  static HWY_INLINE V BackwardA(D d, V dy, V a, V b) {
    return WinnersShare(d, dy, hn::Gt(a, b), hn::Eq(a, b));
  }
  template <class D, class V>
  static HWY_INLINE V BackwardB(D d, V dy, V a, V b) {
    return WinnersShare(d, dy, hn::Lt(a, b), hn::Eq(a, b));
  }
};
struct MinimumOp : Light {
  template <class D, class V>
  static HWY_INLINE V Apply(D /*d*/, V a, V b) {
    const V lesser = hn::IfThenElse(hn::IsNaN(b), b, hn::Min(a, b));
    return hn::IfThenElse(hn::IsNaN(a), a, lesser);
  }
  template <class D, class V>
  static HWY_INLINE V BackwardA(D d, V dy, V a, V b) {
    return WinnersShare(d, dy, hn::Lt(a, b), hn::Eq(a, b));
  }
  template <class D, class V>
  static HWY_INLINE V BackwardB(D d, V dy, V a, V b) {
    return WinnersShare(d, dy, hn::Gt(a, b), hn::Eq(a, b));
  }
};

struct PowOp {
  template <class D, class V>
  static HWY_INLINE V Apply(D d, V a, V b) {
    return Pow(d, a, b);
  }
  template <class D, class V>
  static HWY_INLINE V BackwardA(D d, V dy, V a, V b) {
    const V slope = hn::Mul(hn::Mul(dy, b), Pow(d, a, hn::Sub(b, hn::Set(d, hn::TFromD<D>(1)))));
    return hn::IfThenZeroElse(hn::Eq(b, hn::Zero(d)), slope);
  }
  // The limit of a^b log a for a to 0 is 0.
  template <class D, class V>
  static HWY_INLINE V BackwardB(D d, V dy, V a, V b) {
    const V slope = hn::Mul(hn::Mul(dy, Pow(d, a, b)), Log(d, a));
    return hn::IfThenZeroElse(hn::And(hn::Eq(a, hn::Zero(d)), hn::Ge(b, hn::Zero(d))), slope);
  }
};

/// visit(Op()) for every member.
template <class F>
HWY_INLINE void VisitBinary(nn::BinaryOp op, const F& visit) {
  switch (op) {
    case nn::BinaryOp::Add:
      return visit(AddOp());
    case nn::BinaryOp::Sub:
      return visit(SubOp());
    case nn::BinaryOp::Mul:
      return visit(MulOp());
    case nn::BinaryOp::Div:
      return visit(DivOp());
    case nn::BinaryOp::Maximum:
      return visit(MaximumOp());
    case nn::BinaryOp::Minimum:
      return visit(MinimumOp());
    case nn::BinaryOp::Pow:
      return visit(PowOp());
  }
}

template <class T>
void BinaryOf(nn::BinaryOp op, const T* a, const T* b, T* y, Index n, bool stream) {
  VisitBinary(op, [&](auto member) HWY_ATTR {
    MapTo<decltype(member), 2>(
        stream, static_cast<size_t>(n), y,
        [](auto d, auto va, auto vb) HWY_ATTR { return decltype(member)::Apply(d, va, vb); }, a, b);
  });
}
template <class T>
void BinaryScalarOf(nn::BinaryOp op, const T* a, T b, T* y, Index n, bool stream) {
  VisitBinary(op, [&](auto member) HWY_ATTR {
    MapTo<decltype(member), 2>(
        stream, static_cast<size_t>(n), y,
        [b](auto d, auto va) HWY_ATTR { return decltype(member)::Apply(d, va, hn::Set(d, b)); }, a);
  });
}
template <class T>
void ScalarBinaryOf(nn::BinaryOp op, T a, const T* b, T* y, Index n, bool stream) {
  VisitBinary(op, [&](auto member) HWY_ATTR {
    MapTo<decltype(member), 2>(
        stream, static_cast<size_t>(n), y,
        [a](auto d, auto vb) HWY_ATTR { return decltype(member)::Apply(d, hn::Set(d, a), vb); }, b);
  });
}
template <class T>
void BinaryBackwardAOf(nn::BinaryOp op, const T* dy, const T* a, const T* b, T* da, Index n) {
  VisitBinary(op, [&](auto member) HWY_ATTR {
    MapRun<1>(
        static_cast<size_t>(n), da,
        [](auto d, auto vdy, auto va, auto vb)
            HWY_ATTR { return decltype(member)::BackwardA(d, vdy, va, vb); },
        dy, a, b);
  });
}
template <class T>
void BinaryBackwardBOf(nn::BinaryOp op, const T* dy, const T* a, const T* b, T* db, Index n) {
  VisitBinary(op, [&](auto member) HWY_ATTR {
    MapRun<1>(
        static_cast<size_t>(n), db,
        [](auto d, auto vdy, auto va, auto vb)
            HWY_ATTR { return decltype(member)::BackwardB(d, vdy, va, vb); },
        dy, a, b);
  });
}

// ---------------------------------------------------------------- one element

struct NegOp : Light {
  template <class D, class V>
  static HWY_INLINE V Apply(D /*d*/, V x) {
    return hn::Neg(x);
  }
  template <class D, class V>
  static HWY_INLINE V Backward(D /*d*/, V dy, V /*saved*/) {
    return hn::Neg(dy);
  }
};
struct AbsOp : Light {
  template <class D, class V>
  static HWY_INLINE V Apply(D /*d*/, V x) {
    return hn::Abs(x);
  }
  template <class D, class V>
  static HWY_INLINE V Backward(D d, V dy, V x) {
    return hn::Mul(dy, SignOfElement(d, x));
  }
};
struct SignOp : Light {
  template <class D, class V>
  static HWY_INLINE V Apply(D d, V x) {
    return SignOfElement(d, x);
  }
  template <class D, class V>
  static HWY_INLINE V Backward(D d, V /*dy*/, V /*saved*/) {
    return hn::Zero(d);
  }
};
struct SqrtOp {
  template <class D, class V>
  static HWY_INLINE V Apply(D /*d*/, V x) {
    return hn::Sqrt(x);
  }
  template <class D, class V>
  static HWY_INLINE V Backward(D /*d*/, V dy, V y) {
    return hn::Div(dy, hn::Add(y, y));
  }
};
struct SquareOp : Light {
  template <class D, class V>
  static HWY_INLINE V Apply(D /*d*/, V x) {
    return hn::Mul(x, x);
  }
  template <class D, class V>
  static HWY_INLINE V Backward(D /*d*/, V dy, V x) {
    return hn::Mul(dy, hn::Add(x, x));
  }
};
struct ReciprocalOp {
  template <class D, class V>
  static HWY_INLINE V Apply(D d, V x) {
    return hn::Div(hn::Set(d, hn::TFromD<D>(1)), x);
  }
  template <class D, class V>
  static HWY_INLINE V Backward(D /*d*/, V dy, V y) {
    return hn::Neg(hn::Mul(dy, hn::Mul(y, y)));
  }
};
struct LogOp {
  template <class D, class V>
  static HWY_INLINE V Apply(D d, V x) {
    return Log(d, x);
  }
  template <class D, class V>
  static HWY_INLINE V Backward(D /*d*/, V dy, V x) {
    return hn::Div(dy, x);
  }
};
struct Log1pOp {
  template <class D, class V>
  static HWY_INLINE V Apply(D d, V x) {
    return Log1P(d, x);
  }
  template <class D, class V>
  static HWY_INLINE V Backward(D d, V dy, V x) {
    return hn::Div(dy, hn::Add(x, hn::Set(d, hn::TFromD<D>(1))));
  }
};
struct Expm1Op {
  template <class D, class V>
  static HWY_INLINE V Apply(D d, V x) {
    return ExpM1(d, x);
  }
  template <class D, class V>
  static HWY_INLINE V Backward(D d, V dy, V y) {
    return hn::Mul(dy, hn::Add(y, hn::Set(d, hn::TFromD<D>(1))));
  }
};

template <class F>
HWY_INLINE void VisitUnary(nn::UnaryOp op, const F& visit) {
  switch (op) {
    case nn::UnaryOp::Neg:
      return visit(NegOp());
    case nn::UnaryOp::Abs:
      return visit(AbsOp());
    case nn::UnaryOp::Sign:
      return visit(SignOp());
    case nn::UnaryOp::Sqrt:
      return visit(SqrtOp());
    case nn::UnaryOp::Square:
      return visit(SquareOp());
    case nn::UnaryOp::Reciprocal:
      return visit(ReciprocalOp());
    case nn::UnaryOp::Log:
      return visit(LogOp());
    case nn::UnaryOp::Log1p:
      return visit(Log1pOp());
    case nn::UnaryOp::Expm1:
      return visit(Expm1Op());
  }
}

template <class T>
void UnaryOf(nn::UnaryOp op, const T* x, T* y, Index n, bool stream) {
  VisitUnary(op, [&](auto member) HWY_ATTR {
    MapTo<decltype(member), 2>(
        stream, static_cast<size_t>(n), y,
        [](auto d, auto v) HWY_ATTR { return decltype(member)::Apply(d, v); }, x);
  });
}
template <class T>
void UnaryBackwardOf(nn::UnaryOp op, const T* dy, const T* saved, T* dx, Index n) {
  VisitUnary(op, [&](auto member) HWY_ATTR {
    MapRun<1>(
        static_cast<size_t>(n), dx,
        [](auto d, auto vdy, auto v) HWY_ATTR { return decltype(member)::Backward(d, vdy, v); }, dy,
        saved);
  });
}

template <class T>
void ClampOf(const T* x, T low, T high, T* y, Index n, bool stream) {
  MapTo<Light, 2>(
      stream, static_cast<size_t>(n), y,
      [=](auto d, auto v)
          HWY_ATTR { return AtMost(d, AtLeast(d, v, hn::Set(d, low)), hn::Set(d, high)); },
      x);
}
template <class T>
void ClampBackwardOf(const T* dy, const T* x, T low, T high, T* dx, Index n) {
  MapRun<1>(
      static_cast<size_t>(n), dx,
      [=](auto d, auto vdy, auto v) HWY_ATTR {
        const auto inside = hn::And(hn::Ge(v, hn::Set(d, low)), hn::Le(v, hn::Set(d, high)));
        return hn::IfThenElseZero(inside, vdy);
      },
      dy, x);
}

// ---------------------------------------------------------------- comparisons

/// One byte a lane, 0 or 1.
template <class D, class M>
HWY_INLINE void StoreBools(D d, M mask, bool* to) {
  using T = hn::TFromD<D>;
  const auto ones = hn::IfThenElseZero(mask, hn::Set(d, T(1)));
  const hn::Rebind<int32_t, D> d32;
  const hn::Rebind<uint8_t, D> d8;
  auto* bytes = reinterpret_cast<uint8_t*>(to);
  if constexpr (sizeof(T) == 4) {
    hn::StoreU(hn::DemoteTo(d8, hn::ConvertTo(d32, ones)), d8, bytes);
  } else {
    hn::StoreU(hn::DemoteTo(d8, hn::DemoteTo(d32, ones)), d8, bytes);
  }
}

template <class T, class F>
HWY_INLINE void CompareRun(const T* a, const T* b, bool* y, Index n, const F& function) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Index i = 0;
  for (; i + lanes <= n; i += lanes) {
    StoreBools(d, function(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), y + i);
  }
  if (i < n) {
    const auto count = static_cast<size_t>(n - i);
    bool rest[hn::MaxLanes(d)];
    StoreBools(d, function(LoadFirst(d, a + i, count), LoadFirst(d, b + i, count)), rest);
    for (size_t k = 0; k < count; ++k) {
      y[i + static_cast<Index>(k)] = rest[k];
    }
  }
}

template <class T>
void CompareOf(nn::CompareOp op, const T* a, const T* b, bool* y, Index n) {
  switch (op) {
    case nn::CompareOp::Equal:
      return CompareRun(a, b, y, n, [](auto u, auto v) HWY_ATTR { return hn::Eq(u, v); });
    case nn::CompareOp::NotEqual:
      // Not Ne, which is false of NaNs on AVX-512.
      return CompareRun(a, b, y, n, [](auto u, auto v) HWY_ATTR { return hn::Not(hn::Eq(u, v)); });
    case nn::CompareOp::Less:
      return CompareRun(a, b, y, n, [](auto u, auto v) HWY_ATTR { return hn::Lt(u, v); });
    case nn::CompareOp::LessEqual:
      return CompareRun(a, b, y, n, [](auto u, auto v) HWY_ATTR { return hn::Le(u, v); });
    case nn::CompareOp::Greater:
      return CompareRun(a, b, y, n, [](auto u, auto v) HWY_ATTR { return hn::Gt(u, v); });
    case nn::CompareOp::GreaterEqual:
      return CompareRun(a, b, y, n, [](auto u, auto v) HWY_ATTR { return hn::Ge(u, v); });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
