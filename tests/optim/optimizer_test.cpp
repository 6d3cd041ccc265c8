// Optimizers: groups, state, and that they find the bottom of simple valleys. The formulas are
// tested in tests/nn/update_test.cpp.

#include "lamina/optim/optimizer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "lamina/autograd/ops_linear.hpp"
#include "support/message.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using namespace optim;
using testing::message_of;
using testing::values;

/// Gives x the gradient of half the square of its weighted distance from `target`.
template <class T>
void pull(const Var<T>& x, const Array<T>& target) {
  x.zero_grad();
  Array<T> gradient = Array<T>::empty(x.shape());
  for (Index i = 0; i < x.size(); ++i) {
    gradient(i) = static_cast<T>(1 + i) * (x.value()(i) - target(i));
  }
  x.backward(gradient);
}

template <class T>
double distance(const Var<T>& x, const Array<T>& target) {
  double worst = 0;
  for (Index i = 0; i < x.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(x.value()(i) - target(i))));
  }
  return worst;
}

template <class T>
class OptimizerTest : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(OptimizerTest, Types);

TYPED_TEST(OptimizerTest, EveryRuleFindsTheMinimum) {
  using T = TypeParam;
  const Array<T> target{1, -2, 0.5};
  const std::vector<std::pair<UpdateOptions, int>> cases{
      {SgdOptions{.lr = 0.3}, 200},
      {SgdOptions{.lr = 0.1, .momentum = 0.9}, 400},
      {SgdOptions{.lr = 0.1, .momentum = 0.9, .nesterov = true}, 400},
      {AdamOptions{.lr = 0.05}, 1000},
      {AdamOptions{.lr = 0.05, .amsgrad = true}, 1000},
      {AdamWOptions{.lr = 0.05, .weight_decay = 0}, 1000},
      {AdamaxOptions{.lr = 0.05}, 1000},
      {RAdamOptions{.lr = 0.05}, 1000},
      {RmsPropOptions{.lr = 0.002}, 3000},
      {AdagradOptions{.lr = 0.5}, 1000},
      {AdadeltaOptions{.lr = 1}, 5000},
      {LionOptions{.lr = 0.001}, 4000}};
  for (const auto& [options, steps] : cases) {
    const Var<T> x = parameter(Array<T>{0, 0, 0});
    Optimizer<T> optimizer(std::vector<Var<T>>{x}, options);
    for (int i = 0; i < steps; ++i) {
      pull(x, target);
      optimizer.step();
    }
    EXPECT_LT(distance(x, target), 5e-3) << nn::update_name(options);
    EXPECT_EQ(optimizer.steps(), steps);
  }
}

TYPED_TEST(OptimizerTest, NamedClassesDeduceTheType) {
  using T = TypeParam;
  const std::vector<Var<T>> plain{parameter(Array<T>{1})};
  const std::vector<NamedVar<T>> named{{"w", plain[0]}};
  SGD sgd(named, {.lr = 0.5});
  Adam adam(plain, {.lr = 0.25});
  const AdamW adamw(plain);
  const Adamax adamax(plain);
  const RAdam radam(plain);
  const RMSProp rmsprop(plain);
  const Adagrad adagrad(plain);
  const Adadelta adadelta(plain);
  const Lion lion(plain);
  static_assert(std::is_same_v<decltype(sgd), SGD<T>>);
  EXPECT_EQ(sgd.lr(), 0.5);
  EXPECT_EQ(adam.lr(), 0.25);
  EXPECT_EQ(lion.lr(), 1e-4);
  pull(plain[0], Array<T>{0});
  sgd.step();
  EXPECT_EQ(plain[0].value()(0), T{0.5});
}

TYPED_TEST(OptimizerTest, SkipsWhatHasNoGradientOrIsFrozen) {
  using T = TypeParam;
  const Var<T> a = parameter(Array<T>{1});
  const Var<T> b = parameter(Array<T>{1});
  const Var<T> c = parameter(Array<T>{1});
  SGD optimizer(std::vector<Var<T>>{a, b, c}, {.lr = 1, .weight_decay = 0.5});
  pull(a, Array<T>{0});
  pull(c, Array<T>{0});
  c.set_requires_grad(false);
  optimizer.step();
  EXPECT_NE(a.value()(0), T{1});
  EXPECT_EQ(b.value()(0), T{1});
  EXPECT_EQ(c.value()(0), T{1});
  optimizer.zero_grad();
  EXPECT_FALSE(a.has_grad());
}

TYPED_TEST(OptimizerTest, GroupsHaveTheirOwnRates) {
  using T = TypeParam;
  const Var<T> a = parameter(Array<T>{1});
  const Var<T> b = parameter(Array<T>{1});
  SGD optimizer(std::vector<NamedVar<T>>{{"a", a}}, {.lr = 0.5});
  optimizer.add_group({{"b", b}}, AdamOptions{.lr = 0.25});
  pull(a, Array<T>{0});
  pull(b, Array<T>{0});
  optimizer.step();
  EXPECT_EQ(a.value()(0), T{0.5});
  EXPECT_NEAR(static_cast<double>(b.value()(0)), 0.75, 1e-6);
  optimizer.set_lr(0.125, 1);
  EXPECT_EQ(optimizer.lr(0), 0.5);
  EXPECT_EQ(optimizer.lr(1), 0.125);
  optimizer.set_lr(2);
  EXPECT_EQ(optimizer.lr(1), 2);
  std::get<AdamOptions>(optimizer.options(1)).beta1 = 0.5;
  EXPECT_EQ(std::get<AdamOptions>(optimizer.groups()[1].options).beta1, 0.5);
}

TYPED_TEST(OptimizerTest, ARestoredOptimizerGoesOnAsIfNothingHadHappened) {
  using T = TypeParam;
  const Array<T> target{1, -2, 0.5};
  const auto make = [](const Var<T>& x) {
    Optimizer<T> optimizer({{"x", x}}, AdamOptions{.lr = 0.1, .amsgrad = true});
    return optimizer;
  };
  const Var<T> x = parameter(Array<T>{0, 0, 0});
  Optimizer<T> optimizer = make(x);
  for (int i = 0; i < 5; ++i) {
    pull(x, target);
    optimizer.step();
  }
  optimizer.set_lr(0.05);
  const OptimizerState state = optimizer.state();
  EXPECT_EQ(state.size(), 2u + 4u);
  EXPECT_EQ(state.at("x/step").item(), 5);
  EXPECT_EQ(state.at("group.0/lr").item(), 0.05);
  EXPECT_EQ(state.at("x/exp_avg").shape(), (Shape{3}));

  const Var<T> copy = parameter(Array<T>(x.value()));
  Optimizer<T> restored = make(copy);
  restored.load_state(state);
  EXPECT_EQ(restored.lr(), 0.05);
  EXPECT_EQ(restored.steps(), 5);
  for (int i = 0; i < 5; ++i) {
    pull(x, target);
    optimizer.step();
    pull(copy, target);
    restored.step();
    EXPECT_EQ(x.value(), copy.value());
  }
}

TYPED_TEST(OptimizerTest, StateOfAFreshOptimizerLoads) {
  using T = TypeParam;
  const std::vector<Var<T>> x{parameter(Array<T>{1})};
  Adam optimizer(x);
  optimizer.load_state(Adam(x).state());
  EXPECT_EQ(optimizer.steps(), 0);
}

TYPED_TEST(OptimizerTest, LoadNamesWhatDoesNotFit) {
  using T = TypeParam;
  const Var<T> x = parameter(Array<T>{1, 2});
  SGD optimizer(std::vector<NamedVar<T>>{{"x", x}}, {.lr = 0.5, .momentum = 0.9});
  pull(x, Array<T>{0, 0});
  optimizer.step();
  OptimizerState state = optimizer.state();
  state.erase("group.0/lr");
  state.emplace("y/step", Array<double>::scalar(1));
  state.at("x/momentum_buffer") = Array<double>{1, 2, 3};
  EXPECT_EQ(message_of([&] { optimizer.load_state(state); }),
            "SGD: load_state: missing: group.0/lr; unexpected: y/step; wrong shape: "
            "x/momentum_buffer is (3,) instead of (2,)");
  EXPECT_EQ(optimizer.lr(), 0.5);
  state = optimizer.state();
  state.erase("x/momentum_buffer");
  EXPECT_EQ(message_of([&] { optimizer.load_state(state); }),
            "SGD: load_state: missing: x/momentum_buffer");
  state = optimizer.state();
  state.at("group.0/lr") = Array<double>::scalar(-1);
  EXPECT_EQ(message_of([&] { optimizer.load_state(state); }),
            "SGD: lr must be finite and not negative, got -1");
}

TYPED_TEST(OptimizerTest, Errors) {
  using T = TypeParam;
  const Var<T> x = parameter(Array<T>{1});
  const Var<T> w = parameter(Array<T>{{1}});
  using Named = std::vector<NamedVar<T>>;
  const auto message = [](const Named& parameters, const SgdOptions& options = {}) {
    return message_of([&] { SGD<T>(parameters, options); });
  };
  EXPECT_EQ(message({{"x", x}}, {.lr = -1}), "SGD: lr must be finite and not negative, got -1");
  EXPECT_EQ(message({{"x", Var<T>()}}), "SGD: parameter x is not defined");
  EXPECT_EQ(message({{"x", x}, {"y", x}}), "SGD: parameter y is there already, as x");
  EXPECT_EQ(message({{"x", x}, {"x", w}}), "SGD: two parameters are called x");
  EXPECT_EQ(message({{"y", nn::matmul(w, w)}}), "SGD: parameter y is the result of an operation");
  SGD optimizer(Named{{"x", x}});
  EXPECT_EQ(message_of([&] { optimizer.set_lr(-1); }),
            "SGD: lr must be finite and not negative, got -1");
  EXPECT_EQ(message_of([&] { (void)optimizer.lr(1); }), "SGD: group 1 of 1");
  std::get<SgdOptions>(optimizer.options()).nesterov = true;
  EXPECT_EQ(message_of([&] { optimizer.step(); }),
            "SGD: nesterov needs a momentum and no dampening, got momentum 0, dampening 0");
}

TYPED_TEST(OptimizerTest, AStepBetweenForwardAndBackwardIsNoticed) {
  using T = TypeParam;
  const Var<T> w = parameter(Array<T>{{2}});
  SGD optimizer(std::vector<Var<T>>{w}, {.lr = 0.1});
  const Var<T> y = nn::matmul(w, w);
  nn::matmul(w, w).backward();
  optimizer.step();
  EXPECT_THROW(y.backward(), Error);
}

}  // namespace
}  // namespace lamina
