#pragma once

#include "lamina/autograd/var.hpp"
#include "lamina/nn/pad.hpp"
#include "lamina/nn/unfold.hpp"

// Padding, unfolding and folding of variables: the functions of nn/pad.hpp and nn/unfold.hpp,
// recorded. Shapes, options and errors as for arrays.

namespace lamina::nn {

template <class T>
[[nodiscard]] Var<T> pad(const Var<T>& x, const std::vector<PaddingAmount>& amounts,
                         PaddingValue value = PaddingValue::Zero);
template <class T>
[[nodiscard]] Var<T> pad(const Var<T>& x, const std::vector<PaddingAmount>& amounts,
                         std::type_identity_t<T> constant);

template <class T>
[[nodiscard]] Var<T> unfold1d(const Var<T>& x, PerAxis<1> kernel,
                              const Unfold1dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> unfold2d(const Var<T>& x, PerAxis<2> kernel,
                              const Unfold2dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> unfold3d(const Var<T>& x, PerAxis<3> kernel,
                              const Unfold3dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> fold1d(const Var<T>& columns, PerAxis<1> extents, PerAxis<1> kernel,
                            const Unfold1dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> fold2d(const Var<T>& columns, PerAxis<2> extents, PerAxis<2> kernel,
                            const Unfold2dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> fold3d(const Var<T>& columns, PerAxis<3> extents, PerAxis<3> kernel,
                            const Unfold3dOptions& options = {});

template <class T>
[[nodiscard]] Var<T> im2col(const Var<T>& x, PerAxis<2> kernel,
                            const Unfold2dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> col2im(const Var<T>& columns, const Shape& x_shape, PerAxis<2> kernel,
                            const Unfold2dOptions& options = {});

}  // namespace lamina::nn
