#pragma once

// What the tests of the matrix product share: matrices in every layout and the bound that a result
// must keep.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "lamina/core/parallel.hpp"
#include "lamina/core/simd.hpp"
#include "nn/gemm.hpp"

namespace lamina::nn::detail {

// Numbers in (-1, 1) that repeat from run to run.
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15U + 1) {}
  double next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<double>(state_ >> 11) * 0x1p-52 - 1.0;
  }

 private:
  std::uint64_t state_;
};

enum class Layout { RowMajor, ColMajor, Padded, Spread, Reversed };
constexpr Layout kLayouts[] = {Layout::RowMajor, Layout::ColMajor, Layout::Padded, Layout::Spread,
                               Layout::Reversed};

// A matrix in one of the layouts, with guard elements (NaN) in every gap.
template <class T>
struct Matrix {
  Matrix(Index rows_in, Index cols_in, Layout layout, std::uint64_t seed)
      : rows(rows_in), cols(cols_in) {
    switch (layout) {
      case Layout::RowMajor:
        row_stride = cols;
        col_stride = 1;
        break;
      case Layout::ColMajor:
        row_stride = 1;
        col_stride = rows;
        break;
      case Layout::Padded:
        row_stride = cols + 3;
        col_stride = 1;
        break;
      case Layout::Spread:
        row_stride = 3 * cols + 1;
        col_stride = 3;
        break;
      case Layout::Reversed:
        row_stride = -(2 * cols + 1);
        col_stride = -2;
        break;
    }
    const Index reach_rows = std::max<Index>(rows - 1, 0) * std::abs(row_stride);
    const Index reach_cols = std::max<Index>(cols - 1, 0) * std::abs(col_stride);
    values.assign(static_cast<std::size_t>(reach_rows + reach_cols + 1),
                  std::numeric_limits<T>::quiet_NaN());
    origin = (row_stride < 0 ? reach_rows : 0) + (col_stride < 0 ? reach_cols : 0);
    Numbers numbers(seed);
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < cols; ++j) {
        at(i, j) = static_cast<T>(numbers.next());
      }
    }
  }
  T* data() { return values.data() + origin; }
  const T* data() const { return values.data() + origin; }
  T& at(Index i, Index j) { return data()[i * row_stride + j * col_stride]; }
  T at(Index i, Index j) const { return data()[i * row_stride + j * col_stride]; }
  MatrixRef<T> ref() const { return {data(), rows, cols, row_stride, col_stride}; }

  Index rows, cols, row_stride = 0, col_stride = 0, origin = 0;
  std::vector<T> values;
};

// Sums in a precision whose own error is negligible.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;

template <class T>
void square_all(T* values, Index n, const void* params) {
  for (Index i = 0; i < n; ++i) {
    values[i] = values[i] * values[i] + *static_cast<const T*>(params);
  }
}

// |computed - exact| <= n u S with n rounded operations and S the sum of magnitudes (Higham,
// Accuracy and Stability, section 3.1): at most 512 products in a row, then the blocks of K, alpha,
// beta and bias. A product that reads B once may sum all of K in a row. Without FMA each product is
// rounded as well.
template <class T>
void expect_product(const Matrix<T>& a, const Matrix<T>& b, const Matrix<T>& before,
                    const Matrix<T>& c, const GemmOptions<T>& options) {
  const double unit = static_cast<double>(std::numeric_limits<T>::epsilon()) / 2;
  const bool skinny = a.rows <= 8 || b.cols <= 8;
  const double steps =
      static_cast<double>(skinny ? a.cols : std::min<Index>(a.cols, 512) + a.cols / 256) + 5;
  for (Index i = 0; i < c.rows; ++i) {
    for (Index j = 0; j < c.cols; ++j) {
      Wide<T> sum = 0;
      Wide<T> magnitude = 0;
      for (Index k = 0; k < a.cols; ++k) {
        const Wide<T> product = Wide<T>(a.at(i, k)) * Wide<T>(b.at(k, j));
        sum += product;
        magnitude += std::abs(product);
      }
      sum *= Wide<T>(options.alpha);
      magnitude *= std::abs(Wide<T>(options.alpha));
      if (options.beta != T(0)) {
        const Wide<T> old = Wide<T>(options.beta) * Wide<T>(before.at(i, j));
        sum += old;
        magnitude += std::abs(old);
      }
      if (options.bias != nullptr) {
        const Wide<T> bias = options.bias[options.bias_axis == BiasAxis::Column ? j : i];
        sum += bias;
        magnitude += std::abs(bias);
      }
      double slack = static_cast<double>(magnitude) * unit * steps;
      if (options.finish.function != nullptr) {
        slack = slack * (2 * std::abs(static_cast<double>(sum)) + slack) + 4 * unit;
        sum = sum * sum + Wide<T>(*static_cast<const T*>(options.finish.params));
      }
      ASSERT_NEAR(static_cast<double>(c.at(i, j)), static_cast<double>(sum), slack)
          << "C(" << i << ", " << j << ") of " << c.rows << " x " << c.cols << ", K " << a.cols;
    }
  }
}

template <class T>
void run_case(Index m, Index n, Index k, Layout la, Layout lb, Layout lc,
              GemmOptions<T> options = {}) {
  SCOPED_TRACE(testing::Message() << "M " << m << " N " << n << " K " << k << " layouts "
                                  << static_cast<int>(la) << static_cast<int>(lb)
                                  << static_cast<int>(lc));
  const Matrix<T> a(m, k, la, 1);
  const Matrix<T> b(k, n, lb, 2);
  Matrix<T> c(m, n, lc, 3);
  const Matrix<T> before = c;
  if (options.beta == T(0)) {
    std::fill(c.values.begin(), c.values.end(), std::numeric_limits<T>::quiet_NaN());
  }
  gemm<T>(a.ref(), b.ref(), c.data(), c.row_stride, c.col_stride, options);
  expect_product(a, b, before, c, options);
  // Nothing outside C was written: the gaps are still NaN.
  Index numbers = 0;
  for (const T value : c.values) {
    numbers += std::isnan(value) ? 0 : 1;
  }
  EXPECT_LE(numbers, m * n);
}

// Runs `body` on each SIMD target that this machine has.
template <class F>
void on_every_target(F&& body) {
  for (const simd::Target target : simd::supported_targets()) {
    SCOPED_TRACE(simd::to_string(target));
    simd::force(target);
    body();
  }
  simd::reset();
}

template <class T>
class GemmTest : public testing::Test {
 protected:
  void TearDown() override {
    simd::reset();
    set_num_threads(threads_);
  }

 private:
  int threads_ = num_threads();
};
}  // namespace lamina::nn::detail
