#pragma once

#include <type_traits>

#include "lamina/autograd/var.hpp"
#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/comparison.hpp"

// Element-wise arithmetic on variables, recorded: the functions of nn/arithmetic.hpp and the
// operators + - * /. Operands broadcast; one of them may be an array or a number. The gradient of
// an operand is summed over what broadcasting repeated. Errors and numerics as for arrays.

namespace lamina::nn {

/// Any binary function.
template <class T>
[[nodiscard]] Var<T> binary(BinaryOp op, const Var<T>& a, autograd::VarArg<T> b);
template <class T>
[[nodiscard]] Var<T> binary(BinaryOp op, const View<T>& a, const Var<T>& b) {
  return binary(op, Var<T>(a), b);
}
/// With a number on the right, or on the left.
template <class T>
[[nodiscard]] Var<T> binary_scalar(BinaryOp op, const Var<T>& a, std::type_identity_t<T> b);
template <class T>
[[nodiscard]] Var<T> scalar_binary(BinaryOp op, std::type_identity_t<T> a, const Var<T>& b);

template <class T>
[[nodiscard]] Var<T> add(const Var<T>& a, autograd::VarArg<T> b) {
  return binary(BinaryOp::Add, a, b);
}
template <class T>
[[nodiscard]] Var<T> sub(const Var<T>& a, autograd::VarArg<T> b) {
  return binary(BinaryOp::Sub, a, b);
}
template <class T>
[[nodiscard]] Var<T> mul(const Var<T>& a, autograd::VarArg<T> b) {
  return binary(BinaryOp::Mul, a, b);
}
template <class T>
[[nodiscard]] Var<T> div(const Var<T>& a, autograd::VarArg<T> b) {
  return binary(BinaryOp::Div, a, b);
}
template <class T>
[[nodiscard]] Var<T> pow(const Var<T>& a, autograd::VarArg<T> b) {
  return binary(BinaryOp::Pow, a, b);
}
template <class T>
[[nodiscard]] Var<T> pow(const Var<T>& a, std::type_identity_t<T> b) {
  return binary_scalar(BinaryOp::Pow, a, b);
}
template <class T>
[[nodiscard]] Var<T> maximum(const Var<T>& a, autograd::VarArg<T> b) {
  return binary(BinaryOp::Maximum, a, b);
}
template <class T>
[[nodiscard]] Var<T> maximum(const Var<T>& a, std::type_identity_t<T> b) {
  return binary_scalar(BinaryOp::Maximum, a, b);
}
template <class T>
[[nodiscard]] Var<T> minimum(const Var<T>& a, autograd::VarArg<T> b) {
  return binary(BinaryOp::Minimum, a, b);
}
template <class T>
[[nodiscard]] Var<T> minimum(const Var<T>& a, std::type_identity_t<T> b) {
  return binary_scalar(BinaryOp::Minimum, a, b);
}

/// Any unary function.
template <class T>
[[nodiscard]] Var<T> unary(UnaryOp op, const Var<T>& x);

template <class T>
[[nodiscard]] Var<T> neg(const Var<T>& x) {
  return unary(UnaryOp::Neg, x);
}
template <class T>
[[nodiscard]] Var<T> abs(const Var<T>& x) {
  return unary(UnaryOp::Abs, x);
}
template <class T>
[[nodiscard]] Var<T> sqrt(const Var<T>& x) {
  return unary(UnaryOp::Sqrt, x);
}
template <class T>
[[nodiscard]] Var<T> square(const Var<T>& x) {
  return unary(UnaryOp::Square, x);
}
template <class T>
[[nodiscard]] Var<T> reciprocal(const Var<T>& x) {
  return unary(UnaryOp::Reciprocal, x);
}
template <class T>
[[nodiscard]] Var<T> log(const Var<T>& x) {
  return unary(UnaryOp::Log, x);
}
template <class T>
[[nodiscard]] Var<T> log1p(const Var<T>& x) {
  return unary(UnaryOp::Log1p, x);
}
template <class T>
[[nodiscard]] Var<T> expm1(const Var<T>& x) {
  return unary(UnaryOp::Expm1, x);
}
template <class T>
[[nodiscard]] Var<T> clamp(const Var<T>& x, std::type_identity_t<T> low,
                           std::type_identity_t<T> high);

/// a where the condition holds, else b; gradients for both.
template <class T>
[[nodiscard]] Var<T> where(const View<bool>& condition, const Var<T>& a, autograd::VarArg<T> b);

}  // namespace lamina::nn

namespace lamina::autograd {

template <class T>
[[nodiscard]] Var<T> operator+(const Var<T>& a, VarArg<T> b) {
  return nn::binary(nn::BinaryOp::Add, a, b);
}
template <class T>
[[nodiscard]] Var<T> operator+(const View<T>& a, const Var<T>& b) {
  return nn::binary(nn::BinaryOp::Add, a, b);
}
template <class T>
[[nodiscard]] Var<T> operator+(const Var<T>& a, std::type_identity_t<T> b) {
  return nn::binary_scalar(nn::BinaryOp::Add, a, b);
}
template <class T>
[[nodiscard]] Var<T> operator+(std::type_identity_t<T> a, const Var<T>& b) {
  return nn::scalar_binary(nn::BinaryOp::Add, a, b);
}
template <class T>
[[nodiscard]] Var<T> operator-(const Var<T>& a, VarArg<T> b) {
  return nn::binary(nn::BinaryOp::Sub, a, b);
}
template <class T>
[[nodiscard]] Var<T> operator-(const View<T>& a, const Var<T>& b) {
  return nn::binary(nn::BinaryOp::Sub, a, b);
}
template <class T>
[[nodiscard]] Var<T> operator-(const Var<T>& a, std::type_identity_t<T> b) {
  return nn::binary_scalar(nn::BinaryOp::Sub, a, b);
}
template <class T>
[[nodiscard]] Var<T> operator-(std::type_identity_t<T> a, const Var<T>& b) {
  return nn::scalar_binary(nn::BinaryOp::Sub, a, b);
}
template <class T>
[[nodiscard]] Var<T> operator*(const Var<T>& a, VarArg<T> b) {
  return nn::binary(nn::BinaryOp::Mul, a, b);
}
template <class T>
[[nodiscard]] Var<T> operator*(const View<T>& a, const Var<T>& b) {
  return nn::binary(nn::BinaryOp::Mul, a, b);
}
template <class T>
[[nodiscard]] Var<T> operator*(const Var<T>& a, std::type_identity_t<T> b) {
  return nn::binary_scalar(nn::BinaryOp::Mul, a, b);
}
template <class T>
[[nodiscard]] Var<T> operator*(std::type_identity_t<T> a, const Var<T>& b) {
  return nn::scalar_binary(nn::BinaryOp::Mul, a, b);
}
template <class T>
[[nodiscard]] Var<T> operator/(const Var<T>& a, VarArg<T> b) {
  return nn::binary(nn::BinaryOp::Div, a, b);
}
template <class T>
[[nodiscard]] Var<T> operator/(const View<T>& a, const Var<T>& b) {
  return nn::binary(nn::BinaryOp::Div, a, b);
}
template <class T>
[[nodiscard]] Var<T> operator/(const Var<T>& a, std::type_identity_t<T> b) {
  return nn::binary_scalar(nn::BinaryOp::Div, a, b);
}
template <class T>
[[nodiscard]] Var<T> operator/(std::type_identity_t<T> a, const Var<T>& b) {
  return nn::scalar_binary(nn::BinaryOp::Div, a, b);
}
template <class T>
[[nodiscard]] Var<T> operator-(const Var<T>& x) {
  return nn::neg(x);
}

}  // namespace lamina::autograd
