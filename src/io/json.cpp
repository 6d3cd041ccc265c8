#include "io/json.hpp"

#include <limits>

namespace lamina::io::detail {

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    std::size_t length = 1;
    // Bounds of the second byte exclude overlong forms, surrogates and what passes U+10FFFF.
    unsigned low = 0x80;
    unsigned high = 0xBF;
    if (lead >= 0x80) {
      if (lead >= 0xC2 && lead <= 0xDF) {
        length = 2;
      } else if (lead >= 0xE0 && lead <= 0xEF) {
        length = 3;
        low = lead == 0xE0 ? 0xA0 : low;
        high = lead == 0xED ? 0x9F : high;
      } else if (lead >= 0xF0 && lead <= 0xF4) {
        length = 4;
        low = lead == 0xF0 ? 0x90 : low;
        high = lead == 0xF4 ? 0x8F : high;
      } else {
        return false;
      }
    }
    if (text.size() - i < length) {
      return false;
    }
    for (std::size_t k = 1; k < length; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + k]);
      if (byte < low || byte > high) {
        return false;
      }
      low = 0x80;
      high = 0xBF;
    }
    i += length;
  }
  return true;
}

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    } else {
      out += c;
    }
  }
  out += '"';
}

void JsonReader::skip_space() {
  while (position_ < text_.size() &&
         std::string_view(" \t\n\r").find(text_[position_]) != std::string_view::npos) {
    ++position_;
  }
}

bool JsonReader::accept(char c) {
  skip_space();
  if (position_ < text_.size() && text_[position_] == c) {
    ++position_;
    return true;
  }
  return false;
}

void JsonReader::expect(char c) {
  if (!accept(c)) {
    fail("expected '", c, "'");
  }
}

unsigned JsonReader::read_hex4() {
  unsigned value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = position_ < text_.size() ? text_[position_] : '\0';
    const char lower = static_cast<char>(c | 0x20);
    if (c >= '0' && c <= '9') {
      value = value * 16 + static_cast<unsigned>(c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      value = value * 16 + static_cast<unsigned>(lower - 'a' + 10);
    } else {
      fail("\\u needs four hexadecimal digits");
    }
    ++position_;
  }
  return value;
}

void JsonReader::append_escape(std::string& out) {
  constexpr std::string_view kNames = "\"\\/bfnrt";
  constexpr std::string_view kValues = "\"\\/\b\f\n\r\t";
  const char c = position_ < text_.size() ? text_[position_] : '\0';
  if (const std::size_t i = kNames.find(c); i != std::string_view::npos) {
    out += kValues[i];
    ++position_;
    return;
  }
  if (c != 'u') {
    fail("unknown escape after \\");
  }
  ++position_;
  unsigned code = read_hex4();
  if (code >= 0xD800 && code <= 0xDFFF) {
    const bool is_pair = code <= 0xDBFF && text_.substr(position_, 2) == "\\u";
    if (!is_pair) {
      fail("half of a surrogate pair");
    }
    position_ += 2;
    const unsigned low = read_hex4();
    if (low < 0xDC00 || low > 0xDFFF) {
      fail("half of a surrogate pair");
    }
    code = 0x10000 + ((code - 0xD800) << 10U) + (low - 0xDC00);
  }
  const auto byte = [&](unsigned value) { out += static_cast<char>(value); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | (code >> 6U));
    byte(0x80 | (code & 0x3FU));
  } else if (code < 0x10000) {
    byte(0xE0 | (code >> 12U));
    byte(0x80 | ((code >> 6U) & 0x3FU));
    byte(0x80 | (code & 0x3FU));
  } else {
    byte(0xF0 | (code >> 18U));
    byte(0x80 | ((code >> 12U) & 0x3FU));
    byte(0x80 | ((code >> 6U) & 0x3FU));
    byte(0x80 | (code & 0x3FU));
  }
}

std::string JsonReader::read_string() {
  expect('"');
  std::string result;
  for (;;) {
    if (position_ >= text_.size()) {
      fail("the string does not end");
    }
    const char c = text_[position_];
    if (static_cast<unsigned char>(c) < 0x20) {
      fail("a control character inside a string");
    }
    ++position_;
    if (c == '"') {
      return result;
    }
    if (c == '\\') {
      append_escape(result);
    } else {
      result += c;
    }
  }
}

Index JsonReader::read_size() {
  skip_space();
  const std::size_t start = position_;
  Index value = 0;
  while (position_ < text_.size() && text_[position_] >= '0' && text_[position_] <= '9') {
    const Index digit = text_[position_] - '0';
    if (value > (std::numeric_limits<Index>::max() - digit) / 10) {
      fail("the number passes 2^63 - 1");
    }
    value = value * 10 + digit;
    ++position_;
  }
  const bool leading_zero = position_ - start > 1 && text_[start] == '0';
  const char next = position_ < text_.size() ? text_[position_] : ' ';
  if (position_ == start || leading_zero || next == '.' || next == 'e' || next == 'E') {
    position_ = start;
    fail("expected an integer that is not negative");
  }
  return value;
}

void JsonReader::expect_end() {
  skip_space();
  if (position_ != text_.size()) {
    fail("text after the end of the header");
  }
}

}  // namespace lamina::io::detail
