// Arithmetic on the tape, with broadcasting, numbers and arrays.

#include "lamina/autograd/ops_arithmetic.hpp"

#include <gtest/gtest.h>

#include "lamina/autograd/gradcheck.hpp"
#include "lamina/autograd/ops_activation.hpp"
#include "lamina/nn/operators.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using nn::Activation;
using nn::BinaryOp;
using nn::UnaryOp;
using testing::values;
using testing::values_off_zero;
using Vars = std::vector<Var<double>>;

/// Numbers in (0.5, 2.5).
template <class T>
Array<T> positive(const Shape& shape, std::uint32_t seed) {
  Array<T> result = values<T>(shape, seed);
  for (T& value : result) {
    value = value / 2 + T{1.5};
  }
  return result;
}

void expect_gradient(std::string_view name, FunctionRef<Var<double>(const Vars&)> f,
                     const std::vector<Array<double>>& inputs) {
  const auto result = gradcheck(f, inputs, {.step = 1e-4});
  EXPECT_TRUE(result) << name << ": " << result;
}

TEST(OpsArithmetic, BinaryTapeGradientIsTheDirectBackward) {
  const std::vector<std::pair<Shape, Shape>> shapes{
      {{3, 4}, {3, 4}}, {{3, 4}, {4}}, {{3, 1}, {2, 1, 4}}, {{}, {3, 4}}, {{3, 4}, {}}};
  for (const nn::BinaryRow& row : nn::kBinaryTable) {
    for (const auto& [shape_a, shape_b] : shapes) {
      const Var<float> a = parameter(positive<float>(shape_a, 1));
      const Var<float> b = parameter(positive<float>(shape_b, 2));
      const Var<float> y = nn::binary(row.op, a, b);
      EXPECT_EQ(y.value(), nn::binary(row.op, a.value(), b.value())) << row.name;
      const Array<float> dy = values<float>(y.shape(), 3);
      y.backward(dy);
      EXPECT_EQ(a.grad(), nn::binary_backward_a<float>(row.op, dy, a.value(), b.value()))
          << row.name << shape_a << shape_b;
      EXPECT_EQ(b.grad(), nn::binary_backward_b<float>(row.op, dy, a.value(), b.value()))
          << row.name << shape_a << shape_b;
    }
  }
}

TEST(OpsArithmetic, OperatorsTakeVariablesArraysAndNumbers) {
  const Array<float> x = positive<float>({3, 4}, 1);
  const Array<float> c = positive<float>({4}, 2);
  const Var<float> a = parameter(Array<float>(x));
  const Var<float> b = parameter(Array<float>(c));
  EXPECT_EQ((a + b).value(), x + c);
  EXPECT_EQ((a - c).value(), x - c);
  EXPECT_EQ((c * a).value(), c * x);
  EXPECT_EQ((c.slice(0, 4) / a).value(), c / x);
  EXPECT_EQ((a / 2).value(), x / 2.0f);
  EXPECT_EQ((2 - a).value(), 2.0f - x);
  EXPECT_EQ((a * 3 + 1).value(), x * 3.0f + 1.0f);
  EXPECT_EQ((1.0f / a).value(), 1.0f / x);
  EXPECT_EQ((-a).value(), -x);
  EXPECT_EQ((a + Array<float>(c)).value(), x + c);
  EXPECT_EQ(nn::pow(a, 2).value(), nn::pow(x, 2.0f));
  EXPECT_EQ(nn::maximum(a, 1.5f).value(), nn::maximum(x, 1.5f));
  EXPECT_EQ(nn::minimum(a, b).value(), nn::minimum(x, c));
  EXPECT_EQ(nn::add(a, c).value(), x + c);
  EXPECT_EQ(nn::div(nn::mul(nn::sub(a, c), b), c).value(), (x - c) * c / c);
  EXPECT_THROW((void)(a + Array<float>{1, 2}), Error);
}

TEST(OpsArithmetic, OneVariableOnBothSides) {
  const Var<double> x = parameter(Array<double>{3, -2});
  (x * x + x - x / x).backward(Array<double>{1, 1});
  EXPECT_TRUE(allclose(x.grad(), Array<double>{7, -3}));
}

TEST(OpsArithmetic, ProductSavesOnlyWhatItNeeds) {
  const Var<float> x = parameter(Array<float>{1, 2});
  const Var<float> c(Array<float>{3, 4});
  const Var<float> y = x * c;
  x.mutable_value().fill(0);  // x itself is not needed for its gradient
  y.backward(Array<float>{1, 1});
  EXPECT_EQ(x.grad(), (Array<float>{3, 4}));
}

TEST(OpsArithmeticGradient, Binary) {
  for (const nn::BinaryRow& row : nn::kBinaryTable) {
    expect_gradient(row.name, [&](const Vars& in) { return nn::binary(row.op, in[0], in[1]); },
                    {positive<double>({3, 1}, 1), positive<double>({2, 1, 4}, 2)});
    expect_gradient(row.name, [&](const Vars& in) { return nn::binary_scalar(row.op, in[0], 1.7); },
                    {positive<double>({3, 4}, 1)});
    expect_gradient(row.name, [&](const Vars& in) { return nn::scalar_binary(row.op, 1.7, in[0]); },
                    {positive<double>({3, 4}, 1)});
  }
}

TEST(OpsArithmeticGradient, Unary) {
  for (const nn::UnaryRow& row : nn::kUnaryTable) {
    expect_gradient(row.name, [&](const Vars& in) { return nn::unary(row.op, in[0]); },
                    {positive<double>({3, 4}, 1)});
  }
  const Array<double> x = positive<double>({3, 4}, 1);
  const Var<double> leaf(x);
  EXPECT_EQ(nn::sqrt(leaf).value(), nn::sqrt(x));
  EXPECT_EQ(nn::abs(-leaf).value(), x);
  EXPECT_EQ(nn::square(leaf).value(), nn::square(x));
  EXPECT_EQ(nn::reciprocal(leaf).value(), nn::reciprocal(x));
  EXPECT_EQ(nn::log(leaf).value(), nn::log(x));
  EXPECT_EQ(nn::log1p(leaf).value(), nn::log1p(x));
  EXPECT_EQ(nn::expm1(leaf).value(), nn::expm1(x));
}

TEST(OpsArithmeticGradient, ClampAndWhere) {
  expect_gradient("clamp", [](const Vars& in) { return nn::clamp(in[0], -0.9, 1.1); },
                  {values_off_zero<double>({5, 4}, 1)});
  const Array<bool> condition{{true}, {false}, {true}};
  expect_gradient("where", [&](const Vars& in) { return nn::where(condition, in[0], in[1]); },
                  {values<double>({4}, 1), values<double>({3, 4}, 2)});
}

TEST(OpsArithmeticGradient, GatedUnitsAndPrelu) {
  for (const Activation kind : {Activation::Sigmoid, Activation::Silu, Activation::Gelu}) {
    expect_gradient("gated_activation",
                    [&](const Vars& in) { return nn::gated_activation(in[0], in[1], kind); },
                    {values<double>({3, 4}, 1), values<double>({3, 4}, 2)});
    expect_gradient("gated_unit", [&](const Vars& in) { return nn::gated_unit(in[0], kind, 0); },
                    {values<double>({4, 3}, 1)});
  }
  expect_gradient("prelu", [](const Vars& in) { return nn::prelu(in[0], in[1]); },
                  {values_off_zero<double>({2, 3, 4}, 1), values<double>({3}, 2)});
  const Array<float> x = values<float>({3, 4}, 1);
  const Var<float> leaf = parameter(Array<float>(x));
  EXPECT_EQ(nn::glu(leaf).value(), nn::glu(x));
  EXPECT_EQ(nn::swiglu(leaf).value(), nn::swiglu(x));
  EXPECT_EQ(nn::geglu(leaf).value(), nn::geglu(x));
  EXPECT_EQ(nn::reglu(leaf).value(), nn::reglu(x));
}

}  // namespace
}  // namespace lamina
