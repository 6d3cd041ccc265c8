#include <gtest/gtest.h>

#include <string>

#include "lamina/core/error.hpp"
#include "onnx/onnx_file.hpp"

namespace lamina::onnx_test {
namespace {

std::string field(int number, const std::string& bytes) {
  std::string out;
  out += static_cast<char>((number << 3) | 2);
  out += static_cast<char>(bytes.size());
  return out + bytes;
}
std::string field(int number, char value) {
  return {static_cast<char>(number << 3), value};
}

TEST(OnnxFile, TensorsInEachWayToWriteThem) {
  const std::string half("\0\0\0\x3f", 4);
  const std::string shape = field(1, '\1') + field(1, '\2');
  const Tensor raw = parse_tensor(shape + field(2, '\1') + field(9, half + half));
  EXPECT_EQ(raw.shape, (Shape{1, 2}));
  EXPECT_EQ(raw.values, (std::vector<double>{0.5, 0.5}));
  const Tensor packed = parse_tensor(field(1, "\1\2") + field(2, '\1') + field(4, half + half));
  EXPECT_EQ(packed.values, raw.values);
  EXPECT_EQ(packed.shape, raw.shape);
  const Tensor integers =
      parse_tensor(field(1, '\2') + field(2, '\7') + field(8, "n") +
                   field(7, std::string("\x80\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1")));
  EXPECT_EQ(integers.name, "n");
  EXPECT_EQ(integers.values, (std::vector<double>{128, -1}));
  EXPECT_EQ(parse_tensor(field(2, '\3') + field(9, "\xfe")).values, (std::vector<double>{-2}));
}

TEST(OnnxFile, AModel) {
  const std::string alpha = field(1, "alpha") + std::string("\x15\0\0\0\x3f", 5);
  const std::string axes = field(1, "axes") + field(8, '\1') + field(8, '\3');
  const std::string node = field(1, "x") + field(1, "") + field(2, "y") + field(4, "Elu") +
                           field(5, alpha) + field(5, axes);
  const Model model = parse_model(field(1, '\7') + field(7, field(1, node) + field(2, "graph") +
                                                                field(11, field(1, "x")) +
                                                                field(12, field(1, "y"))));
  ASSERT_EQ(model.nodes.size(), 1U);
  EXPECT_EQ(model.inputs, std::vector<std::string>{"x"});
  EXPECT_EQ(model.outputs, std::vector<std::string>{"y"});
  EXPECT_EQ(model.nodes[0].operation, "Elu");
  EXPECT_EQ(model.nodes[0].inputs, (std::vector<std::string>{"x", ""}));
  EXPECT_EQ(model.nodes[0].attributes.at("alpha").number, 0.5);
  EXPECT_EQ(model.nodes[0].attributes.at("axes").integers, (std::vector<Index>{1, 3}));
}

TEST(OnnxFile, BadFilesAreErrors) {
  const std::string tensor = field(1, '\1') + field(2, '\1') + field(9, std::string(4, '\0'));
  EXPECT_EQ(parse_tensor(tensor).values.size(), 1U);
  for (std::size_t length = 1; length < tensor.size(); ++length) {
    EXPECT_THROW((void)parse_tensor(tensor.substr(0, length)), Error) << length;
  }
  EXPECT_THROW((void)parse_tensor(""), Error);                                  // no type
  EXPECT_THROW((void)parse_tensor(field(2, '\10') + field(9, "text")), Error);  // strings
  EXPECT_THROW((void)parse_tensor(std::string(11, '\xff')), Error);
  EXPECT_THROW((void)parse_tensor(field(2, "type")), Error);
  EXPECT_THROW((void)parse_model("\x0b"), Error);  // a group
  EXPECT_THROW((void)parse_model(field(7, "")), Error);
  EXPECT_THROW((void)read_bytes("/no/such/file"), Error);
}

}  // namespace
}  // namespace lamina::onnx_test
