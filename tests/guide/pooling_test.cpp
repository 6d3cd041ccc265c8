// The guide's section on pooling, with the numbers it and NumRS2's own tests give.

#include <gtest/gtest.h>

#include "lamina/lamina.hpp"

namespace lamina::guide {
namespace {

Array<double> counted(Index from, const Shape& shape) {
  return Array<double>::arange(static_cast<double>(from), static_cast<double>(from + shape.size()))
      .reshape(shape);
}

TEST(GuidePooling, MaxAndAverage) {
  const auto feature_map = Array<double>::from_shape_fn(
      {4, 4}, [](Index i, Index j) { return static_cast<double>(i * 4 + j); });
  EXPECT_EQ(nn::max_pool2d(feature_map, {2, 2}, {2, 2}), (Array<double>{{5, 7}, {13, 15}}));
  EXPECT_EQ(nn::avg_pool2d(feature_map, {2, 2}, {2, 2}), (Array<double>{{2.5, 4.5}, {10.5, 12.5}}));
}

TEST(GuidePooling, OfNumRS2sTests) {
  const Array<double> sixteen = counted(1, {4, 4});
  EXPECT_EQ(nn::max_pool2d(sixteen, {2, 2}, {2, 2}), (Array<double>{{6, 8}, {14, 16}}));
  EXPECT_EQ(nn::avg_pool2d(sixteen, {2, 2}, {2, 2}), (Array<double>{{3.5, 5.5}, {11.5, 13.5}}));
  const Array<double> nine = counted(1, {3, 3});
  EXPECT_EQ(nn::max_pool2d(nine, {2, 2}, {1, 1}), (Array<double>{{5, 6}, {8, 9}}));
  EXPECT_EQ(nn::avg_pool2d(nine, {2, 2}, {1, 1}), (Array<double>{{3, 4}, {6, 7}}));
  const Array<double> twelve = counted(1, {3, 4});
  EXPECT_EQ(nn::max_pool2d(twelve, {2, 3}, {1, 1})(0, 0), 7);
  EXPECT_EQ(nn::avg_pool2d(twelve, {2, 3}, {1, 1})(0, 0), 4);
}

TEST(GuidePooling, AdaptiveAndGlobal) {
  const Array<double> input = Array<double>::ones({8, 8});
  EXPECT_EQ(nn::adaptive_avg_pool2d(input, {4, 4}), Array<double>::ones({4, 4}));
  const Array<double> feature_map = counted(0, {4, 4});
  const Array<double> avg = nn::global_avg_pool(feature_map);
  const Array<double> max = nn::global_max_pool(feature_map);
  EXPECT_EQ(avg.item(), 7.5);
  EXPECT_EQ(max.item(), 15);
  // Where the extents do not divide, windows end at the ceiling; NumRS2's end at the floor.
  EXPECT_EQ(nn::adaptive_avg_pool2d(counted(0, {1, 5}), {1, 2}), (Array<double>{{1, 3}}));
}

TEST(GuidePooling, ErrorsInsteadOfPanics) {
  const Array<double> small = Array<double>::ones({2, 2});
  EXPECT_THROW((void)nn::max_pool2d(small, {3, 3}, {1, 1}), Error);
  EXPECT_THROW((void)nn::avg_pool2d(small, {0, 1}, {1, 1}), Error);
  EXPECT_THROW((void)nn::max_pool2d(small, {1, 1}, {0, 1}), Error);
  EXPECT_THROW((void)nn::adaptive_avg_pool2d(small, {0, 1}), Error);
}

}  // namespace
}  // namespace lamina::guide
