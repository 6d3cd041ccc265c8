#include "lamina/nn/simd_ops.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/expect.hpp"

namespace lamina::nn {
namespace {

TEST(SimdOpsF32, ActivationsAreTheGeneralOnes) {
  const Array<float> x{-2, -1, 0, 1, 2};
  EXPECT_EQ(simd_relu_f32(x), (Array<float>{0, 0, 0, 1, 2}));
  EXPECT_EQ(simd_sigmoid_f32(x), sigmoid(x));
  EXPECT_EQ(simd_tanh_f32(x), tanh(x));
  EXPECT_EQ(simd_gelu_f32(x), gelu(x));
  EXPECT_EQ(simd_swish_f32(x), swish(x));
  EXPECT_EQ(simd_mish_f32(x), mish(x));
  EXPECT_EQ(simd_selu_f32(x), selu(x));
  EXPECT_EQ(simd_exp_f32(x), exp(x));
  EXPECT_EQ(simd_leaky_relu_f32(x, 2), (Array<float>{-4, -2, 0, 1, 2}));
  EXPECT_EQ(simd_elu_f32(x, 1), elu(x, 1));
  EXPECT_EQ(simd_relu_2d_f32(x.reshape({1, 5})), (Array<float>{{0, 0, 0, 1, 2}}));
  EXPECT_THROW((void)simd_leaky_relu_f32(x, -1), Error);
  EXPECT_THROW((void)simd_elu_f32(x, 0), Error);
  EXPECT_THROW((void)simd_relu_2d_f32(x), Error);
}

TEST(SimdOpsF32, ArithmeticAndReductionsGiveTheKnownValues) {
  const Array<float> x{1, 2, 3};
  const Array<float> y{4, 5, 6};
  EXPECT_EQ(simd_add_f32(x, y), (Array<float>{5, 7, 9}));
  EXPECT_EQ(simd_sub_f32(x, y), (Array<float>{-3, -3, -3}));
  EXPECT_EQ(simd_mul_f32(x, y), (Array<float>{4, 10, 18}));
  EXPECT_EQ(simd_div_f32(y, x), (Array<float>{4, float(2.5), 2}));
  EXPECT_EQ(simd_dot_f32(x, y), 32);
  const Array<float> five{1, 2, 3, 4, 5};
  EXPECT_EQ(simd_sum_f32(five), 15);
  EXPECT_EQ(simd_mean_f32(five), 3);
  EXPECT_EQ(simd_norm_f32(Array<float>{3, 4}), 5);
  const Array<float> mixed{5, 2, 8, 1, 9};
  EXPECT_EQ(simd_max_f32(mixed), 9);
  EXPECT_EQ(simd_min_f32(mixed), 1);
  EXPECT_EQ(simd_matmul_f32(Array<float>{{1, 2}, {3, 4}}, Array<float>{{5, 6}, {7, 8}}),
            (Array<float>{{19, 22}, {43, 50}}));
  // Strided operands, which the original refused.
  const Array<float> a{{1, 2}, {3, 4}};
  EXPECT_EQ(simd_matmul_f32(a.t(), a), (Array<float>{{10, 14}, {14, 20}}));
  EXPECT_EQ(simd_dot_f32(a.col(0), a.col(1)), 14);
}

TEST(SimdOpsF32, OfNothingAndOfNaN) {
  const Array<float> none;
  constexpr float kInf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(simd_sum_f32(none), 0);
  EXPECT_EQ(simd_mean_f32(none), 0);
  EXPECT_EQ(simd_norm_f32(none), 0);
  EXPECT_EQ(simd_max_f32(none), -kInf);
  EXPECT_EQ(simd_min_f32(none), kInf);
  EXPECT_EQ(simd_dot_f32(none, none), 0);
  EXPECT_EQ(simd_relu_f32(none).size(), 0);
  Array<float> x = Array<float>::ones({64});
  x(0) = 5;
  x(10) = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(simd_max_f32(x)));
  EXPECT_TRUE(std::isnan(simd_min_f32(x)));
}

TEST(SimdOpsF32, RefuseShapesThatDiffer) {
  const Array<float> x{1, 2, 3};
  const Array<float> y{1};
  const Array<float> m(Shape{2, 3});
  constexpr auto kKind = ErrorKind::DimensionMismatch;
  test::expect_error(kKind, "simd_add_f32: a (3,) and b (1,) differ in shape",
                     [&] { (void)simd_add_f32(x, y); });
  test::expect_error(kKind, "simd_dot_f32: a (3,) and b (1,) differ in shape",
                     [&] { (void)simd_dot_f32(x, y); });
  test::expect_error(kKind, "simd_dot_f32: a must have rank 1, got shape (2, 3)",
                     [&] { (void)simd_dot_f32(m, m); });
  test::expect_error(kKind, "simd_matmul_f32: a (2, 3) has 3 columns, b (2, 3) has 2 rows",
                     [&] { (void)simd_matmul_f32(m, m); });
  test::expect_error(kKind, "simd_matmul_f32: b must have rank 2, got shape (3,)",
                     [&] { (void)simd_matmul_f32(m, x); });
}

TEST(SimdOpsF64, ActivationsAreTheGeneralOnes) {
  const Array<double> x{-2, -1, 0, 1, 2};
  EXPECT_EQ(simd_relu_f64(x), (Array<double>{0, 0, 0, 1, 2}));
  EXPECT_EQ(simd_sigmoid_f64(x), sigmoid(x));
  EXPECT_EQ(simd_tanh_f64(x), tanh(x));
  EXPECT_EQ(simd_gelu_f64(x), gelu(x));
  EXPECT_EQ(simd_swish_f64(x), swish(x));
  EXPECT_EQ(simd_mish_f64(x), mish(x));
  EXPECT_EQ(simd_selu_f64(x), selu(x));
  EXPECT_EQ(simd_exp_f64(x), exp(x));
  EXPECT_EQ(simd_leaky_relu_f64(x, 2), (Array<double>{-4, -2, 0, 1, 2}));
  EXPECT_EQ(simd_elu_f64(x, 1), elu(x, 1));
  EXPECT_EQ(simd_relu_2d_f64(x.reshape({1, 5})), (Array<double>{{0, 0, 0, 1, 2}}));
  EXPECT_THROW((void)simd_leaky_relu_f64(x, -1), Error);
  EXPECT_THROW((void)simd_elu_f64(x, 0), Error);
  EXPECT_THROW((void)simd_relu_2d_f64(x), Error);
}

TEST(SimdOpsF64, ArithmeticAndReductionsGiveTheKnownValues) {
  const Array<double> x{1, 2, 3};
  const Array<double> y{4, 5, 6};
  EXPECT_EQ(simd_add_f64(x, y), (Array<double>{5, 7, 9}));
  EXPECT_EQ(simd_sub_f64(x, y), (Array<double>{-3, -3, -3}));
  EXPECT_EQ(simd_mul_f64(x, y), (Array<double>{4, 10, 18}));
  EXPECT_EQ(simd_div_f64(y, x), (Array<double>{4, double(2.5), 2}));
  EXPECT_EQ(simd_dot_f64(x, y), 32);
  const Array<double> five{1, 2, 3, 4, 5};
  EXPECT_EQ(simd_sum_f64(five), 15);
  EXPECT_EQ(simd_mean_f64(five), 3);
  EXPECT_EQ(simd_norm_f64(Array<double>{3, 4}), 5);
  const Array<double> mixed{5, 2, 8, 1, 9};
  EXPECT_EQ(simd_max_f64(mixed), 9);
  EXPECT_EQ(simd_min_f64(mixed), 1);
  EXPECT_EQ(simd_matmul_f64(Array<double>{{1, 2}, {3, 4}}, Array<double>{{5, 6}, {7, 8}}),
            (Array<double>{{19, 22}, {43, 50}}));
  // Strided operands, which the original refused.
  const Array<double> a{{1, 2}, {3, 4}};
  EXPECT_EQ(simd_matmul_f64(a.t(), a), (Array<double>{{10, 14}, {14, 20}}));
  EXPECT_EQ(simd_dot_f64(a.col(0), a.col(1)), 14);
}

TEST(SimdOpsF64, OfNothingAndOfNaN) {
  const Array<double> none;
  constexpr double kInf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(simd_sum_f64(none), 0);
  EXPECT_EQ(simd_mean_f64(none), 0);
  EXPECT_EQ(simd_norm_f64(none), 0);
  EXPECT_EQ(simd_max_f64(none), -kInf);
  EXPECT_EQ(simd_min_f64(none), kInf);
  EXPECT_EQ(simd_dot_f64(none, none), 0);
  EXPECT_EQ(simd_relu_f64(none).size(), 0);
  Array<double> x = Array<double>::ones({64});
  x(0) = 5;
  x(10) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(std::isnan(simd_max_f64(x)));
  EXPECT_TRUE(std::isnan(simd_min_f64(x)));
}

TEST(SimdOpsF64, RefuseShapesThatDiffer) {
  const Array<double> x{1, 2, 3};
  const Array<double> y{1};
  const Array<double> m(Shape{2, 3});
  constexpr auto kKind = ErrorKind::DimensionMismatch;
  test::expect_error(kKind, "simd_add_f64: a (3,) and b (1,) differ in shape",
                     [&] { (void)simd_add_f64(x, y); });
  test::expect_error(kKind, "simd_dot_f64: a (3,) and b (1,) differ in shape",
                     [&] { (void)simd_dot_f64(x, y); });
  test::expect_error(kKind, "simd_dot_f64: a must have rank 1, got shape (2, 3)",
                     [&] { (void)simd_dot_f64(m, m); });
  test::expect_error(kKind, "simd_matmul_f64: a (2, 3) has 3 columns, b (2, 3) has 2 rows",
                     [&] { (void)simd_matmul_f64(m, m); });
  test::expect_error(kKind, "simd_matmul_f64: b must have rank 2, got shape (3,)",
                     [&] { (void)simd_matmul_f64(m, x); });
}

TEST(SimdOps, TellWhatTheMachineHas) {
  EXPECT_NE(get_simd_info().find("SIMD"), std::string::npos);
  EXPECT_GE(recommended_batch_size(), 64);
  EXPECT_EQ(detect_simd_capabilities().simd_available,
            PlatformCapabilities::detect().simd_available);
}

}  // namespace
}  // namespace lamina::nn
