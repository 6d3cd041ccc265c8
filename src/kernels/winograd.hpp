#pragma once

// Winograd's minimal filtering (Winograd 1980; Lavin and Gray 2015). F(4 x 4, 3 x 3): 36 products
// for 16 elements of the result instead of 144, interpolation points 0, 1, -1, 2, -2.
// F(2 x 2, 3 x 3): 16 products for 4 elements instead of 36, points 0, 1, -1. Channels are adjacent
// everywhere, and their number is a multiple of a vector's lanes.

#include <array>

#include "lamina/core/index.hpp"

namespace lamina::kernels {

inline constexpr Index kWinogradChannels = 16;  ///< channels come in multiples of this

/// Products of a tile whose result is `tile` x `tile`, 4 or 2.
[[nodiscard]] constexpr Index winograd_points(Index tile) {
  return (tile + 2) * (tile + 2);
}

/// out[k][tile][c] = (B^T d B)[k] for the elements d, tile + 2 on each side, of each tile of a row
/// of tiles: element (i, j) of tile t is rows[i][(tile * t + j) * channels + c].
template <class T>
struct WinogradInput {
  Index tile = 4;  ///< extent of its result
  std::array<const T*, 6> rows{};
  Index tiles = 0, channels = 0;
  T* out = nullptr;
  Index out_stride = 0;  ///< from k to k + 1
};
void winograd_input(const WinogradInput<float>& input);
void winograd_input(const WinogradInput<double>& input);

/// rows[i][(tile * t + j) * channels + c] = (A^T m A)(i, j) + bias[c] for the products m of each
/// tile.
template <class T>
struct WinogradOutput {
  Index tile = 4;
  const T* products = nullptr;
  Index stride = 0;  ///< from k to k + 1
  Index tiles = 0, channels = 0;
  const T* bias = nullptr;  ///< nullptr: zero
  std::array<T*, 4> rows{};
};
void winograd_output(const WinogradOutput<float>& output);
void winograd_output(const WinogradOutput<double>& output);

/// out[k][c * outputs + o] = (G g G^T)[k], g(r, s) being weights[o * output_stride +
/// c * channel_stride + 3 r + s], or with `flipped` weights[... + 8 - 3 r - s]. Both numbers of
/// channels are multiples of kWinogradChannels.
template <class T>
struct WinogradWeights {
  Index tile = 4;
  const T* weights = nullptr;
  Index output_stride = 0, channel_stride = 0;  ///< one of them is 9
  Index outputs = 0, channels = 0;
  bool flipped = false;
  T* out = nullptr;
  Index out_stride = 0;  ///< from k to k + 1
  T limit = 0;
};
/// True if the root of the sum of the squares of all weights is a number up to the limit, about.
[[nodiscard]] bool winograd_weights(const WinogradWeights<float>& weights);
[[nodiscard]] bool winograd_weights(const WinogradWeights<double>& weights);

/// to[j * to_stride + i] = from[i * from_stride + j] for i < lines, j < count; lines is a multiple
/// of kWinogradChannels. Reads and writes nothing else.
void transpose_lines(const float* from, Index from_stride, Index lines, Index count, float* to,
                     Index to_stride);
void transpose_lines(const double* from, Index from_stride, Index lines, Index count, double* to,
                     Index to_stride);
/// The other way: count lines of `lines` elements each become `lines` lines of count elements.
void transpose_back(const float* from, Index from_stride, Index lines, Index count, float* to,
                    Index to_stride);
void transpose_back(const double* from, Index from_stride, Index lines, Index count, double* to,
                    Index to_stride);

/// True if all elements are numbers with |x| <= limit.
[[nodiscard]] bool all_within(const float* x, Index n, float limit);
[[nodiscard]] bool all_within(const double* x, Index n, double limit);

}  // namespace lamina::kernels
