#include "nn/depthwise.hpp"

#include <algorithm>
#include <vector>

#include "kernels/depthwise.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/depthwise_parts.hpp"

namespace lamina::nn::detail {

namespace {

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

}  // namespace

template <class T>
void depthwise_forward(const ConvShape& shape, const ConvImage<const T>& x, const T* w,
                       const T* bias, const ConvImage<T>& y, const GemmFinish<T>& finish,
                       const T* by_tap) {
  const bool last = y.channel_stride == 1 && shape.out_positions() > 1;
  const auto first = [&](const ConvImage<T>& planes) {
    if (is_image(shape)) {
      forward_planes(shape, x, w, bias, planes, finish);
    } else {
      forward_lines(shape, x, w, bias, planes, finish);
    }
  };
  if (last && shape.out_group() == 1 && x.channel_stride == 1) {
    forward_last(shape, x, w, bias, y, finish, by_tap);
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
                                  const ConvImage<T>&, const GemmFinish<T>&, const T*);            \
  template bool depthwise_input_gradient(const ConvShape&, const ConvImage<const T>&, const T*,    \
                                         const T*, const ConvImage<T>&, const GemmFinish<T>&);     \
  template void depthwise_weight_gradient(const ConvShape&, const ConvImage<const T>&,             \
                                          const ConvImage<const T>&, T*);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
