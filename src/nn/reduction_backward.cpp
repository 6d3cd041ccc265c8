// Gradients of reductions: each element's share of the gradient of its output.

#include <cmath>
#include <vector>

#include "lamina/nn/reduction.hpp"
#include "nn/layout.hpp"
#include "nn/reduce_axes.hpp"
#include "nn/reduce_blocks.hpp"

namespace lamina::nn {

namespace {

using kernels::ReduceStep;
using kernels::SpreadStep;

/// How many elements of each output satisfy `step` with y as its parameter.
template <class T>
Array<T> count_ties(const View<T>& x, const ReduceAxes& axes, const View<T>& y, ReduceStep step) {
  Array<T> ties = Array<T>::empty(axes.kept);
  ReduceAxes plain = axes;
  plain.keepdims = false;
  const ReduceBlocks<T> blocks(x, axes.reduced, plain.strides_in_x(ties.strides()));
  run_reduction(
      blocks, step, false, step, y.data(), [](const Reduced&) { return T(0); },
      [&](Index offset, const Reduced& reduced, T) {
        ties.data()[offset] = static_cast<T>(reduced.first);
      });
  return ties;
}

/// What rounding the means b left: the mean over each output of x - b.
template <class T>
Array<T> mean_errors(const View<T>& x, const ReduceAxes& axes, const View<T>& b) {
  Array<T> errors = Array<T>::empty(axes.kept);
  ReduceAxes plain = axes;
  plain.keepdims = false;
  const ReduceBlocks<T> blocks(x, axes.reduced, plain.strides_in_x(errors.strides()));
  const auto n = static_cast<double>(axes.size);
  run_reduction(
      blocks, ReduceStep::SumCentered, false, ReduceStep::SumCentered, b.data(),
      [](const Reduced&) { return T(0); },
      [&](Index offset, const Reduced& reduced, T) {
        errors.data()[offset] = static_cast<T>(reduced.first / n);
      });
  return errors;
}

/// dx = step(x, a, b), all row-major; a and b have one number an output.
template <class T>
void spread(SpreadStep step, const Shape& shape, const ReduceAxes& axes, const T* x, const T* a,
            const T* b, T* dx) {
  const Strides strides = contiguous_strides(shape);
  ReduceAxes plain = axes;
  plain.keepdims = false;
  const Strides ids = plain.strides_in_x(contiguous_strides(axes.kept));
  JointDims<2> dims;
  for (int i = 0; i < shape.rank(); ++i) {
    dims.push(shape[i], {strides[i], ids[i]});
  }
  kernels::SpreadArgs<T> shared;
  shared.step = step;
  shared.width = 1;
  if (dims.rank() > 0) {
    const auto inner = dims.remove(dims.rank() - 1);
    shared.width = inner.extent;
    shared.per_column = inner.strides[1] != 0;
  }
  parallel_for(dims.size(), std::max(Index{1}, kReduceGrain / shared.width),
               [&](Index begin, Index end) {
                 dims.for_each_run(begin, end, [&](const auto& at, Index count, const auto& by) {
                   kernels::SpreadArgs<T> args = shared;
                   args.x = x + at[0];
                   args.dx = dx + at[0];
                   args.a = a + at[1];
                   args.b = b + at[1];
                   args.rows = count;
                   args.stride = by[0];
                   kernels::reduce_spread(args);
                 });
               });
}

/// dx_i = dy * product of the others, by products from the left and from the right.
template <class T>
void spread_product(const Shape& shape, const ReduceAxes& axes, const T* x, const T* dy, T* dx) {
  const Strides strides = contiguous_strides(shape);
  JointDims<1> inside;
  JointDims<1> outside;
  for (int i = 0; i < shape.rank(); ++i) {
    (axes.reduced[static_cast<std::size_t>(i)] ? inside : outside).push(shape[i], {strides[i]});
  }
  const Index n = axes.size;
  std::vector<Index> places;
  inside.for_each_run(0, n, [&](const auto& at, Index count, const auto& by) {
    for (Index i = 0; i < count; ++i) {
      places.push_back(at[0] + i * by[0]);
    }
  });
  parallel_for(outside.size(), std::max(Index{1}, kReduceGrain / n), [&](Index begin, Index end) {
    for (Index output = begin; output < end; ++output) {
      Index base = 0;
      outside.for_each_run(output, output + 1,
                           [&](const auto& at, Index, const auto&) { base = at[0]; });
      T left = dy[output];
      for (Index i = 0; i < n; ++i) {
        const Index place = base + places[static_cast<std::size_t>(i)];
        dx[place] = left;
        left *= x[place];
      }
      T right = T(1);
      for (Index i = n - 1; i >= 0; --i) {
        const Index place = base + places[static_cast<std::size_t>(i)];
        dx[place] *= right;
        right *= x[place];
      }
    }
  });
}

template <class T>
void check_shape(std::string_view name, const char* argument, const View<T>& array,
                 const Shape& shape) {
  check(array.defined(), ErrorKind::InvalidOperation, name, argument, " is not defined");
  check(array.shape() == shape, ErrorKind::DimensionMismatch, name, argument, " ", array.shape(),
        " should be ", shape);
}

struct Needs {
  bool x;
  bool y;
};
Needs needs_of(Reduction kind) {
  switch (kind) {
    case Reduction::Sum:
    case Reduction::Mean:
      return {false, false};
    case Reduction::Prod:
    case Reduction::Var:
      return {true, false};
    default:
      return {true, true};
  }
}

/// The axes, after checking everything but dx.
template <class T>
ReduceAxes checked_axes(Reduction kind, const View<T>& dy, const Shape& shape, const View<T>& x,
                        const View<T>& y, const ReduceOptions& options, const std::string& name) {
  ReduceAxes axes(shape, options, name);
  check_shape<T>(name, "dy", dy, axes.result);
  const Needs needs = needs_of(kind);
  if (needs.x) {
    check_shape<T>(name, "x", x, shape);
  }
  if (needs.y) {
    check_shape<T>(name, "y", y, axes.result);
  }
  return axes;
}

/// Into a row-major dx of x's shape. All arguments are checked.
template <class T>
void run_backward(Reduction kind, const View<T>& dy, const Shape& shape, const View<T>& x,
                  const View<T>& y, const ReduceOptions& options, const ReduceAxes& axes,
                  const MutView<T>& dx) {
  if (dx.size() == 0) {
    return;
  }
  const Needs needs = needs_of(kind);
  const Array<T> gradient(dy);
  const Array<T> result = needs.y ? Array<T>(y) : Array<T>();
  const lamina::detail::Packed<T> packed(needs.x ? x : View<T>(dx));
  const View<T> source(packed.data(), shape);
  if (kind == Reduction::Prod) {
    spread_product(shape, axes, packed.data(), gradient.data(), dx.data());
    return;
  }
  Array<T> a = gradient;
  Array<T> b(a.shape());
  const auto n = static_cast<double>(axes.size);
  SpreadStep step = SpreadStep::Fill;
  const auto divide_a = [&](const Array<T>& by) {
    for (Index i = 0; i < a.size(); ++i) {
      a.data()[i] = by.data()[i] == T(0) ? T(0) : a.data()[i] / by.data()[i];
    }
  };
  Array<T> shift;  // taken off dx at the end
  switch (kind) {
    case Reduction::Sum:
    case Reduction::Prod:
      break;
    case Reduction::Mean:
      for (T& value : a) {
        value = static_cast<T>(static_cast<double>(value) / n);
      }
      break;
    case Reduction::Max:
    case Reduction::Min:
      step = SpreadStep::WhereEqual;
      b = result;
      divide_a(count_ties<T>(source, axes, result, ReduceStep::CountEqual));
      break;
    case Reduction::Var:
    case Reduction::Stddev: {
      step = SpreadStep::Linear;
      b = reduce<T>(Reduction::Mean, source, options);
      const double factor = (kind == Reduction::Var ? 2.0 : 1.0) /
                            std::max(n - static_cast<double>(options.ddof), 0.0);
      for (T& value : a) {
        value = static_cast<T>(static_cast<double>(value) * factor);
      }
      if (kind == Reduction::Stddev) {
        divide_a(result);
      }
      shift = mean_errors<T>(source, axes, b);
      for (Index i = 0; i < a.size(); ++i) {
        shift.data()[i] *= a.data()[i];
      }
      break;
    }
    case Reduction::NormL1:
      step = SpreadStep::Sign;
      break;
    case Reduction::NormL2:
      step = SpreadStep::Linear;
      divide_a(result);
      break;
    case Reduction::NormInf:
      step = SpreadStep::SignWhereEqual;
      b = result;
      divide_a(count_ties<T>(source, axes, result, ReduceStep::CountAbs));
      break;
    case Reduction::LogSumExp:
      step = SpreadStep::Exp;
      b = result;
      for (Index i = 0; i < b.size(); ++i) {
        if (b.data()[i] == -std::numeric_limits<T>::infinity()) {
          a.data()[i] = b.data()[i] = T(0);
        }
      }
      break;
  }
  spread(step, shape, axes, packed.data(), a.data(), b.data(), dx.data());
  if (!shift.empty()) {
    a.fill(T(1));
    spread(step, shape, axes, dx.data(), a.data(), shift.data(), dx.data());
  }
}

std::string backward_name(Reduction kind) {
  return std::string(info(kind).name) + "_backward";
}

}  // namespace

template <class T>
void reduce_backward_into(Reduction kind, const View<T>& dy, ViewArg<T> x, ViewArg<T> y,
                          MutArg<T> dx, const ReduceOptions& options) {
  const std::string name = backward_name(kind);
  detail::check_defined(dx, name, "dx");
  const ReduceAxes axes = checked_axes<T>(kind, dy, dx.shape(), x, y, options, name);
  detail::check_writable<T>(dx, name, "dx");
  const Needs needs = needs_of(kind);
  const auto check_apart = [&](const char* argument, const View<T>& array) {
    check(overlap(static_cast<const View<T>&>(dx), array) == Overlap::None,
          ErrorKind::InvalidOperation, name, "dx overlaps ", argument);
  };
  check_apart("dy", dy);
  if (needs.x) check_apart("x", x);
  if (needs.y) check_apart("y", y);
  if (dx.is_contiguous()) {
    run_backward<T>(kind, dy, dx.shape(), x, y, options, axes, dx);
    return;
  }
  Array<T> result = Array<T>::empty(dx.shape());
  run_backward<T>(kind, dy, dx.shape(), x, y, options, axes, result);
  dx.assign(result);
}

template <class T>
Array<T> reduce_backward(Reduction kind, const View<T>& dy, const Shape& shape, ViewArg<T> x,
                         ViewArg<T> y, const ReduceOptions& options) {
  const ReduceAxes axes = checked_axes<T>(kind, dy, shape, x, y, options, backward_name(kind));
  Array<T> dx = Array<T>::empty(shape);
  run_backward<T>(kind, dy, shape, x, y, options, axes, dx);
  return dx;
}

template LAMINA_EXPORT void reduce_backward_into<float>(Reduction, const View<float>&,
                                                        ViewArg<float>, ViewArg<float>,
                                                        MutArg<float>, const ReduceOptions&);
template LAMINA_EXPORT void reduce_backward_into<double>(Reduction, const View<double>&,
                                                         ViewArg<double>, ViewArg<double>,
                                                         MutArg<double>, const ReduceOptions&);
template LAMINA_EXPORT Array<float> reduce_backward<float>(Reduction, const View<float>&,
                                                           const Shape&, ViewArg<float>,
                                                           ViewArg<float>, const ReduceOptions&);
template LAMINA_EXPORT Array<double> reduce_backward<double>(Reduction, const View<double>&,
                                                             const Shape&, ViewArg<double>,
                                                             ViewArg<double>, const ReduceOptions&);

}  // namespace lamina::nn
