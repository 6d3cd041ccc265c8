// Layers, optimizers and clipping on empty batches and empty parameters.

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "lamina/layers/activation.hpp"
#include "lamina/layers/attention.hpp"
#include "lamina/layers/conv.hpp"
#include "lamina/layers/dropout.hpp"
#include "lamina/layers/embedding.hpp"
#include "lamina/layers/linear.hpp"
#include "lamina/layers/normalization.hpp"
#include "lamina/layers/sequential.hpp"
#include "lamina/optim/clip.hpp"
#include "lamina/optim/optimizer.hpp"
#include "support/expect.hpp"

namespace lamina::layers {
namespace {

/// Runs a layer on an empty batch in training and in inference; parameters get gradients of zeros.
void check(Layer<float>& layer, const Shape& in, const Shape& out) {
  SCOPED_TRACE(layer.name());
  for (const bool training : {true, false}) {
    layer.train(training);
    const Var<float> x(Array<float>::empty(in), true);
    const Var<float> y = layer(x);
    ASSERT_EQ(y.shape(), out);
    y.backward(Array<float>::full(out, 1));
    EXPECT_EQ(x.grad().shape(), in);
    for (const auto& parameter : layer.parameters()) {
      ASSERT_TRUE(parameter.var.has_grad()) << parameter.name;
      for (const float value : parameter.var.grad()) {
        EXPECT_EQ(value, 0) << parameter.name;
      }
    }
  }
}

TEST(EmptyLayers, GiveEmptyResultsAndZeroGradients) {
  Generator generator(1);
  Linear<> linear(4, 3, generator);
  check(linear, {0, 4}, {0, 3});
  Conv2d<> conv(2, 4, {3, 3}, generator);
  check(conv, {0, 2, 8, 9}, {0, 4, 6, 7});
  LayerNorm<> layer_norm(4);
  check(layer_norm, {0, 4}, {0, 4});
  RMSNorm<> rms_norm(4);
  check(rms_norm, {0, 4}, {0, 4});
  GroupNorm<> group_norm(2, 4);
  check(group_norm, {0, 4, 5}, {0, 4, 5});
  InstanceNorm<> instance_norm(4);
  check(instance_norm, {0, 4, 5}, {0, 4, 5});
  MultiheadAttention<> attention(4, 2, generator);
  check(attention, {0, 3, 4}, {0, 3, 4});
  Dropout<> dropout(0.5, generator);
  check(dropout, {0, 4}, {0, 4});
  SpatialDropout<> spatial(0.5, generator);
  check(spatial, {0, 4, 5}, {0, 4, 5});
  DropPath<> path(0.5, generator);
  check(path, {0, 4}, {0, 4});
  PReLU<> prelu;
  check(prelu, {0, 4}, {0, 4});
  Softmax<> softmax;
  check(softmax, {0, 4}, {0, 4});
  Sequential net(Linear<>(4, 8, generator), ReLU<>(), LayerNorm<>(8), Linear<>(8, 2, generator));
  check(net, {0, 4}, {0, 2});
}

TEST(EmptyLayers, BatchNormHasNoStatisticsOfNothing) {
  BatchNorm1d<> norm(4);
  norm.train(false);
  const Var<float> nothing(Array<float>::empty({0, 4}));
  EXPECT_EQ(norm(nothing).shape(), (Shape{0, 4}));
  norm.train(true);
  test::expect_error(ErrorKind::InvalidOperation,
                     "batch_norm_training: a variance needs two values a channel, x (0, 4) has 0",
                     [&] { (void)norm(nothing); });
}

TEST(EmptyLayers, EmbeddingOfNoIndices) {
  Generator generator(1);
  Embedding<> embedding(5, 3, generator);
  const Var<float> y = embedding(Array<std::int64_t>::empty(Shape{0}));
  ASSERT_EQ(y.shape(), (Shape{0, 3}));
  y.backward(Array<float>::empty({0, 3}));
  for (const float value : embedding.weight().grad()) {
    EXPECT_EQ(value, 0);
  }
}

TEST(EmptyParameters, OptimizersStepOverThem) {
  const std::vector<optim::UpdateOptions> rules{optim::SgdOptions{.momentum = 0.9},
                                                optim::AdamOptions{},
                                                optim::AdamWOptions{},
                                                optim::AdamaxOptions{},
                                                optim::RAdamOptions{},
                                                optim::RmsPropOptions{},
                                                optim::AdagradOptions{},
                                                optim::AdadeltaOptions{},
                                                optim::LionOptions{}};
  for (const optim::UpdateOptions& rule : rules) {
    SCOPED_TRACE(std::string(nn::update_name(rule)));
    const Var<float> nothing(Array<float>::empty({0, 3}), true);
    const Var<float> something(Array<float>{1, 2}, true);
    optim::Optimizer<float> optimizer({nothing, something}, rule);
    nothing.backward(Array<float>::empty({0, 3}));
    something.backward(Array<float>{0.5F, -0.5F});
    const std::vector<Var<float>> both{nothing, something};
    EXPECT_FLOAT_EQ(static_cast<float>(optim::clip_grad_norm(both, 10.0)), std::sqrt(0.5F));
    optim::clip_grad_value(both, 1.0);
    optimizer.step();
    EXPECT_EQ(nothing.shape(), (Shape{0, 3}));
    EXPECT_LT(something.value()(0), 1);
    EXPECT_GT(something.value()(1), 2 - 0.01F);
  }
}

TEST(EmptyParameters, ClippingNothing) {
  EXPECT_EQ(optim::clip_grad_norm(std::vector<Var<float>>{}, 1.0), 0.0);
  const Var<double> nothing(Array<double>::empty(Shape{0}), true);
  nothing.backward(Array<double>::empty(Shape{0}));
  EXPECT_EQ(optim::clip_grad_norm(std::vector<Var<double>>{nothing}, 1.0), 0.0);
}

}  // namespace
}  // namespace lamina::layers
