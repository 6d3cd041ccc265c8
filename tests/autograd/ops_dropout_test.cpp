// Dropout on the tape: the gradient draws the same mask again.

#include "lamina/autograd/ops_dropout.hpp"

#include <gtest/gtest.h>

#include "lamina/autograd/gradcheck.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using testing::values;
using Vars = std::vector<Var<double>>;

TEST(OpsDropout, GradientUsesTheForwardMask) {
  Generator generator(1);
  const Var<float> x = parameter(Array<float>::ones({20, 30}));
  for (int i = 0; i < 3; ++i) {
    const Var<float> y = nn::dropout(x, 0.5, true, generator);
    (void)generator.next_u32();  // later draws do not matter
    x.zero_grad();
    y.backward(Array<float>::ones({20, 30}));
    EXPECT_EQ(x.grad(), y.value());
  }
}

TEST(OpsDropout, InferenceAndZeroAreTheInputItself) {
  Generator generator(1);
  const Var<float> x = parameter(values<float>({2, 3}, 1));
  EXPECT_TRUE(nn::dropout(x, 0.5, false, generator).same_as(x));
  EXPECT_TRUE(nn::alpha_dropout(x, 0.0, true, generator).same_as(x));
  EXPECT_EQ(generator.state().offset, 0u);
}

TEST(OpsDropout, NumericGradients) {
  const Array<double> x = values<double>({4, 3, 5}, 1);
  const auto expect_gradient = [&](auto f) {
    const auto result = gradcheck(
        [&](const Vars& in) {
          Generator generator(7);  // the same mask at every point
          return f(in[0], generator);
        },
        {x});
    EXPECT_TRUE(result) << result;
  };
  expect_gradient([](const Var<double>& v, Generator& g) { return nn::dropout(v, 0.4, true, g); });
  expect_gradient([](const Var<double>& v, Generator& g) { return nn::dropout(v, 1.0, true, g); });
  expect_gradient(
      [](const Var<double>& v, Generator& g) { return nn::spatial_dropout(v, 0.4, true, g); });
  expect_gradient([](const Var<double>& v, Generator& g) {
    return nn::spatial_dropout(v, 0.4, true, g, DataFormat::NHWC);
  });
  expect_gradient(
      [](const Var<double>& v, Generator& g) { return nn::drop_path(v, 0.4, true, g); });
  expect_gradient(
      [](const Var<double>& v, Generator& g) { return nn::alpha_dropout(v, 0.4, true, g); });
}

TEST(OpsDropout, Errors) {
  Generator generator(1);
  const Var<float> x = parameter(values<float>({2, 3, 4}, 1));
  EXPECT_THROW((void)nn::dropout(x, 2.0, true, generator), Error);
  EXPECT_THROW((void)nn::dropout(x, 2.0, false, generator), Error);
  EXPECT_THROW((void)nn::dropout_2d(x, 0.5, true, generator), Error);
}

}  // namespace
}  // namespace lamina
