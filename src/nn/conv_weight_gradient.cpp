#include <algorithm>
#include <array>

#include "kernels/direct_conv.hpp"
#include "nn/conv_parts.hpp"
#include "nn/depthwise.hpp"
#include "nn/padded_lines.hpp"
#include "nn/point_plan.hpp"

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

// Elements that a thread copies at once, and its multiply-adds.
constexpr Index kCopyGrain = Index{1} << 15;
constexpr Index kPointWork = Index{1} << 18;
// Positions after which sums are put aside: a panel of dy then stays in the L1 for several tiles.
constexpr Index kPointDepth = 256;

/// Copies a block of dy panel by panel: in each panel the outputs of a position are adjacent.
template <class T>
void turn_outputs(const PointPlan& plan, const ConvImage<const T>& dy, const T* from, Index images,
                  const std::array<Index, 3>& out, Index outputs, T* to) {
  // A run of positions at one distance: a line, or a part of an image without gaps.
  const bool dense = (out[1] == 1 || dy.strides[1] == out[2] * dy.strides[2]) &&
                     (out[0] == 1 || dy.strides[0] == out[1] * dy.strides[1]);
  const Index in_image = out[0] * out[1] * out[2];
  const Index run = dense ? std::min<Index>(in_image, 256) : out[2];
  const Index runs = ceil_div(in_image, run);
  const Index positions = images * in_image;
  const auto turn = [&](Index unit) {
    const Index n = unit / runs;
    const Index first = unit % runs * run;
    const Index count = std::min(run, in_image - first);
    const Index line = first / out[2];
    const T* const source = from + n * dy.image_stride +
                            (dense ? first * dy.strides[2]
                                   : line / out[1] * dy.strides[0] + line % out[1] * dy.strides[1]);
    for (Index column = 0; column < plan.width; column += plan.panel) {
      const Index width = std::min(plan.panel, plan.width - column);
      const Index filled = std::min(width, outputs - column);
      T* const panel = to + column * positions + (n * in_image + first) * width;
      if (dy.strides[2] == 1 || count == 1) {
        std::array<const T*, kMostPanel> lines;
        for (Index i = 0; i < width; ++i) {
          lines[static_cast<std::size_t>(i)] =
              source + (column + std::min(i, filled - 1)) * dy.channel_stride;
        }
        kernels::GatherLines<T> part;
        part.lines = lines.data();
        part.count = width;
        part.depth = count;
        part.width = width;
        part.out = panel;
        kernels::gather_lines(part);
        continue;
      }
      for (Index p = 0; p < count; ++p) {
        T* const row = panel + p * width;
        kernels::copy_strided(source + p * dy.strides[2] + column * dy.channel_stride,
                              dy.channel_stride, filled, row);
        std::fill(row + filled, row + width, T(0));
      }
    }
  };
  parallel_for(images * runs, std::max<Index>(1, kCopyGrain / (run * plan.width)),
               [&](Index begin, Index end) {
                 for (Index unit = begin; unit < end; ++unit) turn(unit);
               });
}

/// dw (outputs, rows) from the panels of sums (rows, outputs of the panel).
template <class T>
void turn_weights(const PointPlan& plan, const T* sums, Index outputs, T* dw) {
  constexpr Index kSquare = 16;
  const Index squares = ceil_div(plan.rows, kSquare);
  const auto turn = [&](Index unit) {
    const Index row = unit % squares * kSquare;
    const Index column = unit / squares * plan.panel;
    const Index width = std::min(plan.panel, plan.width - column);
    const Index filled = std::min(width, outputs - column);
    const Index count = std::min(kSquare, plan.rows - row);
    const T* const from = sums + column * plan.rows + row * width;
    T* const to = dw + column * plan.rows + row;
    if (count < kSquare) {
      for (Index o = 0; o < filled; ++o) {
        for (Index i = 0; i < count; ++i) to[o * plan.rows + i] = from[i * width + o];
      }
      return;
    }
    std::array<const T*, kSquare> lines;
    for (Index i = 0; i < kSquare; ++i) lines[static_cast<std::size_t>(i)] = from + i * width;
    kernels::GatherLines<T> part;
    part.lines = lines.data();
    part.count = kSquare;
    part.depth = filled;
    part.width = plan.rows;
    part.out = to;
    kernels::gather_lines(part);
  };
  parallel_for(squares * plan.panels(), std::max<Index>(1, kCopyGrain / (kSquare * plan.panel)),
               [&](Index begin, Index end) {
                 for (Index unit = begin; unit < end; ++unit) turn(unit);
               });
}

/// Writes dw of a group: a weight for each (channel, tap) times the outputs, summed over positions.
///
/// dy is turned so that the outputs of a position are adjacent, x copied with its padding. Then the
/// product reads x where it lies: the positions that a tap sees are where those of the first tap
/// are, moved by a constant. Images, or bands of one, are taken block by block.
template <class T>
void point_gradient(const ConvShape& shape, const PointPlan& plan, const ConvImage<const T>& dy,
                    const T* dy_data, const ConvImage<const T>& x, const T* x_data, T* dw) {
  const Index channels = shape.in_group();
  const Index outputs = shape.out_group();
  const Index rows = plan.rows;
  const Index plane = plan.extents[0] * plan.extents[1] * plan.extents[2];
  const Index channel_stride = plan.images * plane;
  const Buffer<T> copy(channels * channel_stride);
  const Buffer<T> turned(plan.width * plan.positions());
  const Buffer<T> sums(plan.parts * rows * plan.width);
  std::fill_n(sums.data(), sums.size(), T(0));

  // What the first position sees, and how much further on the others see it; those of a smaller
  // block come first.
  const Buffer<const T*> seen(rows);
  const T** next = seen.data();
  for (Index c = 0; c < channels; ++c) {
    for (Index d = 0; d < shape.kernel[0]; ++d) {
      for (Index h = 0; h < shape.kernel[1]; ++h) {
        for (Index v = 0; v < shape.kernel[2]; ++v) {
          *next++ =
              copy.data() + c * channel_stride +
              (d * shape.dilation[0] * plan.extents[1] + h * shape.dilation[1]) * plan.extents[2] +
              v * shape.dilation[2];
        }
      }
    }
  }
  const Buffer<Index> offsets(plan.positions());
  Index* offset = offsets.data();
  for (Index n = 0; n < plan.images; ++n) {
    for (Index d = 0; d < plan.out[0]; ++d) {
      for (Index h = 0; h < plan.out[1]; ++h) {
        const Index line =
            n * plane +
            (d * shape.stride[0] * plan.extents[1] + h * shape.stride[1]) * plan.extents[2];
        for (Index v = 0; v < plan.out[2]; ++v) *offset++ = line + v * shape.stride[2];
      }
    }
  }

  for (Index image = 0; image < shape.images; image += plan.images) {
    const Index images = std::min(plan.images, shape.images - image);
    for (Index first = 0; first < shape.out[plan.axis]; first += plan.out[plan.axis]) {
      std::array<Index, 3> out = plan.out;
      out[plan.axis] = std::min(out[plan.axis], shape.out[plan.axis] - first);
      const T* const from_x = x_data + image * x.image_stride;
      const T* const from_dy = dy_data + image * dy.image_stride + first * dy.strides[plan.axis];
      const Index lines = plan.extents[0] * plan.extents[1];
      parallel_for(images * lines, std::max<Index>(1, kCopyGrain / (channels * plan.extents[2])),
                   [&](Index begin, Index end) {
                     for (Index i = begin; i < end; ++i) {
                       const Index n = i / lines;
                       std::array<Index, 2> at{i % lines / plan.extents[1], i % plan.extents[1]};
                       at[plan.axis] += first * shape.stride[plan.axis];
                       copy_padded_line(x, from_x + n * x.image_stride, channels, shape.in,
                                        {at[0] - shape.padding[0], at[1] - shape.padding[1],
                                         -shape.padding[2], plan.extents[2]},
                                        copy.data() + i * plan.extents[2], channel_stride);
                     }
                   });
      turn_outputs(plan, dy, from_dy, images, out, outputs, turned.data());

      const Index positions = images * out[0] * out[1] * out[2];
      const Index units = plan.panels() * plan.groups * plan.parts;
      const auto run = [&](Index unit) {
        const Index part = unit % plan.parts;
        const Index group = unit / plan.parts % plan.groups;
        const Index column = unit / plan.parts / plan.groups * plan.panel;
        const Index row = rows * group / plan.groups;
        const Index width = std::min(plan.panel, plan.width - column);
        kernels::PointProduct<T> product;
        product.rows = seen.data() + row;
        product.count = rows * (group + 1) / plan.groups - row;
        product.width = width;
        product.c = sums.data() + part * rows * plan.width + column * rows + row * width;
        const Index behind = positions * (part + 1) / plan.parts;
        for (Index k = positions * part / plan.parts; k < behind; k += kPointDepth) {
          product.offsets = offsets.data() + k;
          product.depth = std::min(kPointDepth, behind - k);
          product.b = turned.data() + column * positions + k * width;
          kernels::point_product(product);
        }
      };
      const Index work = rows * plan.width * positions / units;
      parallel_for(units, std::max<Index>(1, kPointWork / std::max<Index>(work, 1)),
                   [&](Index begin, Index end) {
                     for (Index unit = begin; unit < end; ++unit) run(unit);
                   });
    }
  }
  for (Index part = 1; part < plan.parts; ++part) {
    const T* const more = sums.data() + part * rows * plan.width;
    for (Index i = 0; i < rows * plan.width; ++i) sums.data()[i] += more[i];
  }
  turn_weights(plan, sums.data(), outputs, dw);
}

}  // namespace

template <class T>
void conv_weight_gradient(const ConvShape& shape, const ConvImage<const T>& dy,
                          const ConvImage<const T>& x, T* dw) {
  if (is_depthwise(shape)) {
    depthwise_weight_gradient(shape, dy, x, dw);
    return;
  }
  const Index size = shape.out_channels * shape.in_group() * shape.taps();
  if (size * shape.images * shape.in_positions() == 0) {
    std::fill_n(dw, size, T(0));
    return;
  }
  if (plain_gradient(shape, dy, x, dw)) return;
  const PointPlan plan = PointPlan::make<T>(shape);
  const auto product = [&](Index group) {
    point_gradient(shape, plan, dy, dy.data + group * shape.out_group() * dy.channel_stride, x,
                   x.data + group * shape.in_group() * x.channel_stride,
                   dw + group * shape.out_group() * plan.rows);
  };
  for_each_product(shape.groups, size / shape.groups * shape.images * shape.out_positions(),
                   product);
}

#define LAMINA_INSTANTIATE(T)                                                     \
  template void conv_weight_gradient(const ConvShape&, const ConvImage<const T>&, \
                                     const ConvImage<const T>&, T*);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
