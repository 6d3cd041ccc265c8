#include "nn/direct_conv.hpp"

#include <algorithm>
#include <vector>

#include "kernels/direct_conv.hpp"
#include "kernels/gemm.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/padded_lines.hpp"

namespace lamina::nn::detail {

namespace {

// Bytes of the copy of a band, which is read once for every few channels of the result.
constexpr Index kBandBytes = Index{1} << 16;
// Channels on one side from which on a gathered matrix pays, and elements of the weights that stay
// in the L2.
constexpr Index kFewChannels = 64;
constexpr Index kFewWeights = Index{1} << 16;
// Multiply-adds that a thread takes at once.
constexpr Index kGrainWork = Index{1} << 18;

// Rows of a tile, rounded up to whole vectors, at most.
constexpr Index kMostLines = 16;

/// The problem in one direction.
struct DirectPlan {
  Index images, groups, channels, rows, depth;  // channels and rows of one group
  std::array<Index, 3> in, positions, low, step, reach;
  std::size_t axis;  // along which bands are cut
  Index band, bands, plane;
  Index phases, phase_width;     // of a line of the copy: columns that a step apart lie together
  std::array<Index, 3> extents;  // of the copy of a band

  template <class T>
  static DirectPlan make(const ConvShape& shape, bool gradient) {
    DirectPlan p{};
    p.images = shape.images;
    p.groups = shape.groups;
    p.channels = gradient ? shape.out_group() : shape.in_group();
    p.rows = gradient ? shape.in_group() : shape.out_group();
    p.depth = p.channels * shape.taps();
    p.in = gradient ? shape.out : shape.in;
    p.positions = gradient ? shape.in : shape.out;
    for (std::size_t a = 0; a < 3; ++a) {
      p.reach[a] = shape.dilation[a] * (shape.kernel[a] - 1);
      p.low[a] = gradient ? shape.padding[a] - p.reach[a] : -shape.padding[a];
      p.step[a] = shape.stride[a];
      p.extents[a] = (p.positions[a] - 1) * p.step[a] + p.reach[a] + 1;
    }
    p.phases = std::min(p.step[2], p.reach[2] + 1);
    p.phase_width = p.positions[2] + p.reach[2] / p.step[2];
    p.extents[2] = p.phases * p.phase_width;
    p.axis = p.positions[0] > 1 ? 0 : 1;
    const Index whole = p.positions[p.axis];
    const Index slab = p.channels * p.extents[0] * p.extents[1] * p.extents[2] / p.extents[p.axis];
    const Index most = kBandBytes / static_cast<Index>(sizeof(T)) / slab;
    p.band = std::clamp<Index>((most - p.reach[p.axis] - 1) / p.step[p.axis] + 1, 1, whole);
    p.bands = ceil_div(whole, p.band);
    p.band = ceil_div(whole, p.bands);
    // Tiles take two vectors of positions at a time.
    constexpr Index kLanes = 64 / static_cast<Index>(sizeof(T));
    const bool odd = p.lines() * ceil_div(p.positions[2], kLanes) % 2 == 1;
    if (odd && p.band < whole) p.bands = ceil_div(whole, ++p.band);
    p.extents[p.axis] = (p.band - 1) * p.step[p.axis] + p.reach[p.axis] + 1;
    p.plane = p.extents[0] * p.extents[1] * p.extents[2];
    return p;
  }
  [[nodiscard]] Index copy_elements() const { return channels * plane + kernels::kLineSlack; }
  /// Columns of the image that a line of the copy holds, and room for them where they are parted.
  [[nodiscard]] Index line_columns() const { return (phase_width - 1) * step[2] + phases; }
  [[nodiscard]] Index room_elements() const { return step[2] == 1 ? 0 : channels * line_columns(); }
  [[nodiscard]] Index lines() const { return positions[0] * positions[1] / positions[axis] * band; }
};

/// The weights of a group in the order of the kernel.
template <class T>
void pack_weights(const ConvShape& shape, const DirectPlan& plan, bool gradient, Index group,
                  const T* w, T* to) {
  const Index taps = shape.taps();
  const Index most = kernels::line_tiling<T>().rows;
  const Index tiles = ceil_div(plan.rows, most);
  for (Index t = 0; t < tiles; ++t) {
    const Index begin = kernels::gemm_tile_begin(plan.rows, tiles, t);
    const Index end = kernels::gemm_tile_begin(plan.rows, tiles, t + 1);
    if (!gradient) {
      // What is written too far is written over by the next tile, or is room left for it.
      std::array<const T*, kMostLines> lines;
      for (Index i = 0; i < kMostLines; ++i) {
        const Index m = group * plan.rows + std::min(begin + i, end - 1);
        lines[static_cast<std::size_t>(i)] = w + m * plan.depth;
      }
      kernels::GatherLines<T> part;
      part.lines = lines.data();
      part.count = end - begin;
      part.depth = plan.depth;
      part.width = end - begin;
      part.out = to;
      kernels::gather_lines(part);
      to += part.width * part.depth;
      continue;
    }
    for (Index c = 0; c < plan.channels; ++c) {
      for (Index tap = 0; tap < taps; ++tap) {
        for (Index m = begin; m < end; ++m) {
          const Index out = gradient ? c : m;
          const Index in = gradient ? m : c;
          *to++ = w[((group * shape.out_group() + out) * shape.in_group() + in) * taps + tap];
        }
      }
    }
  }
}

/// Copies the lines of a band that starts at `start` in its image, at `from`. `room` takes a line
/// of all channels.
template <class T>
void copy_band(const DirectPlan& plan, const ConvImage<const T>& x, const T* from,
               const std::array<Index, 3>& start, const std::array<Index, 3>& extents, T* room,
               T* copy) {
  const Index columns = plan.line_columns();
  for (Index d = 0; d < extents[0]; ++d) {
    for (Index h = 0; h < extents[1]; ++h) {
      const PaddedLine line{start[0] + d, start[1] + h, start[2], columns};
      T* const to = copy + (d * plan.extents[1] + h) * plan.extents[2];
      if (plan.phases == 1 && plan.step[2] == 1) {
        copy_padded_line(x, from, plan.channels, plan.in, line, to, plan.plane);
        continue;
      }
      copy_padded_line(x, from, plan.channels, plan.in, line, room, columns);
      for (Index c = 0; c < plan.channels; ++c) {
        for (Index phase = 0; phase < plan.phases; ++phase) {
          kernels::copy_strided(room + c * columns + phase, plan.step[2], plan.phase_width,
                                to + c * plan.plane + phase * plan.phase_width);
        }
      }
    }
  }
}

/// Where each (channel, tap) looks in the copy.
std::vector<Index> offsets_of(const ConvShape& shape, const DirectPlan& plan, bool gradient) {
  std::vector<Index> offsets;
  offsets.reserve(static_cast<std::size_t>(plan.depth));
  const auto at = [&](std::size_t a, Index tap) {
    const Index shift = tap * shape.dilation[a];
    return gradient ? plan.reach[a] - shift : shift;
  };
  for (Index c = 0; c < plan.channels; ++c) {
    for (Index d = 0; d < shape.kernel[0]; ++d) {
      for (Index h = 0; h < shape.kernel[1]; ++h) {
        for (Index v = 0; v < shape.kernel[2]; ++v) {
          const Index column = at(2, v) % plan.step[2] * plan.phase_width + at(2, v) / plan.step[2];
          offsets.push_back(c * plan.plane +
                            (at(0, d) * plan.extents[1] + at(1, h)) * plan.extents[2] + column);
        }
      }
    }
  }
  return offsets;
}

/// The positions of a band, line by line in vectors.
std::vector<kernels::LineVector> vectors_of(const DirectPlan& plan, Index lanes) {
  std::vector<kernels::LineVector> vectors;
  const Index width = plan.positions[2];
  vectors.reserve(static_cast<std::size_t>(plan.lines() * ceil_div(width, lanes)));
  std::array<Index, 3> extents = plan.positions;
  extents[plan.axis] = plan.band;
  for (Index d = 0; d < extents[0]; ++d) {
    for (Index h = 0; h < extents[1]; ++h) {
      const Index from = (d * plan.step[0] * plan.extents[1] + h * plan.step[1]) * plan.extents[2];
      const Index to = (d * extents[1] + h) * width;
      for (Index v = 0; v < width; v += lanes) {
        vectors.push_back({from + v, to + v, std::min(lanes, width - v)});
      }
    }
  }
  return vectors;
}

}  // namespace

bool copies_little(const ConvShape& shape, bool gradient) {
  constexpr Index kAnyway = 64;
  bool little = true;
  for (std::size_t a = 0; a < 3; ++a) {
    const Index image = gradient ? shape.out[a] : shape.in[a];
    const Index steps = gradient ? shape.in[a] - 1 : (shape.out[a] - 1) * shape.stride[a];
    little &= steps + shape.dilation[a] * (shape.kernel[a] - 1) < 2 * image + kAnyway;
  }
  return little;
}

template <class T>
bool direct_pays(const ConvShape& shape, bool gradient) {
  const bool whole_steps = !gradient || shape.stride == std::array<Index, 3>{1, 1, 1};
  const Index width = gradient ? shape.in[2] : shape.out[2];
  constexpr Index kLanes = 64 / static_cast<Index>(sizeof(T));
  const Index least = std::min(shape.in_group(), shape.out_group());
  return whole_steps && shape.taps() > 1 && least < kFewChannels &&
         shape.in_group() * shape.out_group() * shape.taps() <= kFewWeights &&
         // Half of each vector at least.
         2 * width >= ceil_div(width, kLanes) * kLanes && copies_little(shape, gradient);
}

template <class T>
void direct_convolution(const ConvShape& shape, bool gradient, const ConvImage<const T>& x,
                        const T* w, const T* bias, const ConvImage<T>& y,
                        const GemmFinish<T>& finish) {
  const DirectPlan plan = DirectPlan::make<T>(shape, gradient);
  Buffer<T> weights(plan.groups * plan.rows * plan.depth + kernels::kGatherSlack);
  for (Index g = 0; g < plan.groups; ++g) {
    pack_weights(shape, plan, gradient, g, w, weights.data() + g * plan.rows * plan.depth);
  }
  const std::vector<Index> offsets = offsets_of(shape, plan, gradient);
  const std::vector<kernels::LineVector> vectors =
      vectors_of(plan, kernels::line_tiling<T>().lanes);
  const Index per_position = plan.rows * plan.depth;
  const Index in_band = plan.lines() * plan.positions[2];
  const Index slab = in_band / plan.band;

  const auto run_band = [&](Index unit, T* copy, T* room) {
    const Index first = unit % plan.bands * plan.band;
    const Index group = unit / plan.bands % plan.groups;
    const Index image = unit / plan.bands / plan.groups;
    const Index count = std::min(plan.band, plan.positions[plan.axis] - first);
    std::array<Index, 3> extents = plan.extents;
    extents[plan.axis] = (count - 1) * plan.step[plan.axis] + plan.reach[plan.axis] + 1;
    std::array<Index, 3> start = plan.low;
    start[plan.axis] += first * plan.step[plan.axis];
    const T* from = x.data + image * x.image_stride + group * plan.channels * x.channel_stride;
    copy_band(plan, x, from, start, extents, room, copy);
    kernels::LineProduct<T> product;
    product.source = copy;
    product.offsets = offsets.data();
    product.depth = plan.depth;
    product.a = weights.data() + group * per_position;
    product.rows = plan.rows;
    product.bias = bias == nullptr ? nullptr : bias + group * plan.rows;
    product.vectors = vectors.data();
    product.count = static_cast<Index>(vectors.size()) / plan.band * count;
    product.c =
        y.data + image * y.image_stride + group * plan.rows * y.channel_stride + first * slab;
    product.c_stride = y.channel_stride;
    kernels::line_product(product);
    for (Index m = 0; finish.function != nullptr && m < plan.rows; ++m) {
      finish.function(product.c + m * product.c_stride, count * slab, finish.params);
    }
  };
  parallel_for(plan.images * plan.groups * plan.bands,
               std::max<Index>(1, kGrainWork / (per_position * in_band)),
               [&](Index begin, Index end) {
                 const Buffer<T> copy(plan.copy_elements());
                 const Buffer<T> room(plan.room_elements());
                 // Vectors of the last lines reach behind them.
                 std::fill_n(copy.data() + plan.channels * plan.plane, kernels::kLineSlack, T(0));
                 for (Index unit = begin; unit < end; ++unit)
                   run_band(unit, copy.data(), room.data());
               });
}

template <class T>
Index direct_bytes(const ConvShape& shape, bool gradient, int threads) {
  const DirectPlan plan = DirectPlan::make<T>(shape, gradient);
  const Index at_once = std::min<Index>(threads, plan.images * plan.groups * plan.bands);
  const Index vectors = plan.lines() * ceil_div(plan.positions[2], kernels::line_tiling<T>().lanes);
  return (plan.groups * plan.rows * plan.depth + kernels::kGatherSlack +
          at_once * (plan.copy_elements() + plan.room_elements())) *
             static_cast<Index>(sizeof(T)) +
         plan.depth * static_cast<Index>(sizeof(Index)) +
         vectors * static_cast<Index>(sizeof(kernels::LineVector));
}

#define LAMINA_INSTANTIATE(T)                                                                   \
  template bool direct_pays<T>(const ConvShape&, bool);                                         \
  template void direct_convolution(const ConvShape&, bool, const ConvImage<const T>&, const T*, \
                                   const T*, const ConvImage<T>&, const GemmFinish<T>&);        \
  template Index direct_bytes<T>(const ConvShape&, bool, int);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
