// Pooling on the tape: the gradient is what the plain functions say, and what differences say.

#include "lamina/autograd/ops_pooling.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "lamina/autograd/gradcheck.hpp"
#include "lamina/autograd/ops_shape.hpp"
#include "support/expect.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using testing::values;
using Vars = std::vector<Var<double>>;

/// Numbers so far apart that no difference quotient changes which is the greatest.
Array<double> spread_values(const Shape& shape) {
  Array<double> x = Array<double>::empty(shape);
  for (Index i = 0; i < x.size(); ++i) {
    x.data()[i] = 0.1 * static_cast<double>(i * 37 % (x.size() | 1)) - 1.5;
  }
  return x;
}

template <class T>
bool same_bits(const View<T>& a, const View<T>& b) {
  return a.shape() == b.shape() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(T)) == 0;
}

template <class F>
void expect_gradient(F&& f, const Array<double>& x) {
  const auto result = gradcheck([&](const Vars& in) { return f(in[0]); }, {x});
  EXPECT_TRUE(result) << result;
}

template <class T>
class OpsPooling : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(OpsPooling, Types);

TYPED_TEST(OpsPooling, IsThePlainFunctionAndItsGradient) {
  using T = TypeParam;
  const Var<T> x = parameter(values<T>({2, 3, 7, 6}, 1));
  const nn::Pool2dOptions options{.stride = 2, .padding = 1};
  const Var<T> y = nn::max_pool2d(x, 3, options);
  const auto plain = nn::max_pool2d_with_indices(x.value(), 3, options);
  EXPECT_EQ(y.value(), plain.values);
  const Array<T> dy = values<T>(y.shape(), 2);
  y.backward(dy);
  EXPECT_EQ(x.grad(), nn::max_pool2d_backward(dy, plain.indices, x.shape()));

  const auto with_indices = nn::max_pool2d_with_indices(x, 3, options);
  EXPECT_EQ(with_indices.indices, plain.indices);
  x.zero_grad();
  with_indices.values.backward(dy);
  EXPECT_EQ(x.grad(), nn::max_pool2d_backward(dy, plain.indices, x.shape()));

  x.zero_grad();
  const Var<T> mean = nn::avg_pool2d(x, {2, 3}, {1, 2});
  EXPECT_EQ(mean.value(), nn::avg_pool2d(x.value(), {2, 3}, {1, 2}));
  const Array<T> dmean = values<T>(mean.shape(), 3);
  mean.backward(dmean);
  EXPECT_EQ(x.grad(), nn::avg_pool2d_backward(dmean, x.shape(), {2, 3}, {.stride = {1, 2}}));
}

// Blocks of two by two go a way of their own on the tape; lines around every vector's width.
TYPED_TEST(OpsPooling, BlocksAreThePlainFunctionAndItsGradient) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const T infinity = std::numeric_limits<T>::infinity();
  for (const Index height : {2, 3, 6, 9}) {
    for (Index width = 2; width < 76; ++width) {
      Array<T> x = values<T>({2, 3, height, width}, static_cast<std::uint32_t>(width));
      for (Index i = 0; i < x.size(); ++i) {
        const Index kind = i * 7 % 31;
        if (kind < 6) x.data()[i] = kind < 2 ? nan : kind < 4 ? -infinity : T(1);
      }
      std::fill_n(x.data(), 2 * width, width % 2 == 0 ? -infinity : T(0));
      const Var<T> v = parameter(std::move(x));
      const auto plain = nn::max_pool2d_with_indices(v.value(), 2);
      const Var<T> y = nn::max_pool2d(v, 2);
      EXPECT_TRUE(same_bits<T>(y.value(), plain.values)) << height << " " << width;
      Array<T> dy = values<T>(y.shape(), 2);
      dy.data()[0] = T(-0.0);
      dy.data()[dy.size() - 1] = nan;
      y.backward(dy);
      EXPECT_TRUE(same_bits<T>(v.grad(), nn::max_pool2d_backward(dy, plain.indices, v.shape())))
          << height << " " << width;
    }
  }
}

// Wide lines, and short ones, whose vectors reach over the next lines unless a part ends there.
TYPED_TEST(OpsPooling, BlocksGiveTheSameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  for (const Shape& shape : {Shape{3, 16, 51, 67}, Shape{40, 32, 11, 7}, Shape{40, 64, 5, 2}}) {
    const Array<T> x = values<T>(shape, 7);
    test::expect_same_on_any_number_of_threads([&] {
      const Var<T> v = parameter(x);
      const Var<T> y = nn::max_pool2d(v, 2);
      y.backward(values<T>(y.shape(), 8));
      return Array<T>(v.grad());
    });
  }
}

TYPED_TEST(OpsPooling, BlocksOfSamplesMapsAndViews) {
  using T = TypeParam;
  for (const Shape& shape : {Shape{5, 7}, Shape{3, 4, 6}, Shape{0, 3, 4, 4}, Shape{2, 0, 4, 4}}) {
    const Var<T> x = parameter(values<T>(shape, 3));
    const Var<T> y = nn::max_pool2d(x, 2);
    const auto plain = nn::max_pool2d_with_indices(x.value(), 2);
    EXPECT_EQ(y.value(), plain.values);
    const Array<T> dy = values<T>(y.shape(), 4);
    y.backward(dy);
    EXPECT_EQ(x.grad(), nn::max_pool2d_backward(dy, plain.indices, shape));
  }
  const Var<T> whole = parameter(values<T>({2, 3, 8, 9}, 5));
  const Var<T> part = autograd::transpose(whole, 2, 3);
  const Var<T> y = nn::max_pool2d(part, 2);
  const auto plain = nn::max_pool2d_with_indices(part.value(), 2);
  EXPECT_EQ(y.value(), plain.values);
  const Array<T> dy = values<T>(y.shape(), 6);
  y.backward(dy);
  const Array<T> dx = nn::max_pool2d_backward(dy, plain.indices, part.shape());
  EXPECT_EQ(whole.grad(), dx.swap_axes(2, 3));
}

TEST(OpsPoolingGradient, WindowsOfOneSize) {
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
    const Shape shape = format == DataFormat::NCHW ? Shape{2, 2, 7, 6} : Shape{2, 7, 6, 2};
    const Array<double> x = spread_values(shape);
    for (nn::Pool2dOptions options :
         {nn::Pool2dOptions{}, nn::Pool2dOptions{.stride = {2, 1}, .padding = 1},
          nn::Pool2dOptions{.stride = 2, .ceil_mode = true},
          nn::Pool2dOptions{.stride = 1, .dilation = {2, 1}},
          nn::Pool2dOptions{.padding = PaddingMode::same()}}) {
      options.format = format;
      expect_gradient([&](const Var<double>& v) { return nn::max_pool2d(v, {3, 2}, options); }, x);
      for (const double p : {1.0, 2.0, 2.5}) {
        expect_gradient(
            [&](const Var<double>& v) {
              return nn::lp_pool2d(v, p, {3, 2}, options);
            },
            testing::values_off_zero<double>(shape, 4));
      }
      nn::AvgPool2dOptions mean{.stride = options.stride,
                                .padding = options.padding,
                                .dilation = options.dilation,
                                .ceil_mode = options.ceil_mode,
                                .format = format};
      for (const bool include : {false, true}) {
        mean.count_include_pad = include;
        expect_gradient([&](const Var<double>& v) { return nn::avg_pool2d(v, {3, 2}, mean); }, x);
      }
      mean.divisor = 5;
      expect_gradient([&](const Var<double>& v) { return nn::avg_pool2d(v, {3, 2}, mean); }, x);
    }
  }
}

TEST(OpsPoolingGradient, OneAndThreeAxesSamplesAndMaps) {
  const auto one = [](const Var<double>& v) { return nn::max_pool1d(v, 3, {.stride = 2}); };
  expect_gradient(one, spread_values({2, 3, 9}));
  expect_gradient(one, spread_values({3, 9}));
  expect_gradient(one, spread_values({9}));
  expect_gradient([](const Var<double>& v) { return nn::avg_pool1d(v, 2, 1); },
                  spread_values({2, 9}));
  expect_gradient([](const Var<double>& v) { return nn::lp_pool1d(v, 2, 3); },
                  spread_values({2, 9}));
  expect_gradient(
      [](const Var<double>& v) {
        return nn::max_pool3d(v, {1, 2, 2}, {1, 2, 1});
      },
      spread_values({2, 3, 4, 5}));
  expect_gradient([](const Var<double>& v) { return nn::avg_pool3d(v, 2, {.padding = 1}); },
                  spread_values({2, 3, 4, 5}));
  expect_gradient([](const Var<double>& v) { return nn::lp_pool3d(v, 3, 2); },
                  spread_values({1, 1, 2, 4, 5}));
}

TEST(OpsPoolingGradient, AdaptiveAndGlobal) {
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
    const Array<double> x = spread_values({2, 3, 7, 5});
    for (const PerAxis<2>& extents : {PerAxis<2>{3, 2}, PerAxis<2>{1, 5}, PerAxis<2>{9, 4}}) {
      expect_gradient(
          [&](const Var<double>& v) { return nn::adaptive_avg_pool2d(v, extents, format); }, x);
      expect_gradient(
          [&](const Var<double>& v) { return nn::adaptive_max_pool2d(v, extents, format); }, x);
    }
    for (const bool keep : {false, true}) {
      const nn::GlobalPoolOptions options{.keep_dims = keep, .format = format};
      expect_gradient([&](const Var<double>& v) { return nn::global_avg_pool(v, options); }, x);
      expect_gradient([&](const Var<double>& v) { return nn::global_max_pool2d(v, options); }, x);
    }
  }
  expect_gradient([](const Var<double>& v) { return nn::global_max_pool(v); },
                  spread_values({4, 5}));
  expect_gradient([](const Var<double>& v) { return nn::global_avg_pool1d(v); },
                  spread_values({4, 5}));
  expect_gradient([](const Var<double>& v) { return nn::global_max_pool3d(v); },
                  spread_values({2, 2, 3, 2}));
  expect_gradient([](const Var<double>& v) { return nn::adaptive_avg_pool1d(v, 2); },
                  spread_values({2, 5}));
  expect_gradient([](const Var<double>& v) { return nn::adaptive_max_pool3d(v, 2); },
                  spread_values({2, 3, 4, 5}));
}

TEST(OpsPoolingGradient, Unpooling) {
  const Array<double> image = spread_values({2, 3, 6, 4});
  const auto pooled = nn::max_pool2d_with_indices(image, 2);
  expect_gradient([&](const Var<double>& v) { return nn::max_unpool2d(v, pooled.indices, 2); },
                  pooled.values);
  const auto last = nn::max_pool2d_with_indices(image, 2, {.format = DataFormat::NHWC});
  expect_gradient(
      [&](const Var<double>& v) {
        return nn::max_unpool2d(v, last.indices, 2, {.format = DataFormat::NHWC});
      },
      last.values);
}

}  // namespace
}  // namespace lamina
