#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "io/byte_source.hpp"
#include "io/element_types.hpp"

namespace lamina::io::detail {

/// Number of elements of `extents`, or nothing if it passes 2^62. Extents are not negative.
[[nodiscard]] inline std::optional<Index> checked_size(const IndexList& extents) noexcept {
  constexpr Index kLimit = Index{1} << 62;
  Index product = 1;
  bool is_empty = false;
  for (const Index extent : extents) {
    is_empty = is_empty || extent == 0;
    if (extent != 0 && product > kLimit / extent) {
      return std::nullopt;
    }
    product *= std::max<Index>(extent, 1);
  }
  return is_empty ? 0 : product;
}

/// A row-major array of elements of that type at `offset`; the source has all its bytes.
[[nodiscard]] inline AnyArray read_array(const ByteSource& source, std::uint64_t offset,
                                         std::size_t type, const Shape& shape,
                                         std::string_view what) {
  return with_element_type(type, [&]<class T>() -> AnyArray {
    if constexpr (std::is_same_v<T, bool>) {
      // A bool that is neither 0 nor 1 is undefined behavior, so the bytes are looked at first.
      Array<std::uint8_t> bytes = Array<std::uint8_t>::empty(shape);
      source.read(offset, bytes.data(), static_cast<std::size_t>(bytes.size()));
      const auto odd = std::find_if(bytes.data(), bytes.data() + bytes.size(),
                                    [](std::uint8_t value) { return value > 1; });
      source.require(odd == bytes.data() + bytes.size(), ErrorKind::ParseError, what,
                     " holds a boolean that is neither 0 nor 1");
      return bytes.astype<bool>();
    } else {
      Array<T> array = Array<T>::empty(shape);
      source.read(offset, array.data(), static_cast<std::size_t>(array.size()) * sizeof(T));
      return array;
    }
  });
}

}  // namespace lamina::io::detail
