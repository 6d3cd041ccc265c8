#include <array>
#include <utility>

#include "core/simd_state.hpp"
#include "lamina/nn/dropout.hpp"
#include "nn/layout.hpp"
#include "nn/recurrent_problem.hpp"

namespace lamina::nn {

namespace detail {

namespace {

/// Where outputs of a layer go: y of step t and row n lies at t * step + n * row.
template <class T>
struct Outputs {
  T* data;
  Index step, row;
};

/// One direction of one layer.
template <class T>
struct ForwardDirection {
  bool reversed = false;
  const RecurrentWeights<T>* weights = nullptr;
  std::array<StepFactor<T>, 4> factors;  ///< for each gate
  Buffer<T> bias;                        ///< of the sums, then that of w_hn h
  Array<T> peephole;
  // Of the steps that are worked on: gates (steps, batch, width), states and cells (steps + 1,
  // batch, hidden).
  T* gates = nullptr;
  T* states = nullptr;
  T* cells = nullptr;
};

template <class T>
class LayerForward {
 public:
  LayerForward(const RecurrentProblem<T>& problem, Index layer)
      : problem_(problem), layer_(layer), cut_(cut_steps(problem)) {
    for (Index direction = 0; direction < problem.directions; ++direction) {
      ForwardDirection<T>& d = directions_[static_cast<std::size_t>(direction)];
      d.reversed = problem.reversed(direction);
      d.weights = &problem.weights_of(layer, direction);
      for (Index gate = 0; gate < problem.gates; ++gate) {
        const View<T>& w = d.weights->w_hh;
        const MatrixRef<T> rows{w.data() + gate * problem.hidden * w.strides()[0], problem.hidden,
                                problem.hidden, w.strides()[0], w.strides()[1]};
        d.factors[static_cast<std::size_t>(gate)] = StepFactor<T>(rows.transposed());
      }
      join_biases(d);
      if (d.weights->peephole.defined()) {
        d.peephole = d.weights->peephole.copy();
      }
    }
  }

  /// input (steps * batch, features) without gaps; h and c: the final states of all directions.
  void run(const T* input, const Outputs<T>& y, T* h, T* c,
           std::vector<typename RecurrentTrace<T>::Direction>* trace) {
    const Index held = trace != nullptr ? problem_.steps : steps_at_a_time(problem_);
    std::array<typename RecurrentTrace<T>::Direction, 2> own;
    for (Index direction = 0; direction < problem_.directions; ++direction) {
      auto& kept = trace != nullptr ? (*trace)[static_cast<std::size_t>(direction)]
                                    : own[static_cast<std::size_t>(direction)];
      kept.gates = Array<T>::empty({held, problem_.batch, problem_.width()});
      kept.states = Array<T>::empty({held + 1, problem_.batch, problem_.hidden});
      if (problem_.lstm()) {
        kept.cells = Array<T>::empty({held + 1, problem_.batch, problem_.hidden});
      }
      ForwardDirection<T>& d = directions_[static_cast<std::size_t>(direction)];
      d.gates = kept.gates.data();
      d.states = kept.states.data();
      d.cells = kept.cells.data();
    }
    const Index size = problem_.batch * problem_.hidden;
    Index done = 0;
    do {
      const Index count = std::min(held, problem_.steps - done);
      for (Index direction = 0; direction < problem_.directions; ++direction) {
        ForwardDirection<T>& d = directions_[static_cast<std::size_t>(direction)];
        const Index before = done == 0 ? -1 : d.reversed ? 0 : held;
        const Index first = d.reversed ? count : 0;
        start(problem_.h0, direction, before, first, d.states);
        if (problem_.lstm()) {
          start(problem_.c0, direction, before, first, d.cells);
        }
        project(d, input, done, count);
      }
      for_each_step(cut_, count, problem_.stages(),
                    [&](const StepPart& part) { step(part, y, done, count); });
      done += count;
      if (done == problem_.steps) {
        for (Index direction = 0; direction < problem_.directions; ++direction) {
          const ForwardDirection<T>& d = directions_[static_cast<std::size_t>(direction)];
          const Index last = d.reversed ? 0 : count;
          std::copy_n(d.states + last * size, size, h + direction * size);
          if (problem_.lstm()) {
            std::copy_n(d.cells + last * size, size, c + direction * size);
          }
        }
      }
    } while (done < problem_.steps);
  }

 private:
  /// w_ih x + bias for the next steps.
  void project(const ForwardDirection<T>& d, const T* input, Index done, Index count) {
    const TimeRange times = times_of(d.reversed, problem_.steps, done, count);
    const View<T>& w = d.weights->w_ih;
    const Index features = problem_.features_of(layer_);
    const MatrixRef<T> x{input + times.begin * problem_.batch * features, count * problem_.batch,
                         features, features, 1};
    const MatrixRef<T> weight{w.data(), w.shape()[0], features, w.strides()[0], w.strides()[1]};
    GemmOptions<T> options;
    options.bias = d.bias.data();
    gemm<T>(x, weight.transposed(), d.gates, problem_.width(), 1, options);
  }

  /// The state before the first step of those held: of position `before`, or if that is none yet
  /// the initial one.
  void start(const View<T>& initial, Index direction, Index before, Index first, T* states) {
    const Index size = problem_.batch * problem_.hidden;
    if (before >= 0) {
      std::copy_n(states + before * size, before == first ? 0 : size, states + first * size);
    } else if (initial.defined()) {
      const View<T> mine = initial.select(0, layer_ * problem_.directions + direction);
      MutView<T>(states + first * size, Shape{problem_.batch, problem_.hidden}).assign(mine);
    } else {
      std::fill_n(states + first * size, size, T(0));
    }
  }

  void step(const StepPart& part, const Outputs<T>& y, Index done, Index count) {
    const ForwardDirection<T>& d = directions_[static_cast<std::size_t>(part.direction)];
    const Index hidden = problem_.hidden;
    const Index width = problem_.width();
    const Index local = d.reversed ? count - 1 - part.step : part.step;
    const Index time = times_of(d.reversed, problem_.steps, done, count).begin + local;
    const Index before = ((d.reversed ? local + 1 : local) * problem_.batch + part.row) * hidden;
    const Index behind = ((d.reversed ? local : local + 1) * problem_.batch + part.row) * hidden;
    T* const gates = d.gates + (local * problem_.batch + part.row) * width;

    kernels::RecurrentStep<T> args;
    args.rows = part.rows;
    args.units = part.unit_end - part.unit;
    args.slot = hidden;
    args.gates = gates + part.unit;
    args.gates_stride = width;
    args.h_before = d.states + before + part.unit;
    args.h = d.states + behind + part.unit;
    if (d.cells != nullptr) {
      args.c_before = d.cells + before + part.unit;
      args.c = d.cells + behind + part.unit;
      args.peephole = d.peephole.size() == 0 ? nullptr : d.peephole.data() + part.unit;
    }
    args.state_stride = hidden;
    args.y = y.data + time * y.step + part.row * y.row + part.direction * hidden + part.unit;
    args.y_stride = y.row;
    const bool* active = problem_.active_at(time);
    args.active = active == nullptr ? nullptr : active + part.row;

    const auto multiply = [&](Index gate, const T* a, Index a_stride, Index slot, T beta,
                              const T* bias) {
      d.factors[static_cast<std::size_t>(gate)].multiply(a, a_stride, part.rows, part.unit,
                                                         part.unit_end, gates + slot * hidden,
                                                         width, beta, bias);
    };
    const T* const h = d.states + before;
    if (part.stage == 1) {
      multiply(2, gates + 3 * hidden, width, 2, T(1), nullptr);
      kernels::recurrent_step(problem_.cell, args);
      return;
    }
    const bool plain = !problem_.gru();
    for (Index gate = 0; gate < (plain ? problem_.gates : 2); ++gate) {
      multiply(gate, h, hidden, gate, T(1), nullptr);
    }
    if (problem_.cell == RecurrentCell::GruResetBefore) {
      kernels::recurrent_reset(args);
      return;
    }
    if (!plain) {
      multiply(2, h, hidden, 3, T(0), d.bias.data() + 3 * hidden);
    }
    kernels::recurrent_step(problem_.cell, args);
  }

  void join_biases(ForwardDirection<T>& d) {
    const Index hidden = problem_.hidden;
    const Index rows = problem_.gates * hidden;
    d.bias = Buffer<T>(rows + hidden);
    std::fill_n(d.bias.data(), rows + hidden, T(0));
    const bool apart = problem_.cell == RecurrentCell::GruResetAfter;
    for (Index i = 0; i < rows; ++i) {
      if (d.weights->b_ih.defined()) {
        d.bias.data()[i] += d.weights->b_ih(i);
      }
      if (d.weights->b_hh.defined()) {
        d.bias.data()[apart && i >= 2 * hidden ? i + hidden : i] += d.weights->b_hh(i);
      }
    }
  }

  const RecurrentProblem<T>& problem_;
  Index layer_;
  StepCut cut_;
  std::array<ForwardDirection<T>, 2> directions_;
};

}  // namespace

template <class T>
void recurrent_forward(const RecurrentProblem<T>& problem, T* y, T* h, T* c,
                       RecurrentTrace<T>* trace) {
  simd::detail::ensure_target();
  const Index outputs = problem.directions * problem.hidden;
  const Index size = problem.directions * problem.batch * problem.hidden;
  if (trace != nullptr) {
    trace->layers =
        std::vector<typename RecurrentTrace<T>::Layer>(static_cast<std::size_t>(problem.layers));
  }
  const TimeMajor<T> x(problem, problem.x);
  Array<T> below;
  for (Index layer = 0; layer < problem.layers; ++layer) {
    const bool last = layer + 1 == problem.layers;
    Array<T> between;
    Outputs<T> target{y, problem.batch * outputs, outputs};
    if (last && problem.batch_first) {
      target = {y, outputs, problem.steps * outputs};
    }
    if (!last || y == nullptr) {
      between = Array<T>::empty({problem.steps, problem.batch, outputs});
      target = {between.data(), problem.batch * outputs, outputs};
    }
    typename RecurrentTrace<T>::Layer* kept =
        trace == nullptr ? nullptr : &trace->layers[static_cast<std::size_t>(layer)];
    if (kept != nullptr) {
      kept->directions.resize(static_cast<std::size_t>(problem.directions));
    }
    LayerForward<T>(problem, layer)
        .run(layer == 0 ? x.data() : below.data(), target, h + layer * size,
             c == nullptr ? nullptr : c + layer * size,
             kept == nullptr ? nullptr : &kept->directions);
    if (kept != nullptr && layer > 0) {
      kept->input = std::move(below);
    }
    if (last) {
      break;
    }
    if (problem.dropout > 0) {
      if (trace != nullptr) {
        trace->layers[static_cast<std::size_t>(layer + 1)].before = *problem.generator;
      }
      dropout_into<T>(between, between, problem.dropout, true, *problem.generator);
    }
    below = std::move(between);
  }
}

template void recurrent_forward<float>(const RecurrentProblem<float>&, float*, float*, float*,
                                       RecurrentTrace<float>*);
template void recurrent_forward<double>(const RecurrentProblem<double>&, double*, double*, double*,
                                        RecurrentTrace<double>*);

}  // namespace detail

}  // namespace lamina::nn
