#include <gtest/gtest.h>

#include "io/temporary_folder.hpp"
#include "lamina/io/file.hpp"
#include "lamina/io/npy.hpp"

namespace lamina {
namespace {

using test::error_of;

class Npy : public test::TemporaryFolder {};

/// A file of format 1.0, 2.0 or 3.0.
std::string file_of(const std::string& header, const std::string& data, char major = 1) {
  std::string file = "\x93NUMPY";
  file += major;
  file += '\0';
  const std::size_t bytes = major == 1 ? 2 : 4;
  for (std::size_t i = 0; i < bytes; ++i) {
    file += static_cast<char>((header.size() >> (8 * i)) & 0xFF);
  }
  return file + header + data;
}

std::string dict(const std::string& descr, const std::string& order, const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
}

io::AnyArray parse(const std::string& file) {
  return io::parse_npy(std::as_bytes(std::span(file)), "m");
}

std::string parse_error(const std::string& file, ErrorKind kind = ErrorKind::ParseError) {
  return error_of(kind, [&] { (void)parse(file); });
}

template <class T>
class NpyTyped : public test::TemporaryFolder {};
using Elements = ::testing::Types<float, double, std::int64_t, std::int32_t, std::uint8_t, bool>;
TYPED_TEST_SUITE(NpyTyped, Elements);

TYPED_TEST(NpyTyped, RoundTrip) {
  for (const Shape& shape : {Shape{}, Shape{0}, Shape{1}, Shape{5}, Shape{3, 4}, Shape{2, 0, 3},
                             Shape{1, 2, 1, 2, 1, 2, 1, 2}}) {
    Index next = 0;
    const auto x = Array<TypeParam>::from_shape_fn(
        shape, [&](const IndexList&) { return static_cast<TypeParam>((next += 7) % 3); });
    io::save_npy(this->path("x.npy"), x);
    const Array<TypeParam> back = io::load_npy<TypeParam>(this->path("x.npy"));
    EXPECT_EQ(back, x) << to_string(shape);
    EXPECT_EQ(back.shape(), shape);
    EXPECT_EQ((io::read_file(this->path("x.npy")).size() -
               static_cast<std::size_t>(x.size()) * sizeof(TypeParam)) %
                  64,
              0U);
    io::save_npy(this->path("t.npy"), x.t());
    EXPECT_EQ(io::load_npy<TypeParam>(this->path("t.npy")), x.t());
  }
}

TEST_F(Npy, BytesAreNumPys) {
  const Array<float> x{{1, 2, 3}};
  io::save_npy(path("x.npy"), x);
  const std::vector<std::byte> bytes = io::read_file(path("x.npy"));
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }";
  header.resize(117, ' ');
  header += '\n';
  const std::string data("\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40", 12);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
            file_of(header, data));
}

TEST_F(Npy, FortranOrderByteOrderAndVersions) {
  const Array<std::uint8_t> expected{{1, 2, 3}, {4, 5, 6}};
  const std::string c_order = "\1\2\3\4\5\6";
  const std::string f_order = "\1\4\2\5\3\6";
  for (const char major : {char{1}, char{2}, char{3}}) {
    const auto c = parse(file_of(dict("|u1", "False", "(2, 3)"), c_order, major));
    EXPECT_EQ(std::get<Array<std::uint8_t>>(c), expected);
    const auto f = parse(file_of(dict("|u1", "True", "(2, 3)"), f_order, major));
    EXPECT_EQ(std::get<Array<std::uint8_t>>(f), expected);
  }
  const auto big =
      parse(file_of(dict(">i4", "False", "(2,)"), std::string("\0\0\1\2\xff\xff\xff\xfe", 8)));
  EXPECT_EQ(std::get<Array<std::int32_t>>(big), (Array<std::int32_t>{258, -2}));
  const auto native = parse(file_of(dict("=i4", "False", "()"), std::string("\2\1\0\0", 4)));
  EXPECT_EQ(std::get<Array<std::int32_t>>(native).item(), 258);
  // Keys in any order, double quotes, long integers of Python 2, no trailing comma.
  const auto loose =
      parse(file_of("{\"shape\":(2L,1L),\"fortran_order\":False,\"descr\":\"<u1\"}", "\1\2"));
  EXPECT_EQ(std::get<Array<std::uint8_t>>(loose).shape(), (Shape{2, 1}));
}

TEST_F(Npy, Errors) {
  EXPECT_EQ(parse_error(""), "parse_npy: m: is no .npy file: it does not begin with \\x93NUMPY");
  EXPECT_EQ(parse_error("hello, how are you"),
            "parse_npy: m: is no .npy file: it does not begin with \\x93NUMPY");
  EXPECT_EQ(parse_error(file_of("{}", "", 4), ErrorKind::Unsupported),
            "parse_npy: m: has format version 4.0; 1.0, 2.0 and 3.0 are read");
  EXPECT_EQ(parse_error(std::string("\x93NUMPY\x02\x00\x01\x00\x00", 11)),
            "parse_npy: m: ends inside the header");
  EXPECT_EQ(parse_error(std::string("\x93NUMPY\x01\x00\x05\x00{}", 12)),
            "parse_npy: m: a header of 5 bytes is announced, 2 bytes are left");
  EXPECT_EQ(parse_error(std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff{}", 14)),
            "parse_npy: m: a header of 4294967295 bytes passes the limit of 1048576");
  for (const char* descr : {"<f2", "<c8", "|S3", "<U4", "<i2", "|i1", "<u4", "|O", "<M8[ns]", "f4",
                            "|f4", "", "<f44", "xf4"}) {
    EXPECT_EQ(parse_error(file_of(dict(descr, "False", "(1,)"), "    "), ErrorKind::Unsupported),
              "parse_npy: m: has element type \"" + std::string(descr) +
                  "\"; f4, f8, i8, i4, u1 and b1 are read");
  }
  EXPECT_EQ(
      parse_error(file_of("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", "    "),
                  ErrorKind::Unsupported),
      "parse_npy: m: structured element types are not read");
  EXPECT_EQ(parse_error(file_of(dict("<f4", "False", "(1, 1, 1, 1, 1, 1, 1, 1, 1)"), "    "),
                        ErrorKind::Unsupported),
            "parse_npy: m: the array has more than 8 axes");
  EXPECT_EQ(parse_error(file_of(dict("<f4", "False", "(2,)"), "    ")),
            "parse_npy: m: has 4 bytes of data for shape (2,) of float32");
  EXPECT_EQ(parse_error(file_of(dict("<f4", "False", "(1,)"), "     ")),
            "parse_npy: m: has 5 bytes of data for shape (1,) of float32");
  EXPECT_EQ(parse_error(file_of(dict("<f8", "False", "(2305843009213693952,)"), "")),
            "parse_npy: m: has 0 bytes of data for shape (2305843009213693952,) of float64");
  EXPECT_EQ(parse_error(file_of(dict("<f4", "False", "(4294967296, 4294967296)"), "")),
            "parse_npy: m: has the impossible shape (4294967296, 4294967296)");
  EXPECT_EQ(parse_error(file_of(dict("<f4", "False", "(9223372036854775808,)"), "")),
            "parse_npy: m: header, byte 69: the number passes 2^63 - 1");
  EXPECT_EQ(parse_error(file_of(dict("<f4", "False", "(-1,)"), "")),
            "parse_npy: m: header, byte 51: expected a number");
  EXPECT_EQ(parse_error(file_of(dict("<f4", "False", "(1)"), "    ")),
            "parse_npy: m: header, byte 53: a tuple of one number needs a comma");
  EXPECT_EQ(parse_error(file_of(dict("<f4", "False", "(1 2)"), "    ")),
            "parse_npy: m: header, byte 53: expected ',' or ')'");
  EXPECT_EQ(parse_error(file_of(dict("<f4", "Maybe", "()"), "    ")),
            "parse_npy: m: header, byte 34: expected True or False");
  EXPECT_EQ(parse_error(file_of("{'descr': '<f4', 'descr': '<f4'}", "    ")),
            "parse_npy: m: header, byte 25: unexpected key \"descr\"");
  EXPECT_EQ(parse_error(file_of("{'descr': '<f4'}", "    ")),
            "parse_npy: m: header, byte 16: descr, fortran_order or shape is missing");
  EXPECT_EQ(parse_error(file_of("{'descr': '<f4", "")),
            "parse_npy: m: header, byte 10: the string does not end");
  EXPECT_EQ(parse_error(file_of("{descr: '<f4'}", "")),
            "parse_npy: m: header, byte 1: expected a string");
  EXPECT_EQ(parse_error(file_of(dict("<f4", "False", "()") + "x", "")),
            "parse_npy: m: header, byte 56: text after the closing brace");
  EXPECT_EQ(parse_error(file_of(dict("|b1", "False", "(2,)"), "\1\2")),
            "parse_npy: m: the array holds a boolean that is neither 0 nor 1");
  const Array<float> one{1.0F};
  io::save_npy(path("x.npy"), one);
  EXPECT_EQ(
      error_of(ErrorKind::ConversionError, [&] { (void)io::load_npy<double>(path("x.npy")); }),
      "load_npy: " + path("x.npy") + ": holds float32, not float64");
  EXPECT_EQ(
      error_of(ErrorKind::InvalidOperation, [&] { io::save_npy(path("y.npy"), View<float>()); }),
      "save_npy: the array is not defined");
  EXPECT_EQ(error_of(ErrorKind::IoError, [&] { (void)io::load_npy(path("none")); }),
            "load_npy: " + path("none") + ": cannot open: No such file or directory");
}

}  // namespace
}  // namespace lamina
