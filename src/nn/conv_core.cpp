#include "nn/conv_core.hpp"

#include <algorithm>
#include <vector>

#include "kernels/winograd.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/conv_abreast.hpp"
#include "nn/conv_parts.hpp"
#include "nn/conv_weights.hpp"
#include "nn/depthwise.hpp"
#include "nn/direct_conv.hpp"
#include "nn/implicit_gemm.hpp"
#include "nn/winograd.hpp"

namespace lamina::nn::detail {

namespace {

/// Positions of a contiguous image batch in the format that its strides say.
template <class T>
bool is_channels_last(const ConvImage<T>& image, Index channels, Index positions) {
  return channels > 1 && positions > 1 && image.channel_stride == 1;
}

template <class T>
Index position_stride(const ConvImage<T>& image, const std::array<Index, 3>& extents) {
  for (std::size_t a = 3; a-- > 0;) {
    if (extents[a] > 1) return image.strides[a];
  }
  return 1;
}

constexpr std::array<Index, 3> kOnes{1, 1, 1};

/// Winograd's algorithm, in one direction or the other, if it serves this problem. False: nothing
/// is done.
template <class T>
bool try_winograd(const ConvShape& shape, bool gradient, const ConvImage<const T>& x, const T* w,
                  const PreparedWeights<T>* prepared, const T* bias, const ConvImage<T>& y,
                  const GemmFinish<T>& finish) {
  const WinogradProblem problem = winograd_problem(shape, gradient);
  if (!winograd_pays(problem)) return false;
  // An input whose elements overlap may look like both.
  const bool channels_first =
      x.channel_stride != 1 && x.strides[2] == 1 && x.strides[1] == problem.in_width;
  const bool channels_last = x.channel_stride == 1 && x.strides[2] == problem.in_channels;
  const bool transformed =
      prepared != nullptr && prepared->transformed.size() > 0 && prepared->tile == problem.tile;
  return (channels_first || channels_last) &&
         winograd_convolution(problem, x, w, transformed ? prepared->transformed.data() : nullptr,
                              bias, y, finish);
}

/// Without a gathered matrix, if that serves this problem. False: nothing is done.
template <class T>
bool try_direct(const ConvShape& shape, bool gradient, const ConvImage<const T>& x, const T* w,
                const T* bias, const ConvImage<T>& y, const GemmFinish<T>& finish) {
  const Index channels = gradient ? shape.in_channels : shape.out_channels;
  const Index positions = gradient ? shape.in_positions() : shape.out_positions();
  if (is_channels_last(y, channels, positions)) {
    if (gradient || !direct_last_pays(shape, x)) return false;
    direct_last_convolution(shape, x, w, bias, y, finish);
    return true;
  }
  if (abreast_pays(shape, gradient, x)) {
    abreast_convolution(shape, gradient, x, w, bias, y, finish);
    return true;
  }
  if (!direct_pays<T>(shape, gradient)) return false;
  direct_convolution(shape, gradient, x, w, bias, y, finish);
  return true;
}

/// The direct product of a forward pass: how it reads x and weights.
template <class T>
struct DirectForward {
  Gather<T> gather;
  // Channels last, positions of all images lie at one distance: one product for the whole batch.
  Index together;
  WeightLayout layout;

  DirectForward(const ConvShape& shape, const ConvImage<const T>& x, bool last)
      : gather(gather_of(shape, x)),
        together(last ? shape.images : 1),
        layout{gather.channels_last && shape.taps() > 1,
               weights_right(last, gather.positions(), gather.rows())} {}
};

/// Whether positions waste little as the columns of a product: what is left beyond whole vectors of
/// 64 bytes is a quarter of one, which takes no more than its share, or the rest of it hardly
/// counts.
template <class T>
bool fills_vectors(Index positions) {
  constexpr Index kLanes = 64 / static_cast<Index>(sizeof(T));
  const Index left = positions % kLanes;
  return left <= kLanes / 4 || (kLanes - left) * 16 <= positions;
}

/// The product of one image with weights (outputs, rows) as they are, cut by outputs.
template <class T>
void product_by_outputs(const Gather<T>& gather, Index outputs, const WeightLayout& layout,
                        const T* w, const T* bias, const GatherOutput<T>& out,
                        const GemmFinish<T>& finish) {
  // Each part packs the image: a few parts of many outputs.
  constexpr Index kMostParts = 4;
  constexpr Index kLeastOutputs = 128;
  const Index rows = gather.rows();
  const Index chunk = ceil_div(outputs, kMostParts * kLeastOutputs) * kLeastOutputs;
  const auto product = [&](Index i) {
    const Index first = i * chunk;
    const Index count = std::min(chunk, outputs - first);
    const bool packs = packing_pays(layout.right, 1, gather.positions(), count, rows);
    const ProductWeights<T> weights(1, count, rows, layout, packs, w + first * rows);
    GemmOptions<T> options;
    options.bias = bias == nullptr ? nullptr : bias + first;
    options.finish = finish;
    gathered_product<T>(
        gather, weights.group(0), layout.right,
        {out.data + first * out.channel_stride, out.channel_stride, out.position_stride}, options);
  };
  const Index grain = std::max<Index>(1, kSmallProduct / 8 / (chunk * rows * gather.positions()));
  parallel_for(ceil_div(outputs, chunk), grain, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) product(i);
  });
}

}  // namespace

template <class T>
PreparedWeights<T> prepare_weights(const ConvShape& shape, const ConvImage<const T>& x,
                                   bool channels_last, const T* w) {
  const Index size = shape.out_channels * shape.in_group() * shape.taps();
  PreparedWeights<T> prepared;
  prepared.plain = Buffer<T>(size);
  std::copy_n(w, size, prepared.plain.data());
  if (shape.images * size * shape.out_positions() == 0) return prepared;
  if (is_depthwise(shape)) {
    if (channels_last && shape.out_group() == 1) {
      prepared.by_tap = depthwise_by_tap(w, shape.in_channels, shape.taps());
    }
    return prepared;
  }
  const WinogradProblem problem = winograd_problem(shape, false);
  if (winograd_pays(problem)) prepared.transformed = winograd_transformed(problem, w);
  prepared.tile = problem.tile;
  if (prepared.transformed.size() > 0) return prepared;
  const bool last = channels_last && shape.out_channels > 1 && shape.out_positions() > 1;
  if (last ? direct_last_pays(shape, x) : direct_pays<T>(shape, false)) return prepared;
  const DirectForward<T> direct(shape, x, last);
  prepared.product = ProductWeights<T>(shape, direct.layout, true, w);
  prepared.target = simd::active_target();
  return prepared;
}

template <class T>
void conv_forward(const ConvShape& shape, const ConvImage<const T>& x, const T* w, const T* bias,
                  const ConvImage<T>& y, const GemmFinish<T>& finish,
                  const PreparedWeights<T>* prepared) {
  const Index positions = shape.out_positions();
  if (shape.images * shape.out_channels * positions == 0) return;
  if (is_depthwise(shape)) {
    const bool ordered = prepared != nullptr && prepared->by_tap.size() > 0;
    depthwise_forward(shape, x, w, bias, y, finish, ordered ? prepared->by_tap.data() : nullptr);
    return;
  }
  if (try_winograd(shape, false, x, w, prepared, bias, y, finish) ||
      try_direct(shape, false, x, w, bias, y, finish)) {
    return;
  }
  const DirectForward<T> direct(shape, x, is_channels_last(y, shape.out_channels, positions));
  const Gather<T>& gather = direct.gather;
  WeightLayout layout = direct.layout;
  const Index together = direct.together;
  const Index rows = gather.rows();
  const Index out_group = shape.out_group();
  const Index step = position_stride(y, shape.out);
  const Index per_group = shape.images / together;
  const bool packed = prepared != nullptr && prepared->product.is_packed() &&
                      prepared->product.layout() == layout &&
                      prepared->target == simd::active_target();
  // What one thread packs another would have to fetch from its cache. So where one image reads the
  // weights but a few times each thread packs those of outputs of its own.
  const bool alone = shape.images * shape.groups == 1 && gather.is_plain();
  if (!packed && alone && layout.right && few_positions(positions)) {
    if (is_channels_last(y, shape.out_channels, positions) || !fills_vectors<T>(positions)) {
      product_by_outputs(gather, out_group, layout, w, bias, {y.data, y.channel_stride, step},
                         finish);
      return;
    }
    // Parts of the left factor share the image, which nobody has to pack.
    layout.right = false;
  }
  ProductWeights<T> own;
  if (!packed) {
    own = ProductWeights<T>(
        shape, layout, packing_pays(layout.right, shape.images, positions, out_group, rows), w);
  }
  const ProductWeights<T>& weights = packed ? prepared->product : own;
  const auto product = [&](Index i) {
    const Index group = i % shape.groups;
    const Index image = i / shape.groups;
    Gather<T> part = gather;
    part.images = together;
    part.data += image * x.image_stride + group * shape.in_group() * x.channel_stride;
    GemmOptions<T> options;
    options.bias = bias == nullptr ? nullptr : bias + group * out_group;
    options.finish = finish;
    gathered_product<T>(part, weights.group(group), layout.right,
                        {y.data + image * y.image_stride + group * out_group * y.channel_stride,
                         y.channel_stride, step},
                        options);
  };
  for_each_product(per_group * shape.groups, out_group * rows * positions * together, product);
}

namespace {

/// Packs a panel of the weights (O, channels, taps) of a group as the right factor, with a row for
/// each (output channel, tap) and a column for each channel.
template <class T>
void pack_weights(const T* w, Index channels, Index taps, const PanelRequest<T>& request) {
  const Index vectors = request.count - request.count % kernels::kWinogradChannels;
  for (Index k = 0; k < request.depth;) {
    const Index o = (request.k_first + k) / taps;
    const Index tap = (request.k_first + k) % taps;
    const Index together = std::min(taps - tap, request.depth - k);
    const T* from = w + (o * channels + request.first) * taps + tap;
    T* to = request.out + k * request.width;
    if (taps == 1) {
      std::copy_n(from, request.count, to);
    } else {
      if (vectors > 0) kernels::transpose_lines(from, taps, vectors, together, to, request.width);
      for (Index t = 0; t < together; ++t) {
        for (Index i = vectors; i < request.count; ++i) {
          to[t * request.width + i] = from[i * taps + t];
        }
      }
    }
    for (Index t = 0; t < together; ++t) {
      std::fill(to + t * request.width + request.count, to + t * request.width + request.padded,
                T(0));
    }
    k += together;
  }
}

/// The part of an input gradient at positions of one phase of the stride.
template <class T>
struct PhaseGradient {
  const ConvShape& shape;
  const ConvImage<const T>& dy;
  const T* w;
  const T* bias;
  const ConvImage<T>& dx;
  const GemmFinish<T>& finish;

  void run(const std::array<Index, 3>& phase) const {
    std::array<GatherPhase, 3> axes;
    Index taps = 1;
    Index positions = 1;
    for (std::size_t a = 0; a < 3; ++a) {
      axes[a] = gradient_axis(shape.in[a], phase[a], shape.out[a], shape.kernel[a], shape.stride[a],
                              shape.dilation[a], shape.padding[a]);
      taps *= static_cast<Index>(axes[a].kernel_taps.size());
      positions *= axes[a].axis.positions;
    }
    if (positions == 0) return;
    const Index in_group = shape.in_group();
    const Index out_group = shape.out_group();
    const Index rows = out_group * taps;

    Gather<T> gather;
    gather.data = dy.data;
    gather.image_stride = dy.image_stride;
    gather.channels = out_group;
    gather.channel_stride = dy.channel_stride;
    gather.strides = dy.strides;
    gather.channels_last = gathers_channels_last(out_group, dy.channel_stride, dy.strides[2]);
    for (std::size_t a = 0; a < 3; ++a) gather.axes[a] = axes[a].axis;

    std::array<Index, 3> extents{};
    for (std::size_t a = 0; a < 3; ++a) extents[a] = axes[a].axis.positions;
    const bool direct = shape.stride == kOnes;
    const bool last = is_channels_last(dx, shape.in_channels, shape.in_positions());
    // The phases of a stride go through a temporary.
    GatherOutput<T> to{nullptr, dx.channel_stride, position_stride(dx, shape.in)};
    if (!direct) to = {nullptr, last ? 1 : positions, last ? in_group : 1};
    const bool right = weights_right(last, positions, rows);
    const bool packs = packing_pays(right, shape.images, positions, in_group, rows);
    // Weights that are read once are packed from where they lie, unless taps come before channels.
    const bool in_order = taps == shape.taps() && (taps == 1 || !gather.channels_last);
    const bool in_place = right && !packs && in_order;
    const Buffer<T> reordered = in_place ? Buffer<T>() : reorder(axes, taps, gather.channels_last);
    ProductWeights<T> weights;
    if (!in_place) {
      weights = ProductWeights<T>(shape.groups, in_group, rows, {gather.channels_last, right},
                                  packs, reordered.data());
    }
    const auto product = [&](Index i) {
      const Index group = i % shape.groups;
      const Index image = i / shape.groups;
      Gather<T> part = gather;
      part.data += image * dy.image_stride + group * out_group * dy.channel_stride;
      GemmOptions<T> options;
      options.bias = bias == nullptr ? nullptr : bias + group * in_group;
      options.finish = finish;
      T* out = dx.data + image * dx.image_stride + group * in_group * dx.channel_stride;
      Buffer<T> phase_out(direct ? 0 : in_group * positions);
      T* const target = direct ? out : phase_out.data();
      const auto fill = [&](const PanelRequest<T>& request) {
        pack_weights(w + group * in_group * rows, in_group, taps, request);
      };
      const PanelPacker<T> packer(fill);
      gathered_product<T>(part,
                          in_place ? GemmOperand<T>(rows, in_group, packer) : weights.group(group),
                          right, {target, to.channel_stride, to.position_stride}, options);
      if (!direct) scatter(target, to.channel_stride, to.position_stride, extents, phase, out);
    };
    for_each_product(shape.images * shape.groups, in_group * rows * positions, product);
  }

 private:
  /// The kernel's taps of a phase, for each input channel: (C, rows).
  Buffer<T> reorder(const std::array<GatherPhase, 3>& axes, Index taps, bool channels_last) const {
    std::vector<Index> places;
    for (const Index d : axes[0].kernel_taps) {
      for (const Index h : axes[1].kernel_taps) {
        for (const Index v : axes[2].kernel_taps) {
          places.push_back((d * shape.kernel[1] + h) * shape.kernel[2] + v);
        }
      }
    }
    const Index in_group = shape.in_group();
    const Index out_group = shape.out_group();
    const Index rows = out_group * taps;
    const bool turned = channels_last && taps == shape.taps();  // all taps are in order
    Buffer<T> reordered(shape.in_channels * rows);
    // A few output channels at a time: each is a stream that is read in order.
    constexpr Index kStreams = kernels::kWinogradChannels;
    constexpr Index kStretch = 64;
    parallel_for(shape.in_channels, kStretch, [&](Index begin, Index end) {
      for (Index first = 0; first < out_group; first += kStreams) {
        const Index streams = std::min(out_group - first, kStreams);
        for (Index c = begin; c < end; ++c) {
          const Index row = c / in_group * out_group + first;
          const T* from = w + (row * in_group + c % in_group) * shape.taps();
          T* to = reordered.data() + c * rows + first * (channels_last ? 1 : taps);
          if (turned && streams == kStreams) {
            kernels::transpose_lines(from, in_group * taps, streams, taps, to, out_group);
            continue;
          }
          const Index step = channels_last ? out_group : 1;
          for (Index o = 0; o < streams; ++o) {
            for (Index t = 0; t < taps; ++t) {
              to[t * step] = from[places[static_cast<std::size_t>(t)]];
            }
            from += in_group * shape.taps();
            to += channels_last ? 1 : taps;
          }
        }
      }
    });
    return reordered;
  }

  void scatter(const T* from, Index channel_stride, Index step, const std::array<Index, 3>& extents,
               const std::array<Index, 3>& phase, T* out) const {
    const Index channels = shape.in_group();
    Index position = 0;
    for (Index d = 0; d < extents[0]; ++d) {
      for (Index h = 0; h < extents[1]; ++h) {
        T* line = out + (phase[0] + d * shape.stride[0]) * dx.strides[0] +
                  (phase[1] + h * shape.stride[1]) * dx.strides[1] + phase[2] * dx.strides[2];
        const Index w_step = shape.stride[2] * dx.strides[2];
        for (Index c = 0; c < channels; ++c) {
          const T* source = from + c * channel_stride + position * step;
          T* to = line + c * dx.channel_stride;
          for (Index v = 0; v < extents[2]; ++v) to[v * w_step] = source[v * step];
        }
        position += extents[2];
      }
    }
  }
};

/// The phases of one axis that lie within `extent` and that a tap of the kernel looks at: at most
/// one for each tap, however large the stride.
std::vector<Index> phases_with_taps(Index extent, Index kernel, Index stride, Index dilation,
                                    Index padding) {
  std::vector<Index> phases;
  for (Index tap = 0; tap < std::min(kernel, stride); ++tap) {  // then they repeat
    Index phase = (tap * dilation - padding) % stride;
    if (phase < 0) phase += stride;
    if (phase < extent) phases.push_back(phase);
  }
  std::sort(phases.begin(), phases.end());
  phases.erase(std::unique(phases.begin(), phases.end()), phases.end());
  return phases;
}

/// dx as it is where no tap adds anything: finish(bias).
template <class T>
void fill_without_taps(const ConvShape& shape, const T* bias, const ConvImage<T>& dx,
                       const GemmFinish<T>& finish) {
  const Index channels = shape.in_channels;
  const Index positions = shape.in_positions();
  Buffer<T> values(channels);
  for (Index c = 0; c < channels; ++c) values.data()[c] = bias == nullptr ? T(0) : bias[c];
  if (finish.function != nullptr) finish.function(values.data(), channels, finish.params);
  constexpr Index kStretch = 32768;
  const bool last = is_channels_last(dx, channels, positions);
  const Index run = last ? channels : positions;  // these lie together
  const Index grain = std::max<Index>(1, kStretch / run);
  parallel_for(shape.images * (last ? positions : channels), grain, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      T* to = dx.data + i * run;
      if (last) {
        std::copy_n(values.data(), channels, to);
      } else {
        std::fill_n(to, positions, values.data()[i % channels]);
      }
    }
  });
}

}  // namespace

template <class T>
void conv_input_gradient(const ConvShape& shape, const ConvImage<const T>& dy, const T* w,
                         const T* bias, const ConvImage<T>& dx, const GemmFinish<T>& finish) {
  if (shape.images * shape.in_channels * shape.in_positions() == 0) return;
  if (depthwise_input_gradient(shape, dy, w, bias, dx, finish) ||
      try_winograd<T>(shape, true, dy, w, nullptr, bias, dx, finish) ||
      try_direct(shape, true, dy, w, bias, dx, finish)) {
    return;
  }
  std::array<std::vector<Index>, 3> phases;
  bool all = true;
  for (std::size_t a = 0; a < 3; ++a) {
    phases[a] = phases_with_taps(shape.in[a], shape.kernel[a], shape.stride[a], shape.dilation[a],
                                 shape.padding[a]);
    all = all && static_cast<Index>(phases[a].size()) == std::min(shape.stride[a], shape.in[a]);
  }
  if (!all) fill_without_taps(shape, bias, dx, finish);
  const PhaseGradient<T> gradient{shape, dy, w, bias, dx, finish};
  for (const Index d : phases[0]) {
    for (const Index h : phases[1]) {
      for (const Index v : phases[2]) gradient.run({d, h, v});
    }
  }
}

#define LAMINA_INSTANTIATE(T)                                                                    \
  template void conv_forward(const ConvShape&, const ConvImage<const T>&, const T*, const T*,    \
                             const ConvImage<T>&, const GemmFinish<T>&,                          \
                             const PreparedWeights<T>*);                                         \
  template PreparedWeights<T> prepare_weights(const ConvShape&, const ConvImage<const T>&, bool, \
                                              const T*);                                         \
  template void conv_input_gradient(const ConvShape&, const ConvImage<const T>&, const T*,       \
                                    const T*, const ConvImage<T>&, const GemmFinish<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
