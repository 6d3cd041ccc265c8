#pragma once

#include "lamina/autograd/var.hpp"
#include "lamina/nn/conv.hpp"
#include "lamina/nn/conv_transpose.hpp"

// Convolution of variables: the functions of nn/conv.hpp and
// nn/conv_transpose.hpp, recorded. Gradients for x, weights and
// bias; an undefined bias is none. Shapes, options, errors and numerics as for arrays.

namespace lamina::nn {

template <class T>
[[nodiscard]] Var<T> conv1d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
                            const Var<std::type_identity_t<T>>& bias = {},
                            const Conv1dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> conv2d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
                            const Var<std::type_identity_t<T>>& bias = {},
                            const Conv2dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> conv3d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
                            const Var<std::type_identity_t<T>>& bias = {},
                            const Conv3dOptions& options = {});

template <class T>
[[nodiscard]] Var<T> depthwise_conv2d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
                                      const Var<std::type_identity_t<T>>& bias = {},
                                      const Conv2dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> separable_conv2d(const Var<T>& x,
                                      const Var<std::type_identity_t<T>>& depthwise,
                                      const Var<std::type_identity_t<T>>& pointwise,
                                      const Var<std::type_identity_t<T>>& bias = {},
                                      const Conv2dOptions& options = {});

// The guide's other names.

template <class T>
[[nodiscard]] Var<T> conv2d_with_padding(const Var<T>& x,
                                         const Var<std::type_identity_t<T>>& weight,
                                         PerAxis<2> stride, Index padding) {
  return conv2d(x, weight, {}, {.stride = stride, .padding = padding});
}
template <class T>
[[nodiscard]] Var<T> conv2d_batched(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
                                    const Var<std::type_identity_t<T>>& bias, PerAxis<2> stride,
                                    PerAxis<2> padding, PerAxis<2> dilation) {
  (void)x.value().template dims<4>("conv2d_batched");
  return conv2d(x, weight, bias,
                {.stride = stride,
                 .padding = PaddingMode::symmetric(padding[0], padding[1]),
                 .dilation = dilation});
}
template <class T>
[[nodiscard]] Var<T> depthwise_conv2d_batched(const Var<T>& x,
                                              const Var<std::type_identity_t<T>>& weight,
                                              PerAxis<2> stride, PerAxis<2> padding) {
  (void)x.value().template dims<4>("depthwise_conv2d_batched");
  return depthwise_conv2d(
      x, weight, {}, {.stride = stride, .padding = PaddingMode::symmetric(padding[0], padding[1])});
}
template <class T>
[[nodiscard]] Var<T> grouped_conv2d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
                                    Index groups, PerAxis<2> stride, PerAxis<2> padding) {
  return conv2d(x, weight, {},
                {.stride = stride,
                 .padding = PaddingMode::symmetric(padding[0], padding[1]),
                 .groups = groups});
}

template <class T>
[[nodiscard]] Var<T> conv_transpose1d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
                                      const Var<std::type_identity_t<T>>& bias = {},
                                      const ConvTranspose1dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> conv_transpose2d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
                                      const Var<std::type_identity_t<T>>& bias = {},
                                      const ConvTranspose2dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> conv_transpose3d(const Var<T>& x, const Var<std::type_identity_t<T>>& weight,
                                      const Var<std::type_identity_t<T>>& bias = {},
                                      const ConvTranspose3dOptions& options = {});

}  // namespace lamina::nn
