#pragma once

// What recurrent functions and layers give to Python: an array or variable, or the tuple of the
// outputs and the final states.

#include <utility>

#include "modules.hpp"

namespace lamina::python {

template <class T>
py::object deliver(Array<T>&& y) {
  return to_python(std::move(y));
}
template <class T>
py::object deliver(Var<T>&& y) {
  return to_python(std::move(y));
}
template <class R>
py::object deliver(R&& result) {
  if constexpr (requires {
                  result.y;
                  result.c;
                }) {
    return py::make_tuple(to_python(std::move(result.y)), to_python(std::move(result.h)),
                          to_python(std::move(result.c)));
  } else if constexpr (requires { result.y; }) {
    return py::make_tuple(to_python(std::move(result.y)), to_python(std::move(result.h)));
  } else {
    return py::make_tuple(to_python(std::move(result.h)), to_python(std::move(result.c)));
  }
}

}  // namespace lamina::python
