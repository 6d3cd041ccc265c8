// Multi-head attention against PyTorch's, and attention with a bias that is trained.

#include "lamina/autograd/ops_attention.hpp"
#include "oracle/oracle.hpp"

namespace lamina::oracle {
namespace {

template <class T>
Cases<T> all_cases() {
  Cases<T> cases;
  const auto heads = [&](const char* name, Index count, bool bias,
                         const nn::AttentionOptions<T>& options = {}) {
    cases[name] = {[count, bias, options](const Inputs<T>& in) {
                     nn::MultiHeadAttentionParameters<T> weights{in[3], in[4], in[5], in[6],
                                                                 {},    {},    {},    {}};
                     if (bias) {
                       weights.b_q = in[7];
                       weights.b_k = Var<T>(numbers<T>("key_bias"));
                       weights.b_v = in[8];
                       weights.b_o = in[9];
                     }
                     return nn::multi_head_attention(in[0], in[1], in[2], weights, count, options);
                   },
                   16};  // four products after one another
  };
  heads("heads/plain", 2, true);
  heads("heads/widths", 3, true);
  heads("heads/no_bias", 2, false);
  heads("heads/causal", 2, true, {.causal = true, .causal_offset = 1});
  for (const char* name : {"full", "heads", "scores", "keys"}) {
    cases[key("bias", name)] = {[](const Inputs<T>& in) {
                                  return nn::scaled_dot_product_attention(in[0], in[1], in[2],
                                                                          in[3]);
                                },
                                4};
  }
  return cases;
}

LAMINA_ORACLE_TESTS(MultiHeadAttentionOracle)

}  // namespace
}  // namespace lamina::oracle
