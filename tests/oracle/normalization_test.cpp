// Normalizations against PyTorch.

#include "lamina/autograd/ops_normalization.hpp"

#include "lamina/autograd/ops_local_response_norm.hpp"
#include "oracle/oracle.hpp"

namespace lamina::oracle {
namespace {

template <class T>
Var<T> optional(const Inputs<T>& in, std::size_t i) {
  return i < in.size() ? in[i] : Var<T>();
}

template <class T>
void add_by_axes(Cases<T>& cases) {
  const auto layer = [&](const char* name, double eps = 1e-5, int axes = 0) {
    cases[key("layer_norm", name)] = {[eps, axes](const Inputs<T>& in) {
      return nn::layer_norm(in[0], optional(in, 1), optional(in, 2), eps, axes);
    }};
  };
  layer("plain");
  layer("affine");
  layer("gamma");
  layer("two_axes");
  layer("three_axes", 1e-5, 3);
  layer("eps", 0.1);
  layer("offset");
  layer("broadcast");
  for (const char* name : {"plain", "gamma", "two_axes", "broadcast"}) {
    const double eps = std::string_view(name) == "gamma" ? 1e-3 : 1e-5;
    cases[key("rms_norm", name)] = {
        [eps](const Inputs<T>& in) { return nn::rms_norm(in[0], optional(in, 1), eps); }};
  }
}

template <class T>
void add_batch_norm(Cases<T>& cases) {
  const auto batch = [&](const char* name, double eps = 1e-5,
                         DataFormat format = DataFormat::NCHW) {
    cases[key("batch_norm", name)] = {[eps, format](const Inputs<T>& in) {
      return nn::batch_norm(in[0], optional(in, 1), optional(in, 2), eps, format);
    }};
  };
  batch("matrix");
  batch("sequence");
  batch("image", 0.02);
  batch("volume");
  batch("plain");
  batch("channels_last", 1e-5, DataFormat::NHWC);
  batch("matrix_channels_last", 1e-5, DataFormat::NHWC);
  batch("offset");
  batch("broadcast");
  const auto inference = [&](const char* name, double eps = 1e-5,
                             DataFormat format = DataFormat::NCHW) {
    cases[key("batch_norm_inference", name)] = {[eps, format](const Inputs<T>& in) {
      return nn::batch_norm_inference(in[0], numbers<T>("mean"), numbers<T>("var"), optional(in, 1),
                                      optional(in, 2), eps, format);
    }};
  };
  inference("image", 1e-3);
  inference("plain");
  inference("channels_last", 1e-5, DataFormat::NHWC);
  // Each starts from the running statistics that the file has for it, and must leave the next ones.
  const auto training = [&](const char* name, bool first) {
    cases[key("batch_norm_training", name)] = {[name, first](const Inputs<T>& in) {
      auto mean = first ? numbers<T>("mean")
                        : file().get<double>("running/first_mean").template astype<T>();
      auto var =
          first ? numbers<T>("var") : file().get<double>("running/first_var").template astype<T>();
      Var<T> y =
          nn::batch_norm_training(in[0], mean, var, in[1], in[2], {.eps = 1e-5, .momentum = 0.3});
      const std::string after = key("running", name);
      expect_close<T>(mean, file().get<double>(after + "_mean"));
      expect_close<T>(var, file().get<double>(after + "_var"));
      return y;
    }};
  };
  training("first", true);
  training("second", false);
}

template <class T>
Cases<T> all_cases() {
  Cases<T> cases;
  add_by_axes(cases);
  add_batch_norm(cases);
  const auto group = [&](const char* name, Index groups, double eps = 1e-5,
                         DataFormat format = DataFormat::NCHW) {
    cases[key("group_norm", name)] = {[groups, eps, format](const Inputs<T>& in) {
      return nn::group_norm(in[0], groups, optional(in, 1), optional(in, 2), eps, format);
    }};
  };
  group("1", 1, 1e-4);
  group("2", 2, 1e-4);
  group("6", 6, 1e-4);
  group("plain", 2);
  group("sequence", 3);
  group("channels_last", 2, 1e-5, DataFormat::NHWC);
  group("broadcast", 2);
  const auto instance = [&](const char* name, double eps, DataFormat format) {
    cases[key("instance_norm", name)] = {[eps, format](const Inputs<T>& in) {
      return nn::instance_norm(in[0], eps, optional(in, 1), optional(in, 2), format);
    }};
  };
  instance("image", 1e-3, DataFormat::NCHW);
  instance("plain", 1e-5, DataFormat::NCHW);
  instance("channels_last", 1e-5, DataFormat::NHWC);
  const auto response = [&](const std::string& name, Index size,
                            const nn::LocalResponseOptions& options) {
    cases[key("local_response_norm", name)] = {[size, options](const Inputs<T>& in) {
      return nn::local_response_norm(in[0], size, options);
    }};
  };
  for (const Index size : {1, 3, 4, 9}) {
    response(std::to_string(size), size, {.alpha = 0.5, .beta = 0.6, .k = 1.5});
  }
  response("image", 5, {});
  response("channels_last", 3, {.alpha = 0.3, .format = DataFormat::NHWC});
  return cases;
}

LAMINA_ORACLE_TESTS(NormalizationOracle)

}  // namespace
}  // namespace lamina::oracle
