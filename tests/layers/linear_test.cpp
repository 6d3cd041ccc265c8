// The fully connected layer and how it starts.

#include "lamina/layers/linear.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "lamina/nn/init.hpp"
#include "lamina/nn/linear.hpp"
#include "support/message.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using namespace layers;
using testing::message_of;
using testing::values;

template <class T>
class LinearLayer : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(LinearLayer, Types);

TYPED_TEST(LinearLayer, IsNnLinear) {
  using T = TypeParam;
  Generator generator(1);
  Linear<T> layer(5, 3, generator);
  const Array<T> x = values<T>({2, 4, 5}, 1);
  EXPECT_EQ(layer(x).value(), nn::linear(x, layer.weight().value(), layer.bias().value()));
  Linear<T> bare(5, 3, generator, {.bias = false});
  EXPECT_FALSE(bare.bias().defined());
  EXPECT_EQ(bare(x).value(), nn::linear(x, bare.weight().value()));
  EXPECT_EQ(layer.name(), "Linear(5 -> 3)");
  EXPECT_EQ(bare.name(), "Linear(5 -> 3, no bias)");
}

TYPED_TEST(LinearLayer, StartsWithinTheBoundAndFromTheSeed) {
  using T = TypeParam;
  const auto make = [](std::uint64_t seed) {
    Generator generator(seed);
    return Linear<T>(100, 50, generator);
  };
  const Linear<T> layer = make(1);
  EXPECT_EQ(layer.weight().value(), make(1).weight().value());
  EXPECT_NE(layer.weight().value(), make(2).weight().value());
  T largest = 0;
  for (const T w : layer.weight().value()) {
    largest = std::max(largest, std::abs(w));
  }
  EXPECT_LE(static_cast<double>(largest), 0.1 + 1e-8);
  EXPECT_GT(static_cast<double>(largest), 0.09);
  for (const T b : layer.bias().value()) {
    EXPECT_LE(static_cast<double>(std::abs(b)), 0.1 + 1e-8);
  }
  EXPECT_NE(layer.bias().value()(0), T{0});
}

TYPED_TEST(LinearLayer, EveryWeightInit) {
  using T = TypeParam;
  const Shape shape{30, 20};
  const auto with = [&](WeightInit init) {
    Generator generator(3);
    return initial_weight<T>(init, shape, generator);
  };
  const auto expected = [&](auto function) {
    Generator generator(3);
    return function(generator);
  };
  EXPECT_EQ(with(WeightInit::KaimingUniform),
            expected([&](Generator& g) { return nn::kaiming_uniform<T>(shape, g); }));
  EXPECT_EQ(with(WeightInit::KaimingNormal),
            expected([&](Generator& g) { return nn::kaiming_normal<T>(shape, g); }));
  EXPECT_EQ(with(WeightInit::XavierUniform),
            expected([&](Generator& g) { return nn::xavier_uniform<T>(shape, g); }));
  EXPECT_EQ(with(WeightInit::XavierNormal),
            expected([&](Generator& g) { return nn::xavier_normal<T>(shape, g); }));
  EXPECT_EQ(with(WeightInit::LecunUniform),
            expected([&](Generator& g) { return nn::lecun_uniform<T>(shape, g); }));
  EXPECT_EQ(with(WeightInit::LecunNormal),
            expected([&](Generator& g) { return nn::lecun_normal<T>(shape, g); }));
  EXPECT_EQ(with(WeightInit::Zeros), Array<T>::zeros(shape));
  Generator generator(3);
  const Linear<T> layer(20, 30, generator, {.init = WeightInit::XavierNormal});
  EXPECT_EQ(layer.weight().value(), with(WeightInit::XavierNormal));
  EXPECT_EQ(layer.bias().value(), Array<T>::zeros({30}));
}

TYPED_TEST(LinearLayer, FromGivenValues) {
  using T = TypeParam;
  Linear layer(Array<T>{{1, 2}, {3, 4}}, Array<T>{10, 20});
  EXPECT_EQ(layer(Array<T>{{1, 1}}).value(), (Array<T>{{13, 27}}));
  EXPECT_EQ(Linear(Array<T>{{1, 2}})(Array<T>{{1, 1}}).value(), (Array<T>{{3}}));
}

TEST(LinearLayerErrors, Messages) {
  Generator generator(1);
  EXPECT_EQ(message_of([&] { Linear<float>(-1, 2, generator); }),
            "Linear: extents must not be negative, got in -1, out 2");
  EXPECT_EQ(message_of([] {
              Linear<float>(Array<float>{1, 2});
            }),
            "Linear: weight must be (out, in), got (2,)");
  EXPECT_EQ(message_of([] {
              Linear<float>(Array<float>{{1, 2}}, Array<float>{1, 2});
            }),
            "Linear: bias (2,) does not fit weight (1, 2)");
  Linear<float> layer(3, 2, generator);
  EXPECT_THROW((void)layer(Array<float>::zeros({4, 5})), Error);
}

}  // namespace
}  // namespace lamina
