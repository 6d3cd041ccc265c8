#include "nn/winograd.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "kernels/gemm.hpp"
#include "kernels/winograd.hpp"
#include "lamina/core/parallel.hpp"

namespace lamina::nn::detail {

namespace {

using kernels::kWinogradChannels;
using kernels::winograd_points;

// Tiles whose products are computed together: what is transformed should stay in the L2, while the
// 36 matrix products want some rows.
constexpr Index kTiles = 56;
// Of many channels the products outweigh what leaves the L2.
constexpr Index kManyTiles = 112;
constexpr Index kManyChannels = 128;
// Least channels, and tiles of all images: transforming the weights must pay.
constexpr Index kLeastChannels = 32;
constexpr Index kLeastTiles = 12;
// Extents of the result up to which too much of a tile is thrown away.
constexpr Index kLeastExtent = 4;
// Elements and weights above this might overflow in a transform.
constexpr double kLargest = 1e14;
// Elements that a thread looks through at once.
constexpr Index kCheckGrain = Index{1} << 16;
// Elements between the matrices of two points: without them the 36 would share a set of the L1.
constexpr Index kSpread = 16;
// The transformed weights come in units of so many channels of the input, for one panel of the
// output: a unit stays in the L2 beside the tiles. Small tiles have fewer points, and go deeper.
constexpr Index kDepth = 64;
constexpr Index kSmallTileDepth = 128;
template <class T>
constexpr Index kPanel = 128 / static_cast<Index>(sizeof(T));
// Blocks from which on each is one thread's. Fewer are cut: by rows of tiles, points, and rows
// again.
constexpr Index kManyBlocks = 4;
// Rows of tiles of a block that a thread transforms together: neighbors share two lines of six.
constexpr Index kRowsTogether = 2;

struct Tiling {
  Index tile;
  Index rows, columns;  ///< tiles of an image
  Index all_rows;       ///< rows of tiles of all images
  Index blocks;         ///< of nearly equal numbers of rows of tiles

  explicit Tiling(const WinogradProblem& p)
      : tile(p.tile),
        rows(ceil_div(p.out_height, tile)),
        columns(ceil_div(p.out_width, tile)),
        all_rows(p.images * rows) {
    const Index wanted =
        std::min(p.in_channels, p.out_channels) >= kManyChannels ? kManyTiles : kTiles;
    blocks = ceil_div(all_rows, std::clamp<Index>(wanted / columns, 1, all_rows));
    // An even number, as one odd block more would leave half of two threads idle.
    if (blocks > 1 && blocks < all_rows) blocks += blocks % 2;
  }
  [[nodiscard]] Index block_begin(Index block) const { return all_rows * block / blocks; }
  [[nodiscard]] Index block_tiles() const { return ceil_div(all_rows, blocks) * columns; }
  /// Columns of the input that a row of tiles sees.
  [[nodiscard]] Index input_columns() const { return tile * columns + 2; }
};

struct Workspace {
  Index tile;
  Index transformed, products;  ///< from one point to the next
  Index input_row, output_row;

  Workspace(const WinogradProblem& p, const Tiling& tiling)
      : tile(tiling.tile),
        transformed(tiling.block_tiles() * p.in_channels + kSpread),
        products(tiling.block_tiles() * p.out_channels + kSpread),
        input_row(tiling.input_columns() * p.in_channels),
        output_row(tile * tiling.columns * p.out_channels) {}
  [[nodiscard]] Index matrices() const { return winograd_points(tile) * (transformed + products); }
  /// Lines of the image around a row of tiles, in or out: for each thread.
  [[nodiscard]] Index lines() const { return std::max((tile + 2) * input_row, tile * output_row); }
};

/// True if all n elements of each of `lines` lines, `distance` apart, may be transformed.
template <class T>
bool within(const T* x, Index lines, Index distance, Index n) {
  std::atomic<bool> all{true};
  parallel_for(lines, std::max<Index>(1, kCheckGrain / std::max<Index>(1, n)),
               [&](Index begin, Index end) {
                 for (Index i = begin; i < end && all.load(std::memory_order_relaxed); ++i) {
                   if (!kernels::all_within(x + i * distance, n, static_cast<T>(kLargest))) {
                     all.store(false, std::memory_order_relaxed);
                   }
                 }
               });
  return all;
}

template <class T>
bool finite(const WinogradProblem& p, const ConvImage<const T>& x) {
  const bool last = x.channel_stride == 1;
  const Index lines = last ? p.in_height : p.in_channels;
  const Index distance = last ? x.strides[1] : x.channel_stride;
  const Index length = p.in_width * (last ? p.in_channels : p.in_height);
  for (Index n = 0; n < p.images; ++n) {
    if (!within(x.data + n * x.image_stride, lines, distance, length)) return false;
  }
  return true;
}

/// The weights as they are multiplied: in units, each of which has for each point a matrix of
/// `depth` channels of the input by `width` channels of the output.
template <class T>
class Units {
 public:
  Units(const WinogradProblem& problem, const T* weights)
      : p_(problem), weights_(weights), deepest_(problem.tile == 2 ? kSmallTileDepth : kDepth) {}

  [[nodiscard]] Index panels() const { return ceil_div(p_.out_channels, kPanel<T>); }
  [[nodiscard]] Index stretches() const { return ceil_div(p_.in_channels, deepest_); }
  [[nodiscard]] Index first_channel(Index stretch) const { return stretch * deepest_; }
  [[nodiscard]] Index width(Index panel) const {
    return std::min(kPanel<T>, p_.out_channels - panel * kPanel<T>);
  }
  [[nodiscard]] Index depth(Index stretch) const {
    return std::min(deepest_, p_.in_channels - first_channel(stretch));
  }
  /// Elements of a unit, and from the matrix of one point to the next.
  [[nodiscard]] Index size() const { return winograd_points(p_.tile) * pitch(); }
  [[nodiscard]] Index pitch() const { return deepest_ * kPanel<T> + kSpread; }
  [[nodiscard]] Index all() const { return panels() * stretches() * size(); }

  /// False: a weight is not finite or too large, and what is in `out` is of no use.
  [[nodiscard]] bool transform_all(T* out) const {
    std::atomic<bool> fit{true};
    parallel_for(panels() * stretches(), 1, [&](Index begin, Index end) {
      for (Index i = begin; i < end && fit.load(std::memory_order_relaxed); ++i) {
        if (!transform(i / stretches(), i % stretches(), out + i * size())) {
          fit.store(false, std::memory_order_relaxed);
        }
      }
    });
    return fit.load(std::memory_order_relaxed);
  }

  /// The same of one unit. Weights are looked at where they are read anyway.
  [[nodiscard]] bool transform(Index panel, Index stretch, T* unit) const {
    // (out, in, 9), or (in, out, 9).
    const Index output_stride = p_.gradient ? 9 : p_.in_channels * 9;
    const Index channel_stride = p_.gradient ? p_.out_channels * 9 : 9;
    return kernels::winograd_weights(kernels::WinogradWeights<T>{
        .tile = p_.tile,
        .weights =
            weights_ + panel * kPanel<T> * output_stride + first_channel(stretch) * channel_stride,
        .output_stride = output_stride,
        .channel_stride = channel_stride,
        .outputs = width(panel),
        .channels = depth(stretch),
        .flipped = p_.gradient,
        .out = unit,
        .out_stride = pitch(),
        .limit = static_cast<T>(kLargest)});
  }

 private:
  const WinogradProblem& p_;
  const T* weights_;
  Index deepest_;
};

template <class T>
class Convolution {
 public:
  Convolution(const WinogradProblem& problem, const ConvImage<const T>& x, const T* weights,
              const T* transformed, const T* bias, const ConvImage<T>& y,
              const GemmFinish<T>& finish)
      : p_(problem),
        x_(x),
        units_(p_, weights),
        transformed_(transformed),
        bias_(bias),
        y_(y),
        finish_(finish),
        tiling_(p_),
        size_(p_, tiling_) {}

  /// False, and nothing written, where a weight is not finite or too large.
  [[nodiscard]] bool run() {
    if (tiling_.blocks > 1 && transformed_ == nullptr) {
      all_ = Buffer<T>(units_.all());
      if (!units_.transform_all(all_.data())) return false;
      transformed_ = all_.data();
    }
    if (transformed_ == nullptr) return run_block(0);
    if (tiling_.blocks >= kManyBlocks) {
      parallel_for(tiling_.blocks, 1, [&](Index begin, Index end) {
        for (Index block = begin; block < end; ++block) (void)run_block(block);
      });
    } else {
      for (Index block = 0; block < tiling_.blocks; ++block) (void)run_block(block);
    }
    return true;
  }

 private:
  /// False as above; with transformed weights it is always true.
  bool run_block(Index block) const {
    const Index first = tiling_.block_begin(block);
    const Index rows = tiling_.block_begin(block + 1) - first;
    Buffer<T> workspace(size_.matrices());
    T* const transformed = workspace.data();
    T* const products = transformed + winograd_points(p_.tile) * size_.transformed;
    parallel_for(rows, kRowsTogether,
                 [&](Index begin, Index end) { transform_rows(first, begin, end, transformed); });
    const Index tiles = rows * tiling_.columns;
    if (transformed_ != nullptr) {
      // The tiles of a point stay in the L1, where they meet all of its weights.
      parallel_for(winograd_points(p_.tile), 1, [&](Index begin, Index end) {
        for (Index point = begin; point < end; ++point) {
          for (Index i = 0; i < units_.panels() * units_.stretches(); ++i) {
            const T* const unit = transformed_ + i * units_.size();
            multiply(point, tiles, i / units_.stretches(), i % units_.stretches(), transformed,
                     unit, unit + units_.size() + point * units_.pitch(), products);
          }
        }
      });
    } else {
      // Each unit is used once. One that is transformed here never leaves the L2.
      std::atomic<bool> fit{true};
      parallel_for(units_.panels(), 1, [&](Index begin, Index end) {
        Buffer<T> room(units_.size());
        T* const unit = room.data();
        for (Index i = begin * units_.stretches(); i < end * units_.stretches(); ++i) {
          const Index panel = i / units_.stretches();
          const Index stretch = i % units_.stretches();
          if (!fit.load(std::memory_order_relaxed)) return;
          if (!units_.transform(panel, stretch, unit)) {
            fit.store(false, std::memory_order_relaxed);
            return;
          }
          for (Index point = 0; point < winograd_points(p_.tile); ++point) {
            multiply(point, tiles, panel, stretch, transformed, unit, nullptr, products);
          }
        }
      });
      if (!fit.load(std::memory_order_relaxed)) return false;
    }
    parallel_for(rows, kRowsTogether,
                 [&](Index begin, Index end) { write_rows(first, begin, end, products); });
    return true;
  }

  /// Meanwhile the matrix at `next` is fetched: there may be none.
  void multiply(Index point, Index tiles, Index panel, Index stretch, const T* transformed,
                const T* unit, const T* next, T* products) const {
    const Index depth = units_.depth(stretch);
    const Index width = units_.width(panel);
    const MatrixRef<T> a{transformed + point * size_.transformed + units_.first_channel(stretch),
                         tiles, depth, p_.in_channels, 1};
    const T* const b = unit + point * units_.pitch();
    T* const c = products + point * size_.products + panel * kPanel<T>;
    if (width != tiling_gemm_.nr) {
      GemmOptions<T> options;
      options.beta = stretch == 0 ? T(0) : T(1);
      gemm<T>(a, MatrixRef<T>{b, depth, width, width, 1}, c, p_.out_channels, 1, options);
      return;
    }
    // The matrix is a packed panel as it is.
    kernels::GemmBlock<T> block;
    block.m = tiles;
    block.tiles = ceil_div(tiles, tiling_gemm_.mr);
    block.tile_end = block.tiles;
    block.n = width;
    block.k = depth;
    block.a = a.data;
    block.a_row_stride = p_.in_channels;
    block.a_col_stride = 1;
    block.b = b;
    block.b_panel_stride = width * depth;
    block.next_b = next;
    block.c = c;
    block.c_row_stride = p_.out_channels;
    block.beta = stretch == 0 ? T(0) : T(1);
    kernels::gemm_block(block);
  }

  /// Rows [begin, end) of tiles, counted from row `first` of all images.
  void transform_rows(Index first, Index begin, Index end, T* transformed) const {
    const Index side = p_.tile + 2;
    Buffer<T> room(side * size_.input_row);
    std::array<T*, 6> lines{};
    for (Index i = 0; i < side; ++i) {
      lines[static_cast<std::size_t>(i)] = room.data() + i * size_.input_row;
    }
    for (Index r = begin; r < end; ++r) {
      const Index tile_row = (first + r) % tiling_.rows;
      // Two lines are those of the row of tiles above.
      const bool follows = r > begin && tile_row > 0;
      if (follows) std::rotate(lines.begin(), lines.begin() + p_.tile, lines.begin() + side);
      for (Index i = follows ? 2 : 0; i < side; ++i) {
        read_line((first + r) / tiling_.rows, tile_row * p_.tile + i - p_.padding_height,
                  lines[static_cast<std::size_t>(i)]);
      }
      kernels::WinogradInput<T> input;
      input.tile = p_.tile;
      std::copy(lines.begin(), lines.end(), input.rows.begin());
      input.tiles = tiling_.columns;
      input.channels = p_.in_channels;
      input.out = transformed + r * tiling_.columns * p_.in_channels;
      input.out_stride = size_.transformed;
      kernels::winograd_input(input);
    }
  }

  void write_rows(Index first, Index begin, Index end, const T* products) const {
    Buffer<T> lines(p_.tile * size_.output_row);
    for (Index r = begin; r < end; ++r) {
      kernels::WinogradOutput<T> output;
      output.tile = p_.tile;
      output.products = products + r * tiling_.columns * p_.out_channels;
      output.stride = size_.products;
      output.tiles = tiling_.columns;
      output.channels = p_.out_channels;
      output.bias = bias_;
      for (Index i = 0; i < p_.tile; ++i) {
        output.rows[static_cast<std::size_t>(i)] = lines.data() + i * size_.output_row;
      }
      kernels::winograd_output(output);
      const Index top = (first + r) % tiling_.rows * p_.tile;
      for (Index i = 0; i < std::min(p_.tile, p_.out_height - top); ++i) {
        write_line((first + r) / tiling_.rows, top + i, lines.data() + i * size_.output_row);
      }
    }
  }

  /// Line `row` of an image with its padding, channels adjacent.
  void read_line(Index image, Index row, T* to) const {
    const Index columns = tiling_.input_columns();
    const Index channels = p_.in_channels;
    if (row < 0 || row >= p_.in_height) {
      std::fill_n(to, columns * channels, T(0));
      return;
    }
    const T* from = x_.data + image * x_.image_stride + row * x_.strides[1];
    const Index before = p_.padding_width;
    const Index inside = std::min(p_.in_width, columns - before);
    std::fill_n(to, before * channels, T(0));
    if (x_.channel_stride == 1) {
      std::copy_n(from, inside * channels, to + before * channels);
    } else {
      kernels::transpose_lines(from, x_.channel_stride, channels, inside, to + before * channels,
                               channels);
    }
    std::fill(to + (before + inside) * channels, to + columns * channels, T(0));
  }

  void write_line(Index image, Index row, T* from) const {
    T* const to = y_.data + image * y_.image_stride + row * y_.strides[1];
    if (finish_.function != nullptr) {
      finish_.function(from, p_.out_width * p_.out_channels, finish_.params);
    }
    if (y_.channel_stride == 1) {
      std::copy_n(from, p_.out_width * p_.out_channels, to);
    } else {
      kernels::transpose_back(from, p_.out_channels, p_.out_channels, p_.out_width, to,
                              y_.channel_stride);
    }
  }

  const WinogradProblem& p_;
  const ConvImage<const T>& x_;
  Units<T> units_;
  const T* transformed_;  ///< all units, if there are several blocks of tiles or they are at hand
  Buffer<T> all_;
  const T* bias_;
  const ConvImage<T>& y_;
  const GemmFinish<T>& finish_;
  Tiling tiling_;
  Workspace size_;
  kernels::GemmTiling tiling_gemm_ = kernels::gemm_tiling<T>();
};

Index tiles_of(const WinogradProblem& p) {
  return p.images * ceil_div(p.out_height, p.tile) * ceil_div(p.out_width, p.tile);
}

}  // namespace

WinogradProblem winograd_problem(const ConvShape& shape, bool gradient) {
  constexpr std::array<Index, 3> kOnes{1, 1, 1};
  const bool three = shape.kernel == std::array<Index, 3>{1, 3, 3} && shape.in[0] == 1;
  WinogradProblem problem;
  problem.images = 0;
  if (!shape.winograd || !three || shape.groups != 1 || shape.stride != kOnes ||
      shape.dilation != kOnes || shape.padding[1] > 2 || shape.padding[2] > 2) {
    return problem;
  }
  problem.images = shape.images;
  problem.gradient = gradient;
  const auto& from = gradient ? shape.out : shape.in;
  const auto& to = gradient ? shape.in : shape.out;
  problem.in_channels = gradient ? shape.out_channels : shape.in_channels;
  problem.out_channels = gradient ? shape.in_channels : shape.out_channels;
  problem.in_height = from[1];
  problem.in_width = from[2];
  problem.out_height = to[1];
  problem.out_width = to[2];
  problem.padding_height = gradient ? 2 - shape.padding[1] : shape.padding[1];
  problem.padding_width = gradient ? 2 - shape.padding[2] : shape.padding[2];
  if (tiles_of(problem) < kLeastTiles) problem.tile = 2;
  return problem;
}

bool winograd_pays(const WinogradProblem& p) {
  if (p.images == 0) return false;
  return p.in_channels >= kLeastChannels && p.out_channels >= kLeastChannels &&
         p.in_channels % kWinogradChannels == 0 && p.out_channels % kWinogradChannels == 0 &&
         std::min(p.out_height, p.out_width) > kLeastExtent && tiles_of(p) >= kLeastTiles;
}

template <class T>
Index winograd_bytes(const WinogradProblem& p, Index threads) {
  const Tiling tiling(p);
  const Index at_once = tiling.blocks >= kManyBlocks ? std::min(threads, tiling.blocks) : 1;
  const Workspace size(p, tiling);
  const Units<T> units(p, nullptr);
  const Index each = std::max(size.lines(), units.size());
  const Index all = tiling.blocks > 1 ? units.all() : 0;
  return (all + at_once * size.matrices() + threads * each) * static_cast<Index>(sizeof(T));
}

template <class T>
Buffer<T> winograd_transformed(const WinogradProblem& problem, const T* weights) {
  const Units<T> units(problem, weights);
  Buffer<T> transformed(units.all());
  return units.transform_all(transformed.data()) ? std::move(transformed) : Buffer<T>();
}

template <class T>
bool winograd_convolution(const WinogradProblem& problem, const ConvImage<const T>& x,
                          const T* weights, const T* transformed, const T* bias,
                          const ConvImage<T>& y, const GemmFinish<T>& finish) {
  return finite(problem, x) &&
         Convolution<T>(problem, x, weights, transformed, bias, y, finish).run();
}

#define LAMINA_INSTANTIATE(T)                                                                     \
  template Index winograd_bytes<T>(const WinogradProblem&, Index);                                \
  template Buffer<T> winograd_transformed(const WinogradProblem&, const T*);                      \
  template bool winograd_convolution(const WinogradProblem&, const ConvImage<const T>&, const T*, \
                                     const T*, const T*, const ConvImage<T>&,                     \
                                     const GemmFinish<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
