#include "lamina/nn/conv.hpp"
#include "lamina/nn/reduction.hpp"
#include "nn/conv_plan.hpp"
#include "nn/layout.hpp"
#include "nn/output.hpp"

namespace lamina::nn {

namespace {

using detail::ConvPlan;
using detail::depthwise_conv2d_options;
using detail::make_conv_plan;
using detail::PackedOut;

template <int Rank>
ConvPlan gradient_plan(const Shape& dy, const Shape& x, const Shape& weight,
                       const ConvOptions<Rank>& options, std::string_view operation) {
  check(options.activation == Activation::Identity, ErrorKind::InvalidOperation, operation,
        "apply activation_backward first: dy belongs to the sum before the activation");
  ConvPlan plan = make_conv_plan(x, weight, options, operation);
  check(dy == plan.out, ErrorKind::DimensionMismatch, operation, "dy must have shape ", plan.out,
        ", got ", dy, "; x ", x, ", weight ", weight);
  return plan;
}

template <class T>
void run_backward_input(const ConvPlan& plan, const View<T>& dy, const View<T>& weight,
                        const MutView<T>& dx) {
  const lamina::detail::Packed<T> weights(weight);
  const auto run = [&](const MutView<T>& target) {
    detail::conv_input_gradient<T>(plan.problem, plan.image(dy), weights.data(), nullptr,
                                   plan.mutable_image(target), {});
  };
  if (plan.pads_zeros()) {
    PackedOut<T> packed(dx);
    run(packed.view());
    packed.finish();
    return;
  }
  Shape padded_shape = dx.shape();
  for (int axis = 0; axis < padded_shape.rank(); ++axis) {
    const PaddingAmount amount = plan.explicit_padding[static_cast<std::size_t>(axis)];
    padded_shape[axis] += amount.before + amount.behind;
  }
  Array<T> padded = Array<T>::empty(padded_shape);
  run(padded);
  pad_backward_into<T>(padded, plan.explicit_padding, dx, plan.padding_value);
}

template <class T, int Rank>
void backward_input_into(const View<T>& dy, const View<T>& weight, const MutView<T>& dx,
                         const ConvOptions<Rank>& options, std::string_view operation) {
  detail::check_defined(dy, operation, "dy");
  detail::check_defined(weight, operation, "weight");
  detail::check_defined(dx, operation, "dx");
  const ConvPlan plan = gradient_plan(dy.shape(), dx.shape(), weight.shape(), options, operation);
  detail::check_output(dx, "dx", dx.shape(), operation, dy, weight);
  run_backward_input(plan, dy, weight, dx);
}

template <class T, int Rank>
Array<T> backward_input(const View<T>& dy, const View<T>& weight, const Shape& x_shape,
                        const ConvOptions<Rank>& options, std::string_view operation) {
  detail::check_defined(dy, operation, "dy");
  detail::check_defined(weight, operation, "weight");
  const ConvPlan plan = gradient_plan(dy.shape(), x_shape, weight.shape(), options, operation);
  Array<T> dx = Array<T>::empty(x_shape);
  run_backward_input<T>(plan, dy, weight, dx);
  return dx;
}

template <class T>
void run_backward_weight(const ConvPlan& plan, const View<T>& dy, const View<T>& x,
                         const MutView<T>& dweight) {
  const detail::ConvInput<T> input(plan, x);
  PackedOut<T> packed(dweight);
  detail::conv_weight_gradient<T>(plan.problem, plan.image(dy), input.image(), packed.data());
  packed.finish();
}

template <class T, int Rank>
void backward_weight_into(const View<T>& dy, const View<T>& x, const MutView<T>& dweight,
                          const ConvOptions<Rank>& options, std::string_view operation) {
  detail::check_defined(dy, operation, "dy");
  detail::check_defined(x, operation, "x");
  detail::check_defined(dweight, operation, "dweight");
  const ConvPlan plan = gradient_plan(dy.shape(), x.shape(), dweight.shape(), options, operation);
  detail::check_output(dweight, "dweight", dweight.shape(), operation, dy, x);
  run_backward_weight(plan, dy, x, dweight);
}

template <class T, int Rank>
Array<T> backward_weight(const View<T>& dy, const View<T>& x, const Shape& weight_shape,
                         const ConvOptions<Rank>& options, std::string_view operation) {
  detail::check_defined(dy, operation, "dy");
  detail::check_defined(x, operation, "x");
  const ConvPlan plan = gradient_plan(dy.shape(), x.shape(), weight_shape, options, operation);
  Array<T> dweight = Array<T>::empty(weight_shape);
  run_backward_weight<T>(plan, dy, x, dweight);
  return dweight;
}

}  // namespace

template <class T>
void depthwise_conv2d_backward_input_into(const View<T>& dy, ViewArg<T> weight, MutArg<T> dx,
                                          const Conv2dOptions& options) {
  constexpr std::string_view operation = "depthwise_conv2d_backward_input";
  detail::check_defined(dx, operation, "dx");
  backward_input_into<T, 2>(dy, weight, dx,
                            depthwise_conv2d_options(dx.shape(), options, operation), operation);
}
template <class T>
Array<T> depthwise_conv2d_backward_input(const View<T>& dy, ViewArg<T> weight, const Shape& x_shape,
                                         const Conv2dOptions& options) {
  constexpr std::string_view operation = "depthwise_conv2d_backward_input";
  return backward_input<T, 2>(dy, weight, x_shape,
                              depthwise_conv2d_options(x_shape, options, operation), operation);
}
template <class T>
void depthwise_conv2d_backward_weight_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dweight,
                                           const Conv2dOptions& options) {
  constexpr std::string_view operation = "depthwise_conv2d_backward_weight";
  detail::check_defined(x, operation, "x");
  backward_weight_into<T, 2>(dy, x, dweight,
                             depthwise_conv2d_options(x.shape(), options, operation), operation);
}
template <class T>
Array<T> depthwise_conv2d_backward_weight(const View<T>& dy, ViewArg<T> x,
                                          const Shape& weight_shape, const Conv2dOptions& options) {
  constexpr std::string_view operation = "depthwise_conv2d_backward_weight";
  detail::check_defined(x, operation, "x");
  return backward_weight<T, 2>(dy, x, weight_shape,
                               depthwise_conv2d_options(x.shape(), options, operation), operation);
}

#define LAMINA_DEFINE_GRADIENTS(F, Rank)                                                   \
  template <class T>                                                                       \
  void F##_backward_input_into(const View<T>& dy, ViewArg<T> weight, MutArg<T> dx,         \
                               const ConvOptions<Rank>& options) {                         \
    backward_input_into<T, Rank>(dy, weight, dx, options, #F "_backward_input");           \
  }                                                                                        \
  template <class T>                                                                       \
  Array<T> F##_backward_input(const View<T>& dy, ViewArg<T> weight, const Shape& x_shape,  \
                              const ConvOptions<Rank>& options) {                          \
    return backward_input<T, Rank>(dy, weight, x_shape, options, #F "_backward_input");    \
  }                                                                                        \
  template <class T>                                                                       \
  void F##_backward_weight_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dweight,        \
                                const ConvOptions<Rank>& options) {                        \
    backward_weight_into<T, Rank>(dy, x, dweight, options, #F "_backward_weight");         \
  }                                                                                        \
  template <class T>                                                                       \
  Array<T> F##_backward_weight(const View<T>& dy, ViewArg<T> x, const Shape& weight_shape, \
                               const ConvOptions<Rank>& options) {                         \
    return backward_weight<T, Rank>(dy, x, weight_shape, options, #F "_backward_weight");  \
  }
LAMINA_DEFINE_GRADIENTS(conv1d, 1)
LAMINA_DEFINE_GRADIENTS(conv2d, 2)
LAMINA_DEFINE_GRADIENTS(conv3d, 3)
#undef LAMINA_DEFINE_GRADIENTS

namespace {

template <class T>
ReduceOptions all_but_channels(const View<T>& dy, DataFormat format) {
  detail::check_defined(dy, "conv_backward_bias", "dy");
  check(dy.rank() >= 3, ErrorKind::DimensionMismatch, "conv_backward_bias",
        "dy must be a batch (N, O, spatial...), got shape ", dy.shape());
  ReduceOptions options;
  const int channel = format == DataFormat::NHWC ? dy.rank() - 1 : 1;
  for (int axis = 0; axis < dy.rank(); ++axis) {
    if (axis != channel) options.axes.push_back(axis);
  }
  return options;
}

}  // namespace

template <class T>
void conv_backward_bias_into(const View<T>& dy, MutArg<T> dbias, DataFormat format) {
  const ReduceOptions options = all_but_channels(dy, format);
  detail::check_output(dbias, "dbias", reduced_shape(dy.shape(), options), "conv_backward_bias",
                       dy);
  sum_into(dy, dbias, options);
}
template <class T>
Array<T> conv_backward_bias(const View<T>& dy, DataFormat format) {
  return sum(dy, all_but_channels(dy, format));
}

#define LAMINA_INSTANTIATE_GRADIENTS(T, F, Options)                                                \
  template LAMINA_EXPORT void F##_backward_input_into<T>(const View<T>&, ViewArg<T>, MutArg<T>,    \
                                                         const Options&);                          \
  template LAMINA_EXPORT void F##_backward_weight_into<T>(const View<T>&, ViewArg<T>, MutArg<T>,   \
                                                          const Options&);                         \
  template LAMINA_EXPORT Array<T> F##_backward_input<T>(const View<T>&, ViewArg<T>, const Shape&,  \
                                                        const Options&);                           \
  template LAMINA_EXPORT Array<T> F##_backward_weight<T>(const View<T>&, ViewArg<T>, const Shape&, \
                                                         const Options&);
#define LAMINA_INSTANTIATE(T)                                                                    \
  LAMINA_INSTANTIATE_GRADIENTS(T, conv1d, Conv1dOptions)                                         \
  LAMINA_INSTANTIATE_GRADIENTS(T, conv2d, Conv2dOptions)                                         \
  LAMINA_INSTANTIATE_GRADIENTS(T, conv3d, Conv3dOptions)                                         \
  LAMINA_INSTANTIATE_GRADIENTS(T, depthwise_conv2d, Conv2dOptions)                               \
  template LAMINA_EXPORT void conv_backward_bias_into<T>(const View<T>&, MutArg<T>, DataFormat); \
  template LAMINA_EXPORT Array<T> conv_backward_bias<T>(const View<T>&, DataFormat);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
