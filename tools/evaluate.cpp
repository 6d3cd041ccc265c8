#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "commands.hpp"
#include "digits_model.hpp"
#include "lamina/data/digits.hpp"
#include "lamina/nn/softmax.hpp"
#include "scores.hpp"

namespace lamina::tool {

namespace {

constexpr Index kShownUnlessTold = 5;
constexpr std::string_view kShades = " .:-=+*#%@";

/// One line of an image in characters, darker ones for higher values.
std::string image_line(const View<float>& pixels, Index row) {
  std::string line;
  for (Index x = 0; x < data::kDigitsSide; ++x) {
    const float value = pixels(row * data::kDigitsSide + x);
    const auto shade =
        static_cast<std::size_t>(std::lround(value * static_cast<float>(kShades.size() - 1)));
    // Characters are twice as high as wide.
    line += std::string(2, kShades[std::min(shade, kShades.size() - 1)]);
  }
  return line;
}

/// The three likeliest digits, one a line.
std::vector<std::string> guesses(const View<float>& probabilities) {
  std::vector<Index> order(static_cast<std::size_t>(probabilities.size()));
  std::iota(order.begin(), order.end(), Index{0});
  std::sort(order.begin(), order.end(), [&](Index a, Index b) {
    return probabilities(a) != probabilities(b) ? probabilities(a) > probabilities(b) : a < b;
  });
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < 3; ++i) {
    lines.push_back(fmt::format("{}  {:5.1f} %", order[i], 100 * probabilities(order[i])));
  }
  return lines;
}

}  // namespace

int evaluate(const ModelOptions& options) {
  DigitsModel model = load_digits_model(options.model);
  const data::Dataset<float> test = split_digits(find_digits(options.data)).test;
  const Evaluation result = evaluate_model(model, test);
  const Array<std::int64_t> confusion =
      confusion_matrix(test.labels, result.predictions, data::kDigitsClasses);
  Index right = 0;
  for (Index i = 0; i < data::kDigitsClasses; ++i) {
    right += confusion(i, i);
  }
  fmt::print("perceptron {}: test accuracy {:.2f} % ({} of {} images), loss {:.4f}\n\n",
             widths_text(model.widths), 100 * result.accuracy, right, test.size(), result.loss);
  fmt::print("{}", scores_text(confusion));
  return 0;
}

int predict(const ModelOptions& options) {
  DigitsModel model = load_digits_model(options.model);
  const std::string path = find_digits(options.data);
  data::Dataset<float> images;
  std::vector<Index> numbers = options.images;
  if (numbers.empty()) {
    images = split_digits(path).test;
    numbers.resize(static_cast<std::size_t>(std::min(kShownUnlessTold, images.size())));
    std::iota(numbers.begin(), numbers.end(), Index{0});
  } else {
    images = data::load_digits<float>(path);
  }
  images = images.take(View<std::int64_t>(numbers));
  const Evaluation result = evaluate_model(model, images);
  const Array<float> probabilities = nn::softmax(result.logits);
  for (Index i = 0; i < images.size(); ++i) {
    const std::vector<std::string> lines = guesses(probabilities.row(i));
    fmt::print("image {}, a {}{}\n", numbers[static_cast<std::size_t>(i)], images.labels(i),
               result.predictions(i) == images.labels(i) ? "" : ": taken for another");
    for (Index y = 0; y < data::kDigitsSide; ++y) {
      const auto row = static_cast<std::size_t>(y);
      fmt::print("  {}  {}\n", image_line(images.features.row(i), y),
                 row < lines.size() ? lines[row] : "");
    }
  }
  return 0;
}

}  // namespace lamina::tool
