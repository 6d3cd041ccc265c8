#pragma once

#include <algorithm>
#include <array>

#include "lamina/core/view.hpp"

namespace lamina::nn::detail {

/// Elements that a loop takes at a time: few enough that several arrays stay in first-level cache.
inline constexpr Index kBlock = 512;
template <class T>
using Block = std::array<T, static_cast<std::size_t>(kBlock)>;

/// Walks the elements [begin, begin + n) of any layout in row-major order: run(offset, length,
/// step) for each piece of the last axis, offset and step in elements.
template <class Run>
void for_each_piece(const Shape& shape, const Strides& strides, Index begin, Index n,
                    const Run& run) {
  if (shape.rank() == 0) {
    run(Index{0}, Index{1}, Index{1});
    return;
  }
  IndexList index = shape;
  Index offset = 0;
  Index rest = begin;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    index[axis] = rest % shape[axis];
    rest /= shape[axis];
    offset += index[axis] * strides[axis];
  }
  const int last = shape.rank() - 1;
  while (n > 0) {
    const Index length = std::min(n, shape[last] - index[last]);
    run(offset, length, strides[last]);
    n -= length;
    offset += length * strides[last];
    index[last] += length;
    for (int axis = last; axis > 0 && index[axis] == shape[axis]; --axis) {
      offset += strides[axis - 1] - shape[axis] * strides[axis];
      index[axis] = 0;
      ++index[axis - 1];
    }
  }
}

/// Consecutive elements, in row-major order, of a view with any strides.
template <class T>
class BlockReader {
 public:
  BlockReader() = default;
  explicit BlockReader(const View<T>& x) : view_(x), contiguous_(x.is_contiguous()) {}

  /// The elements [begin, begin + n), n <= kBlock: in place, or gathered into `buffer`. nullptr of
  /// an undefined view.
  [[nodiscard]] const T* read(Index begin, Index n, Block<T>& buffer) const {
    if (!view_.defined() || contiguous_) {
      return view_.data() == nullptr ? nullptr : view_.data() + begin;
    }
    T* out = buffer.data();
    for_each_piece(view_.shape(), view_.strides(), begin, n,
                   [&](Index offset, Index length, Index step) {
                     const T* in = view_.data() + offset;
                     for (Index i = 0; i < length; ++i) {
                       *out++ = in[i * step];
                     }
                   });
    return buffer.data();
  }

 private:
  View<T> view_;
  bool contiguous_ = true;
};

/// The same for writing: put results where target() says, then commit().
template <class T>
class BlockWriter {
 public:
  explicit BlockWriter(const MutView<T>& x) : view_(x), contiguous_(x.is_contiguous()) {}

  [[nodiscard]] T* target(Index begin, Block<T>& buffer) const {
    return contiguous_ ? view_.data() + begin : buffer.data();
  }
  void commit(Index begin, Index n, const Block<T>& buffer) const {
    if (contiguous_) {
      return;
    }
    const T* in = buffer.data();
    for_each_piece(view_.shape(), view_.strides(), begin, n,
                   [&](Index offset, Index length, Index step) {
                     T* out = view_.data() + offset;
                     for (Index i = 0; i < length; ++i) {
                       out[i * step] = *in++;
                     }
                   });
  }

 private:
  MutView<T> view_;
  bool contiguous_ = true;
};

}  // namespace lamina::nn::detail
