// Normalization of groups of elements.
//
// The mean is first guessed from a few elements, exactly where all of them are equal. What the
// guess lacks comes with the sum of squares around it, and corrects the variance. Only where that
// would cost digits, as the guess is further from the mean than the elements are, the squares are
// summed up again around the mean found. That mean is kept as a number of the element type and a
// rest, which corrects the result where the rounding of a large mean would show.

#if defined(LAMINA_KERNELS_NORM_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_NORM_INL
#undef LAMINA_KERNELS_NORM_INL
#else
#define LAMINA_KERNELS_NORM_INL
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/norm.hpp"
#include "kernels/stream-inl.hpp"
#include "kernels/tail-inl.hpp"

// The loops below are made of lambdas; a call for each vector would cost more than the arithmetic.
#ifndef LAMINA_NORM_INLINE
#define LAMINA_NORM_INLINE HWY_ATTR __attribute__((always_inline))
#endif

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Elements after which a running sum goes on in double, so that rounding errors do not pile up:
/// the same number to a lane on every target.
template <class D>
constexpr Index kNormBlock = 128 * static_cast<Index>(hn::MaxLanes(D()));
/// The same for sums that add one row after the other.
constexpr Index kNormRowBlock = 64;

/// All lanes of a vector are elements. kStream: stores are aligned and go around the caches.
template <class D, bool kStream = false>
struct Whole {
  using T = hn::TFromD<D>;
  using V = hn::Vec<D>;
  HWY_INLINE V Load(D d, const T* from) const { return hn::LoadU(d, from); }
  HWY_INLINE void Store(D d, V v, T* to) const {
    if constexpr (kStream) {
      hn::Stream(v, d, to);
    } else {
      hn::StoreU(v, d, to);
    }
  }
  HWY_INLINE V Keep(D, V v) const { return v; }
};
/// The first `count` lanes are.
template <class D>
struct Part {
  using T = hn::TFromD<D>;
  using V = hn::Vec<D>;
  Index count;
  HWY_INLINE V Load(D d, const T* from) const { return LoadTail(d, from, count); }
  HWY_INLINE void Store(D d, V v, T* to) const { StoreTail(d, v, to, count); }
  HWY_INLINE V Keep(D d, V v) const { return hn::IfThenElseZero(TailMask(d, count), v); }
};

/// body(i, lanes) for every vector of a run.
template <bool kStream = false, class D, class F>
HWY_INLINE void ForRun(D d, Index n, const F& body) {
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Index i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    body(i, Whole<D, kStream>());
    body(i + lanes, Whole<D, kStream>());
  }
  if (i + lanes <= n) {
    body(i, Whole<D, kStream>());
    i += lanes;
  }
  if (i < n) {
    body(i, Part<D>{n - i});
  }
}

/// function(0) ... function(N - 1), with constants, so that arrays of vectors stay in registers
/// without the help of the optimizer.
template <int N, class F>
HWY_INLINE void Repeat(const F& function) {
  if constexpr (N > 0) {
    Repeat<N - 1>(function);
    function(std::integral_constant<int, N - 1>());
  }
}

/// K running sums.
template <int K, class D>
struct Sums {
  using V = hn::Vec<D>;
  V v[K];
  HWY_INLINE Sums() {}  // an implicit one is not compiled for the target (NEON)
  HWY_INLINE void Clear(D d) {
    Repeat<K>([&](auto k) LAMINA_NORM_INLINE { v[k] = hn::Zero(d); });
  }
  HWY_INLINE void Add(const Sums& other) {
    Repeat<K>([&](auto k) LAMINA_NORM_INLINE { v[k] = hn::Add(v[k], other.v[k]); });
  }
};

/// K sums over `runs` runs of n elements. add(run, i, lanes, sums) adds the terms of the vector at
/// element i of a run to K vectors, nothing in lanes without an element.
template <int K, class D, class F>
HWY_INLINE void GroupSums(D d, Index runs, Index n, const F& add, double* totals) {
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  // Four chains of additions for each pipe, as far as the registers go.
  constexpr int kUnroll = K == 3 ? 2 : 4;
  Sums<K, D> sums[kUnroll];
  Repeat<kUnroll>([&](auto u) LAMINA_NORM_INLINE { sums[u].Clear(d); });
  for (int k = 0; k < K; ++k) {
    totals[k] = 0;
  }
  Index pending = 0;
  for (Index run = 0; run < runs; ++run) {
    for (Index begin = 0; begin < n; begin += kNormBlock<D>) {
      const Index end = std::min(n, begin + kNormBlock<D>);
      Index i = begin;
      for (; i + kUnroll * lanes <= end; i += kUnroll * lanes) {
        Repeat<kUnroll>([&](auto u)
                            LAMINA_NORM_INLINE { add(run, i + u * lanes, Whole<D>(), sums[u].v); });
      }
      for (; i + lanes <= end; i += lanes) {
        add(run, i, Whole<D>(), sums[0].v);
      }
      if (i < end) {
        add(run, i, Part<D>{end - i}, sums[1].v);
      }
      pending += end - begin;
      if (pending >= kNormBlock<D> || (run == runs - 1 && end == n)) {
        Repeat<kUnroll - 1>([&](auto u) LAMINA_NORM_INLINE { sums[0].Add(sums[u + 1]); });
        Repeat<K>([&](auto k) LAMINA_NORM_INLINE {
          totals[k] += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, sums[0].v[k])));
        });
        Repeat<kUnroll>([&](auto u) LAMINA_NORM_INLINE { sums[u].Clear(d); });
        pending = 0;
      }
    }
  }
}

/// Mean (in two parts) and 1 / sqrt(variance + eps) of a group.
template <class T>
struct Moments {
  T mean = 0;
  double rest = 0;
  double var = 0;
  double rstd = 0;
};

/// Asks for a quarter of the next group, `ahead` elements behind x, or half of it while results are
/// written: from one group to the next the memory would have nothing to do else.
template <bool kStream, class T>
HWY_INLINE void AskAhead(const T* x, Index ahead, Index n, int quarter, Index i) {
  if (kStream && ahead != 0) {
    hwy::Prefetch(x + ahead + quarter * (n >> 2) + (quarter == 2 ? i >> 1 : i >> 2));
  }
}

/// A number near the mean of a group: that of its first vectors, exact where all of them are equal.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE T GuessMean(D d, const NormArgs<T>& a, const T* x) {
  const Index count = std::min(4 * static_cast<Index>(hn::Lanes(d)), a.n);
  const auto first = hn::Set(d, x[0]);
  auto sum = hn::Zero(d);
  ForRun(d, count, [&](Index i, auto lanes) LAMINA_NORM_INLINE {
    sum = hn::Add(sum, lanes.Keep(d, hn::Sub(lanes.Load(d, x + i), first)));
  });
  return x[0] + hn::GetLane(hn::SumOfLanes(d, sum)) / static_cast<T>(count);
}

/// m.rest and m.var of a group around m.mean. beside(i) is called for every vector.
template <class D, class T, class F>
HWY_INLINE void GroupSquares(D d, const NormArgs<T>& a, const T* x, Moments<T>& m,
                             const F& beside) {
  using V = hn::Vec<D>;
  const double count = static_cast<double>(a.runs * a.n);
  if (a.center) {
    double sums[2];
    const V mean = hn::Set(d, m.mean);
    GroupSums<2>(
        d, a.runs, a.n,
        [&](Index run, Index i, auto lanes, V* to) LAMINA_NORM_INLINE {
          beside(i);
          const V e = lanes.Keep(d, hn::Sub(lanes.Load(d, x + run * a.run_stride + i), mean));
          to[0] = hn::Add(to[0], e);
          to[1] = hn::MulAdd(e, e, to[1]);
        },
        sums);
    m.rest = sums[0] / count;
    m.var = sums[1] / count - m.rest * m.rest;
  } else {
    double sum;
    GroupSums<1>(
        d, a.runs, a.n,
        [&](Index run, Index i, auto lanes, V* to) LAMINA_NORM_INLINE {
          beside(i);
          const V v = lanes.Load(d, x + run * a.run_stride + i);
          to[0] = hn::MulAdd(v, v, to[0]);
        },
        &sum);
    m.var = sum / count;
  }
}

/// The moments of a group, once its squares around the guess are summed up.
template <class D, class T>
HWY_INLINE void FinishMoments(D d, const NormArgs<T>& a, const T* x, Moments<T>& m) {
  if (a.center) {
    const auto recenter = [&] {
      const T mean = static_cast<T>(static_cast<double>(m.mean) + m.rest);
      m.rest += static_cast<double>(m.mean) - static_cast<double>(mean);
      m.mean = mean;
    };
    // Not where squares overflow that would not around the mean; with NaN, in vain.
    const bool near = 4 * m.rest * m.rest <= m.var && m.var <= std::numeric_limits<double>::max();
    recenter();
    if (HWY_UNLIKELY(!near)) {
      GroupSquares(d, a, x, m, [](Index) LAMINA_NORM_INLINE {});
      recenter();
    }
    m.var = m.var < 0 ? 0 : m.var;  // NaN stays
  }
  m.rstd = 1 / std::sqrt(m.var + a.eps);
}

/// Writes what was asked for of the moments of one group.
template <class T>
HWY_INLINE void StoreMoments(const NormArgs<T>& a, const Moments<T>& m, Index group) {
  if (a.mean != nullptr) {
    a.mean[group] = static_cast<T>(static_cast<double>(m.mean) + m.rest);
  }
  if (a.rstd != nullptr) {
    a.rstd[group] = static_cast<T>(m.rstd);
  }
  if (a.var != nullptr) {
    a.var[group] = static_cast<T>(m.var);
  }
}

/// The results of a run with a factor for each element, a vector at a time.
template <bool kGamma, bool kBeta, class D, class T = hn::TFromD<D>, class V = hn::Vec<D>>
struct Normalizer {
  HWY_INLINE Normalizer(D d, const Moments<T>& m, const T* gamma_row, const T* beta_row)
      : mean(hn::Set(d, m.mean)),
        rstd(hn::Set(d, static_cast<T>(m.rstd))),
        rest(hn::Set(d, static_cast<T>(m.rest * m.rstd))),
        gamma(gamma_row),
        beta(beta_row) {}
  template <class Lanes>
  HWY_INLINE V At(D d, const T* x, Index i, Lanes lanes) const {
    const V v = hn::MulSub(hn::Sub(lanes.Load(d, x + i), mean), rstd, rest);
    if constexpr (kGamma && kBeta) {
      return hn::MulAdd(v, lanes.Load(d, gamma + i), lanes.Load(d, beta + i));
    } else if constexpr (kGamma) {
      return hn::Mul(v, lanes.Load(d, gamma + i));
    } else if constexpr (kBeta) {
      return hn::Add(v, lanes.Load(d, beta + i));
    } else {
      return v;
    }
  }
  V mean;
  V rstd;
  V rest;
  const T* gamma;
  const T* beta;
};

/// One run with a factor for each element.
template <bool kStream, bool kGamma, bool kBeta, class D, class T>
HWY_INLINE void ApplyRun(D d, const Moments<T>& m, Index n, Index ahead, const T* x, T* y,
                         const T* gamma, const T* beta) {
  const Normalizer<kGamma, kBeta, D> normalizer(d, m, gamma, beta);
  ForRun<kStream>(d, n, [&](Index i, auto lanes) LAMINA_NORM_INLINE {
    AskAhead<kStream>(x, ahead, n, 2, i);
    lanes.Store(d, normalizer.At(d, x, i, lanes), y + i);
  });
}

/// Elements [begin, begin + n) of a run, to y.
template <bool kStream, class D, class T>
HWY_INLINE void ApplyPart(D d, const NormArgs<T>& a, const Moments<T>& m, Index run, Index ahead,
                          const T* x, T* y, const T* gamma, const T* beta, Index begin, Index n) {
  using V = hn::Vec<D>;
  if (a.steps.element == 0) {
    const double factor = gamma == nullptr ? 1 : static_cast<double>(gamma[run * a.steps.run]);
    const double offset_y = beta == nullptr ? 0 : static_cast<double>(beta[run * a.steps.run]);
    const V mean = hn::Set(d, m.mean);
    const V scale = hn::Set(d, static_cast<T>(m.rstd * factor));
    const V shift = hn::Set(d, static_cast<T>(offset_y - m.rest * m.rstd * factor));
    ForRun<kStream>(d, n, [&](Index i, auto lanes) LAMINA_NORM_INLINE {
      lanes.Store(d, hn::MulAdd(hn::Sub(lanes.Load(d, x + i), mean), scale, shift), y + i);
    });
  } else if (gamma != nullptr && beta != nullptr) {
    ApplyRun<kStream, true, true>(d, m, n, ahead, x, y, gamma + begin, beta + begin);
  } else if (gamma != nullptr) {
    ApplyRun<kStream, true, false>(d, m, n, ahead, x, y, gamma + begin, beta);
  } else if (beta != nullptr) {
    ApplyRun<kStream, false, true>(d, m, n, ahead, x, y, gamma, beta + begin);
  } else {
    ApplyRun<kStream, false, false>(d, m, n, ahead, x, y, gamma, beta);
  }
}

template <bool kStream, class D, class T>
HWY_INLINE void ApplyGroup(D d, const NormArgs<T>& a, const Moments<T>& m, Index group,
                           Index ahead) {
  const T* gamma = a.gamma == nullptr ? nullptr : a.gamma + group * a.steps.group;
  const T* beta = a.beta == nullptr ? nullptr : a.beta + group * a.steps.group;
  constexpr Index kVector = static_cast<Index>(hn::MaxLanes(d));
  for (Index run = 0; run < a.runs; ++run) {
    const Index offset = group * a.group_stride + run * a.run_stride;
    const T* const x = a.x + offset;
    T* const y = a.y + offset;
    if constexpr (!kStream) {
      ApplyPart<false>(d, a, m, run, ahead, x, y, gamma, beta, 0, a.n);
    } else if (a.n % kVector == 0 &&
               reinterpret_cast<std::uintptr_t>(y) % (kVector * sizeof(T)) == 0) {
      ApplyPart<true>(d, a, m, run, ahead, x, y, gamma, beta, 0, a.n);
    } else {
      // What is not whole vectors waits in the L1 for a moment.
      constexpr Index kBlock = 1024;
      HWY_ALIGN T block[kBlock];
      for (Index begin = 0; begin < a.n; begin += kBlock) {
        const Index n = std::min(kBlock, a.n - begin);
        ApplyPart<false>(d, a, m, run, ahead, x + begin, block, gamma, beta, begin, n);
        StreamRun(static_cast<const T*>(block), y + begin, n);
      }
    }
  }
}

template <bool kStream, class T>
HWY_INLINE void NormGroupsTo(const NormArgs<T>& a) {
  const hn::ScalableTag<T> d;
  // Short groups take each step together: the end of a sum, down to one number, takes longer than
  // the processor looks ahead in a single group.
  constexpr Index kTogether = 4;
  constexpr Index kShort = 4096 / static_cast<Index>(sizeof(T));
  const Index together = a.runs * a.n <= kShort ? kTogether : 1;
  const Index ahead = a.runs == 1 ? together * a.group_stride : 0;
  for (Index first = 0; first < a.groups; first += together) {
    const Index last = std::min(first + together, a.groups);
    Moments<T> moments[kTogether];
    if (a.given) {
      for (Index group = first; group < last; ++group) {
        Moments<T>& m = moments[group - first];
        m.mean = a.mean == nullptr ? T(0) : a.mean[group];
        m.rstd = static_cast<double>(a.rstd[group]);
      }
    } else {
      for (Index group = first; a.center && group < last; ++group) {
        moments[group - first].mean = GuessMean(d, a, a.x + group * a.group_stride);
      }
      for (Index group = first; group < last; ++group) {
        const T* const x = a.x + group * a.group_stride;
        GroupSquares(d, a, x, moments[group - first], [&](Index i) LAMINA_NORM_INLINE {
          AskAhead<kStream>(x, ahead, a.n, 0, i);
          AskAhead<kStream>(x, ahead, a.n, 1, i);
        });
      }
      for (Index group = first; group < last; ++group) {
        FinishMoments(d, a, a.x + group * a.group_stride, moments[group - first]);
      }
      for (Index group = first; group < last; ++group) {
        StoreMoments(a, moments[group - first], group);
      }
    }
    if (a.y != nullptr) {
      for (Index group = first; group < last; ++group) {
        ApplyGroup<kStream>(d, a, moments[group - first], group, ahead);
      }
    }
  }
  if (kStream) {
    hwy::FlushStream();
  }
}

/// Rows of whole vectors with a factor for each element, streamed: while the sums of a row are
/// taken, the results of the row before are written, so that reading and writing go on together.
template <bool kBeta, class T>
HWY_INLINE void StreamRows(const NormArgs<T>& a) {
  const hn::ScalableTag<T> d;
  using D = hn::ScalableTag<T>;
  constexpr Index kAhead = 4096 / static_cast<Index>(sizeof(T));
  Moments<T> m;
  const auto take = [&](const T* x, const auto& beside) LAMINA_NORM_INLINE {
    m.mean = a.center ? GuessMean(d, a, x) : T(0);
    GroupSquares(d, a, x, m, beside);
    FinishMoments(d, a, x, m);
  };
  take(a.x, [](Index) LAMINA_NORM_INLINE {});
  StoreMoments(a, m, 0);
  for (Index group = 0; group + 1 < a.groups; ++group) {
    const T* const x = a.x + group * a.group_stride;
    const T* const next_x = x + a.group_stride;
    T* const y = a.y + group * a.group_stride;
    const Normalizer<true, kBeta, D> normalizer(d, m, a.gamma, a.beta);
    take(next_x, [&](Index i) LAMINA_NORM_INLINE {
      hwy::Prefetch(next_x + i + kAhead);
      hn::Stream(normalizer.At(d, x, i, Whole<D>()), d, y + i);
    });
    StoreMoments(a, m, group + 1);
  }
  ApplyGroup<true>(d, a, m, a.groups - 1, 0);
  hwy::FlushStream();
}

template <class T>
void NormGroups(const NormArgs<T>& a) {
  constexpr Index kVector = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  // Of longer rows the L1 does not hold the one that is written and the one that is read.
  constexpr Index kLongest = 16384 / static_cast<Index>(sizeof(T));
  const bool whole = a.n <= kLongest && a.n % kVector == 0 && a.group_stride % kVector == 0 &&
                     reinterpret_cast<std::uintptr_t>(a.y) % (kVector * sizeof(T)) == 0;
  if (a.stream && whole && a.runs == 1 && a.groups > 0 && !a.given && a.gamma != nullptr &&
      a.steps.element == 1 && a.steps.group == 0) {
    a.beta == nullptr ? StreamRows<false>(a) : StreamRows<true>(a);
  } else if (a.stream) {
    NormGroupsTo<true>(a);
  } else {
    NormGroupsTo<false>(a);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
