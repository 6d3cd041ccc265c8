#pragma once

// Operations made with make_var() from nothing but loops, so that the tape is tested without the
// library's own operations.

#include <utility>

#include "lamina/autograd/var.hpp"

namespace lamina::testing {

template <class T, class F>
Array<T> map(const View<T>& a, const View<T>& b, F f) {
  Array<T> out = Array<T>::empty(a.shape());
  auto ia = a.begin();
  auto ib = b.begin();
  for (T& value : out) {
    value = f(*ia++, *ib++);
  }
  return out;
}

template <class T>
Var<T> plus(const Var<T>& a, const Var<T>& b) {
  return autograd::make_var(
      map<T>(a.value(), b.value(), [](T x, T y) { return x + y; }), {a, b},
      [](Array<T> dy, autograd::Gradients<T>& gradients) {
        gradients.add(0, static_cast<const View<T>&>(dy));
        gradients.add(1, std::move(dy));
      },
      "plus");
}

template <class T>
Var<T> times(const Var<T>& a, const Var<T>& b) {
  const auto product = [](T x, T y) { return x * y; };
  return autograd::make_var(
      map<T>(a.value(), b.value(), product), {a, b},
      [sa = a.save(), sb = b.save(), product](const Array<T>& dy,
                                              autograd::Gradients<T>& gradients) {
        if (gradients.wants(0)) {
          gradients.add(0, map<T>(dy, sb.value(), product));
        }
        if (gradients.wants(1)) {
          gradients.add(1, map<T>(dy, sa.value(), product));
        }
      },
      "times");
}

template <class T>
Var<T> number(T value) {
  return parameter(Array<T>::scalar(value));
}

}  // namespace lamina::testing
