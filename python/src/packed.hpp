#pragma once

// Weights that are packed once and used often, of either element type.

#include <string>
#include <variant>

#include "call.hpp"

namespace lamina::python {

/// f(x, weight, bias) or f(x, weight, bias, out) in the element type of the packed weight, which
/// has no gradient.
template <class Weight, class F>
py::object with_packed(Call& call, const Weight& packed, Operand& x, Operand& bias, const F& f) {
  call.refuse_recorded({&x, &bias});
  return std::visit(
      [&]<template <class> class Packed, class T>(const Packed<T>& weight) -> py::object {
        for (Operand* operand : {&x, &bias}) {
          if (operand->has_type() && operand->type() != kType<T>) {
            throw_type_error(operand->place(), "is " + std::string(to_string(operand->type())) +
                                                   ", the packed weight holds " +
                                                   std::string(to_string(kType<T>)));
          }
          operand->prepare<T>();
        }
        const View<T> rows = x.view<T>();
        const View<T> shift = bias.view<T>();
        if (call.has_out()) {
          const MutView<T> out = call.target<T>("out");
          released([&] { f(rows, weight, shift, out); });
          return py::reinterpret_borrow<py::object>(call.object("out"));
        }
        return call.deliver(released([&] { return f(rows, weight, shift); }));
      },
      packed);
}

/// Result{f(weight)} in the element type of the argument, as a Python object.
template <class Result, class F>
py::object pack(Call& call, std::string_view parameter, const F& f) {
  Operand weight = call.array(parameter);
  call.refuse_recorded({&weight});
  const auto run = [&]<class T>(T) {
    weight.prepare<T>();
    return py::cast(Result{released([&] { return f(weight.view<T>()); })});
  };
  return call.common_type({&weight}) == Type::Float32 ? run(float()) : run(double());
}

}  // namespace lamina::python
