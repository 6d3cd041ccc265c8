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
#include <cstdint>
#include <limits>
#include <type_traits>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/pooling.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// How far ahead lines are asked for, in bytes.
inline constexpr std::uintptr_t kPoolAhead = 8192;
/// Channels of so many bytes are a stream of their own.
inline constexpr Index kPoolLongRun = 4096;

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

/// Lanes go up by one; what leaves at the end of a vector enters the next one.
template <class D>
class PoolCarry {
 public:
  using V = hn::Vec<D>;
  /// `in`: the first lane enters first.
  PoolCarry(D d, V in) : turn_(Turn(d)), first_(hn::FirstN(d, 1)), in_(in) {}
  HWY_INLINE V Up(V v) {
    const V turned = hn::TableLookupLanes(v, turn_);
    const V up = hn::IfThenElse(first_, in_, turned);
    in_ = turned;
    return up;
  }

 private:
  using Signed = hn::RebindToSigned<D>;
  using Indices = decltype(hn::IndicesFromVec(D(), hn::Zero(Signed())));
  static HWY_INLINE Indices Turn(D d) {
    const auto last = static_cast<hn::TFromD<Signed>>(hn::Lanes(d) - 1);
    return hn::IndicesFromVec(d, hn::And(hn::Iota(Signed(), last), hn::Set(Signed(), last)));
  }
  Indices turn_;
  hn::Mask<D> first_;
  V in_;
};

/// Windows of kTaps = 2 or 3 columns side by side, two apart: nothing passes through memory, and
/// each column is read once. `column` is the last but one of the first window.
template <class Op, int kTaps, int kRows, bool kTail, class D>
HWY_INLINE hn::Vec<D> PoolEverySecond(D d, const PoolRows<hn::TFromD<D>>& x, Index column,
                                      Index left, PoolCarry<D>& carry) {
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const auto part = [&](Index from) HWY_ATTR {
    const Index columns = HWY_MAX(Index{0}, HWY_MIN(lanes, left - (from - column)));
    return PoolDown<Op, kRows, kTail>(d, x, from, columns);
  };
  const auto p = part(column);
  const auto q = part(column + lanes);
  const auto even = hn::ConcatEven(d, q, p);
  const auto odd = hn::ConcatOdd(d, q, p);
  if constexpr (kTaps == 2) return Op::Combine(even, odd);
  return Op::Combine(Op::Combine(carry.Up(odd), even), odd);
}

/// Asks for the elements that are kPoolAhead bytes behind [begin, begin + count) of a stream.
template <class T>
HWY_INLINE void PoolPrefetch(const T* stream, Index begin, Index count) {
  constexpr Index kLine = 64;
  const auto start = reinterpret_cast<std::uintptr_t>(stream) + kPoolAhead +
                     static_cast<std::uintptr_t>(begin) * sizeof(T);
  for (Index i = 0; i < count * Index{sizeof(T)}; i += kLine) {
    hwy::Prefetch(reinterpret_cast<const char*>(start + static_cast<std::uintptr_t>(i)));
  }
}

/// n outputs from a line of `in` columns; the first window starts at column `start`, which may be
/// on padding. With kStream, lines are whole vectors, and for each output `asked` elements ahead
/// are asked for: stores around the caches wait where all of a line is asked for at once.
template <class Op, int kTaps, int kRows, bool kStream, class T>
HWY_INLINE void PoolStrideTwoOf(const PoolArgs<T>& a, const PoolRows<T>& x, Index start, Index n,
                                T row_divisor, const T* divisors, T* HWY_RESTRICT y, Index asked) {
  using D = hn::ScalableTag<T>;
  const D d;
  const hn::CappedTag<T, 1> one;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const Index in = a.width.in;
  const auto column_of = [&](Index i) { return start + kTaps - 2 + 2 * i; };
  Index i = 0;
  for (; i < n && column_of(i) < 0; ++i) {
    auto acc = Op::Neutral(one);
    for (Index c = HWY_MAX(Index{0}, start + 2 * i); c < HWY_MIN(in, start + 2 * i + kTaps); ++c) {
      acc = Op::Combine(acc, PoolDown<Op, kRows, false>(one, x, c, 1));
    }
    auto divisor = hn::Set(one, row_divisor);
    if (!Op::kMax && a.finish == PoolFinish::Divide) {
      divisor = hn::Mul(divisor, hn::Set(one, divisors[i]));
    }
    y[i] = hn::GetLane(PoolFinished<Op>(one, a, acc, divisor));
  }
  const auto rows = hn::Set(d, row_divisor);
  const Index edge = i;
  // The column in front of the pair at `column`.
  const auto carry_at = [&](Index column) HWY_ATTR {
    if (kTaps == 2 || column < 1) return PoolCarry<D>(d, Op::Neutral(d));
    const auto before = PoolDown<Op, kRows, false>(one, x, column - 1, 1);
    return PoolCarry<D>(d, hn::Set(d, hn::GetLane(before)));
  };
  auto carry = carry_at(column_of(i));
  for (; i < n; i += lanes) {
    // The last vector begins earlier rather than being a part.
    if (i + lanes > n && n - lanes >= edge) {
      i = n - lanes;
      carry = carry_at(column_of(i));
    }
    const Index column = column_of(i);
    const bool whole = column + 2 * lanes <= in;
    if constexpr (kStream) PoolPrefetch(x.first, i * asked, lanes * asked);
    const auto acc =
        whole ? PoolEverySecond<Op, kTaps, kRows, false>(d, x, column, in, carry)
              : PoolEverySecond<Op, kTaps, kRows, true>(d, x, column, in - column, carry);
    auto divisor = rows;
    if (!Op::kMax && a.finish == PoolFinish::Divide) {
      divisor = hn::Mul(rows, hn::LoadU(d, divisors + i));
    }
    const auto out = PoolFinished<Op>(d, a, acc, divisor);
    if constexpr (kStream) {
      hn::Stream(out, d, y + i);
      continue;
    }
    if (i + lanes <= n) {
      hn::StoreU(out, d, y + i);
    } else {
      StoreTail(d, out, y + i, n - i);
    }
  }
}

template <class Op, int kTaps, bool kStream, class T>
HWY_INLINE void PoolStrideTwo(const PoolArgs<T>& a, const PoolRows<T>& x, Index start, Index n,
                              T row_divisor, const T* divisors, T* y, Index asked) {
  if (x.outer == 1 && x.inner == kTaps) {
    PoolStrideTwoOf<Op, kTaps, kTaps, kStream>(a, x, start, n, row_divisor, divisors, y, asked);
  } else if (x.outer == 1 && x.inner == 2) {  // of three: the first line of x
    PoolStrideTwoOf<Op, kTaps, 2, kStream>(a, x, start, n, row_divisor, divisors, y, asked);
  } else {
    PoolStrideTwoOf<Op, kTaps, 0, kStream>(a, x, start, n, row_divisor, divisors, y, asked);
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

/// How many elements to ask for with each line of output: lines that follow each other in memory
/// are read as one stream, which the hardware does not see, since a line of output takes them by
/// turns.
template <class T>
HWY_INLINE Index PoolPrefetched(const PoolArgs<T>& a, Index tiles) {
  const bool stream =
      tiles == 1 && a.height_stride == a.width.in && a.height_advance <= 4 * a.height_stride;
  return stream ? a.height_advance : 0;
}

/// Windows of kTaps columns, two apart, of lines that are one tile; y goes around the caches.
template <class Op, int kTaps, class T>
void PoolLinesStreamed(const PoolArgs<T>& a, Index begin, Index end) {
  const PoolPart line(a, 0);
  const Index asked = (PoolPrefetched(a, 1) + a.width.out - 1) / a.width.out;
  PoolWalk at(begin, 1, a.channels, a.depth.out, a.height.out);
  for (Index unit = begin; unit < end; ++unit, at.Next()) {
    PoolStrideTwo<Op, kTaps, true>(a, PoolRowsAt(a, at), line.start, line.outputs,
                                   PoolRowDivisor(a, at), a.width_divisors,
                                   a.y + at.line * a.width.out, asked);
  }
  hwy::FlushStream();
}

template <class Op, int kPhases, class T>
void PoolLinesEven(const PoolArgs<T>& a, Index begin, Index end, T* scratch) {
  const hn::ScalableTag<T> d;
  const Index tiles = (a.width.out + a.tile - 1) / a.tile;
  const bool direct = kPhases == 2 && (a.kernel == 2 || a.kernel == 3) && a.width.step == 1;
  const PoolPart whole(a, 0);
  const PoolLine<kPhases, T> line{scratch, whole.width / 2 + 1 + kPoolSlack};
  const Index filled = direct ? 0 : (kPhases == 1 ? whole.width + kPoolSlack : 2 * line.phase_size);
  const T neutral = hn::GetLane(Op::Neutral(d));
  std::fill_n(scratch, filled, neutral);
  const Index prefetched = PoolPrefetched(a, tiles);
  PoolWalk at(begin, tiles, a.channels, a.depth.out, a.height.out);
  for (Index unit = begin; unit < end; ++unit, at.Next()) {
    const PoolPart part = tiles == 1 ? whole : PoolPart(a, at.tile);
    const PoolRows<T> rows = PoolRowsAt(a, at);
    PoolPrefetch(rows.first, 0, prefetched);
    const T row_divisor = PoolRowDivisor(a, at);
    const T* divisors = a.width_divisors + part.first;
    T* y = a.y + at.line * a.width.out + part.first;
    if constexpr (kPhases == 2) {
      if (direct && a.kernel == 2) {
        PoolStrideTwo<Op, 2, false>(a, rows, part.start, part.outputs, row_divisor, divisors, y, 0);
        continue;
      }
      if (direct) {
        PoolStrideTwo<Op, 3, false>(a, rows, part.start, part.outputs, row_divisor, divisors, y, 0);
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

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
