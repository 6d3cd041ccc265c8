#include "lamina/nn/recurrent.hpp"

#include <string_view>
#include <utility>
#include <vector>

#include "nn/output.hpp"
#include "nn/recurrent_problem.hpp"

namespace lamina::nn {

namespace {

using detail::RecurrentCell;
using detail::RecurrentCellArguments;
using detail::RecurrentProblem;

RecurrentCell rnn_kind(RnnActivation activation) {
  return activation == RnnActivation::Relu ? RecurrentCell::RnnRelu : RecurrentCell::RnnTanh;
}
RecurrentCell gru_kind(bool reset_after) {
  return reset_after ? RecurrentCell::GruResetAfter : RecurrentCell::GruResetBefore;
}

/// Error unless the results that are defined have the shapes of `wanted` and lie apart from each
/// other and from all that a call reads.
template <class T>
class ResultCheck {
 public:
  ResultCheck(const RecurrentProblem<T>& problem, std::vector<const View<T>*> inputs)
      : operation_(problem.operation), inputs_(std::move(inputs)) {
    for (const RecurrentWeights<T>& w : *problem.weights) {
      inputs_.insert(inputs_.end(), {&w.w_ih, &w.w_hh, &w.b_ih, &w.b_hh, &w.peephole});
    }
  }

  void required(const MutView<T>& out, std::string_view name, const Shape& shape) {
    detail::check_output(out, name, shape, operation_);
    for (const View<T>* input : inputs_) {
      check(overlap(out, *input) == Overlap::None, ErrorKind::InvalidOperation, operation_, name,
            " overlaps an input");
    }
    for (const auto& [other, other_name] : seen_) {
      detail::check_outputs_apart<T, T>(out, name, other, other_name, operation_);
    }
    seen_.push_back({out, name});
  }
  void optional(const MutView<T>& out, std::string_view name, const Shape& shape) {
    if (out.defined()) {
      required(out, name, shape);
    }
  }
  void weights(const RecurrentWeights<T>& given, const RecurrentWeightGradientViews<T>& gradients) {
    const auto one = [&](const View<T>& w, const MutView<T>& out, std::string_view name) {
      check(w.defined() || !out.defined(), ErrorKind::InvalidOperation, operation_, name,
            " is the gradient of a weight that is absent");
      optional(out, name, w.shape());
    };
    one(given.w_ih, gradients.dw_ih, "dw_ih");
    one(given.w_hh, gradients.dw_hh, "dw_hh");
    one(given.b_ih, gradients.db_ih, "db_ih");
    one(given.b_hh, gradients.db_hh, "db_hh");
    one(given.peephole, gradients.dpeephole, "dpeephole");
  }

 private:
  std::string_view operation_;
  std::vector<const View<T>*> inputs_;
  std::vector<std::pair<MutView<T>, std::string_view>> seen_;
};

template <class T>
Array<T> like(const View<T>& x) {
  return x.defined() ? Array<T>::empty(x.shape()) : Array<T>();
}
template <class T>
MutView<T> target_of(const View<T>& x, Array<T>& gradient) {
  return x.defined() ? MutView<T>(gradient) : MutView<T>();
}
template <class T>
RecurrentWeightGradients<T> gradients_like(const RecurrentWeights<T>& w) {
  return {like(w.w_ih), like(w.w_hh), like(w.b_ih), like(w.b_hh), like(w.peephole)};
}
template <class T>
RecurrentWeightGradientViews<T> views_of(const RecurrentWeights<T>& w,
                                         RecurrentWeightGradients<T>& d) {
  return {target_of(w.w_ih, d.dw_ih), target_of(w.w_hh, d.dw_hh), target_of(w.b_ih, d.db_ih),
          target_of(w.b_hh, d.db_hh), target_of(w.peephole, d.dpeephole)};
}

// ---------------------------------------------------------------- one step

template <class T>
void cell_into(const RecurrentCellArguments<T>& arguments,
               const std::vector<const View<T>*>& inputs, const MutView<T>& h_next,
               const MutView<T>& c_next) {
  const RecurrentProblem<T>& problem = arguments.problem;
  ResultCheck<T> results(problem, inputs);
  results.required(h_next, problem.lstm() ? "h_next" : "out", arguments.state_shape);
  if (problem.lstm()) {
    results.required(c_next, "c_next", arguments.state_shape);
  }
  detail::PackedOut<T> h(h_next);
  detail::PackedOut<T> c(c_next);
  detail::recurrent_forward<T>(problem, nullptr, h.data(), c.data(), nullptr);
  h.finish();
  c.finish();
}

template <class T>
LstmState<T> cell(const RecurrentCellArguments<T>& arguments) {
  const bool lstm = arguments.problem.lstm();
  LstmState<T> result{Array<T>::empty(arguments.state_shape),
                      lstm ? Array<T>::empty(arguments.state_shape) : Array<T>()};
  detail::recurrent_forward<T>(arguments.problem, nullptr, result.h.data(),
                               lstm ? result.c.data() : nullptr, nullptr);
  return result;
}

/// dh and dc as the caller gave them; inputs: what else the call reads.
template <class T>
void cell_backward_into(const RecurrentCellArguments<T>& arguments, const View<T>& x,
                        const View<T>& dh, const View<T>& dc, std::vector<const View<T>*> inputs,
                        const RecurrentCellGradientViews<T>& gradients) {
  const RecurrentProblem<T>& problem = arguments.problem;
  const auto gradient = [&](const View<T>& given, std::string_view name) {
    check(!given.defined() || given.shape() == arguments.state_shape, ErrorKind::DimensionMismatch,
          problem.operation, name, " has shape ", given.shape(), ", expected ",
          arguments.state_shape);
  };
  gradient(dh, "dh_next");
  gradient(dc, "dc_next");
  check(dh.defined() || dc.defined(), ErrorKind::InvalidOperation, problem.operation,
        "no gradient is given");
  inputs.insert(inputs.end(), {&x, &dh, &dc});
  ResultCheck<T> results(problem, std::move(inputs));
  results.optional(gradients.dx, "dx", x.shape());
  results.optional(gradients.dh, "dh", arguments.state_shape);
  check(problem.lstm() || !gradients.dc.defined(), ErrorKind::InvalidOperation, problem.operation,
        "dc is for an LSTM only");
  results.optional(gradients.dc, "dc", arguments.state_shape);
  results.weights((*problem.weights)[0], gradients.weights);
  const lamina::detail::Packed<T> packed_h(dh);
  const lamina::detail::Packed<T> packed_c(dc);
  const Shape state{1, problem.batch, problem.hidden};
  detail::PackedOut<T> dx(gradients.dx);
  detail::PackedOut<T> dh_before(gradients.dh);
  detail::PackedOut<T> dc_before(gradients.dc);
  const auto shaped = [](const MutView<T>& given, T* data, const Shape& shape) {
    return given.defined() ? MutView<T>(data, shape) : MutView<T>();
  };
  detail::recurrent_backward<T>(
      problem, View<T>(), dh.defined() ? View<T>(packed_h.data(), state) : View<T>(),
      dc.defined() ? View<T>(packed_c.data(), state) : View<T>(), nullptr,
      {shaped(gradients.dx, dx.data(), {1, problem.batch, problem.features}),
       shaped(gradients.dh, dh_before.data(), state),
       shaped(gradients.dc, dc_before.data(), state),
       {gradients.weights}});
  dx.finish();
  dh_before.finish();
  dc_before.finish();
}

template <class T>
RecurrentCellGradients<T> cell_backward(const RecurrentCellArguments<T>& arguments,
                                        const View<T>& x, const View<T>& dh, const View<T>& dc) {
  const RecurrentWeights<T>& weights = (*arguments.problem.weights)[0];
  const bool lstm = arguments.problem.lstm();
  RecurrentCellGradients<T> d{Array<T>::empty(x.shape()), Array<T>::empty(arguments.state_shape),
                              lstm ? Array<T>::empty(arguments.state_shape) : Array<T>(),
                              gradients_like(weights)};
  cell_backward_into<T>(
      arguments, x, dh, dc, {},
      {d.dx, d.dh, lstm ? MutView<T>(d.dc) : MutView<T>(), views_of(weights, d.weights)});
  return d;
}

// ---------------------------------------------------------------- sequences

template <class T>
void sequence_into(const RecurrentProblem<T>& problem, const std::vector<const View<T>*>& inputs,
                   const MutView<T>& y, const MutView<T>& h, const MutView<T>& c,
                   RecurrentTrace<T>* trace) {
  ResultCheck<T> results(problem, inputs);
  results.required(y, "y", problem.sequence_shape(problem.directions * problem.hidden));
  results.required(h, "h", problem.state_shape());
  if (problem.lstm()) {
    results.required(c, "c", problem.state_shape());
  }
  detail::PackedOut<T> packed_y(y);
  detail::PackedOut<T> packed_h(h);
  detail::PackedOut<T> packed_c(c);
  detail::recurrent_forward<T>(problem, packed_y.data(), packed_h.data(), packed_c.data(), trace);
  packed_y.finish();
  packed_h.finish();
  packed_c.finish();
}

template <class T>
LstmResult<T> sequence(const RecurrentProblem<T>& problem, RecurrentTrace<T>* trace) {
  LstmResult<T> result;
  result.y = Array<T>::empty(problem.sequence_shape(problem.directions * problem.hidden));
  result.h = Array<T>::empty(problem.state_shape());
  if (problem.lstm()) {
    result.c = Array<T>::empty(problem.state_shape());
  }
  detail::recurrent_forward<T>(problem, result.y.data(), result.h.data(),
                               problem.lstm() ? result.c.data() : nullptr, trace);
  return result;
}

/// Checks the gradients of a sequence and runs the backward pass. inputs: what else it reads.
template <class T>
void sequence_backward_into(const RecurrentProblem<T>& problem, const View<T>& dy,
                            const View<T>& dh, const View<T>& dc, const RecurrentTrace<T>* trace,
                            std::vector<const View<T>*> inputs,
                            const RecurrentGradientViews<T>& gradients) {
  const auto want = [&](const View<T>& given, const Shape& shape, std::string_view name) {
    check(!given.defined() || given.shape() == shape, ErrorKind::DimensionMismatch,
          problem.operation, name, " has shape ", given.shape(), ", expected ", shape);
  };
  want(dy, problem.sequence_shape(problem.directions * problem.hidden), "dy");
  want(dh, problem.state_shape(), "dh");
  want(dc, problem.state_shape(), "dc");
  check(dy.defined() || dh.defined() || dc.defined(), ErrorKind::InvalidOperation,
        problem.operation, "no gradient is given");
  inputs.insert(inputs.end(), {&dy, &dh, &dc, &problem.x, &problem.h0, &problem.c0});
  ResultCheck<T> results(problem, std::move(inputs));
  results.optional(gradients.dx, "dx", problem.sequence_shape(problem.features));
  results.optional(gradients.dh0, "dh0", problem.state_shape());
  check(problem.lstm() || !gradients.dc0.defined(), ErrorKind::InvalidOperation, problem.operation,
        "dc0 is for an LSTM only");
  results.optional(gradients.dc0, "dc0", problem.state_shape());
  check(gradients.weights.empty() || gradients.weights.size() == problem.weights->size(),
        ErrorKind::DimensionMismatch, problem.operation, "there are ", problem.weights->size(),
        " weights and gradients of ", gradients.weights.size());
  for (std::size_t i = 0; i < gradients.weights.size(); ++i) {
    results.weights((*problem.weights)[i], gradients.weights[i]);
  }
  const auto state = [&](const View<T>& given) {
    return given.defined() && problem.single ? given.expand_dims(1) : given;
  };
  View<T> outputs = dy;
  if (dy.defined()) {
    outputs = problem.single ? dy.expand_dims(1) : problem.batch_first ? dy.swap_axes(0, 1) : dy;
  }
  detail::recurrent_backward<T>(problem, outputs, state(dh), state(dc), trace, gradients);
}

template <class T>
RecurrentGradients<T> sequence_backward(const RecurrentProblem<T>& problem, const View<T>& dy,
                                        const View<T>& dh, const View<T>& dc,
                                        const RecurrentTrace<T>* trace) {
  RecurrentGradients<T> d;
  d.dx = Array<T>::empty(problem.sequence_shape(problem.features));
  d.dh0 = Array<T>::empty(problem.state_shape());
  RecurrentGradientViews<T> views{d.dx, d.dh0, {}, {}};
  if (problem.lstm()) {
    d.dc0 = Array<T>::empty(problem.state_shape());
    views.dc0 = d.dc0;
  }
  for (const RecurrentWeights<T>& w : *problem.weights) {
    d.weights.push_back(gradients_like(w));
    views.weights.push_back(views_of(w, d.weights.back()));
  }
  sequence_backward_into<T>(problem, dy, dh, dc, trace, {}, views);
  return d;
}

}  // namespace

template <class T>
void rnn_cell_into(const View<T>& x, ViewArg<T> h,
                   const RecurrentWeights<std::type_identity_t<T>>& weights, MutArg<T> out,
                   const RecurrentCellOptions& options) {
  cell_into<T>(
      RecurrentCellArguments<T>(rnn_kind(options.activation), x, h, {}, weights, "rnn_cell"),
      {&x, &h}, out, {});
}
template <class T>
Array<T> rnn_cell(const View<T>& x, ViewArg<T> h,
                  const RecurrentWeights<std::type_identity_t<T>>& weights,
                  const RecurrentCellOptions& options) {
  return cell(
             RecurrentCellArguments<T>(rnn_kind(options.activation), x, h, {}, weights, "rnn_cell"))
      .h;
}

template <class T>
void lstm_cell_into(const View<T>& x, ViewArg<T> h, ViewArg<T> c,
                    const RecurrentWeights<std::type_identity_t<T>>& weights, MutArg<T> h_next,
                    MutArg<T> c_next) {
  cell_into<T>(RecurrentCellArguments<T>(RecurrentCell::Lstm, x, h, c, weights, "lstm_cell"),
               {&x, &h, &c}, h_next, c_next);
}
template <class T>
LstmState<T> lstm_cell(const View<T>& x, ViewArg<T> h, ViewArg<T> c,
                       const RecurrentWeights<std::type_identity_t<T>>& weights) {
  return cell(RecurrentCellArguments<T>(RecurrentCell::Lstm, x, h, c, weights, "lstm_cell"));
}

template <class T>
void gru_cell_into(const View<T>& x, ViewArg<T> h,
                   const RecurrentWeights<std::type_identity_t<T>>& weights, MutArg<T> out,
                   const RecurrentCellOptions& options) {
  cell_into<T>(
      RecurrentCellArguments<T>(gru_kind(options.reset_after), x, h, {}, weights, "gru_cell"),
      {&x, &h}, out, {});
}
template <class T>
Array<T> gru_cell(const View<T>& x, ViewArg<T> h,
                  const RecurrentWeights<std::type_identity_t<T>>& weights,
                  const RecurrentCellOptions& options) {
  return cell(RecurrentCellArguments<T>(gru_kind(options.reset_after), x, h, {}, weights,
                                        "gru_cell"))
      .h;
}

template <class T>
void rnn_cell_backward_into(const View<T>& dh_next, ViewArg<T> x, ViewArg<T> h,
                            const RecurrentWeights<std::type_identity_t<T>>& weights,
                            const RecurrentCellGradientViews<std::type_identity_t<T>>& gradients,
                            const RecurrentCellOptions& options) {
  cell_backward_into<T>(RecurrentCellArguments<T>(rnn_kind(options.activation), x, h, {}, weights,
                                                  "rnn_cell_backward"),
                        x, dh_next, {}, {&h}, gradients);
}
template <class T>
RecurrentCellGradients<T> rnn_cell_backward(
    const View<T>& dh_next, ViewArg<T> x, ViewArg<T> h,
    const RecurrentWeights<std::type_identity_t<T>>& weights, const RecurrentCellOptions& options) {
  return cell_backward<T>(RecurrentCellArguments<T>(rnn_kind(options.activation), x, h, {}, weights,
                                                    "rnn_cell_backward"),
                          x, dh_next, {});
}

template <class T>
void lstm_cell_backward_into(const View<T>& dh_next, ViewArg<T> dc_next, ViewArg<T> x, ViewArg<T> h,
                             ViewArg<T> c, const RecurrentWeights<std::type_identity_t<T>>& weights,
                             const RecurrentCellGradientViews<std::type_identity_t<T>>& gradients) {
  cell_backward_into<T>(
      RecurrentCellArguments<T>(RecurrentCell::Lstm, x, h, c, weights, "lstm_cell_backward"), x,
      dh_next, dc_next, {&h, &c}, gradients);
}
template <class T>
RecurrentCellGradients<T> lstm_cell_backward(
    const View<T>& dh_next, ViewArg<T> dc_next, ViewArg<T> x, ViewArg<T> h, ViewArg<T> c,
    const RecurrentWeights<std::type_identity_t<T>>& weights) {
  return cell_backward<T>(
      RecurrentCellArguments<T>(RecurrentCell::Lstm, x, h, c, weights, "lstm_cell_backward"), x,
      dh_next, dc_next);
}

template <class T>
void gru_cell_backward_into(const View<T>& dh_next, ViewArg<T> x, ViewArg<T> h,
                            const RecurrentWeights<std::type_identity_t<T>>& weights,
                            const RecurrentCellGradientViews<std::type_identity_t<T>>& gradients,
                            const RecurrentCellOptions& options) {
  cell_backward_into<T>(RecurrentCellArguments<T>(gru_kind(options.reset_after), x, h, {}, weights,
                                                  "gru_cell_backward"),
                        x, dh_next, {}, {&h}, gradients);
}
template <class T>
RecurrentCellGradients<T> gru_cell_backward(
    const View<T>& dh_next, ViewArg<T> x, ViewArg<T> h,
    const RecurrentWeights<std::type_identity_t<T>>& weights, const RecurrentCellOptions& options) {
  return cell_backward<T>(RecurrentCellArguments<T>(gru_kind(options.reset_after), x, h, {},
                                                    weights, "gru_cell_backward"),
                          x, dh_next, {});
}

template <class T>
void rnn_into(const View<T>& x,
              const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights, MutArg<T> y,
              MutArg<T> h, ViewArg<T> h0, const RecurrentOptions& options,
              RecurrentTrace<std::type_identity_t<T>>* trace) {
  sequence_into<T>(detail::recurrent_problem<T>(rnn_kind(options.activation), x, weights, h0, {},
                                                options, "rnn"),
                   {&x, &h0}, y, h, {}, trace);
}
template <class T>
RecurrentResult<T> rnn(const View<T>& x,
                       const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights,
                       ViewArg<T> h0, const RecurrentOptions& options,
                       RecurrentTrace<std::type_identity_t<T>>* trace) {
  LstmResult<T> result = sequence(detail::recurrent_problem<T>(rnn_kind(options.activation), x,
                                                               weights, h0, {}, options, "rnn"),
                                  trace);
  return {std::move(result.y), std::move(result.h)};
}
template <class T>
void rnn_backward_into(const View<T>& dy, ViewArg<T> dh, ViewArg<T> x,
                       const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights,
                       const RecurrentGradientViews<std::type_identity_t<T>>& gradients,
                       ViewArg<T> h0, const RecurrentOptions& options,
                       const RecurrentTrace<std::type_identity_t<T>>* trace) {
  sequence_backward_into<T>(detail::recurrent_problem<T>(rnn_kind(options.activation), x, weights,
                                                         h0, {}, options, "rnn_backward"),
                            dy, dh, {}, trace, {}, gradients);
}
template <class T>
RecurrentGradients<T> rnn_backward(
    const View<T>& dy, ViewArg<T> dh, ViewArg<T> x,
    const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights, ViewArg<T> h0,
    const RecurrentOptions& options, const RecurrentTrace<std::type_identity_t<T>>* trace) {
  return sequence_backward<T>(detail::recurrent_problem<T>(rnn_kind(options.activation), x, weights,
                                                           h0, {}, options, "rnn_backward"),
                              dy, dh, {}, trace);
}

template <class T>
void lstm_into(const View<T>& x,
               const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights, MutArg<T> y,
               MutArg<T> h, MutArg<T> c, ViewArg<T> h0, ViewArg<T> c0,
               const RecurrentOptions& options, RecurrentTrace<std::type_identity_t<T>>* trace) {
  sequence_into<T>(
      detail::recurrent_problem<T>(RecurrentCell::Lstm, x, weights, h0, c0, options, "lstm"),
      {&x, &h0, &c0}, y, h, c, trace);
}
template <class T>
LstmResult<T> lstm(const View<T>& x,
                   const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights,
                   ViewArg<T> h0, ViewArg<T> c0, const RecurrentOptions& options,
                   RecurrentTrace<std::type_identity_t<T>>* trace) {
  return sequence(
      detail::recurrent_problem<T>(RecurrentCell::Lstm, x, weights, h0, c0, options, "lstm"),
      trace);
}
template <class T>
void lstm_backward_into(const View<T>& dy, ViewArg<T> dh, ViewArg<T> dc, ViewArg<T> x,
                        const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights,
                        const RecurrentGradientViews<std::type_identity_t<T>>& gradients,
                        ViewArg<T> h0, ViewArg<T> c0, const RecurrentOptions& options,
                        const RecurrentTrace<std::type_identity_t<T>>* trace) {
  sequence_backward_into<T>(detail::recurrent_problem<T>(RecurrentCell::Lstm, x, weights, h0, c0,
                                                         options, "lstm_backward"),
                            dy, dh, dc, trace, {}, gradients);
}
template <class T>
RecurrentGradients<T> lstm_backward(
    const View<T>& dy, ViewArg<T> dh, ViewArg<T> dc, ViewArg<T> x,
    const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights, ViewArg<T> h0,
    ViewArg<T> c0, const RecurrentOptions& options,
    const RecurrentTrace<std::type_identity_t<T>>* trace) {
  return sequence_backward<T>(detail::recurrent_problem<T>(RecurrentCell::Lstm, x, weights, h0, c0,
                                                           options, "lstm_backward"),
                              dy, dh, dc, trace);
}

template <class T>
void gru_into(const View<T>& x,
              const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights, MutArg<T> y,
              MutArg<T> h, ViewArg<T> h0, const RecurrentOptions& options,
              RecurrentTrace<std::type_identity_t<T>>* trace) {
  sequence_into<T>(detail::recurrent_problem<T>(gru_kind(options.reset_after), x, weights, h0, {},
                                                options, "gru"),
                   {&x, &h0}, y, h, {}, trace);
}
template <class T>
RecurrentResult<T> gru(const View<T>& x,
                       const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights,
                       ViewArg<T> h0, const RecurrentOptions& options,
                       RecurrentTrace<std::type_identity_t<T>>* trace) {
  LstmResult<T> result = sequence(detail::recurrent_problem<T>(gru_kind(options.reset_after), x,
                                                               weights, h0, {}, options, "gru"),
                                  trace);
  return {std::move(result.y), std::move(result.h)};
}
template <class T>
void gru_backward_into(const View<T>& dy, ViewArg<T> dh, ViewArg<T> x,
                       const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights,
                       const RecurrentGradientViews<std::type_identity_t<T>>& gradients,
                       ViewArg<T> h0, const RecurrentOptions& options,
                       const RecurrentTrace<std::type_identity_t<T>>* trace) {
  sequence_backward_into<T>(detail::recurrent_problem<T>(gru_kind(options.reset_after), x, weights,
                                                         h0, {}, options, "gru_backward"),
                            dy, dh, {}, trace, {}, gradients);
}
template <class T>
RecurrentGradients<T> gru_backward(
    const View<T>& dy, ViewArg<T> dh, ViewArg<T> x,
    const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights, ViewArg<T> h0,
    const RecurrentOptions& options, const RecurrentTrace<std::type_identity_t<T>>* trace) {
  return sequence_backward<T>(
      detail::recurrent_problem<T>(gru_kind(options.reset_after), x, weights, h0, {}, options,
                                   "gru_backward"),
      dy, dh, {}, trace);
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template LAMINA_EXPORT void rnn_cell_into<T>(const View<T>&, ViewArg<T>,                         \
                                               const RecurrentWeights<T>&, MutArg<T>,              \
                                               const RecurrentCellOptions&);                       \
  template LAMINA_EXPORT void lstm_cell_into<T>(const View<T>&, ViewArg<T>, ViewArg<T>,            \
                                                const RecurrentWeights<T>&, MutArg<T>, MutArg<T>); \
  template LAMINA_EXPORT void gru_cell_into<T>(const View<T>&, ViewArg<T>,                         \
                                               const RecurrentWeights<T>&, MutArg<T>,              \
                                               const RecurrentCellOptions&);                       \
  template LAMINA_EXPORT void rnn_cell_backward_into<T>(                                           \
      const View<T>&, ViewArg<T>, ViewArg<T>, const RecurrentWeights<T>&,                          \
      const RecurrentCellGradientViews<T>&, const RecurrentCellOptions&);                          \
  template LAMINA_EXPORT void lstm_cell_backward_into<T>(                                          \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, ViewArg<T>, const RecurrentWeights<T>&,  \
      const RecurrentCellGradientViews<T>&);                                                       \
  template LAMINA_EXPORT void gru_cell_backward_into<T>(                                           \
      const View<T>&, ViewArg<T>, ViewArg<T>, const RecurrentWeights<T>&,                          \
      const RecurrentCellGradientViews<T>&, const RecurrentCellOptions&);                          \
  template LAMINA_EXPORT void rnn_into<T>(const View<T>&, const std::vector<RecurrentWeights<T>>&, \
                                          MutArg<T>, MutArg<T>, ViewArg<T>,                        \
                                          const RecurrentOptions&, RecurrentTrace<T>*);            \
  template LAMINA_EXPORT void lstm_into<T>(                                                        \
      const View<T>&, const std::vector<RecurrentWeights<T>>&, MutArg<T>, MutArg<T>, MutArg<T>,    \
      ViewArg<T>, ViewArg<T>, const RecurrentOptions&, RecurrentTrace<T>*);                        \
  template LAMINA_EXPORT void gru_into<T>(const View<T>&, const std::vector<RecurrentWeights<T>>&, \
                                          MutArg<T>, MutArg<T>, ViewArg<T>,                        \
                                          const RecurrentOptions&, RecurrentTrace<T>*);            \
  template LAMINA_EXPORT void rnn_backward_into<T>(                                                \
      const View<T>&, ViewArg<T>, ViewArg<T>, const std::vector<RecurrentWeights<T>>&,             \
      const RecurrentGradientViews<T>&, ViewArg<T>, const RecurrentOptions&,                       \
      const RecurrentTrace<T>*);                                                                   \
  template LAMINA_EXPORT void lstm_backward_into<T>(                                               \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, const std::vector<RecurrentWeights<T>>&, \
      const RecurrentGradientViews<T>&, ViewArg<T>, ViewArg<T>, const RecurrentOptions&,           \
      const RecurrentTrace<T>*);                                                                   \
  template LAMINA_EXPORT void gru_backward_into<T>(                                                \
      const View<T>&, ViewArg<T>, ViewArg<T>, const std::vector<RecurrentWeights<T>>&,             \
      const RecurrentGradientViews<T>&, ViewArg<T>, const RecurrentOptions&,                       \
      const RecurrentTrace<T>*);                                                                   \
  template LAMINA_EXPORT Array<T> rnn_cell<T>(                                                     \
      const View<T>&, ViewArg<T>, const RecurrentWeights<T>&, const RecurrentCellOptions&);        \
  template LAMINA_EXPORT LstmState<T> lstm_cell<T>(const View<T>&, ViewArg<T>, ViewArg<T>,         \
                                                   const RecurrentWeights<T>&);                    \
  template LAMINA_EXPORT Array<T> gru_cell<T>(                                                     \
      const View<T>&, ViewArg<T>, const RecurrentWeights<T>&, const RecurrentCellOptions&);        \
  template LAMINA_EXPORT RecurrentCellGradients<T> rnn_cell_backward<T>(                           \
      const View<T>&, ViewArg<T>, ViewArg<T>, const RecurrentWeights<T>&,                          \
      const RecurrentCellOptions&);                                                                \
  template LAMINA_EXPORT RecurrentCellGradients<T> lstm_cell_backward<T>(                          \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, ViewArg<T>, const RecurrentWeights<T>&); \
  template LAMINA_EXPORT RecurrentCellGradients<T> gru_cell_backward<T>(                           \
      const View<T>&, ViewArg<T>, ViewArg<T>, const RecurrentWeights<T>&,                          \
      const RecurrentCellOptions&);                                                                \
  template LAMINA_EXPORT RecurrentResult<T> rnn<T>(                                                \
      const View<T>&, const std::vector<RecurrentWeights<T>>&, ViewArg<T>,                         \
      const RecurrentOptions&, RecurrentTrace<T>*);                                                \
  template LAMINA_EXPORT LstmResult<T> lstm<T>(                                                    \
      const View<T>&, const std::vector<RecurrentWeights<T>>&, ViewArg<T>, ViewArg<T>,             \
      const RecurrentOptions&, RecurrentTrace<T>*);                                                \
  template LAMINA_EXPORT RecurrentResult<T> gru<T>(                                                \
      const View<T>&, const std::vector<RecurrentWeights<T>>&, ViewArg<T>,                         \
      const RecurrentOptions&, RecurrentTrace<T>*);                                                \
  template LAMINA_EXPORT RecurrentGradients<T> rnn_backward<T>(                                    \
      const View<T>&, ViewArg<T>, ViewArg<T>, const std::vector<RecurrentWeights<T>>&, ViewArg<T>, \
      const RecurrentOptions&, const RecurrentTrace<T>*);                                          \
  template LAMINA_EXPORT RecurrentGradients<T> lstm_backward<T>(                                   \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, const std::vector<RecurrentWeights<T>>&, \
      ViewArg<T>, ViewArg<T>, const RecurrentOptions&, const RecurrentTrace<T>*);                  \
  template LAMINA_EXPORT RecurrentGradients<T> gru_backward<T>(                                    \
      const View<T>&, ViewArg<T>, ViewArg<T>, const std::vector<RecurrentWeights<T>>&, ViewArg<T>, \
      const RecurrentOptions&, const RecurrentTrace<T>*);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn
