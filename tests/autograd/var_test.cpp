// The tape: what is recorded, in which order gradients flow, and what is kept alive.

#include "lamina/autograd/var.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include "autograd/small_ops.hpp"
#include "support/message.hpp"

namespace lamina {
namespace {

using autograd::grad_enabled;
using autograd::Gradients;
using autograd::make_var;
using autograd::make_vars;
using autograd::make_view;
using autograd::Saved;
using testing::message_of;
using testing::number;
using testing::plus;
using testing::times;

template <class T>
class VarTest : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(VarTest, Types);

TYPED_TEST(VarTest, LeafHoldsValueAndNoGradient) {
  using T = TypeParam;
  const Var<T> x(Array<T>{{1, 2}, {3, 4}});
  EXPECT_EQ(x.shape(), (Shape{2, 2}));
  EXPECT_EQ(x.value()(1, 0), T{3});
  EXPECT_FALSE(x.requires_grad());
  EXPECT_TRUE(x.is_leaf());
  EXPECT_FALSE(x.has_grad());
  const Var<T> none;
  EXPECT_FALSE(none.defined());
  EXPECT_FALSE(none.requires_grad());
  EXPECT_EQ(message_of([&] { (void)none.value(); }), "value: the variable is not defined");
}

TYPED_TEST(VarTest, CopiesAreTheSameVariable) {
  using T = TypeParam;
  const Var<T> x = parameter(Array<T>{2, 3});
  const Var<T> copy = x;
  EXPECT_TRUE(copy.same_as(x));
  times(x, x).backward(Array<T>{1, 1});
  EXPECT_TRUE(copy.has_grad());
  EXPECT_EQ(copy.grad(), (Array<T>{4, 6}));
  copy.mutable_value().fill(T{7});
  EXPECT_EQ(x.value()(0), T{7});
  copy.zero_grad();
  EXPECT_FALSE(x.has_grad());
}

TYPED_TEST(VarTest, ConstructsFromViewsAndArrays) {
  using T = TypeParam;
  Array<T> array{{1, 2}, {3, 4}};
  const Var copied(array);
  array(0, 0) = T{9};
  EXPECT_EQ(copied.value()(0, 0), T{1});
  const Var<T> transposed(array.t());
  EXPECT_EQ(transposed.value()(0, 1), T{3});
  const T* data = array.data();
  const Var moved(std::move(array));
  EXPECT_EQ(moved.value().data(), data);
  // Of a temporary there is no view to be left dangling.
  static_assert(std::is_same_v<decltype(Var<T>().value()), Array<T>>);
}

TYPED_TEST(VarTest, Diamond) {
  using T = TypeParam;
  const Var<T> x = number(T{3});
  const Var<T> a = times(x, x);  // x^2
  const Var<T> b = plus(a, x);   // x^2 + x
  const Var<T> y = times(a, b);  // x^4 + x^3
  y.backward();
  EXPECT_EQ(x.grad().item(), T{4 * 27 + 3 * 9});
}

TYPED_TEST(VarTest, AVariableMayBeAnInputManyTimes) {
  using T = TypeParam;
  const Var<T> x = number(T{2});
  Var<T> y = x;
  for (int i = 0; i < 5; ++i) {
    y = times(y, x);
  }
  y.backward();
  EXPECT_EQ(x.grad().item(), T{6 * 32});
}

TYPED_TEST(VarTest, GradientsOfSeveralBackwardsAddUp) {
  using T = TypeParam;
  const Var<T> x = number(T{5});
  times(x, x).backward();
  times(x, x).backward();
  EXPECT_EQ(x.grad().item(), T{20});
  x.zero_grad();
  times(x, x).backward();
  EXPECT_EQ(x.grad().item(), T{10});
}

TYPED_TEST(VarTest, FirstGradientIsMovedInAndLaterOnesAreAddedInPlace) {
  using T = TypeParam;
  const Var<T> x = parameter(Array<T>{1, 2, 3});
  const T* moved = nullptr;
  const auto pass = [&](const Var<T>& input) {
    return make_var(input.value().copy(), {input}, [&](Array<T> dy, Gradients<T>& gradients) {
      if (moved == nullptr) {
        moved = dy.data();
      }
      gradients.add(0, std::move(dy));
    });
  };
  pass(x).backward(Array<T>{1, 1, 1});
  EXPECT_EQ(x.grad().data(), moved);
  pass(x).backward(Array<T>{1, 2, 3});
  EXPECT_EQ(x.grad().data(), moved);
  EXPECT_EQ(x.grad(), (Array<T>{2, 3, 4}));
}

TYPED_TEST(VarTest, OnlyWhatRequiresAGradientGetsOne) {
  using T = TypeParam;
  const Var<T> x = number(T{3});
  const Var<T> c(Array<T>::scalar(T{4}));
  const Var<T> y = times(x, c);
  EXPECT_TRUE(y.requires_grad());
  EXPECT_FALSE(y.is_leaf());
  y.backward();
  EXPECT_EQ(x.grad().item(), T{4});
  EXPECT_FALSE(c.has_grad());
  EXPECT_FALSE(times(c, c).requires_grad());
}

TYPED_TEST(VarTest, FreezingALeafAfterwardsStopsItsGradient) {
  using T = TypeParam;
  const Var<T> x = number(T{3});
  const Var<T> w = number(T{4});
  const Var<T> y = times(x, w);
  w.set_requires_grad(false);
  y.backward();
  EXPECT_TRUE(x.has_grad());
  EXPECT_FALSE(w.has_grad());
  EXPECT_EQ(message_of([&] { times(x, x).set_requires_grad(false); }),
            "set_requires_grad: this is a result of an operation; use detach()");
}

TYPED_TEST(VarTest, NoGradRecordsNothingAndNests) {
  using T = TypeParam;
  const Var<T> x = number(T{3});
  {
    const NoGrad outer;
    {
      const NoGrad inner;
      EXPECT_FALSE(grad_enabled());
    }
    EXPECT_FALSE(grad_enabled());
    EXPECT_FALSE(times(x, x).requires_grad());
  }
  EXPECT_TRUE(grad_enabled());
  EXPECT_TRUE(times(x, x).requires_grad());
}

TYPED_TEST(VarTest, DetachCutsButShares) {
  using T = TypeParam;
  const Var<T> x = number(T{3});
  const Var<T> y = times(x, x);
  const Var<T> cut = y.detach();
  EXPECT_FALSE(cut.requires_grad());
  EXPECT_EQ(cut.value().data(), y.value().data());
  times(cut, x).backward();
  EXPECT_EQ(x.grad().item(), T{9});
}

TYPED_TEST(VarTest, RetainGradKeepsTheGradientOfAResult) {
  using T = TypeParam;
  const Var<T> x = number(T{3});
  const Var<T> a = times(x, x);
  const Var<T> b = times(x, x);
  a.retain_grad();
  const Var<T> y = plus(times(a, b), a);
  y.backward({.retain_graph = true});
  EXPECT_EQ(a.grad().item(), T{10});
  EXPECT_FALSE(b.has_grad());
  EXPECT_EQ(message_of([&] { (void)b.grad(); }),
            "grad: a result keeps its gradient only after retain_grad()");
  y.backward();
  EXPECT_EQ(a.grad().item(), T{20});
}

TYPED_TEST(VarTest, BackwardOfALeafIsItsSeed) {
  using T = TypeParam;
  const Var<T> x = parameter(Array<T>{1, 2});
  x.backward(Array<T>{5, 6});
  EXPECT_EQ(x.grad(), (Array<T>{5, 6}));
}

TYPED_TEST(VarTest, RetainGraphAllowsASecondBackward) {
  using T = TypeParam;
  const Var<T> x = number(T{3});
  const Var<T> y = times(x, x);
  y.backward({.retain_graph = true});
  y.backward();
  EXPECT_EQ(x.grad().item(), T{12});
  EXPECT_EQ(message_of([&] { y.backward(); }),
            "backward: the computation below 'times' was freed by an earlier backward(); "
            "pass {.retain_graph = true} to that one");
  // A new computation on top of the freed one fails too, before any gradient changes.
  x.zero_grad();
  EXPECT_THROW(plus(y, x).backward(), Error);
  EXPECT_FALSE(x.has_grad());
}

TYPED_TEST(VarTest, ErrorsOfBackward) {
  using T = TypeParam;
  const Var<T> x = parameter(Array<T>{{1, 2}, {3, 4}});
  EXPECT_EQ(message_of([&] { times(x, x).backward(); }),
            "backward: the value has shape (2, 2); pass a seed of that shape, or reduce it to one "
            "number first");
  EXPECT_EQ(message_of([&] {
              times(x, x).backward(Array<T>{1, 2});
            }),
            "backward: the seed has shape (2,), the value (2, 2)");
  EXPECT_EQ(message_of([&] {
              times(x.detach(), x.detach()).backward(Array<T>::ones({2, 2}));
            }),
            "backward: nothing was recorded: no input requires a gradient, or a NoGrad was alive");
  EXPECT_EQ(message_of([&] { (void)x.grad(); }), "grad: no backward() has reached this variable");
  EXPECT_EQ(message_of([&] { (void)x.detach().grad(); }),
            "grad: this variable does not require a gradient");
  EXPECT_EQ(message_of([&] { x.detach().retain_grad(); }),
            "retain_grad: this variable does not require a gradient");
  EXPECT_EQ(message_of([&] { Var<T>().backward(); }), "backward: the variable is not defined");
}

TYPED_TEST(VarTest, ErrorsOfAClosure) {
  using T = TypeParam;
  const Var<T> x = parameter(Array<T>{1, 2});
  const auto with = [&](auto closure) {
    return message_of([&] {
      make_var(x.value().copy(), {x}, closure, "twice").backward(Array<T>{1, 1});
    });
  };
  EXPECT_EQ(with([](const Array<T>&, Gradients<T>& g) {
              g.add(0, Array<T>{1, 2, 3});
            }),
            "twice: the gradient of input 0 has shape (3,), the input (2,)");
  const Array<T> wrong{1, 2, 3};
  EXPECT_EQ(with([&](const Array<T>&, Gradients<T>& g) { g.add(0, wrong); }),
            "twice: the gradient of input 0 has shape (3,), the input (2,)");
  EXPECT_EQ(with([](const Array<T>& dy, Gradients<T>& g) { g.add(1, dy); }),
            "twice: gradient of input 1 of 1");
  EXPECT_FALSE(x.has_grad());
}

TYPED_TEST(VarTest, AnExceptionLeavesTheGraphFreedNotBroken) {
  using T = TypeParam;
  const Var<T> x = number(T{2});
  const Var<T> y = make_var(times(x, x).value(), {times(x, x)},
                            [](const Array<T>&, Gradients<T>&) { throw std::runtime_error("no"); });
  const Var<T> z = plus(y, x);
  EXPECT_THROW(z.backward(), std::runtime_error);
  EXPECT_THROW(z.backward(), Error);
  x.zero_grad();
  times(x, x).backward();
  EXPECT_EQ(x.grad().item(), T{4});
}

TYPED_TEST(VarTest, ChangingASavedValueIsNoticed) {
  using T = TypeParam;
  const Var<T> x = parameter(Array<T>{{1, 2}});
  const Var<T> w = parameter(Array<T>{{3, 4}});
  const Var<T> y = times(x, w);
  w.mutable_value().fill(T{0});
  EXPECT_EQ(message_of([&] {
              y.backward(Array<T>{{1, 1}});
            }),
            "backward: a value of shape (1, 2) that the gradient needs was changed in place after "
            "it was used");
  // Addition saves nothing, so nothing is wrong there.
  const Var<T> z = plus(x, w);
  w.mutable_value().fill(T{5});
  w.zero_grad();
  z.backward(Array<T>{{1, 1}});
  EXPECT_EQ(w.grad(), (Array<T>{{1, 1}}));
}

TYPED_TEST(VarTest, AViewAndItsOwnerShareOneVersion) {
  using T = TypeParam;
  const Var<T> x = parameter(Array<T>{{1, 2}, {3, 4}});
  const auto transpose = [](const Var<T>& of) {
    return make_view(of, of.value().t(),
                     [](const Array<T>& dy, Gradients<T>& gradients) { gradients.add(0, dy.t()); });
  };
  const Var<T> t = transpose(transpose(transpose(x)));
  EXPECT_EQ(t.value().data(), x.value().data());
  const Var<T> y = times(t, t);
  y.backward(Array<T>{{1, 0}, {0, 0.5}}, {.retain_graph = true});
  EXPECT_EQ(x.grad(), (Array<T>{{2, 0}, {0, 4}}));
  x.mutable_value()(0, 0) = T{9};
  EXPECT_EQ(t.value()(0, 0), T{9});
  EXPECT_THROW(y.backward(Array<T>::ones({2, 2})), Error);
  // Writing through the view counts for the owner as well.
  const Var<T> z = times(x, x);
  t.mutable_value().fill(T{1});
  EXPECT_THROW(z.backward(Array<T>::ones({2, 2})), Error);
}

TYPED_TEST(VarTest, ABroadcastViewCannotBeWritten) {
  using T = TypeParam;
  const Var<T> x = parameter(Array<T>{1, 2});
  const Var<T> wide =
      make_view(x, x.value().broadcast_to({3, 2}), [](const Array<T>&, Gradients<T>&) {});
  EXPECT_EQ(message_of([&] { (void)wide.mutable_value(); }),
            "mutable_value: several elements of this view of shape (3, 2) lie in one place");
}

TYPED_TEST(VarTest, ASavedResultNeedsNoCycle) {
  using T = TypeParam;
  std::weak_ptr<int> alive;
  {
    const Var<T> x = number(T{3});
    auto token = std::make_shared<int>(1);
    alive = token;
    const Saved<T> y(times(x, x).value());
    const Var<T> square =
        make_var(y, {x}, [y, token, s = x.save()](const Array<T>& dy, Gradients<T>& gradients) {
          gradients.add(0, Array<T>::scalar(dy.item() * 2 * y.value().item() / s.value().item()));
        });
    token.reset();
    square.backward({.retain_graph = true});
    EXPECT_EQ(x.grad().item(), T{6});
    EXPECT_FALSE(alive.expired());
  }
  EXPECT_TRUE(alive.expired());
}

TYPED_TEST(VarTest, BackwardFreesWhatClosuresHold) {
  using T = TypeParam;
  auto token = std::make_shared<int>(1);
  const std::weak_ptr<int> alive = token;
  const Var<T> x = number(T{3});
  const Var<T> y = make_var(x.value().copy(), {x},
                            [token = std::move(token)](Array<T> dy, Gradients<T>& gradients) {
                              gradients.add(0, std::move(dy));
                            });
  y.backward({.retain_graph = true});
  EXPECT_FALSE(alive.expired());
  y.backward();
  EXPECT_TRUE(alive.expired());
}

TYPED_TEST(VarTest, AClosureMayHoldWhatCannotBeCopied) {
  using T = TypeParam;
  const Var<T> x = number(T{3});
  auto factor = std::make_unique<T>(T{5});
  const Var<T> y =
      make_var(Array<T>::scalar(15), {x},
               [factor = std::move(factor)](const Array<T>& dy, Gradients<T>& gradients) {
                 gradients.add(0, Array<T>::scalar(dy.item() * *factor));
               });
  y.backward();
  EXPECT_EQ(x.grad().item(), T{5});
}

TYPED_TEST(VarTest, SeveralResultsShareOneBackward) {
  using T = TypeParam;
  const Var<T> x = number(T{3});
  const Var<T> w = number(T{4});
  int calls = 0;
  const auto sum_and_product = [&] {
    std::vector<Array<T>> values;
    values.push_back(Array<T>::scalar(7));
    values.push_back(Array<T>::scalar(12));
    return make_vars(
        std::move(values), {x, w},
        [&](const std::vector<Array<T>>& dys, Gradients<T>& gradients) {
          ++calls;
          gradients.add(0, Array<T>::scalar(dys[0].item() + 4 * dys[1].item()));
          gradients.add(1, Array<T>::scalar(dys[0].item() + 3 * dys[1].item()));
        },
        "sum_and_product");
  };
  std::vector<Var<T>> both = sum_and_product();
  times(both[0], both[1]).backward();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(x.grad().item(), T{12 + 7 * 4});
  EXPECT_EQ(w.grad().item(), T{12 + 7 * 3});
  x.zero_grad();
  w.zero_grad();
  both = sum_and_product();
  both[1].backward();  // nothing depends on the first result
  EXPECT_EQ(x.grad().item(), T{4});
  EXPECT_EQ(w.grad().item(), T{3});
  const NoGrad no_grad;
  EXPECT_FALSE(sum_and_product()[0].requires_grad());
}

TYPED_TEST(VarTest, ABufferIsAddedToInPart) {
  using T = TypeParam;
  const Var<T> x = parameter(Array<T>{1, 2, 3});
  const auto element = [&](Index i) {
    return make_var(
        Array<T>::scalar(x.value()(i)), {x},
        [i](const Array<T>& dy, Gradients<T>& gradients) { gradients.buffer(0)(i) += dy.item(); });
  };
  plus(element(1), times(element(1), element(2))).backward();
  EXPECT_EQ(x.grad(), (Array<T>{0, 4, 2}));
}

/// Gradient contributions come in one fixed order: the sum rounds the same way every time.
TEST(VarOrder, AccumulationIsDeterministic) {
  const auto gradient = [] {
    const Var<float> x = number(0.1f);
    Var<float> sum = times(x, x);
    for (int i = 1; i < 200; ++i) {
      sum = plus(sum, times(x, Var<float>(Array<float>::scalar(1.0f / static_cast<float>(i)))));
    }
    sum.backward();
    return x.grad().item();
  };
  const float first = gradient();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(gradient(), first);
  }
}

constexpr int kDeep = 1000000;

TEST(VarDepth, BackwardOfAMillionOperations) {
  const Var<float> x = number(1.0f);
  Var<float> y = x;
  for (int i = 0; i < kDeep; ++i) {
    y = plus(y, x);
  }
  y.backward();
  EXPECT_EQ(x.grad().item(), static_cast<float>(kDeep + 1));
}

TEST(VarDepth, DestructionOfAMillionOperations) {
  const Var<float> x = number(1.0f);
  Var<float> y = x;
  for (int i = 0; i < kDeep; ++i) {
    y = plus(y, x);
  }
  y = Var<float>();
  EXPECT_FALSE(x.has_grad());
}

TEST(VarDepth, DestructionOfClosuresThatHoldVars) {
  const Var<float> x = number(1.0f);
  Var<float> y = x;
  for (int i = 0; i < kDeep / 4; ++i) {
    y = make_var(
        Array<float>::scalar(1.0f), {x},
        [y](Array<float> dy, Gradients<float>& gradients) { gradients.add(0, std::move(dy)); });
  }
  y.backward();
  EXPECT_EQ(x.grad().item(), 1.0f);
}

}  // namespace
}  // namespace lamina
