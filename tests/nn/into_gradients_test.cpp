// Gradients, and whatever else writes to an array given, in one table: f_into(..., out) gives the
// bits of f(...) in memory of any layout, and refuses each argument that is spoiled before it
// writes. Of several results each has its turn, the others are left out.

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "lamina/nn/adaptive_pooling.hpp"
#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/attention.hpp"
#include "lamina/nn/comparison.hpp"
#include "lamina/nn/conv.hpp"
#include "lamina/nn/conv_transpose.hpp"
#include "lamina/nn/embedding.hpp"
#include "lamina/nn/loss.hpp"
#include "lamina/nn/max_unpool.hpp"
#include "lamina/nn/multi_head_attention.hpp"
#include "lamina/nn/pad.hpp"
#include "lamina/nn/pooling.hpp"
#include "lamina/nn/prelu.hpp"
#include "lamina/nn/recurrent.hpp"
#include "lamina/nn/reduction.hpp"
#include "lamina/nn/unfold.hpp"
#include "nn/into_pair.hpp"
#include "support/bad_arguments.hpp"

namespace lamina {
namespace {

using test::BadArguments;
using test::Into;
using test::Operation;
using test::Pair;
using Labels = Array<std::int64_t>;

constexpr auto kNone = ReductionMode::None;

/// What may be changed about the arguments, as in BadArguments.
struct Freedom {
  std::set<std::string> legal = {};
  std::set<std::size_t> optional = {};
  std::set<std::string> free_out = {};
  bool optional_out = false;
  std::set<std::size_t> in_place = {};
};

template <class T>
class Cases {
 public:
  using Views = typename Pair<T>::Views;

  template <class Allocate, class Write>
  static void check(const char* name, const std::vector<Shape>& inputs, const Allocate& allocate,
                    const Write& write, const Freedom& freedom = {}) {
    Into<T>::check({name, inputs, allocate, write, freedom.in_place});
    if constexpr (std::is_same_v<T, float>) {
      Operation operation{.name = name, .inputs = inputs, .out = {}, .run = write};
      std::vector<Array<float>> arrays;
      for (const Shape& shape : inputs) {
        arrays.push_back(Array<float>::full(shape, 0.5F));
      }
      operation.out = allocate(Views(arrays.begin(), arrays.end())).shape();
      operation.legal = freedom.legal;
      operation.optional = freedom.optional;
      operation.free_out = freedom.free_out;
      operation.optional_out = freedom.optional_out;
      operation.in_place = freedom.in_place;
      BadArguments::check(operation);
    }
  }
};

template <class T>
class IntoGradients : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(IntoGradients, Types);

#define LAMINA_V const typename Cases<T>::Views& v
#define LAMINA_OUT const MutView<T>& out

TYPED_TEST(IntoGradients, OfConvolution) {
  using T = TypeParam;
  using C = Cases<T>;
  C::check(
      "conv1d_backward_input", {{2, 4, 8}, {4, 3, 2}},
      [](LAMINA_V) {
        return nn::conv1d_backward_input<T>(v[0], v[1], {2, 3, 9});
      },
      [](LAMINA_V, LAMINA_OUT) { nn::conv1d_backward_input_into<T>(v[0], v[1], out); });
  C::check(
      "conv1d_backward_weight", {{2, 4, 8}, {2, 3, 9}},
      [](LAMINA_V) {
        return nn::conv1d_backward_weight<T>(v[0], v[1], {4, 3, 2});
      },
      [](LAMINA_V, LAMINA_OUT) { nn::conv1d_backward_weight_into<T>(v[0], v[1], out); });
  for (const nn::PaddingValue value : {nn::PaddingValue::Zero, nn::PaddingValue::Reflect}) {
    for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
      const nn::Conv2dOptions options{.padding = 1, .format = format, .padding_value = value};
      const bool first = format == DataFormat::NCHW;
      const Shape dy = first ? Shape{2, 4, 6, 7} : Shape{2, 6, 7, 4};
      const Shape x = first ? Shape{2, 3, 5, 6} : Shape{2, 5, 6, 3};
      C::check(
          "conv2d_backward_input", {dy, {4, 3, 2, 2}},
          [=](LAMINA_V) { return nn::conv2d_backward_input<T>(v[0], v[1], x, options); },
          [=](LAMINA_V, LAMINA_OUT) {
            nn::conv2d_backward_input_into<T>(v[0], v[1], out, options);
          });
      C::check(
          "conv2d_backward_weight", {dy, x},
          [=](LAMINA_V) {
            return nn::conv2d_backward_weight<T>(v[0], v[1], {4, 3, 2, 2}, options);
          },
          [=](LAMINA_V, LAMINA_OUT) {
            nn::conv2d_backward_weight_into<T>(v[0], v[1], out, options);
          });
    }
  }
  C::check(
      "conv3d_backward_input", {{1, 3, 3, 3, 3}, {3, 2, 2, 2, 2}},
      [](LAMINA_V) {
        return nn::conv3d_backward_input<T>(v[0], v[1], {1, 2, 4, 4, 4});
      },
      [](LAMINA_V, LAMINA_OUT) { nn::conv3d_backward_input_into<T>(v[0], v[1], out); });
  C::check(
      "conv3d_backward_weight", {{1, 3, 3, 3, 3}, {1, 2, 4, 4, 4}},
      [](LAMINA_V) {
        return nn::conv3d_backward_weight<T>(v[0], v[1], {3, 2, 2, 2, 2});
      },
      [](LAMINA_V, LAMINA_OUT) { nn::conv3d_backward_weight_into<T>(v[0], v[1], out); });
  C::check(
      "conv_backward_bias", {{2, 4, 3}}, [](LAMINA_V) { return nn::conv_backward_bias<T>(v[0]); },
      [](LAMINA_V, LAMINA_OUT) { nn::conv_backward_bias_into<T>(v[0], out); },
      {.legal = {"0+", "0:0", "0:2"}});
}

TYPED_TEST(IntoGradients, OfDepthwiseAndSeparableConvolution) {
  using T = TypeParam;
  using C = Cases<T>;
  C::check(
      "depthwise_conv2d", {{2, 3, 5, 6}, {6, 1, 2, 2}, {6}},
      [](LAMINA_V) { return nn::depthwise_conv2d<T>(v[0], v[1], v[2]); },
      [](LAMINA_V, LAMINA_OUT) { nn::depthwise_conv2d_into<T>(v[0], v[1], v[2], out); },
      {.optional = {2}});
  C::check(
      "depthwise_conv2d_backward_input", {{2, 6, 4, 5}, {6, 1, 2, 2}},
      [](LAMINA_V) {
        return nn::depthwise_conv2d_backward_input<T>(v[0], v[1], {2, 3, 5, 6});
      },
      [](LAMINA_V, LAMINA_OUT) { nn::depthwise_conv2d_backward_input_into<T>(v[0], v[1], out); });
  C::check(
      "depthwise_conv2d_backward_weight", {{2, 6, 4, 5}, {2, 3, 5, 6}},
      [](LAMINA_V) {
        return nn::depthwise_conv2d_backward_weight<T>(v[0], v[1], {6, 1, 2, 2});
      },
      [](LAMINA_V, LAMINA_OUT) { nn::depthwise_conv2d_backward_weight_into<T>(v[0], v[1], out); });
  C::check(
      "separable_conv2d", {{2, 3, 5, 6}, {6, 1, 2, 2}, {4, 6, 1, 1}, {4}},
      [](LAMINA_V) { return nn::separable_conv2d<T>(v[0], v[1], v[2], v[3]); },
      [](LAMINA_V, LAMINA_OUT) { nn::separable_conv2d_into<T>(v[0], v[1], v[2], v[3], out); },
      {.optional = {3}});
  const std::vector<Shape> inputs{{2, 4, 4, 5}, {2, 3, 5, 6}, {6, 1, 2, 2}, {4, 6, 1, 1}};
  const auto all = [](LAMINA_V) {
    return nn::separable_conv2d_backward<T>(v[0], v[1], v[2], v[3]);
  };
  const auto write = [](LAMINA_V, MutArg<T> dx, MutArg<T> along, MutArg<T> across) {
    nn::separable_conv2d_backward_into<T>(v[0], v[1], v[2], v[3], dx, along, across);
  };
  C::check(
      "separable_conv2d_backward", inputs, [=](LAMINA_V) { return all(v).dx; },
      [=](LAMINA_V, LAMINA_OUT) { write(v, out, {}, {}); }, {.optional_out = true});
  C::check(
      "separable_conv2d_backward", inputs, [=](LAMINA_V) { return all(v).ddepthwise; },
      [=](LAMINA_V, LAMINA_OUT) { write(v, {}, out, {}); }, {.optional_out = true});
  C::check(
      "separable_conv2d_backward", inputs, [=](LAMINA_V) { return all(v).dpointwise; },
      [=](LAMINA_V, LAMINA_OUT) { write(v, {}, {}, out); }, {.optional_out = true});
}

TYPED_TEST(IntoGradients, OfTransposedConvolution) {
  using T = TypeParam;
  using C = Cases<T>;
  C::check(
      "conv_transpose1d_backward_input", {{2, 2, 9}, {3, 2, 2}},
      [](LAMINA_V) {
        return nn::conv_transpose1d_backward_input<T>(v[0], v[1], {2, 3, 8});
      },
      [](LAMINA_V, LAMINA_OUT) { nn::conv_transpose1d_backward_input_into<T>(v[0], v[1], out); });
  C::check(
      "conv_transpose1d_backward_weight", {{2, 2, 9}, {2, 3, 8}},
      [](LAMINA_V) {
        return nn::conv_transpose1d_backward_weight<T>(v[0], v[1], {3, 2, 2});
      },
      [](LAMINA_V, LAMINA_OUT) { nn::conv_transpose1d_backward_weight_into<T>(v[0], v[1], out); });
  C::check(
      "conv_transpose2d_backward_input", {{2, 2, 5, 5}, {3, 2, 2, 2}},
      [](LAMINA_V) {
        return nn::conv_transpose2d_backward_input<T>(v[0], v[1], {2, 3, 4, 4});
      },
      [](LAMINA_V, LAMINA_OUT) { nn::conv_transpose2d_backward_input_into<T>(v[0], v[1], out); });
  C::check(
      "conv_transpose2d_backward_weight", {{2, 2, 5, 5}, {2, 3, 4, 4}},
      [](LAMINA_V) {
        return nn::conv_transpose2d_backward_weight<T>(v[0], v[1], {3, 2, 2, 2});
      },
      [](LAMINA_V, LAMINA_OUT) { nn::conv_transpose2d_backward_weight_into<T>(v[0], v[1], out); });
  C::check(
      "conv_transpose3d_backward_input", {{1, 2, 4, 3, 5}, {3, 2, 2, 2, 2}},
      [](LAMINA_V) {
        return nn::conv_transpose3d_backward_input<T>(v[0], v[1], {1, 3, 3, 2, 4});
      },
      [](LAMINA_V, LAMINA_OUT) { nn::conv_transpose3d_backward_input_into<T>(v[0], v[1], out); });
  C::check(
      "conv_transpose3d_backward_weight", {{1, 2, 4, 3, 5}, {1, 3, 3, 2, 4}},
      [](LAMINA_V) {
        return nn::conv_transpose3d_backward_weight<T>(v[0], v[1], {3, 2, 2, 2, 2});
      },
      [](LAMINA_V, LAMINA_OUT) { nn::conv_transpose3d_backward_weight_into<T>(v[0], v[1], out); });
}

TYPED_TEST(IntoGradients, OfPaddingAndWindows) {
  using T = TypeParam;
  using C = Cases<T>;
  const std::vector<PaddingAmount> amounts{{1, 1}, {2, 0}};
  for (const nn::PaddingValue value : {nn::PaddingValue::Zero, nn::PaddingValue::Replicate,
                                       nn::PaddingValue::Reflect, nn::PaddingValue::Circular}) {
    C::check(
        "pad", {{2, 3}}, [=](LAMINA_V) { return nn::pad<T>(v[0], amounts, value); },
        [=](LAMINA_V, LAMINA_OUT) { nn::pad_into<T>(v[0], amounts, out, value); });
    C::check(
        "pad_backward", {{4, 5}},
        [=](LAMINA_V) { return nn::pad_backward<T>(v[0], amounts, value); },
        [=](LAMINA_V, LAMINA_OUT) { nn::pad_backward_into<T>(v[0], amounts, out, value); });
  }
  C::check(
      "pad", {{2, 3}}, [=](LAMINA_V) { return nn::pad<T>(v[0], amounts, T(7)); },
      [=](LAMINA_V, LAMINA_OUT) { nn::pad_into<T>(v[0], amounts, out, T(7)); });
  C::check(
      "pad", {{2, 3}}, [](LAMINA_V) { return nn::pad<T>(v[0], {}, T(7)); },
      [](LAMINA_V, LAMINA_OUT) { nn::pad_into<T>(v[0], {}, out, T(7)); });
  for (const nn::PaddingValue value : {nn::PaddingValue::Zero, nn::PaddingValue::Replicate}) {
    const nn::Unfold2dOptions options{.padding = 1, .padding_value = value};
    C::check(
        "unfold2d", {{2, 3, 3, 4}}, [=](LAMINA_V) { return nn::unfold2d<T>(v[0], 2, options); },
        [=](LAMINA_V, LAMINA_OUT) { nn::unfold2d_into<T>(v[0], 2, out, options); });
    C::check(
        "fold2d", {{2, 12, 20}},
        [=](LAMINA_V) {
          return nn::fold2d<T>(v[0], {3, 4}, 2, options);
        },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::fold2d_into<T>(v[0], {3, 4}, 2, out, options);
        });
    C::check(
        "im2col", {{2, 3, 3, 4}}, [=](LAMINA_V) { return nn::im2col<T>(v[0], 2, options); },
        [=](LAMINA_V, LAMINA_OUT) { nn::im2col_into<T>(v[0], 2, out, options); });
    C::check(
        "col2im", {{12, 40}},
        [=](LAMINA_V) {
          return nn::col2im<T>(v[0], {2, 3, 3, 4}, 2, options);
        },
        [=](LAMINA_V, LAMINA_OUT) { nn::col2im_into<T>(v[0], 2, out, options); });
  }
  C::check(
      "unfold1d", {{2, 3, 5}}, [](LAMINA_V) { return nn::unfold1d<T>(v[0], 2); },
      [](LAMINA_V, LAMINA_OUT) { nn::unfold1d_into<T>(v[0], 2, out); });
  C::check(
      "fold1d", {{2, 6, 4}}, [](LAMINA_V) { return nn::fold1d<T>(v[0], 5, 2); },
      [](LAMINA_V, LAMINA_OUT) { nn::fold1d_into<T>(v[0], 5, 2, out); });
  C::check(
      "unfold3d", {{2, 2, 3, 3}}, [](LAMINA_V) { return nn::unfold3d<T>(v[0], 2); },
      [](LAMINA_V, LAMINA_OUT) { nn::unfold3d_into<T>(v[0], 2, out); });
  C::check(
      "fold3d", {{16, 4}},
      [](LAMINA_V) {
        return nn::fold3d<T>(v[0], {2, 3, 3}, 2);
      },
      [](LAMINA_V, LAMINA_OUT) {
        nn::fold3d_into<T>(v[0], {2, 3, 3}, 2, out);
      });
}

TYPED_TEST(IntoGradients, OfPooling) {
  using T = TypeParam;
  using C = Cases<T>;
  const Shape x{2, 3, 4, 6};
  const Shape dy{2, 3, 2, 3};
  C::check(
      "max_pool2d_backward", {dy, x},
      [](LAMINA_V) { return nn::max_pool2d_backward<T>(v[0], v[1], 2); },
      [](LAMINA_V, LAMINA_OUT) { nn::max_pool2d_backward_into<T>(v[0], v[1], 2, out); });
  C::check(
      "lp_pool2d_backward", {dy, x, dy},
      [](LAMINA_V) { return nn::lp_pool2d_backward<T>(v[0], v[1], v[2], 3, 2); },
      [](LAMINA_V, LAMINA_OUT) { nn::lp_pool2d_backward_into<T>(v[0], v[1], v[2], 3, 2, out); });
  C::check(
      "adaptive_max_pool2d_backward", {{2, 3, 2, 4}, x},
      [](LAMINA_V) { return nn::adaptive_max_pool2d_backward<T>(v[0], v[1]); },
      [](LAMINA_V, LAMINA_OUT) { nn::adaptive_max_pool2d_backward_into<T>(v[0], v[1], out); },
      {.legal = {"0:2", "0:3", "1:2", "1:3"}, .free_out = {}});
  C::check(
      "global_avg_pool2d_backward", {{2, 3}},
      [](LAMINA_V) {
        return nn::global_avg_pool2d_backward<T>(v[0], {2, 3, 4, 6});
      },
      [](LAMINA_V, LAMINA_OUT) { nn::global_avg_pool2d_backward_into<T>(v[0], out); },
      {.free_out = {":2", ":3"}});
  C::check(
      "global_max_pool2d_backward", {{2, 3}, x},
      [](LAMINA_V) { return nn::global_max_pool2d_backward<T>(v[0], v[1]); },
      [](LAMINA_V, LAMINA_OUT) { nn::global_max_pool2d_backward_into<T>(v[0], v[1], out); });
  static const Labels places = Labels::full({2, 3, 2, 3}, 5);
  C::check(
      "max_unpool2d_backward", {x},
      [](LAMINA_V) { return nn::max_unpool2d_backward<T>(v[0], places); },
      [](LAMINA_V, LAMINA_OUT) { nn::max_unpool2d_backward_into<T>(v[0], places, out); },
      {.legal = {"0:2", "0:3"}});
}

TYPED_TEST(IntoGradients, OfArithmetic) {
  using T = TypeParam;
  using C = Cases<T>;
  for (const nn::BinaryRow& row : nn::kBinaryTable) {
    const std::string name = std::string(row.name) + "_backward";
    for (const Shape& a : {Shape{2, 4}, Shape{4}, Shape{2, 1}}) {
      const Freedom freedom{.legal = {"1-", "1+", "2-"}};
      C::check(
          name.c_str(), {{2, 4}, a, {2, 4}},
          [op = row.op](LAMINA_V) { return nn::binary_backward_a<T>(op, v[0], v[1], v[2]); },
          [op = row.op](LAMINA_V, LAMINA_OUT) {
            nn::binary_backward_a_into<T>(op, v[0], v[1], v[2], out);
          },
          a.rank() == 2 && a[1] == 4 ? Freedom{.legal = {"2-"}} : freedom);
      C::check(
          name.c_str(), {{2, 4}, {2, 4}, {2, 4}},
          [op = row.op](LAMINA_V) { return nn::binary_backward_b<T>(op, v[0], v[1], v[2]); },
          [op = row.op](LAMINA_V, LAMINA_OUT) {
            nn::binary_backward_b_into<T>(op, v[0], v[1], v[2], out);
          },
          {.legal = {"1-"}});
    }
  }
  C::check(
      "sum_to_shape", {{3, 2, 4}},
      [](LAMINA_V) {
        return nn::sum_to_shape<T>(v[0], {2, 1});
      },
      [](LAMINA_V, LAMINA_OUT) { nn::sum_to_shape_into<T>(v[0], out); },
      {.legal = {"0+", "0-", "0:0", "0:2"}, .free_out = {"+", "-"}});
  C::check(
      "clamp_backward", {{3, 4}, {3, 4}},
      [](LAMINA_V) { return nn::clamp_backward<T>(v[0], v[1], T(0.4), T(0.6)); },
      [](LAMINA_V, LAMINA_OUT) { nn::clamp_backward_into<T>(v[0], v[1], T(0.4), T(0.6), out); },
      {.in_place = {0, 1}});
  C::check(
      "prelu_backward_slope", {{2, 3, 4}, {2, 3, 4}, {3}},
      [](LAMINA_V) { return nn::prelu_backward_slope<T>(v[0], v[1], v[2]); },
      [](LAMINA_V, LAMINA_OUT) { nn::prelu_backward_slope_into<T>(v[0], v[1], v[2], out); });
  static const Array<bool> condition{true, false, true, true};
  C::check(
      "where_backward", {{2, 4}},
      [](LAMINA_V) {
        return nn::where_backward<T>(v[0], condition, {2, 1}, {4}).da;
      },
      [](LAMINA_V, LAMINA_OUT) { nn::where_backward_into<T>(v[0], condition, out, {}); },
      {.legal = {"0+"}, .free_out = {"-"}, .optional_out = true});
  C::check(
      "where_backward", {{2, 4}},
      [](LAMINA_V) {
        return nn::where_backward<T>(v[0], condition, {2, 1}, {2, 4}).db;
      },
      [](LAMINA_V, LAMINA_OUT) { nn::where_backward_into<T>(v[0], condition, {}, out); },
      {.legal = {"0+"}, .free_out = {"-"}, .optional_out = true});
}

TYPED_TEST(IntoGradients, OfAttention) {
  using T = TypeParam;
  using C = Cases<T>;
  const std::vector<Shape> inputs{{2, 3, 6}, {2, 3, 4}, {2, 5, 4}, {2, 5, 6}};
  const auto all = [](LAMINA_V) {
    return nn::scaled_dot_product_attention_backward<T>(v[0], v[1], v[2], v[3]);
  };
  const auto write = [](LAMINA_V, MutArg<T> dq, MutArg<T> dk, MutArg<T> dv) {
    nn::scaled_dot_product_attention_backward_into<T>(v[0], v[1], v[2], v[3], dq, dk, dv);
  };
  const char* const name = "scaled_dot_product_attention_backward";
  C::check(
      name, inputs, [=](LAMINA_V) { return all(v).dq; },
      [=](LAMINA_V, LAMINA_OUT) { write(v, out, {}, {}); }, {.optional_out = true});
  C::check(
      name, inputs, [=](LAMINA_V) { return all(v).dk; },
      [=](LAMINA_V, LAMINA_OUT) { write(v, {}, out, {}); }, {.optional_out = true});
  C::check(
      name, inputs, [=](LAMINA_V) { return all(v).dv; },
      [=](LAMINA_V, LAMINA_OUT) { write(v, {}, {}, out); }, {.optional_out = true});
  C::check(
      "scaled_dot_product_attention_backward_bias",
      {{2, 3, 6}, {2, 3, 4}, {2, 5, 4}, {2, 5, 6}, {3, 5}},
      [](LAMINA_V) {
        return nn::scaled_dot_product_attention_backward_bias<T>(v[0], v[1], v[2], v[3],
                                                                 {.bias = v[4]});
      },
      [](LAMINA_V, LAMINA_OUT) {
        nn::scaled_dot_product_attention_backward_bias_into<T>(v[0], v[1], v[2], v[3], out,
                                                               {.bias = v[4]});
      });
  C::check(
      "scaled_dot_product_attention_weights", {{2, 3, 4}, {2, 5, 4}},
      [](LAMINA_V) { return nn::scaled_dot_product_attention_weights<T>(v[0], v[1]); },
      [](LAMINA_V, LAMINA_OUT) {
        nn::scaled_dot_product_attention_weights_into<T>(v[0], v[1], out);
      });
  const std::vector<Shape> self{{2, 3, 6}, {2, 3, 4}, {4, 5}, {4, 5}, {4, 6}};
  C::check(
      "self_attention", {{2, 3, 4}, {4, 5}, {4, 5}, {4, 6}},
      [](LAMINA_V) { return nn::self_attention<T>(v[0], v[1], v[2], v[3]); },
      [](LAMINA_V, LAMINA_OUT) { nn::self_attention_into<T>(v[0], v[1], v[2], v[3], out); });
  const auto self_all = [](LAMINA_V) {
    return nn::self_attention_backward<T>(v[0], v[1], v[2], v[3], v[4]);
  };
  C::check(
      "self_attention_backward", self, [=](LAMINA_V) { return self_all(v).dx; },
      [](LAMINA_V, LAMINA_OUT) {
        nn::self_attention_backward_into<T>(v[0], v[1], v[2], v[3], v[4], out, {}, {}, {});
      },
      {.optional_out = true});
  C::check(
      "self_attention_backward", self, [=](LAMINA_V) { return self_all(v).dw_k; },
      [](LAMINA_V, LAMINA_OUT) {
        nn::self_attention_backward_into<T>(v[0], v[1], v[2], v[3], v[4], {}, {}, out, {});
      },
      {.optional_out = true});
}

TYPED_TEST(IntoGradients, OfMultiHeadAttention) {
  using T = TypeParam;
  using C = Cases<T>;
  using Gradients = nn::MultiHeadAttentionGradients<T>;
  using Targets = nn::MultiHeadAttentionGradientViews<T>;
  const auto weights = [](LAMINA_V, std::size_t i) {
    return nn::MultiHeadAttentionWeights<T>{v[i], v[i + 1], v[i + 2], v[i + 3], v[i + 4]};
  };
  C::check(
      "multi_head_attention",
      {{2, 3, 4}, {2, 5, 4}, {2, 5, 4}, {6, 4}, {6, 4}, {6, 4}, {3, 6}, {6}},
      [=](LAMINA_V) { return nn::multi_head_attention<T>(v[0], v[1], v[2], weights(v, 3), 2); },
      [=](LAMINA_V, LAMINA_OUT) {
        nn::multi_head_attention_into<T>(v[0], v[1], v[2], weights(v, 3), 2, out);
      },
      {.optional = {7}});
  const std::vector<Shape> inputs{{2, 3, 3}, {2, 3, 4}, {2, 5, 4}, {2, 5, 4}, {6, 4},
                                  {6, 4},    {6, 4},    {3, 6},    {6}};
  const auto each = [&](Array<T> Gradients::*member, MutView<T> Targets::*target,
                        std::set<std::size_t> optional) {
    C::check(
        "multi_head_attention_backward", inputs,
        [=](LAMINA_V) {
          return nn::multi_head_attention_backward<T>(v[0], v[1], v[2], v[3], weights(v, 4), 2).*
                 member;
        },
        [=](LAMINA_V, LAMINA_OUT) {
          Targets targets;
          targets.*target = out;
          nn::multi_head_attention_backward_into<T>(v[0], v[1], v[2], v[3], weights(v, 4), 2,
                                                    targets);
        },
        {.optional = std::move(optional), .optional_out = true});
  };
  each(&Gradients::dquery, &Targets::dquery, {8});
  each(&Gradients::dkey, &Targets::dkey, {8});
  each(&Gradients::dw_v, &Targets::dw_v, {8});
  each(&Gradients::dw_o, &Targets::dw_o, {8});
  each(&Gradients::db_q, &Targets::db_q, {});
}

TYPED_TEST(IntoGradients, OfBags) {
  using T = TypeParam;
  using C = Cases<T>;
  static const Labels bags{{1, 0, 4}, {2, 2, 1}};
  for (const nn::BagMode mode : {nn::BagMode::Sum, nn::BagMode::Mean, nn::BagMode::Max}) {
    C::check(
        "embedding_bag", {{5, 3}}, [=](LAMINA_V) { return nn::embedding_bag<T>(bags, v[0], mode); },
        [=](LAMINA_V, LAMINA_OUT) { nn::embedding_bag_into<T>(bags, v[0], mode, out); },
        {.legal = {"0:0"}});
    C::check(
        "embedding_bag_backward", {{2, 3}, {5, 3}},
        [=](LAMINA_V) { return nn::embedding_bag_backward<T>(v[0], bags, v[1], mode); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::embedding_bag_backward_into<T>(v[0], bags, v[1], mode, out);
        });
  }
  C::check(
      "embedding_bag_backward_weights", {{2, 3}, {5, 3}, {2, 3}},
      [](LAMINA_V) {
        return nn::embedding_bag_backward_weights<T>(v[0], bags, v[1], {.weights = v[2]});
      },
      [](LAMINA_V, LAMINA_OUT) {
        nn::embedding_bag_backward_weights_into<T>(v[0], bags, v[1], out, {.weights = v[2]});
      },
      {.legal = {"1:0"}});
}

TYPED_TEST(IntoGradients, OfClassLosses) {
  using T = TypeParam;
  using C = Cases<T>;
  static const Labels labels{0, 3, 1};
  static const Labels several{{0, 2, -1, -1}, {3, -1, 0, 0}, {1, 0, 2, 3}};
  const Shape x{3, 4};
  for (const ReductionMode mode : {ReductionMode::None, ReductionMode::Mean, ReductionMode::Sum}) {
    const bool none = mode == ReductionMode::None;
    const Shape dy = none ? Shape{3} : Shape{};
    const nn::CrossEntropyOptions<T> cross{.mode = mode, .label_smoothing = 0.1};
    C::check(
        "cross_entropy", {x}, [=](LAMINA_V) { return nn::cross_entropy<T>(labels, v[0], cross); },
        [=](LAMINA_V, LAMINA_OUT) { nn::cross_entropy_into<T>(labels, v[0], out, cross); },
        {.legal = {"0:1"}});
    C::check(
        "cross_entropy", {x, x}, [=](LAMINA_V) { return nn::cross_entropy<T>(v[0], v[1], cross); },
        [=](LAMINA_V, LAMINA_OUT) { nn::cross_entropy_into<T>(v[0], v[1], out, cross); });
    // The loss and its gradient by turns, the other one beside it.
    for (const bool gradient : {false, true}) {
      const auto of = [=](nn::LossAndGradient<T> both) {
        return gradient ? both.gradient : both.loss;
      };
      const auto with = [=](const MutView<T>& out, const auto& write) {
        Array<T> other = Array<T>::empty(gradient ? dy : x);
        gradient ? write(other.view(), out) : write(out, other.view());
      };
      C::check(
          "cross_entropy", {x},
          [=](LAMINA_V) { return of(nn::cross_entropy_with_gradient<T>(labels, v[0], cross)); },
          [=](LAMINA_V, LAMINA_OUT) {
            with(out, [&](const MutView<T>& loss, const MutView<T>& dx) {
              nn::cross_entropy_with_gradient_into<T>(labels, v[0], loss, dx, cross);
            });
          },
          {.legal = {"0:1"}});
      C::check(
          "cross_entropy", {x, x},
          [=](LAMINA_V) { return of(nn::cross_entropy_with_gradient<T>(v[0], v[1], cross)); },
          [=](LAMINA_V, LAMINA_OUT) {
            with(out, [&](const MutView<T>& loss, const MutView<T>& dx) {
              nn::cross_entropy_with_gradient_into<T>(v[0], v[1], loss, dx, cross);
            });
          });
    }
    C::check(
        "cross_entropy", {dy, x, x},
        [=](LAMINA_V) { return nn::cross_entropy_backward_true<T>(v[0], v[1], v[2], cross); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::cross_entropy_backward_true_into<T>(v[0], v[1], v[2], out, cross);
        });
    C::check(
        "sparse_categorical_cross_entropy", {x},
        [=](LAMINA_V) { return nn::sparse_categorical_cross_entropy<T>(labels, v[0], mode); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::sparse_categorical_cross_entropy_into<T>(labels, v[0], out, mode);
        },
        {.legal = {"0:1"}});
    C::check(
        "categorical_cross_entropy", {x, x},
        [=](LAMINA_V) { return nn::categorical_cross_entropy<T>(v[0], v[1], mode); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::categorical_cross_entropy_into<T>(v[0], v[1], out, mode);
        });
    C::check(
        "categorical_cross_entropy", {dy, x, x},
        [=](LAMINA_V) {
          return nn::categorical_cross_entropy_backward_true<T>(v[0], v[1], v[2], mode);
        },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::categorical_cross_entropy_backward_true_into<T>(v[0], v[1], v[2], out, mode);
        });
    C::check(
        "nll_loss", {x}, [=](LAMINA_V) { return nn::nll_loss<T>(labels, v[0], mode); },
        [=](LAMINA_V, LAMINA_OUT) { nn::nll_loss_into<T>(labels, v[0], out, mode); },
        {.legal = {"0:1"}});
    C::check(
        "multi_margin_loss", {x},
        [=](LAMINA_V) { return nn::multi_margin_loss<T>(labels, v[0], mode); },
        [=](LAMINA_V, LAMINA_OUT) { nn::multi_margin_loss_into<T>(labels, v[0], out, mode); },
        {.legal = {"0:1"}});
    C::check(
        "multi_margin_loss", {dy, x},
        [=](LAMINA_V) { return nn::multi_margin_loss_backward<T>(v[0], labels, v[1], mode); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::multi_margin_loss_backward_into<T>(v[0], labels, v[1], out, mode);
        });
    C::check(
        "multi_label_margin_loss", {x},
        [=](LAMINA_V) { return nn::multi_label_margin_loss<T>(several, v[0], mode); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::multi_label_margin_loss_into<T>(several, v[0], out, mode);
        });
    C::check(
        "multi_label_margin_loss", {dy, x},
        [=](LAMINA_V) {
          return nn::multi_label_margin_loss_backward<T>(v[0], several, v[1], mode);
        },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::multi_label_margin_loss_backward_into<T>(v[0], several, v[1], out, mode);
        });
    C::check(
        "multi_label_soft_margin_loss", {x, x, {4}},
        [=](LAMINA_V) { return nn::multi_label_soft_margin_loss<T>(v[0], v[1], mode, v[2]); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::multi_label_soft_margin_loss_into<T>(v[0], v[1], out, mode, v[2]);
        },
        {.optional = {2}});
    C::check(
        "multi_label_soft_margin_loss", {dy, x, x},
        [=](LAMINA_V) {
          return nn::multi_label_soft_margin_loss_backward<T>(v[0], v[1], v[2], mode);
        },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::multi_label_soft_margin_loss_backward_into<T>(v[0], v[1], v[2], out, mode);
        });
  }
}

TYPED_TEST(IntoGradients, OfVectorAndSequenceLosses) {
  using T = TypeParam;
  using C = Cases<T>;
  static const Array<T> signs{1, -1, 1};
  const Shape x{3, 4};
  for (const ReductionMode mode : {ReductionMode::None, ReductionMode::Mean}) {
    const Shape dy = mode == ReductionMode::None ? Shape{3} : Shape{};
    C::check(
        "cosine_embedding_loss", {x, x},
        [=](LAMINA_V) { return nn::cosine_embedding_loss<T>(v[0], v[1], signs.view(), 0.1, mode); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::cosine_embedding_loss_into<T>(v[0], v[1], signs.view(), out, 0.1, mode);
        });
    C::check(
        "contrastive_loss", {{3}, x, x},
        [=](LAMINA_V) { return nn::contrastive_loss<T>(v[0], v[1], v[2], 1, mode); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::contrastive_loss_into<T>(v[0], v[1], v[2], out, 1, mode);
        });
    C::check(
        "triplet_margin_loss", {x, x, x},
        [=](LAMINA_V) { return nn::triplet_margin_loss<T>(v[0], v[1], v[2], mode); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::triplet_margin_loss_into<T>(v[0], v[1], v[2], out, mode);
        });
    for (const bool second : {false, true}) {
      const auto pick = [=](nn::PairGradients<T> d) { return second ? d.x2 : d.x1; };
      C::check(
          "cosine_embedding_loss", {dy, x, x},
          [=](LAMINA_V) {
            return pick(
                nn::cosine_embedding_loss_backward<T>(v[0], v[1], v[2], signs.view(), 0.1, mode));
          },
          [=](LAMINA_V, LAMINA_OUT) {
            nn::cosine_embedding_loss_backward_into<T>(v[0], v[1], v[2], signs.view(),
                                                       second ? MutView<T>() : out,
                                                       second ? out : MutView<T>(), 0.1, mode);
          },
          {.optional_out = true});
      C::check(
          "contrastive_loss", {dy, {3}, x, x},
          [=](LAMINA_V) {
            return pick(nn::contrastive_loss_backward<T>(v[0], v[1], v[2], v[3], 1, mode));
          },
          [=](LAMINA_V, LAMINA_OUT) {
            nn::contrastive_loss_backward_into<T>(v[0], v[1], v[2], v[3],
                                                  second ? MutView<T>() : out,
                                                  second ? out : MutView<T>(), 1, mode);
          },
          {.optional_out = true});
    }
    for (const std::size_t which : {0U, 1U, 2U}) {
      C::check(
          "triplet_margin_loss", {dy, x, x, x},
          [=](LAMINA_V) {
            auto d = nn::triplet_margin_loss_backward<T>(v[0], v[1], v[2], v[3], mode);
            return which == 0 ? d.anchor : which == 1 ? d.positive : d.negative;
          },
          [=](LAMINA_V, LAMINA_OUT) {
            std::array<MutView<T>, 3> targets;
            targets[which] = out;
            nn::triplet_margin_loss_backward_into<T>(v[0], v[1], v[2], v[3], targets[0], targets[1],
                                                     targets[2], mode);
          },
          {.optional_out = true});
    }
  }
  static const Labels spelled{{1, 2, 1}, {3, 3, 1}};
  static const Labels frames{6, 5};
  static const Labels letters{1, 2};
  C::check(
      "ctc_loss", {{6, 2, 5}},
      [](LAMINA_V) { return nn::ctc_loss<T>(spelled, v[0], frames, letters); },
      [](LAMINA_V, LAMINA_OUT) { nn::ctc_loss_into<T>(spelled, v[0], frames, letters, out); },
      {.legal = {"0:0", "0:2"}});
  C::check(
      "ctc_loss", {{2}, {6, 2, 5}},
      [](LAMINA_V) {
        return nn::ctc_loss_backward<T>(v[0], spelled, v[1], frames, letters, kNone);
      },
      [](LAMINA_V, LAMINA_OUT) {
        nn::ctc_loss_backward_into<T>(v[0], spelled, v[1], frames, letters, out, kNone);
      });
}

TYPED_TEST(IntoGradients, OfRecurrentCells) {
  using T = TypeParam;
  using C = Cases<T>;
  using Targets = nn::RecurrentCellGradientViews<T>;
  using WeightTargets = nn::RecurrentWeightGradientViews<T>;
  const auto weights = [](LAMINA_V, std::size_t first, bool peepholes = false) {
    return nn::RecurrentWeights<T>(v[first], v[first + 1], v[first + 2], v[first + 3],
                                   peepholes ? v[first + 4] : View<T>());
  };
  C::check(
      "rnn_cell", {{2, 3}, {2, 4}, {4, 3}, {4, 4}, {4}, {4}},
      [=](LAMINA_V) { return nn::rnn_cell<T>(v[0], v[1], weights(v, 2)); },
      [=](LAMINA_V, LAMINA_OUT) { nn::rnn_cell_into<T>(v[0], v[1], weights(v, 2), out); },
      {.optional = {1, 4, 5}});
  C::check(
      "gru_cell", {{2, 3}, {2, 4}, {12, 3}, {12, 4}, {12}, {12}},
      [=](LAMINA_V) { return nn::gru_cell<T>(v[0], v[1], weights(v, 2)); },
      [=](LAMINA_V, LAMINA_OUT) { nn::gru_cell_into<T>(v[0], v[1], weights(v, 2), out); },
      {.optional = {1, 4, 5}});
  const std::vector<Shape> lstm{{2, 3}, {2, 4}, {2, 4}, {16, 3}, {16, 4}, {16}, {16}, {3, 4}};
  for (const bool cell : {false, true}) {
    C::check(
        "lstm_cell", lstm,
        [=](LAMINA_V) {
          auto state = nn::lstm_cell<T>(v[0], v[1], v[2], weights(v, 3, true));
          return cell ? state.c : state.h;
        },
        [=](LAMINA_V, LAMINA_OUT) {
          Array<T> other = Array<T>::empty({2, 4});
          nn::lstm_cell_into<T>(v[0], v[1], v[2], weights(v, 3, true),
                                cell ? MutView<T>(other) : out, cell ? out : MutView<T>(other));
        },
        {.optional = {1, 2, 5, 6, 7}});
  }
  std::vector<Shape> backward{{2, 4}, {2, 4}};
  backward.insert(backward.end(), lstm.begin(), lstm.end());
  const auto each = [&](auto pick, auto target, const std::set<std::size_t>& optional) {
    C::check(
        "lstm_cell_backward", backward,
        [=](LAMINA_V) {
          auto d = nn::lstm_cell_backward<T>(v[0], v[1], v[2], v[3], v[4], weights(v, 5, true));
          return pick(d);
        },
        [=](LAMINA_V, LAMINA_OUT) {
          Targets targets;
          target(targets) = out;
          nn::lstm_cell_backward_into<T>(v[0], v[1], v[2], v[3], v[4], weights(v, 5, true),
                                         targets);
        },
        {.optional = optional, .optional_out = true});
  };
  const auto member = [](auto m) {
    return [m](auto& d) -> auto& {
      return d.*m;
    };
  };
  const auto weight = [](auto m) {
    return [m](auto& d) -> auto& {
      return d.weights.*m;
    };
  };
  using Gradients = nn::RecurrentCellGradients<T>;
  using WeightGradients = nn::RecurrentWeightGradients<T>;
  each(member(&Gradients::dx), member(&Targets::dx), {0, 1, 3, 4, 7, 8, 9});
  each(member(&Gradients::dh), member(&Targets::dh), {0, 1, 3, 4, 7, 8, 9});
  each(member(&Gradients::dc), member(&Targets::dc), {0, 1, 3, 4, 7, 8, 9});
  each(weight(&WeightGradients::dw_ih), weight(&WeightTargets::dw_ih), {0, 1, 3, 4, 7, 8, 9});
  each(weight(&WeightGradients::db_hh), weight(&WeightTargets::db_hh), {0, 1, 3, 4, 7, 9});
  each(weight(&WeightGradients::dpeephole), weight(&WeightTargets::dpeephole), {0, 1, 3, 4, 7, 8});
}

TYPED_TEST(IntoGradients, OfRecurrentSequences) {
  using T = TypeParam;
  using C = Cases<T>;
  const auto weights = [](LAMINA_V, std::size_t first) {
    return std::vector<nn::RecurrentWeights<T>>{
        nn::RecurrentWeights<T>(v[first], v[first + 1], v[first + 2], v[first + 3])};
  };
  for (const bool batch_first : {false, true}) {
    const nn::RecurrentOptions options{.batch_first = batch_first};
    const Shape x = batch_first ? Shape{2, 5, 3} : Shape{5, 2, 3};
    const Shape y = batch_first ? Shape{2, 5, 4} : Shape{5, 2, 4};
    const Shape state{1, 2, 4};
    C::check(
        "lstm", {x, state, state, {16, 3}, {16, 4}, {16}, {16}},
        [=](LAMINA_V) { return nn::lstm<T>(v[0], weights(v, 3), v[1], v[2], options).y; },
        [=](LAMINA_V, LAMINA_OUT) {
          Array<T> h = Array<T>::empty(state);
          Array<T> c = Array<T>::empty(state);
          nn::lstm_into<T>(v[0], weights(v, 3), out, h, c, v[1], v[2], options);
        },
        {.optional = {1, 2, 5, 6}});
    C::check(
        "gru", {x, state, {12, 3}, {12, 4}, {12}, {12}},
        [=](LAMINA_V) { return nn::gru<T>(v[0], weights(v, 2), v[1], options).h; },
        [=](LAMINA_V, LAMINA_OUT) {
          Array<T> outputs = Array<T>::empty(
              v[0].rank() == 3 && v[0].size() > 0 ? Shape{v[0].shape()[0], v[0].shape()[1], 4} : y);
          nn::gru_into<T>(v[0], weights(v, 2), outputs, out, v[1], options);
        },
        {.legal = {batch_first ? "0:1" : "0:0"}, .optional = {1, 4, 5}});
    C::check(
        "rnn", {x, state, {4, 3}, {4, 4}, {4}, {4}},
        [=](LAMINA_V) { return nn::rnn<T>(v[0], weights(v, 2), v[1], options).y; },
        [=](LAMINA_V, LAMINA_OUT) {
          Array<T> h = Array<T>::empty(state);
          nn::rnn_into<T>(v[0], weights(v, 2), out, h, v[1], options);
        },
        {.optional = {1, 4, 5}});
    const std::vector<Shape> backward{y, state, x, state, {12, 3}, {12, 4}, {12}, {12}};
    const auto all = [=](LAMINA_V) {
      return nn::gru_backward<T>(v[0], v[1], v[2], weights(v, 4), v[3], options);
    };
    const auto write = [=](LAMINA_V, const nn::RecurrentGradientViews<T>& targets) {
      nn::gru_backward_into<T>(v[0], v[1], v[2], weights(v, 4), targets, v[3], options);
    };
    const std::set<std::size_t> optional{0, 1, 3, 6, 7};
    C::check(
        "gru_backward", backward, [=](LAMINA_V) { return all(v).dx; },
        [=](LAMINA_V, LAMINA_OUT) { write(v, {.dx = out}); },
        {.optional = optional, .optional_out = true});
    C::check(
        "gru_backward", backward, [=](LAMINA_V) { return all(v).dh0; },
        [=](LAMINA_V, LAMINA_OUT) { write(v, {.dh0 = out}); },
        {.optional = optional, .optional_out = true});
    C::check(
        "gru_backward", backward, [=](LAMINA_V) { return std::move(all(v).weights[0].dw_hh); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::RecurrentGradientViews<T> targets;
          targets.weights.resize(1);
          targets.weights[0].dw_hh = out;
          write(v, targets);
        },
        {.optional = optional, .optional_out = true});
  }
}

TEST(IntoGradientsOfSeveral, MustNotOverlapEachOther) {
  const Array<float> x = testing::values<float>({2, 3, 4}, 1);
  Array<float> same = Array<float>::full({2, 3, 4}, 3);
  EXPECT_THROW(nn::scaled_dot_product_attention_backward_into<float>(x, x, x, x, same, same, {}),
               Error);
  EXPECT_THROW(nn::cosine_embedding_loss_backward_into<float>(
                   Array<float>::scalar(1), x, x, Array<float>::full({2, 3}, 1), same, same),
               Error);
  EXPECT_EQ(same, Array<float>::full({2, 3, 4}, 3));
}

TEST(IntoBooleans, GiveWhatTheAllocatingFormsGive) {
  const Array<bool> a{{true, false, true}, {false, false, true}};
  const Array<bool> b{true, true, false};
  Array<bool> out = Array<bool>::empty({2, 3});
  nn::logical_and_into(a, b, out);
  EXPECT_EQ(out, nn::logical_and(a, b));
  nn::logical_or_into(a, b, out);
  EXPECT_EQ(out, nn::logical_or(a, b));
  nn::logical_xor_into(a, b, out);
  EXPECT_EQ(out, nn::logical_xor(a, b));
  nn::logical_not_into(a, out);
  EXPECT_EQ(out, nn::logical_not(a));
  Array<bool> three = Array<bool>::empty({3});
  nn::any_into(a, three, {.axes = {0}});
  EXPECT_EQ(three, nn::any(a, {.axes = {0}}));
  nn::all_into(a, three, {.axes = {0}});
  EXPECT_EQ(three, nn::all(a, {.axes = {0}}));
  nn::attention_mask_into(Array<float>{0, 2, -1}, three);
  EXPECT_EQ(three, nn::attention_mask(Array<float>{0, 2, -1}));
  EXPECT_THROW(nn::logical_and_into(a, b, three), Error);
  EXPECT_THROW(nn::any_into(a, three, {}), Error);
}

}  // namespace
}  // namespace lamina
