#pragma once

#include <cstddef>
#include <cstdint>

#include "lamina/core/view.hpp"

namespace lamina::nn::detail {

/// The usual case, which needs no further check and no plan: row-major arrays of one shape, `out`
/// being x itself or memory of its own.
template <class T, class U>
[[nodiscard]] bool is_plain_pair(const View<T>& out, const View<U>& x) noexcept {
  if (!out.defined() || !x.defined() || out.rank() != x.rank()) return false;
  Index size = 1;
  for (int axis = out.rank() - 1; axis >= 0; --axis) {
    const Index extent = out.shape()[axis];
    if (x.shape()[axis] != extent) return false;
    if (extent != 1 && (out.strides()[axis] != size || x.strides()[axis] != size)) return false;
    size *= extent;
  }
  const auto to = reinterpret_cast<std::uintptr_t>(out.data());
  const auto from = reinterpret_cast<std::uintptr_t>(x.data());
  return (to == from && sizeof(T) == sizeof(U)) ||
         to + static_cast<std::size_t>(size) * sizeof(T) <= from ||
         from + static_cast<std::size_t>(size) * sizeof(U) <= to;
}

}  // namespace lamina::nn::detail
