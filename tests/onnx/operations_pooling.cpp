#include <utility>

#include "lamina/nn/adaptive_pooling.hpp"
#include "lamina/nn/max_unpool.hpp"
#include "lamina/nn/pad.hpp"
#include "lamina/nn/pooling.hpp"
#include "onnx/define.hpp"

namespace lamina::onnx_test {
namespace {

template <int Rank>
PerAxis<Rank> per_axis(const Call& call, std::string_view name) {
  PerAxis<Rank> values = 1;
  const std::vector<Index> given = call.integers(name);
  for (std::size_t i = 0; i < given.size(); ++i) {
    values[i] = given[i];
  }
  return values;
}

/// The padding of the node: explicit, or what makes ceil(input / stride) outputs, the odd element
/// behind, or with SAME_LOWER before.
template <int Rank>
PaddingMode padding_of(const Call& call, const Shape& x) {
  const std::vector<Index> pads = call.integers("pads");  // all before, then all behind
  const std::string_view automatic = call.text("auto_pad", "NOTSET");
  const PerAxis<Rank> kernel = per_axis<Rank>(call, "kernel_shape");
  const PerAxis<Rank> stride = per_axis<Rank>(call, "strides");
  const PerAxis<Rank> dilation = per_axis<Rank>(call, "dilations");
  std::array<PaddingAmount, 3> amounts{};
  for (std::size_t i = 0; i < static_cast<std::size_t>(Rank); ++i) {
    if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
      const int axis = static_cast<int>(i);
      amounts[i] = PaddingMode::same().resolve(axis, x[axis + 2], kernel[i], stride[i], dilation[i],
                                               "padding_of");
      if (automatic == "SAME_LOWER") std::swap(amounts[i].before, amounts[i].behind);
    } else if (!pads.empty()) {
      amounts[i] = {pads.at(i), pads.at(i + static_cast<std::size_t>(Rank))};
    }
  }
  return PaddingMode::asymmetric(amounts[0], amounts[1], amounts[2]);
}

template <class Options, int Rank>
Options options_of(const Call& call, const Shape& x) {
  Options options;
  options.stride = per_axis<Rank>(call, "strides");
  options.padding = padding_of<Rank>(call, x);
  options.dilation = per_axis<Rank>(call, "dilations");
  options.ceil_mode = call.integer("ceil_mode", 0) != 0;
  return options;
}

/// ONNX counts through the whole of x, and along columns if storage_order says so.
template <class T>
Result whole_indices(const nn::MaxPoolResult<T>& pooled, const Shape& x, bool columns) {
  Result out = result(pooled.indices);
  const Index plane = x.size() / (x[0] * x[1]);
  const Index outputs = pooled.indices.size() / (x[0] * x[1]);
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    auto at = static_cast<Index>(out.values[i]);
    if (columns) {
      check(x.rank() == 4, ErrorKind::Unsupported, "MaxPool", "storage_order but of images");
      at = at % x[3] * x[2] + at / x[3];
    }
    out.values[i] = static_cast<double>(static_cast<Index>(i) / outputs * plane + at);
  }
  return out;
}

template <int Rank, class T>
Results run_max_pool(const Call& call) {
  const Array<T> x = call.in<T>(0);
  const auto kernel = per_axis<Rank>(call, "kernel_shape");
  const auto options = options_of<nn::PoolOptions<Rank>, Rank>(call, x.shape());
  nn::MaxPoolResult<T> pooled;
  if constexpr (Rank == 1) {
    pooled = nn::max_pool1d_with_indices(x, kernel, options);
  } else if constexpr (Rank == 2) {
    pooled = nn::max_pool2d_with_indices(x, kernel, options);
  } else {
    pooled = nn::max_pool3d_with_indices(x, kernel, options);
  }
  return {result(pooled.values),
          whole_indices(pooled, x.shape(), call.integer("storage_order", 0) != 0)};
}

template <int Rank, class T>
Results run_average_pool(const Call& call) {
  const Array<T> x = call.in<T>(0);
  const auto kernel = per_axis<Rank>(call, "kernel_shape");
  auto options = options_of<nn::AvgPoolOptions<Rank>, Rank>(call, x.shape());
  options.count_include_pad = call.integer("count_include_pad", 0) != 0;
  if constexpr (Rank == 1) {
    return {result(nn::avg_pool1d(x, kernel, options))};
  } else if constexpr (Rank == 2) {
    return {result(nn::avg_pool2d(x, kernel, options))};
  } else {
    return {result(nn::avg_pool3d(x, kernel, options))};
  }
}

template <int Rank, class T>
Results run_lp_pool(const Call& call) {
  const Array<T> x = call.in<T>(0);
  const auto kernel = per_axis<Rank>(call, "kernel_shape");
  const auto options = options_of<nn::PoolOptions<Rank>, Rank>(call, x.shape());
  const double p = static_cast<double>(call.integer("p", 2));
  if constexpr (Rank == 1) {
    return {result(nn::lp_pool1d(x, p, kernel, options))};
  } else if constexpr (Rank == 2) {
    return {result(nn::lp_pool2d(x, p, kernel, options))};
  } else {
    return {result(nn::lp_pool3d(x, p, kernel, options))};
  }
}

/// ONNX's indices mean the shape that pooling came from; output_shape only adds zeros behind.
template <class T>
Results run_max_unpool(const Call& call) {
  const Array<T> x = call.in<T>(0);
  check(x.rank() == 4, ErrorKind::Unsupported, "MaxUnpool", "but of images");
  Array<std::int64_t> indices = call.in<std::int64_t>(1);
  nn::Unpool2dOptions options;
  options.stride = per_axis<2>(call, "strides");
  options.padding = padding_of<2>(call, x.shape());
  const PerAxis<2> kernel = per_axis<2>(call, "kernel_shape");
  Array<std::int64_t> zeros = Array<std::int64_t>::zeros(indices.shape());
  const Shape shape = nn::max_unpool2d(x, zeros, kernel, options).shape();
  const Index plane = shape[2] * shape[3];
  for (std::int64_t& index : indices) {
    index %= plane;
  }
  const Array<T> y = nn::max_unpool2d(x, indices, kernel, options);
  if (!call.has(2)) return {result(y)};
  const Array<std::int64_t> wanted = call.in<std::int64_t>(2);
  return {result(nn::pad(y, {{0, wanted(2) - shape[2]}, {0, wanted(3) - shape[3]}}))};
}

template <class Run>
auto by_rank(const Call& call, Run run) {
  switch (call.tensor(0).shape.rank()) {
    case 3:
      return run(std::integral_constant<int, 1>());
    case 4:
      return run(std::integral_constant<int, 2>());
    default:
      return run(std::integral_constant<int, 3>());
  }
}

}  // namespace

void define_pooling(std::vector<Operation>& table) {
  define(table, "MaxPool", "max_pool1d_with_indices, max_pool2d_.., max_pool3d_..", Measure::Exact,
         [](auto t, const Call& call) -> Results {
           return by_rank(call, [&](auto rank) {
             return run_max_pool<decltype(rank)::value, decltype(t)>(call);
           });
         });
  define(table, "AveragePool", "avg_pool1d, avg_pool2d, avg_pool3d", Measure::Largest,
         [](auto t, const Call& call) -> Results {
           return by_rank(call, [&](auto rank) {
             return run_average_pool<decltype(rank)::value, decltype(t)>(call);
           });
         });
  define(table, "LpPool", "lp_pool1d, lp_pool2d, lp_pool3d", Measure::Largest,
         [](auto t, const Call& call) -> Results {
           return by_rank(call, [&](auto rank) {
             return run_lp_pool<decltype(rank)::value, decltype(t)>(call);
           });
         });
  define(table, "MaxUnpool", "max_unpool2d", Measure::Exact,
         [](auto t, const Call& call) -> Results { return run_max_unpool<decltype(t)>(call); });
  define(table, "GlobalAveragePool", "global_avg_pool", Measure::Largest,
         [](auto t, const Call& call) -> Results {
           return {result(nn::global_avg_pool(call.in<decltype(t)>(0), {.keep_dims = true}))};
         });
  define(table, "GlobalMaxPool", "global_max_pool", Measure::Exact,
         [](auto t, const Call& call) -> Results {
           return {result(nn::global_max_pool(call.in<decltype(t)>(0), {.keep_dims = true}))};
         });
}

}  // namespace lamina::onnx_test
