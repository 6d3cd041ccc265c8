#include "nn/implicit_gemm.hpp"

#include <algorithm>

#include "kernels/gather.hpp"
#include "nn/conv_planes.hpp"

namespace lamina::nn::detail {

namespace {

GatherAxis::Tap make_tap(Index base, Index step, Index extent, Index positions) {
  const Index begin = std::min(first_inside(base, step), positions);
  const Index end = std::clamp(count_below(base, step, extent), begin, positions);
  return {base, begin, end};
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

}  // namespace

GatherAxis convolution_axis(Index extent, Index positions, Index kernel, Index stride,
                            Index dilation, Index padding) {
  GatherAxis axis{extent, positions, stride, {}};
  for (Index tap = 0; tap < kernel; ++tap) {
    axis.taps.push_back(make_tap(tap * dilation - padding, stride, extent, positions));
  }
  return axis;
}

GatherPhase gradient_axis(Index extent, Index phase, Index positions, Index kernel, Index stride,
                          Index dilation, Index padding) {
  GatherPhase result{{positions, phase < extent ? ceil_div(extent - phase, stride) : 0, 1, {}}, {}};
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

namespace {

/// Fills a panel of positions by transposing the lines of channels that a tap sees.
template <class T>
void gather_channels(const Gather<T>& gather, const T* zeros, const PanelRequest<T>& request) {
  std::array<const T*, 64> lines;
  std::array<std::array<Index, 3>, 64> places;
  std::array<const T*, 64> images;
  const auto count = static_cast<std::size_t>(request.count);
  for_each_line(gather, request.first, request.count,
                [&](Index image, Index d, Index h, Index begin, Index end, Index offset) {
                  for (Index w = begin; w < end; ++w) {
                    const auto i = static_cast<std::size_t>(offset + w - begin);
                    places[i] = {d, h, w};
                    images[i] = gather.data + image * gather.image_stride;
                  }
                });
  const auto width = static_cast<Index>(gather.axes[2].taps.size());
  const auto height = static_cast<Index>(gather.axes[1].taps.size());
  for (Index k = 0; k < request.depth;) {
    const Index tap = (request.k_first + k) / gather.channels;
    const Index channel = (request.k_first + k) % gather.channels;
    const Index depth = std::min(gather.channels - channel, request.depth - k);
    const std::array<Index, 3> taps{tap / (height * width), tap / width % height, tap % width};
    for (std::size_t i = 0; i < count; ++i) {
      Index at = channel;
      bool inside = true;
      for (std::size_t a = 0; a < 3; ++a) {
        const GatherAxis::Tap& seen = tap_of(gather.axes[a], taps[a]);
        inside = inside && sees(seen, places[i][a]);
        at += (seen.base + gather.axes[a].step * places[i][a]) * gather.strides[a];
      }
      lines[i] = inside ? images[i] + at : zeros;
    }
    // Whole vectors of lines.
    for (std::size_t i = count; i < std::min<std::size_t>(64, (count + 15) / 16 * 16); ++i) {
      lines[i] = lines[0];
    }
    kernels::GatherLines<T> part;
    part.lines = lines.data();
    part.count = request.count;
    part.depth = depth;
    part.width = request.width;
    part.out = request.out + k * request.width;
    kernels::gather_lines(part);
    k += depth;
  }
  for (Index k = 0; request.count < request.padded && k < request.depth; ++k) {
    std::fill(request.out + k * request.width + request.count,
              request.out + k * request.width + request.padded, T(0));
  }
}

/// The product with `gathered`, a matrix or a packer, as B, or transposed as A.
template <class T>
void multiply(const GemmOperand<T>& gathered, const GemmOperand<T>& weights, bool right,
              const GatherOutput<T>& out, GemmOptions<T> options) {
  if (right) {
    options.bias_axis = BiasAxis::Column;
    gemm<T>(gathered, weights, out.data, out.position_stride, out.channel_stride, options);
  } else {
    options.bias_axis = BiasAxis::Row;
    gemm<T>(weights, gathered, out.data, out.channel_stride, out.position_stride, options);
  }
}

}  // namespace

template <class T>
void gathered_product(const Gather<T>& gather, const GemmOperand<T>& weights, bool right,
                      const GatherOutput<T>& out, const GemmOptions<T>& options) {
  const Index rows = gather.rows();
  if (gather.is_plain()) {
    const MatrixRef<T> plain = gather.plain();
    multiply<T>(right ? plain.transposed() : plain, weights, right, out, options);
    return;
  }
  const auto product = [&](const PanelPacker<T>& packer, Index positions,
                           const GatherOutput<T>& part) {
    const GemmOperand<T> gathered =
        right ? GemmOperand<T>(positions, rows, packer) : GemmOperand<T>(rows, positions, packer);
    multiply<T>(gathered, weights, right, part, options);
  };
  if (gather.channels_last) {
    Buffer<T> zeros(gather.channels + kernels::kGatherSlack);
    std::fill_n(zeros.data(), zeros.size(), T(0));
    const auto fill = [&](const PanelRequest<T>& request) {
      gather_channels(gather, zeros.data(), request);
    };
    product(PanelPacker<T>(fill), gather.cols(), out);
    return;
  }
  const std::size_t axis = gather.axes[0].positions > 1 ? 0 : 1;
  const Index whole = gather.axes[axis].positions;
  const Index slab = gather.positions() / whole;
  const Index band = band_extent(gather, axis);
  Planes<T> planes(gather, axis, band);
  for (Index image = 0; image < gather.images; ++image) {
    for (Index first = 0; first < whole; first += band) {
      const Index positions = std::min(band, whole - first) * slab;
      planes.fill(gather.data + image * gather.image_stride, axis, first);
      GatherOutput<T> part = out;
      part.data += (image * gather.positions() + first * slab) * out.position_stride;
      if (gather.taps() == 1) {
        const MatrixRef<T> copy = planes.plain(positions);
        multiply<T>(right ? copy.transposed() : copy, weights, right, part, options);
      } else {
        const auto fill = [&](const PanelRequest<T>& request) { planes.pack(request); };
        product(PanelPacker<T>(fill), positions, part);
      }
    }
  }
}

template struct Gather<float>;
template struct Gather<double>;
template void gathered_product(const Gather<float>&, const GemmOperand<float>&, bool,
                               const GatherOutput<float>&, const GemmOptions<float>&);
template void gathered_product(const Gather<double>&, const GemmOperand<double>&, bool,
                               const GatherOutput<double>&, const GemmOptions<double>&);

}  // namespace lamina::nn::detail
