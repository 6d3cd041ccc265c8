// The element-wise losses: one struct per member, with its formula and its gradients.
//
// With t the target, p the prediction and v the third array, where there is one:
//   Forward(d, t, p, c)       the loss
//   Prediction(d, t, p, c)    its derivative with respect to p, likewise
//   Target, Third             with respect to t and v.
// NaN in any of them gives NaN in all. Parameters a and b of the table are c.a and c.b.
//
// To add a member: a struct here, a case in VisitLoss, a row in the table, the named functions and
// the test case.

#if defined(LAMINA_KERNELS_LOSS_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_LOSS_INL_HPP_
#undef LAMINA_KERNELS_LOSS_INL_HPP_
#else
#define LAMINA_KERNELS_LOSS_INL_HPP_
#endif

#include "hwy/highway.h"

#include "kernels/loss.hpp"
#include "kernels/map-inl.hpp"
#include "kernels/math-inl.hpp"
#include "lamina/nn/loss_table.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {
namespace losses {

/// The same number in every lane.
template <class D>
HWY_INLINE hn::Vec<D> Const(D d, double value) {
  return hn::Set(d, static_cast<hn::TFromD<D>>(value));
}

template <class D>
struct LossConstants {
  LossConstants(D d, double first, double second) : a(Const(d, first)), b(Const(d, second)) {}
  hn::Vec<D> a;
  hn::Vec<D> b;
};

/// max(0, x); NaN stays.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V PositivePart(D d, V x) {
  return AtLeast(d, x, hn::Zero(d));
}
/// log(1 + exp(x)).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V SoftPlus(D d, V x) {
  const V tail = Log1POfUnit(d, ExpOfNegative(d, hn::Neg(hn::Abs(x))));
  return hn::Add(PositivePart(d, x), tail);
}
/// x * y, but 0 where x is 0 and y is not NaN: 0 log 0 = 0.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ZeroTimes(D d, V x, V y) {
  return hn::IfThenElse(hn::And(hn::Eq(x, hn::Zero(d)), hn::Not(hn::IsNaN(y))), hn::Zero(d),
                        hn::Mul(x, y));
}
/// -1, 0 or 1; NaN stays.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Sign(D d, V x) {
  const V sign = hn::CopySign(Const(d, 1), x);
  return KeepNaN(x, hn::IfThenZeroElse(hn::Eq(x, hn::Zero(d)), sign));
}
/// x clamped to [-limit, limit]; NaN stays.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ClampBoth(D d, V x, V limit) {
  return AtMost(d, AtLeast(d, x, hn::Neg(limit)), limit);
}

/// Losses of e = p - t alone: the gradient of t is that of p negated.
template <class Member>
struct OfDifference {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V t, V p, const LossConstants<D>& c) {
    return Member::Value(d, hn::Sub(p, t), c);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Prediction(D d, V t, V p, const LossConstants<D>& c) {
    return Member::Slope(d, hn::Sub(p, t), c);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Target(D d, V t, V p, const LossConstants<D>& c) {
    return hn::Neg(Member::Slope(d, hn::Sub(p, t), c));
  }
};

struct Mse : OfDifference<Mse> {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Value(D, V e, const LossConstants<D>&) {
    return hn::Mul(e, e);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Slope(D, V e, const LossConstants<D>&) {
    return hn::Add(e, e);
  }
};

struct Mae : OfDifference<Mae> {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Value(D, V e, const LossConstants<D>&) {
    return hn::Abs(e);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Slope(D d, V e, const LossConstants<D>&) {
    return Sign(d, e);
  }
};

struct Huber : OfDifference<Huber> {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Value(D d, V e, const LossConstants<D>& c) {
    // With m = min(|e|, delta), both branches are m (|e| - m / 2).
    const V abs = hn::Abs(e);
    const V m = AtMost(d, abs, c.a);
    return hn::Mul(m, hn::NegMulAdd(m, Const(d, 0.5), abs));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Slope(D d, V e, const LossConstants<D>& c) {
    return ClampBoth(d, e, c.a);
  }
};

struct SmoothL1 : OfDifference<SmoothL1> {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Value(D d, V e, const LossConstants<D>& c) {
    const V abs = hn::Abs(e);
    const V half = Const(d, 0.5);
    const V inner = hn::Div(hn::Mul(hn::Mul(half, abs), abs), c.a);
    return hn::IfThenElse(hn::Lt(abs, c.a), inner, hn::NegMulAdd(half, c.a, abs));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Slope(D d, V e, const LossConstants<D>& c) {
    return hn::IfThenElse(hn::Lt(hn::Abs(e), c.a), hn::Div(e, c.a), Sign(d, e));
  }
};

struct LogCosh : OfDifference<LogCosh> {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Value(D d, V e, const LossConstants<D>&) {
    const V abs = hn::Abs(e);
    // cosh - 1 = u^2 / (2 (1 + u)), u = exp|e| - 1: does not cancel near 0.
    const V u = ExpM1(d, AtMost(d, abs, Const(d, 2)));
    const V near = Log1P(d, hn::Div(hn::Mul(u, u), hn::MulAdd(u, Const(d, 2), Const(d, 2))));
    const V tail = Log1POfUnit(d, ExpOfNegative(d, hn::Mul(abs, Const(d, -2))));
    const V far = hn::Add(hn::Sub(abs, Const(d, 0.693147180559945309417)), tail);
    return hn::IfThenElse(hn::Gt(abs, Const(d, 1)), far, near);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Slope(D d, V e, const LossConstants<D>&) {
    return Tanh(d, e);
  }
};

/// t log t - t + log(2 pi t) / 2 where t > 1, else 0: Stirling's approximation of log t!.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Stirling(D d, V t, const LossConstants<D>& c) {
  const V log_t = Log(d, t);
  const V half = Const(d, 0.5);
  const V value = hn::MulAdd(hn::Add(t, half), log_t, hn::Sub(Const(d, 0.918938533204672742), t));
  const auto wanted = hn::And(hn::Gt(t, Const(d, 1)), hn::Ne(c.b, hn::Zero(d)));
  return hn::IfThenElseZero(wanted, value);
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V StirlingSlope(D d, V t, const LossConstants<D>& c) {
  const auto wanted = hn::And(hn::Gt(t, Const(d, 1)), hn::Ne(c.b, hn::Zero(d)));
  return hn::IfThenElseZero(wanted, hn::Add(Log(d, t), hn::Div(Const(d, 0.5), t)));
}

struct PoissonNll {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V t, V p, const LossConstants<D>& c) {
    const V log_p = Log(d, hn::Add(p, c.a));
    return hn::Add(hn::Sub(p, ZeroTimes(d, t, log_p)), Stirling(d, t, c));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Prediction(D d, V t, V p, const LossConstants<D>& c) {
    const V ratio = hn::IfThenZeroElse(hn::Eq(t, hn::Zero(d)), hn::Div(t, hn::Add(p, c.a)));
    return KeepNaN(p, hn::Sub(Const(d, 1), ratio));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Target(D d, V t, V p, const LossConstants<D>& c) {
    return KeepNaN(t, hn::Sub(StirlingSlope(d, t, c), Log(d, hn::Add(p, c.a))));
  }
};

struct PoissonNllLog {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V t, V p, const LossConstants<D>& c) {
    return hn::Add(hn::Sub(Exp(d, p), ZeroTimes(d, t, p)), Stirling(d, t, c));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Prediction(D d, V t, V p, const LossConstants<D>&) {
    return hn::Sub(Exp(d, p), t);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Target(D d, V t, V p, const LossConstants<D>& c) {
    return KeepNaN(t, hn::Sub(StirlingSlope(d, t, c), p));
  }
};

struct GaussianNll {
  static constexpr int kInputs = 3;
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V t, V p, V v, const LossConstants<D>& c) {
    const V e = hn::Sub(p, t);
    const V variance = AtLeast(d, v, c.a);
    const V constant = hn::IfThenElseZero(hn::Ne(c.b, hn::Zero(d)), Const(d, 1.83787706640934548));
    const V sum = hn::Add(hn::Add(Log(d, variance), hn::Div(hn::Mul(e, e), variance)), constant);
    return hn::Mul(Const(d, 0.5), sum);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Prediction(D d, V t, V p, V v, const LossConstants<D>& c) {
    return hn::Div(hn::Sub(p, t), AtLeast(d, v, c.a));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Target(D d, V t, V p, V v, const LossConstants<D>& c) {
    return hn::Div(hn::Sub(t, p), AtLeast(d, v, c.a));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Third(D d, V t, V p, V v, const LossConstants<D>& c) {
    const V e = hn::Sub(p, t);
    const V r = hn::Div(Const(d, 1), AtLeast(d, v, c.a));
    // (1 / v - e^2 / v^2) / 2; e / v first, so that the square does not overflow early.
    const V er = hn::Mul(e, r);
    const V slope = hn::Mul(Const(d, 0.5), hn::NegMulAdd(er, er, r));
    return KeepNaN(slope, hn::IfThenZeroElse(hn::Lt(v, c.a), slope));
  }
};

/// p clamped to [epsilon, 1 - epsilon], and whether it was inside.
template <class D, class V = hn::Vec<D>>
struct Probability {
  HWY_INLINE Probability(D d, V p, V epsilon) {
    const V high = hn::Sub(Const(d, 1), epsilon);
    inside = hn::And(hn::Ge(p, epsilon), hn::Le(p, high));
    q = AtMost(d, AtLeast(d, p, epsilon), high);
    not_q = hn::Sub(Const(d, 1), q);
    log_q = Log(d, q);
    log_not_q = Log1P(d, hn::Neg(q));
  }
  V q;
  V not_q;
  V log_q;
  V log_not_q;
  hn::Mask<D> inside;
};
/// slope where p was inside; 0 where it was clamped; NaN stays.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V WhereInside(D /*d*/, hn::Mask<D> inside, V p, V slope) {
  return hn::IfThenElse(hn::IsNaN(p), p,
                        hn::IfThenElse(inside, slope, KeepNaN(slope, hn::Sub(p, p))));
}

struct BinaryCrossEntropy {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V t, V p, const LossConstants<D>& c) {
    const Probability<D> s(d, p, c.a);
    const V not_t = hn::Sub(Const(d, 1), t);
    return hn::Neg(hn::Add(ZeroTimes(d, t, s.log_q), ZeroTimes(d, not_t, s.log_not_q)));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Prediction(D d, V t, V p, const LossConstants<D>& c) {
    const Probability<D> s(d, p, c.a);
    const V not_t = hn::Sub(Const(d, 1), t);
    // Two quotients, each absent where its numerator is 0: finite at p = t = 0 and p = t = 1.
    const V of_zero = hn::IfThenZeroElse(hn::Eq(not_t, hn::Zero(d)), hn::Div(not_t, s.not_q));
    const V of_one = hn::IfThenZeroElse(hn::Eq(t, hn::Zero(d)), hn::Div(t, s.q));
    const V slope = hn::Sub(of_zero, of_one);
    return WhereInside(d, s.inside, p, slope);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Target(D d, V t, V p, const LossConstants<D>& c) {
    const Probability<D> s(d, p, c.a);
    return KeepNaN(t, hn::Sub(s.log_not_q, s.log_q));
  }
};

struct BceWithLogits {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V t, V p, const LossConstants<D>&) {
    // t softplus(-p) + (1 - t) softplus(p); the tail that both share is added once.
    const V tail = Log1POfUnit(d, ExpOfNegative(d, hn::Neg(hn::Abs(p))));
    const V of_one = ZeroTimes(d, t, PositivePart(d, hn::Neg(p)));
    const V of_zero = ZeroTimes(d, hn::Sub(Const(d, 1), t), PositivePart(d, p));
    return hn::Add(hn::Add(of_one, of_zero), tail);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Prediction(D d, V t, V p, const LossConstants<D>&) {
    // Of t = 1 the difference is -sigmoid(-p), which keeps its precision.
    const V difference = hn::Sub(Sigmoid(d, p), t);
    return hn::IfThenElse(hn::Eq(t, Const(d, 1)), hn::Neg(Sigmoid(d, hn::Neg(p))), difference);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Target(D, V t, V p, const LossConstants<D>&) {
    return KeepNaN(t, hn::Neg(p));
  }
};

struct BceWithLogitsPosWeight {
  static constexpr int kInputs = 3;
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V t, V p, V v, const LossConstants<D>&) {
    const V of_one = ZeroTimes(d, hn::Mul(v, t), SoftPlus(d, hn::Neg(p)));
    return hn::Add(of_one, ZeroTimes(d, hn::Sub(Const(d, 1), t), SoftPlus(d, p)));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Prediction(D d, V t, V p, V v, const LossConstants<D>&) {
    const V of_one = hn::Mul(hn::Mul(v, t), Sigmoid(d, hn::Neg(p)));
    return hn::MulSub(hn::Sub(Const(d, 1), t), Sigmoid(d, p), of_one);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Target(D d, V t, V p, V v, const LossConstants<D>&) {
    return KeepNaN(t, hn::MulSub(v, SoftPlus(d, hn::Neg(p)), SoftPlus(d, p)));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Third(D d, V t, V p, V v, const LossConstants<D>&) {
    return KeepNaN(v, ZeroTimes(d, t, SoftPlus(d, hn::Neg(p))));
  }
};

/// Focal loss A m^gamma H with the cross entropy H, m = 1 - s the probability of being wrong, and
/// A = alpha t + (1 - alpha) (1 - t). q is the probability of 1.
template <class D, class V = hn::Vec<D>>
struct FocalParts {
  HWY_INLINE FocalParts(D d, V t, V q, V not_q, V entropy_, const LossConstants<D>& c)
      : entropy(entropy_) {
    const V one = Const(d, 1);
    const V not_t = hn::Sub(one, t);
    wrong = hn::MulAdd(t, not_q, hn::Mul(not_t, q));
    // 0^0 = 1.
    const auto flat = hn::Eq(c.b, hn::Zero(d));
    const V raised = Exp(d, hn::Mul(c.b, Log(d, wrong)));
    power = KeepNaN(wrong, hn::IfThenElse(flat, one, raised));
    balance = hn::MulAdd(c.a, t, hn::Mul(hn::Sub(one, c.a), not_t));
    // gamma m^(gamma - 1) H, absent where m is 0.
    const V per_wrong = hn::Div(hn::Mul(hn::Mul(c.b, power), entropy), wrong);
    slope_of_power = hn::IfThenZeroElse(hn::Eq(wrong, hn::Zero(d)), per_wrong);
  }
  V entropy;
  V wrong;
  V power;
  V balance;
  V slope_of_power;
};

struct Focal {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE FocalParts<D> Parts(D d, V t, const Probability<D>& s,
                                        const LossConstants<D>& c) {
    const V not_t = hn::Sub(Const(d, 1), t);
    const V entropy = hn::Neg(hn::Add(ZeroTimes(d, t, s.log_q), ZeroTimes(d, not_t, s.log_not_q)));
    return FocalParts<D>(d, t, s.q, s.not_q, entropy, c);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V t, V p, const LossConstants<D>& c) {
    const FocalParts<D> f = Parts(d, t, Probability<D>(d, p, Const(d, kEpsilon)), c);
    return hn::Mul(f.balance, hn::Mul(f.power, f.entropy));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Prediction(D d, V t, V p, const LossConstants<D>& c) {
    const Probability<D> s(d, p, Const(d, kEpsilon));
    const FocalParts<D> f = Parts(d, t, s, c);
    const V not_t = hn::Sub(Const(d, 1), t);
    const V wrong_slope = hn::Sub(not_t, t);
    const V entropy_slope = hn::Sub(hn::Div(not_t, s.not_q), hn::Div(t, s.q));
    const V slope = hn::MulAdd(f.slope_of_power, wrong_slope, hn::Mul(f.power, entropy_slope));
    return WhereInside(d, s.inside, p, hn::Mul(f.balance, slope));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Target(D d, V t, V p, const LossConstants<D>& c) {
    const Probability<D> s(d, p, Const(d, kEpsilon));
    return TargetOf(d, Parts(d, t, s, c), s.q, s.not_q, hn::Sub(s.log_not_q, s.log_q), c);
  }
  /// entropy_slope: dH/dt = log(1 - q) - log(q).
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V TargetOf(D d, const FocalParts<D>& f, V q, V not_q, V entropy_slope,
                               const LossConstants<D>& c) {
    const V balance_slope = hn::MulSub(Const(d, 2), c.a, Const(d, 1));
    const V slope =
        hn::MulAdd(f.slope_of_power, hn::Sub(not_q, q), hn::Mul(f.power, entropy_slope));
    return hn::MulAdd(f.balance, slope, hn::Mul(balance_slope, hn::Mul(f.power, f.entropy)));
  }
  static constexpr double kEpsilon = 1e-7;  // as binary cross entropy
};

struct FocalWithLogits {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE FocalParts<D> Parts(D d, V t, V p, V q, V not_q, const LossConstants<D>& c) {
    return FocalParts<D>(d, t, q, not_q, BceWithLogits::Forward(d, t, p, c), c);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V t, V p, const LossConstants<D>& c) {
    const FocalParts<D> f = Parts(d, t, p, Sigmoid(d, p), Sigmoid(d, hn::Neg(p)), c);
    return hn::Mul(f.balance, hn::Mul(f.power, f.entropy));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Prediction(D d, V t, V p, const LossConstants<D>& c) {
    const V q = Sigmoid(d, p);
    const V not_q = Sigmoid(d, hn::Neg(p));
    const FocalParts<D> f = Parts(d, t, p, q, not_q, c);
    const V wrong_slope = hn::Mul(hn::NegMulAdd(Const(d, 2), t, Const(d, 1)), hn::Mul(q, not_q));
    const V entropy_slope = BceWithLogits::Prediction(d, t, p, c);
    const V slope = hn::MulAdd(f.slope_of_power, wrong_slope, hn::Mul(f.power, entropy_slope));
    return hn::Mul(f.balance, slope);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Target(D d, V t, V p, const LossConstants<D>& c) {
    const V q = Sigmoid(d, p);
    const V not_q = Sigmoid(d, hn::Neg(p));
    return Focal::TargetOf(d, Parts(d, t, p, q, not_q, c), q, not_q, hn::Neg(p), c);
  }
};

/// Kullback-Leibler divergence, either side as probability or as its logarithm.
template <bool kLogTarget, bool kLogPrediction>
struct KlDivOf {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V LogPrediction(D d, V p, const LossConstants<D>& c) {
    return kLogPrediction ? p : Log(d, hn::Add(p, c.a));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V LogTarget(D d, V t, const LossConstants<D>& c) {
    return kLogTarget ? t : Log(d, kLogPrediction ? t : hn::Add(t, c.a));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Weight(D d, V t) {
    return kLogTarget ? Exp(d, t) : t;
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V t, V p, const LossConstants<D>& c) {
    // A weight of 0 is no loss, whatever the logarithms are.
    const V weight = Weight(d, t);
    const V value = hn::Mul(weight, hn::Sub(LogTarget(d, t, c), LogPrediction(d, p, c)));
    return KeepNaN(p, hn::IfThenZeroElse(hn::Eq(weight, hn::Zero(d)), value));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Prediction(D d, V t, V p, const LossConstants<D>& c) {
    const V weight = Weight(d, t);
    if constexpr (kLogPrediction) {
      return KeepNaN(p, hn::Neg(weight));
    }
    const V slope = hn::Neg(hn::Div(weight, hn::Add(p, c.a)));
    return KeepNaN(p, hn::IfThenZeroElse(hn::Eq(weight, hn::Zero(d)), slope));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Target(D d, V t, V p, const LossConstants<D>& c) {
    const V difference = hn::Sub(LogTarget(d, t, c), LogPrediction(d, p, c));
    const V one = Const(d, 1);
    if constexpr (kLogTarget) {
      const V weight = Weight(d, t);
      const V slope = hn::Mul(weight, hn::Add(difference, one));
      return KeepNaN(p, hn::IfThenZeroElse(hn::Eq(weight, hn::Zero(d)), slope));
    }
    if constexpr (kLogPrediction) {
      return hn::Add(difference, one);
    }
    return hn::Add(difference, hn::Div(t, hn::Add(t, c.a)));
  }
};
using KlDiv = KlDivOf<false, false>;
using KlDivLogPrediction = KlDivOf<false, true>;
using KlDivLogTarget = KlDivOf<true, false>;
using KlDivLogBoth = KlDivOf<true, true>;

/// Losses of the margin z = t p alone.
template <class Member>
struct OfProduct {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V t, V p, const LossConstants<D>&) {
    return Member::Value(d, hn::Mul(t, p));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Prediction(D d, V t, V p, const LossConstants<D>&) {
    return hn::Mul(t, Member::Slope(d, hn::Mul(t, p)));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Target(D d, V t, V p, const LossConstants<D>&) {
    return hn::Mul(p, Member::Slope(d, hn::Mul(t, p)));
  }
};

struct Hinge : OfProduct<Hinge> {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Value(D d, V z) {
    return PositivePart(d, hn::Sub(Const(d, 1), z));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Slope(D d, V z) {
    return KeepNaN(z, hn::IfThenElseZero(hn::Lt(z, Const(d, 1)), Const(d, -1)));
  }
};

struct SquaredHinge : OfProduct<SquaredHinge> {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Value(D d, V z) {
    const V h = Hinge::Value(d, z);
    return hn::Mul(h, h);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Slope(D d, V z) {
    return hn::Mul(Const(d, -2), Hinge::Value(d, z));
  }
};

struct SoftMargin : OfProduct<SoftMargin> {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Value(D d, V z) {
    return SoftPlus(d, hn::Neg(z));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Slope(D d, V z) {
    return hn::Neg(Sigmoid(d, hn::Neg(z)));
  }
};

struct MarginRanking {
  static constexpr int kInputs = 3;
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V t, V p, V v, const LossConstants<D>& c) {
    return PositivePart(d, hn::NegMulAdd(t, hn::Sub(p, v), c.a));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Scaled(D d, V t, V p, V v, V slope, const LossConstants<D>& c) {
    const V z = hn::NegMulAdd(t, hn::Sub(p, v), c.a);
    return KeepNaN(z, hn::IfThenElseZero(hn::Gt(z, hn::Zero(d)), slope));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Prediction(D d, V t, V p, V v, const LossConstants<D>& c) {
    return Scaled(d, t, p, v, hn::Neg(t), c);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Target(D d, V t, V p, V v, const LossConstants<D>& c) {
    return Scaled(d, t, p, v, hn::Sub(v, p), c);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Third(D d, V t, V p, V v, const LossConstants<D>& c) {
    return Scaled(d, t, p, v, t, c);
  }
};

/// Calls visit(Member()) for the member that `kind` names.
template <class Visit>
HWY_INLINE void VisitLoss(nn::Loss kind, const Visit& visit) {
  switch (kind) {
    case nn::Loss::Mse:
      return visit(Mse());
    case nn::Loss::Mae:
      return visit(Mae());
    case nn::Loss::Huber:
      return visit(Huber());
    case nn::Loss::SmoothL1:
      return visit(SmoothL1());
    case nn::Loss::LogCosh:
      return visit(LogCosh());
    case nn::Loss::PoissonNll:
      return visit(PoissonNll());
    case nn::Loss::PoissonNllLog:
      return visit(PoissonNllLog());
    case nn::Loss::GaussianNll:
      return visit(GaussianNll());
    case nn::Loss::BinaryCrossEntropy:
      return visit(BinaryCrossEntropy());
    case nn::Loss::BceWithLogits:
      return visit(BceWithLogits());
    case nn::Loss::BceWithLogitsPosWeight:
      return visit(BceWithLogitsPosWeight());
    case nn::Loss::Focal:
      return visit(Focal());
    case nn::Loss::FocalWithLogits:
      return visit(FocalWithLogits());
    case nn::Loss::KlDiv:
      return visit(KlDiv());
    case nn::Loss::KlDivLogPrediction:
      return visit(KlDivLogPrediction());
    case nn::Loss::KlDivLogTarget:
      return visit(KlDivLogTarget());
    case nn::Loss::KlDivLogBoth:
      return visit(KlDivLogBoth());
    case nn::Loss::Hinge:
      return visit(Hinge());
    case nn::Loss::SquaredHinge:
      return visit(SquaredHinge());
    case nn::Loss::SoftMargin:
      return visit(SoftMargin());
    case nn::Loss::MarginRanking:
      return visit(MarginRanking());
  }
}

template <class Member>
constexpr bool HasThird() {
  return requires {
    Member::kInputs;
  };
}

/// The gradient that `kInput` asks for, of the arrays t, p and, for three, v.
template <class Member, LossInput kInput, class D, class C, class... V>
HWY_INLINE auto Slope(D d, const C& c, V... x) {
  if constexpr (kInput == LossInput::Prediction) {
    return Member::Prediction(d, x..., c);
  } else if constexpr (kInput == LossInput::Target) {
    return Member::Target(d, x..., c);
  } else {
    return Member::Third(d, x..., c);
  }
}

}  // namespace losses
}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_LOSS_INL_HPP_
