#include "lamina/core/array.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

namespace lamina {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

template <class T>
class ArrayOf : public testing::Test {};
using AllTypes = testing::Types<float, double, std::int64_t, std::int32_t, std::uint8_t, bool>;
TYPED_TEST_SUITE(ArrayOf, AllTypes);

/// An array of any type in which neighbors differ.
template <class T>
Array<T> pattern(const Shape& shape) {
  Array<T> x(shape);
  for (Index i = 0; i < x.size(); ++i) {
    x.data()[i] = static_cast<T>(std::is_same_v<T, bool> ? (i * i + i / 3) % 2 : i % 251);
  }
  return x;
}

TYPED_TEST(ArrayOf, Factories) {
  using T = TypeParam;
  EXPECT_EQ(Array<T>(Shape{2}).to_vector(), (std::vector<T>{T{0}, T{0}}));
  EXPECT_EQ(Array<T>::ones(Shape{2}).to_vector(), (std::vector<T>{T{1}, T{1}}));
  EXPECT_EQ(Array<T>::zeros(Shape{1, 1})(0, 0), T{0});
  EXPECT_EQ(Array<T>::full(Shape{1}, T{1})(0), T{1});
  EXPECT_EQ(Array<T>::empty(Shape{2, 3}).shape(), (Shape{2, 3}));
  EXPECT_EQ(Array<T>::scalar(T{1}).rank(), 0);
  EXPECT_EQ(Array<T>::eye(2, 3).to_vector(), (std::vector<T>{T{1}, T{0}, T{0}, T{0}, T{1}, T{0}}));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(Array<T>(Shape{3}).data()) % 64, 0U);
}

TYPED_TEST(ArrayOf, EveryLayoutCopies) {
  using T = TypeParam;
  for (const Shape& shape : {Shape{1, 1}, Shape{5, 7}, Shape{33, 65}, Shape{100, 3}}) {
    const Array<T> x = pattern<T>(shape);
    for (const View<T>& view : {x.view(), x.t(), x.slice(0, {.step = -1}), x.slice(1, {.step = -2}),
                                x.t().slice(0, {.step = 3}), x.row(0), x.col(0)}) {
      const Array<T> copy = view.copy();
      EXPECT_TRUE(copy.is_contiguous());
      EXPECT_EQ(copy.to_vector(), view.to_vector());
      EXPECT_TRUE(copy == view);
    }
  }
  const Array<T> cube = pattern<T>(Shape{3, 34, 35});
  for (const Axes& order : {Axes{0, 2, 1}, Axes{2, 0, 1}, Axes{2, 1, 0}, Axes{1, 2, 0}}) {
    EXPECT_EQ(cube.permute(order).copy().to_vector(), cube.permute(order).to_vector());
  }
}

TYPED_TEST(ArrayOf, ConcatenateAndStack) {
  using T = TypeParam;
  const Array<T> a = pattern<T>(Shape{2, 3});
  const Array<T> b = pattern<T>(Shape{2, 2});
  const Array<T> joined = concatenate<T>({a, b}, 1);
  ASSERT_EQ(joined.shape(), (Shape{2, 5}));
  EXPECT_TRUE(joined.slice(1, {0, 3}) == a);
  EXPECT_TRUE(joined.slice(1, {3, 5}) == b);
  const Array<T> both = stack<T>({a, a.slice(0, {.step = -1})}, -1);
  ASSERT_EQ(both.shape(), (Shape{2, 3, 2}));
  EXPECT_EQ(both(0, 1, 1), a(1, 1));
  EXPECT_EQ(concatenate<T>({a, a.slice(0, 0)}).shape(), (Shape{2, 3}));
}

TEST(Array, FromBraces) {
  EXPECT_EQ((Array<float>{1, 2, 3}.shape()), Shape{3});
  EXPECT_EQ((Array<float>{{1, 2}, {3, 4}, {5, 6}}.shape()), (Shape{3, 2}));
  const Array<double> x{{{1}, {2}}, {{3}, {4}}};
  EXPECT_EQ(x.shape(), (Shape{2, 2, 1}));
  EXPECT_EQ(x(1, 0, 0), 3);
  EXPECT_EQ((Array<float>{{1, 2, 3}}.shape()), (Shape{1, 3}));
  EXPECT_EQ((Array<std::int64_t>{3}.to_vector()), (std::vector<std::int64_t>{3}));
  EXPECT_EQ((Array<float>{{}, {}}.shape()), (Shape{2, 0}));
  EXPECT_EQ(Array<float>{}.shape(), Shape{0});
  EXPECT_THROW((Array<float>{{1, 2}, {3}}), Error);
  EXPECT_THROW((Array<float>{{1}, {2, 3}}), Error);
  EXPECT_THROW((Array<float>{{1, 2}, 3}), Error);
  EXPECT_THROW((Array<float>{{{1}}, {2}}), Error);
}

TEST(Array, FromDataAndFunctions) {
  EXPECT_EQ(Array<float>::from_shape_vec(Shape{2, 2}, {1, 2, 3, 4})(1, 0), 3);
  const auto sum =
      Array<double>::from_shape_fn(Shape{2, 3}, [](Index i, Index j) { return i + j; });
  EXPECT_EQ(sum.to_vector(), (std::vector<double>{0, 1, 2, 1, 2, 3}));
  const auto by_list = Array<std::int64_t>::from_shape_fn(
      Shape{2, 1, 2}, [](const IndexList& i) { return 100 * i[0] + i[2]; });
  EXPECT_EQ(by_list.to_vector(), (std::vector<std::int64_t>{0, 1, 100, 101}));
  EXPECT_EQ(Array<float>::from_shape_fn(Shape{}, [](const IndexList&) { return 7; }).item(), 7);
  EXPECT_EQ(Array<float>::from_shape_fn(Shape{0, 2}, [](Index, Index) { return 1; }).shape(),
            (Shape{0, 2}));
}

TEST(Array, Arange) {
  EXPECT_EQ(Array<float>::arange(3).to_vector(), (std::vector<float>{0, 1, 2}));
  EXPECT_EQ(Array<double>::arange(0, 1, 0.25).to_vector(),
            (std::vector<double>{0, 0.25, 0.5, 0.75}));
  EXPECT_EQ(Array<std::int32_t>::arange(5, 0, -2).to_vector(),
            (std::vector<std::int32_t>{5, 3, 1}));
  EXPECT_EQ(Array<std::int64_t>::arange(0, -1).size(), 0);
  EXPECT_EQ(Array<std::uint8_t>::arange(3, 250, 200).to_vector(),
            (std::vector<std::uint8_t>{3, 203}));
  // Beyond 2^53 a count in floating point would be wrong.
  constexpr std::int64_t kBig = (std::int64_t{1} << 60) + 1;
  EXPECT_EQ(Array<std::int64_t>::arange(kBig, kBig + 3).to_vector(),
            (std::vector<std::int64_t>{kBig, kBig + 1, kBig + 2}));
  constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(Array<std::int64_t>::arange(kLowest, 1, -(kLowest + 1)).size(), 2);
}

TEST(Array, Linspace) {
  EXPECT_EQ(Array<double>::linspace(0, 1, 5).to_vector(),
            (std::vector<double>{0, 0.25, 0.5, 0.75, 1}));
  EXPECT_EQ(Array<float>::linspace(3, 4, 1).to_vector(), (std::vector<float>{3}));
  EXPECT_EQ(Array<float>::linspace(0, 1, 0).size(), 0);
  EXPECT_EQ(Array<float>::linspace(0, 0.1F, 7)(6), 0.1F);
}

TEST(Array, CopiesAreDeepAndMovesLeaveAnEmptyArray) {
  Array<float> a{1, 2, 3};
  Array<float> b = a;
  b(0) = 9;
  EXPECT_EQ(a(0), 1);
  const float* memory = a.data();
  Array<float> c = std::move(a);
  EXPECT_EQ(c.data(), memory);
  EXPECT_EQ(a.shape(), Shape{0});  // NOLINT: the state after a move is documented
  EXPECT_TRUE(a.empty());
  b = std::move(c);
  EXPECT_EQ(b.data(), memory);
  EXPECT_EQ(b.to_vector(), (std::vector<float>{1, 2, 3}));
  EXPECT_TRUE(c.empty());  // NOLINT
  a = b;
  EXPECT_EQ(a.to_vector(), b.to_vector());
  EXPECT_NE(a.data(), b.data());
  Array<float>& same = a;
  a = same;
  EXPECT_EQ(a.size(), 3);
  a = std::move(same);
  EXPECT_EQ(a.size(), 3);
  static_assert(std::is_nothrow_move_constructible_v<Array<float>>);
  static_assert(std::is_nothrow_move_assignable_v<Array<float>>);
}

TEST(Array, ReshapeOfATemporaryDoesNotCopy) {
  Array<float> a{1, 2, 3, 4};
  const float* memory = a.data();
  const Array<float> b = std::move(a).reshape({2, -1});
  EXPECT_EQ(b.data(), memory);
  EXPECT_EQ(b.shape(), (Shape{2, 2}));
  Array<float> c{1, 2};
  EXPECT_THROW((void)std::move(c).reshape({3}), Error);
  EXPECT_EQ(c.size(), 2) << "a failed reshape leaves the array alone";  // NOLINT
}

TEST(Array, MutableViewsWriteThrough) {
  Array<float> x(Shape{2, 3});
  x.row(1).fill(5);
  x.col(0)(0) = 7;
  x.t()(2, 0) = 9;
  EXPECT_EQ(x.to_vector(), (std::vector<float>{7, 0, 9, 5, 5, 5}));
  for (float& value : x) {
    value += 1;
  }
  EXPECT_EQ(x(1, 1), 6);
  const Array<float>& fixed = x;
  static_assert(std::is_same_v<decltype(fixed.row(0)), View<float>>);
  static_assert(std::is_same_v<decltype(x.row(0)), MutView<float>>);
}

TEST(Array, ViewsDeduceTheElementType) {
  const auto count = []<class T>(const View<T>& v) { return v.size(); };
  Array<double> x(Shape{2, 2});
  EXPECT_EQ(count(x), 4);
  EXPECT_EQ(count(x.row(0)), 2);
  EXPECT_EQ(count(Array<float>(Shape{3})), 3) << "a temporary will do as an argument";
}

TEST(Array, Astype) {
  EXPECT_EQ((Array<double>{1.9, -1.9}.astype<std::int64_t>().to_vector()),
            (std::vector<std::int64_t>{1, -1}));
  EXPECT_EQ((Array<float>{0, 0.5}.astype<bool>().to_vector()), (std::vector<bool>{false, true}));
  EXPECT_EQ((Array<bool>{true, false}.astype<float>().to_vector()), (std::vector<float>{1, 0}));
  EXPECT_EQ((Array<std::int64_t>{{1, 2}, {3, 4}}.astype<double>().shape()), (Shape{2, 2}));
  const Array<float> x{{1, 2}, {3, 4}};
  EXPECT_EQ(x.t().astype<double>().to_vector(), (std::vector<double>{1, 3, 2, 4}));
  EXPECT_TRUE(std::isinf((Array<double>{1e300}.astype<float>().item())));
  EXPECT_THROW((void)(Array<double>{kNan}.astype<std::int64_t>()), Error);
  EXPECT_THROW((void)(Array<double>{9223372036854775808.0}.astype<std::int64_t>()), Error);
  EXPECT_EQ((Array<double>{-9223372036854775808.0}.astype<std::int64_t>().item()),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_THROW((void)(Array<std::int64_t>{300}.astype<std::uint8_t>()), Error);
  EXPECT_EQ((Array<double>{255.9}.astype<std::uint8_t>().item()), 255);
  EXPECT_EQ((Array<double>{-0.9}.astype<std::uint8_t>().item()), 0);
}

TEST(Array, Equality) {
  const Array<double> x{{1, 2}, {3, 4}};
  EXPECT_TRUE(x == x.copy());
  EXPECT_FALSE(x == x.t());
  EXPECT_TRUE(x.t().t() == x);
  EXPECT_FALSE(x == x.flatten());
  EXPECT_FALSE((Array<double>{kNan} == Array<double>{kNan}));
  EXPECT_TRUE((Array<double>{0.0} == Array<double>{-0.0}));
  const Array<double> zero = Array<double>::scalar(0);
  EXPECT_FALSE(View<double>() == zero);
  EXPECT_FALSE(zero == View<double>());
}

TEST(Array, Allclose) {
  const Array<double> x{1, 100};
  EXPECT_TRUE(allclose(x, Array<double>{1.000001, 100.0001}));
  EXPECT_FALSE(allclose(x, Array<double>{1.0001, 100}));
  EXPECT_TRUE(allclose(x, Array<double>{1.0001, 100}, 0, 1e-3));
  EXPECT_FALSE(allclose(x, Array<double>{1}));
  EXPECT_TRUE(allclose(Array<double>{kInf}, Array<double>{kInf}));
  EXPECT_FALSE(allclose(Array<double>{kInf}, Array<double>{-kInf}));
  EXPECT_FALSE(allclose(Array<double>{kInf}, Array<double>{1}));
  EXPECT_FALSE(allclose(Array<double>{kNan}, Array<double>{kNan}));
  EXPECT_TRUE(allclose(Array<double>{kNan}, Array<double>{kNan}, 0, 0, true));
  EXPECT_FALSE(allclose(Array<double>{kNan}, Array<double>{1}, 0, 0, true));
  EXPECT_TRUE(allclose(Array<float>(), Array<float>()));
}

TEST(Array, PackedIsTheViewItselfWhereItCan) {
  const Array<float> x{{1, 2}, {3, 4}};
  EXPECT_EQ(detail::Packed<float>(x).data(), x.data());
  const detail::Packed<float> transposed(x.t());
  EXPECT_NE(transposed.data(), x.data());
  EXPECT_EQ(transposed.data()[1], 3);
}

}  // namespace
}  // namespace lamina
