#include "lamina/io/npy.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "io/atomic_file.hpp"
#include "io/npy_format.hpp"
#include "io/read_array.hpp"

namespace lamina::io {

namespace detail {

namespace {

constexpr std::string_view kMagic{"\x93NUMPY", 6};
// Far beyond any header with one array of at most 8 axes.
constexpr std::size_t kMaxHeader = std::size_t{1} << 20;

struct Header {
  std::string descr;
  bool fortran_order = false;
  IndexList shape;
};

/// Reads the one Python literal that a header is: a dict of a string, a bool and a tuple.
class HeaderReader {
 public:
  HeaderReader(const ByteSource& source, std::string_view what, std::string_view text)
      : source_(source), what_(what), text_(text) {}

  Header read() {
    Header header;
    bool has_descr = false;
    bool has_order = false;
    bool has_shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = read_string();
      expect(':');
      if (key == "descr" && !has_descr) {
        has_descr = true;
        if (accept('[') || accept('(')) {
          source_.fail(ErrorKind::Unsupported, what_, "structured element types are not read");
        }
        header.descr = read_string();
      } else if (key == "fortran_order" && !has_order) {
        has_order = true;
        header.fortran_order = read_bool();
      } else if (key == "shape" && !has_shape) {
        has_shape = true;
        header.shape = read_shape();
      } else {
        fail("unexpected key \"", key, "\"");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (position_ != text_.size()) {
      fail("text after the closing brace");
    }
    if (!has_descr || !has_order || !has_shape) {
      fail("descr, fortran_order or shape is missing");
    }
    return header;
  }

 private:
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    source_.fail(ErrorKind::ParseError, what_, "header, byte ", position_, ": ", parts...);
  }
  void skip_space() {
    while (position_ < text_.size() &&
           std::string_view(" \t\n\r").find(text_[position_]) != std::string_view::npos) {
      ++position_;
    }
  }
  bool accept(char c) {
    skip_space();
    if (position_ < text_.size() && text_[position_] == c) {
      ++position_;
      return true;
    }
    return false;
  }
  void expect(char c) {
    if (!accept(c)) {
      fail("expected '", c, "'");
    }
  }
  std::string_view read_string() {
    skip_space();
    const char quote = position_ < text_.size() ? text_[position_] : '\0';
    if (quote != '\'' && quote != '"') {
      fail("expected a string");
    }
    const std::size_t end = text_.find_first_of(quote == '"' ? "\"\\\n" : "'\\\n", position_ + 1);
    if (end == std::string_view::npos || text_[end] != quote) {
      fail("the string does not end");
    }
    const std::string_view result = text_.substr(position_ + 1, end - position_ - 1);
    position_ = end + 1;
    return result;
  }
  bool read_bool() {
    skip_space();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(position_, word.size()) == word) {
        position_ += word.size();
        return word == "True";
      }
    }
    fail("expected True or False");
  }
  IndexList read_shape() {
    IndexList shape;
    bool has_comma = true;
    expect('(');
    while (!accept(')')) {
      if (!has_comma) {
        fail("expected ',' or ')'");
      }
      if (shape.rank() == kMaxRank) {
        source_.fail(ErrorKind::Unsupported, what_, "the array has more than ", kMaxRank, " axes");
      }
      shape.push_back(read_extent());
      has_comma = accept(',');
    }
    if (shape.rank() == 1 && !has_comma) {
      fail("a tuple of one number needs a comma");
    }
    return shape;
  }
  Index read_extent() {
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
    if (position_ == start) {
      fail("expected a number");
    }
    // Python 2 wrote long integers as 3L.
    position_ += position_ < text_.size() && text_[position_] == 'L' ? 1U : 0U;
    return value;
  }

  const ByteSource& source_;
  std::string_view what_;
  std::string_view text_;
  std::size_t position_ = 0;
};

template <class T>
void swap_bytes(Array<T>& array) {
  for (T& value : array) {
    auto* bytes = reinterpret_cast<unsigned char*>(&value);
    std::reverse(bytes, bytes + sizeof(T));
  }
}

}  // namespace

AnyArray read_npy(const ByteSource& source, std::string_view what) {
  const auto require = [&](bool condition, ErrorKind kind, const auto&... parts) {
    source.require(condition, kind, what, parts...);
  };
  require(source.size() >= 10 && source.read_text(0, kMagic.size()) == kMagic,
          ErrorKind::ParseError, "is no .npy file: it does not begin with \\x93NUMPY");
  const auto major = source.read_number<std::uint8_t>(6);
  const auto minor = source.read_number<std::uint8_t>(7);
  require(major >= 1 && major <= 3 && minor == 0, ErrorKind::Unsupported, "has format version ",
          int{major}, ".", int{minor}, "; 1.0, 2.0 and 3.0 are read");
  const std::uint64_t header_start = major == 1 ? 10 : 12;
  require(source.size() >= header_start, ErrorKind::ParseError, "ends inside the header");
  const std::uint64_t header_size = major == 1 ? std::uint64_t{source.read_number<std::uint16_t>(8)}
                                               : source.read_number<std::uint32_t>(8);
  require(header_size <= kMaxHeader, ErrorKind::ParseError, "a header of ", header_size,
          " bytes passes the limit of ", kMaxHeader);
  require(header_size <= source.size() - header_start, ErrorKind::ParseError, "a header of ",
          header_size, " bytes is announced, ", source.size() - header_start, " bytes are left");
  const std::string text = source.read_text(header_start, static_cast<std::size_t>(header_size));
  const Header header = HeaderReader(source, what, text).read();

  const std::string_view descr = header.descr;
  const std::string_view order = descr.substr(0, 1);
  const auto found = std::find_if(kElementTypes.begin(), kElementTypes.end(), [&](const auto& t) {
    return std::string_view("<>|=").find(order) != std::string_view::npos &&
           (order != "|" || t.bytes == 1) && descr.size() == 3 && descr.substr(1) == t.npy;
  });
  require(found != kElementTypes.end(), ErrorKind::Unsupported, "has element type \"", descr,
          "\"; f4, f8, i8, i4, u1 and b1 are read");
  const std::optional<Index> size = checked_size(header.shape);
  require(size.has_value(), ErrorKind::ParseError, "has the impossible shape ", header.shape);
  const std::uint64_t data_start = header_start + header_size;
  const std::uint64_t data_size = source.size() - data_start;
  require(data_size % found->bytes == 0 &&
              data_size / found->bytes == static_cast<std::uint64_t>(*size),
          ErrorKind::ParseError, "has ", data_size, " bytes of data for shape ", header.shape,
          " of ", found->name);

  IndexList stored = header.shape;
  if (header.fortran_order) {
    std::reverse(stored.begin(), stored.end());
  }
  AnyArray array =
      read_array(source, data_start, static_cast<std::size_t>(found - kElementTypes.begin()),
                 Shape(stored), std::string(what) + "the array");
  std::visit(
      [&](auto& a) {
        if (order == ">") {
          swap_bytes(a);
        }
        if (header.fortran_order && stored.rank() > 1) {
          a = a.t().copy();
        }
      },
      array);
  return array;
}

std::string npy_header(const AnyView& array) {
  const ElementType& type = kElementTypes[array.index()];
  std::string dict = "{'descr': '";
  dict += type.bytes == 1 ? '|' : '<';
  dict += type.npy;
  dict += "', 'fortran_order': False, 'shape': (";
  const Shape& shape = shape_of(array);
  for (int axis = 0; axis < shape.rank(); ++axis) {
    dict += axis == 0 ? "" : " ";
    dict += std::to_string(shape[axis]);
    dict += axis + 1 < shape.rank() || shape.rank() == 1 ? "," : "";
  }
  dict += "), }";
  // The data begins at a multiple of 64, so that it can be mapped and read with aligned loads.
  const std::size_t prefix = kMagic.size() + 4;
  dict.append((64 - (prefix + dict.size() + 1) % 64) % 64, ' ');
  dict += '\n';
  std::string header(kMagic);
  header += '\x01';
  header += '\x00';
  header += static_cast<char>(dict.size() & 0xFFU);
  header += static_cast<char>(dict.size() >> 8U);
  return header + dict;
}

}  // namespace detail

AnyArray load_npy(const std::string& path) {
  return detail::read_npy(detail::FileSource("load_npy", path));
}

template <class T>
Array<T> load_npy(const std::string& path) {
  AnyArray array = load_npy(path);
  auto* typed = std::get_if<Array<T>>(&array);
  check(typed != nullptr, ErrorKind::ConversionError, "load_npy", path, ": holds ",
        element_type_name(array), ", not ", element_type_name(AnyView(View<T>())));
  return std::move(*typed);
}

AnyArray parse_npy(std::span<const std::byte> bytes, std::string_view name) {
  return detail::read_npy(detail::MemorySource("parse_npy", name, bytes));
}

void save_npy(const std::string& path, const AnyView& array) {
  std::visit(
      [&]<class T>(const View<T>& view) {
        check(view.defined(), ErrorKind::InvalidOperation, "save_npy", "the array is not defined");
        const lamina::detail::Packed<T> packed(view);
        detail::AtomicFile file("save_npy", path);
        file.write(detail::npy_header(array));
        file.write(packed.data(), static_cast<std::size_t>(view.size()) * sizeof(T));
        file.commit();
      },
      array);
}

template LAMINA_EXPORT Array<float> load_npy<float>(const std::string&);
template LAMINA_EXPORT Array<double> load_npy<double>(const std::string&);
template LAMINA_EXPORT Array<std::int64_t> load_npy<std::int64_t>(const std::string&);
template LAMINA_EXPORT Array<std::int32_t> load_npy<std::int32_t>(const std::string&);
template LAMINA_EXPORT Array<std::uint8_t> load_npy<std::uint8_t>(const std::string&);
template LAMINA_EXPORT Array<bool> load_npy<bool>(const std::string&);

}  // namespace lamina::io
