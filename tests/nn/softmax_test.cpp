#include "lamina/nn/softmax.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "support/expect.hpp"
#include "support/layouts.hpp"
#include "support/numbers.hpp"

namespace lamina::nn {
namespace {

using test::uniform_numbers;

enum class Which { Softmax, LogSoftmax, Softmin };
constexpr Which kAll[] = {Which::Softmax, Which::LogSoftmax, Which::Softmin};

template <class T>
Array<T> call(Which which, const View<T>& x, const SoftmaxOptions& options = {}) {
  switch (which) {
    case Which::Softmax:
      return softmax(x, options);
    case Which::LogSoftmax:
      return log_softmax(x, options);
    default:
      return softmin(x, options);
  }
}
template <class T>
void call_into(Which which, const View<T>& x, MutArg<T> out, const SoftmaxOptions& options = {}) {
  switch (which) {
    case Which::Softmax:
      return softmax_into(x, out, options);
    case Which::LogSoftmax:
      return log_softmax_into(x, out, options);
    default:
      return softmin_into(x, out, options);
  }
}
template <class T>
Array<T> call_backward(Which which, const View<T>& dy, ViewArg<T> y,
                       const SoftmaxOptions& options = {}) {
  switch (which) {
    case Which::Softmax:
      return softmax_backward(dy, y, options);
    case Which::LogSoftmax:
      return log_softmax_backward(dy, y, options);
    default:
      return softmin_backward(dy, y, options);
  }
}

using Line = std::vector<long double>;

Line reference_line(Which which, const Line& x, long double temperature) {
  const long double sign = which == Which::Softmin ? -1 : 1;
  Line z;
  long double max = -std::numeric_limits<long double>::infinity();
  for (const long double v : x) {
    z.push_back(sign * v / temperature);
    max = std::max(max, z.back());
  }
  long double sum = 0;
  for (const long double v : z) {
    sum += std::exp(v - max);
  }
  for (long double& v : z) {
    v = which == Which::LogSoftmax ? v - max - std::log(sum) : std::exp(v - max) / sum;
  }
  return z;
}

Line reference_backward_line(Which which, const Line& dy, const Line& y, long double temperature) {
  long double dot = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    dot += which == Which::LogSoftmax ? dy[i] : dy[i] * y[i];
  }
  Line dx;
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (which == Which::LogSoftmax) {
      dx.push_back((dy[i] - std::exp(y[i]) * dot) / temperature);
    } else {
      dx.push_back((which == Which::Softmin ? -1 : 1) * y[i] * (dy[i] - dot) / temperature);
    }
  }
  return dx;
}

/// visit(gather, scatter) for every line of `shape` along `axis`: the index of its elements.
void for_each_line(const Shape& shape, int axis,
                   const std::function<void(const std::vector<Index>&)>& visit) {
  const Strides strides = contiguous_strides(shape);
  for (Index flat = 0; flat < shape.size(); ++flat) {
    if (flat / strides[axis] % shape[axis] == 0) {
      std::vector<Index> line;
      for (Index i = 0; i < shape[axis]; ++i) {
        line.push_back(flat + i * strides[axis]);
      }
      visit(line);
    }
  }
}

template <class T>
Line values(const std::vector<T>& flat, const std::vector<Index>& line) {
  Line result;
  for (const Index i : line) {
    result.push_back(static_cast<long double>(flat[static_cast<std::size_t>(i)]));
  }
  return result;
}

/// exp and the sum cost a few ULP; the rounding of x - max is amplified by exp in proportion to
/// its size, which is below 12 for the numbers used here.
template <class T>
constexpr long double kTolerance = 16 * static_cast<long double>(std::numeric_limits<T>::epsilon());

template <class T>
void expect_forward(Which which, const View<T>& x, const View<T>& y,
                    const SoftmaxOptions& options) {
  ASSERT_EQ(x.shape(), y.shape());
  const std::vector<T> flat_x = x.to_vector();
  const std::vector<T> flat_y = y.to_vector();
  const int axis = normalize_axis(options.axis, x.rank(), "test");
  for_each_line(x.shape(), axis, [&](const std::vector<Index>& line) {
    const Line expected = reference_line(which, values(flat_x, line), options.temperature);
    const Line got = values(flat_y, line);
    for (std::size_t i = 0; i < line.size(); ++i) {
      // The logarithm turns a relative error of the sum into an absolute one.
      const long double size = std::abs(expected[i]) + (which == Which::LogSoftmax ? 1 : 0);
      ASSERT_LE(std::abs(got[i] - expected[i]), kTolerance<T> * size)
          << "element " << line[i] << " of " << x.shape() << ", axis " << axis;
    }
  });
}

template <class T>
void expect_backward(Which which, const View<T>& dy, const View<T>& y, const View<T>& dx,
                     const SoftmaxOptions& options) {
  ASSERT_EQ(dy.shape(), dx.shape());
  const std::vector<T> flat_dy = dy.to_vector();
  const std::vector<T> flat_y = y.to_vector();
  const std::vector<T> flat_dx = dx.to_vector();
  const int axis = normalize_axis(options.axis, dy.rank(), "test");
  for_each_line(dy.shape(), axis, [&](const std::vector<Index>& line) {
    const Line line_y = values(flat_y, line);
    const Line expected =
        reference_backward_line(which, values(flat_dy, line), line_y, options.temperature);
    const Line got = values(flat_dx, line);
    for (std::size_t i = 0; i < line.size(); ++i) {
      // dy - dot cancels: the error is relative to the terms, |dy| <= 2 and |dot| <= 2 (softmax) or
      // 2 n (log-softmax).
      const long double terms =
          which == Which::LogSoftmax
              ? 2 + 2 * static_cast<long double>(line.size()) * std::exp(line_y[i])
              : 4 * line_y[i];
      ASSERT_LE(std::abs(got[i] - expected[i]), kTolerance<T> * terms / options.temperature)
          << "element " << line[i] << " of " << dy.shape() << ", axis " << axis;
    }
  });
}

template <class T>
class Softmax : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Softmax, Types);

TYPED_TEST(Softmax, GivesTheKnownValues) {
  using T = TypeParam;
  const double tolerance = sizeof(T) == 4 ? 1e-7 : 1e-10;
  const auto expect_close = [&](const View<T>& got, ViewArg<T> expected) {
    EXPECT_TRUE(allclose(got, expected, tolerance * 4, 0)) << got << expected;
  };
  expect_close(softmax(Array<T>{1, 2, 3}),
               Array<T>{T(.0900305731704), T(.2447284710548), T(.6652409557748)});
  expect_close(softmax(Array<T>{0, 0, 1, 2}), Array<T>{T(.0825945394290), T(.0825945394290),
                                                       T(.2245152356861), T(.6102956854559)});
  expect_close(softmax(Array<T>{1000, 1001, 1002}), softmax(Array<T>{0, 1, 2}));
  expect_close(log_softmax(Array<T>{1, 2, 3}),
               Array<T>{T(-2.4076059644444), T(-1.4076059644444), T(-.4076059644444)});
  expect_close(softmin(Array<T>{-1, -2, -3}), softmax(Array<T>{1, 2, 3}));
  expect_close(softmax_2d(Array<T>{{1, 2}, {2, 3}}), softmax(Array<T>{{1, 2}, {1, 2}}));
  const Array<T> columns = softmax_2d(Array<T>{{1, 2}, {2, 3}}, 0);
  expect_close(columns.t(), softmax(Array<T>{{1, 2}, {1, 2}}));
  expect_close(log_softmax_2d(Array<T>{{1, 2}, {2, 3}}, 0),
               log_softmax(Array<T>{{1, 2}, {2, 3}}, {.axis = 0}));
  EXPECT_EQ(softmax(Array<T>{7}), Array<T>{1});
  EXPECT_EQ(log_softmax(Array<T>{7}), Array<T>{0});
}

TYPED_TEST(Softmax, MatchesTheOracleAtEveryLengthAndTarget) {
  using T = TypeParam;
  test::for_each_target([] {
    for (const Index n : {1,  2,  3,  4,  5,  7,  8,  9,   15,  16,  17,  31,
                          32, 33, 63, 64, 65, 81, 97, 100, 127, 128, 129, 4097}) {
      for (const int axis : {0, 1}) {
        const Shape shape = axis == 1 ? Shape{3, n} : Shape{n, 3};
        const Array<T> x = uniform_numbers<T>(shape, static_cast<std::uint64_t>(n), -6, 6);
        const Array<T> dy = uniform_numbers<T>(shape, 99);
        for (const Which which : kAll) {
          const SoftmaxOptions options{.axis = axis};
          const Array<T> y = call<T>(which, x, options);
          expect_forward<T>(which, x, y, options);
          expect_backward<T>(which, dy, y, call_backward<T>(which, dy, y, options), options);
        }
      }
    }
  });
}

TYPED_TEST(Softmax, TakesColumnsOfEveryWidth) {
  using T = TypeParam;
  test::for_each_target([] {
    for (const Index width : {1, 2, 3, 7, 8, 9, 16, 17, 33, 63, 64, 65, 130}) {
      const Array<T> x = uniform_numbers<T>({2, 5, width}, 3);
      for (const Which which : kAll) {
        const SoftmaxOptions options{.axis = 1, .temperature = 0.5};
        const Array<T> y = call<T>(which, x, options);
        expect_forward<T>(which, x, y, options);
        const Array<T> dy = uniform_numbers<T>(x.shape(), 4);
        expect_backward<T>(which, dy, y, call_backward<T>(which, dy, y, options), options);
      }
    }
  });
}

TYPED_TEST(Softmax, WorksAlongEveryAxisOfEveryLayout) {
  using T = TypeParam;
  const Array<T> x = uniform_numbers<T>({3, 4, 2, 5}, 5);
  const Array<T> dy = uniform_numbers<T>(x.shape(), 6);
  for (const Which which : kAll) {
    for (int axis = -4; axis < 4; ++axis) {
      const SoftmaxOptions options{.axis = axis, .temperature = 1.5};
      const Array<T> y = call<T>(which, x, options);
      const Array<T> dx = call_backward<T>(which, dy, y, options);
      expect_forward<T>(which, x, y, options);
      expect_backward<T>(which, dy, y, dx, options);
      for (auto& from : test::layouts_of<T>(x, T(1e30))) {
        for (auto& to : test::empty_layouts<T>(x.shape(), T(7))) {
          SCOPED_TRACE(from.name + " to " + to.name);
          call_into<T>(which, from.view, to.view, options);
          EXPECT_TRUE(allclose<T>(to.view, y, 1e-6, 0));
          // Nothing is written between the elements.
          to.view.fill(T(7));
          EXPECT_EQ(to.storage, Array<T>::full(to.storage.shape(), T(7)));
        }
        Array<T> gradient(x.shape());
        auto laid_out = test::layouts_of<T>(dy, T(1e30));
        EXPECT_TRUE(allclose<T>(call_backward<T>(which, laid_out.back().view,
                                                 test::layouts_of<T>(y).at(2).view, options),
                                dx, 1e-4, 1e-7));
        call_into<T>(which, from.view, from.view, options);  // in place
        EXPECT_TRUE(allclose<T>(from.view, y, 1e-6, 0)) << from.name;
      }
    }
  }
}

TYPED_TEST(Softmax, BackwardMayOverwriteEitherArgument) {
  using T = TypeParam;
  for (const int axis : {0, 1, 2}) {
    const Array<T> y = softmax(uniform_numbers<T>({4, 9, 5}, 7), {.axis = axis});
    const Array<T> dy = uniform_numbers<T>(y.shape(), 8);
    const Array<T> dx = softmax_backward(dy, y, {.axis = axis});
    Array<T> over_dy = dy;
    softmax_backward_into(over_dy, y, over_dy, {.axis = axis});
    EXPECT_EQ(over_dy, dx);
    Array<T> over_y = y;
    softmax_backward_into(dy, over_y, over_y, {.axis = axis});
    EXPECT_EQ(over_y, dx);
    // All three in another layout than row-major.
    auto strided_dy = test::layouts_of<T>(dy);
    auto strided_y = test::layouts_of<T>(y);
    for (std::size_t i = 0; i < strided_dy.size(); ++i) {
      softmax_backward_into<T>(strided_dy[i].view, strided_y[i].view, strided_dy[i].view,
                               {.axis = axis});
      EXPECT_TRUE(allclose<T>(strided_dy[i].view, dx, 1e-4, 1e-7)) << strided_dy[i].name;
    }
  }
}

TYPED_TEST(Softmax, TakesBroadcastInput) {
  using T = TypeParam;
  const Array<T> row = uniform_numbers<T>({6}, 9);
  const View<T> x = row.broadcast_to({4, 6});
  for (const int axis : {0, 1}) {
    EXPECT_EQ(softmax(x, {.axis = axis}), softmax(x.copy(), {.axis = axis}));
  }
}

TYPED_TEST(Softmax, SpoilsExactlyTheRowsThatHoldNaN) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  test::for_each_target([nan] {
    for (const Index n : {1, 2, 5, 16, 19, 37, 70}) {
      for (Index at = 0; at < n; ++at) {
        for (const Which which : kAll) {
          Array<T> x = uniform_numbers<T>({3, n}, 10);
          x(1, at) = nan;
          for (const bool columns : {false, true}) {
            // Columns: the transpose, the lines still being rows of y.
            const Array<T> across = call<T>(which, x.t().copy(), {.axis = 0});
            const Array<T> y = columns ? across.t().copy() : call<T>(which, x);
            for (Index i = 0; i < n; ++i) {
              ASSERT_FALSE(std::isnan(y(0, i)));
              ASSERT_TRUE(std::isnan(y(1, i))) << n << " " << at << " " << i;
              ASSERT_FALSE(std::isnan(y(2, i)));
            }
          }
        }
      }
    }
  });
}

TYPED_TEST(Softmax, TreatsInfinitiesAsLimits) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity();
  test::for_each_target([inf] {
    // -inf gets nothing, and changes nothing for the others.
    EXPECT_EQ(softmax(Array<T>{-inf, 3, -inf, 3}), (Array<T>{0, T(.5), 0, T(.5)}));
    EXPECT_EQ(log_softmax(Array<T>{-inf, 3}), (Array<T>{-inf, 0}));
    EXPECT_EQ(softmin(Array<T>{inf, 3}), (Array<T>{0, 1}));
    EXPECT_EQ(softmax(Array<T>{{-inf}, {3}}, {.axis = 0}), (Array<T>{{0}, {1}}));
    for (const Index n : {1, 3, 16, 40}) {
      Array<T> lowest = Array<T>::full({n}, -inf);
      Array<T> one_inf = uniform_numbers<T>({n}, 11);
      one_inf(n / 2) = inf;
      for (const View<T>& x : {View<T>(lowest), View<T>(one_inf)}) {
        for (const T y : softmax(x)) {
          EXPECT_TRUE(std::isnan(y));
        }
        for (const T y : log_softmax(x)) {
          EXPECT_TRUE(std::isnan(y));
        }
      }
    }
    // The extremes of the type do not overflow.
    const T huge = std::numeric_limits<T>::max();
    EXPECT_EQ(softmax(Array<T>{huge, -huge}), (Array<T>{1, 0}));
    EXPECT_EQ(log_softmax(Array<T>{huge, huge / 2}), (Array<T>{0, -huge / 2}));
    EXPECT_EQ(softmax(Array<T>{0, T(-0.0)}), (Array<T>{T(.5), T(.5)}));
  });
}

TYPED_TEST(Softmax, LogSoftmaxKeepsWhatSoftmaxLoses) {
  using T = TypeParam;
  const Array<T> y = log_softmax(Array<T>{0, 10000});
  EXPECT_EQ(y, (Array<T>{-10000, 0}));
  EXPECT_EQ(softmax(Array<T>{0, 10000}), (Array<T>{0, 1}));
}

TYPED_TEST(Softmax, SumsManyElementsAccurately) {
  using T = TypeParam;
  // Equal elements: a naive f32 sum of a million terms is off by far more.
  const Index n = 1 << 20;
  const Array<T> x = Array<T>::full({n}, T(0.3));
  test::for_each_target([&] {
    const Array<T> y = softmax(x);
    EXPECT_NEAR(y(0) * static_cast<double>(n), 1.0, 4 * std::numeric_limits<T>::epsilon());
    const Array<T> columns = softmax(x.reshape({n, 1}), {.axis = 0});
    EXPECT_NEAR(columns(0, 0) * static_cast<double>(n), 1.0, 4 * std::numeric_limits<T>::epsilon());
  });
}

TYPED_TEST(Softmax, IsTheSameOnAnyNumberOfThreads) {
  using T = TypeParam;
  const Array<T> x = uniform_numbers<T>({130, 7, 150}, 12);
  const Array<T> dy = uniform_numbers<T>(x.shape(), 13);
  for (const int axis : {0, 1, 2}) {
    for (const Which which : kAll) {
      const SoftmaxOptions options{.axis = axis};
      const Array<T> y = call<T>(which, x, options);
      test::expect_same_on_any_number_of_threads([&] { return call<T>(which, x, options); });
      test::expect_same_on_any_number_of_threads(
          [&] { return call_backward<T>(which, dy, y, options); });
    }
  }
}

TYPED_TEST(Softmax, CutsLongRows) {
  using T = TypeParam;
  const Index n = (Index{1} << 18) + 77;
  Array<T> x = uniform_numbers<T>({2, n}, 21);
  const Array<T> dy = uniform_numbers<T>({2, n}, 22);
  for (const Which which : kAll) {
    const SoftmaxOptions options{.axis = 1, .temperature = 1.5};
    test::expect_same_on_any_number_of_threads([&] { return call<T>(which, x, options); });
    test::expect_same_on_any_number_of_threads(
        [&] { return call_backward<T>(which, dy, call<T>(which, x, options), options); });
  }
  const Array<T> y = softmax(x), log_y = log_softmax(x);
  const Array<T> dx = softmax_backward(dy, y), log_dx = log_softmax_backward(dy, log_y);
  for (Index row = 0; row < 2; ++row) {
    long double dot = 0;
    long double sum = 0;
    for (Index i = 0; i < n; ++i) {
      dot += static_cast<long double>(dy(row, i)) * static_cast<long double>(y(row, i));
      sum += static_cast<long double>(dy(row, i));
    }
    const T bound = 32 * std::numeric_limits<T>::epsilon();
    for (Index i = 0; i < n; ++i) {
      const auto g = static_cast<long double>(dy(row, i));
      const auto p = static_cast<long double>(y(row, i));
      ASSERT_NEAR(dx(row, i), static_cast<T>(p * (g - dot)), bound * y(row, i)) << i;
      const long double q = std::exp(static_cast<long double>(log_y(row, i)));
      ASSERT_NEAR(log_dx(row, i), static_cast<T>(g - q * sum), bound) << i;
    }
  }
  for (Index row = 0; row < 2; ++row) {
    long double sum = 0;
    for (Index i = 0; i < n; ++i) {
      sum += std::exp(static_cast<long double>(x(row, i)));
    }
    const long double log_sum = std::log(sum);
    const T bound = 32 * std::numeric_limits<T>::epsilon();
    for (Index i = 0; i < n; ++i) {
      const long double wanted = static_cast<long double>(x(row, i)) - log_sum;
      ASSERT_NEAR(log_y(row, i), static_cast<T>(wanted), bound) << i;
      const T probability = static_cast<T>(std::exp(wanted));
      ASSERT_NEAR(y(row, i), probability, bound * probability) << i;
    }
  }
  x(0, n - 1) = std::numeric_limits<T>::quiet_NaN();
  x(1, 5) = -std::numeric_limits<T>::infinity();
  const Array<T> z = softmax(x);
  EXPECT_TRUE(std::isnan(z(0, 0)) && std::isnan(z(0, n - 1)));
  EXPECT_TRUE(z(1, 5) == 0 && z(1, 0) > 0);
}

/// Blocks that hold nothing, or numbers of quite another size than their neighbors.
TYPED_TEST(Softmax, JoinsUnlikeBlocksOfLongRows) {
  using T = TypeParam;
  constexpr T kInf = std::numeric_limits<T>::infinity();
  constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
  const Index n = (Index{1} << 18) + 4099;
  Array<T> x = uniform_numbers<T>({n}, 31, -6, 6);
  for (Index i = 0; i < n; ++i) {
    if (i < 40000 || i >= n - 3) {
      x(i) = -kInf;
    } else if (i >= 70000 && i < 100000) {
      x(i) += T(i % 2 == 0 ? 20 : -80);  // some of the others' results are denormal, or 0
    } else if (i >= 150000 && i < 160000) {
      x(i) -= T(sizeof(T) == 4 ? 85 : 700);
    } else if (i >= 200000 && i < 210000) {
      x(i) = std::numeric_limits<T>::lowest();
    }
  }
  test::for_each_target([&] {
    for (const Which which : {Which::Softmax, Which::LogSoftmax, Which::Softmin}) {
      for (const double temperature : {1.0, 0.75}) {
        Array<T> line = x;
        for (T& v : line) {
          v = which == Which::Softmin ? -v : v;
        }
        const SoftmaxOptions options{.temperature = temperature};
        const Array<T> y = call<T>(which, line, options);
        const std::vector<T> numbers = line.to_vector();
        const Line expected =
            reference_line(which, Line(numbers.begin(), numbers.end()), temperature);
        for (Index i = 0; i < n; ++i) {
          const long double wanted = expected[static_cast<std::size_t>(i)];
          const auto got = static_cast<long double>(y(i));
          const long double size = std::abs(wanted);
          if (static_cast<T>(wanted) == -kInf) {
            ASSERT_EQ(y(i), -kInf) << i;
            continue;
          }
          // What rounding x - max costs is in proportion to it.
          const long double bound = which == Which::LogSoftmax
                                        ? 8 * (size + 1)
                                        : (8 - (size > 0 ? std::log(size) : 0)) * size;
          ASSERT_LE(std::abs(got - wanted),
                    bound * static_cast<long double>(std::numeric_limits<T>::epsilon()) +
                        2 * static_cast<long double>(std::numeric_limits<T>::denorm_min()))
              << "element " << i << ": " << y(i) << ", temperature " << temperature;
        }
        Array<T> in_place = line;
        call_into<T>(which, in_place, in_place, options);
        ASSERT_EQ(in_place, y);
      }
    }
    for (const T spoiler : {kNan, kInf}) {
      for (const Index at : {Index{0}, Index{39000}, Index{131071}, n - 1}) {
        Array<T> spoiled = x;
        spoiled(at) = spoiler;
        for (const Which which : {Which::Softmax, Which::LogSoftmax}) {
          const Array<T> y = call<T>(which, spoiled);
          for (Index i = 0; i < n; ++i) {
            ASSERT_TRUE(std::isnan(y(i))) << spoiler << " at " << at << ", element " << i;
          }
        }
      }
    }
    const Array<T> nothing = Array<T>::full({n}, -kInf);
    for (const Which which : {Which::Softmax, Which::LogSoftmax}) {
      for (const T v : call<T>(which, nothing)) {
        ASSERT_TRUE(std::isnan(v));
      }
    }
  });
  // An offset that is exact changes no bit.
  Array<T> whole(Shape{n});
  for (Index i = 0; i < n; ++i) {
    whole(i) = T(i % 37);
  }
  Array<T> offset = whole;
  for (T& v : offset) {
    v += T(4096);
  }
  EXPECT_EQ(softmax(whole), softmax(offset));
  EXPECT_EQ(log_softmax(whole), log_softmax(offset));
}

TYPED_TEST(Softmax, TakesZeroRows) {
  using T = TypeParam;
  EXPECT_EQ(softmax(Array<T>(Shape{0, 3})).shape(), (Shape{0, 3}));
  EXPECT_EQ(log_softmax(Array<T>(Shape{3, 0}), {.axis = 0}).shape(), (Shape{3, 0}));
  const Array<T> none(Shape{2, 0, 3});
  EXPECT_EQ(softmax_backward(none, none, {.axis = 2}).shape(), none.shape());
}

TYPED_TEST(Softmax, RefusesWhatMakesNoSense) {
  using T = TypeParam;
  using test::expect_error;
  constexpr auto kDimension = ErrorKind::DimensionMismatch;
  constexpr auto kOperation = ErrorKind::InvalidOperation;
  Array<T> x = uniform_numbers<T>({2, 3}, 14);
  Array<T> small(Shape{2, 2});
  expect_error(kOperation, "softmax: x is not defined", [] { (void)softmax(View<T>()); });
  expect_error(ErrorKind::IndexOutOfBounds, "softmax: axis 2 is out of range for rank 2",
               [&] { (void)softmax(x, {.axis = 2}); });
  expect_error(ErrorKind::IndexOutOfBounds, "log_softmax: axis -1 is out of range for rank 0",
               [&] { (void)log_softmax(Array<T>::scalar(1)); });
  expect_error(kDimension, "softmax: axis 1 of x (5, 0) is empty", [&] {
    (void)softmax(Array<T>(Shape{5, 0}));
  });
  expect_error(kDimension, "log_softmax: axis 0 of x (0,) is empty",
               [&] { (void)log_softmax(Array<T>()); });
  for (const double temperature : {0.0, -1.0, 1e-320}) {
    EXPECT_THROW((void)softmax(x, {.temperature = temperature}), Error);
  }
  expect_error(kOperation, "softmin: temperature must be positive and finite, got inf",
               [&] { (void)softmin(x, {.temperature = std::numeric_limits<double>::infinity()}); });
  expect_error(kOperation, "softmin: temperature must be positive and finite, got nan", [&] {
    (void)softmin(x, {.temperature = std::numeric_limits<double>::quiet_NaN()});
  });
  expect_error(kDimension, "softmax: out (2, 2) does not have the shape of x (2, 3)",
               [&] { softmax_into(x, small); });
  Array<T> line = uniform_numbers<T>({9}, 15);
  const Array<T> before = line;
  expect_error(kOperation, "softmax: out overlaps x in part",
               [&] { softmax_into<T>(line.slice(0, 8), line.slice(1, 9)); });
  EXPECT_EQ(line, before);
  expect_error(kDimension, "softmax_2d: x must have rank 2, got shape (9,)",
               [&] { (void)softmax_2d(line); });
  expect_error(kDimension, "log_softmax_2d: x must have rank 2, got shape (9,)",
               [&] { (void)log_softmax_2d(line); });
  expect_error(kDimension, "softmax_backward: y (2, 2) does not have the shape of dy (2, 3)",
               [&] { (void)softmax_backward(x, small); });
  expect_error(kDimension, "log_softmax_backward: dx (2, 2) does not have the shape of dy (2, 3)",
               [&] { log_softmax_backward_into(x, x, small); });
  expect_error(kOperation, "softmin_backward: dx overlaps y in part", [&] {
    softmin_backward_into<T>(Array<T>(Shape{8}), line.slice(0, 8), line.slice(1, 9));
  });
}

/// The gradient of sum(w * f(x)) beside central differences.
TEST(SoftmaxGradient, AgreesWithDifferences) {
  const Array<double> w = uniform_numbers<double>({2, 5, 3}, 16);
  for (const Which which : kAll) {
    for (const int axis : {0, 1, 2}) {
      for (const double temperature : {1.0, 0.7}) {
        const SoftmaxOptions options{.axis = axis, .temperature = temperature};
        Array<double> x = uniform_numbers<double>(w.shape(), 17);
        const Array<double> dx =
            call_backward<double>(which, w, call<double>(which, x, options), options);
        const auto loss = [&] {
          const Array<double> y = call<double>(which, x, options);
          double sum = 0;
          for (Index i = 0; i < y.size(); ++i) {
            sum += w.data()[i] * y.data()[i];
          }
          return sum;
        };
        for (Index i = 0; i < x.size(); ++i) {
          const double kept = x.data()[i];
          const double h = 1e-5;
          x.data()[i] = kept + h;
          const double up = loss();
          x.data()[i] = kept - h;
          const double down = loss();
          x.data()[i] = kept;
          EXPECT_NEAR(dx.data()[i], (up - down) / (2 * h), 1e-8);
        }
      }
    }
  }
}

}  // namespace
}  // namespace lamina::nn
