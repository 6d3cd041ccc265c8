#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "guide/near.hpp"
#include "lamina/core/random.hpp"
#include "lamina/nn/activation.hpp"
#include "lamina/nn/dropout.hpp"
#include "lamina/nn/linear.hpp"
#include "lamina/nn/loss_classification.hpp"
#include "lamina/nn/normalization.hpp"
#include "lamina/nn/operators.hpp"
#include "lamina/nn/reduction.hpp"
#include "lamina/nn/simd_ops.hpp"
#include "lamina/nn/softmax.hpp"

// The guide's "Building a Network", "Training Patterns" and "Simple Classification Network". Where
// it has only comments ("compute gradients", "update weights"), the steps are here.

namespace lamina::guide {
namespace {

using Labels = Array<std::int64_t>;

Array<double> feedforward(const Array<double>& input, const Array<double>& weights1,
                          const Array<double>& weights2) {
  Array<double> hidden = nn::simd_matmul_f64(input, weights1);
  hidden = nn::relu_2d(hidden);
  const Array<double> gamma = Array<double>::ones({hidden.cols()});
  const Array<double> beta = Array<double>::zeros({hidden.cols()});
  hidden = nn::batch_norm_1d(hidden, gamma, beta, 1e-5);
  const Array<double> output = nn::simd_matmul_f64(hidden, weights2);
  return nn::softmax_2d(output, 1);
}

TEST(GuideQuickStart, BuildingANetwork) {
  const Array<double> input{{1, -1}, {-1, 1}, {3, 1}};
  const Array<double> w1{{1, 0}, {0, 1}}, w2{{1, 0}, {0, 1}};
  const Array<double> probabilities = feedforward(input, w1, w2);
  // By hand: relu gives columns (1, 0, 3) and (0, 1, 1), normalized by the batch.
  const double a = 1 / std::sqrt(14.0 / 9 + 1e-5), b = 1 / std::sqrt(2.0 / 9 + 1e-5);
  const double first[] = {-a / 3, -4 * a / 3, 5 * a / 3};
  const double second[] = {-2 * b / 3, b / 3, b / 3};
  for (Index i = 0; i < 3; ++i) {
    const double p = 1 / (1 + std::exp(second[i] - first[i]));
    EXPECT_NEAR(probabilities(i, 0), p, 1e-14);
    EXPECT_NEAR(probabilities(i, 1), 1 - p, 1e-14);
  }
}

/// Points around four corners of a square, three classes: what a linear model cannot tell apart.
std::pair<Array<double>, Labels> corners(Index count, std::uint64_t seed) {
  Generator generator(seed);
  Array<double> points = random_normal<double>({count, 2}, generator, 0.0, 0.15);
  Labels labels = Labels::zeros({count});
  for (Index i = 0; i < count; ++i) {
    const Index corner = i % 4;
    points(i, 0) += corner % 2 == 0 ? -1 : 1;
    points(i, 1) += corner / 2 == 0 ? -1 : 1;
    labels(i) = corner == 0 || corner == 3 ? 0 : corner;
  }
  return {std::move(points), std::move(labels)};
}

/// The guide's basic training loop, for one layer.
double train_epoch(const Array<double>& data, const Labels& labels, Array<double>& weights,
                   double learning_rate) {
  const Array<double> logits = nn::simd_matmul_f64(data, weights);
  const Array<double> probs = nn::softmax_2d(logits, 1);
  const double loss =
      nn::sparse_categorical_cross_entropy(labels, probs, ReductionMode::Mean).item();
  const Array<double> dprobs = nn::sparse_categorical_cross_entropy_backward(
      Array<double>::scalar(1), labels, probs, ReductionMode::Mean);
  const Array<double> dlogits = nn::softmax_backward(dprobs, probs);
  const Array<double> gradients = nn::matmul_backward_b(dlogits, data, weights.shape());
  weights -= learning_rate * gradients;
  return loss;
}

TEST(GuideTraining, BasicLoopLearns) {
  const Array<double> data{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 0, 0}};
  const Labels labels{0, 1, 2, 0};
  Array<double> weights = Array<double>::zeros({3, 3});
  const double first = train_epoch(data, labels, weights, 1.0);
  EXPECT_NEAR(first, std::log(3.0), 1e-15);  // nothing known: all classes alike
  double before = first;
  for (int epoch = 0; epoch < 50; ++epoch) {
    const double loss = train_epoch(data, labels, weights, 1.0);
    EXPECT_LT(loss, before);
    before = loss;
  }
  EXPECT_LT(before, 0.15);
}

/// The guide's Network, with its running statistics and a training step.
struct Network {
  Array<double> w1, b1, w2, b2, gamma1, beta1;
  Array<double> running_mean, running_var;

  Network(Index inputs, Index hidden, Index classes, Generator& generator)
      : w1(random_normal<double>({inputs, hidden}, generator)),
        b1(random_normal<double>({hidden}, generator, 0.0, 0.5)),
        w2(random_normal<double>({hidden, classes}, generator, 0.0, 0.2)),
        b2(Shape{classes}),
        gamma1(Array<double>::ones({hidden})),
        beta1(Shape{hidden}),
        running_mean(Shape{hidden}),
        running_var(Array<double>::ones({hidden})) {}

  /// The guide normalizes by the batch in inference too; here by what training has seen.
  [[nodiscard]] Array<double> forward(const Array<double>& x) const {
    Array<double> h1 = nn::simd_matmul_f64(x, w1) + b1;
    h1 = nn::relu_2d(h1);
    h1 = nn::batch_norm_inference(h1, running_mean, running_var, gamma1, beta1, 1e-5);
    return nn::softmax_2d(nn::simd_matmul_f64(h1, w2) + b2, 1);
  }

  double train_step(const Array<double>& x, const Labels& labels, double rate,
                    Generator& generator) {
    // Layer 1: Linear + ReLU + BatchNorm + Dropout
    const Array<double> linear = nn::simd_matmul_f64(x, w1) + b1;
    const Array<double> active = nn::relu_2d(linear);
    const Array<double> normal =
        nn::batch_norm_training(active, running_mean, running_var, gamma1, beta1, {.eps = 1e-5});
    const Generator before = generator;
    const Array<double> dropped = nn::dropout_2d(normal, 0.2, true, generator);
    // Layer 2: Linear + Softmax, fused with the loss
    const Array<double> logits = nn::simd_matmul_f64(dropped, w2) + b2;
    const auto [loss, dlogits] = nn::cross_entropy_with_gradient(labels, logits);

    const Array<double> dw2 = nn::matmul_backward_b(dlogits, dropped, w2.shape());
    const Array<double> db2 = nn::linear_backward_bias(dlogits);
    const Array<double> ddropped = nn::matmul_backward_a(dlogits, w2, dropped.shape());
    const Array<double> dnormal = nn::dropout_backward(ddropped, 0.2, true, before);
    const auto norm = nn::batch_norm_backward(dnormal, active, gamma1, 1e-5);
    const Array<double> dlinear = nn::relu_backward(norm.dx, linear);
    const Array<double> dw1 = nn::matmul_backward_b(dlinear, x, w1.shape());
    const Array<double> db1 = nn::linear_backward_bias(dlinear);

    w1 -= rate * dw1;
    b1 -= rate * db1;
    w2 -= rate * dw2;
    b2 -= rate * db2;
    gamma1 -= rate * norm.dgamma;
    beta1 -= rate * norm.dbeta;
    return loss.item();
  }
};

/// The guide's validation loop: loss and accuracy.
std::pair<double, double> evaluate(const Network& network, const Array<double>& data,
                                   const Labels& labels) {
  const Array<double> probs = network.forward(data);
  const double loss =
      nn::sparse_categorical_cross_entropy(labels, probs, ReductionMode::Mean).item();
  const Array<std::int64_t> predicted = nn::argmax(probs, {.axes = {1}});
  Index correct = 0;
  for (Index i = 0; i < labels.size(); ++i) {
    correct += predicted(i) == labels(i) ? 1 : 0;
  }
  return {loss, static_cast<double>(correct) / static_cast<double>(labels.size())};
}

TEST(GuideTraining, MultiLayerNetworkAndValidationLoop) {
  const auto [data, labels] = corners(128, 1);
  const auto [unseen, unseen_labels] = corners(200, 2);
  Generator generator(3);
  Network network(2, 16, 3, generator);
  const double loss_before = evaluate(network, unseen, unseen_labels).first;
  for (int step = 0; step < 200; ++step) {
    const double loss = network.train_step(data, labels, 0.2, generator);
    ASSERT_TRUE(std::isfinite(loss));
  }
  const auto [loss, accuracy] = evaluate(network, unseen, unseen_labels);
  EXPECT_LT(loss, 0.2 * loss_before);
  EXPECT_GE(accuracy, 0.97);
}

TEST(GuideExamples, SimpleClassificationNetwork) {
  // 4 inputs -> 8 hidden -> 3 outputs, on noise: before training the loss is that of a guess.
  Generator generator(42);
  const Array<double> input = random_uniform<double>({100, 4}, generator);
  const auto labels = Labels::from_shape_fn({100}, [](Index i) { return i % 3; });
  Array<double> w1 = random_uniform<double>({4, 8}, generator) * 0.1;
  Array<double> w2 = random_uniform<double>({8, 3}, generator) * 0.1;
  double first = 0, last = 0;
  for (int step = 0; step < 100; ++step) {
    const Array<double> linear = nn::simd_matmul_f64(input, w1);
    const Array<double> h1 = nn::relu_2d(linear);
    const Array<double> logits = nn::simd_matmul_f64(h1, w2);
    const Array<double> probs = nn::softmax_2d(logits, 1);
    last = nn::sparse_categorical_cross_entropy(labels, probs, ReductionMode::Mean).item();
    first = step == 0 ? last : first;

    const Array<double> dlogits =
        nn::cross_entropy_backward(Array<double>::scalar(1), labels, logits);
    const Array<double> dh1 = nn::matmul_backward_a(dlogits, w2, h1.shape());
    w2 -= 0.5 * nn::matmul_backward_b(dlogits, h1, w2.shape());
    w1 -= 0.5 * nn::matmul_backward_b(nn::relu_backward(dh1, linear), input, w1.shape());
  }
  EXPECT_NEAR(first, std::log(3.0), 0.01);
  EXPECT_LT(last, first);
}

}  // namespace
}  // namespace lamina::guide
