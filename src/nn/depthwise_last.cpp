#include <algorithm>
#include <vector>

#include "kernels/depthwise_plane.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/depthwise_parts.hpp"

namespace lamina::nn::detail {

template <class T>
Buffer<T> depthwise_by_tap(const T* w, Index channels, Index taps) {
  Buffer<T> swapped(taps * channels);
  T* to = swapped.data();
  for (Index t = 0; t < taps; ++t) {
    for (Index c = 0; c < channels; ++c) *to++ = w[c * taps + t];
  }
  return swapped;
}

namespace {

/// The taps of a line of positions with adjacent channels: those whose line of the source exists.
/// kernel_taps[a][t] is the kernel's tap that tap t of axis a is.
template <class T>
struct LastTaps {
  const std::array<GatherAxis, 3>& axes;
  std::array<std::vector<Index>, 3> kernel_taps;
  std::array<Index, 3> kernel;

  /// `image` is the source; position (d, h) of the result. Returns the kernel's taps, too.
  void collect(const ConvImage<const T>& source, const T* image, Index d, Index h, const T* weights,
               Index channels, std::vector<kernels::DepthwiseLastTap<T>>& taps,
               std::vector<Index>& which) const {
    taps.clear();
    which.clear();
    for (std::size_t td = 0; td < axes[0].taps.size(); ++td) {
      const GatherAxis::Tap& deep = axes[0].taps[td];
      if (d < deep.begin || d >= deep.end) continue;
      for (std::size_t th = 0; th < axes[1].taps.size(); ++th) {
        const GatherAxis::Tap& high = axes[1].taps[th];
        if (h < high.begin || h >= high.end) continue;
        for (std::size_t tv = 0; tv < axes[2].taps.size(); ++tv) {
          const GatherAxis::Tap& wide = axes[2].taps[tv];
          const Index tap = (kernel_taps[0][td] * kernel[1] + kernel_taps[1][th]) * kernel[2] +
                            kernel_taps[2][tv];
          taps.push_back({image + (deep.base + axes[0].step * d) * source.strides[0] +
                              (high.base + axes[1].step * h) * source.strides[1] +
                              wide.base * source.strides[2],
                          wide.begin, wide.end,
                          weights == nullptr ? nullptr : weights + tap * channels});
          which.push_back(tap);
        }
      }
    }
  }
};

template <class T>
LastTaps<T> forward_taps(const Axes<T>& axes, const ConvShape& shape) {
  LastTaps<T> taps{axes.axis, {}, shape.kernel};
  for (std::size_t a = 0; a < 3; ++a) {
    for (Index t = 0; t < shape.kernel[a]; ++t) taps.kernel_taps[a].push_back(t);
  }
  return taps;
}

Index line_grain(const ConvShape& shape, Index positions) {
  const Index work = positions * shape.in_channels * shape.taps() / 4;
  return std::max<Index>(1, kGrainWork / std::max<Index>(1, work));
}

// Lines of a result and channels that are a task; fewer lines where these are few tasks.
constexpr Index kBandRows = 8;
constexpr Index kFewRows = 2;
constexpr Index kBandChannels = 128;
constexpr Index kManyBands = 16;

/// 3 x 3 taps on neighbors, padding of one line at most: bands of lines.
bool has_bands(const ConvShape& shape) {
  const Index stride = shape.stride[1];
  const Index behind = (shape.out[1] - 1) * stride + 3 - shape.padding[1] - shape.in[1];
  return is_image(shape) && shape.kernel[1] == 3 && shape.kernel[2] == 3 &&
         shape.dilation[1] == 1 && shape.dilation[2] == 1 && (stride == 1 || stride == 2) &&
         shape.stride[2] == stride && shape.padding[1] <= 1 && behind <= 1 &&
         shape.in_channels >= kernels::kDepthwiseBandChannels;
}

template <class T>
void forward_bands(const ConvShape& shape, const ConvImage<const T>& x, const T* weights,
                   const T* bias, const ConvImage<T>& y, const GemmFinish<T>& finish) {
  const Index channels = shape.in_channels;
  const bool many = shape.images * ceil_div(shape.out[1], kBandRows) >= kManyBands;
  const Index height = many || shape.out[1] <= kBandRows ? kBandRows : kFewRows;
  const Index bands = ceil_div(shape.out[1], height);
  const bool stream = goes_around(shape, y, channels, finish);
  // What comes from memory is read as it lies there.
  const Index bytes = static_cast<Index>(sizeof(T));
  const Index read = shape.images * shape.in_positions() * channels;
  const bool ahead =
      (read + shape.images * shape.out_positions() * channels) * bytes > streaming_bytes() / 2;
  // 128 channels of the lines and positions of a block, and their weights, stay in the L1. What
  // comes from memory is read in longer runs, and what is finished is whole lines.
  const bool whole = (many && ahead) || finish.function != nullptr;
  const Index parts = whole ? 1 : std::max<Index>(1, channels / kBandChannels);
  // Positions so far apart share an eighth of the L1 or less: a line of them does not stay there
  // until the next channels want what came with it.
  const Index apart = shape.stride[1] == 1 ? 1024 : 512;
  const bool blocks = ahead || x.strides[2] * bytes % apart == 0;
  const Index work = height * shape.out[2] * (channels / parts) * shape.taps() / 4;
  const Index grain = std::max<Index>(1, kGrainWork / std::max<Index>(1, work));
  parallel_for(shape.images * bands * parts, grain, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index part = i % parts;
      const Index h = i / parts % bands * height;
      const Index image = i / (parts * bands);
      const Index rows = std::min(height, shape.out[1] - h);
      T* const out = y.data + image * y.image_stride + h * y.strides[1];
      kernels::DepthwiseLastBand<T> band;
      band.x = x.data + image * x.image_stride;
      band.rows_in = shape.in[1];
      band.columns_in = shape.in[2];
      band.x_row = x.strides[1];
      band.x_step = x.strides[2];
      band.low_row = h * shape.stride[1] - shape.padding[1];
      band.low_column = -shape.padding[2];
      band.stride = shape.stride[1];
      band.weights = weights;
      band.bias = bias;
      band.y = out;
      band.y_row = y.strides[1];
      band.y_step = channels;
      band.rows = rows;
      band.positions = shape.out[2];
      band.channels = channels;
      band.first_channel = part * kBandChannels;
      band.last_channel = part == parts - 1 ? channels : band.first_channel + kBandChannels;
      band.stream = stream;
      band.blocks = blocks;
      band.ahead = ahead;
      kernels::depthwise_last_band(band);
      if (finish.function == nullptr) continue;
      for (Index r = 0; r < rows; ++r) {
        finish.function(out + r * y.strides[1], shape.out[2] * channels, finish.params);
      }
    }
  });
}

}  // namespace

/// Channels last, one kernel a channel: whole lines, channels in the lanes.
template <class T>
void forward_last(const ConvShape& shape, const ConvImage<const T>& x, const T* w, const T* bias,
                  const ConvImage<T>& y, const GemmFinish<T>& finish, const T* by_tap) {
  const Index channels = shape.in_channels;
  Buffer<T> own;
  if (by_tap == nullptr) {
    own = depthwise_by_tap(w, channels, shape.taps());
    by_tap = own.data();
  }
  if (has_bands(shape)) {
    forward_bands(shape, x, by_tap, bias, y, finish);
    return;
  }
  const Axes<T> axes(shape);
  const LastTaps<T> all = forward_taps(axes, shape);
  const Index lines = shape.images * shape.out[0] * shape.out[1];
  // More channels are written in strides, which the way around the caches does not like.
  const bool stream =
      channels * static_cast<Index>(sizeof(T)) <= 128 && goes_around(shape, y, channels, finish);
  parallel_for(lines, line_grain(shape, shape.out[2]), [&](Index begin, Index end) {
    std::vector<kernels::DepthwiseLastTap<T>> taps;
    std::vector<Index> which;
    for (Index i = begin; i < end; ++i) {
      const Index h = i % shape.out[1];
      const Index d = i / shape.out[1] % shape.out[0];
      const Index image = i / (shape.out[1] * shape.out[0]);
      all.collect(x, x.data + image * x.image_stride, d, h, by_tap, channels, taps, which);
      T* const out = y.data + image * y.image_stride + d * y.strides[0] + h * y.strides[1];
      kernels::depthwise_last_line(kernels::DepthwiseLastLine<T>{
          taps.data(), static_cast<Index>(taps.size()), shape.stride[2] * x.strides[2], bias, out,
          channels, shape.out[2], channels, stream});
      if (finish.function != nullptr) {
        finish.function(out, shape.out[2] * channels, finish.params);
      }
    }
  });
}

template <class T>
void input_gradient_last(const ConvShape& shape, const ConvImage<const T>& dy, const T* w,
                         const T* bias, const ConvImage<T>& dx, const GemmFinish<T>& finish) {
  const Index channels = shape.in_channels;
  const Buffer<T> weights = depthwise_by_tap(w, channels, shape.taps());
  // The axes of each phase of the stride.
  std::array<std::vector<GatherPhase>, 3> phases;
  for (std::size_t a = 0; a < 3; ++a) {
    for (Index phase = 0; phase < std::min(shape.stride[a], shape.in[a]); ++phase) {
      phases[a].push_back(gradient_axis(shape.in[a], phase, shape.out[a], shape.kernel[a],
                                        shape.stride[a], shape.dilation[a], shape.padding[a]));
    }
  }
  const Index lines = shape.images * shape.in[0] * shape.in[1];
  parallel_for(lines, line_grain(shape, shape.in[2]), [&](Index begin, Index end) {
    std::vector<kernels::DepthwiseLastTap<T>> taps;
    std::vector<Index> which;
    for (Index i = begin; i < end; ++i) {
      const Index h = i % shape.in[1];
      const Index d = i / shape.in[1] % shape.in[0];
      const Index image = i / (shape.in[1] * shape.in[0]);
      const GatherPhase& deep = phases[0][static_cast<std::size_t>(d % shape.stride[0])];
      const GatherPhase& high = phases[1][static_cast<std::size_t>(h % shape.stride[1])];
      T* const out = dx.data + image * dx.image_stride + d * dx.strides[0] + h * dx.strides[1];
      for (std::size_t v = 0; v < phases[2].size(); ++v) {
        const GatherPhase& wide = phases[2][v];
        const std::array<GatherAxis, 3> axes{deep.axis, high.axis, wide.axis};
        const LastTaps<T> all{
            axes, {deep.kernel_taps, high.kernel_taps, wide.kernel_taps}, shape.kernel};
        all.collect(dy, dy.data + image * dy.image_stride, d / shape.stride[0], h / shape.stride[1],
                    weights.data(), channels, taps, which);
        kernels::depthwise_last_line(kernels::DepthwiseLastLine<T>{
            taps.data(), static_cast<Index>(taps.size()), dy.strides[2], bias,
            out + static_cast<Index>(v) * channels, shape.stride[2] * channels, wide.axis.positions,
            channels});
      }
      if (finish.function != nullptr) finish.function(out, shape.in[2] * channels, finish.params);
    }
  });
}

template <class T>
void weight_gradient_last(const ConvShape& shape, const ConvImage<const T>& dy,
                          const ConvImage<const T>& x, T* dw) {
  const Axes<T> axes(shape);
  const LastTaps<T> all = forward_taps(axes, shape);
  const Index channels = shape.in_channels;
  const Index size = shape.taps() * channels;
  const LastSums cut(shape);
  const Index chunks = cut.chunks();
  Buffer<T> partial(chunks * size);
  parallel_for(cut.pieces, cut.together, [&](Index begin, Index end) {
    std::vector<kernels::DepthwiseLastTap<T>> taps;
    std::vector<Index> which;
    std::vector<T*> sums;
    for (Index chunk = begin / cut.together; chunk * cut.together < end; ++chunk) {
      T* const own = partial.data() + chunk * size;
      std::fill_n(own, size, T(0));
      for (Index i = chunk * cut.together; i < std::min(end, (chunk + 1) * cut.together); ++i) {
        const Index first = i % cut.parts * cut.width;
        const Index line = i / cut.parts;
        const Index h = line % shape.out[1];
        const Index d = line / shape.out[1] % shape.out[0];
        const Index image = line / (shape.out[1] * shape.out[0]);
        all.collect(x, x.data + image * x.image_stride, d, h, nullptr, channels, taps, which);
        for (kernels::DepthwiseLastTap<T>& tap : taps) {
          tap.begin = std::max(tap.begin, first);
          tap.end = std::min(tap.end, first + cut.width);
        }
        sums.clear();
        for (const Index tap : which) sums.push_back(own + tap * channels);
        kernels::depthwise_last_sums(kernels::DepthwiseLastSums<T>{
            taps.data(), static_cast<Index>(taps.size()), shape.stride[2] * x.strides[2],
            dy.data + image * dy.image_stride + d * dy.strides[0] + h * dy.strides[1],
            dy.strides[2], channels, sums.data()});
      }
    }
  });
  parallel_for(channels, std::max<Index>(1, kGrainWork / std::max<Index>(1, chunks * shape.taps())),
               [&](Index begin, Index end) {
                 for (Index c = begin; c < end; ++c) {
                   for (Index t = 0; t < shape.taps(); ++t) {
                     double sum = 0;
                     for (Index chunk = 0; chunk < chunks; ++chunk) {
                       sum += static_cast<double>(partial.data()[chunk * size + t * channels + c]);
                     }
                     dw[c * shape.taps() + t] = static_cast<T>(sum);
                   }
                 }
               });
}

#define LAMINA_INSTANTIATE(T)                                                                 \
  template Buffer<T> depthwise_by_tap(const T*, Index, Index);                                \
  template void forward_last(const ConvShape&, const ConvImage<const T>&, const T*, const T*, \
                             const ConvImage<T>&, const GemmFinish<T>&, const T*);            \
  template void input_gradient_last(const ConvShape&, const ConvImage<const T>&, const T*,    \
                                    const T*, const ConvImage<T>&, const GemmFinish<T>&);     \
  template void weight_gradient_last(const ConvShape&, const ConvImage<const T>&,             \
                                     const ConvImage<const T>&, T*);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
