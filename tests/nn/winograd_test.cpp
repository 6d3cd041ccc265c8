// Winograd's algorithm against the definition, against the direct sum, and where it must not be
// used.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "lamina/core/random.hpp"
#include "lamina/nn/conv.hpp"
#include "support/expect.hpp"

namespace lamina {
namespace {

using nn::Conv2dOptions;
using nn::ConvAlgorithm;

struct Case {
  Index images, in_channels, out_channels, height, width;
  PaddingMode padding;
};
// Tiles that end with the image and beyond it, one and several blocks, widths below a vector.
const Case kCases[] = {
    {6, 64, 64, 8, 8, 1},
    {3, 80, 64, 9, 23, PaddingMode::asymmetric({0, 1}, {2, 0})},
    {4, 64, 96, 14, 7, {}},
    {1, 64, 64, 41, 37, 1},
    {2, 128, 64, 12, 21, 2},
    {1, 160, 80, 14, 14, 1},
    {1, 32, 48, 14, 11, 1},
    {3, 48, 32, 7, 7, 1},  // the fewest channels and tiles
    {3, 32, 48, 12, 11, 1},
    // Tiles of 2 x 2.
    {1, 160, 80, 7, 7, 1},
    {2, 48, 96, 6, 8, PaddingMode::asymmetric({0, 1}, {2, 0})},
    {1, 272, 32, 7, 8, 1},
};

Array<float> in_format(const Array<float>& x, DataFormat format) {
  return format == DataFormat::NCHW ? x.copy() : x.permute({0, 2, 3, 1}).copy();
}

/// Some elements of the exact result, and how far they are off.
double worst_error(const Case& c, const Array<float>& x, const Array<float>& w,
                   const Array<float>& y) {
  const auto before = [&](int axis, Index extent) {
    return c.padding.resolve(axis, extent, 3, 1, 1, "test").before;
  };
  const Index top = before(0, c.height);
  const Index left = before(1, c.width);
  double worst = 0;
  for (Index i = 0; i < y.size(); i += 17) {
    const Index v = i % y.shape()[3];
    const Index h = i / y.shape()[3] % y.shape()[2];
    const Index o = i / (y.shape()[3] * y.shape()[2]) % c.out_channels;
    const Index n = i / (y.shape()[3] * y.shape()[2] * c.out_channels);
    double sum = 0;
    for (Index k = 0; k < c.in_channels; ++k) {
      for (Index r = 0; r < 3; ++r) {
        for (Index s = 0; s < 3; ++s) {
          const Index iy = h + r - top;
          const Index ix = v + s - left;
          if (iy < 0 || ix < 0 || iy >= c.height || ix >= c.width) continue;
          sum += static_cast<double>(x(n, k, iy, ix)) * static_cast<double>(w(o, k, r, s));
        }
      }
    }
    worst = std::max(worst, std::abs(static_cast<double>(y.data()[i]) - sum));
  }
  return worst;
}

double largest(const Array<float>& x) {
  double most = 0;
  for (const float v : x) most = std::max(most, std::abs(static_cast<double>(v)));
  return most;
}

TEST(Winograd, ErrorIsBelowTheStatedBound) {
  Generator generator(3);
  for (const Case& c : kCases) {
    const Array<float> x =
        random_normal<float>({c.images, c.in_channels, c.height, c.width}, generator);
    const Array<float> w = random_normal<float>({c.out_channels, c.in_channels, 3, 3}, generator);
    const double unit = static_cast<double>(std::numeric_limits<float>::epsilon()) *
                        std::sqrt(9.0 * static_cast<double>(c.in_channels)) * largest(x) *
                        largest(w);
    test::for_each_target([&] {
      for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
        const Array<float> y =
            nn::conv2d(in_format(x, format), w, {.padding = c.padding, .format = format});
        const Array<float> first =
            format == DataFormat::NCHW ? y.copy() : y.permute({0, 3, 1, 2}).copy();
        EXPECT_LT(worst_error(c, x, w, first), 64 * unit);
        EXPECT_GT(worst_error(c, x, w, first), 0);
      }
    });
  }
}

TEST(Winograd, GradientBiasAndActivationAreThoseOfTheDirectSum) {
  Generator generator(4);
  for (const Case& c : kCases) {
    for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
      const Array<float> x = in_format(
          random_normal<float>({c.images, c.in_channels, c.height, c.width}, generator), format);
      const Array<float> w = random_normal<float>({c.out_channels, c.in_channels, 3, 3}, generator);
      const Array<float> bias = random_normal<float>({c.out_channels}, generator);
      Conv2dOptions options{
          .padding = c.padding, .format = format, .activation = nn::Activation::Relu};
      const Array<float> y = nn::conv2d(x, w, bias, options);
      options.algorithm = ConvAlgorithm::Direct;
      const Array<float> direct = nn::conv2d(x, w, bias, options);
      ASSERT_EQ(y.shape(), direct.shape());
      bool same = true;
      const double most = largest(direct);
      for (Index i = 0; i < y.size(); ++i) {
        ASSERT_NEAR(y.data()[i], direct.data()[i], 1e-4 * most);
        same = same && y.data()[i] == direct.data()[i];
      }
      EXPECT_FALSE(same) << "Winograd's algorithm was not used";
      options.activation = nn::Activation::Identity;
      const Array<float> dx_direct = nn::conv2d_backward_input(y, w, x.shape(), options);
      const double dx_most = largest(dx_direct);
      options.algorithm = ConvAlgorithm::Auto;
      const Array<float> dx = nn::conv2d_backward_input(y, w, x.shape(), options);
      for (Index i = 0; i < dx.size(); ++i) {
        ASSERT_NEAR(dx.data()[i], dx_direct.data()[i], 1e-4 * dx_most);
      }
      test::expect_same_on_any_number_of_threads(
          [&] { return nn::conv2d_backward_input(y, w, x.shape(), options); });
      test::expect_same_on_any_number_of_threads([&] { return nn::conv2d(x, w, bias, options); });
    }
  }
}

/// An element of the exact weight gradient.
double exact_gradient(const Case& c, const Array<float>& x, const Array<float>& dy, Index o,
                      Index k, Index r, Index s) {
  const Index top = r - c.padding.resolve(0, c.height, 3, 1, 1, "test").before;
  const Index left = s - c.padding.resolve(1, c.width, 3, 1, 1, "test").before;
  double sum = 0;
  for (Index n = 0; n < c.images; ++n) {
    for (Index h = 0; h < dy.shape()[2]; ++h) {
      for (Index v = 0; v < dy.shape()[3]; ++v) {
        if (h + top < 0 || v + left < 0 || h + top >= c.height || v + left >= c.width) continue;
        sum +=
            static_cast<double>(x(n, k, h + top, v + left)) * static_cast<double>(dy(n, o, h, v));
      }
    }
  }
  return sum;
}

// Of the weights: tiles that end with dy and beyond it, few sums and many, one part and several.
const Case kGradientCases[] = {
    {12, 32, 32, 8, 8, 1},   {6, 48, 32, 9, 23, PaddingMode::asymmetric({0, 1}, {2, 0})},
    {13, 64, 96, 14, 7, {}}, {1, 64, 64, 41, 37, 1},
    {8, 112, 80, 12, 11, 2}, {64, 32, 64, 16, 16, 1},
};

TEST(Winograd, ErrorOfTheWeightGradientIsBelowTheStatedBound) {
  Generator generator(9);
  for (const Case& c : kGradientCases) {
    const Array<float> x =
        random_normal<float>({c.images, c.in_channels, c.height, c.width}, generator);
    const Shape w_shape{c.out_channels, c.in_channels, 3, 3};
    const Shape y_shape =
        nn::conv2d(x, Array<float>::zeros(w_shape), {.padding = c.padding}).shape();
    const Array<float> dy = random_normal<float>(y_shape, generator);
    const double unit =
        static_cast<double>(std::numeric_limits<float>::epsilon()) *
        std::sqrt(static_cast<double>(dy.size()) / static_cast<double>(c.out_channels)) *
        largest(x) * largest(dy);
    test::for_each_target([&] {
      for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
        const Conv2dOptions options{.padding = c.padding, .format = format};
        const Array<float> x_in = in_format(x, format);
        const Array<float> dy_in = in_format(dy, format);
        const Array<float> dw = nn::conv2d_backward_weight(dy_in, x_in, w_shape, options);
        double worst = 0;
        for (Index i = 0; i < dw.size(); i += 1 + dw.size() / 50) {
          const double exact = exact_gradient(c, x, dy, i / (9 * c.in_channels),
                                              i / 9 % c.in_channels, i % 9 / 3, i % 3);
          worst = std::max(worst, std::abs(static_cast<double>(dw.data()[i]) - exact));
        }
        EXPECT_LT(worst, 32 * unit);
        Conv2dOptions as_written = options;
        as_written.algorithm = ConvAlgorithm::Direct;
        EXPECT_FALSE(dw == nn::conv2d_backward_weight(dy_in, x_in, w_shape, as_written))
            << "Winograd's algorithm was not used";
        test::expect_same_on_any_number_of_threads(
            [&] { return nn::conv2d_backward_weight(dy_in, x_in, w_shape, options); });
      }
    });
  }
}

TEST(Winograd, WeightGradientOfViewsAndInDouble) {
  Generator generator(10);
  const Array<double> x = random_normal<double>({9, 48, 14, 13}, generator);
  const Array<double> large = random_normal<double>({9, 36, 15, 30}, generator);
  // Columns adjacent, and two apart: then the direct sum serves.
  for (const Index step : {1, 2}) {
    const View<double> dy =
        large.slice(1, {4, 36}).slice(2, {1, 15}).slice(3, {3, 3 + 13 * step, step});
    Conv2dOptions options{.padding = 1, .algorithm = ConvAlgorithm::Direct};
    const Array<double> direct = nn::conv2d_backward_weight(dy, x, {32, 48, 3, 3}, options);
    options.algorithm = ConvAlgorithm::Auto;
    const Array<double> dw = nn::conv2d_backward_weight(dy, x, {32, 48, 3, 3}, options);
    EXPECT_EQ(dw == direct, step == 2);
    for (Index i = 0; i < dw.size(); ++i) ASSERT_NEAR(dw.data()[i], direct.data()[i], 1e-11);
  }
}

TEST(Winograd, WeightGradientOfWhatIsNotFinite) {
  Generator generator(11);
  const Array<float> x = random_normal<float>({8, 32, 12, 12}, generator);
  const Array<float> dy = random_normal<float>({8, 32, 12, 12}, generator);
  const Shape w_shape{32, 32, 3, 3};
  const Conv2dOptions direct{.padding = 1, .algorithm = ConvAlgorithm::Direct};
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e30F}) {
    for (const bool in_dy : {false, true}) {
      Array<float> x_bad = x.copy();
      Array<float> dy_bad = dy.copy();
      (in_dy ? dy_bad : x_bad)(7, 31, 0, 11) = bad;
      const Array<float> dw = nn::conv2d_backward_weight(dy_bad, x_bad, w_shape, {.padding = 1});
      const Array<float> expected = nn::conv2d_backward_weight(dy_bad, x_bad, w_shape, direct);
      for (Index i = 0; i < dw.size(); ++i) {
        ASSERT_TRUE(dw.data()[i] == expected.data()[i] ||
                    (std::isnan(dw.data()[i]) && std::isnan(expected.data()[i])));
      }
    }
  }
}

TEST(Winograd, InDoubleToo) {
  Generator generator(8);
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
    const bool last = format == DataFormat::NHWC;
    const Array<double> x =
        random_normal<double>(last ? Shape{2, 15, 23, 64} : Shape{2, 64, 15, 23}, generator);
    const Array<double> w = random_normal<double>({80, 64, 3, 3}, generator);
    const Conv2dOptions options{.padding = 1, .format = format};
    Conv2dOptions as_written = options;
    as_written.algorithm = ConvAlgorithm::Direct;
    test::for_each_target([&] {
      const Array<double> y = nn::conv2d(x, w, options);
      const Array<double> direct = nn::conv2d(x, w, as_written);
      const Array<double> dx = nn::conv2d_backward_input(direct, w, x.shape(), options);
      const Array<double> dx_direct = nn::conv2d_backward_input(direct, w, x.shape(), as_written);
      EXPECT_FALSE(y == direct);
      // 64 eps sqrt(9 C) max|x| max|w|, with 5 and 5; the gradient's dy is up to 150.
      const double bound = 64 * std::numeric_limits<double>::epsilon() * 27 * 5;
      for (Index i = 0; i < y.size(); ++i) {
        ASSERT_NEAR(y.data()[i], direct.data()[i], bound * 5);
      }
      for (Index i = 0; i < dx.size(); ++i) {
        ASSERT_NEAR(dx.data()[i], dx_direct.data()[i], bound * 150);
      }
    });
  }
}

TEST(Winograd, OneSwitchTurnsItOff) {
  Generator generator(5);
  const Array<float> x = random_normal<float>({1, 64, 19, 19}, generator);
  const Array<float> w = random_normal<float>({64, 64, 3, 3}, generator);
  const Array<float> direct = nn::conv2d(x, w, {.algorithm = ConvAlgorithm::Direct});
  EXPECT_TRUE(nn::winograd_allowed());
  EXPECT_FALSE(nn::conv2d(x, w) == direct);
  nn::set_winograd(false);
  EXPECT_FALSE(nn::winograd_allowed());
  EXPECT_TRUE(nn::conv2d(x, w) == direct);
  nn::set_winograd(true);
  EXPECT_FALSE(nn::conv2d(x, w) == direct);
}

TEST(Winograd, WhatIsNotFiniteReachesItsWindowsAndNoOthers) {
  Generator generator(6);
  const Array<float> w = random_normal<float>({64, 64, 3, 3}, generator);
  for (const Index images : {1, 9}) {  // weights that are transformed on the way, and beforehand
    const Array<float> x = random_normal<float>({images, 64, 19, 19}, generator);
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e30F}) {
      for (const bool in_weights : {false, true}) {
        Array<float> x_bad = x.copy();
        Array<float> w_bad = w.copy();
        (in_weights ? w_bad(0, 63, 2, 2) : x_bad(0, 63, 18, 18)) = bad;
        const Array<float> y = nn::conv2d(x_bad, w_bad);
        const Array<float> direct = nn::conv2d(x_bad, w_bad, {.algorithm = ConvAlgorithm::Direct});
        for (Index i = 0; i < y.size(); ++i) {
          ASSERT_TRUE(y.data()[i] == direct.data()[i] ||
                      (std::isnan(y.data()[i]) && std::isnan(direct.data()[i])));
        }
      }
    }
  }
}

TEST(Winograd, OverlappingViewThatLooksLikeBothFormats) {
  Generator generator(8);
  const Array<float> w = random_normal<float>({64, 64, 3, 3}, generator);
  // Channel c, line h, column w is element c + 24 h + w.
  const Array<float> sequence = random_normal<float>({24 * 24 + 63}, generator);
  const View<float> x(sequence.data(), Shape{1, 64, 24, 24}, Strides{0, 1, 24, 1});
  const Array<float> direct = nn::conv2d(x, w, {.padding = 1, .algorithm = ConvAlgorithm::Direct});
  const Array<float> y = nn::conv2d(x, w, {.padding = 1});
  const double most = largest(direct);
  for (Index i = 0; i < y.size(); ++i) {
    ASSERT_NEAR(y.data()[i], direct.data()[i], 1e-4 * most);
  }
}

TEST(Winograd, EmptyBatchesAndViews) {
  Generator generator(7);
  const Array<float> w = random_normal<float>({64, 64, 3, 3}, generator);
  EXPECT_EQ(nn::conv2d(Array<float>(Shape{0, 64, 12, 12}), w).shape(), (Shape{0, 64, 10, 10}));
  // A window into a larger array, and a sample.
  const Array<float> large = random_normal<float>({2, 64, 22, 23}, generator);
  const View<float> window = large.slice(2, {1, 21}).slice(3, {2, 22});
  const Array<float> direct =
      nn::conv2d(window, w, {.padding = 1, .algorithm = ConvAlgorithm::Direct});
  const Array<float> y = nn::conv2d(window, w, {.padding = 1});
  const double most = largest(direct);
  for (Index i = 0; i < y.size(); ++i) {
    ASSERT_NEAR(y.data()[i], direct.data()[i], 1e-4 * most);
  }
  const Array<float> batch = nn::conv2d(large, w, {.padding = 1});
  EXPECT_TRUE(nn::conv2d(large.select(0, 1), w, {.padding = 1}) == batch.select(0, 1));
}

}  // namespace
}  // namespace lamina
