#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/core/array.hpp"

/// Reads what the node tests of ONNX need of its files: models of one graph, and tensors. Field
/// numbers are those of onnx.proto; fields that are not needed are passed over.
namespace lamina::onnx_test {

/// TensorProto.DataType, as far as it is read.
enum class ElementType : std::int32_t {
  Float = 1,
  Uint8 = 2,
  Int8 = 3,
  Uint16 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  Bool = 9,
  Double = 11,
  Uint32 = 12,
  Uint64 = 13,
};

/// A tensor; its numbers as double, which all files used here are exact in.
struct Tensor {
  std::string name;
  ElementType type = ElementType::Float;
  Shape shape;
  std::vector<double> values;
};

struct Attribute {
  double number = 0;  ///< of a float
  std::int64_t integer = 0;
  std::string text;
  std::vector<Index> integers;
};

struct Node {
  std::string operation;
  std::vector<std::string> inputs;  ///< an empty name: left out
  std::vector<std::string> outputs;
  std::map<std::string, Attribute, std::less<>> attributes;
};

struct Model {
  std::vector<Node> nodes;
  std::vector<std::string> inputs;   ///< of the graph, in the order of the files input_0.pb ...
  std::vector<std::string> outputs;  ///< likewise
};

/// Error(ParseError) for bytes that are no message of this kind, Error(Unsupported) for elements of
/// another type.
[[nodiscard]] Model parse_model(std::string_view bytes);
[[nodiscard]] Tensor parse_tensor(std::string_view bytes);

/// All bytes of a file. Error(IoError).
[[nodiscard]] std::string read_bytes(const std::filesystem::path& file);

}  // namespace lamina::onnx_test
