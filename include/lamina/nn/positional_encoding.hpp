#pragma once

#include "lamina/core/array.hpp"

namespace lamina::nn {

struct PositionalEncodingOptions {
  Index offset = 0;       ///< position of the first row
  double base = 10000.0;  ///< the longest wave has length 2 pi base
};

/// Sinusoidal encoding of positions.
///
///   out[p, 2i] = sin((offset + p) / base^(2i / d_model)),   out[p, 2i + 1] = cos(the same)
///
/// returns (seq_len, d_model); for odd d_model the last column is a sine. float and double.
/// Error(InvalidOperation): seq_len, d_model or offset negative; base not positive and finite.
/// Numerics: the angle is reduced in higher precision than double where there is one, so that the
/// error stays below 1 ULP of 1 for float and 1e-12 for double at positions up to 1e6 (NumRS2 in
/// float: 5e-4 at 1e4). Same as NumRS2 positional_encoding (which refuses odd d_model); Vaswani et
/// al. 2017.
/// `out` (seq_len, d_model) says how many.
template <class T>
void positional_encoding_into(MutView<T> out, const PositionalEncodingOptions& options = {});
template <class T>
[[nodiscard]] Array<T> positional_encoding(Index seq_len, Index d_model,
                                           const PositionalEncodingOptions& options = {});

/// x with the encoding of its positions added.
///
///   out[..., p, j] = x[..., p, j] + positional_encoding[p, j]
///
/// x (..., L, D)   returns the same shape. float and double; any strides. In place: yes, out may be
/// x. Error(DimensionMismatch): rank below 2, shape of out. Error(InvalidOperation): as for
/// positional_encoding; out overlaps x in part. Gradient: dx = dy. Same as NumRS2
/// add_positional_encoding.
template <class T>
void add_positional_encoding_into(const View<T>& x, MutArg<T> out,
                                  const PositionalEncodingOptions& options = {});
template <class T>
[[nodiscard]] Array<T> add_positional_encoding(const View<T>& x,
                                               const PositionalEncodingOptions& options = {});

}  // namespace lamina::nn
