#include "lamina/nn/loss.hpp"

#include <gtest/gtest.h>

#include "guide/near.hpp"
#include "lamina/nn/softmax.hpp"

// The guide's chapter "Loss Functions". The truth comes first, as in the guide.

namespace lamina::guide {
namespace {

void expect_scalar(const Array<double>& got, double expected, double tolerance = kTenDecimals) {
  expect_near(got, Shape{}, {expected}, tolerance);
}

const Array<double>& y_true() {
  static const Array<double> values{1.0, 2.0, 3.0};
  return values;
}
const Array<double>& y_pred() {
  static const Array<double> values{1.1, 2.1, 2.9};
  return values;
}
const Array<double>& labels() {
  static const Array<double> values{1.0, 0.0, 1.0};
  return values;
}
const Array<double>& probabilities() {
  static const Array<double> values{0.9, 0.1, 0.8};
  return values;
}

TEST(GuideLoss, MeanSquaredError) {
  // The guide prints 0.0067 here; 0.03 / 3 is 0.01.
  expect_scalar(nn::mse_loss(y_true(), y_pred(), ReductionMode::Mean), 0.01);
  const Array<double> far{1.1, 2.2, 2.9};
  expect_scalar(nn::mse_loss(y_true(), far, ReductionMode::Mean), 0.02);
  expect_scalar(nn::mse_loss(y_true(), far, ReductionMode::Sum), 0.06);
  const Array<double> thousands{1000, 2000, 3000}, above{1001, 2001, 3001};
  EXPECT_EQ(nn::mse_loss(thousands, above).item(), 1.0);
}

TEST(GuideLoss, MeanAbsoluteError) {
  expect_scalar(nn::mae_loss(y_true(), y_pred(), ReductionMode::Mean), 0.1);
  EXPECT_EQ(nn::mae_loss(y_true(), Array<double>{1.5, 2.5, 2.5}).item(), 0.5);
}

TEST(GuideLoss, Huber) {
  expect_scalar(nn::huber_loss(y_true(), y_pred(), 1.0, ReductionMode::Mean), 0.005);
  expect_scalar(nn::huber_loss(Array<double>{0, 0, 0}, Array<double>{.5, 1, 2}, 1.0), 2.125 / 3);
  EXPECT_EQ(nn::huber_loss(Array<double>{0, 0}, Array<double>{2, -2}, 1.0).item(), 1.5);
  EXPECT_EQ(nn::smooth_l1_loss(Array<double>{0, 0}, Array<double>{2, -2}).item(), 1.5);
}

TEST(GuideLoss, BinaryCrossEntropy) {
  expect_scalar(nn::binary_cross_entropy(labels(), probabilities(), ReductionMode::Mean),
                .1446215275);
}

TEST(GuideLoss, BinaryCrossEntropyWithLogits) {
  const Array<double> logits{2.0, -2.0, 1.5};
  expect_scalar(nn::bce_with_logits(labels(), logits, ReductionMode::Mean), .1517564334);
}

TEST(GuideLoss, CategoricalCrossEntropy) {
  const Array<double> one_hot{{1, 0, 0}, {0, 1, 0}};
  const auto predicted = Array<double>::from_shape_vec({2, 3}, {0.7, 0.2, 0.1, 0.1, 0.8, 0.1});
  expect_scalar(nn::categorical_cross_entropy(one_hot, predicted, ReductionMode::Mean),
                .2899092476);
}

TEST(GuideLoss, SparseCategoricalCrossEntropy) {
  const Array<std::int64_t> classes{0, 1, 2};
  const Array<double> predicted{{0.7, 0.2, 0.1}, {0.1, 0.8, 0.1}, {0.1, 0.1, 0.8}};
  expect_scalar(nn::sparse_categorical_cross_entropy(classes, predicted, ReductionMode::Mean),
                .2676540155);
  EXPECT_EQ(nn::sparse_categorical_cross_entropy(classes, predicted),
            nn::categorical_cross_entropy(Array<double>::eye(3), predicted));
}

TEST(GuideLoss, NegativeLogLikelihood) {
  const Array<std::int64_t> classes{2, 0};
  const Array<double> logits{{1, 2, 3}, {1, 2, 3}};
  const Array<double> log_probs = nn::log_softmax_2d(logits, 1);
  expect_scalar(nn::nll_loss(classes, log_probs, ReductionMode::Mean),
                (.4076059644 + 2.4076059644) / 2);
  expect_near(nn::nll_loss(classes, log_probs, ReductionMode::None), {2},
              {.4076059644, 2.4076059644});
}

TEST(GuideLoss, FocalWithAlphaForBothClasses) {
  expect_scalar(nn::focal_loss(labels(), probabilities(), 0.25, 2.0, ReductionMode::Mean),
                .0010950136);
}

TEST(GuideLoss, KullbackLeibler) {
  const Array<double> p{0.4, 0.3, 0.3}, q{0.5, 0.3, 0.2};
  expect_scalar(nn::kl_div_loss(p, q, ReductionMode::Sum), .0323821119);
  expect_scalar(nn::kl_div_loss(p, q, ReductionMode::Mean), .0107940373);
}

TEST(GuideLoss, Hinge) {
  const Array<double> signs{1.0, -1.0, 1.0}, scores{0.8, -0.9, 0.7};
  expect_scalar(nn::hinge_loss(signs, scores, ReductionMode::Mean), .2);
  expect_near(nn::hinge_loss(signs, scores, ReductionMode::None), {3}, {.2, .1, .3});
}

TEST(GuideLoss, CosineEmbedding) {
  const Array<double> x1{1.0, 2.0, 3.0}, x2{1.1, 2.1, 3.1};
  expect_scalar(nn::cosine_embedding_loss(x1, x2, 1.0, 0.5), 1.4070965e-4);
  expect_scalar(nn::cosine_embedding_loss(x1, x2, -1.0, 0.5), .4998592904);
}

TEST(GuideLoss, ReductionModes) {
  expect_near(nn::mse_loss(y_true(), y_pred(), ReductionMode::None), {3}, {.01, .01, .01});
  expect_scalar(nn::mse_loss(y_true(), y_pred(), ReductionMode::Mean), .01);
  expect_scalar(nn::mse_loss(y_true(), y_pred(), ReductionMode::Sum), .03);
}

}  // namespace
}  // namespace lamina::guide
