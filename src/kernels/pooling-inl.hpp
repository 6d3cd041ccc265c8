// Pooling for any vector width.
//
// Channels first ("lines"): a line of output comes from a few lines of x. First these are combined
// down the columns, a vector of columns at a time, into a line in the cache with neutral elements
// where there is padding; for stride 2 its even and odd columns go to lines of their own. Then the
// taps of a window are so many loads of neighbors. Channels last: a vector of channels at a time.

#if defined(LAMINA_KERNELS_POOLING_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_POOLING_INL_HPP_
#undef LAMINA_KERNELS_POOLING_INL_HPP_
#else
#define LAMINA_KERNELS_POOLING_INL_HPP_
#endif

#include <algorithm>
#include <limits>
#include <type_traits>

#include "hwy/highway.h"
#include "kernels/pooling.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct PoolMax {
  static constexpr bool kMax = true;
  template <class D>
  static HWY_INLINE hn::Vec<D> Neutral(D d) {
    return hn::Set(d, -std::numeric_limits<hn::TFromD<D>>::infinity());
  }
  template <class V>
  static HWY_INLINE V Load(V x) {
    return x;
  }
  /// NaN if one of them is.
  template <class V>
  static HWY_INLINE V Combine(V acc, V x) {
#if HWY_ARCH_X86 && HWY_TARGET != HWY_EMU128
    // The instruction returns its second operand where one is NaN.
    return hn::IfThenElse(hn::IsNaN(acc), acc, hn::Max(acc, x));
#else
    const V greater = hn::IfThenElse(hn::IsNaN(x), x, hn::Max(acc, x));
    return hn::IfThenElse(hn::IsNaN(acc), acc, greater);
#endif
  }
};

struct PoolSum {
  static constexpr bool kMax = false;
  template <class D>
  static HWY_INLINE hn::Vec<D> Neutral(D d) {
    return hn::Zero(d);
  }
  template <class V>
  static HWY_INLINE V Load(V x) {
    return x;
  }
  template <class V>
  static HWY_INLINE V Combine(V acc, V x) {
    return hn::Add(acc, x);
  }
};

struct PoolSumAbs : PoolSum {
  template <class V>
  static HWY_INLINE V Load(V x) {
    return hn::Abs(x);
  }
};

struct PoolSumSquares : PoolSum {
  template <class V>
  static HWY_INLINE V Load(V x) {
    return hn::Mul(x, x);
  }
};

/// The lines of x that one line of output is made of.
template <class T>
struct PoolRows {
  const T* first = nullptr;
  Index outer = 1, inner = 1;
  Index outer_step = 0, inner_step = 0;
  [[nodiscard]] PoolRows At(Index column) const {
    PoolRows moved = *this;
    moved.first += column;
    return moved;
  }
};

template <class Op, bool kTail, class D>
HWY_INLINE hn::Vec<D> PoolLoad(D d, const hn::TFromD<D>* from, Index left) {
  if constexpr (!kTail) {
    return Op::Load(hn::LoadU(d, from));
  } else {
    const auto x = Op::Load(LoadTail(d, from, left));
    if constexpr (!Op::kMax) return x;  // zero is neutral
    return hn::IfThenElse(TailMask(d, left), x, Op::Neutral(d));
  }
}

/// A vector of columns, combined over all rows; kRows of them in one run, or any number (0).
template <class Op, int kRows, bool kTail, class D>
HWY_INLINE hn::Vec<D> PoolDown(D d, const PoolRows<hn::TFromD<D>>& rows, Index column, Index left) {
  if constexpr (kRows > 0) {
    auto acc = PoolLoad<Op, kTail>(d, rows.first + column, left);
    for (Index r = 1; r < kRows; ++r) {
      acc =
          Op::Combine(acc, PoolLoad<Op, kTail>(d, rows.first + column + r * rows.inner_step, left));
    }
    return acc;
  }
  auto acc = Op::Neutral(d);
  const auto* outer = rows.first + column;
  for (Index o = 0; o < rows.outer; ++o, outer += rows.outer_step) {
    const auto* inner = outer;
    for (Index r = 0; r < rows.inner; ++r, inner += rows.inner_step) {
      acc = Op::Combine(acc, PoolLoad<Op, kTail>(d, inner, left));
    }
  }
  return acc;
}

/// `width` columns to `even`, or with two phases those of even position to `even`, the others to
/// `odd`. Up to a vector of neutral elements is written behind each.
template <class Op, int kPhases, int kRows, class T>
HWY_INLINE void PoolColumnsOf(const PoolRows<T>& rows, Index width, T* HWY_RESTRICT even,
                              T* HWY_RESTRICT odd) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Index c = 0;
  if constexpr (kPhases == 1) {
    for (; c + lanes <= width; c += lanes) {
      hn::StoreU(PoolDown<Op, kRows, false>(d, rows, c, lanes), d, even + c);
    }
    if (c < width) {
      hn::StoreU(PoolDown<Op, kRows, true>(d, rows, c, width - c), d, even + c);
    }
  } else {
    for (; c + 2 * lanes <= width; c += 2 * lanes) {
      const auto a = PoolDown<Op, kRows, false>(d, rows, c, lanes);
      const auto b = PoolDown<Op, kRows, false>(d, rows, c + lanes, lanes);
      hn::StoreU(hn::ConcatEven(d, b, a), d, even + c / 2);
      hn::StoreU(hn::ConcatOdd(d, b, a), d, odd + c / 2);
    }
    if (c < width) {
      const Index left = width - c;
      const auto a = PoolDown<Op, kRows, true>(d, rows, c, HWY_MIN(left, lanes));
      const auto b = left <= lanes ? Op::Neutral(d)
                                   : PoolDown<Op, kRows, true>(d, rows, c + lanes, left - lanes);
      hn::StoreU(hn::ConcatEven(d, b, a), d, even + c / 2);
      hn::StoreU(hn::ConcatOdd(d, b, a), d, odd + c / 2);
    }
  }
}

template <class Op, int kPhases, class T>
void PoolColumns(const PoolRows<T>& rows, Index width, T* even, T* odd) {
  if (rows.outer == 1 && rows.inner == 1)
    return PoolColumnsOf<Op, kPhases, 1>(rows, width, even, odd);
  if (rows.outer == 1 && rows.inner == 2)
    return PoolColumnsOf<Op, kPhases, 2>(rows, width, even, odd);
  if (rows.outer == 1 && rows.inner == 3)
    return PoolColumnsOf<Op, kPhases, 3>(rows, width, even, odd);
  PoolColumnsOf<Op, kPhases, 0>(rows, width, even, odd);
}

template <class Op, class D>
HWY_INLINE hn::Vec<D> PoolFinished(D d, const PoolArgs<hn::TFromD<D>>& a, hn::Vec<D> acc,
                                   hn::Vec<D> divisor) {
  if constexpr (Op::kMax) {
    return acc;
  } else {
    switch (a.finish) {
      case PoolFinish::None:
        return acc;
      case PoolFinish::Scale:
        return hn::Mul(acc, hn::Set(d, a.factor));
      case PoolFinish::Divide:
        return hn::Div(acc, divisor);
      case PoolFinish::Root:
        return hn::Sqrt(acc);
    }
    return acc;
  }
}

/// A line of x in the cache: padded, in one or two phases.
template <int kPhases, class T>
struct PoolLine {
  T* start = nullptr;
  Index phase_size = 0;
  /// Position u of the padded line.
  [[nodiscard]] HWY_INLINE T* At(Index u) const {
    return kPhases == 1 ? start + u : start + (u & 1) * phase_size + u / 2;
  }
};

/// Finished sums of the taps, y[i] for i < n. kTaps > 0: so many, neighbors.
template <class Op, int kPhases, int kTaps, class T>
HWY_INLINE void PoolAcross(const PoolArgs<T>& a, const PoolLine<kPhases, T>& line, Index n,
                           T row_divisor, const T* divisors, T* HWY_RESTRICT y) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const auto rows = hn::Set(d, row_divisor);
  const Index taps = kTaps > 0 ? kTaps : a.kernel;
  const Index step = kTaps > 0 ? 1 : a.width.step;
  for (Index i = 0; i < n; i += lanes) {
    auto acc = hn::LoadU(d, line.At(0) + i);
    for (Index t = 1; t < taps; ++t) {
      acc = Op::Combine(acc, hn::LoadU(d, line.At(t * step) + i));
    }
    auto divisor = rows;
    if (!Op::kMax && a.finish == PoolFinish::Divide) {
      divisor = hn::Mul(rows, hn::LoadU(d, divisors + i));
    }
    acc = PoolFinished<Op>(d, a, acc, divisor);
    if (i + lanes <= n) {
      hn::StoreU(acc, d, y + i);
    } else {
      StoreTail(d, acc, y + i, n - i);
    }
  }
}

/// Finishes sums in place.
template <class Op, class T>
HWY_INLINE void PoolFinishLine(const PoolArgs<T>& a, Index n, T row_divisor, const T* divisors,
                               T* y) {
  if (Op::kMax || a.finish == PoolFinish::None) return;
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const auto rows = hn::Set(d, row_divisor);
  for (Index i = 0; i < n; i += lanes) {
    const Index left = HWY_MIN(lanes, n - i);
    auto divisor = rows;
    if (a.finish == PoolFinish::Divide) divisor = hn::Mul(rows, hn::LoadU(d, divisors + i));
    StoreTail(d, PoolFinished<Op>(d, a, LoadTail(d, y + i, left), divisor), y + i, left);
  }
}

/// Windows of two columns side by side: nothing passes through memory.
template <class Op, int kRows, class T>
HWY_INLINE void PoolPairsOf(const PoolArgs<T>& a, const PoolRows<T>& x, Index width, Index n,
                            T row_divisor, const T* divisors, T* HWY_RESTRICT y) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const auto rows = hn::Set(d, row_divisor);
  Index i = 0;
  for (; i + lanes <= n && 2 * (i + lanes) <= width; i += lanes) {
    const auto p = PoolDown<Op, kRows, false>(d, x, 2 * i, lanes);
    const auto q = PoolDown<Op, kRows, false>(d, x, 2 * i + lanes, lanes);
    const auto acc = Op::Combine(hn::ConcatEven(d, q, p), hn::ConcatOdd(d, q, p));
    auto divisor = rows;
    if (!Op::kMax && a.finish == PoolFinish::Divide) {
      divisor = hn::Mul(rows, hn::LoadU(d, divisors + i));
    }
    hn::StoreU(PoolFinished<Op>(d, a, acc, divisor), d, y + i);
  }
  if (i < n) {
    const Index left = width - 2 * i;
    const auto p = PoolDown<Op, kRows, true>(d, x, 2 * i, HWY_MIN(left, lanes));
    const auto q = left <= lanes ? Op::Neutral(d)
                                 : PoolDown<Op, kRows, true>(d, x, 2 * i + lanes, left - lanes);
    const auto acc = Op::Combine(hn::ConcatEven(d, q, p), hn::ConcatOdd(d, q, p));
    auto divisor = rows;
    if (!Op::kMax && a.finish == PoolFinish::Divide) {
      divisor = hn::Mul(rows, hn::LoadU(d, divisors + i));
    }
    StoreTail(d, PoolFinished<Op>(d, a, acc, divisor), y + i, n - i);
  }
}

/// One window of neighbors, or of elements `step` apart.
template <class Op, class T>
HWY_INLINE T PoolWindow(const T* HWY_RESTRICT from, Index count, Index step) {
  const hn::CappedTag<T, 1> one;
  auto acc = Op::Neutral(one);
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Index i = 0;
  if (step == 1 && count >= 2 * lanes) {
    auto sum = hn::LoadU(d, from);
    for (i = lanes; i + lanes <= count; i += lanes) {
      sum = Op::Combine(sum, hn::LoadU(d, from + i));
    }
    HWY_ALIGN T values[hn::MaxLanes(d)];
    hn::Store(sum, d, values);
    for (Index lane = 0; lane < lanes; ++lane) {
      acc = Op::Combine(acc, hn::Set(one, values[lane]));
    }
  }
  for (; i < count; ++i) {
    acc = Op::Combine(acc, hn::Set(one, from[i * step]));
  }
  return hn::GetLane(acc);
}

/// Where a unit of work lies, followed without divisions.
class PoolWalk {
 public:
  PoolWalk(Index unit, Index tiles, Index channels, Index depth, Index height)
      : tiles_(tiles), channels_(channels), depths_(depth), heights_(height) {
    tile = unit % tiles;
    line = unit / tiles;
    Index rest = line;
    h = rest % height;
    rest /= height;
    d = rest % depth;
    rest /= depth;
    channel = rest % channels;
    image = rest / channels;
  }
  void Next() {
    if (++tile < tiles_) return;
    tile = 0;
    ++line;
    if (++h < heights_) return;
    h = 0;
    if (++d < depths_) return;
    d = 0;
    if (++channel < channels_) return;
    channel = 0;
    ++image;
  }
  Index tile = 0, line = 0, h = 0, d = 0, channel = 0, image = 0;

 private:
  Index tiles_, channels_, depths_, heights_;
};

template <class T>
HWY_INLINE PoolRows<T> PoolRowsAt(const PoolArgs<T>& a, const PoolWalk& at) {
  const PoolSpan& depth = a.depth.spans[at.d];
  const PoolSpan& height = a.height.spans[at.h];
  return {a.x + at.image * a.image_stride + at.channel * a.channel_stride +
              depth.begin * a.depth_stride + height.begin * a.height_stride,
          depth.count, height.count, a.depth.step * a.depth_stride,
          a.height.step * a.height_stride};
}

template <class T>
HWY_INLINE T PoolRowDivisor(const PoolArgs<T>& a, const PoolWalk& at) {
  return static_cast<T>(a.depth.spans[at.d].divisor * a.height.spans[at.h].divisor);
}

/// The part of a line that one tile of outputs needs.
struct PoolPart {
  Index first = 0;          // output
  Index outputs = 0;        // how many
  Index start = 0;          // column of x of padded position 0
  Index width = 0;          // padded positions
  Index low = 0, high = 0;  // those that are columns of x
  template <class T>
  PoolPart(const PoolArgs<T>& a, Index tile) {
    first = tile * a.tile;
    outputs = HWY_MIN(a.tile, a.width.out - first);
    start = first * a.stride - a.before;
    width = (outputs - 1) * a.stride + (a.kernel - 1) * a.width.step + 1;
    low = HWY_MAX(Index{0}, -start);
    high = HWY_MAX(low, HWY_MIN(width, a.width.in - start));
  }
};

template <class Op, int kPhases, class T>
void PoolLinesEven(const PoolArgs<T>& a, Index begin, Index end, T* scratch) {
  const hn::ScalableTag<T> d;
  const Index tiles = (a.width.out + a.tile - 1) / a.tile;
  const bool pairs = kPhases == 2 && a.kernel == 2 && a.width.step == 1 && a.before == 0;
  const PoolPart whole(a, 0);
  const PoolLine<kPhases, T> line{scratch, whole.width / 2 + 1 + kPoolSlack};
  const Index filled = pairs ? 0 : (kPhases == 1 ? whole.width + kPoolSlack : 2 * line.phase_size);
  const T neutral = hn::GetLane(Op::Neutral(d));
  std::fill_n(scratch, filled, neutral);
  PoolWalk at(begin, tiles, a.channels, a.depth.out, a.height.out);
  for (Index unit = begin; unit < end; ++unit, at.Next()) {
    const PoolPart part = tiles == 1 ? whole : PoolPart(a, at.tile);
    const PoolRows<T> rows = PoolRowsAt(a, at);
    const T row_divisor = PoolRowDivisor(a, at);
    const T* divisors = a.width_divisors + part.first;
    T* y = a.y + at.line * a.width.out + part.first;
    if constexpr (kPhases == 2) {
      if (pairs) {
        const PoolRows<T> x = rows.At(part.start);
        if (x.outer == 1 && x.inner == 2) {
          PoolPairsOf<Op, 2>(a, x, part.high, part.outputs, row_divisor, divisors, y);
        } else {
          PoolPairsOf<Op, 0>(a, x, part.high, part.outputs, row_divisor, divisors, y);
        }
        continue;
      }
    }
    // What lies on padding stays neutral from line to line.
    if (tiles > 1 && (part.low > 0 || part.high < part.width))
      std::fill_n(scratch, filled, neutral);
    if (part.high > part.low) {
      PoolColumns<Op, kPhases>(rows.At(part.start + part.low), part.high - part.low,
                               line.At(part.low), line.At(part.low + 1));
    }
    if (kPhases == 1 && a.stride > 1) {
      for (Index i = 0; i < part.outputs; ++i) {
        y[i] = PoolWindow<Op>(line.At(i * a.stride), a.kernel, a.width.step);
      }
      PoolFinishLine<Op>(a, part.outputs, row_divisor, divisors, y);
    } else if (a.width.step == 1 && a.kernel == 3) {
      PoolAcross<Op, kPhases, 3>(a, line, part.outputs, row_divisor, divisors, y);
    } else {
      PoolAcross<Op, kPhases, 0>(a, line, part.outputs, row_divisor, divisors, y);
    }
  }
}

/// Windows of any extents: the columns of all of x's line, then each window by itself.
template <class Op, class T>
void PoolLinesUneven(const PoolArgs<T>& a, Index begin, Index end, T* scratch) {
  PoolWalk at(begin, 1, a.channels, a.depth.out, a.height.out);
  for (Index unit = begin; unit < end; ++unit, at.Next()) {
    PoolColumns<Op, 1>(PoolRowsAt(a, at), a.width.in, scratch, scratch);
    T* y = a.y + at.line * a.width.out;
    for (Index i = 0; i < a.width.out; ++i) {
      const PoolSpan& span = a.width.spans[i];
      y[i] = PoolWindow<Op>(scratch + span.begin, span.count, a.width.step);
    }
    PoolFinishLine<Op>(a, a.width.out, PoolRowDivisor(a, at), a.width_divisors, y);
  }
}

template <class D>
using PoolPlace = hn::RebindToSigned<D>;

/// acc and place take x and x_place where x is greater, or NaN: so the first of equals stays, and
/// the last NaN, as in PyTorch.
template <class D>
HWY_INLINE void PoolTake(D, hn::Vec<D>& acc, hn::Vec<PoolPlace<D>>& place, hn::Vec<D> x,
                         hn::Vec<PoolPlace<D>> x_place) {
  const PoolPlace<D> di;
  const auto take = hn::Or(hn::Gt(x, acc), hn::IsNaN(x));
  acc = hn::IfThenElse(take, x, acc);
  place = hn::IfThenElse(hn::RebindMask(di, take), x_place, place);
}

/// indices[i] = base + places[i], or -1 where that is negative.
template <class P>
HWY_INLINE void PoolStorePlaces(const P* HWY_RESTRICT places, Index n, std::int64_t base,
                                std::int64_t* HWY_RESTRICT indices) {
  const hn::ScalableTag<std::int64_t> d;
  const hn::Rebind<P, decltype(d)> from;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const auto start = hn::Set(d, base);
  Index i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::Vec<decltype(d)> place;
    if constexpr (sizeof(P) == sizeof(std::int64_t)) {
      place = hn::LoadU(d, places + i);
    } else {
      place = hn::PromoteTo(d, hn::LoadU(from, places + i));
    }
    const auto empty = hn::Lt(place, hn::Zero(d));
    hn::StoreU(hn::IfThenElse(empty, place, hn::Add(start, place)), d, indices + i);
  }
  for (; i < n; ++i) {
    indices[i] = places[i] < 0 ? -1 : base + places[i];
  }
}

/// Takes the taps of one line of x into y and places. kStrided: windows are stride apart in `line`,
/// one at a time.
template <int kPhases, bool kStrided, class T, class P>
HWY_INLINE void PoolTakeLine(const PoolArgs<T>& a, const PoolLine<kPhases, T>& line, Index n,
                             P column, T* HWY_RESTRICT y, P* HWY_RESTRICT places) {
  using D = std::conditional_t<kStrided, hn::CappedTag<T, 1>, hn::ScalableTag<T>>;
  const D d;
  const PoolPlace<D> di;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const P stride = static_cast<P>(a.stride);
  HWY_ALIGN P steps[hn::MaxLanes(di)];
  for (Index lane = 0; lane < lanes; ++lane) steps[lane] = static_cast<P>(lane) * stride;
  const auto ramp = hn::Load(di, steps);
  for (Index i = 0; i < n; i += lanes) {
    auto acc = hn::LoadU(d, y + i);
    auto place = hn::LoadU(di, places + i);
    const auto columns =
        hn::Add(ramp, hn::Set(di, static_cast<P>(column + static_cast<P>(i) * stride)));
    for (Index t = 0; t < a.kernel; ++t) {
      const Index u = t * a.width.step;
      PoolTake(d, acc, place, hn::LoadU(d, line.At(u) + (kStrided ? i * a.stride : i)),
               hn::Add(columns, hn::Set(di, static_cast<P>(u))));
    }
    hn::StoreU(acc, d, y + i);
    hn::StoreU(place, di, places + i);
  }
}

/// Max and where it is. The outputs of a tile stay in the cache while its lines of x go by.
template <int kPhases, class T>
void PoolLinesPlaces(const PoolArgs<T>& a, Index begin, Index end, T* scratch) {
  using P = hn::TFromD<PoolPlace<hn::ScalableTag<T>>>;
  const T neutral = -std::numeric_limits<T>::infinity();
  const Index tiles = (a.width.out + a.tile - 1) / a.tile;
  const PoolPart whole(a, 0);
  const PoolLine<kPhases, T> line{scratch, whole.width / 2 + 1 + kPoolSlack};
  const Index filled = kPhases == 1 ? whole.width + kPoolSlack : 2 * line.phase_size;
  T* const values = scratch + whole.width + a.stride + 4 * kPoolSlack;
  P* const places = reinterpret_cast<P*>(values + a.tile + kPoolSlack);
  std::fill_n(scratch, filled, neutral);
  PoolWalk at(begin, tiles, a.channels, a.depth.out, a.height.out);
  for (Index unit = begin; unit < end; ++unit, at.Next()) {
    const PoolPart part(a, at.tile);
    const PoolRows<T> rows = PoolRowsAt(a, at);
    std::fill_n(values, part.outputs, neutral);
    const bool any = rows.outer > 0 && rows.inner > 0;
    for (Index i = 0; i < part.outputs; ++i) {
      const PoolSpan& span = a.width.spans[part.first + i];
      places[i] = any && span.count > 0 ? static_cast<P>(span.begin) : P{-1};
    }
    if (tiles > 1 && (part.low > 0 || part.high < part.width))
      std::fill_n(scratch, filled, neutral);
    for (Index o = 0; o < rows.outer && part.high > part.low; ++o) {
      for (Index r = 0; r < rows.inner; ++r) {
        const PoolRows<T> row{rows.first + o * rows.outer_step + r * rows.inner_step + part.start +
                              part.low};
        PoolColumnsOf<PoolMax, kPhases, 1>(row, part.high - part.low, line.At(part.low),
                                           line.At(part.low + 1));
        const Index offset =
            (o * a.depth.step * a.height.in + r * a.height.step) * a.width.in + part.start;
        if (kPhases == 1 && a.stride > 1) {
          PoolTakeLine<kPhases, true>(a, line, part.outputs, static_cast<P>(offset), values,
                                      places);
        } else {
          PoolTakeLine<kPhases, false>(a, line, part.outputs, static_cast<P>(offset), values,
                                       places);
        }
      }
    }
    const Index to = at.line * a.width.out + part.first;
    const Index base =
        (a.depth.spans[at.d].begin * a.height.in + a.height.spans[at.h].begin) * a.width.in;
    std::copy_n(values, part.outputs, a.y + to);
    PoolStorePlaces(places, part.outputs, base, a.indices + to);
  }
}

/// The same for windows of any extents: the greatest of each column and its line, then each window.
template <class T>
void PoolLinesUnevenPlaces(const PoolArgs<T>& a, Index begin, Index end, T* scratch) {
  const hn::ScalableTag<T> d;
  const PoolPlace<decltype(d)> di;
  using P = hn::TFromD<decltype(di)>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  T* const values = scratch;
  P* const lines = reinterpret_cast<P*>(scratch + a.width.in + 2 * kPoolSlack);
  PoolWalk at(begin, 1, a.channels, a.depth.out, a.height.out);
  for (Index unit = begin; unit < end; ++unit, at.Next()) {
    const PoolRows<T> rows = PoolRowsAt(a, at);
    for (Index c = 0; c < a.width.in; c += lanes) {
      const Index left = HWY_MIN(lanes, a.width.in - c);
      auto acc = PoolMax::Neutral(d);
      auto place = hn::Zero(di);
      for (Index o = 0; o < rows.outer; ++o) {
        for (Index r = 0; r < rows.inner; ++r) {
          const Index offset = (o * a.depth.step * a.height.in + r * a.height.step) * a.width.in;
          const T* from = rows.first + o * rows.outer_step + r * rows.inner_step + c;
          PoolTake(d, acc, place, LoadTail(d, from, left), hn::Set(di, static_cast<P>(offset)));
        }
      }
      hn::StoreU(acc, d, values + c);
      hn::StoreU(place, di, lines + c);
    }
    const Index base =
        (a.depth.spans[at.d].begin * a.height.in + a.height.spans[at.h].begin) * a.width.in;
    for (Index i = 0; i < a.width.out; ++i) {
      const PoolSpan& span = a.width.spans[i];
      Index column = span.begin;
      for (Index w = span.begin + 1; w < span.begin + span.count; ++w) {
        // Of equals the one in the earlier line, of NaNs the one in the later.
        const T best = values[column];
        const bool same = values[w] == best && lines[w] < lines[column];
        const bool nan = values[w] != values[w] && (best == best || lines[w] >= lines[column]);
        if (values[w] > best || same || nan) column = w;
      }
      a.y[at.line * a.width.out + i] = values[column];
      a.indices[at.line * a.width.out + i] = base + lines[column] + column;
    }
  }
}

template <class Op, class T>
void PoolLinesOf(const PoolArgs<T>& a, Index begin, Index end, T* scratch) {
  if constexpr (Op::kMax) {
    if (a.indices != nullptr) {
      if (a.stride == 0) return PoolLinesUnevenPlaces(a, begin, end, scratch);
      if (a.stride == 2) return PoolLinesPlaces<2>(a, begin, end, scratch);
      return PoolLinesPlaces<1>(a, begin, end, scratch);
    }
  }
  if (a.stride == 0) return PoolLinesUneven<Op>(a, begin, end, scratch);
  if (a.stride == 2) return PoolLinesEven<Op, 2>(a, begin, end, scratch);
  PoolLinesEven<Op, 1>(a, begin, end, scratch);
}

template <class T>
void PoolLines(const PoolArgs<T>& a, Index begin, Index end, T* scratch) {
  switch (a.op) {
    case PoolOp::Max:
      return PoolLinesOf<PoolMax>(a, begin, end, scratch);
    case PoolOp::Sum:
      return PoolLinesOf<PoolSum>(a, begin, end, scratch);
    case PoolOp::SumAbs:
      return PoolLinesOf<PoolSumAbs>(a, begin, end, scratch);
    case PoolOp::SumSquares:
      return PoolLinesOf<PoolSumSquares>(a, begin, end, scratch);
  }
}

/// One window of positions: its first element, how many on each axis, and their distances.
template <class T>
struct PoolBox {
  const T* first = nullptr;
  Index depths = 1, heights = 1, widths = 1;
  Index depth_step = 0, height_step = 0, width_step = 0;
  T divisor = T(1);
};

/// kVectors vectors of channels of one output; kTail: the last `left` channels.
template <class Op, int kVectors, bool kTail, class T>
HWY_INLINE void PoolBoxOf(const PoolArgs<T>& a, const PoolBox<T>& box, Index c, Index left,
                          T* HWY_RESTRICT y) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  hn::Vec<decltype(d)> acc[kVectors];
  for (int v = 0; v < kVectors; ++v) acc[v] = Op::Neutral(d);
  const T* plane = box.first + c;
  for (Index i = 0; i < box.depths; ++i, plane += box.depth_step) {
    const T* line = plane;
    for (Index j = 0; j < box.heights; ++j, line += box.height_step) {
      const T* x = line;
      for (Index k = 0; k < box.widths; ++k, x += box.width_step) {
        for (int v = 0; v < kVectors; ++v) {
          acc[v] = Op::Combine(acc[v], PoolLoad<Op, kTail>(d, x + v * lanes, left));
        }
      }
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    const auto out = PoolFinished<Op>(d, a, acc[v], hn::Set(d, box.divisor));
    if constexpr (kTail) {
      StoreTail(d, out, y + c, left);
    } else {
      hn::StoreU(out, d, y + c + v * lanes);
    }
  }
}

/// The same with the places of the greatest elements, counted from the window's first.
template <bool kTail, class T>
HWY_INLINE void PoolBoxPlaces(const PoolArgs<T>& a, const PoolBox<T>& box, Index c, Index left,
                              std::int64_t base, T* HWY_RESTRICT y,
                              std::int64_t* HWY_RESTRICT indices) {
  const hn::ScalableTag<T> d;
  const PoolPlace<decltype(d)> di;
  using P = hn::TFromD<decltype(di)>;
  auto acc = PoolMax::Neutral(d);
  const bool empty = box.depths == 0 || box.heights == 0 || box.widths == 0;
  auto place = hn::Set(di, static_cast<P>(empty ? -1 : 0));
  for (Index i = 0; i < box.depths; ++i) {
    for (Index j = 0; j < box.heights; ++j) {
      const T* x = box.first + c + i * box.depth_step + j * box.height_step;
      const Index line = (i * a.depth.step * a.height.in + j * a.height.step) * a.width.in;
      for (Index k = 0; k < box.widths; ++k, x += box.width_step) {
        PoolTake(d, acc, place, PoolLoad<PoolMax, kTail>(d, x, left),
                 hn::Set(di, static_cast<P>(line + k * a.width.step)));
      }
    }
  }
  HWY_ALIGN P places[hn::MaxLanes(di)];
  hn::Store(place, di, places);
  StoreTail(d, acc, y + c, left);
  PoolStorePlaces(places, left, base, indices + c);
}

template <class Op, class T>
void PoolChannelsOf(const PoolArgs<T>& a, Index begin, Index end) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  PoolBox<T> box;
  box.depth_step = a.depth.step * a.depth_stride;
  box.height_step = a.height.step * a.height_stride;
  box.width_step = a.width.step * a.width_stride;
  PoolWalk at(begin, 1, 1, a.depth.out, a.height.out);
  for (Index unit = begin; unit < end; ++unit, at.Next()) {
    const PoolSpan& depth = a.depth.spans[at.d];
    const PoolSpan& height = a.height.spans[at.h];
    const T* row = a.x + at.image * a.image_stride + depth.begin * a.depth_stride +
                   height.begin * a.height_stride;
    box.depths = depth.count;
    box.heights = height.count;
    for (Index w = 0; w < a.width.out; ++w) {
      const PoolSpan& width = a.width.spans[w];
      box.first = row + width.begin * a.width_stride;
      box.widths = width.count;
      const Index to = (at.line * a.width.out + w) * a.channels;
      Index c = 0;
      if constexpr (Op::kMax) {
        if (a.indices != nullptr) {
          const Index base = (depth.begin * a.height.in + height.begin) * a.width.in + width.begin;
          for (; c + lanes <= a.channels; c += lanes) {
            PoolBoxPlaces<false>(a, box, c, lanes, base, a.y + to, a.indices + to);
          }
          if (c < a.channels) {
            PoolBoxPlaces<true>(a, box, c, a.channels - c, base, a.y + to, a.indices + to);
          }
          continue;
        }
      }
      box.divisor = static_cast<T>(depth.divisor * height.divisor * width.divisor);
      for (; c + 4 * lanes <= a.channels; c += 4 * lanes) {
        PoolBoxOf<Op, 4, false>(a, box, c, lanes, a.y + to);
      }
      for (; c + lanes <= a.channels; c += lanes) {
        PoolBoxOf<Op, 1, false>(a, box, c, lanes, a.y + to);
      }
      if (c < a.channels) PoolBoxOf<Op, 1, true>(a, box, c, a.channels - c, a.y + to);
    }
  }
}

template <class T>
void PoolChannels(const PoolArgs<T>& a, Index begin, Index end) {
  switch (a.op) {
    case PoolOp::Max:
      return PoolChannelsOf<PoolMax>(a, begin, end);
    case PoolOp::Sum:
      return PoolChannelsOf<PoolSum>(a, begin, end);
    case PoolOp::SumAbs:
      return PoolChannelsOf<PoolSumAbs>(a, begin, end);
    case PoolOp::SumSquares:
      return PoolChannelsOf<PoolSumSquares>(a, begin, end);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_POOLING_INL_HPP_
