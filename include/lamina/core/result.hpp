#pragma once

#include <functional>
#include <type_traits>
#include <utility>
#include <variant>
#include <version>
#ifdef __cpp_lib_expected
#include <expected>
#endif

#include "lamina/core/error.hpp"

namespace lamina {

#ifdef __cpp_lib_expected

/// A value or an Error, for code that does not use exceptions.
template <class T>
using NnResult = std::expected<T, Error>;
/// Wraps an Error for return from a function with result NnResult<T>.
using NnFailure = std::unexpected<Error>;

#else

/// Wraps an Error for return from a function with result NnResult<T>.
class NnFailure {
 public:
  explicit NnFailure(Error error) : error_(std::move(error)) {}
  [[nodiscard]] const Error& error() const& noexcept { return error_; }
  [[nodiscard]] Error&& error() && noexcept { return std::move(error_); }

 private:
  Error error_;
};

/// A value or an Error, for code that does not use exceptions: std::expected<T, Error> where the
/// standard library has it, otherwise this class with the same members. One difference: value() of
/// a failure throws the Error itself, not a wrapper of it.
template <class T>
class NnResult {
  using Stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  template <class R>
  struct IsResult : std::false_type {};
  template <class U>
  struct IsResult<NnResult<U>> : std::true_type {};

 public:
  using value_type = T;
  using error_type = Error;
  using unexpected_type = NnFailure;

  NnResult() requires(std::is_default_constructible_v<Stored>) : state_(Stored{}) {}
  template <class U = Stored>
  requires(!std::is_void_v<T> && std::is_constructible_v<Stored, U> &&
           !IsResult<std::remove_cvref_t<U>>::value &&
           !std::is_same_v<std::remove_cvref_t<U>, NnFailure>)  //
      NnResult(U&& value)                                       // NOLINT: implicit
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  NnResult(const NnFailure& failure)  // NOLINT: implicit
      : state_(std::in_place_index<1>, failure.error()) {}
  NnResult(NnFailure&& failure)  // NOLINT: implicit
      : state_(std::in_place_index<1>, std::move(failure).error()) {}

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  /// The value; throws the Error if there is none.
  decltype(auto) value() const& {
    throw_unless_value();
    return **this;
  }
  decltype(auto) value() & {
    throw_unless_value();
    return **this;
  }
  decltype(auto) value() && {
    throw_unless_value();
    return *std::move(*this);
  }
  /// The error; there must be one.
  [[nodiscard]] const Error& error() const& noexcept { return *std::get_if<1>(&state_); }
  [[nodiscard]] Error& error() & noexcept { return *std::get_if<1>(&state_); }
  [[nodiscard]] Error&& error() && noexcept { return std::move(*std::get_if<1>(&state_)); }

  // The value; there must be one.
  std::add_lvalue_reference_t<const T> operator*() const& noexcept {
    if constexpr (!std::is_void_v<T>) {
      return *std::get_if<0>(&state_);
    }
  }
  std::add_lvalue_reference_t<T> operator*() & noexcept {
    if constexpr (!std::is_void_v<T>) {
      return *std::get_if<0>(&state_);
    }
  }
  std::add_rvalue_reference_t<T> operator*() && noexcept {
    if constexpr (!std::is_void_v<T>) {
      return std::move(*std::get_if<0>(&state_));
    }
  }
  const Stored* operator->() const noexcept requires(!std::is_void_v<T>) {
    return std::get_if<0>(&state_);
  }
  Stored* operator->() noexcept requires(!std::is_void_v<T>) { return std::get_if<0>(&state_); }

  /// The value, or `fallback` if there is none.
  template <class U>
  [[nodiscard]] Stored value_or(U&& fallback) const& requires(!std::is_void_v<T>) {
    return has_value() ? **this : static_cast<Stored>(std::forward<U>(fallback));
  }
  template <class U>
      [[nodiscard]] Stored value_or(U&& fallback) && requires(!std::is_void_v<T>) {
    return has_value() ? *std::move(*this) : static_cast<Stored>(std::forward<U>(fallback));
  }

  /// function(value), itself an NnResult; the error is passed on.
  template <class F>
  auto and_then(F&& function) const& {
    return chain(*this, std::forward<F>(function));
  }
  template <class F>
  auto and_then(F&& function) && {
    return chain(std::move(*this), std::forward<F>(function));
  }
  /// An NnResult of function(value); the error is passed on.
  template <class F>
  auto transform(F&& function) const& {
    return map(*this, std::forward<F>(function));
  }
  template <class F>
  auto transform(F&& function) && {
    return map(std::move(*this), std::forward<F>(function));
  }
  /// This if it has a value, otherwise function(error), an NnResult<T>.
  template <class F>
  [[nodiscard]] NnResult or_else(F&& function) const& {
    return has_value() ? *this : std::invoke(std::forward<F>(function), error());
  }
  template <class F>
  [[nodiscard]] NnResult or_else(F&& function) && {
    return has_value() ? std::move(*this)
                       : std::invoke(std::forward<F>(function), std::move(*this).error());
  }

 private:
  void throw_unless_value() const {
    if (!has_value()) {
      throw error();
    }
  }
  template <class Self, class F>
  static decltype(auto) apply(Self&& self, F&& function) {
    if constexpr (std::is_void_v<T>) {
      return std::invoke(std::forward<F>(function));
    } else {
      return std::invoke(std::forward<F>(function), *std::forward<Self>(self));
    }
  }
  template <class Self, class F>
  static auto chain(Self&& self, F&& function) {
    using Result =
        std::remove_cvref_t<decltype(apply(std::forward<Self>(self), std::forward<F>(function)))>;
    static_assert(
        requires(Result r) { r.error(); }, "and_then wants a function with NnResult");
    return self.has_value() ? apply(std::forward<Self>(self), std::forward<F>(function))
                            : Result(NnFailure(std::forward<Self>(self).error()));
  }
  template <class Self, class F>
  static auto map(Self&& self, F&& function) {
    using Value =
        std::remove_cvref_t<decltype(apply(std::forward<Self>(self), std::forward<F>(function)))>;
    if (!self.has_value()) {
      return NnResult<Value>(NnFailure(std::forward<Self>(self).error()));
    }
    if constexpr (std::is_void_v<Value>) {
      apply(std::forward<Self>(self), std::forward<F>(function));
      return NnResult<void>();
    } else {
      return NnResult<Value>(apply(std::forward<Self>(self), std::forward<F>(function)));
    }
  }

  std::variant<Stored, Error> state_;
};

#endif

/// Calls `function` and hands back its result, or the lamina::Error that it threw:
/// `auto y = try_call([&] { return nn::softmax(x); });`
///
/// Every other exception passes through: std::bad_alloc says something about the machine, not about
/// the arguments, and a callback's own exceptions are its owner's.
template <class F>
[[nodiscard]] auto try_call(F&& function) -> NnResult<std::decay_t<std::invoke_result_t<F>>> {
  using Result = NnResult<std::decay_t<std::invoke_result_t<F>>>;
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
      std::invoke(std::forward<F>(function));
      return Result();
    } else {
      return Result(std::invoke(std::forward<F>(function)));
    }
  } catch (const Error& error) {
    return Result(NnFailure(error));
  }
}

}  // namespace lamina
