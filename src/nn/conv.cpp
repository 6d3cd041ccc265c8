#include "lamina/nn/conv.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lamina/core/parallel.hpp"
#include "lamina/nn/conv_packed.hpp"
#include "lamina/nn/reduction.hpp"
#include "nn/conv_arguments.hpp"
#include "nn/conv_weights.hpp"
#include "nn/layout.hpp"
#include "nn/output.hpp"
#include "nn/window_limits.hpp"

namespace lamina::nn {

namespace {

using detail::channel_axis;
using detail::check_bias;
using detail::ConvImage;
using detail::ConvShape;
using detail::Form;
using detail::form_of;
using detail::FusedActivation;
using detail::image_of;
using detail::mutable_image_of;
using detail::PackedOut;
using detail::spatial_axis;

/// What a call amounts to: the problem, and the shape of its result.
struct Plan {
  ConvShape problem;
  Form form = Form::Batch;
  Shape out;
  std::vector<PaddingAmount> explicit_padding;  ///< of x's axes, where not zeros are padded
};

template <int Rank>
Plan make_plan(const Shape& x, const Shape& weight, const ConvOptions<Rank>& options,
               std::string_view operation) {
  Plan plan;
  plan.form = form_of(x, Rank, operation);
  ConvShape& p = plan.problem;
  const bool map = plan.form == Form::Map;
  check(weight.rank() == (map ? Rank : Rank + 2), ErrorKind::DimensionMismatch, operation,
        "weight must have rank ", map ? Rank : Rank + 2, " for x of shape ", x, ", got shape ",
        weight);
  check(options.groups >= 1, ErrorKind::InvalidOperation, operation,
        "groups must be at least 1, got ", options.groups);
  p.groups = options.groups;
  p.winograd = options.algorithm == ConvAlgorithm::Auto && winograd_allowed();
  if (plan.form == Form::Batch) p.images = x[0];
  if (!map) {
    p.in_channels = x[channel_axis(x, plan.form, options.format)];
    p.out_channels = weight[0];
    check(p.in_channels % p.groups == 0 && p.out_channels % p.groups == 0,
          ErrorKind::InvalidOperation, operation, "groups ", p.groups, " must divide the ",
          p.in_channels, " channels of x and the ", p.out_channels, " of weight; x ", x,
          ", weight ", weight);
    check(weight[1] == p.in_group(), ErrorKind::DimensionMismatch, operation, "weight has ",
          weight[1], " input channels, x has ", p.in_group(), p.groups > 1 ? " a group" : "",
          "; x ", x, ", weight ", weight, ", groups ", p.groups);
  } else {
    check(p.groups == 1, ErrorKind::InvalidOperation, operation, "a single map has no groups, got ",
          p.groups);
  }
  Shape padded_shape = x;
  plan.out = x;
  if (!map) plan.out[channel_axis(x, plan.form, options.format)] = p.out_channels;
  plan.explicit_padding.resize(static_cast<std::size_t>(x.rank()));
  for (int i = 0; i < Rank; ++i) {
    const auto axis = static_cast<std::size_t>(3 - Rank + i);
    const auto at = static_cast<std::size_t>(i);
    const int x_axis = spatial_axis(plan.form, options.format, i);
    p.stride[axis] = options.stride[at];
    p.dilation[axis] = options.dilation[at];
    p.kernel[axis] = weight[map ? i : i + 2];
    p.in[axis] = x[x_axis];
    check(p.stride[axis] >= 1, ErrorKind::InvalidOperation, operation,
          "stride must be at least 1, got ", p.stride[axis]);
    check(p.dilation[axis] >= 1, ErrorKind::InvalidOperation, operation,
          "dilation must be at least 1, got ", p.dilation[axis]);
    check(p.kernel[axis] >= 1, ErrorKind::InvalidOperation, operation,
          "weight has no kernel elements; weight ", weight);
    detail::check_window_limits(operation, p.kernel[axis], p.stride[axis], p.dilation[axis]);
    const PaddingAmount amount = options.padding.resolve(
        i, p.in[axis], p.kernel[axis], p.stride[axis], p.dilation[axis], operation);
    detail::check_padding_limit(operation, amount);
    const Index reach = p.dilation[axis] * (p.kernel[axis] - 1) + 1;
    const Index padded = p.in[axis] + amount.before + amount.behind;
    check(padded >= reach, ErrorKind::DimensionMismatch, operation, "kernel of extent ",
          p.kernel[axis], " with dilation ", p.dilation[axis], " is larger than the padded extent ",
          padded, "; x ", x, ", weight ", weight);
    p.out[axis] = (padded - reach) / p.stride[axis] + 1;
    plan.out[x_axis] = p.out[axis];
    if (options.padding_value == PaddingValue::Zero) {
      p.padding[axis] = amount.before;
    } else {
      plan.explicit_padding[static_cast<std::size_t>(x_axis)] = amount;
      p.in[axis] = padded;
      padded_shape[x_axis] = padded;
    }
  }
  detail::check_result_size(operation, plan.out);
  detail::check_result_size(operation, padded_shape);
  return plan;
}

template <int Rank>
constexpr std::string_view name() {
  return Rank == 1 ? "conv1d" : Rank == 2 ? "conv2d" : "conv3d";
}

/// weight contiguous, and nullptr or what was prepared of it.
template <class T, int Rank>
void run_forward(const Plan& plan, const View<T>& x, const T* weight,
                 const detail::PreparedWeights<T>* prepared, const View<T>& bias,
                 const MutView<T>& out, const ConvOptions<Rank>& options,
                 std::string_view operation) {
  const FusedActivation<T> fused(options.activation, options.activation_params, operation);
  const lamina::detail::Packed<T> biases(bias.defined() ? bias : View<T>(nullptr, Shape{0}));
  Array<T> padded;
  ConvImage<const T> image;
  if (options.padding_value == PaddingValue::Zero) {
    image = image_of(x, plan.form, options.format, Rank);
  } else {
    padded = pad(x, plan.explicit_padding, options.padding_value);
    image = image_of<T>(padded, plan.form, options.format, Rank);
  }
  detail::conv_forward<T>(plan.problem, image, weight, bias.defined() ? biases.data() : nullptr,
                          mutable_image_of(out, plan.form, options.format, Rank), fused.finish(),
                          prepared);
}

template <class T, int Rank>
void run_forward(const Plan& plan, const View<T>& x, const View<T>& weight, const View<T>& bias,
                 const MutView<T>& out, const ConvOptions<Rank>& options,
                 std::string_view operation) {
  const lamina::detail::Packed<T> weights(weight);
  run_forward<T>(plan, x, weights.data(), nullptr, bias, out, options, operation);
}

template <class T, int Rank>
void forward_into(const View<T>& x, const View<T>& weight, const View<T>& bias,
                  const MutView<T>& out, const ConvOptions<Rank>& options,
                  std::string_view operation = name<Rank>()) {
  detail::check_defined(x, operation, "x");
  detail::check_defined(weight, operation, "weight");
  const Plan plan = make_plan(x.shape(), weight.shape(), options, operation);
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
  const Plan plan = make_plan(x.shape(), weight.shape(), options, operation);
  check_bias<T>(bias, plan.problem.out_channels, operation);
  Array<T> out = Array<T>::empty(plan.out);
  run_forward<T>(plan, x, weight, bias, out, options, operation);
  return out;
}

template <int Rank>
Plan gradient_plan(const Shape& dy, const Shape& x, const Shape& weight,
                   const ConvOptions<Rank>& options, std::string_view operation) {
  check(options.activation == Activation::Identity, ErrorKind::InvalidOperation, operation,
        "apply activation_backward first: dy belongs to the sum before the activation");
  Plan plan = make_plan(x, weight, options, operation);
  check(dy == plan.out, ErrorKind::DimensionMismatch, operation, "dy must have shape ", plan.out,
        ", got ", dy, "; x ", x, ", weight ", weight);
  return plan;
}

template <class T, int Rank>
void run_backward_input(const Plan& plan, const View<T>& dy, const View<T>& weight,
                        const MutView<T>& dx, const ConvOptions<Rank>& options) {
  const lamina::detail::Packed<T> weights(weight);
  const auto run = [&](const MutView<T>& target) {
    detail::conv_input_gradient<T>(plan.problem, image_of(dy, plan.form, options.format, Rank),
                                   weights.data(), nullptr,
                                   mutable_image_of(target, plan.form, options.format, Rank), {});
  };
  if (options.padding_value == PaddingValue::Zero) {
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
  pad_backward_into<T>(padded, plan.explicit_padding, dx, options.padding_value);
}

template <class T, int Rank>
void backward_input_into(const View<T>& dy, const View<T>& weight, const MutView<T>& dx,
                         const ConvOptions<Rank>& options, std::string_view operation) {
  detail::check_defined(dy, operation, "dy");
  detail::check_defined(weight, operation, "weight");
  detail::check_defined(dx, operation, "dx");
  const Plan plan = gradient_plan(dy.shape(), dx.shape(), weight.shape(), options, operation);
  detail::check_output(dx, "dx", dx.shape(), operation, dy, weight);
  run_backward_input(plan, dy, weight, dx, options);
}

template <class T, int Rank>
Array<T> backward_input(const View<T>& dy, const View<T>& weight, const Shape& x_shape,
                        const ConvOptions<Rank>& options, std::string_view operation) {
  detail::check_defined(dy, operation, "dy");
  detail::check_defined(weight, operation, "weight");
  const Plan plan = gradient_plan(dy.shape(), x_shape, weight.shape(), options, operation);
  Array<T> dx = Array<T>::empty(x_shape);
  run_backward_input<T>(plan, dy, weight, dx, options);
  return dx;
}

template <class T, int Rank>
void run_backward_weight(const Plan& plan, const View<T>& dy, const View<T>& x,
                         const MutView<T>& dweight, const ConvOptions<Rank>& options) {
  Array<T> padded;
  ConvImage<const T> image;
  if (options.padding_value == PaddingValue::Zero) {
    image = image_of(x, plan.form, options.format, Rank);
  } else {
    padded = pad(x, plan.explicit_padding, options.padding_value);
    image = image_of<T>(padded, plan.form, options.format, Rank);
  }
  PackedOut<T> packed(dweight);
  detail::conv_weight_gradient<T>(plan.problem, image_of(dy, plan.form, options.format, Rank),
                                  image, packed.data());
  packed.finish();
}

template <class T, int Rank>
void backward_weight_into(const View<T>& dy, const View<T>& x, const MutView<T>& dweight,
                          const ConvOptions<Rank>& options, std::string_view operation) {
  detail::check_defined(dy, operation, "dy");
  detail::check_defined(x, operation, "x");
  detail::check_defined(dweight, operation, "dweight");
  const Plan plan = gradient_plan(dy.shape(), x.shape(), dweight.shape(), options, operation);
  detail::check_output(dweight, "dweight", dweight.shape(), operation, dy, x);
  run_backward_weight(plan, dy, x, dweight, options);
}

template <class T, int Rank>
Array<T> backward_weight(const View<T>& dy, const View<T>& x, const Shape& weight_shape,
                         const ConvOptions<Rank>& options, std::string_view operation) {
  detail::check_defined(dy, operation, "dy");
  detail::check_defined(x, operation, "x");
  const Plan plan = gradient_plan(dy.shape(), x.shape(), weight_shape, options, operation);
  Array<T> dweight = Array<T>::empty(weight_shape);
  run_backward_weight<T>(plan, dy, x, dweight, options);
  return dweight;
}

/// The options of conv2d for one group a channel of x.
Conv2dOptions depthwise_options(const Shape& x, const Conv2dOptions& options,
                                std::string_view operation) {
  const Form form = form_of(x, 2, operation);
  if (form == Form::Map) return options;
  Conv2dOptions grouped = options;
  grouped.groups = x[channel_axis(x, form, options.format)];
  check(grouped.groups >= 1, ErrorKind::DimensionMismatch, operation, "x has no channels; x ", x);
  check(options.groups == 1 || options.groups == grouped.groups, ErrorKind::InvalidOperation,
        operation, "groups follow from the channels of x; got ", options.groups);
  return grouped;
}

/// separable_conv2d: its two convolutions, and the map between them.
struct SeparablePlan {
  Conv2dOptions along;   ///< of the depthwise convolution
  Conv2dOptions across;  ///< of the pointwise one
  Shape between;
  Shape out;
};

template <class T>
SeparablePlan separable_plan(const View<T>& x, const View<T>& depthwise, const View<T>& pointwise,
                             const Conv2dOptions& options, std::string_view operation) {
  detail::check_defined(x, operation, "x");
  detail::check_defined(depthwise, operation, "depthwise");
  detail::check_defined(pointwise, operation, "pointwise");
  check(x.rank() >= 3, ErrorKind::DimensionMismatch, operation, "x must have channels, got shape ",
        x.shape());
  check(pointwise.rank() == 4 && pointwise.shape()[2] == 1 && pointwise.shape()[3] == 1,
        ErrorKind::DimensionMismatch, operation, "pointwise must have shape (O, C, 1, 1), got ",
        pointwise.shape());
  SeparablePlan plan;
  plan.along = depthwise_options(x.shape(), options, operation);
  plan.along.activation = Activation::Identity;
  plan.along.activation_params = {};
  plan.across.format = options.format;
  plan.across.activation = options.activation;
  plan.across.activation_params = options.activation_params;
  plan.between = make_plan(x.shape(), depthwise.shape(), plan.along, operation).out;
  plan.out = make_plan(plan.between, pointwise.shape(), plan.across, operation).out;
  return plan;
}

std::atomic<bool> winograd_is_allowed{true};

template <class T, int Rank>
Index workspace_bytes(const Shape& x, const Shape& weight, const ConvOptions<Rank>& options,
                      ConvPass pass) {
  const std::string operation = std::string(name<Rank>()).append("_workspace_bytes");
  const Plan plan = make_plan(x, weight, options, operation);
  const bool last = options.format == DataFormat::NHWC && plan.form != Form::Map;
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
  if (options.padding_value == PaddingValue::Zero) return bytes;
  // The padded copy, and what pad and its gradient make axis by axis.
  const Index padded = plan.problem.images * plan.problem.in_channels * plan.problem.in_positions();
  return bytes + 3 * padded * static_cast<Index>(sizeof(T));
}

template <class T>
Plan packed_plan(const View<T>& x, const PackedConv2dWeight<T>& weight, const View<T>& bias) {
  detail::check_defined(x, "conv2d", "x");
  check(weight.defined(), ErrorKind::InvalidOperation, "conv2d", "weight holds nothing");
  Plan plan = make_plan(x.shape(), weight.weight_shape(), weight.options(), "conv2d");
  check_bias<T>(bias, plan.problem.out_channels, "conv2d");
  return plan;
}

template <class T>
void run_packed(const Plan& plan, const View<T>& x, const PackedConv2dWeight<T>& weight,
                const View<T>& bias, const MutView<T>& out) {
  run_forward<T>(plan, x, weight.get()->plain.data(), weight.get(), bias, out, weight.options(),
                 "conv2d");
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
  forward_into<T, 2>(x, weight, bias, out, depthwise_options(x.shape(), options, operation),
                     operation);
}
template <class T>
Array<T> depthwise_conv2d(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias,
                          const Conv2dOptions& options) {
  constexpr std::string_view operation = "depthwise_conv2d";
  detail::check_defined(x, operation, "x");
  return forward<T, 2>(x, weight, bias, depthwise_options(x.shape(), options, operation),
                       operation);
}

template <class T>
void depthwise_conv2d_backward_input_into(const View<T>& dy, ViewArg<T> weight, MutArg<T> dx,
                                          const Conv2dOptions& options) {
  constexpr std::string_view operation = "depthwise_conv2d_backward_input";
  detail::check_defined(dx, operation, "dx");
  backward_input_into<T, 2>(dy, weight, dx, depthwise_options(dx.shape(), options, operation),
                            operation);
}
template <class T>
Array<T> depthwise_conv2d_backward_input(const View<T>& dy, ViewArg<T> weight, const Shape& x_shape,
                                         const Conv2dOptions& options) {
  constexpr std::string_view operation = "depthwise_conv2d_backward_input";
  return backward_input<T, 2>(dy, weight, x_shape, depthwise_options(x_shape, options, operation),
                              operation);
}
template <class T>
void depthwise_conv2d_backward_weight_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dweight,
                                           const Conv2dOptions& options) {
  constexpr std::string_view operation = "depthwise_conv2d_backward_weight";
  detail::check_defined(x, operation, "x");
  backward_weight_into<T, 2>(dy, x, dweight, depthwise_options(x.shape(), options, operation),
                             operation);
}
template <class T>
Array<T> depthwise_conv2d_backward_weight(const View<T>& dy, ViewArg<T> x,
                                          const Shape& weight_shape, const Conv2dOptions& options) {
  constexpr std::string_view operation = "depthwise_conv2d_backward_weight";
  detail::check_defined(x, operation, "x");
  return backward_weight<T, 2>(dy, x, weight_shape,
                               depthwise_options(x.shape(), options, operation), operation);
}

template <class T>
void separable_conv2d_into(const View<T>& x, ViewArg<T> depthwise, ViewArg<T> pointwise,
                           ViewArg<T> bias, MutArg<T> out, const Conv2dOptions& options) {
  constexpr std::string_view operation = "separable_conv2d";
  const SeparablePlan plan = separable_plan<T>(x, depthwise, pointwise, options, operation);
  check_bias<T>(bias, pointwise.shape()[0], operation);
  detail::check_output(out, "out", plan.out, operation, x, depthwise, pointwise, bias);
  const Array<T> between = forward<T, 2>(x, depthwise, View<T>(), plan.along, operation);
  forward_into<T, 2>(between, pointwise, bias, out, plan.across, operation);
}
template <class T>
Array<T> separable_conv2d(const View<T>& x, ViewArg<T> depthwise, ViewArg<T> pointwise,
                          ViewArg<T> bias, const Conv2dOptions& options) {
  constexpr std::string_view operation = "separable_conv2d";
  const SeparablePlan plan = separable_plan<T>(x, depthwise, pointwise, options, operation);
  check_bias<T>(bias, pointwise.shape()[0], operation);
  const Array<T> between = forward<T, 2>(x, depthwise, View<T>(), plan.along, operation);
  return forward<T, 2>(between, pointwise, bias, plan.across, operation);
}

template <class T>
void separable_conv2d_backward_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> depthwise,
                                    ViewArg<T> pointwise, MutArg<T> dx, MutArg<T> ddepthwise,
                                    MutArg<T> dpointwise, const Conv2dOptions& options) {
  constexpr std::string_view operation = "separable_conv2d_backward";
  check(options.activation == Activation::Identity, ErrorKind::InvalidOperation, operation,
        "apply activation_backward first: dy belongs to the sum before the activation");
  const SeparablePlan plan = separable_plan<T>(x, depthwise, pointwise, options, operation);
  detail::check_defined(dy, operation, "dy");
  check(dy.shape() == plan.out, ErrorKind::DimensionMismatch, operation, "dy must have shape ",
        plan.out, ", got ", dy.shape());
  const auto check_result = [&](const MutView<T>& out, std::string_view name, const Shape& shape) {
    if (out.defined()) {
      detail::check_output(out, name, shape, operation, dy, x, depthwise, pointwise);
    }
  };
  check_result(dx, "dx", x.shape());
  check_result(ddepthwise, "ddepthwise", depthwise.shape());
  check_result(dpointwise, "dpointwise", pointwise.shape());
  detail::check_outputs_apart(dx, "dx", ddepthwise, "ddepthwise", operation);
  detail::check_outputs_apart(dx, "dx", dpointwise, "dpointwise", operation);
  detail::check_outputs_apart(ddepthwise, "ddepthwise", dpointwise, "dpointwise", operation);
  if (dpointwise.defined()) {
    const Array<T> between = forward<T, 2>(x, depthwise, View<T>(), plan.along, operation);
    backward_weight_into<T, 2>(dy, between, dpointwise, plan.across, operation);
  }
  if (!dx.defined() && !ddepthwise.defined()) return;
  const Array<T> dbetween =
      backward_input<T, 2>(dy, pointwise, plan.between, plan.across, operation);
  if (dx.defined()) backward_input_into<T, 2>(dbetween, depthwise, dx, plan.along, operation);
  if (ddepthwise.defined()) {
    backward_weight_into<T, 2>(dbetween, x, ddepthwise, plan.along, operation);
  }
}
template <class T>
SeparableConv2dGradients<T> separable_conv2d_backward(const View<T>& dy, ViewArg<T> x,
                                                      ViewArg<T> depthwise, ViewArg<T> pointwise,
                                                      const Conv2dOptions& options) {
  SeparableConv2dGradients<T> d{Array<T>::empty(x.shape()), Array<T>::empty(depthwise.shape()),
                                Array<T>::empty(pointwise.shape())};
  separable_conv2d_backward_into<T>(dy, x, depthwise, pointwise, d.dx, d.ddepthwise, d.dpointwise,
                                    options);
  return d;
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

template <class T>
std::size_t PackedConv2dWeight<T>::bytes() const noexcept {
  return defined() ? static_cast<std::size_t>(prepared_->size()) * sizeof(T) : 0;
}

template <class T>
PackedConv2dWeight<T> pack_conv2d_weight(const View<T>& weight, const Shape& x_shape,
                                         const Conv2dOptions& options) {
  constexpr std::string_view operation = "pack_conv2d_weight";
  detail::check_defined(weight, operation, "weight");
  const FusedActivation<T> checked(options.activation, options.activation_params, operation);
  const Plan plan = make_plan(x_shape, weight.shape(), options, operation);
  const lamina::detail::Packed<T> weights(weight);
  const View<T> x(nullptr, x_shape);
  auto prepared = std::make_shared<const detail::PreparedWeights<T>>(detail::prepare_weights<T>(
      plan.problem, image_of(x, plan.form, options.format, 2),
      options.format == DataFormat::NHWC && plan.form != Form::Map, weights.data()));
  return {std::move(prepared), weight.shape(), options};
}

template <class T>
void conv2d_into(const View<T>& x, const PackedConv2dWeight<std::type_identity_t<T>>& weight,
                 ViewArg<T> bias, MutArg<T> out) {
  const Plan plan = packed_plan<T>(x, weight, bias);
  detail::check_output(out, "out", plan.out, "conv2d", x, bias);
  PackedOut<T> packed(out);
  run_packed<T>(plan, x, weight, bias, packed.view());
  packed.finish();
}

template <class T>
Array<T> conv2d(const View<T>& x, const PackedConv2dWeight<std::type_identity_t<T>>& weight,
                ViewArg<T> bias) {
  const Plan plan = packed_plan<T>(x, weight, bias);
  Array<T> out = Array<T>::empty(plan.out);
  run_packed<T>(plan, x, weight, bias, out);
  return out;
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
#define LAMINA_INSTANTIATE_FORWARD(T, F, Options)                                               \
  template LAMINA_EXPORT void F##_into<T>(const View<T>&, ViewArg<T>, ViewArg<T>, MutArg<T>,    \
                                          const Options&);                                      \
  template LAMINA_EXPORT Array<T> F<T>(const View<T>&, ViewArg<T>, ViewArg<T>, const Options&); \
  LAMINA_INSTANTIATE_GRADIENTS(T, F, Options)
#define LAMINA_INSTANTIATE_RANK(T, F, Options)                                                    \
  LAMINA_INSTANTIATE_FORWARD(T, F, Options)                                                       \
  template LAMINA_EXPORT Index F##_workspace_bytes<T>(const Shape&, const Shape&, const Options&, \
                                                      ConvPass);
#define LAMINA_INSTANTIATE(T)                                                                      \
  LAMINA_INSTANTIATE_RANK(T, conv1d, Conv1dOptions)                                                \
  LAMINA_INSTANTIATE_RANK(T, conv2d, Conv2dOptions)                                                \
  LAMINA_INSTANTIATE_RANK(T, conv3d, Conv3dOptions)                                                \
  LAMINA_INSTANTIATE_FORWARD(T, depthwise_conv2d, Conv2dOptions)                                   \
  template LAMINA_EXPORT void separable_conv2d_into<T>(                                            \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, MutArg<T>, const Conv2dOptions&);        \
  template LAMINA_EXPORT Array<T> separable_conv2d<T>(const View<T>&, ViewArg<T>, ViewArg<T>,      \
                                                      ViewArg<T>, const Conv2dOptions&);           \
  template LAMINA_EXPORT void separable_conv2d_backward_into<T>(                                   \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, MutArg<T>, MutArg<T>, MutArg<T>,         \
      const Conv2dOptions&);                                                                       \
  template LAMINA_EXPORT SeparableConv2dGradients<T> separable_conv2d_backward<T>(                 \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, const Conv2dOptions&);                   \
  template LAMINA_EXPORT Array<T> conv2d_batched<T>(const View<T>&, ViewArg<T>, ViewArg<T>,        \
                                                    PerAxis<2>, PerAxis<2>, PerAxis<2>);           \
  template LAMINA_EXPORT Array<T> depthwise_conv2d_batched<T>(const View<T>&, ViewArg<T>,          \
                                                              PerAxis<2>, PerAxis<2>);             \
  template LAMINA_EXPORT Array<T> grouped_conv2d<T>(const View<T>&, ViewArg<T>, Index, PerAxis<2>, \
                                                    PerAxis<2>);                                   \
  template LAMINA_EXPORT void conv_backward_bias_into<T>(const View<T>&, MutArg<T>, DataFormat);   \
  template LAMINA_EXPORT Array<T> conv_backward_bias<T>(const View<T>&, DataFormat);               \
  template class PackedConv2dWeight<T>;                                                            \
  template LAMINA_EXPORT PackedConv2dWeight<T> pack_conv2d_weight<T>(const View<T>&, const Shape&, \
                                                                     const Conv2dOptions&);        \
  template LAMINA_EXPORT void conv2d_into<T>(const View<T>&, const PackedConv2dWeight<T>&,         \
                                             ViewArg<T>, MutArg<T>);                               \
  template LAMINA_EXPORT Array<T> conv2d<T>(const View<T>&, const PackedConv2dWeight<T>&,          \
                                            ViewArg<T>);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
