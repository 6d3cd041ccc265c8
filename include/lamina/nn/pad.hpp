#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "lamina/core/array.hpp"
#include "lamina/nn/types.hpp"

namespace lamina::nn {

/// What stands in the padding: zeros, the image mirrored at its edge element (which is not
/// repeated), the edge element again and again, or the image itself as if it were a torus.
enum class PaddingValue : std::uint8_t { Zero, Reflect, Replicate, Circular };

/// Makes an array larger at its edges.
///
///   out[i + before] = x[source(i)]   with source as PaddingValue says, zero where there is none
///
/// x (any shape)   amounts: one for each axis, or for the last axes only   returns x's shape,
/// larger. Any strides. Error(InvalidOperation): negative amounts; Reflect by the extent or more;
/// Circular by more than the extent; an empty axis padded with anything but zeros.
/// Error(DimensionMismatch): more amounts than axes. Gradient: pad_backward. Same as
/// torch.nn.functional.pad, numpy.pad, ONNX Pad. In place: no.
template <class T>
void pad_into(const View<T>& x, const std::vector<PaddingAmount>& amounts, MutArg<T> out,
              PaddingValue value = PaddingValue::Zero);
template <class T>
[[nodiscard]] Array<T> pad(const View<T>& x, const std::vector<PaddingAmount>& amounts,
                           PaddingValue value = PaddingValue::Zero);
/// With `constant` instead of zeros. Gradient: pad_backward with PaddingValue::Zero.
template <class T>
void pad_into(const View<T>& x, const std::vector<PaddingAmount>& amounts, MutArg<T> out,
              std::type_identity_t<T> constant);
template <class T>
[[nodiscard]] Array<T> pad(const View<T>& x, const std::vector<PaddingAmount>& amounts,
                           std::type_identity_t<T> constant);

/// Gradient of pad: each element of x collects from all places it went to. dy has pad's shape.
/// In place: no.
template <class T>
void pad_backward_into(const View<T>& dy, const std::vector<PaddingAmount>& amounts, MutArg<T> dx,
                       PaddingValue value = PaddingValue::Zero);
template <class T>
[[nodiscard]] Array<T> pad_backward(const View<T>& dy, const std::vector<PaddingAmount>& amounts,
                                    PaddingValue value = PaddingValue::Zero);

}  // namespace lamina::nn
