#include "lamina/nn/conv.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "lamina/core/parallel.hpp"
#include "lamina/core/random.hpp"
#include "lamina/core/simd.hpp"
#include "nn/conv_reference.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using testing::ConvCase;
using testing::ConvReference;
using testing::Planes;
using testing::planes_of;

using P = PaddingMode;
using nn::Conv1dOptions;
using nn::Conv2dOptions;
using nn::Conv3dOptions;
const ConvCase kCases[] = {
    {"one_by_one", 2, 5, 7, 1, {9, 6}, {1, 1}, {1, 1}, {1, 1}, {}},
    {"one_by_one_outputs", 1, 260, 290, 1, {13, 14}, {1, 1}, {1, 1}, {1, 1}, {}},
    {"one_by_one_stride", 2, 5, 7, 1, {9, 6}, {1, 1}, {2, 3}, {1, 1}, {}},
    {"three_by_three", 2, 3, 4, 1, {8, 9}, {3, 3}, {1, 1}, {1, 1}, 1},
    {"one_image_many_channels", 1, 70, 33, 1, {7, 7}, {3, 3}, {1, 1}, {1, 1}, 1},
    {"one_image_many_more", 1, 40, 64, 1, {5, 6}, {3, 3}, {1, 1}, {1, 1}, 1},
    {"one_image_groups", 1, 50, 68, 2, {6, 7}, {3, 3}, {1, 1}, {1, 1}, 1},
    {"one_image_one_by_one", 1, 35, 260, 1, {5, 6}, {1, 1}, {1, 1}, {1, 1}, {}},
    {"one_image_stride", 1, 20, 144, 1, {9, 9}, {3, 3}, {2, 2}, {1, 1}, 1},
    {"wide_line", 1, 2, 3, 1, {3, 150}, {2, 5}, {1, 1}, {1, 1}, P::symmetric(0, 2)},
    {"stem", 2, 3, 16, 1, {23, 21}, {7, 7}, {2, 2}, {1, 1}, 3},
    {"stride_two", 3, 4, 6, 1, {11, 12}, {3, 3}, {2, 2}, {1, 1}, 1},
    {"stride_above_kernel", 1, 2, 3, 1, {13, 11}, {2, 2}, {4, 3}, {1, 1}, {}},
    {"dilated", 1, 4, 5, 1, {12, 13}, {3, 3}, {1, 1}, {2, 3}, P::symmetric(2, 3)},
    {"dilated_strided",
     2,
     3,
     2,
     1,
     {14, 15},
     {3, 2},
     {2, 3},
     {3, 2},
     P::asymmetric({1, 3}, {0, 2})},
    {"same", 1, 3, 3, 1, {7, 10}, {4, 3}, {1, 1}, {1, 1}, P::same()},
    {"same_strided", 1, 3, 3, 1, {7, 10}, {4, 3}, {2, 2}, {1, 1}, P::same()},
    {"full", 1, 2, 3, 1, {4, 5}, {3, 2}, {1, 1}, {1, 2}, P::full()},
    {"only_padding_at_edges", 1, 1, 2, 1, {2, 2}, {3, 3}, {1, 1}, {1, 1}, 3},
    {"groups", 2, 6, 9, 3, {6, 7}, {3, 3}, {1, 2}, {1, 1}, 1},
    {"depthwise", 2, 37, 37, 37, {9, 40}, {3, 3}, {1, 1}, {1, 1}, 1},
    {"depthwise_stride", 2, 5, 5, 5, {20, 75}, {3, 3}, {2, 2}, {1, 1}, 1},
    {"depthwise_stride_three", 1, 3, 3, 3, {20, 70}, {5, 3}, {3, 3}, {1, 2}, 2},
    {"depthwise_parts", 2, 131, 131, 131, {17, 9}, {3, 3}, {2, 2}, {1, 1}, 1},
    {"depthwise_unpadded", 2, 20, 20, 20, {12, 6}, {3, 3}, {1, 1}, {1, 1}, {}},
    {"depthwise_padded_twice", 1, 18, 18, 18, {6, 35}, {3, 3}, {1, 1}, {1, 1}, 2},
    {"depthwise_same_strided", 1, 17, 17, 17, {8, 34}, {3, 3}, {2, 2}, {1, 1}, P::same()},
    {"depthwise_one_line", 1, 16, 16, 16, {1, 33}, {3, 3}, {1, 1}, {1, 1}, 1},
    {"depthwise_one_column", 1, 16, 16, 16, {33, 1}, {3, 3}, {2, 2}, {1, 1}, 1},
    // Channels last, positions of all channels in turn.
    {"depthwise_blocks", 1, 256, 256, 256, {7, 5}, {3, 3}, {1, 1}, {1, 1}, 1},
    {"depthwise_blocks_strided", 1, 128, 128, 128, {9, 8}, {3, 3}, {2, 2}, {1, 1}, 1},
    {"depthwise_blocks_padded",
     1,
     128,
     128,
     128,
     {5, 7},
     {3, 3},
     {2, 2},
     {1, 1},
     P::symmetric(1, 3)},
    {"depthwise_small", 2, 5, 5, 5, {14, 14}, {3, 3}, {2, 2}, {1, 1}, 1},
    {"depthwise_narrow", 2, 20, 20, 20, {9, 13}, {3, 3}, {2, 2}, {1, 1}, 1},
    {"depthwise_narrow_unpadded", 2, 3, 3, 3, {12, 7}, {3, 3}, {2, 2}, {1, 1}, {}},
    {"depthwise_narrow_padded_twice", 1, 18, 18, 18, {4, 11}, {3, 3}, {2, 2}, {1, 1}, 2},
    {"depthwise_wide_only", 1, 19, 19, 19, {9, 40}, {3, 3}, {1, 2}, {1, 1}, 1},
    {"depthwise_dilated", 1, 19, 19, 19, {9, 40}, {3, 3}, {1, 1}, {1, 2}, 1},
    {"depthwise_multiplier", 2, 3, 6, 3, {8, 37}, {3, 3}, {1, 1}, {1, 1}, 1},
    // Larger than what is copied at a time.
    {"bands", 1, 8, 2, 1, {140, 130}, {3, 3}, {1, 1}, {1, 1}, 1},
    {"bands_stride", 1, 9, 2, 1, {190, 131}, {3, 2}, {2, 1}, {1, 2}, 1},
    {"narrow", 2, 3, 5, 1, {20, 3}, {3, 3}, {1, 1}, {1, 1}, 1},
    {"few_channels_last", 2, 9, 4, 1, {6, 35}, {2, 3}, {2, 3}, {1, 1}, 1},
    // Few channels and enough positions: nothing is gathered, one band or several.
    {"first_layer", 2, 1, 6, 1, {28, 28}, {5, 5}, {1, 1}, {1, 1}, 2},
    {"few_channels", 3, 6, 13, 1, {14, 14}, {5, 5}, {1, 1}, {1, 1}, {}},
    {"images_abreast", 19, 8, 13, 1, {9, 10}, {5, 5}, {1, 1}, {1, 1}, {}},
    {"images_abreast_padded", 32, 8, 9, 1, {8, 6}, {3, 3}, {1, 1}, {1, 1}, 1},
    {"images_abreast_stride", 31, 8, 16, 1, {11, 17}, {3, 4}, {2, 3}, {1, 1}, {}},
    {"images_abreast_dilated", 48, 12, 8, 1, {9, 6}, {3, 3}, {1, 1}, {2, 3}, 3},
    {"images_abreast_far_padding", 32, 8, 8, 1, {4, 4}, {3, 3}, {1, 1}, {1, 1}, 4},
    {"few_channels_in_bands",
     1,
     9,
     20,
     1,
     {45, 33},
     {3, 5},
     {1, 1},
     {2, 1},
     P::asymmetric({0, 3}, {1, 2})},
    {"few_channels_stride", 2, 3, 32, 1, {30, 45}, {7, 7}, {2, 2}, {1, 1}, 3},
    {"few_channels_stride_three", 1, 6, 20, 2, {31, 50}, {2, 3}, {2, 3}, {2, 4}, 1},
    {"few_channels_line_stride", 2, 5, 7, 1, {23, 18}, {4, 3}, {3, 1}, {1, 2}, 2},
    // More steps than are summed up at once.
    {"few_channels_deep", 1, 40, 3, 1, {9, 11}, {5, 3}, {1, 1}, {1, 1}, 1},
    {"few_channels_groups", 2, 15, 21, 3, {17, 19}, {3, 3}, {1, 1}, {1, 1}, P::full()},
    // Weight gradients: each part of the images by itself, whole images and bands; and bands of
    // shared blocks.
    {"many_images", 19, 3, 18, 1, {9, 10}, {3, 3}, {2, 1}, {1, 1}, 1},
    {"many_images_in_bands", 4, 20, 33, 1, {60, 50}, {3, 2}, {1, 2}, {2, 1}, 1},
    {"rows_in_bands", 1, 16, 3, 1, {200, 190}, {2, 2}, {1, 1}, {1, 1}, {}},
    {"rows_of_images", 5, 280, 240, 1, {5, 6}, {1, 2}, {1, 1}, {1, 1}, 1},
    {"empty_batch", 0, 3, 4, 1, {5, 5}, {3, 3}, {1, 1}, {1, 1}, 1},
};

template <class T>
struct Problem {
  Conv2dOptions options;
  Array<T> x, w, bias, dy;
};

template <class T>
Problem<T> make_problem(const ConvCase& c, DataFormat format) {
  Generator generator(7);
  const auto shape = [&](Index channels, Index h, Index w) {
    return format == DataFormat::NHWC ? Shape{c.images, h, w, channels}
                                      : Shape{c.images, channels, h, w};
  };
  Problem<T> p;
  p.options.stride = c.stride;
  p.options.padding = c.padding;
  p.options.dilation = c.dilation;
  p.options.groups = c.groups;
  p.options.format = format;
  p.x = random_normal<T>(shape(c.in_channels, c.in[0], c.in[1]), generator);
  p.w = random_normal<T>({c.out_channels, c.in_channels / c.groups, c.kernel[0], c.kernel[1]},
                         generator);
  p.bias = random_normal<T>({c.out_channels}, generator);
  std::array<Index, 2> out{};
  for (int i = 0; i < 2; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const auto pad =
        c.padding.resolve(i, c.in[at], c.kernel[at], c.stride[at], c.dilation[at], "t");
    out[at] = (c.in[at] + pad.before + pad.behind - c.dilation[at] * (c.kernel[at] - 1) - 1) /
                  c.stride[at] +
              1;
  }
  p.dy = random_normal<T>(shape(c.out_channels, out[0], out[1]), generator);
  return p;
}

/// Sums of `terms` products of numbers about 1. Partial sums grow with the root of their number,
/// and so does what rounding adds in the usual case; among many sums there are some where it adds
/// more.
template <class T>
void expect_close(const View<T>& got, DataFormat format, Planes want, Index terms,
                  const char* what) {
  Planes have = planes_of(got, format);
  ASSERT_EQ(have.values.size(), want.values.size()) << what;
  const double steps = 8 * std::sqrt(static_cast<double>(terms + 1)) +
                       static_cast<double>(std::min<Index>(terms, 1024)) / 3;
  const auto tolerance = static_cast<long double>(std::numeric_limits<T>::epsilon() * steps);
  for (std::size_t i = 0; i < want.values.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(have.values[i]), static_cast<double>(want.values[i]),
                static_cast<double>(tolerance * (1 + std::abs(want.values[i]))))
        << what << " at " << i;
  }
}

class ConvTest : public ::testing::TestWithParam<std::tuple<ConvCase, DataFormat>> {
 protected:
  template <class T>
  void check_all() {
    const auto& [c, format] = GetParam();
    const Problem<T> p = make_problem<T>(c, format);
    const ConvReference want =
        testing::reference_conv(c, planes_of<T>(p.x, format), planes_of<T>(p.w, DataFormat::NCHW),
                                planes_of<T>(p.dy, format));
    const Index terms = p.w.size() / std::max<Index>(1, c.out_channels);
    const Array<T> y = nn::conv2d(p.x, p.w, p.options);
    expect_close<T>(y, format, want.y, terms, "y");
    const Array<T> dx = nn::conv2d_backward_input(p.dy, p.w, p.x.shape(), p.options);
    expect_close<T>(dx, format, want.dx, terms * c.out_channels / std::max<Index>(1, c.in_channels),
                    "dx");
    const Array<T> dw = nn::conv2d_backward_weight(p.dy, p.x, p.w.shape(), p.options);
    expect_close<T>(dw, DataFormat::NCHW, want.dw, p.dy.size() / c.out_channels, "dw");
  }
};

TEST_P(ConvTest, AgreesWithTheDefinition) {
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    SCOPED_TRACE(simd::to_string(target));
    check_all<float>();
    check_all<double>();
  }
  simd::reset();
}

TEST_P(ConvTest, StridedArgumentsBiasAndActivation) {
  const auto& [c, format] = GetParam();
  const Problem<double> p = make_problem<double>(c, format);
  // The same numbers in the other memory order, reached through a permuted view.
  const Array<double> turned = p.x.permute({3, 1, 0, 2}).copy();
  const View<double> x = turned.permute({2, 1, 3, 0});
  ASSERT_TRUE(x == p.x);
  const Array<double> w_turned = p.w.t().copy();
  const Array<double> plain = nn::conv2d(p.x, p.w, p.options);
  Conv2dOptions fused = p.options;
  fused.activation = nn::Activation::Relu;
  Array<double> out(plain.shape());
  nn::conv2d_into(x, w_turned.t(), p.bias, out, fused);
  Array<double> large(
      Shape{plain.shape()[0], plain.shape()[1], plain.shape()[2], 2 * plain.shape()[3]});
  MutView<double> spaced = large.slice(3, {.step = 2});
  nn::conv2d_into(x, w_turned.t(), p.bias, spaced, fused);
  EXPECT_TRUE(View<double>(spaced) == out);
  const int channel = format == DataFormat::NHWC ? 3 : 1;
  for (Index o = 0; o < c.out_channels && plain.size() > 0; ++o) {
    const View<double> before = View<double>(plain.view()).select(channel, o);
    const View<double> after = View<double>(out.view()).select(channel, o);
    auto it = after.begin();
    for (const double v : before) {
      const double sum = v + p.bias(o);
      ASSERT_NEAR(*it, sum > 0 ? sum : 0, 1e-12 * (1 + std::abs(v)));
      ++it;
    }
  }
}

TEST_P(ConvTest, SameBitsOnAnyNumberOfThreads) {
  const auto& [c, format] = GetParam();
  const Problem<float> p = make_problem<float>(c, format);
  const int before = num_threads();
  set_num_threads(1);
  const Array<float> y = nn::conv2d(p.x, p.w, p.bias, p.options);
  const Array<float> dx = nn::conv2d_backward_input(p.dy, p.w, p.x.shape(), p.options);
  const Array<float> dw = nn::conv2d_backward_weight(p.dy, p.x, p.w.shape(), p.options);
  for (const int threads : {2, 3, 5}) {
    set_num_threads(threads);
    EXPECT_TRUE(nn::conv2d(p.x, p.w, p.bias, p.options) == y);
    EXPECT_TRUE(nn::conv2d_backward_input(p.dy, p.w, p.x.shape(), p.options) == dx);
    EXPECT_TRUE(nn::conv2d_backward_weight(p.dy, p.x, p.w.shape(), p.options) == dw);
  }
  set_num_threads(before);
}

INSTANTIATE_TEST_SUITE_P(Cases, ConvTest,
                         ::testing::Combine(::testing::ValuesIn(kCases),
                                            ::testing::Values(DataFormat::NCHW, DataFormat::NHWC)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) +
                                  (std::get<1>(test.param) == DataFormat::NCHW ? "_nchw" : "_nhwc");
                         });

// ---------------------------------------------------------------- the guide's single maps

TEST(ConvGuide, WorkedValues) {
  const Array<double> signal{1, 2, 3, 4, 5};
  const Array<double> edge{1, 0, -1};
  EXPECT_TRUE(nn::conv1d(signal, edge, 1) == (Array<double>{-2, -2, -2}));
  EXPECT_TRUE(nn::conv1d(signal, Array<double>{1, 1}, 2) == (Array<double>{3, 7}));
  EXPECT_TRUE(nn::conv1d(Array<double>{0, 0, 1, 1, 1, 0, 0}, Array<double>{-1, 0, 1}, 1) ==
              (Array<double>{1, 1, 0, -1, -1}));

  const auto counting = Array<double>::arange(0, 9).reshape({3, 3});
  const auto ones = Array<double>::ones({2, 2});
  EXPECT_TRUE(nn::conv2d(counting, ones, {1, 1}) == (Array<double>{{8, 12}, {20, 24}}));
  const auto from_one = Array<double>::arange(1, 10).reshape({3, 3});
  EXPECT_TRUE(nn::conv2d(from_one, Array<double>{{1, 0}, {0, 1}}, {1, 1}) ==
              (Array<double>{{6, 8}, {12, 14}}));
  const auto sixteen = Array<double>::arange(1, 17).reshape({4, 4});
  EXPECT_TRUE(nn::conv2d(sixteen, ones, {2, 2}) == (Array<double>{{14, 22}, {46, 54}}));

  const auto image = Array<double>::ones({5, 5});
  const Array<double> laplacian{{1, 1, 1}, {1, -8, 1}, {1, 1, 1}};
  EXPECT_TRUE(nn::conv2d(image, laplacian, {1, 1}) == Array<double>::zeros({3, 3}));
  EXPECT_EQ(nn::conv2d_with_padding(image, laplacian, {1, 1}, 1).shape(), (Shape{5, 5}));
  EXPECT_TRUE(nn::depthwise_conv2d(image, laplacian, {1, 1}) == Array<double>::zeros({3, 3}));
}

TEST(ConvGuide, BatchedFormsOfTheOriginal) {
  const auto x = Array<double>::arange(0, 16).reshape({1, 1, 4, 4});
  const auto y =
      nn::conv2d_batched(x, Array<double>::ones({1, 1, 2, 2}), {}, {1, 1}, {0, 0}, {1, 1});
  EXPECT_EQ(y.shape(), (Shape{1, 1, 3, 3}));
  EXPECT_EQ(y(0, 0, 0, 0), 10);
  EXPECT_EQ(y(0, 0, 0, 2), 18);
  const auto padded = nn::depthwise_conv2d_batched(
      Array<double>::ones({1, 1, 3, 3}), Array<double>::ones({1, 1, 3, 3}), {1, 1}, {1, 1});
  EXPECT_EQ(padded(0, 0, 1, 1), 9);
  EXPECT_EQ(padded(0, 0, 0, 0), 4);
  const auto grouped = nn::grouped_conv2d(Array<double>::ones({1, 4, 3, 3}),
                                          Array<double>::ones({4, 2, 2, 2}), 2, {1, 1}, {0, 0});
  EXPECT_TRUE(grouped == Array<double>::full({1, 4, 2, 2}, 8));
}

TEST(ConvGuide, SeparableIsDepthwiseThenPointwise) {
  Generator generator(3);
  const auto x = random_normal<double>({2, 3, 6, 5}, generator);
  const auto depthwise = random_normal<double>({6, 1, 3, 3}, generator);
  const auto pointwise = random_normal<double>({4, 6, 1, 1}, generator);
  const auto bias = random_normal<double>({4}, generator);
  const auto together = nn::separable_conv2d(x, depthwise, pointwise, bias, {.padding = 1});
  const auto steps =
      nn::conv2d(nn::depthwise_conv2d(x, depthwise, {.padding = 1}), pointwise, bias);
  EXPECT_TRUE(together == steps);
}

// ---------------------------------------------------------------- one and three axes

TEST(ConvRanks, OneAxisIsAnImageOfHeightOne) {
  Generator generator(5);
  const auto x = random_normal<double>({2, 3, 19}, generator);
  const auto w = random_normal<double>({4, 3, 4}, generator);
  const auto y = nn::conv1d(x, w, {.stride = {2}, .padding = 2, .dilation = {3}});
  const auto image =
      nn::conv2d(x.expand_dims(2), w.expand_dims(2),
                 {.stride = {1, 2}, .padding = PaddingMode::symmetric(0, 2), .dilation = {1, 3}});
  EXPECT_TRUE(y == image.squeeze(2));
  const auto dy = random_normal<double>(y.shape(), generator);
  const Conv1dOptions options{.stride = {2}, .padding = 2, .dilation = {3}};
  const auto dx = nn::conv1d_backward_input(dy, w, x.shape(), options);
  const auto dw = nn::conv1d_backward_weight(dy, x, w.shape(), options);
  // <dy, conv(x)> is linear in x and in w: its gradients give it back.
  double forward = 0, by_x = 0, by_w = 0;
  for (Index i = 0; i < y.size(); ++i) forward += dy.data()[i] * y.data()[i];
  for (Index i = 0; i < x.size(); ++i) by_x += dx.data()[i] * x.data()[i];
  for (Index i = 0; i < w.size(); ++i) by_w += dw.data()[i] * w.data()[i];
  EXPECT_NEAR(forward, by_x, 1e-11 * (1 + std::abs(forward)));
  EXPECT_NEAR(forward, by_w, 1e-11 * (1 + std::abs(forward)));
}

TEST(ConvRanks, ThreeAxesAreSumsOfImages) {
  Generator generator(6);
  // With a step along the lines, and without; small, and in bands.
  struct Form {
    PerAxis<3> stride;
    Index depth, height, width;
  };
  const Form forms[] = {
      {{2, 1, 2}, 5, 6, 7}, {{1, 1, 1}, 5, 6, 7}, {{2, 2, 1}, 9, 21, 24}, {{1, 1, 1}, 7, 20, 23}};
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC})
    for (const Form& form : forms) {
      const bool last = format == DataFormat::NHWC;
      const auto x = random_normal<double>(last ? Shape{2, form.depth, form.height, form.width, 3}
                                                : Shape{2, 3, form.depth, form.height, form.width},
                                           generator);
      const auto w = random_normal<double>({4, 3, 2, 3, 3}, generator);
      const Conv3dOptions options{
          .stride = form.stride, .padding = PaddingMode::symmetric(0, 1, 1), .format = format};
      const auto y = nn::conv3d(x, w, options);
      const int depth_axis = last ? 1 : 2;
      const Index step = form.stride[0];
      ASSERT_EQ(y.shape()[depth_axis], (form.depth - 2) / step + 1);
      for (Index d = 0; d < y.shape()[depth_axis]; ++d) {
        const Conv2dOptions flat{
            .stride = {form.stride[1], form.stride[2]}, .padding = 1, .format = format};
        const auto front = nn::conv2d(x.select(depth_axis, step * d), w.select(2, 0), flat);
        const auto behind = nn::conv2d(x.select(depth_axis, step * d + 1), w.select(2, 1), flat);
        auto it = y.select(depth_axis, d).begin();
        for (Index i = 0; i < front.size(); ++i, ++it) {
          ASSERT_NEAR(*it, front.data()[i] + behind.data()[i], 1e-12);
        }
      }
      const auto dy = random_normal<double>(y.shape(), generator);
      const auto dx = nn::conv3d_backward_input(dy, w, x.shape(), options);
      const auto dw = nn::conv3d_backward_weight(dy, x, w.shape(), options);
      double forward = 0, by_x = 0, by_w = 0;
      for (Index i = 0; i < y.size(); ++i) forward += dy.data()[i] * y.data()[i];
      for (Index i = 0; i < x.size(); ++i) by_x += dx.data()[i] * x.data()[i];
      for (Index i = 0; i < w.size(); ++i) by_w += dw.data()[i] * w.data()[i];
      EXPECT_NEAR(forward, by_x, 1e-11 * (1 + std::abs(forward)));
      EXPECT_NEAR(forward, by_w, 1e-11 * (1 + std::abs(forward)));
    }
}

TEST(ConvRanks, SampleWithoutBatch) {
  Generator generator(8);
  const auto x = random_normal<float>({1, 3, 8, 8}, generator);
  const auto w = random_normal<float>({4, 3, 3, 3}, generator);
  const auto batch = nn::conv2d(x, w);
  EXPECT_TRUE(nn::conv2d(x.select(0, 0), w) == batch.select(0, 0));
}

TEST(ConvRanks, PaddingValuesAreThoseOfPad) {
  Generator generator(9);
  const auto x = random_normal<double>({2, 3, 6, 7}, generator);
  const auto w = random_normal<double>({2, 3, 3, 3}, generator);
  for (const auto value :
       {nn::PaddingValue::Reflect, nn::PaddingValue::Replicate, nn::PaddingValue::Circular}) {
    const nn::Conv2dOptions options{.padding = PaddingMode::asymmetric({1, 2}, {2, 0}),
                                    .padding_value = value};
    const std::vector<PaddingAmount> amounts{{1, 2}, {2, 0}};
    const auto y = nn::conv2d(x, w, options);
    EXPECT_TRUE(y == nn::conv2d(nn::pad(x, amounts, value), w));
    const auto dy = random_normal<double>(y.shape(), generator);
    const auto dx = nn::conv2d_backward_input(dy, w, x.shape(), options);
    const auto dw = nn::conv2d_backward_weight(dy, x, w.shape(), options);
    double forward = 0, by_x = 0, by_w = 0;
    for (Index i = 0; i < y.size(); ++i) forward += dy.data()[i] * y.data()[i];
    for (Index i = 0; i < x.size(); ++i) by_x += dx.data()[i] * x.data()[i];
    for (Index i = 0; i < w.size(); ++i) by_w += dw.data()[i] * w.data()[i];
    EXPECT_NEAR(forward, by_x, 1e-11 * (1 + std::abs(forward)));
    EXPECT_NEAR(forward, by_w, 1e-11 * (1 + std::abs(forward)));
  }
}

TEST(ConvRanks, DepthwiseVolumesAreVolumesOfEachChannel) {
  Generator generator(11);
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
    const bool last = format == DataFormat::NHWC;
    const int axis = last ? 4 : 1;
    const auto x =
        random_normal<double>(last ? Shape{2, 5, 6, 9, 3} : Shape{2, 3, 5, 6, 9}, generator);
    const auto w = random_normal<double>({3, 1, 2, 3, 3}, generator);
    Conv3dOptions options{.stride = {2, 1, 2},
                          .padding = PaddingMode::symmetric(1, 1, 2),
                          .dilation = {1, 2, 1},
                          .groups = 3,
                          .format = format};
    const auto y = nn::conv3d(x, w, options);
    const auto dy = random_normal<double>(y.shape(), generator);
    const auto dx = nn::conv3d_backward_input(dy, w, x.shape(), options);
    const auto dw = nn::conv3d_backward_weight(dy, x, w.shape(), options);
    options.groups = 1;
    for (Index c = 0; c < 3; ++c) {
      const View<double> own = x.slice(axis, {c, c + 1});
      const View<double> own_dy = dy.slice(axis, {c, c + 1});
      const View<double> weight = w.slice(0, {c, c + 1});
      const auto near = [](const View<double>& a, const View<double>& b) {
        ASSERT_EQ(a.shape(), b.shape());
        auto it = b.begin();
        for (const double v : a) {
          ASSERT_NEAR(v, *it, 1e-11);
          ++it;
        }
      };
      const auto y_own = nn::conv3d(own, weight, options);
      near(y.slice(axis, {c, c + 1}), y_own);
      const auto dx_own = nn::conv3d_backward_input(own_dy, weight, own.shape(), options);
      near(dx.slice(axis, {c, c + 1}), dx_own);
      const auto dw_own = nn::conv3d_backward_weight(own_dy, own, weight.shape(), options);
      near(dw.slice(0, {c, c + 1}), dw_own);
    }
  }
}

TEST(ConvRanks, DepthwiseBeyondTheCachesIsTheSame) {
  Generator generator(10);
  // Whole vectors or not, around the caches or only read ahead.
  for (const Index channels : {32, 37}) {
    const auto w = random_normal<float>({channels, 1, 3, 3}, generator);
    for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
      const bool last = format == DataFormat::NHWC;
      const auto x = random_uniform<float>(
          last ? Shape{12, 112, 112, channels} : Shape{12, channels, 112, 112}, generator, -1.0F,
          1.0F);
      for (const Index stride : {1, 2}) {
        const nn::Conv2dOptions options{
            .stride = {stride, stride}, .padding = 1, .groups = channels, .format = format};
        const auto y = nn::conv2d(x, w, options);
        EXPECT_TRUE(nn::conv2d(x.select(0, 11), w, options) == y.select(0, 11));
      }
    }
  }
}

TEST(ConvRanks, BiasGradientSumsImagesAndPositions) {
  const auto dy = Array<double>::arange(0, 24).reshape({2, 3, 2, 2});
  EXPECT_TRUE(nn::conv_backward_bias(dy) == (Array<double>{60, 92, 124}));
  const Array<double> last = dy.permute({0, 2, 3, 1}).copy();
  EXPECT_TRUE(nn::conv_backward_bias(last, DataFormat::NHWC) == (Array<double>{60, 92, 124}));
}

}  // namespace
}  // namespace lamina
