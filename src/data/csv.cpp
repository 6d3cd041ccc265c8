#include "lamina/data/csv.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>

#include "lamina/io/file.hpp"

namespace lamina::data {

namespace {

/// Walks the fields of a CSV text.
class Reader {
 public:
  Reader(std::string_view operation, std::string_view text, char delimiter, std::string_view name)
      : operation_(operation), text_(text), delimiter_(delimiter), name_(name) {
    if (text_.starts_with("\xEF\xBB\xBF")) {
      position_ = 3;
    }
  }

  /// Goes to the next line that is not empty; false at the end.
  bool next_line() {
    while (position_ < text_.size() && (text_[position_] == '\n' || text_[position_] == '\r')) {
      line_ += text_[position_] == '\n' ? 1 : 0;
      ++position_;
    }
    column_ = 0;
    return position_ < text_.size();
  }
  /// The next field of this line; the last one leaves at_line_end() true.
  std::string_view next_field() {
    ++column_;
    field_line_ = line_;
    std::string_view field = skip_to('"') ? quoted_field() : plain_field();
    if (position_ < text_.size() && text_[position_] == delimiter_) {
      ++position_;
      line_end_ = false;
    } else {
      line_end_ = true;
      if (position_ < text_.size() && text_[position_] != '\r' && text_[position_] != '\n') {
        fail("text after the closing quote");
      }
    }
    return field;
  }
  [[nodiscard]] bool at_line_end() const noexcept { return line_end_; }
  [[nodiscard]] Index line() const noexcept { return field_line_; }

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    lamina::detail::throw_parts(ErrorKind::ParseError, operation_, name_, ", line ", field_line_,
                                ", column ", column_, ": ", parts...);
  }
  template <class... Parts>
  [[noreturn]] void fail_line(const Parts&... parts) const {
    lamina::detail::throw_parts(ErrorKind::ParseError, operation_, name_, ", line ", field_line_,
                                ": ", parts...);
  }

 private:
  /// Past spaces, if `c` comes then.
  bool skip_to(char c) {
    const std::size_t at = text_.find_first_not_of(' ', position_);
    if (at == std::string_view::npos || text_[at] != c) {
      return false;
    }
    position_ = at;
    return true;
  }
  std::string_view plain_field() {
    const std::size_t begin = position_;
    while (position_ < text_.size() && text_[position_] != delimiter_ && text_[position_] != '\n' &&
           text_[position_] != '\r') {
      ++position_;
    }
    return text_.substr(begin, position_ - begin);
  }
  std::string_view quoted_field() {
    unquoted_.clear();
    ++position_;
    for (;;) {
      if (position_ >= text_.size()) {
        fail("the quote does not end");
      }
      const char c = text_[position_++];
      if (c == '"') {
        if (position_ >= text_.size() || text_[position_] != '"') {
          break;
        }
        ++position_;  // two quotes stand for one
      }
      line_ += c == '\n' ? 1 : 0;
      unquoted_ += c;
    }
    (void)skip_to(delimiter_);
    return unquoted_;
  }

  std::string_view operation_;
  std::string_view text_;
  char delimiter_;
  std::string_view name_;
  std::size_t position_ = 0;
  Index line_ = 1;
  Index field_line_ = 1;
  Index column_ = 0;
  bool line_end_ = false;
  std::string unquoted_;
};

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  const std::size_t end = text.find_last_not_of(" \t");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin, end - begin + 1);
}

/// At most 40 bytes of a field, for messages.
std::string shown(std::string_view field) {
  return '"' + std::string(field.substr(0, 40)) + (field.size() > 40 ? "...\"" : "\"");
}

template <class T>
T parse_number(const Reader& reader, std::string_view field, bool missing_as_nan) {
  std::string_view digits = trimmed(field);
  if (digits.empty()) {
    if (missing_as_nan) {
      return std::numeric_limits<T>::quiet_NaN();
    }
    reader.fail("the value is missing");
  }
  // from_chars knows no plus sign.
  if (digits.size() > 1 && digits[0] == '+' && digits[1] != '-') {
    digits.remove_prefix(1);
  }
  T value{};
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (code == std::errc::result_out_of_range) {
    reader.fail(shown(field), " is outside the range of ", sizeof(T) == 4 ? "float32" : "float64");
  }
  if (code != std::errc() || end != digits.data() + digits.size()) {
    reader.fail(shown(field), " is not a number");
  }
  return value;
}

template <class T>
Table<T> parse(std::string_view operation, std::string_view text, const CsvOptions& options,
               std::string_view name) {
  check(std::string_view("\n\r\"").find(options.delimiter) == std::string_view::npos,
        ErrorKind::InvalidOperation, operation, "the delimiter is a quote or a line end");
  Reader reader(operation, text, options.delimiter, name);
  Table<T> table;
  std::vector<T> values;
  Index width = 0;
  Index rows = 0;
  Index first_line = 0;
  bool is_header = options.header;
  while (reader.next_line()) {
    Index fields = 0;
    do {
      const std::string_view field = reader.next_field();
      ++fields;
      if (is_header) {
        table.columns.emplace_back(trimmed(field));
      } else {
        values.push_back(parse_number<T>(reader, field, options.missing_as_nan));
      }
    } while (!reader.at_line_end());
    if (first_line == 0) {
      width = fields;
      first_line = reader.line();
    } else if (fields != width) {
      reader.fail_line("has ", fields, " fields, line ", first_line, " has ", width);
    }
    rows += is_header ? 0 : 1;
    is_header = false;
  }
  table.values = Array<T>::from_shape_vec({rows, width}, values);
  return table;
}

}  // namespace

template <class T>
Table<T> load_csv(const std::string& path, const CsvOptions& options) {
  const std::vector<std::byte> bytes = io::read_file(path);
  return parse<T>("load_csv", {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, options,
                  path);
}

template <class T>
Table<T> parse_csv(std::string_view text, const CsvOptions& options, std::string_view name) {
  return parse<T>("parse_csv", text, options, name);
}

template <class T>
Dataset<T> to_dataset(const Table<T>& table, int label_column) {
  const auto [rows, columns] = table.values.template dims<2>("to_dataset", "table");
  const Index column = label_column + (label_column < 0 ? columns : 0);
  check(column >= 0 && column < columns, ErrorKind::IndexOutOfBounds, "to_dataset", "label column ",
        label_column, " in a table of ", columns, " columns");
  Dataset<T> dataset{Array<T>::empty({rows, columns - 1}), Array<std::int64_t>::empty({rows})};
  for (Index i = 0; i < rows; ++i) {
    const T* row = table.values.data() + i * columns;
    const T label = row[column];
    // Up to there every integer has its own number of type T.
    check(std::abs(label) <= std::ldexp(T{1}, std::numeric_limits<T>::digits) &&
              label == std::trunc(label),
          ErrorKind::ConversionError, "to_dataset", "row ", i, ": label ", label,
          " is not an integer");
    dataset.labels(i) = static_cast<std::int64_t>(label);
    T* features = dataset.features.data() + i * (columns - 1);
    std::copy(row + column + 1, row + columns, std::copy(row, row + column, features));
  }
  return dataset;
}

template LAMINA_EXPORT Table<float> load_csv<float>(const std::string&, const CsvOptions&);
template LAMINA_EXPORT Table<double> load_csv<double>(const std::string&, const CsvOptions&);
template LAMINA_EXPORT Table<float> parse_csv<float>(std::string_view, const CsvOptions&,
                                                     std::string_view);
template LAMINA_EXPORT Table<double> parse_csv<double>(std::string_view, const CsvOptions&,
                                                       std::string_view);
template LAMINA_EXPORT Dataset<float> to_dataset<float>(const Table<float>&, int);
template LAMINA_EXPORT Dataset<double> to_dataset<double>(const Table<double>&, int);

}  // namespace lamina::data
