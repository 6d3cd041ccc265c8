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
#include "kernels/gemm_narrow-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// With so few rows a tile is four vectors wide, as two give too few chains of FMAs.
inline constexpr int kFlatRows = kTileRows > 8 ? 6 : 2;

// Most rows of a tile that is one vector wide.
inline constexpr int kThinRows = kTileRows > 8 ? 24 : kTileRows;

// Tiles one below the other, without prefetches: they cost load slots, of which narrow tiles need
// all. What lies between two tiles is not hidden behind FMAs, so one call does as many as it can.
template <int kRows, int kVectors, class T>
void SmallKernel(const Tile<T>& tile) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  const auto mask = hn::FirstN(d, static_cast<size_t>(tile.last_columns));
  const Index b_row_stride = tile.b_row_stride;
  const Index a_row_stride = tile.a_row_stride;
  const Index a_col_stride = tile.a_col_stride;
  const T* a = tile.a;
  T* c = tile.c;
  const T* row_bias = tile.row_bias;
  for (Index left = tile.count; left > 0; --left) {
    V acc[kRows][kVectors];
    HWY_UNROLL(24)
    for (int r = 0; r < kRows; ++r) {
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) {
        acc[r][v] = hn::Zero(d);
      }
    }
    const T* HWY_RESTRICT b = tile.b;
    // Three rows share a pointer, so that the addresses of all rows fit the integer registers.
    constexpr int kGroups = (kRows + 2) / 3;
    const T* HWY_RESTRICT rows[kGroups];
    HWY_UNROLL(8)
    for (int g = 0; g < kGroups; ++g) {
      rows[g] = a + 3 * g * a_row_stride;
    }
    for (Index k = tile.k; k > 0; --k) {
      V bv[kVectors];
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) {
        bv[v] = kMaskedMemory && v + 1 == kVectors ? hn::MaskedLoad(mask, d, b + v * kLanes)
                                                   : hn::LoadU(d, b + v * kLanes);
      }
      HWY_UNROLL(24)
      for (int r = 0; r < kRows; ++r) {
        const V av = hn::Set(d, rows[r / 3][(r % 3) * a_row_stride]);
        HWY_UNROLL(4)
        for (int v = 0; v < kVectors; ++v) {
          acc[r][v] = hn::MulAdd(av, bv[v], acc[r][v]);
        }
      }
      HWY_UNROLL(8)
      for (int g = 0; g < kGroups; ++g) {
        rows[g] += a_col_stride;
      }
      b += b_row_stride;
    }
    FinishTile<kRows, kVectors>(acc, tile, c, row_bias);
    a += kRows * a_row_stride;
    c += kRows * tile.c_row_stride;
    row_bias += row_bias == nullptr ? 0 : kRows;
  }
}

template <class T>
using SmallKernelRow = std::array<MicroKernelFn<T>, static_cast<size_t>(kThinRows)>;

// The kernels for 1, 2 ... rows; none has more than `kMost`.
template <int kVectors, int kMost, class T, size_t... kRow>
constexpr SmallKernelRow<T> SmallKernels(std::index_sequence<kRow...>) {
  return {&SmallKernel<HWY_MIN(static_cast<int>(kRow) + 1, kMost), kVectors, T>...};
}
template <class T, size_t... kRow>
constexpr SmallKernelRow<T> SmallNarrowKernels(std::index_sequence<kRow...>) {
  return {&NarrowKernel<HWY_MIN(static_cast<int>(kRow) + 1, kTileRows), T>...};
}

template <class T>
void Small(const SmallProduct<T>& product) {
  constexpr auto kRows = std::make_index_sequence<static_cast<size_t>(kThinRows)>();
  static constexpr std::array<SmallKernelRow<T>, 4> kKernels = {
      SmallKernels<1, kThinRows, T>(kRows), SmallKernels<2, kTileRows, T>(kRows),
      SmallKernels<4, kFlatRows, T>(kRows), SmallNarrowKernels<T>(kRows)};
  constexpr size_t kNarrow = 3;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  constexpr Index kWidth = kTileVectors * kLanes;
  const bool packed = product.b_panel_stride > 0;
  const bool adjacent = product.b_col_stride == 1;
  const bool flat = adjacent && !packed && product.m <= kFlatRows && product.c_col_stride == 1;

  // Packing the last columns pays from a whole tile on.
  const bool narrows = kNarrowColumns<T> > 1 && product.a_col_stride == 1 &&
                       product.m >= kTileRows && product.n > kLanes && product.panel != nullptr;

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
    const bool narrow = narrows && left <= kNarrowColumns<T>;
    const bool pair = left > kLanes + (narrows ? kNarrowColumns<T> : 0);
    const size_t kind = narrow ? kNarrow : flat && wide ? 2 : pair ? 1 : 0;
    const Index width = narrow ? kLanes : kLanes << kind;
    const Index columns = HWY_MIN(width, left);
    tile.last_columns = columns - (width - kLanes);
    tile.column_bias = product.column_bias == nullptr ? nullptr : product.column_bias + j;
    const bool whole = kMaskedMemory || tile.last_columns == kLanes;
    const bool buffered = product.c_col_stride != 1 || !whole;
    const bool turned = buffered && product.c_row_stride == 1;
    tile.b = product.b +
             (packed ? j / kWidth * product.b_panel_stride + j % kWidth : j * product.b_col_stride);
    tile.b_row_stride = packed ? kWidth : product.b_row_stride;
    if (narrow) {
      PackNarrow(tile.b, tile.b_row_stride, packed ? 1 : product.b_col_stride, columns, product.k,
                 product.panel);
      tile.b = product.panel;
    } else if (!packed && (!adjacent || (buffered && tile.last_columns != kLanes))) {
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
    // Tiles of nearly equal height, the higher ones first.
    const Index tiles = kind == 0 && !buffered ? (product.m + kThinRows - 1) / kThinRows
                                               : (product.m + kTileRows - 1) / kTileRows;
    const Index height = tiles == 1 ? product.m : product.m / tiles;
    const Index higher = product.m - height * tiles;
    tile.a = product.a;
    tile.row_bias = product.row_bias;
    tile.c = product.c + j * product.c_col_stride;
    const auto run = [&](Index rows, Index count) {
      const MicroKernelFn<T> kernel = kKernels[kind][static_cast<size_t>(rows - 1)];
      tile.count = buffered ? 1 : count;
      for (Index i = 0; i < count; i += tile.count) {
        if (turned) {
          TurnedTile(kernel, tile, rows, columns, product.c_col_stride);
        } else if (buffered) {
          BufferedTile(kernel, tile, rows, columns, product.c_col_stride);
        } else {
          kernel(tile);
        }
        const Index done = tile.count * rows;
        tile.a += done * product.a_row_stride;
        tile.c += done * product.c_row_stride;
        tile.row_bias += product.row_bias == nullptr ? 0 : done;
      }
    };
    if (higher > 0) {
      run(height + 1, higher);
    }
    run(height, tiles - higher);
    j += columns;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
