// Attention as training needs it: dropout of weights, the gradient of an additive bias, results
// that the backward pass takes over; and the weights themselves.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "lamina/nn/attention.hpp"
#include "lamina/nn/dropout.hpp"
#include "nn/attention_reference.hpp"
#include "support/expect.hpp"
#include "support/layouts.hpp"
#include "support/values.hpp"

namespace lamina::nn {
namespace {

using lamina::testing::values;
using test::expect_error;

template <class T>
class AttentionTraining : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(AttentionTraining, Types);

/// Sums of at most a few hundred products of order 1.
template <class T>
void expect_close(const View<T>& got, const std::vector<long double>& want) {
  const double tolerance = 200 * static_cast<double>(std::numeric_limits<T>::epsilon());
  std::size_t i = 0;
  for (const T value : got) {
    ASSERT_NEAR(static_cast<double>(value), static_cast<double>(want[i]), tolerance) << i;
    ++i;
  }
}

/// The rules of a call with dropout p from this generator.
test::AttentionRules dropping(const Shape& scores, double p, Generator generator) {
  const Array<bool> mask = dropout_mask(scores, p, true, generator);
  test::AttentionRules rules;
  rules.factor = [mask, p](Index head, Index i, Index j) -> long double {
    return mask(head, i, j) ? 1 / (1 - static_cast<long double>(p)) : 0;
  };
  return rules;
}

TYPED_TEST(AttentionTraining, DropoutDrawsTheMaskOfTheScores) {
  using T = TypeParam;
  test::for_each_target([] {
    for (const auto& [queries, keys] : {std::pair<Index, Index>{3, 5}, {150, 300}, {1, 40}}) {
      const Array<T> q = values<T>({2, queries, 4}, 1);
      const Array<T> k = values<T>({2, keys, 4}, 2);
      const Array<T> v = values<T>({2, keys, 3}, 3);
      Generator generator(7);
      (void)generator.next_u32();  // an odd start
      const auto rules = dropping({2, queries, keys}, 0.3, generator);
      const Array<T> got =
          scaled_dot_product_attention(q, k, v, {.dropout = 0.3, .generator = &generator});
      expect_close<T>(got, test::attention_reference(q, k, v, rules));
      EXPECT_EQ(generator.state().offset, static_cast<std::uint64_t>(1 + 2 * queries * keys));
    }
  });
}

TYPED_TEST(AttentionTraining, LogSumsDoNotDependOnDropout) {
  using T = TypeParam;
  const Array<T> q = values<T>({4, 3}, 1);
  Array<T> out(q.shape());
  Array<T> expected(Shape{4});
  scaled_dot_product_attention_into(q, q, q, out, {}, expected);
  Generator generator(3);
  for (const double dropout : {0.5, 1.0}) {
    Array<T> got = Array<T>::full({4}, T(-123));
    scaled_dot_product_attention_into(q, q, q, out, {.dropout = dropout, .generator = &generator},
                                      got);
    EXPECT_EQ(got, expected) << dropout;
  }
}

TYPED_TEST(AttentionTraining, DropoutOfAllAndOfNothing) {
  using T = TypeParam;
  const Array<T> q = values<T>({4, 3}, 1);
  Array<T> v = values<T>({4, 3}, 2);
  Generator generator(3);
  const Array<T> plain = scaled_dot_product_attention(q, q, v);
  EXPECT_EQ(scaled_dot_product_attention(q, q, v, {.dropout = 0, .generator = &generator}), plain);
  v(1, 1) = std::numeric_limits<T>::quiet_NaN();
  EXPECT_EQ(scaled_dot_product_attention(q, q, v, {.dropout = 1, .generator = &generator}),
            Array<T>::zeros({4, 3}));
  EXPECT_EQ(generator.state().offset, 0u);
  const auto d = scaled_dot_product_attention_backward(Array<T>::ones({4, 3}), q, q, v,
                                                       {.dropout = 1, .generator = &generator});
  EXPECT_EQ(d.dq, Array<T>::zeros({4, 3}));
  EXPECT_EQ(d.dv, Array<T>::zeros({4, 3}));
}

TYPED_TEST(AttentionTraining, TheSameOnAnyNumberOfThreads) {
  using T = TypeParam;
  const Array<T> q = values<T>({3, 200, 8}, 1);
  const Array<T> bias = values<T>({200, 200}, 2);
  test::expect_same_on_any_number_of_threads([&] {
    Generator generator(5);
    const Generator before = generator;
    const AttentionOptions<T> options{
        .causal = true, .bias = bias, .dropout = 0.2, .generator = &generator};
    Array<T> y = scaled_dot_product_attention(q, q, q, options);
    generator = before;
    const auto d = scaled_dot_product_attention_backward(q, q, q, q, options);
    const auto dbias = scaled_dot_product_attention_backward_bias(q, q, q, q, options);
    return concatenate<T>({y.flatten(), d.dq.flatten(), d.dk.flatten(), dbias.flatten()});
  });
}

TYPED_TEST(AttentionTraining, TakesOverResultsOfTheForwardPass) {
  using T = TypeParam;
  const Array<T> q = values<T>({2, 130, 8}, 1);
  const Array<T> k = values<T>({2, 300, 8}, 2);
  const Array<T> dy = values<T>({2, 130, 8}, 3);
  Array<T> out(Shape{2, 130, 8});
  Array<T> log_sums(Shape{2, 130});
  const AttentionOptions<T> options{.causal = true, .causal_offset = 20};
  scaled_dot_product_attention_into(q, k, k, out, options, log_sums);
  EXPECT_EQ(out, scaled_dot_product_attention(q, k, k, options));
  const auto want = scaled_dot_product_attention_backward(dy, q, k, k, options);
  const auto got = scaled_dot_product_attention_backward(dy, q, k, k, options, {out, log_sums});
  EXPECT_EQ(got.dq, want.dq);
  EXPECT_EQ(got.dk, want.dk);
  EXPECT_EQ(got.dv, want.dv);
  // log_sums are natural logarithms of the sums of exponentials.
  long double sum = 0;
  for (Index j = 0; j <= 20 + 5; ++j) {
    long double dot = 0;
    for (Index d = 0; d < 8; ++d) {
      dot += static_cast<long double>(q(1, 5, d)) * static_cast<long double>(k(1, j, d));
    }
    sum += std::exp(dot / std::sqrt(8.0L));
  }
  EXPECT_NEAR(static_cast<double>(log_sums(1, 5)), static_cast<double>(std::log(sum)), 1e-5);
}

TYPED_TEST(AttentionTraining, WeightsSumToOneAndGiveTheResult) {
  using T = TypeParam;
  test::for_each_target([] {
    const Array<T> q = values<T>({4, 100, 8}, 1);
    const Array<T> k = values<T>({2, 300, 8}, 2);
    const Array<std::int64_t> lengths{0, 300, 280, 12};
    const Array<T> bias = values<T>({100, 300}, 3);
    const AttentionOptions<T> options{
        .causal = true, .causal_offset = 190, .bias = bias, .key_lengths = lengths};
    const Array<T> weights = scaled_dot_product_attention_weights(q, k, options);
    ASSERT_EQ(weights.shape(), (Shape{4, 100, 300}));
    const Array<T> v = values<T>({2, 300, 3}, 4);
    const Array<T> out = scaled_dot_product_attention(q, k, v, options);
    for (Index head = 0; head < 4; ++head) {
      for (const Index i : {0, 55, 99}) {
        long double total = 0;
        std::vector<long double> y(3, 0.0L);
        for (Index j = 0; j < 300; ++j) {
          const auto w = static_cast<long double>(weights(head, i, j));
          EXPECT_TRUE(j < std::min(lengths(head), i + 191) || w == 0);
          total += w;
          for (Index d = 0; d < 3; ++d) {
            y[static_cast<std::size_t>(d)] += w * static_cast<long double>(v(head / 2, j, d));
          }
        }
        EXPECT_NEAR(static_cast<double>(total), head == 0 ? 0.0 : 1.0, 1e-5);
        for (Index d = 0; d < 3; ++d) {
          EXPECT_NEAR(static_cast<double>(out(head, i, d)),
                      static_cast<double>(y[static_cast<std::size_t>(d)]), 1e-5);
        }
      }
    }
  });
}

struct Inputs {
  Array<double> q, k, v, dy, bias;
};

/// sum of dy * attention, by the formula in long double.
long double weighted_sum(const Inputs& in, test::AttentionRules rules, const Shape& scores) {
  const View<double> spread = in.bias.broadcast_to(scores);
  rules.bias = [&](Index head, Index i, Index j) -> long double { return spread(head, i, j); };
  const auto sees = rules.sees;
  rules.sees = [&, sees](Index head, Index i, Index j) {
    return sees(head, i, j) && !std::isinf(spread(head, i, j));
  };
  const std::vector<long double> y = test::attention_reference(in.q, in.k, in.v, rules);
  long double sum = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    sum += std::isnan(y[i]) ? 0 : y[i] * static_cast<long double>(in.dy.data()[i]);
  }
  return sum;
}

/// `got` against central differences of the reference in x, extrapolated.
void expect_numeric(const Array<double>& got, Array<double>& x, const Inputs& in,
                    const test::AttentionRules& rules, const Shape& scores, const char* what) {
  ASSERT_EQ(got.shape(), x.shape()) << what;
  for (Index i = 0; i < x.size(); ++i) {
    const double here = x.data()[i];
    if (std::isinf(here)) {
      EXPECT_EQ(got.data()[i], 0) << what;
      continue;
    }
    const auto quotient = [&](double h) {
      x.data()[i] = here + h;
      const long double above = weighted_sum(in, rules, scores);
      x.data()[i] = here - h;
      const long double below = weighted_sum(in, rules, scores);
      x.data()[i] = here;
      return static_cast<double>((above - below) / (2 * static_cast<long double>(h)));
    };
    const double expected = (4 * quotient(1.0 / 1024) - quotient(1.0 / 512)) / 3;
    ASSERT_NEAR(got.data()[i], expected, 1e-7 * std::max(1.0, std::abs(expected)))
        << what << " at " << i;
  }
}

TEST(AttentionBiasGradient, OfEveryShapeThatBroadcastsWithDropout) {
  const Shape scores{4, 5, 6};
  for (const Shape& shape : {Shape{4, 5, 6}, Shape{5, 6}, Shape{1, 5, 6}, Shape{4, 1, 6},
                             Shape{4, 5, 1}, Shape{6}, Shape{5, 1}, Shape{1, 1, 1}}) {
    SCOPED_TRACE(to_string(Array<std::int64_t>::zeros({shape.rank()})));
    Inputs in{values<double>({4, 5, 3}, 1), values<double>({2, 6, 3}, 2),
              values<double>({2, 6, 2}, 3), values<double>({4, 5, 2}, 4), values<double>(shape, 5)};
    if (shape.size() > 6) {
      in.bias.data()[2] = -std::numeric_limits<double>::infinity();
    }
    Generator generator(9);
    test::AttentionRules rules = dropping(scores, 0.25, generator);
    rules.sees = [](Index, Index i, Index j) { return j <= i + 2; };
    const AttentionOptions<double> options{.causal = true,
                                           .causal_offset = 2,
                                           .bias = in.bias,
                                           .dropout = 0.25,
                                           .generator = &generator};
    const auto dbias = scaled_dot_product_attention_backward_bias(in.dy, in.q, in.k, in.v, options);
    const auto d = scaled_dot_product_attention_backward(in.dy, in.q, in.k, in.v, options);
    expect_numeric(dbias, in.bias, in, rules, scores, "dbias");
    expect_numeric(d.dq, in.q, in, rules, scores, "dq");
    expect_numeric(d.dk, in.k, in, rules, scores, "dk");
    expect_numeric(d.dv, in.v, in, rules, scores, "dv");
  }
}

TEST(AttentionBiasGradient, OverSeveralTilesIsTheSumOfScoreGradients) {
  // Shared by all heads: the sum of what each head's own bias gets.
  const Array<double> q = values<double>({3, 190, 4}, 1);
  const Array<double> k = values<double>({3, 600, 4}, 2);
  const Array<double> v = values<double>({3, 600, 4}, 3);
  const Array<double> dy = values<double>({3, 190, 4}, 4);
  const Array<double> whole = values<double>({3, 190, 600}, 5);
  const auto full = scaled_dot_product_attention_backward_bias(dy, q, k, v, {.bias = whole});
  // The gradients of a row of scores sum to 0.
  for (const Index i : {0, 100, 189}) {
    double sum = 0;
    for (Index j = 0; j < 600; ++j) {
      sum += full(1, i, j);
    }
    EXPECT_NEAR(sum, 0, 1e-12);
  }
  const Array<double> shared = values<double>({190, 600}, 6);
  const auto got = scaled_dot_product_attention_backward_bias(dy, q, k, v, {.bias = shared});
  const Array<double> repeated = shared.broadcast_to({3, 190, 600}).copy();
  const auto want = scaled_dot_product_attention_backward_bias(dy, q, k, v, {.bias = repeated});
  for (Index i = 0; i < 190; i += 7) {
    for (Index j = 0; j < 600; j += 11) {
      EXPECT_NEAR(got(i, j), want(0, i, j) + want(1, i, j) + want(2, i, j), 1e-14);
    }
  }
}

TEST(AttentionTrainingErrors, ByMessage) {
  const Array<double> q = values<double>({2, 4, 3}, 1);
  Generator generator(1);
  expect_error(ErrorKind::InvalidOperation,
               "scaled_dot_product_attention: dropout must be in [0, 1], got -0.5", [&] {
                 (void)scaled_dot_product_attention(q, q, q,
                                                    {.dropout = -0.5, .generator = &generator});
               });
  expect_error(ErrorKind::InvalidOperation,
               "scaled_dot_product_attention: dropout needs a generator",
               [&] { (void)scaled_dot_product_attention(q, q, q, {.dropout = 0.5}); });
  expect_error(ErrorKind::InvalidOperation,
               "scaled_dot_product_attention_backward_bias: there is no bias",
               [&] { (void)scaled_dot_product_attention_backward_bias(q, q, q, q, {}); });
  Array<double> out(q.shape());
  Array<double> log_sums(Shape{2, 3});
  expect_error(ErrorKind::DimensionMismatch,
               "scaled_dot_product_attention: log_sums has shape (2, 3) and strides (3, 1), "
               "expected (2, 4) without gaps",
               [&] { scaled_dot_product_attention_into(q, q, q, out, {}, log_sums); });
  Array<double> keys = values<double>({2, 4, 3}, 2);
  const MutView<double> inside(keys.data(), Shape{2, 4});
  expect_error(ErrorKind::InvalidOperation, "scaled_dot_product_attention: log_sums overlaps k",
               [&] { scaled_dot_product_attention_into(q, keys, q, out, {}, inside); });
  expect_error(ErrorKind::DimensionMismatch,
               "scaled_dot_product_attention_backward: forward has shapes (2, 4, 3) and (2, 3), "
               "expected (2, 4, 3) and (2, 4)",
               [&] {
                 (void)scaled_dot_product_attention_backward(q, q, q, q, {}, {out, log_sums});
               });
}

}  // namespace
}  // namespace lamina::nn
