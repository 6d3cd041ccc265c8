#include "nn/pooling_plan.hpp"

#include <algorithm>
#include <bit>

#include "lamina/core/parallel.hpp"
#include "nn/layout.hpp"
#include "nn/streaming.hpp"
#include "nn/window_limits.hpp"

namespace lamina::nn::detail {

namespace {

/// Elements of x that a thread works on at a time, at least.
constexpr Index kGrainElements = 32768;
/// Elements of a line that stay in the first cache.
constexpr Index kTileColumns = 4096;

Index ceil_of(Index a, Index b) {
  return a >= 0 ? (a + b - 1) / b : -(-a / b);
}

/// Windows at o * stride - before, as far as they lie inside.
void fill_spans(PoolAxisPlan& axis, const PoolDivisor& divisor) {
  axis.spans.assign(static_cast<std::size_t>(axis.out), {});
  for (Index o = 0; o < axis.out; ++o) {
    const Index start = o * axis.stride - axis.padding.before;
    const Index first = start < 0 ? ceil_of(-start, axis.dilation) : 0;
    const Index inside = start < axis.in ? (axis.in - 1 - start) / axis.dilation + 1 : 0;
    const Index padded =
        std::min(axis.kernel, (axis.in + axis.padding.behind - 1 - start) / axis.dilation + 1);
    kernels::PoolSpan& span = axis.spans[static_cast<std::size_t>(o)];
    span.count = std::max<Index>(0, std::min(axis.kernel, inside) - first);
    span.begin = span.count > 0 ? start + first * axis.dilation : 0;
    span.divisor = divisor.fixed > 0 ? 1 : divisor.include_padding ? padded : span.count;
  }
}

Index largest_count(const PoolAxisPlan& axis) {
  Index largest = 1;
  for (const kernels::PoolSpan& span : axis.spans) largest = std::max(largest, span.count);
  return largest;
}

/// The divisor of all windows, or 0 if they differ.
Index common_divisor(const PoolAxisPlan& axis) {
  const Index first = axis.spans.front().divisor;
  const bool same = std::all_of(axis.spans.begin(), axis.spans.end(),
                                [&](const auto& span) { return span.divisor == first; });
  return same ? first : 0;
}

/// The kernels' strides of x.
template <class T, class Args>
void set_strides(const PoolPlan& plan, const View<T>& x, Args& args) {
  const Strides& strides = x.strides();
  std::array<Index, 3> spatial{};
  for (int i = 0; i < plan.rank; ++i) {
    spatial[static_cast<std::size_t>(3 - plan.rank + i)] = strides[plan.spatial_axis(i)];
  }
  args.image_stride = plan.form == 2 ? strides[0] : 0;
  args.channel_stride = plan.form > 0 ? strides[plan.channel_axis()] : 0;
  args.depth_stride = spatial[0];
  args.height_stride = spatial[1];
  args.width_stride = spatial[2];
}

kernels::PoolAxis kernel_axis(const PoolAxisPlan& axis) {
  return {axis.spans.data(), axis.in, axis.out, axis.dilation};
}

}  // namespace

PoolPlan plan_form(const Shape& x, int rank, DataFormat format, std::string_view operation,
                   std::string_view name) {
  check(x.rank() >= rank && x.rank() <= rank + 2, ErrorKind::DimensionMismatch, operation, name,
        " must have rank ", rank, " (a single map), ", rank + 1, " (a sample) or ", rank + 2,
        " (a batch), got shape ", x);
  PoolPlan plan;
  plan.rank = rank;
  plan.form = x.rank() - rank;
  plan.last = plan.form > 0 && format == DataFormat::NHWC;
  plan.in = x;
  plan.out = x;
  if (plan.form == 2) plan.images = x[0];
  if (plan.form > 0) plan.channels = x[plan.channel_axis()];
  for (int i = 0; i < rank; ++i) {
    PoolAxisPlan& axis = plan.axis[static_cast<std::size_t>(3 - rank + i)];
    axis.in = x[plan.spatial_axis(i)];
    axis.out = axis.in;
    check(axis.in >= 1, ErrorKind::InvalidOperation, operation, name,
          " has no elements in a spatial axis; ", name, " ", x);
  }
  return plan;
}

PoolPlan plan_windows(const Shape& x, int rank, const Index* kernel, const Index* stride,
                      const PaddingMode& padding, const Index* dilation, bool ceil_mode,
                      DataFormat format, const PoolDivisor& divisor, std::string_view operation) {
  check(divisor.fixed >= 0, ErrorKind::InvalidOperation, operation,
        "divisor must not be negative, got ", divisor.fixed);
  PoolPlan plan = plan_form(x, rank, format, operation);
  for (int i = 0; i < rank; ++i) {
    PoolAxisPlan& axis = plan.axis[static_cast<std::size_t>(3 - rank + i)];
    axis.kernel = kernel[i];
    axis.stride = stride[i] == kStrideOfKernel ? kernel[i] : stride[i];
    axis.dilation = dilation[i];
    check(axis.kernel >= 1, ErrorKind::InvalidOperation, operation,
          "kernel must be at least 1, got ", axis.kernel);
    check(axis.stride >= 1, ErrorKind::InvalidOperation, operation,
          "stride must be at least 1, got ", axis.stride);
    check(axis.dilation >= 1, ErrorKind::InvalidOperation, operation,
          "dilation must be at least 1, got ", axis.dilation);
    check_window_limits(operation, axis.kernel, axis.stride, axis.dilation);
    axis.padding = padding.resolve(i, axis.in, axis.kernel, axis.stride, axis.dilation, operation);
    const Index reach = axis.dilation * (axis.kernel - 1) + 1;
    const PaddingAmount& amount = axis.padding;
    check_padding_limit(operation, amount);
    check(amount.before < reach && amount.behind < reach, ErrorKind::InvalidOperation, operation,
          "padding must be smaller than the window's extent ", reach, ", got ", amount.before,
          " and ", amount.behind);
    const Index padded = axis.in + amount.before + amount.behind;
    const Index room = padded - reach + (ceil_mode ? axis.stride - 1 : 0);
    check(room >= 0, ErrorKind::DimensionMismatch, operation, "window of extent ", reach,
          " is larger than the padded extent ", padded, "; x ", x);
    axis.out = room / axis.stride + 1;
    if ((axis.out - 1) * axis.stride >= axis.in + amount.before) --axis.out;
    plan.out[plan.spatial_axis(i)] = axis.out;
  }
  check_result_size(operation, plan.out);
  if (plan.out.size() == 0) return plan;  // no windows, however long the axes
  for (int i = 0; i < rank; ++i)
    fill_spans(plan.axis[static_cast<std::size_t>(3 - rank + i)], divisor);
  if (divisor.fixed > 0) {
    for (kernels::PoolSpan& span : plan.axis[2].spans) span.divisor = divisor.fixed;
  }
  return plan;
}

PoolPlan plan_adaptive(const Shape& x, int rank, const Index* out, DataFormat format,
                       std::string_view operation) {
  PoolPlan plan = plan_form(x, rank, format, operation);
  for (int i = 0; i < rank; ++i) {
    PoolAxisPlan& axis = plan.axis[static_cast<std::size_t>(3 - rank + i)];
    check(out[i] >= 1 && out[i] <= kLargestWindow, ErrorKind::InvalidOperation, operation,
          "output extents must be at least 1 and at most ", kLargestWindow, ", got ", out[i]);
    axis.out = out[i];
    check(axis.in <= (Index{1} << 61) / axis.out, ErrorKind::InvalidOperation, operation,
          "extents ", axis.in, " and ", axis.out, " are too large together");
    plan.out[plan.spatial_axis(i)] = axis.out;
  }
  check_result_size(operation, plan.out);
  if (plan.out.size() == 0) return plan;
  for (int i = 0; i < rank; ++i) {
    PoolAxisPlan& axis = plan.axis[static_cast<std::size_t>(3 - rank + i)];
    if (axis.in % axis.out == 0) {
      axis.kernel = axis.in / axis.out;
      axis.stride = axis.kernel;
      fill_spans(axis, {});
      continue;
    }
    axis.stride = 0;
    axis.spans.assign(static_cast<std::size_t>(axis.out), {});
    for (Index o = 0; o < axis.out; ++o) {
      const Index begin = o * axis.in / axis.out;
      const Index end = ceil_of((o + 1) * axis.in, axis.out);
      axis.spans[static_cast<std::size_t>(o)] = {begin, end - begin, end - begin};
    }
  }
  return plan;
}

namespace {

/// Whether a result of runs of so many adjacent elements goes around the caches: beyond what the
/// last one holds of it and what it is made of, if it consists of lines of the cache.
template <class T>
bool goes_past_caches(const PoolPlan& plan, const T* result, Index adjacent) {
  constexpr Index kSize = sizeof(T);
  return (plan.in.size() + plan.out.size()) * kSize > streaming_bytes() &&
         reinterpret_cast<std::uintptr_t>(result) % 64 == 0 && adjacent * kSize % 64 == 0;
}

}  // namespace

template <class T>
void run_pool(const PoolPlan& plan, kernels::PoolOp op, kernels::PoolFinish finish,
              const View<T>& x, T* y, std::int64_t* indices) {
  if (plan.out.size() == 0) return;
  const auto& [depth, height, width] = plan.axis;
  kernels::PoolArgs<T> args;
  args.op = op;
  args.finish = finish;
  if (finish == kernels::PoolFinish::Divide) {
    // Multiplication by a power of two is the same as division, and faster.
    const Index common = common_divisor(depth) * common_divisor(height) * common_divisor(width);
    if (common > 0 && std::has_single_bit(static_cast<std::uint64_t>(common))) {
      args.finish = common == 1 ? kernels::PoolFinish::None : kernels::PoolFinish::Scale;
      args.factor = T(1) / static_cast<T>(common);
    }
  }
  set_strides(plan, x, args);
  const bool neighbors = plan.last ? args.channel_stride == 1 || plan.channels == 1
                                   : args.width_stride == 1 || width.in == 1;
  Array<T> copy;
  if (!neighbors) {
    copy = x.copy();
    set_strides<T>(plan, copy, args);
  }
  args.x = neighbors ? x.data() : copy.data();
  args.channels = plan.channels;
  args.depth = kernel_axis(depth);
  args.height = kernel_axis(height);
  args.width = kernel_axis(width);
  args.y = y;
  args.indices = indices;
  args.stride = width.stride;
  const Index rows = largest_count(depth) * largest_count(height);
  if (plan.last) {
    args.tile = std::clamp<Index>(kTileColumns / plan.channels, 1, width.out);
    args.stream = indices == nullptr && goes_past_caches(plan, y, plan.channels);
    const Index work = rows * largest_count(width) * width.out * plan.channels;
    parallel_for(plan.images * depth.out * height.out, std::max<Index>(1, kGrainElements / work),
                 [&](Index begin, Index end) {
                   const Buffer<T> scratch(args.tile * plan.channels);
                   kernels::pool_channels(args, begin, end, scratch.data());
                 });
    return;
  }
  args.kernel = width.kernel;
  args.before = width.padding.before;
  args.height_advance = height.stride * args.height_stride;
  const Index reach = (width.kernel - 1) * width.dilation + 1;
  args.tile = width.out;
  if (width.stride > 0) {
    args.tile = std::min(width.out, std::max<Index>(1, (kTileColumns - reach) / width.stride + 1));
  }
  std::vector<T> divisors(static_cast<std::size_t>(width.out + kernels::kPoolSlack), T(1));
  for (std::size_t i = 0; i < width.spans.size(); ++i) {
    divisors[i] = static_cast<T>(width.spans[i].divisor);
  }
  args.width_divisors = divisors.data();
  const Index tiles = (width.out + args.tile - 1) / args.tile;
  args.stream = tiles == 1 && width.stride == 2 && (width.kernel == 2 || width.kernel == 3) &&
                width.dilation == 1 && width.padding.before <= width.kernel - 2 &&
                indices == nullptr && goes_past_caches(plan, y, width.out);
  const Index work =
      rows * std::min(width.in, args.tile * std::max<Index>(1, width.stride) + reach);
  parallel_for(plan.images * plan.channels * depth.out * height.out * tiles,
               std::max<Index>(1, kGrainElements / work), [&](Index begin, Index end) {
                 const Buffer<T> scratch(kernels::pool_lines_scratch(args));
                 kernels::pool_lines(args, begin, end, scratch.data());
               });
}

template <class T>
bool run_pool_planes(const PoolPlan& plan, bool max, const View<T>& x, T* y) {
  constexpr Index kLargest = 4096;
  const auto& [depth, height, width] = plan.axis;
  kernels::PoolPlanes<T> args;
  kernels::PoolArgs<T> strides;
  set_strides(plan, x, strides);
  const bool neighbors = (width.in == 1 || strides.width_stride == 1) &&
                         (height.in == 1 || strides.height_stride == width.in) &&
                         (depth.in == 1 || strides.depth_stride == height.in * width.in);
  if (plan.last || !neighbors || plan.in_positions() > kLargest) return false;
  args.x = x.data();
  args.y = y;
  args.max = max;
  args.channels = plan.channels;
  args.image_stride = strides.image_stride;
  args.channel_stride = strides.channel_stride;
  args.positions = plan.in_positions();
  parallel_for(plan.images * plan.channels, std::max<Index>(1, kGrainElements / args.positions),
               [&](Index begin, Index end) { kernels::pool_planes(args, begin, end); });
  return true;
}

namespace {

/// PoolCover and its memory.
template <class T>
struct Cover {
  std::vector<Index> first, outputs;
  std::vector<T> weights;

  explicit Cover(const PoolAxisPlan& axis)
      : first(static_cast<std::size_t>(axis.in) + 1), weights(axis.spans.size()) {
    for (std::size_t o = 0; o < axis.spans.size(); ++o) {
      const kernels::PoolSpan& span = axis.spans[o];
      weights[o] = T(1) / static_cast<T>(std::max<Index>(1, span.divisor));
      for (Index t = 0; t < span.count; ++t) {
        ++first[static_cast<std::size_t>(span.begin + t * axis.dilation) + 1];
      }
    }
    for (std::size_t i = 1; i < first.size(); ++i) first[i] += first[i - 1];
    outputs.resize(static_cast<std::size_t>(first.back()));
    std::vector<Index> filled(first.begin(), first.end() - 1);
    for (std::size_t o = 0; o < axis.spans.size(); ++o) {
      const kernels::PoolSpan& span = axis.spans[o];
      for (Index t = 0; t < span.count; ++t) {
        const auto at = static_cast<std::size_t>(span.begin + t * axis.dilation);
        outputs[static_cast<std::size_t>(filled[at]++)] = static_cast<Index>(o);
      }
    }
  }
  [[nodiscard]] kernels::PoolCover<T> view(const PoolAxisPlan& axis) const {
    return {first.data(), outputs.data(), weights.data(), axis.in, axis.out};
  }
};

}  // namespace

template <class T>
void run_pool_spread(const PoolPlan& plan, const T* dy, T* dx) {
  if (plan.in.size() == 0) return;
  const auto& [depth, height, width] = plan.axis;
  const Cover<T> depths(depth);
  const Cover<T> heights(height);
  const Cover<T> widths(width);
  kernels::PoolSpreadArgs<T> args;
  args.dy = dy;
  args.dx = dx;
  args.channels = plan.channels;
  args.depth = depths.view(depth);
  args.height = heights.view(height);
  args.width = widths.view(width);
  args.stream = goes_past_caches(plan, dx, plan.last ? plan.channels : width.in);
  const Index taps = std::max<Index>(1, ceil_of(depth.kernel, std::max<Index>(1, depth.stride))) *
                     std::max<Index>(1, ceil_of(height.kernel, std::max<Index>(1, height.stride)));
  if (plan.last) {
    const Index work = taps * width.in * plan.channels;
    parallel_for(plan.images * depth.in * height.in, std::max<Index>(1, kGrainElements / work),
                 [&](Index begin, Index end) { kernels::pool_spread_channels(args, begin, end); });
    return;
  }
  args.kernel = width.kernel;
  args.stride = width.stride;
  args.before = width.padding.before;
  args.step = width.dilation;
  args.spans = width.spans.data();
  args.tile = width.stride == 0 ? width.in : std::min(width.in, kTileColumns);
  const Index tiles = (width.in + args.tile - 1) / args.tile;
  parallel_for(plan.images * plan.channels * depth.in * height.in * tiles,
               std::max<Index>(1, kGrainElements / (taps * args.tile)),
               [&](Index begin, Index end) {
                 const Buffer<T> scratch(kernels::pool_spread_scratch(args));
                 kernels::pool_spread_lines(args, begin, end, scratch.data());
               });
}

namespace {

template <bool kAdd, class T>
void scatter_planes(const PoolPlan& plan, const T* dy, const std::int64_t* indices, T* dx) {
  const Index in = plan.in_positions();
  const Index out = plan.out_positions();
  const auto put = [](T& to, T value) { to = kAdd ? to + value : value; };
  if (!plan.last) {
    parallel_for(plan.images * plan.channels, std::max<Index>(1, kGrainElements / in),
                 [&](Index begin, Index end) {
                   for (Index plane = begin; plane < end; ++plane) {
                     T* to = dx + plane * in;
                     std::fill_n(to, in, T(0));
                     for (Index i = plane * out; i < (plane + 1) * out; ++i) {
                       if (indices[i] >= 0) put(to[indices[i]], dy[i]);
                     }
                   }
                 });
    return;
  }
  // Channels last: a run of channels of one image at a time, so that no two threads meet.
  constexpr Index kRun = 64;
  const Index runs = (plan.channels + kRun - 1) / kRun;
  parallel_for(plan.images * runs, std::max<Index>(1, kGrainElements / (in * kRun)),
               [&](Index begin, Index end) {
                 for (Index unit = begin; unit < end; ++unit) {
                   const Index image = unit / runs;
                   const Index first = unit % runs * kRun;
                   const Index last = std::min(plan.channels, first + kRun);
                   T* to = dx + image * in * plan.channels;
                   for (Index p = 0; p < in; ++p) {
                     std::fill(to + p * plan.channels + first, to + p * plan.channels + last, T(0));
                   }
                   for (Index p = 0; p < out; ++p) {
                     const Index row = (image * out + p) * plan.channels;
                     for (Index c = first; c < last; ++c) {
                       const Index at = indices[row + c];
                       if (at >= 0) put(to[at * plan.channels + c], dy[row + c]);
                     }
                   }
                 }
               });
}

}  // namespace

template <class T>
void run_pool_scatter(const PoolPlan& plan, const T* dy, const std::int64_t* indices, T* dx,
                      Scatter scatter) {
  if (scatter == Scatter::Add) {
    scatter_planes<true>(plan, dy, indices, dx);
  } else {
    scatter_planes<false>(plan, dy, indices, dx);
  }
}

PoolPlan plan_scatter(const Shape& from, std::string_view from_name, const Shape& indices,
                      const Shape& to, std::string_view to_name, int rank, DataFormat format,
                      std::string_view operation) {
  check(indices == from, ErrorKind::DimensionMismatch, operation, "indices must have the shape of ",
        from_name, " ", from, ", got ", indices);
  const PoolPlan windows = plan_form(from, rank, format, operation, from_name);
  PoolPlan plan = plan_form(to, rank, format, operation, to_name);
  check(windows.form == plan.form && windows.images == plan.images &&
            windows.channels == plan.channels,
        ErrorKind::DimensionMismatch, operation, from_name, " and ", to_name,
        " differ in rank, images or channels; ", from_name, " ", from, ", ", to_name, " ", to);
  for (std::size_t a = 0; a < 3; ++a) plan.axis[a].out = windows.axis[a].in;
  plan.out = from;
  return plan;
}

void check_pool_indices(const std::int64_t* indices, Index count, Index positions,
                        std::string_view operation) {
  // The sign bit of one of the two says that an index is out of range: a loop without branches.
  std::uint64_t outside = 0;
  const auto last = static_cast<std::uint64_t>(positions - 1);
  for (Index i = 0; i < count; ++i) {
    const auto index = static_cast<std::uint64_t>(indices[i]);
    outside |= (index + 1) | (last - index);
  }
  if (outside >> 63 == 0) return;
  for (Index i = 0; i < count; ++i) {
    check(indices[i] >= -1 && indices[i] < positions, ErrorKind::IndexOutOfBounds, operation,
          "index ", indices[i], " is out of range for ", positions, " positions");
  }
}

template <class T, class U>
void check_pool_output(const View<T>& out, const Shape& shape, const View<U>& x,
                       std::string_view operation, std::string_view out_name,
                       std::string_view x_name) {
  check_pool_shape(out, shape, operation, out_name);
  check_writable(out, operation, out_name);
  check(overlap(out, x) == Overlap::None, ErrorKind::InvalidOperation, operation, out_name,
        " overlaps ", x_name);
}

#define LAMINA_INSTANTIATE(T)                                                                     \
  template void run_pool(const PoolPlan&, kernels::PoolOp, kernels::PoolFinish, const View<T>&,   \
                         T*, std::int64_t*);                                                      \
  template bool run_pool_planes(const PoolPlan&, bool, const View<T>&, T*);                       \
  template void run_pool_spread(const PoolPlan&, const T*, T*);                                   \
  template void run_pool_scatter(const PoolPlan&, const T*, const std::int64_t*, T*, Scatter);    \
  template void check_pool_output(const View<T>&, const Shape&, const View<T>&, std::string_view, \
                                  std::string_view, std::string_view);                            \
  template void check_pool_output(const View<std::int64_t>&, const Shape&, const View<T>&,        \
                                  std::string_view, std::string_view, std::string_view);          \
  template void check_pool_output(const View<T>&, const Shape&, const View<std::int64_t>&,        \
                                  std::string_view, std::string_view, std::string_view);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
