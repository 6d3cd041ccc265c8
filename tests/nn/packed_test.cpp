#include "lamina/nn/packed.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lamina/core/error.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/nn/linear.hpp"

namespace lamina::nn {
namespace {

template <class T>
Array<T> numbers(const Shape& shape, double phase) {
  Index i = 0;
  return Array<T>::from_shape_fn(
      shape, [&](const IndexList&) { return std::sin(phase + 1.7 * static_cast<double>(i++)); });
}

// y (rows, N) against x (rows, K) b (K, N) + bias, by the bound of matmul.
template <class T>
void expect_product(const View<T>& x, const View<T>& b, const View<T>& bias, const View<T>& y) {
  const double unit = static_cast<double>(std::numeric_limits<T>::epsilon()) / 2;
  ASSERT_EQ(y.rows(), x.rows());
  ASSERT_EQ(y.cols(), b.cols());
  for (Index i = 0; i < y.rows(); ++i) {
    for (Index j = 0; j < y.cols(); ++j) {
      long double sum = bias.defined() ? bias(j) : T(0);
      long double magnitude = std::abs(sum);
      for (Index k = 0; k < b.rows(); ++k) {
        const long double product = static_cast<long double>(x(i, k)) * b(k, j);
        sum += product;
        magnitude += std::abs(product);
      }
      const double bound =
          unit * static_cast<double>(magnitude) * static_cast<double>(b.rows() + 5);
      ASSERT_NEAR(static_cast<double>(y(i, j)), static_cast<double>(sum), bound)
          << "element " << i << " " << j << " of " << y.shape() << ", K " << b.rows();
    }
  }
}

template <class F>
void expect_error(ErrorKind kind, const std::string& message, F&& call) {
  try {
    call();
    FAIL() << "no error, expected: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind);
    EXPECT_EQ(std::string(error.what()), message);
  }
}

template <class T>
class PackedTest : public testing::Test {
 protected:
  void TearDown() override {
    simd::reset();
    set_num_threads(threads_);
  }

 private:
  int threads_ = num_threads();
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(PackedTest, Types);

TYPED_TEST(PackedTest, BothOrientationsOnEveryTarget) {
  using T = TypeParam;
  for (const simd::Target target : simd::supported_targets()) {
    SCOPED_TRACE(simd::to_string(target));
    simd::force(target);
    for (const Index m : {0, 1, 2, 5, 8, 9, 14, 15, 30}) {
      for (const Index n : {1, 7, 16, 31, 32, 33, 100}) {
        for (const Index k : {0, 1, 17, 40}) {
          const Array<T> x = numbers<T>({m, k}, 0);
          const Array<T> b = numbers<T>({k, n}, 1);
          const Array<T> bias = numbers<T>({n}, 2);
          const Array<T> weight(b.t());
          const PackedWeight<T> of_matrix = pack_matrix(b);
          const PackedWeight<T> of_weight = pack_weight(weight);
          expect_product<T>(x, b, {}, matmul(x, of_matrix));
          expect_product<T>(x, b, bias, linear(x, of_weight, bias));
          EXPECT_TRUE(matmul(x, of_matrix) == matmul(x, of_weight));
          EXPECT_TRUE(matmul(x, of_matrix) == linear(x, of_matrix));
        }
      }
    }
    // K in several blocks, several tasks.
    for (const Index m : {1, 6, 20, 200}) {
      const Array<T> x = numbers<T>({m, 1100}, 0);
      const Array<T> b = numbers<T>({1100, 130}, 1);
      const Array<T> bias = numbers<T>({130}, 2);
      expect_product<T>(x, b, bias, linear(x, pack_matrix(b), bias));
    }
  }
}

TYPED_TEST(PackedTest, AnyLeadingAxesAndStrides) {
  using T = TypeParam;
  const Array<T> weight = numbers<T>({7, 5}, 1);
  const Array<T> bias = numbers<T>({7}, 2);
  const PackedWeight<T> packed = pack_weight(weight);
  for (const Shape& shape :
       {Shape{5}, Shape{3, 5}, Shape{2, 3, 5}, Shape{2, 0, 5}, Shape{2, 3, 4, 5}}) {
    const Array<T> x = numbers<T>(shape, 0);
    const Array<T> y = linear(x, packed, bias);
    EXPECT_EQ(y.shape(), linear(x, weight, bias).shape());
    expect_product<T>(x.reshape({-1, 5}), weight.t(), bias, y.reshape({-1, 7}));
  }
  // Axes that cannot be walked with one stride; a result and a bias with strides.
  const Array<T> x = numbers<T>({4, 3, 2, 5}, 0);
  const View<T> permuted = x.view().permute({2, 0, 1, 3});
  Array<T> wide = Array<T>::zeros({7, 4, 3, 2});
  const Array<T> spread = numbers<T>({14}, 2);
  const View<T> every_second = spread.slice(0, {.step = 2});
  linear_into(permuted, packed, every_second, wide.view().permute({3, 1, 2, 0}));
  expect_product<T>(permuted.copy().reshape({-1, 5}), weight.t(), every_second.copy(),
                    wide.view().permute({3, 1, 2, 0}).copy().reshape({-1, 7}));
  const View<T> reversed = x.slice(3, {.step = -1});
  expect_product<T>(reversed.copy().reshape({-1, 5}), weight.t(), {},
                    matmul(reversed, packed).reshape({-1, 7}));
}

TYPED_TEST(PackedTest, KeepsACopyAndSharesIt) {
  using T = TypeParam;
  Array<T> weight = numbers<T>({40, 30}, 1);
  const Array<T> x = numbers<T>({9, 30}, 0);
  PackedWeight<T> packed = pack_weight(weight);
  const Array<T> before = linear(x, packed);
  weight.fill(T(0));
  EXPECT_TRUE(linear(x, packed) == before);
  EXPECT_EQ(packed.in_features(), 30);
  EXPECT_EQ(packed.out_features(), 40);
  EXPECT_GE(packed.bytes(), 30 * 40 * sizeof(T));
  const PackedWeight<T> copy = packed;
  EXPECT_EQ(copy.get(), packed.get());
  const PackedWeight<T> moved = std::move(packed);
  EXPECT_TRUE(linear(x, moved) == before);
  EXPECT_FALSE(PackedWeight<T>().defined());
  EXPECT_EQ(PackedWeight<T>().bytes(), 0U);
}

TYPED_TEST(PackedTest, SameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  const Index shapes[][3] = {{200, 300, 150}, {1, 2000, 700}, {5, 1030, 1030}, {700, 10, 64},
                             {90, 70, 1300},  {64, 64, 64},   {100, 100, 100}};
  for (const auto& [m, n, k] : shapes) {
    const Array<T> x = numbers<T>({m, k}, 0);
    const PackedWeight<T> packed = pack_matrix(numbers<T>({k, n}, 1));
    set_num_threads(1);
    const Array<T> first = matmul(x, packed);
    for (const int threads : {2, 3, 5}) {
      set_num_threads(threads);
      EXPECT_TRUE(matmul(x, packed) == first) << m << " " << n << " " << k;
    }
  }
}

TYPED_TEST(PackedTest, ThreadsReadOneAtATime) {
  using T = TypeParam;
  const PackedWeight<T> packed = pack_weight(numbers<T>({70, 60}, 1));
  const Array<T> x = numbers<T>({33, 60}, 0);
  const Array<T> expected = linear(x, packed);
  std::vector<int> equal(4, 0);
  std::vector<std::thread> threads;
  for (int& flag : equal) {
    threads.emplace_back([&x, &expected, &flag, packed] {
      for (int i = 0; i < 20; ++i) {
        flag += linear(x, packed) == expected ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(equal, std::vector<int>(4, 20));
}

TYPED_TEST(PackedTest, AnotherTargetIsRefused) {
  using T = TypeParam;
  const std::vector<simd::Target> targets = simd::supported_targets();
  const Array<T> x = numbers<T>({3, 5}, 0);
  Array<T> out = Array<T>::zeros({3, 4});
  for (const simd::Target packed_for : targets) {
    simd::force(packed_for);
    const PackedWeight<T> packed = pack_weight(numbers<T>({4, 5}, 1));
    EXPECT_EQ(packed.target(), packed_for);
    for (const simd::Target used_on : targets) {
      simd::force(used_on);
      if (used_on == packed_for) {
        linear_into(x, packed, {}, out);
        continue;
      }
      out.fill(T(3));
      expect_error(ErrorKind::InvalidOperation,
                   "linear: weight was packed for the SIMD target " +
                       std::string(simd::to_string(packed_for)) + ", now " +
                       std::string(simd::to_string(used_on)) + " is active",
                   [&] { linear_into(x, packed, {}, out); });
      EXPECT_TRUE(out == Array<T>::full({3, 4}, T(3)));
    }
  }
}

TYPED_TEST(PackedTest, NanAndInfinityGoThroughZeros) {
  using T = TypeParam;
  Array<T> x = Array<T>::zeros({20, 9});
  x(3, 8) = std::numeric_limits<T>::quiet_NaN();
  x(19, 0) = std::numeric_limits<T>::infinity();
  const Array<T> y = matmul(x, pack_matrix(Array<T>::zeros({9, 35})));
  for (Index i = 0; i < 20; ++i) {
    for (Index j = 0; j < 35; ++j) {
      ASSERT_EQ(std::isnan(y(i, j)), i == 3 || i == 19);
    }
  }
}

TEST(PackedErrors, NameWhatDoesNotFit) {
  const Array<float> x = Array<float>::zeros({2, 3});
  const PackedWeight<float> packed = pack_weight(Array<float>::zeros({4, 3}));
  Array<float> out = Array<float>::zeros({2, 4});
  const auto mismatch = ErrorKind::DimensionMismatch;
  expect_error(mismatch, "pack_weight: weight must be a matrix, got shape (3,)",
               [] { (void)pack_weight(Array<float>::zeros({3})); });
  expect_error(mismatch, "pack_matrix: b must be a matrix, got shape (1, 2, 3)", [] {
    (void)pack_matrix(Array<float>::zeros({1, 2, 3}));
  });
  expect_error(mismatch, "linear: x has 2 features, weight takes 3; x (3, 2)",
               [&] { (void)linear(x.t(), packed); });
  expect_error(mismatch, "matmul: a has 2 features, b takes 3; a (3, 2)",
               [&] { (void)matmul(x.t(), packed); });
  expect_error(mismatch, "linear: x must have at least 1 axis, got shape ()",
               [&] { (void)linear(Array<float>::scalar(1), packed); });
  expect_error(mismatch, "linear: bias has shape (3,), expected (4,)",
               [&] { (void)linear(x, packed, Array<float>::zeros({3})); });
  expect_error(mismatch, "linear: out has shape (4, 2), expected (2, 4)",
               [&] { linear_into(x, packed, {}, out.view().t()); });
  expect_error(ErrorKind::InvalidOperation, "linear: weight holds nothing",
               [&] { (void)linear(x, PackedWeight<float>()); });
  expect_error(ErrorKind::InvalidOperation, "matmul: b holds nothing",
               [&] { (void)matmul(x, PackedWeight<float>()); });
  Array<float> both = Array<float>::zeros({7, 4});
  const PackedWeight<float> square = pack_matrix(Array<float>::zeros({4, 4}));
  expect_error(ErrorKind::InvalidOperation, "matmul: out overlaps a", [&] {
    matmul_into(both.slice(0, {.stop = 4}), square, both.slice(0, {.start = 3}));
  });
  expect_error(ErrorKind::InvalidOperation, "linear: out overlaps bias", [&] {
    linear_into(both.slice(0, {.stop = 3}), square, both.row(4), both.slice(0, {.start = 4}));
  });
}

}  // namespace
}  // namespace lamina::nn
