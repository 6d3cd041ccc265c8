#include "chart.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace lamina::tool {
namespace {

std::string labels(const std::vector<Tick>& ticks) {
  std::string text;
  for (const Tick& tick : ticks) {
    text += (text.empty() ? "" : " ") + tick.label;
    EXPECT_NEAR(tick.value, std::stod(tick.label), 1e-9 * std::abs(tick.value));
  }
  return text;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

TEST(Chart, LinearTicks) {
  EXPECT_EQ(labels(linear_ticks(0, 1, 5)), "0.0 0.2 0.4 0.6 0.8 1.0");
  EXPECT_EQ(labels(linear_ticks(0, 60, 7)), "0 10 20 30 40 50 60");
  EXPECT_EQ(labels(linear_ticks(1, 60, 7)), "10 20 30 40 50 60");
  EXPECT_EQ(labels(linear_ticks(-0.3, 0.3, 6)), "-0.3 -0.2 -0.1 0.0 0.1 0.2 0.3");
  EXPECT_EQ(labels(linear_ticks(97.31, 99.87, 5)), "97.5 98.0 98.5 99.0 99.5");
  EXPECT_EQ(labels(linear_ticks(0, 25000, 5)), "0 5000 10000 15000 20000 25000");
  EXPECT_EQ(labels(linear_ticks(0.00012, 0.00031, 4)), "0.00015 0.00020 0.00025 0.00030");
  EXPECT_TRUE(linear_ticks(1, 1, 5).empty());
  EXPECT_TRUE(linear_ticks(0, std::numeric_limits<double>::infinity(), 5).empty());
  EXPECT_TRUE(linear_ticks(std::nan(""), 1, 5).empty());
}

TEST(Chart, LogarithmicTicks) {
  EXPECT_EQ(labels(logarithmic_ticks(0.05, 2, 7)), "0.05 0.1 0.2 0.5 1 2");
  EXPECT_EQ(labels(logarithmic_ticks(0.001, 5, 7)), "0.001 0.01 0.1 1");
  EXPECT_EQ(labels(logarithmic_ticks(1e-9, 1e9, 7)), "1e-09 1e-06 0.001 1 1000 1e+06 1e+09");
  EXPECT_TRUE(logarithmic_ticks(0, 1, 7).empty());
}

TEST(Chart, DrawsEverySeries) {
  const double nan = std::nan("");
  Panel loss{.title = "Loss <a> & \"b\"", .x_label = "epoch", .logarithmic = true};
  loss.series = {{"train", {1, 2, 3, 4, 5}, {2, 1, nan, 0.1, 0.05}},
                 {"test", {1, 2, 3}, {2.1, 0, 0.3}}};
  Panel accuracy{.title = "Accuracy", .x_label = "epoch", .percent = true};
  accuracy.series = {{"train", {1}, {0.5}}};
  const std::string svg = line_chart("Title", {loss, accuracy});
  EXPECT_EQ(svg.rfind("<svg ", 0), 0U);
  EXPECT_EQ(svg.substr(svg.size() - 7), "</svg>\n");
  EXPECT_NE(svg.find("Loss &lt;a&gt; &amp; &quot;b&quot;"), std::string::npos);
  // Two pieces of train beside the gap, two single points of test, one of accuracy.
  EXPECT_EQ(count(svg, "<polyline class=\"line s0 d0\""), 2U);
  EXPECT_EQ(count(svg, "stroke-width:6"), 3U);
  EXPECT_EQ(count(svg, ">train</text>"), 2U);
  EXPECT_NE(svg.find(" %</text>"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

TEST(Chart, NothingToDrawIsStillAChart) {
  for (const Panel& panel : {Panel{}, Panel{.series = {{"a", {}, {}}}},
                             Panel{.logarithmic = true, .series = {{"a", {1}, {-1}}}},
                             Panel{.percent = true, .series = {{"a", {1, 2}, {1, 1}}}},
                             Panel{.series = {{"a", {3, 3}, {0, 0}}}}}) {
    const std::string svg = line_chart("", {panel});
    EXPECT_EQ(svg.find("nan"), std::string::npos);
    EXPECT_EQ(svg.find("inf"), std::string::npos);
    EXPECT_NE(svg.find("</svg>"), std::string::npos);
  }
}

TEST(Chart, PointsStayInside) {
  Panel panel{.x_label = "x"};
  panel.series = {{"a", {0, 1, 2}, {-5, 100, 3}}};
  const std::string svg = line_chart("", {panel});
  const std::size_t at = svg.find("points=\"") + 8;
  const std::string points = svg.substr(at, svg.find('"', at) - at);
  EXPECT_EQ(points.substr(0, 5), "62.0,");
  EXPECT_NE(points.find("442.0,"), std::string::npos);
}

}  // namespace
}  // namespace lamina::tool
