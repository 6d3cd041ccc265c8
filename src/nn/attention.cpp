#include "lamina/nn/attention.hpp"

#include <cmath>

#include "core/simd_state.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/nn/linear.hpp"
#include "nn/attention_forward.hpp"
#include "nn/attention_lanes.hpp"
#include "nn/attention_tiles.hpp"
#include "nn/layout.hpp"
#include "nn/output.hpp"

namespace lamina::nn {

namespace {

using detail::AttentionProblem;
using detail::AttentionTile;
using detail::kBlockKeys;
using detail::MatrixRef;
using detail::TileFactor;

constexpr std::string_view kName = "scaled_dot_product_attention";

constexpr double kLn2 = 0.6931471805599453;
/// Rows of a tile: whole register tiles (of 14 rows, the highest).
constexpr Index kTileRows = 56;
/// Rows that one task takes along a block of keys, which it packs once for all of them.
constexpr Index kGroupRows = 512;
/// Tasks from which on there is no need for smaller ones.
constexpr Index kEnoughTasks = 16;

/// Some queries of one head, past which all their keys come, block by block.
template <class T>
class QueryGroup {
 public:
  QueryGroup(const AttentionProblem<T>& problem, Index rows)
      : problem_(problem),
        n_(problem.value_features),
        rows_(rows),
        tile_(problem, std::min(kTileRows, rows), std::min(kBlockKeys, problem.keys)),
        packs_(rows > detail::kSkinnyRows),
        sums_(rows * n_),
        state_(3 * rows) {
    if (packs_) {
      const Index keys = std::min(kBlockKeys, problem.keys);
      keys_t_ = TileFactor<T>(problem.features, keys);
      values_ = TileFactor<T>(keys, n_);
    }
  }

  /// out: (queries, n) of the head; lse, if any: one number for each query of the head.
  void run(Index head, Index query, Index rows, const MatrixRef<T>& out, T* lse) {
    T* const max = state_.data();
    T* const sum = max + rows_;
    T* const factor = sum + rows_;
    std::fill_n(max, rows, -std::numeric_limits<T>::infinity());
    std::fill_n(sum, rows, T(0));
    std::fill_n(sums_.data(), rows * n_, T(0));
    const detail::RowTiles tiles(rows, kTileRows, kernels::gemm_tiling<T>().mr);
    const Index last = problem_.key_limit(head, query + rows);
    for (Index key = 0; key < last; key += kBlockKeys) {
      packed_ = false;
      for (Index t = 0; t < tiles.count(); ++t) {
        const Index first = tiles.begin(t);
        const Index count = tiles.begin(t + 1) - first;
        const Index limit = problem_.key_limit(head, query + first + count);
        if (key < limit &&
            tile_.move_to({head, query + first, count, key, std::min(kBlockKeys, limit - key)})) {
          pass(head, key, std::min(kBlockKeys, last - key), count,
               std::min(kBlockKeys, limit - key), max + first, sum + first, factor + first,
               sums_.data() + first * n_);
        }
      }
    }
    for (Index i = 0; i < rows; ++i) {
      factor[i] = T(1) / sum[i];
      if (lse != nullptr) {
        // Of a query that sees nothing any finite number will do: its weights are exp(-inf).
        lse[query + i] = sum[i] == T(0) ? T(0) : max[i] * static_cast<T>(kLn2) + std::log(sum[i]);
      }
    }
    T* const to = const_cast<T*>(out.data) + query * out.row_stride;
    const bool adjacent = out.col_stride == 1;
    kernels::scale_rows(sums_.data(), n_, rows, n_, factor, adjacent ? to : sums_.data(),
                        adjacent ? out.row_stride : n_);
    for (Index i = 0; i < rows; ++i) {
      T* const row = to + i * out.row_stride;
      if (!adjacent) {
        detail::scatter(sums_.data() + i * n_, n_, row, out.col_stride);
      }
      for (Index j = 0; sum[i] == T(0) && j < n_; ++j) {
        row[j * out.col_stride] = T(0);
      }
    }
  }

 private:
  /// Adds one tile, whose place is set: `count` queries and `keys` keys of a block of `block`.
  void pass(Index head, Index key, Index block, Index count, Index keys, T* max, T* sum, T* factor,
            T* sums) {
    const Index key_head = head / problem_.group;
    if (packs_ && !packed_) {
      keys_t_.pack(problem_.k.rows_of(key_head, key, block).transposed());
      values_.pack(problem_.v.rows_of(key_head, key, block));
      packed_ = true;
    }
    tile_.compute_scores(packs_ ? &keys_t_ : nullptr);
    kernels::online_softmax(
        kernels::OnlineSoftmax<T>{tile_.scores(), tile_.stride(), count, keys, max, sum, factor});
    kernels::scale_rows(sums, n_, count, n_, factor, sums, n_);
    if (const bool* kept = tile_.draw_kept()) {
      const kernels::DropoutValues<T> values{tile_.keep_scale(), T(0), T(0)};
      for (Index i = 0; i < count; ++i) {
        T* row = tile_.scores() + i * tile_.stride();
        kernels::dropout_masked(values, row, kept + i * tile_.stride(), row, keys);
      }
    }
    tile_.add_product(tile_.scores(), problem_.v.rows_of(key_head, key, keys),
                      packs_ ? &values_ : nullptr, sums, n_, T(1));
  }

  const AttentionProblem<T>& problem_;
  Index n_, rows_;
  AttentionTile<T> tile_;
  bool packs_, packed_ = false;
  TileFactor<T> keys_t_, values_;
  Buffer<T> sums_, state_;
};

/// Rows of a task: many, but so that there are enough tasks, of nearly equal size and of whole
/// register tiles.
Index group_rows(Index heads, Index queries, Index register_rows) {
  Index most = kGroupRows;
  while (most > 3 * kTileRows && heads * ceil_div(queries, most) < kEnoughTasks) {
    most /= 2;
  }
  const Index rows = ceil_div(queries, std::max<Index>(1, ceil_div(queries, most)));
  return std::min(queries, ceil_div(rows, register_rows) * register_rows);
}

}  // namespace

namespace detail {

template <class T>
void attention_forward(const AttentionProblem<T>& problem, const MutView<T>& out, T* lse) {
  if (out.size() == 0 && lse == nullptr) {
    return;
  }
  if (problem.dropout == 1) {
    if (lse != nullptr) {
      AttentionProblem<T> whole = problem;
      whole.dropout = 0;
      attention_forward<T>(whole, out, lse);
    }
    out.fill(T(0));
    return;
  }
  simd::detail::ensure_target();
  const HeadStack<T> stack(out);
  const bool lanes = takes_lanes(problem);
  const Index rows = lanes
                         ? lane_group_rows(problem)
                         : group_rows(problem.heads, problem.queries, kernels::gemm_tiling<T>().mr);
  const Index blocks = ceil_div(problem.queries, std::max<Index>(1, rows));
  const Index work = rows * problem.keys * (problem.features + problem.value_features);
  const Index grain = std::max<Index>(1, kAttentionTaskWork / std::max<Index>(1, work));
  const auto run = [&](auto& group, Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index head = i / blocks;
      // The later queries of a causal head see more keys: a late block and an early one in turn.
      const Index turn = i % blocks;
      const Index block = turn % 2 == 0 ? blocks - 1 - turn / 2 : turn / 2;
      const Index query = block * rows;
      group.run(head, query, std::min(rows, problem.queries - query), stack.matrix(head),
                lse == nullptr ? nullptr : lse + head * problem.queries);
    }
  };
  parallel_for(problem.heads * blocks, grain, [&](Index begin, Index end) {
    if (lanes) {
      LaneGroup<T> group(problem, rows);
      run(group, begin, end);
    } else {
      QueryGroup<T> group(problem, rows);
      run(group, begin, end);
    }
  });
}

template void attention_forward<float>(const AttentionProblem<float>&, const MutView<float>&,
                                       float*);
template void attention_forward<double>(const AttentionProblem<double>&, const MutView<double>&,
                                        double*);

}  // namespace detail

template <class T>
void scaled_dot_product_attention_into(const View<T>& q, ViewArg<T> k, ViewArg<T> v, MutArg<T> out,
                                       const AttentionOptions<std::type_identity_t<T>>& options,
                                       MutArg<T> log_sums) {
  const AttentionProblem<T> problem = detail::attention_problem<T>(q, k, v, options, kName);
  check(out.defined() && out.shape() == problem.out_shape, ErrorKind::DimensionMismatch, kName,
        "out has shape ", out.shape(), ", expected ", problem.out_shape);
  if (out.size() > 0) {
    detail::check_writable<T>(out, kName, "out");
  }
  const auto apart = [&](const View<T>& result, std::string_view result_name) {
    const auto from = [&](const auto& in, std::string_view name) {
      check(!in.defined() || overlap(result, in) == Overlap::None, ErrorKind::InvalidOperation,
            kName, result_name, " overlaps ", name);
    };
    from(q, "q");
    from(k, "k");
    from(v, "v");
    from(options.mask, "mask");
    from(options.bias, "bias");
  };
  apart(out, "out");
  T* lse = nullptr;
  if (log_sums.defined()) {
    IndexList shape = problem.score_shape;
    shape.erase(shape.rank() - 1);
    check(log_sums.shape() == Shape(shape) && log_sums.is_contiguous(),
          ErrorKind::DimensionMismatch, kName, "log_sums has shape ", log_sums.shape(),
          " and strides ", log_sums.strides(), ", expected ", Shape(shape), " without gaps");
    check(overlap(static_cast<const View<T>&>(log_sums), static_cast<const View<T>&>(out)) ==
              Overlap::None,
          ErrorKind::InvalidOperation, kName, "log_sums overlaps out");
    apart(log_sums, "log_sums");
    lse = log_sums.data();
  }
  detail::attention_forward<T>(problem, out, lse);
  detail::take_words(problem, options);
}

template <class T>
Array<T> scaled_dot_product_attention(const View<T>& q, ViewArg<T> k, ViewArg<T> v,
                                      const AttentionOptions<std::type_identity_t<T>>& options) {
  const AttentionProblem<T> problem = detail::attention_problem<T>(q, k, v, options, kName);
  Array<T> out = Array<T>::empty(problem.out_shape);
  detail::attention_forward<T>(problem, out, nullptr);
  detail::take_words(problem, options);
  return out;
}

template <class T>
Array<T> scaled_dot_product_attention(const View<T>& q, ViewArg<T> k, ViewArg<T> v,
                                      ViewArg<T> keep_mask,
                                      const AttentionOptions<std::type_identity_t<T>>& options) {
  check(!options.mask.defined(), ErrorKind::InvalidOperation, kName,
        "both keep_mask and options.mask are given");
  if (!keep_mask.defined()) {
    return scaled_dot_product_attention<T>(q, k, v, options);
  }
  const Array<bool> mask = attention_mask<T>(keep_mask);
  AttentionOptions<T> with_mask = options;
  with_mask.mask = mask;
  return scaled_dot_product_attention<T>(q, k, v, with_mask);
}

template <class T>
void attention_mask_into(const View<T>& keep_mask, MutView<bool> out) {
  detail::check_defined(keep_mask, "attention_mask", "keep_mask");
  detail::check_output<bool>(out, "out", keep_mask.shape(), "attention_mask", keep_mask);
  detail::map_elements(
      out,
      [](bool* to, const T* x, Index n) {
        for (Index i = 0; i < n; ++i) {
          to[i] = x[i] != T(0);
        }
      },
      keep_mask);
}

template <class T>
Array<bool> attention_mask(const View<T>& keep_mask) {
  Array<bool> mask = Array<bool>::empty(keep_mask.shape());
  attention_mask_into(keep_mask, mask);
  return mask;
}

template <class T>
void self_attention_into(const View<T>& x, ViewArg<T> w_q, ViewArg<T> w_k, ViewArg<T> w_v,
                         MutArg<T> out, const AttentionOptions<std::type_identity_t<T>>& options) {
  constexpr std::string_view kSelf = "self_attention";
  detail::check_self_attention<T>(x, w_q, w_k, w_v, kSelf);
  IndexList shape = x.shape();
  shape[shape.rank() - 1] = w_v.shape()[1];
  detail::check_output(out, "out", Shape(shape), kSelf, x, w_q, w_k, w_v, options.mask,
                       options.bias, options.key_lengths);
  scaled_dot_product_attention_into<T>(matmul<T>(x, w_q), matmul<T>(x, w_k), matmul<T>(x, w_v), out,
                                       options);
}

template <class T>
Array<T> self_attention(const View<T>& x, ViewArg<T> w_q, ViewArg<T> w_k, ViewArg<T> w_v,
                        const AttentionOptions<std::type_identity_t<T>>& options) {
  detail::check_self_attention<T>(x, w_q, w_k, w_v, "self_attention");
  return scaled_dot_product_attention<T>(matmul<T>(x, w_q), matmul<T>(x, w_k), matmul<T>(x, w_v),
                                         options);
}

#define LAMINA_INSTANTIATE(T)                                                                     \
  template LAMINA_EXPORT void attention_mask_into<T>(const View<T>&, MutView<bool>);              \
  template LAMINA_EXPORT void self_attention_into<T>(                                             \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, MutArg<T>, const AttentionOptions<T>&); \
  template LAMINA_EXPORT void scaled_dot_product_attention_into<T>(                               \
      const View<T>&, ViewArg<T>, ViewArg<T>, MutArg<T>, const AttentionOptions<T>&, MutArg<T>);  \
  template LAMINA_EXPORT Array<T> scaled_dot_product_attention<T>(                                \
      const View<T>&, ViewArg<T>, ViewArg<T>, const AttentionOptions<T>&);                        \
  template LAMINA_EXPORT Array<T> scaled_dot_product_attention<T>(                                \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, const AttentionOptions<T>&);            \
  template LAMINA_EXPORT Array<bool> attention_mask<T>(const View<T>&);                           \
  template LAMINA_EXPORT Array<T> self_attention<T>(const View<T>&, ViewArg<T>, ViewArg<T>,       \
                                                    ViewArg<T>, const AttentionOptions<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn
