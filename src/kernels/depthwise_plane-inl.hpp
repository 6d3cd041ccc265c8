// Depthwise convolution of whole planes and lines for any vector width.

#if defined(LAMINA_KERNELS_DEPTHWISE_PLANE_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_DEPTHWISE_PLANE_INL_HPP_
#undef LAMINA_KERNELS_DEPTHWISE_PLANE_INL_HPP_
#else
#define LAMINA_KERNELS_DEPTHWISE_PLANE_INL_HPP_
#endif

#include "hwy/highway.h"
#include "kernels/depthwise_plane.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// to[i] = x[(first + i) * step] for i < count where that lies in the line, zero elsewhere. Writes
// up to a vector behind the end.
template <class T>
HWY_INLINE void CopyPadded(const T* HWY_RESTRICT x, Index extent, Index step, Index first,
                           Index count, T* HWY_RESTRICT to) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const Index begin = HWY_MIN(HWY_MAX(-first, Index{0}), count);
  const Index end = HWY_MAX(HWY_MIN(extent - first, count), begin);
  for (Index i = 0; i < begin; i += lanes) {
    hn::StoreU(hn::Zero(d), d, to + i);
  }
  Index i = begin;
  if (step == 1) {
    const T* HWY_RESTRICT from = x + first;
    for (; i + lanes <= end; i += lanes) {
      hn::StoreU(hn::LoadU(d, from + i), d, to + i);
    }
    if (i < end) {
      // Zeros behind the line.
      hn::StoreU(LoadTail(d, from + i, end - i), d, to + i);
      i += lanes;
    }
  } else {
    for (; i < end; ++i) {
      to[i] = x[(first + i) * step];
    }
  }
  for (; i < count; i += lanes) {
    hn::StoreU(hn::Zero(d), d, to + i);
  }
}

// The copy of a plane, for the lines of the result [0, rows).
template <class T>
void CopyPlane(const DepthwisePlane<T>& a) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const Index pitch = a.pitch();
  const Index lines = (a.rows - 1) * a.row_step + a.slot_rows;
  T* const apart = a.copy + lines * pitch + 64;  // one line before it is taken apart
  for (Index j = 0; j < lines; ++j) {
    T* const to = a.copy + j * pitch;
    const Index row = a.low_row + j;
    if (row < 0 || row >= a.rows_in) {
      for (Index i = 0; i < pitch; i += lanes) {
        hn::StoreU(hn::Zero(d), d, to + i);
      }
      continue;
    }
    const T* x = a.x + row * a.x_row_stride;
    if (a.phases == 1) {
      CopyPadded(x, a.columns_in, a.x_step, a.low_column, a.phase_columns, to);
      continue;
    }
    CopyPadded(x, a.columns_in, a.x_step, a.low_column, pitch, apart);
    if (a.phases == 2) {
      for (Index i = 0; i < a.phase_columns; i += lanes) {
        hn::Vec<decltype(d)> even, odd;
        hn::LoadInterleaved2(d, apart + 2 * i, even, odd);
        if (i + lanes <= a.phase_columns) {
          hn::StoreU(even, d, to + i);
          hn::StoreU(odd, d, to + a.phase_columns + i);
        } else {
          StoreTail(d, even, to + i, a.phase_columns - i);
          StoreTail(d, odd, to + a.phase_columns + i, a.phase_columns - i);
        }
      }
    } else {
      for (Index r = 0; r < a.phases; ++r) {
        for (Index u = 0; u < a.phase_columns; ++u) {
          to[r * a.phase_columns + u] = apart[u * a.phases + r];
        }
      }
    }
  }
}

// kRows lines by kVectors vectors of the result.
template <int kRows, int kVectors, class T>
HWY_INLINE void PlaneBlock(const DepthwisePlane<T>& a, const T* HWY_RESTRICT slots,
                           Index row_distance, T* HWY_RESTRICT y, Index last) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  V acc[kRows][kVectors];
  const V bias = hn::Set(d, a.bias);
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (int v = 0; v < kVectors; ++v) {
      acc[r][v] = bias;
    }
  }
  for (Index t = 0; t < a.taps; ++t) {
    const V w = hn::Set(d, a.weights[t]);
    const T* HWY_RESTRICT x = slots + a.offsets[t];
    HWY_UNROLL(8)
    for (int r = 0; r < kRows; ++r) {
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        acc[r][v] = hn::MulAdd(w, hn::LoadU(d, x + r * row_distance + v * lanes), acc[r][v]);
      }
    }
  }
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (int v = 0; v < kVectors; ++v) {
      if (v + 1 < kVectors || last == lanes) {
        hn::StoreU(acc[r][v], d, y + r * a.columns + v * lanes);
      } else {
        StoreTail(d, acc[r][v], y + r * a.columns + v * lanes, last);
      }
    }
  }
}

// All columns of kRows lines.
template <int kRows, class T>
HWY_INLINE void PlaneRows(const DepthwisePlane<T>& a, Index h) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const Index row_distance = a.row_step * a.pitch();
  const T* slots = a.copy + h * row_distance;
  T* const y = a.y + h * a.columns;
  Index w = 0;
  for (; w + 2 * lanes <= a.columns; w += 2 * lanes) {
    PlaneBlock<kRows, 2>(a, slots + w, row_distance, y + w, lanes);
  }
  for (; w < a.columns; w += lanes) {
    const Index last = HWY_MIN(lanes, a.columns - w);
    PlaneBlock<kRows, 1>(a, slots + w, row_distance, y + w, last);
  }
}

template <class T>
void DepthwisePlaneRun(const DepthwisePlane<T>& a) {
  const Index lanes = static_cast<Index>(hn::Lanes(hn::ScalableTag<T>()));
  CopyPlane(a);
  Index h = 0;
  // A single vector a line needs more lines to keep the multipliers busy.
  if (a.columns <= lanes) {
    for (; h + 8 <= a.rows; h += 8) PlaneRows<8>(a, h);
  }
  for (; h + 4 <= a.rows; h += 4) PlaneRows<4>(a, h);
  for (; h + 2 <= a.rows; h += 2) PlaneRows<2>(a, h);
  for (; h < a.rows; ++h) PlaneRows<1>(a, h);
}

// Sums of kTaps taps over the whole plane.
template <int kTaps, class T>
HWY_INLINE void PlaneSums(const DepthwisePlaneSums<T>& s, Index first) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const DepthwisePlane<T>& a = s.plane;
  const Index row_distance = a.row_step * a.pitch();
  V acc[kTaps];
  HWY_UNROLL(16)
  for (int t = 0; t < kTaps; ++t) {
    acc[t] = hn::Zero(d);
  }
  for (Index h = 0; h < a.rows; ++h) {
    const T* HWY_RESTRICT dy = s.dy + h * s.dy_row_stride;
    const T* HWY_RESTRICT slots = a.copy + h * row_distance;
    Index w = 0;
    for (; w + lanes <= a.columns; w += lanes) {
      const V g = hn::LoadU(d, dy + w);
      HWY_UNROLL(16)
      for (int t = 0; t < kTaps; ++t) {
        acc[t] = hn::MulAdd(g, hn::LoadU(d, slots + a.offsets[first + t] + w), acc[t]);
      }
    }
    if (w < a.columns) {
      const Index left = a.columns - w;
      const V g = LoadTail(d, dy + w, left);
      HWY_UNROLL(16)
      for (int t = 0; t < kTaps; ++t) {
        acc[t] = hn::MulAdd(g, LoadTail(d, slots + a.offsets[first + t] + w, left), acc[t]);
      }
    }
  }
  HWY_UNROLL(16)
  for (int t = 0; t < kTaps; ++t) {
    s.sums[first + t] += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, acc[t])));
  }
}

template <class T>
void DepthwisePlaneSumsRun(const DepthwisePlaneSums<T>& s) {
  CopyPlane(s.plane);
  Index t = 0;
  for (; t + 9 <= s.plane.taps; t += 9) PlaneSums<9>(s, t);
  for (; t + 3 <= s.plane.taps; t += 3) PlaneSums<3>(s, t);
  for (; t < s.plane.taps; ++t) PlaneSums<1>(s, t);
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
      hn::StoreU(acc[i], d, a.y + (w + i) * a.y_step + c);
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

#endif  // LAMINA_KERNELS_DEPTHWISE_PLANE_INL_HPP_
