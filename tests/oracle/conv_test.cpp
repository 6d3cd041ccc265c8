// Convolutions against PyTorch.

#include "lamina/autograd/ops_conv.hpp"

#include "oracle/oracle.hpp"

namespace lamina::oracle {
namespace {

template <class T, class Options, class Function>
Case<T> convolution(Function function, const Options& options) {
  return {[function, options](const Inputs<T>& in) {
    return function(in[0], in[1], in.size() > 2 ? in[2] : Var<T>(), options);
  }};
}

template <class T>
Cases<T> all_cases() {
  Cases<T> cases;
  const auto one = [&](const char* name, const nn::Conv1dOptions& options) {
    cases[key("conv1d", name)] =
        convolution<T>([](const auto& x, const auto& w, const auto& b,
                          const auto& o) { return nn::conv1d(x, w, b, o); },
                       options);
  };
  const auto two = [&](const char* name, const nn::Conv2dOptions& options) {
    cases[key("conv2d", name)] =
        convolution<T>([](const auto& x, const auto& w, const auto& b,
                          const auto& o) { return nn::conv2d(x, w, b, o); },
                       options);
  };
  const auto three = [&](const char* name, const nn::Conv3dOptions& options) {
    cases[key("conv3d", name)] =
        convolution<T>([](const auto& x, const auto& w, const auto& b,
                          const auto& o) { return nn::conv3d(x, w, b, o); },
                       options);
  };
  one("plain", {});
  one("no_bias", {});
  one("one_sample", {});
  one("options", {.stride = {2}, .padding = 3, .dilation = {2}, .groups = 2});
  one("asymmetric", {.stride = {3}, .padding = PaddingMode::asymmetric({2, 1})});
  one("replicate", {.padding = 3, .padding_value = nn::PaddingValue::Replicate});
  two("plain", {});
  two("one_sample", {});
  two("pointwise", {});
  two("no_bias", {.stride = {2, 2}});
  two("pointwise_strided", {.stride = {2, 2}});
  two("options",
      {.stride = {2, 1}, .padding = PaddingMode::symmetric(2, 1), .dilation = {1, 3}, .groups = 2});
  two("same", {.padding = PaddingMode::same(), .dilation = {2, 1}});
  two("full", {.padding = PaddingMode::full()});
  two("asymmetric", {.padding = PaddingMode::asymmetric({3, 1}, {0, 2})});
  two("depthwise", {.stride = {2, 2}, .padding = 1, .groups = 3});
  two("depthwise_dilated", {.padding = 2, .dilation = {2, 2}, .groups = 4});
  two("channels_last", {.stride = {1, 2}, .padding = 1, .format = DataFormat::NHWC});
  two("channels_last_groups", {.padding = 1, .groups = 2, .format = DataFormat::NHWC});
  const PaddingMode around = PaddingMode::symmetric(2, 1);
  two("circular", {.padding = around, .padding_value = nn::PaddingValue::Circular});
  two("reflect", {.padding = around, .padding_value = nn::PaddingValue::Reflect});
  two("replicate",
      {.stride = {2, 2}, .padding = around, .padding_value = nn::PaddingValue::Replicate});
  two("broadcast", {.padding = 1});
  three("options", {.stride = {1, 2, 1}, .padding = PaddingMode::symmetric(1, 0, 1)});
  three("groups", {.dilation = {2, 1, 1}, .groups = 2});
  return cases;
}

LAMINA_ORACLE_TESTS(ConvolutionOracle)

}  // namespace
}  // namespace lamina::oracle
