#pragma once

// The products of images in the lanes (see conv_abreast.hpp): lines of a result from turned images.

#include <array>
#include <optional>
#include <vector>

#include "nn/abreast_images.hpp"

namespace lamina::nn::detail {

/// Images of two axes and one group, which this can serve.
[[nodiscard]] bool is_image(const ConvShape& shape);

/// A convolution, or with `gradient` the input gradient of one, of turned images.
struct AbreastPlan {
  Index channels, rows, width, height;  // of x, of the result
  std::array<Index, 2> kernel, step, shift;
  Turned source, result;
  Index above;  ///< lines above dy that a gradient does not see

  template <class T>
  static AbreastPlan make(const ConvShape& shape, bool gradient);
  /// The line of x that line h of the result sees through line r of the kernel.
  [[nodiscard]] Index seen(Index h, Index r) const { return h * step[0] + r * shift[0] - above; }
  /// Lines [first, second) of the kernel that see a line of x.
  [[nodiscard]] std::array<Index, 2> lines(Index h) const;
  /// Columns [first, second) of the kernel through which column v of the result sees x.
  [[nodiscard]] std::array<Index, 2> columns(Index v) const;
  [[nodiscard]] Index depth() const { return channels * kernel[0] * kernel[1]; }
};

/// seen[m]: where (channel, tap) m, in the order of weights, of a forward pass sees the turned
/// images of which its first one sees `x`.
template <class T>
void see_taps(const AbreastPlan& plan, const T* x, const T** seen);

/// Lines of the result, from weights put in order once. Steps of the sum come by lines of the
/// kernel, so that those which see something follow each other.
template <class T>
class AbreastProduct {
 public:
  AbreastProduct() = default;
  /// Only the first `width` columns of the result are computed.
  AbreastProduct(const AbreastPlan& plan, bool gradient, const T* w, Index width);

  /// Lines [h, h + count) of a block of images at `source`, which all see the same lines of the
  /// kernel, to lines `to_line` elements apart in planes that are `to_plane` apart.
  void run(const T* source, Index h, Index count, const T* bias, T* to, Index to_line,
           Index to_plane) const;

  [[nodiscard]] static Index bytes(const AbreastPlan& plan);

 private:
  /// Columns of the result that see x through the same columns of the kernel.
  struct Run {
    Index first, count;
    std::array<Index, 2> seen;
    Index weights, offsets;  ///< where those of its steps begin
  };
  void append_run(const AbreastPlan& plan, bool gradient, const T* w, const Run& run);

  std::optional<AbreastPlan> plan_;
  std::vector<Run> runs_;
  Buffer<T> weights_;
  Buffer<Index> offsets_;
};

}  // namespace lamina::nn::detail
