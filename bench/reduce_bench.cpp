// Softmax, reductions and arithmetic beside naive loops. Counters: ns an element, GB/s of the
// elements read and written once.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "lamina/lamina.hpp"

namespace {

using namespace lamina;

template <class T>
Array<T> numbers(const Shape& shape) {
  Array<T> x = Array<T>::empty(shape);
  for (Index i = 0; i < x.size(); ++i) {
    x.data()[i] = static_cast<T>((i * 7919) % 2003) / T(500) - T(2);
  }
  return x;
}

void count(benchmark::State& state, Index elements, Index bytes) {
  const auto rounds = static_cast<double>(state.iterations());
  state.counters["ns_elem"] =
      benchmark::Counter(static_cast<double>(elements) * rounds * 1e-9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["GB_s"] =
      benchmark::Counter(static_cast<double>(bytes) * rounds * 1e-9, benchmark::Counter::kIsRate);
}

template <class T>
void naive_softmax(const Array<T>& x, Array<T>& y) {
  const Index n = x.cols();
  for (Index r = 0; r < x.rows(); ++r) {
    const T* from = x.data() + r * n;
    T* to = y.data() + r * n;
    T max = from[0];
    for (Index i = 1; i < n; ++i) {
      max = std::max(max, from[i]);
    }
    T sum = 0;
    for (Index i = 0; i < n; ++i) {
      to[i] = std::exp(from[i] - max);
      sum += to[i];
    }
    for (Index i = 0; i < n; ++i) {
      to[i] /= sum;
    }
  }
}

template <class T>
void softmax_naive(benchmark::State& state) {
  const Array<T> x = numbers<T>({state.range(0), state.range(1)});
  Array<T> y(x.shape());
  for (auto _ : state) {
    naive_softmax(x, y);
    benchmark::ClobberMemory();
  }
  count(state, x.size(), 2 * x.size() * static_cast<Index>(sizeof(T)));
}

/// Along axis 1, or axis 0.
template <class T, int Axis, bool Log>
void softmax_ours(benchmark::State& state) {
  const Array<T> x = numbers<T>({state.range(0), state.range(1)});
  Array<T> y(x.shape());
  for (auto _ : state) {
    if (Log) {
      nn::log_softmax_into(x, y, {.axis = Axis});
    } else {
      nn::softmax_into(x, y, {.axis = Axis});
    }
    benchmark::ClobberMemory();
  }
  count(state, x.size(), 2 * x.size() * static_cast<Index>(sizeof(T)));
}

void softmax_shapes(benchmark::internal::Benchmark* b) {
  for (const auto& [rows, n] : {std::pair<Index, Index>{50000, 10},
                                {4096, 64},
                                {1024, 768},
                                {256, 4096},
                                {4096, 4096},
                                {8, 131072}}) {
    b->Args({rows, n});
  }
}

BENCHMARK(softmax_naive<float>)->Args({256, 4096});
BENCHMARK(softmax_ours<float, 1, false>)->Apply(softmax_shapes);
BENCHMARK(softmax_ours<float, 1, true>)->Apply(softmax_shapes);
BENCHMARK(softmax_ours<float, 0, false>)->Apply(softmax_shapes);
BENCHMARK(softmax_naive<double>)->Args({256, 4096});
BENCHMARK(softmax_ours<double, 1, false>)->Args({256, 4096})->Args({4096, 4096});
BENCHMARK(softmax_ours<double, 1, true>)->Args({256, 4096});

template <class T>
void sum_naive(benchmark::State& state) {
  const Array<T> x = numbers<T>({state.range(0)});
  for (auto _ : state) {
    T total = 0;
    for (const T* at = x.begin(); at != x.end(); ++at) {
      total += *at;
    }
    benchmark::DoNotOptimize(total);
  }
  count(state, x.size(), x.size() * static_cast<Index>(sizeof(T)));
}

/// Over everything (Axis < 0) or one axis of a matrix.
template <class T, nn::Reduction Kind, int Axis>
void reduce_ours(benchmark::State& state) {
  const Array<T> x = numbers<T>({state.range(0), state.range(1)});
  const nn::ReduceOptions options{.axes = Axis < 0 ? Axes{} : Axes{Axis}};
  Array<T> y(nn::reduced_shape(x.shape(), options));
  for (auto _ : state) {
    nn::reduce_into(Kind, x, y, options);
    benchmark::ClobberMemory();
  }
  count(state, x.size(), x.size() * static_cast<Index>(sizeof(T)));
}

template <class T, int Axis>
void argmax_ours(benchmark::State& state) {
  const Array<T> x = numbers<T>({state.range(0), state.range(1)});
  const nn::ReduceOptions options{.axes = {Axis}};
  Array<std::int64_t> y(nn::reduced_shape(x.shape(), options));
  for (auto _ : state) {
    nn::argmax_into(x, y, options);
    benchmark::ClobberMemory();
  }
  count(state, x.size(), x.size() * static_cast<Index>(sizeof(T)));
}

void reduce_shapes(benchmark::internal::Benchmark* b) {
  for (const auto& [rows, n] :
       {std::pair<Index, Index>{50000, 10}, {64, 64}, {1024, 768}, {4096, 4096}}) {
    b->Args({rows, n});
  }
}

template <class T>
void add_naive(benchmark::State& state) {
  const Array<T> a = numbers<T>({state.range(0)});
  const Array<T> b = numbers<T>({state.range(0)});
  Array<T> y(a.shape());
  for (auto _ : state) {
    for (Index i = 0; i < y.size(); ++i) {
      y.data()[i] = a.data()[i] + b.data()[i];
    }
    benchmark::ClobberMemory();
  }
  count(state, y.size(), 3 * y.size() * static_cast<Index>(sizeof(T)));
}

template <class T, nn::BinaryOp Op>
void binary_ours(benchmark::State& state) {
  const Array<T> a = numbers<T>({state.range(0)});
  const Array<T> b = numbers<T>({state.range(0)});
  Array<T> y(a.shape());
  for (auto _ : state) {
    nn::binary_into(Op, a, b, y);
    benchmark::ClobberMemory();
  }
  count(state, y.size(), 3 * y.size() * static_cast<Index>(sizeof(T)));
}

/// A matrix plus a row, and plus a column.
template <class T, bool Column>
void add_broadcast(benchmark::State& state) {
  const Array<T> a = numbers<T>({state.range(0), state.range(1)});
  const Array<T> b = numbers<T>(Column ? Shape{state.range(0), 1} : Shape{state.range(1)});
  Array<T> y(a.shape());
  for (auto _ : state) {
    nn::add_into(a, b, y);
    benchmark::ClobberMemory();
  }
  count(state, y.size(), 2 * y.size() * static_cast<Index>(sizeof(T)));
}

BENCHMARK(add_naive<float>)->Arg(4096)->Arg(1 << 24);
BENCHMARK(binary_ours<float, nn::BinaryOp::Add>)->Arg(4096)->Arg(1 << 18)->Arg(1 << 24);
BENCHMARK(binary_ours<float, nn::BinaryOp::Maximum>)->Arg(4096);
BENCHMARK(binary_ours<float, nn::BinaryOp::Pow>)->Arg(4096);
BENCHMARK(add_broadcast<float, false>)->Args({64, 64})->Args({1024, 768});
BENCHMARK(add_broadcast<float, true>)->Args({64, 64})->Args({1024, 768});

BENCHMARK(sum_naive<float>)->Arg(1 << 24);
BENCHMARK(reduce_ours<float, nn::Reduction::Sum, -1>)->Apply(reduce_shapes);
BENCHMARK(reduce_ours<float, nn::Reduction::Sum, 1>)->Apply(reduce_shapes);
BENCHMARK(reduce_ours<float, nn::Reduction::Sum, 0>)->Apply(reduce_shapes);
BENCHMARK(reduce_ours<float, nn::Reduction::Max, -1>)->Apply(reduce_shapes);
BENCHMARK(reduce_ours<float, nn::Reduction::Max, 0>)->Apply(reduce_shapes);
BENCHMARK(reduce_ours<float, nn::Reduction::Var, 1>)->Apply(reduce_shapes);
BENCHMARK(reduce_ours<float, nn::Reduction::Var, 0>)->Apply(reduce_shapes);
BENCHMARK(reduce_ours<float, nn::Reduction::LogSumExp, 1>)->Apply(reduce_shapes);
BENCHMARK(argmax_ours<float, 1>)->Apply(reduce_shapes);
BENCHMARK(argmax_ours<float, 0>)->Apply(reduce_shapes);
BENCHMARK(sum_naive<double>)->Arg(1 << 23);
BENCHMARK(reduce_ours<double, nn::Reduction::Sum, -1>)->Args({2048, 4096});

}  // namespace

BENCHMARK_MAIN();
