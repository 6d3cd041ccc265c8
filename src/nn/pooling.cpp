#include "lamina/nn/pooling.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "nn/layout.hpp"
#include "nn/pooling_plan.hpp"

namespace lamina::nn::detail {

namespace {

using kernels::PoolFinish;
using kernels::PoolOp;

/// Places are lanes of T's width in the kernels.
template <class T>
void check_span(const PoolPlan& plan, std::string_view operation) {
  if (sizeof(T) == sizeof(std::int64_t)) return;
  Index span = plan.axis[2].in;
  Index line = plan.axis[2].in;
  for (const std::size_t a : {1U, 0U}) {
    Index largest = 1;
    for (const kernels::PoolSpan& s : plan.axis[a].spans) largest = std::max(largest, s.count);
    span += (largest - 1) * plan.axis[a].dilation * line;
    line *= plan.axis[a].in;
  }
  check(span < std::numeric_limits<std::int32_t>::max(), ErrorKind::Unsupported, operation,
        "indices in windows that span ", span, " elements");
}

}  // namespace

template <class T>
void run_max_pool_into(const PoolPlan& plan, const View<T>& x, const MutView<T>& out,
                       const MutView<std::int64_t>* indices, std::string_view operation) {
  check_pool_output<T, T>(out, plan.out, x, operation, "out", "x");
  PackedOut<T> values(out);
  if (indices == nullptr) {
    run_pool(plan, PoolOp::Max, PoolFinish::None, x, values.data(), nullptr);
  } else {
    check_pool_output<std::int64_t, T>(*indices, plan.out, x, operation, "indices", "x");
    check_pool_output<std::int64_t, T>(*indices, plan.out, out, operation, "indices", "out");
    check_span<T>(plan, operation);
    PackedOut<std::int64_t> places(*indices);
    run_pool(plan, PoolOp::Max, PoolFinish::None, x, values.data(), places.data());
    places.finish();
  }
  values.finish();
}

template <class T>
MaxPoolResult<T> run_max_pool(const PoolPlan& plan, const View<T>& x, bool with_indices,
                              std::string_view operation) {
  if (with_indices) check_span<T>(plan, operation);
  MaxPoolResult<T> result{Array<T>::empty(plan.out),
                          Array<std::int64_t>::empty(with_indices ? plan.out : Shape{0})};
  run_pool(plan, PoolOp::Max, PoolFinish::None, x, result.values.data(),
           with_indices ? result.indices.data() : nullptr);
  return result;
}

template <class T>
void run_max_pool_backward_into(const PoolPlan& plan, const View<T>& dy, const View<T>& x,
                                const MutView<T>& dx, std::string_view operation) {
  check_pool_shape(dy, plan.out, operation, "dy");
  check_output(dx, "dx", plan.in, operation, dy, x);
  const MaxPoolResult<T> forward = run_max_pool(plan, x, true, operation);
  const lamina::detail::Packed<T> packed(dy);
  PackedOut<T> values(dx);
  run_pool_scatter(plan, packed.data(), forward.indices.data(), values.data(), Scatter::Add);
  values.finish();
}

template <class T>
Array<T> run_max_pool_backward(const PoolPlan& plan, const View<T>& dy, const View<T>& x,
                               std::string_view operation) {
  Array<T> dx = Array<T>::empty(plan.in);
  run_max_pool_backward_into<T>(plan, dy, x, dx, operation);
  return dx;
}

template <class T>
void run_avg_pool_into(const PoolPlan& plan, const View<T>& x, const MutView<T>& out,
                       std::string_view operation) {
  check_pool_output<T, T>(out, plan.out, x, operation, "out", "x");
  PackedOut<T> values(out);
  run_pool(plan, PoolOp::Sum, PoolFinish::Divide, x, values.data(), nullptr);
  values.finish();
}

template <class T>
Array<T> run_avg_pool(const PoolPlan& plan, const View<T>& x) {
  Array<T> out = Array<T>::empty(plan.out);
  run_pool(plan, PoolOp::Sum, PoolFinish::Divide, x, out.data(), nullptr);
  return out;
}

template <class T>
void run_avg_pool_backward_into(const PoolPlan& plan, const View<T>& dy, const MutView<T>& dx,
                                std::string_view operation) {
  check_pool_shape(dy, plan.out, operation, "dy");
  check_pool_output<T, T>(dx, plan.in, dy, operation, "dx", "dy");
  const lamina::detail::Packed<T> packed(dy);
  PackedOut<T> values(dx);
  run_pool_spread(plan, packed.data(), values.data());
  values.finish();
}

// ---------------------------------------------------------------- windows of one size

template <class T, int Rank>
void max_pool_into(const View<T>& x, const PerAxis<Rank>& kernel, const MutView<T>& out,
                   const MutView<std::int64_t>* indices, const PoolOptions<Rank>& options) {
  const std::string operation = pool_name("max_pool", Rank);
  check_defined(x, operation, "x");
  run_max_pool_into(plan_of<Rank>(x.shape(), kernel, options, {}, operation), x, out, indices,
                    operation);
}

template <class T, int Rank>
MaxPoolResult<T> max_pool(const View<T>& x, const PerAxis<Rank>& kernel, bool with_indices,
                          const PoolOptions<Rank>& options) {
  const std::string operation = pool_name("max_pool", Rank);
  check_defined(x, operation, "x");
  return run_max_pool(plan_of<Rank>(x.shape(), kernel, options, {}, operation), x, with_indices,
                      operation);
}

template <class T, int Rank>
void max_pool_backward_into(const View<T>& dy, const View<T>& x, const PerAxis<Rank>& kernel,
                            const MutView<T>& dx, const PoolOptions<Rank>& options) {
  const std::string operation = pool_name("max_pool", Rank, "_backward");
  check_defined(dy, operation, "dy");
  check_defined(x, operation, "x");
  run_max_pool_backward_into(plan_of<Rank>(x.shape(), kernel, options, {}, operation), dy, x, dx,
                             operation);
}

template <class T, int Rank>
Array<T> max_pool_backward(const View<T>& dy, const View<T>& x, const PerAxis<Rank>& kernel,
                           const PoolOptions<Rank>& options) {
  const std::string operation = pool_name("max_pool", Rank, "_backward");
  check_defined(dy, operation, "dy");
  check_defined(x, operation, "x");
  return run_max_pool_backward(plan_of<Rank>(x.shape(), kernel, options, {}, operation), dy, x,
                               operation);
}

namespace {

template <class T>
void run_scatter(const PoolPlan& plan, const View<T>& dy, const View<std::int64_t>& indices,
                 const std::int64_t* packed_indices, T* dx, std::string_view operation) {
  check_pool_indices(packed_indices, indices.size(), plan.in_positions(), operation);
  const lamina::detail::Packed<T> packed(dy);
  run_pool_scatter(plan, packed.data(), packed_indices, dx, Scatter::Add);
}

}  // namespace

template <class T, int Rank>
void max_pool_backward_into(const View<T>& dy, const View<std::int64_t>& indices,
                            const MutView<T>& dx, DataFormat format) {
  const std::string operation = pool_name("max_pool", Rank, "_backward");
  check_defined(dy, operation, "dy");
  check_defined(indices, operation, "indices");
  check_defined(dx, operation, "dx");
  const PoolPlan plan =
      plan_scatter(dy.shape(), "dy", indices.shape(), dx.shape(), "x", Rank, format, operation);
  check_pool_output<T, T>(dx, plan.in, dy, operation, "dx", "dy");
  check_pool_output<T, std::int64_t>(dx, plan.in, indices, operation, "dx", "indices");
  const lamina::detail::Packed<std::int64_t> places(indices);
  PackedOut<T> values(dx);
  run_scatter(plan, dy, indices, places.data(), values.data(), operation);
  values.finish();
}

template <class T, int Rank>
Array<T> max_pool_backward(const View<T>& dy, const View<std::int64_t>& indices,
                           const Shape& x_shape, DataFormat format) {
  const std::string operation = pool_name("max_pool", Rank, "_backward");
  check_defined(dy, operation, "dy");
  check_defined(indices, operation, "indices");
  const PoolPlan plan =
      plan_scatter(dy.shape(), "dy", indices.shape(), x_shape, "x", Rank, format, operation);
  const lamina::detail::Packed<std::int64_t> places(indices);
  Array<T> dx = Array<T>::empty(x_shape);
  run_scatter(plan, dy, indices, places.data(), dx.data(), operation);
  return dx;
}

template <class T, int Rank>
void avg_pool_into(const View<T>& x, const PerAxis<Rank>& kernel, const MutView<T>& out,
                   const AvgPoolOptions<Rank>& options) {
  const std::string operation = pool_name("avg_pool", Rank);
  check_defined(x, operation, "x");
  const PoolDivisor divisor{options.count_include_pad, options.divisor};
  run_avg_pool_into(plan_of<Rank>(x.shape(), kernel, options, divisor, operation), x, out,
                    operation);
}

template <class T, int Rank>
Array<T> avg_pool(const View<T>& x, const PerAxis<Rank>& kernel,
                  const AvgPoolOptions<Rank>& options) {
  const std::string operation = pool_name("avg_pool", Rank);
  check_defined(x, operation, "x");
  const PoolDivisor divisor{options.count_include_pad, options.divisor};
  return run_avg_pool(plan_of<Rank>(x.shape(), kernel, options, divisor, operation), x);
}

template <class T, int Rank>
void avg_pool_backward_into(const View<T>& dy, const PerAxis<Rank>& kernel, const MutView<T>& dx,
                            const AvgPoolOptions<Rank>& options) {
  const std::string operation = pool_name("avg_pool", Rank, "_backward");
  check_defined(dy, operation, "dy");
  check_defined(dx, operation, "dx");
  const PoolDivisor divisor{options.count_include_pad, options.divisor};
  run_avg_pool_backward_into(plan_of<Rank>(dx.shape(), kernel, options, divisor, operation), dy, dx,
                             operation);
}

template <class T, int Rank>
Array<T> avg_pool_backward(const View<T>& dy, const Shape& x_shape, const PerAxis<Rank>& kernel,
                           const AvgPoolOptions<Rank>& options) {
  Array<T> dx = Array<T>::empty(x_shape);
  avg_pool_backward_into<T, Rank>(dy, kernel, dx, options);
  return dx;
}

#define LAMINA_INSTANTIATE_RANK(T, Rank)                                                          \
  template LAMINA_EXPORT void max_pool_backward_into<T, Rank>(                                    \
      const View<T>&, const View<T>&, const PerAxis<Rank>&, const MutView<T>&,                    \
      const PoolOptions<Rank>&);                                                                  \
  template LAMINA_EXPORT void max_pool_into<T, Rank>(                                             \
      const View<T>&, const PerAxis<Rank>&, const MutView<T>&, const MutView<std::int64_t>*,      \
      const PoolOptions<Rank>&);                                                                  \
  template LAMINA_EXPORT MaxPoolResult<T> max_pool<T, Rank>(const View<T>&, const PerAxis<Rank>&, \
                                                            bool, const PoolOptions<Rank>&);      \
  template LAMINA_EXPORT Array<T> max_pool_backward<T, Rank>(                                     \
      const View<T>&, const View<T>&, const PerAxis<Rank>&, const PoolOptions<Rank>&);            \
  template LAMINA_EXPORT void max_pool_backward_into<T, Rank>(                                    \
      const View<T>&, const View<std::int64_t>&, const MutView<T>&, DataFormat);                  \
  template LAMINA_EXPORT Array<T> max_pool_backward<T, Rank>(                                     \
      const View<T>&, const View<std::int64_t>&, const Shape&, DataFormat);                       \
  template LAMINA_EXPORT void avg_pool_into<T, Rank>(                                             \
      const View<T>&, const PerAxis<Rank>&, const MutView<T>&, const AvgPoolOptions<Rank>&);      \
  template LAMINA_EXPORT Array<T> avg_pool<T, Rank>(const View<T>&, const PerAxis<Rank>&,         \
                                                    const AvgPoolOptions<Rank>&);                 \
  template LAMINA_EXPORT void avg_pool_backward_into<T, Rank>(                                    \
      const View<T>&, const PerAxis<Rank>&, const MutView<T>&, const AvgPoolOptions<Rank>&);      \
  template LAMINA_EXPORT Array<T> avg_pool_backward<T, Rank>(                                     \
      const View<T>&, const Shape&, const PerAxis<Rank>&, const AvgPoolOptions<Rank>&);
#define LAMINA_INSTANTIATE(T)                                                                      \
  template void run_max_pool_into(const PoolPlan&, const View<T>&, const MutView<T>&,              \
                                  const MutView<std::int64_t>*, std::string_view);                 \
  template MaxPoolResult<T> run_max_pool(const PoolPlan&, const View<T>&, bool, std::string_view); \
  template void run_max_pool_backward_into(const PoolPlan&, const View<T>&, const View<T>&,        \
                                           const MutView<T>&, std::string_view);                   \
  template Array<T> run_max_pool_backward(const PoolPlan&, const View<T>&, const View<T>&,         \
                                          std::string_view);                                       \
  template void run_avg_pool_into(const PoolPlan&, const View<T>&, const MutView<T>&,              \
                                  std::string_view);                                               \
  template Array<T> run_avg_pool(const PoolPlan&, const View<T>&);                                 \
  template void run_avg_pool_backward_into(const PoolPlan&, const View<T>&, const MutView<T>&,     \
                                           std::string_view);                                      \
  LAMINA_INSTANTIATE_RANK(T, 1)                                                                    \
  LAMINA_INSTANTIATE_RANK(T, 2)                                                                    \
  LAMINA_INSTANTIATE_RANK(T, 3)
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
