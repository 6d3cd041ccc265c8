#include "lamina/layers/conv.hpp"

#include <cmath>
#include <sstream>
#include <utility>

#include "lamina/autograd/ops_conv.hpp"

namespace lamina::layers {

namespace {

template <int Rank>
std::string listed(const PerAxis<Rank>& values) {
  std::ostringstream text;
  for (std::size_t i = 0; i < values.kRank; ++i) text << (i == 0 ? "(" : ", ") << values[i];
  text << ')';
  return text.str();
}

template <int Rank>
void check_arguments(const std::string& type, Index in, Index out, const PerAxis<Rank>& kernel,
                     Index groups) {
  bool possible = in >= 1 && out >= 1;
  for (const Index extent : kernel) possible = possible && extent >= 1;
  check(possible, ErrorKind::InvalidOperation, type,
        "channels and kernel must be at least 1, got in ", in, ", out ", out, ", kernel ",
        listed(kernel));
  check(groups >= 1 && in % groups == 0 && out % groups == 0, ErrorKind::InvalidOperation, type,
        "groups ", groups, " must divide the channels, in ", in, ", out ", out);
}

/// (first, second, kernel...)
template <int Rank>
Shape weight_shape(Index first, Index second, const PerAxis<Rank>& kernel) {
  IndexList shape{first, second};
  for (const Index extent : kernel) shape.push_back(extent);
  return Shape(shape);
}

/// Starts as in torch.nn: the bias on the range of the weight, whose fan-in is shape[1] * kernel.
template <class T>
Array<T> initial_bias(WeightInit init, const Shape& weight, Index out, Generator& generator) {
  if (init != WeightInit::FanInUniform) return Array<T>::zeros({out});
  const auto fan_in = static_cast<double>(weight.size() / weight[0]);
  const T bound = static_cast<T>(1 / std::sqrt(fan_in));
  return random_uniform<T>({out}, generator, -bound, bound);
}

template <int Rank>
std::string describe_conv(const std::string& type, Index in, Index out, const Shape& weight,
                          const PerAxis<Rank>& stride, Index groups, bool bias) {
  PerAxis<Rank> kernel = 1;
  for (int i = 0; i < Rank; ++i) kernel[static_cast<std::size_t>(i)] = weight[i + 2];
  std::ostringstream text;
  text << type << '(' << in << " -> " << out << ", kernel " << listed(kernel) << ", stride "
       << listed(stride);
  if (groups > 1) text << ", groups " << groups;
  if (!bias) text << ", no bias";
  text << ')';
  return text.str();
}

// The ranks under one name.
template <class T>
Var<T> apply(const Var<T>& x, const Var<T>& w, const Var<T>& b, const nn::Conv1dOptions& o) {
  return nn::conv1d(x, w, b, o);
}
template <class T>
Var<T> apply(const Var<T>& x, const Var<T>& w, const Var<T>& b, const nn::Conv2dOptions& o) {
  return nn::conv2d(x, w, b, o);
}
template <class T>
Var<T> apply(const Var<T>& x, const Var<T>& w, const Var<T>& b, const nn::Conv3dOptions& o) {
  return nn::conv3d(x, w, b, o);
}
template <class T>
Var<T> apply(const Var<T>& x, const Var<T>& w, const Var<T>& b,
             const nn::ConvTranspose1dOptions& o) {
  return nn::conv_transpose1d(x, w, b, o);
}
template <class T>
Var<T> apply(const Var<T>& x, const Var<T>& w, const Var<T>& b,
             const nn::ConvTranspose2dOptions& o) {
  return nn::conv_transpose2d(x, w, b, o);
}
template <class T>
Var<T> apply(const Var<T>& x, const Var<T>& w, const Var<T>& b,
             const nn::ConvTranspose3dOptions& o) {
  return nn::conv_transpose3d(x, w, b, o);
}

}  // namespace

template <class T, int Rank>
Convolution<T, Rank>::Convolution(std::string type, Index in, Index out,
                                  const PerAxis<Rank>& kernel, Generator& generator,
                                  const ConvLayerOptions<Rank>& options)
    : type_(std::move(type)), options_(options.conv) {
  check_arguments(type_, in, out, kernel, options_.groups);
  const Shape shape = weight_shape(out, in / options_.groups, kernel);
  weight_ = parameter(initial_weight<T>(options.init, shape, generator));
  if (options.bias) bias_ = parameter(initial_bias<T>(options.init, shape, out, generator));
}

template <class T, int Rank>
std::string Convolution<T, Rank>::name() const {
  const Shape& w = weight_.shape();
  return describe_conv(type_, w[1] * options_.groups, w[0], w, options_.stride, options_.groups,
                       bias_.defined());
}

template <class T, int Rank>
Var<T> Convolution<T, Rank>::forward(const Var<T>& x) {
  return apply<T>(x, weight_, bias_, options_);
}

template <class T, int Rank>
void Convolution<T, Rank>::members(Members<T>& list) {
  list.parameter("weight", weight_);
  list.parameter("bias", bias_);
}

template <class T, int Rank>
TransposedConvolution<T, Rank>::TransposedConvolution(
    std::string type, Index in, Index out, const PerAxis<Rank>& kernel, Generator& generator,
    const ConvTransposeLayerOptions<Rank>& options)
    : type_(std::move(type)), options_(options.conv) {
  check_arguments(type_, in, out, kernel, options_.groups);
  const Shape shape = weight_shape(in, out / options_.groups, kernel);
  weight_ = parameter(initial_weight<T>(options.init, shape, generator));
  if (options.bias) bias_ = parameter(initial_bias<T>(options.init, shape, out, generator));
}

template <class T, int Rank>
std::string TransposedConvolution<T, Rank>::name() const {
  const Shape& w = weight_.shape();
  return describe_conv(type_, w[0], w[1] * options_.groups, w, options_.stride, options_.groups,
                       bias_.defined());
}

template <class T, int Rank>
Var<T> TransposedConvolution<T, Rank>::forward(const Var<T>& x) {
  return apply<T>(x, weight_, bias_, options_);
}

template <class T, int Rank>
void TransposedConvolution<T, Rank>::members(Members<T>& list) {
  list.parameter("weight", weight_);
  list.parameter("bias", bias_);
}

template class Convolution<float, 1>;
template class Convolution<float, 2>;
template class Convolution<float, 3>;
template class Convolution<double, 1>;
template class Convolution<double, 2>;
template class Convolution<double, 3>;
template class TransposedConvolution<float, 1>;
template class TransposedConvolution<float, 2>;
template class TransposedConvolution<float, 3>;
template class TransposedConvolution<double, 1>;
template class TransposedConvolution<double, 2>;
template class TransposedConvolution<double, 3>;

}  // namespace lamina::layers
