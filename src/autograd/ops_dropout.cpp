#include "lamina/autograd/ops_dropout.hpp"

namespace lamina::nn {

using autograd::Gradients;
using autograd::make_var;

namespace {

/// Records `forward(x, generator)`; its gradient is `backward(dy, generator as it was)`.
template <class T, class Forward, class Backward>
Var<T> record(const Var<T>& x, double p, bool training, Generator& generator, Forward forward,
              Backward backward, const char* operation) {
  if (p == 0 || (!training && p > 0 && p <= 1)) {
    return x;
  }
  const Generator before = generator;
  return make_var(
      forward(x.value(), generator), {x},
      [before, backward](const Array<T>& dy, Gradients<T>& gradients) {
        gradients.add(0, backward(dy, before));
      },
      operation);
}

}  // namespace

template <class T>
Var<T> dropout(const Var<T>& x, double p, bool training, Generator& generator) {
  return record(
      x, p, training, generator,
      [p](const View<T>& v, Generator& g) { return dropout(v, p, true, g); },
      [p](const View<T>& dy, const Generator& g) { return dropout_backward(dy, p, true, g); },
      "dropout");
}

template <class T>
Var<T> dropout_2d(const Var<T>& x, double p, bool training, Generator& generator) {
  (void)x.value().template dims<2>("dropout_2d");
  return dropout(x, p, training, generator);
}

template <class T>
Var<T> spatial_dropout(const Var<T>& x, double p, bool training, Generator& generator,
                       DataFormat format) {
  return record(
      x, p, training, generator,
      [p, format](const View<T>& v, Generator& g) {
        return spatial_dropout(v, p, true, g, format);
      },
      [p, format](const View<T>& dy, const Generator& g) {
        return spatial_dropout_backward(dy, p, true, g, format);
      },
      "spatial_dropout");
}

template <class T>
Var<T> drop_path(const Var<T>& x, double p, bool training, Generator& generator) {
  return record(
      x, p, training, generator,
      [p](const View<T>& v, Generator& g) { return drop_path(v, p, true, g); },
      [p](const View<T>& dy, const Generator& g) { return drop_path_backward(dy, p, true, g); },
      "drop_path");
}

template <class T>
Var<T> alpha_dropout(const Var<T>& x, double p, bool training, Generator& generator) {
  return record(
      x, p, training, generator,
      [p](const View<T>& v, Generator& g) { return alpha_dropout(v, p, true, g); },
      [p](const View<T>& dy, const Generator& g) { return alpha_dropout_backward(dy, p, true, g); },
      "alpha_dropout");
}

#define LAMINA_INSTANTIATE(T)                                                               \
  template LAMINA_EXPORT Var<T> dropout<T>(const Var<T>&, double, bool, Generator&);        \
  template LAMINA_EXPORT Var<T> dropout_2d<T>(const Var<T>&, double, bool, Generator&);     \
  template LAMINA_EXPORT Var<T> spatial_dropout<T>(const Var<T>&, double, bool, Generator&, \
                                                   DataFormat);                             \
  template LAMINA_EXPORT Var<T> drop_path<T>(const Var<T>&, double, bool, Generator&);      \
  template LAMINA_EXPORT Var<T> alpha_dropout<T>(const Var<T>&, double, bool, Generator&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
