#include <algorithm>

#include "kernels/gemm.hpp"
#include "nn/conv_abreast.hpp"
#include "nn/conv_parts.hpp"
#include "nn/conv_planes.hpp"
#include "nn/conv_weights.hpp"
#include "nn/depthwise.hpp"
#include "nn/depthwise_parts.hpp"
#include "nn/direct_conv.hpp"
#include "nn/point_plan.hpp"
#include "nn/winograd.hpp"
#include "nn/winograd_weight_gradient.hpp"

namespace lamina::nn::detail {

namespace {

// What a matrix product takes for each thread at most: tiles of rows and panels of a block of K.
constexpr Index kProductTiles = 16;
constexpr Index kProductDepth = 512;
// A factor up to this size may be packed as a whole.
constexpr Index kPackedElements = Index{1} << 23;

template <class T>
constexpr Index bytes(Index elements) {
  return elements * static_cast<Index>(sizeof(T));
}

/// For each thread.
template <class T>
Index product_bytes() {
  const kernels::GemmTiling tiling = kernels::gemm_tiling<T>();
  return bytes<T>((kProductTiles * tiling.mr + tiling.nr) * kProductDepth +
                  2 * kernels::kGatherSlack);
}

/// Products that for_each_product runs side by side.
Index at_once(Index count, Index multiply_adds, int threads) {
  const bool many = count >= kManyProducts || multiply_adds < kSmallProduct;
  return many ? std::min<Index>(count, threads) : 1;
}

/// A contiguous image batch; there is no memory behind it.
template <class T>
ConvImage<const T> image_of(Index channels, const std::array<Index, 3>& extents,
                            bool channels_last) {
  const Index element = channels_last ? channels : 1;
  const Index positions = extents[0] * extents[1] * extents[2];
  ConvImage<const T> image;
  image.image_stride = channels * positions;
  image.channel_stride = channels_last ? 1 : positions;
  image.strides = {extents[1] * extents[2] * element, extents[2] * element, element};
  return image;
}

/// Packed weights of `groups` products with `m` channels of the result.
template <class T>
Index packed_bytes(Index groups, Index m, Index depth) {
  return bytes<T>(groups * (m + 64) * depth);
}

/// What gathered_product takes, and for `m` rows of weights what GEMM packs.
template <class T>
Index gathered_bytes(const Gather<T>& gather, Index m, bool channels_last) {
  const Index rows = gather.rows();
  if (gather.is_plain()) {
    return bytes<T>(std::min(kPackedElements, rows * (channels_last ? m + 64 : gather.cols())));
  }
  Index elements = 0;
  if (gather.channels_last) return bytes<T>(elements + gather.channels + kernels::kGatherSlack);
  const std::size_t axis = gather.axes[0].positions > 1 ? 0 : 1;
  elements += planes_elements(gather, axis, band_extent(gather, axis));
  if (gather.taps() == 1 && !channels_last) {
    elements += std::min(kPackedElements, rows * gather.positions());
  }
  // And where each row looks.
  return bytes<T>(elements) + rows * static_cast<Index>(sizeof(Index));
}

/// The copy of a plane for each thread, or the weights by tap.
template <class T>
Index depthwise_bytes(const ConvShape& shape, bool channels_last, int threads) {
  const Index columns = shape.in[2] + shape.out[2] + 2 * shape.dilation[2] * shape.kernel[2];
  const Index lines = 8 * shape.stride[1] + shape.dilation[1] * shape.kernel[1];
  const Index plane = std::max<Index>(bytes<T>(lines * columns * 2), 32768) +
                      bytes<T>(shape.in_positions() + shape.out_positions());
  const Index by_tap = bytes<T>(shape.taps() * shape.in_channels);
  const bool by_planes = channels_last && shape.out_group() > 1;
  const Index planes =
      by_planes ? bytes<T>(shape.images * shape.out_channels * shape.out_positions()) : 0;
  return by_tap + planes + threads * plane;
}

bool by_winograd(const ConvShape& shape, bool gradient) {
  return winograd_pays(winograd_problem(shape, gradient));
}

template <class T>
bool by_abreast(const ConvShape& shape, bool gradient, bool channels_last) {
  if (channels_last || by_winograd(shape, gradient)) return false;
  return abreast_pays(shape, gradient,
                      gradient ? image_of<T>(shape.out_channels, shape.out, false)
                               : image_of<T>(shape.in_channels, shape.in, false));
}

template <class T>
bool by_direct(const ConvShape& shape, bool gradient, bool channels_last) {
  return !channels_last && !by_winograd(shape, gradient) && direct_pays<T>(shape, gradient);
}

}  // namespace

template <class T>
Index conv_forward_bytes(const ConvShape& shape, bool channels_last, int threads) {
  if (is_depthwise(shape)) return depthwise_bytes<T>(shape, channels_last, threads);
  // Of an x with gaps the next one is the way.
  if (by_abreast<T>(shape, false, channels_last)) {
    return std::max(abreast_bytes<T>(shape, false, threads),
                    direct_bytes<T>(shape, false, threads));
  }
  if (by_direct<T>(shape, false, channels_last)) return direct_bytes<T>(shape, false, threads);
  if (channels_last && !by_winograd(shape, false) &&
      direct_last_pays(shape, image_of<T>(shape.in_channels, shape.in, true))) {
    return direct_last_bytes<T>(shape, threads);
  }
  const Index rows = shape.in_group() * shape.taps();
  Gather<T> gather = gather_of(shape, image_of<T>(shape.in_channels, shape.in, channels_last));
  const Index together = channels_last ? shape.images : 1;
  gather.images = together;
  const Index count = shape.groups * (channels_last ? 1 : shape.images);
  const Index work = shape.out_group() * rows * shape.out_positions() * together;
  Index total =
      threads * product_bytes<T>() +
      at_once(count, work, threads) * gathered_bytes(gather, shape.out_group(), channels_last);
  const bool right = weights_right(channels_last, shape.out_positions(), rows);
  if (packing_pays(right, shape.images, shape.out_positions(), shape.out_group(), rows)) {
    total += packed_bytes<T>(shape.groups, shape.out_group(), rows);
  }
  if (gather.channels_last && shape.taps() > 1) total += bytes<T>(shape.out_channels * rows);
  // Where a number is not finite, Winograd's algorithm gives way to the direct sum.
  if (by_winograd(shape, false)) {
    total = std::max(total, winograd_bytes<T>(winograd_problem(shape, false), threads) +
                                threads * product_bytes<T>());
  }
  return total;
}

template <class T>
Index conv_input_gradient_bytes(const ConvShape& shape, bool channels_last, int threads) {
  if (!is_depthwise(shape) && by_abreast<T>(shape, true, channels_last)) {
    return std::max(abreast_bytes<T>(shape, true, threads), direct_bytes<T>(shape, true, threads));
  }
  if (!is_depthwise(shape) && by_direct<T>(shape, true, channels_last)) {
    return direct_bytes<T>(shape, true, threads);
  }
  Index most = 0;
  for (Index d = 0; d < shape.stride[0]; ++d) {
    for (Index h = 0; h < shape.stride[1]; ++h) {
      for (Index v = 0; v < shape.stride[2]; ++v) {
        const std::array<Index, 3> phase{d, h, v};
        const ConvImage<const T> dy = image_of<T>(shape.out_channels, shape.out, channels_last);
        Gather<T> gather;
        gather.image_stride = dy.image_stride;
        gather.channels = shape.out_group();
        gather.channel_stride = dy.channel_stride;
        gather.strides = dy.strides;
        gather.channels_last =
            gathers_channels_last(gather.channels, dy.channel_stride, dy.strides[2]);
        for (std::size_t a = 0; a < 3; ++a) {
          gather.axes[a] = gradient_axis(shape.in[a], phase[a], shape.out[a], shape.kernel[a],
                                         shape.stride[a], shape.dilation[a], shape.padding[a])
                               .axis;
        }
        if (gather.positions() == 0) continue;
        const Index work = shape.in_group() * gather.rows() * gather.positions();
        const Index own = gathered_bytes(gather, shape.in_group(), channels_last) +
                          bytes<T>(shape.in_group() * gather.positions());
        const bool right = weights_right(channels_last, gather.positions(), gather.rows());
        const bool packs =
            packing_pays(right, shape.images, gather.positions(), shape.in_group(), gather.rows());
        const Index packed =
            packs ? packed_bytes<T>(shape.groups, shape.in_group(), gather.rows()) : 0;
        most = std::max(most, bytes<T>(shape.in_channels * gather.rows()) + packed +
                                  at_once(shape.images * shape.groups, work, threads) * own);
      }
    }
  }
  most += threads * product_bytes<T>();
  if (is_depthwise(shape)) {
    most = std::max(most, depthwise_bytes<T>(shape, channels_last, threads));
  }
  if (by_winograd(shape, true)) {
    most = std::max(most, winograd_bytes<T>(winograd_problem(shape, true), threads) +
                              threads * product_bytes<T>());
  }
  return most;
}

template <class T>
Index conv_weight_gradient_bytes(const ConvShape& shape, bool channels_last, int threads) {
  const Index rows = shape.in_group() * shape.taps();
  const Index size = shape.out_group() * rows;
  if (is_depthwise(shape)) {
    const Index chunks = LastSums(shape).chunks();
    return depthwise_bytes<T>(shape, channels_last, threads) +
           (channels_last ? bytes<T>(chunks * shape.in_channels * shape.taps()) : 0);
  }
  Gather<T> gather = gather_of(shape, image_of<T>(shape.in_channels, shape.in, channels_last));
  const Index count = at_once(shape.groups, size * shape.images * shape.out_positions(), threads);
  if (gather.is_plain()) {
    const Index positions = shape.out_positions() * (channels_last ? shape.images : 1);
    return threads * product_bytes<T>() +
           count * bytes<T>(std::min(kPackedElements, 2 * positions * (rows + shape.out_group())));
  }
  Index most = 0;
  for (const bool lines : {false, true}) {
    const PointPlan plan = PointPlan::make<T>(shape, lines);
    const Index blocks = std::min<Index>(plan.parts, threads);
    const Index elements =
        blocks * (plan.copied() * shape.in_group() + plan.turned()) + plan.parts * plan.sums();
    const Index places = blocks * (plan.rows + plan.positions());
    most = std::max(most, bytes<T>(elements) + places * static_cast<Index>(sizeof(Index)));
  }
  // Where a number is not finite, Winograd's algorithm gives way to the sum over positions.
  const Index winograd =
      winograd_gradient_pays(shape) ? winograd_gradient_bytes<T>(shape, threads) : 0;
  const bool abreast =
      !channels_last &&
      abreast_gradient_pays(shape, image_of<T>(shape.out_channels, shape.out, false),
                            image_of<T>(shape.in_channels, shape.in, false));
  return std::max(
      {count * most, winograd, abreast ? abreast_gradient_bytes<T>(shape, threads) : Index{0}});
}

#define LAMINA_INSTANTIATE(T)                                               \
  template Index conv_forward_bytes<T>(const ConvShape&, bool, int);        \
  template Index conv_input_gradient_bytes<T>(const ConvShape&, bool, int); \
  template Index conv_weight_gradient_bytes<T>(const ConvShape&, bool, int);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
