#pragma once

// Recurrent networks by the textbook: one item after the other, in double.

#include <cmath>
#include <vector>

#include "lamina/nn/recurrent.hpp"

namespace lamina::test {

enum class Cell { RnnTanh, RnnRelu, Lstm, GruAfter, GruBefore };

inline Index gates_of(Cell cell) {
  return cell == Cell::Lstm ? 4 : cell == Cell::RnnTanh || cell == Cell::RnnRelu ? 1 : 3;
}

/// Weights of one layer and direction, with memory of their own.
template <class T>
struct OwnWeights {
  Array<T> w_ih, w_hh, b_ih, b_hh;
  bool bias = true;
  Array<T> peephole = {};  ///< (3, hidden), or none

  [[nodiscard]] nn::RecurrentWeights<T> views() const {
    nn::RecurrentWeights<T> weights{w_ih, w_hh};
    if (bias) {
      weights.b_ih = b_ih;
      weights.b_hh = b_hh;
    }
    if (peephole.rank() == 2) {
      weights.peephole = peephole;
    }
    return weights;
  }
  template <class U>
  [[nodiscard]] OwnWeights<U> as() const {
    return {w_ih.template astype<U>(),
            w_hh.template astype<U>(),
            b_ih.template astype<U>(),
            b_hh.template astype<U>(),
            bias,
            peephole.template astype<U>()};
  }
};

template <class T>
std::vector<nn::RecurrentWeights<T>> views_of(const std::vector<OwnWeights<T>>& weights) {
  std::vector<nn::RecurrentWeights<T>> views;
  for (const OwnWeights<T>& w : weights) {
    views.push_back(w.views());
  }
  return views;
}

using Numbers = std::vector<double>;

inline double logistic(double x) {
  return 1 / (1 + std::exp(-x));
}

/// One step for one item: h and c become the next ones.
inline void reference_step(Cell cell, const Numbers& x, const OwnWeights<double>& w, Numbers& h,
                           Numbers& c) {
  const Index hidden = static_cast<Index>(h.size());
  const Numbers before = h;
  const auto from_x = [&](Index row) {
    double sum = w.bias ? w.b_ih(row) : 0;
    for (Index k = 0; k < static_cast<Index>(x.size()); ++k) {
      sum += w.w_ih(row, k) * x[static_cast<std::size_t>(k)];
    }
    return sum;
  };
  const auto from = [&](Index row, const Numbers& state) {
    double sum = w.bias ? w.b_hh(row) : 0;
    for (Index k = 0; k < hidden; ++k) {
      sum += w.w_hh(row, k) * state[static_cast<std::size_t>(k)];
    }
    return sum;
  };
  Numbers reset = before;  // r h
  for (Index j = 0; cell == Cell::GruBefore && j < hidden; ++j) {
    reset[static_cast<std::size_t>(j)] *= logistic(from_x(j) + from(j, before));
  }
  for (Index j = 0; j < hidden; ++j) {
    const auto at = static_cast<std::size_t>(j);
    const auto gate = [&](Index g) {
      return from_x(g * hidden + j) + from(g * hidden + j, before);
    };
    switch (cell) {
      case Cell::RnnTanh:
        h[at] = std::tanh(gate(0));
        break;
      case Cell::RnnRelu:
        h[at] = std::max(gate(0), 0.0);
        break;
      case Cell::Lstm: {
        const auto peep = [&](Index g) {
          return w.peephole.rank() == 2 ? w.peephole(g, j) * c[at] : 0.0;
        };
        c[at] =
            logistic(gate(1) + peep(1)) * c[at] + logistic(gate(0) + peep(0)) * std::tanh(gate(2));
        h[at] = logistic(gate(3) + peep(2)) * std::tanh(c[at]);
        break;
      }
      case Cell::GruAfter:
      case Cell::GruBefore: {
        const double z = logistic(gate(1));
        const double n = cell == Cell::GruAfter
                             ? std::tanh(from_x(2 * hidden + j) +
                                         logistic(gate(0)) * from(2 * hidden + j, before))
                             : std::tanh(from_x(2 * hidden + j) + from(2 * hidden + j, reset));
        h[at] = (1 - z) * n + z * before[at];
        break;
      }
    }
  }
}

/// x (steps, batch, features), states (layers * directions, batch, hidden); lengths may be empty.
inline nn::LstmResult<double> reference_sequence(Cell cell, const View<double>& x,
                                                 const std::vector<OwnWeights<double>>& weights,
                                                 const Array<double>& h0, const Array<double>& c0,
                                                 nn::RecurrentDirection way,
                                                 const std::vector<Index>& lengths = {}) {
  const Index directions = way == nn::RecurrentDirection::Both ? 2 : 1;
  const Index steps = x.shape()[0];
  const Index batch = x.shape()[1];
  const Index hidden = weights[0].w_hh.shape()[1];
  nn::LstmResult<double> result{Array<double>(x), h0, c0};
  for (Index layer = 0; layer < static_cast<Index>(weights.size()) / directions; ++layer) {
    const Array<double> input = result.y;
    result.y = Array<double>::zeros({steps, batch, directions * hidden});
    for (Index d = 0; d < directions; ++d) {
      const Index slot = layer * directions + d;
      const bool reverse = way == nn::RecurrentDirection::Reverse || d == 1;
      for (Index n = 0; n < batch; ++n) {
        Numbers h, c;
        for (Index j = 0; j < hidden; ++j) {
          h.push_back(h0(slot, n, j));
          c.push_back(c0(slot, n, j));
        }
        const Index length = lengths.empty() ? steps : lengths[static_cast<std::size_t>(n)];
        for (Index s = 0; s < length; ++s) {
          const Index t = reverse ? length - 1 - s : s;
          Numbers features;
          for (Index k = 0; k < input.shape()[2]; ++k) {
            features.push_back(input(t, n, k));
          }
          reference_step(cell, features, weights[static_cast<std::size_t>(slot)], h, c);
          for (Index j = 0; j < hidden; ++j) {
            result.y(t, n, d * hidden + j) = h[static_cast<std::size_t>(j)];
          }
        }
        for (Index j = 0; j < hidden; ++j) {
          result.h(slot, n, j) = h[static_cast<std::size_t>(j)];
          result.c(slot, n, j) = c[static_cast<std::size_t>(j)];
        }
      }
    }
  }
  return result;
}

}  // namespace lamina::test
