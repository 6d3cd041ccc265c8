// Maxima of blocks of two by two, with the tap where each one is, and their gradient.

#if defined(LAMINA_KERNELS_POOLING_BLOCKS_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_POOLING_BLOCKS_INL_HPP_
#undef LAMINA_KERNELS_POOLING_BLOCKS_INL_HPP_
#else
#define LAMINA_KERNELS_POOLING_BLOCKS_INL_HPP_
#endif

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "hwy/highway.h"
#include "kernels/pooling.hpp"
#include "kernels/pooling_places-inl.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// A vector of them and its taps fit in kPoolTapPitch.
template <class T>
using PoolBlockTag = hn::CappedTag<T, kPoolTapPitch>;

template <class D>
using PoolTapTag = hn::Rebind<std::uint8_t, D>;

/// Lines [begin, end) one after the other; `x` is where the first line's blocks are.
template <class P>
struct PoolBlockWalk {
  template <class T>
  PoolBlockWalk(const PoolBlocks<T>& a, P* start, Index line)
      : h(line % a.out_height),
        x(start + (line / a.out_height * a.in_height + 2 * h) * a.in_width) {}

  /// True where a plane ends; then what no block holds, `rest` elements, lies before x.
  template <class T>
  HWY_INLINE bool Next(const PoolBlocks<T>& a, Index rest) {
    x += 2 * a.in_width;
    if (++h < a.out_height) return false;
    h = 0;
    x += rest;
    return true;
  }

  Index h;
  P* x;
};

/// Lines at the end whose last vectors must not reach behind them: before these, a vector that is
/// too long is overwritten by what follows.
template <class T>
HWY_INLINE Index PoolBlockLast(const PoolBlocks<T>& a, Index lanes, Index begin, Index end) {
  return HWY_MAX(begin, end - (lanes + a.out_width - 1) / a.out_width);
}

/// The greatest of the four in each block, in the order of their taps, and which it was. p and q:
/// the blocks' elements in two lines.
template <class D>
HWY_INLINE hn::Vec<D> PoolBlockMax(D d, hn::Vec<D> p0, hn::Vec<D> q0, hn::Vec<D> p1, hn::Vec<D> q1,
                                   hn::Vec<PoolTapTag<D>>& taps) {
  const PoolPlace<D> di;
  using P = hn::TFromD<decltype(di)>;
  auto acc = hn::ConcatEven(d, q0, p0);
  auto tap = hn::Zero(di);
  PoolTake(d, acc, tap, hn::ConcatOdd(d, q0, p0), hn::Set(di, P{1}));
  PoolTake(d, acc, tap, hn::ConcatEven(d, q1, p1), hn::Set(di, P{2}));
  PoolTake(d, acc, tap, hn::ConcatOdd(d, q1, p1), hn::Set(di, P{3}));
  const hn::RebindToUnsigned<D> du;
  taps = hn::TruncateTo(PoolTapTag<D>(), hn::BitCast(du, tap));
  return acc;
}

/// One line of y. kPast: its last vector may reach behind it.
template <bool kPast, class T>
HWY_INLINE void PoolBlockLine(const PoolBlocks<T>& a, const T* HWY_RESTRICT x, T* HWY_RESTRICT y,
                              std::uint8_t* HWY_RESTRICT taps) {
  const PoolBlockTag<T> d;
  const PoolTapTag<decltype(d)> bytes;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  hn::Vec<decltype(bytes)> tap;
  for (Index i = 0; i < a.out_width; i += lanes) {
    const T* const first = x + 2 * i;
    const T* const second = first + a.in_width;
    const Index left = a.out_width - i;
    if (kPast || left >= lanes) {
      const auto value = PoolBlockMax(d, hn::LoadU(d, first), hn::LoadU(d, first + lanes),
                                      hn::LoadU(d, second), hn::LoadU(d, second + lanes), tap);
      hn::StoreU(value, d, y + i);
    } else {
      const Index low = HWY_MIN(lanes, 2 * left);
      const Index high = 2 * left - low;
      const auto value =
          PoolBlockMax(d, LoadTail(d, first, low), LoadTail(d, first + low, high),
                       LoadTail(d, second, low), LoadTail(d, second + low, high), tap);
      StoreTail(d, value, y + i, left);
    }
    hn::StoreU(tap, bytes, taps + i);
  }
}

/// Two lines of at most half a vector each.
template <class T>
HWY_INLINE void PoolBlockPair(const PoolBlocks<T>& a, const T* HWY_RESTRICT x0,
                              const T* HWY_RESTRICT x1, T* HWY_RESTRICT y,
                              std::uint8_t* HWY_RESTRICT taps) {
  const PoolBlockTag<T> d;
  const hn::Half<decltype(d)> half;
  const hn::Half<PoolTapTag<decltype(d)>> bytes;
  hn::Vec<PoolTapTag<decltype(d)>> tap;
  const auto value =
      PoolBlockMax(d, hn::LoadU(d, x0), hn::LoadU(d, x1), hn::LoadU(d, x0 + a.in_width),
                   hn::LoadU(d, x1 + a.in_width), tap);
  hn::StoreU(hn::LowerHalf(half, value), half, y);
  hn::StoreU(hn::UpperHalf(half, value), half, y + a.out_width);
  hn::StoreU(hn::LowerHalf(bytes, tap), bytes, taps);
  hn::StoreU(hn::UpperHalf(bytes, tap), bytes, taps + pool_tap_pitch(a.out_width));
}

template <class T>
void PoolBlocksRun(const PoolBlocks<T>& a, const T* x, T* y, std::uint8_t* taps, Index begin,
                   Index end) {
  const Index lanes = static_cast<Index>(hn::Lanes(PoolBlockTag<T>()));
  const Index pitch = pool_tap_pitch(a.out_width);
  const Index rest = (a.in_height - 2 * a.out_height) * a.in_width;
  const Index last = PoolBlockLast(a, lanes, begin, end);
  PoolBlockWalk<const T> at(a, x, begin);
  Index line = begin;
  for (; 2 * a.out_width <= lanes && line + 2 <= last; line += 2) {
    const T* const first = at.x;
    at.Next(a, rest);
    PoolPrefetch(first, 0, 4 * a.in_width);
    PoolBlockPair(a, first, at.x, y + line * a.out_width, taps + line * pitch);
    at.Next(a, rest);
  }
  for (; line < last; ++line, at.Next(a, rest)) {
    PoolPrefetch(at.x, 0, 2 * a.in_width);
    PoolBlockLine<true>(a, at.x, y + line * a.out_width, taps + line * pitch);
  }
  for (; line < end; ++line, at.Next(a, rest)) {
    PoolBlockLine<false>(a, at.x, y + line * a.out_width, taps + line * pitch);
  }
}

/// Each tap twice.
template <class D>
HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> PoolLoadTapsTwice(D, const std::uint8_t* taps) {
  const hn::RebindToUnsigned<D> du;
  const PoolTapTag<D> bytes;
  const auto some = hn::ZeroExtendVector(bytes, hn::LoadU(hn::Half<PoolTapTag<D>>(), taps));
  const auto twice = hn::InterleaveLower(bytes, some, some);
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    const hn::Rebind<std::uint32_t, decltype(du)> words;
    return hn::PromoteTo(du, hn::PromoteTo(words, twice));
  } else {
    return hn::PromoteTo(du, twice);
  }
}

/// What is needed to spread half a vector of dy over a vector of each of two lines.
template <class D>
struct PoolBlockSpread {
  using U = hwy::MakeUnsigned<hn::TFromD<D>>;
  using Place = hwy::MakeSigned<hn::TFromD<D>>;

  PoolBlockSpread() {
    const D d;
    for (Index i = 0; i < static_cast<Index>(hn::Lanes(d)); ++i) {
      column[i] = static_cast<U>(i % 2);
      from[i] = static_cast<Place>(i / 2);
    }
  }

  HWY_ALIGN U column[hn::MaxLanes(D())];
  HWY_ALIGN Place from[hn::MaxLanes(D())];
};

/// Two lines of dx. kPast: the last vector of the second may reach behind it.
template <bool kPast, class T>
HWY_INLINE void PoolBlockBackwardLine(const PoolBlocks<T>& a,
                                      const PoolBlockSpread<PoolBlockTag<T>>& spread,
                                      const T* HWY_RESTRICT dy,
                                      const std::uint8_t* HWY_RESTRICT taps, T* HWY_RESTRICT dx) {
  const PoolBlockTag<T> d;
  const hn::Half<decltype(d)> half;
  const hn::RebindToUnsigned<decltype(d)> du;
  using U = hn::TFromD<decltype(du)>;
  const Index lanes = static_cast<Index>(hn::Lanes(half));
  const auto twice = hn::SetTableIndices(d, spread.from);
  const auto column = hn::Load(du, spread.column);
  // From the end, so that the first line does not reach over what the second has already.
  for (Index i = (a.out_width - 1) / lanes * lanes; i >= 0; i -= lanes) {
    const Index left = a.out_width - i;
    const bool whole = kPast || left >= lanes;
    // A sum, as a gradient is: -0 becomes 0.
    const auto value =
        hn::Add(whole ? hn::LoadU(half, dy + i) : LoadTail(half, dy + i, left), hn::Zero(half));
    const auto both = hn::TableLookupLanes(hn::ZeroExtendVector(d, value), twice);
    const auto tap = PoolLoadTapsTwice(d, taps + i);
    HWY_UNROLL(2)
    for (int row = 0; row < 2; ++row) {
      const auto here = hn::Eq(tap, hn::Add(column, hn::Set(du, static_cast<U>(2 * row))));
      const auto part = hn::IfThenElseZero(hn::RebindMask(d, here), both);
      T* const to = dx + row * a.in_width + 2 * i;
      if (whole) {
        hn::StoreU(part, d, to);
      } else {
        StoreTail(d, part, to, 2 * left);
      }
    }
  }
  // What no block holds.
  for (Index i = 2 * a.out_width; i < a.in_width; ++i) {
    dx[i] = T(0);
    dx[a.in_width + i] = T(0);
  }
}

template <class T>
void PoolBlocksBackwardRun(const PoolBlocks<T>& a, const T* dy, const std::uint8_t* taps, T* dx,
                           Index begin, Index end) {
  const Index lanes = static_cast<Index>(hn::Lanes(PoolBlockTag<T>()));
  const Index pitch = pool_tap_pitch(a.out_width);
  const Index rest = (a.in_height - 2 * a.out_height) * a.in_width;
  const Index last = PoolBlockLast(a, lanes, begin, end);
  const PoolBlockSpread<PoolBlockTag<T>> spread;
  PoolBlockWalk<T> at(a, dx, begin);
  for (Index line = begin; line < end; ++line) {
    const T* const from = dy + line * a.out_width;
    if (line < last) {
      PoolBlockBackwardLine<true>(a, spread, from, taps + line * pitch, at.x);
    } else {
      PoolBlockBackwardLine<false>(a, spread, from, taps + line * pitch, at.x);
    }
    if (at.Next(a, rest)) std::fill_n(at.x - rest, rest, T(0));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
