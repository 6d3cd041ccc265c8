#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/io/any_array.hpp"

namespace lamina::io {

/// Free text that travels with the arrays of a safetensors file.
using Metadata = std::map<std::string, std::string>;

struct SafetensorsFile {
  NamedArrays arrays;  ///< in the order of their data in the file
  Metadata metadata;
};

/// Longest header that is read or written, in bytes: the limit of the reference implementation.
inline constexpr std::size_t kMaxSafetensorsHeader = 100'000'000;

/// Reads a safetensors file.
///
/// Layout: 8 bytes header length (little endian), a JSON header with dtype, shape and data_offsets
/// of each array, the data. dtypes F32, F64, I64, I32, U8 and BOOL are read; an array of another
/// dtype is Error(Unsupported).
/// The file must be flawless, Error(ParseError) says what is not: the header is strict JSON in
/// UTF-8 without duplicate names, each array's length agrees with dtype and shape, the arrays cover
/// the data without gap or overlap, booleans are 0 or 1. Error(IoError): the file cannot be read.
/// Nothing is allocated on the word of a header that the size of the file does not bear out.
/// PyTorch: safetensors.torch.load_file. Format: github.com/huggingface/safetensors.
[[nodiscard]] LAMINA_EXPORT SafetensorsFile load_safetensors(const std::string& path);

/// The same from memory; errors call it `name`.
[[nodiscard]] LAMINA_EXPORT SafetensorsFile parse_safetensors(std::span<const std::byte> bytes,
                                                              std::string_view name = "memory");

/// Writes a safetensors file atomically (see write_file_atomically).
///
/// The same arrays in the same order give the same bytes on every machine: wider element types come
/// first, so that all data is aligned to its size, then the order given. Views that are not
/// contiguous are written in row-major order. Error(InvalidOperation): duplicate or reserved
/// ("__metadata__") names, text that is not UTF-8, an undefined view. Error(IoError).
/// PyTorch: safetensors.torch.save_file.
LAMINA_EXPORT void save_safetensors(const std::string& path, const std::vector<NamedView>& arrays,
                                    const Metadata& metadata = {});

}  // namespace lamina::io
