// Normalization: known values, hard numbers, running statistics, errors.

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

#include "lamina/core/random.hpp"
#include "normalization_cases.hpp"
#include "support/expect.hpp"

namespace lamina::nn {
namespace {

using namespace norm_cases;
using test::expect_error;

constexpr ErrorKind kDimension = ErrorKind::DimensionMismatch;
constexpr ErrorKind kOperation = ErrorKind::InvalidOperation;

template <class T>
class NormalizationValues : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(NormalizationValues, Types);

TYPED_TEST(NormalizationValues, OfTheGuide) {
  using T = TypeParam;
  const double tolerance = sizeof(T) == 4 ? 3e-7 : 1e-9;
  const auto x = Array<T>::from_shape_fn({4, 10}, [](Index i, Index j) { return i + j; });
  const Array<T> gamma = Array<T>::ones({10});
  const Array<T> beta = Array<T>::zeros({10});
  const Array<T> batch = batch_norm_1d(x, gamma, beta, 1e-5);
  const Array<T> layer = layer_norm(x, gamma, beta, 1e-5);
  const Array<T> rms = rms_norm(x, gamma, 1e-5);
  for (Index j = 0; j < 10; ++j) {
    EXPECT_NEAR(static_cast<double>(batch(0, j)), -1.3416354200, tolerance);
    EXPECT_NEAR(static_cast<double>(batch(1, j)), -0.4472118067, tolerance);
    EXPECT_NEAR(static_cast<double>(batch(2, j)), 0.4472118067, tolerance);
    EXPECT_NEAR(static_cast<double>(batch(3, j)), 1.3416354200, tolerance);
    EXPECT_NEAR(static_cast<double>(rms(0, j)), 0.1873171295 * static_cast<double>(j),
                tolerance * 3);
  }
  EXPECT_NEAR(static_cast<double>(layer(0, 0)), -1.5666979541, tolerance);
  EXPECT_NEAR(static_cast<double>(layer(3, 9)), 1.5666979541, tolerance);
  const Array<T> instance = instance_norm(Array<T>{{1, 2, 3}, {4, 5, 6}}, 1e-5);
  EXPECT_EQ(instance, layer_norm(Array<T>{{1, 2, 3}, {4, 5, 6}}));
  EXPECT_NEAR(static_cast<double>(instance(1, 2)), 1.2247356859, tolerance);
}

TYPED_TEST(NormalizationValues, ConstantGroupsGiveExactlyBeta) {
  using T = TypeParam;
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(c.name());
    if (c.kind == Kind::Rms || !c.affine()) {
      continue;
    }
    const Array<T> gamma = uniform_numbers<T>(c.parameters(), 3);
    const Array<T> beta = uniform_numbers<T>(c.parameters(), 4);
    const Membership m = membership(c);
    for (const double value : {0.1, 1234.0, -1e7 / 3, 0.0}) {
      const Array<T> y = call<T>(c, Array<T>::full(c.shape, static_cast<T>(value)), gamma, beta);
      for (Index i = 0; i < y.size(); ++i) {
        ASSERT_EQ(y.data()[i],
                  beta.data()[static_cast<Index>(m.parameter[static_cast<std::size_t>(i)])])
            << value;
      }
    }
  }
}

TYPED_TEST(NormalizationValues, ALargeMeanCostsNothing) {
  using T = TypeParam;
  // Whole numbers around the offset, which are exact in both types.
  for (const double offset : {1e2, 1e4, 1e7, 4e4}) {
    for (const Case& c : all_cases()) {
      if (c.kind == Kind::Rms) {
        continue;
      }
      SCOPED_TRACE(c.name());
      Array<T> x = uniform_numbers<T>(c.shape, 5, 0, 9);
      for (T& v : x) {
        v = std::floor(v);
      }
      const Array<T> dy = uniform_numbers<T>(c.shape, 6);
      // The offset changes nothing, and without it the oracle is exact enough.
      const Oracle oracle(c, View<T>(x), View<T>(), View<T>(), View<T>(dy));
      for (T& v : x) {
        v += static_cast<T>(offset);
      }
      const Array<T> y = call<T>(c, x, {}, {});
      const Array<T> dx = call_backward<T>(c, dy, x, {}).dx;
      const double tolerance = 40 * static_cast<double>(std::numeric_limits<T>::epsilon());
      for (std::size_t i = 0; i < oracle.y.size(); ++i) {
        ASSERT_NEAR(static_cast<double>(y.data()[i]), static_cast<double>(oracle.y[i]), tolerance);
        const double size = static_cast<double>(oracle.rstd[oracle.m.group[i]]);
        ASSERT_NEAR(static_cast<double>(dx.data()[i]), static_cast<double>(oracle.dx[i]),
                    4 * tolerance * std::max(1.0, size));
      }
    }
  }
}

// Sums around the mean of earlier rows must not lose what these rows did not foretell.
TYPED_TEST(NormalizationValues, ColumnsThatDrift) {
  using T = TypeParam;
  const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
  constexpr Index kRows = 40000;  // several parts
  constexpr Index kColumns = 5;
  Array<T> x = uniform_numbers<T>({kRows, kColumns}, 7);
  for (Index r = 0; r < kRows; ++r) {
    x(r, 0) += static_cast<T>(r);                          // rises
    x(r, 1) += static_cast<T>(r < 16 ? 1e5 : 0);           // begins elsewhere
    x(r, 2) += static_cast<T>(r == 0 ? 1e4 : 1);           // one row does
    x(r, 3) += static_cast<T>(r / 64 % 2 == 0 ? 1e4 : 0);  // jumps from block to block
    x(r, 4) += static_cast<T>(r < kRows - 3 ? 1e4 : -1e4);
  }
  Array<T> mean = Array<T>::empty({kColumns});
  Array<T> rstd = Array<T>::empty({kColumns});
  Array<T> y = Array<T>::empty(x.shape());
  batch_norm_into<T>(x, y, {}, {}, 0, DataFormat::NHWC, {mean, rstd});
  for (Index c = 0; c < kColumns; ++c) {
    SCOPED_TRACE(c);
    long double sum = 0;
    for (Index r = 0; r < kRows; ++r) {
      sum += static_cast<long double>(x(r, c));
    }
    const long double center = sum / kRows;
    long double squares = 0;
    for (Index r = 0; r < kRows; ++r) {
      const long double e = static_cast<long double>(x(r, c)) - center;
      squares += e * e;
    }
    const double scale = static_cast<double>(1 / std::sqrt(squares / kRows));
    // The mean is kept as its distance from the first row, in double.
    const double first = std::abs(static_cast<double>(x(0, c) - center));
    const double wide = 2 * std::numeric_limits<double>::epsilon() * first;
    EXPECT_NEAR(static_cast<double>(mean(c)), static_cast<double>(center),
                2 * eps * (std::abs(static_cast<double>(center)) + 1 / scale) + wide);
    EXPECT_NEAR(static_cast<double>(rstd(c)), scale, 4 * eps * scale);
    for (Index r = 0; r < kRows; r += 17) {
      const double expected = static_cast<double>(x(r, c) - center) * scale;
      ASSERT_NEAR(static_cast<double>(y(r, c)), expected,
                  4 * eps * (1 + std::abs(expected)) + wide * scale);
    }
  }
}

// Sums around a guess from the first elements must not lose what the guess did not foretell.
TYPED_TEST(NormalizationValues, FirstElementsThatMislead) {
  using T = TypeParam;
  const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
  struct Pattern {
    std::function<double(Index i, Index n)> at;
    double bound = 4;
  };
  // Beside a square that holds all of the variance, the others are rounded away in a block.
  constexpr double kLoose = 16;
  const Pattern patterns[] = {
      {[](Index i, Index) { return i == 0 ? 1e4 : 0.0; }},
      {[](Index i, Index) { return i == 0 ? -1e6 : 1e4; }, kLoose},
      {[](Index i, Index) { return i == 1 ? 30.0 : 1e7; }, kLoose},
      {[](Index i, Index) { return i < 16 ? 1e6 : 0.0; }},
      {[](Index i, Index) { return i < 32 ? 3.0 : 0.0; }},
      {[](Index i, Index n) { return i < n - 2 ? 1e4 : -1e4; }},
      {[](Index i, Index) { return static_cast<double>(i); }},
      {[](Index i, Index) { return i < 8 ? 1e18 : 0.0; }, kLoose},  // squares overflow at first
      {[](Index, Index) { return 1e7; }},
  };
  test::for_each_target([&] {
    for (const Index n : {1, 2, 5, 17, 48, 333, 768, 4096, 20000}) {
      for (const Pattern& pattern : patterns) {
        // As a row, and as what a channel has in three images.
        Array<T> x = uniform_numbers<T>({3, n}, 9);
        for (Index i = 0; i < x.size(); ++i) {
          x.data()[i] += static_cast<T>(pattern.at(i % n, n));
        }
        const Array<T> image = x.reshape({3, 1, n}).copy();
        for (const bool rows : {true, false}) {
          Array<T> mean = Array<T>::empty({rows ? Index{3} : Index{1}});
          Array<T> rstd = Array<T>::empty(mean.shape());
          Array<T> y = Array<T>::empty({3, n});
          if (rows) {
            layer_norm_into<T>(x, y, {}, {}, 1e-5, 0, {mean, rstd});
          } else {
            batch_norm_into<T>(image, y.reshape({3, 1, n}), {}, {}, 1e-5, DataFormat::NCHW,
                               {mean, rstd});
          }
          const Index count = x.size() / mean.size();
          for (Index g = 0; g < mean.size(); ++g) {
            SCOPED_TRACE(std::to_string(n) + " elements, pattern " +
                         std::to_string(&pattern - patterns) + (rows ? ", row" : ", channel"));
            const T* const group = x.data() + g * count;
            const auto first = static_cast<long double>(group[0]);
            long double sum = 0;
            for (Index i = 0; i < count; ++i) {
              sum += static_cast<long double>(group[i]) - first;
            }
            const long double center = sum / count;  // from the first on
            long double squares = 0;
            for (Index i = 0; i < count; ++i) {
              const long double e = static_cast<long double>(group[i]) - first - center;
              squares += e * e;
            }
            const double scale = static_cast<double>(1 / std::sqrt(squares / count + 1e-5L));
            const auto middle = static_cast<double>(first + center);
            EXPECT_NEAR(static_cast<double>(mean(g)), middle,
                        2 * eps * (std::abs(middle) + 1 / scale));
            EXPECT_NEAR(static_cast<double>(rstd(g)), scale, pattern.bound * eps * scale);
            for (Index i = 0; i < count; ++i) {
              const double expected = static_cast<double>(group[i] - first - center) * scale;
              ASSERT_NEAR(static_cast<double>(y.data()[g * count + i]), expected,
                          pattern.bound * eps * (1 + std::abs(expected)))
                  << i;
            }
          }
        }
      }
    }
  });
}

TYPED_TEST(NormalizationValues, NanAndInfinityStayInTheirGroup) {
  using T = TypeParam;
  for (const Case& c : all_cases()) {
    if (c.shape.size() > 500) {
      continue;
    }
    SCOPED_TRACE(c.name());
    const Array<T> x = uniform_numbers<T>(c.shape, 7);
    const Array<T> clean = call<T>(c, x, {}, {});
    const Membership m = membership(c);
    for (const T special :
         {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
      for (Index at = 0; at < x.size(); ++at) {
        Array<T> spoiled = x;
        spoiled.data()[at] = special;
        const Array<T> y = call<T>(c, spoiled, {}, {});
        for (Index i = 0; i < x.size(); ++i) {
          const bool same =
              m.group[static_cast<std::size_t>(i)] == m.group[static_cast<std::size_t>(at)];
          if (!same) {
            ASSERT_EQ(y.data()[i], clean.data()[i]);
          } else if (c.kind != Kind::Rms || std::isnan(special)) {
            ASSERT_TRUE(std::isnan(y.data()[i])) << at << ' ' << i;
          }
        }
      }
    }
  }
}

TYPED_TEST(NormalizationValues, ARowIsTheSameInAnyCompany) {
  using T = TypeParam;
  Generator generator(3);
  // Rows are taken together as far as they are short.
  for (const Index columns : {1, 17, 768, 1500}) {
    const auto x = random_normal<T>({7, columns}, generator);
    const auto gamma = random_normal<T>({columns}, generator);
    const Array<T> layer = layer_norm(x, gamma);
    const Array<T> rms = rms_norm(x, gamma);
    Array<T> in_place = x.copy();
    layer_norm_into<T>(in_place, in_place, gamma);
    EXPECT_EQ(in_place, layer);
    for (Index i = 0; i < 7; ++i) {
      const Array<T> row = x.slice(0, {i, i + 1}).copy();
      EXPECT_EQ(layer_norm(row, gamma), layer.slice(0, {i, i + 1})) << columns << ' ' << i;
      EXPECT_EQ(rms_norm(row, gamma), rms.slice(0, {i, i + 1})) << columns << ' ' << i;
    }
  }
}

TYPED_TEST(NormalizationValues, OneValueAndNone) {
  using T = TypeParam;
  const Array<T> beta{5, 6, 7};
  EXPECT_EQ(batch_norm_1d(Array<T>{{1, 2, 3}}, Array<T>{2, 2, 2}, beta), (Array<T>{{5, 6, 7}}));
  EXPECT_EQ(layer_norm(Array<T>{{1}, {2}}, Array<T>{2}, Array<T>{3}), (Array<T>{{3}, {3}}));
  EXPECT_EQ(batch_norm(Array<T>(Shape{0, 3}), beta, beta).shape(), (Shape{0, 3}));
  EXPECT_EQ(layer_norm(Array<T>(Shape{0, 3})).shape(), (Shape{0, 3}));
  EXPECT_EQ(layer_norm(Array<T>(Shape{3, 0})).shape(), (Shape{3, 0}));
  EXPECT_EQ(group_norm(Array<T>(Shape{0, 4, 5}), 2).shape(), (Shape{0, 4, 5}));
  EXPECT_EQ(instance_norm(Array<T>(Shape{2, 0, 5})).shape(), (Shape{2, 0, 5}));
  const Array<T> none(Shape{0, 3});
  EXPECT_EQ(layer_norm_backward(none, none, beta).dgamma, Array<T>::zeros({3}));
  EXPECT_EQ(batch_norm_backward(none, none, beta).dbeta, Array<T>::zeros({3}));
}

TYPED_TEST(NormalizationValues, RunningStatistics) {
  using T = TypeParam;
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
    const Case c{Kind::Batch, format == DataFormat::NCHW ? Shape{3, 4, 5, 2} : Shape{3, 5, 2, 4}, 0,
                 format};
    const Array<T> x = uniform_numbers<T>(c.shape, 8, 1, 4);
    const Array<T> gamma = uniform_numbers<T>({4}, 9);
    const Array<T> beta = uniform_numbers<T>({4}, 10);
    Array<T> mean = Array<T>::zeros({4});
    Array<T> var = Array<T>::ones({4});
    const Array<T> y = batch_norm_training(x, mean, var, gamma, beta,
                                           {.eps = 1e-3, .momentum = 0.25, .format = format});
    EXPECT_EQ(y, batch_norm(x, gamma, beta, 1e-3, format));
    const Oracle oracle(c, View<T>(x), View<T>(), View<T>(), View<T>(x), 0);
    const double tolerance = 16 * static_cast<double>(std::numeric_limits<T>::epsilon());
    for (Index i = 0; i < 4; ++i) {
      const auto k = static_cast<std::size_t>(i);
      const double batch_var = static_cast<double>(1 / (oracle.rstd[k] * oracle.rstd[k]));
      EXPECT_NEAR(static_cast<double>(mean(i)), 0.25 * static_cast<double>(oracle.mean[k]),
                  tolerance);
      EXPECT_NEAR(static_cast<double>(var(i)), 0.75 + 0.25 * batch_var * 30 / 29, tolerance);
    }
    const Array<T> inference = batch_norm_inference(x, mean, var, gamma, beta, 1e-3, format);
    const Array<T> dy = uniform_numbers<T>(c.shape, 11);
    const auto back = batch_norm_inference_backward(dy, x, mean, var, gamma, 1e-3, format);
    std::vector<double> dgamma(4), dbeta(4);
    const Membership m = membership(c);
    for (Index i = 0; i < x.size(); ++i) {
      const auto k = static_cast<Index>(m.group[static_cast<std::size_t>(i)]);
      const double rstd = 1 / std::sqrt(static_cast<double>(var(k)) + 1e-3);
      const double xhat = (static_cast<double>(x.data()[i]) - static_cast<double>(mean(k))) * rstd;
      const double g = static_cast<double>(dy.data()[i]);
      dgamma[static_cast<std::size_t>(k)] += g * xhat;
      dbeta[static_cast<std::size_t>(k)] += g;
      const double factor = static_cast<double>(gamma(k));
      EXPECT_NEAR(static_cast<double>(inference.data()[i]),
                  xhat * factor + static_cast<double>(beta(k)), 4 * tolerance);
      EXPECT_NEAR(static_cast<double>(back.dx.data()[i]), g * factor * rstd, tolerance);
    }
    for (Index k = 0; k < 4; ++k) {
      EXPECT_NEAR(static_cast<double>(back.dgamma(k)), dgamma[static_cast<std::size_t>(k)],
                  20 * tolerance);
      EXPECT_NEAR(static_cast<double>(back.dbeta(k)), dbeta[static_cast<std::size_t>(k)],
                  20 * tolerance);
    }
    Array<T> in_place = x;
    batch_norm_inference_into<T>(in_place, in_place, mean, var, gamma, beta, 1e-3, format);
    EXPECT_EQ(in_place, inference);
  }
}

TYPED_TEST(NormalizationValues, NamedRanks) {
  using T = TypeParam;
  const Array<T> x4 = uniform_numbers<T>({2, 3, 4, 5}, 12);
  const Array<T> x5 = uniform_numbers<T>({2, 3, 4, 5, 2}, 12);
  EXPECT_EQ(batch_norm_2d(x4), batch_norm(x4));
  EXPECT_EQ(batch_norm_3d(x5), batch_norm(x5));
  EXPECT_EQ(batch_norm_1d(x4.select(0, 0)), batch_norm(x4.select(0, 0)));
}

TEST(NormalizationErrors, Messages) {
  const Array<float> x = uniform_numbers<float>({2, 4}, 1);
  const Array<float> image = uniform_numbers<float>({2, 4, 3, 3}, 1);
  const Array<float> three = Array<float>::ones({3});
  const Array<float> four = Array<float>::ones({4});
  expect_error(kDimension, "layer_norm: gamma must have shape (3,) for x (2, 3), got (2,)", [&] {
    (void)layer_norm(Array<float>(Shape{2, 3}), Array<float>{1, 1}, three);
  });
  expect_error(kDimension, "layer_norm: beta must have shape (4,) for x (2, 4), got (3,)",
               [&] { (void)layer_norm(x, four, three); });
  expect_error(kDimension, "layer_norm: gamma (2, 4, 3) does not fit the last axes of x (2, 4)",
               [&] {
                 (void)layer_norm(x, Array<float>(Shape{2, 4, 3}));
               });
  expect_error(kOperation, "layer_norm: axes must be from 0 to the rank of x (2, 4), got 3",
               [&] { (void)layer_norm(x, {}, {}, 1e-5, 3); });
  expect_error(kDimension, "layer_norm: x must have an axis, got shape ()",
               [&] { (void)layer_norm(Array<float>::scalar(1)); });
  expect_error(kOperation, "layer_norm: eps must be finite and not negative, got -1",
               [&] { (void)layer_norm(x, {}, {}, -1); });
  expect_error(kDimension, "rms_norm: gamma must have shape (4,) for x (2, 4), got (3,)",
               [&] { (void)rms_norm(x, three); });
  expect_error(kDimension, "batch_norm_1d: gamma must have shape (4,) for x (2, 4), got (3,)",
               [&] { (void)batch_norm_1d(x, three); });
  expect_error(kDimension, "batch_norm_1d: x must have rank 2 or 3, got shape (2, 4, 3, 3)",
               [&] { (void)batch_norm_1d(image); });
  expect_error(kDimension, "batch_norm_2d: x must have rank 4, got shape (2, 4)",
               [&] { (void)batch_norm_2d(x); });
  expect_error(kDimension, "batch_norm_3d: x must have rank 5, got shape (2, 4)",
               [&] { (void)batch_norm_3d(x); });
  expect_error(kDimension, "batch_norm: x must have rank 2 or more, got shape (4,)",
               [&] { (void)batch_norm(four); });
  expect_error(kOperation, "group_norm: groups must divide the 4 channels of x (2, 4), got 3",
               [&] { (void)group_norm(x, 3); });
  expect_error(kOperation, "group_norm: groups must be at least 1, got 0",
               [&] { (void)group_norm(x, 0); });
  expect_error(kOperation, "instance_norm: a matrix has no channels for gamma and beta, x (2, 4)",
               [&] { (void)instance_norm(x, 1e-5, four); });
  Array<float> out = Array<float>::empty({4, 2});
  expect_error(kDimension, "layer_norm: out (4, 2) does not have the shape of x (2, 4)",
               [&] { layer_norm_into(x, out); });
  expect_error(kDimension, "layer_norm: x is not defined",
               [&] { (void)layer_norm(View<float>()); });
  expect_error(kDimension, "layer_norm_backward: x has shape (2, 4), dy has shape (4,)",
               [&] { (void)layer_norm_backward(four, x); });
  expect_error(kOperation, "layer_norm_backward: saved needs both mean and rstd, or neither", [&] {
    Array<float> mean = Array<float>::zeros({2});
    Array<float> dx = Array<float>::zeros({2, 4});
    layer_norm_backward_into<float>(x, x, {}, dx, {}, {}, 1e-5, 0, {mean, {}});
  });
}

TEST(NormalizationErrors, NothingIsWritten) {
  Array<float> mean = Array<float>::zeros({4});
  Array<float> var = Array<float>::ones({4});
  const Array<float> one = uniform_numbers<float>({1, 4}, 1);
  expect_error(kOperation,
               "batch_norm_training: a variance needs two values a channel, x (1, 4) has 1",
               [&] { (void)batch_norm_training(one, mean, var); });
  expect_error(kOperation, "batch_norm_training: momentum must be in [0, 1], got 2",
               [&] { (void)batch_norm_training(one, mean, var, {}, {}, {.momentum = 2}); });
  Array<float> short_mean = Array<float>::zeros({3});
  const Array<float> x = uniform_numbers<float>({2, 4}, 1);
  expect_error(kDimension,
               "batch_norm_training: running_mean must have shape (4,) for x (2, 4), got (3,)",
               [&] { (void)batch_norm_training(x, short_mean, var); });
  expect_error(kDimension, "batch_norm_inference: var must have shape (4,) for x (2, 4), got (3,)",
               [&] { (void)batch_norm_inference(x, mean, short_mean); });
  expect_error(kOperation, "batch_norm_training: running_mean overlaps running_var",
               [&] { (void)batch_norm_training(x, mean, mean); });
  EXPECT_EQ(mean, Array<float>::zeros({4}));
  EXPECT_EQ(var, Array<float>::ones({4}));
  Array<float> line = uniform_numbers<float>({9}, 15);
  const Array<float> before = line;
  expect_error(kOperation,
               "layer_norm: out overlaps x in part; it may be the same view or memory of its own",
               [&] { layer_norm_into<float>(line.slice(0, 8), line.slice(1, 9)); });
  Array<float> square = uniform_numbers<float>({4, 4}, 15);
  expect_error(kOperation, "layer_norm: out overlaps gamma",
               [&] { layer_norm_into<float>(square, square, square.row(0)); });
  EXPECT_EQ(line, before);
}

}  // namespace
}  // namespace lamina::nn
