#include "lamina/nn/ctc.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "lamina/core/parallel.hpp"
#include "lamina/core/simd.hpp"

namespace lamina::nn {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
using Labels = std::vector<std::int64_t>;

/// -log of the sum over all paths of frames that spell `target`, each path written out.
long double brute_force(const Array<double>& x, Index sample, Index frames, const Labels& target,
                        std::int64_t blank) {
  const Index classes = x.extent(2);
  long double total = 0;
  Labels path(static_cast<std::size_t>(frames), 0);
  for (;;) {
    Labels spelled;
    long double log_p = 0;
    for (std::size_t t = 0; t < path.size(); ++t) {
      log_p += x(static_cast<Index>(t), sample, path[t]);
      if (path[t] != blank && (t == 0 || path[t] != path[t - 1])) {
        spelled.push_back(path[t]);
      }
    }
    if (spelled == target) {
      total += std::exp(log_p);
    }
    std::size_t t = 0;
    while (t < path.size() && ++path[t] == classes) {
      path[t++] = 0;
    }
    if (t == path.size()) {
      return -std::log(total);
    }
  }
}

template <class T>
struct Batch {
  Array<T> x;  // (5, 4, 3)
  Array<std::int64_t> y{{1, 2, 0}, {1, 1, 0}, {2, 0, 0}, {0, 0, 0}};
  Array<std::int64_t> inputs{5, 4, 3, 2};
  Array<std::int64_t> targets{2, 2, 1, 0};

  Batch() : x(Shape{5, 4, 3}) {
    std::mt19937 random(3);
    std::uniform_real_distribution<double> uniform(-3, -0.1);
    for (T& value : x) {
      value = static_cast<T>(uniform(random));
    }
  }
  [[nodiscard]] Labels target(Index n) const {
    const Labels row = y.row(n).to_vector();
    return {row.begin(), row.begin() + targets(n)};
  }
};

template <class T>
class Ctc : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(Ctc, RealTypes);

TYPED_TEST(Ctc, SumsOverAllPaths) {
  using T = TypeParam;
  const Batch<T> b;
  const Array<double> wide = b.x.template astype<double>();
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    const Array<T> each = ctc_loss(b.y, b.x, b.inputs, b.targets, ReductionMode::None);
    long double sum = 0;
    long double mean = 0;
    for (Index n = 0; n < 4; ++n) {
      const long double expected = brute_force(wide, n, b.inputs(n), b.target(n), 0);
      EXPECT_NEAR(static_cast<double>(each(n)), static_cast<double>(expected),
                  sizeof(T) == 4 ? 1e-6 : 1e-14);
      sum += expected;
      mean += expected / static_cast<long double>(std::max<std::int64_t>(1, b.targets(n))) / 4;
    }
    EXPECT_NEAR(
        static_cast<double>(ctc_loss(b.y, b.x, b.inputs, b.targets, ReductionMode::Sum).item()),
        static_cast<double>(sum), sizeof(T) == 4 ? 4e-6 : 4e-14);
    EXPECT_NEAR(static_cast<double>(ctc_loss(b.y, b.x, b.inputs, b.targets).item()),
                static_cast<double>(mean), sizeof(T) == 4 ? 1e-6 : 1e-14);
  }
  simd::reset();
}

TYPED_TEST(Ctc, AnyClassMayBeTheBlank) {
  using T = TypeParam;
  Batch<T> b;
  b.y = Array<std::int64_t>{{1, 0, 2}, {1, 1, 2}, {0, 2, 2}, {2, 2, 2}};
  const Array<T> each = ctc_loss(b.y, b.x, b.inputs, b.targets, ReductionMode::None, {.blank = 2});
  const Array<double> wide = b.x.template astype<double>();
  for (Index n = 0; n < 4; ++n) {
    EXPECT_NEAR(static_cast<double>(each(n)),
                static_cast<double>(brute_force(wide, n, b.inputs(n), b.target(n), 2)),
                sizeof(T) == 4 ? 1e-6 : 1e-14);
  }
}

TEST(CtcGradient, AgreesWithDifferencesOfThePathSum) {
  const Batch<double> b;
  for (const ReductionMode mode : {ReductionMode::None, ReductionMode::Mean, ReductionMode::Sum}) {
    const Array<double> dy =
        mode == ReductionMode::None ? Array<double>{1, 2, 3, 4} : Array<double>::scalar(2);
    const Array<double> dx = ctc_loss_backward(dy, b.y, b.x, b.inputs, b.targets, mode);
    for (Index i = 0; i < b.x.size(); ++i) {
      const Index n = i / 3 % 4;
      Array<double> above = b.x;
      Array<double> below = b.x;
      above.data()[i] += 1e-5;
      below.data()[i] -= 1e-5;
      const long double slope =
          (brute_force(above, n, b.inputs(n), b.target(n), 0) -
           brute_force(below, n, b.inputs(n), b.target(n), 0)) /
          (static_cast<long double>(above.data()[i]) - static_cast<long double>(below.data()[i]));
      const double scale =
          mode == ReductionMode::None ? dy(n)
          : mode == ReductionMode::Sum
              ? 2
              : 2.0 / 4 / static_cast<double>(std::max<std::int64_t>(1, b.targets(n)));
      EXPECT_NEAR(dx.data()[i], scale * static_cast<double>(slope), 1e-9) << i;
    }
  }
}

TYPED_TEST(Ctc, LongSequencesLayoutsAndThreads) {
  using T = TypeParam;
  // Uniform scores: the loss is known up to counting, so compare layouts and check the gradient's
  // sum: each frame has probability 1 to be in some class.
  const Index frames = 60;
  const Index classes = 7;
  Array<T> x(Shape{frames, 3, classes});
  std::mt19937 random(1);
  std::normal_distribution<double> normal(-2, 1);
  for (T& value : x) {
    value = static_cast<T>(normal(random));
  }
  Array<std::int64_t> y(Shape{3, 20});
  for (Index i = 0; i < y.size(); ++i) {
    y.data()[i] = 1 + i * 5 % 6;
  }
  const Array<std::int64_t> inputs{60, 55, 44};
  const Array<std::int64_t> targets{20, 17, 1};
  const Array<T> loss = ctc_loss(y, x, inputs, targets, ReductionMode::None);
  const Array<T> ones = Array<T>::ones(Shape{3});
  const Array<T> dx = ctc_loss_backward(ones, y, x, inputs, targets, ReductionMode::None);
  for (Index t = 0; t < frames; ++t) {
    for (Index n = 0; n < 3; ++n) {
      double sum = 0;
      for (Index c = 0; c < classes; ++c) {
        EXPECT_LE(dx(t, n, c), T{0});
        sum += static_cast<double>(dx(t, n, c));
      }
      EXPECT_NEAR(sum, t < inputs(n) ? -1 : 0, sizeof(T) == 4 ? 1e-6 : 1e-12);
    }
  }
  const Array<T> permuted = x.permute({2, 0, 1}).copy();
  const View<T> strided = permuted.permute({1, 2, 0});
  const Array<std::int64_t> y_transposed = y.t().copy();
  const int before = num_threads();
  for (const int threads : {1, 2, 3, 5}) {
    set_num_threads(threads);
    EXPECT_TRUE(ctc_loss(y_transposed.t(), strided, inputs, targets, ReductionMode::None) == loss);
    EXPECT_TRUE(ctc_loss_backward(ones, y_transposed.t(), strided, inputs, targets,
                                  ReductionMode::None) == dx);
  }
  set_num_threads(before);
}

TYPED_TEST(Ctc, TargetsThatCannotFit) {
  using T = TypeParam;
  Batch<T> b;
  b.inputs = Array<std::int64_t>{1, 2, 0, 0};  // too short, too short for 1 1, too short, fits
  const Array<T> each = ctc_loss(b.y, b.x, b.inputs, b.targets, ReductionMode::None);
  const T inf = static_cast<T>(kInf);
  EXPECT_TRUE(each == (Array<T>{inf, inf, inf, 0}));
  const CtcOptions zero{.zero_infinity = true};
  EXPECT_TRUE(ctc_loss(b.y, b.x, b.inputs, b.targets, ReductionMode::None, zero) ==
              Array<T>(Shape{4}));
  const Array<T> dy = Array<T>::scalar(1);
  const Array<T> dx = ctc_loss_backward(dy, b.y, b.x, b.inputs, b.targets);
  EXPECT_TRUE(std::isnan(dx(0, 0, 1)));
  EXPECT_EQ(dx(0, 3, 0), T{0});
  EXPECT_TRUE(ctc_loss_backward(dy, b.y, b.x, b.inputs, b.targets, ReductionMode::Mean, zero) ==
              Array<T>(Shape{5, 4, 3}));
}

TYPED_TEST(Ctc, NaNOfItsFramesOnly) {
  using T = TypeParam;
  Batch<T> b;
  b.x(4, 2, 2) = std::numeric_limits<T>::quiet_NaN();  // beyond the 3 frames of sample 2
  EXPECT_FALSE(std::isnan(ctc_loss(b.y, b.x, b.inputs, b.targets).item()));
  for (Index t = 0; t < 3; ++t) {
    Batch<T> c;
    c.x(t, 2, 2) = std::numeric_limits<T>::quiet_NaN();
    const Array<T> each = ctc_loss(c.y, c.x, c.inputs, c.targets, ReductionMode::None);
    EXPECT_TRUE(std::isnan(each(2))) << t;
    EXPECT_FALSE(std::isnan(each(0)));
  }
  // A frame in which the target's label is impossible.
  Batch<T> d;
  d.x(0, 2, 2) = static_cast<T>(-kInf);
  const Array<T> dx =
      ctc_loss_backward(Array<T>::scalar(1), d.y, d.x, d.inputs, d.targets, ReductionMode::Sum);
  EXPECT_EQ(dx(0, 2, 2), T{0});
  EXPECT_NEAR(static_cast<double>(dx(0, 2, 0)), -1, 1e-6);
}

TEST(CtcErrors, AreNamed) {
  Batch<float> b;
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
  const Array<std::int64_t> three{1, 1, 1};
  expect(shape, "ctc_loss: log_probs must have rank 3, got shape (4, 3)",
         [&] { (void)ctc_loss(b.y, b.x.row(0), b.inputs, b.targets); });
  expect(shape, "ctc_loss: y_true must have rank 2, got shape (3,)",
         [&] { (void)ctc_loss(three, b.x, b.inputs, b.targets); });
  expect(shape, "ctc_loss: y_true must have 4 rows for log_probs (5, 4, 3), got (3, 3)",
         [&] { (void)ctc_loss(b.y.slice(0, 3), b.x, b.inputs, b.targets); });
  expect(shape, "ctc_loss: input_lengths must have shape (4,), got (3,)",
         [&] { (void)ctc_loss(b.y, b.x, three, b.targets); });
  expect(shape, "ctc_loss: target_lengths must have shape (4,), got (3,)",
         [&] { (void)ctc_loss(b.y, b.x, b.inputs, three); });
  expect(ErrorKind::IndexOutOfBounds, "ctc_loss: blank 3 is out of range for 3 classes",
         [&] { (void)ctc_loss(b.y, b.x, b.inputs, b.targets, ReductionMode::Mean, {.blank = 3}); });
  expect(ErrorKind::InvalidOperation, "ctc_loss: input length 6 of sample 0 is not between 0 and 5",
         [&] {
           (void)ctc_loss(b.y, b.x, Array<std::int64_t>{6, 1, 1, 1}, b.targets);
         });
  expect(ErrorKind::InvalidOperation,
         "ctc_loss: target length 4 of sample 1 is not between 0 and 3", [&] {
           (void)ctc_loss(b.y, b.x, b.inputs, Array<std::int64_t>{1, 4, 1, 1});
         });
  b.y(1, 1) = 3;
  expect(ErrorKind::IndexOutOfBounds, "ctc_loss: label 3 at (1, 1) is out of range for 3 classes",
         [&] { (void)ctc_loss(b.y, b.x, b.inputs, b.targets); });
  b.y(1, 1) = 0;
  expect(ErrorKind::InvalidOperation, "ctc_loss: label 0 at (1, 1) is the blank",
         [&] { (void)ctc_loss(b.y, b.x, b.inputs, b.targets); });
}

}  // namespace
}  // namespace lamina::nn
