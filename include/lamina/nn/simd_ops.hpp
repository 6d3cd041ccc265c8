#pragma once

#include <limits>
#include <string_view>

#include "lamina/core/array.hpp"
#include "lamina/nn/activation.hpp"
#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/linear.hpp"
#include "lamina/nn/reduction.hpp"
#include "lamina/nn/simd_info.hpp"

/// The guide's simd_* names, for both element types. Every function of lamina runs on vectors, so
/// these are the general functions under other names, with their numerics and any shape and
/// strides; new code needs none of them.
///
/// simd_add, _sub, _mul, _div and _dot do not broadcast: Error(DimensionMismatch) unless the shapes
/// are equal. Reductions return a number, and give a value for an empty x: sum, mean and norm 0,
/// max -inf, min +inf. NaN propagates. detect_simd_capabilities, get_simd_info, is_simd_available
/// and recommended_batch_size come from nn/simd_info.hpp.
namespace lamina::nn {

namespace detail {
template <class T>
const View<T>& same_shape(const View<T>& a, const View<T>& b, std::string_view operation) {
  check(a.defined() && b.defined() && a.shape() == b.shape(), ErrorKind::DimensionMismatch,
        operation, "a ", a.shape(), " and b ", b.shape(), " differ in shape");
  return a;
}
template <class T>
T dot_product(const View<T>& a, const View<T>& b, std::string_view operation) {
  (void)a.template dims<1>(operation, "a");
  (void)b.template dims<1>(operation, "b");
  return matmul(same_shape(a, b, operation), b).item();
}
template <class T>
Array<T> matrix_product(const View<T>& a, const View<T>& b, std::string_view operation) {
  const auto [m, k] = a.template dims<2>(operation, "a");
  const auto [k_of_b, n] = b.template dims<2>(operation, "b");
  check(k == k_of_b, ErrorKind::DimensionMismatch, operation, "a ", a.shape(), " has ", k,
        " columns, b ", b.shape(), " has ", k_of_b, " rows");
  return matmul(a, b);
}
}  // namespace detail

// ---------------------------------------------------------------- float

/// max(x, 0); NaN stays NaN.
[[nodiscard]] inline Array<float> simd_relu_f32(const View<float>& x) {
  return relu(x);
}
/// 1 / (1 + exp(-x)).
[[nodiscard]] inline Array<float> simd_sigmoid_f32(const View<float>& x) {
  return sigmoid(x);
}
/// Hyperbolic tangent.
[[nodiscard]] inline Array<float> simd_tanh_f32(const View<float>& x) {
  return tanh(x);
}
/// x Phi(x), exact (by erf).
[[nodiscard]] inline Array<float> simd_gelu_f32(const View<float>& x) {
  return gelu(x);
}
/// x sigmoid(x).
[[nodiscard]] inline Array<float> simd_swish_f32(const View<float>& x) {
  return swish(x);
}
/// x tanh(softplus(x)).
[[nodiscard]] inline Array<float> simd_mish_f32(const View<float>& x) {
  return mish(x);
}
/// Scaled ELU.
[[nodiscard]] inline Array<float> simd_selu_f32(const View<float>& x) {
  return selu(x);
}
/// Exponential function.
[[nodiscard]] inline Array<float> simd_exp_f32(const View<float>& x) {
  return exp(x);
}
/// x if x > 0, else alpha x. Error(InvalidOperation) for a negative alpha.
[[nodiscard]] inline Array<float> simd_leaky_relu_f32(const View<float>& x, float alpha) {
  return leaky_relu(x, static_cast<double>(alpha));
}
/// x if x > 0, else alpha (exp(x) - 1). Error(InvalidOperation) unless alpha > 0.
[[nodiscard]] inline Array<float> simd_elu_f32(const View<float>& x, float alpha) {
  return elu(x, static_cast<double>(alpha));
}
/// relu of a matrix. Error(DimensionMismatch) for another rank.
[[nodiscard]] inline Array<float> simd_relu_2d_f32(const View<float>& x) {
  return relu_2d(x);
}

/// a + b.
[[nodiscard]] inline Array<float> simd_add_f32(const View<float>& a, const View<float>& b) {
  return add(detail::same_shape(a, b, "simd_add_f32"), b);
}
/// a - b.
[[nodiscard]] inline Array<float> simd_sub_f32(const View<float>& a, const View<float>& b) {
  return sub(detail::same_shape(a, b, "simd_sub_f32"), b);
}
/// a b, element by element.
[[nodiscard]] inline Array<float> simd_mul_f32(const View<float>& a, const View<float>& b) {
  return mul(detail::same_shape(a, b, "simd_mul_f32"), b);
}
/// a / b, element by element.
[[nodiscard]] inline Array<float> simd_div_f32(const View<float>& a, const View<float>& b) {
  return div(detail::same_shape(a, b, "simd_div_f32"), b);
}
/// sum a b of two vectors. Error(DimensionMismatch) for another rank.
[[nodiscard]] inline float simd_dot_f32(const View<float>& a, const View<float>& b) {
  return detail::dot_product(a, b, "simd_dot_f32");
}
/// a (M, K) b (K, N). Error(DimensionMismatch) for other ranks, or if K differs.
[[nodiscard]] inline Array<float> simd_matmul_f32(const View<float>& a, const View<float>& b) {
  return detail::matrix_product(a, b, "simd_matmul_f32");
}

/// Sum of all elements.
[[nodiscard]] inline float simd_sum_f32(const View<float>& x) {
  return sum(x).item();
}
/// Mean of all elements; 0 of none.
[[nodiscard]] inline float simd_mean_f32(const View<float>& x) {
  return x.empty() ? float(0) : mean(x).item();
}
/// Euclidean norm of all elements.
[[nodiscard]] inline float simd_norm_f32(const View<float>& x) {
  return norm(x).item();
}
/// Greatest element; NaN if there is one, -inf of none.
[[nodiscard]] inline float simd_max_f32(const View<float>& x) {
  return x.empty() ? -std::numeric_limits<float>::infinity() : max(x).item();
}
/// Least element; NaN if there is one, +inf of none.
[[nodiscard]] inline float simd_min_f32(const View<float>& x) {
  return x.empty() ? std::numeric_limits<float>::infinity() : min(x).item();
}

// ---------------------------------------------------------------- double

/// max(x, 0); NaN stays NaN.
[[nodiscard]] inline Array<double> simd_relu_f64(const View<double>& x) {
  return relu(x);
}
/// 1 / (1 + exp(-x)).
[[nodiscard]] inline Array<double> simd_sigmoid_f64(const View<double>& x) {
  return sigmoid(x);
}
/// Hyperbolic tangent.
[[nodiscard]] inline Array<double> simd_tanh_f64(const View<double>& x) {
  return tanh(x);
}
/// x Phi(x), exact (by erf).
[[nodiscard]] inline Array<double> simd_gelu_f64(const View<double>& x) {
  return gelu(x);
}
/// x sigmoid(x).
[[nodiscard]] inline Array<double> simd_swish_f64(const View<double>& x) {
  return swish(x);
}
/// x tanh(softplus(x)).
[[nodiscard]] inline Array<double> simd_mish_f64(const View<double>& x) {
  return mish(x);
}
/// Scaled ELU.
[[nodiscard]] inline Array<double> simd_selu_f64(const View<double>& x) {
  return selu(x);
}
/// Exponential function.
[[nodiscard]] inline Array<double> simd_exp_f64(const View<double>& x) {
  return exp(x);
}
/// x if x > 0, else alpha x. Error(InvalidOperation) for a negative alpha.
[[nodiscard]] inline Array<double> simd_leaky_relu_f64(const View<double>& x, double alpha) {
  return leaky_relu(x, static_cast<double>(alpha));
}
/// x if x > 0, else alpha (exp(x) - 1). Error(InvalidOperation) unless alpha > 0.
[[nodiscard]] inline Array<double> simd_elu_f64(const View<double>& x, double alpha) {
  return elu(x, static_cast<double>(alpha));
}
/// relu of a matrix. Error(DimensionMismatch) for another rank.
[[nodiscard]] inline Array<double> simd_relu_2d_f64(const View<double>& x) {
  return relu_2d(x);
}

/// a + b.
[[nodiscard]] inline Array<double> simd_add_f64(const View<double>& a, const View<double>& b) {
  return add(detail::same_shape(a, b, "simd_add_f64"), b);
}
/// a - b.
[[nodiscard]] inline Array<double> simd_sub_f64(const View<double>& a, const View<double>& b) {
  return sub(detail::same_shape(a, b, "simd_sub_f64"), b);
}
/// a b, element by element.
[[nodiscard]] inline Array<double> simd_mul_f64(const View<double>& a, const View<double>& b) {
  return mul(detail::same_shape(a, b, "simd_mul_f64"), b);
}
/// a / b, element by element.
[[nodiscard]] inline Array<double> simd_div_f64(const View<double>& a, const View<double>& b) {
  return div(detail::same_shape(a, b, "simd_div_f64"), b);
}
/// sum a b of two vectors. Error(DimensionMismatch) for another rank.
[[nodiscard]] inline double simd_dot_f64(const View<double>& a, const View<double>& b) {
  return detail::dot_product(a, b, "simd_dot_f64");
}
/// a (M, K) b (K, N). Error(DimensionMismatch) for other ranks, or if K differs.
[[nodiscard]] inline Array<double> simd_matmul_f64(const View<double>& a, const View<double>& b) {
  return detail::matrix_product(a, b, "simd_matmul_f64");
}

/// Sum of all elements.
[[nodiscard]] inline double simd_sum_f64(const View<double>& x) {
  return sum(x).item();
}
/// Mean of all elements; 0 of none.
[[nodiscard]] inline double simd_mean_f64(const View<double>& x) {
  return x.empty() ? double(0) : mean(x).item();
}
/// Euclidean norm of all elements.
[[nodiscard]] inline double simd_norm_f64(const View<double>& x) {
  return norm(x).item();
}
/// Greatest element; NaN if there is one, -inf of none.
[[nodiscard]] inline double simd_max_f64(const View<double>& x) {
  return x.empty() ? -std::numeric_limits<double>::infinity() : max(x).item();
}
/// Least element; NaN if there is one, +inf of none.
[[nodiscard]] inline double simd_min_f64(const View<double>& x) {
  return x.empty() ? std::numeric_limits<double>::infinity() : min(x).item();
}

}  // namespace lamina::nn
