#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "onnx/onnx_file.hpp"

namespace lamina::onnx_test {

/// One node with the tensors that belong to it.
struct Call {
  const Node& node;
  std::vector<const Tensor*> inputs;  ///< null: left out
  std::vector<const Tensor*> expected;

  [[nodiscard]] bool has(std::size_t input) const {
    return input < inputs.size() && inputs[input] != nullptr;
  }
  [[nodiscard]] const Tensor& tensor(std::size_t input) const {
    check(has(input), ErrorKind::ParseError, node.operation, "input ", input, " is missing");
    return *inputs[input];
  }
  /// An input's numbers as T, whatever the file's type.
  template <class T>
  [[nodiscard]] Array<T> in(std::size_t input) const {
    const Tensor& from = tensor(input);
    Array<T> array = Array<T>::empty(from.shape);
    for (Index i = 0; i < array.size(); ++i) {
      array.data()[i] = static_cast<T>(from.values[static_cast<std::size_t>(i)]);
    }
    return array;
  }
  [[nodiscard]] const Attribute* attribute(std::string_view name) const {
    const auto found = node.attributes.find(name);
    return found == node.attributes.end() ? nullptr : &found->second;
  }
  [[nodiscard]] double number(std::string_view name, double otherwise) const {
    const Attribute* found = attribute(name);
    return found == nullptr ? otherwise : found->number;
  }
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t otherwise) const {
    const Attribute* found = attribute(name);
    return found == nullptr ? otherwise : found->integer;
  }
  [[nodiscard]] std::string_view text(std::string_view name, std::string_view otherwise) const {
    const Attribute* found = attribute(name);
    return found == nullptr ? otherwise : std::string_view(found->text);
  }
  [[nodiscard]] std::vector<Index> integers(std::string_view name) const {
    const Attribute* found = attribute(name);
    return found == nullptr ? std::vector<Index>() : found->integers;
  }
};

struct Result {
  Shape shape;
  std::vector<double> values;
};
using Results = std::vector<Result>;

/// What an output's error is measured by.
enum class Measure {
  Exact,    ///< nothing: the operation moves, compares or counts
  Element,  ///< the element itself
  Largest,  ///< the output's largest element, for sums, which may cancel, here or in ONNX's own
            ///< numbers
};

struct Operation {
  std::string_view onnx;
  std::string_view function;  ///< what of lamina it runs
  Measure measure;
  std::function<Results(const Call&)> run_float;
  std::function<Results(const Call&)> run_double;
};

[[nodiscard]] const std::vector<Operation>& operations();

}  // namespace lamina::onnx_test
