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

/// The greatest of four, in the order of their taps, and which it was.
template <class D>
HWY_INLINE hn::Vec<D> PoolBlockMax(D d, hn::Vec<D> x0, hn::Vec<D> x1, hn::Vec<D> x2, hn::Vec<D> x3,
                                   std::uint8_t* HWY_RESTRICT taps) {
  const PoolPlace<D> di;
  using P = hn::TFromD<decltype(di)>;
  auto acc = x0;
  auto tap = hn::Zero(di);
  PoolTake(d, acc, tap, x1, hn::Set(di, P{1}));
  PoolTake(d, acc, tap, x2, hn::Set(di, P{2}));
  PoolTake(d, acc, tap, x3, hn::Set(di, P{3}));
  const hn::RebindToUnsigned<D> du;
  const PoolTapTag<D> bytes;
  hn::StoreU(hn::TruncateTo(bytes, hn::BitCast(du, tap)), bytes, taps);
  return acc;
}

/// dy where the maximum was at `tap`, else 0.
template <class D>
HWY_INLINE hn::Vec<D> PoolBlockPart(D d, hn::Vec<D> dy, hn::Vec<hn::RebindToUnsigned<D>> taps,
                                    int tap) {
  const hn::RebindToUnsigned<D> du;
  const auto here = hn::Eq(taps, hn::Set(du, static_cast<hn::TFromD<decltype(du)>>(tap)));
  return hn::IfThenElseZero(hn::RebindMask(d, here), dy);
}

template <class D>
HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> PoolLoadTaps(D, const std::uint8_t* taps) {
  const hn::RebindToUnsigned<D> du;
  const PoolTapTag<D> bytes;
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    const hn::Rebind<std::uint32_t, decltype(du)> half;
    return hn::PromoteTo(du, hn::PromoteTo(half, hn::LoadU(bytes, taps)));
  } else {
    return hn::PromoteTo(du, hn::LoadU(bytes, taps));
  }
}

template <class T>
void PoolBlocksRun(const PoolBlocks<T>& a, const T* x, T* y, std::uint8_t* taps, Index begin,
                   Index end) {
  const PoolBlockTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const Index pitch = pool_tap_pitch(a.out_width);
  Index h = begin % a.out_height;
  const T* first = x + (begin / a.out_height * a.in_height + 2 * h) * a.in_width;
  for (Index line = begin; line < end; ++line) {
    const T* const second = first + a.in_width;
    T* const to = y + line * a.out_width;
    std::uint8_t* const to_taps = taps + line * pitch;
    PoolPrefetch(first, 2 * a.in_width);
    Index i = 0;
    for (; i + lanes <= a.out_width; i += lanes) {
      const auto p0 = hn::LoadU(d, first + 2 * i);
      const auto q0 = hn::LoadU(d, first + 2 * i + lanes);
      const auto p1 = hn::LoadU(d, second + 2 * i);
      const auto q1 = hn::LoadU(d, second + 2 * i + lanes);
      hn::StoreU(PoolBlockMax(d, hn::ConcatEven(d, q0, p0), hn::ConcatOdd(d, q0, p0),
                              hn::ConcatEven(d, q1, p1), hn::ConcatOdd(d, q1, p1), to_taps + i),
                 d, to + i);
    }
    if (i < a.out_width) {
      const Index left = a.out_width - i;
      const Index low = HWY_MIN(lanes, 2 * left);
      const Index high = 2 * left - low;
      const auto p0 = LoadTail(d, first + 2 * i, low);
      const auto q0 = LoadTail(d, first + 2 * i + low, high);
      const auto p1 = LoadTail(d, second + 2 * i, low);
      const auto q1 = LoadTail(d, second + 2 * i + low, high);
      StoreTail(d,
                PoolBlockMax(d, hn::ConcatEven(d, q0, p0), hn::ConcatOdd(d, q0, p0),
                             hn::ConcatEven(d, q1, p1), hn::ConcatOdd(d, q1, p1), to_taps + i),
                to + i, left);
    }
    first += 2 * a.in_width;
    if (++h == a.out_height) {
      h = 0;
      first += (a.in_height - 2 * a.out_height) * a.in_width;
    }
  }
}

template <class T>
void PoolBlocksBackwardRun(const PoolBlocks<T>& a, const T* dy, const std::uint8_t* taps, T* dx,
                           Index begin, Index end) {
  const PoolBlockTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const Index pitch = pool_tap_pitch(a.out_width);
  Index h = begin % a.out_height;
  T* first = dx + (begin / a.out_height * a.in_height + 2 * h) * a.in_width;
  HWY_ALIGN T both[2 * hn::MaxLanes(d)];
  for (Index line = begin; line < end; ++line) {
    for (Index i = 0; i < a.out_width; i += lanes) {
      const Index left = HWY_MIN(lanes, a.out_width - i);
      // A sum, as a gradient is: -0 becomes 0.
      const auto value = hn::Add(LoadTail(d, dy + line * a.out_width + i, left), hn::Zero(d));
      const auto tap = PoolLoadTaps(d, taps + line * pitch + i);
      for (int row = 0; row < 2; ++row) {
        T* const to = first + row * a.in_width + 2 * i;
        const auto even = PoolBlockPart(d, value, tap, 2 * row);
        const auto odd = PoolBlockPart(d, value, tap, 2 * row + 1);
        if (left == lanes) {
          hn::StoreInterleaved2(even, odd, d, to);
          continue;
        }
        hn::StoreInterleaved2(even, odd, d, both);
        const Index low = HWY_MIN(lanes, 2 * left);
        StoreTail(d, hn::Load(d, both), to, low);
        StoreTail(d, hn::Load(d, both + lanes), to + low, 2 * left - low);
      }
    }
    // What no block holds.
    if (a.in_width > 2 * a.out_width) {
      for (int row = 0; row < 2; ++row) {
        std::fill(first + row * a.in_width + 2 * a.out_width, first + (row + 1) * a.in_width, T(0));
      }
    }
    first += 2 * a.in_width;
    if (++h == a.out_height) {
      h = 0;
      const Index rest = (a.in_height - 2 * a.out_height) * a.in_width;
      std::fill_n(first, rest, T(0));
      first += rest;
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
