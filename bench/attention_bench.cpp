// Attention beside the FMA peak of this run. Counters: GFLOP/s of both products (of the visible
// half if causal; backward 2.5 times that), and the part of the limit, which is the time of these
// multiply-adds at the measured peak and of one exponential a score.

#include <benchmark/benchmark.h>

#include <chrono>
#include <string>

#include "fma_peak.hpp"
#include "lamina/lamina.hpp"

namespace {

using namespace lamina;

double seconds_of(void (*run)(std::int64_t), std::int64_t rounds) {
  const auto start = std::chrono::steady_clock::now();
  run(rounds);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Floating-point operations a second, the best of some runs.
template <class T>
double fma_peak() {
  static const double peak = [] {
    double best = 0;
    for (int i = 0; i < 20; ++i) {
      constexpr std::int64_t kRounds = 2'000'000;
      static std::int64_t operations;
      const double seconds = seconds_of(
          [](std::int64_t rounds) {
            operations = sizeof(T) == 4 ? bench::run_fmas_f32(rounds) : bench::run_fmas_f64(rounds);
          },
          kRounds);
      best = std::max(best, static_cast<double>(operations) / seconds);
    }
    return best;
  }();
  return peak;
}

/// Seconds that exp takes for one element in the cache, the best of some runs.
template <class T>
double exp_time() {
  static const double time = [] {
    const Array<T> x = Array<T>::full({4096}, T(-1.5));
    Array<T> y(x.shape());
    double best = 1;
    for (int i = 0; i < 200; ++i) {
      const auto start = std::chrono::steady_clock::now();
      nn::exp_into(x, y);
      best = std::min(
          best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return best / 4096;
  }();
  return time;
}

template <class T>
Array<T> numbers(const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  return random_normal<T>(shape, generator);
}

enum class Kind { Plain, Causal, Masked, Biased };

template <class T>
struct Setting {
  Array<T> q, k, v, dy, bias;
  Array<bool> mask;
  nn::AttentionOptions<T> options;
  double scores = 0;

  Setting(const benchmark::State& state, Kind kind) {
    const Shape shape{state.range(0), state.range(1), state.range(2), state.range(3)};
    q = numbers<T>(shape, 1);
    k = numbers<T>(shape, 2);
    v = numbers<T>(shape, 3);
    dy = numbers<T>(shape, 4);
    const Index length = state.range(2);
    scores = static_cast<double>(shape[0] * shape[1] * length * length);
    if (kind == Kind::Causal) {
      options.causal = true;
      scores /= 2;
    } else if (kind == Kind::Masked) {
      Generator generator(5);
      mask = random_bernoulli({length, length}, generator, 0.9);
      options.mask = mask;
    } else if (kind == Kind::Biased) {
      bias = numbers<T>({length, length}, 5);
      options.bias = bias;
    }
  }
};

template <class T>
void count(benchmark::State& state, const Setting<T>& setting, double products, double exps) {
  const double operations = setting.scores * products * 2 * static_cast<double>(state.range(3));
  const auto rounds = static_cast<double>(state.iterations());
  state.counters["GFLOP_s"] =
      benchmark::Counter(operations * rounds * 1e-9, benchmark::Counter::kIsRate);
  const double least = operations / fma_peak<T>() + exps * setting.scores * exp_time<T>();
  state.counters["of_limit"] =
      benchmark::Counter(least * rounds / num_threads(), benchmark::Counter::kIsRate);
}

template <class T, Kind kKind>
void forward(benchmark::State& state) {
  const Setting<T> setting(state, kKind);
  set_num_threads(static_cast<int>(state.range(4)));
  Array<T> out(setting.q.shape());
  for (auto _ : state) {
    nn::scaled_dot_product_attention_into(setting.q, setting.k, setting.v, out, setting.options);
    benchmark::ClobberMemory();
  }
  count(state, setting, 2, 1);
}

template <class T, Kind kKind>
void backward(benchmark::State& state) {
  const Setting<T> setting(state, kKind);
  set_num_threads(static_cast<int>(state.range(4)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(nn::scaled_dot_product_attention_backward(
        setting.dy, setting.q, setting.k, setting.v, setting.options));
  }
  count(state, setting, 5, 1);
}

void shapes(benchmark::internal::Benchmark* bench) {
  for (const int threads : {1, 2}) {
    bench->Args({1, 12, 128, 64, threads});
    bench->Args({1, 12, 1024, 64, threads});
    bench->Args({8, 16, 512, 64, threads});
    bench->Args({1, 12, 4096, 64, threads});
  }
  bench->UseRealTime()->Unit(benchmark::kMillisecond);
}

BENCHMARK(forward<float, Kind::Plain>)->Apply(shapes);
BENCHMARK(forward<float, Kind::Causal>)->Apply(shapes);
BENCHMARK(forward<float, Kind::Masked>)->Apply(shapes);
BENCHMARK(forward<float, Kind::Biased>)->Apply(shapes);
BENCHMARK(forward<double, Kind::Plain>)->Apply(shapes);
BENCHMARK(forward<double, Kind::Causal>)->Apply(shapes);
BENCHMARK(backward<float, Kind::Plain>)->Apply(shapes);
BENCHMARK(backward<float, Kind::Causal>)->Apply(shapes);
BENCHMARK(backward<double, Kind::Plain>)->Apply(shapes);

}  // namespace

BENCHMARK_MAIN();
