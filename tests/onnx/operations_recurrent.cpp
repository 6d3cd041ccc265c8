// RNN, LSTM and GRU. ONNX stacks the weights of the directions, orders the gates in its own way,
// and puts the axis of directions before the batch.

#include <array>

#include "lamina/nn/recurrent.hpp"
#include "onnx/define.hpp"

namespace lamina::onnx_test {
namespace {

/// Rows of `gates` blocks in our order; order[g] is where ONNX has gate g.
template <class T, std::size_t kGates>
Array<T> gates_in_order(const View<T>& x, const std::array<Index, kGates>& order) {
  const Index rows = x.shape()[0] / static_cast<Index>(kGates);
  std::vector<View<T>> parts;
  for (const Index gate : order) {
    parts.push_back(x.slice(0, Range{gate * rows, (gate + 1) * rows}));
  }
  return concatenate<T>(parts);
}

/// The inputs of a node, as our functions take them.
template <class T, std::size_t kGates>
struct Inputs {
  bool batchwise = false;
  Array<T> x, h0, c0;
  std::vector<Array<T>> arrays;
  std::vector<nn::RecurrentWeights<T>> weights;
  Array<std::int64_t> lengths;
  nn::RecurrentOptions options;

  Inputs(const Call& call, const std::array<Index, kGates>& order)
      : batchwise(call.integer("layout", 0) == 1), x(call.in<T>(0)) {
    const Array<T> w = call.in<T>(1);
    const Array<T> r = call.in<T>(2);
    const Index directions = w.shape()[0];
    arrays.reserve(static_cast<std::size_t>(5 * directions));
    for (Index d = 0; d < directions; ++d) {
      nn::RecurrentWeights<T> views;
      arrays.push_back(gates_in_order<T>(w.select(0, d), order));
      views.w_ih = arrays.back();
      arrays.push_back(gates_in_order<T>(r.select(0, d), order));
      views.w_hh = arrays.back();
      if (call.has(3)) {
        const Array<T> both = call.in<T>(3);
        const View<T> bias = both.select(0, d);
        const Index half = bias.shape()[0] / 2;
        arrays.push_back(gates_in_order<T>(bias.slice(0, half), order));
        views.b_ih = arrays.back();
        arrays.push_back(gates_in_order<T>(bias.slice(half, 2 * half), order));
        views.b_hh = arrays.back();
      }
      if (kGates == 4 && call.has(7)) {  // ONNX: i, o, f
        const Array<T> peepholes = call.in<T>(7);
        arrays.push_back(gates_in_order<T, 3>(peepholes.select(0, d), {0, 2, 1})
                             .reshape({3, views.w_hh.shape()[1]}));
        views.peephole = arrays.back();
      }
      weights.push_back(views);
    }
    if (call.has(4)) {
      lengths = call.in<std::int64_t>(4);
      options.lengths = lengths;
    }
    const auto state = [&](std::size_t input) {
      const Array<T> given = call.has(input) ? call.in<T>(input) : Array<T>();
      return batchwise && given.rank() == 3 ? given.swap_axes(0, 1).copy() : given;
    };
    h0 = state(5);
    c0 = kGates == 4 ? state(6) : Array<T>();
    options.batch_first = batchwise;
    const std::string_view way = call.text("direction", "forward");
    options.direction = way == "reverse"         ? nn::RecurrentDirection::Reverse
                        : way == "bidirectional" ? nn::RecurrentDirection::Both
                                                 : nn::RecurrentDirection::Forward;
    options.reset_after = call.integer("linear_before_reset", 0) != 0;
  }

  [[nodiscard]] View<T> start(const Array<T>& given) const {
    return given.rank() == 3 ? View<T>(given.data(), given.shape()) : View<T>();
  }
  /// y as (steps, directions, N, hidden), batchwise (N, steps, directions, hidden).
  [[nodiscard]] Result outputs(const Array<T>& y) const {
    const Index directions = static_cast<Index>(weights.size());
    const View<T> apart =
        y.reshape({y.shape()[0], y.shape()[1], directions, y.shape()[2] / directions});
    return result<T>(batchwise ? apart : apart.permute({0, 2, 1, 3}));
  }
  [[nodiscard]] Result state(const Array<T>& h) const {
    return result<T>(batchwise ? h.swap_axes(0, 1) : h.view());
  }
};

/// The outputs that the node has, in its order: y, h and for LSTM c.
Results wanted(const Call& call, Results results) {
  Results kept;
  for (std::size_t i = 0; i < results.size() && i < call.node.outputs.size(); ++i) {
    if (!call.node.outputs[i].empty()) {
      kept.push_back(std::move(results[i]));
    }
  }
  return kept;
}

}  // namespace

void define_recurrent(std::vector<Operation>& table) {
  define(table, "RNN", "rnn", Measure::Largest, [](auto zero, const Call& call) {
    using T = decltype(zero);
    const Inputs<T, 1> in(call, {0});
    const auto out = nn::rnn(in.x, in.weights, in.start(in.h0), in.options);
    return wanted(call, {in.outputs(out.y), in.state(out.h)});
  });
  define(table, "LSTM", "lstm", Measure::Largest, [](auto zero, const Call& call) {
    using T = decltype(zero);
    const Inputs<T, 4> in(call, {0, 2, 3, 1});  // ONNX: i, o, f, c
    const auto out = nn::lstm(in.x, in.weights, in.start(in.h0), in.start(in.c0), in.options);
    return wanted(call, {in.outputs(out.y), in.state(out.h), in.state(out.c)});
  });
  define(table, "GRU", "gru", Measure::Largest, [](auto zero, const Call& call) {
    using T = decltype(zero);
    const Inputs<T, 3> in(call, {1, 0, 2});  // ONNX: z, r, h
    const auto out = nn::gru(in.x, in.weights, in.start(in.h0), in.options);
    return wanted(call, {in.outputs(out.y), in.state(out.h)});
  });
}

}  // namespace lamina::onnx_test
