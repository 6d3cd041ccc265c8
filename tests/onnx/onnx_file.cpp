#include "onnx/onnx_file.hpp"

#include <bit>
#include <cstring>
#include <fstream>
#include <iterator>

namespace lamina::onnx_test {
namespace {

constexpr std::string_view kOperation = "onnx file";

/// Walks the fields of one message in the protobuf wire format.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}

  /// Goes to the next field; false at the end.
  bool next() {
    if (rest_.empty()) {
      return false;
    }
    const std::uint64_t tag = varint(rest_);
    number_ = tag >> 3U;
    wire_type_ = static_cast<int>(tag & 7U);
    switch (wire_type_) {
      case 0:
        value_ = varint(rest_);
        break;
      case 1:
        bytes_ = take(rest_, 8);
        break;
      case 2:
        bytes_ = take(rest_, varint(rest_));
        break;
      case 5:
        bytes_ = take(rest_, 4);
        break;
      default:
        check(false, ErrorKind::ParseError, kOperation, "wire type ", wire_type_, " is unknown");
    }
    return true;
  }

  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  /// Of a message, a text or packed numbers.
  [[nodiscard]] std::string_view bytes() const {
    expect(wire_type_ == 2);
    return bytes_;
  }
  [[nodiscard]] std::string text() const { return std::string(bytes()); }
  [[nodiscard]] std::int64_t integer() const {
    expect(wire_type_ == 0);
    return static_cast<std::int64_t>(value_);
  }
  /// One number, or many that are packed.
  template <class U>
  void append_integers(std::vector<U>& to) const {
    if (wire_type_ == 0) {
      to.push_back(static_cast<U>(integer()));
      return;
    }
    for (std::string_view packed = bytes(); !packed.empty();) {
      to.push_back(static_cast<U>(static_cast<std::int64_t>(varint(packed))));
    }
  }
  template <class T>
  void append_numbers(std::vector<double>& to) const {
    expect(wire_type_ == 2 || bytes_.size() == sizeof(T));
    append_raw<T>(bytes_, to);
  }
  template <class T>
  static void append_raw(std::string_view raw, std::vector<double>& to) {
    static_assert(std::endian::native == std::endian::little, "raw data is little endian");
    expect(raw.size() % sizeof(T) == 0);
    for (; !raw.empty(); raw.remove_prefix(sizeof(T))) {
      T value{};
      std::memcpy(&value, raw.data(), sizeof(T));
      to.push_back(static_cast<double>(value));
    }
  }

 private:
  static void expect(bool holds) {
    check(holds, ErrorKind::ParseError, kOperation, "a field has not the type expected");
  }
  static std::uint64_t varint(std::string_view& from) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(from, 1)[0]);
      value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80U) {
        return value;
      }
    }
    check(false, ErrorKind::ParseError, kOperation, "a number has more than ten bytes");
    return 0;
  }
  static std::string_view take(std::string_view& from, std::uint64_t count) {
    check(count <= from.size(), ErrorKind::ParseError, kOperation, "the file ends within a field");
    const std::string_view taken = from.substr(0, count);
    from.remove_prefix(count);
    return taken;
  }

  std::string_view rest_;
  std::uint64_t number_ = 0;
  int wire_type_ = 0;
  std::uint64_t value_ = 0;
  std::string_view bytes_;
};

std::string parse_name(std::string_view bytes) {  // of a ValueInfoProto
  for (Fields field(bytes); field.next();) {
    if (field.number() == 1) {
      return field.text();
    }
  }
  return {};
}

void parse_attribute(std::string_view bytes, Node& node) {
  std::string name;
  Attribute attribute;
  std::vector<double> number;
  for (Fields field(bytes); field.next();) {
    switch (field.number()) {
      case 1:
        name = field.text();
        break;
      case 2:
        field.append_numbers<float>(number);
        attribute.number = number.back();
        break;
      case 3:
        attribute.integer = field.integer();
        break;
      case 4:
        attribute.text = field.text();
        break;
      case 8:
        field.append_integers(attribute.integers);
        break;
      default:
        break;
    }
  }
  node.attributes[name] = attribute;
}

Node parse_node(std::string_view bytes) {
  Node node;
  for (Fields field(bytes); field.next();) {
    switch (field.number()) {
      case 1:
        node.inputs.push_back(field.text());
        break;
      case 2:
        node.outputs.push_back(field.text());
        break;
      case 4:
        node.operation = field.text();
        break;
      case 5:
        parse_attribute(field.bytes(), node);
        break;
      default:
        break;
    }
  }
  return node;
}

void append_raw(ElementType type, std::string_view raw, std::vector<double>& to) {
  switch (type) {
    case ElementType::Float:
      return Fields::append_raw<float>(raw, to);
    case ElementType::Double:
      return Fields::append_raw<double>(raw, to);
    case ElementType::Bool:
    case ElementType::Uint8:
      return Fields::append_raw<std::uint8_t>(raw, to);
    case ElementType::Int8:
      return Fields::append_raw<std::int8_t>(raw, to);
    case ElementType::Uint16:
      return Fields::append_raw<std::uint16_t>(raw, to);
    case ElementType::Int16:
      return Fields::append_raw<std::int16_t>(raw, to);
    case ElementType::Uint32:
      return Fields::append_raw<std::uint32_t>(raw, to);
    case ElementType::Int32:
      return Fields::append_raw<std::int32_t>(raw, to);
    case ElementType::Uint64:
      return Fields::append_raw<std::uint64_t>(raw, to);
    case ElementType::Int64:
      return Fields::append_raw<std::int64_t>(raw, to);
  }
  check(false, ErrorKind::Unsupported, kOperation, "elements of type ", static_cast<int>(type));
}

}  // namespace

Model parse_model(std::string_view bytes) {
  Model model;
  for (Fields field(bytes); field.next();) {
    if (field.number() != 7) {
      continue;
    }
    for (Fields graph(field.bytes()); graph.next();) {
      switch (graph.number()) {
        case 1:
          model.nodes.push_back(parse_node(graph.bytes()));
          break;
        case 11:
          model.inputs.push_back(parse_name(graph.bytes()));
          break;
        case 12:
          model.outputs.push_back(parse_name(graph.bytes()));
          break;
        default:
          break;
      }
    }
  }
  check(!model.nodes.empty(), ErrorKind::ParseError, kOperation, "a model without nodes");
  return model;
}

Tensor parse_tensor(std::string_view bytes) {
  Tensor tensor;
  std::vector<Index> extents;
  std::string_view raw;
  std::int64_t type = 0;
  for (Fields field(bytes); field.next();) {
    switch (field.number()) {
      case 1:
        field.append_integers(extents);
        break;
      case 2:
        type = field.integer();
        break;
      case 4:
        field.append_numbers<float>(tensor.values);
        break;
      case 5:
      case 7:
      case 11:
        field.append_integers(tensor.values);
        break;
      case 8:
        tensor.name = field.text();
        break;
      case 9:
        raw = field.bytes();
        break;
      case 10:
        field.append_numbers<double>(tensor.values);
        break;
      default:
        break;
    }
  }
  tensor.type = static_cast<ElementType>(type);
  append_raw(tensor.type, raw, tensor.values);
  tensor.shape = Shape(std::span<const Index>(extents));
  check(static_cast<Index>(tensor.values.size()) == tensor.shape.size(), ErrorKind::ParseError,
        kOperation, "a tensor of shape ", tensor.shape, " with ", tensor.values.size(),
        " elements");
  return tensor;
}

std::string read_bytes(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  check(in.good(), ErrorKind::IoError, kOperation, "cannot open ", file.string());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace lamina::onnx_test
