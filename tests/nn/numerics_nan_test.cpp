// The contract of docs/numerics.md on NaN: put at any lane of any input, it reaches every result
// that depends on that element, and changes no other by a single bit.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "lamina/nn/activation.hpp"
#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/attention.hpp"
#include "lamina/nn/conv.hpp"
#include "lamina/nn/ctc.hpp"
#include "lamina/nn/embedding.hpp"
#include "lamina/nn/gated.hpp"
#include "lamina/nn/linear.hpp"
#include "lamina/nn/local_response_norm.hpp"
#include "lamina/nn/loss.hpp"
#include "lamina/nn/loss_embedding.hpp"
#include "lamina/nn/loss_multilabel.hpp"
#include "lamina/nn/normalization.hpp"
#include "lamina/nn/prelu.hpp"
#include "lamina/nn/reduction.hpp"
#include "lamina/nn/softmax.hpp"
#include "lamina/nn/update.hpp"
#include "support/expect.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

constexpr Index kRows = 3;
constexpr Index kColumns = 37;  // two vectors of the widest kind, and a tail

/// Which results depend on the element (row, column).
enum class Reach : std::uint8_t { Element, Row, Column, All };

/// A function of a (3, 37) array.
template <class T>
struct Member {
  std::string name;
  Reach reach;
  std::function<Array<T>(const View<T>&)> run;
};
template <class T>
using Members = std::vector<Member<T>>;

template <class T>
class NanContract : public ::testing::Test {
 protected:
  /// Positive, so that logarithms and roots have values.
  const Array<T> x_ = positive(1);
  const Array<T> other_ = positive(2);
  const Array<T> dy_ = positive(3);

  static Array<T> positive(std::uint32_t seed) {
    Array<T> all = testing::values<T>({kRows, kColumns}, seed);
    for (T& value : all) {
      value = T(0.1) + std::abs(value) * T(0.4);
    }
    return all;
  }

  /// Does result `position` of `shape` depend on element (row, column)?
  static bool depends(Reach reach, const Shape& shape, Index position, Index row, Index column) {
    switch (reach) {
      case Reach::Element:
        return position == row * kColumns + column;
      case Reach::Row:
        return shape.rank() == 1 ? position == row : position / kColumns == row;
      case Reach::Column:
        return position % kColumns == column;
      case Reach::All:
        return true;
    }
    return false;
  }

  void check(const Members<T>& members) const {
    test::for_each_target([&] {
      for (const Member<T>& member : members) {
        SCOPED_TRACE(member.name);
        const Array<T> expected = member.run(x_);
        for (Index column = 0; column < kColumns; ++column) {
          const Index row = column % kRows;
          Array<T> spoiled = x_;
          spoiled(row, column) = std::numeric_limits<T>::quiet_NaN();
          const Array<T> got = member.run(spoiled);
          ASSERT_EQ(got.shape(), expected.shape());
          for (Index i = 0; i < got.size(); ++i) {
            if (depends(member.reach, got.shape(), i, row, column)) {
              ASSERT_TRUE(std::isnan(got.data()[i]))
                  << "NaN at " << row << ", " << column << ", result " << i;
            } else {
              ASSERT_EQ(got.data()[i], expected.data()[i])
                  << "NaN at " << row << ", " << column << ", result " << i;
            }
          }
        }
      }
    });
  }
};

using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(NanContract, Types);

TYPED_TEST(NanContract, ElementByElement) {
  using T = TypeParam;
  Members<T> members;
  const auto add = [&](const char* what, std::string_view name, auto run) {
    members.push_back({std::string(what).append(name), Reach::Element, std::move(run)});
  };
  const View<T> other = this->other_;
  const View<T> dy = this->dy_;
  // No activation is flat here; on a flat stretch the gradient is 0 whatever dy is, as in PyTorch.
  const Array<T> steep = Array<T>::full({kRows, kColumns}, T(0.75));
  for (const nn::ActivationRow& row : nn::kActivationTable) {
    const nn::Activation kind = row.kind;
    add("", row.name, [kind](const View<T>& x) { return nn::activation(x, kind); });
    add("gate ", row.name,
        [kind, other](const View<T>& x) { return nn::gated_activation<T>(other, x, kind); });
    add("gated ", row.name,
        [kind, other](const View<T>& x) { return nn::gated_activation<T>(x, other, kind); });
    add("gradient dy ", row.name,
        [kind, &steep](const View<T>& x) { return nn::activation_backward<T>(x, steep, kind); });
    if (kind != nn::Activation::Identity) {  // whose gradient is dy alone
      add("gradient x ", row.name,
          [kind, dy](const View<T>& x) { return nn::activation_backward<T>(dy, x, kind); });
    }
  }
  for (const nn::UnaryRow& row : nn::kUnaryTable) {
    add("", row.name, [op = row.op](const View<T>& x) { return nn::unary(op, x); });
  }
  for (const nn::BinaryRow& row : nn::kBinaryTable) {
    add("left ", row.name,
        [op = row.op, other](const View<T>& x) { return nn::binary<T>(op, x, other); });
    add("right ", row.name,
        [op = row.op, other](const View<T>& x) { return nn::binary<T>(op, other, x); });
  }
  const Array<T> slope{T(0.3)};
  add("", "prelu", [&slope](const View<T>& x) { return nn::prelu<T>(x, slope); });
  add("gradient dy ", "prelu",
      [&](const View<T>& x) { return nn::prelu_backward_input<T>(x, other, slope); });
  add("gradient x ", "prelu",
      [&](const View<T>& x) { return nn::prelu_backward_input<T>(dy, x, slope); });
  for (const nn::LossRow& row : nn::kLossTable) {
    const nn::LossOptions<T> options{.third = row.third.empty() ? View<T>() : dy};
    const auto none = ReductionMode::None;
    const nn::Loss kind = row.kind;
    add("loss prediction ", row.name,
        [=](const View<T>& x) { return nn::elementwise_loss<T>(kind, other, x, none, options); });
    add("loss target ", row.name,
        [=](const View<T>& x) { return nn::elementwise_loss<T>(kind, x, other, none, options); });
    add("loss gradient dy ", row.name, [=](const View<T>& x) {
      return nn::elementwise_loss_backward<T>(kind, x, dy, other, none, options);
    });
  }
  this->check(members);
}

TYPED_TEST(NanContract, UpdateRules) {
  using T = TypeParam;
  Members<T> members;
  const std::vector<nn::UpdateOptions> rules{nn::SgdOptions{.momentum = 0.9},
                                             nn::AdamOptions{},
                                             nn::AdamOptions{.amsgrad = true},
                                             nn::AdamWOptions{},
                                             nn::AdamaxOptions{},
                                             nn::RAdamOptions{},
                                             nn::RmsPropOptions{},
                                             nn::AdagradOptions{},
                                             nn::AdadeltaOptions{},
                                             nn::LionOptions{}};
  for (const nn::UpdateOptions& rule : rules) {
    const std::string name(nn::update_name(rule));
    const auto step = [rule](const View<T>& gradient, const View<T>& start) {
      Array<T> p(start);
      std::vector<Array<T>> slots;
      std::vector<MutView<T>> views;
      for (const nn::UpdateSlot& slot : nn::update_slots(rule)) {
        slots.push_back(Array<T>::full(start.shape(), static_cast<T>(slot.initial_value)));
      }
      for (Array<T>& slot : slots) {
        views.push_back(slot.view());
      }
      nn::update_inplace<T>(gradient, p, views, rule, 1);
      return p;
    };
    members.push_back({name + " gradient", Reach::Element,
                       [=, this](const View<T>& x) { return step(x, this->other_); }});
    members.push_back({name + " parameter", Reach::Element,
                       [=, this](const View<T>& x) { return step(this->dy_, x); }});
  }
  this->check(members);
}

TYPED_TEST(NanContract, Reductions) {
  using T = TypeParam;
  Members<T> members;
  for (const nn::ReductionInfo& row : nn::kReductions) {
    const nn::Reduction kind = row.kind;
    const std::string name(row.name);
    members.push_back({name + " of rows", Reach::Row,
                       [kind](const View<T>& x) { return nn::reduce(kind, x, {.axes = {1}}); }});
    members.push_back({name + " of columns", Reach::Column,
                       [kind](const View<T>& x) { return nn::reduce(kind, x, {.axes = {0}}); }});
    members.push_back(
        {name + " of all", Reach::All, [kind](const View<T>& x) { return nn::reduce(kind, x); }});
  }
  for (const auto kind : {nn::Reduction::Sum, nn::Reduction::Mean}) {
    members.push_back(
        {"gradient dy", Reach::Element, [kind](const View<T>& x) {
           return nn::reduce_backward<T>(kind, x, {1, kRows, kColumns}, {}, {}, {.axes = {0}});
         }});
  }
  this->check(members);
}

TYPED_TEST(NanContract, RowsOfSoftmaxAndNormalization) {
  using T = TypeParam;
  const View<T> other = this->other_;
  const View<T> dy = this->dy_;
  const Array<T> y = nn::softmax(this->other_);
  const Array<T> log_y = nn::log_softmax(this->other_);
  Members<T> members{
      {"softmax", Reach::Row, [](const View<T>& x) { return nn::softmax(x); }},
      {"log_softmax", Reach::Row, [](const View<T>& x) { return nn::log_softmax(x); }},
      {"softmin", Reach::Row, [](const View<T>& x) { return nn::softmin(x); }},
      {"softmax of columns", Reach::Column,
       [](const View<T>& x) { return nn::softmax(x, {.axis = 0}); }},
      {"log_softmax of columns", Reach::Column,
       [](const View<T>& x) { return nn::log_softmax(x, {.axis = 0}); }},
      {"softmax dy", Reach::Row, [&](const View<T>& x) { return nn::softmax_backward<T>(x, y); }},
      {"softmax y", Reach::Row, [&](const View<T>& x) { return nn::softmax_backward<T>(dy, x); }},
      {"log_softmax dy", Reach::Row,
       [&](const View<T>& x) { return nn::log_softmax_backward<T>(x, log_y); }},
      {"layer_norm", Reach::Row, [](const View<T>& x) { return nn::layer_norm(x); }},
      {"layer_norm dy", Reach::Row,
       [&](const View<T>& x) { return nn::layer_norm_backward<T>(x, other).dx; }},
      {"layer_norm x", Reach::Row,
       [&](const View<T>& x) { return nn::layer_norm_backward<T>(dy, x).dx; }},
      {"layer_norm dgamma", Reach::Column,
       [&](const View<T>& x) { return nn::layer_norm_backward<T>(x, other).dgamma; }},
      {"layer_norm dbeta", Reach::Column,
       [&](const View<T>& x) { return nn::layer_norm_backward<T>(x, other).dbeta; }},
      {"rms_norm", Reach::Row, [](const View<T>& x) { return nn::rms_norm(x); }},
      {"rms_norm dy", Reach::Row,
       [&](const View<T>& x) { return nn::rms_norm_backward<T>(x, other).dx; }},
      {"rms_norm x", Reach::Row,
       [&](const View<T>& x) { return nn::rms_norm_backward<T>(dy, x).dx; }},
      {"batch_norm", Reach::Column, [](const View<T>& x) { return nn::batch_norm(x); }},
      {"batch_norm dy", Reach::Column,
       [&](const View<T>& x) { return nn::batch_norm_backward<T>(x, other).dx; }},
      {"batch_norm x", Reach::Column,
       [&](const View<T>& x) { return nn::batch_norm_backward<T>(dy, x).dx; }},
      {"batch_norm, channels first", Reach::Row,
       [](const View<T>& x) {
         return Array<T>(
             nn::batch_norm(x.reshape({1, kRows, kColumns})).reshape({kRows, kColumns}));
       }},
      {"group_norm", Reach::Row, [](const View<T>& x) { return nn::group_norm(x, 1); }},
      {"instance_norm", Reach::Row,
       [](const View<T>& x) {
         return Array<T>(
             nn::instance_norm(x.reshape({1, kRows, kColumns})).reshape({kRows, kColumns}));
       }},
      {"batch_norm_inference", Reach::Element,
       [&](const View<T>& x) {
         return nn::batch_norm_inference<T>(x, other.select(0, 0), other.select(0, 1));
       }},
      {"batch_norm_inference dy", Reach::Element,
       [&](const View<T>& x) {
         return nn::batch_norm_inference_backward<T>(x, other, other.select(0, 0),
                                                     other.select(0, 1))
             .dx;
       }},
      {"local_response_norm, one channel", Reach::Element,
       [](const View<T>& x) { return nn::local_response_norm(x, 1); }},
      {"local_response_norm, all channels", Reach::Row,
       [](const View<T>& x) { return nn::local_response_norm(x, 2 * kColumns + 1); }},
  };
  this->check(members);
}

TYPED_TEST(NanContract, LossesOfRows) {
  using T = TypeParam;
  const Array<std::int64_t> labels{5, 0, 36};
  const Array<std::int64_t> several = [] {
    Array<std::int64_t> all = Array<std::int64_t>::full({kRows, kColumns}, -1);
    all(0, 0) = 3;
    all(1, 0) = 36;
    all(2, 0) = 0;
    return all;
  }();
  const Array<T> soft = nn::softmax(this->other_);
  const Array<T> signs{T(1), T(-1), T(1)};
  const View<T> other = this->other_;
  const View<T> dy = this->dy_;
  const Array<T> row_dy{T(1), T(2), T(3)};
  Members<T> members;
  const auto add = [&](const char* name, auto run) {
    members.push_back(
        {name, Reach::Row, [run](const View<T>& x) { return run(x, ReductionMode::None); }});
    members.push_back({std::string(name) + ", mean", Reach::All,
                       [run](const View<T>& x) { return run(x, ReductionMode::Mean); }});
  };
  using Mode = ReductionMode;
  add("cross_entropy",
      [&](const View<T>& x, Mode m) { return nn::cross_entropy(labels, x, {.mode = m}); });
  add("cross_entropy, soft",
      [&](const View<T>& x, Mode m) { return nn::cross_entropy<T>(soft, x, {.mode = m}); });
  add("cross_entropy, target",
      [&](const View<T>& x, Mode m) { return nn::cross_entropy<T>(x, other, {.mode = m}); });
  add("categorical, prediction",
      [&](const View<T>& x, Mode m) { return nn::categorical_cross_entropy<T>(soft, x, m); });
  add("categorical, target",
      [&](const View<T>& x, Mode m) { return nn::categorical_cross_entropy<T>(x, soft, m); });
  add("sparse, smoothed", [&](const View<T>& x, Mode m) {
    return nn::sparse_categorical_cross_entropy(labels, x, m, {.label_smoothing = 0.1});
  });
  add("nll, smoothed", [&](const View<T>& x, Mode m) {
    return nn::nll_loss(labels, x, m, {.label_smoothing = 0.1});
  });
  add("multi_margin",
      [&](const View<T>& x, Mode m) { return nn::multi_margin_loss(labels, x, m); });
  add("multi_label_margin",
      [&](const View<T>& x, Mode m) { return nn::multi_label_margin_loss(several, x, m); });
  add("multi_label_soft_margin",
      [&](const View<T>& x, Mode m) { return nn::multi_label_soft_margin_loss<T>(soft, x, m); });
  add("cosine_embedding", [&](const View<T>& x, Mode m) {
    return nn::cosine_embedding_loss<T>(x, other, signs.view(), 0.1, m);
  });
  add("contrastive",
      [&](const View<T>& x, Mode m) { return nn::contrastive_loss<T>(signs, other, x, 1, m); });
  add("triplet, anchor",
      [&](const View<T>& x, Mode m) { return nn::triplet_margin_loss<T>(x, other, dy, m); });
  add("triplet, positive",
      [&](const View<T>& x, Mode m) { return nn::triplet_margin_loss<T>(other, x, dy, m); });
  add("triplet, negative", [&](const View<T>& x, Mode m) {
    return nn::triplet_margin_loss<T>(other, dy, x, m, {.swap = true});
  });
  members.push_back({"cross_entropy gradient", Reach::Row, [&](const View<T>& x) {
                       return nn::cross_entropy_backward<T>(row_dy, labels, x,
                                                            {.mode = Mode::None});
                     }});
  members.push_back({"cross_entropy gradient, soft", Reach::Row, [&](const View<T>& x) {
                       return nn::cross_entropy_backward<T>(row_dy, soft, x, {.mode = Mode::None});
                     }});
  members.push_back({"cosine_embedding gradient", Reach::Row, [&](const View<T>& x) {
                       return nn::cosine_embedding_loss_backward<T>(row_dy, x, other, signs.view(),
                                                                    -1, Mode::None)
                           .x2;
                     }});
  const Array<std::int64_t> frames{3};
  const Array<std::int64_t> letters{2};
  const Array<std::int64_t> spelled = Array<std::int64_t>{5, 20}.reshape({1, 2});
  members.push_back({"ctc", Reach::All, [&](const View<T>& x) {
                       // Every class of a frame is summed only by log_softmax; ctc itself reads
                       // blank and labels.
                       return nn::ctc_loss(spelled,
                                           nn::log_softmax(x.reshape({kRows, 1, kColumns})), frames,
                                           letters, Mode::None);
                     }});
  this->check(members);
}

TYPED_TEST(NanContract, Products) {
  using T = TypeParam;
  const Array<T> square = testing::values<T>({kColumns, kColumns}, 4);
  const Array<T> weight = testing::values<T>({5, kColumns}, 5);
  const Array<T> left = testing::values<T>({kRows, kRows}, 6);
  const Array<T> five = testing::values<T>({kRows, 5}, 7);
  const View<T> other = this->other_;
  const View<T> dy = this->dy_;
  const auto as_rows = [](const Array<T>& y) { return nn::sum(y, {.axes = {1}}); };
  Members<T> members{
      {"matmul left", Reach::Row, [&](const View<T>& x) { return nn::matmul<T>(x, square); }},
      {"matmul right", Reach::Column, [&](const View<T>& x) { return nn::matmul<T>(left, x); }},
      {"matmul gradient a", Reach::Row,
       [&](const View<T>& x) {
         return nn::matmul_backward_a<T>(x, square, {kRows, kColumns});
       }},
      {"matmul gradient b", Reach::Column,
       [&](const View<T>& x) {
         return nn::matmul_backward_b<T>(x, left, {kRows, kColumns});
       }},
      {"linear x", Reach::Row, [&](const View<T>& x) { return as_rows(nn::linear<T>(x, weight)); }},
      {"linear bias", Reach::Column,
       [&](const View<T>& x) { return nn::linear<T>(other, square, nn::sum(x, {.axes = {0}})); }},
      {"linear gradient of weight", Reach::Column,
       [&](const View<T>& x) { return nn::linear_backward_weight<T>(five, x); }},
      {"linear gradient of bias", Reach::Column,
       [&](const View<T>& x) { return nn::linear_backward_bias<T>(x); }},
      {"attention queries", Reach::Row,
       [&](const View<T>& x) { return nn::scaled_dot_product_attention<T>(x, other, dy); }},
      {"attention keys", Reach::All,
       [&](const View<T>& x) { return nn::scaled_dot_product_attention<T>(other, x, dy); }},
      {"attention values", Reach::Column,
       [&](const View<T>& x) { return nn::scaled_dot_product_attention<T>(other, dy, x); }},
      {"pointwise convolution", Reach::Column,
       [](const View<T>& x) {
         const Array<T> w = testing::values<T>({kRows, kRows, 1}, 8);
         return nn::conv1d<T>(x, w);
       }},
      {"depthwise convolution over all", Reach::Row,
       [](const View<T>& x) {
         const Array<T> w = testing::values<T>({kRows, 1, 1, 2 * kColumns - 1}, 9);
         return Array<T>(nn::depthwise_conv2d<T>(x.reshape({kRows, 1, kColumns}), w,
                                                 {.padding = PaddingMode::same()})
                             .reshape({kRows, kColumns}));
       }},
      {"convolution of all channels and places", Reach::All,
       [](const View<T>& x) {
         const Array<T> w = testing::values<T>({2, kRows, 2 * kColumns - 1}, 10);
         return nn::conv1d<T>(x, w, {.padding = PaddingMode::same()});
       }},
  };
  this->check(members);
}

TYPED_TEST(NanContract, Tables) {
  using T = TypeParam;
  const Array<std::int64_t> rows{0, 1, 2};
  const Array<std::int64_t> bags = Array<std::int64_t>{0, 0, 1, 1, 2, 2}.reshape({3, 2});
  Members<T> members{
      {"embedding", Reach::Element, [&](const View<T>& x) { return nn::embedding<T>(rows, x); }},
      {"embedding gradient", Reach::Element,
       [&](const View<T>& x) { return nn::embedding_backward<T>(x, rows, 3); }},
      {"glu", Reach::Element,
       [](const View<T>& x) {
         const std::vector<View<T>> both{x, x};
         return nn::glu(concatenate(both, 1));
       }},
  };
  for (const auto mode : {nn::BagMode::Sum, nn::BagMode::Mean, nn::BagMode::Max}) {
    members.push_back(
        {std::string("bag ").append(to_string(mode)), Reach::Element,
         [&bags, mode](const View<T>& x) { return nn::embedding_bag<T>(bags, x, mode); }});
  }
  this->check(members);
}

}  // namespace
}  // namespace lamina
