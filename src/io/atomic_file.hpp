#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lamina::io::detail {

/// A file that appears under its name as a whole, at commit(), or not at all.
class AtomicFile {
 public:
  AtomicFile(std::string_view operation, const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t count);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// An unsigned little-endian number.
  template <class U>
  void write_number(U value) {
    write(&value, sizeof value);
  }
  /// Bytes written so far.
  [[nodiscard]] std::uint64_t position() const noexcept { return position_; }
  void commit();

 private:
  [[noreturn]] void fail(std::string_view what, int code) const;

  std::string_view operation_;
  std::string path_;    // as the caller wrote it, for messages
  std::string target_;  // with symbolic links followed
  std::string temporary_;
  int descriptor_ = -1;
  std::uint64_t position_ = 0;
};

}  // namespace lamina::io::detail
