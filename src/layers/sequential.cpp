#include "lamina/layers/sequential.hpp"

#include "autograd/conv_maxima.hpp"
#include "lamina/autograd/ops_shape.hpp"
#include "lamina/layers/activation.hpp"
#include "lamina/layers/conv.hpp"
#include "lamina/layers/pooling.hpp"

namespace lamina::layers {

namespace {

/// Of blocks of two by two, side by side.
template <class T>
bool pools_blocks(const Layer<T>* layer) {
  const auto* const pool = dynamic_cast<const MaxPool2d<T>*>(layer);
  if (pool == nullptr) return false;
  const nn::Pool2dOptions& options = pool->options();
  const PerAxis<2> two = 2;
  bool blocks = pool->kernel() == two &&
                (options.stride == two || options.stride == PerAxis<2>(nn::kStrideOfKernel)) &&
                options.padding.kind() != PaddingMode::Kind::Same &&
                options.dilation == PerAxis<2>(1) && !options.ceil_mode &&
                options.format == DataFormat::NCHW;
  for (int axis = 0; axis < 2; ++axis) {
    blocks = blocks && options.padding.resolve(axis, 2, 2, 2, 1, "MaxPool2d") == PaddingAmount();
  }
  return blocks;
}

}  // namespace

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
  const auto at = [&](std::size_t i) { return i < layers_.size() ? layers_[i].get() : nullptr; };
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Layer<T>& layer = *layers_[i];
    if (const auto* const conv = dynamic_cast<const Conv2d<T>*>(&layer)) {
      const bool relu = dynamic_cast<const ReLU<T>*>(at(i + 1)) != nullptr;
      const std::size_t last = i + (relu ? 2 : 1);
      if (pools_blocks(at(last))) {
        Var<T> maxima =
            autograd::conv_maxima(y, conv->weight(), conv->bias(), conv->options(), relu);
        if (maxima.defined()) {
          y = std::move(maxima);
          i = last;
          continue;
        }
      }
    }
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
