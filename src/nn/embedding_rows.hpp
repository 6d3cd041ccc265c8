#pragma once

// What embeddings and bags share: checked indices, and a table whose columns are adjacent.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "core/simd_state.hpp"
#include "kernels/embedding.hpp"
#include "lamina/core/array.hpp"
#include "lamina/core/memory.hpp"
#include "lamina/core/parallel.hpp"

namespace lamina::nn::detail {

/// Elements that a task reads or writes.
inline constexpr Index kRowsGrain = 65536;

[[nodiscard]] inline Index rows_per_task(Index elements_per_row) {
  return std::max<Index>(1, kRowsGrain / std::max<Index>(1, elements_per_row));
}

/// The beginning of a row that is read next: the hardware sees the rest, but not where rows begin.
template <class T>
void fetch_row(const T* row, Index n) {
  constexpr Index kLine = 64 / static_cast<Index>(sizeof(T));
  constexpr Index kMost = 16 * kLine;
  for (Index i = 0; i < std::min(n, kMost); i += kLine) {
    __builtin_prefetch(row + i, 0, 3);
  }
}

/// The padding index counted from the front; -1 if there is none.
[[nodiscard]] inline Index padding_row(std::optional<Index> padding, Index rows,
                                       std::string_view operation) {
  if (!padding.has_value()) {
    return -1;
  }
  check(*padding >= -rows && *padding < rows, ErrorKind::IndexOutOfBounds, operation,
        "padding index ", *padding, " is out of bounds for a table of ", rows, " rows");
  return *padding < 0 ? *padding + rows : *padding;
}

/// Error(IndexOutOfBounds) unless all of `count` indices lie in [0, rows).
inline void check_indices(const std::int64_t* index, const Shape& shape, Index rows,
                          std::string_view operation) {
  const Index count = shape.size();
  for (Index i = 0; i < count; ++i) {
    if (index[i] < 0 || index[i] >= rows) [[unlikely]] {
      IndexList position;
      const Strides strides = contiguous_strides(shape);
      for (int axis = 0; axis < shape.rank(); ++axis) {
        position.push_back(i / strides[axis] % shape[axis]);
      }
      check(false, ErrorKind::IndexOutOfBounds, operation, "index ", index[i], " at position ",
            position, " is out of bounds for a table of ", rows, " rows");
    }
  }
}

/// A matrix with adjacent columns: the view itself, or a copy.
template <class T>
class AdjacentColumns {
 public:
  explicit AdjacentColumns(const View<T>& matrix) {
    if (matrix.strides()[1] != 1 && matrix.shape()[1] > 1) {
      copy_ = matrix.copy();
      data_ = copy_.data();
      stride_ = matrix.shape()[1];
    } else {
      data_ = matrix.data();
      stride_ = matrix.strides()[0];
    }
  }
  [[nodiscard]] const T* data() const noexcept { return data_; }
  [[nodiscard]] Index stride() const noexcept { return stride_; }

 private:
  Array<T> copy_;
  const T* data_ = nullptr;
  Index stride_ = 0;
};

/// Entries in the order of the rows they point at, and in their own order within a row.
struct EntriesByRow {
  Buffer<Index> first;         ///< (rows + 1): where the entries of a row start in `entry`
  Buffer<std::int64_t> entry;  ///< numbers of entries

  EntriesByRow(const std::int64_t* index, Index count, Index rows, Index padding)
      : first(rows + 1), entry(count) {
    std::fill_n(first.data(), rows + 1, Index{0});
    for (Index i = 0; i < count; ++i) {
      if (index[i] != padding) {
        ++first.data()[index[i] + 1];
      }
    }
    for (Index row = 0; row < rows; ++row) {
      first.data()[row + 1] += first.data()[row];
    }
    for (Index i = 0; i < count; ++i) {
      if (index[i] != padding) {
        entry.data()[first.data()[index[i]]++] = i;
      }
    }
    // Each start has moved to the next row's.
    for (Index row = rows; row > 0; --row) {
      first.data()[row] = first.data()[row - 1];
    }
    first.data()[0] = 0;
  }
};

}  // namespace lamina::nn::detail
