#include "lamina/layers/linear.hpp"

#include <cmath>

#include "lamina/autograd/ops_linear.hpp"
#include "lamina/nn/init.hpp"

namespace lamina::layers {

template <class T>
Array<T> initial_weight(WeightInit init, const Shape& shape, Generator& generator) {
  switch (init) {
    case WeightInit::FanInUniform:
      return nn::kaiming_uniform<T>(shape, generator, {.negative_slope = std::sqrt(5.0)});
    case WeightInit::KaimingUniform:
      return nn::kaiming_uniform<T>(shape, generator);
    case WeightInit::KaimingNormal:
      return nn::kaiming_normal<T>(shape, generator);
    case WeightInit::XavierUniform:
      return nn::xavier_uniform<T>(shape, generator);
    case WeightInit::XavierNormal:
      return nn::xavier_normal<T>(shape, generator);
    case WeightInit::LecunUniform:
      return nn::lecun_uniform<T>(shape, generator);
    case WeightInit::LecunNormal:
      return nn::lecun_normal<T>(shape, generator);
    case WeightInit::Zeros:
      break;
  }
  return Array<T>::zeros(shape);
}

template <class T>
Linear<T>::Linear(Index in, Index out, Generator& generator, const LinearOptions& options) {
  check(in >= 0 && out >= 0, ErrorKind::InvalidOperation, "Linear",
        "extents must not be negative, got in ", in, ", out ", out);
  weight_ = parameter(initial_weight<T>(options.init, {out, in}, generator));
  if (options.bias) {
    const bool random = options.init == WeightInit::FanInUniform && in > 0;
    const T bound = random ? static_cast<T>(1 / std::sqrt(static_cast<double>(in))) : T{0};
    bias_ = parameter(random ? random_uniform<T>({out}, generator, -bound, bound)
                             : Array<T>::zeros({out}));
  }
}

template <class T>
Linear<T>::Linear(Array<T> weight) {
  check(weight.rank() == 2, ErrorKind::DimensionMismatch, "Linear",
        "weight must be (out, in), got ", weight.shape());
  weight_ = parameter(std::move(weight));
}

template <class T>
Linear<T>::Linear(Array<T> weight, Array<T> bias) : Linear(std::move(weight)) {
  check(bias.shape() == Shape{weight_.extent(0)}, ErrorKind::DimensionMismatch, "Linear", "bias ",
        bias.shape(), " does not fit weight ", weight_.shape());
  bias_ = parameter(std::move(bias));
}

template <class T>
std::string Linear<T>::name() const {
  return "Linear(" + std::to_string(weight_.extent(1)) + " -> " +
         std::to_string(weight_.extent(0)) + (bias_.defined() ? ")" : ", no bias)");
}

template <class T>
Var<T> Linear<T>::forward(const Var<T>& x) {
  return nn::linear(x, weight_, bias_);
}

template <class T>
void Linear<T>::members(Members<T>& list) {
  list.parameter("weight", weight_);
  list.parameter("bias", bias_);
}

#define LAMINA_INSTANTIATE(T)                                                              \
  template LAMINA_EXPORT Array<T> initial_weight<T>(WeightInit, const Shape&, Generator&); \
  template class Linear<T>;
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::layers
