#include "lamina/autograd/ops_recurrent.hpp"

#include <memory>
#include <optional>
#include <utility>

namespace lamina::nn {

using autograd::Gradients;
using autograd::make_vars;
using autograd::Saved;

namespace {

/// An input that may be absent.
template <class T>
View<T> value_of(const Var<T>& x) {
  return x.defined() ? x.value() : View<T>();
}

template <class T>
class SavedInput {
 public:
  explicit SavedInput(const Var<T>& x) {
    if (x.defined()) {
      saved_ = x.save();
    }
  }
  [[nodiscard]] View<T> value() const { return saved_ ? saved_->value() : View<T>(); }

 private:
  std::optional<Saved<T>> saved_;
};

/// The inputs of a recorded call: x, h, c, and five variables for each set of weights.
template <class T>
std::vector<Var<T>> input_list(const Var<T>& x, const Var<T>& h, const Var<T>& c,
                               const std::vector<RecurrentParameters<T>>& weights) {
  std::vector<Var<T>> inputs{x, h, c};
  for (const RecurrentParameters<T>& w : weights) {
    inputs.insert(inputs.end(), {w.w_ih, w.w_hh, w.b_ih, w.b_hh, w.peephole});
  }
  return inputs;
}

template <class T>
class SavedInputs {
 public:
  explicit SavedInputs(const std::vector<Var<T>>& inputs) {
    for (const Var<T>& input : inputs) {
      saved_.push_back(SavedInput<T>(input));
    }
  }
  [[nodiscard]] View<T> operator[](std::size_t i) const { return saved_[i].value(); }
  [[nodiscard]] std::vector<RecurrentWeights<T>> weights() const {
    std::vector<RecurrentWeights<T>> result;
    for (std::size_t i = 3; i < saved_.size(); i += 5) {
      result.push_back(
          {(*this)[i], (*this)[i + 1], (*this)[i + 2], (*this)[i + 3], (*this)[i + 4]});
    }
    return result;
  }

 private:
  std::vector<SavedInput<T>> saved_;
};

template <class T>
std::vector<RecurrentWeights<T>> values_of(const std::vector<RecurrentParameters<T>>& weights) {
  std::vector<RecurrentWeights<T>> result;
  for (const RecurrentParameters<T>& w : weights) {
    result.push_back({value_of(w.w_ih), value_of(w.w_hh), value_of(w.b_ih), value_of(w.b_hh),
                      value_of(w.peephole)});
  }
  return result;
}

/// Hands gradients on to the inputs that exist.
template <class T>
void deliver(const SavedInputs<T>& inputs, Array<T>&& dx, Array<T>&& dh, Array<T>&& dc,
             std::vector<RecurrentWeightGradients<T>>&& weights, Gradients<T>& gradients) {
  const auto add = [&](int i, Array<T>&& gradient) {
    if (inputs[static_cast<std::size_t>(i)].defined() && gradients.wants(i)) {
      gradients.add(i, std::move(gradient));
    }
  };
  add(0, std::move(dx));
  add(1, std::move(dh));
  add(2, std::move(dc));
  int i = 3;
  for (RecurrentWeightGradients<T>& w : weights) {
    add(i++, std::move(w.dw_ih));
    add(i++, std::move(w.dw_hh));
    add(i++, std::move(w.db_ih));
    add(i++, std::move(w.db_hh));
    add(i++, std::move(w.dpeephole));
  }
}

/// Runs and records a sequence. forward(x, weights, h0, c0, options, trace) gives the list of
/// results, backward(dys, x, weights, h0, c0, options, trace) the gradients.
template <class T, class Forward, class Backward>
std::vector<Var<T>> record(const Var<T>& x, const std::vector<RecurrentParameters<T>>& weights,
                           const Var<T>& h0, const Var<T>& c0, const RecurrentOptions& options,
                           Forward forward, Backward backward, const char* operation) {
  const std::vector<Var<T>> inputs = input_list(x, h0, c0, weights);
  bool records = false;
  for (const Var<T>& input : inputs) {
    records = records || (autograd::grad_enabled() && input.requires_grad());
  }
  auto trace = records ? std::make_shared<RecurrentTrace<T>>() : nullptr;
  std::vector<Array<T>> results =
      forward(x.value(), values_of(weights), value_of(h0), value_of(c0), options, trace.get());
  if (!records) {
    std::vector<Var<T>> plain;
    for (Array<T>& result : results) {
      plain.push_back(Var<T>(std::move(result)));
    }
    return plain;
  }
  auto lengths = std::make_shared<std::optional<Array<std::int64_t>>>();
  if (options.lengths.defined()) {
    *lengths = options.lengths.copy();
  }
  return make_vars<T>(
      std::move(results), inputs,
      [saved = SavedInputs<T>(inputs), trace, lengths, options, backward](std::vector<Array<T>> dys,
                                                                          Gradients<T>& gradients) {
        RecurrentOptions again = options;
        // The trace has what the generator gave.
        again.lengths = *lengths ? (*lengths)->view() : View<std::int64_t>();
        Generator unused;
        again.generator = &unused;
        RecurrentGradients<T> d =
            backward(dys, saved[0], saved.weights(), saved[1], saved[2], again, trace.get());
        deliver(saved, std::move(d.dx), std::move(d.dh0), std::move(d.dc0), std::move(d.weights),
                gradients);
      },
      operation);
}

/// Runs and records one step: backward(dys, x, h, c, weights).
template <class T, class Backward>
std::vector<Var<T>> record_cell(std::vector<Array<T>> results, const Var<T>& x, const Var<T>& h,
                                const Var<T>& c, const RecurrentParameters<T>& weights,
                                Backward backward, const char* operation) {
  const std::vector<Var<T>> inputs = input_list<T>(x, h, c, {weights});
  return make_vars<T>(
      std::move(results), inputs,
      [saved = SavedInputs<T>(inputs), backward](std::vector<Array<T>> dys,
                                                 Gradients<T>& gradients) {
        RecurrentCellGradients<T> d =
            backward(dys, saved[0], saved[1], saved[2], saved.weights()[0]);
        std::vector<RecurrentWeightGradients<T>> list;
        list.push_back(std::move(d.weights));
        deliver(saved, std::move(d.dx), std::move(d.dh), std::move(d.dc), std::move(list),
                gradients);
      },
      operation);
}

template <class T>
std::vector<Array<T>> list_of(Array<T>&& first, Array<T>&& second) {
  std::vector<Array<T>> list;
  list.push_back(std::move(first));
  list.push_back(std::move(second));
  return list;
}

}  // namespace

template <class T>
Var<T> rnn_cell(const Var<T>& x, const Var<std::type_identity_t<T>>& h,
                const RecurrentParameters<std::type_identity_t<T>>& weights,
                const RecurrentCellOptions& options) {
  std::vector<Array<T>> results;
  results.push_back(rnn_cell<T>(x.value(), value_of(h), values_of<T>({weights})[0], options));
  return record_cell<T>(
      std::move(results), x, h, {}, weights,
      [options](const std::vector<Array<T>>& dys, const View<T>& x_value, const View<T>& h_value,
                const View<T>&, const RecurrentWeights<T>& w) {
        return rnn_cell_backward<T>(dys[0], x_value, h_value, w, options);
      },
      "rnn_cell")[0];
}

template <class T>
LstmStateVars<T> lstm_cell(const Var<T>& x, const Var<std::type_identity_t<T>>& h,
                           const Var<std::type_identity_t<T>>& c,
                           const RecurrentParameters<std::type_identity_t<T>>& weights) {
  LstmState<T> state =
      lstm_cell<T>(x.value(), value_of(h), value_of(c), values_of<T>({weights})[0]);
  const std::vector<Var<T>> results = record_cell<T>(
      list_of(std::move(state.h), std::move(state.c)), x, h, c, weights,
      [](const std::vector<Array<T>>& dys, const View<T>& x_value, const View<T>& h_value,
         const View<T>& c_value, const RecurrentWeights<T>& w) {
        return lstm_cell_backward<T>(dys[0], dys[1], x_value, h_value, c_value, w);
      },
      "lstm_cell");
  return {results[0], results[1]};
}

template <class T>
Var<T> gru_cell(const Var<T>& x, const Var<std::type_identity_t<T>>& h,
                const RecurrentParameters<std::type_identity_t<T>>& weights,
                const RecurrentCellOptions& options) {
  std::vector<Array<T>> results;
  results.push_back(gru_cell<T>(x.value(), value_of(h), values_of<T>({weights})[0], options));
  return record_cell<T>(
      std::move(results), x, h, {}, weights,
      [options](const std::vector<Array<T>>& dys, const View<T>& x_value, const View<T>& h_value,
                const View<T>&, const RecurrentWeights<T>& w) {
        return gru_cell_backward<T>(dys[0], x_value, h_value, w, options);
      },
      "gru_cell")[0];
}

template <class T>
RecurrentVars<T> rnn(const Var<T>& x,
                     const std::vector<RecurrentParameters<std::type_identity_t<T>>>& weights,
                     const Var<std::type_identity_t<T>>& h0, const RecurrentOptions& options) {
  const std::vector<Var<T>> results = record<T>(
      x, weights, h0, {}, options,
      [](const auto& x_value, const auto& w, const auto& h, const auto&, const auto& o,
         RecurrentTrace<T>* trace) {
        RecurrentResult<T> result = rnn<T>(x_value, w, h, o, trace);
        return list_of(std::move(result.y), std::move(result.h));
      },
      [](const auto& dys, const auto& x_value, const auto& w, const auto& h, const auto&,
         const auto& o, const RecurrentTrace<T>* trace) {
        return rnn_backward<T>(dys[0], dys[1], x_value, w, h, o, trace);
      },
      "rnn");
  return {results[0], results[1]};
}

template <class T>
LstmVars<T> lstm(const Var<T>& x,
                 const std::vector<RecurrentParameters<std::type_identity_t<T>>>& weights,
                 const Var<std::type_identity_t<T>>& h0, const Var<std::type_identity_t<T>>& c0,
                 const RecurrentOptions& options) {
  const std::vector<Var<T>> results = record<T>(
      x, weights, h0, c0, options,
      [](const auto& x_value, const auto& w, const auto& h, const auto& c, const auto& o,
         RecurrentTrace<T>* trace) {
        LstmResult<T> result = lstm<T>(x_value, w, h, c, o, trace);
        std::vector<Array<T>> list = list_of(std::move(result.y), std::move(result.h));
        list.push_back(std::move(result.c));
        return list;
      },
      [](const auto& dys, const auto& x_value, const auto& w, const auto& h, const auto& c,
         const auto& o, const RecurrentTrace<T>* trace) {
        return lstm_backward<T>(dys[0], dys[1], dys[2], x_value, w, h, c, o, trace);
      },
      "lstm");
  return {results[0], results[1], results[2]};
}

template <class T>
RecurrentVars<T> gru(const Var<T>& x,
                     const std::vector<RecurrentParameters<std::type_identity_t<T>>>& weights,
                     const Var<std::type_identity_t<T>>& h0, const RecurrentOptions& options) {
  const std::vector<Var<T>> results = record<T>(
      x, weights, h0, {}, options,
      [](const auto& x_value, const auto& w, const auto& h, const auto&, const auto& o,
         RecurrentTrace<T>* trace) {
        RecurrentResult<T> result = gru<T>(x_value, w, h, o, trace);
        return list_of(std::move(result.y), std::move(result.h));
      },
      [](const auto& dys, const auto& x_value, const auto& w, const auto& h, const auto&,
         const auto& o, const RecurrentTrace<T>* trace) {
        return gru_backward<T>(dys[0], dys[1], x_value, w, h, o, trace);
      },
      "gru");
  return {results[0], results[1]};
}

#define LAMINA_INSTANTIATE(T)                                                                    \
  template LAMINA_EXPORT Var<T> rnn_cell<T>(                                                     \
      const Var<T>&, const Var<T>&, const RecurrentParameters<T>&, const RecurrentCellOptions&); \
  template LAMINA_EXPORT LstmStateVars<T> lstm_cell<T>(                                          \
      const Var<T>&, const Var<T>&, const Var<T>&, const RecurrentParameters<T>&);               \
  template LAMINA_EXPORT Var<T> gru_cell<T>(                                                     \
      const Var<T>&, const Var<T>&, const RecurrentParameters<T>&, const RecurrentCellOptions&); \
  template LAMINA_EXPORT RecurrentVars<T> rnn<T>(const Var<T>&,                                  \
                                                 const std::vector<RecurrentParameters<T>>&,     \
                                                 const Var<T>&, const RecurrentOptions&);        \
  template LAMINA_EXPORT LstmVars<T> lstm<T>(                                                    \
      const Var<T>&, const std::vector<RecurrentParameters<T>>&, const Var<T>&, const Var<T>&,   \
      const RecurrentOptions&);                                                                  \
  template LAMINA_EXPORT RecurrentVars<T> gru<T>(const Var<T>&,                                  \
                                                 const std::vector<RecurrentParameters<T>>&,     \
                                                 const Var<T>&, const RecurrentOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn
