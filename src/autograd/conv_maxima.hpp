#pragma once

#include "lamina/autograd/var.hpp"
#include "lamina/nn/conv.hpp"

namespace lamina::autograd {

/// max_pool2d(conv2d(x, weight, bias, options), 2), with `relu` of relu() of that, as one
/// operation. Undefined where they are better done one by one. Results and gradients are those of
/// the three up to the order of sums; of several NaN in a block one gets a gradient.
template <class T>
[[nodiscard]] Var<T> conv_maxima(const Var<T>& x, const Var<T>& weight, const Var<T>& bias,
                                 const nn::Conv2dOptions& options, bool relu);

}  // namespace lamina::autograd
