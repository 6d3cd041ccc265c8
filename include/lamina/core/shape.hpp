#pragma once

#include <array>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>

#include "lamina/core/index.hpp"
#include "lamina/export.hpp"

namespace lamina {

/// Up to kMaxRank integers, stored inline: the base of Shape, and the type of strides and axis
/// lists.
class LAMINA_EXPORT IndexList {
 public:
  constexpr IndexList() noexcept = default;
  /// Error(DimensionMismatch) for more than kMaxRank values.
  IndexList(std::initializer_list<Index> values);  // NOLINT: implicit, so that {2, 3} is a shape
  explicit IndexList(std::span<const Index> values);

  [[nodiscard]] constexpr int rank() const noexcept { return rank_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return rank_ == 0; }
  [[nodiscard]] constexpr Index operator[](int i) const noexcept {
    return values_[static_cast<std::size_t>(i)];
  }
  [[nodiscard]] constexpr Index& operator[](int i) noexcept {
    return values_[static_cast<std::size_t>(i)];
  }
  [[nodiscard]] constexpr const Index* begin() const noexcept { return values_.data(); }
  [[nodiscard]] constexpr const Index* end() const noexcept { return values_.data() + rank_; }
  [[nodiscard]] constexpr Index* begin() noexcept { return values_.data(); }
  [[nodiscard]] constexpr Index* end() noexcept { return values_.data() + rank_; }
  [[nodiscard]] constexpr Index back() const noexcept { return (*this)[rank_ - 1]; }

  void push_back(Index value);
  void insert(int position, Index value);
  void erase(int position) noexcept;

  friend bool operator==(const IndexList& a, const IndexList& b) noexcept;

 private:
  std::array<Index, kMaxRank> values_{};
  int rank_ = 0;
};

using Strides = IndexList;
using Axes = IndexList;

/// Extents of an array. Rank 0, the shape of a single number, has size 1.
class LAMINA_EXPORT Shape : public IndexList {
 public:
  constexpr Shape() noexcept = default;
  /// Error(DimensionMismatch) for a negative extent, more than kMaxRank, or a size beyond 2^62.
  Shape(std::initializer_list<Index> extents);  // NOLINT: implicit
  explicit Shape(std::span<const Index> extents);
  explicit Shape(const IndexList& extents);

  /// Number of elements.
  [[nodiscard]] constexpr Index size() const noexcept {
    Index product = 1;
    for (const Index extent : *this) {
      product *= extent;
    }
    return product;
  }
};

/// Row-major strides of `shape`, in elements.
[[nodiscard]] LAMINA_EXPORT Strides contiguous_strides(const Shape& shape) noexcept;

/// "(2, 3)", "(5,)", "()".
[[nodiscard]] LAMINA_EXPORT std::string to_string(const IndexList& list);
LAMINA_EXPORT std::ostream& operator<<(std::ostream& out, const IndexList& list);

/// `axis` counted from the front: -1 is the last of `rank` axes. Error(IndexOutOfBounds) naming
/// `operation` unless -rank <= axis < rank.
[[nodiscard]] LAMINA_EXPORT int normalize_axis(int axis, int rank, std::string_view operation);

/// The shape that both broadcast to by NumPy's rules. Error(DimensionMismatch) naming `operation`.
[[nodiscard]] LAMINA_EXPORT Shape broadcast_shapes(const Shape& a, const Shape& b,
                                                   std::string_view operation);

}  // namespace lamina
