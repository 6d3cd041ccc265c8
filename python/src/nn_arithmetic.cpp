#include "lamina/nn/arithmetic.hpp"

#include "lamina/autograd/ops_arithmetic.hpp"
#include "lamina/nn/comparison.hpp"
#include "modules.hpp"

namespace lamina::python {

namespace {

using nn::BinaryOp;
using nn::CompareOp;
using nn::UnaryOp;

/// The row of a table that a parameter names.
template <class Table>
auto named(const Call& call, const Table& table) {
  const std::string name = call.text("op");
  std::string known;
  for (const auto& row : table) {
    if (row.name == name) {
      return row.op;
    }
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  throw py::value_error(std::string(call.name()) + ": op \"" + name + "\" is none of: " + known);
}

py::object call_binary(Call& call, BinaryOp op) {
  Operand a = call.array("a");
  Operand b = call.array("b");
  return record(
      call, std::tie(a, b), [&](const auto& x, const auto& y) { return nn::binary(op, x, y); },
      [&](const auto& x, const auto& y, const auto& out) { nn::binary_into(op, x, y, out); });
}

py::object call_binary_gradient(Call& call, BinaryOp op, bool of_a, bool of_b) {
  Operand dy = call.array("dy");
  Operand a = call.array("a");
  Operand b = call.array("b");
  const auto gradient_a = [&](const auto& d, const auto& x, const auto& y) {
    return nn::binary_backward_a(op, d, x, y);
  };
  const auto gradient_b = [&](const auto& d, const auto& x, const auto& y) {
    return nn::binary_backward_b(op, d, x, y);
  };
  if (!of_b) {
    return compute(call, std::tie(dy, a, b), gradient_a);
  }
  if (!of_a) {
    return compute(call, std::tie(dy, a, b), gradient_b);
  }
  return compute(call, std::tie(dy, a, b), [&](const auto& d, const auto& x, const auto& y) {
    return std::tuple(gradient_a(d, x, y), gradient_b(d, x, y));
  });
}

constexpr const char* kOperands =
    "\n\na, b    arrays that broadcast, or numbers\nreturns their common shape";

void def_binary(Module& nn) {
  for (const nn::BinaryRow& row : nn::kBinaryTable) {
    const std::string name(row.name);
    const BinaryOp op = row.op;
    nn.def(name + "(a, b, *, out=None) -> Recorded",
           std::string(row.formula) + ", element by element." + kOperands +
               "\n\nGradient: " + name + "_backward. ONNX: " + std::string(row.onnx) + ".",
           [op](Call& call) { return call_binary(call, op); });
    if (op == BinaryOp::Add || op == BinaryOp::Sub) {
      nn.def(name + "_backward(dy, shape_a, shape_b) -> tuple[Array, Array]",
             "Gradients of " + name + " for a and b, of their shapes: dy, " +
                 (op == BinaryOp::Sub ? "negated for b, " : "") +
                 "summed over what broadcasting repeated.",
             [op](Call& call) {
               Operand dy = call.array("dy");
               const Shape a = call.shape("shape_a");
               const Shape b = call.shape("shape_b");
               return compute(call, std::tie(dy), [&](const auto& d) {
                 auto gradients =
                     op == BinaryOp::Add ? nn::add_backward(d, a, b) : nn::sub_backward(d, a, b);
                 return std::tuple(std::move(gradients.da), std::move(gradients.db));
               });
             });
    } else {
      nn.def(name + "_backward(dy, a, b) -> tuple[Array, Array]",
             "Gradients of " + name +
                 " for a and b, of their shapes.\n\ndy      as the result of " + name,
             [op](Call& call) { return call_binary_gradient(call, op, true, true); });
    }
  }
  nn.def("binary(op, a, b, *, out=None) -> Recorded",
         std::string("The operation that `op` names: \"add\", \"sub\", \"mul\", \"div\", \"pow\", "
                     "\"maximum\" or \"minimum\".") +
             kOperands,
         [](Call& call) { return call_binary(call, named(call, nn::kBinaryTable)); });
  nn.def("binary_backward_a(op, dy, a, b, *, out=None) -> Array",
         "Gradient of binary for a, of its shape.", [](Call& call) {
           return call_binary_gradient(call, named(call, nn::kBinaryTable), true, false);
         });
  nn.def("binary_backward_b(op, dy, a, b, *, out=None) -> Array",
         "Gradient of binary for b, of its shape.", [](Call& call) {
           return call_binary_gradient(call, named(call, nn::kBinaryTable), false, true);
         });
  nn.def("sum_to_shape(x, shape, *, out=None) -> Array",
         "Sums x over what broadcasting from `shape` repeated: the gradient of broadcasting.\n\n"
         "x       a shape that `shape` broadcasts to\nreturns `shape`",
         [](Call& call) {
           Operand x = call.array("x");
           const Shape shape = call.shape("shape");
           return compute(call, std::tie(x),
                          [&](const auto& a) { return nn::sum_to_shape(a, shape); });
         });
}

py::object call_unary(Call& call, UnaryOp op) {
  Operand x = call.array("x");
  const auto into = [&](const auto& a, const auto& out) { nn::unary_into(op, a, out); };
  const auto f = [&](const auto& a) { return nn::unary(op, a); };
  return op == UnaryOp::Sign ? constant(
                                   call, std::tie(x), [&](const auto& a) { return f(a); }, into)
                             : record(call, std::tie(x), f, into);
}

py::object call_unary_gradient(Call& call, UnaryOp op, std::string_view saved) {
  Operand dy = call.array("dy");
  Operand kept = call.array(saved);
  return compute(
      call, std::tie(dy, kept),
      [&](const auto& d, const auto& s) { return nn::unary_backward(op, d, s); },
      [&](const auto& d, const auto& s, const auto& out) {
        nn::unary_backward_into(op, d, s, out);
      });
}

void def_unary(Module& nn) {
  for (const nn::UnaryRow& row : nn::kUnaryTable) {
    const std::string name(row.name);
    const UnaryOp op = row.op;
    const bool has_gradient = row.saved != nn::Saved::Nothing;
    nn.def(name + "(x, *, out=None) -> " + (op == UnaryOp::Sign ? "Array" : "Recorded"),
           std::string(row.formula) + ", element by element.\n\nx       any shape\nreturns as x" +
               (has_gradient ? "\n\nGradient: " + name + "_backward." : std::string()),
           [op](Call& call) { return call_unary(call, op); });
    if (has_gradient) {
      const std::string saved = row.saved == nn::Saved::Input ? "x" : "y";
      nn.def(name + "_backward(dy, " + saved + ", *, out=None) -> Array",
             "Gradient of " + name + ": dy times " + std::string(row.derivative) +
                 (saved == "x" ? ", x what went into it." : ", y its result."),
             [op, saved](Call& call) { return call_unary_gradient(call, op, saved); });
    }
  }
  nn.def("unary(op, x, *, out=None) -> Recorded",
         "The operation that `op` names, e.g. \"sqrt\", element by element.",
         [](Call& call) { return call_unary(call, named(call, nn::kUnaryTable)); });
  nn.def(
      "unary_backward(op, dy, saved, *, out=None) -> Array",
      "Gradient of unary. `saved` is what the function of that name and _backward takes.",
      [](Call& call) { return call_unary_gradient(call, named(call, nn::kUnaryTable), "saved"); });
  nn.def("clamp(x, low, high, *, out=None) -> Recorded",
         "min(max(x, low), high), element by element; NaN stays.\n\nx         any shape\n"
         "low, high numbers\nreturns   as x\n\nGradient: clamp_backward. numpy.clip.",
         [](Call& call) {
           Operand x = call.array("x");
           const double low = call.number("low");
           const double high = call.number("high");
           return record(
               call, std::tie(x),
               [&](const auto& a) {
                 using T = ElementOf<decltype(a)>;
                 return nn::clamp(a, static_cast<T>(low), static_cast<T>(high));
               },
               [&](const auto& a, const auto& out) {
                 using T = ElementOf<decltype(a)>;
                 nn::clamp_into(a, static_cast<T>(low), static_cast<T>(high), out);
               });
         });
  nn.def("clamp_backward(dy, x, low, high, *, out=None) -> Array",
         "Gradient of clamp: dy where low <= x <= high, otherwise 0.", [](Call& call) {
           Operand dy = call.array("dy");
           Operand x = call.array("x");
           const double low = call.number("low");
           const double high = call.number("high");
           return compute(call, std::tie(dy, x), [&](const auto& d, const auto& a) {
             using T = ElementOf<decltype(a)>;
             return nn::clamp_backward(d, a, static_cast<T>(low), static_cast<T>(high));
           });
         });
}

py::object call_compare(Call& call, CompareOp op) {
  Operand a = call.array("a");
  Operand b = call.array("b");
  return constant(call, std::tie(a, b),
                  [&](const auto& x, const auto& y) { return nn::compare(op, x, y); });
}

void def_logical(Module& nn, const std::string& name, const char* doc,
                 Array<bool> (*f)(const View<bool>&, const View<bool>&)) {
  nn.def(name + "(a, b, *, out=None) -> Array",
         std::string(doc) + "\n\na, b    bool, they broadcast\nreturns bool. numpy." + name + ".",
         [f](Call& call) {
           const Mask a = call.mask("a");
           const Mask b = call.mask("b");
           return call.deliver(released([&] { return f(a.view(), b.view()); }));
         });
}

void def_comparisons(Module& nn) {
  for (const nn::CompareRow& row : nn::kCompareTable) {
    const std::string name(row.name);
    nn.def(name + "(a, b, *, out=None) -> Array",
           "Whether the elements are " + name +
               ", as bool. Comparisons with NaN are false, but not_equal." + kOperands +
               "\n\nnumpy." + name + ".",
           [op = row.op](Call& call) { return call_compare(call, op); });
  }
  nn.def("compare(op, a, b, *, out=None) -> Array",
         std::string("The comparison that `op` names, e.g. \"less\".") + kOperands,
         [](Call& call) { return call_compare(call, named(call, nn::kCompareTable)); });
  def_logical(nn, "logical_and", "a and b, element by element.", nn::logical_and);
  def_logical(nn, "logical_or", "a or b, element by element.", nn::logical_or);
  def_logical(nn, "logical_xor", "Either a or b, element by element.", nn::logical_xor);
  nn.def("logical_not(a, *, out=None) -> Array",
         "not a, element by element.\n\na       bool\nreturns bool. numpy.logical_not.",
         [](Call& call) {
           const Mask a = call.mask("a");
           return call.deliver(released([&] { return nn::logical_not(a.view()); }));
         });
  nn.def("where(condition, a, b, *, out=None) -> Recorded", R"(
a where the condition is true, b elsewhere.

condition bool
a, b      arrays, or numbers; all three broadcast
returns   their common shape

Gradients: where_backward. numpy.where.)",
         [](Call& call) {
           const Mask condition = call.mask("condition");
           Operand a = call.array("a");
           Operand b = call.array("b");
           return record(
               call, std::tie(a, b),
               [&](const auto& x, const auto& y) { return nn::where(condition.view(), x, y); },
               [&](const auto& x, const auto& y, const auto& out) {
                 nn::where_into(condition.view(), x, y, out);
               });
         });
  nn.def("where_backward(dy, condition, shape_a, shape_b) -> tuple[Array, Array]",
         "Gradients of where for a and b, of their shapes: dy where the condition is true, and "
         "elsewhere.",
         [](Call& call) {
           Operand dy = call.array("dy");
           const Mask condition = call.mask("condition");
           const Shape a = call.shape("shape_a");
           const Shape b = call.shape("shape_b");
           return compute(call, std::tie(dy), [&](const auto& d) {
             auto gradients = nn::where_backward(d, condition.view(), a, b);
             return std::tuple(std::move(gradients.da), std::move(gradients.db));
           });
         });
}

}  // namespace

void def_arithmetic(Module& nn) {
  def_binary(nn);
  def_unary(nn);
  def_comparisons(nn);
}

}  // namespace lamina::python
