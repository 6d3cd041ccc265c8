#include "lamina/layers/recurrent.hpp"

#include <gtest/gtest.h>

#include "lamina/autograd/ops_loss.hpp"
#include "lamina/autograd/ops_reduction.hpp"
#include "lamina/autograd/ops_shape.hpp"
#include "lamina/layers/linear.hpp"
#include "lamina/layers/sequential.hpp"
#include "lamina/optim/optimizer.hpp"
#include "support/message.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using namespace layers;
using testing::message_of;
using testing::values;

TEST(RecurrentLayers, NamesAndParametersAreThoseOfPyTorch) {
  Generator generator(1);
  LSTM<float> lstm(3, 4, generator, {.layers = 2, .direction = nn::RecurrentDirection::Both});
  EXPECT_EQ(lstm.name(), "LSTM(3 -> 4, 2 layers, both directions)");
  std::vector<std::string> names;
  for (const auto& parameter : lstm.parameters()) {
    names.push_back(parameter.name);
  }
  EXPECT_EQ(names.size(), 16u);
  EXPECT_EQ(names[0], "weight_ih_l0");
  EXPECT_EQ(names[4], "weight_ih_l0_reverse");
  EXPECT_EQ(names[15], "bias_hh_l1_reverse");
  EXPECT_EQ(lstm.weights()[2].w_ih.shape(), (Shape{16, 8}));
  for (const float value : lstm.weights()[0].w_hh.value()) {
    EXPECT_LE(std::abs(value), 0.5f);
  }
  GRU<float> gru(3, 4, generator, {.bias = false});
  EXPECT_EQ(gru.name(), "GRU(3 -> 4)");
  EXPECT_EQ(gru.parameters().size(), 2u);
  EXPECT_EQ(RNN<float>(3, 4, generator, {.direction = nn::RecurrentDirection::Reverse}).name(),
            "RNN(3 -> 4, reverse)");
}

TEST(RecurrentLayers, ComputeTheFunctions) {
  Generator generator(1);
  const auto x = values<double>({5, 2, 3}, 1);
  const Array<std::int64_t> lengths{5, 3};
  LSTM<double> lstm(3, 4, generator);
  const auto& w = lstm.weights()[0];
  const std::vector<nn::RecurrentWeights<double>> weights{
      {w.w_ih.value(), w.w_hh.value(), w.b_ih.value(), w.b_hh.value()}};
  EXPECT_EQ(lstm(x).value(), nn::lstm(x, weights).y);
  EXPECT_EQ(lstm.run(Var<double>(x), {}, {}, lengths).c.value(),
            nn::lstm(x, weights, {}, {}, {.lengths = lengths}).c);
  RNN<double> rnn(3, 4, generator, {.activation = nn::RnnActivation::Relu});
  const auto& r = rnn.weights()[0];
  EXPECT_EQ(rnn(x).value(),
            nn::rnn(x, {{r.w_ih.value(), r.w_hh.value(), r.b_ih.value(), r.b_hh.value()}}, {},
                    {.activation = nn::RnnActivation::Relu})
                .y);
  GRU<double> gru(3, 4, generator, {.batch_first = true, .reset_after = false});
  const auto& g = gru.weights()[0];
  EXPECT_EQ(gru(x).value(),
            nn::gru(x, {{g.w_ih.value(), g.w_hh.value(), g.b_ih.value(), g.b_hh.value()}}, {},
                    {.batch_first = true, .reset_after = false})
                .y);
}

TEST(RecurrentLayers, CellsStepThroughASequence) {
  Generator generator(2);
  const auto x = values<double>({3, 2, 3}, 1);
  LSTMCell<double> lstm(3, 4, generator);
  EXPECT_EQ(lstm.name(), "LSTMCell(3 -> 4)");
  nn::LstmStateVars<double> state;
  for (Index t = 0; t < 3; ++t) {
    state = lstm(Var<double>(x.select(0, t)), state.h, state.c);
  }
  const auto& w = lstm.weights();
  const auto whole =
      nn::lstm(x, {{w.w_ih.value(), w.w_hh.value(), w.b_ih.value(), w.b_hh.value()}});
  EXPECT_TRUE(allclose(state.h.value(), whole.h.select(0, 0), 1e-14, 1e-14));
  GRUCell<double> gru(3, 4, generator, {.bias = false});
  EXPECT_EQ(gru(Var<double>(x.select(0, 0))).shape(), (Shape{2, 4}));
  RNNCell<double> rnn(3, 4, generator);
  EXPECT_EQ(rnn.parameters().size(), 4u);
  EXPECT_EQ(rnn(Var<double>(x.select(0, 0))).shape(), (Shape{2, 4}));
}

TEST(RecurrentLayers, DropoutInTrainingOnly) {
  Generator generator(3);
  GRU<float> gru(3, 8, generator, {.layers = 2, .dropout = 0.5});
  const auto x = values<float>({4, 2, 3}, 1);
  EXPECT_FALSE(gru(x).value() == gru(x).value());
  gru.eval();
  EXPECT_EQ(gru(x).value(), gru(x).value());
}

TEST(RecurrentLayers, LearnToRemember) {
  // Whether the first and the third of eight bits differ.
  Generator generator(4);
  GRU<float> gru(1, 16, generator);
  Linear<float> out(16, 2, generator);
  std::vector<NamedVar<float>> parameters = gru.parameters();
  for (const auto& parameter : out.parameters()) {
    parameters.push_back({"out." + parameter.name, parameter.var});
  }
  optim::Adam<float> adam(parameters, {.lr = 0.01});
  Array<float> x = Array<float>::zeros({8, 256, 1});
  std::vector<std::int64_t> labels(256);
  for (Index n = 0; n < 256; ++n) {
    labels[static_cast<std::size_t>(n)] = (n ^ n >> 2) & 1;
    for (Index t = 0; t < 8; ++t) {
      const Index bit = n >> t & 1;
      x(t, n, 0) = static_cast<float>(bit);
    }
  }
  float loss = 1;
  for (int step = 0; step < 600 && loss > 0.05f; ++step) {
    adam.zero_grad();
    const auto h = gru.run(Var<float>(x)).h;
    const Var<float> error = nn::cross_entropy(labels, out(autograd::select(h, 0, 0)));
    loss = error.item();
    error.backward();
    adam.step();
  }
  EXPECT_LT(loss, 0.05f);
}

TEST(RecurrentLayers, Errors) {
  Generator generator(1);
  EXPECT_EQ(message_of([&] { LSTM<float>(3, 0, generator); }),
            "LSTM: features must not be negative and hidden must be positive, got features 3, "
            "hidden 0");
  EXPECT_EQ(message_of([&] { GRU<float>(3, 4, generator, {.layers = 0}); }),
            "GRU: layers must be positive, got 0");
  EXPECT_EQ(message_of([&] { RNN<float>(3, 4, generator, {.dropout = 2}); }),
            "RNN: dropout must be in [0, 1], got 2");
  EXPECT_EQ(message_of([&] { GRUCell<float>(-1, 4, generator); }),
            "GRUCell: features must not be negative and hidden must be positive, got features -1, "
            "hidden 4");
}

}  // namespace
}  // namespace lamina
