#include "lamina/core/view.hpp"

#include <algorithm>
#include <sstream>

namespace lamina::detail {

Layout slice_layout(const Shape& shape, const Strides& strides, int axis, const Range& range) {
  axis = normalize_axis(axis, shape.rank(), "slice");
  check(range.step != 0, ErrorKind::InvalidOperation, "slice", "step must not be 0");
  const Index extent = shape[axis];
  const bool forward = range.step > 0;
  // NumPy's rules: positions are clamped, so a slice is never out of range.
  const auto clamp = [&](Index position) {
    position += position < 0 ? extent : 0;
    return forward ? std::clamp(position, Index{0}, extent)
                   : std::clamp(position, Index{-1}, extent - 1);
  };
  const Index start = range.start ? clamp(*range.start) : (forward ? 0 : extent - 1);
  const Index stop = range.stop ? clamp(*range.stop) : (forward ? extent : -1);
  const Index distance = forward ? stop - start : start - stop;
  // A step beyond the extent selects one element, whatever its size.
  const Index step = std::clamp(range.step, -extent - 1, extent + 1);
  Layout layout{shape, strides, 0};
  layout.shape[axis] = distance <= 0 ? 0 : ceil_div(distance, forward ? step : -step);
  layout.strides[axis] = strides[axis] * step;
  layout.offset = layout.shape.size() == 0 ? 0 : start * strides[axis];
  return layout;
}

Layout select_layout(const Shape& shape, const Strides& strides, int axis, Index index) {
  axis = normalize_axis(axis, shape.rank(), "select");
  const Index position = index < 0 ? index + shape[axis] : index;
  check(position >= 0 && position < shape[axis], ErrorKind::IndexOutOfBounds, "select", "index ",
        index, " is out of range for axis ", axis, " of shape ", shape);
  Layout layout{shape, strides, position * strides[axis]};
  layout.shape.erase(axis);
  layout.strides.erase(axis);
  return layout;
}

Layout permute_layout(const Shape& shape, const Strides& strides, const Axes& order) {
  check(order.rank() == shape.rank(), ErrorKind::DimensionMismatch, "permute", "order ", order,
        " does not name every axis of shape ", shape, " once");
  Layout layout{shape, strides, 0};
  unsigned seen = 0;
  for (int i = 0; i < order.rank(); ++i) {
    const Index named = std::clamp<Index>(order[i], -kMaxRank - 1, kMaxRank);
    const int axis = normalize_axis(static_cast<int>(named), shape.rank(), "permute");
    seen |= 1U << axis;
    layout.shape[i] = shape[axis];
    layout.strides[i] = strides[axis];
  }
  check(seen == (1U << shape.rank()) - 1, ErrorKind::DimensionMismatch, "permute", "order ", order,
        " does not name every axis of shape ", shape, " once");
  return layout;
}

Layout swap_layout(const Shape& shape, const Strides& strides, int axis_a, int axis_b) {
  const int a = normalize_axis(axis_a, shape.rank(), "swap_axes");
  const int b = normalize_axis(axis_b, shape.rank(), "swap_axes");
  Layout layout{shape, strides, 0};
  std::swap(layout.shape[a], layout.shape[b]);
  std::swap(layout.strides[a], layout.strides[b]);
  return layout;
}

Layout reverse_axes_layout(const Shape& shape, const Strides& strides) {
  Layout layout{shape, strides, 0};
  std::reverse(layout.shape.begin(), layout.shape.end());
  std::reverse(layout.strides.begin(), layout.strides.end());
  return layout;
}

namespace {
/// `wanted` with its -1 replaced; same number of elements as `shape`.
Shape resolve_shape(const Shape& shape, const IndexList& wanted) {
  IndexList extents = wanted;
  int unknown = -1;
  for (int i = 0; i < wanted.rank(); ++i) {
    if (wanted[i] == -1) {
      check(unknown < 0, ErrorKind::InvalidOperation, "reshape", "more than one -1 in ", wanted);
      unknown = i;
      extents[i] = 1;
    } else {
      check(wanted[i] >= 0, ErrorKind::DimensionMismatch, "reshape",
            "extents must not be negative, got ", wanted);
    }
  }
  if (unknown >= 0) {
    const Index known = Shape(extents).size();
    check(known != 0 && shape.size() % known == 0, ErrorKind::DimensionMismatch, "reshape",
          "cannot reshape ", shape, " to ", wanted);
    extents[unknown] = shape.size() / known;
  }
  const Shape result(extents);
  check(result.size() == shape.size(), ErrorKind::DimensionMismatch, "reshape", "cannot reshape ",
        shape, " with ", shape.size(), " elements to ", wanted);
  return result;
}
}  // namespace

Layout reshape_layout(const Shape& shape, const Strides& strides, const IndexList& wanted) {
  const Shape target = resolve_shape(shape, wanted);
  Layout layout{target, contiguous_strides(target), 0};
  if (shape.size() == 0 || is_contiguous(shape, strides)) {
    return layout;
  }
  // Match groups of old axes with groups of new axes that hold equally many elements; within a
  // group the old axes must be adjacent in memory.
  const int old_rank = shape.rank();
  const int new_rank = target.rank();
  int i = 0;
  int j = 0;
  while (i < old_rank && j < new_rank) {
    int i_end = i + 1;
    int j_end = j + 1;
    Index old_size = shape[i];
    Index new_size = target[j];
    while (old_size != new_size) {
      if (old_size < new_size) {
        old_size *= shape[i_end++];
      } else {
        new_size *= target[j_end++];
      }
    }
    Index expected = 0;
    bool first = true;
    Index inner_stride = 1;
    for (int axis = i_end - 1; axis >= i; --axis) {
      if (shape[axis] == 1) {
        continue;
      }
      check(first || strides[axis] == expected, ErrorKind::InvalidOperation, "reshape",
            "a view of shape ", shape, " and strides ", strides, " cannot become ", wanted,
            " without copying; call copy() first");
      inner_stride = first ? strides[axis] : inner_stride;
      expected = strides[axis] * shape[axis];
      first = false;
    }
    Index stride = inner_stride;
    for (int axis = j_end - 1; axis >= j; --axis) {
      layout.strides[axis] = stride;
      stride *= target[axis];
    }
    i = i_end;
    j = j_end;
  }
  return layout;
}

Layout squeeze_layout(const Shape& shape, const Strides& strides, std::optional<int> axis) {
  Layout layout{Shape{}, Strides{}, 0};
  const int only = axis ? normalize_axis(*axis, shape.rank(), "squeeze") : -1;
  check(only < 0 || shape[only] == 1, ErrorKind::DimensionMismatch, "squeeze", "axis ", only,
        " of shape ", shape, " is not 1");
  for (int i = 0; i < shape.rank(); ++i) {
    if (axis ? i != only : shape[i] != 1) {
      layout.shape.push_back(shape[i]);
      layout.strides.push_back(strides[i]);
    }
  }
  return layout;
}

Layout expand_dims_layout(const Shape& shape, const Strides& strides, int axis) {
  axis = normalize_axis(axis, shape.rank() + 1, "expand_dims");
  Layout layout{shape, strides, 0};
  layout.shape.insert(axis, 1);
  layout.strides.insert(axis, 0);
  return layout;
}

Layout broadcast_layout(const Shape& shape, const Strides& strides, const Shape& wanted) {
  const int added = wanted.rank() - shape.rank();
  check(added >= 0, ErrorKind::DimensionMismatch, "broadcast_to", "shape ", shape,
        " does not broadcast to ", wanted);
  Layout layout{wanted, wanted, 0};
  for (int i = 0; i < wanted.rank(); ++i) {
    const Index extent = i < added ? 1 : shape[i - added];
    check(extent == wanted[i] || extent == 1, ErrorKind::DimensionMismatch, "broadcast_to",
          "shape ", shape, " does not broadcast to ", wanted);
    layout.strides[i] = i < added || (extent == 1 && wanted[i] != 1) ? 0 : strides[i - added];
  }
  return layout;
}

bool is_contiguous(const Shape& shape, const Strides& strides) noexcept {
  Index expected = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    if (shape[i] == 0) {
      return true;
    }
    if (shape[i] != 1 && strides[i] != expected) {
      // An earlier axis of extent 0 still makes the array empty, hence contiguous.
      return shape.size() == 0;
    }
    expected *= shape[i];
  }
  return true;
}

void throw_index(const Shape& shape, std::span<const Index> index) {
  std::ostringstream position;
  for (std::size_t i = 0; i < index.size(); ++i) {
    position << (i > 0 ? ", " : "") << index[i];
  }
  throw_parts(ErrorKind::IndexOutOfBounds, "at", "index (", position.str(),
              ") is out of range for shape ", shape);
}

void throw_rank(std::string_view operation, std::string_view argument, int expected,
                const Shape& shape) {
  throw_parts(ErrorKind::DimensionMismatch, operation, argument, " must have rank ", expected,
              ", got shape ", shape);
}

void throw_not_single(const Shape& shape) {
  throw_parts(ErrorKind::DimensionMismatch, "item", "needs exactly one element, got shape ", shape);
}

Overlap overlap_bytes(const void* a, std::size_t size_a, const Shape& shape_a,
                      const Strides& strides_a, const void* b, std::size_t size_b,
                      const Shape& shape_b, const Strides& strides_b) noexcept {
  if (a == nullptr || b == nullptr || shape_a.size() == 0 || shape_b.size() == 0) {
    return Overlap::None;
  }
  if (a == b && size_a == size_b && shape_a == shape_b) {
    bool same = true;
    for (int i = 0; i < shape_a.rank(); ++i) {
      same = same && (shape_a[i] == 1 || strides_a[i] == strides_b[i]);
    }
    if (same) {
      return Overlap::Same;
    }
  }
  // The bytes each view spans: [lowest, highest).
  const auto span_of = [](const void* data, std::size_t size, const Shape& shape,
                          const Strides& strides) {
    Index low = 0;
    Index high = 0;
    for (int i = 0; i < shape.rank(); ++i) {
      const Index reach = (shape[i] - 1) * strides[i];
      (reach < 0 ? low : high) += reach;
    }
    const auto base = reinterpret_cast<std::uintptr_t>(data);
    const auto bytes = static_cast<Index>(size);
    return std::pair(base + static_cast<std::uintptr_t>(low * bytes),
                     base + static_cast<std::uintptr_t>((high + 1) * bytes));
  };
  const auto [begin_a, end_a] = span_of(a, size_a, shape_a, strides_a);
  const auto [begin_b, end_b] = span_of(b, size_b, shape_b, strides_b);
  return begin_a < end_b && begin_b < end_a ? Overlap::Partial : Overlap::None;
}

}  // namespace lamina::detail
