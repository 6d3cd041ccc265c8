#include "lamina/nn/multi_head_attention.hpp"

#include "lamina/autograd/ops_attention.hpp"
#include "lamina/nn/kv_cache.hpp"
#include "modules.hpp"

namespace lamina::python {

namespace {

constexpr const char* kOptions =
    "mask=None, *, causal=False, causal_offset=0, scale=None, bias=None, key_lengths=None, "
    "dropout=0.0, generator=None";

/// (w_q, w_k, w_v, w_o) and, behind them, biases.
struct Weights {
  explicit Weights(const Call& call) {
    const py::handle given = call.object("weights");
    const bool is_list = PyTuple_Check(given.ptr()) || PyList_Check(given.ptr());
    const std::size_t count = is_list ? py::len(given) : 0;
    if (count < 4 || count > 8) {
      throw_type_error(call.place("weights"),
                       "must be a tuple (w_q, w_k, w_v, w_o), with b_q, b_k, b_v and b_o behind if "
                       "there are biases");
    }
    std::size_t i = 0;
    for (const py::handle one : given) {
      operands[i++] = Operand(one, call.place("weights"));
    }
  }
  template <class T>
  [[nodiscard]] nn::MultiHeadAttentionWeights<T> views() const {
    const auto& o = operands;
    return {o[0].view<T>(), o[1].view<T>(), o[2].view<T>(), o[3].view<T>(),
            o[4].view<T>(), o[5].view<T>(), o[6].view<T>(), o[7].view<T>()};
  }
  template <class T>
  [[nodiscard]] nn::MultiHeadAttentionParameters<T> variables() const {
    const auto& o = operands;
    return {o[0].variable<T>(), o[1].variable<T>(), o[2].variable<T>(), o[3].variable<T>(),
            o[4].variable<T>(), o[5].variable<T>(), o[6].variable<T>(), o[7].variable<T>()};
  }
  std::array<Operand, 8> operands;
};

struct Arguments {
  explicit Arguments(const Call& call)
      : query(call.array("query")),
        key(call.array("key")),
        value(call.array("value")),
        bias(call.has_parameter("bias") ? call.array("bias") : Operand()),
        weights(call),
        heads(call.index("heads")) {
    call.refuse_recorded({&bias});
  }
  [[nodiscard]] std::vector<Operand*> all() {
    std::vector<Operand*> list{&query, &key, &value, &bias};
    for (Operand& operand : weights.operands) {
      list.push_back(&operand);
    }
    return list;
  }
  [[nodiscard]] Type common_type(const Call& call, const Operand* more = nullptr) {
    std::vector<const Operand*> list;
    for (const Operand* operand : all()) {
      list.push_back(operand);
    }
    if (more != nullptr) {
      list.push_back(more);
    }
    return call.common_type(list);
  }
  template <class T>
  void prepare() {
    for (Operand* operand : all()) {
      operand->prepare<T>();
    }
  }
  [[nodiscard]] bool has_tensor() {
    for (const Operand* operand : all()) {
      if (operand->tensor() != nullptr) {
        return true;
      }
    }
    return false;
  }
  void refuse_recorded(const Call& call) {
    for (const Operand* operand : all()) {
      call.refuse_recorded({operand});
    }
  }
  Operand query, key, value, bias;
  Weights weights;
  Index heads;
};

template <class T>
py::object run_backward(const Arguments& given, const AttentionArguments& options,
                        const Operand& dy) {
  auto g = released([&] {
    return nn::multi_head_attention_backward(
        dy.view<T>(), given.query.view<T>(), given.key.view<T>(), given.value.view<T>(),
        given.weights.views<T>(), given.heads, options.options(given.bias.view<T>()));
  });
  const auto or_none = [](Array<T>&& array) {
    return array.rank() == 1 && array.empty() ? py::object(py::none())
                                              : to_python(std::move(array));
  };
  return py::make_tuple(to_python(std::move(g.dquery)), to_python(std::move(g.dkey)),
                        to_python(std::move(g.dvalue)),
                        py::make_tuple(to_python(std::move(g.dw_q)), to_python(std::move(g.dw_k)),
                                       to_python(std::move(g.dw_v)), to_python(std::move(g.dw_o)),
                                       or_none(std::move(g.db_q)), or_none(std::move(g.db_k)),
                                       or_none(std::move(g.db_v)), or_none(std::move(g.db_o))));
}

void def_functions(Module& nn) {
  nn.def(std::string("multi_head_attention(query, key, value, weights, heads, ") + kOptions +
             ", out=None) -> Recorded",
         R"(Attention of several heads between projections.

    out = concat over heads of (attention(q_h, k_h, v_h)) w_o^T + b_o
    q, k, v = query w_q^T + b_q, key w_k^T + b_k, value w_v^T + b_v, cut into heads

query    (..., Lq, Eq)
key      (..., Lk, Ek)
value    (..., Lk, Ev)
weights  (w_q (H D, Eq), w_k (G D, Ek), w_v (G Dv, Ev), w_o (out, H Dv)) and, if there are biases, b_q,
         b_k, b_v and b_o behind; G may be fewer than the H heads
heads    H
returns  (..., Lq, out)

Options as for scaled_dot_product_attention. Gradients: multi_head_attention_backward.
torch.nn.functional.multi_head_attention_forward. Vaswani et al. 2017.)",
         [](Call& call) {
           Arguments given(call);
           const AttentionArguments options(call);
           const auto run = [&]<class T>(T) {
             given.prepare<T>();
             if (given.has_tensor()) {
               call.refuse_out();
               return to_python(released([&] {
                 return nn::multi_head_attention(given.query.variable<T>(), given.key.variable<T>(),
                                                 given.value.variable<T>(),
                                                 given.weights.variables<T>(), given.heads,
                                                 options.options(given.bias.view<T>()));
               }));
             }
             return call.deliver(released([&] {
               return nn::multi_head_attention(given.query.view<T>(), given.key.view<T>(),
                                               given.value.view<T>(), given.weights.views<T>(),
                                               given.heads, options.options(given.bias.view<T>()));
             }));
           };
           return given.common_type(call) == Type::Float32 ? run(float()) : run(double());
         });
  nn.def(std::string("multi_head_attention_backward(dy, query, key, value, weights, heads, ") +
             kOptions + ") -> tuple[Array, Array, Array, tuple[Array, ...]]",
         "Gradients of multi_head_attention: (dquery, dkey, dvalue, weights), the last as the "
         "weights are given, None where there is no bias.\n\ndy      (..., Lq, out); the other "
         "arguments as there",
         [](Call& call) {
           Operand dy = call.array("dy");
           Arguments given(call);
           given.refuse_recorded(call);
           call.refuse_recorded({&dy});
           const AttentionArguments options(call);
           if (given.common_type(call, &dy) == Type::Float32) {
             given.prepare<float>();
             dy.prepare<float>();
             return run_backward<float>(given, options, dy);
           }
           given.prepare<double>();
           dy.prepare<double>();
           return run_backward<double>(given, options, dy);
         });
  nn.def("multi_head_attention_key_heads(query, key, value, weights, heads) -> int",
         "How many heads of keys and values multi_head_attention has with these arguments: G.",
         [](Call& call) -> py::object {
           Arguments given(call);
           const auto run = [&]<class T>(T) {
             given.prepare<T>();
             return nn::multi_head_attention_key_heads(given.query.view<T>(), given.key.view<T>(),
                                                       given.value.view<T>(),
                                                       given.weights.views<T>(), given.heads);
           };
           return py::int_(given.common_type(call) == Type::Float32 ? run(float()) : run(double()));
         });
}

/// A cache, and a lock: threads may share one.
template <class T>
struct Locked {
  explicit Locked(Index capacity) : cache(capacity) {}
  std::shared_mutex lock;
  nn::KvCache<T> cache;
};
struct Cache {
  std::variant<std::shared_ptr<Locked<float>>, std::shared_ptr<Locked<double>>> cache;
};

const Cache& read_cache(const Call& call) {
  const py::handle given = call.object("cache");
  if (!py::isinstance<Cache>(given)) {
    throw_type_error(call.place("cache"), "is no cache");
  }
  return py::cast<const Cache&>(given);
}

/// f(cache) alone, or with others that only read.
template <class F>
auto change(const Call& call, const F& f) {
  return std::visit(
      [&](const auto& held) {
        return released([&] {
          const std::unique_lock lock(held->lock);
          return f(held->cache);
        });
      },
      read_cache(call).cache);
}

template <class T>
void check_types(const Call& call, std::initializer_list<Operand*> operands) {
  for (Operand* operand : operands) {
    call.refuse_recorded({operand});
    if (operand->has_type() && operand->type() != kType<T>) {
      throw_type_error(operand->place(), "is " + std::string(to_string(operand->type())) +
                                             ", the cache holds " +
                                             std::string(to_string(kType<T>)));
    }
    operand->prepare<T>();
  }
}

void def_cache(Module& module) {
  module.def("make(capacity, dtype) -> object", "", [](Call& call) {
    const Index capacity = call.index("capacity");
    return call.dtype() == Type::Float32
               ? py::cast(Cache{std::make_shared<Locked<float>>(capacity)})
               : py::cast(Cache{std::make_shared<Locked<double>>(capacity)});
  });
  module.def("append(cache, k, v) -> None", "", [](Call& call) -> py::object {
    Operand k = call.array("k");
    Operand v = call.array("v");
    std::visit(
        [&]<class T>(const std::shared_ptr<Locked<T>>& held) {
          check_types<T>(call, {&k, &v});
          released([&] {
            const std::unique_lock lock(held->lock);
            held->cache.append(k.view<T>(), v.view<T>());
          });
        },
        read_cache(call).cache);
    return py::none();
  });
  module.def("sizes(cache) -> tuple[int, int]", "", [](Call& call) -> py::object {
    const auto [size, capacity] =
        change(call, [](const auto& cache) { return std::pair(cache.size(), cache.capacity()); });
    return py::make_tuple(size, capacity);
  });
  module.def("contents(cache) -> tuple[Array, Array]", "", [](Call& call) {
    return std::visit(
        [&]<class T>(const std::shared_ptr<Locked<T>>& held) -> py::object {
          std::pair<Array<T>, Array<T>> both;
          bool defined = false;
          released([&] {
            const std::shared_lock lock(held->lock);
            defined = held->cache.keys().defined();
            if (defined) {
              both = {held->cache.keys().copy(), held->cache.values().copy()};
            }
          });
          return defined ? py::make_tuple(to_python(std::move(both.first)),
                                          to_python(std::move(both.second)))
                         : py::make_tuple(py::none(), py::none());
        },
        read_cache(call).cache);
  });
  module.def("reserve(cache, positions) -> None", "", [](Call& call) -> py::object {
    const Index positions = call.index("positions");
    change(call, [&](auto& cache) { cache.reserve(positions); });
    return py::none();
  });
  module.def("truncate(cache, positions) -> None", "", [](Call& call) -> py::object {
    const Index positions = call.index("positions");
    change(call, [&](auto& cache) { cache.truncate(positions); });
    return py::none();
  });
  module.def(std::string("attend(cache, q, ") + kOptions + ") -> Array", "", [](Call& call) {
    Operand q = call.array("q");
    Operand bias = call.array("bias");
    const AttentionArguments arguments(call);
    return std::visit(
        [&]<class T>(const std::shared_ptr<Locked<T>>& held) {
          check_types<T>(call, {&q, &bias});
          return to_python(released([&] {
            const std::shared_lock lock(held->lock);
            return held->cache.attend(q.view<T>(), arguments.options(bias.view<T>()));
          }));
        },
        read_cache(call).cache);
  });
}

}  // namespace

void def_multi_head_attention(py::module_& root, Module& nn) {
  def_functions(nn);
  py::class_<Cache>(root, "Cache");
  Module cache(root.def_submodule("kv_cache"), "lamina._core.kv_cache");
  def_cache(cache);
}

}  // namespace lamina::python
