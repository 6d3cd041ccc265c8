// Max pooling with the places of the maxima, for any vector width.

#if defined(LAMINA_KERNELS_POOLING_PLACES_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_POOLING_PLACES_INL_HPP_
#undef LAMINA_KERNELS_POOLING_PLACES_INL_HPP_
#else
#define LAMINA_KERNELS_POOLING_PLACES_INL_HPP_
#endif

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "hwy/highway.h"
#include "kernels/pooling-inl.hpp"
#include "kernels/pooling.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

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

/// A vector of windows of kTaps = 2 or 3 columns, two apart, the first at `column`; `first`: where
/// they start. Without kNan it leaves NaNs out, and returns false if there may have been one.
template <int kTaps, bool kNan, bool kTail, class V, class P>
HWY_INLINE bool PoolPlacesOf(const PoolArgs<hn::TFromV<V>>& a, const PoolRows<hn::TFromV<V>>& rows,
                             Index column, P first, V& acc, P& place) {
  using T = hn::TFromV<V>;
  const hn::ScalableTag<T> d;
  const PoolPlace<decltype(d)> di;
  using Lane = hn::TFromD<decltype(di)>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const Index step = a.height.step * a.width.in;
  acc = PoolMax::Neutral(d);
  auto sum = hn::Zero(d);  // NaN if there is one, or infinities of both signs
  const auto take = [&](V x, P at) HWY_ATTR {
    if constexpr (kNan) {
      PoolTake(d, acc, place, x, at);
    } else {
      sum = hn::Add(sum, x);
      const auto greater = hn::Gt(x, acc);
      acc = hn::IfThenElse(greater, x, acc);
      place = hn::IfThenElse(hn::RebindMask(di, greater), at, place);
    }
  };
  const auto load = [&](const T* line, Index from) HWY_ATTR {
    if constexpr (!kTail) return hn::LoadU(d, line + from);
    const Index left = HWY_MAX(Index{0}, HWY_MIN(lanes, a.width.in - from));
    return PoolLoad<PoolMax, true>(d, line + from, left);
  };
  for (Index o = 0; o < rows.outer; ++o) {
    const T* line = rows.first + o * rows.outer_step;
    Index offset = o * a.depth.step * a.height.in * a.width.in;
    for (Index r = 0; r < rows.inner; ++r, line += rows.inner_step, offset += step) {
      const auto p = load(line, column);
      const auto q = load(line, column + lanes);
      const auto at = hn::Add(first, hn::Set(di, static_cast<Lane>(offset)));
      take(hn::ConcatEven(d, q, p), at);
      take(hn::ConcatOdd(d, q, p), hn::Add(at, hn::Set(di, Lane{1})));
      if constexpr (kTaps == 3) {
        take(hn::ConcatEven(d, load(line, column + 2 + lanes), load(line, column + 2)),
             hn::Add(at, hn::Set(di, Lane{2})));
      }
    }
  }
  return kNan || hn::AllFalse(d, hn::IsNaN(sum));
}

/// Windows of kTaps = 2 or 3 columns side by side, two apart, from all their lines at once: nothing
/// passes through memory. The first window starts at column `start`, which may be on padding.
template <int kTaps, class T>
HWY_INLINE void PoolPlacesStrideTwo(const PoolArgs<T>& a, const PoolRows<T>& rows, Index start,
                                    Index n, std::int64_t base, T* HWY_RESTRICT y,
                                    std::int64_t* HWY_RESTRICT indices) {
  const hn::ScalableTag<T> d;
  const PoolPlace<decltype(d)> di;
  using P = hn::TFromD<decltype(di)>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const Index in = a.width.in;
  HWY_ALIGN P places[hn::MaxLanes(di)];
  Index i = 0;
  for (; i < n && start + 2 * i < 0; ++i) {
    const hn::CappedTag<T, 1> one;
    const PoolPlace<decltype(one)> one_place;
    auto acc = PoolMax::Neutral(one);
    auto place = hn::Set(one_place, P{0});
    const Index last = HWY_MIN(in, start + 2 * i + kTaps);
    bool any = false;
    for (Index o = 0; o < rows.outer; ++o) {
      for (Index r = 0; r < rows.inner; ++r) {
        const T* line = rows.first + o * rows.outer_step + r * rows.inner_step;
        const Index offset = (o * a.depth.step * a.height.in + r * a.height.step) * in;
        for (Index c = 0; c < last; ++c) {
          any = true;
          PoolTake(one, acc, place, hn::Set(one, line[c]),
                   hn::Set(one_place, static_cast<P>(offset + c)));
        }
      }
    }
    y[i] = hn::GetLane(acc);
    indices[i] = any ? base + hn::GetLane(place) : -1;
  }
  for (Index lane = 0; lane < lanes; ++lane) places[lane] = static_cast<P>(2 * lane);
  const auto ramp = hn::Load(di, places);
  const Index edge = i;
  for (; i < n; i += lanes) {
    // The last vector begins earlier rather than being a part.
    if (i + lanes > n && n - lanes >= edge) i = n - lanes;
    const Index column = start + 2 * i;
    const Index outputs = HWY_MIN(lanes, n - i);
    hn::Vec<decltype(d)> acc;
    const auto first = hn::Add(ramp, hn::Set(di, static_cast<P>(column)));
    auto place = first;
    const bool whole = column + 2 * lanes + (kTaps == 3 ? 2 : 0) <= in;
    const bool found = whole ? PoolPlacesOf<kTaps, false, false>(a, rows, column, first, acc, place)
                             : PoolPlacesOf<kTaps, false, true>(a, rows, column, first, acc, place);
    if (!found) {
      place = first;
      (void)PoolPlacesOf<kTaps, true, true>(a, rows, column, first, acc, place);
    }
    StoreTail(d, acc, y + i, outputs);
    hn::Store(place, di, places);
    PoolStorePlaces(places, outputs, base, indices + i);
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
  const Index prefetched = PoolPrefetched(a, tiles);
  PoolWalk at(begin, tiles, a.channels, a.depth.out, a.height.out);
  for (Index unit = begin; unit < end; ++unit, at.Next()) {
    const PoolPart part(a, at.tile);
    const PoolRows<T> rows = PoolRowsAt(a, at);
    const bool any = rows.outer > 0 && rows.inner > 0;
    const Index to = at.line * a.width.out + part.first;
    const Index base =
        (a.depth.spans[at.d].begin * a.height.in + a.height.spans[at.h].begin) * a.width.in;
    PoolPrefetch(rows.first, 0, prefetched);
    if constexpr (kPhases == 2) {
      if (any && a.width.step == 1 && a.kernel == 2) {
        PoolPlacesStrideTwo<2>(a, rows, part.start, part.outputs, base, a.y + to, a.indices + to);
        continue;
      }
      if (any && a.width.step == 1 && a.kernel == 3) {
        PoolPlacesStrideTwo<3>(a, rows, part.start, part.outputs, base, a.y + to, a.indices + to);
        continue;
      }
    }
    std::fill_n(values, part.outputs, neutral);
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

/// One window of positions: its first element, how many on each axis, and their distances.
template <class T>
struct PoolBox {
  const T* first = nullptr;
  Index depths = 1, heights = 1, widths = 1;
  Index depth_step = 0, height_step = 0, width_step = 0;
};

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

/// Max and where it is, position by position.
template <class T>
void PoolChannelsPlaces(const PoolArgs<T>& a, Index begin, Index end) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  PoolBox<T> box;
  box.depth_step = a.depth.step * a.depth_stride;
  box.height_step = a.height.step * a.height_stride;
  box.width_step = a.width.step * a.width_stride;
  const Index prefetched = a.width_stride == a.channels ? a.stride * a.channels : 0;
  PoolWalk at(begin, 1, 1, a.depth.out, a.height.out);
  for (Index unit = begin; unit < end; ++unit, at.Next()) {
    const PoolRows<T> rows = PoolRowsAt(a, at);
    box.depths = rows.outer;
    box.heights = rows.inner;
    for (Index w = 0; w < a.width.out; ++w) {
      const PoolSpan& width = a.width.spans[w];
      box.first = rows.first + width.begin * a.width_stride;
      box.widths = width.count;
      for (Index j = 0; j < box.heights; ++j) {
        PoolPrefetch(box.first + j * box.height_step, 0, prefetched);
      }
      const Index to = (at.line * a.width.out + w) * a.channels;
      const Index base =
          (a.depth.spans[at.d].begin * a.height.in + a.height.spans[at.h].begin) * a.width.in +
          width.begin;
      Index c = 0;
      for (; c + lanes <= a.channels; c += lanes) {
        PoolBoxPlaces<false>(a, box, c, lanes, base, a.y + to, a.indices + to);
      }
      if (c < a.channels) {
        PoolBoxPlaces<true>(a, box, c, a.channels - c, base, a.y + to, a.indices + to);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
