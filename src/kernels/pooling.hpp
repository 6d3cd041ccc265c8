#pragma once

// Pooling: each output takes the greatest element, or the sum, of a window of x. Windows are
// products of spans on three axes, so tables for each axis say all there is to say about padding,
// dilation and adaptive extents.

#include <cstdint>

#include "lamina/core/index.hpp"

namespace lamina::kernels {

enum class PoolOp : std::uint8_t { Max, Sum, SumAbs, SumSquares };

/// What becomes of a window's sum.
enum class PoolFinish : std::uint8_t {
  None,
  Scale,   ///< times PoolArgs::factor
  Divide,  ///< divided by the product of the three spans' divisors
  Root,    ///< its square root
};

/// The elements of one axis in one window: begin, begin + step, ..., count of them.
struct PoolSpan {
  Index begin = 0;
  Index count = 0;
  Index divisor = 1;
};

struct PoolAxis {
  const PoolSpan* spans = nullptr;  ///< (out)
  Index in = 1, out = 1;
  Index step = 1;
};

/// x (images, channels, in) -> y (images, channels, out), or both with channels last.
template <class T>
struct PoolArgs {
  PoolOp op = PoolOp::Max;
  PoolFinish finish = PoolFinish::None;
  T factor = T(1);
  const T* x = nullptr;
  Index image_stride = 0, channel_stride = 0, depth_stride = 0, height_stride = 0, width_stride = 0;
  Index channels = 1;
  PoolAxis depth, height, width;
  T* y = nullptr;                   ///< without gaps
  std::int64_t* indices = nullptr;  ///< as y; null: not wanted. Max only; -1: an empty window

  Index tile = 0;  ///< outputs of a line that are worked on together

  /// y goes past the caches. Its channels (channels last) or lines must be whole, aligned vectors;
  /// the lines one tile, their windows 2 or 3 neighbors, two apart, the second of them on x.
  bool stream = false;

  // Lines (channels first) only.
  Index height_advance = 0;  ///< from the first line of one window to that of the next, in x
  // Window i starts at i * stride - before and has `kernel` taps width.step apart; stride 0: not
  // so regular, the spans say it.
  Index kernel = 1, stride = 1, before = 0;
  const T* width_divisors = nullptr;  ///< (out + kPoolSlack) the divisors of width.spans
};

/// Elements that may be read behind the end of width_divisors and of gradients' weights.
inline constexpr Index kPoolSlack = 64;

/// Elements of scratch that pool_lines needs.
template <class T>
[[nodiscard]] Index pool_lines_scratch(const PoolArgs<T>& args) {
  const Index reach = (args.kernel - 1) * args.width.step + 1;
  const Index width =
      args.stride == 0 ? args.width.in : (args.tile - 1) * args.stride + reach + args.stride;
  const Index outputs = args.stride == 0 ? args.width.in : args.tile;
  return width + 4 * kPoolSlack + (args.indices != nullptr ? 2 * (outputs + kPoolSlack) : 0);
}

/// Makes units [begin, end) of y; a unit is a tile of a line: unit = line * tiles + tile, where the
/// lines are those of (images, channels, out depth, out height). Elements of a line of x are
/// neighbors.
void pool_lines(const PoolArgs<float>& args, Index begin, Index end, float* scratch);
void pool_lines(const PoolArgs<double>& args, Index begin, Index end, double* scratch);

/// Makes rows [begin, end) of y, those of (images, out depth, out height). Channels are neighbors.
/// scratch: args.tile * args.channels elements.
void pool_channels(const PoolArgs<float>& args, Index begin, Index end, float* scratch);
void pool_channels(const PoolArgs<double>& args, Index begin, Index end, double* scratch);

/// The mean, or the greatest element, of whole planes.
template <class T>
struct PoolPlanes {
  const T* x = nullptr;
  T* y = nullptr;
  bool max = false;
  Index channels = 1, image_stride = 0, channel_stride = 0;
  Index positions = 1;  ///< of a plane, neighbors
};

/// Planes [begin, end), in the order image, channel.
void pool_planes(const PoolPlanes<float>& args, Index begin, Index end);
void pool_planes(const PoolPlanes<double>& args, Index begin, Index end);

/// Planes of x cut in blocks of two by two, channels first and without gaps: out = in / 2, rounded
/// down.
template <class T>
struct PoolBlocks {
  Index in_height = 1, in_width = 1;
  Index out_height = 1, out_width = 1;
};

/// Whole vectors of taps are written.
inline constexpr Index kPoolTapPitch = 16;
/// Taps of a line of `outputs` blocks.
[[nodiscard]] constexpr Index pool_tap_pitch(Index outputs) {
  return (outputs + kPoolTapPitch - 1) / kPoolTapPitch * kPoolTapPitch;
}

/// Lines [begin, end) of y (planes, out): the maximum of each block. taps (lines, pitch): where it
/// was, 2 * row + column.
void pool_blocks(const PoolBlocks<float>& args, const float* x, float* y, std::uint8_t* taps,
                 Index begin, Index end);
void pool_blocks(const PoolBlocks<double>& args, const double* x, double* y, std::uint8_t* taps,
                 Index begin, Index end);
/// The lines of dx that belong to them: dy at the tap, else 0.
void pool_blocks_backward(const PoolBlocks<float>& args, const float* dy, const std::uint8_t* taps,
                          float* dx, Index begin, Index end);
void pool_blocks_backward(const PoolBlocks<double>& args, const double* dy,
                          const std::uint8_t* taps, double* dx, Index begin, Index end);

/// The windows that hold each element of one axis of x, and what a window's gradient is multiplied
/// by on this axis.
template <class T>
struct PoolCover {
  const Index* first = nullptr;    ///< (in + 1) where an element's part of `outputs` begins
  const Index* outputs = nullptr;  ///< positions of windows
  const T* weights = nullptr;      ///< (out)
  Index in = 1, out = 1;
};

/// The gradient of sums: each element of dx collects from the windows that hold it.
template <class T>
struct PoolSpreadArgs {
  const T* dy = nullptr;  ///< (images, channels, out) or channels last; without gaps
  T* dx = nullptr;        ///< (images, channels, in), likewise
  Index channels = 1;
  PoolCover<T> depth, height, width;
  bool stream = false;  ///< dx goes past the caches; then its vectors must be aligned
  // Lines only; as in PoolArgs. tile: elements of a line of dx that are worked on together.
  Index kernel = 1, stride = 1, before = 0, step = 1;
  const PoolSpan* spans = nullptr;  ///< of width, where stride is 0
  Index tile = 0;
};

template <class T>
[[nodiscard]] Index pool_spread_scratch(const PoolSpreadArgs<T>& args) {
  if (args.stride == 0) return args.width.out + 2 * kPoolSlack;
  const Index reach = (args.kernel - 1) * args.step + 1;
  return (args.tile + 2 * reach) / args.stride + 4 * kPoolSlack;
}

/// Units as those of pool_lines, of dx.
void pool_spread_lines(const PoolSpreadArgs<float>& args, Index begin, Index end, float* scratch);
void pool_spread_lines(const PoolSpreadArgs<double>& args, Index begin, Index end, double* scratch);
/// Rows (images, in depth, in height) of dx.
void pool_spread_channels(const PoolSpreadArgs<float>& args, Index begin, Index end);
void pool_spread_channels(const PoolSpreadArgs<double>& args, Index begin, Index end);

}  // namespace lamina::kernels
