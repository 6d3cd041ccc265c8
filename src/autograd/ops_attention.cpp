#include "lamina/autograd/ops_attention.hpp"

#include <memory>
#include <optional>
#include <utility>

#include "lamina/autograd/ops_linear.hpp"
#include "lamina/autograd/ops_shape.hpp"

namespace lamina::nn {

using autograd::Gradients;
using autograd::make_var;
using autograd::Saved;

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
Var<T> rotary_embedding(const Var<T>& x, const RotaryOptions& options) {
  return make_var(
      rotary_embedding(x.value(), options), {x},
      [options](const Array<T>& dy, Gradients<T>& gradients) {
        gradients.add(0, rotary_embedding_backward(dy, options));
      },
      "rotary_embedding");
}

template <class T>
Var<T> embedding_bag(const View<std::int64_t>& indices, const Var<T>& table,
                     const Var<std::type_identity_t<T>>& weights,
                     const EmbeddingBagOptions<std::type_identity_t<T>>& options) {
  check(!options.weights.defined(), ErrorKind::InvalidOperation, "embedding_bag",
        "both weights and options.weights are given");
  EmbeddingBagOptions<T> weighted = options;
  weighted.weights = weights.value();
  return make_var(
      embedding_bag(indices, table.value(), BagMode::Sum, weighted), {table, weights},
      [kept = Kept<std::int64_t>(indices), saved = table.save(), factors = weights.save(),
       offsets = Kept<std::int64_t>(options.offsets),
       padding = options.padding_index](const Array<T>& dy, Gradients<T>& gradients) {
        const EmbeddingBagOptions<T> again{offsets.view(), factors.value(), padding};
        if (gradients.wants(0)) {
          gradients.add(
              0, embedding_bag_backward(dy, kept.view(), saved.value(), BagMode::Sum, again));
        }
        if (gradients.wants(1)) {
          gradients.add(1, embedding_bag_backward_weights(dy, kept.view(), saved.value(), again));
        }
      },
      "embedding_bag");
}

namespace {

/// Attention with constants (or a bias that is none) kept for the backward pass, together with the
/// result and the logarithms of its sums.
template <class T>
Var<T> record_attention(const Var<T>& q, const Var<T>& k, const Var<T>& v, const Var<T>& bias,
                        AttentionOptions<T> options) {
  if (bias.defined()) {
    options.bias = bias.value();
  }
  const bool records =
      autograd::grad_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad() ||
                                   (bias.defined() && bias.requires_grad()));
  if (!records) {
    return Var<T>(scaled_dot_product_attention<T>(q.value(), k.value(), v.value(), options));
  }
  const Generator before = options.generator == nullptr ? Generator() : *options.generator;
  IndexList shape = q.shape();
  check(shape.rank() >= 2 && v.rank() == shape.rank(), ErrorKind::DimensionMismatch,
        "scaled_dot_product_attention",
        "q, k and v must have the same number of axes, at least 2; q ", q.shape(), ", k ",
        k.shape(), ", v ", v.shape());
  shape[shape.rank() - 1] = v.extent(-1);
  Array<T> out = Array<T>::empty(Shape(shape));
  shape.erase(shape.rank() - 1);
  auto log_sums = std::make_shared<Array<T>>(Array<T>::empty(Shape(shape)));
  scaled_dot_product_attention_into<T>(q.value(), k.value(), v.value(), out, options, *log_sums);
  const Saved<T> y(std::move(out));
  // Saved as an input is: the elements must not change until backward().
  std::optional<Saved<T>> saved_bias;
  if (bias.defined()) {
    saved_bias = bias.save();
  }
  return make_var(
      y, {q, k, v, bias},
      [y, log_sums, saved_q = q.save(), saved_k = k.save(), saved_v = v.save(), saved_bias,
       mask = Kept<bool>(options.mask), constant = Kept<T>(saved_bias ? View<T>() : options.bias),
       lengths = Kept<std::int64_t>(options.key_lengths), options,
       before](const Array<T>& dy, Gradients<T>& gradients) {
        Generator generator = before;
        AttentionOptions<T> again = options;
        again.mask = mask.view();
        again.bias = saved_bias ? saved_bias->value() : constant.view();
        again.key_lengths = lengths.view();
        again.generator = &generator;
        const AttentionResult<T> forward{y.value(), *log_sums};
        AttentionGradients<T> d = scaled_dot_product_attention_backward<T>(
            dy, saved_q.value(), saved_k.value(), saved_v.value(), again, forward);
        gradients.add(0, std::move(d.dq));
        gradients.add(1, std::move(d.dk));
        gradients.add(2, std::move(d.dv));
        if (saved_bias && gradients.wants(3)) {
          gradients.add(
              3, scaled_dot_product_attention_backward_bias<T>(dy, saved_q.value(), saved_k.value(),
                                                               saved_v.value(), again, forward));
        }
      },
      "scaled_dot_product_attention");
}

/// (..., L, heads * d) as (..., heads, L, d), and back.
template <class T>
Var<T> split_heads(const Var<T>& x, Index heads) {
  IndexList shape = x.shape();
  const int rank = shape.rank();
  shape[rank - 1] = heads;
  shape.push_back(x.shape()[rank - 1] / heads);
  return autograd::transpose(autograd::reshape(x, shape), -3, -2);
}
template <class T>
Var<T> join_heads(const Var<T>& x) {
  const Var<T> turned = autograd::transpose(x, -3, -2);
  IndexList shape = turned.shape();
  const int rank = shape.rank();
  shape[rank - 2] *= shape[rank - 1];
  shape.erase(rank - 1);
  return autograd::reshape(turned, shape);
}

}  // namespace

template <class T>
Var<T> scaled_dot_product_attention(const Var<T>& q, const Var<std::type_identity_t<T>>& k,
                                    const Var<std::type_identity_t<T>>& v,
                                    const AttentionOptions<std::type_identity_t<T>>& options) {
  return record_attention<T>(q, k, v, Var<T>(), options);
}

template <class T>
Var<T> scaled_dot_product_attention(const Var<T>& q, const Var<std::type_identity_t<T>>& k,
                                    const Var<std::type_identity_t<T>>& v,
                                    const Var<std::type_identity_t<T>>& bias,
                                    const AttentionOptions<std::type_identity_t<T>>& options) {
  check(!options.bias.defined(), ErrorKind::InvalidOperation, "scaled_dot_product_attention",
        "both bias and options.bias are given");
  return record_attention<T>(q, k, v, bias, options);
}

template <class T>
Var<T> multi_head_attention(const Var<T>& query, const Var<std::type_identity_t<T>>& key,
                            const Var<std::type_identity_t<T>>& value,
                            const MultiHeadAttentionParameters<std::type_identity_t<T>>& weights,
                            Index heads, const AttentionOptions<std::type_identity_t<T>>& options) {
  const auto value_of = [](const Var<T>& x) { return x.defined() ? x.value() : View<T>(); };
  const MultiHeadAttentionWeights<T> values{
      value_of(weights.w_q), value_of(weights.w_k), value_of(weights.w_v), value_of(weights.w_o),
      value_of(weights.b_q), value_of(weights.b_k), value_of(weights.b_v), value_of(weights.b_o)};
  const Index key_heads =
      multi_head_attention_key_heads<T>(query.value(), key.value(), value.value(), values, heads);
  const Var<T> joined = join_heads(record_attention<T>(
      split_heads(linear(query, weights.w_q, weights.b_q), heads),
      split_heads(linear(key, weights.w_k, weights.b_k), key_heads),
      split_heads(linear(value, weights.w_v, weights.b_v), key_heads), Var<T>(), options));
  return linear(joined, weights.w_o, weights.b_o);
}

template <class T>
Var<T> self_attention(const Var<T>& x, const Var<std::type_identity_t<T>>& w_q,
                      const Var<std::type_identity_t<T>>& w_k,
                      const Var<std::type_identity_t<T>>& w_v,
                      const AttentionOptions<std::type_identity_t<T>>& options) {
  const bool records = autograd::grad_enabled();
  const Generator before = options.generator == nullptr ? Generator() : *options.generator;
  const auto keep = [&]<class U>(const View<U>& view) {
    return Kept<U>(records ? view : View<U>());
  };
  return make_var(
      self_attention<T>(x.value(), w_q.value(), w_k.value(), w_v.value(), options),
      {x, w_q, w_k, w_v},
      [saved_x = x.save(), saved_q = w_q.save(), saved_k = w_k.save(), saved_v = w_v.save(),
       mask = keep(options.mask), bias = keep(options.bias), lengths = keep(options.key_lengths),
       before, options](const Array<T>& dy, Gradients<T>& gradients) {
        Generator generator = before;
        AttentionOptions<T> again = options;
        again.generator = &generator;
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

#define LAMINA_INSTANTIATE(T)                                                                     \
  template LAMINA_EXPORT Var<T> rotary_embedding<T>(const Var<T>&, const RotaryOptions&);         \
  template LAMINA_EXPORT Var<T> embedding<T>(const View<std::int64_t>&, const Var<T>&,            \
                                             const EmbeddingOptions&);                            \
  template LAMINA_EXPORT Var<T> embedding_bag<T>(const View<std::int64_t>&, const Var<T>&,        \
                                                 BagMode, const EmbeddingBagOptions<T>&);         \
  template LAMINA_EXPORT Var<T> add_positional_encoding<T>(const Var<T>&,                         \
                                                           const PositionalEncodingOptions&);     \
  template LAMINA_EXPORT Var<T> scaled_dot_product_attention<T>(                                  \
      const Var<T>&, const Var<T>&, const Var<T>&, const AttentionOptions<T>&);                   \
  template LAMINA_EXPORT Var<T> embedding_bag<T>(const View<std::int64_t>&, const Var<T>&,        \
                                                 const Var<T>&, const EmbeddingBagOptions<T>&);   \
  template LAMINA_EXPORT Var<T> scaled_dot_product_attention<T>(                                  \
      const Var<T>&, const Var<T>&, const Var<T>&, const Var<T>&, const AttentionOptions<T>&);    \
  template LAMINA_EXPORT Var<T> multi_head_attention<T>(                                          \
      const Var<T>&, const Var<T>&, const Var<T>&, const MultiHeadAttentionParameters<T>&, Index, \
      const AttentionOptions<T>&);                                                                \
  template LAMINA_EXPORT Var<T> self_attention<T>(const Var<T>&, const Var<T>&, const Var<T>&,    \
                                                  const Var<T>&, const AttentionOptions<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
