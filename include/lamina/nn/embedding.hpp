#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "lamina/core/array.hpp"

// Rows of a table, chosen by indices. A bad index is an error that names its position and value,
// thrown before anything is written.

namespace lamina::nn {

struct EmbeddingOptions {
  /// A row that stands for padding: it gets no gradient, and bags leave its entries out. Negative:
  /// counted from the end.
  std::optional<Index> padding_index = std::nullopt;
};

/// Rows of a table.
///
///   out[..., e] = table[indices[...], e]
///
/// indices (any shape)   table (V, E)   returns (indices..., E). float and double; any strides. In
/// place: no. The padding index has a meaning for the gradient only; its row is read like any
/// other. Error(DimensionMismatch): table not a matrix, indices not defined, shape of out.
/// Error(IndexOutOfBounds): an index outside [0, V), a padding index outside [-V, V).
/// Error(InvalidOperation): out overlaps the table. Gradient: embedding_backward.
/// Same as torch.nn.functional.embedding, ONNX Gather on axis 0, NumRS2 embedding.
template <class T>
void embedding_into(const View<std::int64_t>& indices, const View<T>& table, MutArg<T> out,
                    const EmbeddingOptions& options = {});
template <class T>
[[nodiscard]] Array<T> embedding(const View<std::int64_t>& indices, const View<T>& table,
                                 const EmbeddingOptions& options = {});

/// Gradient of embedding to the table.
///
///   dtable[v] = sum of dy[position] over the positions with indices[position] = v
///
/// dy (indices..., E)   returns (rows, E), zeros where no index points and in the row of the
/// padding index. Numerics: added in the order of the positions, whatever the number of threads.
/// Errors as for embedding; Error(InvalidOperation): rows < 0.
template <class T>
[[nodiscard]] Array<T> embedding_backward(const View<T>& dy, const View<std::int64_t>& indices,
                                          Index rows, const EmbeddingOptions& options = {});
/// Into dtable (V, E), which must not overlap dy.
template <class T>
void embedding_backward_into(const View<T>& dy, const View<std::int64_t>& indices, MutArg<T> dtable,
                             const EmbeddingOptions& options = {});

/// How the rows of a bag become one.
enum class BagMode : std::uint8_t { Sum, Mean, Max };

/// "sum", "mean", "max".
[[nodiscard]] constexpr std::string_view to_string(BagMode mode) noexcept {
  return mode == BagMode::Sum ? "sum" : mode == BagMode::Mean ? "mean" : "max";
}
/// The mode of that name. Error(InvalidOperation) for another.
[[nodiscard]] LAMINA_EXPORT BagMode bag_mode_from_string(std::string_view name);

/// Bags and weights of embedding_bag. Views: what they look at must live as long as the call.
template <class T>
struct EmbeddingBagOptions {
  /// (B), for indices of rank 1: bag b takes the entries from offsets[b] on, up to the next offset
  /// or the end. Ascending, the first 0.
  View<std::int64_t> offsets = {};
  View<T> weights = {};  ///< one factor for each entry; mode Sum only
  std::optional<Index> padding_index = std::nullopt;
};

/// Rows of a table, combined bag by bag.
///
///   out[b] = sum, mean or greatest (element by element) of table[indices[i]] over the entries i
///            of bag b;   with weights: sum of weights[i] * table[indices[i]]
///
/// indices (n) without offsets: one bag, returns (E).   (n) with offsets (B): returns (B, E).
/// indices (B, n): B bags of n entries, returns (B, E).   table (V, E). float and double; any
/// strides. Entries with the padding index are left out, of the count of Mean too. A bag that is
/// (or so becomes) empty gives zeros; the one bag of the guide's form must have an entry.
/// Error(DimensionMismatch): ranks, number of weights. Error(InvalidOperation): the one bag has no
/// entries; offsets that do not start at 0 or descend or lie beyond the entries; offsets with
/// indices of rank 2; weights with Mean or Max; a mode of unknown name. Error(IndexOutOfBounds) as
/// for embedding. Gradient: embedding_bag_backward, embedding_bag_backward_weights. Numerics: added
/// in order; Max gives NaN where an entry has NaN. Same as torch.nn.functional.embedding_bag,
/// NumRS2 embedding_bag (one bag; its max skips NaN).
template <class T>
void embedding_bag_into(const View<std::int64_t>& indices, const View<T>& table, BagMode mode,
                        MutArg<T> out,
                        const EmbeddingBagOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] Array<T> embedding_bag(
    const View<std::int64_t>& indices, const View<T>& table, BagMode mode = BagMode::Sum,
    const EmbeddingBagOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] Array<T> embedding_bag(
    const View<std::int64_t>& indices, const View<T>& table, std::string_view mode,
    const EmbeddingBagOptions<std::type_identity_t<T>>& options = {}) {
  return embedding_bag(indices, table, bag_mode_from_string(mode), options);
}

/// Gradient of embedding_bag to the table.
///
/// dy (B, E) or (E), as the result; indices, table, mode and options as in the forward call;
/// returns (V, E). Max sends the gradient to the first entry that has the greatest value (or NaN).
/// Numerics: added in the order of the entries, whatever the number of threads. Errors as for
/// embedding_bag; Error(DimensionMismatch): shape of dy.
template <class T>
void embedding_bag_backward_into(const View<T>& dy, const View<std::int64_t>& indices,
                                 ViewArg<T> table, BagMode mode, MutArg<T> dtable,
                                 const EmbeddingBagOptions<std::type_identity_t<T>>& options = {});
template <class T>
[[nodiscard]] Array<T> embedding_bag_backward(
    const View<T>& dy, const View<std::int64_t>& indices, ViewArg<T> table,
    BagMode mode = BagMode::Sum, const EmbeddingBagOptions<std::type_identity_t<T>>& options = {});

/// Gradient of embedding_bag in mode Sum to the weights.
///
///   dweights[i] = sum over e of dy[bag of i, e] * table[indices[i], e]
///
/// Returns the shape of indices; 0 for entries with the padding index. Errors as for
/// embedding_bag_backward; Error(InvalidOperation): options have no weights.
template <class T>
void embedding_bag_backward_weights_into(
    const View<T>& dy, const View<std::int64_t>& indices, ViewArg<T> table, MutArg<T> dweights,
    const EmbeddingBagOptions<std::type_identity_t<T>>& options);
template <class T>
[[nodiscard]] Array<T> embedding_bag_backward_weights(
    const View<T>& dy, const View<std::int64_t>& indices, ViewArg<T> table,
    const EmbeddingBagOptions<std::type_identity_t<T>>& options);

}  // namespace lamina::nn
