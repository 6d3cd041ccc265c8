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

namespace lamina::nn {

using autograd::Gradients;
using autograd::make_var;
using autograd::save_if;
using autograd::VarArg;

template <class T>
Var<T> gated_activation(const Var<T>& value, VarArg<T> gate_arg, Activation kind,
                        const ActivationParams& params) {
  const Var<T>& gate = gate_arg.var();
  return make_var(
      gated_activation<T>(value.value(), gate.value(), kind, params), {value, gate},
      [kind, params, saved_value = save_if(gate.requires_grad(), value), saved_gate = gate.save()](
          const Array<T>& dy, Gradients<T>& gradients) {
        if (gradients.wants(0)) {
          gradients.add(0, gated_activation<T>(dy, saved_gate.value(), kind, params));
        }
        if (gradients.wants(1)) {
          gradients.add(1, gated_activation_backward_gate<T>(dy, saved_value->value(),
                                                             saved_gate.value(), kind, params));
        }
      },
      "gated_activation");
}

template <class T>
Var<T> gated_unit(const Var<T>& x, Activation kind, int axis) {
  return make_var(
      gated_unit<T>(x.value(), kind, axis), {x},
      [kind, axis, saved = x.save()](const Array<T>& dy, Gradients<T>& gradients) {
        gradients.add(0, gated_unit_backward<T>(dy, saved.value(), kind, axis));
      },
      "gated_unit");
}

template <class T>
Var<T> prelu(const Var<T>& x, VarArg<T> slope_arg) {
  const Var<T>& slope = slope_arg.var();
  return make_var(
      prelu<T>(x.value(), slope.value()), {x, slope},
      [saved_x = x.save(), saved_slope = slope.save()](const Array<T>& dy,
                                                       Gradients<T>& gradients) {
        const View<T>& input = saved_x.value();
        if (gradients.wants(0)) {
          gradients.add(0, prelu_backward_input<T>(dy, input, saved_slope.value()));
        }
        if (gradients.wants(1)) {
          gradients.add(1, prelu_backward_slope<T>(dy, input, saved_slope.value()));
        }
      },
      "prelu");
}

#define LAMINA_INSTANTIATE(T)                                                             \
  template LAMINA_EXPORT Var<T> gated_activation<T>(const Var<T>&, VarArg<T>, Activation, \
                                                    const ActivationParams&);             \
  template LAMINA_EXPORT Var<T> gated_unit<T>(const Var<T>&, Activation, int);            \
  template LAMINA_EXPORT Var<T> prelu<T>(const Var<T>&, VarArg<T>);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
