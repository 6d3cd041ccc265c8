#include <limits>

#include "lamina/nn/activation.hpp"
#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/comparison.hpp"
#include "lamina/nn/prelu.hpp"
#include "onnx/define.hpp"

namespace lamina::onnx_test {
namespace {

// Attributes in the order of the activation's parameters, with ONNX's defaults.
struct Parameter {
  std::string_view attribute;
  double otherwise;
};

void define_activation(std::vector<Operation>& table, nn::Activation kind,
                       std::vector<Parameter> parameters = {}) {
  const nn::ActivationRow& row = nn::activation_row(kind);
  // ONNX's own numbers are exp(x) - 1 in float, off by roundings of 1.
  const bool subtracts = kind == nn::Activation::Elu || kind == nn::Activation::Celu;
  define(table, row.onnx, row.name, subtracts ? Measure::Largest : Measure::Element,
         [kind, parameters = std::move(parameters)](auto t, const Call& call) -> Results {
           const Array<decltype(t)> x = call.in<decltype(t)>(0);
           nn::ActivationParams params;
           if (!parameters.empty()) {
             params.a = call.number(parameters[0].attribute, parameters[0].otherwise);
           }
           if (parameters.size() > 1) {
             params.b = call.number(parameters[1].attribute, parameters[1].otherwise);
           }
           return {result(nn::activation(x, kind, params))};
         });
}

/// An operation of any number of inputs.
void define_fold(std::vector<Operation>& table, std::string_view onnx, std::string_view function,
                 Measure measure, nn::BinaryOp op, bool divide) {
  define(table, onnx, function, measure, [op, divide](auto t, const Call& call) -> Results {
    using T = decltype(t);
    Array<T> all = call.in<T>(0);
    for (std::size_t i = 1; i < call.inputs.size(); ++i) {
      const Array<T> next = call.in<T>(i);
      all = nn::binary(op, all, next);
    }
    if (divide) {
      all = nn::div(all, static_cast<T>(call.inputs.size()));
    }
    return {result(all)};
  });
}

template <class T>
Array<T> run_selu(const Call& call) {
  const Array<T> x = call.in<T>(0);
  if (call.attribute("alpha") == nullptr && call.attribute("gamma") == nullptr) {
    return nn::selu(x);
  }
  // ONNX lets the constants be chosen; then selu is gamma elu(x, alpha).
  return nn::mul(nn::elu(x, call.number("alpha", 1.67326319217681884765625)),
                 static_cast<T>(call.number("gamma", 1.05070102214813232421875)));
}

template <class T>
Array<T> run_prelu(const Call& call) {
  const Array<T> x = call.in<T>(0);
  const Array<T> slope = call.in<T>(1);
  // A slope of rank 1 goes along the last axis in ONNX, along axis 1 here.
  const bool along_last = slope.rank() == 1 && slope.size() > 1;
  return nn::prelu(x, along_last ? slope.expand_dims(0) : slope.view());
}

template <class T>
Array<T> run_shrink(const Call& call) {
  const Array<T> x = call.in<T>(0);
  const double lambda = call.number("lambd", 0.5);
  const double bias = call.number("bias", 0.0);
  check(bias == 0.0 || bias == lambda, ErrorKind::Unsupported, "Shrink", "bias ", bias);
  return bias == 0.0 ? nn::hardshrink(x, lambda) : nn::softshrink(x, lambda);
}

template <class T>
Array<T> run_clip(const Call& call) {
  const T infinity = std::numeric_limits<T>::infinity();
  const T low = call.has(1) ? call.in<T>(1).item() : -infinity;
  const T high = call.has(2) ? call.in<T>(2).item() : infinity;
  const Array<T> x = call.in<T>(0);
  return nn::clamp(x, low, high);
}

using Logical = Array<bool> (*)(const View<bool>&, const View<bool>&);
void define_logical(std::vector<Operation>& table, std::string_view onnx, std::string_view name,
                    Logical function) {
  define(table, onnx, name, Measure::Exact, [function](auto, const Call& call) -> Results {
    const Array<bool> a = call.in<bool>(0);
    const Array<bool> b = call.in<bool>(1);
    return {result(function(a, b))};
  });
}

}  // namespace

void define_elementwise(std::vector<Operation>& table) {
  using nn::Activation;
  define_activation(table, Activation::Relu);
  define_activation(table, Activation::LeakyRelu, {{"alpha", 0.01}});
  define_activation(table, Activation::Elu, {{"alpha", 1.0}});
  define_activation(table, Activation::Celu, {{"alpha", 1.0}});
  define_activation(table, Activation::Sigmoid);
  define_activation(table, Activation::Tanh);
  define_activation(table, Activation::Mish);
  define_activation(table, Activation::Softplus);
  define_activation(table, Activation::Softsign);
  define_activation(table, Activation::HardSigmoid, {{"alpha", 0.2}, {"beta", 0.5}});
  define_activation(table, Activation::HardSwish);
  define_activation(table, Activation::Threshold, {{"alpha", 1.0}});
  define_activation(table, Activation::Exp);
  define(table, "Selu", "selu, or elu times a number", Measure::Largest,  // as Elu
         [](auto t, const Call& call) -> Results { return {result(run_selu<decltype(t)>(call))}; });
  define(
      table, "Shrink", "hardshrink, softshrink", Measure::Element,
      [](auto t, const Call& call) -> Results { return {result(run_shrink<decltype(t)>(call))}; });
  define(table, "PRelu", "prelu", Measure::Element, [](auto t, const Call& call) -> Results {
    return {result(run_prelu<decltype(t)>(call))};
  });

  for (const nn::BinaryRow& row : nn::kBinaryTable) {
    const nn::BinaryOp op = row.op;
    if (op == nn::BinaryOp::Maximum || op == nn::BinaryOp::Minimum) {
      define_fold(table, row.onnx, row.name, Measure::Exact, op, false);
      continue;
    }
    define(table, row.onnx, row.name, Measure::Element, [op](auto t, const Call& call) -> Results {
      using T = decltype(t);
      const Array<T> a = call.in<T>(0);
      const Array<T> b = call.in<T>(1);
      return {result(nn::binary(op, a, b))};
    });
  }
  define_fold(table, "Sum", "add", Measure::Element, nn::BinaryOp::Add, false);
  define_fold(table, "Mean", "add, div", Measure::Element, nn::BinaryOp::Add, true);
  for (const nn::UnaryRow& row : nn::kUnaryTable) {
    if (row.onnx.empty()) {
      continue;
    }
    define(table, row.onnx, row.name, Measure::Element,
           [op = row.op](auto t, const Call& call) -> Results {
             const Array<decltype(t)> x = call.in<decltype(t)>(0);
             return {result(nn::unary(op, x))};
           });
  }
  define(table, "Clip", "clamp", Measure::Exact,
         [](auto t, const Call& call) -> Results { return {result(run_clip<decltype(t)>(call))}; });
  for (const nn::CompareRow& row : nn::kCompareTable) {
    if (row.onnx.empty()) {
      continue;
    }
    define(table, row.onnx, row.name, Measure::Exact,
           [op = row.op](auto t, const Call& call) -> Results {
             using T = decltype(t);
             const Array<T> a = call.in<T>(0);
             const Array<T> b = call.in<T>(1);
             return {result(nn::compare(op, a, b))};
           });
  }
  define(table, "Where", "where", Measure::Exact, [](auto t, const Call& call) -> Results {
    using T = decltype(t);
    const Array<bool> condition = call.in<bool>(0);
    const Array<T> a = call.in<T>(1);
    const Array<T> b = call.in<T>(2);
    return {result(nn::where(condition, a, b.view()))};
  });
  define_logical(table, "And", "logical_and", nn::logical_and);
  define_logical(table, "Or", "logical_or", nn::logical_or);
  define_logical(table, "Xor", "logical_xor", nn::logical_xor);
  define(table, "Not", "logical_not", Measure::Exact, [](auto, const Call& call) -> Results {
    const Array<bool> x = call.in<bool>(0);
    return {result(nn::logical_not(x))};
  });
}

}  // namespace lamina::onnx_test
