#include "lamina/autograd/ops_conv.hpp"

#include <array>
#include <utility>

#include "lamina/autograd/ops_activation.hpp"

namespace lamina::nn {

using autograd::Gradients;
using autograd::make_var;
using autograd::save_if;

namespace {

// Each operation and its gradients.
#define LAMINA_CONV_FUNCTIONS(F, Rank_, Options_)                                                 \
  struct F##_functions {                                                                          \
    static constexpr const char* kName = #F;                                                      \
    static constexpr int kRank = Rank_;                                                           \
    using Options = Options_;                                                                     \
    template <class T>                                                                            \
    static Array<T> run(const View<T>& x, const View<T>& w, const View<T>& b, const Options& o) { \
      return F(x, w, b, o);                                                                       \
    }                                                                                             \
    template <class T>                                                                            \
    static Array<T> input_gradient(const View<T>& dy, const View<T>& w, const Shape& s,           \
                                   const Options& o) {                                            \
      return F##_backward_input(dy, w, s, o);                                                     \
    }                                                                                             \
    template <class T>                                                                            \
    static Array<T> weight_gradient(const View<T>& dy, const View<T>& x, const Shape& s,          \
                                    const Options& o) {                                           \
      return F##_backward_weight(dy, x, s, o);                                                    \
    }                                                                                             \
  };
LAMINA_CONV_FUNCTIONS(conv1d, 1, Conv1dOptions)
LAMINA_CONV_FUNCTIONS(conv2d, 2, Conv2dOptions)
LAMINA_CONV_FUNCTIONS(conv3d, 3, Conv3dOptions)
LAMINA_CONV_FUNCTIONS(depthwise_conv2d, 2, Conv2dOptions)
LAMINA_CONV_FUNCTIONS(conv_transpose1d, 1, ConvTranspose1dOptions)
LAMINA_CONV_FUNCTIONS(conv_transpose2d, 2, ConvTranspose2dOptions)
LAMINA_CONV_FUNCTIONS(conv_transpose3d, 3, ConvTranspose3dOptions)
#undef LAMINA_CONV_FUNCTIONS

/// Sum over all but the channels, for a batch, a sample or a single map.
template <class T>
Array<T> bias_gradient(const View<T>& dy, int rank, DataFormat format) {
  View<T> batch = dy;
  if (dy.rank() == rank) batch = batch.expand_dims(format == DataFormat::NCHW ? 0 : rank);
  if (batch.rank() == rank + 1) batch = batch.expand_dims(0);
  return conv_backward_bias(batch, format);
}

template <class T, class F>
Var<T> record(const Var<T>& x, const Var<T>& weight, const Var<T>& bias,
              const typename F::Options& options) {
  typename F::Options sum_only = options;
  sum_only.activation = Activation::Identity;
  sum_only.activation_params = {};
  const Var<T> sum = make_var(
      F::template run<T>(x.value(), weight.value(), bias.defined() ? bias.value() : View<T>(),
                         sum_only),
      {x, weight, bias},
      [sum_only, saved_x = save_if(weight.requires_grad(), x),
       saved_weight = save_if(x.requires_grad(), weight)](const Array<T>& dy,
                                                          Gradients<T>& gradients) {
        if (gradients.wants(0)) {
          gradients.add(0, F::template input_gradient<T>(dy, saved_weight->value(),
                                                         gradients.shape(0), sum_only));
        }
        if (gradients.wants(1)) {
          gradients.add(1, F::template weight_gradient<T>(dy, saved_x->value(), gradients.shape(1),
                                                          sum_only));
        }
        if (gradients.wants(2)) {
          gradients.add(2, bias_gradient<T>(dy, F::kRank, sum_only.format));
        }
      },
      F::kName);
  if (options.activation == Activation::Identity) return sum;
  return autograd::activation(sum, options.activation, options.activation_params);
}

}  // namespace

template <class T>
Var<T> conv1d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
              const Var<std::type_identity_t<T>>& bias, const Conv1dOptions& options) {
  return record<T, conv1d_functions>(x, weight, bias, options);
}
template <class T>
Var<T> conv2d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
              const Var<std::type_identity_t<T>>& bias, const Conv2dOptions& options) {
  return record<T, conv2d_functions>(x, weight, bias, options);
}
template <class T>
Var<T> conv3d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
              const Var<std::type_identity_t<T>>& bias, const Conv3dOptions& options) {
  return record<T, conv3d_functions>(x, weight, bias, options);
}

template <class T>
Var<T> depthwise_conv2d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
                        const Var<std::type_identity_t<T>>& bias, const Conv2dOptions& options) {
  return record<T, depthwise_conv2d_functions>(x, weight, bias, options);
}

template <class T>
Var<T> separable_conv2d(const Var<T>& x, const Var<std::type_identity_t<T>>& depthwise,
                        const Var<std::type_identity_t<T>>& pointwise,
                        const Var<std::type_identity_t<T>>& bias, const Conv2dOptions& options) {
  Conv2dOptions sum_only = options;
  sum_only.activation = Activation::Identity;
  sum_only.activation_params = {};
  const Var<T> sum = make_var(
      separable_conv2d<T>(x.value(), depthwise.value(), pointwise.value(),
                          bias.defined() ? bias.value() : View<T>(), sum_only),
      {x, depthwise, pointwise, bias},
      [sum_only, saved_x = x.save(), saved_depthwise = depthwise.save(),
       saved_pointwise = pointwise.save()](const Array<T>& dy, Gradients<T>& gradients) {
        std::array<Array<T>, 3> d;
        std::array<MutView<T>, 3> out;
        for (int i = 0; i < 3; ++i) {
          if (gradients.wants(i)) {
            const auto at = static_cast<std::size_t>(i);
            d[at] = Array<T>::empty(gradients.shape(i));
            out[at] = d[at];
          }
        }
        separable_conv2d_backward_into<T>(dy, saved_x.value(), saved_depthwise.value(),
                                          saved_pointwise.value(), out[0], out[1], out[2],
                                          sum_only);
        for (int i = 0; i < 3; ++i) {
          if (gradients.wants(i)) {
            gradients.add(i, std::move(d[static_cast<std::size_t>(i)]));
          }
        }
        if (gradients.wants(3)) {
          gradients.add(3, bias_gradient<T>(dy, 2, sum_only.format));
        }
      },
      "separable_conv2d");
  if (options.activation == Activation::Identity) return sum;
  return autograd::activation(sum, options.activation, options.activation_params);
}

template <class T>
Var<T> conv_transpose1d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
                        const Var<std::type_identity_t<T>>& bias,
                        const ConvTranspose1dOptions& options) {
  return record<T, conv_transpose1d_functions>(x, weight, bias, options);
}
template <class T>
Var<T> conv_transpose2d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
                        const Var<std::type_identity_t<T>>& bias,
                        const ConvTranspose2dOptions& options) {
  return record<T, conv_transpose2d_functions>(x, weight, bias, options);
}
template <class T>
Var<T> conv_transpose3d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
                        const Var<std::type_identity_t<T>>& bias,
                        const ConvTranspose3dOptions& options) {
  return record<T, conv_transpose3d_functions>(x, weight, bias, options);
}

#define LAMINA_INSTANTIATE(T)                                                                    \
  template LAMINA_EXPORT Var<T> depthwise_conv2d<T>(const Var<T>&, const Var<T>&, const Var<T>&, \
                                                    const Conv2dOptions&);                       \
  template LAMINA_EXPORT Var<T> separable_conv2d<T>(const Var<T>&, const Var<T>&, const Var<T>&, \
                                                    const Var<T>&, const Conv2dOptions&);        \
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
