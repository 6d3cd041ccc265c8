#include "lamina/data/idx.hpp"

#include <algorithm>
#include <bit>

#include "io/byte_source.hpp"
#include "io/deflate.hpp"
#include "io/read_array.hpp"
#include "lamina/io/file.hpp"

namespace lamina::data {

namespace {

using io::AnyArray;
using io::detail::MemorySource;

/// `count` big-endian numbers, as numbers of type To.
template <class Stored, class To>
AnyArray read_numbers(std::span<const std::byte> bytes, const Shape& shape) {
  Array<To> array = Array<To>::empty(shape);
  To* out = array.data();
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(Stored)) {
    std::array<std::byte, sizeof(Stored)> raw{};  // GCC for ARM does not see that it is filled
    std::reverse_copy(bytes.begin() + static_cast<Index>(i),
                      bytes.begin() + static_cast<Index>(i + sizeof(Stored)), raw.begin());
    *out++ = static_cast<To>(std::bit_cast<Stored>(raw));
  }
  return array;
}

struct Type {
  unsigned code;
  std::size_t bytes;
  AnyArray (*read)(std::span<const std::byte>, const Shape&);
};
constexpr std::array<Type, 6> kTypes{{{0x08, 1, read_numbers<std::uint8_t, std::uint8_t>},
                                      {0x09, 1, read_numbers<std::int8_t, std::int32_t>},
                                      {0x0B, 2, read_numbers<std::int16_t, std::int32_t>},
                                      {0x0C, 4, read_numbers<std::int32_t, std::int32_t>},
                                      {0x0D, 4, read_numbers<float, float>},
                                      {0x0E, 8, read_numbers<double, double>}}};

AnyArray read(const MemorySource& source, std::span<const std::byte> bytes) {
  source.require(bytes.size() >= 4 && bytes[0] == std::byte{0} && bytes[1] == std::byte{0},
                 ErrorKind::ParseError, "is no IDX file: it does not begin with two zero bytes");
  const auto code = static_cast<unsigned>(bytes[2]);
  const auto rank = static_cast<int>(bytes[3]);
  const auto type =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const Type& t) { return t.code == code; });
  source.require(type != kTypes.end(), ErrorKind::ParseError, "has the unknown element type ",
                 code);
  source.require(rank <= kMaxRank, ErrorKind::Unsupported, "has ", rank, " axes; at most ",
                 kMaxRank, " are read");
  const std::size_t header = 4 + 4 * static_cast<std::size_t>(rank);
  source.require(bytes.size() >= header, ErrorKind::ParseError, "ends inside the header");
  IndexList extents;
  for (std::size_t at = 4; at < header; at += 4) {
    Index extent = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      extent = extent * 256 + static_cast<Index>(bytes[at + k]);
    }
    extents.push_back(extent);
  }
  const std::optional<Index> size = io::detail::checked_size(extents);
  const std::size_t left = bytes.size() - header;
  source.require(size.has_value() && left % type->bytes == 0 &&
                     static_cast<Index>(left / type->bytes) == *size,
                 ErrorKind::ParseError, "has ", left, " bytes of data for shape ", extents, " of ",
                 type->bytes, "-byte elements");
  return type->read(bytes.subspan(header), Shape(extents));
}

AnyArray unpack_and_read(std::string_view operation, std::string_view name,
                         std::span<const std::byte> bytes) {
  const MemorySource source(operation, name, bytes);
  const bool is_gzip =
      bytes.size() >= 2 && bytes[0] == std::byte{0x1F} && bytes[1] == std::byte{0x8B};
  return is_gzip ? read(source, io::detail::gunzip(source, bytes)) : read(source, bytes);
}

Array<std::uint8_t> load_bytes(const std::string& path, int rank, std::string_view what) {
  AnyArray array = unpack_and_read("load_mnist", path, io::read_file(path));
  check(std::holds_alternative<Array<std::uint8_t>>(array) && io::shape_of(array).rank() == rank,
        ErrorKind::ParseError, "load_mnist", path, ": holds ", io::element_type_name(array), " ",
        io::shape_of(array), "; expected ", what);
  return std::get<Array<std::uint8_t>>(std::move(array));
}

}  // namespace

io::AnyArray load_idx(const std::string& path) {
  return unpack_and_read("load_idx", path, io::read_file(path));
}

io::AnyArray parse_idx(std::span<const std::byte> bytes, std::string_view name) {
  return unpack_and_read("parse_idx", name, bytes);
}

template <class T>
Dataset<T> load_mnist(const std::string& images, const std::string& labels) {
  const Array<std::uint8_t> pixels = load_bytes(images, 3, "uint8 (N, H, W)");
  const Array<std::uint8_t> classes = load_bytes(labels, 1, "uint8 (N,)");
  check(pixels.shape()[0] == classes.shape()[0], ErrorKind::ParseError, "load_mnist",
        pixels.shape()[0], " images in ", images, ", ", classes.shape()[0], " labels in ", labels);
  Dataset<T> dataset{pixels.astype<T>(), classes.astype<std::int64_t>()};
  for (T& value : dataset.features) {
    value /= T{255};
  }
  return dataset;
}

template LAMINA_EXPORT Dataset<float> load_mnist<float>(const std::string&, const std::string&);
template LAMINA_EXPORT Dataset<double> load_mnist<double>(const std::string&, const std::string&);

}  // namespace lamina::data
