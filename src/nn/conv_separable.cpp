#include "lamina/nn/conv.hpp"
#include "nn/conv_plan.hpp"
#include "nn/output.hpp"

namespace lamina::nn {

namespace {

using detail::check_bias;
using detail::depthwise_conv2d_options;
using detail::FusedActivation;
using detail::make_conv_plan;

/// The two convolutions, and the map between them. All checks are made here: theirs would name
/// another operation.
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
  const FusedActivation<T> checked(options.activation, options.activation_params, operation);
  SeparablePlan plan;
  plan.along = depthwise_conv2d_options(x.shape(), options, operation);
  plan.along.activation = Activation::Identity;
  plan.along.activation_params = {};
  plan.across.format = options.format;
  plan.across.activation = options.activation;
  plan.across.activation_params = options.activation_params;
  plan.between = make_conv_plan(x.shape(), depthwise.shape(), plan.along, operation).out;
  plan.out = make_conv_plan(plan.between, pointwise.shape(), plan.across, operation).out;
  return plan;
}

}  // namespace

template <class T>
void separable_conv2d_into(const View<T>& x, ViewArg<T> depthwise, ViewArg<T> pointwise,
                           ViewArg<T> bias, MutArg<T> out, const Conv2dOptions& options) {
  constexpr std::string_view operation = "separable_conv2d";
  const SeparablePlan plan = separable_plan<T>(x, depthwise, pointwise, options, operation);
  check_bias<T>(bias, pointwise.shape()[0], operation);
  detail::check_output(out, "out", plan.out, operation, x, depthwise, pointwise, bias);
  const Array<T> between = conv2d<T>(x, depthwise, View<T>(), plan.along);
  conv2d_into<T>(between, pointwise, bias, out, plan.across);
}
template <class T>
Array<T> separable_conv2d(const View<T>& x, ViewArg<T> depthwise, ViewArg<T> pointwise,
                          ViewArg<T> bias, const Conv2dOptions& options) {
  constexpr std::string_view operation = "separable_conv2d";
  const SeparablePlan plan = separable_plan<T>(x, depthwise, pointwise, options, operation);
  check_bias<T>(bias, pointwise.shape()[0], operation);
  const Array<T> between = conv2d<T>(x, depthwise, View<T>(), plan.along);
  return conv2d<T>(between, pointwise, bias, plan.across);
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
    const Array<T> between = conv2d<T>(x, depthwise, View<T>(), plan.along);
    conv2d_backward_weight_into<T>(dy, between, dpointwise, plan.across);
  }
  if (!dx.defined() && !ddepthwise.defined()) return;
  const Array<T> dbetween = conv2d_backward_input<T>(dy, pointwise, plan.between, plan.across);
  if (dx.defined()) conv2d_backward_input_into<T>(dbetween, depthwise, dx, plan.along);
  if (ddepthwise.defined()) {
    conv2d_backward_weight_into<T>(dbetween, x, ddepthwise, plan.along);
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

#define LAMINA_INSTANTIATE(T)                                                                 \
  template LAMINA_EXPORT void separable_conv2d_into<T>(                                       \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, MutArg<T>, const Conv2dOptions&);   \
  template LAMINA_EXPORT Array<T> separable_conv2d<T>(const View<T>&, ViewArg<T>, ViewArg<T>, \
                                                      ViewArg<T>, const Conv2dOptions&);      \
  template LAMINA_EXPORT void separable_conv2d_backward_into<T>(                              \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, MutArg<T>, MutArg<T>, MutArg<T>,    \
      const Conv2dOptions&);                                                                  \
  template LAMINA_EXPORT SeparableConv2dGradients<T> separable_conv2d_backward<T>(            \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, const Conv2dOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
