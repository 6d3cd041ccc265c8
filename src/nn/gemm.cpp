#include "nn/gemm.hpp"

#include "lamina/core/error.hpp"
#include "nn/gemm_parts.hpp"

namespace lamina::nn::detail {

namespace {

// Most elements of B that are packed once for all tasks, beyond which each task packs its own; and
// the tiles of rows above which that pays for a B that need not be transposed.
constexpr Index kPackedOnce = Index{1} << 23;
constexpr Index kPackOnceTiles = 40;
constexpr Index kTransposeOnceTiles = 12;
// Rows and elements of B of a product that reads B but once, without packing it.
constexpr Index kSkinnyRows = 8;
constexpr Index kSkinnyWork = Index{1} << 16;

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
    GemmOptions<T> swapped = options;
    swapped.bias_axis = options.bias_axis == BiasAxis::Row ? BiasAxis::Column : BiasAxis::Row;
    gemm<T>(b.matrix.transposed(), a.matrix.transposed(), c, c_col_stride, c_row_stride, swapped);
    return;
  }
  const kernels::GemmTiling tiling = kernels::gemm_tiling<T>();
  check_layout(a, GemmSide::A, tiling.mr);
  check_layout(b, GemmSide::B, tiling.nr);
  const Output<T> out{c, c_row_stride, c_col_stride};
  const bool streamed =
      b.packed != nullptr ||
      (b.matrix.data != nullptr && (b.matrix.col_stride == 1 || b.matrix.row_stride == 1));
  const bool skinny = m <= std::min(kSkinnyRows, tiling.mr) && k > 0 &&
                      (n * k > kSkinnyWork || (m == 1 && b.packed == nullptr));
  if (a.matrix.data != nullptr && streamed && skinny) {
    multiply_skinny(a.matrix, b, out, options, tiling);
    return;
  }
  // A B that several tasks need is packed once for all: if it must be transposed soon, otherwise
  // where each task would read it often enough from far away.
  const bool repeated =
      strided && n * k <= kPackedOnce &&
      ceil_div(m, tiling.mr) > (b.matrix.col_stride == 1 ? kPackOnceTiles : kTransposeOnceTiles);
  if (repeated) {
    const PackedMatrix<T> packed_b(GemmSide::B, b.matrix);
    multiply_tiled<T>(a, packed_b, out, options, tiling);
  } else {
    multiply_tiled<T>(a, b, out, options, tiling);
  }
}

#define LAMINA_INSTANTIATE(T)                                                           \
  template void gemm<T>(const GemmOperand<T>&, const GemmOperand<T>&, T*, Index, Index, \
                        const GemmOptions<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn::detail
