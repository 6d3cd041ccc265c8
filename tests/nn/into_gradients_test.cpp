#include "nn/into_gradients.hpp"
#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/attention.hpp"
#include "lamina/nn/comparison.hpp"
#include "lamina/nn/loss.hpp"
#include "lamina/nn/prelu.hpp"
#include "lamina/nn/reduction.hpp"

namespace lamina {
namespace {

using test::Freedom;
using test::IntoCases;
using Labels = Array<std::int64_t>;

constexpr auto kNone = ReductionMode::None;

template <class T>
class IntoGradients : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(IntoGradients, Types);

TYPED_TEST(IntoGradients, OfArithmetic) {
  using T = TypeParam;
  using C = IntoCases<T>;
  for (const nn::BinaryRow& row : nn::kBinaryTable) {
    const std::string name = std::string(row.name) + "_backward";
    for (const Shape& a : {Shape{2, 4}, Shape{4}, Shape{2, 1}}) {
      const Freedom freedom{.legal = {"1-", "1+", "2-"}};
      C::check(
          name.c_str(), {{2, 4}, a, {2, 4}},
          [op = row.op](LAMINA_V) { return nn::binary_backward_a<T>(op, v[0], v[1], v[2]); },
          [op = row.op](LAMINA_V, LAMINA_OUT) {
            nn::binary_backward_a_into<T>(op, v[0], v[1], v[2], out);
          },
          a.rank() == 2 && a[1] == 4 ? Freedom{.legal = {"2-"}} : freedom);
      C::check(
          name.c_str(), {{2, 4}, {2, 4}, {2, 4}},
          [op = row.op](LAMINA_V) { return nn::binary_backward_b<T>(op, v[0], v[1], v[2]); },
          [op = row.op](LAMINA_V, LAMINA_OUT) {
            nn::binary_backward_b_into<T>(op, v[0], v[1], v[2], out);
          },
          {.legal = {"1-"}});
    }
  }
  C::check(
      "sum_to_shape", {{3, 2, 4}},
      [](LAMINA_V) {
        return nn::sum_to_shape<T>(v[0], {2, 1});
      },
      [](LAMINA_V, LAMINA_OUT) { nn::sum_to_shape_into<T>(v[0], out); },
      {.legal = {"0+", "0-", "0:0", "0:2"}, .free_out = {"+", "-"}});
  C::check(
      "clamp_backward", {{3, 4}, {3, 4}},
      [](LAMINA_V) { return nn::clamp_backward<T>(v[0], v[1], T(0.4), T(0.6)); },
      [](LAMINA_V, LAMINA_OUT) { nn::clamp_backward_into<T>(v[0], v[1], T(0.4), T(0.6), out); },
      {.in_place = {0, 1}});
  C::check(
      "prelu_backward_slope", {{2, 3, 4}, {2, 3, 4}, {3}},
      [](LAMINA_V) { return nn::prelu_backward_slope<T>(v[0], v[1], v[2]); },
      [](LAMINA_V, LAMINA_OUT) { nn::prelu_backward_slope_into<T>(v[0], v[1], v[2], out); });
  static const Array<bool> condition{true, false, true, true};
  C::check(
      "where_backward", {{2, 4}},
      [](LAMINA_V) {
        return nn::where_backward<T>(v[0], condition, {2, 1}, {4}).da;
      },
      [](LAMINA_V, LAMINA_OUT) { nn::where_backward_into<T>(v[0], condition, out, {}); },
      {.legal = {"0+"}, .free_out = {"-"}, .optional_out = true});
  C::check(
      "where_backward", {{2, 4}},
      [](LAMINA_V) {
        return nn::where_backward<T>(v[0], condition, {2, 1}, {2, 4}).db;
      },
      [](LAMINA_V, LAMINA_OUT) { nn::where_backward_into<T>(v[0], condition, {}, out); },
      {.legal = {"0+"}, .free_out = {"-"}, .optional_out = true});
}

TYPED_TEST(IntoGradients, OfClassLosses) {
  using T = TypeParam;
  using C = IntoCases<T>;
  static const Labels labels{0, 3, 1};
  static const Labels several{{0, 2, -1, -1}, {3, -1, 0, 0}, {1, 0, 2, 3}};
  const Shape x{3, 4};
  for (const ReductionMode mode : {ReductionMode::None, ReductionMode::Mean, ReductionMode::Sum}) {
    const bool none = mode == ReductionMode::None;
    const Shape dy = none ? Shape{3} : Shape{};
    const nn::CrossEntropyOptions<T> cross{.mode = mode, .label_smoothing = 0.1};
    C::check(
        "cross_entropy", {x}, [=](LAMINA_V) { return nn::cross_entropy<T>(labels, v[0], cross); },
        [=](LAMINA_V, LAMINA_OUT) { nn::cross_entropy_into<T>(labels, v[0], out, cross); },
        {.legal = {"0:1"}});
    C::check(
        "cross_entropy", {x, x}, [=](LAMINA_V) { return nn::cross_entropy<T>(v[0], v[1], cross); },
        [=](LAMINA_V, LAMINA_OUT) { nn::cross_entropy_into<T>(v[0], v[1], out, cross); });
    // The loss and its gradient by turns, the other one beside it.
    for (const bool gradient : {false, true}) {
      const auto of = [=](nn::LossAndGradient<T> both) {
        return gradient ? both.gradient : both.loss;
      };
      const auto with = [=](const MutView<T>& out, const auto& write) {
        Array<T> other = Array<T>::empty(gradient ? dy : x);
        gradient ? write(other.view(), out) : write(out, other.view());
      };
      C::check(
          "cross_entropy", {x},
          [=](LAMINA_V) { return of(nn::cross_entropy_with_gradient<T>(labels, v[0], cross)); },
          [=](LAMINA_V, LAMINA_OUT) {
            with(out, [&](const MutView<T>& loss, const MutView<T>& dx) {
              nn::cross_entropy_with_gradient_into<T>(labels, v[0], loss, dx, cross);
            });
          },
          {.legal = {"0:1"}});
      C::check(
          "cross_entropy", {x, x},
          [=](LAMINA_V) { return of(nn::cross_entropy_with_gradient<T>(v[0], v[1], cross)); },
          [=](LAMINA_V, LAMINA_OUT) {
            with(out, [&](const MutView<T>& loss, const MutView<T>& dx) {
              nn::cross_entropy_with_gradient_into<T>(v[0], v[1], loss, dx, cross);
            });
          });
    }
    C::check(
        "cross_entropy", {dy, x, x},
        [=](LAMINA_V) { return nn::cross_entropy_backward_true<T>(v[0], v[1], v[2], cross); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::cross_entropy_backward_true_into<T>(v[0], v[1], v[2], out, cross);
        });
    C::check(
        "sparse_categorical_cross_entropy", {x},
        [=](LAMINA_V) { return nn::sparse_categorical_cross_entropy<T>(labels, v[0], mode); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::sparse_categorical_cross_entropy_into<T>(labels, v[0], out, mode);
        },
        {.legal = {"0:1"}});
    C::check(
        "categorical_cross_entropy", {x, x},
        [=](LAMINA_V) { return nn::categorical_cross_entropy<T>(v[0], v[1], mode); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::categorical_cross_entropy_into<T>(v[0], v[1], out, mode);
        });
    C::check(
        "categorical_cross_entropy", {dy, x, x},
        [=](LAMINA_V) {
          return nn::categorical_cross_entropy_backward_true<T>(v[0], v[1], v[2], mode);
        },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::categorical_cross_entropy_backward_true_into<T>(v[0], v[1], v[2], out, mode);
        });
    C::check(
        "nll_loss", {x}, [=](LAMINA_V) { return nn::nll_loss<T>(labels, v[0], mode); },
        [=](LAMINA_V, LAMINA_OUT) { nn::nll_loss_into<T>(labels, v[0], out, mode); },
        {.legal = {"0:1"}});
    C::check(
        "multi_margin_loss", {x},
        [=](LAMINA_V) { return nn::multi_margin_loss<T>(labels, v[0], mode); },
        [=](LAMINA_V, LAMINA_OUT) { nn::multi_margin_loss_into<T>(labels, v[0], out, mode); },
        {.legal = {"0:1"}});
    C::check(
        "multi_margin_loss", {dy, x},
        [=](LAMINA_V) { return nn::multi_margin_loss_backward<T>(v[0], labels, v[1], mode); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::multi_margin_loss_backward_into<T>(v[0], labels, v[1], out, mode);
        });
    C::check(
        "multi_label_margin_loss", {x},
        [=](LAMINA_V) { return nn::multi_label_margin_loss<T>(several, v[0], mode); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::multi_label_margin_loss_into<T>(several, v[0], out, mode);
        });
    C::check(
        "multi_label_margin_loss", {dy, x},
        [=](LAMINA_V) {
          return nn::multi_label_margin_loss_backward<T>(v[0], several, v[1], mode);
        },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::multi_label_margin_loss_backward_into<T>(v[0], several, v[1], out, mode);
        });
    C::check(
        "multi_label_soft_margin_loss", {x, x, {4}},
        [=](LAMINA_V) { return nn::multi_label_soft_margin_loss<T>(v[0], v[1], mode, v[2]); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::multi_label_soft_margin_loss_into<T>(v[0], v[1], out, mode, v[2]);
        },
        {.optional = {2}});
    C::check(
        "multi_label_soft_margin_loss", {dy, x, x},
        [=](LAMINA_V) {
          return nn::multi_label_soft_margin_loss_backward<T>(v[0], v[1], v[2], mode);
        },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::multi_label_soft_margin_loss_backward_into<T>(v[0], v[1], v[2], out, mode);
        });
  }
}

TYPED_TEST(IntoGradients, OfVectorAndSequenceLosses) {
  using T = TypeParam;
  using C = IntoCases<T>;
  static const Array<T> signs{1, -1, 1};
  const Shape x{3, 4};
  for (const ReductionMode mode : {ReductionMode::None, ReductionMode::Mean}) {
    const Shape dy = mode == ReductionMode::None ? Shape{3} : Shape{};
    C::check(
        "cosine_embedding_loss", {x, x},
        [=](LAMINA_V) { return nn::cosine_embedding_loss<T>(v[0], v[1], signs.view(), 0.1, mode); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::cosine_embedding_loss_into<T>(v[0], v[1], signs.view(), out, 0.1, mode);
        });
    C::check(
        "contrastive_loss", {{3}, x, x},
        [=](LAMINA_V) { return nn::contrastive_loss<T>(v[0], v[1], v[2], 1, mode); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::contrastive_loss_into<T>(v[0], v[1], v[2], out, 1, mode);
        });
    C::check(
        "triplet_margin_loss", {x, x, x},
        [=](LAMINA_V) { return nn::triplet_margin_loss<T>(v[0], v[1], v[2], mode); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::triplet_margin_loss_into<T>(v[0], v[1], v[2], out, mode);
        });
    for (const bool second : {false, true}) {
      const auto pick = [=](nn::PairGradients<T> d) { return second ? d.x2 : d.x1; };
      C::check(
          "cosine_embedding_loss", {dy, x, x},
          [=](LAMINA_V) {
            return pick(
                nn::cosine_embedding_loss_backward<T>(v[0], v[1], v[2], signs.view(), 0.1, mode));
          },
          [=](LAMINA_V, LAMINA_OUT) {
            nn::cosine_embedding_loss_backward_into<T>(v[0], v[1], v[2], signs.view(),
                                                       second ? MutView<T>() : out,
                                                       second ? out : MutView<T>(), 0.1, mode);
          },
          {.optional_out = true});
      C::check(
          "contrastive_loss", {dy, {3}, x, x},
          [=](LAMINA_V) {
            return pick(nn::contrastive_loss_backward<T>(v[0], v[1], v[2], v[3], 1, mode));
          },
          [=](LAMINA_V, LAMINA_OUT) {
            nn::contrastive_loss_backward_into<T>(v[0], v[1], v[2], v[3],
                                                  second ? MutView<T>() : out,
                                                  second ? out : MutView<T>(), 1, mode);
          },
          {.optional_out = true});
    }
    for (const std::size_t which : {0U, 1U, 2U}) {
      C::check(
          "triplet_margin_loss", {dy, x, x, x},
          [=](LAMINA_V) {
            auto d = nn::triplet_margin_loss_backward<T>(v[0], v[1], v[2], v[3], mode);
            return which == 0 ? d.anchor : which == 1 ? d.positive : d.negative;
          },
          [=](LAMINA_V, LAMINA_OUT) {
            std::array<MutView<T>, 3> targets;
            targets[which] = out;
            nn::triplet_margin_loss_backward_into<T>(v[0], v[1], v[2], v[3], targets[0], targets[1],
                                                     targets[2], mode);
          },
          {.optional_out = true});
    }
  }
  static const Labels spelled{{1, 2, 1}, {3, 3, 1}};
  static const Labels frames{6, 5};
  static const Labels letters{1, 2};
  C::check(
      "ctc_loss", {{6, 2, 5}},
      [](LAMINA_V) { return nn::ctc_loss<T>(spelled, v[0], frames, letters); },
      [](LAMINA_V, LAMINA_OUT) { nn::ctc_loss_into<T>(spelled, v[0], frames, letters, out); },
      {.legal = {"0:0", "0:2"}});
  C::check(
      "ctc_loss", {{2}, {6, 2, 5}},
      [](LAMINA_V) {
        return nn::ctc_loss_backward<T>(v[0], spelled, v[1], frames, letters, kNone);
      },
      [](LAMINA_V, LAMINA_OUT) {
        nn::ctc_loss_backward_into<T>(v[0], spelled, v[1], frames, letters, out, kNone);
      });
}

TEST(IntoGradientsOfSeveral, MustNotOverlapEachOther) {
  const Array<float> x = testing::values<float>({2, 3, 4}, 1);
  Array<float> same = Array<float>::full({2, 3, 4}, 3);
  EXPECT_THROW(nn::scaled_dot_product_attention_backward_into<float>(x, x, x, x, same, same, {}),
               Error);
  EXPECT_THROW(nn::cosine_embedding_loss_backward_into<float>(
                   Array<float>::scalar(1), x, x, Array<float>::full({2, 3}, 1), same, same),
               Error);
  EXPECT_EQ(same, Array<float>::full({2, 3, 4}, 3));
}

TEST(IntoBooleans, GiveWhatTheAllocatingFormsGive) {
  const Array<bool> a{{true, false, true}, {false, false, true}};
  const Array<bool> b{true, true, false};
  Array<bool> out = Array<bool>::empty({2, 3});
  nn::logical_and_into(a, b, out);
  EXPECT_EQ(out, nn::logical_and(a, b));
  nn::logical_or_into(a, b, out);
  EXPECT_EQ(out, nn::logical_or(a, b));
  nn::logical_xor_into(a, b, out);
  EXPECT_EQ(out, nn::logical_xor(a, b));
  nn::logical_not_into(a, out);
  EXPECT_EQ(out, nn::logical_not(a));
  Array<bool> three = Array<bool>::empty({3});
  nn::any_into(a, three, {.axes = {0}});
  EXPECT_EQ(three, nn::any(a, {.axes = {0}}));
  nn::all_into(a, three, {.axes = {0}});
  EXPECT_EQ(three, nn::all(a, {.axes = {0}}));
  nn::attention_mask_into(Array<float>{0, 2, -1}, three);
  EXPECT_EQ(three, nn::attention_mask(Array<float>{0, 2, -1}));
  EXPECT_THROW(nn::logical_and_into(a, b, three), Error);
  EXPECT_THROW(nn::any_into(a, three, {}), Error);
}

}  // namespace
}  // namespace lamina
