#pragma once

#include <string>
#include <utility>
#include <vector>

namespace lamina::tool {

/// One line of a panel: points from left to right. Points that are not finite leave a gap.
struct Series {
  std::string name;
  std::vector<double> x;
  std::vector<double> y;
};

/// One pair of axes.
struct Panel {
  std::string title = {};
  std::string x_label = {};
  bool logarithmic = false;  ///< y in powers of ten; values of 0 and less leave a gap
  bool percent = false;      ///< y is a share of 1, shown in percent
  std::vector<Series> series = {};
};

/// A line chart as an SVG file, its panels side by side. Light or dark as the viewer is.
[[nodiscard]] std::string line_chart(const std::string& title, const std::vector<Panel>& panels);

/// Where an axis over [low, high] has marks, and what stands beside them.
struct Tick {
  double value;
  std::string label;
};
/// Multiples of 1, 2 or 5 times a power of ten, at most `most` + 1 of them.
[[nodiscard]] std::vector<Tick> linear_ticks(double low, double high, int most);
/// 1, 2 and 5 times powers of ten, or powers of ten only where that is too many.
[[nodiscard]] std::vector<Tick> logarithmic_ticks(double low, double high, int most);

}  // namespace lamina::tool
