#pragma once

#include <cstdint>
#include <vector>

#include "lamina/core/array.hpp"
#include "lamina/core/random.hpp"

// Recurrent networks: one step (rnn_cell, lstm_cell, gru_cell) and whole sequences (rnn, lstm,
// gru), with weights in PyTorch's layout and order of gates.

namespace lamina::nn {

/// The function of a plain recurrent network.
enum class RnnActivation : std::uint8_t { Tanh, Relu };

/// The way through time. Reverse: from the last step to the first. Both: one network each way, its
/// outputs side by side.
enum class RecurrentDirection : std::uint8_t { Forward, Reverse, Both };

/// What the formulas of a cell leave open.
struct RecurrentCellOptions {
  /// Of rnn_cell.
  RnnActivation activation = RnnActivation::Tanh;
  /// Of gru_cell: the reset gate is applied behind the product with w_hh, as in PyTorch; false:
  /// before it, as in Cho et al. 2014 and ONNX unless linear_before_reset is set.
  bool reset_after = true;
};

/// How a sequence is processed.
struct RecurrentOptions {
  /// x and y are (N, steps, ...), not (steps, N, ...).
  bool batch_first = false;
  RecurrentDirection direction = RecurrentDirection::Forward;
  /// Of rnn, see RecurrentCellOptions.
  RnnActivation activation = RnnActivation::Tanh;
  /// Of gru, see RecurrentCellOptions.
  bool reset_after = true;
  /// (N), how many steps, from the first, each item of the batch has; absent: all. The rest of x is
  /// not read, y is 0 there, and the final states are those behind the last step an item has.
  View<std::int64_t> lengths = {};
  /// Probability with which an element of what one layer hands to the next is dropped (training).
  double dropout = 0;
  /// Needed if dropout > 0. A backward pass without a trace draws the same again from a copy of the
  /// generator as it was before the forward call.
  Generator* generator = nullptr;
};

/// Weights of one cell; of a sequence those of one layer and direction. The rows of the gates one
/// after the other: LSTM input, forget, cell, output; GRU reset, update, new. Views: what they look
/// at must live as long as the call.
template <class T>
struct RecurrentWeights {
  // No aggregate: GCC 12 fails on default members of one that is an element of a braced list.
  RecurrentWeights() = default;
  RecurrentWeights(View<T> input, View<T> state, View<T> input_bias = View<T>(),
                   View<T> state_bias = View<T>(), View<T> peepholes = View<T>())
      : w_ih(input), w_hh(state), b_ih(input_bias), b_hh(state_bias), peephole(peepholes) {}

  View<T> w_ih;  ///< (gates * hidden, features)
  View<T> w_hh;  ///< (gates * hidden, hidden)
  View<T> b_ih;  ///< (gates * hidden), or absent
  View<T> b_hh;  ///< (gates * hidden), or absent
  /// LSTM only: (3, hidden), what the cell adds to the sums of the input, forget and output gate;
  /// or absent.
  View<T> peephole;
};

/// Gradients of RecurrentWeights; of shape (0) where the weight is absent.
template <class T>
struct RecurrentWeightGradients {
  Array<T> dw_ih, dw_hh, db_ih, db_hh, dpeephole;
};
/// Where an _into form writes them: of the shapes of the weights, apart from each other and from
/// all arguments. What is not defined is left out.
template <class T>
struct RecurrentWeightGradientViews {
  MutView<T> dw_ih = {}, dw_hh = {}, db_ih = {}, db_hh = {}, dpeephole = {};
};

/// Hidden state and cell of an LSTM.
template <class T>
struct LstmState {
  Array<T> h, c;
};

/// Gradients of a cell; dc is of shape (0) but for an LSTM.
template <class T>
struct RecurrentCellGradients {
  Array<T> dx, dh, dc;
  RecurrentWeightGradients<T> weights;
};
/// Where an _into form writes them; see RecurrentWeightGradientViews.
template <class T>
struct RecurrentCellGradientViews {
  MutView<T> dx = {}, dh = {}, dc = {};
  RecurrentWeightGradientViews<T> weights = {};
};

/// One step of a plain recurrent network.
///
///   h' = f(w_ih x + b_ih + w_hh h + b_hh),   f = tanh or relu
///
/// x (..., features)   h (..., hidden), zeros if absent   returns (..., hidden). float and double;
/// any strides. In place: no. Error(DimensionMismatch): ranks and extents of x, h, weights, biases.
/// Gradient: rnn_cell_backward. Numerics: products as matmul, tanh within 3 ULP; the same bits on
/// any number of threads; NaN propagates. torch.nn.RNNCell, ONNX RNN. Elman 1990.
template <class T>
void rnn_cell_into(const View<T>& x, ViewArg<T> h,
                   const RecurrentWeights<std::type_identity_t<T>>& weights, MutArg<T> out,
                   const RecurrentCellOptions& options = {});
template <class T>
[[nodiscard]] Array<T> rnn_cell(const View<T>& x, ViewArg<T> h,
                                const RecurrentWeights<std::type_identity_t<T>>& weights,
                                const RecurrentCellOptions& options = {});
/// One step of a long short-term memory.
///
///   i, f, g, o = sigmoid, sigmoid, tanh, sigmoid of the gates of (w_ih x + b_ih + w_hh h + b_hh)
///   c' = f c + i g,   h' = o tanh(c')
///
/// with peepholes p: p_i c is added to the sum of i, p_f c to that of f and p_o c' to that of o.
///
/// x (..., features)   h, c (..., hidden), zeros if absent   returns {h', c'}. sigmoid and tanh
/// within 3 ULP; otherwise as rnn_cell. Gradient: lstm_cell_backward. torch.nn.LSTMCell, ONNX LSTM
/// (which orders the gates i, o, f, c). Hochreiter and Schmidhuber 1997, Gers et al. 2000
/// and 2002 (peepholes).
template <class T>
void lstm_cell_into(const View<T>& x, ViewArg<T> h, ViewArg<T> c,
                    const RecurrentWeights<std::type_identity_t<T>>& weights, MutArg<T> h_next,
                    MutArg<T> c_next);
template <class T>
[[nodiscard]] LstmState<T> lstm_cell(const View<T>& x, ViewArg<T> h, ViewArg<T> c,
                                     const RecurrentWeights<std::type_identity_t<T>>& weights);
/// One step of a gated recurrent unit.
///
///   r, z = sigmoid of the gates of (w_ih x + b_ih + w_hh h + b_hh)
///   n = tanh(w_in x + b_in + r (w_hn h + b_hn)),   or with reset_after = false
///   n = tanh(w_in x + b_in + w_hn (r h) + b_hn)
///   h' = (1 - z) n + z h
///
/// As rnn_cell. Gradient: gru_cell_backward. torch.nn.GRUCell, ONNX GRU (which orders the gates
/// z, r, h). Cho et al. 2014.
template <class T>
void gru_cell_into(const View<T>& x, ViewArg<T> h,
                   const RecurrentWeights<std::type_identity_t<T>>& weights, MutArg<T> out,
                   const RecurrentCellOptions& options = {});
template <class T>
[[nodiscard]] Array<T> gru_cell(const View<T>& x, ViewArg<T> h,
                                const RecurrentWeights<std::type_identity_t<T>>& weights,
                                const RecurrentCellOptions& options = {});

/// Gradient of rnn_cell. dh_next has the shape of the result; the others as in the forward call,
/// whose errors and numerics hold.
template <class T>
void rnn_cell_backward_into(const View<T>& dh_next, ViewArg<T> x, ViewArg<T> h,
                            const RecurrentWeights<std::type_identity_t<T>>& weights,
                            const RecurrentCellGradientViews<std::type_identity_t<T>>& gradients,
                            const RecurrentCellOptions& options = {});
template <class T>
[[nodiscard]] RecurrentCellGradients<T> rnn_cell_backward(
    const View<T>& dh_next, ViewArg<T> x, ViewArg<T> h,
    const RecurrentWeights<std::type_identity_t<T>>& weights,
    const RecurrentCellOptions& options = {});
/// Gradient of lstm_cell. dh_next or dc_next may be absent: zeros.
template <class T>
void lstm_cell_backward_into(const View<T>& dh_next, ViewArg<T> dc_next, ViewArg<T> x, ViewArg<T> h,
                             ViewArg<T> c, const RecurrentWeights<std::type_identity_t<T>>& weights,
                             const RecurrentCellGradientViews<std::type_identity_t<T>>& gradients);
template <class T>
[[nodiscard]] RecurrentCellGradients<T> lstm_cell_backward(
    const View<T>& dh_next, ViewArg<T> dc_next, ViewArg<T> x, ViewArg<T> h, ViewArg<T> c,
    const RecurrentWeights<std::type_identity_t<T>>& weights);
/// Gradient of gru_cell.
template <class T>
void gru_cell_backward_into(const View<T>& dh_next, ViewArg<T> x, ViewArg<T> h,
                            const RecurrentWeights<std::type_identity_t<T>>& weights,
                            const RecurrentCellGradientViews<std::type_identity_t<T>>& gradients,
                            const RecurrentCellOptions& options = {});
template <class T>
[[nodiscard]] RecurrentCellGradients<T> gru_cell_backward(
    const View<T>& dh_next, ViewArg<T> x, ViewArg<T> h,
    const RecurrentWeights<std::type_identity_t<T>>& weights,
    const RecurrentCellOptions& options = {});

/// What a forward pass leaves for its backward pass: gates and states of all steps. Handed over as
/// it is; its contents are no interface.
template <class T>
struct RecurrentTrace {
  struct Direction {
    Array<T> gates, states, cells;
  };
  struct Layer {
    Array<T> input;
    std::vector<Direction> directions;
    Generator before = Generator();
  };
  std::vector<Layer> layers;
};

/// Outputs of all steps and the final states.
template <class T>
struct RecurrentResult {
  Array<T> y, h;
};
template <class T>
struct LstmResult {
  Array<T> y, h, c;
};

/// Gradients of a sequence: of x, of the initial states (dc0 is of shape (0) but for an LSTM) and
/// of the weights, in their order.
template <class T>
struct RecurrentGradients {
  Array<T> dx, dh0, dc0;
  std::vector<RecurrentWeightGradients<T>> weights;
};
/// Where an _into form writes them; see RecurrentWeightGradientViews. weights: none, or one for
/// each of the weights.
template <class T>
struct RecurrentGradientViews {
  MutView<T> dx = {}, dh0 = {}, dc0 = {};
  std::vector<RecurrentWeightGradientViews<T>> weights = {};
};

/// A plain recurrent network over sequences: rnn_cell at every step, each layer on the outputs of
/// the one below.
///
/// - x: (steps, N, features); with batch_first (N, steps, features); for one sequence
///   (steps, features)
/// - weights: those of layer 0, of layer 1 ...; in both directions forward and reverse of each
///   layer in turn. From layer 1 on there are directions * hidden features.
/// - h0: (layers * directions, N, hidden), without N for one sequence; zeros if absent
/// - returns: y (steps, N, directions * hidden), its axes in the order of x's; h of h0's shape
/// - trace: if given, receives what rnn_backward needs
///
/// float and double; any strides. In place: no.
/// Error(DimensionMismatch): ranks and extents of x, h0, weights, biases, lengths.
/// Error(InvalidOperation): no weights, or not a pair for each layer in both directions; dropout
/// outside [0, 1] or without a generator. Error(IndexOutOfBounds): a length outside [0, steps].
/// Gradient: rnn_backward.
/// Numerics: as rnn_cell; what lies beyond a length never matters, even when NaN; an item of
/// length 0 keeps its initial state. Nothing is allocated for a step. Without a trace the memory
/// beyond results is a few MiB or that of two results.
/// Same as torch.nn.RNN (packed sequences: lengths), ONNX RNN (sequence_lens).
template <class T>
void rnn_into(const View<T>& x,
              const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights, MutArg<T> y,
              MutArg<T> h, ViewArg<T> h0 = {}, const RecurrentOptions& options = {},
              RecurrentTrace<std::type_identity_t<T>>* trace = nullptr);
template <class T>
[[nodiscard]] RecurrentResult<T> rnn(
    const View<T>& x, const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights,
    ViewArg<T> h0 = {}, const RecurrentOptions& options = {},
    RecurrentTrace<std::type_identity_t<T>>* trace = nullptr);
/// A long short-term memory over sequences: lstm_cell at every step. c0 and c as h0 and h;
/// otherwise as rnn. Gradient: lstm_backward. torch.nn.LSTM (without peepholes), ONNX LSTM.
template <class T>
void lstm_into(const View<T>& x,
               const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights, MutArg<T> y,
               MutArg<T> h, MutArg<T> c, ViewArg<T> h0 = {}, ViewArg<T> c0 = {},
               const RecurrentOptions& options = {},
               RecurrentTrace<std::type_identity_t<T>>* trace = nullptr);
template <class T>
[[nodiscard]] LstmResult<T> lstm(
    const View<T>& x, const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights,
    ViewArg<T> h0 = {}, ViewArg<T> c0 = {}, const RecurrentOptions& options = {},
    RecurrentTrace<std::type_identity_t<T>>* trace = nullptr);
/// Gated recurrent units over sequences: gru_cell at every step. As rnn. Gradient: gru_backward.
/// torch.nn.GRU, ONNX GRU.
template <class T>
void gru_into(const View<T>& x,
              const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights, MutArg<T> y,
              MutArg<T> h, ViewArg<T> h0 = {}, const RecurrentOptions& options = {},
              RecurrentTrace<std::type_identity_t<T>>* trace = nullptr);
template <class T>
[[nodiscard]] RecurrentResult<T> gru(
    const View<T>& x, const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights,
    ViewArg<T> h0 = {}, const RecurrentOptions& options = {},
    RecurrentTrace<std::type_identity_t<T>>* trace = nullptr);

/// Gradient of rnn, back through all steps.
///
/// dy, dh have the shapes of y and h; one of them may be absent: zeros. x, weights, h0 and options
/// as in the forward call; trace from there, or absent: then the forward pass is computed again.
/// Error(DimensionMismatch): shapes of dy and dh. Error(InvalidOperation): a trace of another call;
/// neither dy nor dh. Otherwise errors and numerics as rnn; gradients of y beyond a length are not
/// read, dx is 0 there.
template <class T>
void rnn_backward_into(const View<T>& dy, ViewArg<T> dh, ViewArg<T> x,
                       const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights,
                       const RecurrentGradientViews<std::type_identity_t<T>>& gradients,
                       ViewArg<T> h0 = {}, const RecurrentOptions& options = {},
                       const RecurrentTrace<std::type_identity_t<T>>* trace = nullptr);
template <class T>
[[nodiscard]] RecurrentGradients<T> rnn_backward(
    const View<T>& dy, ViewArg<T> dh, ViewArg<T> x,
    const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights, ViewArg<T> h0 = {},
    const RecurrentOptions& options = {},
    const RecurrentTrace<std::type_identity_t<T>>* trace = nullptr);
/// Gradient of lstm; dc as dh. As rnn_backward.
template <class T>
void lstm_backward_into(const View<T>& dy, ViewArg<T> dh, ViewArg<T> dc, ViewArg<T> x,
                        const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights,
                        const RecurrentGradientViews<std::type_identity_t<T>>& gradients,
                        ViewArg<T> h0 = {}, ViewArg<T> c0 = {},
                        const RecurrentOptions& options = {},
                        const RecurrentTrace<std::type_identity_t<T>>* trace = nullptr);
template <class T>
[[nodiscard]] RecurrentGradients<T> lstm_backward(
    const View<T>& dy, ViewArg<T> dh, ViewArg<T> dc, ViewArg<T> x,
    const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights, ViewArg<T> h0 = {},
    ViewArg<T> c0 = {}, const RecurrentOptions& options = {},
    const RecurrentTrace<std::type_identity_t<T>>* trace = nullptr);
/// Gradient of gru. As rnn_backward.
template <class T>
void gru_backward_into(const View<T>& dy, ViewArg<T> dh, ViewArg<T> x,
                       const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights,
                       const RecurrentGradientViews<std::type_identity_t<T>>& gradients,
                       ViewArg<T> h0 = {}, const RecurrentOptions& options = {},
                       const RecurrentTrace<std::type_identity_t<T>>* trace = nullptr);
template <class T>
[[nodiscard]] RecurrentGradients<T> gru_backward(
    const View<T>& dy, ViewArg<T> dh, ViewArg<T> x,
    const std::vector<RecurrentWeights<std::type_identity_t<T>>>& weights, ViewArg<T> h0 = {},
    const RecurrentOptions& options = {},
    const RecurrentTrace<std::type_identity_t<T>>* trace = nullptr);

}  // namespace lamina::nn
