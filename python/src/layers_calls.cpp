#include "lamina/layers/attention.hpp"
#include "lamina/layers/embedding.hpp"
#include "lamina/layers/recurrent.hpp"
#include "lamina/layers/sequential.hpp"
#include "layers.hpp"
#include "recurrent_results.hpp"

namespace lamina::python {

namespace {

/// Calls `f(module, variables...)` with the operands as variables of the layer's type.
template <class F, class... O>
py::object call_layer(const Layer& layer, const F& f, O&... operands) {
  return std::visit(
      [&]<class T>(const Held<T>& module) {
        [[maybe_unused]] const auto check_type = [](const Operand& operand) {
          if (operand.has_type() && operand.type() != kType<T>) {
            throw_type_error(operand.place(), "is " + std::string(to_string(operand.type())) +
                                                  ", the layer's weights are " +
                                                  std::string(to_string(kType<T>)));
          }
        };
        (check_type(operands), ...);
        (operands.template prepare<T>(), ...);
        return deliver(released([&] { return f(*module, operands.template variable<T>()...); }));
      },
      layer.module);
}

/// The layer that Python says it is: its classes call the right function.
template <class L, class T>
L& as(layers::Module<T>& held) {
  auto* layer = dynamic_cast<L*>(&held);
  check(layer != nullptr, ErrorKind::InvalidOperation, "layer", held.name(),
        " cannot be called like this");
  return *layer;
}

void def_calls(Module& module) {
  module.def("forward(layer, x) -> Tensor", "", [](Call& call) {
    Operand x = call.array("x");
    return call_layer(
        read_layer(call),
        [&]<class T>(layers::Module<T>& held, const Var<T>& input) {
          auto* layer = dynamic_cast<layers::Layer<T>*>(&held);
          check(layer != nullptr, ErrorKind::InvalidOperation, "forward", held.name(),
                " does not go from one variable to one");
          return layer->forward(input);
        },
        x);
  });
  module.def("forward_indices(layer, indices) -> Tensor", "", [](Call& call) {
    const Integers indices = call.integers("indices");
    return call_layer(read_layer(call), [&]<class T>(layers::Module<T>& held) {
      return as<layers::Embedding<T>>(held).forward(indices.view());
    });
  });
  module.def(
      "forward_context(layer, x, context, mask=None, *, causal=False, causal_offset=0, scale=None, "
      "bias=None, key_lengths=None, dropout=0.0, generator=None) -> Tensor",
      "", [](Call& call) {
        Operand x = call.array("x");
        Operand context = call.array("context");
        Operand bias = call.array("bias");
        const AttentionArguments arguments(call);
        call.refuse_recorded({&bias});
        return call_layer(
            read_layer(call),
            [&]<class T>(layers::Module<T>& held, const Var<T>& a, const Var<T>& b,
                         const Var<T>& c) {
              return as<layers::MultiheadAttention<T>>(held).forward(
                  a, b, arguments.options(value_of(c)));
            },
            x, context, bias);
      });
}

void def_recurrent_calls(Module& module) {
  for (const bool gru : {false, true}) {
    module.def(std::string(gru ? "run_gru" : "run_rnn") +
                   "(layer, x, h0=None, lengths=None) -> tuple[Tensor, Tensor]",
               "", [gru](Call& call) {
                 Operand x = call.array("x");
                 Operand h0 = call.array("h0");
                 const Integers lengths = call.integers("lengths");
                 return call_layer(
                     read_layer(call),
                     [&]<class T>(layers::Module<T>& held, const Var<T>& a, const Var<T>& h) {
                       return gru ? as<layers::GRU<T>>(held).run(a, h, lengths.view())
                                  : as<layers::RNN<T>>(held).run(a, h, lengths.view());
                     },
                     x, h0);
               });
    module.def(std::string(gru ? "step_gru" : "step_rnn") + "(layer, x, h=None) -> Tensor", "",
               [gru](Call& call) {
                 Operand x = call.array("x");
                 Operand state = call.array("h");
                 return call_layer(
                     read_layer(call),
                     [&]<class T>(layers::Module<T>& held, const Var<T>& a, const Var<T>& h) {
                       return gru ? as<layers::GRUCell<T>>(held)(a, h)
                                  : as<layers::RNNCell<T>>(held)(a, h);
                     },
                     x, state);
               });
  }
  module.def("run_lstm(layer, x, h0=None, c0=None, lengths=None) -> tuple[Tensor, Tensor, Tensor]",
             "", [](Call& call) {
               Operand x = call.array("x");
               Operand h0 = call.array("h0");
               Operand c0 = call.array("c0");
               const Integers lengths = call.integers("lengths");
               return call_layer(
                   read_layer(call),
                   [&]<class T>(layers::Module<T>& held, const Var<T>& a, const Var<T>& h,
                                const Var<T>& c) {
                     return as<layers::LSTM<T>>(held).run(a, h, c, lengths.view());
                   },
                   x, h0, c0);
             });
  module.def("step_lstm(layer, x, h=None, c=None) -> tuple[Tensor, Tensor]", "", [](Call& call) {
    Operand x = call.array("x");
    Operand h = call.array("h");
    Operand c = call.array("c");
    return call_layer(
        read_layer(call),
        [&]<class T>(layers::Module<T>& held, const Var<T>& a, const Var<T>& b, const Var<T>& d) {
          return as<layers::LSTMCell<T>>(held)(a, b, d);
        },
        x, h, c);
  });
}

template <class T>
py::list named(const std::vector<autograd::NamedVar<T>>& variables) {
  py::list list;
  for (const autograd::NamedVar<T>& one : variables) {
    list.append(py::make_tuple(one.name, py::cast(Tensor{one.var})));
  }
  return list;
}

void def_contents(Module& module) {
  module.def("parameters(layer) -> list[tuple[str, Tensor]]", "", [](Call& call) -> py::object {
    return std::visit([](const auto& held) { return named(held->parameters()); },
                      read_layer(call).module);
  });
  module.def("buffers(layer) -> list[tuple[str, Tensor]]", "", [](Call& call) -> py::object {
    return std::visit([](const auto& held) { return named(held->buffers()); },
                      read_layer(call).module);
  });
  module.def("train(layer, training) -> None", "", [](Call& call) -> py::object {
    const bool training = call.flag("training");
    std::visit([&](const auto& held) { held->train(training); }, read_layer(call).module);
    return py::none();
  });
  module.def("name(layer) -> str", "", [](Call& call) -> py::object {
    return py::str(
        std::visit([](const auto& held) { return held->name(); }, read_layer(call).module));
  });
}

}  // namespace

void def_layer_calls(Module& module) {
  def_calls(module);
  def_recurrent_calls(module);
  def_contents(module);
}

}  // namespace lamina::python
