#include "lamina/autograd/ops_pooling.hpp"

#include <utility>

#include "nn/max_pool_places.hpp"

namespace lamina::nn {

using autograd::Gradients;
using autograd::make_var;
using autograd::Saved;

namespace {

/// Whether the operation on x will be recorded.
template <class T>
bool recorded(const Var<T>& x) {
  return autograd::VarAccess<T>::records(std::span<const Var<T>>(&x, 1));
}

/// Maxima whose gradients go to `places`: indices, or something smaller.
template <class T, int Rank, class Places>
Var<T> record_max(const Var<T>& x, Array<T> values, Places places, DataFormat format,
                  const char* name) {
  return make_var(
      std::move(values), {x},
      [places = std::move(places), format](const Array<T>& dy, Gradients<T>& gradients) {
        gradients.add(0,
                      detail::max_pool_backward<T, Rank>(dy, places, gradients.shape(0), format));
      },
      name);
}

template <class T, int Rank>
Var<T> max_pool(const Var<T>& x, const PerAxis<Rank>& kernel, const PoolOptions<Rank>& options,
                const char* name) {
  if (!recorded(x)) {
    return Var<T>(detail::max_pool<T, Rank>(x.value(), kernel, false, options).values);
  }
  detail::PlacedMaxima<T> result = detail::max_pool_places<T, Rank>(x.value(), kernel, options);
  return record_max<T, Rank>(x, std::move(result.values), std::move(result.places), options.format,
                             name);
}

template <class T, int Rank>
MaxPoolVars<T> max_pool_with_indices(const Var<T>& x, const PerAxis<Rank>& kernel,
                                     const PoolOptions<Rank>& options, const char* name) {
  MaxPoolResult<T> result = detail::max_pool<T, Rank>(x.value(), kernel, true, options);
  Array<std::int64_t> saved = recorded(x) ? result.indices : Array<std::int64_t>();
  return {record_max<T, Rank>(x, std::move(result.values), std::move(saved), options.format, name),
          std::move(result.indices)};
}

template <class T, int Rank>
Var<T> adaptive_max_pool(const Var<T>& x, const PerAxis<Rank>& extents, DataFormat format,
                         const char* name) {
  MaxPoolResult<T> result =
      detail::adaptive_pool<T, Rank>(true, x.value(), extents, recorded(x), format);
  return record_max<T, Rank>(x, std::move(result.values), std::move(result.indices), format, name);
}

template <class T, int Rank>
Var<T> avg_pool(const Var<T>& x, const PerAxis<Rank>& kernel, const AvgPoolOptions<Rank>& options,
                const char* name) {
  return make_var(
      detail::avg_pool<T, Rank>(x.value(), kernel, options), {x},
      [kernel, options](const Array<T>& dy, Gradients<T>& gradients) {
        gradients.add(0,
                      detail::avg_pool_backward<T, Rank>(dy, gradients.shape(0), kernel, options));
      },
      name);
}

template <class T, int Rank>
Var<T> adaptive_avg_pool(const Var<T>& x, const PerAxis<Rank>& extents, DataFormat format,
                         const char* name) {
  return make_var(
      detail::adaptive_pool<T, Rank>(false, x.value(), extents, false, format).values, {x},
      [format](const Array<T>& dy, Gradients<T>& gradients) {
        gradients.add(0,
                      detail::adaptive_avg_pool_backward<T, Rank>(dy, gradients.shape(0), format));
      },
      name);
}

template <class T, int Rank>
Var<T> lp_pool(const Var<T>& x, double p, const PerAxis<Rank>& kernel,
               const PoolOptions<Rank>& options, const char* name) {
  const Saved<T> y(detail::lp_pool<T, Rank>(x.value(), p, kernel, options));
  return make_var(
      y, {x},
      [y, saved = x.save(), p, kernel, options](const Array<T>& dy, Gradients<T>& gradients) {
        gradients.add(
            0, detail::lp_pool_backward<T, Rank>(dy, saved.value(), y.value(), p, kernel, options));
      },
      name);
}

template <class T, int Rank>
Var<T> max_unpool(const Var<T>& x, const View<std::int64_t>& indices, const PerAxis<Rank>& kernel,
                  const UnpoolOptions<Rank>& options, const char* name) {
  return make_var(
      detail::max_unpool<T, Rank>(x.value(), indices, kernel, options), {x},
      [saved = recorded(x) ? indices.copy() : Array<std::int64_t>(), format = options.format](
          const Array<T>& dy, Gradients<T>& gradients) {
        gradients.add(0, detail::max_unpool_backward<T, Rank>(dy, saved, format));
      },
      name);
}

template <class T>
Var<T> global_avg(const Var<T>& x, int rank, const GlobalPoolOptions& options, const char* name) {
  return make_var(
      detail::global_pool<T>(false, x.value(), rank, options), {x},
      [rank, options](const Array<T>& dy, Gradients<T>& gradients) {
        gradients.add(0,
                      detail::global_avg_pool_backward<T>(dy, gradients.shape(0), rank, options));
      },
      name);
}

template <class T>
Var<T> global_max(const Var<T>& x, int rank, const GlobalPoolOptions& options, const char* name) {
  return make_var(
      detail::global_pool<T>(true, x.value(), rank, options), {x},
      [saved = x.save(), rank, options](const Array<T>& dy, Gradients<T>& gradients) {
        gradients.add(0, detail::global_max_pool_backward<T>(dy, saved.value(), rank, options));
      },
      name);
}

}  // namespace

template <class T>
Var<T> max_pool1d(const Var<T>& x, const PerAxis<1>& kernel, const Pool1dOptions& options) {
  return max_pool<T, 1>(x, kernel, options, "max_pool1d");
}
template <class T>
Var<T> avg_pool1d(const Var<T>& x, const PerAxis<1>& kernel, const AvgPool1dOptions& options) {
  return avg_pool<T, 1>(x, kernel, options, "avg_pool1d");
}
template <class T>
MaxPoolVars<T> max_pool1d_with_indices(const Var<T>& x, const PerAxis<1>& kernel,
                                       const Pool1dOptions& options) {
  return max_pool_with_indices<T, 1>(x, kernel, options, "max_pool1d");
}
template <class T>
Var<T> lp_pool1d(const Var<T>& x, double p, const PerAxis<1>& kernel,
                 const Pool1dOptions& options) {
  return lp_pool<T, 1>(x, p, kernel, options, "lp_pool1d");
}
template <class T>
Var<T> max_unpool1d(const Var<T>& x, const View<std::int64_t>& indices, const PerAxis<1>& kernel,
                    const Unpool1dOptions& options) {
  return max_unpool<T, 1>(x, indices, kernel, options, "max_unpool1d");
}
template <class T>
Var<T> adaptive_avg_pool1d(const Var<T>& x, const PerAxis<1>& extents, DataFormat format) {
  return adaptive_avg_pool<T, 1>(x, extents, format, "adaptive_avg_pool1d");
}
template <class T>
Var<T> adaptive_max_pool1d(const Var<T>& x, const PerAxis<1>& extents, DataFormat format) {
  return adaptive_max_pool<T, 1>(x, extents, format, "adaptive_max_pool1d");
}
template <class T>
Var<T> max_pool2d(const Var<T>& x, const PerAxis<2>& kernel, const Pool2dOptions& options) {
  return max_pool<T, 2>(x, kernel, options, "max_pool2d");
}
template <class T>
Var<T> avg_pool2d(const Var<T>& x, const PerAxis<2>& kernel, const AvgPool2dOptions& options) {
  return avg_pool<T, 2>(x, kernel, options, "avg_pool2d");
}
template <class T>
MaxPoolVars<T> max_pool2d_with_indices(const Var<T>& x, const PerAxis<2>& kernel,
                                       const Pool2dOptions& options) {
  return max_pool_with_indices<T, 2>(x, kernel, options, "max_pool2d");
}
template <class T>
Var<T> lp_pool2d(const Var<T>& x, double p, const PerAxis<2>& kernel,
                 const Pool2dOptions& options) {
  return lp_pool<T, 2>(x, p, kernel, options, "lp_pool2d");
}
template <class T>
Var<T> max_unpool2d(const Var<T>& x, const View<std::int64_t>& indices, const PerAxis<2>& kernel,
                    const Unpool2dOptions& options) {
  return max_unpool<T, 2>(x, indices, kernel, options, "max_unpool2d");
}
template <class T>
Var<T> adaptive_avg_pool2d(const Var<T>& x, const PerAxis<2>& extents, DataFormat format) {
  return adaptive_avg_pool<T, 2>(x, extents, format, "adaptive_avg_pool2d");
}
template <class T>
Var<T> adaptive_max_pool2d(const Var<T>& x, const PerAxis<2>& extents, DataFormat format) {
  return adaptive_max_pool<T, 2>(x, extents, format, "adaptive_max_pool2d");
}
template <class T>
Var<T> max_pool3d(const Var<T>& x, const PerAxis<3>& kernel, const Pool3dOptions& options) {
  return max_pool<T, 3>(x, kernel, options, "max_pool3d");
}
template <class T>
Var<T> avg_pool3d(const Var<T>& x, const PerAxis<3>& kernel, const AvgPool3dOptions& options) {
  return avg_pool<T, 3>(x, kernel, options, "avg_pool3d");
}
template <class T>
MaxPoolVars<T> max_pool3d_with_indices(const Var<T>& x, const PerAxis<3>& kernel,
                                       const Pool3dOptions& options) {
  return max_pool_with_indices<T, 3>(x, kernel, options, "max_pool3d");
}
template <class T>
Var<T> lp_pool3d(const Var<T>& x, double p, const PerAxis<3>& kernel,
                 const Pool3dOptions& options) {
  return lp_pool<T, 3>(x, p, kernel, options, "lp_pool3d");
}
template <class T>
Var<T> max_unpool3d(const Var<T>& x, const View<std::int64_t>& indices, const PerAxis<3>& kernel,
                    const Unpool3dOptions& options) {
  return max_unpool<T, 3>(x, indices, kernel, options, "max_unpool3d");
}
template <class T>
Var<T> adaptive_avg_pool3d(const Var<T>& x, const PerAxis<3>& extents, DataFormat format) {
  return adaptive_avg_pool<T, 3>(x, extents, format, "adaptive_avg_pool3d");
}
template <class T>
Var<T> adaptive_max_pool3d(const Var<T>& x, const PerAxis<3>& extents, DataFormat format) {
  return adaptive_max_pool<T, 3>(x, extents, format, "adaptive_max_pool3d");
}
template <class T>
Var<T> global_avg_pool(const Var<T>& x, const GlobalPoolOptions& options) {
  return global_avg(x, 0, options, "global_avg_pool");
}
template <class T>
Var<T> global_max_pool(const Var<T>& x, const GlobalPoolOptions& options) {
  return global_max(x, 0, options, "global_max_pool");
}
template <class T>
Var<T> global_avg_pool1d(const Var<T>& x, const GlobalPoolOptions& options) {
  return global_avg(x, 1, options, "global_avg_pool1d");
}
template <class T>
Var<T> global_max_pool1d(const Var<T>& x, const GlobalPoolOptions& options) {
  return global_max(x, 1, options, "global_max_pool1d");
}
template <class T>
Var<T> global_avg_pool2d(const Var<T>& x, const GlobalPoolOptions& options) {
  return global_avg(x, 2, options, "global_avg_pool2d");
}
template <class T>
Var<T> global_max_pool2d(const Var<T>& x, const GlobalPoolOptions& options) {
  return global_max(x, 2, options, "global_max_pool2d");
}
template <class T>
Var<T> global_avg_pool3d(const Var<T>& x, const GlobalPoolOptions& options) {
  return global_avg(x, 3, options, "global_avg_pool3d");
}
template <class T>
Var<T> global_max_pool3d(const Var<T>& x, const GlobalPoolOptions& options) {
  return global_max(x, 3, options, "global_max_pool3d");
}

#define LAMINA_INSTANTIATE_RANK(T, R)                                                              \
  template LAMINA_EXPORT Var<T> max_pool##R##d<T>(const Var<T>&, const PerAxis<R>&,                \
                                                  const Pool##R##dOptions&);                       \
  template LAMINA_EXPORT Var<T> avg_pool##R##d<T>(const Var<T>&, const PerAxis<R>&,                \
                                                  const AvgPool##R##dOptions&);                    \
  template LAMINA_EXPORT Var<T> lp_pool##R##d<T>(const Var<T>&, double, const PerAxis<R>&,         \
                                                 const Pool##R##dOptions&);                        \
  template LAMINA_EXPORT Var<T> max_unpool##R##d<T>(                                               \
      const Var<T>&, const View<std::int64_t>&, const PerAxis<R>&, const Unpool##R##dOptions&);    \
  template LAMINA_EXPORT Var<T> adaptive_avg_pool##R##d<T>(const Var<T>&, const PerAxis<R>&,       \
                                                           DataFormat);                            \
  template LAMINA_EXPORT Var<T> adaptive_max_pool##R##d<T>(const Var<T>&, const PerAxis<R>&,       \
                                                           DataFormat);                            \
  template LAMINA_EXPORT Var<T> global_avg_pool##R##d<T>(const Var<T>&, const GlobalPoolOptions&); \
  template LAMINA_EXPORT Var<T> global_max_pool##R##d<T>(const Var<T>&, const GlobalPoolOptions&); \
  template LAMINA_EXPORT MaxPoolVars<T> max_pool##R##d_with_indices<T>(                            \
      const Var<T>&, const PerAxis<R>&, const Pool##R##dOptions&);
#define LAMINA_INSTANTIATE(T)                                                                \
  LAMINA_INSTANTIATE_RANK(T, 1)                                                              \
  LAMINA_INSTANTIATE_RANK(T, 2)                                                              \
  LAMINA_INSTANTIATE_RANK(T, 3)                                                              \
  template LAMINA_EXPORT Var<T> global_avg_pool<T>(const Var<T>&, const GlobalPoolOptions&); \
  template LAMINA_EXPORT Var<T> global_max_pool<T>(const Var<T>&, const GlobalPoolOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
