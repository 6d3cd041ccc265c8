#include "lamina/autograd/ops_activation.hpp"

#include <utility>

namespace lamina::autograd {

template <class T>
Var<T> activation(const Var<T>& x, nn::Activation kind, const nn::ActivationParams& params) {
  return make_var(
      nn::activation(x.value(), kind, params), {x},
      [saved = x.save(), kind, params](Array<T> dy, Gradients<T>& gradients) {
        nn::activation_backward_into<T>(dy, saved.value(), dy, kind, params);
        gradients.add(0, std::move(dy));
      },
      nn::activation_row(kind).name.data());
}

template LAMINA_EXPORT Var<float> activation<float>(const Var<float>&, nn::Activation,
                                                    const nn::ActivationParams&);
template LAMINA_EXPORT Var<double> activation<double>(const Var<double>&, nn::Activation,
                                                      const nn::ActivationParams&);

}  // namespace lamina::autograd
