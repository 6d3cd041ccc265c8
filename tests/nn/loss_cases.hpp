#pragma once

#include <array>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "lamina/nn/loss_elementwise.hpp"

// The element-wise losses as a table of cases: the definition in long double, and from where to
// draw arguments.
namespace lamina::nn::test {

using Real = long double;

struct LossCase {
  Loss kind;
  Real (*loss)(Real t, Real p, Real v, Real a, Real b);
  double a;
  double b;
  // Ranges of t, p and v. `labels`: t is one of the two ends.
  std::array<double, 2> t{-2, 2};
  std::array<double, 2> p{-2, 2};
  std::array<double, 2> v{0.5, 2};
  bool labels = false;

  [[nodiscard]] bool has_third() const { return !loss_row(kind).third.empty(); }
  [[nodiscard]] std::string name() const {
    return std::string(to_string(kind)) + " (" + std::to_string(static_cast<int>(kind)) + ", a " +
           std::to_string(a) + ", b " + std::to_string(b) + (labels ? ", labels)" : ")");
  }
};

inline Real softplus(Real x) {
  return x > 40 ? x : std::log1p(std::exp(x));
}
inline Real logistic(Real x) {
  return 1 / (1 + std::exp(-x));
}
inline Real bce(Real t, Real p) {
  return -(t * std::log(p) + (1 - t) * std::log1p(-p));
}
inline Real focal(Real t, Real p, Real alpha, Real gamma) {
  const Real correct = p * t + (1 - p) * (1 - t);
  return (alpha * t + (1 - alpha) * (1 - t)) * std::pow(1 - correct, gamma) * bce(t, p);
}
inline Real stirling(Real t, Real full) {
  return full != 0 && t > 1 ? t * std::log(t) - t + 0.5L * std::log(2 * 3.14159265358979323846L * t)
                            : 0;
}
inline Real hinge(Real z) {
  return std::max<Real>(0, 1 - z);
}

inline const std::vector<LossCase>& loss_cases() {
  static const std::vector<LossCase> cases{
      {Loss::Mse, [](Real t, Real p, Real, Real, Real) { return (p - t) * (p - t); }, 0, 0},
      {Loss::Mae, [](Real t, Real p, Real, Real, Real) { return std::abs(p - t); }, 0, 0},
      {Loss::Huber,
       [](Real t, Real p, Real, Real d, Real) {
         const Real e = std::abs(p - t);
         return e <= d ? e * e / 2 : d * (e - d / 2);
       },
       0.75, 0},
      {Loss::SmoothL1,
       [](Real t, Real p, Real, Real beta, Real) {
         const Real e = std::abs(p - t);
         return e < beta ? e * e / (2 * beta) : e - beta / 2;
       },
       0.5, 0},
      {Loss::SmoothL1, [](Real t, Real p, Real, Real, Real) { return std::abs(p - t); }, 0, 0},
      {Loss::LogCosh, [](Real t, Real p, Real, Real, Real) { return std::log(std::cosh(p - t)); },
       0, 0},
      {Loss::PoissonNll,
       [](Real t, Real p, Real, Real eps, Real full) {
         return p - t * std::log(p + eps) + stirling(t, full);
       },
       1e-3,
       0,
       {0, 9},
       {0.1, 8}},
      {Loss::PoissonNll,
       [](Real t, Real p, Real, Real eps, Real full) {
         return p - t * std::log(p + eps) + stirling(t, full);
       },
       1e-8,
       1,
       {0, 9},
       {0.1, 8}},
      {Loss::PoissonNllLog,
       [](Real t, Real p, Real, Real, Real full) {
         return std::exp(p) - t * p + stirling(t, full);
       },
       0,
       0,
       {0, 9}},
      {Loss::PoissonNllLog,
       [](Real t, Real p, Real, Real, Real full) {
         return std::exp(p) - t * p + stirling(t, full);
       },
       0,
       1,
       {0, 9}},
      {Loss::GaussianNll,
       [](Real t, Real p, Real v, Real eps, Real full) {
         const Real variance = std::max(v, eps);
         return (std::log(variance) + (p - t) * (p - t) / variance +
                 (full != 0 ? std::log(2 * 3.14159265358979323846L) : 0)) /
                2;
       },
       0.75, 1},
      {Loss::BinaryCrossEntropy,
       [](Real t, Real p, Real, Real, Real) { return bce(t, p); },
       1e-7,
       0,
       {0, 1},
       {0.01, 0.99}},
      {Loss::BinaryCrossEntropy,
       [](Real t, Real p, Real, Real, Real) { return bce(t, p); },
       0,
       0,
       {0, 1},
       {0.01, 0.99},
       {},
       true},
      {Loss::BceWithLogits,
       [](Real t, Real p, Real, Real, Real) { return t * softplus(-p) + (1 - t) * softplus(p); },
       0,
       0,
       {0, 1},
       {-9, 9}},
      {Loss::BceWithLogitsPosWeight,
       [](Real t, Real p, Real v, Real, Real) {
         return v * t * softplus(-p) + (1 - t) * softplus(p);
       },
       0,
       0,
       {0, 1},
       {-9, 9}},
      {Loss::Focal,
       [](Real t, Real p, Real, Real a, Real g) { return focal(t, p, a, g); },
       0.25,
       2,
       {0, 1},
       {0.01, 0.99},
       {},
       true},
      {Loss::Focal,
       [](Real t, Real p, Real, Real a, Real g) { return focal(t, p, a, g); },
       0.6,
       0.5,
       {0, 1},
       {0.01, 0.99}},
      {Loss::Focal,
       [](Real t, Real p, Real, Real a, Real g) { return focal(t, p, a, g); },
       0.5,
       0,
       {0, 1},
       {0.01, 0.99}},
      {Loss::FocalWithLogits,
       [](Real t, Real p, Real, Real a, Real g) { return focal(t, logistic(p), a, g); },
       0.25,
       2,
       {0, 1},
       {-6, 6},
       {},
       true},
      {Loss::FocalWithLogits,
       [](Real t, Real p, Real, Real a, Real g) { return focal(t, logistic(p), a, g); },
       0.7,
       1.5,
       {0, 1},
       {-6, 6}},
      {Loss::KlDiv,
       [](Real t, Real p, Real, Real eps, Real) { return t * std::log((t + eps) / (p + eps)); },
       1e-3,
       0,
       {0.01, 1},
       {0.01, 1}},
      {Loss::KlDivLogPrediction,
       [](Real t, Real p, Real, Real, Real) { return t * (std::log(t) - p); },
       1e-10,
       0,
       {0.01, 1},
       {-4, 0}},
      {Loss::KlDivLogTarget,
       [](Real t, Real p, Real, Real eps, Real) { return std::exp(t) * (t - std::log(p + eps)); },
       1e-3,
       0,
       {-4, 0},
       {0.01, 1}},
      {Loss::KlDivLogBoth,
       [](Real t, Real p, Real, Real, Real) { return std::exp(t) * (t - p); },
       1e-10,
       0,
       {-4, 0},
       {-4, 0}},
      {Loss::Hinge,
       [](Real t, Real p, Real, Real, Real) { return hinge(t * p); },
       0,
       0,
       {-1, 1},
       {-2, 2},
       {},
       true},
      {Loss::SquaredHinge,
       [](Real t, Real p, Real, Real, Real) { return hinge(t * p) * hinge(t * p); }, 0, 0},
      {Loss::SoftMargin, [](Real t, Real p, Real, Real, Real) { return softplus(-t * p); }, 0, 0},
      {Loss::MarginRanking,
       [](Real t, Real p, Real v, Real margin, Real) {
         return std::max<Real>(0, -t * (p - v) + margin);
       },
       0.25,
       0,
       {-1, 1},
       {-2, 2},
       {-2, 2},
       true},
  };
  return cases;
}

/// Arguments for a case, drawn at random.
template <class T>
struct Arguments {
  Array<T> t;
  Array<T> p;
  Array<T> v;

  [[nodiscard]] LossOptions<T> options(const LossCase& c) const {
    LossOptions<T> o{c.a, c.b};
    if (c.has_third()) {
      o.third = v;
    }
    return o;
  }
};
template <class T>
Array<T> draw(const Shape& shape, std::array<double, 2> range, bool ends, std::mt19937& random) {
  std::uniform_real_distribution<double> uniform(range[0], range[1]);
  Array<T> x(shape);
  for (T& value : x) {
    const double u = uniform(random);
    value = static_cast<T>(!ends ? u : 2 * u > range[0] + range[1] ? range[1] : range[0]);
  }
  return x;
}
template <class T>
Arguments<T> arguments(const LossCase& c, const Shape& shape, unsigned seed = 1) {
  std::mt19937 random(seed);
  return {draw<T>(shape, c.t, c.labels, random), draw<T>(shape, c.p, false, random),
          draw<T>(shape, c.v, false, random)};
}

/// Expected losses, element by element.
template <class T>
std::vector<Real> expected_losses(const LossCase& c, const Arguments<T>& x) {
  std::vector<Real> losses;
  for (Index i = 0; i < x.t.size(); ++i) {
    losses.push_back(c.loss(static_cast<Real>(x.t.data()[i]), static_cast<Real>(x.p.data()[i]),
                            static_cast<Real>(x.v.data()[i]), c.a, c.b));
  }
  return losses;
}

}  // namespace lamina::nn::test
