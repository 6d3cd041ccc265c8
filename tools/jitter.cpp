#include "jitter.hpp"

#include <algorithm>
#include <cmath>

namespace lamina::tool {

namespace {

/// One direction of the map from a pixel of the result to a place in the source.
struct Row {
  float stretch;
  float shear;
  float shift;
};

Row draw(Generator& generator, const JitterOptions& options) {
  const auto within = [&](float limit) { return generator.uniform<float>(-limit, limit); };
  const float stretch = within(options.stretch);
  const float shear = within(options.shear);
  return {1 + stretch, shear, within(options.shift)};
}

}  // namespace

void jitter(const View<float>& images, Index side, Generator& generator, MutView<float> out,
            const JitterOptions& options) {
  const auto [count, pixels] = images.dims<2>("jitter", "images");
  check(pixels == side * side && out.shape() == images.shape() &&
            overlap(images, static_cast<const View<float>&>(out)) == Overlap::None,
        ErrorKind::DimensionMismatch, "jitter", "images ", images.shape(), ", out ", out.shape(),
        ", side ", side);
  const float middle = static_cast<float>(side - 1) / 2;
  for (Index n = 0; n < count; ++n) {
    const auto pixel = [&](Index y, Index x) {
      return y >= 0 && y < side && x >= 0 && x < side ? images(n, y * side + x) : 0.0F;
    };
    const Row to_x = draw(generator, options);
    const Row to_y = draw(generator, options);
    for (Index i = 0; i < side; ++i) {
      for (Index j = 0; j < side; ++j) {
        const float y = static_cast<float>(i) - middle;
        const float x = static_cast<float>(j) - middle;
        const float source_x = to_x.stretch * x + to_x.shear * y + to_x.shift + middle;
        const float source_y = to_y.stretch * y + to_y.shear * x + to_y.shift + middle;
        const float left = std::floor(source_x);
        const float top = std::floor(source_y);
        const float u = source_x - left;
        const float v = source_y - top;
        const auto x0 = static_cast<Index>(left);
        const auto y0 = static_cast<Index>(top);
        out(n, i * side + j) = (1 - v) * ((1 - u) * pixel(y0, x0) + u * pixel(y0, x0 + 1)) +
                               v * ((1 - u) * pixel(y0 + 1, x0) + u * pixel(y0 + 1, x0 + 1));
      }
    }
  }
}

}  // namespace lamina::tool
