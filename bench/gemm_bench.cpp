// Matrix products of all shapes beside the FMA peak of one thread and, where found, a BLAS. All
// rows are repeated in random order, so that the noise of the machine hits all alike, and the best
// time of each is put into a table at the end: GFLOP/s, and per cent of the peak times the number
// of threads.
//
//   LAMINA_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 gemm_bench --benchmark_filter=f32
//
// OpenBLAS older than the CPU needs OPENBLAS_CORETYPE to use its widest kernels.

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "fma_peak.hpp"
#include "lamina/core/memory.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/gemm.hpp"

#ifdef LAMINA_BENCH_CBLAS
#include <cblas.h>
#endif

namespace {

using lamina::Buffer;
using lamina::Index;
using namespace lamina::nn::detail;

struct Size {
  Index m, n, k;
};
constexpr Size kSizes[] = {
    {16, 16, 16},    {32, 32, 32},     {64, 64, 64},       {100, 100, 100},    {128, 128, 128},
    {256, 256, 256}, {512, 512, 512},  {1024, 1024, 1024}, {2048, 2048, 2048}, {64, 512, 512},
    {197, 768, 768}, {784, 128, 1152}, {196, 256, 2304},   {128, 768, 3072},   {49, 512, 4608},
    {1, 4096, 4096}, {8, 4096, 4096},  {50000, 10, 784}};

enum class Variant { Plain, PackedB, TransposedB, Blas };
constexpr const char* kVariantNames[] = {"plain", "packed_b", "transposed_b", "blas"};

template <class T>
Buffer<T> filled(Index size, double phase) {
  Buffer<T> buffer(size);
  for (Index i = 0; i < size; ++i) {
    buffer.data()[i] = static_cast<T>(std::sin(phase + 0.7 * static_cast<double>(i)));
  }
  return buffer;
}

template <class T>
void run_blas(const Size& size, const T* a, const T* b, T* c) {
#ifdef LAMINA_BENCH_CBLAS
  const int m = static_cast<int>(size.m);
  const int n = static_cast<int>(size.n);
  const int k = static_cast<int>(size.k);
  if constexpr (std::is_same_v<T, float>) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a, k, b, n, 0, c, n);
  } else {
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a, k, b, n, 0, c, n);
  }
#else
  static_cast<void>(size);
  static_cast<void>(a);
  static_cast<void>(b);
  static_cast<void>(c);
#endif
}

template <class T>
void multiply(benchmark::State& state, const Size& size, Variant variant) {
  const auto [m, n, k] = size;
  const Buffer<T> a = filled<T>(m * k, 0);
  const Buffer<T> b = filled<T>(k * n, 1);
  Buffer<T> c = filled<T>(m * n, 2);
  const MatrixRef<T> a_ref{a.data(), m, k, k, 1};
  const MatrixRef<T> b_ref{b.data(), k, n, n, 1};
  const MatrixRef<T> b_columns{b.data(), k, n, 1, k};
  const PackedMatrix<T> packed(GemmSide::B, b_ref);
  for (auto _ : state) {
    switch (variant) {
      case Variant::Plain:
        gemm<T>(a_ref, b_ref, c.data(), n, 1);
        break;
      case Variant::PackedB:
        gemm<T>(a_ref, packed, c.data(), n, 1);
        break;
      case Variant::TransposedB:
        gemm<T>(a_ref, b_columns, c.data(), n, 1);
        break;
      case Variant::Blas:
        run_blas<T>(size, a.data(), b.data(), c.data());
        break;
    }
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * 2 * m * n * k);
}

template <class T>
void peak(benchmark::State& state) {
  std::int64_t operations = 0;
  for (auto _ : state) {
    operations +=
        sizeof(T) == 4 ? lamina::bench::run_fmas_f32(100000) : lamina::bench::run_fmas_f64(100000);
  }
  state.SetItemsProcessed(operations);
}

// Keeps the best rate of each row besides printing.
class Table : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      const auto rate = run.counters.find("items_per_second");
      if (run.run_type == Run::RT_Iteration && rate != run.counters.end()) {
        double& best = best_[run.run_name.function_name];
        best = std::max(best, rate->second.value * 1e-9);
      }
    }
  }

  void print() const {
    const double threads = lamina::num_threads();
    for (const char* type : {"f32", "f64"}) {
      const auto found = best_.find(std::string("peak/") + type);
      if (found == best_.end()) {
        continue;
      }
      const double limit = found->second * threads;
      std::printf("\n%s, %.0f threads, FMA peak %.1f GFLOP/s: GFLOP/s (%% of peak)\n%-20s", type,
                  threads, limit, "M x N x K");
      for (const char* variant : kVariantNames) {
        std::printf("%19s", variant);
      }
      std::printf("\n");
      for (const Size& size : kSizes) {
        const std::string shape = shape_name(size);
        std::printf("%-20s", shape.c_str());
        for (const char* variant : kVariantNames) {
          const auto row = best_.find(std::string("gemm/") + type + "/" + shape + "/" + variant);
          if (row == best_.end()) {
            std::printf("%19s", "-");
          } else {
            std::printf("%10.1f (%5.1f%%)", row->second, 100 * row->second / limit);
          }
        }
        std::printf("\n");
      }
    }
  }

  static std::string shape_name(const Size& size) {
    return std::to_string(size.m) + "x" + std::to_string(size.n) + "x" + std::to_string(size.k);
  }

 private:
  std::map<std::string, double> best_;
};

template <class T>
void register_all(const std::string& type) {
  benchmark::RegisterBenchmark(("peak/" + type).c_str(), peak<T>)->UseRealTime();
  for (const Size& size : kSizes) {
    for (const Variant variant :
         {Variant::Plain, Variant::PackedB, Variant::TransposedB, Variant::Blas}) {
#ifndef LAMINA_BENCH_CBLAS
      if (variant == Variant::Blas) {
        continue;
      }
#endif
      const std::string name = "gemm/" + type + "/" + Table::shape_name(size) + "/" +
                               kVariantNames[static_cast<int>(variant)];
      benchmark::RegisterBenchmark(name.c_str(), [size, variant](benchmark::State& state) {
        multiply<T>(state, size, variant);
      })->UseRealTime();
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> texts = {argv[0], "--benchmark_enable_random_interleaving=true",
                                    "--benchmark_repetitions=5", "--benchmark_min_time=0.05"};
  texts.insert(texts.end(), argv + 1, argv + argc);  // the caller's options come last and win
  std::vector<char*> arguments;
  for (std::string& text : texts) {
    arguments.push_back(text.data());
  }
  int count = static_cast<int>(arguments.size());
  register_all<float>("f32");
  register_all<double>("f64");
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) {
    return 1;
  }
  Table table;
  benchmark::RunSpecifiedBenchmarks(&table);
  table.print();
  return 0;
}
