#pragma once

#include <string>

#include "io/byte_source.hpp"
#include "lamina/io/any_array.hpp"

namespace lamina::io::detail {

/// The array of a .npy file; `what` begins the error messages about it.
[[nodiscard]] AnyArray read_npy(const ByteSource& source, std::string_view what = "");

/// Magic, version and header of the .npy file of a row-major array.
[[nodiscard]] std::string npy_header(const AnyView& array);

}  // namespace lamina::io::detail
