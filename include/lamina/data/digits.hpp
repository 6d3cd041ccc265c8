#pragma once

#include <string>

#include "lamina/data/dataset.hpp"

namespace lamina::data {

/// Side of an image of the digits data set.
inline constexpr Index kDigitsSide = 8;
/// Classes of the digits data set.
inline constexpr Index kDigitsClasses = 10;

/// Reads the handwritten digits that come with lamina (data/digits/digits.csv): 1,797 images of
/// 8 x 8 pixels as features (N, 64), row by row, with the stored values 0 to 16 scaled to 0 to 1,
/// and labels 0 to 9.
///
/// Error(ParseError) names the line of a file that is not of this form. Error(IoError).
/// scikit-learn: load_digits. Alpaydin and Kaynak 1998, doi:10.24432/C50P49.
template <class T>
[[nodiscard]] LAMINA_EXPORT Dataset<T> load_digits(const std::string& path);

}  // namespace lamina::data
