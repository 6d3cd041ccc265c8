#include "lamina/nn/max_unpool.hpp"

#include <string>

#include "lamina/core/parallel.hpp"
#include "nn/layout.hpp"
#include "nn/pooling_plan.hpp"
#include "nn/window_limits.hpp"

namespace lamina::nn::detail {

namespace {

/// The shape that pooling to x's shape came from.
template <int Rank>
Shape unpooled_shape(const Shape& x, const PerAxis<Rank>& kernel,
                     const UnpoolOptions<Rank>& options, std::string_view operation) {
  const PoolPlan form = plan_form(x, Rank, options.format, operation);
  Shape out = x;
  for (int i = 0; i < Rank; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const Index stride = options.stride[at] == kStrideOfKernel ? kernel[at] : options.stride[at];
    check(kernel[at] >= 1, ErrorKind::InvalidOperation, operation,
          "kernel must be at least 1, got ", kernel[at]);
    check(stride >= 1, ErrorKind::InvalidOperation, operation, "stride must be at least 1, got ",
          stride);
    check_window_limits(operation, kernel[at], stride, 1);
    Index& extent = out[form.spatial_axis(i)];
    if (options.output_extents[at] != 0) {
      extent = options.output_extents[at];
    } else {
      check(options.padding.kind() != PaddingMode::Kind::Same, ErrorKind::InvalidOperation,
            operation, "same padding leaves the extents open; set output_extents");
      const PaddingAmount amount =
          options.padding.resolve(i, extent, kernel[at], stride, 1, operation);
      check_padding_limit(operation, amount);
      check(extent <= (Index{1} << 61) / stride, ErrorKind::InvalidOperation, operation, "extent ",
            extent, " with stride ", stride, " makes too large a result");
      extent = (extent - 1) * stride + kernel[at] - amount.before - amount.behind;
    }
    check(extent >= 1, ErrorKind::InvalidOperation, operation,
          "output extents must be at least 1, got ", extent);
  }
  check_result_size(operation, out);
  return out;
}

template <class T>
void run_unpool(const PoolPlan& plan, const View<T>& x, const View<std::int64_t>& indices, T* out,
                std::string_view operation) {
  const lamina::detail::Packed<T> values(x);
  const lamina::detail::Packed<std::int64_t> places(indices);
  check_pool_indices(places.data(), indices.size(), plan.in_positions(), operation);
  run_pool_scatter(plan, values.data(), places.data(), out, Scatter::Set);
}

}  // namespace

template <class T, int Rank>
void max_unpool_into(const View<T>& x, const View<std::int64_t>& indices, const MutView<T>& out,
                     DataFormat format) {
  const std::string operation = pool_name("max_unpool", Rank);
  check_defined(x, operation, "x");
  check_defined(indices, operation, "indices");
  check_defined(out, operation, "out");
  const PoolPlan plan =
      plan_scatter(x.shape(), "x", indices.shape(), out.shape(), "out", Rank, format, operation);
  check_pool_output<T, T>(out, plan.in, x, operation, "out", "x");
  check_pool_output<T, std::int64_t>(out, plan.in, indices, operation, "out", "indices");
  PackedOut<T> result(out);
  run_unpool(plan, x, indices, result.data(), operation);
  result.finish();
}

template <class T, int Rank>
Array<T> max_unpool(const View<T>& x, const View<std::int64_t>& indices,
                    const PerAxis<Rank>& kernel, const UnpoolOptions<Rank>& options) {
  const std::string operation = pool_name("max_unpool", Rank);
  check_defined(x, operation, "x");
  check_defined(indices, operation, "indices");
  const Shape shape = unpooled_shape<Rank>(x.shape(), kernel, options, operation);
  const PoolPlan plan =
      plan_scatter(x.shape(), "x", indices.shape(), shape, "out", Rank, options.format, operation);
  Array<T> out = Array<T>::empty(shape);
  run_unpool(plan, x, indices, out.data(), operation);
  return out;
}

template <class T, int Rank>
void max_unpool_backward_into(const View<T>& dy, const View<std::int64_t>& indices,
                              const MutView<T>& dx, DataFormat format) {
  const std::string operation = pool_name("max_unpool", Rank, "_backward");
  check_defined(dy, operation, "dy");
  check_defined(indices, operation, "indices");
  const PoolPlan plan = plan_scatter(indices.shape(), "indices", indices.shape(), dy.shape(), "dy",
                                     Rank, format, operation);
  const lamina::detail::Packed<T> values(dy);
  const lamina::detail::Packed<std::int64_t> places(indices);
  check_pool_indices(places.data(), indices.size(), plan.in_positions(), operation);
  check_output(dx, "dx", indices.shape(), operation, dy, indices);
  PackedOut<T> result(dx);
  T* const to = result.data();
  const Index in = plan.in_positions();
  const Index out = plan.out_positions();
  const Index step = plan.last ? plan.channels : 1;
  // Runs of elements that look into one plane, or with channels last into one image.
  const Index run = plan.last ? out * plan.channels : out;
  parallel_for(dx.size(), kElementGrain, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index at = places.data()[i];
      const Index channel = plan.last ? i % plan.channels : 0;
      const Index base = i / run * in * step + channel;
      to[i] = at < 0 ? T(0) : values.data()[base + at * step];
    }
  });
  result.finish();
}

template <class T, int Rank>
Array<T> max_unpool_backward(const View<T>& dy, const View<std::int64_t>& indices,
                             DataFormat format) {
  Array<T> dx = Array<T>::empty(indices.shape());
  max_unpool_backward_into<T, Rank>(dy, indices, dx, format);
  return dx;
}

#define LAMINA_INSTANTIATE_RANK(T, Rank)                                                          \
  template LAMINA_EXPORT void max_unpool_backward_into<T, Rank>(                                  \
      const View<T>&, const View<std::int64_t>&, const MutView<T>&, DataFormat);                  \
  template LAMINA_EXPORT void max_unpool_into<T, Rank>(const View<T>&, const View<std::int64_t>&, \
                                                       const MutView<T>&, DataFormat);            \
  template LAMINA_EXPORT Array<T> max_unpool<T, Rank>(const View<T>&, const View<std::int64_t>&,  \
                                                      const PerAxis<Rank>&,                       \
                                                      const UnpoolOptions<Rank>&);                \
  template LAMINA_EXPORT Array<T> max_unpool_backward<T, Rank>(                                   \
      const View<T>&, const View<std::int64_t>&, DataFormat);
#define LAMINA_INSTANTIATE(T)   \
  LAMINA_INSTANTIATE_RANK(T, 1) \
  LAMINA_INSTANTIATE_RANK(T, 2) \
  LAMINA_INSTANTIATE_RANK(T, 3)
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
