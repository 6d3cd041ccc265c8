#include "nn/winograd.hpp"

#include <algorithm>
#include <array>
#include <atomic>

#include "kernels/winograd.hpp"
#include "lamina/core/parallel.hpp"

namespace lamina::nn::detail {

namespace {

using kernels::kWinogradChannels;
using kernels::kWinogradPoints;
using kernels::kWinogradTile;

// Tiles whose products are computed together: what is transformed should stay in the L2, while the
// 36 matrix products want some rows.
constexpr Index kTiles = 56;
// Of many channels the products outweigh what leaves the L2.
constexpr Index kManyTiles = 112;
constexpr Index kManyChannels = 128;
// Least channels, and tiles of all images: transforming the weights must pay.
constexpr Index kLeastChannels = 64;
constexpr Index kLeastTiles = 12;
// Elements and weights above this might overflow in a transform.
constexpr double kLargest = 1e14;
// Elements that a thread looks through at once.
constexpr Index kCheckGrain = Index{1} << 16;
// Elements between the matrices of two points: without them the 36 would share a set of the L1.
constexpr Index kSpread = 16;
// Blocks from which on each is one thread's. Fewer are cut: by rows of tiles, points, and rows
// again.
constexpr Index kManyBlocks = 4;
// Rows of tiles of a block that a thread transforms together: neighbors share two lines of six.
constexpr Index kRowsTogether = 2;

struct Tiling {
  Index rows, columns;  ///< tiles of an image
  Index all_rows;       ///< rows of tiles of all images
  Index blocks;         ///< of nearly equal numbers of rows of tiles

  explicit Tiling(const WinogradProblem& p)
      : rows(ceil_div(p.out_height, kWinogradTile)),
        columns(ceil_div(p.out_width, kWinogradTile)),
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
  [[nodiscard]] Index input_columns() const { return kWinogradTile * columns + 2; }
};

struct Workspace {
  Index transformed, products;  ///< from one point to the next
  Index input_row, output_row;

  Workspace(const WinogradProblem& p, const Tiling& tiling)
      : transformed(tiling.block_tiles() * p.in_channels + kSpread),
        products(tiling.block_tiles() * p.out_channels + kSpread),
        input_row(tiling.input_columns() * p.in_channels),
        output_row(kWinogradTile * tiling.columns * p.out_channels) {}
  [[nodiscard]] Index matrices() const { return kWinogradPoints * (transformed + products); }
  /// Lines of the image around a row of tiles, in or out: for each thread.
  [[nodiscard]] Index lines() const { return std::max(6 * input_row, kWinogradTile * output_row); }
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

/// From the transformed weights of one point to those of the next.
Index weights_size(const WinogradProblem& p) {
  return p.in_channels * p.out_channels + kSpread;
}

/// The transformed weights: kWinogradPoints matrices (in_channels, out_channels).
template <class T>
Buffer<T> transform_weights(const WinogradProblem& p, const T* weights) {
  const Index size = weights_size(p);
  Buffer<T> transformed(kWinogradPoints * size);
  const Index grain = std::max<Index>(1, 4096 / p.out_channels);
  parallel_for(p.in_channels, grain, [&](Index begin, Index end) {
    Buffer<T> taps((end - begin) * 9 * p.out_channels);
    if (!p.gradient) {
      // (out, in, 9) to (in, 9, out).
      kernels::transpose_lines(weights + begin * 9, p.in_channels * 9, p.out_channels,
                               (end - begin) * 9, taps.data(), p.out_channels);
    } else {
      // (in, out, 9) to (in, 9, out).
      for (Index c = begin; c < end; ++c) {
        T* const to = taps.data() + (c - begin) * 9 * p.out_channels;
        const T* const from = weights + c * p.out_channels * 9;
        for (Index o = 0; o < p.out_channels; ++o) {
          for (Index t = 0; t < 9; ++t) to[t * p.out_channels + o] = from[o * 9 + t];
        }
      }
    }
    for (Index c = begin; c < end; ++c) {
      kernels::winograd_weights(kernels::WinogradWeights<T>{
          taps.data() + (c - begin) * 9 * p.out_channels, p.out_channels, p.gradient,
          transformed.data() + c * p.out_channels, size});
    }
  });
  return transformed;
}

template <class T>
class Convolution {
 public:
  Convolution(const WinogradProblem& problem, const ConvImage<const T>& x, const T* weights,
              const T* bias, const ConvImage<T>& y, const GemmFinish<T>& finish)
      : p_(problem), x_(x), weights_(weights), bias_(bias), y_(y), finish_(finish), tiling_(p_) {}

  void run() {
    if (tiling_.blocks >= kManyBlocks) {
      parallel_for(tiling_.blocks, 1, [&](Index begin, Index end) {
        for (Index block = begin; block < end; ++block) run_block(block);
      });
    } else {
      for (Index block = 0; block < tiling_.blocks; ++block) run_block(block);
    }
  }

 private:
  void run_block(Index block) const {
    const Index first = tiling_.block_begin(block);
    const Index rows = tiling_.block_begin(block + 1) - first;
    const Index tiles = rows * tiling_.columns;
    const Workspace size(p_, tiling_);
    Buffer<T> workspace(size.matrices());
    T* const transformed = workspace.data();
    T* const products = transformed + kWinogradPoints * size.transformed;
    parallel_for(rows, kRowsTogether, [&](Index begin, Index end) {
      transform_rows(first, begin, end, size, transformed);
    });
    parallel_for(kWinogradPoints, 1, [&](Index begin, Index end) {
      for (Index k = begin; k < end; ++k) {
        const MatrixRef<T> a{transformed + k * size.transformed, tiles, p_.in_channels,
                             p_.in_channels, 1};
        const MatrixRef<T> b{weights_ + k * weights_size(p_), p_.in_channels, p_.out_channels,
                             p_.out_channels, 1};
        gemm<T>(a, b, products + k * size.products, p_.out_channels, 1);
      }
    });
    parallel_for(rows, kRowsTogether,
                 [&](Index begin, Index end) { write_rows(first, begin, end, size, products); });
  }

  /// Rows [begin, end) of tiles, counted from row `first` of all images.
  void transform_rows(Index first, Index begin, Index end, const Workspace& size,
                      T* transformed) const {
    Buffer<T> room(6 * size.input_row);
    std::array<T*, 6> lines{};
    for (std::size_t i = 0; i < 6; ++i) {
      lines[i] = room.data() + static_cast<Index>(i) * size.input_row;
    }
    for (Index r = begin; r < end; ++r) {
      const Index tile_row = (first + r) % tiling_.rows;
      // Two lines are those of the row of tiles above.
      const bool follows = r > begin && tile_row > 0;
      if (follows) std::rotate(lines.begin(), lines.begin() + 4, lines.end());
      for (std::size_t i = follows ? 2 : 0; i < 6; ++i) {
        read_line((first + r) / tiling_.rows,
                  tile_row * kWinogradTile + static_cast<Index>(i) - p_.padding_height, lines[i]);
      }
      kernels::WinogradInput<T> input;
      std::copy(lines.begin(), lines.end(), input.rows.begin());
      input.tiles = tiling_.columns;
      input.channels = p_.in_channels;
      input.out = transformed + r * tiling_.columns * p_.in_channels;
      input.out_stride = size.transformed;
      kernels::winograd_input(input);
    }
  }

  void write_rows(Index first, Index begin, Index end, const Workspace& size,
                  const T* products) const {
    Buffer<T> lines(kWinogradTile * size.output_row);
    for (Index r = begin; r < end; ++r) {
      kernels::WinogradOutput<T> output;
      output.products = products + r * tiling_.columns * p_.out_channels;
      output.stride = size.products;
      output.tiles = tiling_.columns;
      output.channels = p_.out_channels;
      output.bias = bias_;
      for (std::size_t i = 0; i < 4; ++i) {
        output.rows[i] = lines.data() + static_cast<Index>(i) * size.output_row;
      }
      kernels::winograd_output(output);
      const Index top = (first + r) % tiling_.rows * kWinogradTile;
      for (Index i = 0; i < std::min(kWinogradTile, p_.out_height - top); ++i) {
        write_line((first + r) / tiling_.rows, top + i, lines.data() + i * size.output_row);
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
  const T* weights_;
  const T* bias_;
  const ConvImage<T>& y_;
  const GemmFinish<T>& finish_;
  Tiling tiling_;
};

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
  return problem;
}

bool winograd_pays(const WinogradProblem& p) {
  if (p.images == 0) return false;
  const Tiling tiling(p);
  return p.in_channels >= kLeastChannels && p.out_channels >= kLeastChannels &&
         p.in_channels % kWinogradChannels == 0 && p.out_channels % kWinogradChannels == 0 &&
         p.out_height > kWinogradTile && p.out_width > kWinogradTile &&
         tiling.all_rows * tiling.columns >= kLeastTiles;
}

template <class T>
Index winograd_bytes(const WinogradProblem& p, Index threads) {
  const Tiling tiling(p);
  const Index at_once = tiling.blocks >= kManyBlocks ? std::min(threads, tiling.blocks) : 1;
  const Workspace size(p, tiling);
  return (kWinogradPoints * weights_size(p) + at_once * size.matrices() + threads * size.lines()) *
         static_cast<Index>(sizeof(T));
}

template <class T>
bool winograd_convolution(const WinogradProblem& problem, const ConvImage<const T>& x,
                          const T* weights, const T* bias, const ConvImage<T>& y,
                          const GemmFinish<T>& finish) {
  if (!finite(problem, x) ||
      !within(weights, problem.in_channels, problem.out_channels * 9, problem.out_channels * 9)) {
    return false;
  }
  const Buffer<T> transformed = transform_weights(problem, weights);
  Convolution<T>(problem, x, transformed.data(), bias, y, finish).run();
  return true;
}

#define LAMINA_INSTANTIATE(T)                                                                     \
  template Index winograd_bytes<T>(const WinogradProblem&, Index);                                \
  template bool winograd_convolution(const WinogradProblem&, const ConvImage<const T>&, const T*, \
                                     const T*, const ConvImage<T>&, const GemmFinish<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
