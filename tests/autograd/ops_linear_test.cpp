// Matrix products on the tape: the gradient is what the plain functions say, and what differences
// say.

#include "lamina/autograd/ops_linear.hpp"

#include <gtest/gtest.h>

#include "lamina/autograd/gradcheck.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using testing::values;
using Vars = std::vector<Var<double>>;

template <class T>
class OpsLinear : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(OpsLinear, Types);

TYPED_TEST(OpsLinear, LinearIsThePlainFunctionAndItsGradients) {
  using T = TypeParam;
  const Var<T> x = parameter(values<T>({2, 3, 5}, 1));
  const Var<T> w = parameter(values<T>({4, 5}, 2));
  const Var<T> b = parameter(values<T>({4}, 3));
  const Array<T> dy = values<T>({2, 3, 4}, 4);
  const Var<T> y = nn::linear(x, w, b);
  EXPECT_EQ(y.value(), nn::linear(x.value(), w.value(), b.value()));
  y.backward(dy);
  EXPECT_EQ(x.grad(), nn::linear_backward_input(dy, w.value()));
  EXPECT_EQ(w.grad(), nn::linear_backward_weight(dy, x.value()));
  EXPECT_EQ(b.grad(), nn::linear_backward_bias(dy));
}

TYPED_TEST(OpsLinear, WithoutBiasAndWithConstants) {
  using T = TypeParam;
  const Var<T> x(values<T>({3, 5}, 1));
  const Var<T> w = parameter(values<T>({4, 5}, 2));
  const Array<T> dy = values<T>({3, 4}, 4);
  const Var<T> y = nn::linear(x, w);
  // The weight is not needed for its own gradient, so it may change.
  w.mutable_value().fill(T{0});
  y.backward(dy);
  EXPECT_FALSE(x.has_grad());
  EXPECT_EQ(w.grad(), nn::linear_backward_weight(dy, x.value()));
}

TYPED_TEST(OpsLinear, ErrorsAreThoseOfThePlainFunctions) {
  using T = TypeParam;
  const Var<T> x = parameter(values<T>({3, 5}, 1));
  const Var<T> w = parameter(values<T>({4, 6}, 2));
  EXPECT_THROW((void)nn::linear(x, w), Error);
  EXPECT_THROW((void)nn::matmul(x, w), Error);
  EXPECT_THROW((void)nn::linear(x, Var<T>()), Error);
}

TEST(OpsLinearGradient, Linear) {
  const auto f = [](const Vars& in) { return nn::linear(in[0], in[1], in[2]); };
  const auto result = gradcheck(
      f, {values<double>({2, 3, 4}, 1), values<double>({5, 4}, 2), values<double>({5}, 3)});
  EXPECT_TRUE(result) << result;
}

TEST(OpsLinearGradient, Matmul) {
  const auto f = [](const Vars& in) { return nn::matmul(in[0], in[1]); };
  const std::vector<std::pair<Shape, Shape>> shapes{
      {{3, 4}, {4, 2}},    {{4}, {4, 2}},       {{3, 4}, {4}},    {{4}, {4}},
      {{2, 3, 4}, {4, 2}}, {{3, 4}, {5, 4, 2}}, {{1, 1}, {1, 1}}, {{5, 1, 3, 4}, {2, 4, 2}}};
  for (const auto& [a, b] : shapes) {
    const auto result = gradcheck(f, {values<double>(a, 1), values<double>(b, 2)});
    EXPECT_TRUE(result) << a << " " << b << ": " << result;
  }
}

}  // namespace
}  // namespace lamina
