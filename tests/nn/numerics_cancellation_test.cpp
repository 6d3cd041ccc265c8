// The contract of docs/numerics.md on rows whose mean is large against their spread: variances,
// normalizations, softmax and losses keep their digits, forward and backward. The oracles take the
// offset off first, which is exact.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "lamina/autograd/ops_normalization.hpp"
#include "lamina/nn/loss.hpp"
#include "lamina/nn/normalization.hpp"
#include "lamina/nn/reduction.hpp"
#include "lamina/nn/softmax.hpp"
#include "support/expect.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using Real = long double;

constexpr Index kRows = 3;

struct Offset {
  double mean;
  double spread;  ///< several ULP of float at the mean
};
constexpr Offset kOffsets[] = {{0, 1}, {1e4, 4}, {-1e4, 0.01}, {1e7, 64}, {-1e7, 3}};
constexpr Index kLengths[] = {2, 3, 8, 16, 17, 33, 100, 1000, 5000};

/// offset + spread * numbers in [-2, 2), rounded to T.
template <class T>
Array<T> rows_at(const Offset& offset, Index n, std::uint32_t seed) {
  Array<T> x = testing::values<T>({kRows, n}, seed);
  for (T& value : x) {
    value = static_cast<T>(offset.mean + offset.spread * static_cast<double>(value));
  }
  return x;
}

/// A row with its offset taken off.
template <class T>
std::vector<Real> row_of(const View<T>& x, Index row, const Offset& offset) {
  std::vector<Real> values;
  for (const T value : x.select(0, row)) {
    values.push_back(static_cast<Real>(value) - static_cast<Real>(offset.mean));
  }
  return values;
}

struct Moments {
  Real mean = 0;
  Real variance = 0;
};
Moments moments(const std::vector<Real>& x) {
  Moments m;
  const auto n = static_cast<Real>(x.size());
  for (const Real v : x) {
    m.mean += v / n;
  }
  for (const Real v : x) {
    m.variance += (v - m.mean) * (v - m.mean) / n;
  }
  return m;
}

template <class T>
class Cancellation : public ::testing::Test {
 protected:
  static constexpr Real kEpsilon = std::numeric_limits<T>::epsilon();

  /// body(offset, n) for all, on every target.
  template <class F>
  static void for_all(F&& body) {
    test::for_each_target([&] {
      for (const Offset& offset : kOffsets) {
        for (const Index n : kLengths) {
          SCOPED_TRACE(::testing::Message() << "mean " << offset.mean << ", n " << n);
          body(offset, n);
        }
      }
    });
  }

  /// |got - want| <= ulps * epsilon * scale.
  static void near(T got, Real want, Real ulps, Real scale) {
    ASSERT_NEAR(static_cast<double>(got), static_cast<double>(want),
                static_cast<double>(ulps * kEpsilon * scale));
  }
};

using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Cancellation, Types);

TYPED_TEST(Cancellation, VarianceAndItsGradient) {
  using T = TypeParam;
  TestFixture::for_all([](const Offset& offset, Index n) {
    const Array<T> x = rows_at<T>(offset, n, 1);
    const nn::ReduceOptions options{.axes = {1}};
    const Array<T> variance = nn::var(x, options);
    const Array<T> stddev = nn::stddev(x, options);
    const Array<T> columns = nn::var(x.permute({1, 0}), {.axes = {0}});
    const Array<T> dy{T(1), T(-2), T(0.5)};
    const Array<T> dvar = nn::var_backward<T>(dy, x, options);
    const Array<T> dstd = nn::stddev_backward<T>(dy, x, stddev, options);
    for (Index row = 0; row < kRows; ++row) {
      const std::vector<Real> values = row_of<T>(x, row, offset);
      const Moments m = moments(values);
      const Real deviation = std::sqrt(m.variance);
      TestFixture::near(variance(row), m.variance, 4, m.variance);
      TestFixture::near(columns(row), m.variance, 4, m.variance);
      TestFixture::near(stddev(row), deviation, 4, deviation);
      const Real g = static_cast<Real>(dy(row));
      for (Index i = 0; i < n; ++i) {
        const Real centered = values[static_cast<std::size_t>(i)] - m.mean;
        const Real share = g / static_cast<Real>(n);
        TestFixture::near(dvar(row, i), 2 * share * centered, 4, 4 * std::abs(share) * deviation);
        TestFixture::near(dstd(row, i), share * centered / deviation, 8, 4 * std::abs(share));
      }
    }
  });
}

/// One normalization of rows, whatever its name.
template <class T>
struct RowNorm {
  const char* name;
  Array<T> y;
  Array<T> dx;
};

/// All that normalize each row of x (3, n) without gamma and beta.
template <class T>
std::vector<RowNorm<T>> norms_of_rows(const Array<T>& x, const Array<T>& dy, double eps) {
  const Index n = x.extent(1);
  const auto back = [&](const Array<T>& y) { return Array<T>(y.reshape({kRows, n})); };
  const View<T> x3 = x.reshape({1, kRows, n});
  const View<T> dy3 = dy.reshape({1, kRows, n});
  const Array<T> xt(x.permute({1, 0}));
  const Array<T> dyt(dy.permute({1, 0}));
  const View<T> one = x.reshape({kRows, n});
  std::vector<RowNorm<T>> all;
  all.push_back({"layer_norm", nn::layer_norm<T>(x, {}, {}, eps),
                 nn::layer_norm_backward<T>(dy, x, {}, eps).dx});
  all.push_back({"batch_norm, channels first", back(nn::batch_norm<T>(x3, {}, {}, eps)),
                 back(nn::batch_norm_backward<T>(dy3, x3, {}, eps).dx)});
  const Array<T> columns = nn::batch_norm<T>(xt, {}, {}, eps);
  const Array<T> dcolumns = nn::batch_norm_backward<T>(dyt, xt, {}, eps).dx;
  all.push_back({"batch_norm of a matrix", Array<T>(columns.permute({1, 0})),
                 Array<T>(dcolumns.permute({1, 0}))});
  all.push_back({"instance_norm", back(nn::instance_norm<T>(x3, eps)),
                 back(nn::instance_norm_backward<T>(dy3, x3, eps).dx)});
  all.push_back({"group_norm", nn::group_norm<T>(one, 1, {}, {}, eps),
                 nn::group_norm_backward<T>(dy, one, 1, {}, eps).dx});
  // On the tape the forward pass's statistics, rounded to T, are used again.
  const Var<T> var(x, true);
  const Var<T> y = nn::layer_norm(var, {}, {}, eps);
  y.backward(dy);
  all.push_back({"layer_norm on the tape", Array<T>(y.value()), Array<T>(var.grad())});
  return all;
}

TYPED_TEST(Cancellation, NormalizationAndItsGradient) {
  using T = TypeParam;
  TestFixture::for_all([](const Offset& offset, Index n) {
    if (n < 3) {
      return;  // the gradient of two elements is 0 but for eps: nothing to be relative to
    }
    constexpr double kEps = 1e-5;
    const Array<T> x = rows_at<T>(offset, n, 2);
    const Array<T> dy = testing::values<T>({kRows, n}, 3);
    for (const RowNorm<T>& norm : norms_of_rows<T>(x, dy, kEps)) {
      SCOPED_TRACE(norm.name);
      for (Index row = 0; row < kRows; ++row) {
        const std::vector<Real> values = row_of<T>(x, row, offset);
        const Moments m = moments(values);
        const Real rstd = 1 / std::sqrt(m.variance + static_cast<Real>(kEps));
        Real mean_g = 0;
        Real mean_gx = 0;
        for (Index i = 0; i < n; ++i) {
          const Real xhat = (values[static_cast<std::size_t>(i)] - m.mean) * rstd;
          mean_g += static_cast<Real>(dy(row, i)) / static_cast<Real>(n);
          mean_gx += static_cast<Real>(dy(row, i)) * xhat / static_cast<Real>(n);
        }
        for (Index i = 0; i < n; ++i) {
          const Real xhat = (values[static_cast<std::size_t>(i)] - m.mean) * rstd;
          TestFixture::near(norm.y(row, i), xhat, 4, 2);
          const Real dx = rstd * (static_cast<Real>(dy(row, i)) - mean_g - xhat * mean_gx);
          TestFixture::near(norm.dx(row, i), dx, 16, 2 * rstd);
        }
      }
    }
  });
}

TYPED_TEST(Cancellation, SumsAndMeans) {
  using T = TypeParam;
  TestFixture::for_all([](const Offset& offset, Index n) {
    // The mean is good to its own last places; what is left when large numbers cancel, to theirs.
    const Array<T> x = rows_at<T>(offset, n, 4);
    const Array<T> mean = nn::mean(x, {.axes = {1}});
    Array<T> mirrored = Array<T>::empty({kRows, 2 * n});
    mirrored.slice(1, {0, n}).assign(x);
    for (Index row = 0; row < kRows; ++row) {
      for (Index i = 0; i < n; ++i) {
        mirrored(row, n + i) = -x(row, i);
      }
      mirrored(row, 2 * n - 1) += T(0.25) * static_cast<T>(offset.spread);
    }
    const Array<T> rest = nn::sum(mirrored, {.axes = {1}});
    for (Index row = 0; row < kRows; ++row) {
      const Moments m = moments(row_of<T>(x, row, offset));
      const Real want = m.mean + static_cast<Real>(offset.mean);
      const Real scale =
          std::abs(static_cast<Real>(offset.mean)) + static_cast<Real>(offset.spread);
      TestFixture::near(mean(row), want, 4, scale);
      Real exact = 0;
      Real size = 0;
      for (const T v : mirrored.select(0, row)) {
        exact += static_cast<Real>(v);
        size += std::abs(static_cast<Real>(v));
      }
      // Vectors of a block are added in T, at most 4096 / lanes of them.
      TestFixture::near(rest(row), exact, 8, size);
    }
  });
}

TYPED_TEST(Cancellation, SoftmaxDoesNotSeeACommonOffset) {
  using T = TypeParam;
  TestFixture::for_all([](const Offset& offset, Index n) {
    const Array<T> x = rows_at<T>(offset, n, 5);
    Array<T> near_zero = x;
    for (T& value : near_zero) {
      value -= static_cast<T>(offset.mean);  // exact
    }
    const Array<T> p = nn::softmax(x);
    const Array<T> log_p = nn::log_softmax(x);
    const Array<T> p0 = nn::softmax(near_zero);
    const Array<T> log_p0 = nn::log_softmax(near_zero);
    const Array<T> sums = nn::logsumexp(x, {.axes = {1}});
    const Array<T> sums0 = nn::logsumexp(near_zero, {.axes = {1}});
    for (Index i = 0; i < x.size(); ++i) {
      // The same differences go through the same operations.
      ASSERT_EQ(p.data()[i], p0.data()[i]);
      ASSERT_EQ(log_p.data()[i], log_p0.data()[i]);
    }
    const Array<std::int64_t> labels{0, n - 1, n / 2};
    const nn::CrossEntropyOptions<T> none{.mode = ReductionMode::None};
    const Array<T> loss = nn::cross_entropy(labels, x, none);
    const Array<T> loss0 = nn::cross_entropy(labels, near_zero, none);
    const Array<T> dy{T(1), T(2), T(-1)};
    const Array<T> gradient = nn::cross_entropy_backward<T>(dy, labels, x, none);
    const Array<T> gradient0 = nn::cross_entropy_backward<T>(dy, labels, near_zero, none);
    for (Index row = 0; row < kRows; ++row) {
      ASSERT_EQ(loss(row), loss0(row));
      const Real want = static_cast<Real>(sums0(row)) + static_cast<Real>(offset.mean);
      TestFixture::near(sums(row), want, 2,
                        std::abs(want) + std::abs(static_cast<Real>(sums0(row))));
    }
    for (Index i = 0; i < x.size(); ++i) {
      ASSERT_EQ(gradient.data()[i], gradient0.data()[i]);
    }
  });
}

TYPED_TEST(Cancellation, LossesOfNearlyEqualNumbers) {
  using T = TypeParam;
  TestFixture::for_all([](const Offset& offset, Index n) {
    const Array<T> truth = rows_at<T>(offset, n, 6);
    const Array<T> prediction = rows_at<T>(offset, n, 7);
    Real squares = 0;
    Real sizes = 0;
    for (Index i = 0; i < truth.size(); ++i) {
      const Real e = static_cast<Real>(prediction.data()[i]) - static_cast<Real>(truth.data()[i]);
      squares += e * e / static_cast<Real>(truth.size());
      sizes += std::abs(e) / static_cast<Real>(truth.size());
    }
    // Up to 15000 terms, added in double: only for double does the sum itself show.
    TestFixture::near(nn::mse_loss<T>(truth, prediction).item(), squares, 32, squares);
    TestFixture::near(nn::mae_loss<T>(truth, prediction).item(), sizes, 32, sizes);
    const Array<T> none = nn::mse_loss<T>(truth, prediction, ReductionMode::None);
    const Array<T> cosh = nn::log_cosh_loss<T>(truth, prediction, ReductionMode::None);
    for (Index i = 0; i < truth.size(); ++i) {
      const Real e = static_cast<Real>(prediction.data()[i]) - static_cast<Real>(truth.data()[i]);
      TestFixture::near(none.data()[i], e * e, 4, e * e);
      const Real a = std::abs(e);
      const Real want = a < 0.5L ? std::log1p(2 * std::sinh(a / 2) * std::sinh(a / 2))
                                 : a + std::log1p(std::exp(-2 * a)) - std::log(2.0L);
      TestFixture::near(cosh.data()[i], want, 4, want);
    }
  });
}

/// What one value in a group, repeated, must normalize to: beta, to the last bit.
TYPED_TEST(Cancellation, ConstantGroupsGiveExactlyBeta) {
  using T = TypeParam;
  constexpr Index kMore[] = {1,  2,  3,  5,  6,  7,  8,   9,   11,   15,
                             16, 17, 31, 33, 63, 65, 100, 129, 1000, 4097};
  const T denormal = std::numeric_limits<T>::denorm_min();
  const std::vector<T> values{
      T(0),          T(0.1),  T(-3.7),  T(1) / T(3), T(1e4),
      T(1e7) + T(1), T(1e15), T(-1e18), denormal,    std::numeric_limits<T>::min()};
  test::for_each_target([&] {
    for (const Index n : kMore) {
      const Array<T> gamma = testing::values<T>(Shape{n}, 8);
      const Array<T> beta = testing::values<T>(Shape{n}, 9);
      for (const T value : values) {
        SCOPED_TRACE(::testing::Message() << "n " << n << ", value " << value);
        const Array<T> row = Array<T>::full({2, n}, value);
        const Array<T> layer = nn::layer_norm<T>(row, gamma, beta);
        const Array<T> one = Array<T>::full(Shape{1}, T(0.3));
        const Array<T> batch = nn::batch_norm<T>(row.reshape({1, 2, n}), Array<T>{T(2), T(3)},
                                                 Array<T>{T(0.3), T(0.7)});
        const Array<T> column = nn::batch_norm<T>(row.reshape({2 * n, 1}), Array<T>{T(2)}, one);
        const Array<T> group = nn::group_norm<T>(row, 1, gamma, beta);
        const Array<T> instance =
            nn::instance_norm<T>(row.reshape({2, 1, n}), 1e-5, Array<T>{T(2)}, one);
        for (Index i = 0; i < n; ++i) {
          ASSERT_EQ(layer(1, i), beta(i));
          ASSERT_EQ(group(1, i), beta(i));
          ASSERT_EQ(batch(0, 0, i), T(0.3));
          ASSERT_EQ(batch(0, 1, i), T(0.7));
          ASSERT_EQ(column(i, 0), T(0.3));
          ASSERT_EQ(instance(0, 0, i), T(0.3));
        }
        const Array<T> variance = nn::var(row, {.axes = {1}});
        ASSERT_EQ(variance(0), T(0));
        ASSERT_EQ(nn::stddev(row, {.axes = {0}})(n - 1), T(0));
      }
    }
  });
}

}  // namespace
}  // namespace lamina
