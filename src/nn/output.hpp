#pragma once

// What an operation writes to: how it is checked, and memory without gaps for it.

#include <string_view>

#include "lamina/core/array.hpp"
#include "nn/layout.hpp"

namespace lamina::nn::detail {

/// Error unless `out` has this shape, elements of its own, and no memory in common with the inputs.
template <class T, class... In>
void check_output(const View<T>& out, std::string_view out_name, const Shape& shape,
                  std::string_view operation, const View<In>&... inputs) {
  check_defined(out, operation, out_name);
  check(out.shape() == shape, ErrorKind::DimensionMismatch, operation, out_name,
        " must have shape ", shape, ", got ", out.shape());
  check_writable(out, operation, out_name);
  [[maybe_unused]] const auto apart = [&](const auto& input) {
    check(overlap(out, input) == Overlap::None, ErrorKind::InvalidOperation, operation, out_name,
          " overlaps an input");
  };
  (apart(inputs), ...);
}

/// Error unless two outputs, either of which may be undefined, lie apart.
template <class T, class U>
void check_outputs_apart(const View<T>& a, std::string_view a_name, const View<U>& b,
                         std::string_view b_name, std::string_view operation) {
  check(overlap(a, b) == Overlap::None, ErrorKind::InvalidOperation, operation, a_name,
        " overlaps ", b_name);
}

/// Packed memory for a result that may lie otherwise, or be undefined (null).
template <class T>
class PackedOut {
 public:
  explicit PackedOut(const MutView<T>& out) : out_(out) {
    if (out.defined() && !out.is_contiguous()) {
      copy_ = Array<T>::empty(out.shape());
    }
  }
  [[nodiscard]] T* data() {
    return !out_.defined() ? nullptr : out_.is_contiguous() ? out_.data() : copy_.data();
  }
  [[nodiscard]] MutView<T> view() { return out_.is_contiguous() ? out_ : MutView<T>(copy_); }
  /// Brings the elements to their place.
  void finish() const {
    if (out_.defined() && !out_.is_contiguous()) {
      out_.assign(copy_);
    }
  }

 private:
  MutView<T> out_;
  Array<T> copy_;
};

/// A gradient to add to: packed zeros, those of `out`, or of its own if that is not defined.
template <class T>
class GradientSum {
 public:
  GradientSum(const MutView<T>& out, const Shape& shape)
      : own_(out.defined() ? Array<T>() : Array<T>::empty(shape)),
        packed_(out.defined() ? out : MutView<T>(own_)) {
    packed_.view().fill(T(0));
  }
  [[nodiscard]] T* data() { return packed_.data(); }
  void finish() const { packed_.finish(); }

 private:
  Array<T> own_;
  PackedOut<T> packed_;
};

}  // namespace lamina::nn::detail
