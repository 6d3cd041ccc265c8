// Error bounds of the vector mathematics, on every SIMD target: float over a dense sample of all
// bit patterns, double over random numbers of every magnitude.

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/math_functions.hpp"
#include "lamina/core/simd.hpp"
#include "support/ulp.hpp"

namespace lamina {
namespace {

using kernels::MathFunction;

struct Case {
  const char* name;
  MathFunction function;
  long double (*exact)(long double);
  double bound;  // ULP
  double low;    // the domain
  double high;
};

constexpr double kInf = std::numeric_limits<double>::infinity();
const Case kCases[] = {
    {"Exp", MathFunction::Exp, [](long double x) { return std::exp(x); }, 1.5, -kInf, kInf},
    // In float another |x| / 20.
    {"ExpWithRoots", MathFunction::ExpWithRoots, [](long double x) { return std::exp(x); }, 2, -10,
     0},
    {"ExpWithRoots", MathFunction::ExpWithRoots, [](long double x) { return std::exp(x); }, 6.5,
     -kInf, 0},
    {"ExpM1", MathFunction::ExpM1, [](long double x) { return std::expm1(x); }, 2.5, -kInf, kInf},
    {"Log", MathFunction::Log, [](long double x) { return std::log(x); }, 1, -kInf, kInf},
    {"Log1P", MathFunction::Log1P, [](long double x) { return std::log1p(x); }, 1.5, -kInf, kInf},
    {"Log1POfUnit", MathFunction::Log1POfUnit, [](long double x) { return std::log1p(x); }, 2.5, 0,
     1},
    {"Sigmoid", MathFunction::Sigmoid,
     [](long double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); },
     3, -kInf, kInf},
    {"Tanh", MathFunction::Tanh, [](long double x) { return std::tanh(x); }, 3, -kInf, kInf},
    {"TimesNormalTail", MathFunction::TimesNormalTail,
     [](long double x) { return x * std::erfc(x / std::sqrt(2.0L)) / 2; }, 7, 0, 14.6},
    {"Erf", MathFunction::Erf, [](long double x) { return std::erf(x); }, 3, -kInf, kInf},
    {"Erfc", MathFunction::Erfc, [](long double x) { return std::erfc(x); }, 7, -kInf, kInf},
};

template <class T>
std::vector<T> samples() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> x{0,
                   -T(0),
                   1,
                   -1,
                   Limits::min(),
                   -Limits::min(),
                   Limits::denorm_min(),
                   -Limits::denorm_min(),
                   Limits::max(),
                   Limits::lowest(),
                   Limits::infinity(),
                   -Limits::infinity(),
                   Limits::quiet_NaN(),
                   -Limits::quiet_NaN(),
                   Limits::epsilon(),
                   T(0.41421356237309503),
                   T(0.6931471805599453),
                   T(0.34657359027997264)};
  if constexpr (sizeof(T) == 4) {
    for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << 32); bits += 16411) {
      x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    }
  } else {
    std::mt19937_64 random(1);
    for (int i = 0; i < 60000; ++i) {
      x.push_back(std::bit_cast<double>(random()));
    }
  }
  // Where the functions have their shape.
  std::mt19937_64 random(2);
  const int count = sizeof(T) == 4 ? 150000 : 60000;
  for (const double range : {1e-3, 0.1, 1.0, 10.0, sizeof(T) == 4 ? 110.0 : 760.0}) {
    std::uniform_real_distribution<double> uniform(-range, range);
    for (int i = 0; i < count; ++i) {
      x.push_back(static_cast<T>(uniform(random)));
    }
  }
  return x;
}

template <class T>
class MathTest : public testing::Test {
 protected:
  void TearDown() override { simd::reset(); }
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(MathTest, Types);

TYPED_TEST(MathTest, ErrorsAreWithinTheirBounds) {
  using T = TypeParam;
  const std::vector<T> all = samples<T>();
  for (const Case& c : kCases) {
    std::vector<T> x;
    std::vector<long double> exact;
    for (const T value : all) {
      if (!(static_cast<double>(value) < c.low) && !(static_cast<double>(value) > c.high)) {
        x.push_back(value);
        // The mathematics library of the system in double is exact enough for float.
        exact.push_back(c.exact(static_cast<long double>(value)));
      }
    }
    for (const simd::Target target : simd::supported_targets()) {
      simd::force(target);
      std::vector<T> y(x.size());
      kernels::evaluate(c.function, x.data(), y.data(), x.size());
      double worst = 0;
      std::size_t where = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        double error = test::ulp_error(y[i], exact[i]);
        if (std::fabs(exact[i]) < static_cast<long double>(std::numeric_limits<T>::min())) {
          error -= 1;  // a denormal result may be rounded twice
        }
        if (error > worst) {
          worst = error;
          where = i;
        }
      }
      this->RecordProperty(std::string(c.name) + "_" + std::string(simd::to_string(target)),
                           std::to_string(worst));
      EXPECT_LE(worst, c.bound) << c.name << " on " << simd::to_string(target)
                                << " at x = " << x[where] << ": " << y[where] << " for "
                                << exact[where];
    }
  }
}

TYPED_TEST(MathTest, ZerosKeepTheirSign) {
  using T = TypeParam;
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    const T x[] = {T(0), -T(0)};
    for (const MathFunction f :
         {MathFunction::ExpM1, MathFunction::Log1P, MathFunction::Tanh, MathFunction::Erf}) {
      T y[2];
      kernels::evaluate(f, x, y, 2);
      EXPECT_EQ(y[0], 0);
      EXPECT_EQ(y[1], 0);
      EXPECT_FALSE(std::signbit(y[0])) << static_cast<int>(f);
      EXPECT_TRUE(std::signbit(y[1])) << static_cast<int>(f);
    }
  }
}

TYPED_TEST(MathTest, TanhIsOddAndAtMostOne) {
  using T = TypeParam;
  const std::vector<T> x = samples<T>();
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    std::vector<T> minus_x(x.size());
    std::vector<T> y(x.size());
    std::vector<T> minus_y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      minus_x[i] = -x[i];
    }
    kernels::evaluate(MathFunction::Tanh, x.data(), y.data(), x.size());
    kernels::evaluate(MathFunction::Tanh, minus_x.data(), minus_y.data(), x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (std::isnan(x[i])) {
        ASSERT_TRUE(std::isnan(y[i]));
        continue;
      }
      ASSERT_EQ(y[i], -minus_y[i]) << x[i];
      ASSERT_LE(std::fabs(y[i]), T(1)) << x[i];
      if (std::fabs(x[i]) >= T(20)) {
        ASSERT_EQ(std::fabs(y[i]), T(1)) << x[i] << " on " << simd::to_string(target);
      }
    }
  }
}

TYPED_TEST(MathTest, TailsComputeWhatFullVectorsDo) {
  using T = TypeParam;
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    std::vector<T> x(67);
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<T>(std::sin(static_cast<double>(i)) * 9);
    }
    std::vector<T> whole(x.size());
    kernels::evaluate(MathFunction::Tanh, x.data(), whole.data(), x.size());
    for (std::size_t n = 0; n <= x.size(); ++n) {
      std::vector<T> y(x.size() + 1, T(7));
      kernels::evaluate(MathFunction::Tanh, x.data(), y.data(), n);
      for (std::size_t i = 0; i <= x.size(); ++i) {
        ASSERT_EQ(y[i], i < n ? whole[i] : T(7)) << "n = " << n << ", i = " << i;
      }
    }
  }
}

}  // namespace
}  // namespace lamina
