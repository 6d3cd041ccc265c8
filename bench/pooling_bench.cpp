// Pooling and its gradients beside a naive loop. Counter: GB/s of x and the result.

#include <benchmark/benchmark.h>

#include <array>
#include <limits>
#include <string>

#include "lamina/lamina.hpp"

namespace {

using namespace lamina;

template <class T>
Array<T> numbers(const Shape& shape, int seed) {
  Array<T> x = Array<T>::empty(shape);
  for (Index i = 0; i < x.size(); ++i) {
    x.data()[i] = static_cast<T>((i * 7919 + seed) % 2003) / T(500) - T(2);
  }
  return x;
}

template <class T>
void count(benchmark::State& state, Index elements) {
  state.counters["GB/s"] =
      benchmark::Counter(static_cast<double>(elements * static_cast<Index>(sizeof(T))) *
                             static_cast<double>(state.iterations()) * 1e-9,
                         benchmark::Counter::kIsRate);
}

enum class Kind { Max, MaxWithIndices, MaxBackward, Avg, AvgBackward, Lp };
struct KindRow {
  Kind kind;
  const char* name;
};
constexpr std::array<KindRow, 6> kKinds{{{Kind::Max, "max_pool2d"},
                                         {Kind::MaxWithIndices, "max_pool2d_with_indices"},
                                         {Kind::MaxBackward, "max_pool2d_backward"},
                                         {Kind::Avg, "avg_pool2d"},
                                         {Kind::AvgBackward, "avg_pool2d_backward"},
                                         {Kind::Lp, "lp_pool2d"}}};

/// One row of the table: images, channels, height, width, kernel, stride, padding.
using Window = std::array<Index, 7>;
constexpr std::array<Window, 5> kWindows{{{16, 64, 112, 112, 2, 2, 0},
                                          {16, 64, 112, 112, 3, 2, 1},
                                          {16, 64, 56, 56, 3, 1, 1},
                                          {1, 256, 14, 14, 2, 2, 0},
                                          {1, 64, 224, 224, 4, 4, 0}}};

template <class T>
void windows(benchmark::State& state, Kind kind, const Window& w, DataFormat format) {
  const auto [images, channels, height, width, kernel, stride, padding] = w;
  const bool last = format == DataFormat::NHWC;
  const Array<T> x = numbers<T>(
      last ? Shape{images, height, width, channels} : Shape{images, channels, height, width}, 1);
  const nn::Pool2dOptions options{.stride = stride, .padding = padding, .format = format};
  const nn::AvgPool2dOptions mean{.stride = stride, .padding = padding, .format = format};
  nn::MaxPoolResult<T> result = nn::max_pool2d_with_indices(x, kernel, options);
  Array<T> dx(x.shape());
  for (auto _ : state) {
    switch (kind) {
      case Kind::Max:
        nn::max_pool2d_into(x, kernel, result.values, options);
        break;
      case Kind::MaxWithIndices:
        nn::max_pool2d_with_indices_into(x, kernel, result.values, result.indices.view(), options);
        break;
      case Kind::MaxBackward:
        nn::max_pool2d_backward_into(result.values, result.indices, dx, format);
        break;
      case Kind::Avg:
        nn::avg_pool2d_into(x, kernel, result.values, mean);
        break;
      case Kind::AvgBackward:
        nn::avg_pool2d_backward_into(result.values, kernel, dx, mean);
        break;
      case Kind::Lp:
        nn::lp_pool2d_into(x, 2, kernel, result.values, options);
        break;
    }
    benchmark::ClobberMemory();
  }
  count<T>(state, x.size() + result.values.size());
}

template <class T, bool Max>
void global(benchmark::State& state, DataFormat format) {
  const Array<T> x =
      numbers<T>(format == DataFormat::NHWC ? Shape{16, 7, 7, 2048} : Shape{16, 2048, 7, 7}, 1);
  Array<T> y(Shape{16, 2048});
  for (auto _ : state) {
    if (Max) {
      nn::global_max_pool_into(x, y, {.format = format});
    } else {
      nn::global_avg_pool_into(x, y, {.format = format});
    }
    benchmark::ClobberMemory();
  }
  count<T>(state, x.size());
}

template <class T>
void naive_max(benchmark::State& state) {
  const Array<T> x = numbers<T>({16, 64, 112, 112}, 1);
  Array<T> y(Shape{16, 64, 56, 56});
  for (auto _ : state) {
    for (Index plane = 0; plane < 16 * 64; ++plane) {
      for (Index h = 0; h < 56; ++h) {
        for (Index w = 0; w < 56; ++w) {
          T max = -std::numeric_limits<T>::infinity();
          for (Index r = 0; r < 2; ++r) {
            for (Index s = 0; s < 2; ++s) {
              const T value = x.data()[(plane * 112 + 2 * h + r) * 112 + 2 * w + s];
              if (value > max || value != value) max = value;
            }
          }
          y.data()[(plane * 56 + h) * 56 + w] = max;
        }
      }
    }
    benchmark::ClobberMemory();
  }
  count<T>(state, x.size() + y.size());
}

template <class T>
void register_type(const std::string& type) {
  for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
    const std::string suffix = std::string("/").append(to_string(format)).append("/").append(type);
    for (const KindRow& kind : kKinds) {
      for (const Window& w : kWindows) {
        std::string name(kind.name);
        for (const Index number : w) name.append("/").append(std::to_string(number));
        benchmark::RegisterBenchmark((name + suffix).c_str(), windows<T>, kind.kind, w, format)
            ->UseRealTime();
      }
    }
    benchmark::RegisterBenchmark(("global_avg_pool" + suffix).c_str(), global<T, false>, format)
        ->UseRealTime();
    benchmark::RegisterBenchmark(("global_max_pool" + suffix).c_str(), global<T, true>, format)
        ->UseRealTime();
  }
  benchmark::RegisterBenchmark(("naive_max_pool2d/16/64/112/112/2/2/0/NCHW/" + type).c_str(),
                               naive_max<T>)
      ->UseRealTime();
}

}  // namespace

int main(int argc, char** argv) {
  register_type<float>("f32");
  register_type<double>("f64");
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
