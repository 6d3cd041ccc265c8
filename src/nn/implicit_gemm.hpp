#pragma once

// Convolution as a matrix product whose large factor exists nowhere in memory.
//
// The gathered matrix has a row for each (channel, tap) and a column for each output position; its
// elements are elements of an image, or zero where a tap falls on padding. It is written panel by
// panel, straight into the packed form that the GEMM kernel reads, so the workspace does not grow
// with the image. The same description serves the forward pass (a position looks at
// position * stride + tap * dilation - padding), its input gradient (the other way round, one phase
// of the stride at a time) and its weight gradient.

#include <array>
#include <vector>

#include "nn/gemm.hpp"

namespace lamina::nn::detail {

/// Which source element each (tap, position) of one spatial axis sees: base + step * position, if
/// the position lies in [begin, end), otherwise padding.
struct GatherAxis {
  struct Tap {
    Index base = 0;
    Index begin = 0, end = 0;
  };
  Index positions = 0;
  Index step = 1;
  std::vector<Tap> taps;
};

/// The axis of a convolution: position o sees o * stride + tap * dilation - padding.
[[nodiscard]] GatherAxis convolution_axis(Index extent, Index positions, Index kernel, Index stride,
                                          Index dilation, Index padding);

/// The axis of its input gradient: those positions i of the input with i % stride == phase see
/// (i + padding - tap * dilation) / stride of the output, for the taps where that is whole.
struct GatherPhase {
  GatherAxis axis;
  std::vector<Index> kernel_taps;  ///< which tap of the kernel each tap is
};
[[nodiscard]] GatherPhase gradient_axis(Index extent, Index phase, Index positions, Index kernel,
                                        Index stride, Index dilation, Index padding);

/// A gathered matrix over a batch of images: (channels * taps) x (images * positions).
template <class T>
struct Gather {
  const T* data = nullptr;
  Index images = 1, image_stride = 0;
  Index channels = 1, channel_stride = 0;
  std::array<GatherAxis, 3> axes;  ///< depth, height, width
  std::array<Index, 3> strides{};
  /// Order of the rows: channel by channel, or (where channels are adjacent in memory) tap by tap.
  bool channels_last = false;

  [[nodiscard]] Index taps() const {
    Index product = 1;
    for (const GatherAxis& axis : axes) product *= static_cast<Index>(axis.taps.size());
    return product;
  }
  [[nodiscard]] Index positions() const {
    return axes[0].positions * axes[1].positions * axes[2].positions;
  }
  [[nodiscard]] Index rows() const { return channels * taps(); }
  [[nodiscard]] Index cols() const { return images * positions(); }
  /// True if it is a plain matrix: one tap that sees each position itself.
  [[nodiscard]] bool is_plain() const;
  /// That matrix, rows by columns. Only if is_plain(), and of one image or adjacent ones.
  [[nodiscard]] MatrixRef<T> plain() const;
};

/// Fills a panel whose width runs over positions and whose depth runs over (channel, tap).
template <class T>
void gather_positions(const Gather<T>& gather, const PanelRequest<T>& request);
/// Fills a panel whose width runs over (channel, tap) and whose depth runs over positions.
template <class T>
void gather_taps(const Gather<T>& gather, const PanelRequest<T>& request);

}  // namespace lamina::nn::detail
