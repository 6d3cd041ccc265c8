// Convolutions with packed weights against those with the weights themselves.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "lamina/core/parallel.hpp"
#include "lamina/core/random.hpp"
#include "lamina/core/simd.hpp"
#include "lamina/nn/conv_packed.hpp"
#include "support/expect.hpp"
#include "support/message.hpp"

namespace lamina {
namespace {

using nn::Conv2dOptions;

struct Case {
  const char* name;
  Index images, channels, height, width, out_channels, kernel;
  Conv2dOptions options;
};

const Case kCases[] = {
    {"winograd, one block", 1, 64, 14, 15, 96, 3, {.padding = 1}},
    {"winograd, small tiles", 1, 64, 7, 8, 48, 3, {.padding = 1}},
    {"winograd, blocks", 3, 80, 30, 29, 64, 3, {.padding = 1}},
    {"small images", 3, 40, 7, 7, 33, 3, {.padding = 1}},
    {"small images, groups", 2, 66, 9, 5, 34, 3, {.dilation = 2, .groups = 2}},
    {"large images", 2, 5, 33, 40, 20, 3, {.padding = PaddingMode::asymmetric({0, 1}, {2, 0})}},
    {"pointwise", 3, 300, 14, 14, 37, 1, {}},
    {"pointwise, one image", 1, 260, 14, 14, 290, 1, {}},
    {"pointwise, large", 2, 20, 31, 33, 40, 1, {}},
    {"pointwise, stride", 2, 300, 15, 14, 18, 1, {.stride = 2}},
    {"stride", 2, 32, 29, 30, 48, 3, {.stride = {2, 3}, .padding = 1}},
    {"stem", 1, 3, 40, 41, 16, 7, {.stride = 2, .padding = 3}},
    {"depthwise", 2, 24, 12, 13, 24, 3, {.padding = 1, .groups = 24}},
    {"single position", 2, 30, 3, 3, 20, 3, {}},
    {"reflect", 1, 16, 12, 12, 16, 3, {.padding = 1, .padding_value = nn::PaddingValue::Reflect}},
    {"activation", 2, 16, 12, 12, 16, 3, {.padding = 1, .activation = nn::Activation::Silu}},
};

template <class T>
void expect_near(const Array<T>& got, const Array<T>& wanted) {
  ASSERT_EQ(got.shape(), wanted.shape());
  double most = 0;
  for (const T v : wanted) most = std::max(most, std::abs(static_cast<double>(v)));
  const double bound = 64 * static_cast<double>(std::numeric_limits<T>::epsilon()) * most;
  for (Index i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got.data()[i], wanted.data()[i], bound) << "at " << i;
  }
}

template <class T>
class PackedConv : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(PackedConv, Types);

TYPED_TEST(PackedConv, IsTheConvolution) {
  using T = TypeParam;
  Generator generator(2);
  for (const Case& c : kCases) {
    for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
      SCOPED_TRACE(c.name);
      Conv2dOptions options = c.options;
      options.format = format;
      const bool last = format == DataFormat::NHWC;
      const auto image = [&](Index images, Index more) {
        return random_normal<T>(last ? Shape{images, c.height + more, c.width, c.channels}
                                     : Shape{images, c.channels, c.height + more, c.width},
                                generator);
      };
      const Array<T> w = random_normal<T>(
          {c.out_channels, c.channels / options.groups, c.kernel, c.kernel}, generator);
      const Array<T> bias = random_normal<T>({c.out_channels}, generator);
      const Array<T> x = image(c.images, 0);
      test::for_each_target([&] {
        const auto packed = nn::pack_conv2d_weight(w, x.shape(), options);
        expect_near(nn::conv2d(x, packed, bias), nn::conv2d(x, w, bias, options));
        expect_near(nn::conv2d(x, packed), nn::conv2d(x, w, options));
        // Another batch, other extents: what was packed may not serve.
        const Array<T> other = image(c.images + 2, 17);
        expect_near(nn::conv2d(other, packed, bias), nn::conv2d(other, w, bias, options));
      });
      const auto packed = nn::pack_conv2d_weight(w, x.shape(), options);
      test::expect_same_on_any_number_of_threads([&] { return nn::conv2d(x, packed, bias); });
      test::expect_same_on_any_number_of_threads([&] { return nn::conv2d(x, w, bias, options); });
    }
  }
}

TEST(PackedConvWeight, ViewsAndResultsOfAnyStrides) {
  Generator generator(5);
  const Array<float> large = random_normal<float>({2, 20, 12, 15}, generator);
  const View<float> x = large.slice(2, {1, 11}).slice(3, {2, 14});
  const Array<float> w = random_normal<float>({3, 3, 20, 24}, generator);
  const View<float> weight = w.permute({3, 2, 0, 1});
  const Conv2dOptions options{.padding = 1};
  const auto packed = nn::pack_conv2d_weight(weight, x.shape(), options);
  const Array<float> wanted = nn::conv2d(x, weight, options);
  expect_near(nn::conv2d(x, packed), wanted);
  Array<float> out(Shape{2, 24, 10, 24});
  nn::conv2d_into(x, packed, {}, out.view().slice(3, {0, 24, 2}));
  expect_near(out.slice(3, {0, 24, 2}).copy(), wanted);
  // Channels adjacent in memory, though the format says otherwise, and the other way round.
  const Array<float> turned = x.permute({0, 2, 3, 1}).copy();
  expect_near(nn::conv2d(turned.permute({0, 3, 1, 2}), packed), wanted);
}

TEST(PackedConvWeight, IsACopyThatServesEveryTarget) {
  Generator generator(6);
  const Array<float> x = random_normal<float>({2, 32, 9, 9}, generator);
  Array<float> w = random_normal<float>({32, 32, 3, 3}, generator);
  const auto packed = nn::pack_conv2d_weight(w, x.shape());
  const Array<float> wanted = nn::conv2d(x, w);
  w.fill(0.0f);
  const auto copy = packed;
  test::for_each_target([&] { expect_near(nn::conv2d(x, copy), wanted); });
  EXPECT_EQ(packed.weight_shape(), (Shape{32, 32, 3, 3}));
  EXPECT_GE(packed.bytes(), 2 * 32 * 32 * 9 * sizeof(float));
}

TEST(PackedConvWeight, WhatIsNotFiniteReachesItsWindowsAndNoOthers) {
  Generator generator(7);
  Array<float> x = random_normal<float>({1, 64, 16, 16}, generator);
  Array<float> w = random_normal<float>({64, 64, 3, 3}, generator);
  const auto packed = nn::pack_conv2d_weight(w, x.shape());
  x(0, 3, 8, 8) = std::numeric_limits<float>::quiet_NaN();
  const auto nans = [](const Array<float>& y) {
    Index count = 0;
    for (const float v : y) count += std::isnan(v) ? 1 : 0;
    return count;
  };
  EXPECT_EQ(nans(nn::conv2d(x, packed)), 64 * 9);
  x(0, 3, 8, 8) = 0;
  w(5, 0, 1, 1) = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(nans(nn::conv2d(x, nn::pack_conv2d_weight(w, x.shape()))), 14 * 14);
}

TEST(PackedConvWeight, Errors) {
  const Array<float> x(Shape{1, 4, 8, 8});
  const Array<float> w(Shape{6, 4, 3, 3});
  const auto packed = nn::pack_conv2d_weight(w, x.shape());
  EXPECT_EQ(testing::message_of([&] { (void)nn::conv2d(x, nn::PackedConv2dWeight<float>()); }),
            "conv2d: weight holds nothing");
  EXPECT_EQ(testing::message_of([&] {
              (void)nn::conv2d(Array<float>(Shape{1, 3, 8, 8}), packed);
            }),
            "conv2d: weight has 4 input channels, x has 3; x (1, 3, 8, 8), weight (6, 4, 3, 3), "
            "groups 1");
  Array<float> out(Shape{1, 6, 8, 8});
  EXPECT_EQ(testing::message_of([&] { nn::conv2d_into(x, packed, {}, out.view()); }),
            "conv2d: out must have shape (1, 6, 6, 6), got (1, 6, 8, 8)");
  EXPECT_EQ(testing::message_of([&] { (void)nn::conv2d(x, packed, Array<float>(Shape{5})); }),
            "conv2d: bias must have shape (6,), got (5,)");
  EXPECT_EQ(testing::message_of([&] {
              (void)nn::pack_conv2d_weight(w, {1, 4, 2, 8});
            }),
            "pack_conv2d_weight: kernel of extent 3 with dilation 1 is larger than the padded "
            "extent 2; x (1, 4, 2, 8), weight (6, 4, 3, 3)");
}

TEST(PackedConvWeight, EmptyBatches) {
  const auto packed = nn::pack_conv2d_weight(Array<float>::ones({6, 4, 3, 3}), {0, 4, 8, 8});
  EXPECT_EQ(nn::conv2d(Array<float>(Shape{0, 4, 8, 8}), packed).shape(), (Shape{0, 6, 6, 6}));
  EXPECT_EQ(nn::conv2d(Array<float>::ones({1, 4, 8, 8}), packed)(0, 0, 0, 0), 36.0f);
}

}  // namespace
}  // namespace lamina
