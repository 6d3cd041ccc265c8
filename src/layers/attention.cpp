#include "lamina/layers/attention.hpp"

#include "lamina/autograd/ops_attention.hpp"

namespace lamina::layers {

namespace {

/// Checked before any member is made from them.
Index checked_heads(Index features, Index heads, Index key_heads) {
  check(features > 0 && heads > 0 && features % heads == 0, ErrorKind::InvalidOperation,
        "MultiheadAttention", "features must be a positive multiple of the heads, got features ",
        features, ", heads ", heads);
  check(key_heads >= 0 && (key_heads == 0 || heads % key_heads == 0), ErrorKind::InvalidOperation,
        "MultiheadAttention", "key_heads must divide the heads, got key_heads ", key_heads,
        ", heads ", heads);
  return key_heads == 0 ? heads : key_heads;
}

double checked_dropout(double p) {
  check(p >= 0 && p <= 1, ErrorKind::InvalidOperation, "MultiheadAttention",
        "dropout must be in [0, 1], got ", p);
  return p;
}

template <class T>
Linear<T> projection(Index in, Index out, Generator& generator,
                     const MultiheadAttentionOptions& options) {
  Array<T> weight = initial_weight<T>(options.init, {out, in}, generator);
  return options.bias ? Linear<T>(std::move(weight), Array<T>::zeros({out}))
                      : Linear<T>(std::move(weight));
}

}  // namespace

template <class T>
MultiheadAttention<T>::MultiheadAttention(Index features, Index heads, Generator& generator,
                                          const MultiheadAttentionOptions& options)
    : features_(features),
      heads_(heads),
      key_heads_(checked_heads(features, heads, options.key_heads)),
      causal_(options.causal),
      dropout_(checked_dropout(options.dropout)),
      query_(projection<T>(features, features, generator, options)),
      key_(projection<T>(options.key_features == 0 ? features : options.key_features,
                         features / heads * key_heads_, generator, options)),
      value_(projection<T>(options.key_features == 0 ? features : options.key_features,
                           features / heads * key_heads_, generator, options)),
      out_(projection<T>(features, features, generator, options)) {
  if (dropout_ > 0) {
    generator_ = Generator(generator.next_u64());
  }
}

template <class T>
std::string MultiheadAttention<T>::name() const {
  std::string text = "MultiheadAttention(" + std::to_string(features_) + ", " +
                     std::to_string(heads_) + (heads_ == 1 ? " head" : " heads");
  if (key_heads_ != heads_) {
    text += ", " + std::to_string(key_heads_) + " of keys";
  }
  return text + (causal_ ? ", causal)" : ")");
}

template <class T>
Var<T> MultiheadAttention<T>::forward(const Var<T>& x) {
  return forward(x, x, {.causal = causal_});
}

template <class T>
Var<T> MultiheadAttention<T>::forward(const Var<T>& x, const Var<T>& context,
                                      const nn::AttentionOptions<T>& options) {
  check(x.rank() >= 2 && context.rank() == x.rank(), ErrorKind::DimensionMismatch,
        "MultiheadAttention", "x and context must have as many axes, at least 2; x ", x.shape(),
        ", context ", context.shape());
  nn::AttentionOptions<T> dropping = options;
  dropping.dropout = this->training() ? dropout_ : 0;
  dropping.generator = &generator_;
  return nn::multi_head_attention<T>(
      x, context, context,
      {query_.weight(), key_.weight(), value_.weight(), out_.weight(), query_.bias(), key_.bias(),
       value_.bias(), out_.bias()},
      heads_, dropping);
}

template <class T>
void MultiheadAttention<T>::members(Members<T>& list) {
  list.module("query", query_);
  list.module("key", key_);
  list.module("value", value_);
  list.module("out", out_);
}

template class MultiheadAttention<float>;
template class MultiheadAttention<double>;

}  // namespace lamina::layers
