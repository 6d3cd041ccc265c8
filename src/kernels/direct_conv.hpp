#pragma once

// Convolution without a gathered matrix (see nn/direct_conv.hpp): products whose large factor is
// read where it lies, at an offset for each step of the sum. The kernels sum in the order of the
// offsets, each element by itself, so a result does not depend on its place in a tile.

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// Elements behind the last one that a vector of positions needs that are read and not used.
inline constexpr Index kLineSlack = 64;

/// Adjacent positions of one line, at most a vector: where their first element lies in the source,
/// counted from what an offset leads to, and in a row of the result.
struct LineVector {
  Index from = 0, to = 0, count = 0;
};

/// c[m * c_stride + v.to + i] = bias[m] + sum over k of a(m, k) * source[offsets[k] + v.from + i]
/// for m < rows, each vector v, i < v.count.
template <class T>
struct LineProduct {
  const T* source = nullptr;
  const Index* offsets = nullptr;
  Index depth = 0;
  const T* a = nullptr;  ///< tile by tile of rows, and in a tile step by step: see line_tile
  Index rows = 0;
  const T* bias = nullptr;  ///< for each row, or nullptr
  const LineVector* vectors = nullptr;
  Index count = 0;
  T* c = nullptr;
  Index c_stride = 0;
};

void line_product(const LineProduct<float>& product);
void line_product(const LineProduct<double>& product);

/// Rows of a tile of a line product at most, and the lanes of a vector. `rows` are cut evenly (see
/// gemm_tile_begin); a tile that starts at row r begins at a + r * depth.
struct LineTiling {
  Index rows = 0, lanes = 0;
};
template <class T>
[[nodiscard]] LineTiling line_tiling();

/// c[m * c_stride + n] = bias[n] + sum over k of rows[m][offsets[k]] * b[k * width + n], or with
/// `adds` c[m * c_stride + n] += that sum, for m < count, n < width.
template <class T>
struct PointProduct {
  const T* const* rows = nullptr;
  Index count = 0;
  const Index* offsets = nullptr;
  Index depth = 0;
  const T* b = nullptr;
  Index width = 0;  ///< one or two vectors
  T* c = nullptr;
  Index c_stride = 0;
  bool adds = false;
  const T* bias = nullptr;  ///< or nullptr
};

void point_product(const PointProduct<float>& product);
void point_product(const PointProduct<double>& product);

/// Rows of a tile, and the lanes of a vector.
template <class T>
[[nodiscard]] LineTiling point_tiling();

/// sums[(m * columns + n) * lanes + i] += sum over v of rows[m][v.from + i] * b[n * b_stride + v.to
/// + i] for m < count, n < columns and, of each vector v, i < v.count; without `adds` = that sum.
template <class T>
struct LineSums {
  const T* const* rows = nullptr;
  Index count = 0;
  const T* b = nullptr;
  Index b_stride = 0;
  Index columns = 0;
  const LineVector* vectors = nullptr;
  Index vector_count = 0;
  T* sums = nullptr;
  bool adds = true;
};

void line_sums(const LineSums<float>& sums);
void line_sums(const LineSums<double>& sums);

/// out[n * out_stride + m] = the sum of vector (m, n) over the lanes and over all parts, for m <
/// rows, n < columns.
template <class T>
struct LaneSums {
  const T* sums = nullptr;
  Index rows = 0, columns = 0;
  Index parts = 1, part_stride = 0;
  T* out = nullptr;
  Index out_stride = 0;
};

void lane_sums(const LaneSums<float>& sums);
void lane_sums(const LaneSums<double>& sums);

}  // namespace lamina::kernels
