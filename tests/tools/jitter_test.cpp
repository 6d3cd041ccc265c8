#include "jitter.hpp"

#include <gtest/gtest.h>

#include "lamina/core/error.hpp"

namespace lamina::tool {
namespace {

TEST(Jitter, NothingToBendIsACopy) {
  const auto images = Array<float>::from_shape_fn(
      {3, 16}, [](Index n, Index i) { return 0.1F * float(n * 16 + i); });
  Array<float> out = Array<float>::empty({3, 16});
  Generator generator(1);
  jitter(images, 4, generator, out, {.shift = 0, .shear = 0, .stretch = 0});
  EXPECT_TRUE(allclose(out, images, 1e-6));
}

TEST(Jitter, KeepsALinearImageLinear) {
  // Linear interpolation reproduces x and y exactly, so the map itself can be read off inside.
  const Index side = 16;
  const auto images = Array<float>::from_shape_fn(
      {1, side * side}, [&](Index, Index i) { return static_cast<float>(i % side); });
  Array<float> out = Array<float>::empty(images.shape());
  Generator generator(7);
  const JitterOptions options;
  jitter(images, side, generator, out, options);
  const auto at = [&](Index y, Index x) { return out(0, y * side + x); };
  const float dx = at(8, 9) - at(8, 8);
  const float dy = at(9, 8) - at(8, 8);
  EXPECT_NEAR(dx, 1, options.stretch + 1e-5);
  EXPECT_NEAR(dy, 0, options.shear + 1e-5);
  for (Index y = 5; y < 11; ++y) {
    for (Index x = 5; x < 11; ++x) {
      EXPECT_NEAR(at(y, x),
                  at(8, 8) + dx * static_cast<float>(x - 8) + dy * static_cast<float>(y - 8), 1e-4);
    }
  }
}

TEST(Jitter, FixedBySeedAndBounded) {
  const auto images = Array<float>::ones({5, 64});
  Array<float> first = Array<float>::empty(images.shape());
  Array<float> second = Array<float>::empty(images.shape());
  Generator generator(3);
  Generator same(3);
  jitter(images, 8, generator, first);
  jitter(images, 8, same, second);
  EXPECT_EQ(first, second);
  jitter(images, 8, same, second);
  EXPECT_FALSE(first == second);
  for (const float value : first) {
    EXPECT_GE(value, 0.0F);
    EXPECT_LE(value, 1.0F + 1e-6F);
  }
  EXPECT_THROW(jitter(images, 7, generator, first), Error);
  EXPECT_THROW(jitter(first, 8, generator, first), Error);
}

}  // namespace
}  // namespace lamina::tool
