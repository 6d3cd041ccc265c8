#include "lamina/core/parallel.hpp"
#include "nn/gemm_parts.hpp"

namespace lamina::nn::detail {

namespace {

// Tasks: most columns of one and most parts of K for a B with contiguous rows; elements of B.
constexpr Index kStreamColumns = 4096;
constexpr Index kStreamParts = 8;
constexpr Index kStreamChunk = Index{1} << 18;
// Elements that a task that adds up reads.
constexpr Index kSumChunk = Index{1} << 15;

// How B is cut: columns, then parts of K whose sums are added up in the end.
struct SkinnyCut {
  Index columns, col_parts, depth, k_parts;
};

// Depends on the shape alone. A packed B is cut by columns, and so is one whose columns are
// contiguous; one with contiguous rows is cut along K, so that each task reads long stretches.
SkinnyCut cut_skinny(Index n, Index k, bool packed, bool rows, Index panel) {
  if (packed) {
    const Index columns = std::max<Index>(4, ceil_div(kStreamChunk, k * panel)) * panel;
    return {columns, ceil_div(n, columns), k, 1};
  }
  if (!rows) {
    const Index columns = std::max<Index>(12, kStreamChunk / k / 12 * 12);
    return {columns, ceil_div(n, columns), k, 1};
  }
  const Index columns = std::min(n, kStreamColumns);
  const Index depth = std::max(ceil_div(k, kStreamParts), kStreamChunk / columns);
  const Index rounded = ceil_div(depth, 16) * 16;
  return {columns, ceil_div(n, columns), rounded, ceil_div(k, rounded)};
}

struct Extent {
  Index rows, cols;
};

// C = alpha * (sum of the parts of y) + beta * C + bias, from column `col` on.
template <class T>
void add_sums(const T* y, Index y_row_stride, Index parts, Index part_stride, Index col,
              const Extent& extent, const Output<T>& out, const GemmOptions<T>& options) {
  kernels::SkinnySums<T> sums;
  sums.m = extent.rows;
  sums.n = extent.cols;
  sums.y = y;
  sums.y_row_stride = y_row_stride;
  sums.parts = parts;
  sums.part_stride = part_stride;
  sums.c = out.data + col;
  sums.c_row_stride = out.row_stride;
  sums.alpha = options.alpha;
  sums.beta = options.beta;
  if (options.bias != nullptr) {
    const bool columns = options.bias_axis == BiasAxis::Column;
    sums.column_bias = columns ? options.bias + col : nullptr;
    sums.row_bias = columns ? nullptr : options.bias;
  }
  kernels::gemm_skinny_finish(sums);
}

// Rows that share a set of the L1 with each other, and with those of B, are copied apart.
template <class T>
bool needs_copy(const MatrixRef<T>& a) {
  const bool same_set = a.row_stride * static_cast<Index>(sizeof(T)) % 4096 == 0;
  return (a.col_stride != 1 && a.cols > 1) || (same_set && a.rows > 1 && a.cols > 64);
}

template <class T>
class SkinnyTask {
 public:
  SkinnyTask(const MatrixRef<T>& a, const GemmOperand<T>& b, const Output<T>& out,
             const GemmOptions<T>& options, const kernels::GemmTiling& tiling)
      : b_(b.matrix),
        packed_(b.packed),
        out_(out),
        options_(options),
        tiling_(tiling),
        m_(a.rows),
        n_(b.matrix.cols),
        k_(a.cols),
        streams_(packed_ == nullptr && b.matrix.col_stride == 1),
        cut_(cut_skinny(n_, k_, packed_ != nullptr, streams_, tiling.nr)) {
    product_.m = m_;
    product_.a = a.data;
    product_.a_row_stride = a.row_stride;
    if (needs_copy(a)) {
      product_.a_row_stride = k_ + kSpread;
      T* const copy = own_a_.reserve(m_ * product_.a_row_stride);
      copy_rows(a, 0, k_, copy, product_.a_row_stride);
      product_.a = copy;
    }
    product_.k_stride = packed_ != nullptr ? tiling.nr : b_.row_stride;
    product_.n_stride = packed_ != nullptr ? 1 : b_.col_stride;
    direct_ = options.beta == T(0) && cut_.k_parts == 1 && out.col_stride == 1;
    y_ = direct_ ? out.data : own_y_.reserve(cut_.k_parts * m_ * n_);
    y_row_stride_ = direct_ ? out.row_stride : n_;
  }

  void run() {
    each(cut_.col_parts * cut_.k_parts, 1, [&](Index begin, Index end) {
      Scratch<T> sums;
      for (Index t = begin; t < end; ++t) {
        const Index col = t % cut_.col_parts * cut_.columns;
        multiply(col, t / cut_.col_parts, sums);
        if (cut_.k_parts == 1) {
          finish(col, std::min(col + cut_.columns, n_));
        }
      }
    });
    if (cut_.k_parts > 1) {
      each(n_, ceil_div(std::max<Index>(16, kSumChunk / (m_ * cut_.k_parts)), 16) * 16,
           [&](Index begin, Index end) { finish(begin, end); });
    }
  }

 private:
  // Without the cost of a parallel region where there is but one task.
  template <class F>
  static void each(Index count, Index grain, const F& body) {
    if (count <= grain) {
      body(0, count);
    } else {
      parallel_for(count, grain, body);
    }
  }

  // The products of a part of the columns with a part of K.
  void multiply(Index col, Index part, Scratch<T>& sums) {
    kernels::SkinnyProduct<T> product = product_;
    const Index k_begin = part * cut_.depth;
    const Index depth = std::min(cut_.depth, k_ - k_begin);
    product.n = std::min(cut_.columns, n_ - col);
    product.k = depth;
    product.a += k_begin;
    product.y = y_ + part * m_ * n_ + col;
    product.y_row_stride = y_row_stride_;
    if (packed_ == nullptr) {
      product.b = b_.data + k_begin * b_.row_stride + col * b_.col_stride;
      product.sums = streams_ && m_ > 1 ? sums.reserve(m_ * product.n) : nullptr;
      kernels::gemm_skinny(product);
      return;
    }
    const Index step = block_depth(k_);
    for (Index k = 0; k < k_; k += step, product.a += step) {
      product.k = std::min(step, k_ - k);
      product.b = packed_->panel_at(col / tiling_.nr, k, product.k);
      product.panel_stride = tiling_.nr * product.k;
      product.adds = k > 0;
      kernels::gemm_skinny(product);
    }
  }

  // Adds up the parts of K and writes C, for columns [begin, end).
  void finish(Index begin, Index end) const {
    if (out_.col_stride != 1) {
      finish_strided(begin, end);
    } else if (!direct_ || options_.alpha != T(1) || options_.bias != nullptr) {
      add_sums<T>(y_ + begin, y_row_stride_, cut_.k_parts, m_ * n_, begin, {m_, end - begin}, out_,
                  options_);
    }
    finish_block(options_.finish, out_.data + begin * out_.col_stride, out_, m_, end - begin);
  }

  void finish_strided(Index begin, Index end) const {
    for (Index i = 0; i < m_; ++i) {
      for (Index j = begin; j < end; ++j) {
        const T* const y = y_ + i * n_ + j;
        T sum = *y;
        for (Index part = 1; part < cut_.k_parts; ++part) {
          sum += y[part * m_ * n_];
        }
        T value = options_.alpha * sum;
        T* c = out_.data + i * out_.row_stride + j * out_.col_stride;
        if (options_.beta != T(0)) {
          value += options_.beta * *c;
        }
        if (options_.bias != nullptr) {
          value += options_.bias[options_.bias_axis == BiasAxis::Column ? j : i];
        }
        *c = value;
      }
    }
  }

  const MatrixRef<T>& b_;
  const PackedMatrix<T>* packed_;
  Output<T> out_;
  const GemmOptions<T>& options_;
  kernels::GemmTiling tiling_;
  Index m_, n_, k_;
  bool streams_;
  SkinnyCut cut_;
  kernels::SkinnyProduct<T> product_;
  Scratch<T> own_a_, own_y_;
  bool direct_ = false;
  T* y_ = nullptr;
  Index y_row_stride_ = 0;
};

}  // namespace

template <class T>
void multiply_skinny(const MatrixRef<T>& a, const GemmOperand<T>& b, const Output<T>& out,
                     const GemmOptions<T>& options, const kernels::GemmTiling& tiling) {
  const MatrixRef<T>& matrix = b.matrix;
  // Dot products that need no plan.
  if (b.packed == nullptr && matrix.col_stride != 1 && out.col_stride == 1 &&
      options.beta == T(0) && matrix.cols * a.cols <= kStreamChunk && !needs_copy(a)) {
    kernels::SkinnyProduct<T> product;
    product.m = a.rows;
    product.n = matrix.cols;
    product.k = a.cols;
    product.a = a.data;
    product.a_row_stride = a.row_stride;
    product.b = matrix.data;
    product.k_stride = matrix.row_stride;
    product.n_stride = matrix.col_stride;
    product.y = out.data;
    product.y_row_stride = out.row_stride;
    kernels::gemm_skinny(product);
    if (options.alpha != T(1) || options.bias != nullptr) {
      add_sums<T>(out.data, out.row_stride, 1, 0, 0, {a.rows, matrix.cols}, out, options);
    }
    finish_block(options.finish, out.data, out, a.rows, matrix.cols);
    return;
  }
  SkinnyTask<T>(a, b, out, options, tiling).run();
}

#define LAMINA_INSTANTIATE(T)                                                                    \
  template void multiply_skinny<T>(const MatrixRef<T>&, const GemmOperand<T>&, const Output<T>&, \
                                   const GemmOptions<T>&, const kernels::GemmTiling&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn::detail
