#pragma once

#include <string>
#include <vector>

#include "lamina/core/random.hpp"
#include "lamina/data/dataset.hpp"
#include "lamina/io/safetensors.hpp"
#include "lamina/layers/sequential.hpp"

namespace lamina::tool {

/// A perceptron with ReLU between its layers, from the pixels of a digit to one score a class.
struct DigitsModel {
  std::vector<Index> widths;  ///< of all layers: pixels, hidden ..., classes
  layers::Sequential<float> net;
};

/// With random weights.
[[nodiscard]] DigitsModel make_digits_model(const std::vector<Index>& hidden, Generator& generator);
/// "64-128-64-10".
[[nodiscard]] std::string widths_text(const std::vector<Index>& widths);

/// Writes weights and what it takes to use them. `notes` goes into the metadata.
void save_digits_model(const std::string& path, const DigitsModel& model,
                       const io::Metadata& notes);
/// Error(ParseError) if the file is none of save_digits_model(), Error(IoError).
[[nodiscard]] DigitsModel load_digits_model(const std::string& path);

/// The digits, divided: always the same fifth of them is kept for tests, whatever the seed of a
/// training run, so that all results can be compared.
[[nodiscard]] data::Split<float> split_digits(const std::string& path);

/// What a model makes of a data set.
struct Evaluation {
  double loss = 0;                  ///< mean cross entropy
  double accuracy = 0;              ///< share that is right
  Array<float> logits;              ///< (N, classes)
  Array<std::int64_t> predictions;  ///< (N,)
};
[[nodiscard]] Evaluation evaluate_model(DigitsModel& model, const data::Dataset<float>& dataset);

}  // namespace lamina::tool
