#include "lamina/layers/activation.hpp"

#include <sstream>

#include "lamina/autograd/ops_activation.hpp"
#include "lamina/autograd/ops_softmax.hpp"

namespace lamina::layers {

namespace {
std::string softmax_name(const char* name, const nn::SoftmaxOptions& options) {
  std::ostringstream text;
  text << name << "(axis " << options.axis;
  if (options.temperature != 1) {
    text << ", temperature " << options.temperature;
  }
  text << ')';
  return text.str();
}
}  // namespace

template <class T>
Activate<T>::Activate(nn::Activation kind, const nn::ActivationParams& params)
    : kind_(kind), params_(params) {
  (void)nn::activation(Array<T>(), kind, params);  // checks the parameters
}

template <class T>
std::string Activate<T>::name() const {
  const nn::ActivationRow& row = nn::activation_row(kind_);
  std::ostringstream text;
  text << row.name;
  const char* separator = "(";
  for (int i = 0; i < row.parameter_count; ++i) {
    const std::optional<double>& value = i == 0 ? params_.a : params_.b;
    const nn::ActivationParameter& parameter = row.parameters[static_cast<std::size_t>(i)];
    text << separator << parameter.name << " = " << value.value_or(parameter.default_value);
    separator = ", ";
  }
  text << (row.parameter_count > 0 ? ")" : "");
  return text.str();
}

template <class T>
Var<T> Activate<T>::forward(const Var<T>& x) {
  return autograd::activation(x, kind_, params_);
}

template <class T>
PReLU<T>::PReLU(Index channels, double slope) {
  check(channels >= 1, ErrorKind::InvalidOperation, "PReLU", "channels must be at least 1, got ",
        channels);
  slope_ = parameter(Array<T>::full({channels}, static_cast<T>(slope)));
}

template <class T>
std::string PReLU<T>::name() const {
  return "PReLU(" + std::to_string(slope_.size()) + ")";
}

template <class T>
Var<T> PReLU<T>::forward(const Var<T>& x) {
  return nn::prelu(x, slope_);
}

template <class T>
void PReLU<T>::members(Members<T>& list) {
  list.parameter("weight", slope_);
}

template <class T>
std::string Softmax<T>::name() const {
  return softmax_name("softmax", options_);
}

template <class T>
Var<T> Softmax<T>::forward(const Var<T>& x) {
  return nn::softmax(x, options_);
}

template <class T>
std::string LogSoftmax<T>::name() const {
  return softmax_name("log_softmax", options_);
}

template <class T>
Var<T> LogSoftmax<T>::forward(const Var<T>& x) {
  return nn::log_softmax(x, options_);
}

template class Activate<float>;
template class Activate<double>;
template class PReLU<float>;
template class PReLU<double>;
template class Softmax<float>;
template class Softmax<double>;
template class LogSoftmax<float>;
template class LogSoftmax<double>;

}  // namespace lamina::layers
