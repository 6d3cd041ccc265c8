#include "lamina/autograd/gradcheck.hpp"

#include <algorithm>
#include <cmath>
#include <ostream>
#include <sstream>

namespace lamina::autograd {

namespace {

/// Weights in [0.5, 1.5), different for every element: SplitMix64 (Steele, Lea and Flood 2014).
Array<double> weights_of(const Shape& shape, std::uint64_t seed) {
  Array<double> weights = Array<double>::empty(shape);
  for (double& weight : weights) {
    seed += 0x9E3779B97F4A7C15u;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    weight = 0.5 + static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
  }
  return weights;
}

/// The sum of weight * value, and of its absolute terms.
struct WeightedSum {
  double sum = 0;
  double magnitude = 0;
};
WeightedSum weighted_sum(const View<double>& values, const View<double>& weights) {
  WeightedSum result;
  auto weight = weights.begin();
  for (const double value : values) {
    result.sum += value * *weight;
    result.magnitude += std::abs(value * *weight);
    ++weight;
  }
  return result;
}

IndexList position_of(Index flat, const Shape& shape) {
  IndexList index = shape;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    index[axis] = flat % shape[axis];
    flat /= shape[axis];
  }
  return index;
}

}  // namespace

std::string GradCheckResult::message() const {
  std::ostringstream text;
  if (input < 0) {
    return "no element was compared";
  }
  text.precision(9);
  text << "gradient of input " << input << " at " << index << ": backward " << analytic
       << ", numeric " << numeric << ", error " << error << (passed ? " <= " : " > ") << tolerance;
  return text.str();
}

std::ostream& operator<<(std::ostream& out, const GradCheckResult& result) {
  return out << result.message();
}

Array<double> numeric_gradient(FunctionRef<double(const View<double>&)> function,
                               const View<double>& x, double step) {
  check(x.defined(), ErrorKind::InvalidOperation, "numeric_gradient", "x is not defined");
  check(step > 0 && std::isfinite(step), ErrorKind::InvalidOperation, "numeric_gradient",
        "step must be positive, got ", step);
  Array<double> moved(x);
  Array<double> gradient = Array<double>::empty(x.shape());
  for (Index i = 0; i < moved.size(); ++i) {
    double& element = moved.data()[i];
    const double before = element;
    const auto quotient = [&](double h) {
      // The distance that was really moved, after rounding.
      const double above = before + h;
      const double below = before - h;
      element = above;
      const double upper = function(moved);
      element = below;
      const double lower = function(moved);
      element = before;
      return (upper - lower) / (above - below);
    };
    const double h = step * std::max(1.0, std::abs(before));
    const double coarse = quotient(h);
    const double fine = quotient(h / 2);
    gradient.data()[i] = fine + (fine - coarse) / 3;
  }
  return gradient;
}

GradCheckResult gradcheck(FunctionRef<Var<double>(const std::vector<Var<double>>&)> function,
                          const std::vector<Array<double>>& inputs,
                          const GradCheckOptions& options) {
  std::vector<Var<double>> leaves;
  leaves.reserve(inputs.size());
  for (const Array<double>& input : inputs) {
    leaves.emplace_back(input, true);
  }
  const Var<double> result = function(leaves);
  const Array<double> weights = weights_of(result.shape(), options.seed);
  const double magnitude = weighted_sum(result.value(), weights).magnitude;
  result.backward(weights);

  const NoGrad no_grad;
  std::vector<Array<double>> analytic;
  std::vector<Array<double>> numeric;
  double largest = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    analytic.push_back(leaves[i].has_grad() ? Array<double>(leaves[i].grad())
                                            : Array<double>::zeros(inputs[i].shape()));
    numeric.push_back(numeric_gradient(
        [&](const View<double>& moved) {
          std::vector<Var<double>> arguments;
          arguments.reserve(inputs.size());
          for (std::size_t j = 0; j < inputs.size(); ++j) {
            arguments.emplace_back(j == i ? moved : inputs[j]);
          }
          return weighted_sum(function(arguments).value(), weights).sum;
        },
        inputs[i], options.step));
    for (const double value : numeric.back()) {
      largest = std::max(largest, std::abs(value));
    }
  }

  // Differences see the sum with a rounding error of some ULP, divided by the step.
  constexpr double kRounding = 16 * 2.2e-16;
  const double floor = std::max(
      {1e-3 * largest, magnitude * kRounding / (options.step * options.tolerance), 1e-300});
  GradCheckResult worst;
  worst.tolerance = options.tolerance;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    for (Index k = 0; k < inputs[i].size(); ++k) {
      const double a = analytic[i].data()[k];
      const double n = numeric[i].data()[k];
      const double error = std::abs(a - n) / std::max({std::abs(a), std::abs(n), floor});
      // A NaN is worse than any number.
      if (worst.input < 0 || error > worst.error ||
          (std::isnan(error) && !std::isnan(worst.error))) {
        worst.error = error;
        worst.input = static_cast<int>(i);
        worst.index = position_of(k, inputs[i].shape());
        worst.analytic = a;
        worst.numeric = n;
      }
    }
  }
  worst.passed = worst.error <= options.tolerance || worst.input < 0;
  return worst;
}

}  // namespace lamina::autograd
