#include "lamina/autograd/ops_attention.hpp"

#include <gtest/gtest.h>

#include "lamina/autograd/gradcheck.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using testing::values;
using Vars = std::vector<Var<double>>;

TEST(AttentionOnTheTape, GradientsOfQueriesKeysAndValues) {
  const auto result = gradcheck(
      [](const Vars& in) {
        // The mask is gone when backward() runs.
        Array<bool> mask = Array<bool>::full({4, 5}, true);
        mask(1, 2) = false;
        const Array<std::int64_t> lengths{5, 3};
        const auto bias = values<double>({4, 5}, 9);
        return nn::scaled_dot_product_attention(
            in[0], in[1], in[2], {.mask = mask, .bias = bias, .key_lengths = lengths});
      },
      {values<double>({2, 4, 3}, 1), values<double>({2, 5, 3}, 2), values<double>({2, 5, 2}, 3)});
  EXPECT_TRUE(result) << result;
}

TEST(AttentionOnTheTape, GradientsOfSelfAttention) {
  const auto result = gradcheck(
      [](const Vars& in) {
        return nn::self_attention(in[0], in[1], in[2], in[3], {.causal = true});
      },
      {values<double>({2, 4, 3}, 1), values<double>({3, 2}, 2), values<double>({3, 2}, 3),
       values<double>({3, 4}, 4)});
  EXPECT_TRUE(result) << result;
}

TEST(AttentionOnTheTape, RotaryPositions) {
  for (const nn::RotaryOptions& options :
       {nn::RotaryOptions{}, nn::RotaryOptions{.offset = 5, .interleaved = true, .features = 4}}) {
    const auto result =
        gradcheck([&](const Vars& in) { return nn::rotary_embedding(in[0], options); },
                  {values<double>({2, 3, 6}, 1)});
    EXPECT_TRUE(result) << result;
    const Var<float> x = parameter(values<float>({2, 3, 6}, 1));
    const Var<float> y = nn::rotary_embedding(x, options);
    EXPECT_EQ(y.value(), nn::rotary_embedding(x.value(), options));
    const auto dy = values<float>({2, 3, 6}, 2);
    y.backward(dy);
    EXPECT_EQ(x.grad(), nn::rotary_embedding_backward(dy, options));
  }
}

TEST(AttentionOnTheTape, OnlyWhatIsWanted) {
  const Var<double> q(values<double>({4, 3}, 1), true);
  const Var<double> k(values<double>({5, 3}, 2));
  const Var<double> v(values<double>({5, 2}, 3));
  const auto y = nn::scaled_dot_product_attention(q, k, v);
  EXPECT_EQ(y.value(), nn::scaled_dot_product_attention(q.value(), k.value(), v.value()));
  const auto dy = values<double>({4, 2}, 4);
  y.backward(dy);
  EXPECT_EQ(q.grad(),
            nn::scaled_dot_product_attention_backward(dy, q.value(), k.value(), v.value()).dq);
  EXPECT_FALSE(k.has_grad());
}

TEST(AttentionOnTheTape, GradientOfABiasWithDropout) {
  const auto result = gradcheck(
      [](const Vars& in) {
        Generator generator(4);
        return nn::scaled_dot_product_attention(in[0], in[1], in[2], in[3],
                                                {.dropout = 0.3, .generator = &generator});
      },
      {values<double>({2, 4, 3}, 1), values<double>({2, 5, 3}, 2), values<double>({2, 5, 2}, 3),
       values<double>({4, 5}, 4)});
  EXPECT_TRUE(result) << result;
}

TEST(AttentionOnTheTape, GradientsOfMultiHeadAttention) {
  const auto run = [](const Vars& in) {
    return nn::multi_head_attention(in[0], in[1], in[1],
                                    {in[2], in[3], in[4], in[5], in[6], {}, in[7], {}}, 2,
                                    {.causal = true, .causal_offset = 1});
  };
  const std::vector<Array<double>> inputs{
      values<double>({2, 3, 5}, 1), values<double>({2, 4, 3}, 2), values<double>({4, 5}, 3),
      values<double>({2, 3}, 4),    values<double>({3, 3}, 5),    values<double>({2, 6}, 6),
      values<double>({4}, 7),       values<double>({3}, 8)};
  const auto result = gradcheck(run, inputs);
  EXPECT_TRUE(result) << result;
  // As the plain function and its gradient.
  Vars in;
  for (const Array<double>& input : inputs) {
    in.push_back(parameter(input));
  }
  const auto y = run(in);
  const nn::MultiHeadAttentionWeights<double> weights{inputs[2], inputs[3], inputs[4], inputs[5],
                                                      inputs[6], {},        inputs[7]};
  const nn::AttentionOptions<double> options{.causal = true, .causal_offset = 1};
  EXPECT_EQ(y.value(),
            nn::multi_head_attention(inputs[0], inputs[1], inputs[1], weights, 2, options));
  const auto dy = values<double>({2, 3, 2}, 9);
  y.backward(dy);
  const auto d =
      nn::multi_head_attention_backward(dy, inputs[0], inputs[1], inputs[1], weights, 2, options);
  EXPECT_TRUE(allclose(in[2].grad(), d.dw_q, 1e-13, 1e-13));
  EXPECT_TRUE(allclose(in[7].grad(), d.db_v, 1e-13, 1e-13));
}

TEST(EmbeddingOnTheTape, GradientsOfWeightsOfBags) {
  const auto bags = gradcheck(
      [&](const Vars& in) {
        const Array<std::int64_t> indices{3, 0, 1, 3, 2};
        const Array<std::int64_t> offsets{0, 3};
        return nn::embedding_bag(indices, in[0], in[1], {.offsets = offsets, .padding_index = 2});
      },
      {values<double>({5, 3}, 1), values<double>({5}, 2)});
  EXPECT_TRUE(bags) << bags;
}

TEST(EmbeddingOnTheTape, GradientsOfTables) {
  for (const nn::BagMode mode : {nn::BagMode::Sum, nn::BagMode::Mean, nn::BagMode::Max}) {
    const auto bags = gradcheck(
        [&](const Vars& in) {
          const Array<std::int64_t> indices{3, 0, 1, 3, 2};
          const Array<std::int64_t> offsets{0, 3};
          return nn::embedding_bag(indices, in[0], mode, {.offsets = offsets, .padding_index = 2});
        },
        {values<double>({5, 3}, 1)});
    EXPECT_TRUE(bags) << bags;
  }
  const auto rows = gradcheck(
      [](const Vars& in) {
        const Array<std::int64_t> indices{{3, 0}, {3, 2}};
        return nn::add_positional_encoding(nn::embedding(indices, in[0]));
      },
      {values<double>({5, 4}, 1)});
  EXPECT_TRUE(rows) << rows;
  const Var<float> table(values<float>({4, 2}, 1), true);
  nn::embedding(Array<std::int64_t>{1, 3}, table, {.padding_index = 3})
      .backward(Array<float>::ones({2, 2}));
  EXPECT_EQ(table.grad().to_vector(), (std::vector<float>{0, 0, 1, 1, 0, 0, 0, 0}));
}

}  // namespace
}  // namespace lamina
