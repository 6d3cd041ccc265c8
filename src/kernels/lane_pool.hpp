#pragma once

// Max pooling of blocks of two by two where a vector holds one position of as many images as it has
// lanes (see nn/conv_abreast.hpp), and its gradient.

#include <cstdint>

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// Blocks of two adjacent lines.
struct LaneBlocks {
  Index count = 0;    ///< blocks
  Index images = 0;   ///< lanes that hold one; there is no gradient of the others
  bool relu = false;  ///< of the maxima
};

/// y: the maxima of `count` blocks of the lines `upper` and `lower`, in vectors; with their places,
/// a byte each, unless that is nullptr: 1 << (2 * row + column), and with it 16 for a maximum that
/// is NaN, or 0 where there is no gradient. NaN propagates, the first of equals is taken.
void lane_maxima(const LaneBlocks& blocks, const float* upper, const float* lower, float* y,
                 std::uint8_t* places);
void lane_maxima(const LaneBlocks& blocks, const double* upper, const double* lower, double* y,
                 std::uint8_t* places);

/// The gradient: each vector of dy at its place in upper and lower, else 0; with ReLU 0 where that
/// is, and NaN where the maximum is. Adds what is written to the vector `sum`.
void lane_maxima_backward(const LaneBlocks& blocks, const float* dy, const std::uint8_t* places,
                          float* upper, float* lower, float* sum);
void lane_maxima_backward(const LaneBlocks& blocks, const double* dy, const std::uint8_t* places,
                          double* upper, double* lower, double* sum);

}  // namespace lamina::kernels
