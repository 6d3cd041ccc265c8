#pragma once

#include <vector>

#include "lamina/autograd/var.hpp"

namespace lamina::optim {

struct ClipOptions {
  /// 2, or infinity for the largest absolute value; any other positive exponent works as well.
  double norm_type = 2.0;
  bool error_if_nonfinite = false;  ///< Error(InvalidOperation) if the norm is NaN or infinite
};

/// Scales all gradients so that their common norm is at most max_norm; returns the norm before.
///
///   norm = (sum over all elements of |g|^q)^(1/q),   g = g min(1, max_norm / (norm + 1e-6))
///
/// Variables without a gradient are left out. A NaN or infinite norm makes the gradients so, unless
/// error_if_nonfinite. Error(InvalidOperation): max_norm or norm_type not positive.
/// torch.nn.utils.clip_grad_norm_. Pascanu, Mikolov and Bengio 2013.
template <class T>
double clip_grad_norm(const std::vector<autograd::NamedVar<T>>& parameters, double max_norm,
                      const ClipOptions& options = {});
template <class T>
double clip_grad_norm(const std::vector<Var<T>>& parameters, double max_norm,
                      const ClipOptions& options = {});

/// Clamps every element of all gradients to [-clip_value, clip_value]; NaN stays.
/// Error(InvalidOperation) for a negative clip_value. torch.nn.utils.clip_grad_value_.
template <class T>
void clip_grad_value(const std::vector<autograd::NamedVar<T>>& parameters, double clip_value);
template <class T>
void clip_grad_value(const std::vector<Var<T>>& parameters, double clip_value);

}  // namespace lamina::optim
