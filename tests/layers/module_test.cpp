// Modules: how members are found, saved, loaded and described.

#include "lamina/layers/module.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <sstream>
#include <utility>

#include "lamina/autograd/ops_linear.hpp"
#include "lamina/layers/activation.hpp"
#include "lamina/layers/linear.hpp"
#include "lamina/layers/pooling.hpp"
#include "lamina/layers/sequential.hpp"
#include "support/message.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using namespace layers;
using testing::message_of;
using testing::values;

/// Two linear layers, the second used twice, a variable of its own and a buffer.
class Net final : public Layer<float> {
 public:
  explicit Net(Generator& generator)
      : in(3, 4, generator),
        body{Linear<float>(4, 4, generator), Linear<float>(4, 2, generator, {.bias = false})},
        scale(parameter(Array<float>{2, 3})),
        count(Array<float>::scalar(5)) {}
  std::string name() const override { return "Net"; }
  Var<float> forward(const Var<float>& x) override { return body(in(x)); }

  Linear<float> in;
  Sequential<float> body;
  Var<float> scale;
  Var<float> count;

 protected:
  void members(Members<float>& list) override {
    list.parameter("scale", scale);
    list.parameter("absent", Var<float>());
    list.buffer("count", count);
    list.module("in", in);
    list.module("body", body);
    list.parameter("tied", in.weight());
  }
};

std::vector<std::string> names(const std::vector<NamedVar<float>>& vars) {
  std::vector<std::string> list;
  for (const NamedVar<float>& var : vars) {
    list.push_back(var.name);
  }
  return list;
}

TEST(Module, FindsParametersAndBuffersByPath) {
  Generator generator(1);
  const Net net(generator);
  // A variable in two places comes once; what is not defined does not come at all.
  EXPECT_EQ(names(net.parameters()),
            (std::vector<std::string>{"scale", "tied", "in.bias", "body.0.weight", "body.0.bias",
                                      "body.1.weight"}));
  EXPECT_EQ(names(net.buffers()), (std::vector<std::string>{"count"}));
  EXPECT_EQ(net.parameter_count(), 2 + 12 + 4 + 16 + 4 + 8);
  EXPECT_TRUE(net.parameters()[1].var.same_as(net.in.weight()));
}

TEST(Module, TrainingModeReachesEveryModule) {
  Generator generator(1);
  Net net(generator);
  EXPECT_TRUE(net.body[1].training());
  net.eval();
  EXPECT_FALSE(net.training());
  EXPECT_FALSE(net.in.training());
  EXPECT_FALSE(net.body[1].training());
  net.train();
  EXPECT_TRUE(net.body[1].training());
}

TEST(Module, FreezesAndForgets) {
  Generator generator(1);
  Net net(generator);
  const Array<float> x = values<float>({5, 3}, 1);
  const Array<float> dy = Array<float>::ones({5, 2});
  net(x).backward(dy);
  EXPECT_TRUE(net.in.weight().has_grad());
  net.zero_grad();
  EXPECT_FALSE(net.in.weight().has_grad());
  net.set_requires_grad(false);
  EXPECT_FALSE(net(x).requires_grad());
  net.set_requires_grad(true);
  EXPECT_TRUE(net(x).requires_grad());
}

TEST(Module, StateGoesThereAndBack) {
  Generator generator(1);
  Net from(generator);
  Net to(generator);
  const Array<float> x = values<float>({5, 3}, 1);
  EXPECT_NE(from(x).value(), to(x).value());
  const StateDict<float> state = from.state_dict();
  ASSERT_EQ(state.size(), 8u);  // 6 parameters, the tied one twice, 1 buffer
  EXPECT_EQ(state.at("count").item(), 5.0f);
  EXPECT_EQ(state.at("tied"), state.at("in.weight"));
  to.load_state_dict(state);
  EXPECT_EQ(from(x).value(), to(x).value());
  // The state is a copy.
  from.in.weight().mutable_value().fill(0);
  EXPECT_EQ(to.state_dict().at("in.weight"), state.at("in.weight"));
}

TEST(Module, LoadNamesEverythingThatDoesNotFitAndChangesNothing) {
  Generator generator(1);
  Net net(generator);
  const StateDict<float> before = net.state_dict();
  StateDict<float> state = before;
  for (auto& [name, array] : state) {
    array.fill(7);
  }
  state.erase("in.bias");
  state.erase("count");
  state.emplace("body.2.weight", Array<float>{1});
  state.at("scale") = Array<float>{1, 2, 3};
  EXPECT_EQ(message_of([&] { net.load_state_dict(state); }),
            "load_state_dict: missing: in.bias, count; unexpected: body.2.weight; wrong shape: "
            "scale is (3,) instead of (2,)");
  EXPECT_EQ(message_of([&] { net.load_state_dict(state, {.strict = false}); }),
            "load_state_dict: wrong shape: scale is (3,) instead of (2,)");
  EXPECT_EQ(net.state_dict(), before);
  state.erase("scale");
  net.load_state_dict(state, {.strict = false});
  EXPECT_EQ(net.state_dict().at("in.bias"), before.at("in.bias"));
  EXPECT_EQ(net.in.weight().value()(0, 0), 7.0f);
}

TEST(Module, LoadingCountsAsAChangeInPlace) {
  Generator generator(1);
  Net net(generator);
  const Var<float> y = net(values<float>({5, 3}, 1));
  net.load_state_dict(net.state_dict());
  EXPECT_THROW(y.backward(Array<float>::ones({5, 2})), Error);
}

TEST(Module, TwoMembersOfOneNameAreAnError) {
  struct Twice final : Module<float> {
    void members(Members<float>& list) override {
      list.parameter("w", a);
      list.parameter("w", b);
    }
    Var<float> a = parameter(Array<float>{1});
    Var<float> b = parameter(Array<float>{2});
  };
  EXPECT_EQ(message_of([] { (void)Twice().state_dict(); }), "state_dict: two members are called w");
}

TEST(Module, Describes) {
  Generator generator(1);
  const Net net(generator);
  std::ostringstream text;
  text << net;
  EXPECT_EQ(text.str(),
            "Net                             46 parameters\n"
            "  in: Linear(3 -> 4)            16 parameters\n"
            "  body: Sequential              28 parameters\n"
            "    0: Linear(4 -> 4)           20 parameters\n"
            "    1: Linear(4 -> 2, no bias)   8 parameters\n");
}

TEST(Sequential, TakesLayersOfAnyKind) {
  Generator generator(1);
  Sequential net{Linear(6, 4, generator), Flatten{}};
  static_assert(std::is_same_v<decltype(net), Sequential<float>>);
  Linear<float>& last = net.append(Linear<float>(4, 2, generator));
  EXPECT_EQ(net.size(), 3);
  EXPECT_EQ(&net[-1], &last);
  const Array<float> x = values<float>({5, 6}, 1);
  EXPECT_EQ(net(x).shape(), (Shape{5, 2}));
  // Moving a model keeps its variables.
  const Var<float> weight = last.weight();
  Sequential<float> moved = std::move(net);
  EXPECT_TRUE(moved.parameters()[2].var.same_as(weight));
  EXPECT_EQ(message_of([&] { (void)moved[3]; }), "Sequential: layer 3 of 3");
  EXPECT_EQ(message_of([&] { moved.append(std::unique_ptr<Layer<float>>()); }),
            "Sequential: the layer is null");
  // An empty one changes nothing.
  EXPECT_EQ(Sequential<float>()(x).value(), x);
}

TEST(Sequential, ReluOfMaximaIsMaximaOfRelu) {
  Array<float> numbers = values<float>({2, 3, 7, 8}, 5);
  numbers(0, 0, 0, 0) = numbers(0, 0, 0, 1) = 9;  // equals
  numbers(0, 1, 2, 2) = -0.0F;
  numbers(1, 0, 3, 3) = std::numeric_limits<float>::infinity();
  numbers(1, 1, 0, 0) = std::numeric_limits<float>::quiet_NaN();
  for (Index i = 0; i < 4; ++i)
    numbers(1, 2, i / 2, i % 2) = -std::numeric_limits<float>::infinity();
  Sequential<float> nets[] = {Sequential<float>{ReLU<float>(), MaxPool2d<float>(2)},
                              Sequential<float>{ReLU<float>(), MaxPool2d<float>(3, {.padding = 1})},
                              Sequential<float>{ReLU<float>(), AdaptiveMaxPool2d<float>({3, 4})},
                              Sequential<float>{Tanh<float>(), MaxPool2d<float>(2)}};
  for (Sequential<float>& net : nets) {
    const Var<float> x(numbers, true);
    const Var<float> y = net(x);
    const Array<float> seed = values<float>(y.shape(), 6);
    y.backward(seed);
    const Var<float> x_each(numbers, true);
    const Var<float> y_each = net[1].forward(net[0].forward(x_each));
    y_each.backward(seed);
    const auto same = [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); };
    for (Index i = 0; i < y.size(); ++i) {
      EXPECT_TRUE(same(y.value().data()[i], y_each.value().data()[i]));
    }
    for (Index i = 0; i < x.size(); ++i) {
      EXPECT_TRUE(same(x.grad().data()[i], x_each.grad().data()[i])) << i;
    }
  }
}

TEST(Flatten, KeepsTheBatch) {
  Flatten<double> flatten;
  EXPECT_EQ(flatten(values<double>({2, 3, 4, 5}, 1)).shape(), (Shape{2, 60}));
  EXPECT_EQ(Flatten<double>(2)(values<double>({2, 3, 4, 5}, 1)).shape(), (Shape{2, 3, 20}));
  EXPECT_THROW((void)Flatten<double>(4)(values<double>({2, 3}, 1)), Error);
}

}  // namespace
}  // namespace lamina
