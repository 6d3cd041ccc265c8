#include "lamina/nn/init.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace lamina::nn {
namespace {

struct Moments {
  double mean = 0;
  double deviation = 0;
  double largest = 0;
};

template <class T>
Moments moments(const View<T>& x) {
  Moments m;
  for (const T value : x) {
    m.mean += static_cast<double>(value) / static_cast<double>(x.size());
    m.largest = std::max(m.largest, std::abs(static_cast<double>(value)));
  }
  for (const T value : x) {
    m.deviation += std::pow(static_cast<double>(value) - m.mean, 2) / static_cast<double>(x.size());
  }
  m.deviation = std::sqrt(m.deviation);
  return m;
}

template <class T>
class InitOf : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(InitOf, RealTypes);

// (out, in, kernel) = (40, 30, 3, 3): fan in 270, fan out 360.
const Shape kShape{40, 30, 3, 3};

TYPED_TEST(InitOf, DeviationAndRange) {
  using T = TypeParam;
  struct Case {
    std::function<Array<T>(Generator&)> make;
    double deviation;
    bool uniform;
  };
  const KaimingOptions out{.mode = FanMode::Out};
  const KaimingOptions leaky{.negative_slope = std::sqrt(5.0)};
  for (const Case& c : std::vector<Case>{
           {[](Generator& g) { return xavier_uniform<T>(kShape, g); }, std::sqrt(2.0 / 630), true},
           {[](Generator& g) { return xavier_normal<T>(kShape, g, 3); }, 3 * std::sqrt(2.0 / 630),
            false},
           {[](Generator& g) { return kaiming_uniform<T>(kShape, g); }, std::sqrt(2.0 / 270), true},
           {[](Generator& g) { return kaiming_normal<T>(kShape, g); }, std::sqrt(2.0 / 270), false},
           {[&](Generator& g) { return kaiming_normal<T>(kShape, g, out); }, std::sqrt(2.0 / 360),
            false},
           {[&](Generator& g) { return kaiming_uniform<T>(kShape, g, leaky); },
            std::sqrt(2.0 / 6 / 270), true},
           {[](Generator& g) { return lecun_uniform<T>(kShape, g); }, std::sqrt(1.0 / 270), true},
           {[](Generator& g) { return lecun_normal<T>(kShape, g); }, std::sqrt(1.0 / 270), false},
       }) {
    Generator g(11);
    const Array<T> x = c.make(g);
    ASSERT_EQ(x.shape(), kShape);
    const Moments m = moments(x);
    // 10800 values: standard errors below 0.01 deviations.
    EXPECT_NEAR(m.mean, 0, 0.05 * c.deviation);
    EXPECT_NEAR(m.deviation, c.deviation, 0.04 * c.deviation);
    if (c.uniform) {
      EXPECT_LE(m.largest, std::sqrt(3.0) * c.deviation * (1 + 1e-6));
      EXPECT_GT(m.largest, std::sqrt(2.9) * c.deviation);
    } else {
      EXPECT_GT(m.largest, 3 * c.deviation);
    }
  }
}

TEST(Init, FanOfMatricesAndKernels) {
  EXPECT_EQ(fan_of(Shape{4, 7}).in, 7);
  EXPECT_EQ(fan_of(Shape{4, 7}).out, 4);
  EXPECT_EQ(fan_of(kShape).in, 270);
  EXPECT_EQ(fan_of(kShape).out, 360);
  try {
    (void)fan_of(Shape{3});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "fan_of: a weight must have rank 2 or more (out, in, kernel...), got shape (3,)");
  }
}

TEST(Init, EmptyWeights) {
  Generator g(1);
  EXPECT_EQ(xavier_uniform<float>(Shape{0, 0}, g).size(), 0);
  EXPECT_EQ(kaiming_normal<float>(Shape{3, 0}, g).size(), 0);
}

}  // namespace
}  // namespace lamina::nn
