// Every row of the comparison (bench/compare/rows.cpp), lamina alone, as Google Benchmark runs it:
// both element types, all terms, one thread and all. Counters: GFLOP/s and GB/s of what the row
// costs at least. scripts/compare.sh times the same rows beside other libraries.
//
//   rows_bench --benchmark_filter='conv conv2d 16x64.*/f32/plain/1/'

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "compare/lamina_peer.hpp"
#include "compare/rows.hpp"
#include "lamina/core/parallel.hpp"

namespace {

using namespace lamina::compare;

void run(benchmark::State& state, const Row& row, Type type, Terms terms, int threads) {
  Peer& lamina = lamina_peer();
  lamina.set_threads(threads);
  const Problem problem = make_problem(row, type, terms);
  const std::vector<Job> jobs = lamina.prepare(problem);
  if (jobs.empty()) {
    state.SkipWithError("lamina has no such operation");
    return;
  }
  jobs.front().run();
  for (auto _ : state) {
    jobs.front().run();
  }
  const Cost cost = cost_of(problem);
  const auto rate = [&](const char* name, double amount) {
    if (amount > 0) {
      state.counters[name] =
          benchmark::Counter(amount * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
    }
  };
  rate("GFLOP/s", cost.operations);
  rate("GB/s", cost.read + cost.written);
}

void register_rows() {
  const struct {
    Type type;
    const char* name;
  } types[] = {{Type::F32, "f32"}, {Type::F64, "f64"}};
  const char* const terms_names[] = {"plain", "packed", "nhwc"};
  const int all = lamina::num_threads();
  for (const Row& row : rows()) {
    for (const auto& [type, type_name] : types) {
      for (const Terms terms : row.terms) {
        for (const int threads : all > 1 ? std::vector<int>{1, all} : std::vector<int>{1}) {
          std::string name = row.group + " " + row.op + " " + shape_of(row) + "/";
          name += std::string(type_name) + "/" + terms_names[static_cast<int>(terms)] + "/" +
                  std::to_string(threads);
          benchmark::RegisterBenchmark(name.c_str(), run, row, type, terms, threads)->UseRealTime();
        }
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  register_rows();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
