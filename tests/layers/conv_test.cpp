#include "lamina/layers/conv.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace lamina {
namespace {

TEST(Conv2dLayer, AppliesItsParameters) {
  Generator generator(1);
  layers::Conv2d<double> layer(4, 6, {3, 3}, generator,
                               {.conv = {.stride = {2, 2}, .padding = 1, .groups = 2}});
  EXPECT_EQ(layer.name(), "Conv2d(4 -> 6, kernel (3, 3), stride (2, 2), groups 2)");
  EXPECT_EQ(layer.weight().shape(), (Shape{6, 2, 3, 3}));
  EXPECT_EQ(layer.parameters().size(), 2U);
  const Var<double> x(random_normal<double>({2, 4, 7, 7}, generator));
  const Var<double> y = layer.forward(x);
  EXPECT_EQ(y.value(), nn::conv2d(x.value(), layer.weight().value(), layer.bias().value(),
                                  {.stride = {2, 2}, .padding = 1, .groups = 2}));
  // 1 / sqrt(fan_in), with a fan-in of 2 channels by 9 taps.
  for (const double v : layer.weight().value()) EXPECT_LE(std::abs(v), 1 / std::sqrt(18.0));
}

TEST(Conv2dLayer, RefusesWhatCannotBe) {
  Generator generator(1);
  EXPECT_THROW(layers::Conv2d<float>(3, 4, {3, 3}, generator, {.conv = {.groups = 2}}), Error);
  EXPECT_THROW(layers::Conv2d<float>(0, 4, {3, 3}, generator), Error);
  EXPECT_THROW(layers::Conv2d<float>(3, 4, {3, 0}, generator), Error);
}

TEST(ConvLayers, AreTheFunctions) {
  Generator generator(1);
  layers::Conv1d<double> one(3, 4, 5, generator, {.conv = {.stride = 2}, .bias = false});
  EXPECT_EQ(one.name(), "Conv1d(3 -> 4, kernel (5), stride (2), no bias)");
  const Array<double> x1 = random_normal<double>({2, 3, 9}, generator);
  EXPECT_EQ(one(x1).value(), nn::conv1d(x1, one.weight().value(), {.stride = 2}));
  EXPECT_EQ(one.parameters().size(), 1U);

  layers::Conv3d<double> three(2, 3, {1, 2, 3}, generator);
  EXPECT_EQ(three.weight().shape(), (Shape{3, 2, 1, 2, 3}));
  const Array<double> x3 = random_normal<double>({1, 2, 3, 4, 5}, generator);
  EXPECT_EQ(three(x3).value(), nn::conv3d(x3, three.weight().value(), three.bias().value()));

  layers::DepthwiseConv2d<double> depthwise(3, 3, generator, {.conv = {.padding = 1}}, 2);
  EXPECT_EQ(depthwise.name(), "DepthwiseConv2d(3 -> 6, kernel (3, 3), stride (1, 1), groups 3)");
  EXPECT_EQ(depthwise.weight().shape(), (Shape{6, 1, 3, 3}));
  const Array<double> x2 = random_normal<double>({2, 3, 5, 6}, generator);
  EXPECT_EQ(depthwise(x2).value(), nn::depthwise_conv2d(x2, depthwise.weight().value(),
                                                        depthwise.bias().value(), {.padding = 1}));
}

TEST(ConvLayers, Transposed) {
  Generator generator(1);
  layers::ConvTranspose2d<double> layer(
      4, 6, 3, generator, {.conv = {.stride = 2, .padding = 1, .output_padding = 1, .groups = 2}});
  EXPECT_EQ(layer.name(), "ConvTranspose2d(4 -> 6, kernel (3, 3), stride (2, 2), groups 2)");
  EXPECT_EQ(layer.weight().shape(), (Shape{4, 3, 3, 3}));
  EXPECT_EQ(layer.bias().shape(), (Shape{6}));
  const Array<double> x = random_normal<double>({2, 4, 5, 5}, generator);
  EXPECT_EQ(layer(x).value(),
            nn::conv_transpose2d(x, layer.weight().value(), layer.bias().value(),
                                 {.stride = 2, .padding = 1, .output_padding = 1, .groups = 2}));
  // 1 / sqrt(fan_in) as in torch.nn: 3 channels a group by 9 taps.
  for (const double v : layer.weight().value()) EXPECT_LE(std::abs(v), 1 / std::sqrt(27.0));
  layers::ConvTranspose1d<float> one(2, 3, 4, generator, {.bias = false});
  EXPECT_EQ(one(random_normal<float>({1, 2, 5}, generator)).shape(), (Shape{1, 3, 8}));
  layers::ConvTranspose3d<float> three(2, 3, 2, generator);
  EXPECT_EQ(three(random_normal<float>({1, 2, 3, 3, 3}, generator)).shape(),
            (Shape{1, 3, 4, 4, 4}));
  EXPECT_THROW(layers::ConvTranspose2d<float>(3, 4, 3, generator, {.conv = {.groups = 2}}), Error);
}

}  // namespace
}  // namespace lamina
