#include "nn/gemm_cases.hpp"

// Products with at most eight rows or columns, which read the other factor once.

namespace lamina::nn::detail {
namespace {

template <class T>
using GemmSkinny = GemmTest<T>;
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(GemmSkinny, Types);

TYPED_TEST(GemmSkinny, FewRowsReadBOnce) {
  constexpr Layout kRow = Layout::RowMajor;
  constexpr Layout kCol = Layout::ColMajor;
  on_every_target([] {
    for (const Index m : {1, 2, 3, 4, 5, 7, 8}) {
      for (const Layout a : {kRow, kCol}) {
        for (const Layout b : {kRow, kCol, Layout::Padded}) {
          run_case<TypeParam>(m, 331, 259, a, b, kRow);
        }
      }
    }
  });
  // Columns and K cut into tasks; rows a multiple of 4 KiB apart.
  run_case<TypeParam>(1, 5003, 130, kRow, kRow, kRow);
  run_case<TypeParam>(3, 1024, 1030, kRow, kRow, Layout::Spread);
  run_case<TypeParam>(8, 515, 2048, kRow, kCol, kRow);
  run_case<TypeParam>(600, 1, 1200, kRow, kRow, kRow);
  run_case<TypeParam>(600, 5, 1200, kCol, kRow, kCol);
}

// Columns around whole panels, groups of panels and vectors; K in one and in several blocks.
TYPED_TEST(GemmSkinny, PackedFactorsOfEveryWidth) {
  using T = TypeParam;
  on_every_target([] {
    for (const Index k : {130, 517, 1030}) {
      for (const Index n : {512, 513, 520, 527, 545, 575, 640}) {
        const Matrix<T> b(k, n, n % 2 == 0 ? Layout::RowMajor : Layout::ColMajor, 5);
        const PackedMatrix<T> packed(GemmSide::B, b.ref());
        for (const Index m : {1, 2, 3, 4, 8}) {
          if (n != 545 && m > 2) {
            continue;
          }
          const Matrix<T> a(m, k, Layout::RowMajor, 4);
          Matrix<T> c(m, n, Layout::Padded, 6);
          gemm<T>(a.ref(), packed, c.data(), c.row_stride, 1);
          expect_product<T>(a, b, c, c, {});
        }
      }
    }
  });
}

TYPED_TEST(GemmSkinny, EveryTailOfARow) {
  using T = TypeParam;
  on_every_target([] {
    for (Index n = 960; n < 960 + 33; ++n) {
      for (const Index m : {1, 3}) {
        run_case<T>(m, n, 71, Layout::RowMajor, Layout::Padded, Layout::RowMajor);
      }
    }
    for (Index k = 1; k < 12; ++k) {
      run_case<T>(1, 100, k, Layout::RowMajor, Layout::RowMajor, Layout::RowMajor);
    }
  });
}

TYPED_TEST(GemmSkinny, AlphaBetaBiasFinish) {
  using T = TypeParam;
  std::vector<T> bias(700);
  Numbers numbers(7);
  std::generate(bias.begin(), bias.end(), [&] { return static_cast<T>(numbers.next()); });
  const T offset = T(0.25);
  on_every_target([&] {
    for (const Layout b : {Layout::RowMajor, Layout::ColMajor}) {
      for (const Layout c : {Layout::Padded, Layout::Spread}) {
        for (int variant = 0; variant < 12; ++variant) {
          GemmOptions<T> options;
          options.alpha = variant % 2 == 0 ? T(1) : T(-1.5);
          options.beta = variant % 3 == 0 ? T(0) : variant % 3 == 1 ? T(1) : T(0.5);
          options.bias = variant % 4 == 3 ? nullptr : bias.data();
          options.bias_axis = variant % 4 < 2 ? BiasAxis::Column : BiasAxis::Row;
          if (variant >= 6) {
            options.finish = {&square_all<T>, &offset};
          }
          run_case<T>(variant % 8 + 1, 205, 330, Layout::RowMajor, b, c, options);
        }
      }
    }
  });
  // K in several parts.
  GemmOptions<T> options;
  options.alpha = T(0.5);
  options.beta = T(-1);
  options.bias = bias.data();
  options.finish = {&square_all<T>, &offset};
  run_case<T>(5, 603, 1030, Layout::RowMajor, Layout::RowMajor, Layout::Padded, options);
}

TYPED_TEST(GemmSkinny, SameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  for (const Index m : {1, 2, 5}) {
    const Index n = 1700;
    const Index k = 1030;
    const Matrix<T> a(m, k, Layout::RowMajor, 1);
    const Matrix<T> b(k, n, Layout::RowMajor, 2);
    const PackedMatrix<T> packed(GemmSide::B, b.ref());
    const std::vector<T> bias(static_cast<std::size_t>(n), T(0.5));
    GemmOptions<T> options;
    options.bias = bias.data();
    std::vector<T> first;
    std::vector<T> first_packed;
    for (const int threads : {1, 2, 3, 5}) {
      set_num_threads(threads);
      std::vector<T> c(static_cast<std::size_t>(m * n));
      std::vector<T> c_packed(c.size());
      gemm<T>(a.ref(), b.ref(), c.data(), n, 1, options);
      gemm<T>(a.ref(), packed, c_packed.data(), n, 1, options);
      if (first.empty()) {
        first = c;
        first_packed = c_packed;
      }
      EXPECT_EQ(c, first) << m << " rows, threads " << threads;
      EXPECT_EQ(c_packed, first_packed) << m << " rows, threads " << threads;
    }
  }
}

TYPED_TEST(GemmSkinny, NanGoesToItsRowAndColumnOnly) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  on_every_target([&] {
    for (const Layout layout : {Layout::RowMajor, Layout::ColMajor}) {
      for (const Index m : {1, 3, 8}) {
        for (const Index n : {331, 352}) {
          for (const Index where : {0, 100, 258}) {
            Matrix<T> a(m, 259, Layout::RowMajor, 1);
            Matrix<T> b(259, n, layout, 2);
            b.at(where, n - 1) = nan;
            Matrix<T> c(m, n, Layout::RowMajor, 3);
            Matrix<T> c_packed = c;
            gemm<T>(a.ref(), b.ref(), c.data(), n, 1);
            const PackedMatrix<T> packed(GemmSide::B, b.ref());
            gemm<T>(a.ref(), packed, c_packed.data(), n, 1);
            for (Index i = 0; i < m; ++i) {
              for (Index j = 0; j < n; ++j) {
                ASSERT_EQ(std::isnan(c.at(i, j)), j == n - 1);
                ASSERT_EQ(std::isnan(c_packed.at(i, j)), j == n - 1);
              }
            }
          }
        }
      }
    }
  });
}

}  // namespace
}  // namespace lamina::nn::detail
