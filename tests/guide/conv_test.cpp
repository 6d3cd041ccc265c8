#include "lamina/nn/conv.hpp"

#include <gtest/gtest.h>

#include "guide/near.hpp"
#include "lamina/nn/conv_transpose.hpp"
#include "lamina/nn/unfold.hpp"

// The guide's chapter "Convolution Operations". All values are small integers: exact.

namespace lamina::guide {
namespace {

TEST(GuideConv, OneAxis) {
  const Array<double> signal{1.0, 2.0, 3.0, 4.0, 5.0};
  const Array<double> kernel{1.0, 0.0, -1.0};
  EXPECT_EQ(nn::conv1d(signal, kernel, 1), (Array<double>{-2, -2, -2}));
  EXPECT_EQ(nn::conv1d(signal, Array<double>{1, 1}, 2), (Array<double>{3, 7}));
  EXPECT_EQ(nn::conv1d(Array<double>{0, 0, 1, 1, 1, 0, 0}, Array<double>{-1, 0, 1}, 1),
            (Array<double>{1, 1, 0, -1, -1}));
}

TEST(GuideConv, LaplacianOfAConstantImage) {
  const Array<double> image = Array<double>::ones({5, 5});
  const Array<double> kernel = Array<double>::from_shape_vec({3, 3}, {1.0, 1.0, 1.0,   //
                                                                      1.0, -8.0, 1.0,  //
                                                                      1.0, 1.0, 1.0});
  EXPECT_EQ(nn::conv2d(image, kernel, {1, 1}), Array<double>::zeros({3, 3}));
}

TEST(GuideConv, Images) {
  const Array<double> ones = Array<double>::ones({2, 2});
  EXPECT_EQ(nn::conv2d(Array<double>::arange(9).reshape({3, 3}).copy(), ones, {1, 1}),
            (Array<double>{{8, 12}, {20, 24}}));
  EXPECT_EQ(nn::conv2d(Array<double>::arange(1, 10).reshape({3, 3}).copy(),
                       Array<double>{{1, 0}, {0, 1}}, {1, 1}),
            (Array<double>{{6, 8}, {12, 14}}));
  EXPECT_EQ(nn::conv2d(Array<double>::arange(1, 17).reshape({4, 4}).copy(), ones, {2, 2}),
            (Array<double>{{14, 22}, {46, 54}}));
}

TEST(GuideConv, Padding) {
  const Array<double> image = Array<double>::ones({3, 3});
  const Array<double> kernel = Array<double>::ones({3, 3});
  const Array<double> padded{{4, 6, 4}, {6, 9, 6}, {4, 6, 4}};
  EXPECT_EQ(nn::conv2d(image, kernel, {1, 1}), (Array<double>{{9}}));
  EXPECT_EQ(nn::conv2d_with_padding(image, kernel, {1, 1}, 1), padded);
  EXPECT_EQ(nn::conv2d(image, kernel, {.padding = PaddingMode::same()}), padded);
  EXPECT_EQ(nn::conv2d(image, kernel, {.padding = 1}), padded);
  EXPECT_EQ(nn::conv2d(image, kernel, {.padding = PaddingMode::full()}).shape(), Shape({5, 5}));
}

TEST(GuideConv, DepthwiseOfOneMapIsConv2d) {
  const Array<double> input = Array<double>::arange(1, 17).reshape({4, 4}).copy();
  const Array<double> kernel{{1, 2}, {3, 4}};
  EXPECT_EQ(nn::depthwise_conv2d(input, kernel, {1, 1}), nn::conv2d(input, kernel, {1, 1}));
}

TEST(GuideConv, DepthwiseOfChannels) {
  // Channel c holds (c + 1) (4 h + w + 1); its kernel is all 1 or all -1.
  const auto x = Array<double>::from_shape_fn(
      {1, 2, 4, 4}, [](Index, Index c, Index h, Index w) { return (c + 1) * (4 * h + w + 1); });
  Array<double> kernels = Array<double>::ones({2, 1, 2, 2});
  kernels.row(1).fill(-1.0);
  const Array<double> y = nn::depthwise_conv2d_batched(x, kernels, {1, 1}, {0, 0});
  ASSERT_EQ(y.shape(), Shape({1, 2, 3, 3}));
  EXPECT_EQ(y(0, 0, 0, 0), 14);
  EXPECT_EQ(y(0, 1, 0, 0), -28);
  EXPECT_EQ(nn::depthwise_conv2d(x, kernels, {1, 1}), y);
}

TEST(GuideConv, BatchesAndGroups) {
  const Array<double> x = Array<double>::arange(16).reshape({1, 1, 4, 4}).copy();
  const Array<double> weight = Array<double>::ones({1, 1, 2, 2});
  const Array<double> y = nn::conv2d_batched(x, weight, View<double>(), {1, 1}, {0, 0}, {1, 1});
  ASSERT_EQ(y.shape(), Shape({1, 1, 3, 3}));
  EXPECT_EQ(y(0, 0, 0, 0), 10);
  EXPECT_EQ(y(0, 0, 0, 2), 18);
  EXPECT_TRUE(y.is_contiguous());
  EXPECT_EQ(nn::grouped_conv2d(Array<double>::ones({1, 4, 3, 3}), Array<double>::ones({4, 2, 2, 2}),
                               2, {1, 1}, {0, 0}),
            Array<double>::full({1, 4, 2, 2}, 8));
}

TEST(GuideConv, Transposed) {
  const Array<double> x = Array<double>{{1, 2}, {3, 4}}.reshape({1, 1, 2, 2}).copy();
  const Array<double> weight = Array<double>::ones({1, 1, 2, 2});
  const Array<double> y =
      nn::conv_transpose2d_batched(x, weight, View<double>(), {1, 1}, {0, 0}, {0, 0}, {1, 1});
  ASSERT_EQ(y.shape(), Shape({1, 1, 3, 3}));
  EXPECT_EQ(y.view().reshape({3, 3}), (Array<double>{{1, 3, 2}, {4, 10, 6}, {3, 7, 4}}));
}

TEST(GuideConv, UnfoldedImagesAsInTheOriginal) {
  const Array<double> x = Array<double>::arange(16).reshape({1, 1, 4, 4}).copy();
  const Array<double> columns = nn::im2col(x, {2, 2}, {1, 1}, {0, 0}, {1, 1});
  ASSERT_EQ(columns.shape(), Shape({4, 9}));
  // A row for each element of the kernel, a column for each position.
  EXPECT_EQ(columns.slice(1, {0, 1}).copy(), (Array<double>{{0}, {1}, {4}, {5}}));
  // The adjoint: an element is counted once for each window it lies in.
  const Array<double> counts =
      nn::col2im(Array<double>::ones({4, 9}), x.shape(), {2, 2}, {1, 1}, {0, 0}, {1, 1});
  EXPECT_EQ(counts.reshape({4, 4}),
            (Array<double>{{1, 2, 2, 1}, {2, 4, 4, 2}, {2, 4, 4, 2}, {1, 2, 2, 1}}));
}

}  // namespace
}  // namespace lamina::guide
