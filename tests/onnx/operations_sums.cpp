#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/linear.hpp"
#include "lamina/nn/loss_classification.hpp"
#include "lamina/nn/reduction.hpp"
#include "lamina/nn/softmax.hpp"
#include "onnx/define.hpp"

namespace lamina::onnx_test {
namespace {

/// Axes as an attribute (until opset 17) or as an input. False: nothing is to be reduced.
bool reduce_options(const Call& call, nn::ReduceOptions& options) {
  std::vector<Index> axes = call.integers("axes");
  if (call.has(1)) {
    for (const double axis : call.tensor(1).values) {
      axes.push_back(static_cast<Index>(axis));
    }
  }
  options.axes = Axes(std::span<const Index>(axes));
  options.keepdims = call.integer("keepdims", 1) != 0;
  return !axes.empty() || call.integer("noop_with_empty_axes", 0) == 0;
}

template <class T>
Array<T> run_reduce(nn::Reduction kind, const View<T>& x, const Call& call) {
  nn::ReduceOptions options;
  return reduce_options(call, options) ? nn::reduce(kind, x, options) : x.copy();
}

void define_reduce(std::vector<Operation>& table, std::string_view onnx, std::string_view name,
                   Measure measure, nn::Reduction kind) {
  define(table, onnx, name, measure, [kind](auto t, const Call& call) -> Results {
    const Array<decltype(t)> x = call.in<decltype(t)>(0);
    return {result(run_reduce<decltype(t)>(kind, x, call))};
  });
}

void define_position(std::vector<Operation>& table, std::string_view onnx, std::string_view name,
                     bool greatest) {
  define(table, onnx, name, Measure::Exact, [greatest](auto t, const Call& call) -> Results {
    using T = decltype(t);
    const Array<T> x = call.in<T>(0);
    const Index axis = call.integer("axis", 0);
    const bool last = call.integer("select_last_index", 0) != 0;
    const nn::ReduceOptions options{.axes = {axis}, .keepdims = call.integer("keepdims", 1) != 0};
    // The last of equals is the first from the other end.
    const View<T> seen = last ? x.slice(static_cast<int>(axis), {.step = -1}) : x.view();
    Array<std::int64_t> at = greatest ? nn::argmax(seen, options) : nn::argmin(seen, options);
    if (last) {
      for (std::int64_t& position : at) {
        position = x.extent(static_cast<int>(axis)) - 1 - position;
      }
    }
    return {result(at)};
  });
}

template <class T>
Array<T> run_gemm(const Call& call) {
  const Array<T> a_file = call.in<T>(0);
  const Array<T> b_file = call.in<T>(1);
  const bool transposed_b = call.integer("transB", 0) != 0;
  const double alpha = call.number("alpha", 1.0);
  const double beta = call.number("beta", 1.0);
  const View<T> a = call.integer("transA", 0) != 0 ? a_file.t() : a_file.view();
  if (transposed_b && alpha == 1.0 && beta == 1.0 && call.has(2)) {
    const Array<T> bias = call.in<T>(2);
    if (bias.size() == b_file.rows()) {
      return nn::linear(a, b_file, bias.flatten());
    }
  }
  Array<T> y = nn::matmul(a, transposed_b ? b_file.t() : b_file.view());
  if (alpha != 1.0) {
    y = nn::mul(y, static_cast<T>(alpha));
  }
  if (call.has(2)) {
    const Array<T> c = call.in<T>(2);
    const Array<T> scaled = nn::mul(c, static_cast<T>(beta));
    y = nn::add(y, scaled.view());
  }
  return y;
}

ReductionMode reduction_mode(const Call& call) {
  const std::string_view mode = call.text("reduction", "mean");
  return mode == "none"  ? ReductionMode::None
         : mode == "sum" ? ReductionMode::Sum
                         : ReductionMode::Mean;
}

/// ONNX has the classes on axis 1, the library on the last.
template <class T>
View<T> classes_last(const View<T>& x) {
  Axes order{0};
  for (Index axis = 2; axis < x.rank(); ++axis) {
    order.push_back(axis);
  }
  order.push_back(1);
  return x.permute(order);
}

template <class T, class Options>
void set_class_options(const Call& call, const View<T>& weight, Options& options) {
  options.weight = weight;
  if (call.attribute("ignore_index") != nullptr) {
    options.ignore_index = call.integer("ignore_index", 0);
  }
}

}  // namespace

void define_sums(std::vector<Operation>& table) {
  for (const nn::ReductionInfo& row : nn::kReductions) {
    if (!row.onnx.empty()) {
      const bool exact = row.kind == nn::Reduction::Max || row.kind == nn::Reduction::Min;
      define_reduce(table, row.onnx, row.name, exact ? Measure::Exact : Measure::Largest, row.kind);
    }
  }
  define(table, "ReduceLogSum", "log of sum", Measure::Largest,
         [](auto t, const Call& call) -> Results {
           using T = decltype(t);
           const Array<T> x = call.in<T>(0);
           const Array<T> sum = run_reduce<T>(nn::Reduction::Sum, x, call);
           return {result(nn::log(sum))};
         });
  define(table, "ReduceSumSquare", "sum of square", Measure::Largest,
         [](auto t, const Call& call) -> Results {
           using T = decltype(t);
           const Array<T> x = call.in<T>(0);
           const Array<T> squares = nn::square(x);
           return {result(run_reduce<T>(nn::Reduction::Sum, squares, call))};
         });
  define_position(table, "ArgMax", "argmax", true);
  define_position(table, "ArgMin", "argmin", false);

  define(table, "Softmax", "softmax", Measure::Element, [](auto t, const Call& call) -> Results {
    const Array<decltype(t)> x = call.in<decltype(t)>(0);
    return {result(nn::softmax(x, {.axis = static_cast<int>(call.integer("axis", -1))}))};
  });
  define(
      table, "LogSoftmax", "log_softmax", Measure::Element,
      [](auto t, const Call& call) -> Results {
        const Array<decltype(t)> x = call.in<decltype(t)>(0);
        return {result(nn::log_softmax(x, {.axis = static_cast<int>(call.integer("axis", -1))}))};
      });

  define(table, "MatMul", "matmul", Measure::Largest, [](auto t, const Call& call) -> Results {
    using T = decltype(t);
    const Array<T> a = call.in<T>(0);
    const Array<T> b = call.in<T>(1);
    return {result(nn::matmul(a, b))};
  });
  define(table, "Gemm", "matmul, linear", Measure::Largest,
         [](auto t, const Call& call) -> Results { return {result(run_gemm<decltype(t)>(call))}; });

  define(table, "NegativeLogLikelihoodLoss", "nll_loss", Measure::Largest,
         [](auto t, const Call& call) -> Results {
           using T = decltype(t);
           const Array<T> x = call.in<T>(0);
           const Array<std::int64_t> labels = call.in<std::int64_t>(1);
           const Array<T> weight = call.has(2) ? call.in<T>(2) : Array<T>();
           nn::ClassLossOptions<T> options;
           set_class_options<T>(call, call.has(2) ? weight.view() : View<T>(), options);
           return {result(nn::nll_loss(labels, classes_last<T>(x), reduction_mode(call), options))};
         });
  define(table, "SoftmaxCrossEntropyLoss", "cross_entropy, log_softmax", Measure::Largest,
         [](auto t, const Call& call) -> Results {
           using T = decltype(t);
           const Array<T> x = call.in<T>(0);
           const Array<std::int64_t> labels = call.in<std::int64_t>(1);
           const Array<T> weight = call.has(2) ? call.in<T>(2) : Array<T>();
           nn::CrossEntropyOptions<T> options{.mode = reduction_mode(call)};
           set_class_options<T>(call, call.has(2) ? weight.view() : View<T>(), options);
           Results results{result(nn::cross_entropy(labels, classes_last<T>(x), options))};
           if (call.expected.size() > 1) {
             results.push_back(result(nn::log_softmax(x, {.axis = 1})));
           }
           return results;
         });
}

}  // namespace lamina::onnx_test
