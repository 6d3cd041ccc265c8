#pragma once

#include <string>

#include "lamina/core/random.hpp"
#include "lamina/layers/module.hpp"
#include "lamina/nn/types.hpp"

namespace lamina::layers {

/// What the dropout layers have in common: a probability and a generator of their own, seeded from
/// the one given, so that layers drop independently of each other. They drop in training mode only.
/// Error(InvalidOperation) unless 0 <= p <= 1.
template <class T>
class DropoutLayer : public Layer<T> {
 public:
  [[nodiscard]] double p() const noexcept { return p_; }
  /// To save and restore its state.
  [[nodiscard]] Generator& generator() noexcept { return generator_; }
  [[nodiscard]] std::string name() const override;

 protected:
  DropoutLayer(const char* kind, double p, Generator& generator);

 private:
  const char* kind_;
  double p_;
  Generator generator_;
};

/// nn::dropout as a layer. torch.nn.Dropout.
template <class T = float>
class Dropout final : public DropoutLayer<T> {
 public:
  Dropout(double p, Generator& generator) : DropoutLayer<T>("Dropout", p, generator) {}
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;
};

/// nn::spatial_dropout as a layer. torch.nn.Dropout2d, Dropout3d.
template <class T = float>
class SpatialDropout final : public DropoutLayer<T> {
 public:
  SpatialDropout(double p, Generator& generator, DataFormat format = DataFormat::NCHW)
      : DropoutLayer<T>("SpatialDropout", p, generator), format_(format) {}
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 private:
  DataFormat format_;
};

/// nn::drop_path as a layer. torchvision.ops.StochasticDepth.
template <class T = float>
class DropPath final : public DropoutLayer<T> {
 public:
  DropPath(double p, Generator& generator) : DropoutLayer<T>("DropPath", p, generator) {}
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;
};

/// nn::alpha_dropout as a layer. torch.nn.AlphaDropout.
template <class T = float>
class AlphaDropout final : public DropoutLayer<T> {
 public:
  AlphaDropout(double p, Generator& generator) : DropoutLayer<T>("AlphaDropout", p, generator) {}
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;
};

extern template class LAMINA_EXPORT DropoutLayer<float>;
extern template class LAMINA_EXPORT DropoutLayer<double>;
extern template class LAMINA_EXPORT Dropout<float>;
extern template class LAMINA_EXPORT Dropout<double>;
extern template class LAMINA_EXPORT SpatialDropout<float>;
extern template class LAMINA_EXPORT SpatialDropout<double>;
extern template class LAMINA_EXPORT DropPath<float>;
extern template class LAMINA_EXPORT DropPath<double>;
extern template class LAMINA_EXPORT AlphaDropout<float>;
extern template class LAMINA_EXPORT AlphaDropout<double>;

}  // namespace lamina::layers
