#pragma once

// Checks of the arguments of matrix products, and how arrays are taken as matrices.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "lamina/core/array.hpp"
#include "nn/gemm.hpp"
#include "nn/layout.hpp"

namespace lamina::nn::detail {

template <class T>
void check_rank(const View<T>& x, std::string_view operation, std::string_view argument,
                int least = 1) {
  check(x.defined() && x.rank() >= least, ErrorKind::DimensionMismatch, operation, argument,
        " must have at least ", least, least == 1 ? " axis" : " axes", ", got shape ", x.shape());
}

template <class T>
void check_out(const View<T>& out, const Shape& expected, std::string_view operation,
               std::string_view argument) {
  check(out.defined() && out.shape() == expected, ErrorKind::DimensionMismatch, operation, argument,
        " has shape ", out.shape(), ", expected ", expected);
}

template <class T>
void check_apart(const View<T>& out, const View<T>& in, std::string_view operation,
                 std::string_view out_name, std::string_view in_name) {
  check(!in.defined() || overlap(out, in) == Overlap::None, ErrorKind::InvalidOperation, operation,
        out_name, " overlaps ", in_name);
  check_writable(out, operation, out_name);
}

/// shape with another last extent.
[[nodiscard]] inline Shape with_features(const Shape& shape, Index features) {
  IndexList result = shape;
  result[result.rank() - 1] = features;
  return Shape(result);
}

/// x as one matrix, of its last axis and all those before it. False where these cannot be walked
/// with one stride.
template <class T>
bool as_matrix(const View<T>& x, MatrixRef<T>& matrix) {
  const int last = x.rank() - 1;
  if (last < 0) {
    return false;
  }
  matrix = {x.data(), 1, x.shape()[last], 0, x.strides()[last]};
  for (int axis = last - 1; axis >= 0; --axis) {
    const Index extent = x.shape()[axis];
    if (extent == 1) {
      continue;
    }
    if (matrix.rows == 1) {
      matrix.row_stride = x.strides()[axis];
    } else if (x.strides()[axis] != matrix.rows * matrix.row_stride) {
      return false;
    }
    matrix.rows *= extent;
  }
  return true;
}

/// The first and the last element of the memory that a matrix spans.
struct MemorySpan {
  std::uintptr_t first, last;

  /// Nothing in common.
  [[nodiscard]] bool apart(const MemorySpan& other) const {
    return last < other.first || other.last < first;
  }
};

/// Of a matrix without elements, one that is apart from all.
template <class T>
[[nodiscard]] inline MemorySpan span_of(const MatrixRef<T>& x) {
  if (x.rows == 0 || x.cols == 0) {
    return {1, 0};
  }
  const Index down = (x.rows - 1) * x.row_stride;
  const Index along = (x.cols - 1) * x.col_stride;
  const auto address = [&](Index offset) {
    return reinterpret_cast<std::uintptr_t>(x.data + offset);
  };
  return {address(std::min<Index>(down, 0) + std::min<Index>(along, 0)),
          address(std::max<Index>(down, 0) + std::max<Index>(along, 0))};
}

/// x and out as matrices with the same rows, where their shapes are those of a product with a
/// (depth, columns) factor: the usual case, at little cost. Otherwise false; the way around says
/// what is wrong.
template <class T>
inline bool as_factor_and_product(const View<T>& x, const View<T>& out, Index depth, Index columns,
                                  MatrixRef<T>& factor, MatrixRef<T>& product) {
  if (!x.defined() || !out.defined() || x.rank() != out.rank() || !as_matrix(x, factor) ||
      !as_matrix(out, product) || factor.cols != depth || product.cols != columns) {
    return false;
  }
  for (int axis = 0; axis + 1 < x.rank(); ++axis) {
    if (x.shape()[axis] != out.shape()[axis]) {
      return false;
    }
  }
  // The elements of out must not share memory.
  return (product.rows <= 1 || product.row_stride != 0) &&
         (product.cols <= 1 || product.col_stride != 0);
}

}  // namespace lamina::nn::detail
