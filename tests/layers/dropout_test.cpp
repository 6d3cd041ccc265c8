// Dropout layers: modes, independence, names.

#include "lamina/layers/dropout.hpp"

#include <gtest/gtest.h>

#include "lamina/layers/sequential.hpp"
#include "lamina/nn/dropout.hpp"
#include "support/message.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using namespace layers;
using testing::message_of;
using testing::values;

TEST(DropoutLayer, DropsInTrainingOnly) {
  Generator generator(1);
  Dropout layer(0.5, generator);
  const Array<float> x = values<float>({20, 30}, 1);
  const Generator before = layer.generator();
  const Array<float> y = layer(x).value();
  Generator copy = before;
  EXPECT_EQ(y, nn::dropout(x, 0.5, true, copy));
  EXPECT_NE(layer(x).value(), y);  // another mask each time
  layer.generator() = before;      // and the same one again
  EXPECT_EQ(layer(x).value(), y);
  layer.eval();
  EXPECT_EQ(layer(x).value(), x);
}

TEST(DropoutLayer, LayersDropIndependently) {
  Generator generator(1);
  Dropout first(0.5, generator);
  Dropout second(0.5, generator);
  const Array<float> x = Array<float>::ones({100});
  EXPECT_NE(first(x).value(), second(x).value());
}

TEST(DropoutLayer, EveryKind) {
  Generator generator(1);
  const Array<double> x = values<double>({4, 3, 5}, 1);
  const auto expect_same = [&](auto& layer, auto function) {
    Generator copy = layer.generator();
    EXPECT_EQ(layer(x).value(), function(copy));
  };
  SpatialDropout<double> spatial(0.5, generator, DataFormat::NHWC);
  expect_same(spatial,
              [&](Generator& g) { return nn::spatial_dropout(x, 0.5, true, g, DataFormat::NHWC); });
  DropPath<double> path(0.5, generator);
  expect_same(path, [&](Generator& g) { return nn::drop_path(x, 0.5, true, g); });
  AlphaDropout<double> alpha(0.5, generator);
  expect_same(alpha, [&](Generator& g) { return nn::alpha_dropout(x, 0.5, true, g); });
}

TEST(DropoutLayer, NamesAndErrors) {
  Generator generator(1);
  Sequential net{Dropout(0.25, generator), SpatialDropout(0.5, generator),
                 AlphaDropout(0.1, generator), DropPath(0.2, generator)};
  EXPECT_EQ(net.describe(),
            "Sequential\n  0: Dropout(p = 0.25)\n  1: SpatialDropout(p = 0.5)\n"
            "  2: AlphaDropout(p = 0.1)\n  3: DropPath(p = 0.2)\n");
  EXPECT_EQ(message_of([&] { Dropout<float>(1.5, generator); }),
            "Dropout: p must be in [0, 1], got 1.5");
}

}  // namespace
}  // namespace lamina
