// Activations, gated units and prelu against PyTorch.

#include "lamina/autograd/ops_activation.hpp"

#include "oracle/oracle.hpp"

namespace lamina::oracle {
namespace {

template <class T>
Cases<T> all_cases() {
  Cases<T> cases;
  const std::map<std::string, nn::ActivationParams> parameters{
      {"leaky_relu", {0.2}},     {"elu", {1.5}},
      {"celu", {0.7}},           {"softplus", {1.5, 18.0}},
      {"hardtanh", {-1.5, 2.5}}, {"threshold", {0.3, -2.0}},
      {"hardshrink", {0.6}},     {"softshrink", {0.6}},
  };
  for (const nn::ActivationRow& row : nn::kActivationTable) {
    const std::string name(row.name);
    // Only what PyTorch has; the file says which.
    if (file().find(key("activation", name, "y")) == nullptr) {
      continue;
    }
    const auto given = parameters.find(name);
    const auto params = given == parameters.end() ? nn::ActivationParams{} : given->second;
    cases[key("activation", name)] = {[kind = row.kind, params](const Inputs<T>& in) {
      return autograd::activation(in[0], kind, params);
    }};
  }
  for (const int axis : {0, 1, 2}) {
    cases[numbered("glu/axis", static_cast<std::size_t>(axis))] = {
        [axis](const Inputs<T>& in) { return nn::glu(in[0], axis); }};
  }
  cases["swiglu"] = {[](const Inputs<T>& in) { return nn::swiglu(in[0]); }};
  cases["geglu"] = {[](const Inputs<T>& in) { return nn::geglu(in[0]); }};
  cases["geglu_tanh"] = {
      [](const Inputs<T>& in) { return nn::geglu(in[0], -1, nn::GeluApproximation::Tanh); }};
  cases["reglu"] = {[](const Inputs<T>& in) { return nn::reglu(in[0]); }};
  cases["gated/mish"] = {[](const Inputs<T>& in) {
    return nn::gated_activation<T>(in[0], in[1], nn::Activation::Mish);
  }};
  cases["gated/broadcast"] = {[](const Inputs<T>& in) {
    return nn::gated_activation<T>(in[0], in[1], nn::Activation::Tanh);
  }};
  for (const char* name : {"prelu/one", "prelu/channels", "prelu/matrix"}) {
    cases[name] = {[](const Inputs<T>& in) { return nn::prelu<T>(in[0], in[1]); }};
  }
  cases["gelu/broadcast"] = {[](const Inputs<T>& in) { return nn::gelu(in[0]); }};
  return cases;
}

LAMINA_ORACLE_TESTS(ActivationOracle)

}  // namespace
}  // namespace lamina::oracle
