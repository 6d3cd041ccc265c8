#include <gtest/gtest.h>

#include <string>

#include "guide/near.hpp"
#include "lamina/core/result.hpp"
#include "lamina/nn/activation.hpp"
#include "lamina/nn/attention.hpp"
#include "lamina/nn/conv.hpp"
#include "lamina/nn/dropout.hpp"
#include "lamina/nn/embedding.hpp"
#include "lamina/nn/loss.hpp"
#include "lamina/nn/normalization.hpp"
#include "lamina/nn/simd_ops.hpp"
#include "lamina/nn/softmax.hpp"

// The guide's chapter "Error Handling": which error comes from what.

namespace lamina::guide {
namespace {

/// The guide's match over the kinds of error.
template <class F>
std::string kind_of(F&& call) {
  const auto result = try_call(call);
  if (result.has_value()) {
    return "a value";
  }
  switch (result.error().kind()) {
    case ErrorKind::DimensionMismatch:
      return "dimension";
    case ErrorKind::InvalidOperation:
      return "operation";
    case ErrorKind::ConversionError:
      return "conversion";
    case ErrorKind::IndexOutOfBounds:
      return "index";
    default:
      return "another";
  }
}

Array<double> process_data(const Array<double>& x) {
  check(!x.empty(), ErrorKind::DimensionMismatch, "process_data", "Input cannot be empty");
  const Array<double> y = nn::relu(x);
  return nn::softmax(y);
}

TEST(GuideErrors, PropagateThroughACall) {
  EXPECT_EQ(kind_of([] { return process_data(Array<double>{1, 2}); }), "a value");
  const NnResult<Array<double>> nothing = try_call([] { return process_data({}); });
  ASSERT_FALSE(nothing.has_value());
  EXPECT_EQ(nothing.error().kind(), ErrorKind::DimensionMismatch);
  EXPECT_STREQ(nothing.error().what(), "process_data: Input cannot be empty");
}

TEST(GuideErrors, Shapes) {
  const Array<double> two{1, 2}, three{1, 2, 3}, matrix = Array<double>::ones({2, 3});
  EXPECT_EQ(kind_of([&] { return nn::softmax(Array<double>()); }), "dimension");
  EXPECT_EQ(kind_of([&] { return nn::mse_loss(two, three); }), "dimension");
  EXPECT_EQ(kind_of([&] { return nn::conv1d(two, three, 1); }), "dimension");
  EXPECT_EQ(kind_of([&] { return nn::layer_norm(matrix, two, two, 1e-5); }), "dimension");
  EXPECT_EQ(kind_of([&] { return nn::batch_norm_1d(matrix, two, two, 1e-5); }), "dimension");
  EXPECT_EQ(kind_of([&] { return nn::simd_matmul_f64(matrix, matrix); }), "dimension");
  EXPECT_EQ(kind_of([&] { return nn::relu_2d(two); }), "dimension");
  EXPECT_EQ(kind_of([&] {
              return nn::scaled_dot_product_attention(matrix, Array<double>::ones({2, 4}), matrix);
            }),
            "dimension");
  EXPECT_EQ(kind_of([&] {  // the original panics
              return nn::conv2d_batched(Array<double>::ones({1, 1, 2, 2}),
                                        Array<double>::ones({1, 1, 3, 3}), View<double>(), {1, 1},
                                        {0, 0}, {1, 1});
            }),
            "dimension");
}

TEST(GuideErrors, Parameters) {
  const Array<double> x{1, 2, 3};
  Generator generator(1);
  EXPECT_EQ(kind_of([&] { return nn::dropout(x, -0.1, true, generator); }), "operation");
  EXPECT_EQ(kind_of([&] { return nn::dropout(x, 1.5, false, generator); }), "operation");
  EXPECT_EQ(kind_of([&] { return nn::leaky_relu(x, -1.0); }), "operation");
  EXPECT_EQ(kind_of([&] { return nn::elu(x, 0.0); }), "operation");
  EXPECT_EQ(kind_of([&] { return nn::huber_loss(x, x, 0.0); }), "operation");
  EXPECT_EQ(kind_of([&] { return nn::conv1d(x, x, 0); }), "operation");
  EXPECT_EQ(kind_of([&] { return nn::cosine_embedding_loss(x, x, 0.5); }), "operation");
  const Array<std::int64_t> tokens{0};
  const Array<double> table = Array<double>::ones({2, 3});
  EXPECT_EQ(kind_of([&] { return nn::embedding_bag(tokens, table, "median"); }), "operation");
}

TEST(GuideErrors, Indices) {
  const Array<double> table = Array<double>::ones({2, 3});
  EXPECT_EQ(kind_of([&] { return nn::embedding(Array<std::int64_t>{0, 2}, table); }), "index");
  EXPECT_EQ(kind_of([&] {
              return nn::sparse_categorical_cross_entropy(Array<std::int64_t>{0, 3}, table);
            }),
            "index");
  EXPECT_EQ(kind_of([&] { return nn::softmax_2d(table, 2); }), "index");
}

}  // namespace
}  // namespace lamina::guide
