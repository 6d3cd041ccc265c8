#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lamina/core/index.hpp"

namespace lamina::tool {

struct TrainOptions {
  std::string data;  ///< the CSV file; empty: where lamina keeps it
  std::string out = "out/digits";
  std::uint64_t seed = 1;
  int epochs = 100;
  Index batch_size = 32;
  double lr = 3e-3;
  std::vector<Index> hidden = {128, 64};
  bool quiet = false;
};

struct ModelOptions {
  std::string model;
  std::string data;
  std::vector<Index> images;  ///< for predict: rows of the data set
};

// Each runs one command and returns the program's exit code. Errors are lamina::Error.
int show_info();
int train_digits(const TrainOptions& options);
int evaluate(const ModelOptions& options);
int predict(const ModelOptions& options);

/// The digits' CSV file: `wanted` if that is not empty, otherwise data/digits.csv under the folder
/// share/lamina beside the program's own, in a build tree as in an installed one. Error(IoError).
[[nodiscard]] std::string find_digits(const std::string& wanted);

}  // namespace lamina::tool
