#include "lamina/nn/normalization.hpp"

#include "nn/norm_plan.hpp"

namespace lamina::nn {

namespace {

using detail::ChannelGroups;
using detail::NormPlan;
using detail::plan_axes;
using detail::plan_channels;

template <class T>
const Shape* shape_of(const View<T>& x) {
  return x.defined() ? &x.shape() : nullptr;
}

/// Checks what all forward functions have in common, then runs.
template <class T>
void forward(const char* name, const NormPlan& plan, const View<T>& x, const MutView<T>& out,
             const View<T>& gamma, const View<T>& beta, double eps, const NormStatistics<T>& saved,
             bool center = true, T* var = nullptr) {
  detail::check_norm_eps(name, eps);
  check(out.defined() && out.shape() == x.shape(), ErrorKind::DimensionMismatch, name, "out ",
        out.shape(), " does not have the shape of x ", x.shape());
  detail::check_norm_shape<T>(name, "gamma", gamma, plan.parameters, "x", x);
  detail::check_norm_shape<T>(name, "beta", beta, plan.parameters, "x", x);
  detail::check_norm_shape<T>(name, "saved.mean", saved.mean, plan.statistics, "x", x);
  detail::check_norm_shape<T>(name, "saved.rstd", saved.rstd, plan.statistics, "x", x);
  detail::check_same_or_apart<T>(out, "out", x, "x", name);
  const auto check_output = [&](const char* argument, const View<T>& output) {
    if (output.size() > 0) {
      detail::check_writable<T>(output, name, argument);
    }
    detail::check_norm_apart<T>(name, argument, output, "gamma", gamma);
    detail::check_norm_apart<T>(name, argument, output, "beta", beta);
  };
  check_output("out", out);
  check_output("saved.mean", saved.mean);
  check_output("saved.rstd", saved.rstd);
  for (const View<T>& other : {x, View<T>(out)}) {
    detail::check_norm_apart<T>(name, "saved.mean", saved.mean, "x or out", other);
    detail::check_norm_apart<T>(name, "saved.rstd", saved.rstd, "x or out", other);
  }
  detail::check_norm_apart<T>(name, "saved.mean", saved.mean, "saved.rstd", saved.rstd);

  const lamina::detail::Packed<T> packed_x(x);
  const detail::MaybePacked<T> packed_gamma(gamma);
  const detail::MaybePacked<T> packed_beta(beta);
  detail::PackedOut<T> packed_out(out);
  detail::PackedOut<T> packed_mean(saved.mean);
  detail::PackedOut<T> packed_rstd(saved.rstd);
  detail::NormForward<T> pass;
  pass.x = packed_x.data();
  pass.y = packed_out.data();
  pass.gamma = packed_gamma.data();
  pass.beta = packed_beta.data();
  pass.eps = eps;
  pass.center = center;
  pass.mean = packed_mean.data();
  pass.rstd = packed_rstd.data();
  pass.var = var;
  detail::run_norm(plan, pass);
  packed_out.finish();
  packed_mean.finish();
  packed_rstd.finish();
}

template <class T>
void batch_norm_named(const char* name, const View<T>& x, const MutView<T>& out,
                      const View<T>& gamma, const View<T>& beta, double eps, DataFormat format,
                      const NormStatistics<T>& saved) {
  detail::check_defined(x, name, "x");
  const NormPlan plan = plan_channels(name, x.shape(), format, ChannelGroups::Batch);
  forward<T>(name, plan, x, out, gamma, beta, eps, saved);
}

}  // namespace

template <class T>
void layer_norm_into(const View<T>& x, MutArg<T> out, ViewArg<T> gamma, ViewArg<T> beta, double eps,
                     int axes, const NormStatistics<std::type_identity_t<T>>& saved) {
  detail::check_defined(x, "layer_norm", "x");
  const NormPlan plan = plan_axes("layer_norm", x.shape(), shape_of(gamma), shape_of(beta), axes);
  forward<T>("layer_norm", plan, x, out, gamma, beta, eps, saved);
}
template <class T>
Array<T> layer_norm(const View<T>& x, ViewArg<T> gamma, ViewArg<T> beta, double eps, int axes) {
  Array<T> out = Array<T>::empty(x.shape());
  layer_norm_into<T>(x, out, gamma, beta, eps, axes);
  return out;
}

template <class T>
void rms_norm_into(const View<T>& x, MutArg<T> out, ViewArg<T> gamma, double eps, int axes,
                   MutArg<T> saved_rstd) {
  detail::check_defined(x, "rms_norm", "x");
  const NormPlan plan = plan_axes("rms_norm", x.shape(), shape_of(gamma), nullptr, axes);
  forward<T>("rms_norm", plan, x, out, gamma, {}, eps, {{}, saved_rstd}, false);
}
template <class T>
Array<T> rms_norm(const View<T>& x, ViewArg<T> gamma, double eps, int axes) {
  Array<T> out = Array<T>::empty(x.shape());
  rms_norm_into<T>(x, out, gamma, eps, axes);
  return out;
}

template <class T>
void batch_norm_into(const View<T>& x, MutArg<T> out, ViewArg<T> gamma, ViewArg<T> beta, double eps,
                     DataFormat format, const NormStatistics<std::type_identity_t<T>>& saved) {
  batch_norm_named<T>("batch_norm", x, out, gamma, beta, eps, format, saved);
}
template <class T>
Array<T> batch_norm(const View<T>& x, ViewArg<T> gamma, ViewArg<T> beta, double eps,
                    DataFormat format) {
  Array<T> out = Array<T>::empty(x.shape());
  batch_norm_into<T>(x, out, gamma, beta, eps, format);
  return out;
}
template <class T>
Array<T> batch_norm_1d(const View<T>& x, ViewArg<T> gamma, ViewArg<T> beta, double eps,
                       DataFormat format) {
  check(x.defined() && (x.rank() == 2 || x.rank() == 3), ErrorKind::DimensionMismatch,
        "batch_norm_1d", "x must have rank 2 or 3, got shape ", x.shape());
  Array<T> out = Array<T>::empty(x.shape());
  batch_norm_named<T>("batch_norm_1d", x, out, gamma, beta, eps, format, {});
  return out;
}
template <class T>
Array<T> batch_norm_2d(const View<T>& x, ViewArg<T> gamma, ViewArg<T> beta, double eps,
                       DataFormat format) {
  (void)x.template dims<4>("batch_norm_2d");
  Array<T> out = Array<T>::empty(x.shape());
  batch_norm_named<T>("batch_norm_2d", x, out, gamma, beta, eps, format, {});
  return out;
}
template <class T>
Array<T> batch_norm_3d(const View<T>& x, ViewArg<T> gamma, ViewArg<T> beta, double eps,
                       DataFormat format) {
  (void)x.template dims<5>("batch_norm_3d");
  Array<T> out = Array<T>::empty(x.shape());
  batch_norm_named<T>("batch_norm_3d", x, out, gamma, beta, eps, format, {});
  return out;
}

template <class T>
void batch_norm_training_into(const View<T>& x, MutArg<T> out, MutArg<T> running_mean,
                              MutArg<T> running_var, ViewArg<T> gamma, ViewArg<T> beta,
                              const BatchNormOptions& options,
                              const NormStatistics<std::type_identity_t<T>>& saved) {
  constexpr const char* kName = "batch_norm_training";
  detail::check_defined(x, kName, "x");
  const NormPlan plan = plan_channels(kName, x.shape(), options.format, ChannelGroups::Batch);
  detail::check_defined(running_mean, kName, "running_mean");
  detail::check_defined(running_var, kName, "running_var");
  check(options.momentum >= 0 && options.momentum <= 1, ErrorKind::InvalidOperation, kName,
        "momentum must be in [0, 1], got ", options.momentum);
  check(plan.group_size() > 1, ErrorKind::InvalidOperation, kName,
        "a variance needs two values a channel, x ", x.shape(), " has ", plan.group_size());
  const struct {
    const char* name;
    const MutView<T>& view;
  } running[] = {{"running_mean", running_mean}, {"running_var", running_var}};
  for (const auto& [name, view] : running) {
    detail::check_norm_shape<T>(kName, name, view, plan.parameters, "x", x);
    if (view.size() > 0) {
      detail::check_writable<T>(view, kName, name);
    }
    detail::check_norm_apart<T>(kName, name, view, "x", x);
    detail::check_norm_apart<T>(kName, name, view, "out", out);
    detail::check_norm_apart<T>(kName, name, view, "gamma", gamma);
    detail::check_norm_apart<T>(kName, name, view, "beta", beta);
    detail::check_norm_apart<T>(kName, name, view, "saved.mean", saved.mean);
    detail::check_norm_apart<T>(kName, name, view, "saved.rstd", saved.rstd);
  }
  detail::check_norm_apart<T>(kName, "running_mean", running_mean, "running_var", running_var);
  Array<T> mean = Array<T>::empty(plan.statistics);
  Array<T> var = Array<T>::empty(plan.statistics);
  NormStatistics<T> statistics{mean, saved.rstd};
  if (saved.mean.defined()) {
    detail::check_norm_shape<T>(kName, "saved.mean", saved.mean, plan.statistics, "x", x);
    statistics.mean = saved.mean;
  }
  forward<T>(kName, plan, x, out, gamma, beta, options.eps, statistics, true, var.data());
  const double count = static_cast<double>(plan.group_size());
  const double momentum = options.momentum;
  const auto blend = [&](T& to, double value) {
    to = static_cast<T>((1 - momentum) * static_cast<double>(to) + momentum * value);
  };
  for (Index c = 0; c < plan.groups; ++c) {
    blend(running_mean(c), static_cast<double>(statistics.mean(c)));
    blend(running_var(c), static_cast<double>(var(c)) * (count / (count - 1)));
  }
}
template <class T>
Array<T> batch_norm_training(const View<T>& x, MutArg<T> running_mean, MutArg<T> running_var,
                             ViewArg<T> gamma, ViewArg<T> beta, const BatchNormOptions& options) {
  Array<T> out = Array<T>::empty(x.shape());
  batch_norm_training_into<T>(x, out, running_mean, running_var, gamma, beta, options);
  return out;
}

template <class T>
void batch_norm_inference_into(const View<T>& x, MutArg<T> out, ViewArg<T> mean, ViewArg<T> var,
                               ViewArg<T> gamma, ViewArg<T> beta, double eps, DataFormat format) {
  constexpr const char* kName = "batch_norm_inference";
  detail::check_defined(x, kName, "x");
  detail::check_defined(mean, kName, "mean");
  detail::check_defined(var, kName, "var");
  detail::check_norm_eps(kName, eps);
  const NormPlan plan = plan_channels(kName, x.shape(), format, ChannelGroups::Batch);
  check(out.defined() && out.shape() == x.shape(), ErrorKind::DimensionMismatch, kName, "out ",
        out.shape(), " does not have the shape of x ", x.shape());
  detail::check_same_or_apart<T>(out, "out", x, "x", kName);
  if (out.size() > 0) {
    detail::check_writable<T>(out, kName, "out");
  }
  const struct {
    const char* name;
    const View<T>& view;
  } parameters[] = {{"mean", mean}, {"var", var}, {"gamma", gamma}, {"beta", beta}};
  for (const auto& [name, view] : parameters) {
    detail::check_norm_shape<T>(kName, name, view, plan.parameters, "x", x);
    detail::check_norm_apart<T>(kName, "out", out, name, view);
  }
  const lamina::detail::Packed<T> packed_x(x);
  const detail::MaybePacked<T> packed_gamma(gamma);
  const detail::MaybePacked<T> packed_beta(beta);
  detail::PackedOut<T> packed_out(out);
  Array<T> center = mean.copy();
  Array<T> rstd = Array<T>::empty(var.shape());
  for (Index c = 0; c < plan.groups; ++c) {
    rstd(c) = static_cast<T>(1 / std::sqrt(static_cast<double>(var(c)) + eps));
  }
  detail::NormForward<T> pass;
  pass.x = packed_x.data();
  pass.y = packed_out.data();
  pass.gamma = packed_gamma.data();
  pass.beta = packed_beta.data();
  pass.given = true;
  pass.mean = center.data();
  pass.rstd = rstd.data();
  detail::run_norm(plan, pass);
  packed_out.finish();
}
template <class T>
Array<T> batch_norm_inference(const View<T>& x, ViewArg<T> mean, ViewArg<T> var, ViewArg<T> gamma,
                              ViewArg<T> beta, double eps, DataFormat format) {
  Array<T> out = Array<T>::empty(x.shape());
  batch_norm_inference_into<T>(x, out, mean, var, gamma, beta, eps, format);
  return out;
}

template <class T>
void group_norm_into(const View<T>& x, Index groups, MutArg<T> out, ViewArg<T> gamma,
                     ViewArg<T> beta, double eps, DataFormat format,
                     const NormStatistics<std::type_identity_t<T>>& saved) {
  detail::check_defined(x, "group_norm", "x");
  check(groups >= 1, ErrorKind::InvalidOperation, "group_norm", "groups must be at least 1, got ",
        groups);
  const NormPlan plan =
      plan_channels("group_norm", x.shape(), format, ChannelGroups::Sample, groups);
  forward<T>("group_norm", plan, x, out, gamma, beta, eps, saved);
}
template <class T>
Array<T> group_norm(const View<T>& x, Index groups, ViewArg<T> gamma, ViewArg<T> beta, double eps,
                    DataFormat format) {
  Array<T> out = Array<T>::empty(x.shape());
  group_norm_into<T>(x, groups, out, gamma, beta, eps, format);
  return out;
}

template <class T>
void instance_norm_into(const View<T>& x, MutArg<T> out, double eps, ViewArg<T> gamma,
                        ViewArg<T> beta, DataFormat format,
                        const NormStatistics<std::type_identity_t<T>>& saved) {
  constexpr const char* kName = "instance_norm";
  detail::check_defined(x, kName, "x");
  if (x.rank() == 2) {
    check(!gamma.defined() && !beta.defined(), ErrorKind::InvalidOperation, kName,
          "a matrix has no channels for gamma and beta, x ", x.shape());
    forward<T>(kName, detail::plan_rows(x.shape()), x, out, {}, {}, eps, saved);
    return;
  }
  const NormPlan plan = plan_channels(kName, x.shape(), format, ChannelGroups::Sample);
  forward<T>(kName, plan, x, out, gamma, beta, eps, saved);
}
template <class T>
Array<T> instance_norm(const View<T>& x, double eps, ViewArg<T> gamma, ViewArg<T> beta,
                       DataFormat format) {
  Array<T> out = Array<T>::empty(x.shape());
  instance_norm_into<T>(x, out, eps, gamma, beta, format);
  return out;
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template LAMINA_EXPORT void layer_norm_into<T>(                                                  \
      const View<T>&, MutArg<T>, ViewArg<T>, ViewArg<T>, double, int, const NormStatistics<T>&);   \
  template LAMINA_EXPORT Array<T> layer_norm<T>(const View<T>&, ViewArg<T>, ViewArg<T>, double,    \
                                                int);                                              \
  template LAMINA_EXPORT void rms_norm_into<T>(const View<T>&, MutArg<T>, ViewArg<T>, double, int, \
                                               MutArg<T>);                                         \
  template LAMINA_EXPORT Array<T> rms_norm<T>(const View<T>&, ViewArg<T>, double, int);            \
  template LAMINA_EXPORT void batch_norm_into<T>(const View<T>&, MutArg<T>, ViewArg<T>,            \
                                                 ViewArg<T>, double, DataFormat,                   \
                                                 const NormStatistics<T>&);                        \
  template LAMINA_EXPORT Array<T> batch_norm<T>(const View<T>&, ViewArg<T>, ViewArg<T>, double,    \
                                                DataFormat);                                       \
  template LAMINA_EXPORT Array<T> batch_norm_1d<T>(const View<T>&, ViewArg<T>, ViewArg<T>, double, \
                                                   DataFormat);                                    \
  template LAMINA_EXPORT Array<T> batch_norm_2d<T>(const View<T>&, ViewArg<T>, ViewArg<T>, double, \
                                                   DataFormat);                                    \
  template LAMINA_EXPORT Array<T> batch_norm_3d<T>(const View<T>&, ViewArg<T>, ViewArg<T>, double, \
                                                   DataFormat);                                    \
  template LAMINA_EXPORT void batch_norm_training_into<T>(                                         \
      const View<T>&, MutArg<T>, MutArg<T>, MutArg<T>, ViewArg<T>, ViewArg<T>,                     \
      const BatchNormOptions&, const NormStatistics<T>&);                                          \
  template LAMINA_EXPORT Array<T> batch_norm_training<T>(                                          \
      const View<T>&, MutArg<T>, MutArg<T>, ViewArg<T>, ViewArg<T>, const BatchNormOptions&);      \
  template LAMINA_EXPORT void batch_norm_inference_into<T>(const View<T>&, MutArg<T>, ViewArg<T>,  \
                                                           ViewArg<T>, ViewArg<T>, ViewArg<T>,     \
                                                           double, DataFormat);                    \
  template LAMINA_EXPORT Array<T> batch_norm_inference<T>(                                         \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, ViewArg<T>, double, DataFormat);         \
  template LAMINA_EXPORT void group_norm_into<T>(const View<T>&, Index, MutArg<T>, ViewArg<T>,     \
                                                 ViewArg<T>, double, DataFormat,                   \
                                                 const NormStatistics<T>&);                        \
  template LAMINA_EXPORT Array<T> group_norm<T>(const View<T>&, Index, ViewArg<T>, ViewArg<T>,     \
                                                double, DataFormat);                               \
  template LAMINA_EXPORT void instance_norm_into<T>(const View<T>&, MutArg<T>, double, ViewArg<T>, \
                                                    ViewArg<T>, DataFormat,                        \
                                                    const NormStatistics<T>&);                     \
  template LAMINA_EXPORT Array<T> instance_norm<T>(const View<T>&, double, ViewArg<T>, ViewArg<T>, \
                                                   DataFormat);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
