#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/io/any_array.hpp"

namespace lamina::io {

struct NpzOptions {
  bool compress = false;  ///< deflate, as numpy.savez_compressed
};

/// True if this library was built with zlib, which deflated and gzipped files need.
[[nodiscard]] LAMINA_EXPORT bool has_compression() noexcept;

/// Reads a NumPy .npz archive: a ZIP file of .npy files, stored or deflated, ZIP64 included.
///
/// Checksums, sizes and names are verified; ".npy" is taken off the names. Error(Unsupported):
/// encryption, another compression, deflate in a library built without zlib, an element type that
/// load_npy does not read. Error(ParseError): anything malformed. Error(IoError).
/// NumPy: numpy.load. Format: PKWARE APPNOTE 6.3.
[[nodiscard]] LAMINA_EXPORT NamedArrays load_npz(const std::string& path);

/// The same from memory; errors call it `name`.
[[nodiscard]] LAMINA_EXPORT NamedArrays parse_npz(std::span<const std::byte> bytes,
                                                  std::string_view name = "memory");

/// Writes a .npz archive atomically (see write_file_atomically); the same arrays give the same
/// bytes, as the time stamps are constant. Error(InvalidOperation): duplicate or empty names, an
/// undefined view. Error(Unsupported): compression without zlib. Error(IoError).
/// NumPy: numpy.savez, numpy.savez_compressed.
LAMINA_EXPORT void save_npz(const std::string& path, const std::vector<NamedView>& arrays,
                            const NpzOptions& options = {});

}  // namespace lamina::io
