#include <algorithm>
#include <vector>

#include "kernels/depthwise_plane.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/depthwise_parts.hpp"

namespace lamina::nn::detail {

namespace {

// Elements of the copy of a plane, or of a band of it: half of the L1.
template <class T>
constexpr Index kCopyElements = 24576 / static_cast<Index>(sizeof(T));

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

/// Calls body(first, plane) for the bands, taps.band(), of a plane whose image lies at x.
template <class T, class F>
void for_each_band(const PlaneTaps& taps, Index band, kernels::DepthwisePlane<T>& plane,
                   const F& body) {
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

/// Planes of a forward pass that are worth a thread; few such parts are of equal size and even in
/// number.
Index forward_grain(const PlaneTaps& taps, Index planes) {
  const Index least = std::max<Index>(1, plane_grain(taps) / 2);
  Index parts = std::max<Index>(1, planes / least);
  if (parts > 1) parts -= parts % 2;
  return std::max<Index>(1, ceil_div(planes, parts));
}

}  // namespace

/// Channels first, images: whole planes.
template <class T>
void forward_planes(const ConvShape& shape, const ConvImage<const T>& x, const T* w, const T* bias,
                    const ConvImage<T>& y, const GemmFinish<T>& finish) {
  const Axes<T> axes(shape);
  const PlaneTaps taps(axes.axis[1], axes.axis[2]);
  const Index multiplier = shape.out_group();
  const Index positions = shape.out_positions();
  const bool stream = goes_around(shape, y, shape.out[2], finish);
  const Index planes = shape.images * shape.out_channels;
  parallel_for(planes, forward_grain(taps, planes), [&](Index begin, Index end) {
    Buffer<T> copy(taps.copy_size<T>());
    const Index height = taps.band<T>();
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
      for_each_band(taps, height, plane, [&](Index first, kernels::DepthwisePlane<T>& band) {
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
        for_each_band(phase.taps, phase.taps.template band<T>(), plane,
                      [&](Index first, kernels::DepthwisePlane<T>& band) {
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
    const Index height = taps.band<T>();
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
        for_each_band(taps, height, plane, [&](Index first, kernels::DepthwisePlane<T>& band) {
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

#define LAMINA_INSTANTIATE(T)                                                                   \
  template void forward_planes(const ConvShape&, const ConvImage<const T>&, const T*, const T*, \
                               const ConvImage<T>&, const GemmFinish<T>&);                      \
  template void input_gradient_planes(const ConvShape&, const ConvImage<const T>&, const T*,    \
                                      const T*, const ConvImage<T>&, const GemmFinish<T>&);     \
  template void weight_gradient_planes(const ConvShape&, const ConvImage<const T>&,             \
                                       const ConvImage<const T>&, T*);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
