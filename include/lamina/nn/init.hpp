#pragma once

#include <cstdint>

#include "lamina/core/random.hpp"

namespace lamina::nn {

/// Which extent of a weight sets the scale of its initial values.
enum class FanMode : std::uint8_t { In, Out };

/// Inputs and outputs that one unit of a weight touches. Of (out, in, kernel...): in * kernel and
/// out * kernel, where kernel is the product of the axes from 2 on.
struct Fan {
  Index in = 0;
  Index out = 0;
};
/// Error(DimensionMismatch) unless the rank is at least 2.
[[nodiscard]] LAMINA_EXPORT Fan fan_of(const Shape& weight);

struct KaimingOptions {
  FanMode mode = FanMode::In;
  /// Of the leaky ReLU that follows: gain = sqrt(2 / (1 + slope^2)). 0 is ReLU; sqrt(5) gives the
  /// default of torch.nn.Linear.
  double negative_slope = 0.0;
};

/// Uniform on [-a, a], a = gain sqrt(6 / (fan_in + fan_out)): keeps the variance of activations and
/// of gradients alike for tanh-like units. Shape (out, in, kernel...).
/// Error(DimensionMismatch) for rank below 2.
/// torch.nn.init.xavier_uniform_, Keras GlorotUniform. Glorot and Bengio 2010, AISTATS.
template <class T>
[[nodiscard]] Array<T> xavier_uniform(const Shape& shape, Generator& generator, double gain = 1.0);
/// Normal with deviation gain sqrt(2 / (fan_in + fan_out)); otherwise as xavier_uniform.
/// torch.nn.init.xavier_normal_, Keras GlorotNormal (which truncates).
template <class T>
[[nodiscard]] Array<T> xavier_normal(const Shape& shape, Generator& generator, double gain = 1.0);

/// Uniform on [-a, a], a = gain sqrt(3 / fan), for units behind (leaky) ReLU. Shape (out, in,
/// kernel...). Error(DimensionMismatch) for rank below 2.
/// torch.nn.init.kaiming_uniform_, Keras HeUniform. He et al. 2015, arXiv:1502.01852.
template <class T>
[[nodiscard]] Array<T> kaiming_uniform(const Shape& shape, Generator& generator,
                                       const KaimingOptions& options = {});
/// Normal with deviation gain / sqrt(fan); otherwise as kaiming_uniform.
/// torch.nn.init.kaiming_normal_, Keras HeNormal (which truncates).
template <class T>
[[nodiscard]] Array<T> kaiming_normal(const Shape& shape, Generator& generator,
                                      const KaimingOptions& options = {});

/// Uniform on [-a, a], a = sqrt(3 / fan_in), for SELU and linear units. Shape (out, in, kernel...).
/// Error(DimensionMismatch) for rank below 2.
/// Keras LecunUniform. LeCun et al. 1998, "Efficient BackProp".
template <class T>
[[nodiscard]] Array<T> lecun_uniform(const Shape& shape, Generator& generator);
/// Normal with deviation 1 / sqrt(fan_in); otherwise as lecun_uniform.
/// Keras LecunNormal (which truncates).
template <class T>
[[nodiscard]] Array<T> lecun_normal(const Shape& shape, Generator& generator);

}  // namespace lamina::nn
