#pragma once

#include <vector>

#include "lamina/autograd/var.hpp"
#include "lamina/nn/recurrent.hpp"

// The functions of nn/recurrent.hpp on variables, recorded, with gradients for inputs, states,
// weights and biases. Shapes, errors and numerics as for arrays. Absent states and biases are
// variables that are not defined. Lengths are constants; a recorded call keeps a copy of them.

namespace lamina::nn {

/// RecurrentWeights as variables.
template <class T>
struct RecurrentParameters {
  RecurrentParameters() = default;
  RecurrentParameters(const Var<T>& input, const Var<T>& state, const Var<T>& input_bias = Var<T>(),
                      const Var<T>& state_bias = Var<T>(), const Var<T>& peepholes = Var<T>())
      : w_ih(input), w_hh(state), b_ih(input_bias), b_hh(state_bias), peephole(peepholes) {}

  Var<T> w_ih, w_hh, b_ih, b_hh, peephole;
};

template <class T>
struct RecurrentVars {
  Var<T> y, h;
};
template <class T>
struct LstmVars {
  Var<T> y, h, c;
};
template <class T>
struct LstmStateVars {
  Var<T> h, c;
};

template <class T>
[[nodiscard]] Var<T> rnn_cell(const Var<T>& x, const Var<std::type_identity_t<T>>& h,
                              const RecurrentParameters<std::type_identity_t<T>>& weights,
                              const RecurrentCellOptions& options = {});
template <class T>
[[nodiscard]] LstmStateVars<T> lstm_cell(
    const Var<T>& x, const Var<std::type_identity_t<T>>& h, const Var<std::type_identity_t<T>>& c,
    const RecurrentParameters<std::type_identity_t<T>>& weights);
template <class T>
[[nodiscard]] Var<T> gru_cell(const Var<T>& x, const Var<std::type_identity_t<T>>& h,
                              const RecurrentParameters<std::type_identity_t<T>>& weights,
                              const RecurrentCellOptions& options = {});

template <class T>
[[nodiscard]] RecurrentVars<T> rnn(
    const Var<T>& x, const std::vector<RecurrentParameters<std::type_identity_t<T>>>& weights,
    const Var<std::type_identity_t<T>>& h0 = {}, const RecurrentOptions& options = {});
template <class T>
[[nodiscard]] LstmVars<T> lstm(
    const Var<T>& x, const std::vector<RecurrentParameters<std::type_identity_t<T>>>& weights,
    const Var<std::type_identity_t<T>>& h0 = {}, const Var<std::type_identity_t<T>>& c0 = {},
    const RecurrentOptions& options = {});
template <class T>
[[nodiscard]] RecurrentVars<T> gru(
    const Var<T>& x, const std::vector<RecurrentParameters<std::type_identity_t<T>>>& weights,
    const Var<std::type_identity_t<T>>& h0 = {}, const RecurrentOptions& options = {});

}  // namespace lamina::nn
