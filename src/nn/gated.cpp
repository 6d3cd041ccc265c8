#include "lamina/nn/gated.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "kernels/activation.hpp"
#include "kernels/multiply.hpp"
#include "nn/activation_params.hpp"
#include "nn/layout.hpp"

namespace lamina::nn {

namespace {

using detail::ActivationNumbers;

template <class T>
void forward(const View<T>& value, const View<T>& gate, const MutView<T>& out, Activation kind,
             const ActivationNumbers& p) {
  detail::map_elements(
      out,
      [&](T* y, const T* v, const T* g, Index n) {
        alignas(64) T buffer[detail::kGatherBlock];
        for (Index i = 0; i < n; i += detail::kGatherBlock) {
          const Index count = std::min(detail::kGatherBlock, n - i);
          kernels::activation_forward(kind, g + i, buffer, count, p.a, p.b);
          kernels::multiply(v + i, buffer, y + i, count);
        }
      },
      value, gate);
}

template <class T>
void backward_gate(const View<T>& dy, const View<T>& value, const View<T>& gate,
                   const MutView<T>& dgate, Activation kind, const ActivationNumbers& p) {
  detail::map_elements(
      dgate,
      [&](T* to, const T* d, const T* v, const T* g, Index n) {
        alignas(64) T buffer[detail::kGatherBlock];
        for (Index i = 0; i < n; i += detail::kGatherBlock) {
          const Index count = std::min(detail::kGatherBlock, n - i);
          kernels::multiply(d + i, v + i, buffer, count);
          kernels::activation_backward(kind, g + i, buffer, to + i, count, p.a, p.b);
        }
      },
      dy, value, gate);
}

/// x in two halves along an axis.
template <class T>
struct Halves {
  View<T> value;
  View<T> gate;
  int axis;
};

template <class T>
Halves<T> halves_of(const View<T>& x, int axis, std::string_view operation) {
  detail::check_defined(x, operation, "x");
  check(x.rank() >= 1, ErrorKind::DimensionMismatch, operation, "x must have an axis to halve");
  const int along = normalize_axis(axis, x.rank(), operation);
  const Index extent = x.shape()[along];
  check(extent % 2 == 0, ErrorKind::DimensionMismatch, operation,
        "x must have an even extent along axis ", axis, ", got ", extent, "; x ", x.shape());
  return {x.slice(along, {0, extent / 2}), x.slice(along, {extent / 2, extent}), along};
}

template <class T>
void check_apart(const View<T>& out, std::string_view out_name, const View<T>& x,
                 std::string_view x_name, std::string_view operation) {
  check(overlap(out, x) == Overlap::None, ErrorKind::InvalidOperation, operation, out_name,
        " overlaps ", x_name);
}

std::string gated_name(Activation kind, std::string_view suffix = "") {
  detail::check_activation(kind);
  return "gated_" + std::string(to_string(kind)) + std::string(suffix);
}

}  // namespace

template <std::floating_point T>
void gated_activation_into(const View<T>& value, ViewArg<T> gate, MutArg<T> out, Activation kind,
                           const ActivationParams& params) {
  const std::string operation = gated_name(kind);
  detail::check_same_shape(value, "value", gate, "gate", operation);
  detail::check_same_shape(value, "value", out, "out", operation);
  detail::check_writable(out, operation, "out");
  detail::check_same_or_apart(out, "out", value, "value", operation);
  detail::check_same_or_apart(out, "out", gate, "gate", operation);
  forward(value, gate, out, kind, detail::resolve_activation<T>(kind, params, operation));
}

template <std::floating_point T>
Array<T> gated_activation(const View<T>& value, ViewArg<T> gate, Activation kind,
                          const ActivationParams& params) {
  const std::string operation = gated_name(kind);
  detail::check_same_shape(value, "value", gate, "gate", operation);
  const ActivationNumbers p = detail::resolve_activation<T>(kind, params, operation);
  Array<T> out = Array<T>::empty(value.shape());
  forward<T>(value, gate, out, kind, p);
  return out;
}

template <std::floating_point T>
void gated_activation_backward_gate_into(const View<T>& dy, ViewArg<T> value, ViewArg<T> gate,
                                         MutArg<T> dgate, Activation kind,
                                         const ActivationParams& params) {
  const std::string operation = gated_name(kind, "_backward_gate");
  detail::check_same_shape(dy, "dy", gate, "gate", operation);
  detail::check_same_shape(value, "value", gate, "gate", operation);
  detail::check_same_shape(dgate, "dgate", gate, "gate", operation);
  detail::check_writable(dgate, operation, "dgate");
  detail::check_same_or_apart(dgate, "dgate", dy, "dy", operation);
  detail::check_same_or_apart(dgate, "dgate", value, "value", operation);
  detail::check_same_or_apart(dgate, "dgate", gate, "gate", operation);
  backward_gate(dy, value, gate, dgate, kind,
                detail::resolve_activation<T>(kind, params, operation));
}

template <std::floating_point T>
Array<T> gated_activation_backward_gate(const View<T>& dy, ViewArg<T> value, ViewArg<T> gate,
                                        Activation kind, const ActivationParams& params) {
  const std::string operation = gated_name(kind, "_backward_gate");
  detail::check_same_shape(dy, "dy", gate, "gate", operation);
  detail::check_same_shape(value, "value", gate, "gate", operation);
  const ActivationNumbers p = detail::resolve_activation<T>(kind, params, operation);
  Array<T> dgate = Array<T>::empty(gate.shape());
  backward_gate<T>(dy, value, gate, dgate, kind, p);
  return dgate;
}

template <std::floating_point T>
void gated_unit_into(const View<T>& x, MutArg<T> out, Activation kind, int axis) {
  const std::string operation = gated_name(kind, "_unit");
  const Halves<T> halves = halves_of(x, axis, operation);
  detail::check_same_shape(out, "out", halves.value, "half of x", operation);
  detail::check_writable(out, operation, "out");
  check_apart<T>(out, "out", x, "x", operation);
  forward(halves.value, halves.gate, out, kind, detail::resolve_activation<T>(kind, {}, operation));
}

template <std::floating_point T>
Array<T> gated_unit(const View<T>& x, Activation kind, int axis) {
  const std::string operation = gated_name(kind, "_unit");
  const Halves<T> halves = halves_of(x, axis, operation);
  Array<T> out = Array<T>::empty(halves.value.shape());
  forward<T>(halves.value, halves.gate, out, kind,
             detail::resolve_activation<T>(kind, {}, operation));
  return out;
}

template <std::floating_point T>
void gated_unit_backward_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dx, Activation kind,
                              int axis) {
  const std::string operation = gated_name(kind, "_unit_backward");
  const Halves<T> halves = halves_of<T>(x, axis, operation);
  detail::check_same_shape(dy, "dy", halves.value, "half of x", operation);
  detail::check_same_shape(dx, "dx", x, "x", operation);
  detail::check_writable(dx, operation, "dx");
  check_apart<T>(dx, "dx", x, "x", operation);
  check_apart<T>(dx, "dx", dy, "dy", operation);
  const ActivationNumbers p = detail::resolve_activation<T>(kind, {}, operation);
  const Index half = halves.value.shape()[halves.axis];
  forward<T>(dy, halves.gate, dx.slice(halves.axis, {0, half}), kind, p);
  backward_gate<T>(dy, halves.value, halves.gate, dx.slice(halves.axis, {half, 2 * half}), kind, p);
}

template <std::floating_point T>
Array<T> gated_unit_backward(const View<T>& dy, ViewArg<T> x, Activation kind, int axis) {
  const std::string operation = gated_name(kind, "_unit_backward");
  detail::check_same_shape(dy, "dy", halves_of<T>(x, axis, operation).value, "half of x",
                           operation);
  Array<T> dx = Array<T>::empty(x.shape());
  gated_unit_backward_into<T>(dy, x, dx, kind, axis);
  return dx;
}

#define LAMINA_INSTANTIATE(T)                                                                    \
  template LAMINA_EXPORT void gated_activation_into<T>(const View<T>&, ViewArg<T>, MutArg<T>,    \
                                                       Activation, const ActivationParams&);     \
  template LAMINA_EXPORT Array<T> gated_activation<T>(const View<T>&, ViewArg<T>, Activation,    \
                                                      const ActivationParams&);                  \
  template LAMINA_EXPORT void gated_activation_backward_gate_into<T>(                            \
      const View<T>&, ViewArg<T>, ViewArg<T>, MutArg<T>, Activation, const ActivationParams&);   \
  template LAMINA_EXPORT Array<T> gated_activation_backward_gate<T>(                             \
      const View<T>&, ViewArg<T>, ViewArg<T>, Activation, const ActivationParams&);              \
  template LAMINA_EXPORT void gated_unit_into<T>(const View<T>&, MutArg<T>, Activation, int);    \
  template LAMINA_EXPORT Array<T> gated_unit<T>(const View<T>&, Activation, int);                \
  template LAMINA_EXPORT void gated_unit_backward_into<T>(const View<T>&, ViewArg<T>, MutArg<T>, \
                                                          Activation, int);                      \
  template LAMINA_EXPORT Array<T> gated_unit_backward<T>(const View<T>&, ViewArg<T>, Activation, \
                                                         int);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn
