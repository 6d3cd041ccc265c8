#pragma once

#include "lamina/core/array.hpp"
#include "lamina/core/view.hpp"
#include "lamina/export.hpp"
#include "lamina/nn/arithmetic_table.hpp"

/// Element-wise comparisons and selection, with arithmetic's broadcasting and errors. A comparison
/// with NaN is false, but not_equal true.
namespace lamina::nn {

/// Any comparison, chosen at run time; 1 where it holds.
template <class T>
void compare_into(CompareOp op, const View<T>& a, ViewArg<T> b, MutView<bool> out);
template <class T>
[[nodiscard]] Array<bool> compare(CompareOp op, const View<T>& a, ViewArg<T> b);
template <class T>
[[nodiscard]] Array<bool> compare(CompareOp op, const View<T>& a, std::type_identity_t<T> b) {
  return compare<T>(op, a, View<T>(&b, Shape{}));
}

/// a = b.  As numpy.equal, torch.eq, ONNX Equal. (operator== compares whole arrays.)
template <class T>
[[nodiscard]] Array<bool> equal(const View<T>& a, ViewArg<T> b) {
  return compare(CompareOp::Equal, a, b);
}
template <class T>
[[nodiscard]] Array<bool> equal(const View<T>& a, std::type_identity_t<T> b) {
  return compare(CompareOp::Equal, a, b);
}
/// a differs from b.
template <class T>
[[nodiscard]] Array<bool> not_equal(const View<T>& a, ViewArg<T> b) {
  return compare(CompareOp::NotEqual, a, b);
}
template <class T>
[[nodiscard]] Array<bool> not_equal(const View<T>& a, std::type_identity_t<T> b) {
  return compare(CompareOp::NotEqual, a, b);
}
/// a < b.
template <class T>
[[nodiscard]] Array<bool> less(const View<T>& a, ViewArg<T> b) {
  return compare(CompareOp::Less, a, b);
}
template <class T>
[[nodiscard]] Array<bool> less(const View<T>& a, std::type_identity_t<T> b) {
  return compare(CompareOp::Less, a, b);
}
/// a <= b.
template <class T>
[[nodiscard]] Array<bool> less_equal(const View<T>& a, ViewArg<T> b) {
  return compare(CompareOp::LessEqual, a, b);
}
template <class T>
[[nodiscard]] Array<bool> less_equal(const View<T>& a, std::type_identity_t<T> b) {
  return compare(CompareOp::LessEqual, a, b);
}
/// a > b.
template <class T>
[[nodiscard]] Array<bool> greater(const View<T>& a, ViewArg<T> b) {
  return compare(CompareOp::Greater, a, b);
}
template <class T>
[[nodiscard]] Array<bool> greater(const View<T>& a, std::type_identity_t<T> b) {
  return compare(CompareOp::Greater, a, b);
}
/// a >= b.
template <class T>
[[nodiscard]] Array<bool> greater_equal(const View<T>& a, ViewArg<T> b) {
  return compare(CompareOp::GreaterEqual, a, b);
}
template <class T>
[[nodiscard]] Array<bool> greater_equal(const View<T>& a, std::type_identity_t<T> b) {
  return compare(CompareOp::GreaterEqual, a, b);
}

LAMINA_EXPORT void logical_and_into(const View<bool>& a, const View<bool>& b, MutView<bool> out);
[[nodiscard]] LAMINA_EXPORT Array<bool> logical_and(const View<bool>& a, const View<bool>& b);
LAMINA_EXPORT void logical_or_into(const View<bool>& a, const View<bool>& b, MutView<bool> out);
[[nodiscard]] LAMINA_EXPORT Array<bool> logical_or(const View<bool>& a, const View<bool>& b);
LAMINA_EXPORT void logical_xor_into(const View<bool>& a, const View<bool>& b, MutView<bool> out);
[[nodiscard]] LAMINA_EXPORT Array<bool> logical_xor(const View<bool>& a, const View<bool>& b);
LAMINA_EXPORT void logical_not_into(const View<bool>& a, MutView<bool> out);
[[nodiscard]] LAMINA_EXPORT Array<bool> logical_not(const View<bool>& a);

/// a where the condition holds, else b; the one not chosen does not matter, even if it is NaN.
///
/// condition, a, b  any shapes that broadcast together.  In place: out may be a or b.
/// Gradient: where_backward.  As numpy.where, torch.where, ONNX Where.
template <class T>
void where_into(const View<bool>& condition, const View<T>& a, ViewArg<T> b, MutArg<T> out);
template <class T>
[[nodiscard]] Array<T> where(const View<bool>& condition, const View<T>& a, ViewArg<T> b);
template <class T>
[[nodiscard]] Array<T> where(const View<bool>& condition, const View<T>& a,
                             std::type_identity_t<T> b) {
  return where<T>(condition, a, View<T>(&b, Shape{}));
}
template <class T>
[[nodiscard]] Array<T> where(const View<bool>& condition, std::type_identity_t<T> a,
                             const View<T>& b) {
  return where<T>(condition, View<T>(&a, Shape{}), b);
}

/// da is dy where the condition holds, db where it does not, 0 elsewhere, each summed to the
/// operand's shape.
template <class T>
struct WhereGradients {
  Array<T> da;
  Array<T> db;
};
/// da and db say the shapes; one that is not defined is left out.
template <class T>
void where_backward_into(const View<T>& dy, const View<bool>& condition, MutArg<T> da,
                         MutArg<T> db);
template <class T>
[[nodiscard]] WhereGradients<T> where_backward(const View<T>& dy, const View<bool>& condition,
                                               const Shape& shape_a, const Shape& shape_b);

}  // namespace lamina::nn
