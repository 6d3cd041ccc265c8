#include "lamina/nn/loss_embedding.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "lamina/core/parallel.hpp"
#include "lamina/core/simd.hpp"

namespace lamina::nn {
namespace {

using Real = long double;
using Row = std::vector<Real>;

Real power_norm(const Row& a, const Row& b, Real p, Real eps) {
  Real sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += std::pow(std::abs(a[i] - b[i] + eps), p);
  }
  return std::pow(sum, 1 / p);
}
Real cosine_loss(const Row& a, const Row& b, Real y, Real margin) {
  Real dot = 0;
  Real aa = 0;
  Real bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  const Real cosine = dot / (std::sqrt(aa) * std::sqrt(bb));
  return y > 0 ? 1 - cosine : std::max<Real>(0, cosine - margin);
}
Real contrastive(const Row& a, const Row& b, Real y, Real margin) {
  const Real d = power_norm(a, b, 2, 0);
  const Real gap = std::max<Real>(0, margin - d);
  return (y * d * d + (1 - y) * gap * gap) / 2;
}
Real triplet(const Row& a, const Row& p, const Row& n, const TripletMarginOptions& o) {
  Real far = power_norm(a, n, o.p, o.epsilon);
  if (o.swap) {
    far = std::min(far, power_norm(p, n, o.p, o.epsilon));
  }
  return std::max<Real>(0, power_norm(a, p, o.p, o.epsilon) - far + o.margin);
}

/// A loss of one to three arrays (N, D), by the library and by definition.
template <class T>
struct Case {
  std::string name;
  std::size_t arrays;
  std::function<Array<T>(const std::vector<View<T>>&, ReductionMode)> loss;
  std::function<std::vector<Array<T>>(const Array<T>& dy, const std::vector<View<T>>&,
                                      ReductionMode)>
      backward;
  std::function<Real(const std::vector<Row>&, std::size_t row)> expected;
};

template <class T>
std::vector<Case<T>> cases(const Array<T>& signs, const Array<T>& targets) {
  std::vector<Case<T>> all;
  for (const double margin : {0.0, 0.4}) {
    all.push_back({"cosine", 2,
                   [=, &signs](const auto& x, ReductionMode mode) {
                     return cosine_embedding_loss<T>(x[0], x[1], signs, margin, mode);
                   },
                   [=, &signs](const Array<T>& dy, const auto& x, ReductionMode mode) {
                     auto g =
                         cosine_embedding_loss_backward<T>(dy, x[0], x[1], signs, margin, mode);
                     return std::vector<Array<T>>{g.x1, g.x2};
                   },
                   [=, &signs](const std::vector<Row>& x, std::size_t r) {
                     return cosine_loss(x[0], x[1], signs(static_cast<Index>(r)), margin);
                   }});
  }
  all.push_back({"contrastive", 2,
                 [&](const auto& x, ReductionMode mode) {
                   return contrastive_loss<T>(targets, x[0], x[1], 5.0, mode);
                 },
                 [&](const Array<T>& dy, const auto& x, ReductionMode mode) {
                   auto g = contrastive_loss_backward<T>(dy, targets, x[0], x[1], 5.0, mode);
                   return std::vector<Array<T>>{g.x1, g.x2};
                 },
                 [&](const std::vector<Row>& x, std::size_t r) {
                   return contrastive(x[0], x[1], targets(static_cast<Index>(r)), 5);
                 }});
  for (const double p : {1.0, 2.0, 3.5}) {
    for (const bool swap : {false, true}) {
      const TripletMarginOptions o{.margin = 2, .p = p, .epsilon = 1e-3, .swap = swap};
      all.push_back(
          {"triplet " + std::to_string(p) + (swap ? " swap" : ""), 3,
           [=](const auto& x, ReductionMode mode) {
             return triplet_margin_loss<T>(x[0], x[1], x[2], mode, o);
           },
           [=](const Array<T>& dy, const auto& x, ReductionMode mode) {
             auto g = triplet_margin_loss_backward<T>(dy, x[0], x[1], x[2], mode, o);
             return std::vector<Array<T>>{g.anchor, g.positive, g.negative};
           },
           [=](const std::vector<Row>& x, std::size_t) { return triplet(x[0], x[1], x[2], o); }});
    }
  }
  return all;
}

template <class T>
Array<T> random_array(const Shape& shape, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  Array<T> x(shape);
  for (T& value : x) {
    value = static_cast<T>(normal(random));
  }
  return x;
}
template <class T>
std::vector<Row> rows_of(const std::vector<Array<T>>& x, Index r) {
  std::vector<Row> rows;
  for (const Array<T>& array : x) {
    const std::vector<T> row = array.row(r).to_vector();
    rows.emplace_back(row.begin(), row.end());
  }
  return rows;
}

template <class T>
class EmbeddingLoss : public testing::Test {
 protected:
  Array<T> signs_{1, -1, 1, -1, -1};
  Array<T> targets_{1, 0, 0, static_cast<T>(0.25), 1};
};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(EmbeddingLoss, RealTypes);

TYPED_TEST(EmbeddingLoss, ValuesAndGradients) {
  using T = TypeParam;
  const double tolerance = sizeof(T) == 4 ? 4e-6 : 1e-13;
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    for (const Index n : {1, 2, 3, 7, 8, 16, 19, 33}) {
      for (const Case<T>& c : cases(this->signs_, this->targets_)) {
        std::vector<Array<T>> x;
        for (std::size_t i = 0; i < c.arrays; ++i) {
          x.push_back(random_array<T>(Shape{5, n},
                                      static_cast<unsigned>(10 * n) + static_cast<unsigned>(i)));
        }
        const std::vector<View<T>> views(x.begin(), x.end());
        const std::string where =
            c.name + " " + std::string(simd::to_string(target)) + " " + std::to_string(n);
        const Array<T> each = c.loss(views, ReductionMode::None);
        ASSERT_EQ(each.shape(), Shape{5});
        Real sum = 0;
        for (Index r = 0; r < 5; ++r) {
          const Real expected = c.expected(rows_of(x, r), static_cast<std::size_t>(r));
          EXPECT_NEAR(static_cast<double>(each(r)), static_cast<double>(expected),
                      tolerance * std::max<double>(1, static_cast<double>(expected)))
              << where;
          sum += expected;
        }
        EXPECT_NEAR(static_cast<double>(c.loss(views, ReductionMode::Sum).item()),
                    static_cast<double>(sum),
                    5 * tolerance * std::max(1.0, static_cast<double>(sum)))
            << where;
        EXPECT_NEAR(static_cast<double>(c.loss(views, ReductionMode::Mean).item()),
                    static_cast<double>(sum / 5),
                    5 * tolerance * std::max(1.0, static_cast<double>(sum)))
            << where;
        if (sizeof(T) == 4 || n > 8) {
          continue;
        }
        const Array<T> dy{1, 2, 3, 4, 5};
        const std::vector<Array<T>> gradients = c.backward(dy, views, ReductionMode::None);
        for (std::size_t i = 0; i < c.arrays; ++i) {
          for (Index k = 0; k < x[i].size(); ++k) {
            const Index r = k / n;
            std::vector<Row> above = rows_of(x, r);
            std::vector<Row> below = above;
            above[i][static_cast<std::size_t>(k % n)] += 1e-7L;
            below[i][static_cast<std::size_t>(k % n)] -= 1e-7L;
            const auto row = static_cast<std::size_t>(r);
            const auto slope =
                static_cast<double>((c.expected(above, row) - c.expected(below, row)) / 2e-7L);
            EXPECT_NEAR(static_cast<double>(gradients[i].data()[k]),
                        static_cast<double>(dy(r)) * slope, 1e-7 * std::max(1.0, std::abs(slope)))
                << where << " array " << i << " element " << k;
          }
        }
        const std::vector<Array<T>> of_mean =
            c.backward(Array<T>::scalar(10), views, ReductionMode::Mean);
        const std::vector<Array<T>> twice =
            c.backward(Array<T>::full(Shape{5}, 2), views, ReductionMode::None);
        for (std::size_t i = 0; i < c.arrays; ++i) {
          EXPECT_TRUE(allclose(of_mean[i], twice[i], 1e-12, 1e-12)) << where;
        }
      }
    }
  }
  simd::reset();
}

TYPED_TEST(EmbeddingLoss, LayoutsThreadsAndNaN) {
  using T = TypeParam;
  const int before = num_threads();
  const Index n = 4099;
  for (const Case<T>& c : cases(this->signs_, this->targets_)) {
    std::vector<Array<T>> x;
    std::vector<Array<T>> transposed;
    for (unsigned i = 0; i < c.arrays; ++i) {
      x.push_back(random_array<T>(Shape{5, n}, i));
      transposed.push_back(x.back().t().copy());
    }
    std::vector<View<T>> strided;
    for (const Array<T>& array : transposed) {
      strided.push_back(array.t());
    }
    const std::vector<View<T>> views(x.begin(), x.end());
    const Array<T> dy = Array<T>::scalar(1);
    const Array<T> loss = c.loss(views, ReductionMode::Mean);
    const std::vector<Array<T>> gradients = c.backward(dy, views, ReductionMode::Mean);
    for (const int threads : {1, 2, 3, 5}) {
      set_num_threads(threads);
      EXPECT_TRUE(c.loss(strided, ReductionMode::Mean) == loss) << c.name;
      const std::vector<Array<T>> again = c.backward(dy, strided, ReductionMode::Mean);
      for (std::size_t i = 0; i < c.arrays; ++i) {
        EXPECT_TRUE(again[i] == gradients[i]) << c.name;
      }
    }
    for (std::size_t i = 0; i < c.arrays; ++i) {
      std::vector<Array<T>> broken;
      for (unsigned k = 0; k < c.arrays; ++k) {
        broken.push_back(random_array<T>(Shape{5, 19}, k));
      }
      broken[i](3, 17) = std::numeric_limits<T>::quiet_NaN();
      const std::vector<View<T>> broken_views(broken.begin(), broken.end());
      const Array<T> each = c.loss(broken_views, ReductionMode::None);
      for (Index r = 0; r < 5; ++r) {
        EXPECT_EQ(std::isnan(each(r)), r == 3) << c.name << " array " << i;
      }
      const std::vector<Array<T>> g =
          c.backward(Array<T>::ones(Shape{5}), broken_views, ReductionMode::None);
      EXPECT_TRUE(std::isnan(g[i](3, 17))) << c.name << " array " << i;
    }
  }
  set_num_threads(before);
}

// Values of the guide's example, recomputed.
TEST(CosineEmbedding, OfTheGuide) {
  const Array<double> x1{1, 2, 3};
  const Array<double> x2{1.1, 2.1, 3.1};
  EXPECT_NEAR(cosine_embedding_loss(x1, x2, 1.0, 0.5).item(), 1.4070965e-4, 6e-12);
  EXPECT_NEAR(cosine_embedding_loss(x1, x2, -1.0, 0.5).item(), 0.4998592904, 5e-11);
  const Array<double> dy = Array<double>::scalar(1);
  const Array<double> minus = Array<double>::scalar(-1);
  const auto of_number = cosine_embedding_loss_backward(dy, x1, x2, -1.0, 0.5);
  const auto of_array = cosine_embedding_loss_backward(dy, x1, x2, minus, 0.5);
  EXPECT_TRUE(of_number.x1 == of_array.x1 && of_number.x2 == of_array.x2);
  const Array<float> f1{1, 2, 3};
  const Array<float> f2{1.1F, 2.1F, 3.1F};
  // The rounding of 1.1 itself moves this by 1e-8 or so; single precision sums would by 1e-7.
  EXPECT_NEAR(cosine_embedding_loss(f1, f2, 1, 0.5).item(), 1.4070965e-4, 1e-9);
}

TEST(EmbeddingLossEdges, ZeroVectorsAndEqualPairs) {
  const Array<double> zero{{0, 0}};
  const Array<double> one{{3, 4}};
  const Array<double> y{1};
  EXPECT_EQ(cosine_embedding_loss(zero, one, y).item(), 1);
  const auto cosine = cosine_embedding_loss_backward(Array<double>::scalar(1), zero, one, y);
  EXPECT_TRUE(cosine.x2 == (Array<double>{{0, 0}}));
  EXPECT_TRUE(cosine.x1 == (Array<double>{{0, 0}}));
  const auto pair =
      contrastive_loss_backward(Array<double>::scalar(1), Array<double>{0}, one, one, 1.0);
  EXPECT_TRUE(pair.x1 == (Array<double>{{0, 0}}));
  const auto same = triplet_margin_loss_backward(Array<double>::scalar(1), one, one, one,
                                                 ReductionMode::Mean, {.epsilon = 0});
  EXPECT_TRUE(same.anchor == (Array<double>{{0, 0}}));
  EXPECT_EQ(triplet_margin_loss(one, one, one, ReductionMode::Mean, {.epsilon = 0}).item(), 1);
  EXPECT_EQ(triplet_margin_loss(Array<double>(Shape{0, 3}), Array<double>(Shape{0, 3}),
                                Array<double>(Shape{0, 3}))
                .item(),
            0);
}

TEST(EmbeddingLossErrors, AreNamed) {
  const Array<float> x(Shape{2, 3});
  const Array<float> other(Shape{2, 4});
  const Array<float> y{1, 0.5F};
  const Array<float> number = Array<float>::scalar(1);
  const auto expect = [](ErrorKind kind, const std::string& message,
                         const std::function<void()>& call) {
    try {
      call();
      ADD_FAILURE() << "no error; expected: " << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.what(), message);
      EXPECT_EQ(to_string(error.kind()), to_string(kind));
    }
  };
  const ErrorKind shape = ErrorKind::DimensionMismatch;
  const ErrorKind argument = ErrorKind::InvalidOperation;
  expect(shape, "cosine_embedding_loss: x1 and x2 must have the same shape, got (2, 3) and (2, 4)",
         [&] { (void)cosine_embedding_loss(x, other, y); });
  expect(shape, "cosine_embedding_loss: y must have shape (2,) for rows of (2, 3), got ()",
         [&] { (void)cosine_embedding_loss(x, x, number); });
  expect(argument, "cosine_embedding_loss: y must be 1 or -1, got 0.5",
         [&] { (void)cosine_embedding_loss(x, x, y); });
  expect(shape, "cosine_embedding_loss: x1 must have rank 1 or more (..., dimension), got shape ()",
         [&] { (void)cosine_embedding_loss(number, number, number); });
  expect(argument, "contrastive_loss: margin must be 0 or more, got -1",
         [&] { (void)contrastive_loss(y, x, x, -1); });
  expect(argument, "contrastive_loss: y_true is not defined",
         [&] { (void)contrastive_loss(View<float>(), x, x); });
  expect(shape, "contrastive_loss: dy must have the shape of the loss, (), got (2,)",
         [&] { (void)contrastive_loss_backward(y, y, x, x); });
  expect(argument, "triplet_margin_loss: margin must be greater than 0, got 0",
         [&] { (void)triplet_margin_loss(x, x, x, ReductionMode::Mean, {.margin = 0}); });
  expect(argument, "triplet_margin_loss: p must be greater than 0 and finite, got 0",
         [&] { (void)triplet_margin_loss(x, x, x, ReductionMode::Mean, {.p = 0}); });
  expect(argument, "triplet_margin_loss: epsilon must be 0 or more, got -1",
         [&] { (void)triplet_margin_loss(x, x, x, ReductionMode::Mean, {.epsilon = -1}); });
  expect(argument, "triplet_margin_loss: negative is not defined",
         [&] { (void)triplet_margin_loss(x, x, View<float>()); });
}

}  // namespace
}  // namespace lamina::nn
