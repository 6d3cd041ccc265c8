// The loop over the tiles of a block.

#if defined(LAMINA_KERNELS_GEMM_BLOCK_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_GEMM_BLOCK_INL_HPP_
#undef LAMINA_KERNELS_GEMM_BLOCK_INL_HPP_
#else
#define LAMINA_KERNELS_GEMM_BLOCK_INL_HPP_
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

template <class T, size_t... kRow>
constexpr MicroKernelRow<T> NarrowKernels(std::index_sequence<kRow...>) {
  return {&NarrowKernel<static_cast<int>(kRow) + 1, T>...};
}

// Points `tile` to the columns [j, j + columns) of B, after copying them where `mode` wants a panel
// and there is none.
template <class T>
void FindPanel(const GemmBlock<T>& block, Index j, Index columns, bool narrow, BMode mode,
               Tile<T>& tile) {
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  constexpr Index kWidth = kTileVectors * kLanes;
  const bool b_packed = block.b_panel_stride > 0;
  tile.b = block.b + (b_packed ? j / kWidth * block.b_panel_stride : j * block.b_col_stride);
  tile.b_row_stride = b_packed ? kWidth : block.b_row_stride;
  if (narrow) {
    PackNarrow(tile.b, tile.b_row_stride, b_packed ? 1 : block.b_col_stride, columns, block.k,
               block.panel);
    tile.b = block.panel;
  } else if (!b_packed && mode == BMode::kPacked) {
    GemmPack<T> pack;
    pack.source = tile.b;
    pack.width = columns;
    pack.width_stride = block.b_col_stride;
    pack.depth = block.k;
    pack.depth_stride = block.b_row_stride;
    pack.panel = kWidth;
    pack.padded = (columns + kLanes - 1) / kLanes * kLanes;
    pack.out = block.panel;
    PackPanel<kWidth>(pack);
    tile.b = block.panel;
    tile.b_row_stride = kWidth;
  }
}

template <class T>
void Block(const GemmBlock<T>& block) {
  using Table = std::array<std::array<MicroKernelRow<T>, 2>, 3>;
  static constexpr std::array<Table, 2> kKernels = {KernelTable<false, T>(),
                                                    KernelTable<true, T>()};
  static constexpr MicroKernelRow<T> kNarrow =
      NarrowKernels<T>(std::make_index_sequence<kTileRows>());
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  constexpr Index kWidth = kTileVectors * kLanes;
  // B is read in place if all of it stays in the L1.
  constexpr Index kInPlace = 32768 / static_cast<Index>(sizeof(T));
  const bool a_packed = block.a_panel_stride > 0;
  const bool b_packed = block.b_panel_stride > 0;
  const bool in_place = !a_packed && (block.tile_end - block.tile_begin == 1 ||
                                      block.k * block.b_row_stride <= kInPlace);

  const Index first_row = gemm_tile_begin(block.m, block.tiles, block.tile_begin);
  // Each tile fetches its share of the next panel of B, so that the memory is busy all the time.
  const Index stretches = (block.k + kStretch - 1) / kStretch;
  const Index tile_count = block.tile_end - block.tile_begin;
  const Index shares = tile_count * stretches;
  const bool single = tile_count == 1;
  // Of a B that is transposed each tile fetches some lines of every column.
  const bool transposes = !b_packed && block.b_row_stride == 1 && block.b_col_stride != 1;
  const Index column_lines = (block.k + kLine<T> - 1) / kLine<T>;
  const Index next_lines = transposes ? (column_lines + tile_count - 1) / tile_count
                                      : (kWidth + kLine<T> - 1) / kLine<T>;
  const Index next_rows = transposes ? HWY_MAX(kWidth / HWY_MAX(stretches, Index{1}), Index{1})
                                     : (block.k + shares - 1) / HWY_MAX(shares, Index{1});
  // What comes after this block is shared in the same way.
  const Index tiles_here = tile_count * ((block.n + kWidth - 1) / kWidth);
  const Index ahead_rows = (block.ahead_rows + tiles_here - 1) / HWY_MAX(tiles_here, Index{1});
  Index ahead = 0;

  Tile<T> tile;
  tile.k = block.k;
  tile.a_row_stride = block.a_row_stride;
  tile.a_col_stride = block.a_col_stride;
  tile.panel = block.panel;
  tile.c_row_stride = block.c_row_stride;
  tile.alpha = block.alpha;
  tile.beta = block.beta;
  tile.count = 1;
  for (Index j = 0; j < block.n; j += kWidth) {
    const Index columns = HWY_MIN(kWidth, block.n - j);
    const Index vectors = (columns + kLanes - 1) / kLanes;
    tile.column_bias = block.column_bias == nullptr ? nullptr : block.column_bias + j;
    tile.last_columns = columns - (vectors - 1) * kLanes;
    const bool buffered =
        block.c_col_stride != 1 || (!kMaskedMemory && tile.last_columns != kLanes);
    const bool narrow = kNarrowColumns<T> > 1 && columns <= kNarrowColumns<T> && !a_packed &&
                        !buffered && block.a_col_stride == 1 && block.panel != nullptr &&
                        block.k >= kLanes;
    const bool readable = !b_packed && !narrow && block.b_col_stride == 1 &&
                          ((kMaskedMemory && !buffered) || tile.last_columns == kLanes);
    BMode mode = readable && in_place                  ? BMode::kInPlace
                 : readable && vectors == kTileVectors ? BMode::kCopy
                                                       : BMode::kPacked;
    FindPanel(block, j, columns, narrow, mode, tile);
    const bool last_panel = j + kWidth >= block.n;
    const Index next_stride = b_packed     ? kWidth
                              : transposes ? block.b_col_stride
                                           : block.b_row_stride;
    // A single tile is too soon done with a panel: it fetches what it needs itself a little later.
    const T* const next_panel = block.next_b == nullptr ? nullptr
                                : single && !transposes ? tile.b + kStretch * next_stride
                                : last_panel            ? block.next_b
                                : b_packed              ? tile.b + block.b_panel_stride
                                           : block.b + (j + kWidth) * block.b_col_stride;
    tile.next_b_stride = next_stride;
    tile.next_b_rows = next_panel == nullptr ? 0 : next_rows;
    tile.next_b_lines = next_lines;
    const T* a = block.a;
    Index next_row = first_row;
    for (Index t = block.tile_begin; t < block.tile_end; ++t, a += block.a_panel_stride) {
      const bool last_tile = t + 1 == block.tile_end;
      const Index row = next_row;
      next_row = gemm_tile_begin(block.m, block.tiles, t + 1);
      const Index rows = next_row - row;
      const MicroKernelFn<T> kernel =
          narrow ? kNarrow[static_cast<size_t>(rows - 1)]
                 : kKernels[a_packed][static_cast<size_t>(mode)][static_cast<size_t>(vectors - 1)]
                           [static_cast<size_t>(rows - 1)];
      tile.a = a_packed ? a : a + (row - first_row) * block.a_row_stride;
      if (a_packed) {
        tile.next_a = last_tile ? block.a : a + block.a_panel_stride;
        tile.next_a_row = kStretch;
        tile.next_a_stretch = kStretch * kTileRows;
      } else {
        tile.next_a = last_tile ? block.a : tile.a + rows * block.a_row_stride;
        tile.next_a_row = block.a_row_stride;
        tile.next_a_stretch = kStretch * block.a_col_stride;
      }
      tile.next_b = next_panel == nullptr ? nullptr
                    : transposes
                        ? next_panel + (t - block.tile_begin) * next_lines * kLine<T>
                        : next_panel + (t - block.tile_begin) * next_rows * stretches * next_stride;
      tile.ahead = block.ahead + ahead * block.ahead_stride;
      tile.ahead_rows = HWY_MIN(ahead_rows, block.ahead_rows - ahead);
      tile.ahead_stride = block.ahead_stride;
      ahead += tile.ahead_rows;
      tile.row_bias = block.row_bias == nullptr ? nullptr : block.row_bias + row;
      tile.c = block.c + row * block.c_row_stride + j * block.c_col_stride;
      if (buffered && block.c_row_stride == 1) {
        TurnedTile(kernel, tile, rows, columns, block.c_col_stride);
      } else if (buffered) {
        BufferedTile(kernel, tile, rows, columns, block.c_col_stride);
      } else {
        kernel(tile);
      }
      if (mode == BMode::kCopy) {
        mode = BMode::kPacked;
        tile.b = block.panel;
        tile.b_row_stride = kWidth;
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
