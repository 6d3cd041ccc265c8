#pragma once

#include "lamina/autograd/var.hpp"
#include "lamina/nn/softmax.hpp"

// The functions of nn/softmax.hpp on variables, recorded. Shapes, errors and numerics as for
// arrays. The gradient needs the result, not x.

namespace lamina::nn {

template <class T>
[[nodiscard]] Var<T> softmax(const Var<T>& x, const SoftmaxOptions& options = {});
template <class T>
[[nodiscard]] Var<T> log_softmax(const Var<T>& x, const SoftmaxOptions& options = {});
template <class T>
[[nodiscard]] Var<T> softmin(const Var<T>& x, const SoftmaxOptions& options = {});

}  // namespace lamina::nn
