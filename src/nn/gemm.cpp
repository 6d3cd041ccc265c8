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

// Depth of a block of K: deep enough that reading and writing C between blocks costs little.
constexpr Index kDepth = 512;
// Most tiles of rows in a task: with kDepth columns of A they take some 400 KiB of the L2.
template <class T>
constexpr Index kTaskRowTiles = sizeof(T) == 4 ? 12 : 8;
// Most panels of B in a task, and the least number of tiles and panels where there is a choice: the
// first tile also makes a packed copy of each panel, the first panel waits for A.
constexpr Index kTaskColPanels = 64;
constexpr Index kLeastRowTiles = 2;
constexpr Index kLeastColPanels = 4;
// Elements by which rows that would share a set of the L1 are moved apart.
constexpr Index kSpread = 16;
// Panels of B after which a finished part of C gets its activation.
constexpr Index kFinishPanels = 8;
// Multiply-adds below which a product stays on the caller's thread.
constexpr Index kSerialWork = Index{1} << 19;
// Multiply-adds of a task where there are enough tasks.
constexpr Index kTaskWork = Index{1} << 26;
// A B of so few elements is not fetched ahead: it is in the L2 anyway.
constexpr Index kNearB = Index{1} << 15;
// Most elements of B that are packed once for all tasks, beyond which each task packs its own; and
// the tiles of rows above which that pays for a B that need not be transposed.
constexpr Index kPackedOnce = Index{1} << 23;
constexpr Index kPackOnceTiles = 40;
// Rows and elements of B of a product that reads B but once, without packing it.
constexpr Index kSkinnyRows = 8;
constexpr Index kSkinnyWork = Index{1} << 16;
// Its tasks: most columns of one, most parts of K, and least elements.
constexpr Index kStreamColumns = 4096;
constexpr Index kStreamParts = 8;
constexpr Index kStreamChunk = Index{1} << 18;
// Elements that a packing task writes.
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

template <class T>
void pack_panel(const T* source, Index width, Index width_stride, Index depth, Index depth_stride,
                Index panel, Index padded, T* out) {
  GemmPack<T> pack;
  pack.source = source;
  pack.width = width;
  pack.width_stride = width_stride;
  pack.depth = depth;
  pack.depth_stride = depth_stride;
  pack.panel = panel;
  pack.padded = padded;
  pack.out = out;
  kernels::gemm_pack(pack);
}

template <class T>
void fill_panel(const PanelPacker<T>& packer, Index first, Index count, Index k, Index depth,
                Index width, Index padded, T* out) {
  PanelRequest<T> request;
  request.first = first;
  request.count = count;
  request.k_first = k;
  request.depth = depth;
  request.width = width;
  request.padded = padded;
  request.out = out;
  packer(request);
}

// Columns [k, k + depth) of all rows to rows `stride` apart.
template <class T>
void copy_rows(const MatrixRef<T>& a, Index k, Index depth, T* out, Index stride) {
  for (Index i = 0; i < a.rows; ++i) {
    const T* row = a.data + i * a.row_stride + k * a.col_stride;
    for (Index p = 0; p < depth; ++p) {
      out[i * stride + p] = row[p * a.col_stride];
    }
  }
}

// How many parts the tiles of C are cut into, by rows and columns. It depends on the shape alone.
struct Cut {
  Index rows, cols;
};

// Enough tasks for many threads where each is worth waking one, and at least as many as the cache
// asks for. A split of the rows repeats the packing of B, one of the columns that of A.
template <class T>
Cut cut_tasks(Index row_tiles, Index col_panels, Index work, bool packs_a, bool packs_b) {
  const Index wanted = std::max(
      {Index{1}, std::min<Index>(4, work / kSerialWork), std::min<Index>(64, work / kTaskWork)});
  if (wanted == 1 && row_tiles <= kTaskRowTiles<T> && col_panels <= kTaskColPanels) {
    return {1, 1};
  }
  Cut cut{ceil_div(row_tiles, kTaskRowTiles<T>), ceil_div(col_panels, kTaskColPanels)};
  // An even number, as one odd task more would leave half of two threads idle.
  cut.rows += cut.rows > 1 && cut.rows % 2 == 1 ? 1 : 0;
  while (cut.rows * cut.cols < wanted) {
    const bool can_split_rows = row_tiles / cut.rows >= 2 * kLeastRowTiles;
    const bool can_split_cols = col_panels / cut.cols >= 2 * kLeastColPanels;
    // What is read, or packed, once more when one is doubled: all of the other factor.
    const Index row_cost = cut.rows * 2 * col_panels * (packs_b ? 4 : 1);
    const Index col_cost = cut.cols * row_tiles * (packs_a ? 4 : 1);
    if (can_split_rows && (!can_split_cols || row_cost < col_cost)) {
      cut.rows *= 2;
    } else if (can_split_cols) {
      cut.cols *= 2;
    } else {
      break;
    }
  }
  return cut;
}

template <class T>
class Product {
 public:
  Product(const GemmOperand<T>& a, const GemmOperand<T>& b, const Output<T>& out,
          const GemmOptions<T>& options, const GemmTiling& tiling)
      : a_(a),
        b_(b),
        out_(out),
        options_(options),
        tiling_(tiling),
        m_(a.matrix.rows),
        n_(b.matrix.cols),
        k_(a.matrix.cols),
        row_tiles_(ceil_div(m_, tiling.mr)),
        col_panels_(ceil_div(n_, tiling.nr)),
        depth_(block_depth(k_)),
        row_bias_(options.bias_axis == BiasAxis::Row ? options.bias : nullptr),
        column_bias_(options.bias_axis == BiasAxis::Column ? options.bias : nullptr) {
    const bool strided_b = b.packed == nullptr && b.packer == nullptr;
    // A is read in place where it is contiguous along K, or hardly reused. Where there is much
    // reuse packing pays; so it does soon where rows lie a multiple of 4 KiB apart and share a set
    // of the L1.
    // A single tile of such rows is copied apart.
    const bool same_set = a.matrix.row_stride * static_cast<Index>(sizeof(T)) % 4096 == 0;
    const bool reused = a.packed == nullptr && m_ * n_ * k_ > kSerialWork;
    const Index enough = a.matrix.col_stride != 1 ? 3 : same_set ? 4 : 24;
    pack_a_ = a.packer != nullptr || (reused && row_tiles_ > 1 && col_panels_ >= enough);
    spread_a_ = reused && same_set && row_tiles_ == 1 && m_ > 1 && a.packer == nullptr;
    packs_b_ = b.packer != nullptr || (strided_b && b.matrix.col_stride != 1);
  }

  void run() {
    const Index work = m_ * n_ * k_;
    const Cut cut = cut_tasks<T>(row_tiles_, col_panels_, work, pack_a_, packs_b_);
    const auto body = [&](Index begin, Index end) {
      Scratch<T> panel;
      Scratch<T> packed_a;
      for (Index t = begin; t < end; ++t) {
        const Part rows = part_of(row_tiles_, t / cut.cols, cut.rows);
        const Part cols = part_of(col_panels_, t % cut.cols, cut.cols);
        run_task(rows, cols, panel, packed_a);
      }
    };
    if (cut.rows * cut.cols == 1) {
      body(0, 1);
    } else {
      parallel_for(cut.rows * cut.cols, 1, body);
    }
  }

 private:
  // All of K for the row tiles and column panels given.
  void run_task(const Part& tiles, const Part& panels, Scratch<T>& panel, Scratch<T>& packed_a) {
    GemmBlock<T> block;
    block.m = m_;
    block.tiles = row_tiles_;
    block.tile_begin = tiles.begin;
    block.tile_end = tiles.end;
    block.a_row_stride = a_.matrix.row_stride;
    block.a_col_stride = a_.matrix.col_stride;
    block.b_row_stride = b_.matrix.row_stride;
    block.b_col_stride = b_.matrix.col_stride;
    block.c_row_stride = out_.row_stride;
    block.c_col_stride = out_.col_stride;
    block.alpha = options_.alpha;
    block.beta = options_.beta;
    if (b_.packed == nullptr) {
      block.panel = panel.reserve(tiling_.nr * depth_);
    }
    T* const own_a = pack_a_     ? packed_a.reserve((tiles.end - tiles.begin) * tiling_.mr * depth_)
                     : spread_a_ ? packed_a.reserve(m_ * (depth_ + kSpread))
                                 : nullptr;
    const Index row = kernels::gemm_tile_begin(m_, row_tiles_, tiles.begin);
    const Index rows = kernels::gemm_tile_begin(m_, row_tiles_, tiles.end) - row;
    const Index group = b_.packer != nullptr ? 1 : kFinishPanels;
    Index k = 0;
    do {
      block.k = std::min(depth_, k_ - k);
      const bool last = k + block.k >= k_;
      block.row_bias = last ? row_bias_ : nullptr;
      if (a_.packed != nullptr) {
        block.a = a_.packed->panel_at(tiles.begin, k, block.k);
        block.a_panel_stride = tiling_.mr * block.k;
      } else if (pack_a_) {
        pack_rows(tiles, k, block.k, own_a);
        block.a = own_a;
        block.a_panel_stride = tiling_.mr * block.k;
      } else if (spread_a_) {
        block.a = own_a;
        block.a_row_stride = depth_ + kSpread;
        block.a_col_stride = 1;
        copy_rows(a_.matrix, k, block.k, own_a, block.a_row_stride);
      } else {
        block.a = a_.matrix.data + k * a_.matrix.col_stride;
      }
      for (Index p = panels.begin; p < panels.end; p += group) {
        const Index col = p * tiling_.nr;
        block.n = std::min(n_, std::min(p + group, panels.end) * tiling_.nr) - col;
        if (b_.packed != nullptr) {
          block.b = b_.packed->panel_at(p, k, block.k);
          block.b_panel_stride = tiling_.nr * block.k;
        } else if (b_.packer != nullptr) {
          fill_panel(*b_.packer, col, block.n, k, block.k, tiling_.nr,
                     ceil_div(block.n, tiling_.lanes) * tiling_.lanes, block.panel);
          block.b = block.panel;
          block.b_panel_stride = tiling_.nr * block.k;
        } else {
          block.b = b_.matrix.data + k * b_.matrix.row_stride + col * b_.matrix.col_stride;
        }
        block.next_b = next_of(panels, p + group, k, block);
        block.c = out_.data + col * out_.col_stride;
        block.column_bias = last && column_bias_ != nullptr ? column_bias_ + col : nullptr;
        kernels::gemm_block(block);
        if (last) {
          finish_block(options_.finish, block.c + row * out_.row_stride, out_, rows, block.n);
        }
      }
      block.beta = T(1);
      k += block.k;
    } while (k < k_);
  }

  // Where the B of the next block starts: panel `p`, or the first one of the next part of K.
  const T* next_of(const Part& panels, Index p, Index k, const GemmBlock<T>& block) const {
    if (p >= panels.end) {
      p = panels.begin;
      k += block.k;
    }
    if (b_.packer != nullptr || k >= k_ || n_ * k_ <= kNearB) {
      return nullptr;
    }
    return b_.packed != nullptr
               ? b_.packed->panel_at(p, k, std::min(depth_, k_ - k))
               : b_.matrix.data + k * b_.matrix.row_stride + p * tiling_.nr * b_.matrix.col_stride;
  }

  void pack_rows(const Part& tiles, Index k, Index depth, T* out) {
    for (Index t = tiles.begin; t < tiles.end; ++t, out += tiling_.mr * depth) {
      const Index row = kernels::gemm_tile_begin(m_, row_tiles_, t);
      const Index rows = kernels::gemm_tile_begin(m_, row_tiles_, t + 1) - row;
      if (a_.packer != nullptr) {
        fill_panel(*a_.packer, row, rows, k, depth, tiling_.mr, rows, out);
      } else {
        pack_panel(a_.matrix.data + row * a_.matrix.row_stride + k * a_.matrix.col_stride, rows,
                   a_.matrix.row_stride, depth, a_.matrix.col_stride, tiling_.mr, rows, out);
      }
    }
  }

  const GemmOperand<T>& a_;
  const GemmOperand<T>& b_;
  Output<T> out_;
  const GemmOptions<T>& options_;
  GemmTiling tiling_;
  Index m_, n_, k_, row_tiles_, col_panels_, depth_;
  bool pack_a_, spread_a_, packs_b_;
  const T* row_bias_;
  const T* column_bias_;
};

// Few rows times a matrix with contiguous rows or columns, or a packed one, which is read once.
// Where its columns are contiguous they are cut into tasks; else K is too, and the parts are added
// in order.
template <class T>
void multiply_skinny(const MatrixRef<T>& a, const GemmOperand<T>& factor, const Output<T>& out,
                     const GemmOptions<T>& options, const GemmTiling& tiling) {
  const MatrixRef<T>& b = factor.matrix;
  const PackedMatrix<T>* const packed = factor.packed;
  const Index m = a.rows;
  const Index n = b.cols;
  const Index k = a.cols;
  Scratch<T> own_a, own_y;
  kernels::SkinnyProduct<T> product;
  product.m = m;
  product.a = a.data;
  product.a_row_stride = a.row_stride;
  // Rows that share a set of the L1 with each other, and with those of B, are copied apart.
  const bool same_set = a.row_stride * static_cast<Index>(sizeof(T)) % 4096 == 0;
  if ((a.col_stride != 1 && k > 1) || (same_set && m > 1 && k > 64)) {
    product.a_row_stride = k + kSpread;
    T* const copy = own_a.reserve(m * product.a_row_stride);
    copy_rows(a, 0, k, copy, product.a_row_stride);
    product.a = copy;
  }
  product.k_stride = packed != nullptr ? tiling.nr : b.row_stride;
  product.n_stride = packed != nullptr ? 1 : b.col_stride;

  const bool streams = product.n_stride == 1;
  const Index col_chunk =
      streams ? kStreamColumns : std::max<Index>(12, kStreamChunk / k / 12 * 12);
  const Index col_parts = ceil_div(n, col_chunk);
  const Index rows_wanted =
      std::max(ceil_div(k, kStreamParts), kStreamChunk / std::min(n, col_chunk));
  const Index k_chunk = packed != nullptr ? block_depth(k)
                        : streams         ? ceil_div(rows_wanted, 16) * 16
                                          : k;
  const Index k_parts = ceil_div(k, k_chunk);
  const bool plain = k_parts == 1 && out.col_stride == 1 && options.alpha == T(1) &&
                     options.beta == T(0) && options.bias == nullptr;
  T* const y = plain ? out.data : own_y.reserve(k_parts * m * n);
  const Index y_row_stride = plain ? out.row_stride : n;

  const auto multiply = [&](Index begin, Index end) {
    Scratch<T> sums;
    for (Index t = begin; t < end; ++t) {
      kernels::SkinnyProduct<T> part = product;
      const Index col = t % col_parts * col_chunk;
      const Index k_begin = t / col_parts * k_chunk;
      part.n = std::min(col_chunk, n - col);
      part.k = std::min(k_chunk, k - k_begin);
      part.a += k_begin;
      if (packed != nullptr) {
        part.b = packed->panel_at(col / tiling.nr, k_begin, part.k);
        part.panel_stride = tiling.nr * part.k;
      } else {
        part.b = b.data + k_begin * b.row_stride + col * b.col_stride;
      }
      part.y = y + t / col_parts * m * n + col;
      part.y_row_stride = y_row_stride;
      part.sums = streams ? sums.reserve(m * (part.n + tiling.lanes)) : nullptr;
      kernels::gemm_skinny(part);
    }
  };
  if (col_parts * k_parts == 1) {
    multiply(0, 1);
  } else {
    parallel_for(col_parts * k_parts, 1, multiply);
  }
  if (!plain) {
    const auto add_up = [&](Index begin, Index end) {
      for (Index i = 0; i < m; ++i) {
        T* const row = y + i * n;
        for (Index part = 1; part < k_parts; ++part) {
          const T* other = row + part * m * n;
          for (Index j = begin; j < end; ++j) {
            row[j] += other[j];
          }
        }
        for (Index j = begin; j < end; ++j) {
          T value = options.alpha * row[j];
          T* c = out.data + i * out.row_stride + j * out.col_stride;
          if (options.beta != T(0)) {
            value += options.beta * *c;
          }
          if (options.bias != nullptr) {
            value += options.bias[options.bias_axis == BiasAxis::Column ? j : i];
          }
          *c = value;
        }
      }
    };
    parallel_for(n, std::max<Index>(1, kPackChunk / (m * k_parts)), add_up);
  }
  finish_block(options.finish, out.data, out, m, n);
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
  panel_ = side == GemmSide::A ? tiling.mr : tiling.nr;
  const Index panels = ceil_div(width_, panel_);
  padded_width_ = panels * panel_;
  data_ = Buffer<T>(padded_width_ * depth_);
  const Index step = block_depth(depth_);
  for (Index k = 0; k < depth_; k += step) {
    const Index depth = std::min(step, depth_ - k);
    const Index grain = std::max<Index>(1, kPackChunk / (panel_ * depth));
    parallel_for(panels, grain, [&](Index begin, Index end) {
      for (Index p = begin; p < end; ++p) {
        const Index first =
            side == GemmSide::A ? kernels::gemm_tile_begin(width_, panels, p) : p * panel_;
        const Index behind = side == GemmSide::A ? kernels::gemm_tile_begin(width_, panels, p + 1)
                                                 : std::min(width_, first + panel_);
        pack_panel(lines.data + first * lines.row_stride + k * lines.col_stride, behind - first,
                   lines.row_stride, depth, lines.col_stride, panel_,
                   side == GemmSide::A ? behind - first : panel_,
                   data_.data() + k * padded_width_ + p * panel_ * depth);
      }
    });
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
      ceil_div(m, tiling.mr) > (b.matrix.col_stride == 1 ? kPackOnceTiles : kTaskRowTiles<T>);
  if (repeated) {
    const PackedMatrix<T> packed_b(GemmSide::B, b.matrix);
    Product<T>(a, packed_b, out, options, tiling).run();
  } else {
    Product<T>(a, b, out, options, tiling).run();
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
  if (work >= 32 * kSerialWork || count <= 1) {
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
