#pragma once

#include "lamina/nn/arithmetic.hpp"

/// a + b, a - b, a * b, a / b and -a of arrays, views and numbers, element by element with
/// broadcasting, and += -= *= /= in place: nn/arithmetic.hpp under shorter names.
namespace lamina {

template <class T>
[[nodiscard]] Array<T> operator+(const View<T>& a, ViewArg<T> b) {
  return nn::binary(nn::BinaryOp::Add, a, b);
}
template <class T>
[[nodiscard]] Array<T> operator+(const View<T>& a, std::type_identity_t<T> b) {
  return nn::binary_scalar(nn::BinaryOp::Add, a, b);
}
template <class T>
[[nodiscard]] Array<T> operator+(std::type_identity_t<T> a, const View<T>& b) {
  return nn::scalar_binary<T>(nn::BinaryOp::Add, a, b);
}
template <class T>
[[nodiscard]] Array<T> operator-(const View<T>& a, ViewArg<T> b) {
  return nn::binary(nn::BinaryOp::Sub, a, b);
}
template <class T>
[[nodiscard]] Array<T> operator-(const View<T>& a, std::type_identity_t<T> b) {
  return nn::binary_scalar(nn::BinaryOp::Sub, a, b);
}
template <class T>
[[nodiscard]] Array<T> operator-(std::type_identity_t<T> a, const View<T>& b) {
  return nn::scalar_binary<T>(nn::BinaryOp::Sub, a, b);
}
template <class T>
[[nodiscard]] Array<T> operator*(const View<T>& a, ViewArg<T> b) {
  return nn::binary(nn::BinaryOp::Mul, a, b);
}
template <class T>
[[nodiscard]] Array<T> operator*(const View<T>& a, std::type_identity_t<T> b) {
  return nn::binary_scalar(nn::BinaryOp::Mul, a, b);
}
template <class T>
[[nodiscard]] Array<T> operator*(std::type_identity_t<T> a, const View<T>& b) {
  return nn::scalar_binary<T>(nn::BinaryOp::Mul, a, b);
}
template <class T>
[[nodiscard]] Array<T> operator/(const View<T>& a, ViewArg<T> b) {
  return nn::binary(nn::BinaryOp::Div, a, b);
}
template <class T>
[[nodiscard]] Array<T> operator/(const View<T>& a, std::type_identity_t<T> b) {
  return nn::binary_scalar(nn::BinaryOp::Div, a, b);
}
template <class T>
[[nodiscard]] Array<T> operator/(std::type_identity_t<T> a, const View<T>& b) {
  return nn::scalar_binary<T>(nn::BinaryOp::Div, a, b);
}
template <class T>
[[nodiscard]] Array<T> operator-(const View<T>& x) {
  return nn::neg(x);
}

// In place; b broadcasts to the shape of a. Error(DimensionMismatch) otherwise.
template <class T>
Array<T>& operator+=(Array<T>& a, ViewArg<T> b) {
  nn::binary_into<T>(nn::BinaryOp::Add, a, b, a);
  return a;
}
template <class T>
const MutView<T>& operator+=(const MutView<T>& a, ViewArg<T> b) {
  nn::binary_into<T>(nn::BinaryOp::Add, a, b, a);
  return a;
}
template <class T>
Array<T>& operator+=(Array<T>& a, std::type_identity_t<T> b) {
  nn::binary_scalar_into<T>(nn::BinaryOp::Add, a, b, a);
  return a;
}
template <class T>
const MutView<T>& operator+=(const MutView<T>& a, std::type_identity_t<T> b) {
  nn::binary_scalar_into<T>(nn::BinaryOp::Add, a, b, a);
  return a;
}
template <class T>
Array<T>& operator-=(Array<T>& a, ViewArg<T> b) {
  nn::binary_into<T>(nn::BinaryOp::Sub, a, b, a);
  return a;
}
template <class T>
const MutView<T>& operator-=(const MutView<T>& a, ViewArg<T> b) {
  nn::binary_into<T>(nn::BinaryOp::Sub, a, b, a);
  return a;
}
template <class T>
Array<T>& operator-=(Array<T>& a, std::type_identity_t<T> b) {
  nn::binary_scalar_into<T>(nn::BinaryOp::Sub, a, b, a);
  return a;
}
template <class T>
const MutView<T>& operator-=(const MutView<T>& a, std::type_identity_t<T> b) {
  nn::binary_scalar_into<T>(nn::BinaryOp::Sub, a, b, a);
  return a;
}
template <class T>
Array<T>& operator*=(Array<T>& a, ViewArg<T> b) {
  nn::binary_into<T>(nn::BinaryOp::Mul, a, b, a);
  return a;
}
template <class T>
const MutView<T>& operator*=(const MutView<T>& a, ViewArg<T> b) {
  nn::binary_into<T>(nn::BinaryOp::Mul, a, b, a);
  return a;
}
template <class T>
Array<T>& operator*=(Array<T>& a, std::type_identity_t<T> b) {
  nn::binary_scalar_into<T>(nn::BinaryOp::Mul, a, b, a);
  return a;
}
template <class T>
const MutView<T>& operator*=(const MutView<T>& a, std::type_identity_t<T> b) {
  nn::binary_scalar_into<T>(nn::BinaryOp::Mul, a, b, a);
  return a;
}
template <class T>
Array<T>& operator/=(Array<T>& a, ViewArg<T> b) {
  nn::binary_into<T>(nn::BinaryOp::Div, a, b, a);
  return a;
}
template <class T>
const MutView<T>& operator/=(const MutView<T>& a, ViewArg<T> b) {
  nn::binary_into<T>(nn::BinaryOp::Div, a, b, a);
  return a;
}
template <class T>
Array<T>& operator/=(Array<T>& a, std::type_identity_t<T> b) {
  nn::binary_scalar_into<T>(nn::BinaryOp::Div, a, b, a);
  return a;
}
template <class T>
const MutView<T>& operator/=(const MutView<T>& a, std::type_identity_t<T> b) {
  nn::binary_scalar_into<T>(nn::BinaryOp::Div, a, b, a);
  return a;
}

}  // namespace lamina
