// Matrix products and linear layers against PyTorch.

#include "lamina/autograd/ops_linear.hpp"

#include "oracle/oracle.hpp"

namespace lamina::oracle {
namespace {

template <class T>
Cases<T> all_cases() {
  Cases<T> cases;
  for (const char* name : {"bias", "vector", "rank4", "one_feature", "deep", "broadcast"}) {
    cases[key("linear", name)] = {
        [](const Inputs<T>& in) { return nn::linear(in[0], in[1], in[2]); }};
  }
  cases["linear/no_bias"] = {[](const Inputs<T>& in) { return nn::linear(in[0], in[1]); }};
  for (const char* name : {"matrices", "broadcast_leading", "vector", "row", "dot", "batched",
                           "matrix_for_all", "wide", "broadcast"}) {
    cases[key("matmul", name)] = {[](const Inputs<T>& in) { return nn::matmul(in[0], in[1]); }};
  }
  return cases;
}

LAMINA_ORACLE_TESTS(LinearOracle)

}  // namespace
}  // namespace lamina::oracle
