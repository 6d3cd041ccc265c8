// Losses on the tape.

#include "lamina/autograd/ops_loss.hpp"

#include <gtest/gtest.h>

#include "lamina/autograd/gradcheck.hpp"
#include "lamina/autograd/ops_linear.hpp"
#include "lamina/autograd/ops_softmax.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using nn::Loss;
using testing::values;
using Labels = Array<std::int64_t>;
using Vars = std::vector<Var<double>>;

constexpr ReductionMode kModes[] = {ReductionMode::None, ReductionMode::Mean, ReductionMode::Sum};

/// Numbers in (low, high).
template <class T>
Array<T> between(const Shape& shape, std::uint32_t seed, double low, double high) {
  Array<T> result = values<T>(shape, seed);
  for (T& value : result) {
    value = static_cast<T>(low + (static_cast<double>(value) + 2) / 4 * (high - low));
  }
  return result;
}

template <class T>
class OpsLoss : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(OpsLoss, Types);

TYPED_TEST(OpsLoss, EveryElementwiseLossIsThePlainFunctionAndItsGradients) {
  using T = TypeParam;
  const Array<T> weight = between<T>({4}, 5, 0.5, 1.5);
  for (const nn::LossRow& row : nn::kLossTable) {
    for (const ReductionMode mode : kModes) {
      const Var<T> t = parameter(between<T>({3, 4}, 1, 0.1, 0.9));
      const Var<T> p = parameter(between<T>({3, 4}, 2, 0.1, 0.9));
      const bool has_third = !row.third.empty();
      const Var<T> third = has_third ? parameter(between<T>({4}, 3, 0.5, 1.5)) : Var<T>();
      const Var<T> loss =
          nn::elementwise_loss(row.kind, t, p, mode, {.weight = weight, .third = third});
      const nn::LossOptions<T> plain{.weight = weight,
                                     .third = has_third ? third.value() : View<T>()};
      EXPECT_EQ(loss.value(), nn::elementwise_loss(row.kind, t.value(), p.value(), mode, plain));
      const Array<T> dy = values<T>(loss.shape(), 4);
      loss.backward(dy);
      EXPECT_EQ(t.grad(),
                nn::elementwise_loss_backward_true(row.kind, dy, t.value(), p.value(), mode, plain))
          << row.name;
      EXPECT_EQ(p.grad(),
                nn::elementwise_loss_backward(row.kind, dy, t.value(), p.value(), mode, plain))
          << row.name;
      EXPECT_EQ(third.has_grad(), has_third);
    }
  }
}

TYPED_TEST(OpsLoss, NamedLossesTakeArraysAsTruth) {
  using T = TypeParam;
  const Array<T> t = values<T>({3, 4}, 1);
  const Var<T> p = parameter(values<T>({3, 4}, 2));
  const View<T>& v = p.value();
  EXPECT_EQ(nn::mse_loss(t, p).value(), nn::mse_loss(t, v));
  EXPECT_EQ(nn::mse_loss(Array<T>(t), p).value(), nn::mse_loss(t, v));
  EXPECT_EQ(nn::mse_loss(t.slice(0, 3), p, ReductionMode::Sum).value(),
            nn::mse_loss(t, v, ReductionMode::Sum));
  EXPECT_EQ(nn::mse_loss_2d(t, p).value(), nn::mse_loss(t, v));
  EXPECT_EQ(nn::mae_loss(t, p).value(), nn::mae_loss(t, v));
  EXPECT_EQ(nn::l1_loss(t, p).value(), nn::mae_loss(t, v));
  EXPECT_EQ(nn::huber_loss(t, p, 0.5).value(), nn::huber_loss(t, v, 0.5));
  EXPECT_EQ(nn::smooth_l1_loss(t, p, ReductionMode::Sum, 0.5).value(),
            nn::smooth_l1_loss(t, v, ReductionMode::Sum, 0.5));
  EXPECT_EQ(nn::log_cosh_loss(t, p).value(), nn::log_cosh_loss(t, v));
  EXPECT_EQ(nn::poisson_nll_loss(t, p).value(), nn::poisson_nll_loss(t, v));
  const Array<T> variance = between<T>({4}, 3, 0.5, 1.5);
  EXPECT_EQ(nn::gaussian_nll_loss(t, p, variance).value(), nn::gaussian_nll_loss(t, v, variance));
  EXPECT_THROW((void)nn::mse_loss(t.row(0), p), Error);
}

TYPED_TEST(OpsLoss, ClassLossesAreThePlainFunctionsAndTheirGradients) {
  using T = TypeParam;
  const Labels labels{2, 0, 3, 1, 2};
  const Array<T> weight = between<T>({4}, 5, 0.5, 1.5);
  const Array<T> logits = values<T>({5, 4}, 1);
  const Array<T> probabilities = nn::softmax(logits);
  const Array<T> log_probs = nn::log_softmax(logits);
  for (const ReductionMode mode : kModes) {
    const nn::CrossEntropyOptions<T> fused{
        .mode = mode, .weight = weight, .ignore_index = 1, .label_smoothing = 0.1};
    const nn::ClassLossOptions<T> options{.weight = weight, .ignore_index = 1};
    const auto expect_same = [&](const Array<T>& x, auto forward, auto backward) {
      const Var<T> leaf = parameter(Array<T>(x));
      const Var<T> loss = forward(leaf);
      EXPECT_EQ(loss.value(), forward(x));
      const Array<T> dy = values<T>(loss.shape(), 4);
      loss.backward(dy);
      // Scaled by dy later rather than earlier: one rounding apart.
      EXPECT_TRUE(allclose(leaf.grad(), backward(dy), 4e-7, 1e-9));
    };
    expect_same(
        logits, [&](const auto& x) { return nn::cross_entropy(labels, x, fused); },
        [&](const Array<T>& dy) {
          return nn::cross_entropy_backward<T>(dy, labels, logits, fused);
        });
    expect_same(
        probabilities,
        [&](const auto& x) {
          return nn::sparse_categorical_cross_entropy(labels, x, mode, options);
        },
        [&](const Array<T>& dy) {
          return nn::sparse_categorical_cross_entropy_backward<T>(dy, labels, probabilities, mode,
                                                                  options);
        });
    expect_same(
        log_probs, [&](const auto& x) { return nn::nll_loss(labels, x, mode, options); },
        [&](const Array<T>& dy) {
          return nn::nll_loss_backward<T>(dy, labels, log_probs, mode, options);
        });
  }
}

TYPED_TEST(OpsLoss, OptionsMayDieBeforeBackward) {
  using T = TypeParam;
  const Var<T> x = parameter(values<T>({3, 4}, 1));
  Var<T> loss;
  Array<T> expected;
  {
    const Labels labels{0, 1, 2};
    const Array<T> weight{1, 2, 3, 4};
    loss = nn::cross_entropy(labels, x, {.weight = weight});
    expected =
        nn::cross_entropy_backward<T>(Array<T>::scalar(1), labels, x.value(), {.weight = weight});
  }
  loss.backward();
  EXPECT_EQ(x.grad(), expected);
}

void expect_gradient(const std::string& name, FunctionRef<Var<double>(const Vars&)> f,
                     const std::vector<Array<double>>& inputs) {
  const auto result = gradcheck(f, inputs);
  EXPECT_TRUE(result) << name << ": " << result;
}

TEST(OpsLossGradient, Elementwise) {
  for (const nn::LossRow& row : nn::kLossTable) {
    for (const ReductionMode mode : kModes) {
      std::vector<Array<double>> inputs{between<double>({3, 4}, 1, 0.1, 0.9),
                                        between<double>({3, 4}, 2, 0.1, 0.9)};
      if (!row.third.empty()) {
        inputs.push_back(between<double>({4}, 3, 1.0, 1.5));
      }
      expect_gradient(
          std::string(row.name),
          [&](const Vars& in) {
            return nn::elementwise_loss(row.kind, in[0], in[1], mode,
                                        {.third = in.size() > 2 ? in[2] : Var<double>()});
          },
          inputs);
    }
  }
}

TEST(OpsLossGradient, Classes) {
  const Labels labels{2, 0, 3, 1, 2};
  const Array<double> weight = between<double>({4}, 5, 0.5, 1.5);
  const Array<double> logits = values<double>({5, 4}, 1);
  const Array<double> truth = between<double>({5, 4}, 2, 0.1, 0.9);
  const Array<double> probabilities = between<double>({5, 4}, 3, 0.1, 0.9);
  for (const ReductionMode mode : kModes) {
    expect_gradient(
        "cross_entropy of labels",
        [&](const Vars& in) {
          return nn::cross_entropy(
              labels, in[0],
              {.mode = mode, .weight = weight, .ignore_index = 0, .label_smoothing = 0.2});
        },
        {logits});
    expect_gradient("cross_entropy of distributions",
                    [&](const Vars& in) {
                      return nn::cross_entropy(
                          in[0], in[1], {.mode = mode, .weight = weight, .label_smoothing = 0.2});
                    },
                    {truth, logits});
    expect_gradient("sparse_categorical_cross_entropy",
                    [&](const Vars& in) {
                      return nn::sparse_categorical_cross_entropy(labels, in[0], mode,
                                                                  {.weight = weight});
                    },
                    {probabilities});
    expect_gradient(
        "categorical_cross_entropy",
        [&](const Vars& in) { return nn::categorical_cross_entropy(in[0], in[1], mode); },
        {truth, probabilities});
    expect_gradient("nll_loss",
                    [&](const Vars& in) {
                      return nn::nll_loss(labels, nn::log_softmax(in[0]), mode,
                                          {.ignore_index = 2});
                    },
                    {logits});
  }
}

}  // namespace
}  // namespace lamina
