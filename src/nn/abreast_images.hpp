#pragma once

// Images turned so that a vector holds one position of as many images as it has lanes: see
// conv_abreast.hpp.

#include <array>

#include "kernels/direct_conv.hpp"
#include "nn/conv_core.hpp"

namespace lamina::nn::detail {

/// Lanes at most.
inline constexpr Index kMostLanes = 16;

/// Images of one size, turned: (block of images, channel, height, width, image).
struct Turned {
  Index images, channels, height, width;
  Index lanes, blocks;
  Index top = 0, left = 0;  ///< padding
  Index padded_height, padded_width;

  Turned(Index lanes_, Index images_, Index channels_, Index height_, Index width_)
      : images(images_),
        channels(channels_),
        height(height_),
        width(width_),
        lanes(lanes_),
        blocks(ceil_div(images_, lanes_)),
        padded_height(height_),
        padded_width(width_) {}
  [[nodiscard]] bool is_padded() const { return padded_width != width || padded_height != height; }
  [[nodiscard]] Index line() const { return padded_width * lanes; }
  [[nodiscard]] Index plane() const { return padded_height * line(); }
  [[nodiscard]] Index block() const { return channels * plane(); }
  [[nodiscard]] Index size() const { return blocks * block(); }
  /// Images of a block: the last one may have less than lanes.
  [[nodiscard]] Index images_of(Index which) const {
    return which + 1 < blocks ? lanes : images - which * lanes;
  }
};

template <class T>
Index lanes_of() {
  return kernels::line_tiling<T>().lanes;
}

/// Channels first, no gaps within an image.
template <class T>
bool is_dense(const ConvImage<const T>& x, const std::array<Index, 3>& extents, Index channels) {
  return (extents[2] == 1 || x.strides[2] == 1) &&
         (extents[1] == 1 || x.strides[1] == extents[2]) &&
         (channels == 1 || x.channel_stride == extents[1] * extents[2]);
}

/// Blocks [first, last), where the first of them goes to `to`: one plane after the other, zeros
/// where there is no image.
template <class T>
void turn_in(const Turned& t, const ConvImage<const T>& x, Index first, Index last, T* to);

/// y (images, channels, positions) from blocks [first, last) of what is turned and has no padding,
/// the first of them at `from`.
template <class T>
void turn_out(const Turned& t, const T* from, Index first, Index last, const ConvImage<T>& y);

}  // namespace lamina::nn::detail
