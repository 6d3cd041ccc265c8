#include "lamina/layers/dropout.hpp"

#include <sstream>

#include "lamina/autograd/ops_dropout.hpp"

namespace lamina::layers {

template <class T>
DropoutLayer<T>::DropoutLayer(const char* kind, double p, Generator& generator)
    : kind_(kind), p_(p), generator_(generator.next_u64()) {
  check(p >= 0 && p <= 1, ErrorKind::InvalidOperation, kind, "p must be in [0, 1], got ", p);
}

template <class T>
std::string DropoutLayer<T>::name() const {
  std::ostringstream text;
  text << kind_ << "(p = " << p_ << ')';
  return text.str();
}

template <class T>
Var<T> Dropout<T>::forward(const Var<T>& x) {
  return nn::dropout(x, this->p(), this->training(), this->generator());
}

template <class T>
Var<T> SpatialDropout<T>::forward(const Var<T>& x) {
  return nn::spatial_dropout(x, this->p(), this->training(), this->generator(), format_);
}

template <class T>
Var<T> DropPath<T>::forward(const Var<T>& x) {
  return nn::drop_path(x, this->p(), this->training(), this->generator());
}

template <class T>
Var<T> AlphaDropout<T>::forward(const Var<T>& x) {
  return nn::alpha_dropout(x, this->p(), this->training(), this->generator());
}

#define LAMINA_INSTANTIATE(T)       \
  template class DropoutLayer<T>;   \
  template class Dropout<T>;        \
  template class SpatialDropout<T>; \
  template class DropPath<T>;       \
  template class AlphaDropout<T>;
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::layers
