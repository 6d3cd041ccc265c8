// ONNX's own tests of single operations, run on ours: each folder has a model of one node, inputs
// and the outputs expected. docs/onnx-node-tests.md has the table.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "lamina/core/error.hpp"
#include "lamina/core/simd.hpp"
#include "onnx/exceptions.hpp"
#include "onnx/onnx_file.hpp"
#include "onnx/operations.hpp"

namespace lamina::onnx_test {
namespace {

namespace fs = std::filesystem;

// The expected numbers are float and were mostly computed in float by NumPy, whose sums are off by
// some roundings (6e-8) themselves.
constexpr double kTolerance = 1e-6;

const Operation* find_operation(std::string_view onnx) {
  for (const Operation& row : operations()) {
    if (row.onnx == onnx) {
      return &row;
    }
  }
  return nullptr;
}

const Exception* find_exception(std::string_view folder) {
  for (const Exception& exception : kExceptions) {
    if (exception.folder == folder) {
      return &exception;
    }
  }
  return nullptr;
}

bool same(double got, double wanted, double scale) {
  if (std::isnan(wanted) || std::isinf(wanted)) {
    return std::isnan(wanted) ? std::isnan(got) : got == wanted;
  }
  return std::abs(got - wanted) <= kTolerance * scale;
}

/// What is wrong with one output; empty if nothing is.
std::string difference(const Result& got, const Tensor& wanted, Measure measure) {
  std::ostringstream text;
  if (!(got.shape == wanted.shape)) {
    text << "shape " << got.shape << ", expected " << wanted.shape;
    return text.str();
  }
  double largest = 0;
  for (const double value : wanted.values) {
    largest = std::isfinite(value) ? std::max(largest, std::abs(value)) : largest;
  }
  for (std::size_t i = 0; i < wanted.values.size(); ++i) {
    const double value = wanted.values[i];
    const double scale = measure == Measure::Largest   ? largest
                         : measure == Measure::Element ? std::abs(value)
                                                       : 0.0;
    // What double keeps of the inputs' numbers, a file of floats rounds: half an ULP.
    const double rounded = wanted.type == ElementType::Float
                               ? static_cast<double>(static_cast<float>(got.values[i]))
                               : got.values[i];
    if (!same(rounded, value, scale)) {
      text << std::setprecision(9) << "element " << i << " is " << got.values[i] << ", expected "
           << value;
      return text.str();
    }
  }
  return {};
}

/// The tensors of a folder by the names that the node knows them by.
std::map<std::string, Tensor> read_tensors(const fs::path& folder, const std::string& prefix,
                                           const std::vector<std::string>& names) {
  std::map<std::string, Tensor> tensors;
  for (std::size_t i = 0; i < names.size(); ++i) {
    tensors[names[i]] = parse_tensor(read_bytes(folder / (prefix + std::to_string(i) + ".pb")));
  }
  return tensors;
}

/// In float and double on every SIMD target.
void expect_outputs(const Call& call, const Operation& operation) {
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    for (const bool doubles : {false, true}) {
      SCOPED_TRACE(std::string(simd::to_string(target)) + (doubles ? " double" : " float"));
      const Results results = doubles ? operation.run_double(call) : operation.run_float(call);
      ASSERT_GE(results.size(), call.expected.size());
      for (std::size_t i = 0; i < call.expected.size(); ++i) {
        EXPECT_EQ(difference(results[i], *call.expected[i], operation.measure), "")
            << "output " << i;
      }
    }
  }
}

void run_folder(const fs::path& folder, const Model& model, const Operation& operation) {
  const Node& node = model.nodes[0];
  int data_sets = 0;
  for (const fs::directory_entry& data : fs::directory_iterator(folder)) {
    if (!data.is_directory()) {
      continue;
    }
    ++data_sets;
    const std::map<std::string, Tensor> inputs = read_tensors(data, "input_", model.inputs);
    const std::map<std::string, Tensor> outputs = read_tensors(data, "output_", model.outputs);
    Call call{node, {}, {}};
    for (const std::string& name : node.inputs) {
      call.inputs.push_back(name.empty() ? nullptr : &inputs.at(name));
    }
    for (const std::string& name : node.outputs) {
      if (!name.empty()) {  // left out
        call.expected.push_back(&outputs.at(name));
      }
    }
    expect_outputs(call, operation);
  }
  EXPECT_GT(data_sets, 0);
}

TEST(OnnxNodeTests, FoldersOfOurOperationsPass) {
  const fs::path root = LAMINA_ONNX_NODE_TESTS;
  if (!fs::is_directory(root)) {
    const std::string message = "no folder " + root.string() +
                                ": install libonnx-testdata (scripts/install-deps.sh --tests), or "
                                "set LAMINA_ONNX_NODE_TESTS in CMake";
    if (std::getenv("CI") != nullptr) {
      FAIL() << message;
    }
    GTEST_SKIP() << message;
  }
  std::vector<fs::path> folders;
  for (const fs::directory_entry& entry : fs::directory_iterator(root)) {
    if (fs::exists(entry.path() / "model.onnx")) {
      folders.push_back(entry.path());
    }
  }
  std::sort(folders.begin(), folders.end());

  std::map<std::string_view, std::pair<int, int>> counts;  // run and not run of each operation
  int run = 0;
  int excepted = 0;
  for (const fs::path& folder : folders) {
    const std::string name = folder.filename().string();
    SCOPED_TRACE(name);
    const Model model = parse_model(read_bytes(folder / "model.onnx"));
    const Operation* operation =
        model.nodes.size() == 1 ? find_operation(model.nodes[0].operation) : nullptr;
    const Exception* exception = find_exception(name);
    if (operation == nullptr) {
      EXPECT_EQ(exception, nullptr) << "an exception for an operation that is not ours";
      continue;
    }
    if (exception != nullptr) {
      ++excepted;
      ++counts[operation->onnx].second;
      continue;
    }
    ++run;
    ++counts[operation->onnx].first;
    try {
      run_folder(folder, model, *operation);
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
  for (const Operation& row : operations()) {
    const std::pair<int, int> count = counts[row.onnx];
    std::cout << "| " << row.onnx << " | " << row.function << " | " << count.first << " | "
              << count.second << " |\n";
  }
  simd::reset();
  std::cout << folders.size() << " folders: " << run << " run, " << excepted
            << " of our operations not run, the others have no operation of ours or many nodes\n";
  EXPECT_GT(run, 250);
}

TEST(OnnxNodeTests, NothingIsListedTwice) {
  std::set<std::string_view> names;
  for (const Operation& row : operations()) {
    EXPECT_TRUE(names.insert(row.onnx).second) << row.onnx;
  }
  for (const Exception& exception : kExceptions) {
    EXPECT_TRUE(names.insert(exception.folder).second) << exception.folder;
    EXPECT_FALSE(exception.reason.empty()) << exception.folder;
  }
}

}  // namespace
}  // namespace lamina::onnx_test
