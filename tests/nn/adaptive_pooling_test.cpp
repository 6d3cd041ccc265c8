// Adaptive and global pooling, and unpooling, against their definitions.

#include "lamina/nn/adaptive_pooling.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "lamina/nn/max_unpool.hpp"
#include "nn/pooling_reference.hpp"
#include "support/expect.hpp"
#include "support/numbers.hpp"

namespace lamina::nn {
namespace {

using test::AxisCase;
using test::PoolCase;
using test::uniform_numbers;

constexpr AxisCase kNone{};
AxisCase to(Index in, Index out) {
  AxisCase axis;
  axis.in = in;
  axis.adaptive = out;
  return axis;
}

const PoolCase kCases[] = {
    {"divides", 2, 2, 3, {kNone, to(8, 4), to(70, 35)}},
    {"divides_not", 2, 1, 3, {kNone, to(7, 3), to(71, 9)}},
    {"in_part", 2, 1, 2, {kNone, to(8, 2), to(7, 4)}},
    {"to_one", 2, 2, 5, {kNone, to(7, 1), to(7, 1)}},
    {"to_more", 2, 1, 2, {kNone, to(3, 5), to(4, 11)}},
    {"to_the_same", 2, 1, 2, {kNone, to(3, 3), to(20, 20)}},
    {"channels", 2, 2, 67, {kNone, to(5, 2), to(6, 4)}},
    {"many_channels", 2, 1, 700, {kNone, to(5, 2), to(6, 4)}},
    {"sequence", 1, 2, 2, {kNone, kNone, to(131, 7)}},
    {"volume", 3, 1, 2, {to(5, 2), to(6, 4), to(19, 3)}},
};

template <class T, int Rank>
void check_adaptive(const PoolCase& c, DataFormat format) {
  const Array<T> x = uniform_numbers<T>(test::pool_shape(c, format, false), 1);
  const Shape out_shape = test::pool_shape(c, format, true);
  const Array<T> dy = uniform_numbers<T>(out_shape, 2);
  std::array<Index, static_cast<std::size_t>(Rank)> wanted{};
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    wanted[i] = c.axes[3 - wanted.size() + i].adaptive;
  }
  const PerAxis<Rank> extents(wanted);
  const Array<T> mean = detail::adaptive_pool<T, Rank>(false, x, extents, false, format).values;
  const MaxPoolResult<T> max = detail::adaptive_pool<T, Rank>(true, x, extents, true, format);
  ASSERT_EQ((detail::adaptive_pool<T, Rank>(true, x, extents, false, format).values), max.values);
  ASSERT_EQ(mean.shape(), out_shape);
  const Array<T> dx_mean = detail::adaptive_avg_pool_backward<T, Rank>(dy, x.shape(), format);
  const Array<T> dx_max = detail::adaptive_max_pool_backward<T, Rank>(dy, x, format);
  ASSERT_EQ((detail::max_pool_backward<T, Rank>(dy, max.indices, x.shape(), format)), dx_max);
  Array<T> again(out_shape);
  detail::adaptive_pool_into<T, Rank>(false, x, again, nullptr, format);
  ASSERT_EQ(again, mean);

  const Index in = c.axes[0].in * c.axes[1].in * c.axes[2].in;
  const Index out = c.axes[0].out() * c.axes[1].out() * c.axes[2].out();
  const test::PlaneAccess<T> of_x{format, c.channels, in};
  const test::PlaneAccess<T> of_y{format, c.channels, out};
  std::vector<long double> want_mean(static_cast<std::size_t>(x.size()));
  std::vector<long double> want_max(static_cast<std::size_t>(x.size()));
  const auto tolerance = static_cast<double>(64 * std::numeric_limits<T>::epsilon());
  for (Index p = 0; p < out; ++p) {
    const test::Window window = test::window_at(c, p);
    const auto count = static_cast<long double>(window.places.size());
    for (Index n = 0; n < c.images; ++n) {
      for (Index ch = 0; ch < c.channels; ++ch) {
        const std::size_t at = of_y(n, ch, p);
        Index best = window.places.front();
        long double sum = 0;
        for (const Index place : window.places) {
          const T value = x.data()[of_x(n, ch, place)];
          sum += value;
          if (value > x.data()[of_x(n, ch, best)]) best = place;
          want_mean[of_x(n, ch, place)] += static_cast<long double>(dy.data()[at]) / count;
        }
        want_max[of_x(n, ch, best)] += static_cast<long double>(dy.data()[at]);
        ASSERT_EQ(max.indices.data()[at], best) << c.name << ' ' << at;
        ASSERT_EQ(max.values.data()[at], x.data()[of_x(n, ch, best)]);
        ASSERT_NEAR(static_cast<double>(mean.data()[at]), static_cast<double>(sum / count),
                    tolerance)
            << c.name << ' ' << at;
      }
    }
  }
  for (std::size_t i = 0; i < want_mean.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(dx_mean.data()[i]), static_cast<double>(want_mean[i]),
                tolerance)
        << c.name << ' ' << i;
    ASSERT_NEAR(static_cast<double>(dx_max.data()[i]), static_cast<double>(want_max[i]), tolerance)
        << c.name << ' ' << i;
  }
}

template <class T>
void check_adaptive(const PoolCase& c, DataFormat format) {
  if (c.rank == 1) return check_adaptive<T, 1>(c, format);
  if (c.rank == 2) return check_adaptive<T, 2>(c, format);
  check_adaptive<T, 3>(c, format);
}

TEST(AdaptivePooling, AgreesWithTheDefinitionOnEveryTarget) {
  test::for_each_target([] {
    for (const PoolCase& c : kCases) {
      for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
        check_adaptive<float>(c, format);
        check_adaptive<double>(c, format);
      }
    }
  });
}

TEST(AdaptivePooling, BitEqualOnAnyNumberOfThreads) {
  const Array<float> x = uniform_numbers<float>({4, 33, 31, 35}, 1);
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
    const Array<float> dy = uniform_numbers<float>(adaptive_avg_pool2d(x, 4, format).shape(), 2);
    test::expect_same_on_any_number_of_threads([&] { return adaptive_avg_pool2d(x, 4, format); });
    test::expect_same_on_any_number_of_threads(
        [&] { return adaptive_max_pool2d_backward(dy, x, format); });
    test::expect_same_on_any_number_of_threads(
        [&] { return adaptive_avg_pool2d_backward(dy, x.shape(), format); });
    test::expect_same_on_any_number_of_threads(
        [&] { return global_avg_pool(x, {.format = format}); });
    test::expect_same_on_any_number_of_threads(
        [&] { return global_max_pool(x, {.format = format}); });
  }
}

template <class T>
class GlobalPooling : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(GlobalPooling, Types);

TYPED_TEST(GlobalPooling, PlanesOfEverySize) {
  using T = TypeParam;
  test::for_each_target([] {
    // The last one is too large to be added up in one go.
    for (const Index width : {1, 3, 7, 8, 17, 31, 33, 64, 150, 700}) {
      const Array<T> x = uniform_numbers<T>({2, 5, 7, width}, 1);
      const Array<T> last = x.permute({0, 2, 3, 1}).copy();
      const Array<T> mean = global_avg_pool(x);
      const Array<T> max = global_max_pool(x);
      ASSERT_EQ(mean.shape(), (Shape{2, 5}));
      for (Index n = 0; n < 2; ++n) {
        for (Index c = 0; c < 5; ++c) {
          long double sum = 0;
          T greatest = x(n, c, 0, 0);
          for (Index h = 0; h < 7; ++h) {
            for (Index w = 0; w < width; ++w) {
              sum += static_cast<long double>(x(n, c, h, w));
              greatest = std::max(greatest, x(n, c, h, w));
            }
          }
          ASSERT_NEAR(static_cast<double>(mean(n, c)), static_cast<double>(sum / (7 * width)),
                      static_cast<double>(16 * std::numeric_limits<T>::epsilon()));
          ASSERT_EQ(max(n, c), greatest);
        }
      }
      EXPECT_TRUE(allclose(global_avg_pool(last, {.format = DataFormat::NHWC}), mean, 0,
                           16 * std::numeric_limits<T>::epsilon()));
      EXPECT_EQ(global_max_pool(last, {.format = DataFormat::NHWC}), max);
    }
  });
}

TYPED_TEST(GlobalPooling, APlaneIsTheSameInAnyCompany) {
  using T = TypeParam;
  test::for_each_target([] {
    const Array<T> x = uniform_numbers<T>({1, 35, 7, 7}, 2);
    const Array<T> mean = global_avg_pool(x);
    for (Index c = 0; c < 35; ++c) {
      const Array<T> alone = x.slice(1, {c, c + 1}).copy();
      EXPECT_EQ(global_avg_pool(alone)(0, 0), mean(0, c)) << c;
    }
    for (Index at = 0; at < 49; ++at) {
      const Index channel = at % 35;
      Array<T> hurt = x.copy();
      hurt(0, channel, at / 7, at % 7) = std::numeric_limits<T>::quiet_NaN();
      const Array<T> hurt_mean = global_avg_pool(hurt);
      const Array<T> hurt_max = global_max_pool(hurt);
      for (Index c = 0; c < 35; ++c) {
        EXPECT_EQ(std::isnan(hurt_mean(0, c)), c == channel) << at << ' ' << c;
        EXPECT_EQ(std::isnan(hurt_max(0, c)), c == channel) << at << ' ' << c;
      }
    }
  });
}

TYPED_TEST(GlobalPooling, FormsAndGradients) {
  using T = TypeParam;
  const Array<T> x = uniform_numbers<T>({2, 3, 4, 5}, 1);
  EXPECT_EQ(global_avg_pool2d(x), global_avg_pool(x));
  const Array<T> all = global_avg_pool(x);
  EXPECT_EQ(global_avg_pool2d(x.select(0, 1)), all.row(1));
  EXPECT_EQ(global_max_pool(x, {.keep_dims = true}).shape(), (Shape{2, 3, 1, 1}));
  EXPECT_EQ(global_max_pool2d(x.select(0, 1).select(0, 2)).item(), global_max_pool(x)(1, 2));
  EXPECT_EQ(global_max_pool1d(x.select(0, 0)).shape(), (Shape{3, 4}));
  EXPECT_EQ(global_avg_pool3d(x).shape(), (Shape{2}));
  EXPECT_EQ(global_avg_pool(x, {.keep_dims = true, .format = DataFormat::NHWC}).shape(),
            (Shape{2, 1, 1, 5}));

  const Array<T> dy = uniform_numbers<T>({2, 3}, 2);
  const Array<T> dmean = global_avg_pool_backward(dy, x.shape());
  const Array<T> dmax = global_max_pool_backward(dy, x);
  EXPECT_EQ(global_avg_pool2d_backward(dy.reshape({2, 3, 1, 1}), x.shape()), dmean);
  EXPECT_EQ(global_max_pool2d_backward(dy.reshape({2, 3, 1, 1}), x), dmax);
  const Array<T> max = global_max_pool(x);
  for (Index n = 0; n < 2; ++n) {
    for (Index c = 0; c < 3; ++c) {
      for (Index h = 0; h < 4; ++h) {
        for (Index w = 0; w < 5; ++w) {
          EXPECT_NEAR(static_cast<double>(dmean(n, c, h, w)), static_cast<double>(dy(n, c)) / 20,
                      1e-7);
          EXPECT_EQ(dmax(n, c, h, w), x(n, c, h, w) == max(n, c) ? dy(n, c) : T(0));
        }
      }
    }
  }
  // Of equals the first alone.
  EXPECT_EQ(global_max_pool_backward(Array<T>::scalar(3), Array<T>::ones({2, 2})),
            (Array<T>{{3, 0}, {0, 0}}));
  Array<T> out = Array<T>::zeros({2, 6});
  const MutView<T> spaced = out.slice(1, {.step = 2});
  global_avg_pool_into(x, spaced);
  EXPECT_TRUE(allclose(View<T>(spaced), global_avg_pool(x), 1e-6, 1e-6));
}

TYPED_TEST(GlobalPooling, UnpoolingPutsThemBack) {
  using T = TypeParam;
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
    const bool last = format == DataFormat::NHWC;
    const Array<T> x = uniform_numbers<T>(last ? Shape{2, 8, 7, 3} : Shape{2, 3, 8, 7}, 1);
    const auto pooled = max_pool2d_with_indices(x, 2, {.format = format});
    const Array<T> back = max_unpool2d(pooled.values, pooled.indices, 2,
                                       {.output_extents = {0, 7}, .format = format});
    ASSERT_EQ(back.shape(), x.shape());
    // What is there is x, and as many of them as were pooled.
    Index kept = 0;
    for (Index i = 0; i < x.size(); ++i) {
      if (back.data()[i] != T(0)) {
        ++kept;
        EXPECT_EQ(back.data()[i], x.data()[i]);
      }
    }
    EXPECT_EQ(kept, pooled.values.size());
    EXPECT_EQ(max_pool2d_backward(pooled.values, pooled.indices, x.shape(), format), back);
    EXPECT_EQ(max_unpool2d_backward(x, pooled.indices, format), pooled.values);
    Array<T> out(x.shape());
    max_unpool2d_into(pooled.values, pooled.indices, out, format);
    EXPECT_EQ(out, back);
  }
  const auto sequence = max_pool1d_with_indices(Array<T>{1, 5, 2, 9, 3, 4}, 2);
  EXPECT_EQ(max_unpool1d(sequence.values, sequence.indices, 2), (Array<T>{0, 5, 0, 9, 0, 4}));
  EXPECT_EQ(max_unpool1d(Array<T>{1, 2, 3}, Array<std::int64_t>{4, 4, -1}, 2),
            (Array<T>{0, 0, 0, 0, 2, 0}));
  const Array<T> volume = uniform_numbers<T>({2, 4, 4, 6}, 3);
  const auto cubes = max_pool3d_with_indices(volume, 2);
  EXPECT_EQ(max_unpool3d_backward(max_unpool3d(cubes.values, cubes.indices, 2), cubes.indices),
            cubes.values);
}

}  // namespace
}  // namespace lamina::nn
