#pragma once

// The weight gradient of a 3 x 3 convolution by Winograd's algorithm F(4 x 4, 3 x 3), transposed:
// dw = G^T (sum over tiles of (A dy A^T) o (B^T x B)) G with the matrices of the forward pass. x is
// transformed by winograd_input; here is the rest.

#include <array>

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// out[k][t * out_row + c] = (A d A^T)[k] for the 4 x 4 elements d of each tile of a row of
/// tiles: element (i, j) of tile t is rows[i][(4 * t + j) * channels + c].
template <class T>
struct WinogradGradient {
  std::array<const T*, 4> rows{};
  Index tiles = 0, channels = 0;
  T* out = nullptr;
  Index out_stride = 0;  ///< from k to k + 1
  Index out_row = 0;     ///< from tile to tile
};
void winograd_gradient(const WinogradGradient<float>& gradient);
void winograd_gradient(const WinogradGradient<double>& gradient);

/// out[tap * out_stride + c] = (G^T m G)[tap] for m[k] = sum over p < parts of
/// sums[p * part_stride + k * stride + c], c < channels.
template <class T>
struct WinogradSums {
  const T* sums = nullptr;
  Index stride = 0;
  Index parts = 1, part_stride = 0;
  Index channels = 0;
  T* out = nullptr;
  Index out_stride = 0;
};
void winograd_sums(const WinogradSums<float>& sums);
void winograd_sums(const WinogradSums<double>& sums);

}  // namespace lamina::kernels
