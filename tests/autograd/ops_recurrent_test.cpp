#include "lamina/autograd/ops_recurrent.hpp"

#include <gtest/gtest.h>

#include "lamina/autograd/gradcheck.hpp"
#include "lamina/autograd/ops_arithmetic.hpp"
#include "lamina/autograd/ops_shape.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using testing::values;
using Vars = std::vector<Var<double>>;

/// Weights of `count` layers or directions, from input `first` on; without biases two each.
std::vector<nn::RecurrentParameters<double>> weights_in(const Vars& in, std::size_t first,
                                                        std::size_t count, bool bias = true) {
  std::vector<nn::RecurrentParameters<double>> weights;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = first + i * (bias ? 4 : 2);
    weights.push_back({in[at], in[at + 1]});
    if (bias) {
      weights.back().b_ih = in[at + 2];
      weights.back().b_hh = in[at + 3];
    }
  }
  return weights;
}

void add_weights(std::vector<Array<double>>& inputs, Index gates, Index features, Index hidden,
                 std::uint32_t seed) {
  inputs.push_back(values<double>({gates * hidden, features}, seed));
  inputs.push_back(values<double>({gates * hidden, hidden}, seed + 1));
  inputs.push_back(values<double>({gates * hidden}, seed + 2));
  inputs.push_back(values<double>({gates * hidden}, seed + 3));
}

/// All results in one variable.
Var<double> joined(const std::vector<Var<double>>& results) {
  std::vector<Var<double>> flat;
  for (const Var<double>& result : results) {
    flat.push_back(autograd::flatten(result));
  }
  return autograd::concatenate(flat);
}

TEST(RecurrentOnTheTape, GradientsOfLstm) {
  std::vector<Array<double>> inputs{values<double>({3, 2, 2}, 1), values<double>({4, 2, 3}, 2),
                                    values<double>({4, 2, 3}, 3)};
  for (std::uint32_t layer = 0; layer < 2; ++layer) {
    add_weights(inputs, 4, layer == 0 ? 2 : 6, 3, 10 + 20 * layer);
    add_weights(inputs, 4, layer == 0 ? 2 : 6, 3, 20 + 20 * layer);
  }
  const auto result = gradcheck(
      [](const Vars& in) {
        // The lengths are gone when backward() runs.
        const Array<std::int64_t> lengths{3, 2};
        Generator generator(7);
        const auto out = nn::lstm(in[0], weights_in(in, 3, 4), in[1], in[2],
                                  {.direction = nn::RecurrentDirection::Both,
                                   .lengths = lengths,
                                   .dropout = 0.3,
                                   .generator = &generator});
        return joined({out.y, out.h, out.c});
      },
      inputs);
  EXPECT_TRUE(result) << result;
}

TEST(RecurrentOnTheTape, GradientsOfPeepholes) {
  std::vector<Array<double>> inputs{values<double>({3, 2, 2}, 1), values<double>({1, 2, 3}, 2),
                                    values<double>({1, 2, 3}, 3)};
  add_weights(inputs, 4, 2, 3, 10);
  inputs.push_back(values<double>({3, 3}, 20));
  const auto sequence = gradcheck(
      [](const Vars& in) {
        auto weights = weights_in(in, 3, 1);
        weights[0].peephole = in[7];
        const auto out = nn::lstm(in[0], weights, in[1], in[2]);
        return joined({out.y, out.h, out.c});
      },
      inputs);
  EXPECT_TRUE(sequence) << sequence;
  inputs[0] = values<double>({2, 2}, 1);
  inputs[1] = values<double>({2, 3}, 2);
  inputs[2] = values<double>({2, 3}, 3);
  const auto cell = gradcheck(
      [](const Vars& in) {
        auto weights = weights_in(in, 3, 1);
        weights[0].peephole = in[7];
        const auto out = nn::lstm_cell(in[0], in[1], in[2], weights[0]);
        return joined({out.h, out.c});
      },
      inputs);
  EXPECT_TRUE(cell) << cell;
}

TEST(RecurrentOnTheTape, GradientsOfRnnAndGru) {
  for (const bool flag : {false, true}) {
    std::vector<Array<double>> inputs{values<double>({2, 3, 2}, 1), values<double>({1, 2, 3}, 2)};
    add_weights(inputs, 3, 2, 3, 10);
    const auto gru = gradcheck(
        [&](const Vars& in) {
          const auto out = nn::gru(in[0], weights_in(in, 2, 1), in[1],
                                   {.batch_first = true, .reset_after = flag});
          return joined({out.y, out.h});
        },
        inputs);
    EXPECT_TRUE(gru) << gru;
    std::vector<Array<double>> plain{values<double>({3, 2, 2}, 1), values<double>({3, 2}, 2),
                                     values<double>({3, 3}, 3)};
    const auto activation = flag ? nn::RnnActivation::Tanh : nn::RnnActivation::Relu;
    const auto rnn = gradcheck(
        [&](const Vars& in) {
          return nn::rnn(in[0], weights_in(in, 1, 1, false), {}, {.activation = activation}).y;
        },
        plain);
    EXPECT_TRUE(rnn) << rnn;
  }
}

TEST(RecurrentOnTheTape, GradientsOfCells) {
  std::vector<Array<double>> inputs{values<double>({2, 2}, 1), values<double>({2, 3}, 2),
                                    values<double>({2, 3}, 3)};
  add_weights(inputs, 4, 2, 3, 10);
  const auto lstm = gradcheck(
      [](const Vars& in) {
        const auto first = nn::lstm_cell(in[0], in[1], in[2], weights_in(in, 3, 1)[0]);
        const auto next = nn::lstm_cell(in[0], first.h, first.c, weights_in(in, 3, 1)[0]);
        return joined({next.h, next.c});
      },
      inputs);
  EXPECT_TRUE(lstm) << lstm;
  inputs.resize(2);
  add_weights(inputs, 3, 2, 3, 10);
  const auto gru = gradcheck(
      [](const Vars& in) { return nn::gru_cell(in[0], in[1], weights_in(in, 2, 1)[0]); }, inputs);
  EXPECT_TRUE(gru) << gru;
  inputs.resize(2);
  add_weights(inputs, 1, 2, 3, 10);
  const auto rnn = gradcheck(
      [](const Vars& in) { return nn::rnn_cell(in[0], in[1], weights_in(in, 2, 1)[0]); }, inputs);
  EXPECT_TRUE(rnn) << rnn;
}

TEST(RecurrentOnTheTape, AsTheDirectCallAndOnlyWhatIsWanted) {
  const auto w_ih = values<float>({12, 2}, 1);
  const auto w_hh = values<float>({12, 3}, 2);
  const auto x = values<float>({4, 2, 2}, 3);
  const Var<float> weight(w_ih, true);
  const auto out = nn::lstm(Var<float>(x), {{weight, Var<float>(w_hh)}});
  const auto plain = nn::lstm(x, {{w_ih, w_hh}});
  EXPECT_EQ(out.y.value(), plain.y);
  EXPECT_EQ(out.c.value(), plain.c);
  const auto dy = values<float>({4, 2, 3}, 4);
  out.y.backward(dy);
  const auto zeros = Array<float>::zeros({1, 2, 3});
  EXPECT_EQ(weight.grad(), nn::lstm_backward(dy, zeros, zeros, x, {{w_ih, w_hh}}).weights[0].dw_ih);
  const auto constant =
      nn::gru(Var<float>(x),
              {{Var<float>(values<float>({9, 2}, 1)), Var<float>(values<float>({9, 3}, 2))}});
  EXPECT_FALSE(constant.y.requires_grad());
}

}  // namespace
}  // namespace lamina
