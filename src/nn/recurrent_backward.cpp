#include <array>
#include <utility>

#include "core/simd_state.hpp"
#include "lamina/nn/dropout.hpp"
#include "nn/output.hpp"
#include "nn/recurrent_problem.hpp"

namespace lamina::nn::detail {

namespace {

/// One direction of one layer.
template <class T>
struct BackwardDirection {
  bool reversed = false;
  const RecurrentWeights<T>* weights = nullptr;
  const typename RecurrentTrace<T>::Direction* trace = nullptr;
  std::array<StepFactor<T>, 2> factors;  ///< rows of w_hh that lie together among the gates
  Buffer<T> dgates;                      ///< (steps held, batch, width)
  Buffer<T> dh, dc;                      ///< (batch, hidden)
  Array<T> peephole;
};

/// Where the gradients of the weights are added.
template <class T>
struct WeightSums {
  WeightSums(const RecurrentWeights<T>& w, const RecurrentWeightGradientViews<T>& out)
      : w_ih(out.dw_ih, w.w_ih.shape()),
        w_hh(out.dw_hh, w.w_hh.shape()),
        b_ih(out.db_ih, w.b_ih.shape()),
        b_hh(out.db_hh, w.b_hh.shape()),
        peephole(out.dpeephole, w.peephole.shape()) {}
  void finish() const {
    for (const GradientSum<T>* sum : {&w_ih, &w_hh, &b_ih, &b_hh, &peephole}) {
      sum->finish();
    }
  }
  GradientSum<T> w_ih, w_hh, b_ih, b_hh, peephole;
};

template <class T>
class LayerBackward {
 public:
  LayerBackward(const RecurrentProblem<T>& problem, Index layer,
                const typename RecurrentTrace<T>::Layer& trace, const View<T>& dh,
                const View<T>& dc)
      : problem_(problem),
        layer_(layer),
        held_(steps_at_a_time(problem)),
        cut_(cut_steps(problem)) {
    const Index hidden = problem.hidden;
    for (Index direction = 0; direction < problem.directions; ++direction) {
      BackwardDirection<T>& d = at(direction);
      d.reversed = problem.reversed(direction);
      d.weights = &problem.weights_of(layer, direction);
      d.trace = &trace.directions[static_cast<std::size_t>(direction)];
      const Index together = problem.gru() ? 2 : problem.gates;
      d.factors[0] = StepFactor<T>(rows_of(d.weights->w_hh, 0, together * hidden));
      if (problem.gru()) {
        d.factors[1] = StepFactor<T>(rows_of(d.weights->w_hh, 2 * hidden, hidden));
      }
      d.dgates = Buffer<T>(held_ * problem.batch * problem.width());
      d.dh = start(dh, direction);
      if (problem.lstm()) {
        d.dc = start(dc, direction);
      }
      if (d.weights->peephole.defined()) {
        d.peephole = d.weights->peephole.copy();
      }
    }
  }

  /// input as in the forward pass; dy (steps, batch, directions * hidden) without gaps, or null; dx
  /// (steps * batch, features); dh0 and dc0: those of all directions.
  void run(const T* input, const T* dy, T* dx, T* dh0, T* dc0,
           std::vector<WeightSums<T>>& weights) {
    const Index features = problem_.features_of(layer_);
    std::fill_n(dx, problem_.steps * problem_.batch * features, T(0));
    for (Index left = problem_.steps; left > 0;) {
      const Index count = std::min(held_, left);
      left -= count;
      // The last stage only carries the gradient of the states over to what comes before.
      for_each_step(cut_, count + 1, problem_.stages(),
                    [&](const StepPart& part) { step(part, dy, left, count); });
      for (Index direction = 0; direction < problem_.directions; ++direction) {
        accumulate(at(direction), input, left, count, dx,
                   weights[static_cast<std::size_t>(direction)]);
      }
    }
    const Index size = problem_.batch * problem_.hidden;
    for (Index direction = 0; direction < problem_.directions; ++direction) {
      std::copy_n(at(direction).dh.data(), size, dh0 + direction * size);
      if (problem_.lstm()) {
        std::copy_n(at(direction).dc.data(), size, dc0 + direction * size);
      }
    }
  }

 private:
  BackwardDirection<T>& at(Index direction) {
    return directions_[static_cast<std::size_t>(direction)];
  }

  static MatrixRef<T> rows_of(const View<T>& w, Index first, Index count) {
    return {w.data() + first * w.strides()[0], count, w.shape()[1], w.strides()[0], w.strides()[1]};
  }

  /// The gradient of the final state.
  Buffer<T> start(const View<T>& given, Index direction) const {
    Buffer<T> buffer(problem_.batch * problem_.hidden);
    if (given.defined()) {
      MutView<T>(buffer.data(), Shape{problem_.batch, problem_.hidden})
          .assign(given.select(0, layer_ * problem_.directions + direction));
    } else {
      std::fill_n(buffer.data(), buffer.size(), T(0));
    }
    return buffer;
  }

  void step(const StepPart& part, const T* dy, Index done, Index count) {
    const BackwardDirection<T>& d = at(part.direction);
    const Index hidden = problem_.hidden;
    const Index width = problem_.width();
    const Index place = part.row * hidden;
    const auto dgates_of = [&](Index position) {
      const Index local = d.reversed ? count - 1 - position : position;
      return d.dgates.data() + (local * problem_.batch + part.row) * width;
    };
    // Steps are gone back: position among those held.
    const Index position = count - 1 - part.step;
    const auto multiply = [&](std::size_t factor, const T* gates, T* to, Index stride, T beta) {
      d.factors[factor].multiply(gates, width, part.rows, part.unit, part.unit_end, to, stride,
                                 beta);
    };
    if (part.stage == 0 && part.step > 0) {
      const T* later = dgates_of(position + 1);
      multiply(0, later, d.dh.data() + place, hidden, T(1));
      if (problem_.cell == RecurrentCell::GruResetAfter) {
        multiply(1, later + 3 * hidden, d.dh.data() + place, hidden, T(1));
      }
    }
    if (position < 0) {
      return;
    }
    const TimeRange times = times_of(d.reversed, problem_.steps, done, count);
    const Index time = d.reversed ? times.end - 1 - position : times.begin + position;
    const Index before = ((d.reversed ? time + 1 : time) * problem_.batch + part.row) * hidden;
    const Index behind = ((d.reversed ? time : time + 1) * problem_.batch + part.row) * hidden;
    T* const dgates = dgates_of(position);
    kernels::RecurrentGradientStep<T> args;
    args.rows = part.rows;
    args.units = part.unit_end - part.unit;
    args.slot = hidden;
    args.gates = d.trace->gates.data() + (time * problem_.batch + part.row) * width + part.unit;
    args.gates_stride = width;
    args.dgates = dgates + part.unit;
    args.dgates_stride = width;
    args.h_before = d.trace->states.data() + before + part.unit;
    if (problem_.lstm()) {
      args.c_before = d.trace->cells.data() + before + part.unit;
      args.c = d.trace->cells.data() + behind + part.unit;
      args.dc = d.dc.data() + place + part.unit;
      args.peephole = d.peephole.size() == 0 ? nullptr : d.peephole.data() + part.unit;
    }
    args.state_stride = hidden;
    if (dy != nullptr) {
      const Index outputs = problem_.directions * hidden;
      args.dy =
          dy + (time * problem_.batch + part.row) * outputs + part.direction * hidden + part.unit;
      args.dy_stride = outputs;
    }
    args.dh = d.dh.data() + place + part.unit;
    args.dstate_stride = hidden;
    const bool* active = problem_.active_at(time);
    args.active = active == nullptr ? nullptr : active + part.row;
    if (part.stage == 0) {
      kernels::recurrent_gradient(problem_.cell, args);
    } else {
      multiply(1, dgates + 2 * hidden, dgates + 3 * hidden, width, T(0));
      kernels::recurrent_reset_gradient(args);
    }
  }

  /// What the steps held give to the weights and to x.
  void accumulate(const BackwardDirection<T>& d, const T* input, Index done, Index count, T* dx,
                  WeightSums<T>& gradient) {
    const Index hidden = problem_.hidden;
    const Index width = problem_.width();
    const Index batch = problem_.batch;
    const Index features = problem_.features_of(layer_);
    const TimeRange times = times_of(d.reversed, problem_.steps, done, count);
    const Index rows = count * batch;
    const auto dgates = [&](Index slot, Index slots) {
      return MatrixRef<T>{d.dgates.data() + slot * hidden, rows, slots * hidden, width, 1};
    };
    GemmOptions<T> add;
    add.beta = T(1);
    const View<T>& w_ih = d.weights->w_ih;
    gemm<T>(dgates(0, problem_.gates), rows_of(w_ih, 0, w_ih.shape()[0]),
            dx + times.begin * batch * features, features, 1, add);
    const MatrixRef<T> x{input + times.begin * batch * features, rows, features, features, 1};
    gemm<T>(dgates(0, problem_.gates).transposed(), x, gradient.w_ih.data(), features, 1, add);

    const Index first = d.reversed ? times.begin + 1 : times.begin;
    const MatrixRef<T> states{d.trace->states.data() + first * batch * hidden, rows, hidden, hidden,
                              1};
    const Index together = problem_.gru() ? 2 : problem_.gates;
    gemm<T>(dgates(0, together).transposed(), states, gradient.w_hh.data(), hidden, 1, add);
    // Of the new gate: what it was multiplied with, and whose gradient that is.
    const bool after = problem_.cell == RecurrentCell::GruResetAfter;
    if (problem_.gru()) {
      const MatrixRef<T> reset{d.trace->gates.data() + times.begin * batch * width + 3 * hidden,
                               rows, hidden, width, 1};
      gemm<T>(dgates(after ? 3 : 2, 1).transposed(), after ? states : reset,
              gradient.w_hh.data() + 2 * hidden * hidden, hidden, 1, add);
    }
    const T one = T(1);
    const MatrixRef<T> ones{&one, 1, rows, 0, 0};
    if (d.weights->b_ih.defined()) {
      gemm<T>(ones, dgates(0, problem_.gates), gradient.b_ih.data(), 0, 1, add);
    }
    if (d.weights->b_hh.defined()) {
      gemm<T>(ones, dgates(0, together), gradient.b_hh.data(), 0, 1, add);
      if (problem_.gru()) {
        gemm<T>(ones, dgates(after ? 3 : 2, 1), gradient.b_hh.data() + 2 * hidden, 0, 1, add);
      }
    }
    if (d.weights->peephole.defined()) {
      const Index last = d.reversed ? times.begin : times.begin + 1;
      const T* const cells = d.trace->cells.data();
      add_peepholes(d, rows, cells + first * batch * hidden, cells + last * batch * hidden,
                    gradient.peephole.data());
    }
  }

  /// The input and forget gate look at the cell before, the output gate at the one behind.
  void add_peepholes(const BackwardDirection<T>& d, Index rows, const T* before, const T* behind,
                     T* sums) {
    const Index hidden = problem_.hidden;
    const Index width = problem_.width();
    constexpr std::array<Index, 3> kSlots{0, 1, 3};
    parallel_for(3 * hidden, std::max<Index>(1, kPeepholeWork / std::max<Index>(1, rows)),
                 [&](Index begin, Index end) {
                   for (Index i = begin; i < end; ++i) {
                     const Index slot = kSlots[static_cast<std::size_t>(i / hidden)];
                     const Index unit = i % hidden;
                     const T* const cells = slot == 3 ? behind : before;
                     const T* const dgates = d.dgates.data() + slot * hidden + unit;
                     double sum = 0;
                     for (Index row = 0; row < rows; ++row) {
                       sum += static_cast<double>(dgates[row * width]) *
                              static_cast<double>(cells[row * hidden + unit]);
                     }
                     sums[i] += static_cast<T>(sum);
                   }
                 });
  }

  static constexpr Index kPeepholeWork = 32768;

  const RecurrentProblem<T>& problem_;
  Index layer_, held_;
  StepCut cut_;
  std::array<BackwardDirection<T>, 2> directions_;
};

template <class T>
void check_trace(const RecurrentProblem<T>& problem, const RecurrentTrace<T>& trace) {
  bool fits = static_cast<Index>(trace.layers.size()) == problem.layers;
  for (const auto& layer : trace.layers) {
    fits = fits && static_cast<Index>(layer.directions.size()) == problem.directions;
    for (const auto& direction : layer.directions) {
      const Shape states{problem.steps + 1, problem.batch, problem.hidden};
      fits = fits &&
             direction.gates.shape() == Shape{problem.steps, problem.batch, problem.width()} &&
             direction.states.shape() == states &&
             direction.cells.shape() == (problem.lstm() ? states : Shape{0});
    }
  }
  check(fits, ErrorKind::InvalidOperation, problem.operation, "the trace is one of another call");
}

}  // namespace

template <class T>
void recurrent_backward(const RecurrentProblem<T>& problem, const View<T>& dy, const View<T>& dh,
                        const View<T>& dc, const RecurrentTrace<T>* trace,
                        const RecurrentGradientViews<T>& gradients) {
  RecurrentTrace<T> own;
  if (trace != nullptr) {
    check_trace(problem, *trace);
  }
  GradientSum<T> dh0(gradients.dh0, problem.state_shape());
  GradientSum<T> dc0(gradients.dc0, problem.lstm() ? problem.state_shape() : Shape{0});
  if (trace == nullptr) {
    // The states are recomputed where their gradients will be.
    recurrent_forward<T>(problem, nullptr, dh0.data(), problem.lstm() ? dc0.data() : nullptr, &own);
    trace = &own;
  }
  simd::detail::ensure_target();
  const Index size = problem.directions * problem.batch * problem.hidden;
  const TimeMajor<T> x(problem, problem.x);
  Array<T> from_above;
  if (dy.defined()) {
    from_above = dy.copy();
  }
  for (Index layer = problem.layers - 1; layer >= 0; --layer) {
    const auto& kept = trace->layers[static_cast<std::size_t>(layer)];
    const bool has_dy = layer + 1 < problem.layers || dy.defined();
    std::vector<WeightSums<T>> sums;
    for (Index direction = 0; direction < problem.directions; ++direction) {
      const auto i = static_cast<std::size_t>(layer * problem.directions + direction);
      sums.emplace_back((*problem.weights)[i], gradients.weights.empty()
                                                   ? RecurrentWeightGradientViews<T>()
                                                   : gradients.weights[i]);
    }
    Array<T> dx;
    const bool direct = layer == 0 && !problem.batch_first && gradients.dx.defined() &&
                        gradients.dx.is_contiguous();
    if (!direct) {
      dx = Array<T>::empty({problem.steps, problem.batch, problem.features_of(layer)});
    }
    LayerBackward<T>(problem, layer, kept, dh, dc)
        .run(layer == 0 ? x.data() : kept.input.data(), has_dy ? from_above.data() : nullptr,
             direct ? gradients.dx.data() : dx.data(), dh0.data() + layer * size,
             problem.lstm() ? dc0.data() + layer * size : nullptr, sums);
    for (const WeightSums<T>& sum : sums) {
      sum.finish();
    }
    if (layer > 0 && problem.dropout > 0) {
      dx = dropout_backward<T>(dx, problem.dropout, true, kept.before);
    }
    if (layer == 0 && !direct && gradients.dx.defined()) {
      gradients.dx.assign(problem.batch_first
                              ? dx.swap_axes(0, 1)
                              : dx.reshape(problem.sequence_shape(problem.features)));
    }
    from_above = std::move(dx);
  }
  dh0.finish();
  dc0.finish();
}

#define LAMINA_INSTANTIATE(T)                                                                     \
  template void recurrent_backward<T>(const RecurrentProblem<T>&, const View<T>&, const View<T>&, \
                                      const View<T>&, const RecurrentTrace<T>*,                   \
                                      const RecurrentGradientViews<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn::detail
