// f_into(..., out) writes the very bits that f(...) returns, into memory of any layout, and in
// place where that is allowed: for the gradients and dropouts that have both forms.

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "lamina/nn/dropout.hpp"
#include "lamina/nn/embedding.hpp"
#include "lamina/nn/loss.hpp"
#include "lamina/nn/reduction.hpp"
#include "lamina/nn/softmax.hpp"
#include "nn/into_pair.hpp"

namespace lamina {
namespace {

using test::Into;
using test::Pair;

using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Into, Types);

TYPED_TEST(Into, ReductionGradients) {
  using T = TypeParam;
  using Views = typename Pair<T>::Views;
  const Shape shape{3, 5, 4};
  for (const nn::ReductionInfo& row : nn::kReductions) {
    const nn::Reduction kind = row.kind;
    const nn::ReduceOptions options{.axes = {1}};
    const auto y_of = [=](const Views& v) { return nn::reduce(kind, v[1], options); };
    this->check({std::string(row.name),
                 {{3, 4}, shape},
                 [=](const Views& v) {
                   return nn::reduce_backward<T>(kind, v[0], shape, v[1], y_of(v), options);
                 },
                 [=](const Views& v, const MutView<T>& out) {
                   nn::reduce_backward_into<T>(kind, v[0], v[1], y_of(v), out, options);
                 }});
  }
}

TYPED_TEST(Into, LossGradients) {
  using T = TypeParam;
  using Views = typename Pair<T>::Views;
  const Shape x{3, 7};
  for (const ReductionMode mode : {ReductionMode::None, ReductionMode::Mean}) {
    const bool none = mode == ReductionMode::None;
    for (const nn::LossRow& row : nn::kLossTable) {
      const nn::Loss kind = row.kind;
      const auto options = [third = !row.third.empty()](const Views& v) {
        return nn::LossOptions<T>{.third = third ? v[3] : View<T>()};
      };
      const std::string name = std::string(row.name).append(", ").append(to_string(mode));
      const std::vector<Shape> inputs{none ? x : Shape{}, x, x, x};
      const std::set<std::size_t> in_place =
          none ? std::set<std::size_t>{0, 1, 2} : std::set<std::size_t>{1, 2};
      this->check(
          {name, inputs,
           [=](const Views& v) {
             return nn::elementwise_loss_backward<T>(kind, v[0], v[1], v[2], mode, options(v));
           },
           [=](const Views& v, const MutView<T>& out) {
             nn::elementwise_loss_backward_into<T>(kind, v[0], v[1], v[2], out, mode, options(v));
           },
           in_place});
      this->check({name + ", target", inputs,
                   [=](const Views& v) {
                     return nn::elementwise_loss_backward_true<T>(kind, v[0], v[1], v[2], mode,
                                                                  options(v));
                   },
                   [=](const Views& v, const MutView<T>& out) {
                     nn::elementwise_loss_backward_true_into<T>(kind, v[0], v[1], v[2], out, mode,
                                                                options(v));
                   },
                   in_place});
      if (!row.third.empty()) {
        this->check({name + ", third", inputs,
                     [=](const Views& v) {
                       return nn::elementwise_loss_backward_third<T>(kind, v[0], v[1], v[2], mode,
                                                                     options(v));
                     },
                     [=](const Views& v, const MutView<T>& out) {
                       nn::elementwise_loss_backward_third_into<T>(kind, v[0], v[1], v[2], out,
                                                                   mode, options(v));
                     },
                     in_place});
      }
    }
    static const Array<std::int64_t> labels{6, 0, 2};
    const Shape dy = none ? Shape{3} : Shape{};
    const nn::ClassLossOptions<T> options{.label_smoothing = 0.1};
    const nn::CrossEntropyOptions<T> cross{.mode = mode, .label_smoothing = 0.1};
    this->check(
        {"cross_entropy",
         {dy, x},
         [=](const Views& v) { return nn::cross_entropy_backward<T>(v[0], labels, v[1], cross); },
         [=](const Views& v, const MutView<T>& out) {
           nn::cross_entropy_backward_into<T>(v[0], labels, v[1], out, cross);
         },
         {1}});
    this->check(
        {"cross_entropy, soft",
         {dy, x, x},
         [=](const Views& v) { return nn::cross_entropy_backward<T>(v[0], v[1], v[2], cross); },
         [=](const Views& v, const MutView<T>& out) {
           nn::cross_entropy_backward_into<T>(v[0], v[1], v[2], out, cross);
         },
         {2}});
    this->check({"sparse",
                 {dy, x},
                 [=](const Views& v) {
                   return nn::sparse_categorical_cross_entropy_backward<T>(v[0], labels, v[1], mode,
                                                                           options);
                 },
                 [=](const Views& v, const MutView<T>& out) {
                   nn::sparse_categorical_cross_entropy_backward_into<T>(v[0], labels, v[1], out,
                                                                         mode, options);
                 },
                 {1}});
    this->check(
        {"categorical",
         {dy, x, x},
         [=](const Views& v) {
           return nn::categorical_cross_entropy_backward<T>(v[0], v[1], v[2], mode, options);
         },
         [=](const Views& v, const MutView<T>& out) {
           nn::categorical_cross_entropy_backward_into<T>(v[0], v[1], v[2], out, mode, options);
         },
         {2}});
    this->check({"nll",
                 {dy, x},
                 [=](const Views& v) {
                   return nn::nll_loss_backward<T>(v[0], labels, v[1], mode, options);
                 },
                 [=](const Views& v, const MutView<T>& out) {
                   nn::nll_loss_backward_into<T>(v[0], labels, v[1], out, mode, options);
                 },
                 {1}});
  }
}

TYPED_TEST(Into, Dropouts) {
  using T = TypeParam;
  using Views = typename Pair<T>::Views;
  const std::vector<Shape> images{{4, 3, 5}};
  for (const double p : {0.0, 0.4, 1.0}) {
    const auto check = [&](const char* name, auto allocate, auto into) {
      this->check({name,
                   images,
                   [=](const Views& v) {
                     Generator generator(7);
                     return allocate(v[0], p, generator);
                   },
                   [=](const Views& v, const MutView<T>& out) {
                     Generator generator(7);
                     into(v[0], out, p, generator);
                   },
                   {0}});
    };
    check(
        "dropout", [](auto x, double q, auto& g) { return nn::dropout<T>(x, q, true, g); },
        [](auto x, auto out, double q, auto& g) { nn::dropout_into<T>(x, out, q, true, g); });
    check(
        "spatial_dropout",
        [](auto x, double q, auto& g) { return nn::spatial_dropout<T>(x, q, true, g); },
        [](auto x, auto out, double q, auto& g) {
          nn::spatial_dropout_into<T>(x, out, q, true, g);
        });
    check(
        "drop_path", [](auto x, double q, auto& g) { return nn::drop_path<T>(x, q, true, g); },
        [](auto x, auto out, double q, auto& g) { nn::drop_path_into<T>(x, out, q, true, g); });
    check(
        "alpha_dropout",
        [](auto x, double q, auto& g) { return nn::alpha_dropout<T>(x, q, true, g); },
        [](auto x, auto out, double q, auto& g) { nn::alpha_dropout_into<T>(x, out, q, true, g); });
    check(
        "dropout_backward",
        [](auto x, double q, auto& g) { return nn::dropout_backward<T>(x, q, true, g); },
        [](auto x, auto out, double q, auto& g) {
          nn::dropout_backward_into<T>(x, out, q, true, g);
        });
    check(
        "spatial_dropout_backward",
        [](auto x, double q, auto& g) { return nn::spatial_dropout_backward<T>(x, q, true, g); },
        [](auto x, auto out, double q, auto& g) {
          nn::spatial_dropout_backward_into<T>(x, out, q, true, g);
        });
    check(
        "drop_path_backward",
        [](auto x, double q, auto& g) { return nn::drop_path_backward<T>(x, q, true, g); },
        [](auto x, auto out, double q, auto& g) {
          nn::drop_path_backward_into<T>(x, out, q, true, g);
        });
    check(
        "alpha_dropout_backward",
        [](auto x, double q, auto& g) { return nn::alpha_dropout_backward<T>(x, q, true, g); },
        [](auto x, auto out, double q, auto& g) {
          nn::alpha_dropout_backward_into<T>(x, out, q, true, g);
        });
  }
  static const Array<bool> mask{true, false, true, true, false};
  this->check({"apply_dropout_mask",
               images,
               [](const Views& v) { return nn::apply_dropout_mask<T>(v[0], mask, 0.5); },
               [](const Views& v, const MutView<T>& out) {
                 nn::apply_dropout_mask_into<T>(v[0], mask, out, 0.5);
               },
               {0}});
}

TYPED_TEST(Into, EmbeddingGradient) {
  using T = TypeParam;
  using Views = typename Pair<T>::Views;
  static const Array<std::int64_t> indices{2, 0, 2, 4};
  this->check({"embedding_backward",
               {{4, 3}},
               [](const Views& v) {
                 return nn::embedding_backward<T>(v[0], indices, 6, {.padding_index = 4});
               },
               [](const Views& v, const MutView<T>& out) {
                 nn::embedding_backward_into<T>(v[0], indices, out, {.padding_index = 4});
               }});
}

}  // namespace
}  // namespace lamina
