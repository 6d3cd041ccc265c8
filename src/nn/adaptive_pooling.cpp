#include "lamina/nn/adaptive_pooling.hpp"

#include <array>
#include <string>

#include "lamina/nn/reduction.hpp"
#include "nn/layout.hpp"
#include "nn/pooling_plan.hpp"

namespace lamina::nn::detail {

namespace {

/// The plan from x to the spatial extents of `like`.
PoolPlan plan_like(const Shape& x, const Shape& like, std::string_view like_name, int rank,
                   DataFormat format, std::string_view operation) {
  check(like.rank() == x.rank(), ErrorKind::DimensionMismatch, operation, like_name,
        " must have the rank of x; ", like_name, " ", like, ", x ", x);
  const PoolPlan form = plan_form(x, rank, format, operation);
  std::array<Index, 3> extents{};
  for (int i = 0; i < rank; ++i) {
    extents[static_cast<std::size_t>(i)] = like[form.spatial_axis(i)];
  }
  PoolPlan plan = plan_adaptive(x, rank, extents.data(), format, operation);
  check(plan.out == like, ErrorKind::DimensionMismatch, operation, like_name,
        " must have the images and channels of x; ", like_name, " ", like, ", x ", x);
  return plan;
}

std::string adaptive_name(bool max, int rank) {
  return pool_name(max ? "adaptive_max_pool" : "adaptive_avg_pool", rank);
}

}  // namespace

template <class T, int Rank>
void adaptive_pool_into(bool max, const View<T>& x, const MutView<T>& out,
                        const MutView<std::int64_t>* indices, DataFormat format) {
  const std::string operation = adaptive_name(max, Rank);
  check_defined(x, operation, "x");
  check_defined(out, operation, "out");
  const PoolPlan plan = plan_like(x.shape(), out.shape(), "out", Rank, format, operation);
  if (max) {
    run_max_pool_into(plan, x, out, indices, operation);
  } else {
    run_avg_pool_into(plan, x, out, operation);
  }
}

template <class T, int Rank>
MaxPoolResult<T> adaptive_pool(bool max, const View<T>& x, const PerAxis<Rank>& extents,
                               bool with_indices, DataFormat format) {
  const std::string operation = adaptive_name(max, Rank);
  check_defined(x, operation, "x");
  const PoolPlan plan = plan_adaptive(x.shape(), Rank, extents.begin(), format, operation);
  if (max) return run_max_pool(plan, x, with_indices, operation);
  return {run_avg_pool(plan, x), {}};
}

template <class T, int Rank>
void adaptive_max_pool_backward_into(const View<T>& dy, const View<T>& x, const MutView<T>& dx,
                                     DataFormat format) {
  const std::string operation = pool_name("adaptive_max_pool", Rank, "_backward");
  check_defined(dy, operation, "dy");
  check_defined(x, operation, "x");
  const PoolPlan plan = plan_like(x.shape(), dy.shape(), "dy", Rank, format, operation);
  run_max_pool_backward_into(plan, dy, x, dx, operation);
}

template <class T, int Rank>
Array<T> adaptive_max_pool_backward(const View<T>& dy, const View<T>& x, DataFormat format) {
  const std::string operation = pool_name("adaptive_max_pool", Rank, "_backward");
  check_defined(dy, operation, "dy");
  check_defined(x, operation, "x");
  const PoolPlan plan = plan_like(x.shape(), dy.shape(), "dy", Rank, format, operation);
  return run_max_pool_backward(plan, dy, x, operation);
}

template <class T, int Rank>
void adaptive_avg_pool_backward_into(const View<T>& dy, const MutView<T>& dx, DataFormat format) {
  const std::string operation = pool_name("adaptive_avg_pool", Rank, "_backward");
  check_defined(dy, operation, "dy");
  check_defined(dx, operation, "dx");
  const PoolPlan plan = plan_like(dx.shape(), dy.shape(), "dy", Rank, format, operation);
  run_avg_pool_backward_into(plan, dy, dx, operation);
}

template <class T, int Rank>
Array<T> adaptive_avg_pool_backward(const View<T>& dy, const Shape& x_shape, DataFormat format) {
  Array<T> dx = Array<T>::empty(x_shape);
  adaptive_avg_pool_backward_into<T, Rank>(dy, dx, format);
  return dx;
}

namespace {

/// A name for any rank: "global_avg_pool", "global_avg_pool2d".
std::string global_name(bool max, int rank, std::string_view suffix = {}) {
  const char* kind = max ? "global_max_pool" : "global_avg_pool";
  return rank == 0 ? std::string(kind).append(suffix) : pool_name(kind, rank, suffix);
}

/// Positions of a plane, added one after the other.
constexpr Index kLargestWindow = 256;

struct GlobalPlan {
  PoolPlan plan;
  ReduceOptions reduce;
  Shape kept;  ///< the result's shape with axes of extent 1
  Shape out;
};

GlobalPlan global_plan(const Shape& x, int rank, const GlobalPoolOptions& options,
                       std::string_view operation) {
  if (rank == 0) {
    check(x.rank() >= 1 && x.rank() <= 5, ErrorKind::DimensionMismatch, operation,
          "x must have rank 1 or 2 (a single map) or 3 to 5 (a batch), got shape ", x);
    rank = x.rank() <= 2 ? x.rank() : x.rank() - 2;
  }
  GlobalPlan global;
  const std::array<Index, 3> one{1, 1, 1};
  global.plan = plan_adaptive(x, rank, one.data(), options.format, operation);
  global.kept = global.plan.out;
  for (int i = 0; i < rank; ++i) global.reduce.axes.push_back(global.plan.spatial_axis(i));
  global.reduce.keepdims = options.keep_dims;
  global.out = reduced_shape(x, global.reduce, operation);
  return global;
}

/// Small planes are windows like any other; large ones need the care that reductions take.
template <class T>
void run_global(const GlobalPlan& global, bool max, const View<T>& x, const MutView<T>& out) {
  const PoolPlan& plan = global.plan;
  if (out.is_contiguous() && plan.out.size() > 0) {
    if (run_pool_planes(plan, max, x, out.data())) return;
    if (plan.last && plan.in_positions() <= kLargestWindow) {
      return run_pool(plan, max ? kernels::PoolOp::Max : kernels::PoolOp::Sum,
                      max ? kernels::PoolFinish::None : kernels::PoolFinish::Divide, x, out.data(),
                      nullptr);
    }
  }
  reduce_into<T>(max ? Reduction::Max : Reduction::Mean, x, out, global.reduce);
}

/// dy with the axes of extent 1, whether it has them or not.
template <class T>
View<T> with_kept_axes(const View<T>& dy, const GlobalPlan& global, std::string_view operation) {
  ReduceOptions without = global.reduce;
  without.keepdims = false;
  const Shape reduced = reduced_shape(global.plan.in, without, operation);
  check(dy.shape() == global.kept || dy.shape() == reduced, ErrorKind::DimensionMismatch, operation,
        "dy must have shape ", reduced, " or ", global.kept, ", got ", dy.shape());
  if (dy.shape() == global.kept) return dy;
  View<T> wide = dy;
  for (const Index axis : global.reduce.axes) wide = wide.expand_dims(static_cast<int>(axis));
  return wide;
}

}  // namespace

template <class T>
void global_pool_into(bool max, const View<T>& x, const MutView<T>& out, int rank,
                      const GlobalPoolOptions& options) {
  const std::string operation = global_name(max, rank);
  check_defined(x, operation, "x");
  const GlobalPlan global = global_plan(x.shape(), rank, options, operation);
  check_pool_output<T, T>(out, global.out, x, operation, "out", "x");
  run_global<T>(global, max, x, out);
}

template <class T>
Array<T> global_pool(bool max, const View<T>& x, int rank, const GlobalPoolOptions& options) {
  const std::string operation = global_name(max, rank);
  check_defined(x, operation, "x");
  const GlobalPlan global = global_plan(x.shape(), rank, options, operation);
  Array<T> out = Array<T>::empty(global.out);
  run_global<T>(global, max, x, out);
  return out;
}

template <class T>
void global_avg_pool_backward_into(const View<T>& dy, const MutView<T>& dx, int rank,
                                   const GlobalPoolOptions& options) {
  const std::string operation = global_name(false, rank, "_backward");
  check_defined(dy, operation, "dy");
  check_defined(dx, operation, "dx");
  GlobalPlan global = global_plan(dx.shape(), rank, options, operation);
  global.reduce.keepdims = true;
  const View<T> kept = with_kept_axes(dy, global, operation);
  check_output(dx, "dx", dx.shape(), operation, dy);
  reduce_backward_into<T>(Reduction::Mean, kept, {}, {}, dx, global.reduce);
}

template <class T>
Array<T> global_avg_pool_backward(const View<T>& dy, const Shape& x_shape, int rank,
                                  const GlobalPoolOptions& options) {
  Array<T> dx = Array<T>::empty(x_shape);
  global_avg_pool_backward_into<T>(dy, dx, rank, options);
  return dx;
}

template <class T>
void global_max_pool_backward_into(const View<T>& dy, const View<T>& x, const MutView<T>& dx,
                                   int rank, const GlobalPoolOptions& options) {
  const std::string operation = global_name(true, rank, "_backward");
  check_defined(dy, operation, "dy");
  check_defined(x, operation, "x");
  const GlobalPlan global = global_plan(x.shape(), rank, options, operation);
  run_max_pool_backward_into(global.plan, with_kept_axes(dy, global, operation), x, dx, operation);
}

template <class T>
Array<T> global_max_pool_backward(const View<T>& dy, const View<T>& x, int rank,
                                  const GlobalPoolOptions& options) {
  const std::string operation = global_name(true, rank, "_backward");
  check_defined(dy, operation, "dy");
  check_defined(x, operation, "x");
  const GlobalPlan global = global_plan(x.shape(), rank, options, operation);
  return run_max_pool_backward(global.plan, with_kept_axes(dy, global, operation), x, operation);
}

#define LAMINA_INSTANTIATE_RANK(T, Rank)                                                           \
  template LAMINA_EXPORT void adaptive_max_pool_backward_into<T, Rank>(                            \
      const View<T>&, const View<T>&, const MutView<T>&, DataFormat);                              \
  template LAMINA_EXPORT void adaptive_pool_into<T, Rank>(                                         \
      bool, const View<T>&, const MutView<T>&, const MutView<std::int64_t>*, DataFormat);          \
  template LAMINA_EXPORT MaxPoolResult<T> adaptive_pool<T, Rank>(                                  \
      bool, const View<T>&, const PerAxis<Rank>&, bool, DataFormat);                               \
  template LAMINA_EXPORT Array<T> adaptive_max_pool_backward<T, Rank>(const View<T>&,              \
                                                                      const View<T>&, DataFormat); \
  template LAMINA_EXPORT void adaptive_avg_pool_backward_into<T, Rank>(                            \
      const View<T>&, const MutView<T>&, DataFormat);                                              \
  template LAMINA_EXPORT Array<T> adaptive_avg_pool_backward<T, Rank>(const View<T>&,              \
                                                                      const Shape&, DataFormat);
#define LAMINA_INSTANTIATE(T)                                                                      \
  template LAMINA_EXPORT void global_avg_pool_backward_into<T>(const View<T>&, const MutView<T>&,  \
                                                               int, const GlobalPoolOptions&);     \
  template LAMINA_EXPORT void global_max_pool_backward_into<T>(                                    \
      const View<T>&, const View<T>&, const MutView<T>&, int, const GlobalPoolOptions&);           \
  LAMINA_INSTANTIATE_RANK(T, 1)                                                                    \
  LAMINA_INSTANTIATE_RANK(T, 2)                                                                    \
  LAMINA_INSTANTIATE_RANK(T, 3)                                                                    \
  template LAMINA_EXPORT void global_pool_into<T>(bool, const View<T>&, const MutView<T>&, int,    \
                                                  const GlobalPoolOptions&);                       \
  template LAMINA_EXPORT Array<T> global_pool<T>(bool, const View<T>&, int,                        \
                                                 const GlobalPoolOptions&);                        \
  template LAMINA_EXPORT Array<T> global_avg_pool_backward<T>(const View<T>&, const Shape&, int,   \
                                                              const GlobalPoolOptions&);           \
  template LAMINA_EXPORT Array<T> global_max_pool_backward<T>(const View<T>&, const View<T>&, int, \
                                                              const GlobalPoolOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
