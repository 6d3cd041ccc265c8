#pragma once

#include <algorithm>
#include <initializer_list>
#include <iosfwd>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "lamina/core/memory.hpp"
#include "lamina/core/view.hpp"

namespace lamina {

namespace detail {
/// One level of a braced list of numbers: a number, or a list of such.
template <class T>
class Nested {
 public:
  Nested(T value) : value_(value) {}          // NOLINT: implicit
  Nested(std::initializer_list<Nested> list)  // NOLINT: implicit
      : children_(std::data(list)), count_(static_cast<Index>(list.size())) {}
  [[nodiscard]] bool is_value() const noexcept { return count_ < 0; }
  [[nodiscard]] T value() const noexcept { return value_; }
  // The children live as long as the full expression that wrote the braces.
  [[nodiscard]] std::span<const Nested> children() const noexcept {
    return {children_, static_cast<std::size_t>(count_)};
  }

 private:
  T value_{};
  const Nested* children_ = nullptr;
  Index count_ = -1;
};

/// `size`; std::bad_alloc if so many elements of `element` bytes have no address.
[[nodiscard]] LAMINA_EXPORT Index checked_bytes(Index size, std::size_t element);

/// True if `value`, its fraction cut off, is a value of the integer type U.
template <class U, class T>
[[nodiscard]] constexpr bool fits(T value) noexcept {
  if constexpr (std::is_floating_point_v<T>) {
    // Both bounds are powers of two, hence exact; NaN compares false.
    constexpr T limit = static_cast<T>(std::numeric_limits<U>::max() / 2 + 1) * T{2};
    return value < limit && (std::is_signed_v<U> ? value >= -limit : value > T{-1});
  } else if constexpr (std::is_same_v<T, bool>) {
    return true;
  } else {
    return std::in_range<U>(value);
  }
}
}  // namespace detail

/// Owns row-major elements in 64-byte aligned memory. Copies are deep; a moved-from array is empty.
/// Wherever a View<T> is asked for, an Array<T> will do, because it is one.
template <class T>
class Array : public View<T> {
 public:
  /// Empty, of shape (0,).
  Array() : Array(Shape{0}, Uninitialized{}) {}
  /// Zeros.
  explicit Array(const Shape& shape) : Array(shape, Uninitialized{}) { fill(T{}); }
  /// From numbers: {1, 2}, or {{1, 2}, {3, 4}}, or deeper. Error(DimensionMismatch) if lists of one
  /// level differ in length.
  Array(std::initializer_list<detail::Nested<T>> values);
  /// A row-major copy of any view.
  explicit Array(const View<T>& view);

  Array(const Array& other) : Array(static_cast<const View<T>&>(other)) {}
  Array(Array&& other) noexcept : View<T>(other.as_view()), buffer_(std::move(other.buffer_)) {
    other.become_empty();
  }
  Array& operator=(const Array& other) {
    if (this != &other) {
      *this = Array(other);
    }
    return *this;
  }
  Array& operator=(Array&& other) noexcept {
    if (this != &other) {
      View<T>::operator=(other.as_view());
      buffer_ = Buffer<T>(std::move(other.buffer_));
      other.become_empty();
    }
    return *this;
  }
  ~Array() = default;

  using View<T>::empty;  // is it?
  /// Uninitialised elements: for results that are written in full.
  [[nodiscard]] static Array empty(const Shape& shape) { return Array(shape, Uninitialized{}); }
  [[nodiscard]] static Array zeros(const Shape& shape) { return full(shape, T{}); }
  [[nodiscard]] static Array ones(const Shape& shape) { return full(shape, T{1}); }
  [[nodiscard]] static Array full(const Shape& shape, T value) {
    Array array(shape, Uninitialized{});
    array.fill(value);
    return array;
  }
  /// Rank 0.
  [[nodiscard]] static Array scalar(T value) { return full(Shape{}, value); }
  /// Row-major data. Error(DimensionMismatch) if the number of elements differs.
  [[nodiscard]] static Array from_shape_vec(const Shape& shape, const std::vector<T>& values);
  /// function(i, j, ...) at every position; also function(const IndexList&).
  template <class F>
  [[nodiscard]] static Array from_shape_fn(const Shape& shape, F&& function);
  /// start, start + step ... below stop (above, for a negative step), as NumPy's arange.
  [[nodiscard]] static Array arange(T start, T stop, T step = T{1});
  [[nodiscard]] static Array arange(T stop) { return arange(T{}, stop); }
  /// `count` evenly spaced numbers from start to stop, both included.
  [[nodiscard]] static Array linspace(T start, T stop, Index count);
  /// Ones on the diagonal.
  [[nodiscard]] static Array eye(Index rows, std::optional<Index> cols = std::nullopt);

  // Of a mutable array every view is mutable, of a const one read-only, of a temporary none exists.
  [[nodiscard]] T* data() noexcept { return buffer_.data(); }
  [[nodiscard]] const T* data() const noexcept { return buffer_.data(); }
  template <std::convertible_to<Index>... I>
  [[nodiscard]] T& operator()(I... index) noexcept {
    return data()[this->offset_of(index...)];
  }
  template <std::convertible_to<Index>... I>
  [[nodiscard]] const T& operator()(I... index) const noexcept {
    return data()[this->offset_of(index...)];
  }
  template <std::convertible_to<Index>... I>
  [[nodiscard]] T& at(I... index) {
    return data()[this->checked_offset(index...)];
  }
  template <std::convertible_to<Index>... I>
  [[nodiscard]] const T& at(I... index) const {
    return data()[this->checked_offset(index...)];
  }

  [[nodiscard]] MutView<T> view() & { return MutView<T>(as_view(), nullptr); }
  [[nodiscard]] View<T> view() const& { return as_view(); }
  void view() && = delete;
  operator MutView<T>() & { return view(); }  // NOLINT: implicit, for output arguments

  [[nodiscard]] MutView<T> slice(int axis, const Range& range) & {
    return view().slice(axis, range);
  }
  [[nodiscard]] View<T> slice(int axis, const Range& range) const& {
    return as_view().slice(axis, range);
  }
  void slice(int axis, const Range& range) && = delete;
  template <std::integral I>
  [[nodiscard]] MutView<T> slice(Index start, I stop) & {
    return view().slice(start, stop);
  }
  template <std::integral I>
  [[nodiscard]] View<T> slice(Index start, I stop) const& {
    return as_view().slice(start, stop);
  }
  template <std::integral I>
  void slice(Index start, I stop) && = delete;
  [[nodiscard]] MutView<T> select(int axis, Index index) & { return view().select(axis, index); }
  [[nodiscard]] View<T> select(int axis, Index index) const& {
    return as_view().select(axis, index);
  }
  void select(int axis, Index index) && = delete;
  [[nodiscard]] MutView<T> row(Index i) & { return view().row(i); }
  [[nodiscard]] View<T> row(Index i) const& { return as_view().row(i); }
  void row(Index i) && = delete;
  [[nodiscard]] MutView<T> col(Index j) & { return view().col(j); }
  [[nodiscard]] View<T> col(Index j) const& { return as_view().col(j); }
  void col(Index j) && = delete;
  [[nodiscard]] MutView<T> permute(const Axes& order) & { return view().permute(order); }
  [[nodiscard]] View<T> permute(const Axes& order) const& { return as_view().permute(order); }
  void permute(const Axes& order) && = delete;
  [[nodiscard]] MutView<T> swap_axes(int a, int b) & { return view().swap_axes(a, b); }
  [[nodiscard]] View<T> swap_axes(int a, int b) const& { return as_view().swap_axes(a, b); }
  void swap_axes(int a, int b) && = delete;
  [[nodiscard]] MutView<T> t() & { return view().t(); }
  [[nodiscard]] View<T> t() const& { return as_view().t(); }
  void t() && = delete;
  [[nodiscard]] MutView<T> reshape(const IndexList& shape) & { return view().reshape(shape); }
  [[nodiscard]] View<T> reshape(const IndexList& shape) const& { return as_view().reshape(shape); }
  /// Of a temporary: the array itself under another shape, without copying.
  [[nodiscard]] Array reshape(const IndexList& shape) &&;
  [[nodiscard]] MutView<T> flatten() & { return view().flatten(); }
  [[nodiscard]] View<T> flatten() const& { return as_view().flatten(); }
  [[nodiscard]] Array flatten() && { return std::move(*this).reshape({-1}); }
  [[nodiscard]] MutView<T> squeeze(std::optional<int> axis = std::nullopt) & {
    return view().squeeze(axis);
  }
  [[nodiscard]] View<T> squeeze(std::optional<int> axis = std::nullopt) const& {
    return as_view().squeeze(axis);
  }
  void squeeze(std::optional<int> axis = std::nullopt) && = delete;
  [[nodiscard]] MutView<T> expand_dims(int axis) & { return view().expand_dims(axis); }
  [[nodiscard]] View<T> expand_dims(int axis) const& { return as_view().expand_dims(axis); }
  void expand_dims(int axis) && = delete;
  [[nodiscard]] View<T> broadcast_to(const Shape& shape) const& {
    return as_view().broadcast_to(shape);
  }
  void broadcast_to(const Shape& shape) && = delete;

  void fill(T value) { view().fill(value); }
  void assign(const View<T>& source) { view().assign(source); }

  [[nodiscard]] T* begin() noexcept { return data(); }
  [[nodiscard]] T* end() noexcept { return data() + this->size(); }
  [[nodiscard]] const T* begin() const noexcept { return data(); }
  [[nodiscard]] const T* end() const noexcept { return data() + this->size(); }

 private:
  struct Uninitialized {};
  Array(const Shape& shape, Uninitialized)
      : View<T>(nullptr, shape), buffer_(detail::checked_bytes(shape.size(), sizeof(T))) {
    this->data_ = buffer_.data();
  }
  [[nodiscard]] const View<T>& as_view() const noexcept { return *this; }
  void become_empty() noexcept {
    this->data_ = nullptr;
    this->shape_ = Shape{0};
    this->strides_ = contiguous_strides(this->shape_);
  }

  Buffer<T> buffer_;
};

template <class T>
template <class F>
Array<T> Array<T>::from_shape_fn(const Shape& shape, F&& function) {
  Array array = empty(shape);
  IndexList index = shape;
  std::fill(index.begin(), index.end(), Index{0});
  T* out = array.data();
  for (Index i = 0; i < array.size(); ++i) {
    if constexpr (std::is_invocable_v<F&, const IndexList&>) {
      out[i] = static_cast<T>(function(std::as_const(index)));
    } else if constexpr (std::is_invocable_v<F&, Index>) {
      check(shape.rank() == 1, ErrorKind::DimensionMismatch, "from_shape_fn",
            "function takes 1 index, shape is ", shape);
      out[i] = static_cast<T>(function(index[0]));
    } else if constexpr (std::is_invocable_v<F&, Index, Index>) {
      check(shape.rank() == 2, ErrorKind::DimensionMismatch, "from_shape_fn",
            "function takes 2 indices, shape is ", shape);
      out[i] = static_cast<T>(function(index[0], index[1]));
    } else if constexpr (std::is_invocable_v<F&, Index, Index, Index>) {
      check(shape.rank() == 3, ErrorKind::DimensionMismatch, "from_shape_fn",
            "function takes 3 indices, shape is ", shape);
      out[i] = static_cast<T>(function(index[0], index[1], index[2]));
    } else {
      check(shape.rank() == 4, ErrorKind::DimensionMismatch, "from_shape_fn",
            "function takes 4 indices, shape is ", shape);
      out[i] = static_cast<T>(function(index[0], index[1], index[2], index[3]));
    }
    for (int axis = shape.rank() - 1; axis >= 0 && ++index[axis] == shape[axis]; --axis) {
      index[axis] = 0;
    }
  }
  return array;
}

template <class T>
Array<T> View<T>::copy() const {
  return Array<T>(*this);
}

template <class T>
template <class U>
Array<U> View<T>::astype() const {
  check(defined_, ErrorKind::InvalidOperation, "astype", "the view is not defined");
  Array<U> result = Array<U>::empty(shape_);
  U* out = result.data();
  for (const T& value : *this) {
    if constexpr (std::is_integral_v<U> && !std::is_same_v<U, bool>) {
      check(detail::fits<U>(value), ErrorKind::ConversionError, "astype", "the value ", +value,
            " does not fit an integer from ", +std::numeric_limits<U>::min(), " to ",
            +std::numeric_limits<U>::max());
    }
    *out++ = static_cast<U>(value);
  }
  return result;
}

/// Arrays joined along an existing axis; all other extents must agree. Error(DimensionMismatch).
template <class T>
[[nodiscard]] Array<T> concatenate(const std::vector<View<T>>& parts, int axis = 0);
/// Arrays of one shape joined along a new axis. Error(DimensionMismatch).
template <class T>
[[nodiscard]] Array<T> stack(const std::vector<View<T>>& parts, int axis = 0);

/// Same shape and equal elements (NaN differs from everything).
template <class T>
[[nodiscard]] bool operator==(const View<T>& a, ViewArg<T> b);

/// |a - b| <= absolute + relative * |b| everywhere, shapes equal. Equal infinities are close; NaNs
/// only if equal_nan.
template <class T>
[[nodiscard]] bool allclose(const View<T>& a, ViewArg<T> b, double relative = 1e-5,
                            double absolute = 1e-8, bool equal_nan = false);

/// As NumPy prints arrays: nested brackets, aligned columns, long axes abbreviated.
template <class T>
std::ostream& operator<<(std::ostream& out, const View<T>& x);
template <class T>
[[nodiscard]] std::string to_string(const View<T>& x);

namespace detail {
/// Read access to the elements of any view in row-major order without gaps: the view itself if it
/// is contiguous, otherwise a copy that lives as long as this object.
template <class T>
class Packed {
 public:
  explicit Packed(const View<T>& x) : data_(x.data()) {
    if (!x.is_contiguous()) {
      copy_ = x.copy();
      data_ = copy_.data();
    }
  }
  [[nodiscard]] const T* data() const noexcept { return data_; }

 private:
  Array<T> copy_;
  const T* data_;
};
}  // namespace detail

// Compiled once, in the library.
extern template class LAMINA_EXPORT View<float>;
extern template class LAMINA_EXPORT View<double>;
extern template class LAMINA_EXPORT View<std::int64_t>;
extern template class LAMINA_EXPORT View<std::int32_t>;
extern template class LAMINA_EXPORT View<std::uint8_t>;
extern template class LAMINA_EXPORT View<bool>;
extern template class LAMINA_EXPORT MutView<float>;
extern template class LAMINA_EXPORT MutView<double>;
extern template class LAMINA_EXPORT MutView<std::int64_t>;
extern template class LAMINA_EXPORT MutView<std::int32_t>;
extern template class LAMINA_EXPORT MutView<std::uint8_t>;
extern template class LAMINA_EXPORT MutView<bool>;
extern template class LAMINA_EXPORT Array<float>;
extern template class LAMINA_EXPORT Array<double>;
extern template class LAMINA_EXPORT Array<std::int64_t>;
extern template class LAMINA_EXPORT Array<std::int32_t>;
extern template class LAMINA_EXPORT Array<std::uint8_t>;
extern template class LAMINA_EXPORT Array<bool>;

}  // namespace lamina
