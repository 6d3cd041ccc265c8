// Transposed convolution against the definition: every element of x spreads a kernel.

#include "lamina/nn/conv_transpose.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>

#include "lamina/nn/conv.hpp"
#include "support/expect.hpp"
#include "support/message.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using nn::ConvTranspose1dOptions;
using nn::ConvTranspose2dOptions;
using nn::ConvTranspose3dOptions;
using testing::message_of;
using testing::values;
using P = PaddingMode;

struct Case {
  const char* name;
  Index images, in_channels, out_channels;
  PerAxis<2> in, kernel;
  ConvTranspose2dOptions options;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

const Case kCases[] = {
    {"plain", 2, 3, 4, {5, 6}, {3, 2}, {}},
    {"one_by_one", 1, 20, 17, {4, 9}, 1, {}},
    {"stride", 2, 3, 5, {4, 5}, 3, {.stride = {2, 3}}},
    {"stride_above_kernel", 1, 2, 3, {4, 3}, 2, {.stride = {3, 4}}},
    {"padding_and_output_padding",
     2,
     4,
     3,
     {5, 4},
     3,
     {.stride = 2, .padding = 1, .output_padding = 1}},
    {"asymmetric",
     1,
     3,
     2,
     {5, 6},
     {4, 3},
     {.stride = {2, 1}, .padding = P::asymmetric({2, 0}, {0, 1})}},
    {"dilated", 1, 2, 3, {4, 5}, {3, 2}, {.stride = {2, 1}, .dilation = {3, 2}}},
    {"output_padding_below_dilation",
     1,
     2,
     3,
     {4, 5},
     {3, 2},
     {.output_padding = {2, 1}, .dilation = {3, 2}}},
    {"groups", 2, 6, 9, {4, 5}, 3, {.stride = {1, 2}, .padding = 1, .groups = 3}},
    {"depthwise", 2, 19, 19, {4, 18}, 3, {.stride = 2, .padding = 1, .groups = 19}},
    {"depthwise_multiplier", 1, 3, 6, {6, 7}, {2, 3}, {.padding = 1, .groups = 3}},
    {"same", 1, 2, 3, {4, 5}, {3, 4}, {.stride = {2, 3}, .padding = P::same()}},
    {"full", 1, 2, 3, {6, 7}, {3, 2}, {.padding = P::full(), .dilation = {1, 2}}},
    {"empty_batch", 0, 2, 3, {4, 5}, 3, {.stride = 2}},
};

template <class T>
Array<T> in_format(const Array<T>& x, DataFormat format) {
  return format == DataFormat::NCHW ? x.copy() : x.permute({0, 2, 3, 1}).copy();
}
template <class T>
Array<double> from_format(const Array<T>& x, DataFormat format) {
  const Array<double> wide = x.template astype<double>();
  return format == DataFormat::NCHW ? wide.copy() : wide.permute({0, 3, 1, 2}).copy();
}

struct Reference {
  Array<double> y, dx, dw;
};

/// All three of <dy, conv_transpose(x, w)>, by loops over everything. (N, C, H, W), sums in double.
Reference reference(const Case& c, const Array<double>& x, const Array<double>& w,
                    const Array<double>& dy) {
  const ConvTranspose2dOptions& o = c.options;
  Reference r{Array<double>::zeros(dy.shape()), Array<double>::zeros(x.shape()),
              Array<double>::zeros(w.shape())};
  std::array<Index, 2> before{};
  for (std::size_t a = 0; a < 2; ++a) {
    const bool same = o.padding.kind() == P::Kind::Same;
    const Index extent = same ? c.in[a] * o.stride[a] : c.in[a];
    before[a] =
        o.padding
            .resolve(static_cast<int>(a), extent, c.kernel[a], o.stride[a], o.dilation[a], "test")
            .before;
  }
  const Index in_group = c.in_channels / o.groups;
  const Index out_group = c.out_channels / o.groups;
  for (Index n = 0; n < c.images; ++n) {
    for (Index i = 0; i < c.in_channels; ++i) {
      for (Index h = 0; h < c.in[0]; ++h) {
        for (Index v = 0; v < c.in[1]; ++v) {
          for (Index j = 0; j < out_group; ++j) {
            const Index channel = i / in_group * out_group + j;
            for (Index r_ = 0; r_ < c.kernel[0]; ++r_) {
              for (Index s = 0; s < c.kernel[1]; ++s) {
                const Index ty = h * o.stride[0] + r_ * o.dilation[0] - before[0];
                const Index tx = v * o.stride[1] + s * o.dilation[1] - before[1];
                if (ty < 0 || tx < 0 || ty >= dy.shape()[2] || tx >= dy.shape()[3]) continue;
                r.y(n, channel, ty, tx) += x(n, i, h, v) * w(i, j, r_, s);
                r.dx(n, i, h, v) += dy(n, channel, ty, tx) * w(i, j, r_, s);
                r.dw(i, j, r_, s) += dy(n, channel, ty, tx) * x(n, i, h, v);
              }
            }
          }
        }
      }
    }
  }
  return r;
}

/// Sums of `terms` products below 4: rounding grows with the root, 8 of them to be safe.
template <class T>
void expect_close(const Array<double>& got, const Array<double>& want, Index terms,
                  const char* what) {
  ASSERT_EQ(got.shape(), want.shape()) << what;
  const double tolerance = 8 * static_cast<double>(std::numeric_limits<T>::epsilon()) *
                           std::sqrt(static_cast<double>(terms + 1));
  for (Index i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got.data()[i], want.data()[i], tolerance * (4 + std::abs(want.data()[i])))
        << what << " at " << i;
  }
}

class ConvTransposeTest : public ::testing::TestWithParam<std::tuple<Case, DataFormat>> {
 protected:
  template <class T>
  void check_all() {
    const auto& [c, format] = GetParam();
    ConvTranspose2dOptions options = c.options;
    options.format = format;
    const Array<T> x = values<T>({c.images, c.in_channels, c.in[0], c.in[1]}, 1);
    const Array<T> w =
        values<T>({c.in_channels, c.out_channels / options.groups, c.kernel[0], c.kernel[1]}, 2);
    const Array<T> bias = values<T>({c.out_channels}, 3);
    const Array<T> x_laid = in_format(x, format);
    const Array<T> y = nn::conv_transpose2d(x_laid, w, options);
    const Array<double> y_wide = from_format(y, format);
    const Array<T> dy = values<T>(y_wide.shape(), 4);
    const Array<T> dy_laid = in_format(dy, format);
    const Reference want = reference(c, x.template astype<double>(), w.template astype<double>(),
                                     dy.template astype<double>());
    const Index taps = c.kernel[0] * c.kernel[1];
    expect_close<T>(y_wide, want.y, taps * c.in_channels, "y");
    expect_close<T>(
        from_format(nn::conv_transpose2d_backward_input(dy_laid, w, x_laid.shape(), options),
                    format),
        want.dx, taps * c.out_channels, "dx");
    expect_close<T>(nn::conv_transpose2d_backward_weight(dy_laid, x_laid, w.shape(), options)
                        .template astype<double>(),
                    want.dw, c.images * c.in[0] * c.in[1], "dw");
    // With a bias: once per element, also where no kernel reaches.
    const Array<double> with_bias =
        from_format(nn::conv_transpose2d(x_laid, w, bias, options), format);
    Array<double> wanted = want.y.copy();
    const Index plane = want.y.shape()[2] * want.y.shape()[3];
    for (Index i = 0; i < wanted.size(); ++i) {
      wanted.data()[i] += static_cast<double>(bias(i / plane % c.out_channels));
    }
    expect_close<T>(with_bias, wanted, taps * c.in_channels, "y with bias");
  }
};

TEST_P(ConvTransposeTest, AgreesWithTheDefinition) {
  test::for_each_target([&] {
    check_all<float>();
    check_all<double>();
  });
}

TEST_P(ConvTransposeTest, StridedArgumentsActivationAndThreads) {
  const auto& [c, format] = GetParam();
  ConvTranspose2dOptions options = c.options;
  options.format = format;
  const Array<double> x =
      in_format(values<double>({c.images, c.in_channels, c.in[0], c.in[1]}, 1), format);
  const Array<double> w =
      values<double>({c.in_channels, c.out_channels / options.groups, c.kernel[0], c.kernel[1]}, 2);
  const Array<double> bias = values<double>({c.out_channels}, 3);
  const Array<double> plain = nn::conv_transpose2d(x, w, bias, options);
  // The same numbers in other memory orders, and into every second element.
  const Array<double> x_turned = x.permute({3, 1, 0, 2}).copy();
  const Array<double> w_turned = w.t().copy();
  Array<double> large(
      Shape{plain.shape()[0], plain.shape()[1], plain.shape()[2], 2 * plain.shape()[3]});
  MutView<double> spaced = large.slice(3, {.step = 2});
  options.activation = nn::Activation::Relu;
  nn::conv_transpose2d_into(x_turned.permute({2, 1, 3, 0}), w_turned.t(), bias, spaced, options);
  auto it = spaced.begin();
  for (const double v : plain) {
    ASSERT_NEAR(*it, std::max(v, 0.0), 1e-12 * (1 + std::abs(v)));
    ++it;
  }
  test::expect_same_on_any_number_of_threads(
      [&] { return nn::conv_transpose2d(x, w, bias, options); });
}

INSTANTIATE_TEST_SUITE_P(Cases, ConvTransposeTest,
                         ::testing::Combine(::testing::ValuesIn(kCases),
                                            ::testing::Values(DataFormat::NCHW, DataFormat::NHWC)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) +
                                  (std::get<1>(test.param) == DataFormat::NCHW ? "_nchw" : "_nhwc");
                         });

TEST(ConvTransposeRanks, OneAxisIsAnImageOfHeightOne) {
  const Array<double> x = values<double>({2, 3, 7}, 1);
  const Array<double> w = values<double>({3, 4, 4}, 2);
  const ConvTranspose1dOptions options{.stride = 3, .padding = 2, .output_padding = 1};
  const Array<double> y = nn::conv_transpose1d(x, w, options);
  const ConvTranspose2dOptions flat{
      .stride = {1, 3}, .padding = P::symmetric(0, 2), .output_padding = {0, 1}};
  const Array<double> flat_y = nn::conv_transpose2d(x.expand_dims(2), w.expand_dims(2), flat);
  EXPECT_EQ(y, flat_y.squeeze(2));
  const Array<double> dy = values<double>(y.shape(), 3);
  const Array<double> dx = nn::conv_transpose2d_backward_input(dy.expand_dims(2), w.expand_dims(2),
                                                               x.expand_dims(2).shape(), flat);
  EXPECT_EQ(nn::conv_transpose1d_backward_input(dy, w, x.shape(), options), dx.squeeze(2));
  const Array<double> dw = nn::conv_transpose2d_backward_weight(dy.expand_dims(2), x.expand_dims(2),
                                                                w.expand_dims(2).shape(), flat);
  EXPECT_EQ(nn::conv_transpose1d_backward_weight(dy, x, w.shape(), options), dw.squeeze(2));
}

TEST(ConvTransposeRanks, IsTheInputGradientOfConv3d) {
  const Array<double> x = values<double>({2, 4, 3, 2, 3}, 1);
  const Array<double> w = values<double>({4, 3, 2, 3, 3}, 2);
  const ConvTranspose3dOptions options{
      .stride = {2, 1, 2}, .padding = P::symmetric(0, 1, 1), .output_padding = {1, 0, 1}};
  const Array<double> y = nn::conv_transpose3d(x, w, options);
  const nn::Conv3dOptions forth{.stride = options.stride, .padding = options.padding};
  EXPECT_EQ(y.shape(), (Shape{2, 3, 7, 2, 6}));
  EXPECT_EQ(y, nn::conv3d_backward_input(x, w, y.shape(), forth));
  const Array<double> dy = values<double>(y.shape(), 3);
  EXPECT_EQ(nn::conv_transpose3d_backward_input(dy, w, x.shape(), options),
            nn::conv3d(dy, w, forth));
  EXPECT_EQ(nn::conv_transpose3d_backward_weight(dy, x, w.shape(), options),
            nn::conv3d_backward_weight(x, dy, w.shape(), forth));
  const Array<double> last = x.permute({0, 2, 3, 4, 1}).copy();
  ConvTranspose3dOptions channels_last = options;
  channels_last.format = DataFormat::NHWC;
  const Array<double> y_last = nn::conv_transpose3d(last, w, channels_last);
  const Array<double> want = y.permute({0, 2, 3, 4, 1}).copy();
  for (Index i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(y_last.data()[i], want.data()[i], 1e-12);
  }
}

TEST(ConvTransposeRanks, MapsAndSamples) {
  const Array<double> map{{1, 2}, {3, 4}};
  const Array<double> ones = Array<double>::ones({2, 2});
  EXPECT_EQ(nn::conv_transpose2d(map, ones), (Array<double>{{1, 3, 2}, {4, 10, 6}, {3, 7, 4}}));
  EXPECT_EQ(nn::conv_transpose2d(map, ones, {2, 2}),
            (Array<double>{{1, 1, 2, 2}, {1, 1, 2, 2}, {3, 3, 4, 4}, {3, 3, 4, 4}}));
  EXPECT_EQ(nn::conv_transpose1d(Array<double>{1, 2}, Array<double>{1, 1}, 2),
            (Array<double>{1, 1, 2, 2}));
  const Array<float> x = values<float>({1, 3, 4, 4}, 1);
  const Array<float> w = values<float>({3, 2, 3, 3}, 2);
  const Array<float> batch = nn::conv_transpose2d(x, w);
  EXPECT_EQ(nn::conv_transpose2d(x.select(0, 0), w), batch.select(0, 0));
  EXPECT_EQ(nn::conv_transpose2d_batched(x, w, {}, {2, 2}, {1, 1}, {1, 1}, {1, 1}),
            nn::conv_transpose2d(x, w, {.stride = 2, .padding = 1, .output_padding = 1}));
}

TEST(ConvTransposeValues, NotANumberReachesItsKernelOnly) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (Index at = 0; at < 20; ++at) {
    Array<double> x = Array<double>::ones({1, 1, 1, 20});
    x(0, 0, 0, at) = nan;
    const Array<double> y = nn::conv_transpose2d(x, Array<double>::ones({1, 1, 1, 3}), {1, 2});
    for (Index j = 0; j < y.shape()[3]; ++j) {
      EXPECT_EQ(std::isnan(y(0, 0, 0, j)), j >= 2 * at && j <= 2 * at + 2) << at << ' ' << j;
    }
  }
}

TEST(ConvTransposeErrors, NameWhatIsWrong) {
  const auto x = Array<float>::ones({1, 3, 4, 4});
  const auto w = Array<float>::ones({3, 2, 3, 3});
  const auto message = [&](const ConvTranspose2dOptions& options) {
    return message_of([&] { (void)nn::conv_transpose2d(x, w, options); });
  };
  EXPECT_EQ(message({.stride = 0}), "conv_transpose2d: stride must be at least 1, got 0");
  EXPECT_EQ(message({.dilation = {1, 0}}), "conv_transpose2d: dilation must be at least 1, got 0");
  EXPECT_EQ(message({.padding = -1}),
            "conv_transpose2d: padding must not be negative, got -1 and -1");
  EXPECT_EQ(message({.stride = 2, .output_padding = 2}),
            "conv_transpose2d: output_padding must be at least 0 and below stride 2 or dilation 1, "
            "got 2");
  EXPECT_EQ(message({.stride = 2, .padding = P::same(), .output_padding = 1}),
            "conv_transpose2d: padding same() already says the extent of the result: "
            "output_padding must be 0, got 1");
  EXPECT_EQ(message({.padding = 3}),
            "conv_transpose2d: padding leaves a result of 0 elements along an axis; x (1, 3, 4, "
            "4), weight (3, 2, 3, 3)");
  EXPECT_EQ(message({.groups = 2}),
            "conv_transpose2d: groups 2 must divide the 3 channels of x; x (1, 3, 4, 4), weight "
            "(3, 2, 3, 3)");
  EXPECT_EQ(message({.groups = 0}), "conv_transpose2d: groups must be at least 1, got 0");
  EXPECT_EQ(message_of([&] {
              (void)nn::conv_transpose2d(x, Array<float>::ones({4, 2, 3, 3}));
            }),
            "conv_transpose2d: weight is for 4 channels, x has 3; x (1, 3, 4, 4), weight (4, 2, 3, "
            "3)");
  EXPECT_EQ(message_of([&] { (void)nn::conv_transpose2d(x, w, Array<float>::ones({3})); }),
            "conv_transpose2d: bias must have shape (2,), got (3,)");
  EXPECT_EQ(message_of([&] {
              (void)nn::conv_transpose2d(Array<float>::ones({1, 3, 0, 4}), w);
            }),
            "conv_transpose2d: x has an empty spatial axis; x (1, 3, 0, 4)");
  EXPECT_EQ(message_of([&] {
              (void)nn::conv_transpose2d(x, Array<float>::ones({3, 2, 0, 3}));
            }),
            "conv_transpose2d: weight has no kernel elements; weight (3, 2, 0, 3)");
  EXPECT_EQ(message_of([&] {
              (void)nn::conv_transpose2d(x, Array<float>::ones({3, 2, 3}));
            }),
            "conv_transpose2d: weight must have rank 4 for x of shape (1, 3, 4, 4), got shape (3, "
            "2, 3)");
  EXPECT_EQ(message_of([&] { (void)nn::conv_transpose2d(Array<float>::ones({3}), w); }),
            "conv_transpose2d: x must have rank 2 (a single map), 3 (a sample) or 4 (a batch), got "
            "shape (3,)");
  Array<float> out(Shape{1, 2, 6, 5});
  EXPECT_EQ(message_of([&] { nn::conv_transpose2d_into(x, w, {}, out); }),
            "conv_transpose2d: out must have shape (1, 2, 6, 6), got (1, 2, 6, 5)");
  Array<float> both = Array<float>::ones({1, 1, 4, 4});
  EXPECT_EQ(message_of([&] {
              nn::conv_transpose2d_into(both, Array<float>::ones({1, 1, 1, 1}), {}, both);
            }),
            "conv_transpose2d: out overlaps an input");
  const auto dy = Array<float>::ones({1, 2, 6, 5});
  EXPECT_EQ(
      message_of([&] { (void)nn::conv_transpose2d_backward_input(dy, w, x.shape()); }),
      "conv_transpose2d_backward_input: dy must have shape (1, 2, 6, 6), got (1, 2, 6, 5); x (1, "
      "3, 4, 4), weight (3, 2, 3, 3)");
  EXPECT_EQ(message_of([&] {
              (void)nn::conv_transpose2d_backward_weight(dy, x, w.shape(),
                                                         {.activation = nn::Activation::Relu});
            }),
            "conv_transpose2d_backward_weight: apply activation_backward first: dy belongs to the "
            "sum before the activation");
}

// As many phases as the stride, but few of them with a tap: a loop over all of them would take
// seconds, each with a product of its own.
TEST(ConvTransposeValues, HugeStrides) {
  using T = double;
  constexpr Index kStride = 2'000'000;
  const Array<T> x{{{1, 2}}};
  const Array<T> w{{{3, 4}}};
  const Array<T> bias{5};
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
    const bool first = format == DataFormat::NCHW;
    const Array<T> y = nn::conv_transpose1d<T>(
        first ? x : x.reshape({1, 2, 1}).copy(), w, bias,
        {.stride = kStride, .format = format, .activation = nn::Activation::Silu});
    ASSERT_EQ(y.size(), kStride + 2);
    const auto after = [](T sum) { return nn::silu(Array<T>{sum}).data()[0]; };
    EXPECT_EQ(y.data()[0], after(8));
    EXPECT_EQ(y.data()[1], after(9));
    EXPECT_EQ(y.data()[2], after(5));
    EXPECT_EQ(y.data()[kStride - 1], after(5));
    EXPECT_EQ(y.data()[kStride], after(11));
    EXPECT_EQ(y.data()[kStride + 1], after(13));
  }
}

}  // namespace
}  // namespace lamina
