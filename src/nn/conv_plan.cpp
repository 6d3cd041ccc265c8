#include "nn/conv_plan.hpp"

#include "nn/output.hpp"
#include "nn/window_limits.hpp"

namespace lamina::nn::detail {

template <int Rank>
ConvPlan make_conv_plan(const Shape& x, const Shape& weight, const ConvOptions<Rank>& options,
                        std::string_view operation) {
  ConvPlan plan;
  plan.rank = Rank;
  plan.format = options.format;
  plan.padding_value = options.padding_value;
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
    check_window_limits(operation, p.kernel[axis], p.stride[axis], p.dilation[axis]);
    const PaddingAmount amount = options.padding.resolve(
        i, p.in[axis], p.kernel[axis], p.stride[axis], p.dilation[axis], operation);
    check_padding_limit(operation, amount);
    const Index reach = p.dilation[axis] * (p.kernel[axis] - 1) + 1;
    const Index padded = p.in[axis] + amount.before + amount.behind;
    check(padded >= reach, ErrorKind::DimensionMismatch, operation, "kernel of extent ",
          p.kernel[axis], " with dilation ", p.dilation[axis], " is larger than the padded extent ",
          padded, "; x ", x, ", weight ", weight);
    p.out[axis] = (padded - reach) / p.stride[axis] + 1;
    plan.out[x_axis] = p.out[axis];
    padded_shape[x_axis] = padded;
    if (options.padding_value == PaddingValue::Zero) {
      p.padding[axis] = amount.before;
    } else {
      plan.explicit_padding[static_cast<std::size_t>(x_axis)] = amount;
      p.in[axis] = padded;
    }
  }
  check_result_size(operation, plan.out);
  check_padded_size(operation, padded_shape);
  return plan;
}

/// The options of conv2d for one group a channel of x.
Conv2dOptions depthwise_conv2d_options(const Shape& x, const Conv2dOptions& options,
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

template ConvPlan make_conv_plan(const Shape&, const Shape&, const ConvOptions<1>&,
                                 std::string_view);
template ConvPlan make_conv_plan(const Shape&, const Shape&, const ConvOptions<2>&,
                                 std::string_view);
template ConvPlan make_conv_plan(const Shape&, const Shape&, const ConvOptions<3>&,
                                 std::string_view);

}  // namespace lamina::nn::detail
