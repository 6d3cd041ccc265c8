#include "lamina/layers/pooling.hpp"

#include <cmath>
#include <sstream>
#include <string>
#include <string_view>

#include "lamina/autograd/ops_pooling.hpp"

namespace lamina::layers {

namespace {

/// "MaxPool2d".
template <int Rank>
std::string rank_name(std::string_view kind) {
  return std::string(kind).append(std::to_string(Rank)).append("d");
}

/// "2" for one axis, "(2, 3)" for several.
template <int Rank>
std::string per_axis(const PerAxis<Rank>& values) {
  std::ostringstream text;
  if (Rank > 1) text << '(';
  for (std::size_t i = 0; i < static_cast<std::size_t>(Rank); ++i) {
    if (i > 0) text << ", ";
    text << values[i];
  }
  if (Rank > 1) text << ')';
  return text.str();
}

template <int Rank>
std::string window_name(std::string_view name, const PerAxis<Rank>& kernel,
                        const PerAxis<Rank>& stride, double p = 0) {
  std::ostringstream text;
  text << rank_name<Rank>(name) << "(kernel " << per_axis<Rank>(kernel) << ", stride "
       << per_axis<Rank>(stride == PerAxis<Rank>(nn::kStrideOfKernel) ? kernel : stride);
  if (p > 0) text << ", p " << p;
  text << ')';
  return text.str();
}

template <int Rank>
void check_window(std::string_view name, const PerAxis<Rank>& kernel, const PerAxis<Rank>& stride) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(Rank); ++i) {
    check(kernel[i] >= 1, ErrorKind::InvalidOperation, rank_name<Rank>(name),
          "kernel must be at least 1, got ", kernel[i]);
    check(stride[i] >= 1 || stride[i] == nn::kStrideOfKernel, ErrorKind::InvalidOperation,
          rank_name<Rank>(name), "stride must be at least 1, got ", stride[i]);
  }
}

template <int Rank>
void check_extents(std::string_view name, const PerAxis<Rank>& extents) {
  for (const Index extent : extents) {
    check(extent >= 1, ErrorKind::InvalidOperation, rank_name<Rank>(name),
          "output extents must be at least 1, got ", extent);
  }
}

}  // namespace

template <class T, int Rank>
MaxPool<T, Rank>::MaxPool(PerAxis<Rank> kernel, const nn::PoolOptions<Rank>& options)
    : kernel_(kernel), options_(options) {
  check_window<Rank>("MaxPool", kernel_, options_.stride);
}
template <class T, int Rank>
std::string MaxPool<T, Rank>::name() const {
  return window_name<Rank>("MaxPool", kernel_, options_.stride);
}
template <class T, int Rank>
Var<T> MaxPool<T, Rank>::forward(const Var<T>& x) {
  if constexpr (Rank == 1) {
    return nn::max_pool1d(x, kernel_, options_);
  } else if constexpr (Rank == 2) {
    return nn::max_pool2d(x, kernel_, options_);
  } else {
    return nn::max_pool3d(x, kernel_, options_);
  }
}

template <class T, int Rank>
AvgPool<T, Rank>::AvgPool(PerAxis<Rank> kernel, const nn::AvgPoolOptions<Rank>& options)
    : kernel_(kernel), options_(options) {
  check_window<Rank>("AvgPool", kernel_, options_.stride);
}
template <class T, int Rank>
std::string AvgPool<T, Rank>::name() const {
  return window_name<Rank>("AvgPool", kernel_, options_.stride);
}
template <class T, int Rank>
Var<T> AvgPool<T, Rank>::forward(const Var<T>& x) {
  if constexpr (Rank == 1) {
    return nn::avg_pool1d(x, kernel_, options_);
  } else if constexpr (Rank == 2) {
    return nn::avg_pool2d(x, kernel_, options_);
  } else {
    return nn::avg_pool3d(x, kernel_, options_);
  }
}

template <class T, int Rank>
LpPool<T, Rank>::LpPool(double p, PerAxis<Rank> kernel, const nn::PoolOptions<Rank>& options)
    : p_(p), kernel_(kernel), options_(options) {
  check_window<Rank>("LpPool", kernel_, options_.stride);
  check(p >= 1 && std::isfinite(p), ErrorKind::InvalidOperation, rank_name<Rank>("LpPool"),
        "p must be finite and at least 1, got ", p);
}
template <class T, int Rank>
std::string LpPool<T, Rank>::name() const {
  return window_name<Rank>("LpPool", kernel_, options_.stride, p_);
}
template <class T, int Rank>
Var<T> LpPool<T, Rank>::forward(const Var<T>& x) {
  if constexpr (Rank == 1) {
    return nn::lp_pool1d(x, p_, kernel_, options_);
  } else if constexpr (Rank == 2) {
    return nn::lp_pool2d(x, p_, kernel_, options_);
  } else {
    return nn::lp_pool3d(x, p_, kernel_, options_);
  }
}

template <class T, int Rank>
AdaptiveAvgPool<T, Rank>::AdaptiveAvgPool(PerAxis<Rank> extents, DataFormat format)
    : extents_(extents), format_(format) {
  check_extents<Rank>("AdaptiveAvgPool", extents_);
}
template <class T, int Rank>
std::string AdaptiveAvgPool<T, Rank>::name() const {
  return rank_name<Rank>("AdaptiveAvgPool") + "(" + per_axis<Rank>(extents_) + ")";
}
template <class T, int Rank>
Var<T> AdaptiveAvgPool<T, Rank>::forward(const Var<T>& x) {
  if constexpr (Rank == 1) {
    return nn::adaptive_avg_pool1d(x, extents_, format_);
  } else if constexpr (Rank == 2) {
    return nn::adaptive_avg_pool2d(x, extents_, format_);
  } else {
    return nn::adaptive_avg_pool3d(x, extents_, format_);
  }
}

template <class T, int Rank>
AdaptiveMaxPool<T, Rank>::AdaptiveMaxPool(PerAxis<Rank> extents, DataFormat format)
    : extents_(extents), format_(format) {
  check_extents<Rank>("AdaptiveMaxPool", extents_);
}
template <class T, int Rank>
std::string AdaptiveMaxPool<T, Rank>::name() const {
  return rank_name<Rank>("AdaptiveMaxPool") + "(" + per_axis<Rank>(extents_) + ")";
}
template <class T, int Rank>
Var<T> AdaptiveMaxPool<T, Rank>::forward(const Var<T>& x) {
  if constexpr (Rank == 1) {
    return nn::adaptive_max_pool1d(x, extents_, format_);
  } else if constexpr (Rank == 2) {
    return nn::adaptive_max_pool2d(x, extents_, format_);
  } else {
    return nn::adaptive_max_pool3d(x, extents_, format_);
  }
}

template <class T>
Var<T> GlobalAvgPool<T>::forward(const Var<T>& x) {
  return nn::global_avg_pool(x, options_);
}
template <class T>
Var<T> GlobalMaxPool<T>::forward(const Var<T>& x) {
  return nn::global_max_pool(x, options_);
}

template class MaxPool<float, 1>;
template class MaxPool<float, 2>;
template class MaxPool<float, 3>;
template class MaxPool<double, 1>;
template class MaxPool<double, 2>;
template class MaxPool<double, 3>;
template class AvgPool<float, 1>;
template class AvgPool<float, 2>;
template class AvgPool<float, 3>;
template class AvgPool<double, 1>;
template class AvgPool<double, 2>;
template class AvgPool<double, 3>;
template class LpPool<float, 1>;
template class LpPool<float, 2>;
template class LpPool<float, 3>;
template class LpPool<double, 1>;
template class LpPool<double, 2>;
template class LpPool<double, 3>;
template class AdaptiveAvgPool<float, 1>;
template class AdaptiveAvgPool<float, 2>;
template class AdaptiveAvgPool<float, 3>;
template class AdaptiveAvgPool<double, 1>;
template class AdaptiveAvgPool<double, 2>;
template class AdaptiveAvgPool<double, 3>;
template class AdaptiveMaxPool<float, 1>;
template class AdaptiveMaxPool<float, 2>;
template class AdaptiveMaxPool<float, 3>;
template class AdaptiveMaxPool<double, 1>;
template class AdaptiveMaxPool<double, 2>;
template class AdaptiveMaxPool<double, 3>;
template class GlobalAvgPool<float>;
template class GlobalAvgPool<double>;
template class GlobalMaxPool<float>;
template class GlobalMaxPool<double>;

}  // namespace lamina::layers
