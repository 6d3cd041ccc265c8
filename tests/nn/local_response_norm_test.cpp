// Local response normalization against a naive oracle.

#include "lamina/nn/local_response_norm.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/expect.hpp"
#include "support/layouts.hpp"
#include "support/numbers.hpp"

namespace lamina::nn {
namespace {

using test::expect_error;
using test::uniform_numbers;
using Numbers = std::vector<long double>;

int channel_axis(const Shape& shape, DataFormat format) {
  return format == DataFormat::NHWC || shape.rank() == 2 ? shape.rank() - 1 : 1;
}

/// y and dx by the formulas of the header.
template <class T>
void oracle(const Array<T>& x, const Array<T>& dy, Index size, const LocalResponseOptions& options,
            Numbers& y, Numbers& dx) {
  const int axis = channel_axis(x.shape(), options.format);
  const Index channels = x.shape()[axis];
  const Index step = contiguous_strides(x.shape())[axis];
  const long double factor = options.alpha / static_cast<long double>(size);
  Numbers s;
  const auto channel = [&](Index i) { return i / step % channels; };
  for (Index i = 0; i < x.size(); ++i) {
    long double sum = 0;
    for (Index j = channel(i) - size / 2; j <= channel(i) + (size - 1) / 2; ++j) {
      if (j >= 0 && j < channels) {
        const long double v = x.data()[i + (j - channel(i)) * step];
        sum += v * v;
      }
    }
    s.push_back(options.k + factor * sum);
    y.push_back(x.data()[i] * std::pow(s.back(), static_cast<long double>(-options.beta)));
  }
  for (Index i = 0; i < x.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const long double beta = options.beta;
    long double sum = 0;
    for (Index j = 0; j < channels; ++j) {
      if (channel(i) >= j - size / 2 && channel(i) <= j + (size - 1) / 2) {
        const Index other = i + (j - channel(i)) * step;
        const long double sj = s[static_cast<std::size_t>(other)];
        sum +=
            static_cast<long double>(dy.data()[other]) * x.data()[other] * std::pow(sj, -beta - 1);
      }
    }
    dx.push_back(dy.data()[i] * std::pow(s[at], -beta) - 2 * factor * beta * x.data()[i] * sum);
  }
}

template <class T>
void expect_near(const Array<T>& got, const Numbers& expected, const char* what) {
  // Roots or exp(beta log s) and a sum of at most 9 squares: a few roundings each.
  const long double tolerance = 32 * static_cast<long double>(std::numeric_limits<T>::epsilon());
  for (Index i = 0; i < got.size(); ++i) {
    const long double e = expected[static_cast<std::size_t>(i)];
    ASSERT_LE(std::abs(static_cast<long double>(got.data()[i]) - e), tolerance * (std::abs(e) + 1))
        << what << ' ' << i;
  }
}

template <class T>
class LocalResponseNorm : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(LocalResponseNorm, Types);

TYPED_TEST(LocalResponseNorm, MatchesTheOracleOnEveryTarget) {
  using T = TypeParam;
  test::for_each_target([] {
    for (const Shape& shape : {Shape{2, 5, 3}, Shape{1, 3, 131}, Shape{2, 17, 4, 5}, Shape{3, 1, 4},
                               Shape{4, 9}, Shape{2, 3, 2, 2, 3}}) {
      const Array<T> x = uniform_numbers<T>(shape, 1);
      const Array<T> dy = uniform_numbers<T>(shape, 2);
      for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
        for (const Index size : {1, 2, 5, 200}) {
          for (const double beta : {0.75, 0.6}) {
            const LocalResponseOptions options{
                .alpha = 0.7, .beta = beta, .k = 1.5, .format = format};
            Numbers y, dx;
            oracle(x, dy, size, options, y, dx);
            expect_near(local_response_norm(x, size, options), y, "y");
            expect_near(local_response_norm_backward(dy, x, size, options), dx, "dx");
          }
        }
      }
    }
  });
}

TYPED_TEST(LocalResponseNorm, LayoutsAndInPlace) {
  using T = TypeParam;
  const Array<T> x = uniform_numbers<T>({2, 5, 7}, 1);
  const Array<T> dy = uniform_numbers<T>({2, 5, 7}, 2);
  const Array<T> y = local_response_norm(x, 3);
  const Array<T> dx = local_response_norm_backward(dy, x, 3);
  for (auto& one : test::layouts_of<T>(x)) {
    EXPECT_EQ(local_response_norm<T>(one.view, 3), y) << one.name;
    EXPECT_EQ(local_response_norm_backward<T>(dy, one.view, 3), dx) << one.name;
    local_response_norm_into<T>(one.view, 3, one.view);
    EXPECT_EQ(one.view, y) << one.name;
  }
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
    const LocalResponseOptions options{.format = format};
    const Array<T> expected = local_response_norm_backward(dy, x, 4, options);
    Array<T> a = x;
    local_response_norm_backward_into<T>(dy, a, 4, a, options);
    EXPECT_EQ(a, expected);
    Array<T> b = dy;
    local_response_norm_backward_into<T>(b, x, 4, b, options);
    EXPECT_EQ(b, expected);
  }
}

TYPED_TEST(LocalResponseNorm, BitEqualOnAnyNumberOfThreads) {
  using T = TypeParam;
  const Array<T> x = uniform_numbers<T>({4, 16, 1500}, 1);
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
    test::expect_same_on_any_number_of_threads(
        [&] { return local_response_norm(x, 5, {.format = format}); });
    test::expect_same_on_any_number_of_threads(
        [&] { return local_response_norm_backward(x, x, 5, {.format = format}); });
  }
}

TYPED_TEST(LocalResponseNorm, NanStaysInItsWindows) {
  using T = TypeParam;
  Array<T> x = uniform_numbers<T>({1, 7, 3}, 1);
  x(0, 3, 1) = std::numeric_limits<T>::quiet_NaN();
  const Array<T> y = local_response_norm(x, 3);
  for (Index c = 0; c < 7; ++c) {
    for (Index i = 0; i < 3; ++i) {
      EXPECT_EQ(std::isnan(y(0, c, i)), i == 1 && c >= 2 && c <= 4);
    }
  }
  EXPECT_EQ(local_response_norm(Array<T>(Shape{0, 3, 2}), 3).shape(), (Shape{0, 3, 2}));
  EXPECT_EQ(local_response_norm(Array<T>(Shape{2, 0}), 3).shape(), (Shape{2, 0}));
}

TEST(LocalResponseNormErrors, Messages) {
  Array<float> x = uniform_numbers<float>({2, 4}, 1);
  expect_error(ErrorKind::InvalidOperation, "local_response_norm: size must be at least 1, got 0",
               [&] { (void)local_response_norm(x, 0); });
  expect_error(ErrorKind::DimensionMismatch,
               "local_response_norm: x must have rank 2 or more, got shape (3,)", [&] {
                 (void)local_response_norm(Array<float>{1, 2, 3}, 3);
               });
  Array<float> out = Array<float>::zeros({4, 2});
  expect_error(ErrorKind::DimensionMismatch,
               "local_response_norm: x has shape (2, 4), out has shape (4, 2)",
               [&] { local_response_norm_into(x, 3, out); });
  expect_error(ErrorKind::DimensionMismatch,
               "local_response_norm_backward: x has shape (2, 4), dy has shape (4, 2)",
               [&] { (void)local_response_norm_backward(out, x, 3); });
  expect_error(ErrorKind::InvalidOperation,
               "local_response_norm: out overlaps x in part; it may be the same view or memory of "
               "its own",
               [&] {
                 local_response_norm_into<float>(x.slice(1, {0, 3}), 3, x.slice(1, {1, 4}));
               });
}

}  // namespace
}  // namespace lamina::nn
