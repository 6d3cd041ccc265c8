#include "compare/limits.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bandwidth.hpp"
#include "fma_peak.hpp"
#include "lamina/core/parallel.hpp"

namespace lamina::compare {

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The best rate of some calls of `work`, which returns how much it did.
template <class F>
double best_rate(F work) {
  double best = 0;
  const auto all = std::chrono::steady_clock::now();
  do {
    const auto start = std::chrono::steady_clock::now();
    const double done = work();
    best = std::max(best, done / seconds_since(start));
  } while (seconds_since(all) < 2e-3);
  return best;
}

double measure_flops(Type type, int threads) {
  return best_rate([&] {
    constexpr std::int64_t kRounds = 10000;
    std::int64_t done = 0;
    parallel_for(threads, 1, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        const std::int64_t one =
            type == Type::F32 ? bench::run_fmas_f32(kRounds) : bench::run_fmas_f64(kRounds);
        if (i == 0) {
          done = one;
        }
      }
    });
    return static_cast<double>(done) * threads;
  });
}

// Read-only and half-and-half streams over as much memory as the row touches.
double measure_bandwidth(double read, double written, int threads) {
  constexpr std::size_t kLargest = std::size_t{1} << 28;
  constexpr std::size_t kBeyondCache = std::size_t{1} << 25;
  static void* const kMemory = [] {
    void* const memory = std::aligned_alloc(std::size_t{1} << 21, kLargest);
    std::memset(memory, 1, kLargest);
    return memory;
  }();
  const bool reads_only = written < 0.1 * read;
  const std::size_t total = std::clamp(static_cast<std::size_t>(read + written) / 1024 * 1024,
                                       std::size_t{2048}, kLargest);
  const std::size_t part = total / static_cast<std::size_t>(threads) / 1024 * 1024;
  const auto run = [&](const auto& body) {
    return best_rate([&] {
      parallel_for(threads, 1, [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) {
          body(static_cast<char*>(kMemory) + static_cast<std::size_t>(i) * part, part);
        }
      });
      return static_cast<double>(part) * threads;
    });
  };
  if (part == 0) {
    return 1e12;
  }
  if (reads_only) {
    return run([](char* memory, std::size_t bytes) { bench::read_memory(memory, bytes); });
  }
  const double copied = run([](char* memory, std::size_t bytes) {
    bench::copy_memory(memory, memory + bytes / 2, bytes / 2);
  });
  if (total < kBeyondCache) {
    return copied;
  }
  return std::max(copied, run([](char* memory, std::size_t bytes) {
                    bench::stream_memory(memory, memory + bytes / 2, bytes / 2);
                  }));
}

}  // namespace

Limits::Limits(const Cost& cost, Type type, int threads)
    : cost_(cost),
      type_(type),
      threads_(threads),
      measures_flops_(cost.operations > 0),
      measures_memory_(cost.read + cost.written > 0) {}

void Limits::measure() {
  if (measures_flops_) {
    flops_ = std::max(flops_, measure_flops(type_, threads_));
  }
  if (measures_memory_) {
    bandwidth_ = std::max(bandwidth_, measure_bandwidth(cost_.read, cost_.written, threads_));
  }
}

double Limits::seconds() const {
  const double arithmetic = measures_flops_ && flops_ > 0 ? cost_.operations / flops_ : 0;
  const double memory =
      measures_memory_ && bandwidth_ > 0 ? (cost_.read + cost_.written) / bandwidth_ : 0;
  return std::max(arithmetic, memory);
}

void print_limits(int threads) {
  std::printf("%d thread%s: FMA peak %.0f GFLOP/s f32, %.0f f64;", threads, threads == 1 ? "" : "s",
              measure_flops(Type::F32, threads) * 1e-9, measure_flops(Type::F64, threads) * 1e-9);
  for (const double kib : {32.0, 512.0, 8192.0, 262144.0}) {
    std::printf(" %.0f KiB read %.0f, copy %.0f GB/s;", kib,
                measure_bandwidth(kib * 1024 * threads, 0, threads) * 1e-9,
                measure_bandwidth(kib * 512 * threads, kib * 512 * threads, threads) * 1e-9);
  }
  std::printf("\n");
}

}  // namespace lamina::compare
