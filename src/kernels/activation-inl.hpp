// The activation family: one struct per member, with its formula and its gradient.
//
// Forward(d, x, c) gives f(x); Backward(d, x, dy, c) gives dy * f'(x). NaN in x gives NaN in both.
// Where f' is 0 by a comparison (the flat side of relu), dy does not matter, not even NaN.
// At -inf and +inf the limit is meant, so x is clamped to where the result no longer changes.
//
// Members of a few instructions are Light: large results of theirs are streamed.
//
// To add a member: a struct here, a case in VisitActivation, a row in the table, the named function
// and the test case (docs/activation.md).

#if defined(LAMINA_KERNELS_ACTIVATION_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_ACTIVATION_INL_HPP_
#undef LAMINA_KERNELS_ACTIVATION_INL_HPP_
#else
#define LAMINA_KERNELS_ACTIVATION_INL_HPP_
#endif

#include "hwy/highway.h"

#include <cstddef>
#include <limits>
#include <type_traits>

#include "kernels/map-inl.hpp"
#include "kernels/math-inl.hpp"
#include "lamina/nn/activation_table.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

/// Parameters a and b of the table, in every lane.
template <class D>
struct ActivationConstants {
  using T = hn::TFromD<D>;
  ActivationConstants(D d, double first, double second)
      : a(hn::Set(d, static_cast<T>(first))),
        b(hn::Set(d, static_cast<T>(second))),
        one_over_a(hn::Set(d, first == 0 ? T(0) : static_cast<T>(1.0 / first))) {}
  hn::Vec<D> a;
  hn::Vec<D> b;
  hn::Vec<D> one_over_a;
};

/// Base of formulas that are one long chain of operations with few constants. Where there are
/// registers enough, eight vectors at a time instead of four spare 4 to 12 % of the time.
struct Chain {};

/// How many vectors at a time Member::Forward is given.
template <class Member, class D>
constexpr size_t ForwardUnroll() {
  return std::is_base_of_v<Chain, Member> && HasTables<D>() ? 8 : 4;
}

/// The same number in every lane.
template <class D>
HWY_INLINE hn::Vec<D> Number(D d, double value) {
  return hn::Set(d, static_cast<hn::TFromD<D>>(value));
}

/// sigmoid(|x|) and sigmoid(-|x|) = 1 - sigmoid(|x|).
template <class D, class V = hn::Vec<D>>
struct Logistic {
  HWY_INLINE Logistic(D d, V x) {
    const V z = AtLeast(d, hn::Neg(hn::Abs(x)), hn::Set(d, ExpLowest<hn::TFromD<D>>()));
    const ExpParts<D> exp(d, z);
    const V power = exp.Power(d);
    const V q = exp.Inverse(d);
    const V r = hn::Div(Number(d, 1), hn::Add(power, q));
    greater = hn::Mul(q, r);
    lesser = hn::Mul(power, r);
  }
  V greater;
  V lesser;
};

/// x * sigmoid(z), where z has the sign of x and is below ExpLowest where x is below x_lowest; -0
/// in the limit -inf.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V TimesSigmoid(D d, V x, V z, V x_lowest) {
  const V highest = Number(d, 40);
  const V lowest = hn::Set(d, ExpLowest<hn::TFromD<D>>());
  const ExpParts<D> exp(d, AtMost(d, AtLeast(d, z, lowest), highest));
  // As in Sigmoid, with x multiplied in before the power of two can round to a denormal.
  const V top = exp.TimesPower(d, AtLeast(d, x, x_lowest));
  const V bottom = hn::Add(exp.Power(d), exp.Inverse(d));
  return hn::IfThenElse(hn::Gt(z, highest), x, hn::Div(top, bottom));
}

/// d/dx of x * sigmoid(z(x)) for x clamped to where z is finite: s (1 + x z' (1 - s)).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V TimesSigmoidSlope(D d, V x, V z, V z_slope) {
  const Logistic<D> s(d, z);
  const V of_z = hn::IfNegativeThenElse(z, s.lesser, s.greater);
  const V of_minus_z = hn::IfNegativeThenElse(z, s.greater, s.lesser);
  return hn::Mul(of_z, hn::MulAdd(hn::Mul(x, z_slope), of_minus_z, Number(d, 1)));
}

struct Identity : Light {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D, V x, const ActivationConstants<D>&) {
    return x;
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D, V x, V dy, const ActivationConstants<D>&) {
    return KeepNaN(x, dy);
  }
};

struct Relu : Light {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>&) {
#if LAMINA_MATH_X86_MINMAX
    // Cheaper than a mask; the sum turns -0 into 0.
    return hn::Add(AtLeast(d, x, hn::Zero(d)), hn::Zero(d));
#else
    return hn::IfThenZeroElse(hn::Le(x, hn::Zero(d)), x);
#endif
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>&) {
    return KeepNaN(x, hn::IfThenElseZero(hn::Gt(x, hn::Zero(d)), dy));
  }
};

struct LeakyRelu : Light {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>& c) {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(c.a, x));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>& c) {
    return KeepNaN(x, hn::IfThenElse(hn::Gt(x, hn::Zero(d)), dy, hn::Mul(c.a, dy)));
  }
};

struct Elu {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>& c) {
    const V negative = ExpM1OfNegative(d, AtLeast(d, x, Number(d, -40)));
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(c.a, negative));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>& c) {
    const V negative = hn::Mul(c.a, hn::Mul(dy, ExpOfNegative(d, AtMost(d, x, hn::Zero(d)))));
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), dy, negative);
  }
};

struct Selu {
  static constexpr double kAlpha = 1.6732632423543772848;
  static constexpr double kLambda = 1.0507009873554804934;
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>&) {
    const V negative = ExpM1OfNegative(d, AtLeast(d, x, Number(d, -40)));
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), hn::Mul(Number(d, kLambda), x),
                          hn::Mul(Number(d, kLambda * kAlpha), negative));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>&) {
    const V negative = hn::Mul(Number(d, kLambda * kAlpha),
                               hn::Mul(dy, ExpOfNegative(d, AtMost(d, x, hn::Zero(d)))));
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), hn::Mul(Number(d, kLambda), dy), negative);
  }
};

struct Celu {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>& c) {
    const V scaled = hn::Mul(x, c.one_over_a);
    const V negative = ExpM1OfNegative(d, AtLeast(d, scaled, Number(d, -40)));
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(c.a, negative));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>& c) {
    const V scaled = AtMost(d, hn::Mul(x, c.one_over_a), hn::Zero(d));
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), dy, hn::Mul(dy, ExpOfNegative(d, scaled)));
  }
};

struct SigmoidActivation : Chain {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>&) {
    return Sigmoid(d, x);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>&) {
    const Logistic<D> s(d, x);
    return hn::Mul(dy, hn::Mul(s.greater, s.lesser));
  }
};

struct TanhActivation {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>&) {
    return Tanh(d, x);
  }
  // 1 - tanh(x)^2 = 4 sigmoid(2x) sigmoid(-2x), which loses nothing in the tails.
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>&) {
    const Logistic<D> s(d, hn::Add(x, x));
    return hn::Mul(dy, hn::Mul(Number(d, 4), hn::Mul(s.greater, s.lesser)));
  }
};

struct Silu : Chain {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>&) {
    return TimesSigmoid(d, x, x, hn::Set(d, ExpLowest<hn::TFromD<D>>()));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>&) {
    using T = hn::TFromD<D>;
    const V limit = hn::Set(d, ExpLowest<T>());
    const V z = AtMost(d, AtLeast(d, x, limit), hn::Neg(limit));
    return hn::Mul(dy, TimesSigmoidSlope(d, z, z, Number(d, 1)));
  }
};

struct Mish {
  // With e = exp(x) and n = e (e + 2): tanh(log(1 + e)) = n / (n + 2). Beyond 20 it is 1.
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>&) {
    const V two = Number(d, 2);
    const V limit = Number(d, 20);
    const V z = AtMost(d, AtLeast(d, x, hn::Set(d, ExpLowest<hn::TFromD<D>>())), limit);
    const ExpParts<D, ExpUse::Factor> exp(d, z);
    const V q = exp.Mantissa(d);
    const V e = exp.Scale(d, q);
    const V x_e = exp.Scale(d, hn::Mul(z, q));
    const V e2 = hn::Add(e, two);
    const V y = hn::Div(hn::Mul(x_e, e2), hn::MulAdd(e, e2, two));
    return hn::IfThenElse(hn::Gt(x, limit), x, y);
  }
  // f' = e ((e + 2)(n + 2) + 4 x (1 + e)) / (n + 2)^2
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>&) {
    const V two = Number(d, 2);
    const V z = AtMost(d, AtLeast(d, x, hn::Set(d, ExpLowest<hn::TFromD<D>>())), Number(d, 20));
    const V e = ExpParts<D>(d, z).Value(d);
    const V e2 = hn::Add(e, two);
    const V r = hn::Div(Number(d, 1), hn::MulAdd(e, e2, two));
    const V four_x = hn::Mul(z, Number(d, 4));
    const V sum = hn::MulAdd(hn::MulAdd(four_x, e, four_x), r, e2);
    return hn::Mul(dy, hn::Mul(hn::Mul(e, r), sum));
  }
};

struct Gelu {
  // x Phi(x) = max(x, 0) - t Phi(-t) with t = |x|: no cancellation on either side.
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>&) {
    const V t = AtMost(d, hn::Abs(x), hn::Set(d, NormalTailEnd<hn::TFromD<D>>()));
    return hn::Sub(AtLeast(d, x, hn::Zero(d)), TimesNormalTail(d, t));
  }
  // Phi(x) + x phi(x)
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>&) {
    const V t = AtMost(d, hn::Abs(x), hn::Set(d, NormalTailEnd<hn::TFromD<D>>()));
    const V bracket = hn::NegMulAdd(t, Number(d, 0.39894228040143267794), ScaledNormalTail(d, t));
    const V left = TimesGaussian(d, bracket, t, 0.5);
    return hn::Mul(dy, hn::IfNegativeThenElse(x, left, hn::Sub(Number(d, 1), left)));
  }
};

struct GeluTanh {
  // (1 + tanh(u)) / 2 = sigmoid(2u), which keeps the left tail.
  static constexpr double kLinear = 1.5957691216057307118;  // 2 sqrt(2 / pi)
  static constexpr double kCubic = 0.071354816272600248776;
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>&) {
    const V z = hn::Mul(x, hn::MulAdd(hn::Mul(x, x), Number(d, kCubic), Number(d, kLinear)));
    return TimesSigmoid(d, x, z, Number(d, -25));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>&) {
    x = AtMost(d, AtLeast(d, x, Number(d, -25)), Number(d, 25));
    const V square = hn::Mul(x, x);
    const V z = hn::Mul(x, hn::MulAdd(square, Number(d, kCubic), Number(d, kLinear)));
    const V slope = hn::MulAdd(square, Number(d, 3 * kCubic), Number(d, kLinear));
    return hn::Mul(dy, TimesSigmoidSlope(d, x, z, slope));
  }
};

struct Softplus {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>& c) {
    const V z = hn::Mul(c.a, x);
    const V e = ExpOfNegative(d, hn::Neg(hn::Abs(z)));
    const V y = hn::Mul(hn::Add(AtLeast(d, z, hn::Zero(d)), Log1POfUnit(d, e)), c.one_over_a);
    return hn::IfThenElse(hn::Gt(z, c.b), x, y);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>& c) {
    const V z = hn::Mul(c.a, x);
    return hn::IfThenElse(hn::Gt(z, c.b), dy, hn::Mul(dy, Sigmoid(d, z)));
  }
};

struct Relu6 : Light {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>&) {
    return AtMost(d, AtLeast(d, x, hn::Zero(d)), Number(d, 6));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>&) {
    const auto inside = hn::And(hn::Gt(x, hn::Zero(d)), hn::Lt(x, Number(d, 6)));
    return KeepNaN(x, hn::IfThenElseZero(inside, dy));
  }
};

struct HardTanh : Light {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>& c) {
    return AtMost(d, AtLeast(d, x, c.a), c.b);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D, V x, V dy, const ActivationConstants<D>& c) {
    const auto inside = hn::And(hn::Gt(x, c.a), hn::Lt(x, c.b));
    return KeepNaN(x, hn::IfThenElseZero(inside, dy));
  }
};

struct HardSigmoid : Light {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>& c) {
    return AtMost(d, AtLeast(d, hn::MulAdd(c.a, x, c.b), hn::Zero(d)), Number(d, 1));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>& c) {
    const V z = hn::MulAdd(c.a, x, c.b);
    const auto inside = hn::And(hn::Gt(z, hn::Zero(d)), hn::Lt(z, Number(d, 1)));
    return KeepNaN(z, hn::IfThenElseZero(inside, hn::Mul(c.a, dy)));
  }
};

struct HardSwish : Light {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>&) {
    const V three = Number(d, 3);
    const V z = AtLeast(d, x, hn::Neg(three));
    const V gate = AtMost(d, hn::Add(z, three), Number(d, 6));
    return hn::Mul(z, hn::Mul(gate, Number(d, 1.0 / 6.0)));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>&) {
    const V three = Number(d, 3);
    const V slope = hn::MulAdd(x, Number(d, 1.0 / 3.0), Number(d, 0.5));
    const V dx = hn::IfThenElse(hn::Lt(x, three), hn::Mul(dy, slope), dy);
    return KeepNaN(x, hn::IfThenZeroElse(hn::Le(x, hn::Neg(three)), dx));
  }
};

struct Softsign {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>&) {
    const V a = AtMost(d, hn::Abs(x), hn::Set(d, std::numeric_limits<hn::TFromD<D>>::max()));
    return hn::CopySign(hn::Div(a, hn::Add(a, Number(d, 1))), x);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>&) {
    const V r = hn::Div(Number(d, 1), hn::Add(hn::Abs(x), Number(d, 1)));
    return hn::Mul(dy, hn::Mul(r, r));
  }
};

struct Threshold : Light {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D, V x, const ActivationConstants<D>& c) {
    return hn::IfThenElse(hn::Le(x, c.a), c.b, x);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D, V x, V dy, const ActivationConstants<D>& c) {
    return KeepNaN(x, hn::IfThenElseZero(hn::Gt(x, c.a), dy));
  }
};

struct LogSigmoid {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>&) {
    const V e = ExpOfNegative(d, hn::Neg(hn::Abs(x)));
    return hn::Sub(AtMost(d, x, hn::Zero(d)), Log1POfUnit(d, e));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>&) {
    return hn::Mul(dy, Sigmoid(d, hn::Neg(x)));
  }
};

struct HardShrink : Light {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D, V x, const ActivationConstants<D>& c) {
    return hn::IfThenZeroElse(hn::Le(hn::Abs(x), c.a), x);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D, V x, V dy, const ActivationConstants<D>& c) {
    return KeepNaN(x, hn::IfThenElseZero(hn::Gt(hn::Abs(x), c.a), dy));
  }
};

struct SoftShrink : Light {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D, V x, const ActivationConstants<D>& c) {
    const V a = hn::Abs(x);
    return hn::IfThenZeroElse(hn::Le(a, c.a), hn::CopySign(hn::Sub(a, c.a), x));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>& c) {
    return HardShrink::Backward(d, x, dy, c);
  }
};

struct TanhShrink {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>&) {
    // Below 1 the difference would cancel: (x - tanh x) / x^3 as a polynomial of x^2.
    const V square = hn::Mul(x, x);
    V p;
    if constexpr (sizeof(hn::TFromD<D>) == 4) {
      p = Polynomial(d, square, 3.333333433e-01, -1.333331019e-01, 5.396342278e-02,
                     -2.182958461e-02, 8.697951213e-03, -3.206953639e-03, 9.236091864e-04,
                     -1.428239339e-04);
    } else {
      p = Polynomial(d, square, 3.33333333333333315e-01, -1.33333333333333109e-01,
                     5.39682539682315582e-02, -2.18694885352980380e-02, 8.86323551258958592e-03,
                     -3.59212782367230275e-03, 1.45583265341164337e-03, -5.90017576862399942e-04,
                     2.39088465302981785e-04, -9.67910932212041143e-05, 3.89918720850696994e-05,
                     -1.54164531961129812e-05, 5.77765553967193551e-06, -1.92181508590906620e-06,
                     5.12330682498166832e-07, -9.36562826416999903e-08, 8.54001047455379593e-09);
    }
    const V small = hn::Mul(hn::Mul(x, square), p);
    return hn::IfThenElse(hn::Lt(square, Number(d, 1)), small, hn::Sub(x, Tanh(d, x)));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>&) {
    const V t = Tanh(d, x);
    return hn::Mul(dy, hn::Mul(t, t));
  }
};

struct ExpActivation : Chain {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>&) {
    return Exp(d, x);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>&) {
    return hn::Mul(dy, Exp(d, x));
  }
};

struct QuickGelu {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x, const ActivationConstants<D>& c) {
    return TimesSigmoid(d, x, hn::Mul(c.a, x),
                        hn::Mul(c.one_over_a, hn::Set(d, ExpLowest<hn::TFromD<D>>())));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V x, V dy, const ActivationConstants<D>& c) {
    using T = hn::TFromD<D>;
    const V limit = hn::Mul(c.one_over_a, hn::Set(d, ExpLowest<T>()));
    x = AtMost(d, AtLeast(d, x, limit), hn::Neg(limit));
    return hn::Mul(dy, TimesSigmoidSlope(d, x, hn::Mul(c.a, x), c.a));
  }
};

/// Calls f with the struct of `kind`. A member without a case does not compile.
template <class F>
HWY_INLINE void VisitActivation(nn::Activation kind, const F& f) {
  using nn::Activation;
  switch (kind) {
    case Activation::Identity:
      return f(Identity());
    case Activation::Relu:
      return f(Relu());
    case Activation::LeakyRelu:
      return f(LeakyRelu());
    case Activation::Elu:
      return f(Elu());
    case Activation::Selu:
      return f(Selu());
    case Activation::Celu:
      return f(Celu());
    case Activation::Sigmoid:
      return f(SigmoidActivation());
    case Activation::Tanh:
      return f(TanhActivation());
    case Activation::Silu:
      return f(Silu());
    case Activation::Mish:
      return f(Mish());
    case Activation::Gelu:
      return f(Gelu());
    case Activation::GeluTanh:
      return f(GeluTanh());
    case Activation::Softplus:
      return f(Softplus());
    case Activation::Relu6:
      return f(Relu6());
    case Activation::HardTanh:
      return f(HardTanh());
    case Activation::HardSigmoid:
      return f(HardSigmoid());
    case Activation::HardSwish:
      return f(HardSwish());
    case Activation::Softsign:
      return f(Softsign());
    case Activation::Threshold:
      return f(Threshold());
    case Activation::LogSigmoid:
      return f(LogSigmoid());
    case Activation::HardShrink:
      return f(HardShrink());
    case Activation::SoftShrink:
      return f(SoftShrink());
    case Activation::TanhShrink:
      return f(TanhShrink());
    case Activation::Exp:
      return f(ExpActivation());
    case Activation::QuickGelu:
      return f(QuickGelu());
  }
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_ACTIVATION_INL_HPP_
