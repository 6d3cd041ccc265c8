#include "lamina/nn/conv_transpose.hpp"

#include <string>

#include "nn/conv_arguments.hpp"
#include "nn/layout.hpp"
#include "nn/output.hpp"
#include "nn/window_limits.hpp"

namespace lamina::nn {

namespace {

using detail::channel_axis;
using detail::check_bias;
using detail::ConvShape;
using detail::Form;
using detail::form_of;
using detail::FusedActivation;
using detail::image_of;
using detail::mutable_image_of;
using detail::PackedOut;
using detail::spatial_axis;

/// The convolution that goes from the result back to x, and the shape of the result.
struct Plan {
  ConvShape problem;  ///< in: the result, out: x
  Form form = Form::Batch;
  Shape out;
};

/// One axis: the extent of the result and what is cut off before it.
struct Extent {
  Index out = 0;
  Index before = 0;
};

template <int Rank>
Extent extent_of(int axis, Index in, Index kernel, const ConvTransposeOptions<Rank>& options,
                 std::string_view operation) {
  const auto at = static_cast<std::size_t>(axis);
  const Index stride = options.stride[at];
  const Index dilation = options.dilation[at];
  const Index extra = options.output_padding[at];
  check(extra >= 0 && (extra < stride || extra < dilation), ErrorKind::InvalidOperation, operation,
        "output_padding must be at least 0 and below stride ", stride, " or dilation ", dilation,
        ", got ", extra);
  detail::check_window_limits(operation, kernel, stride, dilation);
  check(in <= (Index{1} << 61) / std::max<Index>(stride, 1), ErrorKind::InvalidOperation, operation,
        "extent ", in, " with stride ", stride, " makes too large a result");
  if (options.padding.kind() == PaddingMode::Kind::Same) {
    check(extra == 0, ErrorKind::InvalidOperation, operation,
          "padding same() already says the extent of the result: output_padding must be 0, got ",
          extra);
    const Index out = in * stride;
    return {out, options.padding.resolve(axis, out, kernel, stride, dilation, operation).before};
  }
  const PaddingAmount cut = options.padding.resolve(axis, in, kernel, stride, dilation, operation);
  detail::check_padding_limit(operation, cut);
  return {(in - 1) * stride + dilation * (kernel - 1) + 1 + extra - cut.before - cut.behind,
          cut.before};
}

template <int Rank>
Plan make_plan(const Shape& x, const Shape& weight, const ConvTransposeOptions<Rank>& options,
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
  if (plan.form == Form::Batch) p.images = x[0];
  plan.out = x;
  if (!map) {
    const int channel = channel_axis(x, plan.form, options.format);
    p.out_channels = x[channel];
    p.in_channels = weight[1] * p.groups;
    check(weight[0] == p.out_channels, ErrorKind::DimensionMismatch, operation, "weight is for ",
          weight[0], " channels, x has ", p.out_channels, "; x ", x, ", weight ", weight);
    check(p.out_channels % p.groups == 0, ErrorKind::InvalidOperation, operation, "groups ",
          p.groups, " must divide the ", p.out_channels, " channels of x; x ", x, ", weight ",
          weight);
    plan.out[channel] = p.in_channels;
  } else {
    check(p.groups == 1, ErrorKind::InvalidOperation, operation, "a single map has no groups, got ",
          p.groups);
  }
  for (int i = 0; i < Rank; ++i) {
    const auto axis = static_cast<std::size_t>(3 - Rank + i);
    const auto at = static_cast<std::size_t>(i);
    const int x_axis = spatial_axis(plan.form, options.format, i);
    p.stride[axis] = options.stride[at];
    p.dilation[axis] = options.dilation[at];
    p.kernel[axis] = weight[map ? i : i + 2];
    p.out[axis] = x[x_axis];
    check(p.stride[axis] >= 1, ErrorKind::InvalidOperation, operation,
          "stride must be at least 1, got ", p.stride[axis]);
    check(p.dilation[axis] >= 1, ErrorKind::InvalidOperation, operation,
          "dilation must be at least 1, got ", p.dilation[axis]);
    check(p.kernel[axis] >= 1, ErrorKind::InvalidOperation, operation,
          "weight has no kernel elements; weight ", weight);
    check(p.out[axis] >= 1, ErrorKind::DimensionMismatch, operation,
          "x has an empty spatial axis; x ", x);
    const Extent extent = extent_of(i, p.out[axis], p.kernel[axis], options, operation);
    check(extent.out >= 1, ErrorKind::DimensionMismatch, operation, "padding leaves a result of ",
          extent.out, " elements along an axis; x ", x, ", weight ", weight);
    p.in[axis] = extent.out;
    p.padding[axis] = extent.before;
    plan.out[x_axis] = extent.out;
  }
  detail::check_result_size(operation, plan.out);
  return plan;
}

template <int Rank>
constexpr std::string_view name() {
  return Rank == 1 ? "conv_transpose1d" : Rank == 2 ? "conv_transpose2d" : "conv_transpose3d";
}

template <class T, int Rank>
void run_forward(const Plan& plan, const View<T>& x, const View<T>& weight, const View<T>& bias,
                 const MutView<T>& out, const ConvTransposeOptions<Rank>& options) {
  const FusedActivation<T> fused(options.activation, options.activation_params, name<Rank>());
  const lamina::detail::Packed<T> weights(weight);
  const lamina::detail::Packed<T> biases(bias.defined() ? bias : View<T>(nullptr, Shape{0}));
  detail::conv_input_gradient<T>(plan.problem, image_of(x, plan.form, options.format, Rank),
                                 weights.data(), bias.defined() ? biases.data() : nullptr,
                                 mutable_image_of(out, plan.form, options.format, Rank),
                                 fused.finish());
}

template <class T, int Rank>
void forward_into(const View<T>& x, const View<T>& weight, const View<T>& bias,
                  const MutView<T>& out, const ConvTransposeOptions<Rank>& options) {
  constexpr std::string_view operation = name<Rank>();
  detail::check_defined(x, operation, "x");
  detail::check_defined(weight, operation, "weight");
  const Plan plan = make_plan(x.shape(), weight.shape(), options, operation);
  check_bias<T>(bias, plan.problem.in_channels, operation);
  detail::check_output(out, "out", plan.out, operation, x, weight, bias);
  PackedOut<T> packed(out);
  run_forward<T>(plan, x, weight, bias, packed.view(), options);
  packed.finish();
}

template <class T, int Rank>
Array<T> forward(const View<T>& x, const View<T>& weight, const View<T>& bias,
                 const ConvTransposeOptions<Rank>& options) {
  constexpr std::string_view operation = name<Rank>();
  detail::check_defined(x, operation, "x");
  detail::check_defined(weight, operation, "weight");
  const Plan plan = make_plan(x.shape(), weight.shape(), options, operation);
  check_bias<T>(bias, plan.problem.in_channels, operation);
  Array<T> out = Array<T>::empty(plan.out);
  run_forward<T>(plan, x, weight, bias, out, options);
  return out;
}

template <int Rank>
Plan gradient_plan(const Shape& dy, const Shape& x, const Shape& weight,
                   const ConvTransposeOptions<Rank>& options, std::string_view operation) {
  check(options.activation == Activation::Identity, ErrorKind::InvalidOperation, operation,
        "apply activation_backward first: dy belongs to the sum before the activation");
  Plan plan = make_plan(x, weight, options, operation);
  check(dy == plan.out, ErrorKind::DimensionMismatch, operation, "dy must have shape ", plan.out,
        ", got ", dy, "; x ", x, ", weight ", weight);
  return plan;
}

template <class T, int Rank>
void run_backward_input(const Plan& plan, const View<T>& dy, const View<T>& weight,
                        const MutView<T>& dx, const ConvTransposeOptions<Rank>& options) {
  const lamina::detail::Packed<T> weights(weight);
  PackedOut<T> packed(dx);
  detail::conv_forward<T>(plan.problem, image_of(dy, plan.form, options.format, Rank),
                          weights.data(), nullptr,
                          mutable_image_of<T>(packed.view(), plan.form, options.format, Rank), {});
  packed.finish();
}

template <class T, int Rank>
void backward_input_into(const View<T>& dy, const View<T>& weight, const MutView<T>& dx,
                         const ConvTransposeOptions<Rank>& options, std::string_view operation) {
  detail::check_defined(dy, operation, "dy");
  detail::check_defined(weight, operation, "weight");
  detail::check_defined(dx, operation, "dx");
  const Plan plan = gradient_plan(dy.shape(), dx.shape(), weight.shape(), options, operation);
  detail::check_output(dx, "dx", dx.shape(), operation, dy, weight);
  run_backward_input(plan, dy, weight, dx, options);
}

template <class T, int Rank>
Array<T> backward_input(const View<T>& dy, const View<T>& weight, const Shape& x_shape,
                        const ConvTransposeOptions<Rank>& options, std::string_view operation) {
  detail::check_defined(dy, operation, "dy");
  detail::check_defined(weight, operation, "weight");
  const Plan plan = gradient_plan(dy.shape(), x_shape, weight.shape(), options, operation);
  Array<T> dx = Array<T>::empty(x_shape);
  run_backward_input<T>(plan, dy, weight, dx, options);
  return dx;
}

template <class T, int Rank>
void run_backward_weight(const Plan& plan, const View<T>& dy, const View<T>& x,
                         const MutView<T>& dweight, const ConvTransposeOptions<Rank>& options) {
  PackedOut<T> packed(dweight);
  detail::conv_weight_gradient<T>(plan.problem, image_of(x, plan.form, options.format, Rank),
                                  image_of(dy, plan.form, options.format, Rank), packed.data());
  packed.finish();
}

template <class T, int Rank>
void backward_weight_into(const View<T>& dy, const View<T>& x, const MutView<T>& dweight,
                          const ConvTransposeOptions<Rank>& options, std::string_view operation) {
  detail::check_defined(dy, operation, "dy");
  detail::check_defined(x, operation, "x");
  detail::check_defined(dweight, operation, "dweight");
  const Plan plan = gradient_plan(dy.shape(), x.shape(), dweight.shape(), options, operation);
  detail::check_output(dweight, "dweight", dweight.shape(), operation, dy, x);
  run_backward_weight(plan, dy, x, dweight, options);
}

template <class T, int Rank>
Array<T> backward_weight(const View<T>& dy, const View<T>& x, const Shape& weight_shape,
                         const ConvTransposeOptions<Rank>& options, std::string_view operation) {
  detail::check_defined(dy, operation, "dy");
  detail::check_defined(x, operation, "x");
  const Plan plan = gradient_plan(dy.shape(), x.shape(), weight_shape, options, operation);
  Array<T> dweight = Array<T>::empty(weight_shape);
  run_backward_weight<T>(plan, dy, x, dweight, options);
  return dweight;
}

}  // namespace

template <class T>
Array<T> conv_transpose2d_batched(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias,
                                  PerAxis<2> stride, PerAxis<2> padding, PerAxis<2> output_padding,
                                  PerAxis<2> dilation) {
  (void)x.template dims<4>("conv_transpose2d_batched");
  return conv_transpose2d(x, weight, bias,
                          {.stride = stride,
                           .padding = PaddingMode::symmetric(padding[0], padding[1]),
                           .output_padding = output_padding,
                           .dilation = dilation});
}

#define LAMINA_DEFINE_RANK(F, Rank)                                                        \
  template <class T>                                                                       \
  void F##_into(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias, MutArg<T> out,       \
                const ConvTransposeOptions<Rank>& options) {                               \
    forward_into<T, Rank>(x, weight, bias, out, options);                                  \
  }                                                                                        \
  template <class T>                                                                       \
  Array<T> F(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias,                         \
             const ConvTransposeOptions<Rank>& options) {                                  \
    return forward<T, Rank>(x, weight, bias, options);                                     \
  }                                                                                        \
  template <class T>                                                                       \
  void F##_backward_input_into(const View<T>& dy, ViewArg<T> weight, MutArg<T> dx,         \
                               const ConvTransposeOptions<Rank>& options) {                \
    backward_input_into<T, Rank>(dy, weight, dx, options, #F "_backward_input");           \
  }                                                                                        \
  template <class T>                                                                       \
  Array<T> F##_backward_input(const View<T>& dy, ViewArg<T> weight, const Shape& x_shape,  \
                              const ConvTransposeOptions<Rank>& options) {                 \
    return backward_input<T, Rank>(dy, weight, x_shape, options, #F "_backward_input");    \
  }                                                                                        \
  template <class T>                                                                       \
  void F##_backward_weight_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dweight,        \
                                const ConvTransposeOptions<Rank>& options) {               \
    backward_weight_into<T, Rank>(dy, x, dweight, options, #F "_backward_weight");         \
  }                                                                                        \
  template <class T>                                                                       \
  Array<T> F##_backward_weight(const View<T>& dy, ViewArg<T> x, const Shape& weight_shape, \
                               const ConvTransposeOptions<Rank>& options) {                \
    return backward_weight<T, Rank>(dy, x, weight_shape, options, #F "_backward_weight");  \
  }
LAMINA_DEFINE_RANK(conv_transpose1d, 1)
LAMINA_DEFINE_RANK(conv_transpose2d, 2)
LAMINA_DEFINE_RANK(conv_transpose3d, 3)
#undef LAMINA_DEFINE_RANK

#define LAMINA_INSTANTIATE_RANK(T, F, Rank)                                                        \
  template LAMINA_EXPORT void F##_into<T>(const View<T>&, ViewArg<T>, ViewArg<T>, MutArg<T>,       \
                                          const ConvTransposeOptions<Rank>&);                      \
  template LAMINA_EXPORT Array<T> F<T>(const View<T>&, ViewArg<T>, ViewArg<T>,                     \
                                       const ConvTransposeOptions<Rank>&);                         \
  template LAMINA_EXPORT void F##_backward_input_into<T>(const View<T>&, ViewArg<T>, MutArg<T>,    \
                                                         const ConvTransposeOptions<Rank>&);       \
  template LAMINA_EXPORT void F##_backward_weight_into<T>(const View<T>&, ViewArg<T>, MutArg<T>,   \
                                                          const ConvTransposeOptions<Rank>&);      \
  template LAMINA_EXPORT Array<T> F##_backward_input<T>(const View<T>&, ViewArg<T>, const Shape&,  \
                                                        const ConvTransposeOptions<Rank>&);        \
  template LAMINA_EXPORT Array<T> F##_backward_weight<T>(const View<T>&, ViewArg<T>, const Shape&, \
                                                         const ConvTransposeOptions<Rank>&);
#define LAMINA_INSTANTIATE(T)                                  \
  LAMINA_INSTANTIATE_RANK(T, conv_transpose1d, 1)              \
  LAMINA_INSTANTIATE_RANK(T, conv_transpose2d, 2)              \
  LAMINA_INSTANTIATE_RANK(T, conv_transpose3d, 3)              \
  template LAMINA_EXPORT Array<T> conv_transpose2d_batched<T>( \
      const View<T>&, ViewArg<T>, ViewArg<T>, PerAxis<2>, PerAxis<2>, PerAxis<2>, PerAxis<2>);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
