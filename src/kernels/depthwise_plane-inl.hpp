// Depthwise convolution of whole planes and lines for any vector width.

#if defined(LAMINA_KERNELS_DEPTHWISE_PLANE_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_DEPTHWISE_PLANE_INL_HPP_
#undef LAMINA_KERNELS_DEPTHWISE_PLANE_INL_HPP_
#else
#define LAMINA_KERNELS_DEPTHWISE_PLANE_INL_HPP_
#endif

#include <cstdint>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/depthwise_last-inl.hpp"
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

#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86

// How far ahead lines of x are asked for, in bytes: the blocks below read several at a time, and
// the hardware loses the stream.
inline constexpr std::size_t kDepthwiseAhead = 8192;

// Lanes j for which first + j is a column of x.
template <class D>
HWY_INLINE hn::Mask<D> InsideMask(D d, Index columns_in, Index first) {
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const Index begin = HWY_MIN(HWY_MAX(-first, Index{0}), lanes);
  const Index end = HWY_MIN(HWY_MAX(columns_in - first, begin), lanes);
  return hn::AndNot(TailMask(d, begin), TailMask(d, end));
}

// What the three taps of one line of x are to a vector of positions: loads of neighbors, masked
// where there is padding; with a stride of 2 the even or the odd columns of two loads.
template <int kStride, class D>
class DirectLine {
 public:
  using T = hn::TFromD<D>;
  using V = hn::Vec<D>;
  DirectLine(D d, Index columns_in, Index first) {
    const Index lanes = static_cast<Index>(hn::Lanes(d));
    for (int k = 0; k < 3; ++k) {
      const Index from = kStride == 1 ? first + k : first + k * (k == 1 ? lanes : 1);
      masks_[k] = InsideMask(d, columns_in, from);
    }
    if (kStride == 2) masks_[3] = InsideMask(d, columns_in, first + 2 + lanes);
  }
  // x: where the first position looks first.
  HWY_INLINE void Taps(D d, const T* HWY_RESTRICT x, V& tap0, V& tap1, V& tap2) const {
    const Index lanes = static_cast<Index>(hn::Lanes(d));
    if constexpr (kStride == 1) {
      tap0 = hn::MaskedLoad(masks_[0], d, x);
      tap1 = hn::MaskedLoad(masks_[1], d, x + 1);
      tap2 = hn::MaskedLoad(masks_[2], d, x + 2);
    } else {
      const V low = hn::MaskedLoad(masks_[0], d, x);
      const V high = hn::MaskedLoad(masks_[1], d, x + lanes);
      tap0 = hn::ConcatEven(d, high, low);
      tap1 = hn::ConcatOdd(d, high, low);
      tap2 = hn::ConcatEven(d, hn::MaskedLoad(masks_[3], d, x + 2 + lanes),
                            hn::MaskedLoad(masks_[2], d, x + 2));
    }
  }

 private:
  hn::Mask<D> masks_[4];
};

// kRows lines of a vector of positions each, from x itself.
template <int kStride, int kRows, class D, class T = hn::TFromD<D>>
HWY_INLINE void DirectBlock(D d, const DepthwisePlane<T>& a, const DirectLine<kStride, D>& line,
                            const hn::Vec<D> (&weights)[9], Index h, Index w) {
  using V = hn::Vec<D>;
  V acc[kRows];
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    acc[r] = hn::Set(d, a.bias);
  }
  const Index top = a.low_row + h * kStride;
  const T* const x = a.x + top * a.x_row_stride + a.low_column + w * kStride;
  HWY_UNROLL(17)
  for (int i = 0; i < kStride * (kRows - 1) + 3; ++i) {
    if (top + i < 0 || top + i >= a.rows_in) continue;
    if (i >= 3 - kStride) {
      for (int v = 0; v < kStride; ++v) {
        hwy::Prefetch(x + i * a.x_row_stride + kDepthwiseAhead / sizeof(T) + v * hn::MaxLanes(d));
      }
    }
    V tap0, tap1, tap2;
    line.Taps(d, x + i * a.x_row_stride, tap0, tap1, tap2);
    HWY_UNROLL(3)
    for (int k = 0; k < 3; ++k) {
      if (i >= k && (i - k) % kStride == 0 && (i - k) / kStride < kRows) {
        V& sum = acc[(i - k) / kStride];
        sum = hn::MulAdd(weights[3 * k], tap0, sum);
        sum = hn::MulAdd(weights[3 * k + 1], tap1, sum);
        sum = hn::MulAdd(weights[3 * k + 2], tap2, sum);
      }
    }
  }
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  T* HWY_RESTRICT y = a.y + h * a.columns + w;
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r, y += a.columns) {
    if (a.columns - w >= lanes) {
      StoreResult(d, acc[r], a.stream, y);
    } else {
      StoreTail(d, acc[r], y, a.columns - w);
    }
  }
}

template <int kStride, class T>
void DirectRun(const DepthwisePlane<T>& a) {
  using D = hn::ScalableTag<T>;
  const D d;
  hn::Vec<D> weights[9];
  HWY_UNROLL(9)
  for (int t = 0; t < 9; ++t) {
    weights[t] = hn::Set(d, a.weights[t]);
  }
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  for (Index h = 0; h < a.rows;) {
    const Index rows = a.rows - h >= 7 ? 7 : a.rows - h >= 4 ? 4 : a.rows - h >= 2 ? 2 : 1;
    for (Index w = 0; w < a.columns; w += lanes) {
      const DirectLine<kStride, D> line(d, a.columns_in, a.low_column + w * kStride);
      switch (rows) {
        case 7:
          DirectBlock<kStride, 7>(d, a, line, weights, h, w);
          break;
        case 4:
          DirectBlock<kStride, 4>(d, a, line, weights, h, w);
          break;
        case 2:
          DirectBlock<kStride, 2>(d, a, line, weights, h, w);
          break;
        default:
          DirectBlock<kStride, 1>(d, a, line, weights, h, w);
      }
    }
    h += rows;
  }
  if (a.stream) hwy::FlushStream();
}

HWY_INLINE hn::Vec512<float> TwoTables(hn::Vec512<float> a, hn::Vec512<std::int32_t> places,
                                       hn::Vec512<float> b) {
  return hn::Vec512<float>{_mm512_permutex2var_ps(a.raw, places.raw, b.raw)};
}
HWY_INLINE hn::Vec512<double> TwoTables(hn::Vec512<double> a, hn::Vec512<std::int64_t> places,
                                        hn::Vec512<double> b) {
  return hn::Vec512<double>{_mm512_permutex2var_pd(a.raw, places.raw, b.raw)};
}

// Narrow planes with a stride of 2: a line of x with its padding is one vector, and what a tap is
// to two lines of the result, one behind the other, is a permutation of two of them.
template <class T>
void NarrowRun(const DepthwisePlane<T>& a) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const hn::RebindToSigned<decltype(d)> di;
  using Place = hn::TFromD<decltype(di)>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const auto set = [&](Index i) HWY_ATTR { return hn::Set(di, static_cast<Place>(i)); };
  V weights[9];
  HWY_UNROLL(9)
  for (int t = 0; t < 9; ++t) {
    weights[t] = hn::Set(d, a.weights[t]);
  }
  const auto lane = hn::Iota(di, Place{0});
  const auto twice = hn::Add(lane, lane);
  const auto second = hn::Add(twice, set(lanes - 2 * a.columns));
  const auto tap0 = hn::IfThenElse(hn::Lt(lane, set(a.columns)), twice, second);
  const auto tap1 = hn::Add(tap0, set(1));
  const auto tap2 = hn::Add(tap0, set(2));
  const auto inside = InsideMask(d, a.columns_in, a.low_column);
  const T* const corner = a.x + a.low_row * a.x_row_stride + a.low_column;
  for (Index i = 0; i < 2 * a.rows * a.x_row_stride; i += static_cast<Index>(64 / sizeof(T))) {
    hwy::Prefetch(corner + i + kDepthwiseAhead / sizeof(T));
  }
  const auto on_padding = [&](Index h) {
    return a.low_row + 2 * h < 0 || a.low_row + 2 * h + 3 > a.rows_in;
  };
  for (Index h = 0; h < a.rows;) {
    const bool both = h + 1 < a.rows && !on_padding(h) && !on_padding(h + 1);
    V acc = hn::Set(d, a.bias);
    HWY_UNROLL(3)
    for (int k = 0; k < 3; ++k) {
      const Index row = a.low_row + 2 * h + k;
      if (row < 0 || row >= a.rows_in) continue;
      const T* const line = corner + (2 * h + k) * a.x_row_stride;
      const V x0 = hn::MaskedLoad(inside, d, line);
      const V x1 = both ? hn::MaskedLoad(inside, d, line + 2 * a.x_row_stride) : x0;
      acc = hn::MulAdd(weights[3 * k], TwoTables(x0, tap0, x1), acc);
      acc = hn::MulAdd(weights[3 * k + 1], TwoTables(x0, tap1, x1), acc);
      acc = hn::MulAdd(weights[3 * k + 2], TwoTables(x0, tap2, x1), acc);
    }
    StoreTail(d, acc, a.y + h * a.columns, both ? 2 * a.columns : a.columns);
    h += both ? 2 : 1;
  }
}

#endif

template <class T>
void DepthwisePlaneRun(const DepthwisePlane<T>& a) {
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  // Masks make the padding: no copy.
  if (a.three_by_three && a.x_step == 1 && a.row_step == a.phases && a.row_step <= 2 &&
      a.offsets[1] == (a.phases == 1 ? 1 : a.phase_columns) &&
      a.offsets[2] == (a.phases == 1 ? 2 : 1)) {
    constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
    if (a.phases == 2 && 2 * a.columns + 1 <= kLanes) return NarrowRun(a);
    return a.phases == 1 ? DirectRun<1>(a) : DirectRun<2>(a);
  }
#endif
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

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_DEPTHWISE_PLANE_INL_HPP_
