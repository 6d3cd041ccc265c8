#include "chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>

namespace lamina::tool {

namespace {

// Sizes in SVG units, which viewers show as pixels.
constexpr double kPanelWidth = 460;
constexpr double kPanelHeight = 340;
constexpr double kTitleHeight = 44;
constexpr double kLeft = 62;
constexpr double kRight = 18;
constexpr double kTop = 56;
constexpr double kBottom = 48;

// Blue and orange keep apart for color-blind eyes, on light ground and on dark; lines beyond the
// second also differ in their dashes.
constexpr std::string_view kStyle = R"(
  .ground { fill: #ffffff }
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 16px; font-weight: 600 }
  .panel { font-size: 13px; font-weight: 600 }
  .grid { stroke: #d8dee4; stroke-width: 1 }
  .axis { stroke: #57606a; stroke-width: 1 }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round }
  .s0 { stroke: #0969da } .s1 { stroke: #d1570a } .s2 { stroke: #2c974b } .s3 { stroke: #8250df }
  .d2 { stroke-dasharray: 6 4 } .d3 { stroke-dasharray: 2 4 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 }
    text { fill: #e6edf3 }
    .grid { stroke: #30363d }
    .axis { stroke: #8b949e }
    .s0 { stroke: #58a6ff } .s1 { stroke: #f0883e } .s2 { stroke: #56d364 } .s3 { stroke: #bc8cff }
  }
)";

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

/// Maps values of an axis to positions.
struct Axis {
  double low = 0;
  double high = 1;
  bool logarithmic = false;
  double from = 0;
  double to = 1;

  [[nodiscard]] bool shows(double value) const {
    return std::isfinite(value) && (!logarithmic || value > 0);
  }
  [[nodiscard]] double at(double value) const {
    const auto scale = [&](double v) { return logarithmic ? std::log10(v) : v; };
    const double share = (scale(value) - scale(low)) / (scale(high) - scale(low));
    return from + share * (to - from);
  }
};

/// The least and the greatest value shown; lowest > highest if there is none.
std::pair<double, double> extremes(const Panel& panel, std::vector<double> Series::*values) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const Series& series : panel.series) {
    const std::size_t count = std::min(series.x.size(), series.y.size());
    for (std::size_t i = 0; i < count; ++i) {
      const bool shown = std::isfinite(series.x[i]) && std::isfinite(series.y[i]) &&
                         (!panel.logarithmic || series.y[i] > 0);
      if (shown) {
        low = std::min(low, (series.*values)[i]);
        high = std::max(high, (series.*values)[i]);
      }
    }
  }
  return {low, high};
}

Axis horizontal_axis(const Panel& panel, double from, double to) {
  auto [low, high] = extremes(panel, &Series::x);
  if (low > high) {
    low = 0;
    high = 1;
  }
  if (low == high) {
    low -= 1;
    high += 1;
  }
  return {low, high, false, from, to};
}

Axis vertical_axis(const Panel& panel, double from, double to) {
  auto [low, high] = extremes(panel, &Series::y);
  if (low > high) {
    low = panel.logarithmic ? 0.1 : 0;
    high = 1;
  }
  if (panel.logarithmic) {
    const double decade = std::pow(10.0, std::floor(std::log10(low)));
    for (const double step : {5.0, 2.0, 1.0}) {
      if (step * decade <= low || step == 1.0) {
        low = step * decade;
        break;
      }
    }
    high = std::max(high * 1.1, low * 2);
  } else {
    const double margin = high > low ? (high - low) * 0.05 : std::max(std::abs(high), 1.0) * 0.05;
    const double top = panel.percent ? 1.0 : high + margin;
    low = low >= 0 && low < high * 0.2 ? 0 : low - margin;
    high = std::max(high, top);
  }
  return {low, high, panel.logarithmic, from, to};
}

void draw_series(std::string& svg, const Series& series, std::size_t number, const Axis& x,
                 const Axis& y) {
  const std::string style = fmt::format("line s{} d{}", number % 4, number % 4);
  std::string points;
  int count = 0;
  const auto finish = [&] {
    if (count == 1) {  // a line of one point would not be seen
      svg += fmt::format("  <path class=\"{}\" style=\"stroke-width:6\" d=\"M{}h0\"/>\n", style,
                         points);
    } else if (count > 1) {
      svg += fmt::format("  <polyline class=\"{}\" points=\"{}\"/>\n", style, points);
    }
    points.clear();
    count = 0;
  };
  for (std::size_t i = 0; i < std::min(series.x.size(), series.y.size()); ++i) {
    if (!x.shows(series.x[i]) || !y.shows(series.y[i])) {
      finish();
      continue;
    }
    points +=
        fmt::format("{}{:.1f},{:.1f}", count == 0 ? "" : " ", x.at(series.x[i]), y.at(series.y[i]));
    ++count;
  }
  finish();
}

void draw_panel(std::string& svg, const Panel& panel, double left) {
  const double x0 = left + kLeft;
  const double x1 = left + kPanelWidth - kRight;
  const double y0 = kTitleHeight + kPanelHeight - kBottom;
  const double y1 = kTitleHeight + kTop;
  const Axis x = horizontal_axis(panel, x0, x1);
  const Axis y = vertical_axis(panel, y0, y1);

  std::vector<Tick> y_ticks;
  if (panel.percent) {
    for (const Tick& tick : linear_ticks(y.low * 100, y.high * 100, 6)) {
      y_ticks.push_back({tick.value / 100, tick.label + " %"});
    }
  } else {
    y_ticks = y.logarithmic ? logarithmic_ticks(y.low, y.high, 7) : linear_ticks(y.low, y.high, 6);
  }
  for (const Tick& tick : y_ticks) {
    const double at = y.at(tick.value);
    svg += fmt::format(
        "  <line class=\"grid\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n"
        "  <text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n",
        x0, at, x1, at, x0 - 8, at + 4, tick.label);
  }
  for (const Tick& tick : linear_ticks(x.low, x.high, 7)) {
    const double at = x.at(tick.value);
    svg += fmt::format(
        "  <line class=\"axis\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n"
        "  <text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n",
        at, y0, at, y0 + 5, at, y0 + 19, tick.label);
  }
  svg += fmt::format("  <path class=\"axis\" fill=\"none\" d=\"M{:.1f},{:.1f}V{:.1f}H{:.1f}\"/>\n",
                     x0, y1, y0, x1);
  svg += fmt::format("  <text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n",
                     (x0 + x1) / 2, y0 + 38, escaped(panel.x_label));
  svg += fmt::format("  <text class=\"panel\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", x0,
                     kTitleHeight + 16, escaped(panel.title));

  // The legend stands above the plot, where no line can cross it.
  double at = x0;
  for (std::size_t i = 0; i < panel.series.size(); ++i) {
    const std::string& name = panel.series[i].name;
    const double line_y = kTitleHeight + 36;
    svg += fmt::format(
        "  <path class=\"line s{0} d{0}\" d=\"M{1:.1f},{2:.1f}h22\"/>\n"
        "  <text x=\"{3:.1f}\" y=\"{4:.1f}\">{5}</text>\n",
        i % 4, at, line_y, at + 28, line_y + 4, escaped(name));
    at += 28 + 7.5 * static_cast<double>(name.size()) + 18;
  }
  for (std::size_t i = 0; i < panel.series.size(); ++i) {
    draw_series(svg, panel.series[i], i, x, y);
  }
}

}  // namespace

std::vector<Tick> linear_ticks(double low, double high, int most) {
  const double span = high - low;
  if (!(span > 0) || !std::isfinite(span) || most < 1) {
    return {};
  }
  // The smallest step that is not too small.
  double step = 0;
  double first = 0;
  double last = 0;
  for (int i = 0; step == 0 || last - first > most; ++i) {
    constexpr std::array<double, 3> kFactors{1, 2, 5};
    const int exponent = static_cast<int>(std::floor(std::log10(span / most))) - 1 + i / 3;
    step = kFactors[static_cast<std::size_t>(i % 3)] * std::pow(10.0, exponent);
    first = std::ceil(low / step - 1e-9);
    last = std::floor(high / step + 1e-9);
  }
  const int decimals = std::max(0, -static_cast<int>(std::floor(std::log10(step) + 1e-9)));
  std::vector<Tick> ticks;
  for (double k = first; k <= last; k += 1) {
    const double value = k * step + 0.0;  // no -0
    ticks.push_back({value, fmt::format("{:.{}f}", value, decimals)});
  }
  return ticks;
}

std::vector<Tick> logarithmic_ticks(double low, double high, int most) {
  if (!(low > 0) || !(high > low) || !std::isfinite(high) || most < 1) {
    return {};
  }
  const auto collect = [&](const std::vector<double>& factors, int stride) {
    std::vector<Tick> ticks;
    const int first = static_cast<int>(std::floor(std::log10(low)));
    const int last = static_cast<int>(std::ceil(std::log10(high)));
    for (int exponent = first; exponent <= last; ++exponent) {
      for (const double factor : factors) {
        const double value = factor * std::pow(10.0, exponent);
        if (exponent % stride == 0 && value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) {
          ticks.push_back({value, fmt::format("{:g}", value)});
        }
      }
    }
    return ticks;
  };
  std::vector<Tick> ticks = collect({1, 2, 5}, 1);
  for (int stride = 1; static_cast<int>(ticks.size()) > most + 1; ++stride) {
    ticks = collect({1}, stride);
  }
  return ticks;
}

std::string line_chart(const std::string& title, const std::vector<Panel>& panels) {
  const double width = kPanelWidth * static_cast<double>(panels.size());
  const double height = kTitleHeight + kPanelHeight;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
      "viewBox=\"0 0 {0} {1}\" role=\"img\">\n  <title>{2}</title>\n  <style>{3}  </style>\n"
      "  <rect class=\"ground\" width=\"{0}\" height=\"{1}\"/>\n"
      "  <text class=\"title\" x=\"{4}\" y=\"30\">{2}</text>\n",
      width, height, escaped(title), kStyle, kLeft);
  for (std::size_t i = 0; i < panels.size(); ++i) {
    draw_panel(svg, panels[i], kPanelWidth * static_cast<double>(i));
  }
  return svg + "</svg>\n";
}

}  // namespace lamina::tool
