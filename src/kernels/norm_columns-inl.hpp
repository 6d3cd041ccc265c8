// Normalization of columns, whose neighbors belong to other groups (channels last), and its
// gradient.

#if defined(LAMINA_KERNELS_NORM_COLUMNS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_NORM_COLUMNS_INL
#undef LAMINA_KERNELS_NORM_COLUMNS_INL
#else
#define LAMINA_KERNELS_NORM_COLUMNS_INL
#endif

#include "kernels/norm-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Rows that tell about where the mean of a column is.
constexpr Index kNormFirstRows = 16;
/// Vectors of columns that are done together: their parameters stay in registers.
constexpr int kNormTile = 4;

/// tile(column, lanes, vectors) for all columns, where `vectors` is a constant. Only a single
/// vector may be a part.
template <class D, class F>
HWY_INLINE void ForTiles(D d, Index columns, const F& tile) {
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Index column = 0;
  for (; column + kNormTile * lanes <= columns; column += kNormTile * lanes) {
    tile(column, Whole<D>(), std::integral_constant<int, kNormTile>());
  }
  for (; column + lanes <= columns; column += lanes) {
    tile(column, Whole<D>(), std::integral_constant<int, 1>());
  }
  if (column < columns) {
    tile(column, Part<D>{columns - column}, std::integral_constant<int, 1>());
  }
}

/// Sums of K terms over rows [begin, end); terms(v, row_offset, column, lanes, out) are those of
/// vector v of the tile.
template <int K, int kVectors, class L, class D, class T, class F>
HWY_INLINE void TileSums(D d, const NormColumnArgs<T>& a, Index begin, Index end, Index column,
                         L lanes, const F& terms, Sums<K, D> (&sums)[kVectors]) {
  const Index step = static_cast<Index>(hn::Lanes(d));
  Repeat<kVectors>([&](auto v) LAMINA_NORM_INLINE { sums[v].Clear(d); });
  for (Index row = begin; row < end; ++row) {
    Repeat<kVectors>([&](auto v) LAMINA_NORM_INLINE {
      Sums<K, D> term;
      terms(v, row * a.stride, column + v * step, lanes, term.v);
      sums[v].Add(term);
    });
  }
}

template <class T>
void NormColumnMoments(const NormColumnArgs<T>& a) {
  using D = hn::ScalableTag<T>;
  const D d;
  using V = hn::Vec<D>;
  const Index step = static_cast<Index>(hn::Lanes(d));
  ForTiles(d, a.columns, [&](Index column, auto lanes, auto vectors) LAMINA_NORM_INLINE {
    constexpr int kVectors = vectors;
    constexpr int kMost = kVectors * static_cast<int>(hn::MaxLanes(D()));
    const Index width = std::min(a.columns - column, kVectors * step);
    HWY_ALIGN T near[kMost] = {};
    HWY_ALIGN T sum[kMost];
    HWY_ALIGN T square[kMost];
    double mean[kMost] = {};
    double squares[kMost] = {};
    V center[kVectors];
    const auto terms = [&](auto v, Index row, Index at, auto part, V* out) LAMINA_NORM_INLINE {
      const V e = part.Keep(d, hn::Sub(part.Load(d, a.x + row + at), center[v]));
      out[0] = e;
      out[1] = hn::Mul(e, e);
    };
    Sums<2, D> sums[kVectors];
    const auto take = [&](Index begin, Index end) LAMINA_NORM_INLINE {
      Repeat<kVectors>([&](auto v)
                           LAMINA_NORM_INLINE { center[v] = hn::Load(d, near + v * step); });
      TileSums<2, kVectors>(d, a, begin, end, column, lanes, terms, sums);
      Repeat<kVectors>([&](auto v) LAMINA_NORM_INLINE {
        hn::Store(sums[v].v[0], d, sum + v * step);
        hn::Store(sums[v].v[1], d, square + v * step);
      });
    };
    const Index first = std::min(a.rows, kNormFirstRows);
    for (Index i = 0; i < width; ++i) {
      near[i] = a.mean[column + i];
    }
    take(0, first);
    for (Index i = 0; i < width; ++i) {
      const double origin = static_cast<double>(a.mean[column + i]);
      near[i] = static_cast<T>(origin + static_cast<double>(sum[i]) / static_cast<double>(first));
    }
    for (Index begin = 0; begin < a.rows; begin += kNormRowBlock) {
      const Index end = std::min(a.rows, begin + kNormRowBlock);
      take(begin, end);
      const double inverse = 1 / static_cast<double>(end - begin);
      const double share = static_cast<double>(end - begin) / static_cast<double>(end);
      const double weight = static_cast<double>(begin) * share;
      for (Index i = 0; i < width; ++i) {
        const double origin = static_cast<double>(a.mean[column + i]);
        const double s = static_cast<double>(sum[i]);
        const double rest = s * inverse;
        const double spread = static_cast<double>(square[i]) - rest * s;
        const double difference = static_cast<double>(near[i]) - origin + rest - mean[i];
        mean[i] += difference * share;
        squares[i] += (spread < 0 ? 0 : spread) + difference * difference * weight;  // NaN stays
        near[i] = static_cast<T>(origin + mean[i]);
      }
    }
    std::copy_n(mean, width, a.sums[0] + column);
    std::copy_n(squares, width, a.sums[1] + column);
  });
}

template <class T>
void NormColumnBackwardSums(const NormColumnArgs<T>& a) {
  using D = hn::ScalableTag<T>;
  const D d;
  using V = hn::Vec<D>;
  const Index step = static_cast<Index>(hn::Lanes(d));
  ForTiles(d, a.columns, [&](Index column, auto lanes, auto vectors) LAMINA_NORM_INLINE {
    constexpr int kVectors = vectors;
    const Index width = std::min(a.columns - column, kVectors * step);
    V mean[kVectors];
    Repeat<kVectors>(
        [&](auto v) LAMINA_NORM_INLINE { mean[v] = lanes.Load(d, a.mean + column + v * step); });
    for (Index begin = 0; begin < a.rows; begin += kNormRowBlock) {
      Sums<3, D> sums[kVectors];
      TileSums<3, kVectors>(
          d, a, begin, std::min(a.rows, begin + kNormRowBlock), column, lanes,
          [&](auto v, Index row, Index at, auto part, V* out) LAMINA_NORM_INLINE {
            const V dy = part.Load(d, a.dy + row + at);
            const V e = hn::Sub(part.Load(d, a.x + row + at), mean[v]);
            out[0] = dy;
            out[1] = hn::Mul(dy, e);
            out[2] = e;
          },
          sums);
      HWY_ALIGN T out[kVectors * hn::MaxLanes(D())];
      for (int k = 0; k < 3; ++k) {
        Repeat<kVectors>([&](auto v)
                             LAMINA_NORM_INLINE { hn::Store(sums[v].v[k], d, out + v * step); });
        for (Index i = 0; i < width; ++i) {
          a.sums[k][column + i] += static_cast<double>(out[i]);
        }
      }
    }
  });
}

/// result(parameters, v, offset, lanes) for vector v of a tile, to y. Several tiles take each row
/// in turn, so that memory is written as it lies there.
template <class D, class T, class Start, class F>
HWY_INLINE void ColumnResults(D d, const NormColumnArgs<T>& a, Start start, const F& result) {
  const Index step = static_cast<Index>(hn::Lanes(d));
  // A single tile keeps its parameters for all rows.
  const Index together = a.columns <= kNormTile * step ? a.rows : 1;
  for (Index begin = 0; begin < a.rows; begin += together) {
    const Index end = std::min(a.rows, begin + together);
    ForTiles(d, a.columns, [&](Index column, auto lanes, auto vectors) LAMINA_NORM_INLINE {
      const auto parameters = start(column, lanes, vectors);
      for (Index row = begin; row < end; ++row) {
        const Index at = row * a.stride + column;
        Repeat<vectors>([&](auto v) LAMINA_NORM_INLINE {
          const auto y = result(parameters, v, at + v * step, lanes);
          if (a.stream) {
            hn::Stream(y, d, a.y + at + v * step);
          } else {
            lanes.Store(d, y, a.y + at + v * step);
          }
        });
      }
    });
  }
  if (a.stream) {
    hwy::FlushStream();
  }
}

/// N numbers of each column of a tile.
template <int N, int kVectors, class D>
struct ColumnParameters {
  hn::Vec<D> v[kVectors][N];
  template <class L, class T>
  HWY_INLINE ColumnParameters(D d, L lanes, Index column, const T* const (&from)[N]) {
    const Index step = static_cast<Index>(hn::Lanes(d));
    Repeat<kVectors>([&](auto i) LAMINA_NORM_INLINE {
      Repeat<N>([&](auto k)
                    LAMINA_NORM_INLINE { v[i][k] = lanes.Load(d, from[k] + column + i * step); });
    });
  }
};

template <class T>
void NormColumnApply(const NormColumnArgs<T>& a) {
  const hn::ScalableTag<T> d;
  const T* const numbers[] = {a.mean, a.scale, a.shift};
  ColumnResults(
      d, a,
      [&](Index column, auto lanes, auto vectors) LAMINA_NORM_INLINE {
        return ColumnParameters<3, vectors, decltype(d)>(d, lanes, column, numbers);
      },
      [&](const auto& p, auto v, Index at, auto lanes) LAMINA_NORM_INLINE {
        return hn::MulAdd(hn::Sub(lanes.Load(d, a.x + at), p.v[v][0]), p.v[v][1], p.v[v][2]);
      });
}

template <class T>
void NormColumnBackwardApply(const NormColumnArgs<T>& a) {
  const hn::ScalableTag<T> d;
  const T* const numbers[] = {a.mean, a.scale, a.slope, a.shift};
  ColumnResults(
      d, a,
      [&](Index column, auto lanes, auto vectors) LAMINA_NORM_INLINE {
        return ColumnParameters<4, vectors, decltype(d)>(d, lanes, column, numbers);
      },
      [&](const auto& p, auto v, Index at, auto lanes) LAMINA_NORM_INLINE {
        const auto e = hn::Sub(lanes.Load(d, a.x + at), p.v[v][0]);
        const auto rest = hn::MulAdd(e, p.v[v][2], p.v[v][3]);
        return hn::MulAdd(lanes.Load(d, a.dy + at), p.v[v][1], rest);
      });
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
