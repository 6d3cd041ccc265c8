#include "lamina/nn/normalization.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "guide/near.hpp"
#include "lamina/nn/dropout.hpp"

// The guide's chapter "Normalization".

namespace lamina::guide {
namespace {

Array<double> sum_of_indices() {
  return Array<double>::from_shape_fn({4, 10}, [](Index i, Index j) { return i + j; });
}

TEST(GuideNormalization, BatchNorm) {
  const Array<double> gamma = Array<double>::ones({10}), beta = Array<double>::zeros({10});
  const Array<double> y = nn::batch_norm_1d(sum_of_indices(), gamma, beta, 1e-5);
  ASSERT_EQ(y.shape(), Shape({4, 10}));
  for (Index j = 0; j < 10; ++j) {
    expect_near(y.col(j).copy(), {4}, {-1.3416354200, -.4472118067, .4472118067, 1.3416354200});
  }
  const Array<double> twelve = Array<double>::arange(1, 13).reshape({4, 3}).copy();
  const Array<double> z =
      nn::batch_norm_1d(twelve, Array<double>::ones({3}), Array<double>::zeros({3}), 1e-5);
  expect_near(z.col(2).copy(), {4}, {-1.3416401902, -.4472133967, .4472133967, 1.3416401902});
}

TEST(GuideNormalization, BatchNormInInferenceTakesRunningStatistics) {
  Array<double> mean = Array<double>::zeros({10}), var = Array<double>::ones({10});
  (void)nn::batch_norm_training(sum_of_indices(), mean, var, {}, {}, {.momentum = 1.0});
  EXPECT_EQ(mean, Array<double>::arange(1.5, 11.5));
  expect_near(var, {10}, std::vector<double>(10, 5.0 / 3.0), 1e-15);  // divided by n - 1
  const Array<double> one_sample = Array<double>::arange(1.5, 11.5).reshape({1, 10}).copy();
  EXPECT_EQ(nn::batch_norm_inference(one_sample, mean, var), Array<double>::zeros({1, 10}));
}

TEST(GuideNormalization, LayerNorm) {
  const Array<double> gamma = Array<double>::ones({10}), beta = Array<double>::zeros({10});
  const Array<double> y = nn::layer_norm(sum_of_indices(), gamma, beta, 1e-5);
  ASSERT_EQ(y.shape(), Shape({4, 10}));
  for (Index i = 0; i < 4; ++i) {
    EXPECT_NEAR(y(i, 0), -1.5666979541, kTenDecimals);
    EXPECT_NEAR(y(i, 9), 1.5666979541, kTenDecimals);
    for (Index j = 0; j < 10; ++j) {
      EXPECT_NEAR(y(i, j), (static_cast<double>(j) - 4.5) * 1.5666979541 / 4.5, kTenDecimals);
    }
  }
  const Array<double> twelve = Array<double>::arange(1, 13).reshape({4, 3}).copy();
  const Array<double> z = nn::layer_norm(twelve);
  expect_near(z.row(0).copy(), {3}, {-1.2247356859, 0, 1.2247356859});
}

TEST(GuideNormalization, RmsNorm) {
  const Array<double> y = nn::rms_norm(sum_of_indices(), Array<double>::ones({10}), 1e-5);
  ASSERT_EQ(y.shape(), Shape({4, 10}));
  for (Index j = 0; j < 10; ++j) {  // row 0 is 0 ... 9; the tenth decimal is multiplied by j
    EXPECT_NEAR(y(0, j), .1873171295 * static_cast<double>(j), 10 * kTenDecimals);
  }
}

TEST(GuideNormalization, InstanceNorm) {
  const Array<double> y = nn::instance_norm(Array<double>{{1, 2, 3}, {4, 5, 6}}, 1e-5);
  expect_near(y, {2, 3}, {-1.2247356859, 0, 1.2247356859, -1.2247356859, 0, 1.2247356859});
}

TEST(GuideNormalization, Dropout) {
  const Array<double> x{1.0, 2.0, 3.0, 4.0};
  Generator generator(7);
  Index zeros = 0;
  for (int draw = 0; draw < 500; ++draw) {
    const Array<double> y = nn::dropout(x, 0.5, true, generator);
    for (Index i = 0; i < 4; ++i) {
      ASSERT_TRUE(y(i) == 0 || y(i) == 2 * x(i)) << y(i);
      zeros += y(i) == 0 ? 1 : 0;
    }
  }
  EXPECT_NEAR(static_cast<double>(zeros), 1000, 100);  // 4.5 standard deviations
  EXPECT_EQ(nn::dropout(x, 0.5, false, generator), x);
  EXPECT_EQ(nn::dropout(x, 0.0, true, generator), x);
  EXPECT_EQ(nn::dropout_2d(x.reshape({2, 2}), 0.5, false, generator),
            (Array<double>{{1, 2}, {3, 4}}));
}

TEST(GuideNormalization, DropoutWithTheSameSeedIsTheSame) {
  const Array<double> x = Array<double>::ones({8, 16});
  Generator first(3), second(3);
  EXPECT_EQ(nn::dropout_2d(x, 0.5, true, first), nn::dropout_2d(x, 0.5, true, second));
}

TEST(GuideNormalization, DropoutOfEverythingIsLegal) {
  const Array<double> x{1.0, std::numeric_limits<double>::infinity()};
  Generator generator(1);
  EXPECT_EQ(nn::dropout(x, 1.0, true, generator), (Array<double>{0, 0}));
}

TEST(GuideNormalization, SpatialDropoutDropsWholeChannels) {
  const Array<double> x = Array<double>::ones({4, 10});
  Generator generator(11);
  const Array<double> y = nn::spatial_dropout(x, 0.2, true, generator);
  for (Index j = 0; j < 10; ++j) {
    const double kept = y(0, j);
    EXPECT_TRUE(kept == 0 || kept == 1.25) << kept;
    EXPECT_EQ(y.col(j).copy(), Array<double>::full({4}, kept));
  }
}

}  // namespace
}  // namespace lamina::guide
