#pragma once

// How a weight gradient is cut, which its workspace follows from.

#include <algorithm>
#include <array>
#include <cstddef>

#include "kernels/direct_conv.hpp"
#include "nn/conv_core.hpp"

namespace lamina::nn::detail {

/// Outputs of a panel at most.
inline constexpr Index kMostPanel = 64;

/// Of one group of channels.
struct PointPlan {
  Index rows = 0;              ///< (channel, tap)
  Index width = 0;             ///< outputs, in whole vectors
  Index panel = 0;             ///< outputs that are computed together: two vectors
  Index groups = 0;            ///< in which the rows are cut
  Index parts = 1;             ///< in which the positions of a block are cut, summed up at the end
  std::size_t axis = 1;        ///< along which an image is cut in bands
  Index images = 1;            ///< in a block
  std::array<Index, 3> out{};  ///< positions of an image in a block
  std::array<Index, 3> extents{};  ///< of the copy of x, in which they look

  [[nodiscard]] Index panels() const { return ceil_div(width, panel); }
  [[nodiscard]] Index positions() const { return images * out[0] * out[1] * out[2]; }
  [[nodiscard]] Index copied() const { return images * extents[0] * extents[1] * extents[2]; }

  template <class T>
  [[nodiscard]] static PointPlan make(const ConvShape& shape) {
    // A block of x and dy that stays in the L2 for the most part.
    constexpr Index kBlock = (Index{1} << 21) / static_cast<Index>(sizeof(T));
    // Units of work, to have enough of them for threads; tiles of rows of one, so that a panel of
    // dy is read several times; and positions of a part at least.
    constexpr Index kUnits = 16;
    constexpr Index kTogether = 8;
    constexpr Index kLeastPart = 256;
    const kernels::LineTiling tiling = kernels::point_tiling<T>();
    PointPlan p;
    p.rows = shape.in_group() * shape.taps();
    p.width = ceil_div(shape.out_group(), tiling.lanes) * tiling.lanes;
    p.panel = 2 * tiling.lanes;
    p.axis = shape.out[0] > 1 ? 0 : 1;
    p.out = shape.out;
    const auto measure = [&] {
      for (std::size_t a = 0; a < 3; ++a) {
        p.extents[a] =
            (p.out[a] - 1) * shape.stride[a] + shape.dilation[a] * (shape.kernel[a] - 1) + 1;
      }
      return p.copied() * shape.in_group() + p.positions() * p.width;
    };
    const Index whole = shape.out[p.axis];
    const Index elements = measure();
    if (elements > kBlock) {
      const Index bands = ceil_div(whole, std::max<Index>(1, whole * kBlock / elements));
      p.out[p.axis] = ceil_div(whole, bands);
      measure();
    } else {
      const Index blocks = ceil_div(shape.images, kBlock / elements);
      p.images = ceil_div(shape.images, blocks);
    }
    const Index tiles = ceil_div(p.rows, tiling.rows);
    const Index together = std::clamp<Index>(p.panels() * tiles / kUnits, 1, kTogether);
    p.groups = ceil_div(tiles, together);
    p.parts = std::clamp<Index>(
        std::min(ceil_div(kUnits, p.panels() * p.groups), p.positions() / kLeastPart), 1, kUnits);
    return p;
  }
};

}  // namespace lamina::nn::detail
