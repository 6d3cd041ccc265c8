#include "lamina/autograd/ops_local_response_norm.hpp"
#include "lamina/autograd/ops_softmax.hpp"
#include "lamina/nn/local_response_norm.hpp"
#include "lamina/nn/softmax.hpp"
#include "modules.hpp"

namespace lamina::python {

namespace {

enum class Kind : std::uint8_t { Softmax, LogSoftmax, Softmin };

template <class X>
auto forward(Kind kind, const X& x, const nn::SoftmaxOptions& options) {
  switch (kind) {
    case Kind::LogSoftmax:
      return nn::log_softmax(x, options);
    case Kind::Softmin:
      return nn::softmin(x, options);
    default:
      return nn::softmax(x, options);
  }
}

template <class T>
void forward_into(Kind kind, const View<T>& x, MutView<T> out, const nn::SoftmaxOptions& options) {
  switch (kind) {
    case Kind::LogSoftmax:
      return nn::log_softmax_into(x, out, options);
    case Kind::Softmin:
      return nn::softmin_into(x, out, options);
    default:
      return nn::softmax_into(x, out, options);
  }
}

template <class T>
void backward_into(Kind kind, const View<T>& dy, const View<T>& y, MutView<T> dx,
                   const nn::SoftmaxOptions& options) {
  switch (kind) {
    case Kind::LogSoftmax:
      return nn::log_softmax_backward_into(dy, y, dx, options);
    case Kind::Softmin:
      return nn::softmin_backward_into(dy, y, dx, options);
    default:
      return nn::softmax_backward_into(dy, y, dx, options);
  }
}

template <class T>
Array<T> backward(Kind kind, const View<T>& dy, const View<T>& y,
                  const nn::SoftmaxOptions& options) {
  switch (kind) {
    case Kind::LogSoftmax:
      return nn::log_softmax_backward(dy, y, options);
    case Kind::Softmin:
      return nn::softmin_backward(dy, y, options);
    default:
      return nn::softmax_backward(dy, y, options);
  }
}

py::object call_forward(Call& call, Kind kind, const nn::SoftmaxOptions& options) {
  Operand x = call.array("x");
  return record(
      call, std::tie(x), [&](const auto& a) { return forward(kind, a, options); },
      [&](const auto& a, const auto& out) { forward_into(kind, a, out, options); });
}

void def_kind(Module& nn, Kind kind, const std::string& name, const std::string& doc,
              const std::string& gradient) {
  nn.def(name + "(x, axis=-1, temperature=1.0, *, out=None) -> Recorded", doc, [kind](Call& call) {
    return call_forward(call, kind, {call.axis("axis"), call.number("temperature")});
  });
  nn.def(name + "_backward(dy, y, axis=-1, temperature=1.0, *, out=None) -> Array",
         "Gradient of " + name + ", from its result y, not from x.\n\n    " + gradient +
             "\n\ndy, y   one shape\nreturns as y",
         [kind](Call& call) {
           Operand dy = call.array("dy");
           Operand y = call.array("y");
           const nn::SoftmaxOptions options{call.axis("axis"), call.number("temperature")};
           return compute(
               call, std::tie(dy, y),
               [&](const auto& d, const auto& b) { return backward(kind, d, b, options); },
               [&](const auto& d, const auto& b, const auto& out) {
                 backward_into(kind, d, b, out, options);
               });
         });
}

void def_matrix_form(Module& nn, Kind kind, const std::string& name) {
  nn.def(name + "_2d(x, axis=1, *, out=None) -> Recorded",
         name + " of a matrix, along axis 1 (each row) or 0 (each column).", [kind](Call& call) {
           const Operand x = call.array("x");
           if (x.shape().rank() != 2) {
             lamina::detail::throw_rank(call.name(), "x", 2, x.shape());
           }
           return call_forward(call, kind, {.axis = call.axis("axis")});
         });
}

}  // namespace

void def_softmax(Module& nn) {
  def_kind(nn, Kind::Softmax, "softmax", R"(
Positive numbers that sum to 1 along an axis.

    y_i = exp(x_i / t) / sum_j exp(x_j / t)

x           rank 1 or more
axis        -1 is the last
temperature t: above 1 flatter, below 1 sharper
returns     as x

NaN makes its row NaN; -inf gets 0. Gradient: softmax_backward. torch.nn.functional.softmax.)",
           "dx_i = y_i (dy_i - sum_j dy_j y_j) / t");
  def_kind(nn, Kind::LogSoftmax, "log_softmax", R"(
Logarithm of softmax, exact where softmax itself underflows.

    y_i = x_i / t - log sum_j exp(x_j / t)

x           rank 1 or more
axis        -1 is the last
temperature t
returns     as x

Gradient: log_softmax_backward. torch.nn.functional.log_softmax.)",
           "dx_i = (dy_i - exp(y_i) sum_j dy_j) / t");
  def_kind(nn, Kind::Softmin, "softmin", R"(
Softmax of -x: the smallest element gets the largest share.

    y_i = exp(-x_i / t) / sum_j exp(-x_j / t)

x           rank 1 or more
axis        -1 is the last
temperature t
returns     as x

Gradient: softmin_backward. torch.nn.functional.softmin.)",
           "dx_i = -y_i (dy_i - sum_j dy_j y_j) / t");
  def_matrix_form(nn, Kind::Softmax, "softmax");
  def_matrix_form(nn, Kind::LogSoftmax, "log_softmax");

  const std::string options = "alpha=0.0001, beta=0.75, k=1.0, data_format=\"NCHW\"";
  const auto read = [](const Call& call) {
    return nn::LocalResponseOptions{call.number("alpha"), call.number("beta"), call.number("k"),
                                    call.data_format()};
  };
  nn.def("local_response_norm(x, size, " + options + ", *, out=None) -> Recorded", R"(
Divides each element by a norm of its neighbors across channels.

    y = x / (k + alpha / size sum of x^2 over `size` channels around)^beta

x       (N, C, ...), or (N, ..., C) for "NHWC"
returns as x

Gradient: local_response_norm_backward. torch.nn.functional.local_response_norm.
Krizhevsky, Sutskever and Hinton 2012.)",
         [read](Call& call) {
           Operand x = call.array("x");
           const Index size = call.index("size");
           const nn::LocalResponseOptions given = read(call);
           return record(
               call, std::tie(x),
               [&](const auto& a) { return nn::local_response_norm(a, size, given); },
               [&](const auto& a, const auto& out) {
                 nn::local_response_norm_into(a, size, out, given);
               });
         });
  nn.def("local_response_norm_backward(dy, x, size, " + options + ", *, out=None) -> Array",
         "Gradient of local_response_norm.\n\ndy, x   one shape\nreturns as x", [read](Call& call) {
           Operand dy = call.array("dy");
           Operand x = call.array("x");
           const Index size = call.index("size");
           const nn::LocalResponseOptions given = read(call);
           return compute(
               call, std::tie(dy, x),
               [&](const auto& d, const auto& a) {
                 return nn::local_response_norm_backward(d, a, size, given);
               },
               [&](const auto& d, const auto& a, const auto& out) {
                 nn::local_response_norm_backward_into(d, a, size, out, given);
               });
         });
}

}  // namespace lamina::python
