#pragma once

#include <string>

#include "lamina/core/random.hpp"
#include "lamina/layers/linear.hpp"
#include "lamina/layers/module.hpp"
#include "lamina/nn/conv.hpp"
#include "lamina/nn/conv_transpose.hpp"

namespace lamina::layers {

template <int Rank>
struct ConvLayerOptions {
  nn::ConvOptions<Rank> conv = {};
  bool bias = true;
  WeightInit init = WeightInit::FanInUniform;
};
using Conv1dLayerOptions = ConvLayerOptions<1>;
using Conv2dLayerOptions = ConvLayerOptions<2>;
using Conv3dLayerOptions = ConvLayerOptions<3>;

template <int Rank>
struct ConvTransposeLayerOptions {
  nn::ConvTransposeOptions<Rank> conv = {};
  bool bias = true;
  WeightInit init = WeightInit::FanInUniform;
};
using ConvTranspose1dLayerOptions = ConvTransposeLayerOptions<1>;
using ConvTranspose2dLayerOptions = ConvTransposeLayerOptions<2>;
using ConvTranspose3dLayerOptions = ConvTransposeLayerOptions<3>;

/// Convolution over `Rank` axes: y = conv(x, weight, bias). The base of Conv1d, Conv2d, Conv3d.
///
/// x (N, in, spatial...), or as conv.format says   weight (out, in / groups, kernel...)   bias
/// (out) With FanInUniform the bias starts likewise, as in torch.nn.Conv2d; otherwise at 0. Errors:
/// InvalidOperation for channels or kernel below 1 or groups that do not divide the channels; those
/// of nn::conv2d.
template <class T, int Rank>
class Convolution : public Layer<T> {
 public:
  Convolution(std::string type, Index in, Index out, const PerAxis<Rank>& kernel,
              Generator& generator, const ConvLayerOptions<Rank>& options);

  [[nodiscard]] const Var<T>& weight() const noexcept { return weight_; }
  /// Undefined if there is none.
  [[nodiscard]] const Var<T>& bias() const noexcept { return bias_; }
  [[nodiscard]] const nn::ConvOptions<Rank>& options() const noexcept { return options_; }
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 protected:
  void members(Members<T>& list) override;

 private:
  std::string type_;
  nn::ConvOptions<Rank> options_;
  Var<T> weight_;
  Var<T> bias_;
};

/// Of sequences (N, C, L). torch.nn.Conv1d.
template <class T = float>
class Conv1d final : public Convolution<T, 1> {
 public:
  Conv1d(Index in, Index out, PerAxis<1> kernel, Generator& generator,
         const Conv1dLayerOptions& options = {})
      : Convolution<T, 1>("Conv1d", in, out, kernel, generator, options) {}
};
/// Of images (N, C, H, W). torch.nn.Conv2d.
template <class T = float>
class Conv2d final : public Convolution<T, 2> {
 public:
  Conv2d(Index in, Index out, PerAxis<2> kernel, Generator& generator,
         const Conv2dLayerOptions& options = {})
      : Convolution<T, 2>("Conv2d", in, out, kernel, generator, options) {}
};
/// Of volumes (N, C, D, H, W). torch.nn.Conv3d.
template <class T = float>
class Conv3d final : public Convolution<T, 3> {
 public:
  Conv3d(Index in, Index out, PerAxis<3> kernel, Generator& generator,
         const Conv3dLayerOptions& options = {})
      : Convolution<T, 3>("Conv3d", in, out, kernel, generator, options) {}
};

/// Each channel of images with `multiplier` kernels of its own: weight (channels * multiplier, 1,
/// kernel...). options.conv.groups is set to channels. torch.nn.Conv2d with groups = channels.
template <class T = float>
class DepthwiseConv2d final : public Convolution<T, 2> {
 public:
  DepthwiseConv2d(Index channels, PerAxis<2> kernel, Generator& generator,
                  const Conv2dLayerOptions& options = {}, Index multiplier = 1)
      : Convolution<T, 2>("DepthwiseConv2d", channels, channels * multiplier, kernel, generator,
                          with_groups(options, channels)) {}

 private:
  static Conv2dLayerOptions with_groups(Conv2dLayerOptions options, Index channels) {
    options.conv.groups = channels;
    return options;
  }
};

/// Transposed convolution over `Rank` axes: y = conv_transpose(x, weight, bias). The base
/// of ConvTranspose1d, 2d, 3d.
///
/// x (N, in, spatial...), or as conv.format says   weight (in, out / groups, kernel...)   bias
/// (out) Values at the start and errors as for Convolution.
template <class T, int Rank>
class TransposedConvolution : public Layer<T> {
 public:
  TransposedConvolution(std::string type, Index in, Index out, const PerAxis<Rank>& kernel,
                        Generator& generator, const ConvTransposeLayerOptions<Rank>& options);

  [[nodiscard]] const Var<T>& weight() const noexcept { return weight_; }
  /// Undefined if there is none.
  [[nodiscard]] const Var<T>& bias() const noexcept { return bias_; }
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 protected:
  void members(Members<T>& list) override;

 private:
  std::string type_;
  nn::ConvTransposeOptions<Rank> options_;
  Var<T> weight_;
  Var<T> bias_;
};

/// Of sequences (N, C, L). torch.nn.ConvTranspose1d.
template <class T = float>
class ConvTranspose1d final : public TransposedConvolution<T, 1> {
 public:
  ConvTranspose1d(Index in, Index out, PerAxis<1> kernel, Generator& generator,
                  const ConvTranspose1dLayerOptions& options = {})
      : TransposedConvolution<T, 1>("ConvTranspose1d", in, out, kernel, generator, options) {}
};
/// Of images (N, C, H, W). torch.nn.ConvTranspose2d.
template <class T = float>
class ConvTranspose2d final : public TransposedConvolution<T, 2> {
 public:
  ConvTranspose2d(Index in, Index out, PerAxis<2> kernel, Generator& generator,
                  const ConvTranspose2dLayerOptions& options = {})
      : TransposedConvolution<T, 2>("ConvTranspose2d", in, out, kernel, generator, options) {}
};
/// Of volumes (N, C, D, H, W). torch.nn.ConvTranspose3d.
template <class T = float>
class ConvTranspose3d final : public TransposedConvolution<T, 3> {
 public:
  ConvTranspose3d(Index in, Index out, PerAxis<3> kernel, Generator& generator,
                  const ConvTranspose3dLayerOptions& options = {})
      : TransposedConvolution<T, 3>("ConvTranspose3d", in, out, kernel, generator, options) {}
};

extern template class LAMINA_EXPORT Convolution<float, 1>;
extern template class LAMINA_EXPORT Convolution<float, 2>;
extern template class LAMINA_EXPORT Convolution<float, 3>;
extern template class LAMINA_EXPORT Convolution<double, 1>;
extern template class LAMINA_EXPORT Convolution<double, 2>;
extern template class LAMINA_EXPORT Convolution<double, 3>;
extern template class LAMINA_EXPORT TransposedConvolution<float, 1>;
extern template class LAMINA_EXPORT TransposedConvolution<float, 2>;
extern template class LAMINA_EXPORT TransposedConvolution<float, 3>;
extern template class LAMINA_EXPORT TransposedConvolution<double, 1>;
extern template class LAMINA_EXPORT TransposedConvolution<double, 2>;
extern template class LAMINA_EXPORT TransposedConvolution<double, 3>;

}  // namespace lamina::layers
