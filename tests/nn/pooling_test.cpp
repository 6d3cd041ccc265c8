// Pooling with windows of one size against its definition: maximum with and without indices, mean
// with its ways of counting, both formats, all gradients.

#include "lamina/nn/pooling.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "nn/pooling_reference.hpp"
#include "support/expect.hpp"
#include "support/numbers.hpp"

namespace lamina {
namespace {

using test::AxisCase;
using test::PoolCase;
using test::uniform_numbers;

constexpr AxisCase kNone{};

const PoolCase kCases[] = {
    {"two_by_two", 2, 2, 3, {kNone, AxisCase{8, 2, 2}, AxisCase{12, 2, 2}}},
    {"two_by_two_wide", 2, 1, 2, {kNone, AxisCase{4, 2, 2}, AxisCase{151, 2, 2}}},
    {"two_by_two_ceil",
     2,
     2,
     3,
     {kNone, AxisCase{7, 2, 2, 1, 0, 0, true}, AxisCase{67, 2, 2, 1, 0, 0, true}}},
    {"three_by_three", 2, 1, 5, {kNone, AxisCase{9, 3, 2, 1, 1, 1}, AxisCase{70, 3, 2, 1, 1, 1}}},
    {"three_by_three_deep",
     2,
     1,
     3,
     {kNone, AxisCase{9, 3, 2, 1, 2, 2}, AxisCase{71, 3, 2, 1, 2, 1}}},
    {"three_by_three_valid", 2, 2, 2, {kNone, AxisCase{9, 3, 2}, AxisCase{35, 3, 2}}},
    {"overlapping", 2, 1, 3, {kNone, AxisCase{6, 3, 1, 1, 1, 1}, AxisCase{41, 3, 1, 1, 1, 1}}},
    {"stride_three", 2, 1, 3, {kNone, AxisCase{10, 3, 3}, AxisCase{50, 3, 3}}},
    {"stride_above_kernel", 2, 1, 2, {kNone, AxisCase{13, 2, 4}, AxisCase{39, 3, 5}}},
    {"asymmetric", 2, 1, 3, {kNone, AxisCase{7, 4, 2, 1, 3, 1}, AxisCase{21, 5, 2, 1, 1, 4}}},
    {"dilated", 2, 1, 2, {kNone, AxisCase{12, 3, 1, 2, 2, 1}, AxisCase{40, 3, 2, 3, 3, 2}}},
    {"dilated_even", 2, 1, 2, {kNone, AxisCase{12, 2, 2, 4, 1, 0}, AxisCase{40, 3, 2, 2, 1, 2}}},
    {"ceil_padded",
     2,
     1,
     2,
     {kNone, AxisCase{6, 3, 2, 1, 1, 1, true}, AxisCase{36, 3, 2, 1, 1, 1, true}}},
    {"ceil_drops_the_last",
     2,
     1,
     2,
     {kNone, AxisCase{4, 1, 3, 1, 0, 0, true}, AxisCase{5, 3, 4, 1, 1, 1, true}}},
    {"ceil_larger_than_x",
     2,
     1,
     2,
     {kNone, AxisCase{2, 3, 2, 1, 0, 0, true}, AxisCase{2, 4, 3, 1, 0, 0, true}}},
    {"all_of_it", 2, 2, 3, {kNone, AxisCase{7, 7, 7}, AxisCase{70, 70, 70}}},
    {"many_channels", 2, 1, 130, {kNone, AxisCase{4, 2, 2}, AxisCase{5, 3, 1, 1, 1, 1}}},
    {"only_taps_in_padding", 2, 1, 2, {kNone, AxisCase{1, 2, 1, 2, 1, 1}, AxisCase{3, 2, 2}}},
    {"one_pixel", 2, 1, 1, {kNone, AxisCase{1, 1, 1}, AxisCase{1, 1, 1}}},
    {"sequence", 1, 2, 3, {kNone, kNone, AxisCase{23, 4, 2, 1, 2, 1}}},
    {"long_sequence", 1, 1, 2, {kNone, kNone, AxisCase{8301, 3, 2, 1, 1, 1}}},
    {"long_sequence_one", 1, 1, 1, {kNone, kNone, AxisCase{4501, 5, 1, 2, 4, 3}}},
    {"long_windows", 1, 1, 2, {kNone, kNone, AxisCase{14000, 4500, 700}}},
    {"long_padded", 1, 1, 1, {kNone, kNone, AxisCase{8300, 4, 3, 1, 2, 3}}},
    {"volume",
     3,
     2,
     2,
     {AxisCase{5, 2, 2, 1, 1, 0}, AxisCase{6, 3, 1, 1, 1, 1}, AxisCase{19, 3, 2, 1, 1, 1}}},
    {"volume_dilated",
     3,
     1,
     3,
     {AxisCase{7, 2, 3, 3, 0, 0}, AxisCase{6, 2, 2}, AxisCase{18, 2, 2, 1, 0, 0, true}}},
    {"no_images", 2, 0, 3, {kNone, AxisCase{4, 2, 2}, AxisCase{4, 2, 2}}},
    {"no_channels", 2, 2, 0, {kNone, AxisCase{4, 2, 2}, AxisCase{4, 2, 2}}},
};

/// The same pooling by the function for its number of axes.
template <int Rank, class Options>
Options options_of(const PoolCase& c, DataFormat format) {
  Options options;
  std::array<PaddingAmount, 3> padding{};
  for (std::size_t i = 0; i < static_cast<std::size_t>(Rank); ++i) {
    const AxisCase& axis = c.axes[3 - static_cast<std::size_t>(Rank) + i];
    options.stride[i] = axis.stride;
    options.dilation[i] = axis.dilation;
    padding[i] = {axis.before, axis.behind};
    options.ceil_mode = axis.ceil;
  }
  options.padding = PaddingMode::asymmetric(padding[0], padding[1], padding[2]);
  options.format = format;
  return options;
}
template <int Rank>
PerAxis<Rank> kernel_of(const PoolCase& c) {
  std::array<Index, static_cast<std::size_t>(Rank)> kernel{};
  for (std::size_t i = 0; i < kernel.size(); ++i) kernel[i] = c.axes[3 - kernel.size() + i].kernel;
  return kernel;
}

template <class T, int Rank>
struct Pools {
  const PoolCase& c;
  DataFormat format;
  [[nodiscard]] nn::MaxPoolResult<T> max(const View<T>& x, bool indices) const {
    return nn::detail::max_pool<T, Rank>(x, kernel_of<Rank>(c), indices,
                                         options_of<Rank, nn::PoolOptions<Rank>>(c, format));
  }
  [[nodiscard]] Array<T> max_backward(const View<T>& dy, const View<T>& x) const {
    return nn::detail::max_pool_backward<T, Rank>(
        dy, x, kernel_of<Rank>(c), options_of<Rank, nn::PoolOptions<Rank>>(c, format));
  }
  [[nodiscard]] auto avg_options(bool include, Index divisor) const {
    auto options = options_of<Rank, nn::AvgPoolOptions<Rank>>(c, format);
    options.count_include_pad = include;
    options.divisor = divisor;
    return options;
  }
  [[nodiscard]] Array<T> avg(const View<T>& x, bool include, Index divisor) const {
    return nn::detail::avg_pool<T, Rank>(x, kernel_of<Rank>(c), avg_options(include, divisor));
  }
  [[nodiscard]] Array<T> avg_backward(const View<T>& dy, const Shape& x, bool include,
                                      Index divisor) const {
    return nn::detail::avg_pool_backward<T, Rank>(dy, x, kernel_of<Rank>(c),
                                                  avg_options(include, divisor));
  }
  [[nodiscard]] Array<T> lp(const View<T>& x, double p) const {
    return nn::detail::lp_pool<T, Rank>(x, p, kernel_of<Rank>(c),
                                        options_of<Rank, nn::PoolOptions<Rank>>(c, format));
  }
  [[nodiscard]] Array<T> lp_backward(const View<T>& dy, const View<T>& x, const View<T>& y,
                                     double p) const {
    return nn::detail::lp_pool_backward<T, Rank>(
        dy, x, y, p, kernel_of<Rank>(c), options_of<Rank, nn::PoolOptions<Rank>>(c, format));
  }
};

/// A window's sum of n terms about 1, in T: n roundings at most, in the worst order.
template <class T>
void expect_near(T got, long double want, Index terms, const std::string& what) {
  const auto tolerance = static_cast<long double>(std::numeric_limits<T>::epsilon()) *
                         static_cast<long double>(terms + 4);
  if (std::isnan(want)) {
    ASSERT_TRUE(std::isnan(got)) << what << ": " << got;
  } else {
    ASSERT_LE(std::abs(static_cast<long double>(got) - want), tolerance * (std::abs(want) + 1))
        << what << ": " << got << ", expected " << want;
  }
}

template <class T, int Rank>
void check_case(const PoolCase& c, DataFormat format) {
  const Pools<T, Rank> pools{c, format};
  const Array<T> x = uniform_numbers<T>(test::pool_shape(c, format, false), 1);
  const Shape out_shape = test::pool_shape(c, format, true);
  const Array<T> dy = uniform_numbers<T>(out_shape, 2);
  const Index in = c.axes[0].in * c.axes[1].in * c.axes[2].in;
  const Index out = c.axes[0].out() * c.axes[1].out() * c.axes[2].out();
  const test::PlaneAccess<T> of_x{format, c.channels, in};
  const test::PlaneAccess<T> of_y{format, c.channels, out};

  const Array<T> greatest = pools.max(x, false).values;
  const nn::MaxPoolResult<T> placed = pools.max(x, true);
  ASSERT_EQ(greatest.shape(), out_shape);
  ASSERT_EQ(placed.indices.shape(), out_shape);
  ASSERT_EQ(placed.values, greatest);
  struct Mean {
    bool include;
    Index divisor;
    Array<T> y;
    Array<T> dx;
    std::vector<long double> want_dx;
  };
  std::vector<Mean> means{{true, 0, {}, {}, {}}, {false, 0, {}, {}, {}}, {true, 7, {}, {}, {}}};
  for (Mean& mean : means) {
    mean.y = pools.avg(x, mean.include, mean.divisor);
    ASSERT_EQ(mean.y.shape(), out_shape);
    mean.dx = pools.avg_backward(dy, x.shape(), mean.include, mean.divisor);
    mean.want_dx.resize(static_cast<std::size_t>(x.size()));
  }
  const Array<T> euclid = pools.lp(x, 2);
  const Array<T> absolute = pools.lp(x, 1);
  const Array<T> cubic = pools.lp(x, 3);
  std::vector<long double> max_dx(static_cast<std::size_t>(x.size()));
  for (Index p = 0; p < out; ++p) {
    const test::Window window = test::window_at(c, p);
    const auto terms = static_cast<Index>(window.places.size());
    for (Index n = 0; n < c.images; ++n) {
      for (Index ch = 0; ch < c.channels; ++ch) {
        const std::size_t at = of_y(n, ch, p);
        Index best = -1;
        long double sum = 0, sum1 = 0, sum2 = 0, sum3 = 0;
        for (const Index place : window.places) {
          const T value = x.data()[of_x(n, ch, place)];
          if (best < 0 || value > x.data()[of_x(n, ch, best)]) best = place;
          sum += value;
          sum1 += std::abs(value);
          sum2 += static_cast<long double>(value) * value;
          sum3 += std::abs(static_cast<long double>(value) * value * value);
        }
        const std::string where = std::string(c.name).append(" ").append(std::to_string(at));
        ASSERT_EQ(placed.indices.data()[at], best) << where;
        const T max = best < 0 ? -std::numeric_limits<T>::infinity() : x.data()[of_x(n, ch, best)];
        ASSERT_EQ(greatest.data()[at], max) << where;
        if (best >= 0) max_dx[of_x(n, ch, best)] += static_cast<long double>(dy.data()[at]);
        for (Mean& mean : means) {
          const auto divisor = static_cast<long double>(mean.divisor > 0 ? mean.divisor
                                                        : mean.include   ? window.padded
                                                                         : terms);
          expect_near(mean.y.data()[at], sum / divisor, terms, where);
          for (const Index place : window.places) {
            mean.want_dx[of_x(n, ch, place)] += static_cast<long double>(dy.data()[at]) / divisor;
          }
        }
        expect_near(absolute.data()[at], sum1, terms, where);
        expect_near(euclid.data()[at], std::sqrt(sum2), terms, where);
        expect_near(cubic.data()[at], std::cbrt(sum3), terms, where);
      }
    }
  }
  const Array<T> dx = pools.max_backward(dy, x);
  const Array<T> by_indices =
      nn::detail::max_pool_backward<T, Rank>(dy, placed.indices, x.shape(), format);
  ASSERT_EQ(dx, by_indices);
  // An element lies in so many windows at most.
  const Index windows = 64 + out / 8;
  for (Index i = 0; i < x.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const std::string where = std::string(c.name).append(" dx ").append(std::to_string(i));
    expect_near(dx.data()[i], max_dx[at], windows, where);
    for (const Mean& mean : means) expect_near(mean.dx.data()[i], mean.want_dx[at], windows, where);
  }
}

template <class T>
void check_case(const PoolCase& c, DataFormat format) {
  if (c.rank == 1) return check_case<T, 1>(c, format);
  if (c.rank == 2) return check_case<T, 2>(c, format);
  check_case<T, 3>(c, format);
}

class PoolingTest : public ::testing::TestWithParam<std::tuple<PoolCase, DataFormat>> {};

TEST_P(PoolingTest, AgreesWithTheDefinitionOnEveryTarget) {
  test::for_each_target(
      [&, &pool_case = std::get<0>(GetParam()), format = std::get<1>(GetParam())] {
        check_case<float>(pool_case, format);
        check_case<double>(pool_case, format);
      });
}

TEST_P(PoolingTest, BitEqualOnAnyNumberOfThreads) {
  const auto& [pool_case, format] = GetParam();
  if (pool_case.rank != 2) return;
  PoolCase c = pool_case;
  c.channels *= 9;
  const Pools<float, 2> pools{c, format};
  const Array<float> x = uniform_numbers<float>(test::pool_shape(c, format, false), 1);
  const Array<float> dy = uniform_numbers<float>(test::pool_shape(c, format, true), 2);
  test::expect_same_on_any_number_of_threads([&] { return pools.max(x, false).values; });
  test::expect_same_on_any_number_of_threads([&] { return pools.max(x, true).indices; });
  test::expect_same_on_any_number_of_threads([&] { return pools.avg(x, false, 0); });
  test::expect_same_on_any_number_of_threads([&] { return pools.max_backward(dy, x); });
  test::expect_same_on_any_number_of_threads(
      [&] { return pools.avg_backward(dy, x.shape(), true, 0); });
}

INSTANTIATE_TEST_SUITE_P(Cases, PoolingTest,
                         ::testing::Combine(::testing::ValuesIn(kCases),
                                            ::testing::Values(DataFormat::NCHW, DataFormat::NHWC)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) +
                                  (std::get<1>(test.param) == DataFormat::NCHW ? "_nchw" : "_nhwc");
                         });

}  // namespace
}  // namespace lamina
