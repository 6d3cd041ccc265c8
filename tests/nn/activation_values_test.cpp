// Values and slopes of every activation against formulas in extended precision, on every SIMD
// target.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "lamina/core/simd.hpp"
#include "lamina/nn/activation.hpp"
#include "nn/activation_cases.hpp"
#include "support/ulp.hpp"

namespace lamina::nn {
namespace {

using test::activation_cases;
using test::ActivationCase;

template <class T>
struct Numbers {
  long double a;
  long double b;
};

/// The parameters as the kernel has them: rounded to T.
template <class T>
Numbers<T> numbers_of(const ActivationCase& c) {
  const ActivationRow& row = activation_row(c.kind);
  return {static_cast<T>(c.params.a.value_or(row.parameters[0].default_value)),
          static_cast<T>(c.params.b.value_or(row.parameters[1].default_value))};
}

std::string name_of(const ActivationCase& c) {
  std::ostringstream name;
  name << to_string(c.kind);
  if (c.params.a) name << '(' << *c.params.a << ')';
  name << " on " << simd::to_string(simd::active_target());
  return name.str();
}

template <class T>
std::vector<T> points(const ActivationCase& c) {
  using Limits = std::numeric_limits<T>;
  std::vector<T> x{
      T(0), -T(0), Limits::min(), -Limits::min(), Limits::denorm_min(), -Limits::denorm_min()};
  std::mt19937_64 random(3);
  for (const double range : {1.0, 4.0, 12.0, 40.0, sizeof(T) == 4 ? 115.0 : 770.0}) {
    std::uniform_real_distribution<double> uniform(-range, range);
    for (int i = 0; i < 1500; ++i) x.push_back(static_cast<T>(uniform(random)));
  }
  // Every magnitude below that.
  std::uniform_real_distribution<double> exponent(sizeof(T) == 4 ? -126 : -1022, 2);
  for (int i = 0; i < 1500; ++i) {
    const double magnitude = std::exp2(exponent(random));
    x.push_back(static_cast<T>(i % 2 == 0 ? magnitude : -magnitude));
  }
  for (const double kink : c.kinks) {
    const T k = static_cast<T>(kink);
    x.insert(x.end(), {k, std::nextafter(k, -Limits::max()), std::nextafter(k, Limits::max())});
  }
  x.insert(x.end(), {Limits::max(), Limits::lowest()});
  return x;
}

template <class T>
class ActivationValues : public testing::Test {
 protected:
  void TearDown() override { simd::reset(); }
  /// Calls check(case) for every case on every target.
  template <class F>
  void for_each_case(const F& check) {
    for (const simd::Target target : simd::supported_targets()) {
      simd::force(target);
      for (const ActivationCase& c : activation_cases()) check(c);
    }
  }
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(ActivationValues, Types);

TEST(ActivationCases, CoverTheTable) {
  std::set<Activation> covered;
  for (const ActivationCase& c : activation_cases()) covered.insert(c.kind);
  EXPECT_EQ(covered.size(), kActivationTable.size());
}

/// Error in units of what is allowed: above 1 is too much.
template <class T>
double excess(T got, long double want, double ulp, double epsilons) {
  const double error = test::ulp_error(got, want);
  if (error == 0) return 0;
  const long double step = test::ulp_at<T>(want);
  const bool denormal = std::fabs(want) < static_cast<long double>(std::numeric_limits<T>::min());
  const auto absolute = static_cast<double>(epsilons * std::numeric_limits<T>::epsilon() / step);
  return error / (ulp + absolute + (denormal ? 2 : 0));
}

/// What the tail adds to the bound at x.
template <class T>
double tail_of(const ActivationCase& c, T x) {
  return c.tail_ulp != nullptr && x < 0 ? static_cast<double>(c.tail_ulp(x, numbers_of<T>(c).a))
                                        : 0;
}

TYPED_TEST(ActivationValues, ForwardIsWithinItsBound) {
  using T = TypeParam;
  this->for_each_case([](const ActivationCase& c) {
    const std::vector<T> x = points<T>(c);
    const auto [a, b] = numbers_of<T>(c);
    const Array<T> y = activation(View<T>(x), c.kind, c.params);
    double worst = 0;
    std::size_t where = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      // A rounded a * x next to a jump may fall on either side.
      if (c.kind == Activation::Softplus && std::fabs(a * x[i] - b) < 1e-5L * b) continue;
      const long double want = c.value(x[i], a, b);
      const double tail = tail_of<T>(c, x[i]);
      const double error = excess<T>(y(static_cast<Index>(i)), want, c.ulp + tail, c.epsilons);
      if (!(error <= worst)) {
        worst = error;
        where = i;
      }
    }
    EXPECT_LE(worst, 1) << name_of(c) << " at " << x[where] << ": " << y(static_cast<Index>(where))
                        << " for " << c.value(x[where], a, b);
  });
}

TYPED_TEST(ActivationValues, BackwardIsWithinItsBound) {
  using T = TypeParam;
  this->for_each_case([](const ActivationCase& c) {
    const std::vector<T> x = points<T>(c);
    const auto [a, b] = numbers_of<T>(c);
    // A power of two, so that the product adds no error; and not 1, so that it matters.
    const Array<T> dy = Array<T>::full({static_cast<Index>(x.size())}, T(-4));
    const Array<T> dx = activation_backward(dy, View<T>(x), c.kind, c.params);
    double worst = 0;
    std::size_t where = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (c.kind == Activation::Softplus && std::fabs(a * x[i] - b) < 1e-5L * b) continue;
      if (c.kind == Activation::HardSigmoid &&
          (std::fabs(a * x[i] + b) < 1e-6L || std::fabs(a * x[i] + b - 1) < 1e-6L)) {
        continue;
      }
      const long double want = -4 * c.slope(x[i], a, b);
      const double tail = tail_of<T>(c, x[i]);
      // The slope itself may be denormal before it is multiplied.
      const bool denormal =
          std::fabs(want) < 4 * static_cast<long double>(std::numeric_limits<T>::min());
      const double error = excess<T>(dx(static_cast<Index>(i)), want,
                                     c.slope_ulp + tail + (denormal ? 8 : 0), 4 * c.slope_epsilons);
      if (!(error <= worst)) {
        worst = error;
        where = i;
      }
    }
    EXPECT_LE(worst, 1) << name_of(c) << " at " << x[where] << ": " << dx(static_cast<Index>(where))
                        << " for " << -4 * c.slope(x[where], a, b);
  });
}

TYPED_TEST(ActivationValues, InfinitiesGiveTheLimit) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity();
  const std::vector<T> x{-inf, inf};
  const std::vector<T> dy{1, 1};
  this->for_each_case([&](const ActivationCase& c) {
    const auto near = [&](T got, double want) {
      if (std::isinf(want)) {
        EXPECT_EQ(got, static_cast<T>(want)) << name_of(c);
      } else {
        EXPECT_NEAR(got, want, 4 * std::numeric_limits<T>::epsilon()) << name_of(c);
      }
    };
    const Array<T> y = activation(View<T>(x), c.kind, c.params);
    near(y(0), c.at_minus_infinity);
    near(y(1), c.at_plus_infinity);
    const Array<T> dx = activation_backward(View<T>(dy), View<T>(x), c.kind, c.params);
    near(dx(0), c.slope_at_minus_infinity);
    near(dx(1), c.slope_at_plus_infinity);
  });
}

TYPED_TEST(ActivationValues, NaNStaysAtItsPlaceAtEveryLength) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  this->for_each_case([&](const ActivationCase& c) {
    // One position in a full vector of the widest target and each in the remainders; all at 35.
    for (const Index n : {1, 2, 3, 5, 8, 15, 16, 17, 35}) {
      for (Index at = 0; at < n; ++at) {
        Array<T> x = Array<T>::full({n}, T(0.75));
        const Array<T> dy = Array<T>::ones({n});
        const Array<T> clean = activation(x, c.kind, c.params);
        const Array<T> clean_dx = activation_backward(dy, x, c.kind, c.params);
        x(at) = at % 2 == 0 ? nan : -nan;
        const Array<T> y = activation(x, c.kind, c.params);
        const Array<T> dx = activation_backward(dy, x, c.kind, c.params);
        for (Index i = 0; i < n; ++i) {
          ASSERT_TRUE(i == at ? std::isnan(y(i)) : y(i) == clean(i))
              << name_of(c) << n << " " << at;
          ASSERT_TRUE(i == at ? std::isnan(dx(i)) : dx(i) == clean_dx(i)) << name_of(c);
        }
      }
    }
  });
}

TYPED_TEST(ActivationValues, ResultsDoNotDependOnThePlace) {
  using T = TypeParam;
  std::mt19937 random(4);
  std::uniform_real_distribution<double> uniform(-6, 6);
  std::vector<T> x(150);
  for (T& value : x) value = static_cast<T>(uniform(random));
  const std::vector<T> dy(x.rbegin(), x.rend());
  this->for_each_case([&](const ActivationCase& c) {
    const Array<T> y = activation(View<T>(x), c.kind, c.params);
    const Array<T> dx = activation_backward(View<T>(dy), View<T>(x), c.kind, c.params);
    for (const Index n : {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 149}) {
      for (const Index start : {Index{0}, Index{1}}) {
        const View<T> part = View<T>(x).slice(start, start + n);
        const Array<T> y_part = activation(part, c.kind, c.params);
        const Array<T> dx_part =
            activation_backward(View<T>(dy).slice(start, start + n), part, c.kind, c.params);
        ASSERT_EQ(y_part, y.slice(start, start + n)) << name_of(c) << ", n = " << n;
        ASSERT_EQ(dx_part, dx.slice(start, start + n)) << name_of(c) << ", n = " << n;
      }
    }
  });
}

TEST(ActivationGradient, AgreesWithCentralDifferences) {
  std::mt19937 random(5);
  std::uniform_real_distribution<double> uniform(-5, 5);
  for (const ActivationCase& c : activation_cases()) {
    Array<double> x({400});
    for (double& value : x) {
      do {
        value = uniform(random);
      } while (std::any_of(c.kinks.begin(), c.kinks.end(),
                           [&](double kink) { return std::fabs(kink - value) < 1e-3; }));
    }
    // Near 0 the derivatives of some are tiny and the difference is all rounding.
    const double h = 2e-5;
    Array<double> above = x;
    Array<double> below = x;
    for (Index i = 0; i < x.size(); ++i) {
      above(i) += h;
      below(i) -= h;
    }
    const Array<double> dy = Array<double>::full(x.shape(), 0.7);
    const Array<double> dx = activation_backward(dy, x, c.kind, c.params);
    const Array<double> high = activation(above, c.kind, c.params);
    const Array<double> low = activation(below, c.kind, c.params);
    for (Index i = 0; i < x.size(); ++i) {
      const double numeric = 0.7 * (high(i) - low(i)) / (above(i) - below(i));
      ASSERT_NEAR(dx(i), numeric, 1e-7 * std::max(1.0, std::fabs(numeric)))
          << name_of(c) << " at " << x(i);
    }
  }
}

}  // namespace
}  // namespace lamina::nn
