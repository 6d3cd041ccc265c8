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
