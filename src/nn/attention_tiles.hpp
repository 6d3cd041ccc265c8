#pragma once

// Attention, cut in tiles of scores: how the operands lie, which entries are visible, and the
// products of tiles. Forward and backward pass walk over the same tiles.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>

#include "kernels/attention.hpp"
#include "kernels/gemm.hpp"
#include "lamina/core/memory.hpp"
#include "lamina/nn/attention.hpp"
#include "nn/gemm.hpp"

namespace lamina::nn::detail {

/// Rows of a tile: whole register tiles on every target (14, 6 and 4 rows). Its scores and the
/// block of keys it meets stay in the L2.
inline constexpr Index kTileRows = 84;
inline constexpr Index kTileCols = 256;
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
};

enum class TileState : std::uint8_t { Empty, Mixed, Full };

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
  Index heads = 1;  ///< of queries, over all leading axes
  Index group = 1;  ///< heads of queries that share a head of keys
  Index queries = 0, keys = 0, features = 0, value_features = 0;
  Shape out_shape;

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

/// Part of the scores of one head; `transposed`: the rows of the tile are keys.
struct TilePlace {
  Index head = 0;
  Index query = 0, queries = 0;
  Index key = 0, keys = 0;
  bool transposed = false;

  [[nodiscard]] Index rows() const { return transposed ? keys : queries; }
  [[nodiscard]] Index cols() const { return transposed ? queries : keys; }
};

/// Scratch memory of a task, and what is done to tiles in it.
template <class T>
class AttentionTile {
 public:
  /// For products with up to `features` columns or rows besides those of a tile.
  AttentionTile(const AttentionProblem<T>& problem, Index rows, Index cols, Index features);

  [[nodiscard]] T* scores() const { return scores_.data(); }
  [[nodiscard]] Index stride() const { return stride_; }
  [[nodiscard]] TileState state() const { return state_; }

  /// Goes to another place and looks up what is visible there.
  TileState move_to(const TilePlace& place);
  /// Computes the scores: scaled, with bias, -inf where blocked.
  void compute_scores();
  /// x = 0 where blocked.
  void clear_blocked(T* x) const;
  /// target (rows, n) += x (rows, cols) * y (cols, n), where blocked entries of x, which are 0,
  /// meet no NaN of y.
  void accumulate(const T* x, const MatrixRef<T>& y, T* target, Index target_stride, T alpha);
  /// c (m, n) = alpha a b + beta c, on this thread.
  void multiply(const MatrixRef<T>& a, const MatrixRef<T>& b, T* c, Index c_stride, T alpha,
                T beta);

 private:
  void find_visible();

  const AttentionProblem<T>& problem_;
  TilePlace place_;
  TileState state_ = TileState::Full;
  Index stride_ = 0;
  kernels::GemmTiling tiling_;
  Buffer<T> scores_, panel_, rows_;
  Buffer<bool> keep_;
};

}  // namespace lamina::nn::detail
