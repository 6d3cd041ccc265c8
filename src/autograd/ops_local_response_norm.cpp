#include "lamina/autograd/ops_local_response_norm.hpp"

namespace lamina::nn {

using autograd::Gradients;
using autograd::make_var;
using autograd::save_if;

template <class T>
Var<T> local_response_norm(const Var<T>& x, Index size, const LocalResponseOptions& options) {
  return make_var(
      local_response_norm(x.value(), size, options), {x},
      [saved = save_if(x.requires_grad(), x), size, options](const Array<T>& dy,
                                                             Gradients<T>& gradients) {
        gradients.add(0, local_response_norm_backward(dy, saved->value(), size, options));
      },
      "local_response_norm");
}

#define LAMINA_INSTANTIATE(T)                                                \
  template LAMINA_EXPORT Var<T> local_response_norm<T>(const Var<T>&, Index, \
                                                       const LocalResponseOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
