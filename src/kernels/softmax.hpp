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

/// Elements of a block: the L1 holds it, what becomes of it and the block behind.
template <class T>
inline constexpr Index kSoftmaxBlock = 8192 / static_cast<Index>(sizeof(T));

/// What a block comes to: the greatest element, at least the lowest finite number, and the sum of
/// exp((x - max) scale).
struct SoftmaxBlock {
  double max = 0;
  double sum = 0;
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
/// The two readings of blocks of one row, for rows that are cut: x, y and n are those of the
/// blocks. First what each comes to; softmax stores the terms of the sum in y.
void softmax_blocks(const SoftmaxArgs<float>& args, SoftmaxBlock* blocks);
void softmax_blocks(const SoftmaxArgs<double>& args, SoftmaxBlock* blocks);
/// Then y from what it holds: the terms times `of_sum`, or (x - max) scale - of_sum.
void softmax_finish(const SoftmaxArgs<float>& args, double max, double of_sum);
void softmax_finish(const SoftmaxArgs<double>& args, double max, double of_sum);
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
