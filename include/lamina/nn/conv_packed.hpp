#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include "lamina/core/array.hpp"
#include "lamina/nn/conv.hpp"

namespace lamina::nn {

namespace detail {
template <class T>
struct PreparedWeights;
}  // namespace detail

/// The weights of a convolution in the order in which it reads them: packed once, used often.
///
///   const auto packed = nn::pack_conv2d_weight(weight, x.shape(), {.padding = 1});  // once
///   nn::conv2d_into(x, packed, bias, out);                                          // often
///
/// A copy of the weights: later changes of the array are not seen. Never changes itself, so that
/// any number of threads may use one at once, and copies share their memory. float and double. Has
/// no gradient.
template <class T>
class PackedConv2dWeight {
 public:
  /// Nothing; convolutions with it throw Error(InvalidOperation).
  PackedConv2dWeight() = default;

  [[nodiscard]] bool defined() const noexcept { return prepared_ != nullptr; }
  [[nodiscard]] const Shape& weight_shape() const noexcept { return weight_shape_; }
  [[nodiscard]] const Conv2dOptions& options() const noexcept { return options_; }
  /// Memory that it takes; all copies together.
  [[nodiscard]] std::size_t bytes() const noexcept;

  /// What convolutions read.
  [[nodiscard]] const detail::PreparedWeights<T>* get() const noexcept { return prepared_.get(); }
  PackedConv2dWeight(std::shared_ptr<const detail::PreparedWeights<T>> prepared,
                     const Shape& weight_shape, const Conv2dOptions& options)
      : prepared_(std::move(prepared)), weight_shape_(weight_shape), options_(options) {}

 private:
  std::shared_ptr<const detail::PreparedWeights<T>> prepared_;
  Shape weight_shape_;
  Conv2dOptions options_;
};

extern template class LAMINA_EXPORT PackedConv2dWeight<float>;
extern template class LAMINA_EXPORT PackedConv2dWeight<double>;

/// Packs a weight for inputs of x_shape: for the algorithm and the SIMD target that such a
/// convolution takes now. It serves inputs of other batches and extents and on another target as
/// well, if not always faster than the weight itself. Depthwise weights are only put in another
/// order. Errors as for conv2d.
template <class T>
[[nodiscard]] PackedConv2dWeight<T> pack_conv2d_weight(const View<T>& weight, const Shape& x_shape,
                                                       const Conv2dOptions& options = {});

/// conv2d with a packed weight and the options that it was packed with. Errors and numerics as
/// there, though not always the same bits; the same ones on any number of threads.
/// Error(InvalidOperation): weight holds nothing.
template <class T>
void conv2d_into(const View<T>& x, const PackedConv2dWeight<std::type_identity_t<T>>& weight,
                 ViewArg<T> bias, MutArg<T> out);
template <class T>
[[nodiscard]] Array<T> conv2d(const View<T>& x,
                              const PackedConv2dWeight<std::type_identity_t<T>>& weight,
                              ViewArg<T> bias = {});

}  // namespace lamina::nn
