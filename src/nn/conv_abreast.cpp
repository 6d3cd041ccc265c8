#include "nn/conv_abreast.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "kernels/direct_conv.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/abreast_product.hpp"
#include "nn/conv_parts.hpp"

namespace lamina::nn::detail {

namespace {

// Multiply-adds that a thread takes at once.
constexpr Index kGrainWork = Index{1} << 18;
// Bytes of the images of a vector, which stay in the L2, and elements of the weights.
constexpr Index kMostBytes = Index{1} << 19;
constexpr Index kMostWeights = Index{1} << 14;
// Outputs of a weight gradient at most: those of more fill vectors themselves.
constexpr Index kMostOutputs = 16;
// Sums of all parts, and parts.
constexpr Index kMostSums = Index{1} << 20;
constexpr Index kMostParts = 16;

}  // namespace

template <class T>
bool abreast_serves(const ConvShape& shape, bool gradient, const ConvImage<const T>& x) {
  constexpr std::array<Index, 3> kOnes{1, 1, 1};
  if (!is_image(shape) || shape.taps() == 1 || (gradient && shape.stride != kOnes)) return false;
  const AbreastPlan p = AbreastPlan::make<T>(shape, gradient);
  const Index weights = p.channels * p.rows * shape.taps();
  const Index bytes = (p.source.block() + p.result.block()) * static_cast<Index>(sizeof(T));
  return p.source.left >= 0 && weights <= kMostWeights && bytes <= kMostBytes &&
         is_dense(x, gradient ? shape.out : shape.in, p.channels);
}

template <class T>
bool abreast_pays(const ConvShape& shape, bool gradient, const ConvImage<const T>& x) {
  if (!abreast_serves(shape, gradient, x)) return false;
  const AbreastPlan p = AbreastPlan::make<T>(shape, gradient);
  if (p.channels * p.rows * shape.taps() < kLeastWork * (p.channels + p.rows)) return false;
  // Multiply-adds of a vector, of this and with positions in the lanes.
  Index lines = 0;
  for (Index h = 0; h < p.height; ++h) lines += p.lines(h)[1] - p.lines(h)[0];
  const Index own = p.source.blocks * lines * p.width;
  const Index other = shape.images * p.height * p.kernel[0] * ceil_div(p.width, p.source.lanes);
  return 4 * own <= 3 * other;
}

template <class T>
void abreast_convolution(const ConvShape& shape, bool gradient, const ConvImage<const T>& x,
                         const T* w, const T* bias, const ConvImage<T>& y,
                         const GemmFinish<T>& finish) {
  const AbreastPlan p = AbreastPlan::make<T>(shape, gradient);
  const Buffer<T> source(p.source.size());
  const AbreastProduct<T> product(p, gradient, w, p.width);
  const Buffer<T> result(p.result.size());
  const Index line = p.result.line();
  const auto multiply = [&](Index begin_block, Index end_block) {
    parallel_for((end_block - begin_block) * p.height,
                 std::max<Index>(1, kGrainWork / (p.rows * p.depth() * line)),
                 [&](Index begin, Index end) {
                   for (Index unit = begin; unit < end; ++unit) {
                     const Index block = begin_block + unit / p.height;
                     const Index h = unit % p.height;
                     T* const to = result.data() + block * p.result.block() + h * line;
                     product.run(source.data() + block * p.source.block(), h, 1, bias, to, line,
                                 p.result.plane());
                     for (Index m = 0; finish.function != nullptr && m < p.rows; ++m) {
                       finish.function(to + m * p.result.plane(), line, finish.params);
                     }
                   }
                 });
  };
  const auto run = [&](Index begin, Index end) {
    turn_in(p.source, x, begin, end, source.data() + begin * p.source.block());
    multiply(begin, end);
    turn_out(p.result, result.data() + begin * p.result.block(), begin, end, y);
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
  const AbreastPlan p = AbreastPlan::make<T>(shape, gradient);
  return (p.source.size() + p.result.size() + threads * p.source.plane()) *
             static_cast<Index>(sizeof(T)) +
         AbreastProduct<T>::bytes(p);
}

namespace {

/// A weight gradient: x and dy are turned as x and y of the forward pass are.
struct GradientPlan {
  AbreastPlan conv;
  Index rows;   ///< (channel, tap)
  Index parts;  ///< of the blocks, each with sums of its own
  Index sums;   ///< elements of those

  template <class T>
  static GradientPlan make(const ConvShape& shape) {
    GradientPlan p{AbreastPlan::make<T>(shape, false), shape.in_channels * shape.taps(), 1, 0};
    p.sums = p.rows * shape.out_channels * p.x().lanes;
    p.parts = std::clamp<Index>(kMostSums / p.sums, 1, std::min(p.x().blocks, kMostParts));
    return p;
  }
  [[nodiscard]] const Turned& x() const { return conv.source; }
  [[nodiscard]] const Turned& dy() const { return conv.result; }
};

}  // namespace

template <class T>
bool abreast_gradient_pays(const ConvShape& shape, const ConvImage<const T>& dy,
                           const ConvImage<const T>& x) {
  if (!is_image(shape) || shape.taps() == 1 || shape.out_channels > kMostOutputs) return false;
  const GradientPlan p = GradientPlan::make<T>(shape);
  const Index bytes = (p.x().block() + p.dy().block()) * static_cast<Index>(sizeof(T));
  // A sixteenth of the lanes may be empty.
  return 16 * (p.x().blocks * p.x().lanes - shape.images) <= p.x().blocks * p.x().lanes &&
         p.rows * shape.out_channels <= kMostWeights && bytes <= kMostBytes &&
         is_dense(dy, shape.out, shape.out_channels) && is_dense(x, shape.in, shape.in_channels);
}

template <class T>
void abreast_weight_gradient(const ConvShape& shape, const ConvImage<const T>& dy,
                             const ConvImage<const T>& x, T* dw) {
  const GradientPlan p = GradientPlan::make<T>(shape);
  const Index lanes = p.x().lanes;
  std::vector<kernels::LineVector> vectors;
  for (Index h = 0; h < shape.out[1]; ++h) {
    for (Index v = 0; v < shape.out[2]; ++v) {
      vectors.push_back({h * shape.stride[1] * p.x().line() + v * shape.stride[2] * lanes,
                         (h * shape.out[2] + v) * lanes, lanes});
    }
  }
  // Lanes are added up where their sums are, in the caches of one core.
  const Index weights = p.rows * shape.out_channels;
  const Buffer<T> parts(p.parts * weights);
  parallel_for(p.parts, 1, [&](Index begin, Index end) {
    const Buffer<T> room(p.x().block() + p.dy().block() + p.sums);
    T* const x_turned = room.data();
    T* const dy_turned = x_turned + p.x().block();
    T* const sums = dy_turned + p.dy().block();
    std::vector<const T*> seen(static_cast<std::size_t>(p.rows));
    see_taps(p.conv, x_turned, seen.data());
    for (Index part = begin; part < end; ++part) {
      const Index begin_block = p.x().blocks * part / p.parts;
      const Index end_block = p.x().blocks * (part + 1) / p.parts;
      for (Index block = begin_block; block < end_block; ++block) {
        turn_in(p.x(), x, block, block + 1, x_turned);
        turn_in(p.dy(), dy, block, block + 1, dy_turned);
        kernels::LineSums<T> product;
        product.rows = seen.data();
        product.count = p.rows;
        product.b = dy_turned;
        product.b_stride = p.dy().plane();
        product.columns = shape.out_channels;
        product.sums = sums;
        sum_positions(product, vectors.data(), static_cast<Index>(vectors.size()),
                      block > begin_block);
      }
      finish_line_sums(sums, 1, p.rows, shape.out_channels, lanes, parts.data() + part * weights);
    }
  });
  sum_parts(parts.data(), p.parts, weights, dw);
}

template <class T>
Index abreast_gradient_parts(const ConvShape& shape) {
  return GradientPlan::make<T>(shape).parts;
}

template <class T>
Index abreast_gradient_bytes(const ConvShape& shape, Index threads) {
  const GradientPlan p = GradientPlan::make<T>(shape);
  const Index at_once = std::min(threads, p.parts);
  return (at_once * (p.x().block() + p.dy().block() + p.sums + p.x().plane()) +
          p.parts * p.rows * shape.out_channels) *
             static_cast<Index>(sizeof(T)) +
         p.dy().plane() / p.dy().lanes * static_cast<Index>(sizeof(kernels::LineVector));
}

#define LAMINA_INSTANTIATE(T)                                                                    \
  template bool abreast_serves(const ConvShape&, bool, const ConvImage<const T>&);               \
  template bool abreast_pays(const ConvShape&, bool, const ConvImage<const T>&);                 \
  template void abreast_convolution(const ConvShape&, bool, const ConvImage<const T>&, const T*, \
                                    const T*, const ConvImage<T>&, const GemmFinish<T>&);        \
  template Index abreast_bytes<T>(const ConvShape&, bool, Index);                                \
  template bool abreast_gradient_pays(const ConvShape&, const ConvImage<const T>&,               \
                                      const ConvImage<const T>&);                                \
  template void abreast_weight_gradient(const ConvShape&, const ConvImage<const T>&,             \
                                        const ConvImage<const T>&, T*);                          \
  template Index abreast_gradient_parts<T>(const ConvShape&);                                    \
  template Index abreast_gradient_bytes<T>(const ConvShape&, Index);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
