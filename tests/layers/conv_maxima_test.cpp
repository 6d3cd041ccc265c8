// Sequential computes a convolution, ReLU and the pooling behind them as one operation where that
// is faster: the same as the layers one by one.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "lamina/core/parallel.hpp"
#include "lamina/core/simd.hpp"
#include "lamina/layers/activation.hpp"
#include "lamina/layers/conv.hpp"
#include "lamina/layers/pooling.hpp"
#include "lamina/layers/sequential.hpp"
#include "support/expect.hpp"
#include "support/message.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using namespace layers;
using testing::message_of;
using testing::values;

struct Case {
  Shape x;
  Index outputs, kernel;
  nn::Conv2dOptions conv;
  bool relu = true, bias = true;
};

std::vector<Case> cases() {
  std::vector<Case> list;
  list.push_back({{64, 1, 28, 28}, 6, 5, {.padding = 2}});
  list.push_back({{64, 6, 14, 14}, 16, 5, {}});
  list.push_back({{79, 3, 15, 13}, 8, 3, {}, true, false});  // images and blocks that do not fit
  list.push_back({{64, 2, 12, 11}, 5, 4, {.padding = 1}, false});
  list.push_back({{64, 4, 21, 17}, 9, 3, {.stride = {2, 1}, .padding = 2, .dilation = {1, 2}}});
  list.push_back({{64, 3, 4, 3}, 8, 5, {.padding = 2}});  // every line sees the edge
  list.push_back({{3, 3, 12, 12}, 8, 5, {}});             // too few images
  return list;
}

template <class T>
Sequential<T> network(const Case& c) {
  Generator generator(7);
  Sequential<T> net;
  net.append(Conv2d<T>(c.x[1], c.outputs, c.kernel, generator, {.conv = c.conv, .bias = c.bias}));
  if (c.relu) net.append(ReLU<T>());
  net.append(MaxPool2d<T>(2));
  return net;
}

/// y, and the gradients of x and the parameters.
template <class T>
std::vector<Array<T>> results(Sequential<T>& net, const Array<T>& x, bool one_by_one,
                              bool input_gradient = true) {
  net.zero_grad();
  const Var<T> input(x, input_gradient);
  Var<T> y = input;
  if (one_by_one) {
    for (Index i = 0; i < net.size(); ++i) y = net[i].forward(y);
  } else {
    y = net(input);
  }
  y.backward(values<T>(y.shape(), 3));
  std::vector<Array<T>> list{Array<T>(y.value())};
  if (input_gradient) list.push_back(Array<T>(input.grad()));
  for (const NamedVar<T>& parameter : net.parameters()) {
    list.push_back(Array<T>(parameter.var.grad()));
  }
  return list;
}

template <class T>
void expect_close(const std::vector<Array<T>>& a, const std::vector<Array<T>>& b,
                  const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].shape(), b[i].shape());
    double largest = 0;
    for (Index k = 0; k < b[i].size(); ++k) {
      const T value = b[i].data()[k];
      if (std::isfinite(value)) largest = std::max(largest, std::abs(static_cast<double>(value)));
    }
    const double bound = largest * 30 * std::numeric_limits<T>::epsilon();
    for (Index k = 0; k < b[i].size(); ++k) {
      const T one = a[i].data()[k];
      const T other = b[i].data()[k];
      if (one == other || (std::isnan(one) && std::isnan(other))) continue;
      ASSERT_LE(std::abs(one - other), bound) << what << ", result " << i << " at " << k;
    }
  }
}

template <class T>
class ConvMaxima : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ConvMaxima, Types);

TYPED_TEST(ConvMaxima, IsTheLayersOneByOne) {
  test::for_each_target([&] {
    for (const Case& c : cases()) {
      Sequential<TypeParam> net = network<TypeParam>(c);
      const Array<TypeParam> x = values<TypeParam>(c.x, 1);
      for (const bool input_gradient : {true, false}) {
        expect_close(results(net, x, false, input_gradient), results(net, x, true, input_gradient),
                     to_string(c.x));
      }
      const Array<TypeParam> recorded = results(net, x, false)[0];
      const NoGrad no_grad;
      EXPECT_EQ(net(x).value(), recorded) << to_string(c.x);
    }
  });
}

TYPED_TEST(ConvMaxima, SameBitsOnAnyNumberOfThreads) {
  const int before = num_threads();
  for (const Case& c : cases()) {
    Sequential<TypeParam> net = network<TypeParam>(c);
    const Array<TypeParam> x = values<TypeParam>(c.x, 1);
    set_num_threads(1);
    const std::vector<Array<TypeParam>> expected = results(net, x, false);
    for (const int threads : {2, 3, 5}) {
      set_num_threads(threads);
      EXPECT_EQ(results(net, x, false), expected) << threads;
    }
  }
  set_num_threads(before);
}

TYPED_TEST(ConvMaxima, Specials) {
  const TypeParam infinity = std::numeric_limits<TypeParam>::infinity();
  for (const bool relu : {true, false}) {
    Sequential<TypeParam> net = network<TypeParam>({{79, 2, 12, 12}, 8, 3, {}, relu});
    Array<TypeParam> x = values<TypeParam>({79, 2, 12, 12}, 1);
    x(3, 0, 4, 5) = std::numeric_limits<TypeParam>::quiet_NaN();
    x(78, 1, 0, 0) = infinity;
    x(40, 1, 11, 11) = -infinity;
    // One image without anything, whose maxima are all equal.
    for (Index i = 0; i < 2 * 12 * 12; ++i) x.data()[17 * 2 * 12 * 12 + i] = 0;
    const std::vector<Array<TypeParam>> one = results(net, x, false);
    const std::vector<Array<TypeParam>> other = results(net, x, true);
    expect_close<TypeParam>({one[0]}, {other[0]}, "values");
    // A window of several NaN hands its gradient to one of them; all other images agree.
    for (Index n = 0; n < 79; ++n) {
      if (n == 3) continue;
      expect_close<TypeParam>({Array<TypeParam>(one[1].select(0, n))},
                              {Array<TypeParam>(other[1].select(0, n))}, "image");
    }
    // Infinite weights do not reach what no image is in.
    Array<TypeParam> finite = values<TypeParam>({79, 2, 12, 12}, 1);
    for (Index i = 0; i < finite.size(); ++i) finite.data()[i] = std::abs(finite.data()[i]) + 1;
    static_cast<Conv2d<TypeParam>&>(net[0]).weight().mutable_value()(0, 0, 0, 0) = infinity;
    expect_close(results(net, finite, false, false), results(net, finite, true, false), "weights");
  }
}

TYPED_TEST(ConvMaxima, BiasGradientOfManyImages) {
  const Case c{{1024, 1, 16, 16}, 6, 5, {.padding = 2}, false};
  Sequential<TypeParam> net = network<TypeParam>(c);
  const Var<TypeParam> y = net(values<TypeParam>(c.x, 1));
  const TypeParam tenth = TypeParam(0.1);
  y.backward(Array<TypeParam>::full(y.shape(), tenth));
  const double expected = static_cast<double>(tenth) * 1024 * 64;
  const Array<TypeParam> got(static_cast<Conv2d<TypeParam>&>(net[0]).bias().grad());
  for (const TypeParam value : got) {
    EXPECT_NEAR(static_cast<double>(value), expected,
                64 * std::numeric_limits<TypeParam>::epsilon() * expected);
  }
}

TYPED_TEST(ConvMaxima, PlacesOutliveTheTarget) {
  const Case c{{64, 2, 12, 11}, 6, 4, {.padding = 1}};
  Sequential<TypeParam> net = network<TypeParam>(c);
  const Array<TypeParam> x = values<TypeParam>(c.x, 1);
  const std::vector<Array<TypeParam>> expected = results(net, x, true);

  net.zero_grad();
  const Var<TypeParam> input(x, true);
  const Var<TypeParam> y = net(input);
  simd::force(simd::Target::Baseline);
  y.backward(values<TypeParam>(y.shape(), 3));
  simd::reset();
  std::vector<Array<TypeParam>> list{Array<TypeParam>(y.value()), Array<TypeParam>(input.grad())};
  for (const auto& parameter : net.parameters()) {
    list.push_back(Array<TypeParam>(parameter.var.grad()));
  }
  expect_close(list, expected, "another target");
}

TYPED_TEST(ConvMaxima, ErrorsAndFrozenParameters) {
  const Case c{{64, 2, 12, 11}, 6, 4, {.padding = 1}};
  Sequential<TypeParam> net = network<TypeParam>(c);
  EXPECT_EQ(message_of([&] {
              (void)net(values<TypeParam>({64, 3, 12, 11}, 1));
            }),
            message_of([&] {
              (void)net[0](values<TypeParam>({64, 3, 12, 11}, 1));
            }));
  const auto& conv = static_cast<Conv2d<TypeParam>&>(net[0]);
  conv.weight().set_requires_grad(false);
  const Array<TypeParam> x = values<TypeParam>(c.x, 1);
  const Var<TypeParam> input(x, true);
  const Var<TypeParam> y = net(input);
  y.backward(values<TypeParam>(y.shape(), 3));
  EXPECT_FALSE(conv.weight().has_grad());
  const Array<TypeParam> dx(input.grad());
  const Array<TypeParam> dbias(conv.bias().grad());
  conv.weight().set_requires_grad(true);
  expect_close<TypeParam>({Array<TypeParam>(y.value()), dx},
                          {results(net, x, false)[0], results(net, x, false)[1]}, "frozen");
  EXPECT_EQ(dbias, results(net, x, false)[3]);
  // What the gradient needs must not change meanwhile.
  const Var<TypeParam> again = net(input);
  conv.weight().mutable_value()(0, 0, 0, 0) = 0;
  EXPECT_THROW(again.backward(values<TypeParam>(again.shape(), 3)), Error);
}

}  // namespace
}  // namespace lamina
