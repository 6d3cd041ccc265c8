#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "lamina/io/any_array.hpp"

namespace lamina::io {

/// Reads a NumPy .npy file of version 1.0, 2.0 or 3.0.
///
/// Element types f4, f8, i8, i4, u1 and b1 in either byte order, in C or Fortran order; the result
/// is row-major. Error(Unsupported): another element type, more than 8 axes. Error(ParseError):
/// anything malformed, also a length that does not agree with the shape. Error(IoError).
/// NumPy: numpy.load. Format: NEP 1.
[[nodiscard]] LAMINA_EXPORT AnyArray load_npy(const std::string& path);

/// The same for a file that must hold elements of type T. Error(ConversionError) if it does not.
template <class T>
[[nodiscard]] LAMINA_EXPORT Array<T> load_npy(const std::string& path);

/// The same from memory; errors call it `name`.
[[nodiscard]] LAMINA_EXPORT AnyArray parse_npy(std::span<const std::byte> bytes,
                                               std::string_view name = "memory");

/// Writes a .npy file, version 1.0, row-major, atomically (see write_file_atomically).
/// Error(InvalidOperation) for an undefined view; Error(IoError). NumPy: numpy.save.
LAMINA_EXPORT void save_npy(const std::string& path, const AnyView& array);

}  // namespace lamina::io
