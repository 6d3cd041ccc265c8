// Every activation of the table on the tape, and softmax with its relatives.

#include "lamina/autograd/ops_activation.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/small_ops.hpp"
#include "lamina/autograd/gradcheck.hpp"
#include "lamina/autograd/ops_softmax.hpp"
#include "support/message.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using nn::Activation;
using nn::ActivationRow;
using nn::kActivationTable;
using testing::message_of;
using testing::times;
using testing::values;
using Vars = std::vector<Var<double>>;

template <class T>
class OpsActivation : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(OpsActivation, Types);

TYPED_TEST(OpsActivation, TapeGradientIsTheDirectBackward) {
  using T = TypeParam;
  const Array<T> x = values<T>({3, 7}, 1);
  const Array<T> dy = values<T>({3, 7}, 2);
  for (const ActivationRow& row : kActivationTable) {
    const Var<T> leaf = parameter(Array<T>(x));
    const Var<T> y = autograd::activation(leaf, row.kind);
    EXPECT_EQ(y.value(), nn::activation(x, row.kind)) << row.name;
    y.backward(dy);
    EXPECT_EQ(leaf.grad(), nn::activation_backward(dy, x, row.kind)) << row.name;
  }
}

TYPED_TEST(OpsActivation, NamedFunctionsTakeVariables) {
  using T = TypeParam;
  const Array<T> x = values<T>({3, 7}, 1);
  const Var<T> leaf = parameter(Array<T>(x));
  EXPECT_EQ(nn::relu(leaf).value(), nn::relu(x));
  EXPECT_EQ(nn::leaky_relu(leaf, 0.3).value(), nn::leaky_relu(x, 0.3));
  EXPECT_EQ(nn::gelu(leaf, nn::GeluApproximation::Tanh).value(),
            nn::gelu(x, nn::GeluApproximation::Tanh));
  EXPECT_EQ(nn::softplus(leaf, 2.0, 10.0).value(), nn::softplus(x, 2.0, 10.0));
  EXPECT_EQ(nn::relu_2d(leaf).value(), nn::relu(x));
  EXPECT_TRUE(nn::silu(leaf).requires_grad());
  EXPECT_THROW((void)nn::elu(leaf, -1.0), Error);
}

TYPED_TEST(OpsActivation, TheInputMustNotChange) {
  using T = TypeParam;
  const Var<T> x = parameter(values<T>({3}, 1));
  const Var<T> y = nn::tanh(x);
  x.mutable_value().fill(T{0});
  EXPECT_THROW(y.backward(Array<T>{1, 1, 1}), Error);
}

TYPED_TEST(OpsActivation, SoftmaxTapeGradientIsTheDirectBackward) {
  using T = TypeParam;
  const Array<T> x = values<T>({3, 4, 5}, 1);
  const Array<T> dy = values<T>({3, 4, 5}, 2);
  for (const nn::SoftmaxOptions options :
       {nn::SoftmaxOptions{}, nn::SoftmaxOptions{.axis = 1, .temperature = 0.5}}) {
    const auto check_one = [&](auto forward, auto backward) {
      const Var<T> leaf = parameter(Array<T>(x));
      const Var<T> y = forward(leaf);
      EXPECT_EQ(y.value(), forward(x));
      y.backward(dy);
      EXPECT_EQ(leaf.grad(), backward(y.value()));
    };
    check_one([&](const auto& v) { return nn::softmax(v, options); },
              [&](const View<T>& y) { return nn::softmax_backward(dy, y, options); });
    check_one([&](const auto& v) { return nn::log_softmax(v, options); },
              [&](const View<T>& y) { return nn::log_softmax_backward(dy, y, options); });
    check_one([&](const auto& v) { return nn::softmin(v, options); },
              [&](const View<T>& y) { return nn::softmin_backward(dy, y, options); });
  }
}

/// Numbers away from every kink in the table (at 0, +-0.5, +-1, +-3, 6): x.25 and the like.
Array<double> smooth_points() {
  Array<double> x = Array<double>::empty({23});
  for (Index i = 0; i < x.size(); ++i) {
    x(i) = -5.6 + 0.55 * static_cast<double>(i);
    for (const double kink : {-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0}) {
      if (std::abs(x(i) - kink) < 0.06) {
        x(i) += 0.13;
      }
    }
  }
  return x;
}

TEST(OpsActivationGradient, EveryRowOfTheTable) {
  for (const ActivationRow& row : kActivationTable) {
    const auto result = gradcheck(
        [&](const Vars& in) { return autograd::activation(in[0], row.kind); }, {smooth_points()});
    EXPECT_TRUE(result) << row.name << ": " << result;
  }
  const auto scaled = gradcheck([](const Vars& in) { return nn::softplus(in[0], 1.5, 4.0); },
                                {smooth_points()}, {.step = 1e-4});
  EXPECT_TRUE(scaled) << scaled;
}

TEST(OpsActivationGradient, Softmax) {
  for (const nn::SoftmaxOptions options :
       {nn::SoftmaxOptions{}, nn::SoftmaxOptions{.axis = 0, .temperature = 1.7}}) {
    for (const int which : {0, 1, 2}) {
      const auto result = gradcheck(
          [&](const Vars& in) {
            return which == 0   ? nn::softmax(in[0], options)
                   : which == 1 ? nn::log_softmax(in[0], options)
                                : nn::softmin(in[0], options);
          },
          {values<double>({3, 5}, 1)});
      EXPECT_TRUE(result) << which << ": " << result;
    }
  }
}

TEST(OpsActivationGradient, AStackOfThem) {
  const auto f = [](const Vars& in) {
    const Var<double> h = nn::mish(times(in[0], in[1]));
    return nn::log_softmax(nn::gelu(h));
  };
  const auto result = gradcheck(f, {values<double>({3, 5}, 1), values<double>({3, 5}, 2)});
  EXPECT_TRUE(result) << result;
}

}  // namespace
}  // namespace lamina
