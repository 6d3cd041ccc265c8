#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/pooling.hpp"
#include "lamina/core/array.hpp"
#include "lamina/nn/pooling.hpp"
#include "nn/output.hpp"

// What pooling of every kind amounts to: the windows on each axis, and how x, a single map, a
// sample or a batch, maps to (images, channels, depth, height, width). Axes that are not there have
// extent 1.

namespace lamina::nn::detail {

/// The windows on one axis.
struct PoolAxisPlan {
  Index in = 1, out = 1;
  Index kernel = 1, stride = 1, dilation = 1;  ///< stride 0: adaptive windows, each of its own
  PaddingAmount padding = {};
  std::vector<kernels::PoolSpan> spans{{0, 1, 1}};  ///< (out)
};

/// What divides the sum of a window.
struct PoolDivisor {
  bool include_padding = false;
  Index fixed = 0;  ///< 0: the number of elements
};

struct PoolPlan {
  int rank = 2;       ///< spatial axes
  int form = 2;       ///< 0: a single map, 1: a sample, 2: a batch
  bool last = false;  ///< channels last
  Index images = 1;
  Index channels = 1;
  std::array<PoolAxisPlan, 3> axis;  ///< depth, height, width
  Shape in;
  Shape out;

  [[nodiscard]] Index in_positions() const { return axis[0].in * axis[1].in * axis[2].in; }
  [[nodiscard]] Index out_positions() const { return axis[0].out * axis[1].out * axis[2].out; }
  /// Axes of x or y: spatial axis i of rank, channels.
  [[nodiscard]] int spatial_axis(int i) const {
    return (form == 2 ? 1 : 0) + (form > 0 && !last ? 1 : 0) + i;
  }
  [[nodiscard]] int channel_axis() const { return last ? in.rank() - 1 : form - 1; }
};

/// "max_pool2d", "max_pool2d_backward".
[[nodiscard]] inline std::string pool_name(std::string_view kind, int rank,
                                           std::string_view suffix = {}) {
  return std::string(kind).append(std::to_string(rank)).append("d").append(suffix);
}

/// Form, images and channels; each axis with in = out. Error(DimensionMismatch) for the rank,
/// Error(InvalidOperation) for a spatial axis without elements.
[[nodiscard]] PoolPlan plan_form(const Shape& x, int rank, DataFormat format,
                                 std::string_view operation, std::string_view name = "x");

/// Windows of one size. `kernel`, `stride` and `dilation` have one number for each axis.
[[nodiscard]] PoolPlan plan_windows(const Shape& x, int rank, const Index* kernel,
                                    const Index* stride, const PaddingMode& padding,
                                    const Index* dilation, bool ceil_mode, DataFormat format,
                                    const PoolDivisor& divisor, std::string_view operation);

/// Windows from floor(i in / out) to ceil((i + 1) in / out); `out` has one number for each axis.
[[nodiscard]] PoolPlan plan_adaptive(const Shape& x, int rank, const Index* out, DataFormat format,
                                     std::string_view operation);

/// plan_windows of options, for Rank axes.
template <int Rank, class Options>
[[nodiscard]] PoolPlan plan_of(const Shape& x, const PerAxis<Rank>& kernel, const Options& options,
                               const PoolDivisor& divisor, std::string_view operation) {
  return plan_windows(x, Rank, kernel.begin(), options.stride.begin(), options.padding,
                      options.dilation.begin(), options.ceil_mode, options.format, divisor,
                      operation);
}

/// y = the pooled windows of x, y and indices without gaps. Divide and Scale both mean: divide as
/// the plan's divisors say; which is used depends on whether the result is the same.
template <class T>
void run_pool(const PoolPlan& plan, kernels::PoolOp op, kernels::PoolFinish finish,
              const View<T>& x, T* y, std::int64_t* indices);

/// y = mean or maximum of whole planes, if they are small and without gaps; false if they are not.
template <class T>
[[nodiscard]] bool run_pool_planes(const PoolPlan& plan, bool max, const View<T>& x, T* y);

/// dx = for each element of x the sum of dy / divisor of the windows that hold it; both packed.
template <class T>
void run_pool_spread(const PoolPlan& plan, const T* dy, T* dx);

/// In each plane of dx, first set to 0: dx[indices] += dy, or = dy with Scatter::Set; all packed.
enum class Scatter : std::uint8_t { Add, Set };
template <class T>
void run_pool_scatter(const PoolPlan& plan, const T* dy, const std::int64_t* indices, T* dx,
                      Scatter scatter);

/// The plan of going from windows anywhere, with shape `from`, to planes of shape `to`.
[[nodiscard]] PoolPlan plan_scatter(const Shape& from, std::string_view from_name,
                                    const Shape& indices, const Shape& to, std::string_view to_name,
                                    int rank, DataFormat format, std::string_view operation);

/// All of an operation on a plan but the plan.
template <class T>
void run_max_pool_into(const PoolPlan& plan, const View<T>& x, const MutView<T>& out,
                       const MutView<std::int64_t>* indices, std::string_view operation);
template <class T>
[[nodiscard]] MaxPoolResult<T> run_max_pool(const PoolPlan& plan, const View<T>& x,
                                            bool with_indices, std::string_view operation);
template <class T>
void run_max_pool_backward_into(const PoolPlan& plan, const View<T>& dy, const View<T>& x,
                                const MutView<T>& dx, std::string_view operation);
template <class T>
[[nodiscard]] Array<T> run_max_pool_backward(const PoolPlan& plan, const View<T>& dy,
                                             const View<T>& x, std::string_view operation);
template <class T>
void run_avg_pool_into(const PoolPlan& plan, const View<T>& x, const MutView<T>& out,
                       std::string_view operation);
template <class T>
[[nodiscard]] Array<T> run_avg_pool(const PoolPlan& plan, const View<T>& x);
template <class T>
void run_avg_pool_backward_into(const PoolPlan& plan, const View<T>& dy, const MutView<T>& dx,
                                std::string_view operation);

/// Error(IndexOutOfBounds) unless all are in [-1, positions).
void check_pool_indices(const std::int64_t* indices, Index count, Index positions,
                        std::string_view operation);

/// Error(DimensionMismatch) unless x has that shape.
template <class T>
void check_pool_shape(const View<T>& x, const Shape& shape, std::string_view operation,
                      std::string_view name) {
  check(x.defined(), ErrorKind::DimensionMismatch, operation, name, " is not defined");
  check(x.shape() == shape, ErrorKind::DimensionMismatch, operation, name, " must have shape ",
        shape, ", got ", x.shape());
}

/// Checks out against shape, and that it is writable and apart from x.
template <class T, class U>
void check_pool_output(const View<T>& out, const Shape& shape, const View<U>& x,
                       std::string_view operation, std::string_view out_name,
                       std::string_view x_name);

}  // namespace lamina::nn::detail
