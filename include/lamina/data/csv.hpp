#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lamina/data/dataset.hpp"

namespace lamina::data {

struct CsvOptions {
  char delimiter = ',';
  bool header = false;          ///< the first line names the columns
  bool missing_as_nan = false;  ///< an empty field is NaN instead of an error
};

/// A table of numbers.
template <class T>
struct Table {
  std::vector<std::string> columns;  ///< empty without a header line
  Array<T> values;                   ///< (rows, columns)
};

/// Reads a CSV file of numbers (RFC 4180: fields may be quoted, lines end in LF or CRLF).
///
/// Spaces around numbers, empty lines and a byte order mark are skipped; the decimal sign is '.'
/// whatever the locale. Error(ParseError) names file, line and column: a field that is no number
/// or outside the range of T, lines that differ in length, a quote that does not end.
/// Error(IoError). NumPy: loadtxt; pandas: read_csv.
template <class T>
[[nodiscard]] LAMINA_EXPORT Table<T> load_csv(const std::string& path,
                                              const CsvOptions& options = {});

/// The same from text; errors call it `name`.
template <class T>
[[nodiscard]] LAMINA_EXPORT Table<T> parse_csv(std::string_view text,
                                               const CsvOptions& options = {},
                                               std::string_view name = "memory");

/// One column of a table as labels, the others as features (rows, columns - 1). A negative column
/// counts from the end. Error(IndexOutOfBounds): no such column. Error(ConversionError): a label is
/// not an integer.
template <class T>
[[nodiscard]] LAMINA_EXPORT Dataset<T> to_dataset(const Table<T>& table, int label_column = -1);

}  // namespace lamina::data
