#include "lamina/autograd/ops_linear.hpp"
#include "lamina/nn/linear.hpp"
#include "modules.hpp"

namespace lamina::python {

namespace {

void def_matmul(Module& nn) {
  nn.def("matmul(a, b, *, out=None) -> Recorded", R"(
Matrix product over the last two axes.

    out[..., i, j] = sum over k of a[..., i, k] b[..., k, j]

a       (..., M, K), or a vector (K)
b       (..., K, N), or a vector (K)
returns (..., M, N), without the axis of a vector

Leading axes broadcast. Gradients: matmul_backward_a, matmul_backward_b. numpy.matmul.)",
         [](Call& call) {
           Operand a = call.array("a");
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
  def_matmul(nn);
  nn.def("linear(x, weight, bias=None, *, out=None) -> Recorded", R"(
Fully connected layer: x weight^T + bias.

x       (..., in)
weight  (out, in)
bias    (out) or None
returns (..., out)

Gradients: linear_backward_input, linear_backward_weight, linear_backward_bias.
torch.nn.functional.linear.)",
         [](Call& call) {
           Operand x = call.array("x");
           Operand weight = call.array("weight");
           Operand bias = call.array("bias");
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
