#pragma once

#include <cstdint>

#include "lamina/core/array.hpp"

namespace lamina::data {

/// Examples and their classes. T is float or double.
template <class T>
struct Dataset {
  Array<T> features;           ///< (N, ...), one example a position of axis 0
  Array<std::int64_t> labels;  ///< (N,)

  /// Number of examples. Error(DimensionMismatch) if features and labels differ in it.
  [[nodiscard]] Index size() const;
  /// Highest label plus one; 0 without examples. Error(IndexOutOfBounds) for a negative label.
  [[nodiscard]] Index classes() const;
  /// The examples at `positions`, in that order. Error(IndexOutOfBounds).
  [[nodiscard]] Dataset take(const View<std::int64_t>& positions) const;
};

template <class T>
struct Split {
  Dataset<T> train;
  Dataset<T> test;
};

/// Divides a data set so that each class gives the same share of its examples to the test set.
///
/// Of a class with n examples, test_fraction * n, rounded to the nearest number, are drawn without
/// replacement; the same seed draws the same on every machine. Both parts keep the order of the
/// data set. Error(InvalidOperation) unless 0 <= test_fraction <= 1, Error(DimensionMismatch).
/// scikit-learn: train_test_split(stratify=labels, shuffle=True).
template <class T>
[[nodiscard]] Split<T> train_test_split(const Dataset<T>& dataset, double test_fraction,
                                        std::uint64_t seed);

extern template struct LAMINA_EXPORT Dataset<float>;
extern template struct LAMINA_EXPORT Dataset<double>;

}  // namespace lamina::data
