#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "lamina/core/array.hpp"
#include "lamina/core/view.hpp"
#include "lamina/export.hpp"

// How parameters change from their gradients: the arithmetic of optimizers on plain arrays.
// lamina::optim keeps the state and the groups.

namespace lamina::nn {

/// Stochastic gradient descent.  g = gradient + weight_decay p
///
///   b = momentum b + (1 - dampening) g   (b = g at step 1)
///   p = p - lr (nesterov ? g + momentum b : b)
///
/// torch.optim.SGD. Sutskever et al., "On the importance of initialization and momentum", 2013.
struct SgdOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
  bool maximize = false;
};

/// Adam.  g = gradient + weight_decay p
///
///   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
///   p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
///
/// With amsgrad, the largest v so far takes the place of v in the second line.
/// torch.optim.Adam. Kingma and Ba 2015; Reddi, Kale and Kumar 2018.
struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool amsgrad = false;
  bool maximize = false;
};

/// Adam with decoupled weight decay: g is the gradient alone, and p = (1 - lr weight_decay) p comes
/// first.  torch.optim.AdamW. Loshchilov and Hutter 2019.
struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;
  bool amsgrad = false;
  bool maximize = false;
};

/// Adam in the infinity norm.  m as Adam,  u = max(beta2 u, |g| + eps),
/// p = p - lr / (1 - beta1^t) m / u.  torch.optim.Adamax. Kingma and Ba 2015.
struct AdamaxOptions {
  double lr = 2e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool maximize = false;
};

/// Rectified Adam: plain momentum until the variance of the step is tractable, then Adam times
/// r_t = sqrt((rho_t - 4)(rho_t - 2) rho_inf / ((rho_inf - 4)(rho_inf - 2) rho_t)), where
/// rho_inf = 2 / (1 - beta2) - 1 and rho_t = rho_inf - 2 t beta2^t / (1 - beta2^t).
/// torch.optim.RAdam. Liu et al. 2020.
struct RAdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool maximize = false;
};

/// RMSProp.  v = alpha v + (1 - alpha) g^2,  a = sqrt(v) + eps (centered: sqrt(v - mean(g)^2)),
/// p = p - lr g / a;  with momentum b = momentum b + g / a,  p = p - lr b.
/// torch.optim.RMSprop. Hinton 2012; centered: Graves 2013.
struct RmsPropOptions {
  double lr = 1e-2;
  double alpha = 0.99;
  double eps = 1e-8;
  double weight_decay = 0;
  double momentum = 0;
  bool centered = false;
  bool maximize = false;
};

/// Adagrad.  s = s + g^2,  p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps).
/// torch.optim.Adagrad. Duchi, Hazan and Singer 2011.
struct AdagradOptions {
  double lr = 1e-2;
  double lr_decay = 0;
  double weight_decay = 0;
  double initial_accumulator_value = 0;
  double eps = 1e-10;
  bool maximize = false;
};

/// Adadelta.  v = rho v + (1 - rho) g^2,  d = sqrt(u + eps) / sqrt(v + eps) g,
/// u = rho u + (1 - rho) d^2,  p = p - lr d.  torch.optim.Adadelta. Zeiler 2012.
struct AdadeltaOptions {
  double lr = 1.0;
  double rho = 0.9;
  double eps = 1e-6;
  double weight_decay = 0;
  bool maximize = false;
};

/// Lion.  p = (1 - lr weight_decay) p - lr sign(beta1 m + (1 - beta1) g),
/// m = beta2 m + (1 - beta2) g.  Chen et al., "Symbolic discovery of optimization algorithms",
/// 2023.
struct LionOptions {
  double lr = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double weight_decay = 0;
  bool maximize = false;
};

/// One update rule with its numbers.
using UpdateOptions =
    std::variant<SgdOptions, AdamOptions, AdamWOptions, AdamaxOptions, RAdamOptions, RmsPropOptions,
                 AdagradOptions, AdadeltaOptions, LionOptions>;

/// "SGD", "Adam", "AdamW" ...
[[nodiscard]] LAMINA_EXPORT std::string_view update_name(const UpdateOptions& options);
/// Error(InvalidOperation) for a number outside its range: lr, eps, weight_decay >= 0, betas in
/// [0, 1) and so on.
LAMINA_EXPORT void check_update_options(const UpdateOptions& options);
/// The learning rate among the options.
[[nodiscard]] LAMINA_EXPORT double& learning_rate(UpdateOptions& options);
[[nodiscard]] LAMINA_EXPORT double learning_rate(const UpdateOptions& options);

/// State that a rule keeps for each element, as PyTorch names it, and what it starts from.
struct UpdateSlot {
  std::string_view name;  ///< e.g. "exp_avg"
  double initial_value;
};
/// Slots of a rule with these options, in the order in which update_inplace() takes them.
[[nodiscard]] LAMINA_EXPORT std::vector<UpdateSlot> update_slots(const UpdateOptions& options);

/// One step of an update rule, in place.
///
/// gradient, parameter, each of slots   one shape
/// step   t of the formulas: 1 for the first step with these slots
/// Errors: DimensionMismatch if shapes differ; InvalidOperation for a wrong number of slots, step
/// below 1, an option outside its range, or arrays that overlap.
/// Numerics: sums and products are rounded one by one (no fused multiply-add), numbers that do not
/// depend on the element are computed in double. The same bits on every target and thread count.
template <class T>
void update_inplace(const View<T>& gradient, MutArg<T> parameter,
                    const std::vector<MutView<std::type_identity_t<T>>>& slots,
                    const UpdateOptions& options, Index step);

/// y = y + alpha x, element by element.
///
/// x, y  one shape.  Errors: DimensionMismatch; InvalidOperation for partial overlap.
/// BLAS axpy.
template <class T>
void axpy_into(const View<T>& x, MutArg<T> y, std::type_identity_t<T> alpha = 1);

/// out = factor x, element by element.
///
/// x, out  one shape.  In place: out may be x.  Errors: DimensionMismatch; InvalidOperation for
/// partial overlap.  BLAS scal.
template <class T>
void scale_into(const View<T>& x, MutArg<T> out, std::type_identity_t<T> factor);

/// Sum of the squares of all elements, in double. Two threads give the same bits as one.
template <class T>
[[nodiscard]] double sum_of_squares(const View<T>& x);

}  // namespace lamina::nn
