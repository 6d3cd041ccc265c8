// Convolution on the tape: the gradient is what the plain functions say, and what differences say.

#include "lamina/autograd/ops_conv.hpp"

#include <gtest/gtest.h>

#include "lamina/autograd/gradcheck.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using testing::values;
using Vars = std::vector<Var<double>>;

template <class T>
class OpsConv : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(OpsConv, Types);

TYPED_TEST(OpsConv, IsThePlainFunctionAndItsGradients) {
  using T = TypeParam;
  const nn::Conv2dOptions options{.stride = {2, 1}, .padding = 1, .groups = 2};
  const Var<T> x = parameter(values<T>({2, 4, 6, 5}, 1));
  const Var<T> w = parameter(values<T>({6, 2, 3, 3}, 2));
  const Var<T> b = parameter(values<T>({6}, 3));
  const Var<T> y = nn::conv2d(x, w, b, options);
  EXPECT_EQ(y.value(), nn::conv2d(x.value(), w.value(), b.value(), options));
  const Array<T> dy = values<T>(y.shape(), 4);
  y.backward(dy);
  EXPECT_EQ(x.grad(), nn::conv2d_backward_input(dy, w.value(), x.shape(), options));
  EXPECT_EQ(w.grad(), nn::conv2d_backward_weight(dy, x.value(), w.shape(), options));
  EXPECT_EQ(b.grad(), nn::conv_backward_bias(dy));
}

TYPED_TEST(OpsConv, TheGuidesOtherNamesAreRecorded) {
  using T = TypeParam;
  const Var<T> x = parameter(values<T>({2, 4, 6, 5}, 1));
  const Var<T> w = parameter(values<T>({6, 4, 3, 3}, 2));
  const Var<T> pairs = parameter(values<T>({6, 2, 3, 3}, 3));
  const Var<T> one = parameter(values<T>({8, 1, 3, 3}, 4));
  const Var<T> b = parameter(values<T>({6}, 5));
  // The options that each name stands for give the gradients.
  const auto check = [&](const Var<T>& y, const Array<T>& expected, const Var<T>& weight,
                         const nn::Conv2dOptions& options) {
    EXPECT_EQ(y.value(), expected);
    const Array<T> dy = values<T>(y.shape(), 6);
    x.zero_grad();
    y.backward(dy);
    EXPECT_EQ(x.grad(),
              nn::conv2d_backward_input<T>(dy, weight.value(), x.value().shape(), options));
    EXPECT_EQ(weight.grad(),
              nn::conv2d_backward_weight<T>(dy, x.value(), weight.value().shape(), options));
    weight.zero_grad();
  };
  check(nn::conv2d_with_padding(x, w, 2, 1), nn::conv2d_with_padding(x.value(), w.value(), 2, 1), w,
        {.stride = 2, .padding = 1});
  const Var<T> with_bias = nn::conv2d_batched(x, w, b, 1, {1, 0}, 2);
  check(with_bias, nn::conv2d_batched(x.value(), w.value(), b.value(), 1, {1, 0}, 2), w,
        {.padding = PaddingMode::symmetric(1, 0), .dilation = 2});
  EXPECT_EQ(b.grad(), nn::conv_backward_bias<T>(values<T>(with_bias.shape(), 6)));
  check(nn::depthwise_conv2d_batched(x, one, {1, 2}, 1),
        nn::depthwise_conv2d_batched(x.value(), one.value(), {1, 2}, 1), one,
        {.stride = {1, 2}, .padding = 1, .groups = 4});
  check(nn::grouped_conv2d(x, pairs, 2, 1, {0, 1}),
        nn::grouped_conv2d(x.value(), pairs.value(), 2, 1, {0, 1}), pairs,
        {.padding = PaddingMode::symmetric(0, 1), .groups = 2});
}

TEST(OpsConvGradient, OptionsAndFormats) {
  const std::vector<nn::Conv2dOptions> cases{
      {},
      {.stride = {2, 3}, .padding = PaddingMode::asymmetric({1, 0}, {2, 1})},
      {.padding = PaddingMode::same(), .dilation = {2, 1}},
      {.padding = 1, .padding_value = nn::PaddingValue::Reflect},
      {.padding = 2, .padding_value = nn::PaddingValue::Circular},
      {.padding = 1, .activation = nn::Activation::Tanh},
  };
  for (nn::Conv2dOptions options : cases) {
    for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
      options.format = format;
      const Shape shape = format == DataFormat::NCHW ? Shape{2, 2, 5, 6} : Shape{2, 5, 6, 2};
      const auto f = [&](const Vars& in) { return nn::conv2d(in[0], in[1], in[2], options); };
      const auto result = gradcheck(
          f, {values<double>(shape, 1), values<double>({3, 2, 3, 2}, 2), values<double>({3}, 3)});
      EXPECT_TRUE(result) << result;
    }
  }
}

TEST(OpsConvGradient, OneAndThreeAxesSamplesAndMaps) {
  const auto one = [](const Vars& in) {
    return nn::conv1d(in[0], in[1], in[2], {.stride = {2}, .padding = 1});
  };
  auto result = gradcheck(
      one, {values<double>({2, 3, 7}, 1), values<double>({4, 3, 3}, 2), values<double>({4}, 3)});
  EXPECT_TRUE(result) << result;
  result = gradcheck(one, {values<double>({7}, 1), values<double>({3}, 2), values<double>({1}, 3)});
  EXPECT_TRUE(result) << result;
  const auto three = [](const Vars& in) {
    return nn::conv3d(in[0], in[1], in[2], {.stride = {1, 2, 1}, .format = DataFormat::NHWC});
  };
  result = gradcheck(three, {values<double>({3, 4, 3, 2}, 1), values<double>({3, 2, 2, 2, 2}, 2),
                             values<double>({3}, 3)});
  EXPECT_TRUE(result) << result;
}

TEST(OpsConvGradient, Depthwise) {
  const auto f = [](const Vars& in) {
    return nn::depthwise_conv2d(in[0], in[1], in[2], {.stride = {1, 2}, .padding = 1});
  };
  const auto result = gradcheck(f, {values<double>({2, 3, 5, 6}, 1),
                                    values<double>({6, 1, 3, 3}, 2), values<double>({6}, 3)});
  EXPECT_TRUE(result) << result;
}

TYPED_TEST(OpsConv, DepthwiseAndSeparableAreThePlainFunctionsAndTheirGradients) {
  using T = TypeParam;
  const nn::Conv2dOptions options{.stride = {2, 1}, .padding = 1};
  const Var<T> x = parameter(values<T>({2, 3, 6, 5}, 1));
  const Var<T> along = parameter(values<T>({6, 1, 3, 3}, 2));
  const Var<T> b = parameter(values<T>({6}, 3));
  const Var<T> y = nn::depthwise_conv2d(x, along, b, options);
  EXPECT_EQ(y.value(), nn::depthwise_conv2d(x.value(), along.value(), b.value(), options));
  const Array<T> dy = values<T>(y.shape(), 4);
  y.backward(dy);
  EXPECT_EQ(x.grad(), nn::depthwise_conv2d_backward_input(dy, along.value(), x.shape(), options));
  EXPECT_EQ(along.grad(),
            nn::depthwise_conv2d_backward_weight(dy, x.value(), along.shape(), options));
  EXPECT_EQ(b.grad(), nn::conv_backward_bias(dy));

  x.zero_grad();
  along.zero_grad();
  const Var<T> across = parameter(values<T>({4, 6, 1, 1}, 5));
  const Var<T> c = parameter(values<T>({4}, 6));
  const Var<T> z = nn::separable_conv2d(x, along, across, c, options);
  EXPECT_EQ(z.value(),
            nn::separable_conv2d(x.value(), along.value(), across.value(), c.value(), options));
  const Array<T> dz = values<T>(z.shape(), 7);
  z.backward(dz);
  const auto d =
      nn::separable_conv2d_backward(dz, x.value(), along.value(), across.value(), options);
  EXPECT_EQ(x.grad(), d.dx);
  EXPECT_EQ(along.grad(), d.ddepthwise);
  EXPECT_EQ(across.grad(), d.dpointwise);
  EXPECT_EQ(c.grad(), nn::conv_backward_bias(dz));
}

TEST(OpsConvGradient, Separable) {
  const std::vector<nn::Conv2dOptions> cases{
      {},
      {.stride = {2, 1}, .padding = PaddingMode::asymmetric({1, 0}, {2, 1}), .dilation = {1, 2}},
      {.padding = 1, .padding_value = nn::PaddingValue::Reflect},
      {.padding = 1, .activation = nn::Activation::Tanh},
  };
  for (nn::Conv2dOptions options : cases) {
    for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
      options.format = format;
      const Shape shape = format == DataFormat::NCHW ? Shape{2, 2, 5, 6} : Shape{2, 5, 6, 2};
      const auto f = [&](const Vars& in) {
        return nn::separable_conv2d(in[0], in[1], in[2], in[3], options);
      };
      const auto result = gradcheck(f, {values<double>(shape, 1), values<double>({4, 1, 3, 2}, 2),
                                        values<double>({3, 4, 1, 1}, 3), values<double>({3}, 4)});
      EXPECT_TRUE(result) << result;
    }
  }
  // What wants no gradient costs none, and gets none.
  const Var<double> x(values<double>({1, 2, 4, 4}, 1));
  const Var<double> along = parameter(values<double>({2, 1, 3, 3}, 2));
  const Var<double> across(values<double>({3, 2, 1, 1}, 3));
  const Var<double> y = nn::separable_conv2d(x, along, across);
  y.backward(values<double>(y.shape(), 4));
  EXPECT_TRUE(along.has_grad());
  EXPECT_FALSE(x.has_grad() || across.has_grad());
}

TYPED_TEST(OpsConv, TransposedIsThePlainFunctionAndItsGradients) {
  using T = TypeParam;
  const nn::ConvTranspose2dOptions options{
      .stride = {2, 1}, .padding = 1, .output_padding = {1, 0}, .groups = 2};
  const Var<T> x = parameter(values<T>({2, 4, 3, 5}, 1));
  const Var<T> w = parameter(values<T>({4, 3, 3, 3}, 2));
  const Var<T> b = parameter(values<T>({6}, 3));
  const Var<T> y = nn::conv_transpose2d(x, w, b, options);
  EXPECT_EQ(y.value(), nn::conv_transpose2d(x.value(), w.value(), b.value(), options));
  const Array<T> dy = values<T>(y.shape(), 4);
  y.backward(dy);
  EXPECT_EQ(x.grad(), nn::conv_transpose2d_backward_input(dy, w.value(), x.shape(), options));
  EXPECT_EQ(w.grad(), nn::conv_transpose2d_backward_weight(dy, x.value(), w.shape(), options));
  EXPECT_EQ(b.grad(), nn::conv_backward_bias(dy));
}

TEST(OpsConvGradient, Transposed) {
  const std::vector<nn::ConvTranspose2dOptions> cases{
      {},
      {.stride = {2, 3}, .padding = PaddingMode::asymmetric({1, 0}, {2, 1})},
      {.stride = 2, .padding = 1, .output_padding = 1, .dilation = {2, 1}},
      {.stride = {1, 2}, .padding = PaddingMode::same(), .activation = nn::Activation::Tanh},
  };
  for (nn::ConvTranspose2dOptions options : cases) {
    for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
      options.format = format;
      const Shape shape = format == DataFormat::NCHW ? Shape{2, 3, 4, 3} : Shape{2, 4, 3, 3};
      const auto f = [&](const Vars& in) {
        return nn::conv_transpose2d(in[0], in[1], in[2], options);
      };
      const auto result = gradcheck(
          f, {values<double>(shape, 1), values<double>({3, 2, 3, 2}, 2), values<double>({2}, 3)});
      EXPECT_TRUE(result) << result;
    }
  }
  const auto one = [](const Vars& in) {
    return nn::conv_transpose1d(in[0], in[1], in[2], {.stride = 2, .padding = 1});
  };
  auto result =
      gradcheck(one, {values<double>({7}, 1), values<double>({3}, 2), values<double>({1}, 3)});
  EXPECT_TRUE(result) << result;
  const auto three = [](const Vars& in) {
    return nn::conv_transpose3d(in[0], in[1], in[2], {.stride = {1, 2, 1}, .groups = 2});
  };
  result = gradcheck(three, {values<double>({4, 2, 3, 2}, 1), values<double>({4, 1, 2, 2, 1}, 2),
                             values<double>({2}, 3)});
  EXPECT_TRUE(result) << result;
}

}  // namespace
}  // namespace lamina
