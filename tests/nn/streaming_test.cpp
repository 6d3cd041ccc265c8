#include "nn/streaming.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "kernels/activation.hpp"
#include "kernels/arithmetic.hpp"
#include "kernels/norm.hpp"
#include "kernels/stream.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/core/simd.hpp"
#include "lamina/nn/activation.hpp"
#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/normalization.hpp"
#include "lamina/nn/pooling.hpp"

namespace lamina::nn {
namespace {

template <class T>
class Streaming : public ::testing::Test {
 protected:
  void TearDown() override { simd::reset(); }
};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Streaming, Types);

template <class T>
Array<T> numbers(const Shape& shape) {
  Array<T> x = Array<T>::empty(shape);
  for (Index i = 0; i < x.size(); ++i) {
    x.data()[i] = static_cast<T>((i * 2654435761) % 4093) / T(512) - T(4);
  }
  return x;
}

// A virtual machine may report the caches of the whole processor as one.
TEST(StreamingBytes, AreNoMoreThanACoreReaches) {
  EXPECT_GT(detail::streaming_bytes(), 0);
  EXPECT_LE(detail::streaming_bytes(), Index{32} << 20);
}

TYPED_TEST(Streaming, WritesEachElementWhereverTheResultBegins) {
  using T = TypeParam;
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    for (const Index size : {0, 1, 2, 15, 16, 17, 63, 64, 200, 1023, 1024, 1025, 3000}) {
      const Array<T> x = numbers<T>({size + 1});
      for (Index begin = 0; begin < 18; ++begin) {
        std::vector<T> y(static_cast<std::size_t>(size + 40), T(99));
        kernels::stream_copy(x.data(), y.data() + begin, size);
        kernels::stream_fence();
        for (Index i = 0; i < size + 40; ++i) {
          const bool inside = i >= begin && i < begin + size;
          ASSERT_EQ(y[static_cast<std::size_t>(i)], inside ? x(i - begin) : T(99))
              << size << " from " << begin << " at " << i;
        }
      }
    }
  }
}

TYPED_TEST(Streaming, MapsHaveTheSameBitsWhereverTheResultBegins) {
  using T = TypeParam;
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    for (const Index size : {0, 1, 2, 15, 16, 17, 63, 64, 200, 1025}) {
      const Array<T> a = numbers<T>({size + 1}), b = numbers<T>({size + 3});
      std::vector<T> expected(static_cast<std::size_t>(size + 1));
      for (Index begin = 0; begin < 18; ++begin) {
        std::vector<T> y(static_cast<std::size_t>(size + 40), T(99));
        const auto expect = [&](const char* what) {
          for (Index i = 0; i < size + 40; ++i) {
            const bool inside = i >= begin && i < begin + size;
            const T value = inside ? expected[static_cast<std::size_t>(i - begin)] : T(99);
            ASSERT_EQ(y[static_cast<std::size_t>(i)], value)
                << what << " " << size << " from " << begin << " at " << i;
          }
        };
        kernels::activation_forward(Activation::LeakyRelu, a.data(), expected.data(), size, 0.1, 0);
        kernels::activation_forward(Activation::LeakyRelu, a.data(), y.data() + begin, size, 0.1, 0,
                                    true);
        expect("leaky_relu");
        kernels::binary(BinaryOp::Sub, a.data() + 1, b.data() + 2, expected.data(), size);
        kernels::binary(BinaryOp::Sub, a.data() + 1, b.data() + 2, y.data() + begin, size, true);
        expect("sub");
      }
    }
  }
}

/// A matrix of so many rows that the result is beyond the caches of this machine, if they are not
/// extraordinary.
template <class T>
Array<T> large(Index columns) {
  const Index most = Index{1} << 26;
  const Index size = std::min(most, detail::streaming_bytes() / Index{sizeof(T)} + 1000);
  return numbers<T>({size / columns + 1, columns});
}

TYPED_TEST(Streaming, LargeResultsHaveTheBitsOfSmallOnes) {
  using T = TypeParam;
  const Array<T> x = large<T>(1000);
  const Index half = x.rows() / 2;
  const View<T> top = x.view().slice(0, half), bottom = x.view().slice(half, x.rows());
  const int before = num_threads();
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    const auto expect_top = [&](const Array<T>& y, const Array<T>& expected) {
      EXPECT_EQ(y.view().slice(0, half), expected);
    };
    const auto expect_bottom = [&](const Array<T>& y, const Array<T>& expected) {
      EXPECT_EQ(y.view().slice(half, x.rows()), expected);
    };
    expect_top(sigmoid(x), sigmoid(top));
    expect_bottom(relu6(x), relu6(bottom));
    expect_top(relu_backward<T>(x, x), relu_backward<T>(top, top));
    Array<T> y = add<T>(x, x);
    expect_bottom(y, add<T>(bottom, bottom));
    relu_inplace(y);
    expect_top(y, relu(add<T>(top, top)));
    const Array<T> gamma = numbers<T>({1000}), beta = numbers<T>({1000});
    expect_bottom(layer_norm<T>(x, gamma, beta), layer_norm<T>(bottom, gamma, beta));
    expect_top(rms_norm<T>(x, gamma), rms_norm<T>(top, gamma));
  }
  set_num_threads(before);
}

TYPED_TEST(Streaming, LargePoolsHaveTheBitsOfSmallOnes) {
  using T = TypeParam;
  const Array<T> rows = large<T>(32 * 64);
  const View<T> x = rows.view().reshape({1, rows.rows(), 32, 64});
  const Index half = rows.rows() / 2;
  for (const int kernel : {2, 3}) {
    for (const int padding : {0, 1}) {
      const Array<T> mean = avg_pool2d<T>(x, kernel, {.stride = 2, .padding = padding});
      const Array<T> most = max_pool2d<T>(x, kernel, {.stride = 2, .padding = padding});
      for (const auto& [begin, end] : {std::pair{Index{0}, half}, std::pair{half, rows.rows()}}) {
        const View<T> part = x.slice(1, {begin, end});
        EXPECT_EQ(mean.view().slice(1, {begin, end}),
                  avg_pool2d<T>(part, kernel, {.stride = 2, .padding = padding}));
        EXPECT_EQ(most.view().slice(1, {begin, end}),
                  max_pool2d<T>(part, kernel, {.stride = 2, .padding = padding}));
      }
    }
  }
}

TYPED_TEST(Streaming, LargeRowsOfWholeVectorsAreNormalizedLikeSmallOnes) {
  using T = TypeParam;
  Array<T> x = large<T>(1024);
  for (Index row = 0; row < x.rows(); row += 3) {
    x(row, 0) = T(1e5);  // the first elements say nothing of the mean
  }
  const Index half = x.rows() / 2;
  const View<T> top = x.view().slice(0, half), bottom = x.view().slice(half, x.rows());
  const Array<T> gamma = numbers<T>({1024}), beta = numbers<T>({1024});
  const int before = num_threads();
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    const auto expect = [&](const char* what, const Array<T>& y, const Array<T>& y_top,
                            const Array<T>& y_bottom) {
      EXPECT_EQ(y.view().slice(0, half), y_top) << what;
      EXPECT_EQ(y.view().slice(half, x.rows()), y_bottom) << what;
    };
    expect("layer_norm", layer_norm<T>(x, gamma, beta), layer_norm<T>(top, gamma, beta),
           layer_norm<T>(bottom, gamma, beta));
    expect("layer_norm without beta", layer_norm<T>(x, gamma), layer_norm<T>(top, gamma),
           layer_norm<T>(bottom, gamma));
    expect("rms_norm", rms_norm<T>(x, gamma), rms_norm<T>(top, gamma), rms_norm<T>(bottom, gamma));
  }
  set_num_threads(before);
}

TYPED_TEST(Streaming, LargeBatchesAreNormalizedByChannel) {
  using T = TypeParam;
  for (const Index channels : {7, 64, 1500}) {
    const Array<T> x = large<T>(channels);
    const Array<T> gamma = numbers<T>({channels}), beta = numbers<T>({channels});
    for (const DataFormat format : {DataFormat::NHWC, DataFormat::NCHW}) {
      // NCHW: (1, channels, rows) holds the same columns, transposed.
      const bool last = format == DataFormat::NHWC;
      const Array<T> in = last ? x : Array<T>(x.t().reshape({1, channels, x.rows()}));
      const Array<T> y = batch_norm<T>(in, gamma, beta, 1e-5, format);
      for (const Index c : {Index{0}, channels / 2, channels - 1}) {
        // More precise than double: the larger the cache, the longer these plain sums.
        long double mean = 0, squares = 0;
        for (Index r = 0; r < x.rows(); ++r) {
          mean += static_cast<long double>(x(r, c));
        }
        mean /= static_cast<long double>(x.rows());
        for (Index r = 0; r < x.rows(); ++r) {
          const long double distance = static_cast<long double>(x(r, c)) - mean;
          squares += distance * distance;
        }
        const long double rstd =
            1 / std::sqrt(squares / static_cast<long double>(x.rows()) + 1e-5L);
        for (const Index r : {Index{0}, x.rows() / 3, x.rows() - 1}) {
          const auto expected = static_cast<double>((static_cast<long double>(x(r, c)) - mean) *
                                                        rstd * static_cast<long double>(gamma(c)) +
                                                    static_cast<long double>(beta(c)));
          const T value = last ? y(r, c) : y(0, c, r);
          EXPECT_NEAR(static_cast<double>(value), expected, sizeof(T) == 4 ? 1e-5 : 1e-13);
        }
      }
    }
  }
}

TYPED_TEST(Streaming, LargeGradientsOfABatchAreThoseOfTheFormula) {
  using T = TypeParam;
  const Array<T> x = large<T>(64);
  const Index rows = x.rows();
  const Array<T> gamma = numbers<T>({64});
  const Array<T> dy = add<T>(mul<T>(x, x), gamma);
  const auto gradients = batch_norm_backward<T>(dy, x, gamma, 1e-5, DataFormat::NHWC);
  for (const Index c : {0, 31, 63}) {
    const double count = static_cast<double>(rows);
    double mean = 0, squares = 0, of_dy = 0, of_product = 0;
    for (Index r = 0; r < rows; ++r) {
      mean += static_cast<double>(x(r, c)) / count;
      of_dy += static_cast<double>(dy(r, c)) / count;
    }
    for (Index r = 0; r < rows; ++r) {
      const double e = static_cast<double>(x(r, c)) - mean;
      squares += e * e / count;
      of_product += e * static_cast<double>(dy(r, c)) / count;
    }
    const double rstd = 1 / std::sqrt(squares + 1e-5);
    for (const Index r : {Index{0}, rows / 2, rows - 1}) {
      const double e = static_cast<double>(x(r, c)) - mean;
      const double expected =
          static_cast<double>(gamma(c)) * rstd *
          (static_cast<double>(dy(r, c)) - of_dy - e * rstd * rstd * of_product);
      EXPECT_NEAR(static_cast<double>(gradients.dx(r, c)), expected, sizeof(T) == 4 ? 2e-4 : 1e-11);
    }
  }
}

TYPED_TEST(Streaming, NormalizedGroupsHaveTheSameBits) {
  using T = TypeParam;
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    // Rows of whole vectors, and not: straight from the registers, and by way of the L1.
    for (const auto& [width, element] : {std::pair{2500, 0}, {2500, 1}, {2560, 0}, {2560, 1}}) {
      const Array<T> x = numbers<T>({6, width}), gamma = numbers<T>({width});
      Array<T> expected = Array<T>::zeros(x.shape()), y = Array<T>::zeros(x.shape());
      kernels::NormArgs<T> args;
      args.x = x.data();
      args.groups = 3;
      args.group_stride = 2 * width;
      args.runs = 2;
      args.run_stride = width;
      args.n = width;
      args.gamma = gamma.data();
      args.steps = {element == 1 ? 0 : 2, element == 1 ? 0 : 1, element};
      args.eps = 1e-5;
      args.y = expected.data();
      kernels::norm_groups(args);
      args.y = y.data();
      args.stream = true;
      kernels::norm_groups(args);
      EXPECT_EQ(y, expected);
    }
  }
}

// Short rows of whole vectors, of which one is written while the next is summed up, and others.
TYPED_TEST(Streaming, NormalizedRowsHaveTheSameBits) {
  using T = TypeParam;
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    for (const Index width : {16, 64, 1000, 1024, 2112, 4096}) {
      for (const Index rows : {1, 2, 5}) {
        const Array<T> x = numbers<T>({rows, width});
        const Array<T> gamma = numbers<T>({width}), beta = numbers<T>({width});
        for (const bool center : {false, true}) {
          for (const bool has_beta : {false, true}) {
            Array<T> y[2], mean[2], rstd[2];
            for (const bool stream : {false, true}) {
              y[stream] = Array<T>::zeros(x.shape());
              mean[stream] = Array<T>::zeros({rows});
              rstd[stream] = Array<T>::zeros({rows});
              kernels::NormArgs<T> args;
              args.x = x.data();
              args.y = y[stream].data();
              args.groups = rows;
              args.group_stride = width;
              args.runs = 1;
              args.n = width;
              args.gamma = gamma.data();
              args.beta = has_beta ? beta.data() : nullptr;
              args.steps = {0, 0, 1};
              args.eps = 1e-5;
              args.center = center;
              args.mean = mean[stream].data();
              args.rstd = rstd[stream].data();
              args.stream = stream;
              kernels::norm_groups(args);
            }
            EXPECT_EQ(y[1], y[0]) << rows << " rows of " << width;
            EXPECT_EQ(mean[1], mean[0]);
            EXPECT_EQ(rstd[1], rstd[0]);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace lamina::nn
