// Padding: values at each edge, the gradient as the adjoint, errors.

#include "lamina/nn/pad.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "support/expect.hpp"
#include "support/layouts.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using nn::PaddingValue;
using testing::values;

template <class T>
class Pad : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Pad, Types);

TYPED_TEST(Pad, EachKind) {
  using T = TypeParam;
  const Array<T> x{1, 2, 3};
  EXPECT_EQ(nn::pad(x, {{2, 1}}), (Array<T>{0, 0, 1, 2, 3, 0}));
  EXPECT_EQ(nn::pad(x, {{2, 1}}, PaddingValue::Reflect), (Array<T>{3, 2, 1, 2, 3, 2}));
  EXPECT_EQ(nn::pad(x, {{2, 1}}, PaddingValue::Replicate), (Array<T>{1, 1, 1, 2, 3, 3}));
  EXPECT_EQ(nn::pad(x, {{2, 1}}, PaddingValue::Circular), (Array<T>{2, 3, 1, 2, 3, 1}));
  EXPECT_EQ(nn::pad(x, {{2, 1}}, T(-7)), (Array<T>{-7, -7, 1, 2, 3, -7}));
  const Array<T> matrix{{1, 2}, {3, 4}};
  EXPECT_EQ(nn::pad(matrix, {{1, 0}}), (Array<T>{{0, 1, 2}, {0, 3, 4}}));
  EXPECT_EQ(nn::pad(matrix, {{0, 1}, {1, 0}}, T(9)), (Array<T>{{9, 1, 2}, {9, 3, 4}, {9, 9, 9}}));
  EXPECT_EQ(nn::pad(Array<T>(Shape{0, 2}), {{1, 0}, {0, 0}}, T(5)), (Array<T>{{5, 5}}));
  const T infinity = std::numeric_limits<T>::infinity();
  EXPECT_EQ(nn::pad(x, {{1, 0}}, -infinity)(0), -infinity);
}

TYPED_TEST(Pad, AnyLayoutAndTheAdjoint) {
  using T = TypeParam;
  const std::vector<PaddingAmount> amounts{{1, 2}, {0, 1}, {3, 2}};
  Array<T> x = Array<T>::empty({2, 4, 3, 5});
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<T>(i * 5 % 13 - 6);
  for (const auto value : {PaddingValue::Zero, PaddingValue::Reflect, PaddingValue::Replicate,
                           PaddingValue::Circular}) {
    const Array<T> y = nn::pad(x, amounts, value);
    for (const auto& one : test::layouts_of<T>(x)) {
      EXPECT_EQ(nn::pad(View<T>(one.view), amounts, value), y) << one.name;
    }
    Array<T> dy = Array<T>::empty(y.shape());
    for (Index i = 0; i < dy.size(); ++i) dy.data()[i] = static_cast<T>(i * 7 % 11 - 5);
    const Array<T> dx = nn::pad_backward(dy, amounts, value);
    ASSERT_EQ(dx.shape(), x.shape());
    double left = 0, right = 0;
    for (Index i = 0; i < dy.size(); ++i) left += static_cast<double>(dy.data()[i] * y.data()[i]);
    for (Index i = 0; i < x.size(); ++i) right += static_cast<double>(dx.data()[i] * x.data()[i]);
    EXPECT_EQ(left, right);
    for (const auto& one : test::layouts_of<T>(dy)) {
      EXPECT_EQ(nn::pad_backward(View<T>(one.view), amounts, value), dx) << one.name;
    }
    test::expect_same_on_any_number_of_threads(
        [&] { return nn::pad_backward(dy, amounts, value); });
  }
}

TEST(PadErrors, NameWhatIsWrong) {
  const Array<float> x = Array<float>::ones({2, 3});
  const auto operation = ErrorKind::InvalidOperation;
  test::expect_error(ErrorKind::DimensionMismatch, "pad: got 3 amounts for shape (2, 3)", [&] {
    (void)nn::pad(x, {{0, 0}, {0, 0}, {0, 0}});
  });
  test::expect_error(operation, "pad: amounts must not be negative, got -1 and 0", [&] {
    (void)nn::pad(x, {{-1, 0}}, 2.0f);
  });
  test::expect_error(
      operation, "pad: reflection by 3 needs an extent above that; axis 1 of shape (2, 3)", [&] {
        (void)nn::pad(x, {{3, 0}}, PaddingValue::Reflect);
      });
  test::expect_error(
      operation, "pad: circular padding by 4 is more than once around axis 1 of shape (2, 3)", [&] {
        (void)nn::pad(x, {{0, 4}}, PaddingValue::Circular);
      });
  test::expect_error(
      operation, "pad: axis 0 of shape (0, 3) is empty: nothing to pad it with", [&] {
        (void)nn::pad(Array<float>(Shape{0, 3}), {{1, 0}, {0, 0}}, PaddingValue::Replicate);
      });
  test::expect_error(ErrorKind::DimensionMismatch, "pad: x is not defined",
                     [] { (void)nn::pad(View<float>(), {}); });
  test::expect_error(ErrorKind::DimensionMismatch,
                     "pad_backward: amounts are more than the extent; dy (2, 3)", [&] {
                       (void)nn::pad_backward(x, {{2, 2}});
                     });
}

}  // namespace
}  // namespace lamina
