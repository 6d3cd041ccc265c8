#pragma once

// Recurrent networks: checked arguments, how a layer's steps are cut into tasks, and the product of
// a state with its weights. Forward and backward pass stand on it.

#include <algorithm>
#include <string_view>
#include <vector>

#include "kernels/gemm.hpp"
#include "kernels/recurrent.hpp"
#include "lamina/core/memory.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/nn/recurrent.hpp"
#include "nn/gemm.hpp"

namespace lamina::nn::detail {

using kernels::RecurrentCell;

/// The arguments of a call over sequences, checked; x is (steps, batch, features).
template <class T>
struct RecurrentProblem {
  std::string_view operation;
  RecurrentCell cell = RecurrentCell::RnnTanh;
  Index gates = 1;  ///< rows of the weights, in hidden
  Index slots = 1;  ///< what is kept of a step, in hidden
  Index steps = 0, batch = 0, features = 0, hidden = 0, directions = 1, layers = 0;
  bool batch_first = false;
  bool single = false;  ///< x came without a batch axis
  RecurrentDirection way = RecurrentDirection::Forward;
  View<T> x, h0, c0;  ///< states (layers * directions, batch, hidden) or absent
  const std::vector<RecurrentWeights<T>>* weights = nullptr;
  Array<bool> active;  ///< (steps, batch); empty if all are
  double dropout = 0;
  Generator* generator = nullptr;

  [[nodiscard]] bool lstm() const { return cell == RecurrentCell::Lstm; }
  [[nodiscard]] bool gru() const {
    return cell == RecurrentCell::GruResetAfter || cell == RecurrentCell::GruResetBefore;
  }
  /// Stages of a step, between which all units must be ready.
  [[nodiscard]] int stages() const { return cell == RecurrentCell::GruResetBefore ? 2 : 1; }
  [[nodiscard]] bool reversed(Index direction) const {
    return way == RecurrentDirection::Reverse || direction == 1;
  }
  [[nodiscard]] Index features_of(Index layer) const {
    return layer == 0 ? features : directions * hidden;
  }
  [[nodiscard]] const RecurrentWeights<T>& weights_of(Index layer, Index direction) const {
    return (*weights)[static_cast<std::size_t>(layer * directions + direction)];
  }
  [[nodiscard]] const bool* active_at(Index step) const {
    return active.size() == 0 ? nullptr : active.data() + step * batch;
  }
  /// Gates of a step.
  [[nodiscard]] Index width() const { return slots * hidden; }
  /// Shapes as the caller sees them.
  [[nodiscard]] Shape sequence_shape(Index last) const;
  [[nodiscard]] Shape state_shape() const;
};

/// Checks the arguments of rnn, lstm and gru.
template <class T>
[[nodiscard]] RecurrentProblem<T> recurrent_problem(RecurrentCell cell, const View<T>& x,
                                                    const std::vector<RecurrentWeights<T>>& weights,
                                                    const View<T>& h0, const View<T>& c0,
                                                    const RecurrentOptions& options,
                                                    std::string_view operation);
/// Those of a cell: a sequence of one step. x and the states are copied where they must.
template <class T>
struct RecurrentCellArguments {
  RecurrentCellArguments(RecurrentCell cell, const View<T>& x, const View<T>& h, const View<T>& c,
                         const RecurrentWeights<T>& weights, std::string_view operation);
  RecurrentProblem<T> problem;
  Shape state_shape;

 private:
  std::vector<RecurrentWeights<T>> list_;
  lamina::detail::Packed<T> x_, h_, c_;
};

/// x as (steps, batch, n) without gaps, zeros where not active.
template <class T>
class TimeMajor {
 public:
  TimeMajor(const RecurrentProblem<T>& problem, const View<T>& x);
  [[nodiscard]] const T* data() const { return data_; }

 private:
  Array<T> copy_;
  const T* data_;
};

/// A factor (depth, columns) that multiplies the few rows of one step, packed.
template <class T>
class StepFactor {
 public:
  StepFactor() = default;
  explicit StepFactor(const MatrixRef<T>& factor);
  /// c (rows, columns [begin, end)) = a (rows, depth) factor + beta c + bias. c, and bias if any,
  /// at column 0; begin is a multiple of the panel.
  void multiply(const T* a, Index a_stride, Index rows, Index begin, Index end, T* c,
                Index c_stride, T beta, const T* bias = nullptr) const;

 private:
  kernels::GemmTiling tiling_{};
  Index depth_ = 0, columns_ = 0, padded_ = 0;
  Buffer<T> data_;
};

/// How the steps of a layer are cut: either rows of the batch run through all steps on their own,
/// or the units of each step are shared out.
struct StepCut {
  Index directions = 1, row_parts = 1, unit_parts = 1;
  Index batch = 0, hidden = 0, panel = 1;
};
template <class T>
[[nodiscard]] StepCut cut_steps(const RecurrentProblem<T>& problem);

/// Part of a step.
struct StepPart {
  Index step = 0;
  int stage = 0;
  Index direction = 0;
  Index row = 0, rows = 0;
  Index unit = 0, unit_end = 0;
};

/// Calls body(part) for all parts of all steps, steps and their stages in order.
template <class Body>
void for_each_step(const StepCut& cut, Index steps, int stages, const Body& body) {
  if (cut.batch == 0) {
    return;
  }
  const auto part_at = [&](Index task, Index step, int stage) {
    StepPart part;
    part.step = step;
    part.stage = stage;
    part.direction = task / (cut.row_parts * cut.unit_parts);
    const Index row_part = task / cut.unit_parts % cut.row_parts;
    part.row = cut.batch * row_part / cut.row_parts;
    part.rows = cut.batch * (row_part + 1) / cut.row_parts - part.row;
    const Index panels = ceil_div(cut.hidden, cut.panel);
    const Index unit_part = task % cut.unit_parts;
    part.unit = panels * unit_part / cut.unit_parts * cut.panel;
    part.unit_end = std::min(cut.hidden, panels * (unit_part + 1) / cut.unit_parts * cut.panel);
    return part;
  };
  const Index tasks = cut.directions * cut.row_parts * cut.unit_parts;
  if (cut.unit_parts == 1) {
    parallel_for(tasks, 1, [&](Index begin, Index end) {
      for (Index task = begin; task < end; ++task) {
        for (Index step = 0; step < steps; ++step) {
          for (int stage = 0; stage < stages; ++stage) {
            body(part_at(task, step, stage));
          }
        }
      }
    });
    return;
  }
  for (Index step = 0; step < steps; ++step) {
    for (int stage = 0; stage < stages; ++stage) {
      parallel_for(tasks, 1, [&](Index begin, Index end) {
        for (Index task = begin; task < end; ++task) {
          body(part_at(task, step, stage));
        }
      });
    }
  }
}

/// Steps that are worked on at a time, so that what is kept of them stays small.
template <class T>
[[nodiscard]] Index steps_at_a_time(const RecurrentProblem<T>& problem);

/// Times [begin, end) of a direction: its `done`th step on, `count` of them.
struct TimeRange {
  Index begin = 0, end = 0;
};
[[nodiscard]] inline TimeRange times_of(bool reversed, Index steps, Index done, Index count) {
  return reversed ? TimeRange{steps - done - count, steps - done} : TimeRange{done, done + count};
}

/// The forward pass of checked arguments. y as sequence_shape(directions * hidden), h and c (null
/// but for an LSTM) (layers * directions, batch, hidden), all without gaps; y may be null.
template <class T>
void recurrent_forward(const RecurrentProblem<T>& problem, T* y, T* h, T* c,
                       RecurrentTrace<T>* trace);
/// The backward pass. dy (in y's layout), dh and dc or not defined; gradients of checked shapes,
/// dx as sequence_shape.
template <class T>
void recurrent_backward(const RecurrentProblem<T>& problem, const View<T>& dy, const View<T>& dh,
                        const View<T>& dc, const RecurrentTrace<T>* trace,
                        const RecurrentGradientViews<T>& gradients);

}  // namespace lamina::nn::detail
