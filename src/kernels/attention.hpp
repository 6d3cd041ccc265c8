#pragma once

// What attention does to a tile of scores between its matrix products. Rows of a tile are `stride`
// apart, columns adjacent.

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// Running softmax of some rows, to which a tile of further columns comes.
template <class T>
struct OnlineSoftmax {
  T* scores = nullptr;  ///< become exp(score - maximum so far); -inf becomes 0
  Index stride = 0;
  Index rows = 0, cols = 0;
  T* max = nullptr;     ///< (rows), -inf at the start
  T* sum = nullptr;     ///< (rows), of the exponentials, 0 at the start
  T* factor = nullptr;  ///< (rows), by which what was accumulated so far is to be multiplied
};

/// A tile of the backward pass.
template <class T>
struct AttentionGradientTile {
  T* scores = nullptr;    ///< become the weights exp(score - lse)
  T* dweights = nullptr;  ///< become the gradient of the scores, weight * (dweight - delta)
  Index stride = 0;       ///< of both
  Index rows = 0, cols = 0;
  const T* lse = nullptr;    ///< logarithm of the sum of exponentials of each query
  const T* delta = nullptr;  ///< sum of dout * out of each query
  bool query_rows = true;    ///< queries are the rows of the tile, otherwise its columns
};

void online_softmax(const OnlineSoftmax<float>& args);
void online_softmax(const OnlineSoftmax<double>& args);
void attention_gradient(const AttentionGradientTile<float>& tile);
void attention_gradient(const AttentionGradientTile<double>& tile);
/// x[i][j] = x[i][j] * factor[i]
void scale_rows(float* x, Index stride, Index rows, Index cols, const float* factor);
void scale_rows(double* x, Index stride, Index rows, Index cols, const double* factor);
/// No NaN and no infinity among x[0] ... x[n - 1].
[[nodiscard]] bool all_finite(const float* x, Index n);
[[nodiscard]] bool all_finite(const double* x, Index n);

}  // namespace lamina::kernels
