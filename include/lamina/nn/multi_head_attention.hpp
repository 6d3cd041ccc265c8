#pragma once

#include "lamina/core/array.hpp"
#include "lamina/nn/attention.hpp"

namespace lamina::nn {

/// Weights of multi_head_attention, as those of nn::linear: (out, in). Views: what they look at
/// must live as long as the call.
template <class T>
struct MultiHeadAttentionWeights {
  View<T> w_q;       ///< (H * D, features of query)
  View<T> w_k;       ///< (G * D, features of key)
  View<T> w_v;       ///< (G * Dv, features of value)
  View<T> w_o;       ///< (out, H * Dv)
  View<T> b_q = {};  ///< (H * D), or absent
  View<T> b_k = {};  ///< (G * D), or absent
  View<T> b_v = {};  ///< (G * Dv), or absent
  View<T> b_o = {};  ///< (out), or absent
};

/// Attention of several heads between projections.
///
///   out = concat over heads h of (attention(q_h, k_h, v_h)) w_o^T + b_o,
///   q, k, v = query w_q^T + b_q,  key w_k^T + b_k,  value w_v^T + b_v, cut into heads
///
/// query (..., Lq, Eq)   key (..., Lk, Ek)   value (..., Lk, Ev)   returns (..., Lq, out).
/// heads: H. There may be fewer heads G of keys and values, as many as w_k and w_v have rows for;
/// neighboring heads of queries share them. float and double; any strides; no axes before Lq up to
/// five. options as for scaled_dot_product_attention of (..., H, L, D): masks and bias broadcast to
/// (..., H, Lq, Lk). In place: no. Error(DimensionMismatch): ranks, extents, weights, biases.
/// Error(InvalidOperation): heads < 1, or no divisor of the rows of w_q; otherwise as
/// scaled_dot_product_attention and linear. Gradient: multi_head_attention_backward. Numerics: as
/// these two. Same as torch.nn.MultiheadAttention (batch first; its in_proj_weight is w_q, w_k and
/// w_v stacked). Vaswani et al. 2017.
template <class T>
void multi_head_attention_into(const View<T>& query, ViewArg<T> key, ViewArg<T> value,
                               const MultiHeadAttentionWeights<std::type_identity_t<T>>& weights,
                               Index heads, MutArg<T> out,
                               const AttentionOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] Array<T> multi_head_attention(
    const View<T>& query, ViewArg<T> key, ViewArg<T> value,
    const MultiHeadAttentionWeights<std::type_identity_t<T>>& weights, Index heads,
    const AttentionOptions<std::type_identity_t<T>>& options = {});

/// How many heads of keys and values there are: G. Checks the arguments as multi_head_attention
/// does.
template <class T>
[[nodiscard]] Index multi_head_attention_key_heads(
    const View<T>& query, ViewArg<T> key, ViewArg<T> value,
    const MultiHeadAttentionWeights<std::type_identity_t<T>>& weights, Index heads);

/// Gradients of multi_head_attention, in the shapes of its inputs and weights; of shape (0) where a
/// bias is absent.
template <class T>
struct MultiHeadAttentionGradients {
  Array<T> dquery, dkey, dvalue;
  Array<T> dw_q, dw_k, dw_v, dw_o;
  Array<T> db_q, db_k, db_v, db_o;
};

/// Where multi_head_attention_backward_into writes: of those shapes, and apart from each other and
/// from all arguments. What is not defined is left out.
template <class T>
struct MultiHeadAttentionGradientViews {
  MutView<T> dquery = {}, dkey = {}, dvalue = {};
  MutView<T> dw_q = {}, dw_k = {}, dw_v = {}, dw_o = {};
  MutView<T> db_q = {}, db_k = {}, db_v = {}, db_o = {};
};

/// Gradient of multi_head_attention. dy (..., Lq, out), as the result. The projections and the
/// attention are computed again. Errors and numerics as for multi_head_attention and
/// scaled_dot_product_attention_backward.
template <class T>
void multi_head_attention_backward_into(
    const View<T>& dy, ViewArg<T> query, ViewArg<T> key, ViewArg<T> value,
    const MultiHeadAttentionWeights<std::type_identity_t<T>>& weights, Index heads,
    const MultiHeadAttentionGradientViews<std::type_identity_t<T>>& gradients,
    const AttentionOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] MultiHeadAttentionGradients<T> multi_head_attention_backward(
    const View<T>& dy, ViewArg<T> query, ViewArg<T> key, ViewArg<T> value,
    const MultiHeadAttentionWeights<std::type_identity_t<T>>& weights, Index heads,
    const AttentionOptions<std::type_identity_t<T>>& options = {});

}  // namespace lamina::nn
