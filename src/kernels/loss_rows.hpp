#pragma once

#include <cstdint>

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// What the numbers of a row say about its classes.
enum class Scores : std::uint8_t { Logits, Probabilities, LogProbabilities };

/// Rows of at most this length are summed in one block.
inline constexpr Index kExpBlock = 2048;

/// The greatest of a row and the sum of exp(x - greatest), in double. The exponentials go to `exps`
/// unless that is nullptr, for rows of at most kExpBlock; it may be x.
struct ExpSum {
  double max;
  double sum;
};
[[nodiscard]] ExpSum exp_sum_row(const float* x, Index n, float* exps);
[[nodiscard]] ExpSum exp_sum_row(const double* x, Index n, double* exps);

/// Rows of at most this many classes are summed together, one to a lane.
inline constexpr Index kFewClasses = 32;
/// How many of them at a time.
inline constexpr Index kFewRows = 16;

/// The same, with log(sum), for `rows` <= kFewRows adjacent rows of n <= kFewClasses.
struct ExpSums {
  double max[kFewRows];
  double sum[kFewRows];
  double log_sum[kFewRows];
};
void exp_sum_few(const float* x, Index n, Index rows, ExpSums& result);
void exp_sum_few(const double* x, Index n, Index rows, ExpSums& result);

/// A row of classes with what its loss depends on. The loss of class c is
///   nll(c) = max - x[c] + log_sum            of logits,
///            -x[c]                           of log-probabilities,
///            -log(max(x[c], epsilon))        of probabilities,
/// and counts q(c) = w[c] (t_scale t[c] + t_add), w = 1 and t = 0 if nullptr.
template <class T>
struct ClassRow {
  Scores scores = Scores::Logits;
  Index n = 0;
  const T* x = nullptr;
  const T* t = nullptr;
  const T* w = nullptr;
  double t_scale = 1;
  double t_add = 0;
  double epsilon = 0;
  double max = 0;
  double exp_sum = 1;  ///< sum of exp(x - max)
  double log_sum = 0;
  const T* exps = nullptr;  ///< exp(x - max) if at hand; x is then not read for the gradient
};

/// Sums over a row: of q and of q nll, where a class with q = 0 counts nothing.
struct RowLoss {
  double weight;
  double loss;
};
[[nodiscard]] RowLoss row_loss(const ClassRow<float>& row);
[[nodiscard]] RowLoss row_loss(const ClassRow<double>& row);

/// dx[c] = g times the derivative of sum q nll with respect to x[c], weight being the sum of q over
/// the row. dx may be x or t.
void row_backward(const ClassRow<float>& row, double g, double weight, float* dx);
void row_backward(const ClassRow<double>& row, double g, double weight, double* dx);
/// dt[c] = g times the derivative with respect to t[c]. dt may be x or t.
void row_backward_target(const ClassRow<float>& row, double g, float* dt);
void row_backward_target(const ClassRow<double>& row, double g, double* dt);

}  // namespace lamina::kernels
