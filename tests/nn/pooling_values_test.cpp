// Pooling: memory layouts, NaN and infinities, worked values, results larger than the caches, and
// every error by its text.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "lamina/nn/adaptive_pooling.hpp"
#include "lamina/nn/max_unpool.hpp"
#include "lamina/nn/pooling.hpp"
#include "support/expect.hpp"
#include "support/layouts.hpp"
#include "support/numbers.hpp"

namespace lamina::nn {
namespace {

using test::expect_error;
using test::uniform_numbers;

template <class T>
class PoolingLayouts : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(PoolingLayouts, Types);

TYPED_TEST(PoolingLayouts, OfXAndOut) {
  using T = TypeParam;
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
    const Array<T> x = uniform_numbers<T>({2, 5, 6, 7}, 1);
    const Pool2dOptions options{.stride = {2, 1}, .padding = 1, .format = format};
    const AvgPool2dOptions mean{.stride = {2, 1}, .padding = 1, .format = format};
    const MaxPoolResult<T> max = max_pool2d_with_indices(x, {3, 2}, options);
    const Array<T> avg = avg_pool2d(x, {3, 2}, mean);
    const Array<T> norm = lp_pool2d(x, 2, {3, 2}, options);
    const Array<T> adaptive = adaptive_avg_pool2d(x, {4, 3}, format);
    const Array<T> whole = global_avg_pool(x, {.format = format});
    const Array<T> greatest = global_max_pool(x, {.format = format});
    const Array<T> dy = uniform_numbers<T>(max.values.shape(), 2);
    const Array<T> dx = max_pool2d_backward(dy, x, {3, 2}, options);
    for (auto& one : test::layouts_of<T>(x)) {
      SCOPED_TRACE(one.name);
      const View<T> v = one.view;
      EXPECT_EQ(max_pool2d_with_indices(v, {3, 2}, options).indices, max.indices);
      EXPECT_EQ(max_pool2d(v, {3, 2}, options), max.values);
      EXPECT_EQ(avg_pool2d(v, {3, 2}, mean), avg);
      EXPECT_EQ(lp_pool2d(v, 2, {3, 2}, options), norm);
      EXPECT_EQ(adaptive_avg_pool2d(v, {4, 3}, format), adaptive);
      EXPECT_EQ(max_pool2d_backward(dy, v, {3, 2}, options), dx);
      // Large strides may take another way to the same sums.
      EXPECT_TRUE(allclose(global_avg_pool(v, {.format = format}), whole, 1e-6, 1e-6));
      EXPECT_EQ(global_max_pool(v, {.format = format}), greatest);
      max_pool2d_backward_into(dy, max.indices, one.view, format);
      EXPECT_EQ(View<T>(one.view), dx);
      avg_pool2d_backward_into(dy, {3, 2}, one.view, mean);
      EXPECT_EQ(View<T>(one.view), avg_pool2d_backward(dy, x.shape(), {3, 2}, mean));
    }
    for (auto& one : test::layouts_of<T>(dy)) {
      SCOPED_TRACE(one.name);
      EXPECT_EQ(max_pool2d_backward<T>(one.view, max.indices, x.shape(), format), dx);
      EXPECT_EQ(avg_pool2d_backward<T>(one.view, x.shape(), {3, 2}, mean),
                avg_pool2d_backward(dy, x.shape(), {3, 2}, mean));
    }
    for (auto& one : test::empty_layouts<T>(max.values.shape(), T(7))) {
      SCOPED_TRACE(one.name);
      max_pool2d_into(x, {3, 2}, one.view, options);
      EXPECT_EQ(View<T>(one.view), max.values);
      avg_pool2d_into(x, {3, 2}, one.view, mean);
      EXPECT_EQ(View<T>(one.view), avg);
      lp_pool2d_into(x, 2, {3, 2}, one.view, options);
      EXPECT_EQ(View<T>(one.view), norm);
      for (auto& places : test::empty_layouts<std::int64_t>(max.values.shape(), 7)) {
        max_pool2d_with_indices_into(x, {3, 2}, one.view, places.view, options);
        EXPECT_EQ(View<T>(one.view), max.values);
        EXPECT_EQ(View<std::int64_t>(places.view), max.indices);
      }
    }
  }
}

// A result that goes past the caches is the same.
TYPED_TEST(PoolingLayouts, LargerThanTheCaches) {
  using T = TypeParam;
  const Index rows = 270 * static_cast<Index>(sizeof(float)) / static_cast<Index>(sizeof(T));
  const Array<T> x = uniform_numbers<T>({1, rows, 208, 128}, 3);
  const Array<T> first = x.permute({0, 3, 1, 2}).copy();
  const Pool2dOptions last{.stride = 2, .format = DataFormat::NHWC};
  test::for_each_target([&] {
    const Array<T> y = max_pool2d(x, 2, last);
    EXPECT_EQ(y.permute({0, 3, 1, 2}), max_pool2d(first, 2));
    const AvgPool2dOptions mean{.stride = 2, .format = DataFormat::NHWC};
    const Array<T> dx = avg_pool2d_backward(y, x.shape(), 2, mean);
    const Array<T> dy = y.permute({0, 3, 1, 2}).copy();
    EXPECT_EQ(dx.permute({0, 3, 1, 2}), avg_pool2d_backward(dy, first.shape(), 2));
  });
}

TYPED_TEST(PoolingLayouts, NanAndInfinitiesAtEveryPosition) {
  using T = TypeParam;
  constexpr T kInf = std::numeric_limits<T>::infinity();
  test::for_each_target([&] {
    for (const T special :
         {std::numeric_limits<T>::quiet_NaN(), -std::numeric_limits<T>::quiet_NaN(), kInf, -kInf}) {
      for (const Index stride : {1, 2, 3}) {
        for (Index at = 0; at < 37; ++at) {
          Array<T> x = uniform_numbers<T>({1, 3, 37}, 1);
          x(0, 1, at) = special;
          const auto check_max = [&](const Array<T>& y, const Array<std::int64_t>& places) {
            for (Index o = 0; o < y.shape()[2]; ++o) {
              const bool holds = o * stride <= at && at < o * stride + 3;
              const T got = y(0, 1, o);
              if (std::isnan(special)) {
                ASSERT_EQ(std::isnan(got), holds) << at << ' ' << o;
              } else if (special > 0) {
                ASSERT_EQ(got == kInf, holds);
              } else {
                ASSERT_GT(got, -kInf);
              }
              if (holds && !(special < 0)) {
                ASSERT_EQ(places(0, 1, o), at);
              }
              ASSERT_FALSE(std::isnan(y(0, 0, o)) || std::isnan(y(0, 2, o)));
            }
          };
          const auto max = max_pool1d_with_indices(x, 3, {.stride = stride});
          check_max(max.values, max.indices);
          check_max(max_pool1d(x, 3, stride), max.indices);
          const Array<T> turned = x.swap_axes(1, 2).copy();
          const Pool1dOptions last{.stride = stride, .format = DataFormat::NHWC};
          const auto by_channel = max_pool1d_with_indices(turned, 3, last);
          const Array<T> values = max_pool1d(turned, 3, last);
          check_max(by_channel.values.swap_axes(1, 2).copy(),
                    by_channel.indices.swap_axes(1, 2).copy());
          check_max(values.swap_axes(1, 2).copy(), max.indices);
          const T whole = global_max_pool(x)(0, 1);
          ASSERT_EQ(std::isnan(whole), std::isnan(special));
          const T mean = global_avg_pool(x)(0, 1);
          ASSERT_EQ(std::isnan(mean), std::isnan(special));
          ASSERT_EQ(std::isinf(mean), std::isinf(special));
        }
      }
    }
  });
}

TEST(PoolingValues, EqualsAndNansAsInPyTorch) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  // Of equals the first in row-major order, of NaNs the last.
  const Array<double> x{{1, 2, nan, 0}, {2, 2, nan, 5}};
  const auto pooled = max_pool2d_with_indices(x, 2);
  EXPECT_EQ(pooled.indices, (Array<std::int64_t>{{1, 6}}));
  EXPECT_EQ(adaptive_max_pool2d_with_indices(x, {1, 2}).indices, pooled.indices);
  // Windows that do not divide the axis take another way.
  EXPECT_EQ(adaptive_max_pool2d_with_indices(x, {1, 3}).indices, (Array<std::int64_t>{{1, 6, 6}}));
  const auto low = max_pool2d_with_indices(Array<double>::full({2, 2}, -inf), 2, {.padding = 1});
  EXPECT_EQ(low.indices, (Array<std::int64_t>{{0, 1}, {2, 3}}));
  EXPECT_EQ(low.values, Array<double>::full({2, 2}, -inf));
}

// 1 to 16, as PyTorch 1.13 computes it.
TEST(PoolingValues, CeilModeAndPadding) {
  const Array<double> x = Array<double>::arange(1, 17).reshape({4, 4});
  const AvgPool2dOptions options{.stride = 2, .padding = 1, .ceil_mode = true};
  const Array<double> y = avg_pool2d(x, 3, options);
  EXPECT_TRUE(allclose(y, Array<double>{{14.0 / 9, 30.0 / 9, 2},  //
                                        {57.0 / 9, 11, 6},
                                        {4.5, 7.5, 4}}));
}

TEST(PoolingValues, NoImagesGiveNone) {
  const Array<float> none(Shape{0, 3, 8, 8});
  EXPECT_EQ(max_pool2d(none, 2).shape(), (Shape{0, 3, 4, 4}));
  EXPECT_EQ(avg_pool2d_backward(Array<float>(Shape{0, 3, 4, 4}), none.shape(), 2).shape(),
            none.shape());
  EXPECT_EQ(adaptive_max_pool2d(none, 3).shape(), (Shape{0, 3, 3, 3}));
  EXPECT_EQ(global_avg_pool(none).shape(), (Shape{0, 3}));
  EXPECT_EQ(global_max_pool(none).shape(), (Shape{0, 3}));
  // Axes of no image cost nothing, however long they are.
  const Index endless = Index{1} << 40;
  const Array<float> planes(Shape{0, 3, endless, 8});
  const Shape halves{0, 3, endless / 2, 4};
  EXPECT_EQ(max_pool2d(planes, 2).shape(), halves);
  EXPECT_EQ(avg_pool2d_backward(Array<float>(halves), planes.shape(), 2).shape(), planes.shape());
  EXPECT_EQ(adaptive_avg_pool2d(planes, {3, 3}).shape(), (Shape{0, 3, 3, 3}));
}

TEST(PoolingErrors, Messages) {
  const Array<float> x = uniform_numbers<float>({1, 2, 4, 5}, 1);
  expect_error(ErrorKind::DimensionMismatch,
               "max_pool2d: x must have rank 2 (a single map), 3 (a sample) or 4 (a batch), got "
               "shape (3,)",
               [] {
                 (void)max_pool2d(Array<float>{1, 2, 3}, 2);
               });
  expect_error(ErrorKind::DimensionMismatch, "max_pool2d: x is not defined",
               [] { (void)max_pool2d(View<float>(), 2); });
  expect_error(ErrorKind::InvalidOperation, "avg_pool2d: kernel must be at least 1, got 0", [&] {
    (void)avg_pool2d(x, {2, 0});
  });
  expect_error(ErrorKind::InvalidOperation, "max_pool2d: stride must be at least 1, got 0",
               [&] { (void)max_pool2d(x, 2, 0); });
  expect_error(ErrorKind::InvalidOperation, "max_pool2d: stride must be at least 1, got -1",
               [&] { (void)max_pool2d(x, 2, {.stride = -1}); });
  expect_error(ErrorKind::InvalidOperation, "lp_pool2d: dilation must be at least 1, got 0",
               [&] { (void)lp_pool2d(x, 2, 2, {.dilation = 0}); });
  expect_error(ErrorKind::InvalidOperation,
               "max_pool2d: padding must not be negative, got -1 and -1",
               [&] { (void)max_pool2d(x, 2, {.padding = -1}); });
  expect_error(ErrorKind::InvalidOperation,
               "max_pool2d: padding must be smaller than the window's extent 2, got 2 and 2",
               [&] { (void)max_pool2d(x, 2, {.padding = 2}); });
  expect_error(ErrorKind::DimensionMismatch,
               "max_pool2d: window of extent 5 is larger than the padded extent 4; x (1, 2, 4, 5)",
               [&] { (void)max_pool2d(x, 5); });
  expect_error(ErrorKind::InvalidOperation, "avg_pool2d: divisor must not be negative, got -3",
               [&] { (void)avg_pool2d(x, 2, {.divisor = -3}); });
  expect_error(ErrorKind::InvalidOperation, "lp_pool2d: p must be finite and at least 1, got 0",
               [&] { (void)lp_pool2d(x, 0, 2); });
  expect_error(ErrorKind::InvalidOperation,
               "max_pool1d: x has no elements in a spatial axis; x (2, 0)", [] {
                 (void)max_pool1d(Array<float>(Shape{2, 0}), 1);
               });
  expect_error(ErrorKind::InvalidOperation,
               "global_max_pool: x has no elements in a spatial axis; x (2, 3, 0)", [] {
                 (void)global_max_pool(Array<float>(Shape{2, 3, 0}));
               });
  expect_error(ErrorKind::DimensionMismatch,
               "global_avg_pool: x must have rank 1 or 2 (a single map) or 3 to 5 (a batch), got "
               "shape ()",
               [] { (void)global_avg_pool(Array<float>::scalar(1)); });
  expect_error(
      ErrorKind::InvalidOperation,
      "adaptive_avg_pool2d: output extents must be at least 1 and at most 2147483647, got 0", [&] {
        (void)adaptive_avg_pool2d(x, {2, 0});
      });
}

TEST(PoolingErrors, OutputsAndGradients) {
  Array<float> x = uniform_numbers<float>({1, 2, 4, 6}, 1);
  Array<float> out = Array<float>::zeros({1, 2, 2, 3});
  Array<std::int64_t> indices = Array<std::int64_t>::zeros({1, 2, 2, 3});
  Array<float> wrong = Array<float>::zeros({1, 2, 2, 2});
  expect_error(ErrorKind::DimensionMismatch,
               "max_pool2d: out must have shape (1, 2, 2, 3), got (1, 2, 2, 2)",
               [&] { max_pool2d_into(x, 2, wrong); });
  expect_error(ErrorKind::InvalidOperation, "avg_pool2d: out overlaps x", [&] {
    avg_pool2d_into<float>(x, 2, x.slice(2, {0, 2}).slice(3, {0, 3}));
  });
  Array<std::int64_t> few = Array<std::int64_t>::zeros({1, 2, 2, 2});
  expect_error(ErrorKind::DimensionMismatch,
               "max_pool2d: indices must have shape (1, 2, 2, 3), got (1, 2, 2, 2)",
               [&] { max_pool2d_with_indices_into(x, 2, out, few.view()); });
  expect_error(ErrorKind::DimensionMismatch,
               "avg_pool2d_backward: dy must have shape (1, 2, 2, 3), got (1, 2, 2, 2)",
               [&] { (void)avg_pool2d_backward(wrong, x.shape(), 2); });
  expect_error(ErrorKind::DimensionMismatch,
               "max_pool2d_backward: dy must have shape (1, 2, 2, 3), got (1, 2, 2, 2)",
               [&] { (void)max_pool2d_backward(wrong, x, 2); });
  expect_error(ErrorKind::DimensionMismatch,
               "max_pool2d_backward: indices must have the shape of dy (1, 2, 2, 2), got (1, 2, 2, "
               "3)",
               [&] { (void)max_pool2d_backward(wrong, indices, x.shape()); });
  expect_error(ErrorKind::DimensionMismatch,
               "max_pool2d_backward: dy and x differ in rank, images or channels; dy (1, 2, 2, 3), "
               "x (2, 2, 4, 6)",
               [&] {
                 (void)max_pool2d_backward(out, indices, Shape{2, 2, 4, 6});
               });
  indices(0, 1, 0, 2) = 24;
  expect_error(ErrorKind::IndexOutOfBounds,
               "max_pool2d_backward: index 24 is out of range for 24 positions",
               [&] { (void)max_pool2d_backward(out, indices, x.shape()); });
  expect_error(ErrorKind::IndexOutOfBounds,
               "max_unpool2d: index 24 is out of range for 24 positions",
               [&] { (void)max_unpool2d(out, indices, 2); });
  expect_error(ErrorKind::InvalidOperation,
               "max_unpool2d: same padding leaves the extents open; set output_extents",
               [&] { (void)max_unpool2d(out, indices, 2, {.padding = PaddingMode::same()}); });
  expect_error(ErrorKind::InvalidOperation, "max_unpool2d: kernel must be at least 1, got 0",
               [&] { (void)max_unpool2d(out, indices, 0); });
  expect_error(ErrorKind::InvalidOperation,
               "max_unpool2d: output extents must be at least 1, got 0", [&] {
                 (void)max_unpool2d(out, indices, {1, 2}, {.padding = 1});
               });
  expect_error(ErrorKind::DimensionMismatch,
               "max_unpool2d: indices must have the shape of x (1, 2, 2, 2), got (1, 2, 2, 3)",
               [&] { (void)max_unpool2d(wrong, indices, 2); });
  expect_error(ErrorKind::DimensionMismatch,
               "adaptive_avg_pool2d: out must have the images and channels of x; out (1, 2, 2, 3), "
               "x (1, 3, 4, 6)",
               [&] {
                 adaptive_avg_pool2d_into(Array<float>::zeros({1, 3, 4, 6}), out);
               });
  expect_error(
      ErrorKind::DimensionMismatch,
      "adaptive_avg_pool2d_backward: dy must have the rank of x; dy (1, 2, 2, 3), x (2, 4, "
      "6)",
      [&] {
        (void)adaptive_avg_pool2d_backward(out, Shape{2, 4, 6});
      });
  expect_error(ErrorKind::DimensionMismatch,
               "global_avg_pool_backward: dy must have shape (1, 2) or (1, 2, 1, 1), got (1, 2, 2, "
               "3)",
               [&] { (void)global_avg_pool_backward(out, x.shape()); });
  expect_error(ErrorKind::DimensionMismatch,
               "lp_pool2d_backward: y must have shape (1, 2, 2, 3), got (1, 2, 2, 2)",
               [&] { (void)lp_pool2d_backward(out, x, wrong, 2, 2); });
}

}  // namespace
}  // namespace lamina::nn
