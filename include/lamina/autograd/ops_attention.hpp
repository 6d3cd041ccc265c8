#pragma once

#include <cstdint>
#include <string_view>

#include "lamina/autograd/var.hpp"
#include "lamina/nn/attention.hpp"
#include "lamina/nn/embedding.hpp"
#include "lamina/nn/multi_head_attention.hpp"
#include "lamina/nn/positional_encoding.hpp"
#include "lamina/nn/rotary.hpp"

// The functions of nn/attention.hpp, nn/embedding.hpp, nn/positional_encoding.hpp and nn/rotary.hpp
// on variables, recorded. Shapes, errors and numerics as for arrays. Masks, lengths and offsets are
// constants, as are bias and weights of bags unless they are variables; a recorded call keeps
// copies of them.

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

/// Sums with a factor for each entry, in place of options.weights: gradients for the table and for
/// these. Error(InvalidOperation): both are given.
template <class T>
[[nodiscard]] Var<T> embedding_bag(
    const View<std::int64_t>& indices, const Var<T>& table,
    const Var<std::type_identity_t<T>>& weights,
    const EmbeddingBagOptions<std::type_identity_t<T>>& options = {});

template <class T>
[[nodiscard]] Var<T> add_positional_encoding(const Var<T>& x,
                                             const PositionalEncodingOptions& options = {});

template <class T>
[[nodiscard]] Var<T> rotary_embedding(const Var<T>& x, const RotaryOptions& options = {});

/// Gradients for q, k and v.
template <class T>
[[nodiscard]] Var<T> scaled_dot_product_attention(
    const Var<T>& q, const Var<std::type_identity_t<T>>& k, const Var<std::type_identity_t<T>>& v,
    const AttentionOptions<std::type_identity_t<T>>& options = {});
/// With a bias in place of options.bias that gets a gradient too. Error(InvalidOperation): both are
/// given.
template <class T>
[[nodiscard]] Var<T> scaled_dot_product_attention(
    const Var<T>& q, const Var<std::type_identity_t<T>>& k, const Var<std::type_identity_t<T>>& v,
    const Var<std::type_identity_t<T>>& bias,
    const AttentionOptions<std::type_identity_t<T>>& options = {});

/// MultiHeadAttentionWeights as variables; absent biases are variables that are not defined.
template <class T>
struct MultiHeadAttentionParameters {
  Var<T> w_q, w_k, w_v, w_o;
  Var<T> b_q, b_k, b_v, b_o;
};
/// Gradients for query, key, value, weights and biases.
template <class T>
[[nodiscard]] Var<T> multi_head_attention(
    const Var<T>& query, const Var<std::type_identity_t<T>>& key,
    const Var<std::type_identity_t<T>>& value,
    const MultiHeadAttentionParameters<std::type_identity_t<T>>& weights, Index heads,
    const AttentionOptions<std::type_identity_t<T>>& options = {});

/// Gradients for x and the weights.
template <class T>
[[nodiscard]] Var<T> self_attention(const Var<T>& x, const Var<std::type_identity_t<T>>& w_q,
                                    const Var<std::type_identity_t<T>>& w_k,
                                    const Var<std::type_identity_t<T>>& w_v,
                                    const AttentionOptions<std::type_identity_t<T>>& options = {});

}  // namespace lamina::nn
