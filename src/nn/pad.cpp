#include "lamina/nn/pad.hpp"

#include <algorithm>
#include <utility>

#include "lamina/core/parallel.hpp"
#include "nn/layout.hpp"
#include "nn/output.hpp"
#include "nn/window_limits.hpp"

namespace lamina::nn {

namespace {

/// Source position of each position of one padded axis; -1: the constant.
std::vector<Index> source_map(Index extent, const PaddingAmount& amount, PaddingValue value) {
  std::vector<Index> map(static_cast<std::size_t>(extent + amount.before + amount.behind));
  for (std::size_t i = 0; i < map.size(); ++i) {
    const Index at = static_cast<Index>(i) - amount.before;
    if (at >= 0 && at < extent) {
      map[i] = at;
    } else if (value == PaddingValue::Zero) {
      map[i] = -1;
    } else if (value == PaddingValue::Reflect) {
      map[i] = at < 0 ? -at : 2 * (extent - 1) - at;
    } else if (value == PaddingValue::Replicate) {
      map[i] = at < 0 ? 0 : extent - 1;
    } else {
      map[i] = at < 0 ? at + extent : at - extent;
    }
  }
  return map;
}

Shape padded_shape(Shape shape, const std::vector<PaddingAmount>& all) {
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const PaddingAmount& amount = all[static_cast<std::size_t>(axis)];
    shape[axis] += amount.before + amount.behind;
  }
  return shape;
}

/// One amount for each axis of `shape`, the leading ones without padding; all checked.
std::vector<PaddingAmount> resolve(const Shape& shape, const std::vector<PaddingAmount>& amounts,
                                   PaddingValue value, std::string_view operation) {
  const auto rank = static_cast<std::size_t>(shape.rank());
  check(amounts.size() <= rank, ErrorKind::DimensionMismatch, operation, "got ", amounts.size(),
        " amounts for shape ", shape);
  std::vector<PaddingAmount> all(rank - amounts.size());
  all.insert(all.end(), amounts.begin(), amounts.end());
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const auto [before, behind] = all[static_cast<std::size_t>(axis)];
    const Index extent = shape[axis];
    check(before >= 0 && behind >= 0, ErrorKind::InvalidOperation, operation,
          "amounts must not be negative, got ", before, " and ", behind);
    detail::check_padding_limit(operation, all[static_cast<std::size_t>(axis)]);
    const Index largest = std::max(before, behind);
    if (largest == 0 || value == PaddingValue::Zero) continue;
    check(extent > 0, ErrorKind::InvalidOperation, operation, "axis ", axis, " of shape ", shape,
          " is empty: nothing to pad it with");
    check(value != PaddingValue::Reflect || largest < extent, ErrorKind::InvalidOperation,
          operation, "reflection by ", largest, " needs an extent above that; axis ", axis,
          " of shape ", shape);
    check(value != PaddingValue::Circular || largest <= extent, ErrorKind::InvalidOperation,
          operation, "circular padding by ", largest, " is more than once around axis ", axis,
          " of shape ", shape);
  }
  detail::check_result_size(operation, padded_shape(shape, all));
  return all;
}

/// A row-major array around one of its axes.
struct AxisCut {
  Index outer = 1;  ///< product of the extents before the axis
  Index inner = 1;  ///< and behind it
};

AxisCut cut_at(const Shape& shape, int axis) {
  AxisCut cut;
  for (int i = 0; i < shape.rank(); ++i) {
    if (i < axis) cut.outer *= shape[i];
    if (i > axis) cut.inner *= shape[i];
  }
  return cut;
}

/// One axis at a time: x and out are row-major, of extents that differ along `axis` alone.
struct AxisStep {
  int axis = 0;
  std::vector<Index> map;  ///< source_map
  Index extent = 0;        ///< without padding
};

template <class T>
void pad_axis(const AxisStep& step, const Shape& padded_shape, const T* x, T constant, T* out) {
  const AxisCut cut = cut_at(padded_shape, step.axis);
  const auto padded = static_cast<Index>(step.map.size());
  const Index grain =
      std::max<Index>(1, detail::kElementGrain / std::max<Index>(1, padded * cut.inner));
  parallel_for(cut.outer, grain, [&](Index begin, Index end) {
    for (Index o = begin; o < end; ++o) {
      for (Index i = 0; i < padded; ++i) {
        T* to = out + (o * padded + i) * cut.inner;
        const Index source = step.map[static_cast<std::size_t>(i)];
        if (source < 0) {
          std::fill_n(to, cut.inner, constant);
        } else {
          std::copy_n(x + (o * step.extent + source) * cut.inner, cut.inner, to);
        }
      }
    }
  });
}

template <class T>
void fold_axis(const AxisStep& step, const Shape& padded_shape, const T* dy, T* dx) {
  const AxisCut cut = cut_at(padded_shape, step.axis);
  const auto padded = static_cast<Index>(step.map.size());
  const Index grain =
      std::max<Index>(1, detail::kElementGrain / std::max<Index>(1, padded * cut.inner));
  parallel_for(cut.outer, grain, [&](Index begin, Index end) {
    for (Index o = begin; o < end; ++o) {
      std::fill_n(dx + o * step.extent * cut.inner, step.extent * cut.inner, T(0));
      for (Index i = 0; i < padded; ++i) {
        const Index source = step.map[static_cast<std::size_t>(i)];
        if (source < 0) continue;
        const T* from = dy + (o * padded + i) * cut.inner;
        T* to = dx + (o * step.extent + source) * cut.inner;
        for (Index j = 0; j < cut.inner; ++j) to[j] += from[j];
      }
    }
  });
}

/// The axes that are padded, in order.
std::vector<AxisStep> steps_of(const Shape& x, const std::vector<PaddingAmount>& all,
                               PaddingValue value) {
  std::vector<AxisStep> steps;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const PaddingAmount& amount = all[static_cast<std::size_t>(axis)];
    if (amount != PaddingAmount{}) {
      steps.push_back({axis, source_map(x[axis], amount, value), x[axis]});
    }
  }
  return steps;
}

/// Pads axis by axis; the last one goes into `out`.
template <class T>
void run_pad(const View<T>& x, const std::vector<PaddingAmount>& all, PaddingValue value,
             T constant, const MutView<T>& out) {
  const std::vector<AxisStep> steps = steps_of(x.shape(), all, value);
  if (steps.empty()) {
    out.assign(x);
    return;
  }
  detail::PackedOut<T> packed(out);
  const lamina::detail::Packed<T> from(x);
  const T* source = from.data();
  Shape shape = x.shape();
  Array<T> between;
  for (const AxisStep& step : steps) {
    shape[step.axis] = static_cast<Index>(step.map.size());
    Array<T> next;
    const bool last = &step == &steps.back();
    if (!last) next = Array<T>::empty(shape);
    pad_axis(step, shape, source, constant, last ? packed.data() : next.data());
    between = std::move(next);
    source = between.data();
  }
  packed.finish();
}

template <class T>
void run_pad_backward(const View<T>& dy, const std::vector<PaddingAmount>& all, PaddingValue value,
                      const MutView<T>& dx) {
  const std::vector<AxisStep> steps = steps_of(dx.shape(), all, value);
  if (steps.empty()) {
    dx.assign(dy);
    return;
  }
  detail::PackedOut<T> packed(dx);
  const lamina::detail::Packed<T> from(dy);
  const T* source = from.data();
  Shape shape = dy.shape();
  Array<T> between;
  for (std::size_t i = steps.size(); i-- > 0;) {
    const AxisStep& step = steps[i];
    Shape folded = shape;
    folded[step.axis] = step.extent;
    Array<T> next;
    if (i > 0) next = Array<T>::empty(folded);
    fold_axis(step, shape, source, i > 0 ? next.data() : packed.data());
    between = std::move(next);
    source = between.data();
    shape = folded;
  }
  packed.finish();
}

template <class T>
std::vector<PaddingAmount> check_pad(const View<T>& x, const std::vector<PaddingAmount>& amounts,
                                     PaddingValue value) {
  detail::check_defined(x, "pad", "x");
  return resolve(x.shape(), amounts, value, "pad");
}

template <class T>
void pad_all_into(const View<T>& x, const std::vector<PaddingAmount>& amounts, PaddingValue value,
                  T constant, const MutView<T>& out) {
  const std::vector<PaddingAmount> all = check_pad(x, amounts, value);
  detail::check_output(out, "out", padded_shape(x.shape(), all), "pad", x);
  run_pad(x, all, value, constant, out);
}

template <class T>
Array<T> pad_all(const View<T>& x, const std::vector<PaddingAmount>& amounts, PaddingValue value,
                 T constant) {
  const std::vector<PaddingAmount> all = check_pad(x, amounts, value);
  Array<T> out = Array<T>::empty(padded_shape(x.shape(), all));
  run_pad<T>(x, all, value, constant, out);
  return out;
}

/// The shape of x, and one amount for each axis.
struct PadGradient {
  Shape shape;
  std::vector<PaddingAmount> all;
};

template <class T>
PadGradient check_pad_backward(const View<T>& dy, const std::vector<PaddingAmount>& amounts,
                               PaddingValue value) {
  detail::check_defined(dy, "pad_backward", "dy");
  check(amounts.size() <= static_cast<std::size_t>(dy.rank()), ErrorKind::DimensionMismatch,
        "pad_backward", "got ", amounts.size(), " amounts for shape ", dy.shape());
  IndexList inside = dy.shape();
  const int skipped = dy.rank() - static_cast<int>(amounts.size());
  for (std::size_t i = 0; i < amounts.size(); ++i) {
    const PaddingAmount& amount = amounts[i];
    check(amount.before >= 0 && amount.behind >= 0, ErrorKind::InvalidOperation, "pad_backward",
          "amounts must not be negative, got ", amount.before, " and ", amount.behind);
    detail::check_padding_limit("pad_backward", amount);
    inside[skipped + static_cast<int>(i)] -= amount.before + amount.behind;
  }
  for (const Index extent : inside) {
    check(extent >= 0, ErrorKind::DimensionMismatch, "pad_backward",
          "amounts are more than the extent; dy ", dy.shape());
  }
  const Shape shape(inside);
  return {shape, resolve(shape, amounts, value, "pad_backward")};
}

}  // namespace

template <class T>
void pad_into(const View<T>& x, const std::vector<PaddingAmount>& amounts, MutArg<T> out,
              PaddingValue value) {
  pad_all_into<T>(x, amounts, value, T(0), out);
}
template <class T>
void pad_into(const View<T>& x, const std::vector<PaddingAmount>& amounts, MutArg<T> out,
              std::type_identity_t<T> constant) {
  pad_all_into<T>(x, amounts, PaddingValue::Zero, constant, out);
}
template <class T>
Array<T> pad(const View<T>& x, const std::vector<PaddingAmount>& amounts, PaddingValue value) {
  return pad_all(x, amounts, value, T(0));
}
template <class T>
Array<T> pad(const View<T>& x, const std::vector<PaddingAmount>& amounts,
             std::type_identity_t<T> constant) {
  return pad_all(x, amounts, PaddingValue::Zero, constant);
}

template <class T>
void pad_backward_into(const View<T>& dy, const std::vector<PaddingAmount>& amounts, MutArg<T> dx,
                       PaddingValue value) {
  const PadGradient plan = check_pad_backward(dy, amounts, value);
  detail::check_output(dx, "dx", plan.shape, "pad_backward", dy);
  run_pad_backward<T>(dy, plan.all, value, dx);
}
template <class T>
Array<T> pad_backward(const View<T>& dy, const std::vector<PaddingAmount>& amounts,
                      PaddingValue value) {
  const PadGradient plan = check_pad_backward(dy, amounts, value);
  Array<T> dx = Array<T>::empty(plan.shape);
  run_pad_backward<T>(dy, plan.all, value, dx);
  return dx;
}

#define LAMINA_INSTANTIATE(T)                                                                \
  template LAMINA_EXPORT void pad_into<T>(const View<T>&, const std::vector<PaddingAmount>&, \
                                          MutArg<T>, PaddingValue);                          \
  template LAMINA_EXPORT void pad_into<T>(const View<T>&, const std::vector<PaddingAmount>&, \
                                          MutArg<T>, std::type_identity_t<T>);               \
  template LAMINA_EXPORT void pad_backward_into<T>(                                          \
      const View<T>&, const std::vector<PaddingAmount>&, MutArg<T>, PaddingValue);           \
  template LAMINA_EXPORT Array<T> pad<T>(const View<T>&, const std::vector<PaddingAmount>&,  \
                                         PaddingValue);                                      \
  template LAMINA_EXPORT Array<T> pad<T>(const View<T>&, const std::vector<PaddingAmount>&,  \
                                         std::type_identity_t<T>);                           \
  template LAMINA_EXPORT Array<T> pad_backward<T>(                                           \
      const View<T>&, const std::vector<PaddingAmount>&, PaddingValue);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
