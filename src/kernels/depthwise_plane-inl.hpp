// Depthwise convolution of whole planes and lines for any vector width.

#if defined(LAMINA_KERNELS_DEPTHWISE_PLANE_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_DEPTHWISE_PLANE_INL_HPP_
#undef LAMINA_KERNELS_DEPTHWISE_PLANE_INL_HPP_
#else
#define LAMINA_KERNELS_DEPTHWISE_PLANE_INL_HPP_
#endif

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/depthwise_plane.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// x[first], x[first + 1] ... where they lie in [0, extent), zero elsewhere.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> LoadInside(D d, const T* HWY_RESTRICT x, Index extent, Index first) {
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  if (first >= 0 && first + lanes <= extent) return hn::LoadU(d, x + first);
  const Index begin = HWY_MIN(HWY_MAX(-first, Index{0}), lanes);
  const Index end = HWY_MIN(HWY_MAX(extent - first, begin), lanes);
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  const auto mask = hn::AndNot(TailMask(d, begin), TailMask(d, end));
  return hn::MaskedLoad(mask, d, x + first);
#else
  HWY_ALIGN T buffer[hn::MaxLanes(d)] = {};
  for (Index i = begin; i < end; ++i) {
    buffer[i] = x[first + i];
  }
  return hn::Load(d, buffer);
#endif
}

// The copy of a plane, for the lines of the result [0, rows). Each line is written up to a vector
// behind its end, where the next one begins.
template <class T>
void CopyPlane(const DepthwisePlane<T>& a) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const Index pitch = a.pitch();
  const Index lines = (a.rows - 1) * a.row_step + a.slot_rows;
  for (Index j = 0; j < lines; ++j) {
    T* HWY_RESTRICT to = a.copy + j * pitch;
    const Index row = a.low_row + j;
    if (row < 0 || row >= a.rows_in) {
      for (Index i = 0; i < pitch; i += lanes) {
        hn::StoreU(hn::Zero(d), d, to + i);
      }
      continue;
    }
    const T* HWY_RESTRICT x = a.x + row * a.x_row_stride;
    if (a.x_step == 1 && a.phases == 1) {
      for (Index i = 0; i < pitch; i += lanes) {
        hn::StoreU(LoadInside(d, x, a.columns_in, a.low_column + i), d, to + i);
      }
    } else if (a.x_step == 1 && a.phases == 2) {
      T* HWY_RESTRICT odd = to + a.phase_columns;
      // From the right: where the even ones end the odd ones begin, and are written later.
      for (Index i = (a.phase_columns - 1) / lanes * lanes; i >= 0; i -= lanes) {
        const auto v0 = LoadInside(d, x, a.columns_in, a.low_column + 2 * i);
        const auto v1 = LoadInside(d, x, a.columns_in, a.low_column + 2 * i + lanes);
        hn::StoreU(hn::ConcatEven(d, v1, v0), d, to + i);
        hn::StoreU(hn::ConcatOdd(d, v1, v0), d, odd + i);
      }
    } else {
      for (Index r = 0; r < a.phases; ++r) {
        for (Index u = 0; u < a.phase_columns; ++u) {
          const Index column = a.low_column + a.phases * u + r;
          to[r * a.phase_columns + u] =
              column >= 0 && column < a.columns_in ? x[column * a.x_step] : T(0);
        }
      }
    }
  }
}

template <class D, class T = hn::TFromD<D>>
HWY_INLINE void StoreResult(D d, hn::Vec<D> v, bool stream, T* to) {
  if (stream) {
    hn::Stream(v, d, to);
  } else {
    hn::StoreU(v, d, to);
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
        StoreResult(d, acc[r][v], a.stream, y + r * a.columns + v * lanes);
      } else {
        StoreTail(d, acc[r][v], y + r * a.columns + v * lanes, last);
      }
    }
  }
}

// The same for a kernel of 3 x 3 taps with neighboring lines: each vector of the copy is loaded
// once for all lines of the result that see it.
template <int kStride, int kRows, int kVectors, class T>
HWY_INLINE void PlaneBlock3x3(const DepthwisePlane<T>& a, const T* HWY_RESTRICT slots,
                              T* HWY_RESTRICT y, Index last) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const Index pitch = a.pitch();
  V acc[kRows][kVectors];
  const V bias = hn::Set(d, a.bias);
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (int v = 0; v < kVectors; ++v) {
      acc[r][v] = bias;
    }
  }
  for (int t = 0; t < 3; ++t) {
    const T* HWY_RESTRICT x = slots + a.offsets[t];
    const V w[3] = {hn::Set(d, a.weights[t]), hn::Set(d, a.weights[3 + t]),
                    hn::Set(d, a.weights[6 + t])};
    HWY_UNROLL(17)
    for (int i = 0; i < kStride * (kRows - 1) + 3; ++i) {
      V in[kVectors];
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        in[v] = hn::LoadU(d, x + i * pitch + v * lanes);
      }
      HWY_UNROLL(3)
      for (int k = 0; k < 3; ++k) {
        if (i >= k && (i - k) % kStride == 0 && (i - k) / kStride < kRows) {
          HWY_UNROLL(2)
          for (int v = 0; v < kVectors; ++v) {
            V& sum = acc[(i - k) / kStride][v];
            sum = hn::MulAdd(w[k], in[v], sum);
          }
        }
      }
    }
  }
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (int v = 0; v < kVectors; ++v) {
      if (v + 1 < kVectors || last == lanes) {
        StoreResult(d, acc[r][v], a.stream, y + r * a.columns + v * lanes);
      } else {
        StoreTail(d, acc[r][v], y + r * a.columns + v * lanes, last);
      }
    }
  }
}

// All columns of kRows lines; kStride is 0 for other kernels than 3 x 3.
template <int kStride, int kRows, class T>
HWY_INLINE void PlaneRows(const DepthwisePlane<T>& a, Index h) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const Index row_distance = a.row_step * a.pitch();
  const T* slots = a.copy + h * row_distance;
  T* const y = a.y + h * a.columns;
  // Two vectors side by side, the second whole or in part.
  for (Index w = 0; w < a.columns;) {
    const Index left = a.columns - w;
    const Index last = HWY_MIN(left > lanes ? left - lanes : left, lanes);
    if constexpr (kRows <= 4) {
      if (left > lanes) {
        if constexpr (kStride > 0) {
          PlaneBlock3x3<kStride, kRows, 2>(a, slots + w, y + w, last);
        } else {
          PlaneBlock<kRows, 2>(a, slots + w, row_distance, y + w, last);
        }
        w += 2 * lanes;
        continue;
      }
    }
    if constexpr (kStride > 0) {
      PlaneBlock3x3<kStride, kRows, 1>(a, slots + w, y + w, HWY_MIN(left, lanes));
    } else {
      PlaneBlock<kRows, 1>(a, slots + w, row_distance, y + w, HWY_MIN(left, lanes));
    }
    w += lanes;
  }
}

template <int kStride, class T>
void PlaneRun(const DepthwisePlane<T>& a) {
  const Index lanes = static_cast<Index>(hn::Lanes(hn::ScalableTag<T>()));
  CopyPlane(a);
  Index h = 0;
  // A single vector a line needs more lines to keep the multipliers busy.
  if (a.columns <= lanes) {
    for (; h + 7 <= a.rows; h += 7) PlaneRows<kStride, 7>(a, h);
  }
  for (; h + 4 <= a.rows; h += 4) PlaneRows<kStride, 4>(a, h);
  for (; h + 2 <= a.rows; h += 2) PlaneRows<kStride, 2>(a, h);
  for (; h < a.rows; ++h) PlaneRows<kStride, 1>(a, h);
  if (a.stream) hwy::FlushStream();
}

template <class T>
void DepthwisePlaneRun(const DepthwisePlane<T>& a) {
  if (a.three_by_three && a.row_step == 1) return PlaneRun<1>(a);
  if (a.three_by_three && a.row_step == 2) return PlaneRun<2>(a);
  PlaneRun<0>(a);
}

// Vectors after which the sums go on in double.
inline constexpr Index kPlaneSumVectors = 1024;

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
  const auto settle = [&]() HWY_ATTR {
    HWY_UNROLL(16)
    for (int t = 0; t < kTaps; ++t) {
      s.sums[first + t] += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, acc[t])));
      acc[t] = hn::Zero(d);
    }
  };
  Index added = 0;
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
      if (++added == kPlaneSumVectors) {
        settle();
        added = 0;
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
  settle();
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

// The same where the taps come in threes that see neighboring positions, `next` apart: each vector
// is loaded once for all positions of the result that see it.
template <int kStride, int kPositions, class T>
HWY_INLINE void LastBlock3(const DepthwiseLastLine<T>& a, Index w, Index next) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  for (Index c = 0; c < a.channels; c += lanes) {
    const V bias = a.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, a.bias + c);
    V acc[kPositions];
    HWY_UNROLL(8)
    for (int i = 0; i < kPositions; ++i) {
      acc[i] = bias;
    }
    for (Index t = 0; t < a.tap_count; t += 3) {
      const DepthwiseLastTap<T>* HWY_RESTRICT taps = a.taps + t;
      const V weights[3] = {hn::LoadU(d, taps[0].weights + c), hn::LoadU(d, taps[1].weights + c),
                            hn::LoadU(d, taps[2].weights + c)};
      const T* HWY_RESTRICT x = taps[0].x + w * a.step + c;
      HWY_UNROLL(17)
      for (int i = 0; i < kStride * (kPositions - 1) + 3; ++i, x += next) {
        const V in = hn::LoadU(d, x);
        HWY_UNROLL(3)
        for (int k = 0; k < 3; ++k) {
          if (i >= k && (i - k) % kStride == 0 && (i - k) / kStride < kPositions) {
            V& sum = acc[(i - k) / kStride];
            sum = hn::MulAdd(weights[k], in, sum);
          }
        }
      }
    }
    HWY_UNROLL(8)
    for (int i = 0; i < kPositions; ++i) {
      StoreResult(d, acc[i], a.stream, a.y + (w + i) * a.y_step + c);
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
  const Index lanes = static_cast<Index>(hn::Lanes(hn::ScalableTag<T>()));
  if (a.channels % lanes == 0 && a.tap_count > 0 && a.tap_count % 3 == 0) {
    const Index next = a.taps[1].x - a.taps[0].x;
    bool threes = a.step == next || a.step == 2 * next;
    for (Index t = 0; t < a.tap_count; t += 3) {
      threes = threes && a.taps[t + 1].x - a.taps[t].x == next &&
               a.taps[t + 2].x - a.taps[t + 1].x == next;
    }
    if (threes && a.step == next) {
      for (; w + 7 <= end; w += 7) LastBlock3<1, 7>(a, w, next);
      for (; w + 4 <= end; w += 4) LastBlock3<1, 4>(a, w, next);
    } else if (threes) {
      for (; w + 7 <= end; w += 7) LastBlock3<2, 7>(a, w, next);
      for (; w + 4 <= end; w += 4) LastBlock3<2, 4>(a, w, next);
    }
  }
  for (; w + 6 <= end; w += 6) LastBlock<6>(a, w);
  for (; w + 2 <= end; w += 2) LastBlock<2>(a, w);
  for (; w < end; ++w) LastBlock<1>(a, w);
  for (; w < a.positions; ++w) LastEdge(a, w);
  if (a.stream) hwy::FlushStream();
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
