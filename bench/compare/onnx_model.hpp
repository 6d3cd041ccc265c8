#pragma once

// Writes an ONNX model of a few nodes in the protobuf wire format (onnx.proto of ONNX 1.17 names
// the fields).

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compare/peer.hpp"

namespace lamina::compare::onnx {

class Message {
 public:
  Message& integer(int field, std::int64_t value) {
    varint(static_cast<std::uint64_t>(field) << 3);
    varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  Message& real(int field, float value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 5);
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) {
      text_ += static_cast<char>(bits >> shift & 255);
    }
    return *this;
  }
  Message& bytes(int field, std::string_view value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 2);
    varint(value.size());
    text_ += value;
    return *this;
  }
  Message& message(int field, const Message& value) { return bytes(field, value.text_); }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  void varint(std::uint64_t value) {
    for (; value > 127; value >>= 7) {
      text_ += static_cast<char>((value & 127) | 128);
    }
    text_ += static_cast<char>(value);
  }
  std::string text_;
};

[[nodiscard]] inline int element_type(Type type) {
  return type == Type::F32 ? 1 : type == Type::F64 ? 11 : 7;
}

[[nodiscard]] inline Message tensor(const std::string& name, Type type,
                                    const std::vector<std::int64_t>& dims, const void* data,
                                    std::size_t bytes) {
  Message message;
  for (const std::int64_t extent : dims) {
    message.integer(1, extent);
  }
  message.integer(2, element_type(type));
  message.bytes(8, name);
  message.bytes(9, {static_cast<const char*>(data), bytes});
  return message;
}

[[nodiscard]] inline Message value_info(const std::string& name, Type type,
                                        const std::vector<std::int64_t>& dims) {
  Message shape;
  for (const std::int64_t extent : dims) {
    shape.message(1, Message().integer(1, extent));
  }
  const Message tensor_type = Message().integer(1, element_type(type)).message(2, shape);
  return Message().bytes(1, name).message(2, Message().message(1, tensor_type));
}

class Node {
 public:
  Node(std::string_view op, const std::vector<std::string>& inputs, const std::string& output,
       std::string_view domain = "") {
    for (const std::string& name : inputs) {
      message_.bytes(1, name);
    }
    message_.bytes(2, output).bytes(3, output).bytes(4, op);
    if (!domain.empty()) {
      message_.bytes(7, domain);
    }
  }
  Node& attribute(std::string_view name, std::int64_t value) {
    message_.message(5, Message().bytes(1, name).integer(3, value).integer(20, 2));
    return *this;
  }
  Node& attribute(std::string_view name, float value) {
    message_.message(5, Message().bytes(1, name).real(2, value).integer(20, 1));
    return *this;
  }
  Node& attribute(std::string_view name, std::string_view value) {
    message_.message(5, Message().bytes(1, name).bytes(4, value).integer(20, 3));
    return *this;
  }
  Node& attribute(std::string_view name, const std::vector<std::int64_t>& values) {
    Message list;
    list.bytes(1, name);
    for (const std::int64_t value : values) {
      list.integer(8, value);
    }
    message_.message(5, list.integer(20, 7));
    return *this;
  }
  [[nodiscard]] const Message& message() const { return message_; }

 private:
  Message message_;
};

class Model {
 public:
  void add(const Node& node) { graph_.message(1, node.message()); }
  void constant(const std::string& name, const Tensor& t) {
    graph_.message(5, tensor(name, t.type, t.dims, t.memory.get(), t.bytes()));
  }
  void constant(const std::string& name, const std::vector<std::int64_t>& values) {
    graph_.message(5, tensor(name, Type::I64, {static_cast<std::int64_t>(values.size())},
                             values.data(), values.size() * 8));
  }
  void input(const std::string& name, Type type, const std::vector<std::int64_t>& dims) {
    graph_.message(11, value_info(name, type, dims));
  }
  void output(const std::string& name, Type type, const std::vector<std::int64_t>& dims) {
    graph_.message(12, value_info(name, type, dims));
  }
  [[nodiscard]] std::string text(int opset) const {
    Message graph = graph_;
    graph.bytes(2, "graph");
    return Message()
        .integer(1, 10)
        .message(7, graph)
        .message(8, Message().bytes(1, "").integer(2, opset))
        .message(8, Message().bytes(1, "com.microsoft").integer(2, 1))
        .text();
  }

 private:
  Message graph_;
};

}  // namespace lamina::compare::onnx
