#include "nn/gemm.hpp"

#include <algorithm>
#include <array>

#include "kernels/gemm.hpp"
#include "lamina/core/error.hpp"
#include "lamina/core/parallel.hpp"

namespace lamina::nn::detail {

namespace {

using kernels::GemmBlock;
using kernels::GemmPack;
using kernels::GemmTiling;

// Depth of a block of K: a panel of B of this depth (2 vectors wide) and two of A fit the L1.
constexpr Index kDepth = 256;
// Columns of B and rows of A that are packed at a time: 4 MiB and 1 MiB of floats.
constexpr Index kPackedColumns = 4096;
constexpr Index kPackedRows = 1024;
// Panels of A and B that a task multiplies: they fit the L2 of a core.
constexpr Index kTaskPanels = 8;
// Multiply-adds below which a product stays on the caller's thread, and which a task has at least.
constexpr Index kSerialWork = Index{1} << 19;
constexpr Index kTaskWork = Index{1} << 20;
// Elements that a task of a product with one row reads, and those that a packing task writes.
constexpr Index kStreamChunk = Index{1} << 17;
constexpr Index kPackChunk = Index{1} << 15;

// The depth of the blocks in which K is cut: equal parts of at most kDepth. Depends on K alone.
Index block_depth(Index k) {
  if (k <= kDepth) {
    return std::max<Index>(k, 1);
  }
  return ceil_div(ceil_div(k, ceil_div(k, kDepth)), 4) * 4;
}

// Scratch that is on the stack when it is small.
template <class T>
class Scratch {
 public:
  T* reserve(Index size) {
    if (size <= kInline) {
      return inline_.data();
    }
    if (heap_.size() < size) {
      heap_ = Buffer<T>(size);
    }
    return heap_.data();
  }

 private:
  static constexpr Index kInline = 8192 / static_cast<Index>(sizeof(T));
  alignas(64) std::array<T, kInline> inline_;
  Buffer<T> heap_;
};

// Part `i` of `parts` nearly equal parts of n.
struct Part {
  Index begin, end;
};
Part part_of(Index n, Index i, Index parts) {
  return {n * i / parts, n * (i + 1) / parts};
}

template <class T>
struct Output {
  T* data;
  Index row_stride, col_stride;
};

// Applies options.finish to rows x cols of C at `c`.
template <class T>
void finish_block(const GemmFinish<T>& finish, T* c, const Output<T>& out, Index rows, Index cols) {
  if (finish.function == nullptr) {
    return;
  }
  std::array<T, 256> segment;
  constexpr Index kSegment = 256;
  for (Index i = 0; i < rows; ++i) {
    T* row = c + i * out.row_stride;
    if (out.col_stride == 1) {
      finish.function(row, cols, finish.params);
      continue;
    }
    for (Index j = 0; j < cols; j += kSegment) {
      const Index n = std::min(kSegment, cols - j);
      for (Index s = 0; s < n; ++s) {
        segment[static_cast<std::size_t>(s)] = row[(j + s) * out.col_stride];
      }
      finish.function(segment.data(), n, finish.params);
      for (Index s = 0; s < n; ++s) {
        row[(j + s) * out.col_stride] = segment[static_cast<std::size_t>(s)];
      }
    }
  }
}

// One factor as the blocked product sees it: lines (rows of A, columns of B) by depth.
template <class T>
struct Factor {
  const GemmOperand<T>* operand;
  const T* data;
  Index line_stride, depth_stride;
  Index panel;    // lines in a panel
  Index padding;  // panels are filled with zeros to a multiple of this
};

template <class T>
void pack_lines(const Factor<T>& factor, Index first, Index count, Index k, Index depth, T* out) {
  if (factor.operand->packer == nullptr) {
    GemmPack<T> pack;
    pack.source = factor.data + first * factor.line_stride + k * factor.depth_stride;
    pack.width = count;
    pack.width_stride = factor.line_stride;
    pack.depth = depth;
    pack.depth_stride = factor.depth_stride;
    pack.panel = factor.panel;
    pack.padding = factor.padding;
    pack.out = out;
    kernels::gemm_pack(pack);
    return;
  }
  for (Index i = 0; i < count; i += factor.panel, out += factor.panel * depth) {
    PanelRequest<T> request;
    request.first = first + i;
    request.count = std::min(factor.panel, count - i);
    request.k_first = k;
    request.depth = depth;
    request.width = factor.panel;
    request.padded = ceil_div(request.count, factor.padding) * factor.padding;
    request.out = out;
    (*factor.operand->packer)(request);
  }
}

// The lines [first, first + count) of a factor in packed form, filled by several threads.
template <class T>
void pack_parallel(const Factor<T>& factor, Index first, Index count, Index k, Index depth,
                   T* out) {
  const Index panels = ceil_div(count, factor.panel);
  const Index grain = std::max<Index>(1, kPackChunk / std::max<Index>(1, factor.panel * depth));
  parallel_for(panels, grain, [&](Index begin, Index end) {
    const Index from = begin * factor.panel;
    const Index to = std::min(end * factor.panel, count);
    pack_lines(factor, first + from, to - from, k, depth, out + from * depth);
  });
}

template <class T>
void set_bias(GemmBlock<T>& block, const GemmOptions<T>& options, Index row, Index col) {
  if (options.bias != nullptr && options.bias_axis == BiasAxis::Row) {
    block.row_bias = options.bias + row;
  } else if (options.bias != nullptr) {
    block.column_bias = options.bias + col;
  }
}

// A product so small that packing A would not pay, on this thread. B is read in place where its
// rows are contiguous, but for its last columns, which are packed up to a whole vector.
template <class T>
void multiply_small(const MatrixRef<T>& a, const MatrixRef<T>& b, const Output<T>& out,
                    const GemmOptions<T>& options, const GemmTiling& tiling) {
  const Index depth = block_depth(a.cols);
  const Index direct = b.col_stride == 1 ? b.cols / tiling.lanes * tiling.lanes : 0;
  const Index rest = b.cols - direct;
  Scratch<T> scratch;
  T* const packed = rest == 0 ? nullptr
                              : scratch.reserve(ceil_div(rest, tiling.nr) * tiling.nr *
                                                std::min(depth, std::max<Index>(a.cols, 1)));
  GemmBlock<T> block;
  block.m = a.rows;
  block.a_row_stride = a.row_stride;
  block.a_col_stride = a.col_stride;
  block.c_row_stride = out.row_stride;
  block.c_col_stride = out.col_stride;
  block.alpha = options.alpha;
  block.beta = options.beta;
  Index k = 0;
  do {
    block.k = std::min(depth, a.cols - k);
    const bool last = k + block.k >= a.cols;
    block.a = a.data + k * a.col_stride;
    if (direct > 0) {
      block.n = direct;
      block.b = b.data + k * b.row_stride;
      block.b_row_stride = b.row_stride;
      block.b_panel_stride = tiling.nr;
      block.c = out.data;
      if (last) {
        set_bias(block, options, 0, 0);
      }
      kernels::gemm_block(block);
    }
    if (rest > 0) {
      GemmPack<T> pack;
      pack.source = b.data + k * b.row_stride + direct * b.col_stride;
      pack.width = rest;
      pack.width_stride = b.col_stride;
      pack.depth = block.k;
      pack.depth_stride = b.row_stride;
      pack.panel = tiling.nr;
      pack.padding = tiling.lanes;
      pack.out = packed;
      kernels::gemm_pack(pack);
      block.n = rest;
      block.b = packed;
      block.b_row_stride = tiling.nr;
      block.b_panel_stride = tiling.nr * block.k;
      block.c = out.data + direct * out.col_stride;
      if (last) {
        set_bias(block, options, 0, direct);
      }
      kernels::gemm_block(block);
    }
    block.beta = T(1);
    k += block.k;
  } while (k < a.cols);
  finish_block(options.finish, out.data, out, a.rows, b.cols);
}

// How many tasks the panels of a block of C are cut into, by rows and columns.
struct Tasks {
  Index rows, cols;
};
Tasks cut_tasks(Index row_panels, Index col_panels, Index work) {
  constexpr Index kEnough = 16;
  Tasks tasks{ceil_div(row_panels, kTaskPanels), ceil_div(col_panels, kTaskPanels)};
  const Index most = std::max<Index>(1, work / kTaskWork);
  while (tasks.rows * tasks.cols < std::min(kEnough, most)) {
    const Index rows_each = ceil_div(row_panels, tasks.rows);
    const Index cols_each = ceil_div(col_panels, tasks.cols);
    if (rows_each == 1 && cols_each == 1) {
      break;
    }
    // Halve the columns first: the panels of A are the larger part of what a task reads.
    if (cols_each >= rows_each) {
      tasks.cols = std::min(col_panels, tasks.cols * 2);
    } else {
      tasks.rows = std::min(row_panels, tasks.rows * 2);
    }
  }
  return tasks;
}

template <class T>
class BlockedProduct {
 public:
  BlockedProduct(const GemmOperand<T>& a, const GemmOperand<T>& b, const Output<T>& out,
                 const GemmOptions<T>& options, const GemmTiling& tiling)
      : a_{&a, a.matrix.data, a.matrix.row_stride, a.matrix.col_stride, tiling.mr, 1},
        b_{&b, b.matrix.data, b.matrix.col_stride, b.matrix.row_stride, tiling.nr, tiling.lanes},
        out_(out),
        options_(options),
        m_(a.matrix.rows),
        n_(b.matrix.cols),
        k_(a.matrix.cols),
        depth_(block_depth(k_)) {}

  void run() {
    const Index n_step = b_.operand->packed != nullptr ? n_ : std::min(n_, kPackedColumns);
    const Index m_step =
        a_.operand->packed != nullptr ? m_ : std::min(m_, kPackedRows / a_.panel * a_.panel);
    if (b_.operand->packed == nullptr) {
      packed_b_ = Buffer<T>(ceil_div(n_step, b_.panel) * b_.panel * depth_);
    }
    if (a_.operand->packed == nullptr) {
      packed_a_ = Buffer<T>(ceil_div(m_step, a_.panel) * a_.panel * depth_);
    }
    for (Index j = 0; j < n_; j += n_step) {
      const Index n = std::min(n_step, n_ - j);
      for (Index k = 0; k < k_; k += depth_) {
        const Index depth = std::min(depth_, k_ - k);
        const T* b = packed_b_.data();
        if (b_.operand->packed != nullptr) {
          b = b_.operand->packed->panel_at(j / b_.panel, k, depth);
        } else {
          pack_parallel(b_, j, n, k, depth, packed_b_.data());
        }
        for (Index i = 0; i < m_; i += m_step) {
          const Index m = std::min(m_step, m_ - i);
          const T* a = packed_a_.data();
          if (a_.operand->packed != nullptr) {
            a = a_.operand->packed->panel_at(i / a_.panel, k, depth);
          } else {
            pack_parallel(a_, i, m, k, depth, packed_a_.data());
          }
          multiply(a, b, i, m, j, n, k, depth);
        }
      }
    }
  }

 private:
  // C[i .. i + m, j .. j + n] (+)= the packed panels at a times those at b.
  void multiply(const T* a, const T* b, Index i, Index m, Index j, Index n, Index k, Index depth) {
    const Index row_panels = ceil_div(m, a_.panel);
    const Index col_panels = ceil_div(n, b_.panel);
    const Tasks tasks = cut_tasks(row_panels, col_panels, m * n * depth);
    const bool last = k + depth >= k_;
    parallel_for(tasks.rows * tasks.cols, 1, [&](Index begin, Index end) {
      for (Index t = begin; t < end; ++t) {
        const Part rows = part_of(row_panels, t % tasks.rows, tasks.rows);
        const Part cols = part_of(col_panels, t / tasks.rows, tasks.cols);
        const Index row = rows.begin * a_.panel;
        const Index col = cols.begin * b_.panel;
        GemmBlock<T> block;
        block.m = std::min(m, rows.end * a_.panel) - row;
        block.n = std::min(n, cols.end * b_.panel) - col;
        block.k = depth;
        block.a_panel_stride = a_.panel * depth;
        block.a = a + row * depth;
        block.b_panel_stride = b_.panel * depth;
        block.b_row_stride = b_.panel;
        block.b = b + col * depth;
        block.c = out_.data + (i + row) * out_.row_stride + (j + col) * out_.col_stride;
        block.c_row_stride = out_.row_stride;
        block.c_col_stride = out_.col_stride;
        block.alpha = options_.alpha;
        block.beta = k == 0 ? options_.beta : T(1);
        if (last) {
          set_bias(block, options_, i + row, j + col);
        }
        kernels::gemm_block(block);
        if (last) {
          finish_block(options_.finish, block.c, out_, block.m, block.n);
        }
      }
    });
  }

  Factor<T> a_, b_;
  Output<T> out_;
  const GemmOptions<T>& options_;
  Index m_, n_, k_, depth_;
  Buffer<T> packed_a_, packed_b_;
};

// C = beta C + bias: what is left when K is 0.
template <class T>
void multiply_nothing(Index m, Index n, const Output<T>& out, const GemmOptions<T>& options,
                      const GemmTiling& tiling) {
  const T zero = T(0);
  multiply_small(MatrixRef<T>{&zero, m, 0, 0, 0}, MatrixRef<T>{&zero, 0, n, 0, 0}, out, options,
                 tiling);
}

// One row times a matrix. The columns are cut into tasks.
template <class T>
void multiply_row(const MatrixRef<T>& a, const MatrixRef<T>& b, const Output<T>& out,
                  const GemmOptions<T>& options) {
  Scratch<T> row, result;
  const T* x = a.data;
  if (a.col_stride != 1 && a.cols > 1) {
    T* copy = row.reserve(a.cols);
    for (Index k = 0; k < a.cols; ++k) {
      copy[k] = a.data[k * a.col_stride];
    }
    x = copy;
  }
  const bool plain = out.col_stride == 1 && options.alpha == T(1) && options.beta == T(0) &&
                     options.bias == nullptr;
  T* const y = plain ? out.data : result.reserve(b.cols);
  // At least 256 columns, so that each row of B is read in stretches of some length.
  const Index least = b.col_stride == 1 ? 256 : 4;
  const Index grain = std::max(least, kStreamChunk / std::max<Index>(1, b.rows) / least * least);
  const auto body = [&](Index begin, Index end) {
    kernels::GemvArgs<T> args;
    args.x = x;
    args.b = b.data + begin * b.col_stride;
    args.k = b.rows;
    args.k_stride = b.row_stride;
    args.n = end - begin;
    args.n_stride = b.col_stride;
    args.y = y + begin;
    kernels::gemv(args);
    if (!plain) {
      for (Index j = begin; j < end; ++j) {
        T value = options.alpha * y[j];
        T* c = out.data + j * out.col_stride;
        if (options.beta != T(0)) {
          value += options.beta * *c;
        }
        if (options.bias != nullptr) {
          value += options.bias[options.bias_axis == BiasAxis::Column ? j : 0];
        }
        *c = value;
      }
    }
    finish_block(options.finish, out.data + begin * out.col_stride, out, 1, end - begin);
  };
  if (b.rows * b.cols <= kStreamChunk) {
    body(0, b.cols);
  } else {
    parallel_for(b.cols, grain, body);
  }
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

}  // namespace

template <class T>
PackedMatrix<T>::PackedMatrix(GemmSide side, const MatrixRef<T>& matrix)
    : side_(side),
      width_(side == GemmSide::A ? matrix.rows : matrix.cols),
      depth_(side == GemmSide::A ? matrix.cols : matrix.rows) {
  const GemmTiling tiling = kernels::gemm_tiling<T>();
  const MatrixRef<T> lines = side == GemmSide::A ? matrix : matrix.transposed();
  const GemmOperand<T> operand(lines);
  const Factor<T> factor{&operand,
                         lines.data,
                         lines.row_stride,
                         lines.col_stride,
                         side == GemmSide::A ? tiling.mr : tiling.nr,
                         side == GemmSide::A ? 1 : tiling.lanes};
  panel_ = factor.panel;
  padded_width_ = ceil_div(width_, panel_) * panel_;
  data_ = Buffer<T>(padded_width_ * depth_);
  const Index step = block_depth(depth_);
  for (Index k = 0; k < depth_; k += step) {
    pack_parallel(factor, 0, width_, k, std::min(step, depth_ - k),
                  data_.data() + k * padded_width_);
  }
}

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
  const GemmTiling tiling = kernels::gemm_tiling<T>();
  check_layout(a, GemmSide::A, tiling.mr);
  check_layout(b, GemmSide::B, tiling.nr);
  const Output<T> out{c, c_row_stride, c_col_stride};
  if (k == 0) {
    multiply_nothing(m, n, out, options, tiling);
  } else if (strided && m == 1 && (b.matrix.col_stride == 1 || b.matrix.row_stride == 1)) {
    multiply_row(a.matrix, b.matrix, out, options);
  } else if (strided && m * n * k <= kSerialWork) {
    multiply_small(a.matrix, b.matrix, out, options, tiling);
  } else {
    BlockedProduct<T>(a, b, out, options, tiling).run();
  }
}

namespace {

// A batch reduced to what no single product can do: `each` axes with a C of their own, `summed`
// axes that are added up.
template <class T>
struct Batch {
  MatrixRef<T> a, b;
  Index c_row_stride;
  GemmBatch each, summed;
};

void add_axis(GemmBatch& batch, Index extent, Index a, Index b, Index c) {
  IndexList extents = batch.extents;
  extents.push_back(extent);
  batch.extents = Shape(extents);
  batch.a_strides.push_back(a);
  batch.b_strides.push_back(b);
  batch.c_strides.push_back(c);
}

// Innermost axes first, an axis that continues the rows of A and C, or K, becomes part of them.
template <class T>
Batch<T> fold(const GemmBatch& batch, const MatrixRef<T>& a, const MatrixRef<T>& b,
              Index c_row_stride) {
  Batch<T> result{a, b, c_row_stride, {}, {}};
  for (int axis = batch.extents.rank() - 1; axis >= 0; --axis) {
    const Index extent = batch.extents[axis];
    const Index a_stride = batch.a_strides[axis];
    const Index b_stride = batch.b_strides[axis];
    const Index c_stride = batch.c_strides[axis];
    MatrixRef<T>& fa = result.a;
    MatrixRef<T>& fb = result.b;
    if (extent == 1) {
      continue;
    }
    if (c_stride == 0) {
      if (a_stride == fa.cols * fa.col_stride && b_stride == fb.rows * fb.row_stride) {
        fa.cols *= extent;
        fb.rows *= extent;
      } else {
        add_axis(result.summed, extent, a_stride, b_stride, 0);
      }
    } else if (b_stride == 0 && fa.rows == 1 && result.each.extents.empty()) {
      fa.rows = extent;
      fa.row_stride = a_stride;
      result.c_row_stride = c_stride;
    } else if (b_stride == 0 && a_stride == fa.rows * fa.row_stride &&
               c_stride == fa.rows * result.c_row_stride && result.each.extents.empty()) {
      fa.rows *= extent;
    } else {
      add_axis(result.each, extent, a_stride, b_stride, c_stride);
    }
  }
  return result;
}

struct Offsets {
  Index a = 0, b = 0, c = 0;
};

Offsets offsets_at(const GemmBatch& batch, Index i) {
  Offsets offsets;
  for (int axis = 0; axis < batch.extents.rank(); ++axis) {
    const Index at = i % batch.extents[axis];
    i /= batch.extents[axis];
    offsets.a += at * batch.a_strides[axis];
    offsets.b += at * batch.b_strides[axis];
    offsets.c += at * batch.c_strides[axis];
  }
  return offsets;
}

}  // namespace

template <class T>
void gemm_batched(const GemmBatch& batch, const MatrixRef<T>& a, const MatrixRef<T>& b, T* c,
                  Index c_row_stride, Index c_col_stride, const GemmOptions<T>& options) {
  const Batch<T> folded = fold(batch, a, b, c_row_stride);
  const Index count = folded.each.extents.size();
  const Index terms = folded.summed.extents.size();
  const auto one = [&](Index i) {
    const Offsets at = offsets_at(folded.each, i);
    MatrixRef<T> ai = folded.a;
    MatrixRef<T> bi = folded.b;
    if (terms == 0) {
      ai.cols = 0;
      bi.rows = 0;
    }
    GemmOptions<T> part = options;
    for (Index term = 0; term < std::max<Index>(terms, 1); ++term) {
      const Offsets inner = terms == 0 ? Offsets{} : offsets_at(folded.summed, term);
      const bool last = term + 1 >= terms;
      ai.data = folded.a.data + at.a + inner.a;
      bi.data = folded.b.data + at.b + inner.b;
      part.bias = last ? options.bias : nullptr;
      part.finish = last ? options.finish : GemmFinish<T>{};
      gemm<T>(ai, bi, c + at.c, folded.c_row_stride, c_col_stride, part);
      part.beta = T(1);
    }
  };
  // Large products use all threads one after the other, small ones a thread each.
  const Index work = folded.a.rows * folded.b.cols * std::max<Index>(1, folded.a.cols) * terms;
  if (work >= 16 * kTaskWork || count <= 1) {
    for (Index i = 0; i < count; ++i) {
      one(i);
    }
    return;
  }
  const Index grain = std::max<Index>(1, kSerialWork / std::max<Index>(1, work));
  parallel_for(count, grain, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      one(i);
    }
  });
}

#define LAMINA_INSTANTIATE(T)                                                                   \
  template class PackedMatrix<T>;                                                               \
  template void gemm<T>(const GemmOperand<T>&, const GemmOperand<T>&, T*, Index, Index,         \
                        const GemmOptions<T>&);                                                 \
  template void gemm_batched<T>(const GemmBatch&, const MatrixRef<T>&, const MatrixRef<T>&, T*, \
                                Index, Index, const GemmOptions<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn::detail
