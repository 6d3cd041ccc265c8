#pragma once

// What convolution, transposed convolution and unfolding have in common: how the axes of an
// argument are read, and what is checked of a bias and an activation.

#include <cstdint>
#include <string_view>

#include "kernels/activation.hpp"
#include "lamina/core/array.hpp"
#include "lamina/nn/activation.hpp"
#include "lamina/nn/types.hpp"
#include "nn/activation_params.hpp"
#include "nn/conv_core.hpp"

namespace lamina::nn::detail {

/// How the axes of an argument map to (N, C, D, H, W).
enum class Form : std::uint8_t { Map, Sample, Batch };

inline Form form_of(const Shape& x, int rank, std::string_view operation) {
  check(x.rank() >= rank && x.rank() <= rank + 2, ErrorKind::DimensionMismatch, operation,
        "x must have rank ", rank, " (a single map), ", rank + 1, " (a sample) or ", rank + 2,
        " (a batch), got shape ", x);
  return static_cast<Form>(x.rank() - rank);
}

/// Image strides of a view of form and format; absent axes have extent 1.
template <class T>
ConvImage<const T> image_of(const View<T>& x, Form form, DataFormat format, int rank) {
  ConvImage<const T> image{x.data(), 0, 0, {0, 0, 0}};
  const Strides& strides = x.strides();
  const bool last = format == DataFormat::NHWC && form != Form::Map;
  int axis = 0;
  if (form == Form::Batch) image.image_stride = strides[axis++];
  if (form != Form::Map) image.channel_stride = last ? strides[x.rank() - 1] : strides[axis++];
  for (int i = 0; i < rank; ++i) {
    image.strides[static_cast<std::size_t>(3 - rank + i)] = strides[axis + i];
  }
  return image;
}

template <class T>
ConvImage<T> mutable_image_of(const MutView<T>& x, Form form, DataFormat format, int rank) {
  const ConvImage<const T> image = image_of<T>(x, form, format, rank);
  return {x.data(), image.image_stride, image.channel_stride, image.strides};
}

inline int spatial_axis(Form form, DataFormat format, int i) {
  const int first = form == Form::Batch ? 1 : 0;
  return first + (form != Form::Map && format == DataFormat::NCHW ? 1 : 0) + i;
}

inline int channel_axis(const Shape& shape, Form form, DataFormat format) {
  return format == DataFormat::NHWC ? shape.rank() - 1 : (form == Form::Batch ? 1 : 0);
}

template <class T>
void check_bias(ViewArg<T> bias, Index channels, std::string_view operation) {
  if (!bias.defined()) return;
  check(bias.rank() == 1 && bias.shape()[0] == channels, ErrorKind::DimensionMismatch, operation,
        "bias must have shape (", channels, ",), got ", bias.shape());
}

/// The activation as gemm applies it to finished elements.
template <class T>
class FusedActivation {
 public:
  /// Error(InvalidOperation) for what activation() refuses.
  FusedActivation(Activation kind, const ActivationParams& params, std::string_view operation)
      : kind_(kind) {
    check_activation(kind);
    numbers_ = resolve_activation<T>(kind, params, operation);
  }

  [[nodiscard]] GemmFinish<T> finish() const {
    if (kind_ == Activation::Identity) return {};
    return {&FusedActivation::apply, this};
  }

 private:
  static void apply(T* values, Index n, const void* params) {
    const auto& self = *static_cast<const FusedActivation*>(params);
    kernels::activation_forward(self.kind_, values, values, n, self.numbers_.a, self.numbers_.b);
  }
  Activation kind_;
  ActivationNumbers numbers_{};
};

}  // namespace lamina::nn::detail
