#include <array>
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
#include "nn/output.hpp"

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

/// Error unless `out` has that shape and lies apart from everything a call reads; an undefined one
/// is none.
template <class T>
void check_gradient(const View<T>& out, std::string_view name, const Shape& shape,
                    std::string_view operation, const View<T>& dy, const View<T>& q,
                    const View<T>& k, const View<T>& v, const AttentionOptions<T>& options,
                    const AttentionResult<T>& forward) {
  if (out.defined()) {
    detail::check_output(out, name, shape, operation, dy, q, k, v, options.mask, options.bias,
                         options.key_lengths, forward.out, forward.log_sums);
  }
}

template <class T>
void add_gradients(const Backward<T>& backward, T* dq, T* dk, T* dv) {
  const AttentionProblem<T>& problem = backward.problem;
  // With few heads their keys are cut in parts, each with a dq of its own, added in order.
  const Index key_heads = problem.heads / problem.group;
  const Index blocks = ceil_div(problem.keys, kBlockKeys);
  const Index parts = std::min(blocks, ceil_div(kEnoughTasks, key_heads));
  const Index dq_of_head = problem.group * problem.queries * problem.features;
  const Index dq_size = key_heads * dq_of_head;
  Array<T> others = Array<T>::zeros({parts - 1, dq_size});
  const auto run = [&](Index begin, Index end) {
    KeyRange<T> range(backward);
    for (Index i = begin; i < end; ++i) {
      const Index head = i / parts;
      const Index part = i % parts;
      T* const dq_part = part == 0 ? dq : others.data() + (part - 1) * dq_size;
      range.run(head, blocks * part / parts * kBlockKeys,
                std::min(problem.keys, blocks * (part + 1) / parts * kBlockKeys),
                dq_part + head * dq_of_head, dk + head * problem.keys * problem.features,
                dv + head * problem.keys * problem.value_features);
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
          dq[i] += from[i];
        }
      }
    });
  }
}

}  // namespace

template <class T>
void scaled_dot_product_attention_backward_into(
    const View<T>& dy, ViewArg<T> q, ViewArg<T> k, ViewArg<T> v, MutArg<T> dq, MutArg<T> dk,
    MutArg<T> dv, const AttentionOptions<std::type_identity_t<T>>& options,
    const AttentionResult<std::type_identity_t<T>>& forward) {
  constexpr std::string_view kName = "scaled_dot_product_attention_backward";
  const AttentionProblem<T> problem = detail::attention_problem<T>(q, k, v, options, kName);
  const auto check_result = [&](const View<T>& out, std::string_view name, const Shape& shape) {
    check_gradient<T>(out, name, shape, kName, dy, q, k, v, options, forward);
  };
  check_result(dq, "dq", q.shape());
  check_result(dk, "dk", k.shape());
  check_result(dv, "dv", v.shape());
  detail::check_outputs_apart(dq, "dq", dk, "dk", kName);
  detail::check_outputs_apart(dq, "dq", dv, "dv", kName);
  detail::check_outputs_apart(dk, "dk", dv, "dv", kName);
  simd::detail::ensure_target();
  const Backward<T> backward = make_backward<T>(problem, dy, forward, kName);
  detail::GradientSum<T> sum_q(dq, q.shape());
  detail::GradientSum<T> sum_k(dk, k.shape());
  detail::GradientSum<T> sum_v(dv, v.shape());
  if (backward.lse != nullptr) {
    add_gradients(backward, sum_q.data(), sum_k.data(), sum_v.data());
  }
  sum_q.finish();
  sum_k.finish();
  sum_v.finish();
}

template <class T>
AttentionGradients<T> scaled_dot_product_attention_backward(
    const View<T>& dy, ViewArg<T> q, ViewArg<T> k, ViewArg<T> v,
    const AttentionOptions<std::type_identity_t<T>>& options,
    const AttentionResult<std::type_identity_t<T>>& forward) {
  AttentionGradients<T> d{Array<T>::empty(q.shape()), Array<T>::empty(k.shape()),
                          Array<T>::empty(v.shape())};
  scaled_dot_product_attention_backward_into<T>(dy, q, k, v, d.dq, d.dk, d.dv, options, forward);
  return d;
}

template <class T>
void self_attention_backward_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> w_q, ViewArg<T> w_k,
                                  ViewArg<T> w_v, MutArg<T> dx, MutArg<T> dw_q, MutArg<T> dw_k,
                                  MutArg<T> dw_v,
                                  const AttentionOptions<std::type_identity_t<T>>& options) {
  constexpr std::string_view kName = "self_attention_backward";
  detail::check_self_attention<T>(x, w_q, w_k, w_v, kName);
  IndexList expected = x.shape();
  expected[expected.rank() - 1] = w_v.shape()[1];
  check(dy.defined() && dy.shape() == Shape(expected), ErrorKind::DimensionMismatch, kName,
        "dy has shape ", dy.shape(), ", expected ", Shape(expected));
  const std::array<std::pair<const MutView<T>*, std::string_view>, 4> results{
      {{&dx, "dx"}, {&dw_q, "dw_q"}, {&dw_k, "dw_k"}, {&dw_v, "dw_v"}}};
  const std::array<const View<T>*, 4> shaped{&x, &w_q, &w_k, &w_v};
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& [out, name] = results[i];
    if (!out->defined()) {
      continue;
    }
    detail::check_output(*out, name, shaped[i]->shape(), kName, dy, x, w_q, w_k, w_v, options.mask,
                         options.bias, options.key_lengths);
    for (std::size_t j = 0; j < i; ++j) {
      detail::check_outputs_apart(*out, name, *results[j].first, results[j].second, kName);
    }
  }
  const AttentionGradients<T> d = scaled_dot_product_attention_backward<T>(
      dy, matmul<T>(x, w_q), matmul<T>(x, w_k), matmul<T>(x, w_v), options);
  if (dw_q.defined()) {
    matmul_backward_b_into<T>(d.dq, x, dw_q);
  }
  if (dw_k.defined()) {
    matmul_backward_b_into<T>(d.dk, x, dw_k);
  }
  if (dw_v.defined()) {
    matmul_backward_b_into<T>(d.dv, x, dw_v);
  }
  if (dx.defined()) {
    matmul_backward_a_into<T>(d.dq, w_q, dx);
    const Array<T> from_k = matmul_backward_a<T>(d.dk, w_k, x.shape());
    const Array<T> from_v = matmul_backward_a<T>(d.dv, w_v, x.shape());
    detail::map_elements<T>(
        dx,
        [](T* sum, const T* a, const T* b, const T* c, Index n) {
          for (Index i = 0; i < n; ++i) {
            sum[i] = a[i] + (b[i] + c[i]);
          }
        },
        static_cast<const View<T>&>(dx), static_cast<const View<T>&>(from_k),
        static_cast<const View<T>&>(from_v));
  }
}

template <class T>
SelfAttentionGradients<T> self_attention_backward(
    const View<T>& dy, ViewArg<T> x, ViewArg<T> w_q, ViewArg<T> w_k, ViewArg<T> w_v,
    const AttentionOptions<std::type_identity_t<T>>& options) {
  SelfAttentionGradients<T> d{Array<T>::empty(x.shape()), Array<T>::empty(w_q.shape()),
                              Array<T>::empty(w_k.shape()), Array<T>::empty(w_v.shape())};
  self_attention_backward_into<T>(dy, x, w_q, w_k, w_v, d.dx, d.dw_q, d.dw_k, d.dw_v, options);
  return d;
}

namespace {

/// The gradient of bias: as it lies, an array of the matrices (queries, keys) that differ.
template <class T>
struct BiasGradient {
  MutView<T> values;
  Strides strides;  ///< of the leading axes of the scores; 0 where bias is broadcast
  Index row_stride = 0, col_stride = 0;
};

template <class T>
BiasGradient<T> zero_gradient(const MutView<T>& dbias, const Shape& scores) {
  dbias.fill(T(0));
  BiasGradient<T> result{dbias, {}, 0, 0};
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
void scaled_dot_product_attention_backward_bias_into(
    const View<T>& dy, ViewArg<T> q, ViewArg<T> k, ViewArg<T> v, MutArg<T> dbias,
    const AttentionOptions<std::type_identity_t<T>>& options,
    const AttentionResult<std::type_identity_t<T>>& forward) {
  constexpr std::string_view kName = "scaled_dot_product_attention_backward_bias";
  check(options.bias.defined(), ErrorKind::InvalidOperation, kName, "there is no bias");
  const AttentionProblem<T> problem = detail::attention_problem<T>(q, k, v, options, kName);
  detail::check_defined(dbias, kName, "dbias");
  check_gradient<T>(dbias, "dbias", options.bias.shape(), kName, dy, q, k, v, options, forward);
  simd::detail::ensure_target();
  const Backward<T> backward = make_backward<T>(problem, dy, forward, kName);
  const BiasGradient<T> result = zero_gradient<T>(dbias, problem.score_shape);
  if (backward.lse == nullptr) {
    return;
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
}

template <class T>
Array<T> scaled_dot_product_attention_backward_bias(
    const View<T>& dy, ViewArg<T> q, ViewArg<T> k, ViewArg<T> v,
    const AttentionOptions<std::type_identity_t<T>>& options,
    const AttentionResult<std::type_identity_t<T>>& forward) {
  Array<T> dbias = Array<T>::empty(options.bias.shape());
  scaled_dot_product_attention_backward_bias_into<T>(dy, q, k, v, dbias, options, forward);
  return dbias;
}

namespace {

template <class T>
AttentionProblem<T> weights_problem(const View<T>& q, const View<T>& k,
                                    const AttentionOptions<T>& options) {
  AttentionOptions<T> plain = options;
  plain.dropout = 0;
  // Values do not matter: keys stand in for them.
  return detail::attention_problem<T>(q, k, k, plain, "scaled_dot_product_attention_weights");
}

/// weights: zeros, without gaps.
template <class T>
void write_weights(const AttentionProblem<T>& problem, T* weights) {
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
      T* const out = weights + (head * problem.queries + query) * problem.keys;
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
      kernels::scale_rows(out, problem.keys, rows, problem.keys, factor, out, problem.keys);
    }
  });
}

}  // namespace

template <class T>
void scaled_dot_product_attention_weights_into(
    const View<T>& q, ViewArg<T> k, MutArg<T> out,
    const AttentionOptions<std::type_identity_t<T>>& options) {
  const AttentionProblem<T> problem = weights_problem<T>(q, k, options);
  detail::check_output(out, "out", problem.score_shape, "scaled_dot_product_attention_weights", q,
                       k, options.mask, options.bias, options.key_lengths);
  if (out.size() > 0) {
    detail::PackedOut<T> packed(out);
    packed.view().fill(T(0));
    write_weights(problem, packed.data());
    packed.finish();
  }
}

template <class T>
Array<T> scaled_dot_product_attention_weights(
    const View<T>& q, ViewArg<T> k, const AttentionOptions<std::type_identity_t<T>>& options) {
  const AttentionProblem<T> problem = weights_problem<T>(q, k, options);
  Array<T> weights = Array<T>::zeros(problem.score_shape);
  if (weights.size() > 0) {
    write_weights(problem, weights.data());
  }
  return weights;
}

#define LAMINA_INSTANTIATE(T)                                                                    \
  template LAMINA_EXPORT void scaled_dot_product_attention_backward_into<T>(                     \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, MutArg<T>, MutArg<T>, MutArg<T>,       \
      const AttentionOptions<T>&, const AttentionResult<T>&);                                    \
  template LAMINA_EXPORT void scaled_dot_product_attention_backward_bias_into<T>(                \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, MutArg<T>, const AttentionOptions<T>&, \
      const AttentionResult<T>&);                                                                \
  template LAMINA_EXPORT void scaled_dot_product_attention_weights_into<T>(                      \
      const View<T>&, ViewArg<T>, MutArg<T>, const AttentionOptions<T>&);                        \
  template LAMINA_EXPORT void self_attention_backward_into<T>(                                   \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, ViewArg<T>, MutArg<T>, MutArg<T>,      \
      MutArg<T>, MutArg<T>, const AttentionOptions<T>&);                                         \
  template LAMINA_EXPORT AttentionGradients<T> scaled_dot_product_attention_backward<T>(         \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, const AttentionOptions<T>&,            \
      const AttentionResult<T>&);                                                                \
  template LAMINA_EXPORT Array<T> scaled_dot_product_attention_backward_bias<T>(                 \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, const AttentionOptions<T>&,            \
      const AttentionResult<T>&);                                                                \
  template LAMINA_EXPORT Array<T> scaled_dot_product_attention_weights<T>(                       \
      const View<T>&, ViewArg<T>, const AttentionOptions<T>&);                                   \
  template LAMINA_EXPORT SelfAttentionGradients<T> self_attention_backward<T>(                   \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, ViewArg<T>, const AttentionOptions<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn
