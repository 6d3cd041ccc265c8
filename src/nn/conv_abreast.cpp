#include "nn/conv_abreast.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "kernels/direct_conv.hpp"
#include "kernels/gather.hpp"
#include "kernels/gemm.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/conv_parts.hpp"

namespace lamina::nn::detail {

namespace {

// Lanes at most.
constexpr Index kMostLanes = 16;
// Multiply-adds, and elements to be turned, that a thread takes at once.
constexpr Index kGrainWork = Index{1} << 18;
constexpr Index kTurnGrain = Index{1} << 15;
// Bytes of the images of a vector, which stay in the L2, and elements of the weights.
constexpr Index kMostBytes = Index{1} << 19;
constexpr Index kMostWeights = Index{1} << 14;
// Multiply-adds for each element that is turned, at least.
constexpr Index kLeastWork = 32;
// Outputs of a weight gradient at most: those of more fill vectors themselves.
constexpr Index kMostOutputs = 16;
// Positions after which sums are put aside: what a few outputs multiply stays in the L1.
constexpr Index kSummedPositions = 64;
// Blocks of images from which on each is one thread's.
constexpr Index kManyBlocks = 4;
// Sums of all parts, and parts.
constexpr Index kMostSums = Index{1} << 20;
constexpr Index kMostParts = 16;

template <class T>
Index lanes_of() {
  return kernels::line_tiling<T>().lanes;
}

/// Images of one size, turned: (block of images, channel, height, width, image).
struct Turned {
  Index images, channels, height, width;
  Index lanes, blocks;
  Index top, left;  ///< padding
  Index padded_height, padded_width;

  Turned(Index lanes_, Index images_, Index channels_, Index height_, Index width_)
      : images(images_),
        channels(channels_),
        height(height_),
        width(width_),
        lanes(lanes_),
        blocks(ceil_div(images_, lanes_)),
        top(0),
        left(0),
        padded_height(height_),
        padded_width(width_) {}
  [[nodiscard]] bool is_padded() const { return padded_width != width || padded_height != height; }
  [[nodiscard]] Index plane() const { return padded_height * padded_width * lanes; }
  [[nodiscard]] Index block() const { return channels * plane(); }
  [[nodiscard]] Index size() const { return blocks * block(); }
};

bool is_image(const ConvShape& shape) {
  return shape.in[0] == 1 && shape.kernel[0] == 1 && shape.padding[0] == 0 && shape.groups == 1;
}

/// Channels first, no gaps within an image.
template <class T>
bool is_dense(const ConvImage<const T>& x, const std::array<Index, 3>& extents, Index channels) {
  return (extents[2] == 1 || x.strides[2] == 1) &&
         (extents[1] == 1 || x.strides[1] == extents[2]) &&
         (channels == 1 || x.channel_stride == extents[1] * extents[2]);
}

/// Blocks [first, last): one plane after the other, zeros where there is no image.
template <class T>
void turn_in(const Turned& t, const ConvImage<const T>& x, Index first, Index last, T* to) {
  const Index positions = t.height * t.width;
  const auto turn = [&](Index unit, T* room) {
    const Index block = unit / t.channels;
    const Index channel = unit % t.channels;
    std::array<const T*, kMostLanes> lines{};
    for (Index i = 0; i < t.lanes; ++i) {
      const Index image = std::min(block * t.lanes + i, t.images - 1);
      lines[static_cast<std::size_t>(i)] =
          x.data + image * x.image_stride + channel * x.channel_stride;
    }
    T* const plane = to + unit * t.plane();
    kernels::GatherLines<T> part;
    part.lines = lines.data();
    part.count = t.lanes;
    part.depth = positions;
    part.width = t.lanes;
    part.out = t.is_padded() ? room : plane;
    kernels::gather_lines(part);
    const Index there = t.images - block * t.lanes;
    for (Index at = 0; there < t.lanes && at < positions; ++at) {
      std::fill(part.out + at * t.lanes + there, part.out + (at + 1) * t.lanes, T(0));
    }
    if (!t.is_padded()) return;
    const Index line = t.width * t.lanes;
    const Index padded_line = t.padded_width * t.lanes;
    std::fill_n(plane, t.top * padded_line, T(0));
    for (Index h = 0; h < t.height; ++h) {
      T* const at = plane + (t.top + h) * padded_line;
      std::fill_n(at, t.left * t.lanes, T(0));
      std::copy_n(room + h * line, line, at + t.left * t.lanes);
      std::fill(at + t.left * t.lanes + line, at + padded_line, T(0));
    }
    std::fill(plane + (t.top + t.height) * padded_line, plane + t.plane(), T(0));
  };
  parallel_for((last - first) * t.channels, std::max<Index>(1, kTurnGrain / t.plane()),
               [&](Index begin, Index end) {
                 const Buffer<T> room(t.is_padded() ? positions * t.lanes : 0);
                 for (Index unit = begin; unit < end; ++unit) {
                   turn(first * t.channels + unit, room.data());
                 }
               });
}

/// y (images, channels, positions) from blocks [begin_block, end_block) of what is turned and has
/// no padding.
template <class T>
void turn_out(const Turned& t, const T* from, Index begin_block, Index end_block,
              const ConvImage<T>& y) {
  const Index positions = t.channels * t.height * t.width;  // of all channels
  const Index squares = ceil_div(positions, t.lanes);
  const auto turn = [&](Index unit) {
    const Index block = unit / squares;
    const Index first = unit % squares * t.lanes;
    const Index count = std::min(t.lanes, positions - first);
    std::array<const T*, kMostLanes> lines{};
    for (Index i = 0; i < t.lanes; ++i) {
      lines[static_cast<std::size_t>(i)] =
          from + block * t.block() + (first + std::min(i, count - 1)) * t.lanes;
    }
    T* const to = y.data + block * t.lanes * y.image_stride + first;
    const Index images = std::min(t.lanes, t.images - block * t.lanes);
    kernels::GatherLines<T> part;
    part.lines = lines.data();
    part.count = t.lanes;
    if (count == t.lanes) {
      part.depth = images;
      part.width = y.image_stride;
      part.out = to;
      kernels::gather_lines(part);
      return;
    }
    alignas(64) std::array<T, kMostLanes * kMostLanes> square;
    part.depth = t.lanes;
    part.width = t.lanes;
    part.out = square.data();
    kernels::gather_lines(part);
    for (Index i = 0; i < images; ++i) {
      std::copy_n(square.data() + i * t.lanes, count, to + i * y.image_stride);
    }
  };
  parallel_for((end_block - begin_block) * squares,
               std::max<Index>(1, kTurnGrain / (t.lanes * t.lanes)), [&](Index begin, Index end) {
                 for (Index unit = begin; unit < end; ++unit) turn(begin_block * squares + unit);
               });
}

/// The problem in one direction.
struct Plan {
  Index channels, rows, width, height;  // of x, of the result
  std::array<Index, 2> kernel, step, shift;
  Turned source, result;
  Index above;  ///< lines above dy that a gradient does not see

  template <class T>
  static Plan make(const ConvShape& shape, bool gradient) {
    const Index lanes = lanes_of<T>();
    const auto& in = gradient ? shape.out : shape.in;
    const auto& out = gradient ? shape.in : shape.out;
    const Index channels = gradient ? shape.out_channels : shape.in_channels;
    const Index rows = gradient ? shape.in_channels : shape.out_channels;
    Plan p{channels,
           rows,
           out[2],
           out[1],
           {shape.kernel[1], shape.kernel[2]},
           {gradient ? 1 : shape.stride[1], gradient ? 1 : shape.stride[2]},
           {shape.dilation[1], shape.dilation[2]},
           Turned(lanes, shape.images, channels, in[1], in[2]),
           Turned(lanes, shape.images, rows, out[1], out[2]),
           0};
    const Index reach = p.shift[1] * (p.kernel[1] - 1);
    p.source.left = gradient ? reach - shape.padding[2] : shape.padding[2];
    p.source.padded_width =
        std::max((p.width - 1) * p.step[1] + reach + 1, p.source.left + p.source.width);
    if (gradient) {
      p.above = p.shift[0] * (p.kernel[0] - 1) - shape.padding[1];
    } else {
      // Zeros of the padding are elements like others.
      p.source.top = shape.padding[1];
      p.source.padded_height =
          std::max((p.height - 1) * p.step[0] + p.shift[0] * (p.kernel[0] - 1) + 1,
                   p.source.top + p.source.height);
    }
    return p;
  }
  /// The line of x that line h of the result sees through line r of the kernel.
  [[nodiscard]] Index seen(Index h, Index r) const { return h * step[0] + r * shift[0] - above; }
  /// Lines [first, second) of the kernel that see a line of x.
  [[nodiscard]] std::array<Index, 2> lines(Index h) const {
    Index begin = 0;
    Index end = kernel[0];
    while (begin < end && seen(h, begin) < 0) ++begin;
    while (begin < end && seen(h, end - 1) >= source.padded_height) --end;
    return {begin, end};
  }
};

}  // namespace

template <class T>
bool abreast_pays(const ConvShape& shape, bool gradient, const ConvImage<const T>& x) {
  constexpr std::array<Index, 3> kOnes{1, 1, 1};
  if (!is_image(shape) || shape.taps() == 1 || (gradient && shape.stride != kOnes)) return false;
  const Plan p = Plan::make<T>(shape, gradient);
  const Index lanes = p.source.lanes;
  const Index weights = p.channels * p.rows * shape.taps();
  const Index bytes = (p.source.block() + p.result.block()) * static_cast<Index>(sizeof(T));
  if (p.source.left < 0 || weights > kMostWeights || weights < kLeastWork * (p.channels + p.rows) ||
      bytes > kMostBytes || !is_dense(x, gradient ? shape.out : shape.in, p.channels)) {
    return false;
  }
  // Multiply-adds of a vector, of this and with positions in the lanes.
  Index lines = 0;
  for (Index h = 0; h < p.height; ++h) lines += p.lines(h)[1] - p.lines(h)[0];
  const Index own = p.source.blocks * lines * p.width;
  const Index other = shape.images * p.height * p.kernel[0] * ceil_div(p.width, lanes);
  return 4 * own <= 3 * other;
}

template <class T>
void abreast_convolution(const ConvShape& shape, bool gradient, const ConvImage<const T>& x,
                         const T* w, const T* bias, const ConvImage<T>& y,
                         const GemmFinish<T>& finish) {
  const Plan p = Plan::make<T>(shape, gradient);
  const Index lanes = p.source.lanes;
  const Buffer<T> source(p.source.size());

  // Steps of the sum by lines of the kernel: those that see lines of x follow each other.
  const Index taps = shape.taps();
  const Index per_line = p.channels * p.kernel[1];
  const Index depth = p.kernel[0] * per_line;
  const Index tiles = ceil_div(p.rows, kernels::line_tiling<T>().rows);
  const Buffer<T> weights(p.rows * depth);
  const Buffer<Index> offsets(depth);
  for (Index k = 0; k < depth; ++k) {
    const Index r = k / per_line;
    const Index c = k % per_line / p.kernel[1];
    const Index s = k % p.kernel[1];
    offsets.data()[k] =
        c * p.source.plane() + (r * p.shift[0] * p.source.padded_width + s * p.shift[1]) * lanes;
    const Index tap = r * p.kernel[1] + s;
    for (Index t = 0; t < tiles; ++t) {
      const Index begin = kernels::gemm_tile_begin(p.rows, tiles, t);
      const Index end = kernels::gemm_tile_begin(p.rows, tiles, t + 1);
      for (Index m = begin; m < end; ++m) {
        weights.data()[begin * depth + k * (end - begin) + m - begin] =
            gradient ? w[(c * p.rows + m) * taps + taps - 1 - tap]
                     : w[(m * p.channels + c) * taps + tap];
      }
    }
  }
  std::vector<kernels::LineVector> vectors;
  for (Index v = 0; v < p.width; ++v) {
    vectors.push_back({v * p.step[1] * lanes, v * lanes, lanes});
  }

  const Buffer<T> result(p.result.size());
  const Index line = p.width * lanes;
  const auto multiply = [&](Index begin_block, Index end_block) {
    parallel_for(
        (end_block - begin_block) * p.height,
        std::max<Index>(1, kGrainWork / (p.rows * depth * line)), [&](Index begin, Index end) {
          for (Index unit = begin; unit < end; ++unit) {
            const Index block = begin_block + unit / p.height;
            const Index h = unit % p.height;
            const std::array<Index, 2> lines = p.lines(h);
            T* const to = result.data() + block * p.result.block() + h * line;
            for (Index m = 0; lines[0] == lines[1] && m < p.rows; ++m) {
              std::fill_n(to + m * p.result.plane(), line, bias == nullptr ? T(0) : bias[m]);
            }
            for (Index t = 0; lines[0] < lines[1] && t < tiles; ++t) {
              const Index first = kernels::gemm_tile_begin(p.rows, tiles, t);
              kernels::LineProduct<T> product;
              product.source = source.data() + block * p.source.block() +
                               p.seen(h, lines[0]) * p.source.padded_width * lanes;
              product.offsets = offsets.data();
              product.depth = (lines[1] - lines[0]) * per_line;
              product.rows = kernels::gemm_tile_begin(p.rows, tiles, t + 1) - first;
              product.a = weights.data() + first * depth + lines[0] * per_line * product.rows;
              product.bias = bias == nullptr ? nullptr : bias + first;
              product.vectors = vectors.data();
              product.count = p.width;
              product.c = to + first * p.result.plane();
              product.c_stride = p.result.plane();
              kernels::line_product(product);
            }
            for (Index m = 0; finish.function != nullptr && m < p.rows; ++m) {
              finish.function(to + m * p.result.plane(), line, finish.params);
            }
          }
        });
  };
  const auto run = [&](Index begin, Index end) {
    turn_in(p.source, x, begin, end, source.data());
    multiply(begin, end);
    turn_out(p.result, result.data(), begin, end, y);
  };
  // What a thread turned it multiplies, if there are blocks enough.
  if (p.source.blocks >= kManyBlocks) {
    parallel_for(p.source.blocks, 1, run);
  } else {
    run(0, p.source.blocks);
  }
}

template <class T>
Index abreast_bytes(const ConvShape& shape, bool gradient, Index threads) {
  const Plan p = Plan::make<T>(shape, gradient);
  const Index depth = p.channels * shape.taps();
  return (p.source.size() + p.result.size() + p.rows * depth + threads * p.source.plane()) *
             static_cast<Index>(sizeof(T)) +
         depth * static_cast<Index>(sizeof(Index));
}

namespace {

/// How a weight gradient sees x and dy.
struct GradientPlan {
  Turned x, dy;
  Index rows;   ///< (channel, tap)
  Index parts;  ///< of the blocks, each with sums of its own
  Index sums;   ///< elements of those

  template <class T>
  static GradientPlan make(const ConvShape& shape) {
    const Index lanes = lanes_of<T>();
    GradientPlan p{Turned(lanes, shape.images, shape.in_channels, shape.in[1], shape.in[2]),
                   Turned(lanes, shape.images, shape.out_channels, shape.out[1], shape.out[2]),
                   shape.in_channels * shape.taps(), 1, 0};
    p.x.top = shape.padding[1];
    p.x.left = shape.padding[2];
    const auto seen = [&](std::size_t a) {
      return (shape.out[a] - 1) * shape.stride[a] + shape.dilation[a] * (shape.kernel[a] - 1) + 1;
    };
    p.x.padded_height = std::max(seen(1), p.x.top + p.x.height);
    p.x.padded_width = std::max(seen(2), p.x.left + p.x.width);
    p.sums = p.rows * shape.out_channels * lanes;
    p.parts = std::clamp<Index>(kMostSums / p.sums, 1, std::min(p.x.blocks, kMostParts));
    return p;
  }
};

}  // namespace

template <class T>
bool abreast_gradient_pays(const ConvShape& shape, const ConvImage<const T>& dy,
                           const ConvImage<const T>& x) {
  if (!is_image(shape) || shape.taps() == 1 || shape.out_channels > kMostOutputs) return false;
  const GradientPlan p = GradientPlan::make<T>(shape);
  const Index bytes = (p.x.block() + p.dy.block()) * static_cast<Index>(sizeof(T));
  // A sixteenth of the lanes may be empty.
  return 16 * (p.x.blocks * p.x.lanes - shape.images) <= p.x.blocks * p.x.lanes &&
         p.rows * shape.out_channels <= kMostWeights && bytes <= kMostBytes &&
         is_dense(dy, shape.out, shape.out_channels) && is_dense(x, shape.in, shape.in_channels);
}

template <class T>
void abreast_weight_gradient(const ConvShape& shape, const ConvImage<const T>& dy,
                             const ConvImage<const T>& x, T* dw) {
  const GradientPlan p = GradientPlan::make<T>(shape);
  const Index lanes = p.x.lanes;
  const Buffer<T> x_turned(p.x.size());
  const Buffer<T> dy_turned(p.dy.size());
  std::vector<kernels::LineVector> vectors;
  for (Index h = 0; h < shape.out[1]; ++h) {
    for (Index v = 0; v < shape.out[2]; ++v) {
      vectors.push_back({(h * shape.stride[1] * p.x.padded_width + v * shape.stride[2]) * lanes,
                         (h * shape.out[2] + v) * lanes, lanes});
    }
  }
  const Buffer<T> sums(p.parts * p.sums);
  parallel_for(p.parts, 1, [&](Index begin, Index end) {
    std::vector<const T*> seen(static_cast<std::size_t>(p.rows));
    for (Index part = begin; part < end; ++part) {
      T* const own = sums.data() + part * p.sums;
      std::fill_n(own, p.sums, T(0));
      const Index last = p.x.blocks * (part + 1) / p.parts;
      for (Index block = p.x.blocks * part / p.parts; block < last; ++block) {
        turn_in(p.x, x, block, block + 1, x_turned.data());
        turn_in(p.dy, dy, block, block + 1, dy_turned.data());
        for (Index row = 0; row < p.rows; ++row) {
          const Index tap = row % shape.taps();
          seen[static_cast<std::size_t>(row)] =
              x_turned.data() + block * p.x.block() + row / shape.taps() * p.x.plane() +
              (tap / shape.kernel[2] * shape.dilation[1] * p.x.padded_width +
               tap % shape.kernel[2] * shape.dilation[2]) *
                  lanes;
        }
        kernels::LineSums<T> product;
        product.rows = seen.data();
        product.count = p.rows;
        product.b = dy_turned.data() + block * p.dy.block();
        product.b_stride = p.dy.plane();
        product.columns = shape.out_channels;
        product.sums = own;
        const auto count = static_cast<Index>(vectors.size());
        for (Index v = 0; v < count; v += kSummedPositions) {
          product.vectors = vectors.data() + v;
          product.vector_count = std::min(kSummedPositions, count - v);
          kernels::line_sums(product);
        }
      }
    }
  });
  finish_line_sums(sums.data(), p.parts, p.rows, shape.out_channels, lanes, dw);
}

template <class T>
Index abreast_gradient_bytes(const ConvShape& shape, Index threads) {
  const GradientPlan p = GradientPlan::make<T>(shape);
  return (p.x.size() + p.dy.size() + p.parts * p.sums + threads * p.x.plane()) *
             static_cast<Index>(sizeof(T)) +
         p.dy.plane() / p.dy.lanes * static_cast<Index>(sizeof(kernels::LineVector));
}

#define LAMINA_INSTANTIATE(T)                                                                    \
  template bool abreast_pays(const ConvShape&, bool, const ConvImage<const T>&);                 \
  template void abreast_convolution(const ConvShape&, bool, const ConvImage<const T>&, const T*, \
                                    const T*, const ConvImage<T>&, const GemmFinish<T>&);        \
  template Index abreast_bytes<T>(const ConvShape&, bool, Index);                                \
  template bool abreast_gradient_pays(const ConvShape&, const ConvImage<const T>&,               \
                                      const ConvImage<const T>&);                                \
  template void abreast_weight_gradient(const ConvShape&, const ConvImage<const T>&,             \
                                        const ConvImage<const T>&, T*);                          \
  template Index abreast_gradient_bytes<T>(const ConvShape&, Index);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
