#pragma once

// Attention by its formula, in long double, one query at a time.

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "lamina/core/array.hpp"

namespace lamina::test {

/// Whether query i of a head sees key j; what is added to that score.
struct AttentionRules {
  std::function<bool(Index head, Index i, Index j)> sees = [](Index, Index, Index) { return true; };
  std::function<long double(Index head, Index i, Index j)> bias = [](Index, Index, Index) {
    return 0.0L;
  };
  long double scale = 0;  ///< 0: 1 / sqrt(D)
  /// Factor of a weight, after the softmax: what dropout does.
  std::function<long double(Index head, Index i, Index j)> factor = [](Index, Index, Index) {
    return 1.0L;
  };
};

/// q (H, Lq, D), k (G, Lk, D), v (G, Lk, Dv), contiguous; returns (H, Lq, Dv).
template <class T>
std::vector<long double> attention_reference(const Array<T>& q, const Array<T>& k,
                                             const Array<T>& v, const AttentionRules& rules = {}) {
  const Index heads = q.shape()[0];
  const Index queries = q.shape()[1];
  const Index features = q.shape()[2];
  const Index keys = k.shape()[1];
  const Index n = v.shape()[2];
  const Index group = heads / k.shape()[0];
  const long double scale =
      rules.scale != 0 ? rules.scale : 1 / std::sqrt(static_cast<long double>(features));
  std::vector<long double> out;
  for (Index head = 0; head < heads; ++head) {
    for (Index i = 0; i < queries; ++i) {
      std::vector<long double> weight(static_cast<std::size_t>(keys), 0.0L);
      long double max = -std::numeric_limits<long double>::infinity();
      for (Index j = 0; j < keys; ++j) {
        if (rules.sees(head, i, j)) {
          long double dot = 0;
          for (Index d = 0; d < features; ++d) {
            dot += static_cast<long double>(q(head, i, d)) *
                   static_cast<long double>(k(head / group, j, d));
          }
          weight[static_cast<std::size_t>(j)] = scale * dot + rules.bias(head, i, j);
          max = std::max(max, weight[static_cast<std::size_t>(j)]);
        }
      }
      long double sum = 0;
      for (Index j = 0; j < keys; ++j) {
        auto& w = weight[static_cast<std::size_t>(j)];
        w = rules.sees(head, i, j) ? std::exp(w - max) : 0.0L;
        sum += w;
      }
      for (Index d = 0; d < n; ++d) {
        long double total = 0;
        for (Index j = 0; j < keys; ++j) {
          if (rules.sees(head, i, j)) {
            total += weight[static_cast<std::size_t>(j)] / sum * rules.factor(head, i, j) *
                     static_cast<long double>(v(head / group, j, d));
          }
        }
        out.push_back(total);
      }
    }
  }
  return out;
}

}  // namespace lamina::test
