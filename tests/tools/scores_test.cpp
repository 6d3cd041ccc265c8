#include "scores.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "lamina/core/error.hpp"

namespace lamina::tool {
namespace {

TEST(Scores, MatrixAndScores) {
  const Array<std::int64_t> labels{0, 0, 0, 1, 1, 3};
  const Array<std::int64_t> predictions{0, 0, 1, 1, 1, 0};
  const Array<std::int64_t> matrix = confusion_matrix(labels, predictions, 4);
  EXPECT_EQ(matrix, (Array<std::int64_t>{{2, 1, 0, 0}, {0, 2, 0, 0}, {0, 0, 0, 0}, {1, 0, 0, 0}}));
  const std::vector<ClassScore> scores = class_scores(matrix);
  EXPECT_EQ(scores[0].count, 3);
  EXPECT_DOUBLE_EQ(scores[0].precision, 2.0 / 3);
  EXPECT_DOUBLE_EQ(scores[0].recall, 2.0 / 3);
  EXPECT_DOUBLE_EQ(scores[1].precision, 2.0 / 3);
  EXPECT_DOUBLE_EQ(scores[1].recall, 1);
  EXPECT_TRUE(std::isnan(scores[2].precision));
  EXPECT_TRUE(std::isnan(scores[2].recall));
  EXPECT_DOUBLE_EQ(scores[3].recall, 0);
  EXPECT_EQ(scores_text(matrix),
            "true  taken for\n"
            "        0   1   2   3   images  precision   recall\n"
            "    0   2   1   .   .        3     66.7 %   66.7 %\n"
            "    1   .   2   .   .        2     66.7 %  100.0 %\n"
            "    2   .   .   0   .        0          -        -\n"
            "    3   1   .   .   0        1          -    0.0 %\n");
  EXPECT_THROW((void)confusion_matrix(labels, predictions, 3), Error);
  EXPECT_THROW((void)confusion_matrix(labels, Array<std::int64_t>{1}, 4), Error);
}

}  // namespace
}  // namespace lamina::tool
