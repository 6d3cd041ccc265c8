#include "lamina/autograd/ops_reduction.hpp"

namespace lamina::nn {

using autograd::Gradients;
using autograd::make_var;
using autograd::save_if;

template <class T>
Var<T> reduce(Reduction kind, const Var<T>& x, const ReduceOptions& options) {
  const bool linear = kind == Reduction::Sum || kind == Reduction::Mean;
  const bool needs_y = !linear && kind != Reduction::Prod && kind != Reduction::Var;
  const autograd::Saved<T> y(reduce(kind, x.value(), options));
  return make_var(
      y, {x},
      [kind, options, shape = x.shape(), saved_x = save_if(!linear, x),
       saved_y = needs_y ? std::optional<autograd::Saved<T>>(y) : std::nullopt](
          const Array<T>& dy, Gradients<T>& gradients) {
        gradients.add(0, reduce_backward<T>(kind, dy, shape, saved_x ? saved_x->value() : View<T>(),
                                            saved_y ? saved_y->value() : View<T>(), options));
      },
      info(kind).name.data());
}

template LAMINA_EXPORT Var<float> reduce<float>(Reduction, const Var<float>&, const ReduceOptions&);
template LAMINA_EXPORT Var<double> reduce<double>(Reduction, const Var<double>&,
                                                  const ReduceOptions&);

}  // namespace lamina::nn
