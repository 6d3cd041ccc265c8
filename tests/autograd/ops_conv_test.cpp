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
    return nn::conv2d(in[0], in[1], in[2], {.stride = {1, 2}, .padding = 1, .groups = 3});
  };
  const auto result = gradcheck(f, {values<double>({2, 3, 5, 6}, 1),
                                    values<double>({6, 1, 3, 3}, 2), values<double>({6}, 3)});
  EXPECT_TRUE(result) << result;
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
