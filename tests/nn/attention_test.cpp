#include "lamina/nn/attention.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "lamina/nn/linear.hpp"
#include "nn/attention_reference.hpp"
#include "support/expect.hpp"
#include "support/layouts.hpp"
#include "support/values.hpp"

namespace lamina::nn {
namespace {

using lamina::testing::values;
using test::attention_reference;
using test::AttentionRules;
using test::expect_error;

template <class T>
constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();
template <class T>
constexpr T kInf = std::numeric_limits<T>::infinity();

template <class T>
class AttentionTest : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(AttentionTest, Types);

/// Values lie in [-2, 2): scores in about [-4, 4] sqrt(D), whose rounding (some eps times their
/// size) is what the exponential passes on to the result.
template <class T>
void expect_close(const View<T>& got, const std::vector<long double>& expected,
                  long double factor = 64) {
  const std::vector<T> flat = got.to_vector();
  ASSERT_EQ(flat.size(), expected.size());
  const long double tolerance =
      factor * static_cast<long double>(std::numeric_limits<T>::epsilon());
  for (std::size_t i = 0; i < flat.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(flat[i]), static_cast<double>(expected[i]),
                static_cast<double>(tolerance))
        << "element " << i;
  }
}

TYPED_TEST(AttentionTest, AgreesWithTheFormulaOnEveryTarget) {
  using T = TypeParam;
  struct Case {
    Index queries, keys, features, values;
  };
  const Case cases[] = {{1, 1, 1, 1},     {1, 7, 3, 2},     {3, 1, 8, 5},     {5, 9, 16, 16},
                        {14, 17, 33, 7},  {84, 256, 8, 32}, {85, 257, 4, 17}, {1, 300, 64, 64},
                        {100, 520, 5, 3}, {5, 169, 1, 13},  {33, 400, 7, 29}, {47, 168, 64, 1},
                        {16, 14, 3, 31},  {300, 350, 8, 9}};
  test::for_each_target([&] {
    for (const Case& c : cases) {
      SCOPED_TRACE(std::to_string(c.queries) + " x " + std::to_string(c.keys));
      const auto q = values<T>({2, c.queries, c.features}, 1);
      const auto k = values<T>({2, c.keys, c.features}, 2);
      const auto v = values<T>({2, c.keys, c.values}, 3);
      expect_close<T>(scaled_dot_product_attention(q, k, v), attention_reference(q, k, v));
      AttentionRules causal;
      causal.sees = [](Index, Index i, Index j) { return j <= i + 2; };
      expect_close<T>(scaled_dot_product_attention(q, k, v, {.causal = true, .causal_offset = 2}),
                      attention_reference(q, k, v, causal));
    }
  });
}

TYPED_TEST(AttentionTest, RanksFromOneHeadToManyAxes) {
  using T = TypeParam;
  const auto q = values<T>({6, 5, 4}, 1);
  const auto k = values<T>({6, 7, 4}, 2);
  const auto v = values<T>({6, 7, 3}, 3);
  const std::vector<long double> expected = attention_reference(q, k, v);
  const auto four = scaled_dot_product_attention(q.reshape({2, 3, 5, 4}), k.reshape({2, 3, 7, 4}),
                                                 v.reshape({2, 3, 7, 3}));
  EXPECT_EQ(four.shape(), (Shape{2, 3, 5, 3}));
  expect_close<T>(four, expected);
  const auto five = scaled_dot_product_attention(
      q.reshape({1, 2, 3, 5, 4}), k.reshape({1, 2, 3, 7, 4}), v.reshape({1, 2, 3, 7, 3}));
  expect_close<T>(five, expected);
  const auto two = scaled_dot_product_attention(q.select(0, 0), k.select(0, 0), v.select(0, 0));
  EXPECT_EQ(two.shape(), (Shape{5, 3}));
  expect_close<T>(two, std::vector<long double>(expected.begin(), expected.begin() + 15));
}

TYPED_TEST(AttentionTest, GroupsOfQueryHeadsShareKeys) {
  using T = TypeParam;
  for (const Index groups : {1, 2, 3, 6}) {
    const auto q = values<T>({6, 5, 4}, 1);
    const auto k = values<T>({groups, 7, 4}, 2);
    const auto v = values<T>({groups, 7, 3}, 3);
    expect_close<T>(scaled_dot_product_attention(q, k, v), attention_reference(q, k, v));
  }
}

TYPED_TEST(AttentionTest, MasksInEveryForm) {
  using T = TypeParam;
  const Index queries = 90;
  const Index keys = 270;
  const auto q = values<T>({4, queries, 6}, 1);
  const auto k = values<T>({4, keys, 6}, 2);
  const auto v = values<T>({4, keys, 5}, 3);
  const auto sees = [](Index, Index i, Index j) { return (i * 7 + j * 5) % 3 == 0; };
  AttentionRules rules;
  rules.sees = sees;
  const std::vector<long double> expected = attention_reference(q, k, v, rules);
  Array<bool> mask = Array<bool>::empty({queries, keys});
  Array<T> numeric = Array<T>::empty({queries, keys});
  Array<T> infinite = Array<T>::empty({1, queries, keys});
  for (Index i = 0; i < queries; ++i) {
    for (Index j = 0; j < keys; ++j) {
      mask(i, j) = sees(0, i, j);
      numeric(i, j) = mask(i, j) ? T(i % 2 == 0 ? 1 : -0.5) : T(0);
      infinite(0, i, j) = mask(i, j) ? T(0) : -kInf<T>;
    }
  }
  expect_close<T>(scaled_dot_product_attention(q, k, v, mask), expected);
  expect_close<T>(scaled_dot_product_attention(q, k, v, {.mask = mask}), expected);
  expect_close<T>(scaled_dot_product_attention(q, k, v, numeric), expected);
  expect_close<T>(scaled_dot_product_attention(q, k, v, {.bias = infinite}), expected);
  for (auto& laid_out : test::layouts_of<bool>(mask)) {
    SCOPED_TRACE(laid_out.name);
    expect_close<T>(scaled_dot_product_attention(q, k, v, laid_out.view), expected);
  }
  // One mask for a head, one row for all queries.
  Array<bool> per_head = Array<bool>::empty({4, 1, keys});
  for (Index h = 0; h < 4; ++h) {
    for (Index j = 0; j < keys; ++j) {
      per_head(h, 0, j) = j % (h + 1) == 0;
    }
  }
  rules.sees = [](Index h, Index, Index j) { return j % (h + 1) == 0; };
  expect_close<T>(scaled_dot_product_attention(q, k, v, per_head),
                  attention_reference(q, k, v, rules));
}

TYPED_TEST(AttentionTest, BiasScaleAndLengthsHoldTogether) {
  using T = TypeParam;
  const auto q = values<T>({6, 20, 6}, 1);
  const auto k = values<T>({6, 30, 6}, 2);
  const auto v = values<T>({6, 30, 5}, 3);
  const auto bias = values<T>({6, 20, 30}, 4);
  Array<bool> mask = Array<bool>::full({20, 30}, true);
  for (Index i = 0; i < 20; ++i) {
    mask(i, (i * 3) % 30) = false;
  }
  const Array<std::int64_t> lengths{30, 11};
  AttentionRules rules;
  rules.scale = 0.3L;
  rules.sees = [&](Index head, Index i, Index j) {
    return j < lengths(head / 3) && j <= i && mask(i, j);
  };
  rules.bias = [&](Index head, Index i, Index j) {
    return static_cast<long double>(bias(head, i, j));
  };
  std::vector<long double> expected = attention_reference(q, k, v, rules);
  for (long double& x : expected) {
    x = std::isnan(x) ? 0 : x;  // the first query sees nothing
  }
  const auto got = scaled_dot_product_attention(q.reshape({2, 3, 20, 6}), k.reshape({2, 3, 30, 6}),
                                                v.reshape({2, 3, 30, 5}),
                                                {.causal = true,
                                                 .scale = 0.3,
                                                 .mask = mask,
                                                 .bias = bias.reshape({2, 3, 20, 30}),
                                                 .key_lengths = lengths});
  expect_close<T>(got, expected);
  const Array<std::int64_t> per_head{{30, 30, 30}, {11, 11, 11}};
  const auto same = scaled_dot_product_attention(q.reshape({2, 3, 20, 6}), k.reshape({2, 3, 30, 6}),
                                                 v.reshape({2, 3, 30, 5}),
                                                 {.causal = true,
                                                  .scale = 0.3,
                                                  .mask = mask,
                                                  .bias = bias.reshape({2, 3, 20, 30}),
                                                  .key_lengths = per_head});
  EXPECT_EQ(same.to_vector(), got.to_vector());
}

TYPED_TEST(AttentionTest, QueriesThatSeeNothingGetZeros) {
  using T = TypeParam;
  const auto q = values<T>({3, 4}, 1);
  const auto k = values<T>({5, 4}, 2);
  const auto v = values<T>({5, 2}, 3);
  Array<bool> mask = Array<bool>::full({3, 5}, true);
  mask.row(1).fill(false);
  const auto out = scaled_dot_product_attention(q, k, v, mask);
  EXPECT_EQ(out(1, 0), T(0));
  EXPECT_EQ(out(1, 1), T(0));
  EXPECT_NE(out(0, 0), T(0));
  const Array<std::int64_t> none = Array<std::int64_t>::scalar(0);
  for (const T x : scaled_dot_product_attention(q, k, v, {.key_lengths = none})) {
    EXPECT_EQ(x, T(0));
  }
  const auto empty =
      scaled_dot_product_attention(q, Array<T>::empty({0, 4}), Array<T>::empty({0, 2}));
  EXPECT_EQ(empty.to_vector(), std::vector<T>(6, T(0)));
  EXPECT_EQ(scaled_dot_product_attention(Array<T>::empty({0, 4}), k, v).shape(), (Shape{0, 2}));
}

TYPED_TEST(AttentionTest, BlockedEntriesNeverMatter) {
  using T = TypeParam;
  const Index keys = 300;
  const auto q = values<T>({100, 8}, 1);
  const auto k = values<T>({keys, 8}, 2);
  const auto v = values<T>({keys, 9}, 3);
  test::for_each_target([&] {
    for (const T bad : {kNaN<T>, kInf<T>, -kInf<T>}) {
      auto bad_k = k;
      auto bad_v = v;
      Array<bool> mask = Array<bool>::full({1, keys}, true);
      for (const Index j : {0, 17, 255, 299}) {
        mask(0, j) = false;
      }
      const auto expected = scaled_dot_product_attention(q, k, v, mask);
      for (const Index j : {0, 17, 255, 299}) {
        bad_k.row(j).fill(bad);
        bad_v.row(j).fill(bad);
      }
      const auto got = scaled_dot_product_attention(q, bad_k, bad_v, mask);
      for (Index i = 0; i < got.size(); ++i) {
        ASSERT_NEAR(got.data()[i], expected.data()[i], 64 * std::numeric_limits<T>::epsilon());
      }
      // Keys in the future of a query.
      const auto causal = scaled_dot_product_attention(q, k, v, {.causal = true});
      auto late_k = k;
      auto late_v = v;
      late_k.slice(50, 300).fill(bad);
      late_v.slice(50, 300).fill(bad);
      const auto late = scaled_dot_product_attention(q, late_k, late_v, {.causal = true});
      for (Index i = 0; i < 50 * 9; ++i) {
        ASSERT_EQ(late.data()[i], causal.data()[i]);
      }
      ASSERT_TRUE(std::isnan(late(50, 0)) || !std::isfinite(bad_v(0, 0)));
      // Padding.
      const Array<std::int64_t> length = Array<std::int64_t>::scalar(50);
      const auto padded = scaled_dot_product_attention(q, late_k, late_v, {.key_lengths = length});
      const auto cut = scaled_dot_product_attention(q, k.slice(0, 50), v.slice(0, 50));
      ASSERT_EQ(padded.to_vector(), cut.to_vector());
    }
  });
}

TYPED_TEST(AttentionTest, VisibleNaNPropagates) {
  using T = TypeParam;
  const auto q = values<T>({90, 8}, 1);
  const auto k = values<T>({300, 8}, 2);
  const auto v = values<T>({300, 9}, 3);
  test::for_each_target([&] {
    for (const Index j : {0, 3, 15, 16, 254, 255, 256, 299}) {
      auto bad_k = k;
      bad_k(j, 5) = kNaN<T>;
      for (const T x : scaled_dot_product_attention(q, bad_k, v)) {
        ASSERT_TRUE(std::isnan(x)) << j;
      }
      auto bad_v = v;
      bad_v(j, 5) = kNaN<T>;
      const auto column =
          scaled_dot_product_attention(q, k, bad_v, {.causal = true, .causal_offset = 260});
      for (Index i = 0; i < 90; ++i) {
        ASSERT_EQ(std::isnan(column(i, 5)), j <= i + 260) << i << " " << j;
        ASSERT_FALSE(std::isnan(column(i, 4)));
      }
      auto bad_q = q;
      bad_q(j % 90, 0) = kNaN<T>;
      const auto row = scaled_dot_product_attention(bad_q, k, v);
      for (Index i = 0; i < 90; ++i) {
        ASSERT_EQ(std::isnan(row(i, 8)), i == j % 90);
      }
    }
  });
}

TYPED_TEST(AttentionTest, LargeScoresDoNotOverflow) {
  using T = TypeParam;
  auto q = values<T>({4, 8}, 1);
  auto k = values<T>({600, 8}, 2);
  const auto v = values<T>({600, 3}, 3);
  q.fill(T(100));
  for (Index j = 0; j < 600; ++j) {
    k.row(j).fill(static_cast<T>(j % 7) * T(100));
  }
  // The greatest score, far above the others, is shared by every key with j % 7 = 6.
  std::vector<long double> mean(3, 0);
  for (Index j = 6; j < 600; j += 7) {
    for (Index d = 0; d < 3; ++d) {
      mean[static_cast<std::size_t>(d)] += static_cast<long double>(v(j, d)) / 85;
    }
  }
  const auto out = scaled_dot_product_attention(q, k, v);
  expect_close<T>(out.slice(0, 1), mean);
}

TYPED_TEST(AttentionTest, AnyStridesOfInputsAndOutput) {
  using T = TypeParam;
  const auto q = values<T>({2, 9, 16}, 1);
  const auto k = values<T>({2, 21, 16}, 2);
  const auto v = values<T>({2, 21, 16}, 3);
  const std::vector<long double> expected = attention_reference(q, k, v);
  for (auto& lq : test::layouts_of<T>(q)) {
    for (auto& lk : test::layouts_of<T>(k)) {
      SCOPED_TRACE(lq.name + ", " + lk.name);
      expect_close<T>(scaled_dot_product_attention(lq.view, lk.view, v), expected);
    }
  }
  for (auto& lv : test::layouts_of<T>(v)) {
    for (auto& out : test::empty_layouts<T>({2, 9, 16}, T(7))) {
      SCOPED_TRACE(lv.name + ", " + out.name);
      scaled_dot_product_attention_into<T>(q, k, lv.view, out.view);
      expect_close<T>(out.view, expected);
    }
  }
  // One set of keys for both heads.
  const auto shared = scaled_dot_product_attention(q, k.slice(0, 1).broadcast_to({2, 21, 16}),
                                                   v.slice(0, 1).broadcast_to({2, 21, 16}));
  expect_close<T>(shared, attention_reference(q, Array<T>(k.slice(0, 1)), Array<T>(v.slice(0, 1))));
}

TYPED_TEST(AttentionTest, SameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  const auto q = values<T>({2, 4, 200, 32}, 1);
  const auto k = values<T>({2, 2, 300, 32}, 2);
  const auto v = values<T>({2, 2, 300, 32}, 3);
  test::expect_same_on_any_number_of_threads(
      [&] { return scaled_dot_product_attention(q, k, v, {.causal = true}); });
  // One head, whose queries are several tasks.
  const auto longer = values<T>({900, 16}, 4);
  test::expect_same_on_any_number_of_threads(
      [&] { return scaled_dot_product_attention(longer, longer, longer, {.causal = true}); });
}

TYPED_TEST(AttentionTest, SameBitsWhereverAQueryLies) {
  using T = TypeParam;
  const auto q = values<T>({400, 8}, 1);
  const auto k = values<T>({350, 8}, 2);
  const auto v = values<T>({350, 21}, 3);
  test::for_each_target([&] {
    const auto all = scaled_dot_product_attention(q, k, v);
    for (const Index first : {1, 5, 17, 256}) {
      const auto some = scaled_dot_product_attention(q.slice(first, 400), k, v);
      ASSERT_EQ(some.to_vector(), all.slice(first, 400).to_vector()) << first;
    }
  });
}

TYPED_TEST(AttentionTest, SelfAttention) {
  using T = TypeParam;
  const auto x = values<T>({7, 6}, 1);
  const auto w_q = values<T>({6, 4}, 2);
  const auto w_k = values<T>({6, 4}, 3);
  const auto w_v = values<T>({6, 5}, 4);
  const auto out = self_attention(x, w_q, w_k, w_v);
  EXPECT_EQ(out.shape(), (Shape{7, 5}));
  EXPECT_EQ(out.to_vector(),
            scaled_dot_product_attention(matmul<T>(x, w_q), matmul<T>(x, w_k), matmul<T>(x, w_v))
                .to_vector());
  // Alike rows attend alike: each result is the one value.
  const auto ones = Array<T>::ones({10, 6});
  const auto even = self_attention(ones, w_q, w_k, w_v);
  const auto value = matmul<T>(ones, w_v);
  for (Index i = 0; i < even.size(); ++i) {
    EXPECT_NEAR(even.data()[i], value.data()[i], 1e-5);
  }
}

TEST(AttentionErrors, NameOperationArgumentAndShapes) {
  const auto dm = ErrorKind::DimensionMismatch;
  const auto io = ErrorKind::InvalidOperation;
  const auto q = Array<float>::ones({2, 3, 4});
  const auto k = Array<float>::ones({2, 5, 4});
  const auto v = Array<float>::ones({2, 5, 6});
  const std::string name = "scaled_dot_product_attention: ";
  const std::string shapes = "; q (2, 3, 4), k (2, 5, 4), v (2, 5, 6)";
  const auto call = [&](const View<float>& a, const View<float>& b, const View<float>& c,
                        const AttentionOptions<float>& options = {}) {
    return [=] { static_cast<void>(scaled_dot_product_attention<float>(a, b, c, options)); };
  };
  expect_error(dm, name + "q, k and v must have at least 2 axes; q (2, 3, 4), k (), v (2, 5, 6)",
               call(q, {}, v));
  expect_error(dm,
               name +
                   "q, k and v must have the same number of axes; q (2, 3, 4), k (5, 4), v (2, "
                   "5, 6)",
               call(q, k.select(0, 0), v));
  expect_error(dm, name + "q has 4 features, k has 6; q (2, 3, 4), k (2, 5, 6), v (2, 5, 6)",
               call(q, v, v));
  expect_error(dm, name + "there are 3 keys and 5 values; q (2, 3, 4), k (2, 3, 4), v (2, 5, 6)",
               call(q, q, v));
  expect_error(dm, name + "k has 2 heads, v has 1; q (2, 3, 4), k (2, 5, 4), v (1, 5, 6)",
               call(q, k, v.slice(0, 1)));
  const auto three = Array<float>::ones({3, 3, 4});
  expect_error(io,
               name +
                   "the 3 heads of q are not a multiple of the 2 heads of k; q (3, 3, 4), k (2, "
                   "5, 4)",
               call(three, k, v));
  expect_error(dm, name + "axis 0 differs; q (1, 2, 3, 4), k (2, 1, 5, 4), v (1, 2, 5, 6)",
               call(q.reshape({1, 2, 3, 4}), k.reshape({2, 1, 5, 4}), v.reshape({1, 2, 5, 6})));
  expect_error(io, name + "scale must be finite, got inf",
               call(q, k, v, {.scale = std::numeric_limits<double>::infinity()}));
  expect_error(io, name + "causal_offset must not be negative, got -1",
               call(q, k, v, {.causal_offset = -1}));
  const auto mask = Array<bool>::full({3, 4}, true);
  expect_error(dm,
               name +
                   "mask has shape (3, 4), which does not broadcast to that of the scores (2, "
                   "3, 5)",
               call(q, k, v, {.mask = mask}));
  const auto bias = Array<float>::ones({1, 2, 3, 5});
  expect_error(dm,
               name +
                   "bias has shape (1, 2, 3, 5), which does not broadcast to that of the scores "
                   "(2, 3, 5)",
               call(q, k, v, {.bias = bias}));
  const Array<std::int64_t> lengths{1, 2, 3};
  expect_error(dm, name + "key_lengths has shape (3,), expected () or (2,)",
               call(q, k, v, {.key_lengths = lengths}));
  const Array<std::int64_t> long_lengths{5, 6};
  expect_error(ErrorKind::IndexOutOfBounds,
               name + "key length 6 at position 1 is not between 0 and 5",
               call(q, k, v, {.key_lengths = long_lengths}));
  Array<float> out = Array<float>::ones({2, 3, 5});
  expect_error(dm, name + "out has shape (2, 3, 5), expected (2, 3, 6)",
               [&] { scaled_dot_product_attention_into<float>(q, k, v, out); });
  Array<float> square = Array<float>::ones({2, 3, 4});
  expect_error(io, name + "out overlaps q",
               [&] { scaled_dot_product_attention_into<float>(square, square, square, square); });
  const auto numeric = Array<float>::ones({3, 5});
  const auto keep = Array<bool>::full({3, 5}, true);
  expect_error(io, name + "both keep_mask and options.mask are given", [&] {
    static_cast<void>(scaled_dot_product_attention(q, k, v, numeric, {.mask = keep}));
  });
  expect_error(dm, "self_attention: w_k must have the shape (4, features), got (5, 4); x (2, 3, 4)",
               [&] {
                 const auto w = Array<float>::ones({4, 4});
                 static_cast<void>(self_attention(q, w, Array<float>::ones({5, 4}), w));
               });
  expect_error(dm, "self_attention: w_q (4, 4) and w_k (4, 5) must have the same shape", [&] {
    const auto w = Array<float>::ones({4, 4});
    static_cast<void>(self_attention(q, w, Array<float>::ones({4, 5}), w));
  });
}

}  // namespace
}  // namespace lamina::nn
