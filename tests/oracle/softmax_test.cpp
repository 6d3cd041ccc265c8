// Softmax, its logarithm and softmin against PyTorch.

#include "lamina/autograd/ops_softmax.hpp"

#include "oracle/oracle.hpp"

namespace lamina::oracle {
namespace {

template <class T>
Cases<T> all_cases() {
  Cases<T> cases;
  const std::map<std::string, nn::SoftmaxOptions> options{
      {"axis0", {.axis = 0}},
      {"axis1", {.axis = 1}},
      {"axis2", {.axis = 2}},
      {"hot", {.axis = 1, .temperature = 2.5}},
      {"cold", {.axis = 1, .temperature = 0.25}},
      {"vector", {}},
      {"rank4", {.axis = -2}},
      {"huge", {}},
      {"broadcast", {}},
  };
  for (const auto& entry : options) {
    const std::string& label = entry.first;
    const nn::SoftmaxOptions& o = entry.second;
    cases[key("softmax", label)] = {[o](const Inputs<T>& in) { return nn::softmax(in[0], o); }};
    cases[key("log_softmax", label)] = {
        [o](const Inputs<T>& in) { return nn::log_softmax(in[0], o); }};
    cases[key("softmin", label)] = {[o](const Inputs<T>& in) { return nn::softmin(in[0], o); }};
  }
  return cases;
}

LAMINA_ORACLE_TESTS(SoftmaxOracle)

}  // namespace
}  // namespace lamina::oracle
