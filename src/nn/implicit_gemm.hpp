#pragma once

// Convolution as a matrix product whose large factor exists nowhere in memory.
//
// The gathered matrix has a row for each (channel, tap) and a column for each output position; its
// elements are elements of an image, or zero where a tap falls on padding. It is written panel by
// panel, straight into the packed form that the GEMM kernel reads. The same description serves the
// forward pass (a position looks at position * stride + tap * dilation - padding) and its input
// gradient (the other way round, one phase of the stride at a time).
//
// Where positions are adjacent in memory (channels first) a band of the image is first copied with
// its padding, and with each phase of the stride by itself: then what a tap sees of neighboring
// positions are neighboring elements, and a row of a panel is a copy of one or two stretches. Where
// channels are adjacent, a panel is the transpose of the lines of channels that a tap sees.

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
  Index extent = 0;  ///< of the source
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

/// True where the rows of a gathered matrix go tap by tap: enough adjacent channels for a vector.
[[nodiscard]] inline bool gathers_channels_last(Index channels, Index channel_stride,
                                                Index width_stride) {
  return channel_stride == 1 && channels >= 8 && width_stride != 1;
}

/// Where a gathered product goes: element (channel, position) of the result.
template <class T>
struct GatherOutput {
  T* data = nullptr;
  Index channel_stride = 0, position_stride = 0;
};

/// out = finish(weights * gathered + bias), the weights being the left factor (M, rows) or the
/// right one (rows, M) of the transposed product. options.bias is one number for each channel of
/// the result; alpha and beta are not used. All positions of a gather of several images lie at
/// position_stride, one after the other.
template <class T>
void gathered_product(const Gather<T>& gather, const GemmOperand<T>& weights, bool right,
                      const GatherOutput<T>& out, const GemmOptions<T>& options);

}  // namespace lamina::nn::detail
