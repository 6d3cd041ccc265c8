// Reductions against PyTorch.

#include "lamina/autograd/ops_reduction.hpp"

#include "oracle/oracle.hpp"

namespace lamina::oracle {
namespace {

template <class T>
Cases<T> all_cases() {
  Cases<T> cases;
  const auto add = [&](const std::string& name, nn::Reduction kind, nn::ReduceOptions options) {
    cases[name] = {
        [kind, options](const Inputs<T>& in) { return nn::reduce(kind, in[0], options); }};
  };
  const std::map<std::string, nn::ReduceOptions> options{
      {"all", {}},
      {"first", {.axes = {0}}},
      {"middle", {.axes = {1}}},
      {"last", {.axes = {-1}}},
      {"outer", {.axes = {0, 2}}},
      {"keepdims", {.axes = {1}, .keepdims = true}},
      {"broadcast", {.axes = {1}}},
  };
  for (const nn::ReductionInfo& row : nn::kReductions) {
    for (const auto& [label, o] : options) {
      add(key(std::string(row.name), label), row.kind, o);
    }
  }
  add("var/unbiased", nn::Reduction::Var, {.axes = {1}, .ddof = 1});
  add("stddev/unbiased", nn::Reduction::Stddev, {.axes = {1}, .ddof = 1});
  add("var/offset", nn::Reduction::Var, {.axes = {1}});
  add("max/ties", nn::Reduction::Max, {.axes = {1}});
  add("min/ties", nn::Reduction::Min, {.axes = {1}});
  add("prod/zeros", nn::Reduction::Prod, {.axes = {1}});
  return cases;
}

LAMINA_ORACLE_TESTS(ReductionOracle)

}  // namespace
}  // namespace lamina::oracle
