// Activations and softmax as layers.

#include "lamina/layers/activation.hpp"

#include <gtest/gtest.h>

#include "lamina/layers/sequential.hpp"
#include "lamina/nn/prelu.hpp"
#include "support/message.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using namespace layers;
using nn::Activation;
using testing::message_of;
using testing::values;

TEST(ActivationLayer, EveryRowOfTheTable) {
  const Array<double> x = values<double>({4, 5}, 1);
  for (const nn::ActivationRow& row : nn::kActivationTable) {
    Activate<double> layer(row.kind);
    EXPECT_EQ(layer(x).value(), nn::activation(x, row.kind)) << row.name;
    EXPECT_EQ(layer.name().substr(0, row.name.size()), row.name);
    EXPECT_EQ(layer.parameter_count(), 0);
  }
}

TEST(ActivationLayer, ParametersAndNames) {
  const Array<float> x = values<float>({4, 5}, 1);
  Activate leaky(Activation::LeakyRelu, {0.2});
  EXPECT_EQ(leaky(x).value(), nn::leaky_relu(x, 0.2));
  EXPECT_EQ(leaky.name(), "leaky_relu(alpha = 0.2)");
  LeakyReLU<float> named({0.2});
  EXPECT_EQ(named(x).value(), nn::leaky_relu(x, 0.2));
  EXPECT_EQ(Softplus<double>({2}).name(), "softplus(beta = 2, threshold = 20)");
  EXPECT_EQ(ReLU<>().name(), "relu");
  EXPECT_EQ(GELU<>()(x).value(), nn::gelu(x));
  EXPECT_EQ(message_of([] { Activate<float>(Activation::Elu, {-1.0}); }),
            message_of([&] { (void)nn::elu(x, -1.0); }));
}

TEST(ActivationLayer, PReluLearnsItsSlope) {
  PReLU<double> layer(3);
  const Array<double> x = values<double>({2, 3, 4}, 1);
  EXPECT_EQ(layer(x).value(), nn::prelu(x, Array<double>::full({3}, 0.25)));
  EXPECT_EQ(layer.parameter_count(), 3);
  EXPECT_EQ(layer.name(), "PReLU(3)");
  layer(x).backward(Array<double>::ones({2, 3, 4}));
  EXPECT_EQ(layer.slope().grad(), nn::prelu_backward_slope<double>(Array<double>::ones({2, 3, 4}),
                                                                   x, layer.slope().value()));
  EXPECT_EQ(message_of([] { PReLU<float>(0); }), "PReLU: channels must be at least 1, got 0");
  EXPECT_THROW((void)layer(values<double>({2, 4, 4}, 1)), Error);
}

TEST(ActivationLayer, SoftmaxAndLogSoftmax) {
  const Array<float> x = values<float>({4, 5}, 1);
  EXPECT_EQ(Softmax<float>()(x).value(), nn::softmax(x));
  EXPECT_EQ(LogSoftmax<float>({.axis = 0})(x).value(), nn::log_softmax(x, {.axis = 0}));
  EXPECT_EQ(Softmax<float>({.axis = 1, .temperature = 2}).name(), "softmax(axis 1, temperature 2)");
  EXPECT_EQ(LogSoftmax<float>().name(), "log_softmax(axis -1)");
}

TEST(ActivationLayer, InSequential) {
  const Array<float> x = values<float>({4, 5}, 1);
  Sequential net(ReLU{}, Tanh{}, Softmax{});
  EXPECT_EQ(net(x).value(), nn::softmax(nn::tanh(nn::relu(x))));
  EXPECT_EQ(net.describe(), "Sequential\n  0: relu\n  1: tanh\n  2: softmax(axis -1)\n");
}

}  // namespace
}  // namespace lamina
