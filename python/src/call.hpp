#pragma once

#include <array>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "lamina/core/random.hpp"
#include "lamina/nn/pad.hpp"
#include "lamina/nn/types.hpp"
#include "operand.hpp"
#include "work.hpp"

// How functions are bound: a Python signature, a docstring, and a body that reads its arguments
// from a Call by their names.

namespace lamina::python {

class Call;
using Body = std::function<py::object(Call&)>;

struct Parameter {
  std::string name;
  py::object default_value;  // null: must be given
};

struct Signature {
  std::string name;
  std::vector<Parameter> parameters;
  std::size_t positional = 0;  // of the parameters; the others are given by keyword only
  std::string text;            // "(x, axis=-1, *, out=None)"
  std::string returns;
};

/// Where functions are added to: a Python module.
class Module {
 public:
  /// `public_name` is where users find it: "lamina.nn".
  Module(py::module_ module, std::string public_name);
  /// `signature` as Python writes it, with what it returns for the type stubs:
  ///   "softmax(x, axis=-1, temperature=1.0, *, out=None) -> Recorded"
  /// Defaults are None, True, False, numbers and strings. `doc` is what help() shows below it.
  void def(std::string_view signature, std::string doc, Body body);
  [[nodiscard]] py::module_& module() noexcept { return module_; }

 private:
  py::module_ module_;
  std::string name_;
};

/// A name and what it stands for.
template <class E>
struct Choice {
  std::string_view name;
  E value;
};
template <class E>
using Choices = std::initializer_list<Choice<E>>;

/// The arguments of one call. Each getter takes the parameter's name, and throws a TypeError that
/// names it for what cannot be meant.
class Call {
 public:
  static constexpr std::size_t kMaxParameters = 24;

  Call(const Signature& signature, const std::array<PyObject*, kMaxParameters>& values)
      : signature_(signature), values_(values) {}

  [[nodiscard]] std::string_view name() const noexcept { return signature_.name; }
  [[nodiscard]] py::handle object(std::string_view parameter) const;
  [[nodiscard]] bool has_parameter(std::string_view parameter) const noexcept;
  [[nodiscard]] bool has(std::string_view parameter) const { return !object(parameter).is_none(); }
  [[nodiscard]] Place place(std::string_view parameter) const { return {name(), parameter}; }

  [[nodiscard]] Operand array(std::string_view parameter) const {
    return Operand(object(parameter), place(parameter));
  }
  [[nodiscard]] Integers integers(std::string_view parameter) const {
    return Integers(object(parameter), place(parameter));
  }
  [[nodiscard]] Mask mask(std::string_view parameter) const {
    return Mask(object(parameter), place(parameter));
  }
  template <class T>
  [[nodiscard]] MutView<T> target(std::string_view parameter) {
    const py::handle given = object(parameter);
    return given.is_none() ? MutView<T>()
                           : writable_view<T>(given, place(parameter), owners_.emplace_back());
  }

  [[nodiscard]] Index index(std::string_view parameter) const;
  /// For options that are int in C++.
  [[nodiscard]] int axis(std::string_view parameter) const;
  [[nodiscard]] std::uint64_t seed(std::string_view parameter) const;
  [[nodiscard]] double number(std::string_view parameter) const;
  [[nodiscard]] bool flag(std::string_view parameter) const;
  [[nodiscard]] std::string text(std::string_view parameter) const;
  [[nodiscard]] std::optional<Index> optional_index(std::string_view parameter) const;
  [[nodiscard]] std::optional<double> optional_number(std::string_view parameter) const;
  /// An integer or several.
  [[nodiscard]] std::vector<Index> indices(std::string_view parameter) const;
  [[nodiscard]] Shape shape(std::string_view parameter) const;
  /// None is no axis.
  [[nodiscard]] Axes axes(std::string_view parameter) const;
  /// One integer for all N, or N.
  template <std::size_t N>
  [[nodiscard]] std::array<Index, N> each(std::string_view parameter) const {
    std::array<Index, N> values{};
    read_each(parameter, values);
    return values;
  }
  /// An integer, "valid", "same", "full", an integer for each of `rank` axes, or for each the
  /// amounts before and behind.
  [[nodiscard]] PaddingMode padding(std::string_view parameter, int rank) const;
  [[nodiscard]] std::vector<PaddingAmount> amounts(std::string_view parameter) const;

  template <class E>
  [[nodiscard]] E choice(std::string_view parameter, Choices<E> choices) const {
    const std::string given = text(parameter);
    for (const Choice<E>& one : choices) {
      if (one.name == given) {
        return one.value;
      }
    }
    std::string known;
    for (const Choice<E>& one : choices) {
      known += (known.empty() ? "\"" : ", \"") + std::string(one.name) + "\"";
    }
    throw_unknown(parameter, given, known);
  }
  /// "mean", "sum" or "none", from `reduction`.
  [[nodiscard]] ReductionMode reduction() const;
  /// "NCHW" or "NHWC", from `data_format`.
  [[nodiscard]] DataFormat data_format() const;
  /// "float32" or "float64", as a string, a NumPy type or a dtype, from `dtype`.
  [[nodiscard]] Type dtype() const;
  /// None is the module's own.
  [[nodiscard]] Generator& generator(std::string_view parameter = "generator") const;
  /// An array or list of integers: labels rather than numbers.
  [[nodiscard]] bool holds_integers(std::string_view parameter) const;

  /// Whether `out` was given.
  [[nodiscard]] bool has_out() const;
  template <class T>
  [[nodiscard]] py::object deliver(Array<T>&& result);
  template <class... T>
  [[nodiscard]] py::object deliver(std::tuple<Array<T>...>&& results) {
    return std::apply(
        [](Array<T>&... result) -> py::object {
          return py::make_tuple(to_python(std::move(result))...);
        },
        results);
  }
  [[nodiscard]] py::object deliver(double result) { return py::float_(result); }
  [[nodiscard]] py::object deliver(float result) { return py::float_(static_cast<double>(result)); }

  /// The element type that all arguments have; float64 if none has one. TypeError if they differ.
  [[nodiscard]] Type common_type(std::span<const Operand* const> operands) const;
  [[nodiscard]] Type common_type(std::initializer_list<const Operand*> operands) const {
    return common_type(std::span(operands.begin(), operands.size()));
  }
  void refuse_recorded(std::span<const Operand* const> operands) const;
  void refuse_recorded(std::initializer_list<const Operand*> operands) const {
    refuse_recorded(std::span(operands.begin(), operands.size()));
  }
  void refuse_out() const;

 private:
  void read_each(std::string_view parameter, std::span<Index> values) const;
  [[noreturn]] void throw_unknown(std::string_view parameter, const std::string& given,
                                  const std::string& known) const;

  const Signature& signature_;
  const std::array<PyObject*, kMaxParameters>& values_;
  std::vector<py::object> owners_;  // of what is written into
};

/// For bodies that do not exist.
struct None {};

namespace detail {

template <class T, class... O>
auto views_of(O&... operands) {
  (operands.template prepare<T>(), ...);
  return std::tuple(operands.template view<T>()...);
}

template <class T, class F, class Into, class... O>
py::object on_views(Call& call, const F& f, const Into& into, O&... operands) {
  const auto views = views_of<T>(operands...);
  if constexpr (!std::is_same_v<Into, None>) {
    if (call.has_out()) {
      const MutView<T> out = call.target<T>("out");
      released([&] { std::apply([&](const auto&... view) { into(view..., out); }, views); });
      return py::reinterpret_borrow<py::object>(call.object("out"));
    }
  }
  using Result = decltype(std::apply(f, views));
  if constexpr (std::is_void_v<Result>) {
    released([&] { std::apply(f, views); });
    return py::none();
  } else {
    return call.deliver(released([&] { return std::apply(f, views); }));
  }
}

template <class F, class Into, class... O>
py::object on_values(Call& call, const F& f, const Into& into, O&... operands) {
  return call.common_type({&operands...}) == Type::Float32
             ? on_views<float>(call, f, into, operands...)
             : on_views<double>(call, f, into, operands...);
}

template <class T, class F, class... O>
py::object on_variables(const F& f, O&... operands) {
  (operands.template prepare<T>(), ...);
  return to_python(released([&] { return f(operands.template variable<T>()...); }));
}

}  // namespace detail

// The arguments of a body: `record(call, std::tie(x, weight), f, into)` calls f(x, weight) with
// views in their common element type and makes the result a NumPy array. With out=, it calls
// into(x, weight, out), or where there is no such body copies the result into out.

/// Of an operation that the tape knows: given a Tensor, f is called with variables and the result
/// is a Tensor.
template <class... O, class F, class Into = None>
py::object record(Call& call, std::tuple<O&...> arguments, const F& f, const Into& into = {}) {
  return std::apply(
      [&](O&... operands) -> py::object {
        if (!((operands.tensor() != nullptr) || ...)) {
          return detail::on_values(call, f, into, operands...);
        }
        call.refuse_out();
        return call.common_type({&operands...}) == Type::Float32
                   ? detail::on_variables<float>(f, operands...)
                   : detail::on_variables<double>(f, operands...);
      },
      arguments);
}

/// Of one that the tape does not know: Tensors that a gradient is wanted for are refused.
template <class... O, class F, class Into = None>
py::object compute(Call& call, std::tuple<O&...> arguments, const F& f, const Into& into = {}) {
  return std::apply(
      [&](O&... operands) -> py::object {
        call.refuse_recorded({&operands...});
        return detail::on_values(call, f, into, operands...);
      },
      arguments);
}

/// Of one that has no gradient, or one of zeros: Tensors count as their elements.
template <class... O, class F, class Into = None>
py::object constant(Call& call, std::tuple<O&...> arguments, const F& f, const Into& into = {}) {
  return std::apply(
      [&](O&... operands) -> py::object { return detail::on_values(call, f, into, operands...); },
      arguments);
}

/// Of one without an array argument: f(T()) with an element of the type that `dtype` names.
template <class F>
py::object create(Call& call, const F& f) {
  if (call.dtype() == Type::Float32) {
    return call.deliver(released([&] { return f(float()); }));
  }
  return call.deliver(released([&] { return f(double()); }));
}

/// Element type of a view or a variable: the T of options that hold views.
template <class X>
using ElementOf = typename std::remove_cvref_t<X>::value_type;

/// The elements of an argument that counts as a constant.
template <class T>
[[nodiscard]] View<T> value_of(const View<T>& x) {
  return x;
}
template <class T>
[[nodiscard]] View<T> value_of(const Var<T>& x) {
  return x.defined() ? x.value() : View<T>();
}

/// To be called in a catch block: sets the Python error that stands for the C++ exception.
void translate_exception();

/// The module's own generator.
Generator& default_generator();

}  // namespace lamina::python
