#include "autograd/conv_maxima.hpp"

#include <array>
#include <utility>

#include "nn/conv_maxima.hpp"

namespace lamina::autograd {

template <class T>
Var<T> conv_maxima(const Var<T>& x, const Var<T>& weight, const Var<T>& bias,
                   const nn::Conv2dOptions& options, bool relu) {
  const std::array<Var<T>, 3> inputs{x, weight, bias};
  const bool recorded = VarAccess<T>::records(inputs);
  const View<T> added = bias.defined() ? bias.value() : View<T>();
  if (!nn::detail::conv_maxima_pay<T>(x.value(), weight.value(), added, options)) {
    return {};
  }
  nn::detail::ConvMaxima<T> maxima =
      nn::detail::conv_maxima<T>(x.value(), weight.value(), added, options, relu, recorded);
  return make_var(
      std::move(maxima.values), {x, weight, bias},
      [places = std::move(maxima.places), options, x_shape = x.shape(),
       weight_shape = weight.shape(), saved_x = save_if(weight.requires_grad(), x),
       saved_weight = save_if(x.requires_grad(), weight)](const Array<T>& dy,
                                                          Gradients<T>& gradients) {
        std::array<Array<T>, 3> d;
        std::array<MutView<T>, 3> out;
        for (int i = 0; i < 3; ++i) {
          if (!gradients.wants(i)) continue;
          const auto at = static_cast<std::size_t>(i);
          d[at] = Array<T>::empty(gradients.shape(i));
          out[at] = d[at];
        }
        // Of what no gradient needs there is but the shape.
        nn::detail::conv_maxima_backward<T>(
            dy, out[1].defined() ? saved_x->value() : View<T>(nullptr, x_shape),
            out[0].defined() ? saved_weight->value() : View<T>(nullptr, weight_shape), places,
            options, out[0], out[1], out[2]);
        for (int i = 0; i < 3; ++i) {
          if (gradients.wants(i)) gradients.add(i, std::move(d[static_cast<std::size_t>(i)]));
        }
      },
      "conv2d");
}

template Var<float> conv_maxima(const Var<float>&, const Var<float>&, const Var<float>&,
                                const nn::Conv2dOptions&, bool);
template Var<double> conv_maxima(const Var<double>&, const Var<double>&, const Var<double>&,
                                 const nn::Conv2dOptions&, bool);

}  // namespace lamina::autograd
