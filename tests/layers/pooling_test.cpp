#include "lamina/layers/pooling.hpp"

#include <gtest/gtest.h>

#include "lamina/layers/activation.hpp"
#include "lamina/layers/conv.hpp"
#include "lamina/layers/linear.hpp"
#include "lamina/layers/sequential.hpp"
#include "support/message.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using namespace layers;
using testing::message_of;
using testing::values;

TEST(PoolingLayers, AreTheFunctions) {
  const Array<double> x = values<double>({2, 3, 8, 9}, 1);
  EXPECT_EQ(MaxPool2d<double>(2)(x).value(), nn::max_pool2d(x, 2));
  EXPECT_EQ(MaxPool2d<double>({3, 2}, {.stride = 1, .padding = 1})(x).value(),
            nn::max_pool2d(x, {3, 2}, {.stride = 1, .padding = 1}));
  EXPECT_EQ(AvgPool2d<double>({3, 2}, {.count_include_pad = false})(x).value(),
            nn::avg_pool2d(x, {3, 2}, {.count_include_pad = false}));
  EXPECT_EQ(LpPool2d<double>(2, 2)(x).value(), nn::lp_pool2d(x, 2, 2));
  EXPECT_EQ(AdaptiveAvgPool2d<double>({3, 4})(x).value(), nn::adaptive_avg_pool2d(x, {3, 4}));
  EXPECT_EQ(AdaptiveMaxPool2d<double>(2, DataFormat::NHWC)(x).value(),
            nn::adaptive_max_pool2d(x, 2, DataFormat::NHWC));
  EXPECT_EQ(GlobalAvgPool<double>()(x).value(), nn::global_avg_pool(x));
  EXPECT_EQ(GlobalMaxPool<double>({.keep_dims = true})(x).value(),
            nn::global_max_pool(x, {.keep_dims = true}));

  const Array<double> sequence = values<double>({2, 3, 9}, 1);
  EXPECT_EQ(MaxPool1d<double>(2)(sequence).value(), nn::max_pool1d(sequence, 2));
  EXPECT_EQ(AvgPool1d<double>(3)(sequence).value(), nn::avg_pool1d(sequence, 3));
  EXPECT_EQ(LpPool1d<double>(1, 3)(sequence).value(), nn::lp_pool1d(sequence, 1, 3));
  EXPECT_EQ(AdaptiveAvgPool1d<double>(4)(sequence).value(), nn::adaptive_avg_pool1d(sequence, 4));
  EXPECT_EQ(AdaptiveMaxPool1d<double>(4)(sequence).value(), nn::adaptive_max_pool1d(sequence, 4));

  const Array<double> volume = values<double>({2, 3, 4, 5, 6}, 1);
  EXPECT_EQ(MaxPool3d<double>({1, 2, 3})(volume).value(), nn::max_pool3d(volume, {1, 2, 3}));
  EXPECT_EQ(AvgPool3d<double>(2)(volume).value(), nn::avg_pool3d(volume, 2));
  EXPECT_EQ(LpPool3d<double>(3, 2)(volume).value(), nn::lp_pool3d(volume, 3, 2));
  EXPECT_EQ(AdaptiveAvgPool3d<double>(2)(volume).value(), nn::adaptive_avg_pool3d(volume, 2));
  EXPECT_EQ(AdaptiveMaxPool3d<double>(2)(volume).value(), nn::adaptive_max_pool3d(volume, 2));
}

TEST(PoolingLayers, Names) {
  EXPECT_EQ(MaxPool2d(2).name(), "MaxPool2d(kernel (2, 2), stride (2, 2))");
  EXPECT_EQ(AvgPool1d(3, {.stride = 2}).name(), "AvgPool1d(kernel 3, stride 2)");
  EXPECT_EQ(LpPool2d(2, {3, 1}).name(), "LpPool2d(kernel (3, 1), stride (3, 1), p 2)");
  EXPECT_EQ(AdaptiveAvgPool3d({1, 2, 3}).name(), "AdaptiveAvgPool3d((1, 2, 3))");
  EXPECT_EQ(AdaptiveMaxPool1d(4).name(), "AdaptiveMaxPool1d(4)");
  EXPECT_EQ(GlobalAvgPool{}.name(), "GlobalAvgPool");
}

TEST(PoolingLayers, RefuseWhatCannotBe) {
  EXPECT_EQ(message_of([] {
              MaxPool2d<float>({2, 0});
            }),
            "MaxPool2d: kernel must be at least 1, got 0");
  EXPECT_EQ(message_of([] { AvgPool1d<float>(2, {.stride = 0}); }),
            "AvgPool1d: stride must be at least 1, got 0");
  EXPECT_EQ(message_of([] { LpPool2d<float>(0.5, 2); }),
            "LpPool2d: p must be finite and at least 1, got 0.5");
  EXPECT_EQ(message_of([] {
              AdaptiveAvgPool2d<float>({2, 0});
            }),
            "AdaptiveAvgPool2d: output extents must be at least 1, got 0");
}

TEST(PoolingLayers, InANetwork) {
  Generator generator(1);
  Sequential net{Conv2d(1, 6, {5, 5}, generator, {.conv = {.padding = 2}}),
                 ReLU{},
                 MaxPool2d(2),
                 Conv2d(6, 16, {5, 5}, generator),
                 ReLU{},
                 AvgPool2d(2),
                 AdaptiveAvgPool2d(2),
                 Flatten{},
                 Linear(64, 10, generator)};
  const Var<float> y = net(values<float>({3, 1, 28, 28}, 2));
  EXPECT_EQ(y.shape(), (Shape{3, 10}));
  y.backward(Array<float>::ones({3, 10}));
  for (const auto& parameter : net.parameters()) EXPECT_TRUE(parameter.var.has_grad());
}

}  // namespace
}  // namespace lamina
