// Depthwise convolution with adjacent channels for any vector width.

#if defined(LAMINA_KERNELS_DEPTHWISE_LAST_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_DEPTHWISE_LAST_INL_HPP_
#undef LAMINA_KERNELS_DEPTHWISE_LAST_INL_HPP_
#else
#define LAMINA_KERNELS_DEPTHWISE_LAST_INL_HPP_
#endif

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/depthwise_plane.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class D, class T = hn::TFromD<D>>
HWY_INLINE void StoreResult(D d, hn::Vec<D> v, bool stream, T* to) {
  if (stream) {
    hn::Stream(v, d, to);
  } else {
    hn::StoreU(v, d, to);
  }
}

// kPositions positions from w on, all of which every tap sees.
template <int kPositions, class T>
HWY_INLINE void LastBlock(const DepthwiseLastLine<T>& a, Index w) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Index c = 0;
  for (; c + lanes <= a.channels; c += lanes) {
    const V bias = a.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, a.bias + c);
    V acc[kPositions];
    HWY_UNROLL(8)
    for (int i = 0; i < kPositions; ++i) {
      acc[i] = bias;
    }
    for (Index t = 0; t < a.tap_count; ++t) {
      const V weight = hn::LoadU(d, a.taps[t].weights + c);
      const T* HWY_RESTRICT x = a.taps[t].x + w * a.step + c;
      HWY_UNROLL(8)
      for (int i = 0; i < kPositions; ++i) {
        acc[i] = hn::MulAdd(weight, hn::LoadU(d, x + i * a.step), acc[i]);
      }
    }
    HWY_UNROLL(8)
    for (int i = 0; i < kPositions; ++i) {
      StoreResult(d, acc[i], a.stream, a.y + (w + i) * a.y_step + c);
    }
  }
  if (c < a.channels) {
    const Index left = a.channels - c;
    for (int i = 0; i < kPositions; ++i) {
      V acc = a.bias == nullptr ? hn::Zero(d) : LoadTail(d, a.bias + c, left);
      for (Index t = 0; t < a.tap_count; ++t) {
        acc = hn::MulAdd(LoadTail(d, a.taps[t].weights + c, left),
                         LoadTail(d, a.taps[t].x + (w + i) * a.step + c, left), acc);
      }
      StoreTail(d, acc, a.y + (w + i) * a.y_step + c, left);
    }
  }
}

// One position at the edge: only the taps that see it.
template <class T>
HWY_INLINE void LastEdge(const DepthwiseLastLine<T>& a, Index w) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  for (Index c = 0; c < a.channels; c += lanes) {
    const Index left = HWY_MIN(lanes, a.channels - c);
    V acc = a.bias == nullptr ? hn::Zero(d) : LoadTail(d, a.bias + c, left);
    for (Index t = 0; t < a.tap_count; ++t) {
      const DepthwiseLastTap<T>& tap = a.taps[t];
      if (w >= tap.begin && w < tap.end) {
        acc = hn::MulAdd(LoadTail(d, tap.weights + c, left),
                         LoadTail(d, tap.x + w * a.step + c, left), acc);
      }
    }
    StoreTail(d, acc, a.y + w * a.y_step + c, left);
  }
}

template <class T>
void DepthwiseLastLineRun(const DepthwiseLastLine<T>& a) {
  Index begin = 0;
  Index end = a.positions;
  for (Index t = 0; t < a.tap_count; ++t) {
    begin = HWY_MAX(begin, a.taps[t].begin);
    end = HWY_MIN(end, a.taps[t].end);
  }
  Index w = 0;
  for (; w < HWY_MIN(begin, a.positions); ++w) LastEdge(a, w);
  for (; w + 6 <= end; w += 6) LastBlock<6>(a, w);
  for (; w + 2 <= end; w += 2) LastBlock<2>(a, w);
  for (; w < end; ++w) LastBlock<1>(a, w);
  for (; w < a.positions; ++w) LastEdge(a, w);
  if (a.stream) hwy::FlushStream();
}

// A column of x goes into the sums of the three positions that see it: with their first tap into
// acc[kNew], with the second into acc[kMiddle], with the last into acc[kOld]; negative: not at all.
template <int kStride, int kRows, int kNew, int kMiddle, int kOld, class D, class V, class T>
HWY_INLINE void BandColumn(D d, const DepthwiseLastBand<T>& a, const T* HWY_RESTRICT x, bool above,
                           bool below, const V (&w)[9], V (&acc)[3][kRows]) {
  constexpr int kLines = kStride * (kRows - 1) + 3;
  HWY_UNROLL(17)
  for (int i = 0; i < kLines; ++i) {
    if ((i == 0 && above) || (i == kLines - 1 && below)) continue;
    const V in = hn::LoadU(d, x + i * a.x_row);
    HWY_UNROLL(3)
    for (int k = 0; k < 3; ++k) {
      if (i >= k && (i - k) % kStride == 0 && (i - k) / kStride < kRows) {
        const int r = (i - k) / kStride;
        if constexpr (kNew >= 0) acc[kNew][r] = hn::MulAdd(w[3 * k], in, acc[kNew][r]);
        if constexpr (kMiddle >= 0) acc[kMiddle][r] = hn::MulAdd(w[3 * k + 1], in, acc[kMiddle][r]);
        if constexpr (kOld >= 0) acc[kOld][r] = hn::MulAdd(w[3 * k + 2], in, acc[kOld][r]);
      }
    }
  }
}

// kRows lines of the result from line h on, channels [c, c + lanes): along the lines, each vector
// of x is loaded once.
template <int kStride, int kRows, class T>
HWY_INLINE void BandRows(const DepthwiseLastBand<T>& a, Index h, Index c) {
  const hn::CappedTag<T, kDepthwiseBandChannels> d;
  using V = hn::Vec<decltype(d)>;
  const Index top = a.low_row + h * kStride;
  const bool above = top < 0;
  const bool below = top + kStride * (kRows - 1) + 3 > a.rows_in;
  const T* const x = a.x + top * a.x_row + a.low_column * a.x_step + c;
  T* HWY_RESTRICT y = a.y + h * a.y_row + c;
  V w[9];
  HWY_UNROLL(9)
  for (int t = 0; t < 9; ++t) {
    w[t] = hn::LoadU(d, a.weights + t * a.channels + c);
  }
  const V bias = a.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, a.bias + c);
  V acc[3][kRows];
  const auto start = [&](V(&sums)[kRows]) HWY_ATTR {
    HWY_UNROLL(8)
    for (int r = 0; r < kRows; ++r) {
      sums[r] = bias;
    }
  };
  const auto store = [&](const V(&sums)[kRows]) HWY_ATTR {
    HWY_UNROLL(8)
    for (int r = 0; r < kRows; ++r) {
      StoreResult(d, sums[r], a.stream, y + r * a.y_row);
    }
    y += a.y_step;
  };
  const auto inside = [&](Index u) {
    return a.low_column + u >= 0 && a.low_column + u < a.columns_in;
  };
  if constexpr (kStride == 1) {
    start(acc[0]);
    if (inside(0)) BandColumn<1, kRows, 0, -1, -1>(d, a, x, above, below, w, acc);
    start(acc[1]);
    if (inside(1)) BandColumn<1, kRows, 1, 0, -1>(d, a, x + a.x_step, above, below, w, acc);
    const Index end = a.positions + 2;
    for (Index u = 2;;) {
      start(acc[2]);
      if (inside(u)) BandColumn<1, kRows, 2, 1, 0>(d, a, x + u * a.x_step, above, below, w, acc);
      store(acc[0]);
      if (++u == end) break;
      start(acc[0]);
      if (inside(u)) BandColumn<1, kRows, 0, 2, 1>(d, a, x + u * a.x_step, above, below, w, acc);
      store(acc[1]);
      if (++u == end) break;
      start(acc[1]);
      if (inside(u)) BandColumn<1, kRows, 1, 0, 2>(d, a, x + u * a.x_step, above, below, w, acc);
      store(acc[2]);
      if (++u == end) break;
    }
  } else {
    start(acc[0]);
    if (inside(0)) BandColumn<2, kRows, 0, -1, -1>(d, a, x, above, below, w, acc);
    const Index end = 2 * a.positions + 1;
    for (Index u = 1;;) {
      if (inside(u)) BandColumn<2, kRows, -1, 0, -1>(d, a, x + u * a.x_step, above, below, w, acc);
      start(acc[1]);
      ++u;
      if (inside(u)) BandColumn<2, kRows, 1, -1, 0>(d, a, x + u * a.x_step, above, below, w, acc);
      store(acc[0]);
      if (++u == end) break;
      if (inside(u)) BandColumn<2, kRows, -1, 1, -1>(d, a, x + u * a.x_step, above, below, w, acc);
      start(acc[0]);
      ++u;
      if (inside(u)) BandColumn<2, kRows, 0, -1, 1>(d, a, x + u * a.x_step, above, below, w, acc);
      store(acc[1]);
      if (++u == end) break;
    }
  }
}

// kRows lines by kPositions positions, all channels of the band: each load instruction walks along
// adjacent channels. Without kEdge all that they see is inside x.
template <int kStride, int kRows, int kPositions, bool kEdge, class T>
HWY_NOINLINE void BandBlock(const DepthwiseLastBand<T>& a, Index h, Index first) {
  const hn::CappedTag<T, kDepthwiseBandChannels> d;
  using V = hn::Vec<decltype(d)>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  constexpr int kLines = kStride * (kRows - 1) + 3;
  constexpr int kColumns = kStride * (kPositions - 1) + 3;
  const Index top = a.low_row + h * kStride;
  const Index low = a.low_column + first * kStride;
  const bool above = kEdge && top < 0;
  const bool below = kEdge && top + kLines > a.rows_in;
  const T* const corner = a.x + top * a.x_row + low * a.x_step;
  T* const out = a.y + h * a.y_row + first * a.y_step;
  for (Index next = a.first_channel; next < a.last_channel; next += lanes) {
    // The last vector begins earlier rather than being a part.
    const Index c = HWY_MIN(next, a.last_channel - lanes);
    V w[9];
    HWY_UNROLL(9)
    for (int t = 0; t < 9; ++t) {
      w[t] = hn::LoadU(d, a.weights + t * a.channels + c);
    }
    V acc[kRows][kPositions];
    const V bias = a.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, a.bias + c);
    HWY_UNROLL(2)
    for (int r = 0; r < kRows; ++r) {
      HWY_UNROLL(2)
      for (int p = 0; p < kPositions; ++p) {
        acc[r][p] = bias;
      }
    }
    const T* HWY_RESTRICT x = corner + c;
    if (a.ahead) {
      HWY_UNROLL(5)
      for (int u = 0; u < kStride * kPositions; ++u) {
        HWY_UNROLL(5)
        for (int i = kLines; i < kLines + kStride * kRows; ++i) {
          hwy::Prefetch(x + i * a.x_row + u * a.x_step);
        }
      }
    }
    HWY_UNROLL(5)
    for (int u = 0; u < kColumns; ++u) {
      if (kEdge && (low + u < 0 || low + u >= a.columns_in)) continue;
      HWY_UNROLL(5)
      for (int i = 0; i < kLines; ++i) {
        if ((i == 0 && above) || (i == kLines - 1 && below)) continue;
        const V in = hn::LoadU(d, x + i * a.x_row + u * a.x_step);
        HWY_UNROLL(2)
        for (int r = 0; r < kRows; ++r) {
          HWY_UNROLL(2)
          for (int p = 0; p < kPositions; ++p) {
            const int k = i - kStride * r;
            const int j = u - kStride * p;
            if (k >= 0 && k < 3 && j >= 0 && j < 3) {
              acc[r][p] = hn::MulAdd(w[3 * k + j], in, acc[r][p]);
            }
          }
        }
      }
    }
    HWY_UNROLL(2)
    for (int r = 0; r < kRows; ++r) {
      HWY_UNROLL(2)
      for (int p = 0; p < kPositions; ++p) {
        StoreResult(d, acc[r][p], a.stream, out + r * a.y_row + p * a.y_step + c);
      }
    }
  }
}

template <int kStride, int kRows, class T>
HWY_INLINE void BandLines(const DepthwiseLastBand<T>& a, Index h) {
  if (!a.blocks) {
    const Index lanes = static_cast<Index>(hn::Lanes(hn::CappedTag<T, kDepthwiseBandChannels>()));
    for (Index c = a.first_channel; c < a.last_channel; c += lanes) {
      // The last vector begins earlier rather than being a part.
      BandRows<kStride, kRows>(a, h, HWY_MIN(c, a.last_channel - lanes));
    }
    return;
  }
  constexpr int kColumns = kStride + 3;
  const Index top = a.low_row + h * kStride;
  const bool edge = top < 0 || top + kStride * (kRows - 1) + 3 > a.rows_in;
  Index w = 0;
  for (; w + 2 <= a.positions; w += 2) {
    const Index low = a.low_column + w * kStride;
    if (edge || low < 0 || low + kColumns > a.columns_in) {
      BandBlock<kStride, kRows, 2, true>(a, h, w);
    } else {
      BandBlock<kStride, kRows, 2, false>(a, h, w);
    }
  }
  if (w < a.positions) BandBlock<kStride, kRows, 1, true>(a, h, w);
}

template <int kStride, class T>
void BandRun(const DepthwiseLastBand<T>& a) {
  for (Index h = 0; h < a.rows; h += 2) {
    if (h + 2 <= a.rows) {
      BandLines<kStride, 2>(a, h);
    } else {
      BandLines<kStride, 1>(a, h);
    }
  }
  if (a.stream) hwy::FlushStream();
}

template <class T>
void DepthwiseLastBandRun(const DepthwiseLastBand<T>& a) {
  if (a.stride == 1) {
    BandRun<1>(a);
  } else {
    BandRun<2>(a);
  }
}

template <class T>
void DepthwiseLastSumsRun(const DepthwiseLastSums<T>& a) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  for (Index c = 0; c < a.channels; c += lanes) {
    const Index left = HWY_MIN(lanes, a.channels - c);
    for (Index t = 0; t < a.tap_count; ++t) {
      const DepthwiseLastTap<T>& tap = a.taps[t];
      T* const sum = a.sums[t] + c;
      V acc0 = LoadTail(d, sum, left);
      V acc1 = hn::Zero(d);
      Index w = tap.begin;
      if (left == lanes) {
        for (; w + 2 <= tap.end; w += 2) {
          acc0 = hn::MulAdd(hn::LoadU(d, a.dy + w * a.dy_step + c),
                            hn::LoadU(d, tap.x + w * a.step + c), acc0);
          acc1 = hn::MulAdd(hn::LoadU(d, a.dy + (w + 1) * a.dy_step + c),
                            hn::LoadU(d, tap.x + (w + 1) * a.step + c), acc1);
        }
      }
      for (; w < tap.end; ++w) {
        acc0 = hn::MulAdd(LoadTail(d, a.dy + w * a.dy_step + c, left),
                          LoadTail(d, tap.x + w * a.step + c, left), acc0);
      }
      StoreTail(d, hn::Add(acc0, acc1), sum, left);
    }
  }
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_DEPTHWISE_LAST_INL_HPP_
