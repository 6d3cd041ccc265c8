// workspace_bytes is never less than what a convolution takes, and not absurdly more.

#include <gtest/gtest.h>

#include "lamina/core/memory.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/nn/conv.hpp"
#include "support/message.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using nn::ConvPass;
using testing::values;

struct Case {
  const char* name;
  Index images, channels, extent, out_channels, kernel;
  nn::Conv2dOptions options;
};

const Case kCases[] = {
    {"winograd", 2, 64, 28, 64, 3, {.padding = 1}},
    {"one image, outputs", 1, 1024, 14, 256, 1, {}},
    {"winograd, small tiles", 1, 128, 7, 96, 3, {.padding = 1}},
    {"winograd, gradient in parts", 24, 32, 16, 48, 3, {.padding = 1}},
    {"winograd, gradient of many weights", 16, 96, 9, 128, 3, {.padding = 1}},
    {"direct", 2, 64, 28, 64, 3, {.padding = 1, .algorithm = nn::ConvAlgorithm::Direct}},
    {"stride", 2, 40, 41, 50, 3, {.stride = 2, .padding = 1}},
    {"pointwise", 3, 128, 20, 96, 1, {}},
    {"pointwise_stride", 3, 128, 20, 96, 1, {.stride = 2}},
    {"stem", 1, 3, 96, 32, 7, {.stride = 2, .padding = 3}},
    {"groups", 2, 64, 20, 64, 3, {.padding = 1, .groups = 4}},
    {"depthwise", 2, 64, 50, 64, 3, {.padding = 1, .groups = 64}},
    {"reflect", 1, 32, 40, 32, 3, {.padding = 2, .padding_value = nn::PaddingValue::Reflect}},
    {"large", 1, 16, 200, 16, 3, {.padding = 1}},
    {"images_abreast", 64, 6, 14, 16, 5, {}},
    {"images_abreast, some lanes empty", 63, 8, 8, 9, 3, {.padding = 1}},
    {"few_channels", 9, 6, 14, 16, 5, {}},
    {"many_small_images", 40, 24, 9, 70, 3, {.padding = 1}},
};

/// Bytes of large blocks that `call` has freed at its end: what it had at once, at most.
template <class F>
Index bytes_of(F&& call) {
  trim_memory();
  call();
  const auto bytes = static_cast<Index>(memory_cache_bytes());
  trim_memory();
  return bytes;
}

template <class T>
void check(const Case& c, DataFormat format) {
  SCOPED_TRACE(c.name);
  nn::Conv2dOptions options = c.options;
  options.format = format;
  const bool last = format == DataFormat::NHWC;
  const Shape shape = last ? Shape{c.images, c.extent, c.extent, c.channels}
                           : Shape{c.images, c.channels, c.extent, c.extent};
  const Array<T> x = values<T>(shape, 1);
  const Array<T> w =
      values<T>({c.out_channels, c.channels / options.groups, c.kernel, c.kernel}, 2);
  Array<T> y = nn::conv2d(x, w, options);
  // What the memory cache adds: blocks are rounded up.
  const auto bytes = [&](ConvPass pass) {
    return nn::conv2d_workspace_bytes<T>(shape, w.shape(), options, pass) * 9 / 8 + 2 * 65536;
  };
  const auto size = [](const Array<T>& a) { return a.size() * static_cast<Index>(sizeof(T)); };
  const Index forward = bytes_of([&] { nn::conv2d_into(x, w, View<T>(), y, options); });
  EXPECT_LE(forward, bytes(ConvPass::Forward));
  const Index result = bytes_of([&] { (void)Array<T>::empty(shape); });
  const Index input =
      bytes_of([&] { (void)nn::conv2d_backward_input(y, w, shape, options); }) - result;
  // The phases of a stride come one after the other, and their blocks may differ in size.
  const Index phases = options.stride[0] * options.stride[1];
  EXPECT_LE(input, phases * bytes(ConvPass::BackwardInput));
  const Index weight =
      bytes_of([&] { (void)nn::conv2d_backward_weight(y, x, w.shape(), options); });
  EXPECT_LE(weight, bytes(ConvPass::BackwardWeight) + size(w));
  // Far from the unfolded batch: some copies of the arguments.
  for (const ConvPass pass :
       {ConvPass::Forward, ConvPass::BackwardInput, ConvPass::BackwardWeight}) {
    EXPECT_LE(bytes(pass), 8 * (size(x) + size(y)) + 64 * size(w) + 4 * (Index{1} << 20));
  }
}

TEST(ConvWorkspace, IsEnough) {
  const int before = num_threads();
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    for (const Case& c : kCases) {
      for (const DataFormat format : {DataFormat::NCHW, DataFormat::NHWC}) {
        check<float>(c, format);
        check<double>(c, format);
      }
    }
  }
  set_num_threads(before);
}

TEST(ConvWorkspace, OtherRanksAndErrors) {
  EXPECT_GT(nn::conv1d_workspace_bytes<float>({2, 3, 100}, {4, 3, 5}), 0);
  EXPECT_GT(nn::conv3d_workspace_bytes<double>({1, 3, 8, 8, 8}, {4, 3, 3, 3, 3}, {.stride = 2},
                                               ConvPass::BackwardInput),
            0);
  EXPECT_EQ(testing::message_of([] {
              (void)nn::conv2d_workspace_bytes<float>({1, 3, 8, 8}, {4, 3, 9, 3});
            }),
            "conv2d_workspace_bytes: kernel of extent 9 with dilation 1 is larger than the padded "
            "extent 8; x (1, 3, 8, 8), weight (4, 3, 9, 3)");
}

}  // namespace
}  // namespace lamina
