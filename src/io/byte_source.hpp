#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "lamina/core/error.hpp"

namespace lamina::io::detail {

/// Random access to the bytes of a file or of memory, and the words for what is wrong with them.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  /// The caller has checked that offset + count <= size().
  virtual void read(std::uint64_t offset, void* out, std::size_t count) const = 0;

  [[nodiscard]] std::string read_text(std::uint64_t offset, std::size_t count) const {
    std::string text(count, '\0');
    read(offset, text.data(), count);
    return text;
  }
  /// An unsigned little-endian number.
  template <class U>
  [[nodiscard]] U read_number(std::uint64_t offset) const {
    U value;
    read(offset, &value, sizeof value);
    return value;
  }

  [[nodiscard]] std::string_view operation() const noexcept { return operation_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// Throws Error(kind, operation, "name: parts...") unless `condition`.
  template <class... Parts>
  void require(bool condition, ErrorKind kind, const Parts&... parts) const {
    check(condition, kind, operation_, name_, ": ", parts...);
  }
  template <class... Parts>
  [[noreturn]] void fail(ErrorKind kind, const Parts&... parts) const {
    lamina::detail::throw_parts(kind, operation_, name_, ": ", parts...);
  }

 protected:
  ByteSource(std::string_view operation, std::string name)
      : operation_(operation), name_(std::move(name)) {}
  std::uint64_t size_ = 0;

 private:
  std::string_view operation_;
  std::string name_;
};

class MemorySource final : public ByteSource {
 public:
  MemorySource(std::string_view operation, std::string_view name, std::span<const std::byte> bytes)
      : ByteSource(operation, std::string(name)), bytes_(bytes) {
    size_ = bytes.size();
  }
  void read(std::uint64_t offset, void* out, std::size_t count) const override {
    if (count != 0) {
      std::memcpy(out, bytes_.data() + offset, count);
    }
  }

 private:
  std::span<const std::byte> bytes_;
};

/// A regular file. Error(IoError) if it cannot be opened or read.
class FileSource final : public ByteSource {
 public:
  FileSource(std::string_view operation, const std::string& path);
  ~FileSource() override;
  void read(std::uint64_t offset, void* out, std::size_t count) const override;

 private:
  int descriptor_ = -1;
};

}  // namespace lamina::io::detail
