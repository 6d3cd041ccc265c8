#include "lamina/autograd/ops_shape.hpp"

#include <utility>

#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/update.hpp"

namespace lamina::autograd {

namespace {

Axes inverse_order(const Axes& order) {
  Axes inverse = order;
  for (int i = 0; i < order.rank(); ++i) {
    const Index from = order[i] < 0 ? order[i] + order.rank() : order[i];
    inverse[static_cast<int>(from)] = i;
  }
  return inverse;
}

/// A view of x whose gradient has x's elements in the same row-major order.
template <class T>
Var<T> same_elements(const Var<T>& x, const View<T>& view, const char* operation) {
  return make_view(
      x, view,
      [](Array<T> dy, Gradients<T>& gradients) {
        gradients.add(0, std::move(dy).reshape(gradients.shape(0)));
      },
      operation);
}

}  // namespace

template <class T>
Var<T> reshape(const Var<T>& x, const IndexList& shape) {
  if (x.value().is_contiguous()) {
    return same_elements(x, x.value().reshape(shape), "reshape");
  }
  return make_var(
      x.value().copy().reshape(shape), {x},
      [](Array<T> dy, Gradients<T>& gradients) {
        gradients.add(0, std::move(dy).reshape(gradients.shape(0)));
      },
      "reshape");
}

template <class T>
Var<T> flatten(const Var<T>& x, int first) {
  IndexList shape;
  if (x.rank() > 0) {
    first = normalize_axis(first, x.rank(), "flatten");
  }
  Index rest = 1;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (axis < first) {
      shape.push_back(x.shape()[axis]);
    } else {
      rest *= x.shape()[axis];
    }
  }
  shape.push_back(rest);
  return reshape(x, shape);
}

template <class T>
Var<T> permute(const Var<T>& x, const Axes& order) {
  return make_view(
      x, x.value().permute(order),
      [inverse = inverse_order(order)](const Array<T>& dy, Gradients<T>& gradients) {
        gradients.add(0, dy.permute(inverse));
      },
      "permute");
}

template <class T>
Var<T> transpose(const Var<T>& x, int a, int b) {
  return make_view(
      x, x.value().swap_axes(a, b),
      [a, b](const Array<T>& dy, Gradients<T>& gradients) { gradients.add(0, dy.swap_axes(a, b)); },
      "transpose");
}

template <class T>
Var<T> slice(const Var<T>& x, int axis, const Range& range) {
  return make_view(
      x, x.value().slice(axis, range),
      [axis, range](const Array<T>& dy, Gradients<T>& gradients) {
        const MutView<T> part = gradients.buffer(0).slice(axis, range);
        nn::axpy_into(dy, part);
      },
      "slice");
}

template <class T>
Var<T> select(const Var<T>& x, int axis, Index index) {
  return make_view(
      x, x.value().select(axis, index),
      [axis, index](const Array<T>& dy, Gradients<T>& gradients) {
        const MutView<T> part = gradients.buffer(0).select(axis, index);
        nn::axpy_into(dy, part);
      },
      "select");
}

template <class T>
Var<T> squeeze(const Var<T>& x, std::optional<int> axis) {
  return same_elements(x, x.value().squeeze(axis), "squeeze");
}

template <class T>
Var<T> expand_dims(const Var<T>& x, int axis) {
  return same_elements(x, x.value().expand_dims(axis), "expand_dims");
}

template <class T>
Var<T> broadcast_to(const Var<T>& x, const Shape& shape) {
  return make_view(
      x, x.value().broadcast_to(shape),
      [](const Array<T>& dy, Gradients<T>& gradients) {
        gradients.add(0, nn::sum_to_shape(dy, gradients.shape(0)));
      },
      "broadcast_to");
}

template <class T>
Var<T> concatenate(const std::vector<Var<T>>& parts, int axis) {
  std::vector<View<T>> views;
  std::vector<Index> ends{0};
  for (const Var<T>& part : parts) {
    views.push_back(part.value());
  }
  Array<T> value = lamina::concatenate(views, axis);
  for (const View<T>& view : views) {
    ends.push_back(ends.back() + view.extent(axis));
  }
  return make_var(
      std::move(value), parts,
      [axis, ends = std::move(ends)](const Array<T>& dy, Gradients<T>& gradients) {
        for (int i = 0; i < gradients.size(); ++i) {
          const auto k = static_cast<std::size_t>(i);
          if (gradients.wants(i)) {
            gradients.add(i, dy.slice(axis, {ends[k], ends[k + 1]}));
          }
        }
      },
      "concatenate");
}

template <class T>
Var<T> stack(const std::vector<Var<T>>& parts, int axis) {
  std::vector<View<T>> views;
  for (const Var<T>& part : parts) {
    views.push_back(part.value());
  }
  return make_var(
      lamina::stack(views, axis), parts,
      [axis](const Array<T>& dy, Gradients<T>& gradients) {
        for (int i = 0; i < gradients.size(); ++i) {
          if (gradients.wants(i)) {
            gradients.add(i, dy.select(axis, i));
          }
        }
      },
      "stack");
}

#define LAMINA_INSTANTIATE(T)                                                    \
  template LAMINA_EXPORT Var<T> reshape<T>(const Var<T>&, const IndexList&);     \
  template LAMINA_EXPORT Var<T> flatten<T>(const Var<T>&, int);                  \
  template LAMINA_EXPORT Var<T> permute<T>(const Var<T>&, const Axes&);          \
  template LAMINA_EXPORT Var<T> transpose<T>(const Var<T>&, int, int);           \
  template LAMINA_EXPORT Var<T> slice<T>(const Var<T>&, int, const Range&);      \
  template LAMINA_EXPORT Var<T> select<T>(const Var<T>&, int, Index);            \
  template LAMINA_EXPORT Var<T> squeeze<T>(const Var<T>&, std::optional<int>);   \
  template LAMINA_EXPORT Var<T> expand_dims<T>(const Var<T>&, int);              \
  template LAMINA_EXPORT Var<T> broadcast_to<T>(const Var<T>&, const Shape&);    \
  template LAMINA_EXPORT Var<T> concatenate<T>(const std::vector<Var<T>>&, int); \
  template LAMINA_EXPORT Var<T> stack<T>(const std::vector<Var<T>>&, int);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::autograd
