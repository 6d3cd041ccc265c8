#include "lamina/nn/packed.hpp"

#include <string_view>
#include <utility>

#include "nn/linear_arguments.hpp"

namespace lamina::nn {

namespace {

using detail::GemmOptions;
using detail::MatrixRef;

// (K, N) of a matrix that is given as such, or as its transpose.
template <class T>
PackedWeight<T> pack(const View<T>& x, bool transposes, std::string_view operation,
                     std::string_view argument) {
  check(x.defined() && x.rank() == 2, ErrorKind::DimensionMismatch, operation, argument,
        " must be a matrix, got shape ", x.shape());
  const MatrixRef<T> matrix{x.data(), x.shape()[0], x.shape()[1], x.strides()[0], x.strides()[1]};
  const simd::Target target = simd::active_target();
  return {std::make_shared<const detail::PackedMatrix<T>>(
              detail::GemmSide::B, transposes ? matrix.transposed() : matrix),
          target};
}

template <class T>
void check_factors(const View<T>& x, const PackedWeight<T>& weight, std::string_view operation,
                   std::string_view x_name, std::string_view weight_name) {
  check(weight.defined(), ErrorKind::InvalidOperation, operation, weight_name, " holds nothing");
  const simd::Target target = simd::active_target();
  check(weight.target() == target, ErrorKind::InvalidOperation, operation, weight_name,
        " was packed for the SIMD target ", simd::to_string(weight.target()), ", now ",
        simd::to_string(target), " is active");
  detail::check_rank(x, operation, x_name);
  check(x.extent(-1) == weight.in_features(), ErrorKind::DimensionMismatch, operation, x_name,
        " has ", x.extent(-1), " features, ", weight_name, " takes ", weight.in_features(), "; ",
        x_name, " ", x.shape());
}

// out = x weight, where the arguments are right and all leading axes can be walked with one stride.
template <class T>
bool multiply_matrices(const View<T>& x, const PackedWeight<T>& weight, const View<T>& bias,
                       const MutView<T>& out) {
  MatrixRef<T> factor;
  MatrixRef<T> product;
  const Index features = weight.out_features();
  if (!weight.defined() || weight.target() != simd::active_target() ||
      !detail::as_factor_and_product<T>(x, out, weight.in_features(), features, factor, product)) {
    return false;
  }
  const detail::MemorySpan span = detail::span_of(product);
  if (!span.apart(detail::span_of(factor))) {
    return false;
  }
  GemmOptions<T> options;
  if (bias.defined()) {
    options.bias = bias.data();
    if (bias.rank() != 1 || bias.shape()[0] != features ||
        (bias.strides()[0] != 1 && features != 1) ||
        !span.apart(detail::span_of(MatrixRef<T>{options.bias, 1, features, 0, 1}))) {
      return false;
    }
  }
  detail::gemm<T>(factor, *weight.get(), out.data(), product.row_stride, product.col_stride,
                  options);
  return true;
}

// Leading axes that cannot be walked with one stride are taken one index after the other.
template <class T>
void multiply(const View<T>& x, const detail::PackedMatrix<T>& weight, const MutView<T>& out,
              const GemmOptions<T>& options) {
  MatrixRef<T> rows;
  MatrixRef<T> result;
  if (detail::as_matrix(x, rows) && detail::as_matrix<T>(out, result)) {
    detail::gemm<T>(rows, weight, out.data(), result.row_stride, result.col_stride, options);
    return;
  }
  for (Index i = 0; i < x.shape()[0]; ++i) {
    multiply<T>(x.select(0, i), weight, out.select(0, i), options);
  }
}

}  // namespace

template <class T>
PackedWeight<T>::PackedWeight(std::shared_ptr<const detail::PackedMatrix<T>> packed,
                              simd::Target target)
    : packed_(std::move(packed)),
      in_features_(packed_->rows()),
      out_features_(packed_->cols()),
      bytes_(static_cast<std::size_t>(packed_->size()) * sizeof(T)),
      target_(target) {}

template <class T>
PackedWeight<T> pack_weight(const View<T>& weight) {
  return pack(weight, true, "pack_weight", "weight");
}

template <class T>
PackedWeight<T> pack_matrix(const View<T>& b) {
  return pack(b, false, "pack_matrix", "b");
}

template <class T>
void matmul_into(const View<T>& a, const PackedWeight<std::type_identity_t<T>>& b, MutArg<T> out) {
  if (multiply_matrices<T>(a, b, {}, out)) {
    return;
  }
  check_factors<T>(a, b, "matmul", "a", "b");
  detail::check_out<T>(out, detail::with_features(a.shape(), b.out_features()), "matmul", "out");
  detail::check_apart<T>(out, a, "matmul", "out", "a");
  multiply<T>(a, *b.get(), out, {});
}

template <class T>
Array<T> matmul(const View<T>& a, const PackedWeight<std::type_identity_t<T>>& b) {
  check_factors<T>(a, b, "matmul", "a", "b");
  Array<T> out = Array<T>::empty(detail::with_features(a.shape(), b.out_features()));
  multiply<T>(a, *b.get(), out, {});
  return out;
}

template <class T>
void linear_into(const View<T>& x, const PackedWeight<std::type_identity_t<T>>& weight,
                 ViewArg<T> bias, MutArg<T> out) {
  if (multiply_matrices<T>(x, weight, bias, out)) {
    return;
  }
  check_factors<T>(x, weight, "linear", "x", "weight");
  const Index features = weight.out_features();
  check(!bias.defined() || bias.shape() == Shape{features}, ErrorKind::DimensionMismatch, "linear",
        "bias has shape ", bias.shape(), ", expected ", Shape{features});
  detail::check_out<T>(out, detail::with_features(x.shape(), features), "linear", "out");
  detail::check_apart<T>(out, x, "linear", "out", "x");
  detail::check_apart<T>(out, bias, "linear", "out", "bias");
  GemmOptions<T> options;
  const lamina::detail::Packed<T> packed_bias(bias);
  options.bias = packed_bias.data();
  multiply<T>(x, *weight.get(), out, options);
}

template <class T>
Array<T> linear(const View<T>& x, const PackedWeight<std::type_identity_t<T>>& weight,
                ViewArg<T> bias) {
  check_factors<T>(x, weight, "linear", "x", "weight");
  Array<T> out = Array<T>::empty(detail::with_features(x.shape(), weight.out_features()));
  linear_into<T>(x, weight, bias, out);
  return out;
}

#define LAMINA_INSTANTIATE(T)                                                                    \
  template class PackedWeight<T>;                                                                \
  template LAMINA_EXPORT PackedWeight<T> pack_weight<T>(const View<T>&);                         \
  template LAMINA_EXPORT PackedWeight<T> pack_matrix<T>(const View<T>&);                         \
  template LAMINA_EXPORT void matmul_into<T>(const View<T>&, const PackedWeight<T>&, MutArg<T>); \
  template LAMINA_EXPORT Array<T> matmul<T>(const View<T>&, const PackedWeight<T>&);             \
  template LAMINA_EXPORT void linear_into<T>(const View<T>&, const PackedWeight<T>&, ViewArg<T>, \
                                             MutArg<T>);                                         \
  template LAMINA_EXPORT Array<T> linear<T>(const View<T>&, const PackedWeight<T>&, ViewArg<T>);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn
