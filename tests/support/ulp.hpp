#pragma once

#include <cmath>
#include <limits>

namespace lamina::test {

/// The distance between neighboring numbers of type T at `value`.
template <class T>
long double ulp_at(long double value) {
  const long double magnitude = std::fabs(value);
  if (magnitude < static_cast<long double>(std::numeric_limits<T>::min())) {
    return static_cast<long double>(std::numeric_limits<T>::denorm_min());
  }
  int exponent = 0;
  std::frexp(magnitude, &exponent);
  return std::ldexp(1.0L, exponent - std::numeric_limits<T>::digits);
}

/// |got - want| in units in the last place of T. 0 if both are NaN or the same infinity; infinite
/// if only one is. A `want` that rounds to infinity counts as infinity.
template <class T>
double ulp_error(T got, long double want) {
  if (std::isnan(want) || std::isnan(got)) {
    return std::isnan(want) && std::isnan(got) ? 0 : std::numeric_limits<double>::infinity();
  }
  if (std::isinf(static_cast<T>(want)) || std::isinf(got)) {
    if (got == static_cast<T>(want)) return 0;
    // Just below overflow either answer may be right.
    const long double largest = std::numeric_limits<T>::max();
    want = std::isinf(want) ? std::copysign(2 * largest, want) : want;
    const long double finite =
        std::isinf(got) ? std::copysign(largest + ulp_at<T>(largest), got) : got;
    return static_cast<double>(std::fabs(finite - want) / ulp_at<T>(largest));
  }
  return static_cast<double>(std::fabs(static_cast<long double>(got) - want) / ulp_at<T>(want));
}

}  // namespace lamina::test
