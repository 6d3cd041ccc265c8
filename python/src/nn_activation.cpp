#include <algorithm>

#include "lamina/autograd/ops_activation.hpp"
#include "lamina/nn/activation.hpp"
#include "lamina/nn/gated.hpp"
#include "lamina/nn/prelu.hpp"
#include "modules.hpp"

namespace lamina::python {

namespace {

using nn::Activation;
using nn::ActivationParams;
using nn::ActivationRow;

/// The parameter's name in Python, where lambda is a keyword.
std::string parameter_name(const nn::ActivationParameter& parameter) {
  return parameter.name == "lambda" ? "lambd" : std::string(parameter.name);
}

std::string parameter_list(const ActivationRow& row) {
  std::string text;
  for (std::size_t i = 0; i < static_cast<std::size_t>(row.parameter_count); ++i) {
    const nn::ActivationParameter& parameter = row.parameters[i];
    text += ", " + parameter_name(parameter) + "=" +
            std::string(py::repr(py::float_(parameter.default_value)));
  }
  return text;
}

ActivationParams read_parameters(const Call& call, const ActivationRow& row) {
  ActivationParams params;
  if (row.parameter_count > 0) {
    params.a = call.number(parameter_name(row.parameters[0]));
  }
  if (row.parameter_count > 1) {
    params.b = call.number(parameter_name(row.parameters[1]));
  }
  return params;
}

py::object forward(Call& call, Activation kind, const ActivationParams& params) {
  using autograd::activation;
  using nn::activation;
  Operand x = call.array("x");
  return record(
      call, std::tie(x), [&](const auto& a) { return activation(a, kind, params); },
      [&](const auto& a, const auto& out) { nn::activation_into(a, out, kind, params); });
}

py::object backward(Call& call, Activation kind, const ActivationParams& params) {
  Operand dy = call.array("dy");
  Operand x = call.array("x");
  return compute(
      call, std::tie(dy, x),
      [&](const auto& d, const auto& a) { return nn::activation_backward(d, a, kind, params); },
      [&](const auto& d, const auto& a, const auto& out) {
        nn::activation_backward_into(d, a, out, kind, params);
      });
}

template <class T>
py::object in_place_as(Call& call, Activation kind, const ActivationParams& params) {
  const MutView<T> x = call.target<T>("x");
  released([&] { nn::activation_inplace(x, kind, params); });
  return py::reinterpret_borrow<py::object>(call.object("x"));
}

py::object in_place(Call& call, Activation kind, const ActivationParams& params) {
  return call.array("x").type() == Type::Float32 ? in_place_as<float>(call, kind, params)
                                                 : in_place_as<double>(call, kind, params);
}

void check_matrix(const Call& call) {
  const Operand x = call.array("x");
  const Shape& shape = x.shape();
  if (shape.rank() != 2) {
    lamina::detail::throw_rank(call.name(), "x", 2, shape);
  }
}

/// The guide's forms that demand a matrix.
constexpr std::string_view kMatrixForms[] = {"relu",    "leaky_relu", "elu",     "selu",
                                             "sigmoid", "tanh",       "silu",    "swish",
                                             "mish",    "gelu",       "softplus"};

std::string describe(const ActivationRow& row, std::string_view name) {
  std::string text = std::string(name) + "(x) = " + std::string(row.formula) +
                     ", element by element.\n\nx       any shape\nreturns as x\n\nNaN gives NaN.";
  text += " Gradient: " + std::string(name) + "_backward.";
  if (!row.onnx.empty()) {
    text += " ONNX: " + std::string(row.onnx) + ".";
  }
  if (!row.source.empty()) {
    text += " " + std::string(row.source) + ".";
  }
  return text;
}

/// All forms of one activation. `read` gives the enumerator and parameters of a call.
template <class Read>
void def_forms(Module& nn, std::string_view name, const std::string& parameters,
               const std::string& doc, const Read& read) {
  const std::string function(name);
  nn.def(function + "(x" + parameters + ", *, out=None) -> Recorded", doc, [read](Call& call) {
    const auto [kind, params] = read(call);
    return forward(call, kind, params);
  });
  nn.def(function + "_inplace(x" + parameters + ") -> Array",
         "Replaces each element of the NumPy array x by " + function + " of it; returns x.",
         [read](Call& call) {
           const auto [kind, params] = read(call);
           return in_place(call, kind, params);
         });
  nn.def(function + "_backward(dy, x" + parameters + ", *, out=None) -> Array",
         "Gradient of " + function +
             ": dy times its derivative at x.\n\n"
             "dy, x   one shape; x is what went into " +
             function + "\nreturns as x",
         [read](Call& call) {
           const auto [kind, params] = read(call);
           return backward(call, kind, params);
         });
  if (std::ranges::find(kMatrixForms, name) != std::end(kMatrixForms)) {
    nn.def(function + "_2d(x" + parameters + ", *, out=None) -> Recorded",
           function + " of a matrix. ValueError for any other rank.", [read](Call& call) {
             check_matrix(call);
             const auto [kind, params] = read(call);
             return forward(call, kind, params);
           });
  }
}

void def_row(Module& nn, const ActivationRow& row, std::string_view name) {
  def_forms(nn, name, parameter_list(row), describe(row, name),
            [&row](const Call& call) { return std::pair(row.kind, read_parameters(call, row)); });
}

nn::GeluApproximation approximation(const Call& call) {
  return call.choice<nn::GeluApproximation>("approximate", {{"none", nn::GeluApproximation::None},
                                                            {"tanh", nn::GeluApproximation::Tanh}});
}

/// An activation by name and up to two parameters, a and b.
std::pair<Activation, ActivationParams> read_kind(const Call& call) {
  return {activation_kind(call, "kind"), {call.optional_number("a"), call.optional_number("b")}};
}

/// `parameters` follow x in the signature.
void def_gated(Module& nn, std::string_view name, std::string_view formula,
               const std::string& parameters,
               const std::function<Activation(const Call&)>& kind_of) {
  const std::string function(name);
  nn.def(function + "(x" + parameters + ", *, out=None) -> Recorded",
         std::string(formula) +
             ", where a and b are the two halves of x along `axis`.\n\nx       extent 2 n along "
             "axis, which must be even\nreturns as x, with extent n there\n\nGradient: " +
             function + "_backward. Shazeer 2020.",
         [kind_of](Call& call) {
           Operand x = call.array("x");
           const Activation kind = kind_of(call);
           const int axis = call.axis("axis");
           return record(
               call, std::tie(x), [&](const auto& a) { return nn::gated_unit(a, kind, axis); },
               [&](const auto& a, const auto& out) { nn::gated_unit_into(a, out, kind, axis); });
         });
  nn.def(
      function + "_backward(dy, x" + parameters + ", *, out=None) -> Array",
      "Gradient of " + function + ".\n\ndy      as the result of " + function +
          "\nx       what went into it\nreturns as x",
      [kind_of](Call& call) {
        Operand dy = call.array("dy");
        Operand x = call.array("x");
        const Activation kind = kind_of(call);
        const int axis = call.axis("axis");
        return compute(
            call, std::tie(dy, x),
            [&](const auto& d, const auto& a) { return nn::gated_unit_backward(d, a, kind, axis); },
            [&](const auto& d, const auto& a, const auto& out) {
              nn::gated_unit_backward_into(d, a, out, kind, axis);
            });
      });
}

void def_prelu(Module& nn) {
  nn.def("prelu(x, slope, *, out=None) -> Recorded", R"(
x where x > 0, otherwise slope x, with a slope that is trained.

x       any shape
slope   one number, or (C) for the channels along axis 1 of x
returns as x

Gradients: prelu_backward_input, prelu_backward_slope. torch.nn.functional.prelu. He et al. 2015.)",
         [](Call& call) {
           Operand x = call.array("x");
           Operand slope = call.array("slope");
           return record(
               call, std::tie(x, slope),
               [](const auto& a, const auto& s) { return nn::prelu(a, s); },
               [](const auto& a, const auto& s, const auto& out) { nn::prelu_into(a, s, out); });
         });
  nn.def("prelu_backward_input(dy, x, slope, *, out=None) -> Array",
         "Gradient of prelu for x: dy where x > 0, otherwise slope dy.", [](Call& call) {
           Operand dy = call.array("dy");
           Operand x = call.array("x");
           Operand slope = call.array("slope");
           return compute(
               call, std::tie(dy, x, slope),
               [](const auto& d, const auto& a, const auto& s) {
                 return nn::prelu_backward_input(d, a, s);
               },
               [](const auto& d, const auto& a, const auto& s, const auto& out) {
                 nn::prelu_backward_input_into(d, a, s, out);
               });
         });
  nn.def("prelu_backward_slope(dy, x, slope, *, out=None) -> Array",
         "Gradient of prelu for the slope: the sum of dy x where x <= 0, of each channel.",
         [](Call& call) {
           Operand dy = call.array("dy");
           Operand x = call.array("x");
           Operand slope = call.array("slope");
           return compute(call, std::tie(dy, x, slope),
                          [](const auto& d, const auto& a, const auto& s) {
                            return nn::prelu_backward_slope(d, a, s);
                          });
         });
}

}  // namespace

Activation activation_kind(const Call& call, std::string_view parameter) {
  const std::string name = call.text(parameter);
  std::string known;
  for (const ActivationRow& row : nn::kActivationTable) {
    if (row.name == name) {
      return row.kind;
    }
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  throw py::value_error(std::string(call.name()) + ": " + std::string(parameter) + " \"" + name +
                        "\" is none of: " + known);
}

void def_activations(Module& nn) {
  def_forms(nn, "activation", ", kind, a=None, b=None", R"(
The activation that `kind` names, e.g. "relu", element by element.

x       any shape
kind    name of an activation
a, b    its parameters, in the order of the function of that name; None: its defaults
returns as x

Gradient: activation_backward.)",
            read_kind);
  for (const ActivationRow& row : nn::kActivationTable) {
    if (row.kind != Activation::Gelu) {
      def_row(nn, row, row.name);
    }
  }
  def_row(nn, nn::activation_row(Activation::Silu), "swish");
  def_forms(nn, "gelu", ", approximate=\"none\"", R"(
gelu(x) = x Phi(x), Phi the standard normal distribution function, element by element.

x            any shape
approximate  "none": x / 2 (1 + erf(x / sqrt 2)); "tanh": x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
returns      as x

NaN gives NaN. Gradient: gelu_backward. ONNX: Gelu. Hendrycks and Gimpel 2016.)",
            [](const Call& call) {
              return std::pair(nn::detail::gelu_kind(approximation(call)), ActivationParams());
            });

  def_gated(nn, "gated_unit", "a f(b), f the activation `kind`", ", kind, axis=-1",
            [](const Call& call) { return activation_kind(call, "kind"); });
  def_gated(nn, "glu", "a sigmoid(b)", ", axis=-1",
            [](const Call&) { return Activation::Sigmoid; });
  def_gated(nn, "swiglu", "a silu(b)", ", axis=-1", [](const Call&) { return Activation::Silu; });
  def_gated(nn, "geglu", "a gelu(b)", ", axis=-1, approximate=\"none\"",
            [](const Call& call) { return nn::detail::gelu_kind(approximation(call)); });
  def_gated(nn, "reglu", "a relu(b)", ", axis=-1", [](const Call&) { return Activation::Relu; });
  nn.def("gated_activation(value, gate, kind, a=None, b=None, *, out=None) -> Recorded", R"(
value f(gate), f the activation `kind`, element by element.

value, gate   one shape
kind, a, b    as for activation
returns       as value

Gradients: for value, gated_activation(dy, gate); for gate, gated_activation_backward_gate.)",
         [](Call& call) {
           Operand value = call.array("value");
           Operand gate = call.array("gate");
           const auto [kind, params] = read_kind(call);
           return record(
               call, std::tie(value, gate),
               [&, k = kind, &p = params](const auto& v, const auto& g) {
                 return nn::gated_activation(v, g, k, p);
               },
               [&, k = kind, &p = params](const auto& v, const auto& g, const auto& out) {
                 nn::gated_activation_into(v, g, out, k, p);
               });
         });
  nn.def(
      "gated_activation_backward_gate(dy, value, gate, kind, a=None, b=None, *, out=None) -> Array",
      "Gradient of gated_activation for the gate: dy value f'(gate).", [](Call& call) {
        Operand dy = call.array("dy");
        Operand value = call.array("value");
        Operand gate = call.array("gate");
        const auto [kind, params] = read_kind(call);
        return compute(
            call, std::tie(dy, value, gate),
            [k = kind, &p = params](const auto& d, const auto& v, const auto& g) {
              return nn::gated_activation_backward_gate(d, v, g, k, p);
            },
            [k = kind, &p = params](const auto& d, const auto& v, const auto& g, const auto& out) {
              nn::gated_activation_backward_gate_into(d, v, g, out, k, p);
            });
      });
  def_prelu(nn);
}

}  // namespace lamina::python
