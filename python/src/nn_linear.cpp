#include "lamina/autograd/ops_linear.hpp"
#include "lamina/nn/linear.hpp"
#include "lamina/nn/packed.hpp"
#include "modules.hpp"
#include "packed.hpp"

namespace lamina::python {

namespace {

/// A packed weight of either element type.
struct Packed {
  std::variant<nn::PackedWeight<float>, nn::PackedWeight<double>> weight;
};

/// The packed weight that an argument is, or null.
const Packed* packed_of(const Call& call, std::string_view parameter) {
  const py::handle given = call.object(parameter);
  return py::isinstance<Packed>(given) ? &py::cast<const Packed&>(given) : nullptr;
}

/// matmul or linear, allocating or not.
struct MatmulPacked {
  template <class T>
  Array<T> operator()(const View<T>& a, const nn::PackedWeight<T>& b, const View<T>&) const {
    return nn::matmul(a, b);
  }
  template <class T>
  void operator()(const View<T>& a, const nn::PackedWeight<T>& b, const View<T>&,
                  const MutView<T>& out) const {
    nn::matmul_into(a, b, out);
  }
};
struct LinearPacked {
  template <class T>
  Array<T> operator()(const View<T>& x, const nn::PackedWeight<T>& weight,
                      const View<T>& bias) const {
    return nn::linear(x, weight, bias);
  }
  template <class T>
  void operator()(const View<T>& x, const nn::PackedWeight<T>& weight, const View<T>& bias,
                  const MutView<T>& out) const {
    nn::linear_into(x, weight, bias, out);
  }
};

void def_packed(Module& nn) {
  const auto number = [](auto get) {
    return [get](const Packed& packed) {
      return std::visit([&](const auto& weight) { return get(weight); }, packed.weight);
    };
  };
  py::class_<Packed>(nn.module(), "PackedWeight",
                     "Weights of linear or matmul, packed once for many products.")
      .def_property_readonly("in_features", number([](const auto& w) { return w.in_features(); }))
      .def_property_readonly("out_features", number([](const auto& w) { return w.out_features(); }))
      .def_property_readonly("nbytes", number([](const auto& w) { return w.bytes(); }))
      .def_property_readonly(
          "dtype", number([]<class T>(const nn::PackedWeight<T>&) { return py::dtype::of<T>(); }))
      .attr("__module__") = "lamina.nn";
  nn.def("pack_weight(weight) -> PackedWeight", R"(
Packs the weight of linear, for many products with it: nn.linear(x, nn.pack_weight(weight), bias).

weight  (out, in)

A copy, which threads may share. Has no gradient; InvalidOperation on another SIMD target than the
one it was packed for.)",
         [](Call& call) {
           return pack<Packed>(call, "weight", [](const auto& w) { return nn::pack_weight(w); });
         });
  nn.def("pack_matrix(b) -> PackedWeight", R"(
Packs the second factor of matmul, for many products with it: nn.matmul(a, nn.pack_matrix(b)).

b       (K, N)

As pack_weight of its transpose.)",
         [](Call& call) {
           return pack<Packed>(call, "b", [](const auto& w) { return nn::pack_matrix(w); });
         });
}

void def_matmul(Module& nn) {
  nn.def("matmul(a, b, *, out=None) -> Recorded", R"(
Matrix product over the last two axes.

    out[..., i, j] = sum over k of a[..., i, k] b[..., k, j]

a       (..., M, K), or a vector (K)
b       (..., K, N), or a vector (K), or what pack_matrix made of (K, N)
returns (..., M, N), without the axis of a vector

Leading axes broadcast. Gradients: matmul_backward_a, matmul_backward_b. numpy.matmul.)",
         [](Call& call) {
           Operand a = call.array("a");
           if (const Packed* packed = packed_of(call, "b")) {
             Operand none;
             return with_packed(call, packed->weight, a, none, MatmulPacked());
           }
           Operand b = call.array("b");
           return record(
               call, std::tie(a, b), [](const auto& x, const auto& y) { return nn::matmul(x, y); },
               [](const auto& x, const auto& y, const auto& out) { nn::matmul_into(x, y, out); });
         });
  nn.def("matmul_backward_a(dy, b, a_shape, *, out=None) -> Array", R"(
Gradient of matmul for a: dy b^T, summed over the axes along which a was broadcast.

dy      as the result of matmul
b       what went into it
a_shape shape of a
returns of that shape)",
         [](Call& call) {
           Operand dy = call.array("dy");
           Operand b = call.array("b");
           const Shape shape = call.shape("a_shape");
           return compute(call, std::tie(dy, b), [&](const auto& d, const auto& y) {
             return nn::matmul_backward_a(d, y, shape);
           });
         });
  nn.def("matmul_backward_b(dy, a, b_shape, *, out=None) -> Array", R"(
Gradient of matmul for b: a^T dy, summed over the axes along which b was broadcast.

dy      as the result of matmul
a       what went into it
b_shape shape of b
returns of that shape)",
         [](Call& call) {
           Operand dy = call.array("dy");
           Operand a = call.array("a");
           const Shape shape = call.shape("b_shape");
           return compute(call, std::tie(dy, a), [&](const auto& d, const auto& x) {
             return nn::matmul_backward_b(d, x, shape);
           });
         });
}

}  // namespace

void def_linear(Module& nn) {
  def_packed(nn);
  def_matmul(nn);
  nn.def("linear(x, weight, bias=None, *, out=None) -> Recorded", R"(
Fully connected layer: x weight^T + bias.

x       (..., in)
weight  (out, in), or what pack_weight made of it
bias    (out) or None
returns (..., out)

Gradients: linear_backward_input, linear_backward_weight, linear_backward_bias.
torch.nn.functional.linear.)",
         [](Call& call) {
           Operand x = call.array("x");
           Operand bias = call.array("bias");
           if (const Packed* packed = packed_of(call, "weight")) {
             return with_packed(call, packed->weight, x, bias, LinearPacked());
           }
           Operand weight = call.array("weight");
           return record(
               call, std::tie(x, weight, bias),
               [](const auto& a, const auto& w, const auto& b) { return nn::linear(a, w, b); },
               [](const auto& a, const auto& w, const auto& b, const auto& out) {
                 nn::linear_into(a, w, b, out);
               });
         });
  nn.def("linear_backward_input(dy, weight, *, out=None) -> Array", R"(
Gradient of linear for x: dy weight.

dy      (..., out)
weight  (out, in)
returns (..., in))",
         [](Call& call) {
           Operand dy = call.array("dy");
           Operand weight = call.array("weight");
           return compute(
               call, std::tie(dy, weight),
               [](const auto& d, const auto& w) { return nn::linear_backward_input(d, w); },
               [](const auto& d, const auto& w, const auto& out) {
                 nn::linear_backward_input_into(d, w, out);
               });
         });
  nn.def("linear_backward_weight(dy, x, *, out=None) -> Array", R"(
Gradient of linear for the weight: dy^T x, summed over all leading axes.

dy      (..., out)
x       (..., in)
returns (out, in))",
         [](Call& call) {
           Operand dy = call.array("dy");
           Operand x = call.array("x");
           return compute(
               call, std::tie(dy, x),
               [](const auto& d, const auto& a) { return nn::linear_backward_weight(d, a); },
               [](const auto& d, const auto& a, const auto& out) {
                 nn::linear_backward_weight_into(d, a, out);
               });
         });
  nn.def("linear_backward_bias(dy, *, out=None) -> Array", R"(
Gradient of linear for the bias: dy summed over all leading axes.

dy      (..., out)
returns (out))",
         [](Call& call) {
           Operand dy = call.array("dy");
           return compute(
               call, std::tie(dy), [](const auto& d) { return nn::linear_backward_bias(d); },
               [](const auto& d, const auto& out) { nn::linear_backward_bias_into(d, out); });
         });
}

}  // namespace lamina::python
