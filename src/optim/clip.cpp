#include "lamina/optim/clip.hpp"

#include <algorithm>
#include <cmath>

#include "lamina/nn/activation.hpp"
#include "lamina/nn/reduction.hpp"
#include "lamina/nn/update.hpp"

namespace lamina::optim {

namespace {

template <class T>
std::vector<MutView<T>> gradients_of(const std::vector<Var<T>>& parameters) {
  std::vector<MutView<T>> gradients;
  for (const Var<T>& parameter : parameters) {
    if (parameter.has_grad()) {
      gradients.push_back(parameter.mutable_grad());
    }
  }
  return gradients;
}

template <class T>
std::vector<Var<T>> without_names(const std::vector<autograd::NamedVar<T>>& parameters) {
  std::vector<Var<T>> vars;
  for (const autograd::NamedVar<T>& parameter : parameters) {
    vars.push_back(parameter.var);
  }
  return vars;
}

template <class T>
double total_norm(const std::vector<MutView<T>>& gradients, double norm_type) {
  double total = 0;
  for (const MutView<T>& gradient : gradients) {
    if (std::isinf(norm_type)) {
      const auto largest = static_cast<double>(nn::norm(gradient, nn::Norm::Inf).item());
      total = std::isnan(largest) || largest > total ? largest : total;
    } else if (norm_type == 2) {
      total += nn::sum_of_squares(gradient);
    } else {
      for (const T value : gradient) {
        total += std::pow(std::abs(static_cast<double>(value)), norm_type);
      }
    }
  }
  return std::isinf(norm_type) ? total
         : norm_type == 2      ? std::sqrt(total)
                               : std::pow(total, 1 / norm_type);
}

}  // namespace

template <class T>
double clip_grad_norm(const std::vector<Var<T>>& parameters, double max_norm,
                      const ClipOptions& options) {
  check(max_norm > 0, ErrorKind::InvalidOperation, "clip_grad_norm",
        "max_norm must be positive, got ", max_norm);
  check(options.norm_type > 0, ErrorKind::InvalidOperation, "clip_grad_norm",
        "norm_type must be positive, got ", options.norm_type);
  const std::vector<MutView<T>> gradients = gradients_of(parameters);
  const double norm = total_norm(gradients, options.norm_type);
  check(!options.error_if_nonfinite || std::isfinite(norm), ErrorKind::InvalidOperation,
        "clip_grad_norm", "the norm of the gradients is ", norm);
  const double factor = max_norm / (norm + 1e-6);
  if (!(factor >= 1)) {
    for (const MutView<T>& gradient : gradients) {
      nn::scale_into<T>(gradient, gradient, static_cast<T>(factor));
    }
  }
  return norm;
}

template <class T>
double clip_grad_norm(const std::vector<autograd::NamedVar<T>>& parameters, double max_norm,
                      const ClipOptions& options) {
  return clip_grad_norm(without_names(parameters), max_norm, options);
}

template <class T>
void clip_grad_value(const std::vector<Var<T>>& parameters, double clip_value) {
  check(clip_value >= 0, ErrorKind::InvalidOperation, "clip_grad_value",
        "clip_value must not be negative, got ", clip_value);
  for (const MutView<T>& gradient : gradients_of(parameters)) {
    nn::hardtanh_into<T>(gradient, gradient, -clip_value, clip_value);
  }
}

template <class T>
void clip_grad_value(const std::vector<autograd::NamedVar<T>>& parameters, double clip_value) {
  clip_grad_value(without_names(parameters), clip_value);
}

#define LAMINA_INSTANTIATE(T)                                                                \
  template LAMINA_EXPORT double clip_grad_norm<T>(const std::vector<Var<T>>&, double,        \
                                                  const ClipOptions&);                       \
  template LAMINA_EXPORT double clip_grad_norm<T>(const std::vector<autograd::NamedVar<T>>&, \
                                                  double, const ClipOptions&);               \
  template LAMINA_EXPORT void clip_grad_value<T>(const std::vector<Var<T>>&, double);        \
  template LAMINA_EXPORT void clip_grad_value<T>(const std::vector<autograd::NamedVar<T>>&, double);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::optim
