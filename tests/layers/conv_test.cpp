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

}  // namespace
}  // namespace lamina
