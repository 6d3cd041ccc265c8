#include "lamina/nn/attention.hpp"

#include <cmath>

#include "core/simd_state.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/nn/linear.hpp"
#include "nn/attention_forward.hpp"
#include "nn/attention_tiles.hpp"
#include "nn/layout.hpp"

namespace lamina::nn {

namespace {

using detail::AttentionProblem;
using detail::AttentionTile;
using detail::kTileCols;
using detail::kTileRows;
using detail::MatrixRef;
using detail::TileState;

constexpr std::string_view kName = "scaled_dot_product_attention";

/// The queries of one tile of one head, after all their keys have passed by.
template <class T>
class QueryBlock {
 public:
  explicit QueryBlock(const AttentionProblem<T>& problem)
      : problem_(problem),
        n_(problem.value_features),
        rows_(std::min(kTileRows, problem.queries)),
        tile_(problem, rows_, std::min(kTileCols, problem.keys),
              std::max(problem.features, problem.value_features)),
        sums_(rows_ * n_),
        state_(3 * rows_) {}

  /// out: (queries, n) of the head; lse, if any: one number for each query of the head.
  void run(Index head, Index query, const MatrixRef<T>& out, T* lse) {
    const Index rows = std::min(rows_, problem_.queries - query);
    T* const max = state_.data();
    T* const sum = max + rows_;
    T* const factor = sum + rows_;
    std::fill_n(max, rows, -std::numeric_limits<T>::infinity());
    std::fill_n(sum, rows, T(0));
    std::fill_n(sums_.data(), rows * n_, T(0));
    const Index limit = problem_.key_limit(head, query + rows);
    for (Index key = 0; key < limit; key += kTileCols) {
      const Index keys = std::min(kTileCols, limit - key);
      if (tile_.move_to({head, query, rows, key, keys, false}) == TileState::Empty) {
        continue;
      }
      tile_.compute_scores();
      kernels::OnlineSoftmax<T> softmax{tile_.scores(), tile_.stride(), rows, keys, max, sum,
                                        factor};
      kernels::online_softmax(softmax);
      kernels::scale_rows(sums_.data(), n_, rows, n_, factor);
      MatrixRef<T> values = problem_.v.matrix(head / problem_.group);
      values.data += key * values.row_stride;
      values.rows = keys;
      tile_.accumulate(tile_.scores(), values, sums_.data(), n_, T(1));
    }
    for (Index i = 0; i < rows; ++i) {
      factor[i] = T(1) / sum[i];
      if (lse != nullptr) {
        // Of a query that sees nothing any finite number will do: its weights are exp(-inf).
        lse[query + i] = sum[i] == T(0) ? T(0) : max[i] + std::log(sum[i]);
      }
    }
    kernels::scale_rows(sums_.data(), n_, rows, n_, factor);
    T* to = const_cast<T*>(out.data) + query * out.row_stride;
    for (Index i = 0; i < rows; ++i, to += out.row_stride) {
      if (sum[i] == T(0)) {
        std::fill_n(sums_.data() + i * n_, n_, T(0));
      }
      detail::scatter(sums_.data() + i * n_, n_, to, out.col_stride);
    }
  }

 private:
  const AttentionProblem<T>& problem_;
  Index n_, rows_;
  AttentionTile<T> tile_;
  Buffer<T> sums_, state_;
};

}  // namespace

namespace detail {

template <class T>
void attention_forward(const AttentionProblem<T>& problem, const MutView<T>& out, T* lse) {
  if (out.size() == 0 && lse == nullptr) {
    return;
  }
  simd::detail::ensure_target();
  const HeadStack<T> stack(out);
  const Index blocks = ceil_div(problem.queries, kTileRows);
  const Index work = std::min(kTileRows, problem.queries) * problem.keys *
                     (problem.features + problem.value_features);
  const Index grain = std::max<Index>(1, kAttentionTaskWork / std::max<Index>(1, work));
  parallel_for(problem.heads * blocks, grain, [&](Index begin, Index end) {
    QueryBlock<T> block(problem);
    for (Index i = begin; i < end; ++i) {
      const Index head = i / blocks;
      block.run(head, i % blocks * kTileRows, stack.matrix(head),
                lse == nullptr ? nullptr : lse + head * problem.queries);
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
                                       const AttentionOptions<std::type_identity_t<T>>& options) {
  const AttentionProblem<T> problem = detail::attention_problem<T>(q, k, v, options, kName);
  check(out.defined() && out.shape() == problem.out_shape, ErrorKind::DimensionMismatch, kName,
        "out has shape ", out.shape(), ", expected ", problem.out_shape);
  if (out.size() > 0) {
    detail::check_writable<T>(out, kName, "out");
  }
  const auto apart = [&](const auto& in, std::string_view name) {
    check(!in.defined() || overlap(static_cast<const View<T>&>(out), in) == Overlap::None,
          ErrorKind::InvalidOperation, kName, "out overlaps ", name);
  };
  apart(q, "q");
  apart(k, "k");
  apart(v, "v");
  apart(options.mask, "mask");
  apart(options.bias, "bias");
  detail::attention_forward<T>(problem, out, nullptr);
}

template <class T>
Array<T> scaled_dot_product_attention(const View<T>& q, ViewArg<T> k, ViewArg<T> v,
                                      const AttentionOptions<std::type_identity_t<T>>& options) {
  const AttentionProblem<T> problem = detail::attention_problem<T>(q, k, v, options, kName);
  Array<T> out = Array<T>::empty(problem.out_shape);
  detail::attention_forward<T>(problem, out, nullptr);
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
Array<bool> attention_mask(const View<T>& keep_mask) {
  detail::check_defined(keep_mask, "attention_mask", "keep_mask");
  const lamina::detail::Packed<T> packed(keep_mask);
  Array<bool> mask = Array<bool>::empty(keep_mask.shape());
  parallel_for(mask.size(), detail::kElementGrain, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      mask.data()[i] = packed.data()[i] != T(0);
    }
  });
  return mask;
}

template <class T>
Array<T> self_attention(const View<T>& x, ViewArg<T> w_q, ViewArg<T> w_k, ViewArg<T> w_v,
                        const AttentionOptions<std::type_identity_t<T>>& options) {
  detail::check_self_attention<T>(x, w_q, w_k, w_v, "self_attention");
  return scaled_dot_product_attention<T>(matmul<T>(x, w_q), matmul<T>(x, w_k), matmul<T>(x, w_v),
                                         options);
}

#define LAMINA_INSTANTIATE(T)                                                               \
  template LAMINA_EXPORT void scaled_dot_product_attention_into<T>(                         \
      const View<T>&, ViewArg<T>, ViewArg<T>, MutArg<T>, const AttentionOptions<T>&);       \
  template LAMINA_EXPORT Array<T> scaled_dot_product_attention<T>(                          \
      const View<T>&, ViewArg<T>, ViewArg<T>, const AttentionOptions<T>&);                  \
  template LAMINA_EXPORT Array<T> scaled_dot_product_attention<T>(                          \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, const AttentionOptions<T>&);      \
  template LAMINA_EXPORT Array<bool> attention_mask<T>(const View<T>&);                     \
  template LAMINA_EXPORT Array<T> self_attention<T>(const View<T>&, ViewArg<T>, ViewArg<T>, \
                                                    ViewArg<T>, const AttentionOptions<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn
