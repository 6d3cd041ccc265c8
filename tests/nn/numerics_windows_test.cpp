// The contract of docs/numerics.md on NaN, for operations on windows and sequences: it reaches
// exactly the results whose window holds it. Which those are is found by running the operation on
// an array that is 0 but for one element.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "lamina/nn/adaptive_pooling.hpp"
#include "lamina/nn/conv.hpp"
#include "lamina/nn/conv_transpose.hpp"
#include "lamina/nn/local_response_norm.hpp"
#include "lamina/nn/pad.hpp"
#include "lamina/nn/pooling.hpp"
#include "lamina/nn/recurrent.hpp"
#include "lamina/nn/unfold.hpp"
#include "support/expect.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

/// A function of x with weights (3 or fewer, by shape): positive ones tell the windows.
template <class T>
struct Windowed {
  std::string name;
  Shape x;
  Shape weight;  ///< rank 0: none
  std::function<Array<T>(const View<T>& x, const View<T>& weight)> run;
  /// Elements to be spoiled: every `step`th.
  Index step = 1;
};

template <class T>
class WindowContract : public ::testing::Test {
 protected:
  static void check(const Windowed<T>& one) {
    SCOPED_TRACE(one.name);
    const Array<T> ones = Array<T>::full(one.weight, T(1));
    const Array<T> weight = testing::values<T>(one.weight, 2);
    Array<T> x = testing::values<T>(one.x, 1);
    for (T& value : x) {
      value = T(1) + std::abs(value);
    }
    const Array<T> clean = one.run(x, weight);
    for (Index at = 0; at < x.size(); at += one.step) {
      Array<T> single = Array<T>::zeros(one.x);
      single.data()[at] = T(1);
      const Array<T> reached = one.run(single, ones);
      Array<T> spoiled = x;
      spoiled.data()[at] = std::numeric_limits<T>::quiet_NaN();
      const Array<T> got = one.run(spoiled, weight);
      ASSERT_EQ(got.shape(), clean.shape());
      for (Index i = 0; i < got.size(); ++i) {
        if (reached.data()[i] != T(0)) {
          ASSERT_TRUE(std::isnan(got.data()[i])) << "NaN at " << at << ", result " << i;
        } else {
          // Another algorithm may be taken because of the NaN.
          ASSERT_NEAR(got.data()[i], clean.data()[i],
                      4e3 * static_cast<double>(std::numeric_limits<T>::epsilon()))
              << "NaN at " << at << ", result " << i;
        }
      }
    }
  }
};

using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(WindowContract, Types);

TYPED_TEST(WindowContract, Convolution) {
  using T = TypeParam;
  test::for_each_target([&] {
    const auto conv2d = [&](const char* name, const Shape& x, const Shape& w,
                            const nn::Conv2dOptions& options, Index step = 1) {
      this->check({name, x, w,
                   [=](const View<T>& a, const View<T>& b) { return nn::conv2d<T>(a, b, options); },
                   step});
    };
    conv2d("plain", {2, 2, 5, 7}, {3, 2, 3, 3}, {});
    conv2d("padded", {1, 2, 5, 7}, {3, 2, 3, 3}, {.padding = 1});
    conv2d("strided and dilated", {1, 2, 7, 19}, {3, 2, 2, 3},
           {.stride = {2, 3}, .padding = 2, .dilation = {1, 2}});
    conv2d("channels last", {1, 5, 7, 3}, {4, 3, 3, 3}, {.padding = 1, .format = DataFormat::NHWC});
    conv2d("depthwise", {1, 3, 6, 19}, {3, 1, 3, 3}, {.padding = 1, .groups = 3});
    conv2d("depthwise, strided", {1, 2, 6, 37}, {4, 1, 5, 5},
           {.stride = 2, .padding = 2, .groups = 2});
    conv2d("groups", {1, 4, 5, 6}, {6, 2, 3, 3}, {.padding = 1, .groups = 2});
    conv2d("pointwise", {1, 5, 3, 4}, {3, 5, 1, 1}, {});
    conv2d("reflected", {1, 2, 5, 7}, {3, 2, 3, 3},
           {.padding = 2, .padding_value = nn::PaddingValue::Reflect});
    conv2d("many channels", {1, 64, 9, 10}, {64, 64, 3, 3}, {.padding = 1}, 701);
    this->check({"conv1d", {1, 2, 41}, {3, 2, 5}, [](const View<T>& a, const View<T>& b) {
                   return nn::conv1d<T>(a, b, {.padding = 2});
                 }});
    this->check(
        {"conv3d", {1, 2, 3, 4, 5}, {2, 2, 2, 3, 2}, [](const View<T>& a, const View<T>& b) {
           return nn::conv3d<T>(a, b, {.padding = 1});
         }});
    // Without padding: its zeros are elements too, and 0 times NaN is NaN.
    this->check({"conv2d, of the weight",
                 {3, 2, 3, 3},
                 {1, 2, 5, 6},
                 [](const View<T>& w, const View<T>& x) { return nn::conv2d<T>(x, w); }});
    this->check(
        {"conv_transpose2d", {1, 2, 4, 5}, {2, 3, 3, 3}, [](const View<T>& a, const View<T>& b) {
           return nn::conv_transpose2d<T>(a, b, {.stride = 2, .padding = 1});
         }});
    this->check({"conv2d_backward_input",
                 {1, 3, 5, 7},
                 {3, 2, 3, 3},
                 [](const View<T>& dy, const View<T>& w) {
                   return nn::conv2d_backward_input<T>(dy, w, {1, 2, 5, 7}, {.padding = 1});
                 }});
    this->check({"conv2d_backward_weight",
                 {1, 3, 3, 5},
                 {1, 2, 5, 7},
                 [](const View<T>& dy, const View<T>& x) {
                   return nn::conv2d_backward_weight<T>(dy, x, {3, 2, 3, 3});
                 }});
  });
}

TYPED_TEST(WindowContract, PoolingAndUnfolding) {
  using T = TypeParam;
  test::for_each_target([&] {
    const auto pooled = [&](const char* name, const Shape& x, auto run) {
      this->check({name, x, {}, [=](const View<T>& a, const View<T>&) { return run(a); }});
    };
    const Shape images{2, 2, 6, 37};
    pooled("max_pool2d", images, [](const View<T>& x) { return nn::max_pool2d(x, 2); });
    pooled("max_pool2d, options", images, [](const View<T>& x) {
      return nn::max_pool2d(x, 3, {.stride = {2, 1}, .padding = 1});
    });
    pooled("max_pool2d, dilated", images, [](const View<T>& x) {
      return nn::max_pool2d(x, 2, {.stride = 1, .dilation = {2, 3}, .ceil_mode = true});
    });
    pooled("avg_pool2d", images,
           [](const View<T>& x) { return nn::avg_pool2d(x, 3, {.stride = 1, .padding = 1}); });
    pooled("lp_pool2d", images,
           [](const View<T>& x) { return nn::lp_pool2d(x, 2, 3, {.stride = 2}); });
    pooled("max_pool1d", {1, 2, 41}, [](const View<T>& x) { return nn::max_pool1d(x, 5); });
    pooled("max_pool3d", {1, 2, 4, 4, 5}, [](const View<T>& x) { return nn::max_pool3d(x, 2); });
    pooled("max_pool2d, channels last", {1, 6, 5, 19},
           [](const View<T>& x) { return nn::max_pool2d(x, 2, {.format = DataFormat::NHWC}); });
    pooled("avg_pool2d, channels last", {1, 6, 5, 19},
           [](const View<T>& x) { return nn::avg_pool2d(x, 2, {.format = DataFormat::NHWC}); });
    pooled("adaptive_avg_pool2d", images, [](const View<T>& x) {
      return nn::adaptive_avg_pool2d(x, {4, 5});
    });
    pooled("adaptive_max_pool2d", images, [](const View<T>& x) {
      return nn::adaptive_max_pool2d(x, {4, 5});
    });
    pooled("global_avg_pool", images, [](const View<T>& x) { return nn::global_avg_pool(x); });
    pooled("global_max_pool", images, [](const View<T>& x) { return nn::global_max_pool(x); });
    pooled("unfold2d", {1, 2, 4, 5},
           [](const View<T>& x) { return nn::unfold2d(x, 2, {.padding = 1}); });
    pooled("fold2d", {1, 8, 12}, [](const View<T>& x) { return nn::fold2d(x, {4, 5}, 2); });
    pooled("pad", {3, 5}, [](const View<T>& x) {
      return nn::pad(x, {{2, 1}, {3, 2}}, nn::PaddingValue::Reflect);
    });
    pooled("pad_backward", {6, 8}, [](const View<T>& x) {
      return nn::pad_backward(x, {{2, 1}, {2, 1}}, nn::PaddingValue::Replicate);
    });
  });
}

TYPED_TEST(WindowContract, SequencesReachWhatComesLater) {
  using T = TypeParam;
  constexpr Index kSteps = 5;
  constexpr Index kBatch = 3;
  constexpr Index kHidden = 19;
  for (const char* name : {"rnn", "lstm", "gru"}) {
    SCOPED_TRACE(name);
    const Index gates = name[0] == 'r' ? 1 : name[0] == 'l' ? 4 : 3;
    const Array<T> w_ih = testing::values<T>({gates * kHidden, 2}, 1);
    const Array<T> w_hh = testing::values<T>({gates * kHidden, kHidden}, 2);
    const std::vector<nn::RecurrentWeights<T>> weights{{w_ih, w_hh}};
    const auto run = [&](const Array<T>& x) {
      return name[0] == 'r'   ? nn::rnn<T>(x, weights).y
             : name[0] == 'l' ? nn::lstm<T>(x, weights).y
                              : nn::gru<T>(x, weights).y;
    };
    const Array<T> x = testing::values<T>({kSteps, kBatch, 2}, 3);
    test::for_each_target([&] {
      const Array<T> clean = run(x);
      for (Index step = 0; step < kSteps; ++step) {
        for (Index item = 0; item < kBatch; ++item) {
          Array<T> spoiled = x;
          spoiled(step, item, 1) = std::numeric_limits<T>::quiet_NaN();
          const Array<T> got = run(spoiled);
          for (Index s = 0; s < kSteps; ++s) {
            for (Index n = 0; n < kBatch; ++n) {
              for (Index h = 0; h < kHidden; ++h) {
                if (n == item && s >= step) {
                  ASSERT_TRUE(std::isnan(got(s, n, h))) << step << item << s << n << h;
                } else {
                  ASSERT_EQ(got(s, n, h), clean(s, n, h));
                }
              }
            }
          }
        }
      }
    });
  }
}

}  // namespace
}  // namespace lamina
