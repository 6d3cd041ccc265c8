#include "kernels/direct_conv.hpp"

#include <array>
#include <cstddef>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/direct_conv.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/gemm.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Tiles that leave a register for a broadcast and one for each vector of the other factor. Few rows
// take four vectors at a time, which gives enough chains to hide the latency of the FMA. Rows of a
// point product have a pointer each: nine fit the integer registers.
#if HWY_TARGET <= HWY_AVX3 || HWY_TARGET == HWY_NEON
inline constexpr int kLineRows = 14;
inline constexpr int kFewRows = 6;
inline constexpr int kPointRows = 9;
inline constexpr int kSumFew = 4;
inline constexpr int kSumMany = 6;
#elif HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR
inline constexpr int kLineRows = 4;
inline constexpr int kFewRows = 1;
inline constexpr int kPointRows = 4;
inline constexpr int kSumFew = 2;
inline constexpr int kSumMany = 2;
#else
inline constexpr int kLineRows = 6;
inline constexpr int kFewRows = 2;
inline constexpr int kPointRows = 6;
inline constexpr int kSumFew = 3;
inline constexpr int kSumMany = 3;
#endif

// Steps after which sums are put aside: rounding errors do not grow any longer.
inline constexpr Index kLineDepth = 512;

template <int kRows, int kVectors, class T>
void LineTile(const LineProduct<T>& p, Index row, const LineVector* vectors, Index begin,
              Index end) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  V acc[kRows][kVectors];
  HWY_UNROLL(16)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(4)
    for (int v = 0; v < kVectors; ++v) {
      acc[r][v] = hn::Zero(d);
    }
  }
  const T* source[kVectors];
  HWY_UNROLL(4)
  for (int v = 0; v < kVectors; ++v) {
    source[v] = p.source + vectors[v].from;
  }
  const T* HWY_RESTRICT a = p.a + row * p.depth + begin * kRows;
  const Index* HWY_RESTRICT offsets = p.offsets + begin;
  for (Index k = end - begin; k > 0; --k, a += kRows) {
    const Index offset = *offsets++;
    V b[kVectors];
    HWY_UNROLL(4)
    for (int v = 0; v < kVectors; ++v) {
      b[v] = hn::LoadU(d, source[v] + offset);
    }
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
      const V weight = hn::Set(d, a[r]);
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) {
        acc[r][v] = hn::MulAdd(weight, b[v], acc[r][v]);
      }
    }
  }
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  HWY_UNROLL(4)
  for (int v = 0; v < kVectors; ++v) {
    T* const c = p.c + row * p.c_stride + vectors[v].to;
    const Index count = vectors[v].count;
    const bool whole = count == lanes;
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
      T* const to = c + r * p.c_stride;
      V sum = acc[r][v];
      if (begin > 0) {
        sum = hn::Add(sum, whole ? hn::LoadU(d, to) : LoadTail(d, to, count));
      } else if (p.bias != nullptr) {
        sum = hn::Add(sum, hn::Set(d, p.bias[row + r]));
      }
      if (whole) {
        hn::StoreU(sum, d, to);
      } else {
        StoreTail(d, sum, to, count);
      }
    }
  }
}

template <class T>
using LineTileFn = void (*)(const LineProduct<T>&, Index, const LineVector*, Index, Index);

// For 1, 2 ... rows; those of few rows wide.
template <int kVectors, class T, size_t... kRow>
constexpr std::array<LineTileFn<T>, sizeof...(kRow)> LineTiles(std::index_sequence<kRow...>) {
  return {&LineTile<static_cast<int>(kRow) + 1, kVectors, T>...};
}

template <class T>
void LineProductRun(const LineProduct<T>& p) {
  static constexpr auto kWide = LineTiles<4, T>(std::make_index_sequence<kFewRows>());
  static constexpr auto kTall = LineTiles<2, T>(std::make_index_sequence<kLineRows>());
  const Index tiles = (p.rows + kLineRows - 1) / kLineRows;
  for (Index t = 0; t < tiles; ++t) {
    const Index row = gemm_tile_begin(p.rows, tiles, t);
    const Index rows = gemm_tile_begin(p.rows, tiles, t + 1) - row;
    const bool few = rows <= kFewRows;
    const Index together = few ? 4 : 2;
    const LineTileFn<T> tile =
        few ? kWide[static_cast<size_t>(rows - 1)] : kTall[static_cast<size_t>(rows - 1)];
    const Index left = p.count % together;
    // What is left, and vectors of no elements to fill up the tile.
    LineVector rest[4];
    for (Index i = 0; i < 4 && left > 0; ++i) {
      rest[i] = p.vectors[HWY_MIN(p.count - left + i, p.count - 1)];
      rest[i].count = i < left ? rest[i].count : 0;
    }
    const LineTileFn<T> last = few && left <= 2 ? kTall[static_cast<size_t>(rows - 1)] : tile;
    for (Index begin = 0; begin < p.depth; begin += kLineDepth) {
      const Index end = HWY_MIN(p.depth, begin + kLineDepth);
      for (Index v = 0; v + together <= p.count; v += together) {
        tile(p, row, p.vectors + v, begin, end);
      }
      if (left > 0) {
        last(p, row, rest, begin, end);
      }
    }
  }
}

template <int kRows, int kVectors, class T>
void PointTile(const PointProduct<T>& p, Index row) {
  const hn::ScalableTag<T> d;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  using V = hn::Vec<decltype(d)>;
  V acc[kRows][kVectors];
  const T* rows[kRows];
  HWY_UNROLL(16)
  for (int r = 0; r < kRows; ++r) {
    rows[r] = p.rows[row + r];
    HWY_UNROLL(2)
    for (int v = 0; v < kVectors; ++v) {
      acc[r][v] = hn::Zero(d);
    }
  }
  const Index* HWY_RESTRICT offsets = p.offsets;
  const T* HWY_RESTRICT b = p.b;
  for (Index k = p.depth; k > 0; --k, b += kVectors * kLanes) {
    const Index offset = *offsets++;
    V bv[kVectors];
    HWY_UNROLL(2)
    for (int v = 0; v < kVectors; ++v) {
      bv[v] = hn::LoadU(d, b + v * kLanes);
    }
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
      const V av = hn::Set(d, rows[r][offset]);
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        acc[r][v] = hn::MulAdd(av, bv[v], acc[r][v]);
      }
    }
  }
  T* HWY_RESTRICT c = p.c + row * p.c_stride;
  HWY_UNROLL(2)
  for (int v = 0; v < kVectors; ++v) {
    const V bias = p.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, p.bias + v * kLanes);
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
      T* const to = c + r * p.c_stride + v * kLanes;
      hn::StoreU(hn::Add(p.adds ? hn::LoadU(d, to) : bias, acc[r][v]), d, to);
    }
  }
}

template <class T>
using PointTileFn = void (*)(const PointProduct<T>&, Index);

template <int kVectors, class T, size_t... kRow>
constexpr std::array<PointTileFn<T>, sizeof...(kRow)> PointTiles(std::index_sequence<kRow...>) {
  return {&PointTile<static_cast<int>(kRow) + 1, kVectors, T>...};
}

template <class T>
void PointProductRun(const PointProduct<T>& p) {
  static constexpr auto kOne = PointTiles<1, T>(std::make_index_sequence<kPointRows>());
  static constexpr auto kTwo = PointTiles<2, T>(std::make_index_sequence<kPointRows>());
  const Index lanes = static_cast<Index>(hn::Lanes(hn::ScalableTag<T>()));
  const auto& kernels = p.width == lanes ? kOne : kTwo;
  const Index tiles = (p.count + kPointRows - 1) / kPointRows;
  for (Index t = 0; t < tiles; ++t) {
    const Index row = gemm_tile_begin(p.count, tiles, t);
    const Index rows = gemm_tile_begin(p.count, tiles, t + 1) - row;
    kernels[static_cast<size_t>(rows - 1)](p, row);
  }
}

template <int kRows, int kColumns, class T>
void SumTile(const LineSums<T>& p, Index row, Index column) {
  const hn::ScalableTag<T> d;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  using V = hn::Vec<decltype(d)>;
  V acc[kRows][kColumns];
  const T* rows[kRows];
  T* const sums = p.sums + (row * p.columns + column) * kLanes;
  const T* const b = p.b + column * p.b_stride;
  const Index b_stride = p.b_stride;
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    rows[r] = p.rows[row + r];
    HWY_UNROLL(8)
    for (int c = 0; c < kColumns; ++c) {
      acc[r][c] = hn::Zero(d);
    }
  }
  const auto add = [&](const LineVector& v, const auto& load) HWY_ATTR {
    V seen[kRows];
    HWY_UNROLL(8)
    for (int r = 0; r < kRows; ++r) {
      seen[r] = load(rows[r] + v.from);
    }
    // Three columns share a pointer, so that all addresses fit the integer registers.
    const T* const groups[2] = {b + v.to, b + v.to + 3 * b_stride};
    HWY_UNROLL(8)
    for (int c = 0; c < kColumns; ++c) {
      const V column_of = load(groups[c / 3] + (c % 3) * b_stride);
      HWY_UNROLL(8)
      for (int r = 0; r < kRows; ++r) {
        acc[r][c] = hn::MulAdd(seen[r], column_of, acc[r][c]);
      }
    }
  };
  for (Index i = 0; i < p.vector_count; ++i) {
    const LineVector& v = p.vectors[i];
    if (v.count == kLanes) {
      add(v, [&](const T* from) HWY_ATTR { return hn::LoadU(d, from); });
    } else {
      add(v, [&](const T* from) HWY_ATTR { return LoadTail(d, from, v.count); });
    }
  }
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(8)
    for (int c = 0; c < kColumns; ++c) {
      T* const to = sums + (r * p.columns + c) * kLanes;
      hn::StoreU(p.adds ? hn::Add(hn::LoadU(d, to), acc[r][c]) : acc[r][c], d, to);
    }
  }
}

template <class T>
using SumTileFn = void (*)(const LineSums<T>&, Index, Index);

template <int kRows, class T, size_t... kColumn>
constexpr std::array<SumTileFn<T>, kSumMany> SumTiles(std::index_sequence<kColumn...>) {
  return {&SumTile<kRows, static_cast<int>(kColumn) + 1, T>...};
}
// For 1, 2 ... rows; kColumns at most.
template <int kColumns, class T, size_t... kRow>
constexpr std::array<std::array<SumTileFn<T>, kSumMany>, sizeof...(kRow)> AllSumTiles(
    std::index_sequence<kRow...>) {
  return {SumTiles<static_cast<int>(kRow) + 1, T>(std::make_index_sequence<kColumns>())...};
}

template <class T>
void LineSumsRun(const LineSums<T>& p) {
  static constexpr auto kWide = AllSumTiles<kSumMany, T>(std::make_index_sequence<kSumFew>());
  static constexpr auto kTall = AllSumTiles<kSumFew, T>(std::make_index_sequence<kSumMany>());
  // A few columns stay in the L1 while all rows, which overlap, pass by. Of many columns fewer at a
  // time, which leaves room for the rows.
  const bool wide = p.columns <= kSumMany;
  const Index most_rows = wide ? kSumFew : kSumMany;
  const Index most_columns = wide ? kSumMany : kSumFew;
  const Index row_tiles = (p.count + most_rows - 1) / most_rows;
  const Index column_tiles = (p.columns + most_columns - 1) / most_columns;
  for (Index u = 0; u < column_tiles; ++u) {
    const Index column = gemm_tile_begin(p.columns, column_tiles, u);
    const Index columns = gemm_tile_begin(p.columns, column_tiles, u + 1) - column;
    for (Index t = 0; t < row_tiles; ++t) {
      const Index row = gemm_tile_begin(p.count, row_tiles, t);
      const Index rows = gemm_tile_begin(p.count, row_tiles, t + 1) - row;
      const auto& tiles =
          wide ? kWide[static_cast<size_t>(rows - 1)] : kTall[static_cast<size_t>(rows - 1)];
      tiles[static_cast<size_t>(columns - 1)](p, row, column);
    }
  }
}

template <class T>
void LaneSumsRun(const LaneSums<T>& p) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  for (Index row = 0; row < p.rows; ++row) {
    for (Index column = 0; column < p.columns; ++column) {
      const T* from = p.sums + (row * p.columns + column) * lanes;
      auto sum = hn::LoadU(d, from);
      for (Index part = 1; part < p.parts; ++part) {
        from += p.part_stride;
        sum = hn::Add(sum, hn::LoadU(d, from));
      }
      p.out[column * p.out_stride + row] = hn::GetLane(hn::SumOfLanes(d, sum));
    }
  }
}

template <class T>
LineTiling LineTilingRun() {
  return {kLineRows, static_cast<Index>(hn::Lanes(hn::ScalableTag<T>()))};
}
template <class T>
LineTiling PointTilingRun() {
  return {kPointRows, static_cast<Index>(hn::Lanes(hn::ScalableTag<T>()))};
}

void LineProductF32(const LineProduct<float>& p) {
  LineProductRun(p);
}
void LineProductF64(const LineProduct<double>& p) {
  LineProductRun(p);
}
void PointProductF32(const PointProduct<float>& p) {
  PointProductRun(p);
}
void PointProductF64(const PointProduct<double>& p) {
  PointProductRun(p);
}
void LineSumsF32(const LineSums<float>& p) {
  LineSumsRun(p);
}
void LineSumsF64(const LineSums<double>& p) {
  LineSumsRun(p);
}
void LaneSumsF32(const LaneSums<float>& sums) {
  LaneSumsRun(sums);
}
void LaneSumsF64(const LaneSums<double>& sums) {
  LaneSumsRun(sums);
}
LineTiling LineTilingF32() {
  return LineTilingRun<float>();
}
LineTiling LineTilingF64() {
  return LineTilingRun<double>();
}
LineTiling PointTilingF32() {
  return PointTilingRun<float>();
}
LineTiling PointTilingF64() {
  return PointTilingRun<double>();
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(LineProductF32);
HWY_EXPORT(LineProductF64);
HWY_EXPORT(PointProductF32);
HWY_EXPORT(PointProductF64);
HWY_EXPORT(LineSumsF32);
HWY_EXPORT(LineSumsF64);
HWY_EXPORT(LaneSumsF32);
HWY_EXPORT(LaneSumsF64);
HWY_EXPORT(LineTilingF32);
HWY_EXPORT(LineTilingF64);
HWY_EXPORT(PointTilingF32);
HWY_EXPORT(PointTilingF64);

void line_product(const LineProduct<float>& product) {
  HWY_DYNAMIC_DISPATCH(LineProductF32)(product);
}
void line_product(const LineProduct<double>& product) {
  HWY_DYNAMIC_DISPATCH(LineProductF64)(product);
}
void point_product(const PointProduct<float>& product) {
  HWY_DYNAMIC_DISPATCH(PointProductF32)(product);
}
void point_product(const PointProduct<double>& product) {
  HWY_DYNAMIC_DISPATCH(PointProductF64)(product);
}
void line_sums(const LineSums<float>& sums) {
  HWY_DYNAMIC_DISPATCH(LineSumsF32)(sums);
}
void line_sums(const LineSums<double>& sums) {
  HWY_DYNAMIC_DISPATCH(LineSumsF64)(sums);
}
void lane_sums(const LaneSums<float>& sums) {
  HWY_DYNAMIC_DISPATCH(LaneSumsF32)(sums);
}
void lane_sums(const LaneSums<double>& sums) {
  HWY_DYNAMIC_DISPATCH(LaneSumsF64)(sums);
}
template <>
LineTiling line_tiling<float>() {
  return HWY_DYNAMIC_DISPATCH(LineTilingF32)();
}
template <>
LineTiling line_tiling<double>() {
  return HWY_DYNAMIC_DISPATCH(LineTilingF64)();
}
template <>
LineTiling point_tiling<float>() {
  return HWY_DYNAMIC_DISPATCH(PointTilingF32)();
}
template <>
LineTiling point_tiling<double>() {
  return HWY_DYNAMIC_DISPATCH(PointTilingF64)();
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
