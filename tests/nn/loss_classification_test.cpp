#include "lamina/nn/loss_classification.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "lamina/core/simd.hpp"

namespace lamina::nn {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

enum class Kind { CrossEntropy, Sparse, Nll };
constexpr Kind kKinds[] = {Kind::CrossEntropy, Kind::Sparse, Kind::Nll};

/// One call with integer labels.
template <class T>
struct Call {
  Kind kind = Kind::CrossEntropy;
  ReductionMode mode = ReductionMode::Mean;
  ClassLossOptions<T> options{};

  [[nodiscard]] Array<T> forward(const View<std::int64_t>& y, const View<T>& x) const {
    switch (kind) {
      case Kind::CrossEntropy:
        return cross_entropy(y, x,
                             {mode, options.weight, options.ignore_index, options.label_smoothing});
      case Kind::Sparse:
        return sparse_categorical_cross_entropy(y, x, mode, options);
      case Kind::Nll:
        break;
    }
    return nll_loss(y, x, mode, options);
  }
  [[nodiscard]] Array<T> backward(const View<T>& dy, const View<std::int64_t>& y,
                                  const View<T>& x) const {
    switch (kind) {
      case Kind::CrossEntropy:
        return cross_entropy_backward(
            dy, y, x, {mode, options.weight, options.ignore_index, options.label_smoothing});
      case Kind::Sparse:
        return sparse_categorical_cross_entropy_backward(dy, y, x, mode, options);
      case Kind::Nll:
        break;
    }
    return nll_loss_backward(dy, y, x, mode, options);
  }
};

/// The definition, row by row in long double: losses and what each row weighs.
struct Oracle {
  std::vector<long double> loss;
  std::vector<long double> weight;
};
template <class T>
Oracle oracle(const Call<T>& call, const View<std::int64_t>& y, const View<T>& x) {
  const Index classes = x.shape().back();
  const std::vector<std::int64_t> labels = y.to_vector();
  const std::vector<T> scores = x.to_vector();
  Oracle result;
  for (std::size_t r = 0; r < labels.size(); ++r) {
    if (call.options.ignore_index == labels[r]) {
      result.loss.push_back(0);
      result.weight.push_back(0);
      continue;
    }
    std::vector<long double> nll;
    long double sum = 0;
    for (Index c = 0; c < classes; ++c) {
      const long double s =
          scores[r * static_cast<std::size_t>(classes) + static_cast<std::size_t>(c)];
      sum += std::exp(s);
      nll.push_back(call.kind == Kind::Sparse
                        ? -std::log(std::max<long double>(s, call.options.epsilon))
                        : -s);
    }
    long double loss = 0;
    long double weight = 0;
    for (Index c = 0; c < classes; ++c) {
      const long double w = call.options.weight.defined() ? call.options.weight(c) : 1;
      const long double smoothing = call.options.label_smoothing;
      const long double q = w * ((c == labels[r] ? 1 - smoothing : 0) +
                                 smoothing / static_cast<long double>(classes));
      const long double log_sum = call.kind == Kind::CrossEntropy ? std::log(sum) : 0;
      loss += q * (nll[static_cast<std::size_t>(c)] + log_sum);
      weight += c == labels[r] ? w : 0;
    }
    result.loss.push_back(loss);
    result.weight.push_back(weight);
  }
  return result;
}
long double reduce(const Oracle& o, ReductionMode mode) {
  long double loss = 0;
  long double weight = 0;
  for (std::size_t r = 0; r < o.loss.size(); ++r) {
    loss += o.loss[r];
    weight += o.weight[r];
  }
  return mode == ReductionMode::Sum ? loss : weight == 0 ? 0 : loss / weight;
}

template <class T>
Array<T> random_scores(const Shape& shape, Kind kind, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(-3, 3);
  Array<T> x(shape);
  for (T& value : x) {
    const double u = uniform(random);
    value = static_cast<T>(kind == Kind::CrossEntropy ? u
                           : kind == Kind::Nll        ? -std::abs(u)
                                                      : (u + 3.1) / 6.2);
  }
  return x;
}
Array<std::int64_t> random_labels(const Shape& shape, Index classes, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<std::int64_t> uniform(0, classes - 1);
  Array<std::int64_t> y(shape);
  for (std::int64_t& value : y) {
    value = uniform(random);
  }
  return y;
}

template <class T>
void expect_near(T actual, long double expected, double tolerance, const std::string& where) {
  const double scale = std::max(1.0, std::abs(static_cast<double>(expected)));
  EXPECT_NEAR(static_cast<double>(actual), static_cast<double>(expected), tolerance * scale)
      << where;
}

template <class T>
class ClassLoss : public testing::Test {
 protected:
  // Scores are exact in T, sums run in double; what remains is exp and log in T and one rounding.
  static constexpr double kTolerance = sizeof(T) == 4 ? 4e-7 : 4e-15;
};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(ClassLoss, RealTypes);

template <class T>
void check_gradient(const Call<T>& call, const Array<std::int64_t>& y, const Array<T>& x,
                    const std::string& where) {
  Array<T> dy(call.mode == ReductionMode::None ? y.shape() : Shape{});
  for (Index i = 0; i < dy.size(); ++i) {
    dy.data()[i] = static_cast<T>(0.5 + 0.25 * static_cast<double>(i));
  }
  const Array<T> dx = call.backward(dy, y, x);
  ASSERT_EQ(dx.shape(), x.shape());
  const auto value = [&](const Array<T>& at) {
    const Oracle o = oracle<T>(call, y, at);
    if (call.mode != ReductionMode::None) {
      return reduce(o, call.mode) * static_cast<long double>(dy.item());
    }
    long double sum = 0;
    for (std::size_t r = 0; r < o.loss.size(); ++r) {
      sum += o.loss[r] * static_cast<long double>(dy.data()[r]);
    }
    return sum;
  };
  for (Index i = 0; i < x.size(); ++i) {
    const T h = static_cast<T>(1e-7);
    Array<T> above = x;
    Array<T> below = x;
    above.data()[i] += h;
    below.data()[i] -= h;
    const long double step =
        static_cast<long double>(above.data()[i]) - static_cast<long double>(below.data()[i]);
    const long double slope = (value(above) - value(below)) / step;
    EXPECT_NEAR(static_cast<double>(dx.data()[i]), static_cast<double>(slope),
                1e-7 * std::max(1.0, std::abs(static_cast<double>(slope))))
        << where << ", element " << i;
  }
}

// weight x ignore x smoothing x reduction x kind, against the definition; and the gradient against
// differences of the definition.
TYPED_TEST(ClassLoss, EveryCombinationOfOptions) {
  using T = TypeParam;
  constexpr Index kRows = 6;
  for (const Index classes : {1, 3, 17}) {
    const Array<std::int64_t> y = random_labels(Shape{kRows}, classes, 5);
    Array<T> w(Shape{classes});
    for (Index c = 0; c < classes; ++c) {
      w(c) = static_cast<T>(0.25 * static_cast<double>(c % 5));
    }
    for (const Kind kind : kKinds) {
      const Array<T> x = random_scores<T>(Shape{kRows, classes}, kind, 6);
      for (const bool weighted : {false, true}) {
        for (const std::optional<std::int64_t> ignore :
             {std::optional<std::int64_t>(), std::optional<std::int64_t>(y(1)),
              std::optional<std::int64_t>(-100)}) {
          for (const double smoothing : {0.0, 0.1, 1.0}) {
            for (const ReductionMode mode :
                 {ReductionMode::None, ReductionMode::Mean, ReductionMode::Sum}) {
              Call<T> call{kind, mode, {{}, ignore, smoothing}};
              if (weighted) {
                call.options.weight = w;
              }
              Array<std::int64_t> labels = y;
              if (ignore == -100) {
                labels(0) = -100;
              }
              const std::string where =
                  "kind " + std::to_string(static_cast<int>(kind)) + ", classes " +
                  std::to_string(classes) + ", weighted " + std::to_string(weighted) + ", ignore " +
                  std::to_string(ignore.value_or(-1)) + ", smoothing " + std::to_string(smoothing) +
                  ", mode " + std::string(to_string(mode));
              const Array<T> loss = call.forward(labels, x);
              const Oracle expected = oracle<T>(call, labels, x);
              if (mode == ReductionMode::None) {
                ASSERT_EQ(loss.shape(), Shape{kRows}) << where;
                for (Index r = 0; r < kRows; ++r) {
                  expect_near(loss(r), expected.loss[static_cast<std::size_t>(r)], this->kTolerance,
                              where);
                }
              } else {
                ASSERT_EQ(loss.shape(), Shape{}) << where;
                expect_near(loss.item(), reduce(expected, mode), this->kTolerance, where);
              }
              if (sizeof(T) == 8) {
                check_gradient(call, labels, x, where);
              }
            }
          }
        }
      }
    }
  }
}

TYPED_TEST(ClassLoss, LongRowsAndEveryTarget) {
  using T = TypeParam;
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    for (const Index classes :
         {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 2047, 2048, 2049, 5000}) {
      for (const Kind kind : kKinds) {
        const Array<T> x = random_scores<T>(Shape{3, classes}, kind, 9);
        const Array<std::int64_t> y = random_labels(Shape{3}, classes, 2);
        for (const double smoothing : {0.0, 0.3}) {
          const Call<T> call{kind, ReductionMode::Sum, {{}, {}, smoothing}};
          expect_near(call.forward(y, x).item(), reduce(oracle<T>(call, y, x), call.mode),
                      this->kTolerance,
                      std::string(simd::to_string(target)) + " " + std::to_string(classes));
        }
      }
    }
  }
  simd::reset();
}

TYPED_TEST(ClassLoss, AnyLayoutGivesTheSame) {
  using T = TypeParam;
  for (const Kind kind : kKinds) {
    const Array<T> x = random_scores<T>(Shape{2, 3, 5}, kind, 3);
    const Array<std::int64_t> y = random_labels(Shape{2, 3}, 5, 4);
    const Array<T> x_swapped = x.permute({2, 1, 0}).copy();
    const Array<std::int64_t> y_swapped = y.t().copy();
    Array<T> x_wide(Shape{2, 3, 10});
    x_wide.slice(2, {.step = -2}).assign(x);
    Array<T> w{1, 2, 3, 4, 5};
    const Array<T> w_reversed{5, 4, 3, 2, 1};
    Call<T> call{kind, ReductionMode::None, {w, {}, 0.1}};
    const Array<T> loss = call.forward(y, x);
    ASSERT_EQ(loss.shape(), (Shape{2, 3}));
    const Array<T> dx = call.backward(loss, y, x);
    const std::vector<View<T>> layouts{x_swapped.permute({2, 1, 0}), x_wide.slice(2, {.step = -2})};
    const Array<T> dy = loss.t().copy();
    for (const View<T>& scores : layouts) {
      call.options.weight = w_reversed.slice(0, {.step = -1});
      EXPECT_TRUE(call.forward(y_swapped.t(), scores) == loss);
      EXPECT_TRUE(call.backward(dy.t(), y_swapped.t(), scores) == dx);
    }
    // One row for all.
    const View<T> same = x.row(0).row(0).broadcast_to(Shape{4, 5});
    call.options.weight = w;
    const Array<T> repeated = call.forward(Array<std::int64_t>::full(Shape{4}, 2), same);
    EXPECT_TRUE(repeated == Array<T>::full(Shape{4}, repeated(0)));
  }
  const Array<T> one_row = random_scores<T>(Shape{4}, Kind::CrossEntropy, 1);
  EXPECT_EQ(cross_entropy(Array<std::int64_t>::scalar(2), one_row).shape(), Shape{});
}

TYPED_TEST(ClassLoss, FewClassesInAnyCompany) {
  using T = TypeParam;
  constexpr Index kRows = 37;
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    for (const Index classes : {1, 2, 3, 15, 16, 17, 31, 32, 33}) {
      const Array<T> x = random_scores<T>(Shape{kRows, classes}, Kind::CrossEntropy, 3);
      const Array<std::int64_t> y = random_labels(Shape{kRows}, classes, 4);
      CrossEntropyOptions<T> o{ReductionMode::None, {}, y(5), 0.0};
      const LossAndGradient<T> all = cross_entropy_with_gradient(y, x, o);
      Array<T> in_place = x;
      cross_entropy_backward_into<T>(Array<T>::ones(Shape{kRows}), y, in_place, in_place, o);
      EXPECT_TRUE(in_place == all.gradient);
      const Array<T> turned = x.t().copy();
      EXPECT_TRUE(cross_entropy<T>(y, turned.t(), o) == all.loss);
      for (Index r = 0; r < kRows; ++r) {
        const LossAndGradient<T> one =
            cross_entropy_with_gradient(Array<std::int64_t>::scalar(y(r)), x.row(r), o);
        EXPECT_EQ(one.loss.item(), all.loss(r)) << classes << ' ' << r;
        EXPECT_TRUE(one.gradient == all.gradient.row(r)) << classes << ' ' << r;
      }
    }
  }
  simd::reset();
}

TYPED_TEST(ClassLoss, WithGradientIsBothAtOnce) {
  using T = TypeParam;
  const Array<T> x = random_scores<T>(Shape{7, 21}, Kind::CrossEntropy, 3);
  const Array<T> soft = random_scores<T>(Shape{7, 21}, Kind::Sparse, 4);
  const Array<std::int64_t> y = random_labels(Shape{7}, 21, 4);
  const Array<T> w = random_scores<T>(Shape{21}, Kind::Sparse, 5);
  for (const ReductionMode mode : {ReductionMode::None, ReductionMode::Mean, ReductionMode::Sum}) {
    for (const double smoothing : {0.0, 0.1}) {
      CrossEntropyOptions<T> o{mode, w, {}, smoothing};
      const Array<T> dy =
          mode == ReductionMode::None ? Array<T>::ones(Shape{7}) : Array<T>::scalar(1);
      const LossAndGradient<T> of_soft = cross_entropy_with_gradient(soft, x, o);
      EXPECT_TRUE(of_soft.loss == cross_entropy(soft, x, o));
      EXPECT_TRUE(of_soft.gradient == cross_entropy_backward(dy, soft, x, o));
      o.ignore_index = y(2);
      const LossAndGradient<T> of_labels = cross_entropy_with_gradient(y, x, o);
      EXPECT_TRUE(of_labels.loss == cross_entropy(y, x, o));
      EXPECT_TRUE(of_labels.gradient == cross_entropy_backward(dy, y, x, o));
    }
  }
}

TYPED_TEST(ClassLoss, GradientInPlaceAndIntoStridedOutput) {
  using T = TypeParam;
  const Array<T> x = random_scores<T>(Shape{4, 6}, Kind::CrossEntropy, 3);
  const Array<std::int64_t> y{1, 5, 0, 2};
  const Array<T> dy = Array<T>::scalar(2);
  const Array<T> expected = cross_entropy_backward(dy, y, x);
  Array<T> in_place = x;
  cross_entropy_backward_into<T>(dy, y, in_place, in_place);
  EXPECT_TRUE(in_place == expected);
  Array<T> strided(Shape{6, 4});
  cross_entropy_backward_into<T>(dy, y, x, strided.t());
  EXPECT_TRUE(strided.t() == expected);
  EXPECT_THROW(cross_entropy_backward_into<T>(dy, y, in_place, in_place.slice(1, {.step = -1})),
               Error);
}

TYPED_TEST(ClassLoss, TargetDistributions) {
  using T = TypeParam;
  for (const Index classes : {1, 3, 16, 35}) {
    const Array<T> x = random_scores<T>(Shape{4, classes}, Kind::CrossEntropy, 3);
    const Array<T> p = random_scores<T>(Shape{4, classes}, Kind::Sparse, 4);
    const Array<std::int64_t> y = random_labels(Shape{4}, classes, 8);
    Array<T> one_hot(Shape{4, classes});
    for (Index r = 0; r < 4; ++r) {
      one_hot(r, y(r)) = 1;
    }
    Array<T> w(Shape{classes});
    for (Index c = 0; c < classes; ++c) {
      w(c) = static_cast<T>(0.5 + 0.25 * static_cast<double>(c % 3));
    }
    for (const double smoothing : {0.0, 0.2}) {
      const CrossEntropyOptions<T> options{ReductionMode::None, w, {}, smoothing};
      const ClassLossOptions<T> class_options{w, {}, smoothing};
      const Array<T> dy{1, 2, 3, 4};
      EXPECT_TRUE(allclose(cross_entropy(one_hot, x, options), cross_entropy(y, x, options),
                           this->kTolerance, this->kTolerance));
      EXPECT_TRUE(allclose(cross_entropy_backward(dy, one_hot, x, options),
                           cross_entropy_backward(dy, y, x, options), 0, 4 * this->kTolerance));
      EXPECT_TRUE(
          allclose(categorical_cross_entropy(one_hot, p, ReductionMode::None, class_options),
                   sparse_categorical_cross_entropy(y, p, ReductionMode::None, class_options),
                   this->kTolerance, this->kTolerance));
      EXPECT_TRUE(allclose(
          categorical_cross_entropy_backward(dy, one_hot, p, ReductionMode::None, class_options),
          sparse_categorical_cross_entropy_backward(dy, y, p, ReductionMode::None, class_options),
          4 * this->kTolerance, 4 * this->kTolerance));
    }
  }
}

// Linear in the targets, so a difference quotient is exact up to rounding.
TEST(SoftTargets, GradientOfTheTargets) {
  const Array<double> x = random_scores<double>(Shape{3, 5}, Kind::CrossEntropy, 3);
  const Array<double> p = random_scores<double>(Shape{3, 5}, Kind::Sparse, 3);
  const Array<double> t = random_scores<double>(Shape{3, 5}, Kind::Sparse, 4);
  const Array<double> w{1, 2, 0, 4, 5};
  for (const ReductionMode mode : {ReductionMode::Mean, ReductionMode::Sum}) {
    const Array<double> dy = Array<double>::scalar(3);
    const CrossEntropyOptions<double> options{mode, w, {}, 0.25};
    const ClassLossOptions<double> class_options{w, {}, 0.25};
    const Array<double> of_logits = cross_entropy_backward_true(dy, t, x, options);
    const Array<double> of_probs =
        categorical_cross_entropy_backward_true(dy, t, p, mode, class_options);
    for (Index i = 0; i < t.size(); ++i) {
      Array<double> above = t;
      above.data()[i] += 1;
      EXPECT_NEAR(
          of_logits.data()[i],
          3 * (cross_entropy(above, x, options).item() - cross_entropy(t, x, options).item()),
          1e-13);
      EXPECT_NEAR(of_probs.data()[i],
                  3 * (categorical_cross_entropy(above, p, mode, class_options).item() -
                       categorical_cross_entropy(t, p, mode, class_options).item()),
                  1e-13);
    }
  }
}

TEST(SoftTargets, ATargetOfZeroCountsNothing) {
  const Array<double> t{{0.5, 0.5, 0}};
  const Array<double> x{{1, 1, -kInf}};
  EXPECT_DOUBLE_EQ(cross_entropy(t, x).item(), std::log(2.0));
  EXPECT_TRUE(cross_entropy_backward(Array<double>::scalar(1), t, x) == (Array<double>{{0, 0, 0}}));
  const Array<double> p{{0.5, 0.5, 0}};
  EXPECT_DOUBLE_EQ(categorical_cross_entropy(t, p, ReductionMode::Mean, {.epsilon = 0}).item(),
                   std::log(2.0));
}

// Values of the guide's examples, recomputed.
TEST(ClassLossValues, OfTheGuide) {
  const Array<double> one_hot{{1, 0, 0}, {0, 1, 0}};
  const Array<double> p2{{0.7, 0.2, 0.1}, {0.1, 0.8, 0.1}};
  EXPECT_NEAR(categorical_cross_entropy(one_hot, p2).item(), 0.2899092476, 5e-11);
  const Array<std::int64_t> y{0, 1, 2};
  const Array<double> p3{{0.7, 0.2, 0.1}, {0.1, 0.8, 0.1}, {0.1, 0.1, 0.8}};
  EXPECT_NEAR(sparse_categorical_cross_entropy(y, p3, ReductionMode::Mean).item(), 0.2676540155,
              5e-11);
  EXPECT_EQ(sparse_categorical_cross_entropy(y, p3, ReductionMode::None).shape(), Shape{3});
  const Array<double> uniform = Array<double>::full(Shape{5, 3}, 7);
  EXPECT_NEAR(cross_entropy(Array<std::int64_t>(Shape{5}), uniform).item(), 1.0986122886681098,
              1e-15);
}

TYPED_TEST(ClassLoss, TailsAreExact) {
  using T = TypeParam;
  // A sure row: log(1 + e^-40), of which single precision in the sum would leave 0.
  const Array<T> sure{{40, 0}};
  const Array<std::int64_t> y{0};
  EXPECT_NEAR(static_cast<double>(cross_entropy(y, Array<T>{{15, 0}}).item()),
              std::log1p(std::exp(-15.0)), 1e-13);
  EXPECT_GE(cross_entropy(y, sure).item(), T{0});
  EXPECT_EQ(cross_entropy(Array<std::int64_t>{1}, Array<T>{{1e30F, -1e30F}}).item(),
            static_cast<T>(2e30F));
  EXPECT_EQ(cross_entropy(Array<std::int64_t>{1}, Array<T>{{0, static_cast<T>(-kInf)}}).item(),
            static_cast<T>(kInf));
  EXPECT_EQ(cross_entropy(y, Array<T>{{0, static_cast<T>(-kInf)}}).item(), T{0});
  EXPECT_NEAR(static_cast<double>(cross_entropy(y, Array<T>{{1000, 1001}}).item()),
              std::log1p(std::exp(1.0)), 2e-7);
}

TYPED_TEST(ClassLoss, NaNReachesTheLossFromEveryPosition) {
  using T = TypeParam;
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    for (const Index classes : {1, 3, 8, 19, 33, 2050}) {
      for (Index at = 0; at<classes; at += classes> 100 ? 97 : 1) {
        Array<T> x = random_scores<T>(Shape{2, classes}, Kind::CrossEntropy, 1);
        x(1, at) = static_cast<T>(kNan);
        const Array<std::int64_t> y(Shape{2});
        const Array<T> loss = cross_entropy(y, x, {.mode = ReductionMode::None});
        EXPECT_FALSE(std::isnan(loss(0)));
        EXPECT_TRUE(std::isnan(loss(1))) << classes << " " << at;
        const Array<T> dx = cross_entropy_backward(Array<T>::scalar(1), y, x);
        EXPECT_TRUE(std::isnan(dx(1, 0)));
        EXPECT_FALSE(std::isnan(dx(0, 0)));
        Array<T> t(Shape{2, classes});  // all 0: still no way past a NaN
        EXPECT_TRUE(std::isnan(cross_entropy(t, x, {.mode = ReductionMode::None})(1)));
      }
    }
  }
  simd::reset();
  const T nan = static_cast<T>(kNan);
  const Array<std::int64_t> y{1};
  EXPECT_TRUE(std::isnan(sparse_categorical_cross_entropy(y, Array<T>{{1, nan}}).item()));
  EXPECT_TRUE(std::isnan(categorical_cross_entropy(Array<T>{{0, 1}}, Array<T>{{1, nan}}).item()));
  EXPECT_TRUE(std::isnan(nll_loss(y, Array<T>{{1, nan}}).item()));
  EXPECT_TRUE(std::isnan(
      sparse_categorical_cross_entropy_backward(Array<T>::scalar(1), y, Array<T>{{1, nan}})(0, 1)));
}

TYPED_TEST(ClassLoss, IgnoredRowsNeverMatter) {
  using T = TypeParam;
  const T nan = static_cast<T>(kNan);
  const Array<std::int64_t> y{2, 1};
  const Array<T> x{{nan, nan, nan}, {1, 2, 3}};
  const Array<T> alone = cross_entropy(Array<std::int64_t>{1}, Array<T>{{1, 2, 3}});
  EXPECT_EQ(cross_entropy(y, x, {.ignore_index = 2}).item(), alone.item());
  const Array<T> dx = cross_entropy_backward(Array<T>::scalar(1), y, x,
                                             {.ignore_index = 2, .label_smoothing = 0.1});
  EXPECT_TRUE(dx.row(0) == (Array<T>{0, 0, 0}));
  const Array<std::int64_t> none{2, 2};
  EXPECT_EQ(cross_entropy(none, x, {.ignore_index = 2}).item(), T{0});
  EXPECT_TRUE(cross_entropy_backward(Array<T>::scalar(1), none, x, {.ignore_index = 2}) ==
              Array<T>(Shape{2, 3}));
  EXPECT_EQ(cross_entropy(Array<std::int64_t>(Shape{0}), Array<T>(Shape{0, 3})).item(), T{0});
  EXPECT_EQ(cross_entropy(Array<std::int64_t>(Shape{0}), Array<T>(Shape{0, 0})).item(), T{0});
}

void expect_error(ErrorKind kind, const std::string& message, const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << "no error; expected: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), message);
    EXPECT_EQ(to_string(error.kind()), to_string(kind));
  }
}

TEST(ClassLossErrors, AreNamed) {
  const Array<float> x(Shape{2, 3});
  const Array<float> dy = Array<float>::scalar(1);
  const Array<std::int64_t> y{0, 3};
  const Array<std::int64_t> good{0, 2};
  const Array<float> w(Shape{2});
  expect_error(ErrorKind::IndexOutOfBounds,
               "cross_entropy: label 3 at (1,) is out of range for 3 classes",
               [&] { (void)cross_entropy(y, x); });
  expect_error(ErrorKind::IndexOutOfBounds,
               "sparse_categorical_cross_entropy: label -100 at (0,) is out of range for 3 classes",
               [&] {
                 (void)sparse_categorical_cross_entropy(Array<std::int64_t>{-100, 0}, x);
               });
  expect_error(
      ErrorKind::IndexOutOfBounds, "nll_loss: label 5 at (1, 2) is out of range for 4 classes",
      [&] {
        (void)nll_loss(Array<std::int64_t>{{0, 0, 0}, {0, 0, 5}}, Array<float>(Shape{2, 3, 4}));
      });
  expect_error(ErrorKind::DimensionMismatch,
               "cross_entropy: y_true must have shape (2,) for scores (2, 3), got (3,)",
               [&] { (void)cross_entropy(Array<std::int64_t>(Shape{3}), x); });
  expect_error(ErrorKind::DimensionMismatch,
               "cross_entropy: y_true and the scores must have the same shape, got (2,) and (2, 3)",
               [&] { (void)cross_entropy(w, x); });
  expect_error(ErrorKind::DimensionMismatch, "cross_entropy: weight must have shape (3,), got (2,)",
               [&] { (void)cross_entropy(good, x, {.weight = w}); });
  expect_error(ErrorKind::InvalidOperation,
               "cross_entropy: label_smoothing must be between 0 and 1, got 1.5",
               [&] { (void)cross_entropy(good, x, {.label_smoothing = 1.5}); });
  expect_error(ErrorKind::InvalidOperation, "cross_entropy: ignore_index needs integer labels",
               [&] { (void)cross_entropy(x, x, {.ignore_index = 1}); });
  expect_error(ErrorKind::InvalidOperation,
               "categorical_cross_entropy: epsilon must be at least 0 and less than 1, got 1",
               [&] { (void)categorical_cross_entropy(x, x, ReductionMode::Mean, {.epsilon = 1}); });
  expect_error(ErrorKind::DimensionMismatch,
               "cross_entropy: needs at least one class, got scores (2, 0)", [&] {
                 (void)cross_entropy(good, Array<float>(Shape{2, 0}));
               });
  expect_error(ErrorKind::DimensionMismatch,
               "nll_loss: scores must have rank 1 or more (..., classes), got shape ()",
               [&] { (void)nll_loss(Array<std::int64_t>::scalar(0), dy); });
  expect_error(ErrorKind::InvalidOperation, "cross_entropy: y_pred is not defined",
               [&] { (void)cross_entropy(good, View<float>()); });
  expect_error(ErrorKind::InvalidOperation, "cross_entropy: y_true is not defined",
               [&] { (void)cross_entropy(View<std::int64_t>(), x); });
  expect_error(ErrorKind::DimensionMismatch,
               "cross_entropy: dy must have the shape of the loss, (), got (2,)",
               [&] { (void)cross_entropy_backward(w, good, x); });
  Array<float> small(Shape{2, 2});
  expect_error(ErrorKind::DimensionMismatch,
               "cross_entropy: the output must have shape (2, 3), got (2, 2)",
               [&] { cross_entropy_backward_into<float>(dy, good, x, small); });
}

}  // namespace
}  // namespace lamina::nn
