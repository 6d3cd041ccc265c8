#include "lamina/nn/attention.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "guide/near.hpp"
#include "lamina/nn/embedding.hpp"
#include "lamina/nn/positional_encoding.hpp"

// The guide's chapter "Attention Mechanisms".

namespace lamina::guide {
namespace {

TEST(GuideAttention, ScaledDotProduct) {
  const Index seq_len = 10, d_k = 64;
  const Array<double> query = Array<double>::ones({seq_len, d_k});
  const Array<double> key = Array<double>::ones({seq_len, d_k});
  const Array<double> value = Array<double>::ones({seq_len, d_k});
  const std::vector<double> ones(640, 1.0);
  expect_near(nn::scaled_dot_product_attention(query, key, value), {seq_len, d_k}, ones, 1e-14);
  const Array<double> mask = Array<double>::ones({seq_len, seq_len});  // 1 = attend, 0 = mask
  expect_near(nn::scaled_dot_product_attention(query, key, value, mask), {seq_len, d_k}, ones,
              1e-14);
}

TEST(GuideAttention, AMaskedKeyIsAsIfItWereNotThere) {
  const Array<double> q{{1, 0}, {0, 2}}, k{{1, 1}, {0, 1}, {5, 5}}, v{{1, 2}, {3, 4}, {70, 80}};
  const Array<double> mask{{1, 1, 0}, {1, 1, 0}};
  const Array<double> got = nn::scaled_dot_product_attention(q, k, v, mask);
  const Array<double> without = nn::scaled_dot_product_attention(q, k.slice(0, 2), v.slice(0, 2));
  // Weights of the first query: softmax(1, 0) with both scores over sqrt 2.
  const double w = 1 / (1 + std::exp(-1 / std::sqrt(2.0)));
  expect_near(got, {2, 2}, {w + 3 * (1 - w), 2 * w + 4 * (1 - w), 2, 3}, 1e-14);
  expect_near(got, {2, 2}, without.to_vector(), 1e-14);
}

TEST(GuideAttention, AQueryThatSeesNothingGetsZeros) {
  const Array<double> x{{1, 2}, {3, 4}};
  const Array<double> mask{{0, 0}, {1, 0}};
  EXPECT_EQ(nn::scaled_dot_product_attention(x, x, x, mask), (Array<double>{{0, 0}, {1, 2}}));
}

TEST(GuideAttention, SelfAttention) {
  const Array<double> x = Array<double>::ones({10, 512});
  const auto tenth = [](Index, Index) { return 0.1; };
  const auto w_q = Array<double>::from_shape_fn({512, 64}, tenth);
  const auto w_k = Array<double>::from_shape_fn({512, 64}, tenth);
  const auto w_v = Array<double>::from_shape_fn({512, 64}, tenth);
  // Each value is 512 * 0.1, and so is their mean. 512 roundings of about 50: 5e-12 at most.
  expect_near(nn::self_attention(x, w_q, w_k, w_v), {10, 64}, std::vector<double>(640, 51.2),
              5e-12);
}

TEST(GuideAttention, Embedding) {
  const Array<double> ones = Array<double>::ones({10000, 512});
  const Array<std::int64_t> indices{1, 42, 100, 256};
  EXPECT_EQ(nn::embedding(indices, ones), Array<double>::ones({4, 512}));
  const auto table =
      Array<double>::from_shape_fn({10, 5}, [](Index i, Index j) { return 10 * i + j; });
  EXPECT_EQ(nn::embedding(Array<std::int64_t>{0, 2, 5}, table),
            (Array<double>{{0, 1, 2, 3, 4}, {20, 21, 22, 23, 24}, {50, 51, 52, 53, 54}}));
}

TEST(GuideAttention, EmbeddingBag) {
  const auto table =
      Array<double>::from_shape_fn({10, 3}, [](Index i, Index j) { return 10 * i + j; });
  const Array<std::int64_t> indices{1, 2, 3, 4, 5};
  EXPECT_EQ(nn::embedding_bag(indices, table, "sum"), (Array<double>{150, 155, 160}));
  EXPECT_EQ(nn::embedding_bag(indices, table, "mean"), (Array<double>{30, 31, 32}));
  EXPECT_EQ(nn::embedding_bag(indices, table, "max"), (Array<double>{50, 51, 52}));
  EXPECT_EQ(nn::embedding_bag(indices, table, nn::BagMode::Mean), (Array<double>{30, 31, 32}));
}

TEST(GuideAttention, PositionalEncoding) {
  const Index seq_len = 100, d_model = 512;
  const auto encoding = nn::positional_encoding<double>(seq_len, d_model);
  ASSERT_EQ(encoding.shape(), Shape({seq_len, d_model}));
  for (const Index p : {0, 1, 99}) {
    for (const Index i : {0, 1, 255}) {
      const double angle =
          static_cast<double>(p) / std::pow(10000.0, 2.0 * static_cast<double>(i) / 512.0);
      EXPECT_NEAR(encoding(p, 2 * i), std::sin(angle), 1e-13);
      EXPECT_NEAR(encoding(p, 2 * i + 1), std::cos(angle), 1e-13);
    }
  }
  const Array<double> embeddings = Array<double>::ones({4, 512});
  const Array<double> with_positions = nn::add_positional_encoding(embeddings);
  EXPECT_EQ(with_positions(0, 0), 1.0);  // sin 0
  EXPECT_EQ(with_positions(0, 1), 2.0);  // cos 0
  EXPECT_EQ(with_positions(3, 7), 1.0 + encoding(3, 7));
}

}  // namespace
}  // namespace lamina::guide
