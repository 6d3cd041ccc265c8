// The gradient of the normalization of groups.

#if defined(LAMINA_KERNELS_NORM_BACKWARD_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_NORM_BACKWARD_INL
#undef LAMINA_KERNELS_NORM_BACKWARD_INL
#else
#define LAMINA_KERNELS_NORM_BACKWARD_INL
#endif

#include "hwy/highway.h"
#include "kernels/norm-inl.hpp"
#include "kernels/norm.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// What the gradient of a group needs: dx = (dy gamma) rstd - xhat slope - shift.
struct Slopes {
  double center = 0;  // mean of xhat, which the rounding of a given mean makes differ from 0
  double slope = 0;
  double shift = 0;
};

/// From the sums of g = dy gamma, of g xhat, of xhat.
template <class T>
HWY_INLINE Slopes MakeSlopes(const NormBackwardArgs<T>& a, const double* sums, double rstd) {
  Slopes s;
  if (!a.given) {
    const double count = static_cast<double>(a.runs * a.n);
    s.center = a.center ? sums[2] / count : 0;
    const double mean = a.center ? sums[0] / count : 0;
    const double product = (sums[1] - s.center * sums[0]) / count;
    s.slope = rstd * product;
    s.shift = rstd * (mean - s.center * product);
  }
  return s;
}

template <class T>
void FlushPartial(const NormBackwardArgs<T>& a, Index offset) {
  for (Index i = offset; i < offset + a.n; ++i) {
    a.dgamma[i] += static_cast<double>(a.partial[i]);
    a.dbeta[i] += static_cast<double>(a.partial[a.width + i]);
    a.partial[i] = 0;
    a.partial[a.width + i] = 0;
  }
}

template <class D, class T>
HWY_INLINE void BackwardByElement(D d, const NormBackwardArgs<T>& a) {
  using V = hn::Vec<D>;
  Index waiting = 0;
  for (Index group = 0; group < a.groups; ++group) {
    const Index start = group * a.group_stride;
    const Index offset = group * a.steps.group;
    const T* gamma = a.gamma == nullptr ? nullptr : a.gamma + offset;
    const V mean = hn::Set(d, a.mean == nullptr ? T(0) : a.mean[group]);
    const V rstd = hn::Set(d, a.rstd[group]);
    const auto normalized = [&](Index at, auto lanes) LAMINA_NORM_INLINE {
      return hn::Mul(hn::Sub(lanes.Load(d, a.x + at), mean), rstd);
    };
    const auto scaled = [&](Index at, Index i, auto lanes) LAMINA_NORM_INLINE {
      const V dy = lanes.Load(d, a.dy + at);
      return gamma == nullptr ? dy : hn::Mul(dy, lanes.Load(d, gamma + i));
    };
    double sums[3] = {};
    if (!a.given) {
      GroupSums<3>(
          d, a.runs, a.n,
          [&](Index run, Index i, auto lanes, V* to) LAMINA_NORM_INLINE {
            const Index at = start + run * a.run_stride + i;
            const V xhat = normalized(at, lanes);
            const V g = scaled(at, i, lanes);
            to[0] = hn::Add(to[0], g);
            to[1] = hn::MulAdd(g, xhat, to[1]);
            to[2] = hn::Add(to[2], lanes.Keep(d, xhat));
          },
          sums);
    }
    const Slopes s = MakeSlopes(a, sums, static_cast<double>(a.rstd[group]));
    const V slope = hn::Set(d, static_cast<T>(s.slope));
    const V shift = hn::Set(d, static_cast<T>(s.shift));
    const V center = hn::Set(d, static_cast<T>(s.center));
    for (Index run = 0; run < a.runs; ++run) {
      const Index at = start + run * a.run_stride;
      if (a.dgamma != nullptr) {
        T* partial_gamma = a.partial + offset;
        T* partial_beta = a.partial + a.width + offset;
        ForRun(d, a.n, [&](Index i, auto lanes) LAMINA_NORM_INLINE {
          const V dy = lanes.Load(d, a.dy + at + i);
          const V xhat = hn::Sub(normalized(at + i, lanes), center);
          lanes.Store(d, hn::MulAdd(dy, xhat, lanes.Load(d, partial_gamma + i)), partial_gamma + i);
          lanes.Store(d, hn::Add(dy, lanes.Load(d, partial_beta + i)), partial_beta + i);
        });
        if (++waiting == kNormRowBlock) {
          FlushPartial(a, offset);
          waiting = 0;
        }
      }
      if (a.dx != nullptr) {
        ForRun(d, a.n, [&](Index i, auto lanes) LAMINA_NORM_INLINE {
          const V xhat = normalized(at + i, lanes);
          const V rest = hn::MulAdd(xhat, slope, shift);
          lanes.Store(d, hn::MulSub(scaled(at + i, i, lanes), rstd, rest), a.dx + at + i);
        });
      }
    }
    if (a.dgamma != nullptr && a.steps.group != 0) {
      FlushPartial(a, offset);
      waiting = 0;
    }
  }
  if (a.dgamma != nullptr && waiting != 0) {
    FlushPartial(a, 0);
  }
}

template <class D, class T>
HWY_INLINE void BackwardByRun(D d, const NormBackwardArgs<T>& a) {
  using V = hn::Vec<D>;
  for (Index group = 0; group < a.groups; ++group) {
    const Index start = group * a.group_stride;
    const Index offset = group * a.steps.group;
    const auto factor = [&](Index run) {
      return a.gamma == nullptr ? 1 : static_cast<double>(a.gamma[offset + run * a.steps.run]);
    };
    const double scale = static_cast<double>(a.rstd[group]);
    const V mean = hn::Set(d, a.mean == nullptr ? T(0) : a.mean[group]);
    const V rstd = hn::Set(d, a.rstd[group]);
    // Runs that share a factor are summed together.
    const Index pieces = a.steps.run == 0 ? 1 : a.runs;
    double sums[3] = {};
    for (Index piece = 0; piece < pieces; ++piece) {
      double part[3];
      const Index begin = start + piece * a.run_stride;
      GroupSums<3>(
          d, a.runs / pieces, a.n,
          [&](Index run, Index i, auto lanes, V* to) LAMINA_NORM_INLINE {
            const Index at = begin + run * a.run_stride + i;
            const V xhat = hn::Mul(hn::Sub(lanes.Load(d, a.x + at), mean), rstd);
            const V dy = lanes.Load(d, a.dy + at);
            to[0] = hn::Add(to[0], dy);
            to[1] = hn::MulAdd(dy, xhat, to[1]);
            to[2] = hn::Add(to[2], lanes.Keep(d, xhat));
          },
          part);
      const double gamma = factor(piece);
      sums[0] += gamma * part[0];
      sums[1] += gamma * part[1];
      sums[2] += part[2];
      if (a.dgamma != nullptr) {
        a.dgamma[offset + piece * a.steps.run] += part[1];
        a.dbeta[offset + piece * a.steps.run] += part[0];
        a.scratch[piece] = part[0];
      }
    }
    const Slopes s = MakeSlopes(a, sums, scale);
    if (a.dgamma != nullptr) {
      for (Index piece = 0; piece < pieces; ++piece) {
        a.dgamma[offset + piece * a.steps.run] -= s.center * a.scratch[piece];
      }
    }
    if (a.dx == nullptr) {
      continue;
    }
    const V slope = hn::Set(d, static_cast<T>(s.slope));
    const V shift = hn::Set(d, static_cast<T>(s.shift));
    for (Index run = 0; run < a.runs; ++run) {
      const Index at = start + run * a.run_stride;
      const V gain = hn::Set(d, static_cast<T>(scale * factor(run)));
      ForRun(d, a.n, [&](Index i, auto lanes) LAMINA_NORM_INLINE {
        const V xhat = hn::Mul(hn::Sub(lanes.Load(d, a.x + at + i), mean), rstd);
        const V rest = hn::MulAdd(xhat, slope, shift);
        lanes.Store(d, hn::MulSub(lanes.Load(d, a.dy + at + i), gain, rest), a.dx + at + i);
      });
    }
  }
}

template <class T>
void NormGroupsBackward(const NormBackwardArgs<T>& a) {
  const hn::ScalableTag<T> d;
  if (a.steps.element == 0) {
    BackwardByRun(d, a);
  } else {
    BackwardByElement(d, a);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
