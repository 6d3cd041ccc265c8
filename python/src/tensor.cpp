#include "lamina/autograd/gradcheck.hpp"
#include "lamina/autograd/ops_shape.hpp"
#include "modules.hpp"

namespace lamina::python {

const Tensor& tensor_of(py::handle object, const Place& place) {
  if (!py::isinstance<Tensor>(object)) {
    throw_type_error(place, "must be a lamina.Tensor, it is a " +
                                std::string(py::str(py::type::of(object).attr("__name__"))));
  }
  return py::cast<const Tensor&>(object);
}

namespace {

const Tensor& read_tensor(const Call& call, std::string_view parameter = "x") {
  return tensor_of(call.object(parameter), call.place(parameter));
}

template <class T>
py::object make_leaf(Operand& value, bool requires_grad) {
  value.prepare<T>();
  return to_python(released([&] { return Var<T>(value.view<T>(), requires_grad); }));
}

/// f(variable, view of the argument) without the GIL, with gradients to itself.
template <class F>
void change(Call& call, std::string_view parameter, const F& f) {
  const Tensor& tensor = read_tensor(call);
  Operand value = call.array(parameter);
  std::visit(
      [&]<class T>(const Var<T>& var) {
        if (value.has_type() && value.type() != kType<T>) {
          throw_type_error(value.place(), "is " + std::string(to_string(value.type())) +
                                              ", the Tensor " + std::string(to_string(kType<T>)));
        }
        value.prepare<T>();
        released_alone([&] { f(var, value.view<T>()); });
      },
      tensor.var);
}

/// Work on gradients that needs no other argument.
template <class F>
void alone(const Tensor& tensor, const F& f) {
  std::visit([&](const auto& var) { released_alone([&] { f(var); }); }, tensor.var);
}

void def_properties(Module& module) {
  module.def("tensor(value, requires_grad=False, dtype=None) -> Tensor", "", [](Call& call) {
    Operand value = call.array("value");
    const bool requires_grad = call.flag("requires_grad");
    if (!value.defined()) {
      throw_type_error(value.place(), "is None");
    }
    Type type = call.common_type({&value});
    if (call.has("dtype")) {
      const Type wanted = call.dtype();
      if (value.has_type() && wanted != type) {
        throw_type_error(value.place(), "is " + std::string(to_string(type)) +
                                            ", nothing is cast silently: pass value.astype(numpy." +
                                            std::string(to_string(wanted)) + ")");
      }
      type = wanted;
    }
    return type == Type::Float32 ? make_leaf<float>(value, requires_grad)
                                 : make_leaf<double>(value, requires_grad);
  });
  module.def("elements(x, writable=False) -> Array", "", [](Call& call) {
    const bool writable = call.flag("writable");
    return std::visit([&](const auto& var) { return share_elements(var, writable); },
                      read_tensor(call).var);
  });
  module.def("shape(x) -> tuple[int, ...]", "", [](Call& call) -> py::object {
    return std::visit([](const auto& var) { return shape_to_python(var.shape()); },
                      read_tensor(call).var);
  });
  module.def("dtype(x) -> str", "", [](Call& call) -> py::object {
    return std::visit(
        []<class T>(const Var<T>&) { return py::str(std::string(to_string(kType<T>))); },
        read_tensor(call).var);
  });
  module.def("requires_grad(x) -> bool", "", [](Call& call) -> py::object {
    return py::bool_(
        std::visit([](const auto& var) { return var.requires_grad(); }, read_tensor(call).var));
  });
  module.def("set_requires_grad(x, requires_grad) -> None", "", [](Call& call) -> py::object {
    const bool wanted = call.flag("requires_grad");
    alone(read_tensor(call), [&](const auto& var) { var.set_requires_grad(wanted); });
    return py::none();
  });
  module.def("is_leaf(x) -> bool", "", [](Call& call) -> py::object {
    return py::bool_(
        std::visit([](const auto& var) { return var.is_leaf(); }, read_tensor(call).var));
  });
  module.def("is_same(x, other) -> bool", "", [](Call& call) -> py::object {
    return py::bool_(std::visit(
        []<class T, class U>(const Var<T>& a, const Var<U>& b) {
          if constexpr (std::is_same_v<T, U>) {
            return a.same_as(b);
          } else {
            return false;
          }
        },
        read_tensor(call).var, read_tensor(call, "other").var));
  });
  module.def("detach(x) -> Tensor", "", [](Call& call) {
    return std::visit([](const auto& var) { return to_python(var.detach()); },
                      read_tensor(call).var);
  });
}

void def_gradients(Module& module) {
  module.def("grad(x) -> Array", "", [](Call& call) {
    return std::visit(
        []<class T>(const Var<T>& var) -> py::object {
          // A copy: the next backward() or zero_grad() replaces the array.
          std::optional<Array<T>> copy;
          released_alone([&] {
            if (var.has_grad()) {
              copy.emplace(var.grad());
            }
          });
          return copy ? to_python(std::move(*copy)) : py::none();
        },
        read_tensor(call).var);
  });
  module.def("set_grad(x, grad) -> None", "", [](Call& call) -> py::object {
    if (!call.has("grad")) {
      alone(read_tensor(call), [](const auto& var) { var.zero_grad(); });
    } else {
      change(call, "grad", []<class T>(const Var<T>& var, const View<T>& grad) {
        check(grad.shape() == var.shape(), ErrorKind::DimensionMismatch, "grad", "has shape ",
              grad.shape(), ", the Tensor ", var.shape());
        var.mutable_grad().assign(grad);
      });
    }
    return py::none();
  });
  module.def("retain_grad(x) -> None", "", [](Call& call) -> py::object {
    alone(read_tensor(call), [](const auto& var) { var.retain_grad(); });
    return py::none();
  });
  module.def("backward(x, seed=None, retain_graph=False) -> None", "",
             [](Call& call) -> py::object {
               const autograd::BackwardOptions options{call.flag("retain_graph")};
               change(call, "seed", [&]<class T>(const Var<T>& var, const View<T>& seed) {
                 if (seed.defined()) {
                   var.backward(seed, options);
                 } else {
                   var.backward(options);
                 }
               });
               return py::none();
             });
  module.def("assign(x, value) -> None", "", [](Call& call) -> py::object {
    change(call, "value", []<class T>(const Var<T>& var, const View<T>& value) {
      check(value.defined(), ErrorKind::InvalidOperation, "assign", "value is None");
      check(broadcast_shapes(value.shape(), var.shape(), "assign") == var.shape(),
            ErrorKind::DimensionMismatch, "assign", "value has shape ", value.shape(),
            ", the Tensor ", var.shape());
      // A copy first: the value may be a view of the elements.
      const Array<T> copy(value);
      var.mutable_value().assign(copy);
    });
    return py::none();
  });
  module.def("no_grad() -> object", "", [](Call&) -> py::object {
    return py::capsule(new NoGrad, [](void* guard) { delete static_cast<NoGrad*>(guard); });
  });
  module.def("grad_enabled() -> bool", "Whether operations of this thread are recorded now.",
             [](Call&) -> py::object { return py::bool_(autograd::grad_enabled()); });
}

/// A function of one Tensor to another shape; arrays are NumPy's own business.
template <class F>
py::object reshaped(const Call& call, const F& f) {
  return std::visit([&](const auto& var) { return to_python(released([&] { return f(var); })); },
                    read_tensor(call).var);
}

template <class T>
std::vector<Var<T>> all_variables(const std::vector<py::object>& parts, const Place& place) {
  std::vector<Var<T>> variables;
  for (const py::object& part : parts) {
    const auto* var = std::get_if<Var<T>>(&tensor_of(part, place).var);
    if (var == nullptr) {
      throw_type_error(place, "are Tensors of different element types");
    }
    variables.push_back(*var);
  }
  return variables;
}

template <class F>
py::object joined(const Call& call, const F& f) {
  std::vector<py::object> parts;
  for (const py::handle part : py::iter(call.object("parts"))) {
    parts.push_back(py::reinterpret_borrow<py::object>(part));
  }
  const Place place = call.place("parts");
  check(!parts.empty(), ErrorKind::InvalidOperation, call.name(), "parts are empty");
  const int axis = call.axis("axis");
  return std::visit(
      [&]<class T>(const Var<T>&) {
        const std::vector<Var<T>> variables = all_variables<T>(parts, place);
        return to_python(released([&] { return f(variables, axis); }));
      },
      tensor_of(parts.front(), place).var);
}

std::optional<Index> bound(const Call& call, std::string_view parameter) {
  return call.optional_index(parameter);
}

void def_shapes(Module& module) {
  module.def(
      "reshape(x, shape) -> Tensor",
      "The elements of a Tensor in row-major order under another shape; one extent may be -1.",
      [](Call& call) {
        const std::vector<Index> extents = call.indices("shape");
        const IndexList shape{std::span<const Index>(extents)};
        return reshaped(call, [&](const auto& x) { return autograd::reshape(x, shape); });
      });
  module.def("flatten(x, first=0) -> Tensor", "All axes of a Tensor from `first` on as one.",
             [](Call& call) {
               const int first = call.axis("first");
               return reshaped(call, [&](const auto& x) { return autograd::flatten(x, first); });
             });
  module.def("permute(x, order) -> Tensor", "The axes of a Tensor in the order given.",
             [](Call& call) {
               const std::vector<Index> order = call.indices("order");
               const Axes axes{std::span<const Index>(order)};
               return reshaped(call, [&](const auto& x) { return autograd::permute(x, axes); });
             });
  module.def("transpose(x, a=-2, b=-1) -> Tensor", "A Tensor with two axes swapped.",
             [](Call& call) {
               const int a = call.axis("a");
               const int b = call.axis("b");
               return reshaped(call, [&](const auto& x) { return autograd::transpose(x, a, b); });
             });
  module.def(
      "slice(x, axis, start=None, stop=None, step=1) -> Tensor",
      "Positions start, start + step ... below stop of one axis of a Tensor.", [](Call& call) {
        const int axis = call.axis("axis");
        const Range range{bound(call, "start"), bound(call, "stop"), call.index("step")};
        return reshaped(call, [&](const auto& x) { return autograd::slice(x, axis, range); });
      });
  module.def("select(x, axis, index) -> Tensor",
             "One position of an axis of a Tensor; the axis disappears.", [](Call& call) {
               const int axis = call.axis("axis");
               const Index index = call.index("index");
               return reshaped(call,
                               [&](const auto& x) { return autograd::select(x, axis, index); });
             });
  module.def("squeeze(x, axis=None) -> Tensor",
             "A Tensor without its axes of extent 1, or without that one.", [](Call& call) {
               const std::optional<int> axis =
                   call.has("axis") ? std::optional(call.axis("axis")) : std::nullopt;
               return reshaped(call, [&](const auto& x) { return autograd::squeeze(x, axis); });
             });
  module.def("expand_dims(x, axis) -> Tensor", "A Tensor with a new axis of extent 1.",
             [](Call& call) {
               const int axis = call.axis("axis");
               return reshaped(call, [&](const auto& x) { return autograd::expand_dims(x, axis); });
             });
  module.def("broadcast_to(x, shape) -> Tensor", "A Tensor repeated to a shape.", [](Call& call) {
    const Shape shape = call.shape("shape");
    return reshaped(call, [&](const auto& x) { return autograd::broadcast_to(x, shape); });
  });
  module.def(
      "concatenate(parts, axis=0) -> Tensor", "Tensors joined along an axis.", [](Call& call) {
        return joined(
            call, [](const auto& parts, int axis) { return autograd::concatenate(parts, axis); });
      });
  module.def("stack(parts, axis=0) -> Tensor", "Tensors of one shape joined along a new axis.",
             [](Call& call) {
               return joined(
                   call, [](const auto& parts, int axis) { return autograd::stack(parts, axis); });
             });
}

std::vector<Array<double>> read_inputs(const Call& call) {
  std::vector<Array<double>> inputs;
  for (const py::handle input : py::iter(call.object("inputs"))) {
    Operand operand(input, call.place("inputs"));
    if (operand.has_type() && operand.type() != Type::Float64) {
      throw_type_error(operand.place(), "must be float64: differences need the digits");
    }
    operand.prepare<double>();
    inputs.emplace_back(operand.view<double>());
  }
  return inputs;
}

// These call Python code, so they keep the GIL.
void def_checks(Module& module) {
  module.def("numeric_gradient(function, x, step=0.001) -> Array", R"(
df/dx of a function of one float64 array to a number, by central differences.

Gradient of the extrapolated quotients, about 1e-12 relative; costs four calls an element.)",
             [](Call& call) {
               const py::handle function = call.object("function");
               Operand x = call.array("x");
               if (x.has_type() && x.type() != Type::Float64) {
                 throw_type_error(x.place(), "must be float64: differences need the digits");
               }
               x.prepare<double>();
               const double step = call.number("step");
               return to_python(autograd::numeric_gradient(
                   [&](const View<double>& at) {
                     return py::cast<double>(py::float_(function(to_python(Array<double>(at)))));
                   },
                   x.view<double>(), step));
             });
  module.def("gradcheck(function, inputs, tolerance=1e-07, step=0.001, seed=0) -> str", R"(
Compares backward() of any computation on Tensors with differences, for every element of every input.

function  takes as many Tensors as there are inputs, returns a Tensor
inputs    float64 arrays, away from kinks
returns   "" if all errors are below the tolerance, otherwise what the worst one is)",
             [](Call& call) -> py::object {
               const py::handle function = call.object("function");
               const std::vector<Array<double>> inputs = read_inputs(call);
               const autograd::GradCheckOptions options{call.number("tolerance"),
                                                        call.number("step"), call.seed("seed")};
               const Place place = call.place("function");
               const autograd::GradCheckResult result = autograd::gradcheck(
                   [&](const std::vector<Var<double>>& vars) {
                     py::tuple arguments(vars.size());
                     for (std::size_t i = 0; i < vars.size(); ++i) {
                       arguments[i] = py::cast(Tensor{vars[i]});
                     }
                     const py::object y = function(*arguments);
                     const auto* var = std::get_if<Var<double>>(&tensor_of(y, place).var);
                     if (var == nullptr) {
                       throw_type_error(place, "returned a Tensor of float32");
                     }
                     return *var;
                   },
                   inputs, options);
               return py::str(result.passed ? std::string() : result.message());
             });
}

}  // namespace

void def_tensor(py::module_& root) {
  py::class_<Tensor> type(root, "Tensor");
  type.attr("__module__") = "lamina";
  Module module(root.def_submodule("tensor"), "lamina._core.tensor");
  def_properties(module);
  def_gradients(module);
  Module autograd(root.def_submodule("autograd"), "lamina.autograd");
  def_shapes(autograd);
  def_checks(autograd);
}

}  // namespace lamina::python
