#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "lamina/core/error.hpp"
#include "lamina/core/shape.hpp"

namespace lamina {

/// Element types an array can hold. Mathematics is for float and double; the others hold labels,
/// indices and masks.
template <class T>
concept Element =
    std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::int64_t> ||
    std::same_as<T, std::int32_t> || std::same_as<T, std::uint8_t> || std::same_as<T, bool>;

template <class T>
class Array;
template <class T>
class MutView;

/// A half-open range with a step, as NumPy's start:stop:step. Absent ends mean "to the edge";
/// negative positions count from the end; a negative step walks backwards.
struct Range {
  std::optional<Index> start = std::nullopt;
  std::optional<Index> stop = std::nullopt;
  Index step = 1;
};

namespace detail {
/// Layout arithmetic shared by all views: shape, strides and the offset of the first element.
struct Layout {
  Shape shape;
  Strides strides;
  Index offset = 0;
};
LAMINA_EXPORT Layout slice_layout(const Shape&, const Strides&, int axis, const Range&);
LAMINA_EXPORT Layout select_layout(const Shape&, const Strides&, int axis, Index index);
LAMINA_EXPORT Layout permute_layout(const Shape&, const Strides&, const Axes& order);
LAMINA_EXPORT Layout swap_layout(const Shape&, const Strides&, int axis_a, int axis_b);
LAMINA_EXPORT Layout reverse_axes_layout(const Shape&, const Strides&);
LAMINA_EXPORT Layout reshape_layout(const Shape&, const Strides&, const IndexList& wanted);
LAMINA_EXPORT Layout squeeze_layout(const Shape&, const Strides&, std::optional<int> axis);
LAMINA_EXPORT Layout expand_dims_layout(const Shape&, const Strides&, int axis);
LAMINA_EXPORT Layout broadcast_layout(const Shape&, const Strides&, const Shape& wanted);
LAMINA_EXPORT bool is_contiguous(const Shape&, const Strides&) noexcept;
[[noreturn]] LAMINA_EXPORT void throw_index(const Shape& shape, std::span<const Index> index);
[[noreturn]] LAMINA_EXPORT void throw_rank(std::string_view operation, std::string_view argument,
                                           int expected, const Shape& shape);
[[noreturn]] LAMINA_EXPORT void throw_not_single(const Shape& shape);
}  // namespace detail

/// A read-only strided view of somebody else's elements. Cheap to copy. It never owns, so it must
/// not outlive the array it looks at; a view of a temporary array does not compile.
///
/// `const View<T>&` is what functions take: Array<T> and MutView<T> derive from View<T>.
template <class T>
class View {
  static_assert(Element<T>, "lamina arrays hold float, double, int64, int32, uint8 or bool");

 public:
  using value_type = T;

  /// No array at all: `defined()` is false. The default of optional arguments.
  View() = default;
  /// Row-major elements at `data`.
  View(const T* data, const Shape& shape) : View(data, shape, contiguous_strides(shape)) {}
  /// Elements at data[i * strides[0] + j * strides[1] + ...]. Error(DimensionMismatch) if the ranks
  /// of shape and strides differ.
  View(const T* data, const Shape& shape, const Strides& strides)
      : data_(data), shape_(shape), strides_(strides), defined_(true) {
    check(shape.rank() == strides.rank(), ErrorKind::DimensionMismatch, "View", "shape ", shape,
          " and strides ", strides, " differ in rank");
  }
  /// All of a span, vector or std::array: rank 1.
  View(std::span<const T> values)  // NOLINT: implicit, as for std::span
      : View(values.data(), Shape{static_cast<Index>(values.size())}) {}
  View(const std::vector<T>& values)  // NOLINT: implicit
      requires(!std::same_as<T, bool>)
      : View(std::span<const T>(values)) {}
  View(std::vector<T>&&) = delete;  // would dangle
  View(const std::vector<T>&&) = delete;
  /// Of anything shaped like std::mdspan (extents, strides, data_handle).
  template <class M>
  requires requires(const M& m) {
    { m.data_handle() } -> std::convertible_to<const T*>;
    { m.extent(0) } -> std::convertible_to<Index>;
    { m.stride(0) } -> std::convertible_to<Index>;
    M::rank();
  }
  explicit View(const M& m) : View() {
    IndexList extents;
    for (std::size_t r = 0; r < M::rank(); ++r) {
      extents.push_back(static_cast<Index>(m.extent(r)));
      strides_.push_back(static_cast<Index>(m.stride(r)));
    }
    data_ = m.data_handle();
    shape_ = Shape(extents);
    defined_ = true;
  }
  View(Array<T>&&) = delete;  // a view of a temporary would dangle
  View(const Array<T>&&) = delete;

  View(const View&) = default;
  View& operator=(const View&) = default;
  View& operator=(Array<T>&&) = delete;
  View& operator=(const Array<T>&&) = delete;

  /// False only for a default-constructed view.
  [[nodiscard]] bool defined() const noexcept { return defined_; }
  [[nodiscard]] const T* data() const noexcept { return data_; }
  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
  [[nodiscard]] const Strides& strides() const noexcept { return strides_; }
  [[nodiscard]] int rank() const noexcept { return shape_.rank(); }
  /// Number of elements; 0 if not defined().
  [[nodiscard]] Index size() const noexcept { return defined_ ? shape_.size() : 0; }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  /// Extent of one axis; -1 is the last.
  [[nodiscard]] Index extent(int axis) const {
    return shape_[normalize_axis(axis, rank(), "extent")];
  }
  /// Rows and columns of a matrix. Error(DimensionMismatch) unless rank is 2.
  [[nodiscard]] Index rows() const { return dims<2>("rows")[0]; }
  [[nodiscard]] Index cols() const { return dims<2>("cols")[1]; }
  /// True if the elements lie in row-major order without gaps.
  [[nodiscard]] bool is_contiguous() const noexcept {
    return detail::is_contiguous(shape_, strides_);
  }

  /// The extents, after checking the rank: `auto [n, c, h, w] = x.dims<4>("conv2d");`
  template <int Rank>
  [[nodiscard]] std::array<Index, static_cast<std::size_t>(Rank)> dims(
      std::string_view operation, std::string_view argument = "x") const {
    if (!defined_ || rank() != Rank) {
      detail::throw_rank(operation, argument, Rank, shape_);
    }
    std::array<Index, static_cast<std::size_t>(Rank)> extents{};
    for (int i = 0; i < Rank; ++i) {
      extents[static_cast<std::size_t>(i)] = shape_[i];
    }
    return extents;
  }

  /// Unchecked element access, one index an axis.
  template <std::convertible_to<Index>... I>
  [[nodiscard]] const T& operator()(I... index) const noexcept {
    return data_[offset_of(index...)];
  }
  /// Checked element access; negative indices count from the end. Error(IndexOutOfBounds).
  template <std::convertible_to<Index>... I>
  [[nodiscard]] const T& at(I... index) const {
    return data_[checked_offset(index...)];
  }
  /// The value of a one-element array of any rank. Error(DimensionMismatch) otherwise.
  [[nodiscard]] T item() const {
    if (size() != 1) {
      detail::throw_not_single(shape_);
    }
    return *data_;
  }

  /// Elements range.start, range.start + step ... of one axis, as a view.
  [[nodiscard]] View slice(int axis, const Range& range) const {
    return with(detail::slice_layout(shape_, strides_, axis, range));
  }
  /// Elements start ... stop-1 of axis 0. A template so that slice(0, {2}) means an axis and a
  /// range.
  template <std::integral I>
  [[nodiscard]] View slice(Index start, I stop) const {
    return slice(0, {start, stop});
  }
  /// One position of an axis, which disappears. Error(IndexOutOfBounds).
  [[nodiscard]] View select(int axis, Index index) const {
    return with(detail::select_layout(shape_, strides_, axis, index));
  }
  [[nodiscard]] View row(Index i) const { return select(0, i); }
  [[nodiscard]] View col(Index j) const { return select(1, j); }
  /// Axes in the order given: permute({0, 2, 3, 1}) turns NCHW into NHWC.
  [[nodiscard]] View permute(const Axes& order) const {
    return with(detail::permute_layout(shape_, strides_, order));
  }
  [[nodiscard]] View swap_axes(int a, int b) const {
    return with(detail::swap_layout(shape_, strides_, a, b));
  }
  /// All axes reversed; of a matrix, its transpose.
  [[nodiscard]] View t() const { return with(detail::reverse_axes_layout(shape_, strides_)); }
  /// The same elements in row-major order under another shape; one extent may be -1.
  /// Error(InvalidOperation) if that cannot be done without copying: call `copy()` first.
  [[nodiscard]] View reshape(const IndexList& shape) const {
    return with(detail::reshape_layout(shape_, strides_, shape));
  }
  [[nodiscard]] View flatten() const { return reshape({-1}); }
  /// Without axes of extent 1 (or without that one).
  [[nodiscard]] View squeeze(std::optional<int> axis = std::nullopt) const {
    return with(detail::squeeze_layout(shape_, strides_, axis));
  }
  /// With a new axis of extent 1 at `axis` of the result.
  [[nodiscard]] View expand_dims(int axis) const {
    return with(detail::expand_dims_layout(shape_, strides_, axis));
  }
  /// Repeated along axes of extent 1 and new leading axes, without copying (stride 0).
  [[nodiscard]] View broadcast_to(const Shape& shape) const {
    return with(detail::broadcast_layout(shape_, strides_, shape));
  }

  /// A row-major copy.
  [[nodiscard]] Array<T> copy() const;
  /// A row-major copy with every element converted to U; to integers, fractions are cut off.
  /// Error(ConversionError) for NaN and values beyond the range of an integer type.
  template <class U>
  [[nodiscard]] Array<U> astype() const;
  /// All elements in row-major order.
  [[nodiscard]] std::vector<T> to_vector() const;

  class Iterator;
  /// Walks all elements in row-major order, whatever the strides.
  [[nodiscard]] Iterator begin() const;
  [[nodiscard]] Iterator end() const;

 protected:
  [[nodiscard]] View with(const detail::Layout& layout) const {
    View view;
    view.data_ = data_ + (data_ == nullptr ? 0 : layout.offset);
    view.shape_ = layout.shape;
    view.strides_ = layout.strides;
    view.defined_ = defined_;
    return view;
  }
  template <class... I>
  [[nodiscard]] Index offset_of(I... index) const noexcept {
    Index offset = 0;
    int axis = 0;
    ((offset += static_cast<Index>(index) * strides_[axis++]), ...);
    return offset;
  }
  template <class... I>
  [[nodiscard]] Index checked_offset(I... index) const {
    std::array<Index, sizeof...(I)> position{static_cast<Index>(index)...};
    bool inside = static_cast<int>(sizeof...(I)) == rank();
    Index offset = 0;
    for (int axis = 0; inside && axis < rank(); ++axis) {
      Index i = position[static_cast<std::size_t>(axis)];
      i += i < 0 ? shape_[axis] : 0;
      inside = i >= 0 && i < shape_[axis];
      offset += i * strides_[axis];
    }
    if (!inside) {
      detail::throw_index(shape_, position);
    }
    return offset;
  }

  const T* data_ = nullptr;
  Shape shape_;
  Strides strides_;
  bool defined_ = false;
};

template <class T>
View(const std::vector<T>&) -> View<T>;
template <class T>
View(const T*, const Shape&) -> View<T>;
template <class T>
View(const T*, const Shape&, const Strides&) -> View<T>;

/// A strided view through which elements may be written. Like a pointer, a const MutView still
/// writes; it is the target that is mutable.
template <class T>
class MutView : public View<T> {
 public:
  MutView() = default;
  MutView(T* data, const Shape& shape) : View<T>(data, shape) {}
  MutView(T* data, const Shape& shape, const Strides& strides) : View<T>(data, shape, strides) {}
  MutView(std::span<T> values)  // NOLINT: implicit
      requires(!std::is_const_v<T>)
      : View<T>(std::span<const T>(values)) {}
  MutView(std::vector<T>& values)  // NOLINT: implicit
      requires(!std::same_as<T, bool>)
      : MutView(std::span<T>(values)) {}

  [[nodiscard]] T* data() const noexcept { return const_cast<T*>(this->data_); }
  template <std::convertible_to<Index>... I>
  [[nodiscard]] T& operator()(I... index) const noexcept {
    return data()[this->offset_of(index...)];
  }
  template <std::convertible_to<Index>... I>
  [[nodiscard]] T& at(I... index) const {
    return data()[this->checked_offset(index...)];
  }

  [[nodiscard]] MutView slice(int axis, const Range& range) const {
    return MutView(View<T>::slice(axis, range), nullptr);
  }
  template <std::integral I>
  [[nodiscard]] MutView slice(Index start, I stop) const {
    return slice(0, {start, stop});
  }
  [[nodiscard]] MutView select(int axis, Index index) const {
    return MutView(View<T>::select(axis, index), nullptr);
  }
  [[nodiscard]] MutView row(Index i) const { return select(0, i); }
  [[nodiscard]] MutView col(Index j) const { return select(1, j); }
  [[nodiscard]] MutView permute(const Axes& order) const {
    return MutView(View<T>::permute(order), nullptr);
  }
  [[nodiscard]] MutView swap_axes(int a, int b) const {
    return MutView(View<T>::swap_axes(a, b), nullptr);
  }
  [[nodiscard]] MutView t() const { return MutView(View<T>::t(), nullptr); }
  [[nodiscard]] MutView reshape(const IndexList& shape) const {
    return MutView(View<T>::reshape(shape), nullptr);
  }
  [[nodiscard]] MutView flatten() const { return reshape({-1}); }
  [[nodiscard]] MutView squeeze(std::optional<int> axis = std::nullopt) const {
    return MutView(View<T>::squeeze(axis), nullptr);
  }
  [[nodiscard]] MutView expand_dims(int axis) const {
    return MutView(View<T>::expand_dims(axis), nullptr);
  }

  /// Writes one value everywhere.
  void fill(T value) const;
  /// Copies `source`, broadcast to this shape, element by element. The two may overlap only when
  /// they are the same view. Error(DimensionMismatch).
  void assign(const View<T>& source) const;

 private:
  friend class Array<T>;
  MutView(const View<T>& view, std::nullptr_t) : View<T>(view) {}
};

template <class T>
MutView(std::vector<T>&) -> MutView<T>;
template <class T>
MutView(T*, const Shape&) -> MutView<T>;
template <class T>
MutView(T*, const Shape&, const Strides&) -> MutView<T>;

/// Parameter types that do not take part in deducing T.
template <class T>
using ViewArg = const View<std::type_identity_t<T>>&;
template <class T>
using MutArg = MutView<std::type_identity_t<T>>;

/// How the memory of two views relates.
enum class Overlap : std::uint8_t {
  None,     ///< no element in common
  Same,     ///< the same elements at the same positions
  Partial,  ///< anything else, or not known to be disjoint
};
template <class T, class U>
[[nodiscard]] Overlap overlap(const View<T>& a, const View<U>& b) noexcept;

namespace detail {
LAMINA_EXPORT Overlap overlap_bytes(const void* a, std::size_t size_a, const Shape& shape_a,
                                    const Strides& strides_a, const void* b, std::size_t size_b,
                                    const Shape& shape_b, const Strides& strides_b) noexcept;
}  // namespace detail

template <class T, class U>
Overlap overlap(const View<T>& a, const View<U>& b) noexcept {
  return detail::overlap_bytes(a.data(), sizeof(T), a.shape(), a.strides(), b.data(), sizeof(U),
                               b.shape(), b.strides());
}

/// Forward iterator over all elements in row-major order.
template <class T>
class View<T>::Iterator {
 public:
  using value_type = T;
  using difference_type = Index;
  using reference = const T&;
  using pointer = const T*;
  using iterator_category = std::forward_iterator_tag;

  Iterator() = default;
  Iterator(const View<T>* view, Index position)
      : data_(view->data_), shape_(view->shape_), strides_(view->strides_), position_(position) {}
  reference operator*() const noexcept { return data_[offset_]; }
  Iterator& operator++() noexcept {
    ++position_;
    for (int axis = shape_.rank() - 1; axis >= 0; --axis) {
      offset_ += strides_[axis];
      if (++index_[axis] < shape_[axis]) {
        break;
      }
      offset_ -= strides_[axis] * shape_[axis];
      index_[axis] = 0;
    }
    return *this;
  }
  Iterator operator++(int) noexcept {
    Iterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const Iterator& a, const Iterator& b) noexcept {
    return a.position_ == b.position_;
  }

 private:
  const T* data_ = nullptr;
  Shape shape_;
  Strides strides_;
  IndexList index_;
  Index offset_ = 0;
  Index position_ = 0;
};

template <class T>
typename View<T>::Iterator View<T>::begin() const {
  return Iterator(this, 0);
}
template <class T>
typename View<T>::Iterator View<T>::end() const {
  return Iterator(this, size());
}

}  // namespace lamina
