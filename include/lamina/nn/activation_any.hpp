#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <utility>

#include "lamina/core/array.hpp"
#include "lamina/nn/activation_table.hpp"

namespace lamina::nn {

/// Parameters of an activation in the order of its table row, e.g. {0.2} or {.a = 0.2}. Absent
/// ones have the table's defaults.
struct ActivationParams {
  std::optional<double> a = std::nullopt;
  std::optional<double> b = std::nullopt;
};

/// Which form of gelu is meant: the exact one by the error function, or the older one by tanh.
enum class GeluApproximation : std::uint8_t { None, Tanh };

// ---------------------------------------------------------------- by enumerator

/// Applies an activation to each element.
///
///   out[i] = f(x[i])   with f and its parameters from kActivationTable
///
/// x and out of any one shape, any strides, float or double. In place: yes, out may be the same
/// view as x. Error(DimensionMismatch): x not defined, shapes differ. Error(InvalidOperation): a
/// parameter outside its domain or one too many; out overlaps x in part or is a broadcast view.
/// Gradient: activation_backward. Numerics: error bounds are in docs/activation.md; NaN gives NaN,
/// infinities give the limit, results that are denormal are not flushed.
template <std::floating_point T>
void activation_into(const View<T>& x, MutArg<T> out, Activation kind,
                     const ActivationParams& params = {});
template <std::floating_point T>
[[nodiscard]] Array<T> activation(const View<T>& x, Activation kind,
                                  const ActivationParams& params = {});

/// Gradient of an activation.
///
///   dx[i] = dy[i] * f'(x[i])
///
/// dy, x and dx of one shape; x is what went into the activation. In place: yes, dx may be the same
/// view as dy or x. Errors as for activation. Numerics: at a kink the derivative is the one that
/// PyTorch takes (docs/activation.md); NaN in x gives NaN; where the derivative is 0 on a flat
/// side, dx is 0 whatever dy.
template <std::floating_point T>
void activation_backward_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dx, Activation kind,
                              const ActivationParams& params = {});
template <std::floating_point T>
[[nodiscard]] Array<T> activation_backward(const View<T>& dy, ViewArg<T> x, Activation kind,
                                           const ActivationParams& params = {});

/// Applies an activation to an array or view in place.
template <std::floating_point T>
void activation_inplace(const MutView<T>& x, Activation kind, const ActivationParams& params = {}) {
  activation_into<T>(x, x, kind, params);
}
template <std::floating_point T>
void activation_inplace(Array<T>& x, Activation kind, const ActivationParams& params = {}) {
  activation_into<T>(x, x, kind, params);
}

/// What the named functions below take: a View, MutView or Array of float or double, or anything
/// else for which activation(x, kind, params) exists, such as a variable of a tape.
template <class X>
concept ActivationArgument = requires(const X& x, Activation kind, const ActivationParams& params) {
  activation(x, kind, params);
};
/// What the in-place forms take: an Array or a MutView.
template <class X>
concept ActivationTarget = requires(X& x, Activation kind) {
  activation_inplace(x, kind);
};

namespace detail {
/// x, if it has two axes.
template <class X>
const X& as_matrix(const X& x, std::string_view operation) {
  if (x.rank() != 2) {
    lamina::detail::throw_rank(operation, "x", 2, x.shape());
  }
  return x;
}
[[nodiscard]] constexpr Activation gelu_kind(GeluApproximation approximate) noexcept {
  return approximate == GeluApproximation::Tanh ? Activation::GeluTanh : Activation::Gelu;
}
}  // namespace detail

}  // namespace lamina::nn
