#include "lamina/nn/reduction.hpp"

#include <array>
#include <atomic>
#include <cmath>
#include <functional>
#include <limits>

#include "nn/layout.hpp"
#include "nn/reduce_axes.hpp"
#include "nn/reduce_blocks.hpp"

namespace lamina::nn {

namespace {

using kernels::ReduceStep;

/// Accumulation in one or two steps; what joins them and what follows is in parameter_of() and
/// finish().
struct Steps {
  ReduceStep first;
  bool has_second = false;
  ReduceStep second = ReduceStep::Sum;
};

Steps steps_of(Reduction kind) {
  switch (kind) {
    case Reduction::Sum:
    case Reduction::Mean:
      return {ReduceStep::Sum};
    case Reduction::Prod:
      return {ReduceStep::Product};
    case Reduction::Max:
      return {ReduceStep::Max};
    case Reduction::Min:
      return {ReduceStep::Min};
    case Reduction::Var:
    case Reduction::Stddev:
      return {ReduceStep::Sum, true, ReduceStep::SumCentered};
    case Reduction::NormL1:
      return {ReduceStep::SumAbs};
    case Reduction::NormL2:
      return {ReduceStep::SumSquares};
    case Reduction::NormInf:
      return {ReduceStep::MaxAbs};
    case Reduction::LogSumExp:
      return {ReduceStep::Max, true, ReduceStep::SumExp};
  }
  return {ReduceStep::Sum};
}

/// A power of two that brings numbers up to `largest` near 1.
template <class T>
T scale_for(double largest) {
  if (!(largest > 0) || !std::isfinite(largest)) {
    return T(1);
  }
  const int limit = std::numeric_limits<T>::max_exponent - 2;
  const int exponent = std::ilogb(largest);
  return std::ldexp(T(1), std::min(limit, std::max(-limit, -exponent)));
}

/// From the first step to the second: the mean, or the maximum that is taken off before exp.
template <class T>
T parameter_of(Reduction kind, const Reduced& reduced, double n) {
  if (kind == Reduction::LogSumExp) {
    return std::isfinite(reduced.first) ? static_cast<T>(reduced.first) : T(0);
  }
  return static_cast<T>(reduced.first / n);
}

double finish(Reduction kind, const Reduced& reduced, double parameter, double n, double ddof) {
  switch (kind) {
    case Reduction::Mean:
      return reduced.first / n;
    case Reduction::Var:
    case Reduction::Stddev: {
      // The mean was rounded: the squares of its error are taken off again.
      double squares = reduced.second - reduced.first * reduced.first / n;
      squares = squares < 0 ? 0 : squares;
      const double variance = squares / std::max(n - ddof, 0.0);
      return kind == Reduction::Var ? variance : std::sqrt(variance);
    }
    case Reduction::NormL2:
      return std::sqrt(reduced.first);
    case Reduction::LogSumExp:
      return std::log(reduced.first) + parameter;
    default:
      return reduced.first;
  }
}

/// What a reduction over no elements gives, where that is no error.
double of_nothing(Reduction kind) {
  switch (kind) {
    case Reduction::Mean:
    case Reduction::Var:
    case Reduction::Stddev:
      return std::numeric_limits<double>::quiet_NaN();
    case Reduction::Prod:
      return 1;
    case Reduction::LogSumExp:
      return -std::numeric_limits<double>::infinity();
    default:
      return 0;
  }
}

/// x itself, or a copy if none of its axes has stride 1.
template <class T>
class WithUnitStride {
 public:
  WithUnitStride(const View<T>& x, const ReduceAxes& axes, const Strides& out_strides)
      : blocks_(x, axes.reduced, out_strides) {
    if (!blocks_.is_possible()) {
      copy_ = x.copy();
      blocks_ = ReduceBlocks<T>(copy_, axes.reduced, out_strides);
    }
  }
  [[nodiscard]] const ReduceBlocks<T>& blocks() const noexcept { return blocks_; }

 private:
  ReduceBlocks<T> blocks_;
  Array<T> copy_;
};

/// What the kernel finds is the result, or n times the result.
bool is_plain(Reduction kind) {
  return kind == Reduction::Sum || kind == Reduction::Mean || kind == Reduction::Max ||
         kind == Reduction::Min || kind == Reduction::Prod;
}

/// Row-major x and out, each output in one block: the kernel writes them to their place.
template <class T>
void reduce_plain(Reduction kind, const ReduceBlocks<T>& blocks, ReduceStep step, double n,
                  T* out) {
  const auto run = [&](Index begin, Index end) {
    std::array<T, static_cast<std::size_t>(ReduceBlocks<T>::kMaxCapacity)> second;
    for (Index group = begin; group < end; ++group) {
      T* const to = out + blocks.first_output(group);
      blocks.compute(step, group, 0, nullptr, to, second.data());
      for (Index i = 0; kind == Reduction::Mean && i < blocks.count(group); ++i) {
        to[i] = static_cast<T>(static_cast<double>(to[i]) / n);
      }
    }
  };
  parallel_for(blocks.groups(), blocks.grain(), run);
}

/// All of a small row-major array, or one axis of two, in one call of the kernel without a plan.
/// False if the case is another one, or an error.
template <class T>
bool reduce_small(Reduction kind, const View<T>& x, const MutView<T>& out,
                  const ReduceOptions& options) {
  const bool all = options.axes.empty();
  if (!is_plain(kind) || !x.defined() || !out.defined() || !x.is_contiguous() ||
      !(all || (options.axes.rank() == 1 && x.rank() == 2 && out.is_contiguous()))) {
    return false;
  }
  const Index size = x.size();
  Index axis = all ? 0 : options.axes[0];
  axis += axis < 0 ? 2 : 0;
  if (axis < 0 || axis > 1) {
    return false;
  }
  const Index kept = all ? 1 : x.shape()[static_cast<int>(1 - axis)];
  const int out_rank = options.keepdims ? x.rank() : all ? 0 : 1;
  if (size == 0 || out.rank() != out_rank || out.size() != kept ||
      (out_rank == 2 && !all && out.shape()[static_cast<int>(axis)] != 1)) {
    return false;
  }
  const bool columns = !all && axis == 0 && kept > 1;
  const Index n = size / kept;
  T* const to = out.data();
  if (n > (columns ? kernels::kReduceRows : kernels::kReduceBlock) ||
      kept > kernels::kReduceWidth || size > kReduceGrain ||
      (std::less<>()(x.data(), to + kept) && std::less<>()(to, x.data() + size))) {
    return false;
  }
  simd::detail::ensure_target();
  std::array<T, static_cast<std::size_t>(kernels::kReduceWidth)> second;
  if (columns) {
    kernels::ReduceColumnsArgs<T> args;
    args.step = steps_of(kind).first;
    args.x = x.data();
    args.x_stride = kept;
    args.rows = n;
    args.width = kept;
    args.first = to;
    args.second = second.data();
    kernels::reduce_columns(args);
  } else {
    kernels::ReduceRowsArgs<T> args;
    args.step = steps_of(kind).first;
    args.x = x.data();
    args.x_stride = n;
    args.count = kept;
    args.n = n;
    args.first = to;
    args.second = second.data();
    kernels::reduce_rows(args);
  }
  for (Index i = 0; kind == Reduction::Mean && i < kept; ++i) {
    to[i] = static_cast<T>(static_cast<double>(to[i]) / static_cast<double>(n));
  }
  return true;
}

/// All of a row-major array of a few million elements at most, without a plan: its blocks follow
/// each other. False if the case is another one, or an error.
template <class T>
bool reduce_all(Reduction kind, const View<T>& x, const MutView<T>& out,
                const ReduceOptions& options) {
  constexpr Index kBlocks = 512;
  constexpr Index kBlock = kernels::kReduceBlock;
  if (!is_plain(kind) || !options.axes.empty() || !x.defined() || !out.defined() ||
      !x.is_contiguous() || x.size() <= kBlock || x.size() > kBlocks * kBlock || out.size() != 1 ||
      out.rank() != (options.keepdims ? x.rank() : 0)) {
    return false;
  }
  const Index size = x.size();
  T* const to = out.data();
  if (std::less<>()(x.data(), to + 1) && std::less<>()(to, x.data() + size)) {
    return false;
  }
  std::array<T, static_cast<std::size_t>(kBlocks)> found, unused;
  const ReduceStep step = steps_of(kind).first;
  const auto run = [&](Index begin, Index end) {
    const Index whole = std::min(end, size / kBlock);
    const auto reduce_blocks = [&](Index first, Index count, Index n) {
      kernels::ReduceRowsArgs<T> args;
      args.step = step;
      args.x = x.data() + first * kBlock;
      args.x_stride = kBlock;
      args.count = count;
      args.n = n;
      args.first = found.data() + first;
      args.second = unused.data() + first;
      kernels::reduce_rows(args);
    };
    reduce_blocks(begin, whole - begin, kBlock);
    if (whole < end) {
      reduce_blocks(whole, 1, size - whole * kBlock);
    }
  };
  const Index blocks = ceil_div(size, kBlock);
  parallel_for(blocks, kReduceGrain / kBlock, run);
  ReduceMerger merger(step);
  for (Index block = 0; block < blocks; ++block) {
    merger.add(static_cast<double>(found[static_cast<std::size_t>(block)]), 0, 0);
  }
  const double result = merger.result().first;
  *to = static_cast<T>(kind == Reduction::Mean ? result / static_cast<double>(size) : result);
  return true;
}

/// sqrt(sum x^2) where the squares would leave the range of T.
template <class T>
void scaled_norm(const ReduceBlocks<T>& blocks, T* out) {
  run_reduction(
      blocks, ReduceStep::MaxAbs, true, ReduceStep::SumScaled, static_cast<const T*>(nullptr),
      [](const Reduced& reduced) { return scale_for<T>(reduced.first); },
      [&](Index offset, const Reduced& reduced, T scale) {
        out[offset] = static_cast<T>(std::sqrt(reduced.first) / static_cast<double>(scale));
      });
}

template <class T>
void check_defined(std::string_view name, const char* argument, const View<T>& x) {
  check(x.defined(), ErrorKind::InvalidOperation, name, argument, " is not defined");
}

template <class U>
void check_out(std::string_view name, const Shape& shape, const View<U>& out) {
  check(out.defined() && out.shape() == shape, ErrorKind::DimensionMismatch, name, "out ",
        out.shape(), " should be ", shape);
  detail::check_writable(out, name, "out");
}

void check_elements(std::string_view name, const Shape& shape, const ReduceAxes& axes) {
  check(axes.size > 0 || axes.kept.size() == 0, ErrorKind::InvalidOperation, name, "x ", shape,
        " has no elements along the reduced axes");
}

/// Positions of extremes: one axis, or all of a row-major array.
template <class T>
void arg_reduce(std::string_view name, ReduceStep step, const View<T>& x,
                const MutView<std::int64_t>& out, const ReduceOptions& options) {
  check_defined(name, "x", x);
  check(options.axes.rank() <= 1, ErrorKind::InvalidOperation, name,
        "takes one axis or all of them, got axes ", options.axes);
  const ReduceAxes axes(x.shape(), options, name);
  check_out<std::int64_t>(name, axes.result, out);
  check_elements(name, x.shape(), axes);
  check(overlap(x, static_cast<const View<std::int64_t>&>(out)) == Overlap::None,
        ErrorKind::InvalidOperation, name, "out overlaps x");
  if (axes.kept.size() == 0) {
    return;
  }
  const auto run = [&](const ReduceBlocks<T>& blocks) {
    std::int64_t* to = out.data();
    run_reduction(
        blocks, step, false, step, static_cast<const T*>(nullptr),
        [](const Reduced&) { return T(0); },
        [&](Index offset, const Reduced& reduced, T) { to[offset] = reduced.position; });
  };
  const Strides strides = axes.strides_in_x(out.strides());
  if (options.axes.empty() && !x.is_contiguous()) {
    const Array<T> copy = x.copy();
    run(ReduceBlocks<T>(copy, axes.reduced, strides));
  } else {
    run(WithUnitStride<T>(x, axes, strides).blocks());
  }
}

}  // namespace

Shape reduced_shape(const Shape& shape, const ReduceOptions& options, std::string_view operation) {
  return ReduceAxes(shape, options, operation).result;
}

template <class T>
void reduce_into(Reduction kind, const View<T>& x, MutArg<T> out, const ReduceOptions& options) {
  if (reduce_small<T>(kind, x, out, options) || reduce_all<T>(kind, x, out, options)) {
    return;
  }
  const std::string_view name = info(kind).name;
  check_defined(name, "x", x);
  const ReduceAxes axes(x.shape(), options, name);
  check_out<T>(name, axes.result, out);
  if (info(kind).of_nothing_is_error) {
    check_elements(name, x.shape(), axes);
  }
  check(overlap(x, static_cast<const View<T>&>(out)) == Overlap::None, ErrorKind::InvalidOperation,
        name, "out overlaps x");
  if (out.size() == 0) {
    return;
  }
  if (axes.size == 0) {
    out.fill(static_cast<T>(of_nothing(kind)));
    return;
  }
  const WithUnitStride<T> operand(x, axes, axes.strides_in_x(out.strides()));
  const Steps steps = steps_of(kind);
  const auto n = static_cast<double>(axes.size);
  if (is_plain(kind) && x.is_contiguous() && out.is_contiguous() &&
      operand.blocks().chunks() == 1) {
    reduce_plain(kind, operand.blocks(), steps.first, n, out.data());
    return;
  }
  const auto ddof = static_cast<double>(options.ddof);
  T* to = out.data();
  std::atomic<bool> leaves_range{false};
  run_reduction(
      operand.blocks(), steps.first, steps.has_second, steps.second, static_cast<const T*>(nullptr),
      [&](const Reduced& reduced) { return parameter_of<T>(kind, reduced, n); },
      [&](Index offset, const Reduced& reduced, T parameter) {
        to[offset] = static_cast<T>(finish(kind, reduced, static_cast<double>(parameter), n, ddof));
        if (kind == Reduction::NormL2) {
          constexpr double kSmall = std::numeric_limits<T>::min() * 1e10;
          if (!(reduced.first > kSmall && std::isfinite(reduced.first))) {
            leaves_range.store(true, std::memory_order_relaxed);
          }
        }
      });
  if (leaves_range.load()) {
    scaled_norm(operand.blocks(), to);
  }
}

template <class T>
Array<T> reduce(Reduction kind, const View<T>& x, const ReduceOptions& options) {
  check_defined(info(kind).name, "x", x);
  Array<T> out = Array<T>::empty(reduced_shape(x.shape(), options, info(kind).name));
  reduce_into<T>(kind, x, out, options);
  return out;
}

template <class T>
void argmax_into(const View<T>& x, MutView<std::int64_t> out, const ReduceOptions& options) {
  arg_reduce("argmax", ReduceStep::ArgMax, x, out, options);
}
template <class T>
void argmin_into(const View<T>& x, MutView<std::int64_t> out, const ReduceOptions& options) {
  arg_reduce("argmin", ReduceStep::ArgMin, x, out, options);
}
template <class T>
Array<std::int64_t> argmax(const View<T>& x, const ReduceOptions& options) {
  check_defined("argmax", "x", x);
  auto out = Array<std::int64_t>::empty(reduced_shape(x.shape(), options, "argmax"));
  argmax_into<T>(x, out, options);
  return out;
}
template <class T>
Array<std::int64_t> argmin(const View<T>& x, const ReduceOptions& options) {
  check_defined("argmin", "x", x);
  auto out = Array<std::int64_t>::empty(reduced_shape(x.shape(), options, "argmin"));
  argmin_into<T>(x, out, options);
  return out;
}

namespace {
/// `stop` is the value that decides an output.
void decide_into(std::string_view name, const View<bool>& x, const MutView<bool>& out,
                 const ReduceOptions& options, bool stop) {
  check_defined(name, "x", x);
  const ReduceAxes axes(x.shape(), options, name);
  check_out<bool>(name, axes.result, out);
  check(overlap(x, static_cast<const View<bool>&>(out)) == Overlap::None,
        ErrorKind::InvalidOperation, name, "out overlaps x");
  out.fill(!stop);
  const Strides strides = axes.strides_in_x(out.strides());
  JointDims<2> dims;
  for (int i = 0; i < x.rank(); ++i) {
    dims.push(x.shape()[i], {x.strides()[i], strides[i]});
  }
  dims.for_each_run(0, x.size(), [&](const auto& at, Index count, const auto& step) {
    for (Index i = 0; i < count; ++i) {
      if (x.data()[at[0] + i * step[0]] == stop) {
        out.data()[at[1] + i * step[1]] = stop;
      }
    }
  });
}

Array<bool> decide(std::string_view name, const View<bool>& x, const ReduceOptions& options,
                   bool stop) {
  check_defined(name, "x", x);
  Array<bool> out = Array<bool>::empty(reduced_shape(x.shape(), options, name));
  decide_into(name, x, out, options, stop);
  return out;
}

}  // namespace

void any_into(const View<bool>& x, MutView<bool> out, const ReduceOptions& options) {
  decide_into("any", x, out, options, true);
}
Array<bool> any(const View<bool>& x, const ReduceOptions& options) {
  return decide("any", x, options, true);
}
void all_into(const View<bool>& x, MutView<bool> out, const ReduceOptions& options) {
  decide_into("all", x, out, options, false);
}
Array<bool> all(const View<bool>& x, const ReduceOptions& options) {
  return decide("all", x, options, false);
}

#define LAMINA_INSTANTIATE(T)                                                                 \
  template LAMINA_EXPORT void reduce_into<T>(Reduction, const View<T>&, MutArg<T>,            \
                                             const ReduceOptions&);                           \
  template LAMINA_EXPORT Array<T> reduce<T>(Reduction, const View<T>&, const ReduceOptions&); \
  template LAMINA_EXPORT void argmax_into<T>(const View<T>&, MutView<std::int64_t>,           \
                                             const ReduceOptions&);                           \
  template LAMINA_EXPORT void argmin_into<T>(const View<T>&, MutView<std::int64_t>,           \
                                             const ReduceOptions&);                           \
  template LAMINA_EXPORT Array<std::int64_t> argmax<T>(const View<T>&, const ReduceOptions&); \
  template LAMINA_EXPORT Array<std::int64_t> argmin<T>(const View<T>&, const ReduceOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
