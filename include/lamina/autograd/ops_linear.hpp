#pragma once

#include "lamina/autograd/var.hpp"
#include "lamina/nn/linear.hpp"

// Matrix products on variables: the functions of nn/linear.hpp, recorded.

namespace lamina::nn {

/// matmul of variables; gradients for a and b. Shapes, errors and numerics as for arrays.
template <class T>
[[nodiscard]] Var<T> matmul(const Var<T>& a, const Var<std::type_identity_t<T>>& b);

/// linear of variables; gradients for x, weight and bias. Shapes, errors and numerics as for
/// arrays; an undefined bias is none.
template <class T>
[[nodiscard]] Var<T> linear(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
                            const Var<std::type_identity_t<T>>& bias = {});

}  // namespace lamina::nn
