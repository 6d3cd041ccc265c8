#pragma once

// The parts of depthwise convolution, by how positions and channels lie in memory.

#include <array>
#include <cstdint>

#include "nn/conv_core.hpp"
#include "nn/implicit_gemm.hpp"
#include "nn/streaming.hpp"

namespace lamina::nn::detail {

// Multiply-adds that are worth another thread.
inline constexpr Index kGrainWork = 32768;

/// True where x and y together are about what the last cache holds, or more: then y goes around it.
/// Its lines of `line` elements must be whole vectors.
template <class T>
bool goes_around(const ConvShape& shape, const ConvImage<T>& y, Index line,
                 const GemmFinish<T>& finish) {
  const Index elements = shape.images * (shape.in_channels * shape.in_positions() +
                                         shape.out_channels * shape.out_positions());
  constexpr Index kVector = 64 / static_cast<Index>(sizeof(T));
  return finish.function == nullptr && line % kVector == 0 &&
         reinterpret_cast<std::uintptr_t>(y.data) % 64 == 0 &&
         elements * static_cast<Index>(sizeof(T)) > streaming_bytes() / 4 * 3;
}

template <class T>
struct Axes {
  std::array<GatherAxis, 3> axis;
  explicit Axes(const ConvShape& shape) {
    for (std::size_t a = 0; a < 3; ++a) {
      axis[a] = convolution_axis(shape.in[a], shape.out[a], shape.kernel[a], shape.stride[a],
                                 shape.dilation[a], shape.padding[a]);
    }
  }
  [[nodiscard]] const GatherAxis::Tap& tap(std::size_t a, Index t) const {
    return axis[a].taps[static_cast<std::size_t>(t)];
  }
  /// Source index on axis a, or -1 on padding.
  [[nodiscard]] Index source(std::size_t a, Index t, Index position) const {
    const GatherAxis::Tap& at = tap(a, t);
    return position >= at.begin && position < at.end ? at.base + axis[a].step * position : -1;
  }
};

/// True if there is one plane and no kernel along the depth.
[[nodiscard]] inline bool is_image(const ConvShape& shape) {
  return shape.in[0] == 1 && shape.out[0] == 1 && shape.kernel[0] == 1 && shape.padding[0] == 0;
}

/// How the weight gradient with channels last is summed up: so many pieces of a line make a partial
/// sum in T, short enough to keep its digits; the partial sums are added in double.
struct LastSums {
  Index width, parts;      ///< positions of a piece, pieces of a line
  Index pieces, together;  ///< in all, and of a partial sum
  explicit LastSums(const ConvShape& shape)
      : width(std::clamp<Index>(shape.out[2], 1, 1024)),
        parts(ceil_div(shape.out[2], width)),
        pieces(shape.images * shape.out[0] * shape.out[1] * parts),
        together(std::clamp<Index>(4096 / width, 1, 32)) {}
  [[nodiscard]] Index chunks() const { return ceil_div(pieces, together); }
};

/// Channels first, images: whole planes (depthwise_planes.cpp).
template <class T>
void forward_planes(const ConvShape& shape, const ConvImage<const T>& x, const T* w, const T* bias,
                    const ConvImage<T>& y, const GemmFinish<T>& finish);
template <class T>
void input_gradient_planes(const ConvShape& shape, const ConvImage<const T>& dy, const T* w,
                           const T* bias, const ConvImage<T>& dx, const GemmFinish<T>& finish);
template <class T>
void weight_gradient_planes(const ConvShape& shape, const ConvImage<const T>& dy,
                            const ConvImage<const T>& x, T* dw);

/// Channels last, one kernel a channel: whole lines (depthwise_last.cpp).
template <class T>
void forward_last(const ConvShape& shape, const ConvImage<const T>& x, const T* w, const T* bias,
                  const ConvImage<T>& y, const GemmFinish<T>& finish, const T* by_tap);
template <class T>
void input_gradient_last(const ConvShape& shape, const ConvImage<const T>& dy, const T* w,
                         const T* bias, const ConvImage<T>& dx, const GemmFinish<T>& finish);
template <class T>
void weight_gradient_last(const ConvShape& shape, const ConvImage<const T>& dy,
                          const ConvImage<const T>& x, T* dw);

}  // namespace lamina::nn::detail
