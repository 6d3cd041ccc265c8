// Transposed convolution, unfolding and padding against PyTorch.

#include "lamina/autograd/ops_activation.hpp"
#include "lamina/autograd/ops_conv.hpp"
#include "lamina/autograd/ops_unfold.hpp"
#include "oracle/oracle.hpp"

namespace lamina::oracle {
namespace {

using P = PaddingMode;

template <class T>
Cases<T> all_cases() {
  Cases<T> cases;
  const auto one = [&](const char* name, const nn::ConvTranspose1dOptions& options) {
    cases[name] = {[options](const Inputs<T>& in) {
      return nn::conv_transpose1d(in[0], in[1], in[2], options);
    }};
  };
  const auto two = [&](const char* name, const nn::ConvTranspose2dOptions& options) {
    cases[name] = {[options](const Inputs<T>& in) {
      return nn::conv_transpose2d(in[0], in[1], in[2], options);
    }};
  };
  one("conv_transpose1d/plain", {});
  one("conv_transpose1d/options",
      {.stride = 3, .padding = 2, .output_padding = 2, .dilation = 2, .groups = 2});
  two("conv_transpose2d/plain", {});
  two("conv_transpose2d/stride", {.stride = 2, .padding = 1, .output_padding = 1});
  two("conv_transpose2d/options", {.stride = {3, 1},
                                   .padding = P::symmetric(2, 1),
                                   .output_padding = {2, 0},
                                   .dilation = {1, 3},
                                   .groups = 2});
  two("conv_transpose2d/depthwise", {.stride = 2, .padding = 1, .groups = 3});
  cases["conv_transpose3d/options"] = {[](const Inputs<T>& in) {
    return nn::conv_transpose3d(
        in[0], in[1], in[2],
        {.stride = {1, 2, 2}, .padding = P::symmetric(1, 0, 1), .output_padding = {0, 1, 0}});
  }};
  const nn::Unfold2dOptions unfold{
      .stride = {2, 1}, .padding = P::symmetric(1, 0), .dilation = {1, 2}};
  cases["unfold/options"] = {[unfold](const Inputs<T>& in) {
    return nn::unfold2d(in[0], {3, 2}, unfold);
  }};
  cases["fold/options"] = {[unfold](const Inputs<T>& in) {
    return nn::fold2d(in[0], {6, 5}, {3, 2}, unfold);
  }};
  cases["pad/constant"] = {[](const Inputs<T>& in) {
    return nn::pad(in[0], {{0, 3}, {1, 2}}, T(-1.5));
  }};
  const std::map<std::string, nn::PaddingValue> kinds{{"reflect", nn::PaddingValue::Reflect},
                                                      {"replicate", nn::PaddingValue::Replicate},
                                                      {"circular", nn::PaddingValue::Circular}};
  for (const auto& [name, value] : kinds) {
    cases[std::string("pad/").append(name)] = {[kind = value](const Inputs<T>& in) {
      return nn::pad(in[0], {{2, 0}, {1, 2}}, kind);
    }};
  }
  cases["prelu/element"] = {[](const Inputs<T>& in) { return nn::prelu(in[0], in[1]); }};
  return cases;
}

LAMINA_ORACLE_TESTS(ConvTransposeOracle)

}  // namespace
}  // namespace lamina::oracle
