#include "lamina/nn/normalization.hpp"
#include "nn/norm_plan.hpp"

namespace lamina::nn {

namespace {

using detail::ChannelGroups;
using detail::kElementGrain;
using detail::NormPlan;
using detail::plan_axes;
using detail::plan_channels;

/// Pointers of a backward pass, all packed.
template <class T>
struct Pass {
  const T* dy = nullptr;
  const T* x = nullptr;
  const T* gamma = nullptr;
  const T* mean = nullptr;
  const T* rstd = nullptr;
  T* dx = nullptr;
  bool center = true;
  bool given = false;
};

/// Gradients of the columns of one sample; its share of dgamma and dbeta is written.
template <class T>
void backward_columns(const NormPlan& plan, const Pass<T>& pass, double* dgamma, double* dbeta) {
  const Index columns = plan.groups;
  const Index rows = plan.runs;
  const Index grain = plan.row_grain();
  const double count = static_cast<double>(rows);
  kernels::NormColumnArgs<T> all;
  all.x = pass.x;
  all.dy = pass.dy;
  all.stride = plan.run_stride;
  all.rows = rows;
  all.columns = columns;
  all.mean = pass.mean;
  std::vector<double> sums(static_cast<std::size_t>(ceil_div(rows, grain) * 3 * columns));
  parallel_for(rows, grain, [&](Index begin, Index end) {
    kernels::NormColumnArgs<T> args = detail::column_rows(all, begin, end);
    for (Index k = 0; k < 3; ++k) {
      args.sums[k] = sums.data() + (begin / grain * 3 + k) * columns;
    }
    kernels::norm_column_backward_sums(args);
  });
  detail::add_parts(sums.data() + 3 * columns, ceil_div(rows, grain) - 1, 3 * columns, sums.data());
  Array<T> scale = Array<T>::empty({columns});
  Array<T> slope = Array<T>::zeros({columns});
  Array<T> shift = Array<T>::zeros({columns});
  for (Index c = 0; c < columns; ++c) {
    const double rstd = static_cast<double>(pass.rstd[c]);
    const double gamma = pass.gamma == nullptr ? 1 : static_cast<double>(pass.gamma[c]);
    const double* sum = sums.data() + c;
    // The mean is rounded, so that the normalized x has a small mean of its own.
    const double center = pass.given ? 0 : rstd * sum[2 * columns] / count;
    dbeta[c] = sum[0];
    dgamma[c] = rstd * sum[columns] - center * sum[0];
    scale(c) = static_cast<T>(rstd * gamma);
    if (!pass.given) {
      const double product = gamma * dgamma[c] / count;
      slope(c) = static_cast<T>(-rstd * product * rstd);
      shift(c) = static_cast<T>(-rstd * (gamma * dbeta[c] / count - center * product));
    }
  }
  if (pass.dx == nullptr) {
    return;
  }
  all.y = pass.dx;
  all.scale = scale.data();
  all.slope = slope.data();
  all.shift = shift.data();
  detail::apply_columns(all, grain,
                        [](const auto& part) { kernels::norm_column_backward_apply(part); });
}

template <class T>
void backward_column_repeats(const NormPlan& plan, const Pass<T>& pass, double* sums) {
  const Index width = plan.groups;
  std::vector<double> parts(static_cast<std::size_t>(plan.repeats * 2 * width));
  const auto repeats = [&](Index begin, Index end) {
    for (Index repeat = begin; repeat < end; ++repeat) {
      Pass<T> one = pass;
      one.dy = pass.dy + repeat * plan.repeat_stride;
      one.x = pass.x + repeat * plan.repeat_stride;
      one.dx = pass.dx == nullptr ? nullptr : pass.dx + repeat * plan.repeat_stride;
      one.mean = pass.mean + repeat * width;
      one.rstd = pass.rstd + repeat * width;
      double* part = parts.data() + repeat * 2 * width;
      backward_columns(plan, one, part, part + width);
    }
  };
  if (plan.repeats == 1) {
    repeats(0, 1);
  } else {
    const Index grain = std::max(Index{1}, kElementGrain / (plan.groups * plan.runs));
    parallel_for(plan.repeats, grain, repeats);
  }
  detail::add_parts(parts.data(), plan.repeats, 2 * width, sums);
}

/// Gradients of groups of runs. Adds dgamma and dbeta to sums, unless null.
template <class T>
void backward_groups(const NormPlan& plan, const Pass<T>& pass, double* sums) {
  const Index width = plan.parameters.size();
  const Index total = plan.group_count();
  const bool shares = sums != nullptr && plan.shares_parameters();
  const Index grain = shares ? std::max(plan.group_grain(), ceil_div(total, detail::kNormParts))
                             : plan.group_grain();
  std::vector<double> parts(shares ? static_cast<std::size_t>(ceil_div(total, grain) * 2 * width)
                                   : 0);
  kernels::NormBackwardArgs<T> shared;
  shared.group_stride = plan.group_stride;
  shared.runs = plan.runs;
  shared.run_stride = plan.run_stride;
  shared.n = plan.n;
  shared.steps = plan.steps;
  shared.center = pass.center;
  shared.given = pass.given;
  shared.width = width;
  parallel_for(total, grain, [&](Index begin, Index end) {
    double* target = shares ? parts.data() + begin / grain * 2 * width : sums;
    Array<T> partial;
    std::vector<double> scratch;
    if (sums != nullptr) {
      partial = Array<T>::zeros({plan.steps.element == 1 ? 2 * width : 0});
      scratch.resize(static_cast<std::size_t>(plan.steps.run == 0 ? 1 : plan.runs));
    }
    while (begin < end) {
      const Index group = begin % plan.groups;
      const Index offset = begin / plan.groups * plan.repeat_stride + group * plan.group_stride;
      const Index parameter = group * plan.steps.group;
      kernels::NormBackwardArgs<T> args = shared;
      args.groups = std::min(end - begin, plan.groups - group);
      args.dy = pass.dy + offset;
      args.x = pass.x + offset;
      args.dx = pass.dx == nullptr ? nullptr : pass.dx + offset;
      args.gamma = pass.gamma == nullptr ? nullptr : pass.gamma + parameter;
      args.mean = pass.mean == nullptr ? nullptr : pass.mean + begin;
      args.rstd = pass.rstd + begin;
      if (sums != nullptr) {
        args.dgamma = target + parameter;
        args.dbeta = target + width + parameter;
        args.partial = partial.data() + (plan.steps.element == 1 ? parameter : 0);
        args.scratch = scratch.data();
      }
      kernels::norm_groups_backward(args);
      begin += args.groups;
    }
  });
  if (shares) {
    detail::add_parts(parts.data(), ceil_div(total, grain), 2 * width, sums);
  }
}

/// Everything an operation's gradient is called with. For given statistics (inference) `mean` and
/// `rstd` are what x is normalized with.
template <class T>
struct Arguments {
  View<T> dy;
  View<T> x;
  View<T> gamma;
  MutView<T> dx;
  MutView<T> dgamma;
  MutView<T> dbeta;
  double eps;
  View<T> mean;
  View<T> rstd;
  bool center = true;
  bool given = false;
};

template <class T>
void backward(const char* name, const NormPlan& plan, const Arguments<T>& a) {
  detail::check_norm_eps(name, a.eps);
  detail::check_same_shape(a.x, "x", a.dy, "dy", name);
  const struct {
    const char* name;
    const View<T>& view;
    const Shape& shape;
  } arrays[] = {{"gamma", a.gamma, plan.parameters},     {"saved.mean", a.mean, plan.statistics},
                {"saved.rstd", a.rstd, plan.statistics}, {"dx", a.dx, a.x.shape()},
                {"dgamma", a.dgamma, plan.parameters},   {"dbeta", a.dbeta, plan.parameters}};
  for (const auto& array : arrays) {
    detail::check_norm_shape<T>(name, array.name, array.view, array.shape, "x", a.x);
  }
  check(!a.center || a.mean.defined() == a.rstd.defined(), ErrorKind::InvalidOperation, name,
        "saved needs both mean and rstd, or neither");
  for (int out = 3; out < 6; ++out) {
    if (!arrays[out].view.defined()) {
      continue;
    }
    if (arrays[out].view.size() > 0) {
      detail::check_writable<T>(arrays[out].view, name, arrays[out].name);
    }
    for (int other = 0; other < out; ++other) {
      detail::check_norm_apart<T>(name, arrays[out].name, arrays[out].view, arrays[other].name,
                                  arrays[other].view);
    }
    if (out == 3) {
      detail::check_same_or_apart<T>(a.dx, "dx", a.dy, "dy", name);
      detail::check_same_or_apart<T>(a.dx, "dx", a.x, "x", name);
    } else {
      detail::check_norm_apart<T>(name, arrays[out].name, arrays[out].view, "dy", a.dy);
      detail::check_norm_apart<T>(name, arrays[out].name, arrays[out].view, "x", a.x);
    }
  }

  const lamina::detail::Packed<T> dy(a.dy);
  const lamina::detail::Packed<T> x(a.x);
  const detail::MaybePacked<T> gamma(a.gamma);
  const detail::MaybePacked<T> mean(a.mean);
  const detail::MaybePacked<T> rstd(a.rstd);
  detail::PackedOut<T> dx(a.dx);
  const bool wants_parameters = a.dgamma.defined() || a.dbeta.defined();
  const Index width = plan.parameters.size();
  std::vector<double> sums(wants_parameters || plan.columns ? static_cast<std::size_t>(2 * width)
                                                            : 0);
  Pass<T> pass;
  pass.dy = dy.data();
  pass.x = x.data();
  pass.gamma = gamma.data();
  pass.mean = mean.data();
  pass.rstd = rstd.data();
  pass.dx = dx.data();
  pass.center = a.center;
  pass.given = a.given;
  if (a.x.size() > 0) {
    Array<T> own_mean;
    Array<T> own_rstd;
    if (pass.rstd == nullptr) {
      own_mean = Array<T>::empty(plan.statistics);
      own_rstd = Array<T>::empty(plan.statistics);
      detail::NormForward<T> statistics;
      statistics.x = pass.x;
      statistics.eps = a.eps;
      statistics.center = a.center;
      statistics.mean = a.center ? own_mean.data() : nullptr;
      statistics.rstd = own_rstd.data();
      detail::run_norm(plan, statistics);
      pass.mean = statistics.mean;
      pass.rstd = own_rstd.data();
    }
    if (plan.columns) {
      backward_column_repeats(plan, pass, sums.data());
    } else {
      backward_groups(plan, pass, wants_parameters ? sums.data() : nullptr);
    }
    dx.finish();
  }
  const auto deliver = [&](const MutView<T>& to, Index offset) {
    if (to.defined()) {
      Array<T> values = Array<T>::empty(plan.parameters);
      for (Index i = 0; i < width; ++i) {
        values.data()[i] = static_cast<T>(sums[static_cast<std::size_t>(offset + i)]);
      }
      to.assign(values);
    }
  };
  deliver(a.dgamma, 0);
  deliver(a.dbeta, width);
}

template <class T>
NormGradients<T> empty_gradients(const Shape& x, const NormPlan& plan) {
  return {Array<T>::empty(x), Array<T>::empty(plan.parameters), Array<T>::empty(plan.parameters)};
}

template <class T>
NormPlan axes_plan(const char* name, const View<T>& x, const View<T>& gamma, int axes) {
  detail::check_defined(x, name, "x");
  return plan_axes(name, x.shape(), gamma.defined() ? &gamma.shape() : nullptr, nullptr, axes);
}
template <class T>
NormPlan batch_plan(const char* name, const View<T>& x, DataFormat format) {
  detail::check_defined(x, name, "x");
  return plan_channels(name, x.shape(), format, ChannelGroups::Batch);
}
template <class T>
NormPlan group_plan(const View<T>& x, Index groups, DataFormat format) {
  constexpr const char* kName = "group_norm_backward";
  detail::check_defined(x, kName, "x");
  check(groups >= 1, ErrorKind::InvalidOperation, kName, "groups must be at least 1, got ", groups);
  return plan_channels(kName, x.shape(), format, ChannelGroups::Sample, groups);
}

constexpr const char* kLayer = "layer_norm_backward";
constexpr const char* kRms = "rms_norm_backward";
constexpr const char* kBatch = "batch_norm_backward";
constexpr const char* kInference = "batch_norm_inference_backward";
constexpr const char* kGroup = "group_norm_backward";
constexpr const char* kInstance = "instance_norm_backward";

}  // namespace

template <class T>
void layer_norm_backward_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> gamma, MutArg<T> dx,
                              MutArg<T> dgamma, MutArg<T> dbeta, double eps, int axes,
                              const NormStatistics<std::type_identity_t<T>>& saved) {
  const Shape* known = dgamma.defined()  ? &dgamma.shape()
                       : dbeta.defined() ? &dbeta.shape()
                                         : nullptr;
  detail::check_defined(x, kLayer, "x");
  const NormPlan plan =
      plan_axes(kLayer, x.shape(), gamma.defined() ? &gamma.shape() : known, nullptr, axes);
  backward<T>(kLayer, plan, {dy, x, gamma, dx, dgamma, dbeta, eps, saved.mean, saved.rstd});
}
template <class T>
NormGradients<T> layer_norm_backward(const View<T>& dy, ViewArg<T> x, ViewArg<T> gamma, double eps,
                                     int axes) {
  auto result = empty_gradients<T>(x.shape(), axes_plan(kLayer, x, gamma, axes));
  layer_norm_backward_into<T>(dy, x, gamma, result.dx, result.dgamma, result.dbeta, eps, axes);
  return result;
}

template <class T>
void rms_norm_backward_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> gamma, MutArg<T> dx,
                            MutArg<T> dgamma, double eps, int axes, MutArg<T> saved_rstd) {
  const Shape* known = dgamma.defined() ? &dgamma.shape() : nullptr;
  detail::check_defined(x, kRms, "x");
  const NormPlan plan =
      plan_axes(kRms, x.shape(), gamma.defined() ? &gamma.shape() : known, nullptr, axes);
  backward<T>(kRms, plan, {dy, x, gamma, dx, dgamma, {}, eps, {}, saved_rstd, false});
}
template <class T>
NormGradients<T> rms_norm_backward(const View<T>& dy, ViewArg<T> x, ViewArg<T> gamma, double eps,
                                   int axes) {
  auto result = empty_gradients<T>(x.shape(), axes_plan(kRms, x, gamma, axes));
  result.dbeta = Array<T>();
  rms_norm_backward_into<T>(dy, x, gamma, result.dx, result.dgamma, eps, axes);
  return result;
}

template <class T>
void batch_norm_backward_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> gamma, MutArg<T> dx,
                              MutArg<T> dgamma, MutArg<T> dbeta, double eps, DataFormat format,
                              const NormStatistics<std::type_identity_t<T>>& saved) {
  const NormPlan plan = batch_plan(kBatch, x, format);
  backward<T>(kBatch, plan, {dy, x, gamma, dx, dgamma, dbeta, eps, saved.mean, saved.rstd});
}
template <class T>
NormGradients<T> batch_norm_backward(const View<T>& dy, ViewArg<T> x, ViewArg<T> gamma, double eps,
                                     DataFormat format) {
  auto result = empty_gradients<T>(x.shape(), batch_plan(kBatch, x, format));
  batch_norm_backward_into<T>(dy, x, gamma, result.dx, result.dgamma, result.dbeta, eps, format);
  return result;
}

template <class T>
void batch_norm_inference_backward_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> mean,
                                        ViewArg<T> var, ViewArg<T> gamma, MutArg<T> dx,
                                        MutArg<T> dgamma, MutArg<T> dbeta, double eps,
                                        DataFormat format) {
  const NormPlan plan = batch_plan(kInference, x, format);
  detail::check_norm_eps(kInference, eps);
  detail::check_defined(mean, kInference, "mean");
  detail::check_defined(var, kInference, "var");
  detail::check_norm_shape<T>(kInference, "mean", mean, plan.parameters, "x", x);
  detail::check_norm_shape<T>(kInference, "var", var, plan.parameters, "x", x);
  for (const MutView<T>& out : {dx, dgamma, dbeta}) {
    detail::check_norm_apart<T>(kInference, "an output", out, "mean", mean);
    detail::check_norm_apart<T>(kInference, "an output", out, "var", var);
  }
  Array<T> rstd = Array<T>::empty(plan.parameters);
  for (Index c = 0; c < plan.groups; ++c) {
    rstd(c) = static_cast<T>(1 / std::sqrt(static_cast<double>(var(c)) + eps));
  }
  backward<T>(kInference, plan,
              {dy, x, gamma, dx, dgamma, dbeta, eps, mean, rstd.view(), true, true});
}
template <class T>
NormGradients<T> batch_norm_inference_backward(const View<T>& dy, ViewArg<T> x, ViewArg<T> mean,
                                               ViewArg<T> var, ViewArg<T> gamma, double eps,
                                               DataFormat format) {
  auto result = empty_gradients<T>(x.shape(), batch_plan(kInference, x, format));
  batch_norm_inference_backward_into<T>(dy, x, mean, var, gamma, result.dx, result.dgamma,
                                        result.dbeta, eps, format);
  return result;
}

template <class T>
void group_norm_backward_into(const View<T>& dy, ViewArg<T> x, Index groups, ViewArg<T> gamma,
                              MutArg<T> dx, MutArg<T> dgamma, MutArg<T> dbeta, double eps,
                              DataFormat format,
                              const NormStatistics<std::type_identity_t<T>>& saved) {
  const NormPlan plan = group_plan(x, groups, format);
  backward<T>(kGroup, plan, {dy, x, gamma, dx, dgamma, dbeta, eps, saved.mean, saved.rstd});
}
template <class T>
NormGradients<T> group_norm_backward(const View<T>& dy, ViewArg<T> x, Index groups,
                                     ViewArg<T> gamma, double eps, DataFormat format) {
  auto result = empty_gradients<T>(x.shape(), group_plan(x, groups, format));
  group_norm_backward_into<T>(dy, x, groups, gamma, result.dx, result.dgamma, result.dbeta, eps,
                              format);
  return result;
}

template <class T>
void instance_norm_backward_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dx, double eps,
                                 ViewArg<T> gamma, MutArg<T> dgamma, MutArg<T> dbeta,
                                 DataFormat format,
                                 const NormStatistics<std::type_identity_t<T>>& saved) {
  detail::check_defined(x, kInstance, "x");
  const bool matrix = x.rank() == 2;
  check(!matrix || (!gamma.defined() && !dgamma.defined() && !dbeta.defined()),
        ErrorKind::InvalidOperation, kInstance, "a matrix has no channels for gamma and beta, x ",
        x.shape());
  const NormPlan plan = matrix ? detail::plan_rows(x.shape())
                               : plan_channels(kInstance, x.shape(), format, ChannelGroups::Sample);
  backward<T>(kInstance, plan, {dy, x, gamma, dx, dgamma, dbeta, eps, saved.mean, saved.rstd});
}
template <class T>
NormGradients<T> instance_norm_backward(const View<T>& dy, ViewArg<T> x, double eps,
                                        ViewArg<T> gamma, DataFormat format) {
  NormGradients<T> result;
  result.dx = Array<T>::empty(x.shape());
  if (x.rank() == 2) {
    instance_norm_backward_into<T>(dy, x, result.dx, eps, gamma, {}, {}, format);
    return result;
  }
  detail::check_defined(x, kInstance, "x");
  result = empty_gradients<T>(x.shape(),
                              plan_channels(kInstance, x.shape(), format, ChannelGroups::Sample));
  instance_norm_backward_into<T>(dy, x, result.dx, eps, gamma, result.dgamma, result.dbeta, format);
  return result;
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template LAMINA_EXPORT void layer_norm_backward_into<T>(const View<T>&, ViewArg<T>, ViewArg<T>,  \
                                                          MutArg<T>, MutArg<T>, MutArg<T>, double, \
                                                          int, const NormStatistics<T>&);          \
  template LAMINA_EXPORT NormGradients<T> layer_norm_backward<T>(const View<T>&, ViewArg<T>,       \
                                                                 ViewArg<T>, double, int);         \
  template LAMINA_EXPORT void rms_norm_backward_into<T>(                                           \
      const View<T>&, ViewArg<T>, ViewArg<T>, MutArg<T>, MutArg<T>, double, int, MutArg<T>);       \
  template LAMINA_EXPORT NormGradients<T> rms_norm_backward<T>(const View<T>&, ViewArg<T>,         \
                                                               ViewArg<T>, double, int);           \
  template LAMINA_EXPORT void batch_norm_backward_into<T>(const View<T>&, ViewArg<T>, ViewArg<T>,  \
                                                          MutArg<T>, MutArg<T>, MutArg<T>, double, \
                                                          DataFormat, const NormStatistics<T>&);   \
  template LAMINA_EXPORT NormGradients<T> batch_norm_backward<T>(const View<T>&, ViewArg<T>,       \
                                                                 ViewArg<T>, double, DataFormat);  \
  template LAMINA_EXPORT void batch_norm_inference_backward_into<T>(                               \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, ViewArg<T>, MutArg<T>, MutArg<T>,        \
      MutArg<T>, double, DataFormat);                                                              \
  template LAMINA_EXPORT NormGradients<T> batch_norm_inference_backward<T>(                        \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, ViewArg<T>, double, DataFormat);         \
  template LAMINA_EXPORT void group_norm_backward_into<T>(                                         \
      const View<T>&, ViewArg<T>, Index, ViewArg<T>, MutArg<T>, MutArg<T>, MutArg<T>, double,      \
      DataFormat, const NormStatistics<T>&);                                                       \
  template LAMINA_EXPORT NormGradients<T> group_norm_backward<T>(                                  \
      const View<T>&, ViewArg<T>, Index, ViewArg<T>, double, DataFormat);                          \
  template LAMINA_EXPORT void instance_norm_backward_into<T>(                                      \
      const View<T>&, ViewArg<T>, MutArg<T>, double, ViewArg<T>, MutArg<T>, MutArg<T>, DataFormat, \
      const NormStatistics<T>&);                                                                   \
  template LAMINA_EXPORT NormGradients<T> instance_norm_backward<T>(                               \
      const View<T>&, ViewArg<T>, double, ViewArg<T>, DataFormat);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
