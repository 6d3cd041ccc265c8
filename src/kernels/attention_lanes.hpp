#pragma once

// Attention with a query in each lane of a vector: keys and values are read where they lie, element
// by element, and what concerns a query (maximum, sum, factors) never crosses lanes. Scores are in
// units of log 2, so that the exponential is a power of two.

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// The queries of a panel and what they gathered so far. A row of q and of sums holds one number
/// for each lane of two vectors; with one vector the others are not used.
template <class T>
struct AttentionPanel {
  Index vectors = 2;     ///< 1 or 2
  const T* q = nullptr;  ///< (features, two vectors), scaled
  T* max = nullptr;      ///< (two vectors), -inf at the start
  T* sum = nullptr;      ///< (two vectors), of the exponentials, 0 at the start
  T* sums = nullptr;     ///< (value_features, two vectors), of the weighted values
  Index features = 0, value_features = 0;
};

/// Adjacent elements that will be needed later.
template <class T>
struct AttentionAhead {
  const T* from = nullptr;
  Index count = 0;
};

/// Keys and values that come past a panel; the features of each are adjacent.
template <class T>
struct AttentionKeys {
  const T* k = nullptr;
  Index k_stride = 0;
  const T* v = nullptr;
  Index v_stride = 0;
  Index count = 0;
  /// Lane i sees the keys before limit + i; with a limit of `count` all see all.
  Index limit = 0;
  bool first = false;   ///< sums are written without being read
  T* scores = nullptr;  ///< room for (count, two vectors)
  /// Fetched meanwhile, as far as that takes no more than a line for each key.
  AttentionAhead<T> ahead[2];
};

/// Queries in each of the two vectors.
[[nodiscard]] Index attention_lanes_f32();
[[nodiscard]] Index attention_lanes_f64();
template <class T>
[[nodiscard]] Index attention_lanes() {
  return sizeof(T) == 4 ? attention_lanes_f32() : attention_lanes_f64();
}

/// q (features, two vectors) = scale * x^T for `count` queries, which are the rows of x; zeros
/// behind them.
void attention_pack_queries(const float* x, Index row_stride, Index col_stride, Index count,
                            Index features, float scale, float* q);
void attention_pack_queries(const double* x, Index row_stride, Index col_stride, Index count,
                            Index features, double scale, double* q);
void attention_pass(const AttentionPanel<float>& panel, const AttentionKeys<float>& keys);
void attention_pass(const AttentionPanel<double>& panel, const AttentionKeys<double>& keys);
/// out (count, value_features) = sums^T / sum, zeros where the sum is 0; changes sums.
void attention_finish(const AttentionPanel<float>& panel, Index count, float* out,
                      Index row_stride);
void attention_finish(const AttentionPanel<double>& panel, Index count, double* out,
                      Index row_stride);

}  // namespace lamina::kernels
