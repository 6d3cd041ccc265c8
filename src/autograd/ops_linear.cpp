#include "lamina/autograd/ops_linear.hpp"

namespace lamina::nn {

using autograd::Gradients;
using autograd::make_var;
using autograd::save_if;

template <class T>
Var<T> matmul(const Var<T>& a, const Var<std::type_identity_t<T>>& b) {
  return make_var(
      matmul(a.value(), b.value()), {a, b},
      [saved_a = save_if(b.requires_grad(), a), saved_b = save_if(a.requires_grad(), b)](
          const Array<T>& dy, Gradients<T>& gradients) {
        if (gradients.wants(0)) {
          gradients.add(0, matmul_backward_a(dy, saved_b->value(), gradients.shape(0)));
        }
        if (gradients.wants(1)) {
          gradients.add(1, matmul_backward_b(dy, saved_a->value(), gradients.shape(1)));
        }
      },
      "matmul");
}

template <class T>
Var<T> linear(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
              const Var<std::type_identity_t<T>>& bias) {
  return make_var(
      linear(x.value(), weight.value(), bias.defined() ? bias.value() : View<T>()),
      {x, weight, bias},
      [saved_x = save_if(weight.requires_grad(), x),
       saved_weight = save_if(x.requires_grad(), weight)](const Array<T>& dy,
                                                          Gradients<T>& gradients) {
        if (gradients.wants(0)) {
          gradients.add(0, linear_backward_input(dy, saved_weight->value()));
        }
        if (gradients.wants(1)) {
          gradients.add(1, linear_backward_weight(dy, saved_x->value()));
        }
        if (gradients.wants(2)) {
          gradients.add(2, linear_backward_bias(dy));
        }
      },
      "linear");
}

#define LAMINA_INSTANTIATE(T)                                            \
  template LAMINA_EXPORT Var<T> matmul<T>(const Var<T>&, const Var<T>&); \
  template LAMINA_EXPORT Var<T> linear<T>(const Var<T>&, const Var<T>&, const Var<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
