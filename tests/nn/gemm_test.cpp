#include "lamina/core/error.hpp"
#include "nn/gemm_cases.hpp"

namespace lamina::nn::detail {
namespace {

template <class T>
using Gemm = GemmTest<T>;
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Gemm, Types);

TYPED_TEST(Gemm, SizesAroundEveryTileEdge) {
  on_every_target([] {
    for (const Index m : {1, 2, 3, 5, 6, 7, 13, 14, 15, 16, 24, 25, 29, 43}) {
      for (const Index n : {1, 2, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 49, 65}) {
        for (const Index k : {1, 2, 3, 5, 16, 17, 40}) {
          run_case<TypeParam>(m, n, k, Layout::RowMajor, Layout::RowMajor, Layout::Padded);
        }
      }
    }
  });
}

TYPED_TEST(Gemm, EveryLayoutOfEveryOperand) {
  on_every_target([] {
    for (const Layout a : kLayouts) {
      for (const Layout b : kLayouts) {
        for (const Layout c : kLayouts) {
          run_case<TypeParam>(17, 35, 21, a, b, c);
          run_case<TypeParam>(1, 35, 21, a, b, c);
          run_case<TypeParam>(17, 1, 21, a, b, c);
        }
        run_case<TypeParam>(90, 99, 101, a, b, Layout::RowMajor);
      }
    }
  });
}

TYPED_TEST(Gemm, BlocksAlongEveryDimension) {
  constexpr Layout kRow = Layout::RowMajor;
  constexpr Layout kCol = Layout::ColMajor;
  on_every_target([] {
    run_case<TypeParam>(1100, 33, 31, kRow, kRow, kRow);
    run_case<TypeParam>(700, 65, 20, kCol, kCol, kRow);
    run_case<TypeParam>(31, 4200, 17, kRow, kCol, kRow);
    run_case<TypeParam>(64, 65, 1031, kCol, kRow, kRow);
    run_case<TypeParam>(15, 17, 1500, kRow, kRow, kRow);
    run_case<TypeParam>(130, 140, 150, kRow, kRow, kCol);
    run_case<TypeParam>(130, 140, 150, kRow, kRow, Layout::Spread);
    // Rows of A 4 KiB apart.
    run_case<TypeParam>(40, 160, 1024, kRow, kRow, kRow);
    // A few columns behind the last whole vector, and a depth that leaves some of a square.
    run_case<TypeParam>(60, 258, 1031, kRow, kRow, kRow);
    run_case<TypeParam>(60, 260, 501, kRow, kCol, kRow);
    run_case<TypeParam>(60, 801, 203, kRow, kRow, kRow);
  });
}

TYPED_TEST(Gemm, SameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  const Index shapes[][3] = {{200, 300, 150}, {1, 2000, 700},  {5, 1030, 1030}, {700, 10, 64},
                             {90, 70, 1300},  {700, 130, 100}, {1, 700, 2000},  {100, 100, 100},
                             {60, 258, 1031}, {60, 801, 203},  {400, 900, 64}};
  for (const auto& [m, n, k] : shapes) {
    for (const Layout layout : {Layout::RowMajor, Layout::ColMajor}) {
      const Matrix<T> a(m, k, Layout::RowMajor, 1);
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

TYPED_TEST(Gemm, AlphaBetaBiasFinish) {
  using T = TypeParam;
  std::vector<T> bias(400);
  Numbers numbers(7);
  std::generate(bias.begin(), bias.end(), [&] { return static_cast<T>(numbers.next()); });
  const T offset = T(0.25);
  for (const Index m : {1, 15, 140}) {
    for (const Index n : {1, 37, 150}) {
      for (const Index k : {0, 1, 20, 300}) {
        for (const Layout c : {Layout::RowMajor, Layout::ColMajor, Layout::Reversed}) {
          for (int variant = 0; variant < 12; ++variant) {
            GemmOptions<T> options;
            options.alpha = variant % 2 == 0 ? T(1) : T(-1.5);
            options.beta = variant % 3 == 0 ? T(0) : variant % 3 == 1 ? T(1) : T(0.5);
            options.bias = variant % 4 == 3 ? nullptr : bias.data();
            options.bias_axis = variant % 4 < 2 ? BiasAxis::Column : BiasAxis::Row;
            if (variant >= 6) {
              options.finish = {&square_all<T>, &offset};
            }
            if (m * n * k > 1000000 && variant % 5 != 0) {
              continue;
            }
            run_case<T>(m, n, k, Layout::RowMajor, Layout::RowMajor, c, options);
          }
        }
      }
    }
  }
}

TYPED_TEST(Gemm, PackedFactorsGiveTheSameBits) {
  using T = TypeParam;
  for (const Index m : {1, 13, 200}) {
    for (const Index n : {1, 45, 130}) {
      for (const Index k : {1, 100, 600}) {
        for (const Layout layout : {Layout::RowMajor, Layout::ColMajor}) {
          const Matrix<T> a(m, k, layout, 4);
          const Matrix<T> b(k, n, layout, 5);
          Matrix<T> c(m, n, Layout::RowMajor, 6);
          const PackedMatrix<T> packed_a(GemmSide::A, a.ref());
          const PackedMatrix<T> packed_b(GemmSide::B, b.ref());
          gemm<T>(a.ref(), packed_b, c.data(), n, 1);
          expect_product<T>(a, b, c, c, {});
          gemm<T>(packed_a, b.ref(), c.data(), n, 1);
          expect_product<T>(a, b, c, c, {});
          Matrix<T> again = c;
          gemm<T>(packed_a, packed_b, again.data(), n, 1);
          EXPECT_EQ(c.values, again.values);
          Matrix<T> columns(m, n, Layout::ColMajor, 6);
          gemm<T>(packed_a, packed_b, columns.data(), 1, m);
          for (Index i = 0; i < m; ++i) {
            for (Index j = 0; j < n; ++j) {
              ASSERT_EQ(columns.at(i, j), c.at(i, j));
            }
          }
        }
      }
    }
  }
}

TYPED_TEST(Gemm, PackersFillWhatExistsNowhere) {
  using T = TypeParam;
  const Index m = 50;
  const Index n = 70;
  const Index k = 300;
  const Matrix<T> a(m, k, Layout::RowMajor, 4);
  const Matrix<T> b(k, n, Layout::RowMajor, 5);
  const auto fill_a = [&](const PanelRequest<T>& panel) {
    for (Index p = 0; p < panel.depth; ++p) {
      for (Index i = 0; i < panel.padded; ++i) {
        panel.out[p * panel.width + i] =
            i < panel.count ? a.at(panel.first + i, panel.k_first + p) : T(0);
      }
    }
  };
  const auto fill_b = [&](const PanelRequest<T>& panel) {
    for (Index p = 0; p < panel.depth; ++p) {
      for (Index i = 0; i < panel.padded; ++i) {
        panel.out[p * panel.width + i] =
            i < panel.count ? b.at(panel.k_first + p, panel.first + i) : T(0);
      }
    }
  };
  const PanelPacker<T> packer_a(fill_a);
  const PanelPacker<T> packer_b(fill_b);
  Matrix<T> c(m, n, Layout::RowMajor, 6);
  gemm<T>(GemmOperand<T>(m, k, packer_a), b.ref(), c.data(), n, 1);
  expect_product<T>(a, b, c, c, {});
  Matrix<T> again = c;
  gemm<T>(a.ref(), GemmOperand<T>(k, n, packer_b), again.data(), n, 1);
  EXPECT_EQ(c.values, again.values);
}

TYPED_TEST(Gemm, PackedForAnotherTargetIsRefused) {
  using T = TypeParam;
  const std::vector<simd::Target> targets = simd::supported_targets();
  const Matrix<T> b(5, 5, Layout::RowMajor, 1);
  Matrix<T> c(5, 5, Layout::RowMajor, 1);
  simd::force(targets.front());
  const PackedMatrix<T> packed(GemmSide::B, b.ref());
  simd::force(targets.back());
  if (targets.size() > 1) {
    EXPECT_THROW(gemm<T>(b.ref(), packed, c.data(), 5, 1), Error);
  }
}

TYPED_TEST(Gemm, PackedForTheOtherSideIsRefused) {
  using T = TypeParam;
  const Matrix<T> a(5, 5, Layout::RowMajor, 1);
  Matrix<T> c(5, 5, Layout::RowMajor, 1);
  const PackedMatrix<T> packed(GemmSide::A, a.ref());
  try {
    gemm<T>(a.ref(), packed, c.data(), 5, 1);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::InvalidOperation);
    EXPECT_STREQ(error.what(), "gemm: a matrix that was packed as one factor is used as the other");
  }
}

TYPED_TEST(Gemm, Batches) {
  using T = TypeParam;
  for (const Index size : {3, 20, 150}) {
    const Index count = size > 100 ? 3 : 11;
    const Matrix<T> a(size * count, size, Layout::RowMajor, 8);
    const Matrix<T> b(size * count, size + 1, Layout::RowMajor, 9);
    Matrix<T> c(size * count, size + 1, Layout::RowMajor, 10);
    for (const bool shared : {false, true}) {
      const Index a_stride = size * size;
      const Index b_stride = shared ? 0 : size * (size + 1);
      const Index c_stride = size * (size + 1);
      const GemmBatch batch{{count}, {a_stride}, {b_stride}, {c_stride}};
      MatrixRef<T> one_a = a.ref();
      one_a.rows = size;
      MatrixRef<T> one_b = b.ref();
      one_b.rows = size;
      gemm_batched<T>(batch, one_a, one_b, c.data(), size + 1, 1);
      for (Index i = 0; i < count; ++i) {
        std::vector<T> expected(static_cast<std::size_t>(size * (size + 1)));
        MatrixRef<T> ai = one_a;
        MatrixRef<T> bi = one_b;
        ai.data += i * a_stride;
        bi.data += i * b_stride;
        gemm<T>(ai, bi, expected.data(), size + 1, 1);
        EXPECT_TRUE(std::equal(expected.begin(), expected.end(), c.data() + i * c_stride));
      }
    }
  }
}

TYPED_TEST(Gemm, NanAndInfinityGoThroughZeros) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const T inf = std::numeric_limits<T>::infinity();
  for (const Index m : {1, 9, 100}) {
    for (const Index n : {1, 19, 90}) {
      for (const Index k : {3, 91}) {
        for (Index where = 0; where < k; where += k / 3) {
          Matrix<T> a(m, k, Layout::RowMajor, 1);
          Matrix<T> b(k, n, Layout::RowMajor, 2);
          Matrix<T> c(m, n, Layout::RowMajor, 3);
          std::fill(b.values.begin(), b.values.end(), T(0));
          a.at(m / 2, where) = nan;
          a.at(m - 1, where) = inf;  // inf * 0 is NaN
          gemm<T>(a.ref(), b.ref(), c.data(), n, 1);
          for (Index i = 0; i < m; ++i) {
            for (Index j = 0; j < n; ++j) {
              ASSERT_EQ(std::isnan(c.at(i, j)), i == m / 2 || i == m - 1) << i << " " << j;
            }
          }
        }
      }
    }
  }
}

TYPED_TEST(Gemm, NothingToDo) {
  using T = TypeParam;
  T untouched = T(5);
  gemm<T>(MatrixRef<T>{nullptr, 0, 4, 4, 1}, MatrixRef<T>{nullptr, 4, 3, 3, 1}, &untouched, 3, 1);
  gemm<T>(MatrixRef<T>{nullptr, 3, 4, 4, 1}, MatrixRef<T>{nullptr, 4, 0, 1, 1}, &untouched, 1, 1);
  EXPECT_EQ(untouched, T(5));
  // Without K the sum is empty.
  gemm<T>(MatrixRef<T>{nullptr, 1, 0, 0, 1}, MatrixRef<T>{nullptr, 0, 1, 1, 1}, &untouched, 1, 1);
  EXPECT_EQ(untouched, T(0));
}

}  // namespace
}  // namespace lamina::nn::detail
