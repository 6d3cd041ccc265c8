#pragma once

#include <concepts>

#include "lamina/core/array.hpp"

namespace lamina::nn {

/// Leaky rectified linear unit with a learned slope (He, Zhang, Ren and Sun 2015).
///
///   out = x if x > 0 else slope x
///
/// x (N, C, ...) of any shape; slope one number (rank 0, or one element) for all, or (C), one for
/// each channel, axis 1 of x, or of rank 2 and more whatever broadcasts to x: (C, 1, 1), (1, C, 1,
/// 1), x's own shape. float and double; any strides. In place: yes, out may be the same
/// view as x. Error(DimensionMismatch): slope of another length or
/// shape, shape of out.
/// Error(InvalidOperation): out overlaps x in part, overlaps slope, or is a broadcast view.
/// Gradients: prelu_backward_input, prelu_backward_slope. Numerics: one rounding; NaN stays. Same
/// as torch.nn.functional.prelu, ONNX PRelu but for a slope of rank 1, which
/// there goes along the last axis.
template <std::floating_point T>
void prelu_into(const View<T>& x, ViewArg<T> slope, MutArg<T> out);
template <std::floating_point T>
[[nodiscard]] Array<T> prelu(const View<T>& x, ViewArg<T> slope);

/// dx = dy if x > 0 else slope dy. dy, x and dx of one shape; dx may be the same view as dy or x.
/// NaN in x gives NaN. Errors as for prelu.
template <std::floating_point T>
void prelu_backward_input_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> slope, MutArg<T> dx);
template <std::floating_point T>
[[nodiscard]] Array<T> prelu_backward_input(const View<T>& dy, ViewArg<T> x, ViewArg<T> slope);

/// The sum of x dy over the elements with x <= 0: those that share a
/// slope. The result has the shape of slope. The same bits on any number of threads. Errors as for
/// prelu.
template <std::floating_point T>
void prelu_backward_slope_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> slope, MutArg<T> dslope);
template <std::floating_point T>
[[nodiscard]] Array<T> prelu_backward_slope(const View<T>& dy, ViewArg<T> x, ViewArg<T> slope);

}  // namespace lamina::nn
