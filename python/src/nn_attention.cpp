#include "lamina/nn/attention.hpp"

#include "lamina/autograd/ops_attention.hpp"
#include "lamina/nn/embedding.hpp"
#include "lamina/nn/positional_encoding.hpp"
#include "lamina/nn/rotary.hpp"
#include "modules.hpp"

namespace lamina::python {

namespace {

constexpr const char* kAttention =
    "mask=None, *, causal=False, causal_offset=0, scale=None, bias=None, key_lengths=None, "
    "dropout=0.0, generator=None";
constexpr const char* kAttentionDoc = R"(
mask           True, or a number other than 0, where a query may see a key; broadcasts to (..., H, Lq, Lk)
causal         query i sees key j only if j <= i + causal_offset
scale          factor of the scores; None: 1 / sqrt(D)
bias           added to the scaled scores, broadcasts likewise
key_lengths    how many keys, from the front, there are, for each of the leading axes
dropout        probability with which a weight is dropped, drawn from `generator`; a backward call
               takes the generator as it was before the forward call
)";

/// The mask that Python gives, of bool or of numbers.
Array<bool> numeric_mask(const Operand& keep) {
  return keep.type() == Type::Float32 ? nn::attention_mask(keep.view<float>())
                                      : nn::attention_mask(keep.view<double>());
}

}  // namespace

AttentionArguments::AttentionArguments(const Call& call)
    : lengths_(call.integers("key_lengths")),
      causal_(call.flag("causal")),
      causal_offset_(call.index("causal_offset")),
      scale_(call.optional_number("scale")),
      dropout_(call.number("dropout")),
      generator_(&call.generator()) {
  const py::handle given = call.object("mask");
  if (given.is_none()) {
    return;
  }
  if (!py::isinstance<Tensor>(given) && as_numpy(given, call.place("mask")).dtype().kind() == 'b') {
    mask_ = call.mask("mask");
    return;
  }
  Operand keep = call.array("mask");
  if (keep.has_type()) {
    numeric_ = numeric_mask(keep);
  } else {
    keep.prepare<double>();
    numeric_ = nn::attention_mask(keep.view<double>());
  }
  is_numeric_ = true;
}

namespace {

void def_scaled_dot_product(Module& nn) {
  nn.def(std::string("scaled_dot_product_attention(q, k, v, ") + kAttention +
             ", out=None) -> Recorded",
         std::string(R"(
Weighted mean of the values, by how well queries and keys agree.

    out[i] = sum over j of w[i, j] v[j],  w[i] = softmax over the visible j of (scale q[i] . k[j] + bias[i, j])

q              (..., H, Lq, D)
k              (..., G, Lk, D), G a divisor of H
v              (..., G, Lk, Dv)
returns        (..., H, Lq, Dv))") +
             kAttentionDoc + R"(
A query that sees nothing gets zeros; what it does not see never matters, even when NaN.
Gradients: scaled_dot_product_attention_backward.
torch.nn.functional.scaled_dot_product_attention. Vaswani et al. 2017.)",
         [](Call& call) {
           Operand q = call.array("q");
           Operand k = call.array("k");
           Operand v = call.array("v");
           Operand bias = call.array("bias");
           const AttentionArguments arguments(call);
           return record(
               call, std::tie(q, k, v, bias),
               [&](const auto& a, const auto& b, const auto& c, const auto& d) {
                 using T = ElementOf<decltype(a)>;
                 if constexpr (std::is_same_v<std::remove_cvref_t<decltype(a)>, Var<T>>) {
                   if (d.defined()) {
                     return nn::scaled_dot_product_attention(a, b, c, d,
                                                             arguments.options(View<T>()));
                   }
                 }
                 return nn::scaled_dot_product_attention(a, b, c, arguments.options(value_of(d)));
               },
               [&](const auto& a, const auto& b, const auto& c, const auto& d, const auto& out) {
                 nn::scaled_dot_product_attention_into(a, b, c, out, arguments.options(d));
               });
         });
  nn.def(std::string("scaled_dot_product_attention_backward(dy, q, k, v, ") + kAttention +
             ") -> tuple[Array, Array, Array]",
         std::string("Gradients of scaled_dot_product_attention: (dq, dk, dv).\n\n"
                     "dy             (..., H, Lq, Dv)\n"
                     "q, k, v        what went into it; options as there") +
             kAttentionDoc,
         [](Call& call) {
           Operand dy = call.array("dy");
           Operand q = call.array("q");
           Operand k = call.array("k");
           Operand v = call.array("v");
           Operand bias = call.array("bias");
           const AttentionArguments arguments(call);
           return compute(
               call, std::tie(dy, q, k, v, bias),
               [&](const auto& g, const auto& a, const auto& b, const auto& c, const auto& d) {
                 auto gradients =
                     nn::scaled_dot_product_attention_backward(g, a, b, c, arguments.options(d));
                 return std::tuple(std::move(gradients.dq), std::move(gradients.dk),
                                   std::move(gradients.dv));
               });
         });
  nn.def(std::string("scaled_dot_product_attention_backward_bias(dy, q, k, v, ") + kAttention +
             ", out=None) -> Array",
         std::string("Gradient of scaled_dot_product_attention for the bias, of its shape.\n\n"
                     "dy             (..., H, Lq, Dv)\n"
                     "q, k, v        what went into it; options as there, with the bias") +
             kAttentionDoc,
         [](Call& call) {
           Operand dy = call.array("dy");
           Operand q = call.array("q");
           Operand k = call.array("k");
           Operand v = call.array("v");
           Operand bias = call.array("bias");
           const AttentionArguments arguments(call);
           return compute(
               call, std::tie(dy, q, k, v, bias),
               [&](const auto& g, const auto& a, const auto& b, const auto& c, const auto& d) {
                 return nn::scaled_dot_product_attention_backward_bias(g, a, b, c,
                                                                       arguments.options(d));
               });
         });
  nn.def(std::string("scaled_dot_product_attention_weights(q, k, ") + kAttention +
             ", out=None) -> Array",
         std::string("The weights of scaled_dot_product_attention, to look at: rows that sum to 1, "
                     "or are 0 where a query sees nothing. Dropout is ignored.\n\n"
                     "q              (..., H, Lq, D)\nk              (..., G, Lk, D)\n"
                     "returns        (..., H, Lq, Lk)") +
             kAttentionDoc,
         [](Call& call) {
           Operand q = call.array("q");
           Operand k = call.array("k");
           Operand bias = call.array("bias");
           const AttentionArguments arguments(call);
           return constant(
               call, std::tie(q, k, bias), [&](const auto& a, const auto& b, const auto& d) {
                 return nn::scaled_dot_product_attention_weights(a, b, arguments.options(d));
               });
         });
  nn.def("attention_mask(keep_mask, *, out=None) -> Array",
         "The mask of bool that a numeric one means: keep_mask != 0.", [](Call& call) {
           Operand keep = call.array("keep_mask");
           return constant(call, std::tie(keep),
                           [](const auto& k) { return nn::attention_mask(k); });
         });
}

void def_self_attention(Module& nn) {
  nn.def(std::string("self_attention(x, w_q, w_k, w_v, ") + kAttention + ", out=None) -> Recorded",
         std::string(R"(
Attention of a sequence to itself: scaled_dot_product_attention(x w_q, x w_k, x w_v).

x              (..., L, D)
w_q, w_k       (D, dk)
w_v            (D, dv)
returns        (..., L, dv))") +
             kAttentionDoc + "\nGradients: self_attention_backward.",
         [](Call& call) {
           Operand x = call.array("x");
           Operand q = call.array("w_q");
           Operand k = call.array("w_k");
           Operand v = call.array("w_v");
           Operand bias = call.array("bias");
           const AttentionArguments arguments(call);
           call.refuse_recorded({&bias});
           return record(
               call, std::tie(x, q, k, v, bias),
               [&](const auto& a, const auto& b, const auto& c, const auto& d, const auto& e) {
                 return nn::self_attention(a, b, c, d, arguments.options(value_of(e)));
               });
         });
  nn.def(std::string("self_attention_backward(dy, x, w_q, w_k, w_v, ") + kAttention +
             ") -> tuple[Array, Array, Array, Array]",
         "Gradients of self_attention: (dx, dw_q, dw_k, dw_v).", [](Call& call) {
           Operand dy = call.array("dy");
           Operand x = call.array("x");
           Operand q = call.array("w_q");
           Operand k = call.array("w_k");
           Operand v = call.array("w_v");
           Operand bias = call.array("bias");
           const AttentionArguments arguments(call);
           return compute(call, std::tie(dy, x, q, k, v, bias),
                          [&](const auto& g, const auto& a, const auto& b, const auto& c,
                              const auto& d, const auto& e) {
                            auto gradients =
                                nn::self_attention_backward(g, a, b, c, d, arguments.options(e));
                            return std::tuple(std::move(gradients.dx), std::move(gradients.dw_q),
                                              std::move(gradients.dw_k), std::move(gradients.dw_v));
                          });
         });
}

void def_positions(Module& nn) {
  const auto read_encoding = [](const Call& call) {
    return nn::PositionalEncodingOptions{call.index("offset"), call.number("base")};
  };
  nn.def(
      "positional_encoding(seq_len, d_model, offset=0, base=10000.0, *, dtype=\"float32\", "
      "out=None) -> Array",
      R"(
Sinusoidal encoding of positions.

    out[p, 2i] = sin((offset + p) / base^(2i / d_model)),  out[p, 2i + 1] = cos(the same)

returns (seq_len, d_model) of `dtype`. Vaswani et al. 2017.)",
      [read_encoding](Call& call) {
        const Index length = call.index("seq_len");
        const Index features = call.index("d_model");
        const nn::PositionalEncodingOptions options = read_encoding(call);
        return create(call, [&]<class T>(T) {
          return nn::positional_encoding<T>(length, features, options);
        });
      });
  nn.def("add_positional_encoding(x, offset=0, base=10000.0, *, out=None) -> Recorded",
         "x with positional_encoding added to each sequence.\n\nx       (..., L, D)\nreturns as x",
         [read_encoding](Call& call) {
           Operand x = call.array("x");
           const nn::PositionalEncodingOptions options = read_encoding(call);
           return record(
               call, std::tie(x),
               [&](const auto& a) { return nn::add_positional_encoding(a, options); },
               [&](const auto& a, const auto& out) {
                 nn::add_positional_encoding_into(a, out, options);
               });
         });
  const auto read_rotary = [](const Call& call) {
    return nn::RotaryOptions{call.index("offset"), call.number("base"), call.flag("interleaved"),
                             call.index("features")};
  };
  const std::string rotary = "offset=0, base=10000.0, interleaved=False, features=0";
  nn.def("rotary_embedding(x, " + rotary + ", *, out=None) -> Recorded", R"(
Turns pairs of features by angles that grow with the position.

    (a, b) becomes (a cos t - b sin t, b cos t + a sin t),  t = (offset + p) / base^(2i / features)

x           (..., L, D)
offset      position of the first row
interleaved pairs are (2i, 2i + 1); otherwise (i, i + features / 2)
features    how many, from the front, are turned; 0: all
returns     as x

Gradient: rotary_embedding_backward. Su et al. 2021.)",
         [read_rotary](Call& call) {
           Operand x = call.array("x");
           const nn::RotaryOptions options = read_rotary(call);
           return record(
               call, std::tie(x), [&](const auto& a) { return nn::rotary_embedding(a, options); },
               [&](const auto& a, const auto& out) { nn::rotary_embedding_into(a, out, options); });
         });
  nn.def("rotary_embedding_backward(dy, " + rotary + ", *, out=None) -> Array",
         "Gradient of rotary_embedding: dy turned back.", [read_rotary](Call& call) {
           Operand dy = call.array("dy");
           const nn::RotaryOptions options = read_rotary(call);
           return compute(
               call, std::tie(dy),
               [&](const auto& d) { return nn::rotary_embedding_backward(d, options); },
               [&](const auto& d, const auto& out) {
                 nn::rotary_embedding_backward_into(d, out, options);
               });
         });
  nn.def("alibi_bias(heads, queries, keys, offset=0, *, dtype=\"float32\", out=None) -> Array", R"(
Bias that makes attention prefer near keys.

    out[h, i, j] = -slope(h) |i + offset - j|,  slope(h) = 2^(-8 (h + 1) / heads)

returns (heads, queries, keys) of `dtype`. Press, Smith and Lewis 2022.)",
         [](Call& call) {
           const Index heads = call.index("heads");
           const Index queries = call.index("queries");
           const Index keys = call.index("keys");
           const Index offset = call.index("offset");
           return create(
               call, [&]<class T>(T) { return nn::alibi_bias<T>(heads, queries, keys, offset); });
         });
}

nn::BagMode bag_mode(const Call& call) {
  return nn::bag_mode_from_string(call.text("mode"));
}

void def_embedding(Module& nn) {
  nn.def("embedding(indices, table, padding_index=None, *, out=None) -> Recorded", R"(
Rows of a table: out[..., e] = table[indices[...], e].

indices       integers, any shape
table         (V, E)
padding_index a row that gets no gradient
returns       (indices..., E)

IndexError for an index outside the table. Gradient: embedding_backward.
torch.nn.functional.embedding.)",
         [](Call& call) {
           const Integers indices = call.integers("indices");
           Operand table = call.array("table");
           const nn::EmbeddingOptions options{call.optional_index("padding_index")};
           return record(
               call, std::tie(table),
               [&](const auto& t) { return nn::embedding(indices.view(), t, options); },
               [&](const auto& t, const auto& out) {
                 nn::embedding_into(indices.view(), t, out, options);
               });
         });
  nn.def("embedding_backward(dy, indices, rows, padding_index=None, *, out=None) -> Array",
         "Gradient of embedding for the table.\n\ndy      (indices..., E)\nindices integers\n"
         "rows    of the table\nreturns (rows, E)",
         [](Call& call) {
           Operand dy = call.array("dy");
           const Integers indices = call.integers("indices");
           const Index rows = call.index("rows");
           const nn::EmbeddingOptions options{call.optional_index("padding_index")};
           return compute(call, std::tie(dy), [&](const auto& d) {
             return nn::embedding_backward(d, indices.view(), rows, options);
           });
         });
  const std::string bags = "mode=\"sum\", *, offsets=None, weights=None, padding_index=None";
  nn.def(
      "embedding_bag(indices, table, " + bags + ", out=None) -> Recorded", R"(
Rows of a table, combined bag by bag.

indices       (n): one bag, or bags cut by offsets; (B, n): B bags of n
table         (V, E)
mode          "sum", "mean" or "max"
offsets       (B): where each bag begins
weights       a factor for each entry; mode "sum" only
padding_index entries that are left out
returns       (E) or (B, E); a bag without entries gives zeros

Gradients: embedding_bag_backward, embedding_bag_backward_weights.)",
      [](Call& call) {
        const Integers indices = call.integers("indices");
        Operand table = call.array("table");
        const nn::BagMode mode = bag_mode(call);
        const Integers offsets = call.integers("offsets");
        Operand weights = call.array("weights");
        const std::optional<Index> padding = call.optional_index("padding_index");
        return record(call, std::tie(table, weights), [&](const auto& t, const auto& w) {
          using T = ElementOf<decltype(t)>;
          if constexpr (std::is_same_v<std::remove_cvref_t<decltype(t)>, Var<T>>) {
            if (w.defined() && mode == nn::BagMode::Sum) {
              return nn::embedding_bag(indices.view(), t, w, {offsets.view(), {}, padding});
            }
          }
          return nn::embedding_bag(indices.view(), t, mode, {offsets.view(), value_of(w), padding});
        });
      });
  nn.def("embedding_bag_backward(dy, indices, table, " + bags + ", out=None) -> Array",
         "Gradient of embedding_bag for the table, of its shape.", [](Call& call) {
           Operand dy = call.array("dy");
           const Integers indices = call.integers("indices");
           Operand table = call.array("table");
           const nn::BagMode mode = bag_mode(call);
           const Integers offsets = call.integers("offsets");
           Operand weights = call.array("weights");
           const std::optional<Index> padding = call.optional_index("padding_index");
           return compute(call, std::tie(dy, table, weights),
                          [&](const auto& d, const auto& t, const auto& w) {
                            return nn::embedding_bag_backward(d, indices.view(), t, mode,
                                                              {offsets.view(), w, padding});
                          });
         });
  nn.def(
      "embedding_bag_backward_weights(dy, indices, table, weights, *, offsets=None, "
      "padding_index=None, out=None) -> Array",
      "Gradient of embedding_bag in mode \"sum\" for the weights, of the shape of indices.",
      [](Call& call) {
        Operand dy = call.array("dy");
        const Integers indices = call.integers("indices");
        Operand table = call.array("table");
        const Integers offsets = call.integers("offsets");
        Operand weights = call.array("weights");
        const std::optional<Index> padding = call.optional_index("padding_index");
        return compute(call, std::tie(dy, table, weights),
                       [&](const auto& d, const auto& t, const auto& w) {
                         return nn::embedding_bag_backward_weights(d, indices.view(), t,
                                                                   {offsets.view(), w, padding});
                       });
      });
}

}  // namespace

void def_attention(Module& nn) {
  def_scaled_dot_product(nn);
  def_self_attention(nn);
  def_positions(nn);
  def_embedding(nn);
}

}  // namespace lamina::python
