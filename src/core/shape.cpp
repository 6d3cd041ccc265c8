#include "lamina/core/shape.hpp"

#include <algorithm>
#include <ostream>
#include <sstream>

#include "lamina/core/error.hpp"

namespace lamina {

IndexList::IndexList(std::initializer_list<Index> values)
    : IndexList(std::span<const Index>(values.begin(), values.size())) {}

IndexList::IndexList(std::span<const Index> values) {
  check(values.size() <= static_cast<std::size_t>(kMaxRank), ErrorKind::DimensionMismatch, "shape",
        "rank is at most ", kMaxRank, ", got ", values.size());
  std::copy(values.begin(), values.end(), values_.begin());
  rank_ = static_cast<int>(values.size());
}

void IndexList::push_back(Index value) {
  insert(rank_, value);
}

void IndexList::insert(int position, Index value) {
  check(rank_ < kMaxRank, ErrorKind::DimensionMismatch, "shape", "rank is at most ", kMaxRank);
  std::copy_backward(begin() + position, end(), end() + 1);
  (*this)[position] = value;
  ++rank_;
}

void IndexList::erase(int position) noexcept {
  std::copy(begin() + position + 1, end(), begin() + position);
  --rank_;
}

bool operator==(const IndexList& a, const IndexList& b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

namespace {
void check_extents(const Shape& shape) {
  // Zeros are left out: strides are products of the other extents, and must not overflow either.
  Index size = 1;
  for (const Index extent : shape) {
    check(extent >= 0, ErrorKind::DimensionMismatch, "shape", "extents must not be negative, got ",
          shape);
    if (extent == 0) continue;
    check(size <= (Index{1} << 62) / extent, ErrorKind::DimensionMismatch, "shape",
          "too many elements in ", shape);
    size *= extent;
  }
}
}  // namespace

Shape::Shape(std::initializer_list<Index> extents) : IndexList(extents) {
  check_extents(*this);
}
Shape::Shape(std::span<const Index> extents) : IndexList(extents) {
  check_extents(*this);
}
Shape::Shape(const IndexList& extents) : IndexList(extents) {
  check_extents(*this);
}

Strides contiguous_strides(const Shape& shape) noexcept {
  Strides strides = shape;
  Index stride = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

std::string to_string(const IndexList& list) {
  std::ostringstream text;
  text << list;
  return text.str();
}

std::ostream& operator<<(std::ostream& out, const IndexList& list) {
  out << '(';
  for (int i = 0; i < list.rank(); ++i) {
    out << (i > 0 ? ", " : "") << list[i];
  }
  return out << (list.rank() == 1 ? ",)" : ")");
}

int normalize_axis(int axis, int rank, std::string_view operation) {
  check(axis >= -rank && axis < rank, ErrorKind::IndexOutOfBounds, operation, "axis ", axis,
        " is out of range for rank ", rank);
  return axis < 0 ? axis + rank : axis;
}

Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view operation) {
  IndexList result = a.rank() >= b.rank() ? a : b;
  for (int i = 1; i <= std::min(a.rank(), b.rank()); ++i) {
    const Index extent_a = a[a.rank() - i];
    const Index extent_b = b[b.rank() - i];
    check(extent_a == extent_b || extent_a == 1 || extent_b == 1, ErrorKind::DimensionMismatch,
          operation, "shapes ", a, " and ", b, " do not broadcast");
    result[result.rank() - i] = extent_a == 1 ? extent_b : extent_a;
  }
  return Shape(result);
}

}  // namespace lamina
