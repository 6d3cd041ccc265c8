#include "lamina/nn/prelu.hpp"

#include <string_view>

#include "kernels/prelu.hpp"
#include "lamina/nn/reduction.hpp"
#include "nn/layout.hpp"
#include "nn/output.hpp"

namespace lamina::nn {

namespace {

/// The slope as it broadcasts against x: (), (C, 1, 1, ...), or as it is.
template <class T>
View<T> slope_along(const View<T>& slope, const View<T>& x, std::string_view operation) {
  detail::check_defined(slope, operation, "slope");
  if (slope.rank() <= 1 && slope.size() == 1) {
    return slope.reshape(IndexList{});
  }
  if (slope.rank() > 1) {
    bool fits = slope.rank() <= x.rank();
    for (int axis = 1; fits && axis <= slope.rank(); ++axis) {
      const Index extent = slope.shape()[slope.rank() - axis];
      fits = extent == 1 || extent == x.shape()[x.rank() - axis];
    }
    check(fits, ErrorKind::DimensionMismatch, operation, "slope of shape ", slope.shape(),
          " does not broadcast to x of shape ", x.shape());
    return slope;
  }
  const Index channels = x.rank() >= 2 ? x.shape()[1] : 1;
  check(slope.size() == channels, ErrorKind::DimensionMismatch, operation,
        "slope must be one number or one for each of ", channels, " channels, got shape ",
        slope.shape(), "; x ", x.shape());
  View<T> along = slope;
  for (int axis = 2; axis < x.rank(); ++axis) {
    along = along.expand_dims(axis - 1);
  }
  return along;
}

template <class T>
void check_out(const View<T>& out, std::string_view out_name, const View<T>& x,
               const View<T>& slope, std::string_view operation) {
  detail::check_same_shape(x, "x", out, out_name, operation);
  detail::check_writable(out, operation, out_name);
  detail::check_same_or_apart(out, out_name, x, "x", operation);
  check(overlap(out, slope) == Overlap::None, ErrorKind::InvalidOperation, operation, out_name,
        " overlaps slope");
}

template <class T>
void forward(const View<T>& x, const View<T>& slope, const MutView<T>& out) {
  detail::map_elements(
      out, [](T* y, const T* from, const T* s, Index n) { kernels::prelu_forward(from, s, y, n); },
      x, slope);
}

template <class T>
void backward_input(const View<T>& dy, const View<T>& x, const View<T>& slope,
                    const MutView<T>& dx) {
  detail::map_elements(
      dx,
      [](T* to, const T* from, const T* s, const T* g, Index n) {
        kernels::prelu_backward_input(from, s, g, to, n);
      },
      x, slope, dy);
}

}  // namespace

template <std::floating_point T>
void prelu_into(const View<T>& x, ViewArg<T> slope, MutArg<T> out) {
  detail::check_defined(x, "prelu", "x");
  const View<T> along = slope_along(slope, x, "prelu");
  check_out<T>(out, "out", x, slope, "prelu");
  forward(x, along, out);
}

template <std::floating_point T>
Array<T> prelu(const View<T>& x, ViewArg<T> slope) {
  detail::check_defined(x, "prelu", "x");
  const View<T> along = slope_along(slope, x, "prelu");
  Array<T> out = Array<T>::empty(x.shape());
  forward<T>(x, along, out);
  return out;
}

template <std::floating_point T>
void prelu_backward_input_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> slope, MutArg<T> dx) {
  constexpr std::string_view kName = "prelu_backward_input";
  detail::check_same_shape(dy, "dy", x, "x", kName);
  const View<T> along = slope_along(slope, x, kName);
  check_out<T>(dx, "dx", x, slope, kName);
  detail::check_same_or_apart(dx, "dx", dy, "dy", kName);
  backward_input(dy, x, along, dx);
}

template <std::floating_point T>
Array<T> prelu_backward_input(const View<T>& dy, ViewArg<T> x, ViewArg<T> slope) {
  constexpr std::string_view kName = "prelu_backward_input";
  detail::check_same_shape(dy, "dy", x, "x", kName);
  const View<T> along = slope_along(slope, x, kName);
  Array<T> dx = Array<T>::empty(x.shape());
  backward_input<T>(dy, x, along, dx);
  return dx;
}

template <std::floating_point T>
void prelu_backward_slope_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> slope,
                               MutArg<T> dslope) {
  constexpr std::string_view kName = "prelu_backward_slope";
  detail::check_same_shape(dy, "dy", x, "x", kName);
  const View<T> along = slope_along(slope, x, kName);
  detail::check_output(dslope, "dslope", slope.shape(), kName, dy, x, slope);
  Array<T> terms = Array<T>::empty(x.shape());
  detail::map_elements(
      terms.view(),
      [](T* to, const T* from, const T* g, Index n) {
        kernels::prelu_backward_slope(from, g, to, n);
      },
      x, dy);
  ReduceOptions options;
  const int missing = x.rank() - along.rank();
  bool every = true;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const bool shared =
        axis < missing || (along.shape()[axis - missing] == 1 && x.shape()[axis] != 1);
    if (shared) options.axes.push_back(axis);
    every = every && !shared;
  }
  // No axes would mean all of them.
  if (!every || x.rank() == 0) terms = sum(terms, options);
  dslope.assign(terms.reshape(slope.shape()));
}

template <std::floating_point T>
Array<T> prelu_backward_slope(const View<T>& dy, ViewArg<T> x, ViewArg<T> slope) {
  Array<T> dslope = Array<T>::empty(slope.shape());
  prelu_backward_slope_into<T>(dy, x, slope, dslope);
  return dslope;
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template LAMINA_EXPORT void prelu_backward_slope_into<T>(const View<T>&, ViewArg<T>, ViewArg<T>, \
                                                           MutArg<T>);                             \
  template LAMINA_EXPORT void prelu_into<T>(const View<T>&, ViewArg<T>, MutArg<T>);                \
  template LAMINA_EXPORT Array<T> prelu<T>(const View<T>&, ViewArg<T>);                            \
  template LAMINA_EXPORT void prelu_backward_input_into<T>(const View<T>&, ViewArg<T>, ViewArg<T>, \
                                                           MutArg<T>);                             \
  template LAMINA_EXPORT Array<T> prelu_backward_input<T>(const View<T>&, ViewArg<T>, ViewArg<T>); \
  template LAMINA_EXPORT Array<T> prelu_backward_slope<T>(const View<T>&, ViewArg<T>, ViewArg<T>);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn
