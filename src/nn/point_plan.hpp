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
  Index rows = 0;                  ///< (channel, tap)
  Index width = 0;                 ///< outputs, in whole vectors
  Index panel = 0;                 ///< outputs that are computed together: two vectors
  Index groups = 0;                ///< in which the rows are cut
  Index parts = 1;                 ///< in which the images are cut, each with sums of its own
  bool by_lines = false;           ///< positions are in the lanes, not outputs
  std::size_t axis = 1;            ///< along which an image is cut in bands
  Index images = 1;                ///< in a block
  std::array<Index, 3> out{};      ///< positions of an image in a block
  std::array<Index, 3> extents{};  ///< of the copy of x, in which they look

  [[nodiscard]] Index panels() const { return ceil_div(width, panel); }
  [[nodiscard]] Index positions() const { return images * out[0] * out[1] * out[2]; }
  [[nodiscard]] Index copied() const { return images * extents[0] * extents[1] * extents[2]; }

  /// Elements of dy that are turned for a block.
  [[nodiscard]] Index turned() const { return by_lines ? 0 : positions() * width; }
  /// Elements of the sums of a part.
  [[nodiscard]] Index sums() const { return rows * width; }

  /// `lines`: positions of a line of dy are adjacent.
  template <class T>
  [[nodiscard]] static PointPlan make(const ConvShape& shape, bool lines) {
    // Sums of all parts, and parts: enough for many threads.
    constexpr Index kSums = (Index{1} << 21) / static_cast<Index>(sizeof(T));
    constexpr Index kMostParts = 16;
    constexpr Index kLeastParts = 4;
    // A block of x and dy: of one thread it stays in the L2 beside the sums.
    constexpr Index kOwnBlock = (Index{1} << 18) / static_cast<Index>(sizeof(T));
    constexpr Index kSharedBlock = (Index{1} << 21) / static_cast<Index>(sizeof(T));
    // Units of work of a shared block, to have enough of them for threads, and tiles of rows in
    // one, so that a panel of dy is read several times.
    constexpr Index kUnits = 16;
    constexpr Index kTogether = 8;
    const kernels::LineTiling tiling = kernels::point_tiling<T>();
    PointPlan p;
    p.rows = shape.in_group() * shape.taps();
    p.width = ceil_div(shape.out_group(), tiling.lanes) * tiling.lanes;
    p.panel = 2 * tiling.lanes;
    // Outputs that would fill half of a vector at most, where positions fill more.
    constexpr Index kLanes = 64 / static_cast<Index>(sizeof(T));
    p.by_lines = lines && shape.stride[2] == 1 && 2 * shape.out_group() <= kLanes &&
                 2 * shape.out[2] >= ceil_div(shape.out[2], kLanes) * kLanes;
    if (p.by_lines) p.width = shape.out_group() * tiling.lanes;
    p.parts = std::min({shape.images, kMostParts, kSums / p.sums()});
    if (p.parts < kLeastParts) p.parts = 1;
    const Index block = p.parts > 1 ? kOwnBlock : kSharedBlock;
    p.axis = shape.out[0] > 1 ? 0 : 1;
    p.out = shape.out;
    const auto measure = [&] {
      for (std::size_t a = 0; a < 3; ++a) {
        p.extents[a] =
            (p.out[a] - 1) * shape.stride[a] + shape.dilation[a] * (shape.kernel[a] - 1) + 1;
      }
      return p.copied() * shape.in_group() + p.turned();
    };
    const Index whole = shape.out[p.axis];
    const Index elements = measure();
    if (elements > block) {
      const Index bands = ceil_div(whole, std::max<Index>(1, whole * block / elements));
      p.out[p.axis] = ceil_div(whole, bands);
      measure();
    } else {
      const Index most = ceil_div(shape.images, p.parts);
      p.images = ceil_div(most, ceil_div(most, block / elements));
    }
    const Index tiles = ceil_div(p.rows, tiling.rows);
    const Index together = std::clamp<Index>(p.panels() * tiles / kUnits, 1, kTogether);
    p.groups = ceil_div(tiles, together);
    return p;
  }
};

}  // namespace lamina::nn::detail
