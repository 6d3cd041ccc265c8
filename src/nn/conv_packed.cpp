#include "lamina/nn/conv_packed.hpp"

#include <memory>
#include <utility>

#include "nn/conv_plan.hpp"
#include "nn/conv_weights.hpp"
#include "nn/layout.hpp"
#include "nn/output.hpp"

namespace lamina::nn {

namespace {

using detail::check_bias;
using detail::ConvPlan;
using detail::FusedActivation;
using detail::make_conv_plan;
using detail::PackedOut;

template <class T>
ConvPlan packed_plan(const View<T>& x, const PackedConv2dWeight<T>& weight, const View<T>& bias) {
  detail::check_defined(x, "conv2d", "x");
  check(weight.defined(), ErrorKind::InvalidOperation, "conv2d", "weight holds nothing");
  ConvPlan plan = make_conv_plan(x.shape(), weight.weight_shape(), weight.options(), "conv2d");
  check_bias<T>(bias, plan.problem.out_channels, "conv2d");
  return plan;
}

template <class T>
void run_packed(const ConvPlan& plan, const View<T>& x, const PackedConv2dWeight<T>& weight,
                const View<T>& bias, const MutView<T>& out) {
  const Conv2dOptions& options = weight.options();
  const FusedActivation<T> fused(options.activation, options.activation_params, "conv2d");
  detail::run_conv<T>(plan, x, weight.get()->plain.data(), weight.get(), bias, out, fused);
}

}  // namespace

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
  const ConvPlan plan = make_conv_plan(x_shape, weight.shape(), options, operation);
  const lamina::detail::Packed<T> weights(weight);
  const View<T> x(nullptr, x_shape);
  auto prepared = std::make_shared<const detail::PreparedWeights<T>>(detail::prepare_weights<T>(
      plan.problem, plan.image(x), plan.channels_last(), weights.data()));
  return {std::move(prepared), weight.shape(), options};
}

template <class T>
void conv2d_into(const View<T>& x, const PackedConv2dWeight<std::type_identity_t<T>>& weight,
                 ViewArg<T> bias, MutArg<T> out) {
  const ConvPlan plan = packed_plan<T>(x, weight, bias);
  detail::check_output(out, "out", plan.out, "conv2d", x, bias);
  PackedOut<T> packed(out);
  run_packed<T>(plan, x, weight, bias, packed.view());
  packed.finish();
}

template <class T>
Array<T> conv2d(const View<T>& x, const PackedConv2dWeight<std::type_identity_t<T>>& weight,
                ViewArg<T> bias) {
  const ConvPlan plan = packed_plan<T>(x, weight, bias);
  Array<T> out = Array<T>::empty(plan.out);
  run_packed<T>(plan, x, weight, bias, out);
  return out;
}

#define LAMINA_INSTANTIATE(T)                                                                      \
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
