// Time per element of every activation, forward and backward, beside a plain loop over the
// standard library's functions. One thread unless LAMINA_NUM_THREADS says otherwise:
//
//   LAMINA_NUM_THREADS=1 activation_bench --benchmark_filter='forward/(gelu|tanh)/'
//
// Names are direction/activation/type/elements; the column to read is per_element.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "lamina/nn/activation.hpp"

namespace {

using namespace lamina;
using nn::Activation;

template <class T>
Array<T> input(Index n) {
  Array<T> x = Array<T>::empty({n});
  for (Index i = 0; i < n; ++i) {
    // Spread over [-8, 8] without a pattern that a branch predictor could learn.
    x(i) = static_cast<T>(static_cast<double>((i * 2654435761) % 65536) / 4096 - 8);
  }
  return x;
}

/// What someone without the library would write; NaN for an activation that is not listed here.
template <class T>
T plain(Activation kind, T x, T a, T b) {
  switch (kind) {
    case Activation::Identity:
      return x;
    case Activation::Relu:
      return std::max(x, T(0));
    case Activation::LeakyRelu:
      return x > 0 ? x : a * x;
    case Activation::Elu:
      return x > 0 ? x : a * std::expm1(x);
    case Activation::Selu:
      return T(1.0507) * (x > 0 ? x : T(1.67326) * std::expm1(x));
    case Activation::Celu:
      return x > 0 ? x : a * std::expm1(x / a);
    case Activation::Sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::Tanh:
      return std::tanh(x);
    case Activation::Silu:
      return x / (1 + std::exp(-x));
    case Activation::Mish:
      return x * std::tanh(std::log1p(std::exp(x)));
    case Activation::Gelu:
      return x / 2 * std::erfc(-x * T(0.70710678118654752));
    case Activation::GeluTanh:
      return x / 2 * (1 + std::tanh(T(0.79788456080286536) * (x + T(0.044715) * x * x * x)));
    case Activation::Softplus:
      return a * x > b ? x : std::log1p(std::exp(a * x)) / a;
    case Activation::Relu6:
      return std::clamp(x, T(0), T(6));
    case Activation::HardTanh:
      return std::clamp(x, a, b);
    case Activation::HardSigmoid:
      return std::clamp(a * x + b, T(0), T(1));
    case Activation::HardSwish:
      return x * std::clamp(x + 3, T(0), T(6)) / 6;
    case Activation::Softsign:
      return x / (1 + std::abs(x));
    case Activation::Threshold:
      return x > a ? x : b;
    case Activation::LogSigmoid:
      return -std::log1p(std::exp(-x));
    case Activation::HardShrink:
      return std::abs(x) > a ? x : 0;
    case Activation::SoftShrink:
      return std::copysign(std::max(std::abs(x) - a, T(0)), x);
    case Activation::TanhShrink:
      return x - std::tanh(x);
    case Activation::Exp:
      return std::exp(x);
    case Activation::QuickGelu:
      return x / (1 + std::exp(-a * x));
    default:
      return std::numeric_limits<T>::quiet_NaN();
  }
}

void report(benchmark::State& state, Index n) {
  state.counters["per_element"] =
      benchmark::Counter(static_cast<double>(n), benchmark::Counter::kIsIterationInvariantRate |
                                                     benchmark::Counter::kInvert);
}

template <class T>
void forward(benchmark::State& state, Activation kind, Index n) {
  const Array<T> x = input<T>(n);
  Array<T> y = x;
  for (auto _ : state) {
    nn::activation_into(x, y, kind);
    benchmark::ClobberMemory();
  }
  report(state, n);
}

template <class T>
void backward(benchmark::State& state, Activation kind, Index n) {
  const Array<T> x = input<T>(n);
  const Array<T> dy = Array<T>::ones({n});
  Array<T> dx = x;
  for (auto _ : state) {
    nn::activation_backward_into(dy, x, dx, kind);
    benchmark::ClobberMemory();
  }
  report(state, n);
}

template <class T>
void plain_loop(benchmark::State& state, Activation kind, Index n) {
  const Array<T> x = input<T>(n);
  Array<T> y = x;
  const auto& parameters = nn::activation_row(kind).parameters;
  const T a = static_cast<T>(parameters[0].default_value);
  const T b = static_cast<T>(parameters[1].default_value);
  for (auto _ : state) {
    for (Index i = 0; i < n; ++i) {
      y.data()[i] = plain(kind, x.data()[i], a, b);
    }
    benchmark::ClobberMemory();
  }
  report(state, n);
}

template <class T>
void add(const std::string& type, Activation kind) {
  const std::string name(to_string(kind));
  for (const auto& [label, n] : {std::pair<const char*, Index>{"4Ki", Index{4} << 10},
                                 {"256Ki", Index{256} << 10},
                                 {"16Mi", Index{16} << 20}}) {
    const std::string tail = "/" + name + "/" + type + "/" + label;
    const Index size = n;
    const auto add_one = [&](const std::string& what, auto function) {
      benchmark::RegisterBenchmark((what + tail).c_str(), [=](benchmark::State& state) {
        function(state, kind, size);
      })->UseRealTime();
    };
    add_one("forward", forward<T>);
    add_one("backward", backward<T>);
    if (size == Index{4} << 10 && !std::isnan(plain<T>(kind, 1, 1, 1))) {
      add_one("plain", plain_loop<T>);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (const nn::ActivationRow& row : nn::kActivationTable) {
    add<float>("f32", row.kind);
    add<double>("f64", row.kind);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
