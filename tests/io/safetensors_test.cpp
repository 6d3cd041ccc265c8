#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "io/temporary_folder.hpp"
#include "lamina/io/file.hpp"
#include "lamina/io/safetensors.hpp"

namespace lamina {
namespace {

using io::NamedView;
using test::error_of;

class Safetensors : public test::TemporaryFolder {};

/// A file of that header and that many zero bytes of data.
std::string file_of(const std::string& header, std::size_t data_size) {
  const std::uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file + header + std::string(data_size, '\0');
}

io::SafetensorsFile parse(const std::string& file) {
  return io::parse_safetensors(std::as_bytes(std::span(file)), "m");
}

std::string parse_error(const std::string& header, std::size_t data_size,
                        ErrorKind kind = ErrorKind::ParseError) {
  return error_of(kind, [&] { (void)parse(file_of(header, data_size)); });
}

TEST_F(Safetensors, RoundTripOfEveryTypeAndRank) {
  const Array<float> f{{1.5F, -0.0F}, {std::numeric_limits<float>::infinity(), 1e-45F}};
  const Array<double> d = Array<double>::scalar(0.1);
  const Array<std::int64_t> l{std::numeric_limits<std::int64_t>::min(), 7};
  const Array<std::int32_t> i{{{{{{{{-1, 2}}}}}}}};
  const Array<std::uint8_t> u = Array<std::uint8_t>::zeros({0, 3});
  const Array<bool> b{true, false, true};
  io::save_safetensors(path("m"),
                       {{"f", f}, {"d", d}, {"l", l}, {"i", i}, {"", u}, {"b \"\\\n\u00e4", b}},
                       {{"epoch", "3"}, {"\t", ""}});

  const io::SafetensorsFile file = io::load_safetensors(path("m"));
  EXPECT_EQ(file.arrays.size(), 6);
  EXPECT_EQ(file.arrays.get<float>("f"), f);
  EXPECT_TRUE(std::signbit(file.arrays.get<float>("f")(0, 1)));
  EXPECT_EQ(file.arrays.get<double>("d"), d);
  EXPECT_EQ(file.arrays.get<std::int64_t>("l"), l);
  EXPECT_EQ(file.arrays.get<std::int32_t>("i"), i);
  EXPECT_EQ(file.arrays.get<std::uint8_t>(""), u);
  EXPECT_EQ(file.arrays.get<bool>("b \"\\\n\u00e4"), b);
  EXPECT_EQ(file.metadata, (io::Metadata{{"epoch", "3"}, {"\t", ""}}));
  // Wide elements come first, otherwise the order is kept.
  std::string order;
  for (const io::NamedArray& entry : file.arrays) {
    order += entry.name.substr(0, 1) + ",";
  }
  EXPECT_EQ(order, "d,l,f,i,,b,");
}

TEST_F(Safetensors, BytesAreTheFormats) {
  const Array<float> w{1.0F, 2.0F};
  const Array<std::uint8_t> u{7};
  io::save_safetensors(path("m"), {{"u", u}, {"w", w}}, {{"a", "b"}});
  const std::vector<std::byte> bytes = io::read_file(path("m"));
  std::string header =
      R"({"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
      R"("u":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}})";
  header.append((8 - header.size() % 8) % 8, ' ');
  std::string expected = file_of(header, 0);
  expected += std::string("\x00\x00\x80\x3f\x00\x00\x00\x40\x07", 9);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), expected);
}

TEST_F(Safetensors, StridedViewsAndViewsOfTheResult) {
  const Array<double> x = Array<double>::from_shape_fn(
      {3, 4}, [](Index i, Index j) { return static_cast<double>(10 * i + j); });
  io::save_safetensors(path("m"), {{"t", x.t()},
                                   {"reversed", x.slice(1, {std::nullopt, std::nullopt, -2})},
                                   {"broadcast", x.row(1).broadcast_to({2, 4})}});
  const io::SafetensorsFile file = io::load_safetensors(path("m"));
  EXPECT_EQ(file.arrays.get<double>("t"), x.t());
  EXPECT_EQ(file.arrays.get<double>("reversed"), x.slice(1, {std::nullopt, std::nullopt, -2}));
  EXPECT_EQ(file.arrays.get<double>("broadcast"), x.row(1).broadcast_to({2, 4}));
  io::save_safetensors(path("again"), file.arrays.views());
  EXPECT_EQ(io::read_file(path("again")), io::read_file(path("m")));
}

TEST_F(Safetensors, EmptyFile) {
  io::save_safetensors(path("m"), {});
  const io::SafetensorsFile file = io::load_safetensors(path("m"));
  EXPECT_TRUE(file.arrays.empty());
  EXPECT_TRUE(file.metadata.empty());
  EXPECT_EQ(io::read_file(path("m")).size(), 16U);
}

TEST_F(Safetensors, AcceptsWhatJsonAllows) {
  const auto file = parse(
      file_of("{ \"\\u00e9\\ud83d\\ude00\\/\" :\n{\"shape\":[ 1 , 2 ],\t\"data_offsets\":[0,2],"
              "\"dtype\":\"U8\"} , \"__metadata__\":{} , \"z\":{\"dtype\":\"F32\",\"shape\":[0,5],"
              "\"data_offsets\":[2,2]}}  ",
              2));
  EXPECT_EQ(io::shape_of(file.arrays.at("\u00e9\U0001F600/")), (Shape{1, 2}));
  EXPECT_EQ(file.arrays.get<float>("z").shape(), (Shape{0, 5}));
}

TEST_F(Safetensors, MalformedContainers) {
  EXPECT_EQ(error_of(ErrorKind::ParseError, [] { (void)parse("1234567"); }),
            "parse_safetensors: m: has 7 bytes; the length of the header alone takes 8");
  EXPECT_EQ(
      error_of(ErrorKind::ParseError, [] { (void)parse(std::string("\x09\0\0\0\0\0\0\0{}", 10)); }),
      "parse_safetensors: m: a header of 9 bytes is announced, 2 bytes are left");
  EXPECT_EQ(error_of(ErrorKind::ParseError,
                     [] { (void)parse(std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10)); }),
            "parse_safetensors: m: a header of 18446744073709551615 bytes passes the limit of "
            "100000000");
  EXPECT_EQ(parse_error("", 0), "parse_safetensors: m: the header is no JSON object");
  EXPECT_EQ(parse_error(" {}", 0), "parse_safetensors: m: the header is no JSON object");
  EXPECT_EQ(parse_error("[]", 0), "parse_safetensors: m: the header is no JSON object");
  EXPECT_EQ(parse_error("{\"\xff\":1}", 0), "parse_safetensors: m: the header is not UTF-8");
  EXPECT_EQ(parse_error("{\"\xc0\xaf\":1}", 0), "parse_safetensors: m: the header is not UTF-8");
  EXPECT_EQ(parse_error("{\"\xed\xa0\x80\":1}", 0),
            "parse_safetensors: m: the header is not UTF-8");
  EXPECT_EQ(parse_error("{} x", 0),
            "parse_safetensors: m: header, byte 3: text after the end of the header");
  EXPECT_EQ(parse_error("{\"a", 0),
            "parse_safetensors: m: header, byte 3: the string does not end");
  EXPECT_EQ(parse_error("{\"a\"}", 0), "parse_safetensors: m: header, byte 4: expected ':'");
  EXPECT_EQ(parse_error("{\"a\\q\":1}", 0),
            "parse_safetensors: m: header, byte 4: unknown escape after \\");
  EXPECT_EQ(parse_error("{\"\\ud800\":1}", 0),
            "parse_safetensors: m: header, byte 8: half of a surrogate pair");
  EXPECT_EQ(parse_error("{\"\\u12g4\":1}", 0),
            "parse_safetensors: m: header, byte 6: \\u needs four hexadecimal digits");
  EXPECT_EQ(parse_error("{\"a\n\":1}", 0),
            "parse_safetensors: m: header, byte 3: a control character inside a string");
  EXPECT_EQ(parse_error("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0),
            "parse_safetensors: m: header, byte 32: \"a\" twice in __metadata__");
  EXPECT_EQ(parse_error("{\"__metadata__\":{\"a\":1}}", 0),
            "parse_safetensors: m: header, byte 21: expected '\"'");
  EXPECT_EQ(parse_error(R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"a":{)", 1),
            "parse_safetensors: m: header, byte 56: \"a\" twice");
  EXPECT_EQ(parse_error("{},", 5),
            "parse_safetensors: m: header, byte 2: text after the end of the header");
  EXPECT_EQ(parse_error("{}", 5),
            "parse_safetensors: m: the arrays end at byte 0 of 5 bytes of data");
}

TEST_F(Safetensors, MalformedEntries) {
  const auto entry_error = [](const std::string& entry, std::size_t data_size,
                              ErrorKind kind = ErrorKind::ParseError) {
    return parse_error("{\"a\":" + entry + "}", data_size, kind);
  };
  EXPECT_EQ(
      entry_error(R"({"dtype":"BF16","shape":[],"data_offsets":[0,2]})", 2, ErrorKind::Unsupported),
      "parse_safetensors: m: array \"a\" has dtype \"BF16\"; F32, F64, I64, I32, U8 and "
      "BOOL are read");
  EXPECT_EQ(entry_error(R"({"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]})", 1,
                        ErrorKind::Unsupported),
            "parse_safetensors: m: array \"a\" has more than 8 axes");
  EXPECT_EQ(entry_error(R"({"dtype":"U8","shape":[],"data_offsets":[0,1],"x":1})", 1),
            "parse_safetensors: m: header, byte 55: unknown key \"x\" in array \"a\"");
  EXPECT_EQ(entry_error(R"({"dtype":"U8","dtype":"U8","shape":[],"data_offsets":[0,1]})", 1),
            "parse_safetensors: m: header, byte 27: \"dtype\" twice in array \"a\"");
  EXPECT_EQ(entry_error(R"({"dtype":"U8","shape":[]})", 1),
            "parse_safetensors: m: header, byte 30: array \"a\" lacks dtype, shape or "
            "data_offsets");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})", 4),
            "parse_safetensors: m: array \"a\" of dtype F32 and shape (2,) has 4 bytes");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[2],"data_offsets":[0,9]})", 9),
            "parse_safetensors: m: array \"a\" of dtype F32 and shape (2,) has 9 bytes");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", 4),
            "parse_safetensors: m: array \"a\" has data_offsets [0, 8] in 4 bytes of data");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[0],"data_offsets":[4,0]})", 4),
            "parse_safetensors: m: array \"a\" has data_offsets [4, 0] in 4 bytes of data");
  EXPECT_EQ(entry_error(R"({"dtype":"U8","shape":[-1],"data_offsets":[0,1]})", 1),
            "parse_safetensors: m: header, byte 28: expected an integer that is not negative");
  for (const char* number : {"1.0", "1e0", "01", "", "\"1\"", "null"}) {
    EXPECT_EQ(
        entry_error(
            R"({"dtype":"U8","shape":[1,)" + std::string(number) + R"(],"data_offsets":[0,1]})", 1),
        "parse_safetensors: m: header, byte 30: expected an integer that is not negative")
        << number;
  }
  EXPECT_EQ(entry_error(R"({"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]})", 1),
            "parse_safetensors: m: header, byte 46: the number passes 2^63 - 1");
  EXPECT_EQ(
      entry_error(R"({"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]})", 0),
      "parse_safetensors: m: array \"a\" has the impossible shape (4294967296, 4294967296)");
  EXPECT_EQ(entry_error(R"({"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]})", 0),
            "parse_safetensors: m: array \"a\" of dtype F64 and shape (2305843009213693952,) has 0 "
            "bytes");
  EXPECT_EQ(entry_error(R"({"dtype":"U8","shape":[1],"data_offsets":[1,2]})", 2),
            "parse_safetensors: m: array \"a\" begins at byte 1 of the data; the one before ends "
            "at 0");
  EXPECT_EQ(parse_error(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                        R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                        3),
            "parse_safetensors: m: array \"b\" begins at byte 1 of the data; the one before ends "
            "at 2");
  const std::string odd = file_of(R"({"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}})", 0);
  EXPECT_EQ(error_of(ErrorKind::ParseError, [&] { (void)parse(odd + "\x02"); }),
            "parse_safetensors: m: array \"a\" holds a boolean that is neither 0 nor 1");
}

TEST_F(Safetensors, RefusesWhatCannotBeWritten) {
  const Array<float> x{1.0F};
  const auto refused = [&](const std::vector<NamedView>& arrays, const io::Metadata& metadata) {
    return error_of(ErrorKind::InvalidOperation,
                    [&] { io::save_safetensors(path("m"), arrays, metadata); });
  };
  EXPECT_EQ(refused({{"a", x}, {"a", x}}, {}), "save_safetensors: two arrays have the name \"a\"");
  EXPECT_EQ(refused({{"__metadata__", x}}, {}),
            "save_safetensors: the name \"__metadata__\" is reserved");
  EXPECT_EQ(refused({{"\xff", x}}, {}), "save_safetensors: an array's name is not UTF-8");
  EXPECT_EQ(refused({{"a", View<float>()}}, {}), "save_safetensors: array \"a\" is not defined");
  EXPECT_EQ(refused({}, {{"k", "\x80"}}), "save_safetensors: metadata \"k\" is not UTF-8");
  EXPECT_EQ(count_files(), 0);
  EXPECT_EQ(error_of(ErrorKind::IoError, [&] { (void)io::load_safetensors(path("none")); }),
            "load_safetensors: " + path("none") + ": cannot open: No such file or directory");
}

TEST_F(Safetensors, NamedArraysErrors) {
  io::NamedArrays arrays;
  arrays.add("a", Array<float>{1.0F});
  EXPECT_EQ(error_of(ErrorKind::InvalidOperation, [&] { arrays.add("a", Array<float>()); }),
            "NamedArrays: the name \"a\" is taken");
  EXPECT_EQ(error_of(ErrorKind::InvalidOperation, [&] { (void)arrays.at("b"); }),
            "NamedArrays: there is no array \"b\" among 1");
  EXPECT_EQ(error_of(ErrorKind::ConversionError, [&] { (void)arrays.get<double>("a"); }),
            "NamedArrays: array \"a\" holds float32, not float64");
  EXPECT_EQ(arrays.find("b"), nullptr);
}

}  // namespace
}  // namespace lamina
