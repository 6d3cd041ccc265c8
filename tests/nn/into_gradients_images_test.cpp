#include "lamina/nn/adaptive_pooling.hpp"
#include "lamina/nn/conv.hpp"
#include "lamina/nn/conv_transpose.hpp"
#include "lamina/nn/max_unpool.hpp"
#include "lamina/nn/pad.hpp"
#include "lamina/nn/pooling.hpp"
#include "lamina/nn/unfold.hpp"
#include "nn/into_gradients.hpp"

namespace lamina {
namespace {

using test::Freedom;
using test::IntoCases;
using Labels = Array<std::int64_t>;

template <class T>
class IntoGradientsOfImages : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(IntoGradientsOfImages, Types);

TYPED_TEST(IntoGradientsOfImages, Convolution) {
  using T = TypeParam;
  using C = IntoCases<T>;
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

TYPED_TEST(IntoGradientsOfImages, DepthwiseAndSeparableConvolution) {
  using T = TypeParam;
  using C = IntoCases<T>;
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

TYPED_TEST(IntoGradientsOfImages, TransposedConvolution) {
  using T = TypeParam;
  using C = IntoCases<T>;
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

TYPED_TEST(IntoGradientsOfImages, PaddingAndWindows) {
  using T = TypeParam;
  using C = IntoCases<T>;
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

TYPED_TEST(IntoGradientsOfImages, Pooling) {
  using T = TypeParam;
  using C = IntoCases<T>;
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

}  // namespace
}  // namespace lamina
