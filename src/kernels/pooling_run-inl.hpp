// Pooling with channels last, of whole planes, and the choice among all kernels.

#if defined(LAMINA_KERNELS_POOLING_RUN_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_POOLING_RUN_INL_HPP_
#undef LAMINA_KERNELS_POOLING_RUN_INL_HPP_
#else
#define LAMINA_KERNELS_POOLING_RUN_INL_HPP_
#endif

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/pooling-inl.hpp"
#include "kernels/pooling.hpp"
#include "kernels/pooling_places-inl.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// A few vectors of channels of one output, from `taps` elements that are `step` apart. `before`
/// holds what earlier lines gave (null: nothing yet). With kFinish the result is finished.
template <class Op, bool kFinish, class T>
HWY_INLINE void PoolTaps(const PoolArgs<T>& a, const T* HWY_RESTRICT x, Index taps, Index step,
                         const T* before, T divisor, T* to) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const auto by = hn::Set(d, divisor);
  Index c = 0;
  for (; c + 4 * lanes <= a.channels; c += 4 * lanes) {
    auto acc0 = Op::Neutral(d);
    auto acc1 = acc0;
    auto acc2 = acc0;
    auto acc3 = acc0;
    if (before != nullptr) {
      acc0 = hn::LoadU(d, before + c);
      acc1 = hn::LoadU(d, before + c + lanes);
      acc2 = hn::LoadU(d, before + c + 2 * lanes);
      acc3 = hn::LoadU(d, before + c + 3 * lanes);
    }
    const T* from = x + c;
    for (Index k = 0; k < taps; ++k, from += step) {
      acc0 = Op::Combine(acc0, Op::Load(hn::LoadU(d, from)));
      acc1 = Op::Combine(acc1, Op::Load(hn::LoadU(d, from + lanes)));
      acc2 = Op::Combine(acc2, Op::Load(hn::LoadU(d, from + 2 * lanes)));
      acc3 = Op::Combine(acc3, Op::Load(hn::LoadU(d, from + 3 * lanes)));
    }
    if constexpr (kFinish) {
      acc0 = PoolFinished<Op>(d, a, acc0, by);
      acc1 = PoolFinished<Op>(d, a, acc1, by);
      acc2 = PoolFinished<Op>(d, a, acc2, by);
      acc3 = PoolFinished<Op>(d, a, acc3, by);
      if (a.stream) {
        hn::Stream(acc0, d, to + c);
        hn::Stream(acc1, d, to + c + lanes);
        hn::Stream(acc2, d, to + c + 2 * lanes);
        hn::Stream(acc3, d, to + c + 3 * lanes);
        continue;
      }
    }
    hn::StoreU(acc0, d, to + c);
    hn::StoreU(acc1, d, to + c + lanes);
    hn::StoreU(acc2, d, to + c + 2 * lanes);
    hn::StoreU(acc3, d, to + c + 3 * lanes);
  }
  for (; c < a.channels; c += lanes) {
    const Index left = HWY_MIN(lanes, a.channels - c);
    auto acc = before != nullptr ? LoadTail(d, before + c, left) : Op::Neutral(d);
    const T* from = x + c;
    for (Index k = 0; k < taps; ++k, from += step) {
      acc = Op::Combine(acc, PoolLoad<Op, true>(d, from, left));
    }
    if constexpr (kFinish) acc = PoolFinished<Op>(d, a, acc, by);
    StoreTail(d, acc, to + c, left);
  }
}

/// Lines of x are read one after the other, for some positions of output that stay in the cache:
/// memory gives one long stream more readily than several short ones. Many channels are such a
/// stream by themselves: then the elements of a window come one after the other.
template <class Op, class T>
void PoolChannelsOf(const PoolArgs<T>& a, Index begin, Index end, T* scratch) {
  const bool apart = a.channels * Index{sizeof(T)} >= kPoolLongRun;
  const Index step = a.width.step * a.width_stride;
  const Index prefetched = !apart && a.width_stride == a.channels ? a.stride * a.channels : 0;
  PoolWalk at(begin, 1, 1, a.depth.out, a.height.out);
  for (Index unit = begin; unit < end; ++unit, at.Next()) {
    const PoolRows<T> rows = PoolRowsAt(a, at);
    const Index lines = HWY_MAX(Index{1}, rows.outer * rows.inner);
    const T row_divisor = PoolRowDivisor(a, at);
    for (Index start = 0; start < a.width.out; start += a.tile) {
      const Index stop = HWY_MIN(a.width.out, start + a.tile);
      for (Index l = 0; l < lines; ++l) {
        const Index outer = rows.inner > 0 ? l / rows.inner : 0;
        const Index inner = l - outer * rows.inner;
        const T* line = rows.first + outer * rows.outer_step + inner * rows.inner_step;
        const bool empty = rows.outer * rows.inner == 0;
        for (Index w = start; w < stop; ++w) {
          const PoolSpan& span = a.width.spans[w];
          T* const part = scratch + (w - start) * a.channels;
          T* const y = a.y + (at.line * a.width.out + w) * a.channels;
          const T* x = line + span.begin * a.width_stride;
          PoolPrefetch(x, 0, prefetched);
          const T* before = l == 0 ? nullptr : part;
          const T divisor = row_divisor * static_cast<T>(span.divisor);
          Index taps = empty ? 0 : span.count;
          if (apart) {
            for (; taps > 1; --taps, x += step, before = part) {
              PoolTaps<Op, false>(a, x, 1, step, before, divisor, part);
            }
          }
          if (l + 1 < lines) {
            PoolTaps<Op, false>(a, x, taps, step, before, divisor, part);
          } else {
            PoolTaps<Op, true>(a, x, taps, step, before, divisor, y);
          }
        }
      }
    }
  }
  if (a.stream) hwy::FlushStream();
}

template <class T>
void PoolChannels(const PoolArgs<T>& a, Index begin, Index end, T* scratch) {
  switch (a.op) {
    case PoolOp::Max:
      if (a.indices != nullptr) return PoolChannelsPlaces(a, begin, end);
      return PoolChannelsOf<PoolMax>(a, begin, end, scratch);
    case PoolOp::Sum:
      return PoolChannelsOf<PoolSum>(a, begin, end, scratch);
    case PoolOp::SumAbs:
      return PoolChannelsOf<PoolSumAbs>(a, begin, end, scratch);
    case PoolOp::SumSquares:
      return PoolChannelsOf<PoolSumSquares>(a, begin, end, scratch);
  }
}

/// A plane without gaps, to a vector.
template <class Op, class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> PoolPlane(D d, const T* HWY_RESTRICT x, Index positions) {
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  auto acc = Op::Neutral(d);
  auto other = acc;
  Index i = 0;
  for (; i + 2 * lanes <= positions; i += 2 * lanes) {
    acc = Op::Combine(acc, hn::LoadU(d, x + i));
    other = Op::Combine(other, hn::LoadU(d, x + i + lanes));
  }
  for (; i < positions; i += lanes) {
    acc = Op::Combine(acc, PoolLoad<Op, true>(d, x + i, HWY_MIN(lanes, positions - i)));
  }
  return Op::Combine(acc, other);
}

/// Whole planes without gaps: one output each. As many as a vector has lanes are combined across
/// their vectors together: neighbors of two planes make one vector of both, until each lane is a
/// plane.
template <class Op, class T>
void PoolPlanesOf(const PoolPlanes<T>& a, Index begin, Index end) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  HWY_ALIGN T planes[hn::MaxLanes(d) * hn::MaxLanes(d)];
  // Where the next plane lies, without a division for each.
  Index channel = begin % a.channels;
  const T* x = a.x + begin / a.channels * a.image_stride + channel * a.channel_stride;
  for (Index first = begin; first < end; first += lanes) {
    const Index count = HWY_MIN(lanes, end - first);
    for (Index i = 0; i < count; ++i) {
      PoolPrefetch(x, 0, a.positions);
      hn::Store(PoolPlane<Op>(d, x, a.positions), d, planes + i * lanes);
      x += a.channel_stride;
      if (++channel == a.channels) {
        channel = 0;
        x += a.image_stride - a.channels * a.channel_stride;
      }
    }
    for (Index i = count; i < lanes; ++i) {
      hn::Store(Op::Neutral(d), d, planes + i * lanes);
    }
    for (Index vectors = lanes / 2; vectors > 0; vectors /= 2) {
      for (Index i = 0; i < vectors; ++i) {
        const auto low = hn::Load(d, planes + 2 * i * lanes);
        const auto high = hn::Load(d, planes + (2 * i + 1) * lanes);
        hn::Store(Op::Combine(hn::ConcatEven(d, high, low), hn::ConcatOdd(d, high, low)), d,
                  planes + i * lanes);
      }
    }
    auto result = hn::Load(d, planes);
    if constexpr (!Op::kMax) result = hn::Div(result, hn::Set(d, static_cast<T>(a.positions)));
    StoreTail(d, result, a.y + first, count);
  }
}

template <class T>
void PoolPlanesRun(const PoolPlanes<T>& a, Index begin, Index end) {
  if (a.max) return PoolPlanesOf<PoolMax>(a, begin, end);
  PoolPlanesOf<PoolSum>(a, begin, end);
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
  if (a.stream) {
    return a.kernel == 2 ? PoolLinesStreamed<Op, 2>(a, begin, end)
                         : PoolLinesStreamed<Op, 3>(a, begin, end);
  }
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

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
