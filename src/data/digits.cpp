#include "lamina/data/digits.hpp"

#include <cmath>

#include "lamina/data/csv.hpp"

namespace lamina::data {

template <class T>
Dataset<T> load_digits(const std::string& path) {
  constexpr Index kPixels = kDigitsSide * kDigitsSide;
  constexpr T kDarkest{16};
  const Table<T> table = load_csv<T>(path);
  const Index rows = table.values.rows();
  check(rows > 0 && table.values.cols() == kPixels + 1, ErrorKind::ParseError, "load_digits", path,
        ": a table of ", table.values.shape(), "; expected ", kPixels + 1,
        " columns, the pixels and the digit");
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j <= kPixels; ++j) {
      const T value = table.values(i, j);
      const T highest = j < kPixels ? kDarkest : T{kDigitsClasses - 1};
      check(value >= T{0} && value <= highest && value == std::trunc(value), ErrorKind::ParseError,
            "load_digits", path, ", row ", i + 1, ", column ", j + 1, ": ", value,
            " is not an integer from 0 to ", highest);
    }
  }
  Dataset<T> dataset = to_dataset(table);
  for (T& value : dataset.features) {
    value /= kDarkest;
  }
  return dataset;
}

template LAMINA_EXPORT Dataset<float> load_digits<float>(const std::string&);
template LAMINA_EXPORT Dataset<double> load_digits<double>(const std::string&);

}  // namespace lamina::data
