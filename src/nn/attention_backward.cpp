#include "core/simd_state.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/nn/attention.hpp"
#include "lamina/nn/linear.hpp"
#include "nn/attention_forward.hpp"
#include "nn/attention_tiles.hpp"

namespace lamina::nn {

namespace {

using detail::AttentionProblem;
using detail::AttentionTile;
using detail::HeadStack;
using detail::kTileCols;
using detail::kTileRows;
using detail::MatrixRef;
using detail::TileState;

constexpr std::string_view kName = "scaled_dot_product_attention_backward";

template <class T>
MatrixRef<T> rows_of(MatrixRef<T> matrix, Index first, Index count) {
  matrix.data += first * matrix.row_stride;
  matrix.rows = count;
  return matrix;
}

/// What both walks over the tiles need of the forward pass.
template <class T>
struct Backward {
  const AttentionProblem<T>& problem;
  HeadStack<T> dy;
  Buffer<T> lse, delta;  ///< (heads, queries)
};

/// delta[i] = dy[i] . out[i]
template <class T>
void row_products(const Backward<T>& backward, const Array<T>& out) {
  const Index queries = backward.problem.queries;
  const Index n = backward.problem.value_features;
  const Index grain = std::max<Index>(1, 32768 / std::max<Index>(1, n));
  parallel_for(backward.problem.heads * queries, grain, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const MatrixRef<T> dy = backward.dy.matrix(i / queries);
      const T* row = dy.data + i % queries * dy.row_stride;
      T sum = 0;
      for (Index j = 0; j < n; ++j) {
        sum += row[j * dy.col_stride] * out.data()[i * n + j];
      }
      backward.delta.data()[i] = sum;
    }
  });
}

/// dq of a block of queries, over which all their keys pass.
template <class T>
class QueryGradient {
 public:
  explicit QueryGradient(const Backward<T>& backward)
      : backward_(backward),
        problem_(backward.problem),
        tile_(problem_, std::min(kTileRows, problem_.queries), std::min(kTileCols, problem_.keys),
              std::max(problem_.features, problem_.value_features)),
        dscores_(std::min(kTileRows, problem_.queries) * tile_.stride()) {}

  /// dq: (queries, features) of the head, contiguous.
  void run(Index head, Index query, T* dq) {
    const Index rows = std::min(kTileRows, problem_.queries - query);
    const Index n = problem_.features;
    dq += query * n;
    std::fill_n(dq, rows * n, T(0));
    const MatrixRef<T> dy = rows_of(backward_.dy.matrix(head), query, rows);
    const Index limit = problem_.key_limit(head, query + rows);
    for (Index key = 0; key < limit; key += kTileCols) {
      const Index keys = std::min(kTileCols, limit - key);
      if (tile_.move_to({head, query, rows, key, keys, false}) == TileState::Empty) {
        continue;
      }
      tile_.compute_scores();
      const MatrixRef<T> v = rows_of(problem_.v.matrix(head / problem_.group), key, keys);
      tile_.multiply(dy, v.transposed(), dscores_.data(), tile_.stride(), T(1), T(0));
      const Index at = head * problem_.queries + query;
      kernels::attention_gradient({tile_.scores(), dscores_.data(), tile_.stride(), rows, keys,
                                   backward_.lse.data() + at, backward_.delta.data() + at, true});
      tile_.clear_blocked(dscores_.data());
      const MatrixRef<T> k = rows_of(problem_.k.matrix(head / problem_.group), key, keys);
      tile_.accumulate(dscores_.data(), k, dq, n, problem_.scale);
    }
  }

 private:
  const Backward<T>& backward_;
  const AttentionProblem<T>& problem_;
  AttentionTile<T> tile_;
  Buffer<T> dscores_;
};

/// dk and dv of a block of keys, over which the queries of all heads that share them pass.
template <class T>
class KeyGradient {
 public:
  explicit KeyGradient(const Backward<T>& backward)
      : backward_(backward),
        problem_(backward.problem),
        tile_(problem_, std::min(kTileRows, problem_.keys), std::min(kTileCols, problem_.queries),
              std::max(problem_.features, problem_.value_features)),
        dscores_(std::min(kTileRows, problem_.keys) * tile_.stride()) {}

  /// dk (keys, features) and dv (keys, value features) of the head of keys, contiguous.
  void run(Index key_head, Index key, T* dk, T* dv) {
    const Index rows = std::min(kTileRows, problem_.keys - key);
    dk += key * problem_.features;
    dv += key * problem_.value_features;
    std::fill_n(dk, rows * problem_.features, T(0));
    std::fill_n(dv, rows * problem_.value_features, T(0));
    for (Index i = 0; i < problem_.group; ++i) {
      add_head(key_head * problem_.group + i, key, dk, dv);
    }
  }

 private:
  void add_head(Index head, Index key, T* dk, T* dv) {
    // Keys beyond the length are not read, queries before the first of these keys see none.
    const Index keys = std::min(kTileRows, problem_.key_count(head) - key);
    if (keys <= 0) {
      return;
    }
    const MatrixRef<T> v = rows_of(problem_.v.matrix(head / problem_.group), key, keys);
    Index query = problem_.causal ? std::max<Index>(0, key - problem_.causal_offset) : 0;
    for (; query < problem_.queries; query += kTileCols) {
      const Index queries = std::min(kTileCols, problem_.queries - query);
      if (tile_.move_to({head, query, queries, key, keys, true}) == TileState::Empty) {
        continue;
      }
      tile_.compute_scores();
      const MatrixRef<T> dy = rows_of(backward_.dy.matrix(head), query, queries);
      tile_.multiply(v, dy.transposed(), dscores_.data(), tile_.stride(), T(1), T(0));
      const Index at = head * problem_.queries + query;
      kernels::attention_gradient({tile_.scores(), dscores_.data(), tile_.stride(), keys, queries,
                                   backward_.lse.data() + at, backward_.delta.data() + at, false});
      tile_.clear_blocked(tile_.scores());
      tile_.clear_blocked(dscores_.data());
      tile_.accumulate(tile_.scores(), dy, dv, problem_.value_features, T(1));
      const MatrixRef<T> q = rows_of(problem_.q.matrix(head), query, queries);
      tile_.accumulate(dscores_.data(), q, dk, problem_.features, problem_.scale);
    }
  }

  const Backward<T>& backward_;
  const AttentionProblem<T>& problem_;
  AttentionTile<T> tile_;
  Buffer<T> dscores_;
};

}  // namespace

template <class T>
AttentionGradients<T> scaled_dot_product_attention_backward(
    const View<T>& dy, ViewArg<T> q, ViewArg<T> k, ViewArg<T> v,
    const AttentionOptions<std::type_identity_t<T>>& options) {
  const AttentionProblem<T> problem = detail::attention_problem<T>(q, k, v, options, kName);
  check(dy.defined() && dy.shape() == problem.out_shape, ErrorKind::DimensionMismatch, kName,
        "dy has shape ", dy.shape(), ", expected ", problem.out_shape);
  AttentionGradients<T> result{Array<T>::empty(q.shape()), Array<T>::empty(k.shape()),
                               Array<T>::empty(v.shape())};
  if (problem.heads * problem.queries * problem.keys == 0) {
    result.dq.fill(T(0));
    result.dk.fill(T(0));
    result.dv.fill(T(0));
    return result;
  }
  simd::detail::ensure_target();
  const Index rows = problem.heads * problem.queries;
  const Backward<T> backward{problem, HeadStack<T>(dy), Buffer<T>(rows), Buffer<T>(rows)};
  {
    Array<T> out = Array<T>::empty(problem.out_shape);
    detail::attention_forward<T>(problem, out, backward.lse.data());
    row_products(backward, out);
  }
  const Index features = problem.features + problem.value_features;
  const auto grain = [&](Index block, Index passing) {
    const Index work = std::min(kTileRows, block) * passing * 2 * std::max<Index>(1, features);
    return std::max<Index>(1, detail::kAttentionTaskWork / work);
  };
  const Index query_blocks = ceil_div(problem.queries, kTileRows);
  parallel_for(problem.heads * query_blocks, grain(problem.queries, problem.keys),
               [&](Index begin, Index end) {
                 QueryGradient<T> gradient(backward);
                 for (Index i = begin; i < end; ++i) {
                   const Index head = i / query_blocks;
                   gradient.run(head, i % query_blocks * kTileRows,
                                result.dq.data() + head * problem.queries * problem.features);
                 }
               });
  const Index key_blocks = ceil_div(problem.keys, kTileRows);
  parallel_for(problem.heads / problem.group * key_blocks,
               grain(problem.keys, problem.queries * problem.group), [&](Index begin, Index end) {
                 KeyGradient<T> gradient(backward);
                 for (Index i = begin; i < end; ++i) {
                   const Index head = i / key_blocks;
                   gradient.run(head, i % key_blocks * kTileRows,
                                result.dk.data() + head * problem.keys * problem.features,
                                result.dv.data() + head * problem.keys * problem.value_features);
                 }
               });
  return result;
}

template <class T>
SelfAttentionGradients<T> self_attention_backward(
    const View<T>& dy, ViewArg<T> x, ViewArg<T> w_q, ViewArg<T> w_k, ViewArg<T> w_v,
    const AttentionOptions<std::type_identity_t<T>>& options) {
  detail::check_self_attention<T>(x, w_q, w_k, w_v, "self_attention_backward");
  IndexList expected = x.shape();
  expected[expected.rank() - 1] = w_v.shape()[1];
  check(dy.defined() && dy.shape() == Shape(expected), ErrorKind::DimensionMismatch,
        "self_attention_backward", "dy has shape ", dy.shape(), ", expected ", Shape(expected));
  const AttentionGradients<T> d = scaled_dot_product_attention_backward<T>(
      dy, matmul<T>(x, w_q), matmul<T>(x, w_k), matmul<T>(x, w_v), options);
  SelfAttentionGradients<T> result{
      matmul_backward_a<T>(d.dq, w_q, x.shape()), matmul_backward_b<T>(d.dq, x, w_q.shape()),
      matmul_backward_b<T>(d.dk, x, w_k.shape()), matmul_backward_b<T>(d.dv, x, w_v.shape())};
  const Array<T> from_k = matmul_backward_a<T>(d.dk, w_k, x.shape());
  const Array<T> from_v = matmul_backward_a<T>(d.dv, w_v, x.shape());
  for (Index i = 0; i < result.dx.size(); ++i) {
    result.dx.data()[i] += from_k.data()[i] + from_v.data()[i];
  }
  return result;
}

#define LAMINA_INSTANTIATE(T)                                                            \
  template LAMINA_EXPORT AttentionGradients<T> scaled_dot_product_attention_backward<T>( \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, const AttentionOptions<T>&);   \
  template LAMINA_EXPORT SelfAttentionGradients<T> self_attention_backward<T>(           \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, ViewArg<T>, const AttentionOptions<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn
