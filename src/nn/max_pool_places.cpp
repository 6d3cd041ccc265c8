#include "nn/max_pool_places.hpp"

#include <algorithm>
#include <string>

#include "kernels/pooling.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/layout.hpp"
#include "nn/pooling_plan.hpp"

namespace lamina::nn::detail {

namespace {

/// Elements of x that a thread works on at a time, at least.
constexpr Index kGrainElements = 32768;

bool is_blocks(const PoolPlan& plan) {
  const auto halves = [](const PoolAxisPlan& axis) {
    return axis.kernel == 2 && axis.stride == 2 && axis.dilation == 1 && axis.padding.before == 0 &&
           axis.out == axis.in / 2;
  };
  return plan.rank == 2 && !plan.last && plan.out.size() > 0 && halves(plan.axis[1]) &&
         halves(plan.axis[2]);
}

template <class T>
kernels::PoolBlocks<T> blocks_of(const PoolAxisPlan& height, const PoolAxisPlan& width) {
  return {height.in, width.in, height.out, width.out};
}

/// run(begin, end) for all lines of the result.
template <class F>
void for_lines(Index lines, Index outputs, const F& run) {
  parallel_for(lines, std::max<Index>(1, kGrainElements / (4 * outputs)), run);
}

}  // namespace

template <class T, int Rank>
PlacedMaxima<T> max_pool_places(const View<T>& x, const PerAxis<Rank>& kernel,
                                const PoolOptions<Rank>& options) {
  const std::string operation = pool_name("max_pool", Rank);
  check_defined(x, operation, "x");
  const PoolPlan plan = plan_of<Rank>(x.shape(), kernel, options, {}, operation);
  if (!is_blocks(plan) || !x.is_contiguous()) {
    MaxPoolResult<T> result = run_max_pool(plan, x, true, operation);
    return {std::move(result.values), {{}, std::move(result.indices)}};
  }
  const kernels::PoolBlocks<T> blocks = blocks_of<T>(plan.axis[1], plan.axis[2]);
  const Index lines = plan.images * plan.channels * blocks.out_height;
  PlacedMaxima<T> result{
      Array<T>::empty(plan.out),
      {Buffer<std::uint8_t>(lines * kernels::pool_tap_pitch(blocks.out_width)), {}}};
  for_lines(lines, blocks.out_width, [&](Index begin, Index end) {
    kernels::pool_blocks(blocks, x.data(), result.values.data(), result.places.taps.data(), begin,
                         end);
  });
  return result;
}

template <class T, int Rank>
Array<T> max_pool_backward(const View<T>& dy, const MaxPoolPlaces& places, const Shape& x_shape,
                           DataFormat format) {
  if (places.taps.size() == 0) {
    return max_pool_backward<T, Rank>(dy, places.indices, x_shape, format);
  }
  const int axis = x_shape.rank() - 2;
  const kernels::PoolBlocks<T> blocks{x_shape[axis], x_shape[axis + 1], dy.extent(axis),
                                      dy.extent(axis + 1)};
  const lamina::detail::Packed<T> packed(dy);
  Array<T> dx = Array<T>::empty(x_shape);
  for_lines(dy.size() / blocks.out_width, blocks.out_width, [&](Index begin, Index end) {
    kernels::pool_blocks_backward(blocks, packed.data(), places.taps.data(), dx.data(), begin, end);
  });
  return dx;
}

#define LAMINA_INSTANTIATE_RANK(T, Rank)                                                           \
  template PlacedMaxima<T> max_pool_places<T, Rank>(const View<T>&, const PerAxis<Rank>&,          \
                                                    const PoolOptions<Rank>&);                     \
  template Array<T> max_pool_backward<T, Rank>(const View<T>&, const MaxPoolPlaces&, const Shape&, \
                                               DataFormat);
#define LAMINA_INSTANTIATE(T)   \
  LAMINA_INSTANTIATE_RANK(T, 1) \
  LAMINA_INSTANTIATE_RANK(T, 2) \
  LAMINA_INSTANTIATE_RANK(T, 3)
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
