#pragma once

#include <utility>

#include "onnx/operations.hpp"

namespace lamina::onnx_test {

/// A result of any type, as the numbers it consists of.
template <class T>
[[nodiscard]] Result result(const View<T>& x) {
  Result out{x.shape(), {}};
  for (const T& value : x) {
    out.values.push_back(static_cast<double>(value));
  }
  return out;
}

/// Adds a row; `run(T(), call)` is compiled for float and double.
template <class F>
void define(std::vector<Operation>& table, std::string_view onnx, std::string_view function,
            Measure measure, F run) {
  table.push_back({onnx, function, measure, [run](const Call& call) { return run(float(), call); },
                   [run](const Call& call) { return run(double(), call); }});
}

void define_elementwise(std::vector<Operation>& table);
void define_sums(std::vector<Operation>& table);
void define_layers(std::vector<Operation>& table);
void define_pooling(std::vector<Operation>& table);
void define_recurrent(std::vector<Operation>& table);
void define_training(std::vector<Operation>& table);

}  // namespace lamina::onnx_test
