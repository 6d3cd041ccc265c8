#pragma once

#include <string_view>
#include <vector>

#include "lamina/core/array.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/nn/types.hpp"
#include "nn/layout.hpp"
#include "nn/output.hpp"

// What all losses have in common: checks, and sums over chunks in a fixed order.
namespace lamina::nn::detail {

inline void check_same_shape(std::string_view operation, std::string_view name_a, const Shape& a,
                             std::string_view name_b, const Shape& b) {
  check(a == b, ErrorKind::DimensionMismatch, operation, name_a, " and ", name_b,
        " must have the same shape, got ", a, " and ", b);
}
template <class T>
void check_defined(std::string_view operation, std::string_view name, const View<T>& x) {
  check(x.defined(), ErrorKind::InvalidOperation, operation, name, " is not defined");
}

inline bool broadcasts_to(const Shape& from, const Shape& to) {
  const int added = to.rank() - from.rank();
  bool fits = added >= 0;
  for (int axis = 0; fits && axis < from.rank(); ++axis) {
    fits = from[axis] == 1 || from[axis] == to[axis + added];
  }
  return fits;
}

/// `elements` is the shape of one loss per element or row; a mean or sum has rank 0.
inline Shape loss_shape(ReductionMode mode, const Shape& elements) {
  return mode == ReductionMode::None ? elements : Shape{};
}
/// dy must have the shape of the loss.
template <class T>
void check_upstream(std::string_view operation, const View<T>& dy, ReductionMode mode,
                    const Shape& elements) {
  check(dy.defined() && dy.shape() == loss_shape(mode, elements), ErrorKind::DimensionMismatch,
        operation, "dy must have the shape of the loss, ", loss_shape(mode, elements), ", got ",
        dy.shape());
}
/// The result must have the shape named and share memory with no input, or be one in full.
template <class T>
void check_output(std::string_view operation, const View<T>& out, const Shape& shape) {
  check(out.defined() && out.shape() == shape, ErrorKind::DimensionMismatch, operation,
        "the output must have shape ", shape, ", got ", out.shape());
  check_writable(out, operation, "the output");
}
template <class T, class U>
void check_apart(std::string_view operation, const View<T>& out, const View<U>& input,
                 bool same_is_fine) {
  const Overlap how = overlap(out, input);
  check(how == Overlap::None || (same_is_fine && how == Overlap::Same), ErrorKind::InvalidOperation,
        operation, "the output overlaps an input");
}

/// sum / count; 0 of nothing.
inline double mean_of(double sum, double count) {
  return count == 0 ? 0.0 : sum / count;
}

/// Adds up what body(begin, end) returns for the chunks of [0, n), in the order of the chunks
/// whatever thread computed them. Sum has operator+=.
template <class Sum, class Body>
Sum sum_over_chunks(Index n, Index grain, const Body& body) {
  if (n <= grain) {
    return n == 0 ? Sum{} : body(Index{0}, n);
  }
  std::vector<Sum> parts(static_cast<std::size_t>(ceil_div(n, grain)));
  parallel_for(n, grain, [&](Index begin, Index end) {
    parts[static_cast<std::size_t>(begin / grain)] = body(begin, end);
  });
  Sum total{};
  for (const Sum& part : parts) {
    total += part;
  }
  return total;
}

/// The loss of rows of shape `lead`, each given by body(row) in double. Mean divides by the rows.
/// make_body() is called once per chunk of rows, and may hold buffers.
template <class T, class MakeBody>
void reduce_rows_into(const Shape& lead, Index grain, ReductionMode mode, const MutView<T>& out,
                      const MakeBody& make_body) {
  PackedOut<T> packed(out);
  T* const result = packed.data();
  const double sum = sum_over_chunks<double>(lead.size(), grain, [&](Index begin, Index end) {
    auto body = make_body();
    double total = 0;
    for (Index r = begin; r < end; ++r) {
      const double loss = body(r);
      if (mode == ReductionMode::None) {
        result[r] = static_cast<T>(loss);
      }
      total += loss;
    }
    return total;
  });
  if (mode != ReductionMode::None) {
    *result = static_cast<T>(
        mode == ReductionMode::Sum ? sum : mean_of(sum, static_cast<double>(lead.size())));
  }
  packed.finish();
}
template <class T, class MakeBody>
Array<T> reduce_rows(const Shape& lead, Index grain, ReductionMode mode,
                     const MakeBody& make_body) {
  Array<T> result = Array<T>::empty(loss_shape(mode, lead));
  reduce_rows_into<T>(lead, grain, mode, result, make_body);
  return result;
}

/// dy of each row of such a loss: g(row).
template <class T>
class RowUpstream {
 public:
  RowUpstream(const View<T>& dy, ReductionMode mode, Index rows)
      : each_(mode == ReductionMode::None), values_(dy) {
    if (!each_) {
      scale_ = static_cast<double>(dy.item()) *
               (mode == ReductionMode::Mean ? mean_of(1.0, static_cast<double>(rows)) : 1.0);
    }
  }
  [[nodiscard]] double operator()(Index row) const {
    return each_ ? static_cast<double>(values_.data()[row]) : scale_;
  }

 private:
  bool each_;
  lamina::detail::Packed<T> values_;
  double scale_ = 0;
};

}  // namespace lamina::nn::detail
