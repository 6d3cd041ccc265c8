// Views, joins and broadcasting on the tape.

#include "lamina/autograd/ops_shape.hpp"

#include <gtest/gtest.h>

#include "autograd/small_ops.hpp"
#include "lamina/autograd/gradcheck.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using autograd::broadcast_to;
using autograd::concatenate;
using autograd::expand_dims;
using autograd::flatten;
using autograd::permute;
using autograd::reshape;
using autograd::select;
using autograd::slice;
using autograd::squeeze;
using autograd::stack;
using autograd::transpose;
using testing::times;
using testing::values;
using Vars = std::vector<Var<double>>;

template <class F>
void expect_gradient(F f, const std::vector<Array<double>>& inputs) {
  // Squared, so that an element in the wrong place shows.
  const auto squared = [&](const Vars& in) {
    const Var<double> y = f(in);
    return times(y, y);
  };
  const auto result = gradcheck(squared, inputs);
  EXPECT_TRUE(result) << result;
}

TEST(OpsShape, ViewsShareTheElements) {
  const Var<float> x = parameter(values<float>({2, 3, 4}, 1));
  const auto shares = [&](const Var<float>& y, const View<float>& expected) {
    EXPECT_EQ(y.value().data(), expected.data());
    EXPECT_EQ(y.value(), expected);
    EXPECT_TRUE(y.requires_grad());
  };
  const View<float>& v = x.value();
  shares(reshape(x, {6, -1}), v.reshape({6, 4}));
  shares(flatten(x), v.flatten());
  shares(flatten(x, 1), v.reshape({2, 12}));
  shares(flatten(x, -1), v);
  shares(permute(x, {2, 0, 1}), v.permute({2, 0, 1}));
  shares(transpose(x), v.swap_axes(1, 2));
  shares(transpose(x, 0, 1), v.swap_axes(0, 1));
  shares(slice(x, 2, {3, 0, -2}), v.slice(2, {3, 0, -2}));
  shares(select(x, 1, -1), v.select(1, -1));
  shares(expand_dims(x, 1), v.expand_dims(1));
  shares(squeeze(expand_dims(x, 1)), v);
  shares(broadcast_to(x, {5, 2, 3, 4}), v.broadcast_to({5, 2, 3, 4}));
}

TEST(OpsShape, ReshapeCopiesOnlyWhatIsNotContiguous) {
  const Var<float> x = parameter(values<float>({2, 3}, 1));
  const Var<float> y = reshape(transpose(x), {6});
  EXPECT_NE(y.value().data(), x.value().data());
  EXPECT_EQ(y.value(), x.value().t().copy().flatten());
  EXPECT_EQ(flatten(parameter(Array<float>::scalar(1))).shape(), (Shape{1}));
}

TEST(OpsShape, Errors) {
  const Var<float> x = parameter(values<float>({2, 3}, 1));
  EXPECT_THROW((void)reshape(x, {4, 2}), Error);
  EXPECT_THROW((void)flatten(x, 2), Error);
  EXPECT_THROW((void)permute(x, {0, 0}), Error);
  EXPECT_THROW((void)select(x, 0, 2), Error);
  EXPECT_THROW((void)broadcast_to(x, {3, 2}), Error);
  EXPECT_THROW((void)concatenate<float>({}), Error);
  EXPECT_THROW((void)concatenate<float>({x, transpose(x)}), Error);
  EXPECT_THROW((void)stack<float>({x, transpose(x)}), Error);
}

TEST(OpsShapeGradient, Views) {
  const std::vector<Array<double>> x{values<double>({2, 3, 4}, 1)};
  expect_gradient([](const Vars& in) { return reshape(in[0], {6, -1}); }, x);
  expect_gradient([](const Vars& in) { return reshape(transpose(in[0]), {2, 12}); }, x);
  expect_gradient([](const Vars& in) { return flatten(in[0], 1); }, x);
  expect_gradient([](const Vars& in) { return permute(in[0], {2, 0, 1}); }, x);
  expect_gradient([](const Vars& in) { return permute(in[0], {-1, 1, 0}); }, x);
  expect_gradient([](const Vars& in) { return transpose(in[0], 0, 2); }, x);
  expect_gradient([](const Vars& in) { return slice(in[0], 2, {3, 0, -2}); }, x);
  expect_gradient([](const Vars& in) { return slice(in[0], 1, {1, 1}); }, x);
  expect_gradient([](const Vars& in) { return select(in[0], 1, -1); }, x);
  expect_gradient([](const Vars& in) { return squeeze(slice(in[0], 0, {1, 2})); }, x);
  expect_gradient([](const Vars& in) { return expand_dims(in[0], 3); }, x);
}

TEST(OpsShapeGradient, Broadcast) {
  expect_gradient(
      [](const Vars& in) {
        return broadcast_to(in[0], {3, 2, 4});
      },
      {values<double>({2, 1}, 1)});
  expect_gradient(
      [](const Vars& in) {
        return broadcast_to(in[0], {3, 2});
      },
      {Array<double>::scalar(0.7)});
  expect_gradient(
      [](const Vars& in) {
        return broadcast_to(in[0], {2, 3, 4});
      },
      {values<double>({1, 3, 1}, 1)});
}

TEST(OpsShapeGradient, Joins) {
  const std::vector<Array<double>> x{values<double>({2, 3}, 1), values<double>({2, 1}, 2)};
  expect_gradient([](const Vars& in) { return concatenate<double>({in[0], in[1], in[0]}, -1); }, x);
  expect_gradient([](const Vars& in) { return stack<double>({in[0], in[0]}, 1); }, {x[0]});
  const Var<double> constant(values<double>({2, 3}, 3));
  expect_gradient([&](const Vars& in) { return stack<double>({constant, in[0]}, -1); }, {x[0]});
}

TEST(OpsShape, PartsOfOneVariableAddUp) {
  const Var<float> x = parameter(values<float>({4, 3}, 1));
  times(slice(x, 0, {0, 3}), slice(x, 0, {1, 4})).backward(Array<float>::ones({3, 3}));
  Array<float> expected = Array<float>::zeros({4, 3});
  for (Index j = 0; j < 3; ++j) {
    for (Index i = 0; i < 3; ++i) {
      expected(i, j) += x.value()(i + 1, j);
      expected(i + 1, j) += x.value()(i, j);
    }
  }
  EXPECT_TRUE(allclose(x.grad(), expected, 1e-6));
}

}  // namespace
}  // namespace lamina
