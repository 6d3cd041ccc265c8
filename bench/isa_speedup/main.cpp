// How much faster lamina is than plain loops, on every SIMD target of this CPU: the same element
// type on both sides, one thread, arrays in the L2. The loops are timed as scalar code, which is 1
// in the table, and as the compiler vectorizes them.
//
//   isa_speedup [ROUNDS]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "isa_speedup/loops.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/core/simd.hpp"
#include "lamina/nn/activation.hpp"
#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/linear.hpp"

namespace {

using namespace lamina;
using bench::Loops;

constexpr Index kElements = 16384;
constexpr Index kMatrix = 256;

struct Entry {
  std::string name;
  std::function<void()> prepare;
  std::function<void()> run;
  double best = std::numeric_limits<double>::infinity();
};

double seconds(const std::function<void()>& run) {
  using Clock = std::chrono::steady_clock;
  double best = std::numeric_limits<double>::infinity();
  const auto start = Clock::now();
  run();
  do {
    const auto before = Clock::now();
    run();
    const auto now = Clock::now();
    best = std::min(best, std::chrono::duration<double>(now - before).count());
  } while (Clock::now() - start < std::chrono::milliseconds(2));
  return best;
}

template <class T>
Array<T> input(const Shape& shape, double low, double high) {
  Array<T> x = Array<T>::empty(shape);
  for (Index i = 0; i < x.size(); ++i) {
    const double unit = static_cast<double>((i * 2654435761) % 65536) / 65536;
    x.data()[i] = static_cast<T>(low + (high - low) * unit);
  }
  return x;
}

// One operation: plain loops and every target of lamina, taking turns.
template <class T>
void row(const char* name, int rounds, const std::vector<std::function<void()>>& loops,
         const std::function<void()>& ours) {
  std::vector<Entry> entries;
  const char* const kLoopNames[] = {"scalar", "vectorized", "fast-math"};
  for (std::size_t i = 0; i < loops.size(); ++i) {
    entries.push_back({kLoopNames[i], [] {}, loops[i]});
  }
  for (const simd::Target target : simd::supported_targets()) {
    entries.push_back(
        {std::string(simd::to_string(target)), [target] { simd::force(target); }, ours});
  }
  for (int round = 0; round < rounds; ++round) {
    for (Entry& entry : entries) {
      entry.prepare();
      entry.best = std::min(entry.best, seconds(entry.run));
    }
  }
  std::printf("| %s | %s | %.2f us |", name, sizeof(T) == 4 ? "f32" : "f64",
              entries.front().best * 1e6);
  for (std::size_t i = 1; i < entries.size(); ++i) {
    std::printf(" %.1f |", entries.front().best / entries[i].best);
  }
  std::printf("\n");
}

template <class T>
void rows(int rounds, const Loops<T>& scalar, const Loops<T>& vectorized,
          const Loops<T>& fast_math) {
  const Array<T> x = input<T>({kElements}, -4, 4), b = input<T>({kElements}, -1, 1);
  Array<T> y = Array<T>::zeros({kElements});
  const Array<T> m1 = input<T>({kMatrix, kMatrix}, -1, 1), m2 = input<T>({kMatrix, kMatrix}, 0, 1);
  Array<T> m3 = Array<T>::zeros({kMatrix, kMatrix});
  const auto n = static_cast<std::size_t>(kElements);
  const Loops<T> all[] = {scalar, vectorized, fast_math};
  const auto each = [&](auto function) {
    std::vector<std::function<void()>> list;
    for (const Loops<T>& loops : all) {
      list.push_back([&, function, loops] { function(loops); });
    }
    return list;
  };
  row<T>("relu", rounds, each([&](const Loops<T>& l) { l.relu(x.data(), y.data(), n); }),
         [&] { nn::relu_into<T>(x, y); });
  row<T>("sigmoid", rounds, each([&](const Loops<T>& l) { l.sigmoid(x.data(), y.data(), n); }),
         [&] { nn::sigmoid_into<T>(x, y); });
  row<T>("gelu", rounds, each([&](const Loops<T>& l) { l.gelu(x.data(), y.data(), n); }),
         [&] { nn::gelu_into<T>(x, y); });
  row<T>("add", rounds, each([&](const Loops<T>& l) { l.add(x.data(), b.data(), y.data(), n); }),
         [&] { nn::add_into<T>(x, b, y); });
  row<T>("matmul 256^3", rounds, each([&](const Loops<T>& l) {
           l.matmul(m1.data(), m2.data(), m3.data(), static_cast<std::size_t>(kMatrix));
         }),
         [&] { nn::matmul_into<T>(m1, m2, m3); });
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 15;
  set_num_threads(1);
  std::printf("| operation | type | scalar loop | vectorized | and fast-math |");
  for (const simd::Target target : simd::supported_targets()) {
    std::printf(" lamina %s |", std::string(simd::to_string(target)).c_str());
  }
  std::printf("\n|---|---|---|---|---|");
  for (std::size_t i = 0; i < simd::supported_targets().size(); ++i) {
    std::printf("---|");
  }
  std::printf("\n");
  rows<float>(rounds, bench::scalar::loops_f32(), bench::vectorized::loops_f32(),
              bench::fast_math::loops_f32());
  rows<double>(rounds, bench::scalar::loops_f64(), bench::vectorized::loops_f64(),
               bench::fast_math::loops_f64());
  return 0;
}
