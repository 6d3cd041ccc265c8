#pragma once

#include <string>
#include <vector>

#include "lamina/autograd/ops_recurrent.hpp"
#include "lamina/core/random.hpp"
#include "lamina/layers/module.hpp"

namespace lamina::layers {

struct RecurrentLayerOptions {
  Index layers = 1;
  bool bias = true;
  bool batch_first = false;
  nn::RecurrentDirection direction = nn::RecurrentDirection::Forward;
  double dropout = 0;  ///< between the layers, in training mode only
  nn::RnnActivation activation = nn::RnnActivation::Tanh;  ///< of RNN
  bool reset_after = true;                                 ///< of GRU
};

/// What RNN, LSTM and GRU have in common: parameters named as PyTorch's (weight_ih_l0,
/// weight_hh_l0, bias_ih_l0, bias_hh_l0, ..., those of the reverse direction with _reverse behind),
/// all uniform within 1 / sqrt(hidden) at the start. Dropout has a generator of its own, seeded
/// from the one given. Error(InvalidOperation): no layers, no hidden units, dropout outside [0, 1].
template <class T>
class RecurrentLayer : public Layer<T> {
 public:
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] const RecurrentLayerOptions& options() const noexcept { return options_; }
  /// Those of layer 0, of layer 1 ...; in both directions forward and reverse in turn.
  [[nodiscard]] const std::vector<nn::RecurrentParameters<T>>& weights() const noexcept {
    return weights_;
  }
  /// Of dropout, to save and restore its state.
  [[nodiscard]] Generator& generator() noexcept { return generator_; }

 protected:
  RecurrentLayer(const char* kind, Index gates, Index features, Index hidden, Generator& generator,
                 const RecurrentLayerOptions& options);
  [[nodiscard]] nn::RecurrentOptions call_options(const View<std::int64_t>& lengths);
  void members(Members<T>& list) override;

 private:
  const char* kind_;
  Index features_, hidden_;
  RecurrentLayerOptions options_;
  Generator generator_;
  std::vector<nn::RecurrentParameters<T>> weights_;
};

/// nn::rnn as a layer. torch.nn.RNN.
template <class T = float>
class RNN final : public RecurrentLayer<T> {
 public:
  RNN(Index features, Index hidden, Generator& generator, const RecurrentLayerOptions& options = {})
      : RecurrentLayer<T>("RNN", 1, features, hidden, generator, options) {}
  /// The outputs of all steps.
  [[nodiscard]] Var<T> forward(const Var<T>& x) override { return run(x).y; }
  /// Outputs and final states.
  [[nodiscard]] nn::RecurrentVars<T> run(const Var<T>& x, const Var<T>& h0 = {},
                                         const View<std::int64_t>& lengths = {});
};

/// nn::lstm as a layer. torch.nn.LSTM.
template <class T = float>
class LSTM final : public RecurrentLayer<T> {
 public:
  LSTM(Index features, Index hidden, Generator& generator,
       const RecurrentLayerOptions& options = {})
      : RecurrentLayer<T>("LSTM", 4, features, hidden, generator, options) {}
  [[nodiscard]] Var<T> forward(const Var<T>& x) override { return run(x).y; }
  [[nodiscard]] nn::LstmVars<T> run(const Var<T>& x, const Var<T>& h0 = {}, const Var<T>& c0 = {},
                                    const View<std::int64_t>& lengths = {});
};

/// nn::gru as a layer. torch.nn.GRU.
template <class T = float>
class GRU final : public RecurrentLayer<T> {
 public:
  GRU(Index features, Index hidden, Generator& generator, const RecurrentLayerOptions& options = {})
      : RecurrentLayer<T>("GRU", 3, features, hidden, generator, options) {}
  [[nodiscard]] Var<T> forward(const Var<T>& x) override { return run(x).y; }
  [[nodiscard]] nn::RecurrentVars<T> run(const Var<T>& x, const Var<T>& h0 = {},
                                         const View<std::int64_t>& lengths = {});
};

struct RecurrentCellLayerOptions {
  bool bias = true;
  nn::RnnActivation activation = nn::RnnActivation::Tanh;  ///< of RNNCell
  bool reset_after = true;                                 ///< of GRUCell
};

/// What RNNCell, LSTMCell and GRUCell have in common: weight_ih, weight_hh, bias_ih and bias_hh,
/// all uniform within 1 / sqrt(hidden) at the start.
template <class T>
class RecurrentCellLayer : public Module<T> {
 public:
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] const nn::RecurrentParameters<T>& weights() const noexcept { return weights_; }

 protected:
  RecurrentCellLayer(const char* kind, Index gates, Index features, Index hidden,
                     Generator& generator, const RecurrentCellLayerOptions& options);
  [[nodiscard]] nn::RecurrentCellOptions call_options() const {
    return {options_.activation, options_.reset_after};
  }
  void members(Members<T>& list) override;

 private:
  const char* kind_;
  Index features_, hidden_;
  RecurrentCellLayerOptions options_;
  nn::RecurrentParameters<T> weights_;
};

/// nn::rnn_cell with weights of its own: the next state. torch.nn.RNNCell.
template <class T = float>
class RNNCell final : public RecurrentCellLayer<T> {
 public:
  RNNCell(Index features, Index hidden, Generator& generator,
          const RecurrentCellLayerOptions& options = {})
      : RecurrentCellLayer<T>("RNNCell", 1, features, hidden, generator, options) {}
  [[nodiscard]] Var<T> operator()(const Var<T>& x, const Var<T>& h = {});
};

/// nn::lstm_cell with weights of its own. torch.nn.LSTMCell.
template <class T = float>
class LSTMCell final : public RecurrentCellLayer<T> {
 public:
  LSTMCell(Index features, Index hidden, Generator& generator,
           const RecurrentCellLayerOptions& options = {})
      : RecurrentCellLayer<T>("LSTMCell", 4, features, hidden, generator, options) {}
  [[nodiscard]] nn::LstmStateVars<T> operator()(const Var<T>& x, const Var<T>& h = {},
                                                const Var<T>& c = {});
};

/// nn::gru_cell with weights of its own. torch.nn.GRUCell.
template <class T = float>
class GRUCell final : public RecurrentCellLayer<T> {
 public:
  GRUCell(Index features, Index hidden, Generator& generator,
          const RecurrentCellLayerOptions& options = {})
      : RecurrentCellLayer<T>("GRUCell", 3, features, hidden, generator, options) {}
  [[nodiscard]] Var<T> operator()(const Var<T>& x, const Var<T>& h = {});
};

extern template class LAMINA_EXPORT RecurrentLayer<float>;
extern template class LAMINA_EXPORT RecurrentLayer<double>;
extern template class LAMINA_EXPORT RNN<float>;
extern template class LAMINA_EXPORT RNN<double>;
extern template class LAMINA_EXPORT LSTM<float>;
extern template class LAMINA_EXPORT LSTM<double>;
extern template class LAMINA_EXPORT GRU<float>;
extern template class LAMINA_EXPORT GRU<double>;
extern template class LAMINA_EXPORT RecurrentCellLayer<float>;
extern template class LAMINA_EXPORT RecurrentCellLayer<double>;
extern template class LAMINA_EXPORT RNNCell<float>;
extern template class LAMINA_EXPORT RNNCell<double>;
extern template class LAMINA_EXPORT LSTMCell<float>;
extern template class LAMINA_EXPORT LSTMCell<double>;
extern template class LAMINA_EXPORT GRUCell<float>;
extern template class LAMINA_EXPORT GRUCell<double>;

}  // namespace lamina::layers
