#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "lamina/core/parallel.hpp"
#include "lamina/nn/loss.hpp"
#include "nn/loss_cases.hpp"

// Element-wise losses: layouts, threads, aliasing, edge values, errors, and the named functions.
namespace lamina::nn {
namespace {

using test::Arguments;
using test::LossCase;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

template <class T>
class LossArguments : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(LossArguments, RealTypes);

/// The same numbers as x in other layouts: transposed memory, reversed, every other element, in a
/// wider array from the back.
template <class T>
std::vector<std::pair<Array<T>, std::function<View<T>(const Array<T>&)>>> layouts(
    const Array<T>& x) {
  Array<T> apart(Shape{x.extent(0) * 2, x.extent(1) * 3});
  apart.slice(0, {.step = -2}).slice(1, {.step = 3}).assign(x);
  return {
      {x.t().copy(), [](const Array<T>& a) { return a.t(); }},
      {x.slice(1, {.step = -1}).copy(), [](const Array<T>& a) { return a.slice(1, {.step = -1}); }},
      {apart, [](const Array<T>& a) { return a.slice(0, {.step = -2}).slice(1, {.step = 3}); }}};
}

TYPED_TEST(LossArguments, AnyLayoutGivesTheSame) {
  using T = TypeParam;
  for (const LossCase& c : test::loss_cases()) {
    // More than one block, rows that do not divide it.
    const Arguments<T> x = test::arguments<T>(c, Shape{37, 29});
    const auto o = x.options(c);
    const Array<T> loss = elementwise_loss(c.kind, x.t, x.p, ReductionMode::None, o);
    const Array<T> mean = elementwise_loss(c.kind, x.t, x.p, ReductionMode::Mean, o);
    const Array<T> dx = elementwise_loss_backward(c.kind, loss, x.t, x.p, ReductionMode::None, o);
    for (const auto& [t, view] : layouts<T>(x.t)) {
      EXPECT_TRUE(elementwise_loss(c.kind, view(t), x.p, ReductionMode::None, o) == loss);
    }
    for (const auto& [p, view] : layouts<T>(x.p)) {
      EXPECT_TRUE(elementwise_loss(c.kind, x.t, view(p), ReductionMode::Mean, o) == mean);
      EXPECT_TRUE(elementwise_loss_backward(c.kind, loss, x.t, view(p), ReductionMode::None, o) ==
                  dx);
    }
    for (const auto& [dy, view] : layouts<T>(loss)) {
      EXPECT_TRUE(elementwise_loss_backward(c.kind, view(dy), x.t, x.p, ReductionMode::None, o) ==
                  dx);
    }
  }
}

TYPED_TEST(LossArguments, BroadcastViewsAndStridedOutputs) {
  using T = TypeParam;
  const LossCase& c = test::loss_cases().front();
  const Arguments<T> x = test::arguments<T>(c, Shape{1, 7});
  const View<T> t = x.t.broadcast_to(Shape{5, 7});
  const Array<T> p = test::arguments<T>(c, Shape{5, 7}, 3).p;
  const Array<T> expected = mse_loss(t.copy(), p, ReductionMode::None);
  EXPECT_TRUE(mse_loss(t, p, ReductionMode::None) == expected);
  Array<T> out(Shape{7, 10});
  elementwise_loss_into<T>(Loss::Mse, t, p, out.t().slice(0, {.step = 2}), ReductionMode::None);
  EXPECT_TRUE(out.t().slice(0, {.step = 2}) == expected);
  EXPECT_EQ(out(0, 1), T{0}) << "and nothing else is written";
}

TYPED_TEST(LossArguments, OutputMayBeAnInput) {
  using T = TypeParam;
  for (const LossCase& c : test::loss_cases()) {
    const Arguments<T> x = test::arguments<T>(c, Shape{1100});
    const auto o = x.options(c);
    const Array<T> loss = elementwise_loss(c.kind, x.t, x.p, ReductionMode::None, o);
    const Array<T> dx = elementwise_loss_backward(c.kind, loss, x.t, x.p, ReductionMode::None, o);
    Array<T> t = x.t;
    Array<T> p = x.p;
    elementwise_loss_into<T>(c.kind, x.t, p, p, ReductionMode::None, o);
    EXPECT_TRUE(p == loss) << c.name();
    elementwise_loss_into<T>(c.kind, t, x.p, t, ReductionMode::None, o);
    EXPECT_TRUE(t == loss) << c.name();
    p = x.p;
    elementwise_loss_backward_into<T>(c.kind, loss, x.t, p, p, ReductionMode::None, o);
    EXPECT_TRUE(p == dx) << c.name();
    Array<T> dy = loss;
    elementwise_loss_backward_into<T>(c.kind, dy, x.t, x.p, dy, ReductionMode::None, o);
    EXPECT_TRUE(dy == dx) << c.name();
  }
}

TYPED_TEST(LossArguments, ThreadsChangeNothing) {
  using T = TypeParam;
  const int before = num_threads();
  const LossCase& c = test::loss_cases().front();
  const Arguments<T> x = test::arguments<T>(c, Shape{70001});
  const Array<T> rows = x.p.slice(0, 70000).reshape({7000, 10}).copy();
  Array<std::int64_t> labels(Shape{7000});
  for (Index i = 0; i < labels.size(); ++i) {
    labels(i) = i % 10;
  }
  const Array<T> dy = Array<T>::scalar(1);
  std::vector<Array<T>> first;
  for (const int threads : {1, 2, 3, 5}) {
    set_num_threads(threads);
    const std::vector<Array<T>> results{
        mse_loss(x.t, x.p),
        mse_loss(x.t, x.p, ReductionMode::Sum),
        log_cosh_loss(x.t, x.p, ReductionMode::None),
        mse_loss_backward(dy, x.t, x.p),
        cross_entropy(labels, rows),
        cross_entropy_backward(dy, labels, rows),
    };
    if (first.empty()) {
      first = results;
    }
    for (std::size_t i = 0; i < results.size(); ++i) {
      EXPECT_TRUE(results[i] == first[i]) << threads << " threads, result " << i;
    }
  }
  set_num_threads(before);
}

TYPED_TEST(LossArguments, LargeSumsAreAccurate) {
  using T = TypeParam;
  // A million times 0.1^2, which single precision would sum with an error of percents.
  const Index n = 1000000;
  const Array<T> zero(Shape{1});
  const Array<T> p = Array<T>::full(Shape{n}, static_cast<T>(0.1));
  const double square = static_cast<double>(static_cast<T>(0.1) * static_cast<T>(0.1));
  EXPECT_NEAR(
      static_cast<double>(mse_loss(zero.broadcast_to(Shape{n}), p, ReductionMode::Sum).item()),
      square * n, 1e-7 * square * n);
}

TYPED_TEST(LossArguments, SmallErrorsKeepTheirPrecision) {
  using T = TypeParam;
  const T e = static_cast<T>(1e-6);
  EXPECT_NEAR(static_cast<double>(log_cosh_loss(Array<T>{0}, Array<T>{e}).item()) / 5e-13, 1, 1e-6);
  const Array<T> one{1};
  EXPECT_NEAR(static_cast<double>(bce_with_logits(one, Array<T>{30}).item()) / std::exp(-30.0), 1,
              1e-6);
  EXPECT_NEAR(
      static_cast<double>(bce_with_logits_backward(Array<T>::scalar(1), one, Array<T>{30}).item()) /
          -std::exp(-30.0),
      1, 1e-6);
}

TYPED_TEST(LossArguments, EdgeValues) {
  using T = TypeParam;
  const T inf = static_cast<T>(kInf);
  const Array<T> zero{0};
  const Array<T> one{1};
  const auto value = [](const Array<T>& x) { return static_cast<double>(x.item()); };
  // Sure and right: no loss; sure and wrong: infinite, or as epsilon has it.
  const BinaryCrossEntropyOptions<T> exact{.epsilon = 0};
  EXPECT_EQ(value(binary_cross_entropy(one, one, ReductionMode::Mean, exact)), 0);
  EXPECT_EQ(value(binary_cross_entropy(zero, zero, ReductionMode::Mean, exact)), 0);
  EXPECT_EQ(value(binary_cross_entropy(one, zero, ReductionMode::Mean, exact)), kInf);
  EXPECT_NEAR(value(binary_cross_entropy(one, zero)), 16.118095650958319, 1e-5);
  EXPECT_EQ(value(bce_with_logits(one, Array<T>{inf})), 0);
  EXPECT_EQ(value(bce_with_logits(zero, Array<T>{inf})), kInf);
  EXPECT_EQ(value(bce_with_logits(zero, Array<T>{-inf})), 0);
  EXPECT_EQ(value(bce_with_logits(one, Array<T>{-1000})), 1000);
  EXPECT_EQ(value(focal_loss_with_logits(one, Array<T>{2000})), 0);
  EXPECT_EQ(value(kl_div_loss(zero, zero)), 0);
  EXPECT_NEAR(value(kl_div_loss(one, zero)), 23.025850929940457, 1e-4);
  EXPECT_EQ(value(kl_div_loss(one, zero, ReductionMode::Mean, {.epsilon = 0})), kInf);
  EXPECT_EQ(value(log_cosh_loss(zero, Array<T>{static_cast<T>(1e30)})),
            static_cast<double>(static_cast<T>(1e30)));
  EXPECT_EQ(value(huber_loss(zero, Array<T>{inf}, 1.0)), kInf);
  EXPECT_EQ(value(soft_margin_loss(one, Array<T>{-1000})), 1000);
  EXPECT_EQ(value(hinge_loss(one, Array<T>{1})), 0);
  EXPECT_EQ(value(hinge_loss_backward(Array<T>::scalar(1), one, Array<T>{1})), 0);
  EXPECT_EQ(value(mae_loss_backward(Array<T>::scalar(1), one, one)), 0);
  // Targets on the clamp: no gradient.
  EXPECT_EQ(value(binary_cross_entropy_backward(Array<T>::scalar(1), one, zero)), 0);
  EXPECT_EQ(
      value(poisson_nll_loss(zero, zero, ReductionMode::Mean, {.log_input = false, .epsilon = 0})),
      0);
  EXPECT_EQ(value(mse_loss(Array<T>(Shape{0}), Array<T>(Shape{0}))), 0);
  EXPECT_TRUE(std::isnan(value(hinge_loss(one, Array<T>{static_cast<T>(kNan)}))));
}

// Values of the guide's examples, recomputed to ten digits.
TEST(LossValues, OfTheGuide) {
  const Array<double> t{1, 2, 3};
  const auto near = [](const Array<double>& loss, double expected) {
    EXPECT_NEAR(loss.item(), expected, 6e-11);
  };
  near(mse_loss(t, Array<double>{1.1, 2.1, 2.9}), 0.01);  // the guide prints 0.0067
  near(mse_loss(t, Array<double>{1.1, 2.1, 3.1}), 0.01);
  near(mae_loss(t, Array<double>{1.1, 2.1, 3.1}), 0.1);
  near(mse_loss(t, Array<double>{1.1, 2.2, 2.9}), 0.02);
  near(mse_loss(t, Array<double>{1.1, 2.2, 2.9}, ReductionMode::Sum), 0.06);
  near(huber_loss(t, Array<double>{1.1, 2.2, 2.9}, 1.0), 0.01);
  near(mae_loss(t, Array<double>{1.5, 2.5, 2.5}), 0.5);
  near(l1_loss(t, Array<double>{1.5, 2.5, 2.5}), 0.5);
  near(huber_loss(Array<double>{0, 0, 0}, Array<double>{0.5, 1, 2}, 1.0), 2.125 / 3);
  near(huber_loss(Array<double>{0, 0}, Array<double>{2, -2}, 1.0), 1.5);
  near(smooth_l1_loss(Array<double>{0, 0}, Array<double>{2, -2}), 1.5);
  near(mse_loss(Array<double>{1000, 2000, 3000}, Array<double>{1001, 2001, 3001}), 1);
  near(mse_loss_2d(Array<double>{{1, 2}, {3, 4}}, Array<double>{{1, 2}, {3, 6}}), 1);
  const Array<double> labels{1, 0, 1};
  const Array<double> p{0.9, 0.1, 0.8};
  near(binary_cross_entropy(labels, p), 0.1446215275);
  near(bce_with_logits(labels, Array<double>{2, -2, 1.5}), 0.1517564334);
  near(focal_loss(labels, p, 0.25, 2.0), 0.0010950136);
  const Array<double> a{0.4, 0.3, 0.3};
  const Array<double> b{0.5, 0.3, 0.2};
  near(kl_div_loss(a, b, ReductionMode::Sum), 0.0323821119);
  near(kl_div_loss(a, b), 0.0107940373);
  near(kl_div_loss(a.reshape({1, 3}), b.reshape({1, 3}), ReductionMode::Mean, {.batch_mean = true}),
       0.0323821119);
  const Array<double> scores{0.8, -0.9, 0.7};
  const Array<double> signs{1, -1, 1};
  near(hinge_loss(signs, scores), 0.2);
  EXPECT_TRUE(allclose(hinge_loss(signs, scores, ReductionMode::None), Array<double>{0.2, 0.1, 0.3},
                       0, 1e-15));
}

TEST(LossNames, CallTheirRow) {
  const Array<double> t{0.25, 1.5};
  const Array<double> p{0.5, 0.75};
  const Array<double> v{2, 3};
  const Array<double> dy = Array<double>::scalar(1);
  const auto mean = ReductionMode::Mean;
  const auto same = [&](const Array<double>& named, Loss kind, const LossOptions<double>& o = {}) {
    EXPECT_TRUE(named == elementwise_loss(kind, t, p, mean, o)) << to_string(kind);
  };
  same(log_cosh_loss(t, p), Loss::LogCosh);
  same(poisson_nll_loss(t, p), Loss::PoissonNllLog);
  same(poisson_nll_loss(t, p, mean, {.log_input = false, .full = true, .epsilon = 0.5}),
       Loss::PoissonNll, {.a = 0.5, .b = 1});
  same(gaussian_nll_loss(t, p, v, mean, {.full = true, .epsilon = 2.5}), Loss::GaussianNll,
       {.a = 2.5, .b = 1, .third = v});
  same(bce_with_logits(t, p, mean, {.weight = v, .pos_weight = v}), Loss::BceWithLogitsPosWeight,
       {.weight = v, .third = v});
  same(kl_div_loss(t, p, mean, {.log_prediction = true}), Loss::KlDivLogPrediction);
  same(kl_div_loss(t, p, mean, {.log_target = true}), Loss::KlDivLogTarget);
  same(kl_div_loss(t, p, mean, {.log_prediction = true, .log_target = true}), Loss::KlDivLogBoth);
  same(squared_hinge_loss(t, p), Loss::SquaredHinge);
  same(margin_ranking_loss(t, p, v, 0.5), Loss::MarginRanking, {.a = 0.5, .third = v});
  EXPECT_TRUE(
      margin_ranking_loss_backward_x2(dy, t, p, v, 0.5) ==
      elementwise_loss_backward_third(Loss::MarginRanking, dy, t, p, mean, {.a = 0.5, .third = v}));
  EXPECT_TRUE(kl_div_loss_backward(dy, t, p, mean, {.batch_mean = true}) ==
              kl_div_loss_backward(dy, t, p));
  EXPECT_TRUE(kl_div_loss_backward_true(dy, t, p, mean, {.batch_mean = true}) ==
              kl_div_loss_backward_true(dy, t, p));
}

void expect_error(ErrorKind kind, const std::string& message, const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << "no error; expected: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), message);
    EXPECT_EQ(to_string(error.kind()), to_string(kind));
  }
}

TEST(LossErrors, AreNamed) {
  const Array<float> x(Shape{2, 3});
  const Array<float> three(Shape{3});
  const Array<float> two(Shape{2});
  const Array<float> number = Array<float>::scalar(1);
  Array<float> out(Shape{2, 3});
  const ErrorKind shape = ErrorKind::DimensionMismatch;
  const ErrorKind argument = ErrorKind::InvalidOperation;
  expect_error(shape, "mse_loss: y_true and y_pred must have the same shape, got (2, 3) and (3,)",
               [&] { (void)mse_loss(x, three); });
  expect_error(shape, "mse_loss_2d: y_true must have rank 2, got shape (3,)",
               [&] { (void)mse_loss_2d(three, three); });
  expect_error(argument, "mae_loss: y_true is not defined",
               [&] { (void)mae_loss(View<float>(), x); });
  expect_error(argument, "mae_loss: y_pred is not defined",
               [&] { (void)mae_loss(x, View<float>()); });
  expect_error(argument, "huber_loss: delta must be greater than 0, got 0",
               [&] { (void)huber_loss(x, x, 0.0); });
  expect_error(argument, "smooth_l1_loss: beta must be 0 or more, got -1",
               [&] { (void)smooth_l1_loss(x, x, ReductionMode::Mean, -1); });
  expect_error(argument,
               "binary_cross_entropy: epsilon must be at least 0 and less than 0.5, got 0.5",
               [&] { (void)binary_cross_entropy(x, x, ReductionMode::Mean, {.epsilon = 0.5}); });
  expect_error(argument, "focal_loss: alpha must be between 0 and 1, got 2",
               [&] { (void)focal_loss(x, x, 2.0); });
  expect_error(argument, "focal_loss: gamma must be 0 or more, got nan",
               [&] { (void)focal_loss(x, x, 0.5, kNan); });
  expect_error(argument, "margin_ranking_loss: margin must be a number, got nan",
               [&] { (void)margin_ranking_loss(x, x, x, kNan); });
  expect_error(shape, "bce_with_logits: weight (2,) does not broadcast to (2, 3)",
               [&] { (void)bce_with_logits(x, x, ReductionMode::Mean, {.weight = two}); });
  expect_error(shape, "bce_with_logits: pos_weight (2, 2, 3) does not broadcast to (2, 3)", [&] {
    const Array<float> more(Shape{2, 2, 3});
    (void)bce_with_logits(x, x, ReductionMode::Mean, {.pos_weight = more});
  });
  expect_error(argument, "gaussian_nll_loss: variance is not defined",
               [&] { (void)gaussian_nll_loss(x, x, View<float>()); });
  expect_error(shape, "mse_loss: dy must have the shape of the loss, (), got (2, 3)",
               [&] { (void)mse_loss_backward(x, x, x); });
  expect_error(shape, "mse_loss: dy must have the shape of the loss, (2, 3), got ()",
               [&] { (void)mse_loss_backward(number, x, x, ReductionMode::None); });
  expect_error(argument, "mse_loss: there is no third array to differentiate by",
               [&] { (void)elementwise_loss_backward_third(Loss::Mse, number, x, x); });
  expect_error(shape, "mse_loss: the output must have shape (), got (2, 3)",
               [&] { elementwise_loss_into<float>(Loss::Mse, x, x, out); });
  expect_error(argument, "mse_loss: the output overlaps an input", [&] {
    elementwise_loss_into<float>(Loss::Mse, x, out, out.slice(1, {.step = -1}),
                                 ReductionMode::None);
  });
  expect_error(argument, "mse_loss: the output overlaps an input", [&] {
    elementwise_loss_into<float>(Loss::Mse, x, x, out, ReductionMode::None, {.weight = out});
  });
  expect_error(shape, "kl_div_loss: batch_mean needs rank 1 or more, got shape ()", [&] {
    (void)kl_div_loss(number, number, ReductionMode::Mean, {.batch_mean = true});
  });
}

}  // namespace
}  // namespace lamina::nn
