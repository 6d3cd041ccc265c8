#pragma once

#include "lamina/autograd/var.hpp"
#include "lamina/nn/activation.hpp"
#include "lamina/nn/gated.hpp"
#include "lamina/nn/prelu.hpp"

namespace lamina::autograd {

/// An activation of a variable; its gradient is nn::activation_backward. Found by the named
/// functions of nn/activation.hpp, so nn::relu(x), nn::gelu(x) ... work on variables.
template <class T>
[[nodiscard]] Var<T> activation(const Var<T>& x, nn::Activation kind,
                                const nn::ActivationParams& params = {});

}  // namespace lamina::autograd

namespace lamina::nn {

/// value * f(gate); gradients for both. Shapes, errors and numerics as for arrays, here and below.
template <class T>
[[nodiscard]] Var<T> gated_activation(const Var<T>& value, autograd::VarArg<T> gate,
                                      Activation kind, const ActivationParams& params = {});
/// The first half of x along an axis, gated by the second.
template <class T>
[[nodiscard]] Var<T> gated_unit(const Var<T>& x, Activation kind, int axis = -1);
template <class T>
[[nodiscard]] Var<T> glu(const Var<T>& x, int axis = -1) {
  return gated_unit(x, Activation::Sigmoid, axis);
}
template <class T>
[[nodiscard]] Var<T> swiglu(const Var<T>& x, int axis = -1) {
  return gated_unit(x, Activation::Silu, axis);
}
template <class T>
[[nodiscard]] Var<T> geglu(const Var<T>& x, int axis = -1,
                           GeluApproximation approximate = GeluApproximation::None) {
  return gated_unit(x, detail::gelu_kind(approximate), axis);
}
template <class T>
[[nodiscard]] Var<T> reglu(const Var<T>& x, int axis = -1) {
  return gated_unit(x, Activation::Relu, axis);
}
/// Gradients for x and slope.
template <class T>
[[nodiscard]] Var<T> prelu(const Var<T>& x, autograd::VarArg<T> slope);

}  // namespace lamina::nn
