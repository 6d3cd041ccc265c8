// The update rules, one struct each, and the loop that runs them.

#if defined(LAMINA_KERNELS_UPDATE_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_UPDATE_INL_HPP_
#undef LAMINA_KERNELS_UPDATE_INL_HPP_
#else
#define LAMINA_KERNELS_UPDATE_INL_HPP_
#endif

#include <cstddef>
#include <type_traits>

#include "hwy/highway.h"
#include "kernels/update.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace update_rules {

namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> Constant(D d, double value) {
  return hn::Set(d, static_cast<hn::TFromD<D>>(value));
}

/// old + (1 - keep) of the way to target, as keep * old + rest * target.
template <class V>
HWY_INLINE V Blend(V keep, V old, V rest, V target) {
  return hn::Add(hn::Mul(keep, old), hn::Mul(rest, target));
}

// One struct a rule. Apply() returns the new parameter and changes the slots s.

/// s0 = momentum s0 + gain g;  d = g + momentum s0 (Nesterov) or s0, or g without momentum;
/// p - rate d.  Sutskever et al. 2013.
template <class D>
struct Sgd {
  using V = hn::Vec<D>;
  static constexpr int kSlots = 1;
  Sgd(D d, const SgdStep& step)
      : rate(Constant(d, step.rate)),
        momentum(Constant(d, step.momentum)),
        gain(Constant(d, step.gain)),
        nesterov(step.nesterov) {}
  HWY_INLINE V Apply(V p, V g, V* HWY_RESTRICT s) const {
    s[0] = hn::Add(hn::Mul(momentum, s[0]), hn::Mul(gain, g));
    const V direction = nesterov ? hn::Add(g, hn::Mul(momentum, s[0])) : s[0];
    return hn::Sub(p, hn::Mul(rate, direction));
  }
  V rate, momentum, gain;
  bool nesterov;
};

/// p - rate g.
template <class D>
struct PlainSgd {
  using V = hn::Vec<D>;
  static constexpr int kSlots = 0;
  PlainSgd(D d, const SgdStep& step) : rate(Constant(d, step.rate)) {}
  HWY_INLINE V Apply(V p, V g, V*) const { return hn::Sub(p, hn::Mul(rate, g)); }
  V rate;
};

/// s0 = beta1 s0 + (1 - beta1) g;  s1 = beta2 s1 + (1 - beta2) g g;
/// p - rate s0 / (scale sqrt(s1) + epsilon).  Kingma and Ba 2015.
/// With AMSGrad s2 = max(s2, s1) stands under the root. Reddi et al. 2018.
template <class D, bool kAmsgrad>
struct Adam {
  using V = hn::Vec<D>;
  static constexpr int kSlots = kAmsgrad ? 3 : 2;
  Adam(D d, const AdamStep& step)
      : rate(Constant(d, step.rate)),
        beta1(Constant(d, step.beta1)),
        rest1(Constant(d, 1 - step.beta1)),
        beta2(Constant(d, step.beta2)),
        rest2(Constant(d, 1 - step.beta2)),
        scale(Constant(d, step.scale)),
        epsilon(Constant(d, step.epsilon)) {}
  HWY_INLINE V Apply(V p, V g, V* HWY_RESTRICT s) const {
    s[0] = Blend(beta1, s[0], rest1, g);
    s[1] = Blend(beta2, s[1], rest2, hn::Mul(g, g));
    V second = s[1];
    if constexpr (kAmsgrad) {
      // Written so that a NaN in either stays.
      s[2] = hn::IfThenElse(hn::Lt(second, s[2]), s[2], second);
      second = s[2];
    }
    const V denominator = hn::Add(hn::Mul(hn::Sqrt(second), scale), epsilon);
    return hn::Sub(p, hn::Mul(rate, hn::Div(s[0], denominator)));
  }
  V rate, beta1, rest1, beta2, rest2, scale, epsilon;
};

/// s0 as Adam;  s1 = max(beta2 s1, |g| + epsilon);  p - rate s0 / s1.  Kingma and Ba 2015.
template <class D>
struct Adamax {
  using V = hn::Vec<D>;
  static constexpr int kSlots = 2;
  Adamax(D d, const AdamaxStep& step)
      : rate(Constant(d, step.rate)),
        beta1(Constant(d, step.beta1)),
        rest1(Constant(d, 1 - step.beta1)),
        beta2(Constant(d, step.beta2)),
        epsilon(Constant(d, step.epsilon)) {}
  HWY_INLINE V Apply(V p, V g, V* HWY_RESTRICT s) const {
    s[0] = Blend(beta1, s[0], rest1, g);
    const V faded = hn::Mul(beta2, s[1]);
    const V fresh = hn::Add(hn::Abs(g), epsilon);
    s[1] = hn::IfThenElse(hn::Lt(fresh, faded), faded, fresh);
    return hn::Sub(p, hn::Mul(rate, hn::Div(s[0], s[1])));
  }
  V rate, beta1, rest1, beta2, epsilon;
};

/// s0, s1 as Adam;  p - rate s0 scale / (sqrt(s1) + epsilon), or p - rate s0 in the first steps.
/// Liu et al. 2020.
template <class D>
struct Radam {
  using V = hn::Vec<D>;
  static constexpr int kSlots = 2;
  Radam(D d, const RadamStep& step)
      : rate(Constant(d, step.rate)),
        beta1(Constant(d, step.beta1)),
        rest1(Constant(d, 1 - step.beta1)),
        beta2(Constant(d, step.beta2)),
        rest2(Constant(d, 1 - step.beta2)),
        scale(Constant(d, step.scale)),
        epsilon(Constant(d, step.epsilon)),
        adaptive(step.scale >= 0) {}
  HWY_INLINE V Apply(V p, V g, V* HWY_RESTRICT s) const {
    s[0] = Blend(beta1, s[0], rest1, g);
    s[1] = Blend(beta2, s[1], rest2, hn::Mul(g, g));
    const V direction =
        adaptive ? hn::Mul(s[0], hn::Div(scale, hn::Add(hn::Sqrt(s[1]), epsilon))) : s[0];
    return hn::Sub(p, hn::Mul(rate, direction));
  }
  V rate, beta1, rest1, beta2, rest2, scale, epsilon;
  bool adaptive;
};

/// s0 = alpha s0 + (1 - alpha) g g;  a = sqrt(s0) + epsilon;  p - rate g / a.  Hinton 2012.
/// Centered: the mean of g is kept in the last slot and its square taken from s0 under the root.
/// With momentum: s1 = momentum s1 + g / a;  p - rate s1.
template <class D, bool kCentered, bool kMomentum>
struct Rmsprop {
  using V = hn::Vec<D>;
  static constexpr int kSlots = 1 + (kCentered ? 1 : 0) + (kMomentum ? 1 : 0);
  Rmsprop(D d, const RmspropStep& step)
      : rate(Constant(d, step.rate)),
        alpha(Constant(d, step.alpha)),
        rest(Constant(d, 1 - step.alpha)),
        momentum(Constant(d, step.momentum)),
        epsilon(Constant(d, step.epsilon)) {}
  HWY_INLINE V Apply(V p, V g, V* HWY_RESTRICT s) const {
    s[0] = Blend(alpha, s[0], rest, hn::Mul(g, g));
    V spread = s[0];
    if constexpr (kCentered) {
      V& mean = s[kSlots - 1];
      mean = Blend(alpha, mean, rest, g);
      spread = hn::Sub(spread, hn::Mul(mean, mean));
    }
    V direction = hn::Div(g, hn::Add(hn::Sqrt(spread), epsilon));
    if constexpr (kMomentum) {
      s[1] = hn::Add(hn::Mul(momentum, s[1]), direction);
      direction = s[1];
    }
    return hn::Sub(p, hn::Mul(rate, direction));
  }
  V rate, alpha, rest, momentum, epsilon;
};

/// s0 += g g;  p - rate g / (sqrt(s0) + epsilon).  Duchi, Hazan and Singer 2011.
template <class D>
struct Adagrad {
  using V = hn::Vec<D>;
  static constexpr int kSlots = 1;
  Adagrad(D d, const AdagradStep& step)
      : rate(Constant(d, step.rate)), epsilon(Constant(d, step.epsilon)) {}
  HWY_INLINE V Apply(V p, V g, V* HWY_RESTRICT s) const {
    s[0] = hn::Add(s[0], hn::Mul(g, g));
    return hn::Sub(p, hn::Mul(rate, hn::Div(g, hn::Add(hn::Sqrt(s[0]), epsilon))));
  }
  V rate, epsilon;
};

/// s0 = rho s0 + (1 - rho) g g;  d = g sqrt(s1 + epsilon) / sqrt(s0 + epsilon);
/// s1 = rho s1 + (1 - rho) d d;  p - rate d.  Zeiler 2012.
template <class D>
struct Adadelta {
  using V = hn::Vec<D>;
  static constexpr int kSlots = 2;
  Adadelta(D d, const AdadeltaStep& step)
      : rate(Constant(d, step.rate)),
        rho(Constant(d, step.rho)),
        rest(Constant(d, 1 - step.rho)),
        epsilon(Constant(d, step.epsilon)) {}
  HWY_INLINE V Apply(V p, V g, V* HWY_RESTRICT s) const {
    s[0] = Blend(rho, s[0], rest, hn::Mul(g, g));
    const V ratio = hn::Div(hn::Sqrt(hn::Add(s[1], epsilon)), hn::Sqrt(hn::Add(s[0], epsilon)));
    const V direction = hn::Mul(ratio, g);
    s[1] = Blend(rho, s[1], rest, hn::Mul(direction, direction));
    return hn::Sub(p, hn::Mul(rate, direction));
  }
  V rate, rho, rest, epsilon;
};

/// p - rate sign(beta1 s0 + (1 - beta1) g);  s0 = beta2 s0 + (1 - beta2) g.  Chen et al. 2023.
template <class D>
struct Lion {
  using V = hn::Vec<D>;
  static constexpr int kSlots = 1;
  Lion(D d, const LionStep& step)
      : rate(Constant(d, step.rate)),
        beta1(Constant(d, step.beta1)),
        rest1(Constant(d, 1 - step.beta1)),
        beta2(Constant(d, step.beta2)),
        rest2(Constant(d, 1 - step.beta2)) {}
  HWY_INLINE V Apply(V p, V g, V* HWY_RESTRICT s) const {
    const V direction = Blend(beta1, s[0], rest1, g);
    s[0] = Blend(beta2, s[0], rest2, g);
    // sign(0) = 0 and sign(NaN) = NaN: a zero or NaN is its own sign.
    const V zero = hn::Sub(rate, rate);
    const V signed_rate = hn::CopySign(rate, direction);
    const auto ordinary = hn::Or(hn::Lt(direction, zero), hn::Gt(direction, zero));
    return hn::Sub(p, hn::IfThenElse(ordinary, signed_rate, direction));
  }
  V rate, beta1, rest1, beta2, rest2;
};

template <class D, class Rule, class T = hn::TFromD<D>>
HWY_INLINE void UpdateVector(D d, const Rule& rule, hn::Vec<D> sign, hn::Vec<D> decay,
                             hn::Vec<D> shrink, T* p, const T* g, T* const* slots, Index at) {
  using V = hn::Vec<D>;
  V s[kMaxUpdateSlots];
  for (int k = 0; k < Rule::kSlots; ++k) {
    s[k] = hn::LoadU(d, slots[k] + at);
  }
  const V parameter = hn::LoadU(d, p + at);
  const V gradient = hn::Add(hn::Mul(sign, hn::LoadU(d, g + at)), hn::Mul(decay, parameter));
  hn::StoreU(rule.Apply(hn::Mul(shrink, parameter), gradient, s), d, p + at);
  for (int k = 0; k < Rule::kSlots; ++k) {
    hn::StoreU(s[k], d, slots[k] + at);
  }
}

template <template <class> class Rule, class T, class Step>
HWY_NOINLINE void RunRule(const UpdateRun<T>& run, const UpdatePreparation& preparation,
                          const Step& step) {
  const hn::ScalableTag<T> d;
  using D = decltype(d);
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(D()));
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const Rule<std::remove_cv_t<D>> rule(d, step);
  const auto sign = Constant(d, preparation.sign);
  const auto decay = Constant(d, preparation.weight_decay);
  const auto shrink = Constant(d, preparation.shrink);
  Index i = 0;
  for (; i + lanes <= run.count; i += lanes) {
    UpdateVector(d, rule, sign, decay, shrink, run.parameter, run.gradient, run.slots.data(), i);
  }
  if (i == run.count) {
    return;
  }
  // The rest goes through a vector's worth of stack.
  T p[kLanes] = {};
  T g[kLanes] = {};
  T s[kMaxUpdateSlots][kLanes] = {};
  T* const slots[kMaxUpdateSlots] = {s[0], s[1], s[2]};
  const Index rest = run.count - i;
  for (Index j = 0; j < rest; ++j) {
    p[j] = run.parameter[i + j];
    g[j] = run.gradient[i + j];
    for (int k = 0; k < decltype(rule)::kSlots; ++k) {
      s[k][j] = run.slots[static_cast<std::size_t>(k)][i + j];
    }
  }
  UpdateVector(d, rule, sign, decay, shrink, p, g, slots, 0);
  for (Index j = 0; j < rest; ++j) {
    run.parameter[i + j] = p[j];
    for (int k = 0; k < decltype(rule)::kSlots; ++k) {
      run.slots[static_cast<std::size_t>(k)][i + j] = s[k][j];
    }
  }
}

template <class D>
using AdamPlain = Adam<D, false>;
template <class D>
using AdamAmsgrad = Adam<D, true>;
template <class D>
using RmspropPlain = Rmsprop<D, false, false>;
template <class D>
using RmspropMomentum = Rmsprop<D, false, true>;
template <class D>
using RmspropCentered = Rmsprop<D, true, false>;
template <class D>
using RmspropCenteredMomentum = Rmsprop<D, true, true>;

template <class T>
struct Runner {
  const UpdateRun<T>& run;
  const UpdatePreparation& preparation;

  void operator()(const SgdStep& step) const {
    step.has_momentum ? RunRule<Sgd>(run, preparation, step)
                      : RunRule<PlainSgd>(run, preparation, step);
  }
  void operator()(const AdamStep& step) const {
    step.amsgrad ? RunRule<AdamAmsgrad>(run, preparation, step)
                 : RunRule<AdamPlain>(run, preparation, step);
  }
  void operator()(const AdamaxStep& step) const { RunRule<Adamax>(run, preparation, step); }
  void operator()(const RadamStep& step) const { RunRule<Radam>(run, preparation, step); }
  void operator()(const RmspropStep& step) const {
    if (step.centered) {
      step.has_momentum ? RunRule<RmspropCenteredMomentum>(run, preparation, step)
                        : RunRule<RmspropCentered>(run, preparation, step);
    } else {
      step.has_momentum ? RunRule<RmspropMomentum>(run, preparation, step)
                        : RunRule<RmspropPlain>(run, preparation, step);
    }
  }
  void operator()(const AdagradStep& step) const { RunRule<Adagrad>(run, preparation, step); }
  void operator()(const AdadeltaStep& step) const { RunRule<Adadelta>(run, preparation, step); }
  void operator()(const LionStep& step) const { RunRule<Lion>(run, preparation, step); }
};

template <class T>
void Axpy(T alpha, const T* x, T* y, Index count) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const auto factor = hn::Set(d, alpha);
  Index i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(hn::Add(hn::LoadU(d, y + i), hn::Mul(factor, hn::LoadU(d, x + i))), d, y + i);
  }
  for (; i < count; ++i) {
    y[i] += alpha * x[i];
  }
}

template <class T>
void Scale(T factor, const T* x, T* out, Index count) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const auto by = hn::Set(d, factor);
  Index i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(hn::Mul(by, hn::LoadU(d, x + i)), d, out + i);
  }
  for (; i < count; ++i) {
    out[i] = factor * x[i];
  }
}

inline double SumOfSquares(const float* x, Index count) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> half;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  auto sum0 = hn::Zero(d);
  auto sum1 = hn::Zero(d);
  Index i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const auto x0 = hn::PromoteTo(d, hn::LoadU(half, x + i));
    const auto x1 = hn::PromoteTo(d, hn::LoadU(half, x + i + lanes));
    sum0 = hn::MulAdd(x0, x0, sum0);
    sum1 = hn::MulAdd(x1, x1, sum1);
  }
  double sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
  for (; i < count; ++i) {
    sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  return sum;
}

inline double SumOfSquares(const double* x, Index count) {
  const hn::ScalableTag<double> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  auto sum0 = hn::Zero(d);
  auto sum1 = hn::Zero(d);
  Index i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const auto x0 = hn::LoadU(d, x + i);
    const auto x1 = hn::LoadU(d, x + i + lanes);
    sum0 = hn::MulAdd(x0, x0, sum0);
    sum1 = hn::MulAdd(x1, x1, sum1);
  }
  double sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
  for (; i < count; ++i) {
    sum += x[i] * x[i];
  }
  return sum;
}

}  // namespace update_rules
}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
