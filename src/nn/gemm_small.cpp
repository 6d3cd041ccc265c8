#include "lamina/core/parallel.hpp"
#include "nn/gemm_parts.hpp"

namespace lamina::nn::detail {

namespace {

// Multiply-adds from which a product is cut, those of a part, and the most parts.
constexpr Index kCutWork = Index{1} << 18;
constexpr Index kPartWork = Index{1} << 17;
constexpr Index kMostParts = 16;
// Rows that a part has at least where rows are cut: two tiles. The fewer the parts the better on
// one thread; an even number suits two.
constexpr Index kPartRows = 24;

// A block of C.
struct Block {
  Index row, rows, col, cols;
};

template <class T>
void multiply_part(const MatrixRef<T>& a, const MatrixRef<T>& b, const PackedMatrix<T>* packed,
                   const Output<T>& out, const GemmOptions<T>& options, const Block& part,
                   T* panel) {
  const bool columns = options.bias_axis == BiasAxis::Column;
  const T* const bias = options.bias;
  const kernels::SmallProduct<T> product = {
      .m = part.rows,
      .n = part.cols,
      .k = a.cols,
      .a = a.data + part.row * a.row_stride,
      .a_row_stride = a.cols == 0 ? 0 : a.row_stride,  // an empty A may be null
      .a_col_stride = a.col_stride,
      .b = packed != nullptr ? packed->panel_at(part.col / packed->panel(), 0, a.cols)
                             : b.data + part.col * b.col_stride,
      .b_panel_stride = packed != nullptr ? packed->panel() * a.cols : 0,
      .b_row_stride = b.row_stride,
      .b_col_stride = b.col_stride,
      .panel = panel,
      .c = out.data + part.row * out.row_stride + part.col * out.col_stride,
      .c_row_stride = out.row_stride,
      .c_col_stride = out.col_stride,
      .alpha = options.alpha,
      .beta = options.beta,
      .row_bias = bias == nullptr || columns ? nullptr : bias + part.row,
      .column_bias = bias == nullptr || !columns ? nullptr : bias + part.col};
  kernels::gemm_small(product);
  if (options.finish.function != nullptr) {
    finish_block(options.finish, product.c, out, part.rows, part.cols);
  }
}

}  // namespace

template <class T>
void multiply_small(const MatrixRef<T>& a, const MatrixRef<T>& b, const PackedMatrix<T>* packed,
                    const Output<T>& out, const GemmOptions<T>& options) {
  const Index m = a.rows;
  const Index n = b.cols;
  const Index work = m * n * a.cols;
  // A panel has two vectors of at most 64 bytes.
  const Index panel_size = 128 / static_cast<Index>(sizeof(T)) * a.cols;
  if (work < kCutWork) {
    Scratch<T> panel;
    multiply_part<T>(a, b, packed, out, options, {0, m, 0, n}, panel.reserve(panel_size));
    return;
  }
  const bool by_rows = (packed != nullptr || b.col_stride == 1) && m >= 2 * kPartRows;
  const Index width = by_rows ? 1 : kernels::gemm_tiling<T>().nr;
  const Index lines = by_rows ? m : ceil_div(n, width);
  Index parts = std::min({kMostParts, work / kPartWork, by_rows ? m / kPartRows : lines});
  parts -= parts > 2 && parts % 2 == 1 ? 1 : 0;
  parallel_for(parts, 1, [&](Index begin, Index end) {
    Scratch<T> panel;
    for (Index i = begin; i < end; ++i) {
      const Part part = part_of(lines, i, parts);
      const Index first = part.begin * width;
      const Index count = std::min(part.end * width, by_rows ? m : n) - first;
      const Block block = by_rows ? Block{first, count, 0, n} : Block{0, m, first, count};
      multiply_part<T>(a, b, packed, out, options, block, panel.reserve(panel_size));
    }
  });
}

#define LAMINA_INSTANTIATE(T)                                               \
  template void multiply_small<T>(const MatrixRef<T>&, const MatrixRef<T>&, \
                                  const PackedMatrix<T>*, const Output<T>&, \
                                  const GemmOptions<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn::detail
