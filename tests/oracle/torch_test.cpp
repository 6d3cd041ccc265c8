// Results and gradients against those of PyTorch in float64 (torch.npz, by generate_torch.py). The
// operations run on the tape, so that each case checks the forward pass, the gradient functions and
// the tape at once; the float versions are held to the same numbers at float's precision.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <string>

#include "lamina/autograd/ops_activation.hpp"
#include "lamina/autograd/ops_conv.hpp"
#include "lamina/autograd/ops_linear.hpp"
#include "lamina/autograd/ops_loss.hpp"
#include "lamina/autograd/ops_reduction.hpp"
#include "lamina/autograd/ops_softmax.hpp"
#include "lamina/io/npz.hpp"

namespace lamina {
namespace {

template <class T>
using Inputs = std::vector<Var<T>>;
template <class T>
using Case = std::function<Var<T>(const Inputs<T>&)>;

const Array<std::int64_t> kLabels{0, 3, 2, 2, 1, 0};

const io::NamedArrays& oracle() {
  static const io::NamedArrays arrays = io::load_npz(LAMINA_TEST_ORACLE);
  return arrays;
}

template <class T>
void add_activations(std::map<std::string, Case<T>>& cases) {
  const std::map<std::string, nn::ActivationParams> parameters{
      {"leaky_relu", {0.2}},     {"elu", {1.5}},
      {"celu", {0.7}},           {"softplus", {1.5, 18.0}},
      {"hardtanh", {-1.5, 2.5}}, {"threshold", {0.3, -2.0}},
      {"hardshrink", {0.6}},     {"softshrink", {0.6}},
  };
  for (const nn::ActivationRow& row : nn::kActivationTable) {
    const std::string name(row.name);
    // Only what PyTorch has; the file says which.
    if (oracle().find(std::string("activation/").append(name).append("/y")) == nullptr) continue;
    const auto given = parameters.find(name);
    const nn::ActivationParams params =
        given == parameters.end() ? nn::ActivationParams{} : given->second;
    cases[std::string("activation/").append(name)] = [kind = row.kind,
                                                      params](const Inputs<T>& in) {
      return autograd::activation(in[0], kind, params);
    };
  }
}

template <class T>
void add_losses(std::map<std::string, Case<T>>& cases) {
  for (const ReductionMode mode : {ReductionMode::None, ReductionMode::Mean, ReductionMode::Sum}) {
    const auto add = [&](const char* name, Case<T> run) {
      cases[std::string(name).append("/").append(to_string(mode))] = std::move(run);
    };
    const auto shares = [] { return Array<T>::linspace(0, 1, 24).reshape({6, 4}); };
    add("mse", [mode](const Inputs<T>& in) { return nn::mse_loss<T>(in[1], in[0], mode); });
    add("l1", [mode](const Inputs<T>& in) { return nn::l1_loss<T>(in[1], in[0], mode); });
    add("huber",
        [mode](const Inputs<T>& in) { return nn::huber_loss<T>(in[1], in[0], 0.8, mode); });
    add("smooth_l1",
        [mode](const Inputs<T>& in) { return nn::smooth_l1_loss<T>(in[1], in[0], mode, 0.7); });
    add("bce", [mode, shares](const Inputs<T>& in) {
      return nn::binary_cross_entropy<T>(shares(), in[0], mode);
    });
    add("bce_with_logits", [mode, shares](const Inputs<T>& in) {
      return nn::bce_with_logits<T>(shares(), in[0], mode);
    });
    add("cross_entropy",
        [mode](const Inputs<T>& in) { return nn::cross_entropy(kLabels, in[0], {.mode = mode}); });
    add("cross_entropy_ignore", [mode](const Inputs<T>& in) {
      return nn::cross_entropy(kLabels, in[0], {.mode = mode, .ignore_index = 2});
    });
    add("cross_entropy_smooth", [mode](const Inputs<T>& in) {
      return nn::cross_entropy(kLabels, in[0], {.mode = mode, .label_smoothing = 0.1});
    });
    add("nll", [mode](const Inputs<T>& in) { return nn::nll_loss(kLabels, in[0], mode); });
  }
}

template <class T>
void add_convolutions(std::map<std::string, Case<T>>& cases) {
  const auto one = [&](const char* name, nn::Conv1dOptions options) {
    cases[name] = [options](const Inputs<T>& in) {
      return nn::conv1d(in[0], in[1], in[2], options);
    };
  };
  const auto two = [&](const char* name, nn::Conv2dOptions options) {
    cases[name] = [options](const Inputs<T>& in) {
      return nn::conv2d(in[0], in[1], in[2], options);
    };
  };
  one("conv1d/plain", {});
  one("conv1d/options", {.stride = {2}, .padding = 3, .dilation = {2}, .groups = 2});
  two("conv2d/plain", {});
  two("conv2d/options",
      {.stride = {2, 1}, .padding = PaddingMode::symmetric(2, 1), .dilation = {1, 3}, .groups = 2});
  two("conv2d/same", {.padding = PaddingMode::same(), .dilation = {2, 1}});
  two("conv2d/depthwise", {.stride = {2, 2}, .padding = 1, .groups = 3});
  const PaddingMode around = PaddingMode::symmetric(2, 1);
  two("conv2d/circular", {.padding = around, .padding_value = nn::PaddingValue::Circular});
  two("conv2d/reflect", {.padding = around, .padding_value = nn::PaddingValue::Reflect});
  cases["conv3d/options"] = [](const Inputs<T>& in) {
    return nn::conv3d(in[0], in[1], in[2],
                      {.stride = {1, 2, 1}, .padding = PaddingMode::symmetric(1, 0, 1)});
  };
}

template <class T>
std::map<std::string, Case<T>> all_cases() {
  std::map<std::string, Case<T>> cases;
  add_activations(cases);
  add_losses(cases);
  add_convolutions(cases);
  for (const int axis : {0, 1, 2}) {
    const auto name = [&](const char* f) {
      return std::string(f).append("/axis").append(std::to_string(axis));
    };
    cases[name("softmax")] = [axis](const Inputs<T>& in) {
      return nn::softmax(in[0], {.axis = axis});
    };
    cases[name("log_softmax")] = [axis](const Inputs<T>& in) {
      return nn::log_softmax(in[0], {.axis = axis});
    };
  }
  cases["linear/bias"] = [](const Inputs<T>& in) { return nn::linear(in[0], in[1], in[2]); };
  cases["linear/no_bias"] = [](const Inputs<T>& in) { return nn::linear(in[0], in[1]); };
  cases["matmul/broadcast"] = [](const Inputs<T>& in) { return nn::matmul(in[0], in[1]); };
  cases["matmul/vector"] = [](const Inputs<T>& in) { return nn::matmul(in[0], in[1]); };
  cases["sum/axis"] = [](const Inputs<T>& in) { return nn::sum(in[0], {.axes = {0, 2}}); };
  cases["mean/all"] = [](const Inputs<T>& in) { return nn::mean(in[0]); };
  cases["var/axis"] = [](const Inputs<T>& in) { return nn::var(in[0], {.axes = {1}}); };
  cases["logsumexp/axis"] = [](const Inputs<T>& in) { return nn::logsumexp(in[0], {.axes = {1}}); };
  return cases;
}

/// Each side rounds a few dozen times; what cancels is bounded by the largest element.
template <class T>
void expect_close(const View<T>& got, const Array<double>& want, const std::string& what) {
  ASSERT_EQ(got.shape(), want.shape()) << what;
  double scale = 0;
  for (const double v : want) scale = std::max(scale, std::abs(v));
  const double tolerance = 64 * std::numeric_limits<T>::epsilon();
  auto it = want.begin();
  for (const T v : got) {
    ASSERT_NEAR(static_cast<double>(v), *it,
                tolerance * (std::abs(*it) + std::max(1e-3, 0.05 * scale)))
        << what;
    ++it;
  }
}

template <class T>
class TorchOracle : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(TorchOracle, Types);

TYPED_TEST(TorchOracle, ResultsAndGradients) {
  using T = TypeParam;
  for (const auto& entry : all_cases<T>()) {
    const std::string& name = entry.first;
    SCOPED_TRACE(name);
    const auto key = [&](const char* what, std::size_t i) {
      return std::string(name).append("/").append(what).append(std::to_string(i));
    };
    Inputs<T> inputs;
    for (std::size_t i = 0; oracle().find(key("in", i)) != nullptr; ++i) {
      inputs.push_back(Var<T>(oracle().get<double>(key("in", i)).template astype<T>(), true));
    }
    ASSERT_FALSE(inputs.empty());
    const Var<T> y = entry.second(inputs);
    expect_close<T>(y.value(), oracle().get<double>(std::string(name).append("/y")), "y");
    y.backward(oracle().get<double>(std::string(name).append("/dy")).template astype<T>());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      expect_close<T>(inputs[i].grad(), oracle().get<double>(key("g", i)), key("g", i));
    }
  }
}

TEST(TorchOracleFile, EveryCaseInItIsRun) {
  const auto cases = all_cases<double>();
  std::set<std::string> in_file;
  for (const io::NamedArray& array : oracle()) {
    if (array.name.ends_with("/y")) in_file.insert(array.name.substr(0, array.name.size() - 2));
  }
  EXPECT_EQ(in_file.size(), cases.size());
  for (const std::string& name : in_file) EXPECT_TRUE(cases.contains(name)) << name;
}

}  // namespace
}  // namespace lamina
