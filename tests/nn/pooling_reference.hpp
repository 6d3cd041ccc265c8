#pragma once

// Pooling by its definition, window by window, in long double: shares nothing with the library but
// indexing.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "lamina/nn/pooling.hpp"

namespace lamina::test {

/// One axis of a pooling: windows of `kernel` taps, or adaptive ones (stride 0).
struct AxisCase {
  Index in = 1;
  Index kernel = 1, stride = 1, dilation = 1;
  Index before = 0, behind = 0;
  bool ceil = false;
  Index adaptive = 0;  // output extent; 0: windows of one size

  [[nodiscard]] Index out() const {
    if (adaptive > 0) return adaptive;
    // Counted, not computed: starts as long as the window fits, or in ceil mode begins to.
    const Index reach = dilation * (kernel - 1) + 1;
    Index count = 0;
    for (Index start = -before;; start += stride, ++count) {
      const bool fits = start + reach <= in + behind;
      // PyTorch: room for a window that reaches out by less than a stride, if it starts in x.
      const bool begins = start < in && start + reach <= in + behind + stride - 1;
      if (!fits && !(ceil && begins)) return count;
      if (ceil && start >= in) return count;
    }
  }
  /// Positions of window o's taps: in x if inside [0, in), else in the padding or behind it.
  [[nodiscard]] std::vector<Index> taps(Index o) const {
    std::vector<Index> all;
    if (adaptive > 0) {
      const double scale = static_cast<double>(in) / static_cast<double>(adaptive);
      const auto begin = static_cast<Index>(std::floor(static_cast<double>(o) * scale + 1e-9));
      const auto end = static_cast<Index>(std::ceil(static_cast<double>(o + 1) * scale - 1e-9));
      for (Index i = begin; i < end; ++i) all.push_back(i);
      return all;
    }
    for (Index t = 0; t < kernel; ++t) all.push_back(o * stride - before + t * dilation);
    return all;
  }
};

struct PoolCase {
  const char* name;
  int rank;
  Index images, channels;
  std::array<AxisCase, 3> axes;  // depth, height, width; unused ones first, as they are
};

/// All that pooling can ask of a window: the elements in it, by position, and how many taps lie in
/// x or its padding.
struct Window {
  std::vector<Index> places;  // flat, row-major
  Index padded = 0;
};

inline Window window_at(const PoolCase& c, Index flat) {
  const std::array<Index, 3> at{flat / (c.axes[1].out() * c.axes[2].out()),
                                flat / c.axes[2].out() % c.axes[1].out(), flat % c.axes[2].out()};
  Window window;
  for (const Index d : c.axes[0].taps(at[0])) {
    for (const Index h : c.axes[1].taps(at[1])) {
      for (const Index w : c.axes[2].taps(at[2])) {
        const std::array<Index, 3> tap{d, h, w};
        bool inside = true;
        bool padded = true;
        for (std::size_t a = 0; a < 3; ++a) {
          inside = inside && tap[a] >= 0 && tap[a] < c.axes[a].in;
          padded = padded && tap[a] < c.axes[a].in + c.axes[a].behind;
        }
        if (padded) ++window.padded;
        if (inside) window.places.push_back((d * c.axes[1].in + h) * c.axes[2].in + w);
      }
    }
  }
  return window;
}

/// Shape (N, C, spatial...) or (N, spatial..., C) with these spatial extents.
inline Shape pool_shape(const PoolCase& c, DataFormat format, bool out) {
  Shape shape{c.images};
  if (format == DataFormat::NCHW) shape.push_back(c.channels);
  for (int i = 3 - c.rank; i < 3; ++i) {
    const AxisCase& axis = c.axes[static_cast<std::size_t>(i)];
    shape.push_back(out ? axis.out() : axis.in);
  }
  if (format == DataFormat::NHWC) shape.push_back(c.channels);
  return shape;
}

/// An array of images as planes: (N, C, positions).
template <class T>
struct PlaneAccess {
  DataFormat format;
  Index channels, positions;
  [[nodiscard]] std::size_t operator()(Index n, Index ch, Index p) const {
    return static_cast<std::size_t>(format == DataFormat::NCHW
                                        ? (n * channels + ch) * positions + p
                                        : (n * positions + p) * channels + ch);
  }
};

}  // namespace lamina::test
