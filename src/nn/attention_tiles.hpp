#pragma once

// Attention, cut in tiles of scores: how the operands lie, which entries are visible, and the
// products of tiles. Forward and backward pass walk over the same tiles.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>

#include "kernels/attention.hpp"
#include "kernels/dropout.hpp"
#include "kernels/gemm.hpp"
#include "lamina/core/memory.hpp"
#include "lamina/nn/attention.hpp"
#include "nn/gemm.hpp"

namespace lamina::nn::detail {

/// Keys that a tile meets at a time. Packed for the products they take part in, and with the tile,
/// they stay in the L2.
inline constexpr Index kBlockKeys = 256;
/// Products of so few rows read the other factor in place.
inline constexpr Index kSkinnyRows = 4;
/// Multiply-adds that a task has at least.
inline constexpr Index kAttentionTaskWork = Index{1} << 19;

/// The matrices of an array (lead..., rows, columns).
template <class T>
struct HeadStack {
  const T* data = nullptr;
  IndexList extents;  ///< of the leading axes
  Strides strides;    ///< of these
  Index rows = 0, cols = 0, row_stride = 0, col_stride = 0;

  HeadStack() = default;
  explicit HeadStack(const View<T>& x) : data(x.data()) {
    const int lead = x.rank() - 2;
    for (int axis = 0; axis < lead; ++axis) {
      extents.push_back(x.shape()[axis]);
      strides.push_back(x.strides()[axis]);
    }
    rows = x.shape()[lead];
    cols = x.shape()[lead + 1];
    row_stride = x.strides()[lead];
    col_stride = x.strides()[lead + 1];
  }
  /// Where matrix `head` starts, from data.
  [[nodiscard]] Index offset(Index head) const {
    Index result = 0;
    for (int axis = extents.rank() - 1; axis >= 0; --axis) {
      result += head % extents[axis] * strides[axis];
      head /= extents[axis];
    }
    return result;
  }
  [[nodiscard]] MatrixRef<T> matrix(Index head) const {
    return {data + offset(head), rows, cols, row_stride, col_stride};
  }
  /// Rows [first, first + count) of matrix `head`.
  [[nodiscard]] MatrixRef<T> rows_of(Index head, Index first, Index count) const {
    return {data + offset(head) + first * row_stride, count, cols, row_stride, col_stride};
  }
};

/// The checked arguments of a call.
template <class T>
struct AttentionProblem {
  HeadStack<T> q, k, v;
  HeadStack<bool> mask;  ///< without data if absent
  HeadStack<T> bias;
  Array<std::int64_t> lengths;  ///< of the keys, for each head; empty if all are there
  bool causal = false;
  Index causal_offset = 0;
  T scale = T(1);
  T score_scale = T(1);  ///< scale / log 2: scores are in units of log 2
  double dropout = 0;
  kernels::DropoutStream words;  ///< of the first weight
  Index heads = 1;               ///< of queries, over all leading axes
  Index group = 1;               ///< heads of queries that share a head of keys
  Index queries = 0, keys = 0, features = 0, value_features = 0;
  Shape out_shape, score_shape;

  [[nodiscard]] Index key_count(Index head) const {
    return lengths.size() == 0 ? keys : lengths.data()[head];
  }
  /// Keys that any of the queries below `end` may see.
  [[nodiscard]] Index key_limit(Index head, Index end) const {
    const Index count = key_count(head);
    return causal ? std::min(count, end + causal_offset) : count;
  }
};

/// Checks the arguments of scaled_dot_product_attention and resolves their layout.
template <class T>
[[nodiscard]] AttentionProblem<T> attention_problem(const View<T>& q, const View<T>& k,
                                                    const View<T>& v,
                                                    const AttentionOptions<T>& options,
                                                    std::string_view operation);

/// Rows cut into tiles of at most about `tile_rows`, each of whole register tiles, which are
/// nearly equal (kernels::gemm_tile_begin).
class RowTiles {
 public:
  RowTiles(Index rows, Index tile_rows, Index register_rows)
      : rows_(rows),
        registers_(ceil_div(rows, register_rows)),
        count_(ceil_div(registers_, std::max<Index>(1, tile_rows / register_rows))) {}
  [[nodiscard]] Index count() const { return count_; }
  /// The first row of tile t, or the end of the last.
  [[nodiscard]] Index begin(Index t) const {
    return kernels::gemm_tile_begin(rows_, registers_, registers_ * t / count_);
  }

 private:
  Index rows_, registers_, count_;
};

/// A factor (depth, columns) of several products, packed; one block in depth.
template <class T>
class TileFactor {
 public:
  TileFactor() = default;
  TileFactor(Index depth, Index columns);
  void pack(const MatrixRef<T>& factor);
  /// c (a.rows, columns) = alpha a factor + beta c with the first a.cols rows and the first
  /// `columns` columns of the factor, on this thread.
  void multiply(const MatrixRef<T>& a, Index columns, T* c, Index c_stride, T alpha, T beta) const;

 private:
  kernels::GemmTiling tiling_{};
  Index depth_ = 0;
  Buffer<T> data_;
};

/// Part of the scores of one head.
struct TilePlace {
  Index head = 0;
  Index query = 0, queries = 0;
  Index key = 0, keys = 0;
};

/// Scratch memory of a task, and what is done to tiles in it.
template <class T>
class AttentionTile {
 public:
  /// For up to `rows` queries and `cols` keys.
  AttentionTile(const AttentionProblem<T>& problem, Index rows, Index cols);

  [[nodiscard]] T* scores() const { return scores_.data(); }
  [[nodiscard]] Index stride() const { return stride_; }

  /// Goes to another place. False if certainly nothing is visible there.
  bool move_to(const TilePlace& place);
  /// Computes the scores, scaled, with bias, -inf where blocked. `keys_t` is the packed transpose
  /// of the block's keys, which begins at this place; null: they are read in place.
  void compute_scores(const TileFactor<T>* keys_t);
  /// What dropout keeps here; null if it keeps all.
  const bool* draw_kept();
  [[nodiscard]] T keep_scale() const;

  /// target (queries, n) += alpha x y, where x (queries, keys) is laid out as the scores. Blocked
  /// entries of x, which are 0, meet no NaN of y. `packed`: y again, or null.
  void add_product(const T* x, const MatrixRef<T>& y, const TileFactor<T>* packed, T* target,
                   Index target_stride, T alpha);
  /// target (keys, n) += alpha x^T y, likewise.
  void add_transposed_product(const T* x, const MatrixRef<T>& y, T* target, Index target_stride,
                              T alpha);
  /// c (m, n) = alpha a b + beta c, on this thread.
  void multiply(const MatrixRef<T>& a, const MatrixRef<T>& b, T* c, Index c_stride, T alpha,
                T beta);

 private:
  [[nodiscard]] bool some_blocked() const;
  [[nodiscard]] bool all_finite(const MatrixRef<T>& y);
  [[nodiscard]] bool sees(Index query, Index key) const;

  const AttentionProblem<T>& problem_;
  TilePlace place_;
  Index stride_ = 0;
  kernels::GemmTiling tiling_;
  Buffer<T> scores_, panel_, rows_, bias_;
  Buffer<bool> mask_, kept_;
};

}  // namespace lamina::nn::detail
