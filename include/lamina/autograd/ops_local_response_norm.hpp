#pragma once

#include "lamina/autograd/var.hpp"
#include "lamina/nn/local_response_norm.hpp"

namespace lamina::nn {

/// local_response_norm of a variable. Shapes, errors and numerics as for arrays.
template <class T>
[[nodiscard]] Var<T> local_response_norm(const Var<T>& x, Index size,
                                         const LocalResponseOptions& options = {});

}  // namespace lamina::nn
