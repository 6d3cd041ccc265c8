#include "lamina/nn/comparison.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "support/expect.hpp"
#include "support/layouts.hpp"
#include "support/numbers.hpp"

namespace lamina::nn {
namespace {

bool reference(CompareOp op, double a, double b) {
  switch (op) {
    case CompareOp::Equal:
      return a == b;
    case CompareOp::NotEqual:
      return a != b;
    case CompareOp::Less:
      return a < b;
    case CompareOp::LessEqual:
      return a <= b;
    case CompareOp::Greater:
      return a > b;
    case CompareOp::GreaterEqual:
      return a >= b;
  }
  return false;
}

template <class T>
class Comparison : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Comparison, Types);

TYPED_TEST(Comparison, MatchesTheOracleAtEveryLengthAndTarget) {
  using T = TypeParam;
  const T special[] = {0,
                       T(-0.0),
                       1,
                       -1,
                       std::numeric_limits<T>::infinity(),
                       -std::numeric_limits<T>::infinity(),
                       std::numeric_limits<T>::quiet_NaN(),
                       std::numeric_limits<T>::denorm_min()};
  test::for_each_target([&] {
    for (const Index n : {0, 1, 2, 3, 7, 8, 9, 16, 17, 33, 64, 70}) {
      const Array<T> a = Array<T>::from_shape_fn({n}, [&](Index i) { return special[i % 8]; });
      const Array<T> b =
          Array<T>::from_shape_fn({n}, [&](Index i) { return special[(i + i / 8) % 8]; });
      for (const CompareRow& row : kCompareTable) {
        const Array<bool> y = compare(row.op, a, b);
        const Array<bool> with_number = compare(row.op, a, T(1));
        for (Index i = 0; i < n; ++i) {
          ASSERT_EQ(y(i), reference(row.op, a(i), b(i))) << row.name << " " << a(i) << " " << b(i);
          ASSERT_EQ(with_number(i), reference(row.op, a(i), 1));
        }
      }
    }
  });
}

TYPED_TEST(Comparison, BroadcastsInEveryLayout) {
  using T = TypeParam;
  const Array<T> a{{1, 2, 3}, {4, 5, 6}};
  const Array<T> b{4, 2, 3};
  const Array<bool> expected{{true, false, false}, {false, false, false}};
  for (auto& from : test::layouts_of<T>(a)) {
    for (auto& to : test::empty_layouts<bool>(a.shape(), false)) {
      compare_into<T>(CompareOp::Less, from.view, b, to.view);
      EXPECT_EQ(to.view, expected) << from.name << " " << to.name;
    }
  }
  EXPECT_EQ(equal(a, b), (Array<bool>{{false, true, true}, {true, false, false}}));
  EXPECT_EQ(not_equal(b, T(2)), (Array<bool>{true, false, true}));
  EXPECT_EQ(less_equal(b, T(3)), (Array<bool>{false, true, true}));
  EXPECT_EQ(greater(b, T(3)), (Array<bool>{true, false, false}));
  EXPECT_EQ(greater_equal(b, b), (Array<bool>{true, true, true}));
}

TYPED_TEST(Comparison, WhereChooses) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const Array<bool> condition{{true}, {false}};
  const Array<T> a{1, 2, 3};
  Array<T> b{{nan, nan, nan}, {4, 5, 6}};
  EXPECT_EQ(where(condition, a, b), (Array<T>{{1, 2, 3}, {4, 5, 6}}));
  EXPECT_EQ(where(condition, a, T(0)), (Array<T>{{1, 2, 3}, {0, 0, 0}}));
  EXPECT_EQ(where(condition, T(0), a), (Array<T>{{0, 0, 0}, {1, 2, 3}}));
  for (auto& to : test::layouts_of<T>(b)) {
    where_into<T>(condition, a, to.view, to.view);
    EXPECT_EQ(to.view, (Array<T>{{1, 2, 3}, {4, 5, 6}})) << to.name;
  }
  const auto gradients = where_backward(Array<T>{{1, 2, 3}, {4, 5, 6}}, condition, {3}, {2, 3});
  EXPECT_EQ(gradients.da, (Array<T>{1, 2, 3}));
  EXPECT_EQ(gradients.db, (Array<T>{{0, 0, 0}, {4, 5, 6}}));
}

TYPED_TEST(Comparison, IsTheSameOnAnyNumberOfThreads) {
  using T = TypeParam;
  const Array<T> a = test::uniform_numbers<T>({100000}, 1);
  test::expect_same_on_any_number_of_threads([&] { return less(a, T(0.5)); });
  const Array<bool> condition = less(a, T(0.5));
  test::expect_same_on_any_number_of_threads([&] { return where(condition, a, T(1)); });
}

TYPED_TEST(Comparison, RefusesWrongShapes) {
  using T = TypeParam;
  using test::expect_error;
  const Array<T> a(Shape{2, 3});
  const Array<T> b(Shape{2});
  Array<bool> out(Shape{2});
  expect_error(ErrorKind::DimensionMismatch, "less: shapes (2, 3) and (2,) do not broadcast",
               [&] { (void)less(a, b); });
  expect_error(ErrorKind::DimensionMismatch, "equal: out (2,) should be (2, 3)",
               [&] { compare_into<T>(CompareOp::Equal, a, a, out); });
  expect_error(ErrorKind::DimensionMismatch, "where: shapes (2,) and (2, 3) do not broadcast",
               [&] { (void)where(out, a, a); });
  expect_error(ErrorKind::DimensionMismatch, "where_backward: dy (2,) should be (2, 3)", [&] {
    (void)where_backward(b, Array<bool>(Shape{3}), {2, 3}, {3});
  });
}

TEST(Logical, CombinesBools) {
  const Array<bool> a{true, true, false, false};
  const Array<bool> b{true, false, true, false};
  EXPECT_EQ(logical_and(a, b), (Array<bool>{true, false, false, false}));
  EXPECT_EQ(logical_or(a, b), (Array<bool>{true, true, true, false}));
  EXPECT_EQ(logical_xor(a, b), (Array<bool>{false, true, true, false}));
  EXPECT_EQ(logical_not(a), (Array<bool>{false, false, true, true}));
  test::expect_error(ErrorKind::DimensionMismatch,
                     "logical_or: shapes (4,) and (3,) do not broadcast",
                     [&] { (void)logical_or(a, Array<bool>(Shape{3})); });
}

}  // namespace
}  // namespace lamina::nn
