// Padding and unfolding on the tape.

#include "lamina/autograd/ops_unfold.hpp"

#include <gtest/gtest.h>

#include "lamina/autograd/gradcheck.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using testing::values;
using Vars = std::vector<Var<double>>;

TEST(OpsUnfold, PadPassesTheInsideOn) {
  const Var<float> x = parameter(values<float>({2, 3}, 1));
  const Var<float> y = nn::pad(x, {{1, 0}, {0, 2}}, 7.0f);
  EXPECT_EQ(y.value(), nn::pad(x.value(), {{1, 0}, {0, 2}}, 7.0f));
  const Array<float> dy = values<float>(y.shape(), 2);
  y.backward(dy);
  EXPECT_EQ(x.grad(), dy.slice(0, {1, 3}).slice(1, {0, 3}));
  for (const auto value : {nn::PaddingValue::Reflect, nn::PaddingValue::Replicate,
                           nn::PaddingValue::Circular, nn::PaddingValue::Zero}) {
    const auto f = [value](const Vars& in) { return nn::pad(in[0], {{1, 2}, {2, 0}}, value); };
    const auto result = gradcheck(f, {values<double>({2, 3, 4}, 3)});
    EXPECT_TRUE(result) << result;
  }
}

TEST(OpsUnfold, UnfoldAndFoldAreEachOthersGradient) {
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
    const bool last = format == DataFormat::NHWC;
    const nn::Unfold2dOptions options{.stride = {2, 1},
                                      .padding = PaddingMode::asymmetric({1, 0}, {2, 1}),
                                      .dilation = {1, 2},
                                      .format = format};
    const auto unfold = [&](const Vars& in) { return nn::unfold2d(in[0], {3, 2}, options); };
    for (const Shape& shape : {last ? Shape{2, 5, 4, 3} : Shape{2, 3, 5, 4},
                               last ? Shape{5, 4, 3} : Shape{3, 5, 4}, Shape{5, 4}}) {
      const auto result = gradcheck(unfold, {values<double>(shape, 1)});
      EXPECT_TRUE(result) << result;
    }
    const Array<double> x = values<double>(last ? Shape{2, 5, 4, 3} : Shape{2, 3, 5, 4}, 1);
    const Array<double> columns = nn::unfold2d(x, {3, 2}, options);
    auto result = gradcheck(
        [&](const Vars& in) {
          return nn::fold2d(in[0], {5, 4}, {3, 2}, options);
        },
        {columns});
    EXPECT_TRUE(result) << result;
    result = gradcheck([&](const Vars& in) { return nn::im2col(in[0], {3, 2}, options); }, {x});
    EXPECT_TRUE(result) << result;
    const Array<double> matrix = nn::im2col(x, {3, 2}, options);
    result = gradcheck(
        [&](const Vars& in) {
          return nn::col2im(in[0], x.shape(), {3, 2}, options);
        },
        {matrix});
    EXPECT_TRUE(result) << result;
  }
  const auto one = [](const Vars& in) {
    return nn::fold1d(nn::unfold1d(in[0], 3, {.padding = 1}), 6, 3, {.padding = 1});
  };
  auto result = gradcheck(one, {values<double>({2, 2, 6}, 1)});
  EXPECT_TRUE(result) << result;
  const nn::Unfold3dOptions reflect{.padding = 1, .padding_value = nn::PaddingValue::Reflect};
  const auto three = [&](const Vars& in) {
    return nn::fold3d(nn::unfold3d(in[0], {2, 1, 2}, reflect), {2, 3, 2}, {2, 1, 2}, reflect);
  };
  result = gradcheck(three, {values<double>({1, 2, 2, 3, 2}, 1)});
  EXPECT_TRUE(result) << result;
}

}  // namespace
}  // namespace lamina
