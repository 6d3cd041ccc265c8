#pragma once

// Operands that share a shape, cut into the axis (or axes) an operation works along and the rest.

#include <algorithm>
#include <array>
#include <cstddef>

#include "lamina/core/shape.hpp"

namespace lamina::nn {

/// Dimensions walked together by K operands, outermost first.
template <int K>
class JointDims {
 public:
  using Offsets = std::array<Index, K>;
  struct Dim {
    Index extent;
    Offsets strides;
  };

  /// Adds an inner dimension; one of extent 1 is left out, one that continues the last is merged.
  void push(Index extent, const Offsets& strides) {
    if (extent == 1) {
      return;
    }
    if (rank_ > 0) {
      Dim& last = dims_[static_cast<std::size_t>(rank_ - 1)];
      bool continues = true;
      for (std::size_t k = 0; k < K; ++k) {
        continues = continues && last.strides[k] == strides[k] * extent;
      }
      if (continues) {
        last = {last.extent * extent, strides};
        return;
      }
    }
    dims_[static_cast<std::size_t>(rank_++)] = {extent, strides};
  }
  /// Takes one dimension out.
  Dim remove(int i) {
    const Dim dim = (*this)[i];
    std::copy(dims_.begin() + i + 1, dims_.begin() + rank_, dims_.begin() + i);
    --rank_;
    return dim;
  }

  [[nodiscard]] int rank() const noexcept { return rank_; }
  [[nodiscard]] const Dim& operator[](int i) const noexcept {
    return dims_[static_cast<std::size_t>(i)];
  }
  [[nodiscard]] Index size() const noexcept {
    Index product = 1;
    for (int i = 0; i < rank_; ++i) {
      product *= (*this)[i].extent;
    }
    return product;
  }

  /// Calls run(offsets, count, strides) for positions [begin, end) of the flattened dimensions, in
  /// pieces along the innermost one: `count` positions, `strides` apart, the first at `offsets`.
  template <class F>
  void for_each_run(Index begin, Index end, F&& run) const {
    const Dim inner = rank_ > 0 ? (*this)[rank_ - 1] : Dim{1, {}};
    while (begin < end) {
      Index rest = begin / inner.extent;
      const Index start = begin % inner.extent;
      const Index count = std::min(end - begin, inner.extent - start);
      Offsets offsets;
      for (std::size_t k = 0; k < K; ++k) {
        offsets[k] = start * inner.strides[k];
      }
      for (int i = rank_ - 2; i >= 0; --i) {
        const Index position = rest % (*this)[i].extent;
        rest /= (*this)[i].extent;
        for (std::size_t k = 0; k < K; ++k) {
          offsets[k] += position * (*this)[i].strides[k];
        }
      }
      run(offsets, count, inner.strides);
      begin += count;
    }
  }

 private:
  std::array<Dim, kMaxRank> dims_{};
  int rank_ = 0;
};

}  // namespace lamina::nn
