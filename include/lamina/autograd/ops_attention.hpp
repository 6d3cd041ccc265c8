#pragma once

#include <cstdint>
#include <string_view>

#include "lamina/autograd/var.hpp"
#include "lamina/nn/attention.hpp"
#include "lamina/nn/embedding.hpp"
#include "lamina/nn/positional_encoding.hpp"

// The functions of nn/attention.hpp, nn/embedding.hpp and nn/positional_encoding.hpp on variables,
// recorded. Shapes, errors and numerics as for arrays. Masks, bias, lengths, offsets and weights of
// bags are constants; a recorded call keeps copies of them.

namespace lamina::nn {

/// Gradient for the table; the row of the padding index gets none.
template <class T>
[[nodiscard]] Var<T> embedding(const View<std::int64_t>& indices, const Var<T>& table,
                               const EmbeddingOptions& options = {});
template <class T>
[[nodiscard]] Var<T> embedding_bag(
    const View<std::int64_t>& indices, const Var<T>& table, BagMode mode = BagMode::Sum,
    const EmbeddingBagOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] Var<T> embedding_bag(
    const View<std::int64_t>& indices, const Var<T>& table, std::string_view mode,
    const EmbeddingBagOptions<std::type_identity_t<T>>& options = {}) {
  return embedding_bag(indices, table, bag_mode_from_string(mode), options);
}

template <class T>
[[nodiscard]] Var<T> add_positional_encoding(const Var<T>& x,
                                             const PositionalEncodingOptions& options = {});

/// Gradients for q, k and v.
template <class T>
[[nodiscard]] Var<T> scaled_dot_product_attention(
    const Var<T>& q, const Var<std::type_identity_t<T>>& k, const Var<std::type_identity_t<T>>& v,
    const AttentionOptions<std::type_identity_t<T>>& options = {});
/// Gradients for x and the weights.
template <class T>
[[nodiscard]] Var<T> self_attention(const Var<T>& x, const Var<std::type_identity_t<T>>& w_q,
                                    const Var<std::type_identity_t<T>>& w_k,
                                    const Var<std::type_identity_t<T>>& w_v,
                                    const AttentionOptions<std::type_identity_t<T>>& options = {});

}  // namespace lamina::nn
