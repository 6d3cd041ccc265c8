// Attention against its formula, composed of PyTorch's operations.

#include "lamina/autograd/ops_attention.hpp"

#include "oracle/oracle.hpp"

namespace lamina::oracle {
namespace {

/// The scores' gradients are differences of sums of products, larger than what remains.
constexpr double kSlack = 4;

template <class T>
struct Constants {
  Array<T> bias = numbers<T>("bias");
  Array<T> minus_infinity = numbers<T>("minus_infinity");
};

template <class T>
const Constants<T>& constants() {
  static const Constants<T> all;
  return all;
}

template <class T>
Cases<T> all_cases() {
  Cases<T> cases;
  const auto add = [&](const std::string& name, const nn::AttentionOptions<T>& options = {},
                       double slack = kSlack) {
    cases[name] = {[options](const Inputs<T>& in) {
                     return nn::scaled_dot_product_attention(in[0], in[1], in[2], options);
                   },
                   slack};
  };
  for (const char* name : {"matrices", "heads", "batch", "rank5", "long", "broadcast"}) {
    add(key("plain", name));
  }
  add("plain/one_key", {}, 64);  // where the gradients of the scores are exactly 0
  add("options/scale", {.scale = 0.3});
  add("options/causal", {.causal = true});
  add("options/causal_wide", {.causal = true});
  add("options/causal_offset", {.causal = true, .causal_offset = 4});
  add("options/grouped");
  add("options/one_key_head", {.causal = true, .causal_offset = 2});
  const View<bool> mask = flags("mask");
  const View<std::int64_t> lengths = integers("lengths");
  const View<T> bias = constants<T>().bias;
  add("mask/boolean", {.mask = mask});
  add("mask/fully_blocked_rows", {.mask = flags("blocked")});
  add("mask/bias", {.bias = bias});
  add("mask/minus_infinity", {.bias = constants<T>().minus_infinity});
  add("mask/lengths", {.key_lengths = lengths});
  add("mask/head_lengths", {.key_lengths = integers("head_lengths")});
  add("mask/all_together", {.causal = true,
                            .causal_offset = 3,
                            .scale = 0.7,
                            .mask = mask,
                            .bias = bias,
                            .key_lengths = lengths});
  add("mask/grouped", {.causal = true, .causal_offset = 1, .mask = mask});
  cases["self/matrix"] = {
      [](const Inputs<T>& in) { return nn::self_attention(in[0], in[1], in[2], in[3]); },
      4 * kSlack};
  cases["self/causal"] = {[](const Inputs<T>& in) {
                            return nn::self_attention(in[0], in[1], in[2], in[3], {.causal = true});
                          },
                          4 * kSlack};
  return cases;
}

LAMINA_ORACLE_TESTS(AttentionOracle)

}  // namespace
}  // namespace lamina::oracle
