#include "lamina/nn/loss_elementwise.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "lamina/core/simd.hpp"
#include "nn/loss_cases.hpp"

namespace lamina::nn {
namespace {

using test::Arguments;
using test::LossCase;
using test::Real;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

template <class T>
class ElementwiseLoss : public testing::Test {
 protected:
  // Results are of the order of 1 to 10 and made of a handful of operations of 1 to 3 ULP each,
  // some of which cancel.
  static constexpr double kTolerance = sizeof(T) == 4 ? 3e-6 : 6e-15;
};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(ElementwiseLoss, RealTypes);

template <class T>
void expect_near(T actual, Real expected, double tolerance, const std::string& where) {
  const double scale = std::max(1.0, std::abs(static_cast<double>(expected)));
  EXPECT_NEAR(static_cast<double>(actual), static_cast<double>(expected), tolerance * scale)
      << where;
}

TEST(LossTable, EveryLossHasACase) {
  std::set<Loss> tested;
  for (const LossCase& c : test::loss_cases()) {
    tested.insert(c.kind);
  }
  EXPECT_EQ(tested.size(), kLossTable.size());
}

TYPED_TEST(ElementwiseLoss, AgreesWithTheDefinitionOnEveryTargetAndLength) {
  using T = TypeParam;
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    for (const LossCase& c : test::loss_cases()) {
      for (const Index n : {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 511, 513}) {
        const Arguments<T> x = test::arguments<T>(c, Shape{n}, static_cast<unsigned>(n));
        const std::vector<Real> expected = test::expected_losses(c, x);
        const std::string where =
            c.name() + " " + std::string(simd::to_string(target)) + " n " + std::to_string(n);
        const Array<T> each = elementwise_loss(c.kind, x.t, x.p, ReductionMode::None, x.options(c));
        ASSERT_EQ(each.shape(), Shape{n});
        Real sum = 0;
        for (Index i = 0; i < n; ++i) {
          const Real loss = expected[static_cast<std::size_t>(i)];
          expect_near(each(i), loss, this->kTolerance, where);
          sum += loss;
        }
        const Array<T> total = elementwise_loss(c.kind, x.t, x.p, ReductionMode::Sum, x.options(c));
        const Array<T> mean = elementwise_loss(c.kind, x.t, x.p, ReductionMode::Mean, x.options(c));
        ASSERT_EQ(mean.shape(), Shape{});
        expect_near(total.item(), sum, this->kTolerance, where);
        expect_near(mean.item(), n == 0 ? 0 : sum / static_cast<Real>(n), this->kTolerance, where);
      }
    }
  }
  simd::reset();
}

/// The derivative of the definition along argument 0, 1 or 2 of (t, p, v).
Real numeric_slope(const LossCase& c, std::array<Real, 3> at, std::size_t argument) {
  const Real h = 1e-6L;
  std::array<Real, 3> above = at;
  std::array<Real, 3> below = at;
  above[argument] += h;
  below[argument] -= h;
  return (c.loss(above[0], above[1], above[2], c.a, c.b) -
          c.loss(below[0], below[1], below[2], c.a, c.b)) /
         (2 * h);
}

TYPED_TEST(ElementwiseLoss, GradientsAgreeWithDifferencesOfTheDefinition) {
  using T = TypeParam;
  const double tolerance = sizeof(T) == 4 ? 2e-5 : 1e-7;
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    for (const LossCase& c : test::loss_cases()) {
      const Index n = 43;
      const Arguments<T> x = test::arguments<T>(c, Shape{n}, 7);
      const Array<T> dy = Array<T>::full(Shape{n}, T{2});
      const auto o = x.options(c);
      std::vector<Array<T>> gradients{
          elementwise_loss_backward_true(c.kind, dy, x.t, x.p, ReductionMode::None, o),
          elementwise_loss_backward(c.kind, dy, x.t, x.p, ReductionMode::None, o)};
      if (c.has_third()) {
        gradients.push_back(
            elementwise_loss_backward_third(c.kind, dy, x.t, x.p, ReductionMode::None, o));
      }
      for (std::size_t argument = 0; argument < gradients.size(); ++argument) {
        for (Index i = 0; i < n; ++i) {
          const std::array<Real, 3> at{x.t(i), x.p(i), x.v(i)};
          const Real slope = numeric_slope(c, at, argument);
          expect_near(gradients[argument](i), 2 * slope, tolerance,
                      c.name() + " " + std::string(simd::to_string(target)) + " argument " +
                          std::to_string(argument) + " element " + std::to_string(i));
        }
      }
    }
  }
  simd::reset();
}

TYPED_TEST(ElementwiseLoss, ReductionsScaleTheGradient) {
  using T = TypeParam;
  const Array<T> dy = Array<T>::scalar(3);
  for (const LossCase& c : test::loss_cases()) {
    const Arguments<T> x = test::arguments<T>(c, Shape{4, 8});
    const auto o = x.options(c);
    const Array<T> sum = elementwise_loss_backward(c.kind, dy, x.t, x.p, ReductionMode::Sum, o);
    const Array<T> mean = elementwise_loss_backward(c.kind, dy, x.t, x.p, ReductionMode::Mean, o);
    const Array<T> each = elementwise_loss_backward(c.kind, Array<T>::full(Shape{4, 8}, 3), x.t,
                                                    x.p, ReductionMode::None, o);
    EXPECT_TRUE(sum == each) << c.name();
    for (Index i = 0; i < mean.size(); ++i) {
      EXPECT_EQ(mean.data()[i] * 32, sum.data()[i]) << c.name();  // exact: 32 is a power of 2
    }
  }
}

TYPED_TEST(ElementwiseLoss, WeightsMultiplyLossAndGradient) {
  using T = TypeParam;
  const Array<T> w{{1, 2, 0, 0.5F}};
  for (const LossCase& c : test::loss_cases()) {
    const Arguments<T> x = test::arguments<T>(c, Shape{5, 4});
    LossOptions<T> o = x.options(c);
    const Array<T> dy = Array<T>::ones(Shape{5, 4});
    const Array<T> plain = elementwise_loss(c.kind, x.t, x.p, ReductionMode::None, o);
    const Array<T> plain_dx =
        elementwise_loss_backward(c.kind, dy, x.t, x.p, ReductionMode::None, o);
    o.weight = w;
    const Array<T> weighted = elementwise_loss(c.kind, x.t, x.p, ReductionMode::None, o);
    const Array<T> dx = elementwise_loss_backward(c.kind, dy, x.t, x.p, ReductionMode::None, o);
    double sum = 0;
    for (Index i = 0; i < 5; ++i) {
      for (Index j = 0; j < 4; ++j) {
        EXPECT_EQ(weighted(i, j), plain(i, j) * w(0, j)) << c.name();
        EXPECT_EQ(dx(i, j), plain_dx(i, j) * w(0, j)) << c.name();
        sum += static_cast<double>(weighted(i, j));
      }
    }
    expect_near(elementwise_loss(c.kind, x.t, x.p, ReductionMode::Mean, o).item(), sum / 20,
                20 * std::numeric_limits<T>::epsilon(), c.name());
  }
}

TYPED_TEST(ElementwiseLoss, NaNReachesEveryResultFromEveryPosition) {
  using T = TypeParam;
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    for (const LossCase& c : test::loss_cases()) {
      for (const Index n : {1, 3, 17, 35}) {
        for (Index at = 0; at < n; ++at) {
          for (int argument = 0; argument < (c.has_third() ? 3 : 2); ++argument) {
            Arguments<T> x = test::arguments<T>(c, Shape{n});
            (argument == 0 ? x.t : argument == 1 ? x.p : x.v)(at) = static_cast<T>(kNan);
            const Array<T> loss =
                elementwise_loss(c.kind, x.t, x.p, ReductionMode::None, x.options(c));
            for (Index i = 0; i < n; ++i) {
              EXPECT_EQ(std::isnan(loss(i)), i == at)
                  << c.name() << " argument " << argument << " of " << n << " at " << at;
            }
            EXPECT_TRUE(std::isnan(
                elementwise_loss(c.kind, x.t, x.p, ReductionMode::Mean, x.options(c)).item()));
          }
        }
      }
    }
  }
  simd::reset();
}

// The gradients of t, p and v are NaN where a NaN takes part in them. A gradient that does not
// depend on the argument that is NaN, as that of a linear loss, need not be.
TYPED_TEST(ElementwiseLoss, NaNReachesTheGradientOfItsOwnPosition) {
  using T = TypeParam;
  for (const LossCase& c : test::loss_cases()) {
    for (int argument = 0; argument < (c.has_third() ? 3 : 2); ++argument) {
      Arguments<T> x = test::arguments<T>(c, Shape{5});
      (argument == 0 ? x.t : argument == 1 ? x.p : x.v)(2) = static_cast<T>(kNan);
      const auto o = x.options(c);
      const Array<T> dy = Array<T>::ones(Shape{5});
      const Array<T> d =
          argument == 0
              ? elementwise_loss_backward_true(c.kind, dy, x.t, x.p, ReductionMode::None, o)
          : argument == 1
              ? elementwise_loss_backward(c.kind, dy, x.t, x.p, ReductionMode::None, o)
              : elementwise_loss_backward_third(c.kind, dy, x.t, x.p, ReductionMode::None, o);
      for (Index i = 0; i < 5; ++i) {
        EXPECT_EQ(std::isnan(d(i)), i == 2) << c.name() << " argument " << argument;
      }
    }
  }
}

}  // namespace
}  // namespace lamina::nn
