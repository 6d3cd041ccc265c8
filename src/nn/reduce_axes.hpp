#pragma once

#include <array>

#include "lamina/core/error.hpp"
#include "lamina/core/shape.hpp"
#include "lamina/nn/reduction.hpp"

namespace lamina::nn {

/// Which axes of a shape are reduced, and what becomes of it.
struct ReduceAxes {
  std::array<bool, kMaxRank> reduced{};
  Index size = 1;  ///< elements that become one
  Shape kept;      ///< without the reduced axes
  Shape result;    ///< `kept`, or with extent 1 for the reduced axes
  bool keepdims = false;
  int rank = 0;

  /// Checks the axes.
  ReduceAxes(const Shape& shape, const ReduceOptions& options, std::string_view name)
      : keepdims(options.keepdims), rank(shape.rank()) {
    reduced.fill(options.axes.empty());
    for (const Index axis : options.axes) {
      const int i = normalize_axis(static_cast<int>(axis), rank, name);
      check(!reduced[static_cast<std::size_t>(i)], ErrorKind::InvalidOperation, name, "axis ", i,
            " is named twice in ", options.axes);
      reduced[static_cast<std::size_t>(i)] = true;
    }
    for (int i = 0; i < rank; ++i) {
      if (reduced[static_cast<std::size_t>(i)]) {
        size *= shape[i];
      } else {
        kept.push_back(shape[i]);
      }
      if (keepdims || !reduced[static_cast<std::size_t>(i)]) {
        result.push_back(reduced[static_cast<std::size_t>(i)] ? 1 : shape[i]);
      }
    }
  }

  /// Strides of an array of shape `result`, one for each axis of x: 0 for those reduced.
  [[nodiscard]] Strides strides_in_x(const Strides& strides) const {
    Strides spread;
    int next = 0;
    for (int i = 0; i < rank; ++i) {
      const bool gone = reduced[static_cast<std::size_t>(i)];
      spread.push_back(gone ? 0 : strides[next]);
      next += keepdims || !gone ? 1 : 0;
    }
    return spread;
  }
};

}  // namespace lamina::nn
