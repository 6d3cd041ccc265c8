#pragma once

// What the products behind a convolution have in common.

#include <algorithm>

#include "kernels/arithmetic.hpp"
#include "kernels/direct_conv.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/conv_core.hpp"
#include "nn/implicit_gemm.hpp"

namespace lamina::nn::detail {

/// Below this many multiply-adds a product is not worth cutting; whole images go to threads
/// instead.
inline constexpr Index kSmallProduct = Index{1} << 22;
/// From this many products on, each is one thread's.
inline constexpr Index kManyProducts = 16;

/// Calls body(i) for each of `count` products: side by side if they are many or small, otherwise
/// one after the other, each cut among the threads.
template <class F>
void for_each_product(Index count, Index multiply_adds, const F& body) {
  if (count >= kManyProducts || multiply_adds < kSmallProduct) {
    const Index grain = std::max<Index>(1, kSmallProduct / 8 / std::max<Index>(multiply_adds, 1));
    parallel_for(count, grain, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) body(i);
    });
  } else {
    for (Index i = 0; i < count; ++i) body(i);
  }
}

template <class T>
Gather<T> gather_of(const ConvShape& shape, const ConvImage<const T>& x) {
  Gather<T> gather;
  gather.data = x.data;
  gather.images = 1;
  gather.image_stride = x.image_stride;
  gather.channels = shape.in_group();
  gather.channel_stride = x.channel_stride;
  gather.strides = x.strides;
  for (std::size_t a = 0; a < 3; ++a) {
    gather.axes[a] = convolution_axis(shape.in[a], shape.out[a], shape.kernel[a], shape.stride[a],
                                      shape.dilation[a], shape.padding[a]);
  }
  gather.channels_last = gathers_channels_last(gather.channels, x.channel_stride, x.strides[2]);
  return gather;
}

/// to[row][b][a] = from[row][a][b]: (channels, taps) becomes (taps, channels), or back.
template <class T>
void swap_inner(const T* from, Index rows, Index a, Index b, T* to) {
  for (Index row = 0; row < rows; ++row, from += a * b, to += a * b) {
    for (Index i = 0; i < a; ++i) {
      for (Index j = 0; j < b; ++j) {
        to[j * a + i] = from[i * b + j];
      }
    }
  }
}

/// line_sums of `count` vectors, a few at a time: what some columns multiply stays in the L1.
/// Without `adds` it writes the sums.
template <class T>
void sum_positions(kernels::LineSums<T> sums, const kernels::LineVector* vectors, Index count,
                   bool adds) {
  constexpr Index kAtOnce = 112;
  for (Index v = 0; v < count; v += kAtOnce) {
    sums.vectors = vectors + v;
    sums.vector_count = std::min(kAtOnce, count - v);
    sums.adds = adds || v > 0;
    kernels::line_sums(sums);
  }
}

/// out[i] = the sum over the parts of parts[part * count + i]; out may be the first part.
template <class T>
void sum_parts(const T* parts, Index part_count, Index count, T* out) {
  constexpr Index kGrain = Index{1} << 15;
  parallel_for(count, std::max<Index>(1, kGrain / part_count), [&](Index begin, Index end) {
    if (out != parts) std::copy(parts + begin, parts + end, out + begin);
    for (Index part = 1; part < part_count; ++part) {
      kernels::binary(BinaryOp::Add, out + begin, parts + part * count + begin, out + begin,
                      end - begin);
    }
  });
}

/// dw (outputs, rows) from the sums of `parts`, each (rows, outputs, lanes).
template <class T>
void finish_line_sums(const T* sums, Index parts, Index rows, Index outputs, Index lanes, T* dw) {
  constexpr Index kGrain = 1024;  // sums
  parallel_for(rows, std::max<Index>(1, kGrain / outputs), [&](Index begin, Index end) {
    kernels::LaneSums<T> part;
    part.sums = sums + begin * outputs * lanes;
    part.rows = end - begin;
    part.columns = outputs;
    part.parts = parts;
    part.part_stride = rows * outputs * lanes;
    part.out = dw + begin;
    part.out_stride = rows;
    kernels::lane_sums(part);
  });
}

}  // namespace lamina::nn::detail
