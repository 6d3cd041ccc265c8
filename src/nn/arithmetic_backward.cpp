#include "kernels/arithmetic.hpp"
#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/reduction.hpp"
#include "nn/layout.hpp"
#include "nn/output.hpp"

namespace lamina::nn {

namespace {

template <class T>
void check_gradient(std::string_view name, const View<T>& dy, const Shape& shape) {
  detail::check_defined(dy, name, "dy");
  check(dy.shape() == shape, ErrorKind::DimensionMismatch, name, "dy ", dy.shape(), " should be ",
        shape);
}

/// The gradient to an operand, by a kernel that sees all operands in dy's shape.
template <class T, class Kernel>
void backward_into(BinaryOp op, const View<T>& dy, const View<T>& a, const View<T>& b,
                   const MutView<T>& out, std::string_view out_name, const Shape& shape,
                   const Kernel& kernel) {
  const std::string name = std::string(info(op).name) + "_backward";
  detail::check_defined(a, name, "a");
  detail::check_defined(b, name, "b");
  check_gradient(name, dy, broadcast_shapes(a.shape(), b.shape(), name));
  detail::check_output(out, out_name, shape, name, dy, a, b);
  if (shape == dy.shape()) {
    detail::map_elements(out, kernel, dy, a, b);
    return;
  }
  Array<T> gradient = Array<T>::empty(dy.shape());
  detail::map_elements(gradient.view(), kernel, dy, a, b);
  sum_to_shape_into<T>(gradient, out);
}

}  // namespace

template <class T>
void sum_to_shape_into(const View<T>& x, MutArg<T> out) {
  constexpr std::string_view kName = "sum_to_shape";
  detail::check_defined(x, kName, "x");
  detail::check_defined(out, kName, "out");
  const Shape& shape = out.shape();
  const int added = x.rank() - shape.rank();
  bool fits = added >= 0;
  Axes axes;
  for (int i = 0; fits && i < x.rank(); ++i) {
    const Index extent = i < added ? 1 : shape[i - added];
    fits = extent == x.shape()[i] || extent == 1;
    if (i < added || extent != x.shape()[i]) {
      axes.push_back(i);
    }
  }
  check(fits, ErrorKind::DimensionMismatch, kName, "shape ", shape,
        " does not broadcast to that of x, ", x.shape());
  detail::check_output(out, "out", shape, kName, x);
  if (axes.empty()) {
    out.assign(x);
  } else {
    out.assign(sum(x, {.axes = axes}).reshape(shape));
  }
}

template <class T>
Array<T> sum_to_shape(const View<T>& x, const Shape& shape) {
  Array<T> out = Array<T>::empty(shape);
  sum_to_shape_into<T>(x, out);
  return out;
}

template <class T>
void binary_backward_a_into(BinaryOp op, const View<T>& dy, ViewArg<T> a, ViewArg<T> b,
                            MutArg<T> da) {
  backward_into<T>(op, dy, a, b, da, "da", a.shape(),
                   [op](T* to, const T* g, const T* u, const T* v, Index n) {
                     kernels::binary_backward_a(op, g, u, v, to, n);
                   });
}
template <class T>
Array<T> binary_backward_a(BinaryOp op, const View<T>& dy, ViewArg<T> a, ViewArg<T> b) {
  Array<T> da = Array<T>::empty(a.shape());
  binary_backward_a_into<T>(op, dy, a, b, da);
  return da;
}

template <class T>
void binary_backward_b_into(BinaryOp op, const View<T>& dy, ViewArg<T> a, ViewArg<T> b,
                            MutArg<T> db) {
  backward_into<T>(op, dy, a, b, db, "db", b.shape(),
                   [op](T* to, const T* g, const T* u, const T* v, Index n) {
                     kernels::binary_backward_b(op, g, u, v, to, n);
                   });
}
template <class T>
Array<T> binary_backward_b(BinaryOp op, const View<T>& dy, ViewArg<T> a, ViewArg<T> b) {
  Array<T> db = Array<T>::empty(b.shape());
  binary_backward_b_into<T>(op, dy, a, b, db);
  return db;
}

template <class T>
void unary_backward_into(UnaryOp op, const View<T>& dy, ViewArg<T> saved, MutArg<T> dx) {
  const std::string name = std::string(info(op).name) + "_backward";
  const bool needs = info(op).saved != Saved::Nothing;
  const View<T>& other = needs ? static_cast<const View<T>&>(saved) : dy;
  const std::string_view other_name = info(op).saved == Saved::Output ? "y" : "x";
  detail::check_same_shape<T>(dy, "dy", other, other_name, name);
  detail::check_same_shape<T>(dy, "dy", dx, "dx", name);
  detail::check_writable<T>(dx, name, "dx");
  detail::check_same_or_apart<T>(dx, "dx", dy, "dy", name);
  detail::check_same_or_apart<T>(dx, "dx", other, other_name, name);
  detail::map_elements(
      dx,
      [op](T* to, const T* g, const T* s, Index n) { kernels::unary_backward(op, g, s, to, n); },
      dy, other);
}

template <class T>
Array<T> unary_backward(UnaryOp op, const View<T>& dy, ViewArg<T> saved) {
  detail::check_defined(dy, std::string(info(op).name) + "_backward", "dy");
  Array<T> dx = Array<T>::empty(dy.shape());
  unary_backward_into<T>(op, dy, saved, dx);
  return dx;
}

template <class T>
void clamp_backward_into(const View<T>& dy, ViewArg<T> x, std::type_identity_t<T> low,
                         std::type_identity_t<T> high, MutArg<T> dx) {
  constexpr std::string_view kName = "clamp_backward";
  detail::check_same_shape<T>(dy, "dy", x, "x", kName);
  check(low <= high, ErrorKind::InvalidOperation, kName, "low must not be above high, got ", low,
        " and ", high);
  detail::check_same_shape<T>(dy, "dy", dx, "dx", kName);
  detail::check_writable<T>(dx, kName, "dx");
  detail::check_same_or_apart<T>(dx, "dx", dy, "dy", kName);
  detail::check_same_or_apart<T>(dx, "dx", x, "x", kName);
  detail::map_elements(
      dx,
      [low, high](T* to, const T* g, const T* from, Index n) {
        kernels::clamp_backward(g, from, low, high, to, n);
      },
      dy, static_cast<const View<T>&>(x));
}

template <class T>
Array<T> clamp_backward(const View<T>& dy, ViewArg<T> x, std::type_identity_t<T> low,
                        std::type_identity_t<T> high) {
  detail::check_defined(dy, "clamp_backward", "dy");
  Array<T> dx = Array<T>::empty(dy.shape());
  clamp_backward_into<T>(dy, x, low, high, dx);
  return dx;
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template LAMINA_EXPORT void sum_to_shape_into<T>(const View<T>&, MutArg<T>);                     \
  template LAMINA_EXPORT void binary_backward_a_into<T>(BinaryOp, const View<T>&, ViewArg<T>,      \
                                                        ViewArg<T>, MutArg<T>);                    \
  template LAMINA_EXPORT void binary_backward_b_into<T>(BinaryOp, const View<T>&, ViewArg<T>,      \
                                                        ViewArg<T>, MutArg<T>);                    \
  template LAMINA_EXPORT void clamp_backward_into<T>(const View<T>&, ViewArg<T>, T, T, MutArg<T>); \
  template LAMINA_EXPORT Array<T> sum_to_shape<T>(const View<T>&, const Shape&);                   \
  template LAMINA_EXPORT Array<T> binary_backward_a<T>(BinaryOp, const View<T>&, ViewArg<T>,       \
                                                       ViewArg<T>);                                \
  template LAMINA_EXPORT Array<T> binary_backward_b<T>(BinaryOp, const View<T>&, ViewArg<T>,       \
                                                       ViewArg<T>);                                \
  template LAMINA_EXPORT void unary_backward_into<T>(UnaryOp, const View<T>&, ViewArg<T>,          \
                                                     MutArg<T>);                                   \
  template LAMINA_EXPORT Array<T> unary_backward<T>(UnaryOp, const View<T>&, ViewArg<T>);          \
  template LAMINA_EXPORT Array<T> clamp_backward<T>(const View<T>&, ViewArg<T>, T, T);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
