#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ostream>
#include <string>
#include <type_traits>

#include "lamina/core/array.hpp"

namespace lamina {

namespace {

// NumPy's defaults.
constexpr int kPrecision = 8;
constexpr Index kThreshold = 1000;
constexpr Index kEdge = 3;
constexpr std::size_t kLineWidth = 75;

/// Calls visit(element) for those that will be shown.
template <class T, class F>
void visit_shown(const View<T>& x, bool summary, const F& visit) {
  if (x.rank() == 0) {
    visit(*x.data());
    return;
  }
  const Index n = x.extent(0);
  for (Index i = 0; i < n; ++i) {
    if (summary && n > 2 * kEdge && i == kEdge) {
      i = n - kEdge;
    }
    visit_shown(x.select(0, i), summary, visit);
  }
}

/// The shortest text that reads back as x, but at most kPrecision digits behind the point; no
/// zeros at the end.
template <class T>
std::string positional(T x) {
  std::array<char, 512> buffer;
  const auto convert = [&](auto... precision) {
    return std::string(
        buffer.data(),
        std::to_chars(buffer.begin(), buffer.end(), x, std::chars_format::fixed, precision...).ptr);
  };
  std::string text = convert();
  std::size_t point = text.find('.');
  if (point != std::string::npos && text.size() - point - 1 > kPrecision) {
    text = convert(kPrecision);
    point = text.find('.');
  }
  if (point == std::string::npos) {
    return text + '.';
  }
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

/// Likewise d.ddde+dd; `digits` behind the point, or the shortest.
template <class T>
std::string scientific(T x, int digits) {
  std::array<char, 64> buffer;
  const auto convert = [&](auto... precision) {
    return std::string(buffer.data(), std::to_chars(buffer.begin(), buffer.end(), x,
                                                    std::chars_format::scientific, precision...)
                                          .ptr);
  };
  std::string text = convert();
  std::size_t exponent = text.find('e');
  std::size_t point = text.find('.');
  if (point == std::string::npos) {
    text.insert(exponent++, 1, '.');
    point = exponent - 1;
  }
  const std::size_t have = exponent - point - 1;
  const int limit = digits < 0 ? kPrecision : digits;
  if (have > static_cast<std::size_t>(limit)) {
    text = convert(limit);
    if (limit == 0) {
      text.insert(text.find('e'), 1, '.');
    }
    exponent = text.find('e');
    if (digits < 0) {
      const std::size_t last = text.find_last_not_of('0', exponent - 1);
      text.erase(last + 1, exponent - last - 1);
    }
  } else if (digits > 0) {
    text.insert(exponent, static_cast<std::size_t>(digits) - have, '0');
  }
  return text;
}

/// Writes every element in one width.
template <class T>
class Format {
 public:
  Format(const View<T>& x, bool summary) {
    if constexpr (std::is_same_v<T, bool>) {
      left_ = 5;
    } else if constexpr (std::is_integral_v<T>) {
      visit_shown(x, summary,
                  [&](T value) { left_ = std::max(left_, std::to_string(value).size()); });
    } else {
      choose_float_format(x, summary);
    }
  }

  [[nodiscard]] std::string operator()(T value) const {
    if constexpr (std::is_same_v<T, bool>) {
      return value ? " True" : "False";
    } else if constexpr (std::is_integral_v<T>) {
      return pad(std::to_string(value), left_);
    } else if (!std::isfinite(value)) {
      return pad(non_finite(value), left_ + right_ + 1);
    } else if (scientific_) {
      std::string text = scientific(value, digits_);
      const std::size_t exponent = text.find('e');
      text.insert(exponent + 2, exponent_ - (text.size() - exponent), '0');
      return pad(text, left_ + text.size() - text.find('.'));
    } else {
      std::string text = positional(value);
      const std::size_t point = text.find('.');
      text.append(right_ - (text.size() - point - 1), ' ');
      return pad(text, left_ + 1 + right_);
    }
  }

  [[nodiscard]] static std::string non_finite(T value) {
    return std::isnan(value) ? "nan" : value < T{0} ? "-inf" : "inf";
  }

 private:
  static std::string pad(const std::string& text, std::size_t width) {
    return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
  }

  void choose_float_format(const View<T>& x, bool summary) {
    T largest{0};
    T smallest = std::numeric_limits<T>::infinity();
    visit_shown(x, summary, [&](T value) {
      const T magnitude = std::abs(value);
      if (std::isfinite(value) && magnitude != T{0}) {
        largest = std::max(largest, magnitude);
        smallest = std::min(smallest, magnitude);
      }
    });
    scientific_ = largest != T{0} && (largest >= T{1e8} || smallest < static_cast<T>(1e-4) ||
                                      largest / smallest > T{1000});
    std::size_t non_finite_width = 0;
    visit_shown(x, summary, [&](T value) {
      if (!std::isfinite(value)) {
        non_finite_width = std::max(non_finite_width, non_finite(value).size());
        return;
      }
      const std::string text = scientific_ ? scientific(value, -1) : positional(value);
      const std::size_t point = text.find('.');
      const std::size_t end = scientific_ ? text.find('e') : text.size();
      left_ = std::max(left_, point);
      right_ = std::max(right_, end - point - 1);
      exponent_ = std::max(exponent_, text.size() - end);
    });
    digits_ = static_cast<int>(right_);
    right_ += exponent_;
    if (non_finite_width > left_ + right_ + 1) {
      left_ = non_finite_width - right_ - 1;
    }
  }

  std::size_t left_ = 0;   // characters before the point
  std::size_t right_ = 0;  // and behind it
  std::size_t exponent_ = 0;
  int digits_ = 0;
  bool scientific_ = false;
};

template <class T>
std::string brackets(const View<T>& x, bool summary, const Format<T>& format,
                     const std::string& indent, std::size_t width) {
  const Index n = x.extent(0);
  const bool shorten = summary && n > 2 * kEdge;
  std::string text;
  std::string line = indent;
  const auto append = [&](const std::string& word) {
    if (line.size() + word.size() > width - 1 && line.size() > indent.size()) {
      text += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
      line = indent;
    }
    line += word;
  };
  for (Index i = 0; i < n; ++i) {
    if (shorten && i == kEdge) {
      i = n - kEdge;
      if (x.rank() == 1) {
        append("...");
        line += ' ';
      } else {
        text += indent + "..." + std::string(static_cast<std::size_t>(x.rank() - 1), '\n');
      }
    }
    const bool last = i == n - 1;
    if (x.rank() == 1) {
      append(format(x(i)));
      line += last ? "" : " ";
    } else {
      text += indent + brackets(x.select(0, i), summary, format, indent + ' ', width - 1);
      text.append(last ? 0 : static_cast<std::size_t>(x.rank() - 1), '\n');
    }
  }
  if (x.rank() == 1) {
    text += line;
  }
  return '[' + text.substr(indent.size()) + ']';
}

template <class T>
std::string single(T value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "True" : "False";
  } else if constexpr (std::is_integral_v<T>) {
    return std::to_string(value);
  } else {
    if (!std::isfinite(value)) {
      return Format<T>::non_finite(value);
    }
    std::array<char, 64> buffer;
    const T magnitude = std::abs(value);
    const bool exponent = magnitude != T{0} &&
                          (magnitude < static_cast<T>(1e-4) || magnitude >= static_cast<T>(1e16));
    std::string text(buffer.data(), std::to_chars(buffer.begin(), buffer.end(), value,
                                                  exponent ? std::chars_format::scientific
                                                           : std::chars_format::fixed)
                                        .ptr);
    return exponent || text.find('.') != std::string::npos ? text : text + ".0";
  }
}

}  // namespace

template <class T>
std::string to_string(const View<T>& x) {
  if (!x.defined()) {
    return "undefined";
  }
  if (x.rank() == 0) {
    return single(*x.data());
  }
  if (x.empty()) {
    return "[]";
  }
  const bool summary = x.size() > kThreshold;
  return brackets(x, summary, Format<T>(x, summary), " ", kLineWidth);
}

template <class T>
std::ostream& operator<<(std::ostream& out, const View<T>& x) {
  return out << to_string(x);
}

#define LAMINA_INSTANTIATE(T)                                      \
  template LAMINA_EXPORT std::string to_string<T>(const View<T>&); \
  template LAMINA_EXPORT std::ostream& operator<< <T>(std::ostream&, const View<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
LAMINA_INSTANTIATE(std::int64_t)
LAMINA_INSTANTIATE(std::int32_t)
LAMINA_INSTANTIATE(std::uint8_t)
LAMINA_INSTANTIATE(bool)

}  // namespace lamina
