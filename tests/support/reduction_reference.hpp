#pragma once

// Reductions by the textbook, in long double: shares nothing with the library but indexing.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "lamina/nn/reduction.hpp"

namespace lamina::test {

/// For each output in row-major order, the row-major positions of the elements that go into it.
inline std::vector<std::vector<Index>> reduction_groups(const Shape& shape, const Axes& axes) {
  std::vector<bool> gone(static_cast<std::size_t>(shape.rank()), axes.empty());
  for (const Index axis : axes) {
    gone[static_cast<std::size_t>(axis < 0 ? axis + shape.rank() : axis)] = true;
  }
  Index outputs = 1;
  for (int i = 0; i < shape.rank(); ++i) {
    outputs *= gone[static_cast<std::size_t>(i)] ? 1 : shape[i];
  }
  std::vector<std::vector<Index>> groups(static_cast<std::size_t>(outputs));
  const Strides strides = contiguous_strides(shape);
  for (Index flat = 0; flat < shape.size(); ++flat) {
    Index output = 0;
    for (int i = 0; i < shape.rank(); ++i) {
      if (!gone[static_cast<std::size_t>(i)]) {
        output = output * shape[i] + flat / strides[i] % shape[i];
      }
    }
    groups[static_cast<std::size_t>(output)].push_back(flat);
  }
  return groups;
}

inline long double reference_reduction(nn::Reduction kind, const std::vector<long double>& x,
                                       long double ddof) {
  using nn::Reduction;
  const auto n = static_cast<long double>(x.size());
  long double sum = 0, product = 1, most = -INFINITY, least = INFINITY, absolute = 0, squares = 0,
              largest = 0;
  bool nan = false;
  for (const long double v : x) {
    nan = nan || std::isnan(v);
    sum += v;
    product *= v;
    most = std::max(most, v);
    least = std::min(least, v);
    absolute += std::abs(v);
    squares += v * v;
    largest = std::max(largest, std::abs(v));
  }
  if (nan) {
    return std::numeric_limits<long double>::quiet_NaN();
  }
  switch (kind) {
    case Reduction::Sum:
      return sum;
    case Reduction::Mean:
      return sum / n;
    case Reduction::Prod:
      return product;
    case Reduction::Max:
      return most;
    case Reduction::Min:
      return least;
    case Reduction::Var:
    case Reduction::Stddev: {
      long double deviations = 0;
      for (const long double v : x) {
        deviations += (v - sum / n) * (v - sum / n);
      }
      const long double variance = deviations / std::max(n - ddof, 0.0L);
      return kind == Reduction::Var ? variance : std::sqrt(variance);
    }
    case Reduction::NormL1:
      return absolute;
    case Reduction::NormL2:
      return std::sqrt(squares);
    case Reduction::NormInf:
      return largest;
    case Reduction::LogSumExp: {
      long double terms = 0;
      for (const long double v : x) {
        terms += std::exp(v);
      }
      return std::log(terms);
    }
  }
  return 0;
}

}  // namespace lamina::test
