#pragma once

// What the forward and the backward half of normalization share: how the groups lie in packed
// memory, and the checks.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "kernels/norm.hpp"
#include "kernels/stream.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/nn/normalization.hpp"
#include "nn/layout.hpp"
#include "nn/output.hpp"
#include "nn/streaming.hpp"

namespace lamina::nn::detail {

/// Parts that sums are taken in, at most; more would only cost memory.
inline constexpr Index kNormParts = 64;

/// Groups of an array in packed memory. All of it repeats `repeats` times (samples).
struct NormPlan {
  bool columns = false;  ///< groups are columns of `runs` rows; else of runs of n
  Index repeats = 1;
  Index repeat_stride = 0;
  Index groups = 0;
  Index group_stride = 1;
  Index runs = 1;
  Index run_stride = 0;
  Index n = 1;
  kernels::NormSteps steps;
  Shape parameters;  ///< of gamma and beta
  Shape statistics;  ///< of mean and rstd

  [[nodiscard]] Index group_size() const { return runs * n; }
  [[nodiscard]] Index group_count() const { return repeats * groups; }
  /// Do several groups share a gamma?
  [[nodiscard]] bool shares_parameters() const {
    return repeats > 1 || (steps.group == 0 && groups > 1);
  }
  /// Groups (of all repeats) a thread takes at a time.
  [[nodiscard]] Index group_grain() const {
    return std::max(Index{1}, kElementGrain / std::max(Index{1}, group_size()));
  }
  /// Rows of a column group a thread takes at a time.
  [[nodiscard]] Index row_grain() const {
    return std::max(
        {Index{1}, kElementGrain / std::max(Index{1}, groups), ceil_div(runs, kNormParts)});
  }
};

/// Groups of the last axes. `axes` 0: as many as gamma or beta has, or else one.
[[nodiscard]] NormPlan plan_axes(const char* name, const Shape& x, const Shape* gamma,
                                 const Shape* beta, int axes);

enum class ChannelGroups { Batch, Sample };
/// Groups of channels: of each channel in the whole batch, or of `groups` parts of each sample (0:
/// each channel one).
[[nodiscard]] NormPlan plan_channels(const char* name, const Shape& x, DataFormat format,
                                     ChannelGroups kind, Index groups = 0);
/// Each row of a matrix is a group, without gamma.
[[nodiscard]] NormPlan plan_rows(const Shape& x);

void check_norm_eps(const char* name, double eps);

/// Rows [begin, end) of `all`.
template <class T>
[[nodiscard]] kernels::NormColumnArgs<T> column_rows(const kernels::NormColumnArgs<T>& all,
                                                     Index begin, Index end) {
  kernels::NormColumnArgs<T> args = all;
  const Index first = begin * all.stride;
  args.x += first;
  args.dy += args.dy == nullptr ? 0 : first;
  args.y += args.y == nullptr ? 0 : first;
  args.rows = end - begin;
  return args;
}

/// Calls apply(args) for parts of the rows of `all`, in parallel. Large results go around the
/// cache, directly where rows are whole vectors, else by way of a few rows that wait in the L1.
template <class T, class Apply>
void apply_columns(const kernels::NormColumnArgs<T>& all, Index grain, const Apply& apply) {
  constexpr Index kWaiting = 512;  // elements
  constexpr Index kVector = 64 / static_cast<Index>(sizeof(T));
  const Index columns = all.columns;
  const bool streamed = all.stride == columns && is_streamed<T>(all.rows * columns);
  const bool direct = columns % kVector == 0 && reinterpret_cast<std::uintptr_t>(all.y) % 64 == 0;
  parallel_for(all.rows, grain, [&](Index begin, Index end) {
    if (!streamed || direct) {
      kernels::NormColumnArgs<T> args = column_rows(all, begin, end);
      args.stream = streamed;
      apply(args);
      return;
    }
    const Index step = std::max(Index{1}, kWaiting / columns);
    const Buffer<T> waiting(step * columns);
    for (Index row = begin; row < end; row += step) {
      kernels::NormColumnArgs<T> args = column_rows(all, row, std::min(row + step, end));
      T* const y = args.y;
      args.y = waiting.data();
      apply(args);
      kernels::stream_copy(waiting.data(), y, args.rows * columns);
    }
    kernels::stream_fence();
  });
}

/// Adds `count` rows of `width` numbers to total, one after the other.
void add_parts(const double* parts, Index count, Index width, double* total);

/// `a`, unless undefined, has this shape.
template <class T>
void check_norm_shape(const char* name, const char* argument, const View<T>& a, const Shape& shape,
                      const char* x_name, const View<T>& x) {
  check(!a.defined() || a.shape() == shape, ErrorKind::DimensionMismatch, name, argument,
        " must have shape ", shape, " for ", x_name, " ", x.shape(), ", got ", a.shape());
}

/// An output, unless undefined, has elements of its own, apart from `other`.
template <class T>
void check_norm_apart(const char* name, const char* argument, const View<T>& out,
                      const char* other_name, const View<T>& other) {
  check(!out.defined() || !other.defined() || overlap(out, other) == Overlap::None,
        ErrorKind::InvalidOperation, name, argument, " overlaps ", other_name);
}

/// Packed elements, or null of an array that is not defined.
template <class T>
class MaybePacked {
 public:
  explicit MaybePacked(const View<T>& x) : packed_(x), defined_(x.defined()) {}
  [[nodiscard]] const T* data() const { return defined_ ? packed_.data() : nullptr; }

 private:
  lamina::detail::Packed<T> packed_;
  bool defined_;
};

/// Pointers of a forward pass, all packed; see kernels::NormArgs.
template <class T>
struct NormForward {
  const T* x = nullptr;
  T* y = nullptr;
  const T* gamma = nullptr;
  const T* beta = nullptr;
  double eps = 0;
  bool center = true;
  bool given = false;
  T* mean = nullptr;
  T* rstd = nullptr;
  T* var = nullptr;
};

/// Normalizes, or without y takes the statistics only.
template <class T>
void run_norm(const NormPlan& plan, const NormForward<T>& pass);

extern template void run_norm<float>(const NormPlan&, const NormForward<float>&);
extern template void run_norm<double>(const NormPlan&, const NormForward<double>&);

}  // namespace lamina::nn::detail
