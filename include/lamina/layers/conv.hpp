#pragma once

#include <string>

#include "lamina/core/random.hpp"
#include "lamina/layers/linear.hpp"
#include "lamina/layers/module.hpp"
#include "lamina/nn/conv.hpp"

namespace lamina::layers {

struct Conv2dLayerOptions {
  nn::Conv2dOptions conv = {};
  bool bias = true;
  WeightInit init = WeightInit::FanInUniform;
};

/// Convolution of images: y = conv2d(x, weight, bias).
///
/// x (N, in, H, W), or as conv.format says   weight (out, in / groups, kernel...)   bias (out)
/// With FanInUniform the bias starts likewise, as in torch.nn.Conv2d; otherwise at 0.
/// Errors: InvalidOperation for channels or kernel below 1 or groups that do not divide the
/// channels; those of nn::conv2d.
template <class T = float>
class Conv2d final : public Layer<T> {
 public:
  Conv2d(Index in, Index out, std::array<Index, 2> kernel, Generator& generator,
         const Conv2dLayerOptions& options = {});

  [[nodiscard]] const Var<T>& weight() const noexcept { return weight_; }
  /// Undefined if there is none.
  [[nodiscard]] const Var<T>& bias() const noexcept { return bias_; }
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 protected:
  void members(Members<T>& list) override;

 private:
  nn::Conv2dOptions options_;
  Var<T> weight_;
  Var<T> bias_;
};

extern template class LAMINA_EXPORT Conv2d<float>;
extern template class LAMINA_EXPORT Conv2d<double>;

}  // namespace lamina::layers
