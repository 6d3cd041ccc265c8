// Embeddings and bags against PyTorch.

#include "lamina/autograd/ops_attention.hpp"
#include "oracle/oracle.hpp"

namespace lamina::oracle {
namespace {

/// embedding_bag with weights that get a gradient.
template <class T>
Var<T> weighted_bag(const Var<T>& table, const Var<T>& weights, std::optional<Index> padding) {
  using Options = nn::EmbeddingBagOptions<T>;
  const auto saved_table = table.save();
  const auto saved_weights = weights.save();
  const auto options = [padding](const View<T>& w) {
    return Options{.offsets = integers("offsets"), .weights = w, .padding_index = padding};
  };
  Array<T> y = nn::embedding_bag(integers("flat"), table.value(), nn::BagMode::Sum,
                                 options(weights.value()));
  return autograd::make_var(
      std::move(y), {table, weights},
      [saved_table, saved_weights, options](Array<T> dy, autograd::Gradients<T>& gradients) {
        const Options o = options(saved_weights.value());
        const View<T>& t = saved_table.value();
        gradients.add(0, nn::embedding_bag_backward(dy, integers("flat"), t, nn::BagMode::Sum, o));
        gradients.add(1, nn::embedding_bag_backward_weights(dy, integers("flat"), t, o));
      });
}

template <class T>
Cases<T> all_cases() {
  Cases<T> cases;
  const auto rows = [&](const char* name, const char* indices,
                        std::optional<Index> padding = std::nullopt) {
    cases[key("embedding", name)] = {[indices, padding](const Inputs<T>& in) {
      return nn::embedding(integers(indices), in[0], {.padding_index = padding});
    }};
  };
  rows("rows", "rows");
  rows("padding", "rows", 4);
  rows("padding_from_end", "rows", -1);
  rows("one", "one");
  rows("broadcast", "rows");
  for (const nn::BagMode mode : {nn::BagMode::Sum, nn::BagMode::Mean, nn::BagMode::Max}) {
    const std::string name(to_string(mode));
    cases[key("bag", name)] = {
        [mode](const Inputs<T>& in) { return nn::embedding_bag(integers("rows"), in[0], mode); }};
    cases[key("bag", name + "_offsets")] = {[mode](const Inputs<T>& in) {
      return nn::embedding_bag(integers("flat"), in[0], mode, {.offsets = integers("offsets")});
    }};
    cases[key("bag", name + "_padding")] = {[mode](const Inputs<T>& in) {
      return nn::embedding_bag(integers("flat"), in[0], mode,
                               {.offsets = integers("offsets"), .padding_index = 4});
    }};
  }
  cases["bag/weighted"] = {
      [](const Inputs<T>& in) { return weighted_bag(in[0], in[1], std::nullopt); }};
  cases["bag/weighted_padding"] = {
      [](const Inputs<T>& in) { return weighted_bag(in[0], in[1], std::optional<Index>(2)); }};
  return cases;
}

LAMINA_ORACLE_TESTS(EmbeddingOracle)

}  // namespace
}  // namespace lamina::oracle
