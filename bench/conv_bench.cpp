// Convolutions of ResNet-50 and MobileNet, forward and both gradients, float and double, channels
// first and last, batches of 1 and 16. GFLOP/s count the multiplications of the direct sum, also
// where Winograd's algorithm does fewer.
//
//   LAMINA_NUM_THREADS=1 conv_bench --benchmark_filter=3x3.*f32.*nchw
//   conv_bench --direct ...          never Winograd's algorithm

#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <type_traits>

#include "lamina/core/random.hpp"
#include "lamina/nn/conv.hpp"

namespace {

using namespace lamina;

struct Shape2d {
  const char* name;
  Index channels, extent, out_channels, kernel, stride, padding;
  bool depthwise;
};
constexpr Shape2d kShapes[] = {
    {"3x3_64_56", 64, 56, 64, 3, 1, 1, false},
    {"3x3_128_28", 128, 28, 128, 3, 1, 1, false},
    {"3x3_256_14", 256, 14, 256, 3, 1, 1, false},
    {"3x3_512_7", 512, 7, 512, 3, 1, 1, false},
    {"3x3s2_128_56", 128, 56, 128, 3, 2, 1, false},
    {"1x1_64_256_56", 64, 56, 256, 1, 1, 0, false},
    {"1x1_256_64_56", 256, 56, 64, 1, 1, 0, false},
    {"1x1_1024_256_14", 1024, 14, 256, 1, 1, 0, false},
    {"1x1_512_2048_7", 512, 7, 2048, 1, 1, 0, false},
    {"1x1s2_256_512_56", 256, 56, 512, 1, 2, 0, false},
    {"7x7s2_3_64_224", 3, 224, 64, 7, 2, 3, false},
    {"depthwise_32_112", 32, 112, 32, 3, 1, 1, true},
    {"depthwise_128_56", 128, 56, 128, 3, 1, 1, true},
    {"depthwise_512_14", 512, 14, 512, 3, 1, 1, true},
    {"depthwise_s2_32_112", 32, 112, 32, 3, 2, 1, true},
    {"depthwise_s2_128_56", 128, 56, 128, 3, 2, 1, true},
    {"depthwise_s2_512_14", 512, 14, 512, 3, 2, 1, true},
};

enum class Pass { Forward, BackwardInput, BackwardWeight };
constexpr const char* kPassNames[] = {"forward", "backward_input", "backward_weight"};

template <class T>
void run(benchmark::State& state, const Shape2d& s, Index images, DataFormat format, Pass pass) {
  Generator generator(1);
  const Index out = (s.extent + 2 * s.padding - s.kernel) / s.stride + 1;
  const bool last = format == DataFormat::NHWC;
  const auto image = [&](Index channels, Index extent) {
    return last ? Shape{images, extent, extent, channels} : Shape{images, channels, extent, extent};
  };
  const nn::Conv2dOptions options{.stride = s.stride,
                                  .padding = s.padding,
                                  .groups = s.depthwise ? s.channels : 1,
                                  .format = format};
  const Array<T> x = random_normal<T>(image(s.channels, s.extent), generator);
  const Array<T> weight = random_normal<T>(
      {s.out_channels, s.channels / options.groups, s.kernel, s.kernel}, generator);
  const Array<T> dy = random_normal<T>(image(s.out_channels, out), generator);
  Array<T> y(dy.shape());
  for (auto _ : state) {
    switch (pass) {
      case Pass::Forward:
        nn::conv2d_into(x, weight, View<T>(), y, options);
        benchmark::DoNotOptimize(y.data());
        break;
      case Pass::BackwardInput:
        benchmark::DoNotOptimize(nn::conv2d_backward_input(dy, weight, x.shape(), options).data());
        break;
      case Pass::BackwardWeight:
        benchmark::DoNotOptimize(nn::conv2d_backward_weight(dy, x, weight.shape(), options).data());
        break;
    }
  }
  const double products =
      static_cast<double>(dy.size()) * static_cast<double>(weight.size() / s.out_channels);
  state.counters["GFLOP/s"] =
      benchmark::Counter(2e-9 * products, benchmark::Counter::kIsIterationInvariantRate);
}

template <class T>
void add_all() {
  for (const Shape2d& shape : kShapes) {
    for (const Index images : {1, 16}) {
      for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
        for (const Pass pass : {Pass::Forward, Pass::BackwardInput, Pass::BackwardWeight}) {
          std::string name = "conv/";
          name.append(shape.name).append(images == 1 ? "/b1" : "/b16");
          name.append(std::is_same_v<T, float> ? "/f32" : "/f64");
          name.append(format == DataFormat::NCHW ? "/nchw/" : "/nhwc/");
          name.append(kPassNames[static_cast<int>(pass)]);
          benchmark::RegisterBenchmark(name.c_str(), [&shape, images, format,
                                                      pass](benchmark::State& state) {
            run<T>(state, shape, images, format, pass);
          })->UseRealTime();
        }
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--direct") == 0) {
      nn::set_winograd(false);
    } else {
      argv[kept++] = argv[i];
    }
  }
  benchmark::Initialize(&kept, argv);
  add_all<float>();
  add_all<double>();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
