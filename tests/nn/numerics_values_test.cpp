// The contract of docs/numerics.md on huge logits, rows that see nothing, and denormal numbers.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "lamina/nn/activation.hpp"
#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/attention.hpp"
#include "lamina/nn/conv.hpp"
#include "lamina/nn/linear.hpp"
#include "lamina/nn/loss.hpp"
#include "lamina/nn/loss_multilabel.hpp"
#include "lamina/nn/normalization.hpp"
#include "lamina/nn/reduction.hpp"
#include "lamina/nn/softmax.hpp"
#include "support/expect.hpp"
#include "support/ulp.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

template <class T>
class NumericValues : public ::testing::Test {
 protected:
  static constexpr T kInfinity = std::numeric_limits<T>::infinity();
  static constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
  static constexpr T kMax = std::numeric_limits<T>::max();
  static constexpr T kTiny = std::numeric_limits<T>::denorm_min();

  static void same(const View<T>& got, const std::vector<T>& want, const char* what) {
    ASSERT_EQ(got.size(), static_cast<Index>(want.size())) << what;
    auto it = want.begin();
    for (const T value : got) {
      if (std::isnan(*it)) {
        EXPECT_TRUE(std::isnan(value)) << what;
      } else {
        EXPECT_EQ(value, *it) << what;
      }
      ++it;
    }
  }
};

using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(NumericValues, Types);

TYPED_TEST(NumericValues, SoftmaxOfHugeLogits) {
  using T = TypeParam;
  const T inf = TestFixture::kInfinity;
  const T nan = TestFixture::kNan;
  test::for_each_target([&] {
    for (const T huge : {T(1e4), T(1e30), TestFixture::kMax / 2, TestFixture::kMax}) {
      SCOPED_TRACE(huge);
      const Array<T> x{huge, T(0), -huge, huge, T(1)};
      TestFixture::same(nn::softmax(x), {T(0.5), 0, 0, T(0.5), 0}, "softmax");
      TestFixture::same(nn::softmin(x), {0, 0, 1, 0, 0}, "softmin");
      const Array<T> cold = nn::softmax(x, {.temperature = 1e-20});
      TestFixture::same(cold, {T(0.5), 0, 0, T(0.5), 0}, "cold");
      const Array<T> y = nn::log_softmax(x);
      EXPECT_EQ(y(0), static_cast<T>(-std::log(2.0L)));
      // -inf where twice the number overflows.
      EXPECT_EQ(y(2), -huge - huge - static_cast<T>(std::log(2.0L)));
      EXPECT_EQ(nn::logsumexp(x).item(), huge + static_cast<T>(std::log(2.0L)));
      const Array<T> dy{T(1), T(2), T(3), T(-1), T(0)};
      const Array<T> dx = nn::softmax_backward<T>(dy, nn::softmax(x));
      TestFixture::same(dx, {T(0.5), 0, 0, T(-0.5), 0}, "softmax_backward");
    }
    TestFixture::same(nn::softmax(Array<T>{-inf, T(3), -inf}), {0, 1, 0}, "blocked");
    TestFixture::same(nn::softmax(Array<T>{-inf, -inf}), {nan, nan}, "all blocked");
    TestFixture::same(nn::softmax(Array<T>{inf, T(0)}), {nan, nan}, "+inf");
    TestFixture::same(nn::log_softmax(Array<T>{-inf, T(3)}), {-inf, 0}, "log, blocked");
  });
}

TYPED_TEST(NumericValues, LossesOfHugeLogits) {
  using T = TypeParam;
  const T inf = TestFixture::kInfinity;
  const T nan = TestFixture::kNan;
  const auto none = ReductionMode::None;
  test::for_each_target([&] {
    const Array<std::int64_t> labels{0, 1, 2, 3};
    for (const T huge : {T(1e4), T(1e30), TestFixture::kMax / 4}) {
      SCOPED_TRACE(huge);
      Array<T> x = Array<T>::empty({4, 4});
      for (Index row = 0; row < 4; ++row) {
        x.select(0, row).assign(Array<T>{huge, T(0), -huge, T(-1)});
      }
      const Array<T> loss = nn::cross_entropy(labels, x, {.mode = none});
      TestFixture::same(loss, {0, huge, 2 * huge, huge + 1}, "cross_entropy");
      const Array<T> ones = Array<T>::full(Shape{4}, T(1));
      const Array<T> dx = nn::cross_entropy_backward<T>(ones, labels, x, {.mode = none});
      TestFixture::same(dx.select(0, 2), {1, 0, -1, 0}, "gradient");
      TestFixture::same(nn::nll_loss(labels, nn::log_softmax(x), none),
                        {0, huge, 2 * huge, huge + 1}, "nll");
      const Array<T> logits{huge, -huge, huge, -huge};
      const Array<T> twice{T(2)};
      const Array<T> yes{T(1), T(1), T(0), T(0)};
      TestFixture::same(nn::bce_with_logits<T>(yes, logits, none), {0, huge, huge, 0}, "bce");
      TestFixture::same(nn::bce_with_logits_backward<T>(ones, yes, logits, none), {0, -1, 1, 0},
                        "bce gradient");
      TestFixture::same(nn::bce_with_logits<T>(yes, logits, none, {.pos_weight = twice}),
                        {0, 2 * huge, huge, 0}, "bce, pos_weight");
      TestFixture::same(nn::focal_loss_with_logits<T>(yes, logits, 0.5, 2, none),
                        {0, huge / 2, huge / 2, 0}, "focal");
      const Array<T> signs{T(1), T(1), T(-1), T(-1)};
      TestFixture::same(nn::soft_margin_loss<T>(signs, logits, none), {0, huge, huge, 0},
                        "soft margin");
      TestFixture::same(
          nn::log_cosh_loss<T>(logits, Array<T>::zeros(Shape{4}), ReductionMode::None),
          std::vector<T>(4, huge - static_cast<T>(std::log(2.0L))), "log cosh");
    }
    // A class that was ruled out by -inf: no part in other rows' loss, infinite as a label.
    const Array<T> x{-inf, T(0), T(0), -inf, -inf, T(0), T(0), -inf};
    const View<T> ruled = x.reshape({2, 4});
    const Array<std::int64_t> two{1, 0};
    TestFixture::same(nn::cross_entropy(two, ruled, {.mode = none}),
                      {static_cast<T>(std::log(2.0L)), inf}, "ruled out");
    const Array<T> dx =
        nn::cross_entropy_backward<T>(Array<T>{T(1), T(1)}, two, ruled, {.mode = none});
    TestFixture::same(dx, {0, T(-0.5), T(0.5), 0, -1, T(0.5), T(0.5), 0}, "ruled out, gradient");
    const Array<T> top{inf, T(0), T(0), T(0), T(0), T(0), inf, T(0)};
    TestFixture::same(nn::cross_entropy(two, top.reshape({2, 4}), {.mode = none}), {nan, nan},
                      "+inf");
  });
}

TYPED_TEST(NumericValues, RowsThatSeeNothingAreZero) {
  using T = TypeParam;
  const T nan = TestFixture::kNan;
  const T inf = TestFixture::kInfinity;
  constexpr Index kQueries = 5;
  constexpr Index kKeys = 70;
  const Array<T> q = testing::values<T>({2, kQueries, 4}, 1);
  Array<T> k = testing::values<T>({2, kKeys, 4}, 2);
  Array<T> v = testing::values<T>({2, kKeys, 3}, 3);
  const Array<T> dy = testing::values<T>({2, kQueries, 3}, 4);
  Array<bool> mask = Array<bool>::full({2, kQueries, kKeys}, true);
  Array<T> bias = Array<T>::zeros({2, kQueries, kKeys});
  const auto block = [&](Index head, Index query, Index key) {
    mask(head, query, key) = false;
    bias(head, query, key) = -inf;
  };
  // Query 2 of head 0 and all of head 1 see nothing; key 7 is seen by nobody and holds what it
  // likes.
  for (Index key = 0; key < kKeys; ++key) {
    block(0, 2, key);
    for (Index query = 0; query < kQueries; ++query) {
      block(1, query, key);
    }
  }
  for (Index query = 0; query < kQueries; ++query) {
    block(0, query, 7);
  }
  const nn::AttentionOptions<T> by_mask{.mask = mask};
  const Array<T> clean = nn::scaled_dot_product_attention<T>(q, k, v, by_mask);
  const auto clean_gradients = nn::scaled_dot_product_attention_backward<T>(dy, q, k, v, by_mask);
  k(0, 7, 1) = nan;
  k(0, 7, 2) = inf;
  v(0, 7, 0) = nan;
  v(0, 7, 1) = -inf;
  test::for_each_target([&] {
    const auto check = [&](const nn::AttentionOptions<T>& options, const char* what) {
      SCOPED_TRACE(what);
      const Array<T> out = nn::scaled_dot_product_attention<T>(q, k, v, options);
      const auto g = nn::scaled_dot_product_attention_backward<T>(dy, q, k, v, options);
      for (Index i = 0; i < out.size(); ++i) {
        ASSERT_NEAR(out.data()[i], clean.data()[i], 8 * std::numeric_limits<T>::epsilon());
      }
      for (Index c = 0; c < 3; ++c) {
        EXPECT_EQ(out(0, 2, c), T(0));
        EXPECT_EQ(out(1, 4, c), T(0));
        EXPECT_EQ(g.dv(0, 7, c), T(0));
        EXPECT_EQ(g.dv(1, 0, c), T(0));
      }
      for (Index c = 0; c < 4; ++c) {
        EXPECT_EQ(g.dq(0, 2, c), T(0));
        EXPECT_EQ(g.dq(1, 1, c), T(0));
        EXPECT_EQ(g.dk(0, 7, c), T(0));
        EXPECT_EQ(g.dk(1, 3, c), T(0));
      }
      for (Index i = 0; i < q.size(); ++i) {
        ASSERT_NEAR(g.dq.data()[i], clean_gradients.dq.data()[i],
                    64 * std::numeric_limits<T>::epsilon());
      }
    };
    check(by_mask, "mask");
    check({.bias = bias}, "bias");
  });
  // No keys at all, by extent and by length.
  const Array<std::int64_t> lengths = Array<std::int64_t>::zeros(Shape{2});
  const Array<T> none = nn::scaled_dot_product_attention<T>(q, Array<T>::empty({2, 0, 4}),
                                                            Array<T>::empty({2, 0, 3}));
  TestFixture::same(none, std::vector<T>(static_cast<std::size_t>(none.size()), T(0)), "no keys");
  const Array<T> padded = nn::scaled_dot_product_attention<T>(q, k, v, {.key_lengths = lengths});
  TestFixture::same(padded, std::vector<T>(static_cast<std::size_t>(padded.size()), T(0)),
                    "length 0");
}

TYPED_TEST(NumericValues, AttentionOfHugeScoresPicksTheGreatest) {
  using T = TypeParam;
  const Array<T> q = Array<T>::full({1, 1}, T(1e15));
  const Array<T> k = Array<T>{T(1e15), T(-1e15), T(2e15)}.reshape({3, 1});
  const Array<T> v = Array<T>{T(1), T(2), T(3)}.reshape({3, 1});
  test::for_each_target([&] {
    EXPECT_EQ(nn::scaled_dot_product_attention<T>(q, k, v).item(), T(3));
    const auto g =
        nn::scaled_dot_product_attention_backward<T>(Array<T>::full({1, 1}, T(1)), q, k, v);
    TestFixture::same(g.dv, {0, 0, 1}, "dv");
    TestFixture::same(g.dq, {0}, "dq");
  });
}

/// Denormal numbers are numbers: neither input nor result is flushed to zero.
TYPED_TEST(NumericValues, DenormalsAreNotFlushed) {
  using T = TypeParam;
  const T tiny = TestFixture::kTiny;
  const T least = std::numeric_limits<T>::min();
  constexpr Index kLength = 37;
  Array<T> x = Array<T>::empty(Shape{kLength});
  for (Index i = 0; i < kLength; ++i) {
    x(i) = static_cast<T>(i + 1) * tiny;
  }
  Array<T> ones = Array<T>::full(Shape{kLength}, T(1));
  test::for_each_target([&] {
    for (const nn::Activation kind :
         {nn::Activation::Relu, nn::Activation::Identity, nn::Activation::Tanh,
          nn::Activation::Softsign, nn::Activation::HardTanh, nn::Activation::Elu}) {
      const Array<T> y = nn::activation(x, kind);
      for (Index i = 0; i < kLength; ++i) {
        ASSERT_EQ(y(i), x(i)) << nn::to_string(kind) << " of " << i + 1 << " denormal units";
      }
    }
    for (Index i = 0; i < kLength; ++i) {
      ASSERT_EQ(nn::add<T>(x, x)(i), 2 * x(i));
      ASSERT_EQ(nn::mul<T>(x, ones)(i), x(i));
      ASSERT_EQ(nn::matmul<T>(x.reshape({kLength, 1}), ones.reshape({1, kLength}))(i, 3), x(i));
    }
    const T total = static_cast<T>(kLength * (kLength + 1) / 2) * tiny;
    EXPECT_EQ(nn::sum(x).item(), total);
    EXPECT_EQ(nn::norm(x, nn::Norm::L1).item(), total);
    EXPECT_EQ(nn::max(x).item(), T(kLength) * tiny);
    EXPECT_EQ(nn::min(x).item(), tiny);
    EXPECT_EQ(nn::matmul<T>(x, ones).item(), total);
    EXPECT_EQ(nn::linear<T>(x, ones.reshape({1, kLength}))(0), total);
    // The squares vanish, their root does not.
    long double squares = 0;
    for (Index i = 0; i < kLength; ++i) {
      squares += static_cast<long double>(x(i)) * static_cast<long double>(x(i));
    }
    EXPECT_LE(test::ulp_error(nn::norm(x).item(), std::sqrt(squares)), 1);
    const View<T> image = x.reshape({1, 1, kLength});
    const Array<T> moved = nn::conv1d<T>(image, Array<T>{T(0), T(1), T(0)}.reshape({1, 1, 3}));
    EXPECT_EQ(moved(0, 0, 0), 2 * tiny);
  });
  // Results below the least normal number.
  test::for_each_target([&] {
    Array<T> logits = Array<T>::zeros(Shape{kLength + 1});
    for (Index i = 0; i < kLength; ++i) {
      logits(i + 1) = static_cast<T>(std::log(static_cast<long double>(least)) -
                                     0.3L * static_cast<long double>(i));
    }
    const Array<T> p = nn::softmax(logits);
    const Array<T> e = nn::exp(logits);
    for (Index i = 1; i <= kLength; ++i) {
      const long double want = std::exp(static_cast<long double>(logits(i)));
      ASSERT_LE(test::ulp_error(e(i), want), 2) << logits(i);
      ASSERT_LE(test::ulp_error(p(i), want), 4 + std::abs(static_cast<double>(logits(i))))
          << logits(i);
    }
    EXPECT_GT(p(1), T(0));
    EXPECT_LT(p(20), least);
  });
}

/// Normalization of numbers too small to have a variance: eps decides.
TYPED_TEST(NumericValues, NormalizationOfDenormalsIsSmallAndFinite) {
  using T = TypeParam;
  Array<T> x = testing::values<T>({2, 33}, 5);
  for (T& value : x) {
    value *= 8 * std::numeric_limits<T>::min();
  }
  test::for_each_target([&] {
    for (const Array<T>& y :
         {nn::layer_norm(x), nn::rms_norm(x), nn::group_norm(x, 1), nn::batch_norm(x)}) {
      for (const T value : y) {
        ASSERT_LE(std::abs(value), 1e4 * static_cast<double>(std::numeric_limits<T>::min()) * 16);
      }
    }
  });
}

}  // namespace
}  // namespace lamina
