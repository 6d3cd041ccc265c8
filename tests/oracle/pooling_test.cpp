// Pooling against PyTorch.

#include "lamina/autograd/ops_pooling.hpp"

#include "oracle/oracle.hpp"

namespace lamina::oracle {
namespace {

template <class T>
Cases<T> all_cases() {
  Cases<T> cases;
  const auto add = [&](const char* name, Run<T> run) { cases[name] = {std::move(run)}; };
#define LAMINA_CASE(name, call) add(name, [](const Inputs<T>& in) { return nn::call; })
  LAMINA_CASE("max_pool1d/plain", max_pool1d(in[0], 2));
  LAMINA_CASE("max_pool1d/options",
              max_pool1d(in[0], 4, {.stride = 3, .padding = 2, .dilation = 2, .ceil_mode = true}));
  LAMINA_CASE("max_pool2d/plain", max_pool2d(in[0], 2));
  LAMINA_CASE("max_pool2d/broadcast", max_pool2d(in[0], {2, 2}, {2, 2}));
  LAMINA_CASE("max_pool2d/resnet", max_pool2d(in[0], 3, {.stride = 2, .padding = 1}));
  LAMINA_CASE("max_pool2d/one_sample", max_pool2d(in[0], {3, 2}, {1, 2}));
  LAMINA_CASE("max_pool2d/ceil",
              max_pool2d(in[0], 3, {.stride = 2, .padding = 1, .ceil_mode = true}));
  LAMINA_CASE(
      "max_pool2d/dilated",
      max_pool2d(in[0], {2, 3},
                 {.stride = {1, 2}, .padding = PaddingMode::symmetric(1, 0), .dilation = {3, 2}}));
  LAMINA_CASE("max_pool2d/channels_last",
              max_pool2d(in[0], 3, {.stride = {2, 1}, .padding = 1, .format = DataFormat::NHWC}));
  LAMINA_CASE("max_pool3d/options",
              max_pool3d(in[0], {2, 3, 2},
                         {.stride = {1, 2, 2}, .padding = PaddingMode::symmetric(1, 1, 0)}));
  add("max_pool2d_indices/values", [](const Inputs<T>& in) {
    const auto pooled =
        nn::max_pool2d_with_indices(in[0], 3, {.stride = 2, .padding = 1, .ceil_mode = true});
    EXPECT_EQ(pooled.indices, integers("max_pool2d_indices/indices"));
    return pooled.values;
  });

  LAMINA_CASE("avg_pool1d/plain", avg_pool1d(in[0], 3));
  LAMINA_CASE(
      "avg_pool1d/options",
      avg_pool1d(in[0], 4,
                 {.stride = 3, .padding = 2, .ceil_mode = true, .count_include_pad = false}));
  LAMINA_CASE("avg_pool2d/plain", avg_pool2d(in[0], 2));
  LAMINA_CASE("avg_pool2d/padded", avg_pool2d(in[0], 3, {.stride = 2, .padding = 1}));
  LAMINA_CASE("avg_pool2d/exclude",
              avg_pool2d(in[0], 3, {.stride = 2, .padding = 1, .count_include_pad = false}));
  LAMINA_CASE("avg_pool2d/ceil",
              avg_pool2d(in[0], 3, {.stride = 2, .padding = 1, .ceil_mode = true}));
  LAMINA_CASE("avg_pool2d/ceil_exclude", avg_pool2d(in[0], {3, 4},
                                                    {.stride = {3, 2},
                                                     .padding = PaddingMode::symmetric(1, 2),
                                                     .ceil_mode = true,
                                                     .count_include_pad = false}));
  LAMINA_CASE("avg_pool2d/divisor",
              avg_pool2d(in[0], {2, 3}, {.stride = 1, .padding = 1, .divisor = 5}));
  LAMINA_CASE(
      "avg_pool2d/channels_last",
      avg_pool2d(in[0], 3,
                 {.stride = {2, 1}, .padding = 1, .ceil_mode = true, .format = DataFormat::NHWC}));
  LAMINA_CASE("avg_pool3d/options",
              avg_pool3d(in[0], {2, 3, 2},
                         {.stride = {1, 2, 2}, .padding = PaddingMode::symmetric(1, 1, 0)}));

  LAMINA_CASE("lp_pool1d/plain", lp_pool1d(in[0], 2, 3, {.stride = 2}));
  LAMINA_CASE("lp_pool2d/plain", lp_pool2d(in[0], 2, 2));
  LAMINA_CASE("lp_pool2d/fourth", lp_pool2d(in[0], 4, {3, 2}, {.stride = {1, 2}}));

  LAMINA_CASE("adaptive_avg_pool1d/plain", adaptive_avg_pool1d(in[0], 4));
  LAMINA_CASE("adaptive_avg_pool2d/divides", adaptive_avg_pool2d(in[0], {4, 3}));
  LAMINA_CASE("adaptive_avg_pool2d/divides_not", adaptive_avg_pool2d(in[0], {3, 5}));
  LAMINA_CASE("adaptive_avg_pool2d/more", adaptive_avg_pool2d(in[0], {5, 7}));
  LAMINA_CASE("adaptive_avg_pool2d/channels_last",
              adaptive_avg_pool2d(in[0], {3, 2}, DataFormat::NHWC));
  LAMINA_CASE("adaptive_avg_pool3d/plain", adaptive_avg_pool3d(in[0], {2, 3, 2}));
  LAMINA_CASE("adaptive_max_pool1d/plain", adaptive_max_pool1d(in[0], 4));
  LAMINA_CASE("adaptive_max_pool2d/divides", adaptive_max_pool2d(in[0], {4, 3}));
  LAMINA_CASE("adaptive_max_pool2d/divides_not", adaptive_max_pool2d(in[0], {3, 5}));
  LAMINA_CASE("adaptive_max_pool2d/channels_last",
              adaptive_max_pool2d(in[0], {3, 2}, DataFormat::NHWC));
  LAMINA_CASE("adaptive_max_pool3d/plain", adaptive_max_pool3d(in[0], {2, 3, 2}));
  LAMINA_CASE("global_avg_pool/plain", global_avg_pool(in[0]));
  LAMINA_CASE("global_max_pool/plain", global_max_pool(in[0]));
  LAMINA_CASE("max_unpool2d/overlapping", max_unpool2d(in[0], integers("max_unpool2d/indices"), 3,
                                                       {.stride = 2, .output_extents = {7, 9}}));
#undef LAMINA_CASE
  return cases;
}

LAMINA_ORACLE_TESTS(PoolingOracle)

}  // namespace
}  // namespace lamina::oracle
