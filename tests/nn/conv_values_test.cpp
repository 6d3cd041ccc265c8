// Special values, values that are easy to lose, and errors; the cases against a reference are in
// conv_test.cpp.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "lamina/core/random.hpp"
#include "lamina/nn/conv.hpp"
#include "support/message.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

TEST(ConvValues, NotANumberReachesItsWindowsAndNoOthers) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (Index at = 0; at < 40; ++at) {
    Array<double> x = Array<double>::ones({1, 1, 3, 40});
    x(0, 0, 1, at) = nan;
    const auto y = nn::conv2d(x, Array<double>::ones({1, 1, 3, 3}), {.padding = 1});
    for (Index j = 0; j < 40; ++j) {
      EXPECT_EQ(std::isnan(y(0, 0, 1, j)), std::abs(j - at) <= 1) << at << ' ' << j;
    }
  }
}

template <class T>
void check_depthwise_nan(DataFormat format, Index stride) {
  constexpr Index kChannels = 19;
  const bool last = format == DataFormat::NHWC;
  const nn::Conv2dOptions options{
      .stride = {stride, stride}, .padding = 1, .groups = kChannels, .format = format};
  const auto w = Array<T>::ones({kChannels, 1, 3, 3});
  for (Index at = 0; at < 36; ++at) {
    const Index channel = at % kChannels;
    Array<T> x = Array<T>::ones(last ? Shape{1, 3, 36, kChannels} : Shape{1, kChannels, 3, 36});
    (last ? x(0, 1, at, channel) : x(0, channel, 1, at)) = std::numeric_limits<T>::quiet_NaN();
    const auto y = nn::conv2d(x, w, options);
    const auto planes = last ? y.permute({0, 3, 1, 2}) : View<T>(y);
    for (Index c = 0; c < kChannels; ++c) {
      for (Index j = 0; j < planes.shape()[3]; ++j) {
        const bool seen = c == channel && std::abs(j * stride - at) <= 1;
        EXPECT_EQ(std::isnan(planes(0, c, 0, j)), seen) << at << ' ' << c << ' ' << j;
      }
    }
  }
}

TEST(ConvValues, NotANumberStaysInItsChannel) {
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
    for (const Index stride : {1, 2}) {
      check_depthwise_nan<float>(format, stride);
      check_depthwise_nan<double>(format, stride);
    }
  }
}

TEST(ConvValues, DepthwiseStartsFromTheBias) {
  Generator generator(12);
  const auto bias = random_normal<double>({35}, generator);
  const auto w = Array<double>::zeros({35, 1, 3, 3});
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
    const bool last = format == DataFormat::NHWC;
    const auto x = Array<double>::ones(last ? Shape{1, 9, 5, 35} : Shape{1, 35, 9, 5});
    const auto y = nn::conv2d(x, w, bias, {.padding = 1, .groups = 35, .format = format});
    const auto planes = last ? y.permute({0, 3, 1, 2}) : View<double>(y);
    for (Index c = 0; c < 35; ++c) EXPECT_EQ(planes(0, c, 8, 4), bias(c));
  }
}

TEST(ConvValues, InfinityReachesTheWeightsThatSeeItAndNoOthers) {
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
    const bool last = format == DataFormat::NHWC;
    Array<double> x = Array<double>::ones(last ? Shape{2, 6, 7, 2} : Shape{2, 2, 6, 7});
    (last ? x(1, 0, 0, 1) : x(1, 1, 0, 0)) = std::numeric_limits<double>::infinity();
    const auto dy = Array<double>::ones(last ? Shape{2, 6, 7, 3} : Shape{2, 3, 6, 7});
    const auto dw =
        nn::conv2d_backward_weight(dy, x, Shape{3, 2, 3, 3}, {.padding = 1, .format = format});
    for (Index r = 0; r < 3; ++r) {
      for (Index s = 0; s < 3; ++s) {
        EXPECT_TRUE(std::isfinite(dw(0, 0, r, s)));
        EXPECT_EQ(std::isinf(dw(0, 1, r, s)), r < 2 && s < 2) << r << ' ' << s;
        EXPECT_FALSE(std::isnan(dw(2, 1, r, s)));
      }
    }
  }
}

// Many small images take a way of their own.
TEST(ConvValues, ABatchIsItsImages) {
  Generator generator(13);
  Array<float> x = random_normal<float>({37, 8, 7, 6}, generator);
  Array<float> w = random_normal<float>({9, 8, 3, 3}, generator);
  const Array<float> bias = random_normal<float>({9}, generator);
  x(36, 7, 0, 5) = std::numeric_limits<float>::infinity();
  w(4, 2, 2, 0) = std::numeric_limits<float>::infinity();
  const nn::Conv2dOptions options{.padding = 1, .activation = nn::Activation::Relu};
  const Array<float> y = nn::conv2d(x, w, bias, options);
  for (Index n = 0; n < 37; ++n) {
    const Array<float> one = nn::conv2d(x.slice(0, {n, n + 1}), w, bias, options);
    for (Index i = 0; i < one.size(); ++i) {
      const float value = y.data()[n * one.size() + i];
      const bool same = value == one.data()[i] || std::abs(value - one.data()[i]) < 1e-4F;
      ASSERT_TRUE(same || (std::isnan(value) && std::isnan(one.data()[i]))) << n << ' ' << i;
    }
  }
  // Lanes without an image add nothing, not even 0 times infinity.
  const Array<float> dy = Array<float>::ones({31, 9, 7, 6});
  Array<float> some = x.slice(0, {0, 31}).copy();
  some(30, 7, 3, 3) = std::numeric_limits<float>::infinity();
  const Array<float> dw = nn::conv2d_backward_weight(dy, some, w.shape(), {.padding = 1});
  EXPECT_TRUE(std::isinf(dw(0, 7, 1, 1)));
  EXPECT_TRUE(std::isfinite(dw(0, 6, 1, 1)));
}

// Taps far apart, of which only the middle one sees the image: padding is not copied at any price.
TEST(ConvValues, TapsFarApart) {
  Generator generator(13);
  const auto image = random_normal<double>({1, 4, 9, 20}, generator);
  for (const Index groups : {1, 4}) {
    const auto w = random_normal<double>({16, 4 / groups, 3, 3}, generator);
    const auto middle = w.slice(2, {1, 2}).slice(3, {1, 2});
    for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
      const View<double> x =
          format == DataFormat::NCHW ? View<double>(image) : image.permute({0, 2, 3, 1});
      const auto far = [&](Index reach) {
        return nn::conv2d(
            x, w, {.padding = reach, .dilation = reach, .groups = groups, .format = format});
      };
      const auto y = nn::conv2d(x, middle, {.groups = groups, .format = format});
      const auto y_far = far(200);
      ASSERT_EQ(y_far.shape(), y.shape());
      for (Index i = 0; i < y.size(); ++i) EXPECT_NEAR(y_far.data()[i], y.data()[i], 1e-13) << i;
      // Its padded extents wrap around 64 bits when multiplied.
      EXPECT_THROW(static_cast<void>(far((Index{1} << 31) - 1)), Error);
    }
  }
}

// Sums of a million equal numbers: one after the other in float they would lose three digits.
TEST(Conv, DepthwiseWeightGradientOfLongLines) {
  constexpr Index kLength = Index{1} << 20;
  const double expected = double{0.1F} * double{0.3F} * (kLength - 2);
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
    const bool first = format == DataFormat::NCHW;
    const auto shape = [&](Index length) {
      return first ? Shape{1, 2, length} : Shape{1, length, 2};
    };
    const Array<float> dw = nn::conv1d_backward_weight(Array<float>::full(shape(kLength - 2), 0.3F),
                                                       Array<float>::full(shape(kLength), 0.1F),
                                                       {2, 1, 3}, {.groups = 2, .format = format});
    for (const float value : dw) {
      EXPECT_NEAR(value, expected, 1e-4 * expected) << to_string(format);
    }
  }
}

TEST(ConvGradient, PhasesOfTheStrideThatNothingLooksAt) {
  // Phases beyond the input, phases between the taps: their gradient is 0.
  const Array<double> x = testing::values<double>({2, 3, 5, 7}, 1);
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
    for (const Index stride : {Index{4}, Index{1'000'000'000}}) {
      const nn::Conv2dOptions options{
          .stride = stride, .padding = 1, .dilation = {1, 2}, .format = format};
      const View<double> mine = format == DataFormat::NCHW ? x.view() : x.permute({0, 2, 3, 1});
      const Array<double> w = testing::values<double>({4, 3, 2, 3}, 2);
      const Array<double> y = nn::conv2d(mine, w, options);
      const Array<double> dy = testing::values<double>(y.shape(), 3);
      const Array<double> dx = nn::conv2d_backward_input(dy, w, mine.shape(), options);
      // conv2d is linear: dy . conv(x) = dx . x.
      double left = 0;
      double right = 0;
      for (Index i = 0; i < y.size(); ++i) left += dy.data()[i] * y.data()[i];
      const Array<double> packed = mine.copy();
      for (Index i = 0; i < dx.size(); ++i) right += dx.data()[i] * packed.data()[i];
      EXPECT_NEAR(left, right, 1e-12 * (1 + std::abs(left)));
    }
  }
}

// ---------------------------------------------------------------- errors

TEST(ConvErrors, NameWhatIsWrong) {
  const auto x = Array<float>::ones({1, 3, 8, 8});
  const auto w = Array<float>::ones({8, 4, 3, 3});
  EXPECT_EQ(testing::message_of([&] { (void)nn::conv2d(x, w); }),
            "conv2d: weight has 4 input channels, x has 3; x (1, 3, 8, 8), weight (8, 4, 3, 3), "
            "groups 1");
  const auto fits = Array<float>::ones({8, 3, 3, 3});
  EXPECT_EQ(testing::message_of([&] {
              (void)nn::conv2d(x, fits, {.stride = {0, 1}});
            }),
            "conv2d: stride must be at least 1, got 0");
  EXPECT_EQ(testing::message_of([&] {
              (void)nn::conv2d(x, fits, {.dilation = {1, 0}});
            }),
            "conv2d: dilation must be at least 1, got 0");
  EXPECT_EQ(testing::message_of([&] { (void)nn::conv2d(x, fits, {.groups = 2}); }),
            "conv2d: groups 2 must divide the 3 channels of x and the 8 of weight; x (1, 3, 8, 8), "
            "weight (8, 3, 3, 3)");
  EXPECT_EQ(testing::message_of([&] {
              (void)nn::conv2d(x, Array<float>::ones({8, 3, 9, 3}));
            }),
            "conv2d: kernel of extent 9 with dilation 1 is larger than the padded extent 8; "
            "x (1, 3, 8, 8), weight (8, 3, 9, 3)");
  EXPECT_EQ(testing::message_of([&] { (void)nn::conv2d(x, fits, {.padding = -1}); }),
            "conv2d: padding must not be negative, got -1 and -1");
  EXPECT_EQ(testing::message_of([&] {
              (void)nn::conv2d(x, Array<float>::ones({8, 3, 0, 3}));
            }),
            "conv2d: weight has no kernel elements; weight (8, 3, 0, 3)");
  EXPECT_EQ(testing::message_of([&] { (void)nn::conv2d(x, fits, Array<float>::ones({7})); }),
            "conv2d: bias must have shape (8,), got (7,)");
  EXPECT_EQ(testing::message_of([&] { (void)nn::conv2d(Array<float>::ones({8}), fits); }),
            "conv2d: x must have rank 2 (a single map), 3 (a sample) or 4 (a batch), got shape "
            "(8,)");
  EXPECT_EQ(testing::message_of([&] {
              (void)nn::conv2d_backward_input(Array<float>::ones({1, 8, 5, 6}), fits, x.shape());
            }),
            "conv2d_backward_input: dy must have shape (1, 8, 6, 6), got (1, 8, 5, 6); "
            "x (1, 3, 8, 8), weight (8, 3, 3, 3)");
  EXPECT_EQ(testing::message_of([&] {
              (void)nn::conv2d_backward_input(Array<float>::ones({1, 8, 6, 6}), fits, x.shape(),
                                              {.activation = nn::Activation::Relu});
            }),
            "conv2d_backward_input: apply activation_backward first: dy belongs to the sum before "
            "the activation");
  Array<float> out(Shape{1, 8, 6, 5});
  EXPECT_EQ(testing::message_of([&] { nn::conv2d_into(x, fits, {}, out); }),
            "conv2d: out must have shape (1, 8, 6, 6), got (1, 8, 6, 5)");
  Array<float> both = Array<float>::ones({1, 1, 4, 4});
  EXPECT_EQ(testing::message_of([&] {
              nn::conv2d_into(both, Array<float>::ones({1, 1, 1, 1}), {}, both);
            }),
            "conv2d: out overlaps an input");
}

}  // namespace
}  // namespace lamina
