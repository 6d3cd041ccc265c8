#include "lamina/nn/multi_head_attention.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "lamina/autograd/gradcheck.hpp"
#include "lamina/core/memory.hpp"
#include "lamina/nn/kv_cache.hpp"
#include "lamina/nn/linear.hpp"
#include "support/expect.hpp"
#include "support/layouts.hpp"
#include "support/values.hpp"

namespace lamina::nn {
namespace {

using lamina::testing::values;
using test::expect_error;

template <class T>
class MultiHead : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(MultiHead, Types);

/// Weights with memory of their own: 6 query heads' features 4, values of 5.
template <class T>
struct Weights {
  Index heads, groups;
  Array<T> w_q, w_k, w_v, w_o, b_q, b_k, b_v, b_o;

  Weights(Index h, Index g)
      : heads(h),
        groups(g),
        w_q(values<T>({h * 4, 7}, 1)),
        w_k(values<T>({g * 4, 6}, 2)),
        w_v(values<T>({g * 5, 3}, 3)),
        w_o(values<T>({8, h * 5}, 4)),
        b_q(values<T>({h * 4}, 5)),
        b_k(values<T>({g * 4}, 6)),
        b_v(values<T>({g * 5}, 7)),
        b_o(values<T>({8}, 8)) {}
  [[nodiscard]] MultiHeadAttentionWeights<T> views() const {
    return {w_q, w_k, w_v, w_o, b_q, b_k, b_v, b_o};
  }
};

TYPED_TEST(MultiHead, IsAttentionOfEachHeadBetweenProjections) {
  using T = TypeParam;
  for (const Index groups : {4, 2, 1}) {
    const Weights<T> w(4, groups);
    const Array<T> query = values<T>({2, 9, 7}, 11);
    const Array<T> key = values<T>({2, 11, 6}, 12);
    const Array<T> value = values<T>({2, 11, 3}, 13);
    Array<bool> mask = Array<bool>::full({2, 1, 9, 11}, true);
    mask(1, 0, 3, 4) = false;
    const AttentionOptions<T> options{.causal = true, .causal_offset = 2, .mask = mask};
    const Array<T> got = multi_head_attention(query, key, value, w.views(), 4, options);
    const Array<T> q = linear<T>(query, w.w_q, w.b_q);
    const Array<T> k = linear<T>(key, w.w_k, w.b_k);
    const Array<T> v = linear<T>(value, w.w_v, w.b_v);
    Array<T> joined(Shape{2, 9, 20});
    for (Index head = 0; head < 4; ++head) {
      const Index g = head / (4 / groups);
      joined.slice(2, Range{5 * head, 5 * head + 5})
          .assign(scaled_dot_product_attention<T>(
              q.slice(2, Range{4 * head, 4 * head + 4}).copy(),
              k.slice(2, Range{4 * g, 4 * g + 4}).copy(),
              v.slice(2, Range{5 * g, 5 * g + 5}).copy(),
              {.causal = true, .causal_offset = 2, .mask = mask.select(1, 0)}));
    }
    const Array<T> want = linear<T>(joined, w.w_o, w.b_o);
    const double tolerance = 500 * static_cast<double>(std::numeric_limits<T>::epsilon());
    EXPECT_TRUE(allclose(got, want, tolerance, tolerance)) << groups;
    for (const auto& laid : test::layouts_of<T>(query, T(3))) {
      EXPECT_TRUE(allclose(multi_head_attention<T>(laid.view, key, value, w.views(), 4, options),
                           want, tolerance, tolerance))
          << laid.name;
    }
  }
}

TEST(MultiHeadBackward, NumericGradientsOfEverything) {
  Weights<double> w(4, 2);
  Array<double> query = values<double>({3, 7}, 11);
  Array<double> key = values<double>({5, 6}, 12);
  Array<double> value = values<double>({5, 3}, 13);
  const Array<double> dy = values<double>({3, 8}, 14);
  for (const double dropout : {0.0, 0.4}) {
    Generator generator(2);
    const AttentionOptions<double> options{
        .causal = true, .causal_offset = 1, .dropout = dropout, .generator = &generator};
    const auto sum = [&] {
      generator = Generator(2);
      const Array<double> y = multi_head_attention(query, key, value, w.views(), 4, options);
      double total = 0;
      for (Index i = 0; i < y.size(); ++i) {
        total += y.data()[i] * dy.data()[i];
      }
      return total;
    };
    const auto d =
        multi_head_attention_backward<double>(dy, query, key, value, w.views(), 4, options);
    EXPECT_EQ(generator.state(), Generator(2).state());
    const auto compare = [&](Array<double>& x, const Array<double>& got, const char* what) {
      const Array<double> at = x;
      const Array<double> want = autograd::numeric_gradient(
          [&](const View<double>& moved) {
            x.assign(moved);
            return sum();
          },
          at);
      x.assign(at);
      generator = Generator(2);
      EXPECT_TRUE(allclose(got, want, 1e-7, 1e-7)) << what;
    };
    compare(query, d.dquery, "dquery");
    compare(key, d.dkey, "dkey");
    compare(value, d.dvalue, "dvalue");
    compare(w.w_q, d.dw_q, "dw_q");
    compare(w.w_k, d.dw_k, "dw_k");
    compare(w.w_v, d.dw_v, "dw_v");
    compare(w.w_o, d.dw_o, "dw_o");
    compare(w.b_q, d.db_q, "db_q");
    compare(w.b_k, d.db_k, "db_k");
    compare(w.b_v, d.db_v, "db_v");
    compare(w.b_o, d.db_o, "db_o");
  }
  MultiHeadAttentionWeights<double> plain = w.views();
  plain.b_q = plain.b_k = plain.b_v = plain.b_o = View<double>();
  EXPECT_EQ(multi_head_attention_backward<double>(dy, query, key, value, plain, 4).db_k.shape(),
            Shape{0});
}

TEST(MultiHeadErrors, ByMessage) {
  const Weights<double> w(4, 2);
  const Array<double> query = values<double>({9, 7}, 11);
  const Array<double> key = values<double>({11, 6}, 12);
  const Array<double> value = values<double>({11, 3}, 13);
  const auto dimensions = ErrorKind::DimensionMismatch;
  expect_error(ErrorKind::InvalidOperation,
               "multi_head_attention: heads must divide the rows of w_q, got heads 3, w_q (16, 7)",
               [&] { (void)multi_head_attention<double>(query, key, value, w.views(), 3); });
  expect_error(dimensions, "multi_head_attention: query has 6 features, w_q takes 7",
               [&] { (void)multi_head_attention<double>(key, key, value, w.views(), 4); });
  expect_error(
      dimensions,
      "multi_head_attention: key must have as many axes as query; query (9, 7), key (6,)", [&] {
        (void)multi_head_attention<double>(query, values<double>({6}, 1), value, w.views(), 4);
      });
  MultiHeadAttentionWeights<double> bad = w.views();
  bad.w_o = w.w_q;
  expect_error(dimensions, "multi_head_attention: w_o takes 7 features, the heads give 20",
               [&] { (void)multi_head_attention<double>(query, key, value, bad, 4); });
  bad = w.views();
  bad.b_v = w.b_o;
  expect_error(dimensions, "multi_head_attention: b_v has shape (8,), expected (10,)",
               [&] { (void)multi_head_attention<double>(query, key, value, bad, 4); });
  bad = w.views();
  bad.w_k = View<double>();
  expect_error(dimensions, "multi_head_attention: w_k must be a matrix (out, in), got shape ()",
               [&] { (void)multi_head_attention<double>(query, key, value, bad, 4); });
  expect_error(
      dimensions, "multi_head_attention_backward: dy has shape (9, 7), expected (9, 8)",
      [&] { (void)multi_head_attention_backward<double>(query, query, key, value, w.views(), 4); });
}

TYPED_TEST(MultiHead, DecodingWithACacheIsCausalAttention) {
  using T = TypeParam;
  const Array<T> q = values<T>({2, 4, 30, 8}, 1);
  const Array<T> k = values<T>({2, 2, 30, 8}, 2);
  const Array<T> v = values<T>({2, 2, 30, 5}, 3);
  const Array<T> whole = scaled_dot_product_attention(q, k, v, {.causal = true});
  KvCache<T> cache;
  EXPECT_TRUE(cache.empty());
  EXPECT_FALSE(cache.keys().defined());
  Index at = 0;
  for (const Index count : {7, 1, 1, 0, 12, 1, 8}) {
    const auto part = [&](const Array<T>& x) { return x.slice(2, Range{at, at + count}); };
    cache.append(part(k), part(v));
    at += count;
    EXPECT_EQ(cache.size(), at);
    EXPECT_GE(cache.capacity(), at);
    EXPECT_EQ(cache.keys(), k.slice(2, Range{0, at}));
    EXPECT_EQ(cache.values(), v.slice(2, Range{0, at}));
    if (count > 0) {
      const Array<T> got = cache.attend(q.slice(2, Range{at - count, at}), {.causal = true});
      const double tolerance = 50 * static_cast<double>(std::numeric_limits<T>::epsilon());
      EXPECT_TRUE(allclose(got, whole.slice(2, Range{at - count, at}), tolerance, tolerance));
    }
  }
  // Going back: the positions before stay.
  cache.truncate(10);
  EXPECT_EQ(cache.keys(), k.slice(2, Range{0, 10}));
  cache.append(k.slice(2, Range{10, 11}), v.slice(2, Range{10, 11}));
  EXPECT_EQ(cache.values(), v.slice(2, Range{0, 11}));
  cache.clear();
  EXPECT_EQ(cache.keys().shape(), (Shape{2, 2, 0, 8}));
}

TEST(KvCacheGrowth, DoublesAndReserves) {
  KvCache<float> cache(4);
  const Array<float> one = values<float>({2, 1, 3}, 1);
  cache.append(one, one);
  const std::uint64_t before = allocation_count();
  for (int i = 0; i < 3; ++i) {
    cache.append(one, one);
  }
  EXPECT_EQ(allocation_count(), before);
  cache.append(one, one);
  EXPECT_EQ(cache.capacity(), 8);
  cache.reserve(100);
  EXPECT_EQ(cache.capacity(), 100);
  EXPECT_EQ(cache.size(), 5);
  EXPECT_EQ(cache.keys().select(1, 4), one.select(1, 0));
  const KvCache<float> copy = cache;
  cache.clear();
  EXPECT_EQ(copy.size(), 5);
  EXPECT_EQ(copy.keys().select(1, 2), one.select(1, 0));
}

TEST(KvCacheErrors, ByMessage) {
  KvCache<float> cache;
  const Array<float> x = values<float>({2, 3, 4}, 1);
  const auto dimensions = ErrorKind::DimensionMismatch;
  expect_error(ErrorKind::InvalidOperation, "KvCache: attention to an empty cache",
               [&] { (void)cache.attend(x); });
  expect_error(dimensions,
               "KvCache: k and v must be (..., n, features) of one number of positions; k (2, 3, "
               "4), v (2, 2, 4)",
               [&] {
                 cache.append(x, x.slice(1, Range{0, 2}));
               });
  expect_error(dimensions, "KvCache: axis 0 differs; k (2, 3, 4), v (1, 3, 4)", [&] {
    cache.append(x, x.slice(0, Range{0, 1}));
  });
  cache.append(x, x);
  expect_error(dimensions, "KvCache: k has shape (1, 3, 4), the cache holds (2, 3, 4)", [&] {
    cache.append(x.slice(0, Range{0, 1}), x.slice(0, Range{0, 1}));
  });
  expect_error(ErrorKind::InvalidOperation, "KvCache: k looks into the cache",
               [&] { cache.append(cache.keys(), cache.values()); });
  expect_error(ErrorKind::InvalidOperation, "KvCache: v looks into the cache",
               [&] { cache.append(x, cache.values()); });
  expect_error(ErrorKind::InvalidOperation, "KvCache: attention to an empty cache", [&] {
    KvCache<float> emptied = cache;
    emptied.clear();
    (void)emptied.attend(x);
  });
  expect_error(ErrorKind::InvalidOperation, "KvCache: cannot be cut to 4 positions, it holds 3",
               [&] { cache.truncate(4); });
  expect_error(ErrorKind::InvalidOperation, "KvCache: capacity must not be negative, got -1",
               [] { KvCache<float>(-1); });
  expect_error(ErrorKind::InvalidOperation, "KvCache: positions must not be negative, got -2",
               [&] { cache.reserve(-2); });
  expect_error(ErrorKind::InvalidOperation, "KvCache: the 4 queries are more than the 3 positions",
               [&] {
                 (void)cache.attend(values<float>({2, 4, 4}, 1), {.causal = true});
               });
}

TEST(AttentionMemory, BeyondInputsAndResultIsSmallWhateverTheLength) {
  const Array<float> q = values<float>({2, 4096, 64}, 1);
  Array<float> out(q.shape());
  for (const bool causal : {false, true}) {
    // What a call took in large blocks is kept when it gives them back.
    trim_memory();
    ASSERT_EQ(memory_cache_bytes(), 0u);
    scaled_dot_product_attention_into(q, q, q, out, {.causal = causal});
    EXPECT_LT(memory_cache_bytes(), std::size_t{8} << 20);
  }
  trim_memory();
}

}  // namespace
}  // namespace lamina::nn
