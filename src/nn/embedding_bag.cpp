#include <array>

#include "kernels/gemm.hpp"
#include "lamina/nn/embedding.hpp"
#include "nn/embedding_rows.hpp"
#include "nn/layout.hpp"
#include "nn/output.hpp"

namespace lamina::nn {

namespace {

/// All that a call says about its bags, checked. Entries with the padding index are gone.
template <class T>
struct Bags {
  Index count = 0;
  bool single = false;    ///< the guide's form: the result has no axis of bags
  bool weighted = false;  ///< there are weights
  Index rows = 0, features = 0;
  Buffer<std::int64_t> index;   ///< of the entries that count
  Buffer<std::int64_t> source;  ///< where each was among the indices
  Buffer<std::int64_t> bag;     ///< to which each belongs
  Buffer<Index> first;          ///< (count + 1)
  Buffer<T> weights;            ///< of each, if there are any

  [[nodiscard]] Index size(Index b) const { return first.data()[b + 1] - first.data()[b]; }
  [[nodiscard]] Index entries() const { return first.data()[count]; }
  [[nodiscard]] Shape result() const { return single ? Shape{features} : Shape{count, features}; }
};

void check_offsets(const View<std::int64_t>& offsets, Index entries, std::string_view operation) {
  for (Index b = 0; b < offsets.size(); ++b) {
    const std::int64_t before = b == 0 ? 0 : offsets(b - 1);
    check(offsets(b) >= before && offsets(b) <= entries && (b > 0 || offsets(b) == 0),
          ErrorKind::InvalidOperation, operation, "offsets must ascend from 0 to at most ", entries,
          ", the number of indices; offset ", b, " is ", offsets(b));
  }
}

template <class T>
Bags<T> make_bags(const View<std::int64_t>& indices, const View<T>& table, BagMode mode,
                  const EmbeddingBagOptions<T>& options, std::string_view operation) {
  check(table.defined() && table.rank() == 2, ErrorKind::DimensionMismatch, operation,
        "table must be a matrix (rows, features), got shape ", table.shape());
  check(indices.defined() && (indices.rank() == 1 || indices.rank() == 2),
        ErrorKind::DimensionMismatch, operation, "indices must have 1 or 2 axes, got shape ",
        indices.shape());
  const bool with_offsets = options.offsets.defined();
  const Index entries = indices.size();
  Bags<T> bags;
  bags.weighted = options.weights.defined();
  bags.rows = table.shape()[0];
  bags.features = table.shape()[1];
  if (with_offsets) {
    check(indices.rank() == 1, ErrorKind::InvalidOperation, operation,
          "offsets are for indices of one axis, got shape ", indices.shape());
    check(options.offsets.rank() == 1, ErrorKind::DimensionMismatch, operation,
          "offsets must have one axis, got shape ", options.offsets.shape());
    check_offsets(options.offsets, entries, operation);
    check(entries == 0 || options.offsets.size() > 0, ErrorKind::InvalidOperation, operation,
          "no bags for ", entries, " indices");
    bags.count = options.offsets.size();
  } else {
    bags.single = indices.rank() == 1;
    check(!bags.single || entries > 0, ErrorKind::InvalidOperation, operation, "the bag is empty");
    bags.count = bags.single ? 1 : indices.shape()[0];
  }
  if (bags.weighted) {
    check(options.weights.shape() == indices.shape(), ErrorKind::DimensionMismatch, operation,
          "weights have shape ", options.weights.shape(), ", indices have shape ", indices.shape());
    check(mode == BagMode::Sum, ErrorKind::InvalidOperation, operation,
          "weights are for mode sum, not ", to_string(mode));
  }
  const Index padding = detail::padding_row(options.padding_index, bags.rows, operation);
  const lamina::detail::Packed<std::int64_t> packed(indices);
  detail::check_indices(packed.data(), indices.shape(), bags.rows, operation);

  Array<T> packed_weights;
  if (bags.weighted) {
    packed_weights = options.weights.copy();
    bags.weights = Buffer<T>(entries);
  }
  bags.index = Buffer<std::int64_t>(entries);
  bags.source = Buffer<std::int64_t>(entries);
  bags.bag = Buffer<std::int64_t>(entries);
  bags.first = Buffer<Index>(bags.count + 1);
  Index kept = 0;
  for (Index b = 0; b < bags.count; ++b) {
    Index begin = 0;
    Index end = entries;
    if (with_offsets) {
      begin = options.offsets(b);
      end = b + 1 < bags.count ? options.offsets(b + 1) : entries;
    } else if (!bags.single) {
      begin = b * indices.shape()[1];
      end = begin + indices.shape()[1];
    }
    bags.first.data()[b] = kept;
    for (Index i = begin; i < end; ++i) {
      if (packed.data()[i] != padding) {
        bags.index.data()[kept] = packed.data()[i];
        bags.source.data()[kept] = i;
        bags.bag.data()[kept] = b;
        if (bags.weighted) {
          bags.weights.data()[kept] = packed_weights.data()[i];
        }
        ++kept;
      }
    }
  }
  bags.first.data()[bags.count] = kept;
  return bags;
}

template <class T>
void check_gradient(const View<T>& dy, const Bags<T>& bags, std::string_view operation) {
  check(dy.defined() && dy.shape() == bags.result(), ErrorKind::DimensionMismatch, operation,
        "dy has shape ", dy.shape(), ", expected ", bags.result());
}

/// dtable of Max: each column goes its own way, so they are what threads share out.
template <class T>
void max_backward(const T* dy, const Bags<T>& bags, const detail::AdjacentColumns<T>& table,
                  T* dtable) {
  constexpr Index kColumns = 64;
  const Index n = bags.features;
  std::fill_n(dtable, bags.rows * n, T(0));
  parallel_for(n, kColumns, [&](Index begin, Index end) {
    std::array<T, kColumns> max;
    std::array<std::int64_t, kColumns> winner;
    for (Index column = begin; column < end; column += kColumns) {
      const Index width = std::min(kColumns, end - column);
      for (Index b = 0; b < bags.count; ++b) {
        for (Index i = bags.first.data()[b]; i < bags.first.data()[b + 1]; ++i) {
          const std::int64_t row = bags.index.data()[i];
          const T* x = table.data() + row * table.stride() + column;
          for (Index j = 0; j < width; ++j) {
            const auto at = static_cast<std::size_t>(j);
            const bool first = i == bags.first.data()[b];
            // The first greatest wins; the first NaN wins over all.
            if (first || x[j] > max[at] || (x[j] != x[j] && max[at] == max[at])) {
              max[at] = x[j];
              winner[at] = row;
            }
          }
        }
        for (Index j = 0; j < width && bags.size(b) > 0; ++j) {
          dtable[winner[static_cast<std::size_t>(j)] * n + column + j] += dy[b * n + column + j];
        }
      }
    }
  });
}

template <class T>
void run_bags(const Bags<T>& bags, const View<T>& table, BagMode mode, T* out) {
  const detail::AdjacentColumns<T> rows(table);
  const Index n = bags.features;
  simd::detail::ensure_target();
  const Index entries_per_bag = bags.entries() / std::max<Index>(1, bags.count) + 1;
  parallel_for(bags.count, detail::rows_per_task(n * entries_per_bag), [&](Index begin, Index end) {
    for (Index b = begin; b < end; ++b) {
      const Index first = bags.first.data()[b];
      const kernels::RowSelection<T> selection{rows.data(), rows.stride(), n,
                                               bags.index.data() + first, bags.size(b)};
      if (mode == BagMode::Max) {
        kernels::max_rows(selection, out + b * n);
        continue;
      }
      const T scale =
          mode == BagMode::Mean && bags.size(b) > 0 ? T(1) / static_cast<T>(bags.size(b)) : T(1);
      const T* weights = bags.weighted ? bags.weights.data() + first : nullptr;
      kernels::sum_rows(selection, weights, scale, out + b * n);
    }
  });
}

template <class T>
void run_bags_backward(const Bags<T>& bags, const View<T>& dy, const View<T>& table, BagMode mode,
                       T* dtable) {
  const lamina::detail::Packed<T> gradient(dy);
  const Index n = bags.features;
  if (mode == BagMode::Max) {
    max_backward(gradient.data(), bags, detail::AdjacentColumns<T>(table), dtable);
    return;
  }
  const detail::EntriesByRow by_row(bags.index.data(), bags.entries(), bags.rows, -1);
  // In the order of the rows: from which bag, and with which factor.
  Buffer<std::int64_t> bag(bags.entries());
  Buffer<T> factor(bags.entries());
  for (Index i = 0; i < bags.entries(); ++i) {
    const Index entry = by_row.entry.data()[i];
    bag.data()[i] = bags.bag.data()[entry];
    factor.data()[i] = mode == BagMode::Mean ? T(1) / static_cast<T>(bags.size(bag.data()[i]))
                       : bags.weighted       ? bags.weights.data()[entry]
                                             : T(1);
  }
  const bool plain = mode == BagMode::Sum && !bags.weighted;
  simd::detail::ensure_target();
  parallel_for(bags.rows, detail::rows_per_task(n), [&](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      const Index first = by_row.first.data()[row];
      const kernels::RowSelection<T> selection{gradient.data(), n, n, bag.data() + first,
                                               by_row.first.data()[row + 1] - first};
      kernels::sum_rows(selection, plain ? nullptr : factor.data() + first, T(1), dtable + row * n);
    }
  });
}

/// dweights: zeros.
template <class T>
void run_bags_backward_weights(const Bags<T>& bags, const View<T>& dy, const View<T>& table,
                               T* dweights) {
  const lamina::detail::Packed<T> gradient(dy);
  const detail::AdjacentColumns<T> rows(table);
  const Index n = bags.features;
  simd::detail::ensure_target();
  parallel_for(bags.entries(), detail::rows_per_task(n), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      kernels::SkinnyProduct<T> dot;
      dot.m = 1;
      dot.n = 1;
      dot.k = n;
      dot.a = gradient.data() + bags.bag.data()[i] * n;
      dot.b = rows.data() + bags.index.data()[i] * rows.stride();
      dot.k_stride = 1;
      dot.y = dweights + bags.source.data()[i];
      kernels::gemm_skinny(dot);
    }
  });
}

}  // namespace

BagMode bag_mode_from_string(std::string_view name) {
  for (const BagMode mode : {BagMode::Sum, BagMode::Mean, BagMode::Max}) {
    if (name == to_string(mode)) {
      return mode;
    }
  }
  check(false, ErrorKind::InvalidOperation, "embedding_bag", "mode must be sum, mean or max, got ",
        name);
  return BagMode::Sum;
}

template <class T>
void embedding_bag_into(const View<std::int64_t>& indices, const View<T>& table, BagMode mode,
                        MutArg<T> out,
                        const EmbeddingBagOptions<std::type_identity_t<T>>& options) {
  const Bags<T> bags = make_bags<T>(indices, table, mode, options, "embedding_bag");
  detail::check_output(out, "out", bags.result(), "embedding_bag", table, indices, options.offsets,
                       options.weights);
  detail::PackedOut<T> packed(out);
  run_bags(bags, table, mode, packed.data());
  packed.finish();
}

template <class T>
Array<T> embedding_bag(const View<std::int64_t>& indices, const View<T>& table, BagMode mode,
                       const EmbeddingBagOptions<std::type_identity_t<T>>& options) {
  const Bags<T> bags = make_bags<T>(indices, table, mode, options, "embedding_bag");
  Array<T> out = Array<T>::empty(bags.result());
  run_bags(bags, table, mode, out.data());
  return out;
}

template <class T>
void embedding_bag_backward_into(const View<T>& dy, const View<std::int64_t>& indices,
                                 ViewArg<T> table, BagMode mode, MutArg<T> dtable,
                                 const EmbeddingBagOptions<std::type_identity_t<T>>& options) {
  constexpr std::string_view kName = "embedding_bag_backward";
  const Bags<T> bags = make_bags<T>(indices, table, mode, options, kName);
  check_gradient(dy, bags, kName);
  detail::check_output(dtable, "dtable", table.shape(), kName, dy, table, indices, options.offsets,
                       options.weights);
  detail::PackedOut<T> packed(dtable);
  run_bags_backward<T>(bags, dy, table, mode, packed.data());
  packed.finish();
}

template <class T>
Array<T> embedding_bag_backward(const View<T>& dy, const View<std::int64_t>& indices,
                                ViewArg<T> table, BagMode mode,
                                const EmbeddingBagOptions<std::type_identity_t<T>>& options) {
  Array<T> dtable = Array<T>::empty(table.shape());
  embedding_bag_backward_into<T>(dy, indices, table, mode, dtable, options);
  return dtable;
}

template <class T>
void embedding_bag_backward_weights_into(
    const View<T>& dy, const View<std::int64_t>& indices, ViewArg<T> table, MutArg<T> dweights,
    const EmbeddingBagOptions<std::type_identity_t<T>>& options) {
  constexpr std::string_view kName = "embedding_bag_backward_weights";
  check(options.weights.defined(), ErrorKind::InvalidOperation, kName, "there are no weights");
  const Bags<T> bags = make_bags<T>(indices, table, BagMode::Sum, options, kName);
  check_gradient(dy, bags, kName);
  detail::check_output(dweights, "dweights", indices.shape(), kName, dy, table, indices,
                       options.offsets, options.weights);
  detail::PackedOut<T> packed(dweights);
  packed.view().fill(T(0));
  run_bags_backward_weights<T>(bags, dy, table, packed.data());
  packed.finish();
}

template <class T>
Array<T> embedding_bag_backward_weights(
    const View<T>& dy, const View<std::int64_t>& indices, ViewArg<T> table,
    const EmbeddingBagOptions<std::type_identity_t<T>>& options) {
  Array<T> dweights = Array<T>::empty(indices.shape());
  embedding_bag_backward_weights_into<T>(dy, indices, table, dweights, options);
  return dweights;
}

#define LAMINA_INSTANTIATE(T)                                                                  \
  template LAMINA_EXPORT void embedding_bag_into<T>(const View<std::int64_t>&, const View<T>&, \
                                                    BagMode, MutArg<T>,                        \
                                                    const EmbeddingBagOptions<T>&);            \
  template LAMINA_EXPORT void embedding_bag_backward_into<T>(                                  \
      const View<T>&, const View<std::int64_t>&, ViewArg<T>, BagMode, MutArg<T>,               \
      const EmbeddingBagOptions<T>&);                                                          \
  template LAMINA_EXPORT void embedding_bag_backward_weights_into<T>(                          \
      const View<T>&, const View<std::int64_t>&, ViewArg<T>, MutArg<T>,                        \
      const EmbeddingBagOptions<T>&);                                                          \
  template LAMINA_EXPORT Array<T> embedding_bag<T>(const View<std::int64_t>&, const View<T>&,  \
                                                   BagMode, const EmbeddingBagOptions<T>&);    \
  template LAMINA_EXPORT Array<T> embedding_bag_backward<T>(                                   \
      const View<T>&, const View<std::int64_t>&, ViewArg<T>, BagMode,                          \
      const EmbeddingBagOptions<T>&);                                                          \
  template LAMINA_EXPORT Array<T> embedding_bag_backward_weights<T>(                           \
      const View<T>&, const View<std::int64_t>&, ViewArg<T>, const EmbeddingBagOptions<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn
