#include "lamina/core/array.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>

#include "lamina/core/parallel.hpp"

namespace lamina {

namespace {

/// Calls run(offset_a, offset_b) for every inner run of two layouts with one shape; the inner axis
/// is the last.
template <class F>
void for_each_run(const Shape& shape, const Strides& a, const Strides& b, F&& run) {
  const int outer = shape.rank() - 1;
  IndexList index = shape;
  std::fill(index.begin(), index.end(), Index{0});
  Index offset_a = 0;
  Index offset_b = 0;
  for (;;) {
    run(offset_a, offset_b);
    int axis = outer - 1;
    for (; axis >= 0; --axis) {
      offset_a += a[axis];
      offset_b += b[axis];
      if (++index[axis] < shape[axis]) {
        break;
      }
      offset_a -= a[axis] * shape[axis];
      offset_b -= b[axis] * shape[axis];
      index[axis] = 0;
    }
    if (axis < 0) {
      return;
    }
  }
}

/// Copies adjacent elements, large arrays in equal parts: what a thread writes is where it will
/// find it if it gets the same part of the next operation.
template <class T>
void copy_adjacent(const T* source, Index n, T* target) {
  constexpr Index kPart = Index{64 * 1024} / static_cast<Index>(sizeof(T));
  Index parts = std::max<Index>(1, n / kPart);
  parts -= parts > 2 && parts % 2 == 1 ? 1 : 0;
  parallel_for(n, std::max<Index>(1, ceil_div(n, parts)), [&](Index begin, Index end) {
    std::copy(source + begin, source + end, target + begin);
  });
}

/// Copies a strided source to a strided target of the same shape.
template <class T>
void copy_strided(const T* source, const Strides& source_strides, T* target,
                  const Strides& target_strides, const Shape& shape) {
  if (shape.size() == 0) {
    return;
  }
  if (shape.rank() == 0) {
    *target = *source;
    return;
  }
  const int last = shape.rank() - 1;
  const Index n = shape[last];
  const Index step_s = source_strides[last];
  const Index step_t = target_strides[last];
  // A transposing copy walks one side with a large stride; blocks of the last two axes keep both
  // sides in cache.
  if (shape.rank() >= 2 && step_s != 1 && step_t == 1 && source_strides[last - 1] == 1) {
    constexpr Index kBlock = 32;
    const Index m = shape[last - 1];
    const Index row_t = target_strides[last - 1];
    const IndexList outer_extents(std::span<const Index>(shape.begin(), shape.end() - 2));
    IndexList outer = outer_extents;
    outer.push_back(1);
    IndexList outer_s(std::span<const Index>(source_strides.begin(), source_strides.end() - 2));
    IndexList outer_t(std::span<const Index>(target_strides.begin(), target_strides.end() - 2));
    outer_s.push_back(0);
    outer_t.push_back(0);
    for_each_run(Shape(outer), outer_s, outer_t, [&](Index offset_s, Index offset_t) {
      const T* s = source + offset_s;
      T* t = target + offset_t;
      for (Index j0 = 0; j0 < n; j0 += kBlock) {
        const Index j1 = std::min(n, j0 + kBlock);
        for (Index i0 = 0; i0 < m; i0 += kBlock) {
          const Index i1 = std::min(m, i0 + kBlock);
          for (Index i = i0; i < i1; ++i) {
            for (Index j = j0; j < j1; ++j) {
              t[i * row_t + j] = s[i + j * step_s];
            }
          }
        }
      }
    });
    return;
  }
  for_each_run(shape, source_strides, target_strides, [&](Index offset_s, Index offset_t) {
    const T* s = source + offset_s;
    T* t = target + offset_t;
    if (step_s == 1 && step_t == 1) {
      std::memcpy(t, s, static_cast<std::size_t>(n) * sizeof(T));
    } else {
      for (Index i = 0; i < n; ++i) {
        t[i * step_t] = s[i * step_s];
      }
    }
  });
}

template <class T>
using NestedSpan = std::span<const detail::Nested<T>>;

template <class T>
Shape nested_shape(NestedSpan<T> list) {
  IndexList extents{static_cast<Index>(list.size())};
  while (!list.empty() && !list.front().is_value()) {
    list = list.front().children();
    extents.push_back(static_cast<Index>(list.size()));
  }
  return Shape(extents);
}

template <class T>
void flatten_nested(NestedSpan<T> list, const Shape& shape, int level, T*& out) {
  check(level < shape.rank() && static_cast<Index>(list.size()) == shape[level],
        ErrorKind::DimensionMismatch, "Array", "braced lists of one level differ in length");
  for (const auto& element : list) {
    check(element.is_value() == (level == shape.rank() - 1), ErrorKind::DimensionMismatch, "Array",
          "numbers and lists are mixed on one level");
    if (element.is_value()) {
      *out++ = element.value();
    } else {
      flatten_nested<T>(element.children(), shape, level + 1, out);
    }
  }
}

}  // namespace

Index detail::checked_bytes(Index size, std::size_t element) {
  if (static_cast<std::size_t>(size) > std::numeric_limits<std::ptrdiff_t>::max() / element) {
    throw std::bad_alloc();
  }
  return size;
}

template <class T>
void MutView<T>::fill(T value) const {
  if (this->size() == 0) {
    return;
  }
  if (this->is_contiguous()) {
    std::fill_n(data(), this->size(), value);
    return;
  }
  const Index n = this->shape_.back();
  const Index step = this->strides_.back();
  for_each_run(this->shape_, this->strides_, this->strides_, [&](Index offset, Index) {
    for (Index i = 0; i < n; ++i) {
      data()[offset + i * step] = value;
    }
  });
}

template <class T>
void MutView<T>::assign(const View<T>& source) const {
  check(source.defined() && this->defined(), ErrorKind::InvalidOperation, "assign", "the ",
        source.defined() ? "target" : "source", " is not defined");
  const View<T> same_shape = source.broadcast_to(this->shape());
  const Overlap how = overlap(same_shape, static_cast<const View<T>&>(*this));
  check(how != Overlap::Partial, ErrorKind::InvalidOperation, "assign",
        "source and target overlap in part");
  if (how == Overlap::None && this->size() != 0) {
    copy_strided(same_shape.data(), same_shape.strides(), data(), this->strides(), this->shape());
  }
}

template <class T>
std::vector<T> View<T>::to_vector() const {
  return std::vector<T>(begin(), end());
}

template <class T>
Array<T>::Array(std::initializer_list<detail::Nested<T>> values)
    : Array(nested_shape<T>({values.begin(), values.size()}), Uninitialized{}) {
  T* out = data();
  flatten_nested<T>({values.begin(), values.size()}, this->shape(), 0, out);
}

template <class T>
Array<T>::Array(const View<T>& view) : Array(view.shape(), Uninitialized{}) {
  check(view.defined(), ErrorKind::InvalidOperation, "copy", "the view is not defined");
  if (view.is_contiguous()) {
    copy_adjacent(view.data(), view.size(), data());
  } else {
    copy_strided(view.data(), view.strides(), data(), this->strides_, this->shape_);
  }
}

template <class T>
Array<T> Array<T>::from_shape_vec(const Shape& shape, const std::vector<T>& values) {
  check(shape.size() == static_cast<Index>(values.size()), ErrorKind::DimensionMismatch,
        "from_shape_vec", "shape ", shape, " needs ", shape.size(), " values, got ", values.size());
  Array array(shape, Uninitialized{});
  std::copy(values.begin(), values.end(), array.data());
  return array;
}

template <class T>
Array<T> Array<T>::arange(T start, T stop, T step) {
  check(step != T{}, ErrorKind::InvalidOperation, "arange", "step must not be 0");
  Index count = 0;
  if constexpr (std::is_floating_point_v<T>) {
    const double exact = std::ceil((static_cast<double>(stop) - static_cast<double>(start)) /
                                   static_cast<double>(step));
    check(exact < 4611686018427387904.0, ErrorKind::InvalidOperation, "arange",
          "start, stop and step give no finite number of elements");
    count = exact > 0 ? static_cast<Index>(exact) : 0;
  } else if ((step > T{}) ? start < stop : stop < start) {
    // Unsigned, because the distance may exceed the signed range.
    const auto bits = [](T value) { return static_cast<std::uint64_t>(value); };
    const std::uint64_t distance = step > T{} ? bits(stop) - bits(start) : bits(start) - bits(stop);
    const std::uint64_t stride = step > T{} ? bits(step) : 0 - bits(step);
    count = static_cast<Index>((distance - 1) / stride) + 1;
  }
  Array array(Shape{count}, Uninitialized{});
  for (Index i = 0; i < array.size(); ++i) {
    array.data()[i] = static_cast<T>(start + static_cast<T>(i) * step);
  }
  return array;
}

template <class T>
Array<T> Array<T>::linspace(T start, T stop, Index count) {
  check(count >= 0, ErrorKind::InvalidOperation, "linspace", "count must not be negative, got ",
        count);
  Array array(Shape{count}, Uninitialized{});
  const double step = count > 1 ? (static_cast<double>(stop) - static_cast<double>(start)) /
                                      static_cast<double>(count - 1)
                                : 0.0;
  for (Index i = 0; i < count; ++i) {
    array.data()[i] =
        i == count - 1 && count > 1
            ? stop
            : static_cast<T>(static_cast<double>(start) + static_cast<double>(i) * step);
  }
  return array;
}

template <class T>
Array<T> Array<T>::eye(Index rows, std::optional<Index> cols) {
  Array array(Shape{rows, cols.value_or(rows)});
  for (Index i = 0; i < std::min(rows, cols.value_or(rows)); ++i) {
    array(i, i) = T{1};
  }
  return array;
}

template <class T>
Array<T> Array<T>::reshape(const IndexList& shape) && {
  const detail::Layout layout = detail::reshape_layout(this->shape_, this->strides_, shape);
  Array result(std::move(*this));
  result.shape_ = layout.shape;
  result.strides_ = layout.strides;
  return result;
}

template <class T>
Array<T> concatenate(const std::vector<View<T>>& parts, int axis) {
  check(!parts.empty(), ErrorKind::InvalidOperation, "concatenate", "needs at least one array");
  Shape shape = parts.front().shape();
  axis = normalize_axis(axis, shape.rank(), "concatenate");
  Index total = 0;
  for (const View<T>& part : parts) {
    check(part.defined(), ErrorKind::InvalidOperation, "concatenate", "a part is not defined");
    Shape expected = shape;
    bool fits = part.rank() == shape.rank();
    if (fits) {
      expected[axis] = part.shape()[axis];
      fits = part.shape() == expected;
    }
    check(fits, ErrorKind::DimensionMismatch, "concatenate", "shapes ", shape, " and ",
          part.shape(), " differ outside axis ", axis);
    total += part.shape()[axis];
  }
  shape[axis] = total;
  Array<T> result = Array<T>::empty(Shape(static_cast<const IndexList&>(shape)));
  Index position = 0;
  for (const View<T>& part : parts) {
    const Index next = position + part.shape()[axis];
    result.slice(axis, {position, next}).assign(part);
    position = next;
  }
  return result;
}

template <class T>
Array<T> stack(const std::vector<View<T>>& parts, int axis) {
  check(!parts.empty(), ErrorKind::InvalidOperation, "stack", "needs at least one array");
  Shape shape = parts.front().shape();
  axis = normalize_axis(axis, shape.rank() + 1, "stack");
  for (const View<T>& part : parts) {
    check(part.defined(), ErrorKind::InvalidOperation, "stack", "a part is not defined");
    check(part.shape() == parts.front().shape(), ErrorKind::DimensionMismatch, "stack", "shapes ",
          parts.front().shape(), " and ", part.shape(), " differ");
  }
  shape.insert(axis, static_cast<Index>(parts.size()));
  Array<T> result = Array<T>::empty(Shape(static_cast<const IndexList&>(shape)));
  for (std::size_t i = 0; i < parts.size(); ++i) {
    result.select(axis, static_cast<Index>(i)).assign(parts[i]);
  }
  return result;
}

template <class T>
bool operator==(const View<T>& a, ViewArg<T> b) {
  return a.defined() == b.defined() && a.shape() == b.shape() &&
         std::equal(a.begin(), a.end(), b.begin());
}

template <class T>
bool allclose(const View<T>& a, ViewArg<T> b, double relative, double absolute, bool equal_nan) {
  if (a.defined() != b.defined() || a.shape() != b.shape()) {
    return false;
  }
  return std::equal(a.begin(), a.end(), b.begin(), [&](T left, T right) {
    const auto x = static_cast<double>(left);
    const auto y = static_cast<double>(right);
    if (std::isnan(x) || std::isnan(y)) {
      return equal_nan && std::isnan(x) && std::isnan(y);
    }
    if (std::isinf(x) || std::isinf(y)) {
      return x == y;
    }
    return std::abs(x - y) <= absolute + relative * std::abs(y);
  });
}

#define LAMINA_INSTANTIATE(T)                                                       \
  template class View<T>;                                                           \
  template class MutView<T>;                                                        \
  template class Array<T>;                                                          \
  template LAMINA_EXPORT Array<T> concatenate<T>(const std::vector<View<T>>&, int); \
  template LAMINA_EXPORT Array<T> stack<T>(const std::vector<View<T>>&, int);       \
  template LAMINA_EXPORT bool operator==<T>(const View<T>&, ViewArg<T>);            \
  template LAMINA_EXPORT bool allclose<T>(const View<T>&, ViewArg<T>, double, double, bool);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
LAMINA_INSTANTIATE(std::int64_t)
LAMINA_INSTANTIATE(std::int32_t)
LAMINA_INSTANTIATE(std::uint8_t)
LAMINA_INSTANTIATE(bool)

}  // namespace lamina
