// Attention and embedding layers.

#include "lamina/layers/attention.hpp"

#include <gtest/gtest.h>

#include "lamina/autograd/gradcheck.hpp"
#include "lamina/layers/embedding.hpp"
#include "lamina/nn/linear.hpp"
#include "support/message.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using layers::Embedding;
using layers::MultiheadAttention;
using testing::message_of;
using testing::values;

TEST(MultiheadAttentionLayer, IsAttentionBetweenProjections) {
  Generator generator(1);
  MultiheadAttention<double> layer(6, 3, generator);
  const auto state = layer.state_dict();
  const auto x = values<double>({2, 4, 6}, 1);
  const auto context = values<double>({2, 5, 6}, 2);
  const auto y = layer(Var<double>(x), Var<double>(context));
  ASSERT_EQ(y.shape(), (Shape{2, 4, 6}));
  const auto project = [&](const Array<double>& from, const std::string& name) {
    return nn::linear(from, state.at(name + ".weight"), state.at(name + ".bias"));
  };
  const auto q = project(x, "query");
  const auto k = project(context, "key");
  const auto v = project(context, "value");
  Array<double> joined = Array<double>::empty({2, 4, 6});
  for (Index b = 0; b < 2; ++b) {
    for (Index h = 0; h < 3; ++h) {
      const auto part = [&](const Array<double>& a) {
        return Array<double>(a.select(0, b).slice(1, {2 * h, 2 * h + 2}));
      };
      joined.select(0, b)
          .slice(1, {2 * h, 2 * h + 2})
          .assign(nn::scaled_dot_product_attention(part(q), part(k), part(v)));
    }
  }
  const auto expected = project(joined, "out");
  for (Index i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(y.value().to_vector()[static_cast<std::size_t>(i)], expected.data()[i], 1e-12);
  }
  EXPECT_EQ(layer.parameter_count(), 4 * (36 + 6));
}

TEST(MultiheadAttentionLayer, CausalGroupedAndWithGradients) {
  Generator generator(1);
  MultiheadAttention<double> layer(8, 4, generator,
                                   {.key_heads = 2, .bias = false, .causal = true});
  EXPECT_EQ(layer.name(), "MultiheadAttention(8, 4 heads, 2 of keys, causal)");
  EXPECT_EQ(layer.parameter_count(), 64 + 32 + 32 + 64);
  auto x = values<double>({5, 8}, 1);
  const auto y = layer(x);
  x.row(4).fill(100);  // the future of the first four
  const auto changed = layer(x);
  for (Index i = 0; i < 4; ++i) {
    for (Index j = 0; j < 8; ++j) {
      EXPECT_EQ(y.value()(i, j), changed.value()(i, j));
    }
  }
  const auto result = gradcheck([&](const std::vector<Var<double>>& in) { return layer(in[0]); },
                                {values<double>({5, 8}, 1)});
  EXPECT_TRUE(result) << result;
}

TEST(MultiheadAttentionLayer, Errors) {
  Generator generator(1);
  EXPECT_EQ(
      message_of([&] { MultiheadAttention<float>(6, 4, generator); }),
      "MultiheadAttention: features must be a positive multiple of the heads, got features 6, "
      "heads 4");
  EXPECT_EQ(message_of([&] { MultiheadAttention<float>(8, 4, generator, {.key_heads = 3}); }),
            "MultiheadAttention: key_heads must divide the heads, got key_heads 3, heads 4");
  MultiheadAttention<float> layer(4, 2, generator);
  EXPECT_EQ(message_of([&] { static_cast<void>(layer(Array<float>::ones({4}))); }),
            "MultiheadAttention: x and context must have as many axes, at least 2; x (4,), context "
            "(4,)");
}

TEST(EmbeddingLayer, LooksUpAndTrainsAllButPadding) {
  Generator generator(1);
  Embedding<float> layer(5, 3, generator, {.padding_index = -1});
  EXPECT_EQ(layer.name(), "Embedding(5 x 3)");
  const Array<std::int64_t> indices{{4, 1}, {0, 4}};
  const auto y = layer(indices);
  EXPECT_EQ(y.shape(), (Shape{2, 2, 3}));
  EXPECT_EQ(y.value()(0, 0, 1), 0.0F);
  EXPECT_EQ(y.value()(0, 1, 2), layer.weight().value()(1, 2));
  y.backward(Array<float>::ones({2, 2, 3}));
  EXPECT_EQ(layer.weight().grad()(4, 0), 0.0F);
  EXPECT_EQ(layer.weight().grad()(1, 0), 1.0F);
  EXPECT_EQ(layer.parameter_count(), 15);
  EXPECT_EQ(message_of([&] { Embedding<float>(-1, 3, generator); }),
            "Embedding: extents must not be negative, got rows -1, features 3");
  EXPECT_EQ(message_of([&] { Embedding<float>(5, 3, generator, {.padding_index = 5}); }),
            "Embedding: padding index 5 is out of bounds for a table of 5 rows");
  EXPECT_EQ(message_of([&] { Embedding<float>(Array<float>::ones({5})); }),
            "Embedding: weight must be (rows, features), got (5,)");
}

TEST(MultiheadAttentionLayer, DropsInTrainingOnly) {
  Generator generator(1);
  layers::MultiheadAttention<double> attention(8, 2, generator, {.dropout = 0.5});
  const auto x = lamina::testing::values<double>({2, 5, 8}, 1);
  EXPECT_FALSE(attention(x).value() == attention(x).value());
  attention.eval();
  EXPECT_EQ(attention(x).value(), attention(x).value());
  EXPECT_EQ(lamina::testing::message_of(
                [&] { layers::MultiheadAttention<double>(8, 2, generator, {.dropout = 3}); }),
            "MultiheadAttention: dropout must be in [0, 1], got 3");
}

}  // namespace
}  // namespace lamina
