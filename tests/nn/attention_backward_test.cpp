#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "lamina/nn/attention.hpp"
#include "nn/attention_reference.hpp"
#include "support/expect.hpp"
#include "support/layouts.hpp"
#include "support/values.hpp"

namespace lamina::nn {
namespace {

using lamina::testing::values;
using test::expect_error;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Inputs {
  Array<double> q, k, v, dy;
};

Inputs inputs(Index heads, Index groups, Index queries, Index keys, Index d, Index n) {
  return {values<double>({heads, queries, d}, 1), values<double>({groups, keys, d}, 2),
          values<double>({groups, keys, n}, 3), values<double>({heads, queries, n}, 4)};
}

/// sum of dy * attention, by the formula in long double; queries that see nothing count as 0.
long double weighted_sum(const Inputs& in, const test::AttentionRules& rules) {
  const std::vector<long double> y = test::attention_reference(in.q, in.k, in.v, rules);
  long double sum = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    sum += std::isnan(y[i]) ? 0 : y[i] * static_cast<long double>(in.dy.data()[i]);
  }
  return sum;
}

/// Every `step`-th element of `got` against central differences of the reference, extrapolated.
void expect_numeric(const Array<double>& got, Array<double>& x, const Inputs& in,
                    const test::AttentionRules& rules, Index step) {
  for (Index i = 0; i < x.size(); i += step) {
    const double here = x.data()[i];
    const auto quotient = [&](double h) {
      x.data()[i] = here + h;
      const long double above = weighted_sum(in, rules);
      x.data()[i] = here - h;
      const long double below = weighted_sum(in, rules);
      x.data()[i] = here;
      return static_cast<double>((above - below) / (2 * static_cast<long double>(h)));
    };
    const double wide = quotient(1.0 / 512);
    const double narrow = quotient(1.0 / 1024);
    const double expected = (4 * narrow - wide) / 3;
    ASSERT_NEAR(got.data()[i], expected, 1e-7 * std::max(1.0, std::abs(expected))) << i;
  }
}

void expect_gradients(Inputs in, const AttentionOptions<double>& options,
                      const test::AttentionRules& rules, Index step = 1) {
  const auto got = scaled_dot_product_attention_backward(in.dy, in.q, in.k, in.v, options);
  ASSERT_EQ(got.dq.shape(), in.q.shape());
  ASSERT_EQ(got.dk.shape(), in.k.shape());
  ASSERT_EQ(got.dv.shape(), in.v.shape());
  expect_numeric(got.dq, in.q, in, rules, step);
  expect_numeric(got.dk, in.k, in, rules, step);
  expect_numeric(got.dv, in.v, in, rules, step);
}

TEST(AttentionBackward, AgreesWithDifferences) {
  test::for_each_target([] {
    expect_gradients(inputs(1, 1, 1, 1, 1, 1), {}, {});
    expect_gradients(inputs(2, 2, 3, 5, 4, 3), {}, {});
    expect_gradients(inputs(4, 2, 5, 7, 3, 6), {}, {});   // grouped heads
    expect_gradients(inputs(1, 1, 5, 1, 9, 17), {}, {});  // one key
  });
}

TEST(AttentionBackward, OverSeveralTiles) {
  test::AttentionRules causal;
  causal.sees = [](Index, Index i, Index j) { return j <= i + 3; };
  expect_gradients(inputs(1, 1, 270, 90, 2, 2), {}, {}, 97);
  expect_gradients(inputs(1, 1, 90, 270, 2, 2), {}, {}, 97);
  expect_gradients(inputs(1, 1, 260, 260, 2, 2), {.causal = true, .causal_offset = 3}, causal, 131);
}

TEST(AttentionBackward, MasksBiasScaleAndLengths) {
  const Inputs in = inputs(2, 1, 6, 9, 4, 3);
  Array<bool> mask = Array<bool>::full({6, 9}, true);
  for (Index i = 0; i < 6; ++i) {
    mask(i, (i * 2) % 9) = false;
  }
  mask.row(4).fill(false);  // sees nothing
  Array<double> bias = values<double>({2, 1, 9}, 5);
  bias(1, 0, 2) = -std::numeric_limits<double>::infinity();
  const Array<std::int64_t> lengths{9, 7};
  test::AttentionRules rules;
  rules.scale = 0.7L;
  rules.sees = [&](Index head, Index i, Index j) {
    return mask(i, j) && j < lengths(head) && j <= i + 2 && std::isfinite(bias(head, 0, j));
  };
  rules.bias = [&](Index head, Index, Index j) {
    return static_cast<long double>(bias(head, 0, j));
  };
  const AttentionOptions<double> options{.causal = true,
                                         .causal_offset = 2,
                                         .scale = 0.7,
                                         .mask = mask,
                                         .bias = bias,
                                         .key_lengths = lengths};
  expect_gradients(in, options, rules);
  const auto got = scaled_dot_product_attention_backward(in.dy, in.q, in.k, in.v, options);
  for (Index d = 0; d < 4; ++d) {
    EXPECT_EQ(got.dq(0, 4, d), 0.0);
  }
}

TEST(AttentionBackward, BlockedEntriesNeverMatter) {
  const Inputs in = inputs(1, 1, 90, 270, 4, 5);
  Array<bool> mask = Array<bool>::full({90, 270}, true);
  for (const Index j : {0, 100, 269}) {
    mask.col(j).fill(false);
  }
  for (const Index i : {3, 88}) {
    mask.row(i).fill(false);
  }
  test::for_each_target([&] {
    const auto expected =
        scaled_dot_product_attention_backward(in.dy, in.q, in.k, in.v, {.mask = mask});
    for (const double bad : {kNaN, std::numeric_limits<double>::infinity()}) {
      Inputs spoilt = in;
      for (const Index j : {0, 100, 269}) {
        for (Index d = 0; d < 4; ++d) spoilt.k(0, j, d) = bad;
        for (Index d = 0; d < 5; ++d) spoilt.v(0, j, d) = bad;
      }
      for (const Index i : {3, 88}) {
        for (Index d = 0; d < 4; ++d) spoilt.q(0, i, d) = bad;
        for (Index d = 0; d < 5; ++d) spoilt.dy(0, i, d) = bad;
      }
      const auto got = scaled_dot_product_attention_backward(spoilt.dy, spoilt.q, spoilt.k,
                                                             spoilt.v, {.mask = mask});
      const auto same = [](const Array<double>& a, const Array<double>& b) {
        for (Index i = 0; i < a.size(); ++i) {
          ASSERT_NEAR(a.data()[i], b.data()[i], 1e-12);
        }
      };
      same(got.dq, expected.dq);
      same(got.dk, expected.dk);
      same(got.dv, expected.dv);
      for (const Index j : {0, 100, 269}) {
        EXPECT_EQ(got.dk(0, j, 0), 0.0);
        EXPECT_EQ(got.dv(0, j, 0), 0.0);
      }
    }
  });
}

TEST(AttentionBackward, VisibleNaNPropagates) {
  Inputs in = inputs(1, 1, 5, 7, 4, 3);
  in.v(0, 2, 1) = kNaN;
  const auto got = scaled_dot_product_attention_backward(in.dy, in.q, in.k, in.v);
  for (const double x : got.dq) {
    EXPECT_TRUE(std::isnan(x));
  }
}

TEST(AttentionBackward, FloatIsCloseToDouble) {
  const Inputs in = inputs(4, 2, 100, 130, 16, 24);
  const auto exact = scaled_dot_product_attention_backward(in.dy, in.q, in.k, in.v);
  test::for_each_target([&] {
    const auto got = scaled_dot_product_attention_backward(
        in.dy.astype<float>(), in.q.astype<float>(), in.k.astype<float>(), in.v.astype<float>());
    // Sums of up to 200 terms below 10, each with a few rounding errors.
    const auto close = [](const Array<float>& a, const Array<double>& b) {
      for (Index i = 0; i < a.size(); ++i) {
        ASSERT_NEAR(static_cast<double>(a.data()[i]), b.data()[i], 2e-4);
      }
    };
    close(got.dq, exact.dq);
    close(got.dk, exact.dk);
    close(got.dv, exact.dv);
  });
}

TEST(AttentionBackward, AnyStrides) {
  const Inputs in = inputs(2, 2, 6, 9, 8, 8);
  const auto expected = scaled_dot_product_attention_backward(in.dy, in.q, in.k, in.v);
  const auto close = [](const Array<double>& a, const Array<double>& b) {
    for (Index i = 0; i < a.size(); ++i) {
      ASSERT_NEAR(a.data()[i], b.data()[i], 1e-12);
    }
  };
  const auto q = test::layouts_of<double>(in.q);
  const auto k = test::layouts_of<double>(in.k);
  const auto v = test::layouts_of<double>(in.v);
  const auto dy = test::layouts_of<double>(in.dy);
  for (std::size_t i = 0; i < q.size(); ++i) {
    for (std::size_t j = 0; j < k.size(); ++j) {
      const auto got = scaled_dot_product_attention_backward(View<double>(dy[j].view), q[i].view,
                                                             k[j].view, v[(i + j) % v.size()].view);
      close(got.dq, expected.dq);
      close(got.dk, expected.dk);
      close(got.dv, expected.dv);
    }
  }
}

TEST(AttentionBackward, SameBitsOnAnyNumberOfThreads) {
  const auto q = values<float>({2, 4, 200, 16}, 1);
  const auto k = values<float>({2, 2, 300, 16}, 2);
  const auto v = values<float>({2, 2, 300, 16}, 3);
  const auto dy = values<float>({2, 4, 200, 16}, 4);
  const auto run = [&] {
    return scaled_dot_product_attention_backward(dy, q, k, v,
                                                 {.causal = true, .causal_offset = 100});
  };
  test::expect_same_on_any_number_of_threads([&] { return run().dq; });
  test::expect_same_on_any_number_of_threads([&] { return run().dk; });
  test::expect_same_on_any_number_of_threads([&] { return run().dv; });
}

TEST(AttentionBackward, NothingToSeeGivesZeros) {
  const auto got = scaled_dot_product_attention_backward(
      Array<double>::ones({3, 2}), Array<double>::ones({3, 4}), Array<double>::empty({0, 4}),
      Array<double>::empty({0, 2}));
  EXPECT_EQ(got.dq.to_vector(), std::vector<double>(12, 0.0));
  EXPECT_EQ(got.dk.shape(), (Shape{0, 4}));
  const auto none = scaled_dot_product_attention_backward(
      Array<double>::empty({0, 2}), Array<double>::empty({0, 4}), Array<double>::ones({3, 4}),
      Array<double>::ones({3, 2}));
  EXPECT_EQ(none.dk.to_vector(), std::vector<double>(12, 0.0));
}

TEST(AttentionBackward, OfSelfAttention) {
  const Array<double> inputs[] = {values<double>({2, 5, 6}, 1), values<double>({6, 4}, 2),
                                  values<double>({6, 4}, 3), values<double>({6, 3}, 4)};
  const auto dy = values<double>({2, 5, 3}, 5);
  const auto got =
      self_attention_backward(dy, inputs[0], inputs[1], inputs[2], inputs[3], {.causal = true});
  const Array<double>* gradients[] = {&got.dx, &got.dw_q, &got.dw_k, &got.dw_v};
  for (std::size_t which = 0; which < 4; ++which) {
    for (Index i = 0; i < inputs[which].size(); ++i) {
      const auto at = [&](double h) {
        Array<double> moved[] = {inputs[0], inputs[1], inputs[2], inputs[3]};
        moved[which].data()[i] += h;
        const auto y = self_attention(moved[0], moved[1], moved[2], moved[3], {.causal = true});
        double sum = 0;
        for (Index j = 0; j < y.size(); ++j) {
          sum += y.data()[j] * dy.data()[j];
        }
        return sum;
      };
      const double wide = (at(1e-3) - at(-1e-3)) / 2e-3;
      const double narrow = (at(5e-4) - at(-5e-4)) / 1e-3;
      const double expected = (4 * narrow - wide) / 3;
      ASSERT_NEAR(gradients[which]->data()[i], expected, 1e-7 * std::max(1.0, std::abs(expected)));
    }
  }
}

TEST(AttentionBackward, ErrorsByMessage) {
  const auto q = Array<float>::ones({3, 4});
  const auto k = Array<float>::ones({5, 4});
  const auto v = Array<float>::ones({5, 6});
  expect_error(ErrorKind::DimensionMismatch,
               "scaled_dot_product_attention_backward: dy has shape (3, 4), expected (3, 6)",
               [&] { static_cast<void>(scaled_dot_product_attention_backward(q, q, k, v)); });
  expect_error(ErrorKind::DimensionMismatch,
               "scaled_dot_product_attention_backward: q has 4 features, k has 6; q (3, 4), k (5, "
               "6), v (5, 6)",
               [&] { static_cast<void>(scaled_dot_product_attention_backward(q, q, v, v)); });
  expect_error(
      ErrorKind::DimensionMismatch,
      "self_attention_backward: w_v must have the shape (4, features), got (3, 4); x (3, 4)",
      [&] { static_cast<void>(self_attention_backward(q, q, q.t(), q.t(), q)); });
}

}  // namespace
}  // namespace lamina::nn
