#include "nn/gemm_cases.hpp"

// Products with few columns: many rows, whose vectors hold rows of A, and the last columns of small
// ones, whose vectors hold steps of K.

namespace lamina::nn::detail {
namespace {

template <class T>
using GemmTall = GemmTest<T>;
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(GemmTall, Types);

constexpr Layout kRow = Layout::RowMajor;

TYPED_TEST(GemmTall, EveryNumberOfColumnsAndSteps) {
  on_every_target([] {
    for (const Index n : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16}) {
      for (const Index k : {1, 4, 15, 16, 17, 18, 19, 20, 35}) {
        run_case<TypeParam>(131, n, k, kRow, kRow, kRow);
      }
      run_case<TypeParam>(128, n, 600, kRow, Layout::ColMajor, kRow);
      run_case<TypeParam>(257, n, 1031, Layout::Padded, Layout::Reversed, Layout::Padded);
    }
    for (Index m = 126; m < 196; ++m) {
      run_case<TypeParam>(m, 10, 21, Layout::Padded, kRow, Layout::Padded);
    }
    run_case<TypeParam>(200, 10, 33, Layout::ColMajor, kRow, kRow);
    run_case<TypeParam>(200, 10, 33, kRow, kRow, Layout::ColMajor);
    run_case<TypeParam>(200, 10, 33, Layout::Reversed, kRow, Layout::Spread);
  });
}

// Fewer rows, with a B that would have to be transposed; rows of A in one set of the L1, or not.
TYPED_TEST(GemmTall, FewRowsAndTransposedB) {
  on_every_target([] {
    for (const Index m : {63, 64, 65, 95, 96, 127}) {
      for (const Index n : {2, 3, 5, 9, 10, 12}) {
        for (const Index k : {15, 84, 512, 513, 784, 1024}) {
          run_case<TypeParam>(m, n, k, kRow, Layout::ColMajor, kRow);
        }
      }
    }
  });
}

TYPED_TEST(GemmTall, LastColumnsOfSmallProducts) {
  on_every_target([] {
    for (const Index m : {13, 14, 15, 20, 29, 70}) {
      for (const Index n : {9, 10, 11, 12, 17, 18, 19, 20, 21, 33, 34, 36, 37, 68, 100}) {
        for (const Index k : {1, 2, 3, 4, 5, 6, 7, 30, 101}) {
          run_case<TypeParam>(m, n, k, kRow, kRow, Layout::Padded);
        }
        run_case<TypeParam>(m, n, 23, kRow, Layout::ColMajor, kRow);
        run_case<TypeParam>(m, n, 23, Layout::Padded, Layout::Spread, Layout::ColMajor);
        run_case<TypeParam>(m, n, 23, Layout::ColMajor, kRow, Layout::Reversed);
      }
    }
  });
}

TYPED_TEST(GemmTall, AlphaBetaBiasFinish) {
  using T = TypeParam;
  std::vector<T> bias(300);
  Numbers numbers(7);
  std::generate(bias.begin(), bias.end(), [&] { return static_cast<T>(numbers.next()); });
  const T offset = T(0.25);
  const Index shapes[][3] = {{150, 10, 40}, {261, 3, 530}, {20, 20, 31}, {100, 100, 100}};
  on_every_target([&] {
    for (const auto& [m, n, k] : shapes) {
      for (int variant = 0; variant < 12; ++variant) {
        GemmOptions<T> options;
        options.alpha = variant % 2 == 0 ? T(1) : T(-1.5);
        options.beta = variant % 3 == 0 ? T(0) : variant % 3 == 1 ? T(1) : T(0.5);
        options.bias = variant % 4 == 3 ? nullptr : bias.data();
        options.bias_axis = variant % 4 < 2 ? BiasAxis::Column : BiasAxis::Row;
        if (variant >= 6) {
          options.finish = {&square_all<T>, &offset};
        }
        run_case<T>(m, n, k, kRow, kRow, Layout::Padded, options);
      }
    }
  });
}

TYPED_TEST(GemmTall, SameBitsOnAnyNumberOfThreadsAndPacked) {
  using T = TypeParam;
  const Index shapes[][3] = {{5000, 10, 784}, {3000, 5, 64}, {300, 11, 2000}, {100, 100, 100}};
  for (const auto& [m, n, k] : shapes) {
    const Matrix<T> a(m, k, kRow, 1);
    const Matrix<T> b(k, n, kRow, 2);
    const PackedMatrix<T> packed(GemmSide::B, b.ref());
    std::vector<T> first;
    for (const int threads : {1, 2, 3, 5}) {
      set_num_threads(threads);
      std::vector<T> c(static_cast<std::size_t>(m * n));
      gemm<T>(a.ref(), b.ref(), c.data(), n, 1);
      if (first.empty()) {
        first = c;
      }
      EXPECT_EQ(c, first) << m << " " << n << " " << k << " threads " << threads;
      gemm<T>(a.ref(), packed, c.data(), n, 1);
      EXPECT_EQ(c, first) << m << " " << n << " " << k << " threads " << threads << " packed";
    }
  }
}

TYPED_TEST(GemmTall, FewRowsGiveTheSameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  for (const Index k : {300, 12000}) {
    const Matrix<T> a(120, k, kRow, 1);
    const Matrix<T> b(k, 10, Layout::ColMajor, 2);
    std::vector<T> first;
    for (const int threads : {1, 2, 3, 5}) {
      set_num_threads(threads);
      std::vector<T> c(1200);
      gemm<T>(a.ref(), b.ref(), c.data(), 10, 1);
      if (first.empty()) {
        first = c;
      }
      EXPECT_EQ(c, first) << k << " threads " << threads;
    }
  }
}

TYPED_TEST(GemmTall, NanGoesToItsRowAndColumnOnly) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const Index shapes[][3] = {{150, 10, 37}, {20, 20, 31}};
  for (const auto& [m, n, k] : shapes) {
    for (Index where = 0; where < k; ++where) {
      Matrix<T> a(m, k, kRow, 1);
      Matrix<T> b(k, n, kRow, 2);
      Matrix<T> c(m, n, kRow, 3);
      a.at(m - 1, where) = nan;
      b.at(where, n - 2) = nan;
      gemm<T>(a.ref(), b.ref(), c.data(), n, 1);
      for (Index i = 0; i < m; ++i) {
        for (Index j = 0; j < n; ++j) {
          ASSERT_EQ(std::isnan(c.at(i, j)), i == m - 1 || j == n - 2) << i << " " << j;
        }
      }
    }
  }
}

}  // namespace
}  // namespace lamina::nn::detail
