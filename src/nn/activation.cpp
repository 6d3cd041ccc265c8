#include "lamina/nn/activation.hpp"

#include <cmath>
#include <string>

#include "kernels/activation.hpp"
#include "nn/activation_params.hpp"
#include "nn/layout.hpp"
#include "nn/plain_pair.hpp"

namespace lamina::nn {

namespace {

using Parameters = detail::ActivationNumbers;

template <class T>
void check_parameter(const ActivationParameter& parameter, double value, double previous,
                     const ActivationParameter& previous_parameter, std::string_view operation) {
  const T rounded = static_cast<T>(value);
  const auto require = [&](bool condition, std::string_view wanted) {
    check(condition, ErrorKind::InvalidOperation, operation, parameter.name, " must ", wanted,
          ", got ", value);
  };
  require(!std::isnan(rounded), "be a number");
  switch (parameter.domain) {
    case ParameterDomain::Any:
      return;
    case ParameterDomain::NotNegative:
      return require(rounded >= 0, "not be negative");
    case ParameterDomain::Positive:
      return require(rounded > 0, "be positive");
    case ParameterDomain::AtLeastPrevious:
      check(rounded >= static_cast<T>(previous), ErrorKind::InvalidOperation, operation,
            parameter.name, " must be at least ", previous_parameter.name, ", got ",
            previous_parameter.name, " ", previous, " and ", parameter.name, " ", value);
      return;
  }
}

std::string backward_name(Activation kind) {
  return std::string(to_string(kind)) + "_backward";
}

template <class T>
void forward(const View<T>& x, const MutView<T>& out, Activation kind, const Parameters& p) {
  detail::map_elements(
      out,
      [&](T* y, const T* from, Index n, bool stream) {
        kernels::activation_forward(kind, from, y, n, p.a, p.b, stream);
      },
      x);
}

template <class T>
void backward(const View<T>& dy, const View<T>& x, const MutView<T>& dx, Activation kind,
              const Parameters& p) {
  detail::map_elements(
      dx,
      [&](T* to, const T* from, const T* gradient, Index n, bool stream) {
        kernels::activation_backward(kind, from, gradient, to, n, p.a, p.b, stream);
      },
      x, dy);
}

}  // namespace

void detail::check_activation(Activation kind) {
  check(static_cast<std::size_t>(kind) < kActivationTable.size(), ErrorKind::InvalidOperation,
        "activation", "there is no activation number ", static_cast<int>(kind));
}

template <class T>
detail::ActivationNumbers detail::resolve_activation(Activation kind, const ActivationParams& given,
                                                     std::string_view operation) {
  check_activation(kind);
  const ActivationRow& row = activation_row(kind);
  check(row.parameter_count >= 1 || !given.a, ErrorKind::InvalidOperation, operation,
        "takes no parameter, got ", given.a.value_or(0));
  check(row.parameter_count >= 2 || !given.b, ErrorKind::InvalidOperation, operation, "takes ",
        row.parameter_count == 0 ? "no parameter" : "one parameter only", ", got a second, ",
        given.b.value_or(0));
  const auto& [first, second] = row.parameters;
  const ActivationNumbers result{given.a.value_or(first.default_value),
                                 given.b.value_or(second.default_value)};
  if (given.a) check_parameter<T>(first, result.a, 0, first, operation);
  if (given.a || given.b) check_parameter<T>(second, result.b, result.a, first, operation);
  return result;
}

template detail::ActivationNumbers detail::resolve_activation<float>(Activation,
                                                                     const ActivationParams&,
                                                                     std::string_view);
template detail::ActivationNumbers detail::resolve_activation<double>(Activation,
                                                                      const ActivationParams&,
                                                                      std::string_view);

template <std::floating_point T>
void activation_into(const View<T>& x, MutArg<T> out, Activation kind,
                     const ActivationParams& params) {
  detail::check_activation(kind);
  const std::string_view operation = to_string(kind);
  if (!detail::is_plain_pair<T, T>(out, x)) {
    detail::check_same_shape(x, "x", out, "out", operation);
    detail::check_writable(out, operation, "out");
    detail::check_same_or_apart(out, "out", x, "x", operation);
  }
  forward(x, out, kind, detail::resolve_activation<T>(kind, params, operation));
}

template <std::floating_point T>
Array<T> activation(const View<T>& x, Activation kind, const ActivationParams& params) {
  detail::check_activation(kind);
  const std::string_view operation = to_string(kind);
  detail::check_defined(x, operation, "x");
  const Parameters p = detail::resolve_activation<T>(kind, params, operation);
  Array<T> out = Array<T>::empty(x.shape());
  forward<T>(x, out, kind, p);
  return out;
}

template <std::floating_point T>
void activation_backward_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dx, Activation kind,
                              const ActivationParams& params) {
  detail::check_activation(kind);
  if (!detail::is_plain_pair<T, T>(dx, x) || !detail::is_plain_pair<T, T>(dx, dy)) {
    const std::string operation = backward_name(kind);
    detail::check_same_shape(dy, "dy", x, "x", operation);
    detail::check_same_shape(dx, "dx", x, "x", operation);
    detail::check_writable(dx, operation, "dx");
    detail::check_same_or_apart(dx, "dx", dy, "dy", operation);
    detail::check_same_or_apart(dx, "dx", x, "x", operation);
  }
  // The name may need memory; without parameters nothing can be wrong with them.
  const Parameters p = params.a || params.b
                           ? detail::resolve_activation<T>(kind, params, backward_name(kind))
                           : detail::resolve_activation<T>(kind, params, to_string(kind));
  backward<T>(dy, x, dx, kind, p);
}

template <std::floating_point T>
Array<T> activation_backward(const View<T>& dy, ViewArg<T> x, Activation kind,
                             const ActivationParams& params) {
  detail::check_activation(kind);
  const std::string operation = backward_name(kind);
  detail::check_same_shape(dy, "dy", x, "x", operation);
  const Parameters p = detail::resolve_activation<T>(kind, params, operation);
  Array<T> dx = Array<T>::empty(x.shape());
  backward<T>(dy, x, dx, kind, p);
  return dx;
}

#define LAMINA_INSTANTIATE(T)                                                                    \
  template LAMINA_EXPORT void activation_into<T>(const View<T>&, MutArg<T>, Activation,          \
                                                 const ActivationParams&);                       \
  template LAMINA_EXPORT Array<T> activation<T>(const View<T>&, Activation,                      \
                                                const ActivationParams&);                        \
  template LAMINA_EXPORT void activation_backward_into<T>(const View<T>&, ViewArg<T>, MutArg<T>, \
                                                          Activation, const ActivationParams&);  \
  template LAMINA_EXPORT Array<T> activation_backward<T>(const View<T>&, ViewArg<T>, Activation, \
                                                         const ActivationParams&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn
