#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "lamina/nn/reduction.hpp"
#include "support/expect.hpp"
#include "support/layouts.hpp"
#include "support/numbers.hpp"

namespace lamina::nn {
namespace {

using test::uniform_numbers;

const Axes kAxes[] = {Axes{}, Axes{0}, Axes{1}, Axes{2}, Axes{0, 1}, Axes{0, 2}, Axes{1, 2}};

TEST(ReductionGradient, AgreesWithDifferences) {
  for (const ReductionInfo& member : kReductions) {
    for (const Axes& axes : kAxes) {
      for (const bool keepdims : {false, true}) {
        const ReduceOptions options{.axes = axes, .keepdims = keepdims, .ddof = 1};
        Array<double> x = uniform_numbers<double>({3, 4, 5}, 21);
        const Array<double> y = reduce(member.kind, x, options);
        const Array<double> w = uniform_numbers<double>(y.shape(), 22, 0.5, 1.5);
        const Array<double> dx = reduce_backward(member.kind, w, x.shape(), x, y, options);
        const auto loss = [&] {
          const Array<double> now = reduce(member.kind, x, options);
          double total = 0;
          for (Index i = 0; i < now.size(); ++i) {
            total += w.data()[i] * now.data()[i];
          }
          return total;
        };
        for (Index i = 0; i < x.size(); ++i) {
          const double kept = x.data()[i];
          const double h = 1e-5;
          x.data()[i] = kept + h;
          const double up = loss();
          x.data()[i] = kept - h;
          const double down = loss();
          x.data()[i] = kept;
          const double expected = (up - down) / (2 * h);
          ASSERT_NEAR(dx.data()[i], expected, 1e-7 * (1 + std::abs(expected)))
              << member.name << " over " << axes << " at " << i;
        }
      }
    }
  }
}

template <class T>
class ReductionBackward : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ReductionBackward, Types);

TYPED_TEST(ReductionBackward, HasItsNamedFunctions) {
  using T = TypeParam;
  const Array<T> x{{1, 2}, {3, 3}};
  const ReduceOptions rows{.axes = {1}};
  const Array<T> dy{1, 10};
  EXPECT_EQ(sum_backward(dy, x.shape(), rows), (Array<T>{{1, 1}, {10, 10}}));
  EXPECT_EQ(mean_backward(dy, x.shape(), rows), (Array<T>{{T(.5), T(.5)}, {5, 5}}));
  EXPECT_EQ(prod_backward(dy, x, rows), (Array<T>{{2, 1}, {30, 30}}));
  EXPECT_EQ(max_backward(dy, x, max(x, rows), rows), (Array<T>{{0, 1}, {5, 5}}));
  EXPECT_EQ(min_backward(dy, x, min(x, rows), rows), (Array<T>{{1, 0}, {5, 5}}));
  EXPECT_EQ(var_backward(dy, x, rows), (Array<T>{{T(-.5), T(.5)}, {0, 0}}));
  EXPECT_EQ(stddev_backward(dy, x, stddev(x, rows), rows), (Array<T>{{T(-.5), T(.5)}, {0, 0}}));
  EXPECT_EQ(norm_backward(dy, x, norm(x, Norm::L1, rows), Norm::L1, rows),
            (Array<T>{{1, 1}, {10, 10}}));
  EXPECT_EQ(norm_backward(Array<T>::scalar(5), Array<T>{3, -4}, Array<T>::scalar(5)),
            (Array<T>{3, -4}));
  EXPECT_EQ(norm_backward(dy, x, norm(x, Norm::Inf, rows), Norm::Inf, rows),
            (Array<T>{{0, 1}, {5, 5}}));
  const Array<T> share = logsumexp_backward(dy, x, logsumexp(x, rows), rows);
  EXPECT_NEAR(share(0, 1), 0.7310585786, 1e-6);
  EXPECT_NEAR(share(1, 1), 5, 1e-5);
}

TYPED_TEST(ReductionBackward, SurvivesZerosAndInfinities) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity();
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const Array<T> one = Array<T>::scalar(1);
  EXPECT_EQ(prod_backward(one, Array<T>{2, 0, 3}), (Array<T>{0, 6, 0}));
  EXPECT_EQ(prod_backward(one, Array<T>{0, 0, 3}), (Array<T>{0, 0, 0}));
  EXPECT_EQ(norm_backward(one, Array<T>{0, 0}, Array<T>::scalar(0)), (Array<T>{0, 0}));
  EXPECT_EQ(stddev_backward(one, Array<T>{4, 4}, Array<T>::scalar(0)), (Array<T>{0, 0}));
  EXPECT_EQ(norm_backward(one, Array<T>{0, -2}, Array<T>::scalar(2), Norm::L1), (Array<T>{0, -1}));
  EXPECT_EQ(logsumexp_backward(one, Array<T>{-inf, -inf}, Array<T>::scalar(-inf)),
            (Array<T>{0, 0}));
  EXPECT_EQ(logsumexp_backward(one, Array<T>{-inf, 2}, Array<T>::scalar(2)), (Array<T>{0, 1}));
  EXPECT_EQ(max_backward(one, Array<T>{1, nan}, Array<T>::scalar(nan)), (Array<T>{0, 0}));
}

TYPED_TEST(ReductionBackward, IsTheSameInEveryLayoutOnEveryTargetAndThreadCount) {
  using T = TypeParam;
  const Array<T> x = uniform_numbers<T>({5, 70, 90}, 23);
  for (const ReductionInfo& member : kReductions) {
    for (const Axes& axes : kAxes) {
      const ReduceOptions options{.axes = axes};
      const Array<T> y = reduce(member.kind, x, options);
      const Array<T> dy = uniform_numbers<T>(y.shape(), 24);
      const auto backward = [&] {
        return reduce_backward(member.kind, dy, x.shape(), x, y, options);
      };
      const Array<T> dx = backward();
      for (auto& from : test::layouts_of<T>(x)) {
        if (member.kind != Reduction::Var && member.kind != Reduction::Stddev) {
          ASSERT_EQ(reduce_backward<T>(member.kind, dy, x.shape(), from.view, y, options), dx)
              << member.name << " " << from.name;
        }
      }
      test::for_each_target(
          [&] { ASSERT_TRUE(allclose<T>(backward(), dx, 1e-4, 1e-6)) << member.name; });
      test::expect_same_on_any_number_of_threads(backward);
    }
  }
}

TYPED_TEST(ReductionBackward, RefusesWrongShapes) {
  using T = TypeParam;
  using test::expect_error;
  const Array<T> x = uniform_numbers<T>({2, 3}, 25);
  const Array<T> two(Shape{2});
  const ReduceOptions down{.axes = {0}};
  expect_error(ErrorKind::DimensionMismatch, "sum_backward: dy (2,) should be (3,)",
               [&] { (void)sum_backward(two, x.shape(), down); });
  expect_error(ErrorKind::DimensionMismatch, "max_backward: y (2,) should be (3,)",
               [&] { (void)max_backward(Array<T>(Shape{3}), x, two, down); });
  expect_error(ErrorKind::InvalidOperation, "max_backward: y is not defined",
               [&] { (void)max_backward(Array<T>(Shape{3}), x, {}, down); });
  expect_error(ErrorKind::DimensionMismatch, "var_backward: x (2,) should be (2, 3)", [&] {
    (void)reduce_backward<T>(Reduction::Var, Array<T>(Shape{3}), x.shape(), two, {}, down);
  });
  EXPECT_EQ(sum_backward(Array<T>(Shape{3}), {0, 3}, down).shape(), (Shape{0, 3}));
}

}  // namespace
}  // namespace lamina::nn
