#include "io/deflate.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "lamina/io/npz.hpp"

#ifdef LAMINA_HAS_ZLIB
#include <zlib.h>
#endif

namespace lamina::io {

bool has_compression() noexcept {
#ifdef LAMINA_HAS_ZLIB
  return true;
#else
  return false;
#endif
}

namespace detail {

#ifdef LAMINA_HAS_ZLIB

namespace {

// zlib counts in unsigned int.
constexpr std::size_t kLargestPiece = std::size_t{1} << 30;

/// A zlib stream that is ended whatever happens.
template <int (*End)(z_stream*)>
struct Stream : z_stream {
  Stream() : z_stream{} {}
  ~Stream() { End(this); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Hands the next piece of input over once the last one is used up.
  void feed(std::span<const std::byte>& input) {
    if (avail_in == 0 && !input.empty()) {
      const std::size_t piece = std::min(input.size(), kLargestPiece);
      next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(input.data()));
      avail_in = static_cast<uInt>(piece);
      input = input.subspan(piece);
    }
  }
  /// Room for output in bytes[used...].
  void take(Bytes& bytes, std::size_t used) {
    next_out = reinterpret_cast<Bytef*>(bytes.data() + used);
    avail_out = static_cast<uInt>(std::min(bytes.size() - used, kLargestPiece));
  }
};

}  // namespace

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before) {
  // zlib takes a null pointer for the question after its initial value.
  return bytes.empty() ? before
                       : static_cast<std::uint32_t>(crc32_z(
                             before, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

Bytes inflate(const ByteSource& source, std::span<const std::byte> packed, std::uint64_t size) {
  // No deflate stream unpacks to more than 1032 times its length, so a false size cannot make us
  // ask for memory without bounds.
  source.require(size / 1032 <= packed.size(), ErrorKind::ParseError, packed.size(),
                 " deflated bytes cannot hold ", size, " bytes");
  Stream<inflateEnd> stream;
  source.require(inflateInit2(&stream, -15) == Z_OK, ErrorKind::IoError, "zlib does not start");
  // One byte more than announced shows when there is more.
  Bytes bytes(static_cast<std::size_t>(size) + 1);
  std::size_t used = 0;
  int status = Z_OK;
  while (status == Z_OK && used < bytes.size()) {
    stream.feed(packed);
    stream.take(bytes, used);
    const uInt room = stream.avail_out;
    status = ::inflate(&stream, Z_NO_FLUSH);
    used += room - stream.avail_out;
  }
  source.require(status == Z_STREAM_END && used == size && stream.avail_in == 0 && packed.empty(),
                 ErrorKind::ParseError, "the deflated data is damaged");
  bytes.resize(used);
  return bytes;
}

Bytes deflate(std::string_view operation, std::span<const std::byte> bytes) {
  Stream<deflateEnd> stream;
  check(deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK,
        ErrorKind::IoError, operation, "zlib does not start");
  Bytes packed(std::max<std::size_t>(bytes.size() / 2, 4096));
  std::size_t used = 0;
  int status = Z_OK;
  while (status == Z_OK || status == Z_BUF_ERROR) {
    if (used == packed.size()) {
      packed.resize(packed.size() * 2);
    }
    stream.feed(bytes);
    stream.take(packed, used);
    const uInt room = stream.avail_out;
    status = ::deflate(&stream, bytes.empty() ? Z_FINISH : Z_NO_FLUSH);
    used += room - stream.avail_out;
  }
  check(status == Z_STREAM_END, ErrorKind::IoError, operation, "zlib fails with code ", status);
  packed.resize(used);
  return packed;
}

Bytes gunzip(const ByteSource& source, std::span<const std::byte> packed) {
  Stream<inflateEnd> stream;
  source.require(inflateInit2(&stream, 15 + 16) == Z_OK, ErrorKind::IoError, "zlib does not start");
  Bytes bytes(std::max<std::size_t>(packed.size() * 4, 4096));
  std::size_t used = 0;
  for (;;) {
    if (used == bytes.size()) {
      bytes.resize(bytes.size() * 2);
    }
    stream.feed(packed);
    stream.take(bytes, used);
    const uInt room = stream.avail_out;
    const int status = ::inflate(&stream, Z_NO_FLUSH);
    used += room - stream.avail_out;
    if (status == Z_STREAM_END) {
      if (stream.avail_in == 0 && packed.empty()) {
        break;
      }
      inflateReset(&stream);  // another member follows
      continue;
    }
    source.require(status == Z_OK, ErrorKind::ParseError, "the gzip data is damaged or cut off");
  }
  bytes.resize(used);
  return bytes;
}

#else

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> result{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) {
        value = (value >> 1U) ^ ((value & 1U) != 0 ? 0xEDB88320U : 0U);
      }
      result[i] = value;
    }
    return result;
  }();
  std::uint32_t crc = ~before;
  for (const std::byte byte : bytes) {
    crc = table[(crc ^ static_cast<std::uint32_t>(byte)) & 0xFFU] ^ (crc >> 8U);
  }
  return ~crc;
}

Bytes inflate(const ByteSource& source, std::span<const std::byte>, std::uint64_t) {
  source.fail(ErrorKind::Unsupported, "holds deflated data; this library was built without zlib");
}

Bytes deflate(std::string_view operation, std::span<const std::byte>) {
  throw Error(ErrorKind::Unsupported, operation,
              "compression is not available; this library was built without zlib");
}

Bytes gunzip(const ByteSource& source, std::span<const std::byte>) {
  source.fail(ErrorKind::Unsupported, "is gzipped; this library was built without zlib");
}

#endif

}  // namespace detail

}  // namespace lamina::io
