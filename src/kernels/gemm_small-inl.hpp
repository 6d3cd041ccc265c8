// Products that are in the caches from the start: nothing is fetched ahead, B is read where it
// lies.

#if defined(LAMINA_KERNELS_GEMM_SMALL_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_GEMM_SMALL_INL_HPP_
#undef LAMINA_KERNELS_GEMM_SMALL_INL_HPP_
#else
#define LAMINA_KERNELS_GEMM_SMALL_INL_HPP_
#endif

#include <array>
#include <utility>

#include "hwy/highway.h"
#include "kernels/gemm-inl.hpp"
#include "kernels/gemm.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// With so few rows a tile is four vectors wide, as two give too few chains of FMAs.
inline constexpr int kFlatRows = kTileRows > 8 ? 6 : 2;

// A tile without prefetches: they cost load slots, of which narrow tiles need all.
template <int kRows, int kVectors, class T>
void SmallKernel(const Tile<T>& tile) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  const auto mask = hn::FirstN(d, static_cast<size_t>(tile.last_columns));
  V acc[kRows][kVectors];
  HWY_UNROLL(16)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(4)
    for (int v = 0; v < kVectors; ++v) {
      acc[r][v] = hn::Zero(d);
    }
  }
  const T* HWY_RESTRICT b = tile.b;
  const Index b_row_stride = tile.b_row_stride;
  const Index a_row_stride = tile.a_row_stride;
  const Index a_col_stride = tile.a_col_stride;
  // Three rows share a pointer, so that the addresses of 14 rows fit the integer registers.
  constexpr int kGroups = (kRows + 2) / 3;
  const T* HWY_RESTRICT rows[kGroups];
  HWY_UNROLL(16)
  for (int g = 0; g < kGroups; ++g) {
    rows[g] = tile.a + 3 * g * a_row_stride;
  }
  for (Index k = tile.k; k > 0; --k) {
    V bv[kVectors];
    HWY_UNROLL(4)
    for (int v = 0; v < kVectors; ++v) {
      bv[v] = kMaskedMemory && v + 1 == kVectors ? hn::MaskedLoad(mask, d, b + v * kLanes)
                                                 : hn::LoadU(d, b + v * kLanes);
    }
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
      const V av = hn::Set(d, rows[r / 3][(r % 3) * a_row_stride]);
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) {
        acc[r][v] = hn::MulAdd(av, bv[v], acc[r][v]);
      }
    }
    HWY_UNROLL(16)
    for (int g = 0; g < kGroups; ++g) {
      rows[g] += a_col_stride;
    }
    b += b_row_stride;
  }
  FinishTile<kRows, kVectors>(acc, tile);
}

// The kernels for 1, 2 ... rows; none has more than `kMost`.
template <int kVectors, int kMost, class T, size_t... kRow>
constexpr MicroKernelRow<T> SmallKernels(std::index_sequence<kRow...>) {
  return {&SmallKernel<HWY_MIN(static_cast<int>(kRow) + 1, kMost), kVectors, T>...};
}

template <class T>
void Small(const SmallProduct<T>& product) {
  constexpr auto kRows = std::make_index_sequence<kTileRows>();
  static constexpr std::array<MicroKernelRow<T>, 3> kKernels = {
      SmallKernels<1, kTileRows, T>(kRows), SmallKernels<2, kTileRows, T>(kRows),
      SmallKernels<4, kFlatRows, T>(kRows)};
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  constexpr Index kWidth = kTileVectors * kLanes;
  const Index tiles = (product.m + kTileRows - 1) / kTileRows;
  const bool adjacent = product.b_col_stride == 1;
  const bool flat = adjacent && product.m <= kFlatRows && product.c_col_stride == 1;

  Tile<T> tile;
  tile.k = product.k;
  tile.a_row_stride = product.a_row_stride;
  tile.a_col_stride = product.a_col_stride;
  tile.c_row_stride = product.c_row_stride;
  tile.alpha = product.alpha;
  tile.beta = product.beta;
  for (Index j = 0; j < product.n;) {
    const Index left = product.n - j;
    const bool wide = kMaskedMemory ? left > 3 * kLanes : left >= 4 * kLanes;
    const size_t kind = flat && wide ? 2 : left > kLanes ? 1 : 0;
    const Index width = kLanes << kind;
    const Index columns = HWY_MIN(width, left);
    tile.last_columns = columns - (width - kLanes);
    tile.column_bias = product.column_bias == nullptr ? nullptr : product.column_bias + j;
    const bool whole = kMaskedMemory || tile.last_columns == kLanes;
    const bool buffered = product.c_col_stride != 1 || !whole;
    tile.b = product.b + j * product.b_col_stride;
    tile.b_row_stride = product.b_row_stride;
    if (!adjacent || (buffered && tile.last_columns != kLanes)) {
      GemmPack<T> pack;
      pack.source = tile.b;
      pack.width = columns;
      pack.width_stride = product.b_col_stride;
      pack.depth = product.k;
      pack.depth_stride = product.b_row_stride;
      pack.panel = kWidth;
      pack.padded = width;
      pack.out = product.panel;
      PackPanel<kWidth>(pack);
      tile.b = product.panel;
      tile.b_row_stride = kWidth;
    }
    Index row = 0;
    for (Index t = 0; t < tiles; ++t) {
      const Index end = t + 1 == tiles ? product.m : gemm_tile_begin(product.m, tiles, t + 1);
      const Index rows = end - row;
      const MicroKernelFn<T> kernel = kKernels[kind][static_cast<size_t>(rows - 1)];
      tile.a = product.a + row * product.a_row_stride;
      tile.row_bias = product.row_bias == nullptr ? nullptr : product.row_bias + row;
      tile.c = product.c + row * product.c_row_stride + j * product.c_col_stride;
      if (!buffered) {
        kernel(tile);
      } else if (product.c_row_stride == 1) {
        TurnedTile(kernel, tile, rows, columns, product.c_col_stride);
      } else {
        BufferedTile(kernel, tile, rows, columns, product.c_col_stride);
      }
      row = end;
    }
    j += columns;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
