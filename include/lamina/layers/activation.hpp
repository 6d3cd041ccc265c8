#pragma once

#include <string>
#include <utility>

#include "lamina/layers/module.hpp"
#include "lamina/nn/activation.hpp"
#include "lamina/nn/softmax.hpp"

namespace lamina::layers {

/// Any activation of kActivationTable as a layer:
///
///   Activate(Activation::LeakyRelu, {0.2})
///
/// Error(InvalidOperation) for parameters outside their domain.
template <class T = float>
class Activate : public Layer<T> {
 public:
  explicit Activate(nn::Activation kind, const nn::ActivationParams& params = {});

  [[nodiscard]] nn::Activation kind() const noexcept { return kind_; }
  [[nodiscard]] const nn::ActivationParams& params() const noexcept { return params_; }
  /// As in C++: "leaky_relu(alpha = 0.2)".
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;
  [[nodiscard]] bool commutes_with_maxima() const noexcept override {
    return kind_ == nn::Activation::Relu;
  }

 private:
  nn::Activation kind_;
  nn::ActivationParams params_;
};

Activate(nn::Activation)->Activate<float>;
Activate(nn::Activation, nn::ActivationParams)->Activate<float>;

/// One activation of the table as a type of its own.
template <nn::Activation kKind, class T = float>
struct NamedActivation final : Activate<T> {
  /// Absent parameters have the table's defaults.
  explicit NamedActivation(const nn::ActivationParams& params = {}) : Activate<T>(kKind, params) {}
};

// Under the names of torch.nn; parameters in the order of the table: LeakyReLU<>({0.2}).
template <class T = float>
using ReLU = NamedActivation<nn::Activation::Relu, T>;
template <class T = float>
using LeakyReLU = NamedActivation<nn::Activation::LeakyRelu, T>;
template <class T = float>
using ELU = NamedActivation<nn::Activation::Elu, T>;
template <class T = float>
using SELU = NamedActivation<nn::Activation::Selu, T>;
template <class T = float>
using CELU = NamedActivation<nn::Activation::Celu, T>;
template <class T = float>
using Sigmoid = NamedActivation<nn::Activation::Sigmoid, T>;
template <class T = float>
using Tanh = NamedActivation<nn::Activation::Tanh, T>;
template <class T = float>
using SiLU = NamedActivation<nn::Activation::Silu, T>;
template <class T = float>
using Mish = NamedActivation<nn::Activation::Mish, T>;
template <class T = float>
using GELU = NamedActivation<nn::Activation::Gelu, T>;
template <class T = float>
using GELUTanh = NamedActivation<nn::Activation::GeluTanh, T>;
template <class T = float>
using Softplus = NamedActivation<nn::Activation::Softplus, T>;
template <class T = float>
using ReLU6 = NamedActivation<nn::Activation::Relu6, T>;
template <class T = float>
using Hardtanh = NamedActivation<nn::Activation::HardTanh, T>;
template <class T = float>
using Hardsigmoid = NamedActivation<nn::Activation::HardSigmoid, T>;
template <class T = float>
using Hardswish = NamedActivation<nn::Activation::HardSwish, T>;
template <class T = float>
using Softsign = NamedActivation<nn::Activation::Softsign, T>;
template <class T = float>
using LogSigmoid = NamedActivation<nn::Activation::LogSigmoid, T>;
template <class T = float>
using Hardshrink = NamedActivation<nn::Activation::HardShrink, T>;
template <class T = float>
using Softshrink = NamedActivation<nn::Activation::SoftShrink, T>;
template <class T = float>
using Tanhshrink = NamedActivation<nn::Activation::TanhShrink, T>;

/// Leaky ReLU with a learned slope for all channels, or one for each of `channels` along axis 1.
/// Error(InvalidOperation) for channels below 1; Error(DimensionMismatch) from forward() if x has
/// another number of channels. torch.nn.PReLU. He et al. 2015.
template <class T = float>
class PReLU final : public Layer<T> {
 public:
  explicit PReLU(Index channels = 1, double slope = 0.25);
  [[nodiscard]] const Var<T>& slope() const noexcept { return slope_; }
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 protected:
  void members(Members<T>& list) override;

 private:
  Var<T> slope_;
};

/// nn::softmax as a layer. torch.nn.Softmax.
template <class T = float>
class Softmax final : public Layer<T> {
 public:
  explicit Softmax(const nn::SoftmaxOptions& options = {}) : options_(options) {}
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 private:
  nn::SoftmaxOptions options_;
};

/// nn::log_softmax as a layer. torch.nn.LogSoftmax.
template <class T = float>
class LogSoftmax final : public Layer<T> {
 public:
  explicit LogSoftmax(const nn::SoftmaxOptions& options = {}) : options_(options) {}
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 private:
  nn::SoftmaxOptions options_;
};

extern template class LAMINA_EXPORT Activate<float>;
extern template class LAMINA_EXPORT Activate<double>;
extern template class LAMINA_EXPORT PReLU<float>;
extern template class LAMINA_EXPORT PReLU<double>;
extern template class LAMINA_EXPORT Softmax<float>;
extern template class LAMINA_EXPORT Softmax<double>;
extern template class LAMINA_EXPORT LogSoftmax<float>;
extern template class LAMINA_EXPORT LogSoftmax<double>;

}  // namespace lamina::layers
