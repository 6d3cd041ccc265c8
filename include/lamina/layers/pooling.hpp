#pragma once

#include <string>

#include "lamina/layers/module.hpp"
#include "lamina/nn/adaptive_pooling.hpp"
#include "lamina/nn/pooling.hpp"

namespace lamina::layers {

// Each under the names 1d, 2d and 3d, as in torch.nn: MaxPool2d(2), MaxPool2d({3, 3}, {.stride = 2,
// .padding = 1}). Error(InvalidOperation) for a kernel, stride or extent below 1; those of the
// function.

/// nn::max_pool1d, 2d and 3d. torch.nn.MaxPool2d.
template <class T, int Rank>
class MaxPool : public Layer<T> {
 public:
  explicit MaxPool(PerAxis<Rank> kernel, const nn::PoolOptions<Rank>& options = {});
  [[nodiscard]] const PerAxis<Rank>& kernel() const noexcept { return kernel_; }
  [[nodiscard]] const nn::PoolOptions<Rank>& options() const noexcept { return options_; }
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;
  [[nodiscard]] bool takes_maxima() const noexcept override { return true; }

 private:
  PerAxis<Rank> kernel_;
  nn::PoolOptions<Rank> options_;
};
template <class T = float>
class MaxPool1d final : public MaxPool<T, 1> {
 public:
  explicit MaxPool1d(PerAxis<1> kernel, const nn::PoolOptions<1>& options = {})
      : MaxPool<T, 1>(kernel, options) {}
};
template <class T = float>
class MaxPool2d final : public MaxPool<T, 2> {
 public:
  explicit MaxPool2d(PerAxis<2> kernel, const nn::PoolOptions<2>& options = {})
      : MaxPool<T, 2>(kernel, options) {}
};
template <class T = float>
class MaxPool3d final : public MaxPool<T, 3> {
 public:
  explicit MaxPool3d(PerAxis<3> kernel, const nn::PoolOptions<3>& options = {})
      : MaxPool<T, 3>(kernel, options) {}
};

/// nn::avg_pool1d, 2d and 3d. torch.nn.AvgPool2d.
template <class T, int Rank>
class AvgPool : public Layer<T> {
 public:
  explicit AvgPool(PerAxis<Rank> kernel, const nn::AvgPoolOptions<Rank>& options = {});
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 private:
  PerAxis<Rank> kernel_;
  nn::AvgPoolOptions<Rank> options_;
};
template <class T = float>
class AvgPool1d final : public AvgPool<T, 1> {
 public:
  explicit AvgPool1d(PerAxis<1> kernel, const nn::AvgPoolOptions<1>& options = {})
      : AvgPool<T, 1>(kernel, options) {}
};
template <class T = float>
class AvgPool2d final : public AvgPool<T, 2> {
 public:
  explicit AvgPool2d(PerAxis<2> kernel, const nn::AvgPoolOptions<2>& options = {})
      : AvgPool<T, 2>(kernel, options) {}
};
template <class T = float>
class AvgPool3d final : public AvgPool<T, 3> {
 public:
  explicit AvgPool3d(PerAxis<3> kernel, const nn::AvgPoolOptions<3>& options = {})
      : AvgPool<T, 3>(kernel, options) {}
};

/// nn::lp_pool1d, 2d and 3d. torch.nn.LPPool2d.
template <class T, int Rank>
class LpPool : public Layer<T> {
 public:
  explicit LpPool(double p, PerAxis<Rank> kernel, const nn::PoolOptions<Rank>& options = {});
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 private:
  double p_;
  PerAxis<Rank> kernel_;
  nn::PoolOptions<Rank> options_;
};
template <class T = float>
class LpPool1d final : public LpPool<T, 1> {
 public:
  explicit LpPool1d(double p, PerAxis<1> kernel, const nn::PoolOptions<1>& options = {})
      : LpPool<T, 1>(p, kernel, options) {}
};
template <class T = float>
class LpPool2d final : public LpPool<T, 2> {
 public:
  explicit LpPool2d(double p, PerAxis<2> kernel, const nn::PoolOptions<2>& options = {})
      : LpPool<T, 2>(p, kernel, options) {}
};
template <class T = float>
class LpPool3d final : public LpPool<T, 3> {
 public:
  explicit LpPool3d(double p, PerAxis<3> kernel, const nn::PoolOptions<3>& options = {})
      : LpPool<T, 3>(p, kernel, options) {}
};

/// nn::adaptive_avg_pool1d, 2d and 3d. torch.nn.AdaptiveAvgPool2d.
template <class T, int Rank>
class AdaptiveAvgPool : public Layer<T> {
 public:
  explicit AdaptiveAvgPool(PerAxis<Rank> extents, DataFormat format = DataFormat::NCHW);
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 private:
  PerAxis<Rank> extents_;
  DataFormat format_;
};
template <class T = float>
class AdaptiveAvgPool1d final : public AdaptiveAvgPool<T, 1> {
 public:
  explicit AdaptiveAvgPool1d(PerAxis<1> extents, DataFormat format = DataFormat::NCHW)
      : AdaptiveAvgPool<T, 1>(extents, format) {}
};
template <class T = float>
class AdaptiveAvgPool2d final : public AdaptiveAvgPool<T, 2> {
 public:
  explicit AdaptiveAvgPool2d(PerAxis<2> extents, DataFormat format = DataFormat::NCHW)
      : AdaptiveAvgPool<T, 2>(extents, format) {}
};
template <class T = float>
class AdaptiveAvgPool3d final : public AdaptiveAvgPool<T, 3> {
 public:
  explicit AdaptiveAvgPool3d(PerAxis<3> extents, DataFormat format = DataFormat::NCHW)
      : AdaptiveAvgPool<T, 3>(extents, format) {}
};

/// nn::adaptive_max_pool1d, 2d and 3d. torch.nn.AdaptiveMaxPool2d.
template <class T, int Rank>
class AdaptiveMaxPool : public Layer<T> {
 public:
  explicit AdaptiveMaxPool(PerAxis<Rank> extents, DataFormat format = DataFormat::NCHW);
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;
  [[nodiscard]] bool takes_maxima() const noexcept override { return true; }

 private:
  PerAxis<Rank> extents_;
  DataFormat format_;
};
template <class T = float>
class AdaptiveMaxPool1d final : public AdaptiveMaxPool<T, 1> {
 public:
  explicit AdaptiveMaxPool1d(PerAxis<1> extents, DataFormat format = DataFormat::NCHW)
      : AdaptiveMaxPool<T, 1>(extents, format) {}
};
template <class T = float>
class AdaptiveMaxPool2d final : public AdaptiveMaxPool<T, 2> {
 public:
  explicit AdaptiveMaxPool2d(PerAxis<2> extents, DataFormat format = DataFormat::NCHW)
      : AdaptiveMaxPool<T, 2>(extents, format) {}
};
template <class T = float>
class AdaptiveMaxPool3d final : public AdaptiveMaxPool<T, 3> {
 public:
  explicit AdaptiveMaxPool3d(PerAxis<3> extents, DataFormat format = DataFormat::NCHW)
      : AdaptiveMaxPool<T, 3>(extents, format) {}
};

/// nn::global_avg_pool: (N, C, spatial...) -> (N, C).
template <class T = float>
class GlobalAvgPool final : public Layer<T> {
 public:
  explicit GlobalAvgPool(const nn::GlobalPoolOptions& options = {}) : options_(options) {}
  [[nodiscard]] std::string name() const override { return "GlobalAvgPool"; }
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 private:
  nn::GlobalPoolOptions options_;
};

/// nn::global_max_pool: (N, C, spatial...) -> (N, C).
template <class T = float>
class GlobalMaxPool final : public Layer<T> {
 public:
  explicit GlobalMaxPool(const nn::GlobalPoolOptions& options = {}) : options_(options) {}
  [[nodiscard]] std::string name() const override { return "GlobalMaxPool"; }
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 private:
  nn::GlobalPoolOptions options_;
};

extern template class LAMINA_EXPORT MaxPool<float, 1>;
extern template class LAMINA_EXPORT MaxPool<float, 2>;
extern template class LAMINA_EXPORT MaxPool<float, 3>;
extern template class LAMINA_EXPORT MaxPool<double, 1>;
extern template class LAMINA_EXPORT MaxPool<double, 2>;
extern template class LAMINA_EXPORT MaxPool<double, 3>;
extern template class LAMINA_EXPORT AvgPool<float, 1>;
extern template class LAMINA_EXPORT AvgPool<float, 2>;
extern template class LAMINA_EXPORT AvgPool<float, 3>;
extern template class LAMINA_EXPORT AvgPool<double, 1>;
extern template class LAMINA_EXPORT AvgPool<double, 2>;
extern template class LAMINA_EXPORT AvgPool<double, 3>;
extern template class LAMINA_EXPORT LpPool<float, 1>;
extern template class LAMINA_EXPORT LpPool<float, 2>;
extern template class LAMINA_EXPORT LpPool<float, 3>;
extern template class LAMINA_EXPORT LpPool<double, 1>;
extern template class LAMINA_EXPORT LpPool<double, 2>;
extern template class LAMINA_EXPORT LpPool<double, 3>;
extern template class LAMINA_EXPORT AdaptiveAvgPool<float, 1>;
extern template class LAMINA_EXPORT AdaptiveAvgPool<float, 2>;
extern template class LAMINA_EXPORT AdaptiveAvgPool<float, 3>;
extern template class LAMINA_EXPORT AdaptiveAvgPool<double, 1>;
extern template class LAMINA_EXPORT AdaptiveAvgPool<double, 2>;
extern template class LAMINA_EXPORT AdaptiveAvgPool<double, 3>;
extern template class LAMINA_EXPORT AdaptiveMaxPool<float, 1>;
extern template class LAMINA_EXPORT AdaptiveMaxPool<float, 2>;
extern template class LAMINA_EXPORT AdaptiveMaxPool<float, 3>;
extern template class LAMINA_EXPORT AdaptiveMaxPool<double, 1>;
extern template class LAMINA_EXPORT AdaptiveMaxPool<double, 2>;
extern template class LAMINA_EXPORT AdaptiveMaxPool<double, 3>;
extern template class LAMINA_EXPORT GlobalAvgPool<float>;
extern template class LAMINA_EXPORT GlobalAvgPool<double>;
extern template class LAMINA_EXPORT GlobalMaxPool<float>;
extern template class LAMINA_EXPORT GlobalMaxPool<double>;

}  // namespace lamina::layers
