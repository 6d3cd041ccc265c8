#include "lamina/autograd/ops_attention.hpp"

#include <memory>
#include <utility>

namespace lamina::nn {

using autograd::Gradients;
using autograd::make_var;

namespace {

/// A copy of an optional constant, as long as the recorded call lives.
template <class T>
class Kept {
 public:
  explicit Kept(const View<T>& x) {
    if (x.defined()) {
      copy_ = std::make_shared<Array<T>>(x.copy());
    }
  }
  [[nodiscard]] View<T> view() const {
    return copy_ ? static_cast<const View<T>&>(*copy_) : View<T>();
  }

 private:
  std::shared_ptr<Array<T>> copy_;
};

}  // namespace

template <class T>
Var<T> embedding(const View<std::int64_t>& indices, const Var<T>& table,
                 const EmbeddingOptions& options) {
  return make_var(
      embedding(indices, table.value(), options), {table},
      [kept = Kept<std::int64_t>(indices), options](const Array<T>& dy, Gradients<T>& gradients) {
        gradients.add(0, embedding_backward(dy, kept.view(), gradients.shape(0)[0], options));
      },
      "embedding");
}

template <class T>
Var<T> embedding_bag(const View<std::int64_t>& indices, const Var<T>& table, BagMode mode,
                     const EmbeddingBagOptions<std::type_identity_t<T>>& options) {
  return make_var(
      embedding_bag(indices, table.value(), mode, options), {table},
      [kept = Kept<std::int64_t>(indices), saved = table.save(), mode,
       offsets = Kept<std::int64_t>(options.offsets), weights = Kept<T>(options.weights),
       padding = options.padding_index](const Array<T>& dy, Gradients<T>& gradients) {
        const EmbeddingBagOptions<T> again{offsets.view(), weights.view(), padding};
        gradients.add(0, embedding_bag_backward(dy, kept.view(), saved.value(), mode, again));
      },
      "embedding_bag");
}

template <class T>
Var<T> add_positional_encoding(const Var<T>& x, const PositionalEncodingOptions& options) {
  return make_var(
      add_positional_encoding(x.value(), options), {x},
      [](Array<T> dy, Gradients<T>& gradients) { gradients.add(0, std::move(dy)); },
      "add_positional_encoding");
}

template <class T>
Var<T> scaled_dot_product_attention(const Var<T>& q, const Var<std::type_identity_t<T>>& k,
                                    const Var<std::type_identity_t<T>>& v,
                                    const AttentionOptions<std::type_identity_t<T>>& options) {
  const bool records =
      autograd::grad_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
  // Copies only where a gradient will ask for them.
  const auto keep = [&]<class U>(const View<U>& x) { return Kept<U>(records ? x : View<U>()); };
  return make_var(
      scaled_dot_product_attention<T>(q.value(), k.value(), v.value(), options), {q, k, v},
      [saved_q = q.save(), saved_k = k.save(), saved_v = v.save(), mask = keep(options.mask),
       bias = keep(options.bias), lengths = keep(options.key_lengths),
       options](const Array<T>& dy, Gradients<T>& gradients) {
        AttentionOptions<T> again = options;
        again.mask = mask.view();
        again.bias = bias.view();
        again.key_lengths = lengths.view();
        AttentionGradients<T> d = scaled_dot_product_attention_backward<T>(
            dy, saved_q.value(), saved_k.value(), saved_v.value(), again);
        gradients.add(0, std::move(d.dq));
        gradients.add(1, std::move(d.dk));
        gradients.add(2, std::move(d.dv));
      },
      "scaled_dot_product_attention");
}

template <class T>
Var<T> self_attention(const Var<T>& x, const Var<std::type_identity_t<T>>& w_q,
                      const Var<std::type_identity_t<T>>& w_k,
                      const Var<std::type_identity_t<T>>& w_v,
                      const AttentionOptions<std::type_identity_t<T>>& options) {
  const bool records = autograd::grad_enabled();
  const auto keep = [&]<class U>(const View<U>& view) {
    return Kept<U>(records ? view : View<U>());
  };
  return make_var(
      self_attention<T>(x.value(), w_q.value(), w_k.value(), w_v.value(), options),
      {x, w_q, w_k, w_v},
      [saved_x = x.save(), saved_q = w_q.save(), saved_k = w_k.save(), saved_v = w_v.save(),
       mask = keep(options.mask), bias = keep(options.bias), lengths = keep(options.key_lengths),
       options](const Array<T>& dy, Gradients<T>& gradients) {
        AttentionOptions<T> again = options;
        again.mask = mask.view();
        again.bias = bias.view();
        again.key_lengths = lengths.view();
        SelfAttentionGradients<T> d = self_attention_backward<T>(
            dy, saved_x.value(), saved_q.value(), saved_k.value(), saved_v.value(), again);
        gradients.add(0, std::move(d.dx));
        gradients.add(1, std::move(d.dw_q));
        gradients.add(2, std::move(d.dw_k));
        gradients.add(3, std::move(d.dw_v));
      },
      "self_attention");
}

#define LAMINA_INSTANTIATE(T)                                                                  \
  template LAMINA_EXPORT Var<T> embedding<T>(const View<std::int64_t>&, const Var<T>&,         \
                                             const EmbeddingOptions&);                         \
  template LAMINA_EXPORT Var<T> embedding_bag<T>(const View<std::int64_t>&, const Var<T>&,     \
                                                 BagMode, const EmbeddingBagOptions<T>&);      \
  template LAMINA_EXPORT Var<T> add_positional_encoding<T>(const Var<T>&,                      \
                                                           const PositionalEncodingOptions&);  \
  template LAMINA_EXPORT Var<T> scaled_dot_product_attention<T>(                               \
      const Var<T>&, const Var<T>&, const Var<T>&, const AttentionOptions<T>&);                \
  template LAMINA_EXPORT Var<T> self_attention<T>(const Var<T>&, const Var<T>&, const Var<T>&, \
                                                  const Var<T>&, const AttentionOptions<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
