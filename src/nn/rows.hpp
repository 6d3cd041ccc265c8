#pragma once

#include "lamina/core/array.hpp"

namespace lamina::nn::detail {

/// The rows of an array (..., C): each in place if its elements are neighbors, else gathered.
template <class T>
class Rows {
 public:
  explicit Rows(const View<T>& x) : view_(x), contiguous_(x.is_contiguous()) {
    lead_ = view_.shape();
    lead_.erase(lead_.rank() - 1);
    length_ = view_.shape().back();
    step_ = view_.strides().back();
  }
  [[nodiscard]] bool contiguous() const { return contiguous_; }
  [[nodiscard]] bool in_place() const { return contiguous_ || step_ == 1 || length_ <= 1; }
  /// `buffer` has room for a row; unused if in_place().
  [[nodiscard]] const T* row(Index r, T* buffer) const {
    const T* x = view_.data() + offset(r);
    if (in_place()) {
      return x;
    }
    for (Index i = 0; i < length_; ++i) {
      buffer[i] = x[i * step_];
    }
    return buffer;
  }
  [[nodiscard]] Index offset(Index r) const {
    if (contiguous_) {
      return r * length_;
    }
    Index offset = 0;
    for (int axis = lead_.rank() - 1; axis >= 0; --axis) {
      offset += r % lead_[axis] * view_.strides()[axis];
      r /= lead_[axis];
    }
    return offset;
  }
  [[nodiscard]] Index step() const { return step_; }

 private:
  View<T> view_;
  bool contiguous_;
  IndexList lead_;
  Index length_ = 0;
  Index step_ = 1;
};

}  // namespace lamina::nn::detail
