#include "lamina/autograd/ops_softmax.hpp"

#include <utility>

namespace lamina::nn {

using autograd::Gradients;
using autograd::make_var;

template <class T>
Var<T> softmax(const Var<T>& x, const SoftmaxOptions& options) {
  const autograd::Saved<T> y(softmax(x.value(), options));
  return make_var(
      y, {x},
      [y, options](Array<T> dy, Gradients<T>& gradients) {
        softmax_backward_into<T>(dy, y.value(), dy, options);
        gradients.add(0, std::move(dy));
      },
      "softmax");
}

template <class T>
Var<T> log_softmax(const Var<T>& x, const SoftmaxOptions& options) {
  const autograd::Saved<T> y(log_softmax(x.value(), options));
  return make_var(
      y, {x},
      [y, options](Array<T> dy, Gradients<T>& gradients) {
        log_softmax_backward_into<T>(dy, y.value(), dy, options);
        gradients.add(0, std::move(dy));
      },
      "log_softmax");
}

template <class T>
Var<T> softmin(const Var<T>& x, const SoftmaxOptions& options) {
  const autograd::Saved<T> y(softmin(x.value(), options));
  return make_var(
      y, {x},
      [y, options](Array<T> dy, Gradients<T>& gradients) {
        softmin_backward_into<T>(dy, y.value(), dy, options);
        gradients.add(0, std::move(dy));
      },
      "softmin");
}

#define LAMINA_INSTANTIATE(T)                                                         \
  template LAMINA_EXPORT Var<T> softmax<T>(const Var<T>&, const SoftmaxOptions&);     \
  template LAMINA_EXPORT Var<T> log_softmax<T>(const Var<T>&, const SoftmaxOptions&); \
  template LAMINA_EXPORT Var<T> softmin<T>(const Var<T>&, const SoftmaxOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
