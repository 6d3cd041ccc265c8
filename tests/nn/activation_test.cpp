// Activations on every layout, in place, on several threads; their names; their errors.

#include "lamina/nn/activation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "lamina/core/parallel.hpp"
#include "nn/activation_cases.hpp"

namespace lamina::nn {
namespace {

using test::activation_cases;
using test::ActivationCase;

template <class T>
Array<T> wavy(const Shape& shape, double start = 0) {
  Array<T> x(shape);
  Index i = 0;
  for (T& value : x) value = static_cast<T>(5 * std::sin(start + 0.7 * static_cast<double>(i++)));
  return x;
}

template <class T>
class ActivationTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(ActivationTest, Types);

TYPED_TEST(ActivationTest, EveryLayoutGivesTheSame) {
  using T = TypeParam;
  const Array<T> base = wavy<T>({4, 6, 10});
  const std::vector<View<T>> views{
      base.view(),
      base.t(),
      base.permute({1, 2, 0}),
      base.slice(2, {std::nullopt, std::nullopt, -1}),
      base.slice(2, {1, 9, 3}),
      base.select(1, 2),
      base.slice(0, {3, 1, -1}).slice(1, {0, 6, 2}),
      base.slice(1, {2, 3}).broadcast_to({4, 6, 10}),
      base.select(0, 0).select(0, 0).broadcast_to({3, 2, 5, 10}),
      base.reshape({1, 240, 1}),
      View<T>(base.data() + 5, Shape{}),
  };
  for (const ActivationCase& c : activation_cases()) {
    for (const View<T>& x : views) {
      const Array<T> packed = x.copy();
      const Array<T> expected = activation(packed, c.kind, c.params);
      ASSERT_EQ(activation(x, c.kind, c.params), expected) << to_string(c.kind) << x.shape();
      const Array<T> dx = activation_backward(packed, packed, c.kind, c.params);
      ASSERT_EQ(activation_backward(x, x, c.kind, c.params), dx) << to_string(c.kind) << x.shape();
    }
  }
}

TYPED_TEST(ActivationTest, WritesIntoEveryLayout) {
  using T = TypeParam;
  const Array<T> x = wavy<T>({6, 10});
  for (const Activation kind : {Activation::Relu, Activation::Gelu}) {
    const Array<T> expected = activation(x, kind);
    Array<T> storage = Array<T>::full({14, 22}, T(99));
    const std::vector<MutView<T>> targets{
        storage.slice(0, 6).slice(1, {0, 10}),
        storage.t().slice(0, 6).slice(1, {0, 10}),
        storage.slice(0, {12, 0, -2}).slice(1, {1, 21, 2}),
        storage.slice(0, {0, 6}).slice(1, {19, 9, -1}),
    };
    for (const MutView<T>& out : targets) {
      storage.fill(T(99));
      activation_into(x, out, kind);
      ASSERT_EQ(out, expected);
      Index untouched = 0;
      for (const T value : storage) untouched += value == T(99);
      ASSERT_EQ(untouched, storage.size() - x.size());
    }
  }
}

TYPED_TEST(ActivationTest, InPlace) {
  using T = TypeParam;
  for (const ActivationCase& c : activation_cases()) {
    const Array<T> x = wavy<T>({7, 9});
    const Array<T> dy = wavy<T>({7, 9}, 2);
    const Array<T> y = activation(x, c.kind, c.params);
    const Array<T> dx = activation_backward(dy, x, c.kind, c.params);

    Array<T> own = x;
    activation_inplace(own, c.kind, c.params);
    ASSERT_EQ(own, y) << to_string(c.kind);
    own = x;
    activation_into(own, own, c.kind, c.params);
    ASSERT_EQ(own, y) << to_string(c.kind);
    own = x;
    activation_inplace(own.t(), c.kind, c.params);
    ASSERT_EQ(own, y) << to_string(c.kind);
    own = x;
    activation_backward_into(dy, own, own, c.kind, c.params);
    ASSERT_EQ(own, dx) << to_string(c.kind);
    own = dy;
    activation_backward_into(own, x, own, c.kind, c.params);
    ASSERT_EQ(own, dx) << to_string(c.kind);
  }
}

TYPED_TEST(ActivationTest, TheSameOnAnyNumberOfThreads) {
  using T = TypeParam;
  const Array<T> x = wavy<T>({301, 333});
  const Array<T> y = silu(x);
  const Array<T> dx = mish_backward(x, x);
  const Array<T> y_t = silu(x.t());
  const int before = num_threads();
  for (const int threads : {1, 2, 3, 5}) {
    set_num_threads(threads);
    EXPECT_EQ(silu(x), y);
    EXPECT_EQ(silu(x.t()), y_t);
    EXPECT_EQ(silu(x.t()), y.t());
    EXPECT_EQ(mish_backward(x, x), dx);
  }
  set_num_threads(before);
}

TYPED_TEST(ActivationTest, Empty) {
  using T = TypeParam;
  const Array<T> none(Shape{0, 4});
  for (const ActivationCase& c : activation_cases()) {
    EXPECT_EQ(activation(none, c.kind, c.params).shape(), (Shape{0, 4}));
    EXPECT_EQ(activation_backward(none, none, c.kind, c.params).shape(), (Shape{0, 4}));
  }
}

TYPED_TEST(ActivationTest, NamesReachTheirActivation) {
  using T = TypeParam;
  using A = Activation;
  const Array<T> x = wavy<T>({5, 8});
  const Array<T> dy = wavy<T>({5, 8}, 2);
  const auto check = [&](A kind, const ActivationParams& params, const Array<T>& y,
                         const auto& into, const auto& inplace, const Array<T>& dx) {
    const Array<T> expected = activation(x, kind, params);
    EXPECT_EQ(y, expected) << to_string(kind);
    Array<T> out(x.shape());
    into(out);
    EXPECT_EQ(out, expected) << to_string(kind);
    Array<T> own = x;
    inplace(own);
    EXPECT_EQ(own, expected) << to_string(kind);
    own = x;
    inplace(own.view());
    EXPECT_EQ(own, expected) << to_string(kind);
    EXPECT_EQ(dx, activation_backward(dy, x, kind, params)) << to_string(kind);
  };
#define LAMINA_NAMED(kind, name, ...)                                         \
  check(                                                                      \
      A::kind, {__VA_ARGS__}, name(x __VA_OPT__(, ) __VA_ARGS__),             \
      [&](Array<T>& out) { name##_into(x, out __VA_OPT__(, ) __VA_ARGS__); }, \
      [&](auto&& own) { name##_inplace(own __VA_OPT__(, ) __VA_ARGS__); },    \
      name##_backward(dy, x __VA_OPT__(, ) __VA_ARGS__))
  LAMINA_NAMED(Identity, identity);
  LAMINA_NAMED(Relu, relu);
  LAMINA_NAMED(LeakyRelu, leaky_relu);
  LAMINA_NAMED(LeakyRelu, leaky_relu, 0.2);
  LAMINA_NAMED(Elu, elu);
  LAMINA_NAMED(Elu, elu, 0.5);
  LAMINA_NAMED(Selu, selu);
  LAMINA_NAMED(Celu, celu, 2.0);
  LAMINA_NAMED(Sigmoid, sigmoid);
  LAMINA_NAMED(Tanh, tanh);
  LAMINA_NAMED(Silu, silu);
  LAMINA_NAMED(Silu, swish);
  LAMINA_NAMED(Mish, mish);
  LAMINA_NAMED(Gelu, gelu);
  LAMINA_NAMED(GeluTanh, gelu_tanh);
  LAMINA_NAMED(Softplus, softplus);
  LAMINA_NAMED(Softplus, softplus, 2.0, 3.0);
  LAMINA_NAMED(Relu6, relu6);
  LAMINA_NAMED(HardTanh, hardtanh);
  LAMINA_NAMED(HardTanh, hardtanh, -2.0, 0.5);
  LAMINA_NAMED(HardSigmoid, hardsigmoid);
  LAMINA_NAMED(HardSigmoid, hardsigmoid, 0.2, 0.4);
  LAMINA_NAMED(HardSwish, hardswish);
  LAMINA_NAMED(Softsign, softsign);
  LAMINA_NAMED(Threshold, threshold, 1.0, -7.0);
  LAMINA_NAMED(LogSigmoid, logsigmoid);
  LAMINA_NAMED(HardShrink, hardshrink, 1.5);
  LAMINA_NAMED(SoftShrink, softshrink, 1.5);
  LAMINA_NAMED(TanhShrink, tanhshrink);
  LAMINA_NAMED(Exp, exp);
  LAMINA_NAMED(QuickGelu, quick_gelu);
#undef LAMINA_NAMED
  EXPECT_EQ(gelu(x, GeluApproximation::Tanh), gelu_tanh(x));
  EXPECT_EQ(gelu_backward(dy, x, GeluApproximation::Tanh), gelu_tanh_backward(dy, x));
}

TEST(Activation, MatrixForms) {
  const Array<float> x{{-2, -1, 0}, {1, 2, 3}};
  EXPECT_EQ(relu_2d(x), relu(x));
  EXPECT_EQ(leaky_relu_2d(x, 0.1), leaky_relu(x, 0.1));
  EXPECT_EQ(elu_2d(x, 0.5), elu(x, 0.5));
  EXPECT_EQ(selu_2d(x), selu(x));
  EXPECT_EQ(sigmoid_2d(x.view()), sigmoid(x));
  EXPECT_EQ(tanh_2d(x.t()), tanh(x.t()));
  EXPECT_EQ(swish_2d(x), silu(x));
  EXPECT_EQ(silu_2d(x), silu(x));
  EXPECT_EQ(mish_2d(x), mish(x));
  EXPECT_EQ(gelu_2d(x), gelu(x));
  EXPECT_EQ(gelu_2d(x, GeluApproximation::Tanh), gelu_tanh(x));
  EXPECT_EQ(softplus_2d(x), softplus(x));
}

TEST(Activation, ValuesOfTheGuide) {
  const Array<double> x{-2.0, -1.0, 0.0, 1.0, 2.0};
  EXPECT_EQ(relu(x), (Array<double>{0.0, 0.0, 0.0, 1.0, 2.0}));
  EXPECT_TRUE(allclose(leaky_relu(x, 0.01), Array<double>{-0.02, -0.01, 0.0, 1.0, 2.0}));
  EXPECT_TRUE(allclose(sigmoid(x), Array<double>{0.119, 0.269, 0.5, 0.731, 0.881}, 0, 5e-4));
}

TEST(Activation, TakesWhateverHasAnActivation) {
  static_assert(ActivationArgument<Array<float>>);
  static_assert(ActivationArgument<MutView<double>>);
  static_assert(!ActivationArgument<Array<std::int64_t>>);
  static_assert(!ActivationArgument<std::string>);
  static_assert(!ActivationTarget<View<float>>);
}

template <class F>
void expect_error(ErrorKind kind, const std::string& message, const F& f) {
  try {
    f();
    ADD_FAILURE() << "no error; expected: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << message;
    EXPECT_EQ(std::string(error.what()), message);
  }
}

TEST(ActivationErrors, Shapes) {
  const Array<float> x(Shape{2, 3});
  const Array<float> v(Shape{3});
  Array<float> out(Shape{3, 2});
  constexpr auto kind = ErrorKind::DimensionMismatch;
  expect_error(kind, "relu: x is not defined", [] { (void)relu(View<float>()); });
  expect_error(kind, "relu: x has shape (2, 3), out has shape (3, 2)", [&] { relu_into(x, out); });
  expect_error(kind, "relu: out is not defined", [&] { relu_into(x, MutView<float>()); });
  expect_error(kind, "gelu_backward: dy has shape (3,), x has shape (2, 3)",
               [&] { (void)gelu_backward(v, x); });
  expect_error(kind, "silu_backward: dx has shape (3, 2), x has shape (2, 3)",
               [&] { activation_backward_into(x, x, out, Activation::Silu); });
  expect_error(kind, "relu_2d: x must have rank 2, got shape (3,)", [&] { (void)relu_2d(v); });
}

TEST(ActivationErrors, Parameters) {
  const Array<float> x{1, 2};
  constexpr auto kind = ErrorKind::InvalidOperation;
  expect_error(kind, "leaky_relu: alpha must not be negative, got -0.5",
               [&] { (void)leaky_relu(x, -0.5); });
  expect_error(kind, "elu: alpha must be positive, got 0", [&] { (void)elu(x, 0.0); });
  expect_error(kind, "elu: alpha must be a number, got nan", [&] { (void)elu(x, std::nan("")); });
  expect_error(kind, "elu: alpha must be positive, got 1e-60",  // 0 as float
               [&] { (void)elu(x, 1e-60); });
  expect_error(kind, "celu_backward: alpha must be positive, got -1",
               [&] { (void)celu_backward(x, x, -1); });
  expect_error(kind, "softplus: beta must be positive, got 0", [&] { (void)softplus(x, 0); });
  expect_error(kind, "hardtanh: max must be at least min, got min 1 and max -1",
               [&] { (void)hardtanh(x, 1, -1); });
  expect_error(kind, "softshrink: lambda must not be negative, got -1",
               [&] { (void)softshrink(x, -1); });
  expect_error(kind, "relu: takes no parameter, got 2",
               [&] { (void)activation(x, Activation::Relu, {2.0}); });
  expect_error(kind, "elu: takes one parameter only, got a second, 2",
               [&] { (void)activation(x, Activation::Elu, {.b = 2.0}); });
  expect_error(kind, "activation: there is no activation number 200",
               [&] { (void)activation(x, static_cast<Activation>(200)); });
}

TEST(ActivationErrors, MemoryAndNothingWritten) {
  Array<float> x{-1, -2, -3, -4};
  const Array<float> before = x;
  constexpr auto kind = ErrorKind::InvalidOperation;
  const std::string part = " in part; it may be the same view or memory of its own";
  expect_error(kind, "relu: out overlaps x" + part,
               [&] { relu_into(x.slice(0, 3), x.slice(1, 4)); });
  expect_error(kind, "relu: out overlaps x" + part, [&] {
    relu_into(x, x.slice(0, {std::nullopt, std::nullopt, -1}));
  });
  expect_error(kind, "relu_backward: dx overlaps dy" + part, [&] {
    activation_backward_into(x.slice(0, 3), before.slice(0, 3), x.slice(1, 4), Activation::Relu);
  });
  const MutView<float> broadcast(x.data(), Shape{3, 4}, Strides{0, 1});
  expect_error(kind, "relu: out is a broadcast view of shape (3, 4); its elements share memory",
               [&] {
                 relu_into(wavy<float>({3, 4}), broadcast);
               });
  expect_error(kind, "leaky_relu: alpha must not be negative, got -1",
               [&] { leaky_relu_inplace(x, -1.0); });
  EXPECT_EQ(x, before);
}

}  // namespace
}  // namespace lamina::nn
