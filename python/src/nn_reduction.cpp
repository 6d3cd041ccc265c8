#include "lamina/nn/reduction.hpp"

#include "lamina/autograd/ops_reduction.hpp"
#include "modules.hpp"

namespace lamina::python {

namespace {

using nn::Reduction;

nn::ReduceOptions read_options(const Call& call) {
  nn::ReduceOptions options;
  options.axes = call.axes("axis");
  if (call.has("axis") && options.axes.rank() == 0) {
    throw py::value_error(std::string(call.name()) +
                          ": axis=() names no axis to reduce; None means all");
  }
  options.keepdims = call.flag("keepdims");
  if (call.has_parameter("ddof")) {
    options.ddof = call.index("ddof");
  }
  return options;
}

Reduction norm_kind(const Call& call) {
  return call.choice<Reduction>(
      "order", {{"l1", Reduction::NormL1}, {"l2", Reduction::NormL2}, {"inf", Reduction::NormInf}});
}

Reduction kind_by_name(const Call& call) {
  const std::string name = call.text("kind");
  std::string known;
  for (const nn::ReductionInfo& info : nn::kReductions) {
    if (info.name == name) {
      return info.kind;
    }
    known += (known.empty() ? "" : ", ") + std::string(info.name);
  }
  throw py::value_error(std::string(call.name()) + ": kind \"" + name + "\" is none of: " + known);
}

constexpr const char* kShapes = R"(

x        any shape
axis     an axis or several; None: all of them
keepdims reduced axes stay, with extent 1
returns  the shape without the reduced axes)";

void def_forward(Module& nn, const std::string& name, const std::string& parameters,
                 const std::string& doc, const std::function<Reduction(const Call&)>& kind_of) {
  nn.def(name + "(x" + parameters + ", *, out=None) -> Recorded", doc, [kind_of](Call& call) {
    Operand x = call.array("x");
    const Reduction kind = kind_of(call);
    const nn::ReduceOptions options = read_options(call);
    return record(
        call, std::tie(x), [&](const auto& a) { return nn::reduce(kind, a, options); },
        [&](const auto& a, const auto& out) { nn::reduce_into(kind, a, out, options); });
  });
}

/// The gradient's signature has `shape`, or x, or x and y, by what the formula needs.
void def_backward(Module& nn, const std::string& name, const std::string& arrays,
                  const std::string& parameters, const std::string& formula,
                  const std::function<Reduction(const Call&)>& kind_of) {
  nn.def(
      name + "_backward(dy, " + arrays + parameters + ", *, out=None) -> Array",
      "Gradient of " + name + ": " + formula + ".\n\ndy      as the result y of " + name +
          "\nreturns the shape of x; options as for " + name,
      [kind_of](Call& call) {
        Operand dy = call.array("dy");
        Operand x = call.has_parameter("x") ? call.array("x") : Operand();
        Operand y = call.has_parameter("y") ? call.array("y") : Operand();
        const Reduction kind = kind_of(call);
        const nn::ReduceOptions options = read_options(call);
        const Shape shape = call.has_parameter("shape") && call.has("shape") ? call.shape("shape")
                                                                             : Shape(x.shape());
        return compute(call, std::tie(dy, x, y), [&](const auto& d, const auto& a, const auto& b) {
          return nn::reduce_backward(kind, d, shape, a, b, options);
        });
      });
}

struct Row {
  Reduction kind;
  const char* name;
  const char* options;
  const char* saved;
  const char* doc;
  const char* gradient;
};
constexpr const char* kAxis = ", axis=None, keepdims=False";
constexpr const char* kAxisDdof = ", axis=None, keepdims=False, ddof=0";
constexpr Row kRows[] = {
    {Reduction::Sum, "sum", kAxis, "shape", "Sum; 0 of nothing. numpy.sum.", "dy"},
    {Reduction::Mean, "mean", kAxis, "shape", "Arithmetic mean; NaN of nothing. numpy.mean.",
     "dy / n"},
    {Reduction::Prod, "prod", kAxis, "x", "Product; 1 of nothing. numpy.prod.",
     "dy times the product of the other elements"},
    {Reduction::Max, "max", kAxis, "x, y",
     "Greatest element, NaN if there is one; ValueError of nothing. numpy.max.",
     "dy where x = y, shared evenly by elements that tie"},
    {Reduction::Min, "min", kAxis, "x, y",
     "Least element, NaN if there is one; ValueError of nothing. numpy.min.",
     "dy where x = y, shared evenly by elements that tie"},
    {Reduction::Var, "var", kAxisDdof, "x",
     "Variance in two passes: sum (x - mean)^2 / (n - ddof). numpy.var.",
     "2 dy (x - mean) / (n - ddof)"},
    {Reduction::Stddev, "stddev", kAxisDdof, "x, y",
     "Standard deviation: the square root of var. numpy.std.", "dy (x - mean) / ((n - ddof) y)"},
    {Reduction::LogSumExp, "logsumexp", kAxis, "x, y",
     "log(sum exp(x)) without overflow. scipy.special.logsumexp.", "dy exp(x - y)"},
};

/// argmax and argmin.
template <class F>
void def_position(Module& nn, const std::string& name, const char* which, const F& f) {
  nn.def(
      name + "(x, axis=None, keepdims=False, *, out=None) -> Array",
      std::string("Position of the ") + which +
          " element along an axis, or in row-major order of the whole array: the first of "
          "equals, the first NaN if there is one.\n\nx       not empty\naxis    one axis, or None"
          "\nreturns int64. numpy." +
          name + ".",
      [f](Call& call) {
        Operand x = call.array("x");
        const nn::ReduceOptions options = read_options(call);
        return constant(call, std::tie(x), [&](const auto& a) { return f(a, options); });
      });
}

void def_truth(Module& nn, const std::string& name, const char* doc,
               Array<bool> (*f)(const View<bool>&, const nn::ReduceOptions&)) {
  nn.def(name + "(x, axis=None, keepdims=False, *, out=None) -> Array",
         std::string(doc) + "\n\nx       bool\nreturns bool. numpy." + name + ".", [f](Call& call) {
           const Mask x = call.mask("x");
           const nn::ReduceOptions options = read_options(call);
           return call.deliver(released([&] { return f(x.view(), options); }));
         });
}

}  // namespace

void def_reductions(Module& nn) {
  for (const Row& row : kRows) {
    const auto kind = [k = row.kind](const Call&) { return k; };
    def_forward(nn, row.name, row.options,
                std::string(row.doc) + kShapes + "\n\nGradient: " + row.name + "_backward.", kind);
    def_backward(nn, row.name, row.saved, row.options, row.gradient, kind);
  }
  const std::string norm_options = std::string(", order=\"l2\"") + kAxis;
  def_forward(nn, "norm", norm_options,
              std::string("Vector norm: sum |x| (\"l1\"), sqrt(sum x^2) (\"l2\") or max |x| "
                          "(\"inf\").") +
                  kShapes + "\n\nGradient: norm_backward. torch.linalg.vector_norm.",
              norm_kind);
  def_backward(nn, "norm", "x, y", norm_options,
               "dy sign(x), dy x / y, or dy sign(x) / ties where |x| = y", norm_kind);
  const std::string any_options = std::string(", axis=None, keepdims=False, ddof=0");
  def_forward(nn, "reduce", ", kind" + any_options,
              std::string("The reduction that `kind` names: \"sum\", \"mean\", \"prod\", \"max\", "
                          "\"min\", \"var\", \"stddev\", \"norm_l1\", \"norm_l2\", \"norm_inf\" or "
                          "\"logsumexp\".") +
                  kShapes,
              kind_by_name);
  def_backward(nn, "reduce", "shape, x, y, kind", any_options,
               "that of the function of that name; x and y may be None where it needs none",
               kind_by_name);

  def_position(nn, "argmax", "greatest",
               [](const auto& x, const nn::ReduceOptions& o) { return nn::argmax(x, o); });
  def_position(nn, "argmin", "least",
               [](const auto& x, const nn::ReduceOptions& o) { return nn::argmin(x, o); });
  def_truth(nn, "any", "Whether any element is true; false of nothing.", nn::any);
  def_truth(nn, "all", "Whether all elements are true; true of nothing.", nn::all);
  nn.def("reduced_shape(shape, axis=None, keepdims=False) -> tuple[int, ...]",
         "The shape that a reduction of an array of `shape` has.", [](Call& call) {
           return shape_to_python(
               nn::reduced_shape(call.shape("shape"), read_options(call), call.name()));
         });
}

}  // namespace lamina::python
