#include "lamina/nn/linear.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "lamina/core/error.hpp"

namespace lamina::nn {
namespace {

template <class T>
Array<T> numbers(const Shape& shape, double phase) {
  Index i = 0;
  return Array<T>::from_shape_fn(
      shape, [&](const IndexList&) { return std::sin(phase + 1.7 * static_cast<double>(i++)); });
}

// Element `index` of x, where x broadcasts: missing leading axes and extents of 1 are index 0.
template <class T>
double element(const View<T>& x, const IndexList& index) {
  Index offset = 0;
  const int missing = index.rank() - x.rank();
  for (int axis = 0; axis < x.rank(); ++axis) {
    offset += x.shape()[axis] == 1 ? 0 : index[axis + missing] * x.strides()[axis];
  }
  return static_cast<double>(x.data()[offset]);
}

// a (..., M, K) b (..., K, N) by the definition.
template <class T>
void expect_product(const View<T>& a, const View<T>& b, const View<T>& c) {
  const double tolerance = static_cast<double>(std::numeric_limits<T>::epsilon()) *
                           static_cast<double>(a.extent(-1) + 2);
  const Array<double> flat = Array<double>::from_shape_fn(c.shape(), [&](const IndexList& at) {
    double sum = 0;
    for (Index k = 0; k < a.extent(-1); ++k) {
      IndexList in_a = at;
      IndexList in_b = at;
      in_a[at.rank() - 1] = k;
      in_b[at.rank() - 2] = k;
      sum += element(a, in_a) * element(b, in_b);
    }
    return sum;
  });
  EXPECT_TRUE(allclose(c.template astype<double>(), flat, 0, tolerance))
      << "a " << a.shape() << ", b " << b.shape();
}

template <class F>
void expect_error(ErrorKind kind, const std::string& message, F&& call) {
  try {
    call();
    FAIL() << "no error, expected: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind);
    EXPECT_EQ(std::string(error.what()), message);
  }
}

template <class T>
class LinearTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(LinearTest, Types);

TYPED_TEST(LinearTest, MatmulOfTheGuide) {
  using T = TypeParam;
  const Array<T> a{{1, 2}, {3, 4}};
  const Array<T> b{{5, 6}, {7, 8}};
  EXPECT_TRUE(matmul(a, b) == (Array<T>{{19, 22}, {43, 50}}));
}

TYPED_TEST(LinearTest, MatmulOfMatricesAndStridedViews) {
  using T = TypeParam;
  const Array<T> a = numbers<T>({9, 14}, 0);
  const Array<T> b = numbers<T>({14, 20}, 1);
  expect_product<T>(a, b, matmul(a, b));
  expect_product<T>(b.t(), a.t(), matmul(b.t(), a.t()));
  const View<T> sliced = b.slice(1, {.start = 17, .stop = 2, .step = -3});
  expect_product<T>(a, sliced, matmul(a, sliced));
  Array<T> wide = Array<T>::zeros({20, 9});
  matmul_into(a, b, wide.view().t());
  expect_product<T>(a, b, wide.view().t());
}

TYPED_TEST(LinearTest, MatmulBroadcastsLeadingAxes) {
  using T = TypeParam;
  const Shape shapes[][2] = {{{3, 4, 5}, {3, 5, 6}},       {{3, 4, 5}, {5, 6}},
                             {{4, 5}, {3, 5, 6}},          {{2, 1, 4, 5}, {3, 5, 6}},
                             {{2, 3, 4, 5}, {1, 3, 5, 6}}, {{2, 3, 4, 5}, {2, 1, 5, 6}},
                             {{2, 3, 1, 5}, {5, 6}},       {{2, 1, 1, 4, 5}, {3, 1, 5, 1}}};
  for (const auto& [a_shape, b_shape] : shapes) {
    const Array<T> a = numbers<T>(a_shape, 0);
    const Array<T> b = numbers<T>(b_shape, 1);
    const Array<T> c = matmul(a, b);
    EXPECT_EQ(c.extent(-2), a.extent(-2));
    EXPECT_EQ(c.extent(-1), b.extent(-1));
    expect_product<T>(a, b, c);
  }
  const Array<T> a = numbers<T>({4, 2, 3, 5}, 0);
  const Array<T> b = numbers<T>({2, 4, 5, 6}, 1);
  const View<T> permuted = a.view().permute({1, 0, 2, 3});
  expect_product<T>(permuted, b, matmul(permuted, b));
}

TYPED_TEST(LinearTest, MatmulOfVectors) {
  using T = TypeParam;
  const Array<T> v = numbers<T>({5}, 0);
  const Array<T> w = numbers<T>({5}, 1);
  const Array<T> m = numbers<T>({2, 5, 6}, 2);
  const Array<T> dot = matmul(v, w);
  EXPECT_EQ(dot.rank(), 0);
  expect_product<T>(v.expand_dims(0), w.expand_dims(1), dot.reshape({1, 1}));
  const Array<T> row = matmul(v, m);
  EXPECT_EQ(row.shape(), Shape({2, 6}));
  expect_product<T>(v.expand_dims(0), m, row.expand_dims(1));
  const Array<T> column = matmul(m.swap_axes(1, 2), v);
  EXPECT_EQ(column.shape(), Shape({2, 6}));
  expect_product<T>(m.swap_axes(1, 2), v.expand_dims(1), column.expand_dims(2));
  const View<T> reversed = v.slice(0, {.step = -1});
  expect_product<T>(reversed.expand_dims(0), m, matmul(reversed, m).reshape({2, 1, 6}));
}

TYPED_TEST(LinearTest, EmptyExtents) {
  using T = TypeParam;
  EXPECT_EQ(matmul(Array<T>::zeros({0, 3}), Array<T>::zeros({3, 4})).shape(), Shape({0, 4}));
  EXPECT_EQ(matmul(Array<T>::zeros({0, 2, 3}), Array<T>::zeros({3, 4})).shape(), Shape({0, 2, 4}));
  EXPECT_TRUE(matmul(Array<T>::zeros({2, 0}), Array<T>::zeros({0, 3})) == Array<T>::zeros({2, 3}));
  const Array<T> none = Array<T>::zeros({0, 3});
  EXPECT_TRUE(linear_backward_weight(none, Array<T>::zeros({0, 2})) == Array<T>::zeros({3, 2}));
  EXPECT_TRUE(linear_backward_bias(none) == Array<T>::zeros({3}));
  EXPECT_TRUE(matmul_backward_b(Array<T>::zeros({0, 2, 4}), Array<T>::zeros({0, 2, 3}),
                                Shape{3, 4}) == Array<T>::zeros({3, 4}));
}

TYPED_TEST(LinearTest, LinearWithAndWithoutBias) {
  using T = TypeParam;
  const Array<T> weight = numbers<T>({7, 5}, 1);
  const Array<T> bias = numbers<T>({7}, 2);
  for (const Shape& shape : {Shape{5}, Shape{3, 5}, Shape{2, 3, 5}, Shape{2, 3, 4, 5}}) {
    const Array<T> x = numbers<T>(shape, 0);
    const Array<T> plain = linear(x, weight);
    EXPECT_EQ(plain.rank(), x.rank());
    const View<T> rows = x.reshape({-1, 5});
    expect_product<T>(rows, weight.t(), plain.reshape({-1, 7}));
    const Array<T> shifted = linear(x, weight, bias);
    const View<T> flat = plain.reshape({-1, 7});
    const View<T> flat_shifted = shifted.reshape({-1, 7});
    for (Index i = 0; i < flat.rows(); ++i) {
      for (Index j = 0; j < 7; ++j) {
        EXPECT_EQ(flat_shifted(i, j), flat(i, j) + bias(j));
      }
    }
  }
  const Array<T> x = numbers<T>({6, 2, 5}, 0);
  const View<T> swapped = x.swap_axes(0, 1);
  const Array<T> of_view = linear(swapped, weight, bias);
  const Array<T> of_copy = linear(swapped.copy(), weight, bias);
  // Rows that are not evenly spaced are other products, which may add up in another order.
  for (Index i = 0; i < of_copy.size(); ++i) {
    ASSERT_NEAR(of_view.data()[i], of_copy.data()[i], 20 * std::numeric_limits<T>::epsilon());
  }
  // A bias with a stride.
  const Array<T> spread = numbers<T>({14}, 2);
  const View<T> every_second = spread.slice(0, {.step = 2});
  EXPECT_TRUE(linear(x, weight, every_second) == linear(x, weight, every_second.copy()));
}

// sum(gradient of loss * step) against the change of loss, for loss = sum(y * dy).
template <class Forward>
void expect_gradient(const Array<double>& input, const Array<double>& dy,
                     const Array<double>& gradient, Forward&& forward) {
  ASSERT_EQ(gradient.shape(), input.shape());
  const double step = 1e-4;
  Array<double> moved = input;
  const auto loss = [&] {
    const Array<double> y = forward(moved);
    double sum = 0;
    for (Index i = 0; i < y.size(); ++i) {
      sum += y.data()[i] * dy.data()[i];
    }
    return sum;
  };
  for (Index i = 0; i < input.size(); ++i) {
    moved.data()[i] = input.data()[i] + step;
    const double above = loss();
    moved.data()[i] = input.data()[i] - step;
    const double below = loss();
    moved.data()[i] = input.data()[i];
    EXPECT_NEAR(gradient.data()[i], (above - below) / (2 * step), 1e-9);
  }
}

TEST(LinearGradient, MatmulAgainstDifferences) {
  const Shape shapes[][2] = {
      {{3, 4}, {4, 2}},          {{2, 3, 4}, {4, 2}}, {{3, 4}, {2, 4, 2}},
      {{2, 1, 3, 4}, {3, 4, 2}}, {{4}, {4}},          {{4}, {2, 4, 3}},
      {{2, 3, 4}, {4}},          {{4}, {4, 2}},       {{3, 1, 2, 4}, {2, 4, 1}}};
  for (const auto& [a_shape, b_shape] : shapes) {
    const Array<double> a = numbers<double>(a_shape, 0);
    const Array<double> b = numbers<double>(b_shape, 1);
    const Array<double> dy = numbers<double>(matmul(a, b).shape(), 2);
    expect_gradient(a, dy, matmul_backward_a(dy, b, a.shape()),
                    [&](const Array<double>& moved) { return matmul(moved, b); });
    expect_gradient(b, dy, matmul_backward_b(dy, a, b.shape()),
                    [&](const Array<double>& moved) { return matmul(a, moved); });
  }
}

TEST(LinearGradient, LinearAgainstDifferences) {
  const Array<double> weight = numbers<double>({3, 4}, 1);
  const Array<double> bias = numbers<double>({3}, 2);
  for (const Shape& shape : {Shape{4}, Shape{5, 4}, Shape{2, 3, 4}}) {
    const Array<double> x = numbers<double>(shape, 0);
    const Array<double> dy = numbers<double>(linear(x, weight).shape(), 3);
    expect_gradient(x, dy, linear_backward_input(dy, weight),
                    [&](const Array<double>& moved) { return linear(moved, weight, bias); });
    expect_gradient(weight, dy, linear_backward_weight(dy, x),
                    [&](const Array<double>& moved) { return linear(x, moved, bias); });
    expect_gradient(bias, dy, linear_backward_bias(dy),
                    [&](const Array<double>& moved) { return linear(x, weight, moved); });
  }
  // Leading axes that do not fold into one.
  const Array<double> x = numbers<double>({2, 3, 4}, 0);
  const Array<double> dy = numbers<double>({3, 2, 3}, 3);
  EXPECT_TRUE(allclose(linear_backward_weight(dy, x.swap_axes(0, 1)),
                       linear_backward_weight(dy, x.swap_axes(0, 1).copy()), 0, 1e-14));
  EXPECT_TRUE(
      allclose(linear_backward_bias(dy.swap_axes(0, 1)), linear_backward_bias(dy), 0, 1e-14));
}

TEST(LinearErrors, NameWhatDoesNotFit) {
  const Array<float> a = Array<float>::zeros({2, 3});
  const Array<float> b = Array<float>::zeros({4, 5});
  Array<float> out = Array<float>::zeros({2, 5});
  const auto mismatch = ErrorKind::DimensionMismatch;
  expect_error(mismatch, "matmul: a has 3 columns, b has 4 rows; a (2, 3), b (4, 5)",
               [&] { (void)matmul(a, b); });
  expect_error(mismatch, "matmul: a must have at least 1 axis, got shape ()",
               [&] { (void)matmul(Array<float>::scalar(1), b); });
  expect_error(mismatch,
               "matmul: the leading axes of a and b do not broadcast: a (2, 2, 3), b (3, 3, 1)",
               [&] {
                 (void)matmul(Array<float>::zeros({2, 2, 3}), Array<float>::zeros({3, 3, 1}));
               });
  expect_error(mismatch, "matmul: out has shape (2, 5), expected (2, 2)", [&] {
    matmul_into(a, Array<float>::zeros({3, 2}), out);
  });
  Array<float> square = Array<float>::zeros({3, 3});
  expect_error(ErrorKind::InvalidOperation, "matmul: out overlaps b", [&] {
    matmul_into(Array<float>::zeros({3, 3}), square, square);
  });
  // From the last row upwards, into what begins in the middle of it.
  Array<float> rows = Array<float>::zeros({4, 3});
  const View<float> upwards = rows.slice(0, {.start = 2, .stop = std::nullopt, .step = -1});
  expect_error(ErrorKind::InvalidOperation, "matmul: out overlaps a", [&] {
    matmul_into(upwards, Array<float>::zeros({3, 3}), rows.view().slice(0, {.start = 1}));
  });
  expect_error(mismatch,
               "matmul_backward_a: dy has shape (2, 5), expected (2, 2); a (2, 3), b (3, 2)", [&] {
                 (void)matmul_backward_a(out, Array<float>::zeros({3, 2}), Shape{2, 3});
               });
  expect_error(mismatch, "linear: x has 3 features, weight takes 5; x (2, 3), weight (4, 5)",
               [&] { (void)linear(a, b); });
  expect_error(mismatch, "linear: weight must be a matrix (out, in), got shape (3,)",
               [&] { (void)linear(a, Array<float>::zeros({3})); });
  expect_error(mismatch, "linear: bias has shape (3,), expected (4,)", [&] {
    (void)linear(Array<float>::zeros({2, 5}), b, Array<float>::zeros({3}));
  });
  expect_error(mismatch,
               "linear_backward_weight: dy and x differ in leading axes; dy (2, 3), x (4, 5)",
               [&] { (void)linear_backward_weight(a, b); });
  expect_error(mismatch, "linear_backward_bias: dbias has shape (2, 5), expected (3,)",
               [&] { linear_backward_bias_into(a, out); });
}

}  // namespace
}  // namespace lamina::nn
