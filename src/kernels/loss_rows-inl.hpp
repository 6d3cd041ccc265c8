// Losses over rows of classes: the sum of exponentials and what follows from it.

#if defined(LAMINA_KERNELS_LOSS_ROWS_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_LOSS_ROWS_INL_HPP_
#undef LAMINA_KERNELS_LOSS_ROWS_INL_HPP_
#else
#define LAMINA_KERNELS_LOSS_ROWS_INL_HPP_
#endif

#include "hwy/cache_control.h"
#include "hwy/highway.h"

#include <limits>

#include "kernels/loss-inl.hpp"
#include "kernels/loss_rows.hpp"
#include "kernels/loss_sums-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {
namespace losses {

/// The greatest of p[0, n), -inf if there is none. NaN may be skipped.
template <class T>
HWY_INLINE T GreatestOf(const T* p, size_t n) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  const T lowest = -std::numeric_limits<T>::infinity();
  auto m0 = hn::Set(d, lowest);
  auto m1 = m0;
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    m0 = hn::Max(hn::LoadU(d, p + i), m0);
    m1 = hn::Max(hn::LoadU(d, p + i + lanes), m1);
  }
  for (; i < n; i += lanes) {
    const size_t count = n - i < lanes ? n - i : lanes;
    const auto v = count < lanes ? LoadFirst(d, p + i, count) : hn::LoadU(d, p + i);
    m0 = hn::Max(hn::IfThenElse(hn::FirstN(d, count), v, hn::Set(d, lowest)), m0);
  }
  return hn::GetLane(hn::MaxOfLanes(d, hn::Max(m0, m1)));
}

template <class T, class V>
HWY_INLINE void StoreSome(T* p, size_t count, V v) {
  const hn::ScalableTag<T> d;
  if (count < hn::Lanes(d)) {
    StoreFirst(d, v, p, count);
  } else {
    hn::StoreU(v, d, p);
  }
}

/// One pass over memory: a block is read twice while it is in the first-level cache, and the sum so
/// far is scaled when a block raises the maximum.
template <class T>
HWY_INLINE ExpSum ExpSumOf(const T* x, size_t n, T* exps) {
  const hn::ScalableTag<T> d;
  const hn::ScalableTag<double> dd;
  const size_t lanes = hn::Lanes(d);
  constexpr size_t kBlock = static_cast<size_t>(kExpBlock);
  ExpSum total{-std::numeric_limits<double>::infinity(), 0};
  for (size_t begin = 0; begin < n; begin += kBlock) {
    const T* p = x + begin;
    const size_t m = n - begin < kBlock ? n - begin : kBlock;
    const double greatest = static_cast<double>(GreatestOf(p, m));
    if (greatest > total.max) {
      // exp(-inf - greatest) = 0 starts it off.
      total.sum *= total.sum == 0 ? 0 : hn::GetLane(Exp(dd, hn::Set(dd, total.max - greatest)));
      total.max = greatest;
    }
    const auto max = hn::Set(d, static_cast<T>(total.max));
    auto s0 = hn::Zero(dd);
    auto s1 = s0;
    auto s2 = s0;
    auto s3 = s0;
    size_t i = 0;
    for (; i + 4 * lanes <= m; i += 4 * lanes) {
      const auto e0 = ExpOfDifference(d, hn::Sub(hn::LoadU(d, p + i), max));
      const auto e1 = ExpOfDifference(d, hn::Sub(hn::LoadU(d, p + i + lanes), max));
      const auto e2 = ExpOfDifference(d, hn::Sub(hn::LoadU(d, p + i + 2 * lanes), max));
      const auto e3 = ExpOfDifference(d, hn::Sub(hn::LoadU(d, p + i + 3 * lanes), max));
      if (exps != nullptr) {
        hn::StoreU(e0, d, exps + i);
        hn::StoreU(e1, d, exps + i + lanes);
        hn::StoreU(e2, d, exps + i + 2 * lanes);
        hn::StoreU(e3, d, exps + i + 3 * lanes);
      }
      // The memory is idle meanwhile: what follows is the next block, or row.
      hwy::Prefetch(p + m + i);
      hwy::Prefetch(p + m + i + lanes);
      hwy::Prefetch(p + m + i + 2 * lanes);
      hwy::Prefetch(p + m + i + 3 * lanes);
      // Two additions before the sum goes on in double err less than the exponentials.
      AddAsDouble(d, hn::Add(hn::Add(e0, e1), hn::Add(e2, e3)), s0, s1);
    }
    for (; i < m; i += lanes) {
      const size_t count = m - i < lanes ? m - i : lanes;
      const auto v = count < lanes ? LoadFirst(d, p + i, count) : hn::LoadU(d, p + i);
      const auto e = ExpOfDifference(d, hn::Sub(v, max));
      if (exps != nullptr) {
        StoreSome(exps + i, count, e);
      }
      // Lanes beyond the end hold exp(0 - max); cleared here.
      AddAsDouble(d, hn::IfThenElseZero(hn::FirstN(d, count), e), s2, s3);
    }
    total.sum += hn::GetLane(hn::SumOfLanes(dd, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
  }
  return total;
}

/// Stores x in double.
template <class D>
HWY_INLINE void StoreAsDouble(D d, hn::Vec<D> x, double* to) {
  const hn::ScalableTag<double> dd;
  auto low = hn::Zero(dd);
  auto high = low;
  AddAsDouble(d, x, low, high);
  hn::StoreU(low, dd, to);
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    hn::StoreU(high, dd, to + hn::Lanes(dd));
  }
}

/// One row to a lane. Few classes would leave most lanes of a row's own vector empty, and its sums
/// across the lanes, its logarithm and its calls cost more than they do.
template <class T>
HWY_INLINE void ExpSumFew(const T* x, size_t n, Index rows, ExpSums& result) {
  const hn::ScalableTag<T> d;
  const hn::ScalableTag<double> dd;
  const hn::RebindToSigned<decltype(d)> di;
  using TI = hn::TFromD<decltype(di)>;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  static_assert(kFewRows % kLanes == 0);
  HWY_ALIGN T scores[kFewClasses * kLanes];
  HWY_ALIGN TI places[kLanes];
  for (Index begin = 0; begin < rows; begin += kLanes) {
    for (Index lane = 0; lane < kLanes; ++lane) {
      // Lanes without a row read the last one.
      places[lane] =
          static_cast<TI>((begin + lane < rows ? begin + lane : rows - 1) * static_cast<Index>(n));
    }
    const auto at = hn::Load(di, places);
    auto max = hn::Set(d, -std::numeric_limits<T>::infinity());
    for (size_t c = 0; c < n; ++c) {
      const auto v = hn::GatherIndex(d, x + c, at);
      hn::Store(v, d, scores + static_cast<Index>(c) * kLanes);
      max = hn::Max(v, max);
    }
    auto s0 = hn::Zero(dd);
    auto s1 = s0;
    for (size_t c = 0; c < n; ++c) {
      const auto v = hn::Load(d, scores + static_cast<Index>(c) * kLanes);
      AddAsDouble(d, ExpOfDifference(d, hn::Sub(v, max)), s0, s1);
    }
    StoreAsDouble(d, max, result.max + begin);
    hn::StoreU(s0, dd, result.sum + begin);
    hn::StoreU(Log(dd, s0), dd, result.log_sum + begin);
    if constexpr (sizeof(T) == 4) {
      const Index half = begin + static_cast<Index>(hn::Lanes(dd));
      hn::StoreU(s1, dd, result.sum + half);
      hn::StoreU(Log(dd, s1), dd, result.log_sum + half);
    }
  }
}

/// Calls f(index, count, x, t, w) for the vectors of a row.
template <class T, class F>
HWY_INLINE void EachVector(const ClassRow<T>& row, const F& f) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  const auto n = static_cast<size_t>(row.n);
  const auto load = [&](const T* p, size_t i, size_t count, double otherwise) HWY_ATTR {
    if (p == nullptr) {
      return Const(d, otherwise);
    }
    return count < lanes ? LoadFirst(d, p + i, count) : hn::LoadU(d, p + i);
  };
  for (size_t i = 0; i < n; i += lanes) {
    const size_t count = n - i < lanes ? n - i : lanes;
    f(i, count, load(row.x, i, count, 0), load(row.t, i, count, 0), load(row.w, i, count, 1));
  }
}

template <class T, class D>
struct RowNumbers {
  using V = hn::Vec<D>;
  HWY_INLINE RowNumbers(D d, const ClassRow<T>& row)
      : scores(row.scores),
        scale(Const(d, row.t_scale)),
        add(Const(d, row.t_add)),
        epsilon(Const(d, row.epsilon)),
        max(Const(d, row.max)),
        log_sum(Const(d, row.log_sum)) {}
  HWY_INLINE V Weight(V t, V w) const { return hn::Mul(w, hn::MulAdd(scale, t, add)); }
  HWY_INLINE V Nll(D d, V x) const {
    switch (scores) {
      case Scores::Logits:
        return hn::Add(hn::Sub(max, x), log_sum);
      case Scores::Probabilities:
        return hn::Neg(Log(d, AtLeast(d, x, epsilon)));
      case Scores::LogProbabilities:
        break;
    }
    return hn::Neg(x);
  }
  Scores scores;
  V scale;
  V add;
  V epsilon;
  V max;
  V log_sum;
};

template <class T>
HWY_INLINE RowLoss RowLossOf(const ClassRow<T>& row) {
  const hn::ScalableTag<T> d;
  const hn::ScalableTag<double> dd;
  const RowNumbers<T, decltype(d)> c(d, row);
  auto w0 = hn::Zero(dd);
  auto w1 = w0;
  auto s0 = w0;
  auto s1 = w0;
  EachVector(row, [&](size_t /*i*/, size_t count, auto x, auto t, auto w) HWY_ATTR {
    const auto inside = hn::FirstN(d, count);
    const auto q = hn::IfThenElseZero(inside, c.Weight(t, w));
    const auto nll = c.Nll(d, x);
    // Where q is 0 only a NaN counts, and only of the row itself.
    const auto skip = hn::And(hn::Eq(q, hn::Zero(d)), hn::Not(hn::And(inside, hn::IsNaN(nll))));
    AddAsDouble(d, q, w0, w1);
    AddAsDouble(d, hn::IfThenZeroElse(skip, hn::Mul(q, nll)), s0, s1);
  });
  return {hn::GetLane(hn::SumOfLanes(dd, hn::Add(w0, w1))),
          hn::GetLane(hn::SumOfLanes(dd, hn::Add(s0, s1)))};
}

template <class T>
HWY_INLINE void RowBackward(const ClassRow<T>& row, double g, double weight, T* dx) {
  const hn::ScalableTag<T> d;
  const RowNumbers<T, decltype(d)> c(d, row);
  const auto scale = Const(d, g);
  const auto minus = Const(d, -g);
  // weight * softmax = exp(x - max) * (weight / sum)
  const auto share = Const(d, weight / row.exp_sum);
  switch (row.scores) {
    case Scores::Logits:
      if (row.exps != nullptr) {
        ClassRow<T> with_exps = row;
        with_exps.x = row.exps;
        EachVector(with_exps, [&](size_t i, size_t count, auto e, auto t, auto w) HWY_ATTR {
          const auto p = hn::Mul(e, share);
          StoreSome(dx + i, count, hn::Mul(scale, hn::Sub(p, c.Weight(t, w))));
        });
        return;
      }
      EachVector(row, [&](size_t i, size_t count, auto x, auto t, auto w) HWY_ATTR {
        const auto p = hn::Mul(ExpOfDifference(d, hn::Sub(x, c.max)), share);
        StoreSome(dx + i, count, hn::Mul(scale, hn::Sub(p, c.Weight(t, w))));
      });
      return;
    case Scores::Probabilities:
      EachVector(row, [&](size_t i, size_t count, auto x, auto t, auto w) HWY_ATTR {
        const auto q = c.Weight(t, w);
        const auto slope = hn::Div(hn::Mul(minus, q), x);
        const auto flat = hn::Or(hn::Lt(x, c.epsilon), hn::Eq(q, hn::Zero(d)));
        StoreSome(dx + i, count, KeepNaN(x, hn::IfThenZeroElse(flat, slope)));
      });
      return;
    case Scores::LogProbabilities:
      EachVector(row, [&](size_t i, size_t count, auto x, auto t, auto w) HWY_ATTR {
        StoreSome(dx + i, count, KeepNaN(x, hn::Mul(minus, c.Weight(t, w))));
      });
      return;
  }
}

template <class T>
HWY_INLINE void RowBackwardTarget(const ClassRow<T>& row, double g, T* dt) {
  const hn::ScalableTag<T> d;
  const RowNumbers<T, decltype(d)> c(d, row);
  const auto scale = Const(d, g * row.t_scale);
  EachVector(row, [&](size_t i, size_t count, auto x, auto t, auto w) HWY_ATTR {
    StoreSome(dt + i, count, KeepNaN(t, hn::Mul(hn::Mul(scale, w), c.Nll(d, x))));
  });
}

}  // namespace losses
}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_LOSS_ROWS_INL_HPP_
