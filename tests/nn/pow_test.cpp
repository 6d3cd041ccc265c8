#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "lamina/core/simd.hpp"
#include "lamina/nn/arithmetic.hpp"

namespace lamina::nn {
namespace {

template <class T>
class Pow : public ::testing::Test {
 protected:
  void TearDown() override { simd::reset(); }
};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Pow, Types);

/// Distance in units in the last place of the exact value, which a normal one has.
template <class T>
long double ulps(T value, long double exact) {
  int exponent = 0;
  std::frexp(exact, &exponent);
  exponent = std::max(exponent, std::numeric_limits<T>::min_exponent);
  return std::fabs(static_cast<long double>(value) - exact) /
         std::ldexp(1.0L, exponent - std::numeric_limits<T>::digits);
}

TYPED_TEST(Pow, IsExactOverTheWholeRange) {
  using T = TypeParam;
  constexpr Index kCount = 20000;
  std::mt19937_64 random(7);
  const auto uniform = [&](double low, double high) {
    return low + (high - low) * std::generate_canonical<double, 53>(random);
  };
  // Products of exponent and logarithm up to where the result leaves the range, on both sides.
  const double end = std::numeric_limits<T>::max_exponent * std::log(2.0) * 1.02;
  Array<T> a = Array<T>::empty({kCount});
  Array<T> b = Array<T>::empty({kCount});
  for (Index i = 0; i < kCount; ++i) {
    const bool near_one = i % 4 == 0;
    const double log_a = near_one ? uniform(-1e-3, 1e-3) : uniform(-end, end);
    a(i) = i % 5 == 0 ? static_cast<T>(uniform(0, 4)) : static_cast<T>(std::exp(log_a));
    const double log_of = std::log(static_cast<double>(a(i)));
    b(i) = static_cast<T>(i % 3 == 0 ? uniform(-3, 3) : uniform(-end, end) / log_of);
    if (i % 7 == 0) {  // negative numbers have integral powers
      a(i) = -a(i);
      b(i) = std::round(b(i));
    }
  }
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    const Array<T> y = pow<T>(a, b);
    long double worst = 0;
    for (Index i = 0; i < kCount; ++i) {
      const long double exact =
          std::pow(static_cast<long double>(a(i)), static_cast<long double>(b(i)));
      if (std::fabs(exact) > std::numeric_limits<T>::max()) {
        EXPECT_TRUE(std::isinf(y(i)) || std::fabs(y(i)) == std::numeric_limits<T>::max())
            << a(i) << " ^ " << b(i);
      } else {
        worst = std::max(worst, ulps(y(i), exact));
      }
      EXPECT_EQ(std::signbit(y(i)), std::signbit(exact)) << a(i) << " ^ " << b(i);
    }
    EXPECT_LE(worst, 2) << simd::to_string(target);
  }
}

TYPED_TEST(Pow, SpecialValuesAreThoseOfTheStandard) {
  using T = TypeParam;
  constexpr T inf = std::numeric_limits<T>::infinity();
  constexpr T nan = std::numeric_limits<T>::quiet_NaN();
  constexpr T least = std::numeric_limits<T>::denorm_min();
  const T odd = T(1) / std::numeric_limits<T>::epsilon() - T(1);
  const std::vector<T> values{T(0),
                              T(-0.0),
                              T(1),
                              T(-1),
                              T(2),
                              T(-2),
                              T(0.5),
                              T(-0.5),
                              T(3),
                              T(-3),
                              inf,
                              -inf,
                              nan,
                              least,
                              -least,
                              T(1e30),
                              T(-7),
                              T(2.5),
                              T(-2.5),
                              odd,
                              -odd,
                              std::numeric_limits<T>::max(),
                              std::numeric_limits<T>::lowest(),
                              std::numeric_limits<T>::min()};
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    for (const T x : values) {
      for (const T p : values) {
        const T expected = std::pow(x, p);
        // Each lane of a vector and the elements behind.
        const Array<T> y = pow<T>(Array<T>::full({19}, x), Array<T>::full({19}, p));
        for (const T value : y) {
          if (std::isnan(expected)) {
            EXPECT_TRUE(std::isnan(value)) << x << " ^ " << p;
          } else if (std::isinf(expected) || expected == 0) {
            EXPECT_EQ(value, expected) << x << " ^ " << p;
            EXPECT_EQ(std::signbit(value), std::signbit(expected)) << x << " ^ " << p;
          } else {
            EXPECT_NEAR(value, expected,
                        std::fabs(expected) * 4 * std::numeric_limits<T>::epsilon())
                << x << " ^ " << p;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace lamina::nn
