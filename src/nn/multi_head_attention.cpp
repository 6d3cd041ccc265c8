#include "lamina/nn/multi_head_attention.hpp"

#include <string_view>
#include <utility>

#include "lamina/nn/linear.hpp"

namespace lamina::nn {

namespace {

/// How many heads there are, and how wide.
struct Heads {
  Index queries, keys;             ///< heads
  Index features, value_features;  ///< of one
};

template <class T>
Heads check_arguments(const View<T>& query, const View<T>& key, const View<T>& value,
                      const MultiHeadAttentionWeights<T>& w, Index heads,
                      std::string_view operation) {
  const auto matrix = [&](const View<T>& x, std::string_view name) {
    check(x.defined() && x.rank() == 2, ErrorKind::DimensionMismatch, operation, name,
          " must be a matrix (out, in), got shape ", x.shape());
  };
  matrix(w.w_q, "w_q");
  matrix(w.w_k, "w_k");
  matrix(w.w_v, "w_v");
  matrix(w.w_o, "w_o");
  check(query.defined() && query.rank() >= 2 && query.rank() <= 7, ErrorKind::DimensionMismatch,
        operation, "query must have 2 to 7 axes, got shape ", query.shape());
  const auto sequence = [&](const View<T>& x, std::string_view name) {
    check(x.defined() && x.rank() == query.rank(), ErrorKind::DimensionMismatch, operation, name,
          " must have as many axes as query; query ", query.shape(), ", ", name, " ", x.shape());
  };
  sequence(key, "key");
  sequence(value, "value");
  const auto features = [&](const View<T>& x, std::string_view x_name, const View<T>& weight,
                            std::string_view name) {
    check(weight.shape()[1] == x.extent(-1), ErrorKind::DimensionMismatch, operation, x_name,
          " has ", x.extent(-1), " features, ", name, " takes ", weight.shape()[1]);
  };
  features(query, "query", w.w_q, "w_q");
  features(key, "key", w.w_k, "w_k");
  features(value, "value", w.w_v, "w_v");
  const Index q_rows = w.w_q.shape()[0];
  check(heads >= 1 && q_rows > 0 && q_rows % heads == 0, ErrorKind::InvalidOperation, operation,
        "heads must divide the rows of w_q, got heads ", heads, ", w_q ", w.w_q.shape());
  Heads result{heads, 0, q_rows / heads, 0};
  result.keys = w.w_k.shape()[0] / result.features;
  check(result.keys > 0 && w.w_k.shape()[0] % result.features == 0 && heads % result.keys == 0,
        ErrorKind::DimensionMismatch, operation, "w_k ", w.w_k.shape(),
        " has no rows for a divisor of the ", heads, " heads of ", result.features, " features");
  check(w.w_v.shape()[0] > 0 && w.w_v.shape()[0] % result.keys == 0, ErrorKind::DimensionMismatch,
        operation, "w_v ", w.w_v.shape(), " has no rows for ", result.keys, " heads");
  result.value_features = w.w_v.shape()[0] / result.keys;
  check(w.w_o.shape()[1] == heads * result.value_features, ErrorKind::DimensionMismatch, operation,
        "w_o takes ", w.w_o.shape()[1], " features, the heads give ",
        heads * result.value_features);
  const auto bias = [&](const View<T>& x, const View<T>& weight, std::string_view name) {
    check(!x.defined() || x.shape() == Shape{weight.shape()[0]}, ErrorKind::DimensionMismatch,
          operation, name, " has shape ", x.shape(), ", expected ", Shape{weight.shape()[0]});
  };
  bias(w.b_q, w.w_q, "b_q");
  bias(w.b_k, w.w_k, "b_k");
  bias(w.b_v, w.w_v, "b_v");
  bias(w.b_o, w.w_o, "b_o");
  return result;
}

/// (..., L, heads * d) as (..., heads, L, d); without gaps, so that this is a view.
template <class AnyView>
AnyView split(const AnyView& x, Index heads) {
  IndexList shape = x.shape();
  const int rank = shape.rank();
  const Index width = shape[rank - 1] / heads;
  shape[rank - 1] = heads;
  shape.push_back(width);
  return x.reshape(shape).swap_axes(-3, -2);
}

/// What the attention works on: the projections, and their heads.
template <class T>
struct Projected {
  Array<T> q, k, v;

  Projected(const View<T>& query, const View<T>& key, const View<T>& value,
            const MultiHeadAttentionWeights<T>& w)
      : q(linear<T>(query, w.w_q, w.b_q)),
        k(linear<T>(key, w.w_k, w.b_k)),
        v(linear<T>(value, w.w_v, w.b_v)) {}
};

/// The heads' results side by side: (..., Lq, H * Dv).
template <class T>
Array<T> attend(const Projected<T>& p, const Heads& heads, const AttentionOptions<T>& options,
                MutArg<T> log_sums = {}) {
  IndexList shape = p.q.shape();
  shape[shape.rank() - 1] = heads.queries * heads.value_features;
  Array<T> joined = Array<T>::empty(Shape(shape));
  scaled_dot_product_attention_into<T>(split(p.q.view(), heads.queries),
                                       split(p.k.view(), heads.keys), split(p.v.view(), heads.keys),
                                       split(joined.view(), heads.queries), options, log_sums);
  return joined;
}

/// (..., heads, L, d) as (..., L, heads * d).
template <class T>
Array<T> join(const Array<T>& x) {
  Array<T> turned = x.swap_axes(-3, -2).copy();
  IndexList shape = turned.shape();
  const int rank = shape.rank();
  shape[rank - 2] *= shape[rank - 1];
  shape.erase(rank - 1);
  return std::move(turned).reshape(shape);
}

}  // namespace

template <class T>
Array<T> multi_head_attention(const View<T>& query, ViewArg<T> key, ViewArg<T> value,
                              const MultiHeadAttentionWeights<std::type_identity_t<T>>& weights,
                              Index heads,
                              const AttentionOptions<std::type_identity_t<T>>& options) {
  const Heads layout =
      check_arguments<T>(query, key, value, weights, heads, "multi_head_attention");
  const Projected<T> projected(query, key, value, weights);
  return linear<T>(attend<T>(projected, layout, options), weights.w_o, weights.b_o);
}

template <class T>
Index multi_head_attention_key_heads(
    const View<T>& query, ViewArg<T> key, ViewArg<T> value,
    const MultiHeadAttentionWeights<std::type_identity_t<T>>& weights, Index heads) {
  return check_arguments<T>(query, key, value, weights, heads, "multi_head_attention").keys;
}

template <class T>
MultiHeadAttentionGradients<T> multi_head_attention_backward(
    const View<T>& dy, ViewArg<T> query, ViewArg<T> key, ViewArg<T> value,
    const MultiHeadAttentionWeights<std::type_identity_t<T>>& weights, Index heads,
    const AttentionOptions<std::type_identity_t<T>>& options) {
  constexpr std::string_view kName = "multi_head_attention_backward";
  const Heads layout = check_arguments<T>(query, key, value, weights, heads, kName);
  IndexList expected = query.shape();
  expected[expected.rank() - 1] = weights.w_o.shape()[0];
  check(dy.defined() && dy.shape() == Shape(expected), ErrorKind::DimensionMismatch, kName,
        "dy has shape ", dy.shape(), ", expected ", Shape(expected));
  const Projected<T> p(query, key, value, weights);
  // The forward pass draws the dropout's words from a copy.
  AttentionOptions<T> forward_options = options;
  Generator copy = options.generator == nullptr ? Generator() : *options.generator;
  forward_options.generator = &copy;
  IndexList rows = split(p.q.view(), layout.queries).shape();
  rows.erase(rows.rank() - 1);
  Array<T> log_sums = Array<T>::empty(Shape(rows));
  const Array<T> joined = attend<T>(p, layout, forward_options, log_sums);
  const Array<T> djoined = linear_backward_input<T>(dy, weights.w_o);
  AttentionGradients<T> d = scaled_dot_product_attention_backward<T>(
      split(djoined.view(), layout.queries), split(p.q.view(), layout.queries),
      split(p.k.view(), layout.keys), split(p.v.view(), layout.keys), options,
      {split(joined.view(), layout.queries), log_sums});
  const Array<T> dq = join(d.dq);
  const Array<T> dk = join(d.dk);
  const Array<T> dv = join(d.dv);
  const auto bias = [](const View<T>& given, const Array<T>& gradient) {
    return given.defined() ? linear_backward_bias<T>(gradient) : Array<T>();
  };
  MultiHeadAttentionGradients<T> result;
  result.dquery = linear_backward_input<T>(dq, weights.w_q);
  result.dkey = linear_backward_input<T>(dk, weights.w_k);
  result.dvalue = linear_backward_input<T>(dv, weights.w_v);
  result.dw_q = linear_backward_weight<T>(dq, query);
  result.dw_k = linear_backward_weight<T>(dk, key);
  result.dw_v = linear_backward_weight<T>(dv, value);
  result.dw_o = linear_backward_weight<T>(dy, joined);
  result.db_q = bias(weights.b_q, dq);
  result.db_k = bias(weights.b_k, dk);
  result.db_v = bias(weights.b_v, dv);
  if (weights.b_o.defined()) {
    result.db_o = linear_backward_bias<T>(dy);
  }
  return result;
}

#define LAMINA_INSTANTIATE(T)                                                                     \
  template LAMINA_EXPORT Array<T> multi_head_attention<T>(const View<T>&, ViewArg<T>, ViewArg<T>, \
                                                          const MultiHeadAttentionWeights<T>&,    \
                                                          Index, const AttentionOptions<T>&);     \
  template LAMINA_EXPORT Index multi_head_attention_key_heads<T>(                                 \
      const View<T>&, ViewArg<T>, ViewArg<T>, const MultiHeadAttentionWeights<T>&, Index);        \
  template LAMINA_EXPORT MultiHeadAttentionGradients<T> multi_head_attention_backward<T>(         \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, const MultiHeadAttentionWeights<T>&,    \
      Index, const AttentionOptions<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn
