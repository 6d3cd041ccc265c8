#pragma once

#include <algorithm>
#include <string_view>

#include "lamina/core/error.hpp"
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

}  // namespace lamina::nn::detail
