#include "lamina/nn/arithmetic.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "lamina/nn/operators.hpp"
#include "support/expect.hpp"
#include "support/layouts.hpp"
#include "support/numbers.hpp"

namespace lamina::nn {
namespace {

using test::uniform_numbers;

long double reference(BinaryOp op, long double a, long double b) {
  switch (op) {
    case BinaryOp::Add:
      return a + b;
    case BinaryOp::Sub:
      return a - b;
    case BinaryOp::Mul:
      return a * b;
    case BinaryOp::Div:
      return a / b;
    case BinaryOp::Pow:
      return std::pow(a, b);
    case BinaryOp::Maximum:
      return a > b ? a : b;
    case BinaryOp::Minimum:
      return a < b ? a : b;
  }
  return 0;
}

long double reference(UnaryOp op, long double x) {
  switch (op) {
    case UnaryOp::Neg:
      return -x;
    case UnaryOp::Abs:
      return std::abs(x);
    case UnaryOp::Sign:
      return x > 0 ? 1 : x < 0 ? -1 : 0;
    case UnaryOp::Sqrt:
      return std::sqrt(x);
    case UnaryOp::Square:
      return x * x;
    case UnaryOp::Reciprocal:
      return 1 / x;
    case UnaryOp::Log:
      return std::log(x);
    case UnaryOp::Log1p:
      return std::log1p(x);
    case UnaryOp::Expm1:
      return std::expm1(x);
  }
  return 0;
}

/// Correct rounding is half an ULP; the functions with an error of their own stay within 2.
template <class T>
void expect_close(T got, long double expected, bool exact) {
  const long double bound = std::abs(expected) *
                            static_cast<long double>(std::numeric_limits<T>::epsilon()) *
                            (exact ? 0.5L : 2.0L);
  ASSERT_LE(std::abs(static_cast<long double>(got) - expected), bound) << got << " " << expected;
}

template <class T>
class Arithmetic : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Arithmetic, Types);

TYPED_TEST(Arithmetic, OfTwoMatchesTheOracleAtEveryLengthAndTarget) {
  using T = TypeParam;
  test::for_each_target([] {
    for (const Index n : {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100}) {
      const Array<T> a = uniform_numbers<T>({n}, 1, 0.1, 4);
      const Array<T> b = uniform_numbers<T>({n}, 2, 0.1, 4);
      const T s = T(1.7);
      for (const BinaryRow& row : kBinaryTable) {
        const Array<T> y = binary(row.op, a, b);
        const Array<T> with_right = binary_scalar(row.op, a, s);
        const Array<T> with_left = scalar_binary<T>(row.op, s, b);
        const bool exact = row.op != BinaryOp::Pow;
        for (Index i = 0; i < n; ++i) {
          expect_close(y(i), reference(row.op, a(i), b(i)), exact);
          expect_close(with_right(i), reference(row.op, a(i), s), exact);
          expect_close(with_left(i), reference(row.op, s, b(i)), exact);
        }
      }
    }
  });
}

TYPED_TEST(Arithmetic, OfOneMatchesTheOracleAtEveryLengthAndTarget) {
  using T = TypeParam;
  test::for_each_target([] {
    for (const Index n : {0, 1, 3, 8, 9, 16, 17, 33, 64, 65, 100}) {
      for (const UnaryRow& row : kUnaryTable) {
        const bool positive = row.op == UnaryOp::Sqrt || row.op == UnaryOp::Log;
        const Array<T> x = uniform_numbers<T>({n}, 3, positive ? 0.01 : -0.9, 3);
        const Array<T> y = unary(row.op, x);
        const bool exact =
            row.op != UnaryOp::Log && row.op != UnaryOp::Log1p && row.op != UnaryOp::Expm1;
        for (Index i = 0; i < n; ++i) {
          expect_close(y(i), reference(row.op, x(i)), exact);
        }
      }
    }
  });
}

TYPED_TEST(Arithmetic, Broadcasts) {
  using T = TypeParam;
  const Shape shapes[] = {{}, {1}, {5}, {4, 1}, {4, 5}, {3, 1, 5}, {3, 4, 1}, {2, 3, 4, 5}};
  for (const Shape& shape_a : shapes) {
    for (const Shape& shape_b : shapes) {
      const Array<T> a = uniform_numbers<T>(shape_a, 4, 1, 2);
      const Array<T> b = uniform_numbers<T>(shape_b, 5, 1, 2);
      const Shape shape = broadcast_shapes(shape_a, shape_b, "test");
      const std::vector<T> as = a.broadcast_to(shape).to_vector();
      const std::vector<T> bs = b.broadcast_to(shape).to_vector();
      for (const BinaryRow& row : kBinaryTable) {
        const Array<T> y = binary(row.op, a, b);
        ASSERT_EQ(y.shape(), shape);
        for (std::size_t i = 0; i < as.size(); ++i) {
          expect_close(y.data()[i], reference(row.op, as[i], bs[i]), row.op != BinaryOp::Pow);
        }
      }
    }
  }
}

TYPED_TEST(Arithmetic, WorksInEveryLayoutAndInPlace) {
  using T = TypeParam;
  const Array<T> a = uniform_numbers<T>({3, 4, 70}, 6, 1, 2);
  const Array<T> b = uniform_numbers<T>({3, 4, 70}, 7, 1, 2);
  const Array<T> sum = add(a, b);
  const Array<T> roots = sqrt(a);
  for (auto& left : test::layouts_of<T>(a, T(1e30))) {
    for (auto& right : test::layouts_of<T>(b, T(1e30))) {
      EXPECT_EQ(add<T>(left.view, right.view), sum) << left.name << " " << right.name;
    }
    for (auto& to : test::empty_layouts<T>(a.shape(), T(7))) {
      add_into<T>(left.view, b, to.view);
      EXPECT_EQ(to.view, sum) << left.name << " to " << to.name;
      unary_into<T>(UnaryOp::Sqrt, left.view, to.view);
      EXPECT_EQ(to.view, roots) << left.name << " to " << to.name;
      to.view.fill(T(7));
      EXPECT_EQ(to.storage, Array<T>::full(to.storage.shape(), T(7)));
    }
    auto again = test::layouts_of<T>(a);
    for (auto& both : again) {
      add_into<T>(both.view, b, both.view);
      EXPECT_EQ(both.view, sum) << both.name;
      both.view.assign(b);
      add_into<T>(a, both.view, both.view);
      EXPECT_EQ(both.view, sum) << both.name;
      add_into<T>(both.view, both.view, both.view);
      EXPECT_EQ(both.view, mul(sum, T(2))) << both.name;
    }
  }
}

TYPED_TEST(Arithmetic, MaximumAndMinimumPropagateNaN) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  test::for_each_target([nan] {
    for (const Index n : {1, 5, 16, 19, 40}) {
      for (Index at = 0; at < n; ++at) {
        Array<T> a = uniform_numbers<T>({n}, 8);
        const Array<T> b = uniform_numbers<T>({n}, 9);
        a(at) = nan;
        for (const Array<T>& y : {maximum(a, b), maximum(b, a), minimum(a, b), minimum(b, a),
                                  maximum(a, T(1)), clamp(a, T(-1), T(1))}) {
          for (Index i = 0; i < n; ++i) {
            ASSERT_EQ(std::isnan(y(i)), i == at);
          }
        }
      }
    }
  });
}

TYPED_TEST(Arithmetic, FollowsIeee) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity();
  const T nan = std::numeric_limits<T>::quiet_NaN();
  test::for_each_target([&] {
    EXPECT_EQ(div(Array<T>{1, -1, 0}, Array<T>{0, 0, 5}), (Array<T>{inf, -inf, 0}));
    EXPECT_TRUE(std::isnan(div(Array<T>{0}, Array<T>{0})(0)));
    EXPECT_EQ(log(Array<T>{0, 1, inf}), (Array<T>{-inf, 0, inf}));
    EXPECT_TRUE(std::isnan(log(Array<T>{-1})(0)));
    EXPECT_TRUE(std::isnan(sqrt(Array<T>{-1})(0)));
    EXPECT_TRUE(std::signbit(sqrt(Array<T>{T(-0.0)})(0)));
    EXPECT_TRUE(std::signbit(neg(Array<T>{0})(0)));
    EXPECT_EQ(abs(Array<T>{-inf, T(-0.0)}), (Array<T>{inf, 0}));
    EXPECT_TRUE(std::isnan(sign(Array<T>{nan})(0)));
    EXPECT_EQ(pow(Array<T>{2, 0, nan}, T(0)), (Array<T>{1, 1, 1}));
    EXPECT_EQ(pow(Array<T>{-2, 3}, T(2)), (Array<T>{4, 9}));
    EXPECT_EQ(pow(Array<T>{-2, 4}, T(-1)), (Array<T>{T(-.5), T(.25)}));
    EXPECT_EQ(pow(T(2), Array<T>{3, -1}), (Array<T>{8, T(.5)}));
    EXPECT_EQ(clamp(Array<T>{-inf, -3, 0, 3, inf}, T(-1), T(1)), (Array<T>{-1, -1, 0, 1, 1}));
    EXPECT_EQ(clamp(Array<T>{-3, 3}, -inf, T(1)), (Array<T>{-3, 1}));
  });
}

TYPED_TEST(Arithmetic, HasOperators) {
  using T = TypeParam;
  Array<T> a{{1, 2}, {3, 4}};
  const Array<T> b{10, 20};
  EXPECT_EQ(a + b, (Array<T>{{11, 22}, {13, 24}}));
  EXPECT_EQ(b - a, (Array<T>{{9, 18}, {7, 16}}));
  EXPECT_EQ(a * 2, (Array<T>{{2, 4}, {6, 8}}));
  EXPECT_EQ(2 * a - 1, (Array<T>{{1, 3}, {5, 7}}));
  EXPECT_EQ(12 / a, (Array<T>{{12, 6}, {4, 3}}));
  EXPECT_EQ(1 + -a / T(2), (Array<T>{{T(.5), 0}, {T(-.5), -1}}));
  EXPECT_EQ(a.row(0) + a.t().row(1), (Array<T>{3, 6}));
  EXPECT_EQ(sub(1, b), (Array<T>{-9, -19}));
  (a += b) -= 1;
  EXPECT_EQ(a, (Array<T>{{10, 21}, {12, 23}}));
  a.row(1) *= b;
  a.row(0) /= 2;
  a.col(0) += T(1);
  EXPECT_EQ(a, (Array<T>{{6, T(10.5)}, {121, 460}}));
  a -= a;
  EXPECT_EQ(a, Array<T>::zeros({2, 2}));
}

TYPED_TEST(Arithmetic, IsTheSameOnAnyNumberOfThreads) {
  using T = TypeParam;
  const Array<T> a = uniform_numbers<T>({300, 500}, 10, 1, 2);
  const Array<T> b = uniform_numbers<T>({500}, 11, 1, 2);
  for (const BinaryRow& row : kBinaryTable) {
    test::expect_same_on_any_number_of_threads([&] { return binary(row.op, a, b); });
    test::expect_same_on_any_number_of_threads([&] { return binary_backward_b(row.op, a, a, b); });
  }
}

TYPED_TEST(Arithmetic, RefusesWhatMakesNoSense) {
  using T = TypeParam;
  using test::expect_error;
  Array<T> a(Shape{2, 3});
  Array<T> wrong(Shape{2, 2});
  expect_error(ErrorKind::DimensionMismatch, "add: shapes (2, 3) and (2, 2) do not broadcast",
               [&] { (void)add(a, wrong); });
  expect_error(ErrorKind::DimensionMismatch, "mul: b is not defined",
               [&] { (void)mul(a, View<T>()); });
  expect_error(ErrorKind::DimensionMismatch, "div: out (2, 2) should be (2, 3)",
               [&] { div_into(a, a, wrong); });
  expect_error(ErrorKind::DimensionMismatch, "sub: out (2, 3) should be (4, 2, 3)", [&] {
    a -= Array<T>(Shape{4, 2, 3});
  });
  expect_error(ErrorKind::DimensionMismatch, "sqrt: out (2, 2) should be (2, 3)",
               [&] { unary_into<T>(UnaryOp::Sqrt, a, wrong); });
  Array<T> line(Shape{9});
  EXPECT_THROW(add_into<T>(line.slice(0, 8), line.slice(0, 8), line.slice(1, 9)), Error);
  EXPECT_THROW(a += a.row(0), Error);  // would change b on the way
  expect_error(ErrorKind::InvalidOperation, "clamp: low must not be above high, got 2 and 1",
               [&] { (void)clamp(a, 2, 1); });
  expect_error(ErrorKind::InvalidOperation, "clamp: low must not be above high, got nan and 1",
               [&] { (void)clamp(a, std::numeric_limits<T>::quiet_NaN(), 1); });
  expect_error(ErrorKind::DimensionMismatch,
               "sum_to_shape: shape (3, 3) does not broadcast to that of x, (2, 3)", [&] {
                 (void)sum_to_shape(a, {3, 3});
               });
  expect_error(ErrorKind::DimensionMismatch, "mul_backward: dy (2, 2) should be (2, 3)",
               [&] { (void)mul_backward(wrong, a, a); });
}

// ---------------------------------------------------------------- gradients

/// Central differences of sum(w * function()) by every element of x.
template <class F>
void expect_gradient(Array<double>& x, const Array<double>& dx, const Array<double>& w,
                     const std::string& what, F&& function) {
  ASSERT_EQ(dx.shape(), x.shape()) << what;
  const auto loss = [&] {
    const Array<double> y = function();
    double total = 0;
    for (Index i = 0; i < y.size(); ++i) {
      total += w.data()[i] * y.data()[i];
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
    ASSERT_NEAR(dx.data()[i], expected, 1e-7 * (1 + std::abs(expected))) << what << " at " << i;
  }
}

TEST(ArithmeticGradient, OfTwoAgreesWithDifferences) {
  const Shape shapes[] = {{}, {3}, {2, 1}, {2, 3}, {4, 1, 3}};
  for (const Shape& shape_a : shapes) {
    for (const Shape& shape_b : shapes) {
      Array<double> a = uniform_numbers<double>(shape_a, 12, 0.5, 2);
      Array<double> b = uniform_numbers<double>(shape_b, 13, 0.5, 2);
      for (const BinaryRow& row : kBinaryTable) {
        const auto forward = [&] { return binary(row.op, a, b); };
        const Array<double> w = uniform_numbers<double>(forward().shape(), 14);
        const std::string what(row.name);
        expect_gradient(a, binary_backward_a(row.op, w, a, b), w, what + " a", forward);
        expect_gradient(b, binary_backward_b(row.op, w, a, b), w, what + " b", forward);
      }
    }
  }
}

TEST(ArithmeticGradient, OfOneAgreesWithDifferences) {
  for (const UnaryRow& row : kUnaryTable) {
    Array<double> x = uniform_numbers<double>({3, 5}, 15, 0.5, 2);
    if (row.op == UnaryOp::Abs || row.op == UnaryOp::Square) {
      x -= uniform_numbers<double>({3, 5}, 16, 1, 3);
    }
    const Array<double> y = unary(row.op, x);
    const Array<double> w = uniform_numbers<double>(x.shape(), 17);
    const Array<double>& saved = row.saved == Saved::Output ? y : x;
    expect_gradient(x, unary_backward(row.op, w, saved), w, std::string(row.name),
                    [&] { return unary(row.op, x); });
    Array<double> in_place = w;
    unary_backward_into(row.op, in_place, saved, in_place);
    EXPECT_EQ(in_place, unary_backward(row.op, w, saved));
  }
  Array<double> x = uniform_numbers<double>({40}, 18, -2, 2);
  const Array<double> w = uniform_numbers<double>({40}, 19);
  expect_gradient(x, clamp_backward(w, x, -1, 1), w, "clamp", [&] { return clamp(x, -1, 1); });
}

TYPED_TEST(Arithmetic, GradientsHaveTheirNamesAndEdges) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const Array<T> dy{{1, 2}, {3, 4}};
  EXPECT_EQ(sum_to_shape(dy, {2}), (Array<T>{4, 6}));
  EXPECT_EQ(sum_to_shape(dy, {2, 1}), (Array<T>{{3}, {7}}));
  EXPECT_EQ(sum_to_shape(dy, {}), Array<T>::scalar(10));
  EXPECT_EQ(sum_to_shape(dy, {2, 2}), dy);
  const auto plus = add_backward(dy, {2, 2}, {2});
  EXPECT_EQ(plus.da, dy);
  EXPECT_EQ(plus.db, (Array<T>{4, 6}));
  EXPECT_EQ(sub_backward(dy, {2, 2}, {1}).db, (Array<T>{-10}));
  EXPECT_EQ(mul_backward(dy, dy, Array<T>{1, 10}).db, (Array<T>{10, 20}));
  EXPECT_EQ(div_backward(Array<T>{1}, Array<T>{6}, Array<T>{2}).db, (Array<T>{T(-1.5)}));
  const Array<T> ones{1, 1, 1, 1};
  const Array<T> a{1, 2, 3, nan};
  const Array<T> b{2, 2, 2, 2};
  EXPECT_EQ(maximum_backward(ones, a, b).da, (Array<T>{0, T(.5), 1, 0}));
  EXPECT_EQ(maximum_backward(ones, a, b).db, (Array<T>{1, T(.5), 0, 0}));
  EXPECT_EQ(minimum_backward(ones, a, b).da, (Array<T>{1, T(.5), 0, 0}));
  EXPECT_EQ(minimum_backward(ones, a, b).db, (Array<T>{0, T(.5), 1, 0}));
  const Array<T> zero{0};
  const Array<T> one{1};
  EXPECT_EQ(pow_backward(one, zero, zero).da, zero);
  EXPECT_EQ(pow_backward(one, zero, one).db, zero);
  EXPECT_EQ(pow_backward(one, Array<T>{-3}, Array<T>{2}).da, Array<T>{-6});
  EXPECT_EQ(abs_backward(ones, Array<T>{-1, 0, 2, 3}), (Array<T>{-1, 0, 1, 1}));
  EXPECT_EQ(square_backward(one, Array<T>{3}), Array<T>{6});
  EXPECT_EQ(sqrt_backward(one, Array<T>{2}), Array<T>{T(.25)});
  EXPECT_EQ(reciprocal_backward(one, Array<T>{2}), Array<T>{-4});
  EXPECT_EQ(log_backward(one, Array<T>{2}), Array<T>{T(.5)});
  EXPECT_EQ(log1p_backward(one, Array<T>{1}), Array<T>{T(.5)});
  EXPECT_EQ(expm1_backward(one, Array<T>{1}), Array<T>{2});
  EXPECT_EQ(clamp_backward(ones, Array<T>{-1, 0, 1, 2}, 0, 1), (Array<T>{0, 1, 1, 0}));
}

}  // namespace
}  // namespace lamina::nn
