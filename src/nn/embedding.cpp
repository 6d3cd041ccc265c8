#include "lamina/nn/embedding.hpp"

#include "nn/embedding_rows.hpp"
#include "nn/layout.hpp"

namespace lamina::nn {

namespace {

template <class T>
void check_table(const View<T>& table, std::string_view operation) {
  check(table.defined() && table.rank() == 2, ErrorKind::DimensionMismatch, operation,
        "table must be a matrix (rows, features), got shape ", table.shape());
}

Shape with_features(const Shape& shape, Index features) {
  IndexList result = shape;
  result.push_back(features);
  return Shape(result);
}

}  // namespace

template <class T>
void embedding_into(const View<std::int64_t>& indices, const View<T>& table, MutArg<T> out,
                    const EmbeddingOptions& options) {
  detail::check_defined(indices, "embedding", "indices");
  check_table(table, "embedding");
  const Index rows = table.shape()[0];
  const Index n = table.shape()[1];
  static_cast<void>(detail::padding_row(options.padding_index, rows, "embedding"));
  const Shape expected = with_features(indices.shape(), n);
  check(out.defined() && out.shape() == expected, ErrorKind::DimensionMismatch, "embedding",
        "out has shape ", out.shape(), ", expected ", expected);
  if (out.size() > 0) {
    detail::check_writable<T>(out, "embedding", "out");
  }
  check(overlap<T, T>(out, table) == Overlap::None, ErrorKind::InvalidOperation, "embedding",
        "out overlaps table");
  const lamina::detail::Packed<std::int64_t> packed(indices);
  const std::int64_t* index = packed.data();
  detail::check_indices(index, indices.shape(), rows, "embedding");
  if (out.size() == 0) {
    return;
  }
  Array<T> result;
  if (!out.is_contiguous()) {
    result = Array<T>::empty(expected);
  }
  T* to = out.is_contiguous() ? out.data() : result.data();
  const T* from = table.data();
  const Index row_stride = table.strides()[0];
  const Index col_stride = table.strides()[1];
  parallel_for(indices.size(), detail::rows_per_task(n), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      if (col_stride == 1 && i + 1 < end) {
        detail::fetch_row(from + index[i + 1] * row_stride, n);
      }
      detail::gather(from + index[i] * row_stride, col_stride, n, to + i * n);
    }
  });
  if (!out.is_contiguous()) {
    out.assign(result);
  }
}

template <class T>
Array<T> embedding(const View<std::int64_t>& indices, const View<T>& table,
                   const EmbeddingOptions& options) {
  detail::check_defined(indices, "embedding", "indices");
  check_table(table, "embedding");
  Array<T> out = Array<T>::empty(with_features(indices.shape(), table.shape()[1]));
  embedding_into<T>(indices, table, out, options);
  return out;
}

template <class T>
void embedding_backward_into(const View<T>& dy, const View<std::int64_t>& indices, MutArg<T> dtable,
                             const EmbeddingOptions& options) {
  constexpr std::string_view kName = "embedding_backward";
  detail::check_defined(indices, kName, "indices");
  detail::check_defined(dy, kName, "dy");
  check(dy.rank() == indices.rank() + 1, ErrorKind::DimensionMismatch, kName, "dy has shape ",
        dy.shape(), ", expected that of the indices ", indices.shape(), " and one axis more");
  const Index n = dy.shape().back();
  check(dy.shape() == with_features(indices.shape(), n), ErrorKind::DimensionMismatch, kName,
        "dy has shape ", dy.shape(), ", expected ", with_features(indices.shape(), n));
  check(dtable.defined() && dtable.rank() == 2 && dtable.shape()[1] == n,
        ErrorKind::DimensionMismatch, kName, "dtable has shape ", dtable.shape(),
        ", expected (rows, ", n, ")");
  detail::check_writable<T>(dtable, kName, "dtable");
  check(overlap(static_cast<const View<T>&>(dtable), dy) == Overlap::None,
        ErrorKind::InvalidOperation, kName, "dtable overlaps dy");
  const Index rows = dtable.shape()[0];
  const Index padding = detail::padding_row(options.padding_index, rows, kName);
  const lamina::detail::Packed<std::int64_t> packed(indices);
  detail::check_indices(packed.data(), indices.shape(), rows, kName);
  const lamina::detail::Packed<T> gradient(dy);
  const detail::EntriesByRow by_row(packed.data(), indices.size(), rows, padding);
  Array<T> copy = dtable.is_contiguous() ? Array<T>() : Array<T>::empty(dtable.shape());
  T* out = dtable.is_contiguous() ? dtable.data() : copy.data();
  simd::detail::ensure_target();
  parallel_for(rows, detail::rows_per_task(n), [&](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      const Index first = by_row.first.data()[row];
      const kernels::RowSelection<T> selection{gradient.data(), n, n, by_row.entry.data() + first,
                                               by_row.first.data()[row + 1] - first};
      kernels::sum_rows(selection, nullptr, T(1), out + row * n);
    }
  });
  if (!dtable.is_contiguous()) {
    dtable.assign(copy);
  }
}

template <class T>
Array<T> embedding_backward(const View<T>& dy, const View<std::int64_t>& indices, Index rows,
                            const EmbeddingOptions& options) {
  constexpr std::string_view kName = "embedding_backward";
  detail::check_defined(dy, kName, "dy");
  check(rows >= 0, ErrorKind::InvalidOperation, kName, "rows must not be negative, got ", rows);
  Array<T> dtable = Array<T>::empty({rows, dy.rank() > 0 ? dy.shape().back() : 0});
  embedding_backward_into<T>(dy, indices, dtable, options);
  return dtable;
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template LAMINA_EXPORT void embedding_into<T>(const View<std::int64_t>&, const View<T>&,         \
                                                MutArg<T>, const EmbeddingOptions&);               \
  template LAMINA_EXPORT Array<T> embedding<T>(const View<std::int64_t>&, const View<T>&,          \
                                               const EmbeddingOptions&);                           \
  template LAMINA_EXPORT Array<T> embedding_backward<T>(const View<T>&, const View<std::int64_t>&, \
                                                        Index, const EmbeddingOptions&);           \
  template LAMINA_EXPORT void embedding_backward_into<T>(                                          \
      const View<T>&, const View<std::int64_t>&, MutArg<T>, const EmbeddingOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn
