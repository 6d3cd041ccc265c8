#include <algorithm>
#include <array>
#include <vector>

#include "kernels/direct_conv.hpp"
#include "nn/conv_abreast.hpp"
#include "nn/conv_parts.hpp"
#include "nn/depthwise.hpp"
#include "nn/padded_lines.hpp"
#include "nn/point_plan.hpp"
#include "nn/winograd_weight_gradient.hpp"

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
// Vectors of positions after which sums of lanes are put aside.
constexpr Index kSummedVectors = 128;

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

/// What a weight gradient multiplies of a block of images, or of a band of one: dy, turned so that
/// the outputs of a position are adjacent, and x with its padding. The product reads x where it
/// lies: what a tap sees at a position is as far from what it sees at the first as for other taps.
template <class T>
class PointBlock {
 public:
  PointBlock(const ConvShape& shape, const PointPlan& plan, const ConvImage<const T>& dy,
             const ConvImage<const T>& x)
      : shape_(shape),
        plan_(plan),
        dy_(dy),
        x_(x),
        plane_(plan.extents[0] * plan.extents[1] * plan.extents[2]),
        copy_(shape.in_group() * plan.images * plane_),
        turned_(plan.turned()),
        seen_(plan.rows),
        offsets_(plan.positions()) {
    const auto place = [&](Index n, Index d, Index h) {
      return n * plane_ + (d * plan.extents[1] + h) * plan.extents[2];
    };
    const T** seen = seen_.data();
    for (Index c = 0; c < shape.in_group(); ++c) {
      for (Index d = 0; d < shape.kernel[0]; ++d) {
        for (Index h = 0; h < shape.kernel[1]; ++h) {
          const T* const line =
              copy_.data() + place(c * plan.images, d * shape.dilation[0], h * shape.dilation[1]);
          for (Index v = 0; v < shape.kernel[2]; ++v) *seen++ = line + v * shape.dilation[2];
        }
      }
    }
    // The positions of a smaller block come first.
    Index* offset = offsets_.data();
    for (Index n = 0; n < plan.images; ++n) {
      for (Index d = 0; d < plan.out[0]; ++d) {
        for (Index h = 0; h < plan.out[1]; ++h) {
          const Index line = place(n, d * shape.stride[0], h * shape.stride[1]);
          for (Index v = 0; v < plan.out[2]; ++v) *offset++ = line + v * shape.stride[2];
        }
      }
    }
    if (!plan.by_lines) return;
    const Index lanes = kernels::point_tiling<T>().lanes;
    for (Index n = 0; n < plan.images; ++n) {
      for (Index d = 0; d < plan.out[0]; ++d) {
        for (Index h = 0; h < plan.out[1]; ++h) {
          const Index from = place(n, d * shape.stride[0], h * shape.stride[1]);
          const Index to = n * dy.image_stride + d * dy.strides[0] + h * dy.strides[1];
          for (Index v = 0; v < plan.out[2]; v += lanes) {
            vectors_.push_back({from + v, to + v, std::min(lanes, plan.out[2] - v)});
          }
        }
      }
    }
  }

  /// Calls body() for each block of the images [begin, end), once it is loaded.
  template <class F>
  void for_each(Index begin, Index end, const F& body) {
    const Index step = plan_.out[plan_.axis];
    for (Index image = begin; image < end; image += plan_.images) {
      for (Index first = 0; first < shape_.out[plan_.axis]; first += step) {
        load(image, std::min(plan_.images, end - image), first);
        body();
      }
    }
  }
  [[nodiscard]] Index positions() const { return positions_; }

  /// Adds the products of the positions [begin, end) to rows [row, row + count) of the panel that
  /// starts at `column`.
  void multiply(Index row, Index count, Index column, Index begin, Index end, T* sums) const {
    const Index width = std::min(plan_.panel, plan_.width - column);
    kernels::PointProduct<T> product;
    product.rows = seen_.data() + row;
    product.count = count;
    product.width = width;
    product.c = sums + column * plan_.rows + row * width;
    product.c_stride = width;
    product.adds = true;
    for (Index k = begin; k < end; k += kPointDepth) {
      product.offsets = offsets_.data() + k;
      product.depth = std::min(kPointDepth, end - k);
      product.b = turned_.data() + column * positions_ + k * width;
      kernels::point_product(product);
    }
  }

  /// Adds the products of the block, each lane of positions by itself.
  void multiply_lines(T* sums) const {
    kernels::LineSums<T> product;
    product.rows = seen_.data();
    product.count = plan_.rows;
    product.b = from_dy_;
    product.b_stride = dy_.channel_stride;
    product.columns = shape_.out_group();
    product.sums = sums;
    const Index count =
        positions_ / plan_.out[2] * ceil_div(plan_.out[2], kernels::point_tiling<T>().lanes);
    for (Index v = 0; v < count; v += kSummedVectors) {
      product.vectors = vectors_.data() + v;
      product.vector_count = std::min(kSummedVectors, count - v);
      kernels::line_sums(product);
    }
  }

 private:
  void load(Index image, Index images, Index first) {
    std::array<Index, 3> out = plan_.out;
    out[plan_.axis] = std::min(out[plan_.axis], shape_.out[plan_.axis] - first);
    positions_ = images * out[0] * out[1] * out[2];
    const Index channels = shape_.in_group();
    const Index lines = plan_.extents[0] * plan_.extents[1];
    const auto copy_line = [&](Index i) {
      std::array<Index, 2> at{i % lines / plan_.extents[1], i % plan_.extents[1]};
      at[plan_.axis] += first * shape_.stride[plan_.axis];
      copy_padded_line(x_, x_.data + (image + i / lines) * x_.image_stride, channels, shape_.in,
                       {at[0] - shape_.padding[0], at[1] - shape_.padding[1], -shape_.padding[2],
                        plan_.extents[2]},
                       copy_.data() + i * plan_.extents[2], plan_.images * plane_);
    };
    parallel_for(images * lines, std::max<Index>(1, kCopyGrain / (channels * plan_.extents[2])),
                 [&](Index begin, Index end) {
                   for (Index i = begin; i < end; ++i) copy_line(i);
                 });
    from_dy_ = dy_.data + image * dy_.image_stride + first * dy_.strides[plan_.axis];
    if (plan_.by_lines) return;
    turn_outputs(plan_, dy_, from_dy_, images, out, shape_.out_group(), turned_.data());
  }

  const ConvShape& shape_;
  const PointPlan& plan_;
  const ConvImage<const T>& dy_;
  const ConvImage<const T>& x_;
  Index plane_;
  Buffer<T> copy_;         // (channel, image, depth, height, width)
  Buffer<T> turned_;       // (panel, position, output)
  Buffer<const T*> seen_;  // what the first position sees, for each (channel, tap)
  Buffer<Index> offsets_;  // how much further on the others see it
  std::vector<kernels::LineVector> vectors_;  // where positions are in the lanes
  const T* from_dy_ = nullptr;
  Index positions_ = 0;
};

/// Few weights: each part of the images has sums of its own, and what a thread copies it reads.
template <class T>
void gradient_by_images(const ConvShape& shape, const PointPlan& plan, const ConvImage<const T>& dy,
                        const ConvImage<const T>& x, T* dw) {
  const Index size = plan.sums();
  const Buffer<T> sums(plan.parts * size);
  parallel_for(plan.parts, 1, [&](Index begin, Index end) {
    PointBlock<T> block(shape, plan, dy, x);
    for (Index part = begin; part < end; ++part) {
      T* const own = sums.data() + part * size;
      std::fill_n(own, size, T(0));
      block.for_each(shape.images * part / plan.parts, shape.images * (part + 1) / plan.parts, [&] {
        if (plan.by_lines) {
          block.multiply_lines(own);
          return;
        }
        for (Index column = 0; column < plan.width; column += plan.panel) {
          block.multiply(0, plan.rows, column, 0, block.positions(), own);
        }
      });
    }
  });
  if (plan.by_lines) {
    finish_line_sums(sums.data(), plan.parts, plan.rows, shape.out_group(),
                     plan.width / shape.out_group(), dw);
    return;
  }
  sum_parts(sums.data(), plan.parts, size, sums.data());
  turn_weights(plan, sums.data(), shape.out_group(), dw);
}

/// Many weights: threads share each block and have rows of their own.
template <class T>
void gradient_by_rows(const ConvShape& shape, const PointPlan& plan, const ConvImage<const T>& dy,
                      const ConvImage<const T>& x, T* dw) {
  const Buffer<T> sums(plan.rows * plan.width);
  std::fill_n(sums.data(), sums.size(), T(0));
  PointBlock<T> block(shape, plan, dy, x);
  block.for_each(0, shape.images, [&] {
    const Index units = plan.panels() * plan.groups;
    const Index work = sums.size() * block.positions() / units;
    parallel_for(units, std::max<Index>(1, kPointWork / std::max<Index>(work, 1)),
                 [&](Index begin, Index end) {
                   for (Index unit = begin; unit < end; ++unit) {
                     const Index group = unit % plan.groups;
                     const Index row = plan.rows * group / plan.groups;
                     block.multiply(row, plan.rows * (group + 1) / plan.groups - row,
                                    unit / plan.groups * plan.panel, 0, block.positions(),
                                    sums.data());
                   }
                 });
  });
  turn_weights(plan, sums.data(), shape.out_group(), dw);
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
  if (winograd_gradient_pays(shape) && winograd_weight_gradient(shape, dy, x, dw)) return;
  if (plain_gradient(shape, dy, x, dw)) return;
  if (abreast_gradient_pays(shape, dy, x)) {
    abreast_weight_gradient(shape, dy, x, dw);
    return;
  }
  const PointPlan plan = PointPlan::make<T>(shape, dy.strides[2] == 1);
  const auto product = [&](Index group) {
    ConvImage<const T> own_dy = dy;
    ConvImage<const T> own_x = x;
    own_dy.data += group * shape.out_group() * dy.channel_stride;
    own_x.data += group * shape.in_group() * x.channel_stride;
    T* const own_dw = dw + group * shape.out_group() * plan.rows;
    if (plan.parts > 1 || plan.by_lines) {
      gradient_by_images(shape, plan, own_dy, own_x, own_dw);
    } else {
      gradient_by_rows(shape, plan, own_dy, own_x, own_dw);
    }
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
