#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "lamina/core/array.hpp"

// Expected texts are those of numpy.array2string with its default options (NumPy 1.24).
namespace lamina {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

template <class T>
std::string text(const View<T>& x) {
  std::ostringstream out;
  out << x;
  EXPECT_EQ(out.str(), to_string(x));
  return out.str();
}

TEST(Print, WholeNumbersEndWithAPoint) {
  EXPECT_EQ(text(Array<double>{1, 2, 3}), "[1. 2. 3.]");
  EXPECT_EQ(text(Array<float>{-1, 20, 3}), "[-1. 20.  3.]");
  EXPECT_EQ(text(Array<double>{0.0, -0.0}), "[ 0. -0.]");
}

TEST(Print, FractionsAreAlignedAtThePoint) {
  EXPECT_EQ(text(Array<double>{1.5, 2.25, -10}), "[  1.5    2.25 -10.  ]");
  EXPECT_EQ(text(Array<float>{0.1F, 0.2F}), "[0.1 0.2]");
}

TEST(Print, AtMostEightDigits) {
  EXPECT_EQ(text(Array<double>{1.0 / 3, 2.0 / 3}), "[0.33333333 0.66666667]");
  EXPECT_EQ(text(Array<float>{1.0F / 3, 2.0F / 3}), "[0.33333334 0.6666667 ]");
}

TEST(Print, WideRangesUseExponents) {
  EXPECT_EQ(text(Array<double>{1e-5, 1}), "[1.e-05 1.e+00]");
  EXPECT_EQ(text(Array<double>{0.001, 2}), "[1.e-03 2.e+00]");
  EXPECT_EQ(text(Array<double>{1e8, 1.25e8}), "[1.00e+08 1.25e+08]");
  EXPECT_EQ(text(Array<double>{1e300, -1}), "[ 1.e+300 -1.e+000]");
  EXPECT_EQ(text(Array<double>{12345678, 0}), "[12345678.        0.]");
  EXPECT_EQ(text(Array<double>{1.0 / 3, 1e9}), "[3.33333333e-01 1.00000000e+09]");
}

TEST(Print, NanAndInfinity) {
  EXPECT_EQ(text(Array<double>{1.5, kNan, kInf}), "[1.5 nan inf]");
  EXPECT_EQ(text(Array<double>{1, -kInf}), "[  1. -inf]");
  EXPECT_EQ(text(Array<double>{kNan, kNan}), "[nan nan]");
  EXPECT_EQ(text(Array<double>{1e-5, kNan}), "[1.e-05    nan]");
}

TEST(Print, Integers) {
  EXPECT_EQ(text(Array<std::int64_t>{1, -20, 3}), "[  1 -20   3]");
  EXPECT_EQ(text(Array<std::uint8_t>{65, 200}), "[ 65 200]");
  EXPECT_EQ(text(Array<std::int32_t>{7}), "[7]");
}

TEST(Print, Booleans) {
  EXPECT_EQ(text(Array<bool>{true, false}), "[ True False]");
  EXPECT_EQ(text(Array<bool>{true}), "[ True]");
}

TEST(Print, Matrices) {
  EXPECT_EQ(text(Array<double>{{1, 2}, {3, 40}}), "[[ 1.  2.]\n [ 3. 40.]]");
  EXPECT_EQ(text(Array<std::int64_t>::arange(8).reshape({2, 2, 2})),
            "[[[0 1]\n  [2 3]]\n\n [[4 5]\n  [6 7]]]");
  EXPECT_EQ(text(Array<std::int64_t>::arange(2).reshape({1, 1, 1, 2})), "[[[[0 1]]]]");
}

TEST(Print, StridedViews) {
  const Array<double> x{{1, 2, 3}, {4, 5, 6}};
  EXPECT_EQ(text(x.t()), "[[1. 4.]\n [2. 5.]\n [3. 6.]]");
  EXPECT_EQ(text(x.slice(1, {.step = -2})), "[[3. 1.]\n [6. 4.]]");
}

TEST(Print, SingleNumbers) {
  EXPECT_EQ(text(Array<double>::scalar(1.5)), "1.5");
  EXPECT_EQ(text(Array<double>::scalar(2)), "2.0");
  EXPECT_EQ(text(Array<double>::scalar(1.0 / 3)), "0.3333333333333333");
  EXPECT_EQ(text(Array<double>::scalar(1e-5)), "1e-05");
  EXPECT_EQ(text(Array<double>::scalar(1e16)), "1e+16");
  EXPECT_EQ(text(Array<float>::scalar(0.1F)), "0.1");
  EXPECT_EQ(text(Array<double>::scalar(-kInf)), "-inf");
  EXPECT_EQ(text(Array<double>::scalar(kNan)), "nan");
  EXPECT_EQ(text(Array<std::int64_t>::scalar(-3)), "-3");
  EXPECT_EQ(text(Array<bool>::scalar(true)), "True");
}

TEST(Print, Empty) {
  EXPECT_EQ(text(Array<double>()), "[]");
  EXPECT_EQ(text(Array<double>(Shape{0, 3})), "[]");
  EXPECT_EQ(text(View<double>()), "undefined");
}

TEST(Print, LongRowsAreWrapped) {
  EXPECT_EQ(text(Array<std::int64_t>::arange(30)),
            "[ 0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23\n"
            " 24 25 26 27 28 29]");
  EXPECT_EQ(text(Array<std::int64_t>::arange(60).reshape({2, 30})),
            "[[ 0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23\n"
            "  24 25 26 27 28 29]\n"
            " [30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53\n"
            "  54 55 56 57 58 59]]");
}

TEST(Print, BeyondAThousandElementsOnlyTheEdges) {
  EXPECT_EQ(text(Array<std::int64_t>::arange(1001)), "[   0    1    2 ...  998  999 1000]");
  EXPECT_EQ(text(Array<std::int64_t>::arange(2000).reshape({2, 1000})),
            "[[   0    1    2 ...  997  998  999]\n [1000 1001 1002 ... 1997 1998 1999]]");
  EXPECT_EQ(text(Array<std::int64_t>::arange(2000).reshape({500, 4})),
            "[[   0    1    2    3]\n [   4    5    6    7]\n [   8    9   10   11]\n ...\n"
            " [1988 1989 1990 1991]\n [1992 1993 1994 1995]\n [1996 1997 1998 1999]]");
  EXPECT_EQ(text(Array<std::int64_t>::arange(1000)).substr(0, 12), "[  0   1   2");
  // A shape of 2^62 elements costs no more than what is shown.
  const Array<double> one = Array<double>::ones(Shape{1});
  EXPECT_EQ(text(one.broadcast_to(Shape{Index{1} << 62})), "[1. 1. 1. ... 1. 1. 1.]");
}

}  // namespace
}  // namespace lamina
