#pragma once

#include "lamina/autograd/var.hpp"
#include "lamina/nn/reduction.hpp"

// The reductions of nn/reduction.hpp on variables, recorded. Shapes, errors and numerics as for
// arrays.

namespace lamina::nn {

/// Any member of the family; its gradient is reduce_backward.
template <class T>
[[nodiscard]] Var<T> reduce(Reduction kind, const Var<T>& x, const ReduceOptions& options = {});

template <class T>
[[nodiscard]] Var<T> sum(const Var<T>& x, const ReduceOptions& options = {}) {
  return reduce(Reduction::Sum, x, options);
}
template <class T>
[[nodiscard]] Var<T> mean(const Var<T>& x, const ReduceOptions& options = {}) {
  return reduce(Reduction::Mean, x, options);
}
template <class T>
[[nodiscard]] Var<T> prod(const Var<T>& x, const ReduceOptions& options = {}) {
  return reduce(Reduction::Prod, x, options);
}
template <class T>
[[nodiscard]] Var<T> max(const Var<T>& x, const ReduceOptions& options = {}) {
  return reduce(Reduction::Max, x, options);
}
template <class T>
[[nodiscard]] Var<T> min(const Var<T>& x, const ReduceOptions& options = {}) {
  return reduce(Reduction::Min, x, options);
}
template <class T>
[[nodiscard]] Var<T> var(const Var<T>& x, const ReduceOptions& options = {}) {
  return reduce(Reduction::Var, x, options);
}
template <class T>
[[nodiscard]] Var<T> stddev(const Var<T>& x, const ReduceOptions& options = {}) {
  return reduce(Reduction::Stddev, x, options);
}
template <class T>
[[nodiscard]] Var<T> norm(const Var<T>& x, Norm order = Norm::L2,
                          const ReduceOptions& options = {}) {
  return reduce(detail::norm_reduction(order), x, options);
}
template <class T>
[[nodiscard]] Var<T> logsumexp(const Var<T>& x, const ReduceOptions& options = {}) {
  return reduce(Reduction::LogSumExp, x, options);
}

}  // namespace lamina::nn
