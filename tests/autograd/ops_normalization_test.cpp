// Normalization on the tape: numeric gradients, and the same numbers as the functions.

#include "lamina/autograd/ops_normalization.hpp"

#include <gtest/gtest.h>

#include "lamina/autograd/gradcheck.hpp"
#include "lamina/autograd/ops_local_response_norm.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using testing::values;
using V = Var<double>;
using Vars = std::vector<V>;
constexpr DataFormat kLast = DataFormat::NHWC;

TEST(OpsNormalization, NumericGradients) {
  const auto expect_gradient = [](auto f, const Shape& shape, const Shape& parameters) {
    const Array<double> x = values<double>(shape, 1);
    const Array<double> gamma = values<double>(parameters, 2);
    const Array<double> beta = values<double>(parameters, 3);
    const auto all =
        gradcheck([&](const Vars& in) { return f(in[0], in[1], in[2]); }, {x, gamma, beta});
    EXPECT_TRUE(all) << all;
    const auto plain = gradcheck([&](const Vars& in) { return f(in[0], V(), V()); }, {x});
    EXPECT_TRUE(plain) << plain;
    // Each parameter alone.
    const auto shift = gradcheck([&](const Vars& in) { return f(V(x), V(gamma), in[0]); }, {beta});
    EXPECT_TRUE(shift) << shift;
    const auto scale = gradcheck([&](const Vars& in) { return f(V(x), in[0], V(beta)); }, {gamma});
    EXPECT_TRUE(scale) << scale;
  };
  const auto layer = [](int axes) {
    return
        [axes](const V& x, const V& g, const V& b) { return nn::layer_norm(x, g, b, 0.1, axes); };
  };
  expect_gradient(layer(1), {3, 5}, {5});
  expect_gradient(layer(2), {2, 3, 4}, {3, 4});
  const auto batch = [](DataFormat format) {
    return [format](const V& x, const V& g, const V& b) {
      return nn::batch_norm(x, g, b, 0.1, format);
    };
  };
  expect_gradient(batch(DataFormat::NCHW), {5, 3}, {3});
  expect_gradient(batch(DataFormat::NCHW), {2, 3, 2, 3}, {3});
  expect_gradient(batch(kLast), {2, 2, 3, 3}, {3});
  const auto group = [](DataFormat format) {
    return [format](const V& x, const V& g, const V& b) {
      return nn::group_norm(x, 2, g, b, 0.1, format);
    };
  };
  expect_gradient(group(DataFormat::NCHW), {2, 4, 3}, {4});
  expect_gradient(group(kLast), {2, 3, 4}, {4});
  const auto instance = [](DataFormat format) {
    return [format](const V& x, const V& g, const V& b) {
      return nn::instance_norm(x, 0.1, g, b, format);
    };
  };
  expect_gradient(instance(DataFormat::NCHW), {2, 3, 4}, {3});
  expect_gradient(instance(kLast), {2, 4, 3}, {3});
  const auto training = [](const V& x, const V& g, const V& b) {
    Array<double> mean = Array<double>::zeros({3});
    Array<double> var = Array<double>::ones({3});
    return nn::batch_norm_training(x, mean, var, g, b, {.eps = 0.1});
  };
  expect_gradient(training, {4, 3, 2}, {3});
  const Array<double> mean = values<double>({3}, 4);
  const Array<double> var = Array<double>{0.5, 1, 2};
  const auto inference = [&](const V& x, const V& g, const V& b) {
    return nn::batch_norm_inference(x, mean, var, g, b);
  };
  expect_gradient(inference, {4, 3, 2}, {3});
  expect_gradient(inference, {4, 3}, {3});
}

TEST(OpsNormalization, RmsAndMatrices) {
  const Array<double> x = values<double>({3, 5}, 1);
  const Array<double> gamma = values<double>({5}, 2);
  const auto rms =
      gradcheck([](const Vars& in) { return nn::rms_norm(in[0], in[1], 0.1); }, {x, gamma});
  EXPECT_TRUE(rms) << rms;
  const auto plain =
      gradcheck([](const Vars& in) { return nn::rms_norm(in[0], V(), 0.1, 2); }, {x});
  EXPECT_TRUE(plain) << plain;
  const auto rows = gradcheck([](const Vars& in) { return nn::instance_norm(in[0], 0.1); }, {x});
  EXPECT_TRUE(rows) << rows;
}

TEST(OpsNormalization, LocalResponse) {
  const Array<double> x = values<double>({2, 5, 3}, 1);
  for (const DataFormat format : {DataFormat::NCHW, kLast}) {
    const auto result = gradcheck(
        [&](const Vars& in) {
          return nn::local_response_norm(in[0], 4, {.alpha = 0.5, .beta = 0.6, .format = format});
        },
        {x});
    EXPECT_TRUE(result) << result;
  }
}

TEST(OpsNormalization, IsTheDirectBackward) {
  const Var<float> x = parameter(values<float>({4, 6}, 1));
  const Var<float> gamma = parameter(values<float>({6}, 2));
  const Var<float> beta = parameter(values<float>({6}, 3));
  const Array<float> dy = values<float>({4, 6}, 4);
  const Var<float> y = nn::layer_norm(x, gamma, beta);
  EXPECT_EQ(y.value(), nn::layer_norm(x.value(), gamma.value(), beta.value()));
  y.backward(dy);
  const auto expected = nn::layer_norm_backward(dy, x.value(), gamma.value());
  EXPECT_EQ(x.grad(), expected.dx);
  EXPECT_EQ(gamma.grad(), expected.dgamma);
  EXPECT_EQ(beta.grad(), expected.dbeta);
  const Var<float> z = nn::batch_norm_1d(x, gamma, beta);
  EXPECT_EQ(z.value(), nn::batch_norm_1d(x.value(), gamma.value(), beta.value()));
  x.zero_grad();
  z.backward(dy);
  EXPECT_EQ(x.grad(), nn::batch_norm_backward(dy, x.value(), gamma.value()).dx);
}

TEST(OpsNormalization, Errors) {
  const Var<float> x = parameter(values<float>({2, 3}, 1));
  const Var<float> four = parameter(values<float>({4}, 1));
  const Var<float> scalar = parameter(Array<float>::scalar(1));
  EXPECT_THROW((void)nn::layer_norm(x, four), Error);
  EXPECT_THROW((void)nn::layer_norm(scalar), Error);
  EXPECT_THROW((void)nn::layer_norm(x, {}, {}, 1e-5, -1), Error);
  EXPECT_THROW((void)nn::layer_norm(x, {}, {}, 1e-5, 3), Error);
  EXPECT_THROW((void)nn::rms_norm(x, four), Error);
  EXPECT_THROW((void)nn::batch_norm(scalar), Error);
  EXPECT_THROW((void)nn::batch_norm_1d(scalar), Error);
  EXPECT_THROW((void)nn::batch_norm_2d(x), Error);
  EXPECT_THROW((void)nn::batch_norm_3d(x), Error);
  EXPECT_THROW((void)nn::group_norm(x, 2), Error);
  EXPECT_THROW((void)nn::group_norm(scalar, -1), Error);
  EXPECT_THROW((void)nn::instance_norm(scalar), Error);
}

}  // namespace
}  // namespace lamina
