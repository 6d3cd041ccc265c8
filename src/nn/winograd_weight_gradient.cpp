#include "nn/winograd_weight_gradient.hpp"

#include <algorithm>
#include <array>
#include <atomic>

#include "kernels/gemm.hpp"
#include "kernels/winograd.hpp"
#include "kernels/winograd_gradient.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/winograd.hpp"

namespace lamina::nn::detail {

namespace {

// Results of a tile, lines that it sees, and its products.
constexpr Index kTile = 4;
constexpr Index kSide = kTile + 2;
constexpr Index kPoints = kernels::winograd_points(kTile);
// Least channels, and tiles of all images, whose products must pay for the sums of all points.
constexpr Index kLeastChannels = 32;
constexpr Index kLeastTiles = 48;
// Extents of dy up to which too much of a tile is thrown away.
constexpr Index kLeastExtent = 4;
// Elements above this might overflow in a transform.
constexpr double kLargest = 1e14;
// Bytes of the sums of all points up to which each part of the images has sums of its own, and
// these parts: then what a thread transforms it multiplies.
constexpr Index kOwnSums = Index{1} << 20;
constexpr Index kMostParts = 8;
// Tiles whose products are computed together: the depth of a product, whose factors should stay in
// the L2.
constexpr Index kTiles = 112;
// Elements between the matrices of two points, and behind the outputs of a tile: powers of two
// would share a few sets of the L1.
constexpr Index kSpread = 16;
// Rows of tiles that a thread transforms together: neighbors share two lines of x.
constexpr Index kRowsTogether = 2;
// Elements of dw that a thread takes at once.
constexpr Index kSumsGrain = Index{1} << 14;

/// How the work is cut.
struct Plan {
  Index rows, columns;  ///< tiles of an image
  Index all_rows;       ///< rows of tiles of all images
  Index parts;          ///< of the rows of tiles, each with sums of its own
  Index block;          ///< rows of tiles whose products are computed together

  template <class T>
  static Plan make(const ConvShape& shape) {
    Plan p{};
    p.rows = ceil_div(shape.out[1], kTile);
    p.columns = ceil_div(shape.out[2], kTile);
    p.all_rows = shape.images * p.rows;
    const Index sums =
        kPoints * shape.out_channels * shape.in_channels * static_cast<Index>(sizeof(T));
    const bool own = sums <= kOwnSums;
    const Index wanted = std::max<Index>(1, kTiles / p.columns);
    p.parts = own ? std::min(kMostParts, ceil_div(p.all_rows, wanted)) : 1;
    const Index in_part = ceil_div(p.all_rows, p.parts);
    p.block = ceil_div(in_part, ceil_div(in_part, wanted));
    return p;
  }
  [[nodiscard]] Index part_begin(Index part) const { return all_rows * part / parts; }
};

/// Elements of the workspace of a part.
struct Workspace {
  Index x, dy;            ///< from one point to the next of what is transformed
  Index x_line, dy_line;  ///< lines of an image
  Index sums;             ///< from one point to the next
  Index dy_row;           ///< from tile to tile

  Workspace(const ConvShape& shape, const Plan& plan)
      : x(plan.block * plan.columns * shape.in_channels + kSpread),
        dy(plan.block * plan.columns * (shape.out_channels + kSpread) + kSpread),
        x_line((kTile * plan.columns + 2) * shape.in_channels),
        dy_line(kTile * plan.columns * shape.out_channels),
        sums(shape.out_channels * shape.in_channels + kSpread),
        dy_row(shape.out_channels + kSpread) {}
  [[nodiscard]] Index transformed() const { return kPoints * (x + dy); }
  /// Of each thread.
  [[nodiscard]] Index lines() const { return kSide * x_line + kTile * dy_line; }
};

template <class T>
class WeightGradient {
 public:
  WeightGradient(const ConvShape& shape, const ConvImage<const T>& dy, const ConvImage<const T>& x)
      : shape_(shape), dy_(dy), x_(x), plan_(Plan::make<T>(shape)), size_(shape, plan_) {}

  bool run(T* dw) {
    const Buffer<T> sums(plan_.parts * kPoints * size_.sums);
    if (plan_.parts == 1) {
      run_part(0, sums.data());
    } else {
      parallel_for(plan_.parts, 1, [&](Index begin, Index end) {
        for (Index part = begin; part < end; ++part) {
          run_part(part, sums.data() + part * kPoints * size_.sums);
        }
      });
    }
    if (!finite_.load(std::memory_order_relaxed)) return false;
    const Index channels = shape_.in_channels;
    parallel_for(shape_.out_channels, std::max<Index>(1, kSumsGrain / (9 * channels)),
                 [&](Index begin, Index end) {
                   const Buffer<T> taps(9 * channels);
                   for (Index o = begin; o < end; ++o) {
                     kernels::WinogradSums<T> last;
                     last.sums = sums.data() + o * channels;
                     last.stride = size_.sums;
                     last.parts = plan_.parts;
                     last.part_stride = kPoints * size_.sums;
                     last.channels = channels;
                     last.out = taps.data();
                     last.out_stride = channels;
                     kernels::winograd_sums(last);
                     kernels::transpose_back(taps.data(), channels, channels, 9,
                                             dw + o * channels * 9, 9);
                   }
                 });
    return true;
  }

 private:
  void run_part(Index part, T* sums) {
    const Buffer<T> transformed(size_.transformed());
    T* const dy = transformed.data() + kPoints * size_.x;
    const Index first = plan_.part_begin(part);
    const Index last = plan_.part_begin(part + 1);
    for (Index row = first; row < last; row += plan_.block) {
      const Index rows = std::min(plan_.block, last - row);
      parallel_for(rows, kRowsTogether, [&](Index begin, Index end) {
        transform(row, begin, end, transformed.data(), dy);
      });
      // What is not finite goes the other way.
      if (!finite_.load(std::memory_order_relaxed)) return;
      parallel_for(kPoints, 1, [&](Index begin, Index end) {
        const Buffer<T> panel(tiling_.nr * rows * plan_.columns);
        for (Index point = begin; point < end; ++point) {
          multiply(rows * plan_.columns, dy + point * size_.dy,
                   transformed.data() + point * size_.x, row > first, panel.data(),
                   sums + point * size_.sums);
        }
      });
    }
  }

  /// sums (O, C) = or += dy^T (O, tiles) * x (tiles, C).
  void multiply(Index tiles, const T* dy, const T* x, bool adds, T* panel, T* sums) const {
    kernels::GemmBlock<T> block;
    block.m = shape_.out_channels;
    block.tiles = ceil_div(block.m, tiling_.mr);
    block.tile_end = block.tiles;
    block.n = shape_.in_channels;
    block.k = tiles;
    block.a = dy;
    block.a_row_stride = 1;
    block.a_col_stride = size_.dy_row;
    block.b = x;
    block.b_row_stride = shape_.in_channels;
    block.b_col_stride = 1;
    block.panel = panel;
    block.c = sums;
    block.c_row_stride = shape_.in_channels;
    block.beta = adds ? T(1) : T(0);
    kernels::gemm_block(block);
  }

  /// Rows [begin, end) of tiles, counted from row `first` of all images.
  void transform(Index first, Index begin, Index end, T* x_out, T* dy_out) {
    const Buffer<T> room(size_.lines());
    std::array<T*, kSide> x_lines{};
    std::array<T*, kTile> dy_lines{};
    for (Index i = 0; i < kSide; ++i) {
      x_lines[static_cast<std::size_t>(i)] = room.data() + i * size_.x_line;
    }
    for (Index i = 0; i < kTile; ++i) {
      dy_lines[static_cast<std::size_t>(i)] =
          room.data() + kSide * size_.x_line + i * size_.dy_line;
    }
    bool finite = true;
    for (Index r = begin; r < end; ++r) {
      const Index image = (first + r) / plan_.rows;
      const Index row = (first + r) % plan_.rows;
      // Two lines of x are those of the row of tiles above.
      const bool follows = r > begin && row > 0;
      if (follows) {
        std::rotate(x_lines.begin(), x_lines.begin() + kTile, x_lines.begin() + kSide);
      }
      for (Index i = follows ? 2 : 0; i < kSide; ++i) {
        finite &= read_line(x_, image, shape_.in_channels, shape_.in,
                            row * kTile + i - shape_.padding[1], shape_.padding[2],
                            kTile * plan_.columns + 2, x_lines[static_cast<std::size_t>(i)]);
      }
      kernels::WinogradInput<T> input;
      input.tile = kTile;
      std::copy(x_lines.begin(), x_lines.end(), input.rows.begin());
      input.tiles = plan_.columns;
      input.channels = shape_.in_channels;
      input.out = x_out + r * plan_.columns * shape_.in_channels;
      input.out_stride = size_.x;
      kernels::winograd_input(input);
      for (Index i = 0; i < kTile; ++i) {
        finite &= read_line(dy_, image, shape_.out_channels, shape_.out, row * kTile + i, 0,
                            kTile * plan_.columns, dy_lines[static_cast<std::size_t>(i)]);
      }
      kernels::WinogradGradient<T> gradient;
      std::copy(dy_lines.begin(), dy_lines.end(), gradient.rows.begin());
      gradient.tiles = plan_.columns;
      gradient.channels = shape_.out_channels;
      gradient.out = dy_out + r * plan_.columns * size_.dy_row;
      gradient.out_stride = size_.dy;
      gradient.out_row = size_.dy_row;
      kernels::winograd_gradient(gradient);
    }
    if (!finite) finite_.store(false, std::memory_order_relaxed);
  }

  /// Line `row` of an image with `before` columns of padding, channels adjacent, `columns` in all.
  /// False: not all of it may be transformed.
  static bool read_line(const ConvImage<const T>& image, Index n, Index channels,
                        const std::array<Index, 3>& extents, Index row, Index before, Index columns,
                        T* to) {
    if (row < 0 || row >= extents[1]) {
      std::fill_n(to, columns * channels, T(0));
      return true;
    }
    const T* const from = image.data + n * image.image_stride + row * image.strides[1];
    const Index inside = std::min(extents[2], columns - before);
    std::fill_n(to, before * channels, T(0));
    T* const at = to + before * channels;
    if (image.channel_stride == 1) {
      std::copy_n(from, inside * channels, at);
    } else {
      kernels::transpose_lines(from, image.channel_stride, channels, inside, at, channels);
    }
    std::fill(at + inside * channels, to + columns * channels, T(0));
    return kernels::all_within(at, inside * channels, static_cast<T>(kLargest));
  }

  const ConvShape& shape_;
  const ConvImage<const T>& dy_;
  const ConvImage<const T>& x_;
  Plan plan_;
  Workspace size_;
  kernels::GemmTiling tiling_ = kernels::gemm_tiling<T>();
  std::atomic<bool> finite_{true};
};

/// Whether the channels or the columns of an image are adjacent.
template <class T>
bool is_plain(const ConvImage<const T>& image, Index channels) {
  return image.channel_stride == 1 ? image.strides[2] == channels : image.strides[2] == 1;
}

}  // namespace

bool winograd_gradient_pays(const ConvShape& shape) {
  const WinogradProblem p = winograd_problem(shape, false);
  if (p.images == 0) return false;
  const Index tiles = p.images * ceil_div(p.out_height, kTile) * ceil_div(p.out_width, kTile);
  return p.in_channels >= kLeastChannels && p.out_channels >= kLeastChannels &&
         p.in_channels % kernels::kWinogradChannels == 0 &&
         p.out_channels % kernels::kWinogradChannels == 0 &&
         std::min(p.out_height, p.out_width) > kLeastExtent && tiles >= kLeastTiles;
}

template <class T>
bool winograd_weight_gradient(const ConvShape& shape, const ConvImage<const T>& dy,
                              const ConvImage<const T>& x, T* dw) {
  return is_plain(dy, shape.out_channels) && is_plain(x, shape.in_channels) &&
         WeightGradient<T>(shape, dy, x).run(dw);
}

template <class T>
Index winograd_gradient_bytes(const ConvShape& shape, Index threads) {
  const Plan plan = Plan::make<T>(shape);
  const Workspace size(shape, plan);
  const Index panel = kernels::gemm_tiling<T>().nr * plan.block * plan.columns;
  const Index elements = plan.parts * kPoints * size.sums +
                         std::min(plan.parts, threads) * size.transformed() +
                         threads * std::max(size.lines(), panel);
  return elements * static_cast<Index>(sizeof(T));
}

#define LAMINA_INSTANTIATE(T)                                                         \
  template bool winograd_weight_gradient(const ConvShape&, const ConvImage<const T>&, \
                                         const ConvImage<const T>&, T*);              \
  template Index winograd_gradient_bytes<T>(const ConvShape&, Index);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
