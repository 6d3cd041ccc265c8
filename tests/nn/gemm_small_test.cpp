#include "nn/gemm_cases.hpp"

// Products that are in the caches, and those that are computed transposed.

namespace lamina::nn::detail {
namespace {

template <class T>
using GemmSmall = GemmTest<T>;
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(GemmSmall, Types);

constexpr Layout kRow = Layout::RowMajor;
constexpr Layout kCol = Layout::ColMajor;

TYPED_TEST(GemmSmall, EveryTransposeAroundTileEdges) {
  on_every_target([] {
    for (const Index m : {1, 2, 4, 6, 7, 9, 14, 15, 29}) {
      for (const Index n : {1, 3, 8, 15, 16, 17, 33, 47, 48, 50, 64, 67}) {
        for (const Index k : {1, 7, 16, 33}) {
          run_case<TypeParam>(m, n, k, kRow, kCol, kRow);
          run_case<TypeParam>(m, n, k, kCol, kRow, kRow);
          run_case<TypeParam>(m, n, k, kCol, kCol, Layout::Padded);
          run_case<TypeParam>(m, n, k, kRow, kRow, kCol);
        }
      }
    }
  });
}

// A B with contiguous columns and many more columns than A has rows; K in one and in several
// blocks.
TYPED_TEST(GemmSmall, TurnedProducts) {
  on_every_target([] {
    for (const Index m : {9, 15, 33, 47}) {
      for (const Index n : {150, 263}) {
        for (const Index k : {40, 130}) {
          run_case<TypeParam>(m, n, k, kRow, kCol, kRow);
          run_case<TypeParam>(m, n, k, kRow, kCol, Layout::Padded);
          run_case<TypeParam>(m, n, k, Layout::Spread, kCol, Layout::Reversed);
        }
      }
    }
    run_case<TypeParam>(20, 171, 1100, kRow, kCol, kRow);
    run_case<TypeParam>(20, 171, 1100, kCol, kCol, kRow);
    // Rows a multiple of 4 KiB apart, several tiles and panels.
    run_case<TypeParam>(48, 260, 1024, kRow, kCol, kRow);
  });
}

TYPED_TEST(GemmSmall, AlphaBetaBiasFinish) {
  using T = TypeParam;
  std::vector<T> bias(300);
  Numbers numbers(7);
  std::generate(bias.begin(), bias.end(), [&] { return static_cast<T>(numbers.next()); });
  const T offset = T(0.25);
  const Index shapes[][3] = {{4, 70, 9}, {15, 37, 20}, {20, 171, 60}, {20, 130, 530}, {70, 75, 55}};
  on_every_target([&] {
    for (const auto& [m, n, k] : shapes) {
      for (const Layout b : {kRow, kCol}) {
        for (const Layout c : {kRow, Layout::Padded, kCol, Layout::Spread}) {
          for (int variant = static_cast<int>(c) % 2; variant < 12; variant += 5) {
            GemmOptions<T> options;
            options.alpha = variant % 2 == 0 ? T(1) : T(-1.5);
            options.beta = variant % 3 == 0 ? T(0) : variant % 3 == 1 ? T(1) : T(0.5);
            options.bias = variant % 4 == 3 ? nullptr : bias.data();
            options.bias_axis = variant % 4 < 2 ? BiasAxis::Column : BiasAxis::Row;
            if (variant >= 5) {
              options.finish = {&square_all<T>, &offset};
            }
            run_case<T>(m, n, k, kRow, b, c, options);
          }
        }
      }
    }
  });
}

TYPED_TEST(GemmSmall, WithoutK) {
  using T = TypeParam;
  on_every_target([] {
    GemmOptions<T> options;
    run_case<T>(5, 40, 0, kRow, kRow, kRow, options);
    run_case<T>(20, 40, 0, kRow, kCol, kRow, options);
    options.beta = T(2);
    run_case<T>(20, 40, 0, kRow, kCol, Layout::Padded, options);
  });
}

TYPED_TEST(GemmSmall, SameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  const Index shapes[][3] = {{64, 64, 64}, {100, 101, 102}, {20, 700, 40}, {33, 400, 300}};
  for (const auto& [m, n, k] : shapes) {
    for (const Layout layout : {kRow, kCol}) {
      const Matrix<T> a(m, k, kRow, 1);
      const Matrix<T> b(k, n, layout, 2);
      std::vector<T> first;
      for (const int threads : {1, 2, 3, 5}) {
        set_num_threads(threads);
        std::vector<T> c(static_cast<std::size_t>(m * n));
        gemm<T>(a.ref(), b.ref(), c.data(), n, 1);
        if (first.empty()) {
          first = c;
        }
        EXPECT_EQ(c, first) << m << " " << n << " " << k << " threads " << threads;
      }
    }
  }
}

TYPED_TEST(GemmSmall, NanGoesToItsRowAndColumnOnly) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const Index shapes[][2] = {{4, 70}, {15, 33}, {20, 171}};
  on_every_target([&] {
    for (const auto& [m, n] : shapes) {
      for (const Layout layout : {kRow, kCol}) {
        Matrix<T> a(m, 60, kRow, 1);
        Matrix<T> b(60, n, layout, 2);
        Matrix<T> c(m, n, kRow, 3);
        a.at(m - 1, 59) = nan;
        b.at(0, n - 1) = nan;
        gemm<T>(a.ref(), b.ref(), c.data(), n, 1);
        for (Index i = 0; i < m; ++i) {
          for (Index j = 0; j < n; ++j) {
            ASSERT_EQ(std::isnan(c.at(i, j)), i == m - 1 || j == n - 1) << i << " " << j;
          }
        }
      }
    }
  });
}

}  // namespace
}  // namespace lamina::nn::detail
