#include "lamina/nn/recurrent.hpp"

#include "lamina/autograd/ops_recurrent.hpp"
#include "modules.hpp"
#include "recurrent_results.hpp"

namespace lamina::python {

namespace {

/// The weights of one cell, or of one layer and direction.
using Cell = std::array<Operand, 5>;

Cell read_cell(py::handle given, const Place& place) {
  const bool is_list = PyTuple_Check(given.ptr()) || PyList_Check(given.ptr());
  const std::size_t count = is_list ? py::len(given) : 0;
  if (count < 2 || count > 5) {
    throw_type_error(place,
                     "must be a tuple (w_ih, w_hh), with b_ih and b_hh behind if there are "
                     "biases, and for an LSTM the peepholes");
  }
  Cell cell;
  std::size_t i = 0;
  for (const py::handle one : given) {
    cell[i++] = Operand(one, place);
  }
  return cell;
}

std::vector<Cell> read_layers(const Call& call) {
  const py::handle given = call.object("weights");
  if (!PyTuple_Check(given.ptr()) && !PyList_Check(given.ptr())) {
    throw_type_error(call.place("weights"), "must be a list of tuples (w_ih, w_hh, b_ih, b_hh)");
  }
  std::vector<Cell> cells;
  for (const py::handle one : given) {
    cells.push_back(read_cell(one, call.place("weights")));
  }
  return cells;
}

template <class T>
nn::RecurrentWeights<T> views_of(const Cell& cell) {
  return {cell[0].view<T>(), cell[1].view<T>(), cell[2].view<T>(), cell[3].view<T>(),
          cell[4].view<T>()};
}
template <class T>
nn::RecurrentParameters<T> variables_of(const Cell& cell) {
  return {cell[0].variable<T>(), cell[1].variable<T>(), cell[2].variable<T>(),
          cell[3].variable<T>(), cell[4].variable<T>()};
}

/// All array arguments of a call: those by name, and the weights.
struct Arguments {
  std::vector<Operand> operands;
  std::vector<Cell> cells;

  [[nodiscard]] std::vector<const Operand*> all() const {
    std::vector<const Operand*> list;
    for (const Operand& operand : operands) {
      list.push_back(&operand);
    }
    for (const Cell& cell : cells) {
      for (const Operand& operand : cell) {
        list.push_back(&operand);
      }
    }
    return list;
  }
  [[nodiscard]] bool has_tensor() const {
    for (const Operand* operand : all()) {
      if (operand->tensor() != nullptr) {
        return true;
      }
    }
    return false;
  }
  template <class T>
  void prepare() {
    for (Operand& operand : operands) {
      operand.prepare<T>();
    }
    for (Cell& cell : cells) {
      for (Operand& operand : cell) {
        operand.prepare<T>();
      }
    }
  }
  template <class T>
  [[nodiscard]] std::vector<nn::RecurrentWeights<T>> weights() const {
    std::vector<nn::RecurrentWeights<T>> list;
    for (const Cell& cell : cells) {
      list.push_back(views_of<T>(cell));
    }
    return list;
  }
  template <class T>
  [[nodiscard]] std::vector<nn::RecurrentParameters<T>> parameters() const {
    std::vector<nn::RecurrentParameters<T>> list;
    for (const Cell& cell : cells) {
      list.push_back(variables_of<T>(cell));
    }
    return list;
  }
  template <class T>
  [[nodiscard]] View<T> view(std::size_t i) const {
    return operands[i].view<T>();
  }
  template <class T>
  [[nodiscard]] Var<T> variable(std::size_t i) const {
    return operands[i].variable<T>();
  }
};

/// on_arrays(element) and on_variables(element) do the work.
template <class A, class V>
py::object record_all(Call& call, Arguments& arguments, const A& on_arrays, const V& on_variables) {
  const auto run = [&]<class T>(T element) {
    arguments.prepare<T>();
    return arguments.has_tensor() ? deliver(released([&] { return on_variables(element); }))
                                  : deliver(released([&] { return on_arrays(element); }));
  };
  return call.common_type(arguments.all()) == Type::Float32 ? run(float()) : run(double());
}

template <class T>
py::tuple to_tuple(nn::RecurrentWeightGradients<T>&& weights) {
  const auto or_none = [](Array<T>&& array) {
    return array.rank() == 1 && array.empty() ? py::object(py::none())
                                              : to_python(std::move(array));
  };
  const bool peepholes = weights.dpeephole.rank() == 2;
  py::tuple gradients(peepholes ? 5 : 4);
  gradients[0] = to_python(std::move(weights.dw_ih));
  gradients[1] = to_python(std::move(weights.dw_hh));
  gradients[2] = or_none(std::move(weights.db_ih));
  gradients[3] = or_none(std::move(weights.db_hh));
  if (peepholes) {
    gradients[4] = to_python(std::move(weights.dpeephole));
  }
  return gradients;
}

template <class F>
py::object compute_all(Call& call, Arguments& arguments, const F& f) {
  call.refuse_recorded(arguments.all());
  const auto run = [&]<class T>(T element) {
    arguments.prepare<T>();
    return f(element);
  };
  return call.common_type(arguments.all()) == Type::Float32 ? run(float()) : run(double());
}

nn::RnnActivation activation_of(const Call& call) {
  return call.choice<nn::RnnActivation>(
      "activation", {{"tanh", nn::RnnActivation::Tanh}, {"relu", nn::RnnActivation::Relu}});
}

nn::RecurrentCellOptions cell_options(const Call& call) {
  nn::RecurrentCellOptions options;
  if (call.has_parameter("activation")) {
    options.activation = activation_of(call);
  }
  if (call.has_parameter("reset_after")) {
    options.reset_after = call.flag("reset_after");
  }
  return options;
}

constexpr const char* kCellDoc = R"(

x       (..., features)
h       (..., hidden), or None: zeros
weights (w_ih (gates hidden, features), w_hh (gates hidden, hidden)) and, if there are biases, b_ih and
        b_hh (gates hidden) behind
)";

/// rnn_cell and gru_cell: f(x, h, weights, options), into(x, h, weights, out, options).
template <class F, class I, class B>
void def_cell(Module& nn, const std::string& name, const std::string& option,
              const std::string& formula, const F& f, const I& into, const B& b) {
  nn.def(name + "_cell(x, h, weights, " + option + ", *, out=None) -> Recorded",
         formula + kCellDoc + "returns the next h\n\nGradient: " + name + "_cell_backward.",
         [=](Call& call) {
           Arguments given{{call.array("x"), call.array("h")},
                           {read_cell(call.object("weights"), call.place("weights"))}};
           const nn::RecurrentCellOptions options = cell_options(call);
           if (call.has_out()) {
             if (given.has_tensor()) {
               call.refuse_out();
             }
             const auto run = [&]<class T>(T) {
               given.prepare<T>();
               const MutView<T> out = call.target<T>("out");
               released([&] {
                 into(given.view<T>(0), given.view<T>(1), views_of<T>(given.cells[0]), out,
                      options);
               });
             };
             if (call.common_type(given.all()) == Type::Float32) {
               run(float());
             } else {
               run(double());
             }
             return py::reinterpret_borrow<py::object>(call.object("out"));
           }
           return record_all(
               call, given,
               [&]<class T>(T) {
                 return f(given.view<T>(0), given.view<T>(1), views_of<T>(given.cells[0]), options);
               },
               [&]<class T>(T) {
                 return f(given.variable<T>(0), given.variable<T>(1),
                          variables_of<T>(given.cells[0]), options);
               });
         });
  nn.def(name + "_cell_backward(dh_next, x, h, weights, " + option +
             ") -> tuple[Array, Array, tuple[Array, ...]]",
         "Gradients of " + name +
             "_cell: (dx, dh, weights), the last as the weights are given, None "
             "where there is no bias.",
         [=](Call& call) {
           Arguments given{{call.array("dh_next"), call.array("x"), call.array("h")},
                           {read_cell(call.object("weights"), call.place("weights"))}};
           const nn::RecurrentCellOptions options = cell_options(call);
           return compute_all(call, given, [&]<class T>(T) -> py::object {
             auto gradients = released([&] {
               return b(given.view<T>(0), given.view<T>(1), given.view<T>(2),
                        views_of<T>(given.cells[0]), options);
             });
             return py::make_tuple(to_python(std::move(gradients.dx)),
                                   to_python(std::move(gradients.dh)),
                                   to_tuple(std::move(gradients.weights)));
           });
         });
}

void def_lstm_cell(Module& nn) {
  nn.def("lstm_cell(x, h, c, weights) -> tuple[Recorded, Recorded]",
         std::string(R"(One step of a long short-term memory: (next h, next c).

    i, f, g, o = sigmoid, sigmoid, tanh, sigmoid of the gates of (w_ih x + b_ih + w_hh h + b_hh)
    c' = f c + i g,   h' = o tanh(c')

With peepholes p (3, hidden), the fifth of the weights, p_i c is added to the sum of i, p_f c to that of f, p_o c' to
that of o; biases may be None then.)") +
             kCellDoc + "c       as h\n\nGradient: lstm_cell_backward. torch.nn.LSTMCell.",
         [](Call& call) {
           Arguments given{{call.array("x"), call.array("h"), call.array("c")},
                           {read_cell(call.object("weights"), call.place("weights"))}};
           return record_all(
               call, given,
               [&]<class T>(T) {
                 return nn::lstm_cell(given.view<T>(0), given.view<T>(1), given.view<T>(2),
                                      views_of<T>(given.cells[0]));
               },
               [&]<class T>(T) {
                 return nn::lstm_cell(given.variable<T>(0), given.variable<T>(1),
                                      given.variable<T>(2), variables_of<T>(given.cells[0]));
               });
         });
  nn.def(
      "lstm_cell_backward(dh_next, dc_next, x, h, c, weights) -> tuple[Array, Array, Array, "
      "tuple[Array, ...]]",
      "Gradients of lstm_cell: (dx, dh, dc, weights). dh_next or dc_next may be None: zeros.",
      [](Call& call) {
        Arguments given{{call.array("dh_next"), call.array("dc_next"), call.array("x"),
                         call.array("h"), call.array("c")},
                        {read_cell(call.object("weights"), call.place("weights"))}};
        return compute_all(call, given, [&]<class T>(T) -> py::object {
          auto gradients = released([&] {
            return nn::lstm_cell_backward(given.view<T>(0), given.view<T>(1), given.view<T>(2),
                                          given.view<T>(3), given.view<T>(4),
                                          views_of<T>(given.cells[0]));
          });
          return py::make_tuple(
              to_python(std::move(gradients.dx)), to_python(std::move(gradients.dh)),
              to_python(std::move(gradients.dc)), to_tuple(std::move(gradients.weights)));
        });
      });
}

const std::string kSequence =
    "*, batch_first=False, direction=\"forward\", lengths=None, dropout=0.0, generator=None";
constexpr const char* kSequenceDoc = R"(

x         (steps, N, features), with batch_first (N, steps, features), or (steps, features)
weights   a list of tuples (w_ih, w_hh, b_ih, b_hh), biases may be left out: those of layer 0, of layer 1
          ...; in both directions forward and reverse of each layer in turn
h0        (layers directions, N, hidden), or None: zeros
direction "forward", "reverse" or "both"
lengths   (N): how many steps each item of the batch has
dropout   probability with which an element that one layer hands to the next is dropped, drawn from
          `generator`
)";

/// What a sequence's options hold beside views.
struct Sequence {
  explicit Sequence(const Call& call)
      : lengths(call.integers("lengths")), cell(cell_options(call)) {
    options.batch_first = call.flag("batch_first");
    options.direction = call.choice<nn::RecurrentDirection>(
        "direction", {{"forward", nn::RecurrentDirection::Forward},
                      {"reverse", nn::RecurrentDirection::Reverse},
                      {"both", nn::RecurrentDirection::Both}});
    options.activation = cell.activation;
    options.reset_after = cell.reset_after;
    options.lengths = lengths.view();
    options.dropout = call.number("dropout");
    options.generator = &call.generator();
  }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;
  Integers lengths;
  nn::RecurrentCellOptions cell;
  nn::RecurrentOptions options;
};

template <class T>
py::list to_list(std::vector<nn::RecurrentWeightGradients<T>>&& weights) {
  py::list list;
  for (nn::RecurrentWeightGradients<T>& one : weights) {
    list.append(to_tuple(std::move(one)));
  }
  return list;
}

template <class F, class B>
void def_sequence(Module& nn, const std::string& name, const std::string& option,
                  const std::string& doc, const F& f, const B& b) {
  nn.def(name + "(x, weights, h0=None, " + kSequence + option + ") -> tuple[Recorded, Recorded]",
         doc + kSequenceDoc +
             "returns   (y (steps, N, directions hidden), ordered as x; h as h0)\n\n"
             "Gradient: " +
             name + "_backward.",
         [=](Call& call) {
           Arguments given{{call.array("x"), call.array("h0")}, read_layers(call)};
           const Sequence sequence(call);
           return record_all(
               call, given,
               [&]<class T>(T) {
                 return f(given.view<T>(0), given.weights<T>(), given.view<T>(1), sequence.options);
               },
               [&]<class T>(T) {
                 return f(given.variable<T>(0), given.parameters<T>(), given.variable<T>(1),
                          sequence.options);
               });
         });
  nn.def(name + "_backward(dy, dh, x, weights, h0=None, " + kSequence + option +
             ") -> tuple[Array, Array, list[tuple[Array, ...]]]",
         "Gradients of " + name +
             ": (dx, dh0, weights). dy or dh may be None: zeros; the other arguments as there, the "
             "generator as it was before the forward call.",
         [=](Call& call) {
           Arguments given{{call.array("dy"), call.array("dh"), call.array("x"), call.array("h0")},
                           read_layers(call)};
           const Sequence sequence(call);
           return compute_all(call, given, [&]<class T>(T) -> py::object {
             auto gradients = released([&] {
               return b(given.view<T>(0), given.view<T>(1), given.view<T>(2), given.weights<T>(),
                        given.view<T>(3), sequence.options);
             });
             return py::make_tuple(to_python(std::move(gradients.dx)),
                                   to_python(std::move(gradients.dh0)),
                                   to_list(std::move(gradients.weights)));
           });
         });
}

void def_lstm(Module& nn) {
  nn.def(
      "lstm(x, weights, h0=None, c0=None, " + kSequence +
          ") -> tuple[Recorded, Recorded, Recorded]",
      std::string("A long short-term memory over sequences: lstm_cell at every step, each layer "
                  "on the outputs of the one below.") +
          kSequenceDoc +
          "peepholes (3, hidden) may stand fifth in each tuple, see lstm_cell\n"
          "c0        as h0\nreturns   (y (steps, N, directions hidden), ordered as x; h and c as "
          "h0)"
          "\n\nGradient: lstm_backward. torch.nn.LSTM.",
      [](Call& call) {
        Arguments given{{call.array("x"), call.array("h0"), call.array("c0")}, read_layers(call)};
        const Sequence sequence(call);
        return record_all(
            call, given,
            [&]<class T>(T) {
              return nn::lstm(given.view<T>(0), given.weights<T>(), given.view<T>(1),
                              given.view<T>(2), sequence.options);
            },
            [&]<class T>(T) {
              return nn::lstm(given.variable<T>(0), given.parameters<T>(), given.variable<T>(1),
                              given.variable<T>(2), sequence.options);
            });
      });
  nn.def("lstm_backward(dy, dh, dc, x, weights, h0=None, c0=None, " + kSequence +
             ") -> tuple[Array, Array, Array, list[tuple[Array, ...]]]",
         "Gradients of lstm: (dx, dh0, dc0, weights). Of dy, dh and dc some may be None: zeros.",
         [](Call& call) {
           Arguments given{{call.array("dy"), call.array("dh"), call.array("dc"), call.array("x"),
                            call.array("h0"), call.array("c0")},
                           read_layers(call)};
           const Sequence sequence(call);
           return compute_all(call, given, [&]<class T>(T) -> py::object {
             auto gradients = released([&] {
               return nn::lstm_backward(given.view<T>(0), given.view<T>(1), given.view<T>(2),
                                        given.view<T>(3), given.weights<T>(), given.view<T>(4),
                                        given.view<T>(5), sequence.options);
             });
             return py::make_tuple(
                 to_python(std::move(gradients.dx)), to_python(std::move(gradients.dh0)),
                 to_python(std::move(gradients.dc0)), to_list(std::move(gradients.weights)));
           });
         });
}

}  // namespace

void def_recurrent(Module& nn) {
  def_cell(
      nn, "rnn", "activation=\"tanh\"",
      "One step of a plain recurrent network: f(w_ih x + b_ih + w_hh h + b_hh), f tanh or relu.",
      [](const auto& x, const auto& h, const auto& weights, const auto& options) {
        return nn::rnn_cell(x, h, weights, options);
      },
      [](const auto& x, const auto& h, const auto& weights, const auto& out, const auto& options) {
        nn::rnn_cell_into(x, h, weights, out, options);
      },
      [](const auto& dh, const auto& x, const auto& h, const auto& weights, const auto& options) {
        return nn::rnn_cell_backward(dh, x, h, weights, options);
      });
  def_cell(
      nn, "gru", "reset_after=True", R"(One step of a gated recurrent unit.

    r, z = sigmoid of the gates of (w_ih x + b_ih + w_hh h + b_hh)
    n = tanh(w_in x + b_in + r (w_hn h + b_hn)),  without reset_after tanh(w_in x + b_in + w_hn (r h) + b_hn)
    h' = (1 - z) n + z h)",
      [](const auto& x, const auto& h, const auto& weights, const auto& options) {
        return nn::gru_cell(x, h, weights, options);
      },
      [](const auto& x, const auto& h, const auto& weights, const auto& out, const auto& options) {
        nn::gru_cell_into(x, h, weights, out, options);
      },
      [](const auto& dh, const auto& x, const auto& h, const auto& weights, const auto& options) {
        return nn::gru_cell_backward(dh, x, h, weights, options);
      });
  def_lstm_cell(nn);
  def_sequence(
      nn, "rnn", ", activation=\"tanh\"",
      "A plain recurrent network over sequences: rnn_cell at every step, each layer on the outputs "
      "of the one below.",
      [](const auto& x, const auto& weights, const auto& h0, const auto& options) {
        return nn::rnn(x, weights, h0, options);
      },
      [](const auto& dy, const auto& dh, const auto& x, const auto& weights, const auto& h0,
         const auto& options) { return nn::rnn_backward(dy, dh, x, weights, h0, options); });
  def_sequence(
      nn, "gru", ", reset_after=True",
      "Gated recurrent units over sequences: gru_cell at every step, each layer on the outputs of "
      "the one below.",
      [](const auto& x, const auto& weights, const auto& h0, const auto& options) {
        return nn::gru(x, weights, h0, options);
      },
      [](const auto& dy, const auto& dh, const auto& x, const auto& weights, const auto& h0,
         const auto& options) { return nn::gru_backward(dy, dh, x, weights, h0, options); });
  def_lstm(nn);
}

}  // namespace lamina::python
