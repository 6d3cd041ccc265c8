#include <gtest/gtest.h>

#include <cstring>

#include "io/temporary_folder.hpp"
#include "lamina/io/file.hpp"
#include "lamina/io/npy.hpp"
#include "lamina/io/npz.hpp"

namespace lamina {
namespace {

using test::error_of;

class Npz : public test::TemporaryFolder {
 protected:
  /// An archive of two arrays, as bytes.
  std::string archive(bool compress = false) {
    const Array<float> a{{1, 2}, {3, 4}};
    const Array<std::int64_t> b = Array<std::int64_t>::arange(100);
    io::save_npz(path("a.npz"), {{"a", a}, {"b", b}}, {.compress = compress});
    return text_of("a.npz");
  }
  std::string text_of(const std::string& name) {
    const std::vector<std::byte> bytes = io::read_file(path(name));
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

io::NamedArrays parse(const std::string& file) {
  return io::parse_npz(std::as_bytes(std::span(file)), "m");
}

std::string parse_error(const std::string& file, ErrorKind kind = ErrorKind::ParseError) {
  return error_of(kind, [&] { (void)parse(file); });
}

/// `text` with the bytes at `at` replaced.
std::string patched(std::string text, std::size_t at, const std::string& bytes) {
  return text.replace(at, bytes.size(), bytes);
}

template <class U>
std::string number(U value) {
  std::string text(sizeof(U), '\0');
  std::memcpy(text.data(), &value, sizeof(U));
  return text;
}

TEST_F(Npz, RoundTrip) {
  const Array<double> d = Array<double>::linspace(0, 1, 1000);
  const Array<bool> b{{true}, {false}};
  const Array<float> e = Array<float>::zeros({0, 2});
  std::vector<bool> modes{false};
  if (io::has_compression()) {
    modes.push_back(true);
  }
  for (const bool compress : modes) {
    io::save_npz(path("x.npz"), {{"d", d}, {"folder/b", b.t()}, {"e", e}}, {.compress = compress});
    const io::NamedArrays arrays = io::load_npz(path("x.npz"));
    EXPECT_EQ(arrays.size(), 3);
    EXPECT_EQ(arrays.get<double>("d"), d);
    EXPECT_EQ(arrays.get<bool>("folder/b"), b.t());
    EXPECT_EQ(arrays.get<float>("e").shape(), (Shape{0, 2}));
    io::save_npz(path("y.npz"), arrays.views(), {.compress = compress});
    EXPECT_EQ(text_of("y.npz"), text_of("x.npz"));
  }
  io::save_npz(path("none.npz"), {});
  EXPECT_TRUE(io::load_npz(path("none.npz")).empty());
  const Array<double> zeros = Array<double>::zeros({100000});
  if (io::has_compression()) {
    io::save_npz(path("z.npz"), {{"z", zeros}}, {.compress = true});
    EXPECT_LT(text_of("z.npz").size(), 2000U);
    EXPECT_EQ(io::load_npz(path("z.npz")).get<double>("z"), zeros);
  }
}

TEST_F(Npz, CommentAtTheEnd) {
  const std::string file = archive();
  const std::string comment = "a comment with PK\x05\x06 inside";
  const std::string commented =
      patched(file, file.size() - 2,
              number<std::uint16_t>(static_cast<std::uint16_t>(comment.size()))) +
      comment;
  EXPECT_EQ(parse(commented).size(), 2);
}

/// The archive with every ZIP64 record that an archive beyond 4 GiB would have.
std::string as_zip64(const std::string& file) {
  const std::size_t end = file.size() - 22;
  std::uint32_t directory = 0;
  std::memcpy(&directory, file.data() + end + 16, 4);
  std::string result = file.substr(0, directory);
  for (std::size_t at = directory; at < end;) {
    std::uint32_t packed = 0;
    std::uint32_t size = 0;
    std::uint32_t offset = 0;
    std::uint16_t name = 0;
    std::memcpy(&packed, file.data() + at + 20, 4);
    std::memcpy(&size, file.data() + at + 24, 4);
    std::memcpy(&name, file.data() + at + 28, 2);
    std::memcpy(&offset, file.data() + at + 42, 4);
    std::string record = file.substr(at, 46U + name);
    record = patched(record, 20, number(0xFFFFFFFFU) + number(0xFFFFFFFFU));
    // An unknown extra field stands before the one that counts.
    record = patched(record, 30, number<std::uint16_t>(4 + 2 + 4 + 24));
    record = patched(record, 42, number(0xFFFFFFFFU));
    result += record + number<std::uint16_t>(0x7075) + number<std::uint16_t>(2) + "xx" +
              number<std::uint16_t>(1) + number<std::uint16_t>(24) + number<std::uint64_t>(size) +
              number<std::uint64_t>(packed) + number<std::uint64_t>(offset);
    at += 46U + name;
  }
  const std::uint64_t end64 = result.size();
  result += number(0x06064b50U) + number<std::uint64_t>(44) + number<std::uint32_t>(0x2d002d) +
            number<std::uint64_t>(0) + number<std::uint64_t>(2) + number<std::uint64_t>(2) +
            number<std::uint64_t>(end64 - directory) + number<std::uint64_t>(directory);
  result += number(0x07064b50U) + number<std::uint32_t>(0) + number<std::uint64_t>(end64) +
            number<std::uint32_t>(1);
  return result + number(0x06054b50U) + std::string(4, '\0') + std::string(12, '\xff') +
         std::string(2, '\0');
}

TEST_F(Npz, Zip64) {
  const std::string file = archive();
  const io::NamedArrays arrays = parse(as_zip64(file));
  EXPECT_EQ(arrays.get<float>("a"), parse(file).get<float>("a"));
  EXPECT_EQ(arrays.get<std::int64_t>("b"), parse(file).get<std::int64_t>("b"));
  const std::string broken = as_zip64(file);
  EXPECT_EQ(parse_error(patched(broken, broken.size() - 22 - 12, number<std::uint64_t>(1))),
            "parse_npz: m: the ZIP64 end record is missing");
  EXPECT_EQ(parse_error(patched(broken, broken.size() - 22 - 12, number<std::uint64_t>(~0ULL))),
            "parse_npz: m: the ZIP64 end record is missing");
}

TEST_F(Npz, Errors) {
  const std::string file = archive();
  const std::size_t end = file.size() - 22;
  std::uint32_t directory = 0;
  std::memcpy(&directory, file.data() + end + 16, 4);
  EXPECT_EQ(parse_error("PK"), "parse_npz: m: is no ZIP archive: it has only 2 bytes");
  EXPECT_EQ(parse_error(std::string(100, 'x')),
            "parse_npz: m: is no ZIP archive, or its end is missing");
  EXPECT_EQ(parse_error(patched(file, end + 4, "\x01"), ErrorKind::Unsupported),
            "parse_npz: m: is one part of several");
  EXPECT_EQ(parse_error(patched(file, end + 12, "\x01")),
            "parse_npz: m: the ZIP directory does not end where it should");
  EXPECT_EQ(parse_error(patched(file, end + 8, "\xff\xff\xff\xff")),
            "parse_npz: m: a ZIP directory of " + std::to_string(end - directory) +
                " bytes cannot hold 65535 entries");
  EXPECT_EQ(parse_error(patched(file, end + 8, std::string("\x01\x00\x01\x00", 4))),
            "parse_npz: m: the ZIP directory has bytes after its last entry");
  EXPECT_EQ(parse_error(patched(file, directory, "X")),
            "parse_npz: m: the ZIP directory is damaged");
  EXPECT_EQ(parse_error(patched(file, directory + 8, "\x01"), ErrorKind::Unsupported),
            "parse_npz: m: entry \"a.npy\" is encrypted");
  EXPECT_EQ(parse_error(patched(file, directory + 10, "\x0c"), ErrorKind::Unsupported),
            "parse_npz: m: entry \"a.npy\" is packed by method 12; stored and deflated are read");
  EXPECT_EQ(parse_error(patched(file, directory + 24, "\x01")),
            "parse_npz: m: entry \"a.npy\" is stored, but its two sizes differ");
  EXPECT_EQ(parse_error(patched(file, directory + 46, "z")),
            "parse_npz: m: entry \"z.npy\" is not where the directory says");
  EXPECT_EQ(parse_error(patched(file, directory + 46 + 2, "x")),
            "parse_npz: m: entry \"a.xpy\" is no .npy file");
  EXPECT_EQ(parse_error(patched(file, directory + 42, "\x01")),
            "parse_npz: m: entry \"a.npy\" is not where the directory says");
  EXPECT_EQ(parse_error(patched(file, directory + 42, "\xf0")),
            "parse_npz: m: entry \"b.npy\" overlaps what follows it");
  EXPECT_EQ(parse_error(patched(file, 30 + 5 + 130, "\x55")),
            "parse_npz: m: entry \"a.npy\" has a wrong checksum");
  std::string twice = file;
  for (std::size_t at = twice.find("b.npy"); at != std::string::npos; at = twice.find("b.npy")) {
    twice[at] = 'a';
  }
  EXPECT_EQ(parse_error(twice), "parse_npz: m: two arrays have the name \"a\"");

  const Array<float> x{1.0F};
  const auto refused = [&](const std::vector<io::NamedView>& arrays) {
    return error_of(ErrorKind::InvalidOperation, [&] { io::save_npz(path("y"), arrays); });
  };
  EXPECT_EQ(refused({{"a", x}, {"a", x}}), "save_npz: two arrays have the name \"a\"");
  EXPECT_EQ(refused({{"", x}}), "save_npz: a name has 1 to 65531 bytes, got 0");
  EXPECT_EQ(refused({{"a", View<bool>()}}), "save_npz: array \"a\" is not defined");
  EXPECT_FALSE(std::filesystem::exists(path("y")));
}

TEST_F(Npz, DamagedDeflate) {
  if (!io::has_compression()) {
    const Array<float> x{1.0F};
    EXPECT_EQ(error_of(ErrorKind::Unsupported,
                       [&] {
                         io::save_npz(path("y"), {{"x", x}}, {.compress = true});
                       }),
              "save_npz: compression is not available; this library was built without zlib");
    std::string file = archive();
    std::uint32_t directory = 0;
    std::memcpy(&directory, file.data() + file.size() - 6, 4);
    file = patched(patched(file, 8, "\x08"), directory + 10, "\x08");
    EXPECT_EQ(parse_error(file, ErrorKind::Unsupported),
              "parse_npz: m: holds deflated data; this library was built without zlib");
    return;
  }
  const std::string file = archive(true);
  std::uint32_t directory = 0;
  std::memcpy(&directory, file.data() + file.size() - 6, 4);
  EXPECT_EQ(parse_error(patched(file, 30 + 5, "\xff\xff\xff")),
            "parse_npz: m: the deflated data is damaged");
  // One byte too few or too many announced.
  const auto size = static_cast<unsigned char>(file[directory + 24]);
  for (const int change : {-1, 1}) {
    EXPECT_EQ(parse_error(
                  patched(file, directory + 24, std::string(1, static_cast<char>(size + change)))),
              "parse_npz: m: the deflated data is damaged");
  }
  std::uint32_t packed = 0;
  std::memcpy(&packed, file.data() + directory + 20, 4);
  EXPECT_EQ(
      parse_error(patched(file, directory + 24, "\xfe\xff\xff\xff")),
      "parse_npz: m: " + std::to_string(packed) + " deflated bytes cannot hold 4294967294 bytes");
}

}  // namespace
}  // namespace lamina
