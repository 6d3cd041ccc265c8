#pragma once

// Kernels of normalization. A group is what shares a mean and a variance.
//
// "Groups": a group is `runs` runs of `n` adjacent elements, and everything about it is done while
// it is in the cache. "Columns": neighbors belong to different groups (channels last); a column may
// be long, so that its sums are taken in parts, which the caller adds up.

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// Element `element` of run `run` of group `group` has its factor at group * steps.group +
/// run * steps.run + element * steps.element, where steps.element is 0 or 1; with 1, steps.run is
/// 0.
struct NormSteps {
  Index group = 0;
  Index run = 0;
  Index element = 0;
};

template <class T>
struct NormArgs {
  const T* x = nullptr;
  T* y = nullptr;  ///< may be x; null: statistics only
  Index groups = 0;
  Index group_stride = 0;
  Index runs = 1;
  Index run_stride = 0;
  Index n = 0;
  const T* gamma = nullptr;  ///< null: 1
  const T* beta = nullptr;   ///< null: 0
  NormSteps steps;
  double eps = 0;
  bool center = true;  ///< false: the mean square takes the variance's place
  bool given = false;  ///< mean and rstd are read, not written
  T* mean = nullptr;   ///< one a group each; null: not wanted
  T* rstd = nullptr;
  T* var = nullptr;
  bool stream = false;  ///< y is too large for the caches: written around them
};

template <class T>
struct NormBackwardArgs {
  const T* dy = nullptr;
  const T* x = nullptr;
  T* dx = nullptr;  ///< may be dy or x; null: not wanted
  Index groups = 0;
  Index group_stride = 0;
  Index runs = 1;
  Index run_stride = 0;
  Index n = 0;
  const T* gamma = nullptr;
  NormSteps steps;
  bool center = true;
  bool given = false;       ///< the statistics do not depend on x
  const T* mean = nullptr;  ///< null if not centered
  const T* rstd = nullptr;
  double* dgamma = nullptr;  ///< added to; both or neither
  double* dbeta = nullptr;
  T* partial = nullptr;       ///< 2 width zeros, for steps.element 1
  Index width = 0;            ///< numbers in gamma
  double* scratch = nullptr;  ///< `runs` numbers, for steps.run not 0
};

/// Columns [0, columns) of `rows` rows that are `stride` apart, in x, dy and y alike.
template <class T>
struct NormColumnArgs {
  const T* x = nullptr;
  const T* dy = nullptr;
  T* y = nullptr;
  Index stride = 0;
  Index rows = 0;
  Index columns = 0;
  const T* mean = nullptr;
  const T* scale = nullptr;
  const T* slope = nullptr;
  const T* shift = nullptr;
  double* sums[3] = {};
  bool stream = false;  ///< y goes around the caches; then its rows are aligned whole vectors
};

void norm_groups(const NormArgs<float>& args);
void norm_groups(const NormArgs<double>& args);
void norm_groups_backward(const NormBackwardArgs<float>& args);
void norm_groups_backward(const NormBackwardArgs<double>& args);

/// sums[0] = mean of x - mean; sums[1] = sum of squares of what x differs from its own mean by.
void norm_column_moments(const NormColumnArgs<float>& args);
void norm_column_moments(const NormColumnArgs<double>& args);
/// y = (x - mean) scale + shift; y may be x.
void norm_column_apply(const NormColumnArgs<float>& args);
void norm_column_apply(const NormColumnArgs<double>& args);
/// sums += sum of dy; of dy (x - mean); of x - mean.
void norm_column_backward_sums(const NormColumnArgs<float>& args);
void norm_column_backward_sums(const NormColumnArgs<double>& args);
/// y = dy scale + (x - mean) slope + shift; y may be dy or x.
void norm_column_backward_apply(const NormColumnArgs<float>& args);
void norm_column_backward_apply(const NormColumnArgs<double>& args);

}  // namespace lamina::kernels
