#include "lamina/nn/pad.hpp"

#include <algorithm>

#include "lamina/core/parallel.hpp"
#include "nn/layout.hpp"
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

template <class T>
Array<T> pad_axis(const Array<T>& x, int axis, const PaddingAmount& amount, PaddingValue value,
                  T constant) {
  const std::vector<Index> map = source_map(x.shape()[axis], amount, value);
  Shape shape = x.shape();
  shape[axis] = static_cast<Index>(map.size());
  Array<T> out = Array<T>::empty(shape);
  const AxisCut cut = cut_at(shape, axis);
  const Index extent = x.shape()[axis];
  const Index padded = shape[axis];
  const Index grain =
      std::max<Index>(1, detail::kElementGrain / std::max<Index>(1, padded * cut.inner));
  parallel_for(cut.outer, grain, [&](Index begin, Index end) {
    for (Index o = begin; o < end; ++o) {
      for (Index i = 0; i < padded; ++i) {
        T* to = out.data() + (o * padded + i) * cut.inner;
        const Index source = map[static_cast<std::size_t>(i)];
        if (source < 0) {
          std::fill_n(to, cut.inner, constant);
        } else {
          std::copy_n(x.data() + (o * extent + source) * cut.inner, cut.inner, to);
        }
      }
    }
  });
  return out;
}

template <class T>
Array<T> fold_axis(const Array<T>& dy, int axis, const PaddingAmount& amount, PaddingValue value) {
  Shape shape = dy.shape();
  shape[axis] -= amount.before + amount.behind;
  const std::vector<Index> map = source_map(shape[axis], amount, value);
  Array<T> dx = Array<T>::zeros(shape);
  const AxisCut cut = cut_at(shape, axis);
  const Index extent = shape[axis];
  const auto padded = static_cast<Index>(map.size());
  const Index grain =
      std::max<Index>(1, detail::kElementGrain / std::max<Index>(1, padded * cut.inner));
  parallel_for(cut.outer, grain, [&](Index begin, Index end) {
    for (Index o = begin; o < end; ++o) {
      for (Index i = 0; i < padded; ++i) {
        const Index source = map[static_cast<std::size_t>(i)];
        if (source < 0) continue;
        const T* from = dy.data() + (o * padded + i) * cut.inner;
        T* to = dx.data() + (o * extent + source) * cut.inner;
        for (Index j = 0; j < cut.inner; ++j) to[j] += from[j];
      }
    }
  });
  return dx;
}

template <class T>
Array<T> pad_all(const View<T>& x, const std::vector<PaddingAmount>& amounts, PaddingValue value,
                 T constant) {
  detail::check_defined(x, "pad", "x");
  const std::vector<PaddingAmount> all = resolve(x.shape(), amounts, value, "pad");
  Array<T> result = x.copy();
  for (int axis = 0; axis < x.rank(); ++axis) {
    const PaddingAmount& amount = all[static_cast<std::size_t>(axis)];
    if (amount != PaddingAmount{}) result = pad_axis(result, axis, amount, value, constant);
  }
  return result;
}

}  // namespace

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
Array<T> pad_backward(const View<T>& dy, const std::vector<PaddingAmount>& amounts,
                      PaddingValue value) {
  detail::check_defined(dy, "pad_backward", "dy");
  check(amounts.size() <= static_cast<std::size_t>(dy.rank()), ErrorKind::DimensionMismatch,
        "pad_backward", "got ", amounts.size(), " amounts for shape ", dy.shape());
  IndexList inside = dy.shape();
  const int skipped = dy.rank() - static_cast<int>(amounts.size());
  for (std::size_t i = 0; i < amounts.size(); ++i) {
    inside[skipped + static_cast<int>(i)] -= amounts[i].before + amounts[i].behind;
  }
  for (const Index extent : inside) {
    check(extent >= 0, ErrorKind::DimensionMismatch, "pad_backward",
          "amounts are more than the extent; dy ", dy.shape());
  }
  const std::vector<PaddingAmount> all = resolve(Shape(inside), amounts, value, "pad_backward");
  Array<T> result = dy.copy();
  for (int axis = dy.rank() - 1; axis >= 0; --axis) {
    const PaddingAmount& amount = all[static_cast<std::size_t>(axis)];
    if (amount != PaddingAmount{}) result = fold_axis(result, axis, amount, value);
  }
  return result;
}

#define LAMINA_INSTANTIATE(T)                                                               \
  template LAMINA_EXPORT Array<T> pad<T>(const View<T>&, const std::vector<PaddingAmount>&, \
                                         PaddingValue);                                     \
  template LAMINA_EXPORT Array<T> pad<T>(const View<T>&, const std::vector<PaddingAmount>&, \
                                         std::type_identity_t<T>);                          \
  template LAMINA_EXPORT Array<T> pad_backward<T>(                                          \
      const View<T>&, const std::vector<PaddingAmount>&, PaddingValue);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
