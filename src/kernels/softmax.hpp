#pragma once

// Softmax kernels. "Rows": the elements of one softmax are adjacent. "Columns": neighbors belong to
// different softmaxes, so that a vector holds one element of each of several columns.

#include "lamina/core/index.hpp"

namespace lamina::kernels {

enum class SoftmaxKind { Softmax, LogSoftmax };

/// Element i of softmax j lies at i * step + j * stride, where step is 1 for rows and stride is 1
/// for columns; x and y may be the same.
template <class T>
struct SoftmaxArgs {
  SoftmaxKind kind = SoftmaxKind::Softmax;
  const T* x = nullptr;
  Index x_stride = 0;  ///< distance of rows, or of one column's elements
  T* y = nullptr;
  Index y_stride = 0;
  Index count = 0;  ///< how many softmaxes
  Index n = 0;      ///< elements of each, at least 1
  T scale = 1;      ///< 1 / temperature, positive
  bool negate = false;
  bool more = false;  ///< another row follows in x, x_stride from the last
};

/// The three readings of a row, for rows that are cut into parts.
enum class SoftmaxReading {
  Max,    ///< gives the maximum
  Exp,    ///< gives the sum of exp; softmax stores the terms in y
  Finish  ///< writes y
};

template <class T>
struct SoftmaxBackwardArgs {
  SoftmaxKind kind = SoftmaxKind::Softmax;
  const T* dy = nullptr;
  Index dy_stride = 0;
  const T* y = nullptr;
  Index y_stride = 0;
  T* dx = nullptr;
  Index dx_stride = 0;
  Index count = 0;
  Index n = 0;
  T scale = 1;  ///< negative for softmin
};

void softmax_rows(const SoftmaxArgs<float>& args);
void softmax_rows(const SoftmaxArgs<double>& args);
/// One reading of part of one row: x, y and n are those of the part, max and sum those of the row.
double softmax_part(SoftmaxReading reading, const SoftmaxArgs<float>& args, double max, double sum);
double softmax_part(SoftmaxReading reading, const SoftmaxArgs<double>& args, double max,
                    double sum);
void softmax_columns(const SoftmaxArgs<float>& args);
void softmax_columns(const SoftmaxArgs<double>& args);
void softmax_backward_rows(const SoftmaxBackwardArgs<float>& args);
void softmax_backward_rows(const SoftmaxBackwardArgs<double>& args);
/// The two readings of part of one row, for rows that are cut into parts: what the sum over the row
/// grows by, and dx from the whole sum.
double softmax_backward_sum(const SoftmaxBackwardArgs<float>& args);
double softmax_backward_sum(const SoftmaxBackwardArgs<double>& args);
void softmax_backward_finish(const SoftmaxBackwardArgs<float>& args, double sum);
void softmax_backward_finish(const SoftmaxBackwardArgs<double>& args, double sum);
void softmax_backward_columns(const SoftmaxBackwardArgs<float>& args);
void softmax_backward_columns(const SoftmaxBackwardArgs<double>& args);

}  // namespace lamina::kernels
