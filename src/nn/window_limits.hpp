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

/// A shape that was computed: its extents are not negative.
inline void check_result_size(std::string_view operation, const IndexList& shape) {
  constexpr Index kMost = Index{1} << 62;
  Index size = 1;
  for (const Index extent : shape) {
    check(extent == 0 || size <= kMost / extent, ErrorKind::InvalidOperation, operation,
          "a result of shape ", shape, " has too many elements");
    size *= std::max<Index>(extent, 1);
  }
}

}  // namespace lamina::nn::detail
