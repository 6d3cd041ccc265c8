#include "lamina/autograd/ops_unfold.hpp"

namespace lamina::nn {

using autograd::Gradients;
using autograd::make_var;

namespace {

/// A linear map whose gradient is another one, which needs nothing but dy.
template <class T, class Adjoint>
Var<T> record(Array<T> value, const Var<T>& x, const char* name, const Adjoint& adjoint) {
  return make_var(
      std::move(value), {x},
      [adjoint](const Array<T>& dy, Gradients<T>& gradients) { gradients.add(0, adjoint(dy)); },
      name);
}

/// The spatial extents of an input of unfold.
template <int Rank>
PerAxis<Rank> extents_of(const Shape& x, DataFormat format) {
  const int first = x.rank() - Rank - (format == DataFormat::NHWC && x.rank() > Rank ? 1 : 0);
  PerAxis<Rank> extents = 1;
  for (int i = 0; i < Rank; ++i) extents[static_cast<std::size_t>(i)] = x[first + i];
  return extents;
}

}  // namespace

template <class T>
Var<T> pad(const Var<T>& x, const std::vector<PaddingAmount>& amounts, PaddingValue value) {
  return record(pad(x.value(), amounts, value), x, "pad",
                [amounts, value](const Array<T>& dy) { return pad_backward(dy, amounts, value); });
}
template <class T>
Var<T> pad(const Var<T>& x, const std::vector<PaddingAmount>& amounts,
           std::type_identity_t<T> constant) {
  return record(pad(x.value(), amounts, constant), x, "pad",
                [amounts](const Array<T>& dy) { return pad_backward(dy, amounts); });
}

// A single map has no channels to fold to: its gradient gets them and is reshaped.
#define LAMINA_DEFINE_RANK(Rank)                                                                   \
  template <class T>                                                                               \
  Var<T> unfold##Rank##d(const Var<T>& x, PerAxis<Rank> kernel,                                    \
                         const UnfoldOptions<Rank>& options) {                                     \
    const Shape shape = x.shape();                                                                 \
    return record(unfold##Rank##d(x.value(), kernel, options), x, "unfold" #Rank "d",              \
                  [kernel, options, shape](const Array<T>& dy) {                                   \
                    const Array<T> dx = fold##Rank##d(dy, extents_of<Rank>(shape, options.format), \
                                                      kernel, options);                            \
                    return dx.reshape(IndexList(shape)).copy();                                    \
                  });                                                                              \
  }                                                                                                \
  template <class T>                                                                               \
  Var<T> fold##Rank##d(const Var<T>& columns, PerAxis<Rank> extents, PerAxis<Rank> kernel,         \
                       const UnfoldOptions<Rank>& options) {                                       \
    return record(                                                                                 \
        fold##Rank##d(columns.value(), extents, kernel, options), columns, "fold" #Rank "d",       \
        [kernel, options](const Array<T>& dy) { return unfold##Rank##d(dy, kernel, options); });   \
  }
LAMINA_DEFINE_RANK(1)
LAMINA_DEFINE_RANK(2)
LAMINA_DEFINE_RANK(3)
#undef LAMINA_DEFINE_RANK

template <class T>
Var<T> im2col(const Var<T>& x, PerAxis<2> kernel, const Unfold2dOptions& options) {
  const Shape shape = x.shape();
  return record(
      im2col(x.value(), kernel, options), x, "im2col",
      [kernel, options, shape](const Array<T>& dy) { return col2im(dy, shape, kernel, options); });
}
template <class T>
Var<T> col2im(const Var<T>& columns, const Shape& x_shape, PerAxis<2> kernel,
              const Unfold2dOptions& options) {
  return record(col2im(columns.value(), x_shape, kernel, options), columns, "col2im",
                [kernel, options](const Array<T>& dy) { return im2col(dy, kernel, options); });
}

#define LAMINA_INSTANTIATE_RANK(T, Rank)                                                      \
  template LAMINA_EXPORT Var<T> unfold##Rank##d<T>(const Var<T>&, PerAxis<Rank>,              \
                                                   const UnfoldOptions<Rank>&);               \
  template LAMINA_EXPORT Var<T> fold##Rank##d<T>(const Var<T>&, PerAxis<Rank>, PerAxis<Rank>, \
                                                 const UnfoldOptions<Rank>&);
#define LAMINA_INSTANTIATE(T)                                                                 \
  template LAMINA_EXPORT Var<T> pad<T>(const Var<T>&, const std::vector<PaddingAmount>&,      \
                                       PaddingValue);                                         \
  template LAMINA_EXPORT Var<T> pad<T>(const Var<T>&, const std::vector<PaddingAmount>&,      \
                                       std::type_identity_t<T>);                              \
  LAMINA_INSTANTIATE_RANK(T, 1)                                                               \
  LAMINA_INSTANTIATE_RANK(T, 2)                                                               \
  LAMINA_INSTANTIATE_RANK(T, 3)                                                               \
  template LAMINA_EXPORT Var<T> im2col<T>(const Var<T>&, PerAxis<2>, const Unfold2dOptions&); \
  template LAMINA_EXPORT Var<T> col2im<T>(const Var<T>&, const Shape&, PerAxis<2>,            \
                                          const Unfold2dOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
