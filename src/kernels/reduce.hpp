#pragma once

// Reduction kernels. They see blocks of bounded size; src/nn/reduction.cpp cuts the work into
// blocks by shape alone and merges what they return, in order and in double precision.

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// What is accumulated over a block. p is a parameter of the output the block belongs to.
enum class ReduceStep {
  Sum,          ///< sum of x
  SumAbs,       ///< sum of |x|
  SumSquares,   ///< sum of x^2
  SumCentered,  ///< sum of x - p, and of (x - p)^2
  SumScaled,    ///< sum of (p x)^2
  SumExp,       ///< sum of exp(x - p)
  Product,      ///< product of x
  Max,          ///< greatest x; NaN if there is one
  Min,          ///< least x; NaN if there is one
  MaxAbs,       ///< greatest |x|; NaN if there is one
  CountEqual,   ///< how many x equal p
  CountAbs,     ///< how many |x| equal p
  ArgMax,       ///< greatest x or the first NaN, and its first position in the block
  ArgMin,       ///< least x or the first NaN, and its first position in the block
};

/// Elements of one block of a row, at most (so that positions are exact in float).
inline constexpr Index kReduceBlock = 4096;
/// Rows and columns of one block of columns, at most.
inline constexpr Index kReduceRows = 256;
inline constexpr Index kReduceWidth = 1024;

/// `count` outputs, each over `runs` runs of n adjacent elements; runs * n <= kReduceBlock, or
/// runs == 1 and n <= kReduceBlock.
template <class T>
struct ReduceRowsArgs {
  ReduceStep step = ReduceStep::Sum;
  const T* x = nullptr;
  Index x_stride = 0;  ///< distance of outputs
  Index count = 0;
  Index n = 0;
  Index runs = 1;
  Index run_stride = 0;
  const T* parameter = nullptr;  ///< (count), where the step has one
  T* first = nullptr;            ///< (count)
  T* second = nullptr;  ///< (count): squares of SumCentered, positions of ArgMax and ArgMin
};

/// `width` adjacent outputs, each over `rows` elements `x_stride` apart.
template <class T>
struct ReduceColumnsArgs {
  ReduceStep step = ReduceStep::Sum;
  const T* x = nullptr;
  Index x_stride = 0;
  Index rows = 0;
  Index width = 0;
  const T* parameter = nullptr;  ///< (width)
  T* first = nullptr;            ///< (width)
  T* second = nullptr;           ///< (width)
};

void reduce_rows(const ReduceRowsArgs<float>& args);
void reduce_rows(const ReduceRowsArgs<double>& args);
void reduce_columns(const ReduceColumnsArgs<float>& args);
void reduce_columns(const ReduceColumnsArgs<double>& args);

/// Gradients: each element's share of its output's gradient, from two parameters of that output.
enum class SpreadStep {
  Fill,            ///< a
  Linear,          ///< a (x - b)
  Sign,            ///< a sign(x)
  WhereEqual,      ///< a where x = b, else 0
  SignWhereEqual,  ///< a sign(x) where |x| = b, else 0
  Exp,             ///< a exp(x - b)
};

/// dx (rows, width) from x of the same layout. Rows: a and b belong to a row; columns: to a column.
template <class T>
struct SpreadArgs {
  SpreadStep step = SpreadStep::Fill;
  const T* x = nullptr;
  T* dx = nullptr;
  Index rows = 0;
  Index width = 0;
  Index stride = 0;  ///< distance of rows in x and dx
  bool per_column = false;
  const T* a = nullptr;  ///< (rows) or (width)
  const T* b = nullptr;
};

void reduce_spread(const SpreadArgs<float>& args);
void reduce_spread(const SpreadArgs<double>& args);

}  // namespace lamina::kernels
