// Normalization layers: parameters, buffers, modes, errors.

#include "lamina/layers/normalization.hpp"

#include <gtest/gtest.h>

#include "lamina/autograd/ops_normalization.hpp"
#include "support/message.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using namespace layers;
using testing::message_of;
using testing::values;

template <class T>
class NormalizationLayers : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(NormalizationLayers, Types);

TYPED_TEST(NormalizationLayers, AreTheFunctions) {
  using T = TypeParam;
  const Array<T> x = values<T>({2, 4, 3}, 1);
  EXPECT_EQ(LayerNorm<T>(3)(x).value(), nn::layer_norm(x));
  EXPECT_EQ(LayerNorm<T>({4, 3}, {.affine = false})(x).value(), nn::layer_norm(x, {}, {}, 1e-5, 2));
  EXPECT_EQ(RMSNorm<T>(3, {.eps = 1e-3})(x).value(), nn::rms_norm(x, {}, 1e-3));
  EXPECT_EQ((GroupNorm<T>(2, 4)(x).value()), nn::group_norm(x, 2, Array<T>::ones({4})));
  EXPECT_EQ(InstanceNorm<T>(4)(x).value(), nn::instance_norm(x));
  EXPECT_EQ(InstanceNorm<T>(3, {.format = DataFormat::NHWC})(x).value(),
            nn::instance_norm(x, 1e-5, {}, {}, DataFormat::NHWC));
  EXPECT_EQ(LocalResponseNorm<T>(3, {.k = 2})(x).value(), nn::local_response_norm(x, 3, {.k = 2}));
  EXPECT_EQ(LocalResponseNorm<T>(3).name(), "LocalResponseNorm(size 3)");
  EXPECT_EQ(message_of([] { LocalResponseNorm<T>(0); }),
            "LocalResponseNorm: size must be at least 1, got 0");
  EXPECT_EQ(LayerNorm<T>(3).parameters().size(), 2u);
  EXPECT_EQ(RMSNorm<T>(3).parameters().size(), 1u);
  EXPECT_EQ((GroupNorm<T>(2, 4).parameter_count()), 8);
  EXPECT_EQ(InstanceNorm<T>(4).parameter_count(), 0);
  EXPECT_EQ(InstanceNorm<T>(4, {.affine = true}).parameter_count(), 8);
}

TYPED_TEST(NormalizationLayers, BatchNormTrainsAndInfers) {
  using T = TypeParam;
  BatchNorm1d<T> layer(3);
  Array<T> mean = Array<T>::zeros({3});
  Array<T> var = Array<T>::ones({3});
  for (std::uint32_t i = 0; i < 3; ++i) {
    const Array<T> x = values<T>({5, 3}, i);
    EXPECT_EQ(layer(x).value(),
              nn::batch_norm_training(x, mean, var, Array<T>::ones({3}), Array<T>::zeros({3})));
    EXPECT_EQ(layer.running_mean().value(), mean);
    EXPECT_EQ(layer.running_var().value(), var);
  }
  layer.eval();
  const Array<T> one = values<T>({1, 3}, 9);
  EXPECT_EQ(layer(one).value(), nn::batch_norm_inference(one, mean, var));
  EXPECT_EQ(layer.running_mean().value(), mean);
  const auto state = layer.state_dict();
  EXPECT_EQ(state.size(), 4u);
  BatchNorm1d<T> other(3);
  other.load_state_dict(state);
  other.eval();
  EXPECT_EQ(other(one).value(), layer(one).value());
  EXPECT_EQ(layer.parameters().size(), 2u);
  EXPECT_EQ(layer.buffers().size(), 2u);

  BatchNorm2d<T> image(2, {.affine = false, .format = DataFormat::NHWC});
  const Array<T> x4 = values<T>({2, 3, 3, 2}, 4);
  EXPECT_EQ(image(x4).value(), nn::batch_norm_2d(x4, {}, {}, 1e-5, DataFormat::NHWC));
  BatchNorm3d<T> volume(2);
  const Array<T> x5 = values<T>({2, 2, 3, 2, 2}, 4);
  EXPECT_EQ(volume(x5).value(), nn::batch_norm_3d(x5));
}

TEST(NormalizationLayerErrors, Messages) {
  const Array<float> x = values<float>({1, 3}, 1);
  EXPECT_EQ(message_of([&] { (void)BatchNorm1d<float>(3)(x); }),
            "BatchNorm1d: training needs two values a channel, x (1, 3) has one");
  EXPECT_EQ(message_of([&] { (void)BatchNorm1d<float>(4)(x); }),
            "BatchNorm1d: x (1, 3) has 3 channels, the layer 4");
  EXPECT_EQ(message_of([&] { (void)BatchNorm2d<float>(3)(x); }),
            "BatchNorm2d: x must have rank 4 or more, got shape (1, 3)");
  EXPECT_EQ(message_of([&] {
              (void)BatchNorm1d<float>(3)(values<float>({1, 3, 2, 2}, 1));
            }),
            "BatchNorm1d: x must have rank 3 or less, got shape (1, 3, 2, 2)");
  EXPECT_EQ(message_of([] { BatchNorm1d<float>(-1); }),
            "BatchNorm1d: channels must not be negative, got -1");
  EXPECT_EQ(message_of([&] { (void)LayerNorm<float>(4, {.affine = false})(x); }),
            "LayerNorm: x (1, 3) does not end with (4,)");
  EXPECT_EQ(message_of([&] {
              (void)RMSNorm<float>({2, 3})(x);
            }),
            "RMSNorm: x (1, 3) does not end with (2, 3)");
  EXPECT_EQ(message_of([] { GroupNorm<float>(2, 3); }),
            "GroupNorm: groups must divide channels, got 2 and 3");
  EXPECT_EQ(message_of([&] { (void)InstanceNorm<float>(3)(x); }),
            "InstanceNorm: x must have rank 3 or more, got shape (1, 3)");
  EXPECT_EQ(message_of([] { LayerNorm<float>(Shape{}); }), "LayerNorm: the shape has no axis");
  EXPECT_EQ(LayerNorm<float>(4).name(), "LayerNorm((4,))");
  EXPECT_EQ(BatchNorm2d<float>(4, {.affine = false}).name(), "BatchNorm2d(4, not affine)");
  EXPECT_EQ((GroupNorm<float>(2, 4).name()), "GroupNorm(2 groups of 4)");
  EXPECT_EQ(InstanceNorm<float>(4).name(), "InstanceNorm(4)");
}

}  // namespace
}  // namespace lamina
