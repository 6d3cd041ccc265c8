#include "lamina/layers/recurrent.hpp"

#include <cmath>
#include <sstream>
#include <utility>

namespace lamina::layers {

namespace {

template <class T>
nn::RecurrentParameters<T> initial_weights(Index gates, Index features, Index hidden, bool bias,
                                           Generator& generator) {
  const T bound = static_cast<T>(1 / std::sqrt(static_cast<double>(hidden)));
  const auto make = [&](const Shape& shape) {
    return parameter(random_uniform<T>(shape, generator, -bound, bound));
  };
  nn::RecurrentParameters<T> weights;
  weights.w_ih = make({gates * hidden, features});
  weights.w_hh = make({gates * hidden, hidden});
  if (bias) {
    weights.b_ih = make({gates * hidden});
    weights.b_hh = make({gates * hidden});
  }
  return weights;
}

void check_sizes(const char* kind, Index features, Index hidden) {
  check(features >= 0 && hidden > 0, ErrorKind::InvalidOperation, kind,
        "features must not be negative and hidden must be positive, got features ", features,
        ", hidden ", hidden);
}

}  // namespace

template <class T>
RecurrentLayer<T>::RecurrentLayer(const char* kind, Index gates, Index features, Index hidden,
                                  Generator& generator, const RecurrentLayerOptions& options)
    : kind_(kind), features_(features), hidden_(hidden), options_(options) {
  check_sizes(kind, features, hidden);
  check(options.layers > 0, ErrorKind::InvalidOperation, kind, "layers must be positive, got ",
        options.layers);
  check(options.dropout >= 0 && options.dropout <= 1, ErrorKind::InvalidOperation, kind,
        "dropout must be in [0, 1], got ", options.dropout);
  if (options.dropout > 0) {
    generator_ = Generator(generator.next_u64());
  }
  const Index directions = options.direction == nn::RecurrentDirection::Both ? 2 : 1;
  for (Index layer = 0; layer < options.layers; ++layer) {
    for (Index direction = 0; direction < directions; ++direction) {
      weights_.push_back(initial_weights<T>(gates, layer == 0 ? features : directions * hidden,
                                            hidden, options.bias, generator));
    }
  }
}

template <class T>
std::string RecurrentLayer<T>::name() const {
  std::ostringstream text;
  text << kind_ << '(' << features_ << " -> " << hidden_;
  if (options_.layers > 1) {
    text << ", " << options_.layers << " layers";
  }
  if (options_.direction != nn::RecurrentDirection::Forward) {
    text << (options_.direction == nn::RecurrentDirection::Both ? ", both directions"
                                                                : ", reverse");
  }
  text << ')';
  return text.str();
}

template <class T>
nn::RecurrentOptions RecurrentLayer<T>::call_options(const View<std::int64_t>& lengths) {
  nn::RecurrentOptions options;
  options.batch_first = options_.batch_first;
  options.direction = options_.direction;
  options.activation = options_.activation;
  options.reset_after = options_.reset_after;
  options.lengths = lengths;
  options.dropout = this->training() ? options_.dropout : 0;
  options.generator = &generator_;
  return options;
}

template <class T>
void RecurrentLayer<T>::members(Members<T>& list) {
  const bool both = options_.direction == nn::RecurrentDirection::Both;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const std::string end =
        "_l" + std::to_string(both ? i / 2 : i) + (both && i % 2 == 1 ? "_reverse" : "");
    list.parameter("weight_ih" + end, weights_[i].w_ih);
    list.parameter("weight_hh" + end, weights_[i].w_hh);
    list.parameter("bias_ih" + end, weights_[i].b_ih);
    list.parameter("bias_hh" + end, weights_[i].b_hh);
  }
}

template <class T>
nn::RecurrentVars<T> RNN<T>::run(const Var<T>& x, const Var<T>& h0,
                                 const View<std::int64_t>& lengths) {
  return nn::rnn(x, this->weights(), h0, this->call_options(lengths));
}

template <class T>
nn::LstmVars<T> LSTM<T>::run(const Var<T>& x, const Var<T>& h0, const Var<T>& c0,
                             const View<std::int64_t>& lengths) {
  return nn::lstm(x, this->weights(), h0, c0, this->call_options(lengths));
}

template <class T>
nn::RecurrentVars<T> GRU<T>::run(const Var<T>& x, const Var<T>& h0,
                                 const View<std::int64_t>& lengths) {
  return nn::gru(x, this->weights(), h0, this->call_options(lengths));
}

template <class T>
RecurrentCellLayer<T>::RecurrentCellLayer(const char* kind, Index gates, Index features,
                                          Index hidden, Generator& generator,
                                          const RecurrentCellLayerOptions& options)
    : kind_(kind), features_(features), hidden_(hidden), options_(options) {
  check_sizes(kind, features, hidden);
  weights_ = initial_weights<T>(gates, features, hidden, options.bias, generator);
}

template <class T>
std::string RecurrentCellLayer<T>::name() const {
  return std::string(kind_) + "(" + std::to_string(features_) + " -> " + std::to_string(hidden_) +
         ")";
}

template <class T>
void RecurrentCellLayer<T>::members(Members<T>& list) {
  list.parameter("weight_ih", weights_.w_ih);
  list.parameter("weight_hh", weights_.w_hh);
  list.parameter("bias_ih", weights_.b_ih);
  list.parameter("bias_hh", weights_.b_hh);
}

template <class T>
Var<T> RNNCell<T>::operator()(const Var<T>& x, const Var<T>& h) {
  return nn::rnn_cell(x, h, this->weights(), this->call_options());
}

template <class T>
nn::LstmStateVars<T> LSTMCell<T>::operator()(const Var<T>& x, const Var<T>& h, const Var<T>& c) {
  return nn::lstm_cell(x, h, c, this->weights());
}

template <class T>
Var<T> GRUCell<T>::operator()(const Var<T>& x, const Var<T>& h) {
  return nn::gru_cell(x, h, this->weights(), this->call_options());
}

#define LAMINA_INSTANTIATE(T)           \
  template class RecurrentLayer<T>;     \
  template class RNN<T>;                \
  template class LSTM<T>;               \
  template class GRU<T>;                \
  template class RecurrentCellLayer<T>; \
  template class RNNCell<T>;            \
  template class LSTMCell<T>;           \
  template class GRUCell<T>;
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::layers
