#include <algorithm>
#include <array>
#include <vector>

#include "kernels/direct_conv.hpp"
#include "kernels/gather.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/direct_conv.hpp"

namespace lamina::nn::detail {

namespace {

// Bytes of the copy of a band: bands of few lines copy what they share too often.
constexpr Index kBandBytes = Index{1} << 17;
// Channels of x up to which gathering them costs more than the product, and outputs come in
// multiples of whole vectors.
constexpr Index kFewChannels = 16;
constexpr Index kOutputs = 16;
// Steps after which sums are put aside: rounding errors do not grow any longer.
constexpr Index kDepth = 512;
constexpr Index kMostPanel = 64;
constexpr Index kGrainWork = Index{1} << 18;

struct LastPlan {
  Index channels, outputs, depth, panel;
  std::size_t axis;              // along which bands are cut
  Index band, bands;             // positions of it
  std::array<Index, 3> extents;  // of the copy of a band

  template <class T>
  static LastPlan make(const ConvShape& shape) {
    LastPlan p{};
    p.channels = shape.in_channels;
    p.outputs = shape.out_channels;
    p.depth = p.channels * shape.taps();
    p.panel = 2 * kernels::point_tiling<T>().lanes;
    for (std::size_t a = 0; a < 3; ++a) p.extents[a] = extent(shape, a, shape.out[a]);
    p.axis = shape.out[0] > 1 ? 0 : 1;
    const Index whole = shape.out[p.axis];
    const Index slab = p.channels * p.extents[0] * p.extents[1] * p.extents[2] / p.extents[p.axis];
    const Index most = kBandBytes / static_cast<Index>(sizeof(T)) / slab;
    const Index reach = extent(shape, p.axis, 1);
    p.band = std::clamp<Index>((most - reach) / shape.stride[p.axis] + 1, 1, whole);
    p.bands = ceil_div(whole, p.band);
    p.band = ceil_div(whole, p.bands);
    p.extents[p.axis] = extent(shape, p.axis, p.band);
    return p;
  }
  /// Of the input that so many positions see.
  static Index extent(const ConvShape& shape, std::size_t a, Index positions) {
    return (positions - 1) * shape.stride[a] + shape.dilation[a] * (shape.kernel[a] - 1) + 1;
  }
  [[nodiscard]] Index line() const { return extents[2] * channels; }
  [[nodiscard]] Index copy_elements() const { return extents[0] * extents[1] * line(); }
};

/// Where each (channel, tap) looks in the copy.
std::vector<Index> offsets_of(const ConvShape& shape, const LastPlan& plan) {
  std::vector<Index> offsets;
  offsets.reserve(static_cast<std::size_t>(plan.depth));
  for (Index c = 0; c < plan.channels; ++c) {
    for (Index d = 0; d < shape.kernel[0]; ++d) {
      for (Index h = 0; h < shape.kernel[1]; ++h) {
        for (Index v = 0; v < shape.kernel[2]; ++v) {
          const Index line = d * shape.dilation[0] * plan.extents[1] + h * shape.dilation[1];
          offsets.push_back(line * plan.line() + v * shape.dilation[2] * plan.channels + c);
        }
      }
    }
  }
  return offsets;
}

/// Panels of outputs: in each step of the sum they are adjacent.
template <class T>
void pack_weights(const LastPlan& plan, const T* w, T* to) {
  for (Index column = 0; column < plan.outputs; column += plan.panel) {
    std::array<const T*, kMostPanel> lines;
    const Index width = std::min(plan.panel, plan.outputs - column);
    for (Index i = 0; i < width; ++i) {
      lines[static_cast<std::size_t>(i)] = w + (column + i) * plan.depth;
    }
    kernels::GatherLines<T> part;
    part.lines = lines.data();
    part.count = width;
    part.depth = plan.depth;
    part.width = width;
    part.out = to + column * plan.depth;
    kernels::gather_lines(part);
  }
}

/// Line (d, h) of an image with its padding; zeros where there is none.
template <class T>
void copy_line(const ConvShape& shape, const LastPlan& plan, const ConvImage<const T>& x,
               const T* image, Index d, Index h, T* to) {
  if (d < 0 || d >= shape.in[0] || h < 0 || h >= shape.in[1]) {
    std::fill_n(to, plan.line(), T(0));
    return;
  }
  const Index before = std::min(shape.padding[2], plan.extents[2]);
  const Index inside = std::min(shape.in[2], plan.extents[2] - before);
  std::fill_n(to, before * plan.channels, T(0));
  std::copy_n(image + d * x.strides[0] + h * x.strides[1], inside * plan.channels,
              to + before * plan.channels);
  std::fill(to + (before + inside) * plan.channels, to + plan.line(), T(0));
}

}  // namespace

template <class T>
bool direct_last_pays(const ConvShape& shape, const ConvImage<const T>& x) {
  return shape.groups == 1 && shape.taps() > 1 && shape.in_channels < kFewChannels &&
         shape.out_channels % kOutputs == 0 && x.channel_stride == 1 &&
         x.strides[2] == shape.in_channels && copies_little(shape, false);
}

template <class T>
void direct_last_convolution(const ConvShape& shape, const ConvImage<const T>& x, const T* w,
                             const T* bias, const ConvImage<T>& y, const GemmFinish<T>& finish) {
  const LastPlan plan = LastPlan::make<T>(shape);
  const Buffer<T> weights(plan.outputs * plan.depth);
  pack_weights(plan, w, weights.data());
  const std::vector<Index> offsets = offsets_of(shape, plan);
  const Index slab = shape.out_positions() / shape.out[plan.axis];

  const auto run_band = [&](Index unit, T* copy, const T** seen) {
    const Index first = unit % plan.bands * plan.band;
    const Index image = unit / plan.bands;
    std::array<Index, 3> out = shape.out;
    out[plan.axis] = std::min(plan.band, shape.out[plan.axis] - first);
    std::array<Index, 2> start{-shape.padding[0], -shape.padding[1]};
    start[plan.axis] += first * shape.stride[plan.axis];
    for (Index d = 0; d < LastPlan::extent(shape, 0, out[0]); ++d) {
      for (Index h = 0; h < LastPlan::extent(shape, 1, out[1]); ++h) {
        copy_line(shape, plan, x, x.data + image * x.image_stride, start[0] + d, start[1] + h,
                  copy + (d * plan.extents[1] + h) * plan.line());
      }
    }
    const T** place = seen;
    for (Index d = 0; d < out[0]; ++d) {
      for (Index h = 0; h < out[1]; ++h) {
        const T* const line =
            copy + (d * shape.stride[0] * plan.extents[1] + h * shape.stride[1]) * plan.line();
        for (Index v = 0; v < out[2]; ++v) *place++ = line + v * shape.stride[2] * plan.channels;
      }
    }
    const Index count = place - seen;
    T* const to = y.data + image * y.image_stride + first * slab * plan.outputs;
    kernels::PointProduct<T> product;
    product.rows = seen;
    product.count = count;
    product.c_stride = plan.outputs;
    for (Index column = 0; column < plan.outputs; column += plan.panel) {
      product.width = std::min(plan.panel, plan.outputs - column);
      product.bias = bias == nullptr ? nullptr : bias + column;
      product.c = to + column;
      for (Index k = 0; k < plan.depth; k += kDepth) {
        product.offsets = offsets.data() + k;
        product.depth = std::min(kDepth, plan.depth - k);
        product.b = weights.data() + column * plan.depth + k * product.width;
        product.adds = k > 0;
        kernels::point_product(product);
      }
    }
    if (finish.function != nullptr) finish.function(to, count * plan.outputs, finish.params);
  };
  const Index work = plan.outputs * plan.depth * plan.band * slab;
  parallel_for(shape.images * plan.bands, std::max<Index>(1, kGrainWork / work),
               [&](Index begin, Index end) {
                 const Buffer<T> copy(plan.copy_elements());
                 const Buffer<const T*> seen(plan.band * slab);
                 for (Index unit = begin; unit < end; ++unit) {
                   run_band(unit, copy.data(), seen.data());
                 }
               });
}

template <class T>
Index direct_last_bytes(const ConvShape& shape, int threads) {
  const LastPlan plan = LastPlan::make<T>(shape);
  const Index at_once = std::min<Index>(threads, shape.images * plan.bands);
  const Index seen = plan.band * shape.out_positions() / shape.out[plan.axis];
  return (plan.outputs * plan.depth + at_once * plan.copy_elements()) *
             static_cast<Index>(sizeof(T)) +
         (plan.depth + at_once * seen) * static_cast<Index>(sizeof(Index));
}

#define LAMINA_INSTANTIATE(T)                                                                  \
  template bool direct_last_pays(const ConvShape&, const ConvImage<const T>&);                 \
  template void direct_last_convolution(const ConvShape&, const ConvImage<const T>&, const T*, \
                                        const T*, const ConvImage<T>&, const GemmFinish<T>&);  \
  template Index direct_last_bytes<T>(const ConvShape&, int);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
