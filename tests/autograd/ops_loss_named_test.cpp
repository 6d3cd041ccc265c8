// The losses that are not in the table of element-wise ones, and the names of those that are.

#include <gtest/gtest.h>

#include "lamina/autograd/gradcheck.hpp"
#include "lamina/autograd/ops_loss.hpp"
#include "lamina/autograd/ops_loss_embedding.hpp"
#include "lamina/autograd/ops_softmax.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using testing::values;
using testing::values_off_zero;
using Labels = Array<std::int64_t>;
using Vars = std::vector<Var<double>>;

constexpr ReductionMode kModes[] = {ReductionMode::None, ReductionMode::Mean, ReductionMode::Sum};

Array<double> probabilities(const Shape& shape, std::uint32_t seed) {
  Array<double> result = values<double>(shape, seed);
  for (double& value : result) {
    value = 0.5 + value / 5;
  }
  return result;
}

TEST(OpsLossNamed, BinaryAndMarginLosses) {
  const Array<double> t = probabilities({3, 4}, 1);
  const Var<double> p = parameter(probabilities({3, 4}, 2));
  const Var<double> x2(probabilities({3, 4}, 3));
  const View<double>& v = p.value();
  const Array<double> weight{1, 2, 3, 4};
  EXPECT_EQ(nn::binary_cross_entropy(t, p, ReductionMode::Sum, {.weight = weight}).value(),
            nn::binary_cross_entropy(t, v, ReductionMode::Sum, {.weight = weight}));
  EXPECT_EQ(nn::bce_with_logits(t, p).value(), nn::bce_with_logits(t, v));
  EXPECT_EQ(nn::bce_with_logits(t, p, ReductionMode::Mean, {.pos_weight = weight}).value(),
            nn::bce_with_logits(t, v, ReductionMode::Mean, {.pos_weight = weight}));
  EXPECT_EQ(nn::focal_loss(t, p, 0.3, 1.5).value(), nn::focal_loss(t, v, 0.3, 1.5));
  EXPECT_EQ(nn::focal_loss_with_logits(t, p).value(), nn::focal_loss_with_logits(t, v));
  EXPECT_EQ(nn::hinge_loss(t, p).value(), nn::hinge_loss(t, v));
  EXPECT_EQ(nn::squared_hinge_loss(t, p).value(), nn::squared_hinge_loss(t, v));
  EXPECT_EQ(nn::soft_margin_loss(t, p).value(), nn::soft_margin_loss(t, v));
  EXPECT_EQ(nn::margin_ranking_loss(t, p, x2, 0.5).value(),
            nn::margin_ranking_loss(t, v, x2.value(), 0.5));
}

void expect_gradient(const char* name, FunctionRef<Var<double>(const Vars&)> f,
                     const std::vector<Array<double>>& inputs) {
  const auto result = gradcheck(f, inputs, {.step = 1e-4});
  EXPECT_TRUE(result) << name << ": " << result;
}

TEST(OpsLossNamed, GradientsOfKlDivergence) {
  for (const ReductionMode mode : kModes) {
    for (const bool log_target : {false, true}) {
      expect_gradient("kl_div_loss",
                      [&](const Vars& in) {
                        return nn::kl_div_loss(
                            in[0], in[1], mode,
                            {.log_prediction = true, .log_target = log_target, .batch_mean = true});
                      },
                      {probabilities({3, 4}, 1), probabilities({3, 4}, 2)});
    }
  }
}

TEST(OpsLossNamed, GradientsOfEmbeddingLosses) {
  const Array<double> signs{1, -1, 1, -1};
  const Array<double> same{1, 0, 0, 1};
  const std::vector<Array<double>> pair{values<double>({4, 5}, 1), values<double>({4, 5}, 2)};
  const std::vector<Array<double>> triple{pair[0], pair[1], values<double>({4, 5}, 3)};
  const Var<double> x1(pair[0]);
  EXPECT_EQ(nn::cosine_embedding_loss(x1, pair[1], 1.0, 0.1).value(),
            nn::cosine_embedding_loss(pair[0], pair[1], 1.0, 0.1));
  for (const ReductionMode mode : kModes) {
    expect_gradient(
        "cosine_embedding_loss",
        [&](const Vars& in) { return nn::cosine_embedding_loss(in[0], in[1], signs, -0.9, mode); },
        pair);
    expect_gradient(
        "contrastive_loss",
        [&](const Vars& in) { return nn::contrastive_loss(same, in[0], in[1], 9.0, mode); }, pair);
    expect_gradient(
        "triplet_margin_loss",
        [&](const Vars& in) {
          return nn::triplet_margin_loss(in[0], in[1], in[2], mode, {.margin = 4});
        },
        triple);
  }
}

TEST(OpsLossNamed, GradientsOfMultiLabelLosses) {
  const Array<double> x = values<double>({3, 4}, 1);
  const Array<double> weight{1, 2, 3, 4};
  for (const ReductionMode mode : kModes) {
    expect_gradient("multi_margin_loss",
                    [&](const Vars& in) {
                      return nn::multi_margin_loss(Labels{2, 0, 3}, in[0], mode,
                                                   {.margin = 0.7, .weight = weight});
                    },
                    {x});
    expect_gradient("multi_label_margin_loss",
                    [&](const Vars& in) {
                      return nn::multi_label_margin_loss(
                          Labels{{2, 0, -1, 1}, {1, -1, 0, 0}, {0, 3, 2, -1}}, in[0], mode);
                    },
                    {x});
    expect_gradient(
        "multi_label_soft_margin_loss",
        [&](const Vars& in) {
          return nn::multi_label_soft_margin_loss(probabilities({3, 4}, 2), in[0], mode, weight);
        },
        {x});
  }
}

TEST(OpsLossNamed, GradientOfCtc) {
  for (const ReductionMode mode : kModes) {
    expect_gradient("ctc_loss",
                    [&](const Vars& in) {
                      return nn::ctc_loss(Labels{{1, 2, 2}, {3, 1, 0}}, nn::log_softmax(in[0]),
                                          Labels{6, 5}, Labels{3, 2}, mode);
                    },
                    {values<double>({6, 2, 4}, 1)});
  }
}

}  // namespace
}  // namespace lamina
