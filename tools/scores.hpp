#pragma once

#include <string>
#include <vector>

#include "lamina/core/array.hpp"

namespace lamina::tool {

/// How often class i was taken for class j: a matrix (classes, classes).
[[nodiscard]] Array<std::int64_t> confusion_matrix(const View<std::int64_t>& labels,
                                                   const View<std::int64_t>& predictions,
                                                   Index classes);

struct ClassScore {
  Index count = 0;       ///< examples of the class
  double precision = 0;  ///< share of those taken for it that are it; NaN if there are none
  double recall = 0;     ///< share of its examples that were found; NaN if there are none
};
[[nodiscard]] std::vector<ClassScore> class_scores(const View<std::int64_t>& confusion);

/// Matrix and scores as a table: a row for each true class.
[[nodiscard]] std::string scores_text(const View<std::int64_t>& confusion);

}  // namespace lamina::tool
