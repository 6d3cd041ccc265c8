// Functions that allocate their results: each argument spoiled in turn is an Error that names the
// function.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/attention.hpp"
#include "lamina/nn/conv.hpp"
#include "lamina/nn/conv_transpose.hpp"
#include "lamina/nn/ctc.hpp"
#include "lamina/nn/dropout.hpp"
#include "lamina/nn/embedding.hpp"
#include "lamina/nn/loss.hpp"
#include "lamina/nn/loss_embedding.hpp"
#include "lamina/nn/loss_multilabel.hpp"
#include "lamina/nn/pad.hpp"
#include "lamina/nn/pooling.hpp"
#include "lamina/nn/prelu.hpp"
#include "lamina/nn/recurrent.hpp"
#include "lamina/nn/reduction.hpp"
#include "lamina/nn/unfold.hpp"
#include "support/bad_arguments.hpp"

namespace lamina {
namespace {

using test::BadArguments;
using Views = test::Operation::Views;
using Labels = Array<std::int64_t>;

struct Optional {
  std::set<std::size_t> inputs = {};
};

/// run(views) returns what nobody looks at.
template <class F>
void check(const char* name, std::vector<Shape> inputs, F run, std::set<std::string> legal = {},
           Optional optional = {}) {
  BadArguments::check({.name = name,
                       .inputs = std::move(inputs),
                       .out = Shape{},
                       .run = [run](const Views& v, const MutView<float>&) { (void)run(v); },
                       .optional = std::move(optional.inputs),
                       .legal = std::move(legal),
                       .allocates = true});
}

constexpr auto kNone = ReductionMode::None;
constexpr auto kMean = ReductionMode::Mean;

TEST(ArgumentsOfAllocating, ElementwiseLossGradients) {
  for (const nn::LossRow& row : nn::kLossTable) {
    const std::string name(row.name);
    const bool third = !row.third.empty();
    std::vector<Shape> inputs(third ? 4 : 3, Shape{3, 4});
    const auto gradient = [&](auto function) {
      check(name.c_str(), inputs,
            [=, kind = row.kind](const Views& v) {
              return function(kind, v[0], v[1], v[2],
                              nn::LossOptions<float>{.third = third ? v[3] : View<float>()});
            },
            {"3-"});
    };
    gradient([](auto kind, auto dy, auto t, auto p, auto o) {
      return nn::elementwise_loss_backward<float>(kind, dy, t, p, kNone, o);
    });
    gradient([](auto kind, auto dy, auto t, auto p, auto o) {
      return nn::elementwise_loss_backward_true<float>(kind, dy, t, p, kNone, o);
    });
    if (third) {
      gradient([](auto kind, auto dy, auto t, auto p, auto o) {
        return nn::elementwise_loss_backward_third<float>(kind, dy, t, p, kNone, o);
      });
    }
  }
}

TEST(ArgumentsOfAllocating, ClassLosses) {
  static const Labels labels{0, 3, 1};
  static const Labels several = Labels::full({3, 4}, -1);
  const Shape x{3, 4};
  const nn::CrossEntropyOptions<float> none{.mode = kNone};
  check("cross_entropy", {x, {4}},
        [](const Views& v) { return nn::cross_entropy(labels, v[0], {.weight = v[1]}); }, {},
        {{1}});
  check("cross_entropy", {x, x}, [](const Views& v) { return nn::cross_entropy(v[0], v[1]); });
  check("cross_entropy", {x, x},
        [](const Views& v) { return nn::cross_entropy_with_gradient(v[0], v[1]).loss; });
  check("cross_entropy", {{3}, x},
        [none](const Views& v) { return nn::cross_entropy_backward(v[0], labels, v[1], none); },
        {"1:1"});
  check("cross_entropy", {{3}, x, x},
        [none](const Views& v) { return nn::cross_entropy_backward(v[0], v[1], v[2], none); });
  check("cross_entropy", {{3}, x, x},
        [none](const Views& v) { return nn::cross_entropy_backward_true(v[0], v[1], v[2], none); });
  check("sparse_categorical_cross_entropy", {x},
        [](const Views& v) { return nn::sparse_categorical_cross_entropy(labels, v[0]); }, {"0:1"});
  check("sparse_categorical_cross_entropy", {{3}, x},
        [](const Views& v) {
          return nn::sparse_categorical_cross_entropy_backward(v[0], labels, v[1], kNone);
        },
        {"1:1"});
  check("categorical_cross_entropy", {x, x},
        [](const Views& v) { return nn::categorical_cross_entropy(v[0], v[1]); });
  check("categorical_cross_entropy", {{3}, x, x}, [](const Views& v) {
    return nn::categorical_cross_entropy_backward(v[0], v[1], v[2], kNone);
  });
  check("nll_loss", {x}, [](const Views& v) { return nn::nll_loss(labels, v[0]); }, {"0:1"});
  check("nll_loss", {{3}, x},
        [](const Views& v) { return nn::nll_loss_backward(v[0], labels, v[1], kNone); }, {"1:1"});
  check("multi_margin_loss", {x, {4}},
        [](const Views& v) { return nn::multi_margin_loss(labels, v[0], kMean, {.weight = v[1]}); },
        {}, {{1}});
  check("multi_margin_loss", {{3}, x},
        [](const Views& v) { return nn::multi_margin_loss_backward(v[0], labels, v[1], kNone); },
        {"1:1"});
  check("multi_label_margin_loss", {x},
        [](const Views& v) { return nn::multi_label_margin_loss(several, v[0]); });
  check("multi_label_margin_loss", {{3}, x}, [](const Views& v) {
    return nn::multi_label_margin_loss_backward(v[0], several, v[1], kNone);
  });
  check("multi_label_soft_margin_loss", {x, x, {4}},
        [](const Views& v) { return nn::multi_label_soft_margin_loss(v[0], v[1], kMean, v[2]); },
        {}, {{2}});
  check("multi_label_soft_margin_loss", {{3}, x, x}, [](const Views& v) {
    return nn::multi_label_soft_margin_loss_backward(v[0], v[1], v[2], kNone);
  });
}

TEST(ArgumentsOfAllocating, VectorAndSequenceLosses) {
  static const Array<float> signs{1, -1, 1};
  const Shape x{3, 4};
  check("cosine_embedding_loss", {x, x},
        [](const Views& v) { return nn::cosine_embedding_loss(v[0], v[1], signs.view()); });
  check("cosine_embedding_loss", {{3}, x, x}, [](const Views& v) {
    return nn::cosine_embedding_loss_backward(v[0], v[1], v[2], signs.view(), 0, kNone).x1;
  });
  check("contrastive_loss", {{3}, x, x},
        [](const Views& v) { return nn::contrastive_loss(v[0], v[1], v[2]); });
  check("contrastive_loss", {{3}, {3}, x, x}, [](const Views& v) {
    return nn::contrastive_loss_backward(v[0], v[1], v[2], v[3], 1, kNone).x1;
  });
  check("triplet_margin_loss", {x, x, x},
        [](const Views& v) { return nn::triplet_margin_loss(v[0], v[1], v[2]); });
  check("triplet_margin_loss", {{3}, x, x, x}, [](const Views& v) {
    return nn::triplet_margin_loss_backward(v[0], v[1], v[2], v[3], kNone).anchor;
  });
  static const Labels spelled = Labels::full({2, 3}, 1);
  static const Labels frames{6, 6};
  static const Labels letters{1, 2};
  check("ctc_loss", {{6, 2, 5}},
        [](const Views& v) { return nn::ctc_loss(spelled, v[0], frames, letters); },
        {"0:0", "0:2"});
  check("ctc_loss", {{2}, {6, 2, 5}},
        [](const Views& v) {
          return nn::ctc_loss_backward(v[0], spelled, v[1], frames, letters, kNone);
        },
        {"1:0", "1:2"});
}

TEST(ArgumentsOfAllocating, ConvolutionGradients) {
  check("conv1d_backward_input", {{2, 4, 8}, {4, 3, 2}}, [](const Views& v) {
    return nn::conv1d_backward_input(v[0], v[1], {2, 3, 9});
  });
  check("conv1d_backward_weight", {{2, 4, 8}, {2, 3, 9}}, [](const Views& v) {
    return nn::conv1d_backward_weight(v[0], v[1], {4, 3, 2});
  });
  check("conv2d_backward_input", {{2, 4, 4, 5}, {4, 3, 2, 2}}, [](const Views& v) {
    return nn::conv2d_backward_input(v[0], v[1], {2, 3, 5, 6});
  });
  check("conv2d_backward_weight", {{2, 4, 4, 5}, {2, 3, 5, 6}}, [](const Views& v) {
    return nn::conv2d_backward_weight(v[0], v[1], {4, 3, 2, 2});
  });
  check("conv3d_backward_input", {{1, 3, 3, 3, 3}, {3, 2, 2, 2, 2}}, [](const Views& v) {
    return nn::conv3d_backward_input(v[0], v[1], {1, 2, 4, 4, 4});
  });
  check("conv_transpose2d_backward_input", {{2, 2, 5, 5}, {3, 2, 2, 2}}, [](const Views& v) {
    return nn::conv_transpose2d_backward_input(v[0], v[1], {2, 3, 4, 4});
  });
  check("conv_transpose2d_backward_weight", {{2, 2, 5, 5}, {2, 3, 4, 4}}, [](const Views& v) {
    return nn::conv_transpose2d_backward_weight(v[0], v[1], {3, 2, 2, 2});
  });
  check("unfold2d", {{2, 3, 5, 6}}, [](const Views& v) { return nn::unfold2d(v[0], 2); },
        {"0-", "0:0", "0:1", "0:2", "0:3"});
  check("fold2d", {{2, 12, 20}},
        [](const Views& v) {
          return nn::fold2d(v[0], {5, 6}, 2);
        },
        {"0-", "0:0"});
}

TEST(ArgumentsOfAllocating, PoolingAndPadding) {
  const std::set<std::string> any{"0-", "0:0", "0:1", "0:2", "0:3"};
  check(
      "max_pool2d", {{2, 3, 4, 6}}, [](const Views& v) { return nn::max_pool2d(v[0], 2); }, any);
  check(
      "avg_pool2d", {{2, 3, 4, 6}}, [](const Views& v) { return nn::avg_pool2d(v[0], 2); }, any);
  check(
      "lp_pool2d", {{2, 3, 4, 6}}, [](const Views& v) { return nn::lp_pool2d(v[0], 2, 2); }, any);
  check("max_pool2d_backward", {{2, 3, 2, 3}, {2, 3, 4, 6}},
        [](const Views& v) { return nn::max_pool2d_backward(v[0], v[1], 2); }, {"1:2", "1:3"});
  check("pad", {{2, 3}},
        [](const Views& v) {
          return nn::pad(v[0], {{1, 1}, {2, 0}});
        },
        {"0+", "0:0", "0:1"});
  check("pad_backward", {{4, 5}},
        [](const Views& v) {
          return nn::pad_backward(v[0], {{1, 1}, {2, 0}});
        },
        {"0+", "0:0", "0:1"});
}

TEST(ArgumentsOfAllocating, AttentionAndTables) {
  const Shape q{2, 3, 4};
  const Shape k{2, 5, 4};
  const Shape values{2, 5, 6};
  check("scaled_dot_product_attention_backward", {{2, 3, 6}, q, k, values}, [](const Views& v) {
    return nn::scaled_dot_product_attention_backward(v[0], v[1], v[2], v[3]).dq;
  });
  check("self_attention", {{2, 3, 4}, {4, 5}, {4, 5}, {4, 6}},
        [](const Views& v) { return nn::self_attention(v[0], v[1], v[2], v[3]); },
        {"0+", "0-", "0:0", "0:1", "3:1"});
  check(
      "self_attention_backward", {{2, 3, 6}, {2, 3, 4}, {4, 5}, {4, 5}, {4, 6}},
      [](const Views& v) { return nn::self_attention_backward(v[0], v[1], v[2], v[3], v[4]).dx; });
  static const Labels indices{2, 0};
  static const Labels bags = Labels::full({2, 3}, 1);
  check("embedding_backward", {{2, 3}},
        [](const Views& v) { return nn::embedding_backward(v[0], indices, 5); }, {"0:1"});
  check("embedding_bag", {{5, 3}}, [](const Views& v) { return nn::embedding_bag(bags, v[0]); },
        {"0:0", "0:1"});
  check("embedding_bag_backward", {{2, 3}, {5, 3}},
        [](const Views& v) { return nn::embedding_bag_backward(v[0], bags, v[1]); }, {"1:0"});
}

TEST(ArgumentsOfAllocating, ReductionAndArithmeticGradients) {
  for (const nn::ReductionInfo& row : nn::kReductions) {
    const std::string name = std::string(row.name) + "_backward";
    const bool needs_x = row.kind != nn::Reduction::Sum && row.kind != nn::Reduction::Mean;
    const bool needs_y =
        needs_x && row.kind != nn::Reduction::Prod && row.kind != nn::Reduction::Var;
    std::vector<Shape> inputs{{2, 4}};
    if (needs_x) {
      inputs.push_back({2, 3, 4});
    }
    if (needs_y) {
      inputs.push_back({2, 4});
    }
    check(name.c_str(), inputs, [=, kind = row.kind](const Views& v) {
      return nn::reduce_backward<float>(kind, v[0], {2, 3, 4}, needs_x ? v[1] : View<float>(),
                                        needs_y ? v[2] : View<float>(), {.axes = {1}});
    });
  }
  for (const nn::BinaryRow& row : nn::kBinaryTable) {
    const std::string name = std::string(row.name) + "_backward";
    check(name.c_str(), {{2, 4}, {2, 4}, {2, 4}},
          [op = row.op](const Views& v) { return nn::binary_backward_a(op, v[0], v[1], v[2]); },
          {"1-", "2-"});
    check(name.c_str(), {{2, 4}, {2, 4}, {2, 4}},
          [op = row.op](const Views& v) { return nn::binary_backward_b(op, v[0], v[1], v[2]); },
          {"1-", "2-"});
  }
  check("prelu_backward_slope", {{2, 3, 4}, {2, 3, 4}, {3}},
        [](const Views& v) { return nn::prelu_backward_slope(v[0], v[1], v[2]); }, {"2-", "2+"});
  static const Array<bool> mask{true, false, true, true};
  check("apply_dropout_mask", {{2, 4}},
        [](const Views& v) { return nn::apply_dropout_mask(v[0], mask, 0.5); },
        {"0+", "0-", "0:0"});
  check("sum_to_shape", {{2, 4}}, [](const Views& v) { return nn::sum_to_shape(v[0], {4}); },
        {"0+", "0-", "0:0"});
}

TEST(ArgumentsOfAllocating, Recurrent) {
  const auto weights = [](const Views& v, std::size_t first) {
    return nn::RecurrentWeights<float>(v[first], v[first + 1], v[first + 2], v[first + 3]);
  };
  const Shape x{5, 2, 3};
  const Shape state{1, 2, 4};
  check("rnn", {x, state, {4, 3}, {4, 4}, {4}, {4}},
        [=](const Views& v) { return nn::rnn(v[0], {weights(v, 2)}, v[1]).y; }, {"0:0"},
        {{1, 4, 5}});
  check("gru", {x, state, {12, 3}, {12, 4}, {12}, {12}},
        [=](const Views& v) { return nn::gru(v[0], {weights(v, 2)}, v[1]).y; }, {"0:0"},
        {{1, 4, 5}});
  check("lstm", {x, state, {16, 3}, {16, 4}, {16}, {16}, state},
        [=](const Views& v) { return nn::lstm(v[0], {weights(v, 2)}, v[1], v[6]).y; }, {"0:0"},
        {{1, 4, 5, 6}});
  check("rnn_cell", {{2, 3}, {2, 4}, {4, 3}, {4, 4}, {4}, {4}},
        [=](const Views& v) { return nn::rnn_cell(v[0], v[1], weights(v, 2)); }, {}, {{1, 4, 5}});
  check("lstm_cell", {{2, 3}, {2, 4}, {16, 3}, {16, 4}, {16}, {16}, {2, 4}},
        [=](const Views& v) { return nn::lstm_cell(v[0], v[1], v[6], weights(v, 2)).h; }, {},
        {{1, 4, 5, 6}});
  check("gru_cell", {{2, 3}, {2, 4}, {12, 3}, {12, 4}, {12}, {12}},
        [=](const Views& v) { return nn::gru_cell(v[0], v[1], weights(v, 2)); }, {}, {{1, 4, 5}});
}

}  // namespace
}  // namespace lamina
