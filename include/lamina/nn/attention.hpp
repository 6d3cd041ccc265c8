#pragma once

#include <cstdint>
#include <optional>

#include "lamina/core/array.hpp"
#include "lamina/core/random.hpp"

// Attention over any number of leading axes: q (..., H, Lq, D), k (..., G, Lk, D), v (..., G, Lk,
// Dv), down to one head as matrices. Scores are computed tile by tile and never stored as a whole,
// so the memory beyond the result is bounded by the tiles, whatever Lq and Lk.

namespace lamina::nn {

/// What a query may see, and the scale of the scores. All that is given holds together. Views: what
/// they look at must live as long as the call.
template <class T>
struct AttentionOptions {
  /// Query i sees key j only if j <= i + causal_offset.
  bool causal = false;
  /// With causal: how many keys come before the first query, e.g. those of a key-value cache. 0:
  /// the first query sees the first key only, as in PyTorch.
  Index causal_offset = 0;
  /// Factor of the scores; 1 / sqrt(D) unless given.
  std::optional<double> scale = std::nullopt;
  /// True where a query may see a key. Broadcasts to (..., H, Lq, Lk).
  View<bool> mask = {};
  /// Added to the scaled scores. Broadcasts to (..., H, Lq, Lk). -inf blocks, as if masked.
  View<T> bias = {};
  /// How many keys, from the front, there are: one number for each of the axes before H, or for
  /// each of those and H. The rest is padding, and is not read.
  View<std::int64_t> key_lengths = {};
  /// Probability with which a weight is dropped, the others being divided by 1 - dropout
  /// (training). dropout_mask of the shape (..., H, Lq, Lk) is the mask that is drawn; it is not
  /// stored.
  double dropout = 0;
  /// Needed if dropout > 0; the forward call takes a word for each weight, none at
  /// 1. A backward call gets a copy of the generator as it was before the forward call, and takes
  /// none.
  Generator* generator = nullptr;
};

/// Weighted mean of the values, by how well queries and keys agree.
///
///   out[i] = sum over j of w[i, j] v[j],   w[i] = softmax over the visible j of
///            (scale * q[i] . k[j] + bias[i, j])
///
/// q (..., H, Lq, D)   k (..., G, Lk, D)   v (..., G, Lk, Dv)   returns (..., H, Lq, Dv). Ranks 2
/// (one head) to 8, of one rank; the axes before H are equal. Grouped queries: G divides H, and
/// head h reads keys and values of head h / (H / G). float and double; any strides.
/// keep_mask: the guide's numeric mask, 0 = blocked, any other value = visible; broadcasts to
/// (..., H, Lq, Lk). A mask of bool says the same: true = visible. Not to be confused with
/// options.bias, which is added.
/// log_sums, if given: (..., H, Lq) without gaps, receives the logarithm of each query's sum of
/// exponentials (0 if it sees nothing), for scaled_dot_product_attention_backward.
/// In place: no, out must not overlap an input.
/// Error(DimensionMismatch): ranks, extents, shapes of masks, shape of out.
/// Error(InvalidOperation): G does not divide H; scale not finite; out overlaps an input; a
/// negative causal_offset; dropout outside [0, 1] or without a generator. Error(IndexOutOfBounds):
/// a key length outside [0, Lk]. Gradient: scaled_dot_product_attention_backward. Numerics: a query
/// that sees nothing gets zeros (also one whose scores are all -inf); keys and values that it does
/// not see never matter, even when NaN or infinite; a visible NaN makes NaN. The same bits on any
/// number of threads. Same as torch.nn.functional.scaled_dot_product_attention, ONNX Attention,
/// NumRS2 scaled_dot_product_attention (one head; refuses rows that see nothing). Vaswani et al.
/// 2017, Milakov and Gimelshein 2018, Rabe and Staats 2021, Dao et al. 2022.
template <class T>
void scaled_dot_product_attention_into(
    const View<T>& q, ViewArg<T> k, ViewArg<T> v, MutArg<T> out,
    const AttentionOptions<std::type_identity_t<T>>& options = {}, MutArg<T> log_sums = {});
template <class T>
[[nodiscard]] Array<T> scaled_dot_product_attention(
    const View<T>& q, ViewArg<T> k, ViewArg<T> v,
    const AttentionOptions<std::type_identity_t<T>>& options = {});
/// With the guide's numeric mask.
template <class T>
[[nodiscard]] Array<T> scaled_dot_product_attention(
    const View<T>& q, ViewArg<T> k, ViewArg<T> v, ViewArg<T> keep_mask,
    const AttentionOptions<std::type_identity_t<T>>& options = {});
/// With a mask of bool in place of options.mask.
template <class T>
[[nodiscard]] Array<T> scaled_dot_product_attention(
    const View<T>& q, ViewArg<T> k, ViewArg<T> v, const View<bool>& mask,
    AttentionOptions<std::type_identity_t<T>> options = {}) {
  options.mask = mask;
  return scaled_dot_product_attention(q, k, v, options);
}

/// Gradients of scaled_dot_product_attention, in the shapes of q, k and v.
template <class T>
struct AttentionGradients {
  Array<T> dq, dk, dv;
};

/// What a forward call gave, so that a backward call need not compute it again: out and log_sums
/// of scaled_dot_product_attention_into.
template <class T>
struct AttentionResult {
  View<T> out = {};
  View<T> log_sums = {};
};

/// Gradient of scaled_dot_product_attention.
///
///   dv[j] = sum over i of w[i, j] dy[i],   dq[i] = scale sum over j of ds[i, j] k[j],
///   dk[j] = scale sum over i of ds[i, j] q[i],
///   ds[i, j] = w[i, j] (dy[i] . v[j] - dy[i] . out[i])
///
/// dy (..., H, Lq, Dv), as the result; q, k, v and options as in the forward call; a numeric mask
/// goes through attention_mask into options.mask; `forward`, if given, spares computing the result
/// again. Weights are computed again tile by tile, so the memory beyond inputs and results is that
/// of one more result; where there are few heads, of up to eight dq.
/// Error(DimensionMismatch): shapes of dy and of forward's; otherwise as the forward call.
/// Numerics: what is blocked neither gets a gradient nor takes part in one, even when NaN or
/// infinite; a query that sees nothing has zeros. Added in the order of heads and positions: the
/// same bits on any number of threads. Gradient of bias:
/// scaled_dot_product_attention_backward_bias. Dao et al. 2022.
/// In place: no; a gradient that is not defined is left out.
template <class T>
void scaled_dot_product_attention_backward_into(
    const View<T>& dy, ViewArg<T> q, ViewArg<T> k, ViewArg<T> v, MutArg<T> dq, MutArg<T> dk,
    MutArg<T> dv, const AttentionOptions<std::type_identity_t<T>>& options = {},
    const AttentionResult<std::type_identity_t<T>>& forward = {});
template <class T>
[[nodiscard]] AttentionGradients<T> scaled_dot_product_attention_backward(
    const View<T>& dy, ViewArg<T> q, ViewArg<T> k, ViewArg<T> v,
    const AttentionOptions<std::type_identity_t<T>>& options = {},
    const AttentionResult<std::type_identity_t<T>>& forward = {});

/// Gradient of scaled_dot_product_attention to options.bias.
///
///   dbias[i, j] = ds[i, j], summed over the axes along which bias was broadcast
///
/// Returns bias's shape; 0 where it blocks. Everything else as for
/// scaled_dot_product_attention_backward; Error(InvalidOperation): options have no bias.
template <class T>
void scaled_dot_product_attention_backward_bias_into(
    const View<T>& dy, ViewArg<T> q, ViewArg<T> k, ViewArg<T> v, MutArg<T> dbias,
    const AttentionOptions<std::type_identity_t<T>>& options,
    const AttentionResult<std::type_identity_t<T>>& forward = {});
template <class T>
[[nodiscard]] Array<T> scaled_dot_product_attention_backward_bias(
    const View<T>& dy, ViewArg<T> q, ViewArg<T> k, ViewArg<T> v,
    const AttentionOptions<std::type_identity_t<T>>& options,
    const AttentionResult<std::type_identity_t<T>>& forward = {});

/// The weights w themselves, before dropout: (..., H, Lq, Lk), rows that sum to 1, or are 0 where a
/// query sees nothing. To look at: the other functions never store them. Options, errors and
/// numerics as for scaled_dot_product_attention; dropout is ignored. torch.nn.MultiheadAttention's
/// need_weights.
template <class T>
void scaled_dot_product_attention_weights_into(
    const View<T>& q, ViewArg<T> k, MutArg<T> out,
    const AttentionOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] Array<T> scaled_dot_product_attention_weights(
    const View<T>& q, ViewArg<T> k, const AttentionOptions<std::type_identity_t<T>>& options = {});

/// The mask that a numeric one means: out = keep_mask != 0.
template <class T>
void attention_mask_into(const View<T>& keep_mask, MutView<bool> out);
template <class T>
[[nodiscard]] Array<bool> attention_mask(const View<T>& keep_mask);

/// Attention of a sequence to itself.
///
///   out = scaled_dot_product_attention(x w_q, x w_k, x w_v)
///
/// x (..., L, D)   w_q, w_k (D, dk)   w_v (D, dv)   returns (..., L, dv). Errors, masks and
/// numerics as for scaled_dot_product_attention and matmul. Gradient: self_attention_backward. Same
/// as NumRS2 self_attention.
template <class T>
void self_attention_into(const View<T>& x, ViewArg<T> w_q, ViewArg<T> w_k, ViewArg<T> w_v,
                         MutArg<T> out,
                         const AttentionOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] Array<T> self_attention(
    const View<T>& x, ViewArg<T> w_q, ViewArg<T> w_k, ViewArg<T> w_v,
    const AttentionOptions<std::type_identity_t<T>>& options = {});

/// Gradients of self_attention, in the shapes of x and the weights.
template <class T>
struct SelfAttentionGradients {
  Array<T> dx, dw_q, dw_k, dw_v;
};

/// Gradient of self_attention. dy (..., L, dv), as the result. Errors and numerics as for
/// scaled_dot_product_attention_backward.
template <class T>
void self_attention_backward_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> w_q, ViewArg<T> w_k,
                                  ViewArg<T> w_v, MutArg<T> dx, MutArg<T> dw_q, MutArg<T> dw_k,
                                  MutArg<T> dw_v,
                                  const AttentionOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] SelfAttentionGradients<T> self_attention_backward(
    const View<T>& dy, ViewArg<T> x, ViewArg<T> w_q, ViewArg<T> w_k, ViewArg<T> w_v,
    const AttentionOptions<std::type_identity_t<T>>& options = {});

}  // namespace lamina::nn
