#include "lamina/nn/embedding.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "lamina/nn/positional_encoding.hpp"
#include "support/expect.hpp"
#include "support/layouts.hpp"
#include "support/values.hpp"

namespace lamina::nn {
namespace {

using lamina::testing::values;
using test::expect_error;
using Indices = Array<std::int64_t>;

template <class T>
class EmbeddingTest : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(EmbeddingTest, Types);

TYPED_TEST(EmbeddingTest, GathersRowsOfAnyTable) {
  using T = TypeParam;
  const Indices indices{{4, 0, 4}, {2, 6, 1}};
  for (const Index features : {0, 1, 3, 16, 65}) {
    const auto table = values<T>({7, features}, 1);
    for (auto& from : test::layouts_of<T>(table)) {
      for (auto& to : test::empty_layouts<T>({2, 3, features}, T(9))) {
        embedding_into<T>(indices, from.view, to.view);
        for (Index i = 0; i < 6; ++i) {
          for (Index e = 0; e < features; ++e) {
            ASSERT_EQ(to.view(i / 3, i % 3, e), table(indices.data()[i], e)) << from.name;
          }
        }
      }
    }
  }
  const auto table = values<T>({7, 5}, 1);
  EXPECT_EQ(embedding(Indices::scalar(3), table).to_vector(), table.row(3).to_vector());
  EXPECT_EQ(embedding(Indices::empty({0}), table).shape(), (Shape{0, 5}));
  const std::vector<std::int64_t> list{1, 6};
  EXPECT_EQ(embedding(list, table).shape(), (Shape{2, 5}));
  // The padding index is read like any other.
  EXPECT_EQ(embedding(list, table, {.padding_index = -1}).to_vector(),
            embedding(list, table).to_vector());
  for (auto& laid_out : test::layouts_of<std::int64_t>(indices)) {
    EXPECT_EQ(embedding(laid_out.view, table).to_vector(), embedding(indices, table).to_vector());
  }
}

TYPED_TEST(EmbeddingTest, GradientAddsDuplicatesInOrder) {
  using T = TypeParam;
  const Indices indices{{4, 0, 4}, {2, 4, 0}};
  test::for_each_target([&] {
    for (const Index features : {0, 1, 7, 16, 150}) {
      const auto dy = values<T>({2, 3, features}, 1);
      const auto dtable = embedding_backward(dy, indices, 6);
      const auto padded = embedding_backward(dy, indices, 6, {.padding_index = -2});
      for (Index row = 0; row < 6; ++row) {
        for (Index e = 0; e < features; ++e) {
          T sum = 0;
          for (Index i = 0; i < 6; ++i) {
            if (indices.data()[i] == row) {
              sum += dy(i / 3, i % 3, e);
            }
          }
          ASSERT_EQ(dtable(row, e), sum);
          ASSERT_EQ(padded(row, e), row == 4 ? T(0) : sum);
        }
      }
      for (auto& laid_out : test::layouts_of<T>(dy)) {
        ASSERT_EQ(embedding_backward(laid_out.view, indices, 6).to_vector(), dtable.to_vector());
      }
    }
  });
  const auto none = embedding_backward(Array<T>::empty({0, 3}), Indices::empty({0}), 2);
  EXPECT_EQ(none.to_vector(), std::vector<T>(6, T(0)));
}

TYPED_TEST(EmbeddingTest, SameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  Indices indices = Indices::empty({5000});
  for (Index i = 0; i < 5000; ++i) {
    indices(i) = i * i % 997;
  }
  const auto dy = values<T>({5000, 70}, 1);
  const auto table = values<T>({997, 70}, 2);
  Indices offsets = Indices::empty({500});
  for (Index b = 0; b < 500; ++b) {
    offsets(b) = b * 10;
  }
  test::expect_same_on_any_number_of_threads([&] { return embedding(indices, table); });
  test::expect_same_on_any_number_of_threads([&] { return embedding_backward(dy, indices, 997); });
  for (const BagMode mode : {BagMode::Sum, BagMode::Mean, BagMode::Max}) {
    test::expect_same_on_any_number_of_threads(
        [&] { return embedding_bag(indices, table, mode, {.offsets = offsets}); });
    test::expect_same_on_any_number_of_threads([&] {
      return embedding_bag_backward<T>(dy.slice(0, 500), indices, table, mode,
                                       {.offsets = offsets});
    });
  }
}

/// A bag by its definition.
template <class T>
std::vector<long double> bag_reference(const std::vector<std::int64_t>& rows, const Array<T>& table,
                                       BagMode mode, const std::vector<T>& weights = {}) {
  std::vector<long double> result(static_cast<std::size_t>(table.cols()), 0);
  for (std::size_t e = 0; e < result.size(); ++e) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const long double x = table(rows[i], static_cast<Index>(e));
      if (mode == BagMode::Max) {
        result[e] = i == 0 ? x : std::max(result[e], x);
      } else {
        result[e] += weights.empty() ? x : x * static_cast<long double>(weights[i]);
      }
    }
    if (mode == BagMode::Mean && !rows.empty()) {
      result[e] /= static_cast<long double>(rows.size());
    }
  }
  return result;
}

TYPED_TEST(EmbeddingTest, BagsOfEveryModeAndForm) {
  using T = TypeParam;
  // A few additions of numbers below 2.
  const double tolerance = 32 * static_cast<double>(std::numeric_limits<T>::epsilon());
  const Indices indices{5, 2, 2, 0, 6, 1, 5};
  const Indices offsets{0, 3, 3, 4};
  const std::vector<std::vector<std::int64_t>> bags{{5, 2, 2}, {}, {0}, {6, 1, 5}};
  const std::vector<std::vector<std::int64_t>> unpadded{{2, 2}, {}, {0}, {6, 1}};
  test::for_each_target([&] {
    for (const Index features : {0, 1, 9, 16, 140}) {
      const auto table = values<T>({7, features}, 3);
      for (const BagMode mode : {BagMode::Sum, BagMode::Mean, BagMode::Max}) {
        for (auto& from : test::layouts_of<T>(table)) {
          const auto out = embedding_bag(indices, from.view, mode, {.offsets = offsets});
          const auto padded = embedding_bag(indices, from.view, to_string(mode),
                                            {.offsets = offsets, .padding_index = 5});
          ASSERT_EQ(out.shape(), (Shape{4, features}));
          for (Index b = 0; b < 4; ++b) {
            const auto expected = bag_reference(bags[static_cast<std::size_t>(b)], table, mode);
            const auto without = bag_reference(unpadded[static_cast<std::size_t>(b)], table, mode);
            for (Index e = 0; e < features; ++e) {
              const auto at = static_cast<std::size_t>(e);
              ASSERT_NEAR(out(b, e), static_cast<double>(expected[at]), tolerance);
              ASSERT_NEAR(padded(b, e), static_cast<double>(without[at]), tolerance);
            }
          }
        }
        const auto one = embedding_bag(indices, table, mode);
        ASSERT_EQ(one.shape(), (Shape{features}));
        const auto all = bag_reference(indices.to_vector(), table, mode);
        const auto rows = embedding_bag(Indices{{5, 2}, {0, 6}}, table, mode);
        const auto second = bag_reference<T>({0, 6}, table, mode);
        for (Index e = 0; e < features; ++e) {
          const auto at = static_cast<std::size_t>(e);
          ASSERT_NEAR(one(e), static_cast<double>(all[at]), tolerance);
          ASSERT_NEAR(rows(1, e), static_cast<double>(second[at]), tolerance);
        }
      }
      const Array<T> weights{1, -2, 0.5, 3, 0.25, -1, 2};
      const auto weighted =
          embedding_bag(indices, table, "sum", {.offsets = offsets, .weights = weights});
      const auto expected = bag_reference<T>({6, 1, 5}, table, BagMode::Sum, {0.25, -1, 2});
      for (Index e = 0; e < features; ++e) {
        ASSERT_NEAR(weighted(3, e), static_cast<double>(expected[static_cast<std::size_t>(e)]),
                    tolerance);
      }
    }
  });
}

TYPED_TEST(EmbeddingTest, MaxOfABagKeepsNaNAtEveryPlace) {
  using T = TypeParam;
  test::for_each_target([&] {
    for (Index row = 0; row < 3; ++row) {
      for (Index column = 0; column < 37; ++column) {
        auto table = values<T>({3, 37}, 1);
        table(row, column) = std::numeric_limits<T>::quiet_NaN();
        const auto out = embedding_bag(Indices{0, 1, 2}, table, "max");
        for (Index e = 0; e < 37; ++e) {
          ASSERT_EQ(std::isnan(out(e)), e == column);
        }
      }
    }
  });
}

/// d(sum of dy * f)/dx by central differences; f is linear or piecewise linear here.
template <class F>
void expect_gradient(const Array<double>& got, const Array<double>& x, const Array<double>& dy,
                     const F& f) {
  for (Index i = 0; i < x.size(); ++i) {
    const auto at = [&](double step) {
      Array<double> moved = x;
      moved.data()[i] += step;
      const Array<double> y = f(moved);
      double sum = 0;
      for (Index j = 0; j < y.size(); ++j) {
        sum += y.data()[j] * dy.data()[j];
      }
      return sum;
    };
    ASSERT_NEAR(got.data()[i], (at(1e-3) - at(-1e-3)) / 2e-3, 1e-9) << i;
  }
}

TEST(EmbeddingBagGradient, AgreesWithDifferences) {
  const Indices indices{5, 2, 2, 0, 6, 1, 5};
  const Indices offsets{0, 3, 3, 4};
  const auto table = values<double>({7, 5}, 1);
  const auto dy = values<double>({4, 5}, 2);
  const Array<double> weights{1, -2, 0.5, 3, 0.25, -1, 2};
  for (const std::optional<Index> padding : {std::optional<Index>(), std::optional<Index>(5)}) {
    for (const BagMode mode : {BagMode::Sum, BagMode::Mean, BagMode::Max}) {
      const EmbeddingBagOptions<double> options{.offsets = offsets, .padding_index = padding};
      expect_gradient(
          embedding_bag_backward(dy, indices, table, mode, options), table, dy,
          [&](const Array<double>& t) { return embedding_bag(indices, t, mode, options); });
    }
    EmbeddingBagOptions<double> options{
        .offsets = offsets, .weights = weights, .padding_index = padding};
    expect_gradient(
        embedding_bag_backward(dy, indices, table, BagMode::Sum, options), table, dy,
        [&](const Array<double>& t) { return embedding_bag(indices, t, BagMode::Sum, options); });
    expect_gradient(embedding_bag_backward_weights(dy, indices, table, options), weights, dy,
                    [&](const Array<double>& w) {
                      options.weights = w;
                      return embedding_bag(indices, table, BagMode::Sum, options);
                    });
    options.weights = weights;
  }
  // The guide's form.
  const auto one = values<double>({5}, 3);
  expect_gradient(embedding_bag_backward(one, indices, table, BagMode::Mean), table, one,
                  [&](const Array<double>& t) { return embedding_bag(indices, t, "mean"); });
}

TEST(EmbeddingBagGradient, OfMaxGoesToTheFirstGreatestOrNaN) {
  Array<double> table{{1, 5}, {3, 5}, {3, 2}};
  const Array<double> dy{10, 20};
  EXPECT_EQ(embedding_bag_backward(dy, Indices{0, 1, 2}, table, BagMode::Max).to_vector(),
            (std::vector<double>{0, 20, 10, 0, 0, 0}));
  table(2, 0) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(embedding_bag_backward(dy, Indices{0, 1, 2}, table, BagMode::Max).to_vector(),
            (std::vector<double>{0, 20, 0, 0, 10, 0}));
}

TEST(EmbeddingErrors, NamePositionAndValue) {
  const auto bounds = ErrorKind::IndexOutOfBounds;
  const auto io = ErrorKind::InvalidOperation;
  const auto dm = ErrorKind::DimensionMismatch;
  const auto table = Array<float>::ones({3, 2});
  Array<float> out = Array<float>::full({2, 2, 2}, 7.0F);
  expect_error(bounds,
               "embedding: index 3 at position (1, 0) is out of bounds for a table of 3 rows", [&] {
                 embedding_into<float>(Indices{{0, 1}, {3, 0}}, table, out);
               });
  EXPECT_EQ(out.to_vector(), std::vector<float>(8, 7.0F));  // nothing written
  expect_error(bounds,
               "embedding: index -1 at position (1,) is out of bounds for a table of 3 rows", [&] {
                 static_cast<void>(embedding(Indices{0, -1}, table));
               });
  expect_error(bounds, "embedding: padding index 3 is out of bounds for a table of 3 rows",
               [&] { static_cast<void>(embedding(Indices{0}, table, {.padding_index = 3})); });
  expect_error(dm, "embedding: table must be a matrix (rows, features), got shape (2,)",
               [&] { static_cast<void>(embedding(Indices{0}, table.row(0))); });
  expect_error(dm, "embedding: indices is not defined",
               [&] { static_cast<void>(embedding(View<std::int64_t>(), table)); });
  expect_error(dm, "embedding: out has shape (2, 2, 2), expected (1, 2)",
               [&] { embedding_into<float>(Indices{0}, table, out); });
  Array<float> both = Array<float>::ones({4, 2});
  expect_error(io, "embedding: out overlaps table",
               [&] { embedding_into<float>(Indices{0}, both, both.slice(0, 1)); });
  const auto backward = [&](const Shape& dy, Index rows) {
    return [=] {
      static_cast<void>(embedding_backward(Array<float>::ones(dy), Indices{0, 5}, rows));
    };
  };
  expect_error(
      bounds, "embedding_backward: index 5 at position (1,) is out of bounds for a table of 4 rows",
      backward({2, 3}, 4));
  expect_error(dm, "embedding_backward: dy has shape (3, 3), expected (2, 3)", backward({3, 3}, 9));
  expect_error(dm,
               "embedding_backward: dy has shape (2,), expected that of the indices (2,) and one "
               "axis more",
               backward({2}, 9));
  expect_error(io, "embedding_backward: rows must not be negative, got -1", backward({2, 3}, -1));
}

TEST(EmbeddingErrors, OfBags) {
  const auto io = ErrorKind::InvalidOperation;
  const auto dm = ErrorKind::DimensionMismatch;
  const auto table = Array<float>::ones({3, 2});
  const auto bag = [&](const View<std::int64_t>& indices, std::string_view mode = "sum",
                       const EmbeddingBagOptions<float>& options = {}) {
    static_cast<void>(embedding_bag(indices, table, mode, options));
  };
  const Indices list{0, 1, 2};
  expect_error(io, "embedding_bag: the bag is empty", [&] { bag(Indices::empty({0})); });
  expect_error(io, "embedding_bag: mode must be sum, mean or max, got avg",
               [&] { bag(list, "avg"); });
  expect_error(ErrorKind::IndexOutOfBounds,
               "embedding_bag: index 3 at position (1,) is out of bounds for a table of 3 rows",
               [&] {
                 bag(Indices{0, 3});
               });
  const Indices late{1, 2};
  expect_error(io,
               "embedding_bag: offsets must ascend from 0 to at most 3, the number of indices; "
               "offset 0 is 1",
               [&] { bag(list, "sum", {.offsets = late}); });
  const Indices descending{0, 2, 1};
  expect_error(io,
               "embedding_bag: offsets must ascend from 0 to at most 3, the number of indices; "
               "offset 2 is 1",
               [&] { bag(list, "sum", {.offsets = descending}); });
  const Indices none = Indices::empty({0});
  expect_error(io, "embedding_bag: no bags for 3 indices",
               [&] { bag(list, "sum", {.offsets = none}); });
  const Indices zero{0};
  expect_error(io, "embedding_bag: offsets are for indices of one axis, got shape (1, 2)", [&] {
    bag(Indices{{0, 1}}, "sum", {.offsets = zero});
  });
  expect_error(dm, "embedding_bag: indices must have 1 or 2 axes, got shape ()",
               [&] { bag(Indices::scalar(0)); });
  const auto weights = Array<float>::ones({2});
  expect_error(dm, "embedding_bag: weights have shape (2,), indices have shape (3,)",
               [&] { bag(list, "sum", {.weights = weights}); });
  const auto three = Array<float>::ones({3});
  expect_error(io, "embedding_bag: weights are for mode sum, not max",
               [&] { bag(list, "max", {.weights = three}); });
  expect_error(dm, "embedding_bag_backward: dy has shape (3,), expected (2,)",
               [&] { static_cast<void>(embedding_bag_backward(three, list, table)); });
  expect_error(io, "embedding_bag_backward_weights: there are no weights",
               [&] { static_cast<void>(embedding_bag_backward_weights(three, list, table, {})); });
}

TYPED_TEST(EmbeddingTest, PositionalEncodingIsExactFarOut) {
  using T = TypeParam;
  const bool single = sizeof(T) == 4;
  for (const Index d : {0, 1, 2, 5, 64}) {
    for (const Index offset : {0, 999990, 123456}) {
      const auto out = positional_encoding<T>(20, d, {.offset = offset});
      ASSERT_EQ(out.shape(), (Shape{20, d}));
      for (Index p = 0; p < 20; ++p) {
        for (Index j = 0; j < d; ++j) {
          const long double exponent =
              static_cast<long double>(j / 2 * 2) / static_cast<long double>(d);
          const long double angle =
              static_cast<long double>(offset + p) / std::pow(10000.0L, exponent);
          const long double exact = j % 2 == 0 ? std::sin(angle) : std::cos(angle);
          ASSERT_NEAR(out(p, j), static_cast<double>(exact), single ? 6e-8 : 1e-12);
        }
      }
    }
  }
  test::expect_same_on_any_number_of_threads([] { return positional_encoding<T>(300, 64); });
}

TYPED_TEST(EmbeddingTest, AddsPositionsToBatches) {
  using T = TypeParam;
  const auto x = values<T>({2, 3, 5, 6}, 1);
  const PositionalEncodingOptions options{.offset = 4, .base = 100};
  const auto encoding = positional_encoding<T>(5, 6, options);
  for (auto& laid_out : test::layouts_of<T>(x)) {
    const auto out = add_positional_encoding(laid_out.view, options);
    add_positional_encoding_into<T>(laid_out.view, laid_out.view, options);
    for (Index i = 0; i < 6; ++i) {
      for (Index p = 0; p < 5; ++p) {
        for (Index j = 0; j < 6; ++j) {
          ASSERT_EQ(out(i / 3, i % 3, p, j), x(i / 3, i % 3, p, j) + encoding(p, j));
          ASSERT_EQ(laid_out.view(i / 3, i % 3, p, j), out(i / 3, i % 3, p, j));
        }
      }
    }
  }
}

TEST(PositionalEncodingErrors, ByMessage) {
  const auto io = ErrorKind::InvalidOperation;
  expect_error(io, "positional_encoding: seq_len and d_model must not be negative, got 2 and -1",
               [] { static_cast<void>(positional_encoding<float>(2, -1)); });
  expect_error(io, "positional_encoding: offset must not be negative, got -3",
               [] { static_cast<void>(positional_encoding<float>(2, 2, {.offset = -3})); });
  expect_error(io, "positional_encoding: base must be positive and finite, got 0",
               [] { static_cast<void>(positional_encoding<float>(2, 2, {.base = 0})); });
  expect_error(ErrorKind::DimensionMismatch,
               "add_positional_encoding: x must have at least 2 axes, got shape (3,)",
               [] { static_cast<void>(add_positional_encoding(Array<float>::ones({3}))); });
  Array<float> x = Array<float>::ones({4, 2});
  expect_error(ErrorKind::DimensionMismatch,
               "add_positional_encoding: out has shape (3, 2), expected (4, 2)",
               [&] { add_positional_encoding_into<float>(x, x.slice(0, 3)); });
  expect_error(io,
               "add_positional_encoding: out overlaps x in part; it may be the same view or memory "
               "of its own",
               [&] { add_positional_encoding_into<float>(x.slice(1, 4), x.slice(0, 3)); });
}

}  // namespace
}  // namespace lamina::nn
