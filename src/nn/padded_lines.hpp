#pragma once

// Copies of parts of an image, channel by channel and with the padding: what a tap sees of
// neighboring positions are then elements at one distance, for whole lines.

#include <algorithm>
#include <array>

#include "kernels/gather.hpp"
#include "nn/conv_core.hpp"

namespace lamina::nn::detail {

/// A stretch of a line of an image in each of its channels.
struct PaddedLine {
  Index depth = 0, height = 0;  ///< where the line lies; zeros, where there is none
  Index first = 0, count = 0;   ///< its columns; zeros, where there are none
};

/// to[c * channel_stride + i] = element (c, depth, height, first + i) of an image that starts at
/// `data`, or zero outside of it.
template <class T>
void copy_padded_line(const ConvImage<const T>& image, const T* data, Index channels,
                      const std::array<Index, 3>& extents, const PaddedLine& line, T* to,
                      Index channel_stride) {
  const bool inside =
      line.depth >= 0 && line.depth < extents[0] && line.height >= 0 && line.height < extents[1];
  const Index begin = inside ? std::clamp<Index>(-line.first, 0, line.count) : line.count;
  const Index end = std::clamp<Index>(extents[2] - line.first, begin, line.count);
  const T* const from =
      data + (inside ? line.depth * image.strides[0] + line.height * image.strides[1] +
                           (line.first + begin) * image.strides[2]
                     : 0);
  // Where channels are adjacent, squares are turned in registers: the last one by the way of a
  // buffer, as its lines end earlier.
  constexpr Index kSquare = 16;
  Index done = begin;
  if (image.channel_stride == 1 && channels >= kSquare) {
    std::array<const T*, kSquare> lines;
    kernels::GatherLines<T> square;
    square.lines = lines.data();
    square.count = kSquare;
    for (; done < end; done += kSquare) {
      const Index count = std::min(kSquare, end - done);
      for (Index i = 0; i < kSquare; ++i) {
        lines[static_cast<std::size_t>(i)] =
            from + (done - begin + std::min(i, count - 1)) * image.strides[2];
      }
      if (count == kSquare) {
        square.depth = channels;
        square.width = channel_stride;
        square.out = to + done;
        kernels::gather_lines(square);
        continue;
      }
      alignas(64) std::array<T, kSquare * kSquare> buffer;
      square.width = kSquare;
      square.out = buffer.data();
      for (Index c = 0; c < channels; c += kSquare) {
        square.depth = std::min(kSquare, channels - c);
        kernels::gather_lines(square);
        for (Index i = 0; i < square.depth; ++i) {
          std::copy_n(buffer.data() + i * kSquare, count, to + (c + i) * channel_stride + done);
        }
        for (const T*& source : lines) source += square.depth;
      }
      done = end;
      break;
    }
  }
  for (Index c = 0; c < channels; ++c, to += channel_stride) {
    std::fill_n(to, begin, T(0));
    const T* const rest = from + c * image.channel_stride + (done - begin) * image.strides[2];
    if (image.strides[2] == 1) {
      std::copy(rest, rest + (end - done), to + done);
    } else if (end > done) {
      kernels::copy_strided(rest, image.strides[2], end - done, to + done);
    }
    std::fill(to + end, to + line.count, T(0));
  }
}

}  // namespace lamina::nn::detail
