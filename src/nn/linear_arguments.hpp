#pragma once

// Checks of the arguments of matrix products, and how arrays are taken as matrices.

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

}  // namespace lamina::nn::detail
