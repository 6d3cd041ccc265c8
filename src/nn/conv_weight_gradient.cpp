#include <algorithm>
#include <limits>

#include "kernels/winograd.hpp"
#include "nn/conv_parts.hpp"
#include "nn/conv_planes.hpp"
#include "nn/depthwise.hpp"

namespace lamina::nn::detail {

namespace {

/// dy of a group as a matrix (O, images * positions): one tap that sees each position itself.
template <class T>
Gather<T> gather_dy(const ConvShape& shape, const ConvImage<const T>& dy, Index group) {
  Gather<T> grad;
  grad.data = dy.data + group * shape.out_group() * dy.channel_stride;
  grad.images = shape.images;
  grad.image_stride = dy.image_stride;
  grad.channels = shape.out_group();
  grad.channel_stride = dy.channel_stride;
  grad.strides = dy.strides;
  grad.channels_last = dy.channel_stride == 1;
  for (std::size_t a = 0; a < 3; ++a) {
    grad.axes[a] = convolution_axis(shape.out[a], shape.out[a], 1, 1, 1, 0);
  }
  return grad;
}

/// By gathering panels of both factors: for anything, and slow.
template <class T>
void gathered_gradient(const ConvShape& shape, const ConvImage<const T>& dy,
                       const ConvImage<const T>& x, T* dw) {
  const Index positions = shape.out_positions();
  const Index out_group = shape.out_group();
  Gather<T> gather = gather_of(shape, x);
  gather.images = shape.images;
  const Index rows = gather.rows();
  const bool reorder = gather.channels_last && shape.taps() > 1;
  const auto product = [&](Index group) {
    Gather<T> part = gather;
    part.data += group * shape.in_group() * x.channel_stride;
    const Gather<T> grad = gather_dy(shape, dy, group);
    const auto fill_a = [&grad](const PanelRequest<T>& request) { gather_taps(grad, request); };
    const auto fill_b = [&part](const PanelRequest<T>& request) { gather_taps(part, request); };
    const PanelPacker<T> packer_a(fill_a);
    const PanelPacker<T> packer_b(fill_b);
    const Index depth = shape.images * positions;
    T* out = dw + group * out_group * rows;
    Buffer<T> swapped;
    if (reorder) {
      swapped = Buffer<T>(out_group * rows);
      out = swapped.data();
    }
    gemm<T>(GemmOperand<T>(out_group, depth, packer_a), GemmOperand<T>(depth, rows, packer_b), out,
            rows, 1);
    if (reorder) {
      swap_inner(out, out_group, shape.taps(), shape.in_group(), dw + group * out_group * rows);
    }
  };
  for_each_product(shape.groups, out_group * rows * shape.images * positions, product);
}

/// Where both are matrices as they are: 1 x 1 kernels with stride 1. False: nothing is done.
template <class T>
bool plain_gradient(const ConvShape& shape, const ConvImage<const T>& dy,
                    const ConvImage<const T>& x, T* dw) {
  Gather<T> gather = gather_of(shape, x);
  Gather<T> grad = gather_dy(shape, dy, 0);
  gather.images = shape.images;
  // Channels last all images are one matrix, channels first each is.
  const bool together = gather.is_plain() && grad.is_plain();
  if (!together) {
    gather.images = 1;
    grad.images = 1;
    if (!gather.is_plain() || !grad.is_plain()) return false;
  }
  const Index out_group = shape.out_group();
  const Index rows = gather.rows();
  const auto product = [&](Index group) {
    Gather<T> part = gather;
    GemmOptions<T> options;
    for (Index image = 0; image < (together ? 1 : shape.images); ++image) {
      part.data = x.data + image * x.image_stride + group * shape.in_group() * x.channel_stride;
      Gather<T> own = grad;
      own.data = dy.data + image * dy.image_stride + group * out_group * dy.channel_stride;
      gemm<T>(own.plain(), part.plain().transposed(), dw + group * out_group * rows, rows, 1,
              options);
      options.beta = T(1);
    }
  };
  for_each_product(shape.groups, out_group * rows * shape.images * shape.out_positions(), product);
  return true;
}

/// True if all that a product with zeros in dy would meet is finite.
template <class T>
bool is_finite(const ConvShape& shape, const ConvImage<const T>& x) {
  const T largest = std::numeric_limits<T>::max();
  const Index plane = shape.in_positions();
  // Planes, or images, without gaps.
  const auto dense = [&](Index element) {
    return (shape.in[2] == 1 || x.strides[2] == element) &&
           (shape.in[1] == 1 || x.strides[1] == shape.in[2] * element) &&
           (shape.in[0] == 1 || x.strides[0] == shape.in[1] * shape.in[2] * element);
  };
  const bool first = dense(1);
  const bool last = x.channel_stride == 1 && dense(shape.in_channels);
  if (!first && !last) return false;
  for (Index n = 0; n < shape.images; ++n) {
    const T* image = x.data + n * x.image_stride;
    if (!first) {
      if (!kernels::all_within(image, plane * shape.in_channels, largest)) return false;
      continue;
    }
    for (Index c = 0; c < shape.in_channels; ++c) {
      if (!kernels::all_within(image + c * x.channel_stride, plane, largest)) return false;
    }
  }
  return true;
}

/// A product for each band: dy, with zeros between its lines so that they lie as far apart as in
/// the copy of x, times what each (channel, tap) sees of that copy, transposed in registers.
template <class T>
void plane_gradient(const ConvShape& shape, const ConvImage<const T>& dy,
                    const ConvImage<const T>& x, T* dw) {
  Gather<T> gather = gather_of(shape, x);
  gather.channels_last = false;
  const Index channels = shape.in_group();
  const Index out_group = shape.out_group();
  const Index rows = channels * shape.taps();
  const std::size_t axis = shape.out[0] > 1 ? 0 : 1;
  const Index band = band_extent(gather, axis);
  const auto product = [&](Index group) {
    Gather<T> part = gather;
    part.data += group * channels * x.channel_stride;
    Planes<T> planes(part, axis, band);
    std::array<Index, 3> extents = shape.out;
    extents[axis] = band;
    const auto depth_of = [&](const std::array<Index, 3>& e) {
      return (e[0] - 1) * planes.depth_pitch() + (e[1] - 1) * planes.pitch() + e[2];
    };
    Buffer<T> spread(out_group * depth_of(extents));
    const auto fill = [&planes](const PanelRequest<T>& request) { planes.pack_seen(request); };
    const PanelPacker<T> packer(fill);
    GemmOptions<T> options;
    for (Index image = 0; image < shape.images; ++image) {
      for (Index first = 0; first < shape.out[axis]; first += band) {
        planes.fill(part.data + image * x.image_stride, axis, first);
        extents[axis] = std::min(band, shape.out[axis] - first);
        const Index depth = depth_of(extents);
        const T* grad = dy.data + image * dy.image_stride + group * out_group * dy.channel_stride +
                        first * dy.strides[axis];
        parallel_for(out_group, std::max<Index>(1, 65536 / depth), [&](Index begin, Index end) {
          for (Index o = begin; o < end; ++o) {
            T* const to = spread.data() + o * depth;
            std::fill_n(to, depth, T(0));
            for (Index d = 0; d < extents[0]; ++d) {
              for (Index h = 0; h < extents[1]; ++h) {
                kernels::copy_strided(
                    grad + o * dy.channel_stride + d * dy.strides[0] + h * dy.strides[1],
                    dy.strides[2], extents[2], to + d * planes.depth_pitch() + h * planes.pitch());
              }
            }
          }
        });
        gemm<T>(MatrixRef<T>{spread.data(), out_group, depth, depth, 1},
                GemmOperand<T>(depth, rows, packer), dw + group * out_group * rows, rows, 1,
                options);
        options.beta = T(1);
      }
    }
  };
  for_each_product(shape.groups, out_group * rows * shape.images * shape.out_positions(), product);
}

}  // namespace

template <class T>
void conv_weight_gradient(const ConvShape& shape, const ConvImage<const T>& dy,
                          const ConvImage<const T>& x, T* dw) {
  if (is_depthwise(shape)) {
    depthwise_weight_gradient(shape, dy, x, dw);
    return;
  }
  const bool empty = shape.images * shape.in_positions() * shape.in_channels == 0;
  if (!empty && plain_gradient(shape, dy, x, dw)) return;
  if (!empty && is_finite(shape, x)) {
    plane_gradient(shape, dy, x, dw);
  } else {
    gathered_gradient(shape, dy, x, dw);
  }
}

#define LAMINA_INSTANTIATE(T)                                                     \
  template void conv_weight_gradient(const ConvShape&, const ConvImage<const T>&, \
                                     const ConvImage<const T>&, T*);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
