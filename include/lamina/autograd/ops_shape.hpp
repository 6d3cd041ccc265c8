#pragma once

#include <vector>

#include "lamina/autograd/var.hpp"

// Other shapes and parts of variables. All but concatenate, stack and a reshape that cannot be done
// without copying are views: no element is copied in the forward pass.

namespace lamina::autograd {

/// The same elements in row-major order under another shape; one extent may be -1.
/// Errors: as View::reshape, but a view that would have to be copied is copied.
template <class T>
[[nodiscard]] Var<T> reshape(const Var<T>& x, const IndexList& shape);

/// Axes from `first` on as one: flatten(x) has rank 1, flatten(x, 1) keeps the batch.
/// torch.flatten(x, start_dim).
template <class T>
[[nodiscard]] Var<T> flatten(const Var<T>& x, int first = 0);

/// Axes in the order given. View::permute.
template <class T>
[[nodiscard]] Var<T> permute(const Var<T>& x, const Axes& order);

/// Two axes swapped; without arguments the last two, as a batch of matrices is transposed.
template <class T>
[[nodiscard]] Var<T> transpose(const Var<T>& x, int a = -2, int b = -1);

/// Elements of one axis. View::slice.
template <class T>
[[nodiscard]] Var<T> slice(const Var<T>& x, int axis, const Range& range);

/// One position of an axis, which disappears. View::select.
template <class T>
[[nodiscard]] Var<T> select(const Var<T>& x, int axis, Index index);

/// Without an axis of extent 1; with a new one. View::squeeze, View::expand_dims.
template <class T>
[[nodiscard]] Var<T> squeeze(const Var<T>& x, std::optional<int> axis = std::nullopt);
template <class T>
[[nodiscard]] Var<T> expand_dims(const Var<T>& x, int axis);

/// Repeated along axes of extent 1 and new leading axes. The gradient is summed over them.
template <class T>
[[nodiscard]] Var<T> broadcast_to(const Var<T>& x, const Shape& shape);

/// Joined along an existing axis; along a new one. As for arrays.
template <class T>
[[nodiscard]] Var<T> concatenate(const std::vector<Var<T>>& parts, int axis = 0);
template <class T>
[[nodiscard]] Var<T> stack(const std::vector<Var<T>>& parts, int axis = 0);

}  // namespace lamina::autograd
