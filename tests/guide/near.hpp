#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

#include "lamina/core/array.hpp"

namespace lamina::guide {

/// The worked values of the guide's inputs have ten decimals: half a unit of the last one, and a
/// little for the rounding of the operation itself.
inline constexpr double kTenDecimals = 6e-11;

/// `got` has this shape and, in row-major order, these values.
template <class T>
void expect_near(const Array<T>& got, const Shape& shape, const std::vector<double>& expected,
                 double tolerance = kTenDecimals) {
  ASSERT_EQ(got.shape(), shape);
  const std::vector<T> values = got.to_vector();
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(values[i]), expected[i], tolerance) << "at " << i;
  }
}

}  // namespace lamina::guide
