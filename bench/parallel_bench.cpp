// The cost of handing work to threads: parallel_for beside OpenMP and oneTBB where they are there.
//
//   parallel_bench --benchmark_enable_random_interleaving=true --benchmark_repetitions=15
//                  --benchmark_report_aggregates_only=true
//
// Read medians, and compare only within one run. `body_ns` is the work of one chunk; two chunks on
// two threads take that long at best.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "lamina/core/parallel.hpp"

#if defined(LAMINA_BENCH_OPENMP)
#include <omp.h>
#endif
#if defined(LAMINA_BENCH_TBB)
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#endif

namespace {

using lamina::Index;

/// A chain of dependent multiplications: time without memory traffic.
void work(std::int64_t steps) {
  double x = 1;
  for (std::int64_t i = 0; i < steps; ++i) {
    x = x * 0.999999 + 1e-9;
  }
  benchmark::DoNotOptimize(x);
}

double nanoseconds(std::int64_t steps) {
  double best = 1e300;
  for (int i = 0; i < 20; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work(steps);
    const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - start;
    best = time.count() < best ? time.count() : best;
  }
  return best;
}

/// Steps that take about `microseconds`.
std::int64_t steps_for(double microseconds) {
  static const double per_step = nanoseconds(1000000) / 1e6;
  return static_cast<std::int64_t>(microseconds * 1e3 / per_step);
}

template <class Run>
void measure(benchmark::State& state, const Run& run) {
  const std::int64_t steps = steps_for(static_cast<double>(state.range(0)) / 10);
  const Index chunks = state.range(1);
  // On a busy machine it takes a while until a thread that was woken gets a core.
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(5)) {
    run(chunks, steps);
  }
  for (auto _ : state) {
    run(chunks, steps);
  }
}

void serial(benchmark::State& state) {
  measure(state, [](Index chunks, std::int64_t steps) {
    for (Index i = 0; i < chunks; ++i) {
      work(steps);
    }
  });
}

void lamina_pool(benchmark::State& state) {
  measure(state, [](Index chunks, std::int64_t steps) {
    lamina::parallel_for(chunks, 1, [&](Index, Index) { work(steps); });
  });
}

#if defined(LAMINA_BENCH_OPENMP)
void openmp_static(benchmark::State& state) {
  measure(state, [](Index chunks, std::int64_t steps) {
#pragma omp parallel for schedule(static) num_threads(lamina::num_threads())
    for (Index i = 0; i < chunks; ++i) {
      work(steps);
    }
  });
}

void openmp_dynamic(benchmark::State& state) {
  measure(state, [](Index chunks, std::int64_t steps) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(lamina::num_threads())
    for (Index i = 0; i < chunks; ++i) {
      work(steps);
    }
  });
}
#endif

#if defined(LAMINA_BENCH_TBB)
void onetbb(benchmark::State& state) {
  measure(state, [](Index chunks, std::int64_t steps) {
    tbb::parallel_for(
        tbb::blocked_range<Index>(0, chunks, 1),
        [&](const tbb::blocked_range<Index>& range) {
          for (Index i = range.begin(); i != range.end(); ++i) {
            work(steps);
          }
        },
        tbb::simple_partitioner());
  });
}

void onetbb_static(benchmark::State& state) {
  measure(state, [](Index chunks, std::int64_t steps) {
    tbb::parallel_for(
        tbb::blocked_range<Index>(0, chunks, 1),
        [&](const tbb::blocked_range<Index>& range) {
          for (Index i = range.begin(); i != range.end(); ++i) {
            work(steps);
          }
        },
        tbb::static_partitioner());
  });
}
#endif

double least(const std::vector<double>& times) {
  return *std::min_element(times.begin(), times.end());
}

/// body in tenths of a microsecond, chunks
void cases(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"body_x100ns", "chunks"})->UseRealTime()->ComputeStatistics("min", least);
  bench->Args({0, 2})->Args({10, 2})->Args({100, 2})->Args({1000, 2})->Args({0, 64})->Args(
      {10, 64});
}

BENCHMARK(serial)->Apply(cases);
BENCHMARK(lamina_pool)->Apply(cases);
#if defined(LAMINA_BENCH_OPENMP)
BENCHMARK(openmp_static)->Apply(cases);
BENCHMARK(openmp_dynamic)->Apply(cases);
#endif
#if defined(LAMINA_BENCH_TBB)
BENCHMARK(onetbb)->Apply(cases);
BENCHMARK(onetbb_static)->Apply(cases);
#endif

}  // namespace

int main(int argc, char** argv) {
  // LAMINA_NUM_THREADS sets the threads of all.
#if defined(LAMINA_BENCH_TBB)
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                  static_cast<std::size_t>(lamina::num_threads()));
#endif
  const lamina::ThreadChoice choice = lamina::thread_choice();
  benchmark::AddCustomContext("threads",
                              std::to_string(choice.threads) + " (" + choice.reason + ")");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
