#pragma once

#include "lamina/core/array.hpp"
#include "lamina/core/random.hpp"

namespace lamina::tool {

/// How far an image is bent, at most.
struct JitterOptions {
  float shift = 0.6F;    ///< in pixels, each way
  float shear = 0.15F;   ///< of x along y and of y along x; a turn is a shear of both
  float stretch = 0.1F;  ///< of width and height
};

/// Bends each image a little, at random: what it shows is the same to the eye, and a network that
/// learns from ever new versions finds what counts.
///
/// images (N, side * side)   out of the same shape; may not be `images`
/// Each pixel of the result is read, by linear interpolation, at (1 + r) x + s y + t of the source,
/// in both directions, with r, s and t uniform within the options; outside is 0.
void jitter(const View<float>& images, Index side, Generator& generator, MutView<float> out,
            const JitterOptions& options = {});

}  // namespace lamina::tool
