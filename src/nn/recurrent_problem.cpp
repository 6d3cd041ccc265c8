#include "nn/recurrent_problem.hpp"

#include <array>
#include <string>

#include "core/simd_state.hpp"
#include "nn/layout.hpp"

namespace lamina::nn::detail {

namespace {

// Depth of a block of a factor, as in gemm.
constexpr Index kDepth = 512;
// Rows below which the factor is streamed; columns of it at a time.
constexpr Index kFewRows = 4;
constexpr Index kStreamColumns = 256;
// Rows of the batch that a task has at least, multiply-adds of a step from which it is cut by
// units, and those of such a part.
constexpr Index kRowsOfTask = 14;
constexpr Index kSharedStep = Index{1} << 21;
constexpr Index kUnitWork = Index{1} << 20;
constexpr Index kMostParts = 16;
// Elements of gates that are held at a time where no trace is kept.
constexpr Index kGatesHeld = Index{1} << 20;

struct CellSizes {
  Index gates, slots;
};
CellSizes sizes_of(RecurrentCell cell) {
  switch (cell) {
    case RecurrentCell::RnnTanh:
    case RecurrentCell::RnnRelu:
      return {1, 1};
    case RecurrentCell::Lstm:
      return {4, 4};
    case RecurrentCell::GruResetAfter:
    case RecurrentCell::GruResetBefore:
      break;
  }
  return {3, 4};
}

template <class T>
void check_weights(const RecurrentWeights<T>& weights, const RecurrentProblem<T>& problem,
                   Index features, const std::string& place) {
  const std::string_view operation = problem.operation;
  const Index gates = problem.gates;
  const Index hidden = problem.hidden;
  const auto want = [&](const View<T>& x, const Shape& shape, std::string_view name) {
    check(x.defined() && x.shape() == shape, ErrorKind::DimensionMismatch, operation, name, place,
          " has shape ", x.shape(), ", expected ", shape);
  };
  want(weights.w_ih, Shape{gates * hidden, features}, "w_ih");
  want(weights.w_hh, Shape{gates * hidden, hidden}, "w_hh");
  if (weights.b_ih.defined()) {
    want(weights.b_ih, Shape{gates * hidden}, "b_ih");
  }
  if (weights.b_hh.defined()) {
    want(weights.b_hh, Shape{gates * hidden}, "b_hh");
  }
  if (weights.peephole.defined()) {
    check(problem.lstm(), ErrorKind::InvalidOperation, operation, "only an LSTM has peepholes");
    want(weights.peephole, Shape{3, hidden}, "peephole");
  }
}

template <class T>
Index hidden_of(const View<T>& w_hh, std::string_view operation, const std::string& place) {
  check(w_hh.defined() && w_hh.rank() == 2 && w_hh.shape()[1] > 0, ErrorKind::DimensionMismatch,
        operation, "w_hh", place, " must have the shape (gates * hidden, hidden), got ",
        w_hh.shape());
  return w_hh.shape()[1];
}

Array<bool> active_steps(const View<std::int64_t>& lengths, Index steps, Index batch,
                         std::string_view operation) {
  check(lengths.shape() == Shape{batch}, ErrorKind::DimensionMismatch, operation,
        "lengths has shape ", lengths.shape(), ", expected ", Shape{batch});
  bool all = true;
  for (Index n = 0; n < batch; ++n) {
    const std::int64_t length = lengths(n);
    check(length >= 0 && length <= steps, ErrorKind::IndexOutOfBounds, operation, "length ", length,
          " at position ", n, " is not between 0 and ", steps);
    all = all && length == steps;
  }
  if (all) {
    return Array<bool>();
  }
  Array<bool> active = Array<bool>::empty({steps, batch});
  for (Index t = 0; t < steps; ++t) {
    for (Index n = 0; n < batch; ++n) {
      active.data()[t * batch + n] = t < lengths(n);
    }
  }
  return active;
}

}  // namespace

template <class T>
Shape RecurrentProblem<T>::sequence_shape(Index last) const {
  return single        ? Shape{steps, last}
         : batch_first ? Shape{batch, steps, last}
                       : Shape{steps, batch, last};
}

template <class T>
Shape RecurrentProblem<T>::state_shape() const {
  return single ? Shape{layers * directions, hidden} : Shape{layers * directions, batch, hidden};
}

template <class T>
RecurrentProblem<T> recurrent_problem(RecurrentCell cell, const View<T>& x,
                                      const std::vector<RecurrentWeights<T>>& weights,
                                      const View<T>& h0, const View<T>& c0,
                                      const RecurrentOptions& options, std::string_view operation) {
  RecurrentProblem<T> problem;
  problem.operation = operation;
  problem.cell = cell;
  problem.gates = sizes_of(cell).gates;
  problem.slots = sizes_of(cell).slots;
  problem.way = options.direction;
  problem.directions = options.direction == RecurrentDirection::Both ? 2 : 1;
  problem.weights = &weights;
  check(x.defined() && (x.rank() == 2 || x.rank() == 3), ErrorKind::DimensionMismatch, operation,
        "x must have 3 axes, or 2 for one sequence, got shape ", x.shape());
  problem.single = x.rank() == 2;
  problem.batch_first = options.batch_first && !problem.single;
  problem.x = problem.single ? x.expand_dims(1) : options.batch_first ? x.swap_axes(0, 1) : x;
  problem.steps = problem.x.shape()[0];
  problem.batch = problem.x.shape()[1];
  problem.features = problem.x.shape()[2];

  const Index count = static_cast<Index>(weights.size());
  check(count > 0 && count % problem.directions == 0, ErrorKind::InvalidOperation, operation,
        "weights must be given for each layer",
        problem.directions == 2 ? " and both directions" : "", ", got ", count);
  problem.layers = count / problem.directions;
  problem.hidden = hidden_of(weights[0].w_hh, operation, " of layer 0");
  for (Index layer = 0; layer < problem.layers; ++layer) {
    for (Index direction = 0; direction < problem.directions; ++direction) {
      const std::string place =
          " of layer " + std::to_string(layer) + (direction == 1 ? ", reverse," : "");
      check_weights(problem.weights_of(layer, direction), problem, problem.features_of(layer),
                    place);
    }
  }
  const auto state = [&](const View<T>& given, std::string_view name) {
    check(!given.defined() || given.shape() == problem.state_shape(), ErrorKind::DimensionMismatch,
          operation, name, " has shape ", given.shape(), ", expected ", problem.state_shape());
    return given.defined() && problem.single ? given.expand_dims(1) : given;
  };
  problem.h0 = state(h0, "h0");
  problem.c0 = state(c0, "c0");
  if (options.lengths.defined()) {
    problem.active = active_steps(options.lengths, problem.steps, problem.batch, operation);
  }
  check(options.dropout >= 0 && options.dropout <= 1, ErrorKind::InvalidOperation, operation,
        "dropout must be in [0, 1], got ", options.dropout);
  check(options.dropout == 0 || options.generator != nullptr, ErrorKind::InvalidOperation,
        operation, "dropout needs a generator");
  problem.dropout = options.dropout;
  problem.generator = options.generator;
  return problem;
}

template <class T>
RecurrentCellArguments<T>::RecurrentCellArguments(RecurrentCell cell, const View<T>& x,
                                                  const View<T>& h, const View<T>& c,
                                                  const RecurrentWeights<T>& weights,
                                                  std::string_view operation)
    : list_{weights}, x_(x), h_(h), c_(c) {
  check(x.defined() && x.rank() >= 1, ErrorKind::DimensionMismatch, operation,
        "x must have at least 1 axis, got shape ", x.shape());
  problem.operation = operation;
  problem.cell = cell;
  problem.gates = sizes_of(cell).gates;
  problem.slots = sizes_of(cell).slots;
  problem.steps = 1;
  problem.layers = 1;
  problem.features = x.extent(-1);
  problem.hidden = hidden_of(weights.w_hh, operation, "");
  check_weights(weights, problem, problem.features, "");
  IndexList shape = x.shape();
  shape.erase(shape.rank() - 1);
  problem.batch = Shape(shape).size();
  shape.push_back(problem.hidden);
  state_shape = Shape(shape);
  const auto state = [&](const View<T>& given, const T* data, std::string_view name) {
    check(!given.defined() || given.shape() == state_shape, ErrorKind::DimensionMismatch, operation,
          name, " has shape ", given.shape(), ", expected ", state_shape);
    return given.defined() ? View<T>(data, Shape{1, problem.batch, problem.hidden}) : View<T>();
  };
  problem.h0 = state(h, h_.data(), "h");
  problem.c0 = state(c, c_.data(), "c");
  problem.x = View<T>(x_.data(), Shape{1, problem.batch, problem.features});
  problem.weights = &list_;
}

template <class T>
TimeMajor<T>::TimeMajor(const RecurrentProblem<T>& problem, const View<T>& x) : data_(x.data()) {
  if (problem.active.size() == 0 && x.is_contiguous()) {
    return;
  }
  copy_ = x.copy();
  data_ = copy_.data();
  const Index n = x.shape()[2];
  for (Index row = 0; row < problem.active.size(); ++row) {
    if (!problem.active.data()[row]) {
      std::fill_n(copy_.data() + row * n, n, T(0));
    }
  }
}

template <class T>
StepFactor<T>::StepFactor(const MatrixRef<T>& factor)
    : tiling_(kernels::gemm_tiling<T>()), depth_(factor.rows), columns_(factor.cols) {
  const Index panels = ceil_div(columns_, tiling_.nr);
  padded_ = panels * tiling_.nr;
  data_ = Buffer<T>(padded_ * depth_);
  for (Index k = 0; k < depth_; k += kDepth) {
    const Index depth = std::min(kDepth, depth_ - k);
    for (Index p = 0; p < panels; ++p) {
      kernels::GemmPack<T> pack;
      pack.source = factor.data + k * factor.row_stride + p * tiling_.nr * factor.col_stride;
      pack.width = std::min(tiling_.nr, columns_ - p * tiling_.nr);
      pack.width_stride = factor.col_stride;
      pack.depth = depth;
      pack.depth_stride = factor.row_stride;
      pack.panel = tiling_.nr;
      pack.padded = tiling_.nr;
      pack.out = data_.data() + k * padded_ + p * tiling_.nr * depth;
      kernels::gemm_pack(pack);
    }
  }
}

template <class T>
void StepFactor<T>::multiply(const T* a, Index a_stride, Index rows, Index begin, Index end, T* c,
                             Index c_stride, T beta, const T* bias) const {
  const auto panel_of = [&](Index column, Index k, Index depth) {
    return data_.data() + k * padded_ + column * depth;
  };
  if (rows > kFewRows) {
    kernels::GemmBlock<T> block;
    block.m = rows;
    block.tiles = ceil_div(rows, tiling_.mr);
    block.tile_end = block.tiles;
    block.n = end - begin;
    block.a_row_stride = a_stride;
    block.a_col_stride = 1;
    block.c = c + begin;
    block.c_row_stride = c_stride;
    block.beta = beta;
    block.column_bias = bias == nullptr ? nullptr : bias + begin;
    for (Index k = 0; k < depth_; k += kDepth) {
      block.k = std::min(kDepth, depth_ - k);
      block.a = a + k;
      block.b = panel_of(begin, k, block.k);
      block.b_panel_stride = tiling_.nr * block.k;
      kernels::gemm_block(block);
      block.beta = T(1);
      block.column_bias = nullptr;
    }
    return;
  }
  // A vector is at most 16 elements: columns are rounded up to it.
  alignas(64) std::array<T, kFewRows * kStreamColumns> y;
  alignas(64) std::array<T, kFewRows*(kStreamColumns + 16)> sums;
  for (Index column = begin; column < end; column += kStreamColumns) {
    const Index columns = std::min(kStreamColumns, end - column);
    for (Index k = 0; k < depth_; k += kDepth) {
      kernels::SkinnyProduct<T> product;
      product.m = rows;
      product.n = columns;
      product.k = std::min(kDepth, depth_ - k);
      product.a = a + k;
      product.a_row_stride = a_stride;
      product.b = panel_of(column, k, product.k);
      product.k_stride = tiling_.nr;
      product.n_stride = 1;
      product.panel_stride = tiling_.nr * product.k;
      product.y = y.data();
      product.y_row_stride = columns;
      product.sums = sums.data();
      kernels::gemm_skinny(product);
      for (Index i = 0; i < rows; ++i) {
        const T* from = y.data() + i * columns;
        T* to = c + i * c_stride + column;
        if (k > 0 || beta == T(1)) {
          for (Index j = 0; j < columns; ++j) {
            to[j] += from[j];
          }
        } else {
          for (Index j = 0; j < columns; ++j) {
            to[j] = from[j];
          }
        }
        for (Index j = 0; k == 0 && bias != nullptr && j < columns; ++j) {
          to[j] += bias[column + j];
        }
      }
    }
  }
}

template <class T>
StepCut cut_steps(const RecurrentProblem<T>& problem) {
  StepCut cut;
  cut.directions = problem.directions;
  cut.batch = problem.batch;
  cut.hidden = problem.hidden;
  cut.panel = kernels::gemm_tiling<T>().nr;
  const Index work = problem.batch * problem.gates * problem.hidden * problem.hidden;
  const Index panels = ceil_div(cut.hidden, cut.panel);
  if (work >= kSharedStep && panels > 1) {
    cut.unit_parts = std::min({panels, work / kUnitWork, kMostParts});
  } else {
    cut.row_parts = std::clamp<Index>(problem.batch / kRowsOfTask, 1, kMostParts);
  }
  return cut;
}

template <class T>
Index steps_at_a_time(const RecurrentProblem<T>& problem) {
  const Index step = std::max<Index>(1, problem.batch * problem.width());
  return std::clamp<Index>(kGatesHeld / step, 1, std::max<Index>(1, problem.steps));
}

#define LAMINA_INSTANTIATE(T)                                                                 \
  template struct RecurrentProblem<T>;                                                        \
  template RecurrentProblem<T> recurrent_problem<T>(                                          \
      RecurrentCell, const View<T>&, const std::vector<RecurrentWeights<T>>&, const View<T>&, \
      const View<T>&, const RecurrentOptions&, std::string_view);                             \
  template struct RecurrentCellArguments<T>;                                                  \
  template class TimeMajor<T>;                                                                \
  template class StepFactor<T>;                                                               \
  template StepCut cut_steps<T>(const RecurrentProblem<T>&);                                  \
  template Index steps_at_a_time<T>(const RecurrentProblem<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn::detail
