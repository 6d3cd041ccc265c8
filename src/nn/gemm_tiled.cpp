#include "kernels/gather.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/gemm_parts.hpp"

namespace lamina::nn::detail {

namespace {

using kernels::GemmBlock;
using kernels::GemmTiling;

// Most tiles of rows in a task: with 512 columns of A they take some 400 KiB of the L2. Of fewer
// columns there may be more of them, up to a limit.
template <class T>
constexpr Index kTaskRowTiles = sizeof(T) == 4 ? 12 : 8;
constexpr Index kTaskDepth = 512;
constexpr Index kMostRowTiles = 24;
// Most panels of B in a task, and the least number of tiles and panels where there is a choice: the
// first tile also makes a packed copy of each panel, the first panel waits for A.
constexpr Index kTaskColPanels = 64;
constexpr Index kLeastRowTiles = 2;
constexpr Index kLeastColPanels = 4;
// Panels of B after which a finished part of C gets its activation.
constexpr Index kFinishPanels = 8;
// Multiply-adds of a task where there are enough tasks, and how many are enough.
constexpr Index kTaskWork = Index{1} << 26;
constexpr Index kTasks = 32;
// Depth up to which a B is fetched in rows of as many columns.
template <class T>
constexpr Index kLongRowsDepth = 1024 / static_cast<Index>(sizeof(T));
// A B of so few elements is not fetched ahead: it is in the L2 anyway.
constexpr Index kNearB = Index{1} << 15;
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

// How many parts the tiles of C are cut into, by rows and columns. It depends on the shape alone.
struct Cut {
  Index rows, cols;
};

// Enough tasks for many threads where each is worth waking one, and at least as many as the cache
// asks for. A split of the rows repeats the packing of B, one of the columns that of A.
template <class T>
Cut cut_tasks(Index row_tiles, Index col_panels, Index depth, Index work, bool packs_a,
              bool packs_b) {
  const Index wanted = std::max(
      {Index{1}, std::min<Index>(4, work / kSerialWork), std::min(kTasks, work / kTaskWork)});
  // Between, as blocks of K are equal parts, there is nothing to gain.
  const Index most = depth > kLongRowsDepth<T>
                         ? kTaskRowTiles<T>
                         : std::min(kMostRowTiles, kTaskRowTiles<T> * kTaskDepth / depth);
  if (wanted == 1 && row_tiles <= most && col_panels <= kTaskColPanels) {
    return {1, 1};
  }
  Cut cut{ceil_div(row_tiles, most), ceil_div(col_panels, kTaskColPanels)};
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
    // A is read in place where it is contiguous along K, or hardly reused; with much reuse in each
    // task packing pays. Rows that lie a multiple of 4 KiB apart share a set of the L1 and are
    // copied apart.
    const bool same_set = a.matrix.row_stride * static_cast<Index>(sizeof(T)) % 4096 == 0;
    const bool reused = a.packed == nullptr && m_ * n_ * k_ > kSerialWork;
    const Index enough = a.matrix.col_stride != 1 ? 3 : 24;
    packs_b_ = b.packer != nullptr || (strided_b && b.matrix.col_stride != 1);
    pack_a_ = a.packer != nullptr || (reused && row_tiles_ > 1 && col_panels_ >= enough);
    cut_ = cut_tasks<T>(row_tiles_, col_panels_, depth_, m_ * n_ * k_, pack_a_, packs_b_);
    if (a.packer == nullptr && a.matrix.col_stride == 1 && col_panels_ / cut_.cols < enough) {
      pack_a_ = false;
    }
    spread_a_ = reused && same_set && !pack_a_ && m_ > 1 &&
                (row_tiles_ == 1 || (a.matrix.col_stride == 1 && col_panels_ > 1));
    copies_a_ = a.packer == nullptr && a.matrix.col_stride == 1 && (pack_a_ || spread_a_);
    // A B of few rows, far from each other, is fetched a group of panels at a time: in rows that
    // are long enough for memory to follow.
    long_rows_ = strided_b && b.matrix.col_stride == 1 && k_ <= kLongRowsDepth<T> &&
                 row_tiles_ > 1 && n_ * k_ > kNearB;
  }

  void run() {
    const Cut& cut = cut_;
    const auto body = [&](Index begin, Index end) {
      Scratch<T> panel;
      Scratch<T> packed_a;
      for (Index t = begin; t < end; ++t) {
        // Tasks that follow each other share columns of B, and rows that are cut unevenly take
        // turns.
        const Part rows = part_of(row_tiles_, t % cut.rows, cut.rows);
        const Part cols = part_of(col_panels_, t / cut.rows, cut.cols);
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
    // The last few columns are packed once more, see NarrowKernel.
    if (b_.packed == nullptr || n_ % tiling_.nr != 0) {
      block.panel = panel.reserve(tiling_.nr * depth_ + kernels::kGatherSlack);
    }
    const Index row = kernels::gemm_tile_begin(m_, row_tiles_, tiles.begin);
    const Index rows = kernels::gemm_tile_begin(m_, row_tiles_, tiles.end) - row;
    T* const own_a = pack_a_ ? packed_a.reserve((tiles.end - tiles.begin) * tiling_.mr * depth_ +
                                                kernels::kGatherSlack)
                     : spread_a_ ? packed_a.reserve(rows * (depth_ + kSpread))
                                 : nullptr;
    MatrixRef<T> a_rows = a_.matrix;
    a_rows.rows = rows;
    a_rows.data += a_.matrix.data == nullptr ? 0 : row * a_.matrix.row_stride;
    const Index group = b_.packer != nullptr ? 1
                        : long_rows_ ? std::clamp<Index>(depth_ / tiling_.nr, 2, kFinishPanels)
                                     : kFinishPanels;
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
        copy_rows(a_rows, k, block.k, own_a, block.a_row_stride);
      } else {
        block.a = a_rows.data + k * a_.matrix.col_stride;
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
        fetch_ahead(tiles, panels, p, group, k, block);
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

  // Has the block of panel `p` fetch what comes after it besides the next panel of B: rows as long
  // as the block is deep.
  void fetch_ahead(const Part& tiles, const Part& panels, Index p, Index group, Index k,
                   GemmBlock<T>& block) const {
    block.ahead_rows = 0;
    if (long_rows_) {
      // Behind the columns of this task come those of the next one.
      if (p + group < (cut_.rows > 1 ? panels.end : col_panels_)) {
        block.next_b = nullptr;
        block.ahead = block.b + block.n;
        block.ahead_rows = block.k;
        block.ahead_stride = b_.matrix.row_stride;
      }
    } else if (copies_a_ && k + block.k < k_) {
      // This block's share of the rows of A that are copied next.
      const Index row = kernels::gemm_tile_begin(m_, row_tiles_, tiles.begin);
      const Index rows = kernels::gemm_tile_begin(m_, row_tiles_, tiles.end) - row;
      const Part share =
          part_of(rows, (p - panels.begin) / group, ceil_div(panels.end - panels.begin, group));
      block.ahead = a_.matrix.data + (row + share.begin) * a_.matrix.row_stride + k + block.k;
      block.ahead_rows = share.end - share.begin;
      block.ahead_stride = a_.matrix.row_stride;
    }
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
  bool pack_a_, spread_a_, copies_a_, packs_b_, long_rows_;
  Cut cut_;
  const T* row_bias_;
  const T* column_bias_;
};

}  // namespace

template <class T>
void multiply_tiled(const GemmOperand<T>& a, const GemmOperand<T>& b, const Output<T>& out,
                    const GemmOptions<T>& options, const GemmTiling& tiling) {
  Product<T>(a, b, out, options, tiling).run();
}

#define LAMINA_INSTANTIATE(T)                                                                     \
  template void multiply_tiled<T>(const GemmOperand<T>&, const GemmOperand<T>&, const Output<T>&, \
                                  const GemmOptions<T>&, const GemmTiling&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn::detail
