#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/export.hpp"

namespace lamina::io {

/// All bytes of a regular file. Error(IoError) names the file and what the system said.
[[nodiscard]] LAMINA_EXPORT std::vector<std::byte> read_file(const std::string& path);

/// Replaces the file at `path` by `content` as a whole: whoever reads it, even after a crash or a
/// power cut, finds the old content or the new one, never a part.
///
/// A temporary file in the same folder is written, flushed to the disk and renamed. The
/// permissions of an existing file are kept; where `path` is a symbolic link, its target is
/// replaced. Error(IoError): the folder does not exist, no permission, disk full, `path` is a
/// folder or a device; the temporary file is removed then.
LAMINA_EXPORT void write_file_atomically(const std::string& path,
                                         std::span<const std::byte> content);
LAMINA_EXPORT void write_file_atomically(const std::string& path, std::string_view content);

}  // namespace lamina::io
