// prelu and the gated units: values, gradients, layouts, errors.

#include "lamina/nn/gated.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "lamina/core/simd.hpp"
#include "lamina/nn/prelu.hpp"

namespace lamina::nn {
namespace {

template <class T>
Array<T> wavy(const Shape& shape, double start = 0) {
  Array<T> x(shape);
  Index i = 0;
  for (T& value : x) value = static_cast<T>(3 * std::sin(start + 0.7 * static_cast<double>(i++)));
  return x;
}

template <class T>
class Gated : public testing::Test {
 protected:
  void TearDown() override { simd::reset(); }
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Gated, Types);

TYPED_TEST(Gated, PreluOnEveryTargetAndLayout) {
  using T = TypeParam;
  const Array<T> base = wavy<T>({5, 4, 3, 2});
  const Array<T> dy = wavy<T>({2, 3, 4, 5}, 1);
  const Array<T> slope{T(0.1), T(-0.5), T(2)};
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    const View<T> x = base.t();  // (2, 3, 4, 5)
    const Array<T> y = prelu(x, slope);
    const Array<T> dx = prelu_backward_input(dy, x, slope);
    Array<double> sums(Shape{3});
    for (Index n = 0; n < 2; ++n) {
      for (Index c = 0; c < 3; ++c) {
        for (Index h = 0; h < 4; ++h) {
          for (Index w = 0; w < 5; ++w) {
            const T v = x(n, c, h, w);
            ASSERT_EQ(y(n, c, h, w), v > 0 ? v : slope(c) * v);
            ASSERT_EQ(dx(n, c, h, w), v > 0 ? dy(n, c, h, w) : slope(c) * dy(n, c, h, w));
            if (!(v > 0)) sums(c) += static_cast<double>(v) * static_cast<double>(dy(n, c, h, w));
          }
        }
      }
    }
    const Array<T> dslope = prelu_backward_slope(dy, x, slope);
    ASSERT_EQ(dslope.shape(), slope.shape());
    for (Index c = 0; c < 3; ++c) {
      EXPECT_NEAR(dslope(c), sums(c), 40 * std::numeric_limits<T>::epsilon());
    }
    EXPECT_NEAR(prelu_backward_slope(dy, x, Array<T>::scalar(T(0.25))).item(),
                sums(0) + sums(1) + sums(2), 100 * std::numeric_limits<T>::epsilon());
  }
}

TYPED_TEST(Gated, PreluWithOneSlope) {
  using T = TypeParam;
  const Array<T> x{-2, -1, 0, 1, 2};
  const Array<T> expected{-1, T(-0.5), 0, 1, 2};
  EXPECT_EQ(prelu(x, Array<T>::scalar(T(0.5))), expected);
  EXPECT_EQ(prelu(x, Array<T>{T(0.5)}), expected);
  Array<T> own = x;
  prelu_into(own, Array<T>{T(0.5)}, own);
  EXPECT_EQ(own, expected);
  const Array<T> matrix{{-1, -1}, {3, -2}};
  EXPECT_EQ(prelu(matrix, Array<T>{2, 3}), (Array<T>{{-2, -3}, {3, -6}}));
  EXPECT_EQ(prelu_backward_slope(matrix, matrix, Array<T>{2, 3}), (Array<T>{1, 5}));
  EXPECT_EQ(prelu_backward_slope(matrix, matrix, Array<T>{2}), (Array<T>{6}));
  // Of rank 2 and more as it broadcasts: each row, each column, each element.
  EXPECT_EQ(prelu(matrix, Array<T>{{2}, {3}}), (Array<T>{{-2, -2}, {3, -6}}));
  EXPECT_EQ(prelu(matrix, Array<T>{{2, 3}}), prelu(matrix, Array<T>{2, 3}));
  EXPECT_EQ(prelu(matrix, Array<T>{{2, 3}, {4, 5}}), (Array<T>{{-2, -3}, {3, -10}}));
  EXPECT_EQ(prelu_backward_slope(matrix, matrix, Array<T>{{2}, {3}}), (Array<T>{{2}, {4}}));
  EXPECT_EQ(prelu_backward_slope(matrix, matrix, Array<T>{{2, 3}}), (Array<T>{{1, 5}}));
  EXPECT_EQ(prelu_backward_slope(matrix, matrix, Array<T>{{2, 3}, {4, 5}}),
            (Array<T>{{1, 1}, {0, 4}}));
  EXPECT_EQ(prelu_backward_slope(matrix, matrix, Array<T>{{2}}), (Array<T>{{6}}));
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const Array<T> with_nan{nan, 1};
  EXPECT_TRUE(std::isnan(prelu(with_nan, Array<T>{0})(0)));
  EXPECT_TRUE(std::isnan(prelu_backward_input(x.slice(0, 2), with_nan, Array<T>{0})(0)));
  EXPECT_EQ(prelu(Array<T>(Shape{0, 3}), Array<T>{1, 2, 3}).shape(), (Shape{0, 3}));
  EXPECT_EQ(prelu_backward_slope(Array<T>(Shape{0, 3}), Array<T>(Shape{0, 3}), Array<T>{1, 2, 3}),
            (Array<T>{0, 0, 0}));
}

TYPED_TEST(Gated, ProductsOfTheActivation) {
  using T = TypeParam;
  const Array<T> value = wavy<T>({7, 190}, 1);
  const Array<T> gate = wavy<T>({7, 190}, 2);
  const Array<T> dy = wavy<T>({7, 190}, 3);
  for (const Activation kind : {Activation::Sigmoid, Activation::Silu, Activation::Gelu,
                                Activation::Relu, Activation::Identity}) {
    const Array<T> f = activation(gate, kind);
    const Array<T> slope = activation_backward(Array<T>::ones(gate.shape()), gate, kind);
    const Array<T> y = gated_activation(value, gate, kind);
    const Array<T> dgate = gated_activation_backward_gate(dy, value, gate, kind);
    for (Index i = 0; i < 7; ++i) {
      for (Index j = 0; j < 190; ++j) {
        ASSERT_EQ(y(i, j), value(i, j) * f(i, j));
        // The order of the products differs by a rounding.
        ASSERT_NEAR(dgate(i, j), dy(i, j) * value(i, j) * slope(i, j),
                    16 * std::numeric_limits<T>::epsilon());
      }
    }
    EXPECT_EQ(gated_activation(value.t(), gate.t(), kind), y.t());
    Array<T> own = gate;
    gated_activation_into(value, own, own, kind);
    EXPECT_EQ(own, y);
    own = value;
    gated_activation_backward_gate_into(dy, own, gate, own, kind);
    EXPECT_EQ(own, dgate);
  }
}

TYPED_TEST(Gated, UnitsAlongEveryAxis) {
  using T = TypeParam;
  const Array<T> x = wavy<T>({4, 6, 10});
  for (const int axis : {0, 1, 2, -1, -3}) {
    const int along = axis < 0 ? axis + 3 : axis;
    const Index half = x.shape()[along] / 2;
    const View<T> a = x.slice(along, {0, half});
    const View<T> b = x.slice(along, {half, 2 * half});
    EXPECT_EQ(glu(x, axis), gated_activation(a, b, Activation::Sigmoid));
    EXPECT_EQ(swiglu(x, axis), gated_activation(a, b, Activation::Silu));
    EXPECT_EQ(geglu(x, axis), gated_activation(a, b, Activation::Gelu));
    EXPECT_EQ(geglu(x, axis, GeluApproximation::Tanh),
              gated_activation(a, b, Activation::GeluTanh));
    EXPECT_EQ(reglu(x, axis), gated_activation(a, b, Activation::Relu));
    const Array<T> dy = wavy<T>(a.shape(), 4);
    const Array<T> dx = swiglu_backward(dy, x, axis);
    EXPECT_EQ(dx.slice(along, {0, half}), gated_activation(dy, b, Activation::Silu));
    EXPECT_EQ(dx.slice(along, {half, 2 * half}),
              gated_activation_backward_gate(dy, a, b, Activation::Silu));
  }
}

TEST(GatedGradient, AgreesWithCentralDifferences) {
  const Array<double> x = wavy<double>({6, 8}, 0.3);
  const Array<double> dy = wavy<double>({6, 4}, 5);
  const double h = 2e-5;
  const auto loss = [&](const Array<double>& at, const auto& f) {
    const Array<double> y = f(at);
    double total = 0;
    for (Index i = 0; i < y.size(); ++i) total += y.data()[i] * dy.data()[i];
    return total;
  };
  const auto check = [&](const auto& f, const Array<double>& dx) {
    for (Index i = 0; i < x.size(); ++i) {
      Array<double> above = x;
      Array<double> below = x;
      above.data()[i] += h;
      below.data()[i] -= h;
      const double numeric = (loss(above, f) - loss(below, f)) / (2 * h);
      ASSERT_NEAR(dx.data()[i], numeric, 1e-7 * std::max(1.0, std::fabs(numeric)));
    }
  };
  check([](const Array<double>& a) { return glu(a); }, glu_backward(dy, x));
  check([](const Array<double>& a) { return swiglu(a); }, swiglu_backward(dy, x));
  check([](const Array<double>& a) { return geglu(a); }, geglu_backward(dy, x));
}

template <class F>
void expect_error(ErrorKind kind, const std::string& message, const F& f) {
  try {
    f();
    ADD_FAILURE() << "no error; expected: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << message;
    EXPECT_EQ(std::string(error.what()), message);
  }
}

TEST(GatedErrors, Messages) {
  Array<float> x(Shape{2, 3});
  const Array<float> y(Shape{3, 2});
  constexpr auto shape = ErrorKind::DimensionMismatch;
  constexpr auto operation = ErrorKind::InvalidOperation;
  expect_error(shape,
               "prelu: slope must be one number or one for each of 3 channels, got shape (2,); x "
               "(2, 3)",
               [&] {
                 (void)prelu(x, Array<float>{1, 2});
               });
  expect_error(shape, "prelu: slope of shape (3, 2) does not broadcast to x of shape (2, 3)",
               [&] { (void)prelu(x, y); });
  expect_error(shape, "prelu: slope is not defined", [&] { (void)prelu(x, View<float>()); });
  expect_error(shape, "prelu_backward_slope: dy has shape (3, 2), x has shape (2, 3)",
               [&] { (void)prelu_backward_slope(y, x, Array<float>{1}); });
  expect_error(operation, "prelu: out overlaps slope",
               [&] { prelu_into(y.t(), x.row(0), x.view()); });
  expect_error(shape,
               "gated_sigmoid_unit: x must have an even extent along axis -1, got 3; x (2, 3)",
               [&] { (void)glu(x); });
  expect_error(ErrorKind::IndexOutOfBounds, "gated_sigmoid_unit: axis 2 is out of range for rank 2",
               [&] { (void)glu(x, 2); });
  expect_error(shape, "gated_silu: value has shape (2, 3), gate has shape (3, 2)",
               [&] { (void)gated_activation(x, y, Activation::Silu); });
  expect_error(shape, "gated_silu_unit_backward: dy has shape (3, 2), half of x has shape (1, 3)",
               [&] { (void)swiglu_backward(y, x, 0); });
  expect_error(operation, "gated_relu_unit: out overlaps x",
               [&] { gated_unit_into(x, x.slice(0, 1), Activation::Relu, 0); });
}

}  // namespace
}  // namespace lamina::nn
