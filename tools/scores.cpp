#include "scores.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace lamina::tool {

namespace {

double share(Index part, Index whole) {
  return whole == 0 ? std::numeric_limits<double>::quiet_NaN()
                    : static_cast<double>(part) / static_cast<double>(whole);
}

std::string percent_text(double value) {
  return std::isnan(value) ? "-" : fmt::format("{:.1f} %", 100 * value);
}

}  // namespace

Array<std::int64_t> confusion_matrix(const View<std::int64_t>& labels,
                                     const View<std::int64_t>& predictions, Index classes) {
  check(labels.rank() == 1 && labels.shape() == predictions.shape(), ErrorKind::DimensionMismatch,
        "confusion_matrix", "labels ", labels.shape(), ", predictions ", predictions.shape());
  Array<std::int64_t> matrix = Array<std::int64_t>::zeros({classes, classes});
  for (Index i = 0; i < labels.size(); ++i) {
    for (const std::int64_t value : {labels(i), predictions(i)}) {
      check(value >= 0 && value < classes, ErrorKind::IndexOutOfBounds, "confusion_matrix",
            "class ", value, " of ", classes);
    }
    ++matrix(labels(i), predictions(i));
  }
  return matrix;
}

std::vector<ClassScore> class_scores(const View<std::int64_t>& confusion) {
  const Index classes = confusion.rows();
  std::vector<ClassScore> scores;
  for (Index i = 0; i < classes; ++i) {
    Index is = 0;
    Index taken = 0;
    for (Index j = 0; j < classes; ++j) {
      is += confusion(i, j);
      taken += confusion(j, i);
    }
    scores.push_back({is, share(confusion(i, i), taken), share(confusion(i, i), is)});
  }
  return scores;
}

std::string scores_text(const View<std::int64_t>& confusion) {
  const Index classes = confusion.rows();
  std::size_t width = 4;
  for (const std::int64_t value : confusion) {
    width = std::max(width, fmt::formatted_size("{}", value) + 2);
  }
  std::string text = "true  taken for\n     ";
  for (Index j = 0; j < classes; ++j) {
    text += fmt::format("{:>{}}", j, width);
  }
  text += "   images  precision   recall\n";
  const std::vector<ClassScore> scores = class_scores(confusion);
  for (Index i = 0; i < classes; ++i) {
    text += fmt::format("{:>5}", i);
    for (Index j = 0; j < classes; ++j) {
      // Zeros off the diagonal are most of the matrix; without them the errors show.
      const std::int64_t value = confusion(i, j);
      text += i != j && value == 0 ? fmt::format("{:>{}}", ".", width)
                                   : fmt::format("{:>{}}", value, width);
    }
    const ClassScore& score = scores[static_cast<std::size_t>(i)];
    text += fmt::format("   {:>6}  {:>9}  {:>7}\n", score.count, percent_text(score.precision),
                        percent_text(score.recall));
  }
  return text;
}

}  // namespace lamina::tool
