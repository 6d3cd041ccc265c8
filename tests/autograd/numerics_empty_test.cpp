// The contract of docs/numerics.md on empty batches: N = 0 works wherever it has a meaning, forward
// and backward, on the tape and in layers. Results are empty (losses: 0), and parameters get
// gradients of zeros.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "lamina/autograd/ops_activation.hpp"
#include "lamina/autograd/ops_arithmetic.hpp"
#include "lamina/autograd/ops_attention.hpp"
#include "lamina/autograd/ops_conv.hpp"
#include "lamina/autograd/ops_dropout.hpp"
#include "lamina/autograd/ops_linear.hpp"
#include "lamina/autograd/ops_local_response_norm.hpp"
#include "lamina/autograd/ops_loss.hpp"
#include "lamina/autograd/ops_loss_embedding.hpp"
#include "lamina/autograd/ops_normalization.hpp"
#include "lamina/autograd/ops_pooling.hpp"
#include "lamina/autograd/ops_recurrent.hpp"
#include "lamina/autograd/ops_reduction.hpp"
#include "lamina/autograd/ops_softmax.hpp"
#include "lamina/autograd/ops_unfold.hpp"
#include "support/expect.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using Labels = Array<std::int64_t>;

template <class T>
using Inputs = std::vector<Var<T>>;

/// A computation on inputs of these shapes, and the shape of its result.
template <class T>
struct Empty {
  std::string name;
  std::vector<Shape> inputs;
  Shape result;
  std::function<Var<T>(const Inputs<T>&)> run;
};
template <class T>
using Empties = std::vector<Empty<T>>;

template <class T>
class EmptyBatch : public ::testing::Test {
 protected:
  /// A result that is not empty (a loss, a sum over the batch) must be 0.
  static void check(const Empties<T>& all) {
    test::for_each_target([&] {
      for (const Empty<T>& one : all) {
        SCOPED_TRACE(one.name);
        Inputs<T> inputs;
        for (std::size_t i = 0; i < one.inputs.size(); ++i) {
          inputs.push_back(
              Var<T>(testing::values<T>(one.inputs[i], static_cast<std::uint32_t>(i)), true));
        }
        const Var<T> y = one.run(inputs);
        ASSERT_EQ(y.shape(), one.result);
        for (const T value : y.value()) {
          EXPECT_EQ(value, T(0));
        }
        y.backward(Array<T>::full(y.shape(), T(1)));
        for (const Var<T>& input : inputs) {
          ASSERT_TRUE(input.has_grad());
          ASSERT_EQ(input.grad().shape(), input.shape());
          for (const T value : input.grad()) {
            EXPECT_EQ(value, T(0));
          }
        }
      }
    });
  }
};

using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(EmptyBatch, Types);

TYPED_TEST(EmptyBatch, ElementByElement) {
  using T = TypeParam;
  using In = const Inputs<T>&;
  const std::vector<Shape> one{{0, 3}};
  const std::vector<Shape> two{{0, 4}, {0, 4}};
  Empties<T> all;
  for (const nn::ActivationRow& row : nn::kActivationTable) {
    all.push_back({std::string(row.name), one, {0, 3}, [kind = row.kind](In in) {
                     return autograd::activation(in[0], kind);
                   }});
    all.push_back({std::string("gated ").append(row.name), two, {0, 4}, [kind = row.kind](In in) {
                     return nn::gated_activation<T>(in[0], in[1], kind);
                   }});
  }
  for (const nn::BinaryRow& row : nn::kBinaryTable) {
    all.push_back({std::string(row.name), two, {0, 4}, [op = row.op](In in) {
                     return nn::binary<T>(op, in[0], in[1]);
                   }});
    all.push_back(
        {std::string(row.name) + ", broadcast", {{0, 4}, {4}}, {0, 4}, [op = row.op](In in) {
           return nn::binary<T>(op, in[0], in[1]);
         }});
  }
  all.push_back({"glu", {{0, 6}}, {0, 3}, [](In in) { return nn::glu(in[0]); }});
  all.push_back({"glu along the batch", {{0, 6}}, {0, 6}, [](In in) { return nn::glu(in[0], 0); }});
  all.push_back(
      {"prelu", {{0, 3, 5}, {3}}, {0, 3, 5}, [](In in) { return nn::prelu<T>(in[0], in[1]); }});
  all.push_back({"prelu, one slope", {{0, 3}, {1}}, {0, 3}, [](In in) {
                   return nn::prelu<T>(in[0], in[1]);
                 }});
  for (const int axis : {1, 2}) {
    const nn::SoftmaxOptions options{.axis = axis};
    const std::vector<Shape> x{{0, 3, 5}};
    all.push_back({"softmax", x, {0, 3, 5}, [=](In in) { return nn::softmax(in[0], options); }});
    all.push_back(
        {"log_softmax", x, {0, 3, 5}, [=](In in) { return nn::log_softmax(in[0], options); }});
    all.push_back({"softmin", x, {0, 3, 5}, [=](In in) { return nn::softmin(in[0], options); }});
  }
  all.push_back({"local_response_norm", {{0, 3, 5}}, {0, 3, 5}, [](In in) {
                   return nn::local_response_norm(in[0], 3);
                 }});
  all.push_back({"add_positional_encoding", {{0, 3, 5}}, {0, 3, 5}, [](In in) {
                   return nn::add_positional_encoding(in[0]);
                 }});
  static Generator generator(1);
  all.push_back({"dropout", {{0, 3}}, {0, 3}, [](In in) {
                   return nn::dropout(in[0], 0.5, true, generator);
                 }});
  all.push_back({"spatial_dropout", {{0, 3, 5}}, {0, 3, 5}, [](In in) {
                   return nn::spatial_dropout(in[0], 0.5, true, generator);
                 }});
  all.push_back({"drop_path", {{0, 3}}, {0, 3}, [](In in) {
                   return nn::drop_path(in[0], 0.5, true, generator);
                 }});
  all.push_back({"alpha_dropout", {{0, 3}}, {0, 3}, [](In in) {
                   return nn::alpha_dropout(in[0], 0.5, true, generator);
                 }});
  this->check(all);
}

TYPED_TEST(EmptyBatch, Reductions) {
  using T = TypeParam;
  using In = const Inputs<T>&;
  Empties<T> all;
  for (const nn::ReductionInfo& row : nn::kReductions) {
    const nn::Reduction kind = row.kind;
    const std::string name(row.name);
    all.push_back({name + " of rows", {{0, 4}}, {0}, [kind](In in) {
                     return nn::reduce(kind, in[0], {.axes = {1}});
                   }});
    all.push_back({name + ", keepdims", {{3, 0, 4}}, {3, 0, 1}, [kind](In in) {
                     return nn::reduce(kind, in[0], {.axes = {-1}, .keepdims = true});
                   }});
  }
  for (const nn::Reduction kind :
       {nn::Reduction::Sum, nn::Reduction::NormL1, nn::Reduction::NormL2, nn::Reduction::NormInf}) {
    all.push_back({"over the batch", {{0, 4}}, {4}, [kind](In in) {
                     return nn::reduce(kind, in[0], {.axes = {0}});
                   }});
    all.push_back({"of nothing", {{0, 4}}, {}, [kind](In in) { return nn::reduce(kind, in[0]); }});
  }
  this->check(all);
  const Array<T> none = Array<T>::empty({0, 2});
  EXPECT_TRUE(std::isnan(nn::mean(none).item()));
  EXPECT_EQ(nn::prod(none).item(), T(1));
  EXPECT_EQ(nn::logsumexp(none).item(), -std::numeric_limits<T>::infinity());
}

TYPED_TEST(EmptyBatch, ProductsAndConvolutions) {
  using T = TypeParam;
  using In = const Inputs<T>&;
  Empties<T> all;
  all.push_back({"linear", {{0, 5}, {3, 5}, {3}}, {0, 3}, [](In in) {
                   return nn::linear(in[0], in[1], in[2]);
                 }});
  all.push_back({"linear, rank 3", {{2, 0, 5}, {3, 5}}, {2, 0, 3}, [](In in) {
                   return nn::linear(in[0], in[1]);
                 }});
  all.push_back({"linear without features", {{4, 0}, {3, 0}}, {4, 3}, [](In in) {
                   return nn::linear(in[0], in[1]);
                 }});
  all.push_back(
      {"matmul", {{0, 5}, {5, 3}}, {0, 3}, [](In in) { return nn::matmul(in[0], in[1]); }});
  all.push_back({"matmul of no matrices", {{0, 4, 5}, {5, 3}}, {0, 4, 3}, [](In in) {
                   return nn::matmul(in[0], in[1]);
                 }});
  all.push_back({"matmul over nothing", {{4, 0}, {0, 3}}, {4, 3}, [](In in) {
                   return nn::matmul(in[0], in[1]);
                 }});
  all.push_back({"conv1d", {{0, 2, 9}, {4, 2, 3}, {4}}, {0, 4, 7}, [](In in) {
                   return nn::conv1d(in[0], in[1], in[2]);
                 }});
  all.push_back({"conv2d", {{0, 2, 9, 8}, {4, 2, 3, 3}, {4}}, {0, 4, 9, 8}, [](In in) {
                   return nn::conv2d(in[0], in[1], in[2], {.padding = 1});
                 }});
  all.push_back({"conv2d, depthwise", {{0, 2, 9, 8}, {4, 1, 3, 3}, {4}}, {0, 4, 7, 6}, [](In in) {
                   return nn::conv2d(in[0], in[1], in[2], {.groups = 2});
                 }});
  all.push_back(
      {"conv2d, channels last", {{0, 9, 8, 2}, {4, 2, 3, 3}, {4}}, {0, 7, 6, 4}, [](In in) {
         return nn::conv2d(in[0], in[1], in[2], {.format = DataFormat::NHWC});
       }});
  all.push_back({"conv2d, reflect", {{0, 2, 9, 8}, {4, 2, 3, 3}, {4}}, {0, 4, 9, 8}, [](In in) {
                   return nn::conv2d(in[0], in[1], in[2],
                                     {.padding = 1, .padding_value = nn::PaddingValue::Reflect});
                 }});
  all.push_back({"conv3d", {{0, 2, 4, 5, 6}, {4, 2, 3, 3, 3}, {4}}, {0, 4, 2, 3, 4}, [](In in) {
                   return nn::conv3d(in[0], in[1], in[2]);
                 }});
  this->check(all);
}

TYPED_TEST(EmptyBatch, Windows) {
  using T = TypeParam;
  using In = const Inputs<T>&;
  const std::vector<Shape> x{{0, 2, 6, 8}};
  Empties<T> all;
  all.push_back({"conv_transpose2d", {{0, 2, 4, 5}, {2, 3, 2, 2}, {3}}, {0, 3, 5, 6}, [](In in) {
                   return nn::conv_transpose2d(in[0], in[1], in[2]);
                 }});
  all.push_back({"max_pool2d", x, {0, 2, 3, 4}, [](In in) { return nn::max_pool2d(in[0], 2); }});
  all.push_back({"avg_pool2d", x, {0, 2, 3, 4}, [](In in) { return nn::avg_pool2d(in[0], 2); }});
  all.push_back({"lp_pool2d", x, {0, 2, 3, 4}, [](In in) { return nn::lp_pool2d(in[0], 2.0, 2); }});
  all.push_back(
      {"max_pool1d", {{0, 2, 6}}, {0, 2, 3}, [](In in) { return nn::max_pool1d(in[0], 2); }});
  all.push_back({"avg_pool3d", {{0, 2, 4, 4, 4}}, {0, 2, 2, 2, 2}, [](In in) {
                   return nn::avg_pool3d(in[0], 2);
                 }});
  all.push_back({"max_pool2d of no channels", {{2, 0, 6, 8}}, {2, 0, 3, 4}, [](In in) {
                   return nn::max_pool2d(in[0], 2);
                 }});
  all.push_back({"adaptive_avg_pool2d", x, {0, 2, 3, 3}, [](In in) {
                   return nn::adaptive_avg_pool2d(in[0], 3);
                 }});
  all.push_back({"adaptive_max_pool2d", x, {0, 2, 3, 3}, [](In in) {
                   return nn::adaptive_max_pool2d(in[0], 3);
                 }});
  all.push_back({"unfold2d", x, {0, 8, 35}, [](In in) { return nn::unfold2d(in[0], 2); }});
  all.push_back({"fold2d", {{0, 8, 35}}, {0, 2, 6, 8}, [](In in) {
                   return nn::fold2d(in[0], {6, 8}, 2);
                 }});
  all.push_back({"pad", x, {0, 2, 8, 8}, [](In in) { return nn::pad(in[0], {{1, 1}, {0, 0}}); }});
  this->check(all);
}

TYPED_TEST(EmptyBatch, Recurrent) {
  using T = TypeParam;
  using In = const Inputs<T>&;
  using Weights = nn::RecurrentParameters<T>;
  Empties<T> all;
  const auto shapes = [](Index gates) {
    return std::vector<Shape>{{5, 0, 3}, {gates * 4, 3}, {gates * 4, 4}, {gates * 4}, {gates * 4}};
  };
  const auto weights = [](In in) { return Weights(in[1], in[2], in[3], in[4]); };
  all.push_back(
      {"rnn", shapes(1), {5, 0, 4}, [=](In in) { return nn::rnn(in[0], {weights(in)}).y; }});
  all.push_back(
      {"lstm", shapes(4), {5, 0, 4}, [=](In in) { return nn::lstm(in[0], {weights(in)}).y; }});
  all.push_back(
      {"gru", shapes(3), {5, 0, 4}, [=](In in) { return nn::gru(in[0], {weights(in)}).y; }});
  this->check(all);
}

TYPED_TEST(EmptyBatch, Normalization) {
  using T = TypeParam;
  using In = const Inputs<T>&;
  const std::vector<Shape> images{{0, 4, 3}, {4}, {4}};
  Empties<T> all;
  all.push_back({"layer_norm", {{0, 4}, {4}, {4}}, {0, 4}, [](In in) {
                   return nn::layer_norm(in[0], in[1], in[2]);
                 }});
  all.push_back({"layer_norm of nothing", {{3, 0}, {0}, {0}}, {3, 0}, [](In in) {
                   return nn::layer_norm(in[0], in[1], in[2]);
                 }});
  all.push_back(
      {"rms_norm", {{0, 4}, {4}}, {0, 4}, [](In in) { return nn::rms_norm(in[0], in[1]); }});
  all.push_back(
      {"batch_norm", images, {0, 4, 3}, [](In in) { return nn::batch_norm(in[0], in[1], in[2]); }});
  all.push_back({"batch_norm of no places", {{2, 4, 0}, {4}, {4}}, {2, 4, 0}, [](In in) {
                   return nn::batch_norm(in[0], in[1], in[2]);
                 }});
  all.push_back({"batch_norm_inference", images, {0, 4, 3}, [](In in) {
                   const Array<T> ones = Array<T>::full(Shape{4}, T(1));
                   return nn::batch_norm_inference(in[0], ones, ones, in[1], in[2]);
                 }});
  all.push_back({"group_norm", images, {0, 4, 3}, [](In in) {
                   return nn::group_norm(in[0], 2, in[1], in[2]);
                 }});
  all.push_back({"instance_norm", images, {0, 4, 3}, [](In in) {
                   return nn::instance_norm(in[0], 1e-5, in[1], in[2]);
                 }});
  this->check(all);
}

TYPED_TEST(EmptyBatch, AttentionAndTables) {
  using T = TypeParam;
  using In = const Inputs<T>&;
  const auto attend = [](In in) { return nn::scaled_dot_product_attention(in[0], in[1], in[2]); };
  const auto causal = [](In in) {
    return nn::scaled_dot_product_attention(in[0], in[1], in[2], {.causal = true});
  };
  Empties<T> all;
  all.push_back({"attention", {{0, 2, 3, 4}, {0, 2, 5, 4}, {0, 2, 5, 6}}, {0, 2, 3, 6}, attend});
  all.push_back(
      {"attention, causal", {{0, 2, 3, 4}, {0, 2, 5, 4}, {0, 2, 5, 6}}, {0, 2, 3, 6}, causal});
  all.push_back({"attention of no queries", {{2, 0, 4}, {2, 5, 4}, {2, 5, 6}}, {2, 0, 6}, attend});
  all.push_back({"attention to no keys", {{2, 3, 4}, {2, 0, 4}, {2, 0, 6}}, {2, 3, 6}, attend});
  all.push_back({"attention without values", {{2, 3, 4}, {2, 5, 4}, {2, 5, 0}}, {2, 3, 0}, attend});
  all.push_back({"self_attention", {{0, 3, 4}, {4, 2}, {4, 2}, {4, 5}}, {0, 3, 5}, [](In in) {
                   return nn::self_attention(in[0], in[1], in[2], in[3]);
                 }});
  all.push_back({"embedding", {{5, 3}}, {0, 3}, [](In in) {
                   return nn::embedding(Labels::empty(Shape{0}), in[0]);
                 }});
  all.push_back({"embedding of rank 2", {{5, 3}}, {0, 4, 3}, [](In in) {
                   return nn::embedding(Labels::empty({0, 4}), in[0]);
                 }});
  for (const auto mode : {nn::BagMode::Sum, nn::BagMode::Mean, nn::BagMode::Max}) {
    all.push_back({"no bags", {{5, 3}}, {0, 3}, [mode](In in) {
                     return nn::embedding_bag(Labels::empty({0, 4}), in[0], mode);
                   }});
    all.push_back({"empty bags", {{5, 3}}, {2, 3}, [mode](In in) {
                     return nn::embedding_bag(Labels::empty({2, 0}), in[0], mode);
                   }});
    all.push_back({"empty bags by offsets", {{5, 3}}, {2, 3}, [mode](In in) {
                     const Labels offsets{0, 0};
                     return nn::embedding_bag(Labels::empty(Shape{0}), in[0], mode,
                                              {.offsets = offsets});
                   }});
  }
  this->check(all);
}

TYPED_TEST(EmptyBatch, Losses) {
  using T = TypeParam;
  using In = const Inputs<T>&;
  Empties<T> all;
  const Labels none = Labels::empty(Shape{0});
  for (const ReductionMode mode : {ReductionMode::None, ReductionMode::Mean, ReductionMode::Sum}) {
    const bool each = mode == ReductionMode::None;
    const Shape elements = each ? Shape{0, 4} : Shape{};
    const Shape rows = each ? Shape{0} : Shape{};
    const std::string suffix = std::string(", ").append(to_string(mode));
    const auto add = [&](const char* name, std::vector<Shape> inputs, const Shape& result,
                         auto run) {
      all.push_back({name + suffix, std::move(inputs), result, run});
    };
    const std::vector<Shape> pair{{0, 4}, {0, 4}};
    const std::vector<Shape> one{{0, 4}};
    for (const nn::LossRow& row : nn::kLossTable) {
      all.push_back({std::string(row.name) + suffix, pair, elements,
                     [kind = row.kind, third = !row.third.empty(), mode](In in) {
                       return nn::elementwise_loss<T>(
                           kind, in[1], in[0], mode,
                           {.third = third ? Var<T>(Array<T>::empty({0, 4})) : Var<T>()});
                     }});
    }
    add("cross_entropy", one, rows,
        [=](In in) { return nn::cross_entropy(none, in[0], {.mode = mode}); });
    add("cross_entropy, smooth", one, rows, [=](In in) {
      return nn::cross_entropy(none, in[0],
                               {.mode = mode, .ignore_index = 1, .label_smoothing = 0.1});
    });
    add("cross_entropy, soft", pair, rows,
        [=](In in) { return nn::cross_entropy<T>(in[1], in[0], {.mode = mode}); });
    add("sparse", one, rows,
        [=](In in) { return nn::sparse_categorical_cross_entropy(none, in[0], mode); });
    add("categorical", pair, rows,
        [=](In in) { return nn::categorical_cross_entropy<T>(in[1], in[0], mode); });
    add("nll", one, rows, [=](In in) { return nn::nll_loss(none, in[0], mode); });
    add("multi_margin", one, rows, [=](In in) { return nn::multi_margin_loss(none, in[0], mode); });
    add("multi_label_margin", one, rows, [=](In in) {
      return nn::multi_label_margin_loss(Labels::empty({0, 4}), in[0], mode);
    });
    add("multi_label_soft_margin", one, rows, [=](In in) {
      return nn::multi_label_soft_margin_loss<T>(Array<T>::empty({0, 4}), in[0], mode);
    });
    add("cosine_embedding", pair, rows, [=](In in) {
      return nn::cosine_embedding_loss<T>(in[0], in[1], Array<T>::empty(Shape{0}), 0.0, mode);
    });
    add("contrastive", pair, rows, [=](In in) {
      return nn::contrastive_loss<T>(Array<T>::empty(Shape{0}), in[0], in[1], 1.0, mode);
    });
    add("triplet", {{0, 4}, {0, 4}, {0, 4}}, rows,
        [=](In in) { return nn::triplet_margin_loss<T>(in[0], in[1], in[2], mode); });
    add("ctc", {{6, 0, 5}}, rows, [=](In in) {
      return nn::ctc_loss(Labels::empty({0, 3}), in[0], none, none, mode);
    });
  }
  all.push_back({"kl_div, batch mean", {{0, 4}, {0, 4}}, {}, [](In in) {
                   return nn::kl_div_loss<T>(in[1], in[0], ReductionMode::Mean,
                                             {.batch_mean = true});
                 }});
  this->check(all);
}

}  // namespace
}  // namespace lamina
