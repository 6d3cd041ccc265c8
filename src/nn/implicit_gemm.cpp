#include "nn/implicit_gemm.hpp"

#include <algorithm>
#include <cstring>

namespace lamina::nn::detail {

namespace {

/// Smallest i >= 0 with base + step * i >= 0.
Index first_inside(Index base, Index step) {
  return base >= 0 ? 0 : ceil_div(-base, step);
}

/// Number of i >= 0 with base + step * i < extent.
Index count_below(Index base, Index step, Index extent) {
  return extent <= base ? 0 : ceil_div(extent - base, step);
}

GatherAxis::Tap make_tap(Index base, Index step, Index extent, Index positions) {
  const Index begin = std::min(first_inside(base, step), positions);
  const Index end = std::clamp(count_below(base, step, extent), begin, positions);
  return {base, begin, end};
}

/// One row of a gathered matrix, decoded.
struct Row {
  Index channel = 0;
  std::array<Index, 3> taps{};
};

template <class T>
Row decode_row(const Gather<T>& gather, Index row) {
  const auto width = static_cast<Index>(gather.axes[2].taps.size());
  const auto height = static_cast<Index>(gather.axes[1].taps.size());
  Row decoded;
  Index tap = row;
  if (gather.channels_last) {
    decoded.channel = row % gather.channels;
    tap = row / gather.channels;
  } else {
    const Index taps = gather.taps();
    decoded.channel = row / taps;
    tap = row % taps;
  }
  decoded.taps = {tap / (height * width), tap / width % height, tap % width};
  return decoded;
}

/// Calls run(image, d, h, w_begin, w_end, offset) for the stretches of [first, first + count) that
/// lie on one line of one image; offset counts from `first`.
template <class T, class F>
void for_each_line(const Gather<T>& gather, Index first, Index count, F&& run) {
  const Index width = gather.axes[2].positions;
  const Index height = gather.axes[1].positions;
  const Index depth = gather.axes[0].positions;
  Index w = first % width;
  Index line = first / width;
  Index h = line % height;
  line /= height;
  Index d = line % depth;
  Index image = line / depth;
  for (Index done = 0; done < count;) {
    const Index length = std::min(width - w, count - done);
    run(image, d, h, w, w + length, done);
    done += length;
    w = 0;
    if (++h == height) {
      h = 0;
      if (++d == depth) {
        d = 0;
        ++image;
      }
    }
  }
}

const GatherAxis::Tap& tap_of(const GatherAxis& axis, Index tap) {
  return axis.taps[static_cast<std::size_t>(tap)];
}

bool sees(const GatherAxis::Tap& tap, Index position) {
  return position >= tap.begin && position < tap.end;
}

/// Where (image, d, h) of a row's taps lies; nullptr on padding. Add (base + step * w) * stride.
template <class T>
const T* line_of(const Gather<T>& gather, const Row& row, Index image, Index d, Index h) {
  const auto& tap_d = tap_of(gather.axes[0], row.taps[0]);
  const auto& tap_h = tap_of(gather.axes[1], row.taps[1]);
  if (!sees(tap_d, d) || !sees(tap_h, h)) return nullptr;
  return gather.data + image * gather.image_stride + row.channel * gather.channel_stride +
         (tap_d.base + gather.axes[0].step * d) * gather.strides[0] +
         (tap_h.base + gather.axes[1].step * h) * gather.strides[1];
}

template <class T>
void copy_run(const T* from, Index stride, Index count, T* to) {
  if (stride == 1) {
    // Most runs are a panel wide; whole vectors without a call for the copy.
    constexpr Index kBlock = 64 / static_cast<Index>(sizeof(T));
    Index i = 0;
    for (; i + kBlock <= count; i += kBlock) std::memcpy(to + i, from + i, 64);
    for (; i < count; ++i) to[i] = from[i];
  } else {
    for (Index i = 0; i < count; ++i) to[i] = from[i * stride];
  }
}

}  // namespace

GatherAxis convolution_axis(Index extent, Index positions, Index kernel, Index stride,
                            Index dilation, Index padding) {
  GatherAxis axis{positions, stride, {}};
  for (Index tap = 0; tap < kernel; ++tap) {
    axis.taps.push_back(make_tap(tap * dilation - padding, stride, extent, positions));
  }
  return axis;
}

GatherPhase gradient_axis(Index extent, Index phase, Index positions, Index kernel, Index stride,
                          Index dilation, Index padding) {
  GatherPhase result{{phase < extent ? ceil_div(extent - phase, stride) : 0, 1, {}}, {}};
  for (Index tap = 0; tap < kernel; ++tap) {
    const Index shifted = phase + padding - tap * dilation;
    if (shifted % stride == 0) {
      // The position counted within the phase: i = phase + stride * j sees j + shifted / stride.
      result.axis.taps.push_back(make_tap(shifted / stride, 1, positions, result.axis.positions));
      result.kernel_taps.push_back(tap);
    }
  }
  return result;
}

template <class T>
bool Gather<T>::is_plain() const {
  for (const GatherAxis& axis : axes) {
    if (axis.taps.size() != 1 || axis.taps[0].base != 0 || axis.taps[0].begin != 0 ||
        axis.taps[0].end != axis.positions) {
      return false;
    }
  }
  // Positions (and images) must lie at one distance from each other.
  Index expected = 0;
  bool first = true;
  const std::array<Index, 4> extents{axes[2].positions, axes[1].positions, axes[0].positions,
                                     images};
  const std::array<Index, 4> steps{axes[2].step * strides[2], axes[1].step * strides[1],
                                   axes[0].step * strides[0], image_stride};
  for (std::size_t i = 0; i < 4; ++i) {
    if (extents[i] == 1) continue;
    if (!first && steps[i] != expected) return false;
    expected = steps[i] * extents[i];
    first = false;
  }
  return true;
}

template <class T>
MatrixRef<T> Gather<T>::plain() const {
  Index step = 1;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t axis = 3 - i;
    const Index extent = axis == 0 ? images : axes[axis - 1].positions;
    if (extent != 1) {
      step = axis == 0 ? image_stride : axes[axis - 1].step * strides[axis - 1];
      break;
    }
  }
  return {data, rows(), cols(), channel_stride, step};
}

template <class T>
void gather_positions(const Gather<T>& gather, const PanelRequest<T>& request) {
  const GatherAxis& across = gather.axes[2];
  const Index stride = across.step * gather.strides[2];
  for (Index k = 0; k < request.depth;) {
    const Row row = decode_row(gather, request.k_first + k);
    // Tap by tap, the rows of one tap differ in nothing but the channel: read them together.
    const Index together =
        gather.channels_last ? std::min(gather.channels - row.channel, request.depth - k) : 1;
    const auto& tap = tap_of(across, row.taps[2]);
    T* const out = request.out + k * request.width;
    for_each_line(
        gather, request.first, request.count,
        [&](Index image, Index d, Index h, Index begin, Index end, Index offset) {
          T* to = out + offset - begin;
          const T* line = line_of(gather, row, image, d, h);
          const Index inside = line == nullptr ? end : std::clamp(tap.begin, begin, end);
          const Index behind = line == nullptr ? end : std::clamp(tap.end, inside, end);
          for (Index c = 0; c < together; ++c) {
            std::fill(to + c * request.width + begin, to + c * request.width + inside, T(0));
            std::fill(to + c * request.width + behind, to + c * request.width + end, T(0));
          }
          if (behind == inside) return;
          const T* from = line + (tap.base + across.step * inside) * gather.strides[2];
          if (together == 1) {
            copy_run(from, stride, behind - inside, to + inside);
            return;
          }
          for (Index w = inside; w < behind; ++w, from += stride) {
            for (Index c = 0; c < together; ++c) {
              to[c * request.width + w] = from[c * gather.channel_stride];
            }
          }
        });
    for (Index c = 0; c < together; ++c) {
      std::fill(out + c * request.width + request.count, out + c * request.width + request.padded,
                T(0));
    }
    k += together;
  }
}

template <class T>
void gather_taps(const Gather<T>& gather, const PanelRequest<T>& request) {
  const GatherAxis& across = gather.axes[2];
  const Index stride = across.step * gather.strides[2];
  for (Index i = 0; i < request.count;) {
    const Row row = decode_row(gather, request.first + i);
    const Index together =
        gather.channels_last ? std::min(gather.channels - row.channel, request.count - i) : 1;
    const auto& tap = tap_of(across, row.taps[2]);
    for_each_line(gather, request.k_first, request.depth,
                  [&](Index image, Index d, Index h, Index begin, Index end, Index offset) {
                    T* to = request.out + offset * request.width + i;
                    const T* line = line_of(gather, row, image, d, h);
                    for (Index w = begin; w < end; ++w, to += request.width) {
                      if (line == nullptr || !sees(tap, w)) {
                        std::fill_n(to, together, T(0));
                        continue;
                      }
                      const T* from = line + tap.base * gather.strides[2] + w * stride;
                      for (Index c = 0; c < together; ++c) to[c] = from[c * gather.channel_stride];
                    }
                  });
    i += together;
  }
  for (Index k = 0; k < request.depth; ++k) {
    std::fill(request.out + k * request.width + request.count,
              request.out + k * request.width + request.padded, T(0));
  }
}

template struct Gather<float>;
template struct Gather<double>;
template void gather_positions(const Gather<float>&, const PanelRequest<float>&);
template void gather_positions(const Gather<double>&, const PanelRequest<double>&);
template void gather_taps(const Gather<float>&, const PanelRequest<float>&);
template void gather_taps(const Gather<double>&, const PanelRequest<double>&);

}  // namespace lamina::nn::detail
