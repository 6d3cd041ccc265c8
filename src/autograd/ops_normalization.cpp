#include "lamina/autograd/ops_normalization.hpp"

#include <algorithm>

namespace lamina::nn {

using autograd::Gradients;
using autograd::make_var;
using autograd::save_if;
using autograd::Saved;

namespace {

template <class T>
View<T> value_of(const Var<T>& x) {
  return x.defined() ? x.value() : View<T>();
}
template <class T>
View<T> value_of(const std::optional<Saved<T>>& x) {
  return x ? x->value() : View<T>();
}

/// Mean and rstd of a forward pass, owned by the closure.
template <class T>
struct Statistics {
  Array<T> mean;
  Array<T> rstd;
  explicit Statistics(const Shape& shape)
      : mean(Array<T>::empty(shape)), rstd(Array<T>::empty(shape)) {}
  [[nodiscard]] NormStatistics<T> views() { return {mean, rstd}; }
};

/// The node. backward(dy, x, gamma, dx, dgamma, dbeta) writes the outputs that are defined.
template <class T, class F>
Var<T> record(Array<T>&& y, const Var<T>& x, const Var<T>& gamma, const Var<T>& beta, F&& backward,
              const char* name) {
  const bool saves_x = x.requires_grad() || (gamma.defined() && gamma.requires_grad()) ||
                       (beta.defined() && beta.requires_grad());
  return make_var(
      std::move(y), {x, gamma, beta},
      [saved_x = save_if(saves_x, x),
       saved_gamma = save_if(gamma.defined() && x.requires_grad(), gamma),
       function = std::forward<F>(backward)](const Array<T>& dy, Gradients<T>& gradients) mutable {
        Array<T> results[3];
        MutView<T> outputs[3];
        for (int i = 0; i < 3; ++i) {
          if (gradients.wants(i)) {
            results[i] = Array<T>::empty(gradients.shape(i));
            outputs[i] = results[i];
          }
        }
        function(dy, saved_x->value(), value_of(saved_gamma), outputs[0], outputs[1], outputs[2]);
        for (int i = 0; i < 3; ++i) {
          if (gradients.wants(i)) {
            gradients.add(i, std::move(results[i]));
          }
        }
      },
      name);
}

/// Shape of the statistics over the last axes.
Shape leading(const Shape& x, int axes) {
  IndexList shape;
  for (int i = 0; i < x.rank() - axes; ++i) {
    shape.push_back(x[i]);
  }
  return Shape(shape);
}

/// Axes that are normalized, as nn::layer_norm takes them; what it refuses may give anything.
template <class T>
int axes_of(int axes, const Var<T>& gamma, const Var<T>& beta) {
  return axes > 0 ? axes : gamma.defined() ? gamma.rank() : beta.defined() ? beta.rank() : 1;
}

Index channels_of(const Shape& x, DataFormat format) {
  return x.rank() < 2 ? 0 : format == DataFormat::NHWC || x.rank() == 2 ? x.back() : x[1];
}

template <class T>
Var<T> record_batch_norm(Array<T>&& y, const Var<T>& x, const Var<T>& gamma, const Var<T>& beta,
                         double eps, DataFormat format, Statistics<T>&& statistics,
                         const char* name) {
  return record(
      std::move(y), x, gamma, beta,
      [eps, format, s = std::move(statistics)](const View<T>& dy, const View<T>& v,
                                               const View<T>& g, const MutView<T>& dx,
                                               const MutView<T>& dg, const MutView<T>& db) mutable {
        batch_norm_backward_into<T>(dy, v, g, dx, dg, db, eps, format, s.views());
      },
      name);
}

}  // namespace

template <class T>
Var<T> layer_norm(const Var<T>& x, const Var<std::type_identity_t<T>>& gamma,
                  const Var<std::type_identity_t<T>>& beta, double eps, int axes) {
  Array<T> y = Array<T>::empty(x.shape());
  const int taken = axes_of(axes, gamma, beta);
  Statistics<T> statistics(leading(x.shape(), taken));
  layer_norm_into<T>(x.value(), y, value_of(gamma), value_of(beta), eps, axes, statistics.views());
  return record(
      std::move(y), x, gamma, beta,
      [eps, taken, s = std::move(statistics)](const View<T>& dy, const View<T>& v, const View<T>& g,
                                              const MutView<T>& dx, const MutView<T>& dg,
                                              const MutView<T>& db) mutable {
        layer_norm_backward_into<T>(dy, v, g, dx, dg, db, eps, taken, s.views());
      },
      "layer_norm");
}

template <class T>
Var<T> rms_norm(const Var<T>& x, const Var<std::type_identity_t<T>>& gamma, double eps, int axes) {
  Array<T> y = Array<T>::empty(x.shape());
  const int taken = axes_of(axes, gamma, Var<T>());
  Array<T> rstd = Array<T>::empty(leading(x.shape(), taken));
  rms_norm_into<T>(x.value(), y, value_of(gamma), eps, axes, rstd);
  return record(
      std::move(y), x, gamma, Var<T>(),
      [eps, taken, r = std::move(rstd)](const View<T>& dy, const View<T>& v, const View<T>& g,
                                        const MutView<T>& dx, const MutView<T>& dg,
                                        const MutView<T>&) mutable {
        rms_norm_backward_into<T>(dy, v, g, dx, dg, eps, taken, r);
      },
      "rms_norm");
}

template <class T>
Var<T> batch_norm(const Var<T>& x, const Var<std::type_identity_t<T>>& gamma,
                  const Var<std::type_identity_t<T>>& beta, double eps, DataFormat format) {
  Array<T> y = Array<T>::empty(x.shape());
  Statistics<T> statistics({channels_of(x.shape(), format)});
  batch_norm_into<T>(x.value(), y, value_of(gamma), value_of(beta), eps, format,
                     statistics.views());
  return record_batch_norm<T>(std::move(y), x, gamma, beta, eps, format, std::move(statistics),
                              "batch_norm");
}
template <class T>
Var<T> batch_norm_1d(const Var<T>& x, const Var<std::type_identity_t<T>>& gamma,
                     const Var<std::type_identity_t<T>>& beta, double eps, DataFormat format) {
  check(x.rank() == 2 || x.rank() == 3, ErrorKind::DimensionMismatch, "batch_norm_1d",
        "x must have rank 2 or 3, got shape ", x.shape());
  return batch_norm(x, gamma, beta, eps, format);
}
template <class T>
Var<T> batch_norm_2d(const Var<T>& x, const Var<std::type_identity_t<T>>& gamma,
                     const Var<std::type_identity_t<T>>& beta, double eps, DataFormat format) {
  (void)x.value().template dims<4>("batch_norm_2d");
  return batch_norm(x, gamma, beta, eps, format);
}
template <class T>
Var<T> batch_norm_3d(const Var<T>& x, const Var<std::type_identity_t<T>>& gamma,
                     const Var<std::type_identity_t<T>>& beta, double eps, DataFormat format) {
  (void)x.value().template dims<5>("batch_norm_3d");
  return batch_norm(x, gamma, beta, eps, format);
}

template <class T>
Var<T> batch_norm_training(const Var<T>& x, MutArg<T> running_mean, MutArg<T> running_var,
                           const Var<std::type_identity_t<T>>& gamma,
                           const Var<std::type_identity_t<T>>& beta,
                           const BatchNormOptions& options) {
  Array<T> y = Array<T>::empty(x.shape());
  Statistics<T> statistics({channels_of(x.shape(), options.format)});
  batch_norm_training_into<T>(x.value(), y, running_mean, running_var, value_of(gamma),
                              value_of(beta), options, statistics.views());
  return record_batch_norm<T>(std::move(y), x, gamma, beta, options.eps, options.format,
                              std::move(statistics), "batch_norm_training");
}

template <class T>
Var<T> batch_norm_inference(const Var<T>& x, ViewArg<T> mean, ViewArg<T> var,
                            const Var<std::type_identity_t<T>>& gamma,
                            const Var<std::type_identity_t<T>>& beta, double eps,
                            DataFormat format) {
  Array<T> y =
      batch_norm_inference<T>(x.value(), mean, var, value_of(gamma), value_of(beta), eps, format);
  return record(
      std::move(y), x, gamma, beta,
      [eps, format, mean_copy = mean.copy(), var_copy = var.copy()](
          const View<T>& dy, const View<T>& v, const View<T>& g, const MutView<T>& dx,
          const MutView<T>& dg, const MutView<T>& db) {
        batch_norm_inference_backward_into<T>(dy, v, mean_copy, var_copy, g, dx, dg, db, eps,
                                              format);
      },
      "batch_norm_inference");
}

template <class T>
Var<T> group_norm(const Var<T>& x, Index groups, const Var<std::type_identity_t<T>>& gamma,
                  const Var<std::type_identity_t<T>>& beta, double eps, DataFormat format) {
  Array<T> y = Array<T>::empty(x.shape());
  Statistics<T> statistics({x.rank() == 0 ? 0 : x.extent(0), std::max(groups, Index{0})});
  group_norm_into<T>(x.value(), groups, y, value_of(gamma), value_of(beta), eps, format,
                     statistics.views());
  return record(
      std::move(y), x, gamma, beta,
      [eps, format, groups, s = std::move(statistics)](
          const View<T>& dy, const View<T>& v, const View<T>& g, const MutView<T>& dx,
          const MutView<T>& dg, const MutView<T>& db) mutable {
        group_norm_backward_into<T>(dy, v, groups, g, dx, dg, db, eps, format, s.views());
      },
      "group_norm");
}

template <class T>
Var<T> instance_norm(const Var<T>& x, double eps, const Var<std::type_identity_t<T>>& gamma,
                     const Var<std::type_identity_t<T>>& beta, DataFormat format) {
  Array<T> y = Array<T>::empty(x.shape());
  const Index samples = x.rank() == 0 ? 0 : x.extent(0);
  Statistics<T> statistics(x.rank() == 2 ? Shape{samples}
                                         : Shape{samples, channels_of(x.shape(), format)});
  instance_norm_into<T>(x.value(), y, eps, value_of(gamma), value_of(beta), format,
                        statistics.views());
  return record(
      std::move(y), x, gamma, beta,
      [eps, format, s = std::move(statistics)](const View<T>& dy, const View<T>& v,
                                               const View<T>& g, const MutView<T>& dx,
                                               const MutView<T>& dg, const MutView<T>& db) mutable {
        instance_norm_backward_into<T>(dy, v, dx, eps, g, dg, db, format, s.views());
      },
      "instance_norm");
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template LAMINA_EXPORT Var<T> layer_norm<T>(const Var<T>&, const Var<T>&, const Var<T>&, double, \
                                              int);                                                \
  template LAMINA_EXPORT Var<T> rms_norm<T>(const Var<T>&, const Var<T>&, double, int);            \
  template LAMINA_EXPORT Var<T> batch_norm<T>(const Var<T>&, const Var<T>&, const Var<T>&, double, \
                                              DataFormat);                                         \
  template LAMINA_EXPORT Var<T> batch_norm_1d<T>(const Var<T>&, const Var<T>&, const Var<T>&,      \
                                                 double, DataFormat);                              \
  template LAMINA_EXPORT Var<T> batch_norm_2d<T>(const Var<T>&, const Var<T>&, const Var<T>&,      \
                                                 double, DataFormat);                              \
  template LAMINA_EXPORT Var<T> batch_norm_3d<T>(const Var<T>&, const Var<T>&, const Var<T>&,      \
                                                 double, DataFormat);                              \
  template LAMINA_EXPORT Var<T> batch_norm_training<T>(                                            \
      const Var<T>&, MutArg<T>, MutArg<T>, const Var<T>&, const Var<T>&, const BatchNormOptions&); \
  template LAMINA_EXPORT Var<T> batch_norm_inference<T>(                                           \
      const Var<T>&, ViewArg<T>, ViewArg<T>, const Var<T>&, const Var<T>&, double, DataFormat);    \
  template LAMINA_EXPORT Var<T> group_norm<T>(const Var<T>&, Index, const Var<T>&, const Var<T>&,  \
                                              double, DataFormat);                                 \
  template LAMINA_EXPORT Var<T> instance_norm<T>(const Var<T>&, double, const Var<T>&,             \
                                                 const Var<T>&, DataFormat);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
