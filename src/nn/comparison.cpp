#include "lamina/nn/comparison.hpp"

#include "kernels/arithmetic.hpp"
#include "lamina/nn/arithmetic.hpp"
#include "nn/layout.hpp"
#include "nn/output.hpp"

namespace lamina::nn {

namespace {

template <class T>
void check_out(const MutView<T>& out, const Shape& shape, std::string_view name) {
  detail::check_defined<T>(out, name, "out");
  check(out.shape() == shape, ErrorKind::DimensionMismatch, name, "out ", out.shape(),
        " should be ", shape);
  detail::check_writable<T>(out, name, "out");
}

template <class F>
void logical_into(std::string_view name, const View<bool>& a, const View<bool>& b,
                  const MutView<bool>& out, const F& function) {
  detail::check_defined(a, name, "a");
  detail::check_defined(b, name, "b");
  check_out(out, broadcast_shapes(a.shape(), b.shape(), name), name);
  detail::check_same_or_apart<bool, bool>(out, "out", a, "a", name);
  detail::check_same_or_apart<bool, bool>(out, "out", b, "b", name);
  detail::map_elements(
      out,
      [&](bool* y, const bool* u, const bool* v, Index n) {
        for (Index i = 0; i < n; ++i) {
          y[i] = function(u[i], v[i]);
        }
      },
      a, b);
}

Array<bool> logical_result(std::string_view name, const View<bool>& a, const View<bool>& b) {
  detail::check_defined(a, name, "a");
  detail::check_defined(b, name, "b");
  return Array<bool>::empty(broadcast_shapes(a.shape(), b.shape(), name));
}

/// The part of dy that goes where the condition is `wanted`.
template <class T>
void part_into(const View<T>& dy, const View<bool>& condition, bool wanted, const MutView<T>& out) {
  const auto choose = [wanted](T* y, const T* g, const bool* c, Index n) {
    for (Index i = 0; i < n; ++i) {
      y[i] = c[i] == wanted ? g[i] : T(0);
    }
  };
  if (!out.defined()) {
    return;
  }
  if (out.shape() == dy.shape()) {
    detail::map_elements(out, choose, dy, condition);
    return;
  }
  Array<T> part = Array<T>::empty(dy.shape());
  detail::map_elements(part.view(), choose, dy, condition);
  sum_to_shape_into<T>(part, out);
}

}  // namespace

template <class T>
void compare_into(CompareOp op, const View<T>& a, ViewArg<T> b, MutView<bool> out) {
  const std::string_view name = info(op).name;
  detail::check_defined(a, name, "a");
  detail::check_defined(b, name, "b");
  check_out(out, broadcast_shapes(a.shape(), b.shape(), name), name);
  check(overlap<bool, T>(out, a) == Overlap::None && overlap<bool, T>(out, b) == Overlap::None,
        ErrorKind::InvalidOperation, name, "out overlaps an operand");
  detail::map_elements(
      out, [op](bool* y, const T* u, const T* v, Index n) { kernels::compare(op, u, v, y, n); }, a,
      b);
}

template <class T>
Array<bool> compare(CompareOp op, const View<T>& a, ViewArg<T> b) {
  const std::string_view name = info(op).name;
  detail::check_defined(a, name, "a");
  detail::check_defined(b, name, "b");
  Array<bool> out = Array<bool>::empty(broadcast_shapes(a.shape(), b.shape(), name));
  compare_into<T>(op, a, b, out);
  return out;
}

void logical_and_into(const View<bool>& a, const View<bool>& b, MutView<bool> out) {
  logical_into("logical_and", a, b, out, [](bool u, bool v) { return u && v; });
}
Array<bool> logical_and(const View<bool>& a, const View<bool>& b) {
  Array<bool> out = logical_result("logical_and", a, b);
  logical_and_into(a, b, out);
  return out;
}
void logical_or_into(const View<bool>& a, const View<bool>& b, MutView<bool> out) {
  logical_into("logical_or", a, b, out, [](bool u, bool v) { return u || v; });
}
Array<bool> logical_or(const View<bool>& a, const View<bool>& b) {
  Array<bool> out = logical_result("logical_or", a, b);
  logical_or_into(a, b, out);
  return out;
}
void logical_xor_into(const View<bool>& a, const View<bool>& b, MutView<bool> out) {
  logical_into("logical_xor", a, b, out, [](bool u, bool v) { return u != v; });
}
Array<bool> logical_xor(const View<bool>& a, const View<bool>& b) {
  Array<bool> out = logical_result("logical_xor", a, b);
  logical_xor_into(a, b, out);
  return out;
}
void logical_not_into(const View<bool>& a, MutView<bool> out) {
  logical_into("logical_not", a, a, out, [](bool u, bool) { return !u; });
}
Array<bool> logical_not(const View<bool>& a) {
  Array<bool> out = logical_result("logical_not", a, a);
  logical_not_into(a, out);
  return out;
}

template <class T>
void where_into(const View<bool>& condition, const View<T>& a, ViewArg<T> b, MutArg<T> out) {
  detail::check_defined(condition, "where", "condition");
  detail::check_defined(a, "where", "a");
  detail::check_defined(b, "where", "b");
  const Shape values = broadcast_shapes(a.shape(), b.shape(), "where");
  check_out(out, broadcast_shapes(condition.shape(), values, "where"), "where");
  check(overlap<T, bool>(out, condition) == Overlap::None, ErrorKind::InvalidOperation, "where",
        "out overlaps the condition");
  detail::check_same_or_apart<T>(out, "out", a, "a", "where");
  detail::check_same_or_apart<T>(out, "out", b, "b", "where");
  detail::map_elements(
      out,
      [](T* y, const bool* c, const T* u, const T* v, Index n) {
        for (Index i = 0; i < n; ++i) {
          y[i] = c[i] ? u[i] : v[i];
        }
      },
      condition, a, static_cast<const View<T>&>(b));
}

template <class T>
Array<T> where(const View<bool>& condition, const View<T>& a, ViewArg<T> b) {
  detail::check_defined(condition, "where", "condition");
  detail::check_defined(a, "where", "a");
  detail::check_defined(b, "where", "b");
  const Shape values = broadcast_shapes(a.shape(), b.shape(), "where");
  Array<T> out = Array<T>::empty(broadcast_shapes(condition.shape(), values, "where"));
  where_into<T>(condition, a, b, out);
  return out;
}

template <class T>
void where_backward_into(const View<T>& dy, const View<bool>& condition, MutArg<T> da,
                         MutArg<T> db) {
  constexpr std::string_view kName = "where_backward";
  detail::check_defined(dy, kName, "dy");
  detail::check_defined(condition, kName, "condition");
  const auto fits = [&](const MutView<T>& out, std::string_view name) {
    if (out.defined()) {
      check(broadcast_shapes(out.shape(), dy.shape(), kName) == dy.shape(),
            ErrorKind::DimensionMismatch, kName, name, " ", out.shape(),
            " does not broadcast to dy ", dy.shape());
      detail::check_output(out, name, out.shape(), kName, dy, condition);
    }
  };
  fits(da, "da");
  fits(db, "db");
  check(broadcast_shapes(condition.shape(), dy.shape(), kName) == dy.shape(),
        ErrorKind::DimensionMismatch, kName, "condition ", condition.shape(),
        " does not broadcast to dy ", dy.shape());
  detail::check_outputs_apart(da, "da", db, "db", kName);
  part_into<T>(dy, condition, true, da);
  part_into<T>(dy, condition, false, db);
}

template <class T>
WhereGradients<T> where_backward(const View<T>& dy, const View<bool>& condition,
                                 const Shape& shape_a, const Shape& shape_b) {
  detail::check_defined(dy, "where_backward", "dy");
  detail::check_defined(condition, "where_backward", "condition");
  const Shape values = broadcast_shapes(shape_a, shape_b, "where_backward");
  const Shape shape = broadcast_shapes(condition.shape(), values, "where_backward");
  check(dy.shape() == shape, ErrorKind::DimensionMismatch, "where_backward", "dy ", dy.shape(),
        " should be ", shape);
  WhereGradients<T> d{Array<T>::empty(shape_a), Array<T>::empty(shape_b)};
  where_backward_into<T>(dy, condition, d.da, d.db);
  return d;
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template LAMINA_EXPORT void where_backward_into<T>(const View<T>&, const View<bool>&, MutArg<T>, \
                                                     MutArg<T>);                                   \
  template LAMINA_EXPORT void compare_into<T>(CompareOp, const View<T>&, ViewArg<T>,               \
                                              MutView<bool>);                                      \
  template LAMINA_EXPORT Array<bool> compare<T>(CompareOp, const View<T>&, ViewArg<T>);            \
  template LAMINA_EXPORT void where_into<T>(const View<bool>&, const View<T>&, ViewArg<T>,         \
                                            MutArg<T>);                                            \
  template LAMINA_EXPORT Array<T> where<T>(const View<bool>&, const View<T>&, ViewArg<T>);         \
  template LAMINA_EXPORT WhereGradients<T> where_backward<T>(const View<T>&, const View<bool>&,    \
                                                             const Shape&, const Shape&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
