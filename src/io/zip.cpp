#include "io/zip.hpp"

#include <algorithm>

namespace lamina::io::detail {

namespace {

// PKWARE APPNOTE 6.3.
constexpr std::uint32_t kLocalHeader = 0x04034b50;
constexpr std::uint32_t kDirectoryHeader = 0x02014b50;
constexpr std::uint32_t kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50;
constexpr std::uint32_t kEnd64Locator = 0x07064b50;
constexpr std::uint32_t kFull32 = 0xFFFFFFFF;
constexpr std::uint16_t kFull16 = 0xFFFF;
constexpr std::uint16_t kZip64Field = 1;
constexpr std::uint16_t kStored = 0;
constexpr std::uint16_t kDeflated = 8;

constexpr std::uint64_t kEndSize = 22;
constexpr std::uint64_t kEnd64Size = 56;
constexpr std::uint64_t kEnd64LocatorSize = 20;
constexpr std::uint64_t kDirectoryHeaderSize = 46;
constexpr std::uint64_t kLocalHeaderSize = 30;

/// Where the directory is.
struct Directory {
  std::uint64_t count = 0;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;
};

/// Reads numbers one after the other within [position, end).
class Cursor {
 public:
  Cursor(const ByteSource& source, std::uint64_t position, std::uint64_t end)
      : source_(source), position_(position), end_(end) {}

  template <class U>
  U number() {
    need(sizeof(U));
    const U value = source_.read_number<U>(position_);
    position_ += sizeof(U);
    return value;
  }
  std::string text(std::size_t count) {
    need(count);
    std::string result = source_.read_text(position_, count);
    position_ += count;
    return result;
  }
  void skip(std::uint64_t count) {
    need(count);
    position_ += count;
  }
  [[nodiscard]] std::uint64_t position() const noexcept { return position_; }
  [[nodiscard]] std::uint64_t left() const noexcept { return end_ - position_; }

 private:
  void need(std::uint64_t count) const {
    source_.require(count <= left(), ErrorKind::ParseError, "a ZIP record is cut off");
  }
  const ByteSource& source_;
  std::uint64_t position_;
  std::uint64_t end_;
};

/// The end record stands last, but for a comment of up to 65535 bytes.
std::uint64_t find_end(const ByteSource& source) {
  source.require(source.size() >= kEndSize, ErrorKind::ParseError,
                 "is no ZIP archive: it has only ", source.size(), " bytes");
  const std::uint64_t last = source.size() - kEndSize;
  const std::uint64_t first = last - std::min<std::uint64_t>(last, kFull16);
  const std::string tail = source.read_text(first, static_cast<std::size_t>(source.size() - first));
  for (std::uint64_t at = last + 1; at-- > first;) {
    const std::size_t i = static_cast<std::size_t>(at - first);
    const auto comment = static_cast<std::size_t>(static_cast<unsigned char>(tail[i + 20])) |
                         static_cast<std::size_t>(static_cast<unsigned char>(tail[i + 21])) << 8U;
    if (tail.compare(i, 4, "PK\x05\x06") == 0 && i + kEndSize + comment == tail.size()) {
      return at;
    }
  }
  source.fail(ErrorKind::ParseError, "is no ZIP archive, or its end is missing");
}

Directory read_end(const ByteSource& source) {
  std::uint64_t at = find_end(source);
  Cursor end(source, at + 4, source.size());
  const auto disk = end.number<std::uint16_t>();
  const auto directory_disk = end.number<std::uint16_t>();
  const auto disk_count = end.number<std::uint16_t>();
  Directory directory;
  directory.count = end.number<std::uint16_t>();
  directory.size = end.number<std::uint32_t>();
  directory.offset = end.number<std::uint32_t>();
  const bool is_zip64 = at >= kEnd64LocatorSize &&
                        source.read_number<std::uint32_t>(at - kEnd64LocatorSize) == kEnd64Locator;
  if (is_zip64) {
    const std::uint64_t locator = at - kEnd64LocatorSize;
    at = source.read_number<std::uint64_t>(locator + 8);
    source.require(at <= locator && locator - at >= kEnd64Size &&
                       source.read_number<std::uint32_t>(at) == kEnd64,
                   ErrorKind::ParseError, "the ZIP64 end record is missing");
    source.require(source.read_number<std::uint32_t>(at + 16) == 0 &&
                       source.read_number<std::uint32_t>(at + 20) == 0,
                   ErrorKind::Unsupported, "is one part of several");
    directory.count = source.read_number<std::uint64_t>(at + 32);
    directory.size = source.read_number<std::uint64_t>(at + 40);
    directory.offset = source.read_number<std::uint64_t>(at + 48);
  } else {
    source.require(disk == 0 && directory_disk == 0 && disk_count == directory.count,
                   ErrorKind::Unsupported, "is one part of several");
  }
  source.require(directory.offset <= at && directory.size == at - directory.offset,
                 ErrorKind::ParseError, "the ZIP directory does not end where it should");
  return directory;
}

/// Sizes and position from the ZIP64 extra field, which holds those that the record marks full.
void read_zip64_field(const ByteSource& source, Cursor extra, ZipEntry& entry) {
  const bool needs_field =
      entry.size == kFull32 || entry.packed_size == kFull32 || entry.offset == kFull32;
  while (needs_field && extra.left() >= 4) {
    const auto id = extra.number<std::uint16_t>();
    const auto size = extra.number<std::uint16_t>();
    if (id != kZip64Field) {
      extra.skip(size);
      continue;
    }
    source.require(size <= extra.left(), ErrorKind::ParseError, "a ZIP record is cut off");
    Cursor field(source, extra.position(), extra.position() + size);
    for (std::uint64_t* value : {&entry.size, &entry.packed_size, &entry.offset}) {
      if (*value == kFull32) {
        *value = field.number<std::uint64_t>();
      }
    }
    return;
  }
}

ZipEntry read_directory_entry(const ByteSource& source, Cursor& cursor) {
  source.require(cursor.number<std::uint32_t>() == kDirectoryHeader, ErrorKind::ParseError,
                 "the ZIP directory is damaged");
  ZipEntry entry;
  cursor.skip(4);  // versions
  entry.flags = cursor.number<std::uint16_t>();
  entry.method = cursor.number<std::uint16_t>();
  cursor.skip(4);  // time, date
  entry.crc = cursor.number<std::uint32_t>();
  entry.packed_size = cursor.number<std::uint32_t>();
  entry.size = cursor.number<std::uint32_t>();
  const auto name_size = cursor.number<std::uint16_t>();
  const auto extra_size = cursor.number<std::uint16_t>();
  const auto comment_size = cursor.number<std::uint16_t>();
  cursor.skip(8);  // disk, attributes
  entry.offset = cursor.number<std::uint32_t>();
  entry.name = cursor.text(name_size);
  const std::uint64_t extra = cursor.position();
  cursor.skip(extra_size);
  read_zip64_field(source, Cursor(source, extra, extra + extra_size), entry);
  cursor.skip(comment_size);
  return entry;
}

/// The position of an entry's data. The local header must agree with the directory.
std::uint64_t find_data(const ByteSource& source, const ZipEntry& entry) {
  source.require(entry.offset <= source.size(), ErrorKind::ParseError, "entry \"", entry.name,
                 "\" begins beyond the end");
  Cursor local(source, entry.offset, source.size());
  const auto signature = local.number<std::uint32_t>();
  local.skip(4);  // version, flags
  const auto method = local.number<std::uint16_t>();
  local.skip(16);  // time, date, checksum, sizes: may follow the data instead
  const auto name_size = local.number<std::uint16_t>();
  const auto extra_size = local.number<std::uint16_t>();
  source.require(
      signature == kLocalHeader && method == entry.method && local.text(name_size) == entry.name,
      ErrorKind::ParseError, "entry \"", entry.name, "\" is not where the directory says");
  local.skip(extra_size);
  source.require(entry.packed_size <= local.left(), ErrorKind::ParseError, "entry \"", entry.name,
                 "\" is cut off");
  return local.position();
}

bool needs_zip64(std::uint64_t value) {
  return value >= kFull32;
}

std::uint32_t low32(std::uint64_t value) {
  return needs_zip64(value) ? kFull32 : static_cast<std::uint32_t>(value);
}

/// Version needed, flags, method, date, checksum and sizes, as local headers and the directory
/// share them. The date is 1 January 1980, so that equal arrays give equal files.
void write_shared_fields(AtomicFile& file, const ZipEntry& entry, std::uint16_t extra_size) {
  file.write_number<std::uint16_t>(extra_size != 0 ? 45 : 20);
  file.write_number<std::uint16_t>(entry.flags);
  file.write_number<std::uint16_t>(entry.method);
  file.write_number<std::uint16_t>(0);
  file.write_number<std::uint16_t>((1U << 5U) | 1U);
  file.write_number<std::uint32_t>(entry.crc);
  file.write_number<std::uint32_t>(low32(entry.packed_size));
  file.write_number<std::uint32_t>(low32(entry.size));
  file.write_number<std::uint16_t>(static_cast<std::uint16_t>(entry.name.size()));
  file.write_number<std::uint16_t>(extra_size);
}

}  // namespace

std::vector<ZipEntry> read_zip_directory(const ByteSource& source) {
  const Directory directory = read_end(source);
  // A false count must not make us reserve memory for it.
  source.require(directory.count <= directory.size / kDirectoryHeaderSize, ErrorKind::ParseError,
                 "a ZIP directory of ", directory.size, " bytes cannot hold ", directory.count,
                 " entries");
  std::vector<ZipEntry> entries;
  entries.reserve(static_cast<std::size_t>(directory.count));
  Cursor cursor(source, directory.offset, directory.offset + directory.size);
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    entries.push_back(read_directory_entry(source, cursor));
  }
  source.require(cursor.left() == 0, ErrorKind::ParseError,
                 "the ZIP directory has bytes after its last entry");
  // Entries that share bytes are how archives that unpack without bounds are made.
  std::vector<const ZipEntry*> by_offset;
  for (const ZipEntry& entry : entries) {
    by_offset.push_back(&entry);
  }
  std::sort(by_offset.begin(), by_offset.end(),
            [](const ZipEntry* a, const ZipEntry* b) { return a->offset < b->offset; });
  for (std::size_t i = 0; i < by_offset.size(); ++i) {
    const ZipEntry& entry = *by_offset[i];
    const std::uint64_t next =
        i + 1 < by_offset.size() ? by_offset[i + 1]->offset : directory.offset;
    source.require(entry.offset <= next && next - entry.offset >= kLocalHeaderSize &&
                       entry.packed_size <= next - entry.offset - kLocalHeaderSize,
                   ErrorKind::ParseError, "entry \"", entry.name, "\" overlaps what follows it");
  }
  return entries;
}

Bytes read_zip_entry(const ByteSource& source, const ZipEntry& entry) {
  source.require((entry.flags & 1U) == 0, ErrorKind::Unsupported, "entry \"", entry.name,
                 "\" is encrypted");
  source.require(entry.method == kStored || entry.method == kDeflated, ErrorKind::Unsupported,
                 "entry \"", entry.name, "\" is packed by method ", entry.method,
                 "; stored and deflated are read");
  source.require(entry.method != kStored || entry.packed_size == entry.size, ErrorKind::ParseError,
                 "entry \"", entry.name, "\" is stored, but its two sizes differ");
  const std::uint64_t data = find_data(source, entry);
  Bytes bytes(static_cast<std::size_t>(entry.packed_size));
  source.read(data, bytes.data(), bytes.size());
  if (entry.method == kDeflated) {
    bytes = inflate(source, bytes, entry.size);
  }
  source.require(crc32(bytes) == entry.crc, ErrorKind::ParseError, "entry \"", entry.name,
                 "\" has a wrong checksum");
  return bytes;
}

void ZipWriter::begin_entry(ZipEntry entry) {
  entry.offset = file_.position();
  const bool is_large = needs_zip64(entry.size) || needs_zip64(entry.packed_size);
  const std::uint16_t extra_size = is_large ? 20 : 0;
  ZipEntry shown = entry;
  if (is_large) {  // a local header marks both sizes or none
    shown.size = kFull32;
    shown.packed_size = kFull32;
  }
  file_.write_number(kLocalHeader);
  write_shared_fields(file_, shown, extra_size);
  file_.write(entry.name);
  if (is_large) {
    file_.write_number(kZip64Field);
    file_.write_number<std::uint16_t>(16);
    file_.write_number(entry.size);
    file_.write_number(entry.packed_size);
  }
  entries_.push_back(std::move(entry));
}

void ZipWriter::finish() {
  const std::uint64_t directory = file_.position();
  for (const ZipEntry& entry : entries_) {
    std::vector<std::uint64_t> large;
    for (const std::uint64_t value : {entry.size, entry.packed_size, entry.offset}) {
      if (needs_zip64(value)) {
        large.push_back(value);
      }
    }
    const auto extra_size = static_cast<std::uint16_t>(large.empty() ? 0 : 4 + 8 * large.size());
    file_.write_number(kDirectoryHeader);
    file_.write_number<std::uint16_t>(extra_size != 0 ? 45 : 20);  // version made by
    write_shared_fields(file_, entry, extra_size);
    file_.write_number<std::uint16_t>(0);  // comment
    file_.write_number<std::uint16_t>(0);  // disk
    file_.write_number<std::uint16_t>(0);  // internal attributes
    file_.write_number<std::uint32_t>(0);  // external attributes
    file_.write_number(low32(entry.offset));
    file_.write(entry.name);
    if (!large.empty()) {
      file_.write_number(kZip64Field);
      file_.write_number(static_cast<std::uint16_t>(8 * large.size()));
      for (const std::uint64_t value : large) {
        file_.write_number(value);
      }
    }
  }
  const std::uint64_t end = file_.position();
  const std::uint64_t size = end - directory;
  const std::uint64_t count = entries_.size();
  if (needs_zip64(directory) || needs_zip64(size) || count >= kFull16) {
    file_.write_number(kEnd64);
    file_.write_number<std::uint64_t>(kEnd64Size - 12);
    file_.write_number<std::uint16_t>(45);
    file_.write_number<std::uint16_t>(45);
    file_.write_number<std::uint32_t>(0);
    file_.write_number<std::uint32_t>(0);
    file_.write_number(count);
    file_.write_number(count);
    file_.write_number(size);
    file_.write_number(directory);
    file_.write_number(kEnd64Locator);
    file_.write_number<std::uint32_t>(0);
    file_.write_number(end);
    file_.write_number<std::uint32_t>(1);
  }
  const auto count16 = static_cast<std::uint16_t>(std::min<std::uint64_t>(count, kFull16));
  file_.write_number(kEnd);
  file_.write_number<std::uint16_t>(0);
  file_.write_number<std::uint16_t>(0);
  file_.write_number(count16);
  file_.write_number(count16);
  file_.write_number(low32(size));
  file_.write_number(low32(directory));
  file_.write_number<std::uint16_t>(0);
}

}  // namespace lamina::io::detail
