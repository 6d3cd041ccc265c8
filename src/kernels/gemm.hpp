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
};

/// One block of C and what goes into it.
template <class T>
struct GemmBlock {
  Index m = 0, n = 0, k = 0;
  const T* a = nullptr;
  Index a_panel_stride = 0;  ///< > 0: A is packed and this is the distance of its panels
  Index a_row_stride = 0, a_col_stride = 0;  ///< where A is not packed
  /// Element (k, j) of panel p lies at b + p * b_panel_stride + k * b_row_stride + j. So B may be
  /// packed, or read in place where its columns are adjacent and n is a multiple of the lanes.
  const T* b = nullptr;
  Index b_panel_stride = 0, b_row_stride = 0;
  T* c = nullptr;
  Index c_row_stride = 0, c_col_stride = 1;
  T alpha = T(1);
  T beta = T(0);                   ///< 0: C is written without being read
  const T* row_bias = nullptr;     ///< (m), added to each column
  const T* column_bias = nullptr;  ///< (n), added to each row
};

/// What to pack: `width` rows of A or columns of B, `depth` deep, into panels `panel` wide.
template <class T>
struct GemmPack {
  const T* source = nullptr;
  Index width = 0, width_stride = 0;
  Index depth = 0, depth_stride = 0;
  Index panel = 0;    ///< mr or nr
  Index padding = 1;  ///< the last panel is filled with zeros up to a multiple of this
  T* out = nullptr;   ///< panels lie panel * depth apart
};

/// y (n) = sum over k of x[k] * b[k * k_stride + j * n_stride]; one of the strides must be 1.
template <class T>
struct GemvArgs {
  const T* x = nullptr;
  const T* b = nullptr;
  Index k = 0, k_stride = 0;
  Index n = 0, n_stride = 0;
  T* y = nullptr;
};

template <class T>
[[nodiscard]] GemmTiling gemm_tiling();
template <>
GemmTiling gemm_tiling<float>();
template <>
GemmTiling gemm_tiling<double>();

void gemm_block(const GemmBlock<float>& block);
void gemm_block(const GemmBlock<double>& block);
void gemm_pack(const GemmPack<float>& pack);
void gemm_pack(const GemmPack<double>& pack);
void gemv(const GemvArgs<float>& args);
void gemv(const GemvArgs<double>& args);

}  // namespace lamina::kernels
