#pragma once

// What the tests of forward and backward pass of recurrent networks share.

#include <string>
#include <vector>

#include "nn/recurrent_reference.hpp"
#include "support/numbers.hpp"

namespace lamina::test {

inline constexpr Cell kCells[] = {Cell::RnnTanh, Cell::RnnRelu, Cell::Lstm, Cell::GruAfter,
                                  Cell::GruBefore};

inline const char* name_of(Cell cell) {
  const char* const names[] = {"rnn tanh", "rnn relu", "lstm", "gru", "gru reset before"};
  return names[static_cast<int>(cell)];
}

/// Inputs of a call; everything in double, and exact in float.
struct Setting {
  Cell cell = Cell::Lstm;
  Index steps = 4, batch = 3, features = 5, hidden = 6, layers = 1;
  nn::RecurrentDirection way = nn::RecurrentDirection::Forward;
  bool bias = true;
  bool peepholes = false;

  [[nodiscard]] Index directions() const { return way == nn::RecurrentDirection::Both ? 2 : 1; }
  [[nodiscard]] Shape states() const { return {layers * directions(), batch, hidden}; }
  [[nodiscard]] Array<double> numbers(const Shape& shape, std::uint64_t seed, double size) const {
    return uniform_numbers<float>(shape, seed, -size, size).astype<double>();
  }
  [[nodiscard]] Array<double> x() const { return numbers({steps, batch, features}, 1, 1.5); }
  [[nodiscard]] Array<double> h0() const { return numbers(states(), 2, 0.9); }
  [[nodiscard]] Array<double> c0() const { return numbers(states(), 3, 1.2); }
  [[nodiscard]] std::vector<OwnWeights<double>> weights() const {
    std::vector<OwnWeights<double>> result;
    const Index rows = gates_of(cell) * hidden;
    // So that sums stay of the order of 1.
    const double size = 1.2 / std::sqrt(static_cast<double>(hidden));
    for (Index i = 0; i < layers * directions(); ++i) {
      const auto seed = static_cast<std::uint64_t>(10 * (i + 1));
      const Index in = i < directions() ? features : directions() * hidden;
      result.push_back({numbers({rows, in}, seed, size), numbers({rows, hidden}, seed + 1, size),
                        numbers({rows}, seed + 2, 0.5), numbers({rows}, seed + 3, 0.5), bias,
                        peepholes ? numbers({3, hidden}, seed + 4, 0.8) : Array<double>()});
    }
    return result;
  }
  [[nodiscard]] nn::RecurrentOptions options() const {
    nn::RecurrentOptions result;
    result.direction = way;
    result.activation = cell == Cell::RnnRelu ? nn::RnnActivation::Relu : nn::RnnActivation::Tanh;
    result.reset_after = cell != Cell::GruBefore;
    return result;
  }
};

/// rnn, lstm or gru.
template <class T>
nn::LstmResult<T> run(Cell cell, const View<T>& x, const std::vector<nn::RecurrentWeights<T>>& w,
                      const View<T>& h0, const View<T>& c0, const nn::RecurrentOptions& options,
                      nn::RecurrentTrace<T>* trace = nullptr) {
  if (cell == Cell::Lstm) {
    return nn::lstm(x, w, h0, c0, options, trace);
  }
  const bool gru = cell == Cell::GruAfter || cell == Cell::GruBefore;
  nn::RecurrentResult<T> result =
      gru ? nn::gru(x, w, h0, options, trace) : nn::rnn(x, w, h0, options, trace);
  return {std::move(result.y), std::move(result.h), Array<T>()};
}

template <class T>
nn::RecurrentGradients<T> run_backward(Cell cell, const View<T>& dy, const View<T>& dh,
                                       const View<T>& dc, const View<T>& x,
                                       const std::vector<nn::RecurrentWeights<T>>& w,
                                       const View<T>& h0, const View<T>& c0,
                                       const nn::RecurrentOptions& options,
                                       const nn::RecurrentTrace<T>* trace = nullptr) {
  if (cell == Cell::Lstm) {
    return nn::lstm_backward(dy, dh, dc, x, w, h0, c0, options, trace);
  }
  const bool gru = cell == Cell::GruAfter || cell == Cell::GruBefore;
  return gru ? nn::gru_backward(dy, dh, x, w, h0, options, trace)
             : nn::rnn_backward(dy, dh, x, w, h0, options, trace);
}

}  // namespace lamina::test
