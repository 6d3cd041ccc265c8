#include "lamina/data/idx.hpp"

#include <gtest/gtest.h>

#include "io/temporary_folder.hpp"
#include "lamina/io/file.hpp"
#include "lamina/io/npz.hpp"

namespace lamina {
namespace {

using test::error_of;

class Idx : public test::TemporaryFolder {};

std::string file_of(char type, const std::vector<unsigned>& shape, const std::string& values) {
  std::string file{'\0', '\0', type, static_cast<char>(shape.size())};
  for (const unsigned extent : shape) {
    for (const unsigned shift : {24U, 16U, 8U, 0U}) {
      file += static_cast<char>((extent >> shift) & 255U);
    }
  }
  return file + values;
}

io::AnyArray parse(const std::string& file) {
  return data::parse_idx(std::as_bytes(std::span(file)), "m");
}

std::string parse_error(const std::string& file, ErrorKind kind = ErrorKind::ParseError) {
  return error_of(kind, [&] { (void)parse(file); });
}

/// A .gz file with stored blocks, written by hand (RFC 1951, 1952): needs no compressor.
std::string gzip_of(const std::string& text, const std::string& crc) {
  const auto size = static_cast<unsigned>(text.size());
  const auto word = [](unsigned value, int bytes) {
    std::string result;
    for (int i = 0; i < bytes; ++i) {
      result += static_cast<char>((value >> (8 * i)) & 255U);
    }
    return result;
  };
  return std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10) + "\x01" + word(size, 2) + word(~size, 2) +
         text + crc + word(size, 4);
}

TEST_F(Idx, EveryElementType) {
  EXPECT_EQ(std::get<Array<std::uint8_t>>(parse(file_of(8, {2, 2}, "\1\2\3\xff"))),
            (Array<std::uint8_t>{{1, 2}, {3, 255}}));
  EXPECT_EQ(std::get<Array<std::int32_t>>(parse(file_of(9, {2}, "\1\xff"))),
            (Array<std::int32_t>{1, -1}));
  EXPECT_EQ(std::get<Array<std::int32_t>>(parse(file_of(0xB, {2}, "\1\2\xff\xfe"))),
            (Array<std::int32_t>{258, -2}));
  EXPECT_EQ(std::get<Array<std::int32_t>>(parse(file_of(0xC, {1}, "\x7f\xff\xff\xff"))),
            (Array<std::int32_t>{2147483647}));
  EXPECT_EQ(std::get<Array<float>>(parse(file_of(0xD, {1}, std::string("\x3f\x80\0\0", 4)))),
            (Array<float>{1.0F}));
  EXPECT_EQ(std::get<Array<double>>(parse(file_of(0xE, {1}, std::string("\xc0\0\0\0\0\0\0\0", 8)))),
            (Array<double>{-2.0}));
  EXPECT_EQ(io::shape_of(parse(file_of(8, {}, "\7"))), Shape{});
  EXPECT_EQ(io::shape_of(parse(file_of(8, {0, 5}, ""))), (Shape{0, 5}));
}

TEST_F(Idx, MnistFiles) {
  io::write_file_atomically(path("images"), file_of(8, {2, 1, 2}, std::string("\0\xff\x33\0", 4)));
  io::write_file_atomically(path("labels"), file_of(8, {2}, "\7\1"));
  const data::Dataset<float> mnist = data::load_mnist<float>(path("images"), path("labels"));
  EXPECT_EQ(mnist.features, (Array<float>{{{0, 1}}, {{0.2F, 0}}}));
  EXPECT_EQ(mnist.labels, (Array<std::int64_t>{7, 1}));
  EXPECT_EQ(error_of(ErrorKind::ParseError,
                     [&] { (void)data::load_mnist<double>(path("labels"), path("labels")); }),
            "load_mnist: " + path("labels") + ": holds uint8 (2,); expected uint8 (N, H, W)");
  io::write_file_atomically(path("three"), file_of(8, {3}, "\7\1\1"));
  EXPECT_EQ(error_of(ErrorKind::ParseError,
                     [&] { (void)data::load_mnist<double>(path("images"), path("three")); }),
            "load_mnist: 2 images in " + path("images") + ", 3 labels in " + path("three"));
}

TEST_F(Idx, Gzip) {
  const std::string plain = file_of(8, {2}, "\7\1");
  const std::string crc = "\x48\x0a\xda\xad";  // of `plain`
  if (!io::has_compression()) {
    EXPECT_EQ(parse_error(gzip_of(plain, crc), ErrorKind::Unsupported),
              "parse_idx: m: is gzipped; this library was built without zlib");
    return;
  }
  EXPECT_EQ(std::get<Array<std::uint8_t>>(parse(gzip_of(plain, crc))), (Array<std::uint8_t>{7, 1}));
  // Two members that make one file together.
  EXPECT_EQ(
      std::get<Array<std::uint8_t>>(parse(gzip_of(plain, crc) + gzip_of("", std::string(4, '\0')))),
      (Array<std::uint8_t>{7, 1}));
  const std::string packed = gzip_of(plain, crc);
  EXPECT_EQ(parse_error(gzip_of(plain, "\1\2\3\4")),
            "parse_idx: m: the gzip data is damaged or cut off");
  for (std::size_t length = 2; length < packed.size(); ++length) {
    EXPECT_EQ(parse_error(packed.substr(0, length)),
              "parse_idx: m: the gzip data is damaged or cut off");
  }
}

TEST_F(Idx, Errors) {
  EXPECT_EQ(parse_error(""), "parse_idx: m: is no IDX file: it does not begin with two zero bytes");
  EXPECT_EQ(parse_error("\1\2\3\4\5"),
            "parse_idx: m: is no IDX file: it does not begin with two zero bytes");
  EXPECT_EQ(parse_error(file_of(0xA, {1}, "x")), "parse_idx: m: has the unknown element type 10");
  EXPECT_EQ(parse_error(file_of(8, {1, 1, 1, 1, 1, 1, 1, 1, 1}, "x"), ErrorKind::Unsupported),
            "parse_idx: m: has 9 axes; at most 8 are read");
  EXPECT_EQ(parse_error(file_of(8, {1, 2}, "").substr(0, 11)),
            "parse_idx: m: ends inside the header");
  EXPECT_EQ(parse_error(file_of(8, {3}, "xx")),
            "parse_idx: m: has 2 bytes of data for shape (3,) of 1-byte elements");
  EXPECT_EQ(parse_error(file_of(0xC, {1}, "xxx")),
            "parse_idx: m: has 3 bytes of data for shape (1,) of 4-byte elements");
  const unsigned full = 0xFFFFFFFFU;
  EXPECT_EQ(parse_error(file_of(8, {full, full}, "")),
            "parse_idx: m: has 0 bytes of data for shape (4294967295, 4294967295) of 1-byte "
            "elements");
  EXPECT_EQ(error_of(ErrorKind::IoError, [&] { (void)data::load_idx(path("none")); }),
            "read_file: " + path("none") + ": cannot open: No such file or directory");
}

}  // namespace
}  // namespace lamina
