// Reductions along rows and down columns.

#if defined(LAMINA_KERNELS_REDUCE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_REDUCE_INL
#undef LAMINA_KERNELS_REDUCE_INL
#else
#define LAMINA_KERNELS_REDUCE_INL
#endif

#include <algorithm>
#include <limits>
#include <type_traits>

#include "hwy/highway.h"
#include "kernels/math-inl.hpp"
#include "kernels/reduce.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// What a step accumulates: one or two vectors.
template <class V>
struct Accumulator {
  V first;
  V second;
  // Implicit ones are not compiled for the target (NEON).
  HWY_INLINE Accumulator() {}
  HWY_INLINE Accumulator(V a, V b) : first(a), second(b) {}
};

// Each step: Init, the accumulator of nothing; Step, with one more vector of elements; Merge, of
// two accumulators; Column, what a lane of an accumulator comes to.

/// Steps that add Map(x) up.
template <class Self>
struct Adding {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE Accumulator<V> Init(D d) {
    return {hn::Zero(d), hn::Zero(d)};
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE Accumulator<V> Step(D d, Accumulator<V> acc, V x, V p) {
    return {Self::Add(d, acc.first, x, p), acc.second};
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE Accumulator<V> Merge(D /*d*/, Accumulator<V> a, Accumulator<V> b) {
    return {hn::Add(a.first, b.first), hn::Add(a.second, b.second)};
  }
  template <class V>
  static HWY_INLINE V Column(Accumulator<V> acc) {
    return acc.first;
  }
  static constexpr bool kTwo = false;
  static constexpr bool kRowNumbers = false;
  static constexpr bool kExtreme = false;
};

struct SumStep : Adding<SumStep> {
  template <class D, class V>
  static HWY_INLINE V Add(D /*d*/, V sum, V x, V /*p*/) {
    return hn::Add(sum, x);
  }
};
struct SumAbsStep : Adding<SumAbsStep> {
  template <class D, class V>
  static HWY_INLINE V Add(D /*d*/, V sum, V x, V /*p*/) {
    return hn::Add(sum, hn::Abs(x));
  }
};
struct SumSquaresStep : Adding<SumSquaresStep> {
  template <class D, class V>
  static HWY_INLINE V Add(D /*d*/, V sum, V x, V /*p*/) {
    return hn::MulAdd(x, x, sum);
  }
};
struct SumScaledStep : Adding<SumScaledStep> {
  template <class D, class V>
  static HWY_INLINE V Add(D d, V sum, V x, V p) {
    return SumSquaresStep::Add(d, sum, hn::Mul(x, p), p);
  }
};
struct SumExpStep : Adding<SumExpStep> {
  template <class D, class V>
  static HWY_INLINE V Add(D d, V sum, V x, V p) {
    return hn::Add(sum, Exp(d, hn::Sub(x, p)));
  }
};
struct CountEqualStep : Adding<CountEqualStep> {
  template <class D, class V>
  static HWY_INLINE V Add(D d, V sum, V x, V p) {
    return hn::Add(sum, hn::IfThenElseZero(hn::Eq(x, p), hn::Set(d, hn::TFromD<D>(1))));
  }
};
struct CountAbsStep : Adding<CountAbsStep> {
  template <class D, class V>
  static HWY_INLINE V Add(D d, V sum, V x, V p) {
    return CountEqualStep::Add(d, sum, hn::Abs(x), p);
  }
};
struct SumCenteredStep : Adding<SumCenteredStep> {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE Accumulator<V> Step(D /*d*/, Accumulator<V> acc, V x, V p) {
    const V difference = hn::Sub(x, p);
    return {hn::Add(acc.first, difference), hn::MulAdd(difference, difference, acc.second)};
  }
  static constexpr bool kTwo = true;
};

struct ProductStep : Adding<ProductStep> {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE Accumulator<V> Init(D d) {
    return {hn::Set(d, hn::TFromD<D>(1)), hn::Zero(d)};
  }
  template <class D, class V>
  static HWY_INLINE V Add(D /*d*/, V product, V x, V /*p*/) {
    return hn::Mul(product, x);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE Accumulator<V> Merge(D /*d*/, Accumulator<V> a, Accumulator<V> b) {
    return {hn::Mul(a.first, b.first), a.second};
  }
};

/// Extremes. Max and Min lose NaNs on some targets; the squares that are added up in the second
/// vector do not, and are NaN for nothing else. They begin at 1, so that tiny ones cost nothing.
template <class Self>
struct Extreme {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE Accumulator<V> Init(D d) {
    return {hn::Set(d, Self::template Worst<hn::TFromD<D>>()), hn::Set(d, hn::TFromD<D>(1))};
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE Accumulator<V> Step(D /*d*/, Accumulator<V> acc, V x, V /*p*/) {
    return {Self::Better(acc.first, Self::Map(x)), hn::MulAdd(x, x, acc.second)};
  }
  /// Four steps, of which an accumulator waits for one of each kind.
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE Accumulator<V> FourSteps(D d, Accumulator<V> acc, V (&x)[4]) {
    V best = Self::Better(Self::Better(Self::Map(x[0]), Self::Map(x[1])),
                          Self::Better(Self::Map(x[2]), Self::Map(x[3])));
    V squares = hn::Set(d, hn::TFromD<D>(1));
    for (const V& v : x) {
      squares = hn::MulAdd(v, v, squares);
    }
    return {Self::Better(acc.first, best), hn::Add(acc.second, squares)};
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE Accumulator<V> Merge(D /*d*/, Accumulator<V> a, Accumulator<V> b) {
    return {Self::Better(a.first, b.first), hn::Add(a.second, b.second)};
  }
  template <class V>
  static HWY_INLINE V Column(Accumulator<V> acc) {
    return hn::IfThenElse(hn::IsNaN(acc.second), acc.second, acc.first);
  }
  template <class V>
  static HWY_INLINE V Map(V x) {
    return x;
  }
  static constexpr bool kTwo = false;
  static constexpr bool kRowNumbers = false;
  static constexpr bool kExtreme = true;
};
struct MaxStep : Extreme<MaxStep> {
  template <class T>
  static constexpr T Worst() {
    return -std::numeric_limits<T>::infinity();
  }
  template <class V>
  static HWY_INLINE V Better(V a, V b) {
    return hn::Max(a, b);
  }
};
struct MinStep : Extreme<MinStep> {
  template <class T>
  static constexpr T Worst() {
    return std::numeric_limits<T>::infinity();
  }
  template <class V>
  static HWY_INLINE V Better(V a, V b) {
    return hn::Min(a, b);
  }
};
struct MaxAbsStep : Extreme<MaxAbsStep> {
  template <class T>
  static constexpr T Worst() {
    return T(0);
  }
  template <class V>
  static HWY_INLINE V Better(V a, V b) {
    return hn::Max(a, b);
  }
  template <class V>
  static HWY_INLINE V Map(V x) {
    return hn::Abs(x);
  }
};

/// Extremes down columns with their positions, which are counted in T: up to kReduceRows is exact.
/// In place of a parameter the step takes the row's number.
template <bool kMax>
struct ColumnPositionStep {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE Accumulator<V> Init(D d) {
    // Everything is better than this, and the first row takes it.
    const V worst =
        hn::Set(d, (kMax ? MaxStep::Worst<hn::TFromD<D>>() : MinStep::Worst<hn::TFromD<D>>()));
    return {worst, hn::Zero(d)};
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE Accumulator<V> Step(D /*d*/, Accumulator<V> acc, V x, V row) {
    const auto better = kMax ? hn::Gt(x, acc.first) : hn::Lt(x, acc.first);
    // The first NaN stays: nothing compares as better, and a second one is not taken.
    const auto first_nan = hn::AndNot(hn::IsNaN(acc.first), hn::IsNaN(x));
    const auto take = hn::Or(better, first_nan);
    return {hn::IfThenElse(take, x, acc.first), hn::IfThenElse(take, row, acc.second)};
  }
  template <class V>
  static HWY_INLINE V Column(Accumulator<V> acc) {
    return acc.first;
  }
  static constexpr bool kTwo = true;
  static constexpr bool kRowNumbers = true;
  static constexpr bool kExtreme = false;
};

/// The vector at p, for several uses: GCC would read memory for each of them.
template <class D>
HWY_INLINE hn::Vec<D> LoadOnce(D d, const hn::TFromD<D>* p) {
  auto v = hn::LoadU(d, p);
#if LAMINA_MATH_AVX512
  asm("" : "+v"(v.raw));
#endif
  return v;
}

/// Four vectors at a time.
template <class S, class D, class V = hn::Vec<D>, class T = hn::TFromD<D>>
HWY_INLINE Index RowQuads(D d, const T* x, Index n, V p, Accumulator<V> (&s)[4]) {
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const auto quad = [&](const T* from, Accumulator<V>& one) HWY_ATTR {
    if constexpr (S::kExtreme) {
      V v[4];
      for (Index k = 0; k < 4; ++k) {
        v[k] = LoadOnce(d, from + k * lanes);
      }
      one = S::FourSteps(d, one, v);
    } else {
      for (Index k = 0; k < 4; ++k) {
        s[k] = S::Step(d, s[k], hn::LoadU(d, from + k * lanes), p);
      }
    }
  };
  Index i = 0;
  for (; i + 8 * lanes <= n; i += 8 * lanes) {
    quad(x + i, s[0]);
    quad(x + i + 4 * lanes, s[1]);
  }
  if (i + 4 * lanes <= n) {
    quad(x + i, s[0]);
    i += 4 * lanes;
  }
  return i;
}

/// What the elements of output o come to, spread over the lanes. kWhole: one run of whole vectors.
template <class S, bool kWhole, class D, class V = hn::Vec<D>, class T = hn::TFromD<D>>
HWY_INLINE Accumulator<V> RowLanes(D d, const ReduceRowsArgs<T>& a, Index o) {
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const V p = a.parameter != nullptr ? hn::Set(d, a.parameter[o]) : hn::Zero(d);
  const Accumulator<V> init = S::Init(d);
  Accumulator<V> s[4] = {init, init, init, init};
  const Index runs = kWhole ? 1 : a.runs;
  for (Index r = 0; r < runs; ++r) {
    const T* x = a.x + o * a.x_stride + r * a.run_stride;
    Index i = RowQuads<S>(d, x, a.n, p, s);
    for (; i + lanes <= a.n; i += lanes) {
      s[0] = S::Step(d, s[0], hn::LoadU(d, x + i), p);
    }
    if (!kWhole && i < a.n) {
      const auto mask = TailMask(d, a.n - i);
      const Accumulator<V> next = S::Step(d, s[1], LoadTail(d, x + i, a.n - i), p);
      s[1].first = hn::IfThenElse(mask, next.first, s[1].first);
      s[1].second = hn::IfThenElse(mask, next.second, s[1].second);
    }
  }
  if constexpr (S::kExtreme) {
    return S::Merge(d, s[0], s[1]);  // the others were not used
  }
  return S::Merge(d, S::Merge(d, s[0], s[1]), S::Merge(d, s[2], s[3]));
}

/// Adjacent lanes joined: those of a in the lower half, those of b in the upper one.
template <class S, class D, class V = hn::Vec<D>>
HWY_INLINE Accumulator<V> JoinPairs(D d, Accumulator<V> a, Accumulator<V> b) {
  const auto pairs = [&](V u, V v, auto part) HWY_ATTR {
    return decltype(part)::value ? hn::ConcatOdd(d, v, u) : hn::ConcatEven(d, v, u);
  };
  const std::false_type even{};
  const std::true_type odd{};
  Accumulator<V> x{pairs(a.first, b.first, even), a.second};
  Accumulator<V> y{pairs(a.first, b.first, odd), a.second};
  if constexpr (S::kTwo || S::kExtreme) {
    x.second = pairs(a.second, b.second, even);
    y.second = pairs(a.second, b.second, odd);
  }
  return S::Merge(d, x, y);
}

/// As many outputs as a vector has lanes: pairs of lanes are joined until each has one left.
template <class S, bool kWhole, class D, class T = hn::TFromD<D>>
HWY_INLINE void RowGroup(D d, const ReduceRowsArgs<T>& a, Index o) {
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  Accumulator<hn::Vec<D>> rows[kLanes];
  for (Index r = 0; r < kLanes; ++r) {
    rows[r] = RowLanes<S, kWhole>(d, a, o + r);
  }
  for (Index n = kLanes; n > 1; n /= 2) {
    for (Index r = 0; r < n / 2; ++r) {
      rows[r] = JoinPairs<S>(d, rows[2 * r], rows[2 * r + 1]);
    }
  }
  hn::StoreU(S::Column(rows[0]), d, a.first + o);
  if constexpr (S::kTwo) {
    hn::StoreU(rows[0].second, d, a.second + o);
  }
}

template <class S, class D, class T = hn::TFromD<D>>
HWY_INLINE void RowBlocks(D d, const ReduceRowsArgs<T>& args) {
  using V = hn::Vec<D>;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  const ReduceRowsArgs<T> a = args;  // which no store to a result can change
  const bool whole = a.runs == 1 && a.n % kLanes == 0 && a.parameter == nullptr;
  Index o = 0;
  for (; o + kLanes <= a.count; o += kLanes) {
    if (whole) {
      RowGroup<S, true>(d, a, o);
    } else {
      RowGroup<S, false>(d, a, o);
    }
  }
  // The same for one, which keeps its bits wherever it stands.
  for (; o < a.count; ++o) {
    Accumulator<V> row = RowLanes<S, false>(d, a, o);
    for (Index n = kLanes; n > 1; n /= 2) {
      row = JoinPairs<S>(d, row, row);
    }
    a.first[o] = hn::GetLane(S::Column(row));
    if constexpr (S::kTwo) {
      a.second[o] = hn::GetLane(row.second);
    }
  }
}

/// First position of the value, or of a NaN if the value is one. It is known to be there.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE Index FirstPosition(D d, const T* x, Index n, T value) {
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const bool is_nan = value != value;
  const auto wanted = hn::Set(d, value);
  Index i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    const auto hit = is_nan ? hn::IsNaN(v) : hn::Eq(v, wanted);
    if (!hn::AllFalse(d, hit)) {
      break;
    }
  }
  while (i < n && !(is_nan ? x[i] != x[i] : x[i] == value)) {
    ++i;
  }
  return i;
}

template <class S, class D, class T = hn::TFromD<D>>
HWY_INLINE void RowPositions(D d, const ReduceRowsArgs<T>& a) {
  RowBlocks<S>(d, a);
  for (Index o = 0; o < a.count; ++o) {
    a.second[o] = static_cast<T>(FirstPosition(d, a.x + o * a.x_stride, a.n, a.first[o]));
  }
}

/// One more step for a vector of columns with each of kColumnRows rows.
constexpr Index kColumnRows = 4;
template <class S, class D, class V = hn::Vec<D>, class T = hn::TFromD<D>>
HWY_INLINE Accumulator<V> ColumnRows(D d, Accumulator<V> acc, const T* x, Index stride, V p,
                                     Index row) {
  if constexpr (S::kExtreme) {
    V v[kColumnRows];
    for (Index r = 0; r < kColumnRows; ++r) {
      v[r] = LoadOnce(d, x + r * stride);
    }
    return S::FourSteps(d, acc, v);
  } else {
    for (Index r = 0; r < kColumnRows; ++r) {
      const V q = S::kRowNumbers ? hn::Set(d, static_cast<T>(row + r)) : p;
      acc = S::Step(d, acc, hn::LoadU(d, x + r * stride), q);
    }
  }
  return acc;
}

/// kVectors vectors of columns from j on, accumulated in registers.
template <class S, int kVectors, class D, class T = hn::TFromD<D>>
HWY_INLINE void ColumnStrip(D d, const ReduceColumnsArgs<T>& a, Index j) {
  using V = hn::Vec<D>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  V p[kVectors];
  Accumulator<V> acc[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    p[v] = a.parameter != nullptr ? hn::LoadU(d, a.parameter + j + v * lanes) : hn::Zero(d);
    acc[v] = S::Init(d);
  }
  const T* x = a.x + j;
  Index row = 0;
  for (; row + kColumnRows <= a.rows; row += kColumnRows) {
    for (int v = 0; v < kVectors; ++v) {
      acc[v] = ColumnRows<S>(d, acc[v], x + row * a.x_stride + v * lanes, a.x_stride, p[v], row);
    }
  }
  for (; row < a.rows; ++row) {
    for (int v = 0; v < kVectors; ++v) {
      const V q = S::kRowNumbers ? hn::Set(d, static_cast<T>(row)) : p[v];
      acc[v] = S::Step(d, acc[v], hn::LoadU(d, x + row * a.x_stride + v * lanes), q);
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    hn::StoreU(S::Column(acc[v]), d, a.first + j + v * lanes);
    if constexpr (S::kTwo) {
      hn::StoreU(acc[v].second, d, a.second + j + v * lanes);
    }
  }
}

/// A few columns stay in registers. Otherwise accumulators wait in memory, so that long stretches
/// of each row are read at once: that is what the hardware prefetcher and the address translation
/// like.
template <class S, class D, class T = hn::TFromD<D>>
HWY_INLINE void ColumnBlock(D d, const ReduceColumnsArgs<T>& a) {
  using V = hn::Vec<D>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  constexpr bool kSecond = S::kTwo || S::kExtreme;
  // Extremes keep two vectors waiting.
  constexpr Index kTogether = S::kExtreme ? 2 * kColumnRows : kColumnRows;
  Index begin = 0;
  if (a.width <= 8 * lanes) {
    for (; begin + 4 * lanes <= a.width; begin += 4 * lanes) {
      ColumnStrip<S, 4>(d, a, begin);
    }
    for (; begin + lanes <= a.width; begin += lanes) {
      ColumnStrip<S, 1>(d, a, begin);
    }
    if (begin == a.width) {
      return;
    }
  }
  HWY_ALIGN T first[kReduceWidth];
  HWY_ALIGN T second[kReduceWidth];
  for (Index row = 0; row == 0 || row < a.rows; row += kTogether) {
    const Index rows = std::min(kTogether, a.rows - row);
    const bool is_last = row + kTogether >= a.rows;
    const T* x = a.x + row * a.x_stride;
    for (Index j = begin; j < a.width; j += lanes) {
      const Index count = std::min(lanes, a.width - j);
      const bool whole = count == lanes;
      V p = hn::Zero(d);
      if (a.parameter != nullptr) {
        p = whole ? hn::LoadU(d, a.parameter + j) : LoadTail(d, a.parameter + j, count);
      }
      Accumulator<V> acc = S::Init(d);
      if (row > 0) {
        acc.first = hn::Load(d, first + j - begin);
        acc.second = kSecond ? hn::Load(d, second + j - begin) : acc.second;
      }
      if (rows == kTogether && whole) {
        for (Index r = 0; r < kTogether; r += kColumnRows) {
          acc = ColumnRows<S>(d, acc, x + j + r * a.x_stride, a.x_stride, p, row + r);
        }
      } else {
        for (Index r = 0; r < rows; ++r) {
          const T* from = x + r * a.x_stride + j;
          const V q = S::kRowNumbers ? hn::Set(d, static_cast<T>(row + r)) : p;
          acc = S::Step(d, acc, whole ? hn::LoadU(d, from) : LoadTail(d, from, count), q);
        }
      }
      if (!is_last) {
        hn::Store(acc.first, d, first + j - begin);
        if constexpr (kSecond) {
          hn::Store(acc.second, d, second + j - begin);
        }
      } else if (whole) {
        hn::StoreU(S::Column(acc), d, a.first + j);
        if constexpr (S::kTwo) {
          hn::StoreU(acc.second, d, a.second + j);
        }
      } else {
        StoreTail(d, S::Column(acc), a.first + j, count);
        if constexpr (S::kTwo) {
          StoreTail(d, acc.second, a.second + j, count);
        }
      }
    }
  }
}

template <class T>
void ReduceRowsOf(const ReduceRowsArgs<T>& a) {
  const hn::ScalableTag<T> d;
  switch (a.step) {
    case ReduceStep::Sum:
      return RowBlocks<SumStep>(d, a);
    case ReduceStep::SumAbs:
      return RowBlocks<SumAbsStep>(d, a);
    case ReduceStep::SumSquares:
      return RowBlocks<SumSquaresStep>(d, a);
    case ReduceStep::SumCentered:
      return RowBlocks<SumCenteredStep>(d, a);
    case ReduceStep::SumScaled:
      return RowBlocks<SumScaledStep>(d, a);
    case ReduceStep::SumExp:
      return RowBlocks<SumExpStep>(d, a);
    case ReduceStep::Product:
      return RowBlocks<ProductStep>(d, a);
    case ReduceStep::Max:
      return RowBlocks<MaxStep>(d, a);
    case ReduceStep::Min:
      return RowBlocks<MinStep>(d, a);
    case ReduceStep::MaxAbs:
      return RowBlocks<MaxAbsStep>(d, a);
    case ReduceStep::CountEqual:
      return RowBlocks<CountEqualStep>(d, a);
    case ReduceStep::CountAbs:
      return RowBlocks<CountAbsStep>(d, a);
    case ReduceStep::ArgMax:
      return RowPositions<MaxStep>(d, a);
    case ReduceStep::ArgMin:
      return RowPositions<MinStep>(d, a);
  }
}

template <class T>
void ReduceColumnsOf(const ReduceColumnsArgs<T>& a) {
  const hn::ScalableTag<T> d;
  switch (a.step) {
    case ReduceStep::Sum:
      return ColumnBlock<SumStep>(d, a);
    case ReduceStep::SumAbs:
      return ColumnBlock<SumAbsStep>(d, a);
    case ReduceStep::SumSquares:
      return ColumnBlock<SumSquaresStep>(d, a);
    case ReduceStep::SumCentered:
      return ColumnBlock<SumCenteredStep>(d, a);
    case ReduceStep::SumScaled:
      return ColumnBlock<SumScaledStep>(d, a);
    case ReduceStep::SumExp:
      return ColumnBlock<SumExpStep>(d, a);
    case ReduceStep::Product:
      return ColumnBlock<ProductStep>(d, a);
    case ReduceStep::Max:
      return ColumnBlock<MaxStep>(d, a);
    case ReduceStep::Min:
      return ColumnBlock<MinStep>(d, a);
    case ReduceStep::MaxAbs:
      return ColumnBlock<MaxAbsStep>(d, a);
    case ReduceStep::CountEqual:
      return ColumnBlock<CountEqualStep>(d, a);
    case ReduceStep::CountAbs:
      return ColumnBlock<CountAbsStep>(d, a);
    case ReduceStep::ArgMax:
      return ColumnBlock<ColumnPositionStep<true>>(d, a);
    case ReduceStep::ArgMin:
      return ColumnBlock<ColumnPositionStep<false>>(d, a);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
