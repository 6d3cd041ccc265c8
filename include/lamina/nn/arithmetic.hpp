#pragma once

#include "lamina/core/array.hpp"
#include "lamina/core/view.hpp"
#include "lamina/export.hpp"
#include "lamina/nn/arithmetic_table.hpp"

/// Element-wise arithmetic.
///
/// Operands broadcast by NumPy's rules, and either may be a number. The result has the broadcast
/// shape; any strides. `_into` writes to `out`, which may be the very view of an operand of that
/// shape (in place), but must not overlap one in part.
/// Errors: DimensionMismatch for shapes that do not broadcast, and for an `out` of another shape;
/// InvalidOperation for partial overlap.
/// Numerics: correctly rounded, IEEE special values, but for pow, log, log1p and expm1 (2 ULP).
/// Operators + - * / are in nn/operators.hpp.
namespace lamina::nn {

// ---------------------------------------------------------------- two operands

/// Any binary function, chosen at run time.
template <class T>
void binary_into(BinaryOp op, const View<T>& a, ViewArg<T> b, MutArg<T> out);
template <class T>
[[nodiscard]] Array<T> binary(BinaryOp op, const View<T>& a, ViewArg<T> b);
/// With a number on the right, or on the left.
template <class T>
void binary_scalar_into(BinaryOp op, const View<T>& a, std::type_identity_t<T> b, MutArg<T> out);
template <class T>
[[nodiscard]] Array<T> binary_scalar(BinaryOp op, const View<T>& a, std::type_identity_t<T> b);
template <class T>
void scalar_binary_into(BinaryOp op, std::type_identity_t<T> a, const View<T>& b, MutArg<T> out);
template <class T>
[[nodiscard]] Array<T> scalar_binary(BinaryOp op, std::type_identity_t<T> a, const View<T>& b);

/// The gradient of any binary function to its left (right) operand, in that operand's shape: what
/// broadcasting repeated is summed. For a number, pass Array<T>::scalar(number).
/// `_into`: in memory of its own.
template <class T>
void binary_backward_a_into(BinaryOp op, const View<T>& dy, ViewArg<T> a, ViewArg<T> b,
                            MutArg<T> da);
template <class T>
[[nodiscard]] Array<T> binary_backward_a(BinaryOp op, const View<T>& dy, ViewArg<T> a,
                                         ViewArg<T> b);
template <class T>
void binary_backward_b_into(BinaryOp op, const View<T>& dy, ViewArg<T> a, ViewArg<T> b,
                            MutArg<T> db);
template <class T>
[[nodiscard]] Array<T> binary_backward_b(BinaryOp op, const View<T>& dy, ViewArg<T> a,
                                         ViewArg<T> b);

/// Gradients to both operands.
template <class T>
struct BinaryGradients {
  Array<T> da;
  Array<T> db;
};

/// x summed over what broadcasting `shape` to x's shape would repeat; the gradient of broadcasting.
/// Error(DimensionMismatch) if `shape` does not broadcast to x's.
/// `out` says the shape, and lies apart from x.
template <class T>
void sum_to_shape_into(const View<T>& x, MutArg<T> out);
template <class T>
[[nodiscard]] Array<T> sum_to_shape(const View<T>& x, const Shape& shape);

/// a + b.  Gradient: da = db = dy.  As numpy.add, torch.add, ONNX Add.
template <class T>
[[nodiscard]] Array<T> add(const View<T>& a, ViewArg<T> b) {
  return binary(BinaryOp::Add, a, b);
}
template <class T>
[[nodiscard]] Array<T> add(const View<T>& a, std::type_identity_t<T> b) {
  return binary_scalar(BinaryOp::Add, a, b);
}
template <class T>
void add_into(const View<T>& a, ViewArg<T> b, MutArg<T> out) {
  binary_into(BinaryOp::Add, a, b, out);
}
template <class T>
[[nodiscard]] BinaryGradients<T> add_backward(const View<T>& dy, const Shape& shape_a,
                                              const Shape& shape_b) {
  return {sum_to_shape(dy, shape_a), sum_to_shape(dy, shape_b)};
}

/// a - b.  Gradient: da = dy, db = -dy.  As numpy.subtract, torch.sub, ONNX Sub.
template <class T>
[[nodiscard]] Array<T> sub(const View<T>& a, ViewArg<T> b) {
  return binary(BinaryOp::Sub, a, b);
}
template <class T>
[[nodiscard]] Array<T> sub(const View<T>& a, std::type_identity_t<T> b) {
  return binary_scalar(BinaryOp::Sub, a, b);
}
template <class T>
[[nodiscard]] Array<T> sub(std::type_identity_t<T> a, const View<T>& b) {
  return scalar_binary<T>(BinaryOp::Sub, a, b);
}
template <class T>
void sub_into(const View<T>& a, ViewArg<T> b, MutArg<T> out) {
  binary_into(BinaryOp::Sub, a, b, out);
}
template <class T>
[[nodiscard]] BinaryGradients<T> sub_backward(const View<T>& dy, const Shape& shape_a,
                                              const Shape& shape_b) {
  return {sum_to_shape(dy, shape_a),
          binary_scalar<T>(BinaryOp::Mul, sum_to_shape(dy, shape_b), T(-1))};
}

/// a b, element by element.  Gradient: da = dy b, db = dy a.  As numpy.multiply, torch.mul, ONNX
/// Mul.
template <class T>
[[nodiscard]] Array<T> mul(const View<T>& a, ViewArg<T> b) {
  return binary(BinaryOp::Mul, a, b);
}
template <class T>
[[nodiscard]] Array<T> mul(const View<T>& a, std::type_identity_t<T> b) {
  return binary_scalar(BinaryOp::Mul, a, b);
}
template <class T>
void mul_into(const View<T>& a, ViewArg<T> b, MutArg<T> out) {
  binary_into(BinaryOp::Mul, a, b, out);
}
template <class T>
[[nodiscard]] BinaryGradients<T> mul_backward(const View<T>& dy, ViewArg<T> a, ViewArg<T> b) {
  return {binary_backward_a<T>(BinaryOp::Mul, dy, a, b),
          binary_backward_b<T>(BinaryOp::Mul, dy, a, b)};
}

/// a / b.  Gradient: da = dy / b, db = -dy a / b^2.  As numpy.divide, torch.div, ONNX Div.
template <class T>
[[nodiscard]] Array<T> div(const View<T>& a, ViewArg<T> b) {
  return binary(BinaryOp::Div, a, b);
}
template <class T>
[[nodiscard]] Array<T> div(const View<T>& a, std::type_identity_t<T> b) {
  return binary_scalar(BinaryOp::Div, a, b);
}
template <class T>
[[nodiscard]] Array<T> div(std::type_identity_t<T> a, const View<T>& b) {
  return scalar_binary<T>(BinaryOp::Div, a, b);
}
template <class T>
void div_into(const View<T>& a, ViewArg<T> b, MutArg<T> out) {
  binary_into(BinaryOp::Div, a, b, out);
}
template <class T>
[[nodiscard]] BinaryGradients<T> div_backward(const View<T>& dy, ViewArg<T> a, ViewArg<T> b) {
  return {binary_backward_a<T>(BinaryOp::Div, dy, a, b),
          binary_backward_b<T>(BinaryOp::Div, dy, a, b)};
}

/// a to the power b, 2 ULP, special values as IEEE 754's pow.  Gradient: da = dy b a^(b-1), 0 where
/// b is 0; db = dy a^b log a, 0 where a is 0 and b is not negative.  As numpy.power, torch.pow,
/// ONNX Pow.
template <class T>
[[nodiscard]] Array<T> pow(const View<T>& a, ViewArg<T> b) {
  return binary(BinaryOp::Pow, a, b);
}
template <class T>
[[nodiscard]] Array<T> pow(const View<T>& a, std::type_identity_t<T> b) {
  return binary_scalar(BinaryOp::Pow, a, b);
}
template <class T>
[[nodiscard]] Array<T> pow(std::type_identity_t<T> a, const View<T>& b) {
  return scalar_binary<T>(BinaryOp::Pow, a, b);
}
template <class T>
void pow_into(const View<T>& a, ViewArg<T> b, MutArg<T> out) {
  binary_into(BinaryOp::Pow, a, b, out);
}
template <class T>
[[nodiscard]] BinaryGradients<T> pow_backward(const View<T>& dy, ViewArg<T> a, ViewArg<T> b) {
  return {binary_backward_a<T>(BinaryOp::Pow, dy, a, b),
          binary_backward_b<T>(BinaryOp::Pow, dy, a, b)};
}

/// The greater of a and b; NaN if either is.  Gradient: dy to the greater, half to each where they
/// are equal, 0 where either is NaN.  As numpy.maximum, torch.maximum, ONNX Max.
template <class T>
[[nodiscard]] Array<T> maximum(const View<T>& a, ViewArg<T> b) {
  return binary(BinaryOp::Maximum, a, b);
}
template <class T>
[[nodiscard]] Array<T> maximum(const View<T>& a, std::type_identity_t<T> b) {
  return binary_scalar(BinaryOp::Maximum, a, b);
}
template <class T>
void maximum_into(const View<T>& a, ViewArg<T> b, MutArg<T> out) {
  binary_into(BinaryOp::Maximum, a, b, out);
}
template <class T>
[[nodiscard]] BinaryGradients<T> maximum_backward(const View<T>& dy, ViewArg<T> a, ViewArg<T> b) {
  return {binary_backward_a<T>(BinaryOp::Maximum, dy, a, b),
          binary_backward_b<T>(BinaryOp::Maximum, dy, a, b)};
}

/// The lesser of a and b; otherwise as maximum.  As numpy.minimum, torch.minimum, ONNX Min.
template <class T>
[[nodiscard]] Array<T> minimum(const View<T>& a, ViewArg<T> b) {
  return binary(BinaryOp::Minimum, a, b);
}
template <class T>
[[nodiscard]] Array<T> minimum(const View<T>& a, std::type_identity_t<T> b) {
  return binary_scalar(BinaryOp::Minimum, a, b);
}
template <class T>
void minimum_into(const View<T>& a, ViewArg<T> b, MutArg<T> out) {
  binary_into(BinaryOp::Minimum, a, b, out);
}
template <class T>
[[nodiscard]] BinaryGradients<T> minimum_backward(const View<T>& dy, ViewArg<T> a, ViewArg<T> b) {
  return {binary_backward_a<T>(BinaryOp::Minimum, dy, a, b),
          binary_backward_b<T>(BinaryOp::Minimum, dy, a, b)};
}

// ---------------------------------------------------------------- one operand

/// Any unary function, chosen at run time. In place: yes.
template <class T>
void unary_into(UnaryOp op, const View<T>& x, MutArg<T> out);
template <class T>
[[nodiscard]] Array<T> unary(UnaryOp op, const View<T>& x);
/// dx of any unary function. `saved` is its input or its output, as kUnaryTable says; dy where it
/// says nothing. In place: dx may be dy or saved.
template <class T>
void unary_backward_into(UnaryOp op, const View<T>& dy, ViewArg<T> saved, MutArg<T> dx);
template <class T>
[[nodiscard]] Array<T> unary_backward(UnaryOp op, const View<T>& dy, ViewArg<T> saved);

/// -x.  Gradient: -dy.
template <class T>
[[nodiscard]] Array<T> neg(const View<T>& x) {
  return unary(UnaryOp::Neg, x);
}
/// |x|.  Gradient: dy sign(x), 0 at 0.
template <class T>
[[nodiscard]] Array<T> abs(const View<T>& x) {
  return unary(UnaryOp::Abs, x);
}
template <class T>
[[nodiscard]] Array<T> abs_backward(const View<T>& dy, ViewArg<T> x) {
  return unary_backward(UnaryOp::Abs, dy, x);
}
/// -1, 0 or 1; NaN of NaN.  Gradient: 0.
template <class T>
[[nodiscard]] Array<T> sign(const View<T>& x) {
  return unary(UnaryOp::Sign, x);
}
/// Square root; NaN below 0.  Gradient: dy / (2 y), from the output y.
template <class T>
[[nodiscard]] Array<T> sqrt(const View<T>& x) {
  return unary(UnaryOp::Sqrt, x);
}
template <class T>
[[nodiscard]] Array<T> sqrt_backward(const View<T>& dy, ViewArg<T> y) {
  return unary_backward(UnaryOp::Sqrt, dy, y);
}
/// x^2.  Gradient: 2 x dy.
template <class T>
[[nodiscard]] Array<T> square(const View<T>& x) {
  return unary(UnaryOp::Square, x);
}
template <class T>
[[nodiscard]] Array<T> square_backward(const View<T>& dy, ViewArg<T> x) {
  return unary_backward(UnaryOp::Square, dy, x);
}
/// 1 / x.  Gradient: -dy y^2, from the output y.
template <class T>
[[nodiscard]] Array<T> reciprocal(const View<T>& x) {
  return unary(UnaryOp::Reciprocal, x);
}
template <class T>
[[nodiscard]] Array<T> reciprocal_backward(const View<T>& dy, ViewArg<T> y) {
  return unary_backward(UnaryOp::Reciprocal, dy, y);
}
/// Natural logarithm; -inf of 0, NaN below 0.  Gradient: dy / x.  (exp is among the activations.)
template <class T>
[[nodiscard]] Array<T> log(const View<T>& x) {
  return unary(UnaryOp::Log, x);
}
template <class T>
[[nodiscard]] Array<T> log_backward(const View<T>& dy, ViewArg<T> x) {
  return unary_backward(UnaryOp::Log, dy, x);
}
/// log(1 + x), exact near 0.  Gradient: dy / (1 + x).
template <class T>
[[nodiscard]] Array<T> log1p(const View<T>& x) {
  return unary(UnaryOp::Log1p, x);
}
template <class T>
[[nodiscard]] Array<T> log1p_backward(const View<T>& dy, ViewArg<T> x) {
  return unary_backward(UnaryOp::Log1p, dy, x);
}
/// exp(x) - 1, exact near 0.  Gradient: dy (y + 1), from the output y.
template <class T>
[[nodiscard]] Array<T> expm1(const View<T>& x) {
  return unary(UnaryOp::Expm1, x);
}
template <class T>
[[nodiscard]] Array<T> expm1_backward(const View<T>& dy, ViewArg<T> y) {
  return unary_backward(UnaryOp::Expm1, dy, y);
}

/// x, but `low` below it and `high` above it; NaN stays. In place: yes.
/// Error(InvalidOperation) unless low <= high.  Gradient: clamp_backward.  As numpy.clip,
/// torch.clamp, ONNX Clip.
template <class T>
void clamp_into(const View<T>& x, std::type_identity_t<T> low, std::type_identity_t<T> high,
                MutArg<T> out);
template <class T>
[[nodiscard]] Array<T> clamp(const View<T>& x, std::type_identity_t<T> low,
                             std::type_identity_t<T> high);
/// dy where low <= x <= high, else 0.
template <class T>
void clamp_backward_into(const View<T>& dy, ViewArg<T> x, std::type_identity_t<T> low,
                         std::type_identity_t<T> high, MutArg<T> dx);
template <class T>
[[nodiscard]] Array<T> clamp_backward(const View<T>& dy, ViewArg<T> x, std::type_identity_t<T> low,
                                      std::type_identity_t<T> high);

}  // namespace lamina::nn
