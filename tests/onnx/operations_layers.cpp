#include "lamina/nn/conv.hpp"
#include "lamina/nn/conv_transpose.hpp"
#include "lamina/nn/dropout.hpp"
#include "lamina/nn/embedding.hpp"
#include "lamina/nn/local_response_norm.hpp"
#include "lamina/nn/normalization.hpp"
#include "lamina/nn/pad.hpp"
#include "lamina/nn/unfold.hpp"
#include "onnx/define.hpp"

namespace lamina::onnx_test {
namespace {

template <int Rank>
std::array<Index, Rank> per_axis(const Call& call, std::string_view name) {
  std::array<Index, Rank> values{};
  values.fill(1);
  const std::vector<Index> given = call.integers(name);
  for (std::size_t i = 0; i < given.size(); ++i) {
    values.at(i) = given[i];
  }
  return values;
}

/// Stride, dilation, groups and explicit padding, which Conv and ConvTranspose have in common.
template <class Options, int Rank>
Options conv_options(const Call& call, const std::array<PaddingAmount, 3>& amounts) {
  Options options;
  options.stride = per_axis<Rank>(call, "strides");
  options.dilation = per_axis<Rank>(call, "dilations");
  options.groups = call.integer("group", 1);
  options.padding = PaddingMode::asymmetric(amounts[0], amounts[1], amounts[2]);
  return options;
}

template <int Rank>
std::array<PaddingAmount, 3> explicit_padding(const Call& call) {
  std::array<PaddingAmount, 3> amounts{};
  const std::vector<Index> pads = call.integers("pads");  // all before, then all behind
  for (std::size_t axis = 0; axis < Rank && !pads.empty(); ++axis) {
    amounts[axis] = {pads.at(axis), pads.at(axis + Rank)};
  }
  return amounts;
}

/// ceil(input / stride) outputs; the odd element goes behind, with SAME_LOWER before.
template <int Rank>
std::array<PaddingAmount, 3> same_padding(const Call& call, const Shape& x, const Shape& weight) {
  const std::array<Index, Rank> stride = per_axis<Rank>(call, "strides");
  const std::array<Index, Rank> dilation = per_axis<Rank>(call, "dilations");
  std::array<PaddingAmount, 3> amounts{};
  for (int axis = 0; axis < Rank; ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    PaddingAmount amount = PaddingMode::same().resolve(axis, x[axis + 2], weight[axis + 2],
                                                       stride[i], dilation[i], "same_padding");
    if (call.text("auto_pad", "") == "SAME_LOWER") {
      std::swap(amount.before, amount.behind);
    }
    amounts[i] = amount;
  }
  return amounts;
}

template <int Rank, class T>
Array<T> run_conv(const Call& call) {
  const Array<T> x = call.in<T>(0);
  const Array<T> weight = call.in<T>(1);
  const Array<T> bias_file = call.has(2) ? call.in<T>(2) : Array<T>();
  const View<T> bias = call.has(2) ? bias_file.view() : View<T>();
  const std::string_view automatic = call.text("auto_pad", "NOTSET");
  auto options = conv_options<nn::ConvOptions<Rank>, Rank>(
      call, automatic == "SAME_LOWER" ? same_padding<Rank>(call, x.shape(), weight.shape())
                                      : explicit_padding<Rank>(call));
  if (automatic == "SAME_UPPER") {
    options.padding = PaddingMode::same();
  }
  if constexpr (Rank == 1) {
    return nn::conv1d(x, weight, bias, options);
  } else if constexpr (Rank == 2) {
    return nn::conv2d(x, weight, bias, options);
  } else {
    return nn::conv3d(x, weight, bias, options);
  }
}

/// A wanted extent is made of padding, or of output_padding where it is more than there is.
template <int Rank, class T>
Array<T> run_conv_transpose(const Call& call) {
  const Array<T> x = call.in<T>(0);
  const Array<T> weight = call.in<T>(1);
  const Array<T> bias_file = call.has(2) ? call.in<T>(2) : Array<T>();
  const View<T> bias = call.has(2) ? bias_file.view() : View<T>();
  std::array<PaddingAmount, 3> amounts = explicit_padding<Rank>(call);
  const std::array<Index, Rank> stride = per_axis<Rank>(call, "strides");
  const std::array<Index, Rank> dilation = per_axis<Rank>(call, "dilations");
  const std::vector<Index> wanted = call.integers("output_shape");
  const std::vector<Index> extra = call.integers("output_padding");
  const std::string_view automatic = call.text("auto_pad", "NOTSET");
  const bool same = automatic != "NOTSET";
  std::array<Index, Rank> output_padding{};
  for (int axis = 0; axis < Rank; ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    output_padding.at(i) = extra.empty() ? 0 : extra.at(i);
    if (!same && wanted.empty()) continue;
    const Index full = stride[i] * (x.shape()[axis + 2] - 1) + output_padding[i] +
                       (weight.shape()[axis + 2] - 1) * dilation[i] + 1;
    const Index extent = same ? x.shape()[axis + 2] * stride[i] : wanted.at(i);
    output_padding[i] += std::max<Index>(extent - full, 0);
    const Index total = std::max<Index>(full - extent, 0);
    const Index lesser = total / 2;
    amounts[i] = automatic == "SAME_UPPER" ? PaddingAmount{lesser, total - lesser}
                                           : PaddingAmount{total - lesser, lesser};
  }
  auto options = conv_options<nn::ConvTransposeOptions<Rank>, Rank>(call, amounts);
  options.output_padding = output_padding;
  if constexpr (Rank == 1) {
    return nn::conv_transpose1d(x, weight, bias, options);
  } else if constexpr (Rank == 2) {
    return nn::conv_transpose2d(x, weight, bias, options);
  } else {
    return nn::conv_transpose3d(x, weight, bias, options);
  }
}

template <class T>
Results run_batch_norm(const Call& call) {
  const Array<T> x = call.in<T>(0);
  const Array<T> gamma = call.in<T>(1);
  const Array<T> beta = call.in<T>(2);
  Array<T> mean = call.in<T>(3);
  Array<T> variance = call.in<T>(4);
  const double eps = call.number("epsilon", 1e-5);
  if (call.integer("training_mode", 0) == 0) {
    return {result(nn::batch_norm_inference(x, mean, variance, gamma, beta, eps))};
  }
  // ONNX's momentum is the share of the old statistics, and its variance divides by n.
  const double kept = call.number("momentum", 0.9);
  const Array<T> before = variance;
  Results results{result(nn::batch_norm_training(x, mean.view(), variance.view(), gamma, beta,
                                                 {.eps = eps, .momentum = 1 - kept}))};
  const auto n = static_cast<double>(x.size() / x.shape()[1]);
  Result population = result(variance);
  for (std::size_t c = 0; c < population.values.size(); ++c) {
    const double old = kept * static_cast<double>(before.data()[c]);
    population.values[c] = old + (population.values[c] - old) * (n - 1) / n;
  }
  results.push_back(result(mean));
  results.push_back(population);
  return results;
}

template <class T>
Results run_layer_norm(const Call& call) {
  const Array<T> x = call.in<T>(0);
  const Array<T> gamma = call.in<T>(1);
  const Array<T> beta = call.has(2) ? call.in<T>(2) : Array<T>();
  const int axis = normalize_axis(static_cast<int>(call.integer("axis", -1)), x.rank(), "axis");
  // The statistics of ONNX keep the axes normalized over, with extent 1.
  Shape outer;
  Shape kept = x.shape();
  for (int i = 0; i < x.rank(); ++i) {
    if (i < axis) {
      outer.push_back(x.shape()[i]);
    } else {
      kept[i] = 1;
    }
  }
  Array<T> y(x.shape());
  Array<T> mean(outer);
  Array<T> rstd(outer);
  nn::layer_norm_into<T>(x, y.view(), gamma, call.has(2) ? beta.view() : View<T>(),
                         call.number("epsilon", 1e-5), 0,
                         nn::NormStatistics<T>{mean.view(), rstd.view()});
  Results results{result(y), result(mean), result(rstd)};
  results[1].shape = kept;
  results[2].shape = kept;
  return results;
}

template <class T>
Results run_dropout(const Call& call) {
  const Array<T> x = call.in<T>(0);
  const double p = call.has(1) && !call.tensor(1).values.empty() ? call.in<T>(1).item()
                                                                 : call.number("ratio", 0.5);
  const bool training = call.has(2) && call.tensor(2).values.at(0) != 0;
  if (training && p > 0) {
    // Which elements ONNX dropped, its mask says.
    check(call.expected.size() > 1, ErrorKind::Unsupported, "Dropout", "no mask");
    const std::vector<double>& kept = call.expected[1]->values;
    Array<bool> mask(x.shape());
    for (Index i = 0; i < mask.size(); ++i) {
      mask.data()[i] = kept.at(static_cast<std::size_t>(i)) != 0;
    }
    return {result(nn::apply_dropout_mask(x, mask, p)), result(mask)};
  }
  Generator generator(1);
  const Generator before = generator;
  Results results{result(nn::dropout(x, p, training, generator))};
  if (call.expected.size() > 1) {
    Generator again = before;
    results.push_back(result(nn::dropout_mask(x.shape(), p, training, again)));
  }
  return results;
}

template <class T>
Array<T> run_pad(const Call& call) {
  const Array<T> x = call.in<T>(0);
  const std::string_view mode = call.text("mode", "constant");
  const std::vector<double>& pads = call.tensor(1).values;
  const std::size_t rank = pads.size() / 2;
  std::vector<PaddingAmount> amounts;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    amounts.push_back({static_cast<Index>(pads[axis]), static_cast<Index>(pads[axis + rank])});
  }
  if (mode == "constant") return nn::pad(x, amounts, call.has(2) ? call.in<T>(2).item() : T{0});
  return nn::pad(x, amounts,
                 mode == "reflect" ? nn::PaddingValue::Reflect
                 : mode == "edge"  ? nn::PaddingValue::Replicate
                                   : nn::PaddingValue::Circular);
}

template <int Rank, class T>
Array<T> run_fold(const Call& call) {
  PerAxis<Rank> extents = 1;
  PerAxis<Rank> kernel = 1;
  for (std::size_t i = 0; i < Rank; ++i) {
    extents[i] = static_cast<Index>(call.tensor(1).values.at(i));
    kernel[i] = static_cast<Index>(call.tensor(2).values.at(i));
  }
  nn::UnfoldOptions<Rank> options;
  options.stride = per_axis<Rank>(call, "strides");
  options.dilation = per_axis<Rank>(call, "dilations");
  const std::array<PaddingAmount, 3> amounts = explicit_padding<Rank>(call);
  options.padding = PaddingMode::asymmetric(amounts[0], amounts[1], amounts[2]);
  const Array<T> columns = call.in<T>(0);
  if constexpr (Rank == 1) {
    return nn::fold1d(columns, extents, kernel, options);
  } else if constexpr (Rank == 2) {
    return nn::fold2d(columns, extents, kernel, options);
  } else {
    return nn::fold3d(columns, extents, kernel, options);
  }
}

template <class T>
Array<T> run_col2im(const Call& call) {
  switch (call.tensor(1).values.size()) {
    case 1:
      return run_fold<1, T>(call);
    case 2:
      return run_fold<2, T>(call);
    default:
      return run_fold<3, T>(call);
  }
}

template <class T>
Result run_gather(const Call& call) {
  check(call.integer("axis", 0) == 0, ErrorKind::Unsupported, "Gather", "an axis other than 0");
  const Array<T> data = call.in<T>(0);
  const Array<std::int64_t> indices = call.in<std::int64_t>(1);
  const Array<T> table = data.copy().reshape({data.shape()[0], -1});
  Result rows = result(nn::embedding(indices, table));
  Shape shape = indices.shape();
  for (int axis = 1; axis < data.rank(); ++axis) {
    shape.push_back(data.shape()[axis]);
  }
  rows.shape = shape;
  return rows;
}

template <class T>
Array<T> by_rank(const Call& call, bool transposed) {
  switch (call.tensor(0).shape.rank()) {
    case 3:
      return transposed ? run_conv_transpose<1, T>(call) : run_conv<1, T>(call);
    case 4:
      return transposed ? run_conv_transpose<2, T>(call) : run_conv<2, T>(call);
    default:
      return transposed ? run_conv_transpose<3, T>(call) : run_conv<3, T>(call);
  }
}

}  // namespace

void define_layers(std::vector<Operation>& table) {
  define(table, "Conv", "conv1d, conv2d, conv3d", Measure::Largest,
         [](auto t, const Call& call) -> Results {
           return {result(by_rank<decltype(t)>(call, false))};
         });
  define(table, "ConvTranspose", "conv_transpose1d, conv_transpose2d, conv_transpose3d",
         Measure::Largest, [](auto t, const Call& call) -> Results {
           return {result(by_rank<decltype(t)>(call, true))};
         });
  define(table, "BatchNormalization", "batch_norm_inference, batch_norm_training", Measure::Largest,
         [](auto t, const Call& call) -> Results { return run_batch_norm<decltype(t)>(call); });
  define(table, "LayerNormalization", "layer_norm", Measure::Largest,
         [](auto t, const Call& call) -> Results { return run_layer_norm<decltype(t)>(call); });
  define(table, "InstanceNormalization", "instance_norm", Measure::Largest,
         [](auto t, const Call& call) -> Results {
           using T = decltype(t);
           const Array<T> x = call.in<T>(0);
           const Array<T> gamma = call.in<T>(1);
           const Array<T> beta = call.in<T>(2);
           return {result(nn::instance_norm(x, call.number("epsilon", 1e-5), gamma, beta))};
         });
  define(table, "MeanVarianceNormalization", "batch_norm", Measure::Largest,
         [](auto t, const Call& call) -> Results {
           using T = decltype(t);
           const Array<T> x = call.in<T>(0);
           check(call.attribute("axes") == nullptr, ErrorKind::Unsupported, call.node.operation,
                 "axes of one's own");
           return {result(nn::batch_norm(x, View<T>(), View<T>(), 0.0))};
         });
  define(table, "LRN", "local_response_norm", Measure::Element,
         [](auto t, const Call& call) -> Results {
           using T = decltype(t);
           const Index size = call.integer("size", 0);
           check(size % 2 == 1, ErrorKind::Unsupported, call.node.operation,
                 "windows of even size begin one channel later than ours");
           return {result(nn::local_response_norm(call.in<T>(0), size,
                                                  {.alpha = call.number("alpha", 1e-4),
                                                   .beta = call.number("beta", 0.75),
                                                   .k = call.number("bias", 1)}))};
         });
  define(table, "Dropout", "dropout, dropout_mask, apply_dropout_mask", Measure::Element,
         [](auto t, const Call& call) -> Results { return run_dropout<decltype(t)>(call); });
  define(
      table, "Col2Im", "fold1d, fold2d, fold3d", Measure::Largest,
      [](auto t, const Call& call) -> Results { return {result(run_col2im<decltype(t)>(call))}; });
  define(table, "Pad", "pad", Measure::Exact,
         [](auto t, const Call& call) -> Results { return {result(run_pad<decltype(t)>(call))}; });
  define(table, "Gather", "embedding", Measure::Exact,
         [](auto t, const Call& call) -> Results { return {run_gather<decltype(t)>(call)}; });
}

const std::vector<Operation>& operations() {
  static const std::vector<Operation> table = [] {
    std::vector<Operation> rows;
    define_elementwise(rows);
    define_sums(rows);
    define_layers(rows);
    define_pooling(rows);
    define_recurrent(rows);
    define_training(rows);
    return rows;
  }();
  return table;
}

}  // namespace lamina::onnx_test
