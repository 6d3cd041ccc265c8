#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "io/byte_source.hpp"
#include "lamina/core/index.hpp"

namespace lamina::io::detail {

/// True if `text` is well-formed UTF-8: no overlong forms, no surrogates, nothing past U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// Appends `text`, which is UTF-8, as a JSON string.
void append_json_string(std::string& out, std::string_view text);

/// Reads JSON (RFC 8259) piece by piece, as the caller expects it. Nothing recurses, so no nesting
/// overflows the stack. Anything else is Error(ParseError) with the position.
class JsonReader {
 public:
  /// `text` is UTF-8.
  JsonReader(const ByteSource& source, std::string_view text) : source_(source), text_(text) {}

  /// True, and past it, if the next character is `c`.
  [[nodiscard]] bool accept(char c);
  void expect(char c);
  [[nodiscard]] std::string read_string();
  /// An integer of 0 to 2^63 - 1, without sign, fraction or exponent.
  [[nodiscard]] Index read_size();
  /// Nothing but white space is left.
  void expect_end();

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    source_.fail(ErrorKind::ParseError, "header, byte ", position_, ": ", parts...);
  }

 private:
  void skip_space();
  [[nodiscard]] unsigned read_hex4();
  void append_escape(std::string& out);

  const ByteSource& source_;
  std::string_view text_;
  std::size_t position_ = 0;
};

}  // namespace lamina::io::detail
