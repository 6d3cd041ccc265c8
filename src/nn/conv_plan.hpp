#pragma once

// What a call of a convolution amounts to, for the forward pass, its gradients and packed weights.

#include <string_view>
#include <vector>

#include "lamina/nn/conv.hpp"
#include "nn/conv_arguments.hpp"

namespace lamina::nn::detail {

/// The problem, how its arrays are read, and the shape of its result.
struct ConvPlan {
  ConvShape problem;
  Form form = Form::Batch;
  int rank = 2;
  DataFormat format = DataFormat::NCHW;
  PaddingValue padding_value = PaddingValue::Zero;
  Shape out;
  std::vector<PaddingAmount> explicit_padding;  ///< of x's axes, where not zeros are padded

  [[nodiscard]] bool pads_zeros() const { return padding_value == PaddingValue::Zero; }
  [[nodiscard]] bool channels_last() const {
    return format == DataFormat::NHWC && form != Form::Map;
  }
  template <class T>
  [[nodiscard]] ConvImage<const T> image(const View<T>& x) const {
    return image_of(x, form, format, rank);
  }
  template <class T>
  [[nodiscard]] ConvImage<T> mutable_image(const MutView<T>& x) const {
    return mutable_image_of(x, form, format, rank);
  }
};

/// Checks the shapes and options of a convolution.
template <int Rank>
[[nodiscard]] ConvPlan make_conv_plan(const Shape& x, const Shape& weight,
                                      const ConvOptions<Rank>& options, std::string_view operation);

/// The options of conv2d for one group a channel of x.
[[nodiscard]] Conv2dOptions depthwise_conv2d_options(const Shape& x, const Conv2dOptions& options,
                                                     std::string_view operation);

/// x as the products read it: itself, or a copy with the padding that is not zeros.
template <class T>
class ConvInput {
 public:
  ConvInput(const ConvPlan& plan, const View<T>& x) {
    if (plan.pads_zeros()) {
      image_ = plan.image(x);
    } else {
      padded_ = pad(x, plan.explicit_padding, plan.padding_value);
      image_ = plan.image<T>(padded_);
    }
  }
  [[nodiscard]] const ConvImage<const T>& image() const { return image_; }

 private:
  Array<T> padded_;
  ConvImage<const T> image_;
};

/// The forward pass; weight contiguous, and nullptr or what was prepared of it.
template <class T>
void run_conv(const ConvPlan& plan, const View<T>& x, const T* weight,
              const PreparedWeights<T>* prepared, const View<T>& bias, const MutView<T>& out,
              const FusedActivation<T>& fused);

}  // namespace lamina::nn::detail
