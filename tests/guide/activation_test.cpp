#include "lamina/nn/activation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "guide/near.hpp"
#include "lamina/nn/softmax.hpp"

// The guide's chapters "Quick Start" (first example) and "Activation Functions".

namespace lamina::guide {
namespace {

const Array<double>& ramp() {
  static const Array<double> x{-2.0, -1.0, 0.0, 1.0, 2.0};
  return x;
}

TEST(GuideQuickStart, BasicExample) {
  const Array<double> input{-1.0, 0.0, 1.0, 2.0};
  const Array<double> hidden = nn::relu(input);
  const Array<double> output = nn::softmax(hidden);
  EXPECT_EQ(hidden, (Array<double>{0, 0, 1, 2}));
  expect_near(output, {4}, {.0825945394, .0825945394, .2245152357, .6102956854});
}

TEST(GuideActivation, Relu) {
  EXPECT_EQ(nn::relu(ramp()), (Array<double>{0.0, 0.0, 0.0, 1.0, 2.0}));
  const Array<double> matrix{{-1, 0, 1}, {2, -2, 3}};
  EXPECT_EQ(nn::relu_2d(matrix), (Array<double>{{0, 0, 1}, {2, 0, 3}}));
  Array<double> x{-1.0, 0.0, 1.0};
  nn::relu_inplace(x);
  EXPECT_EQ(x, (Array<double>{0, 0, 1}));
}

TEST(GuideActivation, ReluKeepsNaN) {
  const Array<double> x{std::numeric_limits<double>::quiet_NaN(), -1.0};
  EXPECT_TRUE(std::isnan(nn::relu(x)(0)));
}

TEST(GuideActivation, LeakyRelu) {
  EXPECT_EQ(nn::leaky_relu(ramp(), 0.01), (Array<double>{-0.02, -0.01, 0.0, 1.0, 2.0}));
}

TEST(GuideActivation, Elu) {
  expect_near(nn::elu(ramp(), 1.0), {5}, {-.8646647168, -.6321205588, 0, 1, 2});
}

TEST(GuideActivation, Selu) {
  expect_near(nn::selu(ramp()), {5}, {-1.5201664686, -1.1113307378, 0, 1.0507009874, 2.1014019747});
}

TEST(GuideActivation, Sigmoid) {
  expect_near(nn::sigmoid(ramp()), {5}, {.1192029220, .2689414214, .5, .7310585786, .8807970780});
}

TEST(GuideActivation, Tanh) {
  expect_near(nn::tanh(ramp()), {5}, {-.9640275801, -.7615941560, 0, .7615941560, .9640275801});
}

TEST(GuideActivation, GeluIsTheHeadlineFormula) {
  expect_near(nn::gelu(ramp()), {5}, {-.0455002639, -.1586552539, 0, .8413447461, 1.9544997361});
}

TEST(GuideActivation, GeluByTanhIsTheApproximation) {
  expect_near(nn::gelu_tanh(ramp()), {5},
              {-.0454023059, -.1588080094, 0, .8411919906, 1.9545976941});
  EXPECT_EQ(nn::gelu(ramp(), nn::GeluApproximation::Tanh), nn::gelu_tanh(ramp()));
}

TEST(GuideActivation, SwishAndSilu) {
  expect_near(nn::swish(ramp()), {5}, {-.2384058440, -.2689414214, 0, .7310585786, 1.7615941560});
  EXPECT_EQ(nn::silu(ramp()), nn::swish(ramp()));
}

TEST(GuideActivation, Mish) {
  expect_near(nn::mish(ramp()), {5}, {-.2525014827, -.3034014614, 0, .8650983883, 1.9439589595});
}

TEST(GuideActivation, Softplus) {
  expect_near(nn::softplus(Array<double>{0.0, 10.0, 30.0}), {3},
              {.6931471806, 10.0000453989, 30.0});
}

TEST(GuideActivation, EveryOtherOneTakesMatricesUnderItsOwnName) {
  const Array<double> x = ramp().reshape({1, 5}).copy();
  EXPECT_EQ(nn::leaky_relu_2d(x, 0.01), nn::leaky_relu(x, 0.01));
  EXPECT_EQ(nn::elu_2d(x, 1.0), nn::elu(x, 1.0));
  EXPECT_EQ(nn::selu_2d(x), nn::selu(x));
  EXPECT_EQ(nn::sigmoid_2d(x), nn::sigmoid(x));
  EXPECT_EQ(nn::tanh_2d(x), nn::tanh(x));
  EXPECT_EQ(nn::swish_2d(x), nn::swish(x));
  EXPECT_EQ(nn::silu_2d(x), nn::silu(x));
  EXPECT_EQ(nn::mish_2d(x), nn::mish(x));
  EXPECT_EQ(nn::gelu_2d(x), nn::gelu(x));
  EXPECT_EQ(nn::softplus_2d(x), nn::softplus(x));
}

TEST(GuideActivation, Softmax) {
  const Array<double> logits{1.0, 2.0, 3.0};
  expect_near(nn::softmax(logits), {3}, {.0900305732, .2447284711, .6652409558});
  expect_near(nn::softmax(Array<double>{1, 2, 3, 4}), {4},
              {.0320586033, .0871443187, .2368828181, .6439142599});
  EXPECT_EQ(nn::softmax(Array<double>{1000, 1001, 1002}), nn::softmax(Array<double>{0, 1, 2}));
  // The guide's temperature, "via scaling input", is an option here.
  const Array<double> twice{2.0, 4.0, 6.0};
  EXPECT_EQ(nn::softmax(twice, {.temperature = 2.0}), nn::softmax(logits));
}

TEST(GuideActivation, LogSoftmax) {
  const Array<double> logits{1.0, 2.0, 3.0};
  expect_near(nn::log_softmax(logits), {3}, {-2.4076059644, -1.4076059644, -.4076059644});
}

TEST(GuideActivation, SoftmaxOfRowsAndColumns) {
  const Array<double> x{{1, 2, 3}, {1, 2, 3}};
  expect_near(nn::softmax_2d(x, 1), {2, 3},
              {.0900305732, .2447284711, .6652409558, .0900305732, .2447284711, .6652409558});
  EXPECT_EQ(nn::softmax_2d(x, 0), Array<double>::full({2, 3}, 0.5));
  expect_near(
      nn::log_softmax_2d(x, 1), {2, 3},
      {-2.4076059644, -1.4076059644, -.4076059644, -2.4076059644, -1.4076059644, -.4076059644});
}

}  // namespace
}  // namespace lamina::guide
