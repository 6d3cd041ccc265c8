#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "io/atomic_file.hpp"
#include "io/byte_source.hpp"
#include "io/deflate.hpp"

namespace lamina::io::detail {

/// One file of a ZIP archive, as its central directory tells.
struct ZipEntry {
  std::string name;
  std::uint16_t method = 0;
  std::uint16_t flags = 0;
  std::uint32_t crc = 0;
  std::uint64_t packed_size = 0;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;  // of the local header
};

/// The entries of an archive in the directory's order. Error(ParseError), Error(Unsupported).
[[nodiscard]] std::vector<ZipEntry> read_zip_directory(const ByteSource& source);
/// The unpacked content of an entry, checksum verified.
[[nodiscard]] Bytes read_zip_entry(const ByteSource& source, const ZipEntry& entry);

/// Writes entries one after the other, then the directory. ZIP64 fields appear where a size or
/// position does not fit into 32 bits.
class ZipWriter {
 public:
  explicit ZipWriter(AtomicFile& file) : file_(file) {}

  /// Begins an entry whose `packed_size` bytes the caller then writes to the file.
  void begin_entry(ZipEntry entry);
  void finish();

 private:
  AtomicFile& file_;
  std::vector<ZipEntry> entries_;
};

}  // namespace lamina::io::detail
