#include "lamina/nn/reduction.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/expect.hpp"
#include "support/layouts.hpp"
#include "support/numbers.hpp"
#include "support/reduction_reference.hpp"

namespace lamina::nn {
namespace {

using test::uniform_numbers;

/// Size of what is added up, to which the rounding errors are relative.
long double magnitude(Reduction kind, const std::vector<long double>& x) {
  const auto n = static_cast<long double>(x.size());
  switch (kind) {
    case Reduction::Sum:
      return test::reference_reduction(Reduction::NormL1, x, 0);
    case Reduction::Mean:
      return test::reference_reduction(Reduction::NormL1, x, 0) / n;
    case Reduction::Prod:
      return n * std::abs(test::reference_reduction(kind, x, 0));
    case Reduction::LogSumExp:
      return 2 + std::abs(test::reference_reduction(kind, x, 0));
    case Reduction::Max:
    case Reduction::Min:
    case Reduction::NormInf:
      return 0;
    default:
      return test::reference_reduction(kind, x, 0);
  }
}

/// Compares with the reference. `ulps` covers the additions within one lane of one block.
template <class T>
void expect_reduction(Reduction kind, const View<T>& x, const View<T>& y,
                      const ReduceOptions& options, long double ulps = 8) {
  const auto groups = test::reduction_groups(x.shape(), options.axes);
  const std::vector<T> flat = x.to_vector();
  const std::vector<T> got = y.to_vector();
  ASSERT_EQ(got.size(), groups.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    std::vector<long double> elements;
    for (const Index at : groups[i]) {
      elements.push_back(static_cast<long double>(flat[static_cast<std::size_t>(at)]));
    }
    const long double expected =
        test::reference_reduction(kind, elements, static_cast<long double>(options.ddof));
    const long double bound = ulps * static_cast<long double>(std::numeric_limits<T>::epsilon()) *
                              magnitude(kind, elements);
    ASSERT_LE(std::abs(static_cast<long double>(got[i]) - expected), bound)
        << to_string(kind) << " of " << x.shape() << " over " << options.axes << ", output " << i
        << ": got " << got[i] << ", expected " << expected;
  }
}

/// Which axes a bit mask names.
Axes axes_of(unsigned mask) {
  Axes axes;
  for (int i = 0; i < kMaxRank; ++i) {
    if ((mask >> i & 1) != 0) {
      axes.push_back(i);
    }
  }
  return axes;
}

template <class T>
class Reductions : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Reductions, Types);

TYPED_TEST(Reductions, GiveTheKnownValues) {
  using T = TypeParam;
  const Array<T> x{1, 2, 3, 4, 5};
  EXPECT_EQ(sum(x).item(), 15);
  EXPECT_EQ(mean(x).item(), 3);
  EXPECT_EQ(prod(x).item(), 120);
  EXPECT_EQ(var(x).item(), 2);
  EXPECT_EQ(var(x, {.ddof = 1}).item(), T(2.5));
  EXPECT_EQ(stddev(Array<T>{1, 3}).item(), 1);
  const Array<T> y{5, 2, 8, 1, 9};
  EXPECT_EQ(max(y).item(), 9);
  EXPECT_EQ(min(y).item(), 1);
  EXPECT_EQ(argmax(y).item(), 4);
  EXPECT_EQ(argmin(y).item(), 3);
  EXPECT_EQ(norm(Array<T>{3, -4}).item(), 5);
  EXPECT_EQ(norm(Array<T>{3, -4}, Norm::L1).item(), 7);
  EXPECT_EQ(norm(Array<T>{3, -4}, Norm::Inf).item(), 4);
  EXPECT_NEAR(logsumexp(Array<T>{1, 2, 3}).item(), 3.4076059644, 1e-6);
  EXPECT_EQ(sum(Array<T>::scalar(7)).item(), 7);
  EXPECT_EQ(sum(Array<T>{{1, 2}, {3, 4}}, {.axes = {0}}), (Array<T>{4, 6}));
  EXPECT_EQ(sum(Array<T>{{1, 2}, {3, 4}}, {.axes = {-1}}), (Array<T>{3, 7}));
  EXPECT_EQ(sum(Array<T>{{1, 2}, {3, 4}}, {.axes = {1}, .keepdims = true}), (Array<T>{{3}, {7}}));
  EXPECT_EQ(argmax(Array<T>{{1, 2}, {4, 3}}, {.axes = {0}}), (Array<std::int64_t>{1, 1}));
  EXPECT_EQ(argmax(Array<T>{{1, 2}, {4, 3}}), Array<std::int64_t>::scalar(2));
}

TYPED_TEST(Reductions, MatchTheOracleAtEveryLengthAndTarget) {
  using T = TypeParam;
  test::for_each_target([] {
    for (const Index n :
         {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 257, 520, 4095, 4097, 9000}) {
      const Array<T> rows = uniform_numbers<T>({3, n}, 1, 0.5, 1.5);
      const Array<T> columns = uniform_numbers<T>({n, 3}, 2, 0.5, 1.5);
      for (const ReductionInfo& member : kReductions) {
        if (member.kind == Reduction::Prod && n > 300) {
          continue;  // leaves the range
        }
        // One lane adds up to 4096 / 8 numbers on the narrowest target, 256 down a column.
        const long double ulps = 8 + static_cast<long double>(std::min<Index>(n, 600)) / 4;
        const ReduceOptions last{.axes = {1}};
        expect_reduction<T>(member.kind, rows, reduce(member.kind, rows, last), last, ulps);
        const ReduceOptions first{.axes = {0}};
        expect_reduction<T>(member.kind, columns, reduce(member.kind, columns, first), first, ulps);
        expect_reduction<T>(member.kind, rows, reduce(member.kind, rows), {}, ulps);
      }
    }
  });
}

TYPED_TEST(Reductions, TakeColumnsOfEveryWidth) {
  using T = TypeParam;
  test::for_each_target([] {
    for (const Index width : {1, 2, 7, 8, 9, 16, 17, 31, 63, 65, 511, 1023, 1024, 1025, 2060}) {
      const Array<T> x = uniform_numbers<T>({2, 11, width}, 3);
      for (const ReductionInfo& member : kReductions) {
        const ReduceOptions options{.axes = {1}};
        expect_reduction<T>(member.kind, x, reduce(member.kind, x, options), options, 16);
      }
      const ReduceOptions options{.axes = {1}};
      const auto at = argmax(x, options);
      const auto best = max(x, options);
      for (Index i = 0; i < 2; ++i) {
        for (Index j = 0; j < width; ++j) {
          ASSERT_EQ(x(i, at(i, j), j), best(i, j));
        }
      }
    }
  });
}

TYPED_TEST(Reductions, TakeEverySetOfAxesInEveryLayout) {
  using T = TypeParam;
  const Array<T> x = uniform_numbers<T>({3, 4, 2, 5}, 4);
  for (auto& from : test::layouts_of<T>(x, T(1e30))) {
    for (unsigned mask = 0; mask < 16; ++mask) {
      for (const bool keepdims : {false, true}) {
        const ReduceOptions options{.axes = axes_of(mask), .keepdims = keepdims, .ddof = 1};
        for (const ReductionInfo& member : kReductions) {
          if (mask == 4 && (member.kind == Reduction::Var || member.kind == Reduction::Stddev)) {
            continue;  // of two elements: no bound relative to the result
          }
          const Array<T> y = reduce<T>(member.kind, from.view, options);
          ASSERT_EQ(y.shape(), reduced_shape(x.shape(), options));
          expect_reduction<T>(member.kind, x, y, options, 64);
        }
      }
    }
  }
}

TYPED_TEST(Reductions, WriteToEveryLayout) {
  using T = TypeParam;
  const Array<T> x = uniform_numbers<T>({6, 7, 8}, 5);
  for (const Axes& axes : {Axes{0}, Axes{1}, Axes{2}}) {
    const Array<T> expected = sum(x, {.axes = axes});
    for (auto& to : test::empty_layouts<T>(expected.shape(), T(7))) {
      sum_into<T>(x, to.view, {.axes = axes});
      EXPECT_EQ(to.view, expected) << to.name;
      to.view.fill(T(7));
      EXPECT_EQ(to.storage, Array<T>::full(to.storage.shape(), T(7)));
    }
    const auto positions = argmin(x, {.axes = axes});
    for (auto& to : test::empty_layouts<std::int64_t>(expected.shape(), 7)) {
      argmin_into<T>(x, to.view, {.axes = axes});
      EXPECT_EQ(to.view, positions) << to.name;
    }
  }
}

TYPED_TEST(Reductions, TakeBroadcastInput) {
  using T = TypeParam;
  const Array<T> row = uniform_numbers<T>({5}, 6);
  const View<T> x = row.broadcast_to({3, 4, 5});
  for (unsigned mask = 0; mask < 8; ++mask) {
    const ReduceOptions options{.axes = axes_of(mask)};
    expect_reduction<T>(Reduction::Sum, x, sum(x, options), options);
    expect_reduction<T>(Reduction::Max, x, max(x, options), options);
  }
  const Array<T> two = Array<T>::scalar(2);
  EXPECT_EQ(sum(two.broadcast_to({100, 100})).item(), 20000);
}

TYPED_TEST(Reductions, FindTheFirstExtremeAlongEveryAxisOfEveryLayout) {
  using T = TypeParam;
  // Few different values, so that there are ties everywhere.
  const Array<T> x = Array<T>::from_shape_fn(
      {4, 3, 70}, [](Index i, Index j, Index k) { return (i * 31 + j * 17 + k * 7) % 5; });
  for (auto& from : test::layouts_of<T>(x)) {
    for (const Axes& axes : {Axes{}, Axes{0}, Axes{1}, Axes{2}}) {
      const auto groups = test::reduction_groups(x.shape(), axes);
      const auto most = argmax<T>(from.view, {.axes = axes});
      const auto least = argmin<T>(from.view, {.axes = axes});
      for (std::size_t i = 0; i < groups.size(); ++i) {
        std::vector<T> line;
        for (const Index at : groups[i]) {
          line.push_back(x.data()[at]);
        }
        ASSERT_EQ(most.data()[i], std::max_element(line.begin(), line.end()) - line.begin())
            << from.name << axes;
        ASSERT_EQ(least.data()[i], std::min_element(line.begin(), line.end()) - line.begin())
            << from.name << axes;
      }
    }
  }
  // Across the borders of blocks.
  Array<T> line = Array<T>::zeros({10000});
  for (const Index at : {0, 4095, 4096, 9999}) {
    line.fill(0);
    line(at) = 1;
    EXPECT_EQ(argmax(line).item(), at);
    EXPECT_EQ(argmax(line.reshape({10000, 1}), {.axes = {0}}).item(), at);
    EXPECT_EQ(argmin(line).item(), at == 0 ? 1 : 0);
  }
}

TYPED_TEST(Reductions, PropagateNaNFromEveryPosition) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  test::for_each_target([nan] {
    for (const Index n : {1, 2, 4, 7, 16, 19, 64, 67, 100}) {
      for (Index at = 0; at < n; ++at) {
        Array<T> x = Array<T>::ones({3, n});
        x(1, 0) = 5;
        x(1, at) = nan;
        const Array<T> turned = x.t().copy();
        for (const ReductionInfo& member : kReductions) {
          const Array<T> rows = reduce(member.kind, x, {.axes = {1}});
          const Array<T> columns = reduce(member.kind, turned, {.axes = {0}});
          for (const Array<T>* y : {&rows, &columns}) {
            ASSERT_FALSE(std::isnan((*y)(0))) << member.name;
            ASSERT_TRUE(std::isnan((*y)(1))) << member.name << " " << n << " " << at;
            ASSERT_FALSE(std::isnan((*y)(2))) << member.name;
          }
        }
        ASSERT_EQ(argmax(x, {.axes = {1}})(1), at);
        ASSERT_EQ(argmin(x, {.axes = {1}})(1), at);
        ASSERT_EQ(argmax(turned, {.axes = {0}})(1), at);
        ASSERT_EQ(argmin(turned, {.axes = {0}})(1), at);
      }
    }
    // Of two NaNs, the first.
    EXPECT_EQ(argmax(Array<T>{1, nan, 2, nan}).item(), 1);
    EXPECT_EQ(argmin(Array<T>{{1}, {nan}, {2}, {nan}}, {.axes = {0}}).item(), 1);
  });
  // The original's regression: a large value, then NaN, in a long vector.
  Array<T> x = Array<T>::ones({64});
  x(0) = 5;
  x(10) = nan;
  EXPECT_TRUE(std::isnan(max(x).item()));
  EXPECT_TRUE(std::isnan(min(x).item()));
}

TYPED_TEST(Reductions, JoinExtremesOfManyBlocks) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity();
  const T nan = std::numeric_limits<T>::quiet_NaN();
  // Blocks of 256 rows, and of 128 outputs when they are joined.
  const Index rows = 1100, columns = 133;
  Array<T> x = uniform_numbers<T>({rows, columns}, 8);
  for (Index c = 0; c < columns; ++c) {
    x(c * 8 % rows, c) = T(c % 2 == 0 ? 5 : -5);
    if (c % 7 == 3) {
      x(c * 11 % rows, c) = nan;
    } else if (c % 7 == 4) {
      x(c * 13 % rows, c) = c % 2 == 0 ? inf : -inf;
    }
  }
  const Array<T> greatest = max(x, {.axes = {0}});
  const Array<T> least = min(x, {.axes = {0}});
  for (Index c = 0; c < columns; ++c) {
    T high = x(0, c), low = x(0, c);
    bool has_nan = false;
    for (Index r = 0; r < rows; ++r) {
      has_nan = has_nan || std::isnan(x(r, c));
      high = std::max(high, x(r, c));
      low = std::min(low, x(r, c));
    }
    if (has_nan) {
      EXPECT_TRUE(std::isnan(greatest(c)) && std::isnan(least(c))) << c;
    } else {
      EXPECT_EQ(greatest(c), high) << c;
      EXPECT_EQ(least(c), low) << c;
    }
  }
}

TYPED_TEST(Reductions, TreatInfinitiesAsNumbers) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity();
  EXPECT_EQ(sum(Array<T>{1, inf}).item(), inf);
  EXPECT_TRUE(std::isnan(sum(Array<T>{-inf, inf}).item()));
  EXPECT_EQ(max(Array<T>{1, inf}).item(), inf);
  EXPECT_EQ(max(Array<T>{-inf, -inf}).item(), -inf);
  EXPECT_EQ(argmax(Array<T>{-inf, -inf}).item(), 0);
  EXPECT_EQ(min(Array<T>{1, -inf}).item(), -inf);
  EXPECT_EQ(norm(Array<T>{1, -inf}).item(), inf);
  EXPECT_EQ(norm(Array<T>{1, -inf}, Norm::Inf).item(), inf);
  EXPECT_EQ(logsumexp(Array<T>{1, inf}).item(), inf);
  EXPECT_EQ(logsumexp(Array<T>{-inf, -inf}).item(), -inf);
  EXPECT_EQ(logsumexp(Array<T>{-inf, 2}).item(), 2);
  Array<T> long_sum = Array<T>::ones({20000});
  long_sum(12345) = inf;
  EXPECT_EQ(sum(long_sum).item(), inf);
}

TYPED_TEST(Reductions, NormsAndLogSumExpStayInRange) {
  using T = TypeParam;
  const T huge = std::numeric_limits<T>::max() / 4;
  const T tiny = std::numeric_limits<T>::denorm_min() * 4;
  EXPECT_EQ(norm(Array<T>{huge, 0}).item(), huge);
  EXPECT_NEAR(norm(Array<T>{3 * (huge / 4), huge}).item() / huge, 1.25, 1e-6);
  EXPECT_EQ(norm(Array<T>{3 * tiny, 4 * tiny}).item(), 5 * tiny);
  EXPECT_EQ(norm(Array<T>{0, 0}).item(), 0);
  EXPECT_EQ(norm(Array<T>{{huge, 0}, {3, 4}}, Norm::L2, {.axes = {1}}), (Array<T>{huge, 5}));
  EXPECT_NEAR(logsumexp(Array<T>{10000, 10000}).item(), 10000.6931471806, 1e-3);
  EXPECT_NEAR(logsumexp(Array<T>{-10000, -10000}).item(), -9999.3068528194, 1e-3);
}

TYPED_TEST(Reductions, AddAccurately) {
  using T = TypeParam;
  const auto eps = static_cast<double>(std::numeric_limits<T>::epsilon());
  test::for_each_target([&] {
    const Index n = 1 << 20;
    const Array<T> x = Array<T>::full({n}, T(0.1));
    const double exact = static_cast<double>(T(0.1)) * static_cast<double>(n);
    EXPECT_NEAR(static_cast<double>(sum(x).item()) / exact, 1, 60 * eps);
    EXPECT_NEAR(static_cast<double>(sum(x.reshape({n, 1}), {.axes = {0}}).item()) / exact, 1,
                60 * eps);
    // Far from zero, where the square of the mean would swallow the variance.
    const Array<T> shifted = Array<T>::from_shape_fn(
        {5000}, [](Index i) { return T(sizeof(T) == 4 ? 1e4 : 1e7) + T(i % 2); });
    EXPECT_NEAR(static_cast<double>(var(shifted).item()), 0.25, 1e-5);
    EXPECT_EQ(var(Array<T>::full({7}, T(1234))).item(), 0);
    // A sum whose blocks cancel.
    Array<T> cancel = Array<T>::zeros({3 * 4096});
    cancel(0) = T(1e20);
    cancel(5000) = T(3);
    cancel(9000) = T(-1e20);
    EXPECT_EQ(sum(cancel).item(), 3);
  });
}

TYPED_TEST(Reductions, AreTheSameOnAnyNumberOfThreads) {
  using T = TypeParam;
  const Array<T> x = uniform_numbers<T>({70, 40, 90}, 7);
  for (const unsigned mask : {0U, 1U, 2U, 3U, 4U, 5U, 6U}) {
    for (const ReductionInfo& member : kReductions) {
      test::expect_same_on_any_number_of_threads(
          [&] { return reduce(member.kind, x, {.axes = axes_of(mask)}); });
    }
  }
  test::expect_same_on_any_number_of_threads([&] { return argmax(x); });
  test::expect_same_on_any_number_of_threads([&] { return argmin(x, {.axes = {1}}); });
}

TYPED_TEST(Reductions, OfSmallMatricesAreThoseOfTheirViews) {
  using T = TypeParam;
  // A row-major matrix goes to the kernel without a plan, part of a wider one does not.
  for (const Index rows : {1, 2, 7, 64, 256, 257}) {
    for (const Index width : {1, 3, 16, 65, 255}) {
      const Array<T> wide = uniform_numbers<T>({rows, width + 1}, 9);
      const View<T> part = wide.slice(1, {0, width});
      const Array<T> x = part.copy();
      for (const Reduction kind :
           {Reduction::Sum, Reduction::Mean, Reduction::Prod, Reduction::Max, Reduction::Min}) {
        for (const Index axis : {0, 1, -1, -2}) {
          for (const bool keepdims : {false, true}) {
            const ReduceOptions options{.axes = {axis}, .keepdims = keepdims};
            EXPECT_EQ(reduce(kind, x, options), reduce(kind, part, options))
                << info(kind).name << ' ' << x.shape() << " axis " << axis;
          }
        }
      }
    }
  }
}

TYPED_TEST(Reductions, OfNothing) {
  using T = TypeParam;
  const Array<T> none(Shape{0, 3});
  const ReduceOptions down{.axes = {0}};
  EXPECT_EQ(sum(none, down), (Array<T>{0, 0, 0}));
  EXPECT_EQ(prod(none, down), (Array<T>{1, 1, 1}));
  EXPECT_TRUE(std::isnan(mean(none).item()));
  EXPECT_TRUE(std::isnan(var(none).item()));
  EXPECT_EQ(norm(none).item(), 0);
  EXPECT_EQ(logsumexp(none).item(), -std::numeric_limits<T>::infinity());
  EXPECT_TRUE(std::isnan(var(Array<T>{3}, {.ddof = 1}).item()));
  for (const ReductionInfo& member : kReductions) {
    EXPECT_EQ(reduce(member.kind, none, {.axes = {1}}).shape(), (Shape{0})) << member.name;
    if (member.of_nothing_is_error) {
      test::expect_error(
          ErrorKind::InvalidOperation,
          std::string(member.name) + ": x (0, 3) has no elements along the reduced axes",
          [&] { (void)reduce(member.kind, none, down); });
    }
  }
  EXPECT_EQ(argmax(none, {.axes = {1}}).shape(), (Shape{0}));
  test::expect_error(ErrorKind::InvalidOperation,
                     "argmin: x (0, 3) has no elements along the reduced axes",
                     [&] { (void)argmin(none); });
}

TYPED_TEST(Reductions, RefuseWhatMakesNoSense) {
  using T = TypeParam;
  using test::expect_error;
  Array<T> x = uniform_numbers<T>({2, 3}, 8);
  Array<T> wrong(Shape{2}), three(Shape{3}), row(Shape{1, 3});
  expect_error(ErrorKind::InvalidOperation, "sum: x is not defined", [] { (void)sum(View<T>()); });
  expect_error(ErrorKind::IndexOutOfBounds, "mean: axis 2 is out of range for rank 2",
               [&] { (void)mean(x, {.axes = {2}}); });
  expect_error(ErrorKind::InvalidOperation, "max: axis 1 is named twice in (1, -1)", [&] {
    (void)max(x, {.axes = {1, -1}});
  });
  expect_error(ErrorKind::DimensionMismatch, "sum: out (2,) should be (3,)",
               [&] { sum_into(x, wrong, {.axes = {0}}); });
  expect_error(ErrorKind::DimensionMismatch, "sum: out (3,) should be (1, 3)",
               [&] { sum_into(x, three, {.axes = {0}, .keepdims = true}); });
  expect_error(ErrorKind::DimensionMismatch, "sum: out (1, 3) should be (3,)",
               [&] { sum_into(x, row, {.axes = {0}}); });
  expect_error(ErrorKind::InvalidOperation, "sum: out overlaps x", [&] {
    sum_into<T>(x, x.slice(0, {0, 1}), {.axes = {0}, .keepdims = true});
  });
  expect_error(ErrorKind::InvalidOperation,
               "argmax: takes one axis or all of them, got axes (0, 1)", [&] {
                 (void)argmax(x, {.axes = {0, 1}});
               });
  Array<std::int64_t> positions(Shape{3});
  expect_error(ErrorKind::DimensionMismatch, "argmin: out (3,) should be (2,)",
               [&] { argmin_into(x, positions, {.axes = {1}}); });
}

TEST(Any, AndAll) {
  const Array<bool> x{{true, false, false}, {true, true, false}};
  EXPECT_EQ(any(x), Array<bool>::scalar(true));
  EXPECT_EQ(all(x), Array<bool>::scalar(false));
  EXPECT_EQ(any(x, {.axes = {0}}), (Array<bool>{true, true, false}));
  EXPECT_EQ(all(x, {.axes = {0}}), (Array<bool>{true, false, false}));
  EXPECT_EQ(all(x.t(), {.axes = {0}, .keepdims = true}), (Array<bool>{{false, false}}));
  EXPECT_EQ(any(Array<bool>(Shape{0})), Array<bool>::scalar(false));
  EXPECT_EQ(all(Array<bool>(Shape{0})), Array<bool>::scalar(true));
}

}  // namespace
}  // namespace lamina::nn
