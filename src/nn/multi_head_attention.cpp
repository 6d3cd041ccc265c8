#include "lamina/nn/multi_head_attention.hpp"

#include <array>
#include <string_view>
#include <utility>

#include "lamina/nn/linear.hpp"
#include "nn/output.hpp"

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
    for (int axis = 0; axis + 2 < query.rank(); ++axis) {
      check(x.shape()[axis] == query.shape()[axis], ErrorKind::DimensionMismatch, operation,
            "axis ", axis, " of ", name, " differs from that of query; query ", query.shape(), ", ",
            name, " ", x.shape());
    }
  };
  sequence(key, "key");
  sequence(value, "value");
  check(key.extent(-2) == value.extent(-2), ErrorKind::DimensionMismatch, operation, "there are ",
        key.extent(-2), " keys and ", value.extent(-2), " values; key ", key.shape(), ", value ",
        value.shape());
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

/// Error unless `out` has that shape and lies apart from all that a call reads.
template <class T>
void check_target(const MutView<T>& out, std::string_view name, const Shape& shape,
                  std::string_view operation, const std::array<const View<T>*, 3>& inputs,
                  const MultiHeadAttentionWeights<T>& w, const AttentionOptions<T>& options) {
  detail::check_output(out, name, shape, operation, *inputs[0], *inputs[1], *inputs[2], w.w_q,
                       w.w_k, w.w_v, w.w_o, w.b_q, w.b_k, w.b_v, w.b_o, options.mask, options.bias,
                       options.key_lengths);
}

/// A gradient and what it is that of: their shapes are the same.
template <class T>
struct Target {
  std::string_view name;
  const MutView<T>* out;
  const View<T>* of;
};

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
void multi_head_attention_into(const View<T>& query, ViewArg<T> key, ViewArg<T> value,
                               const MultiHeadAttentionWeights<std::type_identity_t<T>>& weights,
                               Index heads, MutArg<T> out,
                               const AttentionOptions<std::type_identity_t<T>>& options) {
  constexpr std::string_view kName = "multi_head_attention";
  const Heads layout = check_arguments<T>(query, key, value, weights, heads, kName);
  IndexList shape = query.shape();
  shape[shape.rank() - 1] = weights.w_o.shape()[0];
  check_target<T>(out, "out", Shape(shape), kName, {&query, &key, &value}, weights, options);
  const Projected<T> projected(query, key, value, weights);
  linear_into<T>(attend<T>(projected, layout, options), weights.w_o, weights.b_o, out);
}

template <class T>
Index multi_head_attention_key_heads(
    const View<T>& query, ViewArg<T> key, ViewArg<T> value,
    const MultiHeadAttentionWeights<std::type_identity_t<T>>& weights, Index heads) {
  return check_arguments<T>(query, key, value, weights, heads, "multi_head_attention").keys;
}

template <class T>
void multi_head_attention_backward_into(
    const View<T>& dy, ViewArg<T> query, ViewArg<T> key, ViewArg<T> value,
    const MultiHeadAttentionWeights<std::type_identity_t<T>>& weights, Index heads,
    const MultiHeadAttentionGradientViews<std::type_identity_t<T>>& gradients,
    const AttentionOptions<std::type_identity_t<T>>& options) {
  constexpr std::string_view kName = "multi_head_attention_backward";
  const Heads layout = check_arguments<T>(query, key, value, weights, heads, kName);
  IndexList expected = query.shape();
  expected[expected.rank() - 1] = weights.w_o.shape()[0];
  check(dy.defined() && dy.shape() == Shape(expected), ErrorKind::DimensionMismatch, kName,
        "dy has shape ", dy.shape(), ", expected ", Shape(expected));
  const MultiHeadAttentionGradientViews<T>& g = gradients;
  const std::array<Target<T>, 11> targets{{{"dquery", &g.dquery, &query},
                                           {"dkey", &g.dkey, &key},
                                           {"dvalue", &g.dvalue, &value},
                                           {"dw_q", &g.dw_q, &weights.w_q},
                                           {"dw_k", &g.dw_k, &weights.w_k},
                                           {"dw_v", &g.dw_v, &weights.w_v},
                                           {"dw_o", &g.dw_o, &weights.w_o},
                                           {"db_q", &g.db_q, &weights.b_q},
                                           {"db_k", &g.db_k, &weights.b_k},
                                           {"db_v", &g.db_v, &weights.b_v},
                                           {"db_o", &g.db_o, &weights.b_o}}};
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Target<T>& target = targets[i];
    if (!target.out->defined()) {
      continue;
    }
    check(target.of->defined(), ErrorKind::InvalidOperation, kName, target.name,
          " is the gradient of a bias that is absent");
    check_target<T>(*target.out, target.name, target.of->shape(), kName, {&query, &key, &value},
                    weights, options);
    check(overlap<T, T>(*target.out, dy) == Overlap::None, ErrorKind::InvalidOperation, kName,
          target.name, " overlaps dy");
    for (std::size_t j = 0; j < i; ++j) {
      detail::check_outputs_apart<T, T>(*target.out, target.name, *targets[j].out, targets[j].name,
                                        kName);
    }
  }
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
  const auto input = [](const MutView<T>& out, const View<T>& gradient, const View<T>& weight) {
    if (out.defined()) {
      linear_backward_input_into<T>(gradient, weight, out);
    }
  };
  const auto weight = [](const MutView<T>& out, const View<T>& gradient, const View<T>& x) {
    if (out.defined()) {
      linear_backward_weight_into<T>(gradient, x, out);
    }
  };
  const auto bias = [](const MutView<T>& out, const View<T>& gradient) {
    if (out.defined()) {
      linear_backward_bias_into<T>(gradient, out);
    }
  };
  input(g.dquery, dq, weights.w_q);
  input(g.dkey, dk, weights.w_k);
  input(g.dvalue, dv, weights.w_v);
  weight(g.dw_q, dq, query);
  weight(g.dw_k, dk, key);
  weight(g.dw_v, dv, value);
  weight(g.dw_o, dy, joined);
  bias(g.db_q, dq);
  bias(g.db_k, dk);
  bias(g.db_v, dv);
  bias(g.db_o, dy);
}

template <class T>
MultiHeadAttentionGradients<T> multi_head_attention_backward(
    const View<T>& dy, ViewArg<T> query, ViewArg<T> key, ViewArg<T> value,
    const MultiHeadAttentionWeights<std::type_identity_t<T>>& weights, Index heads,
    const AttentionOptions<std::type_identity_t<T>>& options) {
  const auto like = [](const View<T>& x) {
    return x.defined() ? Array<T>::empty(x.shape()) : Array<T>();
  };
  MultiHeadAttentionGradients<T> d{like(query),       like(key),         like(value),
                                   like(weights.w_q), like(weights.w_k), like(weights.w_v),
                                   like(weights.w_o), like(weights.b_q), like(weights.b_k),
                                   like(weights.b_v), like(weights.b_o)};
  const auto target = [](const View<T>& x, Array<T>& gradient) {
    return x.defined() ? MutView<T>(gradient) : MutView<T>();
  };
  multi_head_attention_backward_into<T>(
      dy, query, key, value, weights, heads,
      {d.dquery, d.dkey, d.dvalue, d.dw_q, d.dw_k, d.dw_v, d.dw_o, target(weights.b_q, d.db_q),
       target(weights.b_k, d.db_k), target(weights.b_v, d.db_v), target(weights.b_o, d.db_o)},
      options);
  return d;
}

#define LAMINA_INSTANTIATE(T)                                                                     \
  template LAMINA_EXPORT void multi_head_attention_into<T>(                                       \
      const View<T>&, ViewArg<T>, ViewArg<T>, const MultiHeadAttentionWeights<T>&, Index,         \
      MutArg<T>, const AttentionOptions<T>&);                                                     \
  template LAMINA_EXPORT void multi_head_attention_backward_into<T>(                              \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, const MultiHeadAttentionWeights<T>&,    \
      Index, const MultiHeadAttentionGradientViews<T>&, const AttentionOptions<T>&);              \
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
