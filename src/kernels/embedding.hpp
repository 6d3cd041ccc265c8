#pragma once

// Sums and maxima over chosen rows of a matrix: embedding bags, and gradients of embeddings.

#include <cstdint>

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// The rows index[0] ... index[count - 1] of a matrix whose columns are adjacent.
template <class T>
struct RowSelection {
  const T* rows = nullptr;
  Index row_stride = 0;
  Index n = 0;  ///< columns
  const std::int64_t* index = nullptr;
  Index count = 0;
};

/// y[j] = scale * (sum over i of weights[i] * rows[index[i]][j]), added in order; without weights
/// each counts once. Zeros if there are none.
void sum_rows(const RowSelection<float>& selection, const float* weights, float scale, float* y);
void sum_rows(const RowSelection<double>& selection, const double* weights, double scale,
              double* y);
/// y[j] = the greatest of rows[index[i]][j]; NaN if one is NaN. Zeros if there are none.
void max_rows(const RowSelection<float>& selection, float* y);
void max_rows(const RowSelection<double>& selection, double* y);

}  // namespace lamina::kernels
