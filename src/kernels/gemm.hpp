#pragma once

// Matrix multiplication kernels: C (M, N) = alpha * A (M, K) * B (K, N) + beta * C + bias.
//
// They see one block at a time; src/nn/gemm.cpp cuts the work into blocks and hands them to
// threads. A packed operand is a row of panels: a panel of A holds `mr` rows, one of B `nr`
// columns, and within a panel element (k, i) lies at k * width + i.

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// Size of the register tile on the active target.
struct GemmTiling {
  Index mr;     ///< rows of C held in registers, the width of a packed panel of A
  Index nr;     ///< columns of C held in registers, the width of a packed panel of B
  Index lanes;  ///< lanes of a vector; columns of B are padded with zeros to a multiple of it
  Index tall_rows, tall_columns;  ///< rows of a group of a TallProduct, and its most columns
};

/// Rows are cut into tiles of nearly equal height, as a tile of one or two rows is slow: tile `t`
/// of `tiles` begins at this row of m.
[[nodiscard]] constexpr Index gemm_tile_begin(Index m, Index tiles, Index t) {
  return m * t / tiles;
}

/// One block of C and what goes into it.
template <class T>
struct GemmBlock {
  /// Tiles [tile_begin, tile_end) of the m rows, which have `tiles` tiles in all.
  Index m = 0, tiles = 0, tile_begin = 0, tile_end = 0;
  Index n = 0, k = 0;
  /// Packed: the panel of tile_begin, a_panel_stride > 0. Otherwise its first row.
  const T* a = nullptr;
  Index a_panel_stride = 0;
  Index a_row_stride = 0, a_col_stride = 0;
  /// Packed: the first panel, b_panel_stride > 0. Otherwise element (0, 0).
  const T* b = nullptr;
  Index b_panel_stride = 0;
  Index b_row_stride = 0, b_col_stride = 0;
  const T* next_b = nullptr;  ///< what comes behind this block, to be fetched ahead
  /// Rows of k elements that are read, or copied, after this block, to be fetched into the L2.
  const T* ahead = nullptr;
  Index ahead_rows = 0, ahead_stride = 0;
  /// Room for one panel of B where it is not packed: nr * k elements.
  T* panel = nullptr;
  T* c = nullptr;  ///< row 0
  Index c_row_stride = 0, c_col_stride = 1;
  T alpha = T(1);
  T beta = T(0);                   ///< 0: C is written without being read
  const T* row_bias = nullptr;     ///< (m), added to each column
  const T* column_bias = nullptr;  ///< (n), added to each row
};

/// All of a product that is in the caches. Without default values: they cost more than small
/// products.
template <class T>
struct SmallProduct {
  Index m, n, k;
  const T* a;
  Index a_row_stride, a_col_stride;
  const T* b;
  Index b_panel_stride;  ///< > 0: B is packed, and this is the distance of its panels
  Index b_row_stride, b_col_stride;
  T* panel;  ///< room for one panel of B: nr * k elements; may be null where B is packed
  T* c;
  Index c_row_stride, c_col_stride;
  T alpha, beta;
  const T* row_bias;
  const T* column_bias;
};

/// Packs one panel: `width` rows of A or columns of B, `depth` deep.
template <class T>
struct GemmPack {
  const T* source = nullptr;
  Index width = 0, width_stride = 0;
  Index depth = 0, depth_stride = 0;
  Index panel = 0;   ///< mr or nr, at least width
  Index padded = 0;  ///< zeros are written behind the width up to this
  T* out = nullptr;
};

/// Y (m, n) = A (m, k) * B (k, n) for at most eight rows, or mr if that is less. A is contiguous
/// along k, B along one of its axes.
template <class T>
struct SkinnyProduct {
  Index m = 0, n = 0, k = 0;
  const T* a = nullptr;
  Index a_row_stride = 0;
  const T* b = nullptr;
  Index k_stride = 0, n_stride = 0;
  Index panel_stride = 0;  ///< > 0: B is packed, one block of K, and this is the distance of panels
  T* y = nullptr;
  Index y_row_stride = 0;
  bool adds = false;  ///< a packed B: the product is added to y
  T* sums = nullptr;  ///< m > 1, n_stride 1 and B not packed: room for m * n elements
};

/// C (m, n) = alpha * (sum of the parts of Y) + beta * C + bias, rows contiguous. Parts are
/// part_stride apart and are added in order.
template <class T>
struct SkinnySums {
  Index m = 0, n = 0;
  const T* y = nullptr;
  Index y_row_stride = 0;
  Index parts = 1, part_stride = 0;
  T* c = nullptr;
  Index c_row_stride = 0;
  T alpha = T(1), beta = T(0);
  const T* row_bias = nullptr;
  const T* column_bias = nullptr;
};

/// Rows [begin, end) of C (m, n) = alpha A B + beta C + bias for at least tall_rows rows and at
/// most tall_columns columns. All rows are contiguous, k is at least a vector's lanes.
template <class T>
struct TallProduct {
  Index m = 0, n = 0, k = 0;
  Index begin = 0, end = 0;
  Index depth = 0;  ///< steps of k that are added up at a time
  const T* a = nullptr;
  Index a_row_stride = 0;
  const T* b = nullptr;
  Index b_row_stride = 0;
  T* c = nullptr;
  Index c_row_stride = 0;
  T alpha = T(1), beta = T(0);
  const T* row_bias = nullptr;
  const T* column_bias = nullptr;
};

template <class T>
[[nodiscard]] GemmTiling gemm_tiling();
template <>
GemmTiling gemm_tiling<float>();
template <>
GemmTiling gemm_tiling<double>();

void gemm_block(const GemmBlock<float>& block);
void gemm_block(const GemmBlock<double>& block);
void gemm_small(const SmallProduct<float>& product);
void gemm_small(const SmallProduct<double>& product);
void gemm_pack(const GemmPack<float>& pack);
void gemm_pack(const GemmPack<double>& pack);
void gemm_skinny(const SkinnyProduct<float>& product);
void gemm_skinny(const SkinnyProduct<double>& product);
void gemm_skinny_finish(const SkinnySums<float>& sums);
void gemm_skinny_finish(const SkinnySums<double>& sums);
void gemm_tall(const TallProduct<float>& product);
void gemm_tall(const TallProduct<double>& product);

}  // namespace lamina::kernels
