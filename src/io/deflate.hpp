#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "io/byte_source.hpp"

namespace lamina::io::detail {

using Bytes = std::vector<std::byte>;

/// CRC-32 of ZIP and gzip (reversed polynomial 0xEDB88320).
[[nodiscard]] std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before = 0);

/// The three below raise Error(Unsupported) in a library built without zlib.

/// Unpacks a raw deflate stream of exactly `size` bytes. Error(ParseError) naming `source` if it is
/// malformed or has another size.
[[nodiscard]] Bytes inflate(const ByteSource& source, std::span<const std::byte> packed,
                            std::uint64_t size);
/// Packs into a raw deflate stream.
[[nodiscard]] Bytes deflate(std::string_view operation, std::span<const std::byte> bytes);
/// Unpacks a .gz file, of several members too. Error(ParseError) naming `source`.
[[nodiscard]] Bytes gunzip(const ByteSource& source, std::span<const std::byte> packed);

}  // namespace lamina::io::detail
