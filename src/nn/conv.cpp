#include "lamina/nn/conv.hpp"

#include <atomic>
#include <string>

#include "lamina/core/parallel.hpp"
#include "nn/conv_plan.hpp"
#include "nn/layout.hpp"
#include "nn/output.hpp"

namespace lamina::nn {

namespace detail {

template <class T>
void run_conv(const ConvPlan& plan, const View<T>& x, const T* weight,
              const PreparedWeights<T>* prepared, const View<T>& bias, const MutView<T>& out,
              const FusedActivation<T>& fused) {
  const lamina::detail::Packed<T> biases(bias.defined() ? bias : View<T>(nullptr, Shape{0}));
  const ConvInput<T> input(plan, x);
  conv_forward<T>(plan.problem, input.image(), weight, bias.defined() ? biases.data() : nullptr,
                  plan.mutable_image(out), fused.finish(), prepared);
}
template void run_conv(const ConvPlan&, const View<float>&, const float*,
                       const PreparedWeights<float>*, const View<float>&, const MutView<float>&,
                       const FusedActivation<float>&);
template void run_conv(const ConvPlan&, const View<double>&, const double*,
                       const PreparedWeights<double>*, const View<double>&, const MutView<double>&,
                       const FusedActivation<double>&);

}  // namespace detail

namespace {

using detail::check_bias;
using detail::ConvPlan;
using detail::depthwise_conv2d_options;
using detail::FusedActivation;
using detail::make_conv_plan;
using detail::PackedOut;

template <int Rank>
constexpr std::string_view name() {
  return Rank == 1 ? "conv1d" : Rank == 2 ? "conv2d" : "conv3d";
}

template <class T, int Rank>
void run_forward(const ConvPlan& plan, const View<T>& x, const View<T>& weight, const View<T>& bias,
                 const MutView<T>& out, const ConvOptions<Rank>& options,
                 std::string_view operation) {
  const FusedActivation<T> fused(options.activation, options.activation_params, operation);
  const lamina::detail::Packed<T> weights(weight);
  detail::run_conv<T>(plan, x, weights.data(), nullptr, bias, out, fused);
}

template <class T, int Rank>
void forward_into(const View<T>& x, const View<T>& weight, const View<T>& bias,
                  const MutView<T>& out, const ConvOptions<Rank>& options,
                  std::string_view operation = name<Rank>()) {
  detail::check_defined(x, operation, "x");
  detail::check_defined(weight, operation, "weight");
  const ConvPlan plan = make_conv_plan(x.shape(), weight.shape(), options, operation);
  check_bias<T>(bias, plan.problem.out_channels, operation);
  detail::check_output(out, "out", plan.out, operation, x, weight, bias);
  PackedOut<T> packed(out);
  run_forward<T>(plan, x, weight, bias, packed.view(), options, operation);
  packed.finish();
}

template <class T, int Rank>
Array<T> forward(const View<T>& x, const View<T>& weight, const View<T>& bias,
                 const ConvOptions<Rank>& options, std::string_view operation = name<Rank>()) {
  detail::check_defined(x, operation, "x");
  detail::check_defined(weight, operation, "weight");
  const ConvPlan plan = make_conv_plan(x.shape(), weight.shape(), options, operation);
  check_bias<T>(bias, plan.problem.out_channels, operation);
  Array<T> out = Array<T>::empty(plan.out);
  run_forward<T>(plan, x, weight, bias, out, options, operation);
  return out;
}

std::atomic<bool> winograd_is_allowed{true};

template <class T, int Rank>
Index workspace_bytes(const Shape& x, const Shape& weight, const ConvOptions<Rank>& options,
                      ConvPass pass) {
  const std::string operation = std::string(name<Rank>()).append("_workspace_bytes");
  const ConvPlan plan = make_conv_plan(x, weight, options, operation);
  const bool last = plan.channels_last();
  const int threads = num_threads();
  Index bytes = 0;
  switch (pass) {
    case ConvPass::Forward:
      bytes = detail::conv_forward_bytes<T>(plan.problem, last, threads);
      break;
    case ConvPass::BackwardInput:
      bytes = detail::conv_input_gradient_bytes<T>(plan.problem, last, threads);
      break;
    case ConvPass::BackwardWeight:
      bytes = detail::conv_weight_gradient_bytes<T>(plan.problem, last, threads);
      break;
  }
  if (plan.pads_zeros()) return bytes;
  // The padded copy, and what pad and its gradient make axis by axis.
  const Index padded = plan.problem.images * plan.problem.in_channels * plan.problem.in_positions();
  return bytes + 3 * padded * static_cast<Index>(sizeof(T));
}

}  // namespace

void set_winograd(bool allowed) {
  winograd_is_allowed = allowed;
}
bool winograd_allowed() {
  return winograd_is_allowed;
}

template <class T>
void conv1d_into(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias, MutArg<T> out,
                 const Conv1dOptions& options) {
  forward_into<T, 1>(x, weight, bias, out, options);
}
template <class T>
void conv2d_into(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias, MutArg<T> out,
                 const Conv2dOptions& options) {
  forward_into<T, 2>(x, weight, bias, out, options);
}
template <class T>
void conv3d_into(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias, MutArg<T> out,
                 const Conv3dOptions& options) {
  forward_into<T, 3>(x, weight, bias, out, options);
}
template <class T>
Array<T> conv1d(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias,
                const Conv1dOptions& options) {
  return forward<T, 1>(x, weight, bias, options);
}
template <class T>
Array<T> conv2d(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias,
                const Conv2dOptions& options) {
  return forward<T, 2>(x, weight, bias, options);
}
template <class T>
Array<T> conv3d(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias,
                const Conv3dOptions& options) {
  return forward<T, 3>(x, weight, bias, options);
}

template <class T>
void depthwise_conv2d_into(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias, MutArg<T> out,
                           const Conv2dOptions& options) {
  constexpr std::string_view operation = "depthwise_conv2d";
  detail::check_defined(x, operation, "x");
  forward_into<T, 2>(x, weight, bias, out, depthwise_conv2d_options(x.shape(), options, operation),
                     operation);
}
template <class T>
Array<T> depthwise_conv2d(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias,
                          const Conv2dOptions& options) {
  constexpr std::string_view operation = "depthwise_conv2d";
  detail::check_defined(x, operation, "x");
  return forward<T, 2>(x, weight, bias, depthwise_conv2d_options(x.shape(), options, operation),
                       operation);
}

template <class T>
Array<T> conv2d_batched(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias, PerAxis<2> stride,
                        PerAxis<2> padding, PerAxis<2> dilation) {
  (void)x.template dims<4>("conv2d_batched");
  return conv2d(x, weight, bias,
                {.stride = stride,
                 .padding = PaddingMode::symmetric(padding[0], padding[1]),
                 .dilation = dilation});
}

template <class T>
Array<T> depthwise_conv2d_batched(const View<T>& x, ViewArg<T> weight, PerAxis<2> stride,
                                  PerAxis<2> padding) {
  (void)x.template dims<4>("depthwise_conv2d_batched");
  return depthwise_conv2d(
      x, weight, {.stride = stride, .padding = PaddingMode::symmetric(padding[0], padding[1])});
}

template <class T>
Array<T> grouped_conv2d(const View<T>& x, ViewArg<T> weight, Index groups, PerAxis<2> stride,
                        PerAxis<2> padding) {
  return conv2d(x, weight,
                {.stride = stride,
                 .padding = PaddingMode::symmetric(padding[0], padding[1]),
                 .groups = groups});
}

template <class T>
Index conv1d_workspace_bytes(const Shape& x, const Shape& weight, const Conv1dOptions& options,
                             ConvPass pass) {
  return workspace_bytes<T, 1>(x, weight, options, pass);
}
template <class T>
Index conv2d_workspace_bytes(const Shape& x, const Shape& weight, const Conv2dOptions& options,
                             ConvPass pass) {
  return workspace_bytes<T, 2>(x, weight, options, pass);
}
template <class T>
Index conv3d_workspace_bytes(const Shape& x, const Shape& weight, const Conv3dOptions& options,
                             ConvPass pass) {
  return workspace_bytes<T, 3>(x, weight, options, pass);
}

#define LAMINA_INSTANTIATE_FORWARD(T, F, Options)                                            \
  template LAMINA_EXPORT void F##_into<T>(const View<T>&, ViewArg<T>, ViewArg<T>, MutArg<T>, \
                                          const Options&);                                   \
  template LAMINA_EXPORT Array<T> F<T>(const View<T>&, ViewArg<T>, ViewArg<T>, const Options&);
#define LAMINA_INSTANTIATE_RANK(T, F, Options)                                                    \
  LAMINA_INSTANTIATE_FORWARD(T, F, Options)                                                       \
  template LAMINA_EXPORT Index F##_workspace_bytes<T>(const Shape&, const Shape&, const Options&, \
                                                      ConvPass);
#define LAMINA_INSTANTIATE(T)                                                                      \
  LAMINA_INSTANTIATE_RANK(T, conv1d, Conv1dOptions)                                                \
  LAMINA_INSTANTIATE_RANK(T, conv2d, Conv2dOptions)                                                \
  LAMINA_INSTANTIATE_RANK(T, conv3d, Conv3dOptions)                                                \
  LAMINA_INSTANTIATE_FORWARD(T, depthwise_conv2d, Conv2dOptions)                                   \
  template LAMINA_EXPORT Array<T> conv2d_batched<T>(const View<T>&, ViewArg<T>, ViewArg<T>,        \
                                                    PerAxis<2>, PerAxis<2>, PerAxis<2>);           \
  template LAMINA_EXPORT Array<T> depthwise_conv2d_batched<T>(const View<T>&, ViewArg<T>,          \
                                                              PerAxis<2>, PerAxis<2>);             \
  template LAMINA_EXPORT Array<T> grouped_conv2d<T>(const View<T>&, ViewArg<T>, Index, PerAxis<2>, \
                                                    PerAxis<2>);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
