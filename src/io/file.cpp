#include "lamina/io/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "io/atomic_file.hpp"
#include "io/byte_source.hpp"

namespace lamina::io {

namespace detail {

namespace {
std::string system_message(int code) {
  return std::generic_category().message(code);
}

// The kernel transfers at most 0x7ffff000 bytes a call.
constexpr std::size_t kLargestTransfer = std::size_t{1} << 30;
}  // namespace

FileSource::FileSource(std::string_view operation, const std::string& path)
    : ByteSource(operation, path) {
  // Without O_NONBLOCK, opening a named pipe would wait for a writer.
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) {
    fail(ErrorKind::IoError, "cannot open: ", system_message(errno));
  }
  struct stat status {};
  const bool is_regular = ::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode);
  if (!is_regular) {
    ::close(descriptor_);
    fail(ErrorKind::IoError, "is not a regular file");
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

FileSource::~FileSource() {
  ::close(descriptor_);
}

void FileSource::read(std::uint64_t offset, void* out, std::size_t count) const {
  auto* target = static_cast<char*>(out);
  while (count > 0) {
    const ssize_t got =
        ::pread(descriptor_, target, std::min(count, kLargestTransfer), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    require(got >= 0, ErrorKind::IoError, "cannot read: ", system_message(errno));
    require(got > 0, ErrorKind::IoError, "became shorter while it was read");
    target += got;
    offset += static_cast<std::uint64_t>(got);
    count -= static_cast<std::size_t>(got);
  }
}

AtomicFile::AtomicFile(std::string_view operation, const std::string& path)
    : operation_(operation), path_(path), target_(path) {
  // The rename is to replace what a link points at, not the link.
  if (char* resolved = ::realpath(path.c_str(), nullptr)) {
    target_ = resolved;
    std::free(resolved);
  }
  struct stat status {};
  const bool exists = ::stat(target_.c_str(), &status) == 0;
  check(!exists || S_ISREG(status.st_mode), ErrorKind::IoError, operation_, path_,
        ": is not a regular file");
  static std::atomic<unsigned> counter{0};
  do {
    temporary_ = target_ + ".tmp" + std::to_string(::getpid()) + "_" +
                 std::to_string(counter.fetch_add(1, std::memory_order_relaxed));
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0) {
    fail("cannot create a file beside it", errno);
  }
  if (exists && ::fchmod(descriptor_, status.st_mode & 07777) != 0) {
    const int code = errno;
    ::close(descriptor_);
    ::unlink(temporary_.c_str());
    fail("cannot keep its permissions", code);
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
    ::unlink(temporary_.c_str());
  }
}

void AtomicFile::fail(std::string_view what, int code) const {
  lamina::detail::throw_parts(ErrorKind::IoError, operation_, path_, ": ", what, ": ",
                              system_message(code));
}

void AtomicFile::write(const void* data, std::size_t count) {
  const auto* source = static_cast<const char*>(data);
  while (count > 0) {
    const ssize_t done = ::write(descriptor_, source, std::min(count, kLargestTransfer));
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done < 0) {
      fail("cannot write", errno);
    }
    source += done;
    count -= static_cast<std::size_t>(done);
    position_ += static_cast<std::uint64_t>(done);
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) {
    fail("cannot flush to the disk", errno);
  }
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
    fail("cannot rename the finished file", errno);
  }
  ::close(descriptor_);
  descriptor_ = -1;
  // The new name reaches the disk with its folder. Some file systems cannot do that; the file is
  // in place all the same.
  const std::size_t slash = target_.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : target_.substr(0, slash + 1);
  const int folder_descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_descriptor >= 0) {
    ::fsync(folder_descriptor);
    ::close(folder_descriptor);
  }
}

}  // namespace detail

std::vector<std::byte> read_file(const std::string& path) {
  const detail::FileSource source("read_file", path);
  std::vector<std::byte> bytes(source.size());
  source.read(0, bytes.data(), bytes.size());
  return bytes;
}

void write_file_atomically(const std::string& path, std::span<const std::byte> content) {
  detail::AtomicFile file("write_file_atomically", path);
  file.write(content.data(), content.size());
  file.commit();
}

void write_file_atomically(const std::string& path, std::string_view content) {
  write_file_atomically(path, std::as_bytes(std::span(content.data(), content.size())));
}

}  // namespace lamina::io
