#pragma once

// What attention does to a tile of scores between its matrix products. Rows of a tile are `stride`
// apart, columns adjacent. Scores are in units of log 2, so that the exponential is a power of two.

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// Running softmax of some rows, to which a tile of further columns comes.
template <class T>
struct OnlineSoftmax {
  T* scores = nullptr;  ///< become 2^(score - maximum so far); -inf becomes 0
  Index stride = 0;
  Index rows = 0, cols = 0;
  T* max = nullptr;     ///< (rows), -inf at the start
  T* sum = nullptr;     ///< (rows), of the exponentials, 0 at the start
  T* factor = nullptr;  ///< (rows), by which what was accumulated so far is to be multiplied
};

/// What is added to scores, and which of them are blocked: they become -inf.
template <class T>
struct AttentionRules {
  T* scores = nullptr;
  Index stride = 0;
  Index rows = 0, cols = 0;
  const T* bias = nullptr;  ///< in natural units; -inf blocks; null: none
  Index bias_stride = 0;
  const bool* mask = nullptr;  ///< false blocks; null: none
  Index mask_stride = 0;
  /// Row i sees the columns before limit + i * limit_step.
  Index limit = 0, limit_step = 0;
};

/// A tile of the backward pass; queries are its rows.
template <class T>
struct AttentionGradientTile {
  T* scores = nullptr;    ///< become the weights 2^(score - lse), as dropout leaves them
  T* dweights = nullptr;  ///< become the gradient of the scores, weight * (dweight - delta)
  Index stride = 0;       ///< of both, and of keep
  Index rows = 0, cols = 0;
  const T* lse = nullptr;      ///< natural logarithm of the sum of exponentials of each query
  const T* delta = nullptr;    ///< sum of dout * out of each query
  const bool* keep = nullptr;  ///< what dropout keeps; null: all
  T keep_scale = T(1);         ///< and multiplies with this
};

void online_softmax(const OnlineSoftmax<float>& args);
void online_softmax(const OnlineSoftmax<double>& args);
void attention_rules(const AttentionRules<float>& rules);
void attention_rules(const AttentionRules<double>& rules);
void attention_gradient(const AttentionGradientTile<float>& tile);
void attention_gradient(const AttentionGradientTile<double>& tile);
/// out[i][j] = x[i][j] * factor[i]; out may be x
void scale_rows(const float* x, Index stride, Index rows, Index cols, const float* factor,
                float* out, Index out_stride);
void scale_rows(const double* x, Index stride, Index rows, Index cols, const double* factor,
                double* out, Index out_stride);
/// No NaN and no infinity among x[0] ... x[n - 1].
[[nodiscard]] bool all_finite(const float* x, Index n);
[[nodiscard]] bool all_finite(const double* x, Index n);

}  // namespace lamina::kernels
