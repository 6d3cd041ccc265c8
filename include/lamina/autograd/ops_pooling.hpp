#pragma once

#include <cstdint>

#include "lamina/autograd/var.hpp"
#include "lamina/nn/adaptive_pooling.hpp"
#include "lamina/nn/max_unpool.hpp"
#include "lamina/nn/pooling.hpp"

// The functions of nn/pooling.hpp, nn/adaptive_pooling.hpp and nn/max_unpool.hpp on variables,
// recorded: gradients for x. Shapes, options, errors and numerics as for arrays. Maximum pooling
// finds the indices of the maxima only where a gradient will need them.

namespace lamina::nn {

/// Maxima, and where they are; indices have no gradient.
template <class T>
struct MaxPoolVars {
  Var<T> values;
  Array<std::int64_t> indices;
};

template <class T>
[[nodiscard]] Var<T> max_pool1d(const Var<T>& x, const PerAxis<1>& kernel,
                                const Pool1dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> max_pool1d(const Var<T>& x, const PerAxis<1>& kernel,
                                const PerAxis<1>& stride) {
  return max_pool1d(x, kernel, {.stride = stride});
}
template <class T>
[[nodiscard]] Var<T> max_pool2d(const Var<T>& x, const PerAxis<2>& kernel,
                                const Pool2dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> max_pool2d(const Var<T>& x, const PerAxis<2>& kernel,
                                const PerAxis<2>& stride) {
  return max_pool2d(x, kernel, {.stride = stride});
}
template <class T>
[[nodiscard]] Var<T> max_pool3d(const Var<T>& x, const PerAxis<3>& kernel,
                                const Pool3dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> max_pool3d(const Var<T>& x, const PerAxis<3>& kernel,
                                const PerAxis<3>& stride) {
  return max_pool3d(x, kernel, {.stride = stride});
}

template <class T>
[[nodiscard]] Var<T> avg_pool1d(const Var<T>& x, const PerAxis<1>& kernel,
                                const AvgPool1dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> avg_pool1d(const Var<T>& x, const PerAxis<1>& kernel,
                                const PerAxis<1>& stride) {
  return avg_pool1d(x, kernel, {.stride = stride});
}
template <class T>
[[nodiscard]] Var<T> avg_pool2d(const Var<T>& x, const PerAxis<2>& kernel,
                                const AvgPool2dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> avg_pool2d(const Var<T>& x, const PerAxis<2>& kernel,
                                const PerAxis<2>& stride) {
  return avg_pool2d(x, kernel, {.stride = stride});
}
template <class T>
[[nodiscard]] Var<T> avg_pool3d(const Var<T>& x, const PerAxis<3>& kernel,
                                const AvgPool3dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> avg_pool3d(const Var<T>& x, const PerAxis<3>& kernel,
                                const PerAxis<3>& stride) {
  return avg_pool3d(x, kernel, {.stride = stride});
}

template <class T>
[[nodiscard]] MaxPoolVars<T> max_pool1d_with_indices(const Var<T>& x, const PerAxis<1>& kernel,
                                                     const Pool1dOptions& options = {});
template <class T>
[[nodiscard]] MaxPoolVars<T> max_pool2d_with_indices(const Var<T>& x, const PerAxis<2>& kernel,
                                                     const Pool2dOptions& options = {});
template <class T>
[[nodiscard]] MaxPoolVars<T> max_pool3d_with_indices(const Var<T>& x, const PerAxis<3>& kernel,
                                                     const Pool3dOptions& options = {});

template <class T>
[[nodiscard]] Var<T> lp_pool1d(const Var<T>& x, double p, const PerAxis<1>& kernel,
                               const Pool1dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> lp_pool2d(const Var<T>& x, double p, const PerAxis<2>& kernel,
                               const Pool2dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> lp_pool3d(const Var<T>& x, double p, const PerAxis<3>& kernel,
                               const Pool3dOptions& options = {});

template <class T>
[[nodiscard]] Var<T> max_unpool1d(const Var<T>& x, const View<std::int64_t>& indices,
                                  const PerAxis<1>& kernel, const Unpool1dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> max_unpool2d(const Var<T>& x, const View<std::int64_t>& indices,
                                  const PerAxis<2>& kernel, const Unpool2dOptions& options = {});
template <class T>
[[nodiscard]] Var<T> max_unpool3d(const Var<T>& x, const View<std::int64_t>& indices,
                                  const PerAxis<3>& kernel, const Unpool3dOptions& options = {});

template <class T>
[[nodiscard]] Var<T> adaptive_avg_pool1d(const Var<T>& x, const PerAxis<1>& extents,
                                         DataFormat format = DataFormat::NCHW);
template <class T>
[[nodiscard]] Var<T> adaptive_avg_pool2d(const Var<T>& x, const PerAxis<2>& extents,
                                         DataFormat format = DataFormat::NCHW);
template <class T>
[[nodiscard]] Var<T> adaptive_avg_pool3d(const Var<T>& x, const PerAxis<3>& extents,
                                         DataFormat format = DataFormat::NCHW);

template <class T>
[[nodiscard]] Var<T> adaptive_max_pool1d(const Var<T>& x, const PerAxis<1>& extents,
                                         DataFormat format = DataFormat::NCHW);
template <class T>
[[nodiscard]] Var<T> adaptive_max_pool2d(const Var<T>& x, const PerAxis<2>& extents,
                                         DataFormat format = DataFormat::NCHW);
template <class T>
[[nodiscard]] Var<T> adaptive_max_pool3d(const Var<T>& x, const PerAxis<3>& extents,
                                         DataFormat format = DataFormat::NCHW);

template <class T>
[[nodiscard]] Var<T> global_avg_pool(const Var<T>& x, const GlobalPoolOptions& options = {});
template <class T>
[[nodiscard]] Var<T> global_avg_pool1d(const Var<T>& x, const GlobalPoolOptions& options = {});
template <class T>
[[nodiscard]] Var<T> global_avg_pool2d(const Var<T>& x, const GlobalPoolOptions& options = {});
template <class T>
[[nodiscard]] Var<T> global_avg_pool3d(const Var<T>& x, const GlobalPoolOptions& options = {});

template <class T>
[[nodiscard]] Var<T> global_max_pool(const Var<T>& x, const GlobalPoolOptions& options = {});
template <class T>
[[nodiscard]] Var<T> global_max_pool1d(const Var<T>& x, const GlobalPoolOptions& options = {});
template <class T>
[[nodiscard]] Var<T> global_max_pool2d(const Var<T>& x, const GlobalPoolOptions& options = {});
template <class T>
[[nodiscard]] Var<T> global_max_pool3d(const Var<T>& x, const GlobalPoolOptions& options = {});

}  // namespace lamina::nn
