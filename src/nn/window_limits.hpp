#pragma once

#include <algorithm>
#include <string_view>

#include "lamina/core/error.hpp"
#include "lamina/core/shape.hpp"
#include "lamina/nn/types.hpp"

// How large the numbers of a convolution's or pooling's window may be, so that their products and
// sums fit into 64 bits: a wrapped extent would pass for a legal one.

namespace lamina::nn::detail {

inline constexpr Index kLargestWindow = (Index{1} << 31) - 1;  ///< kernel, stride, dilation
inline constexpr Index kLargestPadding = Index{1} << 40;

/// Before anything is computed from them.
inline void check_window_limits(std::string_view operation, Index kernel, Index stride,
                                Index dilation) {
  check(std::max({kernel, stride, dilation}) <= kLargestWindow, ErrorKind::InvalidOperation,
        operation, "kernel, stride and dilation must be at most ", kLargestWindow, ", got ", kernel,
        ", ", stride, " and ", dilation);
}
inline void check_padding_limit(std::string_view operation, const PaddingAmount& amount) {
  check(std::max(amount.before, amount.behind) <= kLargestPadding, ErrorKind::InvalidOperation,
        operation, "padding must be at most ", kLargestPadding, ", got ", amount.before, " and ",
        amount.behind);
}

/// The elements of a shape that was computed, where empty axes count as one; -1 if there are more
/// than `most`. Extents are not negative.
[[nodiscard]] inline Index elements_up_to(const IndexList& shape, Index most) {
  Index size = 1;
  for (const Index extent : shape) {
    if (extent > 0 && size > most / extent) return -1;
    size *= std::max<Index>(extent, 1);
  }
  return size;
}

inline void check_result_size(std::string_view operation, const IndexList& shape) {
  check(elements_up_to(shape, Index{1} << 62) > 0, ErrorKind::InvalidOperation, operation,
        "a result of shape ", shape, " has too many elements");
}

/// x with its padding, of which there may be copies.
inline void check_padded_size(std::string_view operation, const IndexList& shape) {
  check(elements_up_to(shape, Index{1} << 48) > 0, ErrorKind::InvalidOperation, operation,
        "x with its padding has too many elements: shape ", shape);
}

}  // namespace lamina::nn::detail
