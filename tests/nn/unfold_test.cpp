// Unfolding and folding against their definitions, and each as the other's adjoint.

#include "lamina/nn/unfold.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <ostream>

#include "lamina/nn/conv.hpp"
#include "lamina/nn/linear.hpp"
#include "support/expect.hpp"
#include "support/message.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using nn::Unfold1dOptions;
using nn::Unfold2dOptions;
using nn::Unfold3dOptions;
using testing::message_of;
using testing::values;
using P = PaddingMode;

struct Case {
  const char* name;
  Index images, channels;
  PerAxis<2> in, kernel;
  Unfold2dOptions options;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

const Case kCases[] = {
    {"plain", 2, 3, {5, 6}, {3, 2}, {}},
    {"one_by_one", 2, 5, {4, 17}, 1, {}},
    {"stride", 1, 4, {9, 8}, 3, {.stride = {2, 3}}},
    {"stride_above_kernel", 2, 3, {9, 8}, 2, {.stride = {3, 4}}},
    {"asymmetric",
     2,
     3,
     {5, 6},
     {3, 4},
     {.stride = {1, 2}, .padding = P::asymmetric({2, 1}, {0, 3})}},
    {"dilated", 1, 2, {9, 10}, 3, {.padding = 2, .dilation = {2, 3}}},
    {"same", 1, 2, {7, 8}, {4, 3}, {.stride = 2, .padding = P::same()}},
    {"full", 1, 1, {3, 4}, {3, 2}, {.padding = P::full()}},
    {"only_padding_at_edges", 1, 2, {2, 2}, 3, {.padding = 3}},
    {"reflect", 2, 2, {5, 6}, 3, {.padding = 2, .padding_value = nn::PaddingValue::Reflect}},
    {"circular",
     1,
     2,
     {5, 6},
     3,
     {.stride = 2, .padding = 1, .padding_value = nn::PaddingValue::Circular}},
    {"empty_batch", 0, 3, {5, 6}, 3, {}},
    {"many_channels", 1, 70, {6, 33}, 3, {.padding = 1}},
};

template <class T>
T at_or_zero(const View<T>& x, bool last, Index n, Index c, Index h, Index w) {
  const Index height = x.shape()[last ? 1 : 2];
  const Index width = x.shape()[last ? 2 : 3];
  if (h < 0 || w < 0 || h >= height || w >= width) return T(0);
  return last ? x(n, h, w, c) : x(n, c, h, w);
}

class UnfoldTest : public ::testing::TestWithParam<std::tuple<Case, DataFormat>> {
 protected:
  template <class T>
  void check_all() {
    const auto& [c, format] = GetParam();
    const bool last = format == DataFormat::NHWC;
    Unfold2dOptions options = c.options;
    options.format = format;
    const Shape shape = last ? Shape{c.images, c.in[0], c.in[1], c.channels}
                             : Shape{c.images, c.channels, c.in[0], c.in[1]};
    const Array<T> x = values<T>(shape, 1);
    // Padding with anything but zeros is that of pad().
    std::array<PaddingAmount, 2> amount{};
    for (std::size_t a = 0; a < 2; ++a) {
      amount[a] = options.padding.resolve(static_cast<int>(a), c.in[a], c.kernel[a],
                                          options.stride[a], options.dilation[a], "test");
    }
    std::vector<PaddingAmount> amounts(4);
    amounts[last ? 1 : 2] = amount[0];
    amounts[last ? 2 : 3] = amount[1];
    const Array<T> padded = nn::pad(x, amounts, options.padding_value);
    const auto extent = [&](std::size_t a) {
      return (c.in[a] + amount[a].before + amount[a].behind -
              options.dilation[a] * (c.kernel[a] - 1) - 1) /
                 options.stride[a] +
             1;
    };
    const Index height = extent(0);
    const Index width = extent(1);
    const Index taps = c.kernel[0] * c.kernel[1];
    const Index rows = c.channels * taps;
    const Index positions = height * width;

    const Array<T> columns = nn::unfold2d(x, c.kernel, options);
    ASSERT_EQ(columns.shape(),
              last ? (Shape{c.images, positions, rows}) : (Shape{c.images, rows, positions}));
    const Array<T> matrix = nn::im2col(x, c.kernel, options);
    ASSERT_EQ(matrix.shape(),
              last ? (Shape{c.images * positions, rows}) : (Shape{rows, c.images * positions}));
    for (Index n = 0; n < c.images; ++n) {
      for (Index i = 0; i < c.channels; ++i) {
        for (Index t = 0; t < taps; ++t) {
          for (Index p = 0; p < positions; ++p) {
            const T want =
                padded.size() == 0
                    ? T(0)
                    : at_or_zero<T>(
                          padded, last, n, i,
                          p / width * options.stride[0] + t / c.kernel[1] * options.dilation[0],
                          p % width * options.stride[1] + t % c.kernel[1] * options.dilation[1]);
            if (last) {
              ASSERT_EQ(columns(n, p, t * c.channels + i), want);
              ASSERT_EQ(matrix(n * positions + p, t * c.channels + i), want);
            } else {
              ASSERT_EQ(columns(n, i * taps + t, p), want);
              ASSERT_EQ(matrix(i * taps + t, n * positions + p), want);
            }
          }
        }
      }
    }
    // Integers: sums are exact, and folding is the adjoint to the last bit.
    Array<T> weights = Array<T>::empty(columns.shape());
    for (Index i = 0; i < weights.size(); ++i) weights.data()[i] = static_cast<T>(i * 7 % 11 - 5);
    const Array<T> folded = nn::fold2d(weights, c.in, c.kernel, options);
    ASSERT_EQ(folded.shape(), shape);
    Array<T> whole = Array<T>::empty(shape);
    for (Index i = 0; i < whole.size(); ++i) whole.data()[i] = static_cast<T>(i * 5 % 13 - 6);
    const Array<T> unfolded = nn::unfold2d(whole, c.kernel, options);
    double left = 0, right = 0;
    for (Index i = 0; i < weights.size(); ++i) {
      left += static_cast<double>(weights.data()[i]) * static_cast<double>(unfolded.data()[i]);
    }
    for (Index i = 0; i < whole.size(); ++i) {
      right += static_cast<double>(whole.data()[i]) * static_cast<double>(folded.data()[i]);
    }
    EXPECT_EQ(left, right);
    // col2im is fold2d of the same numbers in another order.
    const Array<T> moved = last ? weights.copy() : weights.permute({1, 0, 2}).copy();
    EXPECT_EQ(nn::col2im(moved.view().reshape(IndexList(matrix.shape())), shape, c.kernel, options),
              folded);
  }
};

TEST_P(UnfoldTest, AgreesWithTheDefinitionAndItsAdjoint) {
  check_all<float>();
  check_all<double>();
}

TEST_P(UnfoldTest, StridedArgumentsAndThreads) {
  const auto& [c, format] = GetParam();
  const bool last = format == DataFormat::NHWC;
  Unfold2dOptions options = c.options;
  options.format = format;
  const Array<float> x = values<float>(last ? Shape{c.images, c.in[0], c.in[1], c.channels}
                                            : Shape{c.images, c.channels, c.in[0], c.in[1]},
                                       1);
  const Array<float> turned = x.permute({3, 1, 0, 2}).copy();
  const Array<float> columns = nn::unfold2d(x, c.kernel, options);
  EXPECT_EQ(nn::unfold2d(turned.permute({2, 1, 3, 0}), c.kernel, options), columns);
  const Array<float> columns_turned = columns.permute({2, 0, 1}).copy();
  const Array<float> folded = nn::fold2d(columns, c.in, c.kernel, options);
  EXPECT_EQ(nn::fold2d(columns_turned.permute({1, 2, 0}), c.in, c.kernel, options), folded);
  test::expect_same_on_any_number_of_threads(
      [&] { return nn::fold2d(columns, c.in, c.kernel, options); });
  test::expect_same_on_any_number_of_threads([&] { return nn::unfold2d(x, c.kernel, options); });
}

INSTANTIATE_TEST_SUITE_P(Cases, UnfoldTest,
                         ::testing::Combine(::testing::ValuesIn(kCases),
                                            ::testing::Values(DataFormat::NCHW, DataFormat::NHWC)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) +
                                  (std::get<1>(test.param) == DataFormat::NCHW ? "_nchw" : "_nhwc");
                         });

TEST(Unfold, ConvolutionIsAProductWithIt) {
  const Array<double> x = values<double>({2, 3, 6, 7}, 1);
  const Array<double> w = values<double>({4, 3, 3, 2}, 2);
  const Unfold2dOptions options{.stride = {2, 1}, .padding = 1};
  const Array<double> columns = nn::unfold2d(x, {3, 2}, options);
  const Array<double> product = nn::matmul(w.reshape({4, 18}), columns);
  const Array<double> y = nn::conv2d(x, w, {.stride = {2, 1}, .padding = 1});
  ASSERT_EQ(product.size(), y.size());
  for (Index i = 0; i < y.size(); ++i) ASSERT_NEAR(product.data()[i], y.data()[i], 1e-12);
}

TEST(Unfold, OneAndThreeAxes) {
  const Array<double> x{1, 2, 3, 4, 5};
  EXPECT_EQ(nn::unfold1d(x, 3), (Array<double>{{1, 2, 3}, {2, 3, 4}, {3, 4, 5}}));
  EXPECT_EQ(nn::unfold1d(x, 2, {.stride = 3, .padding = 1}), (Array<double>{{0, 3}, {1, 4}}));
  EXPECT_EQ(nn::fold1d(Array<double>{{1, 2, 3}, {10, 20, 30}}, 4, 2),
            (Array<double>{{1, 12, 23, 30}}));
  const Array<double> volume = values<double>({2, 3, 4, 5, 6}, 1);
  const Unfold3dOptions options{.stride = {1, 2, 1}, .padding = P::symmetric(0, 1, 2)};
  const Array<double> columns = nn::unfold3d(volume, {2, 3, 2}, options);
  ASSERT_EQ(columns.shape(), (Shape{2, 36, 3 * 3 * 9}));
  const Array<double> ones = Array<double>::ones(columns.shape());
  const Array<double> counts = nn::fold3d(ones, {4, 5, 6}, {2, 3, 2}, options);
  const Array<double> back = nn::fold3d(columns, {4, 5, 6}, {2, 3, 2}, options);
  ASSERT_EQ(back.shape(), volume.shape());
  for (Index i = 0; i < back.size(); ++i) {
    ASSERT_NEAR(back.data()[i], volume.data()[i] * counts.data()[i], 1e-12);
  }
}

TEST(Unfold, SamplesAndMaps) {
  const Array<float> x = values<float>({1, 3, 5, 5}, 1);
  const Array<float> batch = nn::unfold2d(x, 3);
  EXPECT_EQ(nn::unfold2d(x.select(0, 0), 3), batch.select(0, 0));
  const Array<float> map{{1, 2}, {3, 4}};
  EXPECT_EQ(nn::unfold2d(map, {1, 2}), (Array<float>{{1, 3}, {2, 4}}));
  EXPECT_EQ(nn::unfold2d(map, {1, 2}, {.format = DataFormat::NHWC}),
            (Array<float>{{1, 2}, {3, 4}}));
  const Array<float> folded = nn::fold2d(batch, 5, 3);
  EXPECT_EQ(nn::fold2d(batch.select(0, 0), 5, 3), folded.select(0, 0));
  // The original's parameters.
  EXPECT_EQ(nn::im2col(x, {3, 3}, {2, 2}, {1, 1}, {1, 1}),
            nn::im2col(x, 3, {.stride = 2, .padding = 1}));
  EXPECT_EQ(nn::im2col(x, 3), batch.select(0, 0));
  EXPECT_EQ(nn::col2im(batch.select(0, 0), x.shape(), 3), folded);
}

TEST(UnfoldErrors, NameWhatIsWrong) {
  const auto x = Array<float>::ones({1, 3, 4, 4});
  EXPECT_EQ(message_of([&] { (void)nn::unfold2d(x, 5); }),
            "unfold2d: kernel of extent 5 with dilation 1 is larger than the padded extent 4; x "
            "(1, 3, 4, 4)");
  EXPECT_EQ(message_of([&] {
              (void)nn::unfold2d(x, {0, 1});
            }),
            "unfold2d: kernel, stride and dilation must be at least 1, got 0, 1 and 1");
  EXPECT_EQ(message_of([&] { (void)nn::unfold2d(x, 2, {.padding = -1}); }),
            "unfold2d: padding must not be negative, got -1 and -1");
  EXPECT_EQ(message_of([&] { (void)nn::unfold2d(Array<float>::ones({4}), 1); }),
            "unfold2d: x must have rank 2 (a single map), 3 (a sample) or 4 (a batch), got shape "
            "(4,)");
  EXPECT_EQ(message_of([&] { (void)nn::unfold2d(View<float>(), 1); }),
            "unfold2d: x is not defined");
  const auto columns = Array<float>::ones({1, 12, 9});
  EXPECT_EQ(message_of([&] { (void)nn::fold2d(columns, 5, 2); }),
            "fold2d: a result of shape (1, 3, 5, 5) has 16 windows, columns are for 9; columns (1, "
            "12, 9)");
  EXPECT_EQ(message_of([&] {
              (void)nn::fold2d(columns, 4, {3, 3});
            }),
            "fold2d: a kernel of 9 elements must divide the 12 elements of a window; columns (1, "
            "12, 9)");
  EXPECT_EQ(message_of([&] { (void)nn::fold2d(Array<float>::ones({4}), 4, 2); }),
            "fold2d: columns must have rank 2 (a sample) or 3 (a batch), got shape (4,)");
  EXPECT_EQ(message_of([&] {
              (void)nn::fold2d(columns, {-1, 4}, 2);
            }),
            "fold2d: extents must not be negative, got -1");
  EXPECT_EQ(message_of([&] {
              (void)nn::col2im(columns.select(0, 0), Shape{3, 4, 4}, 2);
            }),
            "col2im: x_shape must have rank 4, got (3, 4, 4)");
  EXPECT_EQ(message_of([&] {
              (void)nn::col2im(columns.select(0, 0), Shape{1, 3, 5, 4}, 2);
            }),
            "col2im: columns must have shape (12, 12) for a result of shape (1, 3, 5, 4), got (12, "
            "9)");
}

}  // namespace
}  // namespace lamina
