#include "lamina/nn/arithmetic.hpp"

#include "kernels/arithmetic.hpp"
#include "nn/layout.hpp"
#include "nn/plain_pair.hpp"

namespace lamina::nn {

namespace {

template <class T>
void check_out(const MutView<T>& out, const Shape& shape, std::string_view name) {
  detail::check_defined<T>(out, name, "out");
  check(out.shape() == shape, ErrorKind::DimensionMismatch, name, "out ", out.shape(),
        " should be ", shape);
  detail::check_writable<T>(out, name, "out");
}

template <class T>
void check_clamp(T low, T high, std::string_view name) {
  check(low <= high, ErrorKind::InvalidOperation, name, "low must not be above high, got ", low,
        " and ", high);
}

}  // namespace

template <class T>
void binary_into(BinaryOp op, const View<T>& a, ViewArg<T> b, MutArg<T> out) {
  if (detail::is_plain_pair<T, T>(out, a) && detail::is_plain_pair<T, T>(out, b)) {
    detail::map_contiguous(
        out.data(),
        [op](T* y, const T* u, const T* v, Index n, bool stream) {
          kernels::binary(op, u, v, y, n, stream);
        },
        out.size(), a.data(), b.data());
    return;
  }
  const std::string_view name = info(op).name;
  detail::check_defined(a, name, "a");
  detail::check_defined(b, name, "b");
  check_out(out, broadcast_shapes(a.shape(), b.shape(), name), name);
  detail::check_same_or_apart<T>(out, "out", a, "a", name);
  detail::check_same_or_apart<T>(out, "out", b, "b", name);
  if (b.size() == 1 && a.shape() == out.shape()) {
    return binary_scalar_into<T>(op, a, *b.data(), out);
  }
  if (a.size() == 1 && b.shape() == out.shape()) {
    return scalar_binary_into<T>(op, *a.data(), b, out);
  }
  detail::map_elements(
      out,
      [op](T* y, const T* u, const T* v, Index n, bool stream) {
        kernels::binary(op, u, v, y, n, stream);
      },
      a, b);
}

template <class T>
Array<T> binary(BinaryOp op, const View<T>& a, ViewArg<T> b) {
  const std::string_view name = info(op).name;
  detail::check_defined(a, name, "a");
  detail::check_defined(b, name, "b");
  Array<T> out = Array<T>::empty(broadcast_shapes(a.shape(), b.shape(), name));
  binary_into<T>(op, a, b, out);
  return out;
}

template <class T>
void binary_scalar_into(BinaryOp op, const View<T>& a, std::type_identity_t<T> b, MutArg<T> out) {
  const std::string_view name = info(op).name;
  detail::check_defined(a, name, "a");
  check_out(out, a.shape(), name);
  detail::check_same_or_apart<T>(out, "out", a, "a", name);
  if (op == BinaryOp::Pow && (b == T(2) || b == T(-1))) {
    // The same to the last bit, and many times faster.
    return unary_into<T>(b == T(2) ? UnaryOp::Square : UnaryOp::Reciprocal, a, out);
  }
  detail::map_elements(
      out,
      [op, b](T* y, const T* u, Index n, bool stream) {
        kernels::binary_scalar(op, u, b, y, n, stream);
      },
      a);
}

template <class T>
Array<T> binary_scalar(BinaryOp op, const View<T>& a, std::type_identity_t<T> b) {
  detail::check_defined(a, info(op).name, "a");
  Array<T> out = Array<T>::empty(a.shape());
  binary_scalar_into<T>(op, a, b, out);
  return out;
}

template <class T>
void scalar_binary_into(BinaryOp op, std::type_identity_t<T> a, const View<T>& b, MutArg<T> out) {
  const std::string_view name = info(op).name;
  detail::check_defined(b, name, "b");
  check_out(out, b.shape(), name);
  detail::check_same_or_apart<T>(out, "out", b, "b", name);
  detail::map_elements(
      out,
      [op, a](T* y, const T* v, Index n, bool stream) {
        kernels::scalar_binary(op, a, v, y, n, stream);
      },
      b);
}

template <class T>
Array<T> scalar_binary(BinaryOp op, std::type_identity_t<T> a, const View<T>& b) {
  detail::check_defined(b, info(op).name, "b");
  Array<T> out = Array<T>::empty(b.shape());
  scalar_binary_into<T>(op, a, b, out);
  return out;
}

template <class T>
void unary_into(UnaryOp op, const View<T>& x, MutArg<T> out) {
  const std::string_view name = info(op).name;
  detail::check_defined(x, name, "x");
  check_out(out, x.shape(), name);
  detail::check_same_or_apart<T>(out, "out", x, "x", name);
  detail::map_elements(
      out,
      [op](T* y, const T* from, Index n, bool stream) { kernels::unary(op, from, y, n, stream); },
      x);
}

template <class T>
Array<T> unary(UnaryOp op, const View<T>& x) {
  detail::check_defined(x, info(op).name, "x");
  Array<T> out = Array<T>::empty(x.shape());
  unary_into<T>(op, x, out);
  return out;
}

template <class T>
void clamp_into(const View<T>& x, std::type_identity_t<T> low, std::type_identity_t<T> high,
                MutArg<T> out) {
  detail::check_defined(x, "clamp", "x");
  check_clamp(low, high, "clamp");
  check_out(out, x.shape(), "clamp");
  detail::check_same_or_apart<T>(out, "out", x, "x", "clamp");
  detail::map_elements(
      out,
      [low, high](T* y, const T* from, Index n, bool stream) {
        kernels::clamp(from, low, high, y, n, stream);
      },
      x);
}

template <class T>
Array<T> clamp(const View<T>& x, std::type_identity_t<T> low, std::type_identity_t<T> high) {
  detail::check_defined(x, "clamp", "x");
  Array<T> out = Array<T>::empty(x.shape());
  clamp_into<T>(x, low, high, out);
  return out;
}

#define LAMINA_INSTANTIATE(T)                                                                  \
  template LAMINA_EXPORT void binary_into<T>(BinaryOp, const View<T>&, ViewArg<T>, MutArg<T>); \
  template LAMINA_EXPORT Array<T> binary<T>(BinaryOp, const View<T>&, ViewArg<T>);             \
  template LAMINA_EXPORT void binary_scalar_into<T>(BinaryOp, const View<T>&, T, MutArg<T>);   \
  template LAMINA_EXPORT Array<T> binary_scalar<T>(BinaryOp, const View<T>&, T);               \
  template LAMINA_EXPORT void scalar_binary_into<T>(BinaryOp, T, const View<T>&, MutArg<T>);   \
  template LAMINA_EXPORT Array<T> scalar_binary<T>(BinaryOp, T, const View<T>&);               \
  template LAMINA_EXPORT void unary_into<T>(UnaryOp, const View<T>&, MutArg<T>);               \
  template LAMINA_EXPORT Array<T> unary<T>(UnaryOp, const View<T>&);                           \
  template LAMINA_EXPORT void clamp_into<T>(const View<T>&, T, T, MutArg<T>);                  \
  template LAMINA_EXPORT Array<T> clamp<T>(const View<T>&, T, T);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
