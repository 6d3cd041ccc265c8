#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <string_view>
#include <utility>
#include <variant>

#include "lamina/io/any_array.hpp"

namespace lamina::io::detail {

static_assert(std::endian::native == std::endian::little,
              "the file formats are little endian; a big-endian build needs swaps in src/io");

/// How files call the element types, in the order of AnyArray's alternatives.
struct ElementType {
  std::string_view name;
  std::string_view safetensors;
  std::string_view npy;  // without the byte order
  std::size_t bytes;
};

inline constexpr std::array<ElementType, std::variant_size_v<AnyArray>> kElementTypes{{
    {"float32", "F32", "f4", 4},
    {"float64", "F64", "f8", 8},
    {"int64", "I64", "i8", 8},
    {"int32", "I32", "i4", 4},
    {"uint8", "U8", "u1", 1},
    {"bool", "BOOL", "b1", 1},
}};

/// Calls function.template operator()<T>() with the element type of that index.
template <class F>
decltype(auto) with_element_type(std::size_t index, F&& function) {
  switch (index) {
    case 0:
      return function.template operator()<float>();
    case 1:
      return function.template operator()<double>();
    case 2:
      return function.template operator()<std::int64_t>();
    case 3:
      return function.template operator()<std::int32_t>();
    case 4:
      return function.template operator()<std::uint8_t>();
    default:
      return function.template operator()<bool>();
  }
}

}  // namespace lamina::io::detail
