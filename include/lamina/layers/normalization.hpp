#pragma once

#include <string>

#include "lamina/layers/module.hpp"
#include "lamina/nn/local_response_norm.hpp"
#include "lamina/nn/normalization.hpp"

namespace lamina::layers {

struct LayerNormOptions {
  double eps = 1e-5;
  bool affine = true;  ///< gamma and beta, called weight and bias
};

/// nn::layer_norm over the last axes, whose extents are `shape`. weight starts at 1, bias at 0.
/// torch.nn.LayerNorm.
template <class T = float>
class LayerNorm final : public Layer<T> {
 public:
  explicit LayerNorm(const Shape& shape, const LayerNormOptions& options = {});
  explicit LayerNorm(Index features, const LayerNormOptions& options = {})
      : LayerNorm(Shape{features}, options) {}

  /// Undefined if not affine.
  [[nodiscard]] const Var<T>& weight() const noexcept { return weight_; }
  [[nodiscard]] const Var<T>& bias() const noexcept { return bias_; }
  [[nodiscard]] std::string name() const override;
  /// Error(DimensionMismatch) unless x ends with the shape.
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 protected:
  void members(Members<T>& list) override;

 private:
  Shape shape_;
  double eps_;
  Var<T> weight_;
  Var<T> bias_;
};

/// nn::rms_norm over the last axes, whose extents are `shape`. torch.nn.RMSNorm.
template <class T = float>
class RMSNorm final : public Layer<T> {
 public:
  explicit RMSNorm(const Shape& shape, const LayerNormOptions& options = {});
  explicit RMSNorm(Index features, const LayerNormOptions& options = {})
      : RMSNorm(Shape{features}, options) {}

  [[nodiscard]] const Var<T>& weight() const noexcept { return weight_; }
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 protected:
  void members(Members<T>& list) override;

 private:
  Shape shape_;
  double eps_;
  Var<T> weight_;
};

struct BatchNormLayerOptions {
  double eps = 1e-5;
  double momentum = 0.1;
  bool affine = true;
  DataFormat format = DataFormat::NCHW;
};

/// Batch normalization with running statistics: nn::batch_norm_training in training mode,
/// nn::batch_norm_inference otherwise. The running mean starts at 0, the variance at 1; both are
/// buffers. What BatchNorm1d, 2d and 3d have in common.
/// Errors: InvalidOperation for channels below 0 and those of nn::batch_norm_training, one value a
/// channel among them; DimensionMismatch for another rank of x.
template <class T = float>
class BatchNorm : public Layer<T> {
 public:
  [[nodiscard]] const Var<T>& weight() const noexcept { return weight_; }
  [[nodiscard]] const Var<T>& bias() const noexcept { return bias_; }
  [[nodiscard]] const Var<T>& running_mean() const noexcept { return mean_; }
  [[nodiscard]] const Var<T>& running_var() const noexcept { return var_; }
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 protected:
  BatchNorm(const char* kind, int lowest_rank, int highest_rank, Index channels,
            const BatchNormLayerOptions& options);
  void members(Members<T>& list) override;

 private:
  const char* kind_;
  int lowest_rank_;
  int highest_rank_;
  BatchNormLayerOptions options_;
  Var<T> weight_;
  Var<T> bias_;
  Var<T> mean_;
  Var<T> var_;
};

/// Of (N, C) or (N, C, L). torch.nn.BatchNorm1d.
template <class T = float>
class BatchNorm1d final : public BatchNorm<T> {
 public:
  explicit BatchNorm1d(Index channels, const BatchNormLayerOptions& options = {})
      : BatchNorm<T>("BatchNorm1d", 2, 3, channels, options) {}
};
/// Of (N, C, H, W). torch.nn.BatchNorm2d.
template <class T = float>
class BatchNorm2d final : public BatchNorm<T> {
 public:
  explicit BatchNorm2d(Index channels, const BatchNormLayerOptions& options = {})
      : BatchNorm<T>("BatchNorm2d", 4, 4, channels, options) {}
};
/// Of (N, C, D, H, W). torch.nn.BatchNorm3d.
template <class T = float>
class BatchNorm3d final : public BatchNorm<T> {
 public:
  explicit BatchNorm3d(Index channels, const BatchNormLayerOptions& options = {})
      : BatchNorm<T>("BatchNorm3d", 5, 5, channels, options) {}
};

struct GroupNormOptions {
  double eps = 1e-5;
  bool affine = true;
  DataFormat format = DataFormat::NCHW;
};

/// nn::group_norm as a layer. torch.nn.GroupNorm.
/// Error(InvalidOperation) unless groups divides channels.
template <class T = float>
class GroupNorm final : public Layer<T> {
 public:
  GroupNorm(Index groups, Index channels, const GroupNormOptions& options = {});

  [[nodiscard]] const Var<T>& weight() const noexcept { return weight_; }
  [[nodiscard]] const Var<T>& bias() const noexcept { return bias_; }
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 protected:
  void members(Members<T>& list) override;

 private:
  Index groups_;
  Index channels_;
  GroupNormOptions options_;
  Var<T> weight_;
  Var<T> bias_;
};

struct InstanceNormOptions {
  double eps = 1e-5;
  bool affine = false;
  DataFormat format = DataFormat::NCHW;
};

/// nn::instance_norm as a layer. torch.nn.InstanceNorm1d, 2d, 3d.
template <class T = float>
class InstanceNorm final : public Layer<T> {
 public:
  explicit InstanceNorm(Index channels, const InstanceNormOptions& options = {});

  [[nodiscard]] const Var<T>& weight() const noexcept { return weight_; }
  [[nodiscard]] const Var<T>& bias() const noexcept { return bias_; }
  [[nodiscard]] std::string name() const override;
  /// x (N, C, ...), rank 3 or more. Error(DimensionMismatch) for another number of channels.
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 protected:
  void members(Members<T>& list) override;

 private:
  Index channels_;
  InstanceNormOptions options_;
  Var<T> weight_;
  Var<T> bias_;
};

/// nn::local_response_norm as a layer. torch.nn.LocalResponseNorm.
/// Error(InvalidOperation) for a size below 1.
template <class T = float>
class LocalResponseNorm final : public Layer<T> {
 public:
  explicit LocalResponseNorm(Index size, const nn::LocalResponseOptions& options = {});

  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 private:
  Index size_;
  nn::LocalResponseOptions options_;
};

extern template class LAMINA_EXPORT LayerNorm<float>;
extern template class LAMINA_EXPORT LayerNorm<double>;
extern template class LAMINA_EXPORT RMSNorm<float>;
extern template class LAMINA_EXPORT RMSNorm<double>;
extern template class LAMINA_EXPORT BatchNorm<float>;
extern template class LAMINA_EXPORT BatchNorm<double>;
extern template class LAMINA_EXPORT GroupNorm<float>;
extern template class LAMINA_EXPORT GroupNorm<double>;
extern template class LAMINA_EXPORT InstanceNorm<float>;
extern template class LAMINA_EXPORT InstanceNorm<double>;
extern template class LAMINA_EXPORT LocalResponseNorm<float>;
extern template class LAMINA_EXPORT LocalResponseNorm<double>;

}  // namespace lamina::layers
