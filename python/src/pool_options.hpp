#pragma once

#include <string>

#include "lamina/nn/pooling.hpp"
#include "modules.hpp"

// The window of a pooling, as Python gives it.

namespace lamina::python {

template <int Rank>
PerAxis<Rank> per_axis(const Call& call, std::string_view parameter) {
  constexpr std::size_t kAxes = Rank;
  return PerAxis<Rank>(call.each<kAxes>(parameter));
}

/// None is the stride that puts windows side by side.
template <int Rank>
PerAxis<Rank> stride_of(const Call& call) {
  return call.has("stride") ? per_axis<Rank>(call, "stride") : PerAxis<Rank>(nn::kStrideOfKernel);
}

template <int Rank>
nn::PoolOptions<Rank> pool_options(const Call& call) {
  nn::PoolOptions<Rank> options;
  options.stride = stride_of<Rank>(call);
  options.padding = call.padding("padding", Rank);
  options.dilation = per_axis<Rank>(call, "dilation");
  options.ceil_mode = call.flag("ceil_mode");
  options.format = call.data_format();
  return options;
}

template <int Rank>
nn::AvgPoolOptions<Rank> avg_pool_options(const Call& call) {
  const nn::PoolOptions<Rank> window = pool_options<Rank>(call);
  nn::AvgPoolOptions<Rank> options;
  options.stride = window.stride;
  options.padding = window.padding;
  options.dilation = window.dilation;
  options.ceil_mode = window.ceil_mode;
  options.format = window.format;
  options.count_include_pad = call.flag("count_include_pad");
  options.divisor = call.index("divisor");
  return options;
}

/// The window in signatures.
inline const std::string kWindow =
    "stride=None, padding=0, dilation=1, ceil_mode=False, data_format=\"NCHW\"";
inline const std::string kMean = kWindow + ", count_include_pad=True, divisor=0";

}  // namespace lamina::python
