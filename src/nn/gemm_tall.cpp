#include "lamina/core/parallel.hpp"
#include "nn/gemm_parts.hpp"

namespace lamina::nn::detail {

namespace {

// Multiply-adds of a task.
constexpr Index kTaskWork = Index{1} << 20;

}  // namespace

template <class T>
void multiply_tall(const MatrixRef<T>& a, const MatrixRef<T>& b, const Output<T>& out,
                   const GemmOptions<T>& options, const kernels::GemmTiling& tiling) {
  const bool columns = options.bias_axis == BiasAxis::Column;
  kernels::TallProduct<T> whole;
  whole.m = a.rows;
  whole.n = b.cols;
  whole.k = a.cols;
  whole.depth = block_depth(a.cols);
  whole.a = a.data;
  whole.a_row_stride = a.row_stride;
  whole.b = b.data;
  whole.b_row_stride = b.row_stride;
  whole.c = out.data;
  whole.c_row_stride = out.row_stride;
  whole.alpha = options.alpha;
  whole.beta = options.beta;
  whole.row_bias = columns ? nullptr : options.bias;
  whole.column_bias = columns ? options.bias : nullptr;
  Scratch<T> own_b;
  if (b.col_stride != 1) {
    T* const copy = own_b.reserve(b.rows * b.cols);
    copy_rows(b, 0, b.cols, copy, b.cols);
    whole.b = copy;
    whole.b_row_stride = b.cols;
  }
  const Index grain =
      ceil_div(std::max<Index>(1, kTaskWork / (whole.n * whole.k)), tiling.tall_rows) *
      tiling.tall_rows;
  const auto body = [&](Index begin, Index end) {
    kernels::TallProduct<T> part = whole;
    part.begin = begin;
    part.end = end;
    kernels::gemm_tall(part);
    finish_block(options.finish, part.c + begin * out.row_stride, out, end - begin, part.n);
  };
  if (whole.m <= grain) {
    body(0, whole.m);
  } else {
    parallel_for(whole.m, grain, body);
  }
}

#define LAMINA_INSTANTIATE(T)                                                                \
  template void multiply_tall<T>(const MatrixRef<T>&, const MatrixRef<T>&, const Output<T>&, \
                                 const GemmOptions<T>&, const kernels::GemmTiling&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn::detail
