#include "lamina/nn/loss_multilabel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "lamina/core/simd.hpp"
#include "lamina/nn/loss_binary.hpp"

namespace lamina::nn {
namespace {

using Real = long double;
using Labels = std::vector<std::int64_t>;

template <class T>
Array<T> random_array(const Shape& shape, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(-2, 2);
  Array<T> x(shape);
  for (T& value : x) {
    value = static_cast<T>(uniform(random));
  }
  return x;
}

template <class T>
Real multi_margin(const View<T>& x, std::int64_t label, int p, Real margin, Real weight) {
  Real sum = 0;
  for (Index c = 0; c < x.size(); ++c) {
    if (c != label) {
      sum += std::pow(
          std::max<Real>(0, margin - static_cast<Real>(x(label)) + static_cast<Real>(x(c))), p);
    }
  }
  return weight * sum / static_cast<Real>(x.size());
}
template <class T>
Real multi_label(const View<T>& x, const Labels& row) {
  const Labels labels(row.begin(), std::find(row.begin(), row.end(), -1));
  Real sum = 0;
  for (const std::int64_t label : labels) {
    for (Index c = 0; c < x.size(); ++c) {
      if (std::find(labels.begin(), labels.end(), c) == labels.end()) {
        sum += std::max<Real>(0, 1 - static_cast<Real>(x(label)) + static_cast<Real>(x(c)));
      }
    }
  }
  return sum / static_cast<Real>(x.size());
}

template <class T>
class MultiLabelLoss : public testing::Test {
 protected:
  static constexpr double kTolerance = sizeof(T) == 4 ? 2e-6 : 1e-14;
};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(MultiLabelLoss, RealTypes);

/// Checks values, reductions, layouts and, in double, gradients of a loss of rows of x.
template <class T>
void check_rows(
    const std::string& where, const Array<T>& x, double tolerance,
    const std::function<Real(const View<T>& row, Index r)>& expected,
    const std::function<Array<T>(const View<T>&, ReductionMode)>& loss,
    const std::function<Array<T>(const View<T>&, const View<T>&, ReductionMode)>& back) {
  const Index rows = x.extent(0);
  const Array<T> each = loss(x, ReductionMode::None);
  ASSERT_EQ(each.shape(), Shape{rows}) << where;
  Real sum = 0;
  for (Index r = 0; r < rows; ++r) {
    const Real value = expected(x.row(r), r);
    EXPECT_NEAR(static_cast<double>(each(r)), static_cast<double>(value),
                tolerance * std::max(1.0, static_cast<double>(value)))
        << where << " row " << r;
    sum += value;
  }
  const double scale = tolerance * std::max(1.0, static_cast<double>(sum));
  EXPECT_NEAR(static_cast<double>(loss(x, ReductionMode::Sum).item()), static_cast<double>(sum),
              scale);
  EXPECT_NEAR(static_cast<double>(loss(x, ReductionMode::Mean).item()),
              static_cast<double>(sum) / static_cast<double>(rows), scale);
  const Array<T> transposed = x.t().copy();
  EXPECT_TRUE(loss(transposed.t(), ReductionMode::None) == each) << where;

  Array<T> dy(Shape{rows});
  for (Index r = 0; r < rows; ++r) {
    dy(r) = static_cast<T>(r + 1);
  }
  const Array<T> dx = back(dy, x, ReductionMode::None);
  ASSERT_EQ(dx.shape(), x.shape());
  EXPECT_TRUE(back(dy, transposed.t(), ReductionMode::None) == dx) << where;
  const Array<T> of_mean = back(Array<T>::scalar(static_cast<T>(2 * rows)), x, ReductionMode::Mean);
  const Array<T> of_sum = back(Array<T>::scalar(2), x, ReductionMode::Sum);
  EXPECT_TRUE(allclose(of_mean, of_sum, tolerance, tolerance)) << where;
  for (Index i = 0; i < x.size() && sizeof(T) == 8; ++i) {
    const Index r = i / x.extent(1);
    Array<T> above = x;
    Array<T> below = x;
    above.data()[i] += static_cast<T>(1e-7);
    below.data()[i] -= static_cast<T>(1e-7);
    const Real step = static_cast<Real>(above.data()[i]) - static_cast<Real>(below.data()[i]);
    const auto slope =
        static_cast<double>((expected(above.row(r), r) - expected(below.row(r), r)) / step);
    EXPECT_NEAR(static_cast<double>(dx.data()[i]), static_cast<double>(dy(r)) * slope,
                1e-7 * std::max(1.0, std::abs(slope)))
        << where << " element " << i;
  }
}

TYPED_TEST(MultiLabelLoss, MultiMargin) {
  using T = TypeParam;
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    for (const Index classes : {1, 2, 5, 8, 17, 33}) {
      const Array<T> x = random_array<T>(Shape{4, classes}, 1);
      const Array<std::int64_t> y{0, classes - 1, classes / 2, 0};
      Array<T> w(Shape{classes});
      for (Index c = 0; c < classes; ++c) {
        w(c) = static_cast<T>(0.5 + 0.5 * static_cast<double>(c % 3));
      }
      for (const int p : {1, 2}) {
        for (const bool weighted : {false, true}) {
          MultiMarginOptions<T> o{p, 0.7};
          if (weighted) {
            o.weight = w;
          }
          check_rows<T>(
              std::string(simd::to_string(target)) + " classes " + std::to_string(classes), x,
              4 * this->kTolerance,
              [&](const View<T>& row, Index r) {
                return multi_margin(row, y(r), p, 0.7, weighted ? static_cast<Real>(w(y(r))) : 1);
              },
              [&](const View<T>& v, ReductionMode mode) {
                return multi_margin_loss(y, v, mode, o);
              },
              [&](const View<T>& dy, const View<T>& v, ReductionMode mode) {
                return multi_margin_loss_backward<T>(dy, y, v, mode, o);
              });
        }
      }
    }
  }
  simd::reset();
}

TYPED_TEST(MultiLabelLoss, MultiLabelMargin) {
  using T = TypeParam;
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    for (const Index classes : {3, 8, 17, 33}) {
      const Array<T> x = random_array<T>(Shape{4, classes}, 2);
      Array<std::int64_t> y = Array<std::int64_t>::full(Shape{4, classes}, -1);
      y(0, 0) = classes - 1;
      y(1, 0) = 0;
      y(1, 1) = classes - 1;
      y(1, 2) = 1;
      y(2, 1) = 999;  // behind the end: not looked at
      for (Index c = 0; c < classes; ++c) {
        y(3, c) = c;  // all are labels: no loss
      }
      check_rows<T>(
          std::string(simd::to_string(target)) + " classes " + std::to_string(classes), x,
          4 * this->kTolerance,
          [&](const View<T>& row, Index r) { return multi_label(row, y.row(r).to_vector()); },
          [&](const View<T>& v, ReductionMode mode) { return multi_label_margin_loss(y, v, mode); },
          [&](const View<T>& dy, const View<T>& v, ReductionMode mode) {
            return multi_label_margin_loss_backward<T>(dy, y, v, mode);
          });
    }
  }
  simd::reset();
}

TYPED_TEST(MultiLabelLoss, SoftMarginIsBinaryCrossEntropyByRow) {
  using T = TypeParam;
  for (const Index classes : {1, 5, 600}) {
    const Array<T> x = random_array<T>(Shape{3, classes}, 3);
    Array<T> y = random_array<T>(Shape{3, classes}, 4);
    for (T& value : y) {
      value = value > 0 ? T{1} : T{0};
    }
    Array<T> w(Shape{classes});
    for (Index c = 0; c < classes; ++c) {
      w(c) = static_cast<T>(0.5 + 0.5 * static_cast<double>(c % 3));
    }
    for (const View<T>& weight : {View<T>(), View<T>(w.data(), w.shape())}) {
      const Array<T> bce = bce_with_logits(y, x, ReductionMode::None, {.weight = weight});
      const Array<T> each = multi_label_soft_margin_loss(y, x, ReductionMode::None, weight);
      for (Index r = 0; r < 3; ++r) {
        double sum = 0;
        for (const T value : bce.row(r)) {
          sum += static_cast<double>(value);
        }
        EXPECT_NEAR(static_cast<double>(each(r)), sum / static_cast<double>(classes),
                    4 * this->kTolerance);
      }
      EXPECT_NEAR(static_cast<double>(
                      multi_label_soft_margin_loss(y, x, ReductionMode::Mean, weight).item()),
                  static_cast<double>(
                      bce_with_logits(y, x, ReductionMode::Mean, {.weight = weight}).item()),
                  4 * this->kTolerance);
      const Array<T> dy = Array<T>::scalar(3);
      EXPECT_TRUE(
          allclose(multi_label_soft_margin_loss_backward<T>(dy, y, x, ReductionMode::Mean, weight),
                   bce_with_logits_backward<T>(dy, y, x, ReductionMode::Mean, {.weight = weight}),
                   4 * this->kTolerance, 0));
      const Array<T> by_row = multi_label_soft_margin_loss_backward<T>(Array<T>{1, 2, 4}, y, x,
                                                                       ReductionMode::None, weight);
      const Array<T> sum = multi_label_soft_margin_loss_backward<T>(Array<T>::scalar(4), y, x,
                                                                    ReductionMode::Sum, weight);
      EXPECT_TRUE(by_row.row(2) == sum.row(2));
    }
  }
}

TYPED_TEST(MultiLabelLoss, NaNReachesTheRow) {
  using T = TypeParam;
  for (Index at = 0; at < 9; ++at) {
    Array<T> x = random_array<T>(Shape{2, 9}, 3);
    x(1, at) = std::numeric_limits<T>::quiet_NaN();
    Array<std::int64_t> labels = Array<std::int64_t>::full(Shape{2, 9}, -1);
    labels(0, 0) = 3;
    labels(1, 0) = 4;
    const Array<std::int64_t> y{3, 4};
    const Array<T> a = multi_margin_loss(y, x, ReductionMode::None);
    const Array<T> b = multi_label_margin_loss(labels, x, ReductionMode::None);
    EXPECT_FALSE(std::isnan(a(0)) || std::isnan(b(0)));
    EXPECT_TRUE(std::isnan(a(1)) && std::isnan(b(1))) << at;
  }
}

TEST(MultiLabelErrors, AreNamed) {
  const Array<float> x(Shape{2, 3});
  const Array<float> two(Shape{2});
  const Array<std::int64_t> good{0, 2};
  const auto expect = [](ErrorKind kind, const std::string& message,
                         const std::function<void()>& call) {
    try {
      call();
      ADD_FAILURE() << "no error; expected: " << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.what(), message);
      EXPECT_EQ(to_string(error.kind()), to_string(kind));
    }
  };
  const ErrorKind shape = ErrorKind::DimensionMismatch;
  const ErrorKind argument = ErrorKind::InvalidOperation;
  const auto mean = ReductionMode::Mean;
  expect(ErrorKind::IndexOutOfBounds,
         "multi_margin_loss: label 3 at row 1 is out of range for 3 classes", [&] {
           (void)multi_margin_loss(Array<std::int64_t>{0, 3}, x);
         });
  expect(argument, "multi_margin_loss: p must be 1 or 2, got 3",
         [&] { (void)multi_margin_loss(good, x, mean, {.p = 3}); });
  expect(shape, "multi_margin_loss: weight must have shape (3,), got (2,)",
         [&] { (void)multi_margin_loss(good, x, mean, {.weight = two}); });
  expect(shape, "multi_margin_loss: y_true must have shape (2,) for scores (2, 3), got (3,)",
         [&] { (void)multi_margin_loss(Array<std::int64_t>(Shape{3}), x); });
  expect(shape,
         "multi_label_margin_loss: y_true and x must have the same shape, got (2,) and (2, 3)",
         [&] { (void)multi_label_margin_loss(good, x); });
  expect(ErrorKind::IndexOutOfBounds,
         "multi_label_margin_loss: label 3 in row 0 is out of range for 3 classes", [&] {
           (void)multi_label_margin_loss(Array<std::int64_t>{{3, -1, 0}, {0, 1, 2}}, x);
         });
  expect(argument, "multi_label_margin_loss: label 1 stands twice in row 1", [&] {
    (void)multi_label_margin_loss(Array<std::int64_t>{{1, -1, 0}, {1, 0, 1}}, x);
  });
  expect(shape, "multi_label_soft_margin_loss: weight must have shape (3,), got (2,)",
         [&] { (void)multi_label_soft_margin_loss(x, x, mean, two); });
  expect(shape,
         "multi_label_soft_margin_loss: y_true and logits must have the same shape, got (2,) and "
         "(2, 3)",
         [&] { (void)multi_label_soft_margin_loss(two, x); });
  expect(shape, "multi_margin_loss: x must have shape (..., classes), got ()",
         [&] { (void)multi_margin_loss(good, Array<float>::scalar(1)); });
}

}  // namespace
}  // namespace lamina::nn
