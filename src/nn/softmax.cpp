#include "lamina/nn/softmax.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/softmax.hpp"
#include "lamina/core/memory.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/axis_layout.hpp"
#include "nn/layout.hpp"

namespace lamina::nn {

namespace {

using kernels::SoftmaxKind;

/// Elements a thread takes at a time.
constexpr Index kGrain = 32768;
/// Columns are handed out in blocks of whole vectors on every target: many, so that rows are read
/// in long stretches, but a block, which is read three times, should stay in the cache.
constexpr Index kLeastColumns = 64;
constexpr Index kMostColumns = 1024;
constexpr Index kBlockBytes = 512 * 1024;
/// Side by side, a thread fetches ahead lines that the other one writes, and they wander: two took
/// up to 2.7 times as long as one. So of arrays that the caches may hold, a thread takes long
/// stretches of each row.
constexpr Index kStretchBytes = 16 * 1024;
constexpr Index kCachedBytes = Index{6} << 20;

/// Rows from this length on are cut into parts of kGrain.
constexpr Index kLongRow = Index{1} << 18;

/// What tells one function of the family from another.
struct Member {
  const char* name;
  SoftmaxKind kind;
  bool negate = false;
};

/// 1 / temperature, after checking everything but the shapes of further arguments.
template <class T>
T check_options(const char* name, const char* argument, const View<T>& x,
                const SoftmaxOptions& options, int& axis) {
  check(x.defined(), ErrorKind::InvalidOperation, name, argument, " is not defined");
  axis = normalize_axis(options.axis, x.rank(), name);
  check(x.shape()[axis] > 0, ErrorKind::DimensionMismatch, name, "axis ", axis, " of ", argument,
        " ", x.shape(), " is empty");
  const T scale = static_cast<T>(1.0 / options.temperature);
  check(options.temperature > 0 && std::isfinite(options.temperature) && std::isfinite(scale),
        ErrorKind::InvalidOperation, name, "temperature must be positive and finite, got ",
        options.temperature);
  return scale;
}

template <class T>
void check_same_shape(const char* name, const char* argument_x, const View<T>& x,
                      const char* argument_y, const View<T>& y) {
  check(y.defined() && y.shape() == x.shape(), ErrorKind::DimensionMismatch, name, argument_y, " ",
        y.shape(), " does not have the shape of ", argument_x, " ", x.shape());
}

template <class T>
void check_overlap(const char* name, const char* argument_x, const View<T>& x,
                   const char* argument_y, const View<T>& y) {
  check(overlap(x, y) != Overlap::Partial, ErrorKind::InvalidOperation, name, argument_y,
        " overlaps ", argument_x, " in part");
  detail::check_writable(y, name, argument_y);
}

/// How K operands of one shape lie around the softmax axis.
template <int K>
struct Plan {
  bool rows = false;     ///< the axis has stride 1 everywhere
  bool columns = false;  ///< another axis has
  Index n = 0;
  typename JointDims<K>::Offsets step{};  ///< strides of the axis
  JointDims<K> outer;                     ///< all else; for columns without that other axis
  Index width = 1;                        ///< extent of that other axis
};

template <int K>
Plan<K> make_plan(const Shape& shape, int axis, const std::array<const Strides*, K>& strides) {
  Plan<K> plan;
  plan.n = shape[axis];
  const auto at = [&](int i) {
    typename JointDims<K>::Offsets result;
    for (std::size_t k = 0; k < K; ++k) {
      result[k] = (*strides[k])[i];
    }
    return result;
  };
  const auto unit = [](const typename JointDims<K>::Offsets& s) {
    return std::all_of(s.begin(), s.end(), [](Index stride) { return stride == 1; });
  };
  plan.step = at(axis);
  for (int i = 0; i < shape.rank(); ++i) {
    if (i != axis) {
      plan.outer.push(shape[i], at(i));
    }
  }
  plan.rows = plan.n == 1 || unit(plan.step);
  for (int i = plan.outer.rank() - 1; i >= 0 && !plan.rows && !plan.columns; --i) {
    if (unit(plan.outer[i].strides)) {
      plan.columns = true;
      plan.width = plan.outer.remove(i).extent;
    }
  }
  return plan;
}

/// Calls rows(offsets, strides, count, more) or columns(offsets, count) for all of the plan, in
/// chunks that depend on the shape alone. `more` tells whether another row follows the last one.
template <int K, class R, class C>
void run_plan(const Plan<K>& plan, Index element_bytes, R&& rows, C&& columns) {
  using Offsets = typename JointDims<K>::Offsets;
  if (plan.outer.size() * plan.width == 0) {
    return;
  }
  if (plan.rows) {
    const Index grain = std::max(Index{1}, kGrain / plan.n);
    const Index size = plan.outer.size();
    const Index inner = plan.outer.rank() == 1 ? size : 0;
    parallel_for(size, grain, [&](Index begin, Index end) {
      plan.outer.for_each_run(begin, end,
                              [&](const Offsets& offsets, Index count, const Offsets& strides) {
                                rows(offsets, strides, count, end < inner);
                              });
    });
    return;
  }
  const Index fits = kBlockBytes / (plan.n * element_bytes * kLeastColumns) * kLeastColumns;
  const Index column_block = std::clamp(fits, kLeastColumns, kMostColumns);
  const Index blocks = ceil_div(plan.width, column_block);
  const bool cached = plan.n * plan.width * element_bytes <= kCachedBytes;
  const Index apart =
      cached ? std::min(blocks, ceil_div(kStretchBytes, column_block * element_bytes)) : 1;
  const Index grain = std::max(apart, kGrain / (plan.n * std::min(plan.width, column_block)));
  parallel_for(plan.outer.size() * blocks, grain, [&](Index begin, Index end) {
    for (; begin < end; ++begin) {
      const Index column = begin % blocks * column_block;
      const Index count = std::min(plan.width - column, column_block);
      plan.outer.for_each_run(begin / blocks, begin / blocks + 1,
                              [&](Offsets offsets, Index, const Offsets&) {
                                for (Index& offset : offsets) {
                                  offset += column;
                                }
                                columns(offsets, count);
                              });
    }
  });
}

/// A row in parts, read twice: each block around its own maximum, which the row's then joins.
template <class T>
void long_row(const kernels::SoftmaxArgs<T>& row) {
  constexpr Index kBlock = kernels::kSoftmaxBlock<T>;
  static_assert(kGrain % kBlock == 0);
  const Buffer<kernels::SoftmaxBlock> blocks(ceil_div(row.n, kBlock));
  const auto part = [&](Index begin, Index end) {
    kernels::SoftmaxArgs<T> result = row;
    result.x += begin;
    result.y += begin;
    result.n = end - begin;
    return result;
  };
  parallel_for(row.n, kGrain, [&](Index begin, Index end) {
    kernels::softmax_blocks(part(begin, end), blocks.data() + begin / kBlock);
  });
  double max = blocks.data()->max;
  for (Index b = 1; b < blocks.size(); ++b) {
    max = std::max(max, blocks.data()[b].max);
  }
  // What the terms of a block are too large by.
  const auto factor = [&](Index block) {
    return std::exp((blocks.data()[block].max - max) * static_cast<double>(row.scale));
  };
  double sum = 0;
  for (Index b = 0; b < blocks.size(); ++b) {
    sum += blocks.data()[b].sum * factor(b);
  }
  parallel_for(row.n, kGrain, [&](Index begin, Index end) {
    if (row.kind == SoftmaxKind::LogSoftmax) {
      kernels::softmax_finish(part(begin, end), max, std::log(sum));
      return;
    }
    for (; begin < end; begin += kBlock) {
      kernels::softmax_finish(part(begin, std::min(begin + kBlock, end)), max,
                              factor(begin / kBlock) / sum);
    }
  });
}

/// The gradient in parts, read twice.
template <class T>
void long_row_backward(const kernels::SoftmaxBackwardArgs<T>& row) {
  const Buffer<double> sums(ceil_div(row.n, kGrain));
  const auto part = [&](Index begin, Index end) {
    kernels::SoftmaxBackwardArgs<T> result = row;
    result.dy += begin;
    result.y += begin;
    result.dx += begin;
    result.n = end - begin;
    return result;
  };
  parallel_for(row.n, kGrain, [&](Index begin, Index end) {
    sums.data()[begin / kGrain] = kernels::softmax_backward_sum(part(begin, end));
  });
  const double sum = std::accumulate(sums.data(), sums.data() + sums.size(), 0.0);
  parallel_for(row.n, kGrain, [&](Index begin, Index end) {
    kernels::softmax_backward_finish(part(begin, end), sum);
  });
}

/// visit(offsets) for each row of a plan of rows.
template <class Plan, class F>
void for_each_row(const Plan& plan, const F& visit) {
  plan.outer.for_each_run(0, plan.outer.size(),
                          [&](auto offsets, Index count, const auto& strides) {
                            for (Index i = 0; i < count; ++i) {
                              visit(offsets);
                              for (std::size_t k = 0; k < offsets.size(); ++k) {
                                offsets[k] += strides[k];
                              }
                            }
                          });
}

/// All arguments are checked, x and y are equal or disjoint.
template <class T>
void forward(const View<T>& x, const MutView<T>& y, int axis, const Member& member, T scale) {
  kernels::SoftmaxArgs<T> shared;
  shared.kind = member.kind;
  shared.n = x.shape()[axis];
  shared.scale = scale;
  shared.negate = member.negate;
  if (axis == x.rank() - 1 && x.size() <= kGrain && x.is_contiguous() && y.is_contiguous()) {
    // A few adjacent rows need no plan.
    kernels::SoftmaxArgs<T> args = shared;
    args.x = x.data();
    args.y = y.data();
    args.x_stride = args.y_stride = args.n;
    args.count = x.size() / args.n;
    kernels::softmax_rows(args);
    return;
  }
  const auto plan = make_plan<2>(x.shape(), axis, {&x.strides(), &y.strides()});
  if (!plan.rows && !plan.columns) {
    // The operands disagree about what is adjacent: bring x into the layout of y, or both into a
    // plain one, where softmax runs in place.
    if (make_plan<1>(y.shape(), axis, {&y.strides()}).rows ||
        make_plan<1>(y.shape(), axis, {&y.strides()}).columns) {
      y.assign(x);
      forward<T>(y, y, axis, member, scale);
    } else {
      Array<T> copy = x.copy();
      forward<T>(copy, copy, axis, member, scale);
      y.assign(copy);
    }
    return;
  }
  if (plan.rows && plan.n >= kLongRow) {
    for_each_row(plan, [&](const auto& offsets) {
      kernels::SoftmaxArgs<T> row = shared;
      row.x = x.data() + offsets[0];
      row.y = y.data() + offsets[1];
      long_row(row);
    });
    return;
  }
  run_plan(
      plan, static_cast<Index>(sizeof(T)),
      [&](const auto& offsets, const auto& strides, Index count, bool more) {
        kernels::SoftmaxArgs<T> args = shared;
        args.more = more;
        args.x = x.data() + offsets[0];
        args.y = y.data() + offsets[1];
        args.x_stride = strides[0];
        args.y_stride = strides[1];
        args.count = count;
        kernels::softmax_rows(args);
      },
      [&](const auto& offsets, Index count) {
        kernels::SoftmaxArgs<T> args = shared;
        args.x = x.data() + offsets[0];
        args.y = y.data() + offsets[1];
        args.x_stride = plan.step[0];
        args.y_stride = plan.step[1];
        args.count = count;
        kernels::softmax_columns(args);
      });
}

template <class T>
void backward(const View<T>& dy, const View<T>& y, const MutView<T>& dx, int axis,
              const Member& member, T scale) {
  const auto plan = make_plan<3>(dy.shape(), axis, {&dy.strides(), &y.strides(), &dx.strides()});
  if (!plan.rows && !plan.columns) {
    const lamina::detail::Packed<T> packed_dy(dy);
    const lamina::detail::Packed<T> packed_y(y);
    Array<T> result = Array<T>::empty(dy.shape());
    backward<T>(View<T>(packed_dy.data(), dy.shape()), View<T>(packed_y.data(), dy.shape()), result,
                axis, member, scale);
    dx.assign(result);
    return;
  }
  kernels::SoftmaxBackwardArgs<T> shared;
  shared.kind = member.kind;
  shared.n = plan.n;
  shared.scale = member.negate ? -scale : scale;
  const auto args_at = [&](const auto& offsets, const auto& strides, Index count) {
    kernels::SoftmaxBackwardArgs<T> args = shared;
    args.dy = dy.data() + offsets[0];
    args.y = y.data() + offsets[1];
    args.dx = dx.data() + offsets[2];
    args.dy_stride = strides[0];
    args.y_stride = strides[1];
    args.dx_stride = strides[2];
    args.count = count;
    return args;
  };
  if (plan.rows && plan.n >= kLongRow) {
    for_each_row(plan,
                 [&](const auto& offsets) { long_row_backward(args_at(offsets, plan.step, 1)); });
    return;
  }
  run_plan(
      plan, static_cast<Index>(sizeof(T)),
      [&](const auto& offsets, const auto& strides, Index count, bool /*more*/) {
        kernels::softmax_backward_rows(args_at(offsets, strides, count));
      },
      [&](const auto& offsets, Index count) {
        kernels::softmax_backward_columns(args_at(offsets, plan.step, count));
      });
}

template <class T>
void apply(const Member& member, const View<T>& x, const MutView<T>& out,
           const SoftmaxOptions& options) {
  int axis = 0;
  const T scale = check_options(member.name, "x", x, options, axis);
  check_same_shape<T>(member.name, "x", x, "out", out);
  check_overlap<T>(member.name, "x", x, "out", out);
  forward(x, out, axis, member, scale);
}

template <class T>
Array<T> allocate_and_apply(const Member& member, const View<T>& x, const SoftmaxOptions& options) {
  int axis = 0;
  (void)check_options(member.name, "x", x, options, axis);
  Array<T> out = Array<T>::empty(x.shape());
  apply<T>(member, x, out, options);
  return out;
}

template <class T>
void apply_backward(const Member& member, const View<T>& dy, const View<T>& y, const MutView<T>& dx,
                    const SoftmaxOptions& options) {
  int axis = 0;
  const T scale = check_options(member.name, "dy", dy, options, axis);
  check_same_shape<T>(member.name, "dy", dy, "y", y);
  check_same_shape<T>(member.name, "dy", dy, "dx", dx);
  check_overlap<T>(member.name, "dy", dy, "dx", dx);
  check_overlap<T>(member.name, "y", y, "dx", dx);
  backward<T>(dy, y, dx, axis, member, scale);
}

template <class T>
Array<T> allocate_and_apply_backward(const Member& member, const View<T>& dy, const View<T>& y,
                                     const SoftmaxOptions& options) {
  int axis = 0;
  (void)check_options(member.name, "dy", dy, options, axis);
  Array<T> dx = Array<T>::empty(dy.shape());
  apply_backward<T>(member, dy, y, dx, options);
  return dx;
}

constexpr Member kSoftmax{"softmax", SoftmaxKind::Softmax};
constexpr Member kLogSoftmax{"log_softmax", SoftmaxKind::LogSoftmax};
constexpr Member kSoftmin{"softmin", SoftmaxKind::Softmax, true};
constexpr Member kSoftmaxBackward{"softmax_backward", SoftmaxKind::Softmax};
constexpr Member kLogSoftmaxBackward{"log_softmax_backward", SoftmaxKind::LogSoftmax};
constexpr Member kSoftminBackward{"softmin_backward", SoftmaxKind::Softmax, true};

}  // namespace

template <class T>
void softmax_into(const View<T>& x, MutArg<T> out, const SoftmaxOptions& options) {
  apply(kSoftmax, x, out, options);
}
template <class T>
Array<T> softmax(const View<T>& x, const SoftmaxOptions& options) {
  return allocate_and_apply(kSoftmax, x, options);
}
template <class T>
Array<T> softmax_2d(const View<T>& x, int axis) {
  (void)x.template dims<2>("softmax_2d");
  return softmax(x, {.axis = axis});
}
template <class T>
void softmax_backward_into(const View<T>& dy, ViewArg<T> y, MutArg<T> dx,
                           const SoftmaxOptions& options) {
  apply_backward(kSoftmaxBackward, dy, y, dx, options);
}
template <class T>
Array<T> softmax_backward(const View<T>& dy, ViewArg<T> y, const SoftmaxOptions& options) {
  return allocate_and_apply_backward(kSoftmaxBackward, dy, y, options);
}

template <class T>
void log_softmax_into(const View<T>& x, MutArg<T> out, const SoftmaxOptions& options) {
  apply(kLogSoftmax, x, out, options);
}
template <class T>
Array<T> log_softmax(const View<T>& x, const SoftmaxOptions& options) {
  return allocate_and_apply(kLogSoftmax, x, options);
}
template <class T>
Array<T> log_softmax_2d(const View<T>& x, int axis) {
  (void)x.template dims<2>("log_softmax_2d");
  return log_softmax(x, {.axis = axis});
}
template <class T>
void log_softmax_backward_into(const View<T>& dy, ViewArg<T> y, MutArg<T> dx,
                               const SoftmaxOptions& options) {
  apply_backward(kLogSoftmaxBackward, dy, y, dx, options);
}
template <class T>
Array<T> log_softmax_backward(const View<T>& dy, ViewArg<T> y, const SoftmaxOptions& options) {
  return allocate_and_apply_backward(kLogSoftmaxBackward, dy, y, options);
}

template <class T>
void softmin_into(const View<T>& x, MutArg<T> out, const SoftmaxOptions& options) {
  apply(kSoftmin, x, out, options);
}
template <class T>
Array<T> softmin(const View<T>& x, const SoftmaxOptions& options) {
  return allocate_and_apply(kSoftmin, x, options);
}
template <class T>
void softmin_backward_into(const View<T>& dy, ViewArg<T> y, MutArg<T> dx,
                           const SoftmaxOptions& options) {
  apply_backward(kSoftminBackward, dy, y, dx, options);
}
template <class T>
Array<T> softmin_backward(const View<T>& dy, ViewArg<T> y, const SoftmaxOptions& options) {
  return allocate_and_apply_backward(kSoftminBackward, dy, y, options);
}

#define LAMINA_INSTANTIATE(T)                                                                     \
  template LAMINA_EXPORT void softmax_into<T>(const View<T>&, MutArg<T>, const SoftmaxOptions&);  \
  template LAMINA_EXPORT Array<T> softmax<T>(const View<T>&, const SoftmaxOptions&);              \
  template LAMINA_EXPORT Array<T> softmax_2d<T>(const View<T>&, int);                             \
  template LAMINA_EXPORT void softmax_backward_into<T>(const View<T>&, ViewArg<T>, MutArg<T>,     \
                                                       const SoftmaxOptions&);                    \
  template LAMINA_EXPORT Array<T> softmax_backward<T>(const View<T>&, ViewArg<T>,                 \
                                                      const SoftmaxOptions&);                     \
  template LAMINA_EXPORT void log_softmax_into<T>(const View<T>&, MutArg<T>,                      \
                                                  const SoftmaxOptions&);                         \
  template LAMINA_EXPORT Array<T> log_softmax<T>(const View<T>&, const SoftmaxOptions&);          \
  template LAMINA_EXPORT Array<T> log_softmax_2d<T>(const View<T>&, int);                         \
  template LAMINA_EXPORT void log_softmax_backward_into<T>(const View<T>&, ViewArg<T>, MutArg<T>, \
                                                           const SoftmaxOptions&);                \
  template LAMINA_EXPORT Array<T> log_softmax_backward<T>(const View<T>&, ViewArg<T>,             \
                                                          const SoftmaxOptions&);                 \
  template LAMINA_EXPORT void softmin_into<T>(const View<T>&, MutArg<T>, const SoftmaxOptions&);  \
  template LAMINA_EXPORT Array<T> softmin<T>(const View<T>&, const SoftmaxOptions&);              \
  template LAMINA_EXPORT void softmin_backward_into<T>(const View<T>&, ViewArg<T>, MutArg<T>,     \
                                                       const SoftmaxOptions&);                    \
  template LAMINA_EXPORT Array<T> softmin_backward<T>(const View<T>&, ViewArg<T>,                 \
                                                      const SoftmaxOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
