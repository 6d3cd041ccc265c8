// Options out of their range, NaN and sizes that overflow: an Error that names the function and the
// option.

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "lamina/nn/activation.hpp"
#include "lamina/nn/adaptive_pooling.hpp"
#include "lamina/nn/attention.hpp"
#include "lamina/nn/conv.hpp"
#include "lamina/nn/conv_transpose.hpp"
#include "lamina/nn/ctc.hpp"
#include "lamina/nn/dropout.hpp"
#include "lamina/nn/embedding.hpp"
#include "lamina/nn/gated.hpp"
#include "lamina/nn/init.hpp"
#include "lamina/nn/linear.hpp"
#include "lamina/nn/local_response_norm.hpp"
#include "lamina/nn/loss.hpp"
#include "lamina/nn/loss_embedding.hpp"
#include "lamina/nn/loss_multilabel.hpp"
#include "lamina/nn/max_unpool.hpp"
#include "lamina/nn/normalization.hpp"
#include "lamina/nn/pad.hpp"
#include "lamina/nn/pooling.hpp"
#include "lamina/nn/positional_encoding.hpp"
#include "lamina/nn/reduction.hpp"
#include "lamina/nn/rotary.hpp"
#include "lamina/nn/softmax.hpp"
#include "lamina/nn/unfold.hpp"
#include "lamina/nn/update.hpp"
#include "support/message.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using Labels = Array<std::int64_t>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr Index kHuge = std::numeric_limits<Index>::max() / 3;

struct Bad {
  std::string begins;    ///< how the message begins: the function, and often the option
  std::string mentions;  ///< and what else is in it
  std::function<void()> call;
};

void check(const std::vector<Bad>& all) {
  for (const Bad& bad : all) {
    std::string message;
    try {
      message = testing::message_of(bad.call);
    } catch (const std::exception& other) {
      message = std::string("not an Error but ") + other.what();
    }
    EXPECT_TRUE(message.starts_with(bad.begins))
        << bad.begins << ", " << bad.mentions << ": " << message;
    EXPECT_NE(message.find(bad.mentions), std::string::npos)
        << bad.begins << ", " << bad.mentions << ": " << message;
  }
}

Array<float> values(const Shape& shape) {
  Array<float> x = lamina::testing::values<float>(shape, 1);
  for (float& value : x) {
    value = 0.5F + 0.2F * value;
  }
  return x;
}

TEST(BadOptions, ParametersOfActivationsAndLosses) {
  const Array<float> x = values({2, 3});
  std::vector<Bad> all;
  for (const nn::ActivationRow& row : nn::kActivationTable) {
    for (int i = 0; i < row.parameter_count; ++i) {
      const auto& parameter = row.parameters[static_cast<std::size_t>(i)];
      const auto with = [&, i](double value) {
        nn::ActivationParams params;
        (i == 0 ? params.a : params.b) = value;
        return [=, kind = row.kind] { (void)nn::activation(x, kind, params); };
      };
      all.push_back({std::string(row.name), std::string(parameter.name), with(kNan)});
      if (parameter.domain == nn::ParameterDomain::NotNegative ||
          parameter.domain == nn::ParameterDomain::Positive) {
        all.push_back({std::string(row.name), std::string(parameter.name), with(-1)});
      }
      if (parameter.domain == nn::ParameterDomain::Positive) {
        all.push_back({std::string(row.name), std::string(parameter.name), with(0)});
      }
    }
  }
  for (const nn::LossRow& row : nn::kLossTable) {
    for (int i = 0; i < row.parameter_count; ++i) {
      const auto& parameter = row.parameters[static_cast<std::size_t>(i)];
      const auto with = [&, i](double value) {
        return [=, kind = row.kind, third = !row.third.empty()] {
          nn::LossOptions<float> options{.third = third ? x.view() : View<float>()};
          (i == 0 ? options.a : options.b) = value;
          (void)nn::elementwise_loss<float>(kind, x, x, ReductionMode::Mean, options);
        };
      };
      all.push_back({std::string(row.name), std::string(parameter.name), with(kNan)});
      if (parameter.domain != nn::LossDomain::Any) {
        all.push_back({std::string(row.name), std::string(parameter.name), with(-0.5)});
      }
      if (parameter.domain == nn::LossDomain::BelowHalf ||
          parameter.domain == nn::LossDomain::Unit) {
        all.push_back({std::string(row.name), std::string(parameter.name), with(1.5)});
      }
    }
  }
  check(all);
}

TEST(BadOptions, OfRowsAndAxes) {
  const Array<float> x = values({2, 4, 3});
  std::vector<Bad> all;
  for (const double t : {0.0, -1.0, kNan, kInfinity}) {
    all.push_back({"softmax", "temperature", [=] { (void)nn::softmax(x, {.temperature = t}); }});
    all.push_back({"log_softmax_backward", "temperature",
                   [=] { (void)nn::log_softmax_backward<float>(x, x, {.temperature = t}); }});
  }
  for (const int axis : {3, -4, std::numeric_limits<int>::min(), std::numeric_limits<int>::max()}) {
    all.push_back({"softmax", "axis", [=] { (void)nn::softmax(x, {.axis = axis}); }});
    all.push_back({"sum", "axis", [=] { (void)nn::sum(x, {.axes = {axis}}); }});
    all.push_back({"sum_backward", "axis", [=] {
                     (void)nn::sum_backward(x, {2, 4, 3}, {.axes = {axis}});
                   }});
    all.push_back({"argmax", "axis", [=] { (void)nn::argmax(x, {.axes = {axis}}); }});
    all.push_back({"gated_sigmoid_unit", "axis", [=] { (void)nn::glu(x, axis); }});
  }
  all.push_back({"sum", "named twice", [=] { (void)nn::sum(x, {.axes = {1, -2}}); }});
  all.push_back({"max", "", [] { (void)nn::max(Array<float>::empty({0, 3}), {.axes = {0}}); }});
  for (const double eps : {-1e-5, kNan}) {
    all.push_back({"layer_norm", "eps", [=] { (void)nn::layer_norm<float>(x, {}, {}, eps); }});
    all.push_back({"layer_norm_backward", "eps",
                   [=] { (void)nn::layer_norm_backward<float>(x, x, {}, eps); }});
    all.push_back({"rms_norm", "eps", [=] { (void)nn::rms_norm<float>(x, {}, eps); }});
    all.push_back({"batch_norm", "eps", [=] { (void)nn::batch_norm<float>(x, {}, {}, eps); }});
    all.push_back({"group_norm", "eps", [=] { (void)nn::group_norm<float>(x, 2, {}, {}, eps); }});
    all.push_back({"instance_norm", "eps", [=] { (void)nn::instance_norm<float>(x, eps); }});
    all.push_back({"batch_norm_inference", "eps", [=] {
                     const Array<float> ones = Array<float>::full(Shape{4}, 1);
                     (void)nn::batch_norm_inference<float>(x, ones, ones, {}, {}, eps);
                   }});
  }
  for (const double momentum : {-0.1, 1.1, kNan}) {
    all.push_back({"batch_norm_training", "momentum", [=] {
                     Array<float> mean = Array<float>::zeros(Shape{4});
                     Array<float> var = Array<float>::full(Shape{4}, 1);
                     (void)nn::batch_norm_training<float>(x, mean, var, {}, {},
                                                          {.momentum = momentum});
                   }});
  }
  for (const Index groups : {Index{0}, Index{-1}, Index{3}, kHuge}) {
    all.push_back({"group_norm", "groups", [=] { (void)nn::group_norm(x, groups); }});
  }
  for (const int axes : {-1, 4, std::numeric_limits<int>::max()}) {
    all.push_back(
        {"layer_norm", "axes", [=] { (void)nn::layer_norm<float>(x, {}, {}, 1e-5, axes); }});
  }
  for (const Index size : {Index{0}, Index{-3}}) {
    all.push_back({"local_response_norm", "size", [=] { (void)nn::local_response_norm(x, size); }});
  }
  check(all);
}

TEST(BadOptions, OfConvolution) {
  const Array<float> x = values({1, 2, 5, 6});
  const Array<float> w = values({4, 2, 3, 3});
  std::vector<Bad> all;
  const auto conv = [&](const char* mentions, const nn::Conv2dOptions& options) {
    all.push_back({"conv2d", mentions, [=] { (void)nn::conv2d(x, w, options); }});
    all.push_back(
        {"conv2d_backward_input", mentions, [=] {
           (void)nn::conv2d_backward_input(values({1, 4, 3, 4}), w, {1, 2, 5, 6}, options);
         }});
    all.push_back(
        {"conv2d_backward_weight", mentions, [=] {
           (void)nn::conv2d_backward_weight(values({1, 4, 3, 4}), x, {4, 2, 3, 3}, options);
         }});
  };
  for (const Index bad : {Index{0}, Index{-1}, std::numeric_limits<Index>::min()}) {
    conv("stride", {.stride = {1, bad}});
    conv("dilation", {.dilation = {bad, 1}});
    conv("groups", {.groups = bad});
  }
  conv("padding", {.padding = -1});
  conv("padding", {.padding = PaddingMode::asymmetric({0, 0}, {0, -2})});
  conv("groups", {.groups = 3});
  // What does not fit into 64 bits must not wrap around into something legal.
  for (const Index huge : {kHuge, std::numeric_limits<Index>::max(), Index{1} << 62}) {
    conv("", {.dilation = {huge, 1}});
    conv("", {.padding = huge});
    all.push_back({"unfold2d", "", [=] { (void)nn::unfold2d(x, 2, {.dilation = {huge, 1}}); }});
    all.push_back({"unfold2d", "", [=] { (void)nn::unfold2d(x, {huge, 2}); }});
    all.push_back({"max_pool2d", "", [=] { (void)nn::max_pool2d(x, {huge, 2}); }});
    all.push_back({"max_pool2d", "", [=] { (void)nn::max_pool2d(x, 2, {.dilation = {huge, 1}}); }});
    all.push_back({"avg_pool2d", "", [=] { (void)nn::avg_pool2d(x, 2, {.padding = huge}); }});
    all.push_back({"conv_transpose2d", "", [=] {
                     (void)nn::conv_transpose2d(x, values({2, 3, 2, 2}), {.stride = {huge, 1}});
                   }});
    all.push_back({"conv_transpose2d", "", [=] {
                     (void)nn::conv_transpose2d(x, values({2, 3, 2, 2}), {.dilation = {huge, 1}});
                   }});
    all.push_back({"pad", "", [=] { (void)nn::pad(x, {{huge, huge}}); }});
    all.push_back({"pad", "", [=] { (void)nn::pad(x, {{huge, huge}, {huge, huge}}); }});
  }
  all.push_back({"pad", "", [=] { (void)nn::pad(x, {{-1, 0}}); }});
  all.push_back({"pad", "", [=] { (void)nn::pad(x, {{6, 0}}, nn::PaddingValue::Reflect); }});
  check(all);
}

TEST(BadOptions, OfAttentionAndTables) {
  const Array<float> q = values({2, 3, 4});
  const Array<float> table = values({5, 3});
  std::vector<Bad> all;
  const auto attend = [&](const char* mentions, const nn::AttentionOptions<float>& options) {
    all.push_back({"scaled_dot_product_attention", mentions,
                   [=] { (void)nn::scaled_dot_product_attention<float>(q, q, q, options); }});
    all.push_back({"scaled_dot_product_attention_backward", mentions, [=] {
                     (void)nn::scaled_dot_product_attention_backward<float>(q, q, q, q, options);
                   }});
  };
  attend("scale", {.scale = kNan});
  attend("scale", {.scale = kInfinity});
  attend("causal_offset", {.causal = true, .causal_offset = -1});
  for (const std::int64_t bad :
       {std::int64_t{5}, std::int64_t{-6}, std::numeric_limits<std::int64_t>::min()}) {
    const Labels indices{0, bad};
    all.push_back({"embedding", "index", [=] {
                     (void)nn::embedding(Labels{0, bad < 0 ? -1 : bad}, table);
                   }});
    all.push_back({"embedding", std::to_string(bad), [=] { (void)nn::embedding(indices, table); }});
    all.push_back({"embedding", "adding",
                   [=] { (void)nn::embedding(Labels{0}, table, {.padding_index = bad}); }});
    all.push_back({"embedding_backward", std::to_string(bad), [=] {
                     (void)nn::embedding_backward(values({2, 3}), indices, 5);
                   }});
    all.push_back(
        {"embedding_bag", std::to_string(bad), [=] { (void)nn::embedding_bag(indices, table); }});
  }
  all.push_back({"embedding_backward", "rows", [=] {
                   (void)nn::embedding_backward(values({1, 3}), Labels{0}, -1);
                 }});
  for (const double base : {0.0, -2.0, kNan, kInfinity}) {
    all.push_back({"positional_encoding", "base",
                   [=] { (void)nn::positional_encoding<float>(2, 4, {.base = base}); }});
    all.push_back(
        {"rotary_embedding", "base", [=] { (void)nn::rotary_embedding(q, {.base = base}); }});
  }
  all.push_back({"positional_encoding", "", [] { (void)nn::positional_encoding<float>(-1, 4); }});
  all.push_back({"positional_encoding", "", [] { (void)nn::positional_encoding<float>(4, -1); }});
  all.push_back(
      {"shape", "too many elements", [] { (void)nn::positional_encoding<float>(kHuge, kHuge); }});
  all.push_back({"positional_encoding", "offset",
                 [] { (void)nn::positional_encoding<float>(1, 4, {.offset = -1}); }});
  all.push_back(
      {"rotary_embedding", "offset", [=] { (void)nn::rotary_embedding(q, {.offset = -1}); }});
  for (const Index features : {Index{3}, Index{-2}, Index{6}, kHuge}) {
    all.push_back({"rotary_embedding", "features",
                   [=] { (void)nn::rotary_embedding(q, {.features = features}); }});
  }
  all.push_back({"alibi_bias", "", [] { (void)nn::alibi_bias<float>(-1, 2, 2); }});
  all.push_back(
      {"shape", "too many elements", [] { (void)nn::alibi_bias<float>(2, kHuge, kHuge); }});
  check(all);
}

TEST(BadOptions, OfLosses) {
  const Array<float> x = values({2, 4});
  std::vector<Bad> all;
  for (const double smoothing : {-0.1, 1.1, kNan}) {
    all.push_back({"cross_entropy", "label_smoothing", [=] {
                     (void)nn::cross_entropy(Labels{0, 1}, x, {.label_smoothing = smoothing});
                   }});
    all.push_back(
        {"nll_loss", "label_smoothing", [=] {
           (void)nn::nll_loss(Labels{0, 1}, x, ReductionMode::Mean, {.label_smoothing = smoothing});
         }});
  }
  for (const double epsilon : {-1e-3, 1.0, kNan}) {
    all.push_back({"sparse_categorical_cross_entropy", "epsilon", [=] {
                     (void)nn::sparse_categorical_cross_entropy(
                         Labels{0, 1}, x, ReductionMode::Mean, {.epsilon = epsilon});
                   }});
  }
  for (const std::int64_t label :
       {std::int64_t{4}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::max()}) {
    all.push_back({"cross_entropy", std::to_string(label), [=] {
                     (void)nn::cross_entropy(Labels{0, label}, x);
                   }});
    all.push_back({"cross_entropy", std::to_string(label), [=] {
                     (void)nn::cross_entropy_backward(Array<float>::scalar(1), Labels{0, label}, x);
                   }});
    all.push_back({"multi_margin_loss", std::to_string(label), [=] {
                     (void)nn::multi_margin_loss(Labels{0, label}, x);
                   }});
  }
  for (const int p : {0, 3, -1}) {
    all.push_back({"multi_margin_loss", "p ", [=] {
                     (void)nn::multi_margin_loss(Labels{0, 1}, x, ReductionMode::Mean, {.p = p});
                   }});
  }
  for (const double bad : {0.0, -1.0, kNan}) {
    all.push_back({"triplet_margin_loss", "p ", [=] {
                     (void)nn::triplet_margin_loss<float>(x, x, x, ReductionMode::Mean, {.p = bad});
                   }});
    all.push_back({"triplet_margin_loss", "margin", [=] {
                     (void)nn::triplet_margin_loss<float>(x, x, x, ReductionMode::Mean,
                                                          {.margin = bad});
                   }});
  }
  for (const double bad : {-1.0, kNan}) {
    all.push_back({"contrastive_loss", "margin", [=] {
                     (void)nn::contrastive_loss<float>(Array<float>{1, 0}, x, x, bad);
                   }});
    all.push_back({"triplet_margin_loss", "epsilon", [=] {
                     (void)nn::triplet_margin_loss<float>(x, x, x, ReductionMode::Mean,
                                                          {.epsilon = bad});
                   }});
  }
  all.push_back(
      {"cosine_embedding_loss", "", [=] { (void)nn::cosine_embedding_loss<float>(x, x, 0.5F); }});
  all.push_back({"cosine_embedding_loss", "margin",
                 [=] { (void)nn::cosine_embedding_loss<float>(x, x, 1.0F, kNan); }});
  const Array<float> log_probs = values({5, 2, 3});
  const auto ctc = [&](const char* mentions, Labels labels, Labels frames, Labels letters,
                       nn::CtcOptions options) {
    all.push_back({"ctc_loss", mentions, [=] {
                     (void)nn::ctc_loss(labels.reshape({2, 2}), log_probs, frames, letters,
                                        ReductionMode::Mean, options);
                   }});
  };
  const Labels good{1, 2, 1, 1};
  ctc("blank", good, {5, 5}, {2, 2}, {.blank = 3});
  ctc("blank", good, {5, 5}, {2, 2}, {.blank = -1});
  ctc("3", {1, 3, 1, 1}, {5, 5}, {2, 2}, {});
  ctc("blank", {1, 0, 1, 1}, {5, 5}, {2, 2}, {});
  ctc("6", good, {5, 6}, {2, 2}, {});
  ctc("-1", good, {5, -1}, {2, 2}, {});
  ctc("3", good, {5, 5}, {2, 3}, {});
  ctc("-1", good, {5, 5}, {2, -1}, {});
  check(all);
}

TEST(BadOptions, OfDropoutAndWeights) {
  const Array<float> x = values({2, 4, 3});
  Generator generator(1);
  std::vector<Bad> all;
  for (const double p : {-0.1, 1.1, kNan}) {
    all.push_back({"dropout", "p ", [&, p] { (void)nn::dropout(x, p, true, generator); }});
    all.push_back({"dropout", "p ", [&, p] { (void)nn::dropout(x, p, false, generator); }});
    all.push_back(
        {"spatial_dropout", "p ", [&, p] { (void)nn::spatial_dropout(x, p, true, generator); }});
    all.push_back({"drop_path", "p ", [&, p] { (void)nn::drop_path(x, p, true, generator); }});
    all.push_back(
        {"alpha_dropout", "p ", [&, p] { (void)nn::alpha_dropout(x, p, true, generator); }});
    all.push_back(
        {"dropout_mask", "p ", [&, p] { (void)nn::dropout_mask({2}, p, true, generator); }});
    all.push_back(
        {"dropout_backward", "p ", [&, p] { (void)nn::dropout_backward(x, p, true, generator); }});
    all.push_back({"apply_dropout_mask", "p ", [&, p] {
                     (void)nn::apply_dropout_mask(x, Array<bool>{true, false, true}, p);
                   }});
  }
  const Generator untouched(1);
  EXPECT_TRUE(generator.state() == untouched.state());
  all.clear();
  for (const double bad : {-1.0, kNan, kInfinity}) {
    const auto rule = [&](const char* name, const char* option, const nn::UpdateOptions& options) {
      all.push_back({name, option, [=] { nn::check_update_options(options); }});
    };
    rule("SGD", "lr", nn::SgdOptions{.lr = bad});
    rule("SGD", "momentum", nn::SgdOptions{.momentum = bad});
    rule("SGD", "weight_decay", nn::SgdOptions{.weight_decay = bad});
    rule("Adam", "lr", nn::AdamOptions{.lr = bad});
    rule("Adam", "beta1", nn::AdamOptions{.beta1 = bad});
    rule("Adam", "beta2", nn::AdamOptions{.beta2 = bad});
    rule("Adam", "eps", nn::AdamOptions{.eps = bad});
    rule("AdamW", "weight_decay", nn::AdamWOptions{.weight_decay = bad});
    rule("RMSProp", "alpha", nn::RmsPropOptions{.alpha = bad});
    rule("Adagrad", "lr_decay", nn::AdagradOptions{.lr_decay = bad});
    rule("Adadelta", "rho", nn::AdadeltaOptions{.rho = bad});
    rule("Lion", "beta2", nn::LionOptions{.beta2 = bad});
  }
  all.push_back(
      {"SGD", "nesterov", [] { nn::check_update_options(nn::SgdOptions{.nesterov = true}); }});
  check(all);
}

/// Products of extents that do not fit into 64 bits.
TEST(BadOptions, SizesThatOverflow) {
  const Array<float> one = values({1, 1});
  const Index large = Index{1} << 40;
  const View<float> wide(one.data(), Shape{1, large}, Strides{0, 0});
  const View<float> high(one.data(), Shape{large, 1}, Strides{0, 0});
  check({
      {"", "",
       [&] {
         (void)Array<float>::zeros({large, large});
       }},
      {"", "",
       [&] {
         (void)one.broadcast_to({large, large});
       }},
      {"", "", [&] { (void)nn::matmul(high, wide); }},
      {"", "", [&] { (void)nn::linear(high, high); }},
      {"", "",
       [&] {
         (void)nn::dropout_mask({large, large}, 1, false, *std::make_unique<Generator>(1));
       }},
  });
}

TEST(BadOptions, ThatMakeResultsTooLarge) {
  const Array<float> x = values({1, 1, 3, 3, 3});
  const Array<float> plane = values({1, 1, 3, 3});
  const Index large = Index{1} << 40;
  std::vector<Bad> all;
  for (const Index extent : {Index{1} << 62, kHuge, std::numeric_limits<Index>::max()}) {
    all.push_back({"adaptive_avg_pool2d", "extents", [=] {
                     (void)nn::adaptive_avg_pool2d(plane, {2, extent});
                   }});
    all.push_back({"adaptive_max_pool1d", "extents", [=] {
                     (void)nn::adaptive_max_pool1d(values({2, 5}), extent);
                   }});
  }
  all.push_back({"adaptive_avg_pool3d", "too many elements",
                 [=] { (void)nn::adaptive_avg_pool3d(x, (Index{1} << 31) - 1); }});
  all.push_back({"conv3d", "too many elements", [=] {
                   (void)nn::conv3d(x, values({1, 1, 1, 1, 1}), {.padding = large});
                 }});
  all.push_back({"conv3d", "too many elements", [=] {
                   (void)nn::conv3d(
                       x, values({1, 1, 1, 1, 1}),
                       {.padding = large, .padding_value = nn::PaddingValue::Replicate});
                 }});
  all.push_back(
      {"conv_transpose3d", "too many elements", [=] {
         (void)nn::conv_transpose3d(x, values({1, 1, 1, 1, 1}), {.stride = (Index{1} << 31) - 1});
       }});
  all.push_back(
      {"unfold3d", "too many elements", [=] { (void)nn::unfold3d(x, 1, {.padding = large}); }});
  all.push_back({"pad", "too many elements", [=] {
                   (void)nn::pad(x, std::vector<PaddingAmount>(5, {large, large}));
                 }});
  all.push_back({"pad_backward", "padding", [=] { (void)nn::pad_backward(x, {{kHuge, kHuge}}); }});
  all.push_back({"max_unpool3d", "too many elements", [=] {
                   (void)nn::max_unpool3d(x, Labels::zeros({1, 1, 3, 3, 3}), (Index{1} << 31) - 1);
                 }});
  check(all);
}

TEST(BadOptions, ThatAreHugeButOfNothing) {
  // No positions, or no features: nothing may be computed of the other.
  const Index large = Index{1} << 61;
  EXPECT_EQ(nn::positional_encoding<float>(0, large).shape(), (Shape{0, large}));
  EXPECT_EQ(nn::positional_encoding<float>(large, 0).shape(), (Shape{large, 0}));
  EXPECT_EQ(nn::alibi_bias<float>(large, 0, 1).shape(), (Shape{large, 0, 1}));
}

TEST(BadOptions, OfImagesWithoutChannels) {
  const Array<float> none = values({1, 0, 4, 4});
  check({{"depthwise_conv2d", "no channels",
          [=] {
            (void)nn::depthwise_conv2d(none, values({0, 1, 3, 3}));
          }},
         {"separable_conv2d", "no channels", [=] {
            (void)nn::separable_conv2d(none, values({0, 1, 3, 3}), values({2, 0, 1, 1}));
          }}});
}

}  // namespace
}  // namespace lamina
