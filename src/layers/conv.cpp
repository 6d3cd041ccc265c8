#include "lamina/layers/conv.hpp"

#include <cmath>
#include <sstream>

#include "lamina/autograd/ops_conv.hpp"

namespace lamina::layers {

template <class T>
Conv2d<T>::Conv2d(Index in, Index out, std::array<Index, 2> kernel, Generator& generator,
                  const Conv2dLayerOptions& options)
    : options_(options.conv) {
  const Index groups = options_.groups;
  check(in >= 1 && out >= 1 && kernel[0] >= 1 && kernel[1] >= 1, ErrorKind::InvalidOperation,
        "Conv2d", "channels and kernel must be at least 1, got in ", in, ", out ", out,
        ", kernel (", kernel[0], ", ", kernel[1], ")");
  check(groups >= 1 && in % groups == 0 && out % groups == 0, ErrorKind::InvalidOperation, "Conv2d",
        "groups ", groups, " must divide the channels, in ", in, ", out ", out);
  const Shape shape{out, in / groups, kernel[0], kernel[1]};
  weight_ = parameter(initial_weight<T>(options.init, shape, generator));
  if (options.bias) {
    const bool random = options.init == WeightInit::FanInUniform;
    const auto fan_in = static_cast<double>(shape.size() / out);
    const T bound = static_cast<T>(1 / std::sqrt(fan_in));
    bias_ = parameter(random ? random_uniform<T>({out}, generator, -bound, bound)
                             : Array<T>::zeros({out}));
  }
}

template <class T>
std::string Conv2d<T>::name() const {
  const Shape& w = weight_.shape();
  std::ostringstream text;
  text << "Conv2d(" << w[1] * options_.groups << " -> " << w[0] << ", kernel (" << w[2] << ", "
       << w[3] << "), stride (" << options_.stride[0] << ", " << options_.stride[1] << ')';
  if (options_.groups > 1) text << ", groups " << options_.groups;
  if (!bias_.defined()) text << ", no bias";
  text << ')';
  return text.str();
}

template <class T>
Var<T> Conv2d<T>::forward(const Var<T>& x) {
  return nn::conv2d(x, weight_, bias_, options_);
}

template <class T>
void Conv2d<T>::members(Members<T>& list) {
  list.parameter("weight", weight_);
  list.parameter("bias", bias_);
}

template class Conv2d<float>;
template class Conv2d<double>;

}  // namespace lamina::layers
