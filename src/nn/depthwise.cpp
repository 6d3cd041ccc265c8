#include "nn/depthwise.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/depthwise.hpp"
#include "kernels/depthwise_plane.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/implicit_gemm.hpp"
#include "nn/streaming.hpp"

namespace lamina::nn::detail {

namespace {

constexpr Index kGrainWork = 32768;

/// True where x and y together are more than the last cache holds: then y goes around it. Its lines
/// of `line` elements must be whole vectors.
template <class T>
bool goes_around(const ConvShape& shape, const ConvImage<T>& y, Index line,
                 const GemmFinish<T>& finish) {
  const Index elements = shape.images * (shape.in_channels * shape.in_positions() +
                                         shape.out_channels * shape.out_positions());
  constexpr Index kVector = 64 / static_cast<Index>(sizeof(T));
  return finish.function == nullptr && line % kVector == 0 &&
         reinterpret_cast<std::uintptr_t>(y.data) % 64 == 0 &&
         elements * static_cast<Index>(sizeof(T)) > streaming_bytes();
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

// Elements of the copy of a plane, or of a band of it: half of the L1.
template <class T>
constexpr Index kCopyElements = 24576 / static_cast<Index>(sizeof(T));

/// True if there is one plane and no kernel along the depth.
bool is_image(const ConvShape& shape) {
  return shape.in[0] == 1 && shape.out[0] == 1 && shape.kernel[0] == 1 && shape.padding[0] == 0;
}

/// The taps of a plane as offsets into its copy, for one layout of lines and phases.
struct PlaneTaps {
  Index low_row = 0, low_column = 0;
  Index row_step = 1, phases = 1;
  Index slot_rows = 1, phase_columns = 0;
  Index rows = 0, columns = 0;  ///< of the result
  bool three_by_three = false;
  std::vector<Index> offsets;

  /// Position (h, w) sees element (rows_at[t] + row_step * h, columns_at[t] + phases * w) for each
  /// pair of a row and a column.
  PlaneTaps(const GatherAxis& down, const GatherAxis& across)
      : row_step(down.step),
        phases(across.step),
        phase_columns(across.positions),
        rows(down.positions),
        columns(across.positions) {
    if (down.taps.empty() || across.taps.empty()) return;
    const auto least = [](const GatherAxis& axis) {
      Index low = axis.taps[0].base;
      for (const GatherAxis::Tap& tap : axis.taps) low = std::min(low, tap.base);
      return low;
    };
    low_row = least(down);
    low_column = least(across);
    for (const GatherAxis::Tap& tap : down.taps) {
      slot_rows = std::max(slot_rows, tap.base - low_row + 1);
    }
    for (const GatherAxis::Tap& tap : across.taps) {
      phase_columns = std::max(phase_columns, (tap.base - low_column) / phases + columns);
    }
    three_by_three = down.taps.size() == 3 && across.taps.size() == 3 &&
                     down.taps[1].base == down.taps[0].base + 1 &&
                     down.taps[2].base == down.taps[0].base + 2;
    for (const GatherAxis::Tap& row : down.taps) {
      for (const GatherAxis::Tap& column : across.taps) {
        const Index distance = column.base - low_column;
        offsets.push_back((row.base - low_row) * phases * phase_columns +
                          distance % phases * phase_columns + distance / phases);
      }
    }
  }

  /// Lines of the result of which a copy fits the cache; a multiple of what the kernel takes.
  template <class T>
  [[nodiscard]] Index band() const {
    const Index lines = kCopyElements<T> / std::max<Index>(1, phases * phase_columns);
    const Index fitting = (lines - slot_rows) / row_step / 8 * 8;
    return std::clamp<Index>(fitting, 8, std::max<Index>(rows, 8));
  }

  template <class T>
  [[nodiscard]] kernels::DepthwisePlane<T> plane() const {
    kernels::DepthwisePlane<T> plane;
    plane.low_row = low_row;
    plane.low_column = low_column;
    plane.phases = phases;
    plane.phase_columns = phase_columns;
    plane.slot_rows = slot_rows;
    plane.offsets = offsets.data();
    plane.taps = static_cast<Index>(offsets.size());
    plane.three_by_three = three_by_three;
    plane.rows = rows;
    plane.columns = columns;
    plane.row_step = row_step;
    return plane;
  }

  /// Elements of the largest copy.
  template <class T>
  [[nodiscard]] Index copy_size() const {
    kernels::DepthwisePlane<T> largest = plane<T>();
    largest.rows = std::min(rows, band<T>());
    return kernels::depthwise_copy_size(largest);
  }
};

/// Calls body(first, plane) for the bands of a plane whose image lies at x.
template <class T, class F>
void for_each_band(const PlaneTaps& taps, kernels::DepthwisePlane<T>& plane, const F& body) {
  const Index band = taps.band<T>();
  if (taps.rows <= band) {
    body(0, plane);
    return;
  }
  for (Index first = 0; first < taps.rows; first += band) {
    plane.low_row = taps.low_row + first * taps.row_step;
    plane.rows = std::min(band, taps.rows - first);
    body(first, plane);
  }
}

Index plane_grain(const PlaneTaps& taps) {
  const Index work = taps.rows * taps.columns * (static_cast<Index>(taps.offsets.size()) + 4) / 8;
  return std::max<Index>(1, kGrainWork / std::max<Index>(1, work));
}

/// Channels first, images: whole planes.
template <class T>
void forward_planes(const ConvShape& shape, const ConvImage<const T>& x, const T* w, const T* bias,
                    const ConvImage<T>& y, const GemmFinish<T>& finish) {
  const Axes<T> axes(shape);
  const PlaneTaps taps(axes.axis[1], axes.axis[2]);
  const Index multiplier = shape.out_group();
  const Index positions = shape.out_positions();
  const bool stream = goes_around(shape, y, shape.out[2], finish);
  parallel_for(shape.images * shape.out_channels, plane_grain(taps), [&](Index begin, Index end) {
    Buffer<T> copy(taps.copy_size<T>());
    kernels::DepthwisePlane<T> plane = taps.plane<T>();
    plane.stream = stream;
    plane.rows_in = shape.in[1];
    plane.columns_in = shape.in[2];
    plane.x_row_stride = x.strides[1];
    plane.x_step = x.strides[2];
    plane.copy = copy.data();
    for (Index i = begin; i < end; ++i) {
      const Index image = i / shape.out_channels;
      const Index o = i % shape.out_channels;
      plane.x = x.data + image * x.image_stride + o / multiplier * x.channel_stride;
      plane.weights = w + o * shape.taps();
      plane.bias = bias == nullptr ? T(0) : bias[o];
      T* const out = y.data + image * y.image_stride + o * y.channel_stride;
      for_each_band(taps, plane, [&](Index first, kernels::DepthwisePlane<T>& band) {
        band.y = out + first * band.columns;
        kernels::depthwise_plane(band);
      });
      if (finish.function != nullptr) finish.function(out, positions, finish.params);
    }
  });
}

/// The input gradient of the same, one kernel a channel: for each phase of the stride a plane of
/// its own, written between those of the other phases.
template <class T>
void input_gradient_planes(const ConvShape& shape, const ConvImage<const T>& dy, const T* w,
                           const T* bias, const ConvImage<T>& dx, const GemmFinish<T>& finish) {
  struct Phase {
    Index h, v;
    PlaneTaps taps;
    std::vector<Index> kernel_taps;
  };
  std::vector<Phase> phases;
  Index copy_size = 0;
  Index work = 0;
  for (Index h = 0; h < std::min(shape.stride[1], shape.in[1]); ++h) {
    for (Index v = 0; v < std::min(shape.stride[2], shape.in[2]); ++v) {
      const GatherPhase down = gradient_axis(shape.in[1], h, shape.out[1], shape.kernel[1],
                                             shape.stride[1], shape.dilation[1], shape.padding[1]);
      const GatherPhase across =
          gradient_axis(shape.in[2], v, shape.out[2], shape.kernel[2], shape.stride[2],
                        shape.dilation[2], shape.padding[2]);
      Phase phase{h, v, PlaneTaps(down.axis, across.axis), {}};
      for (const Index row : down.kernel_taps) {
        for (const Index column : across.kernel_taps) {
          phase.kernel_taps.push_back(row * shape.kernel[2] + column);
        }
      }
      copy_size = std::max(copy_size, phase.taps.template copy_size<T>());
      work += plane_grain(phase.taps);
      phases.push_back(std::move(phase));
    }
  }
  const bool direct = shape.stride[1] == 1 && shape.stride[2] == 1;
  const Index positions = shape.in_positions();
  const Index grain = std::max<Index>(1, work / static_cast<Index>(phases.size() * phases.size()));
  parallel_for(shape.images * shape.in_channels, grain, [&](Index begin, Index end) {
    Buffer<T> copy(copy_size);
    Buffer<T> apart(direct ? 0 : positions);
    std::vector<T> weights(static_cast<std::size_t>(shape.taps()));
    for (Index i = begin; i < end; ++i) {
      const Index image = i / shape.in_channels;
      const Index c = i % shape.in_channels;
      T* const out = dx.data + image * dx.image_stride + c * dx.channel_stride;
      for (const Phase& phase : phases) {
        kernels::DepthwisePlane<T> plane = phase.taps.template plane<T>();
        plane.rows_in = shape.out[1];
        plane.columns_in = shape.out[2];
        plane.x_row_stride = dy.strides[1];
        plane.x_step = dy.strides[2];
        plane.copy = copy.data();
        plane.x = dy.data + image * dy.image_stride + c * dy.channel_stride;
        for (std::size_t t = 0; t < phase.kernel_taps.size(); ++t) {
          weights[t] = w[c * shape.taps() + phase.kernel_taps[t]];
        }
        plane.weights = weights.data();
        plane.bias = bias == nullptr ? T(0) : bias[c];
        T* const target = direct ? out : apart.data();
        for_each_band(phase.taps, plane, [&](Index first, kernels::DepthwisePlane<T>& band) {
          band.y = target + first * band.columns;
          kernels::depthwise_plane(band);
        });
        if (direct) continue;
        const T* from = apart.data();
        for (Index h = phase.h; h < shape.in[1]; h += shape.stride[1]) {
          T* const line = out + h * shape.in[2];
          for (Index v = phase.v; v < shape.in[2]; v += shape.stride[2]) line[v] = *from++;
        }
      }
      if (finish.function != nullptr) finish.function(out, positions, finish.params);
    }
  });
}

template <class T>
void weight_gradient_planes(const ConvShape& shape, const ConvImage<const T>& dy,
                            const ConvImage<const T>& x, T* dw) {
  const Axes<T> axes(shape);
  const PlaneTaps taps(axes.axis[1], axes.axis[2]);
  const Index multiplier = shape.out_group();
  // Each output channel sums over images and bands in that order.
  parallel_for(shape.out_channels, 1, [&](Index begin, Index end) {
    Buffer<T> copy(taps.copy_size<T>());
    std::vector<double> sums(static_cast<std::size_t>(shape.taps()));
    kernels::DepthwisePlane<T> plane = taps.plane<T>();
    plane.rows_in = shape.in[1];
    plane.columns_in = shape.in[2];
    plane.x_row_stride = x.strides[1];
    plane.x_step = x.strides[2];
    plane.copy = copy.data();
    for (Index o = begin; o < end; ++o) {
      std::fill(sums.begin(), sums.end(), 0.0);
      for (Index n = 0; n < shape.images; ++n) {
        plane.x = x.data + n * x.image_stride + o / multiplier * x.channel_stride;
        const T* grad = dy.data + n * dy.image_stride + o * dy.channel_stride;
        for_each_band(taps, plane, [&](Index first, kernels::DepthwisePlane<T>& band) {
          kernels::depthwise_plane_sums(kernels::DepthwisePlaneSums<T>{
              band, grad + first * dy.strides[1], dy.strides[1], sums.data()});
        });
      }
      for (Index t = 0; t < shape.taps(); ++t) {
        dw[o * shape.taps() + t] = static_cast<T>(sums[static_cast<std::size_t>(t)]);
      }
    }
  });
}

/// Channels first, volumes: whole lines, positions in the lanes.
template <class T>
void forward_lines(const ConvShape& shape, const ConvImage<const T>& x, const T* w, const T* bias,
                   const ConvImage<T>& y, const GemmFinish<T>& finish) {
  const Axes<T> axes(shape);
  std::vector<kernels::DepthwiseTap> taps;
  for (Index t = 0; t < shape.kernel[2]; ++t) {
    const auto& tap = axes.tap(2, t);
    taps.push_back({tap.base, tap.begin, tap.end});
  }
  const Index multiplier = shape.out_group();
  const Index plane = shape.out_positions();
  const Index grain = std::max<Index>(1, kGrainWork / std::max<Index>(1, plane * shape.taps() / 4));
  parallel_for(shape.images * shape.out_channels, grain, [&](Index begin, Index end) {
    std::vector<const T*> lines(static_cast<std::size_t>(shape.kernel[0] * shape.kernel[1]));
    std::vector<T> weights(static_cast<std::size_t>(shape.taps()));
    Buffer<T> packed(x.strides[2] == 1 ? 0 : shape.in_positions());
    for (Index i = begin; i < end; ++i) {
      const Index image = i / shape.out_channels;
      const Index o = i % shape.out_channels;
      const T* from = x.data + image * x.image_stride + o / multiplier * x.channel_stride;
      std::array<Index, 3> strides = x.strides;
      if (strides[2] != 1) {
        T* to = packed.data();
        for (Index d = 0; d < shape.in[0]; ++d) {
          for (Index h = 0; h < shape.in[1]; ++h) {
            for (Index v = 0; v < shape.in[2]; ++v) {
              *to++ = from[d * strides[0] + h * strides[1] + v * strides[2]];
            }
          }
        }
        from = packed.data();
        strides = {shape.in[1] * shape.in[2], shape.in[2], 1};
      }
      const T* kernel = w + o * shape.taps();
      T* out = y.data + image * y.image_stride + o * y.channel_stride;
      for (Index d = 0; d < shape.out[0]; ++d) {
        for (Index h = 0; h < shape.out[1]; ++h) {
          Index count = 0;
          for (Index td = 0; td < shape.kernel[0]; ++td) {
            const Index source_d = axes.source(0, td, d);
            for (Index th = 0; th < shape.kernel[1]; ++th) {
              const Index source_h = axes.source(1, th, h);
              if (source_d < 0 || source_h < 0) continue;
              lines[static_cast<std::size_t>(count)] =
                  from + source_d * strides[0] + source_h * strides[1];
              std::copy_n(kernel + (td * shape.kernel[1] + th) * shape.kernel[2], shape.kernel[2],
                          weights.data() + count * shape.kernel[2]);
              ++count;
            }
          }
          T* line = out + (d * shape.out[1] + h) * shape.out[2];
          kernels::depthwise_line(kernels::DepthwiseLine<T>{
              lines.data(), weights.data(), count, taps.data(), shape.kernel[2], shape.stride[2],
              bias == nullptr ? T(0) : bias[o], line, shape.out[2]});
        }
      }
      if (finish.function != nullptr) finish.function(out, plane, finish.params);
    }
  });
}

/// (channels, taps) as (taps, channels).
template <class T>
Buffer<T> by_tap(const T* w, Index channels, Index taps) {
  Buffer<T> swapped(taps * channels);
  for (Index c = 0; c < channels; ++c) {
    for (Index t = 0; t < taps; ++t) swapped.data()[t * channels + c] = w[c * taps + t];
  }
  return swapped;
}

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

/// Channels last, one kernel a channel: whole lines, channels in the lanes.
template <class T>
void forward_last(const ConvShape& shape, const ConvImage<const T>& x, const T* w, const T* bias,
                  const ConvImage<T>& y, const GemmFinish<T>& finish) {
  const Axes<T> axes(shape);
  const LastTaps<T> all = forward_taps(axes, shape);
  const Index channels = shape.in_channels;
  const Buffer<T> weights = by_tap(w, channels, shape.taps());
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
      all.collect(x, x.data + image * x.image_stride, d, h, weights.data(), channels, taps, which);
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
  const Buffer<T> weights = by_tap(w, channels, shape.taps());
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

// Lines of a partial sum of the weight gradient.
constexpr Index kSumLines = 32;

template <class T>
void weight_gradient_last(const ConvShape& shape, const ConvImage<const T>& dy,
                          const ConvImage<const T>& x, T* dw) {
  const Axes<T> axes(shape);
  const LastTaps<T> all = forward_taps(axes, shape);
  const Index channels = shape.in_channels;
  const Index size = shape.taps() * channels;
  const Index lines = shape.images * shape.out[0] * shape.out[1];
  const Index chunks = ceil_div(lines, kSumLines);
  Buffer<T> partial(chunks * size);
  parallel_for(lines, kSumLines, [&](Index begin, Index end) {
    std::vector<kernels::DepthwiseLastTap<T>> taps;
    std::vector<Index> which;
    std::vector<T*> sums;
    for (Index chunk = begin / kSumLines; chunk * kSumLines < end; ++chunk) {
      T* const own = partial.data() + chunk * size;
      std::fill_n(own, size, T(0));
      for (Index i = chunk * kSumLines; i < std::min(end, (chunk + 1) * kSumLines); ++i) {
        const Index h = i % shape.out[1];
        const Index d = i / shape.out[1] % shape.out[0];
        const Index image = i / (shape.out[1] * shape.out[0]);
        all.collect(x, x.data + image * x.image_stride, d, h, nullptr, channels, taps, which);
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

}  // namespace

template <class T>
void depthwise_forward(const ConvShape& shape, const ConvImage<const T>& x, const T* w,
                       const T* bias, const ConvImage<T>& y, const GemmFinish<T>& finish) {
  const bool last = y.channel_stride == 1 && shape.out_positions() > 1;
  const auto first = [&](const ConvImage<T>& planes) {
    if (is_image(shape)) {
      forward_planes(shape, x, w, bias, planes, finish);
    } else {
      forward_lines(shape, x, w, bias, planes, finish);
    }
  };
  if (last && shape.out_group() == 1 && x.channel_stride == 1) {
    forward_last(shape, x, w, bias, y, finish);
  } else if (!last) {
    first(y);
  } else {
    // Channels last with several kernels a channel, or from an input that is not: by way of planes.
    const Index plane = shape.out_positions();
    Buffer<T> planes(shape.images * shape.out_channels * plane);
    first({planes.data(),
           shape.out_channels * plane,
           plane,
           {shape.out[1] * shape.out[2], shape.out[2], 1}});
    parallel_for(shape.images, 1, [&](Index begin, Index end) {
      for (Index n = begin; n < end; ++n) {
        for (Index p = 0; p < plane; ++p) {
          for (Index o = 0; o < shape.out_channels; ++o) {
            y.data[n * y.image_stride + p * shape.out_channels + o] =
                planes.data()[(n * shape.out_channels + o) * plane + p];
          }
        }
      }
    });
  }
}

template <class T>
bool depthwise_input_gradient(const ConvShape& shape, const ConvImage<const T>& dy, const T* w,
                              const T* bias, const ConvImage<T>& dx, const GemmFinish<T>& finish) {
  if (!is_depthwise(shape) || shape.out_group() != 1) return false;
  const bool last = dx.channel_stride == 1 && shape.in_positions() > 1;
  if (last && dy.channel_stride == 1) {
    input_gradient_last(shape, dy, w, bias, dx, finish);
    return true;
  }
  if (last || !is_image(shape)) return false;
  input_gradient_planes(shape, dy, w, bias, dx, finish);
  return true;
}

template <class T>
void depthwise_weight_gradient(const ConvShape& shape, const ConvImage<const T>& dy,
                               const ConvImage<const T>& x, T* dw) {
  if (shape.out_group() == 1 && x.channel_stride == 1 && dy.channel_stride == 1) {
    weight_gradient_last(shape, dy, x, dw);
    return;
  }
  if (is_image(shape) && dy.strides[2] == 1) {
    weight_gradient_planes(shape, dy, x, dw);
    return;
  }
  const Axes<T> axes(shape);
  const Index multiplier = shape.out_group();
  const Index taps = shape.taps();
  // Each output channel sums over images, lines and positions in that order.
  parallel_for(shape.out_channels, 1, [&](Index begin, Index end) {
    Buffer<T> line(shape.out[2]);
    for (Index o = begin; o < end; ++o) {
      std::vector<double> sums(static_cast<std::size_t>(taps), 0.0);
      for (Index n = 0; n < shape.images; ++n) {
        const T* from = x.data + n * x.image_stride + o / multiplier * x.channel_stride;
        const T* grad = dy.data + n * dy.image_stride + o * dy.channel_stride;
        for (Index d = 0; d < shape.out[0]; ++d) {
          for (Index h = 0; h < shape.out[1]; ++h) {
            const T* g = grad + d * dy.strides[0] + h * dy.strides[1];
            if (dy.strides[2] != 1) {
              for (Index v = 0; v < shape.out[2]; ++v) line.data()[v] = g[v * dy.strides[2]];
              g = line.data();
            }
            for (Index t = 0; t < taps; ++t) {
              const Index sd = axes.source(0, t / (shape.kernel[2] * shape.kernel[1]), d);
              const Index sh = axes.source(1, t / shape.kernel[2] % shape.kernel[1], h);
              if (sd < 0 || sh < 0) continue;
              const auto& tap = axes.tap(2, t % shape.kernel[2]);
              if (tap.end <= tap.begin) continue;
              const T* source = from + sd * x.strides[0] + sh * x.strides[1] +
                                (tap.base + shape.stride[2] * tap.begin) * x.strides[2];
              sums[static_cast<std::size_t>(t)] += static_cast<double>(kernels::strided_dot(
                  source, shape.stride[2] * x.strides[2], g + tap.begin, tap.end - tap.begin));
            }
          }
        }
      }
      for (Index t = 0; t < taps; ++t) {
        dw[o * taps + t] = static_cast<T>(sums[static_cast<std::size_t>(t)]);
      }
    }
  });
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template void depthwise_forward(const ConvShape&, const ConvImage<const T>&, const T*, const T*, \
                                  const ConvImage<T>&, const GemmFinish<T>&);                      \
  template bool depthwise_input_gradient(const ConvShape&, const ConvImage<const T>&, const T*,    \
                                         const T*, const ConvImage<T>&, const GemmFinish<T>&);     \
  template void depthwise_weight_gradient(const ConvShape&, const ConvImage<const T>&,             \
                                          const ConvImage<const T>&, T*);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
