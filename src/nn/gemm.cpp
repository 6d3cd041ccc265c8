#include "nn/gemm.hpp"

#include "lamina/core/error.hpp"
#include "nn/gemm_parts.hpp"

namespace lamina::nn::detail {

namespace {

// Most elements of B that are packed once for all tasks, beyond which each task packs its own; and
// the tiles of rows above which that pays for a B that need not be transposed.
constexpr Index kPackedOnce = Index{1} << 23;
constexpr Index kPackOnceTiles = 60;
constexpr Index kTransposeOnceTiles = 12;
// Rows and elements of B of a product that reads B but once, without packing it.
constexpr Index kSkinnyRows = 8;
constexpr Index kSkinnyWork = Index{1} << 16;

// Rows from which on a product with few columns is tall, and from which on it may be: see is_tall.
constexpr Index kTallRows = 128;
constexpr Index kFewTallRows = 64;
constexpr Index kMostTallColumns = 16;

// A product is small if its factors take so many bytes and K is not cut into blocks. A large C
// whose rows lie a multiple of 4 KiB apart, in one set of the L1, is better written in smaller
// parts.
constexpr Index kSmallBytes = Index{1} << 19;
constexpr Index kSmallDepth = 512;

template <class T>
bool is_small(Index m, Index n, Index k, Index c_row_stride) {
  const bool same_set = c_row_stride * static_cast<Index>(sizeof(T)) % 4096 == 0;
  constexpr Index kMost = kSmallBytes / static_cast<Index>(sizeof(T));
  return k <= kSmallDepth && (m + n) * k <= kMost && (!same_set || m * n <= 4 * kMost);
}

template <class T>
GemmOptions<T> turned(const GemmOptions<T>& options) {
  GemmOptions<T> result = options;
  result.bias_axis = options.bias_axis == BiasAxis::Row ? BiasAxis::Column : BiasAxis::Row;
  return result;
}

// Whether a B with contiguous columns is better read by rows, as the left factor of the transposed
// product: then A takes its place, and tiles of C are turned when they are written. Estimated in
// cycles of a core with vectors of 64 bytes: to transpose an element, to turn one, and to multiply
// with the columns that fill up the last vector, which are now the rows of A.
template <class T>
bool turns(const MatrixRef<T>& a, const MatrixRef<T>& b) {
  if (b.col_stride == 1 || b.row_stride != 1) {
    return false;
  }
  constexpr Index kLanes = 64 / static_cast<Index>(sizeof(T));
  const Index m = a.rows;
  const Index n = b.cols;
  const Index k = a.cols;
  const Index blocks = ceil_div(k, block_depth(k));
  const Index transposing = (n * k - (a.row_stride == 1 ? 0 : m * k)) / 4;
  const Index filling = (ceil_div(m, kLanes) * kLanes - m) * n * k / (2 * kLanes);
  return transposing > m * n * blocks + filling;
}

// Whether a product of few rows, which do not make up for every weakness, is better tall than
// small or turned: B would have to be transposed, and either K is one block, or columns are too
// many to be the rows of a skinny product and rows of A lie in different sets of the L1.
template <class T>
bool is_tall_with_few_rows(const MatrixRef<T>& a, const GemmOperand<T>& b) {
  const bool same_set = a.row_stride * static_cast<Index>(sizeof(T)) % 4096 == 0;
  return b.matrix.data != nullptr && b.matrix.col_stride != 1 &&
         (a.cols <= kSmallDepth || (b.matrix.cols > kSkinnyRows && !same_set));
}

// Whether the columns leave more than a quarter of their vectors empty, and rows of A had better be
// in the lanes. A B that is packed must be one panel, which is a matrix as well.
template <class T>
bool is_tall(const MatrixRef<T>& a, const GemmOperand<T>& b, Index c_col_stride,
             const kernels::GemmTiling& tiling) {
  const Index n = b.matrix.cols;
  return a.data != nullptr && a.col_stride == 1 && c_col_stride == 1 && b.packer == nullptr &&
         a.cols >= tiling.lanes && n <= std::min(tiling.tall_columns, tiling.nr) &&
         4 * n <= 3 * ceil_div(n, tiling.lanes) * tiling.lanes &&
         (a.rows >= kTallRows || is_tall_with_few_rows(a, b));
}

// Whether there may be so few columns; is_tall decides.
bool may_be_tall(Index m, Index n) {
  return m >= kFewTallRows && n <= kMostTallColumns;
}

// Whether rows are so few that B is read once, at the memory's speed. A small B that lies by rows
// is not worth it.
bool is_skinny(Index m, Index n, Index k, bool by_rows) {
  return m <= kSkinnyRows && k > 0 && (n * k > kSkinnyWork || !by_rows);
}

template <class T>
void check_layout(const GemmOperand<T>& operand, GemmSide side, Index panel) {
  if (operand.packed != nullptr) {
    check(operand.packed->side() == side, ErrorKind::InvalidOperation, "gemm",
          "a matrix that was packed as one factor is used as the other");
    check(operand.packed->panel() == panel, ErrorKind::InvalidOperation, "gemm",
          "the matrix was packed for another SIMD target: panels of ", operand.packed->panel(),
          " lines, now ", panel);
  }
}

template <class T>
void multiply_strided(const MatrixRef<T>& a, const MatrixRef<T>& b, const Output<T>& out,
                      const GemmOptions<T>& options, const kernels::GemmTiling& tiling) {
  // A B that several tasks need is packed once for all: if it must be transposed soon, otherwise
  // where each task would read it often enough from far away.
  const Index enough = b.col_stride == 1 ? kPackOnceTiles : kTransposeOnceTiles;
  if (b.cols * b.rows <= kPackedOnce && ceil_div(a.rows, tiling.mr) > enough) {
    const PackedMatrix<T> packed(GemmSide::B, b);
    multiply_tiled<T>(a, packed, out, options, tiling);
  } else {
    multiply_tiled<T>(a, b, out, options, tiling);
  }
}

}  // namespace

template <class T>
void gemm(const GemmOperand<T>& a, const GemmOperand<T>& b, T* c, Index c_row_stride,
          Index c_col_stride, const GemmOptions<T>& options) {
  const Index m = a.matrix.rows;
  const Index n = b.matrix.cols;
  const Index k = a.matrix.cols;
  if (m == 0 || n == 0) {
    return;
  }
  const bool strided = a.matrix.data != nullptr && b.matrix.data != nullptr;
  // A single column, or columns of C that are contiguous: compute the transposed product.
  if (strided && m > 1 && (n == 1 || (c_col_stride != 1 && c_row_stride == 1))) {
    gemm<T>(b.matrix.transposed(), a.matrix.transposed(), c, c_col_stride, c_row_stride,
            turned(options));
    return;
  }
  const Output<T> out{c, c_row_stride, c_col_stride};
  if (may_be_tall(m, n)) {
    const kernels::GemmTiling tiling = kernels::gemm_tiling<T>();
    if (is_tall(a.matrix, b, c_col_stride, tiling)) {
      check_layout(b, GemmSide::B, tiling.nr);
      multiply_tall(a.matrix,
                    b.packed == nullptr
                        ? b.matrix
                        : MatrixRef<T>{b.packed->panel_at(0, 0, k), k, n, tiling.nr, 1},
                    out, options, tiling);
      return;
    }
  }
  const bool streamed =
      b.packed != nullptr ||
      (b.matrix.data != nullptr && (b.matrix.col_stride == 1 || b.matrix.row_stride == 1));
  const bool few = a.matrix.data != nullptr && streamed &&
                   is_skinny(m, n, k, b.packed != nullptr || b.matrix.col_stride == 1);
  if (!few && strided && is_small<T>(m, n, k, c_row_stride)) {
    if (turns<T>(a.matrix, b.matrix)) {
      multiply_small<T>(b.matrix.transposed(), a.matrix.transposed(), nullptr,
                        {c, c_col_stride, c_row_stride}, turned(options));
    } else {
      multiply_small<T>(a.matrix, b.matrix, nullptr, out, options);
    }
    return;
  }
  const kernels::GemmTiling tiling = kernels::gemm_tiling<T>();
  check_layout(a, GemmSide::A, tiling.mr);
  check_layout(b, GemmSide::B, tiling.nr);
  if (!few && a.matrix.data != nullptr && b.packed != nullptr &&
      is_small<T>(m, n, k, c_row_stride)) {
    multiply_small<T>(a.matrix, b.matrix, b.packed, out, options);
    return;
  }
  if (few && m <= tiling.mr) {
    multiply_skinny(a.matrix, b, out, options, tiling);
  } else if (strided && turns<T>(a.matrix, b.matrix)) {
    multiply_strided<T>(b.matrix.transposed(), a.matrix.transposed(),
                        {c, c_col_stride, c_row_stride}, turned(options), tiling);
  } else if (strided) {
    multiply_strided<T>(a.matrix, b.matrix, out, options, tiling);
  } else {
    multiply_tiled<T>(a, b, out, options, tiling);
  }
}

template <class T>
void gemm(const MatrixRef<T>& a, const MatrixRef<T>& b, T* c, Index c_row_stride,
          Index c_col_stride, const GemmOptions<T>& options) {
  const Index m = a.rows;
  const Index n = b.cols;
  const Index k = a.cols;
  const bool by_rows = b.col_stride == 1 && c_col_stride == 1;  // nothing is turned
  if (by_rows && m > 0 && n > 1 && !may_be_tall(m, n) && !is_skinny(m, n, k, true) &&
      is_small<T>(m, n, k, c_row_stride)) {
    multiply_small<T>(a, b, nullptr, {c, c_row_stride, 1}, options);
  } else {
    gemm<T>(GemmOperand<T>(a), GemmOperand<T>(b), c, c_row_stride, c_col_stride, options);
  }
}

#define LAMINA_INSTANTIATE(T)                                                           \
  template void gemm<T>(const MatrixRef<T>&, const MatrixRef<T>&, T*, Index, Index,     \
                        const GemmOptions<T>&);                                         \
  template void gemm<T>(const GemmOperand<T>&, const GemmOperand<T>&, T*, Index, Index, \
                        const GemmOptions<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn::detail
