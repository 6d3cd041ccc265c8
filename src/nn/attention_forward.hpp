#pragma once

#include "nn/attention_tiles.hpp"

namespace lamina::nn::detail {

/// Attention with checked arguments; lse (heads, queries), if not null, receives the logarithm of
/// each query's sum of exponentials.
template <class T>
void attention_forward(const AttentionProblem<T>& problem, const MutView<T>& out, T* lse);

/// Takes the words of dropout from the generator, once they were used.
template <class T>
void take_words(const AttentionProblem<T>& problem, const AttentionOptions<T>& options) {
  if (problem.dropout > 0 && problem.dropout < 1) {
    options.generator->jump(static_cast<std::uint64_t>(problem.score_shape.size()));
  }
}

/// Checks x and the weights of self_attention.
template <class T>
void check_self_attention(const View<T>& x, const View<T>& w_q, const View<T>& w_k,
                          const View<T>& w_v, std::string_view operation) {
  check(x.defined() && x.rank() >= 2, ErrorKind::DimensionMismatch, operation,
        "x must have at least 2 axes, got shape ", x.shape());
  const auto check_weight = [&](const View<T>& weight, std::string_view name) {
    check(weight.defined() && weight.rank() == 2 && weight.shape()[0] == x.extent(-1),
          ErrorKind::DimensionMismatch, operation, name, " must have the shape (", x.extent(-1),
          ", features), got ", weight.shape(), "; x ", x.shape());
  };
  check_weight(w_q, "w_q");
  check_weight(w_k, "w_k");
  check_weight(w_v, "w_v");
  check(w_q.shape() == w_k.shape(), ErrorKind::DimensionMismatch, operation, "w_q ", w_q.shape(),
        " and w_k ", w_k.shape(), " must have the same shape");
}

}  // namespace lamina::nn::detail
