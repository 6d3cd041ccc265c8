#pragma once

#include "lamina/autograd/var.hpp"
#include "lamina/nn/activation.hpp"

namespace lamina::autograd {

/// An activation of a variable; its gradient is nn::activation_backward. Found by the named
/// functions of nn/activation.hpp, so nn::relu(x), nn::gelu(x) ... work on variables.
template <class T>
[[nodiscard]] Var<T> activation(const Var<T>& x, nn::Activation kind,
                                const nn::ActivationParams& params = {});

}  // namespace lamina::autograd
