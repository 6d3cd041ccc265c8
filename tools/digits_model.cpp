#include "digits_model.hpp"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "lamina/data/digits.hpp"
#include "lamina/layers/activation.hpp"
#include "lamina/layers/linear.hpp"
#include "lamina/nn/loss_classification.hpp"
#include "lamina/nn/reduction.hpp"

namespace lamina::tool {

namespace {

constexpr std::string_view kKind = "lamina digits perceptron 1";
constexpr Index kWidest = 8192;
constexpr double kTestFraction = 0.2;
constexpr std::uint64_t kSplitSeed = 0;

DigitsModel make_model(std::vector<Index> widths, Generator& generator) {
  DigitsModel model{std::move(widths), {}};
  for (std::size_t i = 0; i + 1 < model.widths.size(); ++i) {
    if (i > 0) {
      model.net.append(layers::ReLU<float>());
    }
    model.net.append(layers::Linear<float>(model.widths[i], model.widths[i + 1], generator,
                                           {.init = layers::WeightInit::KaimingNormal}));
  }
  return model;
}

/// The widths that widths_text() wrote; empty if it is none of its texts.
std::vector<Index> parse_widths(std::string_view text) {
  std::vector<Index> widths;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    Index width = 0;
    const auto [next, code] = std::from_chars(at, end, width);
    if (code != std::errc() || width < 1 || width > kWidest || (next != end && *next != '-')) {
      return {};
    }
    widths.push_back(width);
    at = next == end ? end : next + 1;
  }
  return widths;
}

}  // namespace

DigitsModel make_digits_model(const std::vector<Index>& hidden, Generator& generator) {
  std::vector<Index> widths{data::kDigitsSide * data::kDigitsSide};
  widths.insert(widths.end(), hidden.begin(), hidden.end());
  widths.push_back(data::kDigitsClasses);
  return make_model(std::move(widths), generator);
}

std::string widths_text(const std::vector<Index>& widths) {
  return fmt::format("{}", fmt::join(widths, "-"));
}

void save_digits_model(const std::string& path, const DigitsModel& model,
                       const io::Metadata& notes) {
  io::Metadata metadata = notes;
  metadata["model"] = kKind;
  metadata["widths"] = widths_text(model.widths);
  const layers::StateDict<float> state = model.net.state_dict();
  std::vector<io::NamedView> arrays;
  for (const auto& [name, array] : state) {
    arrays.push_back({name, array.view()});
  }
  io::save_safetensors(path, arrays, metadata);
}

DigitsModel load_digits_model(const std::string& path) {
  const io::SafetensorsFile file = io::load_safetensors(path);
  const auto is_ours = [&](const std::string& key) {
    const auto found = file.metadata.find(key);
    return found == file.metadata.end() ? std::string() : found->second;
  };
  check(is_ours("model") == kKind, ErrorKind::ParseError, "lamina", path,
        ": is no model of `lamina train digits`");
  std::vector<Index> widths = parse_widths(is_ours("widths"));
  check(widths.size() >= 2 && widths.front() == data::kDigitsSide * data::kDigitsSide &&
            widths.back() == data::kDigitsClasses,
        ErrorKind::ParseError, "lamina", path, ": the widths \"", is_ours("widths"),
        "\" are those of no network for digits");
  Generator unused;
  DigitsModel model = make_model(std::move(widths), unused);
  layers::StateDict<float> state;
  for (const io::NamedArray& entry : file.arrays) {
    state.emplace(entry.name, file.arrays.get<float>(entry.name));
  }
  model.net.load_state_dict(state);
  return model;
}

data::Split<float> split_digits(const std::string& path) {
  data::Split<float> split =
      data::train_test_split(data::load_digits<float>(path), kTestFraction, kSplitSeed);
  check(split.train.size() > 0 && split.test.size() > 0, ErrorKind::InvalidOperation, "lamina",
        path, ": too few images to train on four fifths and test on the last");
  return split;
}

Evaluation evaluate_model(DigitsModel& model, const data::Dataset<float>& dataset) {
  const NoGrad no_grad;
  model.net.eval();
  Evaluation result;
  result.logits = model.net(dataset.features).value();
  model.net.train();
  result.loss = static_cast<double>(nn::cross_entropy(dataset.labels, result.logits).item());
  result.predictions = nn::argmax(result.logits, {.axes = {1}});
  Index right = 0;
  for (Index i = 0; i < dataset.size(); ++i) {
    right += result.predictions(i) == dataset.labels(i) ? 1 : 0;
  }
  result.accuracy = static_cast<double>(right) / static_cast<double>(dataset.size());
  return result;
}

}  // namespace lamina::tool
