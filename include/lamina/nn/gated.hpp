#pragma once

#include <concepts>

#include "lamina/core/array.hpp"
#include "lamina/nn/activation.hpp"

namespace lamina::nn {

/// One array gated by an activation of another, in one pass.
///
///   out = value * f(gate)   with f and its parameters from kActivationTable
///
/// value, gate and out of one shape; float and double; any strides. In place: yes, out may be the
/// same view as value or gate. Error(DimensionMismatch): shapes differ. Error(InvalidOperation): a
/// parameter outside its domain; out overlaps value or gate in part or is a broadcast view.
/// Gradients: to value, gated_activation(dy, gate, kind); to gate,
/// gated_activation_backward_gate. Numerics: the activation's bound and one more rounding.
/// In a feed-forward block with two projections: gated_activation(linear(x, w), linear(x, v),
/// Activation::Silu) is the SwiGLU of Shazeer 2020.
template <std::floating_point T>
void gated_activation_into(const View<T>& value, ViewArg<T> gate, MutArg<T> out, Activation kind,
                           const ActivationParams& params = {});
template <std::floating_point T>
[[nodiscard]] Array<T> gated_activation(const View<T>& value, ViewArg<T> gate, Activation kind,
                                        const ActivationParams& params = {});

/// dgate = dy * value * f'(gate). All of one shape; dgate may be the same view as any of them.
/// Errors as for gated_activation.
template <std::floating_point T>
void gated_activation_backward_gate_into(const View<T>& dy, ViewArg<T> value, ViewArg<T> gate,
                                         MutArg<T> dgate, Activation kind,
                                         const ActivationParams& params = {});
template <std::floating_point T>
[[nodiscard]] Array<T> gated_activation_backward_gate(const View<T>& dy, ViewArg<T> value,
                                                      ViewArg<T> gate, Activation kind,
                                                      const ActivationParams& params = {});

/// An array whose second half along an axis gates the first: the gated linear units of Dauphin et
/// al. 2017 (sigmoid) and Shazeer 2020 (others).
///
///   out = a * f(b),  x = [a, b] along `axis`
///
/// x (..., 2 C, ...)   out (..., C, ...). In place: no. Error(DimensionMismatch): rank 0, an odd
/// extent along `axis`, shape of out. Error(IndexOutOfBounds): axis. Error(InvalidOperation): out
/// overlaps x. Gradient: gated_unit_backward, of the shape of x. Numerics as for gated_activation.
/// glu is the same as torch.nn.functional.glu.
template <std::floating_point T>
void gated_unit_into(const View<T>& x, MutArg<T> out, Activation kind, int axis = -1);
template <std::floating_point T>
[[nodiscard]] Array<T> gated_unit(const View<T>& x, Activation kind, int axis = -1);
/// dx = [dy f(b), dy a f'(b)].   dy (..., C, ...)   x and dx (..., 2 C, ...). In place: no.
template <std::floating_point T>
void gated_unit_backward_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dx, Activation kind,
                              int axis = -1);
template <std::floating_point T>
[[nodiscard]] Array<T> gated_unit_backward(const View<T>& dy, ViewArg<T> x, Activation kind,
                                           int axis = -1);

/// gated_unit with sigmoid: a / (1 + exp(-b)).
template <std::floating_point T>
[[nodiscard]] Array<T> glu(const View<T>& x, int axis = -1) {
  return gated_unit(x, Activation::Sigmoid, axis);
}
template <std::floating_point T>
[[nodiscard]] Array<T> glu_backward(const View<T>& dy, ViewArg<T> x, int axis = -1) {
  return gated_unit_backward(dy, x, Activation::Sigmoid, axis);
}
/// gated_unit with silu: a b / (1 + exp(-b)).
template <std::floating_point T>
[[nodiscard]] Array<T> swiglu(const View<T>& x, int axis = -1) {
  return gated_unit(x, Activation::Silu, axis);
}
template <std::floating_point T>
[[nodiscard]] Array<T> swiglu_backward(const View<T>& dy, ViewArg<T> x, int axis = -1) {
  return gated_unit_backward(dy, x, Activation::Silu, axis);
}
/// gated_unit with gelu, exact unless told otherwise.
template <std::floating_point T>
[[nodiscard]] Array<T> geglu(const View<T>& x, int axis = -1,
                             GeluApproximation approximate = GeluApproximation::None) {
  return gated_unit(x, detail::gelu_kind(approximate), axis);
}
template <std::floating_point T>
[[nodiscard]] Array<T> geglu_backward(const View<T>& dy, ViewArg<T> x, int axis = -1,
                                      GeluApproximation approximate = GeluApproximation::None) {
  return gated_unit_backward(dy, x, detail::gelu_kind(approximate), axis);
}
/// gated_unit with relu.
template <std::floating_point T>
[[nodiscard]] Array<T> reglu(const View<T>& x, int axis = -1) {
  return gated_unit(x, Activation::Relu, axis);
}
template <std::floating_point T>
[[nodiscard]] Array<T> reglu_backward(const View<T>& dy, ViewArg<T> x, int axis = -1) {
  return gated_unit_backward(dy, x, Activation::Relu, axis);
}

}  // namespace lamina::nn
