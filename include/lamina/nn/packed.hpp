#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

#include "lamina/core/array.hpp"
#include "lamina/core/simd.hpp"

namespace lamina::nn {

namespace detail {
template <class T>
class PackedMatrix;
}  // namespace detail

/// Weights in the order in which the product reads them: packed once, multiplied often.
///
///   const nn::PackedWeight<float> packed = nn::pack_weight(weight);  // once
///   nn::linear_into(x, packed, bias, out);                           // often
///
/// A copy of the weights: later changes of the array are not seen. Never changes itself, so that
/// any number of threads may use one at once, and copies share their memory. float and double.
/// Laid out for the SIMD target that is active when it is packed: with another one its products
/// throw Error(InvalidOperation). Has no gradient.
template <class T>
class PackedWeight {
 public:
  /// Nothing; products with it throw Error(InvalidOperation).
  PackedWeight() = default;

  [[nodiscard]] bool defined() const noexcept { return packed_ != nullptr; }
  /// K, the length of the rows that are multiplied with it, and N, that of the resulting ones.
  [[nodiscard]] Index in_features() const noexcept { return in_features_; }
  [[nodiscard]] Index out_features() const noexcept { return out_features_; }
  /// Memory that it takes; all copies together.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  /// The SIMD target it was packed for.
  [[nodiscard]] simd::Target target() const noexcept { return target_; }

  /// What products read.
  [[nodiscard]] const detail::PackedMatrix<T>* get() const noexcept { return packed_.get(); }
  PackedWeight(std::shared_ptr<const detail::PackedMatrix<T>> packed, simd::Target target);

 private:
  std::shared_ptr<const detail::PackedMatrix<T>> packed_;
  Index in_features_ = 0, out_features_ = 0;
  std::size_t bytes_ = 0;
  simd::Target target_ = simd::Target::Baseline;
};

extern template class LAMINA_EXPORT PackedWeight<float>;
extern template class LAMINA_EXPORT PackedWeight<double>;

/// Packs the weight of linear.   weight (out, in), any strides
/// Error(DimensionMismatch): not a matrix.
template <class T>
[[nodiscard]] PackedWeight<T> pack_weight(const View<T>& weight);

/// Packs the second factor of matmul.   b (K, N), any strides
/// Error(DimensionMismatch): not a matrix.
template <class T>
[[nodiscard]] PackedWeight<T> pack_matrix(const View<T>& b);

/// matmul with a packed second factor.
///
///   out[..., i, j] = sum over k of a[..., i, k] * b[k, j]
///
/// a (..., K)   b (K, N)   returns (..., N). In place: no, out must not overlap a.
/// Error(DimensionMismatch): rank 0, K differs, shape of out. Error(InvalidOperation): out overlaps
/// a; b holds nothing or was packed for another SIMD target. Numerics: as matmul of the unpacked
/// matrix, though not always the same bits; the same ones on any number of threads.
template <class T>
void matmul_into(const View<T>& a, const PackedWeight<std::type_identity_t<T>>& b, MutArg<T> out);
template <class T>
[[nodiscard]] Array<T> matmul(const View<T>& a, const PackedWeight<std::type_identity_t<T>>& b);

/// linear with a packed weight.
///
///   out = x weight^T + bias
///
/// x (..., in)   weight (out, in)   bias (out) or absent   returns (..., out).
/// Errors and numerics as for matmul; out must not overlap bias either.
template <class T>
void linear_into(const View<T>& x, const PackedWeight<std::type_identity_t<T>>& weight,
                 ViewArg<T> bias, MutArg<T> out);
template <class T>
[[nodiscard]] Array<T> linear(const View<T>& x, const PackedWeight<std::type_identity_t<T>>& weight,
                              ViewArg<T> bias = {});

}  // namespace lamina::nn
