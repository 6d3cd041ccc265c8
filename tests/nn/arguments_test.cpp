// Every function that writes to an array given: each argument spoiled in turn is an Error that
// names the function, and nothing is written.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "lamina/nn/activation.hpp"
#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/attention.hpp"
#include "lamina/nn/conv.hpp"
#include "lamina/nn/conv_transpose.hpp"
#include "lamina/nn/dropout.hpp"
#include "lamina/nn/embedding.hpp"
#include "lamina/nn/gated.hpp"
#include "lamina/nn/linear.hpp"
#include "lamina/nn/local_response_norm.hpp"
#include "lamina/nn/loss.hpp"
#include "lamina/nn/normalization.hpp"
#include "lamina/nn/positional_encoding.hpp"
#include "lamina/nn/prelu.hpp"
#include "lamina/nn/reduction.hpp"
#include "lamina/nn/rotary.hpp"
#include "lamina/nn/softmax.hpp"
#include "lamina/nn/update.hpp"
#include "support/bad_arguments.hpp"

namespace lamina {
namespace {

using test::BadArguments;
using test::Operation;
using Views = Operation::Views;
using Out = MutView<float>;

const Shape kMatrix{3, 4};

TEST(Arguments, ElementByElement) {
  for (const nn::ActivationRow& row : nn::kActivationTable) {
    const nn::Activation kind = row.kind;
    const std::string name(row.name);
    BadArguments::check(
        {.name = name,
         .inputs = {kMatrix},
         .out = kMatrix,
         .run = [=](const Views& v, const Out& out) { nn::activation_into(v[0], out, kind); },
         .in_place = {0}});
    BadArguments::check(
        {.name = name + "_backward",
         .inputs = {kMatrix, kMatrix},
         .out = kMatrix,
         .run = [=](const Views& v,
                    const Out& out) { nn::activation_backward_into(v[0], v[1], out, kind); },
         .in_place = {0, 1}});
  }
  BadArguments::check({.name = "gated_gelu",
                       .inputs = {kMatrix, kMatrix},
                       .out = kMatrix,
                       .run =
                           [](const Views& v, const Out& out) {
                             nn::gated_activation_into(v[0], v[1], out, nn::Activation::Gelu);
                           },
                       .in_place = {0, 1}});
  BadArguments::check({.name = "gated_gelu_backward_gate",
                       .inputs = {kMatrix, kMatrix, kMatrix},
                       .out = kMatrix,
                       .run =
                           [](const Views& v, const Out& out) {
                             nn::gated_activation_backward_gate_into(v[0], v[1], v[2], out,
                                                                     nn::Activation::Gelu);
                           },
                       .in_place = {0, 1, 2}});
  BadArguments::check({.name = "gated_silu_unit",
                       .inputs = {{3, 8}},
                       .out = kMatrix,
                       .run = [](const Views& v, const Out& out) {
                         nn::gated_unit_into(v[0], out, nn::Activation::Silu);
                       }});
  BadArguments::check({.name = "gated_silu_unit_backward",
                       .inputs = {kMatrix, {3, 8}},
                       .out = {3, 8},
                       .run = [](const Views& v, const Out& out) {
                         nn::gated_unit_backward_into(v[0], v[1], out, nn::Activation::Silu);
                       }});
  BadArguments::check(
      {.name = "prelu",
       .inputs = {{2, 3, 4}, {3}},
       .out = {2, 3, 4},
       .run = [](const Views& v, const Out& out) { nn::prelu_into(v[0], v[1], out); },
       .legal = {"1-"},
       .in_place = {0}});
  BadArguments::check(
      {.name = "prelu_backward_input",
       .inputs = {{2, 3, 4}, {2, 3, 4}, {3}},
       .out = {2, 3, 4},
       .run = [](const Views& v,
                 const Out& out) { nn::prelu_backward_input_into(v[0], v[1], v[2], out); },
       .legal = {"2-"},
       .in_place = {0, 1}});
  for (const nn::UnaryRow& row : nn::kUnaryTable) {
    BadArguments::check(
        {.name = std::string(row.name),
         .inputs = {kMatrix},
         .out = kMatrix,
         .run = [op = row.op](const Views& v, const Out& out) { nn::unary_into(op, v[0], out); },
         .in_place = {0}});
  }
  for (const nn::BinaryRow& row : nn::kBinaryTable) {
    BadArguments::check(
        {.name = std::string(row.name),
         .inputs = {kMatrix, kMatrix},
         .out = kMatrix,
         .run = [op = row.op](const Views& v,
                              const Out& out) { nn::binary_into(op, v[0], v[1], out); },
         .legal = {"0-", "1-"},
         .in_place = {0, 1}});
  }
}

TEST(Arguments, SoftmaxAndReductions) {
  BadArguments::check({.name = "softmax",
                       .inputs = {kMatrix},
                       .out = kMatrix,
                       .run = [](const Views& v, const Out& out) { nn::softmax_into(v[0], out); },
                       .in_place = {0}});
  BadArguments::check(
      {.name = "log_softmax",
       .inputs = {kMatrix},
       .out = kMatrix,
       .run = [](const Views& v, const Out& out) { nn::log_softmax_into(v[0], out); },
       .in_place = {0}});
  BadArguments::check({.name = "softmin",
                       .inputs = {kMatrix},
                       .out = kMatrix,
                       .run = [](const Views& v, const Out& out) { nn::softmin_into(v[0], out); },
                       .in_place = {0}});
  BadArguments::check(
      {.name = "softmax_backward",
       .inputs = {kMatrix, kMatrix},
       .out = kMatrix,
       .run = [](const Views& v, const Out& out) { nn::softmax_backward_into(v[0], v[1], out); },
       .in_place = {0, 1}});
  BadArguments::check(
      {.name = "log_softmax_backward",
       .inputs = {kMatrix, kMatrix},
       .out = kMatrix,
       .run = [](const Views& v,
                 const Out& out) { nn::log_softmax_backward_into(v[0], v[1], out); },
       .in_place = {0, 1}});
  BadArguments::check(
      {.name = "softmin_backward",
       .inputs = {kMatrix, kMatrix},
       .out = kMatrix,
       .run = [](const Views& v, const Out& out) { nn::softmin_backward_into(v[0], v[1], out); },
       .in_place = {0, 1}});
  for (const nn::ReductionInfo& row : nn::kReductions) {
    BadArguments::check({.name = std::string(row.name),
                         .inputs = {{2, 3, 4}},
                         .out = {2, 4},
                         .run =
                             [kind = row.kind](const Views& v, const Out& out) {
                               nn::reduce_into(kind, v[0], out, {.axes = {1}});
                             },
                         .legal = {"0:1"}});
  }
}

TEST(Arguments, Normalization) {
  const Shape images{2, 4, 3};
  BadArguments::check(
      {.name = "layer_norm",
       .inputs = {kMatrix, {4}, {4}},
       .out = kMatrix,
       .run = [](const Views& v, const Out& out) { nn::layer_norm_into(v[0], out, v[1], v[2]); },
       .optional = {1, 2},
       .in_place = {0}});
  BadArguments::check(
      {.name = "layer_norm_backward",
       .inputs = {kMatrix, kMatrix, {4}},
       .out = kMatrix,
       .run = [](const Views& v,
                 const Out& out) { nn::layer_norm_backward_into(v[0], v[1], v[2], out, {}, {}); },
       .optional = {2},
       .in_place = {0, 1},
       .optional_out = true});
  BadArguments::check(
      {.name = "rms_norm",
       .inputs = {kMatrix, {4}},
       .out = kMatrix,
       .run = [](const Views& v, const Out& out) { nn::rms_norm_into(v[0], out, v[1]); },
       .optional = {1},
       .in_place = {0}});
  BadArguments::check(
      {.name = "rms_norm_backward",
       .inputs = {kMatrix, kMatrix, {4}},
       .out = kMatrix,
       .run = [](const Views& v,
                 const Out& out) { nn::rms_norm_backward_into(v[0], v[1], v[2], out, {}); },
       .optional = {2},
       .in_place = {0, 1},
       .optional_out = true});
  BadArguments::check(
      {.name = "batch_norm",
       .inputs = {images, {4}, {4}},
       .out = images,
       .run = [](const Views& v, const Out& out) { nn::batch_norm_into(v[0], out, v[1], v[2]); },
       .optional = {1, 2},
       .in_place = {0}});
  BadArguments::check(
      {.name = "batch_norm_backward",
       .inputs = {images, images, {4}},
       .out = images,
       .run = [](const Views& v,
                 const Out& out) { nn::batch_norm_backward_into(v[0], v[1], v[2], out, {}, {}); },
       .optional = {2},
       .in_place = {0, 1},
       .optional_out = true});
  BadArguments::check({.name = "batch_norm_inference",
                       .inputs = {images, {4}, {4}, {4}, {4}},
                       .out = images,
                       .run =
                           [](const Views& v, const Out& out) {
                             nn::batch_norm_inference_into(v[0], out, v[1], v[2], v[3], v[4]);
                           },
                       .optional = {3, 4},
                       .in_place = {0}});
  BadArguments::check({.name = "batch_norm_inference_backward",
                       .inputs = {images, images, {4}, {4}, {4}},
                       .out = images,
                       .run =
                           [](const Views& v, const Out& out) {
                             nn::batch_norm_inference_backward_into(v[0], v[1], v[2], v[3], v[4],
                                                                    out, {}, {});
                           },
                       .optional = {4},
                       .in_place = {0, 1},
                       .optional_out = true});
  BadArguments::check(
      {.name = "group_norm",
       .inputs = {images, {4}, {4}},
       .out = images,
       .run = [](const Views& v, const Out& out) { nn::group_norm_into(v[0], 2, out, v[1], v[2]); },
       .optional = {1, 2},
       .in_place = {0}});
  BadArguments::check({.name = "group_norm_backward",
                       .inputs = {images, images, {4}},
                       .out = images,
                       .run =
                           [](const Views& v, const Out& out) {
                             nn::group_norm_backward_into(v[0], v[1], 2, v[2], out, {}, {});
                           },
                       .optional = {2},
                       .in_place = {0, 1},
                       .optional_out = true});
  BadArguments::check(
      {.name = "instance_norm",
       .inputs = {images, {4}, {4}},
       .out = images,
       .run = [](const Views& v,
                 const Out& out) { nn::instance_norm_into(v[0], out, 1e-5, v[1], v[2]); },
       .optional = {1, 2},
       .in_place = {0}});
  BadArguments::check(
      {.name = "instance_norm_backward",
       .inputs = {images, images, {4}},
       .out = images,
       .run = [](const Views& v,
                 const Out& out) { nn::instance_norm_backward_into(v[0], v[1], out, 1e-5, v[2]); },
       .optional = {2},
       .in_place = {0, 1},
       .optional_out = true});
  BadArguments::check(
      {.name = "local_response_norm",
       .inputs = {images},
       .out = images,
       .run = [](const Views& v, const Out& out) { nn::local_response_norm_into(v[0], 3, out); },
       .in_place = {0}});
  BadArguments::check(
      {.name = "local_response_norm_backward",
       .inputs = {images, images},
       .out = images,
       .run = [](const Views& v,
                 const Out& out) { nn::local_response_norm_backward_into(v[0], v[1], 3, out); },
       .in_place = {0, 1}});
}

TEST(Arguments, Products) {
  BadArguments::check(
      {.name = "matmul",
       .inputs = {{3, 5}, {5, 4}},
       .out = kMatrix,
       .run = [](const Views& v, const Out& out) { nn::matmul_into(v[0], v[1], out); }});
  BadArguments::check(
      {.name = "matmul_backward_a",
       .inputs = {{3, 4}, {5, 4}},
       .out = {3, 5},
       .run = [](const Views& v, const Out& out) { nn::matmul_backward_a_into(v[0], v[1], out); },
       .legal = {"0+"}});
  BadArguments::check(
      {.name = "matmul_backward_b",
       .inputs = {{3, 4}, {3, 5}},
       .out = {5, 4},
       .run = [](const Views& v, const Out& out) { nn::matmul_backward_b_into(v[0], v[1], out); },
       .legal = {"0+"}});
  BadArguments::check(
      {.name = "linear",
       .inputs = {{3, 5}, {4, 5}, {4}},
       .out = kMatrix,
       .run = [](const Views& v, const Out& out) { nn::linear_into(v[0], v[1], v[2], out); },
       .optional = {2}});
  BadArguments::check({.name = "linear_backward_input",
                       .inputs = {{3, 4}, {4, 5}},
                       .out = {3, 5},
                       .run = [](const Views& v, const Out& out) {
                         nn::linear_backward_input_into(v[0], v[1], out);
                       }});
  BadArguments::check({.name = "linear_backward_weight",
                       .inputs = {{3, 4}, {3, 5}},
                       .out = {4, 5},
                       .run = [](const Views& v, const Out& out) {
                         nn::linear_backward_weight_into(v[0], v[1], out);
                       }});
  BadArguments::check(
      {.name = "linear_backward_bias",
       .inputs = {{3, 4}},
       .out = {4},
       .run = [](const Views& v, const Out& out) { nn::linear_backward_bias_into(v[0], out); },
       .legal = {"0+", "0-", "0:0"}});
  BadArguments::check(
      {.name = "conv1d",
       .inputs = {{2, 3, 9}, {4, 3, 2}, {4}},
       .out = {2, 4, 8},
       .run = [](const Views& v, const Out& out) { nn::conv1d_into(v[0], v[1], v[2], out); },
       .optional = {2}});
  BadArguments::check(
      {.name = "conv2d",
       .inputs = {{2, 3, 5, 6}, {4, 3, 2, 2}, {4}},
       .out = {2, 4, 4, 5},
       .run = [](const Views& v, const Out& out) { nn::conv2d_into(v[0], v[1], v[2], out); },
       .optional = {2}});
  BadArguments::check(
      {.name = "conv3d",
       .inputs = {{1, 2, 4, 4, 4}, {3, 2, 2, 2, 2}, {3}},
       .out = {1, 3, 3, 3, 3},
       .run = [](const Views& v, const Out& out) { nn::conv3d_into(v[0], v[1], v[2], out); },
       .optional = {2}});
  BadArguments::check(
      {.name = "conv_transpose2d",
       .inputs = {{2, 3, 4, 4}, {3, 2, 2, 2}, {2}},
       .out = {2, 2, 5, 5},
       .run = [](const Views& v,
                 const Out& out) { nn::conv_transpose2d_into(v[0], v[1], v[2], out); },
       .optional = {2}});
}

TEST(Arguments, AttentionAndPositions) {
  const auto attend = [](const Views& v, const Out& out) {
    nn::scaled_dot_product_attention_into(v[0], v[1], v[2], out, {.bias = v[3]});
  };
  BadArguments::check({.name = "scaled_dot_product_attention",
                       .inputs = {{2, 3, 4}, {2, 5, 4}, {2, 5, 6}, {2, 3, 5}},
                       .out = {2, 3, 6},
                       .run = attend,
                       .optional = {3},
                       .legal = {"3-"}});
  BadArguments::check(
      {.name = "add_positional_encoding",
       .inputs = {kMatrix},
       .out = kMatrix,
       .run = [](const Views& v, const Out& out) { nn::add_positional_encoding_into(v[0], out); },
       .in_place = {0}});
  BadArguments::check(
      {.name = "rotary_embedding",
       .inputs = {kMatrix},
       .out = kMatrix,
       .run = [](const Views& v, const Out& out) { nn::rotary_embedding_into(v[0], out); },
       .in_place = {0}});
  BadArguments::check(
      {.name = "rotary_embedding_backward",
       .inputs = {kMatrix},
       .out = kMatrix,
       .run = [](const Views& v, const Out& out) { nn::rotary_embedding_backward_into(v[0], out); },
       .in_place = {0}});
  static const Array<std::int64_t> indices{2, 0};
  BadArguments::check(
      {.name = "embedding",
       .inputs = {{5, 3}},
       .out = {2, 3},
       .run = [](const Views& v, const Out& out) { nn::embedding_into(indices, v[0], out); },
       .legal = {"0:0"}});
  BadArguments::check({.name = "dropout",
                       .inputs = {kMatrix},
                       .out = kMatrix,
                       .run =
                           [](const Views& v, const Out& out) {
                             Generator generator(1);
                             nn::dropout_into(v[0], out, 0.5, true, generator);
                           },
                       .in_place = {0}});
}

TEST(Arguments, LossesAndUpdates) {
  for (const nn::LossRow& row : nn::kLossTable) {
    const bool third = !row.third.empty();
    std::vector<Shape> inputs(third ? 3 : 2, kMatrix);
    BadArguments::check({.name = std::string(row.name),
                         .inputs = inputs,
                         .out = kMatrix,
                         .run =
                             [kind = row.kind, third](const Views& v, const Out& out) {
                               nn::elementwise_loss_into(kind, v[0], v[1], out, ReductionMode::None,
                                                         {.third = third ? v[2] : View<float>()});
                             },
                         .legal = {"2-"},
                         .in_place = {0, 1}});
  }
  const std::vector<nn::UpdateOptions> rules{nn::SgdOptions{.momentum = 0.9}, nn::AdamOptions{}};
  for (const nn::UpdateOptions& rule : rules) {
    const std::size_t slots = nn::update_slots(rule).size();
    BadArguments::check({.name = std::string(nn::update_name(rule)),
                         .inputs = {kMatrix},
                         .out = kMatrix,
                         .run = [rule, slots](const Views& v, const Out& out) {
                           std::vector<Array<float>> memory(slots, Array<float>::zeros(kMatrix));
                           std::vector<MutView<float>> views(memory.begin(), memory.end());
                           nn::update_inplace(v[0], out, views, rule, 1);
                         }});
  }
  BadArguments::check({.name = "axpy",
                       .inputs = {kMatrix},
                       .out = kMatrix,
                       .run = [](const Views& v, const Out& out) { nn::axpy_into(v[0], out, 2); },
                       .in_place = {0}});
  BadArguments::check({.name = "scale",
                       .inputs = {kMatrix},
                       .out = kMatrix,
                       .run = [](const Views& v, const Out& out) { nn::scale_into(v[0], out, 2); },
                       .in_place = {0}});
}

TEST(Arguments, GradientsIntoMemoryAtHand) {
  for (const nn::ReductionInfo& row : nn::kReductions) {
    const nn::Reduction kind = row.kind;
    const bool needs_x = kind != nn::Reduction::Sum && kind != nn::Reduction::Mean;
    const bool needs_y = needs_x && kind != nn::Reduction::Prod && kind != nn::Reduction::Var;
    std::vector<Shape> inputs{{2, 4}};
    if (needs_x) inputs.push_back({2, 3, 4});
    if (needs_y) inputs.push_back({2, 4});
    BadArguments::check({.name = std::string(row.name) + "_backward",
                         .inputs = inputs,
                         .out = {2, 3, 4},
                         .run =
                             [=](const Views& v, const Out& out) {
                               nn::reduce_backward_into(kind, v[0], needs_x ? v[1] : View<float>(),
                                                        needs_y ? v[2] : View<float>(), out,
                                                        {.axes = {1}});
                             },
                         .free_out = {needs_x ? "" : ":1"}});
  }
  for (const nn::LossRow& row : nn::kLossTable) {
    const nn::Loss kind = row.kind;
    const bool third = !row.third.empty();
    const std::vector<Shape> inputs(third ? 4 : 3, kMatrix);
    const auto check = [&](auto function) {
      BadArguments::check({.name = std::string(row.name),
                           .inputs = inputs,
                           .out = kMatrix,
                           .run =
                               [=](const Views& v, const Out& out) {
                                 function(
                                     kind, v[0], v[1], v[2], out,
                                     nn::LossOptions<float>{.third = third ? v[3] : View<float>()});
                               },
                           .legal = {"3-"},
                           .in_place = {0, 1, 2}});
    };
    check([](auto k, auto dy, auto t, auto p, auto out, auto o) {
      nn::elementwise_loss_backward_into<float>(k, dy, t, p, out, ReductionMode::None, o);
    });
    check([](auto k, auto dy, auto t, auto p, auto out, auto o) {
      nn::elementwise_loss_backward_true_into<float>(k, dy, t, p, out, ReductionMode::None, o);
    });
    if (third) {
      check([](auto k, auto dy, auto t, auto p, auto out, auto o) {
        nn::elementwise_loss_backward_third_into<float>(k, dy, t, p, out, ReductionMode::None, o);
      });
    }
  }
  static const Array<std::int64_t> labels{0, 3, 1};
  const auto none = ReductionMode::None;
  BadArguments::check({.name = "cross_entropy",
                       .inputs = {{3}, kMatrix},
                       .out = kMatrix,
                       .run =
                           [=](const Views& v, const Out& out) {
                             nn::cross_entropy_backward_into(v[0], labels, v[1], out,
                                                             {.mode = none});
                           },
                       .in_place = {1}});
  BadArguments::check({.name = "cross_entropy",
                       .inputs = {{3}, kMatrix, kMatrix},
                       .out = kMatrix,
                       .run =
                           [=](const Views& v, const Out& out) {
                             nn::cross_entropy_backward_into(v[0], v[1], v[2], out, {.mode = none});
                           },
                       .in_place = {2}});
  BadArguments::check({.name = "sparse_categorical_cross_entropy",
                       .inputs = {{3}, kMatrix},
                       .out = kMatrix,
                       .run =
                           [=](const Views& v, const Out& out) {
                             nn::sparse_categorical_cross_entropy_backward_into(v[0], labels, v[1],
                                                                                out, none);
                           },
                       .in_place = {1}});
  BadArguments::check({.name = "categorical_cross_entropy",
                       .inputs = {{3}, kMatrix, kMatrix},
                       .out = kMatrix,
                       .run =
                           [=](const Views& v, const Out& out) {
                             nn::categorical_cross_entropy_backward_into(v[0], v[1], v[2], out,
                                                                         none);
                           },
                       .in_place = {2}});
  BadArguments::check(
      {.name = "nll_loss",
       .inputs = {{3}, kMatrix},
       .out = kMatrix,
       .run = [=](const Views& v,
                  const Out& out) { nn::nll_loss_backward_into(v[0], labels, v[1], out, none); },
       .in_place = {1}});
  static const Array<std::int64_t> indices{2, 0};
  BadArguments::check(
      {.name = "embedding_backward",
       .inputs = {{2, 3}},
       .out = {5, 3},
       .run = [](const Views& v,
                 const Out& out) { nn::embedding_backward_into(v[0], indices, out); },
       .free_out = {":0"}});
}

TEST(Arguments, Dropouts) {
  const Shape images{2, 4, 3};
  const auto check = [&](const char* name, auto run) {
    BadArguments::check({.name = name,
                         .inputs = {images},
                         .out = images,
                         .run =
                             [run](const Views& v, const Out& out) {
                               Generator generator(1);
                               run(v[0], out, generator);
                             },
                         .in_place = {0}});
  };
  check("spatial_dropout",
        [](auto x, auto out, auto& g) { nn::spatial_dropout_into(x, out, 0.5, true, g); });
  check("drop_path", [](auto x, auto out, auto& g) { nn::drop_path_into(x, out, 0.5, true, g); });
  check("alpha_dropout",
        [](auto x, auto out, auto& g) { nn::alpha_dropout_into(x, out, 0.5, true, g); });
  check("dropout_backward",
        [](auto x, auto out, auto& g) { nn::dropout_backward_into(x, out, 0.5, true, g); });
  check("spatial_dropout_backward",
        [](auto x, auto out, auto& g) { nn::spatial_dropout_backward_into(x, out, 0.5, true, g); });
  check("drop_path_backward",
        [](auto x, auto out, auto& g) { nn::drop_path_backward_into(x, out, 0.5, true, g); });
  check("alpha_dropout_backward",
        [](auto x, auto out, auto& g) { nn::alpha_dropout_backward_into(x, out, 0.5, true, g); });
  static const Array<bool> mask{true, false, true};
  check("apply_dropout_mask",
        [](auto x, auto out, auto&) { nn::apply_dropout_mask_into(x, mask, out, 0.5); });
}

}  // namespace
}  // namespace lamina
