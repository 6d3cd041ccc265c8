#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "lamina/core/random.hpp"
#include "lamina/layers/module.hpp"

namespace lamina::layers {

/// How a weight starts: the functions of nn/init.hpp.
enum class WeightInit : std::uint8_t {
  FanInUniform,  ///< uniform on [-1 / sqrt(fan_in), 1 / sqrt(fan_in)]: torch.nn's default
  KaimingUniform,
  KaimingNormal,
  XavierUniform,
  XavierNormal,
  LecunUniform,
  LecunNormal,
  Zeros,
};

/// A weight of shape (out, in, kernel...) that starts as `init` says.
template <class T>
[[nodiscard]] Array<T> initial_weight(WeightInit init, const Shape& shape, Generator& generator);

struct LinearOptions {
  bool bias = true;
  WeightInit init = WeightInit::FanInUniform;
};

/// Fully connected layer: y = x weight^T + bias.
///
/// x (..., in)   weight (out, in)   bias (out)   y (..., out)
/// With FanInUniform the bias starts likewise, as in torch.nn.Linear; otherwise at 0.
/// Errors: InvalidOperation for extents below 0; those of nn::linear.
template <class T = float>
class Linear final : public Layer<T> {
 public:
  Linear(Index in, Index out, Generator& generator, const LinearOptions& options = {});
  /// With given values. Error(DimensionMismatch) unless weight has rank 2 and bias fits.
  explicit Linear(Array<T> weight);
  Linear(Array<T> weight, Array<T> bias);

  [[nodiscard]] const Var<T>& weight() const noexcept { return weight_; }
  /// Undefined if there is none.
  [[nodiscard]] const Var<T>& bias() const noexcept { return bias_; }
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 protected:
  void members(Members<T>& list) override;

 private:
  Var<T> weight_;
  Var<T> bias_;
};

template <class T>
Linear(Array<T>) -> Linear<T>;
template <class T>
Linear(Array<T>, Array<T>) -> Linear<T>;

extern template class LAMINA_EXPORT Linear<float>;
extern template class LAMINA_EXPORT Linear<double>;

}  // namespace lamina::layers
