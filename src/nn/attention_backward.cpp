#include <map>
#include <string_view>
#include <utility>
#include <vector>

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
using detail::kBlockKeys;
using detail::MatrixRef;
using detail::TileFactor;

/// Queries of a tile: enough that writing the sums for keys and values costs little.
constexpr Index kTileRows = 84;
/// Tasks from which on there is no need to cut the keys of a head.
constexpr Index kEnoughTasks = 8;

/// What the walks over the tiles need of the forward pass.
template <class T>
struct Backward {
  const AttentionProblem<T>& problem;
  HeadStack<T> dy;
  const T* lse = nullptr;  ///< (heads, queries)
  Buffer<T> delta, own_lse;
};

/// delta[i] = dy[i] . out[i]
template <class T>
void row_products(const Backward<T>& backward, const HeadStack<T>& out) {
  const Index queries = backward.problem.queries;
  const Index n = backward.problem.value_features;
  const Index grain = std::max<Index>(1, 32768 / std::max<Index>(1, n));
  parallel_for(backward.problem.heads * queries, grain, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const MatrixRef<T> left = backward.dy.rows_of(i / queries, i % queries, 1);
      const MatrixRef<T> right = out.rows_of(i / queries, i % queries, 1);
      T sum = 0;
      for (Index j = 0; j < n; ++j) {
        sum += left.data[j * left.col_stride] * right.data[j * right.col_stride];
      }
      backward.delta.data()[i] = sum;
    }
  });
}

/// Computes, or takes over, what the forward pass gives.
template <class T>
Backward<T> make_backward(const AttentionProblem<T>& problem, const View<T>& dy,
                          const AttentionResult<T>& forward, std::string_view operation) {
  check(dy.defined() && dy.shape() == problem.out_shape, ErrorKind::DimensionMismatch, operation,
        "dy has shape ", dy.shape(), ", expected ", problem.out_shape);
  const Index rows = problem.heads * problem.queries;
  IndexList row_shape = problem.score_shape;
  row_shape.erase(row_shape.rank() - 1);
  check(forward.out.defined() == forward.log_sums.defined() &&
            (!forward.out.defined() || (forward.out.shape() == problem.out_shape &&
                                        forward.log_sums.shape() == Shape(row_shape))),
        ErrorKind::DimensionMismatch, operation, "forward has shapes ", forward.out.shape(),
        " and ", forward.log_sums.shape(), ", expected ", problem.out_shape, " and ",
        Shape(row_shape));
  Backward<T> backward{problem, HeadStack<T>(dy), nullptr, Buffer<T>(rows), Buffer<T>()};
  if (problem.heads * problem.queries * problem.keys == 0 || problem.dropout == 1) {
    return backward;
  }
  if (forward.out.defined() && forward.log_sums.is_contiguous()) {
    backward.lse = forward.log_sums.data();
    row_products(backward, HeadStack<T>(forward.out));
    return backward;
  }
  backward.own_lse = Buffer<T>(rows);
  backward.lse = backward.own_lse.data();
  Array<T> out = Array<T>::empty(problem.out_shape);
  detail::attention_forward<T>(problem, out, backward.own_lse.data());
  row_products(backward, HeadStack<T>(static_cast<const View<T>&>(out)));
  return backward;
}

/// A tile of weights and of the gradients of its scores.
template <class T>
class GradientTile {
 public:
  GradientTile(const Backward<T>& backward, Index rows, Index cols)
      : backward_(backward),
        problem_(backward.problem),
        tile_(problem_, rows, cols),
        dscores_(rows * tile_.stride()),
        keys_t_(problem_.features, cols),
        values_t_(problem_.value_features, cols) {}

  [[nodiscard]] AttentionTile<T>& tile() { return tile_; }
  [[nodiscard]] T* weights() const { return tile_.scores(); }
  [[nodiscard]] T* dscores() const { return dscores_.data(); }

  /// Goes to a block of keys of a head of keys.
  void take_keys(Index key_head, Index key, Index keys) {
    keys_t_.pack(problem_.k.rows_of(key_head, key, keys).transposed());
    values_t_.pack(problem_.v.rows_of(key_head, key, keys).transposed());
  }

  /// Computes the tile at a place that begins with that block. False if nothing is visible there.
  bool compute(const detail::TilePlace& place) {
    if (place.keys <= 0 || !tile_.move_to(place)) {
      return false;
    }
    tile_.compute_scores(&keys_t_);
    const MatrixRef<T> dy = backward_.dy.rows_of(place.head, place.query, place.queries);
    values_t_.multiply(dy, place.keys, dscores(), tile_.stride(), T(1), T(0));
    const Index at = place.head * problem_.queries + place.query;
    kernels::AttentionGradientTile<T> args;
    args.scores = weights();
    args.dweights = dscores();
    args.stride = tile_.stride();
    args.rows = place.queries;
    args.cols = place.keys;
    args.lse = backward_.lse + at;
    args.delta = backward_.delta.data() + at;
    args.keep = tile_.draw_kept();
    args.keep_scale = tile_.keep_scale();
    kernels::attention_gradient(args);
    return true;
  }

 private:
  const Backward<T>& backward_;
  const AttentionProblem<T>& problem_;
  AttentionTile<T> tile_;
  Buffer<T> dscores_;
  TileFactor<T> keys_t_, values_t_;
};

/// Queries before which none sees key `key`.
template <class T>
Index first_query(const AttentionProblem<T>& problem, Index key) {
  return problem.causal ? std::max<Index>(0, key - problem.causal_offset) : 0;
}

/// The gradients of some keys of one head of keys, and what these keys give to those of the
/// queries of all heads that share them: every tile is computed once.
template <class T>
class KeyRange {
 public:
  explicit KeyRange(const Backward<T>& backward)
      : backward_(backward),
        problem_(backward.problem),
        cols_(std::min(kBlockKeys, problem_.keys)),
        tile_(backward, std::min(kTileRows, problem_.queries), cols_),
        keys_(cols_, problem_.features) {}

  /// Keys [begin, end). dk and dv: of the head of keys; dq: of its first head of queries. All are
  /// zeros before the first range, and without gaps.
  void run(Index key_head, Index begin, Index end, T* dq, T* dk, T* dv) {
    for (Index key = begin; key < end; key += kBlockKeys) {
      const Index keys = std::min(kBlockKeys, end - key);
      tile_.take_keys(key_head, key, keys);
      keys_.pack(problem_.k.rows_of(key_head, key, keys));
      for (Index i = 0; i < problem_.group; ++i) {
        add_head(key_head * problem_.group + i, key, keys,
                 dq + i * problem_.queries * problem_.features, dk + key * problem_.features,
                 dv + key * problem_.value_features);
      }
    }
  }

 private:
  void add_head(Index head, Index key, Index block, T* dq, T* dk, T* dv) {
    const Index n = problem_.features;
    const Index first = first_query(problem_, key);
    if (first >= problem_.queries) {
      return;
    }
    const detail::RowTiles tiles(problem_.queries - first, kTileRows, kernels::gemm_tiling<T>().mr);
    for (Index t = 0; t < tiles.count(); ++t) {
      const Index query = first + tiles.begin(t);
      const Index queries = first + tiles.begin(t + 1) - query;
      const Index keys = std::min(block, problem_.key_limit(head, query + queries) - key);
      if (!tile_.compute({head, query, queries, key, keys})) {
        continue;
      }
      AttentionTile<T>& tile = tile_.tile();
      tile.add_transposed_product(tile_.weights(), backward_.dy.rows_of(head, query, queries), dv,
                                  problem_.value_features, T(1));
      tile.add_transposed_product(tile_.dscores(), problem_.q.rows_of(head, query, queries), dk, n,
                                  problem_.scale);
      tile.add_product(tile_.dscores(), problem_.k.rows_of(head / problem_.group, key, keys),
                       &keys_, dq + query * n, n, problem_.scale);
    }
  }

  const Backward<T>& backward_;
  const AttentionProblem<T>& problem_;
  Index cols_;
  GradientTile<T> tile_;
  TileFactor<T> keys_;
};

}  // namespace

template <class T>
AttentionGradients<T> scaled_dot_product_attention_backward(
    const View<T>& dy, ViewArg<T> q, ViewArg<T> k, ViewArg<T> v,
    const AttentionOptions<std::type_identity_t<T>>& options,
    const AttentionResult<std::type_identity_t<T>>& forward) {
  constexpr std::string_view kName = "scaled_dot_product_attention_backward";
  const AttentionProblem<T> problem = detail::attention_problem<T>(q, k, v, options, kName);
  simd::detail::ensure_target();
  const Backward<T> backward = make_backward<T>(problem, dy, forward, kName);
  AttentionGradients<T> result{Array<T>::zeros(q.shape()), Array<T>::zeros(k.shape()),
                               Array<T>::zeros(v.shape())};
  if (backward.lse == nullptr) {
    return result;
  }
  // With few heads their keys are cut in parts, each with a dq of its own, added in order.
  const Index key_heads = problem.heads / problem.group;
  const Index blocks = ceil_div(problem.keys, kBlockKeys);
  const Index parts = std::min(blocks, ceil_div(kEnoughTasks, key_heads));
  const Index dq_size = result.dq.size();
  Array<T> others = Array<T>::zeros({parts - 1, dq_size});
  const Index dq_of_head = problem.group * problem.queries * problem.features;
  const auto run = [&](Index begin, Index end) {
    KeyRange<T> range(backward);
    for (Index i = begin; i < end; ++i) {
      const Index head = i / parts;
      const Index part = i % parts;
      T* const dq = part == 0 ? result.dq.data() : others.data() + (part - 1) * dq_size;
      range.run(head, blocks * part / parts * kBlockKeys,
                std::min(problem.keys, blocks * (part + 1) / parts * kBlockKeys),
                dq + head * dq_of_head, result.dk.data() + head * problem.keys * problem.features,
                result.dv.data() + head * problem.keys * problem.value_features);
    }
  };
  const Index work = problem.group * problem.queries * (problem.keys / parts + 1) *
                     (problem.features + problem.value_features + 1) * 2;
  parallel_for(key_heads * parts, std::max<Index>(1, detail::kAttentionTaskWork / work), run);
  if (parts > 1) {
    parallel_for(dq_size, 32768, [&](Index begin, Index end) {
      for (Index part = 0; part + 1 < parts; ++part) {
        const T* from = others.data() + part * dq_size;
        for (Index i = begin; i < end; ++i) {
          result.dq.data()[i] += from[i];
        }
      }
    });
  }
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

namespace {

/// The gradient of bias: as it lies, an array of the matrices (queries, keys) that differ.
template <class T>
struct BiasGradient {
  Array<T> values;
  Strides strides;  ///< of the leading axes of the scores; 0 where bias is broadcast
  Index row_stride = 0, col_stride = 0;
};

template <class T>
BiasGradient<T> zero_gradient(const View<T>& bias, const Shape& scores) {
  BiasGradient<T> result{Array<T>::zeros(bias.shape()), {}, 0, 0};
  const View<T> spread = result.values.broadcast_to(scores);
  const int rank = scores.rank();
  for (int axis = 0; axis < rank; ++axis) {
    // Axes of extent 1 are as good as broadcast.
    const Index stride = scores[axis] == 1 ? 0 : spread.strides()[axis];
    if (axis < rank - 2) {
      result.strides.push_back(stride);
    } else {
      (axis == rank - 2 ? result.row_stride : result.col_stride) = stride;
    }
  }
  return result;
}

}  // namespace

template <class T>
Array<T> scaled_dot_product_attention_backward_bias(
    const View<T>& dy, ViewArg<T> q, ViewArg<T> k, ViewArg<T> v,
    const AttentionOptions<std::type_identity_t<T>>& options,
    const AttentionResult<std::type_identity_t<T>>& forward) {
  constexpr std::string_view kName = "scaled_dot_product_attention_backward_bias";
  check(options.bias.defined(), ErrorKind::InvalidOperation, kName, "there is no bias");
  const AttentionProblem<T> problem = detail::attention_problem<T>(q, k, v, options, kName);
  simd::detail::ensure_target();
  const Backward<T> backward = make_backward<T>(problem, dy, forward, kName);
  BiasGradient<T> result = zero_gradient(options.bias, problem.score_shape);
  if (backward.lse == nullptr) {
    return std::move(result.values);
  }
  // Which part of the gradient each head adds to, and the heads in the order of these parts, so
  // that a part has one owner.
  HeadStack<T> places;
  places.extents = problem.q.extents;
  places.strides = result.strides;
  std::vector<std::vector<Index>> owners;
  {
    std::map<Index, std::size_t> known;
    for (Index head = 0; head < problem.heads; ++head) {
      const auto [entry, fresh] = known.try_emplace(places.offset(head), owners.size());
      if (fresh) {
        owners.emplace_back();
      }
      owners[entry->second].push_back(head);
    }
  }
  // Blocks of keys add to different elements unless bias has one for all keys.
  const Index blocks = ceil_div(problem.keys, kBlockKeys);
  const Index parts = result.col_stride == 0 ? 1 : blocks;
  parallel_for(static_cast<Index>(owners.size()) * parts, 1, [&](Index begin, Index end) {
    GradientTile<T> tile(backward, std::min(kTileRows, problem.queries),
                         std::min(kBlockKeys, problem.keys));
    const auto add_head = [&](Index head, Index key, Index block) {
      T* const to = result.values.data() + places.offset(head) + key * result.col_stride;
      for (Index query = first_query(problem, key); query < problem.queries; query += kTileRows) {
        const Index queries = std::min(kTileRows, problem.queries - query);
        const Index keys = std::min(block, problem.key_limit(head, query + queries) - key);
        if (!tile.compute({head, query, queries, key, keys})) {
          continue;
        }
        for (Index i = 0; i < queries; ++i) {
          const T* from = tile.dscores() + i * tile.tile().stride();
          T* row = to + (query + i) * result.row_stride;
          for (Index j = 0; j < keys; ++j) {
            row[j * result.col_stride] += from[j];
          }
        }
      }
    };
    for (Index i = begin; i < end; ++i) {
      for (Index b = i % parts; b < blocks; b += parts) {
        const Index key = b * kBlockKeys;
        const Index keys = std::min(kBlockKeys, problem.keys - key);
        for (const Index head : owners[static_cast<std::size_t>(i / parts)]) {
          tile.take_keys(head / problem.group, key, keys);
          add_head(head, key, keys);
        }
      }
    }
  });
  return std::move(result.values);
}

template <class T>
Array<T> scaled_dot_product_attention_weights(
    const View<T>& q, ViewArg<T> k, const AttentionOptions<std::type_identity_t<T>>& options) {
  constexpr std::string_view kName = "scaled_dot_product_attention_weights";
  AttentionOptions<T> plain = options;
  plain.dropout = 0;
  // Values do not matter: keys stand in for them.
  const AttentionProblem<T> problem = detail::attention_problem<T>(q, k, k, plain, kName);
  Array<T> weights = Array<T>::zeros(problem.score_shape);
  if (weights.size() == 0) {
    return weights;
  }
  simd::detail::ensure_target();
  const Index tiles = ceil_div(problem.queries, kTileRows);
  parallel_for(problem.heads * tiles, 1, [&](Index begin, Index end) {
    AttentionTile<T> tile(problem, std::min(kTileRows, problem.queries),
                          std::min(kBlockKeys, problem.keys));
    Buffer<T> state(3 * kTileRows);
    for (Index i = begin; i < end; ++i) {
      const Index head = i / tiles;
      const Index query = i % tiles * kTileRows;
      const Index rows = std::min(kTileRows, problem.queries - query);
      T* const out = weights.data() + (head * problem.queries + query) * problem.keys;
      const Index limit = problem.key_limit(head, query + rows);
      // Whole rows of scores first.
      std::fill_n(out, rows * problem.keys, -std::numeric_limits<T>::infinity());
      for (Index key = 0; key < limit; key += kBlockKeys) {
        const Index keys = std::min(kBlockKeys, limit - key);
        if (tile.move_to({head, query, rows, key, keys})) {
          tile.compute_scores(nullptr);
          for (Index r = 0; r < rows; ++r) {
            std::copy_n(tile.scores() + r * tile.stride(), keys, out + r * problem.keys + key);
          }
        }
      }
      T* const max = state.data();
      T* const sum = max + kTileRows;
      T* const factor = sum + kTileRows;
      std::fill_n(max, rows, -std::numeric_limits<T>::infinity());
      std::fill_n(sum, rows, T(0));
      kernels::online_softmax(
          kernels::OnlineSoftmax<T>{out, problem.keys, rows, problem.keys, max, sum, factor});
      for (Index r = 0; r < rows; ++r) {
        factor[r] = sum[r] == T(0) ? T(0) : T(1) / sum[r];
      }
      kernels::scale_rows(out, problem.keys, rows, problem.keys, factor);
    }
  });
  return weights;
}

#define LAMINA_INSTANTIATE(T)                                                            \
  template LAMINA_EXPORT AttentionGradients<T> scaled_dot_product_attention_backward<T>( \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, const AttentionOptions<T>&,    \
      const AttentionResult<T>&);                                                        \
  template LAMINA_EXPORT Array<T> scaled_dot_product_attention_backward_bias<T>(         \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, const AttentionOptions<T>&,    \
      const AttentionResult<T>&);                                                        \
  template LAMINA_EXPORT Array<T> scaled_dot_product_attention_weights<T>(               \
      const View<T>&, ViewArg<T>, const AttentionOptions<T>&);                           \
  template LAMINA_EXPORT SelfAttentionGradients<T> self_attention_backward<T>(           \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, ViewArg<T>, const AttentionOptions<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn
