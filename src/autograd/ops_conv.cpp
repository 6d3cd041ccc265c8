#include "lamina/autograd/ops_conv.hpp"

#include "lamina/autograd/ops_activation.hpp"

namespace lamina::nn {

using autograd::Gradients;
using autograd::make_var;
using autograd::save_if;

namespace {

// Each operation and its gradients under one name.
#define LAMINA_CONV_FUNCTIONS(F, Options)                                                          \
  template <class T>                                                                               \
  Array<T> conv(const View<T>& x, const View<T>& w, const View<T>& b, const Options& o) {          \
    return F(x, w, b, o);                                                                          \
  }                                                                                                \
  template <class T>                                                                               \
  Array<T> input_gradient(const View<T>& dy, const View<T>& w, const Shape& s, const Options& o) { \
    return F##_backward_input(dy, w, s, o);                                                        \
  }                                                                                                \
  template <class T>                                                                               \
  Array<T> weight_gradient(const View<T>& dy, const View<T>& x, const Shape& s,                    \
                           const Options& o) {                                                     \
    return F##_backward_weight(dy, x, s, o);                                                       \
  }
LAMINA_CONV_FUNCTIONS(conv1d, Conv1dOptions)
LAMINA_CONV_FUNCTIONS(conv2d, Conv2dOptions)
LAMINA_CONV_FUNCTIONS(conv3d, Conv3dOptions)
LAMINA_CONV_FUNCTIONS(conv_transpose1d, ConvTranspose1dOptions)
LAMINA_CONV_FUNCTIONS(conv_transpose2d, ConvTranspose2dOptions)
LAMINA_CONV_FUNCTIONS(conv_transpose3d, ConvTranspose3dOptions)
#undef LAMINA_CONV_FUNCTIONS

/// Sum over all but the channels, for a batch, a sample or a single map.
template <class T>
Array<T> bias_gradient(const View<T>& dy, int rank, DataFormat format) {
  View<T> batch = dy;
  if (dy.rank() == rank) batch = batch.expand_dims(format == DataFormat::NCHW ? 0 : rank);
  if (batch.rank() == rank + 1) batch = batch.expand_dims(0);
  return conv_backward_bias(batch, format);
}

template <class T, int Rank, template <int> class Options>
Var<T> record(const Var<T>& x, const Var<T>& weight, const Var<T>& bias,
              const Options<Rank>& options, const char* name) {
  Options<Rank> sum_only = options;
  sum_only.activation = Activation::Identity;
  sum_only.activation_params = {};
  const Var<T> sum = make_var(
      conv<T>(x.value(), weight.value(), bias.defined() ? bias.value() : View<T>(), sum_only),
      {x, weight, bias},
      [sum_only, saved_x = save_if(weight.requires_grad(), x),
       saved_weight = save_if(x.requires_grad(), weight)](const Array<T>& dy,
                                                          Gradients<T>& gradients) {
        if (gradients.wants(0)) {
          gradients.add(0,
                        input_gradient<T>(dy, saved_weight->value(), gradients.shape(0), sum_only));
        }
        if (gradients.wants(1)) {
          gradients.add(1, weight_gradient<T>(dy, saved_x->value(), gradients.shape(1), sum_only));
        }
        if (gradients.wants(2)) {
          gradients.add(2, bias_gradient<T>(dy, Rank, sum_only.format));
        }
      },
      name);
  if (options.activation == Activation::Identity) return sum;
  return autograd::activation(sum, options.activation, options.activation_params);
}

}  // namespace

template <class T>
Var<T> conv1d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
              const Var<std::type_identity_t<T>>& bias, const Conv1dOptions& options) {
  return record<T, 1>(x, weight, bias, options, "conv1d");
}
template <class T>
Var<T> conv2d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
              const Var<std::type_identity_t<T>>& bias, const Conv2dOptions& options) {
  return record<T, 2>(x, weight, bias, options, "conv2d");
}
template <class T>
Var<T> conv3d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
              const Var<std::type_identity_t<T>>& bias, const Conv3dOptions& options) {
  return record<T, 3>(x, weight, bias, options, "conv3d");
}

template <class T>
Var<T> conv_transpose1d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
                        const Var<std::type_identity_t<T>>& bias,
                        const ConvTranspose1dOptions& options) {
  return record<T, 1>(x, weight, bias, options, "conv_transpose1d");
}
template <class T>
Var<T> conv_transpose2d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
                        const Var<std::type_identity_t<T>>& bias,
                        const ConvTranspose2dOptions& options) {
  return record<T, 2>(x, weight, bias, options, "conv_transpose2d");
}
template <class T>
Var<T> conv_transpose3d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
                        const Var<std::type_identity_t<T>>& bias,
                        const ConvTranspose3dOptions& options) {
  return record<T, 3>(x, weight, bias, options, "conv_transpose3d");
}

#define LAMINA_INSTANTIATE(T)                                                                    \
  template LAMINA_EXPORT Var<T> conv1d<T>(const Var<T>&, const Var<T>&, const Var<T>&,           \
                                          const Conv1dOptions&);                                 \
  template LAMINA_EXPORT Var<T> conv2d<T>(const Var<T>&, const Var<T>&, const Var<T>&,           \
                                          const Conv2dOptions&);                                 \
  template LAMINA_EXPORT Var<T> conv3d<T>(const Var<T>&, const Var<T>&, const Var<T>&,           \
                                          const Conv3dOptions&);                                 \
  template LAMINA_EXPORT Var<T> conv_transpose1d<T>(const Var<T>&, const Var<T>&, const Var<T>&, \
                                                    const ConvTranspose1dOptions&);              \
  template LAMINA_EXPORT Var<T> conv_transpose2d<T>(const Var<T>&, const Var<T>&, const Var<T>&, \
                                                    const ConvTranspose2dOptions&);              \
  template LAMINA_EXPORT Var<T> conv_transpose3d<T>(const Var<T>&, const Var<T>&, const Var<T>&, \
                                                    const ConvTranspose3dOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
