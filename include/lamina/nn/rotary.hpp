#pragma once

#include "lamina/core/array.hpp"

namespace lamina::nn {

struct RotaryOptions {
  Index offset = 0;       ///< position of the first row, e.g. the number of keys in a cache
  double base = 10000.0;  ///< the slowest pair turns once in about 2 pi base positions
  /// Pairs are (2i, 2i + 1), as in the paper; otherwise (i, i + features / 2), as in GPT-NeoX and
  /// Llama.
  bool interleaved = false;
  Index features = 0;  ///< how many, from the front, are turned; 0: all
};

/// Turns pairs of features by angles that grow with the position, so that products of queries and
/// keys depend on their distance.
///
///   (a, b) becomes (a cos t - b sin t, b cos t + a sin t),   t = (offset + p) / base^(2i /
///   features)
///
/// x (..., L, D)   returns the same shape. float and double; any strides. In place: yes, out may be
/// x. Error(DimensionMismatch): rank below 2; shape of out. Error(InvalidOperation): features odd,
/// negative or above D; offset negative; base not positive and finite; out overlaps x in part.
/// Gradient: rotary_embedding_backward. Numerics: angles as for positional_encoding. Same as ONNX
/// RotaryEmbedding; Su et al. 2021 (RoFormer).
template <class T>
void rotary_embedding_into(const View<T>& x, MutArg<T> out, const RotaryOptions& options = {});
template <class T>
[[nodiscard]] Array<T> rotary_embedding(const View<T>& x, const RotaryOptions& options = {});

/// Gradient of rotary_embedding: dy turned back. In place and errors as for rotary_embedding.
template <class T>
void rotary_embedding_backward_into(const View<T>& dy, MutArg<T> dx,
                                    const RotaryOptions& options = {});
template <class T>
[[nodiscard]] Array<T> rotary_embedding_backward(const View<T>& dy,
                                                 const RotaryOptions& options = {});

/// Bias that makes attention prefer near keys: attention with linear biases.
///
///   out[h, i, j] = -slope(h) |i + offset - j|,   slope(h) = 2^(-8 (h + 1) / heads)
///
/// for a number of heads that is a power of two; otherwise the slopes of the power m below, then
/// every second one of those of 2 m, as in the paper's code. returns (heads, queries, keys), for
/// AttentionOptions::bias; offset is that of causal attention. Error(InvalidOperation): a negative
/// argument. Press, Smith and Lewis 2022.
/// `out` (heads, queries, keys) says how many of each.
template <class T>
void alibi_bias_into(MutView<T> out, Index offset = 0);
template <class T>
[[nodiscard]] Array<T> alibi_bias(Index heads, Index queries, Index keys, Index offset = 0);

}  // namespace lamina::nn
