// Losses and their gradients beside naive loops. Counter: ns an element.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
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
Array<std::int64_t> labels(Index rows, Index classes) {
  Array<std::int64_t> y(Shape{rows});
  for (Index i = 0; i < rows; ++i) {
    y(i) = i * 31 % classes;
  }
  return y;
}

void count(benchmark::State& state, Index elements) {
  state.counters["ns_elem"] = benchmark::Counter(
      static_cast<double>(elements) * static_cast<double>(state.iterations()) * 1e-9,
      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

/// Any loss of the table, summed up.
template <class T>
void elementwise(benchmark::State& state, nn::Loss kind) {
  const Array<T> t = numbers<T>(Shape{state.range(0)}, 1);
  const Array<T> p = numbers<T>(Shape{state.range(0)}, 2);
  nn::LossOptions<T> options;
  if (!nn::loss_row(kind).third.empty()) {
    options.third = p;
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(nn::elementwise_loss(kind, t, p, ReductionMode::Mean, options));
  }
  count(state, t.size());
}
template <class T>
void elementwise_backward(benchmark::State& state, nn::Loss kind) {
  const Array<T> t = numbers<T>(Shape{state.range(0)}, 1);
  const Array<T> p = numbers<T>(Shape{state.range(0)}, 2);
  const Array<T> dy = Array<T>::scalar(1);
  Array<T> out(t.shape());
  nn::LossOptions<T> options;
  if (!nn::loss_row(kind).third.empty()) {
    options.third = p;
  }
  for (auto _ : state) {
    nn::elementwise_loss_backward_into<T>(kind, dy, t, p, out, ReductionMode::Mean, options);
    benchmark::DoNotOptimize(out.data());
  }
  count(state, t.size());
}

template <class T>
void cross_entropy(benchmark::State& state) {
  const Array<T> x = numbers<T>({state.range(0), state.range(1)}, 1);
  const Array<std::int64_t> y = labels(x.rows(), x.cols());
  for (auto _ : state) {
    benchmark::DoNotOptimize(nn::cross_entropy(y, x));
  }
  count(state, x.size());
}
template <class T>
void cross_entropy_with_gradient(benchmark::State& state) {
  const Array<T> x = numbers<T>({state.range(0), state.range(1)}, 1);
  const Array<std::int64_t> y = labels(x.rows(), x.cols());
  for (auto _ : state) {
    benchmark::DoNotOptimize(nn::cross_entropy_with_gradient(y, x));
  }
  count(state, x.size());
}
template <class T>
void cross_entropy_naive(benchmark::State& state) {
  const Array<T> x = numbers<T>({state.range(0), state.range(1)}, 1);
  const Array<std::int64_t> y = labels(x.rows(), x.cols());
  const Index classes = x.cols();
  for (auto _ : state) {
    T loss = 0;
    for (Index r = 0; r < x.rows(); ++r) {
      const T* row = x.data() + r * classes;
      const T max = *std::max_element(row, row + classes);
      T sum = 0;
      for (Index c = 0; c < classes; ++c) {
        sum += std::exp(row[c] - max);
      }
      loss += max + std::log(sum) - row[y(r)];
    }
    benchmark::DoNotOptimize(loss);
  }
  count(state, x.size());
}

void rows(benchmark::internal::Benchmark* bench) {
  bench->Args({4096, 10})->Args({4096, 1000})->Args({64, 50257});
}

}  // namespace

int main(int argc, char** argv) {
  for (const nn::LossRow& row : nn::kLossTable) {
    const std::string name(row.name);
    const nn::Loss kind = row.kind;
    benchmark::RegisterBenchmark((name + "/f32").c_str(), elementwise<float>, kind)
        ->Arg(4096)
        ->Arg(1 << 20);
    benchmark::RegisterBenchmark((name + "/f64").c_str(), elementwise<double>, kind)->Arg(1 << 20);
    benchmark::RegisterBenchmark((name + "_backward/f32").c_str(), elementwise_backward<float>,
                                 kind)
        ->Arg(1 << 20);
    benchmark::RegisterBenchmark((name + "_backward/f64").c_str(), elementwise_backward<double>,
                                 kind)
        ->Arg(1 << 20);
  }
  benchmark::RegisterBenchmark("cross_entropy/f32", cross_entropy<float>)->Apply(rows);
  benchmark::RegisterBenchmark("cross_entropy/f64", cross_entropy<double>)->Apply(rows);
  benchmark::RegisterBenchmark("cross_entropy_with_gradient/f32",
                               cross_entropy_with_gradient<float>)
      ->Apply(rows);
  benchmark::RegisterBenchmark("cross_entropy_with_gradient/f64",
                               cross_entropy_with_gradient<double>)
      ->Apply(rows);
  benchmark::RegisterBenchmark("cross_entropy_naive/f32", cross_entropy_naive<float>)->Apply(rows);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
