#include "nn/gemm.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "lamina/core/error.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/core/simd.hpp"

namespace lamina::nn::detail {
namespace {

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
class Gemm : public testing::Test {
 protected:
  void TearDown() override {
    simd::reset();
    set_num_threads(threads_);
  }

 private:
  int threads_ = num_threads();
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Gemm, Types);

TYPED_TEST(Gemm, SizesAroundEveryTileEdge) {
  on_every_target([] {
    for (const Index m : {1, 2, 3, 5, 6, 7, 13, 14, 15, 29}) {
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
  });
}

TYPED_TEST(Gemm, FewRowsReadBOnce) {
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

TYPED_TEST(Gemm, SameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  const Index shapes[][3] = {{200, 300, 150}, {1, 2000, 700},  {5, 1030, 1030}, {700, 10, 64},
                             {90, 70, 1300},  {700, 130, 100}, {1, 700, 2000}};
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
          Matrix<T> again = c;
          gemm<T>(packed_a, b.ref(), again.data(), n, 1);
          EXPECT_EQ(c.values, again.values);
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
