#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "guide/near.hpp"
#include "lamina/core/simd.hpp"
#include "lamina/nn/simd_ops.hpp"

// The guide's chapters "SIMD-Optimized Variants", "SIMD Optimization" and "Performance Tips".

namespace lamina::guide {
namespace {

// Values of ten decimals, in float: a few units of the last place of numbers up to 4.
constexpr double kFloat = 1e-6;

TEST(GuideSimd, PlatformDetection) {
  const std::string info = nn::get_simd_info();
  for (const char* item :
       {"SIMD Available", "AVX2", "AVX512", "NEON", "Vector Width (f32)", "Vector Width (f64)"}) {
    EXPECT_NE(info.find(item), std::string::npos) << item << " in\n" << info;
  }
  const nn::PlatformCapabilities found = nn::detect_simd_capabilities();
  EXPECT_GE(found.num_cores(), 1);
  EXPECT_FALSE(found.gpu_available);
  EXPECT_EQ(nn::is_simd_available(), simd::active_target() != simd::Target::Baseline);
  switch (simd::active_target()) {
    case simd::Target::Avx512:
      EXPECT_EQ(nn::recommended_batch_size(), 512);
      break;
    case simd::Target::Avx2:
      EXPECT_EQ(nn::recommended_batch_size(), 256);
      break;
    case simd::Target::Neon:
      EXPECT_EQ(nn::recommended_batch_size(), 128);
      break;
    default:
      EXPECT_EQ(nn::recommended_batch_size(), 64);
  }
}

TEST(GuideSimd, Activations) {
  const Array<float> x{1.0F, 2.0F, 3.0F, 4.0F};
  EXPECT_EQ(nn::simd_relu_f32(x), x);
  EXPECT_EQ(nn::simd_relu_f32(Array<float>{-1, 0, 1, 2}), (Array<float>{0, 0, 1, 2}));
  const auto expect_f = [&](const Array<float>& got, double (*f)(double)) {
    expect_near(got, {4}, {f(1), f(2), f(3), f(4)}, kFloat);
  };
  expect_f(nn::simd_sigmoid_f32(x), [](double v) { return 1 / (1 + std::exp(-v)); });
  expect_f(nn::simd_tanh_f32(x), [](double v) { return std::tanh(v); });
  expect_f(nn::simd_gelu_f32(x), [](double v) { return v * std::erfc(-v / std::sqrt(2.0)) / 2; });
  expect_f(nn::simd_swish_f32(x), [](double v) { return v / (1 + std::exp(-v)); });
}

TEST(GuideSimd, ElementwiseOperations) {
  const Array<float> x{1.0F, 2.0F, 3.0F, 4.0F}, y{0.5F, 1.0F, 1.5F, 2.0F};
  EXPECT_EQ(nn::simd_add_f32(x, y), (Array<float>{1.5F, 3, 4.5F, 6}));
  EXPECT_EQ(nn::simd_sub_f32(x, y), y);
  EXPECT_EQ(nn::simd_mul_f32(x, y), (Array<float>{.5F, 2, 4.5F, 8}));
  EXPECT_EQ(nn::simd_div_f32(x, y), (Array<float>{2, 2, 2, 2}));
}

TEST(GuideSimd, Reductions) {
  const Array<float> x{1.0F, 2.0F, 3.0F, 4.0F};
  EXPECT_EQ(nn::simd_sum_f32(x), 10.0F);
  EXPECT_EQ(nn::simd_mean_f32(x), 2.5F);
  EXPECT_EQ(nn::simd_max_f32(x), 4.0F);
  EXPECT_EQ(nn::simd_min_f32(Array<float>{5, 2, 8, 1, 9}), 1.0F);
  EXPECT_EQ(nn::simd_norm_f32(Array<float>{3, 4}), 5.0F);
  EXPECT_EQ(nn::simd_dot_f32(Array<float>{1, 2, 3}, Array<float>{4, 5, 6}), 32.0F);
}

TEST(GuideSimd, ExtremesOfNaNAreNaN) {
  Array<float> x = Array<float>::ones({64});
  x(0) = 5;
  x(10) = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(nn::simd_max_f32(x)));
  EXPECT_TRUE(std::isnan(nn::simd_min_f32(x)));
}

TEST(GuideSimd, MatrixProduct) {
  const Array<float> a = Array<float>::ones({4, 8}), b = Array<float>::ones({8, 4});
  EXPECT_EQ(nn::simd_matmul_f32(a, b), Array<float>::full({4, 4}, 8));
  const Array<double> c{{1, 2}, {3, 4}}, d{{5, 6}, {7, 8}}, cd{{19, 22}, {43, 50}};
  EXPECT_EQ(nn::simd_matmul_f64(c, d), cd);
  EXPECT_EQ(nn::simd_matmul_f32(c.astype<float>(), d.astype<float>()), cd.astype<float>());
}

TEST(GuideSimd, BothTypes) {
  const Array<double> x_f64{1.0, 2.0, 3.0, 4.0};
  EXPECT_EQ(nn::simd_relu_f64(x_f64), x_f64);
  EXPECT_EQ(nn::simd_relu_f32(x_f64.astype<float>()), x_f64.astype<float>());
}

TEST(GuidePerformanceTips, AWholeBatchAtOnce) {
  const auto samples =
      Array<double>::from_shape_fn({1000, 7}, [](Index i, Index j) { return (i * 7 + j) % 5 - 2; });
  const Array<double> output = nn::relu_2d(samples);
  for (Index i = 0; i < samples.rows(); ++i) {
    ASSERT_EQ(output.row(i).copy(), nn::relu(samples.row(i)));
  }
}

TEST(GuidePerformanceTips, OneResultForAllEpochs) {
  const Array<double> x{{-1, 2}, {3, -4}};
  Array<double> output = Array<double>::zeros({2, 2});
  const double* storage = output.data();
  for (int epoch = 0; epoch < 3; ++epoch) {
    nn::relu_into(x, output);
  }
  EXPECT_EQ(output.data(), storage);
  EXPECT_EQ(output, (Array<double>{{0, 2}, {3, 0}}));
}

TEST(GuidePerformanceTips, TransposedViewsCostNoCopyAndGiveTheSame) {
  const Array<float> x{{-1, 2, 3}, {4, -5, 6}};
  EXPECT_EQ(nn::simd_relu_f32(x.t()), (Array<float>{{0, 4}, {2, 0}, {3, 6}}));
}

}  // namespace
}  // namespace lamina::guide
