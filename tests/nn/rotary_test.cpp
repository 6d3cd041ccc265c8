#include "lamina/nn/rotary.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/expect.hpp"
#include "support/layouts.hpp"
#include "support/values.hpp"

namespace lamina::nn {
namespace {

using lamina::testing::values;
using test::expect_error;

template <class T>
class RotaryTest : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(RotaryTest, Types);

TYPED_TEST(RotaryTest, TurnsPairsByTheFormula) {
  using T = TypeParam;
  // Sine and cosine to 6e-8 or 1e-12, two products of numbers up to 2.
  const double tolerance = sizeof(T) == 4 ? 1e-6 : 8e-12;
  const auto x = values<T>({2, 3, 7, 10}, 1);
  for (const bool interleaved : {false, true}) {
    for (const Index features : {0, 2, 6, 10}) {
      for (const Index offset : {0, 100000}) {
        const RotaryOptions options{
            .offset = offset, .base = 500, .interleaved = interleaved, .features = features};
        const Index turned = features == 0 ? 10 : features;
        Array<double> expected = x.template astype<double>();
        for (Index row = 0; row < 6 * 7; ++row) {
          double* y = expected.data() + row * 10;
          for (Index i = 0; i < turned / 2; ++i) {
            const long double angle = static_cast<long double>(offset + row % 7) /
                                      std::pow(500.0L, static_cast<long double>(2 * i) /
                                                           static_cast<long double>(turned));
            double& a = y[interleaved ? 2 * i : i];
            double& b = y[interleaved ? 2 * i + 1 : i + turned / 2];
            const double c = static_cast<double>(std::cos(angle));
            const double s = static_cast<double>(std::sin(angle));
            const double old = a;
            a = a * c - b * s;
            b = b * c + old * s;
          }
        }
        for (auto& in : test::layouts_of<T>(x)) {
          const auto out = rotary_embedding(in.view, options);
          for (Index i = 0; i < out.size(); ++i) {
            ASSERT_NEAR(static_cast<double>(out.data()[i]), expected.data()[i], tolerance);
          }
          // Turned and turned back.
          const auto back = rotary_embedding_backward(out, options);
          for (Index i = 0; i < out.size(); ++i) {
            ASSERT_NEAR(back.data()[i], x.data()[i], 16 * std::numeric_limits<T>::epsilon());
          }
          rotary_embedding_into<T>(in.view, in.view, options);
          ASSERT_EQ(in.view.to_vector(), out.to_vector());
        }
      }
    }
  }
  EXPECT_EQ(rotary_embedding(Array<T>::empty({0, 4})).shape(), (Shape{0, 4}));
  const auto large = values<T>({40, 50, 64}, 2);
  test::expect_same_on_any_number_of_threads([&] { return rotary_embedding(large); });
}

TYPED_TEST(RotaryTest, BackwardIsTheTranspose) {
  using T = TypeParam;
  // A rotation is linear: dy . f(x) = f'(dy) . x.
  const auto x = values<T>({5, 8}, 1);
  const auto dy = values<T>({5, 8}, 2);
  const auto y = rotary_embedding(x, {.offset = 3, .features = 6});
  const auto dx = rotary_embedding_backward(dy, {.offset = 3, .features = 6});
  double left = 0;
  double right = 0;
  for (Index i = 0; i < x.size(); ++i) {
    left += static_cast<double>(dy.data()[i]) * static_cast<double>(y.data()[i]);
    right += static_cast<double>(dx.data()[i]) * static_cast<double>(x.data()[i]);
  }
  EXPECT_NEAR(left, right, 200 * static_cast<double>(std::numeric_limits<T>::epsilon()));
}

TYPED_TEST(RotaryTest, AlibiSlopes) {
  using T = TypeParam;
  const auto eight = alibi_bias<T>(8, 3, 4, 1);
  ASSERT_EQ(eight.shape(), (Shape{8, 3, 4}));
  for (Index h = 0; h < 8; ++h) {
    for (Index i = 0; i < 3; ++i) {
      for (Index j = 0; j < 4; ++j) {
        EXPECT_EQ(eight(h, i, j),
                  static_cast<T>(-std::ldexp(static_cast<double>(std::abs(i + 1 - j)),
                                             -1 - static_cast<int>(h))));
      }
    }
  }
  // Three heads: the slopes of two, 2^-4 and 2^-8, then the first of four, 2^-2.
  const auto three = alibi_bias<T>(3, 1, 2);
  EXPECT_EQ(three(0, 0, 1), T(-1.0 / 16));
  EXPECT_EQ(three(1, 0, 1), T(-1.0 / 256));
  EXPECT_EQ(three(2, 0, 1), T(-1.0 / 4));
}

TEST(RotaryErrors, ByMessage) {
  const auto io = ErrorKind::InvalidOperation;
  Array<float> x = Array<float>::ones({4, 5});
  const auto call = [&](const RotaryOptions& options) {
    return [=] { static_cast<void>(rotary_embedding(x, options)); };
  };
  expect_error(io, "rotary_embedding: features must be even and at most the 5 of x, got 5",
               call({}));
  expect_error(io, "rotary_embedding: features must be even and at most the 5 of x, got 6",
               call({.features = 6}));
  expect_error(io, "rotary_embedding: offset must not be negative, got -1",
               call({.offset = -1, .features = 4}));
  expect_error(io, "rotary_embedding: base must be positive and finite, got -2",
               call({.base = -2, .features = 4}));
  expect_error(ErrorKind::DimensionMismatch,
               "rotary_embedding: x must have at least 2 axes, got shape (4,)",
               [] { static_cast<void>(rotary_embedding(Array<float>::ones({4}))); });
  expect_error(ErrorKind::DimensionMismatch,
               "rotary_embedding_backward: dx has shape (3, 5), expected (4, 5)",
               [&] { rotary_embedding_backward_into<float>(x, x.slice(0, 3)); });
  expect_error(
      io,
      "rotary_embedding: out overlaps x in part; it may be the same view or memory of its "
      "own",
      [&] { rotary_embedding_into<float>(x.slice(1, 4), x.slice(0, 3), {.features = 4}); });
  expect_error(
      io,
      "alibi_bias: arguments must not be negative, got heads -1, queries 2, keys 3, offset "
      "0",
      [] { static_cast<void>(alibi_bias<float>(-1, 2, 3)); });
  Array<float> out = Array<float>::zeros({2, 3, 4});
  expect_error(ErrorKind::DimensionMismatch,
               "alibi_bias: out must have shape (heads, queries, keys), got (3, 4)",
               [&] { alibi_bias_into<float>(out.view().select(0, 0)); });
  expect_error(io, "alibi_bias: offset must not be negative, got -1",
               [&] { alibi_bias_into<float>(out, -1); });
}

TYPED_TEST(RotaryTest, AlibiIntoAnyLayout) {
  using T = TypeParam;
  const Array<T> expected = alibi_bias<T>(6, 3, 5, 2);
  for (auto& out : test::empty_layouts<T>(expected.shape(), T(-77))) {
    SCOPED_TRACE(out.name);
    alibi_bias_into<T>(out.view, 2);
    EXPECT_EQ(out.view.copy(), expected);
  }
}

}  // namespace
}  // namespace lamina::nn
