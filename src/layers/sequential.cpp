#include "lamina/layers/sequential.hpp"

#include "lamina/autograd/ops_shape.hpp"

namespace lamina::layers {

template <class T>
void Sequential<T>::append(std::unique_ptr<Layer<T>> layer) {
  check(layer != nullptr, ErrorKind::InvalidOperation, "Sequential", "the layer is null");
  layers_.push_back(std::move(layer));
}

template <class T>
Layer<T>& Sequential<T>::operator[](Index i) const {
  const Index position = i < 0 ? i + size() : i;
  check(position >= 0 && position < size(), ErrorKind::IndexOutOfBounds, "Sequential", "layer ", i,
        " of ", size());
  return *layers_[static_cast<std::size_t>(position)];
}

template <class T>
Var<T> Sequential<T>::forward(const Var<T>& x) {
  Var<T> y = x;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Layer<T>& layer = *layers_[i];
    if (i + 1 < layers_.size() && layer.commutes_with_maxima() && layers_[i + 1]->takes_maxima()) {
      y = layers_[++i]->forward(y);
    }
    y = layer.forward(y);
  }
  return y;
}

template <class T>
void Sequential<T>::members(Members<T>& list) {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    list.module(std::to_string(i), *layers_[i]);
  }
}

template <class T>
Var<T> Flatten<T>::forward(const Var<T>& x) {
  return autograd::flatten(x, first_);
}

template class Sequential<float>;
template class Sequential<double>;
template class Flatten<float>;
template class Flatten<double>;

}  // namespace lamina::layers
